package jsonschema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// shapeKind is a class of the library everit-json-schema, by which Confluent's converter tells schemas apart.
type shapeKind uint8

const (
	anyShape shapeKind = iota // {} or true
	falseShape
	nullShape
	boolShape
	numberShape
	stringShape
	enumShape
	constShape
	arrayShape
	objectShape
	combinedShape
	notShape
	conditionalShape
	refShape
)

// everit is the name of a shape's class.
func (k shapeKind) everit() string {
	return "org.everit.json.schema." + [...]string{
		"EmptySchema", "FalseSchema", "NullSchema", "BooleanSchema", "NumberSchema", "StringSchema", "EnumSchema", "ConstSchema",
		"ArraySchema", "ObjectSchema", "CombinedSchema", "NotSchema", "ConditionalSchema", "ReferenceSchema",
	}[k]
}

// shape is one schema. Those that refer to others may be part of a cycle; what a reference leads to is one shape for all
// references that are spelt alike.
type shape struct {
	kind shapeKind
	text *node // as it was written; several shapes may be made of one text

	common // nothing in what is only part of a text

	integer  bool
	values   []*node // of an enum, or the one of a const
	word     string  // of a combined one: allOf, anyOf, oneOf
	parts    []*shape
	items    *shape // of an array; nil without, or with one for each place
	fields   []property
	required []string
	rest     *shape // of properties that are not named; nil without
	closed   bool   // none may be there that is not named
	target   *shape // of a reference
}

// property is one of an object's, in the order of the HashMap that holds them.
type property struct {
	name  string
	shape *shape
}

// common is what every schema may have.
type common struct {
	title, doc string
	hasTitle   bool
	initial    *node // the default; nil without

	connectType    string
	index, version *node // nil without
	params         []record.Param
}

var (
	numberWords = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}                                                               //nolint:gochecknoglobals // a literal
	stringWords = []string{"minLength", "maxLength", "pattern", "format"}                                                                                            //nolint:gochecknoglobals // a literal
	objectWords = []string{"properties", "required", "minProperties", "maxProperties", "dependencies", "patternProperties", "additionalProperties", "propertyNames"} //nolint:gochecknoglobals // a literal
	arrayWords  = []string{"items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"}                                                            //nolint:gochecknoglobals // a literal
)

// loader makes shapes of a schema and of what it refers to (everit: SchemaLoader).
type loader struct {
	docs  *documents
	ready map[place]*shape // what references lead to
	left  int              // how many shapes may still be made
}

// place is where a reference leads to, as it is spelt: two ways to one place are two schemas, as they are for everit.
type place struct {
	doc      *document
	fragment string
}

const mostShapes = 100_000

// load makes the shape of a document.
func load(docs *documents) (*shape, error) {
	l := loader{docs: docs, ready: map[place]*shape{}, left: mostShapes}
	return l.shape(docs.root.node, docs.root)
}

func (l *loader) shape(n *node, d *document) (*shape, error) {
	s := &shape{}
	return s, l.fill(s, n, d)
}

// fill makes of s the shape of a text.
func (l *loader) fill(s *shape, n *node, d *document) error {
	if l.left--; l.left < 0 {
		return fmt.Errorf("the schema comes to more than %d schemas", mostShapes)
	}
	s.text = n
	switch n.kind() {
	case 't':
		return nil
	case 'f':
		s.kind = falseShape
		return nil
	case '{':
	default:
		return errors.New("a schema is neither an object nor a boolean")
	}
	parts, err := l.partsOf(n, d)
	if err != nil {
		return err
	}
	switch len(parts) {
	case 0:
	case 1:
		*s = *parts[0]
	default:
		s.kind, s.word, s.parts = combinedShape, "allOf", parts
	}
	s.text = n
	s.annotate(n)
	return nil
}

// partsOf finds the schemas that stand beside each other in one object.
func (l *loader) partsOf(n *node, d *document) ([]*shape, error) {
	var parts []*shape
	if ref := n.get("$ref"); ref != nil {
		s, err := l.reference(ref.text(), d)
		if err != nil || !d.modern {
			return []*shape{s}, err
		}
		parts = append(parts, s)
	}
	if e := n.get("enum"); e != nil {
		parts = append(parts, &shape{kind: enumShape, text: n, values: e.items})
	}
	for _, word := range []string{"oneOf", "anyOf", "allOf"} {
		list := n.get(word)
		if list == nil {
			continue
		}
		c := &shape{kind: combinedShape, text: n, word: word}
		for _, item := range list.items {
			part, err := l.shape(item, d)
			if err != nil {
				return nil, err
			}
			c.parts = append(c.parts, part)
		}
		parts = append(parts, c)
	}
	if n.get("not") != nil {
		parts = append(parts, &shape{kind: notShape, text: n})
	}
	if c := n.get("const"); c != nil && !d.fourth {
		parts = append(parts, &shape{kind: constShape, text: n, values: []*node{c}})
	}
	typed, done, err := l.typed(n, d)
	if err != nil {
		return nil, err
	}
	if typed != nil {
		parts = append(parts, typed)
	}
	return l.untyped(parts, n, d, done)
}

