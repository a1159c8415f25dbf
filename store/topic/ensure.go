package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
)

// Topic is one of the three, and how it is made when it is missing.
type Topic struct {
	Name        string
	Partitions  int32             // -1: as many as the brokers make by default
	Replication int16             // -1: as many replicas as the brokers make by default
	Configs     map[string]string // further settings of the topic, such as min.insync.replicas
}

// prefix is how Kafka Connect begins the properties of a topic.
type prefix string

const (
	configPrefix prefix = "config.storage."
	offsetPrefix prefix = "offset.storage."
	statusPrefix prefix = "status.storage."
)

// mostBatch is the largest batch that a client is told to make: above it a request would be too large.
const mostBatch = 64 << 20

const (
	cleanupPolicy = "cleanup.policy"
	compact       = "compact"
	maxMessage    = "max.message.bytes"
)

// settled are the settings that a topic is made with unless its properties say otherwise (decision D3): segments that
// are compacted before long, so that a worker that starts reads little.
func settled() map[string]string {
	return map[string]string{"segment.bytes": "52428800", "max.compaction.lag.ms": "3600000"}
}

// patience is how long a topic that cannot be made yet is tried for, as default.api.timeout.ms is in Kafka Connect.
const patience = time.Minute

// found is what is there.
type found struct {
	partitions int
	limit      int // largest batch of records, in bytes
}

// ensure makes a topic that is missing and looks whether one that is there will do.
func ensure(ctx context.Context, client *kgo.Client, t Topic, p prefix, l *slog.Logger) (found, error) {
	admin := kadm.NewClient(client)
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for {
		d, err := look(ctx, client, t.Name)
		switch {
		case err == nil && len(d.Partitions) > 0:
			if err := permitted(d, t.Name); err != nil {
				return found{}, err
			}
			return check(ctx, admin, t, p, len(d.Partitions))
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			if err := create(ctx, admin, t, p, l); err != nil {
				return found{}, err
			}
		case err != nil && !kerr.IsRetriable(err):
			return found{}, fmt.Errorf("look for topic %s: %w", t.Name, explain(err, access{"Describe", "topic", t.Name}))
		}
		pause(ctx, 10*time.Millisecond) // until every broker knows it
		if ctx.Err() != nil {
			return found{}, fmt.Errorf("wait for topic %s: %w", t.Name, ctx.Err())
		}
	}
}

