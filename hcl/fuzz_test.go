package hcl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/penstock/penstock/hcl"
)

// FuzzLoad: whatever stands in a file, a load ends, and every message of it has a place and can be printed.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/messages/*.txtar", "testdata/examples/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			a, err := txtar.ParseFile(file)
			if err != nil {
				f.Fatal(err)
			}
			for _, part := range a.Files {
				if strings.HasSuffix(part.Name, ".hcl") {
					f.Add(part.Data)
				}
			}
		}
	}
	o := options(f)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "a.hcl")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p, found := hcl.Load(file, o)
		for _, d := range found {
			if d.Place.IsZero() || d.Detail == "" || d.Summary == "" || d.Place.Line < 1 || d.Place.Column < 1 {
				t.Errorf("message without a place or a text: %+v", d)
			}
		}
		render(t, dir, p, found)
		for _, d := range p.Pipelines {
			if d.Name() == "" || d.Map["connector.class"] == "" || len(d.Map) != len(d.Origins) {
				t.Errorf("incomplete pipeline: %+v", d)
			}
		}
	})
}
