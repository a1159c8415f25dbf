package store_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/store"
)

func standalone(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestReadStandalone reads files that Java wrote.
func TestReadStandalone(t *testing.T) {
	t.Parallel()
	got, err := store.ReadStandalone(standalone(t, "connect.offsets"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]map[string]string{}
	for instance, offsets := range got {
		texts[instance] = map[string]string{}
		for _, o := range offsets {
			texts[instance][string(o.Partition)] = string(o.Value)
		}
	}
	want := map[string]map[string]string{
		"local-file-source": {`{"filename":"test.txt"}`: `{"position":30}`},
		"mm2":               {`{"cluster":"A","partition":0,"topic":"orders"}`: `{"offset":41}`},
		"none":              {"null": `{"a":1.5}`},
	}
	if d := cmp.Diff(want, texts); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for name, data := range map[string][]byte{"no bytes": nil, "an empty map": standalone(t, "empty.offsets")} {
		if got, err := store.ReadStandalone(data); err != nil || len(got) != 0 {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// TestDamagedStandalone: what is cut, or is another Java object, is refused.
func TestDamagedStandalone(t *testing.T) {
	t.Parallel()
	whole := standalone(t, "connect.offsets")
	for n := 1; n < len(whole); n++ {
		if got, err := store.ReadStandalone(whole[:n]); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%d of %d bytes: got %v, %v", n, len(whole), got, err)
		}
	}
	for name, data := range map[string][]byte{
		"a map of texts": standalone(t, "strings.offsets"), "a list": standalone(t, "list.offsets"),
		"text": []byte("local-file-source=30\n"), "more": append(slices.Clip(whole), 'x'),
	} {
		if got, err := store.ReadStandalone(data); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func FuzzReadStandalone(f *testing.F) {
	f.Add(standalone(f, "connect.offsets"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := store.ReadStandalone(data); err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Error(err)
		}
	})
}
