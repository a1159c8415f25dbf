// Package engine is the whole engine as a value: [New], [Engine.Run], [Engine.Apply], [Engine.View]. This page is the tour.
//
// # The rooms
//
//	cmd/engine                verbs and wiring; the only place that names plugins, stores, modes
//	hcl                       *.hcl → flat maps with places; watch; the only user of hashicorp/hcl, go-cty, fsnotify
//	api                       the REST API over net/http and gorilla/mux; asks the engine through small interfaces
//	engine                    New, Run, Apply, View; what the API reads and asks for
//	engine/diag               messages with code, place, fix
//	engine/record             value, schema, record, batch
//	engine/plugin             contracts, spec, registry, host        (+ plugintest: the suite every plugin passes)
//	engine/config             the flat map: keys, checks, the worker's settings
//	engine/graph              flat map → instance and task graphs; fingerprints; text, DOT, Mermaid, JSON
//	engine/internal/leader    requests in → records and plan out; placement as pure functions      (+ model: the protocol, searched)
//	engine/internal/member    who is here and who leads
//	engine/internal/worker    makes what runs here equal to the plan
//	engine/internal/task      source and sink loops, chain, tolerance, tracker of spans
//	engine/internal/kafka     client settings
//	engine/ssl                Kafka's properties of TLS, for clients of Kafka and of a schema registry
//	engine/broker             the development broker; a room of its own, so that nobody links it who embeds the engine
//	engine/registry           the embedded Schema Registry beside it, likewise; its schema is what converters ask too
//	engine/jsonschema         JSON checked by JSON Schemas, for the registry and its converter
//	store                     contract and suite (storetest); store/memory, store/file, store/topic
//	plugins                   one folder a system; plugins/transform, plugins/convert, plugins/condition; plugins.go lists them
//	pipelines, testdata       examples, each a folder that is a project and a test; data
//
// Data flows down that page, status flows back through the store. Who may import whom is the table in rules_test.go.
//
// # The path of a configuration
//
//	*.hcl ─► hcl ─► flat maps with places ─► config.Check ─► graph.Compile ─► Engine.Apply
//	                                                                              │ request
//	                                                                              ▼
//	                                                             store.Submit ─► the log
//	                                                                              │
//	 leader: request, state ─► answer + configuration + plan ── one commit ─► the store
//	                                                                              │ revision
//	 worker: snapshot ─► graph ─► placements of mine ─► reconcile ─► instances and tasks
//	                                                        └─ an instance asks for tasks ─► store.Submit
//
// There is no other road: a start, a change, a pause, a restart and the shutdown are the same call of the worker's
// reconcile with another wish. What runs is always the image of a stored revision (invariant 4).
//
// # The path of the data
//
//	 source task: one goroutine                                                  the client's goroutines
//	┌──────────────────────────────────────────────────────────────────┐
//	│  Poll ────► Batch ────► chain ──────► encode ────► produce ──────┼────► buffer ────► broker
//	│  plugin     values in   one call a    one buffer,  one promise   │                     │
//	│  appends    one slab    transform     a slab of    a run         │                     ▼
//	└──▲─────────────────────────────────── messages ──────────────────┘              span: one decrement
//	   └── produce blocks while the producer is full: that is the whole backpressure         │ 0
//	       committer: one goroutine, a ticker ◄──────── longest delivered prefix ◄───────────┘
//	             └──► the store's offsets, then the source is told
//
// A sink task is the mirror image, also one goroutine: poll a fetch, decode into a batch, chain, Put; on a timer or when
// asked, Flush and commit the consumer's offsets.
//
// # Goroutines
//
//	Engine.Run      member, leader and worker           ends with its context, or the first failure   joined by Run
//	leader          one loop that decides               leadership lost, context done                 Run
//	worker          one loop that reconciles            context done                                  Run
//	status          one a thing, to write what it said  nothing is left to say, worker ends           the worker
//	instance        one each, while it is placed here   told to stop                                  the worker
//	source task     its loop and a committer            told to stop, or a failure                    the worker; itself
//	sink task       its loop                            told to stop, or a failure                    the worker
//	api             one a listener, those of net/http   Shutdown, before the engine stops             api.Serve
//	plugin          what it likes                       its Stop                                      its Stop
//
// # The invariants, cited by number in the code
//
//  1. An offset is stored only after everything up to it was delivered or deliberately dropped.
//  2. A record is never lost silently.
//  3. Order is kept within a source partition, and within a topic partition on the way to a sink.
//  4. What runs is always the image of a stored revision.
//  5. No task is told to run twice at once; a worker stops what it may no longer run before another may start it.
//  6. A sensitive value appears in no log, status, plan or error.
//  7. A stop loses nothing; a kill repeats at most what was in flight.
//  8. Import, then plan, is empty; apply, then plan, is empty.
//  9. What is not understood is refused with a place and a reason, not ignored.
package engine
