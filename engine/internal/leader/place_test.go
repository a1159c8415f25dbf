package leader

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

func TestPlaceAlone(t *testing.T) {
	t.Parallel()
	got := alone(store.Plan{}, []want{{connector: "a", tasks: 2}, {connector: "b"}}, named("m"))
	want := store.Plan{Epoch: 1, Members: []string{"m"}, Placements: []store.Placement{
		{Connector: "a", Task: store.Instance, Member: "m", Epoch: 1},
		{Connector: "a", Task: 0, Member: "m", Epoch: 1},
		{Connector: "a", Task: 1, Member: "m", Epoch: 1},
		{Connector: "b", Task: store.Instance, Member: "m", Epoch: 1},
	}}
	equal(t, "plan", got, want)
}

func TestPlaceNobody(t *testing.T) {
	t.Parallel()
	equal(t, "plan", alone(store.Plan{}, []want{{connector: "a", tasks: 2}}, nil), store.Plan{})
	before := alone(store.Plan{}, []want{{connector: "a", tasks: 2}}, named("m"))
	equal(t, "plan when all have left", alone(before, []want{{connector: "a", tasks: 2}}, nil), store.Plan{Epoch: 2, Placements: []store.Placement{}})
}

// TestPlaceSpreads: an instance and its only task are on two members, and the tasks of a connector on as many as there are.
func TestPlaceSpreads(t *testing.T) {
	t.Parallel()
	p := alone(store.Plan{}, []want{{connector: "a", tasks: 1}}, named("m", "n", "o"))
	if i, task := p.Placements[0].Member, p.Placements[1].Member; i == task {
		t.Errorf("both on %s", i)
	}
	p = alone(store.Plan{}, []want{{connector: "a", tasks: 3}, {connector: "b", tasks: 3}}, named("m", "n", "o"))
	for _, connector := range []string{"a", "b"} {
		on := map[string]bool{}
		for _, pl := range p.Placements {
			if pl.Connector == connector && pl.Task >= 0 {
				on[pl.Member] = true
			}
		}
		if len(on) != 3 {
			t.Errorf("the tasks of %s are on %d members, want 3", connector, len(on))
		}
	}
}

func TestPlaceTellsWhomItFollows(t *testing.T) {
	t.Parallel()
	ws := []want{{connector: "a", tasks: 3}}
	first := alone(store.Plan{}, ws, named("m"))
	second := alone(first, ws, named("m", "n"))
	moved := 0
	for i, p := range second.Placements {
		if p.Member == "m" {
			equal(t, "what stays", p, first.Placements[i])
			continue
		}
		moved++
		equal(t, "what moves", p, store.Placement{Connector: "a", Task: p.Task, Member: "n", Epoch: 2, Follows: "m"})
	}
	if moved != 1 {
		t.Errorf("%d moved, want one of three tasks", moved)
	}
	third := alone(second, ws, named("n")) // m has left
	for i, p := range third.Placements {
		if second.Placements[i].Member == "n" {
			equal(t, "what stays", p, second.Placements[i])
		} else if p.Follows != "m" || p.Epoch != 3 {
			t.Errorf("what m had: got %+v, want it to follow m at epoch 3", p)
		}
	}
}

func TestPlaceByPlugin(t *testing.T) {
	t.Parallel()
	members := []member.Member{
		{ID: "both", Plugins: map[string]string{"file": "1", "jdbc": "1"}},
		{ID: "files", Plugins: map[string]string{"file": "1"}},
		{ID: "newer", Plugins: map[string]string{"file": "2"}},
	}
	place := func(needs map[string]string) string {
		var on []string
		for _, p := range alone(store.Plan{}, []want{{connector: "a", tasks: 5, needs: needsOf(needs)}}, members).Placements {
			on = append(on, p.Member)
		}
		slices.Sort(on)
		return strings.Join(slices.Compact(on), " ")
	}
	for _, c := range []struct {
		needs map[string]string
		want  string
	}{
		{nil, "both files newer"},
		{map[string]string{"file": ""}, "both files newer"},
		{map[string]string{"file": "1"}, "both files"},
		{map[string]string{"file": "1", "jdbc": ""}, "both"},
		{map[string]string{"s3": ""}, ""},
	} {
		if got := place(c.needs); got != c.want {
			t.Errorf("%v: got it on %q, want %q", c.needs, got, c.want)
		}
	}
}

// TestPlaceChain: what only one member can run pushes what others can run as well to them, over two steps.
func TestPlaceChain(t *testing.T) {
	t.Parallel()
	members := []member.Member{
		{ID: "a", Plugins: map[string]string{"x": "", "y": ""}},
		{ID: "b", Plugins: map[string]string{"y": "", "z": ""}},
		{ID: "c", Plugins: map[string]string{"z": ""}},
	}
	x, y, z := needsOf(map[string]string{"x": ""}), needsOf(map[string]string{"y": ""}), needsOf(map[string]string{"z": ""})
	p := alone(store.Plan{}, []want{{"x", 4, x}, {"y", 4, y}, {"z", 4, z}}, members)
	equal(t, "tasks by member", loads(p, func(p store.Placement) bool { return p.Task >= 0 }), map[string]int{"a": 4, "b": 4, "c": 4})
}

