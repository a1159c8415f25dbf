package plugintest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/record"
)

// Order is the record by which converters are measured: ten fields, with numbers, texts, a decimal, a timestamp, an optional
// one that is null, an array and a struct. Its methods on JSON are the least work that a converter of JSON could do: a codec
// of this one shape, which knows no schema, no settings and no leniences.
type Order struct {
	ID       int64    `json:"id"`
	Customer string   `json:"customer"`
	Count    int32    `json:"count"`
	Amount   []byte   `json:"amount"` // the digits of a decimal of scale 2
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

// Orders makes n orders.
func Orders(n int) []Order {
	orders := make([]Order, n)
	for i := range orders {
		o := &orders[i]
		o.ID, o.Customer, o.Count, o.Amount, o.Paid = int64(1_000_000+i), fmt.Sprintf("customer-%d", i), int32(i), []byte{0x12, 0x34, byte(i)}, i%2 == 0
		o.Created, o.Weight, o.Tags = 1761234567000+int64(i), float64(i)+0.25, []string{"express", "gift"}
		o.Address.Street, o.Address.City = "Main Street 12", "Amsterdam"
	}
	return orders
}

// OrderSchema is the schema of an order.
func OrderSchema() *record.Schema {
	text := record.Required(record.String)
	address := record.Build(record.Struct).Named("com.example.Address").Field("street", text).Field("city", text).MustBuild()
	return record.Build(record.Struct).Named("com.example.Order").
		Field("id", record.Required(record.Int64)).Field("customer", text).Field("count", record.Required(record.Int32)).
		Field("amount", record.DecimalSchema(2)).Field("paid", record.Required(record.Boolean)).Field("created", record.TimestampSchema()).
		Field("note", record.OptionalOf(record.String)).Field("weight", record.Required(record.Float64)).
		Field("tags", record.BuildArray(text).MustBuild()).Field("address", address).MustBuild()
}

// Datum is the order as data of the schema, which is that of OrderSchema.
func (o *Order) Datum(s *record.Schema) record.Datum {
	tags := make([]record.Value, len(o.Tags))
	for i, t := range o.Tags {
		tags[i] = record.OfString(t)
	}
	return record.Datum{Schema: s, Value: record.OfStruct([]record.Value{
		record.OfInt64(o.ID), record.OfString(o.Customer), record.OfInt32(o.Count), record.OfDecimal(new(big.Int).SetBytes(o.Amount), 2),
		record.OfBool(o.Paid), record.OfInstant(o.Created), {}, record.OfFloat64(o.Weight), record.OfArray(tags),
		record.OfStruct([]record.Value{record.OfString(o.Address.Street), record.OfString(o.Address.City)}),
	})}
}

// AppendJSON is the limit of writing.
func (o *Order) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"id":`...), o.ID, 10)
	dst = AppendQuoted(append(dst, `,"customer":`...), o.Customer)
	dst = strconv.AppendInt(append(dst, `,"count":`...), int64(o.Count), 10)
	dst = append(base64.StdEncoding.AppendEncode(append(dst, `,"amount":"`...), o.Amount), '"')
	dst = strconv.AppendBool(append(dst, `,"paid":`...), o.Paid)
	dst = strconv.AppendInt(append(dst, `,"created":`...), o.Created, 10)
	dst = strconv.AppendFloat(append(dst, `,"note":null,"weight":`...), o.Weight, 'f', -1, 64)
	dst = AppendQuoted(append(dst, `,"tags":[`...), o.Tags[0])
	dst = AppendQuoted(append(dst, ','), o.Tags[1])
	dst = AppendQuoted(append(dst, `],"address":{"street":`...), o.Address.Street)
	return append(AppendQuoted(append(dst, `,"city":`...), o.Address.City), "}}"...)
}

var errOrder = errors.New("not an order")

// ParseJSON is the limit of reading, of a message that has prefix before the order and suffix behind it.
func (o *Order) ParseJSON(message, prefix []byte, suffix string) error {
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
	if err != nil || errFloat != nil || p.failed || string(p.rest) != "}}"+suffix {
		return errOrder
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
	s, end, err := Quoted(p.rest, 0)
	p.failed = p.failed || err != nil
	p.rest = p.rest[end:]
	return s
}

// Quoted is the string of JSON that begins at i of b, and where it ends. The string refers to b unless it has escapes.
func Quoted(b []byte, i int) (text string, end int, err error) {
	if i >= len(b) || b[i] != '"' {
		return "", i, errOrder
	}
	start := i + 1
	escaped, wide := false, false
	for i = start; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if wide && !utf8.Valid(b[start:i]) {
				return "", i, errOrder
			}
			if !escaped {
				return record.OfText(b[start:i]).Text(), i + 1, nil
			}
			s, err := strconv.Unquote(string(b[start-1 : i+1]))
			return s, i + 1, err
		case c == '\\':
			escaped = true
			i++
		case c >= 0x80:
			wide = true
		case c < ' ':
			return "", i, errOrder
		}
	}
	return "", i, errOrder
}

// AppendQuoted appends a string in quotes, with a backslash before what needs one.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(append(dst, s[start:i]...), '\\', s[i])
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}
