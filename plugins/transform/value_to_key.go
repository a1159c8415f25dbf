package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type valueToKeyConfig struct {
	Fields  []string `cfg:"fields,required,nonempty,unique" importance:"high" doc:"Names of the fields of the value that make the key."`
	Replace bool     `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
}

var valueToKeyDefaults = valueToKeyConfig{Replace: true} //nolint:gochecknoglobals // a literal

const valueToKeyPurpose = "copying fields from value to key"

// valueToKey follows Kafka Connect's ValueToKey. The value stays as it is.
type valueToKey struct {
	single
	names   []record.Value
	replace bool
	plans   memo[*selection]
}

// selection is a struct schema made of fields of another one.
type selection struct {
	schema *record.Schema
	from   []int // parallel to schema.Fields: index of the field in the other schema
	nulls  nullable
}

func newValueToKey(plugin.Target) plugin.Transform {
	t := &valueToKey{}
	t.each = t.copyFields
	return t
}

// Configure implements [plugin.Transform].
func (t *valueToKey) Configure(c plugin.Config) error {
	cfg := valueToKeyDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*selection]{}
	t.replace = cfg.Replace
	t.names = nil
	for _, name := range cfg.Fields {
		t.names = append(t.names, record.OfString(name))
	}
	return nil
}

func (t *valueToKey) copyFields(_ int, r *record.Record) error {
	if r.Value.Schema == nil {
		return t.ofMap(r)
	}
	fields, err := structFields(&r.Value, valueToKeyPurpose)
	if err != nil {
		return err
	}
	sel, ok := t.plans.find(r.Value.Schema)
	if !ok {
		if sel, err = t.selectFrom(r.Value.Schema); err != nil {
			return err
		}
		t.plans.add(r.Value.Schema, sel)
	}
	key, err := sel.take(&t.batch.Arena, fields, t.replace)
	if err != nil {
		return err
	}
	r.Key = record.Datum{Schema: sel.schema, Value: key}
	return nil
}

func (t *valueToKey) selectFrom(in *record.Schema) (*selection, error) {
	b := record.Build(record.Struct)
	sel := &selection{}
	for _, name := range t.names {
		i := in.Field(name.Text())
		if i < 0 {
			return nil, plugin.Data("Field does not exist: %s", name.Text())
		}
		b.Field(name.Text(), in.Fields[i].Schema)
		sel.from = append(sel.from, i)
	}
	return sel, sel.build(b)
}

// build takes the schema of the selection.
func (s *selection) build(b *record.Builder) (err error) {
	if s.schema, err = built(b); err == nil {
		s.nulls = nullableOf(s.schema.Fields)
	}
	return err
}

// take makes the struct of a selection from the fields of a struct of the other schema.
func (s *selection) take(a *record.Arena, fields []record.Value, replace bool) (record.Value, error) {
	out := a.Values(len(s.from))
	for i, from := range s.from {
		out[i] = fields[from]
	}
	if err := s.nulls.fill(s.schema.Fields, out, replace); err != nil {
		return record.Value{}, err
	}
	return record.OfStruct(out), nil
}

func (t *valueToKey) ofMap(r *record.Record) error {
	if _, err := mapEntries(r.Value.Value, valueToKeyPurpose); err != nil {
		return err
	}
	out := t.batch.Values(2 * len(t.names))
	for i, name := range t.names {
		v, _ := r.Value.Value.Get(name.Text())
		out[2*i], out[2*i+1] = name, v
	}
	r.Key = record.Datum{Value: record.OfMap(out)}
	return nil
}
