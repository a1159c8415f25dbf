package jsonpath_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/transform/jsonpath"
)

func text(s string) record.Value { return record.OfString(s) }

// asMap is the order of the tests without a schema, asStruct the same with one.
func asMap() record.Datum {
	item := func(sku string, n int64) record.Value {
		return record.OfMap([]record.Value{text("sku"), text(sku), text("n"), record.OfInt64(n)})
	}
	return record.Datum{Value: record.OfMap([]record.Value{
		text("id"), record.OfInt64(7), text("name"), text("Ada"), text("price"), record.OfFloat64(2.5), text("paid"), record.OfBool(true),
		text("note"), {}, text("a b"), text("quoted"), text("code"), text("7"),
		text("address"), record.OfMap([]record.Value{text("city"), text("Berlin")}),
		text("items"), record.OfArray([]record.Value{item("x", 1), item("y", 2), item("x", 3)}),
		text("tags"), record.OfArray([]record.Value{text("vip"), text("new")}),
	})}
}

func asStruct() record.Datum {
	address := record.Build(record.Struct).Field("city", record.Required(record.String)).MustBuild()
	item := record.Build(record.Struct).Field("sku", record.Required(record.String)).Field("n", record.Required(record.Int64)).MustBuild()
	b := record.Build(record.Struct)
	for _, f := range []struct {
		name string
		*record.Schema
	}{
		{"id", record.Required(record.Int64)}, {"name", record.Required(record.String)}, {"price", record.Required(record.Float64)},
		{"paid", record.Required(record.Boolean)}, {"note", record.OptionalOf(record.String)}, {"a b", record.Required(record.String)},
		{"code", record.Required(record.String)}, {"address", address}, {"items", record.BuildArray(item).MustBuild()},
		{"tags", record.BuildArray(record.Required(record.String)).MustBuild()},
	} {
		b.Field(f.name, f.Schema)
	}
	var fields []record.Value
	for i, v := range asMap().Value.Elements() {
		if i%2 == 1 {
			fields = append(fields, structured(v))
		}
	}
	return record.Datum{Schema: b.MustBuild(), Value: record.OfStruct(fields)}
}

// structured makes structs of maps.
func structured(v record.Value) record.Value {
	var list []record.Value
	switch v.Kind() {
	case record.Map:
		for i := 1; i < len(v.Elements()); i += 2 {
			list = append(list, structured(v.Elements()[i]))
		}
		return record.OfStruct(list)
	case record.Array:
		for _, e := range v.Elements() {
			list = append(list, structured(e))
		}
		return record.OfArray(list)
	}
	return v
}

