package transform

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type castConfig struct {
	Spec    []string `cfg:"spec,required" importance:"high" example:"id:string,amount:float64" doc:"Pairs field:type, or a single type for the whole key or value. Types: int8, int16, int32, int64, float32, float64, boolean, string."`
	Replace bool     `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
	Syntax  string   `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var castDefaults = castConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

const castPurpose = "cast types"

// cast follows Kafka Connect's Cast.
type cast struct {
	single
	target  plugin.Target
	whole   record.Kind // of the whole key or value; Null where fields are cast
	fields  []fieldCast
	replace bool
	plans   memo[*castPlan]
}

// fieldCast is the wanted type of a field.
type fieldCast struct {
	name record.Value
	kind record.Kind
}

// castPlan is what becomes of values of one schema.
type castPlan struct {
	schema *record.Schema
	casts  []placedCast
	nulls  nullable
}

// placedCast is a field of a struct that is cast.
type placedCast struct {
	field int
	kind  record.Kind
}

func newCast(target plugin.Target) plugin.Transform {
	t := &cast{target: target}
	t.each = t.cast
	return t
}

// Configure implements [plugin.Transform].
func (t *cast) Configure(c plugin.Config) error {
	cfg := castDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	if len(cfg.Spec) == 0 {
		return &plugin.ConfigError{Key: "spec", Reason: "Must specify at least one field to cast."}
	}
	t.plans = memo[*castPlan]{}
	t.whole, t.fields, t.replace = record.Null, nil, cfg.Replace
	for _, entry := range cfg.Spec {
		if err := t.parse(entry, cfg.Spec); err != nil {
			return err
		}
	}
	if t.whole != record.Null && len(cfg.Spec) > 1 {
		return &plugin.ConfigError{Key: "spec", Reason: "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec"}
	}
	return nil
}

// parse reads one entry of the specification. The last type of a field counts.
func (t *cast) parse(entry string, all []string) error {
	parts := splitJava(entry, ":")
	if len(parts) == 0 || len(parts) > 2 {
		return &plugin.ConfigError{Key: "spec", Reason: plugin.Invalid("renames", "["+strings.Join(all, ", ")+"]", "Invalid rename mapping: "+entry).Reason}
	}
	name := strings.TrimSpace(parts[len(parts)-1])
	kind, known := kindNamed(strings.ToUpper(name))
	switch {
	case !known:
		return &plugin.ConfigError{Key: "spec", Reason: plugin.Invalid("Invalid type found in casting spec: "+name,
			"java.lang.IllegalArgumentException: No enum constant org.apache.kafka.connect.data.Schema.Type."+strings.ToUpper(name), "").Reason}
	case kind > record.String:
		return &plugin.ConfigError{Key: "spec", Reason: "Cast transformation does not support casting to " + kind.String() +
			"; supported types are " + kindList(record.String)}
	case len(parts) == 1:
		t.whole = kind
		return nil
	}
	f := fieldCast{record.OfString(strings.TrimSpace(parts[0])), kind}
	if i := slices.IndexFunc(t.fields, func(g fieldCast) bool { return g.name.Equal(f.name) }); i >= 0 {
		t.fields[i] = f
	} else {
		t.fields = append(t.fields, f)
	}
	return nil
}

func kindNamed(name string) (record.Kind, bool) {
	for k := record.Int8; k <= record.Struct; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return record.Null, false
}

// kindList lists the kinds up to last as Java prints a set of types.
func kindList(last record.Kind) string {
	var names []string
	for k := record.Int8; k <= last; k++ {
		names = append(names, k.String())
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func (t *cast) cast(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return nil
	case d.Schema == nil && t.whole != record.Null:
		v, err := castValue(&t.batch.Arena, nil, d.Value, t.whole)
		if err == nil {
			d.Value = v
		}
		return err
	case d.Schema == nil:
		return t.castMap(d)
	}
	plan, ok := t.plans.find(d.Schema)
	if !ok {
		var err error
		if plan, err = t.planFor(d.Schema); err != nil {
			return err
		}
		t.plans.add(d.Schema, plan)
	}
	v, err := t.castTyped(plan, d)
	if err == nil {
		*d = record.Datum{Schema: plan.schema, Value: v}
	}
	return err
}

func (t *cast) castTyped(plan *castPlan, d *record.Datum) (record.Value, error) {
	if t.whole != record.Null {
		return castValue(&t.batch.Arena, d.Schema, d.Value, t.whole)
	}
	fields, err := structFields(d, castPurpose)
	if err != nil {
		return record.Value{}, err
	}
	out := t.batch.Extend(fields, 0)
	for _, c := range plan.casts {
		if out[c.field], err = castValue(&t.batch.Arena, d.Schema.Fields[c.field].Schema, out[c.field], c.kind); err != nil {
			return record.Value{}, inField(err, d.Schema.Fields[c.field].Name)
		}
	}
	if err := plan.nulls.fill(plan.schema.Fields, out, t.replace); err != nil {
		return record.Value{}, err
	}
	return record.OfStruct(out), nil
}

func (t *cast) castMap(d *record.Datum) error {
	entries, err := mapEntries(d.Value, castPurpose)
	if err != nil {
		return err
	}
	out := t.batch.Extend(entries, 2*len(t.fields))
	n := len(entries)
	for _, f := range t.fields {
		// A name that the map does not have is added with null, as Kafka Connect does.
		v, _ := d.Value.Get(f.name.Text())
		if v, err = castValue(&t.batch.Arena, nil, v, f.kind); err != nil {
			return inField(err, f.name.Text())
		}
		n = setEntry(out, n, f.name, v)
	}
	d.Value = record.OfMap(out[:n])
	return nil
}

func (t *cast) planFor(in *record.Schema) (*castPlan, error) {
	if t.whole != record.Null {
		schema, err := castSchema(record.Build(t.whole).Like(in), in, t.whole)
		return &castPlan{schema: schema}, err
	}
	if in.Kind != record.Struct {
		return nil, plugin.Data("Cannot list fields on non-struct type")
	}
	plan := &castPlan{}
	b := record.Build(record.Struct).Like(in)
	for i, f := range in.Fields {
		schema := f.Schema
		at := slices.IndexFunc(t.fields, func(c fieldCast) bool { return c.name.Text() == f.Name })
		if at >= 0 {
			kind := t.fields[at].kind
			var err error
			if schema, err = castSchema(record.Build(kind), f.Schema, kind); err != nil {
				return nil, err
			}
			plan.casts = append(plan.casts, placedCast{i, kind})
		}
		b.Field(f.Name, schema)
	}
	var err error
	if plan.schema, err = castSchema(b, in, record.Struct); err == nil {
		plan.nulls = nullableOf(plan.schema.Fields)
	}
	return plan, err
}

// castSchema ends a schema that a cast of another one to a kind gives: it keeps optional, and the default is cast as well.
func castSchema(b *record.Builder, in *record.Schema, kind record.Kind) (*record.Schema, error) {
	if in.Optional {
		b.Optional()
	}
	if in.HasDefault {
		preset, err := castValue(new(record.Arena), in, in.Default, kind)
		if err != nil {
			return nil, err
		}
		b.Default(preset)
	}
	return built(b)
}
