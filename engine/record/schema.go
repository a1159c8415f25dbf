package record

import (
	"fmt"
	"slices"
	"strings"
)

// Schema describes a value as Kafka Connect's org.apache.kafka.connect.data.ConnectSchema does. It is immutable once
// built (see [Build]); equal pointers are the same schema, so converters and transforms key their caches by the pointer.
// Two schemas that look alike may be two pointers: [Schema.Equal] compares structure.
type Schema struct {
	Kind     Kind // Int8 to Struct
	Optional bool
	Name     string // "" means none
	Version  int    // valid where HasVersion
	Doc      string
	Params   []Param // in order of insertion; nil means none
	Fields   []Field // of a Struct
	Key      *Schema // of a Map; nil only in schemas that the value parser makes of empty or mixed collections
	Elem     *Schema // of an Array's elements or a Map's values; nil as above

	HasVersion bool
	HasDefault bool
	Default    Value // valid where HasDefault, never null

	index map[string]int // of Fields by name; nil when there are few
}

// Param is one entry of a schema's parameters.
type Param struct{ Key, Value string }

// Field is one field of a struct schema; its index is its place in [Schema.Fields].
type Field struct {
	Name   string
	Schema *Schema
}

// Names of the logical types of Kafka Connect.
const (
	DecimalName   = "org.apache.kafka.connect.data.Decimal"
	DateName      = "org.apache.kafka.connect.data.Date"
	TimeName      = "org.apache.kafka.connect.data.Time"
	TimestampName = "org.apache.kafka.connect.data.Timestamp"
	ScaleParam    = "scale" // of a Decimal
)