func TestFirst(t *testing.T) {
	t.Parallel()
	const nothing, missing = "nothing", "missing"
	for _, c := range []struct{ path, want string }{
		{"$.id", "7"}, {"$.note", "null"}, {"$['a b']", "quoted"}, {`$["address"]["city"]`, "Berlin"}, {"$.address.city", "Berlin"},
		{"$.items[1].sku", "y"}, {"$.items[-1].n", "3"}, {"$.items[*].n", "1"}, {"$.tags.*", "vip"},
		{"$.nowhere", missing}, {"$.nowhere.deeper", missing}, {"$.id.deeper", missing}, {"$.items[9]", missing}, {"$.name[0]", missing},
		// A condition looks at the elements of a list, or at what has fields itself.
		{"$.items[?(@.n > 1)].sku", "y"}, {"$.items[?(@.sku == 'x' && @.n >= 2)].n", "3"}, {"$.items[?(@.n > 9)]", nothing},
		{"$[?(@.id == 7)].name", "Ada"}, {"$.[?(@.id == 7)].name", "Ada"}, {"$.address[?(@.city == \"Berlin\")].city", "Berlin"},
		{"$[?(@.id == 8)]", nothing}, {"$.id[?(@.a)]", missing},
		{"$[?(@.id != 8)].id", "7"}, {"$[?(@.id < 8 && @.id <= 7 && @.id > 6 && @.id >= 7)].id", "7"}, {"$[?(@.id < 7 || @.price == 2.5)].id", "7"},
		{"$[?(!(@.id == 8) && @.paid == true)].id", "7"}, {"$[?(!@.nowhere)].id", "7"},
		{"$[?(@.name =~ /a.*/i)].id", "7"}, {"$[?(@.name =~ /a.*/)]", nothing}, {"$[?(@.name =~ /A/)]", nothing},
		{"$[?(@.name in ['Eva', 'Ada'])].id", "7"}, {"$[?(@.name nin ['Eva', 'Ada'])]", nothing}, {"$[?(@.id in [1, 7])].id", "7"},
		{"$[?(@.code == 7 && @.id == '7')].id", "7"}, {"$[?(@.price < 3 && @.price > 2)].id", "7"}, {"$[?(@.price == 2.50)].id", "7"},
		{"$[?(@.name > 'Aca' && @.name < 'Ae')].id", "7"}, {"$[?(@.name < 5)]", nothing},
		// What is missing equals nothing; a null is there.
		{"$[?(@.note)].id", "7"}, {"$[?(@.note == null)].id", "7"}, {"$[?(@.nowhere == null)]", nothing}, {"$[?(@.nowhere != 1)].id", "7"},
		{"$[?(@.nowhere > 1)]", nothing}, {"$[?(@.nowhere =~ /.*/)]", nothing}, {"$[?(@.nowhere nin ['a'])].id", "7"},
		{"$.items[?(@.n == $.id)]", nothing}, {"$.items[?(@.n < $.id)].n", "1"},
	} {
		p, err := jsonpath.Parse(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		for form, d := range map[string]record.Datum{"map": asMap(), "struct": asStruct()} {
			found, ok, err := p.First(d)
			got := nothing
			if _, is := errors.AsType[*jsonpath.Missing](err); is {
				got = missing
			} else if ok {
				got = strings.Trim(shown(found.Value), `"`)
			}
			if got != c.want {
				t.Errorf("%s of a %s: got %s, %v, want %s", c.path, form, got, err, c.want)
			}
		}
	}
}

func shown(v record.Value) string {
	text, err := record.ToText(nil, v)
	if err != nil || v.IsNull() {
		return "null"
	}
	return text.Text()
}

// What is wrong, and what is not available, is refused with its place.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, want string }{
		{"a", "At character 1: a path begins with $"}, {"", "a path begins with $"}, {"$a", "At character 2: a step"},
		{"$..a", "At character 2: deep scans (..) are not available"}, {"$.a.length()", "At character 5: functions are not available"},
		{"$.a[1:2]", "At character 6: slices are not available"}, {"$['a','b']", "At character 6: several names"},
		{"$.", "a name stands behind a dot"}, {"$['a'", "the bracket is not closed"}, {"$['a]", "the text is not closed"}, {"$[a]", "a name in quotes"}, {"$[-]", "not a number"},
		{"$[?@.a]", "a condition stands in brackets"}, {"$[?(@.a = 1)]", "goes on in a way"}, {"$[?(@.a == )]", "a path, a text in quotes, a number"},
		{"$[?(1)]", "a path or a comparison is expected"}, {"$[?(@.a =~ 'x')]", "a pattern stands between slashes"}, {"$[?(@.a =~ /x)]", "the pattern is not closed"},
		{"$[?(@.a =~ /(?=x)/)]", "look-ahead"}, {"$[?(@.a in 'x')]", "a list of constants"}, {"$[?((@.a]", "the bracket is not closed"},
		{"$[?(@.a size 2)]", "goes on in a way"}, {"$[?(" + strings.Repeat("!", 1000) + "@.a)]", "too deep"},
	} {
		_, err := jsonpath.Parse(c.path)
		if _, ok := errors.AsType[*plugin.ConfigError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.path, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"$.a[?(@.b == 'c' && !(@.d > 1.5))]", "$[0]['a b'].*", "$[?(@.a =~ /x/i || @.b in [1,'2',null])]"} {
		f.Add(s)
	}
	d := asMap()
	f.Fuzz(func(_ *testing.T, s string) {
		if p, err := jsonpath.Parse(s); err == nil {
			_, _, _ = p.First(d) // it ends, and does not panic
		}
	})
}
