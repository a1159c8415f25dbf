package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/config"
)

// call sends a request and returns the answer.
func (w *restWorker) call(t *testing.T, method, path, body string) reply {
	t.Helper()
	r := restRequest{Method: method, Path: path}
	if body != "" {
		r.Body = &body
	}
	got, err := ask(w.address, r, func(s string) string { return s })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// waitFor asks until the body has a text.
func (w *restWorker) waitFor(t *testing.T, path, text string) string {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := w.call(t, http.MethodGet, path, "")
		if strings.Contains(got.body, text) {
			return got.body
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: got %s, want %s", path, got, text)
		}
		<-tick.C
	}
}

func restSettings() map[string]string {
	return map[string]string{"listeners": "http://127.0.0.1:0", "offset.flush.interval.ms": "100"}
}

func TestOneTaskIsHeldWhileTheOthersRun(t *testing.T) {
	t.Parallel()
	w := startWorker(t, restSettings())
	sink := map[string]any{"connector.class": "FileStreamSink", "tasks.max": "2", "topics": "t", "file": filepath.Join(t.TempDir(), "out.txt"), "errors.tolerance": "none"}
	if err := w.declare(t, "src", map[string]any{"connector.class": "FileStreamSource", "file": "/dev/null-is-not-here", "topic": "t"}, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.declare(t, "snk", sink, ""); err != nil {
		t.Fatal(err)
	}
	if got := w.call(t, http.MethodPut, "/connectors/snk/tasks/0/status", `{"state":"PAUSED"}`); got.status != http.StatusAccepted {
		t.Fatalf("hold: got %s", got)
	}
	const held, running = `{"id":0,"state":"PAUSED"`, `{"id":0,"state":"RUNNING"`
	body := w.waitFor(t, "/connectors/snk/status", held)
	if !strings.Contains(body, `{"id":1,"state":"RUNNING"`) || !strings.Contains(body, `"connector":{"state":"RUNNING"`) {
		t.Errorf("the rest: got %s", body)
	}
	// A restart of the task, and of the whole, leaves it held.
	if got := w.call(t, http.MethodPost, "/connectors/snk/restart?includeTasks=true", ""); got.status != http.StatusAccepted {
		t.Fatalf("restart: got %s", got)
	}
	w.waitFor(t, "/connectors/snk/status", held)
	if got := w.call(t, http.MethodPut, "/connectors/snk/tasks/0/status", `{"state":"RUNNING"}`); got.status != http.StatusAccepted {
		t.Fatalf("let go on: got %s", got)
	}
	w.waitFor(t, "/connectors/snk/status", running)
}

func TestMetricsCountRecordsAndShowStates(t *testing.T) {
	t.Parallel()
	w := startWorker(t, restSettings())
	file := filepath.Join(t.TempDir(), "in.txt")
	if err := os.WriteFile(file, []byte("a\nb\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.declare(t, "src", map[string]any{"connector.class": "FileStreamSource", "file": file, "topic": "t"}, ""); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, "/metrics", `kafka_connect_source_task_metrics_source_record_write_total{connector="src",task="0"} 3`)
	if err := w.declare(t, "snk", map[string]any{"connector.class": "FileStreamSink", "topics": "t", "file": filepath.Join(t.TempDir(), "no", "out.txt")}, ""); err != nil {
		t.Fatal(err)
	}
	body := w.waitFor(t, "/metrics", `kafka_connect_connector_task_metrics_status{connector="snk",status="failed",task="0"} 1`)
	for _, want := range []string{
		`kafka_connect_connector_task_metrics_status{connector="snk",status="running",task="0"} 0`,
		`kafka_connect_connector_metrics_status{connector="snk",status="running"} 1`,
		`kafka_connect_connect_worker_metrics_connector_count 2`,
		`kafka_connect_connect_worker_metrics_connector_failed_task_count{connector="snk"} 1`,
		`engine_task_bytes_total{connector="src",task="0"} 9`,
		`kafka_connect_connector_task_metrics_offset_commit_success_percentage{connector="src",task="0"}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if lines := regexp.MustCompile(`(?m)^[a-z_]+\{[^}]*status="[a-z]+"[^}]*task="0"`).FindAllString(body, -1); len(lines) != 12 {
		t.Errorf("got %d gauges of task states, want 6 for each of the two tasks", len(lines))
	}
}

// Offsets of a connector that is about to run may not be changed, and one whose offsets are read goes on.
func TestOffsetsOfAStoppedConnectorOnly(t *testing.T) {
	t.Parallel()
	w := startWorker(t, restSettings())
	dir := t.TempDir()
	file, out := filepath.Join(dir, "in.txt"), filepath.Join(dir, "out.txt")
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.declare(t, "src", map[string]any{"connector.class": "FileStreamSource", "file": file, "topic": "t"}, ""); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, "/connectors/src/offsets", `"offset":{"position":8}`)
	// The stop answers when nothing runs any more, so the change needs no second try.
	for round := range 5 {
		if got := w.call(t, http.MethodPut, "/connectors/src/stop", ""); got.status != http.StatusNoContent {
			t.Fatalf("round %d: stop: got %s", round, got)
		}
		change := fmt.Sprintf(`{"offsets":[{"partition":{"filename":%q},"offset":{"position":4}}]}`, file)
		if got := w.call(t, http.MethodPatch, "/connectors/src/offsets", change); got.status != http.StatusOK {
			t.Fatalf("round %d: alter: got %s", round, got)
		}
		if got := w.call(t, http.MethodPut, "/connectors/src/resume", ""); got.status != http.StatusAccepted {
			t.Fatalf("round %d: resume: got %s", round, got)
		}
		w.waitFor(t, "/connectors/src/offsets", `"offset":{"position":8}`)
	}
	if err := w.declare(t, "snk", map[string]any{"connector.class": "FileStreamSink", "topics": "t", "file": out}, ""); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, "/connectors/snk/offsets", `"offset":{"kafka_offset":7}`) // two lines, and one more each round
	if got := w.call(t, http.MethodPut, "/connectors/snk/stop", ""); got.status != http.StatusNoContent {
		t.Fatalf("stop: got %s", got)
	}
	if got := w.call(t, http.MethodDelete, "/connectors/snk/offsets", ""); got.status != http.StatusOK {
		t.Fatalf("reset: got %s", got)
	}
	if got := w.call(t, http.MethodGet, "/connectors/snk/offsets", ""); got.body != `{"offsets":[]}` {
		t.Errorf("after the reset: got %s", got)
	}
}

func TestTheDefaultAddressIsGivenUpWhenTaken(t *testing.T) {
	t.Parallel()
	address, err := config.ListenAddress(defaultListener)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := net.Listen("tcp", address); err == nil { // else another process has it, which is as good
		defer func() { _ = l.Close() }()
	}
	w := config.WorkerDefaults()
	s, err := openSockets(t.Context(), &w, &config.Declared{})
	if s != nil || err != nil {
		s.close()
		t.Errorf("got %v and %v, want neither", s, err)
	}
}

func TestTheWorkerIDIsTheAdvertisedAddress(t *testing.T) {
	t.Parallel()
	port := 9
	w := config.WorkerDefaults()
	w.Listeners = []string{"http://127.0.0.1:0"}
	s, err := openSockets(t.Context(), &w, &config.Declared{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if got, want := s.workerID(&w), s.public[0].Addr().String(); got != want || !s.loopback() {
		t.Errorf("got %s, want %s", got, want)
	}
	w.AdvertisedHost, w.AdvertisedPort = "kafka.example", &port
	if got := s.workerID(&w); got != "kafka.example:9" {
		t.Errorf("got %s", got)
	}
}

// Every deviation that names recorded cases names some that are there.
func TestDeviationsNameRecordedCases(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"standalone", "distributed"} {
		known := map[string]bool{}
		for _, c := range readCases(t) {
			known[c.ID] = slices.Contains(c.Modes, mode)
		}
		differ, files := deviations(t, mode)
		if len(differ) == 0 || len(files) == 0 {
			t.Fatal("docs/deviations.md names no recorded cases")
		}
		if mode != "standalone" {
			files = nil
		}
		for _, ids := range []map[string]string{differ, files} {
			for id, number := range ids {
				if !known[id] {
					t.Errorf("item %s names %s, which is not run", number, id)
				}
			}
		}
	}
}

// TestCommandsLogIn: a worker that asks for a login takes it from the address, which no message shows.
func TestCommandsLogIn(t *testing.T) {
	t.Parallel()
	settings := restSettings()
	settings[config.BasicAuthFile] = write(t, t.TempDir(), "users.properties", "ann="+password+"\n")
	w := startWorker(t, settings)
	for _, c := range []struct {
		login, says string
		status      int
	}{
		{"", "-url http://USER:PASSWORD@HOST:PORT", 1}, {"ann:" + password + "x@", "The worker asks for a login", 1}, {"ann:" + password + "@", "The worker has no connectors.", 0},
	} {
		var said output
		p := process{args: []string{"status", "-url", "http://" + c.login + w.address}, out: &said, err: &said, env: func(string) (string, bool) { return "", false }}
		if got := execute(t.Context(), p); got != c.status || !strings.Contains(strings.Join(strings.Fields(said.String()), " "), c.says) || strings.Contains(said.String(), password) {
			t.Errorf("%q: got %d and:\n%s", c.login, got, said.String())
		}
	}
}
