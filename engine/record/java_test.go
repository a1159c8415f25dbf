package record_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// TestBesideJava gives random texts and values to the parser, the writer and the conversions, and to Kafka Connect's Values.
func TestBesideJava(t *testing.T) {
	java := vector.StartJava(t)
	t.Run("parse", func(t *testing.T) {
		java.Beside(t, func(r *vector.Random) string {
			text := vector.Pick(r, r.Notation(), r.Text(true), string(r.Mutated([]byte(r.Notation()))))
			return fmt.Sprintf(`{"op":"parse_string","text":%s}`, vector.Show(record.OfString(strings.ToValidUTF8(text, "\ufffd"))))
		}, parseString)
	})
	t.Run("text", func(t *testing.T) {
		java.Beside(t, func(r *vector.Random) string {
			for {
				// The answer has no form for half a character.
				if data := schemaAndValue(r); !strings.Contains(data, `{"utf16":`) {
					return `{"op":"convert_to_string",` + data + `}`
				}
			}
		}, convertToString)
	})
	t.Run("convert", func(t *testing.T) {
		java.Beside(t, func(r *vector.Random) string {
			target := vector.Pick(r, "boolean", "int8", "int16", "int32", "int64", "float32", "float64", "string", "list", "map", "struct", "date", "time", "timestamp", "decimal")
			data := schemaAndValue(r)
			if r.Chance(3) {
				data = `"schema":{"type":"string"},"value":` + vector.Show(record.OfString(r.Notation()))
			}
			return fmt.Sprintf(`{"op":"convert_to","target":%q,"scale":%d,%s}`, target, r.IntN(20), data)
		}, convertTo)
	})
	for op, draw := range map[string]func(*vector.Random) string{
		"project": drawProjection, "builder": drawBuilder, "struct": drawStruct, "headers": drawHeaders, "logical": drawLogical,
	} {
		t.Run(op, func(t *testing.T) {
			java.Beside(t, func(r *vector.Random) string { return fmt.Sprintf(`{"op":%q,%s}`, op, draw(r)) }, dataOps[op])
		})
	}
}

// drawProjection draws a value and two schemas, of which the second is mostly a form of the first.
func drawProjection(r *vector.Random) string {
	from := r.Schema()
	to := from
	switch {
	case r.Chance(20):
		to = r.Schema()
	case !r.Chance(10):
		to = changed(r, from)
	}
	return vector.ShowDatum(record.Datum{Schema: from, Value: r.Value(from)}) + `,"to":` + vector.ShowSchema(to)
}

// changed draws a schema that another one may be projected to, or nearly.
func changed(r *vector.Random, s *record.Schema) *record.Schema {
	kind := s.Kind
	if kind < record.Float64 && r.Chance(3) {
		kind += record.Kind(r.IntN(int(record.Float64-kind) + 1))
	}
	var b *record.Builder
	switch kind {
	case record.Array:
		b = record.BuildArray(changed(r, s.Elem))
	case record.Map:
		b = record.BuildMap(changed(r, s.Key), changed(r, s.Elem))
	default:
		b = record.Build(kind)
	}
	b.Like(s)
	if r.Chance(40) {
		b.Param("more", r.Text(false))
	}
	if r.Chance(60) {
		b.Named("another")
	}
	if s.Optional != r.Chance(8) {
		b.Optional()
	}
	fields := map[string]bool{}
	for _, f := range s.Fields {
		if r.Chance(12) {
			continue
		}
		fields[f.Name] = true
		b.Field(f.Name, changed(r, f.Schema))
	}
	if inner, ok := r.Smaller(); ok && kind == record.Struct && r.Chance(4) && !fields["more"] {
		b.Field("more", inner.Schema())
	}
	out := b.MustBuild()
	if kind != record.Struct && !holds(out, record.Struct) && r.Chance(3) {
		out = b.Default(r.Value(out)).MustBuild()
	}
	return out
}

func holds(s *record.Schema, k record.Kind) bool {
	return s != nil && (s.Kind == k || holds(s.Key, k) || holds(s.Elem, k) ||
		slices.ContainsFunc(s.Fields, func(f record.Field) bool { return holds(f.Schema, k) }))
}

// drawCalls writes up to n calls that draw gives.
func drawCalls(r *vector.Random, draw func() string) string {
	var calls []string
	for range r.Count() + 1 {
		calls = append(calls, draw())
	}
	return `"calls":[` + strings.Join(calls, ",") + "]"
}

