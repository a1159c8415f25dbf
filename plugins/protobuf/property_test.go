package protobuf_test

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// compiled makes descriptors of a text with the library's own compiler.
func compiled(tb testing.TB, text string) protoreflect.FileDescriptor {
	tb.Helper()
	f, err := compileStrictly(tb, text)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return f
}

func compileStrictly(tb testing.TB, text string) (protoreflect.FileDescriptor, error) {
	if strings.Contains(text, "confluent.field_meta") {
		text = strings.Replace(text, "syntax = \"proto3\";\n", "syntax = \"proto3\"; import \"confluent/meta.proto\";\n", 1)
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		if path == "test.proto" {
			return protocompile.SearchResult{Source: strings.NewReader(text)}, nil
		}
		raw, err := os.ReadFile(filepath.Join("../../engine/registry/schema/known", path))
		return protocompile.SearchResult{Source: strings.NewReader(string(raw))}, err
	}))}
	files, err := c.Compile(tb.Context(), "test.proto")
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// drawSchema draws a schema of a field.
func drawSchema(t *rapid.T, depth int, name *int, elem bool) *record.Schema {
	kinds := []record.Kind{record.Int8, record.Int16, record.Int32, record.Int64, record.Float32, record.Float64, record.Boolean, record.String, record.Bytes, record.Decimal, record.Instant, record.BigInt}
	if depth > 0 {
		kinds = append(kinds, record.Struct)
		if !elem {
			kinds = append(kinds, record.Array, record.Map)
		}
	}
	var b *record.Builder
	*name++
	switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
	case record.Decimal:
		b = record.Build(record.Bytes).Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, "2")
	case record.Instant:
		name := rapid.SampledFrom([]string{record.DateName, record.TimeName, record.TimestampName}).Draw(t, "logical")
		b = record.Build(record.Int32).Named(name).Versioned(1)
		if name == record.TimestampName {
			b = record.Build(record.Int64).Named(name).Versioned(1)
		}
	case record.BigInt: // a number of another type of Protobuf, or an enum
		switch rapid.IntRange(0, 2).Draw(t, "special") {
		case 0:
			b = record.Build(record.Int32).Param("io.confluent.connect.protobuf.Type", rapid.SampledFrom([]string{"sint32", "sfixed32"}).Draw(t, "type"))
		case 1:
			b = record.Build(record.Int64).Param("io.confluent.connect.protobuf.Type", rapid.SampledFrom([]string{"uint32", "fixed32", "uint64", "sint64", "fixed64", "sfixed64"}).Draw(t, "type"))
		default:
			e := fmt.Sprintf("E%d", *name)
			b = record.Build(record.String).Named(e).Param("io.confluent.connect.protobuf.Enum", e).
				Param("io.confluent.connect.protobuf.Enum.ZERO"+e, "0").Param("io.confluent.connect.protobuf.Enum.NEG"+e, "-1").Param("io.confluent.connect.protobuf.Enum.BIG"+e, "1000")
		}
	case record.Array:
		b = record.BuildArray(drawSchema(t, depth-1, name, true))
	case record.Map:
		key := rapid.SampledFrom([]record.Kind{record.String, record.Int8, record.Int32, record.Int64, record.Boolean}).Draw(t, "key")
		b = record.BuildMap(record.Required(key), drawSchema(t, depth-1, name, true)).Named(fmt.Sprintf("m_%d", *name))
	case record.Struct:
		b = drawStruct(t, depth-1, name)
	default:
		b = record.Build(k)
	}
	if rapid.Bool().Draw(t, "optional") {
		b.Optional()
	}
	return b.MustBuild()
}

