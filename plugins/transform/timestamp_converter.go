package transform

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type timestampConverterConfig struct {
	Field     string `cfg:"field" importance:"high" example:"created" doc:"Name of the field with the timestamp. Empty: the whole key or value is one."`
	Target    string `cfg:"target.type,required" oneof:"string|unix|Date|Time|Timestamp" importance:"high" example:"Timestamp" doc:"What the timestamp becomes."`
	Format    string `cfg:"format" doc:"Pattern of Java's SimpleDateFormat, in UTC, by which texts are printed and read. Week years and weeks (Y, w, W, F) are printed only."`
	Precision string `cfg:"unix.precision" oneof:"nanoseconds|microseconds|milliseconds|seconds" importance:"low" example:"milliseconds" doc:"What a plain number counts since 1970."`
	Replace   bool   `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
	Syntax    string `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var timestampConverterDefaults = timestampConverterConfig{Syntax: "V1", Precision: "milliseconds", Replace: true} //nolint:gochecknoglobals // a literal

const timestampPurpose = "converting timestamp formats"

// timestampConverter follows Kafka Connect's TimestampConverter.
type timestampConverter struct {
	single
	target  plugin.Target
	field   record.Value // its text is empty for the whole key or value
	to      timeForm
	format  *dateFormat // nil where none is set
	unit    int64       // of a plain number, in nanoseconds
	replace bool
	plans   memo[*timestampPlan]
}

// timeForm is a way to write down an instant.
type timeForm uint8

const (
	textForm timeForm = iota + 1
	unixForm
	dateForm
	timeOfDayForm
	timestampForm
)

// timeForms are the forms by the name that target.type has for them.
var timeForms = map[string]timeForm{ //nolint:gochecknoglobals // a literal
	"string": textForm, "unix": unixForm, "Date": dateForm, "Time": timeOfDayForm, "Timestamp": timestampForm,
}

// units are those of unix.precision in nanoseconds.
var units = map[string]int64{ //nolint:gochecknoglobals // a literal
	"nanoseconds": 1, "microseconds": 1000, "milliseconds": 1_000_000, "seconds": 1_000_000_000,
}

// timestampPlan is what becomes of values of one schema.
type timestampPlan struct {
	schema *record.Schema
	at     int // index of the field, -1 where there is none; of no account for the whole
	from   timeForm
	err    error // why a value cannot be converted
	nulls  nullable
}

func newTimestampConverter(target plugin.Target) plugin.Transform {
	t := &timestampConverter{target: target}
	t.each = t.convert
	return t
}

// Configure implements [plugin.Transform].
func (t *timestampConverter) Configure(c plugin.Config) error {
	cfg := timestampConverterDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*timestampPlan]{}
	t.field, t.to, t.unit, t.replace = record.OfString(cfg.Field), timeForms[cfg.Target], units[cfg.Precision], cfg.Replace
	t.format = nil
	if cfg.Format == "" {
		if t.to == textForm {
			return &plugin.ConfigError{Key: "format", Reason: "TimestampConverter requires format option to be specified when using string timestamps"}
		}
		return nil
	}
	f, err := parseDateFormat(cfg.Format, time.Now())
	if err != nil {
		return &plugin.ConfigError{Key: "format", Reason: plugin.Invalid(
			"TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: "+cfg.Format,
			"java.lang.IllegalArgumentException: "+err.Error(), "").Reason}
	}
	if letter := f.unreadable(); letter != "" && t.to != textForm {
		return plugin.Invalid("format", cfg.Format, fmt.Sprintf("the pattern letter %q can be printed, but not read", letter))
	}
	t.format = f
	return nil
}

func (t *timestampConverter) convert(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Schema == nil {
		return t.convertSchemaless(d)
	}
	if k := d.Value.Kind(); t.field.Text() != "" && k != record.Null && k != record.Struct {
		return notA("Struct objects supported", d.Value, timestampPurpose)
	}
	plan, ok := t.plans.find(d.Schema)
	if !ok {
		var err error
		if plan, err = t.planFor(d.Schema); err != nil {
			return err
		}
		t.plans.add(d.Schema, plan)
	}
	v, err := t.converted(plan, d)
	if err == nil {
		*d = record.Datum{Schema: plan.schema, Value: v}
	}
	return err
}

