package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// transactionTimeout is how long a transaction of a leader that has gone stays open at most (decision D3).
const transactionTimeout = 10 * time.Second

// claim is the right to commit, and the producer that has it.
type claim struct {
	fence  store.Fence
	client *kgo.Client
	dead   bool // a transaction failed: how it ends is not known here, so nothing may follow it
}

// turn waits until no other claim or commit is under way; release ends it.
func (s *Store) turn(ctx context.Context) (release func(), err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	select {
	case s.write <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := s.usable(ctx); err != nil {
		<-s.write
		return nil, err
	}
	return func() { <-s.write }, nil
}

// Claim implements [store.Log] (rule 3 of D2): it takes the transactional id over, which ends the transaction of an earlier
// claim; reads to the end; and writes again what an earlier claim left aborted (rule 4 of D2).
func (s *Store) Claim(ctx context.Context) (store.Fence, error) {
	release, err := s.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if s.claim != nil {
		s.claim.client.Close()
		s.claim = nil
	}
	id := "connect-cluster-" + s.settings.Group
	client, err := s.settings.Client(s.clientID("leader"), append(producing(), kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout))...)
	if err != nil {
		return 0, err
	}
	c := &claim{client: client}
	if err := s.take(ctx, c, id); err != nil {
		client.Close()
		return 0, err
	}
	s.claims++
	c.fence, s.claim = s.claims, c
	return c.fence, nil
}

func (s *Store) take(ctx context.Context, c *claim, id string) error {
	if _, _, err := c.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("take transactional id %s: %w", id, explain(err, access{"Write", "transactional id", id}))
	}
	if err := s.configs.readToEnd(ctx); err != nil {
		return err
	}
	return s.repair(ctx, c)
}

// Requests implements [store.Log].
func (s *Store) Requests(ctx context.Context) ([]store.Request, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var rs []store.Request
	err := s.await(ctx, func() bool {
		rs = s.state.unanswered()
		return len(rs) > 0
	})
	return rs, err
}

// Commit implements [store.Log]: one transaction, whose last record is the plan's head. Its revision is one more than the
// end of the log before it, which is above every revision so far and known before anything is written, so that records
// can name it; it is the offset after the first record unless somebody else wrote in between.
//
// Whatever goes wrong once a record was handed over, the claim is worth nothing afterwards. Nothing is aborted on purpose
// (rule 4 of D2): the next claim ends the transaction, or the broker after 10 s.
func (s *Store) Commit(ctx context.Context, f store.Fence, c store.Commit) (store.Revision, error) {
	release, err := s.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if s.claim == nil || s.claim.fence != f || s.claim.dead {
		return 0, store.ErrFenced
	}
	s.mu.Lock()
	d := draft{state: s.state, revision: max(store.Revision(s.configs.next[0]), s.state.revision) + 1}
	err = d.write(c)
	s.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("commit: %w: %w", store.ErrNotStored, err)
	}
	if err := d.fits(s.limit); err != nil {
		return 0, fmt.Errorf("commit: %w: %w", store.ErrNotStored, err)
	}
	if err := s.transaction(ctx, s.claim, d.records); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return d.result, nil
}

// transaction writes records in their order and returns once they are committed and have been read.
func (s *Store) transaction(ctx context.Context, c *claim, records []*kgo.Record) error {
	bounded, stop := context.WithTimeout(ctx, transactionTimeout)
	defer stop()
	for _, r := range records {
		r.Topic = s.configs.topic
	}
	c.dead = true // until it has ended well
	if err := c.client.BeginTransaction(); err != nil {
		return fenced(err)
	}
	if err := c.client.ProduceSync(bounded, records...).FirstErr(); err != nil {
		return s.outcome(ctx, err)
	}
	if err := c.client.EndTransaction(bounded, kgo.TryCommit); err != nil {
		return s.outcome(ctx, err)
	}
	c.dead = false
	return s.configs.readBack(ctx, records)
}

// outcome is the error of a transaction that failed.
func (s *Store) outcome(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fenced(explain(err, access{"Write", "topic", s.configs.topic}))
}

// fenced marks errors that say that another has claimed since.
func fenced(err error) error {
	for _, e := range []error{
		kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState, kerr.UnknownProducerID,
		kerr.TransactionAbortable, kerr.OperationNotAttempted,
	} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", store.ErrFenced, err)
		}
	}
	return err
}

// draft is the records of a commit in the making.
type draft struct {
	state    *state
	revision store.Revision // of what the commit writes
	result   store.Revision // what the caller is told: that of the snapshot when nothing changes
	records  []*kgo.Record
	of       []string // the connector that each record is about
	name     string   // the connector that is being written
}

