package protobuf_test

import (
	"math/big"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

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
	typ     protoreflect.MessageDescriptor
}

func newCodec(tb testing.TB, d record.Datum) *codec {
	tb.Helper()
	reg := registryOf(tb)
	c := &codec{MessageConverter: converter(tb, reg.URL(), nil).(plugin.MessageConverter), m: plugin.Message{Topic: "t"}}
	var err error
	if c.message, err = c.AppendMessage(tb.Context(), []byte{}, &c.m, d); err != nil {
		tb.Fatal(errorsOf(err))
	}
	stored, _ := reg.GetSchema("t-value", 1)
	c.typ = compiled(tb, stored.Schema.Schema).Messages().Get(0)
	return c
}

// TestAllocProtobuf: once the schema is known, neither writing nor reading allocates.
func TestAllocProtobuf(t *testing.T) {
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

// TestAllocMap: a map of many entries costs no more than a small one.
func TestAllocMap(t *testing.T) {
	s := record.Build(record.Struct).Named("M").
		Field("a", record.BuildMap(record.Required(record.String), record.Required(record.Int64)).Named("a").MustBuild()).
		Field("b", record.BuildMap(record.Required(record.Int32), record.Required(record.Int64)).Named("b").MustBuild()).MustBuild()
	var texts, numbers []record.Value
	for i := range 100 {
		texts = append(texts, record.OfString("key "+strconv.Itoa(i)), record.OfInt64(int64(i)))
		numbers = append(numbers, record.OfInt32(int32(i)), record.OfInt64(int64(i)))
	}
	c := newCodec(t, record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfMap(texts), record.OfMap(numbers)})})
	var a record.Arena
	ctx := t.Context()
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
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.AppendMessage(ctx, buf, &c.m, d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("dynamicpb", func(b *testing.B) {
		m := dynamicpb.NewMessage(c.typ)
		if err := proto.Unmarshal(c.message[6:], m); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := (proto.MarshalOptions{}).MarshalAppend(buf, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	d := tenFields()
	c := newCodec(b, d)
	ctx := b.Context()
	b.Run("own", func(b *testing.B) {
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
	b.Run("dynamicpb", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(c.message[6:], dynamicpb.NewMessage(c.typ)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
