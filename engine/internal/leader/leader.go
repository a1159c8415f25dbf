// Package leader is what the leading worker does: it answers requests and publishes plans, in one commit (decisions D2,
// D3). It is the only writer of the configurations' log and calls no plugin; placement and decisions are pure functions.
package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// Store is what a leader needs of a store.
type Store interface {
	store.Log
	Snapshot(ctx context.Context) (*store.Snapshot, error)
}

// Settings are what a leader works with.
type Settings struct {
	Store  Store
	Views  *member.Watch // who is here, and whether this member leads
	Logger *slog.Logger

	// Confirm tests with the group that this member still leads. member.ErrLost: it does not, and a view will say so.
	Confirm func(context.Context) error

	// Needs says which plugins a member must have to run a connector and its tasks: class names as members announce them,
	// to versions, "" being any. nil: every member can run everything. It is called once a revision of a configuration.
	Needs func(config.Map) map[string]string
}

// Run leads whenever a view says that this member does: it claims the log, places what the members of the view are to run,
// and then answers requests, until another leads. It returns nil when ctx is done, and an error when the store is closed
// only; what else goes wrong is told to the log and tried again, with a back-off.
func Run(ctx context.Context, s Settings) error {
	l := &leader{Settings: s, needs: newNeeds(s.Needs)}
	for {
		err := l.untilLeading(ctx)
		if err == nil {
			err = l.term(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end that was asked for
		case errors.Is(err, store.ErrClosed):
			return fmt.Errorf("lead: %w", err)
		case err == nil: // another leads
			l.wait = 0
		default:
			l.backOff(ctx, err)
		}
	}
}

// The wait after a failure doubles from the first to the last.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

type leader struct {
	Settings
	needs *needs
	view  member.View
	seen  int           // the number of view
	wait  time.Duration // of the last back-off; 0: the last commit worked
}

// untilLeading returns once the newest view says that this member leads.
func (l *leader) untilLeading(ctx context.Context) error {
	for l.look(); !l.view.Leads(); {
		var err error
		if l.view, l.seen, err = l.Views.Wait(ctx, l.seen); err != nil {
			return err
		}
	}
	return nil
}

// look takes the newest view.
func (l *leader) look() { l.view, l.seen = l.Views.View() }

// term leads until the view says that another does, which is no error.
func (l *leader) term(ctx context.Context) error {
	// Before the claim, so that a leader who was deposed while it slept does not fence the one who leads; after it, so that
	// one deposed in between publishes nothing (rule 3 of D2).
	if err := l.Confirm(ctx); err != nil {
		return l.lost(ctx, err)
	}
	fence, err := l.Store.Claim(ctx)
	if err != nil {
		return fmt.Errorf("claim the log: %w", err)
	}
	if err := l.Confirm(ctx); err != nil {
		return l.lost(ctx, err)
	}
	level := slog.LevelInfo
	if len(l.view.Members) == 1 {
		level = slog.LevelDebug // nobody wonders who leads a standalone worker
	}
	l.Logger.Log(ctx, level, "leading", "generation", l.view.Generation, "members", len(l.view.Members))
	planned := 0 // the number of the view that the plan is for
	var requests []store.Request
	for l.view.Leads() {
		if err := l.decide(ctx, fence, requests, planned != l.seen); err != nil {
			return err
		}
		planned, l.wait = l.seen, 0
		if requests, err = l.next(ctx); err != nil {
			return fmt.Errorf("read requests: %w", err)
		}
		l.look()
	}
	return nil
}

// lost waits, after a confirmation failed, for the view that says why.
func (l *leader) lost(ctx context.Context, err error) error {
	if !errors.Is(err, member.ErrLost) {
		return fmt.Errorf("confirm leadership: %w", err)
	}
	l.view, l.seen, err = l.Views.Wait(ctx, l.seen)
	return err
}

// decide makes one commit. Requests that cannot be stored are told so at once instead of running into their deadlines.
func (l *leader) decide(ctx context.Context, fence store.Fence, requests []store.Request, replan bool) error {
	snapshot, err := l.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read the configurations: %w", err)
	}
	c := decide(round{
		snapshot: snapshot, requests: requests, members: l.view.Members,
		needs: l.needs.of, replan: replan, now: time.Now(),
	})
	if len(c.Connectors) == 0 && c.Plan == nil && len(c.Answers) == 0 {
		return nil
	}
	_, err = l.Store.Commit(ctx, fence, c)
	if errors.Is(err, store.ErrNotStored) && len(c.Answers) > 0 {
		_, answerErr := l.Store.Commit(ctx, fence, store.Commit{Answers: unstored(c.Answers, err)})
		err = errors.Join(err, answerErr)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	l.needs.forget(c.Connectors)
	if c.Plan != nil {
		l.Logger.Debug("planned", "epoch", c.Plan.Epoch, "placements", len(c.Plan.Placements))
	}
	return nil
}

// unstored are the answers when those that were given could not be stored.
func unstored(answers []store.Answer, err error) []store.Answer {
	told := make([]store.Answer, len(answers))
	for i, a := range answers {
		told[i] = a
		if a.Refusal == "" {
			told[i] = store.Answer{ID: a.ID, Refusal: store.Unstored, Reason: err.Error()}
		}
	}
	return told
}

// next returns the requests that are there, or none when the view changes before there are any.
func (l *leader) next(ctx context.Context) ([]store.Request, error) {
	ctx, wake := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer wake()
		l.Views.Wait(ctx, l.seen) //nolint:errcheck // either way there is nothing more to wait for
	})
	defer wg.Wait()
	defer wake()
	requests, err := l.Store.Requests(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, store.ErrClosed) {
		return nil, nil // woken by a view, or at the end, which the next call to the store notices
	}
	return requests, err
}

// backOff tells what went wrong and waits, longer each time in a row.
func (l *leader) backOff(ctx context.Context, err error) {
	l.wait = min(max(2*l.wait, firstWait), lastWait)
	l.Logger.Warn("leading failed; trying again", "error", err, "wait", l.wait)
	t := time.NewTimer(l.wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
