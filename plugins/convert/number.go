package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// numberFormat is one of the number converters of org.apache.kafka.connect.converters.
type numberFormat struct {
	name, class, doc string
	word             string // in messages
	kind             record.Kind
	size             int
	reader           string // Kafka's deserializer, in messages
}

var numbers = []numberFormat{ //nolint:gochecknoglobals // a literal
	{"short", "ShortConverter", "A 16-bit integer in two bytes.", "short", record.Int16, 2, "ShortDeserializer"},
	{"integer", "IntegerConverter", "A 32-bit integer in four bytes.", "integer", record.Int32, 4, "IntegerDeserializer"},
	{"long", "LongConverter", "A 64-bit integer in eight bytes.", "long", record.Int64, 8, "LongDeserializer"},
	{"float", "FloatConverter", "A 32-bit float in four bytes.", "float", record.Float32, 4, "Deserializer"},
	{"double", "DoubleConverter", "A 64-bit float in eight bytes.", "double", record.Float64, 8, "Deserializer"},
}

// numberConverter writes numbers of one kind, the highest byte first. It takes no notice of schemas when it writes.
type numberConverter struct{ numberFormat }

// Configure has nothing to read.
func (n *numberConverter) Configure(c plugin.Config, use plugin.Use) error { return checkUse(c, use) }

// AppendData writes a number of the converter's kind and refuses others.
func (n *numberConverter) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	v := d.Value
	switch k := v.Kind(); {
	case k == record.Null:
		return nil, nil
	case k != n.kind:
		return nil, plugin.Data("Failed to serialize to %s (was class %s): ", n.word, k.JavaClass())
	}
	switch n.kind {
	case record.Int16:
		return binary.BigEndian.AppendUint16(dst, uint16(v.Int())), nil
	case record.Int32:
		return binary.BigEndian.AppendUint32(dst, uint32(v.Int())), nil
	case record.Float32:
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(v.Float32())), nil
	case record.Float64:
		bits := math.Float64bits(v.Float())
		if v.Float() != v.Float() {
			bits = 0x7ff8000000000000 // Double.doubleToLongBits knows one NaN
		}
		return binary.BigEndian.AppendUint64(dst, bits), nil
	default:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Int())), nil
	}
}

// ReadData reads a message of exactly the right length.
func (n *numberConverter) ReadData(_ *record.Arena, _ string, src []byte) (record.Datum, error) {
	d := record.Datum{Schema: record.OptionalOf(n.kind)}
	switch {
	case src == nil:
		return d, nil
	case len(src) != n.size:
		cause := fmt.Errorf("Size of data received by %s is not %d", n.reader, n.size) //nolint:staticcheck // Kafka's words
		return record.Datum{}, &plugin.DataError{Reason: "Failed to deserialize " + n.word + ": ", Err: cause}
	}
	switch n.kind {
	case record.Int16:
		d.Value = record.OfInt16(int16(binary.BigEndian.Uint16(src)))
	case record.Int32:
		d.Value = record.OfInt32(int32(binary.BigEndian.Uint32(src)))
	case record.Float32:
		d.Value = record.OfFloat32(math.Float32frombits(binary.BigEndian.Uint32(src)))
	case record.Float64:
		d.Value = record.OfFloat64(math.Float64frombits(binary.BigEndian.Uint64(src)))
	default:
		d.Value = record.OfInt64(int64(binary.BigEndian.Uint64(src)))
	}
	return d, nil
}

// booleanConverter is org.apache.kafka.connect.converters.BooleanConverter.
type booleanConverter struct{}

// Configure has nothing to read.
func (*booleanConverter) Configure(c plugin.Config, use plugin.Use) error { return checkUse(c, use) }

// AppendData writes one byte.
func (*booleanConverter) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Schema != nil && d.Schema.Kind != record.Boolean {
		return nil, plugin.Data("Invalid schema type for BooleanConverter: %s", d.Schema.Kind)
	}
	switch k := d.Value.Kind(); {
	case k == record.Null:
		return nil, nil
	case k != record.Boolean:
		return nil, plugin.Data("BooleanConverter is not compatible with objects of type class %s", k.JavaClass())
	case d.Value.Bool():
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

// ReadData reads one byte.
func (*booleanConverter) ReadData(_ *record.Arena, _ string, src []byte) (record.Datum, error) {
	d := record.Datum{Schema: record.OptionalOf(record.Boolean)}
	var cause error
	switch {
	case src == nil:
		return d, nil
	case len(src) != 1:
		cause = errors.New("Size of data received by BooleanDeserializer is not 1") //nolint:staticcheck // Kafka's words
	case src[0] > 1:
		cause = fmt.Errorf("Unexpected byte received by BooleanDeserializer: %d", src[0]) //nolint:staticcheck // Kafka's words
	default:
		d.Value = record.OfBool(src[0] == 1)
		return d, nil
	}
	return record.Datum{}, &plugin.DataError{Reason: "Failed to deserialize boolean: ", Err: cause}
}
