package registry

import (
	"net/url"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// settings are those of AbstractKafkaSchemaSerDeConfig and SchemaRegistryClientConfig that do something here. Those that
// would need code of the user's, or rules, are refused by refuse.
type settings struct {
	URLs      []string `cfg:"schema.registry.url,required,nonempty" importance:"high" example:"http://127.0.0.1:8081" doc:"Addresses of the schema registry, tried in this order."`
	Randomize bool     `cfg:"schema.registry.url.randomize" importance:"low" doc:"Begin with an address chosen by chance."`

	Auto         bool   `cfg:"auto.register.schemas" doc:"Register schemas that the registry does not have yet."`
	Normalize    bool   `cfg:"normalize.schemas" doc:"Have the registry normalise schemas before it compares them."`
	Latest       bool   `cfg:"use.latest.version" importance:"low" doc:"Write and read with the newest schema of the subject. Writing needs auto.register.schemas=false."`
	LatestStrict bool   `cfg:"latest.compatibility.strict" importance:"low" doc:"Refuse to write with a newest schema that cannot read the data's own."`
	ID           int    `cfg:"use.schema.id" importance:"low" doc:"Write with the schema of this id; -1: none. Needs auto.register.schemas=false."`
	GUID         string `cfg:"use.schema.guid" importance:"low" doc:"Write with the schema of this GUID. Needs auto.register.schemas=false."`
	IDStrict     bool   `cfg:"id.compatibility.strict" importance:"low" doc:"Refuse to write with a schema of use.schema.id that cannot read the data's own."`
	Metadata     string `cfg:"use.latest.with.metadata" importance:"low" doc:"Write and read with the newest schema that has these properties: k=v,k2=v2."`
	LatestTTL    int    `cfg:"latest.cache.ttl.sec" importance:"low" doc:"Ask for the newest schema again after so many seconds; -1: never."`
	LatestSize   int    `cfg:"latest.cache.size" importance:"low" min:"1" doc:"How many newest schemas to remember."`
	Most         int    `cfg:"max.schemas.per.subject" importance:"low" min:"1" doc:"How many schemas to remember on each way."`

	KeySubject     string `cfg:"key.subject.name.strategy" doc:"How a key's subject is named: the class TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy or AssociatedNameStrategy of io.confluent.kafka.serializers.subject."`
	ValueSubject   string `cfg:"value.subject.name.strategy" doc:"How a value's subject is named, as for keys."`
	ClusterID      string `cfg:"subject.name.strategy.kafka.cluster.id" importance:"low" doc:"The cluster that AssociatedNameStrategy asks for; left out: any."`
	Fallback       string `cfg:"subject.name.strategy.fallback.type,anycase" importance:"low" oneof:"TOPIC|RECORD|TOPIC_RECORD|NONE" doc:"What AssociatedNameStrategy does for a topic without an association."`
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

	TrustType     string        `cfg:"schema.registry.ssl.truststore.type" doc:"PEM. Other stores are not read here."`
	TrustLocation string        `cfg:"schema.registry.ssl.truststore.location" doc:"A PEM file of the certificates to trust."`
	TrustCerts    string        `cfg:"schema.registry.ssl.truststore.certificates" doc:"The certificates to trust, as PEM."`
	KeyType       string        `cfg:"schema.registry.ssl.keystore.type" doc:"PEM. Other stores are not read here."`
	KeyLocation   string        `cfg:"schema.registry.ssl.keystore.location" doc:"A PEM file of the own private key and certificates."`
	Chain         string        `cfg:"schema.registry.ssl.keystore.certificate.chain" doc:"The own certificates, as PEM."`
	Key           plugin.Secret `cfg:"schema.registry.ssl.keystore.key" doc:"The own private key, as PEM."`
	HostCheck     *string       `cfg:"schema.registry.ssl.endpoint.identification.algorithm" doc:"https, which checks the server's name, or empty, which does not."`
}

const (
	strategies = "io.confluent.kafka.serializers.subject."
	ids        = "io.confluent.kafka.serializers.schema.id."
	noContext  = "io.confluent.kafka.serializers.context.NullContextNameStrategy"
)

func defaults() settings {
	return settings{
		Auto: true, LatestStrict: true, ID: -1, IDStrict: true, LatestTTL: -1, LatestSize: 1000, Most: 1000,
		KeySubject: strategies + "TopicNameStrategy", ValueSubject: strategies + "TopicNameStrategy", Fallback: "TOPIC",
		Context:     noContext,
		KeyIDWriter: ids + "PrefixSchemaIdSerializer", ValueIDWriter: ids + "PrefixSchemaIdSerializer",
		KeyIDReader: ids + "DualSchemaIdDeserializer", ValueIDReader: ids + "DualSchemaIdDeserializer",
		AuthSource: "URL", BearerSource: "STATIC_TOKEN", TokenBuffer: 300,
		ConnectTimeout: time.Minute, ReadTimeout: time.Minute, Retries: 3, Wait: time.Second, MostWait: 20 * time.Second,
		ProxyPort: -1,
	}
}

// refused are settings that only their default does: they call code of the user's or run rules of the schema. They have a
// row here so that a configuration that names them in passing still works.
type refused struct {
	Executors  string `cfg:"rule.executors" importance:"low" doc:"Rules are not executed here; only empty."`
	Actions    string `cfg:"rule.actions" importance:"low" doc:"Rules are not executed here; only empty."`
	Validation string `cfg:"validation.rules.execution" importance:"low" oneof:"DISABLED" doc:"Rules are not executed here; only DISABLED."`
	Propagate  bool   `cfg:"propagate.schema.tags" importance:"low" doc:"Only false."`
	Reflection bool   `cfg:"schema.reflection" importance:"low" doc:"Only false; there are no Java classes here."`
	Backup     bool   `cfg:"schema.backup.enabled" importance:"low" doc:"Only false."`
	Provider   string `cfg:"bearer.auth.custom.provider.class" importance:"low" doc:"Only empty; there are no Java classes here."`
}

// Spec is that of the settings that every converter with a registry has.
func Spec() plugin.Spec {
	s := plugin.SpecOf(defaults())
	s.Fields = append(s.Fields, plugin.SpecOf(refused{Validation: "DISABLED"}).Fields...)
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
		return set, plugin.Invalid("bearer.auth.credentials.source", set.BearerSource, "use STATIC_TOKEN or OAUTHBEARER")
	case set.BearerSource == "OAUTHBEARER" && (set.Issuer == "" || set.ClientID == ""):
		return set, &plugin.ConfigError{Key: "bearer.auth.issuer.endpoint.url", Reason: "OAUTHBEARER needs bearer.auth.issuer.endpoint.url, bearer.auth.client.id and bearer.auth.client.secret."}
	}
	return set, nil
}

func refuse(c plugin.Config) error {
	set := refused{Validation: "DISABLED"}
	if err := plugin.Decode(c, &set); err != nil {
		return err
	}
	for key, given := range map[string]bool{
		"rule.executors": set.Executors != "", "rule.actions": set.Actions != "", "propagate.schema.tags": set.Propagate,
		"schema.reflection": set.Reflection, "schema.backup.enabled": set.Backup, "bearer.auth.custom.provider.class": set.Provider != "",
	} {
		if given {
			return plugin.Invalid(key, c[key], "that is not built in")
		}
	}
	return nil
}

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
