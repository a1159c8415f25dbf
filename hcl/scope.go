package hcl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/diag"
)

// mark is what cty values carry along.
type mark string

// sensitive marks values that nobody may see, and everything computed from them (invariant 6).
const sensitive = mark("sensitive")

// scope evaluates expressions with the names that are known at one place, and remembers whether anything went wrong there.
type scope struct {
	*loader
	values map[string]cty.Value // by the first part of a name: var, local, each and so on
	failed bool                 // an error was reported: what is made here is incomplete
}

func (l *loader) scope(values map[string]cty.Value) *scope {
	return &scope{loader: l, values: values}
}

// with is a scope that knows more names.
func (s *scope) with(values map[string]cty.Value) *scope {
	all := maps.Clone(s.values)
	maps.Copy(all, values)
	return s.scope(all)
}

func (s *scope) fail(code diag.Code, r hcl2.Range, format string, args ...any) {
	s.report(diag.New(code, s.place(r), format, args...))
}

func (s *scope) report(d diag.Diagnostic) {
	s.failed = true
	s.found = append(s.found, d)
}

// eval works an expression out. After an error, which is reported, the result is unknown; so is what depends on something
// that was in error, without another message.
func (s *scope) eval(e hclsyntax.Expression) cty.Value {
	if !s.namesExist(e) {
		return cty.DynamicVal
	}
	v, diags := e.Value(s.context())
	if diags.HasErrors() {
		for _, d := range diags {
			s.evaluation(e, d)
		}
		return cty.DynamicVal
	}
	return v
}

func (s *scope) context() *hcl2.EvalContext {
	return &hcl2.EvalContext{Variables: s.values, Functions: s.functions}
}

// evaluation reports what HCL says of an expression that cannot be worked out.
func (s *scope) evaluation(e hclsyntax.Expression, d *hcl2.Diagnostic) {
	at := e.Range()
	if d.Subject != nil {
		at = *d.Subject
	}
	calling := ""
	if call, ok := hcl2.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
		calling = call.CalledFunctionName()
		if errors.Is(call.FunctionCallError(), errNotAvailable) {
			s.fail(diag.NotAvailable, at, "%s() has no value: Kafka Connect takes no property that is null. To leave the property out, write null.", calling)
			return
		}
	}
	if _, ok := hcl2.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok {
		name := string(at.SliceBytes(s.files[at.Filename].text))
		s.fail(diag.UnknownName, at, "There is no function named %q.%s", name, diag.DidYouMean(name, slices.Sorted(maps.Keys(s.functions))))
		return
	}
	code, detail := diag.InvalidExpression, d.Detail
	if calling != "" || strings.HasSuffix(d.Summary, "function arguments") {
		code = diag.InvalidCall
	}
	if s.secretIn(e, calling) {
		// What a function says of an argument may quote it.
		detail = "The expression cannot be worked out. What is wrong with it is not shown, because a sensitive value takes part in it."
	}
	s.fail(code, at, "%s", detail)
}

// secretIn reports whether a sensitive value takes part in an expression. A call of env that is itself at fault only names
// its variable.
func (s *scope) secretIn(e hclsyntax.Expression, calling string) bool {
	for _, t := range e.Variables() {
		if v, diags := t.TraverseAbs(s.context()); !diags.HasErrors() && v.ContainsMarked() {
			return true
		}
	}
	found := false
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl2.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && (call.Name == "env" || call.Name == "sensitive") && call.Name != calling {
			found = true
		}
		return nil
	})
	return found
}

// namesExist checks the names in an expression before it is worked out, which allows suggestions.
func (s *scope) namesExist(e hclsyntax.Expression) bool {
	ok := true
	for _, t := range e.Variables() {
		ok = s.nameExists(t) && ok
	}
	return ok
}

