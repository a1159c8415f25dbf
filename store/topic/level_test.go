package topic_test

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/topic"
)

// TestLevelsReachEveryWorker: also the one that asks; who comes later does not hear of them, and what cannot be read asks for
// nothing.
func TestLevelsReachEveryWorker(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	open := func() (*topic.Store, chan string) {
		heard := make(chan string, 10)
		settings := c.settings()
		settings.Level = func(logger, level string) { heard <- logger + " " + level }
		ctx, stop := c.within()
		defer stop()
		s, err := topic.Open(ctx, settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s, heard
	}
	first, one := open()
	_, two := open()
	configs := c.settings().Config.Name
	set := func(logger string) {
		ctx, stop := c.within()
		defer stop()
		if err := first.SetLevel(ctx, logger, "DEBUG"); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(ch chan string, want string) {
		t.Helper()
		ctx, stop := c.within()
		defer stop()
		select {
		case got := <-ch:
			if got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		case <-ctx.Done():
			t.Errorf("did not hear %q", want)
		}
	}
	set("org.apache")
	hear(one, "org.apache DEBUG")
	hear(two, "org.apache DEBUG")
	if all := c.records(configs, kgo.ReadUncommitted()); string(all[len(all)-1].Key) != "logger-cluster-org.apache" || string(all[len(all)-1].Value) != `{"level":"DEBUG"}` {
		t.Errorf("wrote %s %s", all[len(all)-1].Key, all[len(all)-1].Value)
	}
	c.produce(configs,
		&kgo.Record{Key: []byte("logger-cluster-x"), Value: []byte(`{"level":1}`)}, &kgo.Record{Key: []byte("logger-cluster-x"), Value: []byte(`{`)},
		&kgo.Record{Key: []byte("logger-cluster-x")}, &kgo.Record{Key: []byte("logger-cluster-y"), Value: []byte(`{"more":{},"level":"WARN"}`)})
	hear(one, "y WARN")
	hear(two, "y WARN")
	_, late := open()
	set("root")
	hear(late, "root DEBUG")
}

// TestAMarkLeavesTheTasksOfKafkaConnectAlone: a task set of a worker of Kafka Connect counts by its place behind the
// configuration, which a mark moves.
func TestAMarkLeavesTheTasksOfKafkaConnectAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	configs := c.settings().Config.Name
	c.produce(configs,
		&kgo.Record{Key: []byte("connector-a"), Value: []byte(`{"properties":{"name":"a"}}`)},
		&kgo.Record{Key: []byte("task-a-0"), Value: []byte(`{"properties":{"t":"0"}}`)}, &kgo.Record{Key: []byte("commit-a"), Value: []byte(`{"tasks":1}`)})
	ctx, stop := c.within()
	defer stop()
	before := connectorA(ctx, t, s)
	if len(before.Tasks) != 1 || before.TasksFor != before.Revision || before.Mark != (store.Mark{}) {
		t.Fatalf("got %+v", before)
	}
	fence, err := s.Claim(ctx)
	if err != nil {
		t.Fatal(err)
	}
	marked := before
	marked.Mark, marked.Marked = store.Mark{Project: "p", Source: "a.hcl:1", Digest: "d e"}, store.ThisCommit
	if _, err := s.Commit(ctx, fence, store.Commit{Connectors: map[string]*store.Connector{"a": &marked}}); err != nil {
		t.Fatal(err)
	}
	// A reader that has seen nothing of it before reads the same.
	for what, s := range map[string]*topic.Store{"the writer": s, "another": c.open()} {
		after := connectorA(ctx, t, s)
		marked.Marked = after.Marked
		same(t, what, after, marked)
		if after.Written() <= before.Written() {
			t.Errorf("%s: written at %d, and at %d before", what, after.Written(), before.Written())
		}
	}
	var headers []kgo.RecordHeader
	for _, r := range c.records(configs, kgo.ReadCommitted()) {
		if string(r.Key) == "connector-a" {
			headers = r.Headers
		}
	}
	found := map[string]string{}
	for _, h := range headers {
		found[h.Key] = string(h.Value)
	}
	for key, want := range map[string]string{"engine-project": "p", "engine-source": "a.hcl:1", "engine-digest": "d e"} {
		if found[key] != want {
			t.Errorf("the header %s is %q, want %q", key, found[key], want)
		}
	}
	// Kafka Connect writes no headers: its write takes the mark away.
	c.produce(configs, &kgo.Record{Key: []byte("connector-a"), Value: []byte(`{"properties":{"name":"a"}}`)})
	if after := connectorA(ctx, t, s); after.Mark != (store.Mark{}) || after.Marked != 0 || after.Written() <= marked.Written() {
		t.Errorf("after a write of Kafka Connect: got %+v", after)
	}
}

// connectorA is connector a as a store has it now.
func connectorA(ctx context.Context, t *testing.T, s *topic.Store) store.Connector {
	t.Helper()
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, is := snapshot.Connectors["a"]
	if !is {
		c.Config = config.Map{}
	}
	return c
}
