package file_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/file"
	"github.com/penstock/penstock/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func TestDurable(t *testing.T) {
	t.Parallel()
	storetest.Durable(t, func(t *testing.T) func() store.Store {
		dir := t.TempDir()
		return func() store.Store { return open(t, dir) }
	})
}

func TestOnlyTheOwnerReads(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "here")
	s := open(t, dir)
	defer closeStore(t, s)
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, file.Name): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: got mode %v, want %v", path, info.Mode(), want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v, want one file", entries, err)
	}
}

func TestASecondStoreIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := mustRefuse(t, dir, store.ErrInUse).Err; !strings.Contains(err.Error(), filepath.Join(dir, file.Name)) {
		t.Errorf("the error does not name the file: %v", err)
	}
	closeStore(t, s)
	closeStore(t, open(t, dir))
}

func TestAnEmptyFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file.Name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, dir, store.ErrDamaged)
}

func TestAFileWithoutPermissionIsNotCalledDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, file.Name), 0o700); err != nil { // works for root as well
		t.Fatal(err)
	}
	_, err := file.Open(dir)
	if err == nil || errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v, want an error of the file system", err)
	}
}

func TestPartitionsHaveALimit(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	longest := make([]byte, store.MaxPartition)
	instance := strings.Repeat("x", store.MaxPartition-1)
	if err := s.Offsets().Commit(t.Context(), instance, []store.Offset{{Partition: longest, Value: []byte("1")}}); err != nil {
		t.Errorf("the longest partition: got %v, want no error", err)
	}
	for what, err := range map[string]error{
		"too long":      s.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: append(longest, 'x'), Value: []byte("1")}}),
		"no partition":  s.Offsets().Commit(t.Context(), "a", []store.Offset{{Value: []byte("1")}}),
		"no instance":   s.Offsets().Commit(t.Context(), "", []store.Offset{{Partition: []byte("1"), Value: []byte("1")}}),
		"zero in name":  s.Offsets().Commit(t.Context(), "a\x00b", []store.Offset{{Partition: []byte("1"), Value: []byte("1")}}),
		"name too long": s.Offsets().Commit(t.Context(), instance+"x", []store.Offset{{Partition: []byte("1"), Value: []byte("1")}}),
	} {
		if err == nil {
			t.Errorf("%s: got no error", what)
		}
	}
}

func BenchmarkOffsets(b *testing.B) {
	s := open(b, b.TempDir())
	defer closeStore(b, s)
	fill(b, s, 1000)
	entries := offsets(20)
	for b.Loop() {
		if err := s.Offsets().Commit(b.Context(), "a", entries); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOffsetsOfManyTasks(b *testing.B) {
	s := open(b, b.TempDir())
	defer closeStore(b, s)
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Offsets().Commit(b.Context(), "a", offsets(20)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	fill(b, s, 100_000)
	closeStore(b, s)
	for b.Loop() {
		closeStore(b, open(b, dir))
	}
}

func open(t testing.TB, dir string) *store.Local {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// refusal is why a store was not opened.
type refusal struct{ Err error }

// mustRefuse opens a store that cannot be opened.
func mustRefuse(t *testing.T, dir string, want error) refusal {
	t.Helper()
	s, err := file.Open(dir)
	if !errors.Is(err, want) {
		if err == nil {
			closeStore(t, s)
		}
		t.Fatalf("open: got %v, want %v", err, want)
	}
	return refusal{err}
}

// fill gives a store n connectors at most 100 and n offsets.
func fill(t testing.TB, s store.Store, n int) {
	t.Helper()
	f, err := s.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := store.Commit{Connectors: map[string]*store.Connector{}, Plan: &store.Plan{Epoch: 1, Members: []string{"m"}}}
	for i := range min(n, 100) {
		name := fmt.Sprintf("connector-%d", i)
		c.Connectors[name] = &store.Connector{Name: name, Config: config.Map{"name": name, "text": strings.Repeat("x", i)}, Target: config.Started}
		c.Plan.Placements = append(c.Plan.Placements, store.Placement{Connector: name, Task: store.Instance, Member: "m", Epoch: 1})
	}
	if _, err := s.Commit(t.Context(), f, c); err != nil {
		t.Fatal(err)
	}
	if err := s.Offsets().Commit(t.Context(), "a", offsets(n)); err != nil {
		t.Fatal(err)
	}
}

func offsets(n int) []store.Offset {
	entries := make([]store.Offset, n)
	for i := range entries {
		entries[i] = store.Offset{Partition: fmt.Appendf(nil, `{"filename":"/data/%d"}`, i), Value: fmt.Appendf(nil, `{"position":%d}`, i)}
	}
	return entries
}
