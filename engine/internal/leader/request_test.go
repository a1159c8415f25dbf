package leader

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// base has connector a as it is at revision 20, created at 10, with two tasks, and a stopped connector s.
func base() *store.Snapshot {
	return &store.Snapshot{Revision: 30, Connectors: map[string]store.Connector{"a": a(), "s": {
		Name: "s", Config: config.Map{"name": "s"}, Revision: 15, Incarnation: 15, Target: config.Stopped,
		Tasks: []config.Map{}, TasksFor: 15,
	}}}
}

func a() store.Connector {
	return store.Connector{
		Name: "a", Config: config.Map{"name": "a", "x": "1"}, Revision: 20, Incarnation: 10, Target: config.Paused,
		Tasks: []config.Map{{"t": "0"}, {"t": "1"}}, TasksFor: 20, Restarts: 3, TaskRestart: map[int]int{1: 2},
		TaskTarget: map[int]config.Target{1: config.Paused},
	}
}

// with is a with a change.
func with(change func(c *store.Connector)) *store.Connector {
	c := a()
	change(&c)
	return &c
}

func TestOperations(t *testing.T) {
	t.Parallel()
	mark := store.Mark{Project: "p", Source: "a.hcl:1", Digest: "d"}
	same, other := a().Config, config.Map{"name": "a", "x": "2"}
	type changes = map[string]*store.Connector
	updated := changes{"a": with(func(c *store.Connector) { c.Config, c.Revision = other, 0 })} // target and older tasks stay
	for _, c := range []struct {
		name    string
		op      store.Op
		refusal store.Refusal
		want    changes
	}{
		{"create", put(store.PutConnector{Name: "n", Config: other, Create: true}), "", changes{
			"n": {Name: "n", Config: other, Target: config.Started},
		}},
		{"create stopped", put(store.PutConnector{Name: "n", Config: other, Create: true, Target: config.Stopped}), "", changes{
			"n": {Name: "n", Config: other, Target: config.Stopped},
		}},
		{"create what exists", put(store.PutConnector{Name: "a", Config: other, Create: true}), store.Exists, nil},
		{"create the very same", put(store.PutConnector{Name: "a", Config: same, Create: true}), store.Exists, nil},
		{"put anew", put(store.PutConnector{Name: "n", Config: other, Target: config.Paused}), "", changes{
			"n": {Name: "n", Config: other, Target: config.Paused},
		}},
		{"update", put(store.PutConnector{Name: "a", Config: other}), "", updated},
		{"update with another target", put(store.PutConnector{Name: "a", Config: other, Target: config.Stopped}), "", updated},
		{"update at a revision", put(store.PutConnector{Name: "a", Config: other, If: 20}), "", updated},
		{"update at another revision", put(store.PutConnector{Name: "a", Config: other, If: 19}), store.Conflict, nil},
		{"update of none at a revision", put(store.PutConnector{Name: "n", Config: other, If: 20}), store.Conflict, nil},
		{"equal update", put(store.PutConnector{Name: "a", Config: same, If: 20}), "", nil},
		{"equal update at another revision", put(store.PutConnector{Name: "a", Config: same, If: 19}), store.Conflict, nil},
		{"update with a mark", put(store.PutConnector{Name: "a", Config: other, Mark: mark}), "", changes{
			"a": with(func(c *store.Connector) { c.Config, c.Revision, c.Mark = other, 0, mark }),
		}},
		{"another mark alone", put(store.PutConnector{Name: "a", Config: same, Mark: mark, If: 20}), "", changes{
			"a": with(func(c *store.Connector) { c.Mark, c.Marked = mark, store.ThisCommit }),
		}},
		{"another mark at another revision", put(store.PutConnector{Name: "a", Config: same, Mark: mark, If: 19}), store.Conflict, nil},
		{"put without a name", put(store.PutConnector{Config: other}), store.Invalid, nil},
		{"put without a configuration", put(store.PutConnector{Name: "n"}), store.Invalid, nil},
		{"put with a wrong target", put(store.PutConnector{Name: "n", Config: other, Target: "RUNNING"}), store.Invalid, nil},

		{"delete", store.Op{Delete: &store.DeleteConnector{Name: "a"}}, "", changes{"a": nil}},
		{"delete at a revision", store.Op{Delete: &store.DeleteConnector{Name: "a", If: 20}}, "", changes{"a": nil}},
		{"delete at another revision", store.Op{Delete: &store.DeleteConnector{Name: "a", If: 10}}, store.Conflict, nil},
		{"delete none", store.Op{Delete: &store.DeleteConnector{Name: "n"}}, store.NotFound, nil},

		{"start", target("a", config.Started), "", changes{"a": with(func(c *store.Connector) { c.Target = config.Started })}},
		{"pause a paused one", target("a", config.Paused), "", nil},
		{"stop", target("a", config.Stopped), "", changes{"a": with(func(c *store.Connector) {
			c.Target, c.Tasks, c.TaskRestart, c.TaskTarget = config.Stopped, []config.Map{}, nil, nil
		})}},
		{"start none", target("n", config.Started), store.NotFound, nil},
		{"ask for what is no target", target("a", ""), store.Invalid, nil},

		{"restart the instance", restart(store.Restart{Name: "a", Instance: true}), "", changes{
			"a": with(func(c *store.Connector) { c.Restarts = 4 }),
		}},
		{"restart tasks", restart(store.Restart{Name: "a", Tasks: []int{0, 1}}), "", changes{
			"a": with(func(c *store.Connector) { c.TaskRestart = map[int]int{0: 1, 1: 3} }),
		}},
		{"restart both", restart(store.Restart{Name: "a", Instance: true, Tasks: []int{0}}), "", changes{
			"a": with(func(c *store.Connector) { c.Restarts, c.TaskRestart = 4, map[int]int{0: 1, 1: 2} }),
		}},
		{"restart a task too many", restart(store.Restart{Name: "a", Instance: true, Tasks: []int{0, 2}}), store.NotFound, nil},
		{"restart the task before the first", restart(store.Restart{Name: "a", Tasks: []int{store.Instance}}), store.NotFound, nil},
		{"restart nothing", restart(store.Restart{Name: "a"}), store.Invalid, nil},
		{"restart none", restart(store.Restart{Name: "n", Instance: true}), store.NotFound, nil},

		{"hold a task", taskTarget("a", 0, config.Paused), "", changes{
			"a": with(func(c *store.Connector) { c.TaskTarget = map[int]config.Target{0: config.Paused, 1: config.Paused} }),
		}},
		{"let the held task go on", taskTarget("a", 1, config.Started), "", changes{
			"a": with(func(c *store.Connector) { c.TaskTarget = nil }),
		}},
		{"hold what is held", taskTarget("a", 1, config.Paused), "", nil},
		{"let go on what was not held", taskTarget("a", 0, config.Started), "", nil},
		{"stop a task", taskTarget("a", 0, config.Stopped), store.Invalid, nil},
		{"hold a task too many", taskTarget("a", 2, config.Paused), store.NotFound, nil},
		{"hold a task of none", taskTarget("n", 0, config.Paused), store.NotFound, nil},

		{"tasks", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20, Tasks: []config.Map{{"t": "9"}}}), "", changes{
			"a": with(func(c *store.Connector) { c.Tasks, c.TaskRestart, c.TaskTarget = []config.Map{{"t": "9"}}, nil, nil }),
		}},
		{"no tasks", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20}), "", changes{
			"a": with(func(c *store.Connector) { c.Tasks, c.TaskRestart, c.TaskTarget = []config.Map{}, nil, nil }),
		}},
		{"equal tasks", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20, Tasks: a().Tasks}), "", nil},
		{"tasks of an older configuration", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 19}), store.Outdated, nil},
		{"tasks of a newer configuration", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 21}), store.Outdated, nil},
		{"tasks of another incarnation", tasksOf(store.PutTasks{Name: "a", Incarnation: 9, For: 20}), store.Outdated, nil},
		{"tasks of a stopped connector", tasksOf(store.PutTasks{Name: "s", Incarnation: 15, For: 15}), store.Outdated, nil},
		{"tasks of none", tasksOf(store.PutTasks{Name: "n", Incarnation: 10, For: 20}), store.NotFound, nil},

		{"nothing at all", store.Op{}, store.Invalid, nil},
		{"two at once", store.Op{Delete: &store.DeleteConnector{Name: "a"}, Restart: &store.Restart{Name: "a", Instance: true}}, store.Invalid, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			snapshot := base()
			got := decide(asked(snapshot, c.op))
			if refused := got.Answers[0].Refusal; refused != c.refusal || (got.Answers[0].Reason != "") != (c.refusal != "") {
				t.Errorf("got %+v, want the refusal %q with a reason", got.Answers[0], c.refusal)
			}
			if c.want == nil {
				c.want = changes{}
			}
			equal(t, "changes", got.Connectors, c.want)
			equal(t, "the snapshot", snapshot, base())
		})
	}
}