func drawStruct(t *rapid.T, depth int, name *int) *record.Builder {
	b := record.Build(record.Struct).Named(fmt.Sprintf("S%d", *name))
	number := 0
	tagged := rapid.Bool().Draw(t, "tagged")
	next := func(s *record.Schema) *record.Schema {
		number += rapid.IntRange(1, 300).Draw(t, "number")
		c := *s
		c.Params = append(slices.Clone(s.Params), record.Param{Key: "io.confluent.connect.protobuf.Tag", Value: fmt.Sprint(number)})
		return &c
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
		if tagged && rapid.IntRange(0, 4).Draw(t, "union") == 0 {
			*name++
			u := record.Build(record.Struct).Named(fmt.Sprintf("io.confluent.connect.protobuf.Union.u%d", i)).Optional()
			for j := range rapid.IntRange(1, 3).Draw(t, "members") {
				member := *next(drawSchema(t, depth, name, true))
				member.Optional = true
				u.Field(fmt.Sprintf("f%d_%d", i, j), &member)
			}
			b.Field(fmt.Sprintf("u%d_%d", i, 0), u.MustBuild())
			continue
		}
		s := drawSchema(t, depth, name, false)
		if tagged {
			s = next(s)
		}
		b.Field(fmt.Sprintf("f%d", i), s)
	}
	return b
}

func isUnion(s *record.Schema) bool { return strings.Contains(s.Name, ".Union.") }

func drawValue(t *rapid.T, s *record.Schema, always bool) record.Value {
	if s.Optional && !always && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return record.Value{}
	}
	switch s.Name {
	case record.DecimalName:
		n := new(big.Int).Lsh(big.NewInt(rapid.Int64().Draw(t, "digits")), uint(rapid.SampledFrom([]int{0, 0, 1, 70}).Draw(t, "shift")))
		return record.OfDecimal(n, rapid.Int32Range(-5, 30).Draw(t, "scale"))
	case record.DateName:
		return record.OfInstant(rapid.Int64Range(-719_164, 2_932_896).Draw(t, "day") * 86_400_000)
	case record.TimeName:
		return record.OfInstant(rapid.Int64Range(0, 86_399_999).Draw(t, "time"))
	case record.TimestampName:
		return record.OfInstant(rapid.Int64Range(-62_135_596_800_000, 253_402_300_799_999).Draw(t, "at"))
	}
	if typ, _ := s.Param("io.confluent.connect.protobuf.Type"); typ == "uint32" || typ == "fixed32" {
		return record.OfInt64(int64(rapid.Uint32().Draw(t, "v")))
	}
	if e, ok := s.Param("io.confluent.connect.protobuf.Enum"); ok {
		return record.OfString(rapid.SampledFrom([]string{"ZERO", "NEG", "BIG"}).Draw(t, "symbol") + e)
	}
	if v, ok := plugintest.DrawScalar(t, s.Kind); ok {
		return v
	}
	switch s.Kind {
	case record.Array:
		var es []record.Value
		for range rapid.SampledFrom([]int{0, 1, 2, 40}).Draw(t, "n") {
			es = append(es, drawValue(t, s.Elem, true))
		}
		return record.OfArray(es)
	case record.Map:
		return drawMap(t, s)
	}
	es := make([]record.Value, len(s.Fields))
	if isUnion(s) {
		at := rapid.IntRange(0, len(es)-1).Draw(t, "member")
		es[at] = drawValue(t, s.Fields[at].Schema, true)
		return record.OfStruct(es)
	}
	for i := range s.Fields {
		es[i] = drawValue(t, s.Fields[i].Schema, false)
	}
	return record.OfStruct(es)
}

func drawMap(t *rapid.T, s *record.Schema) record.Value {
	var es []record.Value
	for range rapid.SampledFrom([]int{0, 1, 2, 30}).Draw(t, "n") {
		key := drawValue(t, s.Key, true)
		if !slices.ContainsFunc(es, key.Equal) {
			es = append(es, key, drawValue(t, s.Elem, true))
		}
	}
	return record.OfMap(es)
}

