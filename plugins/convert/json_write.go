package convert

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// form is how a value of a schema is written and read: its kind, or its logical type.
type form uint8

const (
	formInt8 form = iota + 1
	formInt16
	formInt32
	formInt64
	formFloat32
	formFloat64
	formBoolean
	formString
	formBytes
	formArray
	formObject // a map whose keys are strings
	formPairs  // a map with other keys
	formStruct
	formDecimal
	formDate
	formTime
	formTimestamp
)

// formOf gives the form of a schema. The logical types go by name alone, as in Kafka Connect.
func formOf(s *record.Schema) form {
	switch s.Name {
	case record.DecimalName:
		return formDecimal
	case record.DateName:
		return formDate
	case record.TimeName:
		return formTime
	case record.TimestampName:
		return formTimestamp
	}
	switch s.Kind {
	case record.Array:
		return formArray
	case record.Struct:
		return formStruct
	case record.Map:
		if s.Key != nil && s.Key.Kind == record.String {
			return formObject
		}
		return formPairs
	}
	return [...]form{
		record.Int8: formInt8, record.Int16: formInt16, record.Int32: formInt32, record.Int64: formInt64,
		record.Float32: formFloat32, record.Float64: formFloat64, record.Boolean: formBoolean,
		record.String: formString, record.Bytes: formBytes,
	}[s.Kind]
}

// writePlan writes values of one schema. It is made once a schema and then only read.
type writePlan struct {
	schema *record.Schema
	form   form
	names  [][]byte     // of a struct's fields: quoted, with the brace or comma before and the colon after
	fields []*writePlan // parallel to names
	key    *writePlan   // of a map; nil where the schema has none
	elem   *writePlan   // of an array or map; nil where the schema has none
	scale  scale        // of a Decimal
	number bool         // a Decimal is written as a number

	null    []byte // what is written for null
	nullErr error  // or why it cannot be written
}

func (j *jsonWriter) plan(s *record.Schema) *writePlan {
	if s == nil {
		return nil
	}
	p := &writePlan{schema: s, form: formOf(s), number: j.numeric}
	switch p.form {
	case formArray:
		p.elem = j.plan(s.Elem)
	case formObject, formPairs:
		p.key, p.elem = j.plan(s.Key), j.plan(s.Elem)
	case formDecimal:
		p.scale = scaleOf(s)
	case formStruct:
		p.fields = make([]*writePlan, len(s.Fields))
		p.names = make([][]byte, len(s.Fields))
		for i, f := range s.Fields {
			p.names[i] = append(appendString([]byte{"{,"[min(i, 1)]}, f.Name), ':')
			p.fields[i] = j.plan(f.Schema)
		}
	}
	switch {
	case s.HasDefault && j.replaceNull:
		p.null, p.nullErr = p.append(nil, s.Default)
	case s.Optional:
		p.null = []byte("null")
	default:
		p.nullErr = plugin.Data("Conversion error: null value for field that is required and has no default value")
	}
	return p
}

// append writes a value of the plan's schema. A nil plan writes what has no schema.
func (p *writePlan) append(dst []byte, v record.Value) ([]byte, error) {
	if p == nil {
		return appendSchemaless(dst, v)
	}
	kind := v.Kind()
	if kind == record.Null {
		return append(dst, p.null...), p.nullErr
	}
	switch p.form {
	case formInt8, formInt16, formInt32, formInt64:
		if kind != p.schema.Kind {
			return nil, p.mismatch(kind)
		}
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case formString:
		if kind != record.String {
			return nil, p.mismatch(kind)
		}
		return appendString(dst, v.Text()), nil
	case formStruct:
		return p.appendStruct(dst, v, kind)
	case formFloat32, formFloat64, formBoolean, formBytes:
		if kind == record.Bytes && p.form != formBytes || kind != p.schema.Kind {
			return nil, p.mismatch(kind)
		}
		return appendSchemaless(dst, v)
	case formArray:
		if kind != record.Array {
			return nil, p.mismatch(kind)
		}
		return p.elem.appendArray(dst, v.Elements())
	case formObject, formPairs:
		if kind != record.Map {
			return nil, p.mismatch(kind)
		}
		if p.form == formObject {
			return appendObject(dst, p.key, p.elem, v.Elements())
		}
		return appendPairs(dst, p.key, p.elem, v.Elements())
	}
	return p.appendLogical(dst, v, kind)
}

