package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/api"
)

// rest is the API of a run that has listeners.
func (r *running) rest() *restWorker {
	r.t.Helper()
	return &restWorker{address: r.run.sockets.public[0].Addr().String()}
}

// tell runs a command against the worker and returns what it prints.
func tell(t *testing.T, w *restWorker, args ...string) string {
	t.Helper()
	var said output
	p := process{args: append(args, "-url", "http://"+w.address), out: &said, err: &said, env: func(string) (string, bool) { return "", false }}
	if got := execute(t.Context(), p); got != 0 {
		t.Fatalf("%v: exit status %d:\n%s", args, got, said.String())
	}
	return said.String()
}

// configurationOf reads GET /config.
func configurationOf(t *testing.T, w *restWorker) api.Configuration {
	t.Helper()
	var is api.Configuration
	if err := json.Unmarshal([]byte(w.call(t, http.MethodGet, "/config", "").body), &is); err != nil {
		t.Fatal(err)
	}
	return is
}

// TestTheRevisionThatRunsIsTold: GET /config, /health, /metrics and engine status say which configuration runs, and since
// when the files have errors (language.md §5.3).
func TestTheRevisionThatRunsIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "w.hcl", "worker {\n  listeners = [\"http://127.0.0.1:0\"]\n}\n")
	good := "pipeline \"a\" {\n  source \"file\" {\n    file = \"in.txt\"\n    topic = \"t\"\n  }\n}\n"
	write(t, dir, "a.hcl", good)
	r := startRun(t, dir, false)
	w := r.rest()
	first := configurationOf(t, w)
	if first.Revision != 1 || first.Pipelines != 1 || !first.Last.Loaded || first.Rejected != nil || len(first.Files) != 2 || first.Files[0].Name != "a.hcl" || len(first.Files[0].Digest) != 64 {
		t.Errorf("at the start: got %+v", first)
	}
	if got := w.call(t, http.MethodGet, "/health", "").body; got != `{"status":"healthy","message":"Worker has completed startup and is ready to handle requests."}` {
		t.Errorf("health: got %s", got)
	}

	write(t, dir, "a.hcl", strings.Replace(good, "topic", "topci", 1))
	if got := w.call(t, http.MethodPost, "/reload", ""); got.status != http.StatusBadRequest {
		t.Fatalf("got %s", got)
	}
	broken := configurationOf(t, w)
	if broken.Revision != 1 || broken.Hash != first.Hash || broken.Last.Loaded || broken.Rejected == nil || broken.Rejected.Files[0] != "a.hcl" || broken.Rejected.Diagnostics[0].Place.Line != 4 {
		t.Errorf("with errors: got %+v", broken)
	}
	if got := w.call(t, http.MethodGet, "/health", ""); got.status != http.StatusOK || !strings.Contains(got.body, `"degraded":"configuration not loaded"`) {
		t.Errorf("health with errors: got %s", got)
	}
	if got := tell(t, w, "status"); !regexp.MustCompile(`(?m)^configuration: revision 1 of \d\d:\d\d:\d\d; a\.hcl has errors since \d\d:\d\d:\d\d$`).MatchString(got) {
		t.Errorf("status with errors:\n%s", got)
	}
	w.call(t, http.MethodPost, "/reload", "")
	if again := configurationOf(t, w); !again.Rejected.Since.Equal(broken.Rejected.Since) || !again.Rejected.At.After(broken.Rejected.At) {
		t.Errorf("the second time: got since %s at %s, want since %s", again.Rejected.Since, again.Rejected.At, broken.Rejected.Since)
	}

	write(t, dir, "a.hcl", good+"# fine\n")
	if got := w.call(t, http.MethodPost, "/reload", ""); got.status != http.StatusOK {
		t.Fatalf("got %s", got)
	}
	if now := configurationOf(t, w); now.Revision != 2 || now.Hash == first.Hash || !now.Last.Loaded || now.Rejected == nil {
		t.Errorf("repaired: got %+v", now)
	}
	body := w.call(t, http.MethodGet, "/metrics", "").body
	for _, want := range []string{
		`engine_config_reloads_total{result="success"} 2`, `engine_config_reloads_total{result="failure"} 2`, "engine_config_revision 2", "engine_config_last_reload_success 1",
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("no %s in /metrics", want)
		}
	}
	at := regexp.MustCompile(`(?m)^engine_config_last_reload_success_timestamp_seconds (\S+)$`).FindStringSubmatch(body)
	var seconds float64
	if at == nil || json.Unmarshal([]byte(at[1]), &seconds) != nil || time.Since(time.UnixMilli(int64(seconds*1000))) > time.Minute {
		t.Errorf("the time of the last load: got %v", at)
	}
}

