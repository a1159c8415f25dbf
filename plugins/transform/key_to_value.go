package transform

import (
	"slices"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type keyToValueConfig struct {
	Key   []string `cfg:"key.fields,required" importance:"high" example:"id" doc:"Names of the fields of the key to copy into the value; * is the key as a whole."`
	Value []string `cfg:"value.fields" importance:"high" doc:"Names that they get there, in the same order. A name that is missing is that of the key's field; that of the whole key is then _key."`
}

// keyToValue follows Aiven's io.aiven.kafka.connect.transforms.KeyToValue.
type keyToValue struct {
	single
	copies       []keyCopy
	named, whole bool                         // whether fields of the key, or all of it, are copied
	plans        memo[*memo[*keyToValuePlan]] // by the schema of the key, then by that of the value
}

// keyCopy is a field of the key, "*" for all of it, and the field of the value that it becomes.
type keyCopy struct {
	from string
	to   record.Value
}

// keyToValuePlan is what becomes of structs of one schema under keys of one schema.
type keyToValuePlan struct {
	schema *record.Schema
	nulls  nullable // among the fields of the value that stay
	from   []int    // parallel to the copies: index of the key's field; -1: all of it
	to     []int    // parallel to the copies: index of the value's field
}

const (
	wholeKey     = "*"
	wholeKeyName = "_key"
)

func newKeyToValue(plugin.Target) plugin.Transform {
	t := &keyToValue{}
	t.each = t.copyKey
	return t
}

// Configure implements [plugin.Transform].
func (t *keyToValue) Configure(c plugin.Config) error {
	var cfg keyToValueConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.copies, t.named, t.whole, t.plans = nil, false, false, memo[*memo[*keyToValuePlan]]{}
	for i, from := range cfg.Key {
		to := from
		if i < len(cfg.Value) {
			to = cfg.Value[i]
		}
		if to == wholeKey {
			to = wholeKeyName
		}
		if slices.ContainsFunc(t.copies, func(k keyCopy) bool { return k.to.Text() == to }) {
			return &plugin.ConfigError{Key: "value.fields", Reason: "More than one key value is copied to the value field name '" + to + "'"}
		}
		t.copies = append(t.copies, keyCopy{from, record.OfString(to)})
		t.whole, t.named = t.whole || from == wholeKey, t.named || from != wholeKey
	}
	return nil
}

func (t *keyToValue) copyKey(_ int, r *record.Record) error {
	key, value := r.Key.Value.Kind(), r.Value.Value.Kind()
	switch {
	case t.named && r.Key.Schema != nil && r.Key.Schema.Kind != record.Struct:
		return plugin.Data("Named key fields cannot be copied from the key schema: %s", r.Key.Schema.Kind)
	case t.named && r.Key.Schema == nil && key != record.Map:
		return plugin.Data("Named key fields cannot be copied from the key class: %s", key.JavaClass())
	case value == record.Map && r.Value.Schema == nil:
		return t.intoMap(r)
	case value != record.Struct || r.Value.Schema.Kind != record.Struct:
		return plugin.Data("The value needs to be a Struct or Map in order to append fields")
	}
	return t.intoStruct(r)
}

func (t *keyToValue) intoStruct(r *record.Record) error {
	key := r.Key
	if key.Schema == nil {
		if k := key.Value.Kind(); k < record.Int8 || k > record.Bytes {
			return plugin.Data("The value requires a schema, but the key class is a schemaless %s", k.JavaClass())
		}
		key.Schema = record.Required(key.Value.Kind())
	}
	plan, err := t.plan(key.Schema, r.Value.Schema)
	if err != nil {
		return err
	}
	fields := r.Value.Value.Elements()
	out := t.batch.Extend(fields, len(plan.schema.Fields)-len(fields))
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return err
	}
	for i, to := range plan.to {
		switch from := plan.from[i]; {
		case from < 0:
			if out[to] = key.Value; key.Value.IsNull() && !key.Schema.Optional {
				return nullForRequired(plan.schema.Fields[to])
			}
		case !key.Value.IsNull():
			v := key.Value.Elements()[from]
			if f := plan.schema.Fields[to]; v.IsNull() && f.Schema.HasDefault {
				v = f.Schema.Default
			} else if v.IsNull() && !f.Schema.Optional {
				return nullForRequired(f)
			}
			out[to] = v
		default: // Aiven leaves it unset
			out[to] = record.Value{}
		}
	}
	r.Value = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *keyToValue) plan(key, value *record.Schema) (*keyToValuePlan, error) {
	values, err := shaped(&t.plans, key, func(*record.Schema) (*memo[*keyToValuePlan], error) { return &memo[*keyToValuePlan]{}, nil })
	if err != nil {
		return nil, err
	}
	if p, ok := values.find(value); ok {
		return p, nil
	}
	p, err := t.planFor(key, value)
	if err == nil {
		values.add(value, p)
	}
	return p, err
}

