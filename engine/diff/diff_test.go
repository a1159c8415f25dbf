package diff_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
	"github.com/penstock/penstock/engine/plugin"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func registry(t testing.TB) *plugin.Registry {
	t.Helper()
	const kafka = "org.apache.kafka.connect."
	r, err := plugin.NewRegistry([]plugin.Descriptor{
		{Name: "file", Class: kafka + "file.FileStreamSourceConnector", NewSource: func() plugin.Source { return nil }, Spec: plugin.Spec{Fields: []plugin.Setting{
			{Name: "file", Type: plugin.StringType}, {Name: "topic", Type: plugin.StringType}, {Name: "pin", Type: plugin.PasswordType},
		}}},
		{Name: "file", Class: kafka + "file.FileStreamSinkConnector", NewSink: func() plugin.Sink { return nil }, Spec: plugin.Spec{Fields: []plugin.Setting{
			{Name: "file", Type: plugin.StringType},
		}}},
		{Name: "json", Class: kafka + "json.JsonConverter", NewConverter: func() plugin.Converter { return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	fileSource = "org.apache.kafka.connect.file.FileStreamSourceConnector"
	fileSink   = "org.apache.kafka.connect.file.FileStreamSinkConnector"
)

func choices(t testing.TB) diff.Choices {
	w := config.WorkerDefaults()
	return diff.Choices{Registry: registry(t), Worker: &w}
}

func with(m config.Map, pairs ...string) config.Map {
	out := config.Map{}
	maps.Copy(out, m)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			delete(out, pairs[i])
			continue
		}
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func sourceMap(name string, pairs ...string) config.Map {
	return with(config.Map{"name": name, "connector.class": fileSource, "file": "/data/" + name, "topic": name}, pairs...)
}

func sinkMap(name string, pairs ...string) config.Map {
	return with(config.Map{"name": name, "connector.class": fileSink, "file": "/out/" + name, "topics": "orders"}, pairs...)
}

func declared(m config.Map, line int) *config.Declared {
	return &config.Declared{Map: m, Label: "pipeline." + m["name"], Place: diag.Place{File: "shop.hcl", Line: line, Column: 1}}
}

// ours is a connector that this project has applied.
func ours(t testing.TB, m config.Map, tasks int) diff.Connector {
	t.Helper()
	c := choices(t)
	d := declared(m, 1)
	return diff.Connector{
		Config: m, Type: kind(m), Target: config.Started, Tasks: tasks, Running: tasks, Revision: "7",
		Owner: diff.NewOwner("shop", "shop.hcl:1", m, d.Hidden(c.Worker, c.Registry)),
	}
}

func kind(m config.Map) string {
	if strings.Contains(m["connector.class"], "Source") {
		return "source"
	}
	return "sink"
}

func theirs(m config.Map, project string) diff.Connector {
	c := diff.Connector{Config: m, Type: kind(m), Target: config.Started, Tasks: 1, Running: 1}
	if project != "" {
		c.Owner = &diff.Owner{Project: project, Source: "other.hcl:3", Plain: "0"}
	}
	return c
}

func actions(d *diff.Document) map[string]diff.Action {
	all := map[string]diff.Action{}
	for _, e := range d.Entries {
		all[e.Name] = e.Action
	}
	return all
}

func codes(l diag.List) []diag.Code {
	var cs []diag.Code
	for _, d := range l {
		cs = append(cs, d.Code)
	}
	return cs
}

// TestOwnership holds the table of who may do what to which connector.
func TestOwnership(t *testing.T) {
	t.Parallel()
	a := sourceMap("a")
	changed := with(a, "topic", "b")
	adopting := declared(changed, 1)
	adopting.Lifecycle.Adopt = true
	protected := declared(a, 1)
	protected.Lifecycle.PreventDelete = true
	for name, tt := range map[string]struct {
		project diff.Project
		live    map[string]diff.Connector
		choose  func(*diff.Choices)
		want    map[string]diff.Action
		codes   []diag.Code
	}{
		"not there":                {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}, nil, nil, map[string]diff.Action{"a": diff.Create}, nil},
		"ours and the same":        {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}, map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{"a": diff.Unchanged}, nil},
		"ours and different":       {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(changed, 1)}}, map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{"a": diff.Update}, nil},
		"nobody's and the same":    {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}, map[string]diff.Connector{"a": theirs(a, "")}, nil, map[string]diff.Action{"a": diff.Adopt}, nil},
		"nobody's and different":   {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(changed, 1)}}, map[string]diff.Connector{"a": theirs(a, "")}, nil, map[string]diff.Action{"a": diff.Update}, []diag.Code{diag.NotManaged}},
		"nobody's, to be adopted":  {diff.Project{ID: "shop", Pipelines: []*config.Declared{adopting}}, map[string]diff.Connector{"a": theirs(a, "")}, nil, map[string]diff.Action{"a": diff.Update}, nil},
		"nobody's, with -adopt":    {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(changed, 1)}}, map[string]diff.Connector{"a": theirs(a, "")}, func(c *diff.Choices) { c.Adopt = true }, map[string]diff.Action{"a": diff.Update}, nil},
		"another's":                {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}, map[string]diff.Connector{"a": theirs(a, "search")}, nil, map[string]diff.Action{"a": diff.Unchanged}, []diag.Code{diag.OwnedByAnother}},
		"another's, taken over":    {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}, map[string]diff.Connector{"a": theirs(a, "search")}, func(c *diff.Choices) { c.TakeOver = []string{"a"} }, map[string]diff.Action{"a": diff.Adopt}, nil},
		"ours, not declared":       {diff.Project{ID: "shop"}, map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{"a": diff.Delete}, nil},
		"ours, released":           {diff.Project{ID: "shop", Removed: []config.Removed{{Name: "a"}}}, map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{"a": diff.Release}, nil},
		"another's, not declared":  {diff.Project{ID: "shop"}, map[string]diff.Connector{"a": theirs(a, "search")}, nil, map[string]diff.Action{}, nil},
		"another's, to be removed": {diff.Project{ID: "shop", Removed: []config.Removed{{Name: "a", Delete: true}}}, map[string]diff.Connector{"a": theirs(a, "")}, nil, map[string]diff.Action{}, []diag.Code{diag.NotOurs}},
		"no project deletes none":  {diff.Project{}, map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{}, nil},
		"no project updates":       {diff.Project{Pipelines: []*config.Declared{declared(changed, 1)}}, map[string]diff.Connector{"a": theirs(a, "")}, nil, map[string]diff.Action{"a": diff.Update}, nil},
		"by names":                 {diff.Project{ID: "shop", Owns: func(n string) bool { return n == "a" }}, map[string]diff.Connector{"a": theirs(a, ""), "b": theirs(sourceMap("b"), "")}, nil, map[string]diff.Action{"a": diff.Delete}, nil},
		"by names, and another's by its mark": {
			diff.Project{ID: "shop", Owns: func(n string) bool { return n != "c" }, Pipelines: []*config.Declared{declared(a, 1)}},
			map[string]diff.Connector{"a": theirs(a, "search"), "b": theirs(sourceMap("b"), "search"), "c": theirs(sourceMap("c"), "search")}, nil,
			map[string]diff.Action{"a": diff.Unchanged}, []diag.Code{diag.OwnedByAnother, diag.OwnedByAnother},
		},
		"by names, taken over": {
			diff.Project{ID: "shop", Owns: func(string) bool { return true }, Pipelines: []*config.Declared{declared(a, 1)}},
			map[string]diff.Connector{"a": theirs(a, "search"), "b": theirs(sourceMap("b"), "search")}, func(c *diff.Choices) { c.TakeOver = []string{"a", "b"} },
			map[string]diff.Action{"a": diff.Adopt, "b": diff.Delete}, nil,
		},
		"by names, renamed from another's": {
			diff.Project{ID: "shop", Owns: func(string) bool { return true }, Pipelines: []*config.Declared{declared(with(a, "name", "b"), 1)}, Moved: []config.Moved{{From: "a", To: "b"}}},
			map[string]diff.Connector{"a": theirs(a, "search")}, nil, map[string]diff.Action{"b": diff.Create}, []diag.Code{diag.OwnedByAnother},
		},
		"renamed": {
			diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(with(a, "name", "b"), 1)}, Moved: []config.Moved{{From: "a", To: "b"}}},
			map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{"b": diff.Rename}, nil,
		},
		"renamed before": {
			diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(with(a, "name", "b"), 1)}, Moved: []config.Moved{{From: "a", To: "b"}}},
			map[string]diff.Connector{"b": ours(t, with(a, "name", "b"), 1)}, nil, map[string]diff.Action{"b": diff.Unchanged}, nil,
		},
		"renamed to one that exists": {
			diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(with(a, "name", "b"), 1)}, Moved: []config.Moved{{From: "a", To: "b"}}},
			map[string]diff.Connector{"a": ours(t, a, 1), "b": ours(t, with(a, "name", "b"), 1)}, nil,
			map[string]diff.Action{"b": diff.Unchanged, "a": diff.Delete}, []diag.Code{diag.ConnectorExists},
		},
		"renamed from another's": {
			diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(with(a, "name", "b"), 1)}, Moved: []config.Moved{{From: "a", To: "b"}}},
			map[string]diff.Connector{"a": theirs(a, "search")}, nil, map[string]diff.Action{"b": diff.Create}, []diag.Code{diag.NotOurs},
		},
		"becomes a sink":            {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(sinkMap("a"), 1)}}, map[string]diff.Connector{"a": ours(t, a, 1)}, nil, map[string]diff.Action{"a": diff.Replace}, nil},
		"destroyed":                 {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(a, 1)}}, map[string]diff.Connector{"a": ours(t, a, 1)}, func(c *diff.Choices) { c.Destroy = true }, map[string]diff.Action{"a": diff.Delete}, nil},
		"destroyed, but protected":  {diff.Project{ID: "shop", Pipelines: []*config.Declared{protected}}, map[string]diff.Connector{"a": ours(t, a, 1)}, func(c *diff.Choices) { c.Destroy = true }, map[string]diff.Action{"a": diff.Delete}, []diag.Code{diag.MayNotDelete}},
		"not the one that is meant": {diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(changed, 1)}}, map[string]diff.Connector{"a": ours(t, a, 1)}, func(c *diff.Choices) { c.Wanted = func(n string) bool { return n == "b" } }, map[string]diff.Action{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := choices(t)
			if tt.choose != nil {
				tt.choose(&c)
			}
			d := diff.Compare(tt.project, tt.live, c)
			if diff := cmp.Diff(tt.want, actions(d)); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.codes, codes(d.Found)); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatCountsAsTheSame: spelling, masks, properties of the server, and what a pipeline ignores.
