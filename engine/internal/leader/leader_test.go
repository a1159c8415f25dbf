package leader_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/leader"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a leader at work on a store in memory. Its tests run in a bubble of synctest.
type bench struct {
	t       *testing.T
	store   *store.Local
	journal *journal
	group   *group
	views   *member.Watch
	stop    func() // ends the leader and waits for it
	err     error  // what it returned
	claims  atomic.Int32
	told    atomic.Pointer[error]
}

// trouble is what the leader told last.
func (b *bench) trouble() error {
	if err := b.told.Load(); err != nil {
		return *err
	}
	return nil
}

// journal fails when told to.
type journal struct {
	err  atomic.Value
	most atomic.Int64 // placements that a plan may have; 0: as many as it likes
}

// failure is an error or none; what an atomic.Value holds must always be of one type.
type failure struct{ err error }

func (j *journal) fail(err error) { j.err.Store(failure{err}) }

func (j *journal) Commit(_ *store.Snapshot, c store.Commit) error {
	for name, conn := range c.Connectors {
		if conn != nil && len(conn.Config["large"]) > 100 {
			return &store.TooLargeError{Connector: name, Bytes: 1000, Limit: 100}
		}
	}
	if most := int(j.most.Load()); most > 0 && c.Plan != nil && len(c.Plan.Placements) > most {
		return &store.TooLargeError{Bytes: 1000, Limit: 100}
	}
	f, _ := j.err.Load().(failure)
	return f.err
}
func (j *journal) Offsets([]store.InstanceOffset) error { return nil }
func (j *journal) Close() error                         { return nil }

// group confirms that the member leads, but for the calls whose numbers it was given.
type group struct {
	mu    sync.Mutex
	calls int
	lost  func(call int) bool
}

func (g *group) confirm(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.lost != nil && g.lost(g.calls) {
		return member.ErrLost
	}
	return nil
}

func (g *group) loses(lost func(call int) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = lost
}

func start(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, journal: &journal{}, views: &member.Watch{}, group: &group{}}
	b.store = store.NewLocal(nil, nil, b.journal)
	b.run()
	return b
}

func (b *bench) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		b.err = leader.Run(ctx, leader.Settings{
			Store: counting{b.store, b}, Views: b.views, Logger: slog.New(slog.DiscardHandler),
			Confirm: b.group.confirm, Trouble: func(err error) { b.told.Store(&err) },
		})
	})
	b.stop = func() {
		cancel()
		wg.Wait()
	}
	b.t.Cleanup(b.stop)
}

// counting counts claims.
type counting struct {
	*store.Local
	b *bench
}

func (c counting) Claim(ctx context.Context) (store.Fence, error) {
	c.b.claims.Add(1)
	return c.Local.Claim(ctx)
}

func (b *bench) leads(members ...string) { b.views.Set(view("m", "m", members...)) }

func view(self, leads string, ids ...string) member.View {
	v := member.View{Self: self, Leader: leads, Generation: 1}
	for _, id := range ids {
		v.Members = append(v.Members, member.Member{ID: id})
	}
	return v
}

func (b *bench) submit(id string, ops ...store.Op) store.Answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	a, err := b.store.Submit(ctx, store.Request{ID: id, Ops: ops})
	if err != nil {
		b.t.Fatalf("submit %s: %v", id, err)
	}
	return a
}

func (b *bench) snapshot() *store.Snapshot {
	b.t.Helper()
	s, err := b.store.Snapshot(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// members says who has something by the plan.
func (b *bench) members() map[string]int {
	n := map[string]int{}
	for _, p := range b.snapshot().Plan.Placements {
		n[p.Member]++
	}
	return n
}

// pass lets time pass on the bubble's clock.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func create(name string) store.Op {
	return store.Op{Put: &store.PutConnector{Name: name, Config: config.Map{"name": name}, Create: true}}
}

func TestRequestsAreCarriedOutAndPlaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m")
		a := b.submit("1", create("a"))
		s := b.snapshot()
		want := store.Connector{Name: "a", Config: config.Map{"name": "a"}, Target: config.Started, Revision: a.Revision, Incarnation: a.Revision}
		equal(t, "connector", s.Connectors["a"], want)
		// The plan came in the same commit.
		equal(t, "revision", s.Revision, a.Revision)
		equal(t, "placements", s.Plan.Placements, []store.Placement{{Connector: "a", Task: store.Instance, Member: "m", Epoch: s.Plan.Epoch}})

		c := s.Connectors["a"]
		b.submit("2", store.Op{Tasks: &store.PutTasks{Name: "a", Incarnation: c.Incarnation, For: c.Revision, Tasks: make([]config.Map, 2)}})
		equal(t, "by member", b.members(), map[string]int{"m": 3})
		equal(t, "refusal", b.submit("3", create("a")).Refusal, store.Exists)
		b.submit("4", store.Op{Delete: &store.DeleteConnector{Name: "a"}})
		equal(t, "by member", b.members(), map[string]int{})
	})
}

func TestManyRequestsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m", "n")
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { b.submit(fmt.Sprint(i), create(fmt.Sprint("c", i))) })
		}
		wg.Wait()
		equal(t, "by member", b.members(), map[string]int{"m": 50, "n": 50})
	})
}

func TestAFollowerDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.views.Set(view("m", "n", "m", "n"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if a, err := b.store.Submit(ctx, store.Request{ID: "1", Ops: []store.Op{create("a")}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %+v, %v, want no answer", a, err)
		}
		equal(t, "claims", b.claims.Load(), 0)
		b.leads("m", "n") // and takes up what is there
		synctest.Wait()
		equal(t, "names", b.snapshot().Names(), []string{"a"})
	})
}

func TestANewViewIsPlannedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m")
		b.submit("1", create("a"), create("b"), create("c"), create("d"))
		b.leads("m", "n")
		synctest.Wait()
		equal(t, "two members", b.members(), map[string]int{"m": 2, "n": 2})
		b.leads("m")
		synctest.Wait()
		equal(t, "one again", b.members(), map[string]int{"m": 4})
		equal(t, "claims", b.claims.Load(), 1)
	})
}

func TestAPlanForMembersWhoAreGoneIsMadeAnewAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.views.Set(view("old", "old", "old"))
		b.submit("1", create("a"))
		epoch := b.snapshot().Plan.Epoch
		b.stop()
		if b.err != nil {
			t.Errorf("got %v, want no error", b.err)
		}
		b.leads("m")
		b.run()
		synctest.Wait()
		equal(t, "placements", b.snapshot().Plan, store.Plan{Epoch: epoch + 1, Members: []string{"m"}, Placements: []store.Placement{
			{Connector: "a", Task: store.Instance, Member: "m", Epoch: epoch + 1, Follows: "old"},
		}})
		b.stop()
		revision := b.snapshot().Revision
		b.run() // nothing has changed now
		synctest.Wait()
		equal(t, "revision", b.snapshot().Revision, revision)
	})
}

func TestAFencedLeaderThatStillLeadsClaimsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m")
		b.submit("1", create("a"))
		if _, err := b.store.Claim(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "answer", b.submit("2", create("b")).Refusal, store.Refusal(""))
		equal(t, "claims", b.claims.Load(), 2)
	})
}

func TestAFencedLeaderThatLeadsNoMoreDoesNotClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m", "n")
		b.submit("1", create("a"))
		// n leads and has claimed, but no view has said so yet.
		fence, err := b.store.Claim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.group.loses(func(int) bool { return true })
		var wg sync.WaitGroup
		wg.Go(func() { b.submit("2", create("b")) })
		pass(10 * time.Second)
		equal(t, "claims", b.claims.Load(), 1)
		if _, err := b.store.Commit(t.Context(), fence, store.Commit{Answers: []store.Answer{{ID: "2"}}}); err != nil {
			t.Errorf("commit of the new leader: %v", err)
		}
		wg.Wait()
		b.views.Set(view("m", "n", "m", "n"))
		synctest.Wait()
		b.group.loses(nil)
		b.leads("m")
		b.submit("3", create("c"))
		equal(t, "claims", b.claims.Load(), 2)
	})
}

func TestALeaderDeposedWhileItClaimsPublishesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.group.loses(func(call int) bool { return call == 2 })
		b.leads("m")
		synctest.Wait()
		equal(t, "revision", b.snapshot().Revision, 0)
		equal(t, "claims", b.claims.Load(), 1)
		b.leads("m", "n")
		synctest.Wait()
		equal(t, "members of the plan", b.snapshot().Plan.Members, []string{"m", "n"})
	})
}

func TestALeaderStopsAnsweringWhenAnotherLeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m", "n")
		b.submit("1", create("a"))
		b.views.Set(view("m", "n", "m", "n"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.store.Submit(ctx, store.Request{ID: "2"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want no answer", err)
		}
	})
}

func TestARecordThatIsTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		large := create("large")
		large.Put.Config["large"] = strings.Repeat("x", 101)
		var wg sync.WaitGroup
		wg.Go(func() {
			a := b.submit("1", create("beside"), large)
			if a.Refusal != store.TooLarge || !strings.Contains(a.Reason, "connector large") || !strings.Contains(a.Reason, "1000 bytes") {
				t.Errorf("got %+v, want a refusal that says how large the record is", a)
			}
		})
		wg.Go(func() { equal(t, "refusal of another", b.submit("2", create("a")).Refusal, store.Refusal("")) })
		synctest.Wait()
		b.leads("m") // sees both at once
		wg.Wait()
		equal(t, "names", b.snapshot().Names(), []string{"a"})
		equal(t, "claims", b.claims.Load(), 1)
	})
}

