package protobuf

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// connector makes a Connect schema of a message (ProtobufData.toConnectSchema).
type connector struct {
	set *settings

	root     protoreflect.FullName
	version  int  // of the root
	rootUsed bool // the root is also the type of a field

	// What ProtobufData's builders carry from a type's first use to the next ones.
	first map[protoreflect.FullName]firstUse

	open   map[protoreflect.FullName]int // how often a type is on the way to here
	levels int                           // how often it may be
	left   int                           // how many schemas may still be made
}

// firstUse is what later uses of a message's schema get from the first one: the number of its field.
type firstUse struct{ tag string }

// Bounds of a Connect schema. A type that contains itself is unrolled as far as they allow.
const (
	mostSchemas  = 100_000
	mostUnrolled = 4096
	mostLevels   = 32
)

var errSize = fmt.Errorf("the schema comes to more than %d Connect schemas", mostSchemas)

// connect makes the Connect schema of a message; version is that under the subject, 0 for none. With types that contain
// themselves it takes the deepest unrolling that fits.
func connect(set *settings, m protoreflect.MessageDescriptor, version int) (*record.Schema, error) {
	levels := 1
	if endless(m, map[protoreflect.FullName]bool{}, map[protoreflect.FullName]bool{}) {
		levels = mostLevels
	}
	used := usedWithin(m)
	for ; ; levels /= 2 {
		c := connector{
			set: set, root: m.FullName(), version: version, rootUsed: used,
			first: map[protoreflect.FullName]firstUse{m.FullName(): {}},
			open:  map[protoreflect.FullName]int{}, levels: levels, left: mostSchemas,
		}
		if levels > 1 {
			c.left = mostUnrolled
		}
		s, err := c.rootSchema(m)
		if !errors.Is(err, errSize) || levels <= 1 {
			return s, err
		}
	}
}

// endless says whether a type leads back to itself, or to one that does.
func endless(m protoreflect.MessageDescriptor, open, ended map[protoreflect.FullName]bool) bool {
	name := m.FullName()
	if open[name] {
		return true
	}
	if ended[name] {
		return false
	}
	open[name] = true
	for i := range m.Fields().Len() {
		if inner := m.Fields().Get(i).Message(); inner != nil && endless(inner, open, ended) {
			return true
		}
	}
	delete(open, name)
	ended[name] = true
	return false
}

// usedWithin says whether a message is the type of a field within itself.
func usedWithin(root protoreflect.MessageDescriptor) bool {
	seen := map[protoreflect.FullName]bool{}
	var walk func(m protoreflect.MessageDescriptor) bool
	walk = func(m protoreflect.MessageDescriptor) bool {
		if seen[m.FullName()] {
			return false
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			if inner := m.Fields().Get(i).Message(); inner != nil && (inner.FullName() == root.FullName() || walk(inner)) {
				return true
			}
		}
		return false
	}
	return walk(root)
}

func build(b *record.Builder) (*record.Schema, error) {
	s, err := b.Build()
	if err != nil {
		return nil, &plugin.DataError{Reason: err.Error()}
	}
	return s, nil
}

func (c *connector) rootSchema(m protoreflect.MessageDescriptor) (*record.Schema, error) {
	if kind, ok := unwrapped(m); ok && c.set.RawWrapper {
		b := record.Build(kind)
		if c.version > 0 {
			b.Versioned(c.version)
		}
		return build(b)
	}
	b, err := c.structure(m)
	if err != nil {
		return nil, err
	}
	if c.rootUsed {
		b.Optional() // the one builder serves all uses in ProtobufData, and fields of messages are optional
	}
	return build(b)
}

// unwrapped is the kind of what a wrapper holds.
func unwrapped(m protoreflect.MessageDescriptor) (record.Kind, bool) {
	switch m.FullName() {
	case wrapperPrefix + "DoubleValue":
		return record.Float64, true
	case wrapperPrefix + "FloatValue":
		return record.Float32, true
	case wrapperPrefix + "Int64Value", wrapperPrefix + "UInt64Value", wrapperPrefix + "UInt32Value":
		return record.Int64, true
	case wrapperPrefix + "Int32Value":
		return record.Int32, true
	case wrapperPrefix + "BoolValue":
		return record.Boolean, true
	case wrapperPrefix + "StringValue":
		return record.String, true
	case wrapperPrefix + "BytesValue":
		return record.Bytes, true
	}
	return record.Null, false
}

