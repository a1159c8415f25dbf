package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	validation "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/penstock/penstock/plugins/registry"
)

// validator checks messages by their schema.
type validator struct{ schema *validation.Schema }

// mainURL is the address of a schema that has none, so that relative references have something to be relative to.
const mainURL = "registry:///schema"

func newValidator(t registry.Text) (*validator, error) {
	docs, err := newDocuments(t, false)
	if err != nil {
		return nil, err
	}
	c := validation.NewCompiler()
	c.DefaultDraft(validation.Draft7)
	c.UseLoader(docs)
	doc, err := validation.UnmarshalJSON(strings.NewReader(t.Schema))
	if err != nil {
		return nil, err
	}
	if err := c.AddResource(mainURL, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(mainURL)
	if err != nil {
		return nil, fmt.Errorf("compile the schema to validate by it: %w", err)
	}
	return &validator{s}, nil
}

// Load gives the library the document at an address. Nothing is ever fetched.
func (d *documents) Load(address string) (any, error) {
	doc := d.find(strings.TrimSuffix(address, "#"))
	if doc == nil {
		return nil, fmt.Errorf("%s is no reference", address)
	}
	return validation.UnmarshalJSON(bytes.NewReader(doc.node.append(nil, asWritten)))
}

// validate says where a message breaks its schema, never what stands there (invariant 6).
func (v *validator) validate(message []byte) error {
	doc, err := validation.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return errors.New("JSON does not match schema of type JSON: it is no JSON")
	}
	err = v.schema.Validate(doc)
	broken, ok := errors.AsType[*validation.ValidationError](err)
	if !ok {
		return err
	}
	for len(broken.Causes) > 0 {
		broken = broken.Causes[0]
	}
	return fmt.Errorf("Validation error in JSON, at #/%s: %s does not hold", strings.Join(broken.InstanceLocation, "/"), strings.Join(broken.ErrorKind.KeywordPath(), "/")) //nolint:staticcheck // Confluent's words
}
