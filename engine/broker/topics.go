package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/config"
)

// createTopics makes topics and answers in the form of a broker. kfake's answer has no list of configurations, or one
// whose sources are unknown, on both of which Java's admin client breaks; and it makes topics of any name and setting.
func (b *Broker) createTopics(req kmsg.Request) kmsg.Response {
	create := req.(*kmsg.CreateTopicsRequest)
	resp := create.ResponseKind().(*kmsg.CreateTopicsResponse)
	full := b.disk.refuses(req)
	named := map[string]int{}
	for _, t := range create.Topics {
		named[t.Topic]++
	}
	for _, t := range create.Topics {
		answer := kmsg.NewCreateTopicsResponseTopic()
		answer.Topic = t.Topic
		answer.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
		partitions, err := b.checkTopic(&t)
		if named[t.Topic] > 1 {
			err = refusal{kerr.InvalidRequest, "Create topics request contains multiple entries for topic " + t.Topic + "."}
		}
		if err == nil && full {
			err = refusal{kerr.KafkaStorageError, "The development broker's disk is full."}
		}
		if err == nil && !create.ValidateOnly {
			err = b.createTopic(t, partitions)
		}
		if err != nil {
			answer.ErrorCode, answer.ErrorMessage = code(err)
		} else {
			describe(&answer, t, partitions, b.cluster.TopicInfo(t.Topic))
		}
		if !slices.ContainsFunc(resp.Topics, func(a kmsg.CreateTopicsResponseTopic) bool { return a.Topic == t.Topic }) {
			resp.Topics = append(resp.Topics, answer)
		}
	}
	return resp
}

func (b *Broker) createTopic(t kmsg.CreateTopicsRequestTopic, partitions int32) error {
	config := map[string]string{}
	for _, c := range t.Configs {
		if c.Value != nil {
			config[c.Name] = *c.Value
		}
	}
	return b.cluster.CreateTopic(t.Topic, partitions, config)
}

// describe fills in what a topic that was made, or could be, looks like (KIP-525).
func describe(answer *kmsg.CreateTopicsResponseTopic, t kmsg.CreateTopicsRequestTopic, partitions int32, info *kfake.TopicInfo) {
	answer.NumPartitions, answer.ReplicationFactor = partitions, 1
	if info != nil {
		answer.TopicID = info.TopicID
	}
	for _, c := range t.Configs {
		set := kmsg.NewCreateTopicsResponseTopicConfig()
		set.Name, set.Value, set.Source = c.Name, c.Value, int8(kmsg.ConfigSourceDynamicTopicConfig)
		answer.Configs = append(answer.Configs, set)
	}
}

// refusal is an error of Kafka with the text for its ErrorMessage.
type refusal struct {
	kind *kerr.Error
	text string
}

func (r refusal) Error() string { return r.text }
func (r refusal) Unwrap() error { return r.kind }

// code takes an error apart for the wire.
func code(err error) (int16, *string) {
	text := err.Error()
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Code, &text
	}
	return kerr.UnknownServerError.Code, &text
}

// legalTopic reports whether a topic may have this name (Kafka: org.apache.kafka.common.internals.Topic).
func legalTopic(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 249 && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
	})
}

