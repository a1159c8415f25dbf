package convert

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
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
	schema  *record.Schema
	form    form
	names   [][]byte        // of a struct's fields: quoted, with the brace or comma before and the colon after
	fields  []*writePlan    // parallel to names
	key     *writePlan      // of a map; nil where the schema has none
	elem    *writePlan      // of an array or map; nil where the schema has none
	logical jackson.Logical // of a logical type
	number  bool            // a Decimal is written as a number

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
	case formDecimal, formDate, formTime, formTimestamp:
		p.logical = jackson.LogicalOf(s)
	case formStruct:
		p.fields = make([]*writePlan, len(s.Fields))
		p.names = make([][]byte, len(s.Fields))
		for i, f := range s.Fields {
			p.names[i] = append(jackson.AppendString([]byte{"{,"[min(i, 1)]}, f.Name), ':')
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
		return jackson.AppendString(dst, v.Text()), nil
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
	return p.logical.Append(dst, v, p.number)
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
		return jackson.AppendString(dst, v.Text()), nil
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
