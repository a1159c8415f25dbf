package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
)

func TestMain(m *testing.M) {
	if os.Getenv(victim) != "" {
		serve()
		return
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, s Settings) *Broker {
	t.Helper()
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	b, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, b) })
	return b
}

func stop(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	clients := kafka.Clients{Base: map[string]string{"bootstrap.servers": addr, "metadata.max.age.ms": "200", "retry.backoff.ms": "20"}}
	client, err := clients.ProducerClient(map[string]string{"linger.ms": "0"}, "test", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, client *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Key: []byte(v), Value: []byte(v)}
		if err := client.ProduceSync(within(t), r).FirstErr(); err != nil {
			t.Fatalf("produce %q: %v", v, err)
		}
	}
}

// consume reads n records from the start.
func consume(t *testing.T, addr, topic string, n int) []*kgo.Record {
	t.Helper()
	client := dial(t, addr, kgo.ConsumeTopics(topic), kgo.FetchMaxWait(50*time.Millisecond))
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("consume: %v after %d of %d records", err, len(all), n)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func values(records []*kgo.Record) string {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = string(r.Value)
	}
	return strings.Join(texts, " ")
}

// log collects what a broker logs.
type log struct {
	mu    sync.Mutex
	lines []string
	seen  chan struct{} // gets a token a line
}

func newLog() *log { return &log{seen: make(chan struct{}, 1000)} }

func (l *log) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *log) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *log) WithGroup(string) slog.Handler                    { return l }

func (l *log) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
	l.mu.Lock()
	l.lines = append(l.lines, line)
	l.mu.Unlock()
	l.seen <- struct{}{}
	return nil
}

func (l *log) find(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// wait returns the first line with a text, once there is one.
func (l *log) wait(t *testing.T, text string) string {
	t.Helper()
	ctx := within(t)
	for {
		if line := l.find(text); line != "" {
			return line
		}
		select {
		case <-l.seen:
		case <-ctx.Done():
			t.Fatalf("%q was not logged; got %q", text, l.lines)
		}
	}
}

// is checks that an error is a diagnostic of a code and names what it should.
func is(t *testing.T, err error, want diag.Code, names ...string) {
	t.Helper()
	list := diag.Of(err, "none")
	if len(list) == 0 || list[0].Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	for _, name := range names {
		if !strings.Contains(list[0].Detail, name) {
			t.Errorf("got %q, want it to name %q", list[0].Detail, name)
		}
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	s := Settings{Dir: t.TempDir(), Topics: []Topic{{Name: "orders", Partitions: 2, Config: map[string]string{"max.message.bytes": "2000000"}}}}
	b := start(t, s)
	addr := b.Addr()
	client := dial(t, addr)
	produce(t, client, "orders", "a", "b", "c")
	admin := kadm.NewClient(client)
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 1, 2, -1)
	if err := admin.CommitAllOffsets(within(t), "group", offsets); err != nil {
		t.Fatal(err)
	}
	stop(t, b)

	b = start(t, s)
	if b.Addr() != addr {
		t.Errorf("got address %s, want %s again", b.Addr(), addr)
	}
	if got := len(consume(t, addr, "orders", 3)); got != 3 {
		t.Errorf("got %d records, want 3", got)
	}
	produce(t, client, "orders", "d") // the same client, reconnected
	fetched, err := admin.FetchOffsets(within(t), "group")
	if o, ok := fetched.Lookup("orders", 1); err != nil || !ok || o.At != 2 {
		t.Errorf("got offset %v, %v, want 2", o.At, err)
	}
	configs, err := admin.DescribeTopicConfigs(within(t), "orders")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "max.message.bytes" && c.MaybeValue() != "2000000" {
			t.Errorf("max.message.bytes: got %s", c.MaybeValue())
		}
	}
	meta, err := admin.BrokerMetadata(within(t))
	if err != nil || meta.Cluster != kafka.DevelopmentCluster {
		t.Errorf("got cluster %q, %v, want %q", meta.Cluster, err, kafka.DevelopmentCluster)
	}
}