// fits returns an error for a record that the topic does not take.
func (d *draft) fits(limit int) error {
	for i, r := range d.records {
		if size := sizeOf(r); size > limit {
			return &store.TooLargeError{Connector: d.of[i], Bytes: size, Limit: limit}
		}
	}
	return nil
}

// write makes the records. The order within a connector is that of Kafka Connect (KafkaConfigBackingStore's callers).
func (d *draft) write(c store.Commit) error {
	d.result = d.state.snapshot.Revision
	if len(c.Connectors) > 0 || c.Plan != nil {
		d.result = d.revision
	}
	for _, name := range slices.Sorted(maps.Keys(c.Connectors)) {
		d.name = name
		if conn := c.Connectors[name]; conn == nil {
			d.delete()
		} else if err := d.connector(*conn); err != nil {
			return err
		}
	}
	d.name = ""
	for _, a := range c.Answers {
		if a.Refusal == "" && a.Revision == 0 {
			a.Revision = d.result
		}
		r, err := answerTo(a)
		if err != nil {
			return err
		}
		d.add(r)
	}
	return d.plan(c.Plan)
}

func (d *draft) add(r *kgo.Record) {
	d.records, d.of = append(d.records, r), append(d.of, d.name)
}

// put adds a record of the connector. nil is a tombstone. Each names a revision, so that a reader does not take its offset
// for one.
func (d *draft) put(key string, value []byte, headers ...kgo.RecordHeader) {
	if len(headers) == 0 || headers[0].Key != revisionHeader {
		headers = append(headers, revisionOf(revisionHeader, d.revision))
	}
	d.add(&kgo.Record{Key: []byte(key), Value: value, Headers: headers})
}

// delete takes a connector away. Kafka Connect leaves tasks, commit and the rest for ever; its readers tolerate that they
// go, too.
func (d *draft) delete() {
	old := d.state.connectors[d.name]
	if old == nil {
		return
	}
	if old.config != nil {
		d.put(connectorPrefix+d.name, nil)
	}
	if old.target != "" {
		d.put(targetPrefix+d.name, nil)
	}
	d.forgetTasks(old)
	if old.restart {
		d.put(restartPrefix+d.name, nil)
	}
	if old.targets.Incarnation != 0 {
		d.put(targetsPrefix+d.name, nil)
	}
	if old.fencing {
		d.put(fencingPrefix+d.name, nil)
	}
}

func (d *draft) forgetTasks(old *records) {
	for _, task := range slices.Sorted(maps.Keys(old.tasks)) {
		d.put(taskPrefix+d.name+"-"+strconv.Itoa(task), nil)
	}
	if old.commit != nil {
		d.put(commitPrefix+d.name, nil)
	}
}

// connector writes what differs from what the topic says.
func (d *draft) connector(to store.Connector) error {
	old, was := d.state.connectors[d.name], store.Connector{}
	if old == nil {
		old = new(records)
	}
	exists := old.config != nil
	if exists {
		was = old.connector(d.name)
	}
	for _, r := range []*store.Revision{&to.Revision, &to.Incarnation} {
		if *r == 0 {
			*r = d.revision
		}
	}
	if to.Tasks != nil && to.TasksFor == 0 {
		to.TasksFor = to.Revision
	}
	target := func() {
		if to.Target != "" && to.Target != cmp.Or(old.target, config.Started) {
			d.put(targetPrefix+d.name, encodeTarget(to.Target))
		}
	}
	if !exists {
		target() // a worker of Kafka Connect starts nothing before it has heard that it is not to
	}
	if !exists || to.Revision != was.Revision || to.Incarnation != was.Incarnation {
		d.put(connectorPrefix+d.name, appendProperties(nil, to.Config),
			revisionOf(revisionHeader, to.Revision), revisionOf(incarnationHeader, to.Incarnation))
	}
	d.tasks(old, was, to)
	if exists {
		target()
	}
	return d.asked(was, to)
}

// tasks writes a task set, which is whole or not at all.
func (d *draft) tasks(old *records, was, to store.Connector) {
	same := slices.EqualFunc(was.Tasks, to.Tasks, maps.Equal[config.Map, config.Map]) && (was.Tasks == nil) == (to.Tasks == nil)
	switch {
	case same && was.TasksFor == to.TasksFor && was.Incarnation == to.Incarnation:
	case to.Tasks != nil:
		for i, t := range to.Tasks {
			d.put(taskPrefix+d.name+"-"+strconv.Itoa(i), appendProperties(nil, t))
		}
		d.put(commitPrefix+d.name, fmt.Appendf(nil, `{"tasks":%d}`, len(to.Tasks)),
			revisionOf(forHeader, to.TasksFor), revisionOf(incarnationHeader, to.Incarnation))
	case was.Tasks != nil:
		d.forgetTasks(old)
	}
}

