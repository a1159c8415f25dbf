package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// membership is a lease that a test takes away and gives back.
type membership struct {
	views member.Watch
	mu    sync.Mutex
	lease member.Lease
}

func newMembership() *membership {
	return &membership{lease: member.LeaseUntil(math.MaxInt64 - 1)}
}

func (m *membership) held() member.Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lease
}

// lapses ends the lease; nobody is told, as in life.
func (m *membership) lapses() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lease = m.lease.Anew(0)
}

func (m *membership) returns() {
	m.mu.Lock()
	m.lease = m.lease.Anew(math.MaxInt64 - 1)
	m.mu.Unlock()
	m.views.Set(member.View{Self: me})
}

// with makes a worker one of several.
func (m *membership) with(s *Settings) { s.Lease, s.Views = m.held, &m.views }

// TestALeaseThatHoldsAgainIsSeenAtOnce: not at the next look at a clock.
func TestALeaseThatHoldsAgainIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMembership()
		b := start(t, m.with, func(s *Settings) { s.SecretsEvery = time.Hour })
		defer b.stop()
		b.put("a", "1")
		synctest.Wait()
		b.awaitLine("run a/0 1 (0 of 1)", 1)
		m.lapses()
		<-time.After(leaseEvery)
		synctest.Wait()
		if b.count("end a/0") != 1 || b.count("stop a") != 1 {
			t.Fatalf("a second after the lease has run out: %q", b.lines())
		}
		<-time.After(10 * time.Minute)
		began := time.Now()
		m.returns()
		synctest.Wait()
		if b.count("run a/0 1 (0 of 1)") != 2 || !time.Now().Equal(began) {
			t.Errorf("the lease holds again: %q", b.lines())
		}
	})
}

// TestALapseWhileTheLogIsRead begins to read anew, and no term is taken for another.
func TestALapseWhileTheLogIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, slow := newMembership(), &slowSync{reading: make(chan struct{}, 8), end: make(chan struct{})}
		b := start(t, m.with, func(s *Settings) { slow.Configs, s.Configs = s.Configs, slow; s.SecretsEvery = time.Hour })
		defer b.stop()
		b.put("a", "1")
		<-slow.reading
		m.lapses()
		m.returns()
		slow.end <- struct{}{}
		<-slow.reading // of the first term nothing is true any more
		synctest.Wait()
		if n := len(b.lines()); n != 0 {
			t.Errorf("something runs before the log was read in this term of the lease: %q", b.lines())
		}
		slow.end <- struct{}{}
		synctest.Wait()
		if b.count("run a/0 1 (0 of 1)") != 1 {
			t.Errorf("the log was read, and nothing runs: %q", b.lines())
		}
	})
}

// slowSync is a store that is read to its end when a test says so.
type slowSync struct {
	store.Configs
	reading, end chan struct{}
}

