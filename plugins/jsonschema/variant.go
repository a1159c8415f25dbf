package jsonschema

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// variantName is the schema of what a JSON Schema without any keyword takes: anything. Its struct holds the value in the
// binary form of Apache Parquet's variants, the names of its members apart (ConnectVariant).
const variantName = "org.apache.kafka.connect.data.Variant"

// The fields of a variant.
const (
	variantMetadata = "metadata"
	variantValue    = "value"
)

// isVariant says whether a struct is a variant, by its name and its fields.
func isVariant(s *record.Schema) bool {
	if s.Kind != record.Struct || s.Name != variantName {
		return false
	}
	metadata, value := s.Field(variantMetadata), s.Field(variantValue)
	return metadata >= 0 && value >= 0 && s.Fields[metadata].Schema.Kind == record.Bytes && s.Fields[value].Schema.Kind == record.Bytes
}

// extrasField is the field of a struct that keeps the properties which its schema does not name (preserve.additional.properties).
const extrasField = "__connect_additional_properties__"

// extrasOf is the index of that field in a struct, -1 without one.
func (s *settings) extrasOf(of *record.Schema) int {
	if !s.Preserve || of.Kind != record.Struct {
		return -1
	}
	i := of.Field(extrasField)
	if i < 0 {
		return -1
	}
	if f := of.Fields[i].Schema; f.Kind != record.Map || f.Key == nil || f.Key.Kind != record.String || f.Elem == nil || !isVariant(f.Elem) {
		return -1
	}
	return i
}

// Basic types of a variant's value: the low two bits of its first byte. The other six say more of it.
const (
	basicPrimitive = iota
	basicShortText // its length
	basicObject    // whether the number of members takes four bytes, and how long ids and offsets are
	basicArray     // likewise
)

// Primitive types of a variant's value.
const (
	variantNull = iota
	variantTrue
	variantFalse
	variantInt8
	variantInt16
	variantInt32
	variantInt64
	variantDouble
	variantDecimal4 // one byte of scale, then the digits
	variantDecimal8
	variantDecimal16
	variantDate        // days
	variantInstant     // microseconds
	variantLocal       // microseconds, of no time zone
	variantFloat       // of four bytes
	variantBytes       // four bytes of length
	variantText        // four bytes of length
	variantTime        // microseconds of a day
	variantInstantNano // nanoseconds
	variantLocalNano   // nanoseconds, of no time zone
	variantUUID        // sixteen bytes, the highest first
)

const (
	variantVersion   = 1
	longestShortText = 63
	mostDigits       = 38
)

// anyNode is a value of JSON, with names that stand twice taken as Jackson's trees take them: the last value in the first place.
type anyNode struct {
	kind    byte // '{', '[', '"', 'n', 't', 'f' or '0'
	text    []byte
	number  jackson.Number
	members []anyMember
	items   []anyNode
}

type anyMember struct {
	name  string
	value anyNode
}

// anything reads a value of any kind.
func (r *reading) anything() (n anyNode, err error) {
	n.kind = r.Blanks()
	switch {
	case n.kind == '{':
		return r.anyObject()
	case n.kind == '[':
		return r.anyArray()
	case n.kind == '"':
		n.text, err = r.Text(r.arena)
	case r.StartsNumber(n.kind):
		n.kind = '0'
		n.number, err = r.Number()
	default:
		err = r.Skip()
	}
	return n, err
}

