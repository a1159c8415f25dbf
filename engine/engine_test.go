package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is an engine at work.
type running struct {
	*engine.Engine
	t        *testing.T
	stop     context.CancelFunc
	ended    chan error
	mu       sync.Mutex
	failures []engine.Failure
}

// run starts an engine on a store with pipelines declared before anything runs.
func run(t *testing.T, c *kafkatest.Cluster, st store.Store, ds ...*config.Declared) *running {
	t.Helper()
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		t.Fatal(err)
	}
	return runWith(t, engine.Settings{Registry: registry, Store: st, Logger: slog.New(slog.DiscardHandler)}, c.Servers(), nil, ds...)
}

// runWith is run with a registry, a logger and, unless nil, a way to the brokers of the test's own.
func runWith(t *testing.T, s engine.Settings, servers string, dial func(context.Context, string, string) (net.Conn, error), ds ...*config.Declared) *running {
	t.Helper()
	w, found := config.ReadWorker(&config.Declared{Map: config.Map{"bootstrap.servers": servers}}, s.Registry)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, stop: stop, ended: make(chan error, 1)}
	s.Worker, s.CreateTopics = w, true
	s.Failed = func(f engine.Failure) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failures = append(r.failures, f)
	}
	r.Engine = engine.New(s)
	r.DialWith(dial)
	applied := make(chan struct{})
	go func() {
		r.ended <- r.Run(ctx, func(ctx context.Context) error {
			defer close(applied)
			_, err := r.Apply(ctx, ds)
			return err
		})
	}()
	<-applied
	t.Cleanup(func() { r.halt() })
	return r
}

// halt stops the engine, once, and demands a clean end.
func (r *running) halt() {
	r.t.Helper()
	r.stop()
	err, open := <-r.ended
	if !open {
		return
	}
	close(r.ended)
	if err != nil {
		r.t.Errorf("the end: %v", err)
	}
}

func (r *running) await(what string, holds func(engine.View) bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	for {
		v, err := r.View(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if holds(v) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			r.t.Fatalf("%s: not in time; the view is %+v", what, v)
		}
	}
}