func (p *writePlan) mismatch(k record.Kind) error {
	if p.form == formBytes {
		return plugin.Data("Invalid type for bytes type: class %s", k.JavaClass())
	}
	return plugin.Data("Invalid type for %s: class %s", p.schema.Kind, k.JavaClass())
}

func (p *writePlan) appendStruct(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if k != record.Struct {
		return nil, p.mismatch(k)
	}
	values := v.Elements()
	if len(values) != len(p.fields) {
		return nil, errMismatch()
	}
	if len(values) == 0 {
		return append(dst, "{}"...), nil
	}
	var err error
	for i, f := range p.fields {
		if dst, err = f.append(append(dst, p.names[i]...), values[i]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func errMismatch() error { return plugin.Data("Mismatching schema.") }

func (p *writePlan) appendArray(dst []byte, values []record.Value) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = p.append(dst, v); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, key, elem *writePlan, pairs []record.Value) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		start := len(dst)
		if dst, err = key.append(dst, pairs[i]); err != nil {
			return nil, err
		}
		if dst[start] != '"' {
			// The text of what is not a string: a null key is "null".
			dst = strconv.AppendQuote(dst[:start], string(dst[start:]))
		}
		if dst, err = elem.append(append(dst, ':'), pairs[i+1]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendPairs(dst []byte, key, elem *writePlan, pairs []record.Value) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = key.append(append(dst, '['), pairs[i]); err != nil {
			return nil, err
		}
		if dst, err = elem.append(append(dst, ','), pairs[i+1]); err != nil {
			return nil, err
		}
		dst = append(dst, ']')
	}
	return append(dst, ']'), nil
}

func (p *writePlan) appendLogical(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if p.form == formDecimal {
		return p.appendDecimal(dst, v, k)
	}
	if k != record.Instant {
		name := map[form]string{formDate: "Date", formTime: "Time", formTimestamp: "Timestamp"}[p.form]
		return nil, plugin.Data("Invalid type for %s, expected Date but was class %s", name, k.JavaClass())
	}
	n := v.Int()
	switch p.form {
	case formDate:
		if n%dayMillis != 0 {
			return nil, plugin.Data("Kafka Connect Date type should not have any time fields set to non-zero values.")
		}
		n = int64(int32(n / dayMillis))
	case formTime:
		if n < 0 || n > dayMillis {
			return nil, plugin.Data("Kafka Connect Time type should not have any date fields set to non-zero values.")
		}
	}
	return strconv.AppendInt(dst, n, 10), nil
}

const dayMillis = 86_400_000

func (p *writePlan) appendDecimal(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if k != record.Decimal {
		return nil, plugin.Data("Invalid type for Decimal, expected BigDecimal but was class %s", k.JavaClass())
	}
	d := v.Decimal()
	if p.number {
		return record.AppendDecimal(dst, d), nil
	}
	if p.scale.err != nil {
		return nil, p.scale.err
	}
	if d.Scale != p.scale.n {
		return nil, plugin.Data("Decimal value has mismatching scale for given Decimal schema. Schema has scale %d, value has scale %d.", p.scale.n, d.Scale)
	}
	var buf [32]byte
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), record.AppendBigInt(buf[:0], d.Unscaled))
	return append(dst, '"'), nil
}

// scale is the scale of a Decimal's schema, or why it has none.
type scale struct {
	n   int32
	err error
}

