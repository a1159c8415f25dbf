package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// writing is what a writePlan does with a value.
type writing uint8

const (
	writeInt writing = iota + 1
	writeFloat
	writeDouble
	writeIntAsFloat // and long
	writeIntAsDouble
	writeBoolean
	writeText  // a string, or bytes, with its length
	writeBytes // likewise
	writeRaw   // bytes of the root, without
	writeFixed
	writeEnum
	writeArray
	writeMap
	writeEntries
	writeStruct
	writeUnion
	lastOfKind = writeUnion // up to here a value is of the kind of its schema
)

const (
	writeDecimal writing = iota + lastOfKind + 1
	writeDecimalFixed
	writeDecimalRaw
	writeLogical // Date, Time, Timestamp
	writeAnything
	writeNever // the types do not meet; only null, where that is one, can be written
)

// writePlan writes values of a Connect schema as a type of Avro. It is made once and then only read.
type writePlan struct {
	do     writing
	kind   record.Kind // of the schema
	branch []byte      // the number of the branch before a value; nothing outside of a union
	schema *record.Schema

	null    []byte // what is written for null
	nullErr error  // or why it cannot be

	fields     []writeField // of a struct, in Avro's order; of a union, in the struct's order
	key        *writePlan   // of entries
	elem       *writePlan   // of an array, map or entries
	valueFirst bool         // entries have their value before their key
	size       int          // of a fixed
	scale      int32        // of a decimal
	symbols    map[string][]byte
	why        error // of writeNever
}

// writeField is a field of a record: one of the struct, or a constant. What most values need to know stands in it.
type writeField struct {
	quick  quick
	kind   record.Kind // of the values that are written by their bits; Null where there are none
	inside bool        // of a union: branch stands before the value
	branch byte
	from   int // the struct's field
	plan   *writePlan
	bytes  []byte // the constant
}

// quick is what is done without a call for a field whose value is of the right kind.
type quick uint8

const (
	notQuick quick = iota
	quickText
	quickInt // also an instant that needs no check
	quickDouble
	quickBoolean
)

// settle looks, once all is planned, at what is quick. Branches beyond the first byte's numbers are not.
func (f *writeField) settle() {
	p := f.plan
	if p == nil || len(p.branch) > 1 {
		return
	}
	if len(p.branch) == 1 {
		f.inside, f.branch = true, p.branch[0]
	}
	switch {
	case p.do == writeText && p.kind == record.String:
		f.quick = quickText
	case p.do == writeInt:
		f.quick, f.kind = quickInt, p.kind
	case p.do == writeLogical && p.schema.Name == record.TimestampName:
		f.quick, f.kind = quickInt, record.Instant
	case p.do == writeDouble && p.kind == record.Float64:
		f.quick, f.kind = quickDouble, p.kind
	case p.do == writeBoolean:
		f.quick, f.kind = quickBoolean, p.kind
	}
}

// writePlanner makes plans. A pair of types is planned once.
type writePlanner struct {
	set     *settings
	known   map[writeKey]*writePlan
	records []*writePlan
}

type writeKey struct {
	schema *record.Schema
	node   *node
	field  bool
}

// plan plans to write values of s as n. A field's null is its default.
func (w *writePlanner) plan(s *record.Schema, n *node, field bool) *writePlan {
	key := writeKey{s, n, field}
	if p, ok := w.known[key]; ok {
		return p
	}
	p := new(writePlan)
	w.known[key] = p
	if s == nil {
		w.anything(p, n)
		return p
	}
	p.schema, p.kind = s, s.Kind
	w.nulls(p, s, n)
	if s.Kind == record.Struct && isUnion(s) {
		w.union(p, s, n)
	} else if n.kind == union {
		w.branch(p, s, n)
	} else {
		w.value(p, s, n)
	}
	if field && s.HasDefault && !w.set.IgnoreDefault {
		p.null, p.nullErr = p.append(nil, s.Default)
	}
	return p
}

