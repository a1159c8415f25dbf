package diag_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/diag"
)

// constants reads the codes that codes.go declares, by name.
func constants(t *testing.T) map[string]diag.Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]diag.Code{}
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := s.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		text, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes[s.Names[0].Name] = diag.Code(text)
		return true
	})
	return codes
}

func TestConstantsAndTableAgree(t *testing.T) {
	t.Parallel()
	declared := constants(t)
	if len(declared) < 50 {
		t.Fatalf("only %d constants were read", len(declared))
	}
	seen := map[diag.Code]string{}
	for name, code := range declared {
		if other, twice := seen[code]; twice {
			t.Errorf("%s and %s are both %s", name, other, code)
		}
		seen[code] = name
		if e, ok := diag.Lookup(code); !ok || e.Code != code {
			t.Errorf("%s (%s) has the entry %+v, %v", name, code, e, ok)
		}
	}
	for _, e := range diag.Codes() {
		if _, ok := seen[e.Code]; !ok {
			t.Errorf("the table has %s, which no constant is", e.Code)
		}
	}
}

func TestEntriesAreFitForPeople(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^(E[0-79]|W8)[0-9]{2}$`)
	last := diag.Code("")
	for _, e := range diag.Codes() {
		if !form.MatchString(string(e.Code)) {
			t.Errorf("%s is not a code", e.Code)
		}
		if e.Code <= last {
			t.Errorf("%s stands behind %s", e.Code, last)
		}
		last = e.Code
		if e.Summary == "" || strings.HasSuffix(e.Summary, ".") || e.Code.Summary() != e.Summary {
			t.Errorf("%s: summary %q", e.Code, e.Summary)
		}
		if !strings.HasSuffix(e.Explain, ".") || e.Explain == e.Summary+"." {
			t.Errorf("%s: explanation %q", e.Code, e.Explain)
		}
	}
	if _, ok := diag.Lookup("E999"); ok {
		t.Error("E999 is a code")
	}
}