func TestTopicsAreNeverMadeByBeingNamed(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{})
	client := dial(t, b.Addr(), kgo.UnknownTopicRetries(1))
	err := client.ProduceSync(within(t), &kgo.Record{Topic: "typo", Value: []byte("x")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("got %v, want %v", err, kerr.UnknownTopicOrPartition)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.168.1.1:9092", ":9092", "[::]:9092", "kafka.example:9092", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x"} {
		dir := filepath.Join(t.TempDir(), "data")
		_, err := Start(Settings{Dir: dir, Addr: addr})
		is(t, err, diag.InvalidValue, addr)
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: the folder was made", addr)
		}
	}
	b := start(t, Settings{Addr: "localhost:0"})
	if host, _, _ := net.SplitHostPort(b.Addr()); host != "127.0.0.1" {
		t.Errorf("localhost: got %s", b.Addr())
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{})
	_, err := Start(Settings{Dir: t.TempDir(), Addr: b.Addr()})
	is(t, err, diag.AddressInUse, b.Addr(), "bootstrap_servers")
}

// TestRememberedPortTaken: a project's port is its own until somebody else has it.
func TestRememberedPortTaken(t *testing.T) {
	t.Parallel()
	dir, l := t.TempDir(), newLog()
	b := start(t, Settings{Dir: dir})
	first := b.Addr()
	stop(t, b)
	other, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	b = start(t, Settings{Dir: dir, Logger: slog.New(l)})
	second := b.Addr()
	if second == first || l.find("taken by another program") == "" {
		t.Errorf("got %s, logged %q, want another port and a word about it", second, l.lines)
	}
	stop(t, b)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if b := start(t, Settings{Dir: dir}); b.Addr() != second {
		t.Errorf("got %s, want %s, the last one", b.Addr(), second)
	}
}

func TestFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Settings{Dir: dir})
	_, err := Start(Settings{Dir: dir})
	is(t, err, diag.DataInUse, dir, fmt.Sprint(os.Getpid()))
	stop(t, b)
	start(t, Settings{Dir: dir})
}

func TestFolderUnusable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(Settings{Dir: file})
	is(t, err, diag.Unreadable, file)
}

func TestDamagedData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stop(t, start(t, Settings{Dir: dir}))
	damage := filepath.Join(dir, "data", "topics.json")
	if err := os.WriteFile(damage, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(Settings{Dir: dir})
	is(t, err, diag.DamagedState, dir)
	if text, err := os.ReadFile(damage); err != nil || string(text) != "{" {
		t.Errorf("the data was touched: %q, %v", text, err)
	}
}

// TestOtherVersion: data of another version is neither read nor lost.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"other kfake":  `{"format":1,"kfake":"v0.0.0-other","port":1}`,
		"other format": `{"format":99,"kfake":"` + kfakeVersion + `"}`,
		"no version":   "",
		"damaged":      "{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, l := t.TempDir(), newLog()
			b := start(t, Settings{Dir: dir, Topics: []Topic{{Name: "orders"}}})
			produce(t, dial(t, b.Addr()), "orders", "a")
			stop(t, b)
			version := filepath.Join(dir, "broker.json")
			if text == "" {
				if err := os.Remove(version); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(version, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b = start(t, Settings{Dir: dir, Logger: slog.New(l)})
			topics, err := kadm.NewClient(dial(t, b.Addr())).ListTopics(within(t))
			if err != nil || len(topics) != 0 {
				t.Errorf("got topics %v, %v, want an empty broker", topics.Names(), err)
			}
			aside, err := filepath.Glob(filepath.Join(dir, "data.*", "partitions", "orders-0", "0.dat"))
			if err != nil || len(aside) != 1 {
				t.Fatalf("got %v, %v, want the old data beside", aside, err)
			}
			if line := l.find("moved aside"); !strings.Contains(line, filepath.Dir(filepath.Dir(filepath.Dir(aside[0])))) {
				t.Errorf("logged %q, want it to name the place", line)
			}
		})
	}
}

// TestVersionIsThatOfTheModule: who updates kfake decides whether it reads the same data.
func TestVersionIsThatOfTheModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "github.com/twmb/franz-go/pkg/kfake "+kfakeVersion+"\n") {
		t.Errorf("go.mod has another kfake than %s", kfakeVersion)
	}
}

