package graph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
)

// byClass compares plugins by what they are, since constructors cannot be compared.
var byClass = cmp.Transformer("plugin", func(d plugin.Descriptor) string { return d.Class })

var (
	orders = []string{
		"name=orders", "connector.class=FileStreamSource", "file=/var/log/app.log", "topic=orders", "tasks.max=3", "tasks.max.enforce=false",
		"transforms=line, mask,big", "transforms.line.type=" + transforms + "HoistField$Value", "transforms.line.field=line",
		"transforms.mask.type=" + transforms + "MaskField$Key", "transforms.mask.fields=a,b", "transforms.mask.predicate=mine", "transforms.mask.negate=TRUE", "transforms.mask.plugin.version=[4,5)",
		"transforms.big.type=Filter", "transforms.big.predicate=mine",
		"predicates=mine", "predicates.mine.type=TopicNameMatches", "predicates.mine.pattern=orders", "predicates.mine.plugin.version=4.3.1",
		"value.converter=org.apache.kafka.connect.storage.StringConverter", "value.converter.encoding=UTF-8",
		"errors.tolerance=all", "errors.retry.timeout=-1", "errors.retry.delay.max.ms=500", "errors.log.enable=true", "errors.log.include.messages=true", "errors.restart.max.attempts=3",
		"topic.creation.default.partitions=6", "topic.creation.default.replication.factor=-1", "topic.creation.default.cleanup.policy=compact",
		"topic.creation.groups=logs", "topic.creation.logs.include=log\\..*, x", "topic.creation.logs.exclude=log\\.y", "topic.creation.logs.replication.factor=2", "topic.creation.logs.retention.ms=5",
		"producer.override.linger.ms=20", "admin.override.request.timeout.ms=9",
	}
	archive = []string{
		"name=archive", "connector.class=FileStreamSink", "topics=orders, users", "file=/srv/archive.log",
		"errors.tolerance=all", "errors.deadletterqueue.topic.name=archive.dlq", "errors.deadletterqueue.context.headers.enable=true", "errors.deadletterqueue.topic.replication.factor=1",
		"consumer.override.max.poll.records=5", "errors.restart.policy=never",
	}
)

func TestCompileSource(t *testing.T) {
	t.Parallel()
	r := registry(t)
	w := worker(t, r, "key.converter=JsonConverter", "key.converter.schemas.enable=true", "value.converter=JsonConverter", "value.converter.schemas.enable=true", "offset.flush.interval.ms=2000")
	ds := declared(orders)
	g, found := graph.Compile(ds, w, r)
	if len(found) > 0 {
		t.Fatalf("Compile: %v", found)
	}
	mine := &graph.Predicate{Name: "mine", Plugin: plugin.Descriptor{Class: transforms + "predicates.TopicNameMatches"}, Class: "TopicNameMatches", Settings: plugin.Config{"pattern": "orders"}}
	want := &graph.Instance{
		Name: "orders", Role: plugin.SourceRole, Plugin: plugin.Descriptor{Class: "org.apache.kafka.connect.file.FileStreamSourceConnector"},
		Config: ds[0].Map, Settings: plugin.Config(ds[0].Map), TasksMax: 3, Enforce: false, Declared: ds[0],
		Healing: graph.Healing{Attempts: 3, Delay: time.Second, DelayMax: time.Minute},
		Task: graph.Task{
			Key:    graph.Converter{Plugin: plugin.Descriptor{Class: "org.apache.kafka.connect.json.JsonConverter"}, Use: plugin.KeyUse, Settings: plugin.Config{"schemas.enable": "true"}, Class: "JsonConverter", Inherited: true},
			Value:  graph.Converter{Plugin: plugin.Descriptor{Class: "org.apache.kafka.connect.storage.StringConverter"}, Use: plugin.ValueUse, Settings: plugin.Config{"encoding": "UTF-8"}, Class: "org.apache.kafka.connect.storage.StringConverter"},
			Header: graph.Converter{Plugin: plugin.Descriptor{Class: "org.apache.kafka.connect.storage.SimpleHeaderConverter"}, Use: plugin.HeaderUse, Settings: plugin.Config{}, Class: "org.apache.kafka.connect.storage.SimpleHeaderConverter", Inherited: true},
			Chain: []graph.Stage{
				{Name: "line", Plugin: plugin.Descriptor{Class: transforms + "HoistField"}, Target: plugin.Value, Class: transforms + "HoistField$Value", Settings: plugin.Config{"field": "line"}},
				{Name: "mask", Plugin: plugin.Descriptor{Class: transforms + "MaskField"}, Target: plugin.Key, Class: transforms + "MaskField$Key", Settings: plugin.Config{"fields": "a,b"}, Predicate: mine, Negate: true},
				{Name: "big", Plugin: plugin.Descriptor{Class: transforms + "Filter"}, Class: "Filter", Settings: plugin.Config{}, Predicate: mine},
			},
			Errors: graph.Errors{TolerateAll: true, RetryTimeout: -time.Millisecond, RetryDelayMax: 500 * time.Millisecond, Log: true, LogMessages: true},
			Creation: []graph.TopicGroup{
				{Name: "logs", Include: []string{`log\..*`, "x"}, Exclude: []string{`log\.y`}, Partitions: 6, Replicas: 2, Configs: map[string]string{"retention.ms": "5"}},
				{Name: "default", Partitions: 6, Replicas: -1, Configs: map[string]string{"cleanup.policy": "compact"}},
			},
			Producer: map[string]string{"linger.ms": "20"}, Consumer: map[string]string{}, Admin: map[string]string{"request.timeout.ms": "9"},
			FlushInterval: 2 * time.Second, FlushTimeout: 5 * time.Second,
		},
	}
	if d := cmp.Diff(want, g.Instance("orders"), byClass, cmpopts.IgnoreFields(graph.Instance{}, "Fingerprint")); d != "" {
		t.Errorf("Compile (-want +got):\n%s", d)
	}
}

