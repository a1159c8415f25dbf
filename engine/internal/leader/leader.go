// Package leader is what the leading worker does: it answers requests and publishes plans, in one commit (decisions D2,
// D3). It is the only writer of the configurations' log and calls no plugin; placement and decisions are pure functions.
//
// Who may run what, and when, is in engine/decisions/distributed.md; package model checks it.
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
	// Statuses tells who has let go of what. nil: this member is alone for ever and hands nothing over.
	Statuses store.Statuses
	// Delay is how long what a departed member had waits for it to come back (Kafka Connect:
	// scheduled.rebalance.max.delay.ms), and within which every worker ends by itself what it may no longer run: at least
	// StopBudget and a second (rule 7 of D2). Neither is needed without Statuses.
	Delay, StopBudget time.Duration
}

// check holds the delay against the stop budget.
func (s *Settings) check() error {
	if least := s.StopBudget + time.Second; s.Statuses != nil && s.Delay < least {
		return fmt.Errorf("a departed worker's tasks would wait %v for it (scheduled.rebalance.max.delay.ms), but it may need "+
			"%v to stop by itself (task.shutdown.graceful.timeout.ms): the delay must be at least %v", s.Delay, s.StopBudget, least)
	}
	return nil
}

// Run leads whenever a view says that this member does: it claims the log, places what the members of the view are to run,
// and then answers requests, until another leads. It returns nil when ctx is done, and an error when the store is closed
// only, or when the settings are wrong; what else goes wrong is told to the log and tried again, with a back-off.
func Run(ctx context.Context, s Settings) error {
	if err := s.check(); err != nil {
		return err
	}
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
	watch *departures   // nil without Settings.Statuses
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
	if l.watch, err = l.newDepartures(ctx); err != nil {
		return err
	}
	var requests []store.Request
	for replan := true; l.view.Leads(); {
		replan = l.watch.part(l, requests) || replan
		if err := l.decide(ctx, fence, requests, replan); err != nil {
			return err
		}
		l.wait = 0
		if requests, err = l.next(ctx); err != nil {
			return fmt.Errorf("read requests: %w", err)
		}
		seen, generation := l.seen, l.view.Generation
		l.look()
		if replan, err = l.watch.look(ctx, l, l.seen-seen, generation); err != nil {
			return err
		}
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
	r := round{
		snapshot: snapshot, requests: requests, members: l.watch.known().present(l.view.Members), hands: l.watch.known(),
		needs: l.needs.of, replan: replan, now: time.Now(), tooLarge: map[string]string{},
	}
	c, err := l.commit(ctx, fence, r)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	l.needs.forget(c.Connectors)
	next := snapshot.Plan
	if c.Plan != nil {
		next = *c.Plan
		l.Logger.Debug("planned", "epoch", next.Epoch, "placements", len(next.Placements))
	}
	return l.watch.planned(ctx, l, snapshot.Plan, next)
}

// commit decides and commits. A connector whose record the log does not take is refused, and the rest decided anew.
func (l *leader) commit(ctx context.Context, fence store.Fence, r round) (store.Commit, error) {
	for {
		c := decide(r)
		if len(c.Connectors) == 0 && c.Plan == nil && len(c.Answers) == 0 {
			return c, nil
		}
		_, err := l.Store.Commit(ctx, fence, c)
		large, ok := errors.AsType[*store.TooLargeError](err)
		if ok && c.Connectors[large.Connector] != nil && r.tooLarge[large.Connector] == "" {
			r.tooLarge[large.Connector] = tooLarge(large)
			continue
		}
		if errors.Is(err, store.ErrNotStored) && len(c.Answers) > 0 {
			_, answerErr := l.Store.Commit(ctx, fence, store.Commit{Answers: unstored(c.Answers, err)})
			err = errors.Join(err, answerErr)
		}
		return c, err
	}
}

func tooLarge(e *store.TooLargeError) string {
	return fmt.Sprintf("The configuration of connector %s, or that of one of its tasks, makes a record of %d bytes; the config "+
		"topic takes at most %d. Make it smaller, or raise max.message.bytes of the topic and producer.max.request.size.", e.Connector, e.Bytes, e.Limit)
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

// next returns the requests that are there, or none when before there are any the view changes, a delay has passed, or a
// member has let go of something.
func (l *leader) next(ctx context.Context) ([]store.Request, error) {
	ctx, wake := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer wake()
		l.Views.Wait(ctx, l.seen) //nolint:errcheck // either way there is nothing more to wait for
	})
	if l.watch != nil {
		wg.Go(func() {
			l.watch.wait(ctx, wake)
		})
	}
	defer wg.Wait()
	defer wake()
	requests, err := l.Store.Requests(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, store.ErrClosed) {
		return nil, nil // woken, or at the end, which the next call to the store notices
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
