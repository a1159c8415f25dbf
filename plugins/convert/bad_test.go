package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/convert"
)

const noConversion = "Converting byte[] to Kafka Connect data failed due to serialization error: "

// TestBadJSON: what is no JSON, or none of its schema, is a DataError, by which tolerance and the dead letter queue go.
func TestBadJSON(t *testing.T) {
	t.Parallel()
	const deep = 10_000
	nested := func(open, end string) string {
		return strings.Repeat(open, deep) + `{"type":"int8"}` + strings.Repeat(end, deep)
	}
	for _, c := range []struct{ name, message, says string }{
		{"10,000 arrays", `{"schema":null,"payload":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`, noConversion},
		{"10,000 objects", `{"schema":null,"payload":` + strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep) + `}`, noConversion},
		{"a schema of 10,000 arrays", `{"schema":` + nested(`{"type":"array","items":`, "}") + `,"payload":[]}`, noConversion},
		{"a schema of 10,000 maps behind its payload", `{"payload":[],"schema":` + nested(`{"type":"map","keys":{"type":"string"},"values":`, "}") + `}`, noConversion},
		{"invalid UTF-8", `{"schema":{"type":"string"},"payload":"` + "\xff" + `"}`, noConversion},
		{"a control character", `{"schema":{"type":"string"},"payload":"` + "\x01" + `"}`, noConversion},
		{"a number of 2,000 digits", `{"schema":{"type":"int64"},"payload":` + strings.Repeat("9", 2000) + `}`, noConversion},
		{"a date out of range", `{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Date"},"payload":2147483648}`, "Invalid type for Date, underlying representation should be integer but was NUMBER"},
		{"a time out of range", `{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Time"},"payload":86400001}`, "Time values must use number of milliseconds greater than 0 and less than 86400000"},
		{"duplicate fields of a schema", `{"schema":{"type":"struct","fields":[{"type":"int8","field":"a"},{"type":"int8","field":"a"}]},"payload":{"a":1}}`, "Cannot create field because of field name duplication a"},
		{"no envelope", `{"a":1}`, "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields"},
		{"another type", `{"schema":{"type":"what"},"payload":1}`, "Unknown schema type: what"},
		{"no number for a decimal", `{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},"payload":true}`, "Invalid type for Decimal"},
		{"no digits of a decimal", `{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},"payload":""}`, "Invalid bytes for Decimal field"},
		{"null that is required", `{"schema":{"type":"int8"},"payload":null}`, "Invalid null value for required INT8 field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var a record.Arena
			_, err := converterOf(t, "json", nil).ReadData(&a, "t", []byte(c.message))
			if d, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(d.Reason, c.says) {
				t.Errorf("got %v, want a DataError that says %q", err, c.says)
			}
			if most := 1<<20 + 100*len(c.message); a.Size() > most {
				t.Errorf("%d bytes take %d bytes of memory, want at most %d", len(c.message), a.Size(), most)
			}
		})
	}
}

// TestTruncatedMessages: no start of a message is taken for the whole, and none does more harm than an error.
func TestTruncatedMessages(t *testing.T) {
	t.Parallel()
	c := converterOf(t, "json", nil)
	message := plugintest.NewCodec(t, c).Messages[0]
	for n := 1; n < len(message); n++ {
		d, err := c.ReadData(new(record.Arena), "t", message[:n])
		if _, ok := errors.AsType[*plugin.DataError](err); !ok {
			t.Fatalf("%q: got %s (%v), want a DataError", message[:n], vector.Show(d.Value), err)
		}
	}
	for _, name := range []string{"short", "integer", "long", "float", "double", "boolean"} {
		for n := range 10 {
			_, err := converterOf(t, name, nil).ReadData(new(record.Arena), "t", make([]byte, n))
			if _, ok := errors.AsType[*plugin.DataError](err); err != nil && !ok {
				t.Errorf("%s of %d bytes: got %v, want a DataError", name, n, err)
			}
		}
	}
}

// Of members that come twice the last one counts, as Jackson has it.
func TestDuplicateMembers(t *testing.T) {
	t.Parallel()
	d, err := converterOf(t, "json", nil).ReadData(new(record.Arena), "t", []byte(`{"payload":{"a":9},"schema":{"type":"struct","fields":[{"type":"int8","field":"a"}]},"payload":{"a":1,"a":2}}`))
	if err != nil || d.Value.Elements()[0].Int() != 2 {
		t.Errorf("got %v (%v), want 2", vector.Show(d.Value), err)
	}
}

// TestLongTexts: texts of 10 MB pass every converter that takes any text, at a price in memory that is a small multiple.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`0123456789abcde\n`, 10<<20/17)
	for _, d := range convert.Descriptors() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			c := d.NewConverter()
			use := plugin.ValueUse
			if d.Uses == plugin.HeadersOnly {
				use = plugin.HeaderUse
			}
			if err := c.Configure(nil, use); err != nil {
				t.Fatal(err)
			}
			message := []byte(long)
			if d.Name == "json" {
				message = []byte(`{"schema":{"type":"string"},"payload":"` + long + `"}`)
			}
			var a record.Arena
			got, err := c.ReadData(&a, "t", message)
			if most := 4 * len(message); a.Size() > most {
				t.Errorf("%d bytes take %d bytes of memory, want at most %d", len(message), a.Size(), most)
			}
			if err != nil {
				if _, ok := errors.AsType[*plugin.DataError](err); !ok {
					t.Errorf("got %v, want a DataError", err)
				}
				return
			}
			out, err := c.AppendData([]byte{}, "t", got)
			if err != nil || len(out) < len(long) {
				t.Errorf("written again it is of %d bytes (%v), want at least %d", len(out), err, len(long))
			}
		})
	}
}
