package topic

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// state is what the config topic says. It is a function of the newest committed record of each key, with its offset, so
// that it is the same whether or not the topic has been compacted: nothing in it depends on an older record, and a
// tombstone means what no record means. In words of Kafka Connect: it is what KafkaConfigBackingStore makes of a compacted
// topic, but for tasks that came before the configuration; see [records.tasksOf].
type state struct {
	group      string
	connectors map[string]*records
	head       head
	headOffset int64                        // of the record with the head; 0: there was none
	shares     map[string][]store.Placement // by member
	requests   map[string]request           // without an answer, by id
	revision   store.Revision               // of the newest change
	answers    []store.Answer               // given since the last snapshot was made

	snapshot  *store.Snapshot
	dirty     map[string]bool // the connectors that the snapshot has otherwise
	planDirty bool
	open      bool // the last record belongs to a transaction whose end has not been read
	names     map[string]string
}

// request is a request with its place in the log.
type request struct {
	store.Request
	offset int64
}

// records are the newest records of one connector.
type records struct {
	config   *configRecord
	target   config.Target // "": none
	commit   *commitRecord
	tasks    map[int]taskRecord
	restarts restarts
	restart  bool // there is a restart record, whoever wrote it
	targets  targets
	fencing  bool // there is a tasks-fencing record
}

type configRecord struct {
	offset      int64
	revision    store.Revision
	incarnation store.Revision
	mark        store.Mark
	marked      store.Revision
	properties  config.Map
}

type commitRecord struct {
	offset      int64
	count       int
	madeOf      store.Revision // 0: a worker of Kafka Connect wrote it
	incarnation store.Revision
}

type taskRecord struct {
	offset     int64
	properties config.Map
}

func newState(group string) *state {
	return &state{
		group: group, connectors: map[string]*records{}, shares: map[string][]store.Placement{}, requests: map[string]request{},
		snapshot: &store.Snapshot{Connectors: map[string]store.Connector{}}, dirty: map[string]bool{}, names: map[string]string{},
	}
}

// errors of a head that must not be followed.
var (
	// ErrForeign is returned by a store whose topics hold the plan of another group.id: two clusters on one set of topics.
	ErrForeign = errors.New("the config topic belongs to another cluster")
	// ErrPlanVersion is returned by a store whose config topic holds a plan that this version does not understand.
	ErrPlanVersion = errors.New("the plan in the config topic was written by another version")
)

// fatal reports whether an error of apply ends the store; any other concerns the record alone, which was skipped.
func fatal(err error) bool { return errors.Is(err, ErrForeign) || errors.Is(err, ErrPlanVersion) }

// apply takes a committed record over, in the order of the log. A record that cannot be read changes nothing.
func (s *state) apply(r *kgo.Record) error {
	if r.Attrs.IsTransactional() { // others may stand between the records of a transaction
		s.open = string(r.Key) != headKey
	}
	revision, ok := revisionIn(r, revisionHeader)
	if !ok {
		revision = store.Revision(r.Offset + 1)
	}
	changed, err := s.dispatch(string(r.Key), r)
	if changed && err == nil {
		s.revision = max(s.revision, revision)
	}
	return err
}

// marker takes the end of a transaction over.
func (s *state) marker() { s.open = false }

// dispatch looks at keys in the order of Kafka Connect. It reports whether the record is about a connector.
func (s *state) dispatch(key string, r *kgo.Record) (bool, error) {
	if name, ok := strings.CutPrefix(key, targetPrefix); ok {
		return true, s.applyTarget(name, r)
	}
	if name, ok := strings.CutPrefix(key, connectorPrefix); ok {
		return true, s.applyConnector(name, r)
	}
	if rest, ok := strings.CutPrefix(key, taskPrefix); ok {
		return true, s.applyTask(rest, r)
	}
	if name, ok := strings.CutPrefix(key, commitPrefix); ok {
		return true, s.applyCommit(name, r)
	}
	if name, ok := strings.CutPrefix(key, restartPrefix); ok {
		return true, s.applyRestart(name, r)
	}
	if name, ok := strings.CutPrefix(key, fencingPrefix); ok {
		s.of(name).fencing = r.Value != nil
		return false, nil
	}
	return s.dispatchOurs(key, r)
}

func (s *state) dispatchOurs(key string, r *kgo.Record) (bool, error) {
	if name, ok := strings.CutPrefix(key, targetsPrefix); ok {
		return true, s.applyTargets(name, r)
	}
	if id, ok := strings.CutPrefix(key, requestPrefix); ok {
		return false, s.applyRequest(id, r)
	}
	if member, ok := strings.CutPrefix(key, planPrefix); ok {
		return false, s.applyShare(member, r)
	}
	if key == headKey {
		return false, s.applyHead(r)
	}
	return false, nil // session-key, logger-cluster-, and what nobody knows
}

