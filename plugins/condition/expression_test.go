package condition_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/condition"
)

func text(s string) record.Value { return record.OfString(s) }

func pairs(kv ...record.Value) record.Value { return record.OfMap(kv) }

// orderSchema is the schema of order, the record of the examples in docs/language.md.
func orderSchema() *record.Schema {
	address := record.Build(record.Struct).Optional().Field("city", record.OptionalOf(record.String)).MustBuild()
	item := record.Build(record.Struct).Field("sku", record.Required(record.String)).Field("price", record.Required(record.Float64)).MustBuild()
	return record.Build(record.Struct).
		Field("id", record.Required(record.Int64)).
		Field("small", record.Required(record.Int8)).
		Field("amount", record.DecimalSchema(2)).
		Field("ratio", record.Required(record.Float32)).
		Field("status", record.OptionalOf(record.String)).
		Field("note", record.OptionalOf(record.String)).
		Field("paid", record.Required(record.Boolean)).
		Field("created", record.TimestampSchema()).
		Field("at", record.Build(record.Int32).Named(record.TimeName).Versioned(1).MustBuild()).
		Field("blob", record.Required(record.Bytes)).
		Field("address", address).
		Field("empty", address).
		Field("items", record.BuildArray(item).MustBuild()).
		Field("tags", record.BuildMap(record.Required(record.String), record.Required(record.Int32)).MustBuild()).
		MustBuild()
}

func order() *record.Record {
	item := func(sku string, price float64) record.Value {
		return record.OfStruct([]record.Value{text(sku), record.OfFloat64(price)})
	}
	return &record.Record{
		Topic: "orders", Partition: 3, Timestamp: 1_700_000_000_000,
		Key: record.Datum{Value: text("k1")},
		Value: record.Datum{Schema: orderSchema(), Value: record.OfStruct([]record.Value{
			record.OfInt64(9007199254740993), record.OfInt8(7), record.OfDecimal(big.NewInt(1010), 2), record.OfFloat32(0.5),
			text("PAID"), {}, record.OfBool(true), record.OfInstant(1_704_067_200_000), record.OfInstant(8 * 3_600_000),
			record.OfBytes([]byte("abc")), record.OfStruct([]record.Value{text("Berlin")}), {},
			record.OfArray([]record.Value{item("a", 1.5), item("b", 2)}), pairs(text("vip"), record.OfInt32(1)),
		})},
		Headers: []record.Header{
			{Key: "trace", Datum: record.Datum{Value: text("old")}}, {Key: "trace", Datum: record.Datum{Value: text("new")}},
		},
		Position: record.Position{Offset: record.OfInt64(42)},
	}
}

// TestConditions has the rules of docs/language.md, each with records of which it speaks.
func TestConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression string
		want       any // a bool, or part of a message
	}{
		// Numbers compare by what they are worth.
		{"value.id == 9007199254740993", true},
		{"value.id == 9007199254740992.0", false},
		{"value.small > 6.5 and value.small < 8", true},
		{"value.amount == 10.10 and value.amount <= 10.1", true},
		{"value.amount == value.ratio", false},
		{"value.amount == 10.5", false},
		{"value.amount > 10 and value.amount < 10.2", true},
		{"value.amount * 2 > 20.1", true},
		{"value.ratio == 0.5", true},
		{"value.small + 1 == 8", true},
		{"value.id in [1, 2, 9007199254740993]", true},
		{"value.small not in [1, 2]", true},
		{"-7 < value.small", true},
		{"value.small < value.id", true},
		// Texts.
		{"value.status == 'PAID'", true},
		{"value.status != 'PAID'", false},
		{"value.status == 7", false},
		{"lower(value.status) == 'paid'", true},
		{"value.status startsWith 'PA' and value.status contains 'AI' and not (value.status endsWith 'X')", true},
		{"value.status matches '^P.*D$'", true},
		{"value.status > 'OPEN'", true},
		{"len(value.status) == 4", true},
		// What is missing is null, and what is behind it too.
		{"value.note == nil", true},
		{"value.nowhere == nil and value.nowhere.deeper == nil and value?.nowhere?.deeper == nil", true},
		{"value.empty.city == nil", true},
		{"value.address.city == 'Berlin'", true},
		{"value['address']['city'] == 'Berlin'", true},
		{"value.note contains 'x' or value.note matches 'x'", false},
		{"(value.nowhere ?? 0) > 100", false},
		{"(value.nowhere ?? value.small) == 7", true},
		{"value.nowhere > 100", "value.nowhere is null, and null cannot stand beside >; write (value.nowhere ?? …) to give it a value (at 1:15 of the expression)"},
		{"value.status > 100", "value.status is a text, and the constant is a number: > cannot compare them"},
		{"value.status.x == 1", "value.status.x: .x of a text, which has no fields"},
		{"value.nowhere + 1 > 2", "invalid operation: <nil> + int (at 1:15 of the expression)"},
		// Booleans.
		{"value.paid", true},
		{"not value.paid", false},
		{"value.paid and value.small == 7", true},
		{"value.paid ? true : false", true},
		{"value.status", "value.status is a text, not true or false"},
		{"value.note or value.paid", "value.note is null, not true or false"},
		{"value.small + 1", "The condition gives int, not true or false"},
		// Times are in UTC, times of day are durations, bytes compare with bytes.
		{"value.created == date('2024-01-01')", true},
		{"value.created >= date('2024-01-01 00:00:01')", false},
		{"value.created.Year() == 2024", true},
		{"timestamp < date('2024-01-01')", true},
		{"value.at == duration('8h')", true},
		{"value.blob == b'abc'", true},
		// Lists and maps.
		{"any(value.items, .price > 1.8)", true},
		{"all(value.items, .price > 1.8)", false},
		{"count(value.items, .sku == 'a') == 1", true},
		{"value.items[0].sku == 'a' and value.items[-1].sku == 'b' and value.items[7] == nil", true},
		{"value.tags.vip == 1 and 'vip' in value.tags and 'x' not in value.tags", true},
		{"'status' in value and 'nowhere' not in value", true},
		{"value.status[0] == 1", "value.status[0]: [0] of a text, which is no list"},
		// The rest of the record. The last header of a name counts.
		{"topic == 'orders' and partition == 3 and offset == 42 and key == 'k1'", true},
		{"headers.trace == 'new' and 'trace' in headers and headers['none'] == nil and 'none' not in headers", true},
		{"len(headers) == 1", true},
		{"let s = value.small; s == 7 and s < 8", true},
	} {
		p, err := condition.CompileCondition(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		for range 2 { // the program is used again
			got, err := p.Test(order())
			switch want := c.want.(type) {
			case bool:
				if err != nil || got != want {
					t.Errorf("%s: got %t, %v, want %t", c.expression, got, err, want)
				}
			case string:
				if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(err.Error(), want) {
					t.Errorf("%s:\n got %v\nwant %s", c.expression, err, want)
				}
			}
		}
	}
}

