package plugintest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

func transform(t *testing.T, d plugin.Descriptor, e Env) {
	targets := []plugin.Target{plugin.NoTarget}
	if d.Targets {
		targets = []plugin.Target{plugin.Key, plugin.Value}
	}
	for _, target := range targets {
		t.Run("target "+target.String(), func(t *testing.T) {
			ownGoroutines(t, func() {
				for _, c := range e.Invalid {
					refused(t, c, d.NewTransform(target).Configure(c))
				}
				transformBatches(t, d.NewTransform(target), d.NewTransform(target), e)
				starter(t, d.NewTransform(target), e)
			})
		})
	}
}

// starter starts and stops a transform that does something beside its records.
func starter(t *testing.T, x plugin.Transform, e Env) {
	s, ok := x.(plugin.Starter)
	if !ok {
		return
	}
	if err := x.Configure(e.Config(t)); err != nil {
		t.Fatalf("configure: %v", err)
	}
	must(t, "stop without a start", s.Stop)
	must(t, "start", func(ctx context.Context) error { return s.Start(ctx, &Host{}) }) // whose context ends with it
	b := record.NewBatch(record.FromSource, &record.Partitions{})
	e.Fill(b, load)
	if err := x.Apply(t.Context(), b); err != nil {
		t.Fatalf("apply: %v", err)
	}
	must(t, "stop", s.Stop)
	must(t, "second stop", s.Stop)
}

// texts are those of a batch, without what varies.
func (e Env) texts(b *record.Batch) []string {
	list := Texts(b)
	for i := range list {
		if e.Varies != nil {
			list[i] = e.Varies.ReplaceAllString(list[i], "…")
		}
	}
	return list
}

// transformBatches applies a transform to batches of which each is overwritten after its use, and another one to the same
// records in batches that are not.
func transformBatches(t *testing.T, x, y plugin.Transform, e Env) {
	c := e.Config(t)
	for _, tr := range []plugin.Transform{x, y} {
		if err := tr.Configure(c); err != nil {
			t.Fatalf("configure: %v", err)
		}
	}
	used := record.NewBatch(record.FromSource, &record.Partitions{})
	for range 3 {
		fresh := record.NewBatch(record.FromSource, &record.Partitions{})
		for _, b := range []*record.Batch{used, fresh} {
			e.Fill(b, load)
			b.Drop(1)
			b.Fail(2, errors.New("failed before"))
			b.Hide(3)
		}
		passedOver := []string{Text(used.Partitions, &used.Records[1]), Text(used.Partitions, &used.Records[2]), Text(used.Partitions, &used.Records[3])}
		var positions []string
		for _, r := range used.Records {
			positions = append(positions, string(r.Position.Offset.AppendCanonical(nil)))
		}
		must(t, "apply", func(ctx context.Context) error { return x.Apply(ctx, used) })
		must(t, "apply", func(ctx context.Context) error { return y.Apply(ctx, fresh) })
		for _, f := range used.Failures()[min(1, len(used.Failures())):] { // the first is from before
			t.Errorf("record %d failed: %v", f.Index, f.Err)
		}
		if len(used.Records) != load {
			t.Fatalf("the batch has %d records after apply, want %d: a transform marks, it does not remove", len(used.Records), load)
		}
		if diff := cmp.Diff(e.texts(fresh), e.texts(used)); diff != "" {
			t.Errorf("the same records in a batch used before (-fresh +used):\n%s", diff)
		}
		got := []string{Text(used.Partitions, &used.Records[1]), Text(used.Partitions, &used.Records[2]), Text(used.Partitions, &used.Records[3])}
		if diff := cmp.Diff(passedOver, got); diff != "" {
			t.Errorf("records that are dropped, failed or hidden were worked on (-before +after):\n%s", diff)
		}
		for i, r := range used.Records {
			if string(r.Position.Offset.AppendCanonical(nil)) != positions[i] {
				t.Errorf("record %d has another position after apply", i)
			}
		}
		poison(used)
	}
	must(t, "apply to nothing", func(ctx context.Context) error { return x.Apply(ctx, used) })
}

