package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type topicFromSchemaNameConfig struct {
	Map   *string `cfg:"schema.name.topic-map" importance:"low" example:"com.example.Order:orders" doc:"Topics of names of schemas: name:topic,name:topic. It goes without schema.name.regex."`
	Regex *string `cfg:"schema.name.regex" importance:"low" doc:"Regular expression of Java with one group, which is the topic; it is looked for in the name of the schema. What needs backtracking is refused."`
}

// topicFromSchemaName follows Aiven's io.aiven.kafka.connect.transforms.ExtractTopicFromSchemaName, which exists for values
// only. A name for which neither setting has a topic is the topic itself.
type topicFromSchemaName struct {
	single
	target  plugin.Target
	topics  map[string]string
	pattern *plugin.Pattern // nil: none
	known   memo[string]
}

func newTopicFromSchemaName(target plugin.Target) plugin.Transform {
	t := &topicFromSchemaName{target: target}
	t.each = t.route
	return t
}

// Configure implements [plugin.Transform].
func (t *topicFromSchemaName) Configure(c plugin.Config) error {
	var cfg topicFromSchemaNameConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.topics, t.pattern, t.known = map[string]string{}, nil, memo[string]{}
	if cfg.Map != nil && cfg.Regex != nil {
		return &plugin.ConfigError{Key: "schema.name.regex", Reason: "schema.name.topic-map and schema.name.regex should not be defined together."}
	}
	if cfg.Map != nil {
		for pair := range strings.SplitSeq(*cfg.Map, ",") {
			name, topic, ok := strings.Cut(pair, ":")
			topic, _, _ = strings.Cut(topic, ":")
			if _, twice := t.topics[name]; !ok || topic == "" || twice {
				return plugin.Invalid("schema.name.topic-map", *cfg.Map, "Format should be SchemaValue1:NewValue1,SchemaValue2:NewValue2, each name once")
			}
			t.topics[name] = topic
		}
	}
	if cfg.Regex != nil && *cfg.Regex != "" {
		var err error
		if t.pattern, err = plugin.ParsePattern(*cfg.Regex); err != nil {
			return plugin.Invalid("schema.name.regex", *cfg.Regex, "Invalid regex: "+err.Error())
		}
	}
	return nil
}

func (t *topicFromSchemaName) route(_ int, r *record.Record) error {
	s := part(t.target, r).Schema
	if s == nil || s.Name == "" {
		return plugin.Data("%s schema name can't be null", t.target)
	}
	topic, err := shaped(&t.known, s, t.topic)
	if err == nil {
		r.Topic = topic
	}
	return err
}

func (t *topicFromSchemaName) topic(s *record.Schema) (string, error) {
	if topic, ok := t.topics[s.Name]; ok {
		return topic, nil
	}
	if t.pattern == nil {
		return s.Name, nil
	}
	at := t.pattern.FindStringSubmatchIndex(s.Name)
	switch {
	case len(at) != 4:
		return s.Name, nil
	case at[2] < 0 || at[2] == at[3]:
		return "", plugin.Data("The group of schema.name.regex is empty for the schema %s", s.Name)
	}
	return s.Name[at[2]:at[3]], nil
}
