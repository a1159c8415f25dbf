package plugin

import (
	"log/slog"
	"strings"
)

// Config is a plugin's own settings: property names without prefix, values as text. Secret references are resolved
// before a plugin sees them. A plugin may keep the map but not change it.
type Config map[string]string

// Role is what a plugin can be in a pipeline.
type Role uint8

// The roles; 0 is none.
const (
	SourceRole Role = iota + 1
	SinkRole
	TransformRole
	PredicateRole
	ConverterRole
)

var roleNames = [...]string{"plugin", "source", "sink", "transform", "predicate", "converter"} //nolint:gochecknoglobals // a literal

// String is the word that the language and messages use.
func (r Role) String() string { return roleNames[r] }

// Target is the part of a record that a transform works on.
type Target uint8

// The targets.
const (
	NoTarget Target = iota // the whole record
	Key
	Value
)

// String is the word that the language uses, "" for NoTarget.
func (t Target) String() string { return [...]string{"", "key", "value"}[t] }

// Suffix is what the target adds to a class name: "$Key", "$Value" or nothing.
func (t Target) Suffix() string { return [...]string{"", "$Key", "$Value"}[t] }

// Descriptor says what a plugin is and how to make one: data, plus the constructor of its role. Exactly one constructor
// is set. Constructors return a fresh value each time and do nothing else.
type Descriptor struct {
	Name    string // the alias in HCL: lower case with underscores, unique within the role
	Class   string // the class name in flat maps; Kafka Connect's where it has the plugin, without $Key or $Value
	Version string
	Doc     string // one sentence
	Spec    Spec

	Targets bool  // a transform with the variants $Key and $Value
	Uses    Uses  // of a converter; the zero value means data and headers
	Shape   Shape // what a source says of its records

	NewSource    func() Source
	NewSink      func() Sink
	NewTransform func(Target) Transform // NoTarget unless Targets
	NewPredicate func() Predicate
	NewConverter func() Converter
}

// TaskClass is the class name of a connector's tasks in flat maps, which Kafka Connect keeps beside their settings.
func (d Descriptor) TaskClass() string { return strings.TrimSuffix(d.Class, "Connector") + "Task" }

// Role is the role that the constructor gives; 0 when none is set.
func (d Descriptor) Role() Role {
	switch {
	case d.NewSource != nil:
		return SourceRole
	case d.NewSink != nil:
		return SinkRole
	case d.NewTransform != nil:
		return TransformRole
	case d.NewPredicate != nil:
		return PredicateRole
	case d.NewConverter != nil:
		return ConverterRole
	}
	return 0
}

// Uses says where a converter may stand.
type Uses uint8

// Where a converter may stand.
const (
	DataAndHeaders Uses = iota
	DataOnly
	HeadersOnly
)

// Shape is what a source declares of every record that it makes; validation warns of transforms that cannot work on it.
type Shape struct{ Key, Value Form }

// Form is what is known of a key or a value before any record exists.
type Form uint8

// The forms.
const (
	AnyForm    Form = iota // nothing is known
	AlwaysNull             // null without a schema
	PlainText              // a string
	Structured             // a struct or a map
)

// Host is what a running plugin may ask of the engine. None of its methods waits. A host outlives the plugin's Stop, after
// which its methods do nothing.
type Host interface {
	// Logger has the attributes of the pipeline and the task.
	Logger() *slog.Logger
	// Reconfigure asks for Tasks to be called again: the external system has changed. Of a task's host it does nothing.
	Reconfigure()
	// Fail says that this instance or task cannot go on; the first error counts.
	Fail(err error)
}

// Validator is a Source or Sink that can say more about a configuration than its spec. Validate may call external
// systems; it is called on a plugin that was not started. Use [ConfigError] for a setting, any other error for the rest.
type Validator interface {
	Validate(c Config) []error
}
