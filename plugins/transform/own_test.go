package transform

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

var (
	section  = regexp.MustCompile("(?s)\n## (\\w+)\n(.*?)```hcl\n(.*?)```\n\n```\n(.*?)→\n(.*?)```\n")
	argument = regexp.MustCompile(`(?m)^  (\w+) += (.*)$`)
)

// TestExamples runs the examples of the README, of which each of our own transforms has one.
func TestExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var shownOnes []string
	for _, part := range strings.SplitAfter(string(readme), "\n## ") {
		m := section.FindStringSubmatch("\n## " + part)
		if m == nil {
			continue
		}
		shownOnes = append(shownOnes, m[1])
		c := plugin.Config{}
		for _, a := range argument.FindAllStringSubmatch(m[3], -1) {
			var v any
			if err := json.Unmarshal([]byte(a[2]), &v); err != nil {
				t.Fatalf("%s: %s: %v", m[1], a[0], err)
			}
			c[strings.ReplaceAll(a[1], "_", ".")] = fmt.Sprint(v)
		}
		delete(c, "target")
		tr := configured(t, m[1], c)
		b := record.NewBatch(record.FromSource, new(record.Partitions))
		for line := range strings.SplitSeq(strings.TrimSpace(m[4]), "\n") {
			fillFrom(t, b.Append(), line)
		}
		if err := tr.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Failures() {
			t.Errorf("%s: record %d: %v", m[1], f.Index, f.Err)
		}
		var got []string
		want := strings.Split(strings.TrimSpace(m[5]), "\n")
		b.Each(func(_ int, r *record.Record) error {
			if len(got) < len(want) {
				got = append(got, print(t, r, want[len(got)]))
			} else {
				got = append(got, "one more")
			}
			return nil
		})
		for i, w := range want {
			var r record.Record
			fillFrom(t, &r, w)
			want[i] = print(t, &r, w)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", m[1], d)
		}
	}
	for _, d := range Descriptors() {
		if strings.HasPrefix(d.Class, "penstock.") && !slices.Contains(shownOnes, d.Name) {
			t.Errorf("%s has no example", d.Name)
		}
	}
}

func fillFrom(t *testing.T, r *record.Record, line string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	r.Key.Value, r.Value.Value = ofJSON(m["key"]), ofJSON(m["value"])
	r.Topic, _ = m["topic"].(string)
	if headers, ok := m["headers"].(map[string]any); ok {
		for k, v := range headers {
			r.Headers = append(r.Headers, record.Header{Key: k, Datum: record.Datum{Value: ofJSON(v)}})
		}
	}
	if n, ok := m["partition"].(json.Number); ok {
		p, _ := n.Int64()
		r.Partition = int32(p)
	}
	if n, ok := m["timestamp"].(json.Number); ok {
		r.Timestamp, _ = n.Int64()
	}
}

func ofJSON(v any) record.Value {
	switch v := v.(type) {
	case string:
		return record.OfString(v)
	case bool:
		return record.OfBool(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return record.OfInt64(n)
		}
		f, _ := v.Float64()
		return record.OfFloat64(f)
	case []any:
		var list []record.Value
		for _, e := range v {
			list = append(list, ofJSON(e))
		}
		return record.OfArray(list)
	case map[string]any:
		var pairs []record.Value
		for _, k := range slices.Sorted(func(yield func(string) bool) {
			for k := range v {
				if !yield(k) {
					return
				}
			}
		}) {
			pairs = append(pairs, record.OfString(k), ofJSON(v[k]))
		}
		return record.OfMap(pairs)
	}
	return record.Value{}
}

// print shows the parts of a record of which an expected line speaks.
func print(t *testing.T, r *record.Record, like string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(like), &m); err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, part := range []string{"topic", "key", "partition", "timestamp", "value"} {
		if _, ok := m[part]; !ok {
			continue
		}
		switch part {
		case "topic":
			s.WriteString(" topic " + r.Topic)
		case "key":
			s.WriteString(" key " + shown(record.Datum{Value: r.Key.Value}))
		case "partition":
			fmt.Fprint(&s, " partition ", r.Partition)
		case "timestamp":
			fmt.Fprint(&s, " timestamp ", r.Timestamp)
		case "value":
			s.WriteString(" value " + sortedShown(r.Value.Value))
		}
	}
	return s.String()
}

