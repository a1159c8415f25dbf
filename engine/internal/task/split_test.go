package task_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// words makes a record of every word of a text.
type words struct{}

func (words) Configure(plugin.Config) error { return nil }

func (words) Apply(_ context.Context, b *record.Batch) error {
	counts, all := make([]int, len(b.Records)), []string{}
	for i := range b.Records {
		ws := strings.Fields(b.Records[i].Value.Value.Text())
		counts[i] = len(ws)
		all = append(all, ws...)
	}
	b.Expand(counts)
	for i, w := range all {
		b.Records[i].Value.Value = record.OfString(w)
	}
	return nil
}

func splitting(g *graph.Task, bad error) {
	g.Chain = []graph.Stage{
		{Name: "Words", Plugin: plugin.Descriptor{Class: "test.Words", NewTransform: func(plugin.Target) plugin.Transform { return words{} }}},
		failAt("Bad", bad, "x"),
	}
}

// A record of which one part fails is not stored as done, and no part of it is put: all of them come again (invariants 1
// and 2).
func TestPartsOfOneRecordAreStoredTogether(t *testing.T) {
	t.Parallel()
	bad := plugin.Data("bad")
	c := kafkatest.Start(t, "in")
	produce(c, "in", "a b", "c x d", "e")
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) { splitting(g, bad) }))
	if err := r.end(); !errors.Is(err, bad) {
		t.Fatalf("got %v, want %v", err, bad)
	}
	same(t, "put", snk.Texts(), []string{"a", "b"})
	same(t, "queue", values(t, c, "dlq"), []string{"c x d"})
	if got := committed(t, c); got != 1 {
		t.Errorf("committed: got %d, want 1, the record that failed in part", got)
	}
}

// Where failures are tolerated, the parts that do not fail are put, and the queue gets the record they come from.
func TestPartsOfOneRecordAreToleratedOneByOne(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "a b", "c x d", "e")
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) {
		splitting(g, plugin.Data("bad"))
		g.Errors.TolerateAll = true
	}))
	snk.AwaitRecords(t, 5)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "put", snk.Texts(), []string{"a", "b", "c", "d", "e"})
	same(t, "queue", values(t, c, "dlq"), []string{"c x d"})
	if got := committed(t, c); got != 3 {
		t.Errorf("committed: got %d, want 3", got)
	}
}

// On the way from a source the same holds: no offset covers a record of which a part failed.
func TestPartsOfOneSourceRecordAreStoredTogether(t *testing.T) {
	t.Parallel()
	bad := plugin.Data("bad")
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 10))
	r := start(t, source(t, c, src, o, func(g *graph.Task) {
		splitting(g, bad)
		twice := stage("Twice", func(_ *record.Batch, _ int, r *record.Record) error {
			v := r.Value.Value.Text()
			if v == "5" {
				v = "x"
			}
			r.Value.Value = record.OfString("y " + v)
			return nil
		})
		g.Chain = append([]graph.Stage{twice}, g.Chain...)
	}))
	if err := r.end(); !errors.Is(err, bad) {
		t.Fatalf("got %v, want %v", err, bad)
	}
	same(t, "topic", values(t, c, "scripted"), []string{"y", "0", "y", "1", "y", "2", "y", "3", "y", "4"})
	if got, want := o.all()[`{"name":"a"}`], `{"n":4}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
}
