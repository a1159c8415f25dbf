package registry

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// running is a registry of a test, on the broker of the test.
type running struct {
	*Registry

	cluster  *kafkatest.Cluster
	settings Settings
}

// start starts a registry on an empty topic.
func start(t testing.TB) *running {
	t.Helper()
	c := kafkatest.Start(t)
	r := &running{cluster: c, settings: Settings{
		Bootstrap: c.Clients().Base["bootstrap.servers"], topic: c.Name(Topic), Version: "test", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}}
	r.open(t)
	t.Cleanup(func() {
		r.close(t)
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func (r *running) open(t testing.TB) {
	t.Helper()
	started, err := Start(t.Context(), r.settings)
	if err != nil {
		t.Fatal(err)
	}
	r.Registry = started
}

func (r *running) close(t testing.TB) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// again is the same registry after a restart.
func (r *running) again(t testing.TB) {
	t.Helper()
	r.close(t)
	r.open(t)
}
