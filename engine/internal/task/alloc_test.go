package task_test

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// What a record may cost a task in allocations, everything in the process counted: the task, the client, and the fake
// broker, which stores nothing (source) or answers every fetch with the same batch (sink) and so allocates by the request
// only. Nothing is taken off for client and broker, so the gates hold the task itself to less.
const (
	sourceGate = 0.25
	sinkGate   = 0.1
)

var wide = func() *record.Schema {
	b := record.Build(record.Struct)
	for i := range 10 {
		kind := record.String
		if i%2 == 0 {
			kind = record.Int64
		}
		b.Field("field"+strconv.Itoa(i), record.Required(kind))
	}
	return b.MustBuild()
}()

// rows is a source that makes structs of ten fields in memory, as many as it was allowed.
type rows struct {
	allowed atomic.Int64
	more    chan struct{}
	made    int64
}

func (s *rows) allow(n int64) {
	s.allowed.Add(n)
	s.more <- struct{}{}
}

func (s *rows) Start(context.Context, plugin.Host, plugin.Config, plugin.Offsets) error { return nil }
func (s *rows) Stop(context.Context) error                                              { return nil }

func (s *rows) Poll(ctx context.Context, b *record.Batch) error {
	for s.made >= s.allowed.Load() {
		select {
		case <-s.more:
		case <-ctx.Done():
			return nil
		}
	}
	partition := b.Partitions.Intern(onlyPartition)
	for range min(500, s.allowed.Load()-s.made) {
		s.made++
		r := b.Append()
		r.Topic = "rows"
		fields := b.Values(len(wide.Fields))
		for i := range fields {
			if i%2 == 0 {
				fields[i] = record.OfInt64(s.made)
			} else {
				fields[i] = record.OfString("a text of some twenty bytes")
			}
		}
		r.Value = record.Datum{Schema: wide, Value: record.OfStruct(fields)}
		offset := b.Values(2)
		offset[0], offset[1] = positionKey, record.OfInt64(s.made)
		r.Position = record.Position{Partition: partition, Offset: record.OfMap(offset)}
	}
	return nil
}

var (
	onlyPartition = record.OfMap([]record.Value{record.OfString("file"), record.OfString("x")})
	positionKey   = record.OfString("position")
)

func (s *rows) descriptor() plugin.Descriptor {
	return plugin.Descriptor{Name: "rows", Class: "test.Rows", NewSource: func() plugin.Source { return rowsSource{s} }}
}

type rowsSource struct{ s *rows }

func (rowsSource) Start(context.Context, plugin.Host, plugin.Config) error { return nil }
func (rowsSource) Stop(context.Context) error                              { return nil }
func (rowsSource) Tasks(context.Context, int) ([]plugin.Config, error)     { return nil, nil }
func (r rowsSource) NewTask() plugin.SourceTask                            { return r.s }

// lines is a converter of structs to text, field by field, and back to a struct of one field.
type lines struct{ schema *record.Schema }

func (lines) Configure(plugin.Config, plugin.Use) error { return nil }

func (lines) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		return nil, nil
	}
	for _, f := range d.Value.Elements() {
		if f.Kind() == record.String {
			dst = append(dst, f.Text()...)
		} else {
			dst = strconv.AppendInt(dst, f.Int(), 10)
		}
		dst = append(dst, ',')
	}
	return dst, nil
}

func (l lines) ReadData(a *record.Arena, _ string, src []byte) (record.Datum, error) {
	if src == nil {
		return record.Datum{}, nil
	}
	fields := a.Values(3)
	fields[0], fields[1], fields[2] = record.OfText(src), record.OfInt64(int64(len(src))), record.OfText(src[:8])
	return record.Datum{Schema: l.schema, Value: record.OfStruct(fields)}, nil
}

var narrow = record.Build(record.Struct).Field("line", record.Required(record.String)).
	Field("size", record.Required(record.Int64)).Field("head", record.Required(record.String)).MustBuild()

// mask overwrites the last field; insert makes a struct with one more.
type mask struct{}

func (mask) Configure(plugin.Config) error { return nil }
func (mask) Apply(_ context.Context, b *record.Batch) error {
	b.Each(func(_ int, r *record.Record) error {
		old := r.Value.Value.Elements()
		fields := b.Values(len(old))
		copy(fields, old)
		fields[len(fields)-1] = record.OfString("***")
		r.Value.Value = record.OfStruct(fields)
		return nil
	})
	return nil
}

type insert struct{ from, to *record.Schema }

func (*insert) Configure(plugin.Config) error { return nil }
func (t *insert) Apply(_ context.Context, b *record.Batch) error {
	b.Each(func(_ int, r *record.Record) error {
		if r.Value.Schema != t.from {
			s := record.Build(record.Struct)
			for _, f := range r.Value.Schema.Fields {
				s.Field(f.Name, f.Schema)
			}
			t.from, t.to = r.Value.Schema, s.Field("added", record.Required(record.String)).MustBuild()
		}
		old := r.Value.Value.Elements()
		fields := b.Values(len(old) + 1)
		copy(fields, old)
		fields[len(old)] = record.OfString("a constant")
		r.Value = record.Datum{Schema: t.to, Value: record.OfStruct(fields)}
		return nil
	})
	return nil
}

