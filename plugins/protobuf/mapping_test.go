package protobuf_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

var update = flag.Bool("update", false, "rewrite golden files")

// shapes has a field of every shape that a setting treats in its own way.
const shapes = `syntax = "proto3";
package p.q;
import "google/protobuf/wrappers.proto";
import "confluent/type/decimal.proto";
message M {
  uint32 u = 1;
  optional string o = 2;
  Colour c = 3;
  oneof pick { int32 x = 4; Inner y = 5; google.protobuf.StringValue z = 12; }
  map<string, Inner> by_name = 6;
  repeated Inner inners = 7;
  google.protobuf.Int64Value w = 8;
  Inner one = 9;
  int32 small = 10 [(confluent.field_meta) = {params: [{key: "connect.type", value: "int8"}]}];
  confluent.type.Decimal price = 11 [(confluent.field_meta) = {params: [{key: "precision", value: "9"}, {key: "scale", value: "2"}]}];
  message Inner { sint32 n = 1; }
  enum Colour { RED = 0; BLUE = 5; }
}
`

// TestMapping shows, for every setting, the Connect schema and data of a message, and what is registered and written for
// them.
func TestMapping(t *testing.T) {
	t.Parallel()
	// y = {n: 3}, by_name = {"k": {n: -1}}, w = {value: 7}, price = 1.25
	message := []byte{0, 0x2a, 2, 8, 6, 0x32, 7, 10, 1, 'k', 18, 2, 8, 1, 0x42, 2, 8, 7, 0x5a, 7, 10, 1, 125, 16, 3, 24, 2}
	for name, config := range map[string]plugin.Config{
		"default":          {},
		"optional":         {"optional.for.nullables": "true"},
		"wrapper":          {"wrapper.for.nullables": "true"},
		"enhanced":         {"enhanced.protobuf.schema.support": "true"},
		"flatten-unions":   {"flatten.unions": "true"},
		"int-for-enums":    {"int.for.enums": "true"},
		"generalized":      {"generalized.sum.type.support": "true", "generate.index.for.unions": "false"},
		"struct-for-nulls": {"generate.struct.for.nulls": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			d, err := read(t, config, shapes, message...)
			if err != nil {
				t.Fatal(errorsOf(err))
			}
			for i, f := range d.Schema.Fields {
				fmt.Fprintf(&b, "%s: %s\n    %s\n", f.Name, vector.ShowSchema(f.Schema), vector.Show(d.Value.Elements()[i]))
			}
			out, text, err := write(t, config, d)
			if err != nil {
				t.Fatal(errorsOf(err))
			}
			fmt.Fprintf(&b, "\n%s\n%x\n", text, out[5:])
			golden := filepath.Join("testdata", "mapping", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
}

// TestRootWrapper reads a wrapper as what is in it, or as a struct.
func TestRootWrapper(t *testing.T) {
	t.Parallel()
	s := record.Required(record.Int64)
	for config, want := range map[string]string{"true": `{"i64":"5"}`, "false": `{"struct":[{"i64":"5"}]}`} {
		reg := registrytest.Start(t)
		conv := converter(t, reg.URL(), plugin.Config{"wrapper.for.raw.primitives": config})
		out, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: record.OfInt64(5)})
		if err != nil || string(out) != string(frame(1, 2, 4, 8, 5)) {
			t.Errorf("wrote %x: %v", out, errorsOf(err))
		}
		d, err := conv.ReadData(new(record.Arena), "t", out)
		if got := vector.Show(d.Value); err != nil || got != want || d.Schema.Version != 1 {
			t.Errorf("%s: got %s version %d, want %s: %v", config, got, d.Schema.Version, want, errorsOf(err))
		}
	}
	for k, index := range map[record.Kind]byte{record.Float64: 0, record.Float32: 2, record.Int64: 4, record.Int8: 8, record.Int16: 8, record.Int32: 8, record.Boolean: 12, record.String: 14, record.Bytes: 16} {
		v := map[record.Kind]record.Value{
			record.Float64: record.OfFloat64(0), record.Float32: record.OfFloat32(0), record.Int64: record.OfInt64(0), record.Int8: record.OfInt8(0), record.Int16: record.OfInt16(0),
			record.Int32: record.OfInt32(0), record.Boolean: record.OfBool(false), record.String: record.OfString(""), record.Bytes: record.OfBytes(nil),
		}[k]
		want := frame(1, 2, index)
		if index == 0 {
			want = frame(1, 0)
		}
		if out, _, err := write(t, nil, record.Datum{Schema: record.Required(k), Value: v}); err != nil || string(out) != string(want) {
			t.Errorf("%s: got %x, want %x: %v", k, out, want, errorsOf(err))
		}
	}
}

// TestScrub registers names that Protobuf would not take.
func TestScrub(t *testing.T) {
	t.Parallel()
	s := record.Build(record.Struct).Named("1a._b.my-type").Field("a b", record.Required(record.Int32)).Field("_c", record.Required(record.Int32)).Field("é", record.Required(record.Int32)).MustBuild()
	d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfInt32(1), record.OfInt32(2), record.OfInt32(3)})}
	out, text, err := write(t, plugin.Config{"scrub.invalid.names": "true"}, d)
	want := "syntax = \"proto3\";\npackage x1a.x_b;\n\nmessage my_type {\n  int32 a_b = 1;\n  int32 x_c = 2;\n  int32 _C3_A9 = 3;\n}\n"
	if err != nil || text != want || string(out) != string(frame(1, 0, 8, 1, 16, 2, 24, 3)) {
		t.Errorf("registered %s, want %s: %x: %v", text, want, out, errorsOf(err))
	}
}

