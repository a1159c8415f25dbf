package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/diag"
)

// local is one named expression, and then its value.
type local struct {
	attr    *hclsyntax.Attribute
	value   cty.Value // NilVal until it is worked out
	waiting bool      // its needs are being worked out
}

func (l *loader) declareLocals(top *scope, b *hclsyntax.Block) {
	for _, inner := range b.Body.Blocks {
		top.unknownBlock(site{spec: localsBlock, body: b.Body}, inner)
	}
	for _, a := range attributes(b.Body) {
		if first, ok := l.locals[a.Name]; ok {
			top.fail(diag.DuplicateName, a.NameRange, "A local named %q was already declared at %s.", a.Name, l.line(first.attr.NameRange))
			continue
		}
		l.locals[a.Name] = &local{attr: a}
	}
}

// localValues works all locals out, each after those that it needs.
func (l *loader) localValues(s *scope) cty.Value {
	for _, src := range l.sources {
		for _, b := range src.body.Blocks {
			for _, a := range attributes(b.Body) {
				if n := l.locals[a.Name]; b.Type == localsBlock.name && n != nil && n.attr == a {
					l.localValue(s, a.Name, nil)
				}
			}
		}
	}
	values := map[string]cty.Value{}
	for name, n := range l.locals {
		values[name] = n.value
	}
	return objectOf(values)
}

// localValue works one out; path is how it is reached from the one that was asked for.
func (l *loader) localValue(s *scope, name string, path []string) {
	n := l.locals[name]
	path = append(path, "local."+name)
	switch {
	case n.value != cty.NilVal:
		return
	case n.waiting:
		first := 0
		for path[first] != "local."+name {
			first++
		}
		s.fail(diag.Cycle, n.attr.NameRange, "These locals need each other: %s.", strings.Join(path[first:], " → "))
		n.value = cty.DynamicVal
		return
	}
	n.waiting = true
	known := map[string]cty.Value{}
	for other := range l.locals {
		known[other] = cty.DynamicVal // declared; whoever needs its value is found below
	}
	for _, t := range n.attr.Expr.Variables() {
		if other, _ := member(t); t.RootName() == "local" && l.locals[other] != nil {
			l.localValue(s, other, path)
			known[other] = l.locals[other].value
		}
	}
	if n.value == cty.NilVal { // it is not in a cycle
		n.value = s.with(map[string]cty.Value{"local": objectOf(known)}).eval(n.attr.Expr)
	}
}