func (s *slowSync) Sync(ctx context.Context) error {
	s.reading <- struct{}{}
	select {
	case <-s.end:
		return s.Configs.Sync(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// brokers are statuses that cannot be written while they are away, or fail.
type brokers struct {
	store.Statuses
	mu   sync.Mutex
	away chan struct{} // closed when they are back; nil: they are here
	err  error
	puts int
}

func (k *brokers) Put(ctx context.Context, s store.Status) error {
	k.mu.Lock()
	away, err := k.away, k.err
	k.puts++
	k.mu.Unlock()
	if away != nil {
		select {
		case <-away:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	return k.Statuses.Put(ctx, s)
}

func (k *brokers) set(away chan struct{}, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away, k.err = away, err
}

func (k *brokers) with(s *Settings) { k.Statuses, s.Statuses = s.Statuses, k }

// TestNobodyWaitsForTheBrokersToSayHowItIs: neither the task, which may have to stop meanwhile, nor the worker; and what was said last
// is written when they are back.
func TestNobodyWaitsForTheBrokersToSayHowItIs(t *testing.T) {
	t.Parallel()
	k := &brokers{away: make(chan struct{})}
	b := start(t, k.with, newMembership().with)
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.put("a", "2")
	b.awaitLine("end a/0", 1)
	b.awaitLine("run a/0 2 (0 of 1)", 1)
	b.write("a", func(c *store.Connector) { c.TaskRestart = map[int]int{0: 1} })
	b.awaitLine("run a/0 2 (0 of 1)", 2)
	close(k.away)
	b.awaitState("a", 0, store.StateRunning)
	b.awaitState("a", store.Instance, store.StateRunning)
}

// TestAWorkerEndsWithoutTheBrokers: what could not be said does not keep it.
func TestAWorkerEndsWithoutTheBrokers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &brokers{away: make(chan struct{})}
		b := start(t, k.with, newMembership().with, func(s *Settings) { s.SecretsEvery = time.Hour })
		b.put("a", "1")
		<-time.After(2 * time.Second)
		synctest.Wait()
		began := time.Now()
		b.stop()
		if took := time.Since(began); took > leaveWithin || b.count("end a/0") != 1 {
			t.Errorf("ended after %s, with %q", took, b.lines())
		}
	})
}

// TestADeadStoreIsToldOnce, whatever the number of tasks, and once that it is back.
func TestADeadStoreIsToldOnce(t *testing.T) {
	t.Parallel()
	k := &brokers{err: errors.New("the topic was deleted")}
	log := &lines{}
	b := start(t, k.with, newMembership().with, func(s *Settings) { s.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	for i := range 20 {
		b.put(fmt.Sprint("c", i), "1")
	}
	for i := range 20 {
		b.awaitLine(fmt.Sprintf("run c%d/0 1 (0 of 1)", i), 1)
	}
	b.await("forty words that were lost", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.puts >= 40 })
	b.await("a line about it", func() bool { return log.count("the topic was deleted") > 0 })
	if n := log.count("the topic was deleted"); n != 1 {
		t.Errorf("it was told %d times, want once:\n%s", n, log)
	}
	k.set(nil, nil)
	b.write("c0", func(c *store.Connector) { c.TaskRestart = map[int]int{0: 1} })
	b.awaitState("c0", 0, store.StateRunning)
	b.await("a line about its end", func() bool { return log.count("stored again") == 1 })
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(text string) int { return strings.Count(l.String(), text) }

// TestAReleaseIsWrittenOnceTheStoreTakesIt: others wait for it.
func TestAReleaseIsWrittenOnceTheStoreTakesIt(t *testing.T) {
	t.Parallel()
	k := &brokers{}
	b := start(t, k.with, newMembership().with)
	b.put("a", "1")
	b.awaitState("a", 0, store.StateRunning)
	k.set(nil, errors.New("not now"))
	b.handOver("a")
	b.awaitLine("end a/0", 1)
	b.awaitLine("stop a", 1)
	k.mu.Lock()
	before := k.puts
	k.mu.Unlock()
	b.await("another attempt", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.puts > before+1 })
	k.set(nil, nil)
	b.awaitRelease("a", 0)
	b.awaitRelease("a", store.Instance)
}

// handOver gives what a connector has here to somebody else.
func (b *bench) handOver(name string) {
	b.t.Helper()
	b.plan(func(p *store.Plan) {
		p.Members = []string{me, "other"}
		for i := range p.Placements {
			if pl := &p.Placements[i]; pl.Connector == name {
				pl.Member, pl.Follows, pl.Epoch = "other", me, p.Epoch
			}
		}
	})
}

func (b *bench) awaitRelease(name string, task int) {
	b.t.Helper()
	s, err := b.store.Snapshot(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.await(fmt.Sprintf("the release of %s %d", name, task), func() bool {
		all, err := b.store.Statuses().All(b.t.Context())
		for _, st := range all {
			if st.Connector == name && st.Task == task && st.Member == me && st.Released && st.Epoch == s.Plan.Epoch {
				return true
			}
		}
		return err != nil
	})
}

// TestAHangingStopIsReleased: neither a connector nor a task that does not come back keeps others waiting for ever.
func TestAHangingStopIsReleased(t *testing.T) {
	t.Parallel()
	b := start(t, newMembership().with, func(s *Settings) { s.StopBudget = 50 * time.Millisecond })
	hangs := make(chan struct{})
	defer close(hangs)
	b.stops["a"] = hangs
	b.put("a", "1")
	b.awaitState("a", store.Instance, store.StateRunning)
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.handOver("a")
	b.awaitLine("stop a", 1)
	b.awaitRelease("a", store.Instance)
	b.awaitRelease("a", 0)
}

// TestWhoLeavesSaysSoWhenNothingRuns, in one word for all.
func TestWhoLeavesSaysSoWhenNothingRuns(t *testing.T) {
	t.Parallel()
	b := start(t, newMembership().with)
	b.put("a", "1")
	b.awaitState("a", 0, store.StateRunning)
	b.stop()
	lines := b.lines()
	if got := lines[len(lines)-1]; got != "part "+me || b.count("end a/0") != 1 || b.count("stop a") != 1 {
		t.Errorf("got %q, want the end of everything and then %q", lines, "part "+me)
	}
	if s := b.awaitState("a", 0, store.StateUnassigned); s.Released {
		t.Errorf("got %+v; what it says of its member needs no release of each task", s)
	}
}

// TestWhoNeverWasAMemberSaysNothing: the group has refused it, and the topics may be those of another.
func TestWhoNeverWasAMemberSaysNothing(t *testing.T) {
	t.Parallel()
	none := newMembership()
	none.lease = member.Lease{}
	b := start(t, none.with)
	b.stop()
	if got := b.lines(); len(got) > 0 {
		t.Errorf("got %q, want nothing", got)
	}
}
