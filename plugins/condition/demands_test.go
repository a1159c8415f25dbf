package condition

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// TestDemands holds what validation warns of: the characters, and the advice, which must compile.
func TestDemands(t *testing.T) {
	t.Parallel()
	type demand struct{ at, reason string }
	zero := func(field, advice string) string {
		return `A record without "` + field + `" is an error, not "no". Write ` + advice + " to treat it as 0."
	}
	for text, want := range map[string][]demand{
		"value.amount > 100":         {{"value.amount", zero("amount", "(value.amount ?? 0) > 100")}},
		"100 <= value.a.b":           {{"value.a.b", zero("a.b", "100 <= (value.a.b ?? 0)")}},
		"value['a b'] < 1.5":         {{"value['a b']", zero("a b", "(value['a b'] ?? 0) < 1.5")}},
		"value.list[0] < 1":          {{"value.list[0]", zero("list[0]", "(value.list[0] ?? 0) < 1")}},
		"key.id >= 1":                {{"key.id", zero("key.id", "(key.id ?? 0) >= 1")}},
		"headers.n < 'm'":            {{"headers.n", `A record without "headers.n" is an error, not "no". Write (headers.n ?? '') < 'm' to treat it as ''.`}},
		"value.at < timestamp":       {{"value.at", `A record without "at" is an error, not "no". Write value.at != nil and value.at < timestamp to leave such records out.`}},
		"value.a * 2 > 10":           {{"value.a", zero("a", "(value.a ?? 0) * 2 > 10")}},
		"(value.a) > 10":             {{"value.a", zero("a", "(value.a ?? 0)")}},
		"not (value.a > 1)":          {{"value.a", zero("a", "(value.a ?? 0) > 1")}},
		"value?.a > 1":               {{"value?.a", zero("a", "(value?.a ?? 0) > 1")}},
		"key != 'ö' and value.a > 1": {{"value.a", zero("a", "(value.a ?? 0) > 1")}},
		"value.a > value.b": {
			{"value.a", `A record without "a" is an error, not "no". Write value.a != nil and value.a > value.b to leave such records out.`},
			{"value.b", `A record without "b" is an error, not "no". Write value.b != nil and value.a > value.b to leave such records out.`},
		},
		"value.a > 1 or value.a < -1 or value.b > 2": {
			{"value.a", zero("a", "(value.a ?? 0) > 1")}, {"value.b", zero("b", "(value.b ?? 0) > 2")},
		},
		"any(value.list, # > value.least)": {{"value.list", `A record without "list" is an error, not "no". Write value.list ?? [] in any() to treat it as [].`}, {"value.least", `A record without "least" is an error, not "no". Write value.least != nil and # > value.least to leave such records out.`}},
		"lower(value.status) == 'paid'":    {{"value.status", `A record without "status" is an error, not "no". Write value.status ?? '' in lower() to treat it as ''.`}},
		"len(value.items) == 3":            {{"value.items", `A record without "items" is an error, not "no". Write value.items ?? [] in len() to treat it as [].`}},
		"abs(headers.n) != 1":              {{"headers.n", `A record without "headers.n" is an error, not "no". Write headers.n ?? 0 in abs() to treat it as 0.`}},
		"value.a + 1 == 2":                 {{"value.a", zero("a", "(value.a ?? 0) + 1 == 2")}},
		"2 != value.a * 3":                 {{"value.a", zero("a", "2 != (value.a ?? 0) * 3")}},
		"value.a == nil and value.a > 1":   {{"value.a", zero("a", "(value.a ?? 0) > 1")}},

		// What cannot fail, or has been asked for, is not worth a word.
		"(value.amount ?? 0) > 100":                       nil,
		"value.country == 'DE'":                           nil,
		"value.name contains 'x'":                         nil,
		"value.a != nil and value.a > 1":                  nil,
		"value.a == nil || value.a > 1":                   nil,
		"not (value.a == nil) and value.a > 1":            nil,
		"'a' in value and value.a > 1":                    nil,
		"value.kind == 'x' and value.kind > 'a'":          nil,
		"value.a != nil ? value.a > 1 : false":            nil,
		"value.a == nil ? false : value.a > 1":            nil,
		"offset > 5 and partition < 3":                    nil,
		"len(value.items ?? []) > 3":                      nil,
		"lower(value.status ?? '') == 'paid'":             nil,
		"value.s != nil and lower(value.s) == 'x'":        nil,
		"string(value.a) == 'x'":                          nil,
		"(value.a ?? 0) + 1 == 2":                         nil,
		"value.a in [1, 2] or 'x' in value.b":             nil,
		"value.a != nil and (value.a > 1 or value.a < 0)": nil,
	} {
		p := &expression{}
		if err := p.Configure(plugin.Config{"expression": text}); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []demand
		for _, e := range p.Demands() {
			got = append(got, demand{string([]rune(text)[e.From:e.To]), e.Reason})
			if e.Key != "expression" || !e.Expression {
				t.Errorf("%s: not about the expression: %+v", text, e)
			}
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(demand{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
		// What is told is so, and what is not told of is not.
		without := record.Record{Position: record.Position{Offset: record.OfInt64(1)}}
		_, err := p.Test(&without)
		if fails := err != nil; fails != (want != nil) {
			t.Errorf("%s: a record without fields: got the error %v", text, err)
		}
	}
}
