package convert_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/convert"
)

// The benchmarks read and write the standard flat record, eight fields in about 200 bytes, and beside that the least work
// that could do: a codec written for JSON of this shape only, which knows no schemas, no settings and no leniences. Ratios
// within one run say more than figures.

const benchBatch = 500

func flatMessages(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 -_.,:;"
	messages := make([][]byte, n)
	for i := range messages {
		b := fmt.Appendf(nil, `{"id":%d,"ts":%d,"user":"user-%d","email":"%d@example.com","country":"NL","amount":%.2f,"active":%t,"note":"`,
			10000000+i, 1761234567000+i, r.IntN(1000000), r.IntN(1000000), float64(r.IntN(10000000))/100+0.01, r.IntN(2) == 0)
		if i%64 == 0 {
			b = append(b, `caf\u00e9 \"q\" é `...)
		}
		for len(b) < 198 {
			b = append(b, letters[r.IntN(len(letters))])
		}
		messages[i] = append(b, `"}`...)
	}
	return messages
}

func flatSchema() *record.Schema {
	return record.Build(record.Struct).Named("flat").
		Field("id", record.Required(record.Int64)).Field("ts", record.Required(record.Int64)).
		Field("user", record.Required(record.String)).Field("email", record.OptionalOf(record.String)).
		Field("country", record.Required(record.String)).Field("amount", record.Required(record.Float64)).
		Field("active", record.Required(record.Boolean)).Field("note", record.OptionalOf(record.String)).MustBuild()
}

func converterOf(tb testing.TB, name string, c plugin.Config) plugin.Converter {
	tb.Helper()
	r, err := plugin.NewRegistry(convert.Descriptors())
	if err != nil {
		tb.Fatal(err)
	}
	d, ok := r.Alias(plugin.ConverterRole, name)
	if !ok {
		tb.Fatalf("no converter %q", name)
	}
	converter := d.NewConverter()
	if err := converter.Configure(c, plugin.ValueUse); err != nil {
		tb.Fatal(err)
	}
	return converter
}

// flatData reads the messages with the schema, so that writing them is what is left.
func flatData(tb testing.TB, messages [][]byte) ([]record.Datum, *record.Arena) {
	tb.Helper()
	schema := flatSchema()
	read := converterOf(tb, "json", plugin.Config{"schemas.enable": "false"})
	a := new(record.Arena)
	data := make([]record.Datum, len(messages))
	for i, m := range messages {
		d, err := read.ReadData(a, "", m)
		if err != nil {
			tb.Fatal(err)
		}
		fields := a.Values(len(schema.Fields))
		for f := range schema.Fields {
			v, ok := d.Value.Get(schema.Fields[f].Name)
			if !ok {
				tb.Fatalf("message %d has no %s", i, schema.Fields[f].Name)
			}
			fields[f] = v
		}
		data[i] = record.Datum{Schema: schema, Value: record.OfStruct(fields)}
	}
	return data, a
}

func BenchmarkJSONWrite(b *testing.B) {
	data, _ := flatData(b, flatMessages(benchBatch))
	for _, schemas := range []string{"false", "true"} {
		b.Run("schemas="+schemas, func(b *testing.B) {
			c := converterOf(b, "json", plugin.Config{"schemas.enable": schemas})
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			i, total := 0, 0
			for b.Loop() {
				out, err := c.AppendData(buf[:0], "orders", data[i%benchBatch])
				if err != nil {
					b.Fatal(err)
				}
				total += len(out)
				i++
			}
			b.ReportMetric(float64(total)/float64(i), "B/record")
		})
	}
}

func BenchmarkJSONWriteLimit(b *testing.B) {
	messages := flatMessages(benchBatch)
	records := make([]limitRecord, len(messages))
	for i, m := range messages {
		if err := records[i].parse(m); err != nil {
			b.Fatal(err)
		}
	}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	i, total := 0, 0
	for b.Loop() {
		total += len(records[i%benchBatch].append(buf[:0]))
		i++
	}
	b.ReportMetric(float64(total)/float64(i), "B/record")
}