func TestTransactionsAreRefused(t *testing.T) {
	t.Parallel()
	l := newLog()
	b := start(t, Settings{Topics: []Topic{{Name: "orders"}}, Logger: slog.New(l)})
	client := dial(t, b.Addr(), kgo.TransactionalID("connect-cluster-x"))
	if err := client.BeginTransaction(); !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		t.Errorf("got %v, want %v", err, kerr.TransactionalIDAuthorizationFailed)
	}
	l.wait(t, "transactional_id=connect-cluster-x")
}

func TestUnknownGroup(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{Topics: []Topic{{Name: "orders", Partitions: 2}}})
	client := dial(t, b.Addr())
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 1, 7, -1)
	if err := kadm.NewClient(client).CommitAllOffsets(within(t), "known", offsets); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int16{1, 5, 7, 8, 9} {
		req := kmsg.NewOffsetFetchRequest()
		req.Version = version
		partitions := []int32{0, 1}
		if version <= 7 {
			req.Group = "unknown"
			req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "orders", Partitions: partitions}}
		} else {
			for _, name := range []string{"unknown", "known"} {
				g := kmsg.NewOffsetFetchRequestGroup()
				g.Group, g.Topics = name, []kmsg.OffsetFetchRequestGroupTopic{{Topic: "orders", Partitions: partitions}}
				req.Groups = append(req.Groups, g)
			}
		}
		broker := dial(t, b.Addr(), kgo.MaxVersions(only(9, version))).SeedBrokers()[0]
		answer, err := broker.Request(within(t), &req)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		resp := answer.(*kmsg.OffsetFetchResponse)
		got := map[string][]int64{}
		if version <= 7 {
			for _, p := range resp.Topics[0].Partitions {
				got["unknown"] = append(got["unknown"], p.Offset, int64(p.ErrorCode))
			}
		}
		for _, g := range resp.Groups {
			for _, p := range g.Topics[0].Partitions {
				got[g.Group] = append(got[g.Group], p.Offset, int64(p.ErrorCode))
			}
		}
		want := map[string][]int64{"unknown": {-1, 0, -1, 0}}
		if version > 7 {
			want["known"] = []int64{-1, 0, 7, 0}
		}
		if diff := cmp.Diff(want, got); diff != "" || resp.ErrorCode != 0 {
			t.Errorf("version %d: error %d, offsets and errors (-want +got):\n%s", version, resp.ErrorCode, diff)
		}
	}
	if all, err := kadm.NewClient(client).FetchOffsets(within(t), "unknown"); err != nil || len(all) != 0 {
		t.Errorf("all offsets: got %v, %v, want none", all, err)
	}
}

// only makes a client speak one version of a request.
func only(key, version int16) *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(key, version)
	return v
}

func TestCreateTopics(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{Topics: []Topic{{Name: "there"}}})
	admin := kadm.NewClient(dial(t, b.Addr()))
	tests := []struct {
		topic      string
		partitions int32
		replicas   int16
		config     map[string]string
		want       error
	}{
		{"new", 3, 1, map[string]string{"cleanup.policy": "compact", "max.compaction.lag.ms": "3600000"}, nil},
		{"defaults", -1, -1, nil, nil},
		{"there", 1, 1, nil, kerr.TopicAlreadyExists},
		{"a b", 1, 1, nil, kerr.InvalidTopicException},
		{"..", 1, 1, nil, kerr.InvalidTopicException},
		{"", 1, 1, nil, kerr.InvalidTopicException},
		{"é", 1, 1, nil, kerr.InvalidTopicException},
		{strings.Repeat("a", 250), 1, 1, nil, kerr.InvalidTopicException},
		{"none", 0, 1, nil, kerr.InvalidPartitions},
		{"replicated", 1, 3, nil, kerr.InvalidReplicationFactor},
		{"misspelt", 1, 1, map[string]string{"retention.millis": "1"}, kerr.InvalidConfig},
	}
	for _, test := range tests {
		config := map[string]*string{}
		for k, v := range test.config {
			config[k] = &v
		}
		got, err := admin.CreateTopic(within(t), test.partitions, test.replicas, config, test.topic)
		if !errors.Is(err, test.want) && !errors.Is(got.Err, test.want) {
			t.Errorf("%s: got %v, want %v", test.topic, err, test.want)
		}
		if test.want != nil {
			if got.ErrMessage == "" {
				t.Errorf("%s: no message", test.topic)
			}
			continue
		}
		shown := map[string]string{}
		for k, v := range got.Configs {
			shown[k] = v.MaybeValue()
			if v.Source != kmsg.ConfigSourceDynamicTopicConfig {
				t.Errorf("%s: %s has source %v", test.topic, k, v.Source)
			}
		}
		if !maps.Equal(shown, test.config) || got.NumPartitions != max(test.partitions, 1) || got.ReplicationFactor != 1 || got.ID == (kadm.TopicID{}) {
			t.Errorf("%s: got %+v", test.topic, got)
		}
	}
	if got, err := admin.ValidateCreateTopics(within(t), 1, 1, nil, "tried", "there"); err != nil || got["tried"].Err != nil || !errors.Is(got["there"].Err, kerr.TopicAlreadyExists) {
		t.Errorf("validation: got %v, %v", got, err)
	}
	if b.cluster.TopicInfo("tried") != nil {
		t.Error("a validation made a topic")
	}
}

