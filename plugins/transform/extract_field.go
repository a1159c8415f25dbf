package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type extractFieldConfig struct {
	Field   string `cfg:"field,required" example:"id" doc:"Name of the field, or in syntax V2 the path to it."`
	Syntax  string `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How the name is read. V1: as it stands. V2: as a path of names with dots between them; a name that has a dot stands in backticks."`
	Replace bool   `cfg:"replace.null.with.default" doc:"Whether the default of the field is taken where the field is null."`
}

var extractFieldDefaults = extractFieldConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

const extractPurpose = "field extraction"

// extractField follows Kafka Connect's ExtractField.
type extractField struct {
	single
	target  plugin.Target
	path    path
	replace bool
	plans   memo[*place]
}

func newExtractField(target plugin.Target) plugin.Transform {
	t := &extractField{target: target}
	t.each = t.extract
	return t
}

// Configure implements [plugin.Transform].
func (t *extractField) Configure(c plugin.Config) (err error) {
	cfg := extractFieldDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*place]{}
	t.replace = cfg.Replace
	t.path, err = newPath(cfg.Field, cfg.Syntax)
	return err
}

func (t *extractField) extract(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Schema == nil {
		return t.fromMap(d)
	}
	if k := d.Value.Kind(); k != record.Null && k != record.Struct {
		return notA("Struct objects supported", d.Value, extractPurpose)
	}
	place, ok := t.plans.find(d.Schema)
	if !ok {
		found, err := t.path.in(d.Schema)
		if err != nil {
			return err
		}
		place = &found
		t.plans.add(d.Schema, place)
	}
	var v record.Value
	if !d.Value.IsNull() {
		var err error
		if v, err = place.value(d.Schema, d.Value, t.replace); err != nil {
			return err
		}
	}
	*d = record.Datum{Schema: place.schema, Value: v}
	return nil
}

func (t *extractField) fromMap(d *record.Datum) error {
	if d.Value.IsNull() {
		return nil
	}
	if _, err := mapEntries(d.Value, extractPurpose); err != nil {
		return err
	}
	v, err := t.path.valueInMap(d.Value)
	if err != nil {
		return err
	}
	d.Value = v
	return nil
}
