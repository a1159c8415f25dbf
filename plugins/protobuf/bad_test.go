package protobuf_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// damaged are messages that must give an error: the fields of a schema, a message in hex, words of the cause.
var damaged = []struct{ name, fields, message, says string }{
	{"no index", `int32 a = 1;`, "", "index is damaged"},
	{"index of no message", `int32 a = 1;`, "0202", "Invalid message indexes: [1]"},
	{"endless index", `int32 a = 1;`, "ffffffffffffffffffff01", "index is damaged"},
	{"truncated tag", `int32 a = 1;`, "00" + "80", "ends within"},
	{"truncated number", `int32 a = 1;`, "00" + "0880", "ends within"},
	{"endless number", `int32 a = 1;`, "00" + "08ffffffffffffffffffff01", "more than ten bytes"},
	{"field zero", `int32 a = 1;`, "00" + "0001", "the number 0"},
	{"wire type 6", `int32 a = 1;`, "00" + "0e", "wire type"},
	{"end without a start", `int32 a = 1;`, "00" + "0c", "did not begin"},
	{"end of another group", `int32 a = 1;`, "00" + "1324", "did not begin"},
	{"group without an end", `int32 a = 1;`, "00" + "130801", "ends within"},
	{"truncated string", `string a = 1;`, "00" + "0a0561", "ends within"},
	{"huge length", `string a = 1;`, "00" + "0affffffffffffffff7f", "ends within"},
	{"truncated fixed32", `fixed32 a = 1;`, "00" + "0d0102", "ends within"},
	{"truncated fixed64", `double a = 1;`, "00" + "090102", "ends within"},
	{"truncated unknown field", `int32 a = 1;`, "00" + "2205", "ends within"},
	{"truncated packed numbers", `repeated int32 a = 1;`, "00" + "0a020180", "ends within"},
	{"truncated packed fixed32", `repeated fixed32 a = 1;`, "00" + "0a0301020304", "ends within"},
	{"truncated list", `repeated string a = 1;`, "00" + "0a01610a05", "ends within"},
	{"truncated message", `M a = 1;`, "00" + "0a020a05", "ends within"},
	{"truncated entry", `map<string, int32> a = 1;`, "00" + "0a030a0561", "ends within"},
	{"no UTF-8", `string a = 1;`, "00" + "0a01ff", "no UTF-8"},
	{"no UTF-8 in a list", `repeated string a = 1;`, "00" + "0a01ff", "no UTF-8"},
	{"no date", `google.type.Date a = 1;`, "00" + "0a0708e70f1002181e", "is no date"},
	{"empty date", `google.type.Date a = 1;`, "00" + "0a00", "is no date"},
	{"no time", `google.type.TimeOfDay a = 1;`, "00" + "0a020818", "Invalid value for HourOfDay (valid values 0 - 23): 24"},
	{"timestamp out of range", `google.protobuf.Timestamp a = 1;`, "00" + "0a0a08ffffffffffffffff7f", "Timestamp is not valid"},
	{"negative nanos", `google.protobuf.Timestamp a = 1;`, "00" + "0a0b10ffffffffffffffffff01", "Timestamp is not valid"},
	{"decimal without digits", `confluent.type.Decimal a = 1;`, "00" + "0a00", "Zero length BigInteger"},
	{"decimal of negative precision", `confluent.type.Decimal a = 1;`, "00" + "0a090a010510ffffffff0f", "Digits < 0"},
}

