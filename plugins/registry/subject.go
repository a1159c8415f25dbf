package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
)

// naming is a strategy that names subjects.
type naming uint8

const (
	byTopic naming = iota
	byRecord
	byTopicRecord
	byAssociation
	byNothing
)

// namingOf reads the class of a strategy.
func namingOf(key, class string) (naming, error) {
	switch strings.TrimPrefix(class, strategies) {
	case "TopicNameStrategy":
		return byTopic, nil
	case "RecordNameStrategy":
		return byRecord, nil
	case "TopicRecordNameStrategy":
		return byTopicRecord, nil
	case "AssociatedNameStrategy":
		return byAssociation, nil
	}
	return 0, plugin.Invalid(key, class, "the strategies are TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy and AssociatedNameStrategy of "+strings.TrimSuffix(strategies, "."))
}

func fallbackOf(kind string) naming {
	return map[string]naming{"TOPIC": byTopic, "RECORD": byRecord, "TOPIC_RECORD": byTopicRecord, "NONE": byNothing}[strings.ToUpper(kind)]
}

// subject names the subject of a topic's keys or values. Schema is nil as long as it is not known, when those that need it
// give "".
func (c *Converter) subject(ctx context.Context, topic string, s Schema) (string, error) {
	n := c.naming
	if n == byAssociation {
		found, err := c.client.associated(ctx, topic, c.use.String())
		if err != nil || found != "" {
			return found, err
		}
		n = c.fallback
	}
	switch n {
	case byTopic:
		return topic + "-" + c.use.String(), nil
	case byNothing:
		return "", fmt.Errorf("No associated subject found for topic %s", topic) //nolint:staticcheck // Confluent's words
	}
	if s == nil {
		return "", nil
	}
	name := s.RecordName()
	if name == "" {
		return "", fmt.Errorf("In configuration %s.subject.name.strategy = %s, the message %s must only be a record schema", c.use, c.strategy, c.use) //nolint:staticcheck // Confluent's words
	}
	if n == byTopicRecord {
		return topic + "-" + name, nil
	}
	return name, nil
}
