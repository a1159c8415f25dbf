package record_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// TestValuesVectors runs what Kafka Connect's Values class answered.
func TestValuesVectors(t *testing.T) {
	t.Parallel()
	ops := map[string]func(*vector.Case) error{
		"parse_string": parseString, "convert_to_string": convertToString, "convert_to": convertTo,
	}
	for _, file := range []string{"values.jsonl", "ext-values.jsonl", "random.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			vector.Run(t, file,
				func(c *vector.Case) bool { return ops[c.Request.Op] != nil },
				func(c *vector.Case) error { return ops[c.Request.Op](c) })
		})
	}
}

func parseString(c *vector.Case) error {
	text, err := vector.Value(nil, c.Request.Text)
	if err != nil {
		return err
	}
	want, err := c.Expect.OK.Datum()
	if err != nil {
		return err
	}
	if text.IsNull() {
		return vector.CompareDatum(want, record.Datum{})
	}
	got, err := record.ParseText(text.Text())
	if err != nil {
		return err
	}
	return vector.CompareDatum(want, got)
}

// datum reads the request's datum; a struct without a schema at its place has its own.
func datum(c *vector.Case) (record.Datum, error) {
	t := c.Request.Typed
	if own := t.OwnSchema(); own != nil && string(t.Schema) == "null" {
		t.Schema = own
	}
	return t.Datum()
}

func convertToString(c *vector.Case) error {
	d, err := datum(c)
	if err != nil {
		return err
	}
	want := c.Expect.OK.String
	if d.Value.IsNull() {
		if want != nil {
			return fmt.Errorf("got null, want %q", *want)
		}
		return nil
	}
	got, err := d.AppendText([]byte("before "))
	if err != nil {
		return err
	}
	if want == nil || string(got) != "before "+*want {
		return fmt.Errorf("got %q, want %q", got, *want)
	}
	return nil
}

func convertTo(c *vector.Case) error {
	d, err := datum(c)
	if err != nil {
		return err
	}
	got, err := convert(c.Request.Target, int32(c.Request.Scale), d)
	if err != nil || c.Expect.Error != nil {
		if err != nil {
			err = &plugin.DataError{Reason: err.Error(), Err: err}
		}
		return c.Expect.Error.Check("apply", 0, err)
	}
	want, err := vector.Value(d.Schema, c.Expect.OK.Value)
	if err != nil {
		return err
	}
	return vector.CompareValue(want, got)
}

func convert(target string, scale int32, d record.Datum) (record.Value, error) {
	switch target {
	case "boolean":
		return record.ToBool(d.Schema, d.Value)
	case "string":
		return record.ToText(d.Schema, d.Value)
	case "list":
		return record.ToArray(d.Schema, d.Value)
	case "map":
		return record.ToMap(d.Schema, d.Value)
	case "struct":
		return record.ToStruct(d.Schema, d.Value)
	case "date":
		return record.ToDate(d.Schema, d.Value)
	case "time":
		return record.ToTime(d.Schema, d.Value)
	case "timestamp":
		return record.ToTimestamp(d.Schema, d.Value)
	case "decimal":
		return record.ToDecimal(scale, d.Schema, d.Value)
	}
	for k := record.Int8; k <= record.Float64; k++ {
		if strings.ToLower(k.String()) == target {
			return record.ToNumber(k, d.Schema, d.Value)
		}
	}
	return record.Value{}, fmt.Errorf("no target %q", target)
}

// TestJavaVectors runs the cases of Java's own number and date texts that this package emulates.
func TestJavaVectors(t *testing.T) {
	t.Parallel()
	vector.Run(t, "java.jsonl", func(c *vector.Case) bool {
		switch c.Request.Fn {
		case "double_to_string", "float_to_string":
			return true
		}
		// A Java cast to int ends at its own ends; Values, and with it this package, goes by way of long.
		return c.Request.Fn == "narrow" && string(c.Request.Args[0]) != `"int32"`
	}, func(c *vector.Case) error {
		var text string
		if err := json.Unmarshal(c.Request.Args[0], &text); err != nil {
			return err
		}
		if c.Request.Fn == "narrow" {
			v, err := vector.Value(nil, c.Request.Args[1])
			if err != nil {
				return err
			}
			got, err := convert(text, 0, record.Datum{Value: v})
			if err != nil {
				return err
			}
			want, err := vector.Value(nil, c.Expect.OK.Value)
			if err != nil {
				return err
			}
			return vector.CompareValue(want, got)
		}
		bits := map[string]int{"double_to_string": 64, "float_to_string": 32}[c.Request.Fn]
		f, err := strconv.ParseFloat(text, bits)
		if err != nil {
			return err
		}
		got := record.AppendFloat64(nil, f)
		if bits == 32 {
			got = record.AppendFloat32(nil, float32(f))
		}
		if string(got) != *c.Expect.OK.String {
			return fmt.Errorf("got %s, want %s", got, *c.Expect.OK.String)
		}
		return nil
	})
}

