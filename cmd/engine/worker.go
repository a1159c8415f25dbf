package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins"
	"github.com/penstock/penstock/store/topic"
)

// clustered is one `engine worker`: a process of a cluster.
type clustered struct {
	process
	vars variables

	project  *project
	settings *config.Worker
	loggers  *api.Loggers
	log      *slog.Logger
	sockets  *sockets
	started  func(*engine.Engine) // hears of the engine when its API is served; nil: nobody
}

func newWorker(p process) *cobra.Command {
	w := &clustered{process: p}
	c := &cobra.Command{
		Use:   "worker [WORKER.hcl | FOLDER | connect-distributed.properties]",
		Short: "Run as one worker of a cluster",
		Long: `worker joins the workers that share a group_id and runs what their leader gives
it. Connectors are kept in Kafka topics, which are made if they are missing, and
are created, changed and deleted through the REST API of any worker, or with
"engine apply". The worker block, or the properties of a distributed Kafka
Connect worker, names the cluster, the group and the topics; pipelines in the
same folder are not read. SIGTERM or Ctrl-C stops what runs here, hands it over
and leaves the group.`,
		Example: `  engine worker worker.hcl
  engine worker -var host=w1.internal cluster/
  engine worker connect-distributed.properties`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return w.run(cmd.Context(), args) },
	}
	w.vars.flags(c.Flags())
	return c
}

func (w *clustered) run(ctx context.Context, args []string) (err error) {
	screen := newScreen(w.process)
	w.loggers = newLoggers(w.process, screen)
	w.log = w.loggers.Logger(engineLogger)
	if err := w.load(args); err != nil {
		return err
	}
	if err := w.reach(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	if err := engine.CheckCluster(ctx, w.settings, w.log); err != nil {
		return w.told(ctx, err)
	}
	if err := w.listen(ctx); err != nil {
		return err
	}
	defer w.sockets.close()
	return w.told(ctx, w.serve(ctx))
}

// load reads the worker's settings and says what is wrong with them.
func (w *clustered) load(args []string) error {
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		return err
	}
	pr, found, err := w.read(args, w.vars, registry)
	if err != nil {
		return err
	}
	pr.registry = registry
	w.project = pr
	if !found.HasErrors() && pr.Worker == nil {
		return refusal(diag.New(diag.MissingArgument, diag.Place{}, "%s has no worker block, so it does not say which cluster this worker belongs to.\n\nIt needs bootstrap_servers, group_id, and a topic in config_storage, offset_storage and status_storage.", shown(folder(args))))
	}
	if !found.HasErrors() {
		settings, more := config.ReadDistributedHere(pr.declaredWorker(), registry)
		w.settings, found = settings, append(found, more...)
	}
	if !found.HasErrors() {
		found = append(found, w.clients()...)
	}
	if len(pr.Pipelines) > 0 {
		found = append(found, diag.Warn(diag.NoEffect, pr.Pipelines[0].Place, "A worker of a cluster does not read pipelines from files, so %s here not run by it. Its connectors are in %s; create them through the REST API.",
			map[bool]string{true: "this one is", false: "those of this folder are"}[len(pr.Pipelines) == 1], w.configTopic()))
	}
	if len(found) > 0 {
		w.tell(found, pr.Source)
	}
	if found.HasErrors() {
		return errTold
	}
	return nil
}

func (w *clustered) configTopic() string {
	if w.settings == nil || w.settings.Distributed == nil || w.settings.Distributed.ConfigTopic == "" {
		return "the topic of config_storage"
	}
	return "the topic " + w.settings.Distributed.ConfigTopic
}

// clients checks the settings of the worker's Kafka clients, with what references stand for.
func (w *clustered) clients() diag.List {
	resolved, err := w.settings.Resolved()
	if err != nil {
		return w.project.declaredWorker().Missing("", err)
	}
	return engine.CheckClients(resolved, w.project.declaredWorker(), &graph.Graph{})
}

// reach waits until the cluster answers, or refuses for good.
func (w *clustered) reach(ctx context.Context) error {
	for told := false; ; told = true {
		err := engine.Reach(ctx, w.settings, w.project.declaredWorker())
		if ctx.Err() != nil || err == nil {
			return nil
		}
		found := diag.Of(err, diag.KafkaDown)
		if found[0].Code != diag.KafkaDown {
			w.tell(found, w.project.Source)
			return errTold
		}
		if !told {
			found[0].Severity = diag.Warning
			found[0].Detail += "\n\nThe worker waits for it."
			w.tell(found, w.project.Source)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reachAgain):
		}
	}
}

// listen opens the sockets of the REST API, without which nobody could work with a cluster.
func (w *clustered) listen(ctx context.Context) (err error) {
	w.sockets, err = openSockets(ctx, w.settings, w.project.declaredWorker())
	if err == nil && w.sockets == nil {
		return refusal(diag.New(diag.AddressInUse, diag.Place{}, "The REST API cannot listen on %s: another process does. Stop it, or name another address in listeners; port 0 takes any free one.", defaultListener))
	}
	return err
}

