package diff_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diff"
)

// cluster is a cluster in memory.
type cluster struct {
	mu      sync.Mutex
	live    map[string]diff.Connector
	offsets map[string]string
	calls   []string
	refuse  map[string]error         // of calls
	status  map[string][]diff.Status // told one after the other, the last for ever
	entered func(call string)        // by each call
}

func newCluster(live map[string]diff.Connector) *cluster {
	if live == nil {
		live = map[string]diff.Connector{}
	}
	return &cluster{live: maps.Clone(live), offsets: map[string]string{}, refuse: map[string]error{}, status: map[string][]diff.Status{}}
}

func (c *cluster) call(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if c.entered != nil {
		c.entered(text)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, text)
	return c.refuse[text]
}

func (c *cluster) Status(_ context.Context, name string) (diff.Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if told := c.status[name]; len(told) > 0 {
		if len(told) > 1 {
			c.status[name] = told[1:]
		}
		return told[0], nil
	}
	l, ok := c.live[name]
	if !ok {
		return diff.Status{}, diff.ErrNoConnector
	}
	s := diff.Status{State: "RUNNING", Stored: true}
	switch l.Target {
	case config.Paused:
		s.State = "PAUSED"
	case config.Stopped:
		s.State = "STOPPED"
		return s, nil
	}
	return diff.Status{State: s.State, Stored: true, Tasks: []diff.TaskStatus{{State: s.State}}}, nil
}

func (c *cluster) Put(_ context.Context, w diff.Write) error {
	if err := c.call("put %s", w.Name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old, is := c.live[w.Name]
	if is && w.Create || !w.Create && w.Seen.Revision != old.Revision {
		return diff.ErrChanged
	}
	target := old.Target
	if w.Create {
		target = w.Target
	}
	c.live[w.Name] = diff.Connector{Config: w.Config, Type: kind(w.Config), Target: target, Tasks: 1, Running: 1, Owner: w.Owner, Revision: old.Revision + "+"}
	return nil
}

func (c *cluster) Delete(_ context.Context, name string, _ diff.Seen) error {
	if err := c.call("delete %s", name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, name)
	return nil
}

func (c *cluster) SetTarget(_ context.Context, name string, t config.Target) error {
	if err := c.call("%s %s", strings.ToLower(string(t)), name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.live[name]
	l.Target = t
	c.live[name] = l
	return nil
}

func (c *cluster) CopyOffsets(_ context.Context, from, to string) error {
	if err := c.call("copy %s %s", from, to); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offsets[to] = c.offsets[from]
	return nil
}

func how(t testing.TB) diff.How {
	c := choices(t)
	return diff.How{
		Project: "shop", Wait: time.Minute, Canary: true,
		Hidden: func(d *config.Declared) func(string) bool { return d.Hidden(c.Worker, c.Registry) },
	}
}

// TestAfterAnApplyThePlanIsEmpty is invariant 8.
func TestAfterAnApplyThePlanIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, live := shop(t)
		c := newCluster(live)
		c.offsets["old"] = "at 7"
		d := diff.Compare(p, live, choices(t))
		done := diff.Apply(t.Context(), t.Context(), d, c, how(t))
		if !done.Complete() {
			t.Errorf("not complete: %+v", done)
		}
		want := map[diff.Action]int{diff.Create: 1, diff.Update: 7, diff.Rename: 1, diff.Adopt: 1, diff.Release: 1, diff.Delete: 1}
		if diff := cmp.Diff(want, done.Carried); diff != "" {
			t.Errorf("carried out (-want +got):\n%s", diff)
		}
		again := diff.Compare(p, c.live, choices(t))
		if !again.Counts.Nothing() || len(again.Found) > 0 || len(again.Outside) > 0 {
			t.Errorf("there is something left: %+v %v %+v", again.Counts, again.Found, again.Outside)
		}
		if c.offsets["new"] != "at 7" {
			t.Error("the offsets did not go along with the rename")
		}
		if last := c.calls[len(c.calls)-1]; last != "delete legacy-sync" {
			t.Errorf("the last call was %q, want the deletion", last)
		}
		if c.live["free"].Owner != nil {
			t.Error("a released connector has its mark still")
		}
	})
}

func TestDeletionsWaitForEverythingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, live := shop(t)
		c := newCluster(live)
		c.refuse["put audit"] = errors.New("no")
		done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, live, choices(t)), c, how(t))
		if slices.Contains(c.calls, "delete legacy-sync") {
			t.Error("deleted although a creation failed")
		}
		if !slices.Contains(done.Failed, "audit") || !slices.Contains(done.Left, "legacy-sync") {
			t.Errorf("got %+v, want audit to have failed and legacy-sync to be left", done)
		}
	})
}

func TestACanaryIsTriedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, live := shop(t)
		p.Moved, p.Removed = nil, nil
		p.Pipelines = p.Pipelines[5:]
		for name := range live {
			if !strings.HasPrefix(name, "cdc-") {
				delete(live, name)
			}
		}
		c := newCluster(live)
		c.status["cdc-0"] = []diff.Status{{State: "RUNNING", Stored: true}, {State: "RUNNING", Stored: true, Tasks: []diff.TaskStatus{{ID: 1, State: "FAILED", Trace: "boom"}}}}
		var events []diff.Event
		h := how(t)
		h.Report = func(e diff.Event) { events = append(events, e) }
		done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, live, choices(t)), c, h)
		if len(done.Failed) != 1 || len(done.Left) != 5 || len(c.calls) != 1 {
			t.Errorf("got %+v after %v, want one to have failed and the others to be left", done, c.calls)
		}
		if !slices.ContainsFunc(events, func(e diff.Event) bool { return e.Trace == "boom" }) {
			t.Errorf("nothing was told of the cause: %+v", events)
		}
	})
}

// TestAFailureOfBeforeIsNoNews: the worker may still tell what the connector failed of before it was mended.
func TestAFailureOfBeforeIsNoNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := sourceMap("a")
		live := map[string]diff.Connector{"a": ours(t, a, 1)}
		p := diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(with(a, "topic", "b"), 1)}}
		failed := diff.Status{State: "RUNNING", Stored: true, Tasks: []diff.TaskStatus{{State: "FAILED", Trace: "old"}}}
		stale := failed
		stale.Stored = false
		running := diff.Status{State: "RUNNING", Stored: true, Tasks: []diff.TaskStatus{{State: "RUNNING"}}}
		c := newCluster(live)
		c.status["a"] = []diff.Status{failed, stale, failed, failed, running}
		if done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, live, choices(t)), c, how(t)); !done.Complete() {
			t.Errorf("got %+v, want it to be complete", done)
		}
		c = newCluster(live)
		c.status["a"] = []diff.Status{failed}
		if done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, live, choices(t)), c, how(t)); done.Complete() {
			t.Error("a failure that stays was taken for an old one")
		}
	})
}

func TestARenameThatFailsIsUndone(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"stopped old", "put new", "copy old new", "delete old"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := sourceMap("old")
				live := map[string]diff.Connector{"old": ours(t, a, 1)}
				p := diff.Project{
					ID: "shop", Pipelines: []*config.Declared{declared(with(a, "name", "new"), 1)},
					Moved: []config.Moved{{From: "old", To: "new"}},
				}
				c := newCluster(live)
				c.refuse[call] = errors.New("no")
				done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, live, choices(t)), c, how(t))
				if done.Complete() || c.live["old"].Target != config.Started {
					t.Errorf("got %+v with %+v, want the old one to run", done, c.live)
				}
				if _, is := c.live["new"]; is {
					t.Error("the new one was left behind")
				}
			})
		})
	}
}

func TestWhatWaitsTooLongIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := sourceMap("a")
		p := diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}
		c := newCluster(nil)
		c.status["a"] = []diff.Status{{State: "UNASSIGNED", Stored: true}}
		var last diff.Event
		h := how(t)
		h.Report = func(e diff.Event) { last = e }
		done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, nil, choices(t)), c, h)
		if _, ok := errors.AsType[*diff.WaitedError](last.Err); !ok || done.Complete() {
			t.Errorf("got %+v, %+v, want it to have waited too long", done, last)
		}
	})
}

