package main

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/reference")

// TestReferenceIsFresh compares docs/reference with what the code says of itself; `make reference` rewrites it.
func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "docs", "reference")
	pages := referencePages()
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	var there []string
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		there = append(there, f.Name())
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(pages)), there); d != "" {
		t.Errorf("pages of docs/reference (-want +got, rewrite with make reference):\n%s", d)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("docs/reference/%s is out of date (-want +got, rewrite with make reference):\n%s", name, d)
		}
	}
}
