package avro

import (
	"fmt"

	"github.com/twmb/avro"

	"github.com/penstock/penstock/plugins/registry"
)

// Reads checks by Avro's rules whether this schema could read what another wrote.
func (s *schema) Reads(writer registry.Schema) error {
	reading, err := compile(s.text)
	if err != nil {
		return err
	}
	writing, err := compile(writer.Text())
	if err != nil {
		return err
	}
	return avro.CheckCompatibility(writing, reading)
}

func compile(t registry.Text) (*avro.Schema, error) {
	var c avro.SchemaCache
	for _, r := range t.Resolved {
		if _, err := c.Parse(r.Schema, avro.WithLaxNames(lax)); err != nil {
			return nil, fmt.Errorf("the schema %s: %w", r.Name, err)
		}
	}
	return c.Parse(t.Schema, avro.WithLaxNames(lax))
}

// lax leaves names to the parser of the codec, which was here before.
func lax(string) error { return nil }
