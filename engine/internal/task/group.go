package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// part is a partition that the group gave to this sink task. Offsets are -1 as long as they are not known.
type part struct {
	plugin.TopicPartition
	number    int32 // in the batch's Partitions
	current   int64 // after the last record that the sink took
	next      int64 // after the last record of the batch in hand
	committed int64 // in Kafka
	base      int64 // where to go on from when the sink loses what it took: committed, or the first record seen
	position  int64 // after the last record fetched
	end       int64 // of the partition, as far as the last fetch knew
	seek      int64 // a rewind that waits for the first fetch
	touched   bool  // the batch in hand has records of it
	stopped   bool  // it is not fetched from
}

// group is a sink task's share of its consumer group. The task's goroutine owns it except while it polls; then the
// client's goroutine may, in a callback. turn is the token that they pass: a rebalance therefore never happens in the
// middle of a batch (the client's BlockRebalanceOnPoll sees to it that no batch comes out of a poll that began before).
type group struct {
	s      *sink
	turn   chan struct{} // holds one token while nobody has it
	parts  map[plugin.TopicPartition]*part
	number []*part // by number in the batch's Partitions; nil: not ours now
	err    error   // of a callback; ends the task
	closed bool    // the task has closed its partitions itself

	mu     sync.Mutex
	loaded map[plugin.TopicPartition]int64 // committed offsets as read at an assignment
}

func newGroup(s *sink) *group {
	g := &group{s: s, turn: make(chan struct{}, 1), parts: map[plugin.TopicPartition]*part{}, loaded: map[plugin.TopicPartition]int64{}}
	return g
}

// enter takes the token for a callback; false: the task was abandoned and its plugin is in a call that hangs.
func (g *group) enter() bool {
	select {
	case <-g.turn:
		return true
	case <-g.s.t.abandoned:
		return false
	}
}

func (g *group) options(l *lives) []kgo.Opt {
	return []kgo.Opt{
		kgo.Balancers(kgo.RangeBalancer()), kgo.BlockRebalanceOnPoll(), kgo.DisableAutoCommit(), kgo.KeepControlRecords(),
		kgo.OnPartitionsAssigned(func(_ context.Context, c *kgo.Client, m map[string][]int32) { g.assigned(l, c, m) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, c *kgo.Client, m map[string][]int32) { g.revoked(l, c, m, true) }), //nolint:contextcheck // the stop budget bounds it
		kgo.OnPartitionsLost(func(_ context.Context, c *kgo.Client, m map[string][]int32) { g.revoked(l, c, m, false) }),   //nolint:contextcheck // as above
		kgo.AdjustFetchOffsetsFn(g.adjust),
	}
}

// assigned adds partitions, before anything is fetched from them, and opens them.
func (g *group) assigned(l *lives, c *kgo.Client, m map[string][]int32) {
	if !g.enter() {
		return
	}
	defer func() { g.turn <- struct{}{} }()
	var added []plugin.TopicPartition
	for topic, ps := range m {
		for _, p := range ps {
			added = append(added, g.add(plugin.TopicPartition{Topic: topic, Partition: p}).TopicPartition)
		}
	}
	g.s.applyHolds(c)
	g.s.t.Meter.Partitions.Store(int64(len(g.parts)))
	if o, ok := g.s.plugin.(plugin.Opener); ok && len(added) > 0 && !g.closed {
		sortPartitions(added)
		if err := g.s.guard.Call("Open", func() error { return o.Open(l.send, added) }); err != nil && g.err == nil {
			g.err = fmt.Errorf("open partitions: %w", err)
		}
	}
}

func (g *group) add(tp plugin.TopicPartition) *part {
	n := g.s.batch.Partitions.Intern(record.OfMap([]record.Value{
		record.OfString("topic"), record.OfString(tp.Topic), record.OfString("partition"), record.OfInt32(tp.Partition),
	}))
	p := &part{TopicPartition: tp, number: n, current: -1, next: -1, committed: -1, base: -1, position: -1, end: -1, seek: -1}
	for int(n) >= len(g.number) {
		g.number = append(g.number, nil)
	}
	g.number[n], g.parts[tp] = p, p
	return p
}

