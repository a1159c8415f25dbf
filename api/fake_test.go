package api_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// fake is an engine with one running source "c" of two tasks, that notes what is asked of it.
type fake struct {
	mu    sync.Mutex
	asked []string
	block chan struct{} // not nil: SetTarget says so on entered and waits for it
	enter chan struct{}
	boom  bool // Graph panics
}

func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

func (f *fake) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.asked, "; ")
}

func (f *fake) Snapshot(context.Context) (*store.Snapshot, error) {
	c := store.Connector{Name: "c", Config: config.Map{"name": "c", "connector.class": "x.Nothing"}, Tasks: []config.Map{{}, {"a": "b"}}}
	return &store.Snapshot{Connectors: map[string]store.Connector{"c": c}}, nil
}

func (f *fake) Statuses(context.Context) ([]store.Status, error) {
	return []store.Status{
		{Connector: "c", Task: store.Instance, State: store.StateRunning, Epoch: 1},
		{Connector: "c", Task: 0, State: store.StateRunning, Epoch: 1},
		{Connector: "c", Task: 1, State: store.StateFailed, Epoch: 1, Trace: "why"},
	}, nil
}

func (f *fake) Topics(context.Context, string) ([]string, error) { return nil, nil }

func (f *fake) ResetTopics(_ context.Context, c string) error {
	f.note("reset topics of %s", c)
	return nil
}

func (f *fake) Graph(_ context.Context, w io.Writer, format graph.Format) error {
	if f.boom {
		panic("boom")
	}
	_, err := fmt.Fprintf(w, "graph as %s", format)
	return err
}

func (f *fake) SetTarget(_ context.Context, c string, t config.Target) error {
	if f.block != nil {
		close(f.enter)
		<-f.block
	}
	f.note("%s %s", t, c)
	return nil
}

func (f *fake) SetTaskTarget(_ context.Context, c string, n int, t config.Target) error {
	if n > 1 {
		return &store.RefusedError{Refusal: store.NotFound, Reason: "Unknown task"}
	}
	f.note("%s %s-%d", t, c, n)
	return nil
}

func (f *fake) Restart(_ context.Context, c string, instance bool, tasks []int) error {
	f.note("restart %s %v %v", c, instance, tasks)
	return nil
}

func (f *fake) Offsets(context.Context, string) ([]store.Offset, error) { return nil, nil }

func (f *fake) OffsetsAt(_ context.Context, _ string, at int64) ([]store.Offset, error) {
	return []store.Offset{{Partition: []byte(`{"kafka_partition":0,"kafka_topic":"t"}`), Value: fmt.Appendf(nil, `{"kafka_offset":%d}`, at)}}, nil
}

func (f *fake) AlterOffsets(_ context.Context, c string, changes []store.Offset) (bool, error) {
	for _, ch := range changes {
		f.note("offset of %s: %s = %s", c, ch.Partition, ch.Value)
	}
	return false, nil
}

func (f *fake) ResetOffsets(context.Context, string) (bool, error) { return true, nil }

// newServer makes a server over a fake; change may change its settings.
func newServer(t *testing.T, f *fake, change func(*api.Settings, *config.Worker)) *api.Server {
	t.Helper()
	registry, err := plugin.NewRegistry(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := config.WorkerDefaults()
	s := api.Settings{
		Connectors: f, Operator: f, Offsets: f, Registry: registry, Worker: &w, Loggers: api.NewLoggers(slog.DiscardHandler, slog.LevelInfo),
		Commit: "test", WorkerID: "127.0.0.1:8083", Loopback: true, ClusterID: func(context.Context) string { return "" },
		File: func(c string) string { return c + ".hcl" },
	}
	if change != nil {
		change(&s, &w)
	}
	server, err := api.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// do answers one request.
func do(s http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8083"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
