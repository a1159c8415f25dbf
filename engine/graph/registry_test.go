package graph_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type source struct{ plugin.Source }

func (source) Validate(c plugin.Config) []error {
	if c["file"] == "/forbidden" {
		return []error{errors.New("not that one")}
	}
	return nil
}

type sink struct{ plugin.Sink }

type transform struct{}

func (transform) Configure(plugin.Config) error              { return nil }
func (transform) Apply(context.Context, *record.Batch) error { return nil }

type predicate struct{}

func (predicate) Configure(plugin.Config) error     { return nil }
func (predicate) Test(*record.Record) (bool, error) { return true, nil }

type converter struct{}

func (converter) Configure(plugin.Config, plugin.Use) error { return nil }

func (converter) AppendData(dst []byte, _ string, _ record.Datum) ([]byte, error) { return dst, nil }

func (converter) ReadData(*record.Arena, string, []byte) (record.Datum, error) {
	return record.Datum{}, nil
}

const transforms = "org.apache.kafka.connect.transforms."

type option func([]plugin.Descriptor)

// version gives every plugin of a class another version.
func version(class, v string) option {
	return func(ds []plugin.Descriptor) {
		for i := range ds {
			if strings.HasSuffix(ds[i].Class, class) {
				ds[i].Version = v
			}
		}
	}
}

func registry(t testing.TB, opts ...option) *plugin.Registry {
	t.Helper()
	newTransform := func(plugin.Target) plugin.Transform { return transform{} }
	newConverter := func() plugin.Converter { return converter{} }
	file := plugin.SpecOf(struct {
		File  string `cfg:"file"`
		Topic string `cfg:"topic"`
	}{})
	texts := func(names ...string) (s plugin.Spec) {
		for _, n := range names {
			s.Fields = append(s.Fields, plugin.Setting{Name: n, Type: plugin.StringType})
		}
		return s
	}
	ds := []plugin.Descriptor{
		{Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSourceConnector", Spec: file, NewSource: func() plugin.Source { return source{} }},
		{Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSinkConnector", Spec: file, NewSink: func() plugin.Sink { return sink{} }},
		{Name: "tables", Class: "com.example.TableSource", NewSource: func() plugin.Source { return source{} }},
		{Name: "hoist_field", Class: transforms + "HoistField", Spec: texts("field"), Targets: true, NewTransform: newTransform},
		{Name: "mask_field", Class: transforms + "MaskField", Spec: texts("fields", "replacement"), Targets: true, NewTransform: newTransform},
		{Name: "drop", Class: transforms + "Filter", NewTransform: newTransform},
		{Name: "regex_router", Class: transforms + "RegexRouter", Spec: texts("regex", "replacement"), NewTransform: newTransform},
		{Name: "topic_name_matches", Class: transforms + "predicates.TopicNameMatches", Spec: texts("pattern"), NewPredicate: func() plugin.Predicate { return predicate{} }},
		{Name: "json", Class: "org.apache.kafka.connect.json.JsonConverter", Spec: plugin.SpecOf(struct {
			Schemas bool `cfg:"schemas.enable"`
		}{true}), NewConverter: newConverter},
		{Name: "string", Class: "org.apache.kafka.connect.storage.StringConverter", NewConverter: newConverter},
		{Name: "avro", Class: "io.confluent.connect.avro.AvroConverter", Spec: plugin.SpecOf(struct {
			URLs []string `cfg:"schema.registry.url,required,nonempty"`
		}{}), NewConverter: newConverter},
		{Name: "simple", Class: "org.apache.kafka.connect.storage.SimpleHeaderConverter", Uses: plugin.HeadersOnly, NewConverter: newConverter},
	}
	for i := range ds {
		ds[i].Version = "4.3.1"
	}
	for _, o := range opts {
		o(ds)
	}
	r, err := plugin.NewRegistry(ds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

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

// declared are configurations without places, one for each list of lines, labelled pipeline.<name>.
func declared(lists ...[]string) []*config.Declared {
	var ds []*config.Declared
	for _, lines := range lists {
		m := properties(lines...)
		ds = append(ds, &config.Declared{Map: m, Label: "pipeline." + m[config.Name]})
	}
	return ds
}
