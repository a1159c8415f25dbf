package topic

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// The keys of the config topic. Those of Kafka Connect are looked for in the order of KafkaConfigBackingStore, which
// matters for none of ours: it logs and skips them.
const (
	targetPrefix    = "target-state-"
	connectorPrefix = "connector-"
	taskPrefix      = "task-"
	commitPrefix    = "commit-"
	restartPrefix   = "restart-connector-"
	fencingPrefix   = "tasks-fencing-"
	sessionKey      = "session-key"
	loggerPrefix    = "logger-cluster-"

	requestPrefix = "request-" // and the id: a request; its tombstone carries the answer
	planPrefix    = "plan-"    // and a member: what it has in the plan
	headKey       = "plan"     // the plan as a whole; the last record of each commit
	targetsPrefix = "targets-" // and a connector: what was asked of single tasks, and who holds it
)

// The headers that tell what Kafka Connect's values have no place for. Kafka Connect ignores headers.
const (
	revisionHeader    = "engine.revision"    // of a connector: that of its configuration; else that of the commit
	incarnationHeader = "engine.incarnation" // of a connector, and of what must not be taken for that of a later one
	forHeader         = "engine.for"         // of a commit record: the revision that the tasks were made of
	restartsHeader    = "engine.restarts"    // of a restart record: how often was asked, as JSON
	answerHeader      = "engine.answer"      // of a request's tombstone: what became of it, as JSON
	markedHeader      = "engine.marked"      // of a connector: the revision of a write of its mark alone
	projectHeader     = "engine-project"     // of a connector: its mark
	sourceHeader      = "engine-source"
	digestHeader      = "engine-digest"
)

// header is the value of a header, "" when there is none.
func header(r *kgo.Record, key string) string {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}

// revisionIn is the revision that a header names; ok is false when there is none.
func revisionIn(r *kgo.Record, key string) (store.Revision, bool) {
	n, err := strconv.ParseInt(header(r, key), 10, 64)
	return store.Revision(n), err == nil && n > 0
}

func revisionOf(key string, r store.Revision) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: strconv.AppendInt(nil, int64(r), 10)}
}

// markIn is the mark that the headers of a connector record make; a worker of Kafka Connect writes none.
func markIn(r *kgo.Record) store.Mark {
	return store.Mark{Project: header(r, projectHeader), Source: header(r, sourceHeader), Digest: header(r, digestHeader)}
}

// markHeaders are the headers of a mark and of the revision at which it alone was written.
func markHeaders(m store.Mark, marked store.Revision) []kgo.RecordHeader {
	var headers []kgo.RecordHeader
	if marked != 0 {
		headers = append(headers, revisionOf(markedHeader, marked))
	}
	for _, h := range [][2]string{{projectHeader, m.Project}, {sourceHeader, m.Source}, {digestHeader, m.Digest}} {
		if h[1] != "" {
			headers = append(headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
	}
	return headers
}

// taskKey takes the key of a task record apart behind its prefix: names may have dashes, numbers have none.
func taskKey(rest string) (name string, task int, ok bool) {
	i := strings.LastIndexByte(rest, '-')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(rest[i+1:], 10, 32)
	return rest[:i], int(n), err == nil && n >= 0
}

// decodeTarget reads the value of a target-state record. An older worker wrote "state" only, and has no word for a
// connector that is stopped.
func decodeTarget(value []byte) (config.Target, error) {
	var older, newer string
	var isNewer bool
	err := members(value, func(name string, d *jsontext.Decoder) (err error) {
		switch name {
		case "state":
			older, _, err = text(d)
		case "state.v2":
			newer, isNewer, err = text(d)
		default:
			err = d.SkipValue()
		}
		return err
	})
	if isNewer {
		older = newer
	}
	switch t := config.Target(older); {
	case err != nil:
		return "", err
	case t == config.Started, t == config.Paused, t == config.Stopped:
		return t, nil
	}
	return "", errValue
}

func encodeTarget(t config.Target) []byte {
	older := t
	if t == config.Stopped {
		older = config.Paused
	}
	return fmt.Appendf(nil, `{"state":%q,"state.v2":%q}`, older, t)
}

// decodeCount reads the value of a commit or tasks-fencing record.
func decodeCount(value []byte, member string) (int, error) {
	count, found := int64(-1), false
	err := members(value, func(name string, d *jsontext.Decoder) (err error) {
		if name != member {
			return d.SkipValue()
		}
		count, found, err = integer(d)
		return err
	})
	if err == nil && (!found || count < 0 || count > 1<<31-1) {
		err = errValue
	}
	return int(count), err
}

// restarts is the value of [restartsHeader].
type restarts struct {
	Incarnation store.Revision `json:"incarnation"`
	Instance    int            `json:"instance,omitempty"`
	Tasks       map[int]int    `json:"tasks,omitempty"`
}

// targets is the value of a record of [targetsPrefix].
type targets struct {
	Incarnation store.Revision        `json:"incarnation"`
	Tasks       map[int]config.Target `json:"tasks"`
	Hold        store.Hold            `json:"hold,omitzero"`
}

// planVersion is the version of what this package writes of a plan. Who reads another one stops: it cannot know what it
// may run.
const planVersion = 1

// head is the value of the record of [headKey].
type head struct {
	Version   int               `json:"version"`
	Group     string            `json:"group.id"`
	Epoch     int64             `json:"epoch"`
	Revision  store.Revision    `json:"revision"`
	Members   []string          `json:"members"`
	Addresses map[string]string `json:"addresses,omitempty"`
}

// share is what a member has in a plan: the value of a record of [planPrefix]. By connector, each placement is an array of
// task, epoch, whom it follows, and whether it is leaving; what is empty at the end is left out. 10,000 connectors of two
// tasks fit into half a megabyte.
type share struct {
	Epoch      int64              `json:"epoch"`
	Placements map[string][]place `json:"placements"`
}

type place struct {
	task    int
	epoch   int64
	follows string
	leaving bool
}

// MarshalJSON implements [json.Marshaler].
func (p place) MarshalJSON() ([]byte, error) {
	b := fmt.Appendf(nil, "[%d,%d", p.task, p.epoch)
	if p.follows != "" || p.leaving {
		b = appendText(append(b, ','), p.follows)
	}
	if p.leaving {
		b = append(b, ",true"...)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *place) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) < 2 || len(parts) > 4 {
		return errValue
	}
	for i, to := range []any{&p.task, &p.epoch, &p.follows, &p.leaving}[:len(parts)] {
		if err := json.Unmarshal(parts[i], to); err != nil {
			return err
		}
	}
	return nil
}

// decodeShare returns what a member has in the plan, in no order.
func decodeShare(member string, value []byte) ([]store.Placement, error) {
	var s share
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	var all []store.Placement
	for connector, places := range s.Placements {
		for _, p := range places {
			all = append(all, store.Placement{
				Connector: connector, Task: p.task, Member: member, Epoch: p.epoch, Follows: p.follows, Leaving: p.leaving,
			})
		}
	}
	return all, nil
}

func encodeShare(epoch int64, placements []store.Placement) ([]byte, error) {
	s := share{Epoch: epoch, Placements: map[string][]place{}}
	for _, p := range placements {
		s.Placements[p.Connector] = append(s.Placements[p.Connector], place{p.Task, p.Epoch, p.Follows, p.Leaving})
	}
	return marshal(s)
}
