package engine

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// Metrics answers scrapes in Prometheus' formats, under the names that the JMX exporter gives to Kafka Connect's beans:
// kafka_connect_<group>_<attribute>, with labels connector and task. What Kafka Connect has no bean for begins with
// engine_. Labels have bounded values: connectors, task numbers, states.
func (e *Engine) Metrics() http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := e.metrics(r.Context())
		if err != nil {
			http.Error(w, "the store cannot be read: "+err.Error(), http.StatusInternalServerError)
			return
		}
		now := prometheus.NewRegistry()
		now.MustRegister(m)
		promhttp.HandlerFor(prometheus.Gatherers{process, now}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// metrics is what one scrape is made of, with the tasks' meters.
type metrics struct {
	engine   *Engine
	snapshot *store.Snapshot
	said     map[statusOf]store.Status
	now      time.Time
}

func (e *Engine) metrics(ctx context.Context) (metrics, error) {
	s, err := e.Snapshot(ctx)
	if err != nil {
		return metrics{}, err
	}
	all, err := e.Statuses(ctx)
	if err != nil {
		return metrics{}, err
	}
	m := metrics{e, s, map[statusOf]store.Status{}, time.Now()}
	for _, st := range all {
		m.said[statusOf{st.Connector, st.Task}] = st
	}
	return m, nil
}

// Describe implements prometheus.Collector: what there is changes with the configuration.
func (metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m metrics) Collect(to chan<- prometheus.Metric) {
	s, tasks := m.snapshot, 0
	for _, name := range s.Names() {
		m.connector(to, s.Connectors[name])
		tasks += len(s.Connectors[name].Tasks)
	}
	gauge(to, "kafka_connect_connect_worker_metrics_connector_count", "The number of connectors run in this worker.", float64(len(s.Connectors)))
	gauge(to, "kafka_connect_connect_worker_metrics_task_count", "The number of tasks run in this worker.", float64(tasks))
	if m.engine.Loads != nil {
		loadMetrics(to, m.engine.Loads())
	}
}

// loadMetrics tells how the declared configuration was loaded.
func loadMetrics(to chan<- prometheus.Metric, l Loads) {
	good := 0.0
	if l.Good {
		good = 1
	}
	desc := prometheus.NewDesc("engine_config_reloads_total", "Loads of the declared configuration, the first included, by what came of them.", []string{"result"}, nil)
	to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(l.Succeeded), "success")
	to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(l.Refused), "failure")
	gauge(to, "engine_config_last_reload_success", "Whether the newest load of the declared configuration was put into effect.", good)
	gauge(to, "engine_config_last_reload_success_timestamp_seconds", "When the configuration that runs was put into effect, in seconds since the epoch.", seconds(l.Since))
	gauge(to, "engine_config_revision", "The revision of the configuration that runs, counted from 1 at the start.", float64(l.Revision))
}

type statusOf struct {
	connector string
	task      int
}

// states are those that a task can show, in the words of Kafka Connect's status attribute.
var states = []store.State{ //nolint:gochecknoglobals // a literal
	store.StateUnassigned, store.StateRunning, store.StatePaused, store.StateStopped, store.StateFailed, store.StateRestarting,
}

func (m metrics) connector(to chan<- prometheus.Metric, c store.Connector) {
	d, _ := m.engine.Registry.Connector(strings.TrimSpace(c.Config[config.ConnectorClass]))
	one(to, "kafka_connect_connector_metrics_connector_info", "Class, type and version of the connector.",
		[]string{"connector", "connector_class", "connector_type", "connector_version"}, c.Name, d.Class, d.Role().String(), d.Version)
	status(to, "kafka_connect_connector_metrics_status", m.said[statusOf{c.Name, store.Instance}].State, c.Name)
	m.failures(to, "engine_connector_", m.said[statusOf{c.Name, store.Instance}], c.Name)
	counts := map[store.State]int{}
	for n := range c.Tasks {
		is := m.said[statusOf{c.Name, n}]
		counts[is.State]++
		status(to, "kafka_connect_connector_task_metrics_status", is.State, c.Name, strconv.Itoa(n))
		m.failures(to, "engine_task_", is, c.Name, strconv.Itoa(n))
		m.task(to, d.Role(), c.Name, n)
	}
	gauge(to, "kafka_connect_connect_worker_metrics_connector_total_task_count", "The number of tasks of the connector.", float64(len(c.Tasks)), c.Name)
	for state, word := range map[store.State]string{
		store.StateRunning: "running", store.StatePaused: "paused", store.StateFailed: "failed", store.StateUnassigned: "unassigned", store.StateRestarting: "restarting",
	} {
		gauge(to, "kafka_connect_connect_worker_metrics_connector_"+word+"_task_count", "The number of "+word+" tasks of the connector.", float64(counts[state]), c.Name)
	}
}

