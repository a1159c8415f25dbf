package jsonschema

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// deriver writes the text of a JSON Schema for a Connect schema (JsonSchemaData.fromConnectSchema, with the printer of
// everit-json-schema). A registry compares texts, so the order of members counts: what a schema says of itself stands first,
// then what the converter adds in the order of Java's hash tables, then what the schema is made of.
type deriver struct {
	set *settings
	ids map[string]bool // of structs that the text has so far
	dst []byte
	n   int // how many schemas were written
}

func (d *deriver) text(s *record.Schema) (string, error) {
	if err := d.schema(s, noIndex, false); err != nil {
		return "", err
	}
	return string(d.dst), nil
}

// noIndex is the index of what is no field.
const noIndex = -1

// addition is a member that the converter adds to a schema, as JSON.
type addition struct{ key, raw string }

// schema writes the schema of a place. A member of a union is never optional by itself.
func (d *deriver) schema(s *record.Schema, index int, ofUnion bool) error {
	if d.n++; d.n > mostSchemas {
		return errSize
	}
	if s == nil {
		return plugin.Data("a schema without a type for its elements has no JSON Schema")
	}
	id, hasID := s.Param(idParam)
	if hasID {
		d.ids[id] = true
	}
	union := s.Kind == record.Struct && isUnion(s)
	optional := s.Optional && !ofUnion
	switch {
	case union:
		d.combined(id, index)
		return d.members(s, optional)
	case optional:
		d.combined(id, index)
		d.raw(`{"type":"null"},`)
		plain := *s
		plain.Optional = false
		if err := d.one(&plain, noIndex, s.Kind == record.Struct); err != nil {
			return err
		}
		d.raw("]}")
		return nil
	}
	return d.one(s, index, true)
}

// combined opens a schema of which one of several holds.
func (d *deriver) combined(id string, index int) {
	d.raw("{")
	if id != "" {
		d.member("id", string(jackson.AppendPlain(nil, id)))
	}
	if index != noIndex {
		d.member("connect.index", strconv.Itoa(index))
	}
	d.comma()
	d.raw(`"oneOf":[`)
}

// members writes what a union is made of, and closes it.
func (d *deriver) members(s *record.Schema, optional bool) error {
	if optional {
		d.raw(`{"type":"null"}`)
	}
	for i, f := range s.Fields {
		if optional || i > 0 {
			d.raw(",")
		}
		if err := d.schema(f.Schema, i, true); err != nil {
			return err
		}
	}
	d.raw("]}")
	return nil
}

func (d *deriver) raw(text string) { d.dst = append(d.dst, text...) }

// comma separates a member from the one before it.
func (d *deriver) comma() {
	if d.dst[len(d.dst)-1] != '{' {
		d.dst = append(d.dst, ',')
	}
}

func (d *deriver) member(key, raw string) {
	d.comma()
	d.dst = append(append(jackson.AppendPlain(d.dst, key), ':'), raw...)
}

// one writes a schema without null.
func (d *deriver) one(s *record.Schema, index int, identified bool) error {
	add := []addition{}
	d.raw("{")
	switch {
	case isVariant(s): // takes anything
	case isEnum(s):
		d.member("enum", d.symbols(s))
	case s.Kind == record.Boolean: // says its type last
	default:
		typ, connectType := d.typeOf(s)
		d.member("type", `"`+typ+`"`)
		if connectType != "" {
			add = append(add, addition{"connect.type", `"` + connectType + `"`})
		}
	}
	if s.Kind == record.Struct && !isVariant(s) && !d.set.Additional {
		d.member("additionalProperties", "false")
	}
	if err := d.described(s); err != nil {
		return err
	}
	if id, ok := s.Param(idParam); ok && identified {
		d.member("id", string(jackson.AppendPlain(nil, id)))
	}
	d.additions(s, add, index)
	if s.Kind == record.Boolean {
		d.member("type", `"boolean"`)
	}
	if err := d.inside(s); err != nil {
		return err
	}
	d.raw("}")
	return nil
}

// described writes the name, the documentation and the default.
func (d *deriver) described(s *record.Schema) error {
	if s.Name != "" {
		d.member("title", string(jackson.AppendPlain(nil, s.Name)))
	}
	if s.Doc != "" {
		d.member("description", string(jackson.AppendPlain(nil, s.Doc)))
	}
	if !s.HasDefault {
		return nil
	}
	w := writePlanner{set: d.set, numeric: strings.EqualFold(d.set.Decimals, "NUMERIC"), known: map[*record.Schema]*writePlan{}}
	raw, err := w.plan(s).append(nil, s.Default)
	if err != nil {
		return err
	}
	n, err := parse(string(raw))
	if err != nil {
		return fmt.Errorf("the default: %w", err)
	}
	d.member("default", string(n.respelt().append(nil, inHash)))
	return nil
}

// inHash is the order of the object that Java holds a default in.
func inHash(ms []member) []member {
	return hashed(ms, func(m member) string { return m.name }, usual)
}

// respelt spells texts without needless escapes and numbers as org.json and then Jackson do: without zeros at the end of a
// fraction, and with the exponent of a BigDecimal.
func (n *node) respelt() *node {
	c := &node{raw: n.raw}
	for _, m := range n.members {
		c.members = append(c.members, member{m.name, m.value.respelt()})
	}
	for _, item := range n.items {
		c.items = append(c.items, item.respelt())
	}
	switch {
	case n.kind() == '"':
		c.raw = jackson.AppendPlain(nil, n.text())
	case n.kind() != '0':
	case bytes.ContainsAny(n.raw, "eE"):
		if dec, err := record.ParseDecimal(string(n.raw)); err == nil {
			c.raw = record.AppendDecimal(nil, dec)
		}
	case bytes.ContainsRune(n.raw, '.'):
		c.raw = bytes.TrimRight(bytes.TrimRight(n.raw, "0"), ".")
	}
	if string(c.raw) == "-0" {
		c.raw = []byte("0")
	}
	return c
}