// TestDefaults: what a field's default does when the field is null.
func TestDefaults(t *testing.T) {
	t.Parallel()
	s := record.Build(record.Struct).Named("M").Field("a", record.Build(record.Int32).Optional().Default(record.OfInt32(7)).MustBuild()).MustBuild()
	d := record.Datum{Schema: s, Value: record.OfStruct(make([]record.Value, 1))}
	for setting, want := range map[string][]byte{"false": frame(1, 0, 8, 7), "true": frame(1, 0)} {
		if out, _, err := write(t, plugin.Config{"ignore.default.for.nullables": setting}, d); err != nil || string(out) != string(want) {
			t.Errorf("%s: got %x, want %x: %v", setting, out, want, errorsOf(err))
		}
	}
}

// TestProto2 reads what proto2 has: defaults, presence, enums that are closed, text that is no UTF-8.
func TestProto2(t *testing.T) {
	t.Parallel()
	const text = `syntax = "proto2"; message M { optional string s = 1 [default = "none"]; optional E e = 2 [default = B]; repeated E es = 3; optional int64 n = 4 [default = -7]; enum E { A = 1; B = 2; } }`
	for setting, want := range map[string]string{
		"true":  `{"struct":[null,null,{"list":["A","B"]},null]}`,
		"false": `{"struct":["none","B",{"list":["A","B"]},{"i64":"-7"}]}`,
	} {
		d, err := read(t, plugin.Config{"optional.for.proto2": setting}, text, 0, 16, 9, 24, 1, 24, 9, 24, 2)
		if got := vector.Show(d.Value); err != nil || got != want {
			t.Errorf("%s: got %s, want %s: %v", setting, got, want, errorsOf(err))
		}
	}
	d, err := read(t, nil, text, 0, 10, 1, 0xff)
	if err != nil || d.Value.Elements()[0].Text() != "\uFFFD" {
		t.Errorf("got %s: %v", vector.Show(d.Value), errorsOf(err))
	}
}

// TestUnknownEnum: a number that an open enum does not have is named as Java names it, or stays a number.
func TestUnknownEnum(t *testing.T) {
	t.Parallel()
	const text = `syntax = "proto3"; message M { E e = 1; enum E { A = 0; } }`
	for setting, want := range map[string]string{"false": `{"struct":["UNKNOWN_ENUM_VALUE_E_9"]}`, "true": `{"struct":[{"i32":9}]}`} {
		d, err := read(t, plugin.Config{"int.for.enums": setting}, text, 0, 8, 9)
		if got := vector.Show(d.Value); err != nil || got != want {
			t.Errorf("%s: got %s, want %s: %v", setting, got, want, errorsOf(err))
		}
	}
}

// TestExplicitEntries reads the text that Confluent's client registers for a generated class with a map: the entries are
// written out and count in indexes, those of map<> do not.
func TestExplicitEntries(t *testing.T) {
	t.Parallel()
	const (
		written = `syntax = "proto3"; message M { repeated AEntry a = 1; message AEntry { option map_entry = true; string key = 1; int32 value = 2; } message N { int32 n = 1; } }`
		short   = `syntax = "proto3"; message M { map<string, int32> a = 1; message N { int32 n = 1; } }`
	)
	for text, index := range map[string][]byte{written: {4, 0, 2}, short: {4, 0, 0}} {
		d, err := read(t, nil, text, 0, 10, 5, 10, 1, 'k', 16, 5)
		if got := vector.Show(d.Value); err != nil || got != `{"struct":[{"map":[["k",{"i32":5}]]}]}` {
			t.Errorf("got %s: %v", got, errorsOf(err))
		}
		d, err = read(t, nil, text, append(index, 8, 5)...)
		if err != nil || d.Schema.Name != "N" {
			t.Errorf("%x: got %v: %v", index, d.Schema, errorsOf(err))
		}
	}
}

