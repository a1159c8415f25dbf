package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/plugin"
)

// commit stores how far the sink has come in some partitions: what it took is durable first, and so is what went to the
// dead letter queue (invariants 1 and 2). A failure never ends the task; unless the partitions are being closed, they go
// on from what was stored last, so that the sink gets again what it may have lost.
func (s *sink) commit(l *lives, parts []*part, closing bool) {
	if len(parts) == 0 || !s.t.holds() {
		return
	}
	start := time.Now()
	failed := func(what string, err error) {
		s.t.Meter.CommitFailures.Add(1)
		s.t.Logger.Warn(what, "error", err) //nolint:sloglint // constants of this function
	}
	bounded, cancel := context.WithTimeout(l.store, s.timeout())
	defer cancel()
	if err := s.queue.wait(bounded); err != nil {
		failed("offsets were not committed, since the dead letter queue has not taken everything", err)
		return
	}
	offsets, err := s.flush(l.send, parts)
	if err != nil {
		if closing {
			failed("the sink could not make durable what it took; it comes again", err)
			return
		}
		failed("the sink could not make durable what it took; it gets again what came since the last commit", err)
		s.goBack(parts)
		return
	}
	if len(offsets) == 0 {
		s.settled()
		return
	}
	if !s.t.holds() { // flushing may have taken long
		return
	}
	if err := s.store(bounded, offsets); err != nil {
		failed("offsets were not committed; they go with the next attempt", err)
		return
	}
	for p, to := range offsets {
		p.committed, p.base = to, to
	}
	s.t.Meter.committed(time.Since(start))
	s.settled()
}

// flush asks the sink how far it has come, and returns the offsets that are newer than the committed ones.
func (s *sink) flush(ctx context.Context, parts []*part) (map[*part]int64, error) {
	current := map[plugin.TopicPartition]int64{}
	moved := false
	for _, p := range parts {
		if p.current >= 0 {
			current[p.TopicPartition] = p.current
			moved = moved || p.current != p.committed
		}
	}
	say := current
	if pc, ok := s.plugin.(plugin.PreCommitter); ok {
		if len(current) == 0 {
			return map[*part]int64{}, nil
		}
		err := s.guard.Call("PreCommit", func() (err error) {
			say, err = pc.PreCommit(ctx, current)
			return err
		})
		if err != nil {
			return nil, err
		}
	} else if moved {
		if err := s.guard.Call("Flush", func() error { return s.plugin.Flush(ctx) }); err != nil {
			return nil, err
		}
	}
	offsets := map[*part]int64{}
	for _, p := range parts {
		to, ok := say[p.TopicPartition]
		switch {
		case !ok || p.current < 0 || to == p.committed:
		case to > p.current:
			s.t.Logger.Warn("the sink wants to commit what it was not given; ignored", "topic", p.Topic, "partition", p.Partition, "offset", to, "given", p.current)
		case to >= 0:
			offsets[p] = to
		}
	}
	return offsets, nil
}

// store commits offsets to the group, without metadata and leader epoch as Kafka Connect does.
func (s *sink) store(ctx context.Context, offsets map[*part]int64) error {
	commit := map[string]map[int32]kgo.EpochOffset{}
	for p, to := range offsets {
		if commit[p.Topic] == nil {
			commit[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		commit[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: to}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		empty := ""
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				req.Topics[i].Partitions[j].Metadata = &empty
			}
		}
		return nil
	})
	var failure error
	s.client.CommitOffsetsSync(ctx, commit, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failure = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					failure = errors.Join(failure, fmt.Errorf("%s-%d: %w", t.Topic, p.Partition, err))
				}
			}
		}
	})
	return failure
}

// settled brings up to date whether anything that the sink took is not committed. Offsets that the sink itself holds
// back count as committed: it knows why.
func (s *sink) settled() {
	unstored := int64(0)
	if _, ok := s.plugin.(plugin.PreCommitter); !ok {
		for _, p := range s.group.parts {
			if p.current > p.committed {
				unstored = 1
			}
		}
	}
	s.t.Meter.unstored.Store(unstored)
}

// goBack makes partitions go on from what was committed last. The batch in hand, which may wait for another try, goes
// too: it is fetched again.
func (s *sink) goBack(parts []*part) {
	s.clear()
	for _, p := range parts {
		if p.base >= 0 && (p.position != p.base || p.current != p.committed) {
			s.seek(p, p.base)
		}
	}
}

// closeParts ends the task's work on partitions: commits while they are ours, then closes them.
func (s *sink) closeParts(l *lives, parts []*part, ours bool) error {
	if ours {
		s.commit(l, parts, true)
	}
	c, ok := s.plugin.(plugin.Closer)
	if !ok || len(parts) == 0 {
		return nil
	}
	tps := make([]plugin.TopicPartition, len(parts))
	for i, p := range parts {
		tps[i] = p.TopicPartition
	}
	sortPartitions(tps)
	if err := s.guard.Call("Close", func() error { return c.Close(l.send, tps) }); err != nil {
		return fmt.Errorf("close partitions: %w", err)
	}
	return nil
}
