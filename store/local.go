package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Local is a [Store] in the memory of this process, which a [Journal] may make durable. Readers never wait for the journal.
type Local struct {
	journal Journal
	now     atomic.Pointer[Snapshot]
	write   sync.Mutex // one commit, claim or batch of offsets at a time; held while the journal writes

	mu       sync.Mutex // guards the rest; never held while the journal writes
	changed  chan struct{}
	closed   bool
	fence    Fence
	pending  []*pending
	offsets  map[string]map[string][]byte // by instance and partition
	queue    []*offsetWrite
	statuses map[statusKey]told
	told     int64 // the number of the last status
}

// Journal makes durable what a [Local] keeps. Its methods are called one at a time. One that returns an error has written
// nothing; one that returns nil has written something that survives a kill of the process and of the machine.
type Journal interface {
	// Commit writes what c changed. next is the state afterwards.
	Commit(next *Snapshot, c Commit) error
	// Offsets writes the entries in their order.
	Offsets(entries []InstanceOffset) error
	Close() error
}

// InstanceOffset is an [Offset] with the instance that it belongs to.
type InstanceOffset struct {
	Instance string
	Offset
}

// pending is a request without an answer; answer is set once.
type pending struct {
	Request
	answer *Answer
}

// NewLocal makes a store that starts with a snapshot, nil for an empty one, and with offsets, which it takes over.
func NewLocal(s *Snapshot, offsets []InstanceOffset, j Journal) *Local {
	if s == nil {
		s = &Snapshot{Connectors: map[string]Connector{}}
	}
	l := &Local{
		journal:  j,
		changed:  make(chan struct{}),
		offsets:  map[string]map[string][]byte{},
		statuses: map[statusKey]told{},
	}
	l.now.Store(s)
	for _, o := range offsets {
		l.keepOffset(o)
	}
	return l
}

// Snapshot implements [Configs].
func (l *Local) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	return l.now.Load(), nil
}

// Wait implements [Configs].
func (l *Local) Wait(ctx context.Context, after Revision) (Revision, error) {
	var r Revision
	err := l.await(ctx, func() bool {
		r = l.now.Load().Revision
		return r > after
	})
	if err != nil {
		return 0, err
	}
	return r, nil
}

// Sync implements [Configs]. There is nothing that was committed and cannot be read.
func (l *Local) Sync(ctx context.Context) error { return l.usable(ctx) }

// Submit implements [Configs].
func (l *Local) Submit(ctx context.Context, r Request) (Answer, error) {
	p := &pending{Request: r}
	if err := l.enqueue(ctx, p); err != nil {
		return Answer{}, err
	}
	err := l.await(ctx, func() bool { return p.answer != nil })
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.answer != nil { // also when the context or the store ended at the same moment
		return *p.answer, nil
	}
	return Answer{}, err
}

func (l *Local) enqueue(ctx context.Context, p *pending) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	for _, other := range l.pending {
		if other.ID == p.ID {
			return fmt.Errorf("submit: a request with the id %q has no answer yet", p.ID)
		}
	}
	l.pending = append(l.pending, p)
	l.ring()
	return nil
}

// Claim implements [Log].
func (l *Local) Claim(ctx context.Context) (Fence, error) {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.usable(ctx); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fence++
	return l.fence, nil
}

// Requests implements [Log].
func (l *Local) Requests(ctx context.Context) ([]Request, error) {
	var rs []Request
	err := l.await(ctx, func() bool {
		for _, p := range l.pending {
			rs = append(rs, p.Request)
		}
		return len(rs) > 0
	})
	if err != nil {
		return nil, err
	}
	return rs, nil
}

// Commit implements [Log]. A commit of answers alone changes no state: the journal is not asked and the revision stays.
func (l *Local) Commit(ctx context.Context, f Fence, c Commit) (Revision, error) {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.usable(ctx); err != nil {
		return 0, err
	}
	if f != l.currentFence() {
		return 0, ErrFenced
	}
	next := l.now.Load()
	if len(c.Connectors) > 0 || c.Plan != nil {
		next = next.Apply(next.Revision+1, c)
		if err := l.journal.Commit(next, c); err != nil {
			return 0, fmt.Errorf("commit revision %d: %w: %w", next.Revision, ErrNotStored, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.Store(next)
	l.answer(c.Answers, next.Revision)
	l.ring()
	return next.Revision, nil
}

// answer hands answers to those who wait for them. The caller holds mu.
func (l *Local) answer(answers []Answer, r Revision) {
	byID := make(map[string]*Answer, len(answers))
	for _, a := range answers {
		if a.Refusal == "" && a.Revision == 0 {
			a.Revision = r
		}
		byID[a.ID] = &a
	}
	rest := l.pending[:0]
	for _, p := range l.pending {
		if p.answer = byID[p.ID]; p.answer == nil {
			rest = append(rest, p)
		}
	}
	clear(l.pending[len(rest):])
	l.pending = rest
}

// Close implements [Store]. It waits for a commit that is under way and is harmless when repeated.
func (l *Local) Close() error {
	l.write.Lock()
	defer l.write.Unlock()
	if !l.shut() {
		return nil
	}
	return l.journal.Close()
}

// shut ends every wait; it reports whether the store was open.
func (l *Local) shut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := !l.closed
	l.closed = true
	l.ring()
	return open
}

func (l *Local) usable(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return ctx.Err()
}

func (l *Local) currentFence() Fence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fence
}

// ring wakes everyone in await. The caller holds mu.
func (l *Local) ring() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// await returns nil once ready, which is called with mu held, reports true.
func (l *Local) await(ctx context.Context, ready func() bool) error {
	for {
		l.mu.Lock()
		closed, ok, changed := l.closed, ready(), l.changed
		l.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case ok:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