// TestNewest reads with a newer file of the subject, and writes the own message under its id, as Confluent's converter does.
func TestNewest(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	seed(reg, 1, `syntax = "proto3"; message M { int32 a = 1; int32 b = 2; }`)
	seed(reg, 2, `syntax = "proto3"; message Other { } message M { int64 renamed = 1; string added = 3; }`)
	conv := converter(t, reg.URL(), plugin.Config{"auto.register.schemas": "false", "use.latest.version": "true"})
	d, err := conv.ReadData(new(record.Arena), "t", frame(1, 0, 8, 5, 16, 6))
	if got := vector.Show(d.Value); err != nil || got != `{"struct":[{"i64":"5"},""]}` {
		t.Errorf("got %s: %v", got, errorsOf(err))
	}
	s := record.Build(record.Struct).Named("M").Field("a", record.Required(record.Int32)).MustBuild()
	out, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfInt32(5)})})
	if want := frame(2, 2, 2, 8, 5); err != nil || string(out) != string(want) {
		t.Errorf("got %x, want %x: %v", out, want, errorsOf(err))
	}
	s = record.Build(record.Struct).Named("M").Field("a", record.Required(record.String)).MustBuild()
	_, err = conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfString("x")})})
	if err := fails(err, "Incompatible schema of type 'PROTOBUF'. Set latest.compatibility.strict=false to disable this check: {errorType:\"FIELD_SCALAR_KIND_CHANGED\", "); err != nil {
		t.Error(err)
	}
}

// TestCompatible: what a newer file may change.
func TestCompatible(t *testing.T) {
	t.Parallel()
	own := func(name string, fields ...record.Field) *record.Schema {
		b := record.Build(record.Struct).Named(name)
		for _, f := range fields {
			b.Field(f.Name, f.Schema)
		}
		return b.MustBuild()
	}
	i32, text := record.Required(record.Int32), record.Required(record.String)
	member := func(tag string) *record.Schema {
		return record.Build(record.Int32).Optional().Param("io.confluent.connect.protobuf.Tag", tag).MustBuild()
	}
	union := record.Build(record.Struct).Named("io.confluent.connect.protobuf.Union.u").Optional().Field("a", member("5")).Field("b", member("6")).MustBuild()
	inner := own("Inner", record.Field{Name: "n", Schema: i32})
	for _, tt := range []struct {
		name   string
		schema *record.Schema
		newest string
		says   string // "": they are compatible
	}{
		{"same", own("M", record.Field{Name: "a", Schema: i32}), `message M { int32 a = 1; }`, ""},
		{"renamed, wider, more", own("M", record.Field{Name: "a", Schema: i32}), `message M { uint64 b = 1; string c = 2; }`, ""},
		{"enum for a number", own("M", record.Field{Name: "a", Schema: i32}), `message M { E a = 1; } enum E { A = 0; }`, ""},
		{"removed", own("M", record.Field{Name: "a", Schema: i32}), `message M { }`, ""},
		{"bytes for a string", own("M", record.Field{Name: "a", Schema: text}), `message M { bytes a = 1; }`, ""},
		{"another package", own("p.M"), `message M { }`, "PACKAGE_CHANGED"},
		{"no such message", own("M"), `message N { }`, "MESSAGE_REMOVED"},
		{"signed", own("M", record.Field{Name: "a", Schema: i32}), `message M { sint32 a = 1; }`, "FIELD_SCALAR_KIND_CHANGED"},
		{"fixed", own("M", record.Field{Name: "a", Schema: i32}), `message M { fixed32 a = 1; }`, "FIELD_SCALAR_KIND_CHANGED"},
		{"a message for a number", own("M", record.Field{Name: "a", Schema: i32}), `message M { M a = 1; }`, "FIELD_KIND_CHANGED"},
		{"a map for a list", own("M", record.Field{Name: "a", Schema: record.BuildArray(text).MustBuild()}), `message M { map<string, string> a = 1; }`, "FIELD_KIND_CHANGED"},
		{"another message", own("M", record.Field{Name: "a", Schema: inner}), `message M { Other a = 1; message Inner { int32 n = 1; } message Other { } }`, "FIELD_NAMED_TYPE_CHANGED"},
		{"within a message", own("M", record.Field{Name: "a", Schema: inner}), `message M { Inner a = 1; message Inner { double n = 1; } }`, "FIELD_SCALAR_KIND_CHANGED"},
		{"a member less", own("M", record.Field{Name: "u_0", Schema: union}), `message M { oneof u { int32 a = 5; } }`, "ONEOF_FIELD_REMOVED"},
		{"a oneof less", own("M", record.Field{Name: "u_0", Schema: union}), `message M { }`, ""},
		{"out of a oneof", own("M", record.Field{Name: "u_0", Schema: union}), `message M { int32 a = 5; int32 b = 6; }`, ""},
		{"into a oneof", own("M", record.Field{Name: "a", Schema: i32}, record.Field{Name: "b", Schema: i32}), `message M { oneof u { int32 a = 1; int32 b = 2; } }`, "MULTIPLE_FIELDS_MOVED_TO_ONEOF"},
		{"alone into a oneof", own("M", record.Field{Name: "a", Schema: i32}), `message M { oneof u { int32 a = 1; int32 b = 2; } }`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t)
			seed(reg, 1, "syntax = \"proto3\"; "+tt.newest)
			conv := converter(t, reg.URL(), plugin.Config{"auto.register.schemas": "false", "use.latest.version": "true"})
			_, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: tt.schema, Value: record.OfStruct(make([]record.Value, len(tt.schema.Fields)))})
			if tt.says != "" {
				err = fails(err, tt.says)
			}
			if err != nil {
				t.Error(errorsOf(err))
			}
		})
	}
}

