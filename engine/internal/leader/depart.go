package leader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// departures is what a leader keeps in mind of members that went and of what passes between those that are here, for one
// term. It is made of the log and of statuses, so that the next leader finds the same; only the delays begin anew with it.
// A nil departures, of a leader that is alone, knows of nothing.
type departures struct {
	hands
	statuses store.Statuses
	delay    time.Duration
	since    map[string]time.Time // when a departure was stated, as far as this leader knows
	after    int64                // of Statuses.Wait
	pending  bool                 // a status may change the plan
	heard    []store.Status       // since the last look
	refused  map[string]bool      // members who have been told that their address is taken
}

// settleDown is how long a leader waits for more statuses after it has heard of one: a hand-over does not wait for the
// leader, only the next balancing does.
const settleDown = 100 * time.Millisecond

func (l *leader) newDepartures(ctx context.Context) (*departures, error) {
	if l.Statuses == nil {
		return nil, nil //nolint:nilnil // nothing to know
	}
	d := &departures{
		hands:    hands{said: map[slot]store.Status{}, lost: map[string]bool{}, parted: map[string]bool{}},
		statuses: l.Statuses, delay: l.Delay, since: map[string]time.Time{}, refused: map[string]bool{},
	}
	if err := d.refresh(ctx, l); err != nil {
		return nil, err
	}
	return d, d.forget(ctx, l)
}

// known is what a decision has to know; nil: nothing.
func (d *departures) known() *hands {
	if d == nil {
		return nil
	}
	return &d.hands
}

// refresh reads the present view and all statuses: who left in peace has released everything before.
func (d *departures) refresh(ctx context.Context, l *leader) error {
	d.here = map[string]bool{}
	for _, m := range d.present(l.view.Members) {
		d.here[m.ID] = true
		delete(d.since, m.ID)
		delete(d.lost, m.ID)
	}
	all, err := d.statuses.All(ctx)
	if err != nil {
		return fmt.Errorf("read the statuses: %w", err)
	}
	d.hear(all)
	return nil
}

// part takes over who says that it parts, and reports whether anybody does. It is true whatever becomes of the request.
func (d *departures) part(l *leader, requests []store.Request) (any bool) {
	if d == nil {
		return false
	}
	for _, q := range requests {
		for _, op := range q.Ops {
			if op.Part == nil || op.Part.Member == "" {
				continue
			}
			any = true
			id := op.Part.Member
			if !d.parted[id] {
				l.Logger.Info("a worker leaves; others run what it ran", "member", id)
			}
			d.parted[id] = true
			delete(d.here, id)
			delete(d.since, id)
		}
	}
	return any
}

func (d *departures) hear(statuses []store.Status) {
	for _, s := range statuses {
		d.said[slot{s.Connector, s.Task}] = s
	}
}

// look takes over what has happened since the last decision, and reports whether a plan may follow from it. views is how
// many views there were, generation that of the last one.
func (d *departures) look(ctx context.Context, l *leader, views int, generation int64) (replan bool, err error) {
	if d == nil {
		return views > 0, nil
	}
	replan = views > 0 || len(d.heard) > 0
	d.hear(d.heard)
	d.heard = nil
	if views > 0 {
		if views > 1 || l.view.Generation != generation && l.view.Generation != generation+1 {
			// In a view that was missed, who is gone now may have been here.
			clear(d.since)
			clear(d.lost)
		}
		if err := d.refresh(ctx, l); err != nil {
			return false, err
		}
		d.refuse(ctx, l)
	}
	due, err := d.due(ctx, l)
	return replan || due, err
}