// address is host:port under which others reach this worker. It tells workers apart, so that of all addresses of a machine,
// or of the one that every machine has, the machine's name is made.
func (w *clustered) address() (string, error) {
	address := w.sockets.workerID(w.settings)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("the address %q: %w", address, err)
	}
	ip := net.ParseIP(host)
	if ip != nil && ip.IsUnspecified() || w.settings.AdvertisedHost == "" && len(w.settings.Listeners) == 0 {
		if host, err = os.Hostname(); err != nil {
			return "", refusal(diag.New(diag.MissingProperty, diag.Place{}, "This machine does not tell its name: %v. Set rest.advertised.host.name.", err))
		}
	}
	return net.JoinHostPort(host, port), nil
}

// serve runs the engine and its API until ctx is done: what runs stops and is released, then the worker leaves the group.
func (w *clustered) serve(ctx context.Context) (err error) {
	address, err := w.address()
	if err != nil {
		return err
	}
	// It answers before the topics are read, that it starts.
	served, err := serveREST(ctx, w.sockets, api.Starting(w.settingsOfAPI(address), time.Now()))
	if err != nil {
		return err
	}
	defer served.close()
	st, err := w.openTopics(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	client, err := engine.StoreClients(w.settings, w.log)
	if err != nil {
		return err
	}
	e := engine.New(engine.Settings{
		Registry: w.project.registry, Worker: w.settings, Store: st, Logger: w.log, Address: address, Clients: client,
		Failed: func(f engine.Failure) {
			w.log.Error("failed", "pipeline", f.Pipeline, "task", f.Task, "error", f.Err)
		},
	})
	server, err := w.sockets.server(w.apiOf(e, st, address))
	if err != nil {
		return err
	}
	served.server.Yield(server)
	// The calls that are under way end before what they ask of does.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer served.close()
	defer context.AfterFunc(ctx, func() { served.close(); end() })()
	if _, err := fmt.Fprintf(w.out, "engine %s: worker %s of the cluster %s\n\nREST API at %s\n", version, address, w.settings.Distributed.Group, w.sockets.url()); err != nil {
		return err
	}
	return e.Run(life, func(context.Context) error {
		if w.started != nil {
			w.started(e)
		}
		return nil
	})
}

// settingsOfAPI are those that need nothing of the topics.
func (w *clustered) settingsOfAPI(address string) api.Settings {
	return api.Settings{
		Registry: w.project.registry, Worker: w.settings, Loggers: w.loggers, Commit: version, Logger: w.loggers.Logger(restLogger), WorkerID: address,
		ClusterID: func(ctx context.Context) string { return engine.ClusterID(ctx, w.settings, w.log) },
	}
}

// apiOf is the API of a worker.
func (w *clustered) apiOf(e *engine.Engine, st *topic.Store, address string) api.Settings {
	s := w.settingsOfAPI(address)
	s.Connectors, s.Operator, s.Offsets, s.Configurer, s.ClusterID, s.Metrics = e, e, e, e, e.ClusterID, e.Metrics()
	s.Plan, s.Membership, s.Level = planOf(e), e.Membership, st.SetLevel
	return s
}

// planOf answers GET /plan.
func planOf(e *engine.Engine) func(context.Context) (*api.Plan, error) {
	return func(ctx context.Context) (*api.Plan, error) {
		c, err := e.Cluster(ctx)
		if err != nil {
			return nil, err
		}
		p := api.NewPlan(c.Plan)
		p.Worker, p.Leader, p.Generation = c.Worker, c.Leader, c.Generation
		return p, nil
	}
}

// told gives an error of the worker the place of the setting that it is about, if it names one.
func (w *clustered) told(ctx context.Context, err error) error {
	d, ok := errors.AsType[*diag.Diagnostic](w.othersTopics(err))
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	if !ok || !d.Place.IsZero() {
		return err
	}
	is := *d
	is.Place = w.project.declaredWorker().At(settingOf(is.Detail))
	if slices.Contains([]diag.Code{diag.GroupInUse, diag.BrokerRefused, diag.InvalidValue, diag.NotAvailable}, is.Code) {
		w.tell(diag.List{is}, w.project.Source)
		return errTold
	}
	return err
}

// settingOf is the worker's setting that a message about its group or its topics names.
func settingOf(message string) string {
	for _, topic := range []string{"config", "offset", "status"} {
		for _, key := range []string{".storage.replication.factor", ".storage.topic"} {
			if strings.Contains(message, topic+key) {
				return topic + key
			}
		}
	}
	if strings.Contains(message, "session.timeout.ms") {
		return "session.timeout.ms"
	}
	return "group.id"
}

// othersTopics says of a config topic that this worker must not follow what to do; any other error stays as it is.
func (w *clustered) othersTopics(err error) error {
	var d diag.Diagnostic
	switch {
	case errors.Is(err, topic.ErrForeign):
		d = diag.New(diag.GroupInUse, diag.Place{}, "The config topic %s, named by config.storage.topic, holds the plan of another cluster (%v).\n\nName three topics of this cluster's own; or, to join that cluster, take its group.id.", w.settings.Distributed.ConfigTopic, err)
	case errors.Is(err, topic.ErrPlanVersion):
		d = diag.New(diag.NotAvailable, diag.Place{}, "The config topic %s, named by config.storage.topic, holds a plan that this version of engine does not understand (%v).\n\nStart the version that wrote it, or a newer one; what is stored is left as it is.", w.settings.Distributed.ConfigTopic, err)
	default:
		return err
	}
	return &d
}
