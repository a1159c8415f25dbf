package jsonschema_test

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// drawn draws Connect schemas and values for which JSON Schema has a form.
type drawn struct {
	*rapid.T
	full bool // with everything that a schema can say of itself, also what does not come back as it was
}

var words = []string{"id", "name", "age", "email", "zip", "active", "Aa", "BB", "x", "a b", "ü", "customer_address", "zz", "aa", "mm", "f1", "f2", "f3"}

func (t *drawn) names(n int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(words), n, n, rapid.ID).Draw(t.T, "names")
}

func (t *drawn) schema(depth int) *record.Schema {
	kinds := []record.Kind{record.Int8, record.Int16, record.Int32, record.Int64, record.Float32, record.Float64, record.Boolean, record.String, record.Bytes, record.Decimal, record.Instant, record.Null}
	if depth > 0 {
		kinds = append(kinds, record.Array, record.Map, record.Struct, record.Array, record.Map, record.Struct, record.BigInt)
	}
	b, plain := t.builder(rapid.SampledFrom(kinds).Draw(t.T, "kind"), depth)
	if plain && t.full {
		t.annotate(b)
	}
	if rapid.Bool().Draw(t.T, "optional") {
		b.Optional()
	}
	s := b.MustBuild()
	if t.full && rapid.IntRange(0, 3).Draw(t.T, "initial") == 0 && s.Kind != record.Struct {
		if v := t.value(s); !v.IsNull() {
			return b.Default(v).MustBuild()
		}
	}
	return s
}

// builder draws what a schema is made of; plain says that it has no name yet. BigInt stands for a union, Null for an enum.
func (t *drawn) builder(k record.Kind, depth int) (b *record.Builder, plain bool) {
	switch k {
	case record.Decimal:
		return record.Build(record.Bytes).Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, fmt.Sprint(rapid.IntRange(0, 9).Draw(t.T, "scale"))), false
	case record.Instant:
		switch rapid.IntRange(0, 2).Draw(t.T, "logical") {
		case 0:
			return record.Build(record.Int32).Named(record.DateName).Versioned(1), false
		case 1:
			return record.Build(record.Int32).Named(record.TimeName).Versioned(1), false
		}
		return record.Build(record.Int64).Named(record.TimestampName).Versioned(1), false
	case record.Null:
		b = record.Build(record.String).Param("io.confluent.connect.json.Enum", "")
		for _, name := range t.names(rapid.IntRange(1, 5).Draw(t.T, "symbols")) {
			b.Param("io.confluent.connect.json.Enum."+name, name)
		}
		return b, true
	case record.BigInt:
		b = record.Build(record.Struct).Named("io.confluent.connect.json.OneOf")
		for i, kind := range []record.Kind{record.Boolean, record.String, record.Int16} {
			b.Field(fmt.Sprintf("io.confluent.connect.json.OneOf.field.%d", i), record.OptionalOf(kind))
		}
		return b, false
	case record.Array:
		return record.BuildArray(t.schema(depth - 1)), true
	case record.Map:
		if rapid.Bool().Draw(t.T, "plain keys") {
			return record.BuildMap(record.Required(record.String), t.schema(depth-1)), true
		}
		key := rapid.SampledFrom([]*record.Schema{record.OptionalOf(record.String), record.Required(record.Int32), record.Required(record.Boolean)}).Draw(t.T, "key")
		return record.BuildMap(key, t.schema(depth-1)), true
	case record.Struct:
		b = record.Build(record.Struct)
		for _, name := range t.names(rapid.IntRange(0, 8).Draw(t.T, "fields")) {
			b.Field(name, t.schema(depth-1))
		}
		return b, true
	}
	return record.Build(k), true
}

func (t *drawn) annotate(b *record.Builder) {
	if rapid.Bool().Draw(t.T, "named") {
		b.Named(rapid.SampledFrom([]string{"R", "com.x.Name", "é"}).Draw(t.T, "name"))
	}
	if rapid.Bool().Draw(t.T, "versioned") {
		b.Versioned(rapid.IntRange(1, 9).Draw(t.T, "version"))
	}
	if rapid.Bool().Draw(t.T, "documented") {
		b.Documented(rapid.SampledFrom([]string{"doc", "a \"quoted\"\n/one</x>", "\u0001 é 😀"}).Draw(t.T, "doc"))
	}
	if rapid.IntRange(0, 3).Draw(t.T, "parameters") == 0 {
		for _, name := range t.names(rapid.IntRange(1, 6).Draw(t.T, "how many")) {
			b.Param(name, "v")
		}
	}
}