// What cannot work is refused when the configuration is read, with the characters that are at fault.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expression, at, want string }{
		{"value.country = 'DE'", "=", `"=" is not a comparison. Use "==".`},
		{"topic == 'ö' and vaule.country == 'DE'", "vaule", `There is no name "vaule" in a record. Did you mean "value"? An expression sees: value, key, headers, topic, partition, offset, timestamp.`},
		{"topic", "", "A condition must be true or false: expected bool, but got string."},
		{"timestamp", "", "A condition must be true or false: expected bool, but got a time."},
		{"headers", "", "A condition must be true or false: expected bool, but got a map."},
		{"timestamp < now()", "now", "now() is not available"},
		{"len(repeat('x', 10)) > 1", "repeat", "repeat() is not available"},
		{"any(1..1000000, # > 1)", "..", "Ranges are not available"},
		{"any(value.a, any(value.b, any(value.c, true)))", "any", "at most 2 within each other"},
		{"value.a matches value.b", "b", "must stand in the expression itself"},
		{"value.a matches '(?=x)'", "", "error parsing regexp"},
		{"value.created.Local() == timestamp", "Local", "calls only these"},
		{"value.created == date('x')", "date", "cannot read the text"},
		{"$env.value == 1", "$env", "$env is not available"},
		{"topic > 1", ">", "mismatched types string and int"},
		{"(value.a", "", "unexpected token EOF"},
		{"  ", "", "empty"},
	} {
		_, err := condition.CompileCondition(c.expression)
		ce, ok := errors.AsType[*plugin.ConfigError](err)
		if !ok || !strings.Contains(ce.Reason, c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.expression, err, c.want)
			continue
		}
		if c.at == "" {
			continue
		}
		if got := string([]rune(c.expression)[ce.From:ce.To]); got != c.at {
			t.Errorf("%s: got %q at fault, want %q", c.expression, got, c.at)
		}
	}
}

func expressionOf(t testing.TB, text string) plugin.Predicate {
	return configured(t, "expression", plugin.Config{"expression": text})
}

// Simple comparisons cost no allocation.
func TestExpressionsDoNotAllocate(t *testing.T) {
	r := order()
	for _, text := range []string{
		"value.small > 50 and value.status == 'PAID' and topic == 'orders'",
		"(value.nowhere ?? 0) > 100 or value.paid",
		"value.status in ['OPEN', 'PAID'] and value.status matches '^P' and value.address.city startsWith 'B'",
		"value.created > date('2024-01-01') or headers.trace == 'new' and offset > 1000000",
	} {
		p := expressionOf(t, text)
		if allocs := testing.AllocsPerRun(100, func() {
			if _, err := p.Test(r); err != nil {
				t.Fatal(err)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", text, allocs)
		}
	}
}

// What goes wrong never shows the record's data (invariant 6).
func TestFailuresShowNoData(t *testing.T) {
	t.Parallel()
	r := order()
	r.Key = record.Datum{Value: text("secret")}
	for _, e := range []string{"int(key) == 1", "key + 1 == 2", "key > 1", "float(key) > 1", "any(key, true)", "key.x == 1", "date(key) == timestamp", "duration(key) == nil", "fromBase64(key + '!') == ''", "map(value.items, key)[9] == 1", "get(key, key) == 1"} {
		p, err := condition.CompileCondition(e)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		if _, err := p.Test(r); err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", e, err)
		}
	}
}

// An expression cannot make much of little: it fails at its budget.
func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	many := make([]record.Value, 1000)
	r := &record.Record{Value: record.Datum{Value: pairs(text("a"), record.OfArray(many))}}
	p, err := condition.CompileCondition("len(map(value.a, map(value.a, 1))) == 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Test(r); err == nil {
		t.Error("a million elements pass")
	}
}

func BenchmarkExpression(b *testing.B) {
	r := order()
	native := func() bool {
		v := r.Value.Value.Elements()
		return v[1].Int() > 5 && v[4].Text() == "PAID" && r.Topic == "orders"
	}
	for name, test := range map[string]func() bool{
		"native": native,
		"expression": func() func() bool {
			p := expressionOf(b, "value.small > 5 and value.status == 'PAID' and topic == 'orders'")
			return func() bool {
				ok, err := p.Test(r)
				return ok && err == nil
			}
		}(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !test() {
					b.Fatal("not true")
				}
			}
		})
	}
}
