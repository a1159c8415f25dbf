package topic_test

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/store"
)

func read(t *testing.T, s store.Store, instance, partition string) string {
	t.Helper()
	got, err := s.Offsets().Read(t.Context(), instance, [][]byte{[]byte(partition)})
	if err != nil {
		t.Fatal(err)
	}
	return string(got[0])
}

func commitOffset(t *testing.T, s store.Store, instance, partition, value string) {
	t.Helper()
	e := store.Offset{Partition: []byte(partition)}
	if value != "" {
		e.Value = []byte(value)
	}
	if err := s.Offsets().Commit(t.Context(), instance, []store.Offset{e}); err != nil {
		t.Fatal(err)
	}
}

// live is what compaction would leave of a topic: key and value of the newest record of each key, by partition.
func live(rs []*kgo.Record) map[int32]map[string]string {
	all := map[int32]map[string]string{}
	for _, r := range rs {
		if all[r.Partition] == nil {
			all[r.Partition] = map[string]string{}
		}
		if delete(all[r.Partition], string(r.Key)); r.Value != nil {
			all[r.Partition][string(r.Key)] = string(r.Value)
		}
		if len(all[r.Partition]) == 0 {
			delete(all, r.Partition)
		}
	}
	return all
}

// TestKeysOfOthersStay: what a worker of Kafka Connect wrote under other bytes for the same partition is found and written
// again under these bytes, so that one value is left, in the Kafka partition where it was.
func TestKeysOfOthersStay(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	name := c.settings().Offsets.Name
	const key = `["mm2",{"topic":"ü\u00e9😀","cluster":"A","partition":0}]`
	const partition = `{"cluster":"A","partition":0,"topic":"üé\ud83d\ude00"}`
	c.produce(name, &kgo.Record{Key: []byte(key), Value: []byte(`{"offset":41}`)}, &kgo.Record{Key: []byte(`no JSON`), Value: []byte("1")})
	if got := read(t, s, "mm2", partition); got != `{"offset":41}` {
		t.Errorf("got %q", got)
	}
	before := live(c.records(name, kgo.ReadCommitted()))
	commitOffset(t, s, "mm2", partition, `{"offset":42}`)
	after := live(c.records(name, kgo.ReadCommitted()))
	for p, of := range before {
		if _, ok := of[key]; ok {
			of[key] = `{"offset":42}`
		}
		same(t, "partition", after[p], of)
	}
	list, err := s.Offsets().List(t.Context(), "mm2")
	if err != nil || len(list) != 1 || string(list[0].Partition) != `{"cluster":"A","partition":0,"topic":"üé\uD83D\uDE00"}` {
		t.Errorf("got %s, %v", list, err)
	}
	commitOffset(t, s, "mm2", partition, "")
	if got := read(t, c.open(), "mm2", partition); got != "" {
		t.Errorf("after it was taken away: got %q", got)
	}
}

// TestTwoKeysOfOnePartition: the newer counts, whichever Kafka partition it is in, and the next commit leaves one.
func TestTwoKeysOfOnePartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	name := c.settings().Offsets.Name
	s := c.open()
	keys := []string{`["c",{"a":1,"b":2}]`, `["c",{"b":2,"a":1}]`, `["c", {"a": 1, "b": 2}]`}
	for i, k := range keys {
		c.produce(name, &kgo.Record{Key: []byte(k), Value: []byte{byte('1' + i)}, Timestamp: time.Now().Add(time.Duration(i-10) * time.Second)})
	}
	for what, s := range map[string]store.Store{"who follows": s, "who starts": c.open()} {
		if got := read(t, s, "c", `{"b":2,"a":1}`); got != "3" {
			t.Errorf("%s: got %q, want the newest", what, got)
		}
	}
	commitOffset(t, s, "c", `{"a":1,"b":2}`, "4")
	var left []string
	for _, of := range live(c.records(name, kgo.ReadCommitted())) {
		for k, v := range of {
			left = append(left, k+v)
		}
	}
	slices.Sort(left)
	same(t, "left", left, []string{keys[2] + "4"})
	c.produce(name, &kgo.Record{Key: []byte(keys[2])})
	if got := read(t, c.open(), "c", `{"a":1,"b":2}`); got != "" {
		t.Errorf("after a tombstone: got %q", got)
	}
}

// TestPartitionsAreJavas: a key goes where a Java producer sends it; the numbers are those of its murmur2 over five partitions.
func TestPartitionsAreJavas(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	commitOffset(t, s, "local-file-source", `{"filename":"test.txt"}`, `{"position":30}`)
	records := c.records(c.settings().Offsets.Name, kgo.ReadCommitted())
	if len(records) != 1 || string(records[0].Key) != `["local-file-source",{"filename":"test.txt"}]` || string(records[0].Value) != `{"position":30}` {
		t.Fatalf("got %v", texts(records))
	}
	if want := int32(murmur2(records[0].Key)&0x7fffffff) % 5; records[0].Partition != want {
		t.Errorf("got partition %d, want %d", records[0].Partition, want)
	}
}

// murmur2 is org.apache.kafka.common.utils.Utils.murmur2.
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// TestATakerReadsWhatWasCommittedElsewhere: by another store, acknowledged a moment ago (rule 6 of D2).
func TestATakerReadsWhatWasCommittedElsewhere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	former, taker := c.open(), c.open()
	for i := range 50 {
		want := string(rune('a' + i%26))
		commitOffset(t, former, "x", `{"p":1}`, `"`+want+`"`)
		if got := read(t, taker, "x", `{"p":1}`); got != `"`+want+`"` {
			t.Fatalf("got %s, want %q", got, want)
		}
	}
}

func TestOffsetsThatAreNone(t *testing.T) {
	t.Parallel()
	s := newCluster(t).open()
	for what, err := range map[string]error{
		"without a name":      s.Offsets().Commit(t.Context(), "", []store.Offset{{Partition: []byte("{}")}}),
		"without a partition": s.Offsets().Commit(t.Context(), "a", []store.Offset{{Value: []byte("{}")}}),
	} {
		if err == nil {
			t.Errorf("%s: was stored", what)
		}
	}
}
