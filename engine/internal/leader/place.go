package leader

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// want is what one connector needs a place for: its instance, and its tasks from 0.
type want struct {
	connector string
	tasks     int
	needs     string // what a member must have to run them, as needsOf makes it; connectors of equal needs share a pool
}

// place makes the plan that follows previous: one placement for each instance and each task, on a member that has what it
// needs. It is deterministic, and
//
//   - sticky: what has a place keeps it unless its member is gone or the balance asks for it;
//   - balanced: among members that can run the same, the number of instances differs by at most one, and so does the
//     number of tasks; with members that differ, nothing could move to one that has at least two fewer;
//   - as still as can be: with equal members, no other balanced plan moves fewer.
//
// What is being handed over, and what waits for a member that departed, stays where it is; the rest is balanced over it.
// Who comes back under the address of one that departed is given what that one had.
//
// What nobody can run has no placement, or one that is leaving. wants are in order of the connector, members in any. When nothing differs, previous
// is returned as it is; else the epoch is the next (rules 2 and 5 of D2).
func place(previous store.Plan, wants []want, members []member.Member, h *hands) store.Plan {
	members, _ = admitted(previous, members)
	b := newBoard(previous, wants, members, h)
	b.level(instances)
	b.level(tasks)
	return b.plan(previous, wants, members)
}

// kind tells instances from tasks, which are balanced apart: an instance is light, a task is not.
type kind int

const (
	instances kind = iota
	tasks
	kinds
)

// board is a plan in the making. Members and pools are numbers, items are in order of connector and task.
type board struct {
	members []string
	items   []item
	pools   []*pool
	load    [kinds][]int // by member
	hands   *hands
	dropped []int32 // of previous.Placements: what is not wanted any more
}

// item is an instance or a task.
type item struct {
	want int32 // of wants
	task int32
	old  int32 // of previous.Placements; -1: had none
	at   int32 // of members; none: has no place; stays: it is where it was
}

const (
	none  = -1
	stays = -2
)

// pool is the items of equal needs and the members that can run them.
type pool struct {
	members []int32
	has     []bool // by member
	items   [kinds][]int32
}

func newBoard(previous store.Plan, wants []want, members []member.Member, h *hands) *board {
	b := &board{hands: h}
	number := make(map[string]int32, len(members))
	for i, m := range members {
		number[m.ID] = int32(i)
		b.members = append(b.members, m.ID)
	}
	for k := range b.load {
		b.load[k] = make([]int, len(members))
	}
	heirs := heirs(previous, members)
	count := 0
	for _, w := range wants {
		count += 1 + w.tasks
	}
	b.items = make([]item, 0, count)
	pools := map[string]*pool{}
	next := 0 // of previous.Placements, which are in the same order
	for n, w := range wants {
		p := pools[w.needs]
		if p == nil {
			p = newPool(w.needs, members)
			pools[w.needs] = p
			b.pools = append(b.pools, p)
		}
		for task := store.Instance; task < w.tasks; task++ {
			for next < len(previous.Placements) && before(previous.Placements[next], w.connector, task) {
				b.dropped = append(b.dropped, int32(next))
				next++
			}
			it := item{want: int32(n), task: int32(task), old: none, at: none}
			if next < len(previous.Placements) && is(previous.Placements[next], w.connector, task) {
				it.old = int32(next)
				next++
				b.keep(p, &it, previous.Placements[it.old], number, heirs)
			}
			b.add(p, it)
		}
	}
	for ; next < len(previous.Placements); next++ {
		b.dropped = append(b.dropped, int32(next))
	}
	// Those with the least choice choose first.
	slices.SortStableFunc(b.pools, func(x, y *pool) int { return cmp.Compare(len(x.members), len(y.members)) })
	return b
}

// heirs are the members who came back under the address of one that is in the plan and not here, by the id of that one.
func heirs(previous store.Plan, members []member.Member) map[string]string {
	at := map[string]string{}
	for _, m := range members {
		if m.Address != "" {
			at[m.Address] = m.ID
		}
	}
	heirs := map[string]string{}
	for id, address := range previous.Addresses {
		if heir, ok := at[address]; ok && heir != id {
			heirs[id] = heir
		}
	}
	return heirs
}

// keep finds the place of an item that has one already.
func (b *board) keep(p *pool, it *item, old store.Placement, number map[string]int32, heirs map[string]string) {
	id := old.Member
	if heir, ok := heirs[id]; ok && b.hands != nil && !b.hands.here[id] && b.hands.settled(old) {
		id = heir
	} else if b.hands.held(old) {
		it.at = stays
		if m, here := number[id]; here { // it is part of what the member has
			b.load[kindOf(it.task)][m]++
		}
		return
	}
	if m, here := number[id]; here && p.has[m] {
		it.at = m
	}
}

func kindOf(task int32) kind {
	if task == store.Instance {
		return instances
	}
	return tasks
}

func (b *board) add(p *pool, it item) {
	if it.at == stays {
		b.items = append(b.items, it)
		return
	}
	k := kindOf(it.task)
	if it.at != none {
		b.load[k][it.at]++
	}
	p.items[k] = append(p.items[k], int32(len(b.items)))
	b.items = append(b.items, it)
}

func newPool(needs string, members []member.Member) *pool {
	p := &pool{has: make([]bool, len(members))}
	parsed := parseNeeds(needs)
	for i, m := range members {
		if m.Runs(parsed) {
			p.has[i] = true
			p.members = append(p.members, int32(i))
		}
	}
	return p
}

func is(p store.Placement, connector string, task int) bool {
	return p.Task == task && p.Connector == connector
}

func before(p store.Placement, connector string, task int) bool {
	if c := strings.Compare(p.Connector, connector); c != 0 {
		return c < 0
	}
	return p.Task < task
}

