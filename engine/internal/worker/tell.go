package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/store"
)

// teller writes what instances and tasks say of themselves, so that whoever says something never waits for the brokers: a task
// that is told to stop while they are away has its plugin to wait for and nothing else. Words about one thing reach the store
// in the order in which they were said; of those that have to wait the last counts.
type teller struct {
	statuses store.Statuses
	log      *slog.Logger
	free     chan struct{} // has a token for each word that may be written at a time

	mu      sync.Mutex
	waiting map[key]store.Status // not begun to be written
	writers map[key]*writer      // at most one a thing, while there is something to write
	mute    bool                 // the last word could not be written, which was told
	closed  bool
}

// writer is a goroutine that writes the words about one thing.
type writer struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

// mostWords are written at a time; each waits for the brokers.
const mostWords = 64

func newTeller(s store.Statuses, l *slog.Logger) *teller {
	return &teller{
		statuses: s, log: l, free: make(chan struct{}, mostWords),
		waiting: map[key]store.Status{}, writers: map[key]*writer{},
	}
}

// say writes a status in its turn. It never waits. A release is written again and again until it is in the store, a newer
// word about the same is said, or the teller is closed.
func (t *teller) say(ctx context.Context, s store.Status) {
	k := key{s.Connector, s.Task}
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.waiting[k]; t.closed || ok && old.Epoch > s.Epoch {
		return // it would lose in the store, too
	}
	t.waiting[k] = s
	if t.writers[k] != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // close ends it
	w := &writer{cancel, make(chan struct{})}
	t.writers[k] = w
	go func() {
		defer close(w.done)
		defer cancel()
		for s, ok := t.next(k); ok; s, ok = t.next(k) {
			t.write(ctx, s)
		}
	}()
}

// next takes the word that waits; without one the writer ends.
func (t *teller) next(k key) (store.Status, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.waiting[k]
	delete(t.waiting, k)
	if !ok {
		delete(t.writers, k)
	}
	return s, ok
}

func (t *teller) write(ctx context.Context, s store.Status) {
	for wait := firstRetry; ; wait = min(2*wait, longestRetry) {
		t.free <- struct{}{}
		err := t.statuses.Put(ctx, s)
		<-t.free
		t.note(s, err)
		if err == nil || !s.Released || errors.Is(err, store.ErrClosed) || t.passedOver(s) {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// passedOver reports whether there is a newer word about the same.
func (t *teller) passedOver(s store.Status) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, newer := t.waiting[key{s.Connector, s.Task}]
	return newer
}

// note tells once that nothing can be written, and once that it can again: a store that has ended ends for a thousand tasks.
func (t *teller) note(s store.Status, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrClosed), err != nil && t.closed:
	case err != nil && !t.mute:
		t.mute = true
		t.log.Warn("a status could not be stored; of others it is not told until one can", "connector", s.Connector, "task", s.Task, "state", s.State, "error", err)
	case err == nil && t.mute:
		t.mute = false
		t.log.Info("statuses are stored again")
	}
}

// written waits until nothing that was said of a connector before, "" being all, is on its way, or ctx is done.
func (t *teller) written(ctx context.Context, connector string) {
	t.mu.Lock()
	var all []*writer
	for k, w := range t.writers {
		if connector == "" || k.connector == connector {
			all = append(all, w)
		}
	}
	t.mu.Unlock()
	for _, w := range all {
		select {
		case <-w.done:
		case <-ctx.Done():
			return
		}
	}
}

// close writes what was said, for as long as ctx lasts, and ends what is under way then. Nothing may be said any more.
func (t *teller) close(ctx context.Context) {
	t.written(ctx, "")
	t.mu.Lock()
	t.closed = true
	clear(t.waiting)
	var all []*writer
	for _, w := range t.writers {
		w.cancel()
		all = append(all, w)
	}
	t.mu.Unlock()
	for _, w := range all {
		<-w.done
	}
}
