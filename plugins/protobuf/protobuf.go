package protobuf

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry"
)

// Version is that of the Schema Registry whose converter this one follows.
const Version = "8.0.0"

// settings are those of ProtobufDataConfig.
type settings struct {
	Enhanced       bool `cfg:"enhanced.protobuf.schema.support" doc:"Keep the packages of names."`
	Scrub          bool `cfg:"scrub.invalid.names" doc:"Replace what Protobuf does not take in a name."`
	IntEnums       bool `cfg:"int.for.enums" doc:"Read enums as numbers, not as symbols."`
	Optional       bool `cfg:"optional.for.nullables" doc:"Write optional fields with the label optional, and take only fields with it for optional."`
	Proto2         bool `cfg:"optional.for.proto2" doc:"Read optional fields of proto2 that are absent as null, not as their default."`
	Wrapper        bool `cfg:"wrapper.for.nullables" doc:"Write optional scalars as wrapper messages, and read those as optional scalars."`
	RawWrapper     bool `cfg:"wrapper.for.raw.primitives" doc:"Read a message that is a wrapper as the scalar in it."`
	StructForNulls bool `cfg:"generate.struct.for.nulls" doc:"Read absent messages as messages of defaults."`
	UnionIndex     bool `cfg:"generate.index.for.unions" importance:"low" doc:"End the names of fields that stand for a oneof with its index."`
	FlattenUnions  bool `cfg:"flatten.unions" importance:"low" doc:"Read the members of a oneof as fields of the message."`
	General        bool `cfg:"generalized.sum.type.support" doc:"Keep enums and unions in the form that all converters share."`
	IgnoreDefault  bool `cfg:"ignore.default.for.nullables" doc:"Write nothing where a field is null, not its default."`
	Cache          int  `cfg:"schemas.cache.config" importance:"low" min:"1" doc:"How many schemas to remember."`
}

func defaults() settings {
	return settings{Proto2: true, RawWrapper: true, UnionIndex: true, Cache: 1000}
}

// references are settings of the serializer about what a schema imports. The schemas that are written here import nothing but
// types that every reader knows, so two of them have nothing to work on, and the third only its default.
type references struct {
	SkipKnown  bool   `cfg:"skip.known.types" importance:"low" doc:"Only true; the types of google/protobuf, google/type and confluent are not registered."`
	LookupOnly bool   `cfg:"reference.lookup.only" importance:"low" doc:"About references; schemas that are written here have none."`
	Naming     string `cfg:"reference.subject.name.strategy" importance:"low" doc:"About references; schemas that are written here have none."`
}

func permitted() references {
	return references{SkipKnown: true, Naming: "io.confluent.kafka.serializers.subject.DefaultReferenceSubjectNameStrategy"}
}

// Descriptor describes the converter.
func Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "protobuf", Class: "io.confluent.connect.protobuf.ProtobufConverter", Version: Version,
		Doc:          "Protobuf, with schemas in a schema registry.",
		Spec:         registry.Spec(defaults(), permitted()),
		Uses:         plugin.DataOnly,
		NewConverter: func() plugin.Converter { return new(converter) },
	}
}

// converter is io.confluent.connect.protobuf.ProtobufConverter.
type converter struct{ registry.Converter }

// Configure reads the settings.
func (c *converter) Configure(config plugin.Config, use plugin.Use) error {
	f := format{set: defaults()}
	if err := plugin.Decode(config, &f.set); err != nil {
		return err
	}
	only := permitted()
	if err := plugin.Decode(config, &only); err != nil {
		return err
	}
	if !only.SkipKnown {
		return plugin.Invalid("skip.known.types", "false", "types that every registry knows are not registered as references here")
	}
	return c.Setup(&f, config, use)
}

// format is Protobuf for the registry's converter.
type format struct{ set settings }

// Words are those of ProtobufConverter.
func (*format) Words() registry.Words {
	return registry.Words{
		Type: sr.TypeProtobuf, Name: "Protobuf", Indexed: true,
		Write: "Failed to serialize Protobuf data from topic %s:", Read: "Failed to deserialize data for topic %s to Protobuf:",
	}
}

// Null says that null is the null message, whatever its schema.
func (*format) Null(*record.Schema) (bool, error) { return false, nil }

// Derive makes the file for a Connect schema, compiles it, and so knows that others can.
func (f *format) Derive(s *record.Schema) (registry.Schema, error) {
	text, name, err := derive(&f.set, s)
	if err != nil {
		return nil, err
	}
	t := registry.Text{Schema: text}
	compiled, err := compile(t)
	if err != nil {
		return nil, &plugin.DataError{Reason: "Invalid protobuf schema definition: " + err.Error(), Err: err}
	}
	m := compiled.message(name)
	if m == nil {
		return nil, plugin.Data("Invalid protobuf schema definition: no message %s", name)
	}
	return &schema{f, compiled, m, t}, nil
}

// Parse compiles a registered file with those that it imports.
func (f *format) Parse(t registry.Text) (registry.Schema, error) {
	compiled, err := compile(t)
	if err != nil {
		return nil, fmt.Errorf("parse the schema: %w", err)
	}
	first, err := compiled.at(nil)
	if err != nil {
		return nil, fmt.Errorf("the schema has no message: %w", err)
	}
	return &schema{f, compiled, first, t}, nil
}

// schema is a file with one of its messages.
type schema struct {
	*format
	file    *file
	message protoreflect.MessageDescriptor
	text    registry.Text
}

func (s *schema) Text() registry.Text { return s.text }

// RecordName is the full name of the message.
func (s *schema) RecordName() string { return string(s.message.FullName()) }

// Message is the schema of another message of the file.
func (s *schema) Message(index []int) (registry.Schema, error) {
	m, err := s.file.at(index)
	if err != nil {
		return nil, err
	}
	return &schema{s.format, s.file, m, s.text}, nil
}

// Encoder plans to write data of a Connect schema. As Confluent's serializer does, it writes the message that Derive makes
// of that schema, and takes from this one only where the message of that name stands.
func (s *schema) Encoder(data *record.Schema) (registry.Encoder, error) {
	own, err := s.Derive(data)
	if err != nil {
		return nil, err
	}
	m := own.(*schema).message //nolint:forcetypeassert // what Derive makes
	p, err := planWriting(&s.set, data, m)
	if err != nil {
		return nil, err
	}
	return &encoder{p, s.file.index(m.FullName())}, nil
}

type encoder struct {
	plan  *writePlan
	index []int
}

func (e *encoder) Index() []int { return e.index }

func (e *encoder) Append(dst []byte, v record.Value) ([]byte, error) {
	return e.plan.appendRoot(dst, v)
}

// Decoder plans to read the message at an index, or the one of its name in a reader's file.
func (s *schema) Decoder(reader registry.Schema, version int, index []int) (registry.Decoder, error) {
	m, err := s.file.at(index)
	if err != nil {
		return nil, err
	}
	if other, ok := reader.(*schema); ok {
		if found := other.file.message(m.FullName()); found != nil {
			m = found
		} else {
			m = other.message
		}
	}
	data, err := connect(&s.set, m, version)
	if err != nil {
		return nil, err
	}
	return planReading(&s.set, m, data)
}
