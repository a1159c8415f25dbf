package api

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// verdict is what validation says of a configuration (Kafka Connect: ConfigInfos).
type verdict struct {
	Name       string      `json:"name"`
	ErrorCount int         `json:"error_count"`
	Groups     []string    `json:"groups"`
	Configs    []judgement `json:"configs"`
}

// judgement is one key: Definition is nil where nobody declares it.
type judgement struct {
	Definition *definition `json:"definition"`
	Value      judged      `json:"value"`
}

type judged struct {
	Name        string   `json:"name"`
	Value       *string  `json:"value"`
	Recommended []string `json:"recommended_values"`
	Errors      []string `json:"errors"`
	Visible     bool     `json:"visible"`
}

// validate answers PUT /connector-plugins/{p}/config/validate. Failures of the validation itself are 500 with the name of
// Java's exception in front, which clients look for.
func (s *Server) validate(c *call) (answer, error) {
	m, err := c.readMap()
	if err != nil {
		return answer{}, err
	}
	if class := m[config.ConnectorClass]; class != nil {
		path := strings.TrimSuffix(c.vars["p"], "Connector")
		if !strings.HasSuffix(strings.TrimSuffix(*class, "Connector"), path) {
			return answer{}, failure(http.StatusBadRequest, "Included connector type %s does not match request type %s", *class, c.vars["p"])
		}
	}
	v, err := s.judge(m)
	if p, bad := errors.AsType[*problem](err); bad {
		return answer{}, failure(http.StatusInternalServerError, "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: %s", p.Message)
	}
	if ce, bad := errors.AsType[*plugin.ConfigError](err); bad {
		return answer{}, failure(http.StatusInternalServerError, "org.apache.kafka.common.config.ConfigException: %s", ce.Reason)
	}
	if err != nil {
		return answer{}, err
	}
	return ok(v)
}

// judge validates a flat map; a nil value is null. What it finds wrong holds nothing that a config provider gave out. The
// errors are those that leave nothing to say of single keys: a *problem, or the *[plugin.ConfigError] of a setting.
func (s *Server) judge(m map[string]*string) (*verdict, error) {
	providers := s.Worker.Providers()
	resolved, err := resolve(providers, m)
	if err != nil {
		return nil, err
	}
	v, err := s.judgeResolved(resolved)
	if ce, bad := errors.AsType[*plugin.ConfigError](err); bad {
		return nil, &plugin.ConfigError{Key: ce.Key, Reason: hide(providers, ce.Key, ce.Reason, m, resolved)}
	}
	if p, bad := errors.AsType[*problem](err); bad {
		return nil, failure(p.Code, "%s", providers.Mask(p.Message))
	}
	if err != nil {
		return nil, err
	}
	for i := range v.Configs {
		conceal(providers, &v.Configs[i].Value, m, resolved)
	}
	return v, nil
}

// resolve puts values in the place of references.
func resolve(p *config.Providers, m map[string]*string) (map[string]*string, error) {
	values, err := p.Resolve(flat(m))
	for _, e := range leaves(err) {
		if missing, is := errors.AsType[*config.SecretError](e); is {
			return nil, &plugin.ConfigError{Key: missing.Key, Reason: missing.Error()}
		}
	}
	out := maps.Clone(m)
	for k, v := range values {
		out[k] = &v
	}
	return out, err
}

// conceal shows references where they stood, and takes what they gave out of the errors (invariant 6). Raw is what
// resolved was made of.
func conceal(p *config.Providers, v *judged, raw, resolved map[string]*string) {
	if text := raw[v.Name]; text != nil && config.Refers(*text) {
		v.Value = text
	}
	for i, e := range v.Errors {
		v.Errors[i] = hide(p, v.Name, e, raw, resolved)
	}
}

// hide takes what providers gave out of a text about a key. The value of the key itself goes however short it is.
func hide(p *config.Providers, key, text string, raw, resolved map[string]*string) string {
	if from, to := raw[key], resolved[key]; from != nil && config.Refers(*from) && *to != "" {
		text = strings.ReplaceAll(text, *to, hidden)
	}
	return p.Mask(text)
}

