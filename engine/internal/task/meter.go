package task

import (
	"sync/atomic"
	"time"
)

// Meter counts what a task does. A task adds to it a batch at a time; anybody may read it at any time. It outlives the
// task, so that a task that is started anew goes on counting.
type Meter struct {
	Read      atomic.Int64 // records polled from the source or consumed from Kafka
	Bytes     atomic.Int64 // of keys and values as they stand in Kafka
	Delivered atomic.Int64 // records that the broker, or the sink, has taken
	Dropped   atomic.Int64 // records that a filter dropped

	Failures    atomic.Int64 // operations on a record that failed, tries included
	Errors      atomic.Int64 // records that failed for good
	Skipped     atomic.Int64 // of these, the ones that the policy tolerated
	Retries     atomic.Int64
	Logged      atomic.Int64 // errors written to the log
	LastError   atomic.Int64 // unix nanoseconds; 0: none
	DeadLetters atomic.Int64 // records given to the dead letter queue
	DeadFailed  atomic.Int64 // of these, the ones it did not take

	Batches      atomic.Int64 // batches of records that were read
	BatchLargest atomic.Int64 // records of the largest of these

	Polls       atomic.Int64 // batches polled, or put, empty puts too
	PollNanos   atomic.Int64 // time in Poll or Put, total
	PollLongest atomic.Int64 // longest of these, nanoseconds

	Commits        atomic.Int64 // offset commits that succeeded
	CommitFailures atomic.Int64
	CommitNanos    atomic.Int64 // time of commits, total
	CommitLongest  atomic.Int64 // longest of these, nanoseconds

	InFlight     atomic.Int64 // records sent and not answered, or in the hands of the sink
	LastActivity atomic.Int64 // unix nanoseconds of the last record read or delivered, or of the start; 0: never started
	Partitions   atomic.Int64 // assigned to a sink
	lag          atomic.Int64 // of a sink, plus one; 0: unknown
	lagMost      atomic.Int64 // of one partition of a sink, plus one; 0: unknown
	oldest       atomic.Int64 // timestamp of the oldest record in the hands of a sink, in milliseconds; 0: none
	newest       atomic.Int64 // timestamp of the newest record delivered, in milliseconds; 0: none

	busy     atomic.Int64 // batches between poll and producer, or polled and not put
	unstored atomic.Int64 // positions that moved and are not stored
	sink     atomic.Bool
	started  atomic.Bool
}

// Lag is how many records a sink is behind the ends of its partitions, as far as the last fetch knew; -1: unknown, or a
// source.
func (m *Meter) Lag() int64 { return m.lag.Load() - 1 }

// MostLag is how many records a sink is behind the end of the partition that it is furthest behind; -1: unknown, or a source.
func (m *Meter) MostLag() int64 { return m.lagMost.Load() - 1 }

// Behind is how far a task lags in time, -1 when that is not known. A sink lags by the age of the oldest record that it
// has not taken, as far as that has been fetched, else at most by the age of the newest that it took; one that has read all
// there is lags by nothing. A source lags by the age of the newest record that Kafka took from it. Ages go by the records'
// timestamps.
func (m *Meter) Behind(now time.Time) time.Duration {
	at := m.newest.Load()
	if m.sink.Load() {
		switch oldest, lag := m.oldest.Load(), m.Lag(); {
		case oldest > 0:
			at = oldest
		case lag < 0:
			return -1
		case lag == 0:
			return 0
		}
	}
	if at <= 0 {
		return -1
	}
	return max(0, now.Sub(time.UnixMilli(at)))
}

// Settled reports that a task has started, has not ended, and has nothing under way: no record in flight, none delivered
// whose offset is not stored, and for a sink, nothing left to consume from partitions that it knows to be its own. A
// source that is about to poll its first record is settled too; LastActivity tells how long that has lasted.
func (m *Meter) Settled() bool {
	if !m.started.Load() || m.busy.Load() != 0 || m.InFlight.Load() != 0 || m.unstored.Load() != 0 {
		return false
	}
	return !m.sink.Load() || m.Lag() == 0
}

func (m *Meter) active() { m.LastActivity.Store(time.Now().UnixNano()) }

func (m *Meter) read(records, bytes int) {
	m.Read.Add(int64(records))
	m.Bytes.Add(int64(bytes))
	m.Batches.Add(1)
	raise(&m.BatchLargest, int64(records))
	m.active()
}

func (m *Meter) polled(d time.Duration) {
	m.Polls.Add(1)
	m.PollNanos.Add(int64(d))
	raise(&m.PollLongest, int64(d))
}

func (m *Meter) committed(d time.Duration) {
	m.Commits.Add(1)
	m.CommitNanos.Add(int64(d))
	raise(&m.CommitLongest, int64(d))
}

// raise has one writer a field.
func raise(a *atomic.Int64, n int64) {
	if n > a.Load() {
		a.Store(n)
	}
}

// quiet resets what describes the present, when a task ends.
func (m *Meter) quiet() {
	m.started.Store(false)
	m.InFlight.Store(0)
	m.Partitions.Store(0)
	m.lag.Store(0)
	m.lagMost.Store(0)
	m.oldest.Store(0)
	m.busy.Store(0)
	m.unstored.Store(0)
}
