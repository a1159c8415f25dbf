package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
)

// Topic is where Confluent's registry keeps its state too (kafkastore.topic).
const Topic = "_schemas"

// writeTimeout is how long a write may wait for the broker; Confluent: kafkastore.timeout.ms is 500.
const writeTimeout = 10 * time.Second

// topicLog appends to the topic and applies what stands in it. Its methods are called by one at a time.
type topicLog struct {
	clients  kafka.Clients
	producer *kgo.Client
	log      *slog.Logger
	topic    string
	next     int64 // offset of the first record that was not applied
	unsure   bool  // a write failed, which may still have been written
	apply    func(key, value []byte) error
}

// openLog makes the topic if it is not there, and applies all that is in it.
func openLog(ctx context.Context, s Settings, apply func(key, value []byte) error) (*topicLog, error) {
	l := &topicLog{
		clients: kafka.Clients{Base: map[string]string{"bootstrap.servers": s.Bootstrap}, Logger: s.Logger},
		log:     s.Logger, topic: cmp.Or(s.topic, Topic), apply: apply,
	}
	producer, err := l.clients.ProducerClient(nil, "penstock-schema-registry", kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(writeTimeout))
	if err != nil {
		return nil, fmt.Errorf("make the registry's producer: %w", err)
	}
	l.producer = producer
	if err := errors.Join(l.make(ctx), ctx.Err()); err != nil {
		l.close()
		return nil, err
	}
	if err := l.catchUp(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *topicLog) make(ctx context.Context) error {
	compact := "compact"
	made, err := kadm.NewClient(l.producer).CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": &compact}, l.topic)
	if err == nil {
		err = made.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		d := diag.New(diag.BrokerRefused, diag.Place{}, "The topic %s of the Schema Registry cannot be made: %s.", l.topic, err)
		return &d
	}
	topics, err := kadm.NewClient(l.producer).ListTopics(ctx, l.topic)
	if err != nil {
		return fmt.Errorf("describe %s: %w", l.topic, err)
	}
	if n := len(topics[l.topic].Partitions); n > 1 {
		d := diag.New(diag.BrokerRefused, diag.Place{}, "The topic %s has %d partitions. The Schema Registry keeps its records in order, so it must have one.", l.topic, n)
		return &d
	}
	return nil
}

// catchUp applies everything up to now. As Confluent's registry does, it writes a record that says nothing and reads until
// it meets it: the end of a compacted log cannot be known in another way.
func (l *topicLog) catchUp(ctx context.Context) error {
	end, err := l.produce(ctx, record{key: key{Type: noopRecord}})
	if err != nil {
		return err
	}
	from := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: {0: kgo.NewOffset().At(l.next)}})
	reader, err := l.clients.ConsumerClient(nil, "penstock-schema-registry", "", from)
	if err != nil {
		return fmt.Errorf("make the registry's consumer: %w", err)
	}
	defer reader.Close()
	for l.next <= end {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read %s: %w", l.topic, err)
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return fmt.Errorf("read %s: %w", l.topic, errs[0].Err)
		}
		fetches.EachRecord(l.take)
	}
	l.unsure = false
	return nil
}

// take applies one record. One that nobody can read is passed over, as Confluent's registry does, and said.
func (l *topicLog) take(r *kgo.Record) {
	if r.Offset < l.next {
		return
	}
	l.next = r.Offset + 1
	if err := l.apply(r.Key, r.Value); err != nil {
		l.log.Warn("a record of the Schema Registry is passed over", "topic", l.topic, "offset", r.Offset, "reason", err)
	}
}

// append is that of [journal]. After an error, what was written all the same is applied before anything else happens.
func (l *topicLog) append(ctx context.Context, records ...record) error {
	for _, r := range records {
		offset, err := l.produce(ctx, r)
		if err != nil {
			l.unsure = true
			return err
		}
		if offset != l.next { // somebody else writes too
			if err := l.catchUp(ctx); err != nil {
				l.unsure = true
				return err
			}
			continue
		}
		k, v := r.encode()
		l.take(&kgo.Record{Key: k, Value: v, Offset: offset})
	}
	return nil
}

// settle finds out whether what failed to be written is there.
func (l *topicLog) settle(ctx context.Context) error {
	if !l.unsure {
		return nil
	}
	return l.catchUp(ctx)
}

func (r record) encode() (k, v []byte) {
	if r.value != nil {
		v = marshal(r.value)
	}
	return r.key.marshal(), v
}

func (l *topicLog) produce(ctx context.Context, r record) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*writeTimeout)
	defer cancel()
	k, v := r.encode()
	written, err := l.producer.ProduceSync(ctx, &kgo.Record{Topic: l.topic, Partition: 0, Key: k, Value: v}).First()
	if err != nil {
		return 0, fmt.Errorf("write to %s: %w", l.topic, err)
	}
	return written.Offset, nil
}

func (l *topicLog) close() { l.producer.Close() }
