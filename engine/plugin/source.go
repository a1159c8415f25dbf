package plugin

import (
	"context"

	"github.com/penstock/penstock/engine/record"
)

// Source is a source connector: it plans one source's work. The engine calls its methods one at a time.
type Source interface {
	// Start begins to watch the external system. It is called once, and the context bounds the call only.
	Start(ctx context.Context, h Host, c Config) error
	// Tasks divides the work into at most limit task configurations, at least one unless there is nothing to do.
	Tasks(ctx context.Context, limit int) ([]Config, error)
	// NewTask makes a task; it is called on a Source that was not started, in whichever process the task runs.
	NewTask() SourceTask
	// Stop ends all that Start began. It works without a Start, after a failed one, and twice.
	Stop(ctx context.Context) error
}

// SourceTask reads one share of a source. One goroutine calls Start, Poll and Stop.
type SourceTask interface {
	// Start opens what the task needs and reads where to go on from. The context bounds the call only.
	Start(ctx context.Context, h Host, c Config, o Offsets) error
	// Poll appends records to b and returns once b holds something, or when ctx is done. Each record has its Position
	// with a number from b.Partitions. An error marked by Retry is tried again; any other ends the task, and what b
	// holds by then is delivered first.
	Poll(ctx context.Context, b *record.Batch) error
	// Stop ends all that Start began: it works without a Start, after a failed one, and twice. No Poll is under way.
	Stop(ctx context.Context) error
}

// Offsets is what a source task may ask at its start about the offsets that are stored.
type Offsets interface {
	// Read returns the stored offset of each partition, null where there is none. Partitions and offsets are Maps with
	// String keys whose values are null, booleans, numbers or strings; numbers come back as Int64 or Float64.
	Read(ctx context.Context, partitions ...record.Value) ([]record.Value, error)
}

// Committer is a SourceTask that wants to hear what has been delivered and stored (Kafka Connect: commit, commitRecord).
// Committed names the last position of each partition that moved. It comes from another goroutine, maybe while a Poll is
// under way, since a source may hold back until it hears; it is repeated until it returns nil or the task ends.
type Committer interface {
	Committed(ctx context.Context, positions []record.Position) error
}

// Transactional is a SourceTask that ends transactions itself, by [record.Batch.EndTransaction], when a pipeline asks for
// transaction.boundary = connector.
type Transactional interface {
	// DefineTransactions is called before Start when the task shall end transactions itself.
	DefineTransactions()
}

// OffsetAlterer is a Source or a Sink that wants a say when somebody alters or resets offsets of its stopped instance. It
// is called on one that was not started. An error refuses the change. The partitions and offsets of a sink are those of
// the REST API: {kafka_topic, kafka_partition} and {kafka_offset}.
type OffsetAlterer interface {
	AlterOffsets(ctx context.Context, c Config, changes []OffsetChange) error
}

// OffsetChange is a wanted offset of a partition; a null offset takes it away.
type OffsetChange struct{ Partition, Offset record.Value }

// ExactlyOnce is a Source that can say whether its records can be delivered exactly once with a configuration.
type ExactlyOnce interface {
	SupportsExactlyOnce(c Config) bool
}
