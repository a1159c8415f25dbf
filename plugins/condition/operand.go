package condition

import (
	"fmt"
	"slices"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// origin is the part of a record where a path begins, in the order of nameList.
type origin int

const (
	ofValue origin = iota
	ofKey
	ofHeaders
	ofTopic
	ofPartition
	ofOffset
	ofTimestamp
)

// operand is what a comparison compares: a field or a constant, and what takes the place of its null.
type operand struct {
	ref         *ref
	constant    record.Value // where ref is nil
	alternative *operand     // of ??, or nil
}

func (o *operand) get(r *record.Record) (record.Datum, error) {
	d := record.Datum{Value: o.constant}
	if o.ref != nil {
		var err error
		if d, err = o.ref.get(r); err != nil {
			return d, err
		}
	}
	if d.Value.IsNull() && o.alternative != nil {
		return o.alternative.get(r)
	}
	return d, nil
}

// truth is the operand where true or false is wanted.
func (o *operand) truth(r *record.Record) (bool, error) {
	d, err := o.get(r)
	if err != nil {
		return false, err
	}
	if d.Value.Kind() != record.Boolean {
		return false, plugin.Data("%s is %s, not true or false", o, word(d.Value))
	}
	return d.Value.Bool(), nil
}

// String is how a message names the operand; a constant stands in the configuration, so that it may be shown.
func (o *operand) String() string {
	if o.ref != nil {
		return o.ref.text
	}
	return "the constant"
}

// ref is a path into a record.
type ref struct {
	root  origin
	steps []step
	text  string
}

// step is one name or index of a path. For structs it keeps the place of the field in the schema it met last.
type step struct {
	name    string
	at      int
	element bool // at counts, not name
	schema  *record.Schema
	index   int
}

// get follows the path. What is not there is null, and so is everything behind a null.
func (f *ref) get(r *record.Record) (record.Datum, error) {
	d, steps := f.begin(r)
	for i := range steps {
		if d.Value.IsNull() {
			return record.Datum{}, nil
		}
		var err error
		if d, err = steps[i].follow(f, d); err != nil {
			return d, err
		}
	}
	return d, nil
}

// begin is the part of the record where the path begins, with the steps that are left.
func (f *ref) begin(r *record.Record) (record.Datum, []step) {
	switch f.root {
	case ofValue:
		return r.Value, f.steps
	case ofKey:
		return r.Key, f.steps
	case ofHeaders:
		if len(f.steps) == 0 {
			return headerMap(r), nil
		}
		for i := range slices.Backward(r.Headers) { // the last of a name counts
			if r.Headers[i].Key == f.steps[0].name {
				return r.Headers[i].Datum, f.steps[1:]
			}
		}
		return record.Datum{}, nil
	}
	var v record.Value
	switch {
	case f.root == ofTopic:
		v = record.OfString(r.Topic)
	case f.root == ofPartition && r.Partition >= 0:
		v = record.OfInt32(r.Partition)
	case f.root == ofOffset && r.Position.Offset.Kind() == record.Int64:
		v = r.Position.Offset
	case f.root == ofTimestamp && r.Timestamp != record.NoTimestamp:
		v = record.OfInstant(r.Timestamp)
	}
	return record.Datum{Value: v}, f.steps
}

func headerMap(r *record.Record) record.Datum {
	pairs := make([]record.Value, 0, 2*len(r.Headers))
	for i := range r.Headers {
		pairs = append(pairs, record.OfString(r.Headers[i].Key), r.Headers[i].Value)
	}
	return record.Datum{Value: record.OfMap(pairs)}
}

func (s *step) follow(f *ref, d record.Datum) (record.Datum, error) {
	switch k := d.Value.Kind(); {
	case s.element && k == record.Array:
		return s.elementOf(d), nil
	case !s.element && k == record.Struct:
		if s.schema != d.Schema {
			s.schema, s.index = d.Schema, d.Schema.Field(s.name)
		}
		if s.index < 0 {
			return record.Datum{}, nil
		}
		return record.Datum{Schema: d.Schema.Fields[s.index].Schema, Value: d.Value.Elements()[s.index]}, nil
	case !s.element && k == record.Map:
		v, _ := d.Value.Get(s.name)
		return record.Datum{Schema: elemOf(d.Schema), Value: v}, nil
	}
	if s.element {
		return record.Datum{}, plugin.Data("%s: [%d] of %s, which is no list", f.text, s.at, word(d.Value))
	}
	return record.Datum{}, plugin.Data("%s: .%s of %s, which has no fields", f.text, s.name, word(d.Value))
}

func (s *step) elementOf(d record.Datum) record.Datum {
	list, at := d.Value.Elements(), s.at
	if at < 0 {
		at += len(list)
	}
	if at < 0 || at >= len(list) {
		return record.Datum{}
	}
	return record.Datum{Schema: elemOf(d.Schema), Value: list[at]}
}

func elemOf(s *record.Schema) *record.Schema {
	if s == nil {
		return nil
	}
	return s.Elem
}

// word names what a value is, in a message.
func word(v record.Value) string {
	switch v.Kind() {
	case record.Null:
		return "null"
	case record.Int8, record.Int16, record.Int32, record.Int64, record.BigInt, record.Float32, record.Float64, record.Decimal:
		return "a number"
	case record.Boolean:
		return "true or false"
	case record.String:
		return "a text"
	case record.Bytes:
		return "bytes"
	case record.Array:
		return "a list"
	case record.Map:
		return "a map"
	case record.Struct:
		return "a struct"
	}
	return "a time"
}

// goName names what the machine made.
func goName(v any) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprintf("%T", v)
}
