package protobuf

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// writing is what a writePlan makes of a value.
type writing uint8

const (
	writeInt32 writing = iota + 1 // negative numbers take ten bytes
	writeUint32
	writeInt64
	writeSint32
	writeSint64
	writeFixed32
	writeFixed64
	writeFloat
	writeDouble
	writeBool
	writeText
	writeBytes
	writeSymbol // an enum of a String
	writeNumber // an enum of an Int32
	writeMessage
	writeWrapped
	writeList
	writeMap
	writeDecimal
	writeDate
	writeTime
	writeTimestamp
)

// writePlan writes values of a Connect schema as a type of Protobuf. It is made once and then only read.
type writePlan struct {
	do      writing
	kind    record.Kind // that values must have
	schema  *record.Schema
	tag     []byte // before a value; of a list before each element, or before all that are packed
	present bool   // a value is written even if it is the default
	packed  bool
	def     record.Value // stands for null
	fields  []writeField // of a message, by their numbers
	unions  []int        // of a message: the places of the structs that stand for oneofs
	symbols map[string]int32
	numbers map[int32]bool
	key     *writePlan
	elem    *writePlan // of a list, a map or a wrapper
}

// writeField is a field of a message.
type writeField struct {
	plan   *writePlan
	number protoreflect.FieldNumber
	from   int // the struct's field
	member int // of the union that stands there; -1: it is no union
}

// planWriting plans to write data of a Connect schema as a message.
func planWriting(set *settings, s *record.Schema, m protoreflect.MessageDescriptor) (*writePlan, error) {
	w := writePlanner{set: set, known: map[writeKey]*writePlan{}}
	if s.Kind == record.Struct {
		return w.message(s, m)
	}
	// What is no struct goes into a wrapper, whatever the settings say.
	f := m.Fields().ByName("value")
	if f == nil {
		return nil, plugin.Data("Unsupported root schema of type %s", s.Kind)
	}
	inner := &writePlan{schema: s, kind: s.Kind}
	if err := w.scalar(inner, s, f.Kind()); err != nil {
		return nil, err
	}
	inner.tag = tag(f.Number(), inner.do)
	return &writePlan{do: writeWrapped, kind: s.Kind, schema: s, elem: inner}, nil
}

type writePlanner struct {
	set   *settings
	known map[writeKey]*writePlan
}

type writeKey struct {
	schema  *record.Schema
	message protoreflect.FullName
}

// tag is the tag of a field.
func tag(number protoreflect.FieldNumber, do writing) []byte {
	typ := protowire.BytesType
	switch {
	case do <= writeSint64 || do == writeBool || do == writeSymbol || do == writeNumber:
		typ = protowire.VarintType
	case do == writeFixed32 || do == writeFloat:
		typ = protowire.Fixed32Type
	case do == writeFixed64 || do == writeDouble:
		typ = protowire.Fixed64Type
	}
	return protowire.AppendTag(nil, number, typ)
}