func (w *writePlanner) anything(p *writePlan, n *node) {
	p.do = writeAnything
	p.null = make([]byte, 9) // an Anything with nothing set
	if text, err := n.print(); err != nil || text != anythingText {
		p.do, p.why = writeNever, errors.New("data without a schema can only be written as "+space+".Anything")
		p.null, p.nullErr = nil, p.why
	}
}

func (w *writePlanner) nulls(p *writePlan, s *record.Schema, n *node) {
	p.nullErr = plugin.Data("Found null value for non-optional schema")
	if !s.Optional {
		return
	}
	p.nullErr = fmt.Errorf("null is not among the types of %s", n.full())
	if n.kind == null {
		p.nullErr = nil
	}
	for i, b := range n.branches {
		if b.kind == null {
			p.null, p.nullErr = binary.AppendVarint(nil, int64(i)), nil
		}
	}
}

// branch chooses the branch for a schema that is no union: the one that fits, else the first that can take it.
func (w *writePlanner) branch(p *writePlan, s *record.Schema, n *node) {
	best := -1
	for i, b := range n.branches {
		if b.kind == null {
			continue
		}
		if exact(s, b) {
			best = i
			break
		}
		if try := (&writePlan{schema: s, kind: s.Kind}); best < 0 {
			if w.value(try, s, b); try.do != writeNever {
				best = i
			}
		}
	}
	if best < 0 {
		p.never(s, n)
		return
	}
	w.value(p, s, n.branches[best])
	p.branch = binary.AppendVarint(nil, int64(best))
}

// exact says whether a schema and a type are two forms of one.
func exact(s *record.Schema, n *node) bool {
	if n.named() {
		if name, ok := s.Param(enumParam); ok && n.kind == enum {
			return name == n.full()
		}
		return s.Name == n.full() || s.Name == "" && n.kind == recordKind && s.Kind == record.Struct
	}
	switch s.Kind {
	case record.Int8, record.Int16, record.Int32:
		return n.kind == intKind
	}
	return n.kind == [...]kind{
		record.Null: null, record.Int64: long, record.Float32: float, record.Float64: double, record.Boolean: boolean,
		record.String: stringKind, record.Bytes: bytesKind, record.Array: array, record.Map: mapKind, record.Struct: recordKind,
	}[s.Kind]
}

func (p *writePlan) never(s *record.Schema, n *node) {
	p.do, p.why = writeNever, fmt.Errorf("data of schema %s cannot be written as Avro's %s", s, n.full())
}

// union plans the struct that stands for a union: its first field that is set is the value.
func (w *writePlanner) union(p *writePlan, s *record.Schema, n *node) {
	p.do = writeUnion
	for i, f := range s.Fields {
		var inner *writePlan
		r := required(f.Schema)
		for j, b := range n.branches {
			if b.kind != null && (memberName(b, w.set) == f.Name || exact(r, b)) {
				inner = &writePlan{schema: r, kind: r.Kind}
				w.value(inner, r, b)
				inner.branch = binary.AppendVarint(nil, int64(j))
				break
			}
		}
		if inner == nil {
			inner = &writePlan{schema: r, kind: r.Kind}
			if n.kind == union {
				w.branch(inner, r, n)
			} else {
				w.value(inner, r, n) // a registered schema that is no union any more
			}
		}
		p.fields = append(p.fields, writeField{plan: inner, from: i})
	}
}

// value plans what is neither a union nor null.
func (w *writePlanner) value(p *writePlan, s *record.Schema, n *node) {
	p.branch = nil
	switch s.Name {
	case record.DecimalName:
		w.decimal(p, s, n)
	case record.DateName, record.TimeName, record.TimestampName:
		p.do = writeLogical
		if n.kind != intKind && n.kind != long || s.Name == record.TimestampName && n.kind == intKind {
			p.never(s, n)
		}
	default:
		w.plain(p, s, n)
	}
}