// asked writes what was asked of the instance and of single tasks. What is left of an earlier incarnation does not count.
func (d *draft) asked(was, to store.Connector) error {
	if was.Incarnation != to.Incarnation {
		was = store.Connector{}
	}
	if tasks := !maps.Equal(was.TaskRestart, to.TaskRestart); tasks || was.Restarts != to.Restarts {
		h, err := marshal(restarts{to.Incarnation, to.Restarts, to.TaskRestart})
		if err != nil {
			return err
		}
		d.put(restartPrefix+d.name, fmt.Appendf(nil, `{"include-tasks":%t,"only-failed":false}`, tasks),
			kgo.RecordHeader{Key: restartsHeader, Value: h})
	}
	if maps.Equal(was.TaskTarget, to.TaskTarget) {
		return nil
	}
	var value []byte
	if len(to.TaskTarget) > 0 {
		var err error
		if value, err = marshal(targets{to.Incarnation, to.TaskTarget}); err != nil {
			return err
		}
	}
	d.put(targetsPrefix+d.name, value)
	return nil
}

// plan writes the shares of the members whose placements change, and the head.
func (d *draft) plan(p *store.Plan) error {
	h := d.state.head
	h.Version, h.Group, h.Revision = planVersion, d.state.group, max(d.result, h.Revision)
	if p != nil {
		h.Epoch, h.Members, h.Addresses = p.Epoch, p.Members, p.Addresses
		if err := d.shares(p); err != nil {
			return err
		}
	}
	value, err := marshal(h)
	if err != nil {
		return err
	}
	d.add(&kgo.Record{Key: []byte(headKey), Value: value})
	return nil
}

func (d *draft) shares(p *store.Plan) error {
	byMember := map[string][]store.Placement{}
	for _, pl := range p.Placements {
		byMember[pl.Member] = append(byMember[pl.Member], pl)
	}
	for member := range d.state.shares {
		if byMember[member] == nil {
			byMember[member] = nil
		}
	}
	for _, member := range slices.Sorted(maps.Keys(byMember)) {
		to := byMember[member]
		if samePlacements(d.state.shares[member], to) {
			continue
		}
		r := &kgo.Record{Key: []byte(planPrefix + member)}
		if len(to) > 0 {
			value, err := encodeShare(p.Epoch, to)
			if err != nil {
				return err
			}
			r.Value = value
		}
		d.add(r)
	}
	return nil
}

func samePlacements(a, b []store.Placement) bool {
	if len(a) != len(b) {
		return false
	}
	known := make(map[store.Placement]bool, len(a))
	for _, p := range a {
		known[p] = true
	}
	return !slices.ContainsFunc(b, func(p store.Placement) bool { return !known[p] })
}

