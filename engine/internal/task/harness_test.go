package task_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/store"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// text is a converter of strings. A text that fails says so once a conversion.
type text struct{ fail func(text string) error }

func (c *text) Configure(plugin.Config, plugin.Use) error { return nil }

func (c *text) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		return nil, nil
	}
	s := d.Value.Text()
	if c.fail != nil {
		if err := c.fail(s); err != nil {
			return nil, err
		}
	}
	return append(dst, s...), nil
}

func (c *text) ReadData(_ *record.Arena, _ string, src []byte) (record.Datum, error) {
	if src == nil {
		return record.Datum{Schema: record.OptionalOf(record.String)}, nil
	}
	if c.fail != nil {
		if err := c.fail(string(src)); err != nil {
			return record.Datum{}, err
		}
	}
	return record.Datum{Schema: record.OptionalOf(record.String), Value: record.OfText(src)}, nil
}

// textClass is under what name the converter stands in headers and messages.
const textClass = "org.apache.kafka.connect.storage.StringConverter"

func converter(use plugin.Use, fail func(string) error) graph.Converter {
	return graph.Converter{Use: use, Class: textClass, Plugin: plugin.Descriptor{
		Name: "text", Class: textClass, NewConverter: func() plugin.Converter { return &text{fail} },
	}}
}

// each is a transform made of a function of one record; its predicate, if any, is another.
type each func(b *record.Batch, i int, r *record.Record) error

func (each) Configure(plugin.Config) error { return nil }

func (e each) Apply(_ context.Context, b *record.Batch) error {
	b.Each(func(i int, r *record.Record) error { return e(b, i, r) })
	return nil
}

type test func(r *record.Record) (bool, error)

func (test) Configure(plugin.Config) error         { return nil }
func (p test) Test(r *record.Record) (bool, error) { return p(r) }
func (p test) descriptor() plugin.Descriptor {
	return plugin.Descriptor{Class: "test.Predicate", NewPredicate: func() plugin.Predicate { return p }}
}
func stage(name string, e each) graph.Stage {
	return graph.Stage{Name: name, Plugin: plugin.Descriptor{
		Class: "test." + name, NewTransform: func(plugin.Target) plugin.Transform { return e },
	}}
}

// offsets is a store that keeps a log of what was asked of it.
type offsets struct {
	mu      sync.Mutex
	kept    map[string]string
	commits int
	fail    func() error
	heard   func(entries []store.Offset)
}

func newOffsets() *offsets { return &offsets{kept: map[string]string{}} }

func (o *offsets) Read(_ context.Context, _ string, partitions [][]byte) ([][]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([][]byte, len(partitions))
	for i, p := range partitions {
		if v, ok := o.kept[string(p)]; ok {
			out[i] = []byte(v)
		}
	}
	return out, nil
}

func (o *offsets) Commit(_ context.Context, _ string, entries []store.Offset) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		if err := o.fail(); err != nil {
			return err
		}
	}
	if o.heard != nil {
		o.heard(entries)
	}
	o.commits++
	for _, e := range entries {
		if e.Value == nil {
			delete(o.kept, string(e.Partition))
		} else {
			o.kept[string(e.Partition)] = string(e.Value)
		}
	}
	return nil
}

func (o *offsets) List(context.Context, string) ([]store.Offset, error) { return nil, nil }

func (o *offsets) all() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.kept)
}

// run is a task that runs for a test.
type run struct {
	*task.Task
	t     *testing.T
	meter *task.Meter
	log   *logs
	stop  context.CancelFunc
	done  chan struct{}
	err   error // once done is closed

	mu      sync.Mutex
	reports []task.Report
	changed chan struct{}
}

// start runs a task; the test stops it, or its end does.
func start(t *testing.T, s task.Settings, before ...func(*task.Task)) *run {
	t.Helper()
	r := &run{t: t, meter: &task.Meter{}, log: &logs{}, done: make(chan struct{}), changed: make(chan struct{})}
	s.Report, s.Meter = r.report, r.meter
	s.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	if s.StopBudget == 0 {
		s.StopBudget = 10 * time.Second
	}
	r.Task = task.New(s)
	for _, f := range before {
		f(r.Task)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = cancel
	go func() {
		defer close(r.done)
		r.err = r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		r.await("the task to end", func() bool { return false })
		if t.Failed() {
			t.Logf("log of the task:\n%s", r.log)
		}
	})
	return r
}

func (r *run) report(p task.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, p)
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until ok holds or the task has ended; ok is asked at each report and often.
func (r *run) await(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-r.done:
			return
		case <-deadline:
			r.t.Errorf("waited in vain for %s; states %v; log:\n%s", what, r.states(), r.log)
			return
		}
	}
}

func (r *run) states() []task.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []task.State
	for _, p := range r.reports {
		all = append(all, p.State)
	}
	return all
}

func (r *run) awaitState(s task.State) {
	r.t.Helper()
	r.await("state "+s.String(), func() bool {
		all := r.states()
		return len(all) > 0 && all[len(all)-1] == s
	})
}

// condition is the error of the last report.
func (r *run) condition() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reports) == 0 {
		return nil
	}
	return r.reports[len(r.reports)-1].Err
}

// end waits until the task has ended by itself, and returns why.
func (r *run) end() error {
	r.t.Helper()
	r.await("the task to end", func() bool { return false })
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

// halt stops the task and returns what Run did.
func (r *run) halt() error {
	r.t.Helper()
	r.stop()
	return r.end()
}

// logs keeps what a task logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// source is the settings of a task of a scripted source, whose records go to topics of this test.
func source(t *testing.T, c *kafkatest.Cluster, s *plugintest.ScriptedSource, o store.Offsets, change ...func(*graph.Task)) task.Settings {
	t.Helper()
	s.Rename = c.Name
	return task.Settings{Instance: instance("src", s.Descriptor(), change...), Clients: *c.Clients(), Offsets: o}
}

// sink is the settings of a task of a recording sink; topic and dead letter queue are of this test, and so is its group.
func sink(t *testing.T, c *kafkatest.Cluster, s *plugintest.RecordingSink, topic string, change ...func(*graph.Task)) task.Settings {
	t.Helper()
	in := instance(c.Name("snk"), s.Descriptor(), change...)
	in.Task.Topics = []string{c.Name(topic)}
	if q := in.Task.DeadLetter; q != nil {
		q.Topic = c.Name(q.Topic)
	}
	return task.Settings{Instance: in, Clients: *c.Clients()}
}

func instance(name string, d plugin.Descriptor, change ...func(*graph.Task)) *graph.Instance {
	g := &graph.Instance{Name: name, Role: d.Role(), Plugin: d, Task: graph.Task{
		Key: converter(plugin.KeyUse, nil), Value: converter(plugin.ValueUse, nil), Header: converter(plugin.HeaderUse, nil),
		FlushInterval: time.Minute, FlushTimeout: 5 * time.Second,
		Producer: map[string]string{"linger.ms": "0"},
		Consumer: map[string]string{"fetch.max.wait.ms": "50", "heartbeat.interval.ms": "100"},
		Errors:   graph.Errors{RetryDelayMax: time.Minute},
	}}
	for _, f := range change {
		f(&g.Task)
	}
	return g
}

func values(t *testing.T, c *kafkatest.Cluster, topic string) []string {
	t.Helper()
	var all []string
	for _, r := range c.ConsumeAll(topic) {
		all = append(all, string(r.Value))
	}
	return all
}

func numbers(from, n int) []string {
	all := make([]string, 0, n)
	for i := range n {
		all = append(all, itoa(from+i))
	}
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
