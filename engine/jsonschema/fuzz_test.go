package jsonschema_test

import (
	"errors"
	"testing"

	"github.com/penstock/penstock/engine/jsonschema"
)

// FuzzCompile: no schema and no message makes it panic or go on for ever, and what is refused is refused in the two ways
// that there are.
func FuzzCompile(f *testing.F) {
	for _, schema := range []string{
		`{"$ref":"#"}`, `{"type":["integer","null"],"enum":[1,null]}`, `{"id":"#x","properties":{"a":{"$ref":"#x"}}}`, `{"allOf":[{"$ref":"other"}]}`,
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicAnchor":"x","items":{"$dynamicRef":"#x"},"unevaluatedItems":false}`,
		`{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveAnchor":true,"items":[{"$recursiveRef":"#"}],"unevaluatedItems":false}`,
		`{"patternProperties":{"^a":{"multipleOf":0.1}},"dependencies":{"a":["b"],"c":{"not":{}}},"format":"date-time"}`,
	} {
		f.Add(schema, `{"a":[1,"2020-01-01T00:00:00Z",{"b":1e400}]}`)
	}
	f.Fuzz(func(t *testing.T, schema, message string) {
		for _, lenient := range []bool{false, true} {
			s, err := jsonschema.Compile([]byte(schema), jsonschema.Settings{Lenient: lenient, Load: func(string) ([]byte, error) { return []byte(schema), nil }})
			if err != nil {
				continue
			}
			err = s.Validate([]byte(message))
			if _, broken := errors.AsType[*jsonschema.Violation](err); err != nil && !broken && !errors.Is(err, jsonschema.ErrNotJSON) {
				t.Errorf("got %v", err)
			}
		}
	})
}