// readBack is what a value is read as after it was written with the settings of TestBesideLibrary: what is null in a
// scalar, an array or a map comes as its default.
func readBack(s *record.Schema, v record.Value, config plugin.Config) record.Value {
	if v.IsNull() {
		switch {
		case s.Kind == record.Array:
			return record.OfArray(nil)
		case s.Kind == record.Map:
			return record.OfMap(nil)
		case s.Kind == record.Struct || s.Version == 1:
			return v
		}
		if e, ok := s.Param("io.confluent.connect.protobuf.Enum"); ok && config["optional.for.nullables"] != "true" {
			return record.OfString("ZERO" + e) // which no wrapper holds
		}
		if len(config) > 0 && s.Optional {
			return v
		}
		return map[record.Kind]record.Value{
			record.Int8: record.OfInt8(0), record.Int16: record.OfInt16(0), record.Int32: record.OfInt32(0), record.Int64: record.OfInt64(0),
			record.Float32: record.OfFloat32(0), record.Float64: record.OfFloat64(0), record.Boolean: record.OfBool(false),
			record.String: record.OfString(""), record.Bytes: record.OfBytes(nil),
		}[s.Kind]
	}
	switch v.Kind() {
	case record.Array:
		var es []record.Value
		for _, e := range v.Elements() {
			es = append(es, readBack(s.Elem, e, config))
		}
		return record.OfArray(es)
	case record.Map:
		var es []record.Value
		for i, e := range v.Elements() {
			if i%2 == 1 {
				e = readBack(s.Elem, e, config)
			}
			es = append(es, e)
		}
		return record.OfMap(es)
	case record.Struct:
		es := make([]record.Value, len(s.Fields))
		for i, e := range v.Elements() {
			if isUnion(s) && e.IsNull() {
				continue
			}
			es[i] = readBack(s.Fields[i].Schema, e, config)
		}
		return unionsFirst(s, es)
	}
	return v
}

// unionsFirst puts fields into the order in which they are read: those that stand for a oneof come first.
func unionsFirst(s *record.Schema, es []record.Value) record.Value {
	var first, rest []record.Value
	for i, f := range s.Fields {
		if isUnion(f.Schema) {
			first = append(first, es[i])
		} else {
			rest = append(rest, es[i])
		}
	}
	return record.OfStruct(append(first, rest...))
}

// TestBesideLibrary writes random data of random schemas: the registered text compiles, the library reads the bytes, and
// what it writes again reads back here as what was written.
func TestBesideLibrary(t *testing.T) {
	t.Parallel()
	for _, config := range []plugin.Config{
		{},
		{"optional.for.nullables": "true"},
		{"wrapper.for.nullables": "true"},
	} {
		t.Run(fmt.Sprint(config), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) { besideLibrary(t, rt, config) })
		})
	}
}

func besideLibrary(t *testing.T, rt *rapid.T, config plugin.Config) {
	reg := srfake.New()
	defer reg.Close()
	name := 0
	s := drawStruct(rt, 2, &name).MustBuild()
	d := record.Datum{Schema: s, Value: drawValue(rt, s, true)}
	conv := converter(t, reg.URL(), config)
	message, err := conv.AppendData([]byte{}, "t", d)
	if err != nil {
		rt.Fatalf("write: %v", errorsOf(err))
	}
	stored, _ := reg.GetSchema("t-value", 1)
	file, err := compileStrictly(t, stored.Schema.Schema)
	if err != nil {
		rt.Fatalf("%s: %v", stored.Schema.Schema, err)
	}
	m := dynamicpb.NewMessage(file.Messages().Get(0))
	if err := proto.Unmarshal(message[6:], m); err != nil {
		rt.Fatalf("the library cannot read %x as %s: %v", message[6:], stored.Schema.Schema, err)
	}
	if unknown(m) {
		rt.Fatalf("the library does not know all fields of %x as %s", message[6:], stored.Schema.Schema)
	}
	theirs, err := proto.Marshal(m)
	if err != nil {
		rt.Fatal(err)
	}
	wrapped := config["wrapper.for.nullables"] == "true"
	if len(theirs) != len(message[6:]) && !wrapped { // where a uint32 in a wrapper is written as an int32

		rt.Fatalf("the library writes %d bytes, %x, not %d, %x", len(theirs), theirs, len(message[6:]), message[6:])
	}
	back, err := conv.ReadData(new(record.Arena), "t", append(slices.Clone(message[:6]), theirs...))
	if err != nil {
		rt.Fatalf("read of the library's %x as %s: %v", theirs, stored.Schema.Schema, errorsOf(err))
	}
	want := readBack(s, d.Value, config)
	if wrapped {
		want, back.Value = widened(want), widened(back.Value) // an Int8 in a wrapper is read as an Int32
	}
	if err := vector.CompareValue(want, back.Value); err != nil {
		rt.Fatalf("%s: %v", stored.Schema.Schema, err)
	}
}

