package jsonschema_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

const everything = `{"type":"object","title":"All","properties":{"b":{"type":"boolean"},"i8":{"type":"integer","connect.type":"int8"},"l":{"type":"integer"},"d":{"type":"number"},"y":{"type":"string","connect.type":"bytes"},"s":{"type":"string"},"a":{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"integer"},{"type":"string"}]}},"m":{"type":"object","connect.type":"map","additionalProperties":{"type":"string"}},"p":{"type":"array","connect.type":"map","items":{"type":"object","properties":{"key":{"type":"integer"},"value":{"type":"string"}}}},"dec":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}},"at":{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.version":1},"u":{"oneOf":[{"type":"null"},{"type":"object","properties":{"x":{"type":"integer"}}},{"type":"object","properties":{"y":{"type":"integer"}}}]},"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}`

// TestDamaged: messages that must give an error, with its cause.
func TestDamaged(t *testing.T) {
	t.Parallel()
	const object = `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}}}`
	for _, tt := range []struct{ name, schema, payload, says string }{
		{"truncated object", object, `{"a":1`, "expected a comma or a closing bracket at byte 6"},
		{"truncated string", object, `{"b":"ab`, "expected the end of a string"},
		{"no UTF-8", object, "{\"b\":\"\xff\"}", "expected UTF-8"},
		{"control character", object, "{\"b\":\"\x01\"}", "control character"},
		{"bad escape", `{"type":"string"}`, `"\x"`, "an escape of JSON"},
		{"leading zero", object, `{"a":01}`, "without leading zeros"},
		{"a number of 1001 digits", object, `{"a":` + strings.Repeat("9", 1001) + `}`, "at most 1000 digits"},
		{"an exponent that no number has", object, `{"a":1e99999999999}`, "an exponent that a number can have"},
		{"10,000 levels", object, `{"c":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, "at most 1000 levels"},
		{"HTML", object, `<html>`, "expected a value"},
		{"wrong before it is no JSON", object, `{"a":null,"b":"`, "expected the end of a string"},
		{"null", object, `{"a":null}`, "Invalid null value for required INT64 field"},
		{"an array for an object", object, `[]`, "Structs should be encoded as JSON objects, but found ARRAY"},
		{"nothing", object, ``, "Structs should be encoded as JSON objects, but found MISSING"},
		{"bytes", `{"type":"string","connect.type":"bytes"}`, `"?"`, "Invalid bytes field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := converter(t, serving(t, sr.Schema{Schema: tt.schema}, nil), nil).ReadData(new(record.Arena), "t", frame(1, tt.payload))
			if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), tt.says) {
				t.Errorf("got %v, want a DataError that says %q", errorsOf(err), tt.says)
			}
		})
	}
}

func TestLargeTextsAndNamesTwice(t *testing.T) {
	t.Parallel()
	conv := converter(t, serving(t, sr.Schema{Schema: `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}}}`}, nil), nil)
	large := strings.Repeat("é", 5<<20)
	d, err := conv.ReadData(new(record.Arena), "t", frame(1, `{"a":null,"b":"`+large+`","a":1,"a":2}`))
	if err != nil || d.Value.Elements()[0].Int() != 2 || d.Value.Elements()[1].Text() != large {
		t.Errorf("got %v, want the last of the names that stand twice", errorsOf(err))
	}
}

