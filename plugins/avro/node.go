package avro

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// kind is a type of Avro.
type kind uint8

const (
	null kind = iota
	boolean
	intKind
	long
	float
	double
	bytesKind
	stringKind
	array
	mapKind
	recordKind
	enum
	fixed
	union
)

var kindNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "array", "map", "record", "enum", "fixed", "union"} //nolint:gochecknoglobals // a literal

func (k kind) String() string { return kindNames[k] }

// node is a schema of Avro. A type that is named twice is one node, so a tree may have cycles. It does not change once made.
type node struct {
	kind     kind
	name     string // of a record, enum or fixed, without its namespace
	space    string // its namespace
	aliases  []string
	doc      *string
	fields   []field
	symbols  []string
	fallback *string // of an enum: the symbol that stands for unknown ones
	items    *node   // of an array, or a map's values
	branches []*node // of a union
	size     int     // of a fixed
	props    []prop  // every other member, in order
}

type field struct {
	name    string
	doc     *string
	aliases []string
	node    *node
	def     jsontext.Value // its default; nil without
	order   string
	props   []prop
}

// prop is a member that Avro itself gives no meaning, with its value as JSON.
type prop struct {
	key string
	raw jsontext.Value
}

func (n *node) named() bool { return n.kind == recordKind || n.kind == enum || n.kind == fixed }

// full is the name with its namespace; of what has no name its kind.
func (n *node) full() string {
	switch {
	case !n.named():
		return n.kind.String()
	case n.space == "":
		return n.name
	}
	return n.space + "." + n.name
}

// prop finds a member.
func (n *node) prop(key string) (jsontext.Value, bool) {
	for _, p := range n.props {
		if p.key == key {
			return p.raw, true
		}
	}
	return nil, false
}

// text is a member that is a string.
func (n *node) text(key string) (string, bool) {
	raw, ok := n.prop(key)
	if !ok || raw.Kind() != '"' {
		return "", false
	}
	return unquote(raw), true
}

// number is a member that is a whole number.
func (n *node) number(key string) (int, bool) {
	raw, ok := n.prop(key)
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(string(raw))
	return i, err == nil
}

func unquote(raw jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}

func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		return jsontext.Value(`""`)
	}
	return b
}

// set adds a member, or replaces it.
func (n *node) set(key string, raw jsontext.Value) {
	for i := range n.props {
		if n.props[i].key == key {
			n.props[i].raw = raw
			return
		}
	}
	n.props = append(n.props, prop{key, raw})
}

// checkName takes what Avro 1.12 takes for a name, in its words.
func checkName(name string) error {
	for i, c := range name {
		switch {
		case i == 0 && !unicode.IsLetter(c) && c != '_':
			return errors.New("Illegal initial character: " + name)
		case !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_':
			return errors.New("Illegal character in: " + name)
		}
	}
	if name == "" {
		return errors.New("a name is empty")
	}
	return nil
}

// splitName parts a full name at its last dot.
func splitName(full string) (space, name string) {
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		return full[:i], full[i+1:]
	}
	return "", full
}

// printer writes a schema as org.apache.avro.Schema's toString does.
type printer struct {
	dst  []byte
	seen map[string]*node
	err  error
}

// print is the text of a schema. The error is that of two types of one name.
func (n *node) print() (string, error) {
	p := printer{seen: map[string]*node{}}
	p.node(n, "")
	return string(p.dst), p.err
}

func (p *printer) raw(s string) { p.dst = append(p.dst, s...) }

func (p *printer) quoted(s string) { p.dst = append(p.dst, quote(s)...) }

func (p *printer) member(key, value string) {
	p.raw(`,"` + key + `":`)
	p.quoted(value)
}

func (p *printer) props(props []prop) {
	for _, m := range props {
		p.raw(",")
		p.quoted(m.key)
		p.raw(":")
		p.dst = append(p.dst, m.raw...)
	}
}

func (p *printer) strings(key string, list []string) {
	for i, s := range list {
		p.raw([]string{`,"` + key + `":[`, ","}[min(i, 1)])
		p.quoted(s)
	}
	if len(list) > 0 {
		p.raw("]")
	}
}

func (p *printer) node(n *node, space string) {
	switch {
	case n.kind == union:
		for i, b := range n.branches {
			p.raw([]string{"[", ","}[min(i, 1)])
			p.node(b, space)
		}
		if len(n.branches) == 0 {
			p.raw("[")
		}
		p.raw("]")
		return
	case n.named():
		p.definition(n, space)
		return
	case n.kind < array && len(n.props) == 0:
		p.quoted(n.kind.String())
		return
	}
	p.raw(`{"type":"` + n.kind.String() + `"`)
	switch n.kind {
	case array:
		p.raw(`,"items":`)
		p.node(n.items, space)
	case mapKind:
		p.raw(`,"values":`)
		p.node(n.items, space)
	}
	p.props(n.props)
	p.raw("}")
}

