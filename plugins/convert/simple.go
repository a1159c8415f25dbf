package convert

import (
	"unsafe"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// simpleConverter is org.apache.kafka.connect.storage.SimpleHeaderConverter: what it writes is text, and what it reads is
// whatever the text looks like, see [record.ParseText].
type simpleConverter struct{ buf []byte }

// Configure has nothing to read.
func (*simpleConverter) Configure(plugin.Config, plugin.Use) error { return nil }

// AppendData writes text, in base64 what is bytes.
func (c *simpleConverter) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		return nil, nil
	}
	var err error
	if c.buf, err = d.AppendText(c.buf[:0]); err != nil {
		return nil, dataError(err)
	}
	return encodeUTF8(dst, c.buf), nil
}

// ReadData finds out what a text means; what is nested too deeply stays bytes.
func (*simpleConverter) ReadData(a *record.Arena, _ string, src []byte) (record.Datum, error) {
	if src == nil {
		return record.Datum{}, nil
	}
	text := decodeUTF8(a, src)
	d, err := record.ParseText(unsafe.String(unsafe.SliceData(text), len(text)))
	if err != nil {
		// Kafka Connect keeps the bytes of what its parser breaks on.
		return record.Datum{Schema: record.Required(record.Bytes), Value: record.OfBytes(src)}, nil
	}
	return d, nil
}
