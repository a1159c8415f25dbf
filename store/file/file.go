// Package file is the store of a standalone worker: one bbolt file in a data folder, which holds the configurations of the
// last good revision, target states, the plan and source offsets; statuses live in memory only (decision D5). Readers are
// served from memory; every commit is synced to the disk before it is told and before anybody reads it (invariant 1).
package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/penstock/penstock/store"
)

// Name is the store's file inside the data folder.
const Name = "state.db"

// Open opens the store of a data folder and makes both when they do not exist. It returns store.ErrInUse when another
// process, or another store of this one, has it open, and store.ErrDamaged or store.ErrVersion, with the file left as it
// is, when it cannot be trusted or understood.
func Open(dir string) (*store.Local, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	path := filepath.Join(dir, Name)
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	j, k, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return store.NewLocal(k.snapshot, k.offsets, j), nil
}

// journal writes to the file what a store.Local keeps in memory.
type journal struct {
	db   *bbolt.DB
	file *os.File // of db, to ask why growing failed
	head head     // as the last transaction that succeeded left it
}

// Commit implements store.Journal.
func (j *journal) Commit(next *store.Snapshot, c store.Commit) error {
	return j.update(func(w *writer) error {
		w.head.Revision = next.Revision
		for name := range c.Connectors {
			conn, ok := next.Connectors[name]
			if !ok {
				if err := w.delete(connectorsBucket, []byte(name)); err != nil {
					return err
				}
				continue
			}
			if err := w.putJSON(connectorsBucket, []byte(name), fromConnector(conn)); err != nil {
				return err
			}
		}
		if c.Plan == nil {
			return nil
		}
		return w.putJSON(planBucket, planKey, fromPlan(next.Plan))
	})
}

// Offsets implements store.Journal.
func (j *journal) Offsets(entries []store.InstanceOffset) error {
	return j.update(func(w *writer) error {
		for _, e := range entries {
			key := offsetKey(e)
			if e.Value == nil {
				if err := w.delete(offsetsBucket, key); err != nil {
					return err
				}
				continue
			}
			if err := w.put(offsetsBucket, key, e.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close implements store.Journal.
func (j *journal) Close() error {
	if err := j.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// update makes one durable transaction, or none.
func (j *journal) update(change func(*writer) error) error {
	next, ready := j.head, false
	next.Writes++
	err := j.db.Update(func(tx *bbolt.Tx) error {
		w := &writer{tx: tx, head: &next}
		if err := w.follows(j.head); err != nil {
			return err
		}
		if err := change(w); err != nil {
			return err
		}
		ready = true
		return w.putHead()
	})
	switch {
	case err == nil:
		j.head = next
		return nil
	case ready:
		return j.cause(err)
	default:
		return err
	}
}

// growth is how much more than the file has bbolt may ask for at once.
const growth = 32 << 20

// cause finds what bbolt keeps only as text when the file cannot grow: it asks the file system for as much and gives it
// back. What is beyond the end of the file is no part of any transaction.
func (j *journal) cause(err error) error {
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return err // it says by itself
	}
	info, statErr := j.file.Stat()
	if statErr != nil {
		return errors.Join(err, statErr)
	}
	if growErr := j.file.Truncate(info.Size() + growth); growErr != nil {
		return fmt.Errorf("grow the file: %w", growErr)
	}
	return errors.Join(err, j.file.Truncate(info.Size()))
}

// writer is a transaction that keeps the head's tally of what the file holds.
type writer struct {
	tx   *bbolt.Tx
	head *head
}

// follows tests that the file is as the last successful transaction left it. It is not when a transaction reached the
// file although the disk reported an error at its very last step: what was told to have failed is there, and nothing is
// known of how durable it is. Only opening the file again can tell.
func (w *writer) follows(last head) error {
	var stored head
	if err := readHead(w.tx, &stored); err != nil {
		return err
	}
	if stored != last {
		return errors.New("a commit that the disk reported as failed is in the file all the same; only a restart can go on from here")
	}
	return nil
}

func (w *writer) put(bucket, key, payload []byte) error {
	b := w.tx.Bucket(bucket)
	w.head.remove(b.Get(key))
	sealed := seal(bucket, key, payload)
	w.head.add(sealed)
	return b.Put(key, sealed)
}

func (w *writer) putJSON(bucket, key []byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return w.put(bucket, key, payload)
}

func (w *writer) delete(bucket, key []byte) error {
	b := w.tx.Bucket(bucket)
	w.head.remove(b.Get(key))
	return b.Delete(key)
}

func (w *writer) putHead() error {
	payload, err := json.Marshal(w.head)
	if err != nil {
		return fmt.Errorf("encode head: %w", err)
	}
	return w.tx.Bucket(headBucket).Put(headKey, seal(headBucket, headKey, payload))
}

func offsetKey(e store.InstanceOffset) []byte {
	return slices.Concat([]byte(e.Instance), []byte{0}, e.Partition)
}