// TestRegistryAddressIsADefaultAtRunTime: a converter that asks a schema registry and names none gets the worker's, in its
// settings and nowhere in the map; a converter that names one keeps it, and others get none.
func TestRegistryAddressIsADefaultAtRunTime(t *testing.T) {
	t.Parallel()
	r := registry(t)
	source := []string{"name=s", "connector.class=FileStreamSource", "file=/f", "topic=t"}
	avro := "value.converter=io.confluent.connect.avro.AvroConverter"
	cases := []struct {
		name   string
		worker []string
		lines  []string
		want   string
	}{
		{"named", nil, []string{avro, "value.converter.schema.registry.url=http://there"}, "http://there"},
		{"not named", nil, []string{avro}, "http://here"},
		{"the worker's", []string{avro}, nil, "http://here"},
		{"another converter", nil, []string{"value.converter=StringConverter"}, ""},
	}
	for _, c := range cases {
		w := worker(t, r, c.worker...)
		w.Registry = "http://here"
		ds := declared(append(slices.Clone(source), c.lines...))
		before := maps.Clone(ds[0].Map)
		g, found := graph.Compile(ds, w, r)
		if len(found) > 0 || len(g.Instances) != 1 {
			t.Fatalf("%s: %v", c.name, found)
		}
		if got := g.Instances[0].Task.Value.Settings["schema.registry.url"]; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if d := cmp.Diff(before, g.Instances[0].Config); d != "" {
			t.Errorf("%s: the stored map changed:\n%s", c.name, d)
		}
	}
	// With a cluster there is no registry of ours.
	w := worker(t, r, "bootstrap.servers=a:1")
	if _, found := graph.Compile(declared(append(source, avro)), w, r); !slices.Contains(codes(found), diag.MissingProperty) {
		t.Errorf("with a cluster: got %v, want %s", found, diag.MissingProperty)
	}
}

