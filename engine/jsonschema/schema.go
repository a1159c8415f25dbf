// Package jsonschema checks JSON by a JSON Schema, and JSON Schemas themselves: drafts 4, 6, 7, 2019-09 and 2020-12. Both
// sides of a schema registry need it, the embedded one and the converter, so it is a room of its own.
//
// A schema is checked for its form by the table of keywords in keyword.go, which says what the metaschemas of the drafts
// say, so that nothing has to be read or compiled before the first schema comes: a process that uses no JSON Schema pays
// nothing for it. Metaschemas of one's own ($schema with another address) are refused.
//
// Formats are checked in drafts 4 to 7 and are notes in later ones, as the drafts have it; contents of strings
// (contentEncoding and the like) are never looked into.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Settings say what a schema may use.
type Settings struct {
	// Load gives the text of the schema at an absolute address, without fragment, that another refers to; nil: there is
	// none. Nothing is ever fetched.
	Load func(address string) ([]byte, error)
	// Lenient takes patterns that are no expressions of Go, and matches nothing by them.
	Lenient bool
}

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	root   *schema
	tracks bool // it has keywords about what others have not looked at
}

// mainAddress is that of a schema that has none, so that relative references have something to be relative to.
const mainAddress = "schema:///main"

// Compile compiles a schema, of draft 7 unless it says otherwise, with all that it refers to.
func Compile(text []byte, s Settings) (*Schema, error) {
	c := &compiler{Settings: s, resources: map[string]*resource{}, places: map[*value]*resource{}, schemas: map[*value]*schema{}}
	r, err := c.add(mainAddress, text)
	if err != nil {
		return nil, err
	}
	root, err := c.compile(r.root, r)
	if err != nil {
		return nil, err
	}
	if err := c.dynamic(); err != nil {
		return nil, err
	}
	return &Schema{root: root, tracks: c.tracks}, nil
}

// Violation says where a message breaks a schema, and never what stands there.
type Violation struct {
	At      []string // members and indexes from the root of the message
	Keyword string   // that does not hold
}

// Error implements error.
func (v *Violation) Error() string {
	return fmt.Sprintf("at #/%s: %s does not hold", strings.Join(v.At, "/"), v.Keyword)
}

// ErrNotJSON is the error for a message that is no JSON.
var ErrNotJSON = errors.New("it is no JSON")

// Validate checks a message. The error is ErrNotJSON or a *Violation.
func (s *Schema) Validate(message []byte) error {
	v, err := decode(message)
	if err != nil {
		return ErrNotJSON
	}
	r := &run{tracks: s.tracks}
	if broken := r.check(s.root, v, spot{}, nil); broken != nil {
		return broken
	}
	return nil
}

func decode(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

// schema is one compiled (sub)schema.
type schema struct {
	always   *bool // true or false as a schema
	meta     draft // it is the metaschema of this draft; 0: it is not
	draft    draft
	resource *resource

	types    []string
	constant *string // the canonical text
	enum     map[string]bool
	format   string

	ref         *schema
	recursive   *schema // $recursiveRef
	dynamic     *schema // $dynamicRef, as it stands
	dynamicName string  // looked for in the dynamic scope; "" when the reference is a plain one

	all, any, one      []*schema
	not, cond, yes, no *schema
	object             objectRules
	array              arrayRules
	text               textRules
	number             numberRules
	unevaluatedProps   *schema
	unevaluatedItems   *schema
	dependencies       []dependency
}

type objectRules struct {
	min, max   *number
	required   []string
	properties map[string]*schema
	patterns   []patterned
	additional *schema
	names      *schema
}

type patterned struct {
	re     *regexp.Regexp // nil matches nothing
	schema *schema
}

// dependency holds where a property is there: others must be there, or a schema must hold.
type dependency struct {
	word, property string
	required       []string
	schema         *schema
}

type arrayRules struct {
	min, max                 *number
	unique                   bool
	first                    []*schema
	rest                     *schema
	contains                 *schema
	minContains, maxContains *number
}

type textRules struct {
	min, max *number
	pattern  *regexp.Regexp
}

type numberRules struct{ multiple, max, min, below, above *number }
