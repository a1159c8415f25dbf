package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock/penstock/plugins"
)

// TestApplyThenPlanIsEmptyForExamples is invariant 8 for every folder of pipelines, on a Kafka Connect and on a cluster of ours.
func TestApplyThenPlanIsEmptyForExamples(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(filepath.Join("..", "..", "pipelines", "*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("got the folders %v, %v", folders, err)
	}
	c := newConnect()
	for _, d := range plugins.All() {
		c.classes[d.Class] = d.Role().String()
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	w := startShared(t, startTestKafka(t), textConverters())
	for target, url := range map[string]string{"connect": server.URL, "cluster": "http://" + w.address} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			for _, folder := range folders {
				if files, _ := filepath.Glob(filepath.Join(folder, "*.hcl")); len(files) == 0 {
					continue
				}
				run := func(want int, says string, args ...string) {
					t.Helper()
					status, out, said := engineWith(t, nil, append(args, "-url", url, folder)...)
					if status != want || !strings.Contains(out, says) {
						t.Errorf("%s: engine %s: got %d and\n%s%s", folder, strings.Join(args, " "), status, out, said)
					}
				}
				run(0, "created", "apply", "-auto-approve", "-wait", "0")
				run(0, "Nothing to do", "plan", "-detailed-exitcode")
				if target == "cluster" { // the next example has names of its own, and nobody reads these any more
					for name := range w.configured(t) {
						forget(t, url, name)
					}
				}
			}
		})
	}
}

// TestApplyThenPlanIsEmptyForExamplesOnAStandaloneWorker reads every folder of pipelines into the one that a worker runs.
func TestApplyThenPlanIsEmptyForExamplesOnAStandaloneWorker(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "pipelines", "*", "*.hcl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got the files %v, %v", files, err)
	}
	byFolder := map[string][]string{}
	for _, f := range files {
		byFolder[filepath.Dir(f)] = append(byFolder[filepath.Dir(f)], f)
	}
	r, url := startIdle(t)
	run := func(says string, args ...string) {
		t.Helper()
		status, out, said := engineWith(t, nil, append(args, "-url", url, r.dir)...)
		if status != 0 || !strings.Contains(out, says) {
			t.Errorf("engine %s: got %d and\n%s%s", strings.Join(args, " "), status, out, said)
		}
	}
	for folder, files := range byFolder {
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r.write("example-"+filepath.Base(f), string(text))
		}
		run("created", "apply", "-auto-approve", "-wait", "0")
		run("Nothing to do", "plan", "-detailed-exitcode")
		if len(r.configs()) < 2 {
			t.Errorf("%s: got the connectors %v, want the example's", folder, r.configs())
		}
		for _, f := range files {
			if err := os.Remove(filepath.Join(r.dir, "example-"+filepath.Base(f))); err != nil {
				t.Fatal(err)
			}
		}
		run("deleted", "apply", "-auto-approve", "-allow-delete")
	}
}

// configured are the configurations of a worker of a cluster, by name.
func (w *restWorker) configured(t *testing.T) map[string]bool {
	t.Helper()
	s, err := w.engine.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, name := range s.Names() {
		all[name] = true
	}
	return all
}
