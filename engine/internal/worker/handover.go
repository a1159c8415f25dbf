package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// hands is what is known of things that pass from one worker to another (rules 6 and 7 of D2).
type hands struct {
	term    int64                // of the lease in which the log was last read to its end; lapsed: none
	reading int64                // the term in which it is being read; lapsed: none
	said    map[key]store.Status // the newest statuses that were heard of
	let     map[key]int64        // the epoch that was released here last
	owed    map[key]store.Placement
	given   []store.Placement // by the newest plan
	waiting bool              // something here waits for a status
}

// lapsed is the term of no lease.
const lapsed = -1

// leaseEvery is how often the lease is looked at before its end. Go's timers stand still while the machine is suspended,
// the lease does not, so one timer for its end would be late. That it holds again a view tells.
const leaseEvery = time.Second

func newHands() hands {
	return hands{term: lapsed, reading: lapsed, said: map[key]store.Status{}, let: map[key]int64{}}
}

// read is the end of reading the log to its end in a term of the lease.
type read struct {
	term int64
	err  error
}

// held reports whether this worker may run anything: its lease holds, and it has read the log to its end since the lease
// began to hold, so that it cannot have missed the statement of its own departure. It begins to read when that is missing.
func (w *Worker) held(ctx context.Context) bool {
	lease := w.lease()
	if !lease.Holds(w.now()) {
		if w.hands.term != lapsed {
			w.Logger.Debug("the lease has run out: everything stops until it holds again") // why, the membership tells
		}
		w.hands.term = lapsed
		return false
	}
	if lease.Term() == w.hands.term {
		return true
	}
	if w.hands.term != lapsed { // it ran out and nobody noticed
		w.reconcile(ctx, nil)
	}
	w.hands.term = lapsed
	if w.hands.reading == lapsed {
		w.hands.reading = lease.Term()
		w.beside.Go(func() { w.reads <- read{lease.Term(), w.Configs.Sync(ctx)} })
	}
	return false
}

// caughtUp takes over that the log was read; a term that has ended meanwhile is read in anew. An error is one of the store.
func (w *Worker) caughtUp(r read) error {
	w.hands.reading = lapsed
	if lease := w.lease(); r.err == nil && lease.Term() == r.term && lease.Holds(w.now()) {
		w.hands.term = r.term
	}
	return r.err
}

// watchLease makes the loop look at the lease whenever the membership has changed, until ctx is done.
func (w *Worker) watchLease(ctx context.Context) {
	for seen := 0; ; {
		var err error
		if _, seen, err = w.Views.Wait(ctx, seen); err != nil {
			return
		}
		w.nudge()
	}
}

func (w *Worker) lease() member.Lease {
	if w.Lease == nil {
		return member.Forever()
	}
	return w.Lease()
}

// now is the clock of leases; alone, nobody looks at it.
func (w *Worker) now() member.Instant {
	if w.Lease == nil {
		return 0
	}
	return member.Now()
}

// holds is what tasks ask before they act: whether the lease of the present term still holds. nil: for ever.
func (w *Worker) holds() func() bool {
	if w.Lease == nil {
		return nil
	}
	term := w.hands.term
	return func() bool {
		lease := w.Lease()
		return lease.Term() == term && lease.Holds(member.Now())
	}
}

// take takes over what a plan says of this worker: what it is given, and what it has to let go of.
func (h *hands) take(me string, p *store.Plan) {
	h.given, h.owed, h.waiting = h.given[:0], map[key]store.Placement{}, false
	if !slices.Contains(p.Members, me) {
		return // its departure was stated: it runs nothing, and what it had goes elsewhere after the delay
	}
	for pl := range p.Given(me) {
		h.given = append(h.given, pl)
	}
}

// clear reports whether nobody before the placement's member can be running it any more. Who was there at that epoch, as
// its own status says, had waited already.
func (h *hands) clear(me string, p store.Placement) bool {
	if p.Follows == "" || p.Follows == me && p.Member == me {
		return true
	}
	s, ok := h.said[key{p.Connector, p.Task}]
	if ok && (s.Member == p.Follows && s.Released && s.Epoch >= p.Epoch || s.Member == p.Member && s.Epoch == p.Epoch) {
		return true
	}
	h.waiting = true
	return false
}

