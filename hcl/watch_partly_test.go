package hcl

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// contents are what the property writes into each file, "" meaning that there is none.
var contents = map[string][]string{
	"a.hcl":           {"", "# nothing\n", plain("a", `"1"`), plain("a", `"2"`), plain("b", `"1"`), plain("a", "var.t"), plain("a", "local.x"), "pipeline {", plain("a", "1 +")},
	"b.hcl":           {"", plain("b", `"1"`), plain("b", `file("elsewhere.txt")`), plain("b", `file("a.hcl")`) + plain("c", "var.t"), plain("c", `join("", fileset(".", "*.txt"))`)},
	"c.hcl":           {"", plain("d", `"1"`), strings.Replace(plain("d", "each.key"), "{\n", "{\n  for_each = toset([\"x\", \"y\"])\n", 1), strings.Replace(plain("d", `"1"`), "{\n", "{\n  enabled = false\n", 1), plain("d", `"1"`) + plain("d", `"1"`)},
	"s.hcl":           {"variable \"t\" {\n  default = \"t\"\n}\nlocals {\n  x = \"x\"\n}\n", "variable \"t\" {\n  default = \"u\"\n}\nlocals {\n  x = \"y\"\n}\n", plain("s", `"1"`)},
	"t.hcl":           {"", "# nothing\n", "defaults {\n  tasks_max = 2\n}\n", "defaults {\n  tasks_max = 3\n}\n" + plain("t", `"1"`), "t = 1\n"},
	"v.auto.vars.hcl": {"", "# nothing\n", "t = \"v\"\n", "t = \"w\"\n"},
	"elsewhere.txt":   {"e", "f", ""},
	"other.txt":       {"", "o"},
}

func plain(name, topic string) string {
	return fmt.Sprintf("pipeline %q {\n  source \"file\" {\n    topic = %s\n  }\n}\n", name, topic)
}

// TestPartlyIsAsGoodAsWhole changes files at random: what a load after a look makes of them is what a whole load makes.
func TestPartlyIsAsGoodAsWhole(t *testing.T) {
	t.Parallel()
	registry, err := plugin.NewRegistry([]plugin.Descriptor{
		{Name: "file", Class: "file", NewSource: func() plugin.Source { return nil }, Spec: plugin.Spec{Fields: []plugin.Setting{{Name: "topic", Type: plugin.StringType}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Registry: registry, Env: func(string) (string, bool) { return "", false }}
	names := slices.Sorted(maps.Keys(contents))
	dir := t.TempDir()
	parts := 0
	rapid.Check(t, func(t *rapid.T) {
		for _, n := range names {
			change(t, dir, n)
		}
		p, _ := Load(dir, opts)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				change(t, dir, rapid.SampledFrom(names).Draw(t, "file"))
			}
			fresh, _, _ := p.disk.again()
			if _, ok := p.partly(fresh); ok {
				parts++
			}
			next, found := p.again(fresh)
			whole, wholly := Load(dir, opts)
			same(t, next, found, whole, wholly)
			p = next
		}
	})
	if parts == 0 {
		t.Error("no load was done partly, so nothing was compared")
	}
}

func change(t *rapid.T, dir, name string) {
	text := rapid.SampledFrom(contents[name]).Draw(t, name)
	path := filepath.Join(dir, name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if text == "" {
		err = os.Remove(path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *rapid.T, got *Project, gotFound diag.List, want *Project, wantFound diag.List) {
	if diff := cmp.Diff(wantFound, gotFound); diff != "" {
		t.Fatalf("diagnostics (-whole +partly):\n%s", diff)
	}
	if diff := cmp.Diff(want.Pipelines, got.Pipelines); diff != "" {
		t.Fatalf("pipelines (-whole +partly):\n%s", diff)
	}
	if diff := cmp.Diff(want.Worker, got.Worker); diff != "" {
		t.Fatalf("worker (-whole +partly):\n%s", diff)
	}
	if diff := cmp.Diff(want.Files(), got.Files()); diff != "" {
		t.Fatalf("files (-whole +partly):\n%s", diff)
	}
	for _, f := range want.Files() {
		w, _ := want.Source(f)
		if g, err := got.Source(f); err != nil || string(g) != string(w) {
			t.Fatalf("the source of %s is %q, %v, want %q", f, g, err, w)
		}
	}
	sums := func(p *Project) map[question]string {
		all := map[question]string{}
		for q, a := range p.disk.given {
			all[q] = fmt.Sprintf("%x for %v", a.sum, slices.Sorted(slices.Values(p.disk.askers[q])))
		}
		return all
	}
	if diff := cmp.Diff(sums(want), sums(got), cmp.AllowUnexported(question{})); diff != "" {
		t.Fatalf("what was read (-whole +partly):\n%s", diff)
	}
}
