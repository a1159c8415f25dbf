package hcl

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Names from other tools, with our way. One table for blocks and one for arguments.
//
//nolint:gochecknoglobals // literals
var (
	foreignBlocks = map[string]string{
		"module":    "There are no modules: share settings with defaults, and repeat a pipeline with for_each.",
		"template":  "There are no templates: share settings with defaults, and repeat a pipeline with for_each.",
		"output":    "There are no outputs. A pipeline that writes to a system is a sink.",
		"input":     "A pipeline that reads from a system has a source block.",
		"data":      "Nothing is looked up while files are read, except with env() and file().",
		"resource":  "What this tool manages are pipelines: write pipeline \"NAME\" { ... }.",
		"provider":  "There are no providers. Connectors are built in; a source or sink block names one.",
		"terraform": "This is not Terraform. There is nothing to initialise and there is no backend.",
		"import":    "There are no import blocks.",
		"dynamic":   "There are no dynamic blocks: repeat the whole pipeline with for_each.",
	}
	foreignArgs = map[string]string{
		"count":      "Use for_each with a map or a set: its keys keep their names when one is removed.",
		"depends_on": "Pipelines do not depend on each other; they meet in topics.",
		"dynamic":    foreignBlocks["dynamic"],
	}
	otherNames = map[string]string{ // guesses that are not near in spelling
		"dlq": "dead_letter_queue", "deadletter": "dead_letter_queue", "dead_letter": "dead_letter_queue",
		"dead_letter_topic": "dead_letter_queue", "smt": "transform", "smts": "transform", "transformation": "transform",
		"transforms": "transform", "predicates": "predicate", "filter": "transform", "converter": "value_converter",
		"error_handling": "errors", "consumer_override": "consumer", "producer_override": "producer",
		"admin_override": "admin", "topic": "topic_creation", "var": "variable", "vars": "variable", "local": "locals",
		"default": "defaults", "flow": "pipeline", "job": "pipeline", "providers": "config_provider",
		"config_providers": "config_provider",
	}
)

func (s *scope) unknownBlock(in site, b *hclsyntax.Block) {
	where := "here"
	if in.spec != fileBlock {
		where = in.title()
	}
	s.fail(diag.UnknownBlock, b.TypeRange, "Blocks of type %q are not expected %s.%s", b.Type, where, s.blockMeant(in, b))
}

func (s *scope) blockMeant(in site, b *hclsyntax.Block) string {
	if hint, ok := foreignBlocks[b.Type]; ok {
		return " " + hint
	}
	if in.spec == defaultsBlock && pipelineBlock.child(b.Type) != nil {
		return fmt.Sprintf(" Every pipeline has its own %s.", b.Type)
	}
	if _, ok := in.knows(b.Type); ok && !in.spec.open && !in.unknown {
		return fmt.Sprintf(" It is an argument: write %s = ...", b.Type)
	}
	var names []string
	for _, c := range in.spec.blocks {
		names = append(names, c.name)
	}
	if name := otherNames[b.Type]; name != "" && in.spec.child(name) != nil {
		return fmt.Sprintf(" Did you mean %q?", name)
	}
	if meant := diag.DidYouMean(b.Type, names); meant != "" {
		return meant
	}
	for _, outer := range []*block{fileBlock, pipelineBlock, workerBlock} {
		if outer != in.spec && outer.child(b.Type) != nil {
			return fmt.Sprintf(" It belongs %s.", site{spec: outer}.title())
		}
	}
	return ""
}

// unknownArgument explains a name that is not known where it stands: one message that names the likeliest cause.
func (s *scope) unknownArgument(in site, a *hclsyntax.Attribute) {
	if other, ok := s.misplaced(in, a.Name); ok {
		s.fail(diag.WrongBlock, a.NameRange, "%s", other)
		return
	}
	hint, ok := foreignArgs[a.Name]
	if ok {
		hint = " " + hint
	} else {
		hint = s.argumentMeant(in, a.Name)
	}
	s.fail(diag.UnknownArgument, a.NameRange, "An argument named %q is not expected %s.%s", a.Name, in.title(), hint)
}