// TestPlaceLetsThoseWithLeastChoiceChooseFirst: tasks that only m can run replace others of the kind; what has a choice need
// not make room first and come back, in another order, afterwards.
func TestPlaceLetsThoseWithLeastChoiceChooseFirst(t *testing.T) {
	t.Parallel()
	members := []member.Member{{ID: "m", Plugins: map[string]string{"x": "", "y": ""}}, {ID: "n", Plugins: map[string]string{"y": ""}}}
	x, y := needsOf(map[string]string{"x": ""}), needsOf(map[string]string{"y": ""})
	previous := store.Plan{Epoch: 1, Members: []string{"m", "n"}, Placements: []store.Placement{
		{Connector: "a", Task: store.Instance, Member: "n"},
		{Connector: "a", Task: 0, Member: "n"},
		{Connector: "a", Task: 1, Member: "n"},
		{Connector: "a", Task: 2, Member: "n"},
		{Connector: "a", Task: 3, Member: "n"},
		{Connector: "a", Task: 4, Member: "m"},
	}}
	got := alone(previous, []want{{"a", 5, y}, {"b", 3, x}}, members)
	equal(t, "what has a choice", got.Placements[:6], previous.Placements)
}

// cluster is a cluster that changes at random.
type cluster struct {
	plan    store.Plan
	wants   map[string]want
	members map[string]member.Member
	hands   *hands // nil: nothing is on its way
}

func (c *cluster) change(t *rapid.T, kinds int) {
	name := fmt.Sprint("c", rapid.IntRange(0, 12).Draw(t, "connector"))
	id := fmt.Sprint("m", rapid.IntRange(0, 6).Draw(t, "member"))
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0, 1:
		needs := ""
		if kinds > 1 {
			needs = needsOf(map[string]string{fmt.Sprint("p", rapid.IntRange(1, kinds).Draw(t, "plugin")): ""})
		}
		c.wants[name] = want{name, rapid.IntRange(0, 9).Draw(t, "tasks"), needs}
	case 2:
		delete(c.wants, name)
	case 3:
		if _, here := c.members[id]; here {
			delete(c.members, id)
			return
		}
		m := member.Member{ID: id}
		if kinds > 1 {
			m.Plugins = map[string]string{}
			for k := range kinds {
				if rapid.Bool().Draw(t, "has") {
					m.Plugins[fmt.Sprint("p", k+1)] = "1"
				}
			}
		}
		c.members[id] = m
	}
}

func (c *cluster) place() store.Plan {
	var ws []want
	for _, name := range slices.Sorted(maps.Keys(c.wants)) {
		ws = append(ws, c.wants[name])
	}
	return place(c.plan, ws, slices.Collect(maps.Values(c.members)), c.hands) // members in the order of the map: any
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	for _, kinds := range []int{1, 3} { // kinds of plugins
		t.Run(fmt.Sprint(kinds), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				c := &cluster{wants: map[string]want{}, members: map[string]member.Member{}}
				for range rapid.IntRange(1, 15).Draw(t, "steps") {
					for range rapid.IntRange(1, 8).Draw(t, "changes") {
						c.change(t, kinds)
					}
					next := c.place()
					if again := c.place(); !cmp.Equal(next, again) {
						t.Fatalf("two plans of the same: %s", cmp.Diff(next, again))
					}
					c.onceEach(t, next)
					c.balanced(t, next)
					c.explained(t, next)
					if kinds == 1 {
						c.still(t, next)
					}
					c.plan = next
					if stays := c.place(); !cmp.Equal(next, stays) {
						t.Fatalf("nothing changed, but the plan did: %s", cmp.Diff(next, stays))
					}
				}
			})
		})
	}
}

