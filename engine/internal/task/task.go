package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// ErrLease ends a task whose worker may no longer run it (decision D2, rule 7). What was in flight may still arrive;
// nothing more is sent, and no offset is stored.
var ErrLease = errors.New("the worker's lease has ended")

// ErrAbandoned is what Run returns for a task that did not end within its stop budget: its plugin hangs, as a rule. It sends
// and stores nothing any more, but its goroutine, and what the plugin holds, stay until the plugin returns.
var ErrAbandoned = errors.New("the task did not stop in time and was abandoned")

// Settings is what a task needs to run.
type Settings struct {
	Instance *graph.Instance
	Number   int
	Config   plugin.Config // of this task, as the instance made it
	Clients  kafka.Clients
	Offsets  store.Offsets // of a source

	// CreateMissing makes a source's topics that do not exist, by the groups of the task graph or, without groups, with
	// the broker's defaults (the worker's topic.creation.enable). Otherwise the broker may make them, and a topic that it
	// does not make fails the task after a bounded wait, where Kafka Connect waits for ever.
	CreateMissing bool

	StopBudget time.Duration // for delivering, storing and stopping the plugin (task.shutdown.graceful.timeout.ms)
	Report     func(Report)  // each change of state, from one goroutine at a time; it must not wait; nil: nobody listens
	Holds      func() bool   // whether the worker's lease still lasts; nil: always
	Logger     *slog.Logger  // with the attributes of pipeline and task
	Meter      *Meter        // nil: not counted

	// UsesTopic hears, at least once a batch, of each topic that the task reads or writes; it must not wait. nil: nobody
	// listens.
	UsesTopic func(topic string)
}

// Kafka Connect's defaults of offset.flush.interval.ms and offset.flush.timeout.ms, for a graph that says nothing.
const (
	flushInterval = time.Minute
	flushTimeout  = 5 * time.Second
)

// Task is one task. Run it once.
type Task struct {
	Settings
	machine machine
	control control
	calls   calls

	abandoned chan struct{}
	abandon   func()
	patience  time.Duration // see the constants
	coolAfter time.Duration
}

// New makes a task that is not running.
func New(s Settings) *Task {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Meter == nil {
		s.Meter = &Meter{}
	}
	if s.UsesTopic == nil {
		s.UsesTopic = func(string) {}
	}
	if s.StopBudget <= 0 {
		s.StopBudget = 5 * time.Second
	}
	t := &Task{Settings: s, machine: machine{report: s.Report}, control: control{commits: make(chan struct{}, 1)}, abandoned: make(chan struct{}), patience: patience, coolAfter: coolAfter}
	t.abandon = sync.OnceFunc(func() { close(t.abandoned) })
	return t
}

// Pause asks the task to move nothing until Resume. It keeps its goroutine and its plugin, and goes on storing offsets;
// a sink stays in its group. A task that is paused before its plugin was started starts it after Resume. Neither waits.
func (t *Task) Pause() { t.control.setPaused(true) }

// Resume takes Pause back.
func (t *Task) Resume() { t.control.setPaused(false) }

// Commit asks for offsets to be stored soon, without waiting for the interval.
func (t *Task) Commit() {
	t.control.askCommit()
	if t.Instance.Role == plugin.SinkRole { // its one goroutine commits, so its poll must end
		t.control.poke()
	}
}

// body is what a source and a sink differ in. One goroutine calls it, in this order.
type body interface {
	// open makes clients and starts the plugin.
	open(l *lives) error
	// loop moves records until life ends or something fails.
	loop(l *lives) error
	// close delivers, stores, and stops the plugin, whatever came before.
	close(l *lives) error
}

// lives are the contexts of a running task. A struct only passes them down the stack of one call.
type lives struct {
	life  context.Context         //nolint:containedctx // see above
	fail  context.CancelCauseFunc // ends life because of an error; the first counts
	send  context.Context         //nolint:containedctx // of what is sent, put and flushed
	store context.Context         //nolint:containedctx // of offsets
	last  context.Context         //nolint:containedctx // of the plugin's Stop
	leave context.Context         //nolint:containedctx // of the consumer group
}

// Run runs the task until ctx is done, which is a stop and returns nil, or until it fails, which returns why. An error
// that a restart cannot cure is marked by [plugin.Permanent]. In both cases what was polled is delivered and its offsets
// are stored, within the stop budget; what does not end within it is abandoned ([ErrAbandoned]).
func (t *Task) Run(ctx context.Context) error {
	life, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer t.Meter.quiet()
	send, endSend := outlive(life, t.StopBudget/2)
	defer endSend()
	store, endStore := outlive(life, t.StopBudget*3/4)
	defer endStore()
	last, endLast := outlive(life, t.StopBudget*7/8)
	defer endLast()
	leave, endLeave := outlive(life, t.StopBudget*15/16)
	defer endLeave()
	l := &lives{life, fail, send, store, last, leave}
	finished := make(chan error, 1)
	go func() { finished <- t.run(ctx, l) }() // joined below, unless the plugin hangs

	select {
	case err := <-finished:
		return err
	case <-life.Done():
	}
	overrun := time.NewTimer(t.StopBudget)
	defer overrun.Stop()
	select {
	case err := <-finished:
		return err
	case <-overrun.C:
		return t.leave(ctx, life)
	}
}

