package condition

import (
	"cmp"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// comparison compares two operands of a record.
type comparison func(left, right *operand, r *record.Record) (bool, error)

// comparisons by operator. Null equals only null; no other order has a place for it.
var comparisons = map[string]comparison{ //nolint:gochecknoglobals // a literal
	"==": func(left, right *operand, r *record.Record) (bool, error) { return equality(left, right, r) },
	"!=": func(left, right *operand, r *record.Record) (bool, error) {
		is, err := equality(left, right, r)
		return !is, err
	},
	"<":          ordered("<", func(c int) bool { return c < 0 }),
	"<=":         ordered("<=", func(c int) bool { return c <= 0 }),
	">":          ordered(">", func(c int) bool { return c > 0 }),
	">=":         ordered(">=", func(c int) bool { return c >= 0 }),
	"contains":   texts("contains", strings.Contains),
	"startsWith": texts("startsWith", strings.HasPrefix),
	"endsWith":   texts("endsWith", strings.HasSuffix),
}

func both(left, right *operand, r *record.Record) (a, b record.Value, err error) {
	x, err := left.get(r)
	if err != nil {
		return a, b, err
	}
	y, err := right.get(r)
	return x.Value, y.Value, err
}

func equality(left, right *operand, r *record.Record) (bool, error) {
	a, b, err := both(left, right, r)
	return err == nil && equal(a, b), err
}

// equal compares numbers by what they are worth, all else by kind and content.
func equal(a, b record.Value) bool {
	if c, ok := order(a, b); ok {
		return c == 0
	}
	return a.Kind() == b.Kind() && !isNumber(a.Kind()) && a.Equal(b)
}

func ordered(operator string, holds func(int) bool) comparison {
	return func(left, right *operand, r *record.Record) (bool, error) {
		a, b, err := both(left, right, r)
		if err != nil {
			return false, err
		}
		c, ok := order(a, b)
		if ok {
			return holds(c), nil
		}
		for _, side := range []struct {
			*operand
			record.Value
		}{{left, a}, {right, b}} {
			if side.IsNull() {
				return false, plugin.Data("%s is null, and null cannot stand beside %s; write (%s ?? …) to give it a value", side.operand, operator, side.operand)
			}
		}
		if isNumber(a.Kind()) && isNumber(b.Kind()) {
			return false, nil // NaN is neither less nor more
		}
		return false, plugin.Data("%s is %s, and %s is %s: %s cannot compare them", left, word(a), right, word(b), operator)
	}
}

// order compares two numbers, texts or times. It is false for all else, and for NaN.
func order(a, b record.Value) (int, bool) {
	j, k := a.Kind(), b.Kind()
	switch {
	case j == record.String && k == record.String:
		return strings.Compare(a.Text(), b.Text()), true
	case isInt(j) && isInt(k), j == record.Instant && k == record.Instant:
		return cmp.Compare(a.Int(), b.Int()), true
	case isFloat(j) && isFloat(k):
		return floats(a.Float(), b.Float())
	case isNumber(j) && isNumber(k):
		return exact(a, b)
	}
	return 0, false
}

func isInt(k record.Kind) bool   { return k >= record.Int8 && k <= record.Int64 }
func isFloat(k record.Kind) bool { return k == record.Float32 || k == record.Float64 }
func isNumber(k record.Kind) bool {
	return isInt(k) || isFloat(k) || k == record.Decimal || k == record.BigInt
}

func floats(x, y float64) (int, bool) { return cmp.Compare(x, y), x == x && y == y }

// exactInts are the integers up to which a float64 holds each one.
const exactInts = 1 << 53

// exact compares numbers of different kinds without rounding.
func exact(a, b record.Value) (int, bool) {
	if isInt(a.Kind()) && isFloat(b.Kind()) && within53(a.Int()) {
		return floats(float64(a.Int()), b.Float())
	}
	if isFloat(a.Kind()) && isInt(b.Kind()) && within53(b.Int()) {
		return floats(a.Float(), float64(b.Int()))
	}
	for _, v := range []record.Value{a, b} {
		if isFloat(v.Kind()) && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)) {
			return floats(float(a), float(b))
		}
	}
	decimals := a.Kind() == record.Decimal || b.Kind() == record.Decimal
	x, ok := rational(a, decimals)
	y, ok2 := rational(b, decimals)
	if !ok || !ok2 {
		return floats(float(a), float(b))
	}
	return x.Cmp(y), true
}