// hidden stands where a secret was.
const hidden = "[hidden]"

// flat is a map without nulls.
func flat(m map[string]*string) config.Map {
	out := config.Map{}
	for k, v := range m {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}

func (s *Server) judgeResolved(m map[string]*string) (*verdict, error) {
	d, err := s.connectorOf(m)
	if err != nil {
		return nil, err
	}
	j := &judge{server: s, m: m, plugin: d, verdict: &verdict{Name: *m[config.ConnectorClass], Groups: []string{}}}
	if err := j.connectorVersion(); err != nil {
		return nil, err
	}
	own := ownKeys(d)
	bases := j.bases(own)
	j.cluster()
	j.nulls(bases, own)
	for _, k := range bases {
		j.key("", k)
	}
	j.stages(config.Transforms, plugin.TransformRole)
	j.stages(config.Predicates, plugin.PredicateRole)
	sound := true
	for _, k := range own {
		if !slices.ContainsFunc(bases, func(b key) bool { return b.Name == k.Name }) {
			sound = j.key("", k) && sound
		}
	}
	if d.Role() == plugin.SinkRole {
		j.topics()
	}
	if sound {
		j.ask()
	}
	for _, c := range j.verdict.Configs {
		j.verdict.ErrorCount += len(c.Value.Errors)
	}
	if err := j.overrides(); err != nil {
		return nil, err
	}
	j.converters()
	return j.verdict, j.broken
}

// asked lets a plugin speak of its settings. What it says is a join of errors, each of a setting.
func (j *judge) asked(class string, call func() error) error {
	if j.broken != nil {
		return nil
	}
	err := config.Ask(call)
	if broken, is := errors.AsType[*config.BrokenError](err); is {
		j.broken = fmt.Errorf("[%s] %s %w", diag.Internal, class, broken)
		return nil
	}
	return err
}

// connectorOf finds the connector that a map names.
func (s *Server) connectorOf(m map[string]*string) (plugin.Descriptor, error) {
	class := m[config.ConnectorClass]
	if class == nil {
		return plugin.Descriptor{}, failure(http.StatusBadRequest, "Connector config %s contains no connector type", javaMap(m))
	}
	d, found := s.Registry.Connector(strings.TrimSpace(*class))
	if found {
		return d, nil
	}
	var all []string
	for _, p := range append(s.ofRole(plugin.SinkRole, "sink", nil), s.ofRole(plugin.SourceRole, "source", nil)...) {
		all = append(all, fmt.Sprintf("PluginDesc{klass=class %s, name='%s', version='%s', encodedVersion=%s, type=%s, typeName='%s', location='classpath'}",
			p.Class, p.Class, p.Version, p.Version, p.Type, p.Type))
	}
	return d, failure(http.StatusBadRequest, "Failed to find any class that implements Connector and which name matches %s, available connectors are: %s",
		*class, strings.Join(all, ", "))
}

// javaMap writes a map as Java does. Values of what sounds like a secret are not shown (invariant 6).
func javaMap(m map[string]*string) string {
	entries := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		value := "null"
		if v := m[k]; v != nil {
			value = *v
		}
		if config.Sensitive(k) {
			value = plugin.Secret(value).String()
		}
		entries = append(entries, k+"="+value)
	}
	return "{" + strings.Join(entries, ", ") + "}"
}

// judge is one validation under way.
type judge struct {
	server  *Server
	m       map[string]*string
	plugin  plugin.Descriptor
	wrong   map[string]string // by key: errors that belong to it and were found elsewhere
	broken  error             // a plugin that has panicked or not answered; nothing is asked after that
	verdict *verdict
}

// get is the value of a key, "" for null and none.
func (j *judge) get(name string) string {
	if v := j.m[name]; v != nil {
		return *v
	}
	return ""
}

// flat is the map without nulls.
func (j *judge) flat() config.Map { return flat(j.m) }

