package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// stage is a transform of the chain whose plugin is known.
type stage struct {
	name      string
	key       string // of its class
	plugin    plugin.Descriptor
	target    plugin.Target
	settings  map[string]string
	predicate bool
}

// StageSub is the settings of a transform as its plugin gets them: without those that the engine reads.
func StageSub(m Map, name string) map[string]string {
	s := m.Sub(Transforms + "." + name + ".")
	for _, own := range []string{"type", "predicate", "negate", "plugin.version"} {
		delete(s, own)
	}
	return s
}

// PredicateSub is the settings of a predicate as its plugin gets them.
func PredicateSub(m Map, name string) map[string]string {
	s := m.Sub(Predicates + "." + name + ".")
	delete(s, "type")
	delete(s, "plugin.version")
	return s
}

// chain checks transforms and predicates.
func (c *checker) chain() {
	predicates := c.names(Predicates, "predicate")
	for _, name := range predicates {
		c.predicate(name)
	}
	transforms := c.names(Transforms, "transform")
	for _, name := range transforms {
		c.transform(name, predicates)
	}
	c.orphans(Transforms, transforms, "transform")
	c.orphans(Predicates, predicates, "predicate")
}

// names reads a list of names, each once.
func (c *checker) names(key, what string) []string {
	var names []string
	for _, n := range List(c.Map[key]) {
		switch {
		case n == "":
			c.fail(diag.InvalidName, key, "%s has an empty name in it.", c.Spelling(key))
		case slices.Contains(names, n):
			c.fail(diag.DuplicateName, key, "The %s %q stands twice in %s.", what, n, c.Spelling(key))
		default:
			names = append(names, n)
		}
	}
	return names
}

// transform checks one stage.
func (c *checker) transform(name string, predicates []string) {
	prefix := Transforms + "." + name + "."
	who := fmt.Sprintf("The transform %q", name)
	for _, s := range plugin.SpecOf(StageSettings{}).Fields {
		c.read(prefix, s.Name)
		if !s.Required {
			c.value(prefix, s)
		}
	}
	c.condition(name, prefix, predicates)
	d, target, ok := c.typed(prefix, who, plugin.TransformRole, diag.UnknownTransform)
	if !ok {
		return
	}
	settings := StageSub(c.Map, name)
	c.stages = append(c.stages, stage{name, prefix + "type", d, target, settings, c.set(prefix + "predicate")})
	c.version(prefix+"plugin.version", d)
	c.targetPrefixes(prefix, d, target)
	if c.settings(prefix, who, prefix+"type", d.Spec) {
		c.configure(prefix, who, prefix+"type", func() error { return d.NewTransform(target).Configure(settings) })
	}
}

// condition checks which predicate a transform uses.
func (c *checker) condition(name, prefix string, predicates []string) {
	key := prefix + "predicate"
	p := strings.TrimSpace(c.Map[key])
	if p == "" {
		if _, ok := c.Map[prefix+"negate"]; ok {
			c.fail(diag.InvalidValue, prefix+"negate", "%s turns the predicate of a transform round, and the transform %q has none.", c.Spelling(prefix+"negate"), name)
		}
		return
	}
	if !slices.Contains(predicates, p) {
		c.fail(diag.UnknownPredicate, key, "This pipeline has no predicate %q.%s", p, diag.DidYouMean(p, predicates))
	}
}

// predicate checks one predicate.
func (c *checker) predicate(name string) {
	prefix := Predicates + "." + name + "."
	who := fmt.Sprintf("The predicate %q", name)
	c.read(prefix, "type")
	c.read(prefix, "plugin.version")
	d, _, ok := c.typed(prefix, who, plugin.PredicateRole, diag.UnknownCondition)
	if !ok {
		return
	}
	c.version(prefix+"plugin.version", d)
	if c.settings(prefix, who, prefix+"type", d.Spec) {
		settings := PredicateSub(c.Map, name)
		p := d.NewPredicate()
		c.configure(prefix, who, prefix+"type", func() error { return p.Configure(settings) })
		if demander, ok := p.(plugin.Demander); ok && c.sound(prefix) && !c.opens(prefix) {
			c.demands(prefix, demander)
		}
	}
}

