package file_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/file"
)

// metas is the part of the file in which bbolt keeps two versions of where everything begins: when the newer one is bad it
// goes back to the one before, as it must after a kill in the middle of a commit.
const metas = 2 * 4096

func TestATruncatedFileIsRefused(t *testing.T) {
	t.Parallel()
	good := goodFile(t)
	for _, size := range []int{1, 100, 4095, 4096, 8192, 12288, 16384, len(good) / 4, len(good) / 2} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			refusedUntouched(t, good[:size])
		})
	}
}

func TestAGarbageHeaderIsRefused(t *testing.T) {
	t.Parallel()
	good := goodFile(t)
	random := rand.New(rand.NewPCG(1, 2))
	bad := bytes.Clone(good)
	garbage(random, bad[:metas])
	refusedUntouched(t, bad)
	refusedUntouched(t, []byte("not a database\n"))
	everything := make([]byte, len(good))
	garbage(random, everything)
	refusedUntouched(t, everything)
}

func TestZeroedPagesAreRefused(t *testing.T) {
	t.Parallel()
	bad := bytes.Clone(goodFile(t))
	clear(bad[metas:])
	refusedUntouched(t, bad)
}

// TestDamageIsNeverTakenForState damages one place after the other: each time the file is refused, or everything in it is
// as it was.
func TestDamageIsNeverTakenForState(t *testing.T) {
	t.Parallel()
	good := goodFile(t)
	want := contents(t, good)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds, refusals := 400, 0
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		bad := bytes.Clone(good)
		length := []int{1, 8, 64, 512, 4096}[random.IntN(5)]
		from := metas + random.IntN(len(bad)-metas-length)
		if length == 4096 {
			from &^= 4095 // a whole page
			if random.IntN(2) == 0 {
				copy(bad[from:from+length], bad[metas+random.IntN(len(bad)-metas-length)&^4095:]) // of another
			}
		} else {
			garbage(random, bad[from:from+length])
		}
		if got := contents(t, bad); got == nil {
			refusals++
		} else if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d bytes at %d, got (+), want (-):\n%s", length, from, cmp.Diff(want, got))
		}
	}
	if refusals < rounds/10 {
		t.Errorf("%d of %d damaged files were refused; the damage does not hit", refusals, rounds)
	}
}

// TestATornHeaderGoesBackOneCommit: when the power fails while bbolt writes one of its two headers, of which the first
// bytes are always the same, the commit before is taken, whole.
func TestATornHeaderGoesBackOneCommit(t *testing.T) {
	t.Parallel()
	good := goodFile(t)
	want := contents(t, good)
	found := map[int]bool{}
	for _, from := range []int{0, metas / 2} {
		bad := bytes.Clone(good)
		garbage(rand.New(rand.NewPCG(1, uint64(from))), bad[from+16:from+80])
		got := contents(t, bad)
		if got == nil || !reflect.DeepEqual(got.Snapshot, want.Snapshot) {
			t.Fatalf("header at %d: got %+v, want the same configurations", from, got)
		}
		found[len(got.Offsets)] = true // the last commit was that of the offsets
	}
	if diff := cmp.Diff(map[int]bool{0: true, len(want.Offsets): true}, found); diff != "" {
		t.Errorf("offsets: got (+), want (-):\n%s", diff)
	}
}

// TestAUsedPageThatCountsAsFreeIsRefused: nothing is lost yet, but the next commit would write over it.
func TestAUsedPageThatCountsAsFreeIsRefused(t *testing.T) {
	t.Parallel()
	bad := bytes.Clone(goodFile(t))
	le := binary.LittleEndian
	meta := bad[16:80] // see bbolt's internal/common: meta
	if other := bad[metas/2+16 : metas/2+80]; le.Uint64(other[48:]) > le.Uint64(meta[48:]) {
		meta = other // the newer
	}
	root, freelist := le.Uint64(meta[16:]), le.Uint64(meta[32:])
	page := bad[freelist*metas/2:]
	le.PutUint16(page[10:], 1) // one free page
	le.PutUint64(page[16:], root)
	refusedUntouched(t, bad)
}

// TestAPageThatRefersElsewhereIsRefused: bbolt follows positions, lengths and page numbers without looking, some of them
// on a goroutine where a fault ends the process.
func TestAPageThatRefersElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	good := goodFile(t)
	const size = metas / 2
	le := binary.LittleEndian
	tested := map[uint16]int{}
	for at := metas; at+size <= len(good); at += size {
		flags := le.Uint16(good[at+8:])
		fields := map[uint16][]int{
			1:  {16, 20, 24}, // branch: position and length of the first key, page
			2:  {20, 24, 28}, // leaf: position and lengths of the first entry
			16: {12},         // free list: pages that it overflows into
		}[flags]
		if int(le.Uint64(good[at:])) != at/size {
			continue // inside of a page larger than this
		}
		for _, field := range append(fields, 12) {
			bad := bytes.Clone(good)
			le.PutUint32(bad[at+field:], 0x7ffffff0)
			if got := contents(t, bad); got != nil && !reflect.DeepEqual(got, contents(t, good)) {
				t.Fatalf("page %d of type %d, field %d: taken", at/size, flags, field)
			} else if got == nil {
				tested[flags]++
			}
		}
	}
	for _, flags := range []uint16{1, 2, 16} {
		if tested[flags] == 0 {
			t.Errorf("no page of type %d was refused, got %v", flags, tested)
		}
	}
}

// goodFile is the content of a file with a few hundred entries and several pages.
func goodFile(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, 600)
	closeStore(t, s)
	content, err := os.ReadFile(filepath.Join(dir, file.Name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type everything struct {
	Snapshot *store.Snapshot
	Offsets  []store.Offset
}

// contents is what a store finds in a file, nil when it finds it damaged.
func contents(t *testing.T, content []byte) *everything {
	t.Helper()
	dir := folder(t, content)
	s, err := file.Open(dir)
	if errors.Is(err, store.ErrDamaged) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Offsets().List(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	return &everything{snap, list}
}

func folder(t *testing.T, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file.Name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// refusedUntouched tests that a file is refused, twice, and left as it is.
func refusedUntouched(t *testing.T, content []byte) {
	t.Helper()
	dir := folder(t, content)
	for range 2 { // the second time tells that the first left no lock behind
		mustRefuse(t, dir, store.ErrDamaged)
	}
	after, err := os.ReadFile(filepath.Join(dir, file.Name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(after, content) {
		t.Error("the damaged file was changed")
	}
}

func garbage(random *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}