// structure begins the schema of a message: oneofs first, then the fields that are in none.
func (c *connector) structure(m protoreflect.MessageDescriptor) (*record.Builder, error) {
	name := m.FullName()
	b := record.Build(record.Struct).Named(c.nameOf(m))
	if name == c.root && c.version > 0 {
		b.Versioned(c.version)
	}
	if c.left--; c.left < 0 {
		return nil, errSize
	}
	if c.open[name] == c.levels {
		return b, nil // where unrolling ends: a struct without fields, of which there can be none
	}
	c.open[name]++
	defer func() { c.open[name]-- }()
	for i := range m.Oneofs().Len() {
		if o := m.Oneofs().Get(i); !o.IsSynthetic() {
			if err := c.oneof(b, o); err != nil {
				return nil, err
			}
		}
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if realOneof(f) != nil {
			continue
		}
		s, err := c.field(f, false)
		if err != nil {
			return nil, err
		}
		b.Field(string(f.Name()), s)
	}
	return b, nil
}

// nameOf is the name that a schema gets of a type's.
func (c *connector) nameOf(d protoreflect.Descriptor) string {
	if c.set.Enhanced {
		return string(d.FullName())
	}
	return string(d.Name())
}

// realOneof is the oneof that a field stands in, nil for the one that proto3's optional makes.
func realOneof(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o
	}
	return nil
}

func (c *connector) oneof(b *record.Builder, o protoreflect.OneofDescriptor) error {
	into := b
	if !c.set.FlattenUnions {
		into = record.Build(record.Struct).Optional()
		if c.set.General {
			into.Named(string(o.Name())).Param(generalUnion, string(o.Name()))
		} else {
			into.Named(unionName + "." + c.nameOf(o))
		}
	}
	for i := range o.Fields().Len() {
		f := o.Fields().Get(i)
		s, err := c.field(f, true)
		if err != nil {
			return err
		}
		into.Field(string(f.Name()), s)
	}
	if c.set.FlattenUnions {
		return nil
	}
	s, err := build(into)
	if err == nil {
		b.Field(unionField(c.set, o), s)
	}
	return err
}

// unionField is the name of the field that stands for a oneof.
func unionField(set *settings, o protoreflect.OneofDescriptor) string {
	if set.UnionIndex {
		return string(o.Name()) + "_" + strconv.Itoa(o.Index())
	}
	return string(o.Name())
}

// field makes the schema of a field.
func (c *connector) field(f protoreflect.FieldDescriptor, member bool) (*record.Schema, error) {
	if c.left--; c.left < 0 {
		return nil, errSize
	}
	b, err := c.element(f)
	if err != nil {
		return nil, err
	}
	if f.Cardinality() == protoreflect.Repeated && !isMap(f) {
		elem, err := build(b.Optional())
		if err != nil {
			return nil, err
		}
		b = record.BuildArray(elem).Optional()
	}
	switch {
	case member:
		b.Optional()
		if _, ok := wrapperOfField(f); ok && c.set.Wrapper {
			b.Param(wrapperParam, "true")
		}
	case c.set.Optional:
		if hasOptionalKeyword(f) {
			b.Optional()
		}
	case !c.set.Wrapper:
		b.Optional()
	}
	return build(b.Param(tagParam, strconv.Itoa(int(f.Number()))))
}

func wrapperOfField(f protoreflect.FieldDescriptor) (record.Kind, bool) {
	if f.Message() == nil {
		return record.Null, false
	}
	return unwrapped(f.Message())
}

// hasOptionalKeyword says whether a field has the label optional.
func hasOptionalKeyword(f protoreflect.FieldDescriptor) bool {
	return f.HasOptionalKeyword() && (f.ParentFile().Syntax() == protoreflect.Proto3 || f.ContainingOneof() == nil)
}

// isMap says whether a repeated message is a map: by its name and fields, since Confluent's own converter writes entries
// that are not marked as such.
func isMap(f protoreflect.FieldDescriptor) bool {
	m := f.Message()
	if f.Cardinality() != protoreflect.Repeated || m == nil || m.Fields().Len() != 2 {
		return false
	}
	key, value := m.Fields().Get(0), m.Fields().Get(1)
	name := string(m.Name())
	return len(name) >= len(entrySuffix) && name[len(name)-len(entrySuffix):] == entrySuffix && key.Name() == "key" && value.Name() == "value" &&
		key.Cardinality() != protoreflect.Repeated && value.Cardinality() != protoreflect.Repeated
}

