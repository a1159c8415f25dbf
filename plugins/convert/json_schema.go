package convert

import (
	"strconv"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// typeNames are the names of JsonSchema in Kafka Connect.
var typeNames = [...]string{ //nolint:gochecknoglobals // a literal
	record.Int8: "int8", record.Int16: "int16", record.Int32: "int32", record.Int64: "int64", record.Float32: "float",
	record.Float64: "double", record.Boolean: "boolean", record.String: "string", record.Bytes: "bytes",
	record.Array: "array", record.Map: "map", record.Struct: "struct",
}

// appendSchema writes a schema; field is the name that it has as a struct's field, or "". Kafka Connect writes the members
// in this order.
func (p *writePlan) appendSchema(dst []byte, field string) ([]byte, error) {
	if p == nil {
		return append(dst, "null"...), nil
	}
	s := p.schema
	dst = append(jackson.AppendString(append(dst, `{"type":`...), typeNames[s.Kind]), ',')
	dst, err := p.appendParts(dst)
	if err != nil {
		return nil, err
	}
	dst = strconv.AppendBool(append(dst, `"optional":`...), s.Optional)
	if s.Name != "" {
		dst = jackson.AppendString(append(dst, `,"name":`...), s.Name)
	}
	if s.HasVersion {
		dst = strconv.AppendInt(append(dst, `,"version":`...), int64(s.Version), 10)
	}
	if s.Doc != "" {
		dst = jackson.AppendString(append(dst, `,"doc":`...), s.Doc)
	}
	for i, param := range s.Params {
		dst = append(dst, [...]string{`,"parameters":{`, `,`}[min(i, 1)]...)
		dst = jackson.AppendString(append(jackson.AppendString(dst, param.Key), ':'), param.Value)
	}
	if len(s.Params) > 0 {
		dst = append(dst, '}')
	}
	if s.HasDefault {
		if dst, err = p.append(append(dst, `,"default":`...), s.Default); err != nil {
			return nil, err
		}
	}
	if field != "" {
		dst = jackson.AppendString(append(dst, `,"field":`...), field)
	}
	return append(dst, '}'), nil
}

// appendParts writes what a collection or a struct is made of, with a comma behind.
func (p *writePlan) appendParts(dst []byte) ([]byte, error) {
	var err error
	switch p.schema.Kind {
	case record.Array:
		if dst, err = p.elem.appendSchema(append(dst, `"items":`...), ""); err != nil {
			return nil, err
		}
		return append(dst, ','), nil
	case record.Map:
		if dst, err = p.key.appendSchema(append(dst, `"keys":`...), ""); err != nil {
			return nil, err
		}
		if dst, err = p.elem.appendSchema(append(dst, `,"values":`...), ""); err != nil {
			return nil, err
		}
		return append(dst, ','), nil
	case record.Struct:
		dst = append(dst, `"fields":[`...)
		for i, f := range p.schema.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = p.fields[i].appendSchema(dst, f.Name); err != nil {
				return nil, err
			}
		}
		return append(dst, "],"...), nil
	}
	return dst, nil
}

// node is a piece of a schema's text. Schemas are read once and then kept, so that a tree is good enough.
type node struct {
	kind    byte // the first byte: one of {["tfn- or a digit; 0 where there is nothing
	raw     []byte
	text    string // of a string
	members map[string]node
	names   []string // of members, in order
	items   []node
}

func (s *scanner) node() (n node, err error) {
	n.kind = s.Blanks()
	start := s.Pos
	var memory record.Arena // outlived by nothing: texts are copied
	switch n.kind {
	case '"':
		var b []byte
		b, err = s.Text(&memory)
		n.text = string(b)
	case '{':
		n.members = map[string]node{}
		err = s.nodeMembers(&n, &memory)
	case '[':
		err = s.nodeItems(&n)
	default:
		err = s.Skip()
	}
	n.raw = s.Src[start:s.Pos]
	return n, err
}

func (s *scanner) nodeMembers(n *node, memory *record.Arena) error {
	if err := s.Open(); err != nil || s.Empty('}') {
		return err
	}
	for {
		b, err := s.Name(memory)
		if err != nil {
			return err
		}
		name := string(b)
		m, err := s.node()
		if err != nil {
			return err
		}
		if _, ok := n.members[name]; !ok {
			n.names = append(n.names, name)
		}
		n.members[name] = m
		if more, err := s.More('}'); !more {
			return err
		}
	}
}