func TestWhatCountsAsTheSame(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		have, want config.Map
		ignore     []string
		exact      bool
		changes    int
		respelt    int
	}{
		"equal":            {sourceMap("a"), sourceMap("a"), nil, false, 0, 0},
		"a number":         {sourceMap("a", "tasks.max", " 4"), sourceMap("a", "tasks.max", "4"), nil, false, 0, 1},
		"exactly":          {sourceMap("a", "tasks.max", " 4"), sourceMap("a", "tasks.max", "4"), nil, true, 1, 0},
		"a bool":           {sourceMap("a", "errors.log.enable", "TRUE"), sourceMap("a", "errors.log.enable", "true"), nil, false, 0, 1},
		"a list":           {sinkMap("a", "topics", "a, b"), sinkMap("a", "topics", "a,b"), nil, false, 0, 1},
		"another order":    {sinkMap("a", "topics", "b,a"), sinkMap("a", "topics", "a,b"), nil, false, 1, 0},
		"a short class":    {sourceMap("a", "connector.class", "FileStreamSource"), sourceMap("a"), nil, false, 0, 1},
		"free text":        {sourceMap("a", "x", "a, b"), sourceMap("a", "x", "a,b"), nil, false, 1, 0},
		"added":            {sourceMap("a", "__internal.id", "7"), sourceMap("a"), nil, false, 0, 0},
		"removed":          {sourceMap("a", "x", "7"), sourceMap("a"), nil, false, 1, 0},
		"ignored":          {sourceMap("a", "tasks.max", "7"), sourceMap("a", "tasks.max", "1"), []string{"tasks.max"}, false, 0, 0},
		"ignored, unset":   {sourceMap("a"), sourceMap("a", "tasks.max", "1"), []string{"tasks.max"}, false, 0, 0},
		"a masked secret":  {sourceMap("a", "pin", "***"), sourceMap("a", "pin", "x"), nil, false, 1, 0},
		"a masked setting": {sourceMap("a", "x", "****************"), sourceMap("a", "x", "y"), nil, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := choices(t)
			c.Exact = tt.exact
			d := declared(tt.want, 1)
			d.Lifecycle.Ignore = tt.ignore
			got := diff.Compare(diff.Project{Pipelines: []*config.Declared{d}}, map[string]diff.Connector{"a": theirs(tt.have, "")}, c).Entries[0]
			if len(got.Changes) != tt.changes || len(got.Respelt) != tt.respelt {
				t.Errorf("got %d changes and %d respelt, want %d and %d: %+v", len(got.Changes), len(got.Respelt), tt.changes, tt.respelt, got)
			}
		})
	}
}

