package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
)

// TestAWorkerThatReadsItsTopics finds nothing and changes nothing until another server takes over.
func TestAWorkerThatReadsItsTopics(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fake{}, func(settings *api.Settings, _ *config.Worker) { *settings = api.Starting(*settings, time.Unix(0, 0)) })
	for _, c := range []struct {
		method, path, body string
		code               int
		has                string
	}{
		{"GET", "/health", "", 503, `internal topics, which began at 1970-01-01T00:00:00Z."`},
		{"GET", "/connectors", "", 200, `[]`},
		{"GET", "/connectors/c/status", "", 404, "No status found"},
		{"GET", "/", "", 200, `"version"`},
		{"PUT", "/connectors/c/pause", "", 503, "still starting"},
		{"GET", "/connectors/c/offsets", "", 503, "still starting"},
		{"DELETE", "/connectors/c/offsets", "", 503, "still starting"},
		{"PUT", "/connectors/c/tasks/0/status", `{"state":"PAUSED"}`, 503, "still starting"},
		{"PUT", "/admin/loggers/root?scope=cluster", `{"level":"INFO"}`, 503, "still starting"},
		{"GET", "/plan", "", 503, "still starting"},
		{"GET", "/graph", "", 503, "still starting"},
	} {
		if got := do(s, c.method, c.path, c.body); got.Code != c.code || !strings.Contains(got.Body.String(), c.has) {
			t.Errorf("%s %s: got %d %s, want %d and %q", c.method, c.path, got.Code, got.Body, c.code, c.has)
		}
	}
	s.Yield(newServer(t, &fake{}, nil))
	if got := do(s, "GET", "/connectors", ""); got.Body.String() != `["c"]` {
		t.Errorf("afterwards: got %s", got.Body)
	}
	if got := do(s, "GET", "/health", ""); got.Code != 200 {
		t.Errorf("afterwards: got %d %s", got.Code, got.Body)
	}
}
