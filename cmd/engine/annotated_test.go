package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins"
)

var annotation = regexp.MustCompile(`# (ERROR|WARNING) "((?:[^"\\]|\\.)*)"`)

// TestAnnotated checks projects of one file each that say on the line of each mistake what is said of it, with the plugins
// and the worker's settings taken into account; what is said elsewhere fails too. Files that need neither are package hcl's.
func TestAnnotated(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "errors", "*.hcl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found := judged(t, file)
			for i, line := range strings.Split(string(text), "\n") {
				for _, m := range annotation.FindAllStringSubmatch(line, -1) {
					re := regexp.MustCompile(strings.ReplaceAll(m[2], `\"`, `"`))
					at := slices.IndexFunc(found, func(d diag.Diagnostic) bool {
						said := string(d.Code) + " " + strings.Join(strings.Fields(d.Detail), " ")
						return d.Place.Line == i+1 && strings.ToUpper(d.Severity.String()) == m[1] && re.MatchString(said)
					})
					if at < 0 {
						t.Errorf("%s:%d: no %s matches %q", file, i+1, m[1], m[2])
						continue
					}
					found = slices.Delete(found, at, at+1)
				}
			}
			for _, d := range found {
				t.Errorf("unexpected: %s", d.Error())
			}
		})
	}
}

// judged is everything that engine run would say of a project, in the order in which it looks.
func judged(t *testing.T, file string) diag.List {
	t.Helper()
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		t.Fatal(err)
	}
	p := process{env: func(string) (string, bool) { return "", false }}
	pr, found, err := p.read([]string{file}, variables{}, registry)
	if err != nil {
		t.Fatal(err)
	}
	pr.registry = registry
	found = append(found, pr.compile(config.ReadWorker)...)
	if !found.HasErrors() {
		found = append(found, pr.here()...)
	}
	return found
}

// TestEveryCodeOfTheFilesIsShown: an annotated file has each code that is about files (E1xx to E7xx).
func TestEveryCodeOfTheFilesIsShown(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	of := regexp.MustCompile(`# ERROR "(E[1-7]\d\d)`)
	for _, dir := range []string{filepath.Join("testdata", "errors"), filepath.Join("..", "..", "hcl", "testdata")} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".hcl" {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range of.FindAllStringSubmatch(string(text), -1) {
				shown[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range diag.Codes() {
		if about := e.Code[0] == 'E' && e.Code[1] >= '1' && e.Code[1] <= '7'; about && !shown[string(e.Code)] {
			t.Errorf("no annotated file has %s (%s)", e.Code, e.Summary)
		}
	}
}