func TestCompileSink(t *testing.T) {
	t.Parallel()
	r := registry(t)
	g, found := graph.Compile(declared(archive), worker(t, r), r)
	if len(found) > 0 {
		t.Fatalf("Compile: %v", found)
	}
	i := g.Instance("archive")
	if i.Role != plugin.SinkRole || i.TasksMax != 1 || !i.Enforce || i.Healing != (graph.Healing{}) {
		t.Errorf("got role %v, %d tasks, enforce %v, healing %v", i.Role, i.TasksMax, i.Enforce, i.Healing)
	}
	want := graph.Task{
		DeadLetter: &graph.DeadLetter{Topic: "archive.dlq", Replicas: 1, Headers: true}, Topics: []string{"orders", "users"},
		Errors:   graph.Errors{TolerateAll: true, RetryDelayMax: time.Minute},
		Producer: map[string]string{}, Consumer: map[string]string{"max.poll.records": "5"}, Admin: map[string]string{},
		FlushInterval: time.Second, FlushTimeout: 5 * time.Second,
	}
	if d := cmp.Diff(want, i.Task, byClass, cmpopts.IgnoreFields(graph.Task{}, "Key", "Value", "Header")); d != "" {
		t.Errorf("Compile (-want +got):\n%s", d)
	}
	// Where nobody chooses converters, JSON without schemas serves.
	for _, c := range []graph.Converter{i.Task.Key, i.Task.Value} {
		if c.Plugin.Name != "json" || c.Settings["schemas.enable"] != "false" || !c.Inherited {
			t.Errorf("the default converter is %q with %v", c.Plugin.Name, c.Settings)
		}
	}
}

func TestTopicsAreNotCreatedWhenTheWorkerForbidsIt(t *testing.T) {
	t.Parallel()
	r := registry(t)
	g, _ := graph.Compile(declared(orders), worker(t, r, "topic.creation.enable=false"), r)
	if c := g.Instance("orders").Task.Creation; c != nil {
		t.Errorf("got %v, want none", c)
	}
}

