package topic_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment names the variable with the address of a genuine Kafka, as kafkatest does, which packages outside the engine
// cannot import.
const environment = "ENGINE_TEST_KAFKA"

// patience is how long a test waits for anything.
const patience = 30 * time.Second

// cluster is the Kafka of one test and the names of its topics.
type cluster struct {
	t       testing.TB
	servers []string
	fake    *kfake.Cluster // nil on a genuine one
	group   string

	produced atomic.Pointer[context.CancelFunc] // called once a record has been acknowledged
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered.
func (c *cluster) OnProduceRecordUnbuffered(*kgo.Record, error) {
	if f := c.produced.Load(); f != nil {
		(*f)()
	}
}

// newCluster is a fake, or the genuine Kafka that the environment names.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t, group: "g-" + strings.ToLower(rand.Text()[:8])}
	if servers := os.Getenv(environment); servers != "" {
		c.servers = strings.Split(servers, ",")
		t.Cleanup(c.remove)
		return c
	}
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c.fake, c.servers = fake, fake.ListenAddrs()
	return c
}

// genuine skips a test of what the fake does otherwise than Kafka (decision D11).
func genuine(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv(environment) == "" {
		t.Skipf("needs a genuine Kafka in %s", environment)
	}
	return newCluster(t)
}

func (c *cluster) client(id string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.servers...), kgo.ClientID(id), kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.DisableClientMetrics(), kgo.WithHooks(c),
	}, options...)...)
}

func (c *cluster) settings() topic.Settings {
	t := func(kind string, partitions int32) topic.Topic {
		return topic.Topic{Name: c.group + "-" + kind, Partitions: partitions, Replication: 1}
	}
	return topic.Settings{
		Group: c.group, Config: t("configs", 1), Offsets: t("offsets", 5), Statuses: t("status", 2),
		Client: c.client, Logger: slog.New(slog.DiscardHandler),
	}
}

func (c *cluster) open() *topic.Store {
	c.t.Helper()
	ctx, stop := c.within()
	defer stop()
	s, err := topic.Open(ctx, c.settings())
	if err != nil {
		c.t.Fatalf("open: %v", err)
	}
	c.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			c.t.Errorf("close: %v", err)
		}
	})
	return s
}

func (c *cluster) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.t.Context()), patience)
}

// helper is a client of the test itself.
func (c *cluster) helper(options ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	client, err := c.client("test", append([]kgo.Opt{kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))}, options...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

func (c *cluster) admin() *kadm.Client { return kadm.NewClient(c.helper()) }

func (c *cluster) produce(topic string, records ...*kgo.Record) {
	c.t.Helper()
	ctx, stop := c.within()
	defer stop()
	client := c.helper()
	for _, r := range records {
		r.Topic = topic
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			c.t.Fatalf("produce to %s: %v", topic, err)
		}
	}
}

// records are all records of a topic that are there now, in order within each partition.
func (c *cluster) records(topic string, isolation kgo.IsolationLevel) []*kgo.Record {
	c.t.Helper()
	ctx, stop := c.within()
	defer stop()
	ends, err := c.admin().ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		c.t.Fatal(err)
	}
	client := c.helper(kgo.ConsumeTopics(topic), kgo.KeepControlRecords(), kgo.FetchIsolationLevel(isolation), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	next := map[int32]int64{}
	var all []*kgo.Record
	for {
		done := true
		ends.Each(func(o kadm.ListedOffset) { done = done && next[o.Partition] >= o.Offset })
		if done {
			return all
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
		})
	}
}

func (c *cluster) remove() {
	ctx, stop := c.within()
	defer stop()
	admin := c.admin()
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		c.t.Error(err)
		return
	}
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, c.group) {
			if _, err := admin.DeleteTopic(ctx, name); err != nil {
				c.t.Errorf("delete topic %s: %v", name, err)
			}
		}
	}
}

var _ store.Store = (*topic.Store)(nil)
