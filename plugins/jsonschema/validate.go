package jsonschema

import (
	"errors"
	"fmt"
	"strings"

	validation "github.com/penstock/penstock/engine/jsonschema"

	"github.com/penstock/penstock/plugins/registry"
)

// validator checks messages by their schema.
type validator struct{ schema *validation.Schema }

func newValidator(t registry.Text) (*validator, error) {
	docs, err := newDocuments(t, false)
	if err != nil {
		return nil, err
	}
	s, err := validation.Compile([]byte(t.Schema), validation.Settings{Load: docs.load})
	if err != nil {
		return nil, fmt.Errorf("compile the schema to validate by it: %w", err)
	}
	return &validator{s}, nil
}

// load gives the document at an address. Nothing is ever fetched.
func (d *documents) load(address string) ([]byte, error) {
	doc := d.find(strings.TrimSuffix(address, "#"))
	if doc == nil {
		return nil, fmt.Errorf("%s is no reference", address)
	}
	return doc.node.append(nil, asWritten), nil
}

// validate says where a message breaks its schema, never what stands there (invariant 6).
func (v *validator) validate(message []byte) error {
	err := v.schema.Validate(message)
	if broken, ok := errors.AsType[*validation.Violation](err); ok {
		return fmt.Errorf("Validation error in JSON, %w", broken) //nolint:staticcheck // Confluent's words
	}
	if err != nil {
		return fmt.Errorf("JSON does not match schema of type JSON: %w", err)
	}
	return nil
}