func TestBrokenPipelineIsLeftOut(t *testing.T) {
	t.Parallel()
	r := registry(t)
	g, found := graph.Compile(declared(archive, []string{"name=bad", "connector.class=NoSuch"}, []string{"name=worse", "connector.class=FileStreamSource", "file=/forbidden"}, orders), worker(t, r), r)
	var names []string
	for _, i := range g.Instances {
		names = append(names, i.Name)
	}
	if d := cmp.Diff([]string{"archive", "orders"}, names); d != "" {
		t.Errorf("instances (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]diag.Code{diag.UnknownConnector, diag.InvalidValue}, codes(found)); d != "" {
		t.Errorf("found (-want +got):\n%s", d)
	}
	if g.Instance("bad") != nil {
		t.Error("a broken instance can be found")
	}
}

func codes(l diag.List) []diag.Code {
	var cs []diag.Code
	for _, d := range l {
		cs = append(cs, d.Code)
	}
	return cs
}

func TestCollidingNamesAreAllLeftOut(t *testing.T) {
	t.Parallel()
	r := registry(t)
	ds := declared([]string{"name=cdc", "connector.class=com.example.TableSource"}, []string{"name=cdc", "connector.class=com.example.TableSource", "tasks.max=2"}, archive)
	ds[0].Label, ds[1].Label = `pipeline.cdc["customers"]`, `pipeline.cdc["orders"]`
	g, found := graph.Compile(ds, worker(t, r), r)
	if len(g.Instances) != 1 || g.Instance("archive") == nil {
		t.Errorf("got %d instances", len(g.Instances))
	}
	if d := cmp.Diff([]diag.Code{diag.DuplicateConnector}, codes(found)); d != "" {
		t.Fatalf("found (-want +got):\n%s", d)
	}
	want := `pipeline.cdc["customers"] and pipeline.cdc["orders"] both produce a connector named "cdc". Connector names are unique in a cluster: set name = ... in one of them.`
	if got := found[0].Detail; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCompileOneIsCompileOfTheStoredMap(t *testing.T) {
	t.Parallel()
	r := registry(t)
	w := worker(t, r)
	g, _ := graph.Compile(declared(orders), w, r)
	m := properties(orders...)
	i, found := graph.CompileOne("orders", m, w, r)
	if len(found) > 0 {
		t.Fatalf("CompileOne: %v", found)
	}
	if i.Declared != nil {
		t.Error("a stored configuration has no places")
	}
	if d := cmp.Diff(g.Instance("orders"), i, byClass, cmpopts.IgnoreFields(graph.Instance{}, "Declared")); d != "" {
		t.Errorf("CompileOne differs (-Compile +CompileOne):\n%s", d)
	}
	if i, found := graph.CompileOne("x", config.Map{"connector.class": "NoSuch"}, w, r); i != nil || !found.HasErrors() {
		t.Errorf("got %v, %v of a broken map", i, found)
	}
	// Validate may ask external systems; it had its say when the configuration was written.
	if i, found := graph.CompileOne("x", properties("connector.class=FileStreamSource", "topic=t", "file=/forbidden"), w, r); i == nil || i.Name != "x" {
		t.Errorf("got %v, %v", i, found)
	}
}

func TestGraphDoesNotShareTheDeclaredMap(t *testing.T) {
	t.Parallel()
	r := registry(t)
	ds := declared(archive)
	g, _ := graph.Compile(ds, worker(t, r), r)
	ds[0].Map["file"] = "/elsewhere"
	if got := g.Instance("archive").Settings["file"]; got != "/srv/archive.log" {
		t.Errorf("the graph changed with the declared map: %s", got)
	}
}

func fingerprint(t testing.TB, r *plugin.Registry, w *config.Worker, m config.Map) graph.Fingerprint {
	t.Helper()
	i, found := graph.CompileOne("x", m, w, r)
	if i == nil {
		t.Fatalf("%v", found.Err())
	}
	return i.Fingerprint
}

func TestFingerprintChangesWhenAndOnlyWhen(t *testing.T) {
	t.Parallel()
	base := []string{"bootstrap.servers=k:9092"}
	with := func(lines ...string) []string { return append(slices.Clone(base), lines...) }
	cases := []struct {
		name    string
		lines   []string // of the pipeline
		worker  []string
		options []option
		same    bool
	}{
		{"nothing", orders, base, nil, true},
		{"version of the connector", orders, base, []option{version("FileStreamSourceConnector", "5")}, false},
		{"version of a connector that it is not", orders, base, []option{version("FileStreamSinkConnector", "5")}, true},
		{"version of its transform", orders, base, []option{version("HoistField", "5")}, false},
		{"version of a transform that it has not", orders, base, []option{version("RegexRouter", "5")}, true},
		{"version of its converter", orders, base, []option{version("StringConverter", "5")}, false},
		{"cluster", orders, []string{"bootstrap.servers=other:9092"}, nil, false},
		{"inherited converter", orders, with("key.converter=StringConverter"), nil, false},
		{"setting of the inherited converter", orders, with("key.converter=JsonConverter", "key.converter.schemas.enable=true"), nil, false},
		{"the inherited converter, spelt out as it is", orders, with("key.converter=org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable=false"), nil, true},
		{"converter of values, which it chooses itself", orders, with("value.converter=JsonConverter", "value.converter.schemas.enable=true"), nil, true},
		{"flush interval", orders, with("offset.flush.interval.ms=5"), nil, false},
		{"flush timeout", orders, with("offset.flush.timeout.ms=6"), nil, false},
		{"stop timeout", orders, with("task.shutdown.graceful.timeout.ms=7"), nil, true},
		{"override policy that allows what it does", orders, with("connector.client.config.override.policy=Allowlist", "connector.client.config.override.allowlist=linger.ms,request.timeout.ms"), nil, true},
		{"offsets file", orders, with("offset.storage.file.filename=/x"), nil, true},
		{"producers of a source", orders, with("producer.linger.ms=1"), nil, false},
		{"admin clients of a source", orders, with("admin.retries=1"), nil, false},
		{"consumers, which a source has not", orders, with("consumer.fetch.min.bytes=1"), nil, true},
		{"topic creation", orders, with("topic.creation.enable=false"), nil, false},
		{"topic creation, which a sink does not do", archive, with("topic.creation.enable=false"), nil, true},
		{"consumers of a sink", archive, with("consumer.fetch.min.bytes=1"), nil, false},
		{"producers of a sink with a dead letter queue", archive, with("producer.linger.ms=1"), nil, false},
		{"producers of a sink without one", archive[:4], with("producer.linger.ms=1"), nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := registry(t)
			before := fingerprint(t, r, worker(t, r, base...), properties(c.lines...))
			r = registry(t, c.options...)
			// A changed version would no longer fit what the pipeline asks for.
			lines := slices.DeleteFunc(slices.Clone(c.lines), func(l string) bool { return strings.Contains(l, "plugin.version") })
			if len(c.options) > 0 {
				plain := registry(t)
				before = fingerprint(t, plain, worker(t, plain, base...), properties(lines...))
			} else {
				lines = c.lines
			}
			after := fingerprint(t, r, worker(t, r, c.worker...), properties(lines...))
			if (before == after) != c.same {
				t.Errorf("same fingerprint: %v, want %v", before == after, c.same)
			}
		})
	}
}

// Any change of a property changes the fingerprint; places, labels and the target state do not.
func TestFingerprintIsOfTheMap(t *testing.T) {
	t.Parallel()
	r := registry(t)
	w := worker(t, r)
	free := rapid.MapOf(rapid.StringMatching(`[a-z]{1,3}\.[a-z]{1,3}`), rapid.StringMatching(`[a-z.=]{0,4}`))
	rapid.Check(t, func(rt *rapid.T) {
		a, b := free.Draw(rt, "a"), free.Draw(rt, "b")
		of := func(free map[string]string, d config.Declared) graph.Fingerprint {
			m := properties(archive[:4]...)
			maps.Copy(m, free)
			d.Map = m
			g, found := graph.Compile([]*config.Declared{&d}, w, r)
			if len(g.Instances) != 1 {
				rt.Fatalf("%v", found)
			}
			return g.Instances[0].Fingerprint
		}
		plain := of(a, config.Declared{})
		placed := of(a, config.Declared{Label: "pipeline.x", Target: config.Paused, Place: diag.Place{File: "x.hcl", Line: 3}, Origins: map[string]config.Origin{"file": {Written: "file"}}})
		if plain != placed {
			rt.Error("places change the fingerprint")
		}
		if (plain == of(b, config.Declared{})) != maps.Equal(a, b) {
			rt.Error("fingerprints are equal where maps are not, or the other way round")
		}
	})
}

func TestRenderedValuesAreFew(t *testing.T) {
	t.Parallel()
	r := registry(t)
	lines := append(slices.Clone(archive), "connection.password=hunter2", "producer.override.x=hunter2")
	ds := declared(lines)
	ds[0].Map["file"] = "/hunter2"
	ds[0].Origins = map[string]config.Origin{"file": {Sensitive: true}}
	g, _ := graph.Compile(ds, worker(t, r), r)
	for _, f := range graph.Formats() {
		var b strings.Builder
		if err := graph.Render(&b, g, f); err != nil {
			t.Fatal(err)
		}
		if err := graph.RenderTask(&b, g.Instances[0], f); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "hunter2") {
			t.Errorf("%s shows a secret:\n%s", f, b.String())
		}
	}
}

