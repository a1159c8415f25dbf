package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// connector is what Source and Sink have in common.
type connector interface {
	Start(ctx context.Context, h plugin.Host, c plugin.Config) error
	Tasks(ctx context.Context, limit int) ([]plugin.Config, error)
	Stop(ctx context.Context) error
}

// instance runs a connector: it starts it, asks it for tasks whenever it says that they may have changed, and stops it.
// It implements plugin.Host.
type instance struct {
	w       *Worker
	want    wish
	report  func(store.State, error)
	log     *slog.Logger
	guard   task.Guard
	holds   func() bool   // nil: always
	again   chan struct{} // has room for one: the connector, or a change of state, asks for a look
	target  atomic.Pointer[config.Target]
	failed  chan error // has room for one
	stored  atomic.Pointer[store.Connector]
	known   []config.Map   // what the store is known to have as its tasks; nil: not known
	of      store.Revision // the revision that they are known of
	emptied atomic.Bool    // they were taken away since
	count   atomic.Int64   // how many the connector has made last
}

// retryTasks is the wait before a failed try to make or submit task configurations is repeated; it doubles up to the
// longest (Kafka Connect: DistributedHerder.reconfigureConnectorTasksWithExponentialBackoffRetries).
const (
	firstRetry   = 250 * time.Millisecond
	longestRetry = time.Minute
	submitWithin = 30 * time.Second
)

func newInstance(w *Worker, want wish, report func(store.State, error)) *instance {
	i := &instance{
		w: w, want: want, report: report, log: w.Logger.With("pipeline", want.connector.Name),
		again: make(chan struct{}, 1), failed: make(chan error, 1), holds: w.holds(),
	}
	i.guard = task.Guard{Plugin: want.instance.Plugin.Name, Logger: i.log}
	i.target.Store(&want.connector.Target)
	i.stored.Store(&want.connector)
	return i
}

// Logger, Reconfigure and Fail are the plugin.Host of the connector.

func (i *instance) Logger() *slog.Logger { return i.log }

func (i *instance) Reconfigure() {
	select {
	case i.again <- struct{}{}:
	default:
	}
}

func (i *instance) Fail(err error) {
	select {
	case i.failed <- err:
	default:
	}
}

func (i *instance) setTarget(t config.Target) {
	i.target.Store(&t)
	i.Reconfigure()
}

// mayAct reports whether the worker's lease still holds, which is asked before each call of the plugin but the last.
func (i *instance) mayAct() bool { return i.holds == nil || i.holds() }

// renew tells what is stored now, which may be another revision of a configuration that was changed back before anybody
// here noticed, or one whose tasks were taken away by a stop that was taken back: then the tasks have to be submitted again.
func (i *instance) renew(c store.Connector) {
	before := i.stored.Swap(&c)
	emptied := c.Target == config.Started && c.Tasks != nil && len(c.Tasks) == 0 && c.TasksFor == c.Revision && i.count.Load() > 0
	if emptied {
		i.emptied.Store(true)
	}
	if emptied || before.Revision != c.Revision {
		i.Reconfigure()
	}
}

func (i *instance) resting() bool { return *i.target.Load() != config.Started }

// run is the instance's goroutine. A connector that is paused or stopped is not started, or is stopped, as in Kafka
// Connect (WorkerConnector).
func (i *instance) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if i.resting() {
			state := store.StatePaused
			if *i.target.Load() == config.Stopped {
				state = store.StateStopped
			}
			i.report(state, nil)
			i.known = nil // whoever stopped the connector has taken its tasks away
			i.count.Store(0)
			select {
			case <-ctx.Done():
			case <-i.again:
			}
			continue
		}
		if err := i.active(ctx); errors.Is(err, task.ErrLease) {
			return err
		} else if err != nil {
			i.report(store.StateFailed, err)
			i.log.Error("the connector has failed", "error", err)
			return err
		}
	}
	return nil
}

// active runs the connector until it is paused or ctx is done (both nil), or it fails.
func (i *instance) active(ctx context.Context) (err error) {
	inst := i.want.instance
	c, err := i.make(ctx)
	if err != nil {
		return fmt.Errorf("make the connector: %w", err)
	}
	defer func() {
		if errors.Is(err, task.ErrAbandoned) {
			return // a call into it is still under way
		}
		if stopped := i.stop(ctx, c); stopped != nil {
			err = errors.Join(err, fmt.Errorf("stop the connector: %w", stopped))
		}
	}()
	if !i.mayAct() {
		return task.ErrLease
	}
	if err := i.call(ctx, "Start", func() error { return c.Start(ctx, i, inst.Settings) }); err != nil {
		return fmt.Errorf("start the connector: %w", err)
	}
	i.report(store.StateRunning, nil)
	wait := firstRetry
	for {
		err := i.tasks(ctx, c, inst)
		retry := (<-chan time.Time)(nil)
		switch {
		case err == nil:
			wait = firstRetry
		case errors.Is(err, task.ErrAbandoned):
			return err
		case ctx.Err() != nil:
			return nil
		case hopeless(err) || isPanic(err) || errors.Is(err, task.ErrLease):
			return err
		default:
			i.log.Warn("the tasks could not be configured, trying again", "error", err, "after", wait)
			retry = time.After(wait)
			wait = min(2*wait, longestRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-i.failed:
			return err
		case <-retry:
		case <-i.again:
		}
		if i.resting() {
			return nil
		}
	}
}

func (i *instance) make(ctx context.Context) (c connector, err error) {
	d := i.want.instance.Plugin
	err = i.call(ctx, "its constructor", func() error {
		if d.Role() == plugin.SourceRole {
			c = d.NewSource()
		} else {
			c = d.NewSink()
		}
		return nil
	})
	return c, err
}

// stop ends what the connector began, within the stop budget.
func (i *instance) stop(ctx context.Context, c connector) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.w.StopBudget)
	defer cancel()
	over, end := context.WithCancel(within)
	end() // the budget runs from now on
	return i.call(over, "Stop", func() error { return c.Stop(within) })
}

