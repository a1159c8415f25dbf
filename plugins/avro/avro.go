package avro

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry"
)

// Version is that of the Schema Registry whose converter this one follows.
const Version = "8.0.0"

// settings are those of AvroDataConfig.
type settings struct {
	Enhanced      bool `cfg:"enhanced.avro.schema.support" doc:"Keep enums, and the namespaces of a union's types."`
	Metadata      bool `cfg:"connect.meta.data" importance:"low" doc:"Keep in schemas of Avro what only Connect knows: names, versions, documentation, parameters, defaults."`
	Scrub         bool `cfg:"scrub.invalid.names" doc:"Replace what Avro does not take in a name."`
	DiscardDoc    bool `cfg:"discard.type.doc.default" importance:"low" doc:"Take a field's documentation for its type's, as old versions did."`
	OptionalKeys  bool `cfg:"allow.optional.map.keys" importance:"low" doc:"Write maps with optional strings as keys as maps of Avro."`
	Flatten       bool `cfg:"flatten.singleton.unions" importance:"low" doc:"Read a union of one type as that type."`
	General       bool `cfg:"generalized.sum.type.support" doc:"Keep enums and unions in the form that all converters share."`
	IgnoreDefault bool `cfg:"ignore.default.for.nullables" doc:"Write null where a field is null, not its default."`
	Cache         int  `cfg:"schemas.cache.config" importance:"low" min:"1" doc:"How many schemas to remember."`
	Trailing      bool `cfg:"avro.fail.on.trailing.data" importance:"low" doc:"Refuse messages with something behind the data."`
}

func defaults() settings { return settings{Metadata: true, Flatten: true, Cache: 1000} }

// refused are settings of the serializer that say something about Java's classes.
type refused struct {
	Reflection bool `cfg:"avro.reflection.allow.null" importance:"low" doc:"Only false; there are no Java classes here."`
	Specific   bool `cfg:"specific.avro.reader" importance:"low" doc:"Only false; there are no Java classes here."`
	Logical    bool `cfg:"avro.use.logical.type.converters" importance:"low" doc:"Only false; Connect converts logical types itself."`
	Remove     bool `cfg:"avro.remove.java.properties" importance:"low" doc:"Only false."`
}

// Descriptor describes the converter.
func Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "avro", Class: "io.confluent.connect.avro.AvroConverter", Version: Version,
		Doc:          "Avro, with schemas in a schema registry.",
		Spec:         registry.Spec(defaults(), refused{}),
		Uses:         plugin.DataOnly,
		NewConverter: func() plugin.Converter { return new(converter) },
	}
}

// converter is io.confluent.connect.avro.AvroConverter.
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
	const noClasses = "there are no Java classes here"
	switch {
	case no.Reflection:
		return plugin.Invalid("avro.reflection.allow.null", "true", noClasses)
	case no.Specific:
		return plugin.Invalid("specific.avro.reader", "true", noClasses)
	case no.Logical:
		return plugin.Invalid("avro.use.logical.type.converters", "true", "Connect converts logical types itself")
	case no.Remove:
		return plugin.Invalid("avro.remove.java.properties", "true", "schemas that are written here have none to remove")
	}
	return c.Setup(&f, config, use)
}

// format is Avro for the registry's converter.
type format struct{ set settings }

// Words are those of AvroConverter.
func (*format) Words() registry.Words {
	return registry.Words{
		Type: sr.TypeAvro, Name: "Avro",
		Write: "Failed to serialize Avro data from topic %s :", Read: "Failed to deserialize data for topic %s to Avro: ",
	}
}

// Null refuses null for a schema that is not optional; other nulls are the null message.
func (*format) Null(s *record.Schema) (bool, error) {
	if s != nil && !s.Optional {
		return false, plugin.Data("Found null value for non-optional schema")
	}
	return false, nil
}

