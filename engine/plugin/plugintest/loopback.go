package plugintest

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Loopback wraps a plugin so that all that crosses its contract goes through bytes and back, as it would if the plugin
// ran in a process of its own: the spec, configurations, every batch with its marks, failures and boundaries, offsets,
// errors and what they mean, requests to the host. Equal schemas come out as one pointer for each Loopback. An optional
// ability shows exactly when the wrapped plugin has it.
//
// What does not cross is lost on purpose: an error arrives with its text, its marks and a few well-known causes, a record
// that is given back by a transform keeps the position it was sent with.
func Loopback(d plugin.Descriptor) plugin.Descriptor {
	l := newLink()
	d.Spec = l.spec(d.Spec)
	if made := d.NewSource; made != nil {
		d.NewSource = func() plugin.Source { return l.source(made()) }
	}
	if made := d.NewSink; made != nil {
		d.NewSink = func() plugin.Sink { return l.sink(made()) }
	}
	if made := d.NewTransform; made != nil {
		d.NewTransform = func(t plugin.Target) plugin.Transform { return &loopTransform{l, made(t)} }
	}
	if made := d.NewPredicate; made != nil {
		d.NewPredicate = func() plugin.Predicate { return &loopPredicate{l, made()} }
	}
	if made := d.NewConverter; made != nil {
		d.NewConverter = func() plugin.Converter { return &loopConverter{l, made()} }
	}
	return d
}

func (l *link) spec(s plugin.Spec) (out plugin.Spec) {
	bound := func(w *writer, n *int64) {
		w.bool(n != nil)
		if n != nil {
			w.int(*n)
		}
	}
	readBound := func(r *reader) *int64 {
		if !r.bool() {
			return nil
		}
		n := r.int()
		return &n
	}
	l.cross(nil, func(w *writer) {
		w.uint(uint64(len(s.Fields)))
		for _, f := range s.Fields {
			for _, t := range []string{f.Name, f.Default, f.Doc, f.Example, f.Importance} {
				w.text(t)
			}
			w.uint(uint64(f.Type))
			for _, b := range []bool{f.Required, f.HasDefault, f.AnyCase, f.NonEmpty, f.Unique} {
				w.bool(b)
			}
			w.uint(uint64(len(f.OneOf)))
			for _, o := range f.OneOf {
				w.text(o)
			}
			bound(w, f.Min)
			bound(w, f.Max)
		}
	}, func(r *reader) {
		for range r.len() {
			f := plugin.Setting{Name: r.text(), Default: r.text(), Doc: r.text(), Example: r.text(), Importance: r.text(), Type: plugin.Type(r.uint())}
			f.Required, f.HasDefault, f.AnyCase, f.NonEmpty, f.Unique = r.bool(), r.bool(), r.bool(), r.bool(), r.bool()
			for range r.len() {
				f.OneOf = append(f.OneOf, r.text())
			}
			f.Min, f.Max = readBound(r), readBound(r)
			out.Fields = append(out.Fields, f)
		}
	})
	return out
}

func (l *link) config(c plugin.Config) (out plugin.Config) {
	l.cross(nil, func(w *writer) { w.texts(c) }, func(r *reader) { out = r.texts() })
	return out
}

func (l *link) configs(cs []plugin.Config) []plugin.Config {
	if cs == nil {
		return nil
	}
	out := make([]plugin.Config, len(cs))
	for i, c := range cs {
		out[i] = l.config(c)
	}
	return out
}

func (l *link) err(err error) (out error) {
	l.cross(nil, func(w *writer) { w.err(err) }, func(r *reader) { out = r.err() })
	return out
}

func (l *link) errs(errs []error) []error {
	var out []error
	for _, err := range errs {
		out = append(out, l.err(err))
	}
	return out
}

func (l *link) values(vs []record.Value) (out []record.Value) {
	l.cross(nil, func(w *writer) { w.values(vs) }, func(r *reader) { out = r.values() })
	return out
}

// batch appends a batch of one side to one of the other.
func (l *link) batch(from, to *record.Batch) {
	l.cross(&to.Arena, func(w *writer) { w.batch(from) }, func(r *reader) { r.batch(to) })
}

// loopHost is the host as the other side sees it; h is a SinkHost where a sink task has it.
type loopHost struct {
	l *link
	h plugin.Host
}

// Logger is the engine's own: what is logged needs no way through bytes to show a mistake.
func (h loopHost) Logger() *slog.Logger { return h.h.Logger() }

// Reconfigure asks the engine.
func (h loopHost) Reconfigure() { h.h.Reconfigure() }

// Fail sends the error.
func (h loopHost) Fail(err error) { h.h.Fail(h.l.err(err)) }

type loopSinkHost struct {
	loopHost
	h plugin.SinkHost
}

// Rewind sends the offsets.
func (h loopSinkHost) Rewind(offsets map[plugin.TopicPartition]int64) {
	h.h.Rewind(h.l.offsets(offsets))
}

// Pause sends the partitions.
func (h loopSinkHost) Pause(ps ...plugin.TopicPartition) { h.h.Pause(h.l.partitions(ps)...) }

// Resume sends the partitions.
func (h loopSinkHost) Resume(ps ...plugin.TopicPartition) { h.h.Resume(h.l.partitions(ps)...) }

// Timeout sends the wait.
func (h loopSinkHost) Timeout(d time.Duration) { h.h.Timeout(d) }

// RequestCommit asks the engine.
func (h loopSinkHost) RequestCommit() { h.h.RequestCommit() }

func (l *link) offsets(m map[plugin.TopicPartition]int64) map[plugin.TopicPartition]int64 {
	if m == nil {
		return nil
	}
	out := map[plugin.TopicPartition]int64{}
	l.cross(nil, func(w *writer) {
		w.uint(uint64(len(m)))
		for p, n := range m {
			w.text(p.Topic)
			w.int(int64(p.Partition))
			w.int(n)
		}
	}, func(r *reader) {
		for range r.len() {
			p := plugin.TopicPartition{Topic: r.text(), Partition: int32(r.int())}
			out[p] = r.int()
		}
	})
	return out
}

func (l *link) partitions(ps []plugin.TopicPartition) (out []plugin.TopicPartition) {
	l.cross(nil, func(w *writer) {
		w.uint(uint64(len(ps)))
		for _, p := range ps {
			w.text(p.Topic)
			w.int(int64(p.Partition))
		}
	}, func(r *reader) {
		for range r.len() {
			out = append(out, plugin.TopicPartition{Topic: r.text(), Partition: int32(r.int())})
		}
	})
	return out
}

// loopOffsets is the offsets reader as the other side sees it.
type loopOffsets struct {
	l *link
	o plugin.Offsets
}

// Read sends partitions one way and offsets the other.
func (o loopOffsets) Read(ctx context.Context, partitions ...record.Value) ([]record.Value, error) {
	vs, err := o.o.Read(ctx, o.l.values(partitions)...)
	if err != nil {
		return nil, o.l.err(err)
	}
	return o.l.values(vs), nil
}

func (l *link) alter(ctx context.Context, a plugin.OffsetAlterer, c plugin.Config, changes []plugin.OffsetChange) error {
	out := make([]plugin.OffsetChange, len(changes))
	for i, ch := range changes {
		vs := l.values([]record.Value{ch.Partition, ch.Offset})
		out[i] = plugin.OffsetChange{Partition: vs[0], Offset: vs[1]}
	}
	return l.err(a.AlterOffsets(ctx, l.config(c), out))
}
