package record_test

import (
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
