package worker

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// heal is what is known about starting a unit again after it has failed (decision D9). Kafka Connect leaves that to people.
type heal struct {
	policy  graph.Healing
	attempt int       // in a row, counting the one that runs or has failed; 0: the first start
	began   time.Time // of this attempt
	ended   time.Time // valid once the unit has ended
	next    time.Time // of the next attempt; zero: not decided yet
	given   bool      // given up, or not to be healed
	timer   *time.Timer
}

// heals decides about a unit that has failed and is still wanted as it is: true when it is time for the next attempt. The
// first time it is asked it makes the decision known in the status.
func (w *Worker) heals(ctx context.Context, u *unit) bool {
	h := &u.heal
	switch {
	case h.given:
		return false
	case !h.next.IsZero():
		if time.Now().Before(h.next) {
			return false
		}
		h.attempt++
		return true
	}
	if h.policy.DelayMax > 0 && h.ended.Sub(h.began) >= h.policy.DelayMax {
		h.attempt = 0 // it had run well
	}
	if hopeless(u.err) || h.attempt >= h.policy.Attempts {
		h.given = true
		if h.attempt > 0 {
			w.Logger.Error("no further attempt to start it again", "connector", u.connector, "task", u.task, "attempts", h.attempt)
		}
		return false
	}
	delay := min(h.policy.Delay<<min(h.attempt, 20), h.policy.DelayMax)
	h.next = h.ended.Add(delay)
	h.timer = time.AfterFunc(time.Until(h.next), w.nudge)
	w.Logger.Warn("it is started again by itself", "connector", u.connector, "task", u.task, "after", delay, "attempt", h.attempt+1)
	u.say(ctx, w, store.Status{
		Connector: u.connector, Task: u.task, State: store.StateFailed, Member: w.Member,
		Trace: u.err.Error(), Attempt: h.attempt, Next: h.next,
	})
	return false
}

// forget stops the clock of a unit that is taken out of the books.
func (h *heal) forget() {
	if h.timer != nil {
		h.timer.Stop()
	}
}

// hopeless reports whether a restart cannot cure an error: a setting that is wrong, what a plugin has marked so, and a
// configuration that does not compile.
func hopeless(err error) bool {
	_, permanent := errors.AsType[*plugin.PermanentError](err)
	_, setting := errors.AsType[*plugin.ConfigError](err)
	return permanent || setting
}

// isPanic reports whether an error is a plugin's panic. Trying the same call again at once would only repeat it.
func isPanic(err error) bool {
	d, ok := errors.AsType[*diag.Diagnostic](err)
	return ok && d.Code == diag.Internal
}
