package topic

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/store"
)

// The keys of the status topic.
const (
	connectorStatus = "status-connector-"
	taskStatus      = "status-task-"
	topicStatus     = "status-topic-"
	ofConnector     = ":connector-"
)

// reported is the value of a status, its members in the order of Kafka Connect, with one of ours at the end. generation is
// of the group in Kafka Connect, whose workers overwrite a status of a generation above theirs only after a second thought;
// 0 never stands in their way.
type reported struct {
	State      store.State `json:"state"`
	Trace      *string     `json:"trace"`
	WorkerID   string      `json:"worker_id"`
	Generation *int64      `json:"generation"`
	Version    *string     `json:"version"`
	Engine     *ours       `json:"engine,omitempty"`
}

// ours is what Kafka Connect has no member for.
type ours struct {
	Member   string    `json:"member,omitempty"`
	Epoch    int64     `json:"epoch"`
	Released bool      `json:"released,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Next     time.Time `json:"next,omitzero"`
}

// active is the value of a record that says that a connector used a topic.
type active struct {
	Topic struct {
		Name      string `json:"name"`
		Connector string `json:"connector"`
		Task      int    `json:"task"`
		Since     int64  `json:"discoverTimestamp"` // milliseconds
	} `json:"topic"`
}

// statuses is the status topic.
type statuses struct {
	store  *Store
	log    *log
	all    map[statusKey]*told        // guarded by mu
	topics map[string]map[string]bool // by connector; guarded by mu
	number int64                      // of the last status; guarded by mu
}

type statusKey struct {
	connector string
	task      int
}

type told struct {
	store.Status
	number     int64
	foreign    bool // a worker of Kafka Connect said so
	generation int64
}

func newStatuses(s *Store, topic string) *statuses {
	t := &statuses{store: s, all: map[statusKey]*told{}, topics: map[string]map[string]bool{}}
	t.log = &log{topic: topic, take: t.take, marker: func() {}, settle: func() {}}
	return t
}

func (k statusKey) String() string {
	if k.task == store.Instance {
		return connectorStatus + k.connector
	}
	return fmt.Sprintf("%s%s-%d", taskStatus, k.connector, k.task)
}

// take takes a record over. The caller holds mu.
func (t *statuses) take(r *kgo.Record) error {
	key, err := string(r.Key), error(nil)
	if name, ok := strings.CutPrefix(key, connectorStatus); ok {
		if r.Value == nil {
			maps.DeleteFunc(t.all, func(k statusKey, _ *told) bool { return k.connector == name })
		} else {
			err = t.takeStatus(statusKey{name, store.Instance}, r.Value)
		}
	} else if rest, ok := strings.CutPrefix(key, taskStatus); ok {
		name, task, ok := taskKey(rest)
		switch {
		case !ok:
			err = errors.New("the key names no task")
		case r.Value == nil:
			delete(t.all, statusKey{name, task})
		default:
			err = t.takeStatus(statusKey{name, task}, r.Value)
		}
	} else if rest, ok := strings.CutPrefix(key, topicStatus); ok {
		err = t.takeTopic(rest, r.Value != nil)
	}
	if err != nil {
		t.store.settings.Logger.Error("a record of the status topic cannot be read and is skipped",
			"partition", r.Partition, "offset", r.Offset, "key", key, "error", err)
	}
	return nil
}

func (t *statuses) takeTopic(rest string, used bool) error {
	topic, connector, ok := strings.Cut(rest, ofConnector)
	if !ok || topic == "" || strings.Contains(topic, ":") {
		return errors.New("the key names no topic and connector")
	}
	of := t.topics[connector]
	switch {
	case used && of == nil:
		t.topics[connector] = map[string]bool{topic: true}
	case used:
		of[topic] = true
	default:
		if delete(of, topic); len(of) == 0 {
			delete(t.topics, connector)
		}
	}
	return nil
}

// takeStatus keeps a status unless it is a late word: of ours, one of an older epoch; of Kafka Connect's, one that says
// that a task was let go when another worker has said since that it runs there (KafkaStatusBackingStore.readTaskStatus).
func (t *statuses) takeStatus(key statusKey, value []byte) error {
	to, err := decodeStatus(key, value)
	if err != nil {
		return err
	}
	if old := t.all[key]; old != nil {
		switch {
		case !to.foreign && !old.foreign && old.Epoch > to.Epoch:
			return nil
		case to.foreign && old.foreign && to.State == store.StateUnassigned && old.State == store.StateRunning && old.generation >= to.generation && key.task != store.Instance:
			return nil
		}
	}
	t.number++
	to.number = t.number
	t.all[key] = to
	return nil
}

func decodeStatus(key statusKey, value []byte) (*told, error) {
	var v reported
	if err := json.Unmarshal(value, &v); err != nil {
		return nil, err
	}
	if v.Generation == nil {
		return nil, errValue
	}
	to := &told{generation: *v.Generation, foreign: v.Engine == nil}
	to.Status = store.Status{Connector: key.connector, Task: key.task, State: v.State, Member: v.WorkerID}
	if v.Trace != nil {
		to.Trace = *v.Trace
	}
	if e := v.Engine; e != nil {
		to.Member, to.Epoch, to.Released, to.Attempt, to.Next = e.Member, e.Epoch, e.Released, e.Attempt, e.Next
		return to, nil
	}
	switch v.State {
	case store.StateUnassigned, store.StateRunning, store.StatePaused, store.StateStopped, store.StateFailed, store.StateRestarting:
		return to, nil
	}
	return nil, errValue
}

func (t *statuses) encode(s store.Status) ([]byte, error) {
	v := reported{State: s.State, WorkerID: cmp.Or(t.store.settings.Address, s.Member), Generation: new(int64)}
	if s.Trace != "" {
		v.Trace = &s.Trace
	}
	v.Engine = &ours{Member: s.Member, Epoch: s.Epoch, Released: s.Released, Attempt: s.Attempt, Next: s.Next}
	return marshal(v)
}

// Put implements [store.Statuses]. It returns once the status is durable and has been read.
func (t *statuses) Put(ctx context.Context, s store.Status) error {
	if err := t.store.usable(ctx); err != nil {
		return err
	}
	key := statusKey{s.Connector, s.Task}
	t.store.mu.Lock()
	old := t.all[key]
	late := old != nil && !old.foreign && old.Epoch > s.Epoch
	t.store.mu.Unlock()
	if late {
		return nil
	}
	value, err := t.encode(s)
	if err != nil {
		return fmt.Errorf("put a status: %w", err)
	}
	return t.write(ctx, &kgo.Record{Key: []byte(key.String()), Value: value})
}

func (t *statuses) write(ctx context.Context, records ...*kgo.Record) error {
	for _, r := range records {
		r.Topic = t.log.topic
	}
	if err := t.store.produce(ctx, t.store.data, records...); err != nil {
		return err
	}
	return t.log.readBack(ctx, records)
}

// All implements [store.Statuses].
func (t *statuses) All(ctx context.Context) ([]store.Status, error) {
	if err := t.store.usable(ctx); err != nil {
		return nil, err
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	all := make([]store.Status, 0, len(t.all))
	for _, s := range t.all {
		all = append(all, s.Status)
	}
	slices.SortFunc(all, inOrder)
	return all, nil
}

// Wait implements [store.Statuses].
func (t *statuses) Wait(ctx context.Context, after int64) ([]store.Status, int64, error) {
	var newer []store.Status
	var last int64
	err := t.store.await(ctx, func() bool {
		if t.number <= after {
			return false
		}
		last = t.number
		for _, s := range t.all {
			if s.number > after {
				newer = append(newer, s.Status)
			}
		}
		return len(newer) > 0
	})
	if err != nil {
		return nil, after, err
	}
	slices.SortFunc(newer, inOrder)
	return newer, last, nil
}

// inOrder compares by connector and task; Instance is less than any task.
func inOrder(a, b store.Status) int {
	return cmp.Or(strings.Compare(a.Connector, b.Connector), cmp.Compare(a.Task, b.Task))
}

// Forget implements [store.Statuses]. The topics that the connector used are forgotten, too.
func (t *statuses) Forget(ctx context.Context, instance string) error {
	if err := t.store.usable(ctx); err != nil {
		return err
	}
	var records []*kgo.Record
	t.store.mu.Lock()
	for key := range t.all {
		if key.connector == instance {
			records = append(records, &kgo.Record{Key: []byte(key.String())})
		}
	}
	records = append(records, t.forgetTopics(instance)...)
	t.store.mu.Unlock()
	if len(records) == 0 {
		return nil
	}
	return t.write(ctx, records...)
}

// forgetTopics makes the tombstones. The caller holds mu.
func (t *statuses) forgetTopics(connector string) []*kgo.Record {
	var records []*kgo.Record
	for topic := range t.topics[connector] {
		records = append(records, &kgo.Record{Key: []byte(topicStatus + topic + ofConnector + connector)})
	}
	return records
}

// Topics is what the [store.Statuses] of this package can do besides: which topics connectors have used (KIP-558).
type Topics interface {
	// Topics lists the topics that a connector has used, sorted.
	Topics(ctx context.Context, connector string) ([]string, error)
	// Used says that a task has used a topic. It costs nothing when that is known.
	Used(ctx context.Context, connector string, task int, topic string) error
	// ForgetTopics forgets which topics a connector has used.
	ForgetTopics(ctx context.Context, connector string) error
}

var _ Topics = (*statuses)(nil)

// Topics implements [Topics].
func (t *statuses) Topics(ctx context.Context, connector string) ([]string, error) {
	if err := t.store.usable(ctx); err != nil {
		return nil, err
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return slices.Sorted(maps.Keys(t.topics[connector])), nil
}

// Used implements [Topics].
func (t *statuses) Used(ctx context.Context, connector string, task int, topic string) error {
	if err := t.store.usable(ctx); err != nil {
		return err
	}
	t.store.mu.Lock()
	known := t.topics[connector][topic]
	t.store.mu.Unlock()
	if known {
		return nil
	}
	var v active
	v.Topic.Name, v.Topic.Connector, v.Topic.Task, v.Topic.Since = topic, connector, task, time.Now().UnixMilli()
	value, err := marshal(v)
	if err != nil {
		return fmt.Errorf("put a topic: %w", err)
	}
	return t.write(ctx, &kgo.Record{Key: []byte(topicStatus + topic + ofConnector + connector), Value: value})
}

// ForgetTopics implements [Topics].
func (t *statuses) ForgetTopics(ctx context.Context, connector string) error {
	if err := t.store.usable(ctx); err != nil {
		return err
	}
	t.store.mu.Lock()
	records := t.forgetTopics(connector)
	t.store.mu.Unlock()
	if len(records) == 0 {
		return nil
	}
	return t.write(ctx, records...)
}
