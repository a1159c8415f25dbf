package jsonschema

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry"
)

// Version is that of the Schema Registry whose converter this one follows.
const Version = "8.0.0"

// settings are those of JsonSchemaDataConfig, and of the serializer that it hands its trees to.
type settings struct {
	Additional    bool   `cfg:"object.additional.properties" doc:"Say in schemas that objects may have more properties than they name."`
	OptionalRest  bool   `cfg:"use.optional.for.nonrequired" doc:"Read properties that are not required as optional ones."`
	OldDialects   bool   `cfg:"ignore.modern.dialects" importance:"low" doc:"Read schemas of drafts after the seventh as if they were of that."`
	Decimals      string `cfg:"decimal.format,anycase" oneof:"NUMERIC|BASE64" importance:"low" doc:"Write decimals as numbers, or as their digits in base64."`
	Flatten       bool   `cfg:"flatten.singleton.unions" importance:"low" doc:"Read a union of one type as that type."`
	General       bool   `cfg:"generalized.sum.type.support" doc:"Keep enums and unions in the form that all converters share."`
	IgnoreDefault bool   `cfg:"ignore.default.for.nullables" doc:"Write null where a field is null, not its default."`
	Preserve      bool   `cfg:"preserve.additional.properties" importance:"low" doc:"Keep properties that the schema does not name, in a field of their own, if it allows them."`
	Cache         int    `cfg:"schemas.cache.config" importance:"low" min:"1" doc:"How many schemas to remember."`
	Validate      bool   `cfg:"json.fail.invalid.schema" doc:"Validate every message by its schema. It costs several times what the conversion does."`
}

func defaults() settings {
	return settings{Additional: true, Decimals: "BASE64", Flatten: true, Cache: 1000}
}

// javas are settings of the serializer about the Java classes that it could be given. A converter gives it trees of JSON, so
// that they mean nothing here nor there.
type javas struct {
	Version   string `cfg:"json.schema.spec.version" importance:"low" doc:"The draft for schemas of Java classes; a converter has none."`
	OneOf     bool   `cfg:"json.oneof.for.nullables" importance:"low" doc:"About schemas of Java classes; a converter has none."`
	Dates     bool   `cfg:"json.write.dates.iso8601" importance:"low" doc:"About dates in Java classes; a converter has none."`
	Unknown   bool   `cfg:"json.fail.unknown.properties" importance:"low" doc:"About reading into Java classes; a converter has none."`
	Inclusion string `cfg:"json.default.property.inclusion" importance:"low" doc:"About Java classes; a converter has none."`
	Envelope  bool   `cfg:"json.envelope.detection" importance:"low" doc:"About Java classes; a converter has none."`
	Before    bool   `cfg:"json.validate.before.domain.rules" importance:"low" doc:"Rules are not executed here, so that nothing comes after validation."`
}

// refused are settings that only their default does.
type refused struct {
	Indent bool `cfg:"json.indent.output" importance:"low" doc:"Only false: messages have no white space."`
}

// Descriptor describes the converter.
func Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "json_schema", Class: "io.confluent.connect.json.JsonSchemaConverter", Version: Version,
		Doc:          "JSON with schemas in a schema registry.",
		Spec:         registry.Spec(defaults(), javas{Version: "draft_7", OneOf: true, Unknown: true, Envelope: true}, refused{}),
		Uses:         plugin.DataOnly,
		NewConverter: func() plugin.Converter { return new(converter) },
	}
}

// converter is io.confluent.connect.json.JsonSchemaConverter.
type converter struct{ registry.Converter }

// Configure reads the settings.
func (c *converter) Configure(config plugin.Config, use plugin.Use) error {
	f := format{set: defaults()}
	if err := plugin.Decode(config, &f.set); err != nil {
		return err
	}
	var no refused
	if err := plugin.Decode(config, &no); err != nil {
		return err
	}
	var java javas
	if err := plugin.Decode(config, &java); err != nil {
		return err
	}
	if no.Indent {
		return plugin.Invalid("json.indent.output", "true", "messages are written without white space here")
	}
	return c.Setup(&f, config, use)
}

// format is JSON Schema for the registry's converter.
type format struct{ set settings }

