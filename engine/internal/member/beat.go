package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// beats sends a heartbeat now and then until ctx is done, also while this member joins again: then they keep the lease.
func (g *Group) beats(ctx context.Context) {
	tick := time.NewTicker(g.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g.noteLapse()
		// What goes wrong here is told by the lease that runs out.
		if err := g.beat(ctx); err != nil && ctx.Err() == nil {
			g.Logger.Debug("a heartbeat failed", "group", g.Group, "error", err)
		}
	}
}

// beat sends one heartbeat with the present generation, and takes from the answer what it says: nil and the generation
// when this member is of the group as it is, [ErrLost] when it has to join again, any other error when there was no answer.
func (g *Group) beat(ctx context.Context) error {
	g.mu.Lock()
	client, is := g.client, g.state
	g.mu.Unlock()
	if client == nil || is.member == "" || is.generation <= 0 {
		return ErrLost
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = g.Group, is.member, is.generation
	ctx, cancel := context.WithTimeout(ctx, max(g.Session/2, 100*time.Millisecond))
	defer cancel()
	sent := g.Now()
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	switch err := kerr.ErrorForCode(res.ErrorCode); {
	case err == nil:
		g.answered(sent, is, is.synced)
		if is.joining {
			return ErrLost
		}
		return nil
	case errors.Is(err, kerr.RebalanceInProgress):
		g.answered(sent, is, false)
		g.joinAgain()
		return ErrLost
	case errors.Is(err, kerr.IllegalGeneration): // a member still, of another generation; a join that is under way sees to it
		g.joinAgain()
		return ErrLost
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID):
		g.mu.Lock()
		same := g.state.member == is.member
		g.mu.Unlock()
		if same {
			g.expelled()
			g.joinAgain()
		}
		return ErrLost
	default:
		return fmt.Errorf("heartbeat: %w", err)
	}
}

// joinAgain wakes the one who joins, unless that is being done.
func (g *Group) joinAgain() {
	g.mu.Lock()
	joining := g.state.joining
	g.mu.Unlock()
	if joining {
		return
	}
	select {
	case g.again <- struct{}{}:
	default:
	}
}

// answered counts an answer to what was sent at an instant for a standing that may have changed since.
func (g *Group) answered(sent Instant, was standing, whole bool) {
	g.mu.Lock()
	if g.state.member != was.member || g.state.generation != was.generation {
		g.mu.Unlock()
		return
	}
	lapsed := g.state.out || !g.lease.Holds(g.Now()) // also when nobody here has noticed: others look at the lease, too
	g.renew(sent, whole)
	back := lapsed && g.lease.Holds(g.Now()) && g.view.Self != ""
	if back {
		g.state.out = false
	}
	g.mu.Unlock()
	if back {
		g.Logger.Info("the coordinator of the group is heard of again", "group", g.Group)
		g.tell()
	}
}

// renew counts an answer to what was sent at an instant; whole: all had joined. A member is expelled when it is not heard of
// for a session, counted from when a request arrives, which is after it was sent; or when it has not joined again at the
// end of a rebalance, which began after the last answer of a group that was whole. The lease ends before either. It is
// called with mu held.
func (g *Group) renew(sent Instant, whole bool) {
	g.state.heard = max(g.state.heard, sent)
	if whole {
		g.state.settled = max(g.state.settled, sent)
	}
	if g.state.settled != 0 {
		g.lease = g.lease.Renewed(g.Now(), min(g.state.heard.Add(g.Session), g.state.settled.Add(g.Rebalance)))
	}
}

// noteLapse remembers that the lease ran out, since its return is to be told.
func (g *Group) noteLapse() {
	g.mu.Lock()
	lapsed := !g.state.out && g.view.Self != "" && !g.lease.Holds(g.Now())
	if lapsed {
		g.state.out = true
	}
	g.mu.Unlock()
	if lapsed {
		g.Logger.Warn("the coordinator of the group was not heard of for a session; what runs here stops until it is", "group", g.Group, "session", g.Session)
	}
}

// Lease says until when this worker may run what it has.
func (g *Group) Lease() Lease {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lease
}

// Confirm tests with the coordinator that this member is still of the generation of its newest view, so that nobody else
// can lead (rule 3 of D2). [ErrLost] says that it is not, and that a newer view will come.
func (g *Group) Confirm(ctx context.Context) error {
	err := g.beat(ctx)
	if err != nil && !errors.Is(err, ErrLost) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
