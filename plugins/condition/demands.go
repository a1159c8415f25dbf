package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/penstock/penstock/engine/plugin"
)

// demands lists the fields that an expression, which compiles, compares such that a record without them is an error: null
// has no place in any order. What the expression asks about a field before it compares it counts: x != nil and x > 1.
func demands(text string) []*plugin.ConfigError {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil
	}
	d := &demanding{text: []rune(text)}
	d.look(tree.Node, paths{})
	return d.found
}

// paths are fields that are known to be there, by their text.
type paths map[string]bool

func (p paths) with(more paths) paths {
	all := maps.Clone(p)
	maps.Copy(all, more)
	return all
}

type demanding struct {
	text  []rune
	found []*plugin.ConfigError
}

// look walks an expression in the order in which it is worked out. there are the fields that have been asked for.
func (d *demanding) look(n ast.Node, there paths) {
	switch n := n.(type) {
	case *ast.BinaryNode:
		d.binary(n, there)
	case *ast.UnaryNode:
		d.look(n.Node, there)
	case *ast.ChainNode:
		d.look(n.Node, there)
	case *ast.ConditionalNode:
		d.look(n.Cond, there)
		d.look(n.Exp1, there.with(known(n.Cond, true)))
		d.look(n.Exp2, there.with(known(n.Cond, false)))
	case *ast.BuiltinNode:
		for _, a := range n.Arguments {
			d.look(a, there)
			d.given(n.Name, a, there)
		}
	case *ast.PredicateNode:
		d.look(n.Node, there)
	}
}

func (d *demanding) binary(n *ast.BinaryNode, there paths) {
	d.look(n.Left, there)
	switch n.Operator {
	case "and", "&&":
		d.look(n.Right, there.with(known(n.Left, true)))
		return
	case "or", "||":
		d.look(n.Right, there.with(known(n.Left, false)))
		return
	}
	d.look(n.Right, there)
	switch n.Operator {
	case "<", "<=", ">", ">=":
		d.compared(n, n.Left, n.Right, there)
		d.compared(n, n.Right, n.Left, there)
	case "==", "!=": // where null has a place, but not in what is added up before
		if calculates(n.Left) {
			d.compared(n, n.Left, n.Right, there)
		}
		if calculates(n.Right) {
			d.compared(n, n.Right, n.Left, there)
		}
	}
}

func calculates(n ast.Node) bool {
	b, ok := n.(*ast.BinaryNode)
	return ok && slices.Contains([]string{"+", "-", "*", "/", "%", "**", "^"}, b.Operator)
}

// insteadOfNull is what the functions take that do not take null.
var insteadOfNull = map[string]string{ //nolint:gochecknoglobals // a literal
	"lower": "''", "upper": "''", "trim": "''", "trimPrefix": "''", "trimSuffix": "''", "split": "''", "hasPrefix": "''", "hasSuffix": "''",
	"indexOf": "''", "lastIndexOf": "''", "abs": "0", "ceil": "0", "floor": "0", "round": "0", "int": "0", "float": "0",
	"len": "[]", "all": "[]", "none": "[]", "any": "[]", "one": "[]", "filter": "[]", "map": "[]", "find": "[]", "findIndex": "[]",
	"findLast": "[]", "findLastIndex": "[]", "count": "[]", "sum": "[]",
}

// given looks at what a function is given.
func (d *demanding) given(function string, arg ast.Node, there paths) {
	instead, needs := insteadOfNull[function]
	path := pathOf(arg)
	if !needs || !strings.ContainsAny(path, ".[") || there[path] || d.said(arg) {
		return
	}
	from, to := extent(arg)
	d.found = append(d.found, &plugin.ConfigError{
		Reason: fmt.Sprintf("A record without %q is an error, not \"no\". Write %s ?? %s in %s() to treat it as %s.", strings.TrimPrefix(path, "value."), string(d.text[from:to]), instead, function, instead),
		From:   from, To: to, Expression: true,
	})
}

