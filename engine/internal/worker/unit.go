package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/store"
)

// unit is an instance or a task that runs here, or has failed and waits for a change.
type unit struct {
	key
	identity
	cancel   context.CancelFunc
	done     chan struct{} // closed when its goroutine has ended; err is valid from then on
	err      error
	stopping bool // told to stop; only Run's goroutine looks at it
	target   config.Target
	follow   func(config.Target)   // makes it run, pause or rest; never waits
	renew    func(store.Connector) // of an instance: tells it of another revision; never waits
	heal     heal

	mu       sync.Mutex
	epoch    int64        // of its placement
	last     store.Status // what it said of itself last
	replaced bool         // see replace
}

// say tells a status of the unit, for the placement that it has now. It does not wait.
func (u *unit) say(ctx context.Context, w *Worker, s store.Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.replaced && s.State != store.StateFailed {
		return
	}
	s.Epoch, u.last = u.epoch, s
	w.tell.say(ctx, s)
}

// replace says of a task of an older configuration, before it is told to stop, that it runs no more: whoever reads that it does
// takes it for the task of the present one, which may be stored before this one has ended.
func (u *unit) replace(ctx context.Context, w *Worker) {
	u.say(ctx, w, store.Status{Connector: u.connector, Task: u.task, State: store.StateUnassigned, Member: w.Member})
	u.mu.Lock()
	defer u.mu.Unlock()
	u.replaced = true
}

// adopt makes the unit speak for another placement of the same thing: one that was taken away and came back before
// anybody here noticed.
func (u *unit) adopt(ctx context.Context, w *Worker, epoch int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.epoch == epoch {
		return
	}
	u.epoch = epoch
	if u.last.State != "" {
		u.last.Epoch = epoch
		w.tell.say(ctx, u.last)
	}
}

// placed is the epoch of the unit's placement.
func (u *unit) placed() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.epoch
}

func (u *unit) ended() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

func (u *unit) stop() {
	u.stopping = true
	u.cancel()
}

// aim makes a running unit follow the state that was asked for.
func (u *unit) aim(want wish) {
	if want.target != u.target {
		u.target = want.target
		u.follow(u.target)
	}
	if u.renew != nil {
		u.renew(want.connector)
	}
}

// start begins one wish; the goroutine ends in u.done and a nudge.
func (w *Worker) start(ctx context.Context, want wish, attempt int) *unit {
	life, cancel := context.WithCancel(ctx)
	u := &unit{
		key: want.key, identity: want.identity, epoch: want.epoch, cancel: cancel,
		done: make(chan struct{}), target: want.target,
	}
	if want.instance != nil {
		u.heal = heal{policy: want.instance.Healing, attempt: attempt, began: time.Now()}
	}
	report := func(state store.State, err error) {
		if errors.Is(err, task.ErrLease) {
			return // no failure of its own; what it is from now on is for the next who runs it to say
		}
		s := store.Status{Connector: u.connector, Task: u.task, State: state, Member: w.Member}
		if err != nil {
			s.Trace = err.Error()
		}
		u.say(ctx, w, s)
	}
	var run func(context.Context) error
	switch {
	case want.broken != nil:
		u.follow = func(config.Target) {}
		run = func(context.Context) error {
			report(store.StateFailed, want.broken)
			return want.broken
		}
	case want.task == store.Instance:
		i := newInstance(w, want, report)
		u.follow, u.renew, run = i.setTarget, i.renew, i.run
	default:
		t := w.NewTask(Task{Instance: want.instance, Number: want.task, Config: want.config, Report: report, Holds: w.holds()})
		u.follow = func(target config.Target) {
			if target == config.Started {
				t.Resume()
			} else {
				t.Pause()
			}
		}
		run = t.Run
	}
	if u.target != config.Started {
		u.follow(u.target)
	}
	go func() {
		defer w.nudge()
		defer close(u.done)
		defer cancel()
		if u.err = run(life); errors.Is(u.err, task.ErrLease) {
			u.err = nil // the loop looks at the lease before anything is started again
		}
		u.heal.ended = time.Now()
		if u.err != nil && w.Failed != nil {
			w.Failed(u.connector, u.task, u.err)
		}
	}()
	return u
}
