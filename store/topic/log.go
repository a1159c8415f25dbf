package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/store"
)

// guard is what the readers of the three topics and their callers share: one lock and one bell.
type guard struct {
	mu      sync.Mutex
	changed chan struct{} // closed by the next ring
	closed  bool
	failed  error // why nothing can be read any more
}

// ring wakes everyone in await. The caller holds mu.
func (g *guard) ring() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// fail ends the store for its callers, with the reason.
func (g *guard) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = err
	}
	g.ring()
}

// usable returns why nothing can be asked of the store, or of this context. The caller does not hold mu.
func (g *guard) usable(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.ended(); err != nil {
		return err
	}
	return ctx.Err()
}

// writable returns why nothing can be written, which is less than what usable demands.
func (g *guard) writable(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// ended returns why nothing can be asked of the store. The caller holds mu.
func (g *guard) ended() error {
	if g.closed {
		return store.ErrClosed
	}
	return g.failed
}

// await returns nil once ready, which is called with mu held, reports true.
func (g *guard) await(ctx context.Context, ready func() bool) error {
	for {
		g.mu.Lock()
		err, ok, changed := g.ended(), ready(), g.changed
		g.mu.Unlock()
		switch {
		case err != nil:
			return err
		case ok:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// log reads a topic from its start to its end and goes on following it. What it reads is committed.
type log struct {
	*guard
	topic  string
	reader *kgo.Client // consumes every partition; keeps control records, whose offsets count
	asker  *kgo.Client // of everything that is no fetch
	logger *slog.Logger
	stable bool // the end is where the oldest open transaction begins; else the end waits for what is open

	take   func(r *kgo.Record) error // called with mu held; an error ends the store
	marker func()                    // the end of a transaction; called with mu held
	settle func()                    // after a poll; called with mu held

	next   []int64 // by partition: the offset that follows what was read; guarded by mu
	asking *asking // guarded by mu
	turn   chan struct{}
}

// asking is an end-offset request that is going to be made, for all who join before it is.
type asking struct {
	done chan struct{}
	ends []int64
	err  error
}

// follow reads until ctx is done.
func (l *log) follow(ctx context.Context) {
	for {
		fetches := l.reader.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		for _, e := range fetches.Errors() {
			if err := l.weigh(ctx, e.Err); err != nil {
				l.fail(fmt.Errorf("read topic %s: %w", l.topic, err))
				return
			}
		}
		if err := l.takeAll(fetches); err != nil {
			l.fail(err)
			return
		}
	}
}

// weigh returns nil for an error of a fetch that may pass.
func (l *log) weigh(ctx context.Context, err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) {
		return l.gone(ctx)
	}
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.Is(err, kerr.InconsistentTopicID) {
		return replaced(l.topic)
	}
	if _, lost := errors.AsType[*kgo.ErrDataLoss](err); lost {
		return replaced(l.topic)
	}
	if _, refused := errors.AsType[*kerr.Error](err); refused && !kerr.IsRetriable(err) {
		return explain(err, access{"Read", "topic", l.topic})
	}
	l.logger.Debug("reading failed; trying again", "topic", l.topic, "error", err)
	return nil
}

// gone returns nil unless the topic does not exist. A broker that has not heard of it yet says the same for a moment.
func (l *log) gone(ctx context.Context) error {
	for range 4 {
		if _, err := look(ctx, l.asker, l.topic); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil
		}
		pause(ctx, silence)
	}
	if ctx.Err() != nil {
		return nil
	}
	return missing(l.topic)
}

func (l *log) takeAll(fetches kgo.Fetches) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for it := fetches.RecordIter(); !it.Done(); {
		r := it.Next()
		l.next[r.Partition] = r.Offset + 1
		if r.Attrs.IsControl() {
			l.marker()
			continue
		}
		if err := l.take(r); err != nil {
			return err
		}
	}
	l.settle()
	l.ring()
	return nil
}

// readToEnd returns once everything has been read that was committed before the call. Calls that come while another asks
// where the end is ask together afterwards.
func (l *log) readToEnd(ctx context.Context) error {
	ends, err := l.end(ctx)
	if err != nil {
		return err
	}
	return l.readTo(ctx, ends)
}

// silence is how long nothing comes until the log is asked whether there is anything.
const silence = 250 * time.Millisecond

// readTo returns once the offsets have been reached.
func (l *log) readTo(ctx context.Context, ends []int64) error {
	reached := func() bool {
		for p, end := range ends {
			if l.next[p] < end {
				return false
			}
		}
		return true
	}
	for {
		quiet, stop := context.WithTimeout(ctx, silence)
		err := l.await(quiet, reached)
		stop()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		for p, end := range ends {
			if err := l.skipVoid(ctx, int32(p), end); err != nil {
				return err
			}
		}
	}
}

// skipVoid moves past offsets that have no record any more: compaction may take the last ones before the end, and a client
// never hears of that.
func (l *log) skipVoid(ctx context.Context, partition int32, end int64) error {
	l.mu.Lock()
	from := l.next[partition]
	l.mu.Unlock()
	if from >= end {
		return nil
	}
	next, err := l.void(ctx, partition, from, end)
	if err != nil || next == from {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next[partition] == from {
		l.next[partition] = next
		l.ring()
	}
	return nil
}

// void fetches once at an offset and returns the offset up to which there are no records.
func (l *log) void(ctx context.Context, partition int32, from, end int64) (int64, error) {
	topic, err := look(ctx, l.asker, l.topic)
	leader := slices.IndexFunc(topic.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool {
		return p.Partition == partition && p.ErrorCode == 0
	})
	if err != nil || leader < 0 {
		return from, ctx.Err() // asked again after the next silence
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, from, 1<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = l.topic, topic.TopicID, append(t.Partitions, p)
	q := kmsg.NewPtrFetchRequest()
	q.MaxBytes, q.IsolationLevel, q.Topics = 1<<20, 1, append(q.Topics, t)
	answer, err := l.asker.Broker(int(topic.Partitions[leader].Leader)).RetriableRequest(ctx, q)
	if err != nil {
		return from, ctx.Err() // as above
	}
	got, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 1 {
		return from, nil
	}
	found := &got.Topics[0].Partitions[0]
	if found.ErrorCode != 0 || found.HighWatermark < end || found.LastStableOffset < end {
		return from, nil
	}
	if len(found.RecordBatches) == 0 {
		return end, nil
	}
	records, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: l.topic, Partition: partition,
	}, found, kgo.DefaultDecompressor(), nil)
	if len(records.Records) > 0 || records.Err != nil {
		return from, nil // on its way
	}
	return min(max(next, from), end), nil
}

// end is where the topic ended at some moment after the call, by partition. One request is shared by those who call while
// the one before it is under way (decision D3).
func (l *log) end(ctx context.Context) ([]int64, error) {
	l.mu.Lock()
	if err := l.ended(); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	a, first := l.asking, l.asking == nil
	if first {
		a = &asking{done: make(chan struct{})}
		l.asking = a
	}
	l.mu.Unlock()
	if first {
		l.ask(ctx, a)
		if a.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return a.ends, a.err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if errors.Is(a.err, errAskerLeft) {
		return l.end(ctx)
	}
	return a.ends, a.err
}

// errAskerLeft tells those who share a request that its maker's context ended, so that one of them asks.
var errAskerLeft = errors.New("the one who asked has left")

// ask makes the request when it is its turn. From then on others make the next one.
func (l *log) ask(ctx context.Context, a *asking) {
	defer close(a.done)
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		a.err = errAskerLeft
	}
	l.mu.Lock()
	l.asking = nil
	l.mu.Unlock()
	if a.err != nil {
		return
	}
	if a.ends, a.err = l.listEnd(ctx); ctx.Err() != nil && a.err != nil {
		a.err = errAskerLeft
	}
}

func (l *log) listEnd(ctx context.Context) ([]int64, error) {
	list := kadm.NewClient(l.asker).ListEndOffsets
	if l.stable {
		list = kadm.NewClient(l.asker).ListCommittedOffsets
	}
	return l.list(ctx, list)
}

// passes reports whether it may help to ask again: a broker says so, or none has said anything.
func passes(err error) bool {
	if refused, ok := errors.AsType[*kerr.Error](err); ok {
		return refused.Retriable
	}
	return !errors.Is(err, kgo.ErrClientClosed)
}

// list asks for an offset of each partition, until all have a leader that answers.
func (l *log) list(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) ([]int64, error) {
	for {
		listed, err := list(ctx, l.topic)
		if err == nil {
			err = listed.Error()
		}
		if err == nil {
			offsets := make([]int64, len(l.next))
			for p := range offsets {
				o, _ := listed.Lookup(l.topic, int32(p))
				offsets[p] = o.Offset
			}
			return offsets, nil
		}
		if !passes(err) {
			return nil, fmt.Errorf("find the end of topic %s: %w", l.topic, explain(err, access{"Describe", "topic", l.topic}))
		}
		t := time.NewTimer(silence)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}
