package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
)

// engineWith is engineIn with an environment, its two outputs apart.
func engineWith(t *testing.T, env map[string]string, args ...string) (status int, out, said string) {
	t.Helper()
	printed, told := &output{}, &output{}
	p := process{args: args, in: strings.NewReader(""), out: printed, err: told, env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	status = execute(t.Context(), p)
	return status, printed.String(), told.String()
}

// realConfigs are the configurations of testdata/configs, by file: what the documentation of public connectors shows.
func realConfigs(t *testing.T) map[string]config.Map {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "configs", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]config.Map{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, found := config.ReadConnector(file, text)
		if found.HasErrors() {
			t.Fatalf("%s: %v", file, found.Err())
		}
		all[file] = d.Map
	}
	if len(all) < 60 {
		t.Fatalf("got %d configurations, want 60 and more", len(all))
	}
	return all
}

// TestEveryConfigurationHasASource: the list of testdata/configs names a public address, at one commit, for each file, and
// nothing else.
func TestEveryConfigurationHasASource(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "configs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\S+\.json) \| https://github\.com/[^/]+/[^/]+/blob/[0-9a-f]{40}/\S+ \|$`)
	var listed, there []string
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	for file := range realConfigs(t) {
		there = append(there, filepath.Base(file))
	}
	slices.Sort(there)
	if diff := cmp.Diff(there, listed); diff != "" {
		t.Errorf("files (-) and those with a source (+):\n%s", diff)
	}
}

// secretsOf are the values of the variables that importing leaves out, in the order of the import.
func secretsOf(t *testing.T, configs ...config.Map) map[string]string {
	t.Helper()
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		t.Fatal(err)
	}
	env, taken := map[string]string{}, &hcl.Taken{}
	for _, m := range configs {
		_, secrets, err := hcl.Generate(hcl.Imported{Config: m}, hcl.Generation{Registry: registry, Taken: taken})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			env[s.Variable] = m[s.Property]
		}
	}
	return env
}

// having is a cluster that runs connectors.
func having(configs ...config.Map) *connect {
	c := newConnect()
	for _, m := range configs {
		c.configs[m[config.Name]], c.states[m[config.Name]] = maps.Clone(m), "RUNNING"
	}
	return c
}

// TestRealConfigurationsAreImported: each is written as HCL in the style of fmt, shows no secret, and a plan against a
// cluster that has it is empty.
func TestRealConfigurationsAreImported(t *testing.T) {
	t.Parallel()
	for file, m := range realConfigs(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			env := secretsOf(t, m)
			server := httptest.NewServer(having(m))
			t.Cleanup(server.Close)
			status, text, said := engineWith(t, nil, "import", file)
			if status != 0 {
				t.Fatal(said)
			}
			dir := t.TempDir()
			name := write(t, dir, "imported.hcl", text)
			for variable, secret := range env {
				if !strings.Contains(said, variable) {
					t.Errorf("%s is not listed:\n%s", variable, said)
				}
				others := 0 // properties that are no secrets, and the same
				for _, v := range m {
					if v == secret {
						others++
					}
				}
				if others == 1 && strings.Contains(text+said, `"`+secret+`"`) {
					t.Errorf("the value of %s is shown:\n%s", variable, text)
				}
			}
			if status, out, said := engineWith(t, env, "plan", "-url", server.URL, "-validate", "off", "-exact", "-detailed-exitcode", dir); status != 0 {
				t.Errorf("got %d and\n%s\n%s\n%s", status, out, said, text)
			}
			if status, out, said := engineWith(t, nil, "fmt", "-check", name); status != 0 {
				t.Errorf("fmt: got %d, %s %s\n%s", status, out, said, text)
			}
		})
	}
}

// TestAClusterIsImportedWhole: all configurations at once, from a running worker and from its answer in a file; then a plan
// is empty, and so is one after the project has taken them over.
func TestAClusterIsImportedWhole(t *testing.T) {
	t.Parallel()
	configs := slices.SortedFunc(maps.Values(realConfigs(t)), func(a, b config.Map) int { return strings.Compare(a[config.Name], b[config.Name]) })
	env := secretsOf(t, configs...)
	c := having(configs...)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	status, text, said := engineWith(t, nil, "import", "-url", server.URL)
	if status != 0 {
		t.Fatal(said)
	}
	dir := t.TempDir()
	write(t, dir, "all.hcl", text)
	plan := []string{"plan", "-url", server.URL, "-validate", "off", "-detailed-exitcode", dir}
	if status, out, said := engineWith(t, env, plan...); status != 0 {
		t.Errorf("got %d and\n%s\n%s", status, out, said)
	}
	write(t, dir, "project.hcl", "project \"all\" {}\n")
	if status, out, said := engineWith(t, env, "apply", "-url", server.URL, "-validate", "off", "-settle", "1ms", "-auto-approve", dir); status != 0 {
		t.Errorf("got %d and\n%s\n%s", status, out, said)
	}
	if status, out, said := engineWith(t, env, plan...); status != 0 {
		t.Errorf("got %d and\n%s\n%s", status, out, said)
	}
	for _, want := range configs {
		got := maps.Clone(c.configs[want[config.Name]])
		delete(got, "engine.owner")
		if diff := cmp.Diff(want, config.Map(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want[config.Name], diff)
		}
	}
}
