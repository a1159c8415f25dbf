package model

import (
	"fmt"
	"testing"
)

// TestEveryHistoryKeepsTheInvariants searches small clusters, each with other things that happen.
func TestEveryHistoryKeepsTheInvariants(t *testing.T) {
	t.Parallel()
	clusters := []bounds{
		{members: 2, plans: 3, freezes: 1, lapses: 1, claims: 1, deletes: 1},
		{members: 2, plans: 3, lapses: 2, claims: 1},
		{members: 2, plans: 3, lapses: 1, claims: 2, crashes: 1, leaves: 1},
		{members: 2, plans: 4, leaves: 1, deletes: 1},
		{members: 3, plans: 3, leaves: 1, deletes: 1},
		{members: 3, plans: 3, lapses: 1},
		{members: 3, plans: 3, crashes: 1, claims: 1},
	}
	if !testing.Short() {
		clusters = append(clusters,
			bounds{members: 2, plans: 4, freezes: 1, lapses: 1, crashes: 1, claims: 2},
			bounds{members: 2, plans: 4, lapses: 1, leaves: 1, deletes: 1, claims: 1},
			bounds{members: 3, plans: 4, crashes: 1, deletes: 1},
		)
	}
	for _, b := range clusters {
		t.Run(fmt.Sprintf("%+v", b), func(t *testing.T) {
			states, history, broken := all.search(b)
			holds(t, states, history, broken)
		})
	}
}

func without(change func(*rules)) rules {
	r := all
	change(&r)
	return r
}

func (r rules) breaks(t *testing.T, b bounds) {
	t.Helper()
	states, history, broken := r.search(b)
	breaks(t, states, history, broken, "the task")
}

// TestWithoutRule2 numbers plans by the group's generation: a release of an earlier plan counts for a later one.
func TestWithoutRule2(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.epoch = false }).breaks(t, bounds{members: 2, plans: 4})
}

// TestWithoutRule3 lets whoever believes to lead claim and publish.
func TestWithoutRule3(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.claim, r.confirm = false, false }).breaks(t, bounds{members: 2, plans: 4, lapses: 1, claims: 1})
}

// TestWithoutRule6 starts what a plan gives at once.
func TestWithoutRule6(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.handOff = false }).breaks(t, bounds{members: 2, plans: 2})
}

// TestWithoutRule7 runs a task until a plan that was read takes it away.
func TestWithoutRule7(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.lease = false }).breaks(t, bounds{members: 2, plans: 3, lapses: 1})
}

// TestRule3NeedsAHeartbeatBeforeADepartureIsFinal is rule 3 as it was first written: a heartbeat after the claim only.
func TestRule3NeedsAHeartbeatBeforeADepartureIsFinal(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.confirm = false }).breaks(t, bounds{members: 2, plans: 3, lapses: 1})
}

// TestRule8NeedsEveryView counts a delay on although a generation was missed, in which the departed one may have been back.
func TestRule8NeedsEveryView(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.views = false }).breaks(t, bounds{members: 2, plans: 3, lapses: 2})
}

// TestRule7NeedsABarrierAfterALapse starts by the plan that was read before the lapse.
func TestRule7NeedsABarrierAfterALapse(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.barrier = false }).breaks(t, bounds{members: 2, plans: 3, lapses: 1})
}

// TestRule7NeedsTermsOfTheLease goes on with what ran before a lapse that nobody has noticed.
func TestRule7NeedsTermsOfTheLease(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.terms = false }).breaks(t, bounds{members: 2, plans: 3, freezes: 1, lapses: 1})
}

// TestRule6NeedsHandOversToEnd moves a task again while it is being handed over.
func TestRule6NeedsHandOversToEnd(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.pinned = false }).breaks(t, bounds{members: 3, plans: 3})
}

// TestRule8NeedsSilenceBeforeParting says that a worker parts while what it ran is still stopping.
func TestRule8NeedsSilenceBeforeParting(t *testing.T) {
	t.Parallel()
	without(func(r *rules) { r.silent = false }).breaks(t, bounds{members: 2, plans: 3, leaves: 1})
}