func (p *printer) definition(n *node, space string) {
	full := n.full()
	if other, ok := p.seen[full]; ok {
		if other != n && p.err == nil {
			p.err = errors.New("Can't redefine: " + full)
		}
		if n.space == space {
			full = n.name
		}
		p.quoted(full)
		return
	}
	p.seen[full] = n
	p.raw(`{"type":"` + n.kind.String() + `"`)
	p.member("name", n.name)
	if n.space != space {
		p.member("namespace", n.space)
	}
	if n.doc != nil {
		p.member("doc", *n.doc)
	}
	switch n.kind {
	case recordKind:
		p.fields(n)
	case enum:
		if len(n.symbols) == 0 {
			p.raw(`,"symbols":[]`)
		}
		p.strings("symbols", n.symbols)
		if n.fallback != nil {
			p.member("default", *n.fallback)
		}
	case fixed:
		p.raw(`,"size":` + strconv.Itoa(n.size))
	}
	p.props(n.props)
	p.strings("aliases", n.aliases)
	p.raw("}")
}

func (p *printer) fields(n *node) {
	p.raw(`,"fields":[`)
	for i := range n.fields {
		f := &n.fields[i]
		p.raw([]string{`{"name":`, `,{"name":`}[min(i, 1)])
		p.quoted(f.name)
		p.raw(`,"type":`)
		p.node(f.node, n.space)
		if f.doc != nil {
			p.member("doc", *f.doc)
		}
		if f.def != nil {
			p.raw(`,"default":`)
			p.dst = append(p.dst, f.def...)
		}
		if f.order != "" && f.order != "ascending" {
			p.member("order", f.order)
		}
		p.strings("aliases", f.aliases)
		p.props(f.props)
		p.raw("}")
	}
	p.raw("]")
}

// deepest bounds how far types nest in a text.
const deepest = 200

// parser reads texts. Types that one text names count for the next.
type parser struct {
	known map[string]*node
	depth int
}

// parse reads a schema whose references are among the parser's types.
func (p *parser) parse(text string) (*node, error) {
	raw := jsontext.Value(text)
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the schema is empty")
	}
	if err := tooDeep(text); err != nil {
		return nil, err
	}
	if !raw.IsValid() {
		// Old registries hold the bare name of a primitive type.
		if k := kindOf(strings.TrimSpace(text)); k < array {
			return &node{kind: k}, nil
		}
		return nil, errors.New("the schema is no JSON")
	}
	if err := raw.Compact(); err != nil {
		return nil, err
	}
	return p.node(raw, "")
}

// tooDeep refuses early what would be read once a level.
func tooDeep(text string) error {
	d := jsontext.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.ReadToken(); err != nil {
			return nil // whatever it is, it is for others to say
		}
		if d.StackDepth() > 4*deepest {
			return fmt.Errorf("the schema nests deeper than %d types", deepest)
		}
	}
}

func kindOf(name string) kind {
	for k := null; k <= union; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return union + 1
}

func (p *parser) node(raw jsontext.Value, space string) (*node, error) {
	if p.depth++; p.depth > deepest {
		return nil, fmt.Errorf("the schema nests deeper than %d types", deepest)
	}
	defer func() { p.depth-- }()
	switch raw.Kind() {
	case '"':
		return p.reference(unquote(raw), space)
	case '[':
		n := &node{kind: union}
		return n, elements(raw, func(v jsontext.Value) error {
			b, err := p.node(v, space)
			if err == nil && b.kind == union {
				err = errors.New("Nested union") //nolint:staticcheck // Avro's words
			}
			n.branches = append(n.branches, b)
			return err
		})
	case '{':
		return p.object(raw, space)
	}
	return nil, fmt.Errorf("a type cannot be %s", raw.Kind())
}

func (p *parser) reference(name, space string) (*node, error) {
	if k := kindOf(name); k < array {
		return &node{kind: k}, nil
	}
	if !strings.Contains(name, ".") && space != "" {
		if n, ok := p.known[space+"."+name]; ok {
			return n, nil
		}
	}
	if n, ok := p.known[name]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("undefined name: %q", name)
}

// member is one member of an object.
type members []prop

func (m members) get(key string) (jsontext.Value, bool) {
	for _, p := range slices.Backward(m) {
		if p.key == key {
			return p.raw, true
		}
	}
	return nil, false
}

func (m members) text(key string) (string, bool) {
	raw, ok := m.get(key)
	if !ok || raw.Kind() != '"' {
		return "", false
	}
	return unquote(raw), true
}

func (m members) pointer(key string) *string {
	if s, ok := m.text(key); ok {
		return &s
	}
	return nil
}

