package convert_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

func plain(tb testing.TB) plugin.Converter {
	tb.Helper()
	return converterOf(tb, "json", plugin.Config{"schemas.enable": "false"})
}

// answer is what reading gives, in one line.
func answer(c plugin.Converter, message string) string {
	d, err := c.ReadData(new(record.Arena), "t", []byte(message))
	if err != nil {
		return "error: " + err.Error()
	}
	return vector.Show(d.Value)
}

const noJSON = "error: Converting byte[] to Kafka Connect data failed due to serialization error: "

func TestReadsWhatJacksonReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ message, want string }{
		{` [ 1 , 2.5 , "a" , true , false , null ] `, `{"list":[{"i64":"1"},{"f64":"2.5"},"a",true,false,null]}`},
		{"{\"a\" :\t{\"b\":\r\n[]}}", `{"map":[["a",{"map":[["b",{"list":[]}]]}]]}`},
		{`-007.50e+01`, `{"f64":"-75"}`}, {`-0`, `{"i64":"0"}`}, {`-0.0e-5`, `{"f64":"0"}`}, {`1E5`, `{"f64":"100000"}`},
		{`123456789012345678901234567890`, `{"i64":"-4362896299872285998"}`}, {`0.1234567890123456789`, `{"f64":"0.12345678901234568"}`},
		{`1e22`, `{"f64":"1e+22"}`}, {`1e23`, `{"f64":"1e+23"}`}, {`4.35`, `{"f64":"4.35"}`}, {`1e-7`, `{"f64":"1e-07"}`}, {`123456789012345.5`, `{"f64":"1.234567890123455e+14"}`},
		{`"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00"`, `"\"\\/\b\f\n\r\té€😀"`},
		{`"a\u0000b"`, `"a\u0000b"`}, {`"é😀"`, `"é😀"`},
		{`"\ud83dx"`, `{"utf16":"d83d0078"}`}, {`"\ude00\ud83d"`, `{"utf16":"de00d83d"}`},
		{`{"a":1}garbage`, `{"map":[["a",{"i64":"1"}]]}`}, {`"a"x`, `"a"`}, {`true `, `true`}, {"null\x00", `null`},
		{``, `null`}, {` `, `null`}, {"\xEF\xBB\xBF5", `{"i64":"5"}`},
		{"\xEF\xBB\xBF", noJSON}, {`1x`, noJSON}, {`truex`, noJSON}, {`tru`, noJSON}, {`nul`, noJSON}, {`-`, noJSON}, {`1.`, noJSON}, {`1.e5`, noJSON}, {`1e+`, noJSON},
		{`.5`, noJSON}, {`+1`, noJSON}, {`NaN`, noJSON}, {`[1 2]`, noJSON}, {`[1,]`, noJSON}, {`[,1]`, noJSON}, {`[`, noJSON}, {`[1`, noJSON}, {`{`, noJSON},
		{`{"a"}`, noJSON}, {`{"a":}`, noJSON}, {`{"a":1,}`, noJSON}, {`{a:1}`, noJSON}, {`{"a":1`, noJSON}, {`{"a" 1}`, noJSON}, {`[1}`, noJSON}, {`{"a":1]`, noJSON},
		{`"a`, noJSON}, {`"a\`, noJSON}, {`"\u12"`, noJSON}, {`"\u12g4"`, noJSON}, {`"\x"`, noJSON}, {"\"a\nb\"", noJSON}, {"\"\xff\"", noJSON}, {"\"\xc3(\"", noJSON},
		{"\"\xed\xa0\x80\"", noJSON}, {"\v1", noJSON}, {`'a'`, noJSON}, {`/**/1`, noJSON}, {`1e99999999999`, noJSON}, {`]`, noJSON},
		{strings.Repeat("[", 1000) + strings.Repeat("]", 1000), strings.Repeat(`{"list":[`, 1000) + strings.Repeat(`]}`, 1000)},
		{strings.Repeat("[", 1001) + strings.Repeat("]", 1001), noJSON}, {strings.Repeat(`{"a":`, 1001), noJSON},
		{"\"a\xc1\xbf\xe0\x80\x80\"", "\"a\x7f\\u0000\""}, {"[\"\xf0\x80\x80\x80\"]", `{"list":[{"utf16":"ffc0dc00"}]}`}, {"[\"\xf7\xbf\xbf\xbf\"]", `{"list":[{"utf16":"dfbfdfff"}]}`},
		{"{\"\xf0\x80\x80\x80\":1}", `{"map":[[{"utf16":"d7c0dc00"},{"i64":"1"}]]}`}, {"\"\xf8\x80\x80\x80\x80\"", noJSON}, {"\"\xf0\x90\x80\"", noJSON}, {"\"\x80\"", noJSON},
		{`{"\ud83d\ude00":1}`, `{"map":[["😀",{"i64":"1"}]]}`}, {`{"\ud83d":1}`, noJSON}, {`[{"a\ude00\ud83d":1}]`, noJSON}, {`{"\\ud83d":1}`, `{"map":[["\\ud83d",{"i64":"1"}]]}`},
		{"1\x0b", noJSON}, {"1.5\x00\x01", noJSON}, {"1\r2", `{"i64":"1"}`},
		{"\"\x00a\x00\x3d\xd8\x00\xde\"\x00", `"a😀"`}, {"\xfe\xff\x00[\x001\x00]", `{"list":[{"i64":"1"}]}`}, {"\x00\x00\x00\"\x00\x01\xf6\x00\x00\x00\x00\"", `"😀"`},
		{"1\x00\x00\x00", `{"i64":"1"}`}, {"\xff\xfe\x00\x001\x00\x00\x00", `{"i64":"1"}`}, {"\xff\xfe\x00\x001\x00\x00", noJSON}, {"\x00\x11\x00\x00\x00\x00\x00\x00", noJSON},
		{"\x001\x00\x00", noJSON}, {"1\x00\x00", noJSON}, {"1\x00", `{"i64":"1"}`}, {"\xff\xfe1", noJSON},
		{"1." + strings.Repeat("1", 998) + "e+1", `{"f64":"11.11111111111111"}`}, {"1." + strings.Repeat("1", 998) + "e12", noJSON}, {"0." + strings.Repeat("0", 1000), noJSON},
		{strings.Repeat("0", 500) + "." + strings.Repeat("1", 999), `{"f64":"0.1111111111111111"}`}, {strings.Repeat("1", 1001), noJSON}, {"0." + strings.Repeat("1", 1001), noJSON},
	} {
		if got := answer(plain(t), c.message); got != c.want {
			t.Errorf("%.60q: got %.120s, want %.120s", c.message, got, c.want)
		}
	}
}

// TestRepeatedMembers: the last value counts, whatever the number of members and whether their names were met before.
func TestRepeatedMembers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 8, 31, 32, 33, 64, 65, 200, 5000} {
		c := plain(t)
		for round := range 3 {
			var b strings.Builder
			b.WriteByte('{')
			for i := range n {
				fmt.Fprintf(&b, `"name%d":0,`, i)
			}
			fmt.Fprintf(&b, `"name0":%d,"n\u0061me%d":2}`, round, n-1)
			d, err := c.ReadData(new(record.Arena), "", []byte(b.String()))
			if err != nil {
				t.Fatal(err)
			}
			if got := len(d.Value.Elements()) / 2; got != n {
				t.Fatalf("%d names, round %d: got %d members", n, round, got)
			}
			for i := range n {
				want := int64(0)
				switch i {
				case n - 1:
					want = 2
				case 0:
					want = int64(round)
				}
				if v, ok := d.Value.Get(fmt.Sprintf("name%d", i)); !ok || v.Int() != want {
					t.Fatalf("%d names, round %d: name%d is %s, want %d", n, round, i, vector.Show(v), want)
				}
			}
		}
	}
}

// TestShapesOfMessagesChange: what is remembered of one message never shows in another.
func TestShapesOfMessagesChange(t *testing.T) {
	t.Parallel()
	c := plain(t)
	for range 5 {
		for _, m := range []struct{ message, want string }{
			{`{"a":1,"b":2}`, `{"map":[["a",{"i64":"1"}],["b",{"i64":"2"}]]}`},
			{`{"a":1}`, `{"map":[["a",{"i64":"1"}]]}`},
			{`{"a":1,"b":2,"c":3}`, `{"map":[["a",{"i64":"1"}],["b",{"i64":"2"}],["c",{"i64":"3"}]]}`},
			{`{"b":1,"a":2}`, `{"map":[["b",{"i64":"1"}],["a",{"i64":"2"}]]}`},
			{`{"a":{"a":1},"a":2}`, `{"map":[["a",{"i64":"2"}]]}`},
			{`{"a" : 1 , "b" : [ ] }`, `{"map":[["a",{"i64":"1"}],["b",{"list":[]}]]}`},
			{`{"ab":1}`, `{"map":[["ab",{"i64":"1"}]]}`},
			{`{}`, `{"map":[]}`}, {`{"a":1,"b"}`, noJSON}, {`{"a":1,"b":2`, noJSON}, {`{"a":1 "b":2}`, noJSON},
		} {
			if got := answer(c, m.message); got != m.want {
				t.Fatalf("%s: got %s, want %s", m.message, got, m.want)
			}
		}
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	const (
		notEnvelope = "error: JsonConverter with schemas.enable requires"
		s8          = `{"type":"int8"}`
		rec         = `{"type":"struct","fields":[{"type":"int8","field":"a"},{"type":"string","field":"b"},{"type":"int8","optional":true,"field":"c"}]}`
	)
	c := converterOf(t, "json", plugin.Config{"schemas.cache.size": "2"})
	for range 3 {
		for _, m := range []struct{ message, want string }{
			{`{"schema":` + s8 + `,"payload":1}`, `{"i8":1}`},
			{`{"schema":` + s8 + `,"payload":2}`, `{"i8":2}`},
			{`{"schema":` + s8 + `,"payload":2,"payload":3}`, `{"i8":3}`},
			{`{"schema":` + s8 + `,"payload":2,"x":3}`, notEnvelope},
			{`{"schema":` + s8 + `,"payload":2`, noJSON},
			{`{"schema":` + s8 + `,"payload":2]`, noJSON},
			{`{"schema":` + s8 + `,"payload":2,"schema":{"type":"string"}}`, `null`},
			{`{"schema":` + s8 + `,"payload":2} and more`, `{"i8":2}`},
			{` { "payload" : 5 , "schema" : ` + s8 + ` } `, `{"i8":5}`},
			{`{"schema":{"type":"int16"},"payload":1}`, `{"i16":1}`},
			{`{"schema":{"type":"int32"},"payload":1}`, `{"i32":1}`},
			{`{"schema":null,"payload":1}`, `{"i64":"1"}`},
			{`{"sch\u0065ma":` + s8 + `,"payload":1}`, `{"i8":1}`},
			{`{"schema":{"type":"int8","version":01,"default":-007},"payload":null}`, `{"i8":-7}`},
			{`{"schema":` + rec + `,"payload":{"b":"x","a":1}}`, `{"struct":[{"i8":1},"x",null]}`},
			{`{"schema":` + rec + `,"payload":{"c":3,"a":1,"z":[{}],"b":"x"}}`, `{"struct":[{"i8":1},"x",{"i8":3}]}`},
			{`{"schema":` + rec + `,"payload":{"a":1,"b":"x","a":2}}`, `{"struct":[{"i8":2},"x",null]}`},
			// The first field in the schema's order is the one to blame, and a text that is no JSON comes before all.
			{`{"schema":` + rec + `,"payload":{"b":5,"a":null}}`, `error: Invalid null value for required INT8 field`},
			{`{"schema":` + rec + `,"payload":{"a":1,"b":5}}`, `error: Invalid value: null used for required field: "b", schema type: STRING`},
			{`{"schema":` + rec + `,"payload":{"a":1,"b":5,"b":"x"}}`, `{"struct":[{"i8":1},"x",null]}`},
			{`{"schema":` + rec + `,"payload":{"a":null,"b":tru}}`, noJSON},
			{`{"schema":` + rec + `,"payload":{"a":null,"b":"x"}}}`, `error: Invalid null value for required INT8 field`},
			{`{"schema":` + rec + `,"payload":{"a":null,"b":"x"}`, noJSON},
			{`{"schema":` + rec + `,"payload":[1,2`, noJSON},
			{`{"schema":` + rec + `,"payload":[1]}`, `error: Structs should be encoded as JSON objects, but found ARRAY`},
		} {
			got := answer(c, m.message)
			if m.want == notEnvelope && strings.HasPrefix(got, notEnvelope) {
				continue
			}
			if got != m.want {
				t.Fatalf("%s: got %s, want %s", m.message, got, m.want)
			}
		}
	}
}

// TestNullsInPlaceOfStrings: what is no string becomes null, which a struct refuses wherever it stands.
func TestNullsInPlaceOfStrings(t *testing.T) {
	t.Parallel()
	const list = `{"type":"array","items":{"type":"string"}}`
	field := func(s, payload string) string {
		return `{"schema":{"type":"struct","fields":[` + strings.TrimSuffix(s, "}") + `,"field":"f"}]},"payload":{"f":` + payload + `}}`
	}
	for _, c := range []struct{ message, want string }{
		{`{"schema":` + list + `,"payload":[5,"a"]}`, `{"list":[null,"a"]}`},
		{field(list, `[5,"a"]`), `error: Invalid value: null used for required element of array field: "f", schema type: STRING`},
		{field(`{"type":"string","optional":true}`, `5`), `{"struct":[null]}`},
		{field(`{"type":"bytes"}`, `5`), `error: Invalid value: null used for required field: "f", schema type: BYTES`},
		{field(`{"type":"map","keys":{"type":"string"},"values":{"type":"bytes"}}`, `{"a":5}`), `error: Invalid value: null used for required value of map field: "f", schema type: BYTES`},
		{field(`{"type":"map","keys":{"type":"bytes"},"values":{"type":"int8"}}`, `[[5,5]]`), `error: Invalid value: null used for required key of map field: "f", schema type: BYTES`},
		{`{"schema":{"type":"string","default":5},"payload":"a"}`, `error: Invalid default value`},
		{`{"schema":{"type":"array","items":{"type":"string"},"default":[5]},"payload":[]}`, `error: Invalid default value`},
		{`{"schema":{"type":"string","optional":true,"default":5},"payload":null}`, `null`},
	} {
		if got := answer(converterOf(t, "json", nil), c.message); got != c.want {
			t.Errorf("%s: got %s, want %s", c.message, got, c.want)
		}
	}
}

func TestManyFields(t *testing.T) {
	t.Parallel()
	const n = 150
	b := record.Build(record.Struct)
	var members []string
	want := make([]record.Value, n)
	for i := range n {
		name := fmt.Sprintf("field%d", i)
		b.Field(name, record.Build(record.Int16).Default(record.OfInt16(-1)).MustBuild())
		want[i] = record.OfInt16(-1)
		if i%3 != 0 {
			members = append(members, fmt.Sprintf(`"%s":%d`, name, i))
			want[i] = record.OfInt16(int16(i))
		}
	}
	c := converterOf(t, "json", nil)
	envelope, err := c.AppendData([]byte{}, "", record.Datum{Schema: b.MustBuild(), Value: record.OfStruct(make([]record.Value, n))})
	if err != nil {
		t.Fatal(err)
	}
	prefix, _, _ := strings.Cut(string(envelope), `"payload":`)
	for range 2 {
		d, err := c.ReadData(new(record.Arena), "", []byte(prefix+`"payload":{`+strings.Join(members, ",")+`}}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := vector.CompareValue(record.OfStruct(want), d.Value); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBase64(t *testing.T) {
	t.Parallel()
	c := converterOf(t, "json", plugin.Config{"schema.content": `{"type":"bytes"}`})
	const bad = "error: Invalid bytes field"
	for _, m := range []struct{ message, want string }{
		{`""`, `{"bytes":""}`}, {`"AQID"`, `{"bytes":"AQID"}`}, {`"AQI="`, `{"bytes":"AQI="}`}, {`"AQ=="`, `{"bytes":"AQ=="}`},
		{`" AQID \r\nAQ== "`, `{"bytes":"AQIDAQ=="}`}, {`"AQ\u003d="`, `{"bytes":"AQ=="}`}, {`"+/+/"`, `{"bytes":"+/+/"}`},
		{`"AQ"`, bad}, {`"AQI"`, bad}, {`"A Q="`, bad}, {`"A==="`, bad}, {`"AQ=A"`, bad}, {`"-_-_"`, bad}, {`"é==="`, bad},
	} {
		if got := answer(c, m.message); got != m.want {
			t.Errorf("%s: got %s, want %s", m.message, got, m.want)
		}
	}
}

// TestWritesForms checks bytes that no recorded case has.
func TestWritesForms(t *testing.T) {
	t.Parallel()
	s := record.OfString
	for _, c := range []struct {
		v    record.Value
		want string
	}{
		{s("plain text, longer than one word, é€"), `"plain text, longer than one word, é€"`},
		{s("12345678\x7f90\u2028"), "\"12345678\x7f90\u2028\""},
		{s("\x00\x1f\b\f\n\r\t\"\\/"), `"\u0000\u001F\b\f\n\r\t\"\\/"`},
		{s("😀\xed\xa0\xbd\xff\xed"), `"\uD83D\uDE00\uD83D` + "\ufffd\ufffd" + `"`},
		{record.OfMap([]record.Value{s("a\""), record.OfFloat32(1.5), s("b"), record.OfFloat64(math.Inf(-1))}), `{"a\"":1.5,"b":"-Infinity"}`},
		{record.OfMap([]record.Value{{}, record.OfInt8(1), s("b"), {}}), `[[null,1],["b",null]]`},
		{record.OfMap(nil), `{}`}, {record.OfArray(nil), `[]`},
		{record.OfFloat32(float32(math.NaN())), `"NaN"`},
	} {
		got, err := plain(t).AppendData([]byte{}, "", record.Datum{Value: c.v})
		if err != nil || string(got) != c.want {
			t.Errorf("got %s (%v), want %s", got, err, c.want)
		}
	}
}

// TestSteadyStateAllocatesNothing is the gate of the data path.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	flat, _ := flatData(t, flatMessages(benchBatch))
	steady(t, "flat", flat)
	steady(t, "wide", wideData())
}

// wideData is a struct of more than 64 fields with all that needs memory of its own.
func wideData() []record.Datum {
	b := record.Build(record.Struct).Field("date", record.DateSchema()).Field("time", record.TimeSchema()).
		Field("list", record.BuildArray(record.Required(record.Float32)).MustBuild()).Field("bytes", record.Required(record.Bytes)).
		Field("map", record.BuildMap(record.Required(record.String), record.Required(record.Int16)).MustBuild())
	s := record.OfString
	values := []record.Value{
		record.OfInstant(86_400_000), record.OfInstant(5), record.OfArray([]record.Value{record.OfFloat32(1.5), record.OfFloat32(2e20)}),
		record.OfBytes([]byte("abcd")), record.OfMap([]record.Value{s("a\n"), record.OfInt16(1), s("b"), record.OfInt16(2)}),
	}
	for i := range 80 {
		b.Field(fmt.Sprintf("field%d", i), record.OptionalOf(record.Int8))
		values = append(values, record.Value{})
	}
	return []record.Datum{{Schema: b.MustBuild(), Value: record.OfStruct(values)}}
}

func steady(t *testing.T, name string, data []record.Datum) {
	t.Helper()
	buf := make([]byte, 0, 1<<15)
	for _, schemas := range []string{"true", "false"} {
		c := converterOf(t, "json", plugin.Config{"schemas.enable": schemas})
		written := make([][]byte, len(data))
		for i, d := range data {
			out, err := c.AppendData([]byte{}, "", d)
			if err != nil {
				t.Fatal(err)
			}
			written[i] = out
		}
		write := testing.AllocsPerRun(10, func() {
			for _, d := range data {
				if _, err := c.AppendData(buf[:0], "", d); err != nil {
					t.Fatal(err)
				}
			}
		})
		var a record.Arena
		read := testing.AllocsPerRun(10, func() {
			a.Reset()
			for _, m := range written {
				if _, err := c.ReadData(&a, "", m); err != nil {
					t.Fatal(err)
				}
			}
		})
		if write != 0 || read != 0 {
			t.Errorf("%s, schemas.enable=%s: a batch of %d allocates %v times when written and %v when read, want 0", name, schemas, len(data), write, read)
		}
	}
}

// TestWhatIsWrittenReadsBack: any schema and value of it go through an envelope unchanged.
func TestWhatIsWrittenReadsBack(t *testing.T) {
	t.Parallel()
	c := converterOf(t, "json", plugin.Config{"schemas.cache.size": "10"})
	rapid.Check(t, func(t *rapid.T) {
		want := drawDatum(t, 3)
		out, err := c.AppendData([]byte{}, "", want)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var a record.Arena
			got, err := c.ReadData(&a, "", out)
			if err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			if err := vector.CompareDatum(want, got); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
		}
		again, err := c.AppendData([]byte{}, "", want)
		if err != nil || !cmp.Equal(string(again), string(out)) {
			t.Fatalf("the second time: got %s (%v), want %s", again, err, out)
		}
	})
}

func drawDatum(t *rapid.T, depth int) record.Datum {
	s := drawSchema(t, depth)
	return record.Datum{Schema: s, Value: drawValue(t, s)}
}

func drawSchema(t *rapid.T, depth int) *record.Schema {
	b := drawBuilder(t, depth)
	if rapid.Bool().Draw(t, "optional") {
		b.Optional()
	}
	if rapid.IntRange(0, 4).Draw(t, "documented") == 0 {
		b.Documented(rapid.StringN(1, 5, -1).Draw(t, "doc")).Param("p", rapid.String().Draw(t, "param"))
	}
	if s := b.MustBuild(); s.Kind != record.Struct && rapid.IntRange(0, 4).Draw(t, "default") == 0 {
		b.Default(drawValue(t, s))
	}
	return b.MustBuild()
}

func drawBuilder(t *rapid.T, depth int) *record.Builder {
	kinds := rapid.IntRange(int(record.Int8), int(record.Bytes))
	if depth > 0 {
		kinds = rapid.IntRange(int(record.Int8), int(record.Struct)+4)
	}
	switch k := record.Kind(kinds.Draw(t, "kind")); k {
	case record.Array:
		return record.BuildArray(drawSchema(t, depth-1))
	case record.Map:
		return record.BuildMap(drawSchema(t, 0), drawSchema(t, depth-1))
	case record.Struct:
		b := record.Build(record.Struct).Named("n")
		for i := range rapid.IntRange(0, 10).Draw(t, "fields") {
			b.Field(fmt.Sprint(rapid.StringN(0, 3, -1).Draw(t, "name"), i), drawSchema(t, depth-1))
		}
		return b
	case record.Struct + 1:
		return record.Build(record.Bytes).Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, fmt.Sprint(rapid.IntRange(-5, 20).Draw(t, "scale")))
	case record.Struct + 2:
		return record.Build(record.Int32).Named(record.DateName).Versioned(1)
	case record.Struct + 3:
		return record.Build(record.Int32).Named(record.TimeName).Versioned(1)
	case record.Struct + 4:
		return record.Build(record.Int64).Named(record.TimestampName).Versioned(1)
	default:
		return record.Build(k)
	}
}

