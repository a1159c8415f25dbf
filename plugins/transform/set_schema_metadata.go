package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type setSchemaMetadataConfig struct {
	Name    *string `cfg:"schema.name" importance:"high" example:"com.example.Order" doc:"Name that the schema gets."`
	Version *int    `cfg:"schema.version" importance:"high" doc:"Version that the schema gets."`
	Replace bool    `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
}

var setSchemaMetadataDefaults = setSchemaMetadataConfig{Replace: true} //nolint:gochecknoglobals // a literal

const metadataPurpose = "updating schema metadata"

// setSchemaMetadata follows Kafka Connect's SetSchemaMetadata: it works on schemas of structs only.
type setSchemaMetadata struct {
	single
	target plugin.Target
	cfg    setSchemaMetadataConfig
	plans  memo[*metadataPlan]
}

// metadataPlan is what becomes of structs of one schema.
type metadataPlan struct {
	schema *record.Schema
	nulls  nullable
}

func newSetSchemaMetadata(target plugin.Target) plugin.Transform {
	t := &setSchemaMetadata{target: target}
	t.each = t.set
	return t
}

// Configure implements [plugin.Transform].
func (t *setSchemaMetadata) Configure(c plugin.Config) error {
	cfg := setSchemaMetadataDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	if cfg.Name == nil && cfg.Version == nil {
		return &plugin.ConfigError{Reason: "Neither schema name nor version configured"}
	}
	t.plans = memo[*metadataPlan]{}
	t.cfg = cfg
	return nil
}

func (t *setSchemaMetadata) set(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Schema == nil && d.Value.IsNull():
		return nil
	case d.Schema == nil:
		return plugin.Data("Schema required for [%s]", metadataPurpose)
	case d.Schema.Kind != record.Struct:
		return plugin.Data("Cannot list fields on non-struct type")
	}
	plan, ok := t.plans.find(d.Schema)
	if !ok {
		var err error
		if plan, err = t.planFor(d.Schema); err != nil {
			return err
		}
		t.plans.add(d.Schema, plan)
	}
	if d.Value.IsNull() {
		d.Schema = plan.schema
		return nil
	}
	fields, err := structFields(d, metadataPurpose)
	if err != nil {
		return err
	}
	out := t.batch.Extend(fields, 0)
	if err := plan.nulls.fill(plan.schema.Fields, out, t.cfg.Replace); err != nil {
		return err
	}
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *setSchemaMetadata) planFor(in *record.Schema) (*metadataPlan, error) {
	b := record.Build(record.Struct).Like(in)
	if in.Optional {
		b.Optional()
	}
	for _, f := range in.Fields {
		b.Field(f.Name, f.Schema)
	}
	if in.HasDefault {
		b.Default(in.Default)
	}
	if t.cfg.Name != nil {
		b.Named(*t.cfg.Name)
	}
	if t.cfg.Version != nil {
		b.Versioned(*t.cfg.Version)
	}
	schema, err := built(b)
	return &metadataPlan{schema, nullableOf(in.Fields)}, err
}
