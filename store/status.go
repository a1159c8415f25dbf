package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
)

// statusKey is what a status is of.
type statusKey struct {
	connector string
	task      int
}

// told is a status with its number in the order of what was put.
type told struct {
	Status
	number int64
}

// localStatuses is a [Local] as its [Statuses].
type localStatuses Local

// Statuses implements [Store].
func (l *Local) Statuses() Statuses { return (*localStatuses)(l) }

// Put implements [Statuses].
func (t *localStatuses) Put(ctx context.Context, s Status) error {
	if err := (*Local)(t).usable(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := statusKey{s.Connector, s.Task}
	if old, ok := t.statuses[key]; ok && old.Epoch > s.Epoch {
		return nil
	}
	t.told++
	t.statuses[key] = told{s, t.told}
	(*Local)(t).ring()
	return nil
}

// Wait implements [Statuses].
func (t *localStatuses) Wait(ctx context.Context, after int64) ([]Status, int64, error) {
	var newer []Status
	var last int64
	err := (*Local)(t).await(ctx, func() bool {
		if t.told <= after {
			return false
		}
		last = t.told
		for _, s := range t.statuses {
			if s.number > after {
				newer = append(newer, s.Status)
			}
		}
		return len(newer) > 0
	})
	if err != nil {
		return nil, after, err
	}
	slices.SortFunc(newer, inOrder)
	return newer, last, nil
}

// inOrder compares by connector and task; Instance is less than any task.
func inOrder(a, b Status) int {
	return cmp.Or(strings.Compare(a.Connector, b.Connector), cmp.Compare(a.Task, b.Task))
}

// All implements [Statuses].
func (t *localStatuses) All(ctx context.Context) ([]Status, error) {
	if err := (*Local)(t).usable(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	all := make([]Status, 0, len(t.statuses))
	for _, s := range t.statuses {
		all = append(all, s.Status)
	}
	t.mu.Unlock()
	slices.SortFunc(all, inOrder)
	return all, nil
}

// Forget implements [Statuses].
func (t *localStatuses) Forget(ctx context.Context, instance string) error {
	if err := (*Local)(t).usable(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.statuses, func(k statusKey, _ told) bool { return k.connector == instance })
	return nil
}