func TestFloatText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1, "1.0"}, {-1, "-1.0"}, {100, "100.0"}, {12.34, "12.34"}, {-12.3, "-12.3"},
		{0.1, "0.1"}, {0.01, "0.01"}, {0.001, "0.001"}, {0.0012, "0.0012"}, {0.00123, "0.00123"}, {0.0001, "1.0E-4"},
		{9999999, "9999999.0"}, {9999999.5, "9999999.5"}, {1e7, "1.0E7"}, {12345678.9, "1.23456789E7"}, {99999.99, "99999.99"},
		{1234.5678, "1234.5678"}, {1.0 / 3, "0.3333333333333333"}, {2e23, "2.0E23"}, {5e-324, "4.9E-324"}, {math.MaxFloat64, "1.7976931348623157E308"},
		{math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"}, {1.05, "1.05"}, {1.005, "1.005"}, {1000.0001, "1000.0001"},
	} {
		if got := string(record.AppendFloat64(nil, c.f)); got != c.want {
			t.Errorf("%v: got %s, want %s", c.f, got, c.want)
		}
	}
}

// TestFloatTextIsShortest: what is printed reads back as the same number, and no text of fewer digits does.
func TestFloatTextIsShortest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.OneOf(
			rapid.Float64(),
			rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-1e9, 1e9).Draw(t, "n")) / 100 }),
			rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-1e10, 1e10).Draw(t, "n")) / 10000 }),
		).Draw(t, "f")
		text := string(record.AppendFloat64(nil, f))
		back, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(back) != math.Float64bits(f) {
			t.Fatalf("%s reads as %v, want %v (%v)", text, back, f, err)
		}
		want := len(strings.TrimRight(strings.TrimLeft(digitsOf(strconv.FormatFloat(f, 'e', -1, 64)), "0"), "0"))
		if got := len(strings.TrimRight(strings.TrimLeft(digitsOf(text), "0"), "0")); got != want && got != 2 {
			t.Fatalf("%s has %d digits that count, want %d", text, got, want)
		}
	})
}

func digitsOf(s string) string {
	s, _, _ = strings.Cut(strings.ToLower(s), "e")
	return strings.NewReplacer("-", "", ".", "").Replace(s)
}

func TestDecimalTextRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := &record.Dec{Unscaled: big.NewInt(rapid.Int64().Draw(t, "unscaled")), Scale: rapid.Int32Range(-400, 400).Draw(t, "scale")}
		text := string(record.AppendDecimal(nil, d))
		back, err := record.ParseDecimal(text)
		if err != nil || back.Scale != d.Scale || back.Unscaled.Cmp(d.Unscaled) != 0 {
			t.Fatalf("%s reads as %v (%v), want %v", text, back, err, d)
		}
	})
}

func TestDecimalInt64IsLowBits(t *testing.T) {
	t.Parallel()
	mask := new(big.Int).SetUint64(math.MaxUint64)
	rapid.Check(t, func(t *rapid.T) {
		n := new(big.Int).Mul(big.NewInt(rapid.Int64().Draw(t, "a")), big.NewInt(rapid.Int64().Draw(t, "b")))
		scale := rapid.Int32Range(-80, 40).Draw(t, "scale")
		whole := new(big.Int)
		if power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil); scale >= 0 {
			whole.Quo(n, power)
		} else {
			whole.Mul(n, power)
		}
		want := int64(new(big.Int).And(whole, mask).Uint64()) // And is on two's complement
		if got := (&record.Dec{Unscaled: n, Scale: scale}).Int64(); got != want {
			t.Fatalf("%s with scale %d: got %d, want %d", n, scale, got, want)
		}
	})
}

func TestHugeExponentsCostNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1e2147483647", "1e-2147483647", "[1e2147483647,1]", "123e2000000000", "-5e-2000000000"} {
		d, err := record.ParseText(text)
		if err != nil {
			t.Fatal(err)
		}
		for k := record.Int8; k <= record.Float64; k++ {
			if d.Value.Kind() == record.Array {
				continue
			}
			if _, err := record.ToNumber(k, d.Schema, d.Value); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

func TestBigIntBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, hex string }{
		{"0", "00"}, {"127", "7f"}, {"128", "0080"}, {"-128", "80"}, {"-129", "ff7f"}, {"156", "009c"}, {"-156", "ff64"}, {"65536", "010000"},
		{"-1", "ff"}, {"9223372036854775807", "7fffffffffffffff"}, {"-9223372036854775808", "8000000000000000"},
		{"9223372036854775808", "008000000000000000"}, {"-9223372036854775809", "ff7fffffffffffffff"},
		{"18446744073709551616", "010000000000000000"}, {"-18446744073709551616", "ff0000000000000000"},
	} {
		n, _ := new(big.Int).SetString(c.n, 10)
		b := record.AppendBigInt(nil, n)
		if got := fmt.Sprintf("%x", b); got != c.hex {
			t.Errorf("%s: got %s, want %s", c.n, got, c.hex)
		}
		if back, err := record.BigIntOfBytes(b); err != nil || back.Cmp(n) != 0 {
			t.Errorf("%s reads back as %s (%v)", c.n, back, err)
		}
	}
	if _, err := record.BigIntOfBytes(nil); err == nil {
		t.Error("no bytes: got no error")
	}
}