// misplaced finds the block to which an argument belongs by its exact name.
func (s *scope) misplaced(in site, name string) (string, bool) {
	if in.parent != nil {
		if _, ok := in.parent.argument(name); ok {
			return fmt.Sprintf("%q is a setting of %s, not of %s. Move it out of the %s block.", name, in.parent.thing(), in.spec.thing(), in.spec.name), true
		}
		for _, sibling := range in.parent.blocks {
			if _, ok := sibling.argument(name); ok && sibling != in.spec && sibling.role == 0 {
				return fmt.Sprintf("%q is a setting of %s, not of %s. Move it there:\n\n    %s {\n      %s = ...\n    }",
					name, sibling.thing(), in.spec.thing(), header(&hclsyntax.Block{Type: sibling.name}), name), true
			}
		}
		return "", false
	}
	if in.spec == fileBlock {
		if _, ok := pipelineBlock.argument(name); ok {
			return fmt.Sprintf("%q is a setting of a pipeline. Move it into a pipeline block.", name), true
		}
		if _, ok := workerBlock.argument(name); ok {
			return fmt.Sprintf("%q is a setting of the worker. Move it into a worker block.", name), true
		}
	}
	return s.inward(in, name)
}

// inward finds the block inside a body to which an argument belongs: by its name, by its prefix, or as a setting of the
// plugin that the body names.
func (s *scope) inward(in site, name string) (string, bool) {
	move := func(what, block, arg string) (string, bool) {
		return fmt.Sprintf("%q is a setting of %s, not of %s. Write it there:\n\n    %s {\n      %s = ...\n    }", name, what, in.spec.thing(), block, arg), true
	}
	for _, b := range in.body.Blocks {
		spec := in.spec.child(b.Type)
		if spec == nil || spec.role == 0 || len(b.Labels) == 0 {
			continue
		}
		if spec.role == plugin.TransformRole || spec.role == plugin.PredicateRole {
			continue // there may be several, each with the setting
		}
		inner := site{spec: spec}
		if d, _, _, ok := s.find(spec.role, b.Labels[0]); ok {
			inner.plugin = &d
		}
		if _, ok := inner.knows(name); ok && name != configMap {
			return move(spec.thing(), header(b), name)
		}
	}
	for _, c := range in.spec.blocks {
		if c.many || c.prefix == "" {
			continue
		}
		first := c.name
		if c.labels != noLabel {
			first = c.usage()[:strings.IndexByte(c.usage(), '{')-1]
		}
		if _, ok := c.argument(name); ok && c.role == 0 {
			return move(c.thing(), first, name)
		}
		if rest, ok := strings.CutPrefix(name, underscored(c.prefix)); ok && rest != "" {
			return move(c.thing(), first, rest)
		}
	}
	return "", false
}

// argumentMeant finds what may have been meant by an argument of an unknown name.
func (s *scope) argumentMeant(in site, name string) string {
	if c := in.spec.child(name); c != nil {
		return fmt.Sprintf(" Did you mean to define a block of type %q?", name)
	}
	if in.spec.role != 0 && name == "type" {
		return fmt.Sprintf(" The first label says what it is: %s", in.spec.usage())
	}
	if in.spec.role == plugin.TransformRole && (name == "predicate" || name == "negate") {
		return " A transform is bound to a predicate with when = predicate.NAME, or unless = predicate.NAME."
	}
	if in.plugin != nil {
		if hint := in.targeted(dotted(name)); hint != "" {
			return " " + hint
		}
		for _, f := range in.plugin.Spec.Fields {
			if underscored(f.Name) == name { // it has an underscore, which an argument cannot say
				return fmt.Sprintf(" It would be the property %q, which %s does not have. The name of its setting has an underscore, so write\n\n    config = { %q = ... }", dotted(name), in.label, f.Name)
			}
		}
	}
	if in.spec == fileBlock && s.variables[name] != nil {
		return fmt.Sprintf(" To give the variable %q a value, write this in a file called *.auto.vars.hcl.", name)
	}
	return s.near(in, name)
}

// targeted explains a setting of a transform for keys or values that was written with key. or value. before it, as one
// would in some other tools. Kafka Connect accepts it and fails when the task starts.
func (in site) targeted(property string) string {
	if in.plugin == nil || !in.plugin.Targets {
		return ""
	}
	for _, t := range []plugin.Target{plugin.Key, plugin.Value} {
		rest, ok := strings.CutPrefix(property, t.String()+".")
		if _, known := in.plugin.Spec.Field(rest); ok && known {
			return fmt.Sprintf("Whether a transform works on the key or the value is said once, with target = %q; the setting is %s.", t.String(), underscored(rest))
		}
	}
	return ""
}