func benchmarkRead(b *testing.B, c plugin.Converter, messages [][]byte) {
	b.Helper()
	a := new(record.Arena)
	b.ReportAllocs()
	b.SetBytes(int64(len(bytes.Join(messages, nil)) / len(messages)))
	i := 0
	for b.Loop() {
		if i%benchBatch == 0 {
			a.Reset()
		}
		if _, err := c.ReadData(a, "orders", messages[i%len(messages)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkJSONRead(b *testing.B) {
	messages := flatMessages(benchBatch)
	b.Run("schemaless", func(b *testing.B) {
		benchmarkRead(b, converterOf(b, "json", plugin.Config{"schemas.enable": "false"}), messages)
	})
	b.Run("envelope", func(b *testing.B) {
		data, _ := flatData(b, messages)
		c := converterOf(b, "json", nil)
		wrapped := make([][]byte, len(messages))
		for i, d := range data {
			out, err := c.AppendData([]byte{}, "orders", d)
			if err != nil {
				b.Fatal(err)
			}
			wrapped[i] = out
		}
		benchmarkRead(b, c, wrapped)
	})
	b.Run("schema.content", func(b *testing.B) {
		const content = `{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"int64","field":"ts"},{"type":"string","field":"user"},{"type":"string","field":"email"},{"type":"string","field":"country"},{"type":"double","field":"amount"},{"type":"boolean","field":"active"},{"type":"string","field":"note"}]}`
		benchmarkRead(b, converterOf(b, "json", plugin.Config{"schema.content": content}), messages)
	})
}

func BenchmarkJSONReadLimit(b *testing.B) {
	messages := flatMessages(benchBatch)
	var r limitRecord
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := r.parse(messages[i%benchBatch]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkSimpleHeader(b *testing.B) {
	for _, text := range []string{"trace-7f3a", "12345", "2019-08-23T14:34:54.346Z"} {
		b.Run(text, func(b *testing.B) {
			benchmarkRead(b, converterOf(b, "simple", nil), [][]byte{[]byte(text)})
		})
	}
}

// BenchmarkJSONBesideLimit alternates batches of ours and of the limit, so that whatever else the machine does falls on
// both, and reports how many times the limit's best batch ours takes at its best.
func BenchmarkJSONBesideLimit(b *testing.B) {
	messages := flatMessages(benchBatch)
	data, _ := flatData(b, messages)
	c := converterOf(b, "json", plugin.Config{"schemas.enable": "false"})
	records := make([]limitRecord, len(messages))
	buf := make([]byte, 0, 4096)
	a := new(record.Arena)
	best := map[string]time.Duration{}
	batch := func(name string, one func(i int) error) {
		start := time.Now()
		for i := range messages {
			if err := one(i); err != nil {
				b.Fatal(err)
			}
		}
		if d := time.Since(start); best[name] == 0 || d < best[name] {
			best[name] = d
		}
	}
	for b.Loop() {
		a.Reset()
		batch("read", func(i int) error { _, err := c.ReadData(a, "", messages[i]); return err })
		batch("read limit", func(i int) error { return records[i].parse(messages[i]) })
		batch("write", func(i int) error { _, err := c.AppendData(buf[:0], "", data[i]); return err })
		batch("write limit", func(i int) error { records[i].append(buf[:0]); return nil })
	}
	for _, way := range []string{"read", "write"} {
		b.ReportMetric(float64(best[way])/float64(best[way+" limit"]), way+"/limit")
		b.ReportMetric(float64(best[way])/benchBatch, way+"-ns/record")
	}
}

// limitRecord is the codec of the limit.
type limitRecord struct {
	n      int
	fields [16]limitField
}

type limitField struct {
	name, text string
	num        uint64
	kind       byte
}

var errLimit = errors.New("not the flat record")

func (r *limitRecord) parse(b []byte) error {
	r.n = 0
	if len(b) < 2 || b[0] != '{' {
		return errLimit
	}
	for i := 1; ; i++ {
		name, j, err := plugintest.Quoted(b, i)
		if err != nil || j >= len(b)-1 || b[j] != ':' || r.n == len(r.fields) {
			return errLimit
		}
		f := &r.fields[r.n]
		r.n++
		f.name = name
		if i, err = f.parse(b, j+1); err != nil || i >= len(b) {
			return errLimit
		}
		if b[i] == '}' {
			return nil
		}
		if b[i] != ',' {
			return errLimit
		}
	}
}

func (f *limitField) parse(b []byte, i int) (int, error) {
	switch b[i] {
	case '"':
		text, j, err := plugintest.Quoted(b, i)
		f.text, f.kind = text, 's'
		return j, err
	case 't':
		f.kind, f.num = 'b', 1
		return i + 4, nil
	case 'f':
		f.kind, f.num = 'b', 0
		return i + 5, nil
	}
	start, n, isFloat := i, uint64(0), false
	for ; i < len(b); i++ {
		c := b[i]
		if c-'0' <= 9 {
			n = n*10 + uint64(c-'0')
		} else if c == '.' || c == 'e' {
			isFloat = true
		} else {
			break
		}
	}
	f.kind, f.num = 'i', n
	if isFloat {
		x, err := strconv.ParseFloat(string(b[start:i]), 64)
		if err != nil {
			return i, err
		}
		f.kind, f.num = 'f', math.Float64bits(x)
	}
	return i, nil
}

func (r *limitRecord) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range r.fields[:r.n] {
		f := &r.fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(plugintest.AppendQuoted(dst, f.name), ':')
		switch f.kind {
		case 's':
			dst = plugintest.AppendQuoted(dst, f.text)
		case 'i':
			dst = strconv.AppendInt(dst, int64(f.num), 10)
		case 'b':
			dst = strconv.AppendBool(dst, f.num == 1)
		default:
			dst = strconv.AppendFloat(dst, math.Float64frombits(f.num), 'g', -1, 64)
		}
	}
	return append(dst, '}')
}
