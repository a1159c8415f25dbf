package config_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// The fakes below have specs and Configure; nothing in this package runs a plugin.

type source struct{ plugin.Source }

func (source) Validate(c plugin.Config) []error {
	if c["file"] == "/forbidden" {
		return []error{&plugin.ConfigError{Key: "file", Reason: "The file must not be /forbidden"}}
	}
	if c["batch.size"] == "13" {
		return []error{fmt.Errorf("log in as %s with %s: refused", c["topic"], c["user.password"])}
	}
	if c["topic"] == "nobody" {
		return []error{errors.New("nobody may have that topic")}
	}
	return nil
}

type sink struct{ plugin.Sink }

type transform struct {
	plugin.Transform
	configure func(plugin.Config) error
}

func (t transform) Configure(c plugin.Config) error {
	if t.configure == nil {
		return nil
	}
	return t.configure(c)
}

type predicate struct{ plugin.Predicate }

func (predicate) Configure(c plugin.Config) error {
	if c["pattern"] == "(" {
		return plugin.Invalid("pattern", "(", "Invalid regex: Unclosed group near index 1\n(\n^")
	}
	return nil
}

type converter struct{}

func (converter) Configure(c plugin.Config, _ plugin.Use) error {
	if c["schemas.cache.size"] == "7" {
		panic("seven")
	}
	return nil
}

func (converter) AppendData(dst []byte, _ string, _ record.Datum) ([]byte, error) { return dst, nil }

func (converter) ReadData(*record.Arena, string, []byte) (record.Datum, error) {
	return record.Datum{}, nil
}

var _ plugin.Converter = converter{}

func (transform) Apply(context.Context, *record.Batch) error { return nil }

const transforms = "org.apache.kafka.connect.transforms."

func fieldTransform(name, class string, targets bool, spec any, configure func(plugin.Config) error) plugin.Descriptor {
	return plugin.Descriptor{
		Name: name, Class: transforms + class, Version: "4.3.1", Targets: targets, Spec: plugin.SpecOf(spec),
		NewTransform: func(plugin.Target) plugin.Transform { return transform{configure: configure} },
	}
}

type fieldSpec struct {
	Field string `cfg:"field,required"`
}

type fieldsSpec struct {
	Fields      []string `cfg:"fields,required,nonempty,unique"`
	Replacement *string  `cfg:"replacement,nonempty"`
}

type insertSpec struct {
	StaticField string `cfg:"static.field"`
	StaticValue string `cfg:"static.value"`
}

type castSpec struct {
	Spec []string `cfg:"spec,required"`
}

type timeSpec struct {
	Field  string `cfg:"field"`
	Target string `cfg:"target.type,required" oneof:"string|unix|Date|Time|Timestamp"`
}

func insertNeedsField(c plugin.Config) error {
	if c["static.field"] == "" {
		return errors.New("No field insertion configured")
	}
	if c["static.value"] == "" {
		return errors.Join(&plugin.ConfigError{Key: "static.value", Reason: "No value specified for static field"})
	}
	return nil
}

func newConverter() plugin.Converter { return converter{} }

// registry has a source and a sink of files, a sink with secrets, and the transforms, predicates and converters that the
// tests name.
func registry(t testing.TB) *plugin.Registry {
	t.Helper()
	r, err := plugin.NewRegistry([]plugin.Descriptor{
		{
			Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSourceConnector", Version: "4.3.1",
			Spec: plugin.SpecOf(struct {
				File  string `cfg:"file"`
				Topic string `cfg:"topic,required,nonempty"`
				Batch int    `cfg:"batch.size" min:"1" max:"10000"`
			}{Batch: 2000}),
			Shape:     plugin.Shape{Key: plugin.AlwaysNull, Value: plugin.PlainText},
			NewSource: func() plugin.Source { return source{} },
		},
		{
			Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSinkConnector", Version: "4.3.1",
			Spec: plugin.SpecOf(struct {
				File string `cfg:"file"`
			}{}),
			NewSink: func() plugin.Sink { return sink{} },
		},
		{
			Name: "search", Class: "com.example.SearchSink", Version: "1.2",
			Spec: plugin.SpecOf(struct {
				URL      string        `cfg:"connection.url,required"`
				Password plugin.Secret `cfg:"connection.password,nonempty"`
				Tokens   int           `cfg:"max.tokens"`
				Weight   float64       `cfg:"weight"`
				Mode     string        `cfg:"write.mode,anycase" oneof:"insert|upsert"`
			}{Tokens: 1}),
			NewSink: func() plugin.Sink { return sink{} },
		},
		{
			Name: "bucket", Class: "com.example.BucketSink", Version: "1.2",
			Spec: plugin.SpecOf(struct {
				Key string `cfg:"access_key,required"`
			}{}),
			NewSink: func() plugin.Sink { return sink{} },
		},
		fieldTransform("hoist_field", "HoistField", true, fieldSpec{}, nil),
		fieldTransform("extract_field", "ExtractField", true, fieldSpec{}, nil),
		fieldTransform("mask_field", "MaskField", true, fieldsSpec{}, nil),
		fieldTransform("insert_field", "InsertField", true, insertSpec{}, insertNeedsField),
		fieldTransform("value_to_key", "ValueToKey", false, fieldsSpec{}, nil),
		fieldTransform("cast", "Cast", true, castSpec{}, nil),
		fieldTransform("timestamp_converter", "TimestampConverter", true, timeSpec{}, nil),
		fieldTransform("drop", "Filter", false, struct{}{}, nil),
		fieldTransform("regex_router", "RegexRouter", false, struct {
			Regex       string `cfg:"regex,required"`
			Replacement string `cfg:"replacement,required"`
		}{}, nil),
		{
			Name: "topic_name_matches", Class: transforms + "predicates.TopicNameMatches", Version: "4.3.1",
			Spec: plugin.SpecOf(struct {
				Pattern string `cfg:"pattern,required,nonempty"`
			}{}),
			NewPredicate: func() plugin.Predicate { return predicate{} },
		},
		{
			Name: "json", Class: "org.apache.kafka.connect.json.JsonConverter", Version: "4.3.1",
			Spec: plugin.SpecOf(struct {
				Schemas bool `cfg:"schemas.enable"`
				Cache   int  `cfg:"schemas.cache.size"`
			}{Schemas: true, Cache: 1000}),
			NewConverter: newConverter,
		},
		{Name: "string", Class: "org.apache.kafka.connect.storage.StringConverter", Version: "4.3.1", NewConverter: newConverter},
		{Name: "simple", Class: "org.apache.kafka.connect.storage.SimpleHeaderConverter", Version: "4.3.1", Uses: plugin.HeadersOnly, NewConverter: newConverter},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// worker is one with the given properties, written as key=value.
func worker(t testing.TB, r *plugin.Registry, lines ...string) *config.Worker {
	t.Helper()
	w, l := config.ReadWorker(&config.Declared{Map: properties(lines...)}, r)
	if l.HasErrors() {
		t.Fatal(l.Err())
	}
	return w
}

func properties(lines ...string) config.Map {
	m := config.Map{}
	for _, line := range lines {
		k, v, _ := strings.Cut(line, "=")
		m[k] = v
	}
	return m
}