// element begins the schema of a field, or of its elements.
func (c *connector) element(f protoreflect.FieldDescriptor) (*record.Builder, error) {
	switch f.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		switch fieldParams(f)[connectType] {
		case "int8":
			return record.Build(record.Int8), nil
		case "int16":
			return record.Build(record.Int16), nil
		}
		return typed(record.Build(record.Int32), f, protoreflect.Int32Kind), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Int64Kind, protoreflect.Uint64Kind,
		protoreflect.Sint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return typed(record.Build(record.Int64), f, protoreflect.Int64Kind), nil
	case protoreflect.FloatKind:
		return record.Build(record.Float32), nil
	case protoreflect.DoubleKind:
		return record.Build(record.Float64), nil
	case protoreflect.BoolKind:
		return record.Build(record.Boolean), nil
	case protoreflect.StringKind:
		return record.Build(record.String), nil
	case protoreflect.BytesKind:
		return record.Build(record.Bytes), nil
	case protoreflect.EnumKind:
		return c.enum(f.Enum()), nil
	case protoreflect.MessageKind:
		return c.message(f)
	}
	return nil, plugin.Data("Unknown Connect schema type: GROUP")
}

// typed notes the type of a number that is not the usual one of its kind.
func typed(b *record.Builder, f protoreflect.FieldDescriptor, usual protoreflect.Kind) *record.Builder {
	if f.Kind() != usual {
		b.Param(typeParam, f.Kind().String())
	}
	return b
}

func (c *connector) enum(e protoreflect.EnumDescriptor) *record.Builder {
	b := record.Build(record.String)
	if c.set.IntEnums {
		b = record.Build(record.Int32)
	}
	key := enumKey(c.set)
	b.Named(c.nameOf(e)).Optional().Param(key, string(e.Name()))
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		b.Param(key+"."+string(v.Name()), strconv.Itoa(int(v.Number())))
	}
	return b
}

func (c *connector) message(f protoreflect.FieldDescriptor) (*record.Builder, error) {
	b, err := c.messageBuilder(f)
	if err != nil {
		return nil, err
	}
	return b.Optional(), nil
}

func (c *connector) messageBuilder(f protoreflect.FieldDescriptor) (*record.Builder, error) {
	m := f.Message()
	switch m.FullName() {
	case decimalType:
		params := fieldParams(f)
		scale, err := strconv.ParseInt(params["scale"], 10, 32)
		if err != nil {
			scale = 0
		}
		b := record.Build(record.Bytes).Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, strconv.Itoa(int(scale)))
		if digits, err := strconv.ParseInt(params["precision"], 10, 32); err == nil {
			b.Param(precision, strconv.Itoa(int(digits)))
		}
		return b, nil
	case dateType:
		return record.Build(record.Int32).Named(record.DateName).Versioned(1), nil
	case timeType:
		return record.Build(record.Int32).Named(record.TimeName).Versioned(1), nil
	case timestampType:
		return record.Build(record.Int64).Named(record.TimestampName).Versioned(1), nil
	}
	if kind, ok := unwrapped(m); ok && c.set.Wrapper {
		return record.Build(kind), nil
	}
	if isMap(f) {
		return c.mapping(m)
	}
	use, again := c.first[m.FullName()]
	if !again {
		if f.Cardinality() != protoreflect.Repeated {
			use.tag = strconv.Itoa(int(f.Number()))
		}
		c.first[m.FullName()] = use
	}
	b, err := c.structure(m)
	if err == nil && again && use.tag != "" {
		b.Param(tagParam, use.tag)
	}
	return b, err
}

func (c *connector) mapping(entry protoreflect.MessageDescriptor) (*record.Builder, error) {
	key, err := c.field(entry.Fields().Get(0), false)
	if err != nil {
		return nil, err
	}
	value, err := c.field(entry.Fields().Get(1), false)
	if err != nil {
		return nil, err
	}
	return record.BuildMap(key, value).Named(mapField(c.nameOf(entry))), nil
}

// presence says whether an absent field is null in Connect: messages, and fields with the label optional.
func presence(set *settings, f protoreflect.FieldDescriptor) bool {
	switch {
	case f.Cardinality() == protoreflect.Repeated:
		return false
	case f.Kind() == protoreflect.MessageKind:
		return true
	case protodesc.ToFieldDescriptorProto(f).GetProto3Optional():
		return true
	}
	return set.Proto2 && hasOptionalKeyword(f)
}
