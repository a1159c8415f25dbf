package avro_test

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	theirs "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// drawSchema draws a Connect schema that Avro has a form for.
func drawSchema(t *rapid.T, depth int, name *int) *record.Schema {
	kinds := []record.Kind{record.Int8, record.Int16, record.Int32, record.Int64, record.Float32, record.Float64, record.Boolean, record.String, record.Bytes, record.Decimal, record.Instant}
	if depth > 0 {
		kinds = append(kinds, record.Array, record.Map, record.Struct)
	}
	var b *record.Builder
	switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
	case record.Decimal:
		b = record.Build(record.Bytes).Named(record.DecimalName).Versioned(1).Param(record.ScaleParam, fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "scale")))
	case record.Instant:
		switch rapid.IntRange(0, 2).Draw(t, "logical") {
		case 0:
			b = record.Build(record.Int32).Named(record.DateName).Versioned(1)
		case 1:
			b = record.Build(record.Int32).Named(record.TimeName).Versioned(1)
		default:
			b = record.Build(record.Int64).Named(record.TimestampName).Versioned(1)
		}
	case record.Array:
		b = record.BuildArray(drawSchema(t, depth-1, name))
	case record.Map:
		b = record.BuildMap(record.Required(record.String), drawSchema(t, depth-1, name))
	case record.Struct:
		*name++
		b = record.Build(record.Struct).Named(fmt.Sprintf("n%d.R%d", *name%3, *name))
		for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
			b.Field(fmt.Sprintf("f%d", i), drawSchema(t, depth-1, name))
		}
	default:
		b = record.Build(k)
	}
	if rapid.Bool().Draw(t, "optional") {
		b.Optional()
	}
	return b.MustBuild()
}

// drawValue draws a value; entries is the most that a map has.
func drawValue(t *rapid.T, s *record.Schema, entries int) record.Value {
	if s.Optional && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return record.Value{}
	}
	switch s.Name {
	case record.DecimalName:
		n := new(big.Int).Lsh(big.NewInt(rapid.Int64().Draw(t, "digits")), uint(rapid.IntRange(0, 70).Draw(t, "shift")))
		scale := int32(0)
		_, err := fmt.Sscan(s.Params[0].Value, &scale)
		if err != nil {
			t.Fatal(err)
		}
		return record.OfDecimal(n, scale)
	case record.DateName:
		return record.OfInstant(int64(rapid.Int32().Draw(t, "day")) * 86_400_000)
	case record.TimeName:
		return record.OfInstant(rapid.Int64Range(0, 86_399_999).Draw(t, "time"))
	case record.TimestampName:
		return record.OfInstant(rapid.Int64().Draw(t, "at"))
	}
	if v, ok := plugintest.DrawScalar(t, s.Kind); ok {
		return v
	}
	switch s.Kind {
	case record.Array:
		var es []record.Value
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			es = append(es, drawValue(t, s.Elem, entries))
		}
		return record.OfArray(es)
	case record.Map:
		var es []record.Value
		for i := range rapid.IntRange(0, entries).Draw(t, "n") {
			es = append(es, record.OfString(fmt.Sprint("k", i)), drawValue(t, s.Elem, entries))
		}
		return record.OfMap(es)
	}
	es := make([]record.Value, len(s.Fields))
	for i := range s.Fields {
		es[i] = drawValue(t, s.Fields[i].Schema, entries)
	}
	return record.OfStruct(es)
}

// generic is a value as the other library decodes it. Without its conversions, so that dates are numbers.
func generic(s *record.Schema, v record.Value) any {
	switch v.Kind() {
	case record.Null:
		return nil
	case record.Int8, record.Int16, record.Int32:
		return int32(v.Int())
	case record.Int64:
		return v.Int()
	case record.Instant:
		switch s.Name {
		case record.DateName:
			return int32(v.Int() / 86_400_000)
		case record.TimeName:
			return int32(v.Int())
		}
		return v.Int()
	case record.Float32:
		return v.Float32()
	case record.Float64:
		return v.Float()
	case record.Boolean:
		return v.Bool()
	case record.String:
		return v.Text()
	case record.Bytes:
		return v.Bytes()
	case record.Decimal:
		return record.AppendBigInt([]byte{}, v.Decimal().Unscaled)
	case record.Array:
		all := []any{}
		for _, e := range v.Elements() {
			all = append(all, generic(s.Elem, e))
		}
		return all
	case record.Map:
		all := map[string]any{}
		for i := 0; i < len(v.Elements()); i += 2 {
			all[v.Elements()[i].Text()] = generic(s.Elem, v.Elements()[i+1])
		}
		return all
	}
	all := map[string]any{}
	for i, e := range v.Elements() {
		all[s.Fields[i].Name] = generic(s.Fields[i].Schema, e)
	}
	return all
}

