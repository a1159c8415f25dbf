package record

// Side says on which way a batch is.
type Side uint8

// The two ways.
const (
	FromSource Side = iota // from a source to a topic
	ToSink                 // from a topic to a sink
)

// Batch is the unit that moves: records with the memory that they refer to. Whoever holds it owns it, and no stage keeps
// it, or anything of it, after handing it on. Records that a filter drops or that fail are marked, not removed, so that
// their positions still count; the stages after that pass them over.
type Batch struct {
	Arena
	Records    []Record
	Partitions *Partitions // shared by all batches of a task
	Side       Side

	marks    []mark // parallel to Records as far as it reaches
	failures []Failure
	bounds   []Boundary
	origins  []int32 // see Origin; nil as long as no record was split
	begun    int     // how many records there were before the first split
}

type mark uint8

const (
	dropped mark = 1 << iota
	failed
	hidden
)

// Failure is a record that a stage could not work on. Who marked it says why; who handles it knows the stage.
type Failure struct {
	Index int // of Records
	Err   error
}

// Boundary ends a transaction that the source defines itself (Kafka Connect: TransactionContext): it covers the records
// from the boundary before up to, not including, End.
type Boundary struct {
	End   int // of Records
	Abort bool
}

// NewBatch makes an empty batch of a task's partitions.
func NewBatch(side Side, p *Partitions) *Batch { return &Batch{Side: side, Partitions: p} }

// Append adds a record without topic partition and timestamp, to be filled in by the caller. The pointer is valid until
// the next Append.
func (b *Batch) Append() *Record {
	b.Records = append(b.Records, Record{Partition: -1, Timestamp: NoTimestamp})
	return &b.Records[len(b.Records)-1]
}

// Reset empties the batch and takes its memory back for the next use.
func (b *Batch) Reset() {
	b.Arena.Reset()
	clear(b.Records)
	b.Records = b.Records[:0]
	b.marks = b.marks[:0]
	clear(b.failures)
	b.failures = b.failures[:0]
	b.bounds = b.bounds[:0]
	b.origins, b.begun = b.origins[:0], 0
}

// Each calls f for every record that is neither dropped, failed nor hidden, in order. An error marks the record as
// failed and the loop goes on.
func (b *Batch) Each(f func(i int, r *Record) error) {
	for i := range b.Records {
		if i < len(b.marks) && b.marks[i] != 0 {
			continue
		}
		if err := f(i, &b.Records[i]); err != nil {
			b.Fail(i, err)
		}
	}
}

// Live reports whether record i is neither dropped, failed nor hidden.
func (b *Batch) Live(i int) bool { return i >= len(b.marks) || b.marks[i] == 0 }

// Drop marks record i as dropped on purpose: it is not delivered, its position counts as done.
func (b *Batch) Drop(i int) { b.set(i, dropped) }

// Dropped reports whether Drop was called for record i.
func (b *Batch) Dropped(i int) bool { return i < len(b.marks) && b.marks[i]&dropped != 0 }

// Fail marks record i as one that could not be worked on. A sink's Put uses it to report single records (Kafka Connect:
// ErrantRecordReporter); the task's error policy decides what becomes of it.
func (b *Batch) Fail(i int, err error) {
	b.set(i, failed)
	b.failures = append(b.failures, Failure{i, err})
}

// Failures are the records marked by Fail since the last TakeFailures, in the order of the marking.
func (b *Batch) Failures() []Failure { return b.failures }

// TakeFailures returns the failures and forgets them; the records stay marked until Unfail. The slice is valid until the
// next Fail.
func (b *Batch) TakeFailures() []Failure {
	f := b.failures
	b.failures = b.failures[:0]
	return f
}

// Unfail takes the mark of Fail from record i, so that the stage can try it again.
func (b *Batch) Unfail(i int) { b.unset(i, failed) }

// Hide keeps record i from the next stage; Show takes that back for all records.
func (b *Batch) Hide(i int) { b.set(i, hidden) }

// Show takes back every Hide.
func (b *Batch) Show() {
	for i := range b.marks {
		b.marks[i] &^= hidden
	}
}

// EndTransaction says that a transaction of the source ends after the records appended so far.
func (b *Batch) EndTransaction(abort bool) {
	b.bounds = append(b.bounds, Boundary{len(b.Records), abort})
}

// Boundaries are the ends of transactions in order.
func (b *Batch) Boundaries() []Boundary { return b.bounds }

// Expand puts counts[i] copies of record i, at least one, in its place, with its marks and its position; failures and
// boundaries move along. counts is as long as Records. The copies share what they refer to. They are delivered together or
// not at all, see [Batch.Cut], so that the position of each is that of all (invariants 1 and 2).
func (b *Batch) Expand(counts []int) {
	n := len(b.Records)
	starts := make([]int, n+1)
	for i, c := range counts {
		starts[i+1] = starts[i] + max(c, 1)
	}
	total := starts[n]
	if total == n {
		return
	}
	if len(b.origins) == 0 {
		b.begun = n
		for i := range n {
			b.origins = append(b.origins, int32(i))
		}
	}
	b.origins = b.origins[:n]
	b.Records = append(b.Records, make([]Record, total-n)...)
	b.origins = append(b.origins, make([]int32, total-n)...)
	for len(b.marks) < n {
		b.marks = append(b.marks, 0)
	}
	b.marks = append(b.marks, make([]mark, total-n)...)
	for i := n - 1; i >= 0; i-- {
		for j := starts[i+1] - 1; j >= starts[i]; j-- {
			b.Records[j], b.origins[j], b.marks[j] = b.Records[i], b.origins[i], b.marks[i]
		}
	}
	for i := range b.failures {
		b.failures[i].Index = starts[b.failures[i].Index]
	}
	for i := range b.bounds {
		b.bounds[i].End = starts[b.bounds[i].End]
	}
}

// Origin is the index that record i had before any record was split, also after a Cut; behind the last record, it is the
// first index that there was not.
func (b *Batch) Origin(i int) int {
	switch {
	case len(b.origins) == 0:
		return i
	case i >= len(b.origins):
		return b.begun
	}
	return int(b.origins[i])
}

// Cut removes record n and those after it, with their marks, failures and boundaries. If n is one of several records that
// were made of one, all of them go: what stands before is whole (invariant 2).
func (b *Batch) Cut(n int) {
	for n > 0 && n < len(b.origins) && b.origins[n-1] == b.origins[n] {
		n--
	}
	clear(b.Records[n:])
	b.Records = b.Records[:n]
	b.marks = b.marks[:min(n, len(b.marks))]
	keep := b.failures[:0]
	for _, f := range b.failures {
		if f.Index < n {
			keep = append(keep, f)
		}
	}
	b.failures = keep
	for len(b.bounds) > 0 && b.bounds[len(b.bounds)-1].End > n {
		b.bounds = b.bounds[:len(b.bounds)-1]
	}
}

// Runs calls f for each longest run of records from one source partition, dropped and failed ones included.
func (b *Batch) Runs(f func(partition int32, from, to int)) {
	for from := 0; from < len(b.Records); {
		p, to := b.Records[from].Position.Partition, from+1
		for to < len(b.Records) && b.Records[to].Position.Partition == p {
			to++
		}
		f(p, from, to)
		from = to
	}
}

func (b *Batch) set(i int, m mark) {
	for len(b.marks) <= i {
		b.marks = append(b.marks, 0)
	}
	b.marks[i] |= m
}

func (b *Batch) unset(i int, m mark) {
	if i < len(b.marks) {
		b.marks[i] &^= m
	}
}
