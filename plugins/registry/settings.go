package registry

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/ssl"
)

// settings are those of AbstractKafkaSchemaSerDeConfig and SchemaRegistryClientConfig that do something here. Those that
// would need code of the user's, or rules, are refused by refuse.
type settings struct {
	URLs      []string `cfg:"schema.registry.url,required,nonempty" importance:"high" example:"http://127.0.0.1:8081" doc:"Addresses of the schema registry, tried in this order."`
	Randomize bool     `cfg:"schema.registry.url.randomize" importance:"low" doc:"Begin with an address chosen by chance."`

	Auto           bool   `cfg:"auto.register.schemas" doc:"Register schemas that the registry does not have yet."`
	Normalize      bool   `cfg:"normalize.schemas" doc:"Have the registry normalise schemas before it compares them."`
	Tags           bool   `cfg:"propagate.schema.tags" importance:"low" doc:"Ask the registry to take tags over from the newest schema of the subject when it registers one."`
	Latest         bool   `cfg:"use.latest.version" importance:"low" doc:"Write and read with the newest schema of the subject. Writing needs auto.register.schemas=false."`
	LatestStrict   bool   `cfg:"latest.compatibility.strict" importance:"low" doc:"Refuse to write with a newest schema that cannot read the data's own."`
	ID             int    `cfg:"use.schema.id" importance:"low" doc:"Write with the schema of this id; -1: none. Needs auto.register.schemas=false."`
	GUID           string `cfg:"use.schema.guid" importance:"low" doc:"Write with the schema of this GUID. Needs auto.register.schemas=false."`
	IDStrict       bool   `cfg:"id.compatibility.strict" importance:"low" doc:"Refuse to write with a schema of use.schema.id that cannot read the data's own."`
	Metadata       string `cfg:"use.latest.with.metadata" importance:"low" doc:"Write and read with the newest schema that has these properties: k=v,k2=v2."`
	LatestTTL      int    `cfg:"latest.cache.ttl.sec" importance:"low" doc:"Ask for the newest schema again after so many seconds; -1: never."`
	LatestSize     int    `cfg:"latest.cache.size" importance:"low" min:"1" doc:"How many newest schemas to remember."`
	Most           int    `cfg:"max.schemas.per.subject" importance:"low" min:"1" doc:"How many schemas to remember on each way."`
	MissingMost    int    `cfg:"missing.cache.size" importance:"low" min:"1" doc:"How many things to remember, on each way, that the registry does not have."`
	MissingID      int    `cfg:"missing.id.cache.ttl.sec" importance:"low" min:"0" doc:"For how many seconds to believe that there is no schema of an id; 0: ask each time."`
	MissingText    int    `cfg:"missing.schema.cache.ttl.sec" importance:"low" min:"0" doc:"For how many seconds to believe that a subject does not have a schema."`
	MissingVersion int    `cfg:"missing.version.cache.ttl.sec" importance:"low" min:"0" doc:"For how many seconds to believe that a subject does not have a version."`

	KeySubject     string `cfg:"key.subject.name.strategy" doc:"How a key's subject is named: the class TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy or AssociatedNameStrategy of io.confluent.kafka.serializers.subject."`
	ValueSubject   string `cfg:"value.subject.name.strategy" doc:"How a value's subject is named, as for keys."`
	ClusterID      string `cfg:"subject.name.strategy.kafka.cluster.id" importance:"low" doc:"The cluster that AssociatedNameStrategy asks for; left out: any."`
	Fallback       string `cfg:"subject.name.strategy.fallback.type,anycase" importance:"low" oneof:"TOPIC|RECORD|TOPIC_RECORD|NONE" doc:"What AssociatedNameStrategy does for a topic without an association."`
	SubjectMost    int    `cfg:"subject.name.strategy.cache.size" importance:"low" min:"1" doc:"How many associations AssociatedNameStrategy remembers."`
	SubjectTTL     int    `cfg:"subject.name.strategy.cache.expiry.secs" importance:"low" doc:"Ask for an association again after so many seconds; -1: never."`
	Context        string `cfg:"context.name.strategy" importance:"low" doc:"Only io.confluent.kafka.serializers.context.NullContextNameStrategy, the default."`
	KeyIDWriter    string `cfg:"key.schema.id.serializer" importance:"low" doc:"Where the id of a key's schema is written: the class PrefixSchemaIdSerializer or HeaderSchemaIdSerializer of io.confluent.kafka.serializers.schema.id."`
	ValueIDWriter  string `cfg:"value.schema.id.serializer" importance:"low" doc:"Where the id of a value's schema is written, as for keys."`
	KeyIDReader    string `cfg:"key.schema.id.deserializer" importance:"low" doc:"Where the id of a key's schema is read: the class DualSchemaIdDeserializer, PrefixSchemaIdDeserializer or ConfigSchemaIdDeserializer."`
	ValueIDReader  string `cfg:"value.schema.id.deserializer" importance:"low" doc:"Where the id of a value's schema is read, as for keys."`
	MessageIndexes string `cfg:"use.message.indexes" importance:"low" doc:"With ConfigSchemaIdDeserializer: the path to the message, such as 0 or 1,0."`

	AuthSource   string        `cfg:"basic.auth.credentials.source" oneof:"URL|USER_INFO|SASL_INHERIT" doc:"Where user and password come from."`
	UserInfo     plugin.Secret `cfg:"basic.auth.user.info" doc:"user:password, with USER_INFO."`
	OwnUserInfo  plugin.Secret `cfg:"schema.registry.basic.auth.user.info" doc:"Another name of basic.auth.user.info."`
	BearerSource string        `cfg:"bearer.auth.credentials.source" oneof:"STATIC_TOKEN|OAUTHBEARER|SASL_OAUTHBEARER_INHERIT|CUSTOM" doc:"Where a bearer token comes from: STATIC_TOKEN, or OAUTHBEARER, which asks an endpoint for one."`
	Token        plugin.Secret `cfg:"bearer.auth.token" doc:"The token of STATIC_TOKEN."`
	Issuer       string        `cfg:"bearer.auth.issuer.endpoint.url" doc:"Where OAUTHBEARER asks for tokens."`
	ClientID     string        `cfg:"bearer.auth.client.id" doc:"The client id of OAUTHBEARER."`
	ClientSecret plugin.Secret `cfg:"bearer.auth.client.secret" doc:"The client secret of OAUTHBEARER."`
	Scope        string        `cfg:"bearer.auth.scope" importance:"low" doc:"The scope that OAUTHBEARER asks for."`
	ScopeClaim   string        `cfg:"bearer.auth.scope.claim.name" importance:"low" doc:"The claim of a token that has its scope. A token that is a JWT is checked before it is sent."`
	SubClaim     string        `cfg:"bearer.auth.sub.claim.name" importance:"low" doc:"The claim of a token that has its subject, which must be there."`
	Cluster      string        `cfg:"bearer.auth.logical.cluster" importance:"low" doc:"Sent as target-sr-cluster."`
	Pool         string        `cfg:"bearer.auth.identity.pool.id" importance:"low" doc:"Sent as Confluent-Identity-Pool-Id."`
	TokenBuffer  int           `cfg:"bearer.auth.cache.expiry.buffer.seconds" importance:"low" min:"0" doc:"Ask for a new token so many seconds before the old one ends."`

	ConnectTimeout time.Duration `cfg:"http.connect.timeout.ms" importance:"low" min:"0" doc:"Give up connecting after this."`
	ReadTimeout    time.Duration `cfg:"http.read.timeout.ms" importance:"low" min:"0" doc:"Give up waiting for an answer after this."`
	Retries        int           `cfg:"max.retries" importance:"low" min:"0" doc:"How often to ask an address again."`
	Wait           time.Duration `cfg:"retries.wait.ms" importance:"low" min:"0" doc:"Most that the first wait takes; it doubles."`
	MostWait       time.Duration `cfg:"retries.max.wait.ms" importance:"low" min:"0" doc:"Most that any wait takes."`
	ProxyHost      string        `cfg:"proxy.host" importance:"low" doc:"An HTTP proxy."`
	ProxyPort      int           `cfg:"proxy.port" importance:"low" doc:"Its port."`
}

