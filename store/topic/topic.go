// Package topic keeps a store in three Kafka topics, in the formats of Kafka Connect (decisions D2 to D4): what a worker of
// Kafka Connect wrote is read, and what is written here a worker of Kafka Connect reads. What it has no record for goes into
// headers, which it ignores, and into records of keys that it logs and skips.
//
//	connector-<name>, task-<name>-<n>, commit-<name>, target-state-<name>, restart-connector-<name>   see record.go
//	request-<id>         what a worker asks the leader for; the tombstone's header holds the answer
//	plan-<member>, plan  what a member has in the plan, and the plan's head, the last record of each commit
//	targets-<name>       what was asked of single tasks, and who holds the connector
//	logger-cluster-<name>  the level of a logger on all workers, see level.go
//
// A revision is the offset after a record, as Kafka Connect counts its config offset, since offsets begin at 0 and
// revisions at 1; see [Store.Commit]. What the topics say is a function of the newest record of each key, so compaction
// changes nothing; see state.go.
package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/store"
)

// Settings are what [Open] works with.
type Settings struct {
	Group    string // group.id: part of the leader's transactional id, and whose plan this is
	ClientID string // client.id; part of the names that brokers see of the clients
	Address  string // of this worker, as host:port: the worker_id of its statuses; "" for the member's id

	Config, Offsets, Statuses Topic

	// Client makes a client with the worker's connection settings; the options given come last. The store closes it.
	Client func(clientID string, options ...kgo.Opt) (*kgo.Client, error)
	Logger *slog.Logger

	// Level hears of the level that a logger shall have on all workers, once somebody asks for one (KIP-976); what was asked
	// for before the store is open is history. It must neither wait nor call the store. nil: nobody listens.
	Level func(logger, level string)
}

// Store is a [store.Store] in topics.
type Store struct {
	guard
	settings Settings
	writer   *kgo.Client // produces requests, and asks whatever is no fetch
	data     *kgo.Client // produces offsets and statuses
	limit    int         // largest record of the config topic
	configs  *log
	statuses *statuses
	offsets  *offsets

	now     atomic.Pointer[store.Snapshot]
	state   *state                   // guarded by mu
	opened  bool                     // guarded by mu: what is read is news
	unfit   map[string]error         // guarded by mu: until the store is open, keys whose newest record must not be followed
	waiting map[string]*store.Answer // guarded by mu: requests submitted here, by id; nil: not answered yet
	write   chan struct{}            // one claim or commit at a time: full while there is one
	claim   *claim                   // guarded by write
	claims  store.Fence              // guarded by write

	stop context.CancelFunc
	run  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open makes the topics that are missing, refuses those that are not as they must be, and reads them to their ends. A plan
// of another group.id is refused with [ErrForeign], one that is not understood with [ErrPlanVersion]; what a person can cure
// is a *[diag.Diagnostic]. ctx bounds the opening only.
//
// Once open, a store that can read no more (a topic was deleted or made anew, a permission was taken away, the config topic
// got a plan of another cluster) returns the reason from every method but Commit of offsets.
func Open(ctx context.Context, settings Settings) (*Store, error) {
	s := &Store{
		guard: guard{changed: make(chan struct{})}, settings: settings,
		state: newState(settings.Group), waiting: map[string]*store.Answer{}, unfit: map[string]error{}, write: make(chan struct{}, 1),
	}
	s.now.Store(s.state.snapshot)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	if err := s.open(ctx, running); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// producing are the options of a client that writes records one wants to have soon and nowhere twice, in batches that a
// topic takes. Keys are hashed as by Java, so that the records of a key meet in one partition.
func producing(limit int) []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchMaxBytes(int32(limit)),
	}
}

// clientID names a client as Kafka Connect does: the group, client.id when there is one, and what it is for.
func (s *Store) clientID(purpose string) string {
	if s.settings.ClientID != "" {
		return s.settings.Group + "-" + s.settings.ClientID + "-" + purpose
	}
	return s.settings.Group + "-" + purpose
}

