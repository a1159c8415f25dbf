// Package kafkatest is the one helper from which tests take their Kafka: a fake broker in the process, or the genuine one
// that the environment names, so that the same suites run on both (decision D11).
//
// With ENGINE_TEST_KAFKA=host:port in the environment every [Start] uses that cluster; names are then made unique, so ask
// [Cluster.Name] for those of topics, groups and transactional ids. [StartVirtual] is for tests in a testing/synctest
// bubble and is a fake always.
package kafkatest

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka"
)

// Environment names the variable with the address of a genuine Kafka.
const Environment = "ENGINE_TEST_KAFKA"

// patience is how long a helper waits for a broker before the test fails.
const patience = 2 * time.Minute

// Cluster is a Kafka of one test. Its helpers fail the test themselves, so they are called on the test's goroutine;
// [Cluster.Name] and [Cluster.Clients] may be called from any.
type Cluster struct {
	t       testing.TB
	servers []string
	dial    func(ctx context.Context, network, host string) (net.Conn, error)
	fake    *kfake.Cluster // nil on the genuine one
	suffix  string         // of every name; "" on a fake, which is the test's own

	mu     sync.Mutex
	names  map[string]string // as asked for to as used, and as used to itself
	client *kgo.Client       // of the helpers, made when first needed
}

// Start gives a test its Kafka, with the topics named, of one partition each. It ends with the test; of the genuine one
// only what has a name of this test goes.
func Start(t testing.TB, topics ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, names: map[string]string{}}
	if servers := os.Getenv(Environment); servers != "" {
		c.servers = strings.Split(servers, ",")
		c.suffix = "-" + strings.ToLower(rand.Text()[:8])
		t.Cleanup(c.remove)
	} else {
		c.startFake(kfake.NumBrokers(1))
	}
	return c.with(topics)
}

// StartVirtual gives a test in a synctest bubble a fake of so many brokers whose connections are pipes, so that the
// bubble's clock can run. It is called inside the bubble; clients reach it through [Cluster.Clients] only.
func StartVirtual(t testing.TB, brokers int, topics ...string) *Cluster {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	ports := make([]int, brokers)
	for i := range ports {
		ports[i] = 9092 + i
	}
	c := &Cluster{t: t, names: map[string]string{}, dial: network.DialContext}
	c.startFake(kfake.Ports(ports...), kfake.ListenFn(network.Listen))
	return c.with(topics)
}

func (c *Cluster) startFake(opts ...kfake.Opt) {
	c.t.Helper()
	fake, err := kfake.NewCluster(append(opts, kfake.DefaultNumPartitions(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))...)
	if err != nil {
		c.t.Fatalf("start a fake Kafka: %v", err)
	}
	c.t.Cleanup(fake.Close)
	c.fake, c.servers = fake, fake.ListenAddrs()
}

func (c *Cluster) with(topics []string) *Cluster {
	c.t.Helper()
	for _, topic := range topics {
		c.CreateTopic(topic, 1, nil)
	}
	return c
}

// Fake is the fake cluster, for making it fail and for looking inside. Neither can be done to a genuine Kafka, so there the
// test is skipped; the sooner a test calls it the better.
func (c *Cluster) Fake() *kfake.Cluster {
	c.t.Helper()
	if c.fake == nil {
		c.t.Skip("needs a fake Kafka, which can be made to fail and be looked into")
	}
	return c.fake
}

// Servers is what bootstrap.servers takes.
func (c *Cluster) Servers() string { return strings.Join(c.servers, ",") }

// Clients are the settings with which a worker would reach this Kafka, for the caller to add to. Metadata is asked for
// more often than usual, so that a test sees a topic soon.
func (c *Cluster) Clients() *kafka.Clients {
	return &kafka.Clients{
		Base: map[string]string{"bootstrap.servers": c.Servers(), "metadata.max.age.ms": "500"},
		Dial: c.dial,
	}
}

// Name is the name under which this test knows a topic, group or transactional id: name itself on a fake, one that no
// other test has on the genuine Kafka. The name of a name is that name.
func (c *Cluster) Name(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if used, ok := c.names[name]; ok {
		return used
	}
	used := name + c.suffix
	c.names[name], c.names[used] = used, used
	return used
}

// CreateTopic makes a topic with one replica, waits until it can be used and returns its name.
func (c *Cluster) CreateTopic(topic string, partitions int32, configs map[string]string) string {
	c.t.Helper()
	ctx, cancel := c.within()
	defer cancel()
	topic = c.Name(topic)
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	admin := kadm.NewClient(c.helper())
	if _, err := admin.CreateTopic(ctx, partitions, 1, values, topic); err != nil {
		c.t.Fatalf("create topic %s: %v", topic, err)
	}
	for { // a genuine cluster has an interval in which some broker does not know the topic yet
		details, err := admin.ListTopics(ctx, topic)
		if err != nil {
			c.t.Fatalf("wait for topic %s: %v", topic, err)
		}
		if d := details[topic]; d.Err == nil && len(d.Partitions) == int(partitions) {
			return topic
		}
	}
}

