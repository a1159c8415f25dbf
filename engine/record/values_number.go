package record

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// AppendFloat64 appends f as Java's Double.toString prints it from version 19 on: the shortest digits that give f back.
func AppendFloat64(dst []byte, f float64) []byte {
	if s := special(f); s != "" {
		return append(dst, s...)
	}
	if a := math.Abs(f); a >= 1e-3 && a < 1e7 {
		if d, ok := appendShort(dst, f); ok {
			return d
		}
	}
	return appendJava(dst, f, 64)
}

// AppendFloat32 appends f as Java's Float.toString prints it from version 19 on.
func AppendFloat32(dst []byte, f float32) []byte {
	if s := special(float64(f)); s != "" {
		return append(dst, s...)
	}
	return appendJava(dst, float64(f), 32)
}

func special(f float64) string {
	switch {
	case f != f:
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 && math.Signbit(f):
		return "-0.0"
	case f == 0:
		return "0.0"
	}
	return ""
}

// appendShort prints numbers of few decimals, most of those that people write. A decimal of at most 15 digits that gives
// f back is its only one of that length, so it is the shortest.
func appendShort(dst []byte, f float64) ([]byte, bool) {
	n, decimals := int64(f), 0
	if float64(n) != f {
		for _, try := range [...]struct {
			power    float64
			decimals int
		}{{1e2, 2}, {1e4, 4}} {
			if n = int64(math.Round(f * try.power)); float64(n)/try.power == f {
				decimals = try.decimals
				break
			}
		}
		if decimals == 0 {
			return dst, false
		}
	}
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	power := [...]int64{1, 0, 100, 0, 10000}[decimals]
	dst = append(strconv.AppendInt(dst, n/power, 10), '.')
	for n %= power; ; n %= power {
		power /= 10
		if power == 0 {
			return append(dst, '0'), true
		}
		dst = append(dst, byte('0'+n/power))
		if n%power == 0 {
			return dst, true
		}
	}
}

// appendJava lays shortest digits out as Java does: plainly from 10^-3 to below 10^7, else with an exponent, and with at
// least one digit after the point.
func appendJava(dst []byte, f float64, bits int) []byte {
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	if text[0] == '-' {
		dst, text = append(dst, '-'), text[1:]
	}
	if text[1] == 'e' {
		// Java wants two digits, and where there is a choice the two that are closest: 4.9E-324, not 5.0E-324.
		var other [32]byte
		two := strconv.AppendFloat(other[:0], math.Abs(f), 'e', 1, bits)
		if g, err := strconv.ParseFloat(string(two), bits); err == nil && g == math.Abs(f) {
			text = append(text[:0], two...)
		}
	}
	digits, e := text[:1], 1
	for text[e] != 'e' {
		e++
	}
	if e > 1 {
		text[1] = text[0]
		digits = text[1:e]
	}
	exp, _ := strconv.Atoi(string(text[e+1:])) // strconv wrote it
	for len(digits) > 1 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	switch {
	case exp < -3 || exp >= 7:
		dst = append(append(dst, digits[0], '.'), digits[1:]...)
		if len(digits) == 1 {
			dst = append(dst, '0')
		}
		return strconv.AppendInt(append(dst, 'E'), int64(exp), 10)
	case exp < 0:
		dst = append(dst, "0.00"[:1-exp]...)
		return append(dst, digits...)
	case len(digits) <= exp+1:
		dst = append(dst, digits...)
		for range exp + 1 - len(digits) {
			dst = append(dst, '0')
		}
		return append(dst, ".0"...)
	default:
		dst = append(append(dst, digits[:exp+1]...), '.')
		return append(dst, digits[exp+1:]...)
	}
}

// AppendDecimal appends d as Java's BigDecimal.toString prints it.
func AppendDecimal(dst []byte, d *Dec) []byte {
	var buf [64]byte
	digits := buf[:0]
	if d.Unscaled.IsInt64() {
		digits = strconv.AppendInt(digits, d.Unscaled.Int64(), 10)
	} else {
		digits = d.Unscaled.Append(digits, 10)
	}
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	scale := int64(d.Scale)
	exp := int64(len(digits)-1) - scale
	switch {
	case scale == 0:
		return append(dst, digits...)
	case scale < 0 || exp < -6:
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		if exp == 0 {
			return dst
		}
		dst = append(dst, 'E')
		if exp > 0 {
			dst = append(dst, '+')
		}
		return strconv.AppendInt(dst, exp, 10)
	case exp < 0:
		dst = append(dst, "0.00000"[:1-exp]...)
		return append(dst, digits...)
	default:
		dst = append(append(dst, digits[:exp+1]...), '.')
		return append(dst, digits[exp+1:]...)
	}
}

var errNotDecimal = errors.New("not a decimal number")

// ParseDecimal reads a number as Java's BigDecimal does: a sign, decimal digits of any script with a point anywhere
// between or around them, an exponent; no blanks.
func ParseDecimal(text string) (*Dec, error) {
	var buf [64]byte
	digits, scale, err := splitDecimal(buf[:0], text)
	if err != nil {
		return nil, err
	}
	n := new(big.Int)
	if len(digits) < 19 {
		i, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			return nil, errNotDecimal
		}
		n.SetInt64(i)
	} else if _, ok := n.SetString(string(digits), 10); !ok {
		return nil, errNotDecimal
	}
	return &Dec{n, scale}, nil
}