// near is the nearest name among arguments and blocks here, then among those of the neighbouring levels.
func (s *scope) near(in site, name string) string {
	var here, blocks []string
	for _, a := range in.spec.args {
		here = append(here, a.name)
	}
	if in.plugin != nil {
		for _, f := range in.plugin.Spec.Fields {
			if !strings.ContainsRune(f.Name, '_') {
				here = append(here, underscored(f.Name))
			}
		}
	}
	for _, c := range in.spec.blocks {
		blocks = append(blocks, c.name)
	}
	if n := diag.Nearest(name, append(here, blocks...)); n != "" {
		if in.spec.child(n) != nil {
			return fmt.Sprintf(" Did you mean to define a block of type %q?", n)
		}
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	neighbours := in.spec.blocks
	if in.parent != nil {
		neighbours = append([]*block{in.parent}, in.parent.blocks...)
	}
	for _, c := range neighbours {
		var names []string
		for _, a := range c.args {
			names = append(names, a.name)
		}
		if n := diag.Nearest(name, names); n != "" && c != in.spec && c.role == 0 {
			return fmt.Sprintf(" Did you mean %q, a setting of %s?", n, c.thing())
		}
	}
	switch {
	case in.spec.starts != "":
		return fmt.Sprintf(" Parameters start with %s: %s%s = ...", in.spec.starts, in.spec.starts, name)
	case in.spec == workerBlock || in.parent == workerBlock:
		return fmt.Sprintf(" A setting that is not listed here can be written in config = { %q = ... }.", dotted(name))
	case in.plugin != nil && len(here) > 0 && len(here) <= 12:
		return " It takes " + strings.Join(here, ", ") + "."
	}
	return ""
}

// named is find for a block; one that does not say whether it is a source or a sink may be either.
func (s *scope) named(spec *block, label string) (d plugin.Descriptor, target plugin.Target, bare, ok bool) {
	d, target, bare, ok = s.find(spec.role, label)
	if !ok && spec.name == "connector" {
		return s.find(plugin.SinkRole, label)
	}
	return d, target, bare, ok
}

// find looks a plugin up by the label of a block: an alias, or a class name where the label has a dot or a capital letter.
// target is what the class name says; bare is set for a class with variants that the label does not choose between.
func (s *scope) find(role plugin.Role, label string) (d plugin.Descriptor, target plugin.Target, bare, ok bool) {
	if !isClass(label) {
		d, ok = s.registry.Alias(role, label)
		return d, plugin.NoTarget, d.Targets, ok
	}
	if d, target, ok = s.registry.Class(role, label); ok {
		return d, target, false, true
	}
	if d, _, ok = s.registry.Class(role, label+plugin.Value.Suffix()); ok {
		return d, plugin.NoTarget, true, true
	}
	return d, plugin.NoTarget, false, false
}

func isClass(label string) bool {
	return strings.ContainsRune(label, '.') || label != strings.ToLower(label)
}

// unknownPlugin explains a label that names nothing that is built in.
func (s *scope) unknownPlugin(spec *block, b *hclsyntax.Block) {
	label, role := b.Labels[0], spec.role
	code := map[plugin.Role]diag.Code{
		plugin.SourceRole: diag.UnknownConnector, plugin.SinkRole: diag.UnknownConnector, plugin.ConverterRole: diag.UnknownConverter,
		plugin.TransformRole: diag.UnknownTransform, plugin.PredicateRole: diag.UnknownPredicate,
	}[role]
	d := diag.New(code, s.place(b.LabelRanges[0]), "%s", s.pluginMeant(role, label))
	d.Summary = "Unknown " + role.String() + " type"
	s.report(d)
}

func (s *scope) pluginMeant(role plugin.Role, label string) string {
	names, also := s.registry.Names(role), fmt.Sprintf(" The class name of a built-in %s is fine too.", role)
	if isClass(label) {
		names, also = s.registry.Classes(role), " This version runs only what is built in."
	}
	there := "There is no built-in " + role.String() + fmt.Sprintf(" %q.", label)
	if isClass(label) {
		there = fmt.Sprintf("No built-in %s has the class %q.", role, label)
	}
	for _, other := range []plugin.Role{plugin.SourceRole, plugin.SinkRole} {
		if _, _, _, ok := s.find(other, label); ok && other != role && (role == plugin.SourceRole || role == plugin.SinkRole) {
			return fmt.Sprintf("%s There is a %s of that name.", there, other)
		}
	}
	if _, ok := s.registry.Alias(role, "drop"); ok && role == plugin.TransformRole && strings.EqualFold(label, "filter") {
		return there + ` Kafka Connect's Filter is called "drop" here, because it drops the records that match.`
	}
	meant := diag.DidYouMean(label, names)
	if meant == "" && !isClass(label) && len(names) > 0 && len(names) <= 20 {
		meant = " Built in are " + strings.Join(names, ", ") + "."
	}
	return there + meant + also
}
