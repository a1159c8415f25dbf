package api_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
)

// TestAWorkerThatReadsItsTopics finds nothing and changes nothing until another server takes over. Who asks for connectors
// waits for that one, for a bounded time, and is told that what was found is not the newest.
func TestAWorkerThatReadsItsTopics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, &fake{}, func(settings *api.Settings, _ *config.Worker) { *settings = api.Starting(*settings, time.Unix(0, 0)) })
		for _, c := range []struct {
			method, path, body string
			code               int
			has                string
			after              time.Duration
			age                string
		}{
			{"GET", "/health", "", 503, `internal topics, which began at 1970-01-01T00:00:00Z."`, 0, ""},
			{"GET", "/connectors", "", 200, `[]`, time.Second, "1"},
			{"GET", "/connectors/c", "", 404, "Connector c not found", time.Second, "1"},
			{"GET", "/connectors/c/status", "", 404, "No status found", time.Second, ""},
			{"GET", "/", "", 200, `"version"`, 0, ""},
			{"PUT", "/connectors/c/pause", "", 503, "still starting", time.Second, ""},
			{"GET", "/connectors/c/offsets", "", 503, "still starting", time.Second, ""},
			{"DELETE", "/connectors/c/offsets", "", 503, "still starting", time.Second, ""},
			{"PUT", "/connectors/c/tasks/0/status", `{"state":"PAUSED"}`, 503, "still starting", time.Second, ""},
			{"PUT", "/admin/loggers/root?scope=cluster", `{"level":"INFO"}`, 503, "still starting", 0, ""},
			{"GET", "/plan", "", 503, "still starting", time.Second, ""},
			{"GET", "/graph", "", 503, "still starting", time.Second, ""},
		} {
			begun := time.Now()
			if got := do(s, c.method, c.path, c.body); got.Code != c.code || !strings.Contains(got.Body.String(), c.has) || time.Since(begun) != c.after || got.Header().Get("Age") != c.age {
				t.Errorf("%s %s: got %d %s after %s, Age %q, want %d and %q after %s, Age %q", c.method, c.path, got.Code, got.Body, time.Since(begun), got.Header().Get("Age"), c.code, c.has, c.after, c.age)
			}
		}
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if got := do(s, "GET", "/connectors", ""); got.Body.String() != `["c"]` || got.Header().Get("Age") != "" {
				t.Errorf("asked before the topics were read: got %s, Age %q", got.Body, got.Header().Get("Age"))
			}
		})
		synctest.Wait()
		time.AfterFunc(100*time.Millisecond, func() { s.Yield(newServer(t, &fake{}, nil)) })
		waiting.Wait()
		if got := do(s, "GET", "/connectors", ""); got.Body.String() != `["c"]` {
			t.Errorf("afterwards: got %s", got.Body)
		}
		if got := do(s, "GET", "/health", ""); got.Code != 200 {
			t.Errorf("afterwards: got %d %s", got.Code, got.Body)
		}
	})
}