// raw switches off the other library's conversions.
func raw() []theirs.SchemaOpt {
	var opts []theirs.SchemaOpt
	for _, logical := range []string{"date", "time-millis", "timestamp-millis", "decimal"} {
		opts = append(opts, theirs.CustomType{LogicalType: logical})
	}
	return opts
}

// TestBesideLibrary writes random data of random schemas: the other library reads the same, and what it writes reads back
// the same here.
func TestBesideLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		reg := registrytest.Start(t)
		defer reg.Close()
		name := 0
		inner := drawSchema(rt, 3, &name)
		s := record.Build(record.Struct).Named("root.Root").Field("v", inner).MustBuild()
		d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{drawValue(rt, inner, 3)})}
		conv := converter(t, reg.URL(), nil)
		message, err := conv.AppendData([]byte{}, "t", d)
		if err != nil {
			rt.Fatalf("write: %v: %v", err, errorsOf(err))
		}
		stored, _ := reg.GetSchema("t-value", 1)
		schema, err := theirs.Parse(stored.Schema.Schema, raw()...)
		if err != nil {
			rt.Fatalf("%s: %v", stored.Schema.Schema, err)
		}
		var got any
		rest, err := schema.Decode(message[5:], &got)
		if err != nil || len(rest) > 0 {
			rt.Fatalf("the library cannot read %x as %s: %v, %d bytes left", message[5:], stored.Schema.Schema, err, len(rest))
		}
		if want := generic(s, d.Value); !reflect.DeepEqual(got, want) {
			rt.Fatalf("the library reads %#v of %s, want %#v", got, stored.Schema.Schema, want)
		}
		theirBytes, err := schema.Encode(got)
		if err != nil {
			rt.Fatal(err)
		}
		back, err := conv.ReadData(new(record.Arena), "t", append(slices.Clone(message[:5]), theirBytes...))
		if err != nil {
			rt.Fatalf("read of the library's %x as %s: %v: %v", theirBytes, stored.Schema.Schema, err, errorsOf(err))
		}
		if err := vector.CompareValue(d.Value, back.Value); err != nil && !strings.Contains(fmt.Sprint(got), "NaN") {
			rt.Fatalf("%s: %v", stored.Schema.Schema, err)
		}
	})
}

func errorsOf(err error) string {
	type unwrapper interface{ Unwrap() error }
	var b strings.Builder
	for err != nil {
		b.WriteString(err.Error() + "; ")
		u, ok := err.(unwrapper)
		if !ok {
			break
		}
		err = u.Unwrap()
	}
	return b.String()
}

