// Package storetest is the suite that every store passes: [Run] for all, [Durable] for those that outlive a process, and
// [Write] with [Acknowledged] for a store whose process is killed.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// Run tests that stores keep the contract. open makes an empty one; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, s store.Store){
		"StartsEmpty":                       startsEmpty,
		"CommitIsReadAtOnce":                commitIsReadAtOnce,
		"RevisionsAreTheCommits":            revisionsAreTheCommits,
		"SnapshotsNeverChange":              snapshotsNeverChange,
		"MarksAreKept":                      marksAreKept,
		"HoldsAreKept":                      holdsAreKept,
		"DeleteTakesAway":                   deleteTakesAway,
		"PlanIsReplaced":                    planIsReplaced,
		"ClaimFencesTheFormerLeader":        claimFences,
		"WaitReturnsThePresent":             waitReturnsThePresent,
		"WaitSleepsUntilACommit":            waitSleeps,
		"WaitEndsWithItsContext":            waitEnds,
		"SubmitGetsItsAnswer":               submitGetsItsAnswer,
		"SubmitEndsWithItsContext":          submitEnds,
		"RequestsComeInOrderUntilAnswered":  requestsInOrder,
		"RefusalsChangeNothing":             refusalsChangeNothing,
		"OffsetsAreReadBack":                offsetsAreReadBack,
		"OffsetsOfInstancesAreApart":        offsetsAreApart,
		"OffsetsAreTakenAway":               offsetsAreTakenAway,
		"OffsetsBelongToTheStore":           offsetsBelongToTheStore,
		"OffsetsFromManyTasks":              offsetsFromManyTasks,
		"StatusOfANewerEpochWins":           statusEpoch,
		"StatusesAreWaitedFor":              statusWait,
		"ReleasesAreRead":                   statusRelease,
		"SyncReadsWhatWasCommitted":         syncReads,
		"StatusesAreInOrder":                statusOrder,
		"StatusesAreForgotten":              statusForget,
		"CloseEndsEverything":               closeEnds,
		"EndedContextsDoNothing":            endedContexts,
		"EveryRevisionIsSeenOrSkippedWhole": wholeRevisions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() { noError(t, s.Close()) })
			test(t, s)
		})
	}
}

func startsEmpty(t *testing.T, s store.Store) {
	snap := snapshot(t, s)
	equal(t, "connectors", len(snap.Connectors), 0)
	equal(t, "plan", snap.Plan, store.Plan{})
	statuses, err := s.Statuses().All(t.Context())
	noError(t, err)
	equal(t, "statuses", len(statuses), 0)
}

func commitIsReadAtOnce(t *testing.T, s store.Store) {
	l := claim(t, s)
	r := l.commit(store.Commit{Connectors: map[string]*store.Connector{"a": connector("a"), "b": connector("b")}})
	snap := snapshot(t, s)
	if snap.Revision < r {
		t.Errorf("the snapshot has revision %d after a commit at %d", snap.Revision, r)
	}
	equal(t, "names", snap.Names(), []string{"a", "b"})
	want := *connector("a")
	want.Revision, want.Incarnation = r, r
	equal(t, "a", snap.Connectors["a"], want)
}

func revisionsAreTheCommits(t *testing.T, s store.Store) {
	l := claim(t, s)
	first := l.commit(put(connector("a")))

	changed := snapshot(t, s).Connectors["a"]
	changed.Config = config.Map{"name": "a", "x": "2"}
	changed.Revision = 0
	second := l.commit(put(&changed))
	if second <= first {
		t.Fatalf("revision %d after %d", second, first)
	}
	got := snapshot(t, s).Connectors["a"]
	equal(t, "revision", got.Revision, second)
	equal(t, "incarnation", got.Incarnation, first)

	paused := got
	paused.Target = config.Paused
	l.commit(put(&paused))
	got = snapshot(t, s).Connectors["a"]
	equal(t, "revision of a configuration that did not change", got.Revision, second)

	tasks := got
	tasks.Tasks, tasks.TasksFor = []config.Map{{"task": "0"}}, second
	l.commit(put(&tasks))
	equal(t, "tasks", snapshot(t, s).Connectors["a"], tasks)
}