// widened makes every Int8 and Int16 an Int32.
func widened(v record.Value) record.Value {
	switch v.Kind() {
	case record.Int8, record.Int16:
		return record.OfInt32(int32(v.Int()))
	case record.Array, record.Map, record.Struct:
		es := make([]record.Value, len(v.Elements()))
		for i, e := range v.Elements() {
			es[i] = widened(e)
		}
		switch v.Kind() {
		case record.Array:
			return record.OfArray(es)
		case record.Map:
			return record.OfMap(es)
		}
		return record.OfStruct(es)
	}
	return v
}

func unknown(m protoreflect.Message) bool {
	found := len(m.GetUnknown()) > 0
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				found = found || unknown(v.List().Get(i).Message())
			}
		default:
			found = found || unknown(v.Message())
		}
		return true
	})
	return found
}

// everything has all that a file can have and a message can be read from.
const everything = `syntax = "proto3";
package every.thing;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/money.proto";
enum Colour { RED = 0; GREEN = 1; NEGATIVE = -5; }
message All {
  double f_double = 1; float f_float = 2; int32 f_int32 = 3; int64 f_int64 = 4; uint32 f_uint32 = 5; uint64 f_uint64 = 6;
  sint32 f_sint32 = 7; sint64 f_sint64 = 8; fixed32 f_fixed32 = 9; fixed64 f_fixed64 = 10; sfixed32 f_sfixed32 = 11; sfixed64 f_sfixed64 = 12;
  bool f_bool = 13; string f_string = 14; bytes f_bytes = 15; Colour f_enum = 16;
  optional int32 o_int32 = 20; optional string o_string = 21; optional bytes o_bytes = 22; optional bool o_bool = 23; optional double o_double = 24;
  repeated int32 r_int32 = 30; repeated string r_string = 31; repeated Inner r_inner = 32; repeated double r_double = 33; repeated fixed32 r_fixed32 = 34;
  repeated sint64 r_sint64 = 35; repeated bool r_bool = 36; repeated int64 loose = 37 [packed = false]; repeated bytes r_bytes = 38;
  map<string, int32> m_int32 = 40; map<int32, Inner> m_inner = 41; map<bool, string> m_bool = 42; map<sint64, bytes> m_sint64 = 43;
  oneof choice { string text = 50; Inner inner_choice = 51; int64 number = 52; bool flag = 53; }
  oneof other { uint32 small = 60; bytes blob = 61; }
  Inner inner = 70;
  google.protobuf.StringValue wrapped = 71;
  google.type.Money price = 72;
  int32 far = 100000;
  message Inner { int32 n = 1; string s = 2; repeated int32 list = 3; Deep deep = 4; message Deep { repeated string words = 1; optional int64 o = 2; } }
}
`

