package jsonschema

import "github.com/penstock/penstock/plugins/registry"

// Reads checks.
func (s *schema) Reads(writer registry.Schema) error { return nil }