func (s *scope) nameExists(t hcl2.Traversal) bool {
	root := t.RootName()
	v, ok := s.values[root]
	if !ok {
		s.unknownRoot(t)
		return false
	}
	name, at := member(t)
	switch {
	case name == "":
		s.fail(diag.UnknownName, t.SourceRange(), "%q alone is not a value. Write %s.NAME.", root, root)
		return false
	case !v.Type().IsObjectType() || v.Type().HasAttribute(name):
		return true
	case s.lost && (root == "var" || root == "local"):
		s.failed = true // the name may stand in a block with a syntax error
		return false
	}
	names := slices.Sorted(maps.Keys(v.Type().AttributeTypes()))
	meant := ""
	if n := diag.Nearest(name, names); n != "" {
		meant = fmt.Sprintf(" Did you mean %q?", root+"."+n)
	}
	at = hcl2.RangeBetween(t.SourceRange(), at)
	switch root {
	case "var":
		s.fail(diag.UnknownVariable, at, "There is no variable named %q.%s", name, meant)
	case "local":
		s.fail(diag.UnknownName, at, "There is no local named %q.%s", name, meant)
	default:
		s.fail(diag.UnknownName, at, "%q has no %q, only %s.", root, name, strings.Join(names, ", "))
	}
	return false
}

// member is the second part of a name, as in var.x or var["x"], or "".
func member(t hcl2.Traversal) (string, hcl2.Range) {
	if len(t) < 2 {
		return "", hcl2.Range{}
	}
	switch step := t[1].(type) {
	case hcl2.TraverseAttr:
		return step.Name, step.SrcRange
	case hcl2.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), step.SrcRange
		}
	}
	return "", hcl2.Range{}
}

// elsewhere says of names that exist, but not here, where they do.
var elsewhere = map[string]string{ //nolint:gochecknoglobals // a literal
	"each":      "each.key and each.value exist only in a pipeline with for_each, and in the defaults that it uses.",
	"pipeline":  "pipeline.name exists only inside a pipeline and in defaults.",
	"predicate": "Predicates stand only after when and unless.",
	"defaults":  "Defaults stand only in use.",
	"path":      "path.project is the only path.",
	"var":       "The default of a variable and files of values cannot use variables; a local can.",
	"local":     "Variables are settled before locals, so they cannot use them.",
}

func (s *scope) unknownRoot(t hcl2.Traversal) {
	r, root := t.SourceRange(), t.RootName()
	if where, ok := elsewhere[root]; ok {
		s.fail(diag.UnknownName, r, "%s", where)
		return
	}
	src := s.files[r.Filename].text
	text := strings.TrimSpace(string(r.SliceBytes(src)))
	detail := fmt.Sprintf("There is nothing called %q here.", root)
	switch {
	case inTemplate(src, r):
		detail += fmt.Sprintf(" If the connector itself should see ${%s}, write $${%s}.", text, text)
	case s.has("var", root):
		detail += fmt.Sprintf(" Did you mean %q?", "var."+root)
	case s.has("local", root):
		detail += fmt.Sprintf(" Did you mean %q?", "local."+root)
	default:
		if n := diag.Nearest(root, slices.Sorted(maps.Keys(s.values))); n != "" && len(t) > 1 {
			detail += fmt.Sprintf(" Did you mean %q?", n)
		} else {
			detail += fmt.Sprintf(" If you meant the text %q, put it in quotes.", text)
		}
	}
	s.fail(diag.UnknownName, r, "%s", detail)
}

func (s *scope) has(root, name string) bool {
	v, ok := s.values[root]
	return ok && v.Type().IsObjectType() && v.Type().HasAttribute(name)
}

// inTemplate reports whether a range is all that stands between ${ and }.
func inTemplate(src []byte, r hcl2.Range) bool {
	before := strings.TrimRight(string(src[:r.Start.Byte]), " ")
	after := strings.TrimLeft(string(src[r.End.Byte:]), " ")
	return strings.HasSuffix(before, "${") && strings.HasPrefix(after, "}")
}

// objectOf is an object value of named values.
func objectOf(values map[string]cty.Value) cty.Value {
	if len(values) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(values)
}

// errNotAvailable is given by functions that have a name and no value.
var errNotAvailable = errors.New("not available in this version")