func (r *reading) anyObject() (anyNode, error) {
	n := anyNode{kind: '{'}
	places := map[string]int{}
	if err := r.Open(); err != nil {
		return n, err
	}
	for more := !r.Empty('}'); more; {
		name, err := r.Name(r.arena)
		if err != nil {
			return n, err
		}
		v, err := r.anything()
		if err != nil {
			return n, err
		}
		if i, twice := places[string(name)]; twice {
			n.members[i].value = v
		} else {
			places[string(name)] = len(n.members)
			n.members = append(n.members, anyMember{string(name), v})
		}
		if more, err = r.More('}'); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (r *reading) anyArray() (anyNode, error) {
	n := anyNode{kind: '['}
	if err := r.Open(); err != nil {
		return n, err
	}
	for more := !r.Empty(']'); more; {
		v, err := r.anything()
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
		if more, err = r.More(']'); err != nil {
			return n, err
		}
	}
	return n, nil
}

// variant reads a value of any kind as a variant.
func (r *reading) variant(p *readPlan) (record.Value, error) {
	if r.missing {
		return record.Value{}, plugin.Data("a message without any text is no variant")
	}
	return r.anyVariant(p)
}

// anyVariant is variant for what may be null: of that there is a variant too.
func (r *reading) anyVariant(p *readPlan) (record.Value, error) {
	n, err := r.anything()
	if err != nil {
		return record.Value{}, err
	}
	w := variantWriter{ids: map[string]int{}}
	value, err := w.append(nil, &n)
	if err != nil {
		return record.Value{}, err
	}
	fields := r.arena.Values(len(p.schema.Fields))
	fields[p.schema.Field(variantMetadata)] = record.OfBytes(w.metadata())
	fields[p.schema.Field(variantValue)] = record.OfBytes(value)
	return record.OfStruct(fields), nil
}

// variantWriter writes a value and gathers the names in it (Confluent: VariantBuilder).
type variantWriter struct {
	names []string // in the order in which they come
	ids   map[string]int
}

func (w *variantWriter) id(name string) int {
	id, known := w.ids[name]
	if !known {
		id = len(w.names)
		w.ids[name] = id
		w.names = append(w.names, name)
	}
	return id
}

// metadata is the list of names.
func (w *variantWriter) metadata() []byte {
	length := 0
	for _, name := range w.names {
		length += len(name)
	}
	size := sizeOf(max(length, len(w.names)))
	dst := appendUint([]byte{byte(variantVersion | (size-1)<<6)}, len(w.names), size)
	at := 0
	for _, name := range w.names {
		dst = appendUint(dst, at, size)
		at += len(name)
	}
	dst = appendUint(dst, at, size)
	for _, name := range w.names {
		dst = append(dst, name...)
	}
	return dst
}

// sizeOf is how many bytes a number needs, 1 to 4.
func sizeOf(n int) int {
	switch {
	case n <= math.MaxUint8:
		return 1
	case n <= math.MaxUint16:
		return 2
	case n < 1<<24:
		return 3
	}
	return 4
}

// appendUint writes the lowest bytes of a number, the lowest first.
func appendUint(dst []byte, n, size int) []byte {
	for range size {
		dst = append(dst, byte(n))
		n >>= 8
	}
	return dst
}

func (w *variantWriter) append(dst []byte, n *anyNode) ([]byte, error) {
	switch n.kind {
	case '{':
		return w.appendObject(dst, n.members)
	case '[':
		return w.appendArray(dst, n.items)
	case '"':
		if len(n.text) <= longestShortText {
			return append(append(dst, byte(len(n.text)<<2|basicShortText)), n.text...), nil
		}
		return append(binary.LittleEndian.AppendUint32(append(dst, variantText<<2), uint32(len(n.text))), n.text...), nil
	case 't':
		return append(dst, variantTrue<<2), nil
	case 'f':
		return append(dst, variantFalse<<2), nil
	case 'n':
		return append(dst, variantNull<<2), nil
	}
	return appendVariantNumber(dst, &n.number)
}

// appendVariantNumber writes an integer in four or eight bytes and any other number as a decimal, so that nothing is lost.
func appendVariantNumber(dst []byte, n *jackson.Number) ([]byte, error) {
	if n.Special {
		return binary.LittleEndian.AppendUint64(append(dst, variantDouble<<2), math.Float64bits(n.Float64())), nil
	}
	d, err := record.ParseDecimal(string(n.Text))
	if err != nil {
		return nil, plugin.Data("a number has no form in a variant")
	}
	unscaled, scale := d.Unscaled, int(d.Scale)
	if n.Integral && unscaled.IsInt64() {
		i := unscaled.Int64()
		if i == int64(int32(i)) {
			return binary.LittleEndian.AppendUint32(append(dst, variantInt32<<2), uint32(i)), nil
		}
		return binary.LittleEndian.AppendUint64(append(dst, variantInt64<<2), uint64(i)), nil
	}
	if scale < 0 && scale >= -mostDigits { // a variant has no scale below 0
		unscaled, scale = new(big.Int).Mul(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil)), 0
	}
	digits := len(new(big.Int).Abs(unscaled).String())
	switch {
	case scale < 0 || scale > math.MaxUint8 || digits > mostDigits:
		return nil, plugin.Data("a number has more than %d digits, or too small a fraction, for a variant", mostDigits)
	case digits <= 9:
		return binary.LittleEndian.AppendUint32(append(dst, variantDecimal4<<2, byte(scale)), uint32(unscaled.Int64())), nil
	case digits <= 18:
		return binary.LittleEndian.AppendUint64(append(dst, variantDecimal8<<2, byte(scale)), uint64(unscaled.Int64())), nil
	}
	var raw [16]byte
	two := new(big.Int).Set(unscaled)
	if two.Sign() < 0 {
		two.Add(two, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	two.FillBytes(raw[:])
	slices.Reverse(raw[:])
	return append(append(dst, variantDecimal16<<2, byte(scale)), raw[:]...), nil
}

func (w *variantWriter) appendArray(dst []byte, items []anyNode) ([]byte, error) {
	var data []byte
	offsets := make([]int, 0, len(items)+1)
	for i := range items {
		offsets = append(offsets, len(data))
		var err error
		if data, err = w.append(data, &items[i]); err != nil {
			return nil, err
		}
	}
	offsets = append(offsets, len(data))
	large, size := 0, sizeOf(len(data))
	if len(items) > math.MaxUint8 {
		large = 1
	}
	dst = append(dst, byte(large<<4|(size-1)<<2|basicArray))
	dst = appendUint(dst, len(items), 1+3*large)
	for _, at := range offsets {
		dst = appendUint(dst, at, size)
	}
	return append(dst, data...), nil
}

// appendObject writes members in the order of their names, as Java compares them.
func (w *variantWriter) appendObject(dst []byte, members []anyMember) ([]byte, error) {
	type field struct {
		name []uint16
		id   int
		data []byte
	}
	fields := make([]field, len(members))
	most, length := 0, 0
	for i := range members {
		m := &members[i]
		fields[i] = field{utf16.Encode([]rune(m.name)), w.id(m.name), nil}
		var err error
		if fields[i].data, err = w.append(nil, &m.value); err != nil {
			return nil, err
		}
		most, length = max(most, fields[i].id), length+len(fields[i].data)
	}
	slices.SortFunc(fields, func(a, b field) int { return slices.Compare(a.name, b.name) })
	large, idSize, size := 0, sizeOf(most), sizeOf(length)
	if len(fields) > math.MaxUint8 {
		large = 1
	}
	dst = append(dst, byte(large<<6|(idSize-1)<<4|(size-1)<<2|basicObject))
	dst = appendUint(dst, len(fields), 1+3*large)
	for _, f := range fields {
		dst = appendUint(dst, f.id, idSize)
	}
	at := 0
	for _, f := range fields {
		dst = appendUint(dst, at, size)
		at += len(f.data)
	}
	dst = appendUint(dst, at, size)
	for _, f := range fields {
		dst = append(dst, f.data...)
	}
	return dst, nil
}

// variantReader reads a variant that somebody else may have made.
type variantReader struct {
	metadata []byte
	left     int // how many values may still come: each has a byte of its own, unless the offsets lie
	end      int // how long the text may become: names that are long and come often would make it endless
	depth    int
}

// mostText bounds the text of one variant, in bytes.
const mostText = 64 << 20

// errVariant is a variant that is none. What stands in it is not shown (invariant 6).
func errVariant(what string) error { return plugin.Data("a variant is damaged: %s", what) }

// appendVariant writes a variant as the JSON that it stands for (Confluent: VariantUtils.toJsonNode).
func (p *writePlan) appendVariant(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if k != record.Struct {
		return nil, plugin.Data("Invalid type for Variant, expected Struct but was class %s", k.JavaClass())
	}
	values, metadata, value := v.Elements(), p.schema.Field(variantMetadata), p.schema.Field(variantValue)
	if len(values) != len(p.schema.Fields) || values[metadata].Kind() != record.Bytes || values[value].Kind() != record.Bytes {
		return nil, errVariant("it has no metadata and value of bytes")
	}
	raw := values[value].Bytes()
	r := variantReader{metadata: values[metadata].Bytes(), left: len(raw), end: len(dst) + mostText}
	if len(r.metadata) == 0 || r.metadata[0]&0xF != variantVersion {
		return nil, errVariant("its version is not 1")
	}
	return r.append(dst, raw)
}

// uint reads a number of some bytes, the lowest first.
func (variantReader) uint(b []byte, at, size int) (int, bool) {
	if at < 0 || at+size > len(b) {
		return 0, false
	}
	n := 0
	for i := size - 1; i >= 0; i-- {
		n = n<<8 | int(b[at+i])
	}
	return n, n <= math.MaxInt32
}

// name is a name by its id.
func (r *variantReader) name(id int) ([]byte, error) {
	size := int(r.metadata[0]>>6) + 1
	count, ok := r.uint(r.metadata, 1, size)
	from, ok1 := r.uint(r.metadata, 1+size*(1+id), size)
	to, ok2 := r.uint(r.metadata, 1+size*(2+id), size)
	data := 1 + size*(2+count)
	if !ok || !ok1 || !ok2 || id >= count || from > to || data+to > len(r.metadata) {
		return nil, errVariant("a name is not there")
	}
	return r.metadata[data+from : data+to], nil
}

// appendText writes a text; what is no UTF-8 in it becomes U+FFFD, as in Java.
func appendText(dst, text []byte) []byte {
	if !utf8.Valid(text) {
		text = record.AppendUTF8(nil, text)
	}
	return jackson.AppendString(dst, string(text))
}

func (r *variantReader) append(dst, b []byte) ([]byte, error) {
	if r.left--; len(b) == 0 || r.left < 0 {
		return nil, errVariant("a value is not there")
	}
	if len(dst) > r.end {
		return nil, errVariant(fmt.Sprintf("it comes to more than %d MB of text", mostText>>20))
	}
	if r.depth++; r.depth > 4*deepest {
		return nil, errVariant(fmt.Sprintf("it nests deeper than %d values", 4*deepest))
	}
	defer func() { r.depth-- }()
	head := int(b[0] >> 2)
	switch b[0] & 3 {
	case basicShortText:
		if 1+head > len(b) {
			return nil, errVariant("a text ends early")
		}
		return appendText(dst, b[1:1+head]), nil
	case basicObject:
		return r.appendMembers(dst, b, head>>4&1, head>>2&3+1, head&3+1, '{')
	case basicArray:
		return r.appendMembers(dst, b, head>>2&1, 0, head&3+1, '[')
	}
	return appendPrimitive(dst, head, b[1:])
}

// appendMembers writes an object, whose ids have idSize bytes, or an array, which has none.
func (r *variantReader) appendMembers(dst, b []byte, large, idSize, size int, open byte) ([]byte, error) {
	count, ok := r.uint(b, 1, 1+3*large)
	ids := 2 + 3*large
	offsets := ids + count*idSize
	data := offsets + (count+1)*size
	if !ok || count > len(b) || data > len(b) {
		return nil, errVariant("a list of members ends early")
	}
	dst = append(dst, open)
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		if open == '{' {
			id, _ := r.uint(b, ids+i*idSize, idSize)
			name, err := r.name(id)
			if err != nil {
				return nil, err
			}
			dst = append(appendText(dst, name), ':')
		}
		at, ok := r.uint(b, offsets+i*size, size)
		if !ok || data+at > len(b) {
			return nil, errVariant("a member is not there")
		}
		var err error
		if dst, err = r.append(dst, b[data+at:]); err != nil {
			return nil, err
		}
	}
	return append(dst, open+2), nil // } and ] are two behind { and [
}

// appendPrimitive writes a value of a fixed type; b is what stands behind its first byte.
func appendPrimitive(dst []byte, kind int, b []byte) ([]byte, error) {
	length := [...]int{
		variantInt8: 1, variantInt16: 2, variantInt32: 4, variantInt64: 8, variantDouble: 8, variantDecimal4: 5, variantDecimal8: 9, variantDecimal16: 17,
		variantDate: 4, variantInstant: 8, variantLocal: 8, variantFloat: 4, variantBytes: 4, variantText: 4, variantTime: 8, variantInstantNano: 8,
		variantLocalNano: 8, variantUUID: 16,
	}
	if kind >= len(length) {
		return nil, errVariant("it has a type that is not known")
	}
	if len(b) < length[kind] {
		return nil, errVariant("a value ends early")
	}
	n := int64(0)
	if length[kind] <= 8 {
		for i := length[kind] - 1; i >= 0; i-- {
			n = n<<8 | int64(b[i])
		}
		n = n << (64 - 8*length[kind]) >> (64 - 8*length[kind]) // with its sign; a shift of 64 gives 0
	}
	switch kind {
	case variantNull:
		return append(dst, "null"...), nil
	case variantTrue, variantFalse:
		return strconv.AppendBool(dst, kind == variantTrue), nil
	case variantInt8, variantInt16, variantInt32, variantInt64:
		return strconv.AppendInt(dst, n, 10), nil
	case variantDouble:
		return appendDouble(dst, math.Float64frombits(uint64(n))), nil
	case variantFloat:
		return appendFloat(dst, math.Float32frombits(uint32(n))), nil
	case variantDecimal4, variantDecimal8, variantDecimal16:
		return record.AppendDecimal(dst, &record.Dec{Unscaled: signed(b[1:length[kind]]), Scale: int32(b[0])}), nil
	case variantBytes, variantText:
		if n < 0 || int(n) > len(b)-4 {
			return nil, errVariant("a text ends early")
		}
		if kind == variantText {
			return appendText(dst, b[4:4+n]), nil
		}
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b[4:4+n]), '"'), nil
	case variantUUID:
		h := hex.EncodeToString(b[:16])
		return append(dst, `"`+h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:]+`"`...), nil
	}
	return appendMoment(dst, kind, n)
}

