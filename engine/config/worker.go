package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Worker is the settings of a worker (Kafka Connect: WorkerConfig, StandaloneConfig), made by [ReadWorker] and not changed
// afterwards. Defaults that differ from Kafka Connect's: offsets are committed every second, not every minute, so that a
// kill repeats little; without converters, keys and values are JSON without schemas; without bootstrap servers, the
// development broker serves.
type Worker struct {
	Bootstrap     []string      `cfg:"bootstrap.servers" importance:"high" doc:"Addresses of the Kafka cluster; without any, the development broker is started."`
	FlushInterval time.Duration `cfg:"offset.flush.interval.ms" min:"1" importance:"low" doc:"Time between commits of offsets."`
	FlushTimeout  time.Duration `cfg:"offset.flush.timeout.ms" min:"1" importance:"low" doc:"Longest time that one commit of offsets may take."`
	StopTimeout   time.Duration `cfg:"task.shutdown.graceful.timeout.ms" min:"0" importance:"low" doc:"Time that tasks have to end on their own, shared by all."`
	TopicCreation bool          `cfg:"topic.creation.enable" importance:"low" doc:"Whether sources may create topics by their topic.creation settings."`
	OffsetsFile   string        `cfg:"offset.storage.file.filename" importance:"high" doc:"File that keeps offsets; by default one in the data folder."`

	OverridePolicy    string   `cfg:"connector.client.config.override.policy,nonempty" doc:"Which client settings connectors may override: All, None, Principal or Allowlist."`
	OverrideAllowlist []string `cfg:"connector.client.config.override.allowlist" doc:"The client settings that the policy Allowlist allows."`

	Listeners       []string `cfg:"listeners" doc:"Addresses of the REST API, such as http://127.0.0.1:8083."`
	AdminListeners  *string  `cfg:"admin.listeners" importance:"low" doc:"Addresses of /admin; empty: nowhere; left out: on the listeners."`
	AdvertisedHost  string   `cfg:"rest.advertised.host.name" importance:"low" doc:"Host under which others reach the REST API."`
	AdvertisedPort  *int     `cfg:"rest.advertised.port" importance:"low" doc:"Port under which others reach the REST API."`
	GetActions      bool     `cfg:"rest.get.actions" importance:"low" doc:"Whether GET pauses, resumes and restarts on a loopback listener."`
	Extensions      []string `cfg:"rest.extension.classes" importance:"low" doc:"Extensions of the REST API: BasicAuthSecurityRestExtension, which asks for a login, or none."`
	BasicAuthFile   string   `cfg:"rest.basic.auth.file" importance:"low" doc:"Properties file with a line user=password for each who may call the REST API; without it nobody is asked."`
	AllowOrigin     string   `cfg:"access.control.allow.origin" importance:"low" doc:"Origins, as regular expressions, whose pages may read the REST API; * for any."`
	AllowMethods    []string `cfg:"access.control.allow.methods" importance:"low" doc:"Methods that pages of other origins may use; GET, POST and HEAD when left out."`
	ResponseHeaders string   `cfg:"response.http.headers.config" importance:"low" doc:"Rules for headers of answers, such as set X-Frame-Options: DENY."`
	TopicTracking   bool     `cfg:"topic.tracking.enable" importance:"low" doc:"Whether the topics that connectors use are listed."`
	TopicReset      bool     `cfg:"topic.tracking.allow.reset" importance:"low" doc:"Whether these lists may be emptied."`

	// Settings of Kafka clients, without prefix. Base is for every client, security settings included; the others go over it by the kind of client.
	Base, Producer, Consumer, Admin map[string]string

	// Registry is the address of the schema registry for converters that name none; "" for none. Without bootstrap servers
	// there is one beside the development broker, and the process that starts it says where.
	Registry string

	// Distributed is for a worker that shares its work with others; nil: it runs alone.
	Distributed *Distributed

	converters map[plugin.Use]inherited
	providers  *Providers
}

// registryToCome stands for the address of a registry that has not been started yet: settings can be checked with it.
const registryToCome = "http://127.0.0.1:8081"

// inherited is a converter that connectors get when they do not choose one.
type inherited struct {
	class    string
	settings map[string]string
}

// WorkerDefaults are the settings of a worker that sets nothing.
func WorkerDefaults() Worker {
	return Worker{
		FlushInterval: time.Second, FlushTimeout: 5 * time.Second, StopTimeout: 5 * time.Second,
		TopicCreation: true, OverridePolicy: "All", GetActions: true, TopicTracking: true, TopicReset: true,
	}
}