func TestTasksOfTheUpdatedConfigurationAreTaken(t *testing.T) {
	t.Parallel()
	s := base()
	s = s.Apply(31, decide(asked(s, put(store.PutConnector{Name: "a", Config: config.Map{"x": "2"}}))))
	if c := s.Connectors["a"]; c.Revision != 31 || c.TasksFor != 20 || len(c.Tasks) != 2 {
		t.Fatalf("after the update: got %+v", c)
	}
	// The same tasks, but of the present configuration: they may run.
	s = s.Apply(32, decide(asked(s, tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 31, Tasks: a().Tasks}))))
	if c := s.Connectors["a"]; c.Revision != 31 || c.TasksFor != 31 || c.TaskRestart[1] != 2 {
		t.Errorf("after the tasks: got %+v", c)
	}
}

func TestDeleteAndCreateMakeAnotherIncarnation(t *testing.T) {
	t.Parallel()
	s := base()
	remove := store.Op{Delete: &store.DeleteConnector{Name: "a"}}
	create := put(store.PutConnector{Name: "a", Config: a().Config, Create: true})
	for _, name := range []string{"in one request", "in two requests"} {
		r := asked(s, remove, create)
		if name == "in two requests" {
			r.requests = []store.Request{{ID: "1", Ops: []store.Op{remove}}, {ID: "2", Ops: []store.Op{create}}}
		}
		next := s.Apply(31, decide(r))
		want := store.Connector{Name: "a", Config: a().Config, Revision: 31, Incarnation: 31, Target: config.Started}
		equal(t, name, next.Connectors["a"], want)
		late := decide(asked(next, tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20, Tasks: a().Tasks})))
		equal(t, name+": tasks of the former", late.Answers[0].Refusal, store.Outdated)
	}
}