// Derive makes the schema of Avro for a Connect schema.
func (f *format) Derive(s *record.Schema) (registry.Schema, error) {
	d := deriver{set: &f.set, structs: map[string]*node{}}
	n, err := d.node(s, false)
	if err != nil {
		return nil, err
	}
	text, err := n.print()
	if err != nil {
		return nil, err
	}
	return &schema{f, n, registry.Text{Schema: text}}, nil
}

// Parse reads a registered text, after those that it refers to.
func (f *format) Parse(t registry.Text) (registry.Schema, error) {
	p := parser{known: map[string]*node{}}
	for _, r := range t.Resolved {
		if _, err := p.parse(r.Schema); err != nil {
			return nil, fmt.Errorf("the schema %s, to which another refers: %w", r.Name, err)
		}
	}
	n, err := p.parse(t.Schema)
	if err != nil {
		return nil, err
	}
	return &schema{f, n, t}, nil
}

// schema is a schema of Avro with its text.
type schema struct {
	*format
	root *node
	text registry.Text
}

func (s *schema) Text() registry.Text { return s.text }

// RecordName is the full name of a record, enum or fixed.
func (s *schema) RecordName() string {
	if s.root.named() {
		return s.root.full()
	}
	return ""
}

// Encoder plans to write data of a Connect schema.
func (s *schema) Encoder(data *record.Schema) (registry.Encoder, error) {
	w := writePlanner{set: &s.set, known: map[writeKey]*writePlan{}}
	p := w.plan(data, s.root, false)
	for _, r := range w.records {
		for i := range r.fields {
			r.fields[i].settle()
		}
	}
	if s.root.kind == bytesKind {
		raw := *p // bytes at the root have no length before them
		switch p.do {
		case writeBytes:
			raw.do = writeRaw
		case writeDecimal:
			raw.do = writeDecimalRaw
		}
		p = &raw
	}
	return encoder{p}, nil
}

type encoder struct{ plan *writePlan }

func (encoder) Index() []int { return nil }

func (e encoder) Append(dst []byte, v record.Value) ([]byte, error) {
	if e.plan.do == writeStruct && v.Kind() == record.Struct && e.plan.branch == nil {
		return e.plan.appendStruct(dst, v.Elements())
	}
	return e.plan.append(dst, v)
}

// Decoder plans to read, as a reader's schema where there is one.
func (s *schema) Decoder(reader registry.Schema, version int, _ []int) (registry.Decoder, error) {
	root := s.root
	if other, ok := reader.(*schema); ok {
		root = other.root
	}
	if root.kind == null && s.root.kind == null {
		return decoder{plan: &readPlan{do: readNull, optional: true}, whole: s.set.Trailing}, nil
	}
	text, err := root.print()
	if err != nil {
		return nil, err
	}
	if text == anythingText {
		if own, err := s.root.print(); err != nil || own != text {
			return nil, fmt.Errorf("schemaless data cannot be read from a schema of another kind")
		}
		return decoder{plan: &readPlan{do: readAnything}, whole: s.set.Trailing}, nil
	}
	data, err := connect(&s.set, root, version)
	if err != nil {
		return nil, err
	}
	p := newReadPlan(&s.set, s.root, root, data)
	if s.root.kind == bytesKind {
		raw := *p
		switch p.do {
		case readBytes:
			raw.do = readRaw
		case readDecimal:
			raw.do = readDecimalRaw
		}
		p = &raw
	}
	return decoder{plan: p, schema: data, whole: s.set.Trailing}, nil
}

type decoder struct {
	plan   *readPlan
	schema *record.Schema
	whole  bool
}

// Read reads a message. Null at the root has no schema either.
func (d decoder) Read(a *record.Arena, src []byte) (record.Datum, error) {
	r := reading{arena: a, src: src}
	v, err := r.value(d.plan)
	switch {
	case err != nil:
		return record.Datum{}, err
	case d.whole && r.pos != len(src):
		return record.Datum{}, fmt.Errorf("%d bytes follow the data", len(src)-r.pos)
	case v.IsNull():
		return record.Datum{}, nil
	}
	return record.Datum{Schema: d.schema, Value: v}, nil
}