// look asks a broker what it knows of a topic now, past what the client remembers.
func look(ctx context.Context, client *kgo.Client, topic string) (kmsg.MetadataResponseTopic, error) {
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	q := kmsg.NewPtrMetadataRequest()
	q.Topics, q.IncludeTopicAuthorizedOperations = append(q.Topics, t), true
	answer, err := q.RequestWith(ctx, client)
	if err != nil {
		return kmsg.MetadataResponseTopic{}, err
	}
	if len(answer.Topics) != 1 {
		return kmsg.MetadataResponseTopic{}, kerr.UnknownTopicOrPartition
	}
	return answer.Topics[0], kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

// permitted refuses a topic that this worker may not read and write, which it would find out when it has something to store
// (KIP-430). A broker that does not tell is believed to allow it.
func permitted(t kmsg.MetadataResponseTopic, name string) error {
	if t.AuthorizedOperations == math.MinInt32 {
		return nil
	}
	for _, o := range []struct {
		bit  kmsg.ACLOperation
		name string
	}{{kmsg.ACLOperationRead, "Read"}, {kmsg.ACLOperationWrite, "Write"}} {
		if t.AuthorizedOperations&(1<<o.bit) == 0 {
			return explain(kerr.TopicAuthorizationFailed, access{o.name, "topic", name})
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// create makes a topic. Another worker may do the same at the same time. When there are fewer brokers than replicas it says
// so and waits until ctx is done, since brokers may still be starting.
func create(ctx context.Context, admin *kadm.Client, t Topic, p prefix, l *slog.Logger) error {
	settings := settled()
	maps.Copy(settings, t.Configs)
	settings[cleanupPolicy] = compact
	values := make(map[string]*string, len(settings))
	for k, v := range settings {
		values[k] = &v
	}
	for few := false; ; few = true {
		_, err := admin.CreateTopic(ctx, t.Partitions, t.Replication, values, t.Name)
		switch {
		case err == nil || errors.Is(err, kerr.TopicAlreadyExists):
			return nil
		case few && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return said("Topic %s cannot be made with a replication factor of %d: the cluster has fewer brokers.\n\nSet %sreplication.factor to at most their number, or to -1 for the cluster's default.", t.Name, t.Replication, p)
		case !errors.Is(err, kerr.InvalidReplicationFactor):
			return fmt.Errorf("make topic %s: %w", t.Name, explain(err, access{"Create", "topic", t.Name}))
		case !few:
			l.Warn("the cluster has fewer brokers than a topic is to have replicas; waiting for more. -1 is the cluster's default",
				"topic", t.Name, string(p)+"replication.factor", t.Replication, "for", patience)
		}
		pause(ctx, time.Second)
	}
}

// check refuses a topic that would lose or reorder what is written.
func check(ctx context.Context, admin *kadm.Client, t Topic, p prefix, partitions int) (found, error) {
	f := found{partitions: partitions, limit: 1048588} // the broker's default
	if p == configPrefix && partitions != 1 {
		return f, said("Topic %s, named by config.storage.topic, has %d partitions; it must have exactly 1, or the order of changes is lost.\n\nPartitions cannot be taken away. Name another topic in config.storage.topic, or, when nothing needs its contents, delete it and start again:\n\n  kafka-topics.sh --bootstrap-server … --delete --topic %s", t.Name, partitions, t.Name)
	}
	described, err := admin.DescribeTopicConfigs(ctx, t.Name)
	var c kadm.ResourceConfig
	if err == nil {
		c, err = described.On(t.Name, nil)
		err = errors.Join(err, c.Err)
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return f, nil // as Kafka Connect: who may not look trusts
	case err != nil:
		return f, fmt.Errorf("look at the settings of topic %s: %w", t.Name, err)
	}
	for _, s := range c.Configs {
		switch s.Key {
		case cleanupPolicy:
			if s.MaybeValue() != compact {
				return f, said("Topic %s, named by %stopic, has cleanup.policy=%s; it must be compact, or what it holds is deleted with time.\n\n  kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name %s --add-config cleanup.policy=compact", t.Name, p, s.MaybeValue(), t.Name)
			}
		case maxMessage:
			if n, err := strconv.Atoi(s.MaybeValue()); err == nil && n > 0 {
				f.limit = min(n, mostBatch)
			}
		}
	}
	return f, nil
}

// access is what a client must be allowed to do.
type access struct{ operation, resource, name string }

func (a access) command() string {
	flag := "--" + a.resource
	if a.resource == "transactional id" {
		flag = "--transactional-id"
	}
	return fmt.Sprintf("kafka-acls.sh --bootstrap-server … --add --allow-principal User:… --operation %s %s %s", a.operation, flag, a.name)
}

// explain says of a refusal for lack of a permission which command gives it, and of one for the time of a record what to set;
// other errors stay as they are.
func explain(err error, a access) error {
	if errors.Is(err, kerr.InvalidTimestamp) { // message.timestamp.after.max.ms, by default an hour
		return said("The broker does not take what this worker writes to %s %s: by the clock here it is %s, too far from the broker's.\n\nSet the clock of this machine, and let it follow a time server.", a.resource, a.name, time.Now().UTC().Format(time.RFC3339))
	}
	for _, refused := range []error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed,
	} {
		if errors.Is(err, refused) {
			return said("This worker may not use %s %s: the permission %s is missing.\n\n  %s", a.resource, a.name, a.operation, a.command())
		}
	}
	return err
}

func said(format string, args ...any) error {
	d := diag.New(diag.BrokerRefused, diag.Place{}, format, args...)
	return &d
}

func missing(topic string) error {
	d := diag.New(diag.TopicMissing, diag.Place{}, "Topic %s was deleted while this worker used it. What it held is gone.\n\nRestore it from a copy, or start the worker again to make an empty one.", topic)
	return &d
}

func replaced(topic string) error {
	d := diag.New(diag.TopicMissing, diag.Place{}, "Topic %s was made anew or shortened while this worker used it, so that what it has read is not there any more.\n\nStart the worker again; it reads the topic from the beginning.", topic)
	return &d
}
