package transform

import (
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type messageTimestampRouterConfig struct {
	Topic   string   `cfg:"topic.format" importance:"high" doc:"Name of the topic, in which ${topic} stands for the topic of the record and ${timestamp} for the timestamp."`
	Stamp   string   `cfg:"topic.timestamp.format" importance:"high" doc:"Pattern of Java's SimpleDateFormat, in UTC, by which the timestamp is written."`
	Keys    []string `cfg:"message.timestamp.keys,required,nonempty" importance:"high" example:"timestamp,ts" doc:"Names of the fields of which the first that is there has the timestamp."`
	Message string   `cfg:"message.timestamp.format" importance:"high" example:"yyyy-MM-dd" doc:"Pattern of Java's SimpleDateFormat, in UTC, by which a text is read. Numbers are milliseconds since 1970. Empty: texts fail."`
}

//nolint:gochecknoglobals // a literal
var messageTimestampRouterDefaults = messageTimestampRouterConfig{Topic: "${topic}-${timestamp}", Stamp: "yyyyMMdd"}

// messageTimestampRouter follows the documentation of Confluent's io.confluent.connect.transforms.MessageTimestampRouter. The
// value is a map without a schema.
type messageTimestampRouter struct {
	single
	keys   []string
	text   *dateFormat // nil: none
	router timestampRouter
}

func newMessageTimestampRouter(plugin.Target) plugin.Transform {
	t := &messageTimestampRouter{}
	t.each = t.route
	return t
}

// Configure implements [plugin.Transform].
func (t *messageTimestampRouter) Configure(c plugin.Config) error {
	cfg := messageTimestampRouterDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.keys, t.text = cfg.Keys, nil
	stamp, err := parseDateFormat(cfg.Stamp, time.Now())
	if err != nil {
		return plugin.Invalid("topic.timestamp.format", cfg.Stamp, err.Error())
	}
	t.router = timestampRouter{topic: cfg.Topic, format: stamp, known: map[string]datedRoute{}}
	if cfg.Message == "" {
		return nil
	}
	if t.text, err = parseDateFormat(cfg.Message, time.Now()); err != nil {
		return plugin.Invalid("message.timestamp.format", cfg.Message, err.Error())
	}
	if letter := t.text.unreadable(); letter != "" {
		return plugin.Invalid("message.timestamp.format", cfg.Message, letter+" is only written, not read")
	}
	return nil
}

func (t *messageTimestampRouter) route(i int, r *record.Record) error {
	if r.Value.Value.Kind() != record.Map {
		return notA("Map objects supported", r.Value.Value, "message timestamp routing")
	}
	at, err := t.timestamp(r.Value.Value)
	if err != nil {
		return err
	}
	stamped := record.Record{Topic: r.Topic, Timestamp: at}
	if err := t.router.rename(i, &stamped); err != nil {
		return err
	}
	r.Topic = stamped.Topic
	return nil
}

// timestamp is the first of the fields that is there, in milliseconds.
func (t *messageTimestampRouter) timestamp(v record.Value) (int64, error) {
	for _, key := range t.keys {
		field, _ := v.Get(key)
		switch k := field.Kind(); {
		case k == record.Null:
			continue
		case k == record.Int64, k == record.Int32, k == record.Instant:
			return field.Int(), nil
		case k != record.String || t.text == nil:
			return 0, plugin.Data("Field %s is %s, not milliseconds or a text in the format of message.timestamp.format", key, k)
		}
		millis, ok := t.text.parse(field.Text())
		if !ok {
			return 0, plugin.Data("Field %s is not written as message.timestamp.format says", key)
		}
		return millis, nil
	}
	return 0, plugin.Data("None of the fields of message.timestamp.keys is there")
}
