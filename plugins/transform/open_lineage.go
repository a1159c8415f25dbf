package transform

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type openLineageConfig struct {
	Namespace   string        `cfg:"job.namespace,required,nonempty" importance:"high" example:"shop" doc:"Namespace of the job in the lineage."`
	Name        string        `cfg:"job.name,required,nonempty" importance:"high" example:"orders" doc:"Name of the job, such as the pipeline's. Every task is a run of it."`
	Description string        `cfg:"job.description" importance:"low" doc:"What the job is for."`
	Tags        []string      `cfg:"job.tags" importance:"low" doc:"Tags of the job, each as name=value."`
	Owners      []string      `cfg:"job.owners" importance:"low" doc:"Owners of the job, each as name=role."`
	Kafka       string        `cfg:"dataset.kafka.bootstrap.servers,required,nonempty" importance:"high" example:"kafka:9092" doc:"Address of the Kafka that has the topics: the namespace of datasets is kafka:// and this."`
	Transport   string        `cfg:"transport.type,anycase" oneof:"console|file|http" importance:"high" doc:"Where events go: into the log, to the end of a file, or to an HTTP server such as Marquez."`
	URL         string        `cfg:"transport.url" importance:"high" doc:"Address of the HTTP server."`
	Endpoint    string        `cfg:"transport.endpoint" importance:"low" doc:"Path on the HTTP server."`
	APIKey      plugin.Secret `cfg:"transport.auth.api.key" doc:"Key for the HTTP server, which is sent as a bearer token."`
	Timeout     time.Duration `cfg:"transport.timeout.ms" min:"1" max:"600000" importance:"low" doc:"Time for one event on its way to the HTTP server."`
	Location    string        `cfg:"transport.location" importance:"high" doc:"Name of the file, whose lines are events."`
}

//nolint:gochecknoglobals // a literal
var openLineageDefaults = openLineageConfig{Transport: "console", Endpoint: "api/v1/lineage", Timeout: 5 * time.Second}

// openLineage follows Debezium's io.debezium.transforms.openlineage.OpenLineage: records pass as they are, and each schema
// of each topic is told to a lineage service when it is first seen. Debezium's has no settings and reports by way of
// Debezium's connector; here there are none of those, and the settings are the transform's own.
//
// Reporting never holds up a record and never fails one: reports wait in a queue with an end, and what the service does not
// take is told in the log once.
type openLineage struct {
	single
	job       lineageJob
	transport lineageTransport

	// What was seen last, which is nearly always what comes next.
	topic  string
	schema *record.Schema

	datasets map[string]*lineageDataset
	reports  chan lineageReport // nil: not started, nothing is reported
	log      *slog.Logger       // nil: not started
	said     map[string]bool    // warnings, each of which is told once
	cancel   context.CancelFunc // ends what a report waits for
	joined   sync.WaitGroup
}

// lineageDataset is what is known of a topic.
type lineageDataset struct {
	topic   string
	schemas memo[struct{}]
	plain   bool // a value without a schema was seen
	told    int
}

// lineageReport is a dataset that was seen for the first time.
type lineageReport struct {
	topic  string
	schema *record.Schema // nil: none
	side   record.Side
}

const (
	mostDatasets = 1000 // topics that are reported
	mostSchemas  = 100  // reports for a topic
	mostReports  = 64   // on their way

	lastReports = time.Second // for what is on its way when the task stops
)

func newOpenLineage(plugin.Target) plugin.Transform {
	t := &openLineage{}
	t.each = t.see
	return t
}

// Configure implements [plugin.Transform].
func (t *openLineage) Configure(c plugin.Config) error {
	cfg := openLineageDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	tags, err := pairs("job.tags", cfg.Tags)
	if err != nil {
		return err
	}
	owners, err := pairs("job.owners", cfg.Owners)
	if err != nil {
		return err
	}
	t.job = lineageJob{cfg.Namespace, cfg.Name, cfg.Description, "kafka://" + cfg.Kafka, tags, owners}
	t.datasets, t.topic, t.schema = map[string]*lineageDataset{}, "", nil
	t.transport, err = newLineageTransport(&cfg)
	return err
}

// pairs reads name=value.
func pairs(key string, list []string) ([][2]string, error) {
	var all [][2]string
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			return nil, plugin.Invalid(key, strings.Join(list, ","), "Each is written as name=value")
		}
		all = append(all, [2]string{name, value})
	}
	return all, nil
}

func (t *openLineage) see(_ int, r *record.Record) error {
	if r.Topic == t.topic && r.Value.Schema == t.schema || r.Value.Value.IsNull() {
		return nil
	}
	t.look(r)
	return nil
}

// look reports what was not seen before.
func (t *openLineage) look(r *record.Record) {
	d := t.datasets[r.Topic]
	switch {
	case d != nil:
	case len(t.datasets) == mostDatasets:
		if t.first("topics") {
			t.log.Warn("lineage is reported of so many topics and no more", "topics", mostDatasets)
		}
		return
	default:
		d = &lineageDataset{topic: strings.Clone(r.Topic)} // a name may lie in the batch
		t.datasets[d.topic] = d
	}
	t.topic, t.schema = d.topic, r.Value.Schema
	if s := r.Value.Schema; s == nil {
		if d.plain {
			return
		}
		d.plain = true
	} else {
		if _, ok := d.schemas.find(s); ok {
			return
		}
		d.schemas.add(s, struct{}{})
	}
	if d.told == mostSchemas {
		if t.first("schemas") {
			t.log.Warn("lineage is reported of so many schemas of a topic and no more", "topic", d.topic, "schemas", mostSchemas)
		}
		return
	}
	d.told++
	t.report(lineageReport{d.topic, r.Value.Schema, t.batch.Side})
}

func (t *openLineage) report(r lineageReport) {
	if t.reports == nil {
		return
	}
	select {
	case t.reports <- r:
	default:
		if t.first("slow") {
			t.log.Warn("the lineage service is slow; reports were left out", "waiting", mostReports)
		}
	}
}

// first reports whether there is a log, and a warning was not in it yet.
func (t *openLineage) first(warning string) bool {
	if t.log == nil || t.said[warning] {
		return false
	}
	t.said[warning] = true
	return true
}

// Start implements [plugin.Starter]. It does not wait for the service.
func (t *openLineage) Start(ctx context.Context, h plugin.Host) error {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.cancel, t.log, t.said = cancel, h.Logger(), map[string]bool{}
	reports := make(chan lineageReport, mostReports)
	t.reports = reports
	run := lineageRun{job: &t.job, id: newUUID(), log: t.log, transport: t.transport}
	t.joined.Go(func() { run.follow(life, reports) })
	return nil
}

// Stop implements [plugin.Starter]: what is on its way has a second.
func (t *openLineage) Stop(ctx context.Context) error {
	if t.reports == nil {
		return nil
	}
	close(t.reports)
	late := time.AfterFunc(lastReports, t.cancel)
	defer late.Stop()
	defer context.AfterFunc(ctx, t.cancel)()
	t.joined.Wait()
	t.cancel()
	t.reports = nil
	return nil
}