func (m members) list(key string) (list []string, err error) {
	raw, ok := m.get(key)
	if !ok || raw.Kind() != '[' {
		return nil, nil
	}
	return list, elements(raw, func(v jsontext.Value) error {
		if v.Kind() != '"' {
			return fmt.Errorf("%s has an entry that is no string", key)
		}
		list = append(list, unquote(v))
		return nil
	})
}

// rest are the members that have none of the names.
func (m members) rest(names ...string) (props []prop) {
next:
	for _, p := range m {
		for _, name := range names {
			if p.key == name {
				continue next
			}
		}
		props = append(props, p)
	}
	return props
}

func membersOf(raw jsontext.Value) (m members, err error) {
	if raw.Kind() != '{' {
		return nil, fmt.Errorf("an object was expected, not %s", raw.Kind())
	}
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		m = append(m, prop{key, v.Clone()})
	}
	return m, nil
}

func elements(raw jsontext.Value, visit func(jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := visit(v.Clone()); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) object(raw jsontext.Value, space string) (*node, error) {
	m, err := membersOf(raw)
	if err != nil {
		return nil, err
	}
	typ, ok := m.get("type")
	if !ok {
		return nil, errors.New("a type is missing")
	}
	if typ.Kind() != '"' {
		return p.node(typ, space) // {"type":{…}}: the outer members mean nothing
	}
	name := unquote(typ)
	k := kindOf(name)
	if name == "error" {
		k = recordKind
	}
	switch k {
	case array, mapKind:
		key := [...]string{array: "items", mapKind: "values"}[k]
		inner, ok := m.get(key)
		if !ok {
			return nil, fmt.Errorf("%s has no %s", k, key)
		}
		n := &node{kind: k, props: m.rest("type", key)}
		n.items, err = p.node(inner, space)
		return n, err
	case recordKind, enum, fixed:
		return p.definition(k, m, space)
	case union, union + 1:
		return p.reference(name, space)
	}
	return &node{kind: k, props: m.rest("type")}, nil
}

func (p *parser) definition(k kind, m members, space string) (*node, error) {
	name, _ := m.text("name")
	n := &node{kind: k, doc: m.pointer("doc"), space: space}
	if given, ok := m.text("namespace"); ok {
		n.space = given
	}
	if s, short := splitName(name); s != "" {
		n.space, name = s, short
	}
	n.name = name
	if err := checkName(name); err != nil {
		return nil, err
	}
	if p.known[n.full()] != nil {
		return nil, errors.New("Can't redefine: " + n.full())
	}
	p.known[n.full()] = n
	var err error
	if n.aliases, err = m.list("aliases"); err != nil {
		return nil, err
	}
	switch k {
	case recordKind:
		n.props = m.rest("type", "name", "namespace", "doc", "aliases", "fields")
		err = p.fields(n, m)
	case enum:
		n.props = m.rest("type", "name", "namespace", "doc", "aliases", "symbols", "default")
		n.fallback = m.pointer("default")
		n.symbols, err = m.list("symbols")
	case fixed:
		n.props = m.rest("type", "name", "namespace", "doc", "aliases", "size")
		size, _ := m.get("size")
		if n.size, err = strconv.Atoi(string(size)); err != nil || n.size < 0 || n.size > mostFixed {
			err = fmt.Errorf("Invalid or no size: %s", n.full()) //nolint:staticcheck // Avro's words
		}
	}
	return n, err
}

// mostFixed bounds the size of a fixed.
const mostFixed = 1 << 26

func (p *parser) fields(n *node, m members) error {
	raw, _ := m.get("fields")
	if raw.Kind() != '[' {
		return errors.New("Record has no fields") //nolint:staticcheck // Avro's words
	}
	names := map[string]bool{}
	return elements(raw, func(v jsontext.Value) error {
		m, err := membersOf(v)
		if err != nil {
			return err
		}
		name, _ := m.text("name")
		if err := checkName(name); err != nil {
			return err
		}
		if names[name] {
			return fmt.Errorf("Duplicate field %s in record %s", name, n.full()) //nolint:staticcheck // Avro's words
		}
		names[name] = true
		typ, ok := m.get("type")
		if !ok {
			return fmt.Errorf("No field type: %s", name) //nolint:staticcheck // Avro's words
		}
		f := field{name: name, doc: m.pointer("doc"), props: m.rest("name", "type", "doc", "default", "order", "aliases")}
		f.def, _ = m.get("default")
		f.order, _ = m.text("order")
		if f.aliases, err = m.list("aliases"); err != nil {
			return err
		}
		if f.node, err = p.node(typ, n.space); err != nil {
			return fmt.Errorf("field %s of %s: %w", name, n.full(), err)
		}
		n.fields = append(n.fields, f)
		return nil
	})
}