func drawValue(t *rapid.T, s *record.Schema) record.Value {
	if s.Optional && !s.HasDefault && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return record.Value{}
	}
	const day = 86_400_000
	switch s.Name {
	case record.DecimalName:
		scale, _ := s.Param(record.ScaleParam)
		var n int32
		if _, err := fmt.Sscan(scale, &n); err != nil {
			t.Fatal(err)
		}
		unscaled := new(big.Int).Mul(big.NewInt(rapid.Int64().Draw(t, "a")), big.NewInt(rapid.Int64().Draw(t, "b")))
		return record.OfDecimal(unscaled, n)
	case record.DateName:
		return record.OfInstant(int64(rapid.Int32().Draw(t, "date")) * day)
	case record.TimeName:
		return record.OfInstant(rapid.Int64Range(0, day).Draw(t, "time"))
	case record.TimestampName:
		return record.OfInstant(rapid.Int64().Draw(t, "timestamp"))
	}
	switch s.Kind {
	case record.Int8:
		return record.OfInt8(rapid.Int8().Draw(t, "v"))
	case record.Int16:
		return record.OfInt16(rapid.Int16().Draw(t, "v"))
	case record.Int32:
		return record.OfInt32(rapid.Int32().Draw(t, "v"))
	case record.Int64:
		return record.OfInt64(rapid.Int64().Draw(t, "v"))
	case record.Float32:
		// Java reads a negative zero as zero.
		return record.OfFloat32(rapid.Float32().Filter(func(f float32) bool { return f != 0 }).Draw(t, "v"))
	case record.Float64:
		return record.OfFloat64(rapid.Float64().Filter(func(f float64) bool { return f != 0 }).Draw(t, "v"))
	case record.Boolean:
		return record.OfBool(rapid.Bool().Draw(t, "v"))
	case record.String:
		return record.OfString(rapid.String().Draw(t, "v"))
	case record.Bytes:
		return record.OfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "v"))
	case record.Array:
		vs := make([]record.Value, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range vs {
			vs[i] = drawValue(t, s.Elem)
		}
		return record.OfArray(vs)
	case record.Map:
		return drawMap(t, s)
	default:
		vs := make([]record.Value, len(s.Fields))
		for i := range vs {
			vs[i] = drawValue(t, s.Fields[i].Schema)
		}
		return record.OfStruct(vs)
	}
}