func memoryStore(t *testing.T) store.Store {
	t.Helper()
	st := memory.Open()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func one(d *config.Declared) []*config.Declared { return []*config.Declared{d} }

// declared makes a declaration of key=value properties.
func declared(properties ...string) *config.Declared {
	m := config.Map{}
	for _, p := range properties {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	return &config.Declared{Map: m}
}

func reading(name, file, topic string) *config.Declared {
	return declared("name="+name, "connector.class=FileStreamSource", "file="+file, "topic="+topic)
}

func writing(name, file, topic string) *config.Declared {
	return declared("name="+name, "connector.class=FileStreamSink", "file="+file, "topics="+topic, "value.converter=org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable=false")
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func has(path, want string) func(engine.View) bool {
	return func(engine.View) bool { text, _ := os.ReadFile(path); return string(text) == want }
}

// TestTwoEnginesInOneProcess shares nothing but the broker.
func TestTwoEnginesInOneProcess(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	dir := t.TempDir()
	for n := range 2 {
		topic := c.Name(fmt.Sprintf("lines-%d", n))
		in := write(t, filepath.Join(dir, fmt.Sprintf("in-%d", n)), fmt.Sprintf("of engine %d\n", n))
		out := filepath.Join(dir, fmt.Sprintf("out-%d", n))
		r := run(t, c, memoryStore(t), reading("same-name", in, topic), writing(c.Name("out"), out, topic))
		defer r.await("its own line", has(out, fmt.Sprintf("of engine %d\n", n)))
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "in"), "one\n")
	r := run(t, c, memoryStore(t), reading("a", in, c.Name("t")), reading("b", in, c.Name("t")), reading("c", in, c.Name("t")))
	stopped := reading("d", in, c.Name("t"))
	stopped.Target = config.Stopped
	changed := reading("b", in, c.Name("other"))
	got, err := r.Apply(t.Context(), []*config.Declared{reading("a", in, c.Name("t")), changed, stopped})
	if err != nil {
		t.Fatal(err)
	}
	if got.Revision == 0 {
		t.Error("an applied change has no revision")
	}
	got.Revision = 0
	want := engine.Changes{Created: []string{"d"}, Changed: []string{"b"}, Deleted: []string{"c"}, Untouched: []string{"a"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	if got.String() != "1 new, 1 changed, 1 gone, 1 as before" {
		t.Errorf("in words: %q", got)
	}
	r.await("the states", func(v engine.View) bool {
		said := ""
		for _, p := range v.Pipelines {
			said += p.Name + " " + p.Condition() + "; "
		}
		return said == "a RUNNING; b RUNNING; d STOPPED; "
	})
	again, err := r.Apply(t.Context(), []*config.Declared{reading("a", in, c.Name("t")), changed, stopped})
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Untouched) != 3 || again.Created != nil || again.Changed != nil || again.Deleted != nil {
		t.Errorf("the same again: %+v", again)
	}
}

// TestWhatIsStoredDoesNotRunBeforePrepare: a change made while the engine was down counts from the first moment on.
func TestWhatIsStoredDoesNotRunBeforePrepare(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "in"), "one\n")
	out := filepath.Join(dir, "out")
	st := memoryStore(t)
	first := run(t, c, st, reading("a", in, c.Name("old")))
	first.await("the source", func(v engine.View) bool { return v.Pipelines[0].Counts().Delivered == 1 })
	first.halt()

	write(t, in, "one\ntwo\n")
	r := run(t, c, st, reading("a", in, c.Name("new")), writing(c.Name("out"), out, c.Name("new")))
	r.await("what came since, in the new topic", has(out, "two\n"))
	r.halt()
	if got := len(c.ConsumeAll(c.Name("old"))); got != 1 {
		t.Errorf("the old topic has %d records, want 1", got)
	}
}

func TestPrepareThatFailsEndsTheRun(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		t.Fatal(err)
	}
	w, _ := config.ReadWorker(&config.Declared{Map: config.Map{"bootstrap.servers": c.Servers()}}, registry)
	e := engine.New(engine.Settings{Registry: registry, Worker: w, Store: memoryStore(t), Logger: slog.New(slog.DiscardHandler)})
	broken := errors.New("not today")
	if err := e.Run(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// TestFailuresAreTold and leave the neighbours alone.
func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "in"), "one\n")
	out := filepath.Join(dir, "out")
	bad := declared("name=bad", "connector.class=FileStreamSource", "file="+dir, "topic="+c.Name("bad"), "errors.restart.policy=never")
	r := run(t, c, memoryStore(t), bad, reading("good", in, c.Name("t")), writing(c.Name("out"), out, c.Name("t")))
	r.await("the good line", has(out, "one\n"))
	r.await("the failure", func(v engine.View) bool {
		return v.Pipelines[0].Condition() == "FAILED" && strings.Contains(v.Pipelines[0].Tasks[0].Trace, dir)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) != 1 || r.failures[0].Pipeline != "bad" || r.failures[0].Task != 0 {
		t.Errorf("failures: %+v, want one of bad, task 0", r.failures)
	}
}

// TestDeletedPipelineKeepsItsOffsets: deleting and declaring again goes on where it was.
func TestDeletedPipelineKeepsItsOffsets(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	dir := t.TempDir()
	in := write(t, filepath.Join(dir, "in"), "one\n")
	r := run(t, c, memoryStore(t), reading("a", in, c.Name("t")))
	r.await("the first line", func(v engine.View) bool { return v.Pipelines[0].Counts().Delivered == 1 })
	if _, err := r.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.await("the end of it", func(v engine.View) bool { return len(v.Pipelines) == 0 })
	write(t, in, "one\ntwo\n")
	if _, err := r.Apply(t.Context(), []*config.Declared{reading("a", in, c.Name("t"))}); err != nil {
		t.Fatal(err)
	}
	r.await("the second line", func(v engine.View) bool { return v.Pipelines[0].Counts().Delivered == 2 })
	r.halt()
	if got := len(c.ConsumeAll(c.Name("t"))); got != 2 {
		t.Errorf("the topic has %d records, want 2", got)
	}
}