// checkTopic says how many partitions a topic gets, or what a broker of one node has against it.
func (b *Broker) checkTopic(t *kmsg.CreateTopicsRequestTopic) (int32, error) {
	switch {
	case !legalTopic(t.Topic):
		return 0, refusal{kerr.InvalidTopicException, fmt.Sprintf("Topic name %q is invalid: it has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and is not \".\" or \"..\".", t.Topic)}
	case b.cluster.TopicInfo(t.Topic) != nil:
		return 0, refusal{kerr.TopicAlreadyExists, fmt.Sprintf("Topic '%s' already exists.", t.Topic)}
	case t.NumPartitions == 0 || t.NumPartitions < -1:
		return 0, refusal{kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."}
	}
	for _, c := range t.Configs {
		if !slices.Contains(config.TopicSettings(), c.Name) {
			return 0, refusal{kerr.InvalidConfig, "Unknown topic config name: " + c.Name}
		}
	}
	replicas, partitions := t.ReplicationFactor, max(t.NumPartitions, 1)
	if len(t.ReplicaAssignment) > 0 {
		partitions = int32(len(t.ReplicaAssignment))
		for _, a := range t.ReplicaAssignment {
			replicas = max(replicas, int16(len(a.Replicas)))
			if a.Partition < 0 || a.Partition >= partitions {
				return 0, refusal{kerr.InvalidReplicaAssignment, "Partitions should be a consecutive 0-based integer sequence."}
			}
		}
	}
	if replicas == 0 || replicas < -1 || replicas > 1 {
		return 0, refusal{kerr.InvalidReplicationFactor, fmt.Sprintf("Unable to replicate the partition %d time(s): the development broker is a single node. Ask for 1.", replicas)}
	}
	return partitions, nil
}

// deleteRecords keeps the newest record of a partition: kfake finds the end of a log by its last record, so that an empty
// one would begin at offset 0 again after a restart, and consumers would pass over what comes before their old position
// (invariant 2). The answer names the offset that is kept.
func (b *Broker) deleteRecords(req kmsg.Request) kmsg.Response {
	for _, t := range req.(*kmsg.DeleteRecordsRequest).Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			info := b.cluster.PartitionInfo(t.Topic, p.Partition)
			if info == nil || info.HighWatermark == 0 || p.Offset < -1 || p.Offset > info.HighWatermark {
				continue // kfake's own answer is right
			}
			if p.Offset == -1 || p.Offset == info.HighWatermark {
				p.Offset = max(info.HighWatermark-1, info.LogStartOffset)
			}
		}
	}
	return nil // with the offsets changed, kfake does the rest
}

// mostPartitions is how many partitions Kafka describes at once (max.request.partition.size.limit).
const mostPartitions = 2000

// describePartitions describes topics asked for by name (KIP-966). kfake leaves lists out that Java's admin client needs;
// its answer for all topics, which that client does not ask for, is left as it is.
func (b *Broker) describePartitions(req kmsg.Request) kmsg.Response {
	describe := req.(*kmsg.DescribeTopicPartitionsRequest)
	if len(describe.Topics) == 0 {
		return nil
	}
	var names []string
	first, from := "", int32(0)
	if c := describe.Cursor; c != nil {
		first, from = c.Topic, c.Partition
	}
	for _, t := range describe.Topics {
		if t.Topic >= first {
			names = append(names, t.Topic)
		}
	}
	slices.Sort(names)
	resp := describe.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	room := int(min(max(describe.ResponsePartitionLimit, 1), mostPartitions))
	for _, name := range slices.Compact(names) {
		if name != first {
			from = 0
		}
		if room == 0 {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: from}
			break
		}
		t := b.describeTopic(name, from, room)
		resp.Topics = append(resp.Topics, t)
		room -= len(t.Partitions)
		if next := from + int32(len(t.Partitions)); room == 0 && int(next) < len(b.cluster.PartitionInfos(name)) {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: next}
			break
		}
	}
	return resp
}

// describeTopic describes at most so many partitions of a topic, from one on.
func (b *Broker) describeTopic(name string, from int32, most int) kmsg.DescribeTopicPartitionsResponseTopic {
	t := kmsg.NewDescribeTopicPartitionsResponseTopic()
	t.Topic = &name
	info := b.cluster.TopicInfo(name)
	if info == nil {
		t.ErrorCode = kerr.UnknownTopicOrPartition.Code
		return t
	}
	t.TopicID = info.TopicID
	for _, p := range b.cluster.PartitionInfos(name) {
		if p.Partition < from || len(t.Partitions) == most {
			continue
		}
		one := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		one.Partition, one.LeaderID, one.LeaderEpoch = p.Partition, p.Leader, p.Epoch
		one.Replicas, one.ISR, one.OfflineReplicas = []int32{p.Leader}, []int32{p.Leader}, []int32{}
		one.EligibleLeaderReplicas, one.LastKnownELR = []int32{}, []int32{}
		t.Partitions = append(t.Partitions, one)
	}
	return t
}