// TestDeletedRecordsKeepTheEnd: where a log ends is known after a restart, however much of it was deleted.
func TestDeletedRecordsKeepTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Settings{Dir: dir, Topics: []Topic{{Name: "orders"}}})
	client := dial(t, b.Addr())
	produce(t, client, "orders", "a", "b", "c")
	admin := kadm.NewClient(client)
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 0, 3, -1)
	got, err := admin.DeleteRecords(within(t), offsets)
	if err != nil || got["orders"][0].LowWatermark != 2 {
		t.Errorf("got %v, %v, want all but the newest to go", got, err)
	}
	stop(t, b)
	b = start(t, Settings{Dir: dir})
	admin = kadm.NewClient(dial(t, b.Addr()))
	ends, err := admin.ListEndOffsets(within(t), "orders")
	if end, _ := ends.Lookup("orders", 0); err != nil || end.Offset != 3 {
		t.Errorf("got end %d, %v, want 3", end.Offset, err)
	}
}

// TestCompactedTopicsNeedKeys: what compaction would drop is refused when it comes; the rest of a request gets through.
func TestCompactedTopicsNeedKeys(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{Topics: []Topic{
		{Name: "state", Partitions: 2, Config: map[string]string{"cleanup.policy": "compact,delete"}}, {Name: "orders"},
	}})
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.ZstdCompression()} {
		client := dial(t, b.Addr(), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		results := client.ProduceSync(within(t),
			&kgo.Record{Topic: "state", Partition: 0, Value: []byte("lost")},
			&kgo.Record{Topic: "state", Partition: 1, Key: []byte{}, Value: []byte("empty key")},
			&kgo.Record{Topic: "orders", Value: []byte("no key")},
		)
		for _, r := range results {
			want := error(nil)
			if string(r.Record.Value) == "lost" {
				want = kerr.InvalidRecord
			}
			if !errors.Is(r.Err, want) {
				t.Errorf("%s: got %v, want %v", r.Record.Value, r.Err, want)
			}
		}
	}
	careless := dial(t, b.Addr(), kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	careless.ProduceSync(within(t), &kgo.Record{Topic: "state", Partition: 0, Value: []byte("lost")})
	produce(t, careless, "orders", "after")
	if err := waitFor(func() bool { return b.cluster.PartitionInfo("orders", 0).HighWatermark == 3 }); err != nil {
		t.Error(err)
	}
	if got := b.cluster.PartitionInfo("state", 0).HighWatermark; got != 0 {
		t.Errorf("got %d records without a key", got)
	}
}

// TestDiskNearlyFull: producers wait, with nothing lost, until there is space; the owner is told both times.
func TestDiskNearlyFull(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(10 << 30)
	l := newLog()
	s := Settings{Topics: []Topic{{Name: "orders"}}, Logger: slog.New(l)}
	s.space = func(string) (int64, int64, error) { return free.Load(), 100 << 30, nil }
	b := start(t, s)
	client := dial(t, b.Addr())
	produce(t, client, "orders", "a")

	free.Store(63 << 20)
	done := make(chan error, 1)
	client.Produce(within(t), &kgo.Record{Topic: "orders", Value: []byte("b")}, func(_ *kgo.Record, err error) { done <- err })
	if line := l.wait(t, string(diag.DiskFull)); !strings.Contains(line, "63 MB") {
		t.Errorf("logged %q, want how much is left", line)
	}
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(within(t), 1, 1, nil, "other"); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("a topic on a full disk: got %v, want %v", err, kerr.KafkaStorageError)
	}
	select {
	case err := <-done:
		t.Fatalf("the record was answered: %v", err)
	default:
	}
	free.Store(1 << 30)
	if err := <-done; err != nil {
		t.Errorf("after there was space: %v", err)
	}
	l.wait(t, "there is space again")
	if got := values(consume(t, b.Addr(), "orders", 2)); got != "a b" {
		t.Errorf("got %q", got)
	}
}