// plain plans what has no logical type.
func (w *writePlanner) plain(p *writePlan, s *record.Schema, n *node) {
	switch {
	case s.Kind == record.Array && n.kind == array:
		p.do, p.elem = writeArray, w.plan(s.Elem, n.items, false)
	case s.Kind == record.Map && n.kind == mapKind && s.Key != nil && s.Key.Kind == record.String:
		p.do, p.elem = writeMap, w.plan(s.Elem, n.items, false)
	case s.Kind == record.Map && n.kind == array && n.items.kind == recordKind:
		w.entries(p, s, n)
	case s.Kind == record.Struct && n.kind == recordKind:
		w.record(p, s, n)
	case s.Kind == record.Bytes && n.kind == fixed:
		p.do, p.size = writeFixed, n.size
	case s.Kind == record.String && n.kind == enum:
		p.do, p.symbols = writeEnum, map[string][]byte{}
		for i, symbol := range n.symbols {
			p.symbols[symbol] = binary.AppendVarint(nil, int64(i))
		}
	default:
		if p.do = scalar(s.Kind, n.kind); p.do == writeNever {
			p.never(s, n)
		}
	}
}

// scalar is how a value of one kind becomes one of another, with Avro's promotions.
func scalar(from record.Kind, to kind) writing {
	if from <= record.Int64 {
		switch {
		case to == long || to == intKind && from != record.Int64:
			return writeInt
		case to == float:
			return writeIntAsFloat
		case to == double:
			return writeIntAsDouble
		}
		return writeNever
	}
	switch {
	case from == record.Float32 && to == float:
		return writeFloat
	case (from == record.Float32 || from == record.Float64) && to == double:
		return writeDouble
	case from == record.Boolean && to == boolean:
		return writeBoolean
	case from == record.String && (to == stringKind || to == bytesKind):
		return writeText
	case from == record.Bytes && (to == bytesKind || to == stringKind):
		return writeBytes
	}
	return writeNever
}

func (w *writePlanner) decimal(p *writePlan, s *record.Schema, n *node) {
	switch n.kind {
	case bytesKind:
		p.do = writeDecimal
	case fixed:
		p.do, p.size = writeDecimalFixed, n.size
	default:
		p.never(s, n)
		return
	}
	scale, _, err := decimalOf(s)
	if err != nil {
		p.do, p.why = writeNever, err
	}
	p.scale = int32(scale)
}

func (w *writePlanner) entries(p *writePlan, s *record.Schema, n *node) {
	key, value := n.items.field("key"), n.items.field("value")
	if key < 0 || value < 0 || len(n.items.fields) != 2 {
		p.never(s, n)
		return
	}
	p.do, p.valueFirst = writeEntries, value < key
	p.key, p.elem = w.plan(s.Key, n.items.fields[key].node, false), w.plan(s.Elem, n.items.fields[value].node, false)
}

// record plans the fields by name. What the type lacks is left out, what the struct lacks is the type's default.
func (w *writePlanner) record(p *writePlan, s *record.Schema, n *node) {
	p.do = writeStruct
	w.records = append(w.records, p)
	for i := range n.fields {
		f := &n.fields[i]
		from := -1
		for j := range s.Fields {
			name := s.Fields[j].Name
			if w.set.Scrub {
				name = scrub(name)
			}
			if name == f.name || from < 0 && slices.Contains(f.aliases, name) {
				from = j
			}
		}
		if from >= 0 {
			p.fields = append(p.fields, writeField{plan: w.plan(s.Fields[from].Schema, f.node, true), from: from})
			continue
		}
		var def []byte
		err := fmt.Errorf("the field %s of %s has no default, and the data have no such field", f.name, n.full())
		if f.def != nil {
			def, err = appendDefault(nil, f.node, f.def, defaultBudget())
		}
		if err != nil {
			p.do, p.why = writeNever, err
			return
		}
		p.fields = append(p.fields, writeField{from: -1, bytes: def})
	}
}

// append writes a value.
func (p *writePlan) append(dst []byte, v record.Value) ([]byte, error) {
	k := v.Kind()
	if k == record.Null {
		return append(dst, p.null...), p.nullErr
	}
	if p.branch != nil {
		dst = append(dst, p.branch...)
	}
	return p.appendValue(dst, v, k)
}