// owes lists what must be released here: what others wait for, and what is leaving.
func (h *hands) owes(me string, p store.Plan) {
	for _, pl := range p.Placements {
		if pl.Follows == me && pl.Member != me || pl.Leaving && pl.Member == me {
			h.owed[key{pl.Connector, pl.Task}] = pl
		}
	}
}

// release says of everything that others wait for, and that does not run here, that it never will again by a placement
// that is older: also of what was never started. It says so once, since whoever waited says next that it runs.
func (w *Worker) release(ctx context.Context) {
	for k, pl := range w.hands.owed {
		if _, runs := w.units[k]; runs || w.hands.let[k] >= pl.Epoch || pl.Member == w.Member && !w.hands.clear(w.Member, pl) {
			continue
		}
		w.hands.let[k] = pl.Epoch
		w.tell.say(ctx, store.Status{
			Connector: pl.Connector, Task: pl.Task, State: store.StateUnassigned, Member: w.Member, Epoch: pl.Epoch, Released: true,
		})
	}
	for k := range w.hands.let {
		if _, owed := w.hands.owed[k]; !owed {
			delete(w.hands.let, k)
		}
	}
}

// leaveWithin bounds, at the end, the wait for the leader and for the brokers.
const leaveWithin = 2 * time.Second

// leave says, once nothing runs here any more, that nothing ever will, so that nobody waits for the end of a delay. Whoever
// leads, now or later, takes that from the log; the answer shows that it is there. Who never was a member has nothing to say:
// the topics may be those of a group that has refused it.
func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	if w.Lease != nil && w.Lease() != (member.Lease{}) {
		w.release(ctx)
		_, err := w.Configs.Submit(ctx, store.Request{ID: store.NewID(), Ops: []store.Op{{Part: &store.PartMember{Member: w.Member}}}})
		if err != nil && !errors.Is(err, store.ErrClosed) {
			w.Logger.Debug("nobody has heard yet that this worker leaves", "error", err)
		}
	}
	w.tell.close(ctx)
}

// ears hear of statuses while something waits for one. The zero ears of a worker that is alone hear nothing.
type ears struct {
	timer *time.Timer
	tick  <-chan time.Time // of timer
	heard chan heard
	asks  chan int64
	ended chan struct{}
	after int64
	busy  bool
}

type heard struct {
	statuses []store.Status
	next     int64
	err      error
}

func (w *Worker) listen(ctx context.Context) *ears {
	if w.Lease == nil {
		return &ears{}
	}
	timer := time.NewTimer(leaseEvery)
	e := &ears{timer: timer, tick: timer.C, heard: make(chan heard, 1), asks: make(chan int64, 1), ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		for after := range e.asks {
			statuses, next, err := w.Statuses.Wait(ctx, after)
			e.heard <- heard{statuses, next, err}
		}
	}()
	return e
}

// ask waits for a status if anything needs one, and for the next look at a lease that holds.
func (e *ears) ask(h hands, left time.Duration) {
	if e.asks == nil {
		return
	}
	if e.timer.Stop(); left > 0 {
		e.timer.Reset(min(left, leaseEvery))
	}
	if h.waiting && !e.busy {
		e.busy = true
		e.asks <- e.after
	}
}

// close ends what listens; its context must be done.
func (e *ears) close() {
	if e.asks == nil {
		return
	}
	e.timer.Stop()
	close(e.asks)
	<-e.ended
}

// hear keeps what clear asks for: releases, and what this worker said itself.
func (h *hands) hear(me string, e *ears, of heard) {
	e.busy, e.after = false, of.next
	for _, s := range of.statuses {
		k := key{s.Connector, s.Task}
		if s.Released || s.Member == me {
			h.said[k] = s
		} else {
			delete(h.said, k)
		}
	}
}
