package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type hoistFieldConfig struct {
	Field string `cfg:"field,required" example:"line" doc:"Name of the field of the struct, or the key of the map, that is made."`
}

// hoistField follows Kafka Connect's HoistField. It wraps null as well, so that a tombstone is none any more.
type hoistField struct {
	single
	target plugin.Target
	name   record.Value
	plans  memo[*record.Schema]
}

func newHoistField(target plugin.Target) plugin.Transform {
	t := &hoistField{target: target}
	t.each = t.hoist
	return t
}

// Configure implements [plugin.Transform].
func (t *hoistField) Configure(c plugin.Config) error {
	var cfg hoistFieldConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*record.Schema]{}
	t.name = record.OfString(cfg.Field)
	return nil
}

func (t *hoistField) hoist(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Schema == nil {
		out := t.batch.Values(2)
		out[0], out[1] = t.name, d.Value
		d.Value = record.OfMap(out)
		return nil
	}
	schema, ok := t.plans.find(d.Schema)
	if !ok {
		var err error
		if schema, err = built(record.Build(record.Struct).Field(t.name.Text(), d.Schema)); err != nil {
			return err
		}
		t.plans.add(d.Schema, schema)
	}
	out := t.batch.Values(1)
	out[0] = d.Value
	if d.Value.IsNull() && !d.Schema.Optional {
		return nullForRequired(schema.Fields[0])
	}
	*d = record.Datum{Schema: schema, Value: record.OfStruct(out)}
	return nil
}
