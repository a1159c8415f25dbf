package protobuf

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// readingOf is what a readField makes of bytes.
type readingOf uint8

const (
	readInt32 readingOf = iota + 1
	readUint32
	readInt64
	readSint32
	readSint64
	readBool
	readEnum
	readFixed32
	readFixed64
	readFloat
	readDouble
	readText
	readBytes
	readMessage
	readWrapped // a wrapper, as the scalar in it
	readMap
	readDecimal
	readDate
	readTime
	readTimestamp
)

// messagePlan reads messages of a type into structs of a Connect schema. It is made once and then only read.
type messagePlan struct {
	template []record.Value // what an empty message gives; it is copied, what it refers to is not
	dense    []*readField   // by number
	sparse   map[protowire.Number]*readField
	lists    []*readField
	required []*readField
	absent   []absence
	stateful int  // how many fields need a state while a message is read
	endless  bool // where the unrolling of a type that contains itself ends: there can be no such message
}

// absence is a field that must not be null at the end of a message.
type absence struct {
	to  int
	why error
}

// readField is a field as it comes in a message.
type readField struct {
	number   protowire.Number
	name     string // of the field; of an enum's, that of the enum
	do       readingOf
	wire     protowire.Type // of an element that is not packed
	kind     record.Kind    // of what becomes of it
	to       int            // the struct's field
	member   int            // of the struct for a oneof that stands there; -1: none
	members  int            // how many it has
	others   []int          // fields of the same oneof that are not in a struct of their own
	list     int            // where its state is; -1: it is no list
	required int            // where its state is; -1: it is not required
	packable bool
	strict   bool // strings must be UTF-8
	closed   bool // other numbers than the enum's are as if they were not there
	symbols  map[int32]record.Value
	message  *messagePlan
	inner    *readField // of a wrapper
	def      record.Value
}

// field finds a field by its number.
func (p *messagePlan) field(number protowire.Number) *readField {
	if int(number) < len(p.dense) {
		return p.dense[number]
	}
	return p.sparse[number]
}

// mostDense is the highest number that is found by its place.
const mostDense = 255

type readPlanner struct {
	set   *settings
	known map[readKey]*messagePlan
}

type readKey struct {
	schema  *record.Schema
	message protoreflect.FullName
}

// planReading plans to read a message as data of the Connect schema that was made of it.
func planReading(set *settings, m protoreflect.MessageDescriptor, s *record.Schema) (*decoder, error) {
	r := readPlanner{set: set, known: map[readKey]*messagePlan{}}
	if set.StructForNulls && endless(m, map[protoreflect.FullName]bool{}, map[protoreflect.FullName]bool{}) {
		return nil, plugin.Data("With generate.struct.for.nulls a message has no end whose type, %s, contains itself", m.FullName())
	}
	d := &decoder{schema: s}
	if s.Kind != record.Struct {
		entry, err := record.Build(record.Struct).Field("value", s).Build()
		if err != nil {
			return nil, err
		}
		d.scalar = true
		d.plan, err = r.message(m, entry, true)
		return d, err
	}
	var err error
	d.plan, err = r.message(m, s, false)
	return d, err
}

// message plans a message. With filled every field has a default, as those of a map's entries do.
func (r *readPlanner) message(m protoreflect.MessageDescriptor, s *record.Schema, filled bool) (*messagePlan, error) {
	key := readKey{s, m.FullName()}
	if p, ok := r.known[key]; ok {
		return p, nil
	}
	p := &messagePlan{template: make([]record.Value, len(s.Fields))}
	r.known[key] = p
	if len(s.Fields) == 0 && m.Fields().Len() > 0 {
		p.endless = true
		return p, nil
	}
	for i := range m.Fields().Len() {
		if err := r.add(p, m.Fields().Get(i), s, filled); err != nil {
			return nil, err
		}
	}
	for i := range m.Oneofs().Len() {
		if o := m.Oneofs().Get(i); r.set.FlattenUnions && !o.IsSynthetic() {
			p.exclude(o)
		}
	}
	return p, nil
}

// exclude tells each member of a oneof of the others.
func (p *messagePlan) exclude(o protoreflect.OneofDescriptor) {
	for i := range o.Fields().Len() {
		f := p.field(o.Fields().Get(i).Number())
		for j := range o.Fields().Len() {
			if i != j {
				f.others = append(f.others, p.field(o.Fields().Get(j).Number()).to)
			}
		}
	}
}

func (r *readPlanner) add(p *messagePlan, fd protoreflect.FieldDescriptor, s *record.Schema, filled bool) error {
	f := &readField{number: fd.Number(), name: string(fd.Name()), member: -1, list: -1, required: -1}
	o := realOneof(fd)
	place := s
	if o != nil && !r.set.FlattenUnions {
		f.to = s.Field(unionField(r.set, o))
		place = s.Fields[f.to].Schema
		f.member, f.members = place.Field(string(fd.Name())), len(place.Fields)
	} else {
		f.to = s.Field(string(fd.Name()))
	}
	own := place.Fields[max(f.member, 0)].Schema
	if f.member < 0 {
		own = place.Fields[f.to].Schema
	}
	if err := r.plan(f, fd, own); err != nil {
		return err
	}
	p.put(f)
	if fd.Cardinality() == protoreflect.Repeated {
		f.list = p.stateful
		p.stateful++
		p.lists = append(p.lists, f)
		p.template[f.to] = record.OfArray(nil)
		if f.do == readMap {
			p.template[f.to] = record.OfMap(nil)
		}
		return nil
	}
	if fd.Cardinality() == protoreflect.Required {
		f.required = p.stateful
		p.stateful++
		p.required = append(p.required, f)
	}
	if o == nil && (filled || r.set.StructForNulls || !presence(r.set, fd)) {
		def, err := f.fallback()
		if err != nil {
			p.absent = append(p.absent, absence{f.to, err})
		}
		p.template[f.to] = def
	}
	return nil
}