// drawMessage sets random fields of a message.
func drawMessage(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if rapid.IntRange(0, 2).Draw(t, "set") == 0 || depth == 0 && f.Message() != nil && !f.IsMap() {
			continue
		}
		switch {
		case f.IsMap():
			for range rapid.IntRange(0, 3).Draw(t, "n") {
				key := drawScalar(t, f.MapKey()).MapKey()
				value := m.Mutable(f).Map().NewValue()
				if f.MapValue().Message() != nil {
					drawMessage(t, value.Message(), depth-1)
				} else {
					value = drawScalar(t, f.MapValue())
				}
				m.Mutable(f).Map().Set(key, value)
			}
		case f.IsList():
			for range rapid.IntRange(0, 4).Draw(t, "n") {
				if f.Message() != nil {
					drawMessage(t, m.Mutable(f).List().AppendMutable().Message(), depth-1)
				} else {
					m.Mutable(f).List().Append(drawScalar(t, f))
				}
			}
		case f.Message() != nil:
			drawMessage(t, m.Mutable(f).Message(), depth-1)
		default:
			m.Set(f, drawScalar(t, f))
		}
	}
}

func drawScalar(t *rapid.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "v"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(rapid.SampledFrom([]protoreflect.EnumNumber{0, 1, -5}).Draw(t, "v"))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "v"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "v"))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "v"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "v"))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(rapid.Float32().Draw(t, "v"))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.Float64().Draw(t, "v"))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.String().Draw(t, "v"))
	}
	return protoreflect.ValueOfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "v"))
}

// TestLibraryWrites reads messages that the library wrote, in parts and with fields that nobody knows between them, writes
// them again, and wants the library to find the same message.
func TestLibraryWrites(t *testing.T) {
	t.Parallel()
	file := compiled(t, everything)
	all := file.Messages().ByName("All")
	reg := registrytest.Start(t)
	seed(reg, 1, everything)
	config := plugin.Config{
		"enhanced.protobuf.schema.support": "true", "optional.for.nullables": "true",
		"auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false",
	}
	conv := converter(t, reg.URL(), config)
	rapid.Check(t, func(rt *rapid.T) {
		var payload []byte
		want := dynamicpb.NewMessage(all)
		for range rapid.IntRange(1, 3).Draw(rt, "parts") {
			m := dynamicpb.NewMessage(all)
			drawMessage(rt, m, 2)
			raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				rt.Fatal(err)
			}
			payload = append(payload, raw...)
			payload = append(payload, drawUnknown(rt)...)
		}
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(payload, want); err != nil {
			rt.Fatal(err)
		}
		d, err := conv.ReadData(new(record.Arena), "t", frame(1, append([]byte{0}, payload...)...))
		if err != nil {
			rt.Fatalf("%x: %v", payload, errorsOf(err))
		}
		out, err := conv.AppendData([]byte{}, "t", d)
		if err != nil {
			rt.Fatalf("%x: %v", payload, errorsOf(err))
		}
		got := dynamicpb.NewMessage(all)
		if err := proto.Unmarshal(out[6:], got); err != nil {
			rt.Fatal(err)
		}
		if !proto.Equal(want, got) {
			rt.Fatalf("%x: got %v, want %v", payload, got, want)
		}
	})
}

// drawUnknown draws fields of numbers, and of wire types, that the message does not have.
func drawUnknown(t *rapid.T) (b []byte) {
	number := protowire.Number(rapid.SampledFrom([]int{3, 14, 30, 32, 40, 50, 70, 99, 1000, 200_000}).Draw(t, "number"))
	switch rapid.IntRange(0, 4).Draw(t, "unknown") {
	case 0:
		b = protowire.AppendTag(b, number, protowire.Fixed32Type)
		return protowire.AppendFixed32(b, 7)
	case 1:
		b = protowire.AppendTag(b, number, protowire.Fixed64Type)
		return protowire.AppendFixed64(b, 7)
	case 2:
		b = protowire.AppendTag(b, number, protowire.StartGroupType)
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), 5)
		return protowire.AppendTag(b, number, protowire.EndGroupType)
	case 3:
		return protowire.AppendBytes(protowire.AppendTag(b, 999, protowire.BytesType), []byte("what"))
	}
	return nil
}