// Classes of the converters that serve where nobody chooses one.
const (
	jsonConverter   = "org.apache.kafka.connect.json.JsonConverter"
	simpleConverter = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
)

// Converter is the class of the worker's converter for a use, with its settings, which the caller owns.
func (w *Worker) Converter(use plugin.Use) (class string, settings map[string]string) {
	c := w.converters[use]
	return c.class, maps.Clone(c.settings)
}

// Allows reports whether a connector may override a setting of its Kafka clients (KIP-458, KIP-1188).
func (w *Worker) Allows(property string) bool {
	switch w.OverridePolicy {
	case "None":
		return false
	case "Principal":
		return slices.Contains([]string{"security.protocol", "sasl.jaas.config", "sasl.mechanism"}, property)
	case "Allowlist":
		return slices.Contains(w.OverrideAllowlist, property)
	default:
		return true
	}
}

// Providers are the worker's config providers; nil for a worker that nobody read, which has none.
func (w *Worker) Providers() *Providers { return w.providers }

// Resolved is the worker with values in the place of references in what its clients and converters are given. Errors are
// those of [Providers.Resolve].
func (w *Worker) Resolved() (*Worker, error) {
	r := *w
	var errs []error
	resolve := func(m map[string]string) map[string]string {
		resolved, err := w.providers.Resolve(m)
		errs = append(errs, err)
		return resolved
	}
	r.Base, r.Producer, r.Consumer, r.Admin = resolve(w.Base), resolve(w.Producer), resolve(w.Consumer), resolve(w.Admin)
	r.converters = map[plugin.Use]inherited{}
	for use, c := range w.converters {
		r.converters[use] = inherited{c.class, resolve(c.settings)}
	}
	return &r, errors.Join(errs...)
}

// Refers reports whether a reference stands in one of the maps of [Worker.Secrets].
func (w *Worker) Refers() bool {
	return slices.ContainsFunc(w.Secrets(), func(m Map) bool { return anyRefers(m) })
}

// Secrets are the maps of the worker in which references may stand, for [Providers.Digest].
func (w *Worker) Secrets() []Map {
	all := []Map{w.Base, w.Producer, w.Consumer, w.Admin}
	for _, use := range uses() {
		all = append(all, w.converters[use].settings)
	}
	return all
}

// ReadWorkerHere is [ReadWorker] on the machine on which the worker runs: references in settings of the worker itself are
// resolved, and one that cannot be is an error. Those for its clients and converters stay, see [Worker.Resolved].
func ReadWorkerHere(d *Declared, r *plugin.Registry) (*Worker, diag.List) {
	return readHere(d, r, ReadWorker)
}

func readHere(d *Declared, r *plugin.Registry, read func(*Declared, *plugin.Registry) (*Worker, diag.List)) (*Worker, diag.List) {
	w, found := read(d, r)
	if found.HasErrors() {
		return w, found
	}
	resolved, missing := w.providers.Fill(d)
	if missing.HasErrors() || resolved == d {
		return w, append(found, missing...)
	}
	here, more := read(resolved, r)
	here.Base, here.Producer, here.Consumer, here.Admin = w.Base, w.Producer, w.Consumer, w.Admin
	here.converters, here.providers = w.converters, w.providers
	return here, more
}

// CheckHere is [CheckMap] on the machine on which the connector runs, with references resolved.
func CheckHere(d *Declared, w *Worker, r *plugin.Registry) diag.List {
	resolved, found := w.providers.Fill(d)
	if found.HasErrors() || resolved == d {
		return found
	}
	return CheckMap(resolved, w, r)
}

// ReadWorker makes a worker's settings of its flat map. The worker is usable only when the list has no errors. Settings
// that hold references have their defaults, since their values are not known yet.
func ReadWorker(d *Declared, r *plugin.Registry) (*Worker, diag.List) { return readWorker(d, r, nil) }

