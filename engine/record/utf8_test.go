package record_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
	"pgregory.net/rapid"
)

// What OpenJDK 17 made of these bytes, each decoded by new String(bytes, UTF_8); R stands for U+FFFD.
func TestAppendUTF8DecodesAsJava(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":         "",
		"c3a4":     "ä",
		"e282ac41": "€A",
		"f09f9880": "😀",
		"efbfbd":   "R",
		"e282":     "R",
		"e28241":   "RA",
		"ff":       "R",
		"ffff":     "RR",
		"c3":       "R",
		"f09f98":   "R",
		"f09f9841": "RA",
		"eda080":   "R",
		"edbfbf":   "R",
		"c080":     "RR",
		"e280e2":   "RR",
		"f4908080": "RRRR",
		"f8888080": "RRRR",
		"80":       "R",
		"e08080":   "RRR",
		"f0808080": "RRRR",
		"f490":     "RR",
		"f0908041": "RA",
		"f08041":   "RRA",
		"61ff62":   "aRb",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(record.AppendUTF8([]byte("<"), b)), "<"+strings.ReplaceAll(want, "R", "\uFFFD"); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestAppendUTF8IsValidAndKeepsWhatIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.SampledFrom([]byte("a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xdf\xe0\xe2\xed\xef\xf0\xf1\xf4\xf5\xff"))).Draw(t, "bytes")
		got := record.AppendUTF8(nil, b)
		if !utf8.Valid(got) {
			t.Fatalf("%x: got %x, which is not UTF-8", b, got)
		}
		if utf8.Valid(b) && string(got) != string(b) {
			t.Fatalf("%x is UTF-8: got %x", b, got)
		}
	})
}
