package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// defaultListener is where the REST API is served when a project says nothing. A second engine on the machine finds it
// taken and goes without.
const defaultListener = "http://127.0.0.1:8083"

// Names of loggers, of Kafka Connect's classes where there is one that does the same.
const (
	engineLogger = "org.apache.kafka.connect.runtime.Worker"
	restLogger   = "org.apache.kafka.connect.runtime.rest.RestServer"
	brokerLogger = "penstock.broker"
)

// newLoggers are the loggers of the process; they write one line an event.
func newLoggers(p process, s *screen) *api.Loggers {
	level := slog.LevelInfo
	if text, set := p.env("ENGINE_LOG"); set {
		// Levels that nobody knows leave the default: the log is not the place to fail over the log.
		_ = level.UnmarshalText([]byte(text))
	}
	l := api.NewLoggers(newHandler(p, s), level)
	l.Logger("org.apache.kafka.connect") // is listed, since its level is that of all below it
	return l
}

// sockets are what the REST API listens on.
type sockets struct{ public, admin []net.Listener }

// openSockets listens where the worker's settings say, which are written in declared. Without settings it tries the default
// address, and gives it up, nil, when somebody else has it.
func openSockets(ctx context.Context, w *config.Worker, declared *config.Declared) (*sockets, error) {
	s := &sockets{}
	if len(w.Listeners) == 0 {
		l, err := listen(ctx, defaultListener)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil //nolint:nilnil // nowhere is an answer
		}
		if err != nil {
			return nil, err
		}
		s.public = append(s.public, l)
	}
	var admin []string
	if w.AdminListeners != nil {
		admin = config.List(*w.AdminListeners)
	}
	for _, group := range []struct {
		key  string
		urls []string
		into *[]net.Listener
	}{{"listeners", w.Listeners, &s.public}, {"admin.listeners", admin, &s.admin}} {
		for _, url := range group.urls {
			l, err := listen(ctx, url)
			if err != nil {
				s.close()
				return nil, noSocket(err, url, group.key, declared)
			}
			*group.into = append(*group.into, l)
		}
	}
	return s, nil
}

// noSocket says why the REST API cannot listen where a setting says.
func noSocket(err error, url, key string, declared *config.Declared) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return refusal(diag.New(diag.AddressInUse, declared.At(key), "The REST API cannot listen on %s: another process does. Stop it, or name another address in %s; port 0 takes any free one.", url, key))
	}
	why := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		why = op.Err
	}
	return refusal(diag.New(diag.InvalidValue, declared.At(key), "The REST API cannot listen on %s: %s. Name an address of this machine, and a port that may be used, in %s.", url, why, key))
}

func listen(ctx context.Context, url string) (net.Listener, error) {
	address, err := config.ListenAddress(url)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", url, err)
	}
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", address)
}

// close is harmless when the server has closed them, and on nil.
func (s *sockets) close() {
	if s == nil {
		return
	}
	for _, l := range append(s.public, s.admin...) {
		_ = l.Close() // at worst it is closed already
	}
}

// listen opens the run's sockets, so that an address that is taken is found out before anything is started. A run that
// ends by itself serves the API only where it is asked to.
func (r *run) listen(ctx context.Context) (err error) {
	if r.untilIdle && len(r.project().worker.Listeners) == 0 {
		return nil
	}
	if r.sockets, err = openSockets(ctx, r.project().worker, r.project().declaredWorker()); err == nil && r.sockets == nil {
		r.log.Info("the REST API is not served: another process has its default address", "address", defaultListener)
	}
	return err
}

// url is where people find the API.
func (s *sockets) url() string { return "http://" + s.public[0].Addr().String() }

// loopback reports whether only this machine can reach the API.
func (s *sockets) loopback() bool {
	for _, l := range s.public {
		if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return false
		}
	}
	return true
}

// workerID is host:port under which others reach this worker (Kafka Connect: RestServer.advertisedUrl).
func (s *sockets) workerID(w *config.Worker) string {
	host, port, err := net.SplitHostPort(s.public[0].Addr().String())
	if err != nil {
		return s.public[0].Addr().String()
	}
	if w.AdvertisedHost != "" {
		host = w.AdvertisedHost
	}
	if w.AdvertisedPort != nil {
		port = strconv.Itoa(*w.AdvertisedPort)
	}
	return net.JoinHostPort(host, port)
}

// rest is the REST API while it is served.
type rest struct {
	server *api.Server
	stop   func()
	ended  chan struct{}
}