// marksAreKept: a mark has a revision of its own, which leaves tasks alone, and stays until the configuration is written
// without one.
func marksAreKept(t *testing.T, s store.Store) {
	l := claim(t, s)
	first := *connector("a")
	first.Mark = store.Mark{Project: "shöp <1>", Source: "a.hcl:1:1", Digest: "x y"}
	first.Tasks = []config.Map{{"task": "0"}}
	r := l.commit(put(&first))
	got := snapshot(t, s).Connectors["a"]
	equal(t, "mark", got.Mark, first.Mark)
	equal(t, "written", got.Written(), r)

	marked := got
	marked.Mark, marked.Marked = store.Mark{Project: "other"}, store.ThisCommit
	second := l.commit(put(&marked))
	got = snapshot(t, s).Connectors["a"]
	equal(t, "written after a mark", got.Written(), second)
	marked.Marked = second
	equal(t, "all but the mark", got, marked)

	paused := got
	paused.Target = config.Paused
	l.commit(put(&paused))
	equal(t, "after another write", snapshot(t, s).Connectors["a"], paused)

	plain := paused
	plain.Config, plain.Revision, plain.Mark, plain.Marked = config.Map{"name": "a", "x": "2"}, 0, store.Mark{}, 0
	third := l.commit(put(&plain))
	got = snapshot(t, s).Connectors["a"]
	equal(t, "mark of a write without", got.Mark, store.Mark{})
	equal(t, "written without a mark", got.Written(), third)
}

func holdsAreKept(t *testing.T, s store.Store) {
	l := claim(t, s)
	l.commit(put(connector("a")))
	held := snapshot(t, s).Connectors["a"]
	held.Hold = store.Hold{By: "x", Until: time.Date(2100, 1, 2, 3, 4, 5, 6e6, time.UTC)}
	l.commit(put(&held))
	equal(t, "held", snapshot(t, s).Connectors["a"], held)
	free := held
	free.Hold = store.Hold{}
	l.commit(put(&free))
	equal(t, "let go", snapshot(t, s).Connectors["a"], free)
}

func snapshotsNeverChange(t *testing.T, s store.Store) {
	l := claim(t, s)
	l.commit(put(connector("a")))
	before := snapshot(t, s)
	l.commit(store.Commit{
		Connectors: map[string]*store.Connector{"a": nil, "b": connector("b")},
		Plan:       &store.Plan{Epoch: 1, Members: []string{"m"}},
	})
	equal(t, "names of the older snapshot", before.Names(), []string{"a"})
	equal(t, "plan of the older snapshot", before.Plan, store.Plan{})
}

func deleteTakesAway(t *testing.T, s store.Store) {
	l := claim(t, s)
	first := l.commit(put(connector("a")))
	noError(t, s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: []byte(`{"f":"1"}`), Value: []byte(`{"p":1}`)}}))
	l.commit(store.Commit{Connectors: map[string]*store.Connector{"a": nil}})
	equal(t, "names", len(snapshot(t, s).Names()), 0)
	list, err := s.Offsets().List(t.Context(), "a")
	noError(t, err)
	equal(t, "offsets that stay", len(list), 1)

	r := l.commit(put(connector("a")))
	if got := snapshot(t, s).Connectors["a"].Incarnation; got != r || got == first {
		t.Errorf("incarnation %d after delete and create at %d, first created at %d", got, r, first)
	}
}

func planIsReplaced(t *testing.T, s store.Store) {
	l := claim(t, s)
	plan := store.Plan{Epoch: 1, Members: []string{"m"}, Placements: []store.Placement{
		{Connector: "a", Task: store.Instance, Member: "m", Epoch: 1},
		{Connector: "a", Task: 0, Member: "m", Epoch: 1},
	}}
	l.commit(store.Commit{Plan: &plan})
	equal(t, "plan", snapshot(t, s).Plan, plan)
	l.commit(put(connector("a")))
	equal(t, "plan after a commit without one", snapshot(t, s).Plan, plan)
	next := store.Plan{
		Epoch: 2, Members: []string{"m", "n"}, Addresses: map[string]string{"m": "http://m:8083", "gone": "http://gone:8083"},
		Placements: []store.Placement{
			{Connector: "a", Task: store.Instance, Member: "n", Epoch: 2, Follows: "m"},
			{Connector: "a", Task: 0, Member: "m", Epoch: 2, Leaving: true},
			{Connector: "a", Task: 1, Member: "gone", Epoch: 1},
		},
	}
	l.commit(store.Commit{Plan: &next})
	equal(t, "next plan", snapshot(t, s).Plan, next)
}

