package diag_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/diag"
)

func TestSorted(t *testing.T) {
	t.Parallel()
	at := func(file string, line, column int, code diag.Code) diag.Diagnostic {
		return diag.New(code, diag.Place{File: file, Line: line, Column: column}, "x")
	}
	want := diag.List{
		diag.New(diag.Usage, diag.Place{}, "x"), at("a.hcl", 2, 9, diag.InvalidValue), at("a.hcl", 10, 1, diag.InvalidValue),
		at("a.hcl", 10, 2, diag.Syntax), at("a.hcl", 10, 2, diag.NoEffect), at("b.hcl", 1, 1, diag.Syntax),
	}
	mixed := diag.List{want[3], want[5], want[1], want[4], want[0], want[2]}
	before := append(diag.List(nil), mixed...)
	if d := cmp.Diff(want, mixed.Sorted()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(before, mixed); d != "" {
		t.Errorf("Sorted changed its list:\n%s", d)
	}
}

func TestErr(t *testing.T) {
	t.Parallel()
	warning := diag.Warn(diag.NoEffect, diag.Place{}, "w")
	first := diag.New(diag.Syntax, diag.Place{File: "a.hcl", Line: 1, Column: 2}, "one\n\n    two   three")
	second := diag.New(diag.Usage, diag.Place{}, "s")
	if err := (diag.List{warning}).Err(); err != nil {
		t.Errorf("warnings alone are an error: %v", err)
	}
	if err := (diag.List{warning, first}).Err(); err == nil || err.Error() != "a.hcl:1:2: Invalid syntax [E107]: one two three" {
		t.Errorf("got %v", err)
	}
	err := (diag.List{warning, first, second}).Err()
	if err == nil || err.Error() != "a.hcl:1:2: Invalid syntax [E107]: one two three (and 1 more)" {
		t.Errorf("got %v", err)
	}
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok || d.Code != diag.NoEffect {
		t.Errorf("the list's diagnostics cannot be found in the error: %v", d)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	one := diag.New(diag.Syntax, diag.Place{File: "a.hcl"}, "one")
	list := diag.List{one, diag.Warn(diag.NoEffect, diag.Place{}, "two")}
	cases := []struct {
		name string
		err  error
		want diag.List
	}{
		{"nothing", nil, nil},
		{"a list", list.Err(), list},
		{"a list inside", fmt.Errorf("load: %w", list.Err()), list},
		{"a diagnostic inside", fmt.Errorf("load: %w", &one), diag.List{one}},
		{"another error", errors.New("100% wrong"), diag.List{diag.New(diag.Unreadable, diag.Place{}, "100%% wrong")}},
	}
	for _, c := range cases {
		if d := cmp.Diff(c.want, diag.Of(c.err, diag.Unreadable)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestZeroSeverityIsError(t *testing.T) {
	t.Parallel()
	if l := (diag.List{{}}); !l.HasErrors() || l[0].Severity.String() != "Error" {
		t.Error("a forgotten severity is lenient")
	}
}

func TestPlaceString(t *testing.T) {
	t.Parallel()
	for p, want := range map[diag.Place]string{
		{}:                                      "",
		{File: "a.hcl"}:                         "a.hcl",
		{File: "a.hcl", Line: 3, Column: 7}:     "a.hcl:3:7",
		{Line: 3, Column: 7, Context: "nofile"}: "",
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"tasks_max", "topics", "file", "id", "transforms.mask.fields", "tasks.max.enforce"}
	for name, want := range map[string]string{
		"task_max":               "tasks_max",
		"TASKS-MAX":              "tasks_max",
		"tasksmax":               "tasks_max",
		"topcis":                 "topics", // a swap is one edit
		"fiel":                   "file",
		"ib":                     "id",
		"xy":                     "", // two edits would make anything of a short name
		"":                       "",
		"something_else":         "",
		"transforms.mask.feilds": "transforms.mask.fields",
		"tasks_max_enforced":     "tasks.max.enforce",
	} {
		if got := diag.Nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := diag.Nearest("ab", []string{"ax", "ay"}); got != "ax" {
		t.Errorf("of equals the first wins, not %q", got)
	}
	if got := diag.DidYouMean("task_max", names); got != ` Did you mean "tasks_max"?` {
		t.Errorf("got %q", got)
	}
	if got := diag.DidYouMean("something_else", names); got != "" {
		t.Errorf("got %q", got)
	}
}
