package storetest

import (
	"fmt"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// Durable tests what stores keep that outlive their process. place makes an empty place and returns what opens a store
// there; no two stores of a place are open at once.
func Durable(t *testing.T, place func(t *testing.T) (open func() store.Store)) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, open func() store.Store){
		"EverythingIsThereAgain":    everythingIsThereAgain,
		"RevisionsGoOn":             revisionsGoOn,
		"WhatWasTakenAwayStaysAway": takenAwayStaysAway,
		"ALotIsThereAgain":          aLot,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t))
		})
	}
}

func everythingIsThereAgain(t *testing.T, open func() store.Store) {
	s := open()
	l := claim(t, s)
	stopped := connector("stopped")
	stopped.Target, stopped.Tasks = config.Stopped, []config.Map{}
	l.commit(put(stopped))
	full := connector("full")
	full.Tasks = []config.Map{{"task": "0", "text": "ü\x00\"\n"}, {}}
	full.Restarts, full.TaskRestart = 2, map[int]int{1: 3}
	full.TaskTarget = map[int]config.Target{1: config.Paused}
	c := put(full)
	c.Plan = &store.Plan{Epoch: 7, Members: []string{"m", "n"}, Placements: []store.Placement{
		{Connector: "full", Task: store.Instance, Member: "m", Epoch: 3},
		{Connector: "full", Task: 0, Member: "n", Epoch: 7, Follows: "m"},
	}}
	l.commit(c)
	l.commit(put(connector("plain")))
	entries := []store.Offset{
		{Partition: []byte(`{"f":"1"}`), Value: []byte(`{"p":1}`)},
		{Partition: []byte(`{"f":"2"}`), Value: []byte{}},
	}
	noError(t, s.Offsets().Commit(t.Context(), "full", entries))
	before := snapshot(t, s)
	noError(t, s.Close())

	s = open()
	defer func() { noError(t, s.Close()) }()
	after := snapshot(t, s)
	equal(t, "snapshot", after, before)
	if got := after.Connectors["stopped"].Tasks; got == nil {
		t.Error("no tasks became not yet")
	}
	if got := after.Connectors["plain"].Tasks; got != nil {
		t.Errorf("not yet became %v", got)
	}
	list, err := s.Offsets().List(t.Context(), "full")
	noError(t, err)
	equal(t, "offsets", list, entries)
}

func revisionsGoOn(t *testing.T, open func() store.Store) {
	s := open()
	r := claim(t, s).commit(put(connector("a")))
	noError(t, s.Close())
	for range 3 {
		s = open()
		next := claim(t, s).commit(put(connector("b")))
		noError(t, s.Close())
		if next <= r {
			t.Fatalf("revision %d after %d", next, r)
		}
		r = next
	}
}

func takenAwayStaysAway(t *testing.T, open func() store.Store) {
	s := open()
	l := claim(t, s)
	l.commit(put(connector("a")))
	l.commit(put(connector("b")))
	l.commit(store.Commit{Connectors: map[string]*store.Connector{"a": nil, "never": nil}})
	one := []store.Offset{{Partition: []byte("1"), Value: []byte("1")}, {Partition: []byte("2"), Value: []byte("2")}}
	noError(t, s.Offsets().Commit(t.Context(), "a", one))
	noError(t, s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: []byte("1")}, {Partition: []byte("never")}}))
	noError(t, s.Close())

	s = open()
	defer func() { noError(t, s.Close()) }()
	equal(t, "names", snapshot(t, s).Names(), []string{"b"})
	list, err := s.Offsets().List(t.Context(), "a")
	noError(t, err)
	equal(t, "offsets", list, one[1:])
}

func aLot(t *testing.T, open func() store.Store) {
	s := open()
	l := claim(t, s)
	c := store.Commit{Connectors: map[string]*store.Connector{}}
	var entries []store.Offset
	for i := range 500 {
		conn := connector(fmt.Sprintf("connector-%04d", i))
		conn.Tasks = []config.Map{{"task": fmt.Sprint(i)}}
		c.Connectors[conn.Name] = conn
		entries = append(entries, store.Offset{Partition: fmt.Appendf(nil, `{"file":"/data/%04d"}`, i), Value: fmt.Appendf(nil, `{"p":%d}`, i)})
	}
	l.commit(c)
	noError(t, s.Offsets().Commit(t.Context(), "a", entries))
	before := snapshot(t, s)
	noError(t, s.Close())

	s = open()
	defer func() { noError(t, s.Close()) }()
	equal(t, "snapshot", snapshot(t, s), before)
	list, err := s.Offsets().List(t.Context(), "a")
	noError(t, err)
	equal(t, "offsets", list, entries)
}