func schemaOf(fields string) string {
	return "syntax = \"proto3\";\nimport \"google/protobuf/timestamp.proto\"; import \"google/type/date.proto\"; import \"google/type/timeofday.proto\"; import \"confluent/type/decimal.proto\";\nmessage M {\n" + fields + "\n}\n"
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, tt := range damaged {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			message, err := hex.DecodeString(tt.message)
			if err != nil {
				t.Fatal(err)
			}
			_, err = read(t, nil, schemaOf(tt.fields), message...)
			if err := fails(err, tt.says); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	const text = `syntax = "proto2"; message M { required int32 id = 1; optional Part part = 2; message Part { required string name = 1; } }`
	if d, err := read(t, nil, text, 0, 8, 0, 18, 3, 10, 1, 'x'); err != nil || d.Value.Elements()[0].Int() != 0 {
		t.Error(errorsOf(err))
	}
	for _, message := range [][]byte{{0}, {0, 8, 1, 18, 0}} {
		_, err := read(t, nil, text, message...)
		if err := fails(err, "Message missing required fields: "); err != nil {
			t.Errorf("%x: %v", message, err)
		}
	}
}

// answering is a registry that has one schema, whatever is asked.
func answering(tb testing.TB, schema func() string) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":1,"version":1,"subject":"t-value","schemaType":"PROTOBUF","schema":` + strconv.Quote(schema()) + `}`))
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

// TestSchemasThatAreNone: the registry says such a schema belongs to a message.
func TestSchemasThatAreNone(t *testing.T) {
	t.Parallel()
	// Each message has the one before three times: three to the power of sixty in the end.
	var wide strings.Builder
	wide.WriteString("syntax = \"proto3\"; message M { T59 t = 1; } message T0 { int32 n = 1; }")
	for i := 1; i < 60; i++ {
		fmt.Fprintf(&wide, "message T%d { T%d a = 1; T%d b = 2; T%d c = 3; }", i, i-1, i-1, i-1)
	}
	nested := strings.Repeat("message M { ", 10000) + strings.Repeat("}", 10000)
	for name, tt := range map[string]struct{ schema, says string }{
		"empty":              {"", "the schema is empty"},
		"no text of its own": {"what is this", "line 1, column 1: syntax error"},
		"no message":         {`syntax = "proto3"; enum E { A = 0; }`, "has no message"},
		"unknown type":       {`syntax = "proto3"; message M { Other a = 1; }`, "unknown type Other"},
		"unknown import":     {`syntax = "proto3"; import "other.proto"; message M { }`, "the import other.proto is none of the references"},
		"itself":             {`syntax = "proto3"; import "default"; message M { }`, "none of the references"},
		"duplicate field":    {`syntax = "proto3"; message M { int32 a = 1; int32 a = 2; }`, `"M.a" already defined`},
		"duplicate number":   {`syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }`, "has conflicting fields"},
		"field zero":         {`syntax = "proto3"; message M { int32 a = 0; }`, "must be greater than zero"},
		"deep":               {`syntax = "proto3"; ` + nested, "nests deeper than 100"},
		"group":              {`syntax = "proto2"; message M { optional group G = 1 { optional int32 a = 1; } }`, "Unknown Connect schema type: GROUP"},
		"exponential":        {wide.String(), "more than 100000 Connect schemas"},
		"duplicate in flat":  {`syntax = "proto3"; message M { oneof x { int32 a = 1; } int32 x_0 = 2; }`, "field name duplication x_0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := answering(t, func() string { return tt.schema })
			_, err := converter(t, url, nil).ReadData(new(record.Arena), "t", frame(1, 0))
			if err := fails(err, tt.says); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEndlessTypes(t *testing.T) {
	t.Parallel()
	const list = `syntax = "proto3"; message Node { int32 v = 1; Node next = 2; repeated Node kids = 3; map<string, Node> more = 4; }`
	nested := func(n int) (b []byte) {
		for range n {
			b = protowire.AppendBytes(protowire.AppendTag([]byte{8, 1}, 2, protowire.BytesType), b)
		}
		return append([]byte{0}, b...)
	}
	d, err := read(t, nil, list, nested(3)...)
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	if !d.Schema.Optional || d.Schema.Fields[1].Schema.Version != 1 {
		t.Errorf("got a root that is required, or whose version its fields do not have: Confluent's are one builder")
	}
	out, text, err := write(t, nil, d)
	if want := nested(3); err != nil || string(out[5:]) != string(want) {
		t.Errorf("written again it is %x, not %x: %v", out, want, errorsOf(err))
	}
	if !strings.Contains(text, "\n  Node next = 2;\n  repeated Node kids = 3;\n  repeated moreEntry more = 4;\n") {
		t.Errorf("registered %s", text)
	}
	_, err = read(t, nil, `syntax = "proto3"; message Node { int32 v = 1; Node next = 2; }`, nested(60)...)
	if err := fails(err, "deeper than they can be unrolled"); err != nil {
		t.Error(err)
	}
	_, err = read(t, nil, list, nested(10_000)...)
	if err := fails(err, "deeper than"); err != nil {
		t.Error(err)
	}
	_, err = read(t, plugin.Config{"generate.struct.for.nulls": "true"}, list, nested(1)...)
	if err := fails(err, "contains itself"); err != nil {
		t.Error(err)
	}
}

// TestInterleaved: lists whose elements take turns are read in a time that grows with the message, not with its square.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	const n = 100_000
	message := []byte{0}
	for range n {
		message = append(message, 8, 1, 18, 1, 'x', 26, 2, 8, 7)
	}
	d, err := read(t, nil, `syntax = "proto3"; message M { repeated int32 a = 1; repeated string b = 2; map<int32, string> c = 3; }`, message...)
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	es := d.Value.Elements()
	if a, b, c := len(es[0].Elements()), len(es[1].Elements()), len(es[2].Elements()); a != n || b != n || c != 2 {
		t.Errorf("got %d numbers, %d texts and %d entries, want %d, %d and one", a, b, c/2, n, n)
	}
}

// TestWide: empty messages of many fields are bounded together.
func TestWide(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(`syntax = "proto3"; message M { repeated Wide a = 1; } message Wide {`)
	for i := range 1000 {
		fmt.Fprintf(&text, " int32 f%d = %d;", i, i+1)
	}
	text.WriteString("}")
	for n, ok := range map[int]bool{1000: true, 6000: false} {
		message := append([]byte{0}, strings.Repeat("\x0a\x00", n)...)
		d, err := read(t, nil, text.String(), message...)
		switch {
		case ok && (err != nil || len(d.Value.Elements()[0].Elements()) != n):
			t.Errorf("%d: %v", n, errorsOf(err))
		case !ok:
			if err := fails(err, "more fields than its size allows"); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		}
	}
}

// TestLarge: ten megabytes of text there and back.
func TestLarge(t *testing.T) {
	t.Parallel()
	s := record.Build(record.Struct).Named("M").Field("a", record.Required(record.String)).MustBuild()
	reg := registrytest.Start(t)
	conv := converter(t, reg.URL(), nil)
	want := strings.Repeat("0123456789", 1<<20)
	out, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfString(want)})})
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	d, err := conv.ReadData(new(record.Arena), "t", out)
	if err != nil || d.Value.Elements()[0].Text() != want {
		t.Errorf("got another text: %v", errorsOf(err))
	}
}

