package protobuf

import (
	"fmt"
	"math"
	"math/big"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

const (
	dayMillis    = 86_400_000
	secondMillis = 1000
	milliNanos   = 1_000_000

	// Seconds of a google.protobuf.Timestamp.
	leastSeconds = -62_135_596_800
	mostSeconds  = 253_402_300_799
)

// varintField writes a number that is not zero under a field number below 16.
func varintField(dst []byte, number byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return protowire.AppendVarint(append(dst, number<<3), uint64(n))
}

// appendDate writes a google.type.Date. Years before 1 are written as those of their era, as ProtobufData does.
func appendDate(dst []byte, millis int64) ([]byte, error) {
	if millis%dayMillis != 0 {
		return nil, plugin.Data("Kafka Connect Date type should not have any time fields set to non-zero values.")
	}
	year, month, day := record.CivilDate(millis / dayMillis)
	if year < 1 {
		year = 1 - year
	}
	dst = varintField(dst, 1, int64(int32(year)))
	dst = varintField(dst, 2, int64(month))
	return varintField(dst, 3, int64(day)), nil
}

// appendTime writes a google.type.TimeOfDay. The end of the day is its beginning.
func appendTime(dst []byte, millis int64) ([]byte, error) {
	if millis < 0 || millis > dayMillis {
		return nil, plugin.Data("Time values must use number of millis greater than 0 and less than 86400000")
	}
	seconds := millis / secondMillis % 86_400
	dst = varintField(dst, 1, seconds/3600)
	dst = varintField(dst, 2, seconds/60%60)
	dst = varintField(dst, 3, seconds%60)
	return varintField(dst, 4, millis%secondMillis*milliNanos), nil
}

// appendTimestamp writes a google.protobuf.Timestamp.
func appendTimestamp(dst []byte, millis int64) ([]byte, error) {
	seconds, rest := millis/secondMillis, millis%secondMillis
	if rest < 0 {
		seconds, rest = seconds-1, rest+secondMillis
	}
	if seconds < leastSeconds || seconds > mostSeconds {
		return nil, timestampError(seconds, rest*milliNanos)
	}
	return varintField(varintField(dst, 1, seconds), 2, rest*milliNanos), nil
}

func timestampError(seconds, nanos int64) error {
	return plugin.Data("Timestamp is not valid. See proto definition for valid values. Seconds (%d) must be in range [-62,135,596,800, +253,402,300,799]. Nanos (%d) must be in range [0, +999,999,999].", seconds, nanos)
}

// appendDecimal writes a confluent.type.Decimal.
func appendDecimal(dst []byte, v record.Value) ([]byte, error) {
	if v.Kind() != record.Decimal {
		return nil, plugin.Data("Invalid type for Decimal, expected BigDecimal but was class %s", v.Kind().JavaClass())
	}
	d := v.Decimal()
	var digits int
	dst = append(dst, 1<<3|byte(protowire.BytesType))
	if d.Unscaled.IsInt64() {
		n := d.Unscaled.Int64()
		size := size64(n)
		dst = append(dst, byte(size))
		for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
			dst = append(dst, byte(n>>shift))
		}
		digits = digits64(n)
	} else {
		at := len(dst)
		dst = sized(record.AppendBigInt(append(dst, 0), d.Unscaled), at)
		digits = digitsOf(d.Unscaled)
	}
	dst = varintField(dst, 2, int64(digits))
	return varintField(dst, 3, int64(d.Scale)), nil
}

// digits64 is how many decimal digits a number has; zero has one.
func digits64(n int64) int {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	digits := 1
	for ; u >= 10; u /= 10 {
		digits++
	}
	return digits
}

func digitsOf(n *big.Int) int {
	return len(new(big.Int).Abs(n).String())
}

// mostDigits bounds the bytes of a decimal: arithmetic with more is not to be had in a reasonable time.
const mostDigits = 1 << 16

// parts are the fields of a message that stands for a logical type, by their numbers less one.
type parts struct {
	n     [4]int64
	bytes []byte
}

