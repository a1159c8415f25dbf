package engine

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// Metrics answers scrapes in Prometheus' text format, under the names that the JMX exporter gives to Kafka Connect's
// beans: kafka_connect_<group>_<attribute>, with labels connector and task. What Kafka Connect has no bean for begins with
// engine_; what is of the process has the names that Prometheus' own library gives it. Labels have bounded values:
// connectors, task numbers, states.
//
// A scrape is written a family after the other from the tables below, so that it holds one buffer, however many pipelines
// there are.
func (e *Engine) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := e.metrics(r.Context())
		if err != nil {
			http.Error(w, "the store cannot be read: "+err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, r, func(p *page) {
			m.write(p)
			processMetrics(p)
		})
	})
}

// metrics is what one scrape is made of.
type metrics struct {
	now        time.Time
	connectors []subject
	tasks      []subject
	loads      *Loads // nil when nobody declares a configuration here
}

// subject is a connector or a task, as a scrape sees it.
type subject struct {
	connector string // the pair of a label, as is the next
	task      string // "" of a connector
	client    string // that of a task's consumer in Kafka Connect

	plugin   plugin.Descriptor
	state    store.State
	failures Failures
	meter    *task.Meter // nil of a connector
	now      time.Time

	tasks int // of a connector
	count map[store.State]int
}

type statusOf struct {
	connector string
	task      int
}

func (e *Engine) metrics(ctx context.Context) (*metrics, error) {
	s, err := e.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	all, err := e.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	said := make(map[statusOf]store.Status, len(all))
	for _, st := range all {
		said[statusOf{st.Connector, st.Task}] = st
	}
	m := &metrics{now: time.Now()}
	for _, name := range s.Names() {
		e.subjects(m, s.Connectors[name], said)
	}
	if e.Loads != nil {
		l := e.Loads()
		m.loads = &l
	}
	return m, nil
}

// subjects adds a connector and its tasks.
func (e *Engine) subjects(m *metrics, c store.Connector, said map[statusOf]store.Status) {
	d, _ := e.Registry.Connector(strings.TrimSpace(c.Config[config.ConnectorClass]))
	is := said[statusOf{c.Name, store.Instance}]
	of := subject{
		connector: label("connector", c.Name), plugin: d, state: is.State, failures: e.failures(is), now: m.now,
		tasks: len(c.Tasks), count: map[store.State]int{},
	}
	for n := range c.Tasks {
		is, number := said[statusOf{c.Name, n}], strconv.Itoa(n)
		of.count[is.State]++
		m.tasks = append(m.tasks, subject{
			connector: of.connector, task: label("task", number), client: label("client_id", "connector-consumer-"+c.Name+"-"+number),
			plugin: d, state: is.State, failures: e.failures(is), meter: e.meters.of(c.Name, n), now: m.now,
		})
	}
	m.connectors = append(m.connectors, of)
}

// write writes all families but those of the process.
func (m *metrics) write(p *page) {
	p.family("kafka_connect_connector_metrics_connector_info", gauge, "Class, type and version of the connector.")
	for i := range m.connectors {
		c := &m.connectors[i]
		p.sample(1, c.connector, label("connector_class", c.plugin.Class), label("connector_type", c.plugin.Role().String()), label("connector_version", c.plugin.Version))
	}
	statusFamily(p, "kafka_connect_connector_metrics_status", m.connectors)
	statusFamily(p, "kafka_connect_connector_task_metrics_status", m.tasks)
	failureFamilies(p, "engine_connector_", m.connectors)
	failureFamilies(p, "engine_task_", m.tasks)
	countFamilies(p, m.connectors)
	for _, f := range taskFamilies() {
		f.write(p, m.tasks)
	}
	furthestFamily(p, m.tasks)
	p.alone("kafka_connect_connect_worker_metrics_connector_count", gauge, "The number of connectors run in this worker.", float64(len(m.connectors)))
	p.alone("kafka_connect_connect_worker_metrics_task_count", gauge, "The number of tasks run in this worker.", float64(len(m.tasks)))
	if m.loads != nil {
		loadFamilies(p, m.loads)
	}
}