// TestAMaskedSecretIsComparedByItsDigest: some services answer with a mask in the place of a secret.
func TestAMaskedSecretIsComparedByItsDigest(t *testing.T) {
	t.Parallel()
	sent := sourceMap("a", "pin", "1234")
	l := ours(t, sent, 1)
	l.Config = with(sent, "pin", "[hidden]")
	compare := func(m config.Map) int {
		d := diff.Compare(diff.Project{ID: "shop", Pipelines: []*config.Declared{declared(m, 1)}}, map[string]diff.Connector{"a": l}, choices(t))
		return len(d.Entries[0].Changes)
	}
	if n := compare(sent); n != 0 {
		t.Errorf("the same secret: got %d changes, want none", n)
	}
	if n := compare(with(sent, "pin", "4321")); n != 1 {
		t.Errorf("another secret: got %d changes, want one", n)
	}
}

func TestMarksSurviveTheirText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := config.Map(rapid.MapOf(rapid.String(), rapid.String()).Draw(rt, "map"))
		delete(m, diff.MarkProperty)
		hidden := func(k string) bool { return len(k)%2 == 0 }
		o := diff.NewOwner(rapid.StringN(1, 20, -1).Draw(rt, "project"), "", m, hidden)
		marked := with(m, diff.MarkProperty, o.String())
		// with leaves out what is empty
		maps.Copy(marked, m)
		rest, got := diff.Unmark(marked)
		if d := cmp.Diff(o, got); d != "" {
			rt.Fatalf("mark (-want +got):\n%s", d)
		}
		if d := cmp.Diff(m, rest); d != "" {
			rt.Fatalf("map (-want +got):\n%s", d)
		}
		if got.ChangedPlain(rest, hidden) || !got.SameSecrets(rest, hidden) {
			rt.Fatal("the digests are not those of the map")
		}
	})
	if _, o := diff.Unmark(config.Map{diff.MarkProperty: "v2 x y"}); o != nil {
		t.Error("a mark of another version was read")
	}
}

