package topic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/store"
)

// offsets is the offsets topic: a record a source partition, found by the bytes of its key.
//
// Java finds an offset by the bytes that it makes of a map, whose order is that of the map; so does compaction. Here
// partitions are found whatever the order, and written with the bytes that are there already. When there are several keys
// of one partition, the newest counts, and the next write takes the others away.
type offsets struct {
	store *Store
	log   *log
	of    map[string]map[string]*kept // by instance and canonical partition; guarded by mu
}

// kept is what the topic has of a source partition.
type kept struct {
	key   string // of the newest record
	value []byte // nil: taken away
	at    stamp
	other []alias // further keys that have a value
}

type alias struct {
	key string
	at  stamp
}

// stamp orders records of several partitions: by time, as nothing else is common to them, and in one partition by offset.
type stamp struct {
	time      int64
	partition int32
	offset    int64
}

func (s stamp) after(o stamp) bool {
	if s.partition == o.partition {
		return s.offset > o.offset
	}
	return s.time > o.time || s.time == o.time && s.partition > o.partition
}

func newOffsets(s *Store, topic string) *offsets {
	o := &offsets{store: s, of: map[string]map[string]*kept{}}
	o.log = &log{topic: topic, take: o.take, marker: func() {}, settle: func() {}}
	return o
}

// take takes a record over. The caller holds mu.
func (o *offsets) take(r *kgo.Record) error {
	instance, partition, err := splitKey(r.Key)
	if err == nil && r.Value != nil && len(r.Value) > 0 && !json.Valid(r.Value) {
		err = errors.New("the value is no JSON")
	}
	if err != nil {
		o.store.settings.Logger.Error("a record of the offsets topic cannot be read and is skipped",
			"partition", r.Partition, "offset", r.Offset, "error", err)
		return nil
	}
	of := o.of[instance]
	if of == nil {
		of = map[string]*kept{}
		o.of[instance] = of
	}
	name := canonical(partition)
	k := of[name]
	if k == nil {
		k = &kept{key: string(r.Key), at: stamp{partition: r.Partition, offset: -1}}
		of[name] = k
	}
	k.take(r)
	if k.value == nil && len(k.other) == 0 {
		delete(of, name)
	}
	if len(of) == 0 {
		delete(o.of, instance)
	}
	return nil
}

func (k *kept) take(r *kgo.Record) {
	at, key := stamp{r.Timestamp.UnixMilli(), r.Partition, r.Offset}, string(r.Key)
	k.other = slices.DeleteFunc(k.other, func(a alias) bool { return a.key == key })
	var older alias
	switch {
	case key == k.key:
		k.value, k.at = value(r), at
		return
	case at.after(k.at):
		if k.value != nil {
			older = alias{k.key, k.at}
		}
		k.key, k.value, k.at = key, value(r), at
	case r.Value != nil:
		older = alias{key, at}
	}
	if older.key != "" {
		k.other = append(k.other, older)
	}
}

// value is the value of a record; JSON null is none, as for Kafka Connect.
func value(r *kgo.Record) []byte {
	if r.Value == nil || string(r.Value) == "null" {
		return nil
	}
	return append([]byte{}, r.Value...)
}

// Read implements [store.Offsets].
func (o *offsets) Read(ctx context.Context, instance string, partitions [][]byte) ([][]byte, error) {
	if err := o.log.readToEnd(ctx); err != nil {
		return nil, err
	}
	values := make([][]byte, len(partitions))
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	for i, p := range partitions {
		if k := o.of[instance][canonical(p)]; k != nil {
			values[i] = bytes.Clone(k.value)
		}
	}
	return values, nil
}

// List implements [store.Offsets].
func (o *offsets) List(ctx context.Context, instance string) ([]store.Offset, error) {
	if err := o.log.readToEnd(ctx); err != nil {
		return nil, err
	}
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	of := o.of[instance]
	list := make([]store.Offset, 0, len(of))
	for _, p := range slices.Sorted(maps.Keys(of)) {
		if k := of[p]; k.value != nil {
			list = append(list, store.Offset{Partition: []byte(p), Value: bytes.Clone(k.value)})
		}
	}
	return list, nil
}

// Commit implements [store.Offsets]. Entries are independent records, as in Kafka Connect: when it fails some may have been
// stored, each of which is true of its own partition. It still works when the store cannot read any more: what then stops
// stores how far it has come (invariant 7).
func (o *offsets) Commit(ctx context.Context, instance string, entries []store.Offset) error {
	if err := o.store.writable(ctx); err != nil {
		return err
	}
	if instance == "" {
		return errors.New("commit offsets: not the name of an instance")
	}
	last := map[string][]byte{}
	var order []string
	for _, e := range entries {
		if len(e.Partition) == 0 {
			return fmt.Errorf("commit offsets of %s: an entry without a partition", instance)
		}
		p := canonical(e.Partition)
		if _, again := last[p]; !again {
			order = append(order, p)
		}
		last[p] = bytes.Clone(e.Value)
	}
	records := o.records(instance, order, last)
	if err := o.store.produce(ctx, o.store.data, records...); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("commit offsets: %w", err)
	}
	return nil
}

// records makes a record for each partition, and a tombstone for each further key of it.
func (o *offsets) records(instance string, order []string, last map[string][]byte) []*kgo.Record {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	var records []*kgo.Record
	for _, p := range order {
		k := o.of[instance][p]
		if k == nil {
			records = append(records, &kgo.Record{Topic: o.log.topic, Key: newKey(instance, p), Value: last[p]})
			continue
		}
		records = append(records, &kgo.Record{Topic: o.log.topic, Key: []byte(k.key), Value: last[p]})
		for _, a := range k.other {
			records = append(records, &kgo.Record{Topic: o.log.topic, Key: []byte(a.key)})
		}
	}
	return records
}
