package schema

import (
	"slices"
	"strconv"
)

// shape is a schema sorted into one of a few kinds, as the classes of everit-org/json-schema are, on which Confluent's
// comparison is built.
type shape struct {
	kind  string // any, none, string, number, boolean, null, object, array, enum, not, combined
	node  *node  // the keywords of string, number, object and array
	doc   *node  // the document that references in it are relative to
	parts []part // of a combined one
	word  string // allOf, anyOf or oneOf

	values  []*node // of an enum
	integer bool    // a number that is one
}

// part is a schema inside another.
type part struct{ node, doc *node }

// maxReferences bounds a chain of references to references.
const maxReferences = 100

// follow is what a chain of references leads to. One that has no end takes anything.
func (d *jsonDocuments) follow(p part) part {
	for range maxReferences {
		ref := p.node.get("$ref")
		if !ref.isString() {
			return p
		}
		p.node, p.doc = d.resolve(ref.scalar, p.doc)
	}
	return part{}
}

// shape sorts a schema. A nil one takes anything.
func (d *jsonDocuments) shape(p part) shape {
	p = d.follow(p)
	return d.sorted(p.node, p.doc)
}

func (d *jsonDocuments) sorted(n, doc *node) shape {
	switch {
	case n == nil || n.kind == 't':
		return shape{kind: "any"}
	case n.kind == 'f':
		return shape{kind: "none"}
	case n.kind != '{':
		return shape{kind: "any"}
	}
	var all []shape
	for _, word := range []string{"allOf", "anyOf", "oneOf"} {
		if list := n.get(word); list != nil && list.kind == '[' {
			s := shape{kind: "combined", word: word}
			for _, item := range list.items {
				s.parts = append(s.parts, part{item, doc})
			}
			all = append(all, s)
		}
	}
	if e := n.get("enum"); e != nil && e.kind == '[' {
		all = append(all, shape{kind: "enum", values: e.items})
	}
	if c := n.get("const"); c != nil {
		all = append(all, shape{kind: "enum", values: []*node{c}})
	}
	if not := n.get("not"); not != nil {
		all = append(all, shape{kind: "not", parts: []part{{not, doc}}})
	}
	if typed, ok := typedShape(n, doc); ok {
		all = append(all, typed)
	}
	switch len(all) {
	case 0:
		return shape{kind: "any"}
	case 1:
		return all[0]
	}
	// What says several things at once is all of them; each part is the schema with the other things left out.
	s := shape{kind: "combined", word: "allOf"}
	for _, one := range all {
		s.parts = append(s.parts, part{only(n, one), doc})
	}
	return s
}

// combiners are the keywords that make a part of their own.
func combiners() []string { return []string{"allOf", "anyOf", "oneOf", "enum", "const", "not"} }

// only is a schema with what makes one of its shapes.
func only(n *node, s shape) *node {
	word := s.kind
	switch {
	case s.kind == "combined" && s.word != "type":
		word = s.word
	case s.kind == "enum" && n.get("enum") == nil || s.kind == "enum" && len(s.values) == 1 && s.values[0] == n.get("const"):
		word = "const"
	}
	kept := &node{kind: '{'}
	for _, m := range n.members {
		if m.name == word || !slices.Contains(combiners(), word) && !slices.Contains(combiners(), m.name) {
			kept.members = append(kept.members, m)
		}
	}
	return kept
}

// typedShape is what a schema says by its type, or by keywords of one type.
func typedShape(n, doc *node) (shape, bool) {
	names := n.get("type").strings()
	if len(names) == 0 {
		if names = implied(n); len(names) == 0 {
			return shape{}, false
		}
	}
	if len(names) == 1 {
		s := shape{kind: names[0], node: n, doc: doc}
		if s.kind == "integer" {
			s.kind, s.integer = "number", true
		}
		return s, true
	}
	s := shape{kind: "combined", word: "anyOf"}
	for _, name := range names {
		one := &node{kind: '{'}
		for _, m := range n.members {
			switch {
			case m.name == "type":
				one.members = append(one.members, member{"type", &node{kind: '"', scalar: name}})
			case !slices.Contains(combiners(), m.name):
				one.members = append(one.members, m)
			}
		}
		s.parts = append(s.parts, part{one, doc})
	}
	return s, true
}

// implied are the types that keywords without a type are about.
func implied(n *node) []string {
	var names []string
	for _, of := range []struct {
		name  string
		words []string
	}{
		{"object", []string{"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependencies", "dependentRequired", "dependentSchemas"}},
		{"array", []string{"items", "prefixItems", "additionalItems", "contains", "minItems", "maxItems", "uniqueItems"}},
		{"string", []string{"minLength", "maxLength", "pattern"}},
		{"number", []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}},
	} {
		if slices.ContainsFunc(of.words, func(w string) bool { return n.get(w) != nil }) {
			names = append(names, of.name)
		}
	}
	return names
}

// number is a keyword's number, and whether there is one.
func (n *node) number(word string) (float64, bool) {
	v := n.get(word)
	if v == nil || v.kind != '0' {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.scalar, 64)
	return f, err == nil
}

// bound is a limit of a number; in draft 4 exclusive ones are a flag beside the limit.
func (n *node) bound(word string) (float64, bool) {
	plain := map[string]string{"exclusiveMaximum": "maximum", "exclusiveMinimum": "minimum"}[word]
	if flag := n.get(word); plain != "" && flag != nil && flag.kind == 't' {
		return n.number(plain)
	}
	return n.number(word)
}
