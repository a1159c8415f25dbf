package record

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// JavaClass is the class that holds a value of the kind in Kafka Connect, as its messages name it.
func (k Kind) JavaClass() string {
	return [...]string{
		Null: "null", Int8: "java.lang.Byte", Int16: "java.lang.Short", Int32: "java.lang.Integer", Int64: "java.lang.Long",
		Float32: "java.lang.Float", Float64: "java.lang.Double", Boolean: "java.lang.Boolean", String: "java.lang.String",
		Bytes: "[B", Array: "java.util.ArrayList", Map: "java.util.HashMap", Struct: "org.apache.kafka.connect.data.Struct",
		Decimal: "java.math.BigDecimal", Instant: "java.util.Date", BigInt: "java.math.BigInteger",
	}[k]
}

// AppendText appends a value, which is not null, as Kafka Connect's Values.convertToString writes it: a string as it is,
// bytes in base64, collections in the manner of JSON. ParseText reads it back, though maybe as another type. The datum's
// schema names the fields of a struct. A struct in a place without a schema is an error.
func (d Datum) AppendText(dst []byte) ([]byte, error) {
	return appendEmbedded(dst, d.Schema, d.Value, false)
}

func appendEmbedded(dst []byte, s *Schema, v Value, embedded bool) ([]byte, error) {
	switch v.Kind() {
	case Null:
		return append(dst, "null"...), nil
	case String:
		if !embedded {
			return append(dst, v.Text()...), nil
		}
		return appendQuoted(dst, v.Text()), nil
	case Bytes:
		if !embedded {
			return base64.StdEncoding.AppendEncode(dst, v.Bytes()), nil
		}
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
	case Instant:
		return appendInstant(dst, v.Int()), nil
	case Array:
		return appendTexts(append(dst, '['), place(s, Array).Elem, v.Elements())
	case Map:
		return appendTextPairs(append(dst, '{'), place(s, Map), v.Elements())
	case Struct:
		return appendTextFields(dst, s, v.Elements())
	default:
		return appendScalar(dst, v), nil
	}
}

// place is the schema of a collection, an empty one where there is none of that kind.
func place(s *Schema, k Kind) *Schema {
	if s == nil || s.Kind != k {
		return &noSchema
	}
	return s
}

var noSchema Schema //nolint:gochecknoglobals // a constant that needs a pointer

// appendScalar prints what Java prints by toString: numbers and booleans.
func appendScalar(dst []byte, v Value) []byte {
	switch v.Kind() {
	case Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case Float32:
		return AppendFloat32(dst, v.Float32())
	case Float64:
		return AppendFloat64(dst, v.Float())
	case Decimal:
		return AppendDecimal(dst, v.Decimal())
	case BigInt:
		return v.BigInt().Append(dst, 10)
	default:
		return strconv.AppendInt(dst, v.Int(), 10)
	}
}

// appendQuoted escapes nothing but quotes and backslashes.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		i := strings.IndexAny(s, `"\`)
		if i < 0 {
			return append(append(dst, s...), '"')
		}
		dst = append(append(dst, s[:i]...), '\\', s[i])
		s = s[i+1:]
	}
}

func appendTexts(dst []byte, elem *Schema, vs []Value) ([]byte, error) {
	for i, v := range vs {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendEmbedded(dst, elem, v, true); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendTextPairs(dst []byte, s *Schema, pairs []Value) ([]byte, error) {
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendEmbedded(dst, s.Key, pairs[i], true); err != nil {
			return nil, err
		}
		if dst, err = appendEmbedded(append(dst, ':'), s.Elem, pairs[i+1], true); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendTextFields(dst []byte, s *Schema, vs []Value) ([]byte, error) {
	if s == nil || s.Kind != Struct || len(s.Fields) != len(vs) {
		return nil, errors.New("a struct without its schema cannot be written as text")
	}
	dst = append(dst, '{')
	for i, v := range vs {
		f := &s.Fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, f.Name), ':')
		if v.IsNull() && f.Schema.HasDefault {
			v = f.Schema.Default
		}
		var err error
		if dst, err = appendEmbedded(dst, f.Schema, v, true); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// AppendJava appends a value as Java's toString prints it: [1, a], {k=v}, Struct{a=1} without null fields, and for bytes
// a [B@ that says nothing. It stands in messages, and the string converter writes it.
func (d Datum) AppendJava(dst []byte) []byte {
	v, s := d.Value, d.Schema
	switch v.Kind() {
	case Null:
		return append(dst, "null"...)
	case String:
		return append(dst, v.Text()...)
	case Bytes:
		return append(dst, "[B@0"...)
	case Instant:
		return appendJavaDate(dst, v.Int())
	case Array:
		dst = append(dst, '[')
		for i, e := range v.Elements() {
			dst = Datum{place(s, Array).Elem, e}.AppendJava(appendComma(dst, i))
		}
		return append(dst, ']')
	case Map:
		s, pairs := place(s, Map), v.Elements()
		dst = append(dst, '{')
		for i := 0; i < len(pairs); i += 2 {
			dst = Datum{s.Key, pairs[i]}.AppendJava(appendComma(dst, i))
			dst = Datum{s.Elem, pairs[i+1]}.AppendJava(append(dst, '='))
		}
		return append(dst, '}')
	case Struct:
		return appendJavaStruct(dst, place(s, Struct), v.Elements())
	default:
		return appendScalar(dst, v)
	}
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ", "...)
	}
	return dst
}

func appendJavaStruct(dst []byte, s *Schema, vs []Value) []byte {
	dst = append(dst, "Struct{"...)
	first := true
	for i := range min(len(vs), len(s.Fields)) {
		if vs[i].IsNull() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, s.Fields[i].Name...), '=')
		dst = Datum{s.Fields[i].Schema, vs[i]}.AppendJava(dst)
	}
	return append(dst, '}')
}