// connectorVersion checks connector.plugin.version.
func (j *judge) connectorVersion() error {
	j.wrong = map[string]string{}
	wanted, given := j.m[config.PluginVersion]
	if !given || wanted == nil {
		return nil
	}
	matches, err := config.MatchVersion(*wanted, j.plugin.Version)
	switch {
	case err != nil:
		return failure(http.StatusBadRequest, "Unbounded range: %s", *wanted)
	case !matches:
		reason := noVersion(j.plugin, *wanted).Message
		j.wrong[config.ConnectorClass], j.wrong[config.PluginVersion] = reason, reason
	}
	return nil
}

// bases are the framework's keys with the defaults of this worker; a key that the connector also declares is its own.
func (j *judge) bases(own []key) []key {
	keys := baseKeys(j.plugin.Role())
	for i, k := range keys {
		if at := slices.IndexFunc(own, func(o key) bool { return o.Name == k.Name }); at >= 0 {
			keys[i] = own[at]
			continue
		}
		for _, use := range []plugin.Use{plugin.KeyUse, plugin.ValueUse, plugin.HeaderUse} {
			switch k.Name {
			case config.ConverterKey(use):
				class, _ := j.server.Worker.Converter(use)
				keys[i] = k.withDefault(class)
				keys[i].recommended = j.server.classNames(plugin.ConverterRole, func(d plugin.Descriptor) bool { return converts(d, use) || use == plugin.HeaderUse })
				j.converterVersion(use)
			case config.ConverterKey(use) + versionSuffix:
				if d, found := j.converter(use); found {
					keys[i] = k.withDefault(d.Version)
					keys[i].recommended = []string{d.Version}
				}
			}
		}
		if k.Name == config.PluginVersion {
			keys[i] = k.withDefault(j.plugin.Version)
			keys[i].recommended = []string{j.plugin.Version}
		}
	}
	return keys
}

// converter is the converter that a use gets.
func (j *judge) converter(use plugin.Use) (plugin.Descriptor, bool) {
	class, _, _ := config.ConverterOf(j.flat(), j.server.Worker, use)
	d, _, found := j.server.Registry.Class(plugin.ConverterRole, class)
	return d, found
}

// converterVersion checks <use>.converter.plugin.version, which counts only where the connector chooses the converter.
func (j *judge) converterVersion(use plugin.Use) {
	name := config.ConverterKey(use)
	wanted := j.m[name+versionSuffix]
	d, found := j.converter(use)
	if wanted == nil || j.m[name] == nil || !found {
		return
	}
	j.checkVersion(name, name+versionSuffix, d, *wanted)
}

func (j *judge) checkVersion(class, version string, d plugin.Descriptor, wanted string) {
	matches, err := config.MatchVersion(wanted, d.Version)
	switch {
	case err != nil:
		j.wrong[version] = "Unbounded range: " + wanted
	case !matches:
		reason := noVersion(d, wanted).Message
		j.wrong[class], j.wrong[version] = reason, reason
	}
}

// cluster checks what only a worker of a cluster demands: a sink does not consume as the group of the workers, and nobody
// needs exactly-once sources.
func (j *judge) cluster() {
	w := j.server.Worker.Distributed
	if w != nil && j.plugin.Role() == plugin.SourceRole && strings.EqualFold(strings.TrimSpace(j.get(config.ExactlyOnceSupport)), "required") {
		j.wrong[config.ExactlyOnceSupport] = "This worker does not have exactly-once source support enabled."
	}
	if w != nil && j.plugin.Role() == plugin.SinkRole && j.get(config.ConsumerPrefix+groupID) == "" && "connect-"+j.get(config.Name) == w.Group {
		j.wrong[config.Name] = fmt.Sprintf("Consumer group for sink connector named %s conflicts with Connect worker group %s", j.get(config.Name), w.Group)
	}
}

const groupID = "group.id"