// onceEach: everything that somebody can run has one placement, in order, by a member that can run it.
func (c *cluster) onceEach(t *rapid.T, p store.Plan) {
	var got, want []string
	for _, pl := range p.Placements {
		got = append(got, fmt.Sprint(pl.Connector, " ", pl.Task))
		m, here := c.members[pl.Member]
		if !here || !m.Runs(parseNeeds(c.wants[pl.Connector].needs)) {
			t.Fatalf("%+v is on a member that cannot run it", pl)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.wants)) {
		w := c.wants[name]
		if len(c.able(w)) == 0 {
			continue
		}
		for task := store.Instance; task < w.tasks; task++ {
			want = append(want, fmt.Sprint(name, " ", task))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("got (+), want (-):\n%s", diff)
	}
}

func (c *cluster) able(w want) (ids []string) {
	for id, m := range c.members {
		if m.Runs(parseNeeds(w.needs)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// balanced: nothing could move to a member that has at least two fewer of its kind.
func (c *cluster) balanced(t *rapid.T, p store.Plan) {
	for _, instance := range []bool{true, false} {
		of := loads(p, func(p store.Placement) bool { return (p.Task == store.Instance) == instance })
		for _, pl := range p.Placements {
			if (pl.Task == store.Instance) != instance {
				continue
			}
			for _, id := range c.able(c.wants[pl.Connector]) {
				if of[pl.Member] > of[id]+1 {
					t.Fatalf("%+v is on one of %d, and %s has %d", pl, of[pl.Member], id, of[id])
				}
			}
		}
	}
}

// explained: epochs and predecessors say what has changed, and the epoch is the next when something has.
func (c *cluster) explained(t *rapid.T, p store.Plan) {
	before := map[string]store.Placement{}
	for _, pl := range c.plan.Placements {
		before[fmt.Sprint(pl.Connector, pl.Task)] = pl
	}
	changes := len(p.Placements) != len(c.plan.Placements) || !slices.Equal(p.Members, c.plan.Members)
	for _, pl := range p.Placements {
		old, had := before[fmt.Sprint(pl.Connector, pl.Task)]
		want := store.Placement{Connector: pl.Connector, Task: pl.Task, Member: pl.Member, Epoch: p.Epoch, Follows: old.Member}
		if had && old.Member == pl.Member {
			want = old
		} else {
			changes = true
		}
		if pl != want {
			t.Fatalf("got %+v, want %+v after %+v", pl, want, old)
		}
	}
	epoch := c.plan.Epoch
	if changes {
		epoch++
	}
	if p.Epoch != epoch {
		t.Fatalf("got epoch %d after %d, changes: %t", p.Epoch, c.plan.Epoch, changes)
	}
}

// still: no balanced plan moves fewer. With equal members as many must leave each as it has more than its due, of which
// the larger are for those who have most.
func (c *cluster) still(t *rapid.T, p store.Plan) {
	if len(c.members) == 0 {
		return
	}
	for _, instance := range []bool{true, false} {
		kept := map[string]int{}
		moved, total := 0, 0
		now := map[string]string{}
		for _, pl := range p.Placements {
			if (pl.Task == store.Instance) == instance {
				now[fmt.Sprint(pl.Connector, pl.Task)] = pl.Member
				total++
			}
		}
		for _, pl := range c.plan.Placements {
			to, wanted := now[fmt.Sprint(pl.Connector, pl.Task)]
			if _, here := c.members[pl.Member]; !wanted || !here {
				continue
			}
			kept[pl.Member]++
			if to != pl.Member {
				moved++
			}
		}
		had := slices.Sorted(maps.Values(kept))
		slices.Reverse(had)
		must := 0
		for i, n := range had {
			due := total / len(c.members)
			if i < total%len(c.members) {
				due++
			}
			must += max(0, n-due)
		}
		if moved != must {
			t.Fatalf("%d moved of those whose member is here, want %d: %v of %d", moved, must, had, total)
		}
	}
}

func loads(p store.Plan, of func(store.Placement) bool) map[string]int {
	n := map[string]int{}
	for _, pl := range p.Placements {
		if of(pl) {
			n[pl.Member]++
		}
	}
	return n
}

// alone places without anything on its way from one member to another.
func alone(previous store.Plan, wants []want, members []member.Member) store.Plan {
	return place(previous, wants, members, nil)
}

func named(ids ...string) []member.Member {
	var ms []member.Member
	for _, id := range ids {
		ms = append(ms, member.Member{ID: id})
	}
	return ms
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, diff)
	}
}

// BenchmarkPlace places 10,000 connectors of two tasks on 100 members.
func BenchmarkPlace(b *testing.B) {
	members := make([]member.Member, 100)
	for i := range members {
		members[i] = member.Member{ID: fmt.Sprintf("member-%03d", i), Plugins: map[string]string{"a": "1", "b": "1"}}
	}
	wants := make([]want, 10_000)
	for i := range wants {
		needs := needsOf(map[string]string{[]string{"a", "b"}[i%2]: ""})
		wants[i] = want{fmt.Sprintf("connector-%05d", i), 2, needs}
	}
	settled := alone(store.Plan{}, wants, members)
	half := alone(store.Plan{}, wants, members[:50])
	mixed := slices.Clone(settled.Placements)
	for i := range mixed {
		mixed[i].Member = members[rand.IntN(10)].ID
	}
	for _, c := range []struct {
		name     string
		previous store.Plan
		members  []member.Member
	}{
		{"all", store.Plan{}, members},
		{"nothing", settled, members},
		{"one left", settled, members[1:]},
		{"fifty came", half, members},
		{"lopsided", store.Plan{Epoch: 1, Placements: mixed}, members},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var p store.Plan
			for b.Loop() {
				p = alone(c.previous, wants, c.members)
			}
			if len(p.Placements) != 30_000 {
				b.Errorf("%d placements", len(p.Placements))
			}
		})
	}
}
