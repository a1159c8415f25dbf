package vector_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

var files = []string{
	"json.jsonl", "ext-json.jsonl", "primitive.jsonl", "ext-primitive.jsonl", "values.jsonl", "ext-values.jsonl",
	"data.jsonl", "ext-data.jsonl", "chains.jsonl", "ext-chains.jsonl", "transforms.jsonl", "ext-transforms.jsonl",
	"predicates.jsonl", "ext-predicates.jsonl", "random.jsonl",
}

// TestEveryCaseReads shows that the notation is understood whole: all data of all cases become values, and values that
// need no schema come back from their notation unchanged.
func TestEveryCaseReads(t *testing.T) {
	t.Parallel()
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			cases := vector.Load(t, file)
			for i := range cases {
				err := reads(&cases[i])
				if _, ok := errors.AsType[*vector.Unrepresentable](err); !ok && err != nil {
					t.Errorf("%s: %v", cases[i].ID, err)
				}
			}
		})
	}
}

func reads(c *vector.Case) error {
	if c.Expect.OK == nil && c.Expect.Error == nil {
		return errors.New("the case expects nothing")
	}
	if e := c.Expect.Error; e != nil && e.Stage == "input" {
		return nil // says that the request holds an impossible value
	}
	typed := []vector.Typed{c.Request.Typed}
	records := []*vector.Record{c.Request.Record}
	if ok := c.Expect.OK; ok != nil {
		records = append(records, ok.Record)
		if c.Request.Op == "convert_to" || c.Request.Op == "struct" || c.Request.Op == "logical" {
			typed = append(typed, vector.Typed{Schema: structPlace(&c.Request), Value: ok.Value})
		} else {
			typed = append(typed, ok.Typed)
		}
	}
	for _, d := range typed {
		if err := roundTrip(d); err != nil {
			return err
		}
	}
	for _, r := range records {
		if r == nil {
			continue
		}
		b, err := r.Batch()
		if err != nil {
			return err
		}
		if err := r.Compare(&b.Records[0]); err != nil {
			return fmt.Errorf("a record differs from itself: %w", err)
		}
	}
	return nil
}

func structPlace(r *vector.Request) json.RawMessage {
	if s, err := vector.Schema(r.Schema); err == nil && s != nil && s.Kind == record.Struct {
		return r.Schema
	}
	return nil
}

func roundTrip(d vector.Typed) error {
	datum, err := d.Datum()
	if err != nil {
		return err
	}
	if s, err := vector.Schema(json.RawMessage(vector.ShowSchema(datum.Schema))); err == nil && !s.Equal(datum.Schema) {
		return fmt.Errorf("schema %s reads as %s", d.Schema, vector.ShowSchema(s))
	}
	if datum.Schema != nil {
		return vector.CompareDatum(datum, datum)
	}
	again, err := vector.Value(nil, json.RawMessage(vector.Show(datum.Value)))
	if err != nil {
		return nil //nolint:nilerr // a lone surrogate is shown in a form of its own
	}
	return vector.CompareValue(datum.Value, again)
}

func TestComparisonsSeeDifferences(t *testing.T) {
	t.Parallel()
	values := []string{
		`null`, `true`, `"1"`, `{"i8":1}`, `{"i16":1}`, `{"i32":1}`, `{"i64":"1"}`, `{"f32":"1.0"}`, `{"f64":"1.0"}`, `{"f64":"-0.0"}`,
		`{"f64":"0.0"}`, `{"f32":"NaN"}`, `{"f32":"NaN:7fc00001"}`, `{"bytes":"AQ=="}`, `{"dec":["10",1]}`, `{"dec":["100",2]}`,
		`{"bigint":"1"}`, `{"instant":"1"}`, `{"list":[{"i8":1}]}`, `{"map":[["a","b"]]}`, `{"map":[["a","c"]]}`, `{"utf16":"d83d0041"}`,
	}
	for i, a := range values {
		for j, b := range values {
			va, err := vector.Value(nil, json.RawMessage(a))
			if err != nil {
				t.Fatal(err)
			}
			vb, err := vector.Value(nil, json.RawMessage(b))
			if err != nil {
				t.Fatal(err)
			}
			if differs := vector.CompareValue(va, vb) != nil; differs != (i != j) {
				t.Errorf("%s and %s: got different = %v", a, b, differs)
			}
		}
	}
}

func TestCompareBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got []byte
		same      bool
	}{
		{nil, nil, true},
		{nil, []byte{}, false},
		{[]byte(`{"a":1,"b":[2]}`), []byte(`{"b":[2],"a":1}`), true},
		{[]byte(`{"a":1}`), []byte(`{"a":1.0}`), false},
		{[]byte(`[1,2]`), []byte(`[2,1]`), false},
		{[]byte(`1 2`), []byte(`1 3`), false},
		{[]byte(`x`), []byte(`x`), true},
	} {
		if err := vector.CompareBytes(c.want, c.got); (err == nil) != c.same {
			t.Errorf("%q and %q: got %v, want the same: %v", c.want, c.got, err, c.same)
		}
	}
}

func TestErrorCheck(t *testing.T) {
	t.Parallel()
	text := "Unable to read x@*"
	recorded := &vector.Error{Stage: "apply", Index: 1, Class: "org.apache.kafka.connect.errors.DataException", Message: &text}
	foreign := &vector.Error{Stage: "apply", Class: "java.lang.NullPointerException", Message: &text}
	for _, c := range []struct {
		name  string
		e     *vector.Error
		stage string
		index int
		err   error
		same  bool
	}{
		{"neither", nil, "apply", 0, nil, true},
		{"not recorded", nil, "apply", 0, errors.New("x"), false},
		{"not failed", recorded, "apply", 1, nil, false},
		{"the same", recorded, "apply", 1, plugin.Data("Unable to read x@1f"), true},
		{"another text", recorded, "apply", 1, plugin.Data("Unable to read y@1f"), false},
		{"another index", recorded, "apply", 0, plugin.Data("Unable to read x@1f"), false},
		{"another stage", recorded, "configure", 1, plugin.Data("Unable to read x@1f"), false},
		{"another class", recorded, "apply", 1, errors.New("Unable to read x@1f"), false},
		{"not Kafka's own", foreign, "apply", 0, errors.New("anything"), true},
	} {
		if err := c.e.Check(c.stage, c.index, c.err); (err == nil) != c.same {
			t.Errorf("%s: got %v, want the same: %v", c.name, err, c.same)
		}
	}
}

// TestHashOrder runs what Java's HashMap answered.
func TestHashOrder(t *testing.T) {
	t.Parallel()
	vector.Run(t, "java.jsonl", func(c *vector.Case) bool { return c.Request.Fn == "hashmap_order" }, func(c *vector.Case) error {
		keys := make([]string, len(c.Request.Args))
		for i, a := range c.Request.Args {
			if err := json.Unmarshal(a, &keys[i]); err != nil {
				return err
			}
		}
		if got := vector.HashOrder(keys); !slices.Equal(got, c.Expect.OK.Keys) {
			return fmt.Errorf("got %q, want %q", got, c.Expect.OK.Keys)
		}
		return nil
	})
}