// splitDecimal appends to dst the unscaled digits of a decimal number, with a minus before them if it is negative.
func splitDecimal(dst []byte, text string) (digits []byte, scale int32, err error) {
	digits, fraction, exp, ok := splitNumber(dst, text)
	if !ok {
		return nil, 0, errNotDecimal
	}
	wide := int64(fraction) - exp
	if wide < math.MinInt32 || wide > math.MaxInt32 {
		return nil, 0, errNotDecimal
	}
	return digits, int32(wide), nil
}

// splitNumber takes a number apart: a minus and ASCII digits without the point, which are appended to mantissa, how many
// digits stood behind the point, and the exponent.
func splitNumber(mantissa []byte, text string) (_ []byte, fraction int, exp int64, ok bool) {
	if text != "" && (text[0] == '+' || text[0] == '-') {
		if text[0] == '-' {
			mantissa = append(mantissa, '-')
		}
		text = text[1:]
	}
	point, digits := false, 0
	for i, r := range text {
		if d, isDigit := digitValue(r); isDigit {
			mantissa = append(mantissa, '0'+d)
			digits++
			if point {
				fraction++
			}
			continue
		}
		switch {
		case r == '.' && !point:
			point = true
		case (r == 'e' || r == 'E') && digits > 0:
			exp, ok = parseExponent(text[i+1:])
			return mantissa, fraction, exp, ok
		default:
			return nil, 0, 0, false
		}
	}
	return mantissa, fraction, 0, digits > 0
}

// parseExponent reads at most ten digits that count, which Java allows.
func parseExponent(text string) (exp int64, ok bool) {
	negative := false
	if text != "" && (text[0] == '+' || text[0] == '-') {
		negative = text[0] == '-'
		text = text[1:]
	}
	for _, r := range text {
		d, isDigit := digitValue(r)
		if !isDigit || exp > 999_999_999 {
			return 0, false
		}
		exp = exp*10 + int64(d)
	}
	if negative {
		exp = -exp
	}
	return exp, text != ""
}

// digitValue is the value of a decimal digit of any script in the basic plane (Java: Character.digit of a char).
func digitValue(r rune) (byte, bool) {
	if r < utf8.RuneSelf {
		return byte(r - '0'), r >= '0' && r <= '9'
	}
	for _, block := range unicode.Nd.R16 {
		if r >= rune(block.Lo) && r <= rune(block.Hi) {
			return byte((r - rune(block.Lo)) % 10), true
		}
	}
	return 0, false
}

// Float64 is the closest float64 (Java: BigDecimal.doubleValue).
func (d *Dec) Float64() float64 { return d.float(64) }

// Float32 is the closest float32 (Java: BigDecimal.floatValue).
func (d *Dec) Float32() float32 { return float32(d.float(32)) }

func (d *Dec) float(bits int) float64 {
	var buf [64]byte
	f, _ := strconv.ParseFloat(string(AppendDecimal(buf[:0], d)), bits) // out of range gives infinity, as in Java
	return f
}

// Int64 is the integer part's lowest 64 bits (Java: BigDecimal.longValue).
func (d *Dec) Int64() int64 {
	switch {
	case d.Scale == 0:
		return lowBits(d.Unscaled)
	case d.Scale <= -64: // 10^64 is a multiple of 2^64
		return 0
	case d.Scale < 0:
		return lowBits(d.Unscaled) * lowBits(power10(-d.Scale))
	case int64(d.Scale) > int64(d.Unscaled.BitLen()): // fewer digits than decimals
		return 0
	}
	return lowBits(new(big.Int).Quo(d.Unscaled, power10(d.Scale)))
}

func power10(n int32) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// lowBits is Java's BigInteger.longValue: the lowest 64 bits of the two's complement.
func lowBits(n *big.Int) int64 {
	low := new(big.Int).And(new(big.Int).Abs(n), new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	if n.Sign() < 0 {
		return -int64(low)
	}
	return int64(low)
}

// saturate is Java's cast of a double to a long.
func saturate(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f < -1<<63:
		return math.MinInt64
	}
	return int64(f)
}

// integer is the value of an integral decimal that fits 64 bits. integral says whether there is no fraction.
func (d *Dec) integer() (n int64, integral, fits bool) {
	if d.Unscaled.Sign() == 0 {
		return 0, true, true
	}
	digits := d.Unscaled.Text(10)
	zeros := 0
	for digits[len(digits)-1-zeros] == '0' {
		zeros++
	}
	if int64(zeros) < int64(d.Scale) {
		return 0, false, false
	}
	if int64(len(digits))-int64(d.Scale) > 20 { // a sign and 19 digits
		return 0, true, false
	}
	whole := d.Unscaled
	if d.Scale > 0 {
		whole = new(big.Int).Quo(whole, power10(d.Scale))
	} else if d.Scale < 0 {
		whole = new(big.Int).Mul(whole, power10(-d.Scale))
	}
	return whole.Int64(), true, whole.IsInt64()
}
