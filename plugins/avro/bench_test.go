package avro_test

import (
	"math/big"
	"testing"

	theirs "github.com/twmb/avro"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// tenFields is a record of ten fields: numbers, texts, a decimal, a timestamp, an empty optional, an array and a struct.
func tenFields() record.Datum {
	text := record.Required(record.String)
	inner := record.Build(record.Struct).Named("com.example.Address").Field("street", text).Field("city", text).MustBuild()
	s := record.Build(record.Struct).Named("com.example.Order").
		Field("id", record.Required(record.Int64)).Field("name", text).Field("count", record.Required(record.Int32)).
		Field("price", record.DecimalSchema(2)).Field("paid", record.Required(record.Boolean)).
		Field("at", record.Build(record.Int64).Named(record.TimestampName).Versioned(1).MustBuild()).
		Field("note", record.OptionalOf(record.String)).Field("weight", record.Required(record.Float64)).
		Field("tags", record.BuildArray(text).MustBuild()).Field("address", inner).MustBuild()
	return record.Datum{Schema: s, Value: record.OfStruct([]record.Value{
		record.OfInt64(1234567), record.OfString("a name of twenty let"), record.OfInt32(42), record.OfDecimal(big.NewInt(129999), 2), record.OfBool(true),
		record.OfInstant(1761234567890), {}, record.OfFloat64(1.25), record.OfArray([]record.Value{record.OfString("red"), record.OfString("blue")}),
		record.OfStruct([]record.Value{record.OfString("Main Street 5"), record.OfString("Utrecht")}),
	})}
}

type codec struct {
	plugin.MessageConverter
	m       plugin.Message
	message []byte
	schema  *theirs.Schema
	generic any
}

func newCodec(tb testing.TB, d record.Datum) *codec {
	tb.Helper()
	reg := registryOf(tb)
	c := &codec{MessageConverter: converter(tb, reg.URL(), nil).(plugin.MessageConverter), m: plugin.Message{Topic: "t"}}
	var err error
	if c.message, err = c.AppendMessage(tb.Context(), []byte{}, &c.m, d); err != nil {
		tb.Fatal(err)
	}
	stored, _ := reg.GetSchema("t-value", 1)
	c.schema = theirs.MustParse(stored.Schema.Schema)
	if _, err := c.schema.Decode(c.message[5:], &c.generic); err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestAllocations: once the schema is known, neither writing nor reading allocates.
func TestAllocAvro(t *testing.T) {
	d := tenFields()
	c := newCodec(t, d)
	buf := make([]byte, 0, 256)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.AppendMessage(ctx, buf, &c.m, d); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("writing allocates %v times, want none", n)
	}
	var a record.Arena
	if n := testing.AllocsPerRun(100, func() {
		a.Reset()
		if _, err := c.ReadMessage(ctx, &a, &c.m, c.message); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("reading allocates %v times, want none", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	d := tenFields()
	c := newCodec(b, d)
	ctx := b.Context()
	buf := make([]byte, 0, 256)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.AppendMessage(ctx, buf, &c.m, d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.schema.AppendEncode(buf, c.generic); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	c := newCodec(b, tenFields())
	ctx := b.Context()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		var a record.Arena
		n := 0
		for b.Loop() {
			if n++; n%500 == 0 {
				a.Reset()
			}
			if _, err := c.ReadMessage(ctx, &a, &c.m, c.message); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if _, err := c.schema.Decode(c.message[5:], &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