func drawBuilder(r *vector.Random) string {
	s := r.Schema()
	var before []record.Value
	text := func() string { return vector.Show(record.OfString(vector.Pick(r, "a", "b", r.Text(false)))) }
	parts := ""
	switch s.Kind {
	case record.Array:
		parts = `,"items":` + vector.ShowSchema(s.Elem)
	case record.Map:
		parts = `,"keys":` + vector.ShowSchema(s.Key) + `,"values":` + vector.ShowSchema(s.Elem)
	}
	return fmt.Sprintf(`"type":%q%s,`, strings.ToLower(s.Kind.String()), parts) + drawCalls(r, func() string {
		switch r.IntN(9) {
		case 0:
			return vector.Pick(r, `["optional"]`, `["required"]`)
		case 1:
			return `["name",` + vector.Pick(r, `"a"`, `"b"`, strconv.Quote(record.DateName), strconv.Quote(record.DecimalName)) + "]"
		case 2:
			return `["doc",` + vector.Pick(r, `"a"`, `"b"`) + "]"
		case 3:
			return fmt.Sprintf(`["version",%d]`, r.IntN(3))
		case 4:
			return `["parameter",` + text() + "," + text() + "]"
		case 5, 6:
			// A struct has a schema of its own in Java, which is never that of a builder.
			v := wrong(r, s)
			if holds(s, record.Struct) || slices.ContainsFunc(before, v.Equal) {
				return `["optional"]` // and it tells an object from another one that is equal
			}
			before = append(before, v)
			return `["default",` + vector.Show(v) + "]"
		}
		inner, _ := r.Smaller()
		return `["field",` + text() + "," + vector.ShowSchema(inner.Schema()) + "]"
	})
}

// wrong is a value for a schema, or for another one.
func wrong(r *vector.Random, s *record.Schema) record.Value {
	if r.Chance(3) {
		return r.Wrong(s)
	}
	return r.Value(s)
}

func drawStruct(r *vector.Random) string {
	s := r.Schema()
	for range 50 {
		if s.Kind == record.Struct && len(s.Fields) > 0 {
			break
		}
		s = r.Schema()
	}
	return `"schema":` + vector.ShowSchema(s) + "," + drawCalls(r, func() string {
		field, place := "a", record.Required(record.String)
		if len(s.Fields) > 0 && !r.Chance(12) {
			f := s.Fields[r.IntN(len(s.Fields))]
			field, place = f.Name, f.Schema
		}
		name := vector.Show(record.OfString(field))
		switch r.IntN(6) {
		case 0:
			return `["` + vector.Pick(r, "get", "getWithoutDefault") + `",` + name + "]"
		case 1:
			kind := vector.Pick(r, place.Kind, place.Kind, record.Int32, record.String)
			return `["get` + kind.String()[:1] + strings.ToLower(kind.String()[1:]) + `",` + name + "]"
		case 2:
			if r.Chance(2) || holds(s, record.Bytes) { // the text of a byte array is its address
				return `["validate"]`
			}
			return `["toString"]`
		}
		v := wrong(r, place)
		if place.Kind != record.Struct && holdsText(v) {
			v = record.Value{}
		}
		return `["put",` + name + "," + showAt(place, v) + "]"
	})
}

// holdsText finds what Java's text, or the answer, has no form for.
func holdsText(v record.Value) bool { return strings.Contains(vector.Show(v), `{"utf16":`) }

// showAt shows a value at a place, which gives a struct its fields.
func showAt(place *record.Schema, v record.Value) string {
	text := vector.ShowDatum(record.Datum{Schema: place, Value: v})
	return text[len(`"schema":`)+len(vector.ShowSchema(place))+len(`,"value":`):]
}

func drawHeaders(r *vector.Random) string {
	return drawCalls(r, func() string {
		key := vector.Pick(r, `"a"`, `"b"`, `"c"`, `""`)
		switch r.IntN(8) {
		case 0:
			return `["remove",` + key + "]"
		case 1:
			return `["retainLatest",` + key + "]"
		case 2:
			return vector.Pick(r, `["retainLatest"]`, `["clear"]`)
		}
		d := record.Datum{Schema: r.Schema()}
		if d.Value = wrong(r, d.Schema); holdsText(d.Value) || !d.Value.IsNull() && d.Value.Kind() == record.Bytes {
			d.Value = record.Value{} // of a byte array, the message shows the address
		}
		return fmt.Sprintf(`["add",%s,%s,%s]`, key, vector.ShowSchema(d.Schema), showAt(d.Schema, d.Value))
	})
}

func drawLogical(r *vector.Random) string {
	types := map[string]*record.Schema{
		"Date": record.DateSchema(), "Time": record.TimeSchema(), "Timestamp": record.TimestampSchema(),
		"Decimal": record.DecimalSchema(int32(r.IntN(4))),
	}
	name := vector.Pick(r, "Date", "Time", "Timestamp", "Decimal")
	s := types[name]
	if r.Chance(12) {
		s = types[vector.Pick(r, "Date", "Time", "Timestamp", "Decimal")]
	}
	if r.Chance(12) {
		s = record.Build(record.Bytes).Named(record.DecimalName).Param(vector.Pick(r, record.ScaleParam, "x"), vector.Pick(r, "2", "-1", "x", "+3", "2147483648", "٢")).MustBuild()
	}
	if r.Chance(2) {
		v := types[name]
		d := record.Datum{Schema: s, Value: r.Value(record.Build(v.Kind).Like(v).MustBuild())}
		return fmt.Sprintf(`"type":%q,"dir":"encode",`, name) + vector.ShowDatum(d)
	}
	plain := record.Required(types[name].Kind)
	return fmt.Sprintf(`"type":%q,"dir":"decode","schema":%s,"value":%s`, name, vector.ShowSchema(s), vector.Show(r.Value(plain)))
}

func schemaAndValue(r *vector.Random) string {
	var d record.Datum
	if !r.Chance(3) {
		d.Schema = r.Schema()
	}
	d.Value = r.Wrong(d.Schema)
	return vector.ShowDatum(d)
}
