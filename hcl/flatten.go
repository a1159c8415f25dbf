package hcl

import (
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// flatten settles every key: the latest layer wins, and a null of it un-sets. Within a layer, a raw key may repeat a native
// one if both mean the same; the raw spelling is stored.
func (b *build) flatten() (config.Map, map[string]config.Origin) {
	won := map[string]property{}
	for _, p := range b.parts {
		for _, prop := range p.props {
			b.settle(won, prop)
		}
	}
	flat, origins := config.Map{}, map[string]config.Origin{}
	for key, p := range won {
		if p.value.known && !p.value.null {
			flat[key], origins[key] = p.value.text, p.origin
		}
	}
	return flat, origins
}

func (b *build) settle(won map[string]property, p property) {
	old, ok := won[p.key]
	switch {
	case !ok || !old.made && !p.made && p.layer > old.layer:
		won[p.key] = p
	case !old.made && !p.made && p.layer < old.layer: // overridden
	case !old.value.known || !p.value.known: // one of them is in error
	case !b.same(old, p):
		b.setTwice(old, p)
	case p.raw:
		won[p.key] = p
	}
}

// same reports whether two spellings mean the same under the key's type.
func (b *build) same(x, y property) bool {
	s, t := x.value.text, y.value.text
	if x.value.null != y.value.null || x.value.null || s == t {
		return x.value.null == y.value.null
	}
	typ := x.typ
	if typ == 0 {
		typ = y.typ
	}
	switch typ {
	case plugin.ListType:
		return joined(config.List(s)) == joined(config.List(t))
	case plugin.BooleanType:
		s = strings.TrimSpace(s)
		return strings.EqualFold(s, strings.TrimSpace(t)) && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false"))
	case plugin.ShortType, plugin.IntType, plugin.LongType:
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		m, err2 := strconv.ParseInt(strings.TrimSpace(t), 10, 64)
		return err == nil && err2 == nil && n == m
	case plugin.ClassType:
		return b.sameClass(strings.TrimSpace(s), strings.TrimSpace(t))
	default:
		return false
	}
}

// sameClass reports whether two class names, or short forms, are of one plugin.
func (b *build) sameClass(s, t string) bool {
	for role := plugin.SourceRole; role <= plugin.ConverterRole; role++ {
		d, of, ok := b.registry.Class(role, s)
		e, of2, ok2 := b.registry.Class(role, t)
		if ok && ok2 && d.Class == e.Class && of == of2 {
			return true
		}
	}
	return false
}

// setTwice reports a key with two values, at the raw one.
func (b *build) setTwice(old, p property) {
	if old.raw && !p.raw {
		old, p = p, old
	}
	if p.value.sensitive || old.value.sensitive {
		b.report(diag.New(diag.SetTwice, p.span, "%q is set here and, to another value, at %s. Keep one of them.", p.key, line(old.span)))
		return
	}
	shown := func(v stored) string {
		if v.null {
			return "null"
		}
		return strconv.Quote(v.text)
	}
	b.report(diag.New(diag.SetTwice, p.span, "%q is set here to %s and at %s to %s. Keep one of them.",
		p.key, shown(p.value), line(old.span), shown(old.value)))
}

func joined(names []string) string { return strings.Join(names, ",") }
