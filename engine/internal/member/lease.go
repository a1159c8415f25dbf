package member

import (
	"math"
	"time"
)

// Instant is a moment on a clock that never stands still or jumps while the machine runs or sleeps: the time since it was
// started. It has no meaning on another machine.
type Instant time.Duration

// Add is the instant that lies d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Lease says until when a worker may run what it has (rule 7 of D2). The zero Lease has run out. An answer that says that the
// member must join again renews it up to the rebalance time-out after the last one that did not: a member that does not
// join in time is expelled although its heartbeats are answered.
//
// A lease has a term, which changes whenever it had run out, noticed or not: what ran in an earlier term must have stopped,
// and does not go on because the lease holds again.
type Lease struct {
	until Instant
	term  int64
}

// LeaseUntil is a lease that runs out at an instant: the send time of the last answered heartbeat, plus the session.
func LeaseUntil(i Instant) Lease { return Lease{until: i} }

// Forever is a lease that does not run out.
func Forever() Lease { return Lease{until: math.MaxInt64} }

// Renewed is the lease after an answered heartbeat. It is of the same term unless l had run out by now.
func (l Lease) Renewed(now, until Instant) Lease {
	if !l.Holds(now) {
		return l.Anew(until)
	}
	return Lease{until, l.term}
}

// Anew is the lease of a member that has joined again after it was expelled: of another term, whether l still holds or not.
func (l Lease) Anew(until Instant) Lease { return Lease{until, l.term + 1} }

// Term tells one unbroken time that the lease held from the next.
func (l Lease) Term() int64 { return l.term }

// Holds reports whether the worker may still run what it has.
func (l Lease) Holds(now Instant) bool { return now < l.until }

// Until is when the lease runs out; ok is false when it does not.
func (l Lease) Until() (at Instant, ok bool) { return l.until, l.until != math.MaxInt64 }

// Left is how long the lease holds from now on, 0 when it has run out.
func (l Lease) Left(now Instant) time.Duration {
	if !l.Holds(now) {
		return 0
	}
	return time.Duration(l.until - now)
}
