package engine

import (
	"sync"
	"time"
)

// Failures is what is remembered of the failures of an instance or a task, healed ones too, since this process started
// (decision D9).
type Failures struct {
	Count int64
	Last  string    // the newest one's error
	At    time.Time // of the newest; zero: none
	// Attempt is the number of the restart that is planned, in a row; 0: none is.
	Attempt int
	Next    time.Time // when that will be
}

// failureBook remembers failures. It is safe for concurrent use.
type failureBook struct {
	mu sync.Mutex
	m  map[statusOf]Failures
}

func (b *failureBook) note(f Failure, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil {
		b.m = map[statusOf]Failures{}
	}
	k := statusOf{f.Pipeline, f.Task}
	b.m[k] = Failures{Count: b.m[k].Count + 1, Last: f.Err.Error(), At: at}
}

func (b *failureBook) of(connector string, task int) Failures {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.m[statusOf{connector, task}]
}
