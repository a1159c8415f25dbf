package vector

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

// Typed is a value with its schema, both in the notation. A null Schema is the null schema; a nil Value is null.
type Typed struct {
	Schema json.RawMessage
	Value  json.RawMessage
}

// Datum reads the value with its schema.
func (t Typed) Datum() (record.Datum, error) {
	s, err := Schema(t.Schema)
	if err != nil {
		return record.Datum{}, err
	}
	v, err := Value(s, t.Value)
	return record.Datum{Schema: s, Value: v}, err
}

// OwnSchema is the schema that a struct carries beside itself, nil when the value has none.
func (t Typed) OwnSchema() json.RawMessage {
	var s struct{ Schema json.RawMessage }
	if json.Unmarshal(t.Value, &s) != nil {
		return nil
	}
	return s.Schema
}

// Schema reads a schema; null and nothing give nil.
func Schema(text json.RawMessage) (*record.Schema, error) {
	if isNull(text) {
		return nil, nil
	}
	var n struct {
		Type                string
		Optional            bool
		Name, Doc           *string
		Version             *int
		Params              [][2]string
		Default             json.RawMessage
		Items, Keys, Values json.RawMessage
		Fields              []struct {
			Name   string
			Schema json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return nil, fmt.Errorf("read schema %s: %w", text, err)
	}
	b, err := builder(n.Type, n.Items, n.Keys, n.Values)
	if err != nil {
		return nil, err
	}
	if n.Optional {
		b.Optional()
	}
	if n.Name != nil {
		b.Named(*n.Name)
	}
	if n.Version != nil {
		b.Versioned(*n.Version)
	}
	if n.Doc != nil {
		b.Documented(*n.Doc)
	}
	for _, p := range n.Params {
		b.Param(p[0], p[1])
	}
	for _, f := range n.Fields {
		s, err := Schema(f.Schema)
		if err != nil {
			return nil, err
		}
		b.Field(f.Name, s)
	}
	if !isNull(n.Default) {
		// The default's place is the schema itself, so that a struct finds its fields. It may be one that the builder would
		// not take: of a schema that got its name later.
		s, err := b.Build()
		if err != nil {
			return nil, err
		}
		s.HasDefault = true
		s.Default, err = Value(s, n.Default)
		return s, err
	}
	return b.Build()
}

func builder(kind string, items, keys, values json.RawMessage) (*record.Builder, error) {
	switch kind {
	case "array":
		elem, err := Schema(items)
		return record.BuildLoose(record.Array, nil, elem), err
	case "map":
		key, err := Schema(keys)
		if err != nil {
			return nil, err
		}
		elem, err := Schema(values)
		return record.BuildLoose(record.Map, key, elem), err
	}
	for k := record.Int8; k <= record.Struct; k++ {
		if strings.ToLower(k.String()) == kind {
			return record.Build(k), nil
		}
	}
	return nil, fmt.Errorf("there is no schema type %q", kind)
}

func isNull(text json.RawMessage) bool { return len(text) == 0 || string(text) == "null" }

// Value reads a value whose place has a schema, which may be nil or of another type: the value's own class counts. A
// struct takes its fields from its place.
func Value(place *record.Schema, text json.RawMessage) (record.Value, error) {
	switch {
	case isNull(text):
		return record.Value{}, nil
	case text[0] == 't', text[0] == 'f':
		return record.OfBool(text[0] == 't'), nil
	case text[0] == '"':
		var s string
		err := json.Unmarshal(text, &s)
		return record.OfString(s), err
	}
	var n classes
	if err := json.Unmarshal(text, &n); err != nil {
		return record.Value{}, fmt.Errorf("read value %s: %w", text, err)
	}
	if v, ok, err := n.number(); ok {
		return v, err
	}
	switch {
	case n.Bytes != nil:
		return record.OfBytes(*n.Bytes), nil
	case n.Buffer != nil: // the whole of it, as most that Kafka Connect does with one
		return record.OfBytes(*n.Buffer), nil
	case n.UTF16 != nil:
		return utf16Value(*n.UTF16)
	case n.List != nil:
		return list(place, *n.List)
	case n.Map != nil:
		return mapping(place, *n.Map)
	case n.Struct != nil:
		return structure(place, n.Schema, *n.Struct)
	case n.Other != nil:
		return record.Value{}, Skip("an object of class %s", *n.Other)
	}
	return record.Value{}, fmt.Errorf("not a value: %s", text)
}

// classes are the members of which a value has one.
type classes struct {
	I8            *int8
	I16           *int16
	I32           *int32
	I64, F32, F64 *string
	Dec           json.RawMessage
	BigInt        *string
	Instant       *string
	Bytes, Buffer *[]byte
	UTF16         *string
	List          *[]json.RawMessage
	Map           *[][2]json.RawMessage
	Struct        *[][2]json.RawMessage
	Schema        json.RawMessage
	Other         *string
}

// number makes a value of a class that is a number or an instant; ok is false for the others.
func (n *classes) number() (v record.Value, ok bool, err error) {
	var i int64
	var bits uint64
	switch {
	case n.I8 != nil:
		v = record.OfInt8(*n.I8)
	case n.I16 != nil:
		v = record.OfInt16(*n.I16)
	case n.I32 != nil:
		v = record.OfInt32(*n.I32)
	case n.I64 != nil:
		i, err = strconv.ParseInt(*n.I64, 10, 64)
		v = record.OfInt64(i)
	case n.Instant != nil:
		i, err = strconv.ParseInt(*n.Instant, 10, 64)
		v = record.OfInstant(i)
	case n.F32 != nil:
		bits, err = floatBits(*n.F32, 32)
		v = record.OfFloat32(math.Float32frombits(uint32(bits)))
	case n.F64 != nil:
		bits, err = floatBits(*n.F64, 64)
		v = record.OfFloat64(math.Float64frombits(bits))
	case n.Dec != nil:
		v, err = decimal(n.Dec)
	case n.BigInt != nil:
		big, isInt := new(big.Int).SetString(*n.BigInt, 10)
		if !isInt {
			return v, true, fmt.Errorf("not an integer: %q", *n.BigInt)
		}
		v = record.OfBigInt(big)
	default:
		return v, false, nil
	}
	return v, true, err
}

// floatBits reads Java's text of a float, or "NaN:" and the bits in hex.
func floatBits(text string, size int) (uint64, error) {
	if bits, ok := strings.CutPrefix(text, "NaN:"); ok {
		return strconv.ParseUint(bits, 16, size)
	}
	f, err := strconv.ParseFloat(text, size)
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	switch {
	case size == 64 && f != f:
		return 0x7ff8000000000000, err
	case size == 64:
		return math.Float64bits(f), err
	case f != f:
		return 0x7fc00000, err
	}
	return uint64(math.Float32bits(float32(f))), err
}

// utf16Value makes a String of UTF-16 units in hex. A lone surrogate becomes its three bytes in the generalised UTF-8
// that Java's own strings would give.
func utf16Value(text string) (record.Value, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b)%2 != 0 {
		return record.Value{}, fmt.Errorf("not UTF-16 in hex: %q", text)
	}
	var units []uint16
	for ; len(b) > 0; b = b[2:] {
		units = append(units, binary.BigEndian.Uint16(b))
	}
	var out []byte
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) && i+1 < len(units) {
			if pair := utf16.DecodeRune(r, rune(units[i+1])); pair != utf8.RuneError {
				out = utf8.AppendRune(out, pair)
				i++
				continue
			}
		}
		if utf16.IsSurrogate(r) {
			out = append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0xBF, 0x80|byte(r)&0xBF)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return record.OfText(out), nil
}

