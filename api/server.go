package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// Connectors is what the API reads of connectors. None of its methods waits for a plugin, a broker or a rebalance.
type Connectors interface {
	Snapshot(ctx context.Context) (*store.Snapshot, error)
	Statuses(ctx context.Context) ([]store.Status, error)
	Topics(ctx context.Context, connector string) ([]string, error)
	ResetTopics(ctx context.Context, connector string) error
	Graph(ctx context.Context, w io.Writer, f graph.Format) error
}

// Operator is what the API asks of connectors that run. A refusal is a *[store.RefusedError].
type Operator interface {
	SetTarget(ctx context.Context, connector string, t config.Target) error
	SetTaskTarget(ctx context.Context, connector string, task int, t config.Target) error
	Restart(ctx context.Context, connector string, instance bool, tasks []int) error
}

// Offsets is how the API reads and changes offsets, as JSON. A refusal is a *[store.RefusedError].
type Offsets interface {
	Offsets(ctx context.Context, connector string) ([]store.Offset, error)
	// OffsetsAt lists where a sink would go on that was sent to a time: in milliseconds since the epoch, or -2 for the
	// beginning and -1 for the end of each partition (Kafka: ListOffsets).
	OffsetsAt(ctx context.Context, connector string, at int64) ([]store.Offset, error)
	AlterOffsets(ctx context.Context, connector string, changes []store.Offset) (agreed bool, err error)
	ResetOffsets(ctx context.Context, connector string) (agreed bool, err error)
}

// Configurer is how the API changes configurations where files do not hold them. A refusal is a *[store.RefusedError].
type Configurer interface {
	// Put creates a connector, or changes its configuration. With a revision it is refused unless the connector is at that.
	Put(ctx context.Context, p store.PutConnector) error
	// Delete deletes one. With a revision it is refused unless the connector is at that.
	Delete(ctx context.Context, d store.DeleteConnector) error
	// Sync returns once Snapshot has all that was committed before the call.
	Sync(ctx context.Context) error
}

// Version is that of the Kafka Connect whose API this is; clients choose by it what they ask for.
const Version = "4.3.1"

// Settings is what a server is made of. All but Ready, Beyond, Configuration, Reload, Metrics, Membership, Plan and Logger are
// needed, and one of Configurer and File.
type Settings struct {
	Connectors Connectors
	Operator   Operator
	Offsets    Offsets
	Registry   *plugin.Registry
	Worker     *config.Worker
	Loggers    *Loggers

	Commit   string // of this build
	WorkerID string // host:port under which others reach this worker
	Folder   string // of the project that a standalone worker runs, absolute; "": none
	Loopback bool   // every listener is on a loopback address, so that GET may act

	// ClusterID is the id of the Kafka cluster, "" as long as it is not known; it must not wait for long.
	ClusterID func(ctx context.Context) string

	// Configurer changes configurations: the worker is one of a cluster. Nil: files do, and File names them.
	Configurer Configurer
	// Membership says since when this worker tries to become a member of its cluster; zero: it is one. Nil: there is no
	// cluster, or nothing to wait for.
	Membership func() (since time.Time)
	// Level gives a logger a level on all workers of the cluster; nil: there is only this one.
	Level func(ctx context.Context, logger, level string) error
	// Plan answers GET /plan; nil: there is none.
	Plan func(ctx context.Context) (*Plan, error)

	// File names the file to edit for a connector, or for one that does not exist yet, the place for it.
	File func(connector string) string
	// Ready reports that what was declared runs; nil: always.
	Ready func() bool
	// Reading is since when a worker that is not ready reads its topics; zero: it does something else. See [Starting].
	Reading time.Time
	// Beyond tells of each connector what Kafka Connect's API has no place for; nil: nothing is told.
	Beyond func(ctx context.Context) (map[string]*Beyond, error)
	// Configuration tells which configuration runs; nil: there is no GET /config.
	Configuration func() *Configuration
	// Reload reads the project again; nil: there is no POST /reload.
	Reload func(ctx context.Context) (*Reloaded, error)
	// Metrics answers GET /metrics; nil: there is none.
	Metrics http.Handler
	Logger  *slog.Logger // nil: discards
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	Settings
	read      barrier
	headers   []headerRule
	cors      cors
	logins    *logins // nil: nobody has to log in
	routes    []route // of the public listeners
	described []byte  // the API, see openapi.go
	public    http.Handler
	admin     http.Handler
	next      atomic.Pointer[Server] // see Yield
	yielded   chan struct{}          // closed when there is a next one
}

