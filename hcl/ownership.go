package hcl

import (
	"maps"
	"slices"
	"strconv"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// makeProject evaluates the project block.
func (l *loader) makeProject() {
	if l.projectBlock == nil {
		return
	}
	s := l.scope(l.shared)
	own, _, _ := s.shape(site{spec: projectBlock, body: l.projectBlock.Body})
	l.project.ID = l.projectBlock.Labels[0]
	a := own["required_version"]
	if a == nil {
		return
	}
	want, ok := s.argText("required_version", s.eval(a.Expr), a.Expr.Range())
	if !ok {
		return
	}
	meets, err := config.MeetsVersion(l.opts.Version, want)
	switch {
	case err != nil:
		s.fail(diag.InvalidValue, a.Expr.Range(), "required_version is such as \">= 1.2, < 2.0\", and %s.", err)
	case !meets:
		s.fail(diag.WrongVersion, a.Expr.Range(), "This project asks for version %s, and this is %s. Install another version, or change required_version.", want, l.opts.Version)
	}
}

// makeMoves evaluates moved and removed blocks.
func (l *loader) makeMoves() {
	froms, tos := map[string]diag.Place{}, map[string]diag.Place{}
	for _, block := range l.moved {
		s := l.scope(l.shared)
		own, _, _ := s.shape(site{spec: movedBlock, body: block.Body})
		if !s.required(block, own, "from", "to") {
			continue
		}
		from, _ := s.connectorOf(own["from"])
		to, declared := s.connectorOf(own["to"])
		if !s.failed && !declared && !l.lost {
			s.fail(diag.UnknownName, own["to"].Expr.Range(), "No pipeline of this project makes a connector named %q.%s", to,
				diag.DidYouMean(to, slices.Sorted(maps.Keys(l.made))))
		}
		s.goneFrom(own["from"], from)
		s.onlyOnce(own["from"], from, froms)
		s.onlyOnce(own["to"], to, tos)
		if !s.failed {
			l.project.Moved = append(l.project.Moved, config.Moved{From: from, To: to, Place: l.place(block.DefRange())})
		}
	}
	for _, block := range l.removed {
		s := l.scope(l.shared)
		own, _, _ := s.shape(site{spec: removedBlock, body: block.Body})
		if !s.required(block, own, "name") {
			continue
		}
		name, _ := s.connectorOf(own["name"])
		s.goneFrom(own["name"], name)
		s.onlyOnce(own["name"], name, froms)
		r := config.Removed{Name: name, Delete: true, Place: l.place(block.DefRange())}
		if a := own["delete"]; a != nil {
			r.Delete, _ = s.argBool("delete", s.eval(a.Expr), a.Expr.Range())
		}
		if !s.failed {
			l.project.Removed = append(l.project.Removed, r)
		}
	}
}

// required checks that arguments are there.
func (s *scope) required(b *hclsyntax.Block, own map[string]*hclsyntax.Attribute, names ...string) bool {
	for _, name := range names {
		if own[name] == nil {
			s.fail(diag.MissingArgument, b.DefRange(), "A %s block needs %s.", b.Type, name)
			return false
		}
	}
	return true
}

// connectorOf is the name of the connector that an address, such as pipeline.orders, or a string means, and whether a
// pipeline of this project makes it.
func (s *scope) connectorOf(a *hclsyntax.Attribute) (name string, declared bool) {
	t, diags := hcl2.AbsTraversalForExpr(a.Expr)
	if diags.HasErrors() || t.RootName() != "pipeline" {
		text, ok := s.argText(a.Name, s.eval(a.Expr), a.Expr.Range())
		if ok && text == "" {
			s.fail(diag.InvalidName, a.Expr.Range(), "The name of a connector may not be empty.")
		}
		_, declared = s.made[text]
		return text, declared
	}
	label, _ := member(t)
	var key *string
	if len(t) == 3 {
		if i, ok := t[2].(hcl2.TraverseIndex); ok && i.Key.Type() == cty.String {
			k := i.Key.AsString()
			key = &k
		}
	}
	if label == "" || len(t) > 3 || len(t) == 3 && key == nil {
		s.fail(diag.UnknownName, a.Expr.Range(), "%s takes the address of a pipeline, such as pipeline.orders or pipeline.shop[\"eu\"], or the name of a connector in quotes.", a.Name)
		return "", false
	}
	addressed := address(label, key)
	for name, made := range s.made {
		if made == addressed {
			return name, true
		}
	}
	if key != nil {
		return label + "-" + *key, false
	}
	if block := s.pipelines[label]; block != nil && block.Body.Attributes["for_each"] != nil {
		s.fail(diag.UnknownName, a.Expr.Range(), "%s is repeated by for_each. Name one of its pipelines: %s[KEY].", addressed, addressed)
	}
	return label, false
}

// goneFrom checks that no pipeline makes a connector that is said to be gone.
func (s *scope) goneFrom(a *hclsyntax.Attribute, name string) {
	if made, ok := s.made[name]; ok && !s.failed {
		s.fail(diag.StillDeclared, a.Expr.Range(), "The connector %q is still made by %s. Remove or rename that pipeline, or remove this block.", name, made)
	}
}

func (s *scope) onlyOnce(a *hclsyntax.Attribute, name string, seen map[string]diag.Place) {
	if first, ok := seen[name]; ok && !s.failed {
		s.fail(diag.DuplicateName, a.Expr.Range(), "%s was already said of at %s.", strconv.Quote(name), line(first))
	}
	seen[name] = s.place(a.Expr.Range())
}

// lifecycle reads what of a pipeline concerns planning alone.
func (b *build) lifecycle() config.Lifecycle {
	var life config.Lifecycle
	i := slices.IndexFunc(b.parts, func(p *part) bool { return p.spec == lifecycleBlock })
	if i < 0 {
		return life
	}
	inner := &build{scope: b.scope, parts: []*part{b.parts[i]}}
	life.Adopt = inner.flag("adopt")
	life.PreventDelete = inner.flag("prevent_destroy") || inner.flag("prevent_delete")
	life.Ignore = inner.texts("ignore_changes")
	for _, key := range life.Ignore {
		if key == config.Name || key == config.ConnectorClass {
			b.fail(diag.InvalidValue, b.parts[i].own["ignore_changes"].Expr.Range(), "%q cannot be ignored: it says which connector this is.", key)
		}
	}
	return life
}
