package broker

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hook puts the guards and corrections in front of kfake's own handling of requests.
func (b *Broker) hook() {
	for key, answer := range map[kmsg.Key]func(kmsg.Request) kmsg.Response{
		kmsg.CreateTopics:   b.createTopics,
		kmsg.DeleteRecords:  b.deleteRecords,
		kmsg.OffsetFetch:    b.fetchOffsets,
		kmsg.InitProducerID: b.refuseTransactions,
	} {
		b.cluster.ControlKey(int16(key), func(req kmsg.Request) (resp kmsg.Response, _ error, _ bool) {
			b.cluster.KeepControl()
			b.ask(func() { resp = answer(req) })
			return resp, nil, resp != nil
		})
	}
	b.cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1, When: b.disk.refuses},
		kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: -1, When: b.disk.refuses},
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Err: kerr.KafkaStorageError, Count: -1, When: b.disk.refuses},
	)
}

// refuseTransactions answers a producer with a transactional id as a cluster does that does not allow it, which clients
// take as final; kfake itself would let two producers of one id write (invariant 5).
func (b *Broker) refuseTransactions(req kmsg.Request) kmsg.Response {
	init := req.(*kmsg.InitProducerIDRequest)
	if init.TransactionalID == nil {
		return nil
	}
	b.log.Warn("development broker: a producer with a transactional id was refused, since exactly-once delivery needs a real Kafka",
		"transactional_id", *init.TransactionalID)
	resp := init.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	return resp
}

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

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// checkTopic says how many partitions a topic gets, or what a broker of one node has against it.
func (b *Broker) checkTopic(t *kmsg.CreateTopicsRequestTopic) (int32, error) {
	switch {
	case !topicName.MatchString(t.Topic) || t.Topic == "." || t.Topic == "..":
		return 0, refusal{kerr.InvalidTopicException, fmt.Sprintf("Topic name %q is invalid: it has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and is not \".\" or \"..\".", t.Topic)}
	case b.cluster.TopicInfo(t.Topic) != nil:
		return 0, refusal{kerr.TopicAlreadyExists, fmt.Sprintf("Topic '%s' already exists.", t.Topic)}
	case t.NumPartitions == 0 || t.NumPartitions < -1:
		return 0, refusal{kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."}
	}
	for _, c := range t.Configs {
		if !slices.Contains(topicConfigs, c.Name) {
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

// topicConfigs are the names that Kafka 4.3 has (TopicConfig); those that kfake does not act on are kept and shown.
var topicConfigs = []string{ //nolint:gochecknoglobals // a literal that nothing changes
	"cleanup.policy", "compression.gzip.level", "compression.lz4.level", "compression.type", "compression.zstd.level",
	"delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms", "follower.replication.throttled.replicas",
	"index.interval.bytes", "leader.replication.throttled.replicas", "local.retention.bytes", "local.retention.ms",
	"max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
	"message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas", "preallocate",
	"remote.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable", "retention.bytes", "retention.ms",
	"segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms", "unclean.leader.election.enable",
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

// fetchOffsets answers for groups that do not exist: no error and no offsets, as a broker does for whoever is no member
// (Kafka: OffsetMetadataManager.fetchOffsets). Other requests are left to kfake.
func (b *Broker) fetchOffsets(req kmsg.Request) kmsg.Response {
	fetch := req.(*kmsg.OffsetFetchRequest)
	groups := fetch.Groups
	if fetch.Version <= 7 {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = fetch.Group
		if fetch.Topics != nil {
			g.Topics = []kmsg.OffsetFetchRequestGroupTopic{} // none, not all
		}
		for _, t := range fetch.Topics {
			g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
		}
		groups = []kmsg.OffsetFetchRequestGroup{g}
	}
	missing := func(g kmsg.OffsetFetchRequestGroup) bool {
		return g.Group != "" && g.MemberID == nil && g.MemberEpoch < 0 && b.cluster.GroupInfo(g.Group) == nil
	}
	if !slices.ContainsFunc(groups, missing) {
		return nil
	}
	resp := fetch.ResponseKind().(*kmsg.OffsetFetchResponse)
	for _, g := range groups {
		resp.Groups = append(resp.Groups, b.offsetsOf(g))
	}
	if fetch.Version <= 7 {
		resp.Topics = flat(resp.Groups[0])
	}
	return resp
}

// offsetsOf reads the offsets of one group from outside.
func (b *Broker) offsetsOf(g kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	answer := kmsg.NewOffsetFetchResponseGroup()
	answer.Group = g.Group
	var commits map[string]map[int32]kfake.GroupCommit
	if info := b.cluster.GroupInfo(g.Group); info != nil {
		commits = info.Commits
	}
	topics := g.Topics
	if topics == nil {
		for name, partitions := range commits {
			t := kmsg.OffsetFetchRequestGroupTopic{Topic: name}
			for p := range partitions {
				t.Partitions = append(t.Partitions, p)
			}
			topics = append(topics, t)
		}
	}
	for _, t := range topics {
		answer.Topics = append(answer.Topics, b.offsetsIn(t, commits))
	}
	return answer
}

func (b *Broker) offsetsIn(t kmsg.OffsetFetchRequestGroupTopic, commits map[string]map[int32]kfake.GroupCommit) kmsg.OffsetFetchResponseGroupTopic {
	answer := kmsg.NewOffsetFetchResponseGroupTopic()
	answer.Topic, answer.TopicID = t.Topic, t.TopicID
	if t.Topic == "" { // from version 10 on topics are asked for by id
		if info := b.cluster.TopicIDInfo(t.TopicID); info != nil {
			answer.Topic = info.Topic
		}
	} else if info := b.cluster.TopicInfo(t.Topic); info != nil {
		answer.TopicID = info.TopicID
	}
	for _, p := range t.Partitions {
		one := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		one.Partition, one.Offset, one.LeaderEpoch, one.Metadata = p, -1, -1, new(string)
		if c, ok := commits[answer.Topic][p]; ok {
			one.Offset, one.LeaderEpoch, one.Metadata = c.Offset, c.LeaderEpoch, &c.Metadata
		}
		answer.Partitions = append(answer.Partitions, one)
	}
	return answer
}

// flat is the form of the answer before version 8, for a single group.
func flat(g kmsg.OffsetFetchResponseGroup) []kmsg.OffsetFetchResponseTopic {
	var topics []kmsg.OffsetFetchResponseTopic
	for _, t := range g.Topics {
		answer := kmsg.NewOffsetFetchResponseTopic()
		answer.Topic = t.Topic
		for _, p := range t.Partitions {
			one := kmsg.NewOffsetFetchResponseTopicPartition()
			one.Partition, one.Offset, one.LeaderEpoch, one.Metadata = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata
			answer.Partitions = append(answer.Partitions, one)
		}
		topics = append(topics, answer)
	}
	return topics
}
