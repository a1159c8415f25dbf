package topic_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/topic"
)

// transact writes a record in a transaction of its own and ends that.
func (c *cluster) transact(name string, end kgo.TransactionEndTry, key, value string) {
	c.t.Helper()
	ctx, stop := c.within()
	defer stop()
	client := c.helper(kgo.TransactionalID(c.group + "-tx"))
	if err := client.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: name, Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, end); err != nil {
		c.t.Fatal(err)
	}
}

// TestReadToEnd: a log can end in what no consumer is given.
func TestReadToEnd(t *testing.T) {
	t.Parallel()
	const one = `{"properties":{"v":"1"}}`
	for name, test := range map[string]struct {
		fill func(c *cluster, topic string)
		fake bool
		want []string
	}{
		"nothing":         {func(*cluster, string) {}, false, nil},
		"a commit marker": {func(c *cluster, topic string) { c.transact(topic, kgo.TryCommit, "connector-a", one) }, false, []string{"a"}},
		"an aborted batch": {func(c *cluster, topic string) {
			c.transact(topic, kgo.TryCommit, "connector-a", one)
			c.transact(topic, kgo.TryAbort, "connector-b", one)
		}, false, []string{"a"}},
		"aborted only": {func(c *cluster, topic string) { c.transact(topic, kgo.TryAbort, "connector-b", one) }, false, nil},
		"a compacted tail": {func(c *cluster, topic string) {
			c.produce(topic, &kgo.Record{Key: []byte("connector-a"), Value: []byte(one)}, &kgo.Record{Key: []byte("connector-b"), Value: []byte(one)}, &kgo.Record{Key: []byte("connector-b"), Value: []byte(one)})
			c.transact(topic, kgo.TryAbort, "connector-c", one)
			c.fake.Compact()
		}, true, []string{"a", "b"}},
		"a tail that is gone": {func(c *cluster, topic string) {
			c.produce(topic, &kgo.Record{Key: []byte("connector-a"), Value: []byte(one)})
			c.produce(topic, &kgo.Record{Key: []byte("connector-b"), Value: []byte(one)})
			c.hide(topic)
		}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			if test.fake && c.fake == nil {
				t.Skip("needs a fake")
			}
			first := c.open() // makes the topic, and follows what comes
			test.fill(c, c.settings().Config.Name)
			for what, s := range map[string]*topic.Store{"a reader that starts": c.open(), "a reader that follows": first} {
				if test.fake && what == "a reader that follows" {
					continue // it has read what is gone
				}
				same(t, what, snapshot(t, s).Names(), test.want)
			}
			if test.fake {
				return // nothing comes through any more
			}
			c.produce(c.settings().Config.Name, &kgo.Record{Key: []byte("connector-later"), Value: []byte(one)})
			if got := snapshot(t, first).Names(); got[len(got)-1] != "later" {
				t.Errorf("got %v, want what came later", got)
			}
		})
	}
}

// hide takes the two records that a topic has out of every answer, as compaction does with the last records of a segment.
func (c *cluster) hide(topic string) {
	c.t.Helper()
	details, err := c.admin().ListTopics(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	c.fake.ControlKey(int16(kmsg.Fetch), func(q kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		f, ok := q.(*kmsg.FetchRequest)
		if !ok || len(f.Topics) != 1 || f.Topics[0].TopicID != [16]byte(details[topic].ID) || f.Topics[0].Partitions[0].FetchOffset > 1 {
			return nil, nil, false
		}
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 2, 2, 0
		t := kmsg.NewFetchResponseTopic()
		t.Topic, t.TopicID, t.Partitions = f.Topics[0].Topic, f.Topics[0].TopicID, append(t.Partitions, p)
		answer := f.ResponseKind().(*kmsg.FetchResponse)
		answer.Topics = append(answer.Topics, t)
		return answer, nil, true
	})
}

// TestReadsShareAnEnd: many barriers at a time ask a broker a few times only.
func TestReadsShareAnEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if c.fake == nil {
		t.Skip("needs a fake, which can be listened to")
	}
	s := c.open()
	var asked atomic.Int64
	c.fake.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})
	var wg sync.WaitGroup
	const readers = 200
	start := make(chan struct{})
	for range readers {
		wg.Go(func() {
			<-start
			if err := s.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	if got := asked.Load(); got == 0 || got > readers/4 {
		t.Errorf("%d readers asked %d times", readers, got)
	}
}

// TestBarrierOutlastsABroker: while no broker can be reached, a barrier waits as long as it may, and then says that it ran out
// of time, which whoever can do without an answer goes by.
func TestBarrierOutlastsABroker(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if c.fake == nil {
		t.Skip("needs a fake, which can hang up")
	}
	var gone atomic.Bool
	settings := c.settings()
	settings.Client = func(id string, options ...kgo.Opt) (*kgo.Client, error) {
		return c.client(id, append(options, kgo.RequestRetries(0), kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
			if gone.Load() {
				return nil, syscall.ECONNREFUSED
			}
			return new(net.Dialer).DialContext(ctx, network, host)
		}))...)
	}
	s, err := topic.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	gone.Store(true)
	c.fake.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("hangs up"), true
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	gone.Store(false)
	if err := s.Sync(t.Context()); err != nil {
		t.Errorf("after the broker has come back: %v", err)
	}
}

