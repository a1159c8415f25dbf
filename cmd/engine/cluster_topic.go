package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/store/topic"
)

// writes reads the topic in which a genuine Kafka Connect keeps its configurations. That has no revisions and no conditional
// writes, but the topic tells every write of everybody.
type writes struct {
	behind func(ctx context.Context, offset int64) ([]topic.Change, error)
	// hidden says which properties of a configuration nobody may see.
	hidden func(m config.Map) func(key string) bool
}

// writesOf are those of the Kafka that a cluster block names, nil when it names none.
func writesOf(block *hcl.Cluster) (*writes, error) {
	if block.Kafka == nil {
		return nil, nil //nolint:nilnil // none is an answer
	}
	w := config.WorkerDefaults()
	w.Base = kafkaOf(block)
	client, err := engine.StoreClients(&w, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &writes{
		behind: func(ctx context.Context, offset int64) ([]topic.Change, error) {
			ctx, cancel := context.WithTimeout(ctx, topicWithin)
			defer cancel()
			if err := engine.Reach(ctx, &w, &config.Declared{}); err != nil {
				return nil, err
			}
			return topic.Changes(ctx, client, block.Kafka[configTopic], offset)
		},
		hidden: func(config.Map) func(string) bool { return func(string) bool { return true } },
	}, nil
}

// shows says what of configurations may be shown; until then nothing is.
func (c *cluster) shows(hidden func(m config.Map) func(key string) bool) {
	if c.log != nil {
		c.log.hidden = hidden
	}
}

// topicWithin bounds how long a config topic is read.
const topicWithin = 30 * time.Second

// kafkaOf are the properties of clients of the Kafka that a cluster block names; nil when it names none.
func kafkaOf(block *hcl.Cluster) map[string]string {
	if block == nil || block.Kafka == nil {
		return nil
	}
	properties := maps.Clone(block.Kafka)
	delete(properties, configTopic)
	return properties
}

// configTopic is what a cluster block says of its Kafka beside the properties of clients.
const configTopic = "config.topic"

// newest is the last write of each connector.
func (w *writes) newest(ctx context.Context) (map[string]topic.Change, error) {
	list, err := w.behind(ctx, -1)
	if err != nil {
		return nil, diag.Of(err, diag.KafkaDown).Err()
	}
	all := map[string]topic.Change{}
	for _, c := range list {
		all[c.Connector] = c
	}
	return all, nil
}

// OverwroteError says that a write has replaced one of somebody else that no plan had shown.
type OverwroteError struct {
	At      time.Time       // of the other write
	Deleted bool            // it had deleted the connector
	Changes []config.Change // else from that to what is there now
}

func (e *OverwroteError) Error() string {
	var was []string
	for _, c := range e.Changes {
		was = append(was, c.String())
	}
	what := strings.Join(was, "; ")
	if e.Deleted {
		what = "the connector had been deleted"
	}
	return fmt.Sprintf("it is written, and that has replaced what somebody else wrote at %s, after the plan was made: %s", e.At.UTC().Format("15:04:05 MST"), what)
}

// overwritten tells what others wrote of a connector between a revision and what was just written, nil being a deletion.
func (w *writes) overwritten(ctx context.Context, name, revision string, wrote config.Map) error {
	offset, err := strconv.ParseInt(revision, 10, 64)
	if err != nil {
		return nil //nolint:nilerr // it was not in the topic when the plan was made: then the worker has refused to create it twice
	}
	list, err := w.behind(ctx, offset)
	if err != nil {
		return fmt.Errorf("it is written; whether somebody else has written it meanwhile cannot be seen: %w", err)
	}
	list = slices.DeleteFunc(list, func(c topic.Change) bool { return c.Connector != name })
	ours := len(list)
	for i, c := range list {
		if (c.Config == nil) == (wrote == nil) && maps.Equal(c.Config, wrote) {
			ours = i
		}
	}
	for _, c := range slices.Backward(list[:ours]) {
		switch {
		case c.Config == nil && wrote == nil, c.Config != nil && maps.Equal(c.Config, wrote):
			continue // an attempt of ours
		case c.Config == nil:
			return &OverwroteError{At: c.At, Deleted: true}
		}
		theirs, _ := diff.Unmark(c.Config)
		now, _ := diff.Unmark(wrote)
		return &OverwroteError{At: c.At, Changes: config.Diff(theirs, now, w.hidden(theirs))}
	}
	return nil
}