// ensure makes the topics or looks at them, in the order of [Store.logs].
func (s *Store) ensure(ctx context.Context) ([]found, error) {
	client, err := s.settings.Client(s.clientID("admin"))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	topics := []Topic{s.settings.Config, s.settings.Offsets, s.settings.Statuses}
	all := make([]found, len(topics))
	for i, p := range []prefix{configPrefix, offsetPrefix, statusPrefix} {
		if all[i], err = ensure(ctx, client, topics[i], p, s.settings.Logger); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Store) open(ctx, running context.Context) error {
	found, err := s.ensure(ctx)
	if err != nil {
		return err
	}
	s.limit = found[0].limit
	if s.writer, err = s.settings.Client(s.clientID("configs"), producing(s.limit)...); err != nil {
		return err
	}
	if err := s.mayLead(ctx); err != nil {
		return err
	}
	if s.data, err = s.settings.Client(s.clientID("store"), producing(min(found[1].limit, found[2].limit))...); err != nil {
		return err
	}
	s.configs = &log{topic: s.settings.Config.Name, stable: true, take: s.takeConfig, marker: s.state.marker, settle: s.settleConfig}
	s.offsets = newOffsets(s, s.settings.Offsets.Name)
	s.statuses = newStatuses(s, s.settings.Statuses.Name)
	for i, l := range s.logs() {
		if err := s.start(ctx, running, l, found[i].partitions); err != nil {
			return err
		}
	}
	for _, l := range s.logs() {
		if err := l.readToEnd(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.unfit)) {
		return s.unfit[key]
	}
	s.opened = true
	s.state.marker() // compaction may have taken the last one
	s.settleConfig()
	return nil
}

func (s *Store) logs() []*log { return []*log{s.configs, s.offsets.log, s.statuses.log} }

// start makes the reader of a log and has it follow.
func (s *Store) start(ctx, running context.Context, l *log, partitions int) error {
	l.guard, l.asker, l.logger, l.turn = &s.guard, s.writer, s.settings.Logger, make(chan struct{}, 1)
	l.next = make([]int64, partitions)
	starts, err := l.list(ctx, kadm.NewClient(s.writer).ListStartOffsets)
	if err != nil {
		return err
	}
	l.next = starts
	from := map[int32]kgo.Offset{}
	for p, o := range starts {
		from[int32(p)] = kgo.NewOffset().At(o)
	}
	l.reader, err = s.settings.Client(s.clientID("reader"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: from}), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.KeepRetryableFetchErrors(),
		kgo.FetchMaxWait(5*time.Second), kgo.FetchMinBytes(1), kgo.FetchMaxBytes(8<<20), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return err
	}
	s.run.Go(func() { l.follow(running) })
	return nil
}

// Close implements [store.Store]. It waits for a commit that is under way and is harmless when repeated.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.ring()
	s.mu.Unlock()
	if !first {
		return nil
	}
	s.stop()
	s.write <- struct{}{} // kept: there are no more commits
	if s.claim != nil {
		s.claim.client.Close()
	}
	s.run.Wait()
	if s.statuses != nil {
		for _, l := range s.logs() {
			if l.reader != nil {
				l.reader.Close()
			}
		}
	}
	for _, c := range []*kgo.Client{s.writer, s.data} {
		if c != nil {
			c.Close()
		}
	}
	return nil
}

// Offsets implements [store.Store].
func (s *Store) Offsets() store.Offsets { return s.offsets }

// Statuses implements [store.Store].
func (s *Store) Statuses() store.Statuses { return s.statuses }

// takeConfig takes a record of the config topic over. The caller holds mu.
func (s *Store) takeConfig(r *kgo.Record) error {
	s.takeLevel(r)
	err := s.state.apply(r)
	switch {
	case err == nil:
		if s.opened {
			s.state.rebase(r, time.Now())
		}
		delete(s.unfit, string(r.Key))
		return nil
	case fatal(err):
		err = fmt.Errorf("read topic %s: %w", s.configs.topic, err)
		if s.opened {
			return err
		}
		s.unfit[string(r.Key)] = err // unless a newer record is in order again
		return nil
	}
	s.settings.Logger.Error("a record of the config topic cannot be read and is skipped", "offset", r.Offset, "key", string(r.Key), "error", err)
	return nil
}

