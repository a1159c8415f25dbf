package record

import (
	"errors"
	"fmt"
)

// Projection takes values of one schema to another, an older or a newer form of it (Kafka Connect: SchemaProjector): fields
// by name, those that are missing by their defaults, numbers to wider ones. It is made once for two schemas and then only
// read, so that any number of goroutines may use it.
type Projection struct {
	to     *Schema
	kind   Kind // what a number becomes; Null where it stays what it is
	elem   *Projection
	key    *Projection
	fields []projectedField // of a struct, parallel to those of to
	err    error            // why no value can be taken
	ifNull Value            // what null becomes
}

// projectedField is where a field comes from.
type projectedField struct {
	from   int // the field of the source; -1: none
	preset Value
	err    error // there is neither a field nor a default
	*Projection
}

var errNoDefault = errors.New("Writer schema is optional, however, target schema does not provide a default value.") //nolint:staticcheck // Kafka Connect's words

// Project plans to take values of from to to. What cannot be taken is told by [Projection.Value], as there: schemas of
// elements that do not meet are no obstacle to an empty array.
func Project(from, to *Schema) *Projection {
	p := &Projection{to: to, err: projectable(from, to)}
	if p.err != nil {
		return p
	}
	if from.Optional && !to.Optional {
		if !to.HasDefault {
			p.err = errNoDefault
			return p
		}
		p.ifNull = to.Default
	}
	switch to.Kind {
	case Array:
		p.elem = Project(from.Elem, to.Elem)
	case Map:
		p.key, p.elem = Project(from.Key, to.Key), Project(from.Elem, to.Elem)
	case Struct:
		for i := range to.Fields {
			p.fields = append(p.fields, projectField(from, &to.Fields[i]))
		}
	default:
		if isNumber(to.Kind) {
			p.kind = to.Kind
		}
	}
	return p
}

func projectField(from *Schema, f *Field) projectedField {
	out := projectedField{from: from.Field(f.Name)}
	switch {
	case out.from >= 0:
		source := from.Fields[out.from].Schema
		out.Projection = Project(source, f.Schema)
		if source.HasDefault {
			out.preset = source.Default
		}
	case f.Schema.Optional:
	case f.Schema.HasDefault:
		out.preset = f.Schema.Default
	default:
		out.err = fmt.Errorf("Required field `%s` is missing from source schema: %s", f.Name, from)
	}
	return out
}

// projectable says why values of one schema can never be those of another.
func projectable(from, to *Schema) error {
	switch {
	case from == nil || to == nil:
		return errors.New("values without a schema cannot be projected")
	case from.Kind != to.Kind && (!isNumber(from.Kind) || !isNumber(to.Kind) || from.Kind > to.Kind):
		return fmt.Errorf("Schema type mismatch. source type: %s and target type: %s", from.Kind, to.Kind)
	case from.Name != to.Name:
		return fmt.Errorf("Schema name mismatch. source name: %s and target name: %s", orNull(from.Name), orNull(to.Name))
	case !sameParams(from.Params, to.Params):
		return fmt.Errorf("Schema parameters not equal. source parameters: %s and target parameters: %s", paramText(from.Params), paramText(to.Params))
	}
	return nil
}

func orNull(name string) string {
	if name == "" {
		return "null"
	}
	return name
}

// paramText is Java's text of a map, or of none.
func paramText(params []Param) string {
	if len(params) == 0 {
		return "null"
	}
	text := []byte{'{'}
	for i, p := range params {
		text = append(append(append(appendComma(text, i), p.Key...), '='), p.Value...)
	}
	return string(append(text, '}'))
}

