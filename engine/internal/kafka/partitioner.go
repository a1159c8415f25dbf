package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// chosen sends a record where its Partition says, and asks the partitioner it wraps when that is negative. The wrapped
// one hashes keys with murmur2 as Kafka's own does, so that equal keys of Java producers and ours meet in one partition.
type chosen struct{ otherwise kgo.Partitioner }

// ForTopic makes the partitioner of one topic.
func (c chosen) ForTopic(topic string) kgo.TopicPartitioner {
	return &chosenTopic{otherwise: c.otherwise.ForTopic(topic)}
}

type chosenTopic struct {
	otherwise kgo.TopicPartitioner
	given     bool // the record seen last named its partition
}

// RequiresConsistency keeps records with a partition of their own from being counted among the writable partitions only,
// where an index is not a partition number.
func (c *chosenTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || c.otherwise.RequiresConsistency(r)
}

// Partition returns a number outside of the topic as it is; the client then fails the record.
func (c *chosenTopic) Partition(r *kgo.Record, n int) int {
	if c.given = r.Partition >= 0; c.given {
		return int(r.Partition)
	}
	return c.otherwise.Partition(r, n)
}

// OnNewBatch tells a sticky partitioner to move on, but not for a batch that it did not fill.
func (c *chosenTopic) OnNewBatch() {
	if s, ok := c.otherwise.(kgo.TopicPartitionerOnNewBatch); ok && !c.given {
		s.OnNewBatch()
	}
}
