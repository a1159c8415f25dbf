package model

// rules are those of decision D2 that can be switched off, and what was added to them.
type rules struct {
	epoch   bool // 2: one more than the newest in the log, not the group's generation
	claim   bool // 3: a heartbeat before and after the claim
	handOff bool // 6: the taker waits for the release
	lease   bool // 7: a worker stops by itself when its lease ends

	confirm bool // 3, mended: a heartbeat before a departure is taken for final
	views   bool // 8, mended: who has missed a generation counts the delays anew
	barrier bool // 7, mended: after a lapse a worker reads the log to its end before it starts anything
	pinned  bool // 6, mended: what is being handed over is not moved again
	terms   bool // 7, mended: what a lapse of the lease has ended does not go on when the lease holds again
	silent  bool // 8, mended: who parts says so once nothing runs there, and starts nothing afterwards
}

var all = rules{
	epoch: true, claim: true, handOff: true, lease: true, confirm: true, views: true, barrier: true, pinned: true, terms: true, silent: true,
}

// bounds are how often things happen that nobody in the cluster decides.
type bounds struct{ members, plans, freezes, lapses, crashes, leaves, claims, deletes int8 }

// plan is a committed plan of a cluster with one task.
type plan struct {
	members uint8
	at      int8 // none: there is no such task
	follows int8
	leaving bool
	epoch   int8 // of the plan that gave or took the task
	head    int8 // of this plan
}

const (
	none     = int8(-1)
	maxPlans = 6
)

// How a task is in a process.
const (
	off = iota
	running
	stopping
)

// How far a member is with leading.
const (
	follower = iota
	confirmed
	claimed
	leading
)

type process struct {
	frozen, dead bool
	lapsed       bool  // the lease has run out since the task was started here
	late         bool  // has slept while its lease ran out: it stops later than the others count on, but sends nothing more
	lease        bool  // holds
	synced       bool  // has read the log to its end since the lease began to hold
	run          int8  // off, running, stopping
	pos          int8  // how many plans it has read
	view         uint8 // who is here, as it knows
	gen          int8  // of the view
	stage        int8
	passed       uint8 // departures that were stated and whose delay has passed, as it knows
	final        uint8 // those of them that a heartbeat has confirmed
	heard        uint8 // who parts, as it has read while it leads
	ending       bool  // was told to stop: it starts nothing more
	parted       bool  // has said that it parts
}

// cluster is a state.
type cluster struct {
	log   [maxPlans]plan
	plans int8
	slot  struct { // the newest status of the task
		by, epoch int8
		released  bool
	}
	in    uint8 // the group, as the coordinator has it; the first of them leads
	parts uint8 // who has said in the log that it parts, and no plan has answered
	gen   int8
	owner int8 // who claimed the log last
	left  bounds
	p     [3]process
}

func bit(m int8) uint8 { return 1 << m }

func leaderOf(view uint8) int8 {
	for m := range int8(3) {
		if view&bit(m) != 0 {
			return m
		}
	}
	return none
}

// start is a settled cluster whose task runs at a member; A leads.
func start(b bounds, at int8) cluster {
	everyone := bit(b.members) - 1
	c := cluster{plans: 1, in: everyone, gen: 1, owner: 0, left: b}
	c.log[0] = plan{members: everyone, at: at, follows: none, epoch: 1, head: 1}
	c.slot.by, c.slot.epoch = at, 1
	for m := range b.members {
		c.p[m] = process{lease: true, synced: true, pos: 1, view: everyone, gen: 1}
	}
	for m := b.members; m < 3; m++ {
		c.p[m].dead = true
	}
	c.p[at].run, c.p[0].stage = running, leading
	return c
}

func (c *cluster) newest() plan { return c.log[c.plans-1] }

// released: the member has let go of the task at the epoch or later, as the newest status says.
func (c *cluster) released(m, epoch int8) bool {
	return c.slot.by == m && c.slot.epoch >= epoch && c.slot.released
}

