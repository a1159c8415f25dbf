package model

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/leader"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/internal/worker"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	stopBudget = 2 * time.Second
	delay      = 4 * time.Second
)

// scene is a cluster of real leaders and workers on a store in memory, with a group that does what a test says. It runs in a
// bubble of synctest, but for the clock of leases, which is moved by hand.
type scene struct {
	t      *testing.T
	store  store.Store
	rand   *rand.Rand
	prompt bool // readers do not lag

	mu         sync.Mutex
	nodes      map[string]*node
	members    []string // of the group, in the order in which they joined; the first leads
	generation int64
	runs       map[string]string // who runs a task, by its name
	starts     map[string]int
	history    []string
	joined     int
	clients    sync.WaitGroup
}

type node struct {
	s       *scene
	id      string
	address string
	views   member.Watch
	seen    int64 // the generation of the newest view; guarded by scene.mu
	lease   member.Lease
	dead    bool   // killed: what it still does counts for nothing
	rest    func() // ends the worker; the group does not hear of it
	end     func()
	ended   chan struct{} // the worker has
}

func newScene(t *testing.T, seed uint64) *scene {
	s := &scene{
		t: t, store: memory.Open(), rand: rand.New(rand.NewPCG(seed, 1)),
		nodes: map[string]*node{}, runs: map[string]string{}, starts: map[string]int{},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
			for n, line := range s.history {
				t.Logf("%3d. %s", n+1, line)
			}
		}
	})
	return s
}

