package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type flattenConfig struct {
	Delimiter string `cfg:"delimiter" doc:"What stands between the names of the fields that one field is made of. It may be empty."`
}

var flattenDefaults = flattenConfig{Delimiter: "."} //nolint:gochecknoglobals // a literal

const flattenPurpose = "flattening"

// flatten follows Kafka Connect's Flatten. Where two entries of a map get one name, the one that comes last counts.
type flatten struct {
	single
	target    plugin.Target
	delimiter string
	plans     memo[*flatPlan]
}

// flatPlan is what becomes of structs of one schema.
type flatPlan struct {
	schema *record.Schema
	root   []flatField
}

// flatField is a field of a struct that is flattened, in order.
type flatField struct {
	nested []flatField    // of a struct
	leaves int            // how many fields come of it
	schema *record.Schema // of anything else; nil for a struct
	leaf   record.Field   // that comes of anything else
}

func newFlatten(target plugin.Target) plugin.Transform {
	t := &flatten{target: target}
	t.each = t.flatten
	return t
}

// Configure implements [plugin.Transform].
func (t *flatten) Configure(c plugin.Config) error {
	cfg := flattenDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*flatPlan]{}
	t.delimiter = cfg.Delimiter
	return nil
}

func (t *flatten) flatten(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return nil
	case d.Schema == nil:
		return t.flattenMap(d)
	}
	if _, err := structFields(d, flattenPurpose); err != nil {
		return err
	}
	plan, ok := t.plans.find(d.Schema)
	if !ok {
		var err error
		if plan, err = t.planFor(d.Schema); err != nil {
			return err
		}
		t.plans.add(d.Schema, plan)
	}
	out := t.batch.Values(len(plan.schema.Fields))
	if err := spread(plan.root, d.Value, out); err != nil {
		return err
	}
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

// spread writes the leaves of a struct. Those of a null struct stay null, even if they are required: their default counts.
func spread(fields []flatField, v record.Value, out []record.Value) error {
	for i, inner := range v.Elements() {
		f := &fields[i]
		switch {
		case f.schema == nil && !inner.IsNull():
			if err := spread(f.nested, inner, out); err != nil {
				return err
			}
		case f.schema == nil:
		case !inner.IsNull():
			out[0] = inner
		case f.schema.HasDefault:
			out[0] = f.schema.Default
		case !f.leaf.Schema.Optional:
			return nullForRequired(f.leaf)
		}
		out = out[f.leaves:]
	}
	return nil
}

func (t *flatten) planFor(in *record.Schema) (*flatPlan, error) {
	b := record.Build(record.Struct).Like(in)
	root, err := t.fieldsOf(b, in, "", in.Optional, in.Default)
	if err != nil {
		return nil, err
	}
	schema, err := built(b)
	if err != nil {
		return nil, err
	}
	return &flatPlan{schema, root}, nil
}

// fieldsOf adds the fields of a struct to a schema. A field is optional if something around it is, and takes its default
// from that of the struct around it, which is null where there is none.
func (t *flatten) fieldsOf(b *record.Builder, s *record.Schema, prefix string, optional bool, preset record.Value) ([]flatField, error) {
	fields := make([]flatField, len(s.Fields))
	for i, f := range s.Fields {
		name := t.join(prefix, f.Name)
		optional, own := optional || f.Schema.Optional, f.Schema.Default
		if !f.Schema.HasDefault && !preset.IsNull() {
			own = preset.Elements()[i]
		}
		switch f.Schema.Kind {
		case record.Map:
			return nil, plugin.Data("Flatten transformation does not support MAP for record with schemas (for field %s).", name)
		case record.Struct:
			nested, err := t.fieldsOf(b, f.Schema, name, optional, own)
			if err != nil {
				return nil, err
			}
			fields[i].nested = nested
			for _, n := range nested {
				fields[i].leaves += n.leaves
			}
		default:
			leaf, err := leafSchema(f.Schema, optional, own)
			if err != nil {
				return nil, err
			}
			fields[i] = flatField{leaves: 1, schema: f.Schema, leaf: record.Field{Name: name, Schema: leaf}}
			b.Field(name, leaf)
		}
	}
	return fields, nil
}

// leafSchema is a schema with another mark for optional and another default.
func leafSchema(s *record.Schema, optional bool, preset record.Value) (*record.Schema, error) {
	if s.Optional == optional && s.HasDefault == !preset.IsNull() {
		return s, nil
	}
	b := record.Build(s.Kind)
	if s.Kind == record.Array {
		b = record.BuildArray(s.Elem)
	}
	if b.Like(s); optional {
		b.Optional()
	}
	if !preset.IsNull() {
		b.Default(preset)
	}
	return built(b)
}

func (t *flatten) join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + t.delimiter + name
}

func (t *flatten) flattenMap(d *record.Datum) error {
	if _, err := mapEntries(d.Value, flattenPurpose); err != nil {
		return err
	}
	w := flatWriter{arena: &t.batch.Arena, delimiter: t.delimiter, unique: len(t.delimiter) == 1}
	w.out = t.batch.Values(2 * w.count(d.Value))
	if err := w.entries(d.Value, ""); err != nil {
		return err
	}
	d.Value = record.OfMap(w.out[:w.n])
	return nil
}

// flatWriter writes the entries of maps within maps as those of one map.
type flatWriter struct {
	arena     *record.Arena
	delimiter string
	unique    bool // no two entries can get one name: no key is empty or has the delimiter in it
	out       []record.Value
	n         int
}

// count is how many entries come of a map, equal names counted apart.
func (w *flatWriter) count(v record.Value) (n int) {
	for vs := v.Elements(); len(vs) > 0; vs = vs[2:] {
		if vs[0].Kind() == record.String {
			key := vs[0].Text()
			w.unique = w.unique && key != "" && !strings.Contains(key, w.delimiter)
		}
		if vs[1].Kind() == record.Map {
			n += w.count(vs[1])
		} else {
			n++
		}
	}
	return n
}

func (w *flatWriter) entries(v record.Value, prefix string) error {
	for vs := v.Elements(); len(vs) > 0; vs = vs[2:] {
		if vs[0].Kind() != record.String {
			return plugin.Data("Only String keys supported in absence of schema for [%s], found: %s", flattenPurpose, vs[0].Kind().JavaClass())
		}
		name := w.join(prefix, vs[0])
		switch k := vs[1].Kind(); k {
		case record.Map:
			if err := w.entries(vs[1], name.Text()); err != nil {
				return err
			}
		case record.Struct:
			return plugin.Data("Flatten transformation does not support class %s for record without schemas (for field %s).", k.JavaClass(), name.Text())
		case record.Decimal, record.Instant, record.BigInt:
			return plugin.Data("Flatten transformation was passed a value of type class %s which is not supported by Connect's data API", k.JavaClass())
		default:
			if w.unique {
				w.out[w.n], w.out[w.n+1] = name, vs[1]
				w.n += 2
			} else {
				w.n = setEntry(w.out, w.n, name, vs[1])
			}
		}
	}
	return nil
}

func (w *flatWriter) join(prefix string, key record.Value) record.Value {
	if prefix == "" {
		return key
	}
	name := key.Text()
	text := w.arena.Bytes(len(prefix) + len(w.delimiter) + len(name))
	n := copy(text, prefix)
	n += copy(text[n:], w.delimiter)
	copy(text[n:], name)
	return record.OfText(text)
}
