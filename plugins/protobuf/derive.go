package protobuf

import (
	_ "embed"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Names that ProtobufData gives to what only one of Connect and Protobuf has.
const (
	space        = "io.confluent.connect.protobuf"
	enumParam    = space + ".Enum"
	unionName    = space + ".Union"
	tagParam     = space + ".Tag"
	typeParam    = space + ".Type"
	wrapperParam = space + ".Wrapper"
	generalUnion = "org.apache.kafka.connect.data.Union"
	generalEnum  = "org.apache.kafka.connect.data.Enum"
	precision    = "connect.decimal.precision"
	connectType  = "connect.type"
	defaultName  = "ConnectDefault"
	entrySuffix  = "Entry"
)

// Types that stand for Connect's logical ones, and the files that define them.
const (
	decimalType   = "confluent.type.Decimal"
	dateType      = "google.type.Date"
	timeType      = "google.type.TimeOfDay"
	timestampType = "google.protobuf.Timestamp"
	wrapperPrefix = "google.protobuf."
	wrapperFile   = "google/protobuf/wrappers.proto"
)

// wrappersText is the file of the wrappers as Confluent's library prints it: the schema of data that are no struct.
//
//go:embed wrappers.txt
var wrappersText string

// message is a message to be printed.
type message struct {
	name   string
	entry  bool // of a map; its fields have no labels
	fields []field
	oneofs []string
	nested []*message
	enums  []enum
	types  []string // names of the structs among the nested
}

type field struct {
	name, typ string
	number    int
	label     string         // "", "optional" or "repeated"
	oneof     int            // of the message's; -1: none
	params    []record.Param // of the option (confluent.field_meta)
}

type enum struct {
	name    string
	symbols []record.Param // with their numbers
}

// mostMessages bounds a schema that is derived.
const mostMessages = 10_000

// deriver makes a file of a Connect schema (ProtobufData.fromConnectSchema).
type deriver struct {
	set     *settings
	unnamed int
	imports []string
	count   int
}

// derive gives the text of a file and the full name of the message in it.
func derive(set *settings, s *record.Schema) (text string, name protoreflect.FullName, err error) {
	d := deriver{set: set}
	switch {
	case s == nil:
		return "", "", plugin.Data("data without a schema have no form in Protobuf")
	case s.Kind == record.Array || s.Kind == record.Map:
		return "", "", plugin.Data("Unsupported root schema of type %s", s.Kind)
	case s.Kind != record.Struct && logicalType(s) != "":
		return "", "", plugin.Data("Unsupported root schema of type %s named %s", s.Kind, s.Name)
	case s.Kind != record.Struct:
		return wrappersText, wrapperPrefix + protoreflect.FullName(wrapperOf(s.Kind, "")), nil
	}
	pkg, own := d.split(d.named(s.Name))
	m, err := d.message(own, s)
	if err != nil {
		return "", "", err
	}
	text, err = printFile(pkg, d.imports, m)
	if pkg != "" {
		own = pkg + "." + own
	}
	return text, protoreflect.FullName(own), err
}

// named is a schema's name, or the next one of those without.
func (d *deriver) named(name string) string {
	if name != "" {
		return name
	}
	d.unnamed++
	return defaultName + strconv.Itoa(d.unnamed)
}

// split parts a full name at its last dot.
func (d *deriver) split(full string) (pkg, name string) {
	parts := strings.Split(strings.TrimRight(full, "."), ".")
	for i := range parts {
		parts[i] = d.scrub(parts[i])
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], "."), parts[last]
}

// simple is a name without its package.
func (d *deriver) simple(name string) string {
	full := d.named(name)
	return d.scrub(full[strings.LastIndexByte(full, '.')+1:])
}

func (d *deriver) scrub(name string) string {
	if d.set.Scrub {
		return scrub(name)
	}
	return name
}

