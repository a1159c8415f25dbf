package hcl

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Imported is a connector to be written as HCL.
type Imported struct {
	Config config.Map
	Type   string        // source, sink or unknown, as the cluster says
	Target config.Target // "" and Started write nothing
}

// Secret is a value that was left out of generated text: an environment variable is to hold it.
type Secret struct {
	Connector, Property, Variable string
}

// Generation is how to write.
type Generation struct {
	Registry *plugin.Registry
	Inline   bool // write secrets as they are

	// Taken is what earlier texts of the same project use, and is added to; nil: this is the only one.
	Taken *Taken
}

// Taken are the labels of pipelines and the variables of secrets that are in use. The zero value is empty.
type Taken struct{ labels, variables map[string]bool }

// free is a name, or the first of those with a number behind it, that is not in use.
func free(name, mark string, taken ...map[string]bool) string {
	for n, try := 2, name; ; n++ {
		if !slices.ContainsFunc(taken, func(t map[string]bool) bool { return t[try] }) {
			return try
		}
		try = name + mark + strconv.Itoa(n)
	}
}

// take remembers what a text uses.
func (t *Taken) take(label string, secrets []Secret) {
	if t == nil {
		return
	}
	if t.labels == nil {
		t.labels, t.variables = map[string]bool{}, map[string]bool{}
	}
	t.labels[label] = true
	for _, s := range secrets {
		t.variables[s.Variable] = true
	}
}

// Generate writes a connector as a pipeline block, such that loading the block gives the very same map: it loads what it has
// written and compares. What blocks and arguments cannot say exactly is written in config maps. The error says which
// property cannot be written at all.
func Generate(c Imported, g Generation) (text string, secrets []Secret, err error) {
	w := &generator{Generation: g, m: c.Config, connector: c, raw: map[string]bool{}}
	w.types = config.Types(c.Config, g.Registry)
	if err := w.possible(); err != nil {
		return "", nil, err
	}
	w.structure()
	for range len(groupsOf) + len(c.Config) + 2 {
		text = w.write()
		wrong := w.differs(text)
		if len(wrong) == 0 {
			g.Taken.take(w.label(), w.secrets)
			return text, w.secrets, nil
		}
		if !w.retreat(wrong) {
			break
		}
	}
	return "", nil, fmt.Errorf("%q cannot be written as HCL exactly", c.Config[config.Name])
}

// generator writes one connector. Groups and keys in raw are written in config maps.
type generator struct {
	Generation
	connector Imported
	m         config.Map
	types     func(string) plugin.Type
	raw       map[string]bool
	inline    map[string]bool // predicates that are written as the conditions of their transforms
	secrets   []Secret
	out       strings.Builder
	taken     map[string]bool // keys that have been written
}

// groupsOf are the prefixes of what is written as blocks together or not at all.
var groupsOf = []string{ //nolint:gochecknoglobals // a literal
	config.Transforms, config.Predicates, config.KeyConverter, config.ValueConverter, config.HeaderConverter, "errors.deadletterqueue",
	"errors", config.TopicCreation, "producer.override", "consumer.override", "admin.override",
}

// possible refuses what no HCL says.
func (w *generator) possible() error {
	if strings.TrimSpace(w.m[config.ConnectorClass]) == "" {
		return fmt.Errorf("%q has no connector.class", w.m[config.Name])
	}
	if strings.TrimSpace(w.m[config.Name]) == "" {
		return fmt.Errorf("a connector without a name")
	}
	for key := range w.m {
		if !utf8.ValidString(key) || cty.StringVal(key).AsString() != key {
			return fmt.Errorf("the property name %q is not in Unicode normal form C", key)
		}
	}
	return nil
}

// structure decides which groups blocks can say.
func (w *generator) structure() {
	names := config.List(w.m[config.Transforms])
	w.raw[config.Transforms] = !w.nameable(names) || !w.typed(config.Transforms, names)
	predicates := config.List(w.m[config.Predicates])
	w.raw[config.Predicates] = !w.nameable(predicates) || !w.typed(config.Predicates, predicates)
	for _, n := range names {
		if p, ok := w.m[config.Transforms+"."+n+".predicate"]; ok && (w.raw[config.Predicates] || !slices.Contains(predicates, p)) {
			w.raw[config.Transforms] = true
		}
	}
	for _, c := range []string{config.KeyConverter, config.ValueConverter, config.HeaderConverter} {
		w.raw[c] = !sayable(w.m[c])
	}
	w.raw[config.TopicCreation] = !w.nameable(config.List(w.m[config.TopicGroups]))
	w.inline = w.conditions(names, predicates)
}

