package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// avroSchema is an Avro schema. The library decides whether it is one; the tree is ours, since the text printed anew and the
// differences between two schemas are those of Java's classes (org.apache.avro.Schema, SchemaCompatibility).
type avroSchema struct {
	root *avroType
	// foreign are the named types that stand in dependencies: they are printed by name only.
	foreign map[string]bool
}

// avroType is a type; a named one is reached by pointer from wherever it is named.
type avroType struct {
	kind       string // of the specification; an error is a record with isError
	isError    bool
	space      string // namespace of a named type
	name       string // its name without the namespace
	doc        *string
	aliases    []string // as written
	fields     []avroField
	symbols    []string
	fallback   *node // default of an enum
	size       string
	of         *avroType   // items or values
	branches   []*avroType // of a union
	properties []member    // everything else, in its order
}

type avroField struct {
	name       string
	of         *avroType
	doc        *string
	initial    *node // default
	order      string
	aliases    []string
	properties []member
}

func (t *avroType) named() bool { return t.name != "" }

func (t *avroType) fullName() string {
	if t.space == "" {
		return t.name
	}
	return t.space + "." + t.name
}

func parseAvro(text string, refs []Dependency) (Schema, error) {
	var known avro.SchemaCache
	p := &avroParser{types: map[string]*avroType{}}
	for _, ref := range refs {
		if _, err := known.Parse(ref.Text); err != nil {
			return nil, fmt.Errorf("reference %s: %w", ref.Name, err)
		}
		if _, err := p.document(ref.Text); err != nil {
			return nil, fmt.Errorf("reference %s: %w", ref.Name, err)
		}
	}
	foreign := map[string]bool{}
	for name := range p.types {
		foreign[name] = true
	}
	root, err := p.document(text)
	if err != nil {
		return nil, err
	}
	if _, err := known.Parse(text); err != nil {
		return nil, err
	}
	return &avroSchema{root, foreign}, nil
}

// avroParser makes trees of documents; types holds the named ones by full name.
type avroParser struct{ types map[string]*avroType }

func (p *avroParser) document(text string) (*avroType, error) {
	n, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	return p.parse(n, "")
}

func primitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}

func (p *avroParser) parse(n *node, space string) (*avroType, error) {
	switch n.kind {
	case '"':
		return p.reference(n.scalar, space)
	case '[':
		t := &avroType{kind: "union"}
		for _, item := range n.items {
			branch, err := p.parse(item, space)
			if err != nil {
				return nil, err
			}
			t.branches = append(t.branches, branch)
		}
		return t, nil
	case '{':
		return p.object(n, space)
	}
	return nil, fmt.Errorf("no type: %s", n)
}

