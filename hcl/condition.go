package hcl

import (
	"fmt"
	"slices"
	"strings"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// conditionPrefix stands before the name of a transform in that of the predicate which its condition makes.
const conditionPrefix = "when-"

// condition binds a transform to a predicate of its pipeline, or to an expression, for which it makes one. It returns the
// name of a predicate that it made.
func (b *build) condition(p *part) string {
	when, unless := p.own["when"], p.own["unless"]
	if when != nil && unless != nil {
		b.fail(diag.SetTwice, unless.NameRange, "A transform has when or unless, not both; when is at %s.", b.line(when.NameRange))
		return ""
	}
	a := when
	if a == nil {
		a = unless
	}
	if a == nil || isNull(a.Expr) {
		return ""
	}
	var name, made string
	var ok bool
	if names(a.Expr, "predicate") || ofRecord(a.Expr) {
		name, ok = b.predicate(a)
	} else {
		name, ok = b.expression(p, a)
		made = name
	}
	if !ok {
		return ""
	}
	prefix := at(p.spec.prefix, p.name)
	b.generate(p, prefix+"predicate", name, plugin.StringType, a.Expr.Range())
	if a == unless {
		b.generate(p, prefix+"negate", "true", plugin.BooleanType, a.NameRange)
	}
	return made
}

// expression makes the predicate of a condition on a record's fields.
func (b *build) expression(p *part, a *hclsyntax.Attribute) (name string, ok bool) {
	r := a.Expr.Range()
	v, ok := b.conditionText(a)
	if !ok {
		return "", false
	}
	d, ok := b.registry.Alias(plugin.PredicateRole, "expression")
	if !ok {
		b.fail(diag.NotAvailable, r, "This build has no predicate for expressions. Declare a predicate block in this pipeline and write\n\n    %s = predicate.NAME", a.Name)
		return "", false
	}
	name = conditionPrefix + p.name
	for _, other := range b.parts {
		if other.spec.role == plugin.PredicateRole && other.name == name {
			b.fail(diag.DuplicateName, other.block.LabelRanges[1], "The condition of transform %q at %s is stored as a predicate of this name. Choose another.", p.name, b.line(r))
			return "", false
		}
	}
	text := strings.TrimSpace(v.text)
	prefix := "predicates." + name + "."
	b.generate(p, prefix+"type", d.Class, plugin.ClassType, r)
	b.generate(p, prefix+"expression", text, plugin.StringType, r)
	made := &p.props[len(p.props)-1]
	made.value.sensitive = v.sensitive
	made.origin.Written, made.origin.Sensitive = a.Name, v.sensitive
	made.origin.Spots = b.files[r.Filename].spots(a.Expr, text)
	return name, true
}

// predicate reads predicate.x.
func (b *build) predicate(a *hclsyntax.Attribute) (string, bool) {
	r := a.Expr.Range()
	t, diags := hcl2.AbsTraversalForExpr(a.Expr)
	if diags.HasErrors() || t.RootName() != "predicate" {
		written := string(r.SliceBytes(b.files[r.Filename].text))
		if ofRecord(a.Expr) && !strings.ContainsAny(written, "\"\n") {
			b.fail(diag.UnquotedCondition, r, "A condition is checked for every record, while HCL expressions are evaluated once, before the pipeline runs. Put it in quotes:\n\n    %s = %q", a.Name, written)
		} else if ofRecord(a.Expr) {
			b.fail(diag.UnquotedCondition, r, "A condition is checked for every record, while HCL expressions are evaluated once, before the pipeline runs. Put it in quotes, and texts within it in single ones.")
		} else {
			b.invalidCondition(a)
		}
		return "", false
	}
	name, _ := member(t)
	var names []string
	for _, p := range b.parts {
		if p.spec.role == plugin.PredicateRole {
			if p.name == name {
				return name, len(t) == 2
			}
			names = append(names, p.name)
		}
	}
	if b.hidden {
		return "", false
	}
	detail := fmt.Sprintf("This pipeline has no predicate %q.", name)
	if n := diag.Nearest(name, names); n != "" {
		detail += fmt.Sprintf(" Did you mean %q?", "predicate."+n)
	}
	b.fail(diag.UnknownPredicate, r, "%s", detail)
	return "", false
}

// conditionText is the text of a condition.
func (b *build) conditionText(a *hclsyntax.Attribute) (stored, bool) {
	r := a.Expr.Range()
	v := b.eval(a.Expr)
	if ty, _ := v.Unmark(); v.IsKnown() && !v.IsNull() && ty.Type() != cty.String {
		b.invalidCondition(a)
		return stored{}, false
	}
	text := b.text(a.Name, v, r)
	return text, text.known && !text.null
}

func (b *build) invalidCondition(a *hclsyntax.Attribute) {
	b.fail(diag.InvalidCondition, a.Expr.Range(), "%s takes a predicate of this pipeline, or an expression in quotes:\n\n    %s = predicate.NAME\n    %s = \"value.amount > 100\"", a.Name, a.Name, a.Name)
}

// names reports whether an expression uses a name of the language.
func names(e hclsyntax.Expression, name string) bool {
	return slices.ContainsFunc(e.Variables(), func(t hcl2.Traversal) bool { return t.RootName() == name })
}

// ofRecord reports whether an expression names parts of a record, which exist only while records flow.
func ofRecord(e hclsyntax.Expression) bool {
	for _, t := range e.Variables() {
		switch t.RootName() {
		case "value", "key", "headers", "topic", "partition", "offset", "timestamp":
			return true
		}
	}
	return false
}

func isNull(e hclsyntax.Expression) bool {
	lit, ok := e.(*hclsyntax.LiteralValueExpr)
	return ok && lit.Val.IsNull()
}