// TestReferences compiles what a file imports: from other subjects, and the files that everybody knows.
func TestReferences(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	reg.SeedSchema("inner", 1, 7, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; package a; message Inner { int32 n = 1; }`})
	reg.SeedSchema("middle", 3, 8, sr.Schema{
		Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; package a; import public "a/inner.proto"; message Middle { Inner inner = 1; }`,
		References: []sr.SchemaReference{{Name: "a/inner.proto", Subject: "inner", Version: 1}},
	})
	text := `syntax = "proto3"; package b; import "a/middle.proto"; message M { a.Middle middle = 1; a.Inner inner = 2; }`
	reg.SeedSchema("t-value", 1, 9, sr.Schema{Type: sr.TypeProtobuf, Schema: text, References: []sr.SchemaReference{{Name: "a/middle.proto", Subject: "middle", Version: 3}}})
	d, err := converter(t, reg.URL(), nil).ReadData(new(record.Arena), "t", frame(9, 0, 10, 4, 10, 2, 8, 5, 18, 2, 8, 6))
	if got := vector.Show(d.Value); err != nil || got != `{"struct":[{"struct":[{"struct":[{"i32":5}]}]},{"struct":[{"i32":6}]}]}` {
		t.Errorf("got %s: %v", got, errorsOf(err))
	}
	var files []string
	err = filepath.WalkDir("../../engine/registry/schema/known", func(path string, e os.DirEntry, err error) error {
		if filepath.Ext(path) == ".proto" {
			files = append(files, strings.TrimPrefix(filepath.ToSlash(path), "../../engine/registry/schema/known/"))
		}
		return err
	})
	if err != nil || len(files) < 15 {
		t.Fatalf("found %q: %v", files, err)
	}
	for _, name := range []string{"any", "api", "descriptor", "duration", "empty", "field_mask", "source_context", "struct", "timestamp", "type", "wrappers"} {
		files = append(files, "google/protobuf/"+name+".proto")
	}
	for _, path := range slices.Sorted(slices.Values(files)) {
		if _, err := read(t, nil, `syntax = "proto3"; import "`+path+`"; message M { }`, 0); err != nil {
			t.Errorf("%s: %v", path, errorsOf(err))
		}
	}
}

// TestSubjectOfRecord names the subject after the message that was written, which need not be the first one of its file.
func TestSubjectOfRecord(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	reg.SeedSchema("p.Second", 4, 1, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; package p; message First { } message Second { }`})
	config := plugin.Config{"value.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy"}
	d, err := converter(t, reg.URL(), config).ReadData(new(record.Arena), "t", frame(1, 2, 2))
	if err != nil || d.Schema.Name != "Second" || d.Schema.Version != 4 {
		t.Errorf("got %v: %v", d.Schema, errorsOf(err))
	}
}

// TestNullAndHeader: null touches no registry, and an id may go to a header, with the index.
func TestNullAndHeader(t *testing.T) {
	t.Parallel()
	s := record.Build(record.Struct).Named("M").MustBuild()
	for _, schema := range []*record.Schema{nil, s} {
		if out, err := converter(t, "http://127.0.0.1:1", nil).AppendData([]byte{}, "t", record.Datum{Schema: schema}); err != nil || out != nil {
			t.Errorf("got %x, want the null message: %v", out, errorsOf(err))
		}
	}
	conv := converter(t, registrytest.Start(t).URL(), plugin.Config{"value.schema.id.serializer": "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"}).(plugin.MessageConverter)
	m := &plugin.Message{Topic: "t"}
	out, err := conv.AppendMessage(t.Context(), []byte{}, m, record.Datum{Schema: record.Required(record.String), Value: record.OfString("a")})
	if err != nil || string(out) != "\x0a\x01a" || len(m.Headers) != 1 || len(m.Headers[0].Value) != 19 || m.Headers[0].Value[17] != 2 || m.Headers[0].Value[18] != 14 {
		t.Errorf("got %x and headers %x: %v", out, m.Headers, errorsOf(err))
	}
}
