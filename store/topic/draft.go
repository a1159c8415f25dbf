package topic

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

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
	if to.Marked == store.ThisCommit {
		to.Marked = d.revision
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
	written := !exists || to.Revision != was.Revision || to.Incarnation != was.Incarnation || to.Mark != was.Mark || to.Marked != was.Marked
	if written {
		d.put(connectorPrefix+d.name, encodeProperties(to.Config), append([]kgo.RecordHeader{
			revisionOf(revisionHeader, to.Revision), revisionOf(incarnationHeader, to.Incarnation),
		}, markHeaders(to.Mark, to.Marked)...)...)
	}
	d.tasks(old, was, to, written)
	if exists {
		target()
	}
	return d.asked(was, to)
}

// tasks writes a task set, which is whole or not at all. One of a worker of Kafka Connect counts by its place behind the
// configuration, so that it follows when that is written.
func (d *draft) tasks(old *records, was, to store.Connector, written bool) {
	same := slices.EqualFunc(was.Tasks, to.Tasks, maps.Equal[config.Map, config.Map]) && (was.Tasks == nil) == (to.Tasks == nil)
	switch {
	case same && was.TasksFor == to.TasksFor && was.Incarnation == to.Incarnation && (!written || old.commit == nil || old.commit.madeOf != 0):
	case to.Tasks != nil:
		for i, t := range to.Tasks {
			d.put(taskPrefix+d.name+"-"+strconv.Itoa(i), encodeProperties(t))
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
	if maps.Equal(was.TaskTarget, to.TaskTarget) && was.Hold.By == to.Hold.By && was.Hold.Until.Equal(to.Hold.Until) {
		return nil
	}
	var value []byte
	if len(to.TaskTarget) > 0 || to.Hold.By != "" {
		var err error
		if value, err = marshal(targets{to.Incarnation, to.TaskTarget, to.Hold}); err != nil {
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
