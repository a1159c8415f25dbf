package avro_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

const everything = `{"type":"record","name":"All","namespace":"n","fields":[{"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"i8","type":{"type":"int","connect.type":"int8"}},{"name":"l","type":"long"},{"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"y","type":"bytes"},{"name":"s","type":"string"},{"name":"a","type":{"type":"array","items":["null","long","string"]}},{"name":"m","type":{"type":"map","values":"string"}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"x","type":{"type":"fixed","name":"X","size":3}},{"name":"dec","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"decx","type":{"type":"fixed","name":"DX","size":4,"logicalType":"decimal","precision":9,"scale":2}},{"name":"date","type":{"type":"int","logicalType":"date"}},{"name":"next","type":["null","All"]},{"name":"entries","type":{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},{"name":"value","type":"string"}]}}}]}`

// damaged are messages that must give an error: a schema, a datum in hex, words of the cause.
var damaged = []struct{ name, schema, datum, says string }{
	{"empty", `"int"`, "", "ends within"},
	{"truncated varint", `"long"`, "80", "ends within"},
	{"endless varint", `"long"`, "ffffffffffffffffffff01", "invalid long encoding"},
	{"number out of range", `"int"`, "ffffffff1f", "invalid int encoding"},
	{"date out of range", `{"type":"int","logicalType":"date"}`, "ffffffff1f", "invalid int encoding"},
	{"truncated string", `"string"`, "0a6162", "ends within"},
	{"negative length", `"string"`, "01", "negative"},
	{"huge length", `"string"`, "feffffffffffffffff01", "ends within"},
	{"truncated double", `"double"`, "000000", "ends within"},
	{"union without that type", `["null","int"]`, "04", "no type 2"},
	{"negative type of a union", `["null","int"]`, "01", "no type -1"},
	{"enum without that symbol", `{"type":"enum","name":"E","symbols":["A"]}`, "02", "no symbol 1"},
	{"huge array", `{"type":"array","items":"long"}`, "feffffffffffffffff01", "ends within"},
	{"huge array of nothing", `{"type":"array","items":{"type":"record","name":"N","fields":[]}}`, "feffffff0f", "without content"},
	{"many arrays of nothing", `{"type":"array","items":{"type":"array","items":{"type":"record","name":"N","fields":[]}}}`, "06" + "808008" + "00" + "808008" + "00" + "808008" + "00" + "00", "without content"},
	{"lowest block count", `{"type":"array","items":"long"}`, "ffffffffffffffffff0100", "length"},
	{"huge map", `{"type":"map","values":"long"}`, "feffffffffffffffff01", "ends within"},
	{"decimal without digits", `{"type":"record","name":"R","fields":[{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4}}]}`, "00", "Zero length BigInteger"},
	{"short fixed", `{"type":"fixed","name":"F","size":4}`, "0102", "ends within"},
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, tt := range damaged {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t)
			reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: tt.schema})
			datum, err := hex.DecodeString(tt.datum)
			if err != nil {
				t.Fatal(err)
			}
			d, err := converter(t, reg.URL(), nil).ReadData(new(record.Arena), "t", frame(1, datum))
			if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), tt.says) {
				t.Errorf("got %v and %v, want a DataError that says %q", d.Value.Kind(), errorsOf(err), tt.says)
			}
		})
	}
}

func TestInvalidUTF8BecomesReplacement(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	conv := converter(t, reg.URL(), nil)
	out, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: record.Required(record.String), Value: record.OfString("a\xffb")})
	if want := frame(1, []byte("\x0aa\uFFFDb")); err != nil || string(out) != string(want) {
		t.Errorf("got %x (%v), want %x", out, err, want)
	}
	d, err := conv.ReadData(new(record.Arena), "t", frame(1, []byte("\x06a\xffb")))
	if err != nil || d.Value.Text() != "a\uFFFDb" {
		t.Errorf("got %v (%v), want a replacement", d.Value.Kind(), err)
	}
}

func TestTrailingData(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: `"int"`})
	if d, err := converter(t, reg.URL(), nil).ReadData(new(record.Arena), "t", frame(1, []byte{2, 9})); err != nil || d.Value.Int() != 1 {
		t.Errorf("got %v, want what follows to be passed over", err)
	}
	_, err := converter(t, reg.URL(), plugin.Config{"avro.fail.on.trailing.data": "true"}).ReadData(new(record.Arena), "t", frame(1, []byte{2, 9}))
	if err == nil || !strings.Contains(errorsOf(err), "1 bytes follow") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// TestSchemasThatAreNone: the registry says such a schema belongs to a message.
