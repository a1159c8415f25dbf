package record_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/record"
)

func topics(b *record.Batch) (list []string) {
	for i := range b.Records {
		mark := ""
		if !b.Live(i) {
			mark = "-"
		}
		list = append(list, fmt.Sprintf("%s%s<%d", b.Records[i].Topic, mark, b.Origin(i)))
	}
	return list
}

// Records that were made of one keep its place in everything that counts records, and are cut together.
func TestExpand(t *testing.T) {
	t.Parallel()
	b := record.NewBatch(record.FromSource, new(record.Partitions))
	for i := range 5 {
		b.Append().Topic = string(rune('a' + i))
		if i == 2 {
			b.EndTransaction(false)
		}
	}
	b.Drop(0)
	b.Fail(3, fmt.Errorf("x"))
	b.Expand([]int{1, 3, 0, 1, 2})
	want := []string{"a-<0", "b<1", "b<1", "b<1", "c<2", "d-<3", "e<4", "e<4"}
	if d := cmp.Diff(want, topics(b)); d != "" {
		t.Fatal(d)
	}
	if f := b.Failures(); f[0].Index != 5 {
		t.Errorf("the failure is at %d", f[0].Index)
	}
	if end := b.Boundaries()[0].End; end != 5 {
		t.Errorf("the transaction ends at %d", end)
	}
	b.Expand([]int{1, 1, 2, 1, 1, 1, 1, 1})
	if d := cmp.Diff([]string{"a-<0", "b<1", "b<1", "b<1", "b<1", "c<2", "d-<3", "e<4", "e<4"}, topics(b)); d != "" {
		t.Fatal(d)
	}
	if got := b.Origin(len(b.Records)); got != 5 {
		t.Errorf("behind the end: got %d", got)
	}
	b.Cut(8)
	if got := b.Origin(len(b.Records)); len(b.Records) != 7 || got != 4 {
		t.Errorf("cut at the second of two: %d records left, the first cut is of %d", len(b.Records), got)
	}
	b.Cut(2)
	if len(b.Records) != 1 || b.Origin(1) != 1 {
		t.Errorf("cut within four: %d records left", len(b.Records))
	}
	b.Reset()
	b.Append()
	if b.Origin(0) != 0 || b.Origin(7) != 7 {
		t.Error("a new batch knows of an old split")
	}
}