// TestAHoldKeepsAConnectorStopped until it is let go or its time is over.
func TestAHoldKeepsAConnectorStopped(t *testing.T) {
	t.Parallel()
	hold := func(name, by string, d time.Duration) store.Op {
		return store.Op{Hold: &store.HoldConnector{Name: name, By: by, For: d}}
	}
	until := now.Add(time.Minute)
	stopped := base().Connectors["s"]
	held := stopped
	held.Hold = store.Hold{By: "x", Until: until}
	over := stopped
	over.Hold = store.Hold{By: "x", Until: now}
	started := over
	started.Target = config.Started
	taken := stopped
	taken.Hold = store.Hold{By: "y", Until: until}
	type changes = map[string]*store.Connector
	for _, c := range []struct {
		name    string
		is      store.Connector
		op      store.Op
		refusal store.Refusal
		want    changes
	}{
		{"hold", stopped, hold("s", "x", time.Minute), "", changes{"s": &held}},
		{"hold what runs", stopped, hold("a", "x", time.Minute), store.Invalid, nil},
		{"hold none", stopped, hold("n", "x", time.Minute), store.NotFound, nil},
		{"hold for nobody", stopped, hold("s", "", time.Minute), store.Invalid, nil},
		{"hold what is held", held, hold("s", "y", time.Minute), store.Busy, nil},
		{"hold after the time", over, hold("s", "y", time.Minute), "", changes{"s": &taken}},
		{"let go", held, hold("s", "x", 0), "", changes{"s": &stopped}},
		{"let go what another holds", held, hold("s", "y", 0), "", nil},
		{"let go what nobody holds", stopped, hold("s", "x", 0), "", nil},
		{"start what is held", held, target("s", config.Started), store.Busy, nil},
		{"pause what is held", held, target("s", config.Paused), store.Busy, nil},
		{"stop what is held", held, target("s", config.Stopped), "", nil},
		{"delete what is held", held, store.Op{Delete: &store.DeleteConnector{Name: "s"}}, store.Busy, nil},
		{"start after the time", over, target("s", config.Started), "", changes{"s": &started}},
	} {
		s := base()
		s.Connectors["s"] = c.is
		got := decide(asked(s, c.op))
		if got.Answers[0].Refusal != c.refusal {
			t.Errorf("%s: got the refusal %q, want %q", c.name, got.Answers[0].Refusal, c.refusal)
		}
		if len(c.want) > 0 || len(got.Connectors) > 0 {
			equal(t, c.name, got.Connectors, c.want)
		}
	}
}

func TestARequestIsCarriedOutWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	got := decide(asked(base(),
		put(store.PutConnector{Name: "n", Config: config.Map{}}),
		store.Op{Delete: &store.DeleteConnector{Name: "a"}},
		target("a", config.Started), // it is gone
	))
	equal(t, "answer", got.Answers, []store.Answer{{ID: "1", Refusal: store.NotFound, Reason: "Connector a not found"}})
	equal(t, "changes", len(got.Connectors), 0)
}

