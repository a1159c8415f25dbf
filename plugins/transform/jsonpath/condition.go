package jsonpath

import (
	"cmp"
	"math/big"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// condition is what stands in [?(…)]: a comparison, or a join of conditions.
type condition struct {
	operator    operator
	parts       []*condition // of and, or and not
	left, right operand
}

type operator uint8

const (
	and operator = iota
	or
	not
	exists
	equal
	unequal
	less
	atMost
	more
	atLeast
	matches
	in
	notIn
)

// comparisons are the operators as they are written, longer ones before those that they begin with.
var comparisons = []struct { //nolint:gochecknoglobals // a literal
	text string
	operator
}{{"==", equal}, {"!=", unequal}, {"<=", atMost}, {">=", atLeast}, {"=~", matches}, {"<", less}, {">", more}, {"nin", notIn}, {"in", in}}

// operand is one side of a comparison.
type operand struct {
	path     *Path // nil: a constant
	fromRoot bool  // the path begins with $
	constant record.Value
	list     []record.Value  // of in and nin
	pattern  *plugin.Pattern // of =~
}

// value is what an operand stands for; ok is false for a path that leads nowhere.
func (o *operand) value(s *search, at record.Datum) (record.Value, bool) {
	if o.path == nil {
		return o.constant, true
	}
	from := at
	if o.fromRoot {
		from = s.root
	}
	found, ok, err := s.first(o.path.steps, from)
	return found.Value, ok && err == nil
}

// holds reports whether a condition holds of a value. What is missing equals nothing, not even null.
func (c *condition) holds(s *search, at record.Datum) bool {
	switch c.operator {
	case and:
		for _, p := range c.parts {
			if !p.holds(s, at) {
				return false
			}
		}
		return true
	case or:
		for _, p := range c.parts {
			if p.holds(s, at) {
				return true
			}
		}
		return false
	case not:
		return !c.parts[0].holds(s, at)
	}
	left, there := c.left.value(s, at)
	switch c.operator {
	case exists:
		return there
	case matches:
		return there && c.right.pattern.Matches(text(left))
	case in, notIn:
		return c.listed(left, there) == (c.operator == in)
	}
	right, alsoThere := c.right.value(s, at)
	return compares(c.operator, left, right, there && alsoThere)
}

func (c *condition) listed(v record.Value, there bool) bool {
	for _, e := range c.right.list {
		if there && same(v, e) {
			return true
		}
	}
	return false
}

func compares(o operator, a, b record.Value, there bool) bool {
	switch o {
	case equal:
		return there && same(a, b)
	case unequal:
		return !there || !same(a, b)
	}
	if !there {
		return false
	}
	c, ok := order(a, b)
	if !ok {
		return false
	}
	switch o {
	case less:
		return c < 0
	case atMost:
		return c <= 0
	case more:
		return c > 0
	default:
		return c >= 0
	}
}

// same compares as Jayway's ValueNode does: numbers by what they are worth, also a number with a text of digits.
func same(a, b record.Value) bool {
	j, k := a.Kind(), b.Kind()
	switch {
	case j == record.Null || k == record.Null:
		return j == k
	case j == record.String && k == record.String:
		return a.Text() == b.Text()
	case j == record.String && isNumber(k):
		return a.Text() == text(b)
	case isNumber(j) && k == record.String:
		return text(a) == b.Text()
	case isNumber(j) && isNumber(k):
		c, ok := order(a, b)
		return ok && c == 0
	default:
		return a.Equal(b)
	}
}

// order compares two numbers or two texts; false for all else.
func order(a, b record.Value) (int, bool) {
	j, k := a.Kind(), b.Kind()
	switch {
	case j == record.String && k == record.String:
		return strings.Compare(a.Text(), b.Text()), true
	case !isNumber(j) || !isNumber(k):
		return 0, false
	case isInt(j) && isInt(k):
		return cmp.Compare(a.Int(), b.Int()), true
	case isFloat(j) && isFloat(k):
		x, y := a.Float(), b.Float()
		return cmp.Compare(x, y), x == x && y == y
	}
	x, ok := new(big.Rat).SetString(text(a))
	y, ok2 := new(big.Rat).SetString(text(b))
	if !ok || !ok2 {
		return 0, false
	}
	return x.Cmp(y), true
}

func isInt(k record.Kind) bool   { return k >= record.Int8 && k <= record.Int64 || k == record.Instant }
func isFloat(k record.Kind) bool { return k == record.Float32 || k == record.Float64 }
func isNumber(k record.Kind) bool {
	return isInt(k) || isFloat(k) || k == record.Decimal || k == record.BigInt
}

// text is a text, a number or a boolean as text, "" for all else.
func text(v record.Value) string {
	switch k := v.Kind(); {
	case k == record.String:
		return v.Text()
	case k == record.Boolean:
		return map[bool]string{true: "true", false: "false"}[v.Bool()]
	case isInt(k):
		return string(big.NewInt(v.Int()).Append(nil, 10))
	case k == record.Float32:
		return string(record.AppendFloat32(nil, v.Float32()))
	case k == record.Float64:
		return string(record.AppendFloat64(nil, v.Float()))
	case k == record.Decimal:
		return string(record.AppendDecimal(nil, v.Decimal()))
	case k == record.BigInt:
		return v.BigInt().String()
	}
	return ""
}
