package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/registry"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/file"
)

// idleFor is how long nothing new may have come before -until-idle ends.
const idleFor = 2 * time.Second

// run is one `engine run`.
type run struct {
	process
	vars      variables
	data      string // folder of state; "" means .engine in the project
	untilIdle bool
	watch     bool

	loaded   atomic.Pointer[project] // what runs: the newest that had no errors
	screen   *screen
	loggers  *api.Loggers
	log      *slog.Logger
	broker   *broker.Broker     // nil when the project names a cluster
	registry *registry.Registry // beside the broker
	sockets  *sockets           // nil when the REST API is not served
	reloads  *reloads           // there before anything is said of the start
	book     *loadBook          // of all loads, the start's included
}

func (r *run) project() *project { return r.loaded.Load() }

func newRun(p process) *cobra.Command {
	r := &run{process: p}
	c := &cobra.Command{
		Use:   "run [FOLDER | WORKER.properties CONNECTOR.properties…]",
		Short: "Run a project in one process",
		Long: `run compiles a project folder and runs its pipelines in this process until
Ctrl-C. It takes the files of connect-standalone as well: a worker's properties
and, for each connector, properties or JSON. Without bootstrap_servers in a
worker block it starts a development broker, and an embedded Schema Registry for
converters without a schema_registry_url. State (offsets, the broker's topics)
lives in .engine inside the folder. Files that change are loaded again, all or
nothing, and only the pipelines that differ restart; SIGHUP and "engine reload"
do so at once.

Kafka Connect's REST API, /metrics and /graph are served on 127.0.0.1:8083, or on
the listeners of the worker block. If another process has that default address,
the run goes on without them; with -until-idle they are served only on listeners
of the worker block.`,
		Example: `  engine run pipelines/quickstart
  engine run -until-idle pipelines/quickstart   end when all has been delivered
  engine run -data /var/lib/engine .            keep state elsewhere
  engine run connect-standalone.properties file-source.properties`,
		Args: projectArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	c.Flags().StringVar(&r.data, "data", "", "keep state in `DIR` (.engine in the project folder)")
	c.Flags().BoolVar(&r.untilIdle, "until-idle", false, "end when all has been delivered and nothing new came for 2 s")
	c.Flags().BoolVar(&r.watch, "watch", true, "load files again when they change; -watch=false leaves SIGHUP and engine reload")
	r.vars.flags(c.Flags())
	return c
}

func (r *run) run(ctx context.Context, args []string) (err error) {
	r.screen = newScreen(r.process)
	r.loggers = newLoggers(r.process, r.screen)
	r.log = r.loggers.Logger(engineLogger)
	pr, err := r.loadFor(args, r.vars, config.ReadWorker)
	if err != nil {
		return err
	}
	r.loaded.Store(pr)
	if missing := pr.here(); missing.HasErrors() {
		r.tellAbove(missing, pr.Source)
		return errTold
	}
	if len(pr.graph.Instances) == 0 {
		return refusal(diag.New(diag.EmptyFolder, diag.Place{}, "%s declares no pipeline, so there is nothing to run.", shown(pr.Folder)))
	}
	r.loaded.Store(pr)
	if r.data == "" {
		r.data = filepath.Join(pr.Folder, ".engine")
	}
	st, err := openStore(r.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := r.takeOver(ctx, st); err != nil {
		return err
	}
	if err := r.listen(ctx); err != nil {
		return err
	}
	defer r.sockets.close()
	if err := r.startBroker(); err != nil {
		return err
	}
	defer func() {
		if r.broker != nil {
			err = errors.Join(err, r.broker.Close())
		}
	}()
	if err := r.startRegistry(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRegistry(ctx, r.registry)) }()
	return r.engine(ctx, st)
}

// openStore opens the state in a data folder.
func openStore(data string) (store.Store, error) {
	st, err := file.Open(data)
	switch {
	case err == nil:
		return st, nil
	case errors.Is(err, store.ErrInUse):
		return nil, refusal(diag.New(diag.DataInUse, diag.Place{}, "Another process works on %s. Stop it, or give this one a folder of its own with -data DIR.", data))
	case errors.Is(err, store.ErrDamaged):
		return nil, refusal(diag.New(diag.DamagedState, diag.Place{},
			"%s. It was left as it is. Restore it from a copy, or move it away: sources then begin from the start, while sinks keep their place, which the broker holds.", err))
	case errors.Is(err, store.ErrVersion):
		return nil, refusal(diag.New(diag.DamagedState, diag.Place{}, "%s. Use that version, or move the file away to start from the beginning.", err))
	case errors.Is(err, syscall.ENOSPC):
		return nil, refusal(diag.New(diag.DiskFull, diag.Place{}, "The state in %s cannot be opened: %s. Free space and start again.", shown(data), err))
	case isPathError(err):
		return nil, refusal(diag.New(diag.Unreadable, diag.Place{}, "The data folder %s cannot be used: %s. Make it a folder that this user can write to, or choose another with -data DIR.", shown(data), err))
	default:
		return nil, err
	}
}

// isPathError reports whether the file system has refused a path.
func isPathError(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

// startBroker starts the development broker when the project names no cluster.
func (r *run) startBroker() error {
	worker := r.project().worker
	if len(worker.Bootstrap) > 0 {
		return nil
	}
	b, err := broker.Start(broker.Settings{Dir: filepath.Join(r.data, "broker"), Logger: r.loggers.Logger(brokerLogger)})
	if err != nil {
		return err
	}
	r.broker = b
	worker.Base["bootstrap.servers"] = b.Addr()
	return nil
}

// engine runs the pipelines until ctx is done or, with -until-idle, nothing is left to do.
func (r *run) engine(ctx context.Context, st store.Store) error {
	failures := &failures{run: r}
	pr := r.project()
	r.book = newLoadBook(pr, time.Now())
	e := engine.New(engine.Settings{
		Registry: pr.registry, Worker: pr.worker, Store: st, Logger: r.log,
		CreateTopics: r.broker != nil, Failed: failures.tell, Loads: r.book.loads,
	})
	r.reloads = newReloads(r, e)
	defer r.reloads.listen()()
	applied, ended := make(chan struct{}), make(chan error, 1)
	served, err := r.serve(ctx, e, applied)
	if err != nil {
		return err
	}
	// The calls that are under way end before what they ask of does.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer served.close()
	defer context.AfterFunc(ctx, func() { served.close(); end() })()
	reached := make(chan error, 1)
	var beside sync.WaitGroup
	beside.Go(func() { reached <- r.reach(life) })
	defer func() { end(); beside.Wait() }()
	go func() {
		ended <- e.Run(life, func(ctx context.Context) error {
			changes, err := e.Apply(ctx, pr.Pipelines)
			if err != nil {
				return err
			}
			defer close(applied)
			return r.hello(changes)
		})
	}()
	v := newView(r.screen, time.Now())
	var watching sync.WaitGroup
	var ticks <-chan time.Time // none before what is stored is what was declared
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var started <-chan time.Time // once everything has had the time to start
	for {
		select {
		case <-started:
			debug.FreeOSMemory() // a process at rest holds what it needs, not what its start has left behind
		case <-applied:
			applied, ticks, started = nil, tick.C, time.After(startTime)
			watching.Go(func() { r.reloads.serve(life) })
		case refused := <-reached:
			if refused != nil {
				end()
				watching.Wait()
				return errors.Join(refused, <-ended)
			}
		case err := <-ended:
			end()
			watching.Wait()
			v.close()
			return r.goodbye(context.WithoutCancel(ctx), e, failures, err)
		case now := <-ticks:
			if err := r.look(ctx, e, v, now, end); err != nil {
				end()
				watching.Wait()
				return errors.Join(err, <-ended)
			}
		}
	}
}

// reachAgain is the wait between two tries to reach a cluster.
const reachAgain = 2 * time.Second

// reach waits for a sign of life of the cluster, beside the pipelines, which wait as well. A cluster that is not there may
// still come; its error is a refusal that no waiting cures, or with -until-idle any.
func (r *run) reach(ctx context.Context) error {
	if r.broker != nil {
		return nil
	}
	for told := false; ; told = true {
		err := engine.Reach(ctx, r.project().worker, r.project().declaredWorker())
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && told:
			r.say("Kafka is there now.\n")
			return nil
		case err == nil:
			return nil
		}
		found := diag.Of(err, diag.KafkaDown)
		if r.untilIdle || found[0].Code != diag.KafkaDown {
			r.tellAbove(found, r.project().Source)
			return errTold
		}
		if !told {
			found[0].Severity = diag.Warning
			found[0].Detail += "\n\nThe pipelines wait for it."
			r.tellAbove(found, r.project().Source)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reachAgain):
		}
	}
}

