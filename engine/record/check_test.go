package record_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// A misfit names the innermost field, or the way through arrays and maps from the inside out.
func TestCheckNamesThePlace(t *testing.T) {
	t.Parallel()
	number := record.Required(record.Int8)
	inner := record.Build(record.Struct).Field("n", number).MustBuild()
	list := record.BuildArray(number).MustBuild()
	outer := record.Build(record.Struct).Named("outer").Field("in", inner).MustBuild()
	byName := record.BuildMap(record.Required(record.String), list).MustBuild()
	text := record.OfString("x")
	for _, c := range []struct {
		name string
		s    *record.Schema
		v    record.Value
		want string
	}{
		{"a value", number, text, "Invalid Java object for schema with type INT8: class java.lang.String for value"},
		{"nothing", number, record.Value{}, "Invalid value: null used for required value, schema type: INT8"},
		{"an element of a value of a map", byName, record.OfMap([]record.Value{text, record.OfArray([]record.Value{text})}),
			"Invalid Java object for schema with type INT8: class java.lang.String for element of array value of map value"},
		{"a key", byName, record.OfMap([]record.Value{{}, {}}), "Invalid value: null used for required key of map value, schema type: STRING"},
		{"a field of a field", outer, record.OfStruct([]record.Value{record.OfStruct([]record.Value{text})}),
			`Invalid Java object for schema with type INT8: class java.lang.String for field: "n"`},
		{"a field of an element", record.BuildArray(inner).MustBuild(), record.OfArray([]record.Value{record.OfStruct(make([]record.Value, 1))}),
			`Invalid value: null used for required field: "n", schema type: INT8`},
		{"a struct of other fields", outer, record.OfStruct(nil), "Struct schemas do not match."},
		{"a struct by name", outer, text, `Invalid Java object for schema "outer" with type STRUCT: class java.lang.String for value`},
		{"an array without a schema for its elements", record.BuildLoose(record.Array, nil, nil).MustBuild(), record.OfArray([]record.Value{text}),
			"No schema defined for element of array value"},
	} {
		if err := c.s.Check(c.v); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if err := record.BuildLoose(record.Array, nil, nil).MustBuild().Check(record.OfArray(nil)); err != nil {
		t.Errorf("an empty array: got %v", err)
	}
}

// What is drawn for a schema passes its check, and a projection to the same schema changes nothing but what has a default.
func TestProjectionToItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := vector.NewRandom(rapid.Uint64().Draw(t, "seed"))
		s := r.Schema()
		if holdsOddly(s) {
			return
		}
		v := r.Value(s)
		if err := s.Check(v); err != nil {
			t.Fatalf("%s: %s: %v", vector.ShowSchema(s), vector.Show(v), err)
		}
		p := record.Project(s, s)
		got, err := p.Value(new(record.Arena), v)
		if err != nil {
			t.Fatalf("%s: %v", vector.ShowSchema(s), err)
		}
		again, err := p.Value(new(record.Arena), got)
		if err != nil || !again.Equal(got) {
			t.Fatalf("projected once it is %s, twice %s (%v)", vector.Show(got), vector.Show(again), err)
		}
		if err := s.Check(got); err != nil {
			t.Fatal(err)
		}
	})
}

// holdsOddly finds a number that is called a Decimal: projected, it is a number, as in Kafka Connect, and none of its schema.
func holdsOddly(s *record.Schema) bool {
	return s != nil && (s.Name == record.DecimalName && s.Kind != record.Bytes || holdsOddly(s.Key) || holdsOddly(s.Elem) ||
		slices.ContainsFunc(s.Fields, func(f record.Field) bool { return holdsOddly(f.Schema) }))
}

// TestAllocProjection: records cost nothing but the arena's memory.
func TestAllocProjection(t *testing.T) {
	from := record.Build(record.Struct).Field("a", record.Required(record.Int8)).Field("b", record.BuildArray(record.Required(record.Int32)).MustBuild()).MustBuild()
	to := record.Build(record.Struct).Field("b", record.BuildArray(record.Required(record.Int64)).MustBuild()).Field("a", record.Required(record.Float64)).
		Field("c", record.Build(record.String).Default(record.OfString("x")).MustBuild()).MustBuild()
	p, v, a := record.Project(from, to), record.OfStruct([]record.Value{record.OfInt8(1), record.OfArray([]record.Value{record.OfInt32(2)})}), new(record.Arena)
	if n := testing.AllocsPerRun(100, func() {
		a.Reset()
		if _, err := p.Value(a, v); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