func (p *avroParser) reference(name, space string) (*avroType, error) {
	if primitive(name) {
		return &avroType{kind: name}, nil
	}
	if !strings.Contains(name, ".") && space != "" {
		if t := p.types[space+"."+name]; t != nil {
			return t, nil
		}
	}
	if t := p.types[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("undefined name: %q", name)
}

func (p *avroParser) object(n *node, space string) (*avroType, error) {
	kind := n.get("type")
	if kind == nil {
		return nil, fmt.Errorf("no type: %s", n)
	}
	if !kind.isString() { // {"type": {"type": …}} is the inner one, as Java has it
		return p.parse(kind, space)
	}
	t := &avroType{kind: kind.scalar}
	var err error
	switch kind.scalar {
	case "record", "error", "enum", "fixed":
		t.isError = kind.scalar == "error"
		if t.isError {
			t.kind = "record"
		}
		err = p.define(t, n, space)
	case "array", "map":
		word := map[string]string{"array": "items", "map": "values"}[kind.scalar]
		of := n.get(word)
		if of == nil {
			return nil, fmt.Errorf("%s without %s: %s", kind.scalar, word, n)
		}
		t.of, err = p.parse(of, space)
		t.properties = properties(n, "type", word, "doc", "name", "namespace", "aliases", "fields", "symbols", "size")
	default:
		if primitive(kind.scalar) {
			t.properties = properties(n, "type", "doc", "name", "namespace", "aliases", "fields", "symbols", "size", "items", "values")
			return t, nil
		}
		return p.reference(kind.scalar, space)
	}
	return t, err
}

// define fills in a named type.
func (p *avroParser) define(t *avroType, n *node, space string) error {
	t.name, t.space = n.get("name").text(), space
	if given := n.get("namespace"); given.isString() {
		t.space = given.scalar
	}
	if i := strings.LastIndexByte(t.name, '.'); i >= 0 {
		t.space, t.name = t.name[:i], t.name[i+1:]
	}
	if t.name == "" {
		return errors.New("a named type without a name")
	}
	p.types[t.fullName()] = t
	t.doc, t.aliases = optional(n.get("doc")), n.get("aliases").strings()
	reserved := []string{"type", "name", "namespace", "doc", "aliases", "fields", "symbols", "size", "items", "values"}
	switch t.kind {
	case "enum":
		t.symbols, t.fallback = n.get("symbols").strings(), n.get("default")
		reserved = append(reserved, "default")
	case "fixed":
		if size := n.get("size"); size != nil {
			t.size = size.scalar
		}
	default:
		if err := p.fields(t, n.get("fields")); err != nil {
			return err
		}
	}
	t.properties = properties(n, reserved...)
	return nil
}

func (p *avroParser) fields(t *avroType, n *node) error {
	if n == nil || n.kind != '[' {
		return fmt.Errorf("record %s without fields", t.fullName())
	}
	for _, f := range n.items {
		kind := f.get("type")
		if kind == nil {
			return fmt.Errorf("no type: a field of %s", t.fullName())
		}
		of, err := p.parse(kind, t.space)
		if err != nil {
			return err
		}
		t.fields = append(t.fields, avroField{
			name: f.get("name").text(), of: of, doc: optional(f.get("doc")), initial: f.get("default"),
			order: strings.ToLower(f.get("order").text()), aliases: f.get("aliases").strings(),
			properties: properties(f, "type", "name", "doc", "default", "order", "aliases"),
		})
	}
	return nil
}

func optional(n *node) *string {
	if !n.isString() {
		return nil
	}
	return &n.scalar
}

func properties(n *node, reserved ...string) []member {
	var all []member
	for _, m := range n.members {
		if !slices.Contains(reserved, m.name) {
			all = append(all, m)
		}
	}
	return all
}

func (s *avroSchema) Canonical() string  { return s.print(false, s.foreign) }
func (s *avroSchema) Normalized() string { return s.print(true, s.foreign) }

// formatted prints a schema; "resolved" has the types of its references inside.
func (s *avroSchema) Formatted(format string) (string, error) {
	if strings.EqualFold(format, "resolved") {
		return s.print(false, nil), nil
	}
	return s.Canonical(), nil
}

// print prints a schema in the order of Java's Schema.toString; the types in seen by name only.
func (s *avroSchema) print(sorted bool, seen map[string]bool) string {
	p := avroPrinter{sorted: sorted, seen: map[string]bool{}}
	for name := range seen {
		p.seen[name] = true
	}
	return string(p.append(nil, s.root, ""))
}

type avroPrinter struct {
	sorted bool            // properties in the order of their names
	seen   map[string]bool // named types that have been printed
}

func (p *avroPrinter) append(dst []byte, t *avroType, space string) []byte {
	switch {
	case t.named():
		return p.appendNamed(dst, t, space)
	case t.kind == "union":
		dst = append(dst, '[')
		for i, branch := range t.branches {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.append(dst, branch, space)
		}
		return append(dst, ']')
	case t.kind == "array":
		dst = p.append(append(dst, `{"type":"array","items":`...), t.of, space)
	case t.kind == "map":
		dst = p.append(append(dst, `{"type":"map","values":`...), t.of, space)
	case len(t.properties) == 0:
		return AppendString(dst, t.kind)
	default:
		dst = AppendString(append(dst, `{"type":`...), t.kind)
	}
	return append(p.appendProperties(dst, t.properties), '}')
}

func (p *avroPrinter) appendNamed(dst []byte, t *avroType, space string) []byte {
	if p.seen[t.fullName()] {
		if t.space == space {
			return AppendString(dst, t.name)
		}
		return AppendString(dst, t.fullName())
	}
	p.seen[t.fullName()] = true
	kind := t.kind
	if t.isError {
		kind = "error"
	}
	dst = AppendString(append(dst, `{"type":`...), kind)
	dst = AppendString(append(dst, `,"name":`...), t.name)
	if t.space != space {
		dst = AppendString(append(dst, `,"namespace":`...), t.space)
	}
	if t.doc != nil {
		dst = AppendString(append(dst, `,"doc":`...), *t.doc)
	}
	switch t.kind {
	case "enum":
		dst = appendStrings(append(dst, `,"symbols":`...), t.symbols)
		if t.fallback != nil {
			dst = t.fallback.append(append(dst, `,"default":`...), p.sorted)
		}
	case "fixed":
		dst = append(append(dst, `,"size":`...), t.size...)
	default:
		dst = append(dst, `,"fields":[`...)
		for i := range t.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.appendField(dst, &t.fields[i], t.space)
		}
		dst = append(dst, ']')
	}
	dst = p.appendProperties(dst, t.properties)
	if len(t.aliases) > 0 {
		dst = appendStrings(append(dst, `,"aliases":`...), t.aliases)
	}
	return append(dst, '}')
}

func (p *avroPrinter) appendField(dst []byte, f *avroField, space string) []byte {
	dst = AppendString(append(dst, `{"name":`...), f.name)
	dst = p.append(append(dst, `,"type":`...), f.of, space)
	if f.doc != nil {
		dst = AppendString(append(dst, `,"doc":`...), *f.doc)
	}
	if f.initial != nil {
		dst = f.initial.append(append(dst, `,"default":`...), p.sorted)
	}
	if f.order != "" && f.order != "ascending" {
		dst = AppendString(append(dst, `,"order":`...), f.order)
	}
	if len(f.aliases) > 0 {
		dst = appendStrings(append(dst, `,"aliases":`...), f.aliases)
	}
	return append(p.appendProperties(dst, f.properties), '}')
}

func (p *avroPrinter) appendProperties(dst []byte, all []member) []byte {
	if p.sorted {
		all = slices.SortedFunc(slices.Values(all), func(a, b member) int { return strings.Compare(a.name, b.name) })
	}
	for _, m := range all {
		dst = append(AppendString(append(dst, ','), m.name), ':')
		dst = m.value.append(dst, p.sorted)
	}
	return dst
}

func appendStrings(dst []byte, all []string) []byte {
	dst = append(dst, '[')
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, s)
	}
	return append(dst, ']')
}