// TestHealingIsTold: a failed task's error and next start are in the status, in /metrics and in ?expand=engine, and are
// told of one that runs again. Who does not ask for more sees Kafka Connect's members only (decisions D6, D9).
func TestHealingIsTold(t *testing.T) {
	t.Parallel()
	w := startWorker(t, restSettings())
	dir := t.TempDir()
	out := filepath.Join(dir, "later", "out.txt")
	if err := w.declare(t, "snk", map[string]any{
		"connector.class": "FileStreamSink", "topics": "t", "file": out, "errors.restart.delay.ms": "300", "errors.restart.delay.max.ms": "300", "errors.restart.max.attempts": "1000000",
	}, ""); err != nil {
		t.Fatal(err)
	}
	const planned = `"restart_attempt":`
	body := w.waitFor(t, "/connectors/snk/status?expand=engine", planned)
	for _, want := range []string{`"next_restart":"20`, `"last_error":"`, `"last_failed":"20`, `"target":"STARTED"`, `"source":"pipelines.hcl"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for _, path := range []string{"/connectors/snk/status", "/connectors?expand=status&expand=info", "/connectors/snk/tasks/0/status"} {
		if got := w.call(t, http.MethodGet, path, ""); strings.Contains(got.body, planned) || strings.Contains(got.body, "last_error") || strings.Contains(got.body, `"engine"`) {
			t.Errorf("%s: got %s", path, got)
		}
	}
	told := regexp.MustCompile(`(?m)^  task 0 FAILED, is started again at \d\d:\d\d:\d\d \(attempt \d+\): .*out\.txt`)
	waitFor(t, "the next start in engine status", func() bool { return told.MatchString(tell(t, w, "status")) })
	waitFor(t, "the next start in engine status -json", func() bool { return strings.Contains(tell(t, w, "status", "-json", "snk"), `"next_restart": "20`) })
	metric := regexp.MustCompile(`(?m)^engine_task_next_restart_timestamp_seconds\{connector="snk",task="0"\} 1\.[0-9]+e\+09$`)
	waitFor(t, "the next start in /metrics", func() bool { return metric.MatchString(w.call(t, http.MethodGet, "/metrics", "").body) })

	if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, "/connectors/snk/status", `{"id":0,"state":"RUNNING"`)
	if got := tell(t, w, "status"); !regexp.MustCompile(`(?m)^  task 0 had failed \d+ times?, last at \d\d:\d\d:\d\d: .*out\.txt`).MatchString(got) {
		t.Errorf("healed:\n%s", got)
	}
	if got := w.call(t, http.MethodGet, "/metrics", "").body; !strings.Contains(got, `engine_task_next_restart_timestamp_seconds{connector="snk",task="0"} 0`+"\n") ||
		!regexp.MustCompile(`(?m)^engine_task_failures_total\{connector="snk",task="0"\} [1-9]`).MatchString(got) {
		t.Error("/metrics of what has healed still plans a restart, or has forgotten the failures")
	}
}

// TestLagIsTold: of a sink in records and seconds, of a source in seconds.
func TestLagIsTold(t *testing.T) {
	t.Parallel()
	w := startWorker(t, restSettings())
	dir := t.TempDir()
	in := write(t, dir, "in.txt", "one\ntwo\n")
	for name, m := range map[string]map[string]any{
		"src": {"connector.class": "FileStreamSource", "topic": "t", "file": in},
		"snk": {"connector.class": "FileStreamSink", "topics": "t", "file": filepath.Join(dir, "out.txt")},
	} {
		if err := w.declare(t, name, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		`(?m)^engine_task_lag_seconds\{connector="src",task="0"\} [0-9.e-]+$`, `(?m)^engine_task_lag_seconds\{connector="snk",task="0"\} 0$`,
		`(?m)^engine_task_lag_records\{connector="snk",task="0"\} 0$`, `(?m)^kafka_consumer_consumer_fetch_manager_metrics_records_lag_max\{client_id="connector-consumer-snk-0"\} 0$`,
		`(?m)^kafka_connect_connector_task_metrics_batch_size_max\{connector="src",task="0"\} 2$`, `(?m)^kafka_connect_connector_task_metrics_batch_size_avg\{connector="src",task="0"\} 2$`,
		`(?m)^kafka_connect_sink_task_metrics_offset_commit_seq_no\{connector="snk",task="0"\} [1-9]$`, `(?m)^engine_task_offset_commit_seconds_total\{connector="src",task="0"\} [0-9.e-]+$`,
	} {
		waitFor(t, want, func() bool {
			return regexp.MustCompile(want).MatchString(w.call(t, http.MethodGet, "/metrics", "").body)
		})
	}
	for _, want := range []string{`(?m)^src +source +RUNNING +1/1 running +newest [0-9.]+ s ago$`, `(?m)^snk +sink +RUNNING +1/1 running +0 records, 0\.0 s$`} {
		waitFor(t, want, func() bool { return regexp.MustCompile(want).MatchString(tell(t, w, "status")) })
	}
}

// TestTraceIsPrintedWhole: without -trace the first line of a failure is told, with it all lines.
func TestTraceIsPrintedWhole(t *testing.T) {
	t.Parallel()
	list := []*api.Status{{Name: "c", Type: "sink", Connector: api.State{State: "RUNNING"}, Tasks: []api.TaskState{{ID: 0, State: api.State{State: "FAILED", Trace: "first\nsecond"}}}}}
	for trace, want := range map[bool]string{
		false: "NAME  TYPE  STATE    TASKS\nc     sink  RUNNING  0/1 running\n  task 0 FAILED: first\n",
		true:  "NAME  TYPE  STATE    TASKS\nc     sink  RUNNING  0/1 running\n  task 0 FAILED: first\n    second\n",
	} {
		if got := string((&statusCommand{trace: trace}).page(look{list: list})); got != want {
			t.Errorf("trace %v: got\n%s, want\n%s", trace, got, want)
		}
	}
}