// settleConfig makes a snapshot once no transaction is half read. The caller holds mu.
func (s *Store) settleConfig() {
	if s.state.open {
		return
	}
	s.now.Store(s.state.publish())
	for _, a := range s.state.answers {
		if _, ok := s.waiting[a.ID]; ok {
			s.waiting[a.ID] = &a
		}
	}
	s.state.answers = s.state.answers[:0]
}

// Snapshot implements [store.Configs].
func (s *Store) Snapshot(ctx context.Context) (*store.Snapshot, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return s.now.Load(), nil
}

// Wait implements [store.Configs].
func (s *Store) Wait(ctx context.Context, after store.Revision) (store.Revision, error) {
	var r store.Revision
	err := s.await(ctx, func() bool {
		r = s.now.Load().Revision
		return r > after
	})
	if err != nil {
		return 0, err
	}
	return r, nil
}

// Sync implements [store.Configs].
func (s *Store) Sync(ctx context.Context) error { return s.configs.readToEnd(ctx) }

// Submit implements [store.Configs]. The answer is in the log before it is returned, and so is what was carried out.
func (s *Store) Submit(ctx context.Context, r store.Request) (store.Answer, error) {
	value, err := encodeRequest(r)
	if err != nil {
		return store.Answer{}, fmt.Errorf("submit: %w", err)
	}
	record := &kgo.Record{Topic: s.configs.topic, Key: []byte(requestPrefix + r.ID), Value: value}
	if size := sizeOf(record); size > s.limit {
		return store.Answer{ID: r.ID, Refusal: store.TooLarge, Reason: (&store.TooLargeError{Connector: ofRequest(r), Bytes: size, Limit: s.limit}).Error()}, nil
	}
	if err := s.expect(ctx, r.ID); err != nil {
		return store.Answer{}, err
	}
	err = s.produce(ctx, s.writer, record)
	var answer *store.Answer
	if err == nil {
		err = s.await(ctx, func() bool { return s.waiting[r.ID] != nil })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer = s.waiting[r.ID]
	delete(s.waiting, r.ID)
	switch {
	case answer != nil: // also when the context or the store ended at the same moment
		return *answer, nil
	case s.ended() != nil:
		return store.Answer{}, s.ended()
	}
	return store.Answer{}, fmt.Errorf("submit: %w", err)
}

// ofRequest is a connector that a request is about.
func ofRequest(r store.Request) string {
	for _, o := range r.Ops {
		switch {
		case o.Put != nil:
			return o.Put.Name
		case o.Tasks != nil:
			return o.Tasks.Name
		}
	}
	return ""
}

// expect prepares for the answer to a request.
func (s *Store) expect(ctx context.Context, id string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.waiting[id]; ok {
		return fmt.Errorf("submit: a request with the id %q has no answer yet", id)
	}
	s.waiting[id] = nil
	return nil
}

// produce writes records, which belong to the store from then on, and returns when all are durable. When ctx ends first,
// or the store, some may still be written: a client does not take back what is on its way.
func (s *Store) produce(ctx context.Context, client *kgo.Client, records ...*kgo.Record) error {
	results := make(chan error, len(records))
	for _, r := range records {
		client.Produce(ctx, r, func(_ *kgo.Record, err error) { results <- err })
	}
	for range records {
		select {
		case err := <-results:
			if err != nil {
				return s.unwritten(ctx, records[0].Topic, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// unwritten is the error of a record that was not written.
func (s *Store) unwritten(ctx context.Context, topic string, err error) error {
	if ended := s.usable(ctx); ended != nil {
		return ended
	}
	return fmt.Errorf("write to topic %s: %w", topic, explain(err, access{"Write", "topic", topic}))
}

// sizeOf is more than a record takes in a batch of its own.
func sizeOf(r *kgo.Record) int {
	size := 61 + 40 + len(r.Key) + len(r.Value) // the batch's head, and the numbers of the record
	for _, h := range r.Headers {
		size += 10 + len(h.Key) + len(h.Value)
	}
	return size
}

// readBack returns once what produce has just written has been read.
func (l *log) readBack(ctx context.Context, records []*kgo.Record) error {
	ends := make([]int64, len(l.next))
	for _, r := range records {
		ends[r.Partition] = max(ends[r.Partition], r.Offset+1)
	}
	return l.readTo(ctx, slices.Clip(ends))
}
