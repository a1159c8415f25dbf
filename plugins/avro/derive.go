package avro

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Names that AvroData gives to what Avro has no form for.
const (
	space        = "io.confluent.connect.avro"
	defaultName  = "ConnectDefault"
	entryName    = "MapEntry"
	unionName    = space + ".Union"
	enumParam    = space + ".Enum"
	enumDoc      = space + ".enum.doc."
	enumDefault  = space + ".enum.default."
	recordDoc    = space + ".record.doc"
	fieldDoc     = space + ".field.doc."
	fieldDefault = space + ".field.default"
	generalUnion = "org.apache.kafka.connect.data.Union"
	generalEnum  = "org.apache.kafka.connect.data.Enum"
	fixedSize    = "connect.fixed.size"
	precision    = "connect.decimal.precision"
	oldRecordDoc = "connect.record.doc"
	oldEnumDoc   = "connect.enum.doc"

	docProp      = "connect.doc"
	versionProp  = "connect.version"
	paramsProp   = "connect.parameters"
	defaultProp  = "connect.default"
	nameProp     = "connect.name"
	typeProp     = "connect.type"
	internalProp = "connect.internal.type"

	defaultPrecision = 64
)

// anythingText is the schema of schemaless data.
const anythingText = `{"type":"record","name":"Anything","namespace":"io.confluent.connect.avro","fields":[{"name":"boolean","type":["null","boolean"],"default":null},{"name":"bytes","type":["null","bytes"],"default":null},{"name":"double","type":["null","double"],"default":null},{"name":"float","type":["null","float"],"default":null},{"name":"int","type":["null","int"],"default":null},{"name":"long","type":["null","long"],"default":null},{"name":"string","type":["null","string"],"default":null},{"name":"array","type":["null",{"type":"array","items":"Anything"}],"default":null},{"name":"map","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","fields":[{"name":"key","type":"Anything"},{"name":"value","type":"Anything"}]}}],"default":null}]}`

// deriver makes a schema of Avro of one Connect schema (AvroData.fromConnectSchema).
type deriver struct {
	set      *settings
	unnamed  int              // how many structs got a name of ours
	structs  map[string]*node // structs by name: a second one of a name is the first one
	made     []derived        // what has a name in Avro and may occur again
	anything *node
}

type derived struct {
	schema *record.Schema // not optional
	node   *node
}

func isUnion(s *record.Schema) bool {
	if s.Name == unionName {
		return true
	}
	_, ok := s.Param(generalUnion)
	return ok
}

// required is a schema without its being optional.
func required(s *record.Schema) *record.Schema {
	if !s.Optional {
		return s
	}
	c := *s
	c.Optional = false
	return &c
}

// node makes the schema of a Connect schema, a union with null where that is optional.
func (d *deriver) node(s *record.Schema, ignoreOptional bool) (*node, error) {
	if s == nil {
		if d.anything == nil {
			p := parser{known: map[string]*node{}}
			n, err := p.parse(anythingText)
			if err != nil {
				return nil, err
			}
			d.anything = n
		}
		return d.anything, nil
	}
	base, err := d.base(s)
	if err != nil || base.kind == union || ignoreOptional || !s.Optional {
		return base, err
	}
	nothing := &node{kind: null}
	if s.HasDefault && s.Kind != record.Struct {
		return &node{kind: union, branches: []*node{base, nothing}}, nil
	}
	return &node{kind: union, branches: []*node{nothing, base}}, nil
}

// base is the schema without null.
func (d *deriver) base(s *record.Schema) (*node, error) {
	if s.Kind == record.Struct && isUnion(s) {
		return d.union(s)
	}
	s = required(s)
	if s.Kind == record.Struct && s.Name != "" {
		if n, ok := d.structs[s.Name]; ok {
			return n, nil
		}
	}
	reusable := s.Kind >= record.String // what may have a name in Avro
	if reusable {
		for _, m := range d.made {
			if m.schema == s || m.schema.Equal(s) {
				return m.node, nil
			}
		}
	}
	n, err := d.plain(s)
	if err != nil {
		return nil, err
	}
	if err := d.annotate(n, s); err != nil {
		return nil, err
	}
	if reusable {
		d.made = append(d.made, derived{s, n})
	}
	return n, nil
}

func (d *deriver) union(s *record.Schema) (*node, error) {
	n := &node{kind: union}
	if s.Optional {
		n.branches = append(n.branches, &node{kind: null})
	}
	for _, f := range s.Fields {
		b, err := d.node(f.Schema, true)
		if err != nil {
			return nil, err
		}
		n.branches = append(n.branches, b)
	}
	return n, nil
}

