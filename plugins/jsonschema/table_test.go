package jsonschema_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jsonschema"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// row is a case of the table in notation: what its words say.
type row struct {
	config  plugin.Config
	schema  *record.Schema // of a case that writes
	value   record.Value
	text    string   // the JSON Schema, written or to read
	payload string   // "" where the case has none
	want    string   // the value that is read, in the notation of the vectors
	shape   string   // its schema
	fails   []string // what the error says
}

func record584() *record.Schema {
	return record.Build(record.Struct).Named("com.x.Rec").Versioned(3).Documented("rd").
		Field("id", record.Required(record.Int64)).
		Field("s", record.Build(record.String).Optional().Default(record.OfString("x")).MustBuild()).
		Field("o", record.OptionalOf(record.Int32)).
		Field("n", record.Build(record.Struct).Optional().Field("q", record.Required(record.Boolean)).MustBuild()).MustBuild()
}

func value584() record.Value {
	return record.OfStruct([]record.Value{record.OfInt64(7), {}, {}, record.OfStruct([]record.Value{record.OfBool(true)})})
}

const (
	text584 = `{"type":"object","title":"com.x.Rec","description":"rd","connect.version":3,"properties":{"s":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string","default":"x"}]},"id":{"type":"integer","connect.index":0,"connect.type":"int64"},"n":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"object","properties":{"q":{"connect.index":0,"type":"boolean"}}}]},"o":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]}}}`
	text587 = `{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}}`
)

