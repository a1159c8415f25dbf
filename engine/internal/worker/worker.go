// Package worker makes what runs in this process equal to what the plan gives it.
//
// [Worker.Run] is one loop that owns every running instance and task. It waits for a new revision or for something that
// runs here to end, works out what should run, and calls reconcile, which is the only way that anything starts or stops:
// a start, a changed configuration, a pause, a restart, a reload, a hand-over and the shutdown are the same call with
// another wish. Reconcile never waits; what has been told to stop stays known until it has ended, and what takes its
// place starts only then (invariant 5).
//
// Each instance and each task has one goroutine, joined by Run.
package worker

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// Settings is what a worker is made of.
type Settings struct {
	Member   string // this worker's id in plans
	Configs  store.Configs
	Statuses store.Statuses
	// Compile makes an instance of a stored configuration. Its error is shown as the instance's failure.
	Compile func(name string, m config.Map) (*graph.Instance, error)
	// Secrets gives a digest of the values that the references of a stored configuration stand for now, "" when it has
	// none. When it changes, what was made of them is compiled anew and restarts. Nil: there are no references.
	Secrets func(m config.Map) (string, error)
	// SecretsEvery is how often Secrets is asked; 0: every three seconds.
	SecretsEvery time.Duration
	// NewTask makes a task, which does nothing before Run.
	NewTask func(Task) Runner
	// Lease says until when this worker may run what it has (rule 7 of D2); it must not wait. nil: for ever, and there is no
	// other worker to hand anything over to.
	Lease func() member.Lease
	// Views tells of each change of the membership; after one that makes a lease hold again, Lease says so. nil without Lease.
	Views *member.Watch
	// StopBudget bounds what a connector's Stop may take; tasks bound themselves.
	StopBudget time.Duration
	// Failed hears of each instance and task that fails, from its own goroutine; it must not wait. May be nil.
	Failed func(connector string, task int, err error)
	Logger *slog.Logger
}

// Task is a task to be made.
type Task struct {
	Instance *graph.Instance
	Number   int
	Config   plugin.Config
	// Report takes each change of the task's state, from one goroutine at a time.
	Report func(state store.State, err error)
	// Holds reports whether the task may still act (rule 7 of D2); nil: always.
	Holds func() bool
}

// Runner is a task that runs: *task.Task, or a fake in tests.
type Runner interface {
	// Run works until ctx is done, then stops cleanly and returns nil; or returns why it failed.
	Run(ctx context.Context) error
	Pause()
	Resume()
}

// Worker runs instances and tasks. Make it with New and call Run once.
type Worker struct {
	Settings
	units    map[key]*unit // owned by Run's goroutine
	compiled map[string]compiled
	stored   map[string]store.Connector // of the newest snapshot
	wake     chan struct{}              // has room for one: something here changed
	hands    hands
	tell     *teller
	reads    chan read      // of the log, to its end
	beside   sync.WaitGroup // of what goes on beside the loop
}

// key names an instance (task is store.Instance) or a task.
type key struct {
	connector string
	task      int
}

// compiled is a stored configuration as an instance, kept while its revision stands.
type compiled struct {
	revision store.Revision
	instance *graph.Instance
	err      error
	tasks    []config.Map // as they were digested last
	digests  []string     // parallel to tasks
	secrets  string       // of Settings.Secrets
	lost     bool         // the secrets it was made of cannot be found any more, which was told
}

// New makes a worker; nothing runs yet.
func New(s Settings) *Worker {
	return &Worker{
		Settings: s,
		units:    map[key]*unit{},
		compiled: map[string]compiled{},
		wake:     make(chan struct{}, 1),
		hands:    newHands(),
		tell:     newTeller(s.Statuses, s.Logger),
		reads:    make(chan read, 1),
	}
}

// Run works until ctx is done, then stops everything and returns when all of it has ended. An error is one of the store;
// failures of instances and tasks are statuses.
func (w *Worker) Run(ctx context.Context) error {
	err := w.loop(ctx)
	// The shutdown is a reconciliation with nothing wanted.
	w.reconcile(context.WithoutCancel(ctx), nil)
	for len(w.units) > 0 {
		<-w.wake
		w.reconcile(context.WithoutCancel(ctx), nil)
	}
	w.leave(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (w *Worker) loop(ctx context.Context) error {
	watch, cancel := context.WithCancel(ctx)
	defer w.beside.Wait()
	defer cancel()
	var revision store.Revision
	changed, watched := make(chan error, 1), make(chan struct{})
	// The first look needs no waiting; after each the watcher is asked to look further.
	look := make(chan store.Revision, 1)
	go func() {
		defer close(watched)
		for after := range look {
			_, err := w.Configs.Wait(watch, after)
			changed <- err
		}
	}()
	defer func() { cancel(); close(look); <-watched }()
	ears := w.listen(watch)
	defer func() { cancel(); ears.close() }()
	if w.Views != nil {
		w.beside.Go(func() { w.watchLease(watch) })
	}

	waiting := false
	secrets := time.NewTicker(cmp.Or(w.SecretsEvery, secretsEvery))
	defer secrets.Stop()
	for {
		held := w.held(watch)
		s, err := w.Configs.Snapshot(ctx) // no older than the lease
		if err != nil {
			return err
		}
		wishes := w.wanted(s)
		if !held {
			wishes = nil
		}
		w.reconcile(ctx, wishes)
		w.release(ctx)
		ears.ask(w.hands, w.lease().Left(w.now()))
		if !waiting {
			revision = s.Revision
			look <- revision
			waiting = true
		}
		for again := false; !again; {
			again = true
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-changed:
				waiting = false
				if err != nil {
					return err
				}
			case <-w.wake:
			case r := <-w.reads:
				if err := w.caughtUp(r); err != nil {
					return err
				}
			case <-ears.tick:
			case heard := <-ears.heard:
				if heard.err != nil {
					return heard.err
				}
				w.hands.hear(w.Member, ears, heard)
			case <-secrets.C:
				again = w.refresh() // a worker where nothing happens shall not work out again and again what runs
			}
		}
	}
}

// nudge makes the loop look again; it never waits.
func (w *Worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
