package hcl

import (
	"maps"
	"slices"
	"strings"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/penstock/penstock/engine/diag"
)

// envPrefix begins the environment variables that give values.
const envPrefix = "ENGINE_VAR_"

// variable is one declared, and then its value.
type variable struct {
	name      string
	block     *hclsyntax.Block
	own       map[string]*hclsyntax.Attribute
	rules     []*hclsyntax.Block // validation
	typ       cty.Type
	defaults  *typeexpr.Defaults // of optional attributes
	sensitive bool
	nullable  bool

	given cty.Value  // the last one; NilVal when there is none
	from  hcl2.Range // where it was given, or the zero range when not in a file
}

func (l *loader) declareVariable(top *scope, name string, b *hclsyntax.Block) {
	if first, ok := l.variables[name]; ok {
		top.fail(diag.DuplicateName, b.LabelRanges[0], "A variable named %q was already declared at %s.", name, l.line(first.block.DefRange()))
		return
	}
	v := &variable{name: name, block: b, typ: cty.DynamicPseudoType, nullable: true}
	l.variables[name] = v
	l.order = append(l.order, v)
	if !hclsyntax.ValidIdentifier(name) {
		top.fail(diag.InvalidName, b.LabelRanges[0], "%q cannot be written after \"var.\": a name has letters, digits, \"_\" and \"-\" and does not start with a digit.", name)
	}
	var rules []child
	v.own, _, rules = top.shape(site{spec: variableBlock, body: b.Body})
	for _, r := range rules {
		v.rules = append(v.rules, r.block)
	}
	if a := v.own["type"]; a != nil {
		v.constrain(top, a.Expr)
	}
}

// constrain reads the type of a variable.
func (v *variable) constrain(top *scope, e hclsyntax.Expression) {
	ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(e)
	if diags.HasErrors() {
		d := diags[0]
		top.fail(diag.InvalidExpression, *d.Subject, "%s Types are string, number, bool, list(T), set(T), map(T), tuple([T, ...]), object({ name = T, ... }) and any.", d.Detail)
		return
	}
	v.typ, v.defaults = ty, defaults
}

// variableValues settles the value of every variable: its default, the environment, *.auto.vars.hcl by name, what the
// chosen cluster says, the command line in its order, and those of a test, each over the one before.
func (l *loader) variableValues(s *scope, files []string) cty.Value {
	for _, v := range l.order {
		v.flags(s)
		if text, ok := l.opts.Env(envPrefix + v.name); ok {
			l.give(s, v, text, envPrefix+v.name+" in the environment")
		}
	}
	for _, f := range files {
		l.valuesFile(s, f)
	}
	l.clusterVariables(s)
	for _, g := range l.opts.Vars {
		if g.File != "" {
			l.valuesFile(s, g.File)
			continue
		}
		l.assign(s, g.Assignment)
	}
	for name, value := range l.tried {
		l.variables[name].given, l.variables[name].from = value, l.where
	}
	values := map[string]cty.Value{}
	for _, v := range l.order {
		values[v.name] = v.settle(s)
	}
	all := objectOf(values)
	check := s.with(map[string]cty.Value{"var": all})
	for _, v := range l.order {
		for _, rule := range v.rules {
			v.validate(check, rule)
		}
	}
	return all
}

func (v *variable) flags(s *scope) {
	if a := v.own["sensitive"]; a != nil {
		v.sensitive, _ = s.argBool("sensitive", s.eval(a.Expr), a.Expr.Range())
	}
	if a := v.own["nullable"]; a != nil {
		if is, ok := s.argBool("nullable", s.eval(a.Expr), a.Expr.Range()); ok {
			v.nullable = is
		}
	}
	if a := v.own["description"]; a != nil {
		s.argText("description", s.eval(a.Expr), a.Expr.Range())
	}
}

// assign takes a -var flag.
func (l *loader) assign(s *scope, flag string) {
	name, text, ok := strings.Cut(flag, "=")
	if !ok {
		l.say(diag.Usage, "-var %q has no \"=\". Write -var 'name=value'.", flag)
		return
	}
	v, ok := l.variables[strings.TrimSpace(name)]
	if !ok {
		if !l.lost {
			l.say(diag.UndeclaredValue, "-var sets %q, but no variable of that name is declared in this folder.%s", name, l.variableMeant(name))
		}
		return
	}
	l.give(s, v, text, "-var "+v.name)
}

func (l *loader) variableMeant(name string) string {
	return diag.DidYouMean(name, slices.Sorted(maps.Keys(l.variables)))
}