// shop is a project with one of everything.
func shop(t testing.TB) (diff.Project, map[string]diff.Connector) {
	live := map[string]diff.Connector{
		"orders": ours(t, sinkMap("orders", "topics", "orders", "tasks.max", "2", "errors.tolerance", "none", "pin", "1",
			"consumer.override.group.id", "", "value.converter", "org.apache.kafka.connect.json.JsonConverter"), 2),
		"legacy-sync": ours(t, sourceMap("legacy-sync"), 4),
		"old":         ours(t, sourceMap("old"), 1),
		"same":        ours(t, sourceMap("same"), 1),
		"nobody":      theirs(sourceMap("nobody"), ""),
		"free":        ours(t, sourceMap("free"), 1),
		"foreign":     theirs(sourceMap("foreign"), "search"),
	}
	outside := live["orders"]
	outside.Config = with(outside.Config, "consumer.override.max.poll.records", "50")
	live["orders"] = outside
	p := diff.Project{
		ID: "shop",
		Pipelines: []*config.Declared{
			declared(sinkMap("orders", "topics", "orders,order_lines", "tasks.max", "4", "errors.tolerance", "all", "connection.password", "s3cr3t",
				"consumer.override.max.poll.records", "500", "value.converter", "org.apache.kafka.connect.storage.StringConverter",
				"transforms", "route", "transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter",
				"transforms.route.regex", `shop\.(.*)`, "transforms.route.replacement", "$1"), 1),
			declared(sourceMap("audit", "connection.password", "s3cr3t"), 30),
			declared(sourceMap("new", "file", "/data/old", "topic", "old"), 40),
			declared(sourceMap("same"), 50),
			declared(sourceMap("nobody"), 60),
		},
		Moved:   []config.Moved{{From: "old", To: "new", Place: diag.Place{File: "shop.hcl", Line: 70}}},
		Removed: []config.Removed{{Name: "free", Place: diag.Place{File: "shop.hcl", Line: 75}}},
	}
	for i := range 6 {
		name := fmt.Sprintf("cdc-%d", i)
		live[name] = ours(t, sourceMap(name, "file", "f", "topic", "t"), 2)
		p.Pipelines = append(p.Pipelines, declared(sourceMap(name, "file", "f", "topic", "u"), 80+i))
	}
	return p, live
}

func TestText(t *testing.T) {
	t.Parallel()
	p, live := shop(t)
	d := diff.Compare(p, live, choices(t))
	for name, text := range map[string]diff.Text{"plain": {}, "short": {Short: true}, "full": {Full: true}, "color": {Color: true}} {
		var b strings.Builder
		if err := text.Write(&b, d); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.String())
		if strings.Contains(b.String(), "s3cr3t") {
			t.Errorf("%s shows a secret", name)
		}
	}
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "document.json", string(raw)+"\n")
	if strings.Contains(string(raw), "s3cr3t") {
		t.Error("the JSON holds a secret")
	}
	var b strings.Builder
	nothing := diff.Compare(diff.Project{ID: "shop", Pipelines: p.Pipelines[3:4]}, map[string]diff.Connector{"same": live["same"]}, choices(t))
	if err := (diff.Text{}).Write(&b, nothing); err != nil || b.String() != "Nothing to do: 1 connector is as declared.\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

// golden compares with a file, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got, rewrite with -update):\n%s", name, d)
	}
}