// TestASettledConnectorHasRunForAWhile: Kafka Connect does not say of which configuration a status is.
func TestASettledConnectorHasRunForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(sourceMap("a"), 1)}}
		h := how(t)
		h.Settle = 5 * time.Second
		begun := time.Now()
		done := diff.Apply(t.Context(), t.Context(), diff.Compare(p, nil, choices(t)), newCluster(nil), h)
		if took := time.Since(begun); !done.Complete() || took < h.Settle {
			t.Errorf("got %+v after %s, want it to take %s", done, took, h.Settle)
		}
	})
}

// TestTheFirstInterruptFinishesWhatIsUnderWay and begins nothing else.
func TestTheFirstInterruptFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	p, live := shop(t)
	c := newCluster(live)
	soft, interrupt := context.WithCancel(t.Context())
	c.entered = func(string) { interrupt() }
	h := how(t)
	h.Parallel = 1
	done := diff.Apply(t.Context(), soft, diff.Compare(p, live, choices(t)), c, h)
	if len(c.calls) != 1 || len(done.Failed) != 0 || done.Carried[diff.Update]+done.Carried[diff.Create] != 1 {
		t.Errorf("got %+v after %v, want one to be finished", done, c.calls)
	}
}

func TestAConflictIsToldAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	a := sourceMap("a")
	live := map[string]diff.Connector{"a": ours(t, a, 1)}
	p := diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(with(a, "topic", "b"), 1)}}
	d := diff.Compare(p, live, choices(t))
	c := newCluster(live)
	moved := live["a"]
	moved.Revision = "8"
	c.live["a"] = moved
	var last diff.Event
	h := how(t)
	h.Report = func(e diff.Event) { last = e }
	if done := diff.Apply(t.Context(), t.Context(), d, c, h); done.Complete() || !errors.Is(last.Err, diff.ErrChanged) {
		t.Errorf("got %+v, %v, want %v", done, last.Err, diff.ErrChanged)
	}
	if c.live["a"].Config["topic"] != "a" {
		t.Error("the change of somebody else was overwritten")
	}
}

// TestAwaitCarriesOutAtOnceAndWaits: nothing is written one by one; what does not come to run is told, and what was broken
// before is not taken for news.
func TestAwaitCarriesOutAtOnceAndWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := sourceMap("a"), sourceMap("b")
		live := map[string]diff.Connector{"a": ours(t, a, 1), "gone": ours(t, sourceMap("gone"), 1)}
		p := diff.Project{ID: "shop", Owns: func(string) bool { return true }, Pipelines: []*config.Declared{declared(with(a, "topic", "other"), 1), declared(b, 9)}}
		d := diff.Compare(p, live, choices(t))
		c := newCluster(live)
		broken := diff.Status{State: "FAILED", Trace: "old", Stored: true}
		c.status["a"] = []diff.Status{broken, broken, {State: "RUNNING", Stored: true, Tasks: []diff.TaskStatus{{State: "RUNNING"}}}}
		carried := 0
		carry := func(context.Context) error {
			carried++
			c.live["b"] = diff.Connector{Config: b, Target: config.Started}
			return nil
		}
		done, err := diff.Await(t.Context(), t.Context(), d, c, how(t), carry)
		if err != nil || carried != 1 || len(c.calls) != 0 || !done.Complete() || done.Carried[diff.Update] != 1 || done.Carried[diff.Create] != 1 || done.Carried[diff.Delete] != 1 {
			t.Errorf("got %+v, %v, %d and %v", done, err, carried, c.calls)
		}
		no := errors.New("no")
		if _, err := diff.Await(t.Context(), t.Context(), d, c, how(t), func(context.Context) error { return no }); !errors.Is(err, no) {
			t.Errorf("got %v, want that nothing was carried out", err)
		}
		c.status["a"] = []diff.Status{{State: "UNASSIGNED", Stored: true}}
		if done, err := diff.Await(t.Context(), t.Context(), d, c, how(t), carry); err != nil || !slices.Equal(done.Failed, []string{"a"}) {
			t.Errorf("got %+v, %v, want a to have waited too long", done, err)
		}
	})
}
