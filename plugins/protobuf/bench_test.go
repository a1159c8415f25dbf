package protobuf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// TestAllocProtobuf: once the schema is known, neither writing nor reading allocates.
func TestAllocProtobuf(t *testing.T) {
	plugintest.NewCodec(t, converter(t, registrytest.Start(t).URL(), nil)).AllocatesNothing(t)
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
	c, m := converter(t, registrytest.Start(t).URL(), nil).(plugin.MessageConverter), plugin.Message{Topic: "t"}
	ctx := t.Context()
	message, err := c.AppendMessage(ctx, []byte{}, &m, record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfMap(texts), record.OfMap(numbers)})})
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	var a record.Arena
	if n := testing.AllocsPerRun(100, func() {
		a.Reset()
		if _, err := c.ReadMessage(ctx, &a, &m, message); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("reading allocates %v times, want none", n)
	}
}

// BenchmarkProtobuf writes and reads orders beside dynamicpb, which knows the schema at run time too, and beside the least
// work that could do: a codec of this one shape.
func BenchmarkProtobuf(b *testing.B) {
	reg := registrytest.Start(b)
	c := plugintest.NewCodec(b, converter(b, reg.URL(), nil))
	stored, _ := reg.GetSchema("t-value", 1)
	typ := compiled(b, stored.Schema.Schema).Messages().Get(0)
	generic := make([]proto.Message, len(c.Messages))
	var parsed plugintest.Order
	for i, m := range c.Messages {
		generic[i] = dynamicpb.NewMessage(typ)
		if err := proto.Unmarshal(m[6:], generic[i]); err != nil {
			b.Fatal(err)
		}
		if got := appendOrder(append([]byte{}, m[:6]...), &c.Orders[i]); !bytes.Equal(got, m) {
			b.Fatalf("the limit writes %x, want %x", got, m)
		}
		if err := parseOrder(&parsed, m); err != nil {
			b.Fatal(err)
		}
	}
	buf, prefix := make([]byte, 0, 4096), c.Messages[0][:6]
	b.Run("write", func(b *testing.B) {
		c.BenchWrite(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { appendOrder(append(buf, prefix...), &c.Orders[i]); return nil }},
			plugintest.Way{Name: "dynamicpb", Do: func(i int) error { _, err := proto.MarshalOptions{}.MarshalAppend(buf, generic[i]); return err }})
	})
	b.Run("read", func(b *testing.B) {
		c.BenchRead(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { return parseOrder(&parsed, c.Messages[i]) }},
			plugintest.Way{Name: "dynamicpb", Do: func(i int) error { return proto.Unmarshal(c.Messages[i][6:], dynamicpb.NewMessage(typ)) }})
	})
}

// appendOrder is the limit of writing. What has its default is not written.
func appendOrder(dst []byte, o *plugintest.Order) []byte {
	number := func(tag byte, n int64) {
		if n != 0 {
			dst = binary.AppendUvarint(append(dst, tag), uint64(n))
		}
	}
	text := func(tag byte, s string) { dst = append(binary.AppendUvarint(append(dst, tag), uint64(len(s))), s...) }
	number(1<<3, o.ID)
	text(2<<3|2, o.Customer)
	number(3<<3, int64(o.Count))
	dst = append(dst, 4<<3|2, byte(6+len(o.Amount)), 1<<3|2, byte(len(o.Amount)))
	dst = append(append(dst, o.Amount...), 2<<3, byte(digitsOf(o.Amount)), 3<<3, 2)
	if o.Paid {
		dst = append(dst, 5<<3, 1)
	}
	at := len(dst)
	dst = binary.AppendUvarint(append(dst, 6<<3|2, 0, 1<<3), uint64(o.Created/1000))
	if nanos := o.Created % 1000 * 1_000_000; nanos != 0 {
		dst = binary.AppendUvarint(append(dst, 2<<3), uint64(nanos))
	}
	dst[at+1] = byte(len(dst) - at - 2)
	dst = binary.LittleEndian.AppendUint64(append(dst, 8<<3|1), math.Float64bits(o.Weight))
	for _, t := range o.Tags {
		text(9<<3|2, t)
	}
	dst = append(dst, 10<<3|2, byte(4+len(o.Address.Street)+len(o.Address.City)))
	text(1<<3|2, o.Address.Street)
	text(2<<3|2, o.Address.City)
	return dst
}

func digitsOf(amount []byte) (n int) {
	u := 0
	for _, c := range amount {
		u = u<<8 | int(c)
	}
	for ; u > 0; u /= 10 {
		n++
	}
	return n
}

var errOrder = errors.New("not an order")

// parseOrder is the limit of reading.
func parseOrder(o *plugintest.Order, m []byte) error {
	m = m[6:]
	number := func() int64 {
		n, used := binary.Uvarint(m)
		m = m[used:]
		return int64(n)
	}
	raw := func() []byte {
		n := number()
		b := m[:n]
		m = m[n:]
		return b
	}
	o.Count, o.Paid, o.Created, o.Tags = 0, false, 0, o.Tags[:0]
	for len(m) > 0 {
		switch number() {
		case 1 << 3:
			o.ID = number()
		case 2<<3 | 2:
			o.Customer = record.OfText(raw()).Text()
		case 3 << 3:
			o.Count = int32(number())
		case 4<<3 | 2:
			amount := raw()
			o.Amount = append(o.Amount[:0], amount[2:2+amount[1]]...)
		case 5 << 3:
			o.Paid = number() == 1
		case 6<<3 | 2:
			at := raw()
			seconds, n := binary.Uvarint(at[1:])
			o.Created = int64(seconds) * 1000
			if n+1 < len(at) {
				nanos, _ := binary.Uvarint(at[n+2:])
				o.Created += int64(nanos) / 1_000_000
			}
		case 8<<3 | 1:
			o.Weight, m = math.Float64frombits(binary.LittleEndian.Uint64(m)), m[8:]
		case 9<<3 | 2:
			o.Tags = append(o.Tags, record.OfText(raw()).Text())
		case 10<<3 | 2:
			address := raw()
			n := 2 + address[1]
			o.Address.Street, o.Address.City = record.OfText(address[2:n]).Text(), record.OfText(address[n+2:]).Text()
		default:
			return errOrder
		}
	}
	return nil
}