func scaleOf(s *record.Schema) scale {
	text, ok := s.Param(record.ScaleParam)
	if !ok {
		return scale{err: plugin.Data("Invalid Decimal schema: scale parameter not found.")}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil && !strings.ContainsAny(text, ".eE") {
		// Java knows the digits of all scripts.
		var d *record.Dec
		if d, err = record.ParseDecimal(text); err == nil {
			n = d.Int64()
		}
	}
	if err != nil || n != int64(int32(n)) {
		return scale{err: plugin.Data("Invalid scale parameter found in Decimal schema: ")}
	}
	return scale{n: int32(n)}
}

// appendSchemaless writes a value by its own kind.
func appendSchemaless(dst []byte, v record.Value) ([]byte, error) {
	switch k := v.Kind(); k {
	case record.Null:
		return append(dst, "null"...), nil
	case record.Int8, record.Int16, record.Int32, record.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case record.Float32:
		if f := v.Float32(); f-f == 0 {
			return record.AppendFloat32(dst, f), nil
		}
		return append(record.AppendFloat32(append(dst, '"'), v.Float32()), '"'), nil
	case record.Float64:
		if f := v.Float(); !math.IsNaN(f - f) {
			return record.AppendFloat64(dst, f), nil
		}
		return append(record.AppendFloat64(append(dst, '"'), v.Float()), '"'), nil
	case record.Boolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	case record.String:
		return appendString(dst, v.Text()), nil
	case record.Bytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
	case record.Array:
		return (*writePlan)(nil).appendArray(dst, v.Elements())
	case record.Map:
		pairs := v.Elements()
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i].Kind() != record.String {
				return appendPairs(dst, nil, nil, pairs)
			}
		}
		return appendObject(dst, nil, nil, pairs)
	case record.Struct:
		return nil, errMismatch() // a struct's schema is never the null schema
	default:
		return nil, plugin.Data("Java class class %s does not have corresponding schema type.", k.JavaClass())
	}
}

const upperHex = "0123456789ABCDEF"

// appendString writes a string with Jackson's escapes: none but those that JSON demands, and both surrogates of what lies
// beyond the basic plane.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for len(s) >= 8 {
		// Eight bytes are written at once, and then as many of them count as need no escape: texts in JSON are short, and so
		// are the parts of a text that has quotes in it.
		if cap(dst)-len(dst) < 8 {
			dst = slices.Grow(dst, len(s)+8)
		}
		w := word(s)
		n := len(dst)
		binary.LittleEndian.PutUint64(dst[n:n+8], w)
		m := marked(w)
		if m == 0 {
			dst, s = dst[:n+8], s[8:]
			continue
		}
		plain := bits.TrailingZeros64(m) / 8
		dst, s = appendEscape(dst[:n+plain], s[plain:])
	}
	for s != "" {
		plain := 0
		for plain < len(s) && s[plain] >= ' ' && s[plain] != '"' && s[plain] != '\\' && s[plain] < utf8.RuneSelf {
			plain++
		}
		dst = append(dst, s[:plain]...)
		if s = s[plain:]; s != "" {
			dst, s = appendEscape(dst, s)
		}
	}
	return append(dst, '"')
}

// word is the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// appendEscape writes the first character of s, which is not plain, and returns the rest.
func appendEscape(dst []byte, s string) (out []byte, rest string) {
	switch c := s[0]; {
	case c == '"' || c == '\\':
		return append(dst, '\\', c), s[1:]
	case c >= utf8.RuneSelf:
		return appendWide(dst, s)
	case c == '\n':
		dst = append(dst, '\\', 'n')
	case c == '\t':
		dst = append(dst, '\\', 't')
	case c == '\r':
		dst = append(dst, '\\', 'r')
	case c == '\b':
		dst = append(dst, '\\', 'b')
	case c == '\f':
		dst = append(dst, '\\', 'f')
	default:
		dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
	}
	return dst, s[1:]
}

// appendWide writes what is not ASCII at the start of s and returns the rest. What is no UTF-8 becomes U+FFFD.
func appendWide(dst []byte, s string) (out []byte, rest string) {
	for s != "" && s[0] >= utf8.RuneSelf {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r > 0xFFFF:
			r -= 0x10000
			dst = appendEscaped(appendEscaped(dst, 0xD800+r>>10), 0xDC00+r&0x3FF)
		case r == utf8.RuneError && n == 1:
			if unit, ok := surrogate(s); ok {
				dst, n = appendEscaped(dst, unit), 3
				break
			}
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = append(dst, s[:n]...)
		}
		s = s[n:]
	}
	return dst, s
}

func appendEscaped(dst []byte, unit rune) []byte {
	return append(dst, '\\', 'u', upperHex[unit>>12&15], upperHex[unit>>8&15], upperHex[unit>>4&15], upperHex[unit&15])
}

// surrogate reads a lone surrogate in the three bytes that [appendUnit] makes of it.
func surrogate(s string) (unit rune, ok bool) {
	if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2]&0xC0 != 0x80 {
		return 0, false
	}
	return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}