func (t *timestampConverter) converted(plan *timestampPlan, d *record.Datum) (record.Value, error) {
	switch {
	case t.field.Text() == "" && plan.err != nil:
		return record.Value{}, plan.err
	case d.Value.IsNull():
		return d.Value, nil
	case t.field.Text() == "":
		return t.rewrite(&t.batch.Arena, plan.from, d.Value)
	}
	return t.convertFields(&t.batch.Arena, plan, d.Schema, d.Value.Elements())
}

func (t *timestampConverter) convertFields(a *record.Arena, plan *timestampPlan, in *record.Schema, fields []record.Value) (record.Value, error) {
	if plan.err != nil {
		return record.Value{}, plan.err
	}
	out := a.Extend(fields, 0)
	if plan.at >= 0 {
		v := out[plan.at]
		if s := in.Fields[plan.at].Schema; v.IsNull() && t.replace && s.HasDefault {
			v = s.Default
		}
		var err error
		if out[plan.at], err = t.rewrite(a, plan.from, v); err != nil {
			return record.Value{}, inField(err, t.field.Text())
		}
	}
	if err := plan.nulls.fill(plan.schema.Fields, out, t.replace); err != nil {
		return record.Value{}, err
	}
	return record.OfStruct(out), nil
}

func (t *timestampConverter) planFor(in *record.Schema) (*timestampPlan, error) {
	plan := &timestampPlan{at: -1}
	if t.field.Text() == "" {
		plan.schema = formSchema(t.to, in.Optional)
		plan.from, plan.err = formOf(in)
		return plan, nil
	}
	if in.Kind != record.Struct {
		return nil, plugin.Data("Cannot list fields on non-struct type")
	}
	b := record.Build(record.Struct).Like(in)
	for i, f := range in.Fields {
		if f.Name == t.field.Text() {
			plan.at = i
			plan.from, plan.err = formOf(f.Schema)
			f.Schema = formSchema(t.to, f.Schema.Optional)
		}
		b.Field(f.Name, f.Schema)
	}
	if in.Optional {
		b.Optional()
	}
	var err error
	if plan.schema, err = built(b); err != nil {
		return nil, err
	}
	plan.nulls = nullableOf(plan.schema.Fields)
	if in.HasDefault {
		preset, err := t.convertFields(new(record.Arena), plan, in, in.Default.Elements())
		if err != nil {
			return nil, err
		}
		plan.schema, err = built(b.Default(preset))
		return plan, err
	}
	return plan, nil
}

func formSchema(f timeForm, optional bool) *record.Schema {
	s := record.Required(record.Int64)
	switch f {
	case textForm:
		s = record.Required(record.String)
	case unixForm:
	case dateForm:
		s = record.DateSchema()
	case timeOfDayForm:
		s = record.TimeSchema()
	case timestampForm:
		s = record.TimestampSchema()
	}
	if !optional {
		return s
	}
	return record.Build(s.Kind).Like(s).Optional().MustBuild()
}

// formOf is the form of values of a schema. It is no DataException in Kafka Connect where there is none.
func formOf(s *record.Schema) (timeForm, error) {
	switch {
	case s.Name == record.TimestampName:
		return timestampForm, nil
	case s.Name == record.DateName:
		return dateForm, nil
	case s.Name == record.TimeName:
		return timeOfDayForm, nil
	case s.Kind == record.String:
		return textForm, nil
	case s.Kind == record.Int64:
		return unixForm, nil
	}
	return 0, fmt.Errorf("Schema %s does not correspond to a known timestamp type format", s) //nolint:staticcheck // Kafka Connect's text
}

