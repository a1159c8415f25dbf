package api

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// definition is a key as the API describes it (Kafka Connect: ConfigKeyInfo). Clients of Kafka Connect before 4.2 read
// order, later ones order_in_group; both are there.
type definition struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Required      bool     `json:"required"`
	Default       *string  `json:"default_value"`
	Importance    string   `json:"importance"`
	Documentation string   `json:"documentation"`
	Group         *string  `json:"group"`
	OrderInGroup  int      `json:"order_in_group"`
	Width         string   `json:"width"`
	Display       string   `json:"display_name"`
	Dependents    []string `json:"dependents"`
	Order         int      `json:"order"`
}

// key is a setting with what user interfaces want to know of it.
type key struct {
	plugin.Setting
	group, width, display string
	order                 int
	recommended           []string
	check                 func(value string) string // an error beyond what the setting says; "" for none; nil: there is nothing more
}

func (k key) definition(prefix string) *definition {
	d := &definition{
		Name: prefix + k.Name, Type: k.Type.String(), Required: k.Required, Importance: strings.ToUpper(k.Importance),
		Documentation: k.Doc, OrderInGroup: k.order, Order: k.order, Width: k.width, Display: k.display, Dependents: []string{},
	}
	if k.HasDefault {
		d.Default = &k.Default
	}
	if k.group != "" {
		d.Group = &k.group
	}
	return d
}

func (k key) withDefault(text string) key {
	k.Default, k.HasDefault = text, text != ""
	return k
}

// plainKey is a setting that is declared without a group.
func plainKey(s plugin.Setting) key {
	return key{Setting: s, width: "NONE", display: s.Name, order: -1}
}

// baseKeys are the keys that every connector of a role has, in Kafka Connect's order and with its presentation (Kafka
// Connect: ConnectorConfig, SourceConnectorConfig, SinkConnectorConfig; KIP-891 for the versions).
func baseKeys(role plugin.Role) []key {
	const (
		common, errs, eos = "Common", "Error Handling", "Exactly Once Support"
		text, list, class = plugin.StringType, plugin.ListType, plugin.ClassType
	)
	none := func(k key) key { k.HasDefault = false; return k }
	keys := []key{
		{Setting: plugin.Setting{Name: config.Name, Type: text, Required: true, Importance: "high"}, group: common, order: 1, width: "MEDIUM", display: "Connector name", check: checkName},
		{Setting: plugin.Setting{Name: config.ConnectorClass, Type: text, Required: true, Importance: "high"}, group: common, order: 2, width: "LONG", display: "Connector class"},
		none(base(config.PluginVersion, text, "", "medium", common, 3, "MEDIUM", "Connector version")),
		least(base(config.TasksMax, plugin.IntType, "1", "high", common, 4, "SHORT", "Tasks max"), 1),
		base(config.TasksMaxEnforce, plugin.BooleanType, "true", "low", common, 5, "SHORT", "Enforce tasks max"),
		none(base(config.KeyConverter, class, "", "low", common, 6, "SHORT", "Key converter class")),
		none(base(config.KeyConverter+versionSuffix, text, "", "low", common, 7, "SHORT", "Key converter version")),
		none(base(config.ValueConverter, class, "", "low", common, 8, "SHORT", "Value converter class")),
		none(base(config.ValueConverter+versionSuffix, text, "", "low", common, 9, "SHORT", "Value converter version")),
		none(base(config.HeaderConverter, class, "", "low", common, 10, "SHORT", "Header converter class")),
		none(base(config.HeaderConverter+versionSuffix, text, "", "low", common, 11, "SHORT", "Header converter version")),
		aliases(base(config.Transforms, list, "", "low", "Transforms", 12, "LONG", "Transforms")),
		aliases(base(config.Predicates, list, "", "low", "Predicates", 13, "LONG", "Predicates")),
		oneOf(base(config.ConfigReload, text, "restart", "low", common, 14, "MEDIUM", "Reload Action"), false, "none", "restart"),
		base(config.ErrorsRetryTimeout, plugin.LongType, "0", "medium", errs, 1, "MEDIUM", "Retry Timeout for Errors"),
		base(config.ErrorsRetryDelay, plugin.LongType, "60000", "medium", errs, 2, "MEDIUM", "Maximum Delay Between Retries for Errors"),
		oneOf(base(config.ErrorsTolerance, text, "none", "medium", errs, 3, "SHORT", "Error Tolerance"), false, "none", "all"),
		base(config.ErrorsLog, plugin.BooleanType, "false", "medium", errs, 4, "SHORT", "Log Errors"),
		base(config.ErrorsLogMessages, plugin.BooleanType, "false", "medium", errs, 5, "SHORT", "Log Error Details"),
	}
	switch role {
	case plugin.SourceRole:
		topic := none(base(config.OffsetsTopic, text, "", "low", "offsets.topic", 1, "LONG", "Offsets topic"))
		topic.NonEmpty = true
		keys = append(keys,
			aliases(base(config.TopicGroups, list, "", "low", "Topic Creation", 1, "LONG", "Topic Creation Groups")),
			oneOf(base(config.ExactlyOnceSupport, text, "requested", "medium", eos, 2, "SHORT", "Exactly once support"), true, "REQUIRED", "REQUESTED"),
			oneOf(base(config.TransactionBoundary, text, "poll", "medium", eos, 3, "SHORT", "Transaction Boundary"), true, "INTERVAL", "POLL", "CONNECTOR"),
			none(base(config.TransactionInterval, plugin.LongType, "", "low", eos, 4, "SHORT", "Transaction boundary interval")),
			topic,
		)
	case plugin.SinkRole:
		topics := base(config.Topics, list, "", "high", common, 4, "LONG", "Topics")
		topics.Unique = true
		pattern := base(config.TopicsRegex, text, "", "high", common, 4, "LONG", "Topics regex")
		pattern.check = checkRegex
		keys = append(keys, topics, pattern,
			base(config.DeadLetterTopic, text, "", "medium", errs, 6, "MEDIUM", "Dead Letter Queue Topic Name"),
			base(config.DeadLetterReplicas, plugin.ShortType, "3", "medium", errs, 7, "MEDIUM", "Dead Letter Queue Topic Replication Factor"),
			base(config.DeadLetterHeaders, plugin.BooleanType, "false", "medium", errs, 8, "MEDIUM", "Enable Error Context Headers"),
		)
	case plugin.TransformRole, plugin.PredicateRole, plugin.ConverterRole:
	}
	return documented(keys)
}

