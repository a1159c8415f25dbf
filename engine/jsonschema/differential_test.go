package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	oracle "github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/jsonschema"
)

// judge is what the library that this package is measured by says: whether the schema is one, and whether the message fits.
func judge(schema, message string, load func(address string) (any, error)) (compiles, fits bool, err error) {
	c := oracle.NewCompiler()
	c.DefaultDraft(oracle.Draft7)
	if load != nil {
		c.UseLoader(loader(load))
	}
	doc, err := oracle.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		return false, false, err
	}
	if err := c.AddResource("schema:///main", doc); err != nil {
		return false, false, err
	}
	s, err := c.Compile("schema:///main")
	if err != nil {
		return false, false, err
	}
	m, err := oracle.UnmarshalJSON(strings.NewReader(message))
	if err != nil {
		return true, false, err
	}
	err = s.Validate(m)
	return true, err == nil, err
}

type loader func(address string) (any, error)

func (l loader) Load(address string) (any, error) { return l(address) }

// maker makes random schemas of one draft, and messages that often fit them.
type maker struct {
	t     *rapid.T
	draft int
	depth int
}

func (m *maker) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(m.t, label)
}
func (m *maker) n(label string, most int) int { return rapid.IntRange(0, most).Draw(m.t, label) }

func (m *maker) name() string {
	return m.pick("name", "a", "b", "c", "ab", "é")
}

func (m *maker) number() string {
	return m.pick("number", "0", "1", "2", "3", "-1", "1.0", "1.5", "0.1", "0.3", "1e2", "100", "12345678901234567890", "1e400", "-0")
}

func (m *maker) message(depth int) string {
	switch m.n("kind", 7) {
	case 0:
		return "null"
	case 1:
		return m.pick("truth", "true", "false")
	case 2, 3:
		return m.number()
	case 4:
		return `"` + m.pick("text", "", "a", "ab", "abc", "é", "2020-01-01", "2020-01-01T00:00:00Z", "a@b.c", "127.0.0.1", "x:y", "P1D") + `"`
	case 5:
		if depth == 0 {
			return "[]"
		}
		var items []string
		for range m.n("items", 3) {
			items = append(items, m.message(depth-1))
		}
		return "[" + strings.Join(items, ",") + "]"
	default:
		if depth == 0 {
			return "{}"
		}
		members := map[string]string{}
		for range m.n("members", 3) {
			members[m.name()] = m.message(depth - 1)
		}
		return object(members)
	}
}

