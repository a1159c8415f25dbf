package plugin_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
)

func sourceOf(name, class string) plugin.Descriptor {
	return plugin.Descriptor{Name: name, Class: class, NewSource: func() plugin.Source { return nil }}
}

func sinkOf(name, class string) plugin.Descriptor {
	return plugin.Descriptor{Name: name, Class: class, NewSink: func() plugin.Sink { return nil }}
}

func transformOf(name, class string, targets bool) plugin.Descriptor {
	return plugin.Descriptor{Name: name, Class: class, Targets: targets, NewTransform: func(plugin.Target) plugin.Transform { return nil }}
}

func converterOf(name, class string) plugin.Descriptor {
	return plugin.Descriptor{Name: name, Class: class, NewConverter: func() plugin.Converter { return nil }}
}

func registry(t *testing.T) *plugin.Registry {
	t.Helper()
	r, err := plugin.NewRegistry([]plugin.Descriptor{
		sourceOf("file", "org.apache.kafka.connect.file.FileStreamSourceConnector"),
		sinkOf("file", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
		sinkOf("other", "com.example.FileStreamSinkConnector"),
		transformOf("mask_field", "org.apache.kafka.connect.transforms.MaskField", true),
		transformOf("filter", "org.apache.kafka.connect.transforms.Filter", false),
		converterOf("json", "org.apache.kafka.connect.json.JsonConverter"),
		converterOf("simple", "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
		{Name: "is", Class: "x.Is", NewPredicate: func() plugin.Predicate { return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegistryFindsByClass(t *testing.T) {
	t.Parallel()
	r := registry(t)
	for _, c := range []struct {
		role   plugin.Role
		class  string
		want   string // alias, "" for none
		target plugin.Target
	}{
		{plugin.SourceRole, "org.apache.kafka.connect.file.FileStreamSourceConnector", "file", plugin.NoTarget},
		{plugin.SourceRole, "FileStreamSourceConnector", "file", plugin.NoTarget},
		{plugin.SourceRole, "FileStreamSource", "file", plugin.NoTarget},
		{plugin.SourceRole, "filestreamsource", "", plugin.NoTarget},
		{plugin.SourceRole, "file", "", plugin.NoTarget},
		{plugin.SourceRole, "FileStreamSink", "", plugin.NoTarget},
		{plugin.SinkRole, "FileStreamSink", "file", plugin.NoTarget}, // the first of two
		{plugin.SinkRole, "com.example.FileStreamSinkConnector", "other", plugin.NoTarget},
		{plugin.TransformRole, "org.apache.kafka.connect.transforms.MaskField$Key", "mask_field", plugin.Key},
		{plugin.TransformRole, "org.apache.kafka.connect.transforms.MaskField$Value", "mask_field", plugin.Value},
		{plugin.TransformRole, "org.apache.kafka.connect.transforms.MaskField", "", plugin.NoTarget},
		{plugin.TransformRole, "MaskField$Key", "", plugin.NoTarget},
		{plugin.TransformRole, "org.apache.kafka.connect.transforms.Filter", "filter", plugin.NoTarget},
		{plugin.TransformRole, "Filter", "filter", plugin.NoTarget},
		{plugin.TransformRole, "Filter$Value", "", plugin.NoTarget},
		{plugin.ConverterRole, "Json", "json", plugin.NoTarget},
		{plugin.ConverterRole, "Simple", "simple", plugin.NoTarget},
		{plugin.ConverterRole, "SimpleHeader", "", plugin.NoTarget},
		{plugin.PredicateRole, "Is", "is", plugin.NoTarget},
		{plugin.PredicateRole, "", "", plugin.NoTarget},
	} {
		d, target, ok := r.Class(c.role, c.class)
		if ok != (c.want != "") || d.Name != c.want || target != c.target {
			t.Errorf("%s %q: got %q, target %q, %v; want %q, target %q", c.role, c.class, d.Name, target, ok, c.want, c.target)
		}
	}
	for class, want := range map[string]plugin.Role{"FileStreamSource": plugin.SourceRole, "FileStreamSink": plugin.SinkRole, "Filter": 0} {
		d, ok := r.Connector(class)
		if d.Role() != want || ok != (want != 0) {
			t.Errorf("connector %s: got role %d, %v; want %d", class, d.Role(), ok, want)
		}
	}
}

func TestRegistryLists(t *testing.T) {
	t.Parallel()
	r := registry(t)
	if d := cmp.Diff([]string{"file", "other"}, r.Names(plugin.SinkRole)); d != "" {
		t.Errorf("names of sinks (-want +got):\n%s", d)
	}
	want := []string{
		"org.apache.kafka.connect.transforms.Filter",
		"org.apache.kafka.connect.transforms.MaskField$Key",
		"org.apache.kafka.connect.transforms.MaskField$Value",
	}
	if d := cmp.Diff(want, r.Classes(plugin.TransformRole)); d != "" {
		t.Errorf("classes of transforms (-want +got):\n%s", d)
	}
	for role, name := range map[plugin.Role]string{plugin.SourceRole: "file", plugin.SinkRole: "file", plugin.PredicateRole: "is"} {
		if d, ok := r.Alias(role, name); !ok || d.Role() != role {
			t.Errorf("alias %q of a %s: got role %s, %v", name, role, d.Role(), ok)
		}
	}
	if _, ok := r.Alias(plugin.SourceRole, "other"); ok {
		t.Error("a sink was found as a source")
	}
	all := r.All()
	all[0].Name = "changed"
	if len(all) != 8 || r.All()[0].Name != "file" {
		t.Errorf("all: got %d, first %q", len(all), r.All()[0].Name)
	}
}

func TestRegistryRefuses(t *testing.T) {
	t.Parallel()
	for want, ds := range map[string][]plugin.Descriptor{
		`plugin "": a descriptor needs a name, a class and a constructor`:  {sourceOf("", "a.B")},
		`plugin "a": a descriptor needs a name, a class and a constructor`: {{Name: "a", Class: "a.B"}},
		`plugin "a": there is another source of that name`:                 {sourceOf("a", "a.B"), sourceOf("a", "a.C")},
		`plugin "c": there is another sink of class a.B`:                   {sinkOf("b", "a.B"), sinkOf("c", "a.B")},
	} {
		_, err := plugin.NewRegistry(ds)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	got := []string{
		plugin.SourceRole.String(), plugin.ConverterRole.String(), plugin.Key.String(), plugin.NoTarget.Suffix(), plugin.Value.Suffix(),
		plugin.HeaderUse.String(), plugin.PasswordType.String(),
	}
	want := []string{"source", "converter", "key", "", "$Value", "header", "PASSWORD"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("words (-want +got):\n%s", d)
	}
}