// nulls lists null values of keys that nobody declares.
func (j *judge) nulls(bases, own []key) {
	for _, name := range slices.Sorted(maps.Keys(j.m)) {
		declared := func(k key) bool { return k.Name == name }
		if j.m[name] == nil && !slices.ContainsFunc(bases, declared) && !slices.ContainsFunc(own, declared) {
			j.add(nil, judged{Name: name, Errors: []string{nullValue}})
		}
	}
}

const nullValue = "Null value can not be supplied as the configuration value."

// add puts a key into the verdict.
func (j *judge) add(d *definition, v judged) {
	if v.Errors == nil {
		v.Errors = []string{}
	}
	if v.Recommended == nil {
		v.Recommended = []string{}
	}
	v.Visible = true
	j.verdict.Configs = append(j.verdict.Configs, judgement{d, v})
	if d != nil && d.Group != nil && !slices.Contains(j.verdict.Groups, *d.Group) {
		j.verdict.Groups = append(j.verdict.Groups, *d.Group)
	}
}

// key judges one key under a prefix and reports whether it is sound.
func (j *judge) key(prefix string, k key) bool {
	text, given := j.m[prefix+k.Name]
	value, errs := j.server.value(k, text, given)
	if !given && k.Required {
		errs = []string{fmt.Sprintf("Missing required configuration \"%s\" which has no default value.", prefix+k.Name)}
	}
	if extra := j.wrong[prefix+k.Name]; extra != "" {
		errs = append(errs, extra)
	}
	j.add(k.definition(prefix), judged{Name: prefix + k.Name, Value: value, Recommended: k.recommended, Errors: errs})
	return len(errs) == 0
}

// value is what a key's text comes to, as text, and what is wrong with it.
func (s *Server) value(k key, text *string, given bool) (*string, []string) {
	switch {
	case given && text == nil:
		return nil, []string{nullValue}
	case !given && k.Required:
		return nil, []string{fmt.Sprintf("Missing required configuration \"%s\" which has no default value.", k.Name)}
	case !given && !k.HasDefault:
		return nil, nil
	case !given:
		return &k.Default, nil
	}
	shown := strings.TrimSpace(*text)
	switch k.Type {
	case plugin.PasswordType:
		shown = plugin.Secret(shown).String()
	case plugin.ListType:
		shown = strings.Join(config.List(shown), ",")
	case plugin.ClassType:
		return s.class(k, shown)
	case plugin.BooleanType:
		shown = strings.ToLower(shown)
	case plugin.StringType, plugin.ShortType, plugin.IntType, plugin.LongType, plugin.DoubleType:
	}
	if err := k.Check(*text); err != nil {
		return unparsed(k, shown, err)
	}
	if k.check != nil {
		if wrong := k.check(shown); wrong != "" {
			return &shown, []string{wrong}
		}
	}
	return &shown, nil
}

// unparsed is a text that a setting refuses. One that does not parse counts as null, of which a range complains again.
func unparsed(k key, shown string, err error) (*string, []string) {
	errs := []string{err.Error()}
	switch k.Type {
	case plugin.BooleanType:
		return nil, errs
	case plugin.ShortType, plugin.IntType, plugin.LongType, plugin.DoubleType:
		if !strings.Contains(err.Error(), ": Not a number of type ") {
			return &shown, errs
		}
		if k.Min != nil || k.Max != nil {
			errs = append(errs, plugin.Invalid(k.Name, "null", "Value must be non-null").Reason)
		}
		return nil, errs
	case plugin.StringType, plugin.ListType, plugin.ClassType, plugin.PasswordType:
	}
	return &shown, errs
}

// class resolves a class name or a short form of it for a key that takes a converter.
func (s *Server) class(k key, name string) (*string, []string) {
	if d, target, found := s.Registry.Class(plugin.ConverterRole, name); found {
		full := d.Class + target.Suffix()
		if k.Name != config.HeaderConverter && d.Uses == plugin.HeadersOnly {
			return &full, []string{wrongKind(full, "Converter")}
		}
		return &full, nil
	}
	kind := "Converter"
	if k.Name == config.HeaderConverter {
		kind = "HeaderConverter"
	}
	return s.stranger(k.Name, name, kind)
}

