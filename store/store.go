// Package store is the contract of what outlives a process: configurations, plans, offsets and statuses. Packages
// store/memory, store/file and store/topic keep it in memory, in one file and in Kafka topics; package storetest is the
// suite that all of them pass.
//
// Configurations change on one road only, in standalone and distributed mode alike (decisions D2, D3): a worker submits a
// [Request]; the leader reads it from the [Log], decides, and commits answers, records and the plan in one transaction;
// every worker waits for the revision and reads a [Snapshot]. There are no callbacks and no channels of events: a reader
// that is slow skips revisions and takes one snapshot, so there is nothing to buffer and nothing to lose.
package store

import (
	"context"
	"errors"
	"fmt"
)

// Revision is a position in the order of committed writes, from 1; in Kafka, an offset in the config topic. 0 is before
// all writes.
type Revision int64

// Errors that stores return. A caller that sees ErrFenced no longer leads and claims again; ErrClosed ends the caller.
// ErrNotStored says that nothing of a commit was written and all is as before, such as on a full disk, whose
// syscall.ENOSPC is in the chain; the same commit may work later. ErrInUse, ErrDamaged and ErrVersion come from opening
// only, name the file and leave it as it is.
var (
	ErrFenced    = errors.New("another leader has claimed the log since")
	ErrClosed    = errors.New("the store is closed")
	ErrNotStored = errors.New("nothing was stored")
	ErrInUse     = errors.New("another process uses the store")
	ErrDamaged   = errors.New("the store's file is damaged")
	ErrVersion   = errors.New("the store's file was written by another version")
)

// Configs is the reader's and writer's side of the configurations. It is safe for concurrent use.
type Configs interface {
	// Snapshot returns the newest committed state. It is shared: nobody changes it.
	Snapshot(ctx context.Context) (*Snapshot, error)
	// Wait returns the newest revision once it is past after, or the context's error.
	Wait(ctx context.Context, after Revision) (Revision, error)
	// Sync returns once this store has read everything that was committed before the call: the read barrier of decision D3.
	// What Snapshot and Wait return afterwards is at least that. It ends with the context's error when that takes too long.
	Sync(ctx context.Context) error
	// Submit hands a request to whoever leads and returns its answer once this store has read it. A refused request is an
	// answer, not an error. When ctx ends first, the request may still be carried out.
	Submit(ctx context.Context, r Request) (Answer, error)
}

// Log is the leader's side of the configurations.
type Log interface {
	// Claim makes the caller the only one whose commits count; an earlier fence is worth nothing afterwards.
	Claim(ctx context.Context) (Fence, error)
	// Requests returns the requests that have no answer yet, in order, once there is at least one. They are returned again
	// until a commit answers them.
	Requests(ctx context.Context) ([]Request, error)
	// Commit writes everything in c or nothing, and what c refers to belongs to the store afterwards. It returns once the
	// commit is durable and can be read. Answers that were carried out and have no Revision get the commit's. ErrFenced
	// when another has claimed since, ErrNotStored when writing failed without a trace.
	Commit(ctx context.Context, f Fence, c Commit) (Revision, error)
}

// TooLargeError comes from [Log.Commit], together with ErrNotStored, for a record that the log does not take.
type TooLargeError struct {
	Connector    string // whose configuration, or tasks, the record holds; "": it is of the plan
	Bytes, Limit int
}

func (e *TooLargeError) Error() string {
	of := "the plan"
	if e.Connector != "" {
		of = "connector " + e.Connector
	}
	return fmt.Sprintf("a record of %s has %d bytes, and the log takes %d", of, e.Bytes, e.Limit)
}

// Fence is the right to commit that a claim gives.
type Fence int64

// Offsets keeps source offsets: JSON of a partition to JSON of an offset, per instance, members sorted by name. Partitions
// are the same when their bytes are. It is safe for concurrent use; slices are copied on the way in and out.
type Offsets interface {
	// Read returns the offset of each partition, nil where there is none, parallel to partitions. It sees everything that was
	// committed by anybody before the call: who takes a task over reads after the release (rule 6 of D2).
	Read(ctx context.Context, instance string, partitions [][]byte) ([][]byte, error)
	// Commit stores all entries or none; when it returns nil they survive a kill of the process and of the machine, and
	// nobody reads them before that. Of two entries of one partition the later counts.
	Commit(ctx context.Context, instance string, entries []Offset) error
	// List returns every entry of an instance in order of its partition.
	List(ctx context.Context, instance string) ([]Offset, error)
}

// Offset is one entry; a nil Value takes the offset away.
type Offset struct {
	Partition []byte
	Value     []byte
}

// Statuses keeps what instances and tasks last said of themselves. It is safe for concurrent use.
type Statuses interface {
	// Put keeps a status unless one of a newer epoch is there: a late word of a former owner loses.
	Put(ctx context.Context, s Status) error
	// All returns every status, instances before their tasks, by name and number.
	All(ctx context.Context) ([]Status, error)
	// Wait returns the statuses that were put after a number that it returned, in the order of All, and the new number, once
	// there is at least one; from 0 on all of them. Of several words about the same it tells the last, of what is forgotten
	// nothing.
	Wait(ctx context.Context, after int64) ([]Status, int64, error)
	// Forget drops the statuses of an instance that is no more, and of its tasks. It is called once their last members have
	// released them, since until then the statuses tell who may still be running them.
	Forget(ctx context.Context, instance string) error
}

// Store is all of it; Close ends it, after which every method returns ErrClosed.
type Store interface {
	Configs
	Log
	Offsets() Offsets
	Statuses() Statuses
	Close() error
}
