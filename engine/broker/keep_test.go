package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fill writes n records of a size, one batch each, so that sizes are plain to see. Keys repeat after some.
func fill(t *testing.T, client *kgo.Client, topic string, partition int32, n, size, keys int) {
	t.Helper()
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Append(nil, i%keys), Value: bytes.Repeat([]byte{'x'}, size)}
		if err := client.ProduceSync(within(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func bytesIn(b *Broker, name string) int64 {
	t := topic{partitions: b.cluster.PartitionInfos(name)}
	return t.bytes()
}

// TestTopicIsHeldToItsSize: the owner hears at 80 %, the oldest go at 100 %, the newest stay, and so after a restart.
func TestTopicIsHeldToItsSize(t *testing.T) {
	t.Parallel()
	l := newLog()
	s := Settings{Dir: t.TempDir(), Topics: []Topic{{Name: "orders", Partitions: 2}, {Name: "small"}}, Logger: slog.New(l),
		topicBytes: 100_000, interval: 5 * time.Millisecond}
	b := start(t, s)
	client := dial(t, b.Addr())
	fill(t, client, "small", 0, 10, 1000, 1)
	fill(t, client, "orders", 0, 42, 1000, 1)
	fill(t, client, "orders", 1, 42, 1000, 1)
	l.wait(t, "consequence=its oldest records are deleted when it reaches the limit topic=orders")
	fill(t, client, "orders", 0, 100, 1000, 1)
	if err := waitFor(func() bool { return bytesIn(b, "orders") <= 100_000 }); err != nil {
		t.Fatalf("%v; the topic has %d bytes", err, bytesIn(b, "orders"))
	}
	for i, p := range b.cluster.PartitionInfos("orders") {
		if want := []int64{142, 42}[i]; p.HighWatermark != want || p.LogStartOffset == 0 || p.LogStartOffset >= want {
			t.Errorf("partition %d: got %d to %d, want the newest of %d", i, p.LogStartOffset, p.HighWatermark, want)
		}
	}
	if p := b.cluster.PartitionInfo("small", 0); p.LogStartOffset != 0 {
		t.Errorf("a small topic lost %d records", p.LogStartOffset)
	}
	if got := l.find("topic=small"); got != "" {
		t.Errorf("logged %q of a small topic", got)
	}
}

func TestTopicsOwnRetention(t *testing.T) {
	t.Parallel()
	s := Settings{Topics: []Topic{
		{Name: "bytes", Config: map[string]string{"retention.bytes": "5000"}},
		{Name: "age", Config: map[string]string{"retention.ms": "60000"}},
		{Name: "compacted", Config: map[string]string{"retention.bytes": "1", "retention.ms": "1", "cleanup.policy": "compact"}},
		{Name: "both", Config: map[string]string{"retention.bytes": "5000", "cleanup.policy": "compact,delete"}},
	}, interval: time.Hour}
	b := start(t, s)
	client := dial(t, b.Addr())
	for _, topic := range s.Topics {
		fill(t, client, topic.Name, 0, 20, 1000, 20)
	}
	k := keeper{b: b, warned: map[string]bool{}, compacted: map[string]int64{}}
	k.look(time.Now())
	if p := b.cluster.PartitionInfo("age", 0); p.LogStartOffset != 0 {
		t.Error("records younger than retention.ms are gone")
	}
	k.look(time.Now().Add(2 * time.Minute))
	for name, want := range map[string]bool{"bytes": true, "age": true, "both": true, "compacted": false} {
		p := b.cluster.PartitionInfo(name, 0)
		if got := p.LogStartOffset > 0; got != want || p.HighWatermark != 20 {
			t.Errorf("%s: got %d to %d, want deletion to be %v", name, p.LogStartOffset, p.HighWatermark, want)
		}
	}
	if p := b.cluster.PartitionInfo("age", 0); p.LogStartOffset != 19 {
		t.Errorf("age: begins at %d, want all but the newest gone", p.LogStartOffset)
	}
}

// newest is what a compacted topic means: the last value of each key, with its offset.
func newest(records []*kgo.Record) map[string]int64 {
	m := map[string]int64{}
	for _, r := range records {
		m[string(r.Key)] = r.Offset
	}
	return m
}

func everything(t *testing.T, b *Broker, topic string) []*kgo.Record {
	t.Helper()
	end := b.cluster.PartitionInfo(topic, 0).HighWatermark
	client := dial(t, b.Addr(), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(50*time.Millisecond))
	var all []*kgo.Record
	for len(all) == 0 || all[len(all)-1].Offset < end-1 {
		fetches := client.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func TestCompaction(t *testing.T) {
	t.Parallel()
	s := Settings{Dir: t.TempDir(), Topics: []Topic{{Name: "state", Config: map[string]string{"cleanup.policy": "compact"}}, {Name: "orders"}},
		interval: 5 * time.Millisecond}
	b := start(t, s)
	client := dial(t, b.Addr())
	fill(t, client, "orders", 0, 5, 10, 1)
	before := len(everything(t, b, "orders"))
	fill(t, client, "state", 0, 150, 10_000, 7)
	admin := kadm.NewClient(client)
	if err := waitFor(func() bool { // any request lets a compaction that is due begin
		_, err := admin.ListTopics(within(t))
		return err == nil && bytesIn(b, "state") < 1_000_000
	}); err != nil {
		t.Fatalf("%v; the topic has %d bytes", err, bytesIn(b, "state"))
	}
	produce(t, client, "state", "after")
	got := newest(everything(t, b, "state"))
	want := map[string]int64{"0": 147, "1": 148, "2": 149, "3": 143, "4": 144, "5": 145, "6": 146, "after": 150}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if after := len(everything(t, b, "orders")); after != before {
		t.Errorf("a topic that is not compacted has %d records, had %d", after, before)
	}
	if err := waitFor(func() bool { _, err := os.Stat(b.folder.compacting()); return os.IsNotExist(err) }); err != nil {
		t.Error("the backup of a compaction stayed")
	}
	stop(t, b)
	if got := newest(everything(t, start(t, s), "state")); !maps.Equal(got, want) {
		t.Errorf("after a restart: got %v, want %v", got, want)
	}
}

// TestInterruptedCompaction: a process killed at any point of a compaction leaves what was there before, or after.
func TestInterruptedCompaction(t *testing.T) {
	t.Parallel()
	s := Settings{Dir: t.TempDir(), Topics: []Topic{{Name: "state", Config: map[string]string{"cleanup.policy": "compact"}}}, interval: time.Hour}
	b := start(t, s)
	fill(t, dial(t, b.Addr()), "state", 0, 30, 100, 3)
	want := newest(everything(t, b, "state"))
	partition := filepath.Join(partitionsDir(b.folder.data), "state-0")
	all := func(string) bool { return true }

	// Killed when kfake has removed the old files and begun with a new one.
	killed(t, func() error {
		return b.folder.protect(all, func() {
			stop(t, b)
			files, err := filepath.Glob(filepath.Join(partition, "*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("got %v, %v", files, err)
			}
			for _, file := range files {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(partition, "0.dat"), []byte("half a ba"), 0o600); err != nil {
				t.Fatal(err)
			}
			panic("killed")
		})
	})
	b = start(t, s)
	if got := newest(everything(t, b, "state")); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	stop(t, b)

	// Killed while the backup was made: it is of no use and goes.
	half := b.folder.compacting() + ".tmp"
	if err := os.MkdirAll(filepath.Join(half, "state-0"), 0o755); err != nil {
		t.Fatal(err)
	}
	b = start(t, s)
	if got := newest(everything(t, b, "state")); !maps.Equal(got, want) {
		t.Errorf("after a backup that was not finished: got %v, want %v", got, want)
	}
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("%s stayed: %v", half, err)
	}
}

// killed runs f until it panics, as a process that ends there.
func killed(t *testing.T, f func() error) {
	t.Helper()
	defer func() {
		if r := recover(); r != "killed" {
			t.Fatalf("got %v, want to be killed", r)
		}
	}()
	t.Fatalf("not killed: %v", f())
}

func TestStored(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if names, err := stored(data); err != nil || names != nil {
		t.Errorf("nothing stored: got %v, %v", names, err)
	}
	for _, p := range []string{"a-0", "a-1", "a-b-10", "with%2Fslash-0", "nonumber"} {
		if err := os.MkdirAll(filepath.Join(partitionsDir(data), p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names, err := stored(data)
	if want := []string{"a", "a-b", "with/slash"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %v, %v, want %v", names, err, want)
	}
}
