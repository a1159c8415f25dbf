package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

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