// readWorker reads a worker that runs alone, or with others when shared, which holds defaults, is not nil.
func readWorker(d *Declared, r *plugin.Registry, shared *Distributed) (*Worker, diag.List) {
	w := WorkerDefaults()
	w.Distributed = shared
	c := newChecker(d, &w, r)
	w.providers = c.providers()
	if len(List(d.Map["bootstrap.servers"])) == 0 {
		w.Registry = registryToCome
	}
	c.references()
	for _, s := range plugin.SpecOf(w).Fields {
		c.read("", s.Name)
		c.value("", s)
	}
	rules, without := standaloneRules, idle
	if shared != nil {
		c.distributed(shared)
		rules, without = distributedRules, slices.Concat(idle, idleDistributed)
	}
	c.workerConverters()
	c.policy()
	c.listeners()
	c.extensions()
	c.workerProperties(slices.Concat(rules, workerRules), without)
	c.secrets()
	if c.found.HasErrors() {
		return &w, c.found
	}
	if err := plugin.Decode(plugin.Config(d.Settled()), &w); err != nil {
		return &w, append(c.found, diag.Of(err, diag.InvalidValue)...)
	}
	w.OverridePolicy = policyName(w.OverridePolicy)
	w.Base = clientsBase(d.Map)
	w.Producer, w.Consumer, w.Admin = d.Map.Sub("producer."), d.Map.Sub("consumer."), d.Map.Sub("admin.")
	delete(w.Admin, "listeners") // admin.listeners is the worker's own
	w.converters = workerConverters(d.Map)
	if shared != nil {
		if err := plugin.Decode(plugin.Config(d.Settled()), shared); err != nil {
			return &w, append(c.found, diag.Of(err, diag.InvalidValue)...)
		}
		known := plugin.SpecOf(*shared).Fields
		shared.ConfigSettings = topicSettings(d.Map, "config.storage.", known)
		shared.OffsetSettings = topicSettings(d.Map, "offset.storage.", known)
		shared.StatusSettings = topicSettings(d.Map, "status.storage.", known)
		shared.agree(c, w.StopTimeout)
	}
	return &w, c.found
}

func workerConverters(m Map) map[plugin.Use]inherited {
	cs := map[plugin.Use]inherited{}
	for _, use := range uses() {
		key := ConverterKey(use)
		c := inherited{strings.TrimSpace(m[key]), m.Sub(key + ".")}
		delete(c.settings, "plugin.version")
		switch {
		case c.class != "":
		case use == plugin.HeaderUse:
			c.class = simpleConverter
		default:
			c.class = jsonConverter
			if _, set := c.settings["schemas.enable"]; !set {
				c.settings["schemas.enable"] = "false"
			}
		}
		cs[use] = c
	}
	return cs
}

// workerConverters checks the converters that the worker says something of.
func (c *checker) workerConverters() {
	all := workerConverters(c.Map)
	for _, use := range uses() {
		key := ConverterKey(use)
		c.read("", key)
		if c.set(key) || len(c.Map.Sub(key+".")) > 0 {
			c.converter(use, all[use].class, all[use].settings)
		}
	}
}

// policyName is the short name of an override policy, which may be written as Kafka Connect's class.
func policyName(text string) string {
	return strings.TrimSuffix(simpleName(strings.TrimSpace(text)), "ConnectorClientConfigOverridePolicy")
}

func (c *checker) policy() {
	const key = "connector.client.config.override.policy"
	policies := []string{"All", "None", "Principal", "Allowlist"}
	if p := c.Map[key]; c.set(key) && !slices.Contains(policies, policyName(p)) {
		c.fail(diag.InvalidValue, key, "%s must be one of %s, not %s.", c.Spelling(key), strings.Join(policies, ", "), c.shown(key))
	}
}

// clientProperties are the properties of Kafka clients that a worker sets without prefix for all its clients.
var clientProperties = []string{ //nolint:gochecknoglobals // a literal
	"bootstrap.servers", "client.dns.lookup", "client.id", "metadata.max.age.ms", "send.buffer.bytes", "receive.buffer.bytes",
	"reconnect.backoff.ms", "reconnect.backoff.max.ms", "retry.backoff.ms", "retry.backoff.max.ms", "request.timeout.ms",
	"socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms", "connections.max.idle.ms", "security.protocol",
	"bootstrap.resolve.timeout.ms", "metadata.recovery.strategy", "metadata.recovery.rebootstrap.trigger.ms",
}

// clientsBase is what the worker says of all its clients. Its security settings are among them: people expect it, and
// Kafka Connect's workers, which want them again under producer., consumer. and admin., are known to be a trap.
func clientsBase(m Map) map[string]string {
	base := map[string]string{}
	for k, v := range m {
		if slices.Contains(clientProperties, k) || within(k, "ssl.", "sasl.") {
			base[k] = v
		}
	}
	return base
}

// rule refuses properties with a reason.
type rule struct {
	names  []string
	accept func(value string) bool // nil: only empty text is
	reason string
}

