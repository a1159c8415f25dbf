package transform

import (
	"errors"
	"slices"
	"unicode"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/transform/jsonpath"
)

type extractTopicConfig struct {
	Field string `cfg:"field.name" importance:"high" example:"kind" doc:"Name of the field that has the topic. Empty: the whole key or value is the topic."`
	Skip  bool   `cfg:"skip.missing.or.null" importance:"low" doc:"Whether a record without it keeps its topic; otherwise it fails."`
}

type confluentTopicConfig struct {
	Field  string `cfg:"field" importance:"high" example:"kind" doc:"Name of the field that has the topic. Empty: the whole key or value is the topic."`
	Format string `cfg:"field.format" oneof:"PLAIN|JSON_PATH" doc:"How the field is named: by its name, or by a JSONPath such as $.order.kind, of which deep scans, slices, unions and functions are not available."`
	Skip   bool   `cfg:"skip.missing.or.null" doc:"Whether a record without it keeps its topic; otherwise it fails."`
}

type headerTopicConfig struct {
	Field  string `cfg:"field,required,nonempty" importance:"high" example:"kind" doc:"Name of the header that has the topic, a text. The last of that name counts."`
	Format string `cfg:"field.format" oneof:"PLAIN" doc:"How the header is named: by its name."`
	Skip   bool   `cfg:"skip.missing.or.null" doc:"Whether a record without it keeps its topic; otherwise it fails."`
}

var headerTopicDefaults = headerTopicConfig{Format: "PLAIN"} //nolint:gochecknoglobals // a literal

var confluentTopicDefaults = confluentTopicConfig{Format: "PLAIN"} //nolint:gochecknoglobals // a literal

// extractTopic follows Aiven's io.aiven.kafka.connect.transforms.ExtractTopic and Confluent's
// io.confluent.connect.transforms.ExtractTopic, which do the same under other names of settings.
type extractTopic struct {
	single
	target    plugin.Target
	confluent bool
	field     string
	path      *jsonpath.Path // nil: field is a name
	skip      bool
	names     names
}

func newExtractTopic(confluent bool) func(plugin.Target) plugin.Transform {
	return func(target plugin.Target) plugin.Transform {
		t := &extractTopic{target: target, confluent: confluent}
		t.each = t.extract
		return t
	}
}

// Configure implements [plugin.Transform].
func (t *extractTopic) Configure(c plugin.Config) error {
	if t.confluent {
		cfg := confluentTopicDefaults
		if err := plugin.Decode(c, &cfg); err != nil {
			return err
		}
		t.field, t.skip, t.path = cfg.Field, cfg.Skip, nil
		if cfg.Format == "PLAIN" || cfg.Field == "" {
			return nil
		}
		var err error
		t.path, err = parseJSONPath("field", cfg.Field)
		return err
	}
	var cfg extractTopicConfig
	err := plugin.Decode(c, &cfg)
	t.field, t.skip = cfg.Field, cfg.Skip
	return err
}

func (t *extractTopic) extract(_ int, r *record.Record) error {
	d := part(t.target, r)
	s, v := d.Schema, d.Value
	if t.field != "" {
		if v.IsNull() {
			return plugin.Data("%s can't be null if field name is specified", t.target)
		}
		var err error
		if s, v, err = t.of(d); err != nil {
			return err
		}
	}
	if s != nil && s.Kind > record.String {
		return plugin.Data("The topic%s in %s must be a text, a number or a boolean, found: %s", t.ofField(), t.target, s.Kind)
	}
	if k := v.Kind(); k > record.String {
		return plugin.Data("The topic%s in %s must be a text, a number or a boolean, found: %s", t.ofField(), t.target, k)
	}
	if v.IsNull() {
		return t.missing()
	}
	text, err := plainText(&t.batch.Arena, s, v)
	if err != nil {
		return err
	}
	name := text.Text()
	if name == "" || d.Schema == nil && blank(name) {
		return t.missing()
	}
	r.Topic = t.names.keep(name)
	return nil
}

// blank is Java's String.isBlank.
func blank(s string) bool {
	for _, c := range s {
		noBreak := c == '\u00a0' || c == '\u2007' || c == '\u202f' || c == '\u0085'
		if control := c >= '\x1c' && c <= '\x1f'; !control && (noBreak || !unicode.IsSpace(c)) {
			return false
		}
	}
	return true
}

// of is the field that has the topic; null where there is none.
func (t *extractTopic) of(d *record.Datum) (*record.Schema, record.Value, error) {
	if !t.confluent && d.Schema != nil && d.Schema.Kind != record.Struct {
		return nil, record.Value{}, plugin.Data("%s schema type must be STRUCT if field name is specified", t.target)
	}
	if t.path == nil {
		s, v, _, err := fieldOf(d, t.field, t.target)
		return s, v, err
	}
	found, _, err := t.path.First(*d)
	if _, missing := errors.AsType[*jsonpath.Missing](err); missing {
		return nil, record.Value{}, nil
	}
	return found.Schema, found.Value, err
}

func (t *extractTopic) ofField() string {
	if t.field == "" {
		return ""
	}
	return " field " + t.field
}

func (t *extractTopic) missing() error {
	switch {
	case t.skip:
		return nil
	case t.field == "":
		return plugin.Data("%s can't be null or empty", t.target)
	}
	return plugin.Data("%s in %s can't be null or empty", t.field, t.target)
}

// headerTopic follows the documentation of Confluent's io.confluent.connect.transforms.ExtractTopic$Header.
type headerTopic struct {
	single
	name  string
	skip  bool
	names names
}

func newHeaderTopic(plugin.Target) plugin.Transform {
	t := &headerTopic{}
	t.each = t.extract
	return t
}

// Configure implements [plugin.Transform].
func (t *headerTopic) Configure(c plugin.Config) error {
	cfg := headerTopicDefaults
	err := plugin.Decode(c, &cfg)
	t.name, t.skip = cfg.Field, cfg.Skip
	return err
}

func (t *headerTopic) extract(_ int, r *record.Record) error {
	for i := range slices.Backward(r.Headers) {
		h := &r.Headers[i]
		switch {
		case h.Key != t.name:
			continue
		case h.Value.IsNull():
			return t.missing()
		case h.Value.Kind() != record.String:
			return plugin.Data("The header %s must be a text to be a topic, found: %s", t.name, h.Value.Kind())
		case h.Value.Text() == "":
			return t.missing()
		}
		r.Topic = t.names.keep(h.Value.Text())
		return nil
	}
	return t.missing()
}

func (t *headerTopic) missing() error {
	if t.skip {
		return nil
	}
	return plugin.Data("The header %s can't be missing, null or empty", t.name)
}
