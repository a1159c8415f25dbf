package plugintest

import (
	"context"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// loopSink is a sink on the other side. It has every ability; what it shows is chosen by [link.sink].
type loopSink struct {
	l *link
	s plugin.Sink
}

func (l *link) sink(s plugin.Sink) plugin.Sink {
	x := &loopSink{l, s}
	_, v := s.(plugin.Validator)
	_, a := s.(plugin.OffsetAlterer)
	switch [2]bool{v, a} {
	case [2]bool{true, false}:
		return struct {
			plugin.Sink
			plugin.Validator
		}{x, x}
	case [2]bool{false, true}:
		return struct {
			plugin.Sink
			plugin.OffsetAlterer
		}{x, x}
	case [2]bool{true, true}:
		return x
	}
	return struct{ plugin.Sink }{x}
}

// Start sends the configuration and gives the other side a host of its own.
func (x *loopSink) Start(ctx context.Context, h plugin.Host, c plugin.Config) error {
	return x.l.err(x.s.Start(ctx, loopHost{x.l, h}, x.l.config(c)))
}

// Tasks brings the task configurations.
func (x *loopSink) Tasks(ctx context.Context, limit int) ([]plugin.Config, error) {
	cs, err := x.s.Tasks(ctx, limit)
	return x.l.configs(cs), x.l.err(err)
}

// NewTask makes a task on the other side.
func (x *loopSink) NewTask() plugin.SinkTask { return x.l.sinkTask(x.s.NewTask()) }

// Stop brings the error.
func (x *loopSink) Stop(ctx context.Context) error { return x.l.err(x.s.Stop(ctx)) }

// Validate sends the configuration and brings the errors.
func (x *loopSink) Validate(c plugin.Config) []error {
	return x.l.errs(x.s.(plugin.Validator).Validate(x.l.config(c)))
}

// AlterOffsets sends the changes.
func (x *loopSink) AlterOffsets(ctx context.Context, c plugin.Config, changes []plugin.OffsetChange) error {
	return x.l.alter(ctx, x.s.(plugin.OffsetAlterer), c, changes)
}

// loopSinkTask is a sink task on the other side, with a batch of its own.
type loopSinkTask struct {
	l     *link
	t     plugin.SinkTask
	batch *record.Batch
}

func (l *link) sinkTask(t plugin.SinkTask) plugin.SinkTask {
	x := &loopSinkTask{l, t, record.NewBatch(record.ToSink, &record.Partitions{})}
	// Partitions first, in four variants of their own, so that the cases do not multiply.
	parts := x.opening()
	if _, p := t.(plugin.PreCommitter); p {
		return withPreCommitter(parts, x)
	}
	return parts
}

type openingTask struct {
	plugin.SinkTask
	plugin.Opener
}

type closingTask struct {
	plugin.SinkTask
	plugin.Closer
}

type openingClosingTask struct {
	plugin.SinkTask
	plugin.Opener
	plugin.Closer
}

// opening shows Opener and Closer as the task has them, and nothing else.
func (x *loopSinkTask) opening() plugin.SinkTask {
	_, o := x.t.(plugin.Opener)
	_, c := x.t.(plugin.Closer)
	switch [2]bool{o, c} {
	case [2]bool{true, false}:
		return openingTask{x, x}
	case [2]bool{false, true}:
		return closingTask{x, x}
	case [2]bool{true, true}:
		return openingClosingTask{x, x, x}
	}
	return struct{ plugin.SinkTask }{x}
}

func withPreCommitter(parts plugin.SinkTask, x *loopSinkTask) plugin.SinkTask {
	switch p := parts.(type) {
	case openingTask:
		return struct {
			openingTask
			plugin.PreCommitter
		}{p, x}
	case closingTask:
		return struct {
			closingTask
			plugin.PreCommitter
		}{p, x}
	case openingClosingTask:
		return x
	}
	return struct {
		plugin.SinkTask
		plugin.PreCommitter
	}{parts, x}
}

// Start sends the configuration and gives the other side a host of its own.
func (x *loopSinkTask) Start(ctx context.Context, h plugin.SinkHost, c plugin.Config) error {
	return x.l.err(x.t.Start(ctx, loopSinkHost{loopHost{x.l, h}, h}, x.l.config(c)))
}

// Put sends the whole batch; what comes back are the records that were failed or dropped.
func (x *loopSinkTask) Put(ctx context.Context, b *record.Batch) error {
	x.batch.Reset()
	x.l.batch(b, x.batch)
	before := len(x.batch.Failures())
	err := x.t.Put(ctx, x.batch)
	x.l.marks(x.batch, before, b)
	poison(x.batch)
	return x.l.err(err)
}

// marks brings what was dropped and failed on the other side since the batch was sent.
func (l *link) marks(from *record.Batch, failures int, to *record.Batch) {
	l.cross(nil, func(w *writer) {
		for i := range to.Records {
			w.bool(from.Dropped(i) && !to.Dropped(i))
		}
		w.failures(from.Failures()[min(failures, len(from.Failures())):])
	}, func(r *reader) {
		for i := range to.Records {
			if r.bool() {
				to.Drop(i)
			}
		}
		r.failures(to, 0)
	})
}

// Flush brings the error.
func (x *loopSinkTask) Flush(ctx context.Context) error { return x.l.err(x.t.Flush(ctx)) }

// Open sends the partitions.
func (x *loopSinkTask) Open(ctx context.Context, ps []plugin.TopicPartition) error {
	return x.l.err(x.t.(plugin.Opener).Open(ctx, x.l.partitions(ps)))
}

// Close sends the partitions.
func (x *loopSinkTask) Close(ctx context.Context, ps []plugin.TopicPartition) error {
	return x.l.err(x.t.(plugin.Closer).Close(ctx, x.l.partitions(ps)))
}

// PreCommit sends offsets one way and the safe ones the other.
func (x *loopSinkTask) PreCommit(ctx context.Context, current map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
	safe, err := x.t.(plugin.PreCommitter).PreCommit(ctx, x.l.offsets(current))
	return x.l.offsets(safe), x.l.err(err)
}

// Stop brings the error.
func (x *loopSinkTask) Stop(ctx context.Context) error { return x.l.err(x.t.Stop(ctx)) }