func decimal(text json.RawMessage) (record.Value, error) {
	var parts [2]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return record.Value{}, err
	}
	unscaled, ok := new(big.Int).SetString(strings.Trim(string(parts[0]), `"`), 10)
	scale, err := strconv.ParseInt(string(parts[1]), 10, 32)
	if !ok || err != nil {
		return record.Value{}, fmt.Errorf("not a decimal: %s", text)
	}
	return record.OfDecimal(unscaled, int32(scale)), nil
}

func list(place *record.Schema, texts []json.RawMessage) (record.Value, error) {
	var elem *record.Schema
	if place != nil && place.Kind == record.Array {
		elem = place.Elem
	}
	vs := make([]record.Value, len(texts))
	for i, text := range texts {
		v, err := Value(elem, text)
		if err != nil {
			return record.Value{}, err
		}
		vs[i] = v
	}
	return record.OfArray(vs), nil
}

func mapping(place *record.Schema, texts [][2]json.RawMessage) (record.Value, error) {
	var key, elem *record.Schema
	if place != nil && place.Kind == record.Map {
		key, elem = place.Key, place.Elem
	}
	vs := make([]record.Value, 0, 2*len(texts))
	for _, pair := range texts {
		k, err := Value(key, pair[0])
		if err != nil {
			return record.Value{}, err
		}
		v, err := Value(elem, pair[1])
		if err != nil {
			return record.Value{}, err
		}
		vs = append(vs, k, v)
	}
	return record.OfMap(vs), nil
}