func claimFences(t *testing.T, s store.Store) {
	former := claim(t, s)
	l := claim(t, s)
	if _, err := s.Commit(t.Context(), former.fence, put(connector("late"))); !errors.Is(err, store.ErrFenced) {
		t.Errorf("commit of a former leader: got %v, want ErrFenced", err)
	}
	equal(t, "names", len(snapshot(t, s).Names()), 0)
	l.commit(put(connector("a")))
	equal(t, "names", snapshot(t, s).Names(), []string{"a"})
}

func waitReturnsThePresent(t *testing.T, s store.Store) {
	r := claim(t, s).commit(put(connector("a")))
	got, err := s.Wait(t.Context(), r-1)
	noError(t, err)
	if got < r {
		t.Errorf("got revision %d, want at least %d", got, r)
	}
}

func waitSleeps(t *testing.T, s store.Store) {
	l := claim(t, s)
	from := l.commit(put(connector("a")))
	const readers = 8
	var wg sync.WaitGroup
	defer wg.Wait()
	woken := make(chan store.Revision, readers)
	for range readers {
		wg.Go(func() {
			r, err := s.Wait(t.Context(), from)
			if err != nil {
				t.Errorf("wait: %v", err)
			}
			woken <- r
		})
	}
	select {
	case r := <-woken:
		t.Errorf("woken at revision %d without a commit", r)
	case <-time.After(20 * time.Millisecond):
	}
	r := l.commit(put(connector("b")))
	for range readers {
		if got := <-woken; got < r {
			t.Errorf("woken at revision %d, want at least %d", got, r)
		}
	}
}

func waitEnds(t *testing.T, s store.Store) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Wait(ctx, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: got %v, want the context's error", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Requests(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("requests: got %v, want the context's error", err)
	}
}

func submitGetsItsAnswer(t *testing.T, s store.Store) {
	l := claim(t, s)
	answers := submit(t, s, "1", "2")
	rs := l.requests(2)
	c := put(connector("a"))
	c.Answers = []store.Answer{{ID: rs[0].ID}, {ID: rs[1].ID, Refusal: store.Exists, Reason: "there is one"}}
	r := l.commit(c)
	equal(t, "answer of the first", answers(rs[0].ID), store.Answer{ID: rs[0].ID, Revision: r})
	equal(t, "answer of the second", answers(rs[1].ID), store.Answer{ID: rs[1].ID, Refusal: store.Exists, Reason: "there is one"})
	if got := snapshot(t, s).Revision; got < r {
		t.Errorf("answered at revision %d, but the snapshot has %d", r, got)
	}
}

func submitEnds(t *testing.T, s store.Store) {
	l := claim(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Submit(ctx, request("1")); !errors.Is(err, context.Canceled) {
			t.Errorf("submit: got %v, want the context's error", err)
		}
	})
	rs := l.requests(1)
	cancel()
	wg.Wait()
	// It may still be carried out, and nobody minds the answer.
	c := put(connector("a"))
	c.Answers = []store.Answer{{ID: rs[0].ID}}
	l.commit(c)
	equal(t, "names", snapshot(t, s).Names(), []string{"a"})
}

