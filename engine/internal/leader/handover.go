package leader

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// slot names an instance or a task.
type slot struct {
	connector string
	task      int
}

func slotOf(p store.Placement) slot { return slot{p.Connector, p.Task} }

// hands is what is known of things that pass from one member to another (rules 6 and 8 of D2). What is not known yet makes
// a plan more careful, never less. nil: there is one member for ever, and nothing passes.
type hands struct {
	said   map[slot]store.Status // the newest status
	here   map[string]bool       // who is in the group and has not parted
	lost   map[string]bool       // who has departed, as was stated, and whose delay has passed
	parted map[string]bool       // who has said that it runs nothing and never will
}

// gone reports whether a member runs nothing any more, whatever it had.
func (h *hands) gone(id string) bool { return h.parted[id] || h.lost[id] && !h.here[id] }

// present are those of some members who have not parted.
func (h *hands) present(all []member.Member) []member.Member {
	if h == nil || len(h.parted) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(m member.Member) bool { return h.parted[m.ID] })
}

// settled reports whether nobody but the placement's member can be running it: who had it before has released it, or the
// member itself has said something since, or there is nobody to wait for.
func (h *hands) settled(p store.Placement) bool {
	if h == nil || p.Follows == "" || h.gone(p.Follows) {
		return true
	}
	s, ok := h.said[slotOf(p)]
	return ok && (s.Member == p.Follows && s.Released && s.Epoch >= p.Epoch || s.Member == p.Member && s.Epoch == p.Epoch)
}

// over reports whether the placement's member does not run it and will not.
func (h *hands) over(p store.Placement) bool {
	if h == nil || h.gone(p.Member) {
		return true
	}
	s, ok := h.said[slotOf(p)]
	released := ok && s.Member == p.Member && s.Released && s.Epoch >= p.Epoch
	return released && (p.Leaving || !h.here[p.Member])
}

// held reports whether the placement stays where it is: its hand-over has not ended, or its member has departed and may
// come back.
func (h *hands) held(p store.Placement) bool {
	switch {
	case h == nil || h.over(p):
		return false
	case h.here[p.Member]:
		return !h.settled(p)
	default:
		return true
	}
}

// before is whom the placement's member still has to wait for.
func (h *hands) before(p store.Placement) string {
	if h.settled(p) {
		return ""
	}
	return p.Follows
}

// follows is whom the next member of what has been placed has to wait for.
func (h *hands) follows(p store.Placement, next string) string {
	before := p.Member
	switch {
	case h == nil:
	case h.over(p), p.Member == next:
		before = h.before(p)
	}
	if before == next {
		return ""
	}
	return before
}

// stay is a placement as the next plan has it when nothing moves: nobody waits for who is gone.
func (h *hands) stay(p store.Placement, epoch int64) store.Placement {
	if p.Leaving {
		return store.Placement{Connector: p.Connector, Task: p.Task, Member: p.Member, Epoch: epoch, Follows: h.before(p)}
	}
	if h != nil && p.Follows != "" && h.gone(p.Follows) {
		p.Follows = ""
	}
	return p
}

// takeAway is what is left in the next plan of what nobody is to run any more; false: nothing.
func (h *hands) takeAway(p store.Placement, epoch int64) (store.Placement, bool) {
	switch {
	case h == nil:
		return p, false
	case h.over(p):
		former := h.before(p)
		return store.Placement{Connector: p.Connector, Task: p.Task, Member: former, Epoch: epoch, Leaving: true}, former != ""
	case p.Leaving:
		if p.Follows != "" && h.gone(p.Follows) {
			p.Follows = ""
		}
		return p, true
	}
	return store.Placement{Connector: p.Connector, Task: p.Task, Member: p.Member, Epoch: epoch, Follows: h.before(p), Leaving: true}, true
}

// pending reports whether the plan may change because of what a status says: something is being handed over or taken away,
// or waits for a member that departed.
func (h *hands) pending(p store.Plan) bool {
	return slices.ContainsFunc(p.Placements, func(pl store.Placement) bool {
		return pl.Leaving || !h.here[pl.Member] || !h.settled(pl)
	})
}

// departed lists who is waited for by a plan, was stated to be gone by it, and is not lost yet.
func (h *hands) departed(p store.Plan) []string {
	missing := map[string]bool{}
	waits := func(id string) {
		if id != "" && !h.here[id] && !h.gone(id) {
			missing[id] = true
		}
	}
	for _, pl := range p.Placements {
		if !h.over(pl) {
			waits(pl.Member)
		}
		waits(h.before(pl))
	}
	for _, id := range p.Members {
		delete(missing, id)
	}
	return slices.Sorted(maps.Keys(missing))
}

// admitted are the members that may be given something, in order of their ID: of those who share an address, the one that
// was here before (rule 5 of D2). refused are the others.
func admitted(previous store.Plan, all []member.Member) (members, refused []member.Member) {
	rank := func(m member.Member) int {
		if slices.Contains(previous.Members, m.ID) {
			return 0
		}
		return 1
	}
	sorted := slices.SortedFunc(slices.Values(all), func(x, y member.Member) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), strings.Compare(x.ID, y.ID))
	})
	taken := map[string]bool{}
	for _, m := range sorted {
		if m.Address != "" && taken[m.Address] {
			refused = append(refused, m)
			continue
		}
		taken[m.Address] = true
		members = append(members, m)
	}
	slices.SortFunc(members, func(x, y member.Member) int { return strings.Compare(x.ID, y.ID) })
	return members, refused
}

// addresses are those of the members and of those who departed and have placements; nil when nobody has one.
func addresses(previous store.Plan, members []member.Member, placements []store.Placement) map[string]string {
	var all map[string]string
	add := func(id, address string) {
		if address == "" {
			return
		}
		if all == nil {
			all = map[string]string{}
		}
		all[id] = address
	}
	for _, m := range members {
		add(m.ID, m.Address)
	}
	for _, p := range placements {
		if _, known := all[p.Member]; !known {
			add(p.Member, previous.Addresses[p.Member])
		}
	}
	return all
}
