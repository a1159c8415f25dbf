package plugin

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Spec describes a plugin's settings. It is plain data: it drives HCL decoding, validation, completion and the reference
// pages, and it can cross a process boundary. [SpecOf] makes one of a tagged struct.
type Spec struct{ Fields []Setting }

// Type is the type of a setting, as Kafka's ConfigDef.Type has it.
type Type uint8

// The types of settings; 0 is none.
const (
	StringType Type = iota + 1
	BooleanType
	ShortType
	IntType
	LongType
	DoubleType
	ListType
	ClassType
	PasswordType
)

// String is the name in ConfigDef.
func (t Type) String() string {
	return [...]string{"", "STRING", "BOOLEAN", "SHORT", "INT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}[t]
}

// Setting is one setting of a plugin.
type Setting struct {
	Name       string // the property, with dots
	Type       Type
	Required   bool
	HasDefault bool
	Default    string // text of the default, valid where HasDefault
	Doc        string
	Example    string // a value for the plugin's example, where every required setting and every one with a value stands
	Importance string // "high", "medium" or "low"
	OneOf      []string
	AnyCase    bool // OneOf compares without case
	Min, Max   *int64
	NonEmpty   bool // the text, or the list, must not be empty
	Unique     bool // entries of the list must be non-empty and differ
}

// Field finds a setting by its property name.
func (s Spec) Field(name string) (Setting, bool) {
	for _, f := range s.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Setting{}, false
}

// Names lists the property names in the order of declaration.
func (s Spec) Names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// Secret is a setting's text that must not be shown anywhere (invariant 6). It prints as [hidden].
type Secret string

// String hides the text from every formatting verb and logger that asks politely.
func (Secret) String() string { return "[hidden]" }

// SpecOf makes the spec of a struct whose fields are tagged; the struct's values are the defaults. Tags:
//
//	cfg:"poll.interval.ms,required"   name, then any of required, nonempty, unique, anycase
//	doc:"Wait between polls."         one sentence or two
//	oneof:"none|all"  min:"1"  max:"10000"  importance:"high|medium|low" (medium when left out)
//	example:"250"                     the setting stands in the plugin's example, with this value
//
// Types: string, *string and *int (nil: not set), bool, int16, int, int64, float64, []string, [Secret], and time.Duration, which is
// written in milliseconds. A mistake in the tags panics: it is one of the program.
func SpecOf(defaults any) Spec {
	v := reflect.ValueOf(defaults)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	var s Spec
	for _, f := range settings(v.Type()) {
		set := f.Setting
		if !set.Required {
			set.Default, set.HasDefault = text(v.Field(f.index))
		}
		s.Fields = append(s.Fields, set)
	}
	return s
}

type taggedField struct {
	Setting
	index int
}

// tagged is what settings has found, by type: tags do not change, and a thousand pipelines have the same few types.
var tagged sync.Map //nolint:gochecknoglobals // see above

func settings(t reflect.Type) []taggedField {
	if fs, ok := tagged.Load(t); ok {
		return fs.([]taggedField)
	}
	fs := readTags(t)
	tagged.Store(t, fs)
	return fs
}

func readTags(t reflect.Type) []taggedField {
	var fs []taggedField
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("cfg")
		if !ok {
			continue
		}
		parts := strings.Split(tag, ",")
		f := taggedField{index: i, Setting: Setting{Name: parts[0], Type: typeOf(sf), Doc: sf.Tag.Get("doc"), Example: sf.Tag.Get("example"), Importance: "medium"}}
		for _, p := range parts[1:] {
			switch p {
			case "required":
				f.Required = true
			case "nonempty":
				f.NonEmpty = true
			case "unique":
				f.Unique = true
			case "anycase":
				f.AnyCase = true
			default:
				panic(fmt.Sprintf("plugin: %s.%s: unknown option %q in its cfg tag", t, sf.Name, p))
			}
		}
		if s := sf.Tag.Get("oneof"); s != "" {
			f.OneOf = strings.Split(s, "|")
		}
		if s := sf.Tag.Get("importance"); s != "" {
			f.Importance = s
		}
		f.Min, f.Max = bound(sf, "min"), bound(sf, "max")
		fs = append(fs, f)
	}
	return fs
}

func bound(sf reflect.StructField, tag string) *int64 {
	s := sf.Tag.Get(tag)
	if s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("plugin: %s: %s is not a number: %q", sf.Name, tag, s))
	}
	return &n
}

func typeOf(sf reflect.StructField) Type {
	switch sf.Type {
	case reflect.TypeFor[Secret]():
		return PasswordType
	case reflect.TypeFor[time.Duration]():
		return LongType
	case reflect.TypeFor[[]string]():
		return ListType
	case reflect.TypeFor[*string]():
		return StringType
	case reflect.TypeFor[*int]():
		return IntType
	}
	switch sf.Type.Kind() {
	case reflect.String:
		return StringType
	case reflect.Bool:
		return BooleanType
	case reflect.Int16:
		return ShortType
	case reflect.Int:
		return IntType
	case reflect.Int64:
		return LongType
	case reflect.Float64:
		return DoubleType
	}
	panic(fmt.Sprintf("plugin: %s: a setting cannot be of type %s", sf.Name, sf.Type))
}

// text is a default as it would be written; an empty string, list or secret and a nil pointer are "no default".
func text(v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case Secret:
		return string(x), x != ""
	case time.Duration:
		return strconv.FormatInt(x.Milliseconds(), 10), true
	case []string:
		return strings.Join(x, ","), true
	case *string:
		if x == nil {
			return "", false
		}
		return *x, true
	case *int:
		if x == nil {
			return "", false
		}
		return strconv.Itoa(*x), true
	case string:
		return x, x != ""
	}
	return fmt.Sprint(v.Interface()), true
}
