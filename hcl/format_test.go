package hcl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	in := "# a comment\n\n\n\npipeline   \"a\" {\n  x=1 # why\n  longer  = <<EOT\na\n\n\n\nb\nEOT\n\n\n\n\n  sink \"file\" {}\n}\n\n\n"
	want := "# a comment\n\npipeline \"a\" {\n  x      = 1 # why\n  longer = <<EOT\na\n\n\n\nb\nEOT\n\n  sink \"file\" {}\n}\n"
	got, found := hcl.Format("a.hcl", []byte(in))
	if diff := cmp.Diff(want, string(got)); len(found) > 0 || diff != "" {
		t.Errorf("%v (-want +got):\n%s", found.Err(), diff)
	}
	again, _ := hcl.Format("a.hcl", got)
	if diff := cmp.Diff(want, string(again)); diff != "" {
		t.Errorf("twice (-want +got):\n%s", diff)
	}
	if _, found := hcl.Format("a.hcl", []byte("pipeline \"a\" {\n")); !found.HasErrors() {
		t.Error("a broken file was formatted")
	}
}

// TestTheExamplesAreFormatted: what people copy from is in the one style.
func TestTheExamplesAreFormatted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../pipelines/*/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, f := range files {
		text := read(t, f)
		if got, found := hcl.Format(f, []byte(text)); len(found) > 0 || string(got) != text {
			t.Errorf("%s: not formatted, or %v", f, found.Err())
		}
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.hcl": "variable \"n\" {\n  default = 2\n}\nvariable \"p\" {\n  sensitive = true\n  default = \"s3cr3t\"\n}\nlocals {\n  l = [\"a\", var.n]\n}\n"})
	p, found := hcl.Load(dir, options(t))
	if len(found) > 0 {
		t.Fatal(found.Err())
	}
	for expression, want := range map[string]string{
		"local.l": `["a",2]`, "var.n + 1": "3", `upper("x")`: `"X"`, "var.p": "(sensitive)", `"${var.p}x"`: "(sensitive)", "null": "null",
		`raw::base64("AA==")`: "(bytes)",
	} {
		if got, found := p.Eval(expression); got != want || len(found) > 0 {
			t.Errorf("%s: got %s, %v, want %s", expression, got, found.Err(), want)
		}
	}
	for expression, code := range map[string]diag.Code{"var.m": diag.UnknownVariable, "1 +": diag.Syntax, "": diag.Syntax, "nope()": diag.UnknownName} {
		if got, found := p.Eval(expression); len(found) == 0 || found[0].Code != code || strings.Contains(found[0].Detail, "s3cr3t") {
			t.Errorf("%s: got %s, %v, want %s", expression, got, found.Err(), code)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
