package hcl

import (
	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// build gathers one pipeline, or the worker, from layers of bodies: the defaults for all, those in use, its own.
type build struct {
	*scope
	layer  int
	parts  []*part // in the order of the file, inherited ones first; parts[0] is the body itself
	hidden bool    // a predicate is missing because its block was in error
}

// part is a block with what the layers have said of it.
type part struct {
	site
	name    string           // its second label, or the only one of a block that has but a name
	block   *hclsyntax.Block // the last one; nil for the body itself
	target  plugin.Target    // what the class name says
	bare    bool             // the class name leaves the target open
	foreign bool             // a class that only the cluster may have
	layer   int
	props   []property
	own     map[string]*hclsyntax.Attribute // the language's own arguments, the last of each
}

// property is one key on its way into the flat map.
type property struct {
	key    string
	value  stored
	typ    plugin.Type // 0 when nothing is known of it
	raw    bool        // from a config map
	made   bool        // stands for the blocks of every layer
	layer  int
	origin config.Origin
	span   diag.Place // of key and value
}

func newBuild(s *scope, spec *block) *build {
	b := &build{scope: s}
	b.parts = []*part{{site: site{spec: spec}, own: map[string]*hclsyntax.Attribute{}}}
	return b
}

// add takes one more layer.
func (b *build) add(spec *block, body *hclsyntax.Body) {
	b.layer++
	b.parts[0].spec = spec
	b.body(b.parts[0], site{spec: spec, body: body})
}

// body takes what stands in a body into a part.
func (b *build) body(p *part, in site) {
	own, settings, children := b.shape(in)
	for name, a := range own {
		if name == configMap {
			b.config(p, a)
			continue
		}
		p.own[name] = a
	}
	for _, s := range settings {
		v := b.text(s.attr.Name, b.eval(s.attr.Expr), s.attr.Expr.Range())
		origin := config.Origin{Place: b.place(s.attr.Expr.Range()), Written: s.attr.Name, Sensitive: v.sensitive}
		if role := p.spec.role; (role == plugin.TransformRole || role == plugin.PredicateRole) && strings.TrimSpace(v.text) == v.text {
			origin.Spots = b.files[s.attr.Range().Filename].spots(s.attr.Expr, v.text) // it may be an expression over records
		}
		p.props = append(p.props, property{
			key: at(p.spec.prefix, p.name) + dotted(s.attr.Name), value: v, typ: s.typ, layer: b.layer, origin: origin,
			span: b.place(s.attr.SrcRange),
		})
	}
	for _, c := range children {
		b.child(in, c)
	}
}

// child takes a block of a body.
func (b *build) child(parent site, c child) {
	p := b.part(c)
	if p == nil {
		b.hidden = b.hidden || c.spec.role == plugin.PredicateRole
		return
	}
	p.block, p.layer, p.parent = c.block, b.layer, parent.spec
	if c.spec.role != 0 {
		p.label = c.block.Labels[0]
		d, target, bare, ok := b.named(c.spec, p.label)
		switch {
		case ok:
			p.plugin, p.target, p.bare = &d, target, bare
		case b.opts.ForCluster && isClass(p.label):
			p.unknown, p.foreign = true, true
		default:
			b.unknownPlugin(c.spec, c.block)
			p.unknown = true
		}
	} else if c.spec.labels != noLabel {
		p.label = c.block.Labels[0]
	}
	in := p.site
	in.body = c.block.Body
	b.body(p, in)
}

// part finds or makes the part of a block: a singleton of the same label merges with the inherited one, another label
// replaces it, and transforms and predicates of one name replace the inherited one in its place.
func (b *build) part(c child) *part {
	name := ""
	if c.spec.many {
		name = c.block.Labels[len(c.block.Labels)-1]
	}
	for i, old := range b.parts[1:] {
		connectors := old.isConnector() && site{spec: c.spec}.isConnector()
		switch {
		case connectors:
			b.fail(diag.TwoConnectors, c.block.DefRange(),
				"A pipeline has exactly one source or one sink; the first is at %s. To move data from one system to another, write two pipelines joined by a topic.",
				b.line(old.block.DefRange()))
			return nil
		case old.spec != c.spec || old.name != name:
			continue
		case old.layer == b.layer:
			b.twice(old, c)
			return nil
		case c.spec.fresh || c.spec.role != 0 && old.label != c.block.Labels[0]:
			b.parts[i+1] = newPart(c, name)
			return b.parts[i+1]
		default:
			return old
		}
	}
	if c.spec.many {
		if why := nameable(name); why != "" {
			b.fail(diag.InvalidName, rangeOf(c.block, len(c.block.Labels)-1), "%q cannot be the name of a %s. %s", name, c.spec.name, why)
			return nil
		}
	}
	p := newPart(c, name)
	b.parts = append(b.parts, p)
	return p
}

func newPart(c child, name string) *part {
	return &part{site: site{spec: c.spec}, name: name, own: map[string]*hclsyntax.Attribute{}}
}

func (b *build) twice(old *part, c child) {
	if !c.spec.many {
		b.fail(diag.RepeatedBlock, c.block.DefRange(), "There is one %s block at most; the first is at %s.", c.spec.name, b.line(old.block.DefRange()))
		return
	}
	b.fail(diag.DuplicateName, rangeOf(c.block, len(c.block.Labels)-1), "A %s named %q was already declared at %s.",
		c.spec.name, old.name, b.line(old.block.DefRange()))
}

// config takes a config map, whose keys are properties without the block's prefix.
func (b *build) config(p *part, a *hclsyntax.Attribute) {
	object, ok := a.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		b.configValue(p, a)
		return
	}
	seen := map[string]hcl2.Range{}
	for _, item := range object.Items {
		key, ok := b.configKey(item.KeyExpr)
		if !ok {
			continue
		}
		r := item.KeyExpr.Range()
		if first, twice := seen[key]; twice {
			b.fail(diag.DuplicateProperty, r, "%q was already set at %s.", key, b.line(first))
			continue
		}
		seen[key] = r
		b.rawProperty(p, key, b.eval(item.ValueExpr), r, item.ValueExpr.Range())
	}
}