// level gives every item of a kind its place. A pool levels itself over what the others have given its members; since that
// can unbalance a pool before it, it goes round until all are content. Each move makes the sum of the squared loads less,
// so it ends.
func (b *board) level(k kind) {
	for again := true; again; {
		again = false
		for _, p := range b.pools {
			if b.levelPool(p, k) && len(b.pools) > 1 {
				again = true
			}
		}
	}
}

// levelPool balances the items of one pool and reports whether anything moved.
func (b *board) levelPool(p *pool, k kind) bool {
	if len(p.members) == 0 || len(p.items[k]) == 0 {
		return false
	}
	held := make([]int, len(b.members))
	for _, i := range p.items[k] {
		if at := b.items[i].at; at != none {
			held[at]++
		}
	}
	quota := b.quotas(p, k, held)
	loose := b.shed(p, k, quota)
	b.deal(p, k, quota, loose)
	return len(loose) > 0
}

// quotas says how many of the pool's items each member is to have, by member: as if they were water poured over what the
// members hold of other pools. What does not fill a whole level goes to those who would have to give something away
// otherwise, then to those who have least of everything.
func (b *board) quotas(p *pool, k kind, held []int) []int {
	base := func(m int32) int { return b.load[k][m] - held[m] }
	order := slices.SortedFunc(slices.Values(p.members), func(x, y int32) int { return cmp.Compare(base(x), base(y)) })
	left, level, wet := len(p.items[k]), base(order[0]), 1 // the first wet members of order reach up to level
	for ; wet < len(order); wet++ {
		step := (base(order[wet]) - level) * wet
		if step > left {
			break
		}
		left -= step
		level = base(order[wet])
	}
	level += left / wet
	left %= wet

	quota := make([]int, len(b.members))
	for _, m := range order[:wet] {
		quota[m] = level - base(m)
	}
	takers := order[:wet] // the dry ones reach above level already
	total := func(m int32) int { return b.load[instances][m] + b.load[tasks][m] - held[m] + quota[m] }
	slices.SortStableFunc(takers, func(x, y int32) int {
		keepsX, keepsY := held[x] > quota[x], held[y] > quota[y]
		if keepsX != keepsY {
			if keepsX {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(total(x), total(y)), cmp.Compare(x, y))
	})
	for _, m := range takers[:left] {
		quota[m]++
	}
	return quota
}

// shed takes away what is more than a member's quota, the last items first, and returns what has no place.
func (b *board) shed(p *pool, k kind, quota []int) (loose []int32) {
	kept := make([]int, len(b.members))
	for _, i := range p.items[k] {
		it := &b.items[i]
		switch {
		case it.at == none:
			loose = append(loose, i)
		case kept[it.at] < quota[it.at]:
			kept[it.at]++
		default:
			b.load[k][it.at]--
			it.at = none
			loose = append(loose, i)
		}
	}
	for m, n := range kept {
		quota[m] -= n // what is missing
	}
	return loose
}

// deal gives the loose items to the members that miss some, one each in turn, so that the tasks of a connector spread.
func (b *board) deal(p *pool, k kind, missing []int, loose []int32) {
	takers := slices.DeleteFunc(slices.Clone(p.members), func(m int32) bool { return missing[m] == 0 })
	slices.SortStableFunc(takers, func(x, y int32) int {
		return cmp.Compare(b.load[instances][x]+b.load[tasks][x], b.load[instances][y]+b.load[tasks][y])
	})
	for len(loose) > 0 {
		takers = slices.DeleteFunc(takers, func(m int32) bool { return missing[m] == 0 })
		for _, m := range takers[:min(len(takers), len(loose))] {
			b.items[loose[0]].at = m
			b.load[k][m]++
			missing[m]--
			loose = loose[1:]
		}
	}
}

// plan writes the board down. A placement that stays is the very one of before.
func (b *board) plan(previous store.Plan, wants []want, members []member.Member) store.Plan {
	p := store.Plan{Epoch: previous.Epoch + 1, Members: b.members, Placements: make([]store.Placement, 0, len(b.items))}
	for _, it := range b.items {
		if pl, ok := b.placement(it, previous, wants, p.Epoch); ok {
			p.Placements = append(p.Placements, pl)
		}
	}
	wanted := len(p.Placements)
	for _, i := range b.dropped {
		if pl, ok := b.hands.takeAway(previous.Placements[i], p.Epoch); ok {
			p.Placements = append(p.Placements, pl)
		}
	}
	if len(p.Placements) > wanted {
		slices.SortFunc(p.Placements, func(x, y store.Placement) int {
			return cmp.Or(strings.Compare(x.Connector, y.Connector), cmp.Compare(x.Task, y.Task))
		})
	}
	p.Addresses = addresses(previous, members, p.Placements)
	if slices.Equal(p.Members, previous.Members) && maps.Equal(p.Addresses, previous.Addresses) && slices.Equal(p.Placements, previous.Placements) {
		return previous
	}
	return p
}

// placement is that of one item; false: it has none.
func (b *board) placement(it item, previous store.Plan, wants []want, epoch int64) (store.Placement, bool) {
	if it.old == none {
		if it.at == none {
			return store.Placement{}, false
		}
		return store.Placement{Connector: wants[it.want].connector, Task: int(it.task), Member: b.members[it.at], Epoch: epoch}, true
	}
	old := previous.Placements[it.old]
	switch {
	case it.at == none:
		return b.hands.takeAway(old, epoch)
	case it.at == stays, old.Member == b.members[it.at]:
		return b.hands.stay(old, epoch), true
	}
	to := b.members[it.at]
	return store.Placement{Connector: old.Connector, Task: old.Task, Member: to, Epoch: epoch, Follows: b.hands.follows(old, to)}, true
}