const (
	strategies = "io.confluent.kafka.serializers.subject."
	ids        = "io.confluent.kafka.serializers.schema.id."
	noContext  = "io.confluent.kafka.serializers.context.NullContextNameStrategy"
)

func defaults() settings {
	return settings{
		Auto: true, LatestStrict: true, ID: -1, IDStrict: true, LatestTTL: -1, LatestSize: 1000, Most: 1000, MissingMost: 10000, SubjectMost: 1000, SubjectTTL: -1,
		KeySubject: strategies + "TopicNameStrategy", ValueSubject: strategies + "TopicNameStrategy", Fallback: "TOPIC",
		Context:     noContext,
		KeyIDWriter: ids + "PrefixSchemaIdSerializer", ValueIDWriter: ids + "PrefixSchemaIdSerializer",
		KeyIDReader: ids + "DualSchemaIdDeserializer", ValueIDReader: ids + "DualSchemaIdDeserializer",
		AuthSource: "URL", BearerSource: "STATIC_TOKEN", ScopeClaim: "scope", SubClaim: "sub", TokenBuffer: 300,
		ConnectTimeout: time.Minute, ReadTimeout: time.Minute, Retries: 3, Wait: time.Second, MostWait: 20 * time.Second,
		ProxyPort: -1,
	}
}

