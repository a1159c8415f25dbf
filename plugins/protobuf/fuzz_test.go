package protobuf_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// FuzzRead: no message does more harm than an error; what the library takes is taken; and what was read is the library's
// message when it is written again.
func FuzzRead(f *testing.F) {
	reg := registrytest.Start(f)
	seed(reg, 1, everything)
	conv := converter(f, reg.URL(), plugin.Config{
		"enhanced.protobuf.schema.support": "true", "optional.for.nullables": "true",
		"auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false",
	})
	file := compiled(f, everything)
	logical := converter(f, answering(f, func() string {
		return schemaOf("google.protobuf.Timestamp a = 1; google.type.Date b = 2; google.type.TimeOfDay c = 3; repeated confluent.type.Decimal d = 4; M e = 5;")
	}), nil)
	for _, c := range damaged {
		message, err := hex.DecodeString(c.message)
		if err != nil {
			f.Fatal(err)
		}
		if len(message) > 0 {
			f.Add(message[1:])
		}
	}
	f.Add([]byte{0xf2, 1, 4, 1, 2, 3, 4, 0xfa, 1, 1, 'x', 0x92, 3, 1, 'y', 0xb2, 4, 2, 8, 5, 0xc2, 2, 4, 8, 1, 16, 2, 0xc2, 2, 4, 8, 1, 16, 3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := logical.ReadData(new(record.Arena), "t", frame(1, append([]byte{0}, payload...)...)); err != nil && errorsOf(err) == "" {
			t.Fatal("an error without words")
		}
		var a record.Arena
		d, err := conv.ReadData(&a, "t", frame(1, append([]byte{0}, payload...)...))
		if a.Size() > 1<<20+1000*len(payload) {
			t.Fatalf("%d bytes took %d bytes of memory", len(payload), a.Size())
		}
		want := dynamicpb.NewMessage(file.Messages().ByName("All"))
		theirs := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(payload, want)
		if theirs != nil {
			return // such as a number whose tenth byte is too large, which Java takes
		}
		if err != nil {
			if !strings.Contains(errorsOf(err), "nests deeper than 100") {
				t.Fatalf("%x: the library reads this: %v", payload, errorsOf(err))
			}
			return
		}
		out, err := conv.AppendData([]byte{}, "t", d)
		if err != nil {
			if !strings.Contains(errorsOf(err), "none of the symbols") { // a number that the enum does not have
				t.Fatalf("%x: what was read cannot be written: %v", payload, errorsOf(err))
			}
			return
		}
		got := dynamicpb.NewMessage(file.Messages().ByName("All"))
		if err := proto.Unmarshal(out[6:], got); err != nil {
			t.Fatalf("%x: the library cannot read what was written: %v", payload, err)
		}
		if !proto.Equal(want, got) {
			t.Fatalf("%x: got %v, want %v", payload, got, want)
		}
	})
}

// FuzzSchema: no text of a schema does more harm than an error.
func FuzzSchema(f *testing.F) {
	f.Add(everything, []byte{0})
	for _, c := range damaged {
		f.Add(schemaOf(c.fields), []byte(c.message))
	}
	f.Add(`syntax = "proto2"; message M { optional int32 a = 1 [default = -5, deprecated = true, (what) = 7]; extensions 4 to max; message AEntry { option map_entry = true; optional string key = 1; optional int32 value = 2; } repeated AEntry m = 2; }`, []byte{0, 18, 0})
	f.Add("CgR4LnByb3RvIgMKAU1iBnByb3RvMw==", []byte{0})
	var text string
	url := answering(f, func() string { return text })
	f.Fuzz(func(t *testing.T, schema string, message []byte) {
		text = schema
		conv := converter(t, url, nil)
		d, err := conv.ReadData(new(record.Arena), "t", frame(1, message...))
		if err != nil {
			return
		}
		if _, err := conv.AppendData([]byte{}, "u", d); err != nil {
			t.Logf("%s: %v", schema, errorsOf(err)) // such as an unrolled type that would nest too deep
		}
	})
}