func requestsInOrder(t *testing.T, s store.Store) {
	l := claim(t, s)
	var answers []func(string) store.Answer
	for i := range 3 { // one after the other, so that there is an order
		answers = append(answers, submit(t, s, fmt.Sprint(i)))
		l.requests(i + 1)
	}
	rs := l.requests(3)
	equal(t, "order", ids(rs), []string{"0", "1", "2"})
	equal(t, "order when asked again", ids(l.requests(3)), []string{"0", "1", "2"})
	equal(t, "request", rs[1], request("1"))

	l.commit(store.Commit{Answers: []store.Answer{{ID: "1"}}})
	equal(t, "without the answered", ids(l.requests(2)), []string{"0", "2"})
	l.commit(store.Commit{Answers: []store.Answer{{ID: "2"}, {ID: "0"}, {ID: "never asked"}}})
	for i, a := range answers {
		equal(t, "answered", a(fmt.Sprint(i)).ID, fmt.Sprint(i))
	}
}

func refusalsChangeNothing(t *testing.T, s store.Store) {
	l := claim(t, s)
	l.commit(put(connector("a")))
	before := snapshot(t, s)
	answers := submit(t, s, "1")
	l.requests(1)
	l.commit(store.Commit{Answers: []store.Answer{{ID: "1", Refusal: store.NotFound}}})
	equal(t, "answer", answers("1"), store.Answer{ID: "1", Refusal: store.NotFound})
	after := snapshot(t, s)
	equal(t, "connectors", after.Connectors, before.Connectors)
	equal(t, "plan", after.Plan, before.Plan)
}

func offsetsAreReadBack(t *testing.T, s store.Store) {
	o := s.Offsets()
	noError(t, o.Commit(t.Context(), "a", []store.Offset{
		{Partition: []byte(`{"f":"2"}`), Value: []byte(`{"p":2}`)},
		{Partition: []byte(`{"f":"1"}`), Value: []byte(`{"p":1}`)},
	}))
	noError(t, o.Commit(t.Context(), "a", nil))
	got, err := o.Read(t.Context(), "a", [][]byte{[]byte(`{"f":"1"}`), []byte(`{"f":"none"}`), []byte(`{"f":"2"}`)})
	noError(t, err)
	equal(t, "values", got, [][]byte{[]byte(`{"p":1}`), nil, []byte(`{"p":2}`)})
	list, err := o.List(t.Context(), "a")
	noError(t, err)
	equal(t, "list in order", list, []store.Offset{
		{Partition: []byte(`{"f":"1"}`), Value: []byte(`{"p":1}`)},
		{Partition: []byte(`{"f":"2"}`), Value: []byte(`{"p":2}`)},
	})
	if got[1] != nil {
		t.Errorf("a partition without an offset: got %q, want nil", got[1])
	}
}

func offsetsAreApart(t *testing.T, s store.Store) {
	o := s.Offsets()
	p := []byte(`{"f":"1"}`)
	for _, name := range []string{"a", "ab", "a-b", "a b/ü"} {
		noError(t, o.Commit(t.Context(), name, []store.Offset{{Partition: p, Value: []byte(`{"of":"` + name + `"}`)}}))
	}
	for _, name := range []string{"a", "ab", "a-b", "a b/ü"} {
		list, err := o.List(t.Context(), name)
		noError(t, err)
		equal(t, "list of "+name, list, []store.Offset{{Partition: p, Value: []byte(`{"of":"` + name + `"}`)}})
	}
	list, err := o.List(t.Context(), "b")
	noError(t, err)
	equal(t, "list of an unknown instance", len(list), 0)
}

func offsetsAreTakenAway(t *testing.T, s store.Store) {
	o := s.Offsets()
	one, two := []byte(`{"f":"1"}`), []byte(`{"f":"2"}`)
	noError(t, o.Commit(t.Context(), "a", []store.Offset{{Partition: one, Value: []byte("1")}, {Partition: two, Value: []byte("1")}}))
	noError(t, o.Commit(t.Context(), "a", []store.Offset{
		{Partition: one}, {Partition: two, Value: []byte("2")}, {Partition: two, Value: []byte("3")}, {Partition: []byte(`{"f":"never"}`)},
	}))
	list, err := o.List(t.Context(), "a")
	noError(t, err)
	equal(t, "list", list, []store.Offset{{Partition: two, Value: []byte("3")}})
	noError(t, o.Commit(t.Context(), "a", []store.Offset{{Partition: two}}))
	list, err = o.List(t.Context(), "a")
	noError(t, err)
	equal(t, "list of an empty instance", len(list), 0)
}