// tlsSettings describe what package ssl reads: Kafka's properties under the prefix of the registry.
type tlsSettings struct {
	Protocol        string        `cfg:"schema.registry.ssl.protocol" importance:"low" doc:"The newest version of TLS to speak: TLSv1.2 or TLSv1.3."`
	Protocols       []string      `cfg:"schema.registry.ssl.enabled.protocols" importance:"low" doc:"The versions of TLS to speak: TLSv1.2, TLSv1.3."`
	Suites          []string      `cfg:"schema.registry.ssl.cipher.suites" importance:"low" doc:"The cipher suites to offer; left out: all that are not weak."`
	HostCheck       *string       `cfg:"schema.registry.ssl.endpoint.identification.algorithm" importance:"low" doc:"https, which checks the server's name, or empty, which does not."`
	TrustType       string        `cfg:"schema.registry.ssl.truststore.type" doc:"JKS, PKCS12 or PEM."`
	TrustLocation   string        `cfg:"schema.registry.ssl.truststore.location" doc:"A file of the certificates to trust; left out: those of the system."`
	TrustPassword   plugin.Secret `cfg:"schema.registry.ssl.truststore.password" doc:"The password of that file."`
	TrustCerts      string        `cfg:"schema.registry.ssl.truststore.certificates" doc:"The certificates to trust, as PEM."`
	KeyType         string        `cfg:"schema.registry.ssl.keystore.type" doc:"JKS, PKCS12 or PEM."`
	KeyLocation     string        `cfg:"schema.registry.ssl.keystore.location" doc:"A file of the own private key and certificates."`
	KeyFilePassword plugin.Secret `cfg:"schema.registry.ssl.keystore.password" doc:"The password of that file."`
	Chain           string        `cfg:"schema.registry.ssl.keystore.certificate.chain" doc:"The own certificates, as PEM."`
	Key             plugin.Secret `cfg:"schema.registry.ssl.keystore.key" doc:"The own private key, as PEM."`
	KeyPassword     plugin.Secret `cfg:"schema.registry.ssl.key.password" doc:"The password of the private key."`
}

// idle are settings that have nothing to work on here, whatever they say: of Java's runtime, and of rules, which are
// neither executed here nor passed over (a schema that has some is refused).
type idle struct {
	Provider     string `cfg:"schema.registry.ssl.provider" importance:"low" doc:"Of Java's runtime, which is not here."`
	KeyManager   string `cfg:"schema.registry.ssl.keymanager.algorithm" importance:"low" doc:"Of Java's runtime, which is not here."`
	TrustManager string `cfg:"schema.registry.ssl.trustmanager.algorithm" importance:"low" doc:"Of Java's runtime, which is not here."`
	Random       string `cfg:"schema.registry.ssl.secure.random.implementation" importance:"low" doc:"Of Java's runtime, which is not here."`
	Loader       bool   `cfg:"rule.service.loader.enable" importance:"low" doc:"Of rules. A schema that has some is refused."`
	Metrics      bool   `cfg:"rule.metrics.enable" importance:"low" doc:"Of rules. A schema that has some is refused."`
	Environment  string `cfg:"execution.environment" importance:"low" oneof:"|ALL|CLIENT|GATEWAY|SERVER|NONE" doc:"Of rules. A schema that has some is refused."`
	Validator    string `cfg:"validation.rules.executor.class" importance:"low" doc:"Of validation rules, whose execution cannot be switched on."`
	FailFast     bool   `cfg:"validation.rules.fail.fast" importance:"low" doc:"Of validation rules, whose execution cannot be switched on."`
}

// refused are settings that only their default does. They have a row here so that a configuration that names them in
// passing still works, and one that means them hears why not.
type refused struct {
	Executors  string `cfg:"rule.executors" importance:"low" doc:"Only empty: rules are not executed here."`
	Actions    string `cfg:"rule.actions" importance:"low" doc:"Only empty: rules are not executed here."`
	Validation string `cfg:"validation.rules.execution" importance:"low" oneof:"DISABLED" doc:"Only DISABLED: rules are not executed here."`
	Format     string `cfg:"schema.format" importance:"low" doc:"Only empty: schemas are read in the form in which they were registered."`
	Reflection bool   `cfg:"schema.reflection" importance:"low" doc:"Only false: there are no Java classes here."`
	Backup     bool   `cfg:"schema.backup.enabled" importance:"low" doc:"Only false."`
	Provider   string `cfg:"bearer.auth.custom.provider.class" importance:"low" doc:"Only empty: there are no Java classes here."`
	Factory    string `cfg:"schema.registry.ssl.engine.factory.class" importance:"low" doc:"Only empty: there are no Java classes here."`
}

