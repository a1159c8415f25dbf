package leader

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

func inGroup(here ...string) *hands {
	h := &hands{said: map[slot]store.Status{}, here: map[string]bool{}, lost: map[string]bool{}}
	for _, id := range here {
		h.here[id] = true
	}
	return h
}

func (h *hands) says(member string, epoch int64, released bool) *hands {
	h.said[slot{"a", store.Instance}] = store.Status{Connector: "a", Task: store.Instance, Member: member, Epoch: epoch, Released: released}
	return h
}

func (h *hands) loses(ids ...string) *hands {
	for _, id := range ids {
		h.lost[id] = true
	}
	return h
}

// TestHandOver walks through what the next plan makes of one placement (rules 6 and 8 of D2). The wanted thing may be at n
// or o when it moves: m is refused by plugins where it says so.
func TestHandOver(t *testing.T) {
	t.Parallel()
	one := []want{{connector: "a"}}
	at := func(member, follows string, epoch int64, leaving bool) store.Placement {
		return store.Placement{Connector: "a", Task: store.Instance, Member: member, Follows: follows, Epoch: epoch, Leaving: leaving}
	}
	for _, c := range []struct {
		name    string
		before  store.Placement
		wants   []want
		members []string
		hands   *hands
		want    store.Placement // the zero one: none
	}{
		{"stays", at("m", "", 3, false), one, []string{"m", "n"}, inGroup("m", "n"), at("m", "", 3, false)},
		{"waits for the departed", at("m", "", 3, false), one, []string{"n"}, inGroup("n"), at("m", "", 3, false)},
		{"moves after the delay", at("m", "", 3, false), one, []string{"n"}, inGroup("n").loses("m"), at("n", "", 8, false)},
		{"moves at once from who has left in peace", at("m", "", 3, false), one, []string{"n"}, inGroup("n").says("m", 3, true), at("n", "", 8, false)},
		{"an older release is none", at("m", "", 3, false), one, []string{"n"}, inGroup("n").says("m", 2, true), at("m", "", 3, false)},
		{"a hand-over ends first", at("m", "o", 3, false), one, []string{"n", "m"}, inGroup("m", "n", "o"), at("m", "o", 3, false)},
		{"nobody waits for who is gone", at("m", "o", 3, false), one, []string{"m"}, inGroup("m").loses("o"), at("m", "", 3, false)},
		{"a taker that is gone is passed over", at("m", "o", 3, false), one, []string{"n"}, inGroup("n", "o").loses("m"), at("n", "o", 8, false)},
		{"back to the former one", at("m", "n", 3, false), one, []string{"n"}, inGroup("n").loses("m"), at("n", "", 8, false)},
		{"taken away", at("m", "", 3, false), nil, []string{"m"}, inGroup("m"), at("m", "", 8, true)},
		{"taken away in a hand-over", at("m", "o", 3, false), nil, []string{"m"}, inGroup("m", "o"), at("m", "o", 8, true)},
		{"taken away from the departed", at("m", "", 3, false), nil, []string{"n"}, inGroup("n"), at("m", "", 8, true)},
		{"leaving until it is released", at("m", "", 3, true), nil, []string{"m"}, inGroup("m").says("m", 2, true), at("m", "", 3, true)},
		{"left", at("m", "", 3, true), nil, []string{"m"}, inGroup("m").says("m", 3, true), store.Placement{}},
		{"left with its member", at("m", "", 3, true), nil, []string{"n"}, inGroup("n").loses("m"), store.Placement{}},
		{"leaving with two", at("m", "o", 3, true), nil, []string{"o"}, inGroup("o").loses("m"), at("o", "", 8, true)},
		{"wanted again where it was", at("m", "", 3, true), one, []string{"m"}, inGroup("m"), at("m", "", 8, false)},
		{"wanted again elsewhere, while it leaves", at("m", "", 3, true), one, []string{"n"}, inGroup("n", "m"), at("n", "m", 8, false)},
		{"wanted again after it has left", at("m", "", 3, true), one, []string{"n"}, inGroup("n").says("m", 3, true), at("n", "", 8, false)},
		{"wanted again in a hand-over", at("m", "o", 3, true), one, []string{"m", "n"}, inGroup("m", "n", "o"), at("m", "o", 8, false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			previous := store.Plan{Epoch: 7, Members: []string{"m", "n", "o"}, Placements: []store.Placement{c.before}}
			got := place(previous, c.wants, named(c.members...), c.hands)
			var placed store.Placement
			if len(got.Placements) > 0 {
				placed = got.Placements[0]
			}
			equal(t, "placement", placed, c.want)
		})
	}
}