// failures are the same for instances and tasks; the names begin with a prefix. The series are there without a failure too.
func (m metrics) failures(to chan<- prometheus.Metric, prefix string, is store.Status, labels ...string) {
	f := m.engine.failures(is)
	counter(to, prefix+"failures_total", "How often it has failed in this process, healed failures included.", f.Count, labels...)
	gauge(to, prefix+"last_failure_timestamp_seconds", "When it failed last, in seconds since the epoch; 0 if never.", seconds(f.At), labels...)
	gauge(to, prefix+"restart_attempt", "The number of the restart by itself that is planned, in a row; 0 if none is.", float64(f.Attempt), labels...)
	gauge(to, prefix+"next_restart_timestamp_seconds", "When it will be restarted by itself, in seconds since the epoch; 0 if no restart is planned.", seconds(f.Next), labels...)
}

// status is a gauge for each state, 1 for the one that holds, so that no series comes and goes.
func status(to chan<- prometheus.Metric, name string, is store.State, labels ...string) {
	if is == "" {
		is = store.StateUnassigned
	}
	names := append(labelNames(len(labels)), "status")
	desc := prometheus.NewDesc(name, "The state, as one of several gauges of which one is 1.", names, nil)
	for _, s := range states {
		v := 0.0
		if s == is {
			v = 1
		}
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, append(append([]string{}, labels...), strings.ToLower(string(s)))...)
	}
}

func (m metrics) task(to chan<- prometheus.Metric, role plugin.Role, connector string, n int) {
	t := m.engine.meters.of(connector, n)
	l := []string{connector, strconv.Itoa(n)}
	if role == plugin.SourceRole {
		sourceTask(to, t, l)
	} else {
		sinkTask(to, t, l)
	}
	if d := t.Behind(m.now); d >= 0 {
		gauge(to, "engine_task_lag_seconds", "The age of the oldest record that a sink has not taken, or of the newest that Kafka has taken from a source, in seconds.", d.Seconds(), l...)
	}
	const group = "kafka_connect_connector_task_metrics_"
	gauge(to, group+"batch_size_max", "Records of the largest batch.", float64(t.BatchLargest.Load()), l...)
	gauge(to, group+"batch_size_avg", "Records of the average batch.", ratio(float64(t.Read.Load()), t.Batches.Load()), l...)
	commits, failed := t.Commits.Load(), t.CommitFailures.Load()
	gauge(to, group+"offset_commit_max_time_ms", "The longest time of an offset commit, in milliseconds.", millis(t.CommitLongest.Load()), l...)
	gauge(to, group+"offset_commit_avg_time_ms", "The average time of an offset commit, in milliseconds.", ratio(millis(t.CommitNanos.Load()), commits), l...)
	gauge(to, group+"offset_commit_success_percentage", "The share of offset commits that succeeded.", ratio(float64(commits), commits+failed), l...)
	gauge(to, group+"offset_commit_failure_percentage", "The share of offset commits that failed.", ratio(float64(failed), commits+failed), l...)
	counter(to, "engine_task_offset_commits_total", "Offset commits that succeeded.", commits, l...)
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc("engine_task_offset_commit_seconds_total", "Time that offset commits have taken, in seconds.", labelNames(len(l)), nil),
		prometheus.CounterValue, float64(t.CommitNanos.Load())/1e9, l...)
	counter(to, "engine_task_bytes_total", "Bytes of keys and values as they stand in Kafka.", t.Bytes.Load(), l...)
	counter(to, "engine_task_records_dropped_total", "Records that a filter dropped.", t.Dropped.Load(), l...)
	errorMetrics(to, t, l)
}

