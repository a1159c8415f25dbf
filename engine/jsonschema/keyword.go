package jsonschema

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// draft is a version of JSON Schema; a later one is greater.
type draft int

const (
	draft4    draft = 4
	draft6    draft = 6
	draft7    draft = 7
	draft2019 draft = 2019
	draft2020 draft = 2020
)

// draftOf is the draft whose metaschema has an address; 0: none has.
func draftOf(address string) draft {
	address = strings.TrimSuffix(address, "#")
	address = strings.TrimPrefix(strings.TrimPrefix(address, "http://"), "https://")
	switch address {
	case "json-schema.org/schema", "json-schema.org/draft/2020-12/schema":
		return draft2020
	case "json-schema.org/draft/2019-09/schema":
		return draft2019
	case "json-schema.org/draft-07/schema":
		return draft7
	case "json-schema.org/draft-06/schema":
		return draft6
	case "json-schema.org/draft-04/schema":
		return draft4
	default:
		return 0
	}
}

// id is the keyword that gives a schema an address.
func (d draft) id() string {
	if d == draft4 {
		return "id"
	}
	return "$id"
}

// value is JSON of a schema, with an identity, so that what was made of it can be found.
type value struct {
	raw     any
	items   []*value
	names   []string // of the members, sorted
	members map[string]*value
}

func valueOf(raw any) *value {
	v := &value{raw: raw}
	switch raw := raw.(type) {
	case []any:
		for _, item := range raw {
			v.items = append(v.items, valueOf(item))
		}
	case map[string]any:
		v.members = make(map[string]*value, len(raw))
		for name, member := range raw {
			v.names = append(v.names, name)
			v.members[name] = valueOf(member)
		}
		slices.Sort(v.names)
	}
	return v
}

// text is a member that is a text, "" for anything else.
func (v *value) text(name string) string {
	if m := v.members[name]; m != nil {
		s, _ := m.raw.(string)
		return s
	}
	return ""
}

func (v *value) truth(name string) bool {
	m := v.members[name]
	return m != nil && m.raw == true
}

// shape is what a keyword takes.
type shape int

const (
	anything shape = iota
	aSchema
	aSchemaOrTruth // draft 4, in which true and false are no schemas
	schemas        // by name
	schemaList     // at least one
	items          // a schema or a list of them
	dependents     // schemas or lists of names, by name
	nameLists      // lists of names, by name
	aTruth
	aNumber
	aPositive
	aCount
	aText
	aPattern
	aReference
	anAnchor
	names // different ones
	someNames
	values
	someValues // different ones, at least one
	someTypes
	truths // by name
)

// shapeOf says what a keyword takes in a draft, as the metaschemas do.
func shapeOf(word string, d draft) shape {
	if s := shapeOfApplicator(word, d); s != anything {
		return s
	}
	since := func(from draft, s shape) shape {
		if d < from {
			return anything
		}
		return s
	}
	switch word {
	case "title", "description", "format", "$schema":
		return aText
	case "id":
		if d == draft4 {
			return aText
		}
	case "$ref":
		return aReference
	case "$id":
		return since(draft6, aReference)
	case "$recursiveRef":
		return since(draft2019, aReference)
	case "$dynamicRef":
		return since(draft2020, aReference)
	case "$anchor":
		return since(draft2019, anAnchor)
	case "$dynamicAnchor":
		return since(draft2020, anAnchor)
	case "$recursiveAnchor":
		if d == draft2019 {
			return aTruth
		}
		return since(draft2020, anAnchor)
	case "$vocabulary":
		return since(draft2019, truths)
	case "$comment", "contentMediaType", "contentEncoding":
		return since(draft7, aText)
	case "readOnly", "writeOnly":
		return since(draft7, aTruth)
	case "deprecated":
		return since(draft2019, aTruth)
	case "examples":
		return since(draft7, values)
	}
	return shapeOfAssertion(word, d, since)
}

// shapeOfApplicator is of keywords that hold schemas.
func shapeOfApplicator(word string, d draft) shape {
	since := func(from draft, s shape) shape {
		if d < from {
			return anything
		}
		return s
	}
	switch word {
	case "properties", "patternProperties", "definitions":
		return schemas
	case "$defs", "dependentSchemas":
		return since(draft2019, schemas)
	case "dependencies":
		return dependents
	case "allOf", "anyOf", "oneOf":
		return schemaList
	case "prefixItems":
		return since(draft2020, schemaList)
	case "not":
		return aSchema
	case "contains", "propertyNames":
		return since(draft6, aSchema)
	case "if", "then", "else":
		return since(draft7, aSchema)
	case "unevaluatedItems", "unevaluatedProperties", "contentSchema":
		return since(draft2019, aSchema)
	case "items":
		if d == draft2020 {
			return aSchema
		}
		return items
	case "additionalProperties", "additionalItems":
		switch {
		case d == draft4:
			return aSchemaOrTruth
		case d == draft2020 && word == "additionalItems":
			return anything
		}
		return aSchema
	}
	return anything
}

func shapeOfAssertion(word string, d draft, since func(draft, shape) shape) shape {
	switch word {
	case "multipleOf":
		return aPositive
	case "maximum", "minimum":
		return aNumber
	case "exclusiveMaximum", "exclusiveMinimum":
		if d == draft4 {
			return aTruth
		}
		return aNumber
	case "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties":
		return aCount
	case "maxContains", "minContains":
		return since(draft2019, aCount)
	case "uniqueItems":
		return aTruth
	case "pattern":
		return aPattern
	case "required":
		if d == draft4 {
			return someNames
		}
		return names
	case "dependentRequired":
		return since(draft2019, nameLists)
	case "enum":
		if d < draft7 {
			return someValues
		}
		return values
	case "type":
		return someTypes
	}
	return anything
}

