package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// configured makes a transform by its alias, aimed at the value if it can be.
func configured(t interface {
	Helper()
	Fatal(...any)
}, alias string, c plugin.Config,
) plugin.Transform {
	t.Helper()
	for _, d := range Descriptors() {
		if d.Name != alias {
			continue
		}
		target := plugin.NoTarget
		if d.Targets {
			target = plugin.Value
		}
		tr := d.NewTransform(target)
		if err := tr.Configure(c); err != nil {
			t.Fatal(err)
		}
		return tr
	}
	t.Fatal("there is no transform " + alias)
	return nil
}

// order is a schema of ten fields, one of them with a default.
func order() *record.Schema {
	b := record.Build(record.Struct).Named("order").Field("id", record.Required(record.Int64))
	b.Field("name", record.Build(record.String).Optional().Default(record.OfString("dflt")).MustBuild())
	for i := range 8 {
		b.Field(fmt.Sprintf("f%d", i), record.OptionalOf(record.Int32))
	}
	return b.MustBuild()
}

func orderValue() record.Value {
	return record.OfStruct([]record.Value{
		record.OfInt64(7), record.OfString("a name"), record.OfInt32(0), record.OfInt32(1), record.OfInt32(2),
		record.OfInt32(3), record.OfInt32(4), record.OfInt32(5), record.OfInt32(6), {},
	})
}

func mapOf(kv ...any) record.Value {
	vs := make([]record.Value, len(kv))
	for i, v := range kv {
		switch v := v.(type) {
		case string:
			vs[i] = record.OfString(v)
		case int:
			vs[i] = record.OfInt64(int64(v))
		case record.Value:
			vs[i] = v
		}
	}
	return record.OfMap(vs)
}

// apply runs a transform on one record with the given value.
func apply(t plugin.Transform, d record.Datum) (record.Record, error) {
	b := record.NewBatch(record.ToSink, new(record.Partitions))
	r := b.Append()
	r.Topic, r.Partition, r.Timestamp, r.Key, r.Value = "orders", 3, 1000, someKey, d
	r.Position.Offset = record.OfInt64(42)
	if err := t.Apply(ctx, b); err != nil {
		return record.Record{}, err
	}
	if f := b.Failures(); len(f) > 0 {
		return b.Records[0], f[0].Err
	}
	return b.Records[0], nil
}

