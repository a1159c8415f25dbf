package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// Change is one write of a connector's configuration into a config topic.
type Change struct {
	Connector string
	Offset    int64 // of the record
	At        time.Time
	Config    config.Map // nil: the connector was deleted
}

// Changes lists the writes of configurations behind an offset, -1 being all that the topic still has, in order, up to the
// topic's end as it is when it is called. The topic may be that of a cluster of Kafka Connect: nothing is written. The
// maker's clients are closed again. A topic that is not there is a [diag.Diagnostic].
func Changes(ctx context.Context, client func(id string, options ...kgo.Opt) (*kgo.Client, error), configTopic string, after int64) ([]Change, error) {
	asker, err := client("engine-configs")
	if err != nil {
		return nil, err
	}
	defer asker.Close()
	if _, err := look(ctx, asker, configTopic); errors.Is(err, kerr.UnknownTopicOrPartition) {
		d := diag.New(diag.TopicMissing, diag.Place{}, "There is no topic %s on this cluster, which is to hold the configurations of connectors.\n\nCompare config_topic with config.storage.topic of the workers.", configTopic)
		return nil, &d
	} else if err != nil {
		return nil, fmt.Errorf("look up topic %s: %w", configTopic, err)
	}
	var list []Change
	p := passage{
		topic: configTopic, client: client, id: "engine-configs", asker: asker, logger: slog.New(slog.DiscardHandler), isolation: kgo.ReadCommitted(),
		take: func(r *kgo.Record) error {
			name, ok := strings.CutPrefix(string(r.Key), connectorPrefix)
			if !ok || r.Offset <= after {
				return nil
			}
			c := Change{Connector: name, Offset: r.Offset, At: r.Timestamp}
			if r.Value != nil {
				if c.Config, err = decodeProperties(r.Value, map[string]string{}); err != nil {
					return fmt.Errorf("read the record at offset %d of topic %s: %w", r.Offset, configTopic, err)
				}
			}
			list = append(list, c)
			return nil
		},
	}
	ends, err := p.log().list(ctx, kadm.NewClient(asker).ListCommittedOffsets)
	if err != nil {
		return nil, err
	}
	return list, p.read(ctx, after+1, ends[0])
}

// passage is a part of the only partition of a topic, which is read once.
type passage struct {
	topic     string
	client    func(id string, options ...kgo.Opt) (*kgo.Client, error)
	id        string      // of the client that reads
	asker     *kgo.Client // of everything that is no fetch
	logger    *slog.Logger
	isolation kgo.IsolationLevel
	take      func(r *kgo.Record) error // an error ends the reading
}

func (p passage) log() *log {
	return &log{
		guard: &guard{changed: make(chan struct{})}, topic: p.topic, asker: p.asker, logger: p.logger, next: []int64{0},
		marker: func() {}, settle: func() {},
	}
}

// read reads from an offset, or the first that is there, up to one before the end.
func (p passage) read(ctx context.Context, from, end int64) error {
	l := p.log()
	l.take = func(r *kgo.Record) error {
		if r.Offset >= end {
			return nil
		}
		return p.take(r)
	}
	starts, err := l.list(ctx, kadm.NewClient(p.asker).ListStartOffsets)
	if err != nil {
		return err
	}
	if l.next[0] = max(from, starts[0]); l.next[0] >= end {
		return nil
	}
	l.reader, err = p.client(p.id, kgo.KeepControlRecords(), kgo.FetchIsolationLevel(p.isolation),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.topic: {0: kgo.NewOffset().At(l.next[0])}}))
	if err != nil {
		return err
	}
	defer l.reader.Close()
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.follow(running)
	}()
	err = l.readTo(ctx, []int64{end})
	stop()
	<-done
	return err
}