func TestSmallDisk(t *testing.T) {
	t.Parallel()
	d := disk{log: slog.New(slog.DiscardHandler), space: func(string) (int64, int64, error) { return 10 << 20, 32 << 20, nil }}
	if d.refuses(kmsg.NewPtrProduceRequest()) {
		t.Error("a third of a small disk is enough")
	}
}

// TestFailedWrite: kfake counts a record whose write failed, so nothing may be taken after one.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	l, dir := newLog(), t.TempDir()
	b := start(t, Settings{Dir: dir, Topics: []Topic{{Name: "orders"}}, Logger: slog.New(l)})
	// Nothing can be made where a file stands in the way of the partition's folder.
	if err := os.WriteFile(filepath.Join(dir, "data", "partitions"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	client := dial(t, b.Addr())
	if err := client.ProduceSync(within(t), &kgo.Record{Topic: "orders", Value: []byte("a")}).FirstErr(); err == nil {
		t.Fatal("a record that could not be written was acknowledged")
	}
	l.wait(t, "takes no more records")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	second := dial(t, b.Addr())
	if err := second.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("b")}).FirstErr(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after a failed write: got %v, want the producer to wait", err)
	}
}

// TestStrangers: what is not Kafka's protocol neither ends the process nor takes its memory.
func TestStrangers(t *testing.T) {
	t.Parallel()
	l := newLog()
	b := start(t, Settings{Topics: []Topic{{Name: "orders"}}, Logger: slog.New(l)})
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",             // TLS
		"\x00\x00\x00\x08\x03\xe7\x00\x00\x00\x00\x00\x00", // request 999
		"\x00\x00\x00\x01\x00\x00\x00\x00",
		"\xff\xff\xff\xff\x00\x00\x00\x00",
	} {
		conn, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: got %v, want the connection closed", text, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	l.wait(t, "does not speak Kafka's protocol")
	produce(t, dial(t, b.Addr()), "orders", "still here")
}

