package plugintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

func source(t *testing.T, d plugin.Descriptor, e Env) {
	t.Run("stop without start", func(t *testing.T) {
		ownGoroutines(t, func() {
			s := d.NewSource()
			stopTwice(t, "a task that was not started", s.NewTask().Stop)
			stopTwice(t, "a source that was not started", s.Stop)
		})
	})
	t.Run("refusals", func(t *testing.T) { sourceRefuses(t, d, e) })
	t.Run("tasks", func(t *testing.T) { sourceTasks(t, d, e) })
	t.Run("resume", func(t *testing.T) { sourceResumes(t, d, e) })
	t.Run("poll ends with its context", func(t *testing.T) { pollEnds(t, d, e) })
}

func sourceRefuses(t *testing.T, d plugin.Descriptor, e Env) {
	for _, c := range e.Invalid {
		ownGoroutines(t, func() {
			s := d.NewSource()
			refused(t, c, within(t, func(ctx context.Context) error { return s.Start(ctx, &Host{}, c) }))
			stopTwice(t, "a source that failed to start", s.Stop)
			task := d.NewSource().NewTask()
			refused(t, c, within(t, func(ctx context.Context) error { return task.Start(ctx, &Host{}, c, &Offsets{}) }))
			stopTwice(t, "a task that failed to start", task.Stop)
		})
	}
}

func sourceTasks(t *testing.T, d plugin.Descriptor, e Env) {
	ownGoroutines(t, func() {
		c := e.Config(t)
		s := d.NewSource()
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
		stopTwice(t, "the source", s.Stop)
	})
}

// run is a source with its tasks at work.
type run struct {
	t      *testing.T
	tasks  []plugin.SourceTask
	batch  []*record.Batch
	source plugin.Source
}

// startSource starts a source and, from another one that is not started, its tasks.
func startSource(t *testing.T, d plugin.Descriptor, c plugin.Config, limit int, o plugin.Offsets) *run {
	t.Helper()
	r := &run{t: t, source: d.NewSource()}
	must(t, "start", func(ctx context.Context) error { return r.source.Start(ctx, &Host{}, c) })
	var configs []plugin.Config
	must(t, "tasks", func(ctx context.Context) (err error) {
		configs, err = r.source.Tasks(ctx, limit)
		return err
	})
	for _, tc := range configs {
		task := d.NewSource().NewTask()
		must(t, "start of a task", func(ctx context.Context) error { return task.Start(ctx, &Host{}, tc, o) })
		r.tasks = append(r.tasks, task)
		r.batch = append(r.batch, record.NewBatch(record.FromSource, &record.Partitions{}))
	}
	return r
}

// stop stops tasks and source.
func (r *run) stop() {
	r.t.Helper()
	for _, task := range r.tasks {
		stopTwice(r.t, "a task", task.Stop)
	}
	stopTwice(r.t, "the source", r.source.Stop)
}

// read polls task i for n records and returns their texts. Of the batch that goes beyond, no more than n are taken. Every
// batch is overwritten once it was read. stored, unless nil, gets the offsets of what was taken.
func (r *run) read(i, n int, stored *Offsets) []string {
	r.t.Helper()
	var texts []string
	b := r.batch[i]
	for len(texts) < n {
		must(r.t, "poll", func(ctx context.Context) error {
			err := r.tasks[i].Poll(ctx, b)
			if _, again := plugin.IsRetry(err); again {
				err = nil
			}
			if err == nil && ctx.Err() != nil {
				err = fmt.Errorf("%w: %d records of %d", ctx.Err(), len(texts), n)
			}
			return err
		})
		r.checkPositions(b)
		take := min(n-len(texts), len(b.Records))
		for j := range b.Records[:take] {
			texts = append(texts, Text(b.Partitions, &b.Records[j]))
		}
		if stored != nil {
			stored.Store(b, take)
		}
		poison(b)
	}
	return texts
}

func (r *run) checkPositions(b *record.Batch) {
	r.t.Helper()
	for _, rec := range b.Records {
		p := rec.Position
		if p.Partition < 0 || int(p.Partition) >= b.Partitions.Len() {
			r.t.Fatalf("a record has partition number %d of %d", p.Partition, b.Partitions.Len())
		}
		for what, v := range map[string]record.Value{"partition": b.Partitions.At(p.Partition), "offset": p.Offset} {
			if !v.IsNull() && !simpleMap(v) {
				r.t.Fatalf("a source %s is a map of texts to simple values, not %s", what, record.Datum{Value: v}.AppendJava(nil))
			}
		}
	}
}

func simpleMap(v record.Value) bool {
	if v.Kind() != record.Map {
		return false
	}
	for i, e := range v.Elements() {
		switch k := e.Kind(); {
		case i%2 == 0 && k != record.String:
			return false
		case k > record.String: // collections, bytes and the like
			return false
		}
	}
	return true
}

// sourceResumes reads everything once, and then again with a stop after some of the records, whose offsets are stored.
func sourceResumes(t *testing.T, d plugin.Descriptor, e Env) {
	c := e.Config(t)
	if e.Feed != nil {
		e.Feed(t, c, load)
	}
	for limit := 1; limit <= 2; limit++ {
		ownGoroutines(t, func() {
			whole := startSource(t, d, c, limit, &Offsets{})
			defer whole.stop()
			share := load / len(whole.tasks)
			var want [][]string
			for i := range whole.tasks {
				want = append(want, whole.read(i, share, nil))
			}
			for _, part := range []int{1, share / 2, share - 1} {
				stored := &Offsets{}
				first := startSource(t, d, c, limit, stored)
				var got [][]string
				for i := range first.tasks {
					got = append(got, first.read(i, part, stored))
				}
				first.stop()
				second := startSource(t, d, c, limit, stored)
				for i := range second.tasks {
					got[i] = slices.Concat(got[i], second.read(i, share-part, stored))
				}
				second.stop()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("limit %d, stopped after %d records (-without a stop +with):\n%s", limit, part, diff)
				}
			}
		})
	}
}

func pollEnds(t *testing.T, d plugin.Descriptor, e Env) {
	ownGoroutines(t, func() {
		c := e.Config(t)
		if e.Feed != nil {
			e.Feed(t, c, 1)
		}
		r := startSource(t, d, c, 1, &Offsets{})
		defer r.stop()
		r.read(0, 1, nil)
		b := r.batch[0]
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			for ctx.Err() == nil { // a source that makes its own records has some
				if err := r.tasks[0].Poll(ctx, b); err != nil {
					done <- err
					return
				}
				poison(b)
			}
			done <- nil
		}()
		cancel()
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("poll whose context is done: %v", err)
			}
		case <-patience(t):
			t.Fatal("poll goes on though its context is done")
		}
		if e.Feed != nil { // and the next poll works
			e.Feed(t, c, 1)
			r.read(0, 1, nil)
		}
	})
}
