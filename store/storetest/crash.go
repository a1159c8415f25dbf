package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// Write commits configurations and offsets until a commit fails or the process is killed, and writes a line to acks after
// each commit that was acknowledged. It goes on from what the store holds.
func Write(ctx context.Context, s store.Store, acks io.Writer) error {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	f, err := s.Claim(ctx)
	if err != nil {
		return err
	}
	for n := int(snap.Plan.Epoch) + 1; ; n++ {
		if _, err := s.Commit(ctx, f, numbered(n)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(acks, "commit %d\n", n); err != nil {
			return err
		}
		if err := s.Offsets().Commit(ctx, "a", numberedOffsets(n)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(acks, "offsets %d\n", n); err != nil {
			return err
		}
	}
}

// Acknowledged tests that a store holds everything that acks, the lines of [Write], tells of, and nothing half. It returns
// how many commits were acknowledged.
func Acknowledged(t *testing.T, s store.Store, acks io.Reader) int {
	t.Helper()
	last := map[string]int{}
	lines := 0
	for sc := bufio.NewScanner(acks); sc.Scan(); lines++ {
		var kind string
		var n int
		if _, err := fmt.Sscanf(sc.Text(), "%s %d", &kind, &n); err != nil {
			t.Fatalf("acknowledgement %q: %v", sc.Text(), err)
		}
		last[kind] = n
	}
	snap := snapshot(t, s)
	if err := whole(snap); err != nil {
		t.Error(err)
	}
	// One more than was acknowledged may have reached the disk before the kill.
	if got, want := int(snap.Plan.Epoch), last["commit"]; got < want || (want > 0 && got > want+1) {
		t.Errorf("commits: got %d, want %d or one more", got, want)
	}
	list, err := s.Offsets().List(t.Context(), "a")
	noError(t, err)
	for _, o := range list {
		got, err := strconv.Atoi(string(o.Value))
		if want := last["offsets"]; err != nil || got < want || (want > 0 && got > want+1) || string(o.Value) != string(list[0].Value) {
			t.Errorf("offset of %s: got %s, want %d or one more, the same as %s", o.Partition, o.Value, want, list[0].Value)
		}
	}
	if last["offsets"] > 0 && len(list) != len(numberedOffsets(0)) {
		t.Errorf("got %d offsets, want %d", len(list), len(numberedOffsets(0)))
	}
	return lines
}

// numbered is a commit of two connectors and a plan that all tell the same number.
func numbered(n int) store.Commit {
	c := store.Commit{Connectors: map[string]*store.Connector{}, Plan: &store.Plan{Epoch: int64(n)}}
	for _, name := range []string{"a", "b"} {
		c.Connectors[name] = &store.Connector{Name: name, Config: config.Map{"n": strconv.Itoa(n)}, Target: config.Started}
		c.Plan.Placements = append(c.Plan.Placements, store.Placement{Connector: name, Task: store.Instance, Epoch: int64(n)})
	}
	return c
}

// whole reports how a state is not that of a numbered commit.
func whole(s *store.Snapshot) error {
	want := ""
	if s.Plan.Epoch > 0 {
		want = strconv.Itoa(int(s.Plan.Epoch))
	}
	for _, name := range []string{"a", "b"} {
		if got := s.Connectors[name].Config["n"]; got != want {
			return fmt.Errorf("revision %d: %s has number %q, the plan %q", s.Revision, name, got, want)
		}
	}
	return nil
}

func numberedOffsets(n int) []store.Offset {
	var l []store.Offset
	for i := range 20 {
		l = append(l, store.Offset{Partition: fmt.Appendf(nil, `{"p":%d}`, i), Value: []byte(strconv.Itoa(n))})
	}
	return l
}