// TestSchemasThatAreNone: the registry says such a schema belongs to a message.
func TestSchemasThatAreNone(t *testing.T) {
	t.Parallel()
	wide := `{"type":"string"}`
	for i := range 40 {
		wide = fmt.Sprintf(`{"type":"object","definitions":{"d%d":%s},"properties":{"x":{"$ref":"#%s/definitions/d%d"},"y":{"type":"array","items":{"$ref":"#%s/definitions/d%d"}}}}`, i, wide, strings.Repeat("", i), i, "", i)
	}
	for name, tt := range map[string]struct{ schema, says string }{
		"no JSON":              {`{"type":`, "no JSON"},
		"empty":                {``, "empty"},
		"a number":             {`5`, "neither an object nor a boolean"},
		"unknown type":         {`{"type":"what"}`, "unknown type: [what]"},
		"what takes nothing":   {`false`, "Unsupported schema type org.everit.json.schema.FalseSchema"},
		"not":                  {`{"not":{"type":"string"}}`, "Unsupported schema type org.everit.json.schema.NotSchema"},
		"unknown connect.type": {`{"type":"integer","connect.type":"x"}`, "Unsupported type x"},
		"a reference nowhere":  {`{"$ref":"#/definitions/a"}`, "refers to #/definitions/a, which is not there"},
		"a reference outside":  {`{"$ref":"http://127.0.0.1:1/a.json"}`, "refers to http://127.0.0.1:1/a.json, which is not there"},
		"itself":               {`{"$ref":"#"}`, "contains itself without an object between"},
		"an array of itself":   {`{"type":"array","items":{"$ref":"#"}}`, "contains itself without an object between"},
		"an index":             {`{"type":"object","properties":{"a":{"type":"string","connect.index":"x"}}}`, "connect.index is no whole number"},
		"deep":                 {strings.Repeat(`{"type":"array","items":`, 10000) + `{"type":"string"}` + strings.Repeat("}", 10000), "deeper than"},
		"rules out":            {`{"allOf":[{"type":"boolean"},{"title":"x"}]}`, "Unsupported criterion allOf"},
		"not all":              {`{"oneOf":[{"type":"null"},{"type":"null"}]}`, ""},
		"wide":                 {wide, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := converter(t, serving(t, sr.Schema{Schema: tt.schema}, nil), nil).ReadData(new(record.Arena), "t", frame(1, "{}"))
			if tt.says != "" && (err == nil || !strings.Contains(errorsOf(err), tt.says)) {
				t.Errorf("got %v, want an error that says %q", errorsOf(err), tt.says)
			}
		})
	}
}

func TestEndlessTypes(t *testing.T) {
	t.Parallel()
	conv := converter(t, serving(t, sr.Schema{Schema: `{"type":"object","title":"Node","properties":{"v":{"type":"integer"},"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}`}, nil), nil)
	nested := func(n int) []byte {
		return frame(1, strings.Repeat(`{"v":1,"next":`, n)+"null"+strings.Repeat("}", n))
	}
	d, err := conv.ReadData(new(record.Arena), "t", nested(20))
	if err != nil {
		t.Fatal(errorsOf(err))
	}
	depth := 0
	for v := d.Value; !v.IsNull(); v = v.Elements()[d.Schema.Field("next")] {
		depth++
	}
	if depth != 20 {
		t.Errorf("got a list of %d, want 20", depth)
	}
	if _, err := conv.ReadData(new(record.Arena), "t", nested(100)); err == nil || !strings.Contains(errorsOf(err), "deeper than they can be unrolled") {
		t.Errorf("got %v, want a refusal of what nests too deep", errorsOf(err))
	}
	reg := registrytest.Start(t)
	writer := converter(t, reg.URL(), nil)
	message, err := writer.AppendData([]byte{}, "u", d)
	if err != nil || string(message[5:]) == "" {
		t.Fatalf("written again: %v", errorsOf(err))
	}
	if stored, _ := reg.GetSchema("u-value", 1); !strings.Contains(stored.Schema.Schema, `{"$ref":"#id1"}`) {
		t.Errorf("got the schema %s, want one that refers to itself", stored.Schema.Schema)
	}
	back, err := writer.ReadData(new(record.Arena), "u", message)
	if err != nil || back.Value.Elements()[0].Kind() == record.Null && back.Value.Elements()[1].Kind() == record.Null {
		t.Errorf("read again: %v", errorsOf(err))
	}
}

// TestMistakesOfData: values that are not what their schema says.
func TestMistakesOfData(t *testing.T) {
	t.Parallel()
	one := record.Build(record.Struct).Field("a", record.Required(record.Int32)).MustBuild()
	keys := record.BuildMap(record.Required(record.String), record.Required(record.Int32)).MustBuild()
	for _, tt := range []struct {
		name string
		d    record.Datum
		says string
	}{
		{"another kind", record.Datum{Schema: record.Required(record.Int32), Value: record.OfString("secret")}, "Invalid type for INT32: class java.lang.String"},
		{"fields of another struct", record.Datum{Schema: one, Value: record.OfStruct(make([]record.Value, 2))}, "Mismatching schema."},
		{"another scale", record.Datum{Schema: record.DecimalSchema(2), Value: record.OfDecimal(big.NewInt(1), 3)}, "mismatching scale"},
		{"a date with a time", record.Datum{Schema: record.DateSchema(), Value: record.OfInstant(1)}, "Date type should not"},
		{"a date that is none", record.Datum{Schema: record.DateSchema(), Value: record.OfInt32(1)}, "Invalid type for Date, expected Date but was class java.lang.Integer"},
		{"a key of null", record.Datum{Schema: keys, Value: record.OfMap([]record.Value{{}, record.OfInt32(1)})}, "key of null"},
		{"without a schema", record.Datum{Value: record.OfString("secret")}, "data without a schema has no JSON Schema"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := converter(t, registrytest.Start(t).URL(), nil).AppendData([]byte{}, "t", tt.d)
			if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), tt.says) || strings.Contains(errorsOf(err), "secret") {
				t.Errorf("got %v, want a DataError that says %q", errorsOf(err), tt.says)
			}
		})
	}
}