// loadFamilies tell how the declared configuration was loaded.
func loadFamilies(p *page, l *Loads) {
	good := 0.0
	if l.Good {
		good = 1
	}
	p.family("engine_config_reloads_total", counter, "Loads of the declared configuration, the first included, by what came of them.")
	p.sample(float64(l.Refused), label("result", "failure"))
	p.sample(float64(l.Succeeded), label("result", "success"))
	p.alone("engine_config_last_reload_success", gauge, "Whether the newest load of the declared configuration was put into effect.", good)
	p.alone("engine_config_last_reload_success_timestamp_seconds", gauge, "When the configuration that runs was put into effect, in seconds since the epoch.", seconds(l.Since))
	p.alone("engine_config_revision", gauge, "The revision of the configuration that runs, counted from 1 at the start.", float64(l.Revision))
}

// statusFamily is a gauge for each state, 1 for the one that holds, so that no series comes and goes. The states are those
// of Kafka Connect's status attribute.
func statusFamily(p *page, name string, all []subject) {
	states := []store.State{store.StateUnassigned, store.StateRunning, store.StatePaused, store.StateStopped, store.StateFailed, store.StateRestarting}
	labels := make([]string, len(states))
	for i, s := range states {
		labels[i] = label("status", strings.ToLower(string(s)))
	}
	p.family(name, gauge, "The state, as one of several gauges of which one is 1.")
	for i := range all {
		s := &all[i]
		is := s.state
		if is == "" {
			is = store.StateUnassigned
		}
		for i, state := range states {
			v := 0.0
			if state == is {
				v = 1
			}
			p.sample(v, s.connector, labels[i], s.task)
		}
	}
}

// failureFamilies are the same for instances and tasks; the names begin with a prefix. The series are there without a
// failure too.
func failureFamilies(p *page, prefix string, all []subject) {
	for _, f := range []family{
		{prefix + "failures_total", counter, "How often it has failed in this process, healed failures included.", func(s *subject) float64 { return float64(s.failures.Count) }},
		{prefix + "last_failure_timestamp_seconds", gauge, "When it failed last, in seconds since the epoch; 0 if never.", func(s *subject) float64 { return seconds(s.failures.At) }},
		{prefix + "restart_attempt", gauge, "The number of the restart by itself that is planned, in a row; 0 if none is.", func(s *subject) float64 { return float64(s.failures.Attempt) }},
		{prefix + "next_restart_timestamp_seconds", gauge, "When it will be restarted by itself, in seconds since the epoch; 0 if no restart is planned.", func(s *subject) float64 { return seconds(s.failures.Next) }},
	} {
		f.write(p, all)
	}
}

// countFamilies count the tasks of a connector.
func countFamilies(p *page, connectors []subject) {
	const group = "kafka_connect_connect_worker_metrics_connector_"
	total := family{group + "total_task_count", gauge, "The number of tasks of the connector.", func(s *subject) float64 { return float64(s.tasks) }}
	total.write(p, connectors)
	for _, state := range []store.State{store.StateRunning, store.StatePaused, store.StateFailed, store.StateUnassigned, store.StateRestarting} {
		word := strings.ToLower(string(state))
		f := family{group + word + "_task_count", gauge, "The number of " + word + " tasks of the connector.", func(s *subject) float64 { return float64(s.count[state]) }}
		f.write(p, connectors)
	}
}

// family is a metric of each subject; a subject for which it is NaN has no such series.
type family struct {
	name string
	kind kind
	help string
	of   func(s *subject) float64
}

func (f *family) write(p *page, all []subject) {
	p.family(f.name, f.kind, f.help)
	for i := range all {
		if v := f.of(&all[i]); !math.IsNaN(v) {
			p.sample(v, all[i].connector, all[i].task)
		}
	}
}

// taskFamilies are told of every task, with those of sources and sinks alone.
func taskFamilies() []family {
	return slices.Concat(runFamilies(), sourceFamilies(), sinkFamilies(), errorFamilies())
}

