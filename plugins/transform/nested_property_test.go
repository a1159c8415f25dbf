package transform

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// perSetting is how many records each setting below gets.
const perSetting = 300

// inner draws what is around a path's last name: a required struct or a map, of fields a to d.
func inner(r *vector.Random) record.Datum {
	if r.Chance(2) {
		var pairs []record.Value
		for _, name := range names4 {
			if !r.Chance(4) {
				pairs = append(pairs, record.OfString(name), r.Scalar(vector.Pick(r, record.String, record.Int64, record.Boolean)))
			}
		}
		return record.Datum{Value: record.OfMap(pairs)}
	}
	b := record.Build(record.Struct).Named("inner")
	for _, name := range names4 {
		if !r.Chance(4) {
			b.Field(name, vector.Pick(r, record.Required(record.String), record.OptionalOf(record.String), record.Required(record.Int64),
				record.OptionalOf(record.Boolean), record.TimestampSchema(), record.Build(record.String).Optional().Default(record.OfString("dflt")).MustBuild()))
		}
	}
	s := b.MustBuild()
	return record.Datum{Schema: s, Value: r.Value(s)}
}

var names4 = []string{"a", "b", "c", "d"}

// wrap puts data two fields deep, beside other fields.
func wrap(d record.Datum) record.Datum {
	other := record.OfInt64(1)
	if d.Schema == nil {
		in := record.OfMap([]record.Value{record.OfString("x"), other, record.OfString("dot.ted"), d.Value})
		return record.Datum{Value: record.OfMap([]record.Value{record.OfString("a"), other, record.OfString("out"), in})}
	}
	in := record.Build(record.Struct).Field("x", record.Required(record.Int64)).Field("dot.ted", d.Schema).MustBuild()
	out := record.Build(record.Struct).Named("outer").Field("a", record.Required(record.Int64)).Field("out", in).MustBuild()
	return record.Datum{Schema: out, Value: record.OfStruct([]record.Value{other, record.OfStruct([]record.Value{other, d.Value})})}
}

// unwrapped takes it out again, and holds that all around is as it was.
func unwrapped(d record.Datum) (record.Datum, error) {
	for _, name := range []string{"out", "dot.ted"} {
		fields := d.Value.Elements()
		first := fields[0]
		if d.Schema == nil {
			first = fields[1]
		}
		if len(fields) != map[bool]int{true: 4, false: 2}[d.Schema == nil] || first.Kind() != record.Int64 || first.Int() != 1 {
			return d, fmt.Errorf("what is around %s was changed: %s", name, vector.ShowDatum(d))
		}
		if d.Schema == nil {
			v, _ := d.Value.Get(name)
			d = record.Datum{Value: v}
			continue
		}
		i := d.Schema.Field(name)
		d = record.Datum{Schema: d.Schema.Fields[i].Schema, Value: fields[i]}
	}
	return d, nil
}

// TestPathsAreNamesFurtherIn holds every transform that names fields to one law: with a path of syntax V2 it does to a struct
// or a map within others what it does to that alone with the last name in V1 (KIP-821).
func TestPathsAreNamesFurtherIn(t *testing.T) {
	t.Parallel()
	const prefix = "out.`dot.ted`."
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for alias, settings := range map[string][]plugin.Config{
		"mask_field":          {{"fields": "@a"}, {"fields": "@a,@b", "replacement": "7"}, {"fields": "@c", "replace.null.with.default": "false"}},
		"cast":                {{"spec": "@a:string"}, {"spec": "@a:string,@b:boolean"}, {"spec": "@d:int8"}},
		"replace_field":       {{"exclude": "@a,@c"}, {"include": "^@a,@b"}, {"renames": "@a:z"}, {"exclude": "@b", "renames": "@a:z,@c:y"}},
		"timestamp_converter": {{"field": "@a", "target.type": "unix"}, {"field": "@b", "target.type": "string", "format": "yyyy-MM-dd"}},
		"insert_field":        {{"topic.field": "@t"}, {"static.field": "@s!", "static.value": "v", "partition.field": "@p?"}, {"topic.field": "@a"}},
		"header_from":         {{"fields": "@a", "headers": "h", "operation": "move"}, {"fields": "@a,@b", "headers": "h,i", "operation": "copy"}},
		"value_to_key":        {{"fields": "@a"}, {"fields": "@a,@c"}},
		"extract_field":       {{"field": "@a"}, {"field": "@d", "replace.null.with.default": "false"}},
	} {
		for n, c := range settings {
			v1, v2 := plugin.Config{}, plugin.Config{"field.syntax.version": "V2"}
			for k, text := range c {
				// "^" stands for what is around, which include has to keep too.
				v1[k] = strings.NewReplacer("@", "", "^", "").Replace(text)
				v2[k] = strings.NewReplacer("@", prefix, "^", "a,out.x,").Replace(text)
			}
			r := &vector.Random{Rand: rand.New(rand.NewPCG(seed, uint64(n)))}
			flat, deep := configured(t, alias, v1), configured(t, alias, v2)
			for range perSetting {
				if err := samePart(alias, flat, deep, inner(r)); err != nil {
					t.Errorf("%s %v: %v", alias, c, err)
					break
				}
			}
		}
	}
}

func samePart(alias string, flat, deep plugin.Transform, d record.Datum) error {
	want, failed := apply(flat, d)
	got, err := apply(deep, wrap(d))
	if (err != nil) != (failed != nil) {
		return fmt.Errorf("of %s: V1 says %w, V2 says %w", vector.ShowDatum(d), orNone(failed), orNone(err))
	}
	if err != nil {
		return nil
	}
	if err := vector.CompareHeaders(want.Headers, got.Headers); err != nil {
		return err
	}
	if err := vector.CompareDatum(want.Key, got.Key); err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	part := got.Value
	if alias != "extract_field" {
		if part, err = unwrapped(got.Value); err != nil {
			return err
		}
	}
	if err := vector.CompareDatum(want.Value, part); err != nil {
		return fmt.Errorf("of %s: %w", vector.ShowDatum(d), err)
	}
	return nil
}

// orNone is an error, or one that says that there is none.
func orNone(err error) error {
	if err == nil {
		return errors.New("nothing is wrong")
	}
	return err
}
