package task

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
)

// refusal makes an error of a broker one for people: what was refused and what to do. doing is what the task was doing
// with the topic, such as "write to".
func refusal(doing, topic string, err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case isMissing(err):
		return missing(doing, topic)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		d := diag.New(diag.BrokerRefused, diag.Place{}, "A record for topic `%s` is larger than producer or broker allow (%s).\n\nRaise `producer.override.max.request.size` and the topic's `max.message.bytes`, make the records smaller, or skip them with `errors.tolerance = all`.", topic, code(err))
		return plugin.Permanent(&d)
	case isRefused(err):
		d := diag.New(diag.BrokerRefused, diag.Place{}, "The broker does not let this task %s topic `%s`: %s.\n\nGrant its user the right, or give the pipeline other credentials.", doing, topic, code(err))
		return &d
	case errors.Is(err, kerr.InvalidTopicException):
		d := diag.New(diag.BrokerRefused, diag.Place{}, "`%s` is not a name that a topic can have.", topic)
		return plugin.Permanent(&d)
	}
	if d := kafka.Explain(err); d != nil {
		return fmt.Errorf("%s topic %s: %w", doing, topic, d)
	}
	return fmt.Errorf("%s topic %s: %w", doing, topic, err)
}

// admitted fails the task if the cluster refuses its client. Only overrides of the connector can be the reason: the
// worker's own settings are tried by whoever runs it.
func admitted(l *lives, client *kgo.Client, override map[string]string) func() {
	return func() {
		if !kafka.OwnSecurity(override) {
			return
		}
		if err := kafka.Admitted(l.life, client); err != nil {
			l.fail(fmt.Errorf("reach the cluster: %w", err))
		}
	}
}

// reach makes a broker that cannot be reached a condition that people see. What moves records takes it back: the client
// goes on trying as long as it takes.
type reach struct{ note func(error) }

var _ kgo.HookBrokerConnect = reach{}

// OnBrokerConnect hears of every try to connect, on a goroutine of the client.
func (r reach) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if d := kafka.Explain(err); d != nil {
		r.note(d)
	}
}

// missing is the message of a topic that is not there.
func missing(doing, topic string) error {
	d := diag.New(diag.TopicMissing, diag.Place{}, "The task is to %s topic `%s`, which does not exist or was deleted.\n\nCreate the topic, or let the engine do so: `topic.creation.enable = true` for the worker, with `topic.creation.default.partitions` and `topic.creation.default.replication.factor` for the pipeline where the broker's defaults do not fit.", doing, topic)
	return &d
}

// code is Kafka's name of an error where it has one.
func code(err error) string {
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		return k.Message
	}
	return err.Error()
}

// classOf is the Java class that stands for an error in headers of the dead letter queue, since people filter by it.
func classOf(err error) string {
	if _, ok := errors.AsType[*plugin.DataError](err); ok {
		return "org.apache.kafka.connect.errors.DataException"
	}
	if _, ok := errors.AsType[*plugin.ConfigError](err); ok {
		return "org.apache.kafka.common.config.ConfigException"
	}
	if _, ok := plugin.IsRetry(err); ok {
		return "org.apache.kafka.connect.errors.RetriableException"
	}
	return "org.apache.kafka.connect.errors.ConnectException"
}

// incurable marks errors that come again with the same record or the same configuration, so that a restart is no cure.
func incurable(err error) error {
	if _, ok := errors.AsType[*plugin.PermanentError](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[*plugin.DataError](err); ok {
		return plugin.Permanent(err)
	}
	if _, ok := errors.AsType[*plugin.ConfigError](err); ok {
		return plugin.Permanent(err)
	}
	return err
}

func isMissing(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
}

func isRefused(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) ||
		errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.TransactionalIDAuthorizationFailed)
}