// TestHandOversAreBalancedOver: random clusters whose members depart and return; whatever is known of it, nothing loses a
// member that may still run it, and once all is known the plan is balanced and names nobody who is gone.
func TestHandOversAreBalancedOver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &cluster{wants: map[string]want{}, members: map[string]member.Member{}}
		h := inGroup()
		c.hands = h
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			c.change(t, 1)
			clear(h.here)
			for id := range c.members {
				h.here[id] = true
			}
			for _, p := range c.plan.Placements {
				if !h.here[p.Member] && rapid.Bool().Draw(t, "lost") {
					h.lost[p.Member] = true
				}
				if p.Follows != "" && rapid.Bool().Draw(t, "released") {
					h.said[slotOf(p)] = store.Status{Member: p.Follows, Epoch: p.Epoch, Released: true}
				} else if p.Leaving && h.settled(p) && rapid.Bool().Draw(t, "left") {
					h.said[slotOf(p)] = store.Status{Member: p.Member, Epoch: p.Epoch, Released: true}
				}
			}
			for id := range h.here {
				delete(h.lost, id)
			}
			next := c.place()
			c.remembered(t, next)
			c.plan = next
			if again := c.place(); again.Epoch != next.Epoch {
				t.Fatalf("nothing changed, but the plan did: %+v after %+v", again, next)
			}
		}
		// Everybody says what there is to say.
		for range 4 {
			for _, p := range c.plan.Placements {
				h.lost[p.Member], h.lost[p.Follows] = !h.here[p.Member], !h.here[p.Follows]
				switch {
				case !h.settled(p):
					h.said[slotOf(p)] = store.Status{Member: p.Follows, Epoch: p.Epoch, Released: true}
				case p.Leaving:
					h.said[slotOf(p)] = store.Status{Member: p.Member, Epoch: p.Epoch, Released: true}
				}
			}
			c.plan = c.place()
		}
		if len(c.members) > 0 {
			c.onceEach(t, c.plan)
			c.balanced(t, c.plan)
		}
	})
}

// remembered: who may be running something by the plan before may do so by the next one too, unless it is known not to.
func (c *cluster) remembered(t *rapid.T, next store.Plan) {
	named := map[slot]map[string]bool{}
	for _, p := range next.Placements {
		if named[slotOf(p)] != nil {
			t.Fatalf("two placements of %+v", p)
		}
		named[slotOf(p)] = map[string]bool{p.Member: true, p.Follows: true}
	}
	h := c.hands
	for _, p := range c.plan.Placements {
		if !h.over(p) && !named[slotOf(p)][p.Member] {
			t.Fatalf("%+v is forgotten by %+v", p, next)
		}
		if !h.settled(p) && !named[slotOf(p)][p.Follows] {
			t.Fatalf("whom %+v follows is forgotten by %+v", p, next)
		}
	}
}

// TestPlacingTakesTimeInProportion compares a member's loss among 100 members with 20,000 tasks with that among 10 with
// 2,000: ten times as much may not take anything like a hundred times as long.
func TestPlacingTakesTimeInProportion(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	shortest := func(members, connectors int) time.Duration {
		ids := make([]string, members)
		for i := range ids {
			ids[i] = fmt.Sprintf("m%03d", i)
		}
		wants := make([]want, connectors)
		for i := range wants {
			wants[i] = want{connector: fmt.Sprintf("c%05d", i), tasks: 10}
		}
		settled := place(store.Plan{}, wants, named(ids...), inGroup(ids...))
		equal(t, "placements", len(settled.Placements), 11*connectors)
		fewer := inGroup(ids[1:]...).loses(ids[0])
		best := time.Hour
		for range 7 {
			start := processorTime()
			next := place(settled, wants, named(ids[1:]...), fewer)
			best = min(best, processorTime()-start)
			equal(t, "placements", len(next.Placements), 11*connectors)
		}
		return best
	}
	small, large := shortest(10, 200), shortest(100, 2000)
	t.Logf("2,000 tasks: %v, 20,000 tasks: %v", small, large)
	if large > 50*small {
		t.Errorf("ten times as much takes %d times as long", large/small)
	}
}
