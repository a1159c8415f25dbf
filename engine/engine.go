package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/internal/leader"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/internal/worker"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// Settings is what an engine is made of. All but Failed and Loads are needed.
type Settings struct {
	Registry *plugin.Registry
	Worker   *config.Worker
	Store    store.Store // stays open; the caller closes it after Run
	Logger   *slog.Logger
	// CreateTopics makes the engine create the topics that sources write to and no topic_creation group covers, for a
	// broker that does not create them by itself.
	CreateTopics bool
	// Failed hears of each instance and task that fails, from the goroutine of what failed; it must not wait. May be nil.
	Failed func(Failure)
	// Clients makes the clients of a worker that shares its work, see [StoreClients].
	Clients kafka.Maker
	// Address is host:port under which others reach the REST interface of a worker that shares its work.
	Address string
	// Loads says how the declared configuration was loaded, for /metrics; nil: nobody loads it again.
	Loads func() Loads
}

// Loads is how often the declared configuration was loaded, and how that went.
type Loads struct {
	Revision  int64     // of the configuration that runs, counted from 1
	Succeeded int64     // loads that were put into effect, the first included
	Refused   int64     // loads that were not
	Good      bool      // the newest was put into effect
	Since     time.Time // when what runs was put into effect
}

// Failure is an instance or a task that has failed.
type Failure struct {
	Pipeline string
	Task     int // store.Instance for the instance itself
	Err      error
}

// Engine compiles what the store holds and runs what the plan gives to this process. Several can live in one process.
type Engine struct {
	Settings
	member membership
	views  member.Watch
	alone  atomic.Int64 // of a worker that shares its work: Unix nanoseconds since when it is no member; 0: it is
	meters meters
	topics usedTopics
	lists  topicLists // where the store keeps lists of topics; nil: topics has them
	fails  failureBook
	id     clusterID
	proved kafka.Proofs
	dial   func(ctx context.Context, network, host string) (net.Conn, error) // of tasks; nil: the network
}

// membership is how an engine knows who is here: *member.Alone or *member.Group.
type membership interface {
	ID() string
	Run(ctx context.Context, changed func(member.View)) error
	Confirm(ctx context.Context) error
	Lease() member.Lease
}

// New makes an engine; nothing runs yet.
func New(s Settings) *Engine {
	s.Logger = slog.New(&maskedLog{s.Logger.Handler(), s.Worker.Providers()})
	e := &Engine{Settings: s}
	if s.Worker.Distributed == nil {
		e.member = member.NewAlone(member.Member{})
	} else {
		e.member = e.newGroup()
		e.alone.Store(time.Now().UnixNano())
		if lists, ok := s.Store.Statuses().(topicLists); ok && s.Worker.TopicTracking {
			e.lists, e.topics.wake = lists, make(chan struct{}, 1)
		}
	}
	return e
}

// Run works until ctx is done, then stops everything cleanly and returns nil; or returns the first failure of the engine
// itself. Failures of pipelines are statuses. prepare is called once the leader answers and before anything that was
// stored runs; its error ends Run.
func (e *Engine) Run(ctx context.Context, prepare func(context.Context) error) error {
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	// Member and leader outlive the worker: what it does on its way out still goes through the store.
	services, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	serve := func(what string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(services); err != nil && services.Err() == nil {
				end(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	serve("member", func(ctx context.Context) error { return e.member.Run(ctx, e.seen) })
	serve("leader", func(ctx context.Context) error { return leader.Run(ctx, e.leaderSettings()) })

	if e.lists != nil {
		running.Go(func() { e.keepTopics(services, e.lists) })
	}

	err := prepare(life)
	if err == nil {
		err = e.newWorker().Run(life)
	}
	stop()
	running.Wait()
	if cause := context.Cause(life); err == nil && cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

func (e *Engine) newWorker() *worker.Worker {
	var lease func() member.Lease // nil: nobody to hand anything over to
	var views *member.Watch
	if e.Worker.Distributed != nil {
		lease, views = e.member.Lease, &e.views
	}
	return worker.New(worker.Settings{
		Lease: lease, Views: views,
		Member: e.member.ID(), Configs: e.Store, Statuses: &maskedStatuses{e.Store.Statuses(), e.Worker.Providers()}, Logger: e.Logger,
		StopBudget: e.Worker.StopTimeout,
		Compile: func(name string, m config.Map) (*graph.Instance, error) {
			i, found := graph.CompileOne(name, m, e.Worker, e.Registry)
			return i, found.Err()
		},
		Secrets: func(m config.Map) (string, error) {
			return e.Worker.Providers().Digest(append(e.Worker.Secrets(), m)...)
		},
		NewTask: e.newTask,
		Failed:  func(connector string, n int, err error) { e.failed(Failure{connector, n, err}) },
	})
}

func (e *Engine) failed(f Failure) {
	f.Err = masked(e.Worker.Providers(), f.Err)
	e.fails.note(f, time.Now())
	if e.Failed != nil {
		e.Failed(f)
	}
}

// report passes on the states that others may see; the rest are the task's own affair (decision D9).
func report(t worker.Task, r task.Report) {
	switch r.State {
	case task.Running:
		t.Report(store.StateRunning, r.Err)
	case task.Paused:
		t.Report(store.StatePaused, r.Err)
	case task.Failed:
		t.Report(store.StateFailed, r.Err)
	case task.Starting, task.Stopping, task.Stopped:
	}
}

// newTask makes a task with a meter of its own. What it gets has secrets in the place of references.
func (e *Engine) newTask(t worker.Task) worker.Runner {
	if e.lists != nil {
		e.topics.forget(t.Instance.Name) // somebody may have emptied the list meanwhile
	}
	clients, err := e.clients()
	settings, missing := e.Worker.Providers().Resolve(config.Map(t.Config))
	if err = errors.Join(err, (*config.Declared)(nil).Missing("", missing).Err()); err != nil {
		return &secretless{t, err}
	}
	return task.New(task.Settings{
		Instance: t.Instance, Number: t.Number, Config: plugin.Config(settings),
		Clients: clients,
		Offsets: e.Store.Offsets(), StopBudget: e.Worker.StopTimeout,
		CreateMissing: e.CreateTopics || e.Worker.TopicCreation && t.Instance.Task.Creation != nil,
		Report:        func(r task.Report) { report(t, r) }, Holds: t.Holds,
		Logger: e.Logger.With("pipeline", t.Instance.Name, "task", t.Number),
		Meter:  e.meters.of(t.Instance.Name, t.Number), UsesTopic: func(topic string) { e.topics.saw(t.Instance.Name, t.Number, topic) },
	})
}

// clients are the worker's clients, with secrets in the place of references.
func (e *Engine) clients() (kafka.Clients, error) {
	w, err := e.Worker.Resolved()
	c := clientsOf(w, e.Logger)
	c.Dial, c.Proved = e.dial, &e.proved
	return c, (*config.Declared)(nil).Missing("", err).Err()
}