// Words are those of JsonSchemaConverter.
func (*format) Words() registry.Words {
	return registry.Words{
		Type: sr.TypeJSON, Name: "JSON",
		Write: "Converting Kafka Connect data to byte[] failed due to serialization error of topic %s: ",
		Read:  "Converting byte[] to Kafka Connect data failed due to serialization error of topic %s: ",
	}
}

// Null makes a message of null where the schema has a default for it or allows it; other nulls are the null message.
func (f *format) Null(s *record.Schema) (bool, error) {
	return s != nil && (s.Optional || s.HasDefault && !f.set.IgnoreDefault), nil
}

// Derive makes the schema of JSON Schema for a Connect schema.
func (f *format) Derive(s *record.Schema) (registry.Schema, error) {
	if s == nil {
		return nil, errors.New("data without a schema has no JSON Schema")
	}
	d := deriver{set: &f.set, ids: map[string]bool{}}
	text, err := d.text(s)
	if err != nil {
		return nil, err
	}
	return f.Parse(registry.Text{Schema: text})
}

// Parse reads a registered text with those that it refers to.
func (f *format) Parse(t registry.Text) (registry.Schema, error) {
	docs, err := newDocuments(t, f.set.OldDialects)
	if err != nil {
		return nil, err
	}
	root, err := load(docs)
	if err != nil {
		return nil, err
	}
	return &schema{f, root, docs, t}, nil
}

// schema is a JSON Schema with its text.
type schema struct {
	*format
	root *shape
	docs *documents
	text registry.Text
}

func (s *schema) Text() registry.Text { return s.text }

// RecordName is the title.
func (s *schema) RecordName() string { return s.root.title }

// Encoder plans to write data of a Connect schema. What is written follows from that alone; this schema can only refuse it.
func (s *schema) Encoder(data *record.Schema) (registry.Encoder, error) {
	w := writePlanner{set: &s.set, numeric: strings.EqualFold(s.set.Decimals, "NUMERIC"), known: map[*record.Schema]*writePlan{}}
	e := &encoder{plan: w.plan(data)}
	var err error
	if s.set.Validate {
		e.check, err = newValidator(s.text)
	}
	return e, err
}

type encoder struct {
	plan  *writePlan
	check *validator // nil without
}

func (*encoder) Index() []int { return nil }

// Append writes a value. A union of which nothing is set is the null message, as it is for Confluent's converter.
func (e *encoder) Append(dst []byte, v record.Value) ([]byte, error) {
	start := len(dst)
	dst, err := e.plan.append(dst, v)
	if err != nil {
		return nil, err
	}
	if len(dst) == start {
		return nil, nil
	}
	if e.check != nil {
		err = e.check.validate(dst[start:])
	}
	return dst, err
}

// Decoder plans to read. The Connect schema is that of the reader's schema where there is one.
func (s *schema) Decoder(reader registry.Schema, version int, _ []int) (registry.Decoder, error) {
	own := s
	if other, ok := reader.(*schema); ok {
		own = other
	}
	data, ends, err := connect(&s.set, own.root, version)
	if err != nil {
		return nil, err
	}
	p := readPlanner{set: &s.set, ends: ends, known: map[*record.Schema]*readPlan{}}
	d := &decoder{plan: p.plan(data), schema: data}
	if s.set.Validate {
		d.check, err = newValidator(own.text)
	}
	return d, err
}

type decoder struct {
	plan   *readPlan
	schema *record.Schema
	check  *validator // nil without
	r      reading
}

// Read reads a message. A text that is no JSON is told as such whatever else is wrong with it.
func (d *decoder) Read(a *record.Arena, src []byte) (record.Datum, error) {
	if d.check != nil {
		if err := d.check.validate(src); err != nil {
			return record.Datum{}, err
		}
	}
	d.r.begin(a, src)
	if d.r.Blanks(); d.r.Pos == len(src) {
		d.r.begin(a, []byte("[]"))
		d.r.missing = true
	}
	v, err := d.r.value(d.plan)
	if err == nil {
		return record.Datum{Schema: d.schema, Value: v}, nil
	}
	rest := scan(d.r.Src)
	if wrong := rest.Skip(); wrong != nil {
		return record.Datum{}, wrong
	}
	return record.Datum{}, err
}
