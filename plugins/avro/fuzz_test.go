package avro_test

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// answering is a registry that has one schema, whatever is asked.
func answering(tb testing.TB, schema string) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":1,"version":1,"subject":"t-value","schema":` + strconv.Quote(schema) + `}`))
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

// FuzzRead: no message does more harm than an error, and what was read can be written, and read again as the same.
func FuzzRead(f *testing.F) {
	reg := registrytest.Start(f)
	reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: everything})
	reg.SeedSchema("u-value", 1, 2, sr.Schema{Schema: `{"type":"record","name":"All","namespace":"n","fields":[{"name":"s","type":"string"},{"name":"next","type":["null","All"]}]}`})
	conv := converter(f, reg.URL(), plugin.Config{"auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false"})
	fixed := func(id string) plugin.Config {
		return plugin.Config{"value.schema.id.deserializer": "io.confluent.kafka.serializers.schema.id.ConfigSchemaIdDeserializer", "use.schema.id": id}
	}
	list := converter(f, reg.URL(), fixed("2"))
	anything := converter(f, reg.URL(), nil)
	out, err := anything.AppendData([]byte{}, "v", record.Datum{Value: record.OfArray([]record.Value{record.OfInt64(1), record.OfMap([]record.Value{record.OfString("k"), {}})})})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out[5:])
	f.Add([]byte{1, 4, 2, 6, 0, 0, 128, 63, 0, 0, 0, 0, 0, 0, 240, 63, 2, 7, 2, 65, 4, 0, 2, 8, 0, 2, 2, 107, 2, 118, 0, 2, 1, 2, 3, 2, 5, 0, 0, 1, 0, 4, 0, 2, 2, 2, 65, 0})
	f.Add([]byte{2, 65, 2, 2, 66, 0})
	// One that is right: every field set, and one level of nesting.
	const flat = "010d0c0e0000803f000000000000f03f040102024102" + "020a" + "00" + "02026b027600" + "02" + "010203" + "0207" + "00000001" + "02"
	right, err := hex.DecodeString(flat + "02" + flat + "00" + "00" + "0202024100")
	if err != nil {
		f.Fatal(err)
	}
	if _, err := conv.ReadData(new(record.Arena), "t", frame(1, right)); err != nil {
		f.Fatalf("the seed is wrong: %v", errorsOf(err))
	}
	f.Add(right)
	f.Fuzz(func(t *testing.T, datum []byte) {
		for _, try := range []struct {
			conv  plugin.Converter
			topic string
			id    byte
		}{{conv, "t", 1}, {list, "u", 0}, {anything, "v", out[4]}} {
			message := datum
			if try.id > 0 {
				message = frame(try.id, datum)
			}
			var a record.Arena
			d, err := try.conv.ReadData(&a, try.topic, message)
			if a.Size() > 64<<20+1000*len(datum) {
				t.Fatalf("%d bytes took %d bytes of memory", len(datum), a.Size())
			}
			if err != nil || try.topic != "t" {
				continue
			}
			again, err := conv.AppendData([]byte{}, "t", d)
			if err != nil {
				t.Fatalf("%x: what was read cannot be written: %v", datum, errorsOf(err))
			}
			back, err := conv.ReadData(new(record.Arena), "t", again)
			if err != nil {
				t.Fatalf("%x: what was written as %x cannot be read: %v", datum, again, errorsOf(err))
			}
			if err := vector.CompareDatum(d, back); err != nil {
				t.Fatalf("%x: %v", datum, err)
			}
		}
	})
}

// FuzzSchema: no text of a schema does more harm than an error.
func FuzzSchema(f *testing.F) {
	f.Add(everything, []byte{0})
	for _, c := range damaged {
		f.Add(c.schema, []byte(c.datum))
	}
	var text string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":1,"version":1,"subject":"t-value","schema":` + strconv.Quote(text) + `}`))
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, schema string, datum []byte) {
		text = schema
		conv := converter(t, server.URL, nil)
		d, err := conv.ReadData(new(record.Arena), "t", frame(1, datum))
		if err != nil || d.Schema == nil {
			return
		}
		if _, err := conv.AppendData([]byte{}, "t", d); err != nil {
			t.Logf("%s: %v", schema, errorsOf(err)) // such as names that Avro's other types have
		}
	})
}
