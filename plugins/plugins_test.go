package plugins_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins"
)

// A plugin that has a folder and no line in the list would be missing from the binary, and nobody would notice.
func TestEveryFolderIsInTheList(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "testdata" && e.Name() != "registry" && e.Name() != "jackson" { // which several plugins share
			folders = append(folders, e.Name())
		}
	}
	list, err := parser.ParseFile(token.NewFileSet(), "plugins.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, spec := range list.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(path, "github.com/penstock/penstock/plugins/"); ok {
			listed = append(listed, name)
		}
	}
	if d := cmp.Diff(folders, listed); d != "" {
		t.Errorf("folders and imports of plugins.go (-folders +imports):\n%s", d)
	}
	for _, f := range folders {
		if _, err := os.Stat(f + "/README.md"); err != nil {
			t.Errorf("plugin without a README: %v", err)
		}
	}
}

func TestAllCanBeRegistered(t *testing.T) {
	t.Parallel()
	r, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{
		"org.apache.kafka.connect.file.FileStreamSourceConnector", "FileStreamSourceConnector", "FileStreamSource",
		"org.apache.kafka.connect.file.FileStreamSinkConnector", "FileStreamSink", "penstock.DatagenSource", "penstock.BlackholeSink",
	} {
		if _, ok := r.Connector(class); !ok {
			t.Errorf("there is no connector of class %s", class)
		}
	}
	for role, name := range map[plugin.Role]string{plugin.SourceRole: "file", plugin.SinkRole: "file"} {
		if d, ok := r.Alias(role, name); !ok || d.Role() != role {
			t.Errorf("%s %q: got %v of role %s", role, name, ok, d.Role())
		}
	}
}

// The README of a connector has a row for each setting, with its documentation.
func TestReadmesShowEverySetting(t *testing.T) {
	t.Parallel()
	for _, d := range plugins.All() {
		if d.Role() != plugin.SourceRole && d.Role() != plugin.SinkRole {
			continue
		}
		readme, err := os.ReadFile(d.Name + "/README.md")
		if err != nil {
			t.Error(err)
			continue
		}
		text := strings.ReplaceAll(string(readme), "`", "")
		for _, f := range d.Spec.Fields {
			row := "| " + f.Name + " | " + strings.ReplaceAll(f.Name, ".", "_") + " | " + strings.ToLower(f.Type.String()) + " |"
			if !strings.Contains(text, row) || !strings.Contains(text, "| "+f.Doc+" |") {
				t.Errorf("README of %s %s: there is no row %s … | %s |", d.Role(), d.Name, row, f.Doc)
			}
		}
	}
}