// Spec is that of the settings that every converter with a registry has, and after them of a format's own, which are the
// defaults of what they are decoded into.
func Spec(own ...any) plugin.Spec {
	s := plugin.SpecOf(defaults())
	all := append([]any{
		tlsSettings{}, idle{Loader: true, Validator: "io.confluent.kafka.schemaregistry.rules.cel.CelValidator"}, refused{Validation: "DISABLED"},
	}, own...)
	for _, more := range all {
		s.Fields = append(s.Fields, plugin.SpecOf(more).Fields...)
	}
	return s
}

// headerPrefix begins the names of settings that are sent as headers of every request.
const headerPrefix = "request.header."

// decode reads and checks the settings; it opens nothing.
func decode(c plugin.Config) (settings, error) {
	set := defaults()
	if err := plugin.Decode(c, &set); err != nil {
		return set, err
	}
	if err := refuse(c); err != nil {
		return set, err
	}
	for _, u := range set.URLs {
		if err := checkURL(u); err != nil {
			return set, err
		}
	}
	switch {
	case set.Context != noContext:
		return set, plugin.Invalid("context.name.strategy", set.Context, "only NullContextNameStrategy is built in; a subject may name its context itself, as in :.context:subject")
	case set.AuthSource == "SASL_INHERIT":
		return set, plugin.Invalid("basic.auth.credentials.source", set.AuthSource, "a converter does not see the settings of the Kafka client; use USER_INFO")
	case set.BearerSource == "SASL_OAUTHBEARER_INHERIT" || set.BearerSource == "CUSTOM":
		return set, plugin.Invalid("bearer.auth.credentials.source", set.BearerSource, "a converter sees neither the settings of the Kafka client nor Java classes; use STATIC_TOKEN or OAUTHBEARER")
	case set.BearerSource == "OAUTHBEARER" && (set.Issuer == "" || set.ClientID == ""):
		return set, &plugin.ConfigError{Key: "bearer.auth.issuer.endpoint.url", Reason: "OAUTHBEARER needs bearer.auth.issuer.endpoint.url, bearer.auth.client.id and bearer.auth.client.secret."}
	}
	return set, nil
}

// refuse checks the settings of which only some values have a meaning here.
func refuse(c plugin.Config) error {
	var tls tlsSettings
	var none idle
	set := refused{Validation: "DISABLED"}
	for _, into := range []any{&tls, &none, &set} {
		if err := plugin.Decode(c, into); err != nil {
			return err
		}
	}
	const noRules, noClasses = "rules are not executed here; a schema that has some is refused", "there are no Java classes here"
	for _, r := range []struct {
		key, reason string
		given       bool
	}{
		{"rule.executors", noRules, set.Executors != ""},
		{"rule.actions", noRules, set.Actions != ""},
		{"schema.format", "schemas are read in the form in which they were registered", set.Format != ""},
		{"schema.reflection", noClasses, set.Reflection},
		{"schema.backup.enabled", "envelopes of backups are not written here", set.Backup},
		{"bearer.auth.custom.provider.class", noClasses + "; use STATIC_TOKEN or OAUTHBEARER", set.Provider != ""},
		{sslPrefix + "ssl.engine.factory.class", noClasses, set.Factory != ""},
	} {
		if r.given {
			return plugin.Invalid(r.key, c[r.key], r.reason)
		}
	}
	var mistakes []error
	tlsOf(c).Check(func(e *plugin.ConfigError) { mistakes = append(mistakes, e) })
	return errors.Join(mistakes...)
}

// sslPrefix stands before Kafka's properties of TLS.
const sslPrefix = "schema.registry."

// tlsOf are the properties of TLS.
func tlsOf(c plugin.Config) ssl.Settings { return ssl.Settings{Given: c, Prefix: sslPrefix} }

// checkURL takes http and https. The message does not show the text, which may have a password in it.
func checkURL(text string) error {
	const key = "schema.registry.url"
	u, err := url.Parse(withScheme(text))
	switch {
	case err != nil || u.Host == "":
		return &plugin.ConfigError{Key: key, Reason: "An entry of " + key + " is no address of the form http://host:port."}
	case u.Scheme != "http" && u.Scheme != "https":
		return &plugin.ConfigError{Key: key, Reason: "An entry of " + key + " begins with " + u.Scheme + "://; it must be http or https."}
	}
	return nil
}

func withScheme(text string) string {
	if strings.Contains(text, "://") {
		return text
	}
	return "http://" + text
}