// count is a counter, or a gauge, of a meter.
func count(f func(t *task.Meter) int64) func(s *subject) float64 {
	return func(s *subject) float64 { return float64(f(s.meter)) }
}

// ofRole leaves out the tasks of other roles.
func ofRole(role plugin.Role, f func(t *task.Meter) float64) func(s *subject) float64 {
	return func(s *subject) float64 {
		if (s.plugin.Role() == plugin.SourceRole) != (role == plugin.SourceRole) {
			return math.NaN()
		}
		return f(s.meter)
	}
}

func runFamilies() []family {
	const group = "kafka_connect_connector_task_metrics_"
	share := func(of *atomic.Int64, t *task.Meter) float64 {
		return ratio(float64(of.Load()), t.Commits.Load()+t.CommitFailures.Load())
	}
	return []family{
		{"engine_task_lag_seconds", gauge, "The age of the oldest record that a sink has not taken, or of the newest that Kafka has taken from a source, in seconds.", func(s *subject) float64 {
			if d := s.meter.Behind(s.now); d >= 0 {
				return d.Seconds()
			}
			return math.NaN()
		}},
		{group + "batch_size_max", gauge, "Records of the largest batch.", count(func(t *task.Meter) int64 { return t.BatchLargest.Load() })},
		{group + "batch_size_avg", gauge, "Records of the average batch.", func(s *subject) float64 { return ratio(float64(s.meter.Read.Load()), s.meter.Batches.Load()) }},
		{group + "offset_commit_max_time_ms", gauge, "The longest time of an offset commit, in milliseconds.", func(s *subject) float64 { return millis(s.meter.CommitLongest.Load()) }},
		{group + "offset_commit_avg_time_ms", gauge, "The average time of an offset commit, in milliseconds.", func(s *subject) float64 { return ratio(millis(s.meter.CommitNanos.Load()), s.meter.Commits.Load()) }},
		{group + "offset_commit_success_percentage", gauge, "The share of offset commits that succeeded.", func(s *subject) float64 { return share(&s.meter.Commits, s.meter) }},
		{group + "offset_commit_failure_percentage", gauge, "The share of offset commits that failed.", func(s *subject) float64 { return share(&s.meter.CommitFailures, s.meter) }},
		{"engine_task_offset_commits_total", counter, "Offset commits that succeeded.", count(func(t *task.Meter) int64 { return t.Commits.Load() })},
		{"engine_task_offset_commit_seconds_total", counter, "Time that offset commits have taken, in seconds.", func(s *subject) float64 { return float64(s.meter.CommitNanos.Load()) / 1e9 }},
		{"engine_task_bytes_total", counter, "Bytes of keys and values as they stand in Kafka.", count(func(t *task.Meter) int64 { return t.Bytes.Load() })},
		{"engine_task_records_dropped_total", counter, "Records that a filter dropped.", count(func(t *task.Meter) int64 { return t.Dropped.Load() })},
	}
}

func sourceFamilies() []family {
	const group = "kafka_connect_source_task_metrics_"
	of := func(f func(t *task.Meter) float64) func(s *subject) float64 { return ofRole(plugin.SourceRole, f) }
	return []family{
		{group + "source_record_poll_total", counter, "Records polled from the source.", of(func(t *task.Meter) float64 { return float64(t.Read.Load()) })},
		{group + "source_record_write_total", counter, "Records that Kafka has taken.", of(func(t *task.Meter) float64 { return float64(t.Delivered.Load()) })},
		{group + "source_record_active_count", gauge, "Records polled and not yet taken by Kafka.", of(func(t *task.Meter) float64 { return float64(t.InFlight.Load()) })},
		{group + "poll_batch_max_time_ms", gauge, "The longest time of a poll, in milliseconds.", of(func(t *task.Meter) float64 { return millis(t.PollLongest.Load()) })},
		{group + "poll_batch_avg_time_ms", gauge, "The average time of a poll, in milliseconds.", of(func(t *task.Meter) float64 { return ratio(millis(t.PollNanos.Load()), t.Polls.Load()) })},
	}
}

