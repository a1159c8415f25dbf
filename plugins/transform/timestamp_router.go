package transform

import (
	"fmt"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type timestampRouterConfig struct {
	Topic     string `cfg:"topic.format" importance:"high" doc:"Name of the topic, in which ${topic} stands for the topic of the record and ${timestamp} for its timestamp."`
	Timestamp string `cfg:"timestamp.format" importance:"high" doc:"Pattern of Java's SimpleDateFormat, in UTC, by which the timestamp is written."`
}

var timestampRouterDefaults = timestampRouterConfig{Topic: "${topic}-${timestamp}", Timestamp: "yyyyMMdd"} //nolint:gochecknoglobals // a literal

// timestampRouter follows Kafka Connect's TimestampRouter.
type timestampRouter struct {
	single
	topic  string
	format *dateFormat
	wrong  error  // of the pattern: Kafka Connect notices it with the first record
	stamp  []byte // scratch
	last   datedRoute
	known  map[string]datedRoute
}

// datedRoute is the name that a topic got last.
type datedRoute struct {
	from, to string // copies: a batch's memory is not kept
	stamp    string
}

func newTimestampRouter(plugin.Target) plugin.Transform {
	t := &timestampRouter{}
	t.each = t.rename
	return t
}

// Configure implements [plugin.Transform].
func (t *timestampRouter) Configure(c plugin.Config) error {
	cfg := timestampRouterDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.topic, t.last, t.known, t.wrong = cfg.Topic, datedRoute{}, map[string]datedRoute{}, nil
	f, err := parseDateFormat(cfg.Timestamp, time.Now())
	if err != nil {
		t.wrong = &plugin.DataError{Reason: "The setting timestamp.format is no pattern: " + err.Error(), Err: fmt.Errorf("timestamp.format: %w", err)}
	}
	t.format = f
	return nil
}

func (t *timestampRouter) rename(_ int, r *record.Record) error {
	switch {
	case r.Timestamp == record.NoTimestamp:
		return plugin.Data("Timestamp missing on record")
	case t.wrong != nil:
		return t.wrong
	case r.Topic == "":
		return plugin.Data("The record has no topic to put a timestamp to")
	}
	t.stamp = t.format.append(t.stamp[:0], r.Timestamp)
	if r.Topic != t.last.from || string(t.stamp) != t.last.stamp {
		t.last = t.route(r.Topic)
	}
	r.Topic = t.last.to
	return nil
}

// route finds or makes the name for a topic at the stamp at hand.
func (t *timestampRouter) route(topic string) datedRoute {
	known, ok := t.known[topic]
	if ok && known.stamp == string(t.stamp) {
		return known
	}
	if !ok && len(t.known) >= mostRoutes {
		clear(t.known)
	}
	made := datedRoute{from: strings.Clone(topic), stamp: string(t.stamp)}
	made.to = strings.ReplaceAll(t.topic, "${topic}", made.from)
	made.to = strings.ReplaceAll(made.to, "${timestamp}", made.stamp)
	t.known[made.from] = made
	return made
}