// scrub makes a name that Protobuf takes of one that it does not: URL-encoded as Java does, the rest underscores.
func scrub(name string) string {
	ok := name == "" || (name[0] < '0' || name[0] > '9') && name[0] != '_'
	for i := range len(name) {
		ok = ok && wordByte(name[i])
	}
	if ok {
		return name
	}
	b := []byte(url.QueryEscape(strings.ToValidUTF8(name, "?")))
	if b[0] >= '0' && b[0] <= '9' || b[0] == '_' {
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

func isUnion(s *record.Schema) bool {
	if s.Kind != record.Struct {
		return false
	}
	_, ok := s.Param(generalUnion)
	return ok || strings.HasPrefix(s.Name, unionName)
}

// enumKey is the parameter under which an enum's name and symbols stand.
func enumKey(set *settings) string {
	if set.General {
		return generalEnum
	}
	return enumParam
}

func isEnum(s *record.Schema) bool {
	_, own := s.Param(enumParam)
	_, general := s.Param(generalEnum)
	return own || general
}

func (d *deriver) message(name string, s *record.Schema) (*message, error) {
	if d.count++; d.count > mostMessages {
		return nil, plugin.Data("a schema of more than %d structs cannot be registered", mostMessages)
	}
	m := &message{name: name}
	next := 1
	for _, f := range s.Fields {
		number, ok, err := tagOf(f.Schema)
		if err != nil {
			return nil, err
		}
		if !ok {
			number = next
			next++
		}
		if err := d.field(m, f.Schema, d.scrub(f.Name), number, -1); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// tagOf is the number that a schema asks for.
func tagOf(s *record.Schema) (number int, ok bool, err error) {
	text, ok := s.Param(tagParam)
	if !ok {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, false, plugin.Data("the parameter %s is no number", tagParam)
	}
	return int(n), true, nil
}

func (d *deriver) union(m *message, s *record.Schema) error {
	name, ok := s.Param(generalUnion)
	if !d.set.General {
		if name, ok = strings.CutPrefix(s.Name, unionName+"."); ok {
			name = d.simple(name)
		}
	}
	if !ok {
		return plugin.Data("a union's schema has no name from which that of a oneof could be made")
	}
	m.oneofs = append(m.oneofs, name)
	at := len(m.oneofs) - 1
	for _, f := range s.Fields {
		number, ok, err := tagOf(f.Schema)
		if err != nil {
			return err
		}
		if !ok {
			return plugin.Data("Invalid protobuf schema definition: the member %s of a union has no parameter %s, so its number is not known", f.Name, tagParam)
		}
		if err := d.field(m, f.Schema, d.scrub(f.Name), number, at); err != nil {
			return err
		}
	}
	return nil
}

// field adds a field, and the types that it needs, to a message.
func (d *deriver) field(m *message, s *record.Schema, name string, number, oneof int) error {
	f := field{name: name, number: number, oneof: oneof}
	switch {
	case s.Kind == record.Array:
		f.label, s = "repeated", s.Elem
	case s.Kind == record.Map:
		f.label = "repeated"
	case d.set.Optional && s.Optional && oneof < 0 && !m.entry:
		f.label = "optional"
	}
	if s == nil {
		return plugin.Data("an array without a schema of its elements has no form in Protobuf")
	}
	var err error
	if f.typ, err = d.typ(&f, s, oneof >= 0); err != nil {
		return err
	}
	switch {
	case isUnion(s):
		if f.label == "repeated" {
			return plugin.Data("Array of unions cannot be written: a oneof cannot be repeated")
		}
		return d.union(m, s)
	case s.Kind == record.Struct:
		err = d.nested(m, f.typ, s)
	case s.Kind == record.Map:
		err = d.entry(m, f.typ, s)
	case isEnum(s):
		d.enum(m, s)
	default:
		if path := fileOf(f.typ); path != "" && !slices.Contains(d.imports, path) {
			d.imports = append(d.imports, path)
		}
	}
	m.fields = append(m.fields, f)
	return err
}

// nested defines a struct within a message. A type of the message's own name is the message.
func (d *deriver) nested(m *message, name string, s *record.Schema) error {
	if m.name == name || slices.Contains(m.types, name) {
		return nil
	}
	m.types = append(m.types, name)
	n, err := d.message(name, s)
	m.nested = append(m.nested, n)
	return err
}

// entry defines the entries of a map.
func (d *deriver) entry(m *message, name string, s *record.Schema) error {
	if s.Key == nil || s.Elem == nil {
		return plugin.Data("a map without schemas of its keys and values has no form in Protobuf")
	}
	n := &message{name: name, entry: true}
	for i, part := range []*record.Schema{s.Key, s.Elem} {
		if isUnion(part) {
			return plugin.Data("a map of unions has no form in Protobuf")
		}
		if err := d.field(n, part, []string{"key", "value"}[i], i+1, -1); err != nil {
			return err
		}
	}
	m.nested = append(m.nested, n)
	return nil
}

func (d *deriver) enum(m *message, s *record.Schema) {
	name := d.simple(s.Name)
	if slices.ContainsFunc(m.enums, func(e enum) bool { return e.name == name }) {
		return
	}
	e := enum{name: d.simple(s.Name)}
	for _, p := range s.Params {
		if symbol, ok := strings.CutPrefix(p.Key, enumKey(d.set)+"."); ok {
			e.symbols = append(e.symbols, record.Param{Key: symbol, Value: p.Value})
		}
	}
	m.enums = append(m.enums, e)
}

// logicalType is the message that stands for a logical type, "" for none.
func logicalType(s *record.Schema) string {
	switch s.Name {
	case record.DecimalName:
		return decimalType
	case record.DateName:
		return dateType
	case record.TimeName:
		return timeType
	case record.TimestampName:
		return timestampType
	}
	return ""
}

// fileOf is the file to import for a type.
func fileOf(typ string) string {
	switch typ {
	case decimalType:
		return "confluent/type/decimal.proto"
	case dateType:
		return "google/type/date.proto"
	case timeType:
		return "google/type/timeofday.proto"
	case timestampType:
		return "google/protobuf/timestamp.proto"
	}
	if strings.HasPrefix(typ, wrapperPrefix) {
		return wrapperFile
	}
	return ""
}

// wraps says whether values of an optional scalar are written in a wrapper. Members of a oneof have a presence anyway and
// are wrapped only if they were read from a wrapper.
func wraps(set *settings, s *record.Schema, member bool) bool {
	if !set.Wrapper || !s.Optional {
		return false
	}
	marked, _ := s.Param(wrapperParam)
	return !member || strings.EqualFold(marked, "true")
}

// wrapperOf is the wrapper for a kind; scalar is the type that the parameter gives an Int64.
func wrapperOf(k record.Kind, scalar string) string {
	switch k {
	case record.Int8, record.Int16, record.Int32:
		return "Int32Value"
	case record.Int64:
		switch scalar {
		case "uint32", "fixed32":
			return "UInt32Value"
		case "uint64", "fixed64":
			return "UInt64Value"
		}
		return "Int64Value"
	case record.Float32:
		return "FloatValue"
	case record.Float64:
		return "DoubleValue"
	case record.Boolean:
		return "BoolValue"
	case record.String:
		return "StringValue"
	}
	return "BytesValue"
}

// typ is the type of a field, and adds what only Connect knows to its parameters.
func (d *deriver) typ(f *field, s *record.Schema, member bool) (string, error) {
	if t := logicalType(s); t != "" {
		if t == decimalType {
			// Precision before scale: the order of Java's HashMap.
			for _, p := range []record.Param{{Key: "precision", Value: precision}, {Key: "scale", Value: record.ScaleParam}} {
				if text, ok := s.Param(p.Value); ok {
					f.params = append(f.params, record.Param{Key: p.Key, Value: text})
				}
			}
		}
		return t, nil
	}
	switch s.Kind {
	case record.Array:
		return "", plugin.Data("Array cannot be nested")
	case record.Map:
		return mapEntry(d.simple(s.Name)), nil
	case record.Struct:
		if isUnion(s) {
			return "", nil
		}
		name := d.simple(s.Name)
		if name == f.name {
			name += "Message"
		}
		return name, nil
	case record.String:
		if name, ok := s.Param(generalEnum); ok {
			return name, nil
		}
		fallthrough
	case record.Int32:
		if name, ok := s.Param(enumParam); ok {
			return name, nil
		}
	case record.Int8:
		f.params = append(f.params, record.Param{Key: connectType, Value: "int8"})
	case record.Int16:
		f.params = append(f.params, record.Param{Key: connectType, Value: "int16"})
	}
	scalar, err := scalarOf(s)
	if err == nil && wraps(d.set, s, member) {
		return wrapperPrefix + wrapperOf(s.Kind, scalar), nil
	}
	return scalar, err
}

// scalarOf is the scalar type for a kind.
func scalarOf(s *record.Schema) (string, error) {
	plain := map[record.Kind]string{
		record.Int8: "int32", record.Int16: "int32", record.Int32: "int32", record.Int64: "int64", record.Float32: "float",
		record.Float64: "double", record.Boolean: "bool", record.String: "string", record.Bytes: "bytes",
	}[s.Kind]
	own, ok := s.Param(typeParam)
	if !ok || s.Kind != record.Int32 && s.Kind != record.Int64 {
		return plain, nil
	}
	fits := []string{"int32", "sint32", "sfixed32", "uint32", "fixed32"}
	if s.Kind == record.Int64 {
		fits = []string{"int64", "uint64", "sint64", "fixed64", "sfixed64", "uint32", "fixed32"}
	}
	if !slices.Contains(fits, own) {
		return "", plugin.Data("the parameter %s of a schema of type %s is %q; one of %s would fit", typeParam, s.Kind, own, strings.Join(fits, ", "))
	}
	return own, nil
}

// mapEntry names the entries of a map, and mapField is the way back (Guava's CaseFormat).
func mapEntry(name string) string {
	if strings.Contains(name, "_") {
		var b strings.Builder
		for word := range strings.SplitSeq(name, "_") {
			if word != "" {
				b.WriteString(strings.ToUpper(word[:1]) + strings.ToLower(word[1:]))
			}
		}
		name = b.String()
	}
	return name + entrySuffix
}

func mapField(full string) string {
	at := strings.LastIndexByte(full, '.') + 1
	name, ok := strings.CutSuffix(full[at:], entrySuffix)
	if !ok {
		return full
	}
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return full[:at] + b.String()
}