// call makes a call into the connector on a goroutine of its own, which is joined unless it hangs: when it has not returned
// a stop budget after life has ended, the connector is abandoned, and nothing calls it any more.
func (i *instance) call(life context.Context, what string, f func() error) error {
	returned := make(chan error, 1)
	go func() { returned <- i.guard.Call(what, f) }()
	select {
	case err := <-returned:
		return err
	case <-life.Done():
	}
	overrun := time.NewTimer(i.w.StopBudget)
	defer overrun.Stop()
	select {
	case err := <-returned:
		return err
	case <-overrun.C:
	}
	d := diag.New(diag.InstanceDown, diag.Place{}, "The connector did not stop within %s: %s of %s hangs. It was abandoned; its goroutine, and what it holds, stay until the call returns.", i.w.StopBudget, what, i.want.instance.Plugin.Class)
	return fmt.Errorf("%w: %w", task.ErrAbandoned, &d)
}

// completed is a task's configuration with what Kafka Connect adds before it is stored (Worker.connectorTaskConfigs): a Java
// worker that finds the record starts no task without it.
func completed(c plugin.Config, inst *graph.Instance) config.Map {
	m := config.Map(maps.Clone(c))
	if m == nil {
		m = config.Map{}
	}
	m[config.TaskClass] = inst.Plugin.TaskClass()
	if inst.Plugin.Role() == plugin.SinkRole {
		for _, key := range []string{config.Topics, config.TopicsRegex} {
			if topics, set := inst.Config[key]; set {
				m[key] = topics
			}
		}
	}
	return m
}

// tellFirst waits a little for what was said of a connector to be known: that the tasks of an older configuration run no more, before
// there are others.
func (i *instance) tellFirst(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	i.w.tell.written(ctx, name)
}

// tasks asks the connector for its tasks and submits them when they differ from what is stored.
func (i *instance) tasks(ctx context.Context, c connector, inst *graph.Instance) error {
	if !i.mayAct() {
		return task.ErrLease
	}
	var configs []plugin.Config
	err := i.call(ctx, "Tasks", func() (err error) { configs, err = c.Tasks(ctx, inst.TasksMax); return err })
	if err != nil {
		return fmt.Errorf("ask the connector for its tasks: %w", err)
	}
	if len(configs) > inst.TasksMax && inst.Enforce {
		return plugin.Permanent(fmt.Errorf("the connector %s has generated %d tasks, more than tasks.max allows (%d)", inst.Name, len(configs), inst.TasksMax))
	}
	stored := make([]config.Map, len(configs))
	for n, c := range configs {
		stored[n] = config.Unresolve(completed(c, inst), inst.Config, config.Map(inst.Settings)) // invariant 6
	}
	i.count.Store(int64(len(stored)))
	conn := i.stored.Load()
	if i.emptied.Swap(false) || i.of != conn.Revision {
		i.of, i.known = conn.Revision, nil
		if conn.TasksFor == conn.Revision {
			i.known = conn.Tasks
		}
	}
	if i.known != nil && slices.EqualFunc(i.known, stored, func(a, b config.Map) bool { return maps.Equal(a, b) }) {
		return nil
	}
	submit, cancel := context.WithTimeout(ctx, submitWithin)
	defer cancel()
	i.tellFirst(submit, conn.Name)
	answer, err := i.w.Configs.Submit(submit, store.Request{
		ID: store.NewID(), Deadline: time.Now().Add(submitWithin),
		Ops: []store.Op{{Tasks: &store.PutTasks{Name: conn.Name, Incarnation: conn.Incarnation, For: conn.Revision, Tasks: stored}}},
	})
	switch {
	case err != nil:
		return fmt.Errorf("submit the tasks: %w", err)
	case answer.Refusal == store.Outdated || answer.Refusal == store.NotFound:
		// A newer configuration is on its way here and will restart this instance.
		return nil
	case answer.Refusal != "":
		return fmt.Errorf("submit the tasks: %s", answer.Reason)
	}
	i.known = stored
	return nil
}
