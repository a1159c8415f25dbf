package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

func TestFailedTaskHeals(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.healing = graph.Healing{Attempts: 5, Delay: time.Millisecond, DelayMax: time.Hour}
	b.failing["a/0"] = 3
	b.put("a", "1")
	b.awaitState("a", 0, store.StateRunning)
	b.awaitLine("run a/0 1 (0 of 1)", 4)
	if n := b.count("start a 1"); n != 1 {
		t.Errorf("the connector started %d times; only its task had failed", n)
	}
}

func TestHealingIsVisibleAndEnds(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.healing = graph.Healing{Attempts: 3, Delay: 20 * time.Millisecond, DelayMax: 40 * time.Millisecond}
	// Each attempt ends at once, so none counts as healed.
	b.fail["a/0"] = errors.New("no such table")
	b.put("a", "1")
	b.await("a planned attempt in the status", func() bool {
		s := b.awaitState("a", 0, store.StateFailed)
		return s.Attempt == 1 && !s.Next.IsZero() && s.Trace == "no such table"
	})
	b.awaitLine("end a/0", 4)
	b.await("the last word", func() bool { return b.awaitState("a", 0, store.StateFailed).Next.IsZero() })
	b.put("other", "1")
	b.awaitLine("run other/0 1 (0 of 1)", 1)
	if n := b.count("run a/0 1 (0 of 1)"); n != 4 {
		t.Errorf("the task ran %d times, want 4: the first and three attempts", n)
	}
}

func TestHopelessFailuresWait(t *testing.T) {
	t.Parallel()
	for _, err := range []error{plugin.Permanent(errors.New("wrong for ever")), plugin.Invalid("table", "x", "no such table")} {
		b := start(t)
		b.healing = graph.Healing{Attempts: 3, Delay: time.Millisecond, DelayMax: time.Millisecond}
		b.fail["a/0"] = err
		b.put("a", "1")
		b.awaitState("a", 0, store.StateFailed)
		b.put("other", "1")
		b.awaitLine("run other/0 1 (0 of 1)", 1)
		if n := b.count("run a/0 1 (0 of 1)"); n != 1 {
			t.Errorf("%v: the task ran %d times, want once", err, n)
		}
	}
}

func TestFailedConnectorHeals(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.healing = graph.Healing{Attempts: 2, Delay: time.Millisecond, DelayMax: time.Hour}
	b.put("a", "fails")
	b.awaitLine("start a fails", 3)
	b.awaitState("a", store.Instance, store.StateFailed)
}

// TestWhatRanWellStartsCountingAnew holds the pure part: a unit that ran as long as the longest wait has its attempts back.
func TestWhatRanWellStartsCountingAnew(t *testing.T) {
	t.Parallel()
	w := New(Settings{Statuses: start(t).store.Statuses(), Logger: discard()})
	began := time.Now()
	u := &unit{err: errors.New("again"), heal: heal{
		policy: graph.Healing{Attempts: 3, Delay: time.Second, DelayMax: time.Minute}, attempt: 3, began: began, ended: began.Add(time.Minute),
	}}
	defer u.heal.forget()
	if w.heals(t.Context(), u) || u.heal.given || u.heal.attempt != 0 || !u.heal.next.Equal(began.Add(time.Minute+time.Second)) {
		t.Errorf("got attempt %d, given up %v, next %v; want a first attempt a second after the end", u.heal.attempt, u.heal.given, u.heal.next)
	}
}
