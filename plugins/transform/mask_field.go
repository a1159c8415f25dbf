package transform

import (
	"math/big"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type maskFieldConfig struct {
	Fields      []string `cfg:"fields,required,nonempty,unique" importance:"high" example:"card,cvc" doc:"Names of the fields to mask."`
	Replacement *string  `cfg:"replacement,nonempty" importance:"low" doc:"What takes the place of texts and, as a number, of numbers. Without it each type has its own zero: 0, false, an empty text, list or map."`
	Replace     bool     `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
	Syntax      string   `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var maskFieldDefaults = maskFieldConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

const maskPurpose = "mask fields"

// maskField follows Kafka Connect's MaskField. Nulls stay null; the schema stays the same object.
type maskField struct {
	single
	target  plugin.Target
	names   []record.Value
	replace bool
	masks   [record.BigInt + 1]mask // by the kind of what is masked
	plans   memo[*maskPlan]
}

// maskPlan is what becomes of structs of one schema.
type maskPlan struct {
	nulls  nullable
	masked []int // indices of fields
}

// mask is what takes the place of a value of one kind, or why nothing can.
type mask struct {
	value record.Value
	err   error
}

func newMaskField(target plugin.Target) plugin.Transform {
	t := &maskField{target: target}
	t.each = t.mask
	return t
}

// Configure implements [plugin.Transform].
func (t *maskField) Configure(c plugin.Config) error {
	cfg := maskFieldDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*maskPlan]{}
	t.replace = cfg.Replace
	t.names = nil
	for _, name := range cfg.Fields {
		t.names = append(t.names, record.OfString(name))
	}
	for k := record.Int8; k <= record.BigInt; k++ {
		if cfg.Replacement == nil {
			t.masks[k] = zeroMask(k)
		} else {
			t.masks[k] = customMask(k, *cfg.Replacement)
		}
	}
	return nil
}

func zeroMask(k record.Kind) mask {
	switch k {
	case record.Boolean:
		return mask{value: record.OfBool(false)}
	case record.String:
		return mask{value: record.OfString("")}
	case record.Instant:
		return mask{value: record.OfInstant(0)}
	case record.Array:
		return mask{value: record.OfArray(nil)}
	case record.Map:
		return mask{value: record.OfMap(nil)}
	case record.Bytes, record.Struct:
		return mask{err: plugin.Data("Cannot mask value of type: class %s", k.JavaClass())}
	default:
		return customMask(k, "0")
	}
}

func customMask(k record.Kind, text string) mask {
	switch k {
	case record.String:
		return mask{value: record.OfString(text)}
	case record.Int8, record.Int16, record.Int32, record.Int64, record.Float32, record.Float64:
		n, err := record.ToNumber(k, nil, record.OfString(text))
		if err != nil {
			err = &plugin.DataError{Reason: err.Error(), Err: err}
		}
		return mask{n, err}
	case record.Decimal:
		if d, err := record.ParseDecimal(text); err == nil {
			return mask{value: record.OfDecimal(d.Unscaled, d.Scale)}
		}
	case record.BigInt:
		if n, ok := new(big.Int).SetString(text, 10); ok {
			return mask{value: record.OfBigInt(n)}
		}
	default:
		return mask{err: plugin.Data("Cannot mask value of type class %s with custom replacement.", k.JavaClass())}
	}
	return mask{err: plugin.Data("Unable to convert %s (class java.lang.String) to number", text)}
}

func (t *maskField) mask(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Schema == nil {
		return t.maskMap(d)
	}
	fields, ok := d.Value.Fields()
	if !ok || d.Schema.Kind != record.Struct {
		return notA("Struct objects supported", d.Value, maskPurpose)
	}
	plan, known := t.plans.current(d.Schema)
	if !known {
		if plan, known = t.plans.find(d.Schema); !known {
			plan = t.planFor(d.Schema)
			t.plans.add(d.Schema, plan)
		}
	}
	out := t.batch.Extend(fields, 0)
	if plan.nulls.anyNull(out) {
		if err := plan.nulls.fill(d.Schema.Fields, out, t.replace); err != nil {
			return err
		}
	}
	for _, i := range plan.masked {
		if err := t.masked(&out[i]); err != nil {
			return inField(err, d.Schema.Fields[i].Name)
		}
	}
	d.Value = record.OfStruct(out)
	return nil
}

func (t *maskField) planFor(s *record.Schema) *maskPlan {
	plan := &maskPlan{nulls: nullableOf(s.Fields)}
	for _, name := range t.names {
		if i := s.Field(name.Text()); i >= 0 {
			plan.masked = append(plan.masked, i)
		}
	}
	return plan
}

func (t *maskField) maskMap(d *record.Datum) error {
	entries, err := mapEntries(d.Value, maskPurpose)
	if err != nil {
		return err
	}
	out := t.batch.Extend(entries, 2*len(t.names))
	n := len(entries)
	for _, name := range t.names {
		// A name that the map does not have is added with null, as Kafka Connect does.
		v, _ := d.Value.Get(name.Text())
		if err := t.masked(&v); err != nil {
			return inField(err, name.Text())
		}
		n = setEntry(out, n, name, v)
	}
	d.Value = record.OfMap(out[:n])
	return nil
}

func (t *maskField) masked(v *record.Value) error {
	k := v.Kind()
	if k == record.Null {
		return nil
	}
	m := &t.masks[k]
	*v = m.value
	return m.err
}
