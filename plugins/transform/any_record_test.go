package transform

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// anyNames are those that the settings of steady name, so that a record drawn with them is worked on.
var anyNames = []string{"id", "name", "f0", "f1", "k", "at", "nobody", "before", "after", "op", "source"}

// anyDatum draws a struct, a map or a scalar whose fields have those names and any schema: also one whose name promises
// another kind of value than its type, which Kafka Connect's data can hold.
func anyDatum(r *vector.Random) record.Datum {
	switch r.IntN(6) {
	case 0:
		s := r.Schema()
		return record.Datum{Schema: s, Value: r.Value(s)}
	case 1:
		return record.Datum{Value: r.Scalar(vector.Pick(r, record.String, record.Int64, record.Boolean, record.Bytes))}
	case 2:
		var pairs []record.Value
		for _, name := range anyNames {
			if !r.Chance(3) {
				s := r.Schema()
				pairs = append(pairs, record.OfString(name), r.Value(s))
			}
		}
		return record.Datum{Value: record.OfMap(pairs)}
	}
	b := record.Build(record.Struct)
	if r.Chance(3) {
		b.Named(vector.Pick(r, "order", "db.t.Envelope", "x.Value"))
	}
	for _, name := range anyNames {
		switch r.IntN(4) {
		case 0:
		case 1:
			b.Field(name, r.Schema())
		default:
			b.Field(name, fieldSchema(r))
		}
	}
	s := b.MustBuild()
	return record.Datum{Schema: s, Value: r.Value(s)}
}

// TestAnyRecordIsWorkedOnOrFails: no transform panics, or gives up as a whole, whatever the record is; what comes out is in
// agreement with its schema as far as what went in was.
func TestAnyRecordIsWorkedOnOrFails(t *testing.T) {
	t.Parallel()
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for _, d := range Descriptors() {
		targets := []plugin.Target{plugin.NoTarget}
		if d.Targets {
			targets = []plugin.Target{plugin.Key, plugin.Value}
		}
		for _, target := range targets {
			t.Run(d.Name+target.Suffix(), func(t *testing.T) {
				t.Parallel()
				tr := d.NewTransform(target)
				if err := tr.Configure(steady[d.Name].Config); err != nil {
					t.Fatal(err)
				}
				for seed := range uint64(rounds) {
					anyBatch(t, tr, seed)
				}
			})
		}
	}
}

func anyBatch(t *testing.T, tr plugin.Transform, seed uint64) {
	r := vector.NewRandom(seed)
	b := record.NewBatch(vector.Pick(r, record.FromSource, record.ToSink), new(record.Partitions))
	for i := range 8 {
		x := b.Append()
		x.Topic, x.Partition, x.Timestamp = vector.Pick(r, "orders", "a.b", "x"), int32(i), vector.Pick(r, record.NoTimestamp, int64(r.Uint64()))
		x.Key, x.Value, x.Headers = anyDatum(r), anyDatum(r), someHeaders
		x.Position.Offset = record.OfInt64(int64(i))
	}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("seed %d: %v\n%s", seed, p, debug.Stack())
		}
	}()
	if err := tr.Apply(t.Context(), b); err != nil {
		t.Fatalf("seed %d: gave up: %v", seed, err)
	}
	for i := range b.Records {
		if b.Live(i) {
			// Reading all of it finds structs that do not have the fields of their schema.
			_ = fmt.Sprint(vector.ShowDatum(b.Records[i].Key), vector.ShowDatum(b.Records[i].Value))
		}
	}
}

// TestAnySettingsOfOthers: the same, with settings drawn as for the comparison with Java.
func TestAnySettingsOfOthers(t *testing.T) {
	t.Parallel()
	all := registry(t)
	for _, class := range slices.Sorted(maps.Keys(thirdParty)) {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			d, target, ok := all.Class(plugin.TransformRole, class)
			if !ok {
				t.Fatalf("there is no %s", class)
			}
			for seed := range uint64(40) {
				tr := d.NewTransform(target)
				if tr.Configure(thirdParty[class](vector.NewRandom(seed))) == nil {
					anyBatch(t, tr, seed)
				}
			}
		})
	}
}
