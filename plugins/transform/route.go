package transform

import (
	"math"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/condition"
)

type routeConfig struct {
	Topic     string `cfg:"topic" importance:"high" example:"topic + '.' + lower(value.country ?? 'none')" doc:"Expression that gives the topic, a text that is not empty."`
	Key       string `cfg:"key" doc:"Expression that gives the key. The field that it names keeps its schema; what is computed has one where the expression always gives one type."`
	Partition string `cfg:"partition" doc:"Expression that gives the partition of the topic, from 0 on."`
	Timestamp string `cfg:"timestamp" doc:"Expression that gives the timestamp: a time, or milliseconds since 1970."`
}

// route gives a record another topic, key, partition or timestamp. All expressions see the record as it came; a null leaves
// what is there.
type routeBy struct {
	single
	topic, key, partition, timestamp *condition.Program // nil: stays
	names                            names
}

func newRoute(plugin.Target) plugin.Transform {
	t := &routeBy{}
	t.each = t.route
	return t
}

// Configure implements [plugin.Transform].
func (t *routeBy) Configure(c plugin.Config) error {
	var cfg routeConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	*t = routeBy{single: t.single, names: names{}}
	some := false
	for key, into := range map[string]**condition.Program{"topic": &t.topic, "key": &t.key, "partition": &t.partition, "timestamp": &t.timestamp} {
		if strings.TrimSpace(c[key]) == "" {
			continue
		}
		p, err := condition.Compile(c[key])
		if err != nil {
			return condition.At(key, err)
		}
		*into, some = p, true
	}
	if !some {
		return &plugin.ConfigError{Key: "topic", Reason: "One of topic, key, partition and timestamp is needed."}
	}
	return nil
}

func (t *routeBy) route(_ int, r *record.Record) error {
	topic, err := t.text(t.topic, r)
	if err != nil {
		return err
	}
	partition, err := number(t.partition, "partition", r)
	if err != nil {
		return err
	}
	timestamp, err := number(t.timestamp, "timestamp", r)
	if err != nil {
		return err
	}
	key := r.Key
	if t.key != nil {
		if key, err = t.key.Value(r); err != nil {
			return err
		}
		if key.Schema == nil && !key.Value.IsNull() {
			key.Schema = t.key.Schema()
		}
		if key.Value.IsNull() {
			key = r.Key
		}
	}
	switch {
	case !partition.IsNull() && (partition.Int() < 0 || partition.Int() > math.MaxInt32):
		return plugin.Data("The expression for partition gives a number that no partition has")
	case !timestamp.IsNull() && timestamp.Int() < 0:
		return plugin.Data("The expression for timestamp gives a time before 1970")
	}
	r.Key = key
	if topic != "" {
		r.Topic = topic
	}
	if !partition.IsNull() {
		r.Partition = int32(partition.Int())
	}
	if !timestamp.IsNull() {
		r.Timestamp = timestamp.Int()
	}
	return nil
}

// text is the topic that an expression gives, in memory that outlives the batch; empty where it stays.
func (t *routeBy) text(p *condition.Program, r *record.Record) (string, error) {
	if p == nil {
		return "", nil
	}
	d, err := p.Value(r)
	switch {
	case err != nil || d.Value.IsNull():
		return "", err
	case d.Value.Kind() != record.String || d.Value.Text() == "":
		return "", plugin.Data("The expression for topic gives no name of a topic")
	}
	return t.names.keep(d.Value.Text()), nil
}

// number is what an expression gives where it must be a whole number or a time.
func number(p *condition.Program, what string, r *record.Record) (record.Value, error) {
	if p == nil {
		return record.Value{}, nil
	}
	d, err := p.Value(r)
	if err != nil {
		return record.Value{}, err
	}
	switch d.Value.Kind() {
	case record.Null, record.Int8, record.Int16, record.Int32, record.Int64:
		return d.Value, nil
	case record.Instant:
		if what == "timestamp" {
			return d.Value, nil
		}
	}
	return record.Value{}, plugin.Data("The expression for %s gives no whole number", what)
}

// names keeps names of topics in memory of their own, since messages on their way outlive the batch.
type names map[string]string

func (n *names) keep(name string) string {
	if kept, ok := (*n)[name]; ok {
		return kept
	}
	if *n == nil || len(*n) >= mostRoutes {
		*n = names{}
	}
	name = strings.Clone(name)
	(*n)[name] = name
	return name
}
