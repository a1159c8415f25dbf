package diag_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/diag"
)

func printed(t *testing.T, p diag.Printer, l diag.List) string {
	t.Helper()
	var b strings.Builder
	if err := p.Print(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func source(text string) func(string) ([]byte, error) {
	return func(string) ([]byte, error) { return []byte(text), nil }
}

func TestPrintLooksAsTheReferenceSays(t *testing.T) {
	t.Parallel()
	l := diag.List{diag.New(diag.UnknownArgument, diag.Place{File: "orders.hcl", Line: 2, Column: 3, EndLine: 2, EndColumn: 11, Context: `pipeline "orders"`},
		"An argument named %q is not expected in a pipeline. Did you mean %q?", "task_max", "tasks_max")}
	got := printed(t, diag.Printer{Source: source("pipeline \"orders\" {\n  task_max = 4\r\n}\n")}, l)
	want := `Error: Unsupported argument [E202]
  on orders.hcl:2:3, in pipeline "orders"

   2 │   task_max = 4
     │   ^^^^^^^^

  An argument named "task_max" is not expected in a pipeline. Did you mean
  "tasks_max"?
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCarets(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, line string
		place      diag.Place
		want       string // the line of carets
	}{
		{"blanks", "  a = 'b'", diag.Place{Line: 1, Column: 7, EndLine: 1, EndColumn: 10}, "      ^^^"},
		{"tabs are kept", "\t\ta\t= 1", diag.Place{Line: 1, Column: 5, EndLine: 1, EndColumn: 8}, "\t\t \t^^^"},
		{"accents", "größe = ß", diag.Place{Line: 1, Column: 9, EndLine: 1, EndColumn: 10}, "        ^"},
		{"wide before", "名前 = x", diag.Place{Line: 1, Column: 6, EndLine: 1, EndColumn: 7}, "       ^"},
		{"wide under", "a = 名前", diag.Place{Line: 1, Column: 5, EndLine: 1, EndColumn: 7}, "    ^^^^"},
		{"picture", "😀x", diag.Place{Line: 1, Column: 2, EndLine: 1, EndColumn: 3}, "  ^"},
		{"combining mark", "e\u0301x", diag.Place{Line: 1, Column: 3, EndLine: 1, EndColumn: 4}, " ^"},
		{"no end", "abc", diag.Place{Line: 1, Column: 2}, " ^"},
		{"over several lines", "abc {\n}", diag.Place{Line: 1, Column: 5, EndLine: 2, EndColumn: 2}, "    ^"},
		{"past the end", "abc", diag.Place{Line: 1, Column: 9, EndLine: 1, EndColumn: 12}, "   ^"},
		{"far in a long line", strings.Repeat("x", 5000) + "ab" + strings.Repeat("x", 5000), diag.Place{Line: 1, Column: 5001, EndLine: 1, EndColumn: 5003}, strings.Repeat(" ", 201) + "^^"},
		{"early in a long line", "ab" + strings.Repeat("x", 5000), diag.Place{Line: 1, Column: 1, EndLine: 1, EndColumn: 3}, "^^"},
		{"all of a long line", strings.Repeat("x", 5000), diag.Place{Line: 1, Column: 1, EndLine: 1, EndColumn: 5001}, strings.Repeat("^", 400)},
		{"column 0", "abc", diag.Place{Line: 1, EndLine: 1, EndColumn: 2}, "^"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.place.File = "x.hcl"
			lines := strings.Split(printed(t, diag.Printer{Source: source(c.line)}, diag.List{diag.New(diag.Syntax, c.place, "x")}), "\n")
			if got := strings.TrimPrefix(lines[4], "     │ "); got != c.want {
				t.Errorf("\n%s\ngot  %q\nwant %q", lines[3], got, c.want)
			}
		})
	}
}

func TestPrintWithoutSnippet(t *testing.T) {
	t.Parallel()
	at := diag.Place{File: "x.hcl", Line: 1, Column: 1}
	cases := []struct {
		name    string
		place   diag.Place
		printer diag.Printer
	}{
		{"no reader", at, diag.Printer{}},
		{"file is gone", at, diag.Printer{Source: func(string) ([]byte, error) { return nil, errors.New("gone") }}},
		{"file is shorter by now", diag.Place{File: "x.hcl", Line: 7, Column: 1}, diag.Printer{Source: source("token = 1")}},
		{"no line", diag.Place{File: "x.hcl"}, diag.Printer{Source: source("token = 1")}},
		{"a secret stands there", diag.Place{File: "x.hcl", Line: 1, Column: 1, Hidden: true}, diag.Printer{Source: source("token = 1")}},
		{"no file", diag.Place{}, diag.Printer{Source: source("token = 1")}},
	}
	for _, c := range cases {
		got := printed(t, c.printer, diag.List{diag.New(diag.Syntax, c.place, "x")})
		if strings.Contains(got, "│") || strings.Contains(got, "token") || !strings.HasSuffix(got, "\n\n  x\n") {
			t.Errorf("%s: got\n%s", c.name, got)
		}
		if named := strings.Contains(got, "  on x.hcl"); named == c.place.IsZero() {
			t.Errorf("%s: the file is named: %v", c.name, named)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	detail := strings.Repeat("abcdefghi ", 8) + "\n\n    code stays     as it is, however long the line may be, since somebody will copy it to a file\n\n" + strings.Repeat("x", 90) + " y"
	got := printed(t, diag.Printer{}, diag.List{diag.New(diag.Syntax, diag.Place{}, "%s", detail)})
	want := "Error: Invalid syntax [E107]\n\n" +
		"  " + strings.TrimSpace(strings.Repeat("abcdefghi ", 7)) + "\n  abcdefghi\n\n" +
		"      code stays     as it is, however long the line may be, since somebody will copy it to a file\n\n" +
		"  " + strings.Repeat("x", 90) + "\n  y\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestColor(t *testing.T) {
	t.Parallel()
	at := diag.Place{File: "x.hcl", Line: 1, Column: 1, EndLine: 1, EndColumn: 3}
	got := printed(t, diag.Printer{Color: true, Source: source("abc")}, diag.List{diag.New(diag.Syntax, at, "x"), diag.Warn(diag.NoEffect, at, "y")})
	for _, want := range []string{"\x1b[31;1mError:\x1b[0m Invalid syntax", "\x1b[33;1mWarning:\x1b[0m Setting", "│ \x1b[31;1m^^\x1b[0m\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if plain := printed(t, diag.Printer{Source: source("abc")}, diag.List{diag.New(diag.Syntax, at, "x")}); strings.Contains(plain, "\x1b") {
		t.Errorf("colour that nobody asked for: %q", plain)
	}
}

func TestLimitCountsTheRest(t *testing.T) {
	t.Parallel()
	l := diag.List{diag.New(diag.Syntax, diag.Place{}, "a"), diag.New(diag.Syntax, diag.Place{}, "b"), diag.New(diag.Syntax, diag.Place{}, "c")}
	if got := printed(t, diag.Printer{Limit: 1}, l); !strings.HasSuffix(got, "  a\n\n… and 2 more.\n") {
		t.Errorf("got %q", got)
	}
	if got := printed(t, diag.Printer{Limit: 3}, l); strings.Contains(got, "more") {
		t.Errorf("got %q", got)
	}
	if got := printed(t, diag.Printer{}, nil); got != "" {
		t.Errorf("got %q of nothing", got)
	}
}