// TestRecompileTakesOverWhatIsTheSame compiles a changed configuration with and without what was compiled before.
func TestRecompileTakesOverWhatIsTheSame(t *testing.T) {
	t.Parallel()
	asked := 0
	r := registry(t, func(ds []plugin.Descriptor) {
		ds[0].NewSource = func() plugin.Source { asked++; return source{} }
	})
	w := worker(t, r)
	before, found := graph.Compile(declared(orders, archive), w, r)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	if asked == 0 {
		t.Fatal("Compile asked no connector, so nothing is compared")
	}
	asked = 0
	ds := declared(orders, append(slices.Clone(archive), "tasks.max=7"), []string{"name=more", "connector.class=FileStreamSink", "topics=x"})
	got, _ := before.Recompile(ds, w, r)
	if asked > 0 {
		t.Errorf("the connector that is the same was made %d times to be asked", asked)
	}
	want, _ := graph.Compile(ds, w, r)
	if diff := cmp.Diff(want.Instances, got.Instances, byClass); diff != "" {
		t.Errorf("(-Compile +Recompile):\n%s", diff)
	}
	if i := got.Instance("orders"); i == before.Instance("orders") || i.Declared != ds[0] {
		t.Error("the instance that was taken over has the place that it had before")
	}
	if i := before.Instance("archive"); i.TasksMax != 1 || before.Instance("more") != nil {
		t.Error("the earlier graph has changed")
	}
	twice, found := before.Recompile(declared(orders, orders), w, r)
	if !found.HasErrors() || len(twice.Instances) != 0 {
		t.Errorf("a name that stands twice gives %d instances and %v", len(twice.Instances), found)
	}
}
