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

// Names that JsonSchemaData gives to what Connect has no form for.
const (
	space        = "io.confluent.connect.json"
	idParam      = space + ".Id"
	enumParam    = space + ".Enum"
	unionName    = space + ".OneOf"
	generalUnion = "org.apache.kafka.connect.data.Union"
	generalEnum  = "org.apache.kafka.connect.data.Enum"
	generalName  = "connect_union_"
	nullSymbol   = "<NULL>"
	keyField     = "key"
	valueField   = "value"
)

// draft is a Connect schema under construction (Java: SchemaBuilder). Drafts may be part of a cycle.
type draft struct {
	kind     record.Kind
	optional bool
	name     string
	doc      string
	version  int // 0 for none
	params   []record.Param
	initial  *node // the default; nil without
	fields   []draftField
	key      *draft
	elem     *draft

	// What refers to a struct that is known already shares its fields and is told apart by an id.
	wraps *draft
	id    string
	// Shows says that the struct itself has the id among its parameters. Java's SchemaBuilder has it so if it had
	// parameters when it was built, or if the reference stands within it.
	shows, built bool
}

type draftField struct {
	name  string
	draft *draft
}

// connector makes Connect schemas of shapes (JsonSchemaData.toConnectSchema).
type connector struct {
	set    *settings
	known  map[*shape]*draft // structs
	ids    int
	unions int
	depth  int
	left   int // how many drafts may still be made

	freezer
}

// Bounds of a Connect schema. A type that contains itself is unrolled as far as they allow.
const (
	mostSchemas  = 100_000
	mostUnrolled = 4096
	mostLevels   = 32
)

var errSize = fmt.Errorf("the schema comes to more than %d Connect schemas", mostSchemas)

// connect makes the Connect schema of a shape; version is that under the subject, 0 for none. Ends are the schemas at which
// unrolling ends.
func connect(set *settings, s *shape, version int) (schema *record.Schema, ends map[*record.Schema]bool, err error) {
	c := connector{set: set, known: map[*shape]*draft{}, left: mostSchemas}
	d, err := c.schema(s, version, false)
	if err != nil {
		return nil, nil, err
	}
	return c.unroll(set, d)
}

// schema makes the schema of a shape, optional if the place says so.
func (c *connector) schema(s *shape, version int, optional bool) (*draft, error) {
	if s == nil {
		return nil, errors.New("a schema is missing")
	}
	if c.left--; c.left < 0 {
		return nil, errSize
	}
	if c.depth++; c.depth > 4*deepest {
		return nil, fmt.Errorf("the schema contains itself without an object between, or nests deeper than %d types", 4*deepest)
	}
	defer func() { c.depth-- }()
	switch s.kind {
	case refShape:
		return c.reference(s, version, optional)
	case combinedShape:
		return c.combined(s, version, optional)
	case objectShape:
		// Within itself by way of a union; Confluent's converter only looks where references lead to, and never ends here.
		if d, ok := c.known[s]; ok && !d.built {
			return c.again(d, optional), nil
		}
	}
	d, err := c.plain(s)
	if err != nil {
		return nil, err
	}
	return d, c.finish(d, s, version, optional)
}

// plain makes the schema of what is neither a reference nor made of several.
func (c *connector) plain(s *shape) (*draft, error) {
	switch s.kind {
	case boolShape:
		return &draft{kind: record.Boolean}, nil
	case numberShape:
		kind, err := numberKind(s)
		return &draft{kind: kind}, err
	case stringShape:
		if s.connectType == "bytes" {
			return &draft{kind: record.Bytes}, nil
		}
		return &draft{kind: record.String}, nil
	case enumShape, constShape:
		return c.enum(s)
	case arrayShape:
		return c.array(s)
	case objectShape:
		return c.object(s)
	case anyShape:
		return variantDraft(), nil
	}
	return nil, plugin.Data("Unsupported schema type %s", s.kind.everit())
}

// variantDraft is the schema of what takes anything.
func variantDraft() *draft {
	bytes := &draft{kind: record.Bytes}
	return &draft{kind: record.Struct, name: variantName, fields: []draftField{{variantMetadata, bytes}, {variantValue, bytes}}}
}

func numberKind(s *shape) (record.Kind, error) {
	switch s.connectType {
	case "":
		if s.integer {
			return record.Int64, nil
		}
		return record.Float64, nil
	case "bytes":
		return record.Bytes, nil
	}
	for k := record.Int8; k <= record.Float64; k++ {
		if strings.ToLower(k.String()) == s.connectType {
			return k, nil
		}
	}
	return 0, plugin.Data("Unsupported type %s", s.connectType)
}

