package member_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/internal/member"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAloneLeadsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := member.NewAlone(member.Member{Address: "localhost:8083"})
		var watch member.Watch
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx, watch.Set) }()
		synctest.Wait()
		view, _ := watch.View()
		want := member.View{
			Self: member.AloneID, Leader: member.AloneID, Generation: 1,
			Members: []member.Member{{ID: member.AloneID, Address: "localhost:8083"}},
		}
		if diff := cmp.Diff(want, view); diff != "" || !view.Leads() {
			t.Errorf("got (+), want (-):\n%s", diff)
		}
		select {
		case err := <-ended:
			t.Errorf("ended by itself: %v", err)
		case <-time.After(time.Hour): // of the bubble's clock
		}
		if err := a.Confirm(ctx); err != nil {
			t.Errorf("confirm: got %v, want no error", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got %v, want no error", err)
		}
	})
}

func TestAloneKeepsAGivenIdentity(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got member.View
	if err := member.NewAlone(member.Member{ID: "mine"}).Run(ctx, func(v member.View) { got = v }); err != nil {
		t.Fatal(err)
	}
	if got.Self != "mine" || got.Leader != "mine" {
		t.Errorf("got %+v, want mine to lead", got)
	}
}

func TestViewLeads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		view member.View
		want bool
	}{
		{member.View{}, false},
		{member.View{Self: "a"}, false},
		{member.View{Self: "a", Leader: "b"}, false},
		{member.View{Self: "a", Leader: "a"}, true},
	} {
		if got := c.view.Leads(); got != c.want {
			t.Errorf("%+v leads: got %t, want %t", c.view, got, c.want)
		}
	}
}

func TestMemberRunsWhatItHasThePluginsOf(t *testing.T) {
	t.Parallel()
	m := member.Member{Plugins: map[string]string{"file": "1.0", "json": "2.0"}}
	for _, c := range []struct {
		name  string
		needs map[string]string
		want  bool
	}{
		{"nothing", nil, true},
		{"any version", map[string]string{"file": "", "json": ""}, true},
		{"its version", map[string]string{"file": "1.0"}, true},
		{"another version", map[string]string{"file": "1.1"}, false},
		{"one too many", map[string]string{"file": "", "jdbc": ""}, false},
	} {
		if got := m.Runs(c.needs); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
	if !(member.Member{}).Runs(map[string]string{"file": "9"}) {
		t.Error("a member that announces nothing does not run everything")
	}
}

func TestWatchWaitsForANewerView(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w member.Watch
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				v, n, err := w.Wait(t.Context(), 0)
				if err != nil || v.Generation != 1 || n != 1 {
					t.Errorf("got view %+v number %d, %v, want the first", v, n, err)
				}
			})
		}
		synctest.Wait()
		w.Set(member.View{Generation: 1})
		wg.Wait()
		w.Set(member.View{Generation: 2})
		w.Set(member.View{Generation: 3})
		if v, n, err := w.Wait(t.Context(), 1); err != nil || v.Generation != 3 || n != 3 {
			t.Errorf("got view %+v number %d, %v, want the newest", v, n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, n, err := w.Wait(ctx, 3); !errors.Is(err, context.DeadlineExceeded) || n != 3 {
			t.Errorf("got number %d, %v, want the context's error", n, err)
		}
	})
}

func TestLease(t *testing.T) {
	t.Parallel()
	now := member.Now()
	l := member.LeaseUntil(now.Add(10 * time.Second))
	if !l.Holds(now) || !l.Holds(now.Add(10*time.Second-1)) || l.Holds(now.Add(10*time.Second)) {
		t.Error("a lease of ten seconds does not hold for exactly that")
	}
	if got := l.Left(now.Add(3 * time.Second)); got != 7*time.Second {
		t.Errorf("left: got %v, want 7s", got)
	}
	if got := l.Left(now.Add(time.Minute)); got != 0 {
		t.Errorf("left of one that ran out: got %v, want 0", got)
	}
	if at, ok := l.Until(); !ok || at != now.Add(10*time.Second) {
		t.Errorf("until: got %v, %t", at, ok)
	}
	if r := l.Renewed(now.Add(9*time.Second), now.Add(19*time.Second)); r.Term() != l.Term() || !r.Holds(now.Add(18*time.Second)) {
		t.Errorf("renewed in time: got term %d, want %d", r.Term(), l.Term())
	}
	if r := l.Renewed(now.Add(10*time.Second), now.Add(20*time.Second)); r.Term() == l.Term() || !r.Holds(now.Add(18*time.Second)) {
		t.Error("renewed too late: it is of the same term")
	}
	if l.Anew(now.Add(time.Minute)).Term() == l.Term() {
		t.Error("after an expulsion it is of the same term")
	}
	if (member.Lease{}).Holds(now) {
		t.Error("the zero lease holds")
	}
	forever := member.NewAlone(member.Member{}).Lease()
	if _, ok := forever.Until(); ok || !forever.Holds(math.MaxInt64-1) {
		t.Error("alone, the lease runs out")
	}
}

func TestNowGoesOn(t *testing.T) {
	t.Parallel()
	a := member.Now()
	<-time.After(2 * time.Millisecond)
	if d := time.Duration(member.Now() - a); d < 2*time.Millisecond || d > time.Minute {
		t.Errorf("two milliseconds took %v", d)
	}
}
