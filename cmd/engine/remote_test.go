package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/store"
)

// worker is a Kafka Connect worker with one connector, "c", that does nothing by itself.
type worker struct {
	mu     sync.Mutex
	states []string // of the connector, its tasks
	trace  string
	asked  []string
	down   bool // answers as a proxy does whose worker is gone
	onGet  func(w *worker, n int)
	gets   int
}

func (w *worker) set(states ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = states
}

func (w *worker) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		out.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Method != http.MethodGet {
		w.asked = append(w.asked, r.Method+" "+r.URL.RequestURI())
		out.WriteHeader(http.StatusAccepted)
		return
	}
	if w.gets++; w.onGet != nil {
		w.onGet(w, w.gets)
	}
	body := w.status()
	if r.URL.Path == "/connectors" {
		body = map[string]any{"c": map[string]any{"status": body}}
	}
	_ = json.NewEncoder(out).Encode(body)
}

func (w *worker) status() map[string]any {
	part := func(state string) map[string]any {
		p := map[string]any{"state": state, "worker_id": "w:8083"}
		if state == string(store.StateFailed) {
			p["trace"] = w.trace
		}
		return p
	}
	tasks := []any{}
	for n, state := range w.states[1:] {
		t := part(state)
		t["id"] = n
		tasks = append(tasks, t)
	}
	return map[string]any{"name": "c", "type": "source", "connector": part(w.states[0]), "tasks": tasks}
}

// start serves the worker until the test ends and returns a process whose commands find it.
func (w *worker) start(t *testing.T, args ...string) (process, *output) {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	said := &output{}
	env := func(name string) (string, bool) { return server.URL, name == "ENGINE_URL" }
	return process{args: args, in: strings.NewReader(""), out: said, err: said, env: env}, said
}

func TestSteering(t *testing.T) {
	t.Parallel()
	becomes := func(states ...string) func(*worker, int) {
		return func(w *worker, n int) {
			if n > 2 {
				w.states = states
			}
		}
	}
	for name, c := range map[string]struct {
		args  string
		now   []string
		onGet func(*worker, int)
		exit  int
		asked string
		says  []string
	}{
		"pause waits for the tasks":     {"pause c", []string{"PAUSED", "RUNNING"}, becomes("PAUSED", "PAUSED"), 0, "PUT /connectors/c/pause", []string{"PAUSED  0/1 running"}},
		"what failed does not hold up":  {"pause c", []string{"PAUSED", "FAILED"}, nil, 0, "PUT /connectors/c/pause", []string{"  task 0 FAILED: why it did\n"}},
		"stop waits for the tasks":      {"stop c", []string{"STOPPED", "RUNNING"}, becomes("STOPPED"), 0, "PUT /connectors/c/stop", []string{"STOPPED  0/0 running"}},
		"resume waits for tasks at all": {"resume c", []string{"RUNNING"}, becomes("RUNNING", "RUNNING", "RUNNING"), 0, "PUT /connectors/c/resume", []string{"2/2 running"}},
		"resume tells of failures":      {"resume c", []string{"RUNNING", "RUNNING", "FAILED"}, nil, 1, "PUT /connectors/c/resume", []string{"1/2 running", "[E009]", "c is not running: task 1 FAILED: why it did."}},
		"not in time":                   {"pause c -wait 60ms", []string{"RUNNING", "RUNNING"}, nil, 1, "PUT /connectors/c/pause", []string{"[E912]", "c is not paused after 60ms: it is RUNNING, tasks 1/1 running"}},
		"without waiting":               {"pause c -wait 0", []string{"RUNNING", "RUNNING"}, nil, 0, "PUT /connectors/c/pause", []string{"RUNNING  1/1 running"}},
		"says what it waits for": {"pause c -wait 10m", []string{"RUNNING", "PAUSED"}, func(w *worker, n int) {
			if n > 40 { // of looks that are 50 ms apart
				w.states = []string{"PAUSED", "PAUSED"}
			}
		}, 0, "PUT /connectors/c/pause", []string{"waiting for c to be paused: it is RUNNING, tasks 0/1 running\n"}},
		"restart of the connector": {"restart c", []string{"RESTARTING", "FAILED"}, becomes("RUNNING", "FAILED"), 0, "POST /connectors/c/restart?includeTasks=false&onlyFailed=false", []string{"RUNNING  0/1 running"}},
		"restart with tasks":       {"restart -include-tasks c", []string{"RUNNING", "UNASSIGNED"}, becomes("RUNNING", "FAILED"), 1, "POST /connectors/c/restart?includeTasks=true&onlyFailed=false", []string{"c is not restarted: task 0 FAILED: why it did."}},
		"a restart that begins late": {"restart -include-tasks c", []string{"RUNNING", "RUNNING"}, func(w *worker, n int) {
			w.states = []string{"RUNNING", "RUNNING"}
			if n == 3 {
				w.states[1] = "RESTARTING"
			}
			if n > 3 {
				w.states[1] = "FAILED"
			}
		}, 1, "POST /connectors/c/restart?includeTasks=true&onlyFailed=false", []string{"c is not restarted: task 0 FAILED: why it did."}},
		"restart of one task": {"restart -task 1 c", []string{"RUNNING", "FAILED", "RESTARTING"}, becomes("RUNNING", "FAILED", "RUNNING"), 0, "POST /connectors/c/tasks/1/restart", []string{"1/2 running"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &worker{states: c.now, trace: "why it did\n\tat line 2", onGet: c.onGet}
			p, said := w.start(t, strings.Fields(c.args)...)
			if got := execute(t.Context(), p); got != c.exit {
				t.Errorf("got exit status %d, want %d", got, c.exit)
			}
			if got := strings.Join(w.asked, ", "); got != c.asked {
				t.Errorf("got the calls %q, want %q", got, c.asked)
			}
			for _, want := range c.says {
				if !strings.Contains(said.String(), want) {
					t.Errorf("%q is not in:\n%s", want, said)
				}
			}
			if strings.Contains(said.String(), "line 2") {
				t.Errorf("a whole trace is shown:\n%s", said)
			}
		})
	}
}

