package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

func drawSchema(t *rapid.T, depth int) *record.Schema {
	kinds := []record.Kind{record.Int8, record.Int32, record.Int64, record.Float64, record.Boolean, record.String, record.Bytes}
	if depth > 0 {
		kinds = append(kinds, record.Array, record.Map, record.Struct)
	}
	var b *record.Builder
	switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
	case record.Array:
		b = record.BuildArray(drawSchema(t, depth-1))
	case record.Map:
		b = record.BuildMap(drawSchema(t, 0), drawSchema(t, depth-1))
	case record.Struct:
		b = record.Build(k)
		for i := range rapid.IntRange(0, 3).Draw(t, "fields") {
			b.Field(fmt.Sprint("f", i), drawSchema(t, depth-1))
		}
	case record.String:
		b = record.Build(k)
		if rapid.Bool().Draw(t, "default") {
			b.Default(record.OfString("d"))
		}
	default:
		b = record.Build(k)
	}
	if rapid.Bool().Draw(t, "optional") {
		b.Optional()
	}
	if rapid.Bool().Draw(t, "named") {
		b.Named("n").Versioned(2).Documented("doc").Param("a", "1").Param("b", "2")
	}
	return b.MustBuild()
}

func drawValue(t *rapid.T, depth int) record.Value {
	top := 12
	if depth > 0 {
		top = 15
	}
	elements := func(n int) []record.Value {
		vs := make([]record.Value, n)
		for i := range vs {
			vs[i] = drawValue(t, depth-1)
		}
		return vs
	}
	n := rapid.Int64().Draw(t, "number")
	switch rapid.IntRange(0, top).Draw(t, "value") {
	case 0:
		return record.OfInt8(int8(n))
	case 1:
		return record.OfInt16(int16(n))
	case 2:
		return record.OfInt32(int32(n))
	case 3:
		return record.OfInt64(n)
	case 4:
		return record.OfFloat32(math.Float32frombits(uint32(n)))
	case 5:
		return record.OfFloat64(math.Float64frombits(uint64(n)))
	case 6:
		return record.OfBool(n%2 == 0)
	case 7:
		return record.OfString(rapid.String().Draw(t, "text"))
	case 8:
		return record.OfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case 9:
		return record.OfDecimal(big.NewInt(n), int32(n%40))
	case 10:
		return record.OfInstant(n)
	case 11:
		return record.OfBigInt(new(big.Int).Lsh(big.NewInt(n), 70))
	case 13:
		return record.OfArray(elements(int(n&3) % 3))
	case 14:
		return record.OfMap(elements(2 * (int(n&3) % 3)))
	case 15:
		return record.OfStruct(elements(int(n&3) % 3))
	default:
		return record.Value{}
	}
}

func drawBatch(t *rapid.T) *record.Batch {
	b := record.NewBatch(record.FromSource, &record.Partitions{})
	for range rapid.IntRange(0, 6).Draw(t, "records") {
		r := b.Append()
		r.Topic, r.Partition, r.Timestamp = rapid.String().Draw(t, "topic"), rapid.Int32().Draw(t, "partition"), rapid.Int64().Draw(t, "time")
		r.LogAppend = rapid.Bool().Draw(t, "append")
		for _, d := range []*record.Datum{&r.Key, &r.Value} {
			d.Value = drawValue(t, 2)
			if rapid.Bool().Draw(t, "schema") {
				d.Schema = drawSchema(t, 2)
			}
		}
		for range rapid.IntRange(0, 2).Draw(t, "headers") {
			r.Headers = append(r.Headers, record.Header{Key: rapid.String().Draw(t, "header"), Datum: record.Datum{Schema: record.Required(record.String), Value: drawValue(t, 1)}})
		}
		r.Position = record.Position{Partition: b.Partitions.Intern(Partition(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "source"))), Offset: drawValue(t, 1)}
		if rapid.IntRange(0, 3).Draw(t, "boundary") == 0 {
			b.EndTransaction(rapid.Bool().Draw(t, "abort"))
		}
	}
	for i := range b.Records {
		switch rapid.IntRange(0, 5).Draw(t, "mark") {
		case 0:
			b.Drop(i)
		case 1:
			b.Fail(i, errors.New("bad"))
		case 2:
			b.Hide(i)
		}
	}
	return b
}

func sameDatum(a, b record.Datum) bool { return a.Schema.Equal(b.Schema) && a.Value.Equal(b.Value) }

func TestBatchCrossesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLink()
		from := drawBatch(t)
		to := record.NewBatch(record.FromSource, &record.Partitions{})
		to.Partitions.Intern(Partition("c")) // so that numbers differ
		l.batch(from, to)
		if len(to.Records) != len(from.Records) {
			t.Fatalf("got %d records, want %d", len(to.Records), len(from.Records))
		}
		for i := range from.Records {
			a, b := from.Records[i], to.Records[i]
			ok := a.Topic == b.Topic && a.Partition == b.Partition && a.LogAppend == b.LogAppend && a.Timestamp == b.Timestamp &&
				sameDatum(a.Key, b.Key) && sameDatum(a.Value, b.Value) && len(a.Headers) == len(b.Headers) && a.Position.Offset.Equal(b.Position.Offset) &&
				from.Partitions.At(a.Position.Partition).Equal(to.Partitions.At(b.Position.Partition))
			for j := range a.Headers {
				ok = ok && a.Headers[j].Key == b.Headers[j].Key && sameDatum(a.Headers[j].Datum, b.Headers[j].Datum)
			}
			if !ok || from.Live(i) != to.Live(i) || from.Dropped(i) != to.Dropped(i) {
				t.Fatalf("record %d: got %s, live %v; want %s, live %v", i, Text(to.Partitions, &b), to.Live(i), Text(from.Partitions, &a), from.Live(i))
			}
		}
		if d := cmp.Diff(from.Boundaries(), to.Boundaries()); d != "" {
			t.Fatalf("boundaries (-want +got):\n%s", d)
		}
		if len(from.Failures()) != len(to.Failures()) {
			t.Fatalf("got %d failures, want %d", len(to.Failures()), len(from.Failures()))
		}
		for i, f := range from.Failures() {
			if g := to.Failures()[i]; g.Index != f.Index || g.Err.Error() != f.Err.Error() {
				t.Fatalf("failure %d: got %v, want %v", i, g, f)
			}
		}
	})
}

func TestSchemasComeOutAsOnePointer(t *testing.T) {
	t.Parallel()
	l := newLink()
	build := func(doc string, params ...string) *record.Schema {
		b := record.Build(record.Struct).Named("s").Documented(doc)
		for _, p := range params {
			b.Param(p, p)
		}
		return b.Field("a", record.BuildArray(record.Required(record.Int32)).MustBuild()).Field("b", record.OptionalOf(record.String)).MustBuild()
	}
	cross := func(s *record.Schema) (out *record.Schema) {
		l.cross(nil, func(w *writer) { w.schema(s) }, func(r *reader) { out = r.schema() })
		return out
	}
	a := cross(build("d", "x", "y"))
	if b := cross(build("d", "y", "x")); a != b {
		t.Error("equal schemas came out as two")
	}
	if b := cross(build("e", "x", "y")); a == b {
		t.Error("different schemas came out as one")
	}
	if got := cross(record.Required(record.Int32)); got != record.Required(record.Int32) {
		t.Error("a plain schema came out as another pointer")
	}
	if got := a.Fields[1].Schema; got != record.OptionalOf(record.String) {
		t.Error("the plain schema of a field came out as another pointer")
	}
	if cross(nil) != nil {
		t.Error("no schema came out as one")
	}
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	l := newLink()
	cause := errors.New("cause")
	if l.err(nil) != nil {
		t.Error("no error came out as one")
	}
	for _, err := range []error{
		cause, plugin.Retry(cause, 3*time.Second), plugin.Permanent(cause), fmt.Errorf("around: %w", plugin.Retry(cause, 0)),
		errors.Join(plugin.Invalid("a", "1", "x"), plugin.Invalid("b", "2", "y")), plugin.Data("field %d", 1),
		fmt.Errorf("w: %w", &fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}), context.Canceled,
		fmt.Errorf("w: %w", context.DeadlineExceeded), fs.ErrNotExist, plugin.Retry(plugin.Permanent(cause), time.Second),
	} {
		got := l.err(err)
		if got.Error() != err.Error() {
			t.Errorf("text: got %q, want %q", got, err)
		}
		after, retry := plugin.IsRetry(got)
		if wantAfter, want := plugin.IsRetry(err); after != wantAfter || retry != want {
			t.Errorf("%v: retry: got %v after %v, want %v after %v", err, retry, after, want, wantAfter)
		}
		_, permanent := errors.AsType[*plugin.PermanentError](got)
		if _, want := errors.AsType[*plugin.PermanentError](err); permanent != want {
			t.Errorf("%v: permanent: got %v, want %v", err, permanent, want)
		}
		_, data := errors.AsType[*plugin.DataError](got)
		if _, want := errors.AsType[*plugin.DataError](err); data != want {
			t.Errorf("%v: data error: got %v, want %v", err, data, want)
		}
		for _, k := range known {
			if errors.Is(got, k) != errors.Is(err, k) {
				t.Errorf("%v is %v: got %v", err, k, errors.Is(got, k))
			}
		}
		var a, b []plugin.ConfigError
		eachConfigError(err, func(c *plugin.ConfigError) { a = append(a, *c) })
		eachConfigError(got, func(c *plugin.ConfigError) { b = append(b, *c) })
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%v: config errors (-want +got):\n%s", err, d)
		}
	}
}