// Value takes a value over. What is made lies in the arena; the rest is shared with v. Errors are in the words of Kafka
// Connect.
func (p *Projection) Value(a *Arena, v Value) (Value, error) {
	k := v.Kind()
	switch {
	case p.err != nil:
		return Value{}, p.err
	case k == Null:
		return p.ifNull, nil
	case p.kind != Null:
		return promoted(v, k, p.kind), nil
	}
	switch p.to.Kind {
	case Array:
		return p.array(a, v)
	case Map:
		return p.mapping(a, v)
	case Struct:
		return p.structure(a, v)
	}
	return v, nil
}

// promoted is a number as one of a kind that is not narrower. What is no number, such as a date, stays as it is; a decimal,
// which a schema of any type may have that is called so, is a number.
func promoted(v Value, from, to Kind) Value {
	switch {
	case from == Decimal:
		return narrowed(v.Decimal(), to)
	case from == to || !isNumber(from):
		return v
	case to == Float64 && from == Float32:
		return OfFloat64(float64(v.Float32()))
	case to == Float64:
		return OfFloat64(float64(v.Int()))
	case to == Float32:
		return OfFloat32(float32(v.Int()))
	case to == Int64:
		return OfInt64(v.Int())
	case to == Int32:
		return OfInt32(int32(v.Int()))
	}
	return OfInt16(int16(v.Int()))
}

// narrowed is Java's byteValue and the like of a BigDecimal.
func narrowed(d *Dec, to Kind) Value {
	switch to {
	case Float32:
		return OfFloat32(d.Float32())
	case Float64:
		return OfFloat64(d.Float64())
	case Int64:
		return OfInt64(d.Int64())
	case Int32:
		return OfInt32(int32(d.Int64()))
	case Int16:
		return OfInt16(int16(d.Int64()))
	}
	return OfInt8(int8(d.Int64()))
}

func (p *Projection) array(a *Arena, v Value) (Value, error) {
	from, err := elementsOf(v, Array)
	if err != nil {
		return Value{}, err
	}
	out := a.Values(len(from))
	for i := range from {
		if out[i], err = p.elem.Value(a, from[i]); err != nil {
			return Value{}, err
		}
	}
	return OfArray(out), nil
}

func (p *Projection) mapping(a *Arena, v Value) (Value, error) {
	from, err := elementsOf(v, Map)
	if err != nil {
		return Value{}, err
	}
	out := a.Values(len(from))
	for i := 0; i < len(from); i += 2 {
		if out[i], err = p.key.Value(a, from[i]); err != nil {
			return Value{}, err
		}
		if out[i+1], err = p.elem.Value(a, from[i+1]); err != nil {
			return Value{}, err
		}
	}
	return OfMap(out), nil
}

func (p *Projection) structure(a *Arena, v Value) (Value, error) {
	from, err := elementsOf(v, Struct)
	if err != nil {
		return Value{}, err
	}
	out := a.Values(len(p.fields))
	for i := range p.fields {
		f := &p.fields[i]
		switch {
		case f.err != nil:
			return Value{}, f.err
		case f.from < 0:
			out[i] = f.preset
			continue
		case f.from >= len(from):
			return Value{}, errStructs
		}
		field := from[f.from]
		if field.IsNull() {
			field = f.preset
		}
		if out[i], err = f.Value(a, field); err == nil {
			err = p.to.Fields[i].Check(out[i])
			if err != nil {
				return Value{}, err
			}
			continue
		}
		if _, ok := err.(*misfit); !ok { //nolint:errorlint // a field's value that does not fit is told as it is
			err = &because{"Error projecting " + p.to.Fields[i].Name, err}
		}
		return Value{}, err
	}
	return OfStruct(out), nil
}

func elementsOf(v Value, k Kind) ([]Value, error) {
	if v.Kind() != k {
		return nil, fmt.Errorf("a value of class %s is no %s", v.Kind().JavaClass(), k)
	}
	return v.Elements(), nil
}

// because is an error in Kafka Connect's words, which leave the cause to the next one.
type because struct {
	words string
	cause error
}

func (b *because) Error() string { return b.words }

func (b *because) Unwrap() error { return b.cause }
