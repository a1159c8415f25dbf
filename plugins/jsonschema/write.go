package jsonschema

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
	formInteger form = iota + 1
	formFloat32
	formFloat64
	formBoolean
	formString
	formBytes
	formArray
	formObject // a map whose keys are strings
	formPairs  // a map with other keys, optional strings among them
	formStruct
	formUnion // a struct of which one field is set
	formDecimal
	formDate
	formTime
	formTimestamp
	formVariant
)

// formOf gives the form of a schema. The logical types go by name alone, as in Confluent's converter.
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
	if isVariant(s) {
		return formVariant
	}
	switch s.Kind {
	case record.Array:
		return formArray
	case record.Struct:
		if isUnion(s) {
			return formUnion
		}
		return formStruct
	case record.Map:
		if s.Key != nil && s.Key.Kind == record.String && !s.Key.Optional {
			return formObject
		}
		return formPairs
	}
	return [...]form{
		record.Int8: formInteger, record.Int16: formInteger, record.Int32: formInteger, record.Int64: formInteger,
		record.Float32: formFloat32, record.Float64: formFloat64, record.Boolean: formBoolean,
		record.String: formString, record.Bytes: formBytes,
	}[s.Kind]
}

func isUnion(s *record.Schema) bool {
	if s.Name == unionName {
		return true
	}
	_, ok := s.Param(generalUnion)
	return ok
}

// writePlan writes values of one schema. It is made once a schema and then only read.
type writePlan struct {
	schema  *record.Schema
	form    form
	names   [][]byte        // of a struct's fields: quoted, with the comma before and the colon after
	fields  []*writePlan    // of a struct or a union; parallel to the schema's
	key     *writePlan      // of a map
	elem    *writePlan      // of an array or map
	logical jackson.Logical // of a logical type
	number  bool            // a Decimal is written as a number
	extras  int             // of a struct: the field whose members stand beside the others, -1 without one

	initial bool   // null stands for the default
	null    []byte // what is written for null; nothing means that the member is left out
	nullErr error  // or why it cannot be written
}

type writePlanner struct {
	set     *settings
	numeric bool
	known   map[*record.Schema]*writePlan
}

func (w *writePlanner) plan(s *record.Schema) *writePlan {
	if s == nil {
		return nil // of a map or an array that the value parser made; nothing is in it
	}
	if p, ok := w.known[s]; ok {
		return p
	}
	p := &writePlan{schema: s, form: formOf(s), number: w.numeric, extras: w.set.extrasOf(s)}
	w.known[s] = p
	switch p.form {
	case formArray, formObject, formPairs:
		p.key, p.elem = w.plan(s.Key), w.plan(s.Elem)
	case formDecimal, formDate, formTime, formTimestamp:
		p.logical = jackson.LogicalOf(s)
	case formStruct, formUnion:
		p.fields = make([]*writePlan, len(s.Fields))
		p.names = make([][]byte, len(s.Fields))
		for i, f := range s.Fields {
			p.names[i] = append(jackson.AppendString([]byte{','}, f.Name), ':')
			p.fields[i] = w.plan(f.Schema)
		}
	}
	switch {
	case s.HasDefault && !w.set.IgnoreDefault:
		p.initial = true
		p.null, p.nullErr = p.append(nil, s.Default)
	case s.Optional:
		p.null = []byte("null")
	}
	return p
}

// append writes a value of the plan's schema. It appends nothing for a null that has no form, which leaves the member out.
func (p *writePlan) append(dst []byte, v record.Value) ([]byte, error) {
	if p == nil {
		return nil, plugin.Data("Couldn't convert value to JSON.")
	}
	kind := v.Kind()
	if kind == record.Null {
		return append(dst, p.null...), p.nullErr
	}
	switch p.form {
	case formInteger:
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
	case formUnion:
		return p.appendUnion(dst, v, kind)
	case formArray, formObject, formPairs:
		return p.appendCollection(dst, v, kind)
	case formFloat32, formFloat64, formBoolean, formBytes:
		return p.appendScalar(dst, v, kind)
	}
	return p.appendLogical(dst, v, kind)
}

func (p *writePlan) mismatch(k record.Kind) error {
	if p.form == formBytes {
		return plugin.Data("Invalid type for bytes type: class %s", k.JavaClass())
	}
	return plugin.Data("Invalid type for %s: class %s", p.schema.Kind, k.JavaClass())
}

func (p *writePlan) appendScalar(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if k != p.schema.Kind {
		if p.form == formBytes && k == record.Decimal {
			return record.AppendDecimal(dst, v.Decimal()), nil
		}
		return nil, p.mismatch(k)
	}
	switch p.form {
	case formFloat32:
		return appendFloat(dst, v.Float32()), nil
	case formFloat64:
		return appendDouble(dst, v.Float()), nil
	case formBoolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	default:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
	}
}

