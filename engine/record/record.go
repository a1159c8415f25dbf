package record

import "sync"

// Datum is a value with its schema. A nil Schema says that the value is schemaless, which is different from a null value.
type Datum struct {
	Schema *Schema
	Value  Value
}

// Header is one header of a record. Keys may repeat; order counts.
type Header struct {
	Key string
	Datum
}

// Record is what moves: a key, a value and headers on their way from or to a topic.
type Record struct {
	Topic      string
	Partition  int32 // of the topic; -1: the producer's partitioner decides
	LogAppend  bool  // the broker set the timestamp (TimestampType.LOG_APPEND_TIME); only on the way to a sink
	Timestamp  int64 // milliseconds since the epoch; NoTimestamp: none
	Key, Value Datum
	Headers    []Header
	Position   Position
}

// NoTimestamp is the Timestamp of a record that has none.
const NoTimestamp = -1

// Position says where a record came from, whatever transforms do to its topic and partition. Partition is a number of
// [Batch.Partitions]; Offset is the connector's own offset there: a Map with String keys of a source (null takes the
// stored offset away), or the Int64 offset of the consumed record on the way to a sink.
type Position struct {
	Partition int32
	Offset    Value
}

// Partitions gives each source partition of a task a small number, so that the data path compares numbers and never
// hashes a map. A partition is a Map with String keys, or, on the way to a sink, {topic, partition}. Numbers count from 0
// and stay valid as long as the task lives. It is safe for concurrent use.
type Partitions struct {
	mu    sync.RWMutex
	byKey map[string]int32
	list  []Value
}

// Intern returns the number of a partition, which it copies when it is new.
func (p *Partitions) Intern(partition Value) int32 {
	var buf [128]byte
	key := partition.AppendCanonical(buf[:0])
	p.mu.RLock()
	n, ok := p.byKey[string(key)]
	p.mu.RUnlock()
	if ok {
		return n
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, ok := p.byKey[string(key)]; ok {
		return n
	}
	if p.byKey == nil {
		p.byKey = make(map[string]int32)
	}
	n = int32(len(p.list))
	p.byKey[string(key)] = n
	p.list = append(p.list, partition.Clone())
	return n
}

// At is the partition with a number that Intern gave.
func (p *Partitions) At(n int32) Value {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.list[n]
}

// Len is how many partitions have a number.
func (p *Partitions) Len() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.list)
}