func (t *drawn) value(s *record.Schema) record.Value {
	if s.Optional && rapid.IntRange(0, 3).Draw(t.T, "null") == 0 {
		return record.Value{}
	}
	switch s.Name {
	case record.DecimalName:
		n := new(big.Int).Lsh(big.NewInt(rapid.Int64().Draw(t.T, "digits")), uint(rapid.IntRange(0, 70).Draw(t.T, "shift")))
		scale := int32(s.Params[0].Value[0] - '0')
		return record.OfDecimal(n, scale)
	case record.DateName:
		return record.OfInstant(int64(rapid.Int32().Draw(t.T, "day")) * 86_400_000)
	case record.TimeName:
		return record.OfInstant(rapid.Int64Range(0, 86_399_999).Draw(t.T, "time"))
	case record.TimestampName:
		return record.OfInstant(rapid.Int64().Draw(t.T, "at"))
	case "io.confluent.connect.json.OneOf":
		es := make([]record.Value, 3)
		i := rapid.IntRange(0, 2).Draw(t.T, "which")
		es[i] = t.value(record.Required(s.Fields[i].Schema.Kind))
		return record.OfStruct(es)
	}
	return t.plain(s)
}

func (t *drawn) plain(s *record.Schema) record.Value {
	switch s.Kind {
	case record.Int8:
		return record.OfInt8(rapid.Int8().Draw(t.T, "v"))
	case record.Int16:
		return record.OfInt16(rapid.Int16().Draw(t.T, "v"))
	case record.Int32:
		return record.OfInt32(rapid.Int32().Draw(t.T, "v"))
	case record.Int64:
		return record.OfInt64(rapid.Int64().Draw(t.T, "v"))
	case record.Float32:
		return record.OfFloat32(float32(rapid.IntRange(-1e6, 1e6).Draw(t.T, "v")) / 8)
	case record.Float64:
		return record.OfFloat64(float64(rapid.IntRange(-1e9, 1e9).Draw(t.T, "v")) / 64)
	case record.Boolean:
		return record.OfBool(rapid.Bool().Draw(t.T, "v"))
	case record.String:
		if len(s.Params) > 1 && s.Params[0].Key == "io.confluent.connect.json.Enum" {
			return record.OfString(rapid.SampledFrom(s.Params[1:]).Draw(t.T, "symbol").Value)
		}
		return record.OfString(rapid.String().Draw(t.T, "v"))
	case record.Bytes:
		return record.OfBytes(rapid.SliceOf(rapid.Byte()).Draw(t.T, "v"))
	case record.Array:
		var es []record.Value
		for range rapid.IntRange(0, 3).Draw(t.T, "n") {
			es = append(es, t.value(s.Elem))
		}
		return record.OfArray(es)
	case record.Map:
		var es []record.Value
		for i := range rapid.IntRange(0, 2).Draw(t.T, "n") {
			key := record.OfString(fmt.Sprint("k", i))
			switch s.Key.Kind {
			case record.Int32:
				key = record.OfInt32(int32(i))
			case record.Boolean:
				key = record.OfBool(i == 0)
			}
			es = append(es, key, t.value(s.Elem))
		}
		return record.OfMap(es)
	}
	es := make([]record.Value, len(s.Fields))
	for i := range s.Fields {
		es[i] = t.value(s.Fields[i].Schema)
	}
	return record.OfStruct(es)
}

// TestRoundTrip: what JSON Schema has a form for comes back as it was.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawn{T: rt}
		s := record.Build(record.Struct).Named("R").Versioned(3).Field("f", d.schema(3)).MustBuild()
		in := record.Datum{Schema: s, Value: d.value(s)}
		config := plugin.Config{"decimal.format": rapid.SampledFrom([]string{"BASE64", "NUMERIC"}).Draw(rt, "decimals")}
		if config["decimal.format"] == "BASE64" && rapid.Bool().Draw(rt, "validated") {
			config["json.fail.invalid.schema"] = "true"
		}
		reg := registrytest.Start(t)
		defer reg.Close()
		conv := converter(t, reg.URL(), config)
		message, err := conv.AppendData([]byte{}, "t", in)
		if err != nil {
			rt.Fatal(errorsOf(err))
		}
		out, err := conv.ReadData(new(record.Arena), "t", message)
		if err != nil {
			rt.Fatalf("%s: %v", message[5:], errorsOf(err))
		}
		if err := vector.CompareDatum(in, out); err != nil {
			stored, _ := reg.GetSchema("t-value", 1)
			rt.Fatalf("%v\n%s\n%s", err, stored.Schema.Schema, message[5:])
		}
	})
}