// stranger says of a class that is not of the role asked for whether it is there at all.
func (s *Server) stranger(key, name, kind string) (*string, []string) {
	if _, found := s.find(name); found {
		return &name, []string{wrongKind(name, kind)}
	}
	if _, found := s.find(name + plugin.Key.Suffix()); found {
		return &name, []string{fmt.Sprintf("This class is abstract and cannot be created. Did you mean %s, %s?", name+plugin.Key.Suffix(), name+plugin.Value.Suffix())}
	}
	return nil, []string{plugin.Invalid(key, name, "Class "+name+" could not be found.").Reason}
}

func wrongKind(class, kind string) string {
	return fmt.Sprintf("Class class %s does not implement the %s interface", class, kind)
}

// stages judges transforms or predicates: for each name its class, its version and the settings of the class (Kafka
// Connect: EnrichablePlugin).
func (j *judge) stages(list string, role plugin.Role) {
	word, kind := "Transformation", "Transformation"
	if role == plugin.PredicateRole {
		word, kind = "Predicate", "Predicate"
	}
	var names []string
	for _, name := range config.List(j.get(list)) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		prefix := list + "." + name + "."
		group := strings.ToUpper(list[:1]) + list[1:] + ": " + name
		typeKey := key{
			Setting: plugin.Setting{Name: prefix + "type", Type: plugin.ClassType, Required: true, Importance: "high", Doc: "Class for the '" + name + "' " + strings.ToLower(word) + "."},
			group:   group, order: 0, width: "LONG", display: word + " type for " + name, recommended: j.server.classNames(role, nil),
		}
		versionKey := key{
			Setting: plugin.Setting{Name: prefix + "plugin.version", Type: plugin.StringType, Importance: "high", Doc: "Version of the '" + name + "' " + strings.ToLower(word) + "."},
			group:   group, order: 1, width: "LONG", display: word + " version for " + name,
		}
		d, target, known := j.stageType(prefix, typeKey, role, kind)
		if known {
			versionKey = versionKey.withDefault(d.Version)
			versionKey.recommended = []string{d.Version}
		}
		j.key("", versionKey)
		if known {
			j.stage(prefix, group, d, target)
		}
	}
}

// stageType judges the class of a stage.
func (j *judge) stageType(prefix string, k key, role plugin.Role, kind string) (plugin.Descriptor, plugin.Target, bool) {
	text, given := j.m[k.Name]
	if !given || text == nil {
		j.key("", k)
		return plugin.Descriptor{}, plugin.NoTarget, false
	}
	name := strings.TrimSpace(*text)
	d, target, known := j.server.Registry.Class(role, name)
	v := judged{Name: k.Name, Recommended: k.recommended}
	if known {
		full := d.Class + target.Suffix()
		v.Value = &full
		if _, negated := j.m[prefix+"negate"]; role == plugin.TransformRole && negated && j.get(prefix+"predicate") == "" {
			v.Errors = append(v.Errors, fmt.Sprintf("Config '%snegate' was provided but there is no config '%spredicate' defining a predicate to be negated.", prefix, prefix))
		}
		if wanted := j.m[prefix+"plugin.version"]; wanted != nil {
			j.checkVersion(k.Name, prefix+"plugin.version", d, *wanted)
		}
		if wrong := j.wrong[k.Name]; wrong != "" {
			v.Errors = append(v.Errors, wrong)
		}
	} else {
		v.Value, v.Errors = j.server.stranger(k.Name, name, kind)
	}
	j.add(k.definition(""), v)
	return d, target, known
}

