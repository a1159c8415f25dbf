package config

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Check says what is wrong with a configuration without running it: everything of [CheckMap] and, when that finds no
// error, what the connector itself says ([plugin.Validator]), which may ask external systems.
func Check(d *Declared, w *Worker, r *plugin.Registry) diag.List {
	c := newChecker(d, w, r)
	c.all()
	if !c.found.HasErrors() {
		c.ask()
	}
	return c.found
}

// CheckMap says what can be said of a configuration from its text alone. It calls Configure of transforms, predicates and
// converters, which opens nothing. It is for configurations that were accepted before.
func CheckMap(d *Declared, w *Worker, r *plugin.Registry) diag.List {
	c := newChecker(d, w, r)
	c.all()
	return c.found
}

type checker struct {
	*finder
	worker    *Worker
	registry  *plugin.Registry
	connector plugin.Descriptor
	role      plugin.Role         // 0 as long as the connector is not known
	reads     map[string][]string // by prefix: the settings that somebody reads
	stages    []stage             // of the chain, as far as they are known
}

func newChecker(d *Declared, w *Worker, r *plugin.Registry) *checker {
	return &checker{finder: newFinder(d), worker: w, registry: r, reads: map[string][]string{}}
}

// read notes that somebody reads a setting.
func (c *checker) read(prefix, name string) { c.reads[prefix] = append(c.reads[prefix], name) }

func (c *checker) all() {
	c.eachSetting()
	c.misplaced()
	c.misspelt()
	c.pointless()
	c.secrets()
}

// eachSetting checks settings by themselves, which also finds out who reads which.
func (c *checker) eachSetting() {
	c.references()
	c.name()
	c.class()
	c.engineSettings()
	c.converters()
	c.chain()
	switch c.role {
	case plugin.SourceRole:
		c.exactlyOnce()
		c.topicCreation()
	case plugin.SinkRole:
		c.topics()
		c.deadLetter()
	}
	c.lost()
	c.overrides()
	c.connectorSettings()
}

// name checks the connector's name (Kafka Connect: ConnectorConfig.NAME_CONFIG).
func (c *checker) name() {
	switch name := c.Name(); {
	case strings.TrimSpace(name) == "":
		c.fail(diag.InvalidName, Name, "A connector needs a name that is not empty.")
	case strings.ContainsFunc(name, unicode.IsControl):
		c.fail(diag.InvalidName, Name, "The name %q has control characters in it, which are not allowed.", name)
	}
}

// class finds the connector.
func (c *checker) class() {
	class := strings.TrimSpace(c.Map[ConnectorClass])
	if class == "" {
		c.fail(diag.NoConnector, ConnectorClass, "Nothing says which connector this is: %s is missing.", ConnectorClass)
		return
	}
	d, ok := c.registry.Connector(class)
	if !ok {
		all := append(c.registry.Classes(plugin.SourceRole), c.registry.Classes(plugin.SinkRole)...)
		c.fail(diag.UnknownConnector, ConnectorClass, "There is no built-in connector of class %q.%s Connectors in jars do not run in this version.", class, c.hint(class, all))
		return
	}
	c.connector, c.role = d, d.Role()
	c.version(PluginVersion, d)
}

// hint says what a class that was not found might have been meant for.
func (c *checker) hint(class string, all []string) string {
	for _, role := range []plugin.Role{plugin.SourceRole, plugin.SinkRole, plugin.TransformRole, plugin.PredicateRole, plugin.ConverterRole} {
		if d, _, ok := c.registry.Class(role, class); ok {
			return fmt.Sprintf(" The class is a %s, %q.", role, d.Name)
		}
	}
	return nearestClass(class, all)
}

// nearestClass is " Did you mean …?" for a class; what counts is the name without the package, since packages are long and
// alike, and also without the word that the short form lacks.
func nearestClass(class string, all []string) string {
	full := map[string]string{}
	var names []string
	for _, c := range all {
		simple := simpleName(c)
		short := strings.TrimSuffix(strings.TrimSuffix(simple, "Connector"), "Converter")
		names = append(names, simple, short)
		full[simple], full[short] = c, c
	}
	n := diag.Nearest(simpleName(class), names)
	if n == "" {
		return ""
	}
	if strings.ContainsRune(class, '.') {
		n = full[n]
	}
	return fmt.Sprintf(" Did you mean %q?", n)
}