// adjust sees the committed offsets of partitions that were assigned, and puts rewinds that the sink has asked for in
// their place, so that a rewind in Open or Start holds from the first record on.
func (g *group) adjust(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	ours := func(tp plugin.TopicPartition) bool { _, ok := offsets[tp.Topic][tp.Partition]; return ok }
	rewinds := g.s.asks.takeRewinds(ours)
	defer g.s.t.control.poke() // the lag of what was assigned can be known
	g.mu.Lock()
	defer g.mu.Unlock()
	for topic, ps := range offsets {
		for p, o := range ps {
			tp := plugin.TopicPartition{Topic: topic, Partition: p}
			if to, ok := rewinds[tp]; ok {
				ps[p] = kgo.NewOffset().At(to)
				g.loaded[tp] = to
			} else if at := o.EpochOffset().Offset; at >= 0 {
				g.loaded[tp] = at
			}
		}
	}
	return offsets, nil
}

// load takes over the offsets that adjust has seen.
func (g *group) load() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for tp, at := range g.loaded {
		if p := g.parts[tp]; p != nil && p.base < 0 {
			p.committed, p.base, p.position = at, at, at
		}
		delete(g.loaded, tp)
	}
}

// revoked commits and closes partitions that go to somebody else. Lost ones are somebody else's already: they are only
// closed. Afterwards no record of theirs is put any more, whatever transforms made of its topic.
func (g *group) revoked(l *lives, c *kgo.Client, m map[string][]int32, ours bool) {
	if !g.enter() {
		return
	}
	defer func() { g.turn <- struct{}{} }()
	if g.closed {
		return
	}
	var gone []*part
	for topic, ps := range m {
		for _, n := range ps {
			if p := g.parts[plugin.TopicPartition{Topic: topic, Partition: n}]; p != nil {
				gone = append(gone, p)
			}
		}
	}
	if len(gone) == 0 {
		return
	}
	if err := g.s.closeParts(l, gone, ours); err != nil && g.err == nil {
		g.err = err
	}
	for _, p := range gone {
		g.remove(c, p)
	}
	g.s.t.Meter.Partitions.Store(int64(len(g.parts)))
	g.s.measure()
}

func (g *group) remove(c *kgo.Client, p *part) {
	if p.stopped { // the client would remember
		c.ResumeFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
	}
	g.s.asks.forget(p.TopicPartition)
	g.s.dropPart(p)
	g.number[p.number] = nil
	delete(g.parts, p.TopicPartition)
}

// all lists the partitions in order.
func (g *group) all() []*part {
	ps := make([]*part, 0, len(g.parts))
	for _, p := range g.parts {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *part) int { return comparePartitions(a.TopicPartition, b.TopicPartition) })
	return ps
}

func sortPartitions(ps []plugin.TopicPartition) { slices.SortFunc(ps, comparePartitions) }

func comparePartitions(a, b plugin.TopicPartition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

// trouble sorts the errors of a fetch: nil for what passes by itself, which is logged; waits tells that it may come again
// at once. An error ends the task.
func (g *group) trouble(ctx context.Context, topic string, err error) (waits bool, _ error) {
	log := g.s.t.Logger
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return false, nil
	case errors.Is(err, kgo.ErrClientClosed):
		return false, err
	}
	if loss, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		log.Warn("records that were not consumed yet are gone from the topic", "topic", topic, "error", loss)
		return false, nil
	}
	if session, ok := errors.AsType[*kgo.ErrGroupSession](err); ok {
		if final := refusal("read", strings.Join(g.s.t.Instance.Task.Topics, ","), session.Err); final != nil && isRefused(session.Err) {
			return false, final
		}
		log.Warn("the consumer was put out of its group and joins again", "error", session.Err)
		return true, nil
	}
	if isMissing(err) {
		return true, g.s.gone(ctx, topic)
	}
	if errors.Is(err, kerr.UnknownServerError) { // Kafka's consumer logs it and goes on (AbstractFetch)
		log.Warn("the broker could not serve records and is asked again", "topic", topic, "error", err)
		g.s.t.machine.note(refusal("read", topic, err))
		return true, nil
	}
	return false, refusal("read", topic, err)
}