// standaloneRules come before workerRules for a worker that runs alone, distributedRules for one that does not.
var (
	standaloneRules = []rule{ //nolint:gochecknoglobals // a literal
		{[]string{
			"group.id", "connect.protocol", "session.timeout.ms", "heartbeat.interval.ms", "rebalance.timeout.ms", "scheduled.rebalance.max.delay.ms",
			"worker.sync.timeout.ms", "worker.unsync.backoff.ms", "inter.worker.", "config.storage.", "status.storage.", "offset.storage.topic",
			"offset.storage.replication.factor", "offset.storage.partitions", "internal.topics.automatic.creation.enable",
		}, nil, "It belongs to a distributed worker, which engine worker starts; this one runs alone."},
	}
	distributedRules = []rule{ //nolint:gochecknoglobals // a literal
		{[]string{"offset.storage.file.filename"}, nil, "It belongs to a worker that runs alone, which engine run starts; this one keeps offsets in offset.storage.topic."},
		{[]string{"internal.topics.automatic.creation.enable"}, equals("true"), "This version makes its topics when they are missing."},
	}
)

// workerRules says what becomes of the properties that a worker may have beyond those above. Names that end with a dot are
// prefixes; the first rule that fits counts.
var workerRules = []rule{ //nolint:gochecknoglobals // a literal
	{[]string{"exactly.once.source.support"}, equals("disabled"), "This version delivers at least once."},
	{[]string{"listeners.", "admin.listeners."}, nil, "This version serves REST over http only."},
	{[]string{"rest.advertised.listener"}, equals("http"), "This version serves REST over http only."},
}

func equals(word string) func(string) bool {
	return func(v string) bool { return strings.EqualFold(v, word) }
}

// idle are properties of a Kafka Connect worker that are accepted and have no effect.
var idle = []string{ //nolint:gochecknoglobals // a literal
	"plugin.path", "plugin.discovery",
	"metrics.sample.window.ms", "metrics.num.samples", "metrics.recording.level", "metric.reporters", "metrics.context.",
}

// fits reports whether a property is one of some names, or lies under one that ends with a dot.
func fits(key string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return key == n || strings.HasSuffix(n, ".") && strings.HasPrefix(key, n) })
}

// workerProperties checks the properties that are not settings of [Worker].
func (c *checker) workerProperties(rules []rule, idle []string) {
	for _, key := range c.keys {
		value := strings.TrimSpace(c.Map[key])
		reason := refusal(rules, key, value)
		client := clientProperty(key)
		switch {
		case reason != "":
			c.fail(diag.NotAvailable, key, "%s is not available. %s", c.Spelling(key), reason)
		case value != "" && key == "plugin.path":
			c.warn(diag.NoEffect, key, "The connectors, transforms and converters of this program are built in; jars in %s are not loaded.", c.Spelling(key))
		case value != "" && fits(key, idle):
			c.warn(diag.NoEffect, key, "%s has nothing to act on here.", c.Spelling(key))
		case client == key && !c.workerReads(key, rules, idle):
			c.warn(unknownCode(key, c.workerNames()), key, "%q is not a setting of a worker and is ignored.%s", c.Spelling(key), diag.DidYouMean(key, c.workerNames()))
		}
	}
}

// clientProperty is a key without the prefix of a kind of client.
func clientProperty(key string) string {
	for _, p := range []string{"producer.", "consumer.", "admin."} {
		if name, ok := strings.CutPrefix(key, p); ok && !strings.HasPrefix(key, "admin.listeners") {
			return name
		}
	}
	return key
}

// refusal says why this version cannot honour a property of a worker, "" when it can.
func refusal(rules []rule, key, value string) string {
	for _, r := range rules {
		if fits(key, r.names) && value != "" && (r.accept == nil || !r.accept(value)) {
			return r.reason
		}
	}
	return ""
}

// workerReads reports whether a property is one that a worker may have.
func (c *checker) workerReads(key string, rules []rule, idle []string) bool {
	return slices.Contains(c.workerNames(), key) || fits(key, idle) ||
		within(key, KeyConverter+".", ValueConverter+".", HeaderConverter+".", "ssl.", "sasl.", configProviders+".") ||
		fits(key, storagePrefixes) || slices.ContainsFunc(rules, func(r rule) bool { return fits(key, r.names) })
}

func (c *checker) workerNames() []string {
	return append(slices.Clone(c.reads[""]), clientProperties...)
}

func unknownCode(key string, names []string) diag.Code {
	if diag.Nearest(key, names) != "" {
		return diag.ProbablyMisspelt
	}
	return diag.NoEffect
}