// ownFailure is why life ended, if that was not because ctx did. Causes are compared as they are, not by what they wrap:
// a failure may well wrap a cancellation.
func ownFailure(ctx, life context.Context) error {
	if cause := context.Cause(life); cause != context.Cause(ctx) { //nolint:errorlint // see above
		return cause
	}
	return nil
}

// leave gives a task up that has not ended in time. Its goroutine finds its contexts done and its lease ended when what it
// waits for returns.
func (t *Task) leave(ctx, life context.Context) error {
	t.abandon()
	why := fmt.Sprintf("%s of %s hangs", t.calls.oldest(), t.Instance.Plugin.Class)
	if t.calls.oldest() == "" {
		why = "its plugin has returned, and Kafka has not answered"
	}
	d := diag.New(diag.TaskFailed, diag.Place{}, "Task %s did not stop within %s: %s. It was abandoned; what it has not stored comes again.", t.name(), t.StopBudget, why)
	t.Logger.Error("the task was abandoned, since it did not stop in time", "code", d.Code, "task", t.name(), "why", why, "budget", t.StopBudget)
	err := fmt.Errorf("%w: %w", ErrAbandoned, &d)
	if cause := ownFailure(ctx, life); cause != nil { // it failed first
		err = errors.Join(incurable(cause), err)
	}
	t.machine.to(Stopping, err)
	t.machine.to(Failed, err)
	t.machine.mute()
	return err
}

// run is the life of a task on its own goroutine.
func (t *Task) run(ctx context.Context, l *lives) error {
	err := t.work(ctx, l)
	stopped := err == nil
	if err != nil {
		err = incurable(err)
		l.fail(err)
		t.machine.to(Stopping, err)
	}
	if !stopped {
		t.machine.to(Failed, err)
		return err
	}
	t.machine.to(Stopped, nil)
	return nil
}

// work is everything between Starting and the end. It returns nil for a stop that was asked for.
func (t *Task) work(ctx context.Context, l *lives) error {
	if !t.awaitStart(l) {
		t.machine.to(Stopping, nil)
		return nil
	}
	b, err := t.newBody()
	if err != nil {
		return err
	}
	err = b.open(l)
	if err == nil {
		t.Meter.active() // from here on quiet is the task's own
		t.Meter.started.Store(true)
		t.machine.to(Running, nil)
		err = b.loop(l)
	}
	// A failure that ended life from elsewhere (a delivery, the plugin's host) is the cause; a stop is none.
	if cause := ownFailure(ctx, l.life); cause != nil {
		err = cause
	} else if ctx.Err() != nil && !errors.Is(err, ErrLease) {
		if err != nil && !errors.Is(err, context.Cause(ctx)) && !errors.Is(err, errHalted) {
			t.Logger.Warn("an error while the task was stopping", "error", err)
		}
		err = nil
	}
	err = incurable(err)
	l.fail(err)
	t.machine.to(Stopping, err)
	if end := b.close(l); end != nil {
		t.Logger.Warn("the task did not end cleanly; what was not stored comes again", "error", end)
	}
	// A delivery may have failed during the close; that it failed counts, unless somebody asked for the stop anyway.
	return err
}

// awaitStart waits while the task is paused before its start; false: it was stopped meanwhile.
func (t *Task) awaitStart(l *lives) bool {
	for {
		paused, _, changed := t.control.look()
		if !paused {
			t.machine.to(Starting, nil)
			return l.life.Err() == nil
		}
		t.machine.to(Paused, nil)
		select {
		case <-changed:
		case <-l.life.Done():
			return false
		}
	}
}

func (t *Task) newBody() (body, error) {
	switch t.Instance.Role {
	case plugin.SourceRole:
		return newSource(t)
	case plugin.SinkRole:
		return newSink(t)
	case plugin.TransformRole, plugin.PredicateRole, plugin.ConverterRole:
	}
	return nil, plugin.Permanent(fmt.Errorf("%s is neither a source nor a sink", t.Instance.Plugin.Class))
}

// name is what Kafka Connect calls a task in log lines and client ids.
func (t *Task) name() string { return fmt.Sprintf("%s-%d", t.Instance.Name, t.Number) }

func (t *Task) guard() Guard { return Guard{t.Instance.Plugin.Class, t.Logger, &t.calls} }

// holds reports whether the task may still act: its worker's lease lasts and it was not abandoned.
func (t *Task) holds() bool {
	return !t.gone() && (t.Holds == nil || t.Holds())
}

// gone reports whether the task was abandoned.
func (t *Task) gone() bool {
	select {
	case <-t.abandoned:
		return true
	default:
		return false
	}
}

func (t *Task) policy() *policy {
	return &policy{Errors: t.Instance.Task.Errors, task: t.name(), meter: t.Meter, logger: t.Logger}
}

// host is what the plugin may ask of its task.
type host struct {
	logger *slog.Logger
	fail   context.CancelCauseFunc
}

func (h *host) Logger() *slog.Logger { return h.logger }

// Reconfigure is for instances.
func (h *host) Reconfigure() {}

func (h *host) Fail(err error) {
	if err == nil {
		err = errors.New("the plugin said that it cannot go on")
	}
	h.fail(err)
}

// outlive makes a context that is done a while after life: what was begun may end in that time.
func outlive(life context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(life))
	stop := context.AfterFunc(life, func() {
		timer := time.AfterFunc(d, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() {
		stop()
		cancel()
	}
}
