package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const me = "me"

// bench is a worker on a store in memory, with a leader that gives it everything and fake plugins that keep a journal.
type bench struct {
	t     *testing.T
	store store.Store
	fence store.Fence

	mu      sync.Mutex
	journal []string
	running map[string]int // tasks by name, to see that none runs twice
	fail    map[string]error
	slow    map[string]chan struct{} // a stop of this waits
	tasks   map[string]int           // how many tasks a connector makes
	hosts   map[string]plugin.Host
	secrets map[string]string
	healing graph.Healing
	failing map[string]int           // how often a task fails before it runs
	stops   map[string]chan struct{} // a connector's Stop waits for this
	wake    chan struct{}
	stop    func() // ends the worker and waits for it
}

func start(t *testing.T, change ...func(*Settings)) *bench {
	t.Helper()
	b := &bench{
		t: t, store: memory.Open(), running: map[string]int{}, fail: map[string]error{},
		slow: map[string]chan struct{}{}, tasks: map[string]int{}, hosts: map[string]plugin.Host{}, secrets: map[string]string{}, failing: map[string]int{}, stops: map[string]chan struct{}{}, wake: make(chan struct{}),
	}
	fence, err := b.store.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.fence = fence
	s := Settings{
		Member: me, Configs: b.store, Statuses: b.store.Statuses(), StopBudget: time.Second, Logger: discard(),
		Compile: b.compile, NewTask: b.newTask, Secrets: b.secretsOf, SecretsEvery: 5 * time.Millisecond,
	}
	for _, c := range change {
		c(&s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	leading, end := context.WithCancel(context.Background())
	var working, led sync.WaitGroup
	working.Go(func() {
		if err := New(s).Run(ctx); err != nil {
			t.Errorf("the worker: %v", err)
		}
	})
	led.Go(func() { b.lead(leading) })
	b.stop = func() { cancel(); working.Wait() }
	t.Cleanup(func() {
		b.stop()
		end()
		led.Wait()
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// lead takes the tasks that instances submit.
func (b *bench) lead(ctx context.Context) {
	for {
		requests, err := b.store.Requests(ctx)
		if err != nil {
			return
		}
		for _, r := range requests {
			for _, op := range r.Ops {
				if op.Part != nil {
					b.note("part %s", op.Part.Member)
					b.answer(r.ID)
					continue
				}
				b.write(op.Tasks.Name, func(c *store.Connector) { c.Tasks, c.TasksFor = op.Tasks.Tasks, op.Tasks.For }, store.Answer{ID: r.ID})
			}
		}
	}
}

func (b *bench) answer(id string) {
	if _, err := b.store.Commit(context.Background(), b.fence, store.Commit{Answers: []store.Answer{{ID: id}}}); err != nil {
		b.t.Error(err)
	}
}

// plan commits a plan.
func (b *bench) plan(change func(*store.Plan)) {
	b.t.Helper()
	s, err := b.store.Snapshot(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	p := s.Plan
	p.Epoch++
	p.Placements = slices.Clone(p.Placements)
	change(&p)
	if _, err := b.store.Commit(b.t.Context(), b.fence, store.Commit{Plan: &p}); err != nil {
		b.t.Fatal(err)
	}
}

// write commits a change of one connector, nil taking it away, and places everything here.
func (b *bench) write(name string, change func(*store.Connector), answers ...store.Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.store.Snapshot(context.Background())
	if err != nil {
		b.t.Error(err)
		return
	}
	c := store.Commit{Connectors: map[string]*store.Connector{name: nil}, Answers: answers}
	all := maps.Clone(s.Connectors)
	if all == nil {
		all = map[string]store.Connector{}
	}
	delete(all, name)
	if change != nil {
		have, ok := s.Connectors[name]
		if !ok {
			have = store.Connector{Name: name, Target: config.Started}
		}
		change(&have)
		c.Connectors[name] = &have
		all[name] = have
	}
	plan := store.Plan{Epoch: s.Plan.Epoch + 1, Members: []string{me}}
	for n, have := range all {
		plan.Placements = append(plan.Placements, store.Placement{Connector: n, Task: store.Instance, Member: me, Epoch: plan.Epoch})
		for i := range have.Tasks {
			plan.Placements = append(plan.Placements, store.Placement{Connector: n, Task: i, Member: me, Epoch: plan.Epoch})
		}
	}
	c.Plan = &plan
	if _, err := b.store.Commit(context.Background(), b.fence, c); err != nil {
		b.t.Error(err)
	}
}

// put stores a configuration.
func (b *bench) put(name, version string) {
	b.write(name, func(c *store.Connector) { c.Config, c.Revision = config.Map{"name": name, "v": version}, 0 })
}

func (b *bench) compile(name string, m config.Map) (*graph.Instance, error) {
	secret, err := b.secretsOf(m)
	if err != nil {
		return nil, err
	}
	if m["v"] == "broken" {
		return nil, errors.New("this cannot be compiled")
	}
	d := plugin.Descriptor{Name: "fake", Class: "fake", NewSource: func() plugin.Source { return &fakeSource{bench: b, name: name} }}
	return &graph.Instance{
		Name: name, Role: plugin.SourceRole, Plugin: d, Config: m, Settings: plugin.Config(m), TasksMax: 3, Enforce: true,
		Fingerprint: graph.Fingerprint(name + m["v"] + secret), Healing: b.healing,
	}, nil
}

// note writes into the journal; await waits until it holds a line.
func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.journal = append(b.journal, fmt.Sprintf(format, args...))
	close(b.wake)
	b.wake = make(chan struct{})
}

func (b *bench) await(what string, holds func() bool) {
	b.t.Helper()
	late := time.After(20 * time.Second)
	for {
		b.mu.Lock()
		wake := b.wake
		b.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-wake:
		case <-time.After(10 * time.Millisecond): // statuses do not wake
		case <-late:
			b.t.Fatalf("%s: not in time; the journal is %q", what, b.lines())
		}
	}
}

func (b *bench) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.journal)
}

func (b *bench) count(line string) (n int) {
	for _, l := range b.lines() {
		if l == line {
			n++
		}
	}
	return n
}

func (b *bench) awaitLine(line string, times int) {
	b.t.Helper()
	b.await(fmt.Sprintf("%d times %q", times, line), func() bool { return b.count(line) >= times })
}

func (b *bench) awaitState(name string, task int, state store.State) store.Status {
	b.t.Helper()
	var found store.Status
	b.await(fmt.Sprintf("%s %d %s", name, task, state), func() bool {
		all, err := b.store.Statuses().All(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(s store.Status) bool { return s.Connector == name && s.Task == task && s.State == state })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// fakeSource keeps the journal of a connector.
type fakeSource struct {
	bench   *bench
	name    string
	started bool
}

func (s *fakeSource) Start(_ context.Context, h plugin.Host, c plugin.Config) error {
	s.started = true
	s.bench.mu.Lock()
	s.bench.hosts[s.name] = h
	s.bench.mu.Unlock()
	s.bench.note("start %s %s", s.name, c["v"])
	switch c["v"] {
	case "panics":
		panic("at the start")
	case "fails":
		return errors.New("no such system")
	}
	return nil
}

func (s *fakeSource) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	s.bench.mu.Lock()
	n := s.bench.tasks[s.name]
	s.bench.mu.Unlock()
	if n == 0 {
		n = 1
	}
	var cs []plugin.Config
	for i := range n {
		cs = append(cs, plugin.Config{"part": fmt.Sprintf("%d of %d", i, n)})
	}
	return cs, nil
}

func (s *fakeSource) NewTask() plugin.SourceTask { return nil }

func (s *fakeSource) Stop(context.Context) error {
	if !s.started {
		return nil
	}
	s.bench.note("stop %s", s.name)
	s.bench.mu.Lock()
	wait := s.bench.stops[s.name]
	s.bench.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return nil
}

// fakeTask keeps the journal of a task.
type fakeTask struct {
	bench *bench
	Task
	name string
}

func (b *bench) newTask(t Task) Runner {
	return &fakeTask{b, t, fmt.Sprintf("%s/%d", t.Instance.Name, t.Number)}
}

func (t *fakeTask) Pause()  { t.bench.note("pause %s", t.name) }
func (t *fakeTask) Resume() { t.bench.note("resume %s", t.name) }

func (t *fakeTask) Run(ctx context.Context) error {
	b := t.bench
	b.mu.Lock()
	b.running[t.name]++
	twice, fail, slow := b.running[t.name] > 1, b.fail[t.name], b.slow[t.name]
	if b.failing[t.name] > 0 {
		b.failing[t.name]--
		fail = errors.New("for a while")
	}
	b.mu.Unlock()
	if twice {
		b.t.Errorf("%s runs twice at once", t.name)
	}
	b.note("run %s %s (%s)", t.name, t.Instance.Config["v"], t.Config["part"])
	defer func() {
		b.mu.Lock()
		b.running[t.name]--
		b.mu.Unlock()
		b.note("end %s", t.name)
	}()
	if fail != nil {
		t.Report(store.StateFailed, fail)
		return fail
	}
	t.Report(store.StateRunning, nil)
	<-ctx.Done()
	if slow != nil {
		<-slow
	}
	return nil
}

func TestPlacementsRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.tasks["a"] = 2
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 2)", 1)
	b.awaitLine("run a/1 1 (1 of 2)", 1)
	b.awaitState("a", store.Instance, store.StateRunning)
	b.awaitState("a", 1, store.StateRunning)
}

func TestOnlyWhatChangedRestarts(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.put("a", "1")
	b.put("b", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.awaitLine("run b/0 1 (0 of 1)", 1)
	b.put("a", "2")
	b.awaitLine("run a/0 2 (0 of 1)", 1)
	if n := b.count("end b/0"); n != 0 {
		t.Errorf("b was stopped %d times; it had not changed", n)
	}
	if i, j := slices.Index(b.lines(), "end a/0"), slices.Index(b.lines(), "run a/0 2 (0 of 1)"); i < 0 || i > j {
		t.Errorf("the former task had not ended when the next one started: %q", b.lines())
	}
}

func TestTheSameAgainRestartsNothing(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.put("other", "1")
	b.awaitLine("run other/0 1 (0 of 1)", 1)
	if got := b.count("run a/0 1 (0 of 1)"); got != 1 {
		t.Errorf("a/0 ran %d times, want once", got)
	}
}

func TestDeletedThenCreatedRestarts(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.write("a", nil)
	b.awaitLine("end a/0", 1)
	b.await("no status of what was deleted", func() bool {
		all, err := b.store.Statuses().All(t.Context())
		return err == nil && len(all) == 0
	})
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 2)
}

func TestTasksWaitForThoseOnTheirWayOut(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.tasks["a"] = 2
	hold := make(chan struct{})
	b.slow["a/1"] = hold
	b.put("a", "1")
	b.awaitLine("run a/1 1 (1 of 2)", 1)
	b.mu.Lock()
	b.tasks["a"] = 1
	b.mu.Unlock()
	b.put("a", "2")
	b.awaitLine("start a 2", 1)
	b.awaitLine("end a/0", 1)
	if n := b.count("run a/0 2 (0 of 1)"); n != 0 {
		t.Error("a task started while one that may still hold its source partition had not ended")
	}
	close(hold)
	b.awaitLine("run a/0 2 (0 of 1)", 1)
}

func TestPauseReachesInstanceAndTasks(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.write("a", func(c *store.Connector) { c.Target = config.Paused })
	b.awaitLine("pause a/0", 1)
	b.awaitLine("stop a", 1)
	b.awaitState("a", store.Instance, store.StatePaused)
	b.write("a", func(c *store.Connector) { c.Target = config.Started })
	b.awaitLine("resume a/0", 1)
	b.awaitLine("start a 1", 2)
	if n := b.count("end a/0"); n != 0 {
		t.Errorf("a paused task was stopped")
	}
}

func TestStopTakesTasksAwayAndStartBringsThemBack(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.write("a", func(c *store.Connector) { c.Target, c.Tasks, c.TasksFor = config.Stopped, []config.Map{}, c.Revision })
	b.awaitLine("end a/0", 1)
	b.awaitState("a", store.Instance, store.StateStopped)
	b.write("a", func(c *store.Connector) { c.Target = config.Started })
	b.awaitLine("run a/0 1 (0 of 1)", 2)
}

func TestFailuresAreStatusesAndNeighboursGoOn(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.fail["a/0"] = errors.New("no such table")
	b.put("a", "1")
	b.put("b", "1")
	b.put("c", "fails")
	b.put("d", "panics")
	b.put("e", "broken")
	b.awaitLine("run b/0 1 (0 of 1)", 1)
	for _, want := range []struct {
		name  string
		task  int
		trace string
	}{
		{"a", 0, "no such table"}, {"c", store.Instance, "no such system"},
		{"d", store.Instance, "at the start"}, {"e", store.Instance, "cannot be compiled"},
	} {
		if s := b.awaitState(want.name, want.task, store.StateFailed); !strings.Contains(s.Trace, want.trace) {
			t.Errorf("%s %d: the trace is %q, want one that says %q", want.name, want.task, s.Trace, want.trace)
		}
	}
	if n := b.count("run a/0 1 (0 of 1)"); n != 1 {
		t.Errorf("the failed task ran %d times, want once: nothing about it changed", n)
	}
}

func TestRestartRunsAFailedTaskAgain(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.fail["a/0"] = errors.New("no such table")
	b.put("a", "1")
	b.awaitState("a", 0, store.StateFailed)
	b.mu.Lock()
	delete(b.fail, "a/0")
	b.mu.Unlock()
	b.write("a", func(c *store.Connector) { c.TaskRestart = map[int]int{0: 1} })
	b.awaitState("a", 0, store.StateRunning)
}

func TestReconfigurationChangesTheTasks(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.mu.Lock()
	b.tasks["a"] = 2
	host := b.hosts["a"]
	b.mu.Unlock()
	host.Reconfigure()
	b.awaitLine("run a/0 1 (0 of 2)", 1)
	b.awaitLine("run a/1 1 (1 of 2)", 1)
	b.mu.Lock()
	b.tasks["a"] = 4
	b.mu.Unlock()
	host.Reconfigure()
	if s := b.awaitState("a", store.Instance, store.StateFailed); !strings.Contains(s.Trace, "4 tasks") {
		t.Errorf("the trace of too many tasks is %q", s.Trace)
	}
}

// TestTasksAreStoredAsByKafkaConnect: with the class of the task, and a sink's topics, which a Java worker needs.
func TestTasksAreStoredAsByKafkaConnect(t *testing.T) {
	t.Parallel()
	from := plugin.Config{"file": "a"}
	for _, c := range []struct {
		plugin plugin.Descriptor
		config config.Map
		want   config.Map
	}{
		{plugin.Descriptor{Class: "org.x.FileSourceConnector", NewSource: func() plugin.Source { return nil }}, config.Map{"topics": "not of a source"},
			config.Map{"file": "a", "task.class": "org.x.FileSourceTask"}},
		{plugin.Descriptor{Class: "org.x.Sink", NewSink: func() plugin.Sink { return nil }}, config.Map{"topics": "a,b"},
			config.Map{"file": "a", "task.class": "org.x.SinkTask", "topics": "a,b"}},
		{plugin.Descriptor{Class: "org.x.Sink", NewSink: func() plugin.Sink { return nil }}, config.Map{"topics.regex": "a.*"},
			config.Map{"file": "a", "task.class": "org.x.SinkTask", "topics.regex": "a.*"}},
	} {
		got := completed(from, &graph.Instance{Plugin: c.plugin, Config: c.config})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("got (+), want (-):\n%s", diff)
		}
	}
	if len(from) != 1 {
		t.Error("what the connector returned was changed")
	}
}

// TestTasksOfAnOlderConfigurationAreNotTakenForThoseOfTheNewer: whoever sees that the tasks of a new configuration are stored does not
// see that they run while the old ones are still stopping.
func TestTasksOfAnOlderConfigurationAreNotTakenForThoseOfTheNewer(t *testing.T) {
	t.Parallel()
	b := start(t)
	hold := make(chan struct{})
	b.slow["a/0"] = hold
	b.put("a", "1")
	b.awaitState("a", 0, store.StateRunning)
	b.put("a", "2")
	b.await("the tasks of the new configuration", func() bool {
		s, err := b.store.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := s.Connectors["a"]
		return c.TasksFor == c.Revision && c.Config["v"] == "2"
	})
	all, err := b.store.Statuses().All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Task == 0 && s.State != store.StateUnassigned {
			t.Errorf("the former task has not ended, and the status is %+v", s)
		}
	}
	close(hold)
	b.awaitState("a", 0, store.StateRunning)
}