// additions writes what the converter adds, in the order of the hash table that is a copy of the one it is put in.
func (d *deriver) additions(s *record.Schema, add []addition, index int) {
	if s.HasVersion {
		add = append(add, addition{"connect.version", strconv.Itoa(s.Version)})
	}
	var params []record.Param
	for _, p := range s.Params {
		if !strings.HasPrefix(p.Key, space) {
			params = append(params, p)
		}
	}
	if len(params) > 0 {
		add = append(add, addition{"connect.parameters", paramsText(params)})
	}
	if index != noIndex {
		add = append(add, addition{"connect.index", strconv.Itoa(index)})
	}
	key := func(a addition) string { return a.key }
	for _, a := range hashed(hashed(add, key, usual), key, copied(len(add))) {
		d.member(a.key, a.raw)
	}
}

// paramsText is an object in the order of a JSONObject that is made of a hash table.
func paramsText(params []record.Param) string {
	key := func(p record.Param) string { return p.Key }
	dst := []byte{'{'}
	for i, p := range hashed(hashed(params, key, usual), key, tableFor(len(params))) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jackson.AppendPlain(append(jackson.AppendPlain(dst, p.Key), ':'), p.Value)
	}
	return string(append(dst, '}'))
}

// isEnum says whether a schema's parameters make it an enum.
func isEnum(s *record.Schema) bool {
	if s.Kind != record.String {
		return false
	}
	_, own := s.Param(enumParam)
	_, general := s.Param(generalEnum)
	return own || general
}

// symbols is the list of an enum's values, in the order of a hash table.
func (d *deriver) symbols(s *record.Schema) string {
	prefix := enumParam + "."
	if d.set.General {
		prefix = generalEnum + "."
	}
	var names []string
	var hashes []uint32
	for _, p := range s.Params {
		name, ok := strings.CutPrefix(p.Key, prefix)
		if !ok {
			continue
		}
		hash := hashOf(name)
		if name == nullSymbol {
			hash = 0
		}
		names, hashes = append(names, name), append(hashes, hash)
	}
	dst := []byte{'['}
	for n, i := range hashOrder(hashes, usual) {
		if n > 0 {
			dst = append(dst, ',')
		}
		if names[i] == nullSymbol {
			dst = append(dst, "null"...)
			continue
		}
		dst = jackson.AppendPlain(dst, names[i])
	}
	return string(append(dst, ']'))
}

// typeOf is the type of JSON Schema, and what Connect's is where that says more.
func (d *deriver) typeOf(s *record.Schema) (typ, connectType string) {
	switch s.Kind {
	case record.Float32, record.Float64:
		return "number", strings.ToLower(s.Kind.String())
	case record.String:
		return "string", ""
	case record.Bytes:
		if s.Name == record.DecimalName && strings.EqualFold(d.set.Decimals, "NUMERIC") {
			return "number", "bytes"
		}
		return "string", "bytes"
	case record.Array:
		return "array", ""
	case record.Struct:
		return "object", ""
	case record.Map:
		if plainKeys(s) {
			return "object", "map"
		}
		return "array", "map"
	}
	return "integer", strings.ToLower(s.Kind.String())
}

func plainKeys(s *record.Schema) bool {
	return s.Key != nil && s.Key.Kind == record.String && !s.Key.Optional
}

// inside writes what a schema is made of.
func (d *deriver) inside(s *record.Schema) error {
	switch {
	case s.Kind == record.Array:
		d.comma()
		d.raw(`"items":`)
		return d.place(s.Elem, noIndex)
	case s.Kind == record.Map && plainKeys(s):
		d.comma()
		d.raw(`"additionalProperties":`)
		return d.schema(s.Elem, noIndex, false)
	case s.Kind == record.Map:
		d.comma()
		d.raw(`"items":{"type":"object","properties":{"value":`)
		if err := d.schema(s.Elem, 1, false); err != nil {
			return err
		}
		d.raw(`,"key":`)
		if err := d.schema(s.Key, 0, false); err != nil {
			return err
		}
		d.raw("}}")
	case s.Kind == record.Struct && len(s.Fields) > 0 && !isVariant(s):
		return d.properties(s)
	}
	return nil
}

// place writes a schema, or a reference to the struct that the text has already.
func (d *deriver) place(s *record.Schema, index int) error {
	if s != nil {
		if id, ok := s.Param(idParam); ok && d.ids[id] {
			d.raw("{")
			d.member("$ref", string(jackson.AppendPlain(nil, id)))
			d.raw("}")
			return nil
		}
	}
	return d.schema(s, index, false)
}

// properties writes the fields of a struct. They are made in the order of the schema, which decides who refers to whom, and
// stand in the order of a hash table.
func (d *deriver) properties(s *record.Schema) error {
	type made struct {
		name string
		text []byte
	}
	all := make([]made, 0, len(s.Fields))
	outer, extras := d.dst, d.set.extrasOf(s)
	for i, f := range s.Fields {
		if i == extras {
			continue
		}
		d.dst = nil
		if err := d.place(f.Schema, i); err != nil {
			return err
		}
		all = append(all, made{f.Name, d.dst})
	}
	d.dst = outer
	d.comma()
	d.raw(`"properties":{`)
	for i, m := range hashed(all, func(m made) string { return m.name }, usual) {
		if i > 0 {
			d.raw(",")
		}
		d.dst = append(append(jackson.AppendPlain(d.dst, m.name), ':'), m.text...)
	}
	d.raw("}")
	return nil
}
