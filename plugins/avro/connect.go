package avro

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// connector makes a Connect schema of one of Avro (AvroData.toConnectSchema).
type connector struct {
	set *settings

	endless map[*node]bool // whether a type contains itself, or such
	open    map[*node]int  // how often a type is on the way to here
	levels  int            // how often it may be
	left    int            // how many schemas may still be made
	known   map[known]made
	unions  int
}

type known struct {
	node     *node
	optional bool
}

// made is a Connect schema with how many it is made of. Whoever walks a schema walks all of them, also those that are one.
type made struct {
	schema *record.Schema
	size   int
}

// Bounds of a Connect schema. A type that contains itself is unrolled as far as they allow.
const (
	mostSchemas  = 100_000
	mostUnrolled = 4096
	mostLevels   = 32
)

var errSize = fmt.Errorf("the schema comes to more than %d Connect schemas", mostSchemas)

// connect makes the Connect schema of a tree; version is that under the subject, 0 for none. With endless types it takes
// the deepest unrolling that fits.
func connect(set *settings, n *node, version int) (*record.Schema, error) {
	c := connector{set: set, endless: map[*node]bool{}}
	levels := 1
	if c.endlessFrom(n, map[*node]bool{}) {
		levels = mostLevels
	}
	for ; ; levels /= 2 {
		c.open, c.known, c.levels, c.left, c.unions = map[*node]int{}, map[known]made{}, levels, mostSchemas, 0
		if levels > 1 {
			c.left = mostUnrolled
		}
		s, err := c.schema(n, false, nil, "", version)
		if !errors.Is(err, errSize) || levels <= 1 {
			return s, err
		}
	}
}

// endlessFrom marks the types that lead back to themselves and all that lead to such.
func (c *connector) endlessFrom(n *node, visiting map[*node]bool) bool {
	if visiting[n] {
		return true
	}
	if e, ok := c.endless[n]; ok {
		return e
	}
	visiting[n] = true
	found := false
	for i := range n.fields {
		found = c.endlessFrom(n.fields[i].node, visiting) || found
	}
	for _, b := range n.branches {
		found = c.endlessFrom(b, visiting) || found
	}
	if n.items != nil {
		found = c.endlessFrom(n.items, visiting) || found
	}
	delete(visiting, n)
	c.endless[n] = found
	return found
}

// schema makes the schema of a type at a place: def is the default that its field has, doc the field's documentation.
func (c *connector) schema(n *node, optional bool, def jsontext.Value, doc string, version int) (*record.Schema, error) {
	if n.kind == union {
		if other := soleBranch(n, c.set); other != nil {
			return c.schema(other, len(n.branches) > 1, nil, doc, 0)
		}
	}
	key := known{n, optional}
	remember := def == nil && version == 0 && doc == "" && !c.endless[n] && n.kind >= array
	if m, ok := c.known[key]; ok && remember {
		if c.left -= m.size; c.left < 0 {
			return nil, errSize
		}
		return m.schema, nil
	}
	before := c.left
	if c.left--; c.left < 0 {
		return nil, errSize
	}
	if n.kind == recordKind {
		if c.open[n] == c.levels && c.endless[n] {
			return c.end(n, optional)
		}
		c.open[n]++
		defer func() { c.open[n]-- }()
	}
	b, own, err := c.builder(n)
	if err != nil {
		return nil, err
	}
	if optional {
		b.Optional()
	}
	p := place{c, n, b, own}
	if err := p.annotate(def, doc, version); err != nil {
		return nil, err
	}
	s, err := build(b)
	if err == nil && remember {
		c.known[key] = made{s, before - c.left}
	}
	return s, err
}

func build(b *record.Builder) (*record.Schema, error) {
	s, err := b.Build()
	if err != nil {
		return nil, &plugin.DataError{Reason: err.Error()}
	}
	return s, nil
}

// end is where unrolling ends: a struct without fields, of which there can be none.
func (c *connector) end(n *node, optional bool) (*record.Schema, error) {
	b := record.Build(record.Struct).Named(n.full())
	if optional {
		b.Optional()
	}
	return build(b)
}

// soleBranch is the type of a union that is no union for Connect: one branch, alone or with null.
func soleBranch(n *node, set *settings) *node {
	switch {
	case len(n.branches) == 2 && n.branches[0].kind == null && n.branches[1].kind != null:
		return n.branches[1]
	case len(n.branches) == 2 && n.branches[1].kind == null && n.branches[0].kind != null:
		return n.branches[0]
	case len(n.branches) == 1 && set.Flatten:
		return n.branches[0]
	}
	return nil
}

// identity is what a logical type gives a schema already.
type identity struct {
	name    string
	version int
}