func twoTransforms(g *graph.Task) {
	for _, c := range []*graph.Converter{&g.Key, &g.Value, &g.Header} {
		c.Plugin = plugin.Descriptor{Class: "test.Lines", NewConverter: func() plugin.Converter { return lines{narrow} }}
	}
	g.Chain = []graph.Stage{
		{Name: "mask", Plugin: plugin.Descriptor{NewTransform: func(plugin.Target) plugin.Transform { return mask{} }}},
		{Name: "insert", Plugin: plugin.Descriptor{NewTransform: func(plugin.Target) plugin.Transform { return &insert{} }}},
	}
	g.FlushInterval = 100 * time.Millisecond
}

// running is a task of the benchmarks; the broker of opts is all it talks to.
func running(t testing.TB, g *graph.Instance, o *offsets, opts ...kfake.Opt) (*task.Meter, func()) {
	t.Helper()
	fake, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "rows"))...)
	if err != nil {
		t.Fatal(err)
	}
	meter := &task.Meter{}
	k := task.New(task.Settings{Instance: g, Offsets: o, Meter: meter, StopBudget: 10 * time.Second,
		Clients: kafka.Clients{Base: map[string]string{"bootstrap.servers": fake.ListenAddrs()[0]}}})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return meter, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		fake.Close()
	}
}

func delivered(t testing.TB, m *task.Meter, n int64) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for m.Delivered.Load() < n {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("got %d records, want %d", m.Delivered.Load(), n)
		}
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// perRecord runs warm records and then n more, and returns the allocations of the latter a record.
func perRecord(t testing.TB, m *task.Meter, warm, n int64, allow func(int64)) float64 {
	t.Helper()
	base := m.Delivered.Load()
	allow(warm)
	delivered(t, m, base+warm)
	before, start := mallocs(), m.Delivered.Load()
	allow(n)
	delivered(t, m, base+warm+n)
	return float64(mallocs()-before) / float64(m.Delivered.Load()-start)
}

func TestSourceAllocations(t *testing.T) { // not parallel: it counts what the process allocates
	if raceDetector {
		t.Skip("the race detector allocates by itself")
	}
	src := &rows{more: make(chan struct{}, 16)}
	meter, stop := running(t, instance("src", src.descriptor(), twoTransforms), newOffsets(), kfake.BlackholeProduce())
	defer stop()
	got := perRecord(t, meter, 50_000, 200_000, src.allow)
	t.Logf("%.3f allocations a record", got)
	if got > sourceGate {
		t.Errorf("got %.3f allocations a record, want at most %v", got, sourceGate)
	}
}

// swallow is a sink that counts.
type swallow struct{ plugin.SinkTask }

func (swallow) Start(context.Context, plugin.SinkHost, plugin.Config) error { return nil }
func (swallow) Put(context.Context, *record.Batch) error                    { return nil }
func (swallow) Flush(context.Context) error                                 { return nil }
func (swallow) Stop(context.Context) error                                  { return nil }

type swallowSink struct{ plugin.Sink }

func (swallowSink) NewTask() plugin.SinkTask { return swallow{} }

func swallowing() *graph.Instance {
	g := instance("snk", plugin.Descriptor{Class: "test.Swallow", NewSink: func() plugin.Sink { return swallowSink{} }}, twoTransforms)
	g.Task.Topics = []string{"rows"}
	g.Task.Consumer = nil
	return g
}

func TestSinkAllocations(t *testing.T) { // not parallel: see above
	if raceDetector {
		t.Skip("the race detector allocates by itself")
	}
	meter, stop := running(t, swallowing(), nil, kfake.SyntheticFetch(kfake.SyntheticBatch{}))
	defer stop()
	got := perRecord(t, meter, 50_000, 200_000, func(int64) {})
	t.Logf("%.3f allocations a record", got)
	if got > sinkGate {
		t.Errorf("got %.3f allocations a record, want at most %v", got, sinkGate)
	}
}

func BenchmarkSource(b *testing.B) {
	src := &rows{more: make(chan struct{}, 16)}
	meter, stop := running(b, instance("src", src.descriptor(), twoTransforms), newOffsets(), kfake.BlackholeProduce())
	defer stop()
	const n = 100_000
	perRecord(b, meter, n, 0, src.allow)
	total := int64(n)
	before := mallocs()
	for b.Loop() {
		src.allow(n)
		total += n
		delivered(b, meter, total)
	}
	b.ReportMetric(float64(mallocs()-before)/float64(total-n), "allocs/record")
	b.ReportMetric(float64(total-n)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkSink(b *testing.B) {
	meter, stop := running(b, swallowing(), nil, kfake.SyntheticFetch(kfake.SyntheticBatch{}))
	defer stop()
	const n = 100_000
	delivered(b, meter, n)
	first := meter.Delivered.Load()
	before, goal := mallocs(), first
	for b.Loop() {
		goal += n
		delivered(b, meter, goal)
	}
	done := meter.Delivered.Load() - first
	b.ReportMetric(float64(mallocs()-before)/float64(done), "allocs/record")
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "records/s")
}