// repair writes again what is committed of every key of Kafka Connect whose newest record was aborted, or a tombstone: a
// worker of Kafka Connect reads uncommitted records by default and would act on it (rule 4 of D2). Since each commit ends
// with a head, and comes after the repair of its claim, what comes before the newest head was repaired.
func (s *Store) repair(ctx context.Context, c *claim) error {
	ends, err := s.configs.end(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	from := s.state.headOffset
	s.mu.Unlock()
	aborted, err := s.aborted(ctx, from, ends[0])
	if err != nil || len(aborted) == 0 {
		return err
	}
	committed, err := s.scan(ctx, 0, ends[0], kgo.ReadCommitted())
	if err != nil {
		return err
	}
	s.settings.Logger.Warn("an earlier leader left changes unfinished; the state before is written again", "keys", len(aborted))
	records := rewrite(aborted, committed)
	return s.transaction(ctx, c, records)
}

// aborted are the keys of Kafka Connect whose newest record in a part of the log was aborted.
func (s *Store) aborted(ctx context.Context, from, end int64) ([]string, error) {
	all, err := s.scan(ctx, from, end, kgo.ReadUncommitted())
	if err != nil {
		return nil, err
	}
	committed, err := s.scan(ctx, from, end, kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	var keys []string
	for key, r := range all {
		if c := committed[key]; (c == nil || c.Offset < r.Offset) && isConnects(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// isConnects reports whether a key is one that Kafka Connect acts on.
func isConnects(key string) bool {
	if key == sessionKey {
		return true
	}
	return slices.ContainsFunc([]string{targetPrefix, connectorPrefix, taskPrefix, commitPrefix, restartPrefix, fencingPrefix, loggerPrefix},
		func(p string) bool { return strings.HasPrefix(key, p) })
}

// scan reads a part of the log and returns the newest record of each key.
func (s *Store) scan(ctx context.Context, from, end int64, isolation kgo.IsolationLevel) (map[string]*kgo.Record, error) {
	newest := map[string]*kgo.Record{}
	g := &guard{changed: make(chan struct{})}
	l := &log{
		guard: g, topic: s.configs.topic, asker: s.writer, logger: s.settings.Logger, next: []int64{from}, marker: func() {}, settle: func() {},
		take: func(r *kgo.Record) error {
			if r.Offset < end {
				newest[string(r.Key)] = r
			}
			return nil
		},
	}
	starts, err := l.list(ctx, kadm.NewClient(s.writer).ListStartOffsets)
	if err != nil {
		return nil, err
	}
	l.next[0] = max(from, starts[0])
	if l.next[0] >= end {
		return newest, nil
	}
	l.reader, err = s.settings.Client(s.clientID("scan"), kgo.KeepControlRecords(), kgo.FetchIsolationLevel(isolation),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: {0: kgo.NewOffset().At(l.next[0])}}))
	if err != nil {
		return nil, err
	}
	defer l.reader.Close()
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.follow(running)
	}()
	err = l.readTo(ctx, []int64{end})
	stop()
	<-done
	return newest, err
}

// rewrite makes the records of a repair. A task set counts only as a whole and after its configuration, so of a connector
// of whose configuration or tasks something was aborted all is written again.
func rewrite(aborted []string, committed map[string]*kgo.Record) []*kgo.Record {
	sets := map[string]bool{}
	var records []*kgo.Record
	for _, key := range aborted {
		if name, ok := setOf(key); ok {
			sets[name] = true
		}
		if !strings.HasPrefix(key, commitPrefix) && !strings.HasPrefix(key, taskPrefix) {
			records = append(records, again(key, committed[key]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		records = append(records, rewriteTasks(name, aborted, committed)...)
	}
	return records
}

// setOf is the connector whose task set a record belongs to, or outdates.
func setOf(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, connectorPrefix); ok {
		return name, true
	}
	if name, ok := strings.CutPrefix(key, commitPrefix); ok {
		return name, true
	}
	if rest, ok := strings.CutPrefix(key, taskPrefix); ok {
		name, _, ok := taskKey(rest)
		return name, ok
	}
	return "", false
}

// rewriteTasks writes the committed task set of a connector, or tombstones for what was aborted of one.
func rewriteTasks(name string, aborted []string, committed map[string]*kgo.Record) []*kgo.Record {
	st := newState("")
	for key, r := range committed {
		if of, ok := setOf(key); ok && of == name {
			st.apply(r) //nolint:errcheck // what cannot be read is no set
		}
	}
	var tasks []config.Map
	var madeOf store.Revision
	c := st.connectors[name]
	if c != nil && c.config != nil {
		tasks, madeOf = c.tasksOf()
	}
	var records []*kgo.Record
	if tasks == nil {
		for _, key := range aborted {
			if of, ok := setOf(key); ok && of == name && !strings.HasPrefix(key, connectorPrefix) {
				records = append(records, again(key, nil))
			}
		}
		return records
	}
	for i := range tasks {
		key := taskPrefix + name + "-" + strconv.Itoa(i)
		records = append(records, again(key, committed[key]))
	}
	commit := again(commitPrefix+name, committed[commitPrefix+name])
	commit.Headers = slices.DeleteFunc(commit.Headers, func(h kgo.RecordHeader) bool { return h.Key == forHeader || h.Key == incarnationHeader })
	commit.Headers = append(commit.Headers, revisionOf(forHeader, madeOf), revisionOf(incarnationHeader, c.config.incarnation))
	return append(records, commit)
}

// again makes a record with the value and the headers of another, nil being none. The headers say what its offset said, so
// that it means the same.
func again(key string, r *kgo.Record) *kgo.Record {
	if r == nil {
		return &kgo.Record{Key: []byte(key)}
	}
	headers := slices.Clone(r.Headers)
	if _, ok := revisionIn(r, revisionHeader); !ok && r.Value != nil {
		headers = append(headers, revisionOf(revisionHeader, store.Revision(r.Offset+1)))
	}
	return &kgo.Record{Key: []byte(key), Value: r.Value, Headers: headers}
}