// stage judges the settings of a stage's class, and those that the framework adds to every transform.
func (j *judge) stage(prefix, group string, d plugin.Descriptor, target plugin.Target) {
	keys := ownKeys(d)
	if d.Role() == plugin.TransformRole {
		keys = slices.DeleteFunc(keys, func(k key) bool { return k.Name == "predicate" || k.Name == "negate" })
		keys = append(keys,
			plainKey(plugin.Setting{Name: "predicate", Type: plugin.StringType, Importance: "medium", Doc: "Name of the predicate that decides whether the transform applies."}),
			plainKey(plugin.Setting{Name: "negate", Type: plugin.BooleanType, HasDefault: true, Default: "false", Importance: "medium", Doc: "Whether the transform applies where the predicate says no."}),
		)
	}
	ranks := map[string]int{"high": 0, "medium": 1, "low": 2}
	required := func(k key) int {
		if k.Required {
			return 0
		}
		return 1
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(required(a), required(b)), cmp.Compare(ranks[a.Importance], ranks[b.Importance]), cmp.Compare(a.Name, b.Name))
	})
	first, sound := len(j.verdict.Configs), true
	for i, k := range keys {
		k.group, k.order = group, 2+i
		sound = j.key(prefix, k) && sound
	}
	if !sound {
		return
	}
	m := j.flat()
	list, name, _ := strings.Cut(strings.TrimSuffix(prefix, "."), ".")
	var err error
	if settings := config.StageSub(m, name); list == config.Transforms {
		err = j.asked(d.Class, func() error { return d.NewTransform(target).Configure(settings) })
	} else {
		settings = config.PredicateSub(m, name)
		err = j.asked(d.Class, func() error { return d.NewPredicate().Configure(settings) })
	}
	j.blame(first, prefix, err)
}

// blame adds what a plugin says of its settings to the keys from index first on. What concerns no single key is left
// out: Kafka Connect's validation knows definitions only, and finds it when the plugin is configured.
func (j *judge) blame(first int, prefix string, err error) {
	for _, e := range leaves(err) {
		ce, named := errors.AsType[*plugin.ConfigError](e)
		for i := first; named && i < len(j.verdict.Configs); i++ {
			if v := &j.verdict.Configs[i].Value; v.Name == prefix+ce.Key {
				v.Errors = append(v.Errors, ce.Reason)
			}
		}
	}
}

// leaves are the errors that a join holds, or the error itself.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	if joined, is := err.(interface{ Unwrap() []error }); is {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, leaves(e)...)
		}
		return all
	}
	return []error{err}
}

// ask lets the connector say more of its settings.
func (j *judge) ask() {
	d, settings := j.plugin, plugin.Config(j.flat())
	j.blame(0, "", j.asked(d.Class, func() error {
		var p any
		if d.Role() == plugin.SourceRole {
			p = d.NewSource()
		} else {
			p = d.NewSink()
		}
		if v, can := p.(plugin.Validator); can {
			return errors.Join(v.Validate(settings)...)
		}
		return nil
	}))
}

// topics checks what a sink reads (Kafka Connect: SinkConnectorConfig.validate).
func (j *judge) topics() {
	topics, pattern, queue := config.List(j.get(config.Topics)), strings.TrimSpace(j.get(config.TopicsRegex)), strings.TrimSpace(j.get(config.DeadLetterTopic))
	both := func(text string) {
		j.fault(config.Topics, text)
		j.fault(config.TopicsRegex, text)
	}
	switch {
	case len(topics) == 0 && pattern == "":
		both("Must configure one of topics or topics.regex")
	case len(topics) > 0 && pattern != "":
		both("topics and topics.regex are mutually exclusive options, but both are set.")
	case queue == "":
	case slices.Contains(topics, queue):
		j.fault(config.Topics, fmt.Sprintf("The DLQ topic '%s' may not be included in the list of topics ('topics=[%s]') consumed by the connector", queue, strings.Join(topics, ", ")))
	case pattern != "" && wholeMatch(pattern, queue):
		j.fault(config.TopicsRegex, fmt.Sprintf("The DLQ topic '%s' may not be matched by the regex for the topics ('topics.regex=%s') consumed by the connector", queue, pattern))
	}
}

