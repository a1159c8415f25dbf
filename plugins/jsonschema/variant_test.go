package jsonschema_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jsonschema"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// recordedVariant is a line of variant.jsonl: what Confluent's VariantUtils (schema-registry 8.5.0-dev, Jackson 2.21.2, Java
// 17) made of a JSON text, and what JSON it made of that again. Without a text the variant was made by VariantBuilder.
type recordedVariant struct {
	JSON            *string
	Metadata, Value []byte
	Back            string
}

func variantSchema() *record.Schema {
	bytes := record.Required(record.Bytes)
	return record.Build(record.Struct).Named("org.apache.kafka.connect.data.Variant").Field("metadata", bytes).Field("value", bytes).MustBuild()
}

// TestVariants reads and writes what takes anything.
func TestVariants(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/variant.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	reader := converter(t, serving(t, sr.Schema{Schema: `{}`}, nil), nil)
	reg := registrytest.Start(t)
	writer := converter(t, reg.URL(), nil)
	s, n := variantSchema(), 0
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		var c recordedVariant
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfBytes(c.Metadata), record.OfBytes(c.Value)})}
		message, err := writer.AppendData([]byte{}, "t", d)
		if err != nil || string(message[5:]) != c.Back {
			t.Errorf("%s: written: got %s (%v), want %s", lines.Bytes(), message, errorsOf(err), c.Back)
		}
		if c.JSON == nil || *c.JSON == "null" { // which is no variant where none is allowed
			continue
		}
		got, err := reader.ReadData(new(record.Arena), "t", frame(1, *c.JSON))
		if err != nil {
			t.Errorf("%s: read: %v", lines.Bytes(), errorsOf(err))
			continue
		}
		fields := got.Value.Elements()
		if got.Schema.Name != s.Name || !bytes.Equal(fields[0].Bytes(), c.Metadata) || !bytes.Equal(fields[1].Bytes(), c.Value) {
			t.Errorf("%s: read: got %s, %x, %x, want %x, %x", *c.JSON, got.Schema.Name, fields[0].Bytes(), fields[1].Bytes(), c.Metadata, c.Value)
		}
	}
	if n < 250 {
		t.Errorf("%d cases were tried, want 285", n)
	}
	if stored, _ := reg.GetSchema("t-value", 1); stored.Schema.Schema != `{"title":"org.apache.kafka.connect.data.Variant"}` {
		t.Errorf("got the schema %s", stored.Schema.Schema)
	}
}

// TestVariantsInPlaces: optional, as fields, elements and values of maps, there and back.
func TestVariantsInPlaces(t *testing.T) {
	t.Parallel()
	v := variantSchema()
	optional := record.Build(record.Struct).Named(v.Name).Optional()
	for _, f := range v.Fields {
		optional.Field(f.Name, f.Schema)
	}
	s := record.Build(record.Struct).Named("R").Field("a", v).Field("b", optional.MustBuild()).Field("c", record.BuildArray(v).MustBuild()).
		Field("d", record.BuildMap(record.Required(record.String), v).MustBuild()).MustBuild()
	text := `{"a":{"x":[1,"two"]},"b":null,"c":[1,"y"],"d":{"k":true}}`
	schema := `{"type":"object","title":"R","properties":{"a":{},"b":{"oneOf":[{"type":"null"},true]},"c":{"type":"array","items":{}},"d":{"type":"object","connect.type":"map","additionalProperties":{}}}}`
	d, err := converter(t, serving(t, sr.Schema{Schema: schema}, nil), nil).ReadData(new(record.Arena), "t", frame(1, text))
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	reg := registrytest.Start(t)
	conv := converter(t, reg.URL(), nil)
	message, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: d.Value})
	if err != nil || string(message[5:]) != text {
		t.Errorf("got %s (%v), want %s", message, errorsOf(err), text)
	}
	want := `{"type":"object","title":"R","properties":{"a":{"title":"org.apache.kafka.connect.data.Variant","connect.index":0},` +
		`"b":{"connect.index":1,"oneOf":[{"type":"null"},{"title":"org.apache.kafka.connect.data.Variant"}]},` +
		`"c":{"type":"array","connect.index":2,"items":{"title":"org.apache.kafka.connect.data.Variant"}},` +
		`"d":{"type":"object","connect.index":3,"connect.type":"map","additionalProperties":{"title":"org.apache.kafka.connect.data.Variant"}}}}`
	if stored, _ := reg.GetSchema("t-value", 1); stored.Schema.Schema != want {
		t.Errorf("got the schema\n%s\nwant\n%s", stored.Schema.Schema, want)
	}
	again, err := conv.ReadData(new(record.Arena), "t", message)
	if err != nil || !again.Value.Equal(d.Value) {
		t.Errorf("read again: got %v (%v)", again.Value, errorsOf(err))
	}
}

