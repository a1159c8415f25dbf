package convert

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type stringSettings struct {
	Encoding string `cfg:"converter.encoding" importance:"high" doc:"The encoding of the text: UTF-8, ISO-8859-1, windows-1252, US-ASCII, or UTF-16 or UTF-32, with BE or LE behind for a fixed order of bytes."`
}

func stringDefaults() stringSettings { return stringSettings{Encoding: "UTF-8"} }

// stringConverter is org.apache.kafka.connect.storage.StringConverter. It writes whatever Java's toString makes of a value
// and reads optional strings; what cannot be said in the encoding becomes a question mark, what cannot be read U+FFFD.
type stringConverter struct {
	enc encoding
	buf []byte
}

// Configure reads the encoding.
func (s *stringConverter) Configure(c plugin.Config, use plugin.Use) error {
	if err := checkUse(c, use); err != nil {
		return err
	}
	set := stringDefaults()
	if err := plugin.Decode(c, &set); err != nil {
		return err
	}
	enc, ok := encodingOf(set.Encoding)
	if !ok {
		return &plugin.ConfigError{Key: "converter.encoding", Reason: "Unsupported encoding " + set.Encoding}
	}
	*s = stringConverter{enc: enc}
	return nil
}

// AppendData writes what Java's toString gives.
func (s *stringConverter) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		return nil, nil
	}
	s.buf = d.AppendJava(s.buf[:0])
	if s.enc == utf8Encoding {
		return encodeUTF8(dst, s.buf), nil
	}
	return s.enc.encode(dst, s.buf), nil
}

// ReadData decodes a message; it never fails.
func (s *stringConverter) ReadData(a *record.Arena, _ string, src []byte) (record.Datum, error) {
	d := record.Datum{Schema: record.OptionalOf(record.String)}
	if src != nil {
		d.Value = record.OfText(s.enc.decode(a, src))
	}
	return d, nil
}
