package convert_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/record"
)

// order is the record of ten fields by which converters of several systems were measured.
type order struct {
	ID       int64    `json:"id"`
	Customer string   `json:"customer"`
	Count    int32    `json:"count"`
	Amount   []byte   `json:"amount"`
	Paid     bool     `json:"paid"`
	Created  int64    `json:"created"`
	Note     *string  `json:"note"`
	Weight   float64  `json:"weight"`
	Tags     []string `json:"tags"`
	Address  struct {
		Street string `json:"street"`
		City   string `json:"city"`
	} `json:"address"`
}

func orderSchema() *record.Schema {
	text := record.Required(record.String)
	address := record.Build(record.Struct).Named("com.example.Address").Field("street", text).Field("city", text).MustBuild()
	return record.Build(record.Struct).Named("com.example.Order").
		Field("id", record.Required(record.Int64)).Field("customer", text).Field("count", record.Required(record.Int32)).
		Field("amount", record.DecimalSchema(2)).Field("paid", record.Required(record.Boolean)).Field("created", record.TimestampSchema()).
		Field("note", record.OptionalOf(record.String)).Field("weight", record.Required(record.Float64)).
		Field("tags", record.BuildArray(text).MustBuild()).Field("address", address).MustBuild()
}

func orderDatum(s *record.Schema, o *order) record.Datum {
	return record.Datum{Schema: s, Value: record.OfStruct([]record.Value{
		record.OfInt64(o.ID), record.OfString(o.Customer), record.OfInt32(o.Count), record.OfDecimal(new(big.Int).SetBytes(o.Amount), 2),
		record.OfBool(o.Paid), record.OfInstant(o.Created), {}, record.OfFloat64(o.Weight),
		record.OfArray([]record.Value{record.OfString(o.Tags[0]), record.OfString(o.Tags[1])}),
		record.OfStruct([]record.Value{record.OfString(o.Address.Street), record.OfString(o.Address.City)}),
	})}
}

// BenchmarkJSONEnvelope writes and reads envelopes of that record beside encoding/json and beside the least work that could
// do: a codec of this one shape, for which the schema is bytes to copy or compare. They take turns, and the best batch of each counts.
func BenchmarkJSONEnvelope(b *testing.B) {
	const n = 200
	c, schema, a := converterOf(b, "json", nil), orderSchema(), new(record.Arena)
	orders, data, messages := make([]order, n), make([]record.Datum, n), make([][]byte, n)
	for i := range orders {
		o := &orders[i]
		o.ID, o.Customer, o.Count, o.Amount, o.Paid = int64(1_000_000+i), fmt.Sprintf("customer-%d", i), int32(i), []byte{0x12, 0x34, byte(i)}, i%2 == 0
		o.Created, o.Weight, o.Tags = 1761234567000+int64(i), float64(i)+0.25, []string{"express", "gift"}
		o.Address.Street, o.Address.City = "Main Street 12", "Amsterdam"
		data[i] = orderDatum(schema, o)
		var err error
		if messages[i], err = c.AppendData([]byte{}, "", data[i]); err != nil {
			b.Fatal(err)
		}
	}
	const mark = `"payload":`
	prefix := messages[0][:bytes.Index(messages[0], []byte(mark))+len(mark)]
	rawSchema := json.RawMessage(prefix[len(`{"schema":`) : len(prefix)-len(`,`+mark)])
	if got := append(orders[1].append(append([]byte{}, prefix...)), '}'); !bytes.Equal(got, messages[1]) {
		b.Fatalf("the limit writes %s, want %s", got, messages[1])
	}
	type envelope struct {
		Schema  json.RawMessage `json:"schema"`
		Payload order           `json:"payload"`
	}
	buf := make([]byte, 0, 4096)
	var parsed order
	ways := []struct {
		name string
		one  func(i int) error
	}{
		{"write", func(i int) error { _, err := c.AppendData(buf[:0], "", data[i]); return err }},
		{"write limit", func(i int) error { _ = append(orders[i].append(append(buf[:0], prefix...)), '}'); return nil }},
		{"write encoding/json", func(i int) error { _, err := json.Marshal(envelope{rawSchema, orders[i]}); return err }},
		{"read", func(i int) error { _, err := c.ReadData(a, "", messages[i]); return err }},
		{"read limit", func(i int) error { return parsed.parse(messages[i], prefix) }},
		{"read encoding/json", func(i int) error { var e envelope; return json.Unmarshal(messages[i], &e) }},
	}
	best := map[string]time.Duration{}
	for b.Loop() {
		a.Reset()
		for _, way := range ways {
			start := time.Now()
			for i := range n {
				if err := way.one(i); err != nil {
					b.Fatal(way.name, err)
				}
			}
			if d := time.Since(start); best[way.name] == 0 || d < best[way.name] {
				best[way.name] = d
			}
		}
	}
	for i, way := range []string{"write", "read"} {
		a.Reset()
		b.ReportMetric(testing.AllocsPerRun(100, func() {
			if err := ways[3*i].one(0); err != nil {
				b.Fatal(err)
			}
		}), way+"-allocs/record")
		b.ReportMetric(float64(best[way])/n, way+"-ns/record")
		b.ReportMetric(float64(best[way])/float64(best[way+" limit"]), way+"/limit")
		b.ReportMetric(float64(best[way])/float64(best[way+" encoding/json"]), way+"/encoding-json")
	}
}