func TestSchemasThatAreNone(t *testing.T) {
	t.Parallel()
	// Each type has the one before three times: three to the power of sixty in the end.
	wide := `"int"`
	for i := range 60 {
		wide = fmt.Sprintf(`{"type":"record","name":"Q%d","fields":[{"name":"r","type":{"type":"record","name":"R%d","fields":[{"name":"a","type":%s}]}},{"name":"s","type":"R%d"},{"name":"t","type":"R%d"}]}`, i, i, wide, i, i)
	}
	for name, tt := range map[string]struct{ schema, says string }{
		"no JSON":          {`{"type":`, "no JSON"},
		"empty":            {``, "empty"},
		"unknown type":     {`{"type":"what"}`, "undefined name"},
		"undefined name":   {`{"type":"array","items":"n.R"}`, "undefined name"},
		"no items":         {`{"type":"array"}`, "items"},
		"duplicate field":  {`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`, "Duplicate field a"},
		"nested union":     {`["int",["string"]]`, "Nested union"},
		"negative size":    {`{"type":"fixed","name":"F","size":-1}`, "Invalid or no size"},
		"two of one name":  {`["int",{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"enum","name":"R","symbols":["A"]}}]}]`, "Can't redefine"},
		"bad name":         {`{"type":"record","name":"1R","fields":[]}`, "Illegal initial character"},
		"deep":             {strings.Repeat(`{"type":"array","items":`, 10000) + `"int"` + strings.Repeat("}", 10000), "deeper than"},
		"deeper than ours": {strings.Repeat(`{"type":"array","items":`, 500) + `"int"` + strings.Repeat("}", 500), "deeper than"},
		"an endless one":   {`{"type":"record","name":"R","fields":[{"name":"a","type":"R"}]}`, "unrolled"},
		"exponential":      {wide, "more than 100000 Connect schemas"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := converter(t, answering(t, tt.schema), nil).ReadData(new(record.Arena), "t", frame(1, make([]byte, 64)))
			if tt.says != "" && (err == nil || !strings.Contains(errorsOf(err), tt.says)) {
				t.Errorf("got %v, want an error that says %q", errorsOf(err), tt.says)
			}
		})
	}
}

func TestEndlessTypes(t *testing.T) {
	t.Parallel()
	list := `{"type":"record","name":"Node","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","Node"],"default":null}]}`
	tree := `{"type":"record","name":"Tree","fields":[{"name":"v","type":"int"},{"name":"kids","type":{"type":"array","items":"Tree"}},{"name":"more","type":{"type":"map","values":"Tree"}}]}`
	nested := func(n int) []byte { return append(append([]byte{}, strings.Repeat("\x02\x02", n)...), 2, 0) }
	reg := registrytest.Start(t)
	reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: list})
	reg.SeedSchema("u-value", 1, 2, sr.Schema{Schema: tree})
	conv := converter(t, reg.URL(), plugin.Config{"auto.register.schemas": "false", "use.latest.version": "true"})
	d, err := conv.ReadData(new(record.Arena), "t", frame(1, nested(20)))
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	depth := 0
	for v := d.Value; !v.IsNull(); v = v.Elements()[1] {
		depth++
	}
	if depth != 21 {
		t.Errorf("got a list of %d, want 21", depth)
	}
	out, err := conv.AppendData([]byte{}, "t", d)
	if err != nil || string(out) != string(frame(1, nested(20))) {
		t.Errorf("written again it is %x: %v", out, errorsOf(err))
	}
	if _, err := conv.ReadData(new(record.Arena), "t", frame(1, nested(10000))); err == nil || !strings.Contains(errorsOf(err), "deeper than they can be unrolled") {
		t.Errorf("got %v, want a refusal of what nests too deep", errorsOf(err))
	}
	if _, err := conv.ReadData(new(record.Arena), "u", frame(2, []byte{2, 2, 4, 0, 0, 0, 0})); err != nil {
		t.Errorf("a tree: %v", errorsOf(err))
	}
}