const versionSuffix = ".plugin.version"

func base(name string, t plugin.Type, def, importance, group string, order int, width, display string) key {
	return key{
		Setting: plugin.Setting{Name: name, Type: t, HasDefault: true, Default: def, Importance: importance},
		group:   group, order: order, width: width, display: display,
	}
}

func least(k key, n int64) key { k.Min = &n; return k }

func oneOf(k key, anyCase bool, words ...string) key {
	k.OneOf, k.AnyCase = words, anyCase
	return k
}

// aliases makes a list of names that may not repeat.
func aliases(k key) key {
	k.check = func(value string) string {
		if value == "" {
			return ""
		}
		names := strings.Split(value, ",")
		for i, n := range names {
			if slices.Contains(names[:i], n) {
				return plugin.Invalid(k.Name, "["+strings.Join(names, ", ")+"]", "Duplicate alias provided.").Reason
			}
		}
		return ""
	}
	return k
}

// checkName is what a connector's name may be (Kafka Connect: NonEmptyStringWithoutControlChars).
func checkName(value string) string {
	if value == "" {
		return plugin.Invalid(config.Name, value, "String may not be empty").Reason
	}
	var codes []string
	for _, c := range value {
		if c < ' ' || c >= 0x7f && c <= 0x9f {
			codes = append(codes, strconv.Itoa(int(c)))
		}
	}
	if len(codes) > 0 {
		return plugin.Invalid(config.Name, value, "String may not contain control sequences but had the following ASCII chars: "+strings.Join(codes, ", ")).Reason
	}
	return ""
}

func checkRegex(value string) string {
	if _, err := regexp.Compile(value); err != nil {
		return plugin.Invalid(config.TopicsRegex, value, "Invalid regex: "+err.Error()).Reason
	}
	return ""
}

// wholeMatch reports whether a pattern matches a whole text; one that does not compile matches nothing.
func wholeMatch(pattern, text string) bool {
	re, err := regexp.Compile(`^(?:` + pattern + `)$`)
	return err == nil && re.MatchString(text)
}

// documented adds the sentences that the engine's own settings have.
func documented(keys []key) []key {
	docs := map[string]string{}
	for _, spec := range []plugin.Spec{plugin.SpecOf(config.CommonDefaults()), plugin.SpecOf(config.SourceDefaults()), plugin.SpecOf(config.SinkDefaults())} {
		for _, f := range spec.Fields {
			docs[f.Name] = f.Doc
		}
	}
	for i, k := range keys {
		keys[i].Doc = docs[k.Name]
		if of, isVersion := strings.CutSuffix(k.Name, versionSuffix); isVersion && k.Doc == "" && docs[of] != "" {
			keys[i].Doc = "Version of the converter, or a Maven range of versions."
		}
	}
	return keys
}

// ownKeys are the keys of a plugin as it declares them.
func ownKeys(d plugin.Descriptor) []key {
	var keys []key
	if d.Role() == plugin.ConverterRole && d.Uses != plugin.HeadersOnly {
		keys = append(keys, plainKey(plugin.Setting{
			Name: "converter.type", Type: plugin.StringType, Required: true, Importance: "low", OneOf: []string{"key", "value", "header"},
			Doc: "How this converter will be used.",
		}))
	}
	for _, s := range d.Spec.Fields {
		k := plainKey(s)
		if p, known := presentations[d.Class+" "+s.Name]; known {
			k.group, k.order, k.width, k.display, k.Importance = p.group, p.order, p.width, p.display, p.importance
		}
		keys = append(keys, k)
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Compare(presentations[d.Class+" "+a.Name].place, presentations[d.Class+" "+b.Name].place)
	})
	return keys
}

// presentation is how Kafka Connect's own plugins present keys that have a group or a name of their own.
type presentation struct {
	place                             int // among the plugin's keys
	group, width, display, importance string
	order                             int
}

var presentations = map[string]presentation{ //nolint:gochecknoglobals // a literal
	"org.apache.kafka.connect.json.JsonConverter schemas.enable":            {1, "Schemas", "MEDIUM", "Enable Schemas", "high", 0},
	"org.apache.kafka.connect.json.JsonConverter schemas.cache.size":        {2, "Schemas", "MEDIUM", "Schema Cache Size", "high", 1},
	"org.apache.kafka.connect.json.JsonConverter schema.content":            {3, "Schemas", "MEDIUM", "Schema Content", "high", 2},
	"org.apache.kafka.connect.json.JsonConverter decimal.format":            {4, "Serialization", "MEDIUM", "Decimal Format", "low", 0},
	"org.apache.kafka.connect.json.JsonConverter replace.null.with.default": {5, "Serialization", "MEDIUM", "Replace null with default", "low", 1},
	"org.apache.kafka.connect.storage.StringConverter converter.encoding":   {1, "", "MEDIUM", "Encoding", "high", -1},
}