func (p *messagePlan) put(f *readField) {
	if f.number > mostDense {
		if p.sparse == nil {
			p.sparse = map[protowire.Number]*readField{}
		}
		p.sparse[f.number] = f
		return
	}
	for int(f.number) >= len(p.dense) {
		p.dense = append(p.dense, nil)
	}
	p.dense[f.number] = f
}

// fallback is what stands for a field that is absent, where that is not null.
func (f *readField) fallback() (record.Value, error) {
	switch f.do {
	case readMessage:
		return record.OfStruct(f.message.template), nil
	case readWrapped:
		return f.inner.def, nil
	case readDecimal, readDate, readTime, readTimestamp:
		return f.ofParts(new(record.Arena), &parts{})
	}
	return f.def, nil
}

// plan plans a field, or the elements of a list.
func (r *readPlanner) plan(f *readField, fd protoreflect.FieldDescriptor, s *record.Schema) error {
	if fd.Cardinality() == protoreflect.Repeated && s.Kind == record.Array {
		s = s.Elem
	}
	f.kind = s.Kind
	if fd.Kind() == protoreflect.MessageKind {
		f.wire = protowire.BytesType
		return r.nested(f, fd, s)
	}
	f.strict = fd.ParentFile().Syntax() != protoreflect.Proto2
	f.scalar(fd)
	f.packable = f.wire != protowire.BytesType
	if fd.Cardinality() != protoreflect.Repeated {
		f.setDefault(fd)
	}
	return nil
}

func (r *readPlanner) nested(f *readField, fd protoreflect.FieldDescriptor, s *record.Schema) (err error) {
	m := fd.Message()
	switch {
	case logicalType(s) == string(m.FullName()) && s.Kind != record.Struct:
		f.do = map[string]readingOf{decimalType: readDecimal, dateType: readDate, timeType: readTime, timestampType: readTimestamp}[string(m.FullName())]
	case s.Kind == record.Map:
		f.do = readMap
		entry, err := record.Build(record.Struct).Field("key", s.Key).Field("value", s.Elem).Build()
		if err != nil {
			return err
		}
		f.message, err = r.message(m, entry, true)
		return err
	case s.Kind == record.Struct:
		f.do = readMessage
		f.message, err = r.message(m, s, false)
	default:
		f.do = readWrapped
		f.inner = &readField{number: 1, member: -1, list: -1, required: -1}
		err = r.plan(f.inner, m.Fields().ByNumber(1), s)
	}
	return err
}

// scalar sets how a scalar is read.
func (f *readField) scalar(fd protoreflect.FieldDescriptor) {
	f.wire = protowire.VarintType
	switch fd.Kind() {
	case protoreflect.Int32Kind:
		f.do = readInt32
	case protoreflect.Uint32Kind:
		f.do = readUint32
	case protoreflect.Int64Kind, protoreflect.Uint64Kind:
		f.do = readInt64
	case protoreflect.Sint32Kind:
		f.do = readSint32
	case protoreflect.Sint64Kind:
		f.do = readSint64
	case protoreflect.BoolKind:
		f.do = readBool
	case protoreflect.EnumKind:
		f.setEnum(fd.Enum())
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		f.do, f.wire = readFixed32, protowire.Fixed32Type
	case protoreflect.FloatKind:
		f.do, f.wire = readFloat, protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		f.do, f.wire = readFixed64, protowire.Fixed64Type
	case protoreflect.DoubleKind:
		f.do, f.wire = readDouble, protowire.Fixed64Type
	case protoreflect.StringKind:
		f.do, f.wire = readText, protowire.BytesType
	default:
		f.do, f.wire = readBytes, protowire.BytesType
	}
}

func (f *readField) setEnum(e protoreflect.EnumDescriptor) {
	f.do, f.name, f.closed, f.symbols = readEnum, string(e.Name()), e.IsClosed(), map[int32]record.Value{}
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		n := int32(v.Number())
		if _, ok := f.symbols[n]; ok {
			continue // an alias
		}
		if f.kind == record.Int32 {
			f.symbols[n] = record.OfInt32(n)
		} else {
			f.symbols[n] = record.OfString(string(v.Name()))
		}
	}
}

// setDefault sets what a field has that is absent and not null.
func (f *readField) setDefault(fd protoreflect.FieldDescriptor) {
	d := fd.Default()
	switch f.do {
	case readBool:
		f.def = record.OfBool(d.Bool())
	case readEnum:
		f.def = f.enum(int32(d.Enum()))
	case readFloat:
		f.def = record.OfFloat32(float32(d.Float()))
	case readDouble:
		f.def = record.OfFloat64(d.Float())
	case readText:
		f.def = record.OfString(d.String())
	case readBytes:
		f.def = record.OfBytes(slices.Clone(d.Bytes()))
	default:
		var n int64
		switch fd.Kind() {
		case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
			n = int64(d.Uint())
		default:
			n = d.Int()
		}
		if f.kind == record.Int64 {
			f.def = record.OfInt64(n)
		} else {
			f.def = f.ofInt32(int32(n))
		}
	}
}