// appendValue writes what is not null, without its branch.
func (p *writePlan) appendValue(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if k != p.kind && p.do <= lastOfKind {
		return nil, p.mismatch(k)
	}
	switch p.do {
	case writeInt:
		return appendLong(dst, v.Int()), nil
	case writeText:
		return appendText(dst, v.Text()), nil
	case writeStruct:
		return p.appendStruct(dst, v.Elements())
	case writeArray:
		return p.appendArray(dst, v.Elements())
	case writeMap, writeEntries:
		return p.appendPairs(dst, v.Elements())
	case writeUnion:
		return p.appendUnion(dst, v.Elements())
	case writeLogical:
		n, err := millis(p.schema, v)
		return appendLong(dst, n), err
	case writeDecimal, writeDecimalFixed, writeDecimalRaw:
		return p.appendDecimal(dst, v)
	case writeAnything:
		return appendAnything(dst, v, 0)
	case writeNever:
		return nil, p.why
	}
	return p.appendScalar(dst, v)
}

func appendLong(dst []byte, n int64) []byte {
	u := uint64(n)<<1 ^ uint64(n>>63)
	if u < 0x80 {
		return append(dst, byte(u))
	}
	return binary.AppendUvarint(dst, u)
}

func (p *writePlan) appendScalar(dst []byte, v record.Value) ([]byte, error) {
	switch p.do {
	case writeFloat:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.Float32())), nil
	case writeDouble:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float())), nil
	case writeIntAsFloat:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.Int()))), nil
	case writeIntAsDouble:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(float64(v.Int()))), nil
	case writeBoolean:
		if v.Bool() {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case writeBytes:
		b := v.Bytes()
		return append(binary.AppendVarint(dst, int64(len(b))), b...), nil
	case writeRaw:
		return append(dst, v.Bytes()...), nil
	case writeFixed:
		b := v.Bytes()
		if len(b) != p.size {
			return nil, fmt.Errorf("a value of %d bytes is none of a fixed of %d", len(b), p.size)
		}
		return append(dst, b...), nil
	}
	symbol, ok := p.symbols[v.Text()] // writeEnum
	if !ok {
		return nil, fmt.Errorf("a value is none of the symbols of the enum %s", p.schema.Name)
	}
	return append(dst, symbol...), nil
}

func (p *writePlan) mismatch(k record.Kind) error {
	return plugin.Data("Invalid type for %s: class %s", p.schema.Kind, k.JavaClass())
}

// appendText writes a string. What is no UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	n := len(s)
	if n >= 64 {
		return appendAnyText(dst, s)
	}
	// One way through a short text copies it and sees whether it is ASCII.
	start := len(dst)
	dst = slices.Grow(dst, 1+n)[:start+1+n]
	dst[start] = byte(n << 1)
	out, all := dst[start+1:], uint64(0)
	switch {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			w := word(s[i:])
			binary.LittleEndian.PutUint64(out[i:], w)
			all |= w
		}
		w := word(s[n-8:])
		binary.LittleEndian.PutUint64(out[n-8:], w)
		all |= w
	default:
		for i := range len(out) {
			out[i] = s[i]
			all |= uint64(s[i])
		}
	}
	if all&high != 0 && !utf8.ValidString(s) {
		return appendAnyText(dst[:start], s)
	}
	return dst
}

// appendAnyText is appendText whatever the length.
func appendAnyText(dst []byte, s string) []byte {
	if !ascii(s) && !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if n := len(s); n < 64 {
		dst = append(dst, byte(n<<1))
	} else {
		dst = binary.AppendUvarint(dst, uint64(n)<<1)
	}
	return append(dst, s...)
}

// high are the bits that no byte of ASCII has.
const high = 0x8080808080808080

// ascii is a quicker look at short texts than that of unicode/utf8.
func ascii(s string) bool {
	var all uint64
	if len(s) >= 8 {
		all = word(s[len(s)-8:])
		for ; len(s) > 8; s = s[8:] {
			all |= word(s)
		}
		return all&high == 0
	}
	for i := range len(s) {
		all |= uint64(s[i])
	}
	return all < utf8.RuneSelf
}