// typed reads what the keyword type says. Done are the kinds whose own keywords are read then.
func (l *loader) typed(n *node, d *document) (s *shape, done []shapeKind, err error) {
	t := n.get("type")
	if t == nil {
		return nil, nil, nil
	}
	if t.kind() != '[' {
		s, err = l.ofType(t.text(), n, d)
		if err != nil {
			return nil, nil, err
		}
		return s, []shapeKind{s.kind}, nil
	}
	c := &shape{kind: combinedShape, text: n, word: "anyOf"}
	for _, item := range t.items {
		part, err := l.ofType(item.text(), n, d)
		if err != nil {
			return nil, nil, err
		}
		c.parts = append(c.parts, part)
		done = append(done, part.kind)
	}
	return c, done, nil
}

func (l *loader) ofType(name string, n *node, d *document) (*shape, error) {
	switch name {
	case "string":
		return &shape{kind: stringShape, text: n}, nil
	case "integer":
		return &shape{kind: numberShape, text: n, integer: true}, nil
	case "number":
		return &shape{kind: numberShape, text: n}, nil
	case "boolean":
		return &shape{kind: boolShape, text: n}, nil
	case "null":
		return &shape{kind: nullShape, text: n}, nil
	case "array":
		return l.array(n, d)
	case "object":
		return l.object(n, d)
	}
	return nil, fmt.Errorf("unknown type: [%s]", name)
}

// untyped adds what follows from keywords alone.
func (l *loader) untyped(parts []*shape, n *node, d *document, done []shapeKind) ([]*shape, error) {
	if !slices.Contains(done, arrayShape) && n.hasAny(arrayWords) {
		s, err := l.array(n, d)
		if err != nil {
			return nil, err
		}
		parts = append(parts, s)
	}
	if !slices.Contains(done, objectShape) && n.hasAny(objectWords) {
		s, err := l.object(n, d)
		if err != nil {
			return nil, err
		}
		parts = append(parts, s)
	}
	if !slices.Contains(done, numberShape) && n.hasAny(numberWords) {
		parts = append(parts, &shape{kind: numberShape, text: n})
	}
	// Later drafts say that a format is a remark.
	if words := stringWords; !slices.Contains(done, stringShape) && (n.hasAny(words[:3]) || !d.modern && n.hasAny(words)) {
		parts = append(parts, &shape{kind: stringShape, text: n})
	}
	if n.hasAny([]string{"if", "then", "else"}) {
		parts = append(parts, &shape{kind: conditionalShape, text: n})
	}
	return parts, nil
}

func (l *loader) array(n *node, d *document) (*shape, error) {
	s := &shape{kind: arrayShape, text: n}
	items := n.get("items")
	if items == nil || items.kind() == '[' || d.modern && (n.get("prefixItems") != nil || items.kind() != '{') {
		return s, nil
	}
	var err error
	s.items, err = l.shape(items, d)
	return s, err
}

func (l *loader) object(n *node, d *document) (*shape, error) {
	s := &shape{kind: objectShape, text: n}
	if properties := n.get("properties"); properties != nil {
		for _, m := range hashed(properties.members, func(m member) string { return m.name }, usual) {
			p, err := l.shape(m.value, d)
			if err != nil {
				return nil, fmt.Errorf("property %s: %w", m.name, err)
			}
			s.fields = append(s.fields, property{m.name, p})
		}
	}
	if required := n.get("required"); required != nil {
		for _, item := range required.items {
			s.required = append(s.required, item.text())
		}
	}
	switch more := n.get("additionalProperties"); more.kind() {
	case 'f':
		s.closed = true
	case '{':
		var err error
		if s.rest, err = l.shape(more, d); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (l *loader) reference(ref string, d *document) (*shape, error) {
	_, fragment, _ := strings.Cut(ref, "#")
	target, in := l.docs.resolve(ref, d)
	if target == nil {
		return nil, fmt.Errorf("the schema refers to %s, which is not there", ref)
	}
	s, at := &shape{kind: refShape, text: target}, place{in, fragment}
	if known, ok := l.ready[at]; ok {
		s.target = known
		return s, nil
	}
	s.target = &shape{}
	l.ready[at] = s.target
	return s, l.fill(s.target, target, in)
}

// annotate reads what every schema may have.
func (s *shape) annotate(n *node) {
	s.common = common{
		title: n.get("title").text(), hasTitle: n.get("title") != nil, doc: n.get("description").text(), initial: n.get("default"),
		connectType: n.get("connect.type").text(), index: n.get("connect.index"), version: n.get("connect.version"),
	}
	if params := n.get("connect.parameters"); params != nil {
		for _, m := range params.members {
			s.params = append(s.params, record.Param{Key: m.name, Value: javaText(m.value)})
		}
	}
}

// whole is a value that has to be a whole number.
func (n *node) whole(name string) (int, error) {
	i, err := strconv.ParseInt(string(n.raw), 10, 32)
	if err != nil {
		return 0, plugin.Data("%s is no whole number", name)
	}
	return int(i), nil
}

// javaText is a value as Java's toString has it.
func javaText(n *node) string {
	if n.kind() == '"' {
		return n.text()
	}
	return string(n.append(nil, asWritten))
}

// isModern says whether a dialect is of 2019-09 or later.
func isModern(dialect string) bool {
	return strings.Contains(dialect, "/draft/2019-09/") || strings.Contains(dialect, "/draft/2020-12/")
}
