package record_test

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/record"
)

// What Extend lends is a copy with nulls behind it, whatever the memory held before.
func TestExtend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a record.Arena
		for range rapid.IntRange(1, 3).Draw(t, "uses") {
			for i := range rapid.IntRange(0, 700).Draw(t, "dirty") {
				a.Values(1)[0] = record.OfInt64(int64(i))
			}
			from := a.Values(rapid.IntRange(0, 20).Draw(t, "from"))
			for i := range from {
				from[i] = record.OfInt64(int64(1000 + i))
			}
			n := rapid.IntRange(0, 20).Draw(t, "n")
			got := a.Extend(from, n)
			if len(got) != len(from)+n || cap(got) != len(got) {
				t.Fatalf("got %d of %d, want %d", len(got), cap(got), len(from)+n)
			}
			for i, v := range got {
				switch {
				case i < len(from) && v.Int() != int64(1000+i):
					t.Fatalf("value %d: got %d, want %d", i, v.Int(), 1000+i)
				case i >= len(from) && !v.IsNull():
					t.Fatalf("value %d is not null", i)
				}
			}
			if len(from) > 0 {
				got[0] = record.OfBool(true)
				if from[0].Kind() != record.Int64 {
					t.Fatal("the copy shares memory with what it is a copy of")
				}
			}
			a.Reset()
		}
	})
}

// Batches of one size allocate nothing once the arena has grown, be they as large as a batch of wide rows is; what an odd
// huge one needed is not kept.
func TestResetKeepsWhatTheNextBatchNeeds(t *testing.T) {
	t.Parallel()
	var a record.Arena
	batch := func(records int) (grown int) {
		before := a.Size()
		for range records {
			a.Values(36)
		}
		grown = a.Size() - before
		a.Reset()
		return grown
	}
	for _, records := range []int{10, 1000, 2000} {
		batch(records)
		batch(records)
		if got := batch(records); got > 0 {
			t.Errorf("%d records: the third batch of this size needs %d bytes more, want none", records, got)
		}
	}
	batch(100_000)
	if got, most := a.Size(), 4<<20; got > most {
		t.Errorf("after a huge batch: got %d bytes kept, want at most %d", got, most)
	}
	if a.Size() == 0 {
		t.Error("after a huge batch nothing is kept for usual ones")
	}
}

func TestHeadersAreEmpty(t *testing.T) {
	t.Parallel()
	var a record.Arena
	for range 3 {
		for range 300 {
			hs := a.Headers(3)
			if len(hs) != 3 || cap(hs) != 3 {
				t.Fatalf("got %d headers of %d, want 3", len(hs), cap(hs))
			}
			for i := range hs {
				if hs[i].Key != "" || hs[i].Schema != nil || !hs[i].Value.IsNull() {
					t.Fatalf("header %d: got %v, want none", i, hs[i])
				}
				hs[i] = record.Header{Key: "k", Datum: record.Datum{Schema: record.Required(record.Int8), Value: record.OfInt8(1)}}
			}
		}
		a.Reset()
	}
	if a.Size() == 0 {
		t.Error("a reset keeps no memory for the next headers")
	}
}

// A date and its day belong to each other, on both sides of the calendar's change.
func TestCivilRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		day := rapid.Int64Range(-1_000_000, 1_000_000).Draw(t, "day")
		year, month, dom := record.CivilDate(day)
		if got := record.CivilDay(year, int64(month), int64(dom)); got != day {
			t.Fatalf("day %d is %d-%d-%d, which is day %d", day, year, month, dom, got)
		}
	})
}

// What Grow lends is a list with nulls at its end, at a price in memory that is a multiple of its length, however it came.
func TestGrow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a record.Arena
		var list []record.Value
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 200).Draw(t, "steps") {
			before := len(list)
			list = a.Grow(list, n)
			if len(list) != before+n {
				t.Fatalf("step %d: got %d values, want %d", i, len(list), before+n)
			}
			for at := range list {
				if at < before && list[at].Int() != int64(at) || at >= before && !list[at].IsNull() {
					t.Fatalf("step %d: value %d is of kind %s", i, at, list[at].Kind())
				}
				list[at] = record.OfInt64(int64(at))
			}
		}
	})
	var a record.Arena
	var list []record.Value
	const n = 20_000
	for range n {
		list = a.Grow(list, 1)
	}
	if got, most := a.Size(), 20*n*24; got > most {
		t.Errorf("%d steps take %d bytes, want at most %d", n, got, most)
	}
}