// of returns the records of a connector, which are about to change.
func (s *state) of(name string) *records {
	s.dirty[name] = true
	c := s.connectors[name]
	if c == nil {
		c = &records{}
		s.connectors[name] = c
	}
	return c
}

func (s *state) applyConnector(name string, r *kgo.Record) error {
	if r.Value == nil {
		s.of(name).config = nil
		return nil
	}
	m, err := decodeProperties(r.Value, s.names)
	if err != nil {
		return err
	}
	c := &configRecord{offset: r.Offset, properties: m, mark: markIn(r)}
	c.marked, _ = revisionIn(r, markedHeader)
	var ok bool
	if c.revision, ok = revisionIn(r, revisionHeader); !ok {
		c.revision = store.Revision(r.Offset + 1)
	}
	if c.incarnation, ok = revisionIn(r, incarnationHeader); !ok {
		c.incarnation = c.revision
	}
	s.of(name).config = c
	return nil
}

func (s *state) applyTarget(name string, r *kgo.Record) error {
	var t config.Target
	if r.Value != nil {
		var err error
		if t, err = decodeTarget(r.Value); err != nil {
			return err
		}
	}
	s.of(name).target = t
	return nil
}

func (s *state) applyTask(rest string, r *kgo.Record) error {
	name, task, ok := taskKey(rest)
	if !ok {
		return errors.New("the key names no task")
	}
	if r.Value == nil {
		delete(s.of(name).tasks, task)
		return nil
	}
	m, err := decodeProperties(r.Value, s.names)
	if err != nil {
		return err
	}
	c := s.of(name)
	if c.tasks == nil {
		c.tasks = map[int]taskRecord{}
	}
	c.tasks[task] = taskRecord{r.Offset, m}
	return nil
}

func (s *state) applyCommit(name string, r *kgo.Record) error {
	if r.Value == nil {
		s.of(name).commit = nil
		return nil
	}
	count, err := decodeCount(r.Value, "tasks")
	if err != nil {
		return err
	}
	c := &commitRecord{offset: r.Offset, count: count}
	c.madeOf, _ = revisionIn(r, forHeader)
	c.incarnation, _ = revisionIn(r, incarnationHeader)
	s.of(name).commit = c
	return nil
}

// applyRestart counts restarts by what the header says. A restart that a worker of Kafka Connect asked for is history: such
// workers act on it when they read it, and never after a start.
func (s *state) applyRestart(name string, r *kgo.Record) error {
	var to restarts
	if h := header(r, restartsHeader); h != "" && r.Value != nil {
		if err := json.Unmarshal([]byte(h), &to); err != nil {
			return err
		}
	}
	c := s.of(name)
	c.restarts, c.restart = to, r.Value != nil
	return nil
}

func (s *state) applyTargets(name string, r *kgo.Record) error {
	var to targets
	if r.Value != nil {
		if err := json.Unmarshal(r.Value, &to); err != nil {
			return err
		}
	}
	s.of(name).targets = to
	return nil
}

func (s *state) applyRequest(id string, r *kgo.Record) error {
	if r.Value != nil {
		q, err := decodeRequest(id, r.Value)
		if err != nil {
			return err
		}
		s.requests[id] = request{q, r.Offset}
		return nil
	}
	delete(s.requests, id)
	h := header(r, answerHeader)
	if h == "" {
		return nil
	}
	a, err := decodeAnswer(id, h)
	if err != nil {
		return err
	}
	s.answers = append(s.answers, a)
	return nil
}

// clocksAgree is how far the clocks of workers may be apart before deadlines are put from one onto the other.
const clocksAgree = time.Second

// rebase puts the deadline of a request that has just come onto the clock of here when that of who asked, by which the
// record has its time, shows another time: it stays as far away as it was when the record was made. Of a request that was
// there before, nobody knows here for how long, so that its deadline stays what it is.
func (s *state) rebase(r *kgo.Record, now time.Time) {
	id, is := strings.CutPrefix(string(r.Key), requestPrefix)
	q, there := s.requests[id]
	apart := now.Sub(r.Timestamp)
	if !is || !there || q.Deadline.IsZero() || apart.Abs() < clocksAgree {
		return
	}
	q.Deadline = q.Deadline.Add(apart)
	s.requests[id] = q
}

func (s *state) applyShare(member string, r *kgo.Record) error {
	s.planDirty = true
	if r.Value == nil {
		delete(s.shares, member)
		return nil
	}
	placements, err := decodeShare(member, r.Value)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPlanVersion, err)
	}
	s.shares[member] = placements
	return nil
}