func rows() map[string]row {
	i32, text := record.Required(record.Int32), record.Required(record.String)
	union := record.Build(record.Struct).Named("io.confluent.connect.json.OneOf").
		Field("io.confluent.connect.json.OneOf.field.0", record.OptionalOf(record.Int32)).
		Field("io.confluent.connect.json.OneOf.field.1", record.OptionalOf(record.String)).MustBuild()
	dec := record.OfDecimal(big.NewInt(156), 2)
	return map[string]row{
		"578": {schema: record.Required(record.Int8), value: record.OfInt8(12), text: `{"type":"integer","connect.type":"int8"}`, payload: `12`},
		"579": {schema: record.Build(record.Int32).Named("nn").Versioned(2).Documented("dd").Param("p", "q").Optional().Default(record.OfInt32(7)).MustBuild(), value: record.OfInt32(5), text: `{"oneOf":[{"type":"null"},{"type":"integer","title":"nn","description":"dd","default":7,"connect.version":2,"connect.type":"int32","connect.parameters":{"p":"q"}}]}`},
		"580": {schema: record.Required(record.Bytes), value: record.OfBytes([]byte{1, 2, 3}), text: `{"type":"string","connect.type":"bytes"}`, payload: `"AQID"`},
		"581": {schema: record.BuildArray(i32).MustBuild(), value: record.OfArray(nil), text: `{"type":"array","items":{"type":"integer","connect.type":"int32"}}`},
		"582": {schema: record.BuildMap(text, i32).MustBuild(), value: record.OfMap([]record.Value{record.OfString("a"), record.OfInt32(1)}), text: `{"type":"object","connect.type":"map","additionalProperties":{"type":"integer","connect.type":"int32"}}`, payload: `{"a":1}`},
		"583": {schema: record.BuildMap(i32, i32).MustBuild(), value: record.OfMap([]record.Value{record.OfInt32(1), record.OfInt32(2)}), text: `{"type":"array","connect.type":"map","items":{"type":"object","properties":{"value":{"type":"integer","connect.index":1,"connect.type":"int32"},"key":{"type":"integer","connect.index":0,"connect.type":"int32"}}}}`, payload: `[{"key":1,"value":2}]`},
		"584": {schema: record584(), value: value584(), text: text584, payload: `{"id":7,"s":"x","o":null,"n":{"q":true}}`},
		"585": {config: plugin.Config{"ignore.default.for.nullables": "true"}, schema: record584(), value: value584(), payload: `{"id":7,"s":null,"o":null,"n":{"q":true}}`},
		"586": {config: plugin.Config{"object.additional.properties": "false"}, schema: record584(), value: value584(), text: strings.ReplaceAll(text584, `"type":"object"`, `"type":"object","additionalProperties":false`)},
		"587": {schema: record.DecimalSchema(2), value: dec, text: text587, payload: `"AJw="`},
		"588": {config: plugin.Config{"decimal.format": "numeric"}, schema: record.DecimalSchema(2), value: dec, text: strings.Replace(text587, "string", "number", 1), payload: `1.56`},
		"589": {schema: record.OptionalOf(record.Int32), payload: `null`},
		"590": {schema: union, value: record.OfStruct([]record.Value{{}, record.OfString("z")}), text: `{"oneOf":[{"type":"integer","connect.index":0,"connect.type":"int32"},{"type":"string","connect.index":1}]}`, payload: `"z"`},

		"591": {text: `{"type":"integer","connect.type":"int8"}`, payload: `300`, want: `{"i8":44}`},
		"592": {text: `{"type":"integer"}`, payload: `9223372036854775808`, want: `{"i64":"-9223372036854775808"}`},
		"593": {text: `{"type":"string"}`, payload: `5`, want: `null`, shape: `{"type":"string","version":1}`},
		"594": {text: `{"type":"boolean"}`, payload: `null`, fails: []string{"Invalid null value for required BOOLEAN field"}},
		"595": {text: `{"type":["null","integer"]}`, payload: `5`, want: `{"i64":"5"}`, shape: `{"type":"int64","optional":true,"version":1}`},
		"596": {text: `{"type":["integer","string"]}`, payload: `"x"`, want: `{"struct":[null,"x"]}`, shape: `{"type":"struct","name":"io.confluent.connect.json.OneOf","version":1,"fields":[{"name":"io.confluent.connect.json.OneOf.field.0","schema":{"type":"int64","optional":true}},{"name":"io.confluent.connect.json.OneOf.field.1","schema":{"type":"string","optional":true}}]}`},
		"597": {text: `{"oneOf":[{"type":"integer"},{"type":"string"}]}`, payload: `true`, fails: []string{"Did not find matching oneof field for data"}},
		"598": {config: plugin.Config{"generalized.sum.type.support": "true"}, text: `{"oneOf":[{"type":"null"},{"type":"integer"},{"type":"string"}]}`, payload: `"x"`, want: `{"struct":[null,"x"]}`, shape: `{"type":"struct","optional":true,"name":"connect_union_0","version":1,"params":[["org.apache.kafka.connect.data.Union","connect_union_0"]],"fields":[{"name":"connect_union_field_0","schema":{"type":"int64","optional":true}},{"name":"connect_union_field_1","schema":{"type":"string","optional":true}}]}`},
		"599": {text: `{"enum":["A","B",null]}`, payload: `"A"`, want: `"A"`, shape: `{"type":"string","version":1,"params":[["io.confluent.connect.json.Enum",""],["io.confluent.connect.json.Enum.A","A"],["io.confluent.connect.json.Enum.B","B"],["io.confluent.connect.json.Enum.\u003cNULL\u003e","\u003cNULL\u003e"]]}`},
		"600": {text: `{"type":"null"}`, payload: `null`, fails: []string{"Unsupported schema type org.everit.json.schema.NullSchema"}},
		"601": {text: `{"type":"array"}`, payload: `[]`, fails: []string{"Array schema did not specify the items type"}},
		"602": {text: `{"type":"string","format":"date-time"}`, payload: `"x"`, want: `"x"`, shape: `{"type":"string","version":1}`},
		"603": {text: `{"type":"object","properties":{"zz":{"type":"string","connect.index":2},"aa":{"type":"string","connect.index":0},"mm":{"type":"string","connect.index":1}}}`, payload: `{}`, shape: `{"type":"struct","version":1,"fields":[{"name":"aa","schema":{"type":"string"}},{"name":"mm","schema":{"type":"string"}},{"name":"zz","schema":{"type":"string"}}]}`, want: `{"struct":[null,null,null]}`},
		"604": {text: `{"type":"object","properties":{"zz":{"type":"string","connect.index":1},"aa":{"type":"string"},"mm":{"type":"boolean"}}}`, payload: `{}`, shape: `{"type":"struct","version":1,"fields":[{"name":"mm","schema":{"type":"boolean"}}]}`, want: `{"struct":[null]}`},
		"605": {text: `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, payload: `{}`, want: `{"struct":[null]}`},
		"606": {text: `{"type":"object","properties":{"a":{"type":"string"}}}`, payload: `{"a":null}`, fails: []string{"Invalid null value for required STRING field"}},
		"607": {config: plugin.Config{"use.optional.for.nonrequired": "true"}, text: `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"]}`, payload: `{}`, want: `{"struct":[null,null]}`, shape: `{"type":"struct","version":1,"fields":[{"name":"a","schema":{"type":"string"}},{"name":"b","schema":{"type":"string","optional":true}}]}`},
		"608": {text: `{"oneOf":[{"type":"object","properties":{"a":{"type":"integer"},"x":{"type":"integer"}}},{"type":"object","properties":{"b":{"type":"integer"},"x":{"type":"integer"}}}]}`, payload: `{"b":1,"x":2}`, want: `{"struct":[null,{"struct":[{"i64":"1"},{"i64":"2"}]}]}`},
		"609": {text: `{"allOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","properties":{"b":{"type":"string"}}}]}`, payload: `{}`, want: `{"struct":[null,null]}`, shape: `{"type":"struct","fields":[{"name":"a","schema":{"type":"string"}},{"name":"b","schema":{"type":"string"}}]}`},
	}
}

// TestTable runs the rows that were written down, not recorded.
func TestTable(t *testing.T) {
	t.Parallel()
	all := rows()
	vector.Run(t, "registry-json-schema.jsonl", func(*vector.Case) bool { return true }, func(c *vector.Case) error {
		r, ok := all[c.ID]
		if !ok {
			return fmt.Errorf("nobody says what %q means", c.Table["Input"])
		}
		if r.schema != nil {
			return r.write(t)
		}
		return r.read(t)
	})
}

func (r *row) write(t *testing.T) error {
	reg := registrytest.Start(t)
	out, err := converter(t, reg.URL(), r.config).AppendData([]byte{}, "t", record.Datum{Schema: r.schema, Value: r.value})
	if err != nil {
		return err
	}
	stored, _ := reg.GetSchema("t-value", 1)
	if r.text != "" && stored.Schema.Schema != r.text {
		return fmt.Errorf("schema:\n got %s\nwant %s", stored.Schema.Schema, r.text)
	}
	if r.payload == "" {
		return nil
	}
	return vector.CompareBytes(frame(1, r.payload), out)
}

func (r *row) read(t *testing.T) error {
	conv := converter(t, serving(t, sr.Schema{Schema: r.text}, nil), r.config)
	got, err := conv.ReadData(new(record.Arena), "t", frame(1, r.payload))
	if r.fails != nil {
		return says(err, r.fails...)
	}
	if err != nil {
		return err
	}
	if shown := vector.Show(got.Value); shown != r.want {
		return fmt.Errorf("got %s, want %s", shown, r.want)
	}
	if shown := vector.ShowSchema(got.Schema); r.shape != "" && shown != r.shape {
		return fmt.Errorf("schema:\n got %s\nwant %s", shown, r.shape)
	}
	return nil
}

// refused are the messages of the other serializer that Kafka Connect's model has no value for.
var refused = map[string]string{
	"null-bool": "Unsupported schema type org.everit.json.schema.NullSchema", // a property that is always null
	"nested":    "Invalid value: null used for required field: \"k\"",        // an inner object without a property that is not optional
}

// TestWire reads the messages that Confluent's Python client wrote.
func TestWire(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	for _, w := range vector.Referenced(t, "JSON") {
		reg.SeedSchema(w.Subject, w.Version, 9999, sr.Schema{Schema: w.Schema, Type: sr.TypeJSON})
	}
	vector.RunWire(t, "wire-json.jsonl", func(t *testing.T, w *vector.Wire) error {
		seeded := sr.Schema{Schema: w.Schema, Type: sr.TypeJSON}
		for _, r := range w.References {
			seeded.References = append(seeded.References, sr.SchemaReference(r))
		}
		reg.SeedSchema(w.Subject, 1, w.ID, seeded)
		topic, use := w.Topic()
		read := func(config plugin.Config) (record.Datum, error) {
			conv := jsonschema.Descriptor().NewConverter()
			config["schema.registry.url"] = reg.URL()
			if err := conv.Configure(config, use); err != nil {
				return record.Datum{}, err
			}
			return conv.ReadData(new(record.Arena), topic, w.Bytes)
		}
		d, err := read(plugin.Config{"json.fail.invalid.schema": "true"})
		if why := refused[w.Name]; why != "" {
			if err := says(err, why); err != nil || w.Name == "null-bool" {
				return err
			}
			d, err = read(plugin.Config{"use.optional.for.nonrequired": "true"})
		}
		if err != nil {
			return errors.New(errorsOf(err))
		}
		if want, got := known(w.Value, d.Schema), shown(d.Schema, d.Value); !cmp.Equal(want, got) {
			return fmt.Errorf("want(-) got(+):\n%s", cmp.Diff(want, got))
		}
		return nil
	})
}

// known is a value without the properties that the schema does not name, with null for those that are missing.
func known(v any, s *record.Schema) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, f := range s.Fields {
			out[f.Name] = known(v[f.Name], f.Schema)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = known(v[i], s.Elem)
		}
		return out
	}
	return v
}

func shown(s *record.Schema, v record.Value) any {
	switch v.Kind() {
	case record.Null:
		return nil
	case record.Boolean:
		return v.Bool()
	case record.String:
		return v.Text()
	case record.Float64:
		return v.Float()
	case record.Array:
		out := []any{}
		for _, e := range v.Elements() {
			out = append(out, shown(s.Elem, e))
		}
		return out
	case record.Struct:
		out := map[string]any{}
		for i, f := range s.Fields {
			out[f.Name] = shown(f.Schema, v.Elements()[i])
		}
		return out
	}
	return float64(v.Int())
}
