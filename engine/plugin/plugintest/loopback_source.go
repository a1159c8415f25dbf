package plugintest

import (
	"context"
	"sync/atomic"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// loopSource is a source on the other side. It has every ability; what it shows is chosen by [link.source].
type loopSource struct {
	l *link
	s plugin.Source
}

func (l *link) source(s plugin.Source) plugin.Source {
	x := &loopSource{l, s}
	_, v := s.(plugin.Validator)
	_, a := s.(plugin.OffsetAlterer)
	_, e := s.(plugin.ExactlyOnce)
	switch [3]bool{v, a, e} {
	case [3]bool{true, false, false}:
		return struct {
			plugin.Source
			plugin.Validator
		}{x, x}
	case [3]bool{false, true, false}:
		return struct {
			plugin.Source
			plugin.OffsetAlterer
		}{x, x}
	case [3]bool{false, false, true}:
		return struct {
			plugin.Source
			plugin.ExactlyOnce
		}{x, x}
	case [3]bool{true, true, false}:
		return struct {
			plugin.Source
			plugin.Validator
			plugin.OffsetAlterer
		}{x, x, x}
	case [3]bool{true, false, true}:
		return struct {
			plugin.Source
			plugin.Validator
			plugin.ExactlyOnce
		}{x, x, x}
	case [3]bool{false, true, true}:
		return struct {
			plugin.Source
			plugin.OffsetAlterer
			plugin.ExactlyOnce
		}{x, x, x}
	case [3]bool{true, true, true}:
		return x
	}
	return struct{ plugin.Source }{x}
}

// Start sends the configuration and gives the other side a host of its own.
func (x *loopSource) Start(ctx context.Context, h plugin.Host, c plugin.Config) error {
	return x.l.err(x.s.Start(ctx, loopHost{x.l, h}, x.l.config(c)))
}

// Tasks brings the task configurations.
func (x *loopSource) Tasks(ctx context.Context, limit int) ([]plugin.Config, error) {
	cs, err := x.s.Tasks(ctx, limit)
	return x.l.configs(cs), x.l.err(err)
}

// NewTask makes a task on the other side.
func (x *loopSource) NewTask() plugin.SourceTask { return x.l.sourceTask(x.s.NewTask()) }

// Stop brings the error.
func (x *loopSource) Stop(ctx context.Context) error { return x.l.err(x.s.Stop(ctx)) }

// Validate sends the configuration and brings the errors.
func (x *loopSource) Validate(c plugin.Config) []error {
	return x.l.errs(x.s.(plugin.Validator).Validate(x.l.config(c)))
}

// AlterOffsets sends the changes.
func (x *loopSource) AlterOffsets(ctx context.Context, c plugin.Config, changes []plugin.OffsetChange) error {
	return x.l.alter(ctx, x.s.(plugin.OffsetAlterer), c, changes)
}

// SupportsExactlyOnce sends the configuration.
func (x *loopSource) SupportsExactlyOnce(c plugin.Config) bool {
	return x.s.(plugin.ExactlyOnce).SupportsExactlyOnce(x.l.config(c))
}

// loopSourceTask is a source task on the other side, with a table of partitions and a batch of its own.
type loopSourceTask struct {
	l     *link
	t     plugin.SourceTask
	here  atomic.Pointer[record.Partitions] // the engine's table, known since the first poll
	there *record.Partitions
	batch *record.Batch
}

func (l *link) sourceTask(t plugin.SourceTask) plugin.SourceTask {
	there := &record.Partitions{}
	x := &loopSourceTask{l: l, t: t, there: there, batch: record.NewBatch(record.FromSource, there)}
	_, c := t.(plugin.Committer)
	_, d := t.(plugin.Transactional)
	switch [2]bool{c, d} {
	case [2]bool{true, false}:
		return struct {
			plugin.SourceTask
			plugin.Committer
		}{x, x}
	case [2]bool{false, true}:
		return struct {
			plugin.SourceTask
			plugin.Transactional
		}{x, x}
	case [2]bool{true, true}:
		return x
	}
	return struct{ plugin.SourceTask }{x}
}

// Start sends the configuration and gives the other side a host and offsets of its own.
func (x *loopSourceTask) Start(ctx context.Context, h plugin.Host, c plugin.Config, o plugin.Offsets) error {
	return x.l.err(x.t.Start(ctx, loopHost{x.l, h}, x.l.config(c), loopOffsets{x.l, o}))
}

// Poll brings what the other side put into its batch, which is then overwritten, along with the error.
func (x *loopSourceTask) Poll(ctx context.Context, b *record.Batch) error {
	x.here.Store(b.Partitions)
	x.batch.Reset()
	err := x.t.Poll(ctx, x.batch)
	x.l.batch(x.batch, b)
	poison(x.batch)
	return x.l.err(err)
}

// Committed hands on positions in the numbers of the other side. Positions carry their partitions, because it may come
// from a goroutine of its own while a Poll is under way.
func (x *loopSourceTask) Committed(ctx context.Context, positions []record.Position) error {
	var far []record.Position
	x.l.cross(nil, func(w *writer) {
		w.uint(uint64(len(positions)))
		for _, p := range positions {
			w.partition(x.here.Load(), p.Partition)
			w.value(p.Offset)
		}
	}, func(r *reader) {
		for range r.len() {
			n := r.partition(x.there)
			far = append(far, record.Position{Partition: n, Offset: r.value()})
		}
	})
	return x.l.err(x.t.(plugin.Committer).Committed(ctx, far))
}

// DefineTransactions tells the other side.
func (x *loopSourceTask) DefineTransactions() { x.t.(plugin.Transactional).DefineTransactions() }

// Stop brings the error.
func (x *loopSourceTask) Stop(ctx context.Context) error { return x.l.err(x.t.Stop(ctx)) }
