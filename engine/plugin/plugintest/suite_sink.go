package plugintest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

func sink(t *testing.T, d plugin.Descriptor, e Env) {
	t.Run("stop without start", func(t *testing.T) {
		ownGoroutines(t, func() {
			s := d.NewSink()
			stopTwice(t, "a task that was not started", s.NewTask().Stop)
			stopTwice(t, "a sink that was not started", s.Stop)
		})
	})
	t.Run("refusals", func(t *testing.T) { sinkRefuses(t, d, e) })
	t.Run("tasks", func(t *testing.T) { sinkTasks(t, d, e) })
	t.Run("put and flush", func(t *testing.T) { sinkStores(t, d, e) })
}

func sinkRefuses(t *testing.T, d plugin.Descriptor, e Env) {
	for _, c := range e.Invalid {
		ownGoroutines(t, func() {
			s := d.NewSink()
			refused(t, c, within(t, func(ctx context.Context) error { return s.Start(ctx, &Host{}, c) }))
			stopTwice(t, "a sink that failed to start", s.Stop)
			task := d.NewSink().NewTask()
			refused(t, c, within(t, func(ctx context.Context) error { return task.Start(ctx, &Host{}, c) }))
			stopTwice(t, "a task that failed to start", task.Stop)
		})
	}
}

func sinkTasks(t *testing.T, d plugin.Descriptor, e Env) {
	ownGoroutines(t, func() {
		s := d.NewSink()
		c := e.Config(t)
		must(t, "start", func(ctx context.Context) error { return s.Start(ctx, &Host{}, c) })
		for limit := 1; limit <= 3; limit++ {
			must(t, "tasks", func(ctx context.Context) error {
				tasks, err := s.Tasks(ctx, limit)
				if len(tasks) == 0 || len(tasks) > limit {
					t.Errorf("tasks with a limit of %d: got %d configurations", limit, len(tasks))
				}
				return err
			})
		}
		stopTwice(t, "the sink", s.Stop)
	})
}

// sinkStores puts batches, with records in them that are not for the sink, in two lives of a task.
func sinkStores(t *testing.T, d plugin.Descriptor, e Env) {
	c := e.Config(t)
	var want []string
	for range 2 {
		ownGoroutines(t, func() {
			s := d.NewSink()
			must(t, "start", func(ctx context.Context) error { return s.Start(ctx, &Host{}, c) })
			var configs []plugin.Config
			must(t, "tasks", func(ctx context.Context) (err error) {
				configs, err = s.Tasks(ctx, 1)
				return err
			})
			want = append(want, sinkLife(t, d.NewSink().NewTask(), configs[0], e)...)
			stopTwice(t, "the sink", s.Stop)
		})
		if e.Stored == nil {
			continue
		}
		if diff := cmp.Diff(want, e.Stored(t, c)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	}
}

func sinkLife(t *testing.T, task plugin.SinkTask, c plugin.Config, e Env) (want []string) {
	t.Helper()
	must(t, "start of a task", func(ctx context.Context) error { return task.Start(ctx, &Host{}, c) })
	defer stopTwice(t, "a task", task.Stop)
	parts := []plugin.TopicPartition{{Topic: "topic", Partition: 0}}
	if o, ok := task.(plugin.Opener); ok {
		must(t, "open", func(ctx context.Context) error { return o.Open(ctx, parts) })
	}
	b := record.NewBatch(record.ToSink, &record.Partitions{})
	put := func(n int) {
		e.Fill(b, n)
		if n > 4 {
			b.Drop(1)
			b.Fail(2, errors.New("failed before"))
			b.Hide(3)
		}
		for i := range b.Records {
			if b.Live(i) {
				want = append(want, string(b.Records[i].Value.AppendJava(nil)))
			}
		}
		failed := len(b.Failures())
		must(t, "put", func(ctx context.Context) error { return task.Put(ctx, b) })
		if more := b.Failures()[failed:]; len(more) > 0 {
			t.Errorf("put failed record %d: %v", more[0].Index, more[0].Err)
		}
		poison(b)
	}
	for _, n := range []int{load, 0, 1} {
		put(n)
	}
	commit(t, task, map[plugin.TopicPartition]int64{parts[0]: load})
	if cl, ok := task.(plugin.Closer); ok {
		must(t, "close", func(ctx context.Context) error { return cl.Close(ctx, parts) })
	}
	return want
}

// commit does what the engine does before it commits offsets.
func commit(t *testing.T, task plugin.SinkTask, current map[plugin.TopicPartition]int64) {
	t.Helper()
	p, ok := task.(plugin.PreCommitter)
	if !ok {
		must(t, "flush", task.Flush)
		return
	}
	must(t, "precommit", func(ctx context.Context) error {
		safe, err := p.PreCommit(ctx, maps.Clone(current))
		for _, tp := range slices.Collect(maps.Keys(safe)) {
			if at, known := current[tp]; !known || safe[tp] > at {
				t.Errorf("precommit of %v: offset %d of %v, which has got up to %d", current, safe[tp], tp, at)
			}
		}
		return err
	})
}