// builder begins the schema of a type.
func (c *connector) builder(n *node) (*record.Builder, identity, error) {
	var own identity
	switch n.kind {
	case null:
		return nil, own, plugin.Data("Standalone null schemas are not supported by this converter")
	case boolean:
		return record.Build(record.Boolean), own, nil
	case float:
		return record.Build(record.Float32), own, nil
	case double:
		return record.Build(record.Float64), own, nil
	case stringKind:
		return record.Build(record.String), own, nil
	case intKind:
		return c.int(n)
	case long:
		if logical, _ := n.text("logicalType"); strings.EqualFold(logical, "timestamp-millis") {
			return record.Build(record.Int64).Named(record.TimestampName).Versioned(1), identity{record.TimestampName, 1}, nil
		}
		return record.Build(record.Int64), own, nil
	case bytesKind, fixed:
		return c.bytes(n)
	case array:
		b, err := c.array(n)
		return b, own, err
	case mapKind:
		elem, err := c.schema(n.items, false, nil, "", 0)
		return record.BuildMap(record.Required(record.String), elem), own, err
	case recordKind:
		b, err := c.record(n)
		return b, own, err
	case enum:
		return c.enum(n), own, nil
	}
	b, name, err := c.union(n)
	return b, identity{name: name}, err
}

func (c *connector) int(n *node) (*record.Builder, identity, error) {
	logical, isLogical := n.text("logicalType")
	switch {
	case strings.EqualFold(logical, "date"):
		return record.Build(record.Int32).Named(record.DateName).Versioned(1), identity{record.DateName, 1}, nil
	case strings.EqualFold(logical, "time-millis"):
		return record.Build(record.Int32).Named(record.TimeName).Versioned(1), identity{record.TimeName, 1}, nil
	case isLogical:
		return record.Build(record.Int32), identity{}, nil
	}
	typ, ok := n.text(typeProp)
	switch {
	case !ok:
		return record.Build(record.Int32), identity{}, nil
	case typ == "int8":
		return record.Build(record.Int8), identity{}, nil
	case typ == "int16":
		return record.Build(record.Int16), identity{}, nil
	}
	return nil, identity{}, plugin.Data("Connect type annotation for Avro int field is null")
}

func (n *node) isDecimal() bool {
	logical, _ := n.text("logicalType")
	return (n.kind == bytesKind || n.kind == fixed) && strings.EqualFold(logical, "decimal")
}

func (c *connector) bytes(n *node) (*record.Builder, identity, error) {
	b, own := record.Build(record.Bytes), identity{}
	if n.isDecimal() {
		scale, _ := n.number("scale")
		own = identity{record.DecimalName, 1}
		b.Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, strconv.Itoa(scale))
		if raw, ok := n.prop("precision"); ok {
			digits, ok := n.number("precision")
			if !ok {
				return nil, own, plugin.Data("precision property must be a JSON Integer, not %s. https://avro.apache.org/docs/1.9.1/spec.html#Decimal", raw.Kind())
			}
			if digits != defaultPrecision {
				b.Param(precision, strconv.Itoa(digits))
			}
		}
	}
	if n.kind == fixed {
		b.Param(fixedSize, strconv.Itoa(n.size))
	}
	return b, own, nil
}

func (c *connector) array(n *node) (*record.Builder, error) {
	if !isEntry(n.items) {
		elem, err := c.schema(n.items, false, nil, "", 0)
		return record.BuildArray(elem), err
	}
	f := n.items.fields
	if len(f) != 2 || n.items.field("key") < 0 || n.items.field("value") < 0 {
		return nil, plugin.Data("Found map encoded as array of key-value pairs, but array elements do not match the expected format.")
	}
	key, err := c.schema(f[n.items.field("key")].node, false, nil, "", 0)
	if err != nil {
		return nil, err
	}
	elem, err := c.schema(f[n.items.field("value")].node, false, nil, "", 0)
	return record.BuildMap(key, elem), err
}

// field finds a field by name: its index, or -1.
func (n *node) field(name string) int {
	for i := range n.fields {
		if n.fields[i].name == name {
			return i
		}
	}
	return -1
}

func (c *connector) record(n *node) (*record.Builder, error) {
	b := record.Build(record.Struct)
	if c.set.Metadata && n.doc != nil && !c.set.DiscardDoc {
		b.Param(recordDoc, *n.doc)
	}
	for i := range n.fields {
		f := &n.fields[i]
		doc := ""
		if f.doc != nil {
			doc = *f.doc
			if c.set.Metadata && !c.set.DiscardDoc {
				b.Param(fieldDoc+f.name, doc)
			}
		}
		def := f.def
		if def != nil && def.Kind() == 'n' {
			def = nil
		}
		s, err := c.schema(f.node, false, def, doc, 0)
		if err != nil {
			return nil, err
		}
		b.Field(f.name, s)
	}
	return b, nil
}

func (c *connector) enum(n *node) *record.Builder {
	b := record.Build(record.String)
	if c.set.Metadata {
		if n.doc != nil && c.set.DiscardDoc {
			b.Param(oldEnumDoc, *n.doc)
		} else if n.doc != nil {
			b.Param(enumDoc+n.name, *n.doc)
		}
		if n.fallback != nil && !c.set.DiscardDoc {
			b.Param(enumDefault+n.name, *n.fallback)
		}
	}
	param := enumParam
	if c.set.General {
		param = generalEnum
	}
	b.Param(param, n.full())
	for i, symbol := range n.symbols {
		value := symbol
		if c.set.General {
			value = strconv.Itoa(i)
		}
		b.Param(param+"."+symbol, value)
	}
	return b
}