// TestMistakesOfData: values that are not what their schema says.
func TestMistakesOfData(t *testing.T) {
	t.Parallel()
	enum := record.Build(record.String).Named("n.E").Param("io.confluent.connect.avro.Enum", "n.E").Param("io.confluent.connect.avro.Enum.A", "A").MustBuild()
	fixed := record.Build(record.Bytes).Named("n.F").Param("connect.fixed.size", "2").MustBuild()
	one := record.Build(record.Struct).Field("a", record.Required(record.Int32)).MustBuild()
	for _, tt := range []struct {
		name string
		d    record.Datum
		says string
	}{
		{"another kind", record.Datum{Schema: record.Required(record.Int32), Value: record.OfString("x")}, "Invalid type for INT32: class java.lang.String"},
		{"null", record.Datum{Schema: record.Required(record.Int32)}, "Found null value for non-optional schema"},
		{"null in a field", record.Datum{Schema: one, Value: record.OfStruct(make([]record.Value, 1))}, "Found null value for non-optional schema"},
		{"fields of another struct", record.Datum{Schema: one, Value: record.OfStruct(make([]record.Value, 2))}, "Mismatching struct schema"},
		{"no symbol", record.Datum{Schema: enum, Value: record.OfString("secret")}, "none of the symbols"},
		{"another size", record.Datum{Schema: fixed, Value: record.OfBytes([]byte{1})}, "a value of 1 bytes"},
		{"another scale", record.Datum{Schema: record.DecimalSchema(2), Value: record.OfDecimal(big.NewInt(129999), 3)}, "mismatching scale"},
		{"a date with a time", record.Datum{Schema: record.Build(record.Int32).Named(record.DateName).Versioned(1).MustBuild(), Value: record.OfInstant(1)}, "Date type should not"},
		{"schemaless bytes", record.Datum{Value: record.OfBytes([]byte{1})}, "Unknown Java type for schemaless data: class [B"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := converter(t, registrytest.Start(t).URL(), plugin.Config{"enhanced.avro.schema.support": "true"}).AppendData([]byte{}, "t", tt.d)
			if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), tt.says) || strings.Contains(errorsOf(err), "secret") {
				t.Errorf("got %v, want a DataError that says %q", errorsOf(err), tt.says)
			}
		})
	}
}

// TestManySmallBlocks: a list in blocks of one element, or two, takes memory in proportion to its length.
func TestManySmallBlocks(t *testing.T) {
	t.Parallel()
	const n = 100_000
	for name, tt := range map[string]struct {
		schema, block string
		want          int
	}{
		"an array":      {`{"type":"array","items":"boolean"}`, "\x02\x01", n},
		"with its size": {`{"type":"array","items":"boolean"}`, "\x01\x02\x01", n},
		"a map":         {`{"type":"map","values":"boolean"}`, "\x02\x00\x01", 2 * n},
		"entries":       {`{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},{"name":"value","type":"boolean"}]}}`, "\x02\x00\x01", 2 * n},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t)
			reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: tt.schema})
			var a record.Arena
			d, err := converter(t, reg.URL(), nil).ReadData(&a, "t", frame(1, []byte(strings.Repeat(tt.block, n)+"\x00")))
			if err != nil || len(d.Value.Elements()) != tt.want {
				t.Fatalf("got %v", errorsOf(err))
			}
			if most := 10 * 24 * tt.want; a.Size() > most {
				t.Errorf("%d elements take %d bytes of memory, want at most %d", tt.want, a.Size(), most)
			}
		})
	}
}

// TestTruncated: no start of a message is taken for the whole, and none does more harm than an error.
func TestTruncated(t *testing.T) {
	t.Parallel()
	c := converter(t, registrytest.Start(t).URL(), nil)
	message := plugintest.NewCodec(t, c).Messages[0]
	for n := 1; n < len(message); n++ {
		_, err := c.ReadData(new(record.Arena), "t", message[:n])
		if _, ok := errors.AsType[*plugin.DataError](err); !ok {
			t.Fatalf("%x: got %v, want a DataError", message[:n], err)
		}
	}
}

// TestLong: a text of 10 MB is read without a copy, and schemaless data of 10,000 levels are refused both ways.
func TestLong(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	c := converter(t, reg.URL(), nil)
	text := record.Datum{Schema: record.Required(record.String), Value: record.OfString(strings.Repeat("0123456789abcdef", 10<<20/16))}
	out, err := c.AppendData([]byte{}, "t", text)
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	var a record.Arena
	if d, err := c.ReadData(&a, "t", out); err != nil || !d.Value.Equal(text.Value) || a.Size() > 1<<20 {
		t.Errorf("got %v with %d bytes of memory", err, a.Size())
	}
	deep := record.OfInt64(1)
	for range 10_000 {
		deep = record.OfArray([]record.Value{deep})
	}
	_, err = c.AppendData([]byte{}, "u", record.Datum{Value: deep})
	if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), "nest deeper") {
		t.Errorf("got %v, want a refusal", errorsOf(err))
	}
	flat, err := c.AppendData([]byte{}, "u", record.Datum{Value: record.OfArray([]record.Value{})})
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	// Each level is an array of one element in the eighth of nine fields.
	message := append(flat[:5:5], strings.Repeat("\x00\x00\x00\x00\x00\x00\x00\x02\x02", 10_000)...)
	message = append(message, make([]byte, 9+3*10_000)...)
	if _, err = c.ReadData(new(record.Arena), "u", message); err == nil || !strings.Contains(errorsOf(err), "nest deeper") {
		t.Errorf("got %v, want a refusal", errorsOf(err))
	}
}