// TestSteeringIsInterrupted holds that Ctrl-C ends the wait, and that the command did not do what it says.
func TestSteeringIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	w := &worker{states: []string{"RUNNING"}, onGet: func(_ *worker, n int) {
		if n == 2 {
			interrupt()
		}
	}}
	p, said := w.start(t, "pause", "c")
	if got := execute(ctx, p); got != 1 || !strings.Contains(said.String(), "Interrupted") {
		t.Errorf("got exit status %d, want 1:\n%s", got, said)
	}
}

// TestWatchOutlivesTheWorker watches a worker that goes away and comes back otherwise.
func TestWatchOutlivesTheWorker(t *testing.T) {
	t.Parallel()
	w := &worker{states: []string{"RUNNING", "RUNNING"}, trace: "boom"}
	p, said := w.start(t, "status", "-watch", "c")
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, p) }()
	sees := func(what string) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for late := time.After(patience); !strings.Contains(said.String(), what); {
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("%q is not in:\n%s", what, said)
			}
		}
	}
	sees("  c  RUNNING  1/1 running\n")
	w.mu.Lock()
	w.down = true
	w.mu.Unlock()
	sees("HTTP 503 Service Unavailable\n")
	w.set("RUNNING", "FAILED")
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
	sees("  c  RUNNING  0/1 running; task 0 FAILED: boom\n")
	interrupt()
	if got := <-ended; got != 0 {
		t.Errorf("got exit status %d, want 0", got)
	}
	if got := strings.Count(said.String(), "\n"); got != 3 {
		t.Errorf("got %d lines, want 3:\n%s", got, said)
	}
}

// TestStatusOnATerminal holds what is redrawn.
func TestStatusOnATerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := &watching{statusCommand: &statusCommand{}, screen: &screen{out: &b, live: true}, shown: map[string]string{}}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for range 2 {
		if err := w.show(now, look{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.show(now.Add(time.Second), look{}, fmt.Errorf("gone")); err != nil {
		t.Fatal(err)
	}
	want := "03:04:05\nThe worker has no connectors.\n\x1b[1A\x1b[2K\x1b[1A\x1b[2K03:04:06  gone\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestAWorkerThatCannotReload is one of Kafka Connect.
func TestAWorkerThatCannotReload(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var said bytes.Buffer
	p := process{args: []string{"reload", "-url", server.URL}, out: &said, err: &said, env: func(string) (string, bool) { return "", false }}
	if got := execute(t.Context(), p); got != 1 || !strings.Contains(strings.Join(strings.Fields(said.String()), " "), "has no files to read again") {
		t.Errorf("got %d and:\n%s", got, said.String())
	}
}

// TestWord holds that a shell reads names back as they are.
func TestWord(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"access-log": "access-log", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'", "größe.1/2": "größe.1/2",
	} {
		if got := word(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
