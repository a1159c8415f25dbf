package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type extractTimestampConfig struct {
	Field      string `cfg:"field.name,required,nonempty" importance:"high" example:"created" doc:"Name of the field with the timestamp: an INT64 or a date."`
	Resolution string `cfg:"timestamp.resolution,anycase" oneof:"milliseconds|seconds" importance:"low" doc:"What an INT64 counts since 1970."`
}

var extractTimestampDefaults = extractTimestampConfig{Resolution: "milliseconds"} //nolint:gochecknoglobals // a literal

// extractTimestamp follows Aiven's io.aiven.kafka.connect.transforms.ExtractTimestamp.
type extractTimestamp struct {
	single
	target plugin.Target
	field  string
	scale  int64
}

func newExtractTimestamp(target plugin.Target) plugin.Transform {
	t := &extractTimestamp{target: target}
	t.each = t.extract
	return t
}

// Configure implements [plugin.Transform].
func (t *extractTimestamp) Configure(c plugin.Config) error {
	cfg := extractTimestampDefaults
	err := plugin.Decode(c, &cfg)
	t.field, t.scale = cfg.Field, 1
	if strings.EqualFold(cfg.Resolution, "seconds") {
		t.scale = 1000
	}
	return err
}

func (t *extractTimestamp) extract(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Value.IsNull() {
		return plugin.Data("%s can't be null", t.target)
	}
	_, v, found, err := fieldOf(d, t.field, t.target)
	switch {
	case err != nil:
		return err
	case !found || v.IsNull():
		return plugin.Data("%s field must be present and its value can't be null", t.field)
	}
	switch v.Kind() {
	case record.Int64:
		r.Timestamp = seconds(v.Int(), t.scale)
	case record.Instant:
		r.Timestamp = v.Int()
	default:
		return plugin.Data("%s field must be INT64 or org.apache.kafka.connect.data.Timestamp", t.field)
	}
	return nil
}

// seconds is TimeUnit.toMillis: what does not fit ends at the largest.
func seconds(n, scale int64) int64 {
	const most = 1<<63 - 1
	switch {
	case n > most/scale:
		return most
	case n < -most/scale:
		return -most - 1
	}
	return n * scale
}

// fieldOf is a field of a struct or a map, a null with a default being the default.
func fieldOf(d *record.Datum, name string, target plugin.Target) (s *record.Schema, v record.Value, found bool, err error) {
	switch d.Value.Kind() {
	case record.Struct:
		i := d.Schema.Field(name)
		if i < 0 {
			return nil, v, false, nil
		}
		s, v = d.Schema.Fields[i].Schema, d.Value.Elements()[i]
		if v.IsNull() && s.HasDefault {
			v = s.Default
		}
		return s, v, true, nil
	case record.Map:
		v, found = d.Value.Get(name)
		return nil, v, found, nil
	}
	return nil, v, false, plugin.Data("%s type must be STRUCT or MAP", target)
}
