// Package member says who is here, who leads, and until when a worker may run what it has: [Alone] for a standalone worker,
// [Group] for a distributed one.
// A membership calls back with a [View] after each change; [Watch] keeps the newest for those who want to wait for one.
package member

import (
	"context"
	"errors"
	"sync"
)

// ErrLost says that this member is no longer who it was when it joined, or leads no more: a newer view will come.
var ErrLost = errors.New("the membership has changed")

// Member is a worker as the group sees it.
type Member struct {
	// ID is of one process: the same when it has to join again, and never that of another process, dead or alive, unless
	// something proves that the former one has ended (such as the lock of a data folder). Placements are by ID, and a process
	// that says under an ID that it has let go of something is taken at its word.
	ID string
	// Address is where its REST interface answers. It is for people and for stickiness only: who comes back with it after a
	// restart gets back what it had. Of two that are here with one address, the later is given nothing.
	Address string
	Plugins map[string]string // what it can run: class names as in a registry, to versions; nil: everything
}

// Runs reports whether the member has every plugin of needs in the version asked for, "" being any.
func (m Member) Runs(needs map[string]string) bool {
	if m.Plugins == nil {
		return true
	}
	for class, version := range needs {
		has, ok := m.Plugins[class]
		if !ok || version != "" && version != has {
			return false
		}
	}
	return true
}

// View is who was here at some moment. It is shared: nobody changes it.
type View struct {
	Self       string   // the ID of this member; "" before it has joined
	Leader     string   // the ID of the leader; "" when nobody leads
	Generation int64    // of the group; for information: it starts anew when an idle group expires (rule 2 of D2)
	Members    []Member // sorted by ID, Self among them; who does not lead may know of the leader and itself only
}

// Leads reports whether this member is the leader.
func (v View) Leads() bool { return v.Self != "" && v.Self == v.Leader }

// Watch keeps the newest view. The zero Watch has an empty one. It is safe for concurrent use.
type Watch struct {
	mu      sync.Mutex
	view    View
	count   int
	changed chan struct{} // closed by the next Set; nil while nobody waits
}

// Set is for a membership to call after each change.
func (w *Watch) Set(v View) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view = v
	w.count++
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// View returns the newest view and its number: how many there have been.
func (w *Watch) View() (View, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view, w.count
}

// Wait returns the newest view and its number once that is past after, or the context's error. Views in between are
// skipped.
func (w *Watch) Wait(ctx context.Context, after int) (View, int, error) {
	for {
		w.mu.Lock()
		if w.count > after {
			defer w.mu.Unlock()
			return w.view, w.count, nil
		}
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return View{}, after, ctx.Err()
		}
	}
}