func TestInsertFieldNeedsStaticValue(t *testing.T) {
	t.Parallel()
	err := newInsertField(plugin.Value).Configure(plugin.Config{"static.field": "x"})
	want := &plugin.ConfigError{
		Key:    "static.value",
		Reason: "Invalid value null for configuration static.value: No value specified for static field: x",
	}
	got, _ := errors.AsType[*plugin.ConfigError](err)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRepeatedNames(t *testing.T) {
	t.Parallel()
	for alias, key := range map[string]string{
		"mask_field": "fields", "value_to_key": "fields", "replace_field": "exclude",
	} {
		for _, d := range Descriptors() {
			if d.Name != alias {
				continue
			}
			err := d.NewTransform(plugin.Value).Configure(plugin.Config{key: "a,b,a"})
			want := fmt.Sprintf("Configuration '%s' values must not be duplicated.", key)
			if err == nil || err.Error() != want {
				t.Errorf("%s: got %v, want %s", alias, err, want)
			}
		}
	}
}

// A transform that is configured again forgets what it had.
func TestConfigureAgain(t *testing.T) {
	t.Parallel()
	tr := configured(t, "insert_field", plugin.Config{"topic.field": "t"})
	schema := order()
	if _, err := apply(tr, record.Datum{Schema: schema, Value: orderValue()}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Configure(plugin.Config{"offset.field": "o"}); err != nil {
		t.Fatal(err)
	}
	r, err := apply(tr, record.Datum{Schema: schema, Value: orderValue()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Value.Schema.Field("o") != 10 || len(r.Value.Schema.Fields) != 11 {
		t.Errorf("got %s", vector.ShowSchema(r.Value.Schema))
	}
}

// An equal schema that is another object gives the same schema, so that converters find what they keep.
func TestEqualSchemasGiveTheSameSchema(t *testing.T) {
	t.Parallel()
	for alias, c := range steady {
		if c.onlyMaps {
			continue
		}
		tr := configured(t, alias, c.Config)
		first, err := apply(tr, record.Datum{Schema: order(), Value: orderValue()})
		if err != nil {
			t.Fatal(alias, err)
		}
		second, err := apply(tr, record.Datum{Schema: order(), Value: orderValue()})
		if err != nil {
			t.Fatal(alias, err)
		}
		if first.Key.Schema != second.Key.Schema {
			t.Errorf("%s: two key schemas", alias)
		}
		if !c.keepsSchema && first.Value.Schema != second.Value.Schema {
			t.Errorf("%s: two value schemas", alias)
		}
	}
}

func TestMemoKeepsTheLatest(t *testing.T) {
	t.Parallel()
	var m memo[int]
	schemas := make([]*record.Schema, 20)
	for i := range schemas {
		schemas[i] = record.Build(record.Struct).Named(fmt.Sprint(i)).MustBuild()
		if _, ok := m.find(schemas[i]); ok {
			t.Fatalf("found schema %d before it was there", i)
		}
		m.add(schemas[i], i)
		if got, ok := m.find(schemas[0]); !ok || got != 0 {
			t.Fatalf("schema 0, asked for all the time, is gone after %d", i)
		}
	}
	var kept []int
	for i, s := range schemas {
		if slices.ContainsFunc(m.entries, func(e entry[int]) bool { return e.schema == s && e.plan == i }) {
			kept = append(kept, i)
		}
	}
	want := []int{0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
	if d := cmp.Diff(want, kept); d != "" {
		t.Error(d)
	}
}

// What came in is never changed, whatever the transform and whether it fails.
func TestInputStays(t *testing.T) {
	t.Parallel()
	for alias, c := range steady {
		for _, d := range []record.Datum{
			{Schema: order(), Value: orderValue()},
			{Value: mapOf("id", 7, "name", "a", "f0", 1, "m", mapOf("x", 1))},
		} {
			before := d.Value.Clone()
			if _, err := apply(configured(t, alias, c.Config), d); err != nil && (d.Schema != nil || !c.onlyStructs) && (d.Schema == nil || !c.onlyMaps) {
				t.Errorf("%s: %v", alias, err)
			}
			if err := vector.CompareValue(before, d.Value); err != nil {
				t.Errorf("%s: %v", alias, err)
			}
		}
	}
}

// Renaming maps field by field: what comes out under a name is what went in under its old name, and two fields of one
// name are refused in a struct.
func TestReplaceFieldRenames(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		renames := map[string]string{}
		var pairs []string
		for _, from := range names {
			if to := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"}).Draw(t, from); to != "" {
				renames[from] = to
				pairs = append(pairs, from+":"+to)
			}
		}
		exclude := rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(t, "exclude")
		tr := configured(t, "replace_field", plugin.Config{"renames": strings.Join(pairs, ","), "exclude": strings.Join(exclude, ",")})

		want := map[string]int{}
		collision := false
		b := record.Build(record.Struct)
		values := make([]record.Value, len(names))
		var entries []any
		for i, name := range names {
			b.Field(name, record.Required(record.Int64))
			values[i] = record.OfInt64(int64(i))
			entries = append(entries, name, i)
			if slices.Contains(exclude, name) {
				continue
			}
			to := name
			if renames[name] != "" {
				to = renames[name]
			}
			_, taken := want[to]
			collision = collision || taken
			want[to] = i // in a map the last one wins
		}

		r, err := apply(tr, record.Datum{Schema: b.MustBuild(), Value: record.OfStruct(values)})
		if collision != (err != nil) {
			t.Fatalf("collision %t, but error %v", collision, err)
		}
		if err == nil {
			got := map[string]int{}
			for i, f := range r.Value.Schema.Fields {
				got[f.Name] = int(r.Value.Value.Elements()[i].Int())
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
		}
		r, err = apply(tr, record.Datum{Value: mapOf(entries...)})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for vs := r.Value.Value.Elements(); len(vs) > 0; vs = vs[2:] {
			got[vs[0].Text()] = int(vs[1].Int())
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if len(r.Value.Value.Elements()) != 2*len(want) {
			t.Fatal("a key stands twice in the map")
		}
	})
}

func TestReplaceFieldKeysMustBeText(t *testing.T) {
	t.Parallel()
	tr := configured(t, "replace_field", plugin.Config{"exclude": "a"})
	_, err := apply(tr, record.Datum{Value: mapOf(1, 2)})
	if _, ok := errors.AsType[*plugin.DataError](err); !ok {
		t.Errorf("got %v, want a DataError", err)
	}
}

// A path written of names, each in backticks where that is needed, is read as these names.
func TestPathProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("ab.\\ é"))), 1, 4).Draw(t, "names")
		var written []string
		for _, n := range names {
			switch {
			case strings.HasSuffix(n, `\`): // cannot be written in backticks
				n = strings.ReplaceAll(n, ".", "")
				written = append(written, n)
			case strings.Contains(n, "."):
				written = append(written, "`"+n+"`")
			default:
				written = append(written, n)
			}
		}
		for i := range names {
			if strings.HasSuffix(names[i], `\`) {
				names[i] = written[i]
			}
		}
		got, err := splitPath(strings.Join(written, "."))
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 1 && names[0] == "" {
			names = nil // the empty text leads nowhere
		}
		if d := cmp.Diff(names, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestFloatText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" 1.5f\t": "1.5", "1d": "1", "-.5": "-.5", "5.": "5.", "1e3D": "1e3", "-NaN": "NaN", "+Infinity": "+Infinity",
		"0x1p3": "0x1p3", "-0X1.8P-1f": "-0X1.8P-1",
	} {
		if got, ok := floatText(text); !ok || got != want {
			t.Errorf("%q: got %q (%t), want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", " ", "+", "f", "1ff", "nan", "inf", "infinity", "+-NaN", "--1", "1_0", "0x1", "0x1_0p1", "1 2", "e", ".", "0x", "0xp1", "１",
	} {
		if v, ok := parseFloat(text, record.Float64); ok {
			t.Errorf("%q: got %s", text, vector.Show(v))
		}
	}
}

func TestParseInteger(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"127": 127, "-128": -128, "+1": 1, "１２": 12, "-１２８": -128} {
		v, ok := parseInteger(text, record.Int8)
		if !ok || v.Int() != want {
			t.Errorf("%q: got %s (%t), want %d", text, vector.Show(v), ok, want)
		}
	}
	for _, text := range []string{"", "128", "-129", "１２８", " 1", "1.0", "１.", "１e1", "1_0", "+", "０x1"} {
		if v, ok := parseInteger(text, record.Int8); ok {
			t.Errorf("%q: got %s", text, vector.Show(v))
		}
	}
}

// A struct that is null because it has a default leaves its fields unset, and the fields have its default.
func TestFlattenNullStructWithDefault(t *testing.T) {
	t.Parallel()
	inner := record.Build(record.Struct).Field("b", record.Required(record.Int8)).
		Default(record.OfStruct([]record.Value{record.OfInt8(9)})).MustBuild()
	outer := record.Build(record.Struct).Field("a", inner).MustBuild()
	tr := configured(t, "flatten", plugin.Config{})
	r, err := apply(tr, record.Datum{Schema: outer, Value: record.OfStruct([]record.Value{{}})})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"struct","fields":[{"name":"a.b","schema":{"type":"int8","default":{"i8":9}}}]}`
	if got := vector.ShowSchema(r.Value.Schema); got != want || !r.Value.Value.Elements()[0].IsNull() {
		t.Errorf("got %s of %s, want null of %s", vector.Show(r.Value.Value), got, want)
	}
	_, err = apply(tr, record.Datum{Schema: outer, Value: record.OfStruct([]record.Value{record.OfStruct([]record.Value{{}})})})
	const missing = `Invalid value: null used for required field: "a.b", schema type: INT8`
	if err == nil || err.Error() != missing {
		t.Errorf("got %v, want %s", err, missing)
	}
}

func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	for _, d := range Descriptors() {
		for _, s := range d.Spec.Fields {
			if s.Doc == "" {
				t.Errorf("%s: %s has no documentation", d.Name, s.Name)
			}
		}
		if d.Doc == "" || !strings.HasSuffix(d.Doc, ".") {
			t.Errorf("%s: %q is not a sentence", d.Name, d.Doc)
		}
	}
}
