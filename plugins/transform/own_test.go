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
