package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/diag"
)

// ErrGroupBusy says that a consumer group still has members, so that nobody else may change its offsets.
var ErrGroupBusy = errors.New("the consumer group still has members")

// ClusterID asks a broker for the id of its cluster.
func ClusterID(ctx context.Context, client *kgo.Client) (string, error) {
	m, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the cluster id: %w", err)
	}
	return m.Cluster, nil
}

// Groups reads and changes what consumer groups have committed.
type Groups struct{ admin *kadm.Client }

// NewGroups works through a client, which stays the caller's.
func NewGroups(client *kgo.Client) Groups { return Groups{kadm.NewClient(client)} }

// GroupOffset is the offset of one partition that a group goes on from.
type GroupOffset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Offsets lists what a group has committed, by topic and partition; a group that is not there has committed nothing.
func (g Groups) Offsets(ctx context.Context, group string) ([]GroupOffset, error) {
	all, err := g.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err == nil {
		err = all.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the offsets of group %s: %w", group, err)
	}
	var list []GroupOffset
	for _, o := range all.Sorted() {
		if o.At >= 0 {
			list = append(list, GroupOffset{o.Topic, o.Partition, o.At})
		}
	}
	return list, nil
}

// The beginning and the end of a partition, among times.
const (
	Beginning int64 = -2
	End       int64 = -1
)

// At finds where a time is in the partitions of topics: the offset of the first record that is not older, and the end of a
// partition without one. The time is in milliseconds since the epoch, or [Beginning] or [End] (Kafka: ListOffsets). A topic that is not there is a [diag.Diagnostic].
func (g Groups) At(ctx context.Context, topics []string, at int64) ([]GroupOffset, error) {
	if len(topics) == 0 {
		return nil, nil // kadm takes no topics for all
	}
	list := func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return g.admin.ListOffsetsAfterMilli(ctx, at, topics...)
	}
	switch at {
	case Beginning:
		list = g.admin.ListStartOffsets
	case End:
		list = g.admin.ListEndOffsets
	}
	found, err := list(ctx, topics...)
	for _, topic := range topics {
		for _, o := range found[topic] {
			if err == nil && errors.Is(o.Err, kerr.UnknownTopicOrPartition) {
				d := diag.New(diag.TopicMissing, diag.Place{}, "There is no topic %s on this cluster.", topic)
				return nil, &d
			}
		}
	}
	if err == nil {
		err = found.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("look up offsets: %w", err)
	}
	var places []GroupOffset
	found.Each(func(o kadm.ListedOffset) { places = append(places, GroupOffset{o.Topic, o.Partition, o.Offset}) })
	slices.SortFunc(places, func(a, b GroupOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return places, nil
}

// Topics lists the topics of the cluster, without Kafka's own.
func (g Groups) Topics(ctx context.Context) ([]string, error) {
	found, err := g.admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return found.Names(), nil
}

// Set commits offsets for a group without members. Nothing is committed when a partition does not exist.
func (g Groups) Set(ctx context.Context, group string, offsets []GroupOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	commits := kadm.Offsets{}
	var topics []string
	for _, o := range offsets {
		commits.AddOffset(o.Topic, o.Partition, o.Offset, -1)
		topics = append(topics, o.Topic)
	}
	found, err := g.admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("look up topics: %w", err)
	}
	for _, o := range offsets {
		d := found[o.Topic]
		if _, exists := d.Partitions[o.Partition]; d.Err != nil || !exists {
			return fmt.Errorf("commit for group %s: topic %s has no partition %d: %w", group, o.Topic, o.Partition, kerr.UnknownTopicOrPartition)
		}
	}
	return groupError("commit for", group, g.admin.CommitAllOffsets(ctx, group, commits))
}

// Clear takes away what a group without members has committed for some partitions.
func (g Groups) Clear(ctx context.Context, group string, partitions []GroupOffset) error {
	if len(partitions) == 0 {
		return nil
	}
	set := kadm.TopicsSet{}
	for _, p := range partitions {
		set.Add(p.Topic, p.Partition)
	}
	done, err := g.admin.DeleteOffsets(ctx, group, set)
	if err == nil {
		err = done.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) || errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil // there is nothing to take away
	}
	return groupError("delete offsets of", group, err)
}

// Delete takes a group without members away; one that is not there is fine.
func (g Groups) Delete(ctx context.Context, group string) error {
	done, err := g.admin.DeleteGroup(ctx, group)
	if err == nil {
		err = done.Err
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	return groupError("delete", group, err)
}

func groupError(what, group string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.NonEmptyGroup), errors.Is(err, kerr.GroupSubscribedToTopic):
		return fmt.Errorf("%s group %s: %w: %w", what, group, ErrGroupBusy, err)
	default:
		return fmt.Errorf("%s group %s: %w", what, group, err)
	}
}
