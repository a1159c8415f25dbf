package task

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/record"
)

// sourceText is a record as Kafka Connect's log lines have it (SourceRecord.toString), key and value included: it is used
// only where errors.log.include.messages asks for that.
func sourceText(b *record.Batch, i int) string {
	r := &b.Records[i]
	var s strings.Builder
	s.WriteString("source record is = SourceRecord{sourcePartition=")
	writeValue(&s, nil, b.Partitions.At(r.Position.Partition))
	s.WriteString(", sourceOffset=")
	writeValue(&s, nil, r.Position.Offset)
	fmt.Fprintf(&s, "} ConnectRecord{topic='%s', kafkaPartition=%s, key=", r.Topic, orNull(int64(r.Partition)))
	writeDatum(&s, r.Key)
	s.WriteString(", keySchema=")
	writeSchema(&s, r.Key.Schema)
	s.WriteString(", value=")
	writeDatum(&s, r.Value)
	s.WriteString(", valueSchema=")
	writeSchema(&s, r.Value.Schema)
	fmt.Fprintf(&s, ", timestamp=%s, headers=ConnectHeaders(headers=", orNull(r.Timestamp))
	for n, h := range r.Headers {
		if n > 0 {
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "ConnectHeader(key=%s, value=", h.Key)
		writeDatum(&s, h.Datum)
		s.WriteString(", schema=")
		writeSchema(&s, h.Schema)
		s.WriteByte(')')
	}
	s.WriteString(")}")
	return s.String()
}

// coordinates is where a record came from, in the words of its topic or its source; nothing of its content is in it.
func coordinates(b *record.Batch, i int) string {
	p := b.Records[i].Position
	var s strings.Builder
	if n := int(p.Partition); n >= 0 && n < b.Partitions.Len() {
		writeValue(&s, nil, b.Partitions.At(p.Partition))
	}
	s.WriteString(" at ")
	writeValue(&s, nil, p.Offset)
	return s.String()
}

func orNull(n int64) string {
	if n < 0 {
		return "null"
	}
	return strconv.FormatInt(n, 10)
}

func writeSchema(s *strings.Builder, schema *record.Schema) {
	if schema == nil {
		s.WriteString("null")
		return
	}
	s.WriteString(schema.String())
}

func writeDatum(s *strings.Builder, d record.Datum) { writeValue(s, d.Schema, d.Value) }

// writeValue writes a value as Java's toString does, a byte array by its length. schema may be nil but for structs.
func writeValue(s *strings.Builder, schema *record.Schema, v record.Value) {
	switch k := v.Kind(); k {
	case record.Null:
		s.WriteString("null")
	case record.Boolean:
		s.WriteString(strconv.FormatBool(v.Bool()))
	case record.String:
		s.WriteString(v.Text())
	case record.Bytes:
		fmt.Fprintf(s, "[%d bytes]", len(v.Bytes()))
	case record.Float32, record.Float64:
		s.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case record.Decimal:
		d := v.Decimal()
		fmt.Fprintf(s, "%sE%d", d.Unscaled, -d.Scale)
	case record.BigInt:
		s.WriteString(v.BigInt().String())
	case record.Struct:
		writeStruct(s, schema, v)
	case record.Array:
		writeArray(s, elem(schema), v)
	case record.Map:
		writeMap(s, elem(schema), v)
	case record.Int8, record.Int16, record.Int32, record.Int64, record.Instant:
		s.WriteString(strconv.FormatInt(v.Int(), 10))
	}
}

func writeArray(s *strings.Builder, elem *record.Schema, v record.Value) {
	s.WriteByte('[')
	for i, e := range v.Elements() {
		if i > 0 {
			s.WriteString(", ")
		}
		writeValue(s, elem, e)
	}
	s.WriteByte(']')
}

func writeMap(s *strings.Builder, elem *record.Schema, v record.Value) {
	s.WriteByte('{')
	for i, e := range v.Elements() {
		switch {
		case i%2 == 1:
			s.WriteByte('=')
		case i > 0:
			s.WriteString(", ")
		}
		writeValue(s, elem, e)
	}
	s.WriteByte('}')
}

func writeStruct(s *strings.Builder, schema *record.Schema, v record.Value) {
	s.WriteString("Struct{")
	for i, e := range v.Elements() {
		if i > 0 {
			s.WriteByte(',')
		}
		if schema != nil && i < len(schema.Fields) {
			s.WriteString(schema.Fields[i].Name + "=")
			writeValue(s, schema.Fields[i].Schema, e)
			continue
		}
		writeValue(s, nil, e)
	}
	s.WriteByte('}')
}

func elem(schema *record.Schema) *record.Schema {
	if schema == nil {
		return nil
	}
	return schema.Elem
}