// TestARequestThatMakesThePlanTooLargeIsRefusedAlone among others of one round, one of which makes room.
func TestARequestThatMakesThePlanTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m")
		for _, name := range []string{"a", "b", "c"} {
			equal(t, name, b.submit(name, create(name)).Refusal, store.Refusal(""))
		}
		synctest.Wait()
		b.journal.most.Store(3) // an instance each, and no task as long as none is asked for
		b.views.Set(view("m", "n", "m", "n"))
		synctest.Wait()
		answers := map[string]store.Answer{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, q := range []struct {
			id string
			op store.Op
		}{
			{"1", create("d")}, {"2", store.Op{Target: &store.SetTarget{Name: "a", Target: config.Paused}}},
			{"3", create("e")}, {"4", store.Op{Delete: &store.DeleteConnector{Name: "b"}}}, {"5", create("f")},
		} {
			wg.Go(func() {
				a := b.submit(q.id, q.op)
				mu.Lock()
				defer mu.Unlock()
				answers[q.id] = a
			})
			synctest.Wait() // in this order
		}
		b.leads("m") // sees all at once, and the plan anew
		wg.Wait()
		want := map[string]store.Refusal{"1": store.TooLarge, "2": "", "3": store.TooLarge, "4": "", "5": ""}
		for id, refusal := range want {
			equal(t, "request "+id, answers[id].Refusal, refusal)
		}
		for _, say := range []string{"1000 bytes", "at most 100", "Start more workers", "max.message.bytes"} {
			if !strings.Contains(answers["1"].Reason, say) {
				t.Errorf("got %q, want it to say %q", answers["1"].Reason, say)
			}
		}
		equal(t, "names", b.snapshot().Names(), []string{"a", "c", "f"})
		equal(t, "placements", len(b.snapshot().Plan.Placements), 3)
	})
}

// TestTroubleIsTold while leading does not work, and that it is over.
func TestTroubleIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.journal.fail(syscall.ENOSPC)
		b.leads("m")
		pass(time.Second)
		if err := b.trouble(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want the reason", err)
		}
		b.journal.fail(nil)
		pass(10 * time.Second)
		if err := b.trouble(); err != nil {
			t.Errorf("got %v, want it to be over", err)
		}
	})
}

func TestADelayThatIsShorterThanAStopIsRefused(t *testing.T) {
	t.Parallel()
	s := store.NewLocal(nil, nil, &journal{})
	run := func(delay time.Duration) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return leader.Run(ctx, leader.Settings{
			Store: s, Views: &member.Watch{}, Logger: slog.New(slog.DiscardHandler),
			Statuses: s.Statuses(), Delay: delay, StopBudget: 5 * time.Second,
		})
	}
	if err := run(6*time.Second - 1); err == nil || !strings.Contains(err.Error(), "at least 6s") {
		t.Errorf("got %v, want a delay of at least 6s asked for", err)
	}
	if err := run(6 * time.Second); err != nil {
		t.Errorf("a delay of 6s: got %v", err)
	}
}

func TestAFullDiskIsToldAndRecoveredFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m")
		synctest.Wait()
		b.journal.fail(syscall.ENOSPC)
		began := time.Now()
		a := b.submit("1", create("a"))
		if a.Refusal != store.Unstored || a.Reason == "" {
			t.Errorf("got %+v, want it to be told as not stored", a)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("told after %v, want at once", d)
		}
		equal(t, "refused for its own reason", b.submit("2", store.Op{Delete: &store.DeleteConnector{Name: "n"}}).Refusal, store.NotFound)
		b.journal.fail(nil)
		equal(t, "with space", b.submit("3", create("a")).Refusal, store.Refusal(""))
		equal(t, "names", b.snapshot().Names(), []string{"a"})
	})
}

func TestBackOffGrowsAndStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.journal.fail(syscall.EIO) // the first plan cannot be stored
		b.leads("m")
		pass(6 * time.Second) // tries at 0, 0.1, 0.3, 0.7, 1.5, 3.1 s, the next at 6.3 s
		equal(t, "tries in six seconds", b.claims.Load(), 6)
		b.journal.fail(nil)
		pass(time.Second)
		equal(t, "epoch", b.snapshot().Plan.Epoch, 1)
		b.journal.fail(syscall.EIO)
		b.leads("m", "n")
		synctest.Wait()
		b.journal.fail(nil)
		pass(150 * time.Millisecond)
		equal(t, "epoch soon after", b.snapshot().Plan.Epoch, 2)
	})
}

func TestAClosedStoreEndsTheLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.leads("m")
		synctest.Wait()
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !errors.Is(b.err, store.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", b.err)
		}
	})
}

func TestALeaderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, when := range []string{"waiting to lead", "waiting for requests", "waiting to try again"} {
			b := start(t)
			switch when {
			case "waiting for requests":
				b.leads("m")
			case "waiting to try again":
				b.journal.fail(syscall.EIO)
				b.leads("m")
			}
			synctest.Wait()
			began := time.Now()
			b.stop()
			if b.err != nil || time.Since(began) != 0 {
				t.Errorf("%s: got %v after %v, want no error at once", when, b.err, time.Since(began))
			}
		}
	})
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, diff)
	}
}