// word is the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func (p *writePlan) appendStruct(dst []byte, values []record.Value) ([]byte, error) {
	if len(values) != len(p.schema.Fields) {
		return nil, plugin.Data("Mismatching struct schema")
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.plan == nil {
			dst = append(dst, f.bytes...)
			continue
		}
		v := &values[f.from]
		if f.quick == quickText {
			if text, ok := v.AsText(); ok {
				if f.inside {
					dst = append(dst, f.branch)
				}
				dst = appendText(dst, text)
				continue
			}
		} else if bits, ok := v.Bits(f.kind); ok {
			if f.inside {
				dst = append(dst, f.branch)
			}
			switch f.quick {
			case quickInt:
				dst = appendLong(dst, int64(bits))
			case quickDouble:
				dst = binary.LittleEndian.AppendUint64(dst, bits)
			default:
				dst = append(dst, byte(bits))
			}
			continue
		}
		k := v.Kind()
		if k == record.Null {
			if f.plan.nullErr != nil {
				return nil, f.plan.nullErr
			}
			dst = append(dst, f.plan.null...)
			continue
		}
		if f.plan.branch != nil {
			dst = append(dst, f.plan.branch...)
		}
		var err error
		if dst, err = f.plan.appendValue(dst, *v, k); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (p *writePlan) appendUnion(dst []byte, values []record.Value) ([]byte, error) {
	if len(values) != len(p.fields) {
		return nil, plugin.Data("Mismatching struct schema")
	}
	for i := range p.fields {
		if !values[i].IsNull() {
			return p.fields[i].plan.append(dst, values[i])
		}
	}
	return append(dst, p.null...), p.nullErr
}

func (p *writePlan) appendArray(dst []byte, values []record.Value) (_ []byte, err error) {
	if len(values) > 0 {
		dst = appendLong(dst, int64(len(values)))
		texts := p.elem.do == writeText && len(p.elem.branch) == 0
		for i := range values {
			if texts {
				if text, ok := values[i].AsText(); ok {
					dst = appendText(dst, text)
					continue
				}
			}
			if dst, err = p.elem.append(dst, values[i]); err != nil {
				return nil, err
			}
		}
	}
	return append(dst, 0), nil
}

func (p *writePlan) appendPairs(dst []byte, pairs []record.Value) (_ []byte, err error) {
	if len(pairs) > 0 {
		dst = binary.AppendVarint(dst, int64(len(pairs)/2))
	}
	for i := 0; i < len(pairs); i += 2 {
		first, second := p.key, p.elem
		key, value := pairs[i], pairs[i+1]
		switch {
		case p.do == writeMap && key.Kind() != record.String:
			return nil, plugin.Data("Invalid type for %s: class %s", record.String, key.Kind().JavaClass())
		case p.do == writeMap:
			dst = appendText(dst, key.Text())
			if dst, err = p.elem.append(dst, value); err != nil {
				return nil, err
			}
			continue
		case p.valueFirst:
			first, second, key, value = second, first, value, key
		}
		if dst, err = first.append(dst, key); err != nil {
			return nil, err
		}
		if dst, err = second.append(dst, value); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

const dayMillis = 86_400_000

// millis is the number that stands for a Date, Time or Timestamp.
func millis(s *record.Schema, v record.Value) (int64, error) {
	if v.Kind() != record.Instant {
		return 0, plugin.Data("Invalid type for %s: class %s", s.Kind, v.Kind().JavaClass())
	}
	n := v.Int()
	switch s.Name {
	case record.DateName:
		if n%dayMillis != 0 {
			return 0, plugin.Data("Kafka Connect Date type should not have any time fields set to non-zero values.")
		}
		return int64(int32(n / dayMillis)), nil
	case record.TimeName:
		if n < 0 || n > dayMillis {
			return 0, plugin.Data("Kafka Connect Time type should not have any date fields set to non-zero values.")
		}
	}
	return n, nil
}

// unscaled appends the digits of a Decimal, as long as its scale is that of its schema.
func unscaled(dst []byte, s *record.Schema, v record.Value) ([]byte, error) {
	scale, _, err := decimalOf(s)
	if err != nil {
		return nil, err
	}
	return unscaledOf(dst, s, int32(scale), v)
}

func unscaledOf(dst []byte, s *record.Schema, scale int32, v record.Value) ([]byte, error) {
	if v.Kind() != record.Decimal {
		return nil, plugin.Data("Invalid type for %s: class %s", s.Kind, v.Kind().JavaClass())
	}
	d := v.Decimal()
	if d.Scale != scale {
		return nil, plugin.Data("Decimal value has mismatching scale for given Decimal schema. Schema has scale %d, value has scale %d.", scale, d.Scale)
	}
	return record.AppendBigInt(dst, d.Unscaled), nil
}

func (p *writePlan) appendDecimal(dst []byte, v record.Value) ([]byte, error) {
	if d, ok := v.AsDecimal(); ok && p.do == writeDecimal && d.Scale == p.scale && d.Unscaled.IsInt64() {
		n := d.Unscaled.Int64()
		size := bits.Len64(uint64(n^n>>63))/8 + 1
		dst = binary.BigEndian.AppendUint64(append(dst, byte(size<<1)), uint64(n)<<(64-8*size))
		return dst[:len(dst)-8+size], nil
	}
	var buf [64]byte
	digits, err := unscaledOf(buf[:0], p.schema, p.scale, v)
	if err != nil {
		return nil, err
	}
	switch p.do {
	case writeDecimal:
		dst = binary.AppendVarint(dst, int64(len(digits)))
	case writeDecimalFixed:
		if len(digits) > p.size {
			return nil, plugin.Data("Unscaled value byte array length %d is greater than fixed size %d", len(digits), p.size)
		}
		sign := byte(int8(digits[0]) >> 7)
		for range p.size - len(digits) {
			dst = append(dst, sign)
		}
	}
	return append(dst, digits...), nil
}

// Places of an Anything's fields.
const (
	anyBoolean = iota
	anyBytes
	anyDouble
	anyFloat
	anyInt
	anyLong
	anyString
	anyArray
	anyMap
	anyFields
)

// anyPlace is the field for a kind of value.
func anyPlace(k record.Kind) (at int, ok bool) {
	switch k {
	case record.Boolean:
		return anyBoolean, true
	case record.Float64:
		return anyDouble, true
	case record.Float32:
		return anyFloat, true
	case record.Int8, record.Int16, record.Int32:
		return anyInt, true
	case record.Int64:
		return anyLong, true
	case record.String:
		return anyString, true
	case record.Array:
		return anyArray, true
	case record.Map:
		return anyMap, true
	}
	return 0, false
}

// deepestAnything bounds how far schemaless data nest.
const deepestAnything = 1000

var errDeep = fmt.Errorf("schemaless data nest deeper than %d", deepestAnything)

// appendAnything writes schemaless data: the one field that is set, between eight that are null.
func appendAnything(dst []byte, v record.Value, depth int) (_ []byte, err error) {
	if depth > deepestAnything {
		return nil, errDeep
	}
	none := [anyFields]byte{}
	k := v.Kind()
	at, ok := anyPlace(k)
	switch {
	case k == record.Null:
		return append(dst, none[:]...), nil
	case !ok:
		return nil, plugin.Data("Unknown Java type for schemaless data: class %s", k.JavaClass())
	}
	dst = append(append(dst, none[:at]...), 2)
	switch k {
	case record.Boolean:
		dst = append(dst, map[bool]byte{true: 1}[v.Bool()])
	case record.Float64:
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float()))
	case record.Float32:
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.Float32()))
	case record.String:
		dst = appendText(dst, v.Text())
	case record.Array, record.Map:
		es := v.Elements()
		n := len(es)
		if k == record.Map {
			n /= 2
		}
		if n > 0 {
			dst = binary.AppendVarint(dst, int64(n))
		}
		for _, e := range es {
			if dst, err = appendAnything(dst, e, depth+1); err != nil {
				return nil, err
			}
		}
		dst = append(dst, 0)
	default:
		dst = binary.AppendVarint(dst, v.Int())
	}
	return append(dst, none[at+1:]...), err
}