// append is the limit of writing.
func (o *order) append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"id":`...), o.ID, 10)
	dst = limitQuote(append(dst, `,"customer":`...), o.Customer)
	dst = strconv.AppendInt(append(dst, `,"count":`...), int64(o.Count), 10)
	dst = append(base64.StdEncoding.AppendEncode(append(dst, `,"amount":"`...), o.Amount), '"')
	dst = strconv.AppendBool(append(dst, `,"paid":`...), o.Paid)
	dst = strconv.AppendInt(append(dst, `,"created":`...), o.Created, 10)
	dst = strconv.AppendFloat(append(dst, `,"note":null,"weight":`...), o.Weight, 'f', -1, 64)
	dst = limitQuote(append(dst, `,"tags":[`...), o.Tags[0])
	dst = limitQuote(append(dst, ','), o.Tags[1])
	dst = limitQuote(append(dst, `],"address":{"street":`...), o.Address.Street)
	return append(limitQuote(append(dst, `,"city":`...), o.Address.City), "}}"...)
}

// parse is the limit of reading.
func (o *order) parse(message, prefix []byte) error {
	p := orderParser{rest: message}
	p.expect(prefix)
	o.ID = p.int(`{"id":`)
	o.Customer = p.text(`,"customer":`)
	o.Count = int32(p.int(`,"count":`))
	amount := p.text(`,"amount":`)
	o.Amount = o.Amount[:0]
	decoded, err := base64.StdEncoding.AppendDecode(o.Amount, []byte(amount))
	o.Amount = decoded
	p.expect([]byte(`,"paid":`))
	o.Paid = bytes.HasPrefix(p.rest, []byte("true"))
	p.rest = p.rest[bytes.IndexByte(p.rest, ','):]
	o.Created = p.int(`,"created":`)
	p.expect([]byte(`,"note":null,"weight":`))
	end := bytes.IndexByte(p.rest, ',')
	var errFloat error
	o.Weight, errFloat = strconv.ParseFloat(string(p.rest[:end]), 64)
	p.rest = p.rest[end:]
	o.Tags = append(o.Tags[:0], p.text(`,"tags":[`), p.text(`,`))
	o.Address.Street, o.Address.City = p.text(`],"address":{"street":`), p.text(`,"city":`)
	if err != nil || errFloat != nil || p.failed || string(p.rest) != "}}}" {
		return errLimit
	}
	return nil
}

type orderParser struct {
	rest   []byte
	failed bool
}

func (p *orderParser) expect(text []byte) {
	if !bytes.HasPrefix(p.rest, text) {
		p.failed = true
		return
	}
	p.rest = p.rest[len(text):]
}

func (p *orderParser) int(before string) (n int64) {
	p.expect([]byte(before))
	i := 0
	for ; i < len(p.rest) && p.rest[i]-'0' <= 9; i++ {
		n = n*10 + int64(p.rest[i]-'0')
	}
	p.rest = p.rest[i:]
	return n
}

func (p *orderParser) text(before string) string {
	p.expect([]byte(before))
	s, end, err := limitString(p.rest, 0)
	p.failed = p.failed || err != nil
	p.rest = p.rest[end:]
	return s
}