func (w *writePlanner) message(s *record.Schema, m protoreflect.MessageDescriptor) (*writePlan, error) {
	key := writeKey{s, m.FullName()}
	if p, ok := w.known[key]; ok {
		return p, nil
	}
	p := &writePlan{do: writeMessage, kind: record.Struct, schema: s}
	w.known[key] = p
	for i := range s.Fields {
		f := &s.Fields[i]
		if !isUnion(f.Schema) {
			if err := w.member(p, m, f, i, -1); err != nil {
				return nil, err
			}
			continue
		}
		p.unions = append(p.unions, i)
		for j := range f.Schema.Fields {
			if err := w.member(p, m, &f.Schema.Fields[j], i, j); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(p.fields, func(a, b writeField) int { return int(a.number) - int(b.number) })
	return p, nil
}

func (w *writePlanner) member(p *writePlan, m protoreflect.MessageDescriptor, f *record.Field, from, member int) error {
	name := f.Name
	if w.set.Scrub {
		name = scrub(name)
	}
	fd := m.Fields().ByName(protoreflect.Name(name))
	if fd == nil {
		return plugin.Data("Cannot find field with name %s", name)
	}
	plan, err := w.field(f.Schema, fd, member >= 0)
	if err != nil {
		return err
	}
	p.fields = append(p.fields, writeField{plan: plan, number: fd.Number(), from: from, member: member})
	return nil
}

// field plans a field with its tag.
func (w *writePlanner) field(s *record.Schema, f protoreflect.FieldDescriptor, member bool) (*writePlan, error) {
	var p writePlan
	switch s.Kind {
	case record.Array:
		elem, err := w.value(s.Elem, f, false)
		if err != nil {
			return nil, err
		}
		p = writePlan{do: writeList, elem: elem, packed: elem.do <= writeBool || elem.do == writeSymbol || elem.do == writeNumber}
		p.tag = tag(f.Number(), elem.do)
		if p.packed {
			p.tag = tag(f.Number(), writeBytes)
		}
	case record.Map:
		key, value := f.Message().Fields().ByName("key"), f.Message().Fields().ByName("value")
		if key == nil || value == nil {
			return nil, plugin.Data("%s has no key and value", f.Message().FullName())
		}
		var err error
		p.do = writeMap
		if p.key, err = w.field(s.Key, key, false); err != nil {
			return nil, err
		}
		if p.elem, err = w.field(s.Elem, value, false); err != nil {
			return nil, err
		}
		p.tag = tag(f.Number(), writeBytes)
	default:
		v, err := w.value(s, f, member)
		if err != nil {
			return nil, err
		}
		p = *v
		p.tag = tag(f.Number(), p.do)
	}
	p.schema, p.kind, p.present = s, s.Kind, f.HasPresence()
	if s.HasDefault && !w.set.IgnoreDefault {
		p.def = s.Default
	}
	return &p, nil
}

// value plans a value without its tag.
func (w *writePlanner) value(s *record.Schema, f protoreflect.FieldDescriptor, member bool) (*writePlan, error) {
	p := &writePlan{schema: s, kind: s.Kind}
	if t := logicalType(s); t != "" {
		p.do = map[string]writing{decimalType: writeDecimal, dateType: writeDate, timeType: writeTime, timestampType: writeTimestamp}[t]
		if f.Message() == nil || string(f.Message().FullName()) != t {
			return nil, plugin.Data("the field %s is no %s", f.FullName(), t)
		}
		return p, nil
	}
	switch {
	case s.Kind == record.Struct:
		if f.Message() == nil {
			return nil, plugin.Data("the field %s is no message", f.FullName())
		}
		return w.message(s, f.Message())
	case f.Enum() != nil:
		return p, w.enum(p, s, f.Enum())
	case f.Message() != nil:
		inner := f.Message().Fields().ByName("value")
		if _, ok := unwrapped(f.Message()); !ok || !wraps(w.set, s, member) || inner == nil {
			return nil, plugin.Data("Invalid type for %s: the field %s is a message", s.Kind, f.FullName())
		}
		p.do, p.elem = writeWrapped, &writePlan{schema: s, kind: s.Kind}
		kind := inner.Kind()
		if kind == protoreflect.Uint32Kind {
			kind = protoreflect.Int32Kind // ProtobufData puts an Int32Value there
		}
		if err := w.scalar(p.elem, s, kind); err != nil {
			return nil, err
		}
		p.elem.tag = tag(inner.Number(), p.elem.do)
		return p, nil
	}
	return p, w.scalar(p, s, f.Kind())
}

func (w *writePlanner) enum(p *writePlan, s *record.Schema, e protoreflect.EnumDescriptor) error {
	switch s.Kind {
	case record.Int32:
		p.do, p.numbers = writeNumber, map[int32]bool{}
		for i := range e.Values().Len() {
			p.numbers[int32(e.Values().Get(i).Number())] = true
		}
	case record.String:
		p.do, p.symbols = writeSymbol, map[string]int32{}
		for _, param := range s.Params {
			symbol, ok := strings.CutPrefix(param.Key, enumKey(w.set)+".")
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(param.Value, 10, 32)
			if err != nil {
				return plugin.Data("the number of the symbol %s of the enum %s is none", symbol, e.Name())
			}
			p.symbols[symbol] = int32(n)
		}
	default:
		return plugin.Data("Invalid type for %s: the field's type is the enum %s", s.Kind, e.FullName())
	}
	return nil
}

// scalar plans a scalar as a kind of Protobuf.
func (w *writePlanner) scalar(p *writePlan, s *record.Schema, kind protoreflect.Kind) error {
	switch kind {
	case protoreflect.Int32Kind:
		p.do = writeInt32
	case protoreflect.Uint32Kind:
		p.do = writeUint32
	case protoreflect.Int64Kind, protoreflect.Uint64Kind:
		p.do = writeInt64
	case protoreflect.Sint32Kind:
		p.do = writeSint32
	case protoreflect.Sint64Kind:
		p.do = writeSint64
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		p.do = writeFixed32
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		p.do = writeFixed64
	case protoreflect.FloatKind:
		p.do = writeFloat
	case protoreflect.DoubleKind:
		p.do = writeDouble
	case protoreflect.BoolKind:
		p.do = writeBool
	case protoreflect.StringKind:
		p.do = writeText
	case protoreflect.BytesKind:
		p.do = writeBytes
	}
	if !p.takes(s.Kind) {
		return plugin.Data("Invalid type for %s: the field's type is %s", s.Kind, kind)
	}
	return nil
}

func (p *writePlan) takes(k record.Kind) bool {
	switch {
	case k >= record.Int8 && k <= record.Int64:
		return p.do >= writeInt32 && p.do <= writeFixed64
	case k == record.Float32:
		return p.do == writeFloat
	case k == record.Float64:
		return p.do == writeDouble
	case k == record.Boolean:
		return p.do == writeBool
	case k == record.String:
		return p.do == writeText
	}
	return k == record.Bytes && p.do == writeBytes
}

// appendRoot writes a message without a length before it.
func (p *writePlan) appendRoot(dst []byte, v record.Value) ([]byte, error) {
	if v.Kind() != p.kind {
		return nil, p.mismatch(v.Kind())
	}
	if p.do == writeWrapped {
		return p.elem.append(dst, v)
	}
	return p.appendStruct(dst, v.Elements())
}

func (p *writePlan) mismatch(k record.Kind) error {
	return plugin.Data("Invalid type for %s: class %s", p.schema.Kind, k.JavaClass())
}

func (p *writePlan) appendStruct(dst []byte, values []record.Value) ([]byte, error) {
	if len(values) != len(p.schema.Fields) {
		return nil, plugin.Data("Mismatching struct schema")
	}
	for _, at := range p.unions {
		if err := p.checkUnion(at, values[at]); err != nil {
			return nil, err
		}
	}
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		v := values[f.from]
		q := f.plan
		if f.member >= 0 {
			if v = p.chosen(f, v); v.IsNull() {
				continue
			}
		}
		k := v.Kind()
		switch { // what most fields are, without a call
		case k == record.String && q.do == writeText && !q.present:
			if text := v.Text(); text != "" {
				dst = appendText(append(dst, q.tag...), text)
			}
		case k == q.kind && q.do == writeInt32 && !q.present || k == q.kind && q.do == writeInt64 && !q.present:
			if n := v.Int(); n != 0 {
				dst = protowire.AppendVarint(append(dst, q.tag...), uint64(n))
			}
		default:
			if dst, err = q.append(dst, v); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// checkUnion wants a member that is not null in the struct that stands for a oneof.
func (p *writePlan) checkUnion(at int, v record.Value) error {
	if v.IsNull() {
		return nil
	}
	fields := p.schema.Fields[at].Schema.Fields
	if v.Kind() != record.Struct {
		return plugin.Data("Invalid type for %s: class %s", record.Struct, v.Kind().JavaClass())
	}
	members := v.Elements()
	if len(members) != len(fields) {
		return plugin.Data("Mismatching struct schema")
	}
	for i := range p.fields {
		if f := &p.fields[i]; f.from == at && (!members[f.member].IsNull() || !f.plan.def.IsNull()) {
			return nil
		}
	}
	return plugin.Data("Cannot find non-null field")
}

// chosen is the value of a member if it is the first one that is not null.
func (p *writePlan) chosen(f *writeField, union record.Value) record.Value {
	if union.IsNull() {
		return record.Value{}
	}
	members := union.Elements()
	for i := range f.member {
		if !members[i].IsNull() {
			return record.Value{}
		}
	}
	v := members[f.member]
	if v.IsNull() {
		return f.plan.def
	}
	return v
}

// append writes a field with its tag, or nothing where that means the same.
func (p *writePlan) append(dst []byte, v record.Value) ([]byte, error) {
	k := v.Kind()
	if k == record.Null {
		if v = p.def; v.IsNull() {
			return dst, nil
		}
		k = v.Kind()
	}
	if k != p.kind && p.do < writeDecimal {
		return nil, p.mismatch(k)
	}
	switch p.do {
	case writeList:
		return p.appendList(dst, v.Elements())
	case writeMap:
		return p.appendMap(dst, v.Elements())
	case writeSymbol:
		n, ok := p.symbols[v.Text()]
		if !ok {
			return nil, plugin.Data("a value is none of the symbols of the enum %s", p.schema.Name)
		}
		return p.appendNumber(dst, n), nil
	case writeNumber:
		if n := int32(v.Int()); p.numbers[n] {
			return p.appendNumber(dst, n), nil
		}
		return dst, nil // a number that the enum does not have is no value for ProtobufData
	}
	if !p.present && p.do <= writeBytes && p.isDefault(v) {
		return dst, nil
	}
	return p.appendValue(append(dst, p.tag...), v)
}

func (p *writePlan) appendNumber(dst []byte, n int32) []byte {
	if n == 0 && !p.present {
		return dst
	}
	return protowire.AppendVarint(append(dst, p.tag...), uint64(n))
}

func (p *writePlan) isDefault(v record.Value) bool {
	switch p.do {
	case writeFloat:
		return math.Float32bits(v.Float32()) == 0
	case writeDouble:
		return math.Float64bits(v.Float()) == 0
	case writeBool:
		return !v.Bool()
	case writeText:
		return v.Text() == ""
	case writeBytes:
		return len(v.Bytes()) == 0
	case writeInt32, writeUint32, writeSint32, writeFixed32:
		return int32(v.Int()) == 0
	}
	return v.Int() == 0
}

// appendValue writes a value without its tag, with a length before it where the type has one.
func (p *writePlan) appendValue(dst []byte, v record.Value) ([]byte, error) {
	switch p.do {
	case writeText:
		return appendText(dst, v.Text()), nil
	case writeBytes:
		return protowire.AppendBytes(dst, v.Bytes()), nil
	case writeMessage, writeWrapped, writeDecimal, writeDate, writeTime, writeTimestamp:
		return p.appendMessage(dst, v)
	}
	return p.appendScalar(dst, v), nil
}

func (p *writePlan) appendScalar(dst []byte, v record.Value) []byte {
	switch p.do {
	case writeFloat:
		return protowire.AppendFixed32(dst, math.Float32bits(v.Float32()))
	case writeDouble:
		return protowire.AppendFixed64(dst, math.Float64bits(v.Float()))
	case writeBool:
		return protowire.AppendVarint(dst, protowire.EncodeBool(v.Bool()))
	}
	n := v.Int()
	switch p.do {
	case writeInt32:
		return protowire.AppendVarint(dst, uint64(int32(n)))
	case writeUint32:
		return protowire.AppendVarint(dst, uint64(uint32(n)))
	case writeSint32:
		return protowire.AppendVarint(dst, uint64(uint32(int32(n)<<1)^uint32(int32(n)>>31)))
	case writeSint64:
		return protowire.AppendVarint(dst, protowire.EncodeZigZag(n))
	case writeFixed32:
		return protowire.AppendFixed32(dst, uint32(n))
	case writeFixed64:
		return protowire.AppendFixed64(dst, uint64(n))
	}
	return protowire.AppendVarint(dst, uint64(n))
}

// appendMessage writes a message with its length, which is known afterwards.
func (p *writePlan) appendMessage(dst []byte, v record.Value) (_ []byte, err error) {
	at := len(dst)
	dst = append(dst, 0)
	switch p.do {
	case writeMessage:
		dst, err = p.appendStruct(dst, v.Elements())
	case writeWrapped:
		dst, err = p.elem.append(dst, v)
	case writeDecimal:
		dst, err = appendDecimal(dst, v)
	default:
		if v.Kind() != record.Instant {
			return nil, plugin.Data("Invalid type for %s, expected Date but was class %s", simpleName(p.schema.Name), v.Kind().JavaClass())
		}
		switch n := v.Int(); p.do {
		case writeDate:
			dst, err = appendDate(dst, n)
		case writeTime:
			dst, err = appendTime(dst, n)
		default:
			dst, err = appendTimestamp(dst, n)
		}
	}
	if err != nil {
		return nil, err
	}
	return sized(dst, at), nil
}

func simpleName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// sized puts the length of what follows the byte at a place there, and makes room if it takes more.
func sized(dst []byte, at int) []byte {
	n := len(dst) - at - 1
	if n < 0x80 {
		dst[at] = byte(n)
		return dst
	}
	var head [10]byte
	size := protowire.AppendVarint(head[:0], uint64(n))
	dst = append(dst, head[:len(size)-1]...)
	copy(dst[at+len(size):], dst[at+1:at+1+n])
	copy(dst[at:], size)
	return dst
}

func (p *writePlan) appendList(dst []byte, values []record.Value) (_ []byte, err error) {
	if len(values) == 0 {
		return dst, nil
	}
	at := 0
	if p.packed {
		dst = append(dst, p.tag...)
		at = len(dst)
		dst = append(dst, 0)
	}
	for _, v := range values {
		k := v.Kind()
		switch {
		case k == record.Null:
			return nil, plugin.Data("an element of an array is null, which Protobuf has no form for")
		case k != p.elem.kind && p.elem.do < writeDecimal:
			return nil, p.elem.mismatch(k)
		case !p.packed:
			dst = append(dst, p.tag...)
		}
		switch p.elem.do {
		case writeSymbol:
			n, ok := p.elem.symbols[v.Text()]
			if !ok {
				return nil, plugin.Data("a value is none of the symbols of the enum %s", p.elem.schema.Name)
			}
			dst = protowire.AppendVarint(dst, uint64(n))
		case writeNumber:
			n := int32(v.Int())
			if !p.elem.numbers[n] {
				return nil, plugin.Data("a value is none of the numbers of the enum %s", p.elem.schema.Name)
			}
			dst = protowire.AppendVarint(dst, uint64(n))
		default:
			if dst, err = p.elem.appendValue(dst, v); err != nil {
				return nil, err
			}
		}
	}
	if p.packed {
		dst = sized(dst, at)
	}
	return dst, nil
}

func (p *writePlan) appendMap(dst []byte, pairs []record.Value) (_ []byte, err error) {
	for i := 0; i < len(pairs); i += 2 {
		dst = append(dst, p.tag...)
		at := len(dst)
		dst = append(dst, 0)
		if dst, err = p.key.append(dst, pairs[i]); err != nil {
			return nil, err
		}
		if dst, err = p.elem.append(dst, pairs[i+1]); err != nil {
			return nil, err
		}
		dst = sized(dst, at)
	}
	return dst, nil
}

// appendText writes a string with its length. What is no UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if n := len(s); n < 0x80 {
		dst = append(dst, byte(n))
	} else {
		dst = protowire.AppendVarint(dst, uint64(n))
	}
	return append(dst, s...)
}

// size64 is how many bytes the two's complement of a number takes.
func size64(n int64) int { return bits.Len64(uint64(n^n>>63))/8 + 1 }
