package kafka

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func at(extra map[string]string) *Clients {
	base := map[string]string{"bootstrap.servers": "127.0.0.1:1"}
	maps.Copy(base, extra)
	return &Clients{Base: base}
}

// TestTranslation opens a client from each property and asks the library what it took it for.
func TestTranslation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		role     Role
		given    map[string]string
		option   any
		expected any
	}{
		{Producer, nil, kgo.ProducerLinger, 5 * time.Millisecond},
		{Producer, nil, kgo.DisableIdempotentWrite, false},
		{Producer, map[string]string{"enable.metrics.push": "true"}, kgo.DisableClientMetrics, true},
		{Producer, nil, kgo.RequiredAcks, kgo.AllISRAcks()},
		{Producer, nil, kgo.RecordDeliveryTimeout, time.Duration(0)},
		{Producer, nil, kgo.MaxBufferedBytes, int64(32 << 20)},
		{Producer, map[string]string{"linger.ms": " 50 "}, kgo.ProducerLinger, 50 * time.Millisecond},
		{Producer, map[string]string{"linger.ms": "9223372036854775807"}, kgo.ProducerLinger, time.Minute},
		{Producer, map[string]string{"acks": "1"}, kgo.RequiredAcks, kgo.LeaderAck()},
		{Producer, map[string]string{"acks": "0"}, kgo.DisableIdempotentWrite, true},
		{Producer, map[string]string{"acks": "-1"}, kgo.DisableIdempotentWrite, false},
		{Producer, map[string]string{"retries": "0"}, kgo.DisableIdempotentWrite, true},
		{Producer, map[string]string{"retries": "3"}, kgo.RecordRetries, int64(3)},
		{Producer, map[string]string{"max.in.flight.requests.per.connection": "5"}, kgo.DisableIdempotentWrite, false},
		{Producer, map[string]string{"max.in.flight.requests.per.connection": "6"}, kgo.MaxProduceRequestsInflightPerBroker, 6},
		{Producer, map[string]string{"enable.idempotence": "FALSE"}, kgo.DisableIdempotentWrite, true},
		{Producer, map[string]string{"enable.idempotence": "false"}, kgo.MaxProduceRequestsInflightPerBroker, 1},
		{Producer, map[string]string{"delivery.timeout.ms": "120000"}, kgo.RecordDeliveryTimeout, 2 * time.Minute},
		{Producer, map[string]string{"delivery.timeout.ms": "2147483647"}, kgo.RecordDeliveryTimeout, time.Duration(0)},
		{Producer, map[string]string{"request.timeout.ms": "7000"}, kgo.ProduceRequestTimeout, 7 * time.Second},
		{Producer, map[string]string{"buffer.memory": "1000"}, kgo.MaxBufferedBytes, int64(1000)},
		{Producer, map[string]string{"compression.type": "zstd"}, kgo.ProducerBatchCompression, []kgo.CompressionCodec{kgo.ZstdCompression()}},
		{Producer, map[string]string{"compression.type": "gzip", "compression.gzip.level": "9"}, kgo.ProducerBatchCompression, []kgo.CompressionCodec{kgo.GzipCompression().WithLevel(9)}},
		{Producer, map[string]string{"transaction.timeout.ms": "90000"}, kgo.TransactionTimeout, 90 * time.Second},
		{Producer, map[string]string{"client.id": "mine"}, kgo.ClientID, "mine"},
		{Producer, map[string]string{"metadata.max.age.ms": "1000"}, kgo.MetadataMinAge, time.Second},
		{Producer, map[string]string{"metadata.max.age.ms": "999999999"}, kgo.MetadataMaxAge, time.Hour},
		{Producer, map[string]string{"connections.max.idle.ms": "-1"}, kgo.ConnIdleTimeout, 15 * time.Minute},
		{Producer, map[string]string{"connections.max.idle.ms": "60000"}, kgo.ConnIdleTimeout, time.Minute},
		{Consumer, nil, kgo.ClientID, "id"},
		{Consumer, nil, kgo.ConsumerGroup, "connect-x"},
		{Consumer, nil, kgo.DisableAutoCommit, true},
		{Consumer, nil, kgo.RebalanceTimeout, 5 * time.Minute},
		{Consumer, nil, kgo.ConsumeStartOffset, kgo.NewOffset().AtStart()},
		{Consumer, nil, kgo.FetchIsolationLevel, int8(0)},
		{Consumer, map[string]string{"group.id": "other"}, kgo.ConsumerGroup, "other"},
		{Consumer, map[string]string{"auto.offset.reset": "latest"}, kgo.ConsumeStartOffset, kgo.NewOffset().AtEnd()},
		{Consumer, map[string]string{"auto.offset.reset": "NONE"}, kgo.ConsumeResetOffset, kgo.NoResetOffset()},
		{Consumer, map[string]string{"auto.offset.reset": "by_duration:P1DT2H3M4.5S"}, kgo.ConsumeStartOffset, kgo.LookbackOffset(26*time.Hour + 3*time.Minute + 4500*time.Millisecond)},
		{Consumer, map[string]string{"isolation.level": "read_committed"}, kgo.FetchIsolationLevel, int8(1)},
		{Consumer, map[string]string{"session.timeout.ms": "10000"}, kgo.SessionTimeout, 10 * time.Second},
		{Consumer, map[string]string{"heartbeat.interval.ms": "1000"}, kgo.HeartbeatInterval, time.Second},
		{Consumer, map[string]string{"max.poll.interval.ms": "60000"}, kgo.RebalanceTimeout, time.Minute},
		{Consumer, map[string]string{"fetch.min.bytes": "100"}, kgo.FetchMinBytes, int32(100)},
		{Consumer, map[string]string{"fetch.max.bytes": "2147483647"}, kgo.FetchMaxBytes, int32(1 << 30)},
		{Consumer, map[string]string{"fetch.max.wait.ms": "500"}, kgo.FetchMaxWait, 500 * time.Millisecond},
		{Consumer, map[string]string{"max.partition.fetch.bytes": "5000"}, kgo.FetchMaxPartitionBytes, int32(5000)},
		{Consumer, map[string]string{"client.rack": "b"}, kgo.Rack, "b"},
		{Consumer, map[string]string{"check.crcs": "false"}, kgo.DisableFetchCRCValidation, true},
		{Consumer, map[string]string{"allow.auto.create.topics": "true"}, kgo.AllowAutoTopicCreation, true},
		{Consumer, map[string]string{"request.timeout.ms": "5000"}, kgo.RequestTimeoutOverhead, 5 * time.Second},
		{Producer, map[string]string{"partitioner.rack.aware": "true", "client.rack": "b"}, kgo.Rack, "b"},
		{Producer, map[string]string{"partitioner.rack.aware": "true"}, kgo.RackAwarePartitioning, true},
		{Admin, map[string]string{"retries": "2"}, kgo.RequestRetries, int64(2)},
	}
	for _, test := range tests {
		client, err := open1(at(nil), test.role, test.given)
		if err != nil {
			t.Errorf("%s %v: %v", test.role, test.given, err)
			continue
		}
		got := client.OptValue(test.option)
		client.Close()
		if diff := cmp.Diff(test.expected, got, cmp.AllowUnexported(kgo.Acks{}, kgo.Offset{}, kgo.CompressionCodec{})); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", test.role, test.given, diff)
		}
	}
}