// compared looks for the fields of one side of a comparison.
func (d *demanding) compared(whole *ast.BinaryNode, side, other ast.Node, there paths) {
	switch n := side.(type) {
	case *ast.BinaryNode:
		if n.Operator != "??" {
			d.compared(whole, n.Left, other, there)
			d.compared(whole, n.Right, other, there)
		}
		return
	case *ast.UnaryNode:
		d.compared(whole, n.Node, other, there)
		return
	}
	path := pathOf(side)
	if !strings.ContainsAny(path, ".[") || there[path] || d.said(side) {
		return
	}
	from, to := extent(side)
	d.found = append(d.found, &plugin.ConfigError{
		Reason: fmt.Sprintf("A record without %q is an error, not \"no\". %s", strings.TrimPrefix(path, "value."), d.advice(whole, side, other)),
		From:   from, To: to, Expression: true,
	})
}

// said reports whether there is a word about a place already: one about the first comparison of a field is enough.
func (d *demanding) said(side ast.Node) bool {
	from, to := extent(side)
	return slices.ContainsFunc(d.found, func(e *plugin.ConfigError) bool {
		return string(d.text[e.From:e.To]) == string(d.text[from:to])
	})
}

// advice is how to write a comparison that says no.
func (d *demanding) advice(whole *ast.BinaryNode, side, other ast.Node) string {
	from, to := extent(side)
	begin, end := extent(whole)
	path := string(d.text[from:to])
	before, behind := string(d.text[begin:from]), string(d.text[to:end])
	if strings.Count(before+behind, "(") != strings.Count(before+behind, ")") {
		before, behind = "", "" // a bracket stands outside of what the parts of the expression tell
	}
	var instead string
	switch other.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		instead = "0"
	case *ast.StringNode:
		instead = "''"
	default:
		return fmt.Sprintf("Write %s != nil and %s to leave such records out.", path, before+path+behind)
	}
	return fmt.Sprintf("Write %s(%s ?? %s)%s to treat it as %s.", before, path, instead, behind, instead)
}

// known are the fields that are there if a condition holds, or if it does not.
func known(n ast.Node, holds bool) paths {
	found := paths{}
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return known(n.Node, !holds)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			if holds {
				return known(n.Left, true).with(known(n.Right, true))
			}
		case "or", "||":
			if !holds {
				return known(n.Left, false).with(known(n.Right, false))
			}
		case "==", "!=":
			if holds == (n.Operator == "!=") && isNil(n.Right) {
				found[pathOf(n.Left)] = true
			} else if holds == (n.Operator == "==") && isLiteral(n.Right) {
				found[pathOf(n.Left)] = true
			}
		case "<", "<=", ">", ">=": // which null would have ended
			found[pathOf(n.Left)], found[pathOf(n.Right)] = true, true
		case "in":
			if name, ok := n.Left.(*ast.StringNode); ok && holds {
				if of := pathOf(n.Right); of != "" {
					found[of+"."+name.Value] = true
				}
			}
		}
	}
	return found
}

func isNil(n ast.Node) bool {
	_, is := n.(*ast.NilNode)
	return is
}

func isLiteral(n ast.Node) bool {
	_, ok := constant(n)
	return ok && !isNil(n)
}

// pathOf is a field that a node names, from the part of the record on; the parts by themselves too. "": it names none.
func pathOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.ChainNode:
		return pathOf(n.Node)
	case *ast.IdentifierNode:
		if n.Value == "value" || n.Value == "key" || n.Value == "headers" {
			return n.Value
		}
	case *ast.MemberNode:
		base := pathOf(n.Node)
		if base == "" {
			return ""
		}
		switch p := n.Property.(type) {
		case *ast.StringNode:
			return base + "." + p.Value
		case *ast.IntegerNode:
			return fmt.Sprintf("%s[%d]", base, p.Value)
		}
	}
	return ""
}

// extent is what of the text a node takes, as far as it can be told: closing brackets have no node.
func extent(n ast.Node) (from, to int) {
	at := n.Location()
	from, to = at.From, at.To
	ast.Walk(&n, visit(func(m ast.Node) {
		at := m.Location()
		from = min(from, at.From)
		to = max(to, at.To)
		if member, ok := m.(*ast.MemberNode); ok && member.Property.Location().From > at.From { // an index in brackets
			to = max(to, member.Property.Location().To+1)
		}
	}))
	return from, to
}