func simpleName(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

// version checks a demand on a plugin's version: of each plugin there is one.
func (c *checker) version(key string, d plugin.Descriptor) {
	if _, ok := c.Map[key]; !ok {
		return
	}
	r, err := parseRange(c.Map[key])
	switch {
	case err != nil:
		c.fail(diag.InvalidValue, key, "%s must be a version, or a range such as [1.0,2.0): %s.", c.Spelling(key), err)
	case !r.contains(d.Version):
		c.fail(diag.InvalidValue, key, "%s asks for %s, and the %s %q is built in with version %s only.", c.Spelling(key), strings.TrimSpace(c.Map[key]), d.Role(), d.Name, d.Version)
	}
}

// engineSettings checks the values that the engine itself reads.
func (c *checker) engineSettings() {
	for _, s := range spec(c.role) {
		c.read("", s.Name)
		if s.Required {
			continue // name and class, which have messages of their own
		}
		c.value("", s)
	}
}

// value checks the text of one setting, if it is there.
func (c *checker) value(prefix string, s plugin.Setting) {
	key := prefix + s.Name
	text, ok := c.Map[key]
	if !ok {
		return
	}
	if err := s.Check(text); err != nil {
		c.fail(diag.InvalidValue, key, "%s", c.masked(wrongValue(s, c.Spelling(key), strings.TrimSpace(text), c.shown(key), err)))
	}
}

// wrongValue says what a setting takes.
func wrongValue(s plugin.Setting, spelling, text, shown string, err error) string {
	switch s.Type {
	case plugin.BooleanType:
		return fmt.Sprintf("%s must be true or false, not %s.", spelling, shown)
	case plugin.DoubleType:
		return fmt.Sprintf("%s must be a number, not %s.", spelling, shown)
	case plugin.ShortType, plugin.IntType, plugin.LongType:
		return fmt.Sprintf("%s must be %s, not %s.", spelling, wholeNumber(s, text), shown)
	case plugin.ListType:
		return wrongList(spelling, List(text), strings.HasPrefix(shown, `"`))
	}
	switch {
	case s.NonEmpty && text == "":
		return spelling + " must not be empty."
	case s.OneOf != nil:
		return fmt.Sprintf("%s must be one of %s, not %s.", spelling, strings.Join(s.OneOf, ", "), shown)
	}
	return spelling + ": " + sentence(reason(err, s.Name))
}

// reason is what an error says of a setting, without Kafka Connect's words about which setting and value it is.
func reason(err error, setting string) string {
	text := err.Error()
	if _, short, ok := strings.Cut(text, " for configuration "+setting+": "); ok {
		return short
	}
	return text
}

// wholeNumber tells the range only to someone who wrote a number.
func wholeNumber(s plugin.Setting, text string) string {
	bits := map[plugin.Type]int{plugin.ShortType: 16, plugin.IntType: 32, plugin.LongType: 64}[s.Type]
	_, err := strconv.ParseInt(text, 10, bits)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Sprintf("a whole number of at most %d bits", bits)
	case err != nil:
		return "a whole number"
	case s.Min != nil && s.Max != nil:
		return fmt.Sprintf("from %d to %d", *s.Min, *s.Max)
	case s.Min != nil:
		return fmt.Sprintf("at least %d", *s.Min)
	default:
		return fmt.Sprintf("at most %d", *s.Max)
	}
}

// wrongList says what is wrong with the entries of a list, which it names only when they may be shown.
func wrongList(spelling string, entries []string, show bool) string {
	if len(entries) == 0 {
		return spelling + " must have at least one entry."
	}
	if slices.Contains(entries, "") {
		return spelling + " has an empty entry."
	}
	if !show {
		return spelling + " has an entry twice."
	}
	return fmt.Sprintf("%s has %q twice.", spelling, twice(entries))
}

// twice is the first entry that was there before, "" when there is none.
func twice(entries []string) string {
	for i, e := range entries {
		if slices.Contains(entries[:i], e) {
			return e
		}
	}
	return ""
}

// settings checks the values under a prefix against what a plugin reads, and reports whether they are sound. who is the
// plugin as the user knows it, at is the key of its class.
func (c *checker) settings(prefix, who, at string, spec plugin.Spec) bool {
	for _, s := range spec.Fields {
		key := prefix + s.Name
		c.read(prefix, s.Name)
		c.secret[key] = s.Type == plugin.PasswordType || s.Type == plugin.StringType && sensitiveName(s.Name)
		if _, ok := c.Map[key]; !ok && s.Required {
			c.failAt(key, diag.MissingProperty, c.at(at), "%s cannot do without %s. Write %s.", who, c.word(prefix, s.Name), c.write(prefix, s.Name, "…"))
			continue
		}
		c.value(prefix, s)
	}
	return c.sound(prefix)
}

// connectorSettings checks the connector's own settings.
func (c *checker) connectorSettings() {
	if c.role == 0 {
		return
	}
	own := slices.DeleteFunc(slices.Clone(c.connector.Spec.Fields), func(s plugin.Setting) bool {
		return slices.Contains(c.reads[""], s.Name) // the engine's, such as topics; the plugin may look at it too
	})
	c.settings("", c.itself(), ConnectorClass, plugin.Spec{Fields: own})
}

// itself is the connector as the user knows it.
func (c *checker) itself() string { return fmt.Sprintf("The %s %q", c.role, c.connector.Name) }