func (t *timestampConverter) convertSchemaless(d *record.Datum) error {
	a := &t.batch.Arena
	if d.Value.IsNull() || t.field.Text() == "" {
		v, err := t.rewriteSchemaless(a, d.Value)
		if err == nil {
			d.Value = v
		}
		return err
	}
	entries, err := mapEntries(d.Value, timestampPurpose)
	if err != nil {
		return err
	}
	// A name that the map does not have is added with null, as Kafka Connect does.
	v, _ := d.Value.Get(t.field.Text())
	if v, err = t.rewriteSchemaless(a, v); err != nil {
		return inField(err, t.field.Text())
	}
	out := a.Extend(entries, 2)
	d.Value = record.OfMap(out[:setEntry(out, len(entries), t.field, v)])
	return nil
}

func (t *timestampConverter) rewriteSchemaless(a *record.Arena, v record.Value) (record.Value, error) {
	switch k := v.Kind(); k {
	case record.Null:
		return v, nil
	case record.Instant:
		return t.rewrite(a, timestampForm, v)
	case record.Int64:
		return t.rewrite(a, unixForm, v)
	case record.String:
		return t.rewrite(a, textForm, v)
	default:
		return record.Value{}, plugin.Data("TimestampConverter does not support class %s objects as timestamps", k.JavaClass())
	}
}

// rewrite makes the wanted form of a value. Null stays null.
func (t *timestampConverter) rewrite(a *record.Arena, from timeForm, v record.Value) (record.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	millis, err := t.instant(from, v)
	if err != nil {
		return record.Value{}, err
	}
	switch t.to {
	case textForm:
		rest := a.Rest(2 * len(t.format.text))
		return kept(a, rest, t.format.append(rest[:0], millis)), nil
	case unixForm:
		return record.OfInt64(scaled(millis, units["milliseconds"], t.unit)), nil
	case dateForm:
		return record.OfInstant(dayMillis * floorDiv(millis, dayMillis)), nil
	case timeOfDayForm:
		return record.OfInstant(millis - dayMillis*floorDiv(millis, dayMillis)), nil
	default:
		return record.OfInstant(millis), nil
	}
}

// instant reads a value in milliseconds since 1970.
func (t *timestampConverter) instant(from timeForm, v record.Value) (int64, error) {
	kind := v.Kind()
	switch from {
	case textForm:
		if kind != record.String {
			return 0, plugin.Data("Expected string timestamp to be a String, but found class %s", kind.JavaClass())
		}
		return t.read(v.Text())
	case unixForm:
		if kind != record.Int64 {
			return 0, plugin.Data("Expected Unix timestamp to be a Long, but found class %s", kind.JavaClass())
		}
		return scaled(v.Int(), t.unit, units["milliseconds"]), nil
	default:
		if kind != record.Instant {
			return 0, plugin.Data("Expected %s to be a java.util.Date, but found class %s", [...]string{
				dateForm: "Date", timeOfDayForm: "Time", timestampForm: "Timestamp",
			}[from], kind.JavaClass())
		}
		return v.Int(), nil
	}
}

func (t *timestampConverter) read(text string) (int64, error) {
	if t.format == nil {
		return 0, plugin.Data("The timestamp is a text, and the setting format does not say how it is written")
	}
	if letter := t.format.unreadable(); letter != "" {
		return 0, plugin.Data("The pattern letter %q of the setting format can be printed, but not read", letter)
	}
	millis, ok := t.format.parse(text)
	if !ok {
		e := plugin.Data("Could not parse timestamp: value (%s) does not match pattern (%s)", text, t.format.text)
		e.Masked = fmt.Sprintf("Could not parse timestamp: a value does not match pattern (%s)", t.format.text)
		return 0, e
	}
	return millis, nil
}

// scaled counts n in other units: it cuts off what is finer, and stays at the end of what is too large (Java: TimeUnit).
func scaled(n, from, to int64) int64 {
	if from <= to {
		return n / (to / from)
	}
	switch factor := from / to; {
	case n > math.MaxInt64/factor:
		return math.MaxInt64
	case n < math.MinInt64/factor:
		return math.MinInt64
	default:
		return n * factor
	}
}

// unreadable is the first letter of the pattern that is printed but not read, or "".
func (f *dateFormat) unreadable() string {
	for _, p := range f.parts {
		if p.letter != 0 && strings.IndexByte(unreadable, p.letter) >= 0 {
			return string(p.letter)
		}
	}
	return ""
}
