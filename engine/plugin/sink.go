package plugin

import (
	"context"
	"time"

	"github.com/penstock/penstock/engine/record"
)

// Sink is a sink connector. The rules of [Source] hold for its methods.
type Sink interface {
	Start(ctx context.Context, h Host, c Config) error
	Tasks(ctx context.Context, limit int) ([]Config, error)
	NewTask() SinkTask
	Stop(ctx context.Context) error
}

// SinkTask writes one share of a sink. One goroutine calls its methods.
type SinkTask interface {
	// Start opens what the task needs. The context bounds the call only.
	Start(ctx context.Context, h SinkHost, c Config) error
	// Put takes a batch, which may be empty, and is the callee's for the length of the call. Single records that cannot
	// be written are marked by b.Fail and go the way of the error policy. An error marked by Retry makes the same batch
	// come again; any other ends the task.
	Put(ctx context.Context, b *record.Batch) error
	// Flush returns nil when what Put accepted is durable.
	Flush(ctx context.Context) error
	// Stop ends all that Start began: it works without a Start, after a failed one, and twice.
	Stop(ctx context.Context) error
}

// SinkHost is what a running sink task may ask. Requests take effect before the next Put.
type SinkHost interface {
	Host
	// Rewind makes partitions go on from the given offsets.
	Rewind(offsets map[TopicPartition]int64)
	// Pause stops the delivery from partitions until Resume.
	Pause(partitions ...TopicPartition)
	Resume(partitions ...TopicPartition)
	// Timeout sets the longest wait before the next Put or the next try of a Put that asked for one.
	Timeout(d time.Duration)
	// RequestCommit asks for offsets to be committed soon.
	RequestCommit()
}

// TopicPartition is a partition of a Kafka topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Opener is a SinkTask that wants to know which partitions it gets, before their first record.
type Opener interface {
	Open(ctx context.Context, partitions []TopicPartition) error
}

// Closer is a SinkTask that wants to know which partitions it loses. It is called after Flush, or instead of it when the
// partitions are already somebody else's.
type Closer interface {
	Close(ctx context.Context, partitions []TopicPartition) error
}

// PreCommitter is a SinkTask that says itself which offsets are safe to commit, in place of Flush. current has, for each
// partition, the offset after the last record given to Put. Partitions that are left out are not committed.
type PreCommitter interface {
	PreCommit(ctx context.Context, current map[TopicPartition]int64) (map[TopicPartition]int64, error)
}
