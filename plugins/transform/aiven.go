package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type concatConfig struct {
	Fields    []string `cfg:"field.names,required" importance:"high" example:"first,last" doc:"Names of the fields to join."`
	Output    string   `cfg:"output.field.name,required,nonempty" importance:"high" example:"name" doc:"Name of the field for the joined text."`
	Delimiter string   `cfg:"delimiter" importance:"high" example:" " doc:"What stands between two of them."`
	Missing   string   `cfg:"field.replace.missing" importance:"high" doc:"What stands for a field that is not there or null."`
}

// concatFields follows Aiven's io.aiven.kafka.connect.transforms.ConcatFields. The struct that comes out has no name.
type concatFields struct {
	single
	target plugin.Target
	config concatConfig
	output record.Value
	plans  memo[*concatPlan]
	buffer []byte
}

type concatPlan struct {
	schema *record.Schema
	nulls  nullable
	from   []int // parallel to the names; -1: not there
}

func newConcatFields(target plugin.Target) plugin.Transform {
	t := &concatFields{target: target}
	t.each = t.concat
	return t
}

// Configure implements [plugin.Transform].
func (t *concatFields) Configure(c plugin.Config) error {
	t.config = concatConfig{}
	err := plugin.Decode(c, &t.config)
	t.output, t.plans = record.OfString(t.config.Output), memo[*concatPlan]{}
	return err
}

func (t *concatFields) concat(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return plugin.Data("%s Value can't be null", t.target)
	case d.Value.Kind() == record.Map && d.Schema == nil:
		return t.ofMap(d)
	case d.Value.Kind() != record.Struct:
		return plugin.Data("Value type must be STRUCT or MAP")
	}
	plan, err := shaped(&t.plans, d.Schema, t.planFor)
	if err != nil {
		return err
	}
	fields := d.Value.Elements()
	out := t.batch.Extend(fields, 1)
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return err
	}
	t.buffer = t.buffer[:0]
	for i, from := range plan.from {
		var v record.Value
		var s *record.Schema
		if from >= 0 {
			v, s = out[from], d.Schema.Fields[from].Schema
		}
		if err := t.add(i, s, v); err != nil {
			return err
		}
	}
	out[len(fields)] = t.batch.Text(t.buffer)
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *concatFields) planFor(in *record.Schema) (*concatPlan, error) {
	b := record.Build(record.Struct)
	for _, f := range in.Fields {
		b.Field(f.Name, f.Schema)
	}
	b.Field(t.config.Output, record.OptionalOf(record.String))
	s, err := built(b)
	plan := &concatPlan{schema: s, nulls: nullableOf(in.Fields)}
	for _, name := range t.config.Fields {
		plan.from = append(plan.from, in.Field(name))
	}
	return plan, err
}

func (t *concatFields) ofMap(d *record.Datum) error {
	t.buffer = t.buffer[:0]
	for i, name := range t.config.Fields {
		v, _ := d.Value.Get(name)
		if err := t.add(i, nil, v); err != nil {
			return err
		}
	}
	entries := d.Value.Elements()
	out := t.batch.Extend(entries, 2)
	d.Value = record.OfMap(out[:setEntry(out, len(entries), t.output, t.batch.Text(t.buffer))])
	return nil
}

// add appends field i to the text.
func (t *concatFields) add(i int, s *record.Schema, v record.Value) error {
	if i > 0 {
		t.buffer = append(t.buffer, t.config.Delimiter...)
	}
	if v.IsNull() {
		t.buffer = append(t.buffer, t.config.Missing...)
		return nil
	}
	text, err := plainText(&t.batch.Arena, s, v)
	if err != nil {
		return plugin.Data("Field %s cannot be joined: it is %s", t.config.Fields[i], v.Kind())
	}
	t.buffer = append(t.buffer, text.Text()...)
	return nil
}

// plainText is the text of a number, a boolean or a text, as Java prints it.
func plainText(a *record.Arena, s *record.Schema, v record.Value) (record.Value, error) {
	if k := v.Kind(); k > record.String && k != record.Decimal && k != record.BigInt {
		return v, plugin.Data("%s", k)
	}
	return castValue(a, s, v, record.String)
}

type extractTimestampConfig struct {
	Field      string `cfg:"field.name,required,nonempty" importance:"high" example:"created" doc:"Name of the field with the timestamp: an INT64 or a date."`
	Resolution string `cfg:"timestamp.resolution,anycase" oneof:"milliseconds|seconds" importance:"low" doc:"What an INT64 counts since 1970."`
}

var extractTimestampDefaults = extractTimestampConfig{Resolution: "milliseconds"} //nolint:gochecknoglobals // a literal

// extractTimestamp follows Aiven's io.aiven.kafka.connect.transforms.ExtractTimestamp.
type extractTimestamp struct {
	single
	target plugin.Target
	field  string
	scale  int64
}

func newExtractTimestamp(target plugin.Target) plugin.Transform {
	t := &extractTimestamp{target: target}
	t.each = t.extract
	return t
}

// Configure implements [plugin.Transform].
func (t *extractTimestamp) Configure(c plugin.Config) error {
	cfg := extractTimestampDefaults
	err := plugin.Decode(c, &cfg)
	t.field, t.scale = cfg.Field, 1
	if strings.EqualFold(cfg.Resolution, "seconds") {
		t.scale = 1000
	}
	return err
}

