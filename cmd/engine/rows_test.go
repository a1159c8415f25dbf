package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestRows goes through the table of calls that this project promises, one subtest a row, in both modes. Standalone, what
// would change a configuration answers 405.
func TestRows(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"standalone", "distributed"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			rows(t, mode)
		})
	}
}

// row is one call and what it answers: a status, a text of the body, and what is so afterwards, "" for nothing.
type row struct {
	name, method, path, body string
	status, alone            int // alone: standalone, 0 for the same
	has                      string
	after, is                string
}

func rows(t *testing.T, mode string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "in.txt", "one\ntwo\n")
	config := map[string]any{"connector.class": "FileStreamSource", "file": filepath.Join(dir, "in.txt"), "topic": "out", "tasks.max": "1"}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	flat, whole := string(text), func(name string) string { return fmt.Sprintf(`{"name":%q,"config":%s}`, name, text) }
	var w *restWorker
	if mode == "standalone" {
		w = startWorker(t, restSettings())
		if err := w.declare(t, "c", config, ""); err != nil {
			t.Fatal(err)
		}
	} else {
		w = startShared(t, startTestKafka(t, "out"), textConverters())
		if got := w.call(t, http.MethodPost, "/connectors", whole("c")); got.status != http.StatusCreated {
			t.Fatal(got)
		}
	}
	eventually(t, patience, func() (bool, string) { return w.running(t, "c") })

	state := func(is string) string { return fmt.Sprintf(`"state":%q`, is) }
	for _, r := range []row{
		{name: "GET connectors", method: "GET", path: "/connectors", status: 200, has: `["c"]`},
		{name: "POST connectors", method: "POST", path: "/connectors", body: whole("new"), status: 201, alone: 405, has: `new`},
		{name: "GET connector", method: "GET", path: "/connectors/c", status: 200, has: `"tasks":[{"connector":"c","task":0}]`},
		{name: "PUT connector, flat", method: "PUT", path: "/connectors/flat", body: flat, status: 201, alone: 405, has: `flat`},
		{name: "PUT connector, whole", method: "PUT", path: "/connectors/whole", body: whole("whole"), status: 201, alone: 405, has: `whole`},
		{name: "PUT connector, again", method: "PUT", path: "/connectors/c", body: flat, status: 200, alone: 405, has: `c`},
		{name: "DELETE connector", method: "DELETE", path: "/connectors/c", status: 204, alone: 405},
		{name: "GET config", method: "GET", path: "/connectors/c/config", status: 200, has: `"topic":"out"`},
		{name: "PUT config", method: "PUT", path: "/connectors/c/config", body: flat, status: 200, alone: 405, has: "c"},
		{name: "GET status", method: "GET", path: "/connectors/c/status", status: 200, has: state("RUNNING")},
		{name: "GET pause", method: "GET", path: "/connectors/c/pause", status: 202, after: "/connectors/c/tasks/0/status", is: state("PAUSED")},
		{name: "GET resume", method: "GET", path: "/connectors/c/resume", status: 202, after: "/connectors/c/tasks/0/status", is: state("RUNNING")},
		{name: "GET tasks", method: "GET", path: "/connectors/c/tasks", status: 200, has: `"id":{"connector":"c","task":0}`},
		{name: "GET task", method: "GET", path: "/connectors/c/tasks/0", status: 200, has: `"status":{"id":0,"state":"RUNNING"`},
		{name: "PUT task status, paused", method: "PUT", path: "/connectors/c/tasks/0/status", body: `{"state":"PAUSED"}`, status: 202, after: "/connectors/c/tasks/0/status", is: state("PAUSED")},
		{name: "PUT task status, running", method: "PUT", path: "/connectors/c/tasks/0/status", body: `{"state":"RUNNING"}`, status: 202, after: "/connectors/c/tasks/0/status", is: state("RUNNING")},
		{name: "GET task restart", method: "GET", path: "/connectors/c/tasks/0/restart", status: 204, after: "/connectors/c/tasks/0/status", is: state("RUNNING")},
	} {
		// One after the other: each finds what those before it have left.
		t.Run(r.name, func(t *testing.T) {
			if r.method == "DELETE" && mode == "distributed" { // another one, since the rest needs this one
				r.path = "/connectors/whole"
			}
			got := w.call(t, r.method, r.path, r.body)
			want, refused := r.status, mode == "standalone" && r.alone != 0
			if refused {
				want, r.has = r.alone, "edit pipelines.hcl"
			}
			if got.status != want || !strings.Contains(got.body, r.has) {
				t.Fatalf("%s %s: got %s, want %d and %q", r.method, r.path, got, want, r.has)
			}
			if r.after != "" {
				eventually(t, patience, func() (bool, string) {
					is := w.call(t, http.MethodGet, r.after, "")
					return strings.Contains(is.body, r.is), is.String()
				})
			}
			if r.method != "GET" {
				return
			}
			// A HEAD never acts.
			if acts := r.status != http.StatusOK; acts {
				want = http.StatusMethodNotAllowed
			}
			if head := w.call(t, http.MethodHead, r.path, ""); head.status != want || head.body != "" {
				t.Errorf("HEAD %s: got %s, want %d", r.path, head, want)
			}
		})
	}
	left := map[string]string{"standalone": `["c"]`, "distributed": `["c","flat","new"]`}[mode]
	if got := w.call(t, http.MethodGet, "/connectors", ""); got.body != left {
		t.Errorf("at the end: got %s, want %s", got, left)
	}
}