func (b *build) configKey(e hclsyntax.Expression) (string, bool) {
	if k, ok := e.(*hclsyntax.ObjectConsKeyExpr); ok && !k.ForceNonLiteral {
		if _, dotted := k.Wrapped.(*hclsyntax.ScopeTraversalExpr); dotted && hcl2.ExprAsKeyword(k.Wrapped) == "" {
			name := string(k.Range().SliceBytes(b.files[k.Range().Filename].text))
			b.fail(diag.DottedName, k.Range(), "Names with dots stand in quotes here:\n\n    config = { %q = ... }", name)
			return "", false
		}
	}
	v, marks := b.eval(e).UnmarkDeep()
	if !v.IsWhollyKnown() {
		return "", false
	}
	key, ok := scalar(v)
	if !ok || key == "" || len(marks) > 0 {
		b.fail(diag.InvalidName, e.Range(), "A name in config is text that is not empty and not sensitive.")
		return "", false
	}
	return key, true
}

// configValue takes a config map that is an expression, such as merge(local.common, { ... }).
func (b *build) configValue(p *part, a *hclsyntax.Attribute) {
	v, marks := b.eval(a.Expr).Unmark()
	r := a.Expr.Range()
	switch ty := v.Type(); {
	case !v.IsKnown() || v.IsNull():
	case !ty.IsObjectType() && !ty.IsMapType():
		b.fail(diag.UnsuitableType, r, "config is a map from names of properties to values, but this is %s.", ty.FriendlyName())
	default:
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			k, _ = k.Unmark()
			b.rawProperty(p, k.AsString(), e.WithMarks(marks), r, r)
		}
	}
}

func (b *build) rawProperty(p *part, key string, v cty.Value, keyRange, valueRange hcl2.Range) {
	if hint := p.targeted(key); hint != "" {
		if _, known := p.plugin.Spec.Field(key); !known {
			b.fail(diag.UnknownArgument, keyRange, "%q is not a setting of %s. %s", key, p.label, hint)
			return
		}
	}
	value := b.text(key, v, valueRange)
	p.props = append(p.props, property{
		key: at(p.spec.prefix, p.name) + key, value: value, raw: true, layer: b.layer,
		origin: config.Origin{Place: b.place(valueRange), Sensitive: value.sensitive},
		span:   b.place(hcl2.RangeBetween(keyRange, valueRange)),
	})
}

