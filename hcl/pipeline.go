package hcl

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// declaration is a pipeline block, or one of its repetitions.
type declaration struct {
	block   *hclsyntax.Block
	key     *string // of for_each
	each    cty.Value
	dry     bool // only looked at for mistakes: repeated no times, or not known how often
	address string
}

// makePipelines evaluates every pipeline, and looks at defaults that none uses.
func (l *loader) makePipelines() {
	used := map[string]bool{}
	names := map[string]*declaration{}
	for _, b := range inOrder(l.pipelines) {
		l.disk.asker = b.TypeRange.Filename
		for _, d := range l.repeat(b) {
			if p := l.pipeline(d, used, names); p != nil {
				l.project.Pipelines = append(l.project.Pipelines, p)
			}
		}
	}
	l.disk.asker = ""
	for name, b := range l.defaults {
		if !used[name] {
			s := l.scope(l.shared).with(map[string]cty.Value{"each": unknownEach, "pipeline": pipelineNamed(cty.UnknownVal(cty.String))})
			dry := newBuild(s, defaultsBlock)
			dry.hidden = true // the predicates may be the pipeline's
			dry.add(defaultsBlock, b.Body)
			dry.finish()
			dry.target()
			dry.flatten()
		}
	}
}

//nolint:gochecknoglobals // a literal
var unknownEach = cty.ObjectVal(map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal})

func pipelineNamed(name cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": name})
}

// repeat is a pipeline as often as its for_each says.
func (l *loader) repeat(b *hclsyntax.Block) []*declaration {
	a := b.Body.Attributes["for_each"]
	if a == nil {
		return []*declaration{{block: b, address: address(b.Labels[0], nil)}}
	}
	dry := []*declaration{{block: b, each: unknownEach, dry: true, address: address(b.Labels[0], nil)}}
	s := l.scope(l.shared)
	over, marks := s.eval(a.Expr).Unmark()
	ty, r := over.Type(), a.Expr.Range()
	switch {
	case len(marks) > 0:
		s.fail(diag.InvalidForEach, r, "for_each may not be sensitive, because its keys become names.")
		return dry
	case !over.IsKnown():
		return dry
	case over.IsNull():
		s.fail(diag.InvalidForEach, r, "for_each needs a map or a set of strings, but this is null.")
		return dry
	case !ty.IsMapType() && !ty.IsObjectType() && !ty.IsSetType() || ty.IsSetType() && ty.ElementType() != cty.String && over.LengthInt() > 0:
		s.fail(diag.InvalidForEach, r, "for_each needs a map or a set of strings, but this is %s. Wrap a list in toset(...).", ty.FriendlyName())
		return dry
	case over.LengthInt() == 0:
		return dry
	}
	var all []*declaration
	for it := over.ElementIterator(); it.Next(); {
		k, v := it.Element()
		if ty.IsSetType() {
			v = k
		}
		if k.IsNull() || !k.IsKnown() || k.AsString() == "" {
			s.fail(diag.InvalidForEach, r, "A key of for_each is empty; the keys become names.")
			return dry
		}
		key := k.AsString()
		all = append(all, &declaration{
			block: b, key: &key, each: cty.ObjectVal(map[string]cty.Value{"key": k, "value": v}), address: address(b.Labels[0], &key),
		})
	}
	return all
}

// address is how people name a pipeline: pipeline.shop["orders"].
func address(label string, key *string) string {
	a := "pipeline." + label
	if !hclsyntax.ValidIdentifier(label) {
		a = "pipeline[" + strconv.Quote(label) + "]"
	}
	if key != nil {
		a += "[" + strconv.Quote(*key) + "]"
	}
	return a
}

// pipeline evaluates one declaration; nil when it is in error, disabled or only looked at.
func (l *loader) pipeline(d *declaration, used map[string]bool, names map[string]*declaration) *config.Declared {
	s := l.scope(l.shared)
	if d.each != cty.NilVal {
		s = s.with(map[string]cty.Value{"each": d.each})
	}
	name, at := s.connectorName(d)
	b := newBuild(s.with(map[string]cty.Value{"pipeline": pipelineNamed(name)}), pipelineBlock)
	for _, layer := range b.layers(d, used) {
		b.add(defaultsBlock, layer.Body)
	}
	b.add(pipelineBlock, d.block.Body)
	b.connector(d)
	b.finish()
	target, life := b.target(), b.lifecycle()
	if name.IsKnown() {
		b.generate(b.parts[0], config.Name, name.AsString(), plugin.StringType, at)
	}
	flat, origins := b.flatten()
	if d.dry || b.disabled() {
		return nil
	}
	if name.IsKnown() {
		l.made[flat[config.Name]] = d.address
	}
	if name.IsKnown() && !l.unique(b.scope, names, flat[config.Name], d) || b.failed || s.failed {
		return nil
	}
	return &config.Declared{Map: flat, Origins: origins, Place: l.place(d.block.DefRange()), Label: d.address, Target: target, Lifecycle: life}
}