func (s *scanner) nodeItems(n *node) error {
	if err := s.Open(); err != nil || s.Empty(']') {
		return err
	}
	for {
		item, err := s.node()
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		if more, err := s.More(']'); !more {
			return err
		}
	}
}

// schema makes a schema of its JSON form, with Kafka Connect's leniences: unknown members are passed over, optional counts
// only as true, name, version and doc only in their own types.
func (r *jsonReader) schema(n node) (*record.Schema, error) {
	if n.kind == 'n' {
		return nil, nil
	}
	b, err := r.builder(n)
	if err != nil {
		return nil, err
	}
	if o := n.members["optional"]; o.kind == 't' {
		b.Optional()
	}
	if name := n.members["name"]; name.kind == '"' {
		b.Named(name.text)
	}
	if v := n.members["version"]; v.kind == '-' || v.kind-'0' <= 9 {
		text := scan(v.raw)
		if num, err := text.Number(); err == nil && num.Integral {
			b.Versioned(int(int32(num.Int64())))
		}
	}
	if doc := n.members["doc"]; doc.kind == '"' {
		b.Documented(doc.text)
	}
	params := n.members["parameters"]
	for _, key := range params.names {
		value := params.members[key]
		if value.kind != '"' {
			return nil, plugin.Data("Schema parameters must have string values.")
		}
		b.Param(key, value.text)
	}
	s, err := b.Build()
	if err != nil {
		return nil, dataError(err)
	}
	if d := n.members["default"]; d.kind != 0 {
		return r.withDefault(b, s, d)
	}
	return s, nil
}

// builder starts a schema of the node's type, with its parts.
func (r *jsonReader) builder(n node) (*record.Builder, error) {
	typ := n.members["type"]
	if typ.kind != '"' {
		return nil, plugin.Data("Schema must contain 'type' field")
	}
	switch typ.text {
	case "array":
		if items := n.members["items"]; items.kind != 0 && items.kind != 'n' {
			elem, err := r.schema(items)
			return record.BuildArray(elem), err
		}
		return nil, plugin.Data("Array schema did not specify the element type")
	case "map":
		return r.mapBuilder(n.members["keys"], n.members["values"])
	case "struct":
		return r.structBuilder(n.members["fields"])
	}
	for k, name := range typeNames {
		if name != "" && name == typ.text {
			return record.Build(record.Kind(k)), nil
		}
	}
	return nil, plugin.Data("Unknown schema type: %s", typ.text)
}

// mapBuilder starts a map's schema. Null in place of a part is found out later than its absence.
func (r *jsonReader) mapBuilder(keys, values node) (*record.Builder, error) {
	switch {
	case keys.kind == 0:
		return nil, plugin.Data("Map schema did not specify the key type")
	case values.kind == 0:
		return nil, plugin.Data("Map schema did not specify the value type")
	}
	key, err := r.schema(keys)
	if err != nil {
		return nil, err
	}
	elem, err := r.schema(values)
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		return nil, plugin.Data("keySchema cannot be null.")
	case elem == nil:
		return nil, plugin.Data("valueSchema cannot be null.")
	}
	return record.BuildMap(key, elem), nil
}

func (r *jsonReader) structBuilder(fields node) (*record.Builder, error) {
	if fields.kind != '[' {
		return nil, plugin.Data("Struct schema's \"fields\" argument is not an array.")
	}
	b := record.Build(record.Struct)
	seen := map[string]bool{}
	for _, f := range fields.items {
		name := f.members["field"]
		if name.kind != '"' {
			return nil, plugin.Data("Struct schema's field name not specified properly")
		}
		s, err := r.schema(f)
		if err != nil {
			return nil, err
		}
		b.Field(name.text, s)
		if seen[name.text] || name.text == "" {
			_, err := b.Build()
			return nil, dataError(err)
		}
		seen[name.text] = true
	}
	return b, nil
}

// withDefault reads a default, which is a value of the schema so far. A struct cannot be one: Kafka Connect compares its
// schema with the unfinished one.
func (r *jsonReader) withDefault(b *record.Builder, s *record.Schema, n node) (*record.Schema, error) {
	sub := jsonReader{replaceNull: r.replaceNull}
	sub.begin(new(record.Arena), n.raw)
	v, err := sub.typed(r.plan(s))
	if err != nil {
		return nil, err
	}
	if s.Kind == record.Struct && !v.IsNull() || s.Check(v) != nil {
		return nil, plugin.Data("Invalid default value")
	}
	return b.Default(v).Build()
}