// signed is a number in two's complement, the lowest byte first.
func signed(b []byte) *big.Int {
	reversed := slices.Clone(b)
	slices.Reverse(reversed)
	n := new(big.Int).SetBytes(reversed)
	if reversed[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// appendMoment writes dates and times as java.time prints them, seconds always there.
func appendMoment(dst []byte, kind int, n int64) ([]byte, error) {
	const day = 24 * time.Hour
	switch kind {
	case variantDate:
		return appendYear(append(dst, '"'), time.Unix(n*86400, 0).UTC(), "-01-02\"", true), nil
	case variantTime:
		if n < 0 || n >= int64(day/time.Microsecond) {
			return nil, errVariant("a time of day is none")
		}
		t := time.Unix(0, n*1000).UTC()
		return append(appendFraction(t.AppendFormat(append(dst, '"'), "15:04:05"), t), '"'), nil
	case variantInstant:
		n *= 1000 // which Java does too, however large it is
	}
	t := time.Unix(0, n).UTC()
	if kind == variantLocal {
		t = time.UnixMicro(n).UTC()
	}
	zoned := kind == variantInstant || kind == variantInstantNano
	dst = appendFraction(appendYear(append(dst, '"'), t, "-01-02T15:04:05", zoned), t)
	if zoned {
		dst = append(dst, 'Z')
	}
	return append(dst, '"'), nil
}

// appendYear writes a year and what follows it. Plus says that the year is as ISO 8601 has it, with four digits at least and a
// plus before more; else the sign is one of four.
func appendYear(dst []byte, t time.Time, layout string, plus bool) []byte {
	year, digits := t.Year(), "%04d"
	switch {
	case year < 0 && plus:
		digits = "%05d" // the sign is one of them
	case year > 9999 && plus:
		digits = "+%d"
	}
	return t.AppendFormat(fmt.Appendf(dst, digits, year), layout)
}

// appendFraction writes a fraction of a second in three, six or nine digits; none for zero.
func appendFraction(dst []byte, t time.Time) []byte {
	switch n := t.Nanosecond(); {
	case n == 0:
		return dst
	case n%1_000_000 == 0:
		return fmt.Appendf(dst, ".%03d", n/1_000_000)
	case n%1000 == 0:
		return fmt.Appendf(dst, ".%06d", n/1000)
	default:
		return fmt.Appendf(dst, ".%09d", n)
	}
}
