package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type filterByFieldValueConfig struct {
	Field   string  `cfg:"field.name" importance:"high" example:"kind" doc:"Name of the field that is looked at. Empty: the whole key or value, which has no schema then."`
	Value   *string `cfg:"field.value" importance:"high" example:"order" doc:"What the field must be. The type is that of the text: 7 is an INT8 and equals no other number. It goes without field.value.pattern."`
	Pattern *string `cfg:"field.value.pattern" importance:"high" doc:"Regular expression of Java that is looked for in the field as text. What needs backtracking is refused."`
	Matches bool    `cfg:"field.value.matches" doc:"Whether records that match stay and all others go, or the other way round."`
}

var filterByFieldValueDefaults = filterByFieldValueConfig{Matches: true} //nolint:gochecknoglobals // a literal

// filterByFieldValue follows Aiven's io.aiven.kafka.connect.transforms.FilterByFieldValue. A null key or value passes.
type filterByFieldValue struct {
	single
	target  plugin.Target
	field   string
	want    record.Value
	pattern *plugin.Pattern // nil: want counts
	keep    bool
}

func newFilterByFieldValue(target plugin.Target) plugin.Transform {
	t := &filterByFieldValue{target: target}
	t.each = t.filter
	return t
}

// Configure implements [plugin.Transform].
func (t *filterByFieldValue) Configure(c plugin.Config) error {
	cfg := filterByFieldValueDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.field, t.keep, t.pattern, t.want = cfg.Field, cfg.Matches, nil, record.Value{}
	byPattern := cfg.Pattern != nil && *cfg.Pattern != ""
	if (cfg.Value != nil) == byPattern {
		return &plugin.ConfigError{Key: "field.value", Reason: "Either field.value or field.value.pattern have to be set to apply filter transform"}
	}
	var err error
	if byPattern {
		if t.pattern, err = plugin.ParsePattern(*cfg.Pattern); err != nil {
			return plugin.Invalid("field.value.pattern", *cfg.Pattern, "Invalid regex: "+err.Error())
		}
		return nil
	}
	want, err := record.ParseText(*cfg.Value)
	if err != nil {
		return plugin.Invalid("field.value", *cfg.Value, err.Error())
	}
	t.want = want.Value
	return nil
}

func (t *filterByFieldValue) filter(i int, r *record.Record) error {
	d := part(t.target, r)
	if d.Value.IsNull() {
		return nil
	}
	s, v, err := t.lookedAt(d)
	if err != nil {
		return err
	}
	matches := false
	switch {
	case t.pattern == nil && (v.IsNull() || t.want.IsNull()):
		return plugin.Data("Field %s is null", t.field)
	case t.pattern == nil:
		matches = v.Equal(t.want)
	case !v.IsNull():
		text, err := record.ToText(s, v)
		if err != nil {
			return &plugin.DataError{Reason: "Field " + t.field + " has no text to match", Err: err}
		}
		matches = t.pattern.MatchString(text.Text())
	}
	if matches != t.keep {
		t.batch.Drop(i)
	}
	return nil
}

func (t *filterByFieldValue) lookedAt(d *record.Datum) (*record.Schema, record.Value, error) {
	var none record.Value
	switch k := d.Value.Kind(); {
	case d.Schema == nil && t.field == "":
		return nil, d.Value, nil
	case d.Schema == nil && k == record.Map, d.Schema != nil && k == record.Struct:
		s, v, found, err := fieldOf(d, t.field, t.target)
		if err == nil && !found && d.Schema != nil {
			return nil, none, plugin.Data("Unknown field: %s", t.field)
		}
		return s, v, err
	default:
		return nil, none, plugin.Data("%s type must be STRUCT or MAP", t.target)
	}
}