// TestDamagedVariants: bytes that are no variant, and numbers that have no form as one.
func TestDamagedVariants(t *testing.T) {
	t.Parallel()
	plain := "\x01\x00\x00"
	for name, tt := range map[string]struct{ metadata, value, says string }{
		"nothing":             {"", "\x00", "version"},
		"another version":     {"\x02\x00\x00", "\x00", "version"},
		"no value":            {plain, "", "a value is not there"},
		"a short text":        {plain, "\x0dab", "a text ends early"},
		"a long text":         {plain, "\x40\xff\x00\x00\x00ab", "a text ends early"},
		"a huge text":         {plain, "\x40\xff\xff\xff\xffab", "a text ends early"},
		"a number":            {plain, "\x14\x00", "a value ends early"},
		"an unknown type":     {plain, "\x54", "a type that is not known"},
		"a list":              {plain, "\x03\x05\x00", "a list of members ends early"},
		"a huge list":         {plain, "\x13\xff\xff\xff\x7f\x00", "a list of members ends early"},
		"a member":            {plain, "\x03\x01\x09\x09", "a member is not there"},
		"a name":              {plain, "\x02\x01\x05\x00\x01\x00", "a name is not there"},
		"a name out of order": {"\x01\x01\x05\x00", "\x02\x01\x00\x00\x01\x00", "a name is not there"},
		"a time of day":       {plain, "\x44\xff\xff\xff\xff\xff\xff\xff\x7f", "a time of day is none"},
		"in itself":           {plain, "\x03\x01\x00\x00", "a value is not there"},
		"a long name, often":  {"\xc1\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00" + strings.Repeat("n", 1<<16), "\x42\xff\xff\x00\x00" + strings.Repeat("\x00", 2*65536) + "\x00", "more than 64 MB of text"},
		"everywhere":          {plain, "\x03\x09" + strings.Repeat("\x00", 10) + "\x03\x01\x00\x00\x00", "a value is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := record.Datum{Schema: variantSchema(), Value: record.OfStruct([]record.Value{record.OfBytes([]byte(tt.metadata)), record.OfBytes([]byte(tt.value))})}
			out, err := converter(t, registrytest.Start(t).URL(), nil).AppendData([]byte{}, "t", d)
			if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), tt.says) {
				t.Errorf("got %q, %v, want a DataError that says %q", out, errorsOf(err), tt.says)
			}
		})
	}
	reader := converter(t, serving(t, sr.Schema{Schema: `{}`}, nil), nil)
	for text, says := range map[string]string{
		"1" + strings.Repeat("0", 38): "more than 38 digits", "0." + strings.Repeat("0", 300) + "1": "too small a fraction", "1e400": "too small a fraction",
		`{"a":`: "expected a value", "[1": "expected a comma", "null": "Invalid null value for required STRUCT field", "": "without any text",
		strings.Repeat("[", 10000): "at most 1000 levels", "\"\xff\"": "expected UTF-8",
	} {
		_, err := reader.ReadData(new(record.Arena), "t", frame(1, text))
		if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), says) {
			t.Errorf("%.20q: got %v, want a DataError that says %q", text, errorsOf(err), says)
		}
	}
}

// TestRefusedSettings: what is not built in is refused by its name.
func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"json.indent.output"} {
		err := jsonschema.Descriptor().NewConverter().Configure(plugin.Config{"schema.registry.url": "http://127.0.0.1:1", key: "true"}, plugin.ValueUse)
		if e, ok := errors.AsType[*plugin.ConfigError](err); !ok || e.Key != key {
			t.Errorf("%s: got %v", key, err)
		}
	}
}