// due takes departures for final whose delay has passed, if the group confirms that the view still is its own: a stale
// leader may have stated the departure of somebody who is back (rule 3 of D2, as mended).
func (d *departures) due(ctx context.Context, l *leader) (bool, error) {
	var passed []string
	for id, at := range d.since {
		if time.Since(at) >= d.delay {
			passed = append(passed, id)
		}
	}
	if len(passed) == 0 {
		return false, nil
	}
	if err := l.Confirm(ctx); err != nil {
		if !errors.Is(err, member.ErrLost) {
			return false, fmt.Errorf("confirm a departure: %w", err)
		}
		if err := l.lost(ctx, err); err != nil {
			return false, err
		}
		clear(d.since)
		return true, d.refresh(ctx, l)
	}
	for _, id := range passed {
		l.Logger.Info("a worker has not come back; others run what it ran", "member", id, "after", d.delay)
		d.lost[id] = true
		delete(d.since, id)
	}
	return true, nil
}

// refuse tells, once each, of members that are given nothing since another has their address.
func (d *departures) refuse(ctx context.Context, l *leader) {
	snapshot, err := l.Store.Snapshot(ctx)
	if err != nil {
		return // the next call to the store tells
	}
	_, refused := admitted(snapshot.Plan, d.present(l.view.Members))
	told := map[string]bool{}
	for _, m := range refused {
		if told[m.ID] = true; !d.refused[m.ID] {
			l.Logger.Error("two workers have one address: the later one is given nothing to run until the other is gone. Give each its own rest.advertised.host.name and rest.advertised.port", "address", m.Address, "member", m.ID)
		}
	}
	d.refused = told
}

// planned follows a commit: delays begin for those whose departure it has stated, and what nobody runs or releases any
// more is forgotten.
func (d *departures) planned(ctx context.Context, l *leader, before, now store.Plan) error {
	if d == nil {
		return nil
	}
	departed := d.departed(now)
	for _, id := range departed {
		if _, known := d.since[id]; !known {
			l.Logger.Info("a worker is gone; what it ran waits for it to come back", "member", id, "for", d.delay)
			d.since[id] = time.Now()
		}
	}
	maps.DeleteFunc(d.since, func(id string, _ time.Time) bool { return !slices.Contains(departed, id) })
	d.pending = d.hands.pending(now)
	if before.Epoch == now.Epoch {
		return nil
	}
	return d.forget(ctx, l)
}

// forget drops the statuses of connectors that are neither stored nor being taken away.
func (d *departures) forget(ctx context.Context, l *leader) error {
	snapshot, err := l.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read the configurations: %w", err)
	}
	placed := map[string]bool{}
	for _, p := range snapshot.Plan.Placements {
		placed[p.Connector] = true
	}
	gone := map[string]bool{}
	for s := range d.said {
		if _, stored := snapshot.Connectors[s.connector]; !stored && !placed[s.connector] {
			gone[s.connector] = true
			delete(d.said, s)
		}
	}
	for connector := range gone {
		if err := d.statuses.Forget(ctx, connector); err != nil {
			return fmt.Errorf("forget the statuses of %s: %w", connector, err)
		}
	}
	return nil
}

// wait calls wake once a delay has passed or a status was heard that may change the plan, and returns then or when ctx is
// done.
func (d *departures) wait(ctx context.Context, wake func()) {
	if at, ok := d.next(); ok {
		timer := time.AfterFunc(time.Until(at), wake)
		defer timer.Stop()
	}
	if !d.pending {
		<-ctx.Done()
		return
	}
	var timer *time.Timer
	for ctx.Err() == nil {
		statuses, after, err := d.statuses.Wait(ctx, d.after)
		if err != nil {
			<-ctx.Done() // ended, or closed, which the next call to the store tells
			return
		}
		d.after = after
		d.heard = append(d.heard, statuses...)
		if timer == nil {
			timer = time.AfterFunc(settleDown, wake)
			defer timer.Stop()
		}
	}
}

// next is when the next delay has passed.
func (d *departures) next() (at time.Time, ok bool) {
	for _, since := range d.since {
		if end := since.Add(d.delay); !ok || end.Before(at) {
			at, ok = end, true
		}
	}
	return at, ok
}