// finish adds what every schema may have.
func (c *connector) finish(d *draft, s *shape, version int, optional bool) error {
	if s.hasTitle && d.name == "" {
		d.name = s.title
	}
	d.version = version
	if s.version != nil {
		own, err := s.version.whole("connect.version")
		if err != nil {
			return err
		}
		d.version = own
	}
	d.doc = s.doc
	for _, p := range s.params {
		d.setParam(p.Key, p.Value)
	}
	d.initial = s.initial
	d.optional = d.optional || optional
	d.built = true
	return nil
}

func (d *draft) setParam(key, value string) {
	for i := range d.params {
		if d.params[i].Key == key {
			d.params[i].Value = value
			return
		}
	}
	d.params = append(d.params, record.Param{Key: key, Value: value})
}

// enum is a string whose values are among its parameters.
func (c *connector) enum(s *shape) (*draft, error) {
	d := &draft{kind: record.String}
	name := enumParam
	if c.set.General {
		name = generalEnum
	}
	d.setParam(name, "")
	for i, v := range s.values {
		symbol := javaText(v)
		if v.kind() == 'n' {
			symbol = nullSymbol
			if s.kind == constShape {
				return nil, plugin.Data("a const of null has no schema in Connect")
			}
		}
		value := symbol
		if c.set.General {
			value = strconv.Itoa(i)
		}
		d.setParam(name+"."+symbol, value)
	}
	return d, nil
}

func (c *connector) array(s *shape) (*draft, error) {
	if s.items == nil {
		return nil, plugin.Data("Array schema did not specify the items type")
	}
	if s.connectType != "map" || s.items.kind != objectShape {
		elem, err := c.schema(s.items, 0, false)
		return &draft{kind: record.Array, elem: elem}, err
	}
	key, err := c.part(s.items, keyField)
	if err != nil {
		return nil, err
	}
	elem, err := c.part(s.items, valueField)
	return &draft{kind: record.Map, key: key, elem: elem}, err
}

// part is the schema of a map's keys or values.
func (c *connector) part(s *shape, name string) (*draft, error) {
	for _, p := range s.fields {
		if p.name == name {
			return c.schema(p.shape, 0, false)
		}
	}
	return nil, plugin.Data("%sSchema cannot be null.", name)
}

func (c *connector) object(s *shape) (*draft, error) {
	if s.connectType == "map" {
		if s.rest == nil {
			return nil, plugin.Data("valueSchema cannot be null.")
		}
		elem, err := c.schema(s.rest, 0, false)
		return &draft{kind: record.Map, key: &draft{kind: record.String}, elem: elem}, err
	}
	d := &draft{kind: record.Struct}
	c.known[s] = d
	fields, err := inOrder(s.fields)
	if err != nil {
		return nil, err
	}
	extras := c.set.Preserve && !s.closed
	if extras && slices.ContainsFunc(s.fields, func(p property) bool { return p.name == extrasField }) {
		return nil, plugin.Data("JSON Schema property name '%s' collides with the reserved field name for preserve.additional.properties=true. Rename the property or disable the config.", extrasField)
	}
	for _, p := range fields {
		optional := c.set.OptionalRest && !slices.Contains(s.required, p.name)
		field, err := c.schema(p.shape, 0, optional)
		if err != nil {
			return nil, within(p.name, err)
		}
		d.fields = append(d.fields, draftField{p.name, field})
	}
	if extras {
		d.fields = append(d.fields, draftField{extrasField, &draft{kind: record.Map, optional: true, key: &draft{kind: record.String}, elem: variantDraft()}})
	}
	return d, nil
}

// within names the property in a failure that is not the mapping's own.
func within(name string, err error) error {
	if _, ok := errors.AsType[*plugin.DataError](err); ok {
		return err
	}
	return fmt.Errorf("property %s: %w", name, err)
}

// inOrder sorts properties by their index. One without an index has the number of those before it, and a later one of the
// same index takes the place of an earlier one, which is lost: so it is in Confluent's converter.
func inOrder(fields []property) ([]property, error) {
	places := map[int]property{}
	for _, p := range fields {
		at := len(places)
		if p.shape.index != nil {
			var err error
			if at, err = p.shape.index.whole("connect.index"); err != nil {
				return nil, err
			}
		}
		places[at] = p
	}
	order := make([]int, 0, len(places))
	for at := range places {
		order = append(order, at)
	}
	slices.Sort(order)
	out := make([]property, len(order))
	for i, at := range order {
		out[i] = places[at]
	}
	return out, nil
}

