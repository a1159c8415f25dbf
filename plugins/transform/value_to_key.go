package transform

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type valueToKeyConfig struct {
	Fields  []string `cfg:"fields,required,nonempty,unique" importance:"high" example:"id" doc:"Names of the fields of the value that make the key."`
	Replace bool     `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
	Syntax  string   `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var valueToKeyDefaults = valueToKeyConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

const valueToKeyPurpose = "copying fields from value to key"

// valueToKey follows Kafka Connect's ValueToKey. The value stays as it is.
type valueToKey struct {
	single
	names   []record.Value // of the key's fields
	paths   []path         // parallel to names, in syntax V2; nil in V1
	replace bool
	plans   memo[*selection]
	places  memo[*keyPlan] // in syntax V2
}

// keyPlan is what becomes of structs of one schema in syntax V2.
type keyPlan struct {
	schema *record.Schema
	places []place
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
	t.names, t.paths, t.places = nil, nil, memo[*keyPlan]{}
	for _, name := range cfg.Fields {
		if isV2(c) {
			_, last, err := leafOf("fields", name)
			if err != nil {
				return err
			}
			p, err := newPath(name, cfg.Syntax)
			if err != nil {
				return err
			}
			t.paths, name = append(t.paths, p), last
			if slices.ContainsFunc(t.names, record.OfString(last).Equal) {
				return plugin.Invalid("fields", "["+strings.Join(cfg.Fields, ", ")+"]", "two fields of the key would be named "+last)
			}
		}
		t.names = append(t.names, record.OfString(name))
	}
	return nil
}

func (t *valueToKey) copyFields(_ int, r *record.Record) error {
	if t.paths != nil {
		return t.copyPaths(r)
	}
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

// copyPaths is copyFields in syntax V2: the fields of the key have the last names of the paths.
func (t *valueToKey) copyPaths(r *record.Record) error {
	if r.Value.Schema == nil {
		if _, err := mapEntries(r.Value.Value, valueToKeyPurpose); err != nil {
			return err
		}
		out := t.batch.Values(2 * len(t.names))
		for i, p := range t.paths {
			v, err := p.valueInMap(r.Value.Value)
			if err != nil {
				return err
			}
			out[2*i], out[2*i+1] = t.names[i], v
		}
		r.Key = record.Datum{Value: record.OfMap(out)}
		return nil
	}
	if _, err := structFields(&r.Value, valueToKeyPurpose); err != nil {
		return err
	}
	plan, err := shaped(&t.places, r.Value.Schema, t.placesIn)
	if err != nil {
		return err
	}
	out := t.batch.Values(len(plan.places))
	for i := range plan.places {
		if out[i], err = plan.places[i].value(r.Value.Schema, r.Value.Value, t.replace); err != nil {
			return err
		}
		if f := plan.schema.Fields[i]; out[i].IsNull() && !f.Schema.Optional {
			return nullForRequired(f)
		}
	}
	r.Key = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *valueToKey) placesIn(in *record.Schema) (*keyPlan, error) {
	plan := &keyPlan{}
	b := record.Build(record.Struct)
	for i, p := range t.paths {
		pl, err := p.in(in)
		if err != nil {
			return nil, err
		}
		plan.places = append(plan.places, pl)
		s, err := pl.optionalBy(in)
		if err != nil {
			return nil, err
		}
		b.Field(t.names[i].Text(), s)
	}
	var err error
	plan.schema, err = built(b)
	return plan, err
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