// TestAnswersForJava: lists that Kafka's own client takes for granted are there, even when empty.
func TestAnswersForJava(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{Topics: []Topic{{Name: "a", Partitions: 3}, {Name: "b", Partitions: 2}}})
	client := dial(t, b.Addr())

	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "c", 1, 1
	create.Topics = append(create.Topics, topic)
	created, err := create.RequestWith(within(t), client)
	if err != nil || created.Topics[0].ErrorCode != 0 || created.Topics[0].Configs == nil {
		t.Errorf("CreateTopics: got %+v, %v, want a list of configurations", created, err)
	}

	quotas, err := kmsg.NewPtrDescribeClientQuotasRequest().RequestWith(within(t), client)
	if err != nil || quotas.ErrorCode != 0 || quotas.Entries == nil {
		t.Errorf("DescribeClientQuotas: got %+v, %v, want a list of entries", quotas, err)
	}

	type place struct {
		topic     string
		code      int16
		partition int32
	}
	var got []place
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.ResponsePartitionLimit = 2 // so that it takes several requests
	for _, name := range []string{"b", "unknown", "a", "a"} {
		describe.Topics = append(describe.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
	}
	for range 10 {
		resp, err := describe.RequestWith(within(t), client)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range resp.Topics {
			if topic.ErrorCode != 0 {
				got = append(got, place{*topic.Topic, topic.ErrorCode, -1})
			}
			for _, p := range topic.Partitions {
				got = append(got, place{*topic.Topic, p.ErrorCode, p.Partition})
				if p.EligibleLeaderReplicas == nil || p.LastKnownELR == nil || !slices.Equal(p.ISR, []int32{0}) || p.LeaderID != 0 {
					t.Errorf("got %+v, want lists, and node 0 as leader", p)
				}
			}
		}
		if resp.NextCursor == nil {
			break
		}
		describe.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
	}
	want := []place{{"a", 0, 0}, {"a", 0, 1}, {"a", 0, 2}, {"b", 0, 0}, {"b", 0, 1}, {"unknown", kerr.UnknownTopicOrPartition.Code, -1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(place{})); diff != "" {
		t.Errorf("DescribeTopicPartitions (-want +got):\n%s", diff)
	}
}

// TestSettingsThatCannotBeChanged: invariant 9. What would change nothing, or take a guard away, is refused.
func TestSettingsThatCannotBeChanged(t *testing.T) {
	t.Parallel()
	b := start(t, Settings{Topics: []Topic{{Name: "a"}}})
	admin := kadm.NewClient(dial(t, b.Addr()))
	set := func(key string) []kadm.AlterConfig {
		return []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: new("1000")}}
	}
	if got, err := admin.AlterTopicConfigs(within(t), set("max.compaction.lag.ms"), "a"); err != nil || got[0].Err != nil {
		t.Errorf("a setting of a topic: got %v, %v", got, err)
	}
	if got, err := admin.AlterTopicConfigs(within(t), set("retention.millis"), "a"); err != nil || !errors.Is(got[0].Err, kerr.InvalidConfig) || got[0].ErrMessage == "" {
		t.Errorf("a misspelt setting: got %v, %v, want %v", got, err, kerr.InvalidConfig)
	}
	if got, err := admin.AlterTopicConfigsState(within(t), set("retention.millis"), "a"); err != nil || !errors.Is(got[0].Err, kerr.InvalidConfig) {
		t.Errorf("a misspelt setting, the older way: got %v, %v, want %v", got, err, kerr.InvalidConfig)
	}
	if got, err := admin.AlterBrokerConfigs(within(t), set("log.cleaner.backoff.ms"), 0); err != nil || !errors.Is(got[0].Err, kerr.PolicyViolation) {
		t.Errorf("a setting of the broker: got %v, %v, want %v", got, err, kerr.PolicyViolation)
	}
	acl := kadm.NewACLs().Topics("a").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead).Allow("User:u")
	if got, err := admin.CreateACLs(within(t), acl); err != nil || len(got) == 0 || !errors.Is(got[0].Err, kerr.SecurityDisabled) {
		t.Errorf("a rule of access: got %v, %v, want %v", got, err, kerr.SecurityDisabled)
	}
	user := kadm.UpsertSCRAM{User: "u", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "p"}
	if got, err := admin.AlterUserSCRAMs(within(t), nil, []kadm.UpsertSCRAM{user}); err != nil || !errors.Is(got["u"].Err, kerr.SecurityDisabled) {
		t.Errorf("a user: got %v, %v, want %v", got, err, kerr.SecurityDisabled)
	}
	quotas := kmsg.NewPtrAlterClientQuotasRequest()
	quotas.Entries = []kmsg.AlterClientQuotasRequestEntry{{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: new("u")}},
		Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: "producer_byte_rate", Value: 1}},
	}}
	resp, err := quotas.RequestWith(within(t), dial(t, b.Addr()))
	if err != nil || len(resp.Entries) != 1 || resp.Entries[0].ErrorCode != kerr.PolicyViolation.Code || *resp.Entries[0].Entity[0].Name != "u" {
		t.Errorf("a quota: got %+v, %v, want %v", resp, err, kerr.PolicyViolation)
	}
}

func TestTopicThatCannotBeMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Start(Settings{Dir: dir, Topics: []Topic{{Name: "a.b"}, {Name: "a_b"}}})
	is(t, err, diag.BrokerRefused, "a_b")
	start(t, Settings{Dir: dir}) // nothing was left behind
}