// demands warns of fields without which a predicate fails.
func (c *checker) demands(prefix string, d plugin.Demander) {
	var list []*plugin.ConfigError
	if err := Ask(func() error { list = d.Demands(); return nil }); err != nil {
		return // a doubt that cannot be told is no error
	}
	for _, e := range list {
		key := prefix + e.Key
		place := c.at(key)
		if place.Hidden {
			c.found = append(c.found, diag.Warn(diag.ConditionMissingField, place, "A record without a field that the condition compares is an error, not \"no\". It came from something sensitive, so it is not shown."))
			return
		}
		if within := c.Origins[key].Within(e.From, e.To); e.To > 0 && !within.IsZero() {
			place = within
		}
		c.found = append(c.found, diag.Warn(diag.ConditionMissingField, place, "%s", c.masked(sentence(e.Reason))))
	}
}

// typed finds the plugin that the type under a prefix names.
func (c *checker) typed(prefix, who string, role plugin.Role, unknown diag.Code) (plugin.Descriptor, plugin.Target, bool) {
	key := prefix + "type"
	class := strings.TrimSpace(c.Map[key])
	if class == "" {
		list, _, _ := strings.Cut(prefix, ".")
		c.failAt(key, diag.MissingProperty, c.At(list), "%s has no type. Write %stype=….", who, prefix)
		return plugin.Descriptor{}, plugin.NoTarget, false
	}
	d, target, ok := c.registry.Class(role, class)
	if ok {
		return d, target, true
	}
	if bare, suffix := cutTarget(class); suffix != "" {
		if d, _, ok := c.registry.Class(role, bare); ok {
			c.fail(diag.NoTarget, key, "%q works on the whole record, so its class has no %s. Write %q.", d.Name, suffix, bare)
			return plugin.Descriptor{}, plugin.NoTarget, false
		}
	} else if d, _, ok := c.registry.Class(role, class+plugin.Key.Suffix()); ok {
		c.fail(unknown, key, "%q works on the key or on the value, and the class says which: write %q or %q.", d.Name, class+plugin.Key.Suffix(), class+plugin.Value.Suffix())
		return plugin.Descriptor{}, plugin.NoTarget, false
	}
	c.fail(unknown, key, "There is no built-in %s of class %q.%s", role, class, c.hint(class, c.registry.Classes(role)))
	return plugin.Descriptor{}, plugin.NoTarget, false
}

// cutTarget splits the suffix that names a target from a class.
func cutTarget(class string) (bare, suffix string) {
	for _, t := range []plugin.Target{plugin.Key, plugin.Value} {
		if bare, ok := strings.CutSuffix(class, t.Suffix()); ok {
			return bare, t.Suffix()
		}
	}
	return class, ""
}

// targetPrefixes refuses settings of a transform with variants that repeat the target, such as value.static.field. Kafka
// Connect lets them pass and ignores them, so that the transform fails or does something else (decision D12).
func (c *checker) targetPrefixes(prefix string, d plugin.Descriptor, target plugin.Target) {
	if !d.Targets {
		return
	}
	for _, key := range c.keys {
		name, ok := strings.CutPrefix(key, prefix)
		if _, own := d.Spec.Field(name); own || !ok {
			continue
		}
		for _, t := range []plugin.Target{plugin.Key, plugin.Value} {
			rest, ok := strings.CutPrefix(name, t.String()+".")
			if !ok {
				continue
			}
			advice := fmt.Sprintf("Write %s.", c.write(prefix, rest, "…"))
			if t != target {
				advice = fmt.Sprintf("For the %s use %s, and write %s.", t, c.variant(d, t), c.write(prefix, rest, "…"))
			}
			c.fail(diag.UnknownArgument, key, "%s is not a setting of %q: that it works on the %s is said by its %s, not by the names of its settings. %s",
				c.Spelling(key), d.Name, target, c.targetWord(), advice)
		}
	}
}

// targetWord is what chooses a target.
func (d *Declared) targetWord() string {
	if d.arguments() {
		return "target"
	}
	return "class"
}

// variant is how to choose a target.
func (d *Declared) variant(p plugin.Descriptor, t plugin.Target) string {
	if d.arguments() {
		return fmt.Sprintf("target = %q", t)
	}
	return "type=" + p.Class + t.Suffix()
}

// orphans warns of settings under names that the list does not have.
func (c *checker) orphans(key string, names []string, what string) {
	warned := map[string]bool{}
	for _, k := range c.keys {
		rest, ok := strings.CutPrefix(k, key+".")
		if !ok || slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(rest, n+".") }) {
			continue
		}
		if name, _, ok := strings.Cut(rest, "."); ok && !warned[name] {
			warned[name] = true
			c.warn(diag.NoEffect, k, "There is no %s %q in %s, so %q is not read.%s", what, name, key, k, diag.DidYouMean(name, names))
		}
	}
}