func (s *scene) note(format string, args ...any) {
	s.history = append(s.history, fmt.Sprintf("%8s ", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// pass lets time pass on the bubble's clock.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *scene) upTo(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rand.Int64N(int64(d) + 1))
}

// join starts a worker.
func (s *scene) join(address string) *node {
	s.mu.Lock()
	s.joined++
	n := &node{s: s, id: fmt.Sprint("w", s.joined), address: address, ended: make(chan struct{}), lease: member.LeaseUntil(math.MaxInt64 - 1)}
	s.nodes[n.id] = n
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	services, stop := context.WithCancel(context.Background())
	wg.Go(func() {
		err := leader.Run(services, leader.Settings{
			Store: s.store, Views: &n.views, Logger: slog.New(slog.DiscardHandler), Confirm: n.confirm,
			Statuses: statuses{s.store.Statuses(), n}, Delay: delay, StopBudget: stopBudget,
		})
		if err != nil {
			s.t.Errorf("leader %s: %v", n.id, err)
		}
	})
	wg.Go(func() {
		defer close(n.ended)
		w := worker.New(worker.Settings{
			Member: n.id, Configs: &lagging{Store: s.store, n: n}, Statuses: statuses{s.store.Statuses(), n}, Lease: n.held, Views: &n.views,
			StopBudget: stopBudget, Logger: slog.New(slog.DiscardHandler), Compile: s.compile, NewTask: n.newTask,
		})
		if err := w.Run(ctx); err != nil {
			s.t.Errorf("worker %s: %v", n.id, err)
		}
	})
	n.rest = func() {
		cancel()
		<-n.ended
	}
	n.end = func() {
		n.rest()
		s.expel(n)
		stop()
		wg.Wait()
	}
	s.regroup("%s joins", func() { s.members = append(s.members, n.id) }, n)
	return n
}

// regroup changes the group; each member hears of it a little later.
func (s *scene) regroup(what string, change func(), n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.regrouped(what, change, n)
}

// regrouped is regroup for who holds the lock.
func (s *scene) regrouped(what string, change func(), n *node) {
	change()
	s.generation++
	s.note(what, n.id)
	v := member.View{Generation: s.generation}
	if len(s.members) > 0 {
		v.Leader = s.members[0]
	}
	for _, id := range s.members {
		v.Members = append(v.Members, member.Member{ID: id, Address: s.nodes[id].address})
	}
	slices.SortFunc(v.Members, func(a, b member.Member) int { return strings.Compare(a.ID, b.ID) })
	for _, id := range s.members {
		v.Self = id
		s.tell(s.nodes[id], v)
	}
}

func (s *scene) tell(n *node, v member.View) {
	late := time.Duration(s.rand.Int64N(int64(200 * time.Millisecond)))
	s.clients.Go(func() {
		<-time.After(late)
		s.mu.Lock()
		defer s.mu.Unlock()
		if v.Generation > n.seen && slices.Contains(s.members, n.id) {
			n.seen = v.Generation
			n.views.Set(v)
		}
	})
}

func (s *scene) expel(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.members, n.id) {
		s.regrouped("the group has %s no more", func() {
			s.members = slices.DeleteFunc(s.members, func(id string) bool { return id == n.id })
		}, n)
	}
}

// lapse: no heartbeat of the node is answered, it is expelled, and joins again.
func (s *scene) lapse(n *node, expelled, away time.Duration) {
	s.mu.Lock()
	n.lease = member.Lease{}.Anew(0)
	term := n.lease
	s.note("the lease of %s runs out", n.id)
	s.mu.Unlock()
	if expelled >= 0 {
		pass(expelled)
		s.expel(n)
	}
	pass(away)
	back := func() { n.lease = term.Anew(math.MaxInt64 - 1) }
	if expelled < 0 {
		s.mu.Lock()
		back()
		s.note("the lease of %s holds again", n.id)
		s.mu.Unlock()
		same, _ := n.views.View()
		n.views.Set(same) // as a membership does
		return
	}
	s.regroup("%s joins again", func() {
		s.members = append(s.members, n.id)
		back()
	}, n)
}

// kill ends a node without a word; after a session the group notices.
func (s *scene) kill(n *node, session time.Duration) {
	s.mu.Lock()
	n.dead = true
	s.note("%s is killed", n.id)
	for task, by := range s.runs {
		if by == n.id {
			delete(s.runs, task)
		}
	}
	s.mu.Unlock()
	pass(session)
	s.expel(n)
	s.clients.Go(n.end)
}

func (n *node) held() member.Lease {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	return n.lease
}

func (n *node) confirm(context.Context) error {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if n.dead || n.seen != n.s.generation || !slices.Contains(n.s.members, n.id) || n.s.members[0] != n.id {
		return member.ErrLost
	}
	return nil
}

// statuses of a killed node go nowhere.
type statuses struct {
	store.Statuses
	n *node
}

func (t statuses) Put(ctx context.Context, st store.Status) error {
	t.n.s.mu.Lock()
	dead := t.n.dead
	if st.Released {
		t.n.s.note("%s releases %s at %d", st.Member, taskName(st.Connector, st.Task), st.Epoch)
	}
	t.n.s.mu.Unlock()
	if dead {
		return nil
	}
	return t.Statuses.Put(ctx, st)
}

// lagging is a reader that comes late, but for the read barrier.
type lagging struct {
	store.Store
	n  *node
	mu sync.Mutex
	at *store.Snapshot
}

func (l *lagging) Snapshot(ctx context.Context) (*store.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at != nil {
		return l.at, nil
	}
	s, err := l.Store.Snapshot(ctx)
	l.at = s
	return s, err
}

func (l *lagging) Wait(ctx context.Context, after store.Revision) (store.Revision, error) {
	if _, err := l.Store.Wait(ctx, after); err != nil {
		return 0, err
	}
	late := time.Duration(0)
	if !l.n.s.prompt && l.n.s.upTo(3) == 0 {
		late = l.n.s.upTo(2 * delay)
	}
	select {
	case <-time.After(late):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := l.Sync(ctx); err != nil {
		return 0, err
	}
	s, err := l.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	return s.Revision, nil
}

// Submit of a killed node comes to nothing.
func (l *lagging) Submit(ctx context.Context, r store.Request) (store.Answer, error) {
	l.n.s.mu.Lock()
	dead := l.n.dead
	l.n.s.mu.Unlock()
	if dead {
		return store.Answer{}, errors.New("killed")
	}
	return l.Store.Submit(ctx, r)
}

func (l *lagging) Sync(ctx context.Context) error {
	s, err := l.Store.Snapshot(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.at = s
	}
	return err
}

func taskName(connector string, task int) string { return connector + "/" + strconv.Itoa(task) }

func (s *scene) compile(name string, m config.Map) (*graph.Instance, error) {
	n, _ := strconv.Atoi(m["tasks"])
	d := plugin.Descriptor{Name: "fake", Class: "fake", NewSource: func() plugin.Source { return source(n) }}
	return &graph.Instance{
		Name: name, Role: plugin.SourceRole, Plugin: d, Config: m, Settings: plugin.Config(m), TasksMax: n,
		Fingerprint: graph.Fingerprint(fmt.Sprint(m)),
	}, nil
}

// source makes so many tasks.
type source int

func (s source) Start(context.Context, plugin.Host, plugin.Config) error { return nil }
func (s source) Stop(context.Context) error                              { return nil }
func (s source) NewTask() plugin.SourceTask                              { return nil }
func (s source) Tasks(context.Context, int) ([]plugin.Config, error) {
	tasks := make([]plugin.Config, s)
	for i := range tasks {
		tasks[i] = plugin.Config{"part": strconv.Itoa(i)}
	}
	return tasks, nil
}

// runner is a task that only says that it runs, and takes its time to stop.
type runner struct {
	worker.Task
	n *node
}

func (n *node) newTask(t worker.Task) worker.Runner { return &runner{t, n} }

func (r *runner) Pause()  {}
func (r *runner) Resume() {}

func (r *runner) Run(ctx context.Context) error {
	s, name := r.n.s, taskName(r.Instance.Name, r.Number)
	if !r.Holds() {
		return task.ErrLease // as a task does before it calls its plugin
	}
	s.mu.Lock()
	dead := r.n.dead
	if !dead {
		if by, runs := s.runs[name]; runs {
			s.t.Errorf("%s starts %s while %s has not stopped it", r.n.id, name, by)
		}
		s.runs[name] = r.n.id
		s.starts[name]++
		s.note("%s starts %s", r.n.id, name)
	}
	s.mu.Unlock()
	r.Report(store.StateRunning, nil)
	<-ctx.Done()
	<-time.After(s.upTo(stopBudget))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs[name] == r.n.id && !r.n.dead {
		s.note("%s has stopped %s", r.n.id, name)
		delete(s.runs, name)
	}
	return nil
}

// ask asks for a change and does not wait for the answer.
func (s *scene) ask(what string, op store.Op) {
	s.mu.Lock()
	s.note("asked: %s", what)
	s.mu.Unlock()
	s.clients.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if _, err := s.store.Submit(ctx, store.Request{ID: store.NewID(), Ops: []store.Op{op}}); err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	})
}