// memberName is the field of a union's struct that holds a branch.
func memberName(n *node, set *settings) string {
	if !n.named() {
		return n.kind.String()
	}
	if set.Enhanced {
		return n.full()
	}
	return n.name
}

func (c *connector) union(n *node) (*record.Builder, string, error) {
	name := unionName
	b := record.Build(record.Struct)
	if c.set.General {
		name = "connect_union_" + strconv.Itoa(c.unions)
		c.unions++
		b.Param(generalUnion, name)
	}
	b.Named(name)
	seen := map[string]bool{}
	for i, m := range n.branches {
		if m.kind == null {
			b.Optional()
			continue
		}
		field := memberName(m, c.set)
		if c.set.General {
			field = "connect_union_field_" + strconv.Itoa(i)
		}
		if seen[field] {
			return nil, name, plugin.Data("Multiple union schemas map to the Connect union field name")
		}
		seen[field] = true
		s, err := c.schema(m, true, nil, "", 0)
		if err != nil {
			return nil, name, err
		}
		b.Field(field, s)
	}
	return b, name, nil
}

// place is a schema under construction.
type place struct {
	*connector
	n   *node
	b   *record.Builder
	own identity
}

// annotate adds what the members of a type say, in AvroData's order.
func (p place) annotate(def jsontext.Value, doc string, version int) error {
	if p.set.DiscardDoc {
		switch own, ok := p.n.text(docProp); {
		case doc != "":
		case p.n.doc != nil:
			doc = *p.n.doc
		case ok:
			doc = own
		}
	} else if doc = ""; p.set.Metadata {
		doc, _ = p.n.text(docProp)
	}
	p.b.Documented(doc)
	if p.set.DiscardDoc && p.set.Metadata && p.n.doc != nil {
		p.b.Param(oldRecordDoc, *p.n.doc)
	}
	if err := p.version(version); err != nil {
		return err
	}
	if err := p.params(); err != nil {
		return err
	}
	if own, ok := p.n.prop(defaultProp); def == nil {
		def = own
	} else if p.set.Metadata && !p.set.DiscardDoc && !ok {
		p.b.Param(fieldDefault, "true")
	}
	if err := p.name(); err != nil {
		return err
	}
	if def == nil || def.Kind() == 'n' {
		return nil
	}
	return p.def(def)
}

func (p place) version(version int) error {
	raw, ok := p.n.prop(versionProp)
	if ok {
		n, isNumber := p.n.number(versionProp)
		if !isNumber {
			return plugin.Data("Invalid Connect version found: %s", raw)
		}
		version = n
	}
	switch {
	case !ok && version <= 0 || version < 0:
		return nil
	case p.own.version != 0 && p.own.version != version:
		return plugin.Data("Mismatched versions: version already added to SchemaBuilder (%d) differs from version in source schema (%d)", p.own.version, version)
	}
	p.b.Versioned(version)
	return nil
}

func (p place) params() error {
	if raw, ok := p.n.prop(paramsProp); ok && p.set.Metadata {
		m, err := membersOf(raw)
		if err != nil {
			return plugin.Data("Expected JSON object for schema parameters but found: %s", raw)
		}
		for _, param := range m {
			if param.raw.Kind() != '"' {
				return plugin.Data("Expected schema parameter values to be strings but found: %s", param.raw)
			}
			p.b.Param(param.key, unquote(param.raw))
		}
	}
	for _, prop := range p.n.props {
		if strings.HasPrefix(prop.key, "avro") {
			value := string(prop.raw)
			if prop.raw.Kind() == '"' {
				value = unquote(prop.raw)
			}
			p.b.Param(prop.key, value)
		}
	}
	return nil
}

func (p place) name() error {
	name := ""
	if raw, ok := p.n.prop(nameProp); ok {
		if raw.Kind() != '"' {
			return plugin.Data("Invalid schema name: %s", raw)
		}
		name = unquote(raw)
	} else if p.n.named() && !p.n.isDecimal() {
		name = p.n.full()
	}
	switch {
	case name == "" || strings.HasPrefix(name, space+"."+defaultName):
		return nil
	case p.own.name != "" && p.own.name != name:
		return plugin.Data("Mismatched names: name already added to SchemaBuilder (%s) differs from name in source schema (%s)", p.own.name, name)
	}
	p.b.Named(name)
	return nil
}

// def sets the default, which is read as if it stood in a message. One that does not fit is left out, as AvroData does.
func (p place) def(raw jsontext.Value) error {
	s, err := build(p.b)
	if err != nil {
		return err
	}
	message, err := appendDefault(nil, p.n, raw, defaultBudget())
	if err != nil {
		return nil //nolint:nilerr // as said above
	}
	var a record.Arena
	r := reading{arena: &a, src: message}
	if v, err := r.value(newReadPlan(p.set, p.n, p.n, s)); err == nil {
		p.b.Default(v)
	}
	return nil
}
