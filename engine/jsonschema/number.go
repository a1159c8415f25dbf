package jsonschema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// number is an exact number, or one beyond all bounds.
type number struct {
	small int64
	exact *big.Rat // nil: the number is small, or beyond
	// beyond is the sign of a number with an exponent that nobody means, which is not worked out: further from zero than
	// any other.
	beyond int
}

// mostExponent is up to which exponents numbers are worked out.
const mostExponent = 1000

func numberOf(n json.Number) *number {
	text := string(n)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &number{small: i}
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > mostExponent || e < -mostExponent) {
		switch {
		case strings.Trim(mantissa, "-0.") == "" || strings.HasPrefix(exponent, "-"):
			return &number{}
		case strings.HasPrefix(mantissa, "-"):
			return &number{beyond: -1}
		}
		return &number{beyond: 1}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return &number{}
	}
	if r.IsInt() && r.Num().IsInt64() {
		return &number{small: r.Num().Int64()}
	}
	return &number{exact: r}
}

func (n *number) rat() *big.Rat {
	if n.exact != nil {
		return n.exact
	}
	return new(big.Rat).SetInt64(n.small)
}

func (n *number) cmp(o *number) int {
	switch {
	case n.beyond != 0 || o.beyond != 0:
		return n.beyond - o.beyond
	case n.exact == nil && o.exact == nil && n.small < o.small:
		return -1
	case n.exact == nil && o.exact == nil && n.small > o.small:
		return 1
	case n.exact == nil && o.exact == nil:
		return 0
	}
	return n.rat().Cmp(o.rat())
}

func (n *number) whole() bool { return n.exact == nil || n.exact.IsInt() }

func (n *number) isMultipleOf(o *number) bool {
	switch {
	case n.beyond != 0 || o.beyond != 0:
		return n.beyond != 0 && o.beyond == 0
	case n.exact == nil && o.exact == nil:
		return o.small != 0 && n.small%o.small == 0
	}
	return new(big.Rat).Quo(n.rat(), o.rat()).IsInt()
}

// text is the same for equal numbers.
func (n *number) text() string {
	switch {
	case n.beyond > 0:
		return "+"
	case n.beyond < 0:
		return "-"
	case n.exact == nil:
		return strconv.FormatInt(n.small, 10)
	}
	return n.exact.RatString()
}