func (c *connector) reference(s *shape, version int, optional bool) (*draft, error) {
	d, ok := c.known[s.target]
	if !ok {
		return c.schema(s.target, version, optional)
	}
	return c.again(d, optional), nil
}

// again refers to a struct that is known.
func (c *connector) again(d *draft, optional bool) *draft {
	c.ids++
	d.id = "#id" + strconv.Itoa(c.ids)
	d.shows = d.shows || !d.built || len(d.params) > 0
	return &draft{kind: record.Struct, wraps: d, optional: optional}
}

func (c *connector) combined(s *shape, version int, optional bool) (*draft, error) {
	if len(s.parts) == 1 && c.set.Flatten {
		return c.schema(s.parts[0], 0, false)
	}
	if s.word == "allOf" {
		return c.all(s, version, optional)
	}
	name, prefix := unionName, unionName+".field."
	if c.set.General {
		name, prefix = generalName+strconv.Itoa(c.unions), generalName+"field_"
		c.unions++
	}
	if other := besideNull(s.parts); other != nil {
		return c.schema(other, version, true)
	}
	d := &draft{kind: record.Struct, name: name}
	if c.set.General {
		d.setParam(generalUnion, name)
	}
	for _, part := range s.parts {
		if part.kind == nullShape {
			d.optional = true
			continue
		}
		field, err := c.schema(part, 0, true)
		if err != nil {
			return nil, err
		}
		d.fields = append(d.fields, draftField{prefix + strconv.Itoa(len(d.fields)), field})
	}
	return d, c.finish(d, s, version, optional)
}

// besideNull is the one of two schemas whose other is null.
func besideNull(parts []*shape) *shape {
	switch {
	case len(parts) != 2:
	case parts[0].kind == nullShape && parts[1].kind != nullShape:
		return parts[1]
	case parts[1].kind == nullShape && parts[0].kind != nullShape:
		return parts[0]
	}
	return nil
}

// all makes one schema of several that all hold: a struct of all properties, or the one that says most.
func (c *connector) all(s *shape, version int, optional bool) (*draft, error) {
	var last [refShape + 1]*shape
	var g gathered
	for _, part := range s.parts {
		last[part.kind] = part
		g.collect(part, map[*shape]bool{})
	}
	if len(g.fields) > 0 {
		d := &draft{kind: record.Struct, optional: optional}
		c.known[s] = d
		for _, p := range g.fields {
			field, err := c.schema(p.shape, 0, c.set.OptionalRest && !g.required[p.name])
			if err != nil {
				return nil, within(p.name, err)
			}
			d.fields = append(d.fields, draftField{p.name, field})
		}
		d.built = true
		return d, nil
	}
	if one := strongest(&last); one != nil {
		return c.schema(one, version, optional)
	}
	return nil, plugin.Data("Unsupported criterion allOf for a schema whose parts have no type in common")
}

// strongest is the part that stands for all, by the order of Confluent's converter.
func strongest(last *[refShape + 1]*shape) *shape {
	text, digits := last[stringShape], last[numberShape]
	switch {
	case last[combinedShape] != nil:
		return last[combinedShape]
	case last[constShape] != nil:
		if text != nil {
			return text
		}
		return digits
	case last[enumShape] != nil:
		if text != nil {
			return last[enumShape]
		}
		return digits
	case text != nil && digits != nil: // a number with a format
		return digits
	case text != nil:
		return text
	}
	return last[refShape]
}

// gathered are the properties of schemas that all hold.
type gathered struct {
	fields   []property
	required map[string]bool
}

func (g *gathered) collect(s *shape, visited map[*shape]bool) {
	if visited[s] {
		return
	}
	visited[s] = true
	switch s.kind {
	case combinedShape:
		if s.word == "allOf" {
			for _, part := range s.parts {
				g.collect(part, visited)
			}
		}
	case refShape:
		g.collect(s.target, visited)
	case objectShape:
		if g.required == nil {
			g.required = map[string]bool{}
		}
		for _, p := range s.fields {
			at := slices.IndexFunc(g.fields, func(q property) bool { return q.name == p.name })
			if at < 0 {
				g.fields = append(g.fields, p)
			} else {
				g.fields[at] = p
			}
			g.required[p.name] = slices.Contains(s.required, p.name)
		}
	}
}
