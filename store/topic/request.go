package topic

import (
	"encoding/json"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// asked is store.Request as its record holds it; the id is in the key.
type asked struct {
	Deadline time.Time `json:"deadline,omitzero"`
	Ops      []op      `json:"ops"`
}

type op struct {
	Put     *putConnector    `json:"put,omitempty"`
	Delete  *deleteConnector `json:"delete,omitempty"`
	Target  *setTarget       `json:"target,omitempty"`
	Restart *restart         `json:"restart,omitempty"`
	Tasks   *putTasks        `json:"tasks,omitempty"`
	Task    *setTaskTarget   `json:"task,omitempty"`
	Hold    *holdConnector   `json:"hold,omitempty"`
	Part    *partMember      `json:"part,omitempty"`
}

type putConnector struct {
	Name   string         `json:"name"`
	Config config.Map     `json:"config"`
	Target config.Target  `json:"target,omitempty"`
	Create bool           `json:"create,omitempty"`
	If     store.Revision `json:"if,omitempty"`
	Mark   store.Mark     `json:"mark,omitzero"`
}

type deleteConnector struct {
	Name string         `json:"name"`
	If   store.Revision `json:"if,omitempty"`
}

type setTarget struct {
	Name   string        `json:"name"`
	Target config.Target `json:"target"`
}

type setTaskTarget struct {
	Name   string        `json:"name"`
	Task   int           `json:"task"`
	Target config.Target `json:"target"`
}

type holdConnector struct {
	Name string        `json:"name"`
	By   string        `json:"by"`
	For  time.Duration `json:"for"` // nanoseconds
}

type partMember struct {
	Member string `json:"member"`
}

type restart struct {
	Name     string `json:"name"`
	Instance bool   `json:"instance,omitempty"`
	Tasks    []int  `json:"tasks,omitempty"`
}

type putTasks struct {
	Name        string         `json:"name"`
	Incarnation store.Revision `json:"incarnation"`
	For         store.Revision `json:"for"`
	Tasks       []config.Map   `json:"tasks"`
}

// answered is store.Answer as the header of its request's tombstone holds it; the id is in the key.
type answered struct {
	Refusal  store.Refusal  `json:"refusal,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Revision store.Revision `json:"revision,omitempty"`
}

func encodeRequest(r store.Request) ([]byte, error) {
	a := asked{Deadline: r.Deadline, Ops: make([]op, len(r.Ops))}
	for i, o := range r.Ops {
		a.Ops[i] = op{
			(*putConnector)(o.Put), (*deleteConnector)(o.Delete), (*setTarget)(o.Target),
			(*restart)(o.Restart), (*putTasks)(o.Tasks), (*setTaskTarget)(o.Task), (*holdConnector)(o.Hold), (*partMember)(o.Part),
		}
	}
	return marshal(a)
}

func decodeRequest(id string, value []byte) (store.Request, error) {
	var a asked
	if err := json.Unmarshal(value, &a); err != nil {
		return store.Request{}, err
	}
	r := store.Request{ID: id, Deadline: a.Deadline, Ops: make([]store.Op, len(a.Ops))}
	for i, o := range a.Ops {
		r.Ops[i] = store.Op{
			Put: (*store.PutConnector)(o.Put), Delete: (*store.DeleteConnector)(o.Delete), Target: (*store.SetTarget)(o.Target),
			Restart: (*store.Restart)(o.Restart), Tasks: (*store.PutTasks)(o.Tasks), Task: (*store.SetTaskTarget)(o.Task), Hold: (*store.HoldConnector)(o.Hold),
			Part: (*store.PartMember)(o.Part),
		}
	}
	return r, nil
}

// answerTo makes the tombstone of a request, which carries the answer: it is read by whoever reads the log, outlives the
// compaction of what it answers by delete.retention.ms, and is gone afterwards.
func answerTo(a store.Answer) (*kgo.Record, error) {
	value, err := marshal(answered{a.Refusal, a.Reason, a.Revision})
	if err != nil {
		return nil, err
	}
	return &kgo.Record{Key: []byte(requestPrefix + a.ID), Headers: []kgo.RecordHeader{{Key: answerHeader, Value: value}}}, nil
}

func decodeAnswer(id, value string) (store.Answer, error) {
	var a answered
	err := json.Unmarshal([]byte(value), &a)
	return store.Answer{ID: id, Refusal: a.Refusal, Reason: a.Reason, Revision: a.Revision}, err
}