// conditions are the predicates that a transform's when or unless makes of a text. Those stand at the end of the list, in
// the order of their transforms, so that is where they are looked for.
func (w *generator) conditions(transforms, predicates []string) map[string]bool {
	found := map[string]bool{}
	if w.raw[config.Transforms] || w.raw[config.Predicates] {
		return found
	}
	next := len(transforms)
	for _, p := range slices.Backward(predicates) {
		t, ours := strings.CutPrefix(p, conditionPrefix)
		at := slices.Index(transforms, t)
		if !ours || at < 0 || at >= next || !w.isCondition(p, t, transforms) {
			break
		}
		found[p], next = true, at
	}
	return found
}

// isCondition reports whether a predicate is one that a text of the transform t makes, and nothing else uses.
func (w *generator) isCondition(p, t string, transforms []string) bool {
	prefix := config.Predicates + "." + p + "."
	d, ok := w.Registry.Alias(plugin.PredicateRole, "expression")
	text := w.m[prefix+"expression"]
	if !ok || w.m[prefix+"type"] != d.Class || text == "" || text != strings.TrimSpace(text) || !representable(text) {
		return false
	}
	for key := range w.m {
		if setting, its := strings.CutPrefix(key, prefix); its && setting != "type" && setting != "expression" {
			return false
		}
	}
	for _, other := range transforms {
		if (w.m[config.Transforms+"."+other+".predicate"] == p) != (other == t) {
			return false
		}
	}
	return true
}

// nameable reports whether names can be labels of blocks, none a prefix of another's properties.
func (w *generator) nameable(names []string) bool {
	for i, n := range names {
		if n == "" || nameable(n) != "" || !utf8.ValidString(n) || cty.StringVal(n).AsString() != n || strings.ContainsAny(n, "\n\r") {
			return false
		}
		for j, other := range names {
			if i != j && (n == other || strings.HasPrefix(other, n+".")) {
				return false
			}
		}
	}
	return true
}

func (w *generator) typed(list string, names []string) bool {
	for _, n := range names {
		if !sayable(w.m[list+"."+n+".type"]) {
			return false
		}
	}
	return true
}

// sayable reports whether a class can be a label.
func sayable(class string) bool {
	return class != "" && class == strings.TrimSpace(class) && utf8.ValidString(class) && isClass(class)
}

// differs loads a text and names the keys that are not as they should be. What is refused without a key is "".
func (w *generator) differs(text string) []string {
	env := map[string]string{}
	for _, s := range w.secrets {
		env[s.Variable] = w.m[s.Property]
	}
	l := newLoader("", Options{
		Registry: w.Registry, ForCluster: true,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}, newDisk(nil))
	s, found := parse("import.hcl", []byte(text))
	l.sources = append(l.sources, l.add(s, found))
	l.compile(nil)
	if l.found.HasErrors() || len(l.project.Pipelines) != 1 {
		return w.blamed(l.found, s)
	}
	var wrong []string
	got := l.project.Pipelines[0].Map
	for _, c := range config.Diff(got, w.m, nil) {
		wrong = append(wrong, c.Key)
	}
	return wrong
}

// blamed are the keys on the lines of errors.
func (w *generator) blamed(found diag.List, s *source) []string {
	wrong := []string{""}
	lines := strings.Split(string(s.text), "\n")
	for _, d := range found {
		if d.Place.Line == 0 || d.Place.Line > len(lines) {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(lines[d.Place.Line-1]), " ")
		for key := range w.m {
			if underscored(key) == name || strings.HasSuffix(underscored(key), "_"+name) {
				wrong = append(wrong, key)
			}
		}
	}
	return wrong
}

// retreat writes less as blocks and arguments, because of keys that came out wrong; false when there is nothing left.
func (w *generator) retreat(wrong []string) bool {
	changed := false
	if len(w.inline) > 0 {
		clear(w.inline)
		return true
	}
	set := func(what string) {
		if !w.raw[what] {
			w.raw[what], changed = true, true
		}
	}
	for _, key := range wrong {
		if g := groupOf(key); g != "" {
			set(g)
			if g == config.Predicates {
				set(config.Transforms)
			}
		} else if key != "" {
			set(key)
		}
	}
	if !changed {
		for _, g := range groupsOf {
			if set(g); changed {
				return true
			}
		}
		for _, key := range w.m.Keys() {
			set(key)
		}
	}
	return changed
}