func (j *judge) fault(name, text string) {
	for i := range j.verdict.Configs {
		if v := &j.verdict.Configs[i].Value; v.Name == name {
			v.Errors = append(v.Errors, text)
		}
	}
}

// overrides judges the settings of the clients that the connector has. A value that does not parse ends the validation.
func (j *judge) overrides() error {
	m := j.flat()
	creates := slices.ContainsFunc(slices.Collect(maps.Keys(m)), func(k string) bool { return strings.HasPrefix(k, config.TopicCreationPrefix) })
	for _, prefix := range []string{config.ProducerPrefix, config.ConsumerPrefix, config.AdminPrefix} {
		if !slices.Contains(config.Overrides(j.plugin.Role(), strings.TrimSpace(m[config.DeadLetterTopic]) != ""), prefix) ||
			prefix == config.AdminPrefix && j.plugin.Role() == plugin.SourceRole && !creates {
			continue
		}
		sub := m.Sub(prefix)
		for _, name := range javaOrder(slices.Sorted(maps.Keys(sub))) {
			text := sub[name]
			v := judged{Name: prefix + name, Value: &text}
			var def *definition
			if k, known := clientKey(prefix, name); known {
				if err := k.Check(text); err != nil {
					return err
				}
				def = k.definition(prefix)
				def.Name, def.Display = prefix+name, name
				v.Value, _ = j.server.value(k, &text, true)
			}
			if !j.server.Worker.Allows(name) {
				v.Errors = []string{fmt.Sprintf("The '%s' policy does not allow '%s' to be overridden in the connector configuration.", j.server.Worker.OverridePolicy, name)}
				j.verdict.ErrorCount++
			}
			if w := j.server.Worker.Distributed; w != nil && prefix == config.ConsumerPrefix && name == groupID && text == w.Group {
				v.Errors = append(v.Errors, fmt.Sprintf("Consumer group %s conflicts with Connect worker group %s", text, w.Group))
				j.verdict.ErrorCount++
			}
			j.add(def, v)
		}
	}
	return nil
}

// converters judges the settings of the converters that the connector itself chooses; each key with errors counts once.
func (j *judge) converters() {
	for _, use := range []plugin.Use{plugin.HeaderUse, plugin.KeyUse, plugin.ValueUse} {
		name := config.ConverterKey(use)
		d, found := j.converter(use)
		if j.m[name] == nil || !found || j.wrong[name] != "" || use != plugin.HeaderUse && !converts(d, use) {
			continue
		}
		prefix := name + "."
		byName := map[string]key{}
		var names []string
		for _, k := range ownKeys(d) {
			byName[k.Name] = k
			names = append(names, k.Name)
		}
		first, sound := len(j.verdict.Configs), true
		for _, n := range javaOrder(names) {
			if n == "converter.type" {
				kind := use.String()
				k := byName[n]
				k.OneOf = nil
				value, errs := j.server.value(k, &kind, true)
				j.add(k.definition(prefix), judged{Name: prefix + n, Value: value, Errors: errs})
				continue
			}
			sound = j.key(prefix, byName[n]) && sound
		}
		if sound {
			settings := plugin.Config(j.flat().Sub(prefix))
			delete(settings, "plugin.version")
			j.blame(first, prefix, j.asked(d.Class, func() error { return d.NewConverter().Configure(settings, use) }))
		}
		for _, c := range j.verdict.Configs[first:] {
			if len(c.Value.Errors) > 0 {
				j.verdict.ErrorCount++
			}
		}
	}
}

// javaOrder sorts names as Java's HashMap hands them out when they were put in in the order given.
func javaOrder(names []string) []string {
	buckets := uint32(16)
	for len(names) > int(buckets)*3/4 {
		buckets *= 2
	}
	bucket := func(name string) uint32 {
		var h uint32
		for _, c := range utf16.Encode([]rune(name)) {
			h = h*31 + uint32(c)
		}
		return (h ^ h>>16) & (buckets - 1)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(bucket(a), bucket(b)) })
	return names
}