func sourceTask(to chan<- prometheus.Metric, t *task.Meter, l []string) {
	const group = "kafka_connect_source_task_metrics_"
	counter(to, group+"source_record_poll_total", "Records polled from the source.", t.Read.Load(), l...)
	counter(to, group+"source_record_write_total", "Records that Kafka has taken.", t.Delivered.Load(), l...)
	gauge(to, group+"source_record_active_count", "Records polled and not yet taken by Kafka.", float64(t.InFlight.Load()), l...)
	gauge(to, group+"poll_batch_max_time_ms", "The longest time of a poll, in milliseconds.", millis(t.PollLongest.Load()), l...)
	gauge(to, group+"poll_batch_avg_time_ms", "The average time of a poll, in milliseconds.", ratio(millis(t.PollNanos.Load()), t.Polls.Load()), l...)
}

func sinkTask(to chan<- prometheus.Metric, t *task.Meter, l []string) {
	const group = "kafka_connect_sink_task_metrics_"
	counter(to, group+"sink_record_read_total", "Records read from Kafka.", t.Read.Load(), l...)
	counter(to, group+"sink_record_send_total", "Records that the sink has taken.", t.Delivered.Load(), l...)
	gauge(to, group+"sink_record_active_count", "Records read and not yet taken by the sink.", float64(t.InFlight.Load()), l...)
	gauge(to, group+"partition_count", "Topic partitions assigned to the task.", float64(t.Partitions.Load()), l...)
	gauge(to, group+"put_batch_max_time_ms", "The longest time of a put, in milliseconds.", millis(t.PollLongest.Load()), l...)
	gauge(to, group+"put_batch_avg_time_ms", "The average time of a put, in milliseconds.", ratio(millis(t.PollNanos.Load()), t.Polls.Load()), l...)
	counter(to, group+"offset_commit_completion_total", "Offset commits that succeeded.", t.Commits.Load(), l...)
	gauge(to, group+"offset_commit_seq_no", "The number of the newest offset commit that succeeded.", float64(t.Commits.Load()), l...)
	if most := t.MostLag(); most >= 0 {
		// Of the consumer in Kafka Connect, whose client is named after the task.
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc("kafka_consumer_consumer_fetch_manager_metrics_records_lag_max",
			"Records that the task is behind the end of the partition that it is furthest behind.", []string{"client_id"}, nil),
			prometheus.GaugeValue, float64(most), "connector-consumer-"+strings.Join(l, "-"))
	}
	if lag := t.Lag(); lag >= 0 {
		gauge(to, "engine_task_lag_records", "Records that the task is behind the ends of its partitions.", float64(lag), l...)
	}
}

func errorMetrics(to chan<- prometheus.Metric, t *task.Meter, l []string) {
	const group = "kafka_connect_task_error_metrics_"
	counter(to, group+"total_record_failures", "Operations on records that failed.", t.Failures.Load(), l...)
	counter(to, group+"total_record_errors", "Records that failed for good.", t.Errors.Load(), l...)
	counter(to, group+"total_records_skipped", "Records that failed and were passed over.", t.Skipped.Load(), l...)
	counter(to, group+"total_retries", "Operations that were tried again.", t.Retries.Load(), l...)
	counter(to, group+"total_errors_logged", "Errors written to the log.", t.Logged.Load(), l...)
	counter(to, group+"deadletterqueue_produce_requests", "Records given to the dead letter queue.", t.DeadLetters.Load(), l...)
	counter(to, group+"deadletterqueue_produce_failures", "Records that the dead letter queue did not take.", t.DeadFailed.Load(), l...)
	gauge(to, group+"last_error_timestamp", "When the last record failed, in milliseconds since the epoch.", millis(t.LastError.Load()), l...)
}

func labelNames(n int) []string { return []string{"connector", "task"}[:n] }

func gauge(to chan<- prometheus.Metric, name, help string, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, labelNames(len(labels)), nil), prometheus.GaugeValue, v, labels...)
}

func counter(to chan<- prometheus.Metric, name, help string, v int64, labels ...string) {
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, labelNames(len(labels)), nil), prometheus.CounterValue, float64(v), labels...)
}

// one is a gauge whose labels are what it says.
func one(to chan<- prometheus.Metric, name, help string, names []string, labels ...string) {
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), prometheus.GaugeValue, 1, labels...)
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