// TestTimestampTextRoundTrips: a timestamp with milliseconds after 1582 prints as RFC 3339 and reads back.
func TestTimestampTextRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		millis := rapid.Int64Range(86_400_001, 253402300799999).Draw(t, "millis")
		text, err := record.Datum{Value: record.OfInstant(millis)}.AppendText(nil)
		if err != nil {
			t.Fatal(err)
		}
		want := time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
		if millis%86_400_000 == 0 {
			want = want[:10]
		}
		if string(text) != want {
			t.Fatalf("got %s, want %s", text, want)
		}
		d, err := record.ParseText(want)
		if err != nil || d.Value.Int() != millis {
			t.Fatalf("%s reads as %s (%v)", want, vector.Show(d.Value), err)
		}
	})
}

func TestJavaDateText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		millis int64
		want   string
	}{
		{0, "Thu Jan 01 00:00:00 UTC 1970"}, {1566570894346, "Fri Aug 23 14:34:54 UTC 2019"}, {-1, "Wed Dec 31 23:59:59 UTC 1969"},
		{-12219292800000, "Fri Oct 15 00:00:00 UTC 1582"}, {-12219292800001, "Thu Oct 04 23:59:59 UTC 1582"},
		{951782400000, "Tue Feb 29 00:00:00 UTC 2000"}, {-62135769600000, "Sat Jan 01 00:00:00 UTC 1"},
	} {
		if got := string(record.Datum{Value: record.OfInstant(c.millis)}.AppendJava(nil)); got != c.want {
			t.Errorf("%d: got %s, want %s", c.millis, got, c.want)
		}
	}
}

func TestParseTextRefusesEndlessNesting(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("[", 1<<20), strings.Repeat(`{"a":`, 1<<18), strings.Repeat("{[", 1<<19)} {
		if _, err := record.ParseText(text); !errors.Is(err, record.ErrTooDeep) {
			t.Errorf("%.10s…: got %v, want ErrTooDeep", text, err)
		}
	}
	d, err := record.ParseText(strings.Repeat("[", 1000) + strings.Repeat("]", 1000))
	if err != nil || d.Value.Kind() != record.Array {
		t.Errorf("1000 levels: got %s (%v), want an array", d.Value.Kind(), err)
	}
}

func TestTextRefusesStructWithoutSchema(t *testing.T) {
	t.Parallel()
	s := record.OfStruct([]record.Value{record.OfInt8(1)})
	for _, v := range []record.Value{s, record.OfArray([]record.Value{s}), record.OfMap([]record.Value{record.OfString("a"), s})} {
		if got, err := (record.Datum{Value: v}).AppendText(nil); err == nil {
			t.Errorf("%s: got %q, want an error", v.Kind(), got)
		}
	}
}

func TestTextOfPlainStringCopiesNothing(t *testing.T) {
	text := strings.Repeat("some words ", 10)
	if n := testing.AllocsPerRun(100, func() {
		if d, err := record.ParseText(text); err != nil || d.Value.Text() != text {
			t.Fatal(d, err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// FuzzParseText: no text fails but by depth, and what has a text of its own keeps it.
func FuzzParseText(f *testing.F) {
	for _, seed := range []string{"", "null", "[1,2.5]", `{"a":[1,{"b":"c"}]}`, "2019-08-23T14:34:54.346Z", `14\:34\:54.346Z`, "1e400", `"\"`, "１２", "{1:2 3:4}", " ["} {
		f.Add(seed)
	}
	blank := func(r rune) bool { return r <= ' ' }
	f.Fuzz(func(t *testing.T, text string) {
		d, err := record.ParseText(text)
		if err != nil {
			if !errors.Is(err, record.ErrTooDeep) {
				t.Fatal(err)
			}
			return
		}
		if d.Value.IsNull() {
			if strings.TrimFunc(text, blank) != "null" && text != "" {
				t.Fatalf("%q became null", text)
			}
			return
		}
		written, err := d.AppendText(nil)
		if err != nil {
			t.Fatal(err)
		}
		// Of blanks before a list or a map that does not end, the blanks are left, as in Kafka Connect.
		blanks := strings.TrimFunc(string(written), blank) == "" && strings.HasPrefix(text, string(written))
		if d.Value.Kind() == record.String && string(written) != text && !blanks {
			t.Fatalf("%q became %q", text, written)
		}
	})
}
