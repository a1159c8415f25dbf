package transform

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/record"
)

// number is the decimal that a text stands for (Java: BigDecimal): unscaled × 10^-scale.
type number struct {
	unscaled *big.Int
	scale    int32
	text     string
}

// parseNumber reads a text as new BigDecimal(text) does: a sign, digits with at most one point, an exponent.
func parseNumber(text string) (number, bool) {
	digits, exponent, hasExponent := text, "", false
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		digits, exponent, hasExponent = text[:i], text[i+1:], true
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	unsigned := strings.TrimPrefix(strings.TrimPrefix(whole, "+"), "-")
	if len(whole)-len(unsigned) > 1 || unsigned+fraction == "" || strings.Trim(unsigned+fraction, "0123456789") != "" {
		return number{}, false
	}
	scale := int64(len(fraction))
	if hasExponent {
		e, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return number{}, false
		}
		scale -= e
	}
	if scale < math.MinInt32 || scale > math.MaxInt32 {
		return number{}, false
	}
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	return number{n, int32(scale), text}, ok
}

// narrow gives the number as a kind of fewer values: integers keep their low bits, floats are rounded (Java:
// BigDecimal.longValue, floatValue, doubleValue).
func (n number) narrow(k record.Kind) record.Value {
	switch k {
	case record.Int8:
		return record.OfInt8(int8(n.low()))
	case record.Int16:
		return record.OfInt16(int16(n.low()))
	case record.Int32:
		return record.OfInt32(int32(n.low()))
	case record.Int64:
		return record.OfInt64(n.low())
	case record.Float32:
		f, _ := strconv.ParseFloat(n.text, 32) // the error says only that it is infinite
		return record.OfFloat32(float32(f))
	default:
		f, _ := strconv.ParseFloat(n.text, 64)
		return record.OfFloat64(f)
	}
}

// low is the low 64 bits of the integer part.
func (n number) low() int64 {
	const bits = 64
	switch {
	case n.scale <= -bits: // 10^64 is a multiple of 2^64
		return 0
	case int64(n.scale) > int64(n.unscaled.BitLen()): // 10^b is more than 2^b
		return 0
	}
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(int64(n.scale), -int64(n.scale))), nil)
	whole := new(big.Int)
	if n.scale > 0 {
		whole.Quo(n.unscaled, factor)
	} else {
		whole.Mul(n.unscaled, factor)
	}
	low := new(big.Int).And(whole, new(big.Int).SetUint64(math.MaxUint64))
	return int64(low.Uint64())
}