// serveREST serves the API of an engine until it is closed. What ends it before is told to the log: the pipelines go on.
func serveREST(ctx context.Context, s *sockets, settings api.Settings) (*rest, error) {
	server, err := s.server(settings)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &rest{server: server, ended: make(chan struct{}), stop: stop}
	go func() {
		defer close(r.ended)
		if err := server.Serve(life, s.public, s.admin); err != nil {
			settings.Logger.Error("the REST API has ended", "error", err)
		}
	}()
	return r, nil
}

// server makes a server for the sockets.
func (s *sockets) server(settings api.Settings) (*api.Server, error) {
	if settings.WorkerID == "" {
		settings.WorkerID = s.workerID(settings.Worker)
	}
	settings.Loopback = s.loopback()
	server, err := api.New(settings)
	if err != nil {
		return nil, refusal(diag.New(diag.InvalidValue, diag.Place{}, "%s.", err))
	}
	return server, nil
}

// close lets the calls under way end. It is harmless when repeated, and on a nil rest.
func (r *rest) close() {
	if r != nil {
		r.stop()
		<-r.ended
	}
}

// serve begins to serve the API of a run, nil when it is not served; ready is closed when what was declared runs.
func (r *run) serve(ctx context.Context, e *engine.Engine, ready <-chan struct{}) (*rest, error) {
	if r.sockets == nil {
		return nil, nil //nolint:nilnil // nowhere is an answer
	}
	return serveREST(ctx, r.sockets, r.apiOf(e, func() bool {
		select {
		case <-ready:
			return true
		default:
			return false
		}
	}))
}

// apiOf is the API of a run.
func (r *run) apiOf(e *engine.Engine, ready func() bool) api.Settings {
	return api.Settings{
		Connectors: e, Operator: e, Offsets: e, Registry: r.project().registry, Worker: r.project().worker, Loggers: r.loggers,
		Commit: version, Folder: r.folder(), ClusterID: e.ClusterID, File: r.fileOf, Ready: ready, Metrics: e.Metrics(), Logger: r.loggers.Logger(restLogger),
		Reload: r.reloads.answer, Configuration: r.book.configuration, Beyond: beyondOf(e, r.fileOf),
	}
}

// folder is that of the project, "" where there are properties files.
func (r *run) folder() string {
	if r.project().properties != nil {
		return ""
	}
	return real(r.project().Folder)
}

// fileOf is where a connector is declared, or would be.
func (r *run) fileOf(connector string) string {
	for _, d := range r.project().Pipelines {
		if d.Name() == connector && !d.Place.IsZero() {
			return d.Place.String()
		}
	}
	if r.project().properties != nil {
		return "a properties file that \"engine run\" is started with"
	}
	return "a *.hcl file in " + filepath.ToSlash(shown(r.project().Folder))
}

// beyondOf tells who asks the REST API what Kafka Connect has no place for. source names the place that declares a connector.
func beyondOf(e *engine.Engine, source func(connector string) string) func(context.Context) (map[string]*api.Beyond, error) {
	return func(ctx context.Context) (map[string]*api.Beyond, error) {
		is, err := e.View(ctx)
		if err != nil {
			return nil, err
		}
		all := map[string]*api.Beyond{}
		for _, p := range is.Pipelines {
			b := &api.Beyond{Mark: api.Mark{Source: source(p.Name)}, Target: p.Target, Connector: failuresFor(p.Failures), Tasks: []api.Progress{}}
			for _, t := range p.Tasks {
				b.Tasks = append(b.Tasks, progressOf(t))
			}
			all[p.Name] = b
		}
		return all, nil
	}
}

func progressOf(t engine.TaskView) api.Progress {
	is := api.Progress{
		ID: t.Number, Failures: failuresFor(t.Failures),
		Read: t.Read, Delivered: t.Delivered, Dropped: t.Dropped, Failed: t.Failed, DeadLettered: t.DeadLettered,
	}
	if t.Lag >= 0 {
		is.Lag = &t.Lag
	}
	if t.Behind >= 0 {
		seconds := math.Round(t.Behind.Seconds()*1e3) / 1e3
		is.Behind = &seconds
	}
	return is
}

func failuresFor(f engine.Failures) api.Failures {
	return api.Failures{Count: f.Count, Last: f.Last, At: f.At.UTC(), Attempt: f.Attempt, Next: f.Next.UTC()}
}