// drawMap draws keys that differ, and none that is null where keys are names of members: Kafka Connect makes a text of it.
func drawMap(t *rapid.T, s *record.Schema) record.Value {
	var pairs []record.Value
	seen := map[string]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "entries") {
		k := drawValue(t, s.Key)
		id := vector.Show(k)
		if seen[id] || k.IsNull() {
			continue
		}
		seen[id] = true
		pairs = append(pairs, k, drawValue(t, s.Elem))
	}
	return record.OfMap(pairs)
}

// What needs an escape gets it wherever it stands in a text, and its neighbours stay what they are: texts are written in
// words of eight bytes.
func TestEscapesAtEveryPlace(t *testing.T) {
	t.Parallel()
	c := plain(t)
	for _, special := range []string{"\"", "\\", "\n", "\x00", "\x1f", "\x7f", "é", "€", "\"\"", "\\\n", "é\""} {
		for before := range 20 {
			for after := range 20 {
				text := strings.Repeat("a", before) + special + strings.Repeat("b", after)
				got, err := c.AppendData([]byte("before"), "t", record.Datum{Value: record.OfString(text)})
				if err != nil {
					t.Fatal(err)
				}
				var back string
				if err := json.Unmarshal(got[len("before"):], &back); err != nil || back != text || !strings.HasPrefix(string(got), `before"`) {
					t.Fatalf("%q is written as %s: %v", text, got, err)
				}
			}
		}
	}
}