func offsetsBelongToTheStore(t *testing.T, s store.Store) {
	o := s.Offsets()
	partition, value := []byte(`{"f":"1"}`), []byte(`{"p":1}`)
	noError(t, o.Commit(t.Context(), "a", []store.Offset{{Partition: partition, Value: value}}))
	partition[2], value[2] = '!', '!'
	got, err := o.Read(t.Context(), "a", [][]byte{[]byte(`{"f":"1"}`)})
	noError(t, err)
	equal(t, "value after the caller changed its own", string(got[0]), `{"p":1}`)
	got[0][2] = '!'
	got, err = o.Read(t.Context(), "a", [][]byte{[]byte(`{"f":"1"}`)})
	noError(t, err)
	equal(t, "value after a reader changed its copy", string(got[0]), `{"p":1}`)
}

func offsetsFromManyTasks(t *testing.T, s store.Store) {
	const tasks, rounds = 16, 5
	var wg sync.WaitGroup
	for task := range tasks {
		wg.Go(func() {
			p := fmt.Appendf(nil, `{"task":%d}`, task)
			for n := range rounds {
				want := fmt.Sprint(n)
				if err := s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: p, Value: []byte(want)}}); err != nil {
					t.Errorf("commit: %v", err)
				}
				got, err := s.Offsets().Read(t.Context(), "a", [][]byte{p})
				if err != nil || string(got[0]) != want {
					t.Errorf("read after commit: got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	list, err := s.Offsets().List(t.Context(), "a")
	noError(t, err)
	equal(t, "entries", len(list), tasks)
}

func statusEpoch(t *testing.T, s store.Store) {
	put := func(epoch int64, member string, state store.State) {
		t.Helper()
		noError(t, s.Statuses().Put(t.Context(), store.Status{Connector: "a", Task: 0, Epoch: epoch, Member: member, State: state}))
	}
	put(2, "m", store.StateRunning)
	put(3, "n", store.StateRunning)
	put(2, "m", store.StateUnassigned) // the late word of the former owner
	put(3, "n", store.StateFailed)     // of the same epoch: the later counts
	all, err := s.Statuses().All(t.Context())
	noError(t, err)
	equal(t, "statuses", all, []store.Status{{Connector: "a", Task: 0, Epoch: 3, Member: "n", State: store.StateFailed}})
}

func statusOrder(t *testing.T, s store.Store) {
	for _, st := range []store.Status{
		{Connector: "b", Task: 0}, {Connector: "a", Task: 10}, {Connector: "b", Task: store.Instance},
		{Connector: "a", Task: 2}, {Connector: "a", Task: store.Instance},
	} {
		st.State = store.StateRunning
		noError(t, s.Statuses().Put(t.Context(), st))
	}
	all, err := s.Statuses().All(t.Context())
	noError(t, err)
	var order []string
	for _, st := range all {
		order = append(order, fmt.Sprint(st.Connector, st.Task))
	}
	equal(t, "order", order, []string{"a-1", "a2", "a10", "b-1", "b0"})
}

func statusForget(t *testing.T, s store.Store) {
	for _, st := range []store.Status{{Connector: "a", Task: store.Instance}, {Connector: "a", Task: 0}, {Connector: "ab", Task: 0}} {
		noError(t, s.Statuses().Put(t.Context(), st))
	}
	noError(t, s.Statuses().Forget(t.Context(), "a"))
	noError(t, s.Statuses().Forget(t.Context(), "unknown"))
	all, err := s.Statuses().All(t.Context())
	noError(t, err)
	equal(t, "statuses", all, []store.Status{{Connector: "ab", Task: 0}})
}

func statusRelease(t *testing.T, s store.Store) {
	want := store.Status{Connector: "a", Task: 0, Epoch: 7, Member: "m", State: store.StateUnassigned, Released: true}
	noError(t, s.Statuses().Put(t.Context(), want))
	all, err := s.Statuses().All(t.Context())
	noError(t, err)
	equal(t, "statuses", all, []store.Status{want})
}

func statusWait(t *testing.T, s store.Store) {
	put := func(connector string, task int, state store.State) {
		t.Helper()
		noError(t, s.Statuses().Put(t.Context(), store.Status{Connector: connector, Task: task, State: state}))
	}
	seen := func(after int64, want ...string) int64 {
		t.Helper()
		// A store that hears of what it wrote by reading may tell in several steps.
		got := map[string]store.State{}
		for len(got) < len(want) {
			list, next, err := s.Statuses().Wait(t.Context(), after)
			noError(t, err)
			if len(list) == 0 || next <= after {
				t.Fatalf("got %d statuses up to number %d, after %d", len(list), next, after)
			}
			for _, st := range list {
				got[fmt.Sprint(st.Connector, st.Task)] = st.State
			}
			after = next
		}
		var texts []string
		for name, state := range got {
			texts = append(texts, name+" "+string(state))
		}
		slices.Sort(texts)
		equal(t, "statuses", texts, want)
		return after
	}
	put("b", 0, store.StateRunning)
	put("a", 0, store.StateRunning)
	put("a", store.Instance, store.StatePaused)
	after := seen(0, "a-1 PAUSED", "a0 RUNNING", "b0 RUNNING")
	put("a", 0, store.StateFailed)
	after = seen(after, "a0 FAILED")
	seen(0, "a-1 PAUSED", "a0 FAILED", "b0 RUNNING")

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if list, _, err := s.Statuses().Wait(ctx, after); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v, want the context's error", list, err)
		}
	})
	cancel()
	wg.Wait()
	wg.Go(func() { seen(after, "c0 RUNNING") })
	put("c", 0, store.StateRunning)
	wg.Wait()
	noError(t, s.Statuses().Forget(t.Context(), "a"))
	seen(0, "b0 RUNNING", "c0 RUNNING")
}