// TestBarrierEndsWithItsContext, and those who shared its request ask for themselves.
func TestBarrierEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if c.fake == nil {
		t.Skip("needs a fake, which can be slow")
	}
	s := c.open()
	hold, reached := make(chan struct{}), make(chan struct{}, 100)
	c.fake.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		reached <- struct{}{}
		c.fake.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Sync(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	<-reached
	wg.Go(func() {
		if err := s.Sync(t.Context()); err != nil {
			t.Errorf("got %v, want no error of another's context", err)
		}
	})
	cancel()
	close(hold)
	wg.Wait()
}

func detail(t *testing.T, err error, code diag.Code) string {
	t.Helper()
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok || d.Code != code {
		t.Fatalf("got %v, want a diagnostic %s", err, code)
	}
	return d.Detail
}

func TestTopicsAreMade(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	settings := c.settings()
	settings.Config.Configs = map[string]string{"min.insync.replicas": "1"}
	settings.Statuses.Configs = map[string]string{"segment.bytes": "1048576"}
	settings.Offsets.Replication = -1
	var wg sync.WaitGroup
	for range 2 { // workers that start at a time
		wg.Go(func() {
			s, err := topic.Open(t.Context(), settings)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	admin := c.admin()
	described, err := admin.DescribeTopicConfigs(t.Context(), settings.Config.Name, settings.Offsets.Name, settings.Statuses.Name)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range described {
		for _, s := range d.Configs {
			got[strings.TrimPrefix(d.Name, c.group)+" "+s.Key] = s.MaybeValue()
		}
	}
	for key, want := range map[string]string{
		"-configs cleanup.policy": "compact", "-offsets cleanup.policy": "compact", "-status cleanup.policy": "compact",
		"-configs segment.bytes": "52428800", "-configs max.compaction.lag.ms": "3600000", "-status segment.bytes": "1048576", "-configs min.insync.replicas": "1",
	} {
		if got[key] != want {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
	details, err := admin.ListTopics(t.Context(), settings.Config.Name, settings.Offsets.Name, settings.Statuses.Name)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{settings.Config.Name: 1, settings.Offsets.Name: 5, settings.Statuses.Name: 2} {
		if n := len(details[name].Partitions); n != want {
			t.Errorf("%s: got %d partitions, want %d", name, n, want)
		}
	}
}

func TestWrongTopicsAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	admin, deletes, compacts := c.admin(), "delete", "compact"
	for name, policy := range map[string]*string{"-deleting": &deletes, "-wide": &compacts} {
		if _, err := admin.CreateTopic(t.Context(), 3, 1, map[string]*string{"cleanup.policy": policy}, c.group+name); err != nil {
			t.Fatal(err)
		}
	}
	wide := c.settings()
	wide.Config.Name = c.group + "-wide"
	_, err := topic.Open(t.Context(), wide)
	if got := detail(t, err, diag.BrokerRefused); !strings.Contains(got, "has 3 partitions; it must have exactly 1") || !strings.Contains(got, "kafka-topics.sh") {
		t.Errorf("partitions: got %s", got)
	}
	deleting := c.settings()
	deleting.Offsets.Name = c.group + "-deleting"
	_, err = topic.Open(t.Context(), deleting)
	if got := detail(t, err, diag.BrokerRefused); !strings.Contains(got, "cleanup.policy=delete") || !strings.Contains(got, "--entity-name "+c.group+"-deleting --add-config cleanup.policy=compact") {
		t.Errorf("cleanup policy: got %s", got)
	}
}

func TestMissingPermissionsAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault kfake.Fault
		want  string
		open  bool // fails when it opens
	}{
		"create":   {kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed}, "--operation Create --topic", true},
		"write":    {kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed}, "--operation Write --topic", false},
		"transact": {kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed}, "--operation Write --transactional-id connect-cluster-", false},
		"lead":     {kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.TransactionalIDAuthorizationFailed}, "--operation Write --transactional-id connect-cluster-", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			if c.fake == nil {
				t.Skip("needs a fake, which can be made to refuse")
			}
			if test.open {
				c.fake.Fault(test.fault)
				_, err := topic.Open(t.Context(), c.settings())
				if got := detail(t, err, diag.BrokerRefused); !strings.Contains(got, test.want) {
					t.Errorf("got %s", got)
				}
				return
			}
			s := c.open()
			c.fake.Fault(test.fault)
			var err error
			if name == "transact" {
				_, err = s.Claim(t.Context())
			} else {
				err = s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: []byte("{}"), Value: []byte("{}")}})
			}
			if got := detail(t, err, diag.BrokerRefused); !strings.Contains(got, test.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestAClockThatIsFarOff makes records of times that brokers do not take.
func TestAClockThatIsFarOff(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if c.fake == nil {
		t.Skip("needs a fake, which can be made to refuse")
	}
	s := c.open()
	c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidTimestamp})
	_, err := s.Submit(t.Context(), store.Request{ID: "1", Ops: []store.Op{{Delete: &store.DeleteConnector{Name: "a"}}}})
	if got := detail(t, err, diag.BrokerRefused); !strings.Contains(got, "Set the clock of this machine") || !strings.Contains(got, c.settings().Config.Name) {
		t.Errorf("got %s", got)
	}
}

