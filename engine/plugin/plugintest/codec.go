package plugintest

import (
	"context"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Codec is a converter with orders as data and as the messages that it makes of them, to measure it by. It is of one
// goroutine, as converters are.
type Codec struct {
	Orders   []Order
	Data     []record.Datum
	Messages [][]byte

	plain   plugin.Converter
	message plugin.MessageConverter // plain, where it is one
	meta    plugin.Message
	arena   *record.Arena
	buf     []byte
}

// orders is how many a codec has.
const orders = 200

// NewCodec has a converter write the orders. The converter is one for values of topic t.
func NewCodec(tb testing.TB, c plugin.Converter) *Codec {
	tb.Helper()
	codec := &Codec{
		Orders: Orders(orders), plain: c, meta: plugin.Message{Topic: "t"}, arena: new(record.Arena), buf: make([]byte, 0, 4096),
	}
	codec.message, _ = c.(plugin.MessageConverter)
	schema := OrderSchema()
	for i := range codec.Orders {
		d := codec.Orders[i].Datum(schema)
		codec.Data = append(codec.Data, d)
		m, err := codec.append(tb.Context(), nil, d)
		if err != nil {
			tb.Fatal(err)
		}
		codec.Messages = append(codec.Messages, m)
		back, err := codec.read(tb.Context(), m)
		if err != nil {
			tb.Fatal(err)
		}
		if len(back.Value.Elements()) != len(schema.Fields) {
			tb.Fatalf("order %d comes back with %d fields, want %d", i, len(back.Value.Elements()), len(schema.Fields))
		}
	}
	return codec
}

func (c *Codec) append(ctx context.Context, dst []byte, d record.Datum) ([]byte, error) {
	if c.message == nil {
		return c.plain.AppendData(dst, c.meta.Topic, d)
	}
	return c.message.AppendMessage(ctx, dst, &c.meta, d)
}

func (c *Codec) read(ctx context.Context, m []byte) (record.Datum, error) {
	if c.message == nil {
		return c.plain.ReadData(c.arena, c.meta.Topic, m)
	}
	return c.message.ReadMessage(ctx, c.arena, &c.meta, m)
}

// AllocatesNothing is a gate: once the schema is known, neither writing nor reading allocates.
func (c *Codec) AllocatesNothing(t *testing.T) {
	t.Helper()
	i, ctx := 0, t.Context()
	each := func(what string, do func() error) {
		if n := testing.AllocsPerRun(len(c.Data), func() {
			if i = (i + 1) % len(c.Data); i == 0 {
				c.arena.Reset()
			}
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times a record, want never", what, n)
		}
	}
	each("writing", func() error { _, err := c.append(ctx, c.buf, c.Data[i]); return err })
	each("reading", func() error { _, err := c.read(ctx, c.Messages[i]); return err })
}

// Way is one way to do number i of some work.
type Way struct {
	Name string
	Do   func(i int) error
}

// BenchWrite has the codec and other ways, such as the least work that could do and somebody else's library, write the
// orders in turns.
func (c *Codec) BenchWrite(b *testing.B, others ...Way) {
	b.Helper()
	ctx := b.Context()
	Race(b, len(c.Data), Way{"ours", func(i int) error { _, err := c.append(ctx, c.buf, c.Data[i]); return err }}, others...)
}

// BenchRead is BenchWrite for reading.
func (c *Codec) BenchRead(b *testing.B, others ...Way) {
	b.Helper()
	ctx := b.Context()
	Race(b, len(c.Data), Way{"ours", func(i int) error {
		if i == 0 {
			c.arena.Reset()
		}
		_, err := c.read(ctx, c.Messages[i])
		return err
	}}, others...)
}

// Race lets ways do the same n pieces of work in turns, so that whatever else the machine does falls on all of them, and the
// best turn of each counts. It reports the time and the allocations of ours a record, and how many times the time of each
// other way it takes.
func Race(b *testing.B, n int, ours Way, others ...Way) {
	b.Helper()
	best := make([]time.Duration, 1+len(others))
	ways := append([]Way{ours}, others...)
	for b.Loop() {
		for w, way := range ways {
			start := time.Now()
			for i := range n {
				if err := way.Do(i); err != nil {
					b.Fatalf("%s: %v", way.Name, err)
				}
			}
			if d := time.Since(start); best[w] == 0 || d < best[w] {
				best[w] = d
			}
		}
	}
	at := 0
	allocations := testing.AllocsPerRun(n, func() {
		if err := ours.Do(at % n); err != nil {
			b.Fatal(err)
		}
		at++
	})
	b.ReportMetric(0, "ns/op") // of all ways together, it says nothing
	b.ReportMetric(float64(best[0])/float64(n), "ns/record")
	b.ReportMetric(allocations, "allocs/record")
	for w, way := range others {
		b.ReportMetric(float64(best[0])/float64(best[w+1]), "/"+way.Name)
	}
}