func syncReads(t *testing.T, s store.Store) {
	l := claim(t, s)
	for n := range 20 {
		r := l.commit(put(connector(fmt.Sprint("c", n))))
		noError(t, s.Sync(t.Context()))
		if got := snapshot(t, s); got.Revision < r || len(got.Connectors) != n+1 {
			t.Fatalf("after the commit of revision %d: got %d connectors at %d, want %d", r, len(got.Connectors), got.Revision, n+1)
		}
	}
}

func closeEnds(t *testing.T, s store.Store) {
	l := claim(t, s)
	l.commit(put(connector("a")))
	var wg sync.WaitGroup
	closed := func(what string, call func() error) {
		wg.Go(func() {
			if err := call(); !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: got %v, want ErrClosed", what, err)
			}
		})
	}
	wait := func() error { _, err := s.Wait(t.Context(), 1<<40); return err }
	ask := func() error { _, err := s.Submit(t.Context(), request("1")); return err }
	closed("wait under way", wait)
	closed("submit under way", ask)
	l.requests(1)
	noError(t, s.Close())
	wg.Wait()

	for what, call := range map[string]func() error{
		"snapshot": func() error { _, err := s.Snapshot(t.Context()); return err },
		"wait":     func() error { _, err := s.Wait(t.Context(), 0); return err },
		"submit":   ask,
		"claim":    func() error { _, err := s.Claim(t.Context()); return err },
		"requests": func() error { _, err := s.Requests(t.Context()); return err },
		"commit":   func() error { _, err := s.Commit(t.Context(), l.fence, put(connector("b"))); return err },
		"read":     func() error { _, err := s.Offsets().Read(t.Context(), "a", nil); return err },
		"list":     func() error { _, err := s.Offsets().List(t.Context(), "a"); return err },
		"offsets": func() error {
			return s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: []byte("{}"), Value: []byte("{}")}})
		},
		"sync":   func() error { return s.Sync(t.Context()) },
		"heed":   func() error { _, _, err := s.Statuses().Wait(t.Context(), 0); return err },
		"put":    func() error { return s.Statuses().Put(t.Context(), store.Status{Connector: "a"}) },
		"all":    func() error { _, err := s.Statuses().All(t.Context()); return err },
		"forget": func() error { return s.Statuses().Forget(t.Context(), "a") },
	} {
		closed(what, call)
	}
	wg.Wait()
}

