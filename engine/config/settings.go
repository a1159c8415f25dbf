package config

import (
	"slices"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// Common is the settings of every connector that the engine itself reads (Kafka Connect: ConnectorConfig), to be filled by
// [plugin.Decode]. Start from [CommonDefaults].
type Common struct {
	Name            string        `cfg:"name,required,nonempty" importance:"high" doc:"Name of the connector, unique in its cluster."`
	Class           string        `cfg:"connector.class,required,nonempty" importance:"high" doc:"Class of the connector, or its short form."`
	PluginVersion   string        `cfg:"connector.plugin.version" doc:"Version of the connector, or a Maven range of versions."`
	TasksMax        int           `cfg:"tasks.max" min:"1" importance:"high" doc:"Most tasks that the connector may use."`
	TasksMaxEnforce bool          `cfg:"tasks.max.enforce" importance:"low" doc:"Whether a connector that makes more tasks than tasks.max fails."`
	KeyConverter    string        `cfg:"key.converter" importance:"low" doc:"Converter of keys; the worker's when left out."`
	ValueConverter  string        `cfg:"value.converter" importance:"low" doc:"Converter of values; the worker's when left out."`
	HeaderConverter string        `cfg:"header.converter" importance:"low" doc:"Converter of headers; the worker's when left out."`
	Transforms      []string      `cfg:"transforms" importance:"low" doc:"Names of the transforms in the order in which they work."`
	Predicates      []string      `cfg:"predicates" importance:"low" doc:"Names of the predicates that transforms use."`
	Reload          string        `cfg:"config.action.reload" oneof:"none|restart" importance:"low" doc:"What happens when a secret that a provider gave changes."`
	RetryTimeout    time.Duration `cfg:"errors.retry.timeout" doc:"Longest time to retry a failed operation, -1 for ever."`
	RetryDelayMax   time.Duration `cfg:"errors.retry.delay.max.ms" doc:"Longest wait between two tries."`
	Tolerance       string        `cfg:"errors.tolerance" oneof:"none|all" doc:"Whether a bad record stops the task (none) or is skipped (all)."`
	Log             bool          `cfg:"errors.log.enable" doc:"Whether failed operations are logged."`
	LogMessages     bool          `cfg:"errors.log.include.messages" doc:"Whether the log tells which record failed."`

	// Healing, which Kafka Connect does not have.
	RestartPolicy   string        `cfg:"errors.restart.policy" oneof:"failed|never" importance:"low" doc:"Whether a connector or task that failed is started again by itself (failed) or waits for somebody (never)."`
	RestartAttempts int           `cfg:"errors.restart.max.attempts" min:"1" importance:"low" doc:"Most attempts in a row before it waits for somebody."`
	RestartDelay    time.Duration `cfg:"errors.restart.delay.ms" min:"1" importance:"low" doc:"Wait before the first attempt; it doubles with each."`
	RestartDelayMax time.Duration `cfg:"errors.restart.delay.max.ms" min:"1" importance:"low" doc:"Longest wait before an attempt; what then runs as long as this counts as healed."`
}

// CommonDefaults are the defaults of Kafka Connect, and ours of what it does not have.
func CommonDefaults() Common {
	return Common{
		TasksMax: 1, TasksMaxEnforce: true, Reload: "restart", RetryDelayMax: time.Minute, Tolerance: "none",
		RestartPolicy: "failed", RestartAttempts: 10, RestartDelay: time.Second, RestartDelayMax: time.Minute,
	}
}

// SourceSettings is what the engine reads of a source beyond [Common] (Kafka Connect: SourceConnectorConfig).
type SourceSettings struct {
	TopicGroups []string      `cfg:"topic.creation.groups" importance:"low" doc:"Names of the groups of topics to create, the default group left out."`
	ExactlyOnce string        `cfg:"exactly.once.support,anycase" oneof:"requested|required" doc:"Whether the source may only run with exactly-once delivery."`
	Boundary    string        `cfg:"transaction.boundary,anycase" oneof:"poll|interval|connector" doc:"Where transactions end."`
	Interval    time.Duration `cfg:"transaction.boundary.interval.ms" min:"1" importance:"low" doc:"Length of a transaction when they end by time."`
	OffsetTopic *string       `cfg:"offsets.storage.topic,nonempty" importance:"low" doc:"A topic of its own for the offsets of this connector."`
}

// SourceDefaults are the defaults of Kafka Connect.
func SourceDefaults() SourceSettings {
	return SourceSettings{ExactlyOnce: "requested", Boundary: "poll"}
}

// SinkSettings is what the engine reads of a sink beyond [Common] (Kafka Connect: SinkConnectorConfig).
type SinkSettings struct {
	Topics      []string `cfg:"topics,unique" importance:"high" doc:"Topics to read."`
	TopicsRegex string   `cfg:"topics.regex" importance:"high" doc:"Pattern of the topics to read."`
	DeadLetter  string   `cfg:"errors.deadletterqueue.topic.name" doc:"Topic for records that cannot be worked on."`
	Replicas    int16    `cfg:"errors.deadletterqueue.topic.replication.factor" doc:"Replicas of that topic when it is made."`
	Headers     bool     `cfg:"errors.deadletterqueue.context.headers.enable" doc:"Whether headers tell what went wrong."`
}

// SinkDefaults are the defaults of Kafka Connect.
func SinkDefaults() SinkSettings { return SinkSettings{Replicas: 3} }

// StageSettings is what the engine reads of a transform, under transforms.<name>. (Kafka Connect: EnrichedConnectorConfig).
type StageSettings struct {
	Type      string `cfg:"type,required,nonempty" importance:"high" doc:"Class of the transform."`
	Predicate string `cfg:"predicate" doc:"Name of the predicate that decides whether the transform applies."`
	Negate    bool   `cfg:"negate" doc:"Whether the transform applies where the predicate says no."`
	Version   string `cfg:"plugin.version" doc:"Version of the transform, or a Maven range of versions."`
}

// specs are the settings of pipelines; they are worked out once.
//
//nolint:gochecknoglobals // never changed
var specs = sync.OnceValue(func() (s struct {
	common, source, sink plugin.Spec
	ofSource, ofSink     []plugin.Setting // with the common ones
}) {
	s.common, s.source, s.sink = plugin.SpecOf(CommonDefaults()), plugin.SpecOf(SourceDefaults()), plugin.SpecOf(SinkDefaults())
	s.ofSource, s.ofSink = slices.Concat(s.common.Fields, s.source.Fields), slices.Concat(s.common.Fields, s.sink.Fields)
	return s
})

// spec is what the engine itself reads of a connector's map, for reading only.
func spec(role plugin.Role) []plugin.Setting {
	switch s := specs(); role {
	case plugin.SourceRole:
		return s.ofSource
	case plugin.SinkRole:
		return s.ofSink
	default:
		return s.common.Fields
	}
}

// Overrides lists the prefixes of the client settings that a connector's clients read: a source's producer and admin
// client, a sink's consumer, and both of the first two where a sink has a dead letter queue.
func Overrides(role plugin.Role, deadLetter bool) []string {
	switch {
	case role == plugin.SourceRole:
		return []string{ProducerPrefix, AdminPrefix}
	case deadLetter:
		return []string{ConsumerPrefix, ProducerPrefix, AdminPrefix}
	default:
		return []string{ConsumerPrefix}
	}
}
