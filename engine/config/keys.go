package config

import (
	"cmp"
	"slices"
	"strings"
)

// Properties that every connector may have, and their prefixes (Kafka Connect: ConnectorConfig, SourceConnectorConfig,
// SinkConnectorConfig).
const (
	Name            = "name"
	ConnectorClass  = "connector.class"
	PluginVersion   = "connector.plugin.version"
	TasksMax        = "tasks.max"
	TasksMaxEnforce = "tasks.max.enforce"
	ConfigReload    = "config.action.reload"
	KeyConverter    = "key.converter"
	ValueConverter  = "value.converter"
	HeaderConverter = "header.converter"
	Transforms      = "transforms"
	Predicates      = "predicates"
	Topics          = "topics"
	TopicsRegex     = "topics.regex"
	TaskClass       = "task.class" // of a task, beside what its connector said

	ErrorsTolerance    = "errors.tolerance"
	ErrorsRetryTimeout = "errors.retry.timeout"
	ErrorsRetryDelay   = "errors.retry.delay.max.ms"
	ErrorsLog          = "errors.log.enable"
	ErrorsLogMessages  = "errors.log.include.messages"
	DeadLetterTopic    = "errors.deadletterqueue.topic.name"
	DeadLetterReplicas = "errors.deadletterqueue.topic.replication.factor"
	DeadLetterHeaders  = "errors.deadletterqueue.context.headers.enable"

	ExactlyOnceSupport  = "exactly.once.support"
	TransactionBoundary = "transaction.boundary"
	TransactionInterval = "transaction.boundary.interval.ms"
	OffsetsTopic        = "offsets.storage.topic"
	TopicGroups         = "topic.creation.groups"

	TopicCreation       = "topic.creation"
	TopicCreationPrefix = TopicCreation + "."
	ProducerPrefix      = "producer.override."
	ConsumerPrefix      = "consumer.override."
	AdminPrefix         = "admin.override."
)

// Keys lists the keys in the order in which plans, exports and people see them: name, class, version and tasks first, then
// the connector's own, converters, transforms, predicates, errors, topic creation and client overrides, by bytes within
// each group.
func (m Map) Keys() []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(group(a), group(b)), cmp.Compare(a, b))
	})
	return keys
}

func group(key string) int {
	switch key {
	case Name:
		return 0
	case ConnectorClass:
		return 1
	case PluginVersion:
		return 2
	case TasksMax:
		return 3
	}
	for i, g := range groups {
		if key == strings.TrimSuffix(g, ".") || strings.HasPrefix(key, g) {
			return 5 + i
		}
	}
	return 4
}

var groups = []string{ //nolint:gochecknoglobals // a literal
	KeyConverter + ".", ValueConverter + ".", HeaderConverter + ".", Transforms + ".", Predicates + ".", "errors.",
	TopicCreationPrefix, ProducerPrefix, ConsumerPrefix, AdminPrefix,
}

// Sub is the settings under a prefix (which ends with a dot), without it.
func (m Map) Sub(prefix string) map[string]string {
	sub := map[string]string{}
	for k, v := range m {
		if s, ok := strings.CutPrefix(k, prefix); ok && s != "" {
			sub[s] = v
		}
	}
	return sub
}

// List splits a list property at commas and trims its entries; empty text gives none.
func List(text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	entries := strings.Split(text, ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return entries
}