func endedContexts(t *testing.T, s store.Store) {
	l := claim(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, l.fence, put(connector("a"))); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: got %v, want the context's error", err)
	}
	if _, err := s.Submit(ctx, request("1")); !errors.Is(err, context.Canceled) {
		t.Errorf("submit: got %v, want the context's error", err)
	}
	err := s.Offsets().Commit(ctx, "a", []store.Offset{{Partition: []byte("{}"), Value: []byte("{}")}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("offsets: got %v, want the context's error", err)
	}
	equal(t, "names", len(snapshot(t, s).Names()), 0)
	list, err := s.Offsets().List(t.Context(), "a")
	noError(t, err)
	equal(t, "offsets", len(list), 0)
}

// wholeRevisions has a reader follow a writer whose commits always change two connectors and the plan together.
func wholeRevisions(t *testing.T, s store.Store) {
	l := claim(t, s)
	const last = 50
	done := make(chan struct{})
	go func() {
		defer close(done)
		var seen store.Revision
		for {
			r, err := s.Wait(t.Context(), seen)
			if err != nil {
				t.Errorf("wait: %v", err)
				return
			}
			snap, err := s.Snapshot(t.Context())
			if err != nil || snap.Revision < r {
				t.Errorf("snapshot after waiting for %d: %v, %v", r, snap, err)
				return
			}
			if err := whole(snap); err != nil {
				t.Error(err)
				return
			}
			if snap.Plan.Epoch == last {
				return
			}
			seen = snap.Revision
		}
	}()
	for n := range last {
		l.commit(numbered(n + 1))
	}
	<-done
}

// leader is a claim.
type leader struct {
	t     *testing.T
	s     store.Store
	fence store.Fence
}

func claim(t *testing.T, s store.Store) *leader {
	t.Helper()
	f, err := s.Claim(t.Context())
	noError(t, err)
	return &leader{t, s, f}
}

func (l *leader) commit(c store.Commit) store.Revision {
	l.t.Helper()
	r, err := l.s.Commit(l.t.Context(), l.fence, c)
	noError(l.t, err)
	return r
}

// requests waits until n requests are there.
func (l *leader) requests(n int) []store.Request {
	l.t.Helper()
	for {
		rs, err := l.s.Requests(l.t.Context())
		noError(l.t, err)
		if len(rs) >= n {
			return rs
		}
		<-time.After(time.Millisecond) // Requests waits for the first one only
	}
}

// submit submits a request for each id, all at a time; the result waits for the answer to one.
func submit(t *testing.T, s store.Store, ids ...string) func(id string) store.Answer {
	t.Helper()
	answers := map[string]chan store.Answer{}
	var wg sync.WaitGroup
	for _, id := range ids {
		got := make(chan store.Answer, 1)
		answers[id] = got
		wg.Go(func() {
			a, err := s.Submit(t.Context(), request(id))
			if err != nil {
				t.Errorf("submit %s: %v", id, err)
			}
			got <- a
		})
	}
	t.Cleanup(wg.Wait)
	return func(id string) store.Answer { return <-answers[id] }
}

func request(id string) store.Request {
	return store.Request{
		ID:       id,
		Deadline: time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC),
		Ops:      []store.Op{{Put: &store.PutConnector{Name: "c" + id, Config: config.Map{"name": "c" + id}, Create: true}}},
	}
}

func ids(rs []store.Request) []string {
	var l []string
	for _, r := range rs {
		l = append(l, r.ID)
	}
	return l
}

func connector(name string) *store.Connector {
	return &store.Connector{Name: name, Config: config.Map{"name": name, "connector.class": "X"}, Target: config.Started}
}

func put(c *store.Connector) store.Commit {
	return store.Commit{Connectors: map[string]*store.Connector{c.Name: c}}
}

func snapshot(t *testing.T, s store.Store) *store.Snapshot {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	noError(t, err)
	return snap
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, diff)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}