// Field finds a struct's field by name: its index, or -1.
func (s *Schema) Field(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Param finds a parameter by key.
func (s *Schema) Param(key string) (string, bool) {
	for _, p := range s.Params {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}

// String is Schema{name} or Schema{TYPE}, as Kafka Connect's messages print it.
func (s *Schema) String() string {
	if s.Name != "" {
		return "Schema{" + s.Name + ":" + s.Kind.String() + "}"
	}
	return "Schema{" + s.Kind.String() + "}"
}

// Equal compares structure: everything but the order of parameters counts, defaults deeply (Kafka Connect:
// ConnectSchema.equals). Nil equals only nil.
func (s *Schema) Equal(t *Schema) bool {
	if s == t {
		return true
	}
	if s == nil || t == nil || s.Kind != t.Kind || s.Optional != t.Optional || s.Name != t.Name || s.Doc != t.Doc ||
		s.HasVersion != t.HasVersion || s.Version != t.Version || s.HasDefault != t.HasDefault {
		return false
	}
	if s.HasDefault && !s.Default.Equal(t.Default) {
		return false
	}
	return s.Key.Equal(t.Key) && s.Elem.Equal(t.Elem) && sameParams(s.Params, t.Params) &&
		slices.EqualFunc(s.Fields, t.Fields, func(f, g Field) bool { return f.Name == g.Name && f.Schema.Equal(g.Schema) })
}

// sameParams compares parameters without their order; keys are unique in each list.
func sameParams(a, b []Param) bool {
	if len(a) != len(b) {
		return false
	}
	for _, p := range a {
		if !slices.Contains(b, p) {
			return false
		}
	}
	return true
}

// indexed is from how many fields on a schema keeps a map of its names.
const indexed = 8

// Builder makes a schema. Its methods change the builder and return it; a mistake is kept and reported by Build. What was
// set cannot be set to something else.
type Builder struct {
	s   Schema
	set attributes
	err error
}

// attributes are those that were set.
type attributes uint8

const (
	optionality attributes = 1 << iota
	name
	version
	doc
	preset
)

// once notes that an attribute is set to something, as long as it was not set to something else.
func (b *Builder) once(a attributes, called string, something, same bool) {
	if b.set&a != 0 && !same {
		b.fail("Invalid SchemaBuilder call: %s has already been set.", called)
	}
	if something {
		b.set |= a
	}
}

// Build starts a schema of a kind. Arrays and maps take their parts from [BuildArray] and [BuildMap].
func Build(k Kind) *Builder {
	b := &Builder{s: Schema{Kind: k}}
	switch {
	case k == Null:
		b.fail("type cannot be null")
	case k > Struct:
		b.fail("a schema cannot be of type %s", k)
	}
	return b
}

// BuildArray starts an array schema.
func BuildArray(elem *Schema) *Builder {
	b := Build(Array)
	if b.s.Elem = elem; elem == nil {
		b.fail("valueSchema cannot be null.")
	}
	return b
}

// BuildLoose starts the schema of an array or map of which parts may be nil: those that the value parser makes of what is
// empty or mixed. No value but the empty one passes [Schema.Check] of such a schema.
func BuildLoose(k Kind, key, elem *Schema) *Builder {
	b := Build(k)
	b.s.Key, b.s.Elem = key, elem
	return b
}

// BuildMap starts a map schema.
func BuildMap(key, elem *Schema) *Builder {
	b := Build(Map)
	b.s.Key, b.s.Elem = key, elem
	switch {
	case key == nil:
		b.fail("keySchema cannot be null.")
	case elem == nil:
		b.fail("valueSchema cannot be null.")
	}
	return b
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// Optional allows null.
func (b *Builder) Optional() *Builder {
	b.once(optionality, "optional", true, b.s.Optional)
	b.s.Optional = true
	return b
}

// Required forbids null, which it is from the start; after that it cannot be optional any more.
func (b *Builder) Required() *Builder {
	b.once(optionality, "optional", true, !b.s.Optional)
	return b
}

// Named sets the name.
func (b *Builder) Named(n string) *Builder {
	b.once(name, "name", n != "", b.s.Name == n)
	b.s.Name = n
	return b
}

// Versioned sets the version.
func (b *Builder) Versioned(v int) *Builder {
	b.once(version, "version", true, b.s.Version == v)
	b.s.Version, b.s.HasVersion = v, true
	return b
}

// Documented sets the documentation.
func (b *Builder) Documented(d string) *Builder {
	b.once(doc, "doc", d != "", b.s.Doc == d)
	b.s.Doc = d
	return b
}

// Param adds a parameter, or replaces the one of that key.
func (b *Builder) Param(key, value string) *Builder {
	for i := range b.s.Params {
		if b.s.Params[i].Key == key {
			b.s.Params[i].Value = value
			return b
		}
	}
	b.s.Params = append(b.s.Params, Param{key, value})
	return b
}

// Default sets the default, which is copied. It is a value of the schema as it is so far; null, which only an optional schema
// takes, means none.
func (b *Builder) Default(v Value) *Builder {
	b.once(preset, "default", !v.IsNull(), b.s.Default.Equal(v))
	if err := b.s.Check(v); err != nil && b.err == nil {
		b.err = &because{"Invalid default value", err}
	}
	b.s.HasDefault, b.s.Default = !v.IsNull(), v.Clone()
	return b
}

// Field adds a field to a struct.
func (b *Builder) Field(name string, s *Schema) *Builder {
	switch {
	case b.s.Kind != Struct:
		b.fail("Cannot create fields on type %s", b.s.Kind)
	case name == "":
		b.fail("fieldName cannot be null.")
	case s == nil:
		b.fail("fieldSchema for field %s cannot be null.", name)
	case b.s.Field(name) >= 0:
		b.fail("Cannot create field because of field name duplication %s", name)
	}
	b.s.Fields = append(b.s.Fields, Field{strings.Clone(name), s})
	return b
}

// Like takes name, version, doc and parameters of another schema, what Kafka Connect's SchemaUtil.copySchemaBasics does. They
// can still be set to something else.
func (b *Builder) Like(s *Schema) *Builder {
	b.s.Name, b.s.Version, b.s.HasVersion, b.s.Doc = s.Name, s.Version, s.HasVersion, s.Doc
	b.s.Params = slices.Clone(s.Params)
	b.set &^= name | version | doc
	return b
}

// Build ends the building. The error is the text of Kafka Connect's SchemaBuilderException where it has one.
func (b *Builder) Build() (*Schema, error) {
	if b.err != nil {
		return nil, b.err
	}
	s := b.s
	if len(s.Fields) >= indexed {
		s.index = make(map[string]int, len(s.Fields))
		for i, f := range s.Fields {
			s.index[f.Name] = i
		}
	}
	return &s, nil
}

// MustBuild is Build for literals of a program; a mistake panics.
func (b *Builder) MustBuild() *Schema {
	s, err := b.Build()
	if err != nil {
		panic("record: " + err.Error())
	}
	return s
}

// Required and OptionalOf give the plain schema of a primitive kind, always the same pointer.
func Required(k Kind) *Schema { return plain[k][0] }

// OptionalOf is Required with null allowed.
func OptionalOf(k Kind) *Schema { return plain[k][1] }

var plain = func() (p [Bytes + 1][2]*Schema) { //nolint:gochecknoglobals // constants that need a pointer
	for k := Int8; k <= Bytes; k++ {
		p[k] = [2]*Schema{Build(k).MustBuild(), Build(k).Optional().MustBuild()}
	}
	return p
}()