// readParts reads such a message: fields 1 to 4 that are numbers, of 64 bits where wide says so, and field 1 where it is
// bytes.
func (r *reading) readParts(p *parts, src []byte, text, wide bool) error {
	for pos := 0; pos < len(src); {
		number, typ, at, err := r.tag(src, pos)
		if err != nil {
			return err
		}
		switch {
		case typ == protowire.VarintType && number <= 4 && (!text || number > 1):
			n, next, err := varint(src, at)
			if err != nil {
				return err
			}
			if pos = next; wide && number == 1 {
				p.n[number-1] = int64(n)
			} else {
				p.n[number-1] = int64(int32(n))
			}
		case typ == protowire.BytesType && number == 1 && text:
			b, next, err := sizedBytes(src, at)
			if err != nil {
				return err
			}
			p.bytes, pos = b, next
		default:
			if pos, err = r.skip(src, at, number, typ); err != nil {
				return err
			}
		}
	}
	return nil
}

// dateValue is the day of a google.type.Date, which must be one of the calendar.
func dateValue(p *parts) (record.Value, error) {
	year, month, day := p.n[0], p.n[1], p.n[2]
	if year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31 {
		n := record.CivilDay(year, month, day)
		if y, m, d := record.CivilDate(n); y == year && int64(m) == month && int64(d) == day {
			return record.OfInstant(n * dayMillis), nil
		}
	}
	return record.Value{}, plugin.Data("a google.type.Date of year %d, month %d, day %d is no date", year, month, day)
}

// timeValue is the time of a google.type.TimeOfDay.
func timeValue(p *parts) (record.Value, error) {
	for i, limit := range [4]int64{24, 60, 60, 1_000_000_000} {
		if p.n[i] < 0 || p.n[i] >= limit {
			return record.Value{}, plugin.Data("Invalid value for %s (valid values 0 - %d): %d", [4]string{"HourOfDay", "MinuteOfHour", "SecondOfMinute", "NanoOfSecond"}[i], limit-1, p.n[i])
		}
	}
	return record.OfInstant((p.n[0]*3600+p.n[1]*60+p.n[2])*secondMillis + p.n[3]/milliNanos), nil
}

// timestampValue is the moment of a google.protobuf.Timestamp, in whole milliseconds.
func timestampValue(p *parts) (record.Value, error) {
	seconds, nanos := p.n[0], p.n[1]
	if seconds < leastSeconds || seconds > mostSeconds || nanos < 0 || nanos > 999_999_999 {
		return record.Value{}, timestampError(seconds, nanos)
	}
	return record.OfInstant(seconds*secondMillis + nanos/milliNanos), nil
}

// decimalValue is the number of a confluent.type.Decimal, rounded to its precision where that is less.
func decimalValue(a *record.Arena, p *parts) (record.Value, error) {
	digits, scale, b := p.n[1], p.n[2], p.bytes
	var n *big.Int
	switch {
	case len(b) == 0:
		return record.Value{}, plugin.Data("Zero length BigInteger")
	case len(b) > mostDigits:
		return record.Value{}, plugin.Data("a decimal of %d bytes is longer than %d", len(b), mostDigits)
	case digits < 0:
		return record.Value{}, plugin.Data("Digits < 0")
	case len(b) <= 8:
		short := int64(int8(b[0]))
		for _, c := range b[1:] {
			short = short<<8 | int64(c)
		}
		if digits == 0 || int64(digits64(short)) <= digits {
			return a.Decimal(short, int32(scale)), nil
		}
		n = big.NewInt(short)
	default:
		var err error
		if n, err = record.BigIntOfBytes(b); err != nil {
			return record.Value{}, err
		}
	}
	return rounded(n, scale, digits)
}

// rounded rounds half away from zero to a number of digits (Java: MathContext with HALF_UP).
func rounded(n *big.Int, scale, digits int64) (record.Value, error) {
	for digits > 0 {
		drop := int64(digitsOf(n)) - digits
		if drop <= 0 {
			break
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(drop), nil)
		rest := new(big.Int)
		n, rest = new(big.Int).QuoRem(n, unit, rest)
		if rest.Abs(rest).Lsh(rest, 1).Cmp(unit) >= 0 {
			n.Add(n, big.NewInt(int64(n.Sign()))) // digits are left, so there is a sign
		}
		scale -= drop
	}
	if scale < math.MinInt32 || scale > math.MaxInt32 {
		return record.Value{}, fmt.Errorf("the scale of a decimal, %d, is out of range", scale)
	}
	return record.OfDecimal(n, int32(scale)), nil
}
