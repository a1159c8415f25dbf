package task

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
)

// topics knows which topics a source task has seen, and makes those that do not exist at their first record (KIP-158;
// Kafka Connect: AbstractWorkerSourceTask.maybeCreateTopic).
type topics struct {
	admin   *kadm.Client // nil: topics are taken as they are, the broker may make them
	timeout func(ctx context.Context) (context.Context, context.CancelFunc)
	groups  []topicGroup // the default group last; empty: broker defaults

	uses  func(topic string) // hears of each topic of a batch
	last  string             // of the batch under way, as the records spell it
	known map[string]string  // name to a copy that outlives the batch
}

// topicGroup is a group with its patterns.
type topicGroup struct {
	graph.TopicGroup
	include, exclude []*plugin.Pattern
}

// newGroups compiles the patterns of the groups: Java's syntax as far as RE2 has it, matching the whole name.
func newGroups(groups []graph.TopicGroup) ([]topicGroup, error) {
	made := make([]topicGroup, len(groups))
	for i, g := range groups {
		made[i].TopicGroup = g
		for _, p := range []struct {
			key      string
			patterns []string
			into     *[]*plugin.Pattern
		}{{"include", g.Include, &made[i].include}, {"exclude", g.Exclude, &made[i].exclude}} {
			for _, pattern := range p.patterns {
				re, err := plugin.ParsePattern(pattern)
				if err != nil {
					key := "topic.creation." + g.Name + "." + p.key
					return nil, plugin.Permanent(plugin.Invalid(key, pattern, "Invalid regex: "+err.Error()))
				}
				*p.into = append(*p.into, re)
			}
		}
	}
	return made, nil
}

// takes reports whether a group is for a topic: the default group, which is last, for all that are left.
func (g *topicGroup) takes(topic string, last bool) bool {
	match := func(p *plugin.Pattern) bool { return p.Matches(topic) }
	return last || slices.ContainsFunc(g.include, match) && !slices.ContainsFunc(g.exclude, match)
}

// use returns a topic's name in memory that outlives the batch, and sees to it, once a topic, that the topic exists.
func (t *topics) use(ctx context.Context, topic string) (string, error) {
	if topic == t.last {
		return t.last, nil
	}
	name, ok := t.known[topic]
	if !ok {
		name = strings.Clone(topic)
		if err := t.ensure(ctx, name); err != nil {
			return "", err
		}
		t.known[name] = name
	}
	t.uses(name)
	t.last = name
	return name, nil
}

func (t *topics) ensure(ctx context.Context, topic string) error {
	if t.admin == nil {
		return nil
	}
	ctx, cancel := t.timeout(ctx)
	defer cancel()
	found, err := t.admin.ListTopics(ctx, topic)
	if err != nil {
		return refusal("look up", topic, err)
	}
	switch err := found[topic].Err; {
	case err == nil && found.Has(topic):
		return nil
	case err == nil, errors.Is(err, kerr.UnknownTopicOrPartition):
		return t.create(ctx, topic)
	default:
		return refusal("look up", topic, err)
	}
}

// create makes a topic as its group says; that somebody else was faster is fine.
func (t *topics) create(ctx context.Context, topic string) error {
	g := topicGroup{TopicGroup: graph.TopicGroup{Name: "default", Partitions: -1, Replicas: -1}}
	for i := range t.groups {
		if t.groups[i].takes(topic, i == len(t.groups)-1) {
			g = t.groups[i]
			break
		}
	}
	configs := make(map[string]*string, len(g.Configs))
	for _, k := range slices.Sorted(maps.Keys(g.Configs)) {
		v := g.Configs[k]
		configs[k] = &v
	}
	_, err := t.admin.CreateTopic(ctx, int32(g.Partitions), int16(g.Replicas), configs, topic)
	switch {
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		return nil
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		d := diag.New(diag.TopicMissing, diag.Place{}, "Topic `%s` does not exist, and the broker does not let this task create it: %s.\n\nCreate the topic, or grant the user of the admin client the right to.", topic, code(err))
		return &d
	case errors.Is(err, kerr.InvalidReplicationFactor), errors.Is(err, kerr.InvalidPartitions), errors.Is(err, kerr.InvalidConfig), errors.Is(err, kerr.PolicyViolation):
		d := diag.New(diag.BrokerRefused, diag.Place{}, "The broker refuses to create topic `%s` as group %s of `topic.creation` asks (%d partitions, %d replicas): %s.", topic, g.Name, g.Partitions, g.Replicas, err)
		return plugin.Permanent(&d)
	}
	return refusal("create", topic, err)
}
