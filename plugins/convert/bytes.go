package convert

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// bytesConverter is org.apache.kafka.connect.converters.ByteArrayConverter.
type bytesConverter struct{}

// Configure accepts any settings: there are none.
func (bytesConverter) Configure(plugin.Config, plugin.Use) error { return nil }

// AppendData copies the bytes of a value.
func (bytesConverter) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Schema != nil && d.Schema.Kind != record.Bytes {
		return nil, plugin.Data("Invalid schema type for ByteArrayConverter: %s", d.Schema.Kind)
	}
	switch k := d.Value.Kind(); k {
	case record.Null:
		return nil, nil
	case record.Bytes:
		return append(dst, d.Value.Bytes()...), nil
	default:
		return nil, plugin.Data("ByteArrayConverter is not compatible with objects of type class %s", k.JavaClass())
	}
}

// ReadData refers to the message.
func (bytesConverter) ReadData(_ *record.Arena, _ string, src []byte) (record.Datum, error) {
	d := record.Datum{Schema: record.OptionalOf(record.Bytes)}
	if src != nil {
		d.Value = record.OfBytes(src)
	}
	return d, nil
}
