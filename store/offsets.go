package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MaxPartition is the longest partition, in bytes of its JSON, that a [Local] keeps; it leaves room for an instance's name
// in a key of its journal.
const MaxPartition = 16 << 10

// localOffsets is a [Local] as its [Offsets].
type localOffsets Local

// offsetWrite is a call of Commit. done and err belong to the holder of [Local.write].
type offsetWrite struct {
	entries []InstanceOffset
	done    bool
	err     error
}

// Offsets implements [Store].
func (l *Local) Offsets() Offsets { return (*localOffsets)(l) }

// Read implements [Offsets].
func (o *localOffsets) Read(ctx context.Context, instance string, partitions [][]byte) ([][]byte, error) {
	if err := (*Local)(o).usable(ctx); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	values := make([][]byte, len(partitions))
	for i, p := range partitions {
		values[i] = bytes.Clone(o.offsets[instance][string(p)])
	}
	return values, nil
}

// List implements [Offsets].
func (o *localOffsets) List(ctx context.Context, instance string) ([]Offset, error) {
	if err := (*Local)(o).usable(ctx); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.offsets[instance]
	list := make([]Offset, 0, len(of))
	for _, p := range slices.Sorted(maps.Keys(of)) {
		list = append(list, Offset{[]byte(p), bytes.Clone(of[p])})
	}
	return list, nil
}

// Commit implements [Offsets]. Calls that come while the journal writes are written together afterwards, so that many
// tasks share one sync of the disk.
func (o *localOffsets) Commit(ctx context.Context, instance string, entries []Offset) error {
	l := (*Local)(o)
	w := &offsetWrite{entries: make([]InstanceOffset, 0, len(entries))}
	for _, e := range entries {
		if err := checkOffset(instance, e); err != nil {
			return err
		}
		w.entries = append(w.entries, InstanceOffset{instance, Offset{bytes.Clone(e.Partition), bytes.Clone(e.Value)}})
	}
	if err := l.usable(ctx); err != nil || len(entries) == 0 {
		return err
	}
	l.mu.Lock()
	l.queue = append(l.queue, w)
	l.mu.Unlock()

	l.write.Lock()
	defer l.write.Unlock()
	if !w.done {
		l.writeOffsets()
	}
	return w.err
}

// writeOffsets writes what is queued. The caller holds [Local.write].
func (l *Local) writeOffsets() {
	l.mu.Lock()
	batch, closed := l.queue, l.closed
	l.queue = nil
	l.mu.Unlock()

	var all []InstanceOffset
	for _, w := range batch {
		all = append(all, w.entries...)
	}
	err := ErrClosed
	if !closed {
		if err = l.journal.Offsets(all); err != nil {
			err = fmt.Errorf("commit offsets: %w: %w", ErrNotStored, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range batch {
		w.done, w.err = true, err
	}
	if err != nil {
		return
	}
	for _, e := range all { // stored first, readable after that
		l.keepOffset(e)
	}
}

// keepOffset takes e over. The caller holds mu.
func (l *Local) keepOffset(e InstanceOffset) {
	of := l.offsets[e.Instance]
	switch {
	case e.Value == nil:
		delete(of, string(e.Partition))
		if len(of) == 0 {
			delete(l.offsets, e.Instance)
		}
		return
	case of == nil:
		of = map[string][]byte{}
		l.offsets[e.Instance] = of
	}
	of[string(e.Partition)] = e.Value
}

func checkOffset(instance string, e Offset) error {
	switch {
	case instance == "" || len(instance) > MaxPartition-1 || strings.ContainsRune(instance, 0):
		return errors.New("commit offsets: not the name of an instance")
	case len(e.Partition) == 0:
		return fmt.Errorf("commit offsets of %s: an entry without a partition", instance)
	case len(e.Partition) > MaxPartition:
		return fmt.Errorf("commit offsets of %s: a partition of %d bytes; at most %d are kept", instance, len(e.Partition), MaxPartition)
	}
	return nil
}
