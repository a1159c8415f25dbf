package jsonschema_test

import (
	"encoding/json"
	"math/big"
	"testing"

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
		Field("at", record.TimestampSchema()).
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
	generic map[string]any
}

func newCodec(tb testing.TB, d record.Datum, config plugin.Config) *codec {
	tb.Helper()
	c := &codec{MessageConverter: converter(tb, registryOf(tb).URL(), config).(plugin.MessageConverter), m: plugin.Message{Topic: "t"}}
	var err error
	if c.message, err = c.AppendMessage(tb.Context(), []byte{}, &c.m, d); err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(c.message[5:], &c.generic); err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestAllocJSONSchema: once the schema is known, neither writing nor reading allocates.
func TestAllocJSONSchema(t *testing.T) {
	d := tenFields()
	c := newCodec(t, d, nil)
	buf := make([]byte, 0, 512)
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
	buf := make([]byte, 0, 512)
	ctx := b.Context()
	c := newCodec(b, d, nil)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.AppendMessage(ctx, buf, &c.m, d); err != nil {
				b.Fatal(err)
			}
		}
	})
	v := newCodec(b, d, plugin.Config{"json.fail.invalid.schema": "true"})
	b.Run("validated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.AppendMessage(ctx, buf, &v.m, d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(c.generic); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	ctx := b.Context()
	c := newCodec(b, tenFields(), nil)
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
			var v map[string]any
			if err := json.Unmarshal(c.message[5:], &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