// generate adds a property that blocks stand for.
func (b *build) generate(p *part, key, text string, typ plugin.Type, r hcl2.Range) {
	p.props = append(p.props, property{
		key: key, value: stored{text: text, known: true}, typ: typ, made: true, layer: b.layer,
		origin: config.Origin{Place: b.place(r)}, span: b.place(r),
	})
}

// finish turns parts into the properties of classes, names and conditions.
func (b *build) finish() {
	kept := b.parts[:0:0]
	lists := map[string][]string{}
	for _, p := range b.parts {
		if a := p.own["enabled"]; a != nil && p.spec.role == plugin.TransformRole {
			if is, ok := b.argBool("enabled", b.eval(a.Expr), a.Expr.Range()); ok && !is {
				continue
			}
		}
		kept = append(kept, p)
	}
	b.parts = kept
	var made []string // predicates of conditions
	for _, p := range b.parts[1:] {
		if p.plugin != nil {
			class := p.plugin.Class
			if isClass(p.label) {
				class = p.label
			}
			b.generate(p, at(p.spec.class, p.name), class+b.variant(p), plugin.ClassType, p.block.LabelRanges[0])
		}
		if p.foreign {
			b.generate(p, at(p.spec.class, p.name), p.label+b.wanted(p).Suffix(), plugin.ClassType, p.block.LabelRanges[0])
		}
		if p.spec.role == plugin.TransformRole {
			if name := b.condition(p); name != "" {
				made = append(made, name)
			}
		}
		if p.spec.list != "" && (p.spec.name != "topic_creation" || p.name != "default") {
			lists[p.spec.list] = append(lists[p.spec.list], p.name)
		}
	}
	if len(made) > 0 && len(lists["predicates"]) == 0 {
		b.generate(b.parts[0], "predicates", joined(made), plugin.ListType, b.parts[1].block.DefRange())
	} else if len(made) > 0 {
		lists["predicates"] = append(lists["predicates"], made...)
	}
	b.lists(lists)
}

// lists adds the properties that name blocks in their order.
func (b *build) lists(names map[string][]string) {
	for _, p := range b.parts[1:] {
		if n := names[p.spec.list]; n != nil {
			b.generate(b.parts[0], p.spec.list, joined(n), plugin.ListType, rangeOf(p.block, len(p.block.Labels)-1))
			delete(names, p.spec.list)
		}
	}
}

// wanted is the target that a transform's block asks for.
func (b *build) wanted(p *part) plugin.Target {
	a := p.own["target"]
	if a == nil {
		return plugin.NoTarget
	}
	r := a.Expr.Range()
	text, ok := b.argText("target", b.eval(a.Expr), r)
	if !ok {
		return plugin.NoTarget
	}
	if p.plugin != nil && !p.plugin.Targets {
		b.fail(diag.NoTarget, r, "%q works on the whole record, so it takes no target. Remove the argument.", p.label)
		return plugin.NoTarget
	}
	wanted := map[string]plugin.Target{"key": plugin.Key, "value": plugin.Value}[text]
	if wanted == plugin.NoTarget {
		b.fail(diag.InvalidTarget, r, "target is %q; it must be \"key\" or \"value\".", text)
		wanted = plugin.Value // so that nothing else is said
	}
	if p.target != plugin.NoTarget && wanted != p.target {
		b.fail(diag.InvalidTarget, r, "target is %q, but the class says %s. Remove one of them.", text, p.target.Suffix())
	}
	return wanted
}

// variant is what a transform's class gets appended, $Key or $Value.
func (b *build) variant(p *part) string {
	wanted := b.wanted(p)
	switch {
	case p.target != plugin.NoTarget: // the label says it
		return ""
	case wanted == plugin.NoTarget && p.bare && isClass(p.label):
		b.fail(diag.InvalidTarget, p.block.LabelRanges[0], "%s works on keys or on values. Add target = \"key\" or target = \"value\".", p.label)
	case wanted == plugin.NoTarget && p.plugin.Targets:
		wanted = plugin.Value
	}
	return wanted.Suffix()
}
