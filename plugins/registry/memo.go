package registry

import (
	"context"
	"errors"
	"sync"
	"time"
)

// memo remembers answers by key and lets one caller ask for all who want the same at a time. Of failures it remembers only
// that there is no such thing, if it is told to. It is safe for concurrent use.
type memo[K comparable, V any] struct {
	most int           // how many answers are kept; then all are forgotten, since so many are no set to choose from
	ttl  time.Duration // how long an answer counts; negative: for ever

	mostMissing int           // how many keys without an answer are kept
	missingTTL  time.Duration // how long they count; not positive: not at all

	mu      sync.Mutex
	known   map[K]remembered[V]
	missing map[K]remembered[error]
	waiting map[K]*asked[V]
}

type remembered[V any] struct {
	v  V
	at time.Time
}

// asked is a question under way; done is closed when the other two are set.
type asked[V any] struct {
	done chan struct{}
	v    V
	err  error
}

// get gives what is remembered, waits for who asks already, or asks.
func (m *memo[K, V]) get(ctx context.Context, key K, ask func(context.Context) (V, error)) (V, error) {
	for {
		m.mu.Lock()
		if r, ok := m.known[key]; ok && (m.ttl < 0 || time.Since(r.at) < m.ttl) {
			m.mu.Unlock()
			return r.v, nil
		}
		if r, ok := m.missing[key]; ok && time.Since(r.at) < m.missingTTL {
			m.mu.Unlock()
			var none V
			return none, r.v
		}
		other, ok := m.waiting[key]
		if !ok {
			break
		}
		m.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
		if !errors.Is(other.err, context.Canceled) && !errors.Is(other.err, context.DeadlineExceeded) {
			return other.v, other.err
		}
		// That caller was told to stop, this one was not.
		if ctx.Err() != nil {
			return other.v, context.Cause(ctx)
		}
	}
	a := &asked[V]{done: make(chan struct{})}
	if m.waiting == nil {
		m.waiting = map[K]*asked[V]{}
	}
	m.waiting[key] = a
	m.mu.Unlock()

	a.v, a.err = ask(ctx)

	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, key)
	switch {
	case a.err == nil:
		remember(&m.known, m.most, key, a.v)
	case m.missingTTL > 0 && isMissing(a.err):
		remember(&m.missing, m.mostMissing, key, a.err)
	}
	close(a.done)
	return a.v, a.err
}

// remember puts a value into a map that is emptied when it is full.
func remember[K comparable, V any](into *map[K]remembered[V], most int, key K, v V) {
	if *into == nil || len(*into) >= most {
		*into = map[K]remembered[V]{}
	}
	(*into)[key] = remembered[V]{v, time.Now()}
}