func (s *state) applyHead(r *kgo.Record) error {
	if r.Value == nil {
		s.head, s.headOffset, s.planDirty = head{}, 0, true
		return nil
	}
	var h head
	err := json.Unmarshal(r.Value, &h)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrPlanVersion, err)
	case h.Version != planVersion:
		return fmt.Errorf("%w: it has version %d, and this version knows %d only", ErrPlanVersion, h.Version, planVersion)
	case h.Group != s.group:
		return fmt.Errorf("%w: its plan is of group.id %q, and this worker is of %q", ErrForeign, h.Group, s.group)
	}
	s.planDirty = s.planDirty || s.headOffset == 0 || h.Epoch != s.head.Epoch
	s.head, s.headOffset = h, r.Offset
	s.revision = max(s.revision, h.Revision)
	return nil
}

// publish makes a snapshot of what changed. It must not be called while a transaction is open.
func (s *state) publish() *store.Snapshot {
	if len(s.dirty) == 0 && !s.planDirty && s.snapshot.Revision == s.revision {
		return s.snapshot
	}
	n := &store.Snapshot{Revision: s.revision, Connectors: s.snapshot.Connectors, Plan: s.snapshot.Plan}
	if len(s.dirty) > 0 {
		n.Connectors = maps.Clone(n.Connectors)
		for name := range s.dirty {
			s.refresh(n.Connectors, name)
		}
		clear(s.dirty)
	}
	if s.planDirty {
		n.Plan, s.planDirty = s.plan(), false
	}
	s.snapshot = n
	return n
}

func (s *state) refresh(all map[string]store.Connector, name string) {
	c := s.connectors[name]
	if c.config == nil {
		delete(all, name)
		if c.empty() {
			delete(s.connectors, name)
		}
		return
	}
	all[name] = c.connector(name)
}

// empty reports whether nothing is left of a connector.
func (c *records) empty() bool {
	return c.config == nil && c.target == "" && c.commit == nil && len(c.tasks) == 0 && !c.restart && c.targets.Incarnation == 0 && !c.fencing
}

func (c *records) connector(name string) store.Connector {
	to := store.Connector{
		Name: name, Config: c.config.properties, Revision: c.config.revision, Incarnation: c.config.incarnation,
		Target: cmp.Or(c.target, config.Started), Mark: c.config.mark, Marked: c.config.marked,
	}
	to.Tasks, to.TasksFor = c.tasksOf()
	if c.restarts.Incarnation == to.Incarnation {
		to.Restarts, to.TaskRestart = c.restarts.Instance, c.restarts.Tasks
	}
	if c.targets.Incarnation == to.Incarnation {
		to.TaskTarget, to.Hold = c.targets.Tasks, c.targets.Hold
	}
	return to
}

// tasksOf returns the tasks and the revision that they were made of; nil when the instance has to make them: there is no
// commit, some task came after it or is missing (the set is inconsistent), or it belongs to an earlier incarnation.
//
// What a worker of Kafka Connect wrote does not say what it was made of. Behind the configuration it is of that one. Before
// it, as after a PUT of an equal configuration, it is of an older one, and may even be what is left of a connector that was
// deleted, since compaction hides the difference (KAFKA-17719): it is shown, and made anew before anything runs.
func (c *records) tasksOf() ([]config.Map, store.Revision) {
	m := c.commit
	if m == nil || m.count > len(c.tasks) || m.madeOf != 0 && m.incarnation != c.config.incarnation {
		return nil, 0
	}
	tasks := make([]config.Map, m.count)
	for i := range tasks {
		t, ok := c.tasks[i]
		if !ok || t.offset > m.offset {
			return nil, 0
		}
		tasks[i] = t.properties
	}
	switch {
	case m.madeOf != 0:
		return tasks, m.madeOf
	case m.offset < c.config.offset:
		return tasks, store.Revision(m.offset + 1) // below every revision that the connector has had since
	}
	return tasks, c.config.revision
}

func (s *state) plan() store.Plan {
	p := store.Plan{Epoch: s.head.Epoch, Members: s.head.Members, Addresses: s.head.Addresses}
	for _, placements := range s.shares {
		p.Placements = append(p.Placements, placements...)
	}
	slices.SortFunc(p.Placements, func(a, b store.Placement) int {
		return cmp.Or(strings.Compare(a.Connector, b.Connector), cmp.Compare(a.Task, b.Task))
	})
	return p
}

// unanswered lists the requests without an answer in the order of the log.
func (s *state) unanswered() []store.Request {
	sorted := slices.SortedFunc(maps.Values(s.requests), func(a, b request) int { return cmp.Compare(a.offset, b.offset) })
	all := make([]store.Request, len(sorted))
	for i, q := range sorted {
		all[i] = q.Request
	}
	return all
}