// groupOf is the group that a key belongs to, or "".
func groupOf(key string) string {
	for _, g := range groupsOf {
		if key == g || strings.HasPrefix(key, g+".") {
			return g
		}
	}
	return ""
}

var (
	plainLabel = pattern(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`) //nolint:gochecknoglobals // a constant, made when it is first needed
	notLabel   = pattern(`[^A-Za-z0-9_.-]+`)              //nolint:gochecknoglobals // a constant, made when it is first needed
)

// label is the connector's name as a label, or something like it.
func (w *generator) label() string {
	label := w.m[config.Name]
	if !plainLabel().MatchString(label) {
		label = cmp.Or(strings.Trim(notLabel().ReplaceAllString(label, "-"), "-."), "imported")
	}
	if w.Taken != nil {
		return free(label, "-", w.Taken.labels)
	}
	return label
}

// write writes the pipeline, in the order in which people read: name, framework, connector, converters, chain, errors.
func (w *generator) write() string {
	w.out.Reset()
	w.secrets, w.taken = nil, map[string]bool{config.Name: true, config.ConnectorClass: true}
	name := w.m[config.Name]
	label := w.label()
	fmt.Fprintf(&w.out, "pipeline %s {\n", quoted(label))
	if label != name {
		fmt.Fprintf(&w.out, "name = %s\n", literal(name))
	}
	if t := map[config.Target]string{config.Paused: "paused", config.Stopped: "stopped"}[w.connector.Target]; t != "" {
		fmt.Fprintf(&w.out, "state = %q\n", t)
	}
	for _, a := range connectorArgs {
		w.argument(dotted(a.name), "")
	}
	if !strings.HasSuffix(w.out.String(), "{\n") {
		w.out.WriteByte('\n')
	}
	w.body()
	for _, c := range []string{config.KeyConverter, config.ValueConverter, config.HeaderConverter} {
		if !w.raw[c] && w.m[c] != "" {
			w.plugged(strings.ReplaceAll(c, ".", "_"), "", plugin.ConverterRole, c, c+".", "")
		}
	}
	w.chain()
	w.simple("errors", "errors.", "errors.deadletterqueue.")
	w.simple("dead_letter_queue", "errors.deadletterqueue.", "")
	w.simple("producer", config.ProducerPrefix, "")
	w.simple("consumer", config.ConsumerPrefix, "")
	w.simple("admin", config.AdminPrefix, "")
	w.topicCreation()
	w.rest("", slices.DeleteFunc(w.m.Keys(), func(k string) bool { return w.taken[k] }))
	w.out.WriteString("}\n")
	text := string(hclwrite.Format([]byte(w.out.String())))
	return strings.NewReplacer("{\n  }", "{}", "\n\n}", "\n}").Replace(text)
}

// body writes the source or sink block with what is the connector's own.
func (w *generator) body() {
	class := w.m[config.ConnectorClass]
	role, d, known := w.role(class)
	label := class
	if known && d.Class == class {
		label = d.Name
	}
	fmt.Fprintf(&w.out, "%s %s {\n", role, quoted(strings.TrimSpace(label)))
	var others []string
	for _, key := range w.m.Keys() {
		switch {
		case w.taken[key] || groupOf(key) != "" || isFramework(key):
		case w.arguable(key) && w.bodyKnows(key, role, d, known):
			w.argument(key, "")
		default:
			others = append(others, key)
		}
	}
	if class != strings.TrimSpace(class) {
		others = append(others, config.ConnectorClass)
	}
	w.rest("", others)
	w.out.WriteString("}\n\n")
}

func (w *generator) role(class string) (block string, d plugin.Descriptor, known bool) {
	class = strings.TrimSpace(class)
	for _, role := range []plugin.Role{plugin.SourceRole, plugin.SinkRole} {
		if d, _, ok := w.Registry.Class(role, class); ok && isClass(class) {
			return role.String(), d, true
		}
	}
	if w.connector.Type == plugin.SourceRole.String() || w.connector.Type == plugin.SinkRole.String() {
		return w.connector.Type, d, false
	}
	return "connector", d, false
}

// bodyKnows reports whether a source or sink block takes a property as an argument.
func (w *generator) bodyKnows(key, block string, d plugin.Descriptor, known bool) bool {
	if !known {
		return true
	}
	_, has := d.Spec.Field(key)
	return has || block == plugin.SinkRole.String() && (key == config.Topics || key == config.TopicsRegex)
}

// isFramework reports whether a property has its place in the pipeline itself.
func isFramework(key string) bool {
	return slices.ContainsFunc(connectorArgs, func(a argument) bool { return dotted(a.name) == key })
}

// arguable reports whether a property's name, without its block's prefix, can be an argument.
func (w *generator) arguable(name string) bool {
	return !w.raw[name] && !strings.ContainsRune(name, '_') && hclsyntax.ValidIdentifier(underscored(name)) && name != configMap
}

// argument writes one property as an argument, if it is there and can be one.
func (w *generator) argument(name, prefix string) {
	key := prefix + name
	if value, is := w.m[key]; is && !w.taken[key] && !w.raw[key] && w.arguable(name) {
		w.taken[key] = true
		fmt.Fprintf(&w.out, "%s = %s\n", underscored(name), w.value(key, value))
	}
}

// simple writes a block of the pipeline's own, unless it is to be raw.
func (w *generator) simple(block, prefix, except string) {
	if w.raw[strings.TrimSuffix(prefix, ".")] {
		return
	}
	spec := pipelineBlock.child(block)
	var keys, others []string
	for _, key := range w.m.Keys() {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok || name == "" || except != "" && strings.HasPrefix(key, except) {
			continue
		}
		_, listed := spec.argument(underscored(name))
		if w.arguable(name) && (listed || spec.open) && !w.raw[key] {
			keys = append(keys, name)
		} else {
			others = append(others, key)
		}
	}
	if len(keys)+len(others) == 0 {
		return
	}
	fmt.Fprintf(&w.out, "%s {\n", block)
	for _, name := range keys {
		w.argument(name, prefix)
	}
	w.rest(prefix, others)
	w.out.WriteString("}\n\n")
}

// chain writes predicates and transforms in the order of their lists.
func (w *generator) chain() {
	if !w.raw[config.Predicates] {
		w.taken[config.Predicates] = true
		for _, n := range config.List(w.m[config.Predicates]) {
			prefix := config.Predicates + "." + n + "."
			if w.inline[n] {
				w.taken[prefix+"type"], w.taken[prefix+"expression"] = true, true
				continue
			}
			w.plugged("predicate", n, plugin.PredicateRole, prefix+"type", prefix, "")
		}
		w.respell(config.Predicates)
	}
	if w.raw[config.Transforms] {
		return
	}
	w.taken[config.Transforms] = true
	for _, n := range config.List(w.m[config.Transforms]) {
		prefix := config.Transforms + "." + n + "."
		bound := ""
		if p, ok := w.m[prefix+"predicate"]; ok {
			word := "when"
			if w.m[prefix+"negate"] == "true" { // another value is written in config
				word = "unless"
				w.taken[prefix+"negate"] = true
			}
			w.taken[prefix+"predicate"] = true
			reference := "predicate." + p
			switch {
			case w.inline[p]:
				reference = quoted(w.m[config.Predicates+"."+p+".expression"])
			case !hclsyntax.ValidIdentifier(p):
				reference = "predicate[" + quoted(p) + "]"
			}
			bound = word + " = " + reference + "\n"
		}
		w.plugged("transform", n, plugin.TransformRole, prefix+"type", prefix, bound)
	}
	w.respell(config.Transforms)
}

// respell leaves a list to the raw keys when its bytes are not those of the joined names.
func (w *generator) respell(list string) {
	if text, is := w.m[list]; is && text != joined(config.List(text)) || is && text == "" {
		w.taken[list] = false
	} else if !is {
		delete(w.taken, list)
	}
}

// plugged writes the block of a plugin: converter, predicate or transform.
func (w *generator) plugged(block, name string, role plugin.Role, classKey, prefix, more string) {
	class := w.m[classKey]
	w.taken[classKey] = true
	d, target, known := w.Registry.Class(role, class)
	label := class
	if known && d.Class+target.Suffix() == class {
		label = d.Name
		if target != plugin.NoTarget {
			more = fmt.Sprintf("target = %q\n", strings.ToLower(target.String())) + more
		}
	}
	fmt.Fprintf(&w.out, "%s %s", block, quoted(label))
	if name != "" {
		fmt.Fprintf(&w.out, " %s", quoted(name))
	}
	w.out.WriteString(" {\n" + more)
	spec := pipelineBlock.child(block)
	var others []string
	for _, key := range w.m.Keys() {
		setting, ok := strings.CutPrefix(key, prefix)
		if !ok || setting == "" || w.taken[key] {
			continue
		}
		_, has := d.Spec.Field(setting)
		_, ours := spec.argument(underscored(setting))
		version := setting == "plugin.version"
		if w.arguable(setting) && !w.raw[key] && (version || !ours && (has || !known)) {
			w.argument(setting, prefix)
		} else {
			others = append(others, key)
		}
	}
	w.rest(prefix, others)
	w.out.WriteString("}\n\n")
}

// topicCreation writes the groups of topics, default first.
func (w *generator) topicCreation() {
	if w.raw[config.TopicCreation] {
		return
	}
	w.taken[config.TopicGroups] = true
	for _, n := range slices.Concat([]string{"default"}, config.List(w.m[config.TopicGroups])) {
		prefix := config.TopicCreationPrefix + n + "."
		var keys, others []string
		for _, key := range w.m.Keys() {
			name, ok := strings.CutPrefix(key, prefix)
			switch {
			case !ok || name == "" || w.taken[key]:
			case w.arguable(name) && !w.raw[key]:
				keys = append(keys, name)
			default:
				others = append(others, key)
			}
		}
		if n == "default" && len(keys)+len(others) == 0 {
			continue
		}
		fmt.Fprintf(&w.out, "topic_creation %s {\n", quoted(n))
		for _, name := range keys {
			w.argument(name, prefix)
		}
		w.rest(prefix, others)
		w.out.WriteString("}\n\n")
	}
	w.respell(config.TopicGroups)
}

// rest writes properties in a config map, without the block's prefix.
func (w *generator) rest(prefix string, keys []string) {
	if len(keys) == 0 {
		return
	}
	w.out.WriteString("config = {\n")
	for _, key := range keys {
		w.taken[key] = true
		fmt.Fprintf(&w.out, "%s = %s\n", quoted(strings.TrimPrefix(key, prefix)), w.value(key, w.m[key]))
	}
	w.out.WriteString("}\n")
}

var (
	wholeNumber = pattern(`^(0|-?[1-9][0-9]{0,17})$`)            //nolint:gochecknoglobals // a constant, made when it is first needed
	oneSecret   = pattern(`^\$\{([A-Za-z0-9_-]+:[^${}"\\]+)\}$`) //nolint:gochecknoglobals // a constant, made when it is first needed
)

// value is a value as HCL says it.
func (w *generator) value(key, text string) string {
	switch m := oneSecret().FindStringSubmatch(text); {
	case m != nil:
		return "secret(" + quoted(m[1]) + ")"
	case !w.Inline && text != "" && (w.types(key) == plugin.PasswordType || config.Sensitive(key)) && !config.Refers(text) && representable(text):
		s := Secret{Connector: w.m[config.Name], Property: key, Variable: w.variable(key)}
		w.secrets = append(w.secrets, s)
		return "env(" + quoted(s.Variable) + ")"
	case text == "true" || text == "false" || wholeNumber().MatchString(text):
		return text
	case w.types(key) == plugin.ListType && text != "" && joined(config.List(text)) == text && !slices.Contains(config.List(text), "") && representable(text):
		var b strings.Builder
		for i, e := range config.List(text) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quoted(e))
		}
		return "[" + b.String() + "]"
	}
	return literal(text)
}

// literal is a text as a string, or as its bytes where a string would not keep them.
func literal(text string) string {
	if representable(text) {
		return quoted(text)
	}
	return `raw::base64("` + base64.StdEncoding.EncodeToString([]byte(text)) + `")`
}

// representable reports whether HCL keeps a text: it puts everything into Unicode normal form C.
func representable(text string) bool {
	return utf8.ValidString(text) && cty.StringVal(text).AsString() == text
}

func quoted(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

var notVariable = pattern(`[^A-Za-z0-9]+`) //nolint:gochecknoglobals // a constant, made when it is first needed

// variableName is such as SHOP_ORDERS_CONNECTION_PASSWORD.
func variableName(connector, key string) string {
	return strings.ToUpper(strings.Trim(notVariable().ReplaceAllString(connector+"_"+key, "_"), "_"))
}

// variable is a name for a secret's variable that nothing else has.
func (w *generator) variable(key string) string {
	here, before := map[string]bool{}, map[string]bool(nil)
	for _, s := range w.secrets {
		here[s.Variable] = true
	}
	if w.Taken != nil {
		before = w.Taken.variables
	}
	return free(variableName(w.m[config.Name], key), "_", here, before)
}

// SecretVariables lists the variables that generated text needs, sorted, each once.
func SecretVariables(secrets []Secret) []string {
	names := map[string]bool{}
	for _, s := range secrets {
		names[s.Variable] = true
	}
	return slices.Sorted(maps.Keys(names))
}
