package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// deadLetters writes the records that a sink cannot work on to the dead letter queue, as they were consumed (Kafka
// Connect: DeadLetterQueueReporter). Unlike there, an offset is stored only after the queue has acknowledged what stands
// before it, and a record that the queue does not take fails the task: it is never lost silently (invariant 2).
type deadLetters struct {
	t      *Task
	client *kgo.Client
	fail   context.CancelCauseFunc

	mu  sync.Mutex
	err error // the first that the queue did not take
}

// newDeadLetters opens the queue and makes its topic when there is none; nil without a queue.
func newDeadLetters(t *Task, l *lives) (*deadLetters, error) {
	task := &t.Instance.Task
	if task.DeadLetter == nil {
		return nil, nil //nolint:nilnil // a nil queue takes nothing
	}
	if err := makeQueue(l.life, t); err != nil {
		return nil, fmt.Errorf("could not initialize dead letter queue: %w", err)
	}
	client, err := t.Clients.ProducerClient(task.Producer, "connector-dlq-producer-"+t.name())
	if err != nil {
		return nil, fmt.Errorf("make the producer of the dead letter queue: %w", err)
	}
	return &deadLetters{t: t, client: client, fail: l.fail}, nil
}

// makeQueue makes the topic with one partition unless it is there.
func makeQueue(ctx context.Context, t *Task) error {
	q := t.Instance.Task.DeadLetter
	client, err := t.Clients.AdminClient(t.Instance.Task.Admin, "connector-dlq-adminclient-"+t.name())
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	found, err := admin.ListTopics(ctx, q.Topic)
	switch {
	case err != nil:
		return fmt.Errorf("look up topic %s: %w", q.Topic, err)
	case found.Has(q.Topic):
		return nil
	}
	if _, err := admin.CreateTopic(ctx, 1, int16(q.Replicas), nil, q.Topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return refusal("create", q.Topic, err)
	}
	return nil
}

// send writes a record to the queue without waiting for the answer.
func (d *deadLetters) send(ctx context.Context, consumed *kgo.Record, f fault) {
	if d == nil {
		return
	}
	m := &kgo.Record{
		Topic: d.t.Instance.Task.DeadLetter.Topic, Partition: -1,
		Key: consumed.Key, Value: consumed.Value, Headers: slices.Clip(consumed.Headers),
	}
	if consumed.Timestamp.UnixMilli() >= 0 {
		m.Timestamp = consumed.Timestamp
	}
	if d.t.Instance.Task.DeadLetter.Headers {
		m.Headers = d.context(m.Headers, consumed, f)
	}
	d.t.Meter.DeadLetters.Add(1)
	d.client.Produce(ctx, m, d.answered)
}

// answered runs on a goroutine of the producer.
func (d *deadLetters) answered(r *kgo.Record, err error) {
	if err == nil {
		return
	}
	err = fmt.Errorf("write to the dead letter queue: %w", refusal("write to", r.Topic, err))
	d.t.Meter.DeadFailed.Add(1)
	d.mu.Lock()
	if d.err == nil {
		d.err = err
	}
	d.mu.Unlock()
	d.fail(err)
}

// wait returns nil once the queue has acknowledged all that was sent to it.
func (d *deadLetters) wait(ctx context.Context) error {
	if d == nil {
		return nil
	}
	if err := d.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for the dead letter queue: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *deadLetters) close() {
	if d != nil {
		d.client.Close()
	}
}

// headerPrefix stands before the names of all context headers.
const headerPrefix = "__connect.errors."

// context appends Kafka Connect's ten headers, in its order; all values are text.
func (d *deadLetters) context(hs []kgo.RecordHeader, consumed *kgo.Record, f fault) []kgo.RecordHeader {
	message := []byte(f.err.Error())
	if len(message) == 0 {
		message = nil
	}
	for _, h := range []kgo.RecordHeader{
		{Key: "topic", Value: []byte(consumed.Topic)},
		{Key: "partition", Value: strconv.AppendInt(nil, int64(consumed.Partition), 10)},
		{Key: "offset", Value: strconv.AppendInt(nil, consumed.Offset, 10)},
		{Key: "connector.name", Value: []byte(d.t.Instance.Name)},
		{Key: "task.id", Value: strconv.AppendInt(nil, int64(d.t.Number), 10)},
		{Key: "stage", Value: []byte(f.at.stage)},
		{Key: "class.name", Value: []byte(f.at.class)},
		{Key: "exception.class.name", Value: []byte(classOf(f.err))},
		{Key: "exception.message", Value: message},
		{Key: "exception.stacktrace", Value: []byte(trace(f.err))},
	} {
		hs = append(hs, kgo.RecordHeader{Key: headerPrefix + h.Key, Value: h.Value})
	}
	return hs
}

// trace is an error with its causes in the form of a Java stack trace, without frames.
func trace(err error) string {
	var b strings.Builder
	b.WriteString(classOf(err) + ": " + err.Error() + "\n")
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
		b.WriteString("Caused by: " + classOf(cause) + ": " + cause.Error() + "\n")
	}
	return b.String()
}

// consumedText is a consumed record's place as Kafka Connect's log lines have it; no key, value or header is in it.
func consumedText(r *kgo.Record) string {
	s := fmt.Sprintf("consumed record is {topic='%s', partition=%d, offset=%d", r.Topic, r.Partition, r.Offset)
	if ms := r.Timestamp.UnixMilli(); ms >= 0 {
		kind := "CreateTime"
		if r.Attrs.TimestampType() == 1 {
			kind = "LogAppendTime"
		}
		s += fmt.Sprintf(", timestamp=%d, timestampType=%s", ms, kind)
	}
	return s + "}"
}
