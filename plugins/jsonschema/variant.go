package jsonschema

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// variantName is the schema of what may be anything.
const variantName = "org.apache.kafka.connect.data.Variant"

func variantDraft() *draft {
	return &draft{kind: record.Struct, name: variantName, fields: []draftField{{"metadata", &draft{kind: record.Bytes}}, {"value", &draft{kind: record.Bytes}}}}
}

func (p *writePlan) appendVariant(dst []byte, v record.Value, k record.Kind) ([]byte, error) {
	return nil, plugin.Data("variant")
}

func (r *reading) variant() (record.Value, error) {
	return record.Value{}, plugin.Data("variant")
}