// configure asks a plugin whether it takes its settings.
func (c *checker) configure(prefix, who, at string, configure func() error) {
	if c.opens(prefix) {
		return
	}
	err := Ask(configure)
	if err == nil {
		return
	}
	for _, e := range leaves(err) {
		c.rejected(prefix, who, at, e)
	}
}

// rejected reports what a plugin said of its settings.
func (c *checker) rejected(prefix, who, at string, err error) {
	if broken, ok := errors.AsType[*BrokenError](err); ok {
		c.failAt(prefix, diag.Internal, c.at(at), "%s %s.", who, broken)
		return
	}
	key, setting := at, ""
	place := c.at(at)
	if ce, ok := errors.AsType[*plugin.ConfigError](err); ok && ce.Key != "" {
		key, setting = prefix+ce.Key, ce.Key
		if ce.Expression {
			c.expression(key, ce)
			return
		}
		if _, ok := c.Map[key]; ok {
			place = c.within(key, ce)
		}
	}
	who += " says"
	if setting != "" {
		who += " about " + c.spelt(prefix, setting)
	}
	c.failAt(key, diag.InvalidValue, place, "%s: %s", who, c.masked(sentence(reason(err, setting))))
}

// expression reports an expression over records that cannot be compiled, at the characters that are at fault.
func (c *checker) expression(key string, ce *plugin.ConfigError) {
	code, reason := diag.RecordExpression, ce.Reason
	if strings.HasPrefix(key, Predicates+".") {
		code = diag.InvalidCondition
	}
	place := c.within(key, ce)
	if place.Hidden {
		reason = "The expression cannot be compiled. It came from something sensitive, so it is not shown."
	}
	c.failAt(key, code, place, "%s", c.masked(sentence(reason)))
}

// within is the place of the characters of a value that are at fault, or of the whole value.
func (c *checker) within(key string, ce *plugin.ConfigError) diag.Place {
	whole := c.at(key)
	if whole.Hidden || ce.To == 0 {
		return whole
	}
	if part := c.Origins[key].Within(ce.From, ce.To); !part.IsZero() {
		return part
	}
	return whole
}

// spelt is how the user wrote a setting, or would have.
func (c *checker) spelt(prefix, name string) string {
	if _, ok := c.Map[prefix+name]; ok {
		return c.Spelling(prefix + name)
	}
	return c.word(prefix, name)
}

// ask lets the connector look at its settings.
func (c *checker) ask() {
	settings := plugin.Config(c.Map)
	c.configure("", c.itself(), ConnectorClass, func() error {
		var p any
		switch c.role {
		case plugin.SourceRole:
			p = c.connector.NewSource()
		case plugin.SinkRole:
			p = c.connector.NewSink()
		}
		if v, ok := p.(plugin.Validator); ok {
			return errors.Join(v.Validate(settings)...)
		}
		return nil
	})
}

// masked takes secrets out of a text that a plugin made (invariant 6).
func (c *checker) masked(text string) string {
	for _, key := range c.keys {
		if secret := strings.TrimSpace(c.Map[key]); secret != "" && (c.Origins[key].Sensitive || c.isSecret(key)) {
			text = strings.ReplaceAll(text, secret, plugin.Secret(secret).String())
		}
	}
	return text
}

// sentence ends a text with a full stop. Lines after the first point into something, so they are kept as they are.
func sentence(s string) string {
	s, more, pointing := strings.Cut(s, "\n")
	switch {
	case pointing:
		return s + ":\n\n    " + strings.ReplaceAll(more, "\n", "\n    ")
	case strings.HasSuffix(s, "."):
		return s
	default:
		return s + "."
	}
}

// leaves are the errors that a join holds, or the error itself.
func leaves(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, leaves(e)...)
		}
		return all
	}
	return []error{err}
}

// BrokenError is a plugin that, asked about its settings, has panicked or not answered. Its text follows the name of the
// plugin and holds nothing of the settings.
type BrokenError struct {
	panicked bool
	value    any
}

func (e *BrokenError) Error() string {
	if !e.panicked {
		return fmt.Sprintf("was asked about its settings and has not answered within %s. The call was abandoned", askWithin)
	}
	text := "ended in a panic when it looked at its settings"
	// Of panics of the language itself only: another value may have a secret in it.
	if r, ok := e.value.(runtime.Error); ok {
		text += ": " + r.Error()
	}
	return text
}

// askWithin is how long a plugin may take to look at its settings, for which it may ask external systems.
const askWithin = 30 * time.Second

// Ask calls a plugin about its settings: its constructors, Configure, Validate. A panic becomes a *[BrokenError], and so
// does a silence of 30 s: the call is on a goroutine of its own, which is joined unless it hangs. Since it may go on after
// that, it shares nothing with its caller that it changes.
func Ask(call func() error) error {
	answered := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				answered <- &BrokenError{panicked: true, value: v}
			}
		}()
		answered <- call()
	}()
	late := time.NewTimer(askWithin)
	defer late.Stop()
	select {
	case err := <-answered:
		return err
	case <-late.C:
		return &BrokenError{}
	}
}