// connectorName is the name on the cluster: what name says, or the label, with the key of for_each after a dash.
func (s *scope) connectorName(d *declaration) (cty.Value, hcl2.Range) {
	r := d.block.LabelRanges[0]
	if a := d.block.Body.Attributes["name"]; a != nil {
		r = a.Expr.Range()
		v := s.eval(a.Expr)
		text, ok := s.argText("name", v, r)
		switch {
		case ok && strings.TrimSpace(text) == "":
			s.fail(diag.InvalidName, r, "The name of a pipeline may not be empty.")
			return cty.UnknownVal(cty.String), r
		case ok:
			return cty.StringVal(text), r
		case s.failed || !v.IsNull():
			return cty.UnknownVal(cty.String), r
		}
	}
	switch {
	case d.dry:
		return cty.UnknownVal(cty.String), r
	case d.key != nil:
		return cty.StringVal(d.block.Labels[0] + "-" + *d.key), r
	default:
		return cty.StringVal(d.block.Labels[0]), r
	}
}

// unique checks that no other pipeline makes a connector of this name.
func (l *loader) unique(s *scope, names map[string]*declaration, name string, d *declaration) bool {
	first, taken := names[name]
	if !taken {
		names[name] = d
		return true
	}
	s.fail(diag.DuplicateConnector, d.block.DefRange(),
		"%s and %s both produce a connector named %q. Connector names are unique in a cluster: set name = ... in one of them.",
		first.address, d.address, name)
	return false
}

// layers are the defaults that a pipeline inherits, in order.
func (b *build) layers(d *declaration, used map[string]bool) []*hclsyntax.Block {
	var list []*hclsyntax.Block
	if all := b.defaults[""]; all != nil {
		used[""] = true
		list = append(list, all)
	}
	a := d.block.Body.Attributes["use"]
	if a == nil {
		return list
	}
	items, diags := hcl2.ExprList(a.Expr)
	if diags.HasErrors() {
		b.fail(diag.UnsuitableType, a.Expr.Range(), "use takes a list of defaults:\n\n    use = [defaults.NAME]")
		return list
	}
	for _, item := range items {
		t, diags := hcl2.AbsTraversalForExpr(item)
		if diags.HasErrors() || t.RootName() != "defaults" || len(t) != 2 {
			b.fail(diag.UnknownName, item.Range(), "use lists defaults blocks by name, as in use = [defaults.NAME].")
			continue
		}
		name, _ := member(t)
		block := b.defaults[name]
		switch {
		case block != nil && name != "":
			used[name] = true
			list = append(list, block)
		case b.lost:
			b.failed = true
		default:
			b.fail(diag.UnknownName, item.Range(), "There is no defaults block named %q.%s", name, b.defaultsMeant(name))
		}
	}
	return list
}

func (b *build) defaultsMeant(name string) string {
	var names []string
	for n := range b.defaults {
		names = append(names, n)
	}
	slices.Sort(names)
	if n := diag.Nearest(name, names); n != "" {
		return fmt.Sprintf(" Did you mean %q?", "defaults."+n)
	}
	return ""
}

// connector checks that there is one.
func (b *build) connector(d *declaration) {
	for _, block := range d.block.Body.Blocks {
		if spec := pipelineBlock.child(block.Type); spec != nil && (site{spec: spec}).isConnector() {
			return // or it was refused, which has been said
		}
		if pipelineBlock.child(block.Type) == nil && len(block.Labels) == 1 {
			return // a misspelt source or sink, which has been said too
		}
	}
	b.fail(diag.NoConnector, d.block.DefRange(), "Pipeline %q needs exactly one source or sink block.", d.block.Labels[0])
}

// disabled reads enabled.
func (b *build) disabled() bool {
	a := b.parts[0].own["enabled"]
	if a == nil {
		return false
	}
	is, ok := b.argBool("enabled", b.eval(a.Expr), a.Expr.Range())
	return ok && !is
}

// target reads state, and looks at description, which is for readers only.
func (b *build) target() config.Target {
	if a := b.parts[0].own["description"]; a != nil {
		b.argText("description", b.eval(a.Expr), a.Expr.Range())
	}
	a := b.parts[0].own["state"]
	if a == nil {
		return ""
	}
	text, ok := b.argText("state", b.eval(a.Expr), a.Expr.Range())
	target := map[string]config.Target{"running": config.Started, "paused": config.Paused, "stopped": config.Stopped}[text]
	if ok && target == "" {
		b.fail(diag.InvalidValue, a.Expr.Range(), "state must be %s, not %q.", `"running", "paused" or "stopped"`, text)
	}
	return cmp.Or(target, "")
}
