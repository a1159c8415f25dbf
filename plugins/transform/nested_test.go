package transform

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// shown writes a datum for comparison: names, values, and types where there is a schema.
func shown(d record.Datum) string {
	s, v := d.Schema, d.Value
	typ := ""
	if s != nil {
		typ = ":" + strings.ToLower(s.Kind.String())
		if s.Optional {
			typ += "?"
		}
	}
	switch v.Kind() {
	case record.Null:
		return "null" + typ
	case record.Map:
		var parts []string
		for i := 0; i < len(v.Elements()); i += 2 {
			var elem *record.Schema
			if s != nil {
				elem = s.Elem
			}
			parts = append(parts, v.Elements()[i].Text()+"="+shown(record.Datum{Schema: elem, Value: v.Elements()[i+1]}))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case record.Struct:
		var parts []string
		for i, f := range s.Fields {
			parts = append(parts, f.Name+"="+shown(record.Datum{Schema: f.Schema, Value: v.Elements()[i]}))
		}
		opt := ""
		if s.Optional {
			opt = "?"
		}
		return "<" + strings.Join(parts, " ") + ">" + opt
	case record.Array:
		var parts []string
		for _, e := range v.Elements() {
			var elem *record.Schema
			if s != nil {
				elem = s.Elem
			}
			parts = append(parts, shown(record.Datum{Schema: elem, Value: e}))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case record.String:
		return v.Text() + typ
	case record.Boolean:
		return fmt.Sprint(v.Bool()) + typ
	case record.Float32, record.Float64:
		return fmt.Sprint(v.Float()) + typ
	case record.Bytes:
		return fmt.Sprintf("%x", v.Bytes()) + typ
	case record.Decimal:
		return v.Decimal().Unscaled.String() + "e-" + fmt.Sprint(v.Decimal().Scale) + typ
	}
	return fmt.Sprint(v.Int()) + typ
}

// The record of KIP-821's examples, as a map and as a struct; parent is optional.
func kipMap() record.Datum {
	return record.Datum{Value: mapOf("k1", 123, "parent", mapOf("child", mapOf("k2", "123", "t", 86_400_000)), "a.b", mapOf("c.d", "x"))}
}

func kipSchema() *record.Schema {
	child := record.Build(record.Struct).Field("k2", record.Required(record.String)).Field("t", record.Required(record.Int64)).MustBuild()
	return record.Build(record.Struct).Named("kip").Field("k1", record.Required(record.Int64)).
		Field("parent", record.Build(record.Struct).Optional().Field("child", child).MustBuild()).
		Field("a.b", record.Build(record.Struct).Field("c.d", record.Required(record.String)).MustBuild()).MustBuild()
}

func kipStruct() record.Datum {
	str := func(vs ...record.Value) record.Value { return record.OfStruct(vs) }
	return record.Datum{Schema: kipSchema(), Value: str(record.OfInt64(123),
		str(str(record.OfString("123"), record.OfInt64(86_400_000))), str(record.OfString("x")))}
}

func kipNull() record.Datum {
	return record.Datum{Schema: kipSchema(), Value: record.OfStruct([]record.Value{record.OfInt64(123), {}, record.OfStruct([]record.Value{record.OfString("x")})})}
}

// TestNested has the examples of KIP-821 for every transform that names fields, and those that it forgets.
func TestNested(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		alias                string
		config               plugin.Config
		asMap, asStruct, nil string
	}{
		{
			"cast", plugin.Config{"spec": "k1:string,parent.child.k2:int64"},
			"{k1=123 parent={child={k2=123 t=86400000}} a.b={c.d=x}}",
			"<k1=123:string parent=<child=<k2=123:int64 t=86400000:int64>>? a.b=<c.d=x:string>>",
			"<k1=123:string parent=null:struct? a.b=<c.d=x:string>>",
		},
		{
			"mask_field", plugin.Config{"fields": "parent.child.k2,`a.b`.`c.d`", "replacement": "*"},
			"{k1=123 parent={child={k2=* t=86400000}} a.b={c.d=*}}",
			"<k1=123:int64 parent=<child=<k2=*:string t=86400000:int64>>? a.b=<c.d=*:string>>",
			"<k1=123:int64 parent=null:struct? a.b=<c.d=*:string>>",
		},
		{
			"mask_field", plugin.Config{"fields": "parent.nobody.k2"},
			"{k1=123 parent={child={k2=123 t=86400000}} a.b={c.d=x}}",
			"<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64>>? a.b=<c.d=x:string>>",
			"<k1=123:int64 parent=null:struct? a.b=<c.d=x:string>>",
		},
		{
			"insert_field", plugin.Config{"topic.field": "parent.topic", "static.field": "parent.child.env!", "static.value": "test"},
			"{k1=123 parent={child={k2=123 t=86400000 env=test} topic=orders} a.b={c.d=x}}",
			"<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64 env=test:string> topic=orders:string?>? a.b=<c.d=x:string>>",
			"<k1=123:int64 parent=null:struct? a.b=<c.d=x:string>>",
		},
		{
			"insert_field", plugin.Config{"topic.field": "nobody.topic"},
			"! Unknown field: nobody", "! Unknown field: nobody", "! Unknown field: nobody",
		},
		{
			"timestamp_converter", plugin.Config{"field": "parent.child.t", "target.type": "string", "format": "yyyy-MM-dd"},
			"{k1=123 parent={child={k2=123 t=1970-01-02}} a.b={c.d=x}}",
			"<k1=123:int64 parent=<child=<k2=123:string t=1970-01-02:string>>? a.b=<c.d=x:string>>",
			"<k1=123:int64 parent=null:struct? a.b=<c.d=x:string>>",
		},
		{
			"replace_field", plugin.Config{"exclude": "parent.child.t,`a.b`", "renames": "parent.child.k2:two,parent:mother"},
			"{k1=123 mother={child={two=123}}}",
			"<k1=123:int64 mother=<child=<two=123:string>>?>",
			"<k1=123:int64 mother=null:struct?>",
		},
		{
			"replace_field", plugin.Config{"include": "parent.child.t,k1"},
			"{k1=123 parent={child={t=86400000}}}",
			"<k1=123:int64 parent=<child=<t=86400000:int64>>?>",
			"<k1=123:int64 parent=null:struct?>",
		},
		{
			"replace_field", plugin.Config{"include": "parent.child.t,parent"},
			"{parent={child={k2=123 t=86400000}}}",
			"<parent=<child=<k2=123:string t=86400000:int64>>?>",
			"<parent=null:struct?>",
		},
		{
			"value_to_key", plugin.Config{"fields": "k1,parent.child.k2"},
			"key {k1=123 k2=123}", "key <k1=123:int64 k2=123:string?>", "key <k1=123:int64 k2=null:string?>",
		},
		{
			"header_from", plugin.Config{"fields": "parent.child.k2,k1", "headers": "h1,h2", "operation": "move"},
			"{parent={child={t=86400000}} a.b={c.d=x}} h1=123 h2=123",
			"<parent=<child=<t=86400000:int64>>? a.b=<c.d=x:string>> h1=123:string? h2=123:int64",
			"<parent=null:struct? a.b=<c.d=x:string>> h1=null:string? h2=123:int64",
		},
		{
			"extract_field", plugin.Config{"field": "`a.b`.`c.d`"}, "x", "x:string", "x:string",
		},
	} {
		c.config["field.syntax.version"] = "v2"
		tr := configured(t, c.alias, c.config)
		for _, in := range []struct {
			record.Datum
			want string
		}{{kipMap(), c.asMap}, {kipStruct(), c.asStruct}, {kipNull(), c.nil}, {kipStruct(), c.asStruct}} {
			before := shown(in.Datum)
			r, err := apply(tr, in.Datum)
			got := shown(r.Value)
			for _, h := range r.Headers {
				got += " " + h.Key + "=" + shown(h.Datum)
			}
			switch {
			case err != nil:
				if got != before || len(r.Headers) > 0 {
					t.Errorf("%s: a record that fails became %s", c.alias, got)
				}
				got = "! " + err.Error()
			case c.alias == "value_to_key":
				got = "key " + shown(r.Key)
			}
			if d := cmp.Diff(in.want, got); d != "" {
				t.Errorf("%s %v (-want +got):\n%s", c.alias, c.config, d)
			}
		}
	}
}

// A schema that comes again gives the same schema, and a record no allocation.
func TestNestedDoesNotAllocate(t *testing.T) {
	for alias, c := range map[string]plugin.Config{
		"mask_field":    {"fields": "parent.child.k2,k1"},
		"insert_field":  {"topic.field": "parent.child.topic"},
		"replace_field": {"exclude": "parent.child.t"},
		"cast":          {"spec": "parent.child.t:string"},
		"value_to_key":  {"fields": "parent.child.k2"},
		"header_from":   {"fields": "parent.child.k2", "headers": "h", "operation": "move"},
	} {
		c["field.syntax.version"] = "V2"
		tr := configured(t, alias, c)
		b := record.NewBatch(record.ToSink, new(record.Partitions))
		in := kipStruct()
		var first *record.Schema
		run := func() {
			stock(b, in)
			if err := tr.Apply(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		run()
		first = b.Records[0].Value.Schema
		for range 10 {
			run()
		}
		if allocs := testing.AllocsPerRun(20, run); allocs != 0 {
			t.Errorf("%s: %v allocations for a batch", alias, allocs)
		}
		if b.Records[0].Value.Schema != first || len(b.Failures()) > 0 {
			t.Errorf("%s: another schema, or failures %v", alias, b.Failures())
		}
	}
}

func TestNestedRefuses(t *testing.T) {
	t.Parallel()
	for alias, c := range map[string]plugin.Config{
		"mask_field":          {"fields": "a,`b"},
		"cast":                {"spec": "`b:int8"},
		"insert_field":        {"topic.field": "`b"},
		"replace_field":       {"include": "`b"},
		"timestamp_converter": {"field": "`b", "target.type": "unix"},
		"value_to_key":        {"fields": "a.b,c.b"},
		"header_from":         {"fields": "`b", "headers": "h", "operation": "copy"},
	} {
		c["field.syntax.version"] = "V2"
		for _, d := range Descriptors() {
			if d.Name != alias {
				continue
			}
			if err := d.NewTransform(plugin.Value).Configure(c); err == nil {
				t.Errorf("%s: %v was accepted", alias, c)
			}
		}
	}
}
