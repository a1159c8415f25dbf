package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errNoKey closes the connection of a producer that does not wait for answers, as Kafka does.
var errNoKey = errors.New("compacted topic cannot accept a message without key")

// refuseWithoutKey refuses records without a key for a topic that is compacted, as Kafka does (LogValidator); kfake takes
// them, and they are gone after the next compaction (invariant 2). The other partitions of such a request are answered
// with an error that makes the producer send them again.
func (b *Broker) refuseWithoutKey(produce *kmsg.ProduceRequest) (kmsg.Response, error) {
	refused := false
	resp := produce.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range produce.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = t.Topic, t.TopicID
		compacted := b.compacted(t)
		for _, p := range t.Partitions {
			one := kmsg.NewProduceResponseTopicPartition()
			one.Partition, one.BaseOffset, one.ErrorCode = p.Partition, -1, kerr.NotLeaderForPartition.Code
			if compacted && lacksKey(p.Records) {
				refused = true
				text := errNoKey.Error()
				one.ErrorCode, one.ErrorMessage = kerr.InvalidRecord.Code, &text
			}
			answer.Partitions = append(answer.Partitions, one)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	switch {
	case !refused:
		return nil, nil
	case produce.Acks == 0:
		return nil, errNoKey
	}
	return resp, nil
}

func (b *Broker) compacted(t kmsg.ProduceRequestTopic) bool {
	info := b.cluster.TopicInfo(t.Topic)
	if t.Topic == "" { // from version 13 on topics are named by id
		info = b.cluster.TopicIDInfo(t.TopicID)
	}
	if info == nil {
		return false
	}
	of := topic{config: info.Configs}
	return of.compacts()
}

// lacksKey reports whether a batch has a record without a key. What cannot be read is kfake's to refuse.
func lacksKey(batch []byte) bool {
	var b kmsg.RecordBatch
	if b.ReadFrom(batch) != nil {
		return false
	}
	records, err := kfake.BatchRecords(b)
	if err != nil {
		return false
	}
	for i := range records {
		if records[i].Key == nil {
			return true
		}
	}
	return false
}
