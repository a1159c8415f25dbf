package worker

import (
	"context"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// unit is an instance or a task that runs here, or has failed and waits for a change.
type unit struct {
	key
	identity
	epoch    int64
	cancel   context.CancelFunc
	done     chan struct{} // closed when its goroutine has ended; err is valid from then on
	err      error
	stopping bool // told to stop; only Run's goroutine looks at it
	target   config.Target
	follow   func(config.Target) // makes it run, pause or rest; never waits
	heal     heal
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
	// Statuses are written for as long as the unit ends, so their context outlives the stop.
	report := func(state store.State, err error) {
		s := store.Status{Connector: u.connector, Task: u.task, State: state, Member: w.Member, Epoch: u.epoch}
		if err != nil {
			s.Trace = err.Error()
		}
		w.report(context.WithoutCancel(ctx), s)
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
		u.follow, run = i.setTarget, i.run
	default:
		t := w.NewTask(Task{Instance: want.instance, Number: want.task, Config: want.config, Report: report})
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
		u.err = run(life)
		u.heal.ended = time.Now()
		if u.err != nil && w.Failed != nil {
			w.Failed(u.connector, u.task, u.err)
		}
	}()
	return u
}