// clear: nobody before the plan's member can be running the task.
func (c *cluster) clear(p plan) bool {
	return p.follows == none || c.released(p.follows, p.epoch) || c.slot.by == p.at && c.slot.epoch == p.epoch
}

// put writes a status; a late word of an older epoch loses.
func (c *cluster) put(by, epoch int8, released bool) {
	if epoch >= c.slot.epoch {
		c.slot.by, c.slot.epoch, c.slot.released = by, epoch, released
	}
}

// active: the task sends records from there.
func (c *cluster) active(m int8, r rules) bool {
	p := c.p[m]
	return p.run == running && !p.frozen && !p.dead && (p.lease && !p.lapsed || !r.lease)
}

// steps tells every next state, and ends with what the last one told breaks.
func (r rules) steps(c cluster, tell func(cluster, move) bool) (broken string) {
	for m := range c.left.members {
		p := &c.p[m]
		if p.dead {
			continue
		}
		r.world(c, m, tell)
		if p.frozen {
			continue
		}
		if broken := r.work(c, m, tell); broken != "" {
			return broken
		}
		r.lead(c, m, tell)
	}
	return r.twice(c)
}

// twice: two processes send the records of one task (invariant 5).
func (r rules) twice(c cluster) string {
	var who []int8
	for m := range c.left.members {
		if c.active(m, r) {
			who = append(who, m)
		}
	}
	if len(who) > 1 {
		return "the task runs at " + name(who[0]) + " and at " + name(who[1])
	}
	return ""
}

// world is what happens to a process.
func (r rules) world(c cluster, m int8, tell func(cluster, move) bool) {
	is := c.p[m]
	do := func(what string, change func(c *cluster, p *process)) {
		next := c
		change(&next, &next.p[m])
		tell(next, move{what, m, 0})
	}
	if is.frozen {
		do("%s wakes up", func(_ *cluster, p *process) { p.frozen, p.late = false, p.lapsed })
	} else if c.left.freezes > 0 {
		do("%s freezes", func(c *cluster, p *process) { p.frozen = true; c.left.freezes-- })
	}
	if is.lease && c.left.lapses > 0 {
		do("the lease of %s runs out: no heartbeat of it was answered", func(c *cluster, p *process) { p.lease, p.lapsed = false, p.run != off; c.left.lapses-- })
	}
	if !is.lease && c.in&bit(m) != 0 {
		do("the coordinator expels %s", func(c *cluster, _ *process) { c.in &^= bit(m); c.gen++ })
	}
	if c.left.crashes > 0 {
		do("%s is killed", func(c *cluster, p *process) { *p = process{dead: true}; c.left.crashes-- })
	}
	if is.dead || is.frozen {
		return
	}
	if !is.lease {
		do("a heartbeat of %s is answered, after it has joined again if it had been expelled", func(c *cluster, p *process) {
			if c.in&bit(m) == 0 {
				c.in |= bit(m)
				c.gen++
				p.view, p.gen = c.in, c.gen
				p.follow()
			}
			p.lease, p.synced = true, !r.barrier
			switch {
			case r.terms && r.lease && p.run == running:
				p.run = stopping
			case !r.terms && p.run == running:
				p.lapsed, p.late = false, false
			}
		})
	}
	if is.lease && c.in&bit(m) != 0 && is.gen != c.gen {
		do("%s learns who is in the group now", func(c *cluster, p *process) {
			if r.views && c.gen > p.gen+1 {
				p.passed, p.final = 0, 0
			}
			p.view, p.gen = c.in, c.gen
			p.passed &^= c.in
			p.final &^= c.in
			if leaderOf(c.in) != m {
				p.follow()
			}
		})
	}
}

// follow forgets what a leader knows.
func (p *process) follow() { p.stage, p.passed, p.final, p.heard = follower, 0, 0, 0 }