// TestResolution reads with the newest schema of the subject what an older one wrote, and wants what the other library's
// resolution gives.
func TestResolution(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, writer, reader, json, want string }{
		{"promotions", rec(`{"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"float"},{"name":"d","type":"string"}`), rec(`{"name":"a","type":"long"},{"name":"b","type":"double"},{"name":"c","type":"double"},{"name":"d","type":"bytes"}`), `{"a":5,"b":6,"c":1.5,"d":"x"}`, `{"list":[{"i64":"5"},{"f64":"6"},{"f64":"1.5"},{"bytes":"eA=="}]}`},
		{"default", rec(`{"name":"a","type":"int"}`), rec(`{"name":"n","type":["null","string"],"default":null},{"name":"a","type":"int"},{"name":"s","type":"string","default":"dflt"},{"name":"l","type":{"type":"array","items":"int"},"default":[1,2]}`), `{"a":5}`, `{"list":[null,{"i32":5},"dflt",{"list":[{"i32":1},{"i32":2}]}]}`},
		{"dropped", rec(`{"name":"x","type":{"type":"map","values":["null","string"]}},{"name":"y","type":{"type":"array","items":"double"}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"r","type":["null","R"]},{"name":"a","type":"int"}`), rec(`{"name":"a","type":"int"}`), `{"x":{"k":"v"},"y":[1.5],"e":"A","r":{"R":{"x":{},"y":[],"e":"A","r":null,"a":1}},"a":5}`, `{"list":[{"i32":5}]}`},
		{"alias", rec(`{"name":"old","type":"int"}`), rec(`{"name":"new","type":"int","aliases":["old"]}`), `{"old":5}`, `{"list":[{"i32":5}]}`},
		{"enum", rec(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}`), rec(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","Z"],"default":"Z"}}`), `{"e":"B"}`, `{"list":["Z"]}`},
		{"into a union", rec(`{"name":"a","type":"int"}`), rec(`{"name":"a","type":["null","string","long"]}`), `{"a":5}`, `{"list":[{"list":[null,{"i64":"5"}]}]}`},
		{"out of a union", rec(`{"name":"a","type":["null","int"]}`), rec(`{"name":"a","type":"int"}`), `{"a":{"int":5}}`, `{"list":[{"i32":5}]}`},
		{"optional", rec(`{"name":"a","type":"int"}`), rec(`{"name":"a","type":["null","int"]}`), `{"a":5}`, `{"list":[{"i32":5}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t)
			reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: tt.writer})
			reg.SeedSchema("t-value", 2, 2, sr.Schema{Schema: tt.reader})
			writer := theirs.MustParse(tt.writer)
			var v any
			if err := writer.DecodeJSON([]byte(tt.json), &v); err != nil {
				t.Fatal(err)
			}
			datum, err := writer.Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			// Java resolves branch by branch, as values come; the library refuses a union that does not fit as a whole.
			if _, err := theirs.Resolve(writer, theirs.MustParse(tt.reader)); err != nil && tt.name != "out of a union" {
				t.Fatalf("the library does not resolve these: %v", err)
			}
			d, err := converter(t, reg.URL(), map[string]string{"use.latest.version": "true"}).ReadData(new(record.Arena), "t", frame(1, datum))
			if err != nil {
				t.Fatalf("%v: %v", err, errorsOf(err))
			}
			got := strings.ReplaceAll(vector.Show(d.Value), `{"struct":`, `{"list":`)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func rec(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }

// TestWriteAsNewest writes data with a newer schema than its own.
func TestWriteAsNewest(t *testing.T) {
	t.Parallel()
	data := record.Build(record.Struct).Named("R").Field("a", record.Required(record.Int32)).Field("b", record.OptionalOf(record.String)).MustBuild()
	d := record.Datum{Schema: data, Value: record.OfStruct([]record.Value{record.OfInt32(5), record.OfString("x")})}
	for _, tt := range []struct{ name, newest, want, fails string }{
		{"same", rec(`{"name":"a","type":"int"},{"name":"b","type":["null","string"]}`), "0a020278", ""},
		{"other order of a union", rec(`{"name":"a","type":"int"},{"name":"b","type":["string","null"]}`), "0a000278", ""},
		{"promoted, dropped, added", rec(`{"name":"z","type":"string","default":"d"},{"name":"a","type":["null","double"]}`), "02640200000000000014" + "40", ""},
		{"no default", rec(`{"name":"z","type":"string"},{"name":"a","type":"int"}`), "", "has no default"},
		{"does not fit", rec(`{"name":"a","type":"boolean"}`), "", "cannot be written as Avro's boolean"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.Start(t)
			reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: tt.newest})
			conv := converter(t, reg.URL(), map[string]string{"auto.register.schemas": "false", "use.latest.version": "true", "latest.compatibility.strict": "false"})
			out, err := conv.AppendData([]byte{}, "t", d)
			if tt.fails != "" {
				if err == nil || !strings.Contains(errorsOf(err), tt.fails) {
					t.Errorf("got %x (%v), want an error that says %q", out, err, tt.fails)
				}
				return
			}
			if got, want := fmt.Sprintf("%x", out), "0000000001"+tt.want; err != nil || got != want {
				t.Errorf("got %s (%v), want %s", got, err, want)
			}
		})
	}
	reg := registrytest.Start(t)
	reg.SeedSchema("t-value", 1, 1, sr.Schema{Schema: rec(`{"name":"a","type":"boolean"}`)})
	conv := converter(t, reg.URL(), map[string]string{"auto.register.schemas": "false", "use.latest.version": "true"})
	if _, err := conv.AppendData([]byte{}, "t", d); err == nil || !strings.Contains(errorsOf(err), "Incompatible schema of type 'AVRO'. Set latest.compatibility.strict=false") {
		t.Errorf("got %v, want a refusal", errorsOf(err))
	}
}