func TestLaterRequestsSeeEarlierOnes(t *testing.T) {
	t.Parallel()
	r := asked(base())
	r.requests = nil
	for i, op := range []store.Op{
		put(store.PutConnector{Name: "n", Config: config.Map{"x": "1"}, Create: true}),
		put(store.PutConnector{Name: "n", Config: config.Map{"x": "2"}, Create: true}),      // exists
		put(store.PutConnector{Name: "a", Config: config.Map{"x": "2"}, If: 20}),            // the first of two
		put(store.PutConnector{Name: "a", Config: config.Map{"x": "3"}, If: 20}),            // who saw the same
		tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20, Tasks: []config.Map{}}), // older
		restart(store.Restart{Name: "a", Instance: true}),
		restart(store.Restart{Name: "a", Instance: true}),
		{Delete: &store.DeleteConnector{Name: "s"}},
		target("s", config.Started), // gone
	} {
		r.requests = append(r.requests, store.Request{ID: fmt.Sprint(i), Ops: []store.Op{op}})
	}
	got := decide(r)
	var refusals []store.Refusal
	for i, a := range got.Answers {
		if a.ID != fmt.Sprint(i) {
			t.Errorf("answer %d is for %s", i, a.ID)
		}
		refusals = append(refusals, a.Refusal)
	}
	equal(t, "refusals", refusals, []store.Refusal{"", store.Exists, "", store.Conflict, store.Outdated, "", "", "", store.NotFound})
	equal(t, "changes", got.Connectors, map[string]*store.Connector{
		"n": {Name: "n", Config: config.Map{"x": "1"}, Target: config.Started},
		"a": with(func(c *store.Connector) { c.Config, c.Revision, c.Restarts = config.Map{"x": "2"}, 0, 5 }),
		"s": nil,
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		deadline time.Time
		want     store.Refusal
	}{
		{time.Time{}, ""},
		{now.Add(time.Second), ""},
		{now, ""},
		{now.Add(-time.Second), store.Expired},
	} {
		r := asked(base(), target("a", config.Started))
		r.requests[0].Deadline = c.deadline
		got := decide(r)
		if got.Answers[0].Refusal != c.want || (len(got.Connectors) == 0) != (c.want != "") {
			t.Errorf("deadline %v: got %+v, %v, want %q", c.deadline, got.Answers[0], got.Connectors, c.want)
		}
	}
}

func TestThePlanFollowsWhatChanges(t *testing.T) {
	t.Parallel()
	settled := base()
	first := decide(asked(settled))
	if first.Plan == nil {
		t.Fatal("no first plan")
	}
	settled = settled.Apply(31, store.Commit{Plan: first.Plan})
	placed := func(c store.Commit) string {
		if c.Plan == nil {
			return "unchanged"
		}
		s := ""
		for _, p := range c.Plan.Placements {
			s += fmt.Sprint(p.Connector, p.Task, " ")
		}
		return s
	}
	equal(t, "first plan", placed(first), "a-1 a0 a1 s-1 ")
	for _, c := range []struct {
		name string
		op   store.Op
		want string
	}{
		{"create", put(store.PutConnector{Name: "n", Config: config.Map{}}), "a-1 a0 a1 n-1 s-1 "},
		{"update", put(store.PutConnector{Name: "a", Config: config.Map{}}), "unchanged"},
		{"delete", store.Op{Delete: &store.DeleteConnector{Name: "a"}}, "s-1 "},
		{"resume", target("a", config.Started), "unchanged"},
		{"stop", target("a", config.Stopped), "a-1 s-1 "},
		{"restart", restart(store.Restart{Name: "a", Instance: true, Tasks: []int{0}}), "unchanged"},
		{"more tasks", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20, Tasks: make([]config.Map, 3)}), "a-1 a0 a1 a2 s-1 "},
		{"other tasks", tasksOf(store.PutTasks{Name: "a", Incarnation: 10, For: 20, Tasks: make([]config.Map, 2)}), "unchanged"},
		{"a refusal", target("n", config.Started), "unchanged"},
	} {
		r := asked(settled, c.op)
		r.replan = false
		equal(t, c.name, placed(decide(r)), c.want)
	}
	r := asked(settled)
	r.requests = nil
	equal(t, "nothing", placed(decide(r)), "unchanged")
	r.members = append(named("m2"), r.members...)
	if c := decide(r); c.Plan == nil || c.Plan.Epoch != 2 || !cmp.Equal(c.Plan.Members, []string{"m", "m2"}) {
		t.Errorf("another member: got %+v, want a second plan", c.Plan)
	}
}