// TestValidation: with json.fail.invalid.schema both ways are checked, without it neither.
func TestValidation(t *testing.T) {
	t.Parallel()
	text := sr.Schema{Schema: `{"type":"object","properties":{"a":{"type":"integer","maximum":5},"h":{"$ref":"address.json"}}}`, References: []sr.SchemaReference{{Name: "address.json", Subject: "address.json", Version: 1}}}
	url := serving(t, text, map[string]string{"address.json": `{"$id":"address.json","type":"object","properties":{"city":{"type":"string","minLength":2}}}`})
	strict := plugin.Config{"json.fail.invalid.schema": "true", "auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false"}
	for payload, says := range map[string]string{
		`{"a":5,"h":{"city":"cc"}}`: "", `{"a":6}`: "Validation error in JSON, at #/a: maximum does not hold", `{"h":{"city":"c"}}`: "at #/h/city: minLength does not hold",
	} {
		if _, err := converter(t, url, nil).ReadData(new(record.Arena), "t", frame(1, payload)); err != nil {
			t.Errorf("%s: got %v, want no validation", payload, errorsOf(err))
		}
		_, err := converter(t, url, strict).ReadData(new(record.Arena), "t", frame(1, payload))
		if says == "" && err != nil || says != "" && !strings.Contains(errorsOf(err), says) {
			t.Errorf("%s: got %v, want %q", payload, errorsOf(err), says)
		}
	}
	one := record.Build(record.Struct).Field("a", record.Required(record.Int64)).MustBuild()
	for n, fails := range map[int64]bool{5: false, 6: true} {
		_, err := converter(t, url, strict).AppendData([]byte{}, "t", record.Datum{Schema: one, Value: record.OfStruct([]record.Value{record.OfInt64(n)})})
		if (err != nil) != fails {
			t.Errorf("writing %d: got %v", n, errorsOf(err))
		}
	}
}

// TestStrict: data are written with the newest schema only if that takes all that their own schema allows.
func TestStrict(t *testing.T) {
	t.Parallel()
	s := record.Build(record.Struct).Named("R").Field("a", record.Required(record.Int32)).Field("b", record.OptionalOf(record.String)).MustBuild()
	d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfInt32(1), record.OfString("x")})}
	const b = `"b":{"oneOf":[{"type":"null"},{"type":"string"}]}`
	for newest, says := range map[string]string{
		`{"type":"object","properties":{"a":{"type":"integer"},` + b + `}}`:                               "",
		`{"type":"object","properties":{"a":{"type":"number"},` + b + `}}`:                                "",
		`{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"integer"}]},` + b + `}}`: "",
		`{"type":"object","properties":{` + b + `}}`:                                                      "",
		`{"type":"object","properties":{"a":{"type":"string"},` + b + `}}`:                                "TYPE_CHANGED",
		`{"type":"object","properties":{"a":{"type":"integer","minimum":3},` + b + `}}`:                   "MINIMUM_ADDED",
		`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}}}`:                   "TYPE_CHANGED",
		`{"type":"object","properties":{"a":{"type":"integer"},` + b + `},"required":["a"]}`:              "REQUIRED_ATTRIBUTE_ADDED",
		`{"type":"object","properties":{"a":{"type":"integer"},` + b + `},"additionalProperties":false}`:  "ADDITIONAL_PROPERTIES_REMOVED",
		`{"type":"object","properties":{"a":{"type":"integer"},"c":{"type":"string"},` + b + `}}`:         "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL",
		`{"type":"array","items":{"type":"string"}}`:                                                      "TYPE_CHANGED",
	} {
		config := plugin.Config{"auto.register.schemas": "false", "use.latest.version": "true"}
		url := serving(t, sr.Schema{Schema: newest}, nil)
		out, err := converter(t, url, config).AppendData([]byte{}, "t", d)
		if says == "" && (err != nil || string(out[5:]) != `{"a":1,"b":"x"}`) || says != "" && !strings.Contains(errorsOf(err), says) {
			t.Errorf("%s: got %s (%v), want %q", newest, out, errorsOf(err), says)
		}
		config["latest.compatibility.strict"] = "false"
		if _, err := converter(t, url, config).AppendData([]byte{}, "t", d); err != nil {
			t.Errorf("%s, not strict: got %v", newest, errorsOf(err))
		}
	}
}