// wrong says what is wrong with the value of a keyword, apart from the schemas in it.
func (c *compiler) wrong(word string, v *value, d draft) error {
	s := shapeOf(word, d)
	if what := s.expected(v, d); what != "" {
		return fmt.Errorf("%s must be %s", word, what)
	}
	switch {
	case s == aPattern:
		_, err := c.pattern(v.raw.(string))
		return err
	case word == "patternProperties":
		for _, name := range v.names {
			if _, err := c.pattern(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// pattern compiles a pattern; nil is one that is let pass and matches nothing.
func (c *compiler) pattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil && c.Lenient {
		return nil, nil //nolint:nilnil // the settings say so
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return re, nil
}

// expected says what a value should be and is not; "" when it is.
func (s shape) expected(v *value, d draft) string {
	switch s {
	case schemas, dependents, nameLists, truths:
		return s.byName(v, d)
	case schemaList, names, someNames, values, someValues:
		return s.list(v)
	case items:
		if isList(v.raw) && len(v.items) == 0 {
			return "a schema or a list of at least one"
		}
	case aTruth:
		if _, is := v.raw.(bool); !is {
			return "true or false"
		}
	case aNumber, aPositive, aCount:
		return s.numeric(v)
	case aText, aPattern, aReference, anAnchor:
		return s.textual(v, d)
	case someTypes:
		return typeWords(v)
	}
	return ""
}

func isList(raw any) bool {
	_, is := raw.([]any)
	return is
}

func (s shape) byName(v *value, d draft) string {
	if v.members == nil {
		return "an object"
	}
	for _, name := range v.names {
		m := v.members[name]
		_, truth := m.raw.(bool)
		switch {
		case s == nameLists || s == dependents && isList(m.raw):
			list := names
			if d == draft4 {
				list = someNames
			}
			if what := list.list(m); what != "" {
				return "an object of lists: " + name + " must be " + what
			}
		case s == truths && (!truth || !isFormat("uri", name)):
			return "an object of true and false by URI"
		}
	}
	return ""
}

func (s shape) list(v *value) string {
	if !isList(v.raw) {
		return "a list"
	}
	if len(v.items) == 0 && s != names && s != values {
		return "a list of at least one"
	}
	if s == names || s == someNames {
		for _, item := range v.items {
			if _, is := item.raw.(string); !is {
				return "a list of names"
			}
		}
	}
	if s == schemaList || s == values {
		return ""
	}
	return different(v)
}

func different(v *value) string {
	seen := map[string]bool{}
	for _, item := range v.items {
		key := canonical(item.raw)
		if seen[key] {
			return "a list in which nothing stands twice"
		}
		seen[key] = true
	}
	return ""
}

func (s shape) numeric(v *value) string {
	n, is := v.raw.(json.Number)
	if !is {
		return "a number"
	}
	switch of := numberOf(n); {
	case s == aPositive && of.cmp(numberOf("0")) <= 0:
		return "greater than 0"
	case s == aCount && (!of.whole() || of.cmp(numberOf("0")) < 0):
		return "a whole number, 0 or more"
	}
	return ""
}

func (s shape) textual(v *value, d draft) string {
	text, is := v.raw.(string)
	if !is {
		return "a text"
	}
	if s == aReference {
		if _, err := url.Parse(text); err != nil || strings.Contains(text, `\`) {
			return "a reference (a URI, or the end of one)"
		}
	}
	if s == anAnchor && !isAnchor(text, d) {
		return "a name of letters, digits, '-', '.', ':' and '_'"
	}
	return ""
}

func isAnchor(text string, d draft) bool {
	for i, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' && (i > 0 || d == draft2020)
		if !letter && (i == 0 || c != '-' && c != '.' && (c != ':' || d == draft2020) && (c < '0' || c > '9')) {
			return false
		}
	}
	return text != ""
}

func typeWords(v *value) string {
	words := []string{"array", "boolean", "integer", "null", "number", "object", "string"}
	const what = "array, boolean, integer, null, number, object or string, or a list of these"
	all := v.items
	switch v.raw.(type) {
	case string:
		all = []*value{v}
	case []any:
		if len(all) == 0 || different(v) != "" {
			return what
		}
	default:
		return what
	}
	for _, one := range all {
		if word, is := one.raw.(string); !is || !slices.Contains(words, word) {
			return what
		}
	}
	return ""
}

// canonical is a text that two values share if, and only if, they are equal: objects without order, numbers by value.
func canonical(raw any) string { return string(appendCanonical(nil, raw)) }

func appendCanonical(dst []byte, raw any) []byte {
	switch raw := raw.(type) {
	case json.Number:
		return append(append(dst, '#'), numberOf(raw).text()...)
	case string:
		return strconv.AppendQuote(dst, raw)
	case []any:
		dst = append(dst, '[')
		for _, item := range raw {
			dst = append(appendCanonical(dst, item), ',')
		}
		return append(dst, ']')
	case map[string]any:
		names := make([]string, 0, len(raw))
		for name := range raw {
			names = append(names, name)
		}
		slices.Sort(names)
		dst = append(dst, '{')
		for _, name := range names {
			dst = append(appendCanonical(append(strconv.AppendQuote(dst, name), ':'), raw[name]), ',')
		}
		return append(dst, '}')
	default:
		return fmt.Append(dst, raw)
	}
}