// give takes text from outside of files: as it is for a variable of no type or a simple one, else as an expression.
func (l *loader) give(s *scope, v *variable, text, where string) {
	v.from = hcl2.Range{}
	if v.typ.IsPrimitiveType() || v.own["type"] == nil {
		v.given = cty.StringVal(text)
		return
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), where, hcl2.InitialPos)
	if !diags.HasErrors() {
		var val cty.Value
		if val, diags = e.Value(&hcl2.EvalContext{Functions: s.functions}); !diags.HasErrors() {
			v.given = val
			return
		}
	}
	v.given = cty.DynamicVal
	detail := diags[0].Detail
	if v.sensitive {
		detail = "What is wrong with it is not shown, because the variable is sensitive."
	}
	l.say(diag.InvalidVariable, "The value that %s gives to %q is not an expression of type %s. %s", where, v.name, typeexpr.TypeString(v.typ), detail)
}

// valuesFile reads a file of values.
func (l *loader) valuesFile(s *scope, name string) {
	raw, err := l.disk.source(name)
	if err != nil {
		l.say(diag.Unreadable, "%s", err)
		return
	}
	src := l.add(parse(name, raw))
	for _, b := range src.body.Blocks {
		s.fail(diag.UnknownBlock, b.TypeRange, "This is a file of values, which has no blocks. Move the %s block to a file that is not called *.vars.hcl, and write here only values, such as\n\n    environment = \"dev\"", b.Type)
	}
	for _, a := range attributes(src.body) {
		v, ok := l.variables[a.Name]
		switch {
		case ok:
			v.given, v.from = s.eval(a.Expr), a.Expr.Range()
		case !l.lost:
			s.fail(diag.UndeclaredValue, a.NameRange, "No variable %q is declared in this folder.%s", a.Name, l.variableMeant(a.Name))
		}
	}
}

// settle is the value that expressions see.
func (v *variable) settle(s *scope) cty.Value {
	val, at := v.given, v.from
	if val == cty.NilVal {
		a := v.own["default"]
		if a == nil {
			s.fail(diag.NoValue, v.block.DefRange(),
				"The variable %q has no default. Set it with -var '%s=...', with %s%s in the environment, or in a .vars.hcl file.", v.name, v.name, envPrefix, v.name)
			return v.marked(cty.UnknownVal(v.typ))
		}
		val, at = s.eval(a.Expr), a.Expr.Range()
	}
	if at.Filename == "" {
		at = v.block.DefRange()
	}
	if val.IsNull() && !v.nullable {
		s.fail(diag.InvalidVariable, at, "%s may not be null.", v.name)
		return v.marked(cty.UnknownVal(v.typ))
	}
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	out, err := convert.Convert(val, v.typ)
	if err != nil {
		s.fail(diag.InvalidVariable, at, "%s must be of type %s: %s.", v.name, typeexpr.TypeString(v.typ), err)
		return v.marked(cty.UnknownVal(v.typ))
	}
	return v.marked(out)
}

func (v *variable) marked(val cty.Value) cty.Value {
	if v.sensitive {
		return val.Mark(sensitive)
	}
	return val
}

// validate applies one of the variable's own rules to its value.
func (v *variable) validate(s *scope, rule *hclsyntax.Block) {
	spec := variableBlock.child("validation")
	own, _, _ := s.shape(site{spec: spec, body: rule.Body, parent: variableBlock})
	for _, need := range spec.args {
		if own[need.name] == nil {
			s.fail(diag.MissingArgument, rule.DefRange(), "A validation block needs both condition and error_message; %s is missing.", need.name)
			return
		}
	}
	cond := own["condition"].Expr
	if holds, ok := s.argBool("condition", s.eval(cond), cond.Range()); !ok || holds {
		return
	}
	at := v.from
	if at.Filename == "" {
		at = v.block.DefRange()
	}
	why := own["error_message"].Expr
	message, marks := s.eval(why).UnmarkDeep()
	switch {
	case !message.IsWhollyKnown() || message.IsNull() || message.Type() != cty.String:
		s.fail(diag.InvalidVariable, at, "%s does not fulfil the rule at %s.", v.name, s.line(rule.DefRange()))
	case len(marks) > 0:
		s.fail(diag.InvalidVariable, at, "%s does not fulfil the rule at %s, whose message is not shown because it is sensitive.", v.name, s.line(rule.DefRange()))
	default:
		s.fail(diag.InvalidVariable, at, "%s\nThe rule is at %s.", message.AsString(), s.line(rule.DefRange()))
	}
}