func TestAConnectorGoesWhereItsPluginsAre(t *testing.T) {
	t.Parallel()
	n := newNeeds(func(c config.Map) map[string]string { return map[string]string{c["class"]: ""} })
	r := asked(base(), put(store.PutConnector{Name: "n", Config: config.Map{"class": "File"}}))
	r.snapshot = &store.Snapshot{}
	r.needs = n.of
	r.members = []member.Member{{ID: "f", Plugins: map[string]string{"File": "1"}}, {ID: "j", Plugins: map[string]string{"Jdbc": "1"}}}
	next := r.snapshot.Apply(1, decide(r))
	equal(t, "member", next.Plan.Placements[0].Member, "f")

	r = asked(next, put(store.PutConnector{Name: "n", Config: config.Map{"class": "Jdbc"}}))
	r.needs, r.replan = n.of, false
	r.members = []member.Member{{ID: "f", Plugins: map[string]string{"File": "1"}}, {ID: "j", Plugins: map[string]string{"Jdbc": "1"}}}
	next = next.Apply(2, decide(r))
	equal(t, "placement", next.Plan.Placements, []store.Placement{{Connector: "n", Task: store.Instance, Member: "j", Epoch: 2, Follows: "f"}})
}

func TestNeedsAreAskedOnceARevision(t *testing.T) {
	t.Parallel()
	count := 0
	n := newNeeds(func(c config.Map) map[string]string {
		count++
		return map[string]string{"class": c["version"], "also": ""}
	})
	c := store.Connector{Name: "a", Config: config.Map{"version": "1"}, Revision: 1}
	for range 3 {
		equal(t, "needs", parseNeeds(n.of(c)), map[string]string{"class": "1", "also": ""})
	}
	if count != 1 {
		t.Errorf("asked %d times, want once", count)
	}
	c.Config, c.Revision = config.Map{"version": "2"}, 0
	equal(t, "needs of a commit in the making", parseNeeds(n.of(c)), map[string]string{"class": "2", "also": ""})
	c.Config = config.Map{"version": "3"}
	equal(t, "needs of another", parseNeeds(n.of(c)), map[string]string{"class": "3", "also": ""})
	n.forget(map[string]*store.Connector{"a": nil})
	equal(t, "known", len(n.known), 0)
}

// BenchmarkDecide pauses one connector of 10,000, and creates one, on 100 members.
func BenchmarkDecide(b *testing.B) {
	s := &store.Snapshot{Connectors: map[string]store.Connector{}}
	for i := range 10_000 {
		name := fmt.Sprintf("connector-%05d", i)
		s.Connectors[name] = store.Connector{Name: name, Revision: 1, Tasks: make([]config.Map, 2), Target: config.Started}
	}
	var members []member.Member
	for i := range 100 {
		members = append(members, member.Member{ID: fmt.Sprint(i)})
	}
	r := round{snapshot: s, members: members, needs: newNeeds(nil).of, replan: true, now: now}
	s.Plan = *decide(r).Plan
	r.replan = false
	for name, op := range map[string]store.Op{
		"pause":  target("connector-00500", config.Paused),
		"create": put(store.PutConnector{Name: "x", Config: config.Map{}}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r.requests = []store.Request{{ID: "1", Ops: []store.Op{op}}}
			for b.Loop() {
				if c := decide(r); len(c.Connectors) != 1 {
					b.Fatal(c.Answers)
				}
			}
		})
	}
}

// asked is a round with one request, for a plan on one member.
func asked(s *store.Snapshot, ops ...store.Op) round {
	return round{
		snapshot: s, requests: []store.Request{{ID: "1", Ops: ops}}, members: named("m"),
		needs: newNeeds(nil).of, replan: true, now: now,
	}
}

func put(p store.PutConnector) store.Op { return store.Op{Put: &p} }
func restart(r store.Restart) store.Op  { return store.Op{Restart: &r} }
func tasksOf(p store.PutTasks) store.Op { return store.Op{Tasks: &p} }
func target(name string, t config.Target) store.Op {
	return store.Op{Target: &store.SetTarget{Name: name, Target: t}}
}

func taskTarget(name string, task int, t config.Target) store.Op {
	return store.Op{Task: &store.SetTaskTarget{Name: name, Task: task, Target: t}}
}