func object(members map[string]string) string {
	all := map[string]json.RawMessage{}
	for name, v := range members {
		all[name] = json.RawMessage(v)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (m *maker) schemas() string {
	var all []string
	for range 1 + m.n("schemas", 2) {
		all = append(all, m.schema())
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (m *maker) byName() string {
	all := map[string]string{}
	for range m.n("by name", 3) {
		all[m.name()] = m.schema()
	}
	return object(all)
}

func (m *maker) names() string {
	return m.pick("names", `["a"]`, `["a","b"]`, `["c"]`, `["é","ab"]`)
}

// schema is a random schema.
func (m *maker) schema() string {
	if m.depth++; m.depth > 4 || m.n("plain", 5) == 0 {
		m.depth--
		if m.draft > 4 && m.n("truth", 2) == 0 {
			return m.pick("schema", "true", "false")
		}
		return m.pick("schema", `{}`, `{"type":"integer"}`, `{"type":["string","null"]}`, `{"type":"object"}`, `{"minimum":1}`)
	}
	defer func() { m.depth-- }()
	s := map[string]string{}
	for range 1 + m.n("keywords", 3) {
		m.keyword(s)
	}
	return object(s)
}

func (m *maker) keyword(s map[string]string) {
	if s["$ref"] != "" && m.draft < 2019 {
		return // the drafts ignore what stands beside it, while the library checks some of it
	}
	words := []string{
		"type", "enum", "minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems",
		"minProperties", "maxProperties", "required", "properties", "properties", "patternProperties", "additionalProperties", "items", "items", "additionalItems",
		"allOf", "anyOf", "oneOf", "not", "dependencies", "const", "contains", "propertyNames", "if", "exclusiveMinimum", "exclusiveMaximum",
		"dependentSchemas", "dependentRequired", "unevaluatedProperties", "unevaluatedItems", "minContains", "prefixItems", "$ref", "$ref",
	}
	switch word := rapid.SampledFrom(words).Draw(m.t, "keyword"); word {
	case "type":
		s[word] = m.pick("type", `"string"`, `"integer"`, `"number"`, `["object","array"]`, `["null","boolean"]`, `"object"`, `"array"`)
	case "enum":
		s[word] = "[" + m.message(1) + "]"
	case "const":
		s[word] = m.message(2)
	case "minimum", "maximum":
		s[word] = m.number()
	case "exclusiveMinimum", "exclusiveMaximum":
		if m.draft == 4 {
			s[word], s[strings.ToLower(word[9:])] = "true", m.number()
			return
		}
		s[word] = m.number()
	case "multipleOf":
		s[word] = m.pick("factor", "1", "2", "0.1", "1.5", "3")
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		s[word] = m.pick("count", "0", "1", "2", "2.0", "3")
	case "minContains":
		s["contains"], s[word], s["maxContains"] = m.schema(), m.pick("count", "0", "1", "2"), "2"
	case "pattern":
		s[word] = m.pick("pattern", `"a"`, `"^a+$"`, `"é"`, `"^.{2}$"`)
	case "format":
		s[word] = `"` + m.pick("format", "date", "date-time", "time", "email", "ipv4", "ipv6", "hostname", "uri", "uri-reference", "duration", "uuid", "json-pointer", "regex", "nobody-knows") + `"`
	case "uniqueItems":
		s[word] = "true"
	case "required":
		s[word] = m.names()
	case "properties", "patternProperties", "dependentSchemas":
		s[word] = m.byName()
	case "dependencies":
		s[word] = m.pick("dependencies", object(map[string]string{"a": m.names()}), object(map[string]string{"a": m.schema()}))
	case "dependentRequired":
		s[word] = object(map[string]string{"a": m.names()})
	case "allOf", "anyOf", "oneOf", "prefixItems":
		s[word] = m.schemas()
	case "items":
		if m.draft < 2020 && m.n("list", 1) == 0 {
			s[word] = m.schemas()
			return
		}
		s[word] = m.schema()
	case "if":
		s["if"], s["then"], s["else"] = m.schema(), m.schema(), m.schema()
	case "$ref":
		if m.draft < 2019 {
			clear(s)
		}
		s[word] = m.pick("reference", `"#"`, `"#/definitions/one"`, `"#/definitions/two"`, `"#named"`, `"other"`, `"other#/definitions/deep"`)
	default:
		s[word] = m.schema()
	}
}

func (m *maker) root() string {
	id, anchor := `"$id"`, `"$anchor":"named"`
	if m.draft < 2019 {
		anchor = `"$id":"#named"`
	}
	if m.draft == 4 {
		id, anchor = `"id"`, `"id":"#named"`
	}
	body := strings.TrimSuffix(strings.TrimPrefix(m.schema(), "{"), "}")
	if !strings.HasPrefix(body, `"`) {
		body = `"minProperties":0`
	}
	return fmt.Sprintf(`{"$schema":%q,%s:"schema:///main","definitions":{"one":%s,"two":%s,"three":{%s,"type":"integer"}},%s}`, address(m.draft), id, m.schema(), m.schema(), anchor, body)
}

const other = `{"type":["object","integer","string"],"definitions":{"deep":{"minimum":2,"properties":{"a":{"$ref":"#"}}}}}`

// TestBesideALibrary compares random schemas and messages with the answers of a library that passes the suite of the
// JSON Schema organisation.
func TestBesideALibrary(t *testing.T) {
	t.Parallel()
	for _, draft := range []int{4, 6, 7, 2019, 2020} {
		t.Run(fmt.Sprint(draft), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				m := &maker{t: rt, draft: draft}
				schema := m.root()
				var messages []string
				for range 5 {
					messages = append(messages, m.message(3))
				}
				compare(rt, schema, messages)
			})
		})
	}
}

// failer is a test or a check of rapid.
type failer interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func compare(t failer, schema string, messages []string) {
	mine, err := jsonschema.Compile([]byte(schema), jsonschema.Settings{Load: func(address string) ([]byte, error) {
		if address == "schema:///other" {
			return []byte(other), nil
		}
		return nil, errors.New("unknown")
	}})
	for _, message := range messages {
		compiles, fits, why := judge(schema, message, func(address string) (any, error) {
			if address != "schema:///other" {
				return nil, errors.New("unknown")
			}
			return oracle.UnmarshalJSON(strings.NewReader(other))
		})
		if compiles != (err == nil) {
			t.Fatalf("%s\ncompiles: %v, the library says %v", schema, err, why)
		}
		if err != nil {
			return
		}
		if broken := mine.Validate([]byte(message)); (broken == nil) != fits {
			var text bytes.Buffer
			_ = json.Indent(&text, []byte(schema), "", " ")
			t.Errorf("%s\n%s\nmessage %s: %v, the library says %v", schema, text.String(), message, broken, why)
		}
	}
}

func address(draft int) string {
	return map[int]string{
		4: "http://json-schema.org/draft-04/schema#", 6: "http://json-schema.org/draft-06/schema#", 7: "http://json-schema.org/draft-07/schema#",
		2019: "https://json-schema.org/draft/2019-09/schema", 2020: "https://json-schema.org/draft/2020-12/schema",
	}[draft]
}

// TestFormBesideALibrary gives every keyword values of every kind, in every draft: what is refused is what the draft's
// metaschema refuses.
func TestFormBesideALibrary(t *testing.T) {
	t.Parallel()
	words := []string{
		"$id", "id", "$ref", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$recursiveRef", "$dynamicRef", "$comment", "$defs", "$vocabulary", "title", "description", "default", "examples",
		"readOnly", "writeOnly", "deprecated", "contentEncoding", "contentMediaType", "contentSchema", "definitions", "properties", "patternProperties",
		"additionalProperties", "propertyNames", "items", "additionalItems", "prefixItems", "contains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
		"dependencies", "dependentSchemas", "dependentRequired", "unevaluatedItems", "unevaluatedProperties", "type", "enum", "const", "format", "pattern",
		"multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "maxLength", "minLength", "maxItems", "minItems", "uniqueItems",
		"maxContains", "minContains", "maxProperties", "minProperties", "required", "nobodyKnows",
	}
	values := []string{
		`null`, `true`, `1`, `0`, `-1`, `1.5`, `2.0`, `"x"`, `""`, `"#"`, `"#x"`, `"string"`, `"("`, `"\\"`, `"a b"`, `"1a"`, `"a:b"`, `[]`, `[1]`, `[1,1.0]`, `["a"]`, `["a","a"]`, `["string","null"]`, `{}`,
		`{"a":1}`, `{"a":[]}`, `{"a":["b"]}`, `{"a":["b","b"]}`, `{"a":true}`, `{"a":{}}`, `{"(":{}}`, `[{}]`, `[true]`, `[[]]`, `{"type":1}`, `[{"type":1}]`, `{"a":{"type":1}}`,
	}
	for _, draft := range []int{4, 6, 7, 2019, 2020} {
		for _, word := range words {
			for _, v := range values {
				schema := fmt.Sprintf(`{"$schema":%q,%q:%s}`, address(draft), word, v)
				if draft == 7 && word == "enum" || draft == 2020 && word == "$recursiveRef" {
					continue // draft 7 takes any list, and 2020-12 has no such reference any more; the library differs
				}
				want, _, why := judge(schema, "null", nil)
				if _, err := jsonschema.Compile([]byte(schema), jsonschema.Settings{}); (err == nil) != want {
					t.Errorf("%s: %v, the library says %v", schema, err, why)
				}
			}
		}
	}
}
