package jsonschema

import "github.com/penstock/penstock/plugins/registry"

// Format is JSON Schema with the usual settings, without a registry.
func Format() registry.Format { return &format{set: defaults()} }
