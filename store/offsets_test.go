package store

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// slowJournal writes offsets when it is told with what result.
type slowJournal struct {
	started chan struct{}
	hold    chan error
	batches []int // the numbers of entries
}

func (j *slowJournal) Commit(*Snapshot, Commit) error { return nil }
func (j *slowJournal) Close() error                   { return nil }

func (j *slowJournal) Offsets(entries []InstanceOffset) error {
	j.batches = append(j.batches, len(entries))
	j.started <- struct{}{}
	return <-j.hold
}

func (l *Local) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

func TestOffsetsThatWaitAreWrittenTogether(t *testing.T) {
	t.Parallel()
	j := &slowJournal{started: make(chan struct{}), hold: make(chan error)}
	s := NewLocal(nil, nil, j)
	results := make(chan error, 10)
	var wg sync.WaitGroup
	commit := func(n int) {
		wg.Go(func() {
			results <- s.Offsets().Commit(t.Context(), "a", []Offset{{Partition: []byte{byte(n)}, Value: []byte("1")}})
		})
	}
	commit('0')
	<-j.started // and the others come while the journal writes the first
	for n := range 9 {
		commit('1' + n)
	}
	for s.queued() < 9 {
		<-time.After(time.Millisecond)
	}
	j.hold <- nil
	<-j.started
	j.hold <- syscall.EIO
	wg.Wait()
	if diff := cmp.Diff([]int{1, 9}, j.batches); diff != "" {
		t.Errorf("batches: got (+), want (-):\n%s", diff)
	}
	failed := 0
	for range 10 {
		if err := <-results; errors.Is(err, syscall.EIO) {
			failed++
		} else if err != nil {
			t.Errorf("got %v", err)
		}
	}
	list, err := s.Offsets().List(t.Context(), "a")
	if err != nil || failed != 9 || len(list) != 1 {
		t.Errorf("%d commits failed and %d offsets are there, %v, want 9 and 1", failed, len(list), err)
	}
}
