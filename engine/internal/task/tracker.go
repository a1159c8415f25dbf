package task

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/record"
)

// tracker counts spans until they are delivered (Kafka Connect: SubmittedRecords, which keeps an object a record). What
// may be stored of a source partition is the position of its longest prefix of delivered spans, so a stored offset never
// passes a record that is still under way (invariant 1), and one stuck record holds back its own partition only.
//
// One goroutine begins spans, another takes positions; promises of the producer count down without a lock.
type tracker struct {
	answer answerer
	meter  *Meter
	begun  chan struct{} // has room for one: spans were begun

	mu     sync.Mutex
	lanes  []lane  // by partition number
	free   []*span // to be used again
	moved  []int32 // numbers of the lanes whose done is newer than what was taken
	copies []record.Position

	batch   uint64 // of the goroutine that begins
	touched []int32
}

// answerer says what becomes of a record that the producer could not deliver; true means that it counts as done.
type answerer interface {
	refused(r *kgo.Record, err error) bool
}

// lane is what is known of one source partition.
type lane struct {
	queue []*span // oldest first
	done  record.Value
	moved bool   // done was not taken yet
	open  *span  // of the batch being begun
	batch uint64 // to which open belongs
	last  int    // index of the last record in that batch
}

// span is the records of one batch that come from one source partition.
type span struct {
	tracker *tracker
	flight  *flight
	live    int32        // records that are sent
	pending atomic.Int32 // of these, not yet answered
	skipped atomic.Int32 // of these, refused and tolerated
	offset  record.Value // of the last record, sent or not
	promise func(*kgo.Record, error)
}

// begin opens a span for every source partition of a batch. Records that were dropped or tolerated count for the
// position, not for the sending, so a batch that was filtered away still moves its offsets. It returns how many records
// are to be sent.
func (t *tracker) begin(b *record.Batch, f *flight) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batch++
	t.touched = t.touched[:0]
	total := 0
	b.Runs(func(partition int32, from, to int) {
		for int(partition) >= len(t.lanes) {
			t.lanes = append(t.lanes, lane{})
		}
		l := &t.lanes[partition]
		if l.batch != t.batch {
			t.collapse(partition)
			l.batch, l.open = t.batch, t.newSpan(f)
			l.queue = append(l.queue, l.open)
			t.touched = append(t.touched, partition)
		}
		l.last = to - 1
		for i := from; i < to; i++ {
			if b.Live(i) {
				l.open.live++
				total++
			}
		}
	})
	for _, p := range t.touched {
		l := &t.lanes[p]
		l.open.offset = b.Records[l.last].Position.Offset.Clone()
		l.open.pending.Store(l.open.live)
	}
	t.meter.unstored.Add(int64(len(t.touched)))
	select {
	case t.begun <- struct{}{}:
	default:
	}
	return total
}

// promise is what the producer calls for each record of a partition of the batch that was begun last.
func (t *tracker) promise(partition int32) func(*kgo.Record, error) {
	return t.lanes[partition].open.promise
}

func (t *tracker) newSpan(f *flight) *span {
	var s *span
	if n := len(t.free); n > 0 {
		s, t.free = t.free[n-1], t.free[:n-1]
		s.live = 0
		s.skipped.Store(0)
	} else {
		s = &span{tracker: t}
		s.promise = s.answered
	}
	s.flight = f
	return s
}

// answered is a promise: it runs on a goroutine of the producer, so it counts, hands failures over, and never waits. What
// it needs of the span it reads before it counts down, since after that the span may be another's.
func (s *span) answered(r *kgo.Record, err error) {
	f, t, live := s.flight, s.tracker, s.live
	if err != nil {
		if !t.answer.refused(r, err) {
			return // not counted, so its offset is never stored (invariant 1)
		}
		s.skipped.Add(1)
	}
	skipped := s.skipped.Load()
	if s.pending.Add(-1) == 0 {
		if err == nil {
			raise(&t.meter.newest, r.Timestamp.UnixMilli())
		}
		t.meter.Delivered.Add(int64(live - skipped))
		t.meter.InFlight.Add(-int64(live))
		t.meter.active()
	}
	f.answered()
}

// collapse takes the delivered spans from the head of a lane. The caller holds the lock.
func (t *tracker) collapse(partition int32) {
	l := &t.lanes[partition]
	n := 0
	for n < len(l.queue) && l.queue[n].pending.Load() == 0 {
		s := l.queue[n]
		if l.moved {
			t.meter.unstored.Add(-1) // the position before was passed over unstored
		} else {
			l.moved = true
			t.moved = append(t.moved, partition)
		}
		l.done = s.offset
		s.offset, s.flight = record.Value{}, nil
		t.free = append(t.free, s)
		n++
	}
	if n > 0 {
		rest := copy(l.queue, l.queue[n:])
		clear(l.queue[rest:])
		l.queue = l.queue[:rest]
	}
}

// take returns the position of each partition that has moved since the last take: everything up to there was delivered
// or deliberately dropped. The slice is valid until the next take.
func (t *tracker) take() []record.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.lanes {
		if len(t.lanes[p].queue) > 0 {
			t.collapse(int32(p))
		}
	}
	clear(t.copies)
	t.copies = t.copies[:0]
	for _, p := range t.moved {
		l := &t.lanes[p]
		t.copies = append(t.copies, record.Position{Partition: p, Offset: l.done})
		l.done, l.moved = record.Value{}, false
	}
	t.moved = t.moved[:0]
	return t.copies
}

// flight is the memory of one batch on its way to the broker. It is pinned until the last record was answered.
type flight struct {
	messages []kgo.Record
	headers  []kgo.RecordHeader
	buffer   []byte // keys, values and headers' values
	pending  atomic.Int32
	home     chan *flight // has room for every flight
}

// most is how many bytes of buffer a flight keeps between batches.
const most = 4 << 20

// newFlights makes the flights of a task: their number bounds the batches in flight, beside the producer's own limits.
func newFlights(n int) chan *flight {
	home := make(chan *flight, n)
	for range n {
		home <- &flight{home: home, buffer: []byte{}}
	}
	return home
}

// send says that n records are about to be sent.
func (f *flight) send(n int) {
	f.pending.Store(int32(n))
	if n == 0 {
		f.land()
	}
}

func (f *flight) answered() {
	if f.pending.Add(-1) == 0 {
		f.land()
	}
}

// land makes the memory free for the next batch. It never waits.
func (f *flight) land() {
	clear(f.messages)
	clear(f.headers)
	f.messages, f.headers, f.buffer = f.messages[:0], f.headers[:0], f.buffer[:0]
	if cap(f.buffer) > most {
		f.buffer = []byte{}
	}
	f.home <- f
}
