package convert_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// scalars are the converters of single values, each with a value and the least work that writing and reading it could do.
var scalars = []struct {
	name  string
	value record.Value
	write func(dst []byte) []byte
	read  func(src []byte) uint64
}{
	{"short", record.OfInt16(300), func(dst []byte) []byte { return binary.BigEndian.AppendUint16(dst, 300) },
		func(src []byte) uint64 { return uint64(binary.BigEndian.Uint16(src)) }},
	{"integer", record.OfInt32(300), func(dst []byte) []byte { return binary.BigEndian.AppendUint32(dst, 300) },
		func(src []byte) uint64 { return uint64(binary.BigEndian.Uint32(src)) }},
	{"long", record.OfInt64(300), func(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, 300) }, binary.BigEndian.Uint64},
	{"float", record.OfFloat32(1.5), func(dst []byte) []byte { return binary.BigEndian.AppendUint32(dst, math.Float32bits(1.5)) },
		func(src []byte) uint64 { return uint64(binary.BigEndian.Uint32(src)) }},
	{"double", record.OfFloat64(1.5), func(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, math.Float64bits(1.5)) }, binary.BigEndian.Uint64},
	{"boolean", record.OfBool(true), func(dst []byte) []byte { return append(dst, 1) }, func(src []byte) uint64 { return uint64(src[0]) }},
	{"bytes", record.OfBytes([]byte("twenty bytes of data")), func(dst []byte) []byte { return append(dst, "twenty bytes of data"...) },
		func(src []byte) uint64 { return uint64(len(src)) }},
	{"string", record.OfString("twenty bytes of text"), func(dst []byte) []byte { return append(dst, "twenty bytes of text"...) },
		func(src []byte) uint64 { return uint64(len(src)) }},
	{"simple", record.OfString("twenty bytes of text"), func(dst []byte) []byte { return append(dst, "twenty bytes of text"...) },
		func(src []byte) uint64 { return uint64(len(src)) }},
}

// BenchmarkScalars writes and reads single values beside the limit.
func BenchmarkScalars(b *testing.B) {
	const n = 1000
	for _, s := range scalars {
		c, buf, a, sum := converterOf(b, s.name, nil), make([]byte, 0, 64), new(record.Arena), uint64(0)
		d := record.Datum{Value: s.value}
		message := s.write(nil)
		b.Run(s.name+"/write", func(b *testing.B) {
			plugintest.Race(b, n,
				plugintest.Way{Name: "ours", Do: func(int) error { _, err := c.AppendData(buf, "t", d); return err }},
				plugintest.Way{Name: "limit", Do: func(int) error { sum += uint64(len(s.write(buf))); return nil }})
		})
		b.Run(s.name+"/read", func(b *testing.B) {
			plugintest.Race(b, n,
				plugintest.Way{Name: "ours", Do: func(int) error { a.Reset(); _, err := c.ReadData(a, "t", message); return err }},
				plugintest.Way{Name: "limit", Do: func(int) error { sum += s.read(message); return nil }})
		})
		if sum == 0 {
			b.Fatal("the limit did nothing")
		}
	}
}

// TestAllocScalars: single values cost no allocation, but for what a header's text may turn out to be.
func TestAllocScalars(t *testing.T) {
	for _, s := range scalars {
		if s.name == "simple" {
			continue
		}
		c, buf, a, d, message := converterOf(t, s.name, nil), make([]byte, 0, 64), new(record.Arena), record.Datum{Value: s.value}, s.write(nil)
		if n := testing.AllocsPerRun(100, func() {
			a.Reset()
			if _, err := c.AppendData(buf, "t", d); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadData(a, "t", message); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want none", s.name, n)
		}
	}
}