// New makes a server of settings; the error names a setting of the worker that it cannot understand.
func New(s Settings) (*Server, error) {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	server := &Server{Settings: s, yielded: make(chan struct{})}
	var err error
	if server.headers, err = parseHeaderRules(s.Worker.ResponseHeaders); err != nil {
		return nil, err
	}
	if server.cors, err = newCORS(s.Worker.AllowOrigin, s.Worker.AllowMethods); err != nil {
		return nil, err
	}
	if s.Worker.BasicAuthFile != "" {
		if server.logins, err = newLogins(s.Worker.BasicAuthFile); err != nil {
			return nil, err
		}
	}
	// admin.listeners: left out, /admin stands beside the rest; set, it stands only on its own listeners, if any.
	own := s.Worker.AdminListeners != nil
	routes := server.connectorRoutes()
	if !own {
		routes = append(routes, server.adminRoutes()...)
	}
	for i := range routes {
		routes[i].logins = server.logins // what stands on listeners of its own asks for none, as in Kafka Connect
	}
	server.routes = routes
	if server.described, err = server.describe(routes); err != nil {
		return nil, err
	}
	server.public = server.front(router(routes), true)
	server.admin = server.front(router(server.adminRoutes()), false)
	return server, nil
}

// The modes of a worker.
const (
	standalone  = "standalone"
	distributed = "distributed"
)

func (s *Server) mode() string {
	if s.Configurer == nil {
		return standalone
	}
	return distributed
}

// ServeHTTP answers a request on a public listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.awaitNext(r)
	s.newest().public.ServeHTTP(w, r)
}

// Yield lets another server answer from now on, on the listeners of this one. Calls that are under way end as they began. It
// is called once.
func (s *Server) Yield(to *Server) {
	s.next.Store(to)
	close(s.yielded)
}

// newest is the server that answers.
func (s *Server) newest() *Server {
	if next := s.next.Load(); next != nil {
		return next
	}
	return s
}

// Routes lists what the public listeners answer, as a method and a path with its variables in braces: "GET /connectors/{n}".
func (s *Server) Routes() []string {
	var all []string
	for _, r := range s.routes {
		for method := range r.methods {
			all = append(all, method+" "+r.path)
		}
	}
	slices.Sort(all)
	return all
}

// Admin answers requests on the listeners of admin.listeners.
func (s *Server) Admin() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.newest().admin.ServeHTTP(w, r) })
}

// Bounds of what one client, and all of them, may hold.
const (
	mostConnections = 1024
	mostHeaderBytes = 32 << 10
	mostBodyBytes   = 1 << 20
	headerWithin    = 10 * time.Second
	requestWithin   = time.Minute
	answerWithin    = 2 * time.Minute // longer than any call may take
	idleFor         = 90 * time.Second
	shutdownWithin  = 3 * time.Second
)

// Serve answers on the listeners, admin on its own, until ctx is done; then it lets the calls under way end, for a bounded
// time, and returns nil. It closes the listeners. An error is one of accepting connections.
func (s *Server) Serve(ctx context.Context, public, admin []net.Listener) error {
	life, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	limit := make(chan struct{}, mostConnections)
	var serving sync.WaitGroup
	start := func(h http.Handler, ls []net.Listener) *http.Server {
		server := &http.Server{
			Handler: h, ReadHeaderTimeout: headerWithin, ReadTimeout: requestWithin, WriteTimeout: answerWithin, IdleTimeout: idleFor,
			MaxHeaderBytes: mostHeaderBytes, ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
			BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		}
		for _, l := range ls {
			serving.Go(func() {
				if err := server.Serve(&listener{Listener: l, slots: limit, closed: make(chan struct{})}); !errors.Is(err, http.ErrServerClosed) {
					fail(fmt.Errorf("serve REST on %s: %w", l.Addr(), err))
				}
			})
		}
		return server
	}
	servers := []*http.Server{start(s, public), start(s.Admin(), admin)}
	<-life.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(end); err != nil {
			_ = server.Close() // calls that take too long are cut off
		}
	}
	serving.Wait()
	if cause := context.Cause(life); ctx.Err() == nil {
		return cause
	}
	return nil
}