// work is what a worker does.
func (r rules) work(c cluster, m int8, tell func(cluster, move) bool) string {
	is := c.p[m]
	do := func(what string, change func(c *cluster, p *process)) cluster {
		next := c
		change(&next, &next.p[m])
		tell(next, move{what, m, 0})
		return next
	}
	if is.pos < c.plans {
		do("%s reads the next plan", func(c *cluster, p *process) {
			p.pos++
			p.obey(c.log[p.pos-1], m)
		})
	}
	if is.lease && !is.synced {
		do("%s reads the log to its end", func(c *cluster, p *process) {
			p.pos, p.synced = c.plans, true
			p.obey(c.newest(), m)
		})
	}
	if is.run == running && is.lapsed && r.lease {
		do("%s notices that its lease has run out and begins to stop", func(_ *cluster, p *process) { p.run = stopping })
	}
	if is.run == stopping {
		do("%s has stopped the task", func(_ *cluster, p *process) { p.run, p.lapsed, p.late = off, false, false })
	}
	seen := c.log[is.pos-1]
	here := seen.at == m && !seen.leaving && seen.members&bit(m) != 0
	if here && is.run == off && !is.ending && is.synced && (is.lease || !r.lease) && (!r.handOff || c.clear(seen)) {
		next := do("%s starts the task", func(c *cluster, p *process) {
			p.run = running
			c.put(m, seen.epoch, false)
		})
		for other := range c.left.members {
			if o := next.p[other]; other != m && o.run != off && !o.frozen && !o.dead && !o.late {
				return name(m) + " starts the task while " + name(other) + " has not stopped it"
			}
		}
	}
	if is.run == off && !c.released(m, seen.epoch) && (seen.follows == m || seen.at == m && seen.leaving && c.clear(seen)) {
		do("%s releases the task for the epoch of the plan that it has read", func(c *cluster, _ *process) { c.put(m, seen.epoch, true) })
	}
	r.leave(c, m, do)
	return ""
}

// leave is the end of a worker in peace. It leads on until it has left the group.
func (r rules) leave(c cluster, m int8, do func(string, func(*cluster, *process)) cluster) {
	is := c.p[m]
	switch {
	case !is.ending && c.left.leaves > 0:
		do("%s is told to end", func(c *cluster, p *process) {
			p.ending = true
			c.left.leaves--
			if p.run == running {
				p.run = stopping
			}
		})
	case is.ending && !is.parted && (is.run == off || !r.silent):
		do("%s says that it parts", func(c *cluster, p *process) { p.parted = true; c.parts |= bit(m) })
	case is.parted && is.run == off:
		do("%s leaves the group", func(c *cluster, p *process) {
			*p = process{dead: true}
			if c.in&bit(m) != 0 {
				c.in &^= bit(m)
				c.gen++
			}
		})
	}
}

// obey stops what a plan that was read does not give any more.
func (p *process) obey(seen plan, m int8) {
	if p.run == running && (seen.at != m || seen.leaving || seen.members&bit(m) == 0) {
		p.run = stopping
	}
}