func (t *extractTimestamp) extract(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Value.IsNull() {
		return plugin.Data("%s can't be null", t.target)
	}
	_, v, found, err := fieldOf(d, t.field, t.target)
	switch {
	case err != nil:
		return err
	case !found || v.IsNull():
		return plugin.Data("%s field must be present and its value can't be null", t.field)
	}
	switch v.Kind() {
	case record.Int64:
		r.Timestamp = seconds(v.Int(), t.scale)
	case record.Instant:
		r.Timestamp = v.Int()
	default:
		return plugin.Data("%s field must be INT64 or org.apache.kafka.connect.data.Timestamp", t.field)
	}
	return nil
}

// seconds is TimeUnit.toMillis: what does not fit ends at the largest.
func seconds(n, scale int64) int64 {
	const most = 1<<63 - 1
	switch {
	case n > most/scale:
		return most
	case n < -most/scale:
		return -most - 1
	}
	return n * scale
}

// fieldOf is a field of a struct or a map, a null with a default being the default.
func fieldOf(d *record.Datum, name string, target plugin.Target) (s *record.Schema, v record.Value, found bool, err error) {
	switch d.Value.Kind() {
	case record.Struct:
		i := d.Schema.Field(name)
		if i < 0 {
			return nil, v, false, nil
		}
		s, v = d.Schema.Fields[i].Schema, d.Value.Elements()[i]
		if v.IsNull() && s.HasDefault {
			v = s.Default
		}
		return s, v, true, nil
	case record.Map:
		v, found = d.Value.Get(name)
		return nil, v, found, nil
	}
	return nil, v, false, plugin.Data("%s type must be STRUCT or MAP", target)
}

type extractTopicConfig struct {
	Field string `cfg:"field.name" importance:"high" example:"kind" doc:"Name of the field that has the topic. Empty: the whole key or value is the topic."`
	Skip  bool   `cfg:"skip.missing.or.null" importance:"low" doc:"Whether a record without it keeps its topic; otherwise it fails."`
}

type confluentTopicConfig struct {
	Field  string `cfg:"field" importance:"high" example:"kind" doc:"Name of the field that has the topic. Empty: the whole key or value is the topic."`
	Format string `cfg:"field.format,anycase" oneof:"PLAIN" doc:"How the field is named. Paths of JSON are not available; extract_field has paths of syntax V2."`
	Skip   bool   `cfg:"skip.missing.or.null" importance:"low" doc:"Whether a record without it keeps its topic; otherwise it fails."`
}

var confluentTopicDefaults = confluentTopicConfig{Format: "PLAIN"} //nolint:gochecknoglobals // a literal

// extractTopic follows Aiven's io.aiven.kafka.connect.transforms.ExtractTopic and Confluent's
// io.confluent.connect.transforms.ExtractTopic, which do the same under other names of settings.
type extractTopic struct {
	single
	target    plugin.Target
	confluent bool
	field     string
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
		err := plugin.Decode(c, &cfg)
		t.field, t.skip = cfg.Field, cfg.Skip
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
		if s, v, _, err = fieldOf(d, t.field, t.target); err != nil {
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
	if name == "" || d.Schema == nil && strings.TrimSpace(name) == "" {
		return t.missing()
	}
	r.Topic = t.names.keep(name)
	return nil
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

type tombstoneConfig struct {
	Behavior string `cfg:"behavior,required,anycase" oneof:"drop_silent|drop_warn|fail" example:"drop_silent" doc:"What becomes of a record whose value is null. drop_silent and drop_warn: it goes, and is counted as dropped. fail: it fails."`
}

type confluentTombstoneConfig struct {
	Behavior string `cfg:"behavior,anycase" oneof:"drop_silent|drop_warn|fail|ignore" example:"ignore" doc:"What becomes of a record whose value is null. drop_silent and drop_warn: it goes, and is counted as dropped. fail: it fails. ignore: it stays."`
}

var confluentTombstoneDefaults = confluentTombstoneConfig{Behavior: "drop_silent"} //nolint:gochecknoglobals // a literal

// tombstones follows Aiven's io.aiven.kafka.connect.transforms.TombstoneHandler and Confluent's
// io.confluent.connect.transforms.TombstoneHandler. A transform has no log here: what is dropped is counted.
type tombstones struct {
	single
	confluent bool
	behavior  string
}

func newTombstones(confluent bool) func(plugin.Target) plugin.Transform {
	return func(plugin.Target) plugin.Transform {
		t := &tombstones{confluent: confluent}
		t.each = t.handle
		return t
	}
}

// Configure implements [plugin.Transform].
func (t *tombstones) Configure(c plugin.Config) error {
	cfg := confluentTombstoneDefaults
	var err error
	if t.confluent {
		err = plugin.Decode(c, &cfg)
	} else {
		var aiven tombstoneConfig
		err = plugin.Decode(c, &aiven)
		cfg.Behavior = aiven.Behavior
	}
	t.behavior = strings.ToLower(cfg.Behavior)
	return err
}

func (t *tombstones) handle(i int, r *record.Record) error {
	switch {
	case !r.Value.Value.IsNull() || t.behavior == "ignore":
	case t.behavior == "fail":
		return plugin.Data("Tombstone record encountered, failing due to configured 'fail' behavior")
	default:
		t.batch.Drop(i)
	}
	return nil
}
