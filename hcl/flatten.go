package hcl

import (
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
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
	return config.Same(typ, s, t, b.registry)
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
