package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// The beginning and the end of partitions, among the times of [Engine.OffsetsAt] (Kafka: ListOffsets).
const (
	Beginning = kafka.Beginning
	End       = kafka.End
)

// OffsetsAt lists as JSON, in the form of [Engine.Offsets], where a sink would go on that was sent to a time: the first
// record that is not older in every partition of the topics that it reads, or the end of a partition without one. The time
// is in milliseconds since the epoch, [Beginning] or [End]. It changes nothing. A refusal is a *[store.RefusedError].
func (e *Engine) OffsetsAt(ctx context.Context, name string, at int64) ([]store.Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetsWithin)
	defer cancel()
	c, err := e.connector(ctx, name)
	if err != nil {
		return nil, err
	}
	if d, known := e.Registry.Connector(c.Config[config.ConnectorClass]); !known || d.Role() != plugin.SinkRole {
		return nil, refused("Connector %s is not a sink, so that no topic says where its times are", name)
	}
	var list []store.Offset
	err = e.group(c, func(g kafka.Groups, _ string) (err error) {
		list, err = offsetsAt(ctx, g, c.Config, at)
		return err
	})
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return nil, refused("%s", d.Detail)
	}
	return list, err
}

// SinkOffsetsAt is [Engine.OffsetsAt] for a sink that somebody else runs: m is its configuration, and the properties are of
// a Kafka client. Its error is a [diag.Diagnostic] where the configuration or the cluster is at fault.
func SinkOffsetsAt(ctx context.Context, properties map[string]string, l *slog.Logger, m config.Map, at int64) ([]store.Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetsWithin)
	defer cancel()
	clients := kafka.Clients{Base: properties, Logger: l}
	client, err := clients.AdminClient(nil, "engine-offsets")
	if err != nil {
		return nil, diag.Of(err, diag.InvalidValue).Err()
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		if d := kafka.Explain(err); d != nil {
			return nil, d
		}
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return offsetsAt(ctx, kafka.NewGroups(client), m, at)
}

func offsetsAt(ctx context.Context, g kafka.Groups, m config.Map, at int64) ([]store.Offset, error) {
	topics := config.List(m[config.Topics])
	if text := m[config.TopicsRegex]; text != "" {
		pattern, err := plugin.ParsePattern(text)
		if err != nil {
			d := diag.New(diag.InvalidValue, diag.Place{}, "The pattern of the sink's topics cannot be read: %s.", err)
			return nil, &d
		}
		if topics, err = g.Topics(ctx); err != nil {
			return nil, err
		}
		topics = slices.DeleteFunc(topics, func(t string) bool { return !pattern.Matches(t) })
	}
	places, err := g.At(ctx, topics, at)
	if err != nil {
		return nil, err
	}
	list := make([]store.Offset, len(places))
	for i, p := range places {
		list[i] = sinkOffset(p)
	}
	return list, nil
}