// plain is the schema without annotations.
func (d *deriver) plain(s *record.Schema) (*node, error) {
	switch s.Kind {
	case record.Int8, record.Int16, record.Int32:
		return &node{kind: intKind}, nil
	case record.Int64:
		return &node{kind: long}, nil
	case record.Float32:
		return &node{kind: float}, nil
	case record.Float64:
		return &node{kind: double}, nil
	case record.Boolean:
		return &node{kind: boolean}, nil
	case record.String:
		return d.text(s)
	case record.Bytes:
		return d.bytes(s)
	case record.Array:
		items, err := d.node(s.Elem, false)
		return &node{kind: array, items: items}, err
	case record.Map:
		return d.mapping(s)
	}
	return d.record(s)
}

func (d *deriver) text(s *record.Schema) (*node, error) {
	param := enumParam
	if d.set.General {
		param = generalEnum
	}
	name, ok := s.Param(param)
	if !ok || !d.set.Enhanced && !d.set.General {
		return &node{kind: stringKind}, nil
	}
	n := &node{kind: enum}
	for _, p := range s.Params {
		if symbol, ok := strings.CutPrefix(p.Key, param+"."); ok {
			n.symbols = append(n.symbols, symbol)
		}
	}
	_, simple := splitName(name)
	docKey := enumDoc + simple
	if d.set.DiscardDoc {
		docKey = oldEnumDoc
	}
	if doc, ok := s.Param(docKey); ok {
		n.doc = &doc
	}
	if symbol, ok := s.Param(enumDefault + simple); ok {
		n.fallback = &symbol
	}
	return n, d.christen(n, s.Name)
}

// christen names a type after its schema, or as the next one without a name.
func (d *deriver) christen(n *node, name string) error {
	if name == "" {
		if d.unnamed++; d.unnamed > 1 {
			n.name = defaultName + strconv.Itoa(d.unnamed)
		} else {
			n.name = defaultName
		}
		n.space = space
		return nil
	}
	n.space, n.name = splitName(name)
	if d.set.Scrub {
		parts := strings.Split(n.space, ".")
		for i := range parts {
			parts[i] = scrub(parts[i])
		}
		n.space, n.name = strings.Join(parts, "."), scrub(n.name)
	}
	return checkName(n.name)
}

func (d *deriver) bytes(s *record.Schema) (*node, error) {
	n := &node{kind: bytesKind}
	if text, ok := s.Param(fixedSize); ok && s.Name != "" {
		size, err := strconv.Atoi(text)
		if err != nil || size < 0 || size > mostFixed {
			return nil, fmt.Errorf("the parameter %s is no size", fixedSize)
		}
		n.kind, n.size = fixed, size
		if err := d.christen(n, s.Name); err != nil {
			return nil, err
		}
	}
	if s.Name != record.DecimalName {
		return n, nil
	}
	scale, digits, err := decimalOf(s)
	if err != nil {
		return nil, err
	}
	n.set("scale", jsontext.Value(strconv.Itoa(scale)))
	n.set("precision", jsontext.Value(strconv.Itoa(digits)))
	return n, nil
}

// decimalOf reads the parameters of a Decimal.
func decimalOf(s *record.Schema) (scale, digits int, err error) {
	n, err := s.Scale()
	if err != nil {
		return 0, 0, &plugin.DataError{Reason: err.Error()}
	}
	digits = defaultPrecision
	if text, ok := s.Param(precision); ok {
		p, err := strconv.ParseInt(text, 10, 32)
		if err != nil || p < 1 {
			return 0, 0, errors.New("the parameter " + precision + " is no number of digits")
		}
		digits = int(p)
	}
	return int(n), digits, nil
}

func (d *deriver) mapping(s *record.Schema) (*node, error) {
	if plainKeys(s, d.set) {
		items, err := d.node(s.Elem, false)
		return &node{kind: mapKind, items: items}, err
	}
	entry := &node{kind: recordKind, name: entryName, space: space}
	if s.Name != "" {
		if err := d.christen(entry, s.Name); err != nil {
			return nil, err
		}
		entry.set(internalProp, quote(entryName))
	}
	for _, f := range []record.Field{{Name: "key", Schema: s.Key}, {Name: "value", Schema: s.Elem}} {
		if err := d.field(entry, f.Name, f.Schema, nil); err != nil {
			return nil, err
		}
	}
	return &node{kind: array, items: entry}, nil
}

// plainKeys says whether a map is one of Avro's too, whose keys are strings.
func plainKeys(s *record.Schema, set *settings) bool {
	return s.Key != nil && s.Key.Kind == record.String && (!s.Key.Optional || set.OptionalKeys)
}