// FuzzVariant: no bytes do more harm as a variant than an error, what comes of them is JSON, and that can be read as a variant.
func FuzzVariant(f *testing.F) {
	raw, err := os.ReadFile("testdata/variant.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		var c recordedVariant
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			f.Fatal(err)
		}
		f.Add(c.Metadata, c.Value)
	}
	s := variantSchema()
	url := serving(f, sr.Schema{Schema: `{}`}, nil)
	conv := converter(f, url, plugin.Config{"auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false"})
	f.Fuzz(func(t *testing.T, metadata, value []byte) {
		d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfBytes(metadata), record.OfBytes(value)})}
		out, err := conv.AppendData([]byte{}, "t", d)
		if err != nil {
			return
		}
		if !json.Valid(out[5:]) || !utf8.Valid(out[5:]) {
			t.Fatalf("%x, %x: got %q, which is no JSON", metadata, value, out[5:])
		}
		if _, err := conv.ReadData(new(record.Arena), "t", out); err != nil {
			t.Logf("%s: %v", out, errorsOf(err)) // such as a null, or a number of too many digits
		}
	})
}

// TestPreservedProperties keeps what a schema does not name and writes it back, where the schema allows it.
func TestPreservedProperties(t *testing.T) {
	t.Parallel()
	const extras = "__connect_additional_properties__"
	preserving := plugin.Config{"preserve.additional.properties": "true"}
	read := func(schema, text string) (record.Datum, error) {
		return converter(t, serving(t, sr.Schema{Schema: schema}, nil), preserving).ReadData(new(record.Arena), "t", frame(1, text))
	}
	const schema = `{"type":"object","title":"R","properties":{"a":{"type":"integer"},"in":{"type":"object","properties":{"b":{"type":"string"}}}}}`
	d, err := read(schema, `{"x":{"y":[1]},"a":5,"z":null,"in":{"b":"c","more":true},"x":2}`)
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	reg := registrytest.Start(t)
	message, err := converter(t, reg.URL(), preserving).AppendData([]byte{}, "t", d)
	if want := `{"a":5,"in":{"b":"c","more":true},"x":2,"z":null}`; err != nil || string(message[5:]) != want {
		t.Errorf("got %s (%v), want %s", message, errorsOf(err), want)
	}
	if stored, _ := reg.GetSchema("t-value", 1); strings.Contains(stored.Schema.Schema, extras) {
		t.Errorf("the schema names the field: %s", stored.Schema.Schema)
	}
	if d, err = read(schema, `{"a":5,"in":{"b":"c"}}`); err != nil || !d.Value.Elements()[d.Schema.Field(extras)].IsNull() {
		t.Errorf("nothing more: got %v (%v)", d.Value, errorsOf(err))
	}
	if d, err = read(`{"type":"object","additionalProperties":false,"properties":{"a":{"type":"integer"}}}`, `{"a":1,"x":2}`); err != nil || d.Schema.Field(extras) >= 0 {
		t.Errorf("closed: got %v (%v)", d.Schema.Fields, errorsOf(err))
	}
	if d, err = converter(t, serving(t, sr.Schema{Schema: schema}, nil), nil).ReadData(new(record.Arena), "t", frame(1, `{"a":1,"in":{"b":""},"x":2}`)); err != nil || d.Schema.Field(extras) >= 0 {
		t.Errorf("without the setting: got %v (%v)", d.Schema.Fields, errorsOf(err))
	}
	for text, says := range map[string]string{`{"a":1,"in":{"b":""},"` + extras + `":2}`: "JSON payload contains a property named", `{"a":1,"in":{"b":""},"x":}`: "expected a value"} {
		if _, err := read(schema, text); err == nil || !strings.Contains(errorsOf(err), says) {
			t.Errorf("%s: got %v, want %q", text, errorsOf(err), says)
		}
	}
	if _, err := read(`{"type":"object","properties":{"`+extras+`":{"type":"string"}}}`, `{}`); err == nil || !strings.Contains(errorsOf(err), "collides with the reserved field name") {
		t.Errorf("got %v, want a collision", errorsOf(err))
	}
}