func TestFetchesThatFailForAWhile(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if c.fake == nil {
		t.Skip("needs a fake, which can be made to fail")
	}
	s, other := c.open(), c.open()
	commit := claim(t, s)
	for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.FencedLeaderEpoch, kerr.KafkaStorageError} {
		c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: e, Count: 3})
		commit(put(connector(e.Message)))
		if got := snapshot(t, other).Connectors[e.Message]; got.Name == "" {
			t.Errorf("%v: what came afterwards was not read", e)
		}
	}
}

func TestADeletedTopicEndsTheStore(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	if _, err := c.admin().DeleteTopic(t.Context(), c.settings().Config.Name); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	_, err := s.Wait(ctx, 1<<40)
	if got := detail(t, err, diag.TopicMissing); !strings.Contains(got, "was deleted") {
		t.Errorf("got %s", got)
	}
}

// BenchmarkOpen reads a config topic of 10,000 connectors with two tasks each, brokers' part included on a fake.
func BenchmarkOpen(b *testing.B) {
	c := newCluster(b)
	s := c.open()
	f, err := s.Claim(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < 10_000; from += 1000 {
		commit := store.Commit{Connectors: map[string]*store.Connector{}}
		for i := range 1000 {
			conn := connector(fmt.Sprintf("connector-%05d", from+i))
			conn.Config["value.converter"] = "org.apache.kafka.connect.json.JsonConverter"
			conn.Tasks = []config.Map{conn.Config, conn.Config}
			commit.Connectors[conn.Name] = conn
		}
		if _, err := s.Commit(b.Context(), f, commit); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		other := c.open()
		if got, err := other.Snapshot(b.Context()); err != nil || len(got.Connectors) != 10_000 {
			b.Fatal(len(got.Connectors), err)
		}
		if err := other.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
