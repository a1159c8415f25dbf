package transform

import (
	"errors"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/transform/jsonpath"
)

type jsonPathFilterConfig struct {
	Condition string `cfg:"filter.condition,required,nonempty" importance:"high" example:"$[?(@.country == 'DE')]" doc:"JSONPath that matches a record when it leads to something that is not null. Deep scans, slices, unions and functions are not available."`
	Type      string `cfg:"filter.type,required" oneof:"include|exclude" importance:"high" example:"include" doc:"Whether records that match stay (include) and all others go, or the other way round (exclude)."`
	Missing   string `cfg:"missing.or.null.behavior" oneof:"fail|include|exclude" doc:"What becomes of a record without a field that the path needs outside of conditions: it fails, stays or goes."`
}

var jsonPathFilterDefaults = jsonPathFilterConfig{Missing: "fail"} //nolint:gochecknoglobals // a literal

// jsonPathFilter follows the documentation of Confluent's io.confluent.connect.transforms.Filter.
type jsonPathFilter struct {
	single
	target  plugin.Target
	path    *jsonpath.Path
	include bool
	missing string
}

func newJSONPathFilter(target plugin.Target) plugin.Transform {
	t := &jsonPathFilter{target: target}
	t.each = t.filter
	return t
}

// Configure implements [plugin.Transform].
func (t *jsonPathFilter) Configure(c plugin.Config) (err error) {
	cfg := jsonPathFilterDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.path, err = parseJSONPath("filter.condition", cfg.Condition)
	t.include, t.missing = cfg.Type == "include", cfg.Missing
	return err
}

func parseJSONPath(key, text string) (*jsonpath.Path, error) {
	p, err := jsonpath.Parse(text)
	if err == nil {
		return p, nil
	}
	invalid := plugin.Invalid(key, text, err.Error())
	if e, ok := errors.AsType[*plugin.ConfigError](err); ok {
		invalid.From, invalid.To = e.From, e.To
	}
	return nil, invalid
}

func (t *jsonPathFilter) filter(i int, r *record.Record) error {
	found, matches, err := t.path.First(*part(t.target, r))
	missing, isMissing := errors.AsType[*jsonpath.Missing](err)
	switch {
	case matches && !found.Value.IsNull():
	case !isMissing && !matches:
	case t.missing == "fail":
		if isMissing {
			return missing
		}
		return plugin.Data("What the path of filter.condition leads to is null")
	default:
		if t.missing == "exclude" {
			t.batch.Drop(i)
		}
		return nil
	}
	if matches != t.include {
		t.batch.Drop(i)
	}
	return nil
}