func structure(place *record.Schema, own json.RawMessage, fields [][2]json.RawMessage) (record.Value, error) {
	if !isNull(own) {
		s, err := Schema(own)
		if err != nil {
			return record.Value{}, err
		}
		if place == nil {
			place = s // it is data without a schema, whose struct has one
		}
		if !sameShape(s, place) {
			return record.Value{}, Skip("a struct whose own schema is not that of its place: a value carries no schema")
		}
	}
	if place == nil || place.Kind != record.Struct {
		return record.Value{}, Skip("a struct in a place without a struct schema: a value carries no schema")
	}
	vs := make([]record.Value, len(place.Fields))
	for _, f := range fields {
		var name string
		if err := json.Unmarshal(f[0], &name); err != nil {
			return record.Value{}, err
		}
		i := place.Field(name)
		if i < 0 {
			return record.Value{}, fmt.Errorf("the struct's schema has no field %q", name)
		}
		v, err := Value(place.Fields[i].Schema, f[1])
		if err != nil {
			return record.Value{}, err
		}
		vs[i] = v
	}
	return record.OfStruct(vs), nil
}

// sameShape compares a struct's schema with that of its place, apart from the default: a default's own schema cannot have
// it yet.
func sameShape(own, place *record.Schema) bool {
	a, b := *own, *place
	a.HasDefault, a.Default, b.HasDefault, b.Default = false, record.Value{}, false, record.Value{}
	return a.Equal(&b)
}

// CompareDatum says how an answer differs from the recorded one.
func CompareDatum(want, got record.Datum) error {
	if !want.Schema.Equal(got.Schema) {
		return fmt.Errorf("schema:\n got %s\nwant %s", ShowSchema(got.Schema), ShowSchema(want.Schema))
	}
	return CompareValue(want.Value, got.Value)
}

// CompareValue says how a value differs from the recorded one: class and content, a NaN by its bits.
func CompareValue(want, got record.Value) error {
	if want.Equal(got) && sameNaN(want, got) {
		return nil
	}
	return fmt.Errorf("value:\n got %s\nwant %s", Show(got), Show(want))
}

func sameNaN(want, got record.Value) bool {
	switch want.Kind() {
	case record.Float32:
		return math.Float32bits(want.Float32()) == math.Float32bits(got.Float32())
	case record.Float64:
		return math.Float64bits(want.Float()) == math.Float64bits(got.Float())
	}
	return true
}

// Show writes a value in the notation. A struct, whose schema its place would give, shows its fields as a list.
func Show(v record.Value) string { return string(appendValue(nil, nil, v)) }

// ShowDatum writes a value with its schema as members of a request or an answer; structs leave out what is null.
func ShowDatum(d record.Datum) string {
	dst := append(appendSchema([]byte(`"schema":`), d.Schema), `,"value":`...)
	return string(appendValue(dst, d.Schema, d.Value))
}

// appendValue writes a value at a place, whose schema may be nil or of another kind.
func appendValue(dst []byte, place *record.Schema, v record.Value) []byte {
	k := v.Kind()
	if place == nil || place.Kind != k {
		place = new(record.Schema)
	}
	switch k {
	case record.Null:
		return append(dst, "null"...)
	case record.Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case record.Int8:
		return fmt.Appendf(dst, `{"i8":%d}`, v.Int())
	case record.Int16:
		return fmt.Appendf(dst, `{"i16":%d}`, v.Int())
	case record.Int32:
		return fmt.Appendf(dst, `{"i32":%d}`, v.Int())
	case record.Int64:
		return fmt.Appendf(dst, `{"i64":"%d"}`, v.Int())
	case record.Instant:
		return fmt.Appendf(dst, `{"instant":"%d"}`, v.Int())
	case record.Float32:
		return fmt.Appendf(dst, `{"f32":"%s"}`, floatText(float64(v.Float32()), uint64(math.Float32bits(v.Float32())), 32))
	case record.Float64:
		return fmt.Appendf(dst, `{"f64":"%s"}`, floatText(v.Float(), math.Float64bits(v.Float()), 64))
	case record.String:
		return appendString(dst, v.Text())
	case record.Bytes:
		return fmt.Appendf(dst, `{"bytes":"%s"}`, base64.StdEncoding.EncodeToString(v.Bytes()))
	case record.Decimal:
		return fmt.Appendf(dst, `{"dec":["%s",%d]}`, v.Decimal().Unscaled, v.Decimal().Scale)
	case record.BigInt:
		return fmt.Appendf(dst, `{"bigint":"%s"}`, v.BigInt())
	case record.Map:
		return append(appendPairs(append(dst, `{"map":[`...), place, v.Elements()), "]}"...)
	case record.Struct:
		if len(place.Fields) == len(v.Elements()) {
			return append(appendFields(append(dst, `{"struct":[`...), place, v.Elements()), "]}"...)
		}
		return append(appendList(append(dst, `{"struct":[`...), nil, v.Elements()), "]}"...)
	default:
		return append(appendList(append(dst, `{"list":[`...), place.Elem, v.Elements()), "]}"...)
	}
}