func (t *keyToValue) planFor(key, value *record.Schema) (*keyToValuePlan, error) {
	plan := &keyToValuePlan{}
	fields := slices.Clone(value.Fields)
	for _, c := range t.copies {
		s, from := key, -1
		if c.from != wholeKey {
			if from = key.Field(c.from); from < 0 {
				return nil, plugin.Data("Key field '%s' not found in key schema", c.from)
			}
			s = key.Fields[from].Schema
		}
		to := slices.IndexFunc(fields, func(f record.Field) bool { return f.Name == c.to.Text() })
		if to < 0 {
			to = len(fields)
			fields = append(fields, record.Field{Name: c.to.Text()})
		}
		fields[to].Schema = s
		plan.from, plan.to = append(plan.from, from), append(plan.to, to)
	}
	b := record.Build(record.Struct).Like(value)
	if value.Optional {
		b.Optional()
	}
	for _, f := range fields {
		b.Field(f.Name, f.Schema)
	}
	for _, i := range nullableOf(value.Fields) {
		if !slices.Contains(plan.to, i) {
			plan.nulls = append(plan.nulls, i)
		}
	}
	var err error
	plan.schema, err = built(b)
	return plan, err
}

func (t *keyToValue) intoMap(r *record.Record) error {
	entries := r.Value.Value.Elements()
	out := t.batch.Extend(entries, 2*len(t.copies))
	n := len(entries)
	for _, c := range t.copies {
		if r.Key.Value.IsNull() && c.from != wholeKey {
			continue // of a null that could be a struct
		}
		v, err := t.schemaless(&r.Key, c.from)
		if err != nil {
			return err
		}
		n = setEntry(out, n, c.to, v)
	}
	r.Value.Value = record.OfMap(out[:n])
	return nil
}

// schemaless is a field of the key, or all of it, for a value without a schema. A struct has no place there: Kafka Connect's
// converters refuse it later.
func (t *keyToValue) schemaless(key *record.Datum, from string) (record.Value, error) {
	d := *key
	switch {
	case from == wholeKey:
	case d.Value.Kind() == record.Struct:
		i := d.Schema.Field(from)
		if i < 0 {
			return record.Value{}, plugin.Data("%s is not a valid field name", from)
		}
		f := d.Schema.Fields[i]
		d = record.Datum{Schema: f.Schema, Value: d.Value.Elements()[i]}
		if d.Value.IsNull() && f.Schema.HasDefault {
			d.Value = f.Schema.Default
		}
	default:
		d.Value, _ = d.Value.Get(from)
	}
	if holdsStructs(d.Schema) && !d.Value.IsNull() {
		return record.Value{}, plugin.Data("A struct of the key cannot stand in a value without a schema")
	}
	return d.Value, nil
}

func holdsStructs(s *record.Schema) bool {
	return s != nil && (s.Kind == record.Struct || holdsStructs(s.Elem))
}
