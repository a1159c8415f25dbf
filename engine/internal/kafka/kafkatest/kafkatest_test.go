package kafkatest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func values(records []*kgo.Record) string {
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = string(r.Value)
	}
	return strings.Join(all, " ")
}

func record(partition int32, value string) *kgo.Record {
	return &kgo.Record{Partition: partition, Value: []byte(value)}
}

func TestProduceAndConsume(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "orders")
	if got := c.ConsumeAll("orders"); len(got) != 0 {
		t.Errorf("empty topic: got %d records", len(got))
	}
	c.Produce("orders", record(0, "a"), record(-1, "b"), record(0, "c"))
	if got := values(c.Consume("orders", 2)); got != "a b" {
		t.Errorf("got %q, want the first two", got)
	}
	if got := values(c.ConsumeAll(c.Name("orders"))); got != "a b c" {
		t.Errorf("got %q, want all", got)
	}
}

// TestConsumeAllEndsAtMarkers: an aborted transaction at the end of a log is passed over, and its end is seen.
func TestConsumeAllEndsAtMarkers(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "orders")
	client, err := c.Clients().ProducerClient(nil, "", kgo.TransactionalID(c.Name("tx")))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		value := map[kgo.TransactionEndTry]string{kgo.TryCommit: "kept", kgo.TryAbort: "aborted"}[end]
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := record(0, value)
		r.Topic = c.Name("orders")
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	if got := values(c.ConsumeAll("orders")); got != "kept" {
		t.Errorf("got %q, want what was committed", got)
	}
}

// TestNamedPartition goes through the whole client: a record that names its partition is found there.
func TestNamedPartition(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("wide", 5, map[string]string{"retention.ms": "600000"})
	c.Produce("wide", record(3, "x"), record(0, "y"))
	for _, r := range c.ConsumeAll("wide") {
		if want := map[string]int32{"x": 3, "y": 0}[string(r.Value)]; r.Partition != want {
			t.Errorf("%s: got partition %d, want %d", r.Value, r.Partition, want)
		}
	}
	client, err := c.Clients().ProducerClient(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := record(5, "beyond")
	r.Topic = c.Name("wide")
	if err := client.ProduceSync(t.Context(), r).FirstErr(); err == nil {
		t.Error("a partition that does not exist was accepted")
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "orders")
	if c.Fake() == nil {
		t.Skip("faults need the fake")
	}
	h := c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: 2})
	c.Produce("orders", record(0, "a")) // retried, as a producer's default is
	if h.Hits() != 2 {
		t.Errorf("got %d faults, want 2", h.Hits())
	}
	c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed})
	client, err := c.Clients().ProducerClient(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := record(0, "b")
	r.Topic = "orders"
	if err := client.ProduceSync(t.Context(), r).FirstErr(); err == nil {
		t.Error("an error that no retry cures was hidden")
	}
}

// TestVirtual: ten minutes of a group's life pass in no time.
func TestVirtual(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.StartVirtual(t, 3, "orders")
		client, err := c.Clients().ConsumerClient(nil, "", "g", kgo.ConsumeTopics("orders"))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c.Produce("orders", record(0, "a"))
		if got := client.PollFetches(t.Context()).NumRecords(); got != 1 {
			t.Fatalf("got %d records, want 1", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if f := client.PollFetches(ctx); f.NumRecords() != 0 || ctx.Err() == nil {
			t.Errorf("got %v, want ten minutes of nothing", f.Err())
		}
	})
}