func appendList(dst []byte, elem *record.Schema, vs []record.Value) []byte {
	for i, v := range vs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, elem, v)
	}
	return dst
}

func appendPairs(dst []byte, place *record.Schema, pairs []record.Value) []byte {
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendValue(append(dst, '['), place.Key, pairs[i]), ',')
		dst = append(appendValue(dst, place.Elem, pairs[i+1]), ']')
	}
	return dst
}

func appendFields(dst []byte, place *record.Schema, vs []record.Value) []byte {
	first := true
	for i, v := range vs {
		if v.IsNull() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendString(append(dst, '['), place.Fields[i].Name), ',')
		dst = append(appendValue(dst, place.Fields[i].Schema, v), ']')
	}
	return dst
}

// appendString writes a string; one that has a lone surrogate as its UTF-16 units.
func appendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return append(appendUnits(append(dst, `{"utf16":"`...), s), `"}`...)
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return append(dst, b...)
}

// appendUnits writes UTF-16 units in hex; the three bytes of a lone surrogate are one, as [utf16Value] makes them.
func appendUnits(dst []byte, s string) []byte {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 && len(s) >= 3 && s[0] == 0xED {
			r, n = 0xD000|rune(s[1]&0x3F)<<6|rune(s[2]&0x3F), 3
		}
		s = s[n:]
		if r > 0xFFFF {
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, "%04x", high)
			r = low
		}
		dst = fmt.Appendf(dst, "%04x", r)
	}
	return dst
}

func floatText(f float64, bits uint64, size int) string {
	switch {
	case f != f && bits != 0x7fc00000 && bits != 0x7ff8000000000000:
		return "NaN:" + strconv.FormatUint(bits, 16)
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, size), "+") + "inity"
	}
	return strconv.FormatFloat(f, 'g', -1, size)
}

// ShowSchema writes a schema in the notation.
func ShowSchema(s *record.Schema) string { return string(appendSchema(nil, s)) }

func appendSchema(dst []byte, s *record.Schema) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	dst = fmt.Appendf(dst, `{"type":"%s"`, strings.ToLower(s.Kind.String()))
	if s.Optional {
		dst = append(dst, `,"optional":true`...)
	}
	if s.Name != "" {
		dst = appendString(append(dst, `,"name":`...), s.Name)
	}
	if s.HasVersion {
		dst = fmt.Appendf(dst, `,"version":%d`, s.Version)
	}
	if s.Doc != "" {
		dst = appendString(append(dst, `,"doc":`...), s.Doc)
	}
	for i, p := range s.Params {
		dst = append(dst, []string{`,"params":[`, `,`}[min(i, 1)]...)
		dst = append(appendString(append(appendString(append(dst, '['), p.Key), ','), p.Value), ']')
	}
	if len(s.Params) > 0 {
		dst = append(dst, ']')
	}
	if s.HasDefault {
		dst = appendValue(append(dst, `,"default":`...), s, s.Default)
	}
	switch s.Kind {
	case record.Array:
		dst = appendSchema(append(dst, `,"items":`...), s.Elem)
	case record.Map:
		dst = appendSchema(append(dst, `,"keys":`...), s.Key)
		dst = appendSchema(append(dst, `,"values":`...), s.Elem)
	case record.Struct:
		dst = append(dst, `,"fields":[`...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(append(dst, `{"name":`...), f.Name), `,"schema":`...)
			dst = append(appendSchema(dst, f.Schema), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