func open1(c *Clients, role Role, override map[string]string) (*kgo.Client, error) {
	switch role {
	case Producer:
		return c.ProducerClient(override, "id")
	case Consumer:
		return c.ConsumerClient(override, "id", "connect-x")
	}
	return c.AdminClient(override, "id")
}

// TestBatchLimit: a small batch.size does not refuse large records, as it does not in Kafka.
func TestBatchLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		given    map[string]string
		expected int32
	}{
		{nil, 1 << 20},
		{map[string]string{"batch.size": "16384"}, 1 << 20},
		{map[string]string{"batch.size": "3000000"}, 3000000},
		{map[string]string{"max.request.size": "100000"}, 100000},
		{map[string]string{"max.request.size": "300000000"}, 300000000},
	}
	for _, test := range tests {
		client, err := at(nil).ProducerClient(test.given, "")
		if err != nil {
			t.Fatal(err)
		}
		limit := client.OptValue(kgo.ProducerBatchMaxBytesFn).(func(string) int32)
		if got := limit("any"); got != test.expected {
			t.Errorf("%v: got %d, want %d", test.given, got, test.expected)
		}
		client.Close()
	}
}

func TestRetryTimeouts(t *testing.T) {
	t.Parallel()
	client, err := at(nil).ConsumerClient(map[string]string{"session.timeout.ms": "10000", "default.api.timeout.ms": "20000"}, "", "g")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	timeout := client.OptValue(kgo.RetryTimeoutFn).(func(int16) time.Duration)
	if join, other := timeout(int16(kmsg.JoinGroup)), timeout(int16(kmsg.ListOffsets)); join != 10*time.Second || other != 20*time.Second {
		t.Errorf("got %v to join and %v else, want the session and default.api.timeout.ms", join, other)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	c := at(map[string]string{"client.id": "base", "acks": "all", "max.poll.records": "7"})
	steps := []struct {
		set      func()
		override map[string]string
		expected string
	}{
		{func() {}, nil, "base"},
		{func() { c.Producer = map[string]string{"client.id": "producer"} }, nil, "producer"},
		{func() {}, map[string]string{"client.id": "override"}, "override"},
	}
	for _, step := range steps {
		step.set()
		client, err := c.ProducerClient(step.override, "argument")
		if err != nil {
			t.Fatal(err)
		}
		if got := client.OptValue(kgo.ClientID); got != step.expected {
			t.Errorf("got %v, want %v", got, step.expected)
		}
		client.Close()
	}
	// Base may hold what concerns other roles.
	poll, err := c.Poll(map[string]string{"max.poll.interval.ms": "1000"})
	if want := (Poll{7, time.Second}); err != nil || poll != want {
		t.Errorf("poll: got %v, %v, want %v", poll, err, want)
	}
	if g, err := c.Group(nil, "connect-a"); err != nil || g != "connect-a" {
		t.Errorf("group: got %q, %v", g, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		role       Role
		key, value string
		reason     string // a part of it
	}{
		{Producer, "acks", "2", "String must be one of: all, -1, 0, 1"},
		{Producer, "linger.ms", "soon", "Invalid value soon for configuration linger.ms: Not a number of type LONG"},
		{Producer, "batch.size", "-1", "Value must be at least 0"},
		{Producer, "batch.size", "2147483648", "Not a number of type INT"},
		{Producer, "compression.type", "brotli", "none, gzip, snappy, lz4, zstd"},
		{Producer, "compression.zstd.level", "23", "Value must be no more than 22"},
		{Producer, "enable.idempotence", "yes", "Expected value to be either true or false"},
		{Producer, "transactional.id", "x", "exactly.once.source.support"},
		{Producer, "interceptor.classes", "com.acme.Spy", "Java class"},
		{Producer, "partitioner.class", "com.acme.Mine", "RoundRobinPartitioner"},
		{Producer, "group.id", "x", "does not concern a producer"},
		{Producer, "lingerms", "5", `Did you mean "linger.ms"?`},
		{Producer, "delivery.timeout.ms", "1000", "equal to or larger than linger.ms + request.timeout.ms"},
		{Consumer, "acks", "all", "does not concern a consumer"},
		{Consumer, "enable.auto.commit", "true", "before the records up to them are delivered"},
		{Consumer, "auto.offset.reset", "middle", "earliest, latest, none"},
		{Consumer, "auto.offset.reset", "by_duration:1h", "ISO 8601"},
		{Consumer, "auto.offset.reset", "by_duration:PT", "ISO 8601"},
		{Consumer, "isolation.level", "committed", "read_committed, read_uncommitted"},
		{Consumer, "partition.assignment.strategy", "com.acme.Assignor", "cooperative-sticky"},
		{Consumer, "partition.assignment.strategy", "", "at least one"},
		{Consumer, "heartbeat.interval.ms", "45000", "less than session.timeout.ms"},
		{Consumer, "max.poll.records", "0", "Value must be at least 1"},
		{Admin, "bootstrap.servers", "host", "Invalid url in bootstrap.servers: host"},
		{Admin, "bootstrap.servers", "host:99999", "Invalid port"},
		{Admin, "bootstrap.servers", " ", "No bootstrap urls"},
	}
	for _, test := range tests {
		errs := (&Clients{}).Check(test.role, map[string]string{test.key: test.value})
		if len(errs) != 1 {
			t.Errorf("%s %s=%s: got %v, want one error", test.role, test.key, test.value, errs)
			continue
		}
		if errs[0].Key != test.key || !strings.Contains(errs[0].Reason, test.reason) {
			t.Errorf("%s %s=%s: got %s: %s, want %q", test.role, test.key, test.value, errs[0].Key, errs[0].Reason, test.reason)
		}
	}
}

func TestEveryMistakeIsReported(t *testing.T) {
	t.Parallel()
	errs := (&Clients{}).Check(Producer, map[string]string{"acks": "2", "linger.ms": "x", "sasl.login.class": "a.B"})
	keys := make([]string, len(errs))
	for i, e := range errs {
		keys[i] = e.Key
	}
	if diff := cmp.Diff([]string{"acks", "linger.ms", "sasl.login.class"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// TestIdempotenceAskedFor: what excludes idempotence is an error only when idempotence was asked for.
func TestIdempotenceAskedFor(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{"acks": "1", "retries": "0", "max.in.flight.requests.per.connection": "6"} {
		errs := (&Clients{}).Check(Producer, map[string]string{key: value, "enable.idempotence": "true"})
		if len(errs) != 1 || errs[0].Key != key {
			t.Errorf("%s=%s: got %v, want one error of that key", key, value, errs)
		}
		if errs := (&Clients{}).Check(Producer, map[string]string{key: value}); len(errs) != 0 {
			t.Errorf("%s=%s alone: got %v, want none", key, value, errs)
		}
	}
}

func TestMissingServers(t *testing.T) {
	t.Parallel()
	_, err := (&Clients{}).AdminClient(nil, "")
	if errs := configErrors(err); len(errs) != 1 || errs[0].Key != "bootstrap.servers" {
		t.Errorf("got %v, want bootstrap.servers", err)
	}
}

// TestTable: each rule does exactly one thing.
func TestTable(t *testing.T) {
	t.Parallel()
	for key, r := range rules {
		n := 0
		for _, is := range []bool{r.set != nil, r.harmless != "", r.refused != ""} {
			if is {
				n++
			}
		}
		if n != 1 || r.roles == 0 {
			t.Errorf("%s: %d actions, roles %d", key, n, r.roles)
		}
	}
	for _, key := range []string{"metric.reporters", "metrics.num.samples", "confluent.monitoring.interceptor.topic", "key.serializer"} {
		if errs := (&Clients{}).Check(Producer, map[string]string{key: "x"}); len(errs) != 0 {
			t.Errorf("%s: got %v, want it ignored", key, errs)
		}
	}
}

func TestPartitioner(t *testing.T) {
	t.Parallel()
	p := chosen{kgo.StickyKeyPartitioner(nil)}.ForTopic("t")
	if got := p.Partition(&kgo.Record{Partition: 3}, 10); got != 3 {
		t.Errorf("chosen: got %d, want 3", got)
	}
	// Kafka: UtilsTest.testMurmur2; the partitions are those of the Java client.
	for key, want := range map[string]int{"21": (-973932308 & 0x7fffffff) % 10, "foobar": (-790332482 & 0x7fffffff) % 10} {
		if got := p.Partition(&kgo.Record{Partition: -1, Key: []byte(key)}, 10); got != want {
			t.Errorf("key %s: got %d, want %d", key, got, want)
		}
	}
	sticky := p.Partition(&kgo.Record{Partition: -1}, 10)
	p.Partition(&kgo.Record{Partition: (int32(sticky) + 1) % 10}, 10)
	p.(kgo.TopicPartitionerOnNewBatch).OnNewBatch() // of the record that named its partition
	if got := p.Partition(&kgo.Record{Partition: -1}, 10); got != sticky {
		t.Errorf("got %d, want to stay at %d: another partition's batch was full", got, sticky)
	}
	p.(kgo.TopicPartitionerOnNewBatch).OnNewBatch()
	if got := p.Partition(&kgo.Record{Partition: -1}, 10); got == sticky {
		t.Errorf("stayed at %d although its batch was full", got)
	}
	if !p.RequiresConsistency(&kgo.Record{Partition: 0}) || p.RequiresConsistency(&kgo.Record{Partition: -1}) {
		t.Error("consistency is for records with a partition or a key only")
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	f := backoff(100*time.Millisecond, time.Second)
	for tries, want := range []time.Duration{100, 100, 200, 400, 800, 1000, 1000} {
		want *= time.Millisecond
		if got := f(tries); got < want*8/10 || got > want*12/10 {
			t.Errorf("try %d: got %v, want about %v", tries, got, want)
		}
	}
}

// TestVerify says of settings what making the client would say.
func TestVerify(t *testing.T) {
	t.Parallel()
	c := Clients{Base: map[string]string{"bootstrap.servers": "127.0.0.1:1"}}
	for _, override := range []map[string]string{
		{"linger.ms": "20"}, {"linger.ms": "soon"}, {"acks": "1", "enable.idempotence": "true"}, {"ssl.truststore.location": "/nowhere", "security.protocol": "SSL"},
	} {
		client, want := c.ProducerClient(override, "test")
		if client != nil {
			client.Close()
		}
		got := c.Verify(Producer, override)
		if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
			t.Errorf("%v: got %v, want %v", override, got, want)
		}
	}
}

// TestVerifyRemembersWhatIsRight: what was found right is not looked at again, what is wrong is, and other settings are.
func TestVerifyRemembersWhatIsRight(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "ca.pem")
	c := Clients{Proved: &Proofs{}, Base: map[string]string{"bootstrap.servers": "127.0.0.1:9"}}
	tls := map[string]string{"security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.location": store}
	for range 2 {
		if err := c.Verify(Producer, tls); err == nil {
			t.Fatal("settings whose file is not there are right")
		}
	}
	if err := c.Verify(Producer, map[string]string{"acks": "1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(Producer, map[string]string{"acks": "two"}); err == nil {
		t.Error("other settings were taken for proved ones")
	}
}