// look brings the terminal up to date, says which changed pipelines run, and ends a run that has nothing left to do if that
// was asked for.
func (r *run) look(ctx context.Context, e *engine.Engine, v *view, now time.Time, end func()) error {
	if !r.untilIdle && !r.screen.live && !r.reloads.awaiting() {
		return nil
	}
	is, err := e.View(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	v.show(is, now)
	r.reloads.arrived(is)
	if r.untilIdle && is.Idle(now, idleFor) {
		end()
	}
	return nil
}

// tickEvery is how often the terminal is refreshed and idleness is looked at.
const tickEvery = 100 * time.Millisecond

// startTime is after how long the start is over for certain: tasks run, or wait for what they need.
const startTime = 2 * time.Second

// drawn is up to how many pipelines the start draws the graph of.
const drawn = 10

// hello says what was loaded, where it goes and how to look at it.
func (r *run) hello(c engine.Changes) error {
	var b bytes.Buffer
	g := r.project().graph
	fmt.Fprintf(&b, "engine %s: %s from %s (%s)\n\n", version, count(len(g.Instances), "pipeline"), shown(r.project().Folder), c)
	if len(g.Instances) <= drawn {
		if err := graph.Render(&b, g, graph.Text); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	if r.sockets != nil {
		fmt.Fprintf(&b, "REST API at %s\n", r.sockets.url())
	}
	if r.broker != nil {
		fmt.Fprintf(&b, "Development broker at %s, its topics in %s.\n", r.broker.Addr(), shown(filepath.Join(r.data, "broker")))
		if t := someTopic(g); t != "" {
			fmt.Fprintf(&b, "To look at a topic: kcat -C -e -b %s -t %s\n", r.broker.Addr(), t)
		}
	}
	if r.registry != nil {
		fmt.Fprintf(&b, "Schema Registry at %s\n", r.registry.URL())
	}
	if !r.untilIdle {
		b.WriteString("Ctrl-C stops; the next start goes on from there.\n")
	}
	r.say(b.String())
	return nil
}

// someTopic is a topic that the pipelines fill or read, "" when their settings name none.
func someTopic(g *graph.Graph) string {
	for _, i := range g.Instances {
		if len(i.Task.Topics) > 0 {
			return i.Task.Topics[0]
		}
		if t := i.Config["topic"]; t != "" && i.Role == plugin.SourceRole {
			return t
		}
	}
	return ""
}

// goodbye sums up and gives the command its outcome.
func (r *run) goodbye(ctx context.Context, e *engine.Engine, f *failures, err error) error {
	is, unread := e.View(ctx)
	if unread != nil {
		return errors.Join(err, unread)
	}
	for _, p := range is.Pipelines {
		c := p.Counts()
		r.say(fmt.Sprintf("%s: %s records%s\n", p.Name, grouped(c.Delivered), trouble(c)))
	}
	switch {
	case err != nil:
		return err
	case f.any() && r.untilIdle:
		return errTold
	}
	return nil
}

// say prints to people, above the status lines.
func (r *run) say(text string) {
	_, _ = io.WriteString(r.screen.above(r.out), text) // nobody is left to tell of an output that is gone
}

// tellAbove prints diagnostics about a project above the status lines.
func (r *run) tellAbove(l diag.List, source func(string) ([]byte, error)) {
	var b bytes.Buffer
	_ = diag.Printer{Color: r.color(r.err), Source: source, Limit: 100}.Print(&b, l) // a buffer takes everything
	_, _ = r.screen.above(r.err).Write(b.Bytes())                                    // as in say
}

// refusal makes an error of one diagnostic.
func refusal(d diag.Diagnostic) error { return &d }