// DeleteTopic deletes a topic and waits until it cannot be used any more.
func (c *Cluster) DeleteTopic(topic string) {
	c.t.Helper()
	ctx, cancel := c.within()
	defer cancel()
	name := c.Name(topic)
	admin := kadm.NewClient(c.helper())
	if _, err := admin.DeleteTopic(ctx, name); err != nil {
		c.t.Fatalf("delete topic %s: %v", topic, err)
	}
	for { // a genuine cluster has an interval in which some broker still takes records of it
		details, err := admin.ListTopics(ctx, name)
		if err != nil {
			c.t.Fatalf("wait for the end of topic %s: %v", topic, err)
		}
		if !details.Has(name) {
			return
		}
	}
}

// remove takes the topics and groups of this test off a genuine cluster, whoever made them.
func (c *Cluster) remove() {
	ctx, cancel := c.within()
	defer cancel()
	client, err := c.Clients().AdminClient(nil, "kafkatest")
	if err != nil {
		c.t.Error(err)
		return
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		c.t.Errorf("list the topics to remove: %v", err)
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		c.t.Errorf("list the groups to remove: %v", err)
	}
	others := func(name string) bool { return !strings.HasSuffix(name, c.suffix) }
	if names := slices.DeleteFunc(topics.Names(), others); len(names) > 0 {
		if got, err := admin.DeleteTopics(ctx, names...); errors.Join(err, got.Error()) != nil {
			c.t.Errorf("remove topics: %v", errors.Join(err, got.Error()))
		}
	}
	// A group that a test left to expire is not empty yet, and stays.
	if names := slices.DeleteFunc(groups.Groups(), others); len(names) > 0 {
		if _, err := admin.DeleteGroups(ctx, names...); err != nil {
			c.t.Errorf("remove groups: %v", err)
		}
	}
}

// Produce writes records and waits until they are acknowledged. A record without a topic goes to the one named; a
// Partition below zero leaves the choice to Kafka's partitioner.
func (c *Cluster) Produce(topic string, records ...*kgo.Record) {
	c.t.Helper()
	ctx, cancel := c.within()
	defer cancel()
	for _, r := range records {
		if r.Topic == "" {
			r.Topic = c.Name(topic)
		}
	}
	if err := c.helper().ProduceSync(ctx, records...).FirstErr(); err != nil {
		c.t.Fatalf("produce to %s: %v", topic, err)
	}
}

// Consume waits until the topic holds at least n committed records and returns the first n that come, from the start of
// every partition, in order within each.
func (c *Cluster) Consume(topic string, n int) []*kgo.Record {
	c.t.Helper()
	return c.read(topic, func(records []*kgo.Record, _ map[int32]int64) bool { return len(records) >= n })[:n]
}

// ConsumeAll returns every committed record that the topic holds at the time of the call, in order within each partition.
func (c *Cluster) ConsumeAll(topic string) []*kgo.Record {
	c.t.Helper()
	ctx, cancel := c.within()
	defer cancel()
	name := c.Name(topic)
	admin := kadm.NewClient(c.helper())
	starts, err := admin.ListStartOffsets(ctx, name)
	if err != nil {
		c.t.Fatalf("start of %s: %v", topic, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, name)
	if err != nil {
		c.t.Fatalf("end of %s: %v", topic, err)
	}
	return c.read(topic, func(_ []*kgo.Record, next map[int32]int64) bool {
		done := true
		ends.Each(func(end kadm.ListedOffset) {
			start, _ := starts.Lookup(name, end.Partition)
			done = done && max(next[end.Partition], start.Offset) >= end.Offset
		})
		return done
	})
}

// read consumes from the start until enough says so; next is the offset after the last one seen, markers included.
func (c *Cluster) read(topic string, enough func(records []*kgo.Record, next map[int32]int64) bool) []*kgo.Record {
	c.t.Helper()
	ctx, cancel := c.within()
	defer cancel()
	client, err := c.Clients().ConsumerClient(map[string]string{"isolation.level": "read_committed", "fetch.max.wait.ms": "50"},
		"kafkatest", "", kgo.ConsumeTopics(c.Name(topic)), kgo.KeepControlRecords())
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	next := map[int32]int64{}
	for !enough(records, next) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("consume %s: %v, after %d records", topic, err, len(records))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}

// Committed is the offset that a group, by the name that the broker knows, has committed of a partition; -1 without one.
func (c *Cluster) Committed(group, topic string, partition int32) int64 {
	c.t.Helper()
	ctx, cancel := c.within()
	defer cancel()
	got, err := kadm.NewClient(c.helper()).FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		c.t.Fatalf("offsets of group %s: %v", group, err)
	}
	if o, ok := got.Lookup(c.Name(topic), partition); ok {
		return o.At
	}
	return -1
}

// within bounds a helper. It outlives the test's own context, which is done when clean-ups run.
func (c *Cluster) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.t.Context()), patience)
}

func (c *Cluster) helper() *kgo.Client {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		client, err := c.Clients().ProducerClient(map[string]string{"linger.ms": "0"}, "kafkatest")
		if err != nil {
			c.t.Fatal(err)
		}
		c.client = client
		c.t.Cleanup(client.Close)
	}
	return c.client
}