// lead is what a leader does, and whoever believes to be one.
func (r rules) lead(c cluster, m int8, tell func(cluster, move) bool) {
	is := c.p[m]
	if leaderOf(is.view) != m {
		return
	}
	do := func(what string, b int8, change func(c *cluster, p *process)) {
		next := c
		change(&next, &next.p[m])
		tell(next, move{what, m, b})
	}
	still := is.gen == c.gen && c.in&bit(m) != 0
	switch {
	case is.stage == follower && !r.claim && c.left.claims > 0:
		do("%s claims the log", 0, func(c *cluster, p *process) { c.owner, p.stage = m, leading; c.left.claims-- })
	case is.stage == follower && r.claim && still && c.left.claims > 0:
		do("a heartbeat confirms that %s leads", 0, func(_ *cluster, p *process) { p.stage = confirmed })
	case is.stage == confirmed && c.left.claims > 0:
		do("%s claims the log", 0, func(c *cluster, p *process) { c.owner, p.stage = m, claimed; c.left.claims-- })
	case is.stage == claimed && still:
		do("a heartbeat confirms after the claim that %s leads", 0, func(_ *cluster, p *process) { p.stage = leading })
	case is.stage == leading && c.owner != m:
		do("%s finds that another has claimed since", 0, func(_ *cluster, p *process) { p.follow() })
	}
	if is.stage != leading || c.owner != m {
		return
	}
	last := c.newest()
	for x := range c.left.members {
		o := c.p[x]
		if c.parts&bit(x) != 0 && is.heard&bit(x) == 0 {
			do("%s reads that %s parts", x, func(_ *cluster, p *process) { p.heard |= bit(x) })
		}
		gone := is.view&bit(x) == 0 && last.members&bit(x) == 0 && x != m
		// The delay is longer than a stop takes, so who could stop by itself has done so.
		stopped := !r.lease || o.dead || o.frozen || o.late || !o.lapsed
		if gone && stopped && is.passed&bit(x) == 0 {
			do("as %s sees it, the delay after the stated departure of %s has passed", x, func(_ *cluster, p *process) { p.passed |= bit(x) })
		}
		if is.passed&bit(x) != 0 && is.final&bit(x) == 0 && (still || !r.confirm) {
			do("a heartbeat confirms the view of %s: %s is gone for good", x, func(_ *cluster, p *process) { p.final |= bit(x) })
		}
	}
	if c.plans < c.left.plans {
		r.publish(c, m, tell)
	}
}

// publish tries every plan that the rules of placement and hand-over allow.
func (r rules) publish(c cluster, m int8, tell func(cluster, move) bool) {
	is, last := c.p[m], c.newest()
	epoch := last.head + 1
	if !r.epoch {
		epoch = is.gen
	}
	present := is.view &^ is.heard
	write := func(what string, p plan, b int8) {
		p.members, p.head = present, epoch
		next := c
		next.parts &^= is.heard
		next.log[next.plans] = p
		next.plans++
		tell(next, move{what, m, b})
	}
	gone := func(x int8) bool {
		return (is.final|is.heard)&bit(x) != 0 || present&bit(x) == 0 && c.released(x, last.epoch)
	}
	stays := last
	if last.follows != none && gone(last.follows) {
		stays.follows = none
	}
	if stays != last || last.members != present {
		write("%s publishes who is here and leaves the task where it is", stays, 0)
	}
	if last.at == none {
		for to := range c.left.members {
			if present&bit(to) != 0 {
				write("%s publishes a plan that gives the task to %s", plan{at: to, follows: none, epoch: epoch}, to)
			}
		}
		return
	}
	settled := c.clear(last) || stays.follows == none
	before := none // who must be waited for besides the one who has it now
	if !settled {
		before = last.follows
	}
	if last.leaving && settled && (gone(last.at) || c.released(last.at, last.epoch)) {
		write("%s publishes a plan without the task", plan{at: none, follows: none}, 0)
	}
	if !last.leaving && c.left.deletes > 0 {
		next := c
		c.left.deletes--
		write("%s publishes a plan that takes the task away", plan{at: last.at, follows: before, leaving: true, epoch: epoch}, 0)
		c = next
	}
	for to := range c.left.members {
		p := plan{at: to, follows: last.at, epoch: epoch}
		switch {
		case present&bit(to) == 0:
			continue
		case gone(last.at):
			p.follows = before
		case to == last.at && last.leaving:
			p.follows = before
		case to == last.at, r.pinned && (!settled || present&bit(last.at) == 0):
			continue
		case last.leaving && c.released(last.at, last.epoch):
			p.follows = none
		}
		if p.follows == to {
			p.follows = none
		}
		write("%s publishes a plan that gives the task to %s", p, to)
	}
}

func (r rules) search(b bounds) (int, []move, string) {
	var first []cluster
	for at := range b.members {
		first = append(first, start(b, at))
	}
	return search(first, r.steps)
}
