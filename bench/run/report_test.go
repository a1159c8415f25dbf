package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock/penstock/bench/rows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept writes runs as the benchmark keeps them.
func kept(t *testing.T, runs ...outcome) string {
	t.Helper()
	var b strings.Builder
	for _, o := range runs {
		if err := json.NewEncoder(&b).Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "runs.jsonl")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func run(tool string, cpu float64) outcome {
	return outcome{Job: rows.Raw, Tool: tool, Rows: 1_000_000, CPU: cpu, Wall: 0.5, Peak: 50, Machine: "2 × Testing, commit abc"}
}

// TestReportOfKeptRuns makes the table and the picture that the runs gave: medians, and the median of paired ratios.
func TestReportOfKeptRuns(t *testing.T) {
	t.Parallel()
	s := settings{picture: filepath.Join(t.TempDir(), "picture.svg")}
	s.results = kept(t, run("limit", 0.4), run("engine", 0.4), run("engine", 0.9), run("limit", 0.6), run("limit", 0.5), run("engine", 0.6))
	var out strings.Builder
	r := &report{settings: s, out: &out, allocations: map[rows.Job]allocations{}, null: map[int][]float64{}}
	if err := again(s, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 × Testing, commit abc; 1000000 records a run, 3 rounds", "1.20     0.60 (0.40)           0.50 (0.40)  2000"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	picture, err := os.ReadFile(s.picture)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.60 (1.20 ×)", "2 × Testing, commit abc"} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("no %q in\n%s", want, picture)
		}
	}
}

// TestReportRefuses runs that do not belong together, and files that hold none.
func TestReportRefuses(t *testing.T) {
	t.Parallel()
	other := run("engine", 1)
	other.Machine = "another"
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"none": {"", "needs -results"}, "missing": {filepath.Join(t.TempDir(), "missing"), "no such file"}, "broken": {broken, "unexpected EOF"},
		"alone": {kept(t, run("limit", 1)), "no runs of the engine"}, "mixed": {kept(t, run("limit", 1), other), "no one report"},
	} {
		s := settings{results: c.file}
		if err := again(s, &report{settings: s, out: &strings.Builder{}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
