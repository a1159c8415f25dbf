package store_test

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal fails and waits when told to.
type journal struct {
	err    error
	hold   chan struct{} // when not nil, Offsets waits until it is closed
	closed int
}

func (j *journal) Commit(*store.Snapshot, store.Commit) error { return j.err }

func (j *journal) Offsets([]store.InstanceOffset) error {
	if j.hold != nil {
		<-j.hold
	}
	return j.err
}

func (j *journal) Close() error {
	j.closed++
	return j.err
}

func TestApply(t *testing.T) {
	t.Parallel()
	empty := &store.Snapshot{}
	s := empty.Apply(3, store.Commit{Connectors: map[string]*store.Connector{
		"new":   {Name: "new"},
		"tasks": {Name: "tasks", Tasks: []config.Map{}},
		"old":   {Name: "old", Revision: 2, Incarnation: 1, Tasks: []config.Map{}, TasksFor: 1},
		"gone":  nil,
	}})
	want := &store.Snapshot{Revision: 3, Connectors: map[string]store.Connector{
		"new":   {Name: "new", Revision: 3, Incarnation: 3},
		"tasks": {Name: "tasks", Revision: 3, Incarnation: 3, Tasks: []config.Map{}, TasksFor: 3},
		"old":   {Name: "old", Revision: 2, Incarnation: 1, Tasks: []config.Map{}, TasksFor: 1},
	}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("got (+), want (-):\n%s", diff)
	}
	if empty.Connectors != nil {
		t.Error("the older snapshot was changed")
	}
}

func TestWhatTheJournalRefusesIsNotRead(t *testing.T) {
	t.Parallel()
	j := &journal{err: syscall.ENOSPC}
	s := store.NewLocal(nil, nil, j)
	f, err := s.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	offsets := []store.Offset{{Partition: []byte("{}"), Value: []byte("1")}}
	commit := store.Commit{Connectors: map[string]*store.Connector{"a": {Name: "a"}}, Answers: []store.Answer{{ID: "1"}}}
	for what, err := range map[string]error{
		"offsets": s.Offsets().Commit(t.Context(), "a", offsets),
		"commit":  second(s.Commit(t.Context(), f, commit)),
	} {
		if !errors.Is(err, store.ErrNotStored) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: got %v, want ErrNotStored with its cause", what, err)
		}
	}
	snapshot, err := s.Snapshot(t.Context())
	if err != nil || snapshot.Revision != 0 || len(snapshot.Connectors) != 0 {
		t.Errorf("got %+v, %v, want nothing", snapshot, err)
	}
	if list, err := s.Offsets().List(t.Context(), "a"); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v, want no offsets", list, err)
	}
	// Answers change no state, so that the full disk can be told.
	if r, err := s.Commit(t.Context(), f, store.Commit{Answers: []store.Answer{{ID: "1", Refusal: store.Unstored}}}); err != nil || r != 0 {
		t.Errorf("answers alone: got revision %d, %v, want 0 and no error", r, err)
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close: got %v, want the journal's error", err)
	}
	if err := s.Close(); err != nil || j.closed != 1 {
		t.Errorf("second close: got %v, and %d closes of the journal, want none and 1", err, j.closed)
	}
}

func TestOffsetsAreReadOnceTheyAreStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		j := &journal{hold: hold}
		s := store.NewLocal(nil, []store.InstanceOffset{{Instance: "a", Offset: store.Offset{Partition: []byte("{}"), Value: []byte("1")}}}, j)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: []byte("{}"), Value: []byte("2")}}); err != nil {
				t.Errorf("commit: %v", err)
			}
		})
		synctest.Wait()
		read := func() string {
			got, err := s.Offsets().Read(t.Context(), "a", [][]byte{[]byte("{}")}) // does not wait for the journal
			if err != nil {
				t.Fatal(err)
			}
			return string(got[0])
		}
		if got := read(); got != "1" {
			t.Errorf("while the journal writes: got %s, want 1", got)
		}
		close(hold)
		wg.Wait()
		if got := read(); got != "2" {
			t.Errorf("afterwards: got %s, want 2", got)
		}
	})
}

func TestARequestIdIsUnique(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := store.NewLocal(nil, nil, &journal{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Submit(t.Context(), store.Request{ID: "1"}); !errors.Is(err, store.ErrClosed) {
				t.Errorf("the first: got %v, want ErrClosed", err)
			}
		})
		synctest.Wait()
		if _, err := s.Submit(t.Context(), store.Request{ID: "1"}); err == nil || errors.Is(err, store.ErrClosed) {
			t.Errorf("the second: got %v, want it to be refused", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func second(_ store.Revision, err error) error { return err }