// TestMistakesOfData: values that are not what their schema says, and schemas that have no form.
func TestMistakesOfData(t *testing.T) {
	t.Parallel()
	one := func(s *record.Schema, v record.Value) record.Datum {
		return record.Datum{Schema: record.Build(record.Struct).Named("M").Field("a", s).MustBuild(), Value: record.OfStruct([]record.Value{v})}
	}
	named := func(k record.Kind, name string) *record.Schema {
		return record.Build(k).Named(name).Versioned(1).MustBuild()
	}
	i32, text := record.Required(record.Int32), record.Required(record.String)
	enum := record.Build(record.String).Named("E").Param("io.confluent.connect.protobuf.Enum", "E").Param("io.confluent.connect.protobuf.Enum.A", "0").MustBuild()
	union := record.Build(record.Struct).Named("io.confluent.connect.protobuf.Union.u").Field("x", i32).MustBuild()
	typed := func(typ string) *record.Schema {
		return record.Build(record.Int32).Param("io.confluent.connect.protobuf.Type", typ).MustBuild()
	}
	for _, tt := range []struct {
		name string
		d    record.Datum
		says string
	}{
		{"another kind", one(i32, record.OfString("x")), "Invalid type for INT32: class java.lang.String"},
		{"another kind at the root", record.Datum{Schema: i32, Value: record.OfString("x")}, "Invalid type for INT32: class java.lang.String"},
		{"another kind in an array", one(record.BuildArray(i32).MustBuild(), record.OfArray([]record.Value{record.OfBool(true)})), "Invalid type for INT32"},
		{"null in an array", one(record.BuildArray(text).MustBuild(), record.OfArray(make([]record.Value, 1))), "an element of an array is null"},
		{"fields of another struct", record.Datum{Schema: one(i32, record.Value{}).Schema, Value: record.OfStruct(make([]record.Value, 2))}, "Mismatching struct schema"},
		{"no symbol", one(enum, record.OfString("secret")), "none of the symbols"},
		{"no symbol in an array", one(record.BuildArray(enum).MustBuild(), record.OfArray([]record.Value{record.OfString("secret")})), "none of the symbols"},
		{"a date with a time", one(named(record.Int32, record.DateName), record.OfInstant(1)), "Date type should not"},
		{"a time of two days", one(named(record.Int32, record.TimeName), record.OfInstant(86_400_001)), "Time values must use number of millis greater than 0 and less than 86400000"},
		{"a timestamp out of range", one(named(record.Int64, record.TimestampName), record.OfInstant(1<<62)), "Timestamp is not valid"},
		{"a number for a timestamp", one(named(record.Int64, record.TimestampName), record.OfInt64(1)), "Invalid type for Timestamp, expected Date but was class java.lang.Long"},
		{"a number for a decimal", one(record.DecimalSchema(2), record.OfInt64(1)), "Invalid type for Decimal, expected BigDecimal but was class java.lang.Long"},
		{"a timestamp at the root", record.Datum{Schema: named(record.Int64, record.TimestampName), Value: record.OfInstant(1)}, "Unsupported root schema of type INT64 named org.apache.kafka.connect.data.Timestamp"},
		{"a map at the root", record.Datum{Schema: record.BuildMap(text, text).MustBuild(), Value: record.OfMap(nil)}, "Unsupported root schema of type MAP"},
		{"a bad name", record.Datum{Schema: record.Build(record.Struct).Named("a.b-c").MustBuild(), Value: record.OfStruct(nil)}, `"b-c" is not a valid identifier.`},
		{"a bad package", record.Datum{Schema: record.Build(record.Struct).Named("1a.b").MustBuild(), Value: record.OfStruct(nil)}, `"1a" is not a valid identifier.`},
		{"a name that is text", record.Datum{Schema: record.Build(record.Struct).Field("a = 1; } message X { int32 b", i32).MustBuild(), Value: record.OfStruct(make([]record.Value, 1))}, "is not a valid identifier."},
		{"two fields of one number", record.Datum{Schema: record.Build(record.Struct).Field("a", record.Build(record.Int32).Param("io.confluent.connect.protobuf.Tag", "1").MustBuild()).Field("b", i32).MustBuild(), Value: record.OfStruct(make([]record.Value, 2))}, "Invalid protobuf schema definition"},
		{"a number that is none", one(record.Build(record.Int32).Param("io.confluent.connect.protobuf.Tag", "x").MustBuild(), record.Value{}), "is no number"},
		{"a number out of range", one(record.Build(record.Int32).Param("io.confluent.connect.protobuf.Tag", "0").MustBuild(), record.Value{}), "Invalid protobuf schema definition"},
		{"a union without numbers", one(union, record.Value{}), "its number is not known"},
		{"an array of unions", one(record.BuildArray(union).MustBuild(), record.Value{}), "a oneof cannot be repeated"},
		{"two maps of one name", record.Datum{Schema: record.Build(record.Struct).
			Field("a", record.BuildMap(text, text).Named("m").MustBuild()).Field("b", record.BuildMap(text, text).Named("m").MustBuild()).MustBuild(), Value: record.OfStruct(make([]record.Value, 2))}, "Invalid protobuf schema definition"},
		{"a type that is none", one(typed("int64"), record.Value{}), `is "int64"; one of int32, sint32`},
		{"an enum without zero", one(record.Build(record.String).Named("E").Param("io.confluent.connect.protobuf.Enum", "E").Param("io.confluent.connect.protobuf.Enum.A", "1").MustBuild(), record.Value{}), "Invalid protobuf schema definition"},
		{"an array in an array", one(record.BuildArray(record.BuildArray(i32).MustBuild()).MustBuild(), record.Value{}), "Array cannot be nested"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, _, err := write(t, nil, tt.d)
			if err := fails(err, tt.says); err != nil || strings.Contains(errorsOf(err), "secret") {
				t.Errorf("%x: %v", out, err)
			}
		})
	}
}

// TestRounding: a decimal with more digits than its precision says is rounded as Java's MathContext does.
func TestRounding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ digits, precision, want, scale int64 }{
		{12345, 0, 12345, 2}, {12345, 5, 12345, 2}, {12345, 4, 1235, 1}, {-12345, 4, -1235, 1}, {12344, 4, 1234, 1}, {99999, 3, 100, -1}, {-5, 1, -5, 2},
	} {
		b := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), record.AppendBigInt(nil, big.NewInt(tt.digits)))
		b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(tt.precision))
		b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), 2)
		d, err := read(t, nil, schemaOf("confluent.type.Decimal a = 1;"), append([]byte{0, 10, byte(len(b))}, b...)...)
		if err != nil {
			t.Fatal(errorsOf(err))
		}
		if got := d.Value.Elements()[0].Decimal(); got.Unscaled.Int64() != tt.want || int64(got.Scale) != tt.scale {
			t.Errorf("%d of precision %d: got %v scale %d, want %d scale %d", tt.digits, tt.precision, got.Unscaled, got.Scale, tt.want, tt.scale)
		}
	}
}
