package avro_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	theirs "github.com/twmb/avro"

	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// TestAllocAvro: once the schema is known, neither writing nor reading allocates.
func TestAllocAvro(t *testing.T) {
	plugintest.NewCodec(t, converter(t, registrytest.Start(t).URL(), nil)).AllocatesNothing(t)
}

// BenchmarkAvro writes and reads orders beside another library, which has maps for records, and beside the least work that
// could do: a codec of this one shape.
func BenchmarkAvro(b *testing.B) {
	reg := registrytest.Start(b)
	c := plugintest.NewCodec(b, converter(b, reg.URL(), nil))
	stored, _ := reg.GetSchema("t-value", 1)
	library := theirs.MustParse(stored.Schema.Schema)
	generic := make([]any, len(c.Messages))
	var parsed plugintest.Order
	for i, m := range c.Messages {
		if _, err := library.Decode(m[5:], &generic[i]); err != nil {
			b.Fatal(err)
		}
		if got := appendOrder(append([]byte{}, m[:5]...), &c.Orders[i]); !bytes.Equal(got, m) {
			b.Fatalf("the limit writes %x, want %x", got, m)
		}
		if err := parseOrder(&parsed, m); err != nil {
			b.Fatal(err)
		}
	}
	buf, prefix := make([]byte, 0, 4096), c.Messages[0][:5]
	b.Run("write", func(b *testing.B) {
		c.BenchWrite(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { appendOrder(append(buf, prefix...), &c.Orders[i]); return nil }},
			plugintest.Way{Name: "library", Do: func(i int) error { _, err := library.AppendEncode(buf, generic[i]); return err }})
	})
	b.Run("read", func(b *testing.B) {
		c.BenchRead(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { return parseOrder(&parsed, c.Messages[i]) }},
			plugintest.Way{Name: "library", Do: func(i int) error { var v any; _, err := library.Decode(c.Messages[i][5:], &v); return err }})
	})
}

// appendOrder is the limit of writing.
func appendOrder(dst []byte, o *plugintest.Order) []byte {
	text := func(s string) { dst = append(binary.AppendVarint(dst, int64(len(s))), s...) }
	dst = binary.AppendVarint(dst, o.ID)
	text(o.Customer)
	dst = binary.AppendVarint(dst, int64(o.Count))
	dst = append(binary.AppendVarint(dst, int64(len(o.Amount))), o.Amount...)
	dst = append(dst, boolean(o.Paid))
	dst = binary.AppendVarint(dst, o.Created)
	dst = append(dst, 0)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(o.Weight))
	dst = binary.AppendVarint(dst, int64(len(o.Tags)))
	for _, t := range o.Tags {
		text(t)
	}
	dst = append(dst, 0)
	text(o.Address.Street)
	text(o.Address.City)
	return dst
}

var errOrder = errors.New("not an order")

// parseOrder is the limit of reading.
func parseOrder(o *plugintest.Order, m []byte) error {
	m = m[5:]
	long := func() int64 {
		n, used := binary.Varint(m)
		m = m[used:]
		return n
	}
	raw := func() []byte {
		n := long()
		b := m[:n]
		m = m[n:]
		return b
	}
	text := func() string { return record.OfText(raw()).Text() }
	o.ID = long()
	o.Customer = text()
	o.Count = int32(long())
	o.Amount = append(o.Amount[:0], raw()...)
	o.Paid, m = m[0] == 1, m[1:]
	o.Created = long()
	if long() != 0 {
		return errOrder
	}
	o.Weight, m = math.Float64frombits(binary.LittleEndian.Uint64(m)), m[8:]
	o.Tags = o.Tags[:0]
	for n := long(); n > 0; n = long() {
		for range n {
			o.Tags = append(o.Tags, text())
		}
	}
	o.Address.Street, o.Address.City = text(), text()
	if len(m) != 0 {
		return errOrder
	}
	return nil
}

func boolean(b bool) byte {
	if b {
		return 1
	}
	return 0
}