func sinkFamilies() []family {
	const group = "kafka_connect_sink_task_metrics_"
	of := func(f func(t *task.Meter) float64) func(s *subject) float64 { return ofRole(plugin.SinkRole, f) }
	return []family{
		{group + "sink_record_read_total", counter, "Records read from Kafka.", of(func(t *task.Meter) float64 { return float64(t.Read.Load()) })},
		{group + "sink_record_send_total", counter, "Records that the sink has taken.", of(func(t *task.Meter) float64 { return float64(t.Delivered.Load()) })},
		{group + "sink_record_active_count", gauge, "Records read and not yet taken by the sink.", of(func(t *task.Meter) float64 { return float64(t.InFlight.Load()) })},
		{group + "partition_count", gauge, "Topic partitions assigned to the task.", of(func(t *task.Meter) float64 { return float64(t.Partitions.Load()) })},
		{group + "put_batch_max_time_ms", gauge, "The longest time of a put, in milliseconds.", of(func(t *task.Meter) float64 { return millis(t.PollLongest.Load()) })},
		{group + "put_batch_avg_time_ms", gauge, "The average time of a put, in milliseconds.", of(func(t *task.Meter) float64 { return ratio(millis(t.PollNanos.Load()), t.Polls.Load()) })},
		{group + "offset_commit_completion_total", counter, "Offset commits that succeeded.", of(func(t *task.Meter) float64 { return float64(t.Commits.Load()) })},
		{group + "offset_commit_seq_no", gauge, "The number of the newest offset commit that succeeded.", of(func(t *task.Meter) float64 { return float64(t.Commits.Load()) })},
		{"engine_task_lag_records", gauge, "Records that the task is behind the ends of its partitions.", of(func(t *task.Meter) float64 { return known(t.Lag()) })},
	}
}

// furthestFamily is of the consumer in Kafka Connect, whose client is named after the task.
func furthestFamily(p *page, tasks []subject) {
	p.family("kafka_consumer_consumer_fetch_manager_metrics_records_lag_max", gauge, "Records that the task is behind the end of the partition that it is furthest behind.")
	for i := range tasks {
		if most := tasks[i].meter.MostLag(); most >= 0 && tasks[i].plugin.Role() != plugin.SourceRole {
			p.sample(float64(most), tasks[i].client)
		}
	}
}

func errorFamilies() []family {
	const group = "kafka_connect_task_error_metrics_"
	return []family{
		{group + "total_record_failures", counter, "Operations on records that failed.", count(func(t *task.Meter) int64 { return t.Failures.Load() })},
		{group + "total_record_errors", counter, "Records that failed for good.", count(func(t *task.Meter) int64 { return t.Errors.Load() })},
		{group + "total_records_skipped", counter, "Records that failed and were passed over.", count(func(t *task.Meter) int64 { return t.Skipped.Load() })},
		{group + "total_retries", counter, "Operations that were tried again.", count(func(t *task.Meter) int64 { return t.Retries.Load() })},
		{group + "total_errors_logged", counter, "Errors written to the log.", count(func(t *task.Meter) int64 { return t.Logged.Load() })},
		{group + "deadletterqueue_produce_requests", counter, "Records given to the dead letter queue.", count(func(t *task.Meter) int64 { return t.DeadLetters.Load() })},
		{group + "deadletterqueue_produce_failures", counter, "Records that the dead letter queue did not take.", count(func(t *task.Meter) int64 { return t.DeadFailed.Load() })},
		{group + "last_error_timestamp", gauge, "When the last record failed, in milliseconds since the epoch.", func(s *subject) float64 { return millis(s.meter.LastError.Load()) }},
	}
}

// known is a number, NaN when it is negative: nobody knows it.
func known(n int64) float64 {
	if n < 0 {
		return math.NaN()
	}
	return float64(n)
}

// seconds is a moment in seconds since the epoch, 0 for none.
func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1e3
}

func millis(nanos int64) float64 { return float64(nanos) / 1e6 }

func ratio(sum float64, n int64) float64 {
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
