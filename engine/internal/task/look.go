package task

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/penstock/penstock/engine/diag"
)

const (
	// patience is how long a sink that reads nothing waits before it looks whether its topics are there, and between looks.
	patience = 15 * time.Second
	// lookTimeout bounds what a sink asks about its topics in passing.
	lookTimeout = 2 * time.Second
)

// lookAround asks, when nothing was read for a while, for what fetches do not tell: where partitions end from which
// nothing came, and whether topics exist.
func (s *sink) lookAround(l *lives) {
	due := !time.Now().Before(s.lookAt)
	if due {
		s.lookAt = time.Now().Add(s.t.patience)
	}
	if len(s.batch.Records) > 0 {
		return
	}
	if s.t.Meter.Lag() < 0 && len(s.group.parts) > 0 && !time.Now().Before(s.endsAt) {
		s.endsAt = time.Now().Add(lookTimeout)
		s.findEnds(l.life)
	}
	task := &s.t.Instance.Task
	if !due || len(task.Topics) == 0 {
		return
	}
	found, err := s.look(l.life, task.Topics...)
	if err != nil {
		return // a broker that does not answer says nothing about topics
	}
	for _, topic := range task.Topics {
		if isMissing(found[topic].Err) {
			s.t.machine.note(missing("read", topic))
			return
		}
	}
	s.t.machine.note(nil)
}

func (s *sink) look(ctx context.Context, topics ...string) (kadm.TopicDetails, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return kadm.NewClient(s.client.Client).ListTopics(ctx, topics...)
}

// gone deals with a topic that the broker does not know under the identity that the consumer has of it. While it is not
// there, that is a condition. Once there is another of its name, the task has to begin anew: offsets and positions of the
// old one mean nothing there.
func (s *sink) gone(ctx context.Context, topic string) error {
	found, err := s.look(ctx, topic)
	switch {
	case err != nil: // asked again at the next fetch
		return nil
	case isMissing(found[topic].Err):
		s.t.machine.note(missing("read", topic))
		return nil
	}
	d := diag.New(diag.TopicMissing, diag.Place{}, "Topic `%s` was deleted and created again while the task read it. After a restart the task reads the topic that is there now, from its start.", topic)
	return &d
}

// findEnds asks where partitions end and begin from which nothing was fetched, so that the lag is known.
func (s *sink) findEnds(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	admin := kadm.NewClient(s.client.Client)
	var topics []string
	for _, p := range s.group.parts {
		topics = append(topics, p.Topic)
	}
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return // asked again after the next poll
	}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return
	}
	for _, p := range s.group.parts {
		end, ok := ends.Lookup(p.Topic, p.Partition)
		start, ok2 := starts.Lookup(p.Topic, p.Partition)
		if !ok || !ok2 || end.Err != nil || start.Err != nil {
			continue
		}
		p.end = max(p.end, end.Offset)
		// Without a committed offset and without a record, the position is where the log begins, if it is empty.
		if p.position < 0 && start.Offset == end.Offset {
			p.position = end.Offset
		}
	}
	s.measure()
}

// measure brings the lag up to date.
func (s *sink) measure() {
	lag, most, known := int64(0), int64(0), len(s.group.parts) > 0
	for _, p := range s.group.parts {
		if p.end < 0 || p.position < 0 {
			known = false
			break
		}
		behind := max(0, p.end-p.position)
		lag += behind
		most = max(most, behind)
	}
	if !known {
		lag, most = -1, -1
	}
	s.t.Meter.lag.Store(lag + 1)
	s.t.Meter.lagMost.Store(most + 1)
}
