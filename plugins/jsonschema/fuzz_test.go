package jsonschema_test

import (
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jsonschema"
	"github.com/penstock/penstock/plugins/registry"
)

// FuzzRead: no message does more harm than an error, and what was read can be written and read again.
func FuzzRead(f *testing.F) {
	url := serving(f, sr.Schema{Schema: everything}, nil)
	conv := converter(f, url, plugin.Config{"auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false"})
	for _, seed := range []string{
		`{"b":true,"i8":300,"l":1.5,"d":NaN,"y":"AQID","s":"a\u00e9\ud83d\ude00","a":[1,"x",null],"m":{"a":"b"},"p":[{"key":1,"value":"v"}],"dec":"AJw=","at":5,"u":{"y":1},"next":{"s":"inner"}}`,
		`{"dec":1.5e3,"u":{"x":1},"p":[{"key":1}]}`, `{"b":1,"b":true}`, `[]`, `null`, ``, `{"next":{"next":{"next":{}}}}`, `{"y":5}`, `{"d":-Infinity,"l":+INF}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var a record.Arena
		d, err := conv.ReadData(&a, "t", frame(1, string(payload)))
		if a.Size() > 64<<20+1000*len(payload) {
			t.Fatalf("%d bytes took %d bytes of memory", len(payload), a.Size())
		}
		if err != nil {
			return
		}
		again, err := conv.AppendData([]byte{}, "t", d)
		if err != nil {
			return // such as a null in a map, which the reader lets through at the top
		}
		if !utf8.Valid(again) {
			t.Fatalf("%q is written as what is no UTF-8", payload)
		}
		if _, err := conv.ReadData(new(record.Arena), "t", again); err != nil {
			t.Logf("%s: %v", again, errorsOf(err)) // such as an inner struct whose required field was not there
		}
	})
}

// FuzzSchema: no text of a schema does more harm than an error.
func FuzzSchema(f *testing.F) {
	f.Add(everything, []byte(`{}`))
	f.Add(`{"allOf":[{"$ref":"#/definitions/a"},{"type":"object","properties":{"b":{"$ref":"#"}}}],"definitions":{"a":{"properties":{"c":{"enum":[1,"x",null]}}}}}`, []byte(`{"b":{}}`))
	f.Add(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$defs":{"a":{"$anchor":"n","type":["string","null"]}},"properties":{"x":{"$ref":"#n","title":"t"}}}`, []byte(`{"x":null}`))
	f.Add(`{"oneOf":[{"$ref":"#"},{"type":"string"}]}`, []byte(`"x"`))
	format := jsonschema.Format()
	f.Fuzz(func(t *testing.T, schema string, payload []byte) {
		parsed, err := format.Parse(registry.Text{Schema: schema})
		if err != nil {
			return
		}
		decoder, err := parsed.Decoder(nil, 1, nil)
		if err != nil {
			return
		}
		d, err := decoder.Read(new(record.Arena), payload)
		if err != nil {
			return
		}
		derived, err := format.Derive(d.Schema)
		if err != nil {
			return // such as a default that cannot be written
		}
		encoder, err := derived.Encoder(d.Schema)
		if err != nil {
			t.Fatalf("%s: %v", derived.Text().Schema, err)
		}
		if _, err := encoder.Append(nil, d.Value); err != nil {
			t.Logf("%s: %v", schema, err)
		}
	})
}