func (d *deriver) record(s *record.Schema) (*node, error) {
	n := &node{kind: recordKind}
	if err := d.christen(n, s.Name); err != nil {
		return nil, err
	}
	docKey := recordDoc
	if d.set.DiscardDoc {
		docKey = oldRecordDoc
	}
	if doc, ok := s.Param(docKey); ok {
		n.doc = &doc
	}
	if s.Name != "" {
		d.structs[s.Name] = n
	}
	for _, f := range s.Fields {
		name := f.Name
		if d.set.Scrub {
			name = scrub(name)
		}
		var doc *string
		if d.set.DiscardDoc {
			if f.Schema.Doc != "" {
				doc = &f.Schema.Doc
			}
		} else if text, ok := s.Param(fieldDoc + f.Name); ok {
			doc = &text
		}
		if err := d.field(n, name, f.Schema, doc); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (d *deriver) field(n *node, name string, s *record.Schema, doc *string) error {
	if err := checkName(name); err != nil {
		return err
	}
	typ, err := d.node(s, false)
	if err != nil {
		return err
	}
	f := field{name: name, node: typ, doc: doc}
	switch {
	case s == nil:
	case s.HasDefault:
		if f.def, err = d.value(nil, s, s.Default); err != nil {
			return err
		}
		if !valid(typ, f.def) {
			f.def = nil // as AvroData does, which warns of it
		}
	case s.Optional:
		f.def = jsontext.Value("null")
	}
	n.fields = append(n.fields, f)
	return nil
}

// annotate adds what only Connect knows, in AvroData's order.
func (d *deriver) annotate(n *node, s *record.Schema) error {
	if d.set.Metadata {
		if s.Doc != "" {
			n.set(docProp, quote(s.Doc))
		}
		if s.HasVersion {
			n.set(versionProp, jsontext.Value(strconv.Itoa(s.Version)))
		}
		if s.Params != nil {
			n.set(paramsProp, d.params(s))
		}
		if _, fromField := s.Param(fieldDefault); s.HasDefault && !fromField {
			raw, err := d.value(nil, s, s.Default)
			if err != nil {
				return err
			}
			n.set(defaultProp, raw)
		}
		if s.Name != "" {
			n.set(nameProp, quote(s.Name))
		}
		switch s.Kind {
		case record.Int8:
			n.set(typeProp, quote("int8"))
		case record.Int16:
			n.set(typeProp, quote("int16"))
		}
	}
	if err := d.logical(n, s); err != nil {
		return err
	}
	for _, p := range s.Params {
		if strings.HasPrefix(p.Key, "avro") {
			n.set(p.Key, quote(p.Value))
		}
	}
	return nil
}

func (d *deriver) params(s *record.Schema) jsontext.Value {
	raw := []byte{'{'}
	for _, p := range s.Params {
		if p.Key == fieldDefault && !d.set.DiscardDoc {
			continue
		}
		if len(raw) > 1 {
			raw = append(raw, ',')
		}
		raw = append(append(append(raw, quote(p.Key)...), ':'), quote(p.Value)...)
	}
	return append(raw, '}')
}

// logical adds the logical type. One that Avro would not take is still written, as AvroData does for old readers.
func (d *deriver) logical(n *node, s *record.Schema) error {
	switch s.Name {
	case record.DateName:
		n.set("logicalType", quote("date"))
	case record.TimeName:
		n.set("logicalType", quote("time-millis"))
	case record.TimestampName:
		n.set("logicalType", quote("timestamp-millis"))
	case record.DecimalName:
		scale, digits, err := decimalOf(s)
		if err != nil {
			return err
		}
		if most := fixedDigits(n.size); n.kind == fixed && scale >= 0 && scale <= digits && digits > most {
			return fmt.Errorf("fixed(%d) cannot store %d digits (max %d)", n.size, digits, most)
		}
		n.set("logicalType", quote("decimal"))
	}
	return nil
}

// fixedDigits is how many decimal digits fit into so many bytes.
func fixedDigits(size int) int {
	const log2 = 30103 // of 10^5
	if size == 0 {
		return 0
	}
	return (8*size - 1) * log2 / 100000
}

// scrub makes a name that Avro takes of one that it does not: URL-encoded as Java does, the rest underscores.
func scrub(name string) string {
	ok := name == "" || name[0] < '0' || name[0] > '9'
	for i := range len(name) {
		ok = ok && wordByte(name[i])
	}
	if ok {
		return name
	}
	b := []byte(url.QueryEscape(strings.ToValidUTF8(name, "?")))
	if b[0] >= '0' && b[0] <= '9' {
		b = append([]byte{'x'}, b...)
	}
	for i := range b {
		if !wordByte(b[i]) {
			b[i] = '_'
		}
	}
	return string(b)
}

func wordByte(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
}