func within53(n int64) bool { return -exactInts <= n && n <= exactInts }

// mostScale bounds the digits that a decimal's scale may stand for.
const mostScale = 1000

// rational is a number without rounding. Beside a decimal a float counts as what its shortest spelling says: 10.1 is the
// decimal 10.10.
func rational(v record.Value, spelt bool) (*big.Rat, bool) {
	switch k := v.Kind(); {
	case isInt(k):
		return new(big.Rat).SetInt64(v.Int()), true
	case isFloat(k) && spelt:
		bits := 64
		if k == record.Float32 {
			bits = 32
		}
		return new(big.Rat).SetString(strconv.FormatFloat(v.Float(), 'g', -1, bits))
	case isFloat(k):
		return new(big.Rat).SetFloat64(v.Float()), true
	case k == record.BigInt:
		return new(big.Rat).SetInt(v.BigInt()), true
	}
	d := v.Decimal()
	if d.Scale > mostScale || d.Scale < -mostScale {
		return nil, false
	}
	r := new(big.Rat).SetInt(d.Unscaled)
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.Scale, -d.Scale))), nil)
	if d.Scale >= 0 {
		return r.Quo(r, new(big.Rat).SetInt(power)), true
	}
	return r.Mul(r, new(big.Rat).SetInt(power)), true
}

// float is a number as a float64, the nearest there is.
func float(v record.Value) float64 {
	switch k := v.Kind(); {
	case isInt(k):
		return float64(v.Int())
	case isFloat(k):
		return v.Float()
	case k == record.BigInt:
		f, _ := new(big.Float).SetInt(v.BigInt()).Float64()
		return f
	}
	if r, ok := rational(v, false); ok {
		f, _ := r.Float64()
		return f
	}
	d := v.Decimal()
	f, _ := new(big.Float).SetInt(d.Unscaled).Float64()
	return f * math.Pow(10, -float64(d.Scale))
}

// texts compares two texts; a null has nothing in it.
func texts(operator string, holds func(s, part string) bool) comparison {
	return func(left, right *operand, r *record.Record) (bool, error) {
		a, b, err := both(left, right, r)
		switch {
		case err != nil || a.IsNull() || b.IsNull():
			return false, err
		case a.Kind() != record.String:
			return false, plugin.Data("%s is %s, and %s takes texts", left, word(a), operator)
		case b.Kind() != record.String:
			return false, plugin.Data("%s is %s, and %s takes texts", right, word(b), operator)
		}
		return holds(a.Text(), b.Text()), nil
	}
}

// matches finds a pattern, which has been checked, anywhere in a text.
func matches(o *operand, pattern string) func(*record.Record) (bool, error) {
	re := regexp.MustCompile(pattern)
	return func(r *record.Record) (bool, error) {
		d, err := o.get(r)
		switch {
		case err != nil || d.Value.IsNull():
			return false, err
		case d.Value.Kind() != record.String:
			return false, plugin.Data("%s is %s, and matches takes texts", o, word(d.Value))
		}
		return re.MatchString(d.Value.Text()), nil
	}
}

// within reports whether a list has an element, or a map, a struct or the headers a name.
func within(left, right *operand, r *record.Record) (bool, error) {
	a, err := left.get(r)
	if err != nil {
		return false, err
	}
	if right.ref.root == ofHeaders && len(right.ref.steps) == 0 {
		for i := range r.Headers {
			if a.Value.Kind() == record.String && r.Headers[i].Key == a.Value.Text() {
				return true, nil
			}
		}
		return false, nil
	}
	b, err := right.get(r)
	if err != nil || b.Value.IsNull() {
		return false, err
	}
	switch b.Value.Kind() {
	case record.Array:
		for _, e := range b.Value.Elements() {
			if equal(a.Value, e) {
				return true, nil
			}
		}
		return false, nil
	case record.Map:
		for i := 0; i < len(b.Value.Elements()); i += 2 {
			if equal(a.Value, b.Value.Elements()[i]) {
				return true, nil
			}
		}
		return false, nil
	case record.Struct:
		return a.Value.Kind() == record.String && b.Schema.Field(a.Value.Text()) >= 0, nil
	}
	return false, plugin.Data("%s is %s, and in takes a list, a map or a struct", right, word(b.Value))
}
