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
	t.statuses[key] = s
	return nil
}

// All implements [Statuses].
func (t *localStatuses) All(ctx context.Context) ([]Status, error) {
	if err := (*Local)(t).usable(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	all := slices.Collect(maps.Values(t.statuses))
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(strings.Compare(a.Connector, b.Connector), cmp.Compare(a.Task, b.Task)) // Instance is less than any task
	})
	return all, nil
}

// Forget implements [Statuses].
func (t *localStatuses) Forget(ctx context.Context, instance string) error {
	if err := (*Local)(t).usable(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.statuses, func(k statusKey, _ Status) bool { return k.connector == instance })
	return nil
}