func (s *scene) put(name string, tasks int) {
	s.ask(fmt.Sprintf("%s with %d tasks", name, tasks), store.Op{Put: &store.PutConnector{Name: name, Config: config.Map{"name": name, "tasks": strconv.Itoa(tasks)}}})
}

func (s *scene) plan() store.Plan {
	snapshot, err := s.store.Snapshot(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return snapshot.Plan
}

// settled holds what must be true when nothing has happened for long: everything that is wanted runs where the plan says,
// nothing else does, and the plan is balanced.
func (s *scene) settled() {
	s.t.Helper()
	snapshot, err := s.store.Snapshot(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want, placed, load := map[string]string{}, map[string]bool{}, map[bool]map[string]int{true: {}, false: {}}
	addresses := map[string]bool{}
	for _, id := range s.members {
		addresses[s.nodes[id].address] = true
	}
	if len(snapshot.Plan.Members) != len(addresses) { // of two with one address, one is given nothing
		s.t.Errorf("members of the plan: %v, with %d addresses", snapshot.Plan.Members, len(addresses))
	}
	for _, id := range snapshot.Plan.Members {
		load[true][id], load[false][id] = 0, 0
	}
	for _, p := range snapshot.Plan.Placements {
		name := taskName(p.Connector, p.Task)
		if p.Leaving || !slices.Contains(s.members, p.Member) {
			s.t.Errorf("still in the plan: %+v, with %v", p, s.members)
		}
		placed[name] = true
		load[p.Task == store.Instance][p.Member]++
		if p.Task != store.Instance {
			want[name] = p.Member
		}
	}
	for name, c := range snapshot.Connectors {
		for task := range len(c.Tasks) {
			if c.Target == config.Started && !placed[taskName(name, task)] {
				s.t.Errorf("%s has no place", taskName(name, task))
			}
		}
		if n, _ := strconv.Atoi(c.Config["tasks"]); c.Target == config.Started && n != len(c.Tasks) {
			s.t.Errorf("%s has %d tasks, want %d", name, len(c.Tasks), n)
		}
	}
	for _, by := range load {
		least, most := math.MaxInt, 0
		for _, n := range by {
			least, most = min(least, n), max(most, n)
		}
		if len(by) > 0 && most > least+1 {
			s.t.Errorf("not balanced: %v", by)
		}
	}
	for name, by := range want {
		if s.runs[name] != by {
			s.t.Errorf("%s runs at %q, want %s", name, s.runs[name], by)
		}
	}
	for name, by := range s.runs {
		if want[name] != by {
			s.t.Errorf("%s runs at %s, want %q", name, by, want[name])
		}
	}
	all, err := s.store.Statuses().All(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	shown := map[string]store.Status{}
	for _, st := range all {
		if _, stored := snapshot.Connectors[st.Connector]; !stored {
			s.t.Errorf("a status of what is no more: %+v", st)
		}
		shown[taskName(st.Connector, st.Task)] = st
	}
	for name, by := range s.runs {
		if st := shown[name]; st.State != store.StateRunning || st.Member != by {
			s.t.Errorf("%s runs at %s, and its status is %+v", name, by, st)
		}
	}
}

// close ends everybody.
func (s *scene) close() {
	s.clients.Wait()
	var leaving sync.WaitGroup
	for _, n := range s.nodes {
		if !n.dead {
			leaving.Go(n.end)
		}
	}
	leaving.Wait()
	s.clients.Wait()
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *scene) living() []*node {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*node
	for _, id := range s.members {
		if n := s.nodes[id]; !n.dead {
			all = append(all, n)
		}
	}
	return all
}

// happen lets one thing happen at random.
func (s *scene) happen() {
	living := s.living()
	pick := living[s.upTo(time.Duration(len(living)-1))]
	name := fmt.Sprint("c", int(s.upTo(3)))
	few := len(living) < 2
	switch what := s.upTo(13); {
	case what <= 1 && len(living) < 4:
		s.join(fmt.Sprint("address", int(s.upTo(5))))
	case what == 2 && !few:
		s.mu.Lock()
		s.note("%s is told to stop", pick.id)
		s.mu.Unlock()
		pick.end()
	case what == 3 && !few:
		s.kill(pick, s.upTo(3*time.Second))
	case what == 4 && !few:
		s.lapse(pick, s.upTo(time.Second), s.upTo(2*delay))
	case what == 5:
		s.lapse(pick, -1, s.upTo(2*time.Second))
	case what == 6:
		s.ask("delete "+name, store.Op{Delete: &store.DeleteConnector{Name: name}})
	case what == 7:
		s.ask("stop "+name, store.Op{Target: &store.SetTarget{Name: name, Target: config.Stopped}})
	case what == 8:
		s.ask("start "+name, store.Op{Target: &store.SetTarget{Name: name, Target: config.Started}})
	case what == 9:
		s.mu.Lock()
		s.note("all are told to stop")
		s.mu.Unlock()
		var leaving sync.WaitGroup
		for _, n := range living {
			leaving.Go(n.end)
		}
		leaving.Wait()
		s.join("address0")
		s.join("another")
	default:
		s.put(name, int(s.upTo(4)))
	}
}

// TestHistories plays random histories with the real leader and the real worker: nothing runs twice, and when all is quiet,
// everything runs where it should.
func TestHistories(t *testing.T) {
	t.Parallel()
	histories := 3000
	if testing.Short() {
		histories = 60
	}
	for seed := range uint64(histories) {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, seed)
				defer s.close()
				for n := range 1 + s.upTo(2) {
					s.join(fmt.Sprint("first", int(n)))
				}
				pass(time.Second)
				for range 4 + s.upTo(10) {
					s.happen()
					pass(s.upTo(s.upTo(3 * time.Second)))
				}
				pass(time.Minute)
				s.settled()
			})
		})
		if !ok {
			break
		}
	}
}
