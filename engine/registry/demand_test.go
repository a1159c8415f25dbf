package registry

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// onDemand is a registry that opens its topic when it is first called.
func onDemand(t *testing.T) *running {
	t.Helper()
	c := kafkatest.Start(t)
	r := &running{cluster: c, settings: Settings{
		Bootstrap: c.Servers(), topic: c.Name(Topic), OnDemand: true, Version: "test", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}}
	r.open(t)
	t.Cleanup(func() { r.close(t) })
	return r
}

// hasTopic reports whether the registry's topic is there.
func (r *running) hasTopic(t *testing.T) bool {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.Servers()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(topics.Names(), r.settings.topic)
}

// TestOnDemand: the topic is made by the first call of the interface, and once, however many come at the same time; a call
// of no known path makes none, and a registry that nobody called closes.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	r := onDemand(t)
	if status, _, _ := r.call(t, http.MethodGet, "/favicon.ico", "", nil); status != http.StatusNotFound || r.hasTopic(t) {
		t.Errorf("an unknown path: got %d, the topic is there: %t", status, r.hasTopic(t))
	}
	r.again(t)
	if r.hasTopic(t) {
		t.Error("a registry that nobody called has made its topic")
	}
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			body := fmt.Appendf(nil, `{"schema":"{\"type\":\"fixed\",\"name\":\"f\",\"size\":%d}"}`, n+1)
			if status, _, got := r.call(t, http.MethodPost, fmt.Sprint("/subjects/s", n, "/versions"), "", body); status != http.StatusOK {
				t.Errorf("got %d %s", status, got)
			}
		})
	}
	wait.Wait()
	if !r.hasTopic(t) {
		t.Error("the topic is not there after calls")
	}
	if got := r.highest(); got != 8 {
		t.Errorf("the highest id is %d, want 8", got)
	}
}

// TestOnDemandTellsWhy: calls are answered with what keeps the topic from being opened, each time until nothing does.
func TestOnDemandTellsWhy(t *testing.T) {
	t.Parallel()
	r := onDemand(t)
	r.cluster.CreateTopic(r.settings.topic, 2, nil)
	for range 2 {
		status, _, body := r.call(t, http.MethodGet, "/subjects", "", nil)
		if status != http.StatusInternalServerError || !strings.Contains(string(body), `"error_code":50001`) || !strings.Contains(string(body), "2 partitions") {
			t.Errorf("got %d %s", status, body)
		}
	}
	r.cluster.DeleteTopic(r.settings.topic)
	if status, _, body := r.call(t, http.MethodGet, "/subjects", "", nil); status != http.StatusOK || string(body) != "[]" {
		t.Errorf("once it can be opened: got %d %s", status, body)
	}
}