// bigInts draws numbers of up to 40 bytes, and those at the ends of bytes and words.
func bigInts() *rapid.Generator[*big.Int] {
	return rapid.Custom(func(t *rapid.T) *big.Int {
		n := new(big.Int)
		if rapid.Bool().Draw(t, "edge") {
			n.Lsh(big.NewInt(1), uint(rapid.IntRange(0, 200).Draw(t, "bits")))
			n.Add(n, big.NewInt(rapid.Int64Range(-2, 2).Draw(t, "beside")))
		} else {
			n.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"))
		}
		if rapid.Bool().Draw(t, "negative") {
			n.Neg(n)
		}
		return n
	})
}

// Decimals of an arena are those that the functions without one make; a clone outlives the arena's next use.
func TestDecimalsOfAnArena(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a record.Arena
		for range rapid.IntRange(1, 3).Draw(t, "uses") {
			var wants, clones []record.Value
			var gots []record.Value
			for range rapid.IntRange(1, 300).Draw(t, "decimals") {
				n, scale := bigInts().Draw(t, "n"), rapid.Int32Range(-30, 30).Draw(t, "scale")
				want := record.OfDecimal(n, scale)
				digits := record.AppendBigInt([]byte("x"), n)[1:]
				got, err := a.DecimalOfBytes(digits, scale)
				if err != nil {
					t.Fatal(err)
				}
				text := string(record.AppendDecimal(nil, want.Decimal()))
				parsed, err := a.ParseDecimal(text)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				wants, gots, clones = append(wants, want, want), append(gots, got, parsed), append(clones, got.Clone(), parsed.Clone())
				if n.IsInt64() {
					short := a.Decimal(n.Int64(), scale)
					wants, gots, clones = append(wants, want), append(gots, short), append(clones, short.Clone())
				}
			}
			for i := range wants {
				if !gots[i].Equal(wants[i]) {
					t.Fatalf("got %v, want %v", gots[i].Decimal(), wants[i].Decimal())
				}
			}
			a.Reset()
			for range 900 {
				a.Decimal(-1, 9)
			}
			a.Reset()
			for i := range clones {
				if !clones[i].Equal(wants[i]) {
					t.Fatalf("after a reset the clone of %v is %v", wants[i].Decimal(), clones[i].Decimal())
				}
			}
		}
	})
}

func TestDecimalsThatAreNone(t *testing.T) {
	t.Parallel()
	var a record.Arena
	if _, err := a.DecimalOfBytes(nil, 0); err == nil || err.Error() != "Zero length BigInteger" {
		t.Errorf("no digits: got %v", err)
	}
	for _, text := range []string{"", "-", ".", "1e", "1e99999999999", "x", "1.2.3", "1 "} {
		if v, err := a.ParseDecimal(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, v.Decimal())
		}
	}
	for _, text := range []string{"0", "-0", "000", "+1", "-00012.50", ".5", "5.", "1E+3", "12345678901234567890123456789.5", strings.Repeat("9", 200), "١٢"} {
		want, err := record.ParseDecimal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.ParseDecimal(text); err != nil || !got.Equal(record.OfDecimal(want.Unscaled, want.Scale)) {
			t.Errorf("%q: got %v (%v), want %v", text, got.Decimal(), err, want)
		}
	}
}

// Decimals cost no allocation once the arena has grown, be they longer than a word or not.
func TestAllocDecimals(t *testing.T) {
	var a record.Arena
	long := []byte("\x81 a long number")
	text := "-" + strconv.FormatUint(math.MaxUint64, 10) + ".25"
	var buf [32]byte
	if n := testing.AllocsPerRun(100, func() {
		a.Reset()
		for range 10 {
			a.Decimal(-129999, 2)
			v, err := a.DecimalOfBytes(long, 3)
			if err != nil {
				t.Fatal(err)
			}
			if got := record.AppendBigInt(buf[:0], v.Decimal().Unscaled); string(got) != string(long) {
				t.Fatalf("got %x, want %x", got, long)
			}
			if _, err := a.ParseDecimal(text); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// Fields are those of structs, and of nothing else.
func TestFields(t *testing.T) {
	t.Parallel()
	list := []record.Value{record.OfInt32(1), record.OfString("x")}
	for _, want := range [][]record.Value{list, {}} {
		got, ok := record.OfStruct(want).Fields()
		if !ok || len(got) != len(want) || len(got) > 0 && &got[0] != &want[0] {
			t.Errorf("got %v %v, want %v itself", got, ok, want)
		}
	}
	for _, v := range []record.Value{{}, record.OfArray(list), record.OfMap(list), record.OfString("x"), record.OfInt32(1), record.OfBytes(nil)} {
		if got, ok := v.Fields(); ok || got != nil {
			t.Errorf("%s: got %v, want no fields", v.Kind(), got)
		}
	}
}