// sortedShown shows a value with the entries of its maps in the order of their names.
func sortedShown(v record.Value) string {
	switch v.Kind() {
	case record.Map:
		var parts []string
		for i := 0; i < len(v.Elements()); i += 2 {
			parts = append(parts, v.Elements()[i].Text()+"="+sortedShown(v.Elements()[i+1]))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, " ") + "}"
	case record.Float64:
		return fmt.Sprintf("%#v", v.Float())
	}
	return shown(record.Datum{Value: v})
}

// What a sink reads again, because it went back, is not a duplicate of itself; a later record of the same key stays one.
func TestDedupeLetsPassWhatComesAgain(t *testing.T) {
	t.Parallel()
	tr := configured(t, "dedupe", plugin.Config{"by": "key", "window.records": "2"})
	batch := func(offsets ...int64) []bool {
		b := record.NewBatch(record.ToSink, new(record.Partitions))
		for _, o := range offsets {
			r := b.Append()
			r.Position.Offset = record.OfInt64(o)
			r.Key.Value = record.OfString(string(rune('a' + o%2))) // a, b, a, b, …
			if o >= 10 {
				r.Key.Value = record.OfString(fmt.Sprint("other ", o))
			}
		}
		if err := tr.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		passed := make([]bool, len(b.Records))
		for i := range b.Records {
			passed[i] = b.Live(i)
		}
		return passed
	}
	for _, c := range []struct {
		offsets []int64
		want    []bool
	}{
		{[]int64{0, 1, 2, 3}, []bool{true, true, false, false}},
		{[]int64{0, 1, 2, 3}, []bool{true, true, false, false}}, // the sink went back
		{[]int64{1, 2}, []bool{true, false}},                    // and again, not as far
		{[]int64{4}, []bool{false}},
		{[]int64{10, 11}, []bool{true, true}}, // which the window has no room for beside the others
		{[]int64{6, 6}, []bool{true, false}},  // forgotten; parts of one record in one batch are duplicates
	} {
		if d := cmp.Diff(c.want, batch(c.offsets...)); d != "" {
			t.Errorf("offsets %v (-want +got):\n%s", c.offsets, d)
		}
	}
}

// A record of a struct has a type for every field.
func TestSetInStructs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config plugin.Config
		want   string
	}{
		{plugin.Config{"field": "parent.child.copy", "expression": "value.k1"}, "<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64 copy=123:int64?>>? a.b=<c.d=x:string>>"},
		{plugin.Config{"field": "k1", "expression": "topic"}, "<k1=orders:string? parent=<child=<k2=123:string t=86400000:int64>>? a.b=<c.d=x:string>>"},
		{plugin.Config{"field": "n", "expression": "int(value.parent.child.k2) + 1"}, "<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64>>? a.b=<c.d=x:string> n=124:int64?>"},
		{plugin.Config{"field": "n", "expression": "value.k1 + 1", "field.type": "int16"}, "<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64>>? a.b=<c.d=x:string> n=124:int16?>"},
		{plugin.Config{"field": "n", "expression": "value.parent", "field.type": ""}, ""},
		{plugin.Config{"field": "n", "expression": "value.k1 + 1"}, "! The type of the field n is not known for a record with a schema: set field.type"},
		{plugin.Config{"field": "n", "expression": "value.nobody + 1"}, "! invalid operation: <nil> + int (at 1:14 of the expression)"},
		{plugin.Config{"field": "nobody.n", "expression": "topic"}, "! Unknown field: nobody"},
		{plugin.Config{"field": "k1.n", "expression": "topic"}, "! Field k1 has no fields: its type is INT64"},
		{plugin.Config{"field": "at", "expression": "value.k1", "field.type": "timestamp"}, "<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64>>? a.b=<c.d=x:string> at=123:int64?>"},
	} {
		if c.want == "" {
			delete(c.config, "field.type")
			c.want = "<k1=123:int64 parent=<child=<k2=123:string t=86400000:int64>>? a.b=<c.d=x:string> n=<child=<k2=123:string t=86400000:int64>>?>"
		}
		r, err := apply(configured(t, "set", c.config), kipStruct())
		got := shown(r.Value)
		if err != nil {
			got = "! " + err.Error()
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.config, d)
		}
	}
}