// appendFloat writes a number, or in quotes the word for what JSON has no number for.
func appendFloat(dst []byte, f float32) []byte {
	if f-f == 0 {
		return record.AppendFloat32(dst, f)
	}
	return append(record.AppendFloat32(append(dst, '"'), f), '"')
}

func appendDouble(dst []byte, f float64) []byte {
	if !math.IsNaN(f - f) {
		return record.AppendFloat64(dst, f)
	}
	return append(record.AppendFloat64(append(dst, '"'), f), '"')
}

// fieldsOf checks that a value is a struct of this schema.
func (p *writePlan) fieldsOf(v record.Value, k record.Kind) ([]record.Value, error) {
	if k != record.Struct {
		return nil, p.mismatch(k)
	}
	values := v.Elements()
	if len(values) != len(p.fields) {
		return nil, plugin.Data("Mismatching schema.")
	}
	return values, nil
}

func (p *writePlan) appendStruct(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	values, err := p.fieldsOf(v, k)
	if err != nil {
		return nil, err
	}
	start := len(dst)
	for i, f := range p.fields {
		if i == p.extras {
			continue
		}
		before := len(dst)
		dst = append(dst, p.names[i]...)
		named := len(dst)
		if dst, err = f.append(dst, values[i]); err != nil {
			return nil, err
		}
		if len(dst) == named {
			dst = dst[:before]
		}
	}
	if p.extras >= 0 {
		if dst, err = p.appendExtras(dst, values[p.extras]); err != nil {
			return nil, err
		}
	}
	if len(dst) == start {
		return append(dst, "{}"...), nil
	}
	dst[start] = '{' // in place of the first comma
	return append(dst, '}'), nil
}

// appendExtras writes the members that the schema does not name, each behind a comma.
func (p *writePlan) appendExtras(dst []byte, extras record.Value) ([]byte, error) {
	if extras.IsNull() {
		return dst, nil
	}
	f := p.fields[p.extras]
	if extras.Kind() != record.Map {
		return nil, f.mismatch(extras.Kind())
	}
	pairs := extras.Elements()
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i]
		if name.Kind() != record.String || p.schema.Field(name.Text()) >= 0 {
			return nil, plugin.Data("a name in %s is none, or that of a field", extrasField)
		}
		var err error
		if dst, err = f.elem.appendElement(append(jackson.AppendString(append(dst, ','), name.Text()), ':'), pairs[i+1]); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendUnion writes the first field that is set.
func (p *writePlan) appendUnion(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	values, err := p.fieldsOf(v, k)
	if err != nil {
		return nil, err
	}
	for i, f := range p.fields {
		if !values[i].IsNull() || f.initial {
			return f.append(dst, values[i])
		}
	}
	return append(dst, p.null...), p.nullErr
}

func (p *writePlan) appendCollection(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if k != p.schema.Kind {
		return nil, p.mismatch(k)
	}
	switch p.form {
	case formArray:
		return p.appendArray(dst, v.Elements())
	case formObject:
		return p.appendObject(dst, v.Elements())
	default:
		return p.appendPairs(dst, v.Elements())
	}
}

// appendElement writes an element, for which there is always something to write.
func (p *writePlan) appendElement(dst []byte, v record.Value) ([]byte, error) {
	start := len(dst)
	dst, err := p.append(dst, v)
	if err == nil && len(dst) == start {
		dst = append(dst, "null"...)
	}
	return dst, err
}

func (p *writePlan) appendArray(dst []byte, values []record.Value) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = p.elem.appendElement(dst, v); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (p *writePlan) appendObject(dst []byte, pairs []record.Value) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		if pairs[i].IsNull() && len(p.key.null) == 0 {
			return nil, plugin.Data("a map has a key of null, which its schema does not allow")
		}
		if dst, err = p.key.append(dst, pairs[i]); err != nil {
			return nil, err
		}
		if dst, err = p.elem.appendElement(append(dst, ':'), pairs[i+1]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (p *writePlan) appendPairs(dst []byte, pairs []record.Value) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = p.key.appendElement(append(dst, `{"key":`...), pairs[i]); err != nil {
			return nil, err
		}
		if dst, err = p.elem.appendElement(append(dst, `,"value":`...), pairs[i+1]); err != nil {
			return nil, err
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

func (p *writePlan) appendLogical(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	if p.form == formVariant {
		return p.appendVariant(dst, v, k)
	}
	return p.logical.Append(dst, v, p.number)
}