func predicate(t *testing.T, d plugin.Descriptor, e Env) {
	ownGoroutines(t, func() {
		for _, c := range e.Invalid {
			refused(t, c, d.NewPredicate().Configure(c))
		}
		p := d.NewPredicate()
		if err := p.Configure(e.Config(t)); err != nil {
			t.Fatalf("configure: %v", err)
		}
		b := record.NewBatch(record.FromSource, &record.Partitions{})
		var first []bool
		for round := range 3 {
			e.Fill(b, load)
			b.Append() // a record with nothing in it
			before := Texts(b)
			for i := range b.Records {
				got, err := p.Test(&b.Records[i])
				if err != nil && i < load {
					t.Fatalf("test of record %d: %v", i, err)
				}
				if round == 0 {
					first = append(first, got)
				} else if got != first[i] {
					t.Errorf("record %d: got %v, and %v before", i, got, first[i])
				}
			}
			if diff := cmp.Diff(before, Texts(b)); diff != "" {
				t.Errorf("a predicate changed a record (-before +after):\n%s", diff)
			}
			poison(b)
		}
	})
}

func converter(t *testing.T, d plugin.Descriptor, e Env) {
	uses := map[plugin.Uses][]plugin.Use{
		plugin.DataAndHeaders: {plugin.KeyUse, plugin.ValueUse, plugin.HeaderUse},
		plugin.DataOnly:       {plugin.KeyUse, plugin.ValueUse},
		plugin.HeadersOnly:    {plugin.HeaderUse},
	}[d.Uses]
	if e.Data == nil {
		s := record.OptionalOf(record.String)
		e.Data = []record.Datum{{}, {Schema: s}, {Schema: s, Value: record.OfString("text")}, {Schema: s, Value: record.OfString("")}}
	}
	for _, use := range uses {
		t.Run(use.String(), func(t *testing.T) {
			ownGoroutines(t, func() {
				for _, c := range e.Invalid {
					refused(t, c, d.NewConverter().Configure(c, use))
				}
				conv := d.NewConverter()
				if err := conv.Configure(e.Config(t), use); err != nil {
					t.Fatalf("configure: %v", err)
				}
				for range 2 { // what it learnt the first time must serve the second
					for i, datum := range e.Data {
						convert(t, conv, i, datum, e.RoundTrip)
					}
				}
			})
		})
	}
}

// convert writes a datum behind other bytes, and reads it back.
func convert(t *testing.T, conv plugin.Converter, i int, d record.Datum, roundTrip bool) {
	t.Helper()
	const before = "before"
	dst := append(make([]byte, 0, 1<<12), before...)
	out, err := conv.AppendData(dst, "topic", d)
	if err != nil {
		t.Fatalf("datum %d: append: %v", i, err)
	}
	var message []byte
	if out != nil {
		if string(out[:len(before)]) != before {
			t.Fatalf("datum %d: append changed what stood before it: %q", i, out[:len(before)])
		}
		message = append([]byte{}, out[len(before):]...)
	}
	clear(dst[:cap(dst)]) // whoever kept it sees
	var a record.Arena
	back, err := conv.ReadData(&a, "topic", message)
	if err != nil {
		t.Fatalf("datum %d: read of %q: %v", i, message, err)
	}
	if roundTrip && (!back.Value.Equal(d.Value) || !back.Schema.Equal(d.Schema)) {
		t.Errorf("datum %d: got %s of schema %s, want %s of schema %s", i, back.AppendJava(nil), schemaText(back.Schema), d.AppendJava(nil), schemaText(d.Schema))
	}
	again, err := conv.AppendData([]byte{}, "topic", back)
	if err != nil {
		t.Fatalf("datum %d: append of what was read: %v", i, err)
	}
	if roundTrip && string(again) != string(message) {
		t.Errorf("datum %d: got %q after a round trip, want %q", i, again, message)
	}
}
