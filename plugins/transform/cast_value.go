package transform

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

const dayMillis = 86_400_000

// castValue makes a value of another kind, up to String (Kafka Connect: Cast.castValueToType). s is the schema of the
// value, nil where it is schemaless. Null stays null.
func castValue(a *record.Arena, s *record.Schema, v record.Value, to record.Kind) (record.Value, error) {
	k := v.Kind()
	switch {
	case k == record.Null:
		return v, nil
	case s == nil && k > record.Struct:
		return record.Value{}, plugin.Data("Cast transformation was passed a value of type class %s which is not supported by Connect's data API", k.JavaClass())
	}
	from := k
	if s != nil {
		from = s.Kind
	}
	if from > record.Bytes {
		return record.Value{}, plugin.Data("Cast transformation does not support casting from %s; supported types are %s", from, kindList(record.Bytes))
	}
	if to == record.String {
		return castText(a, v), nil
	}
	if s != nil && k == record.Instant {
		var err error
		if v, err = encoded(s, v); err != nil {
			return record.Value{}, err
		}
		k = v.Kind()
	}
	switch k {
	case record.String:
		return castString(v.Text(), to)
	case record.Boolean:
		if v.Bool() {
			return castInteger(1, to), nil
		}
		return castInteger(0, to), nil
	case record.Int8, record.Int16, record.Int32, record.Int64:
		return castInteger(v.Int(), to), nil
	case record.Float32, record.Float64:
		return castFloat(v.Float(), to), nil
	case record.Decimal:
		return castDecimal(v.Decimal(), to), nil
	}
	return record.Value{}, plugin.Data("Unexpected type in Cast transformation: class %s", k.JavaClass())
}

// encoded is the number behind a date, a time or a timestamp; under any other schema the value stays as it is.
func encoded(s *record.Schema, v record.Value) (record.Value, error) {
	millis := v.Int()
	switch s.Name {
	case record.DateName:
		if millis%dayMillis != 0 {
			return v, plugin.Data("Kafka Connect Date type should not have any time fields set to non-zero values.")
		}
		return record.OfInt32(int32(millis / dayMillis)), nil
	case record.TimeName:
		if millis < 0 || millis > dayMillis {
			return v, plugin.Data("Kafka Connect Time type should not have any date fields set to non-zero values.")
		}
		return record.OfInt32(int32(millis)), nil
	case record.TimestampName:
		return record.OfInt64(millis), nil
	}
	return v, nil
}

// castText is the text of a scalar: an instant as Kafka Connect's Values writes it, bytes in base64, numbers as Java does.
func castText(a *record.Arena, v record.Value) record.Value {
	const enough = 40 // for all but bytes and large decimals
	room := enough
	switch v.Kind() {
	case record.String:
		return v
	case record.Bytes:
		room = max(room, base64.StdEncoding.EncodedLen(len(v.Bytes())))
	}
	rest := a.Rest(room)
	text, err := record.Datum{Value: v}.AppendText(rest[:0])
	if err != nil {
		panic("transform: a scalar has no text: " + err.Error()) // only structs without a schema have none
	}
	return kept(a, rest, text)
}

// kept makes a text that was appended to the start of rest, which the arena has lent by Rest.
func kept(a *record.Arena, rest, text []byte) record.Value {
	if len(text) > len(rest) { // it has memory of its own
		a.Keep(rest, 0)
	} else {
		a.Keep(rest, len(text))
	}
	return record.OfText(text)
}

// castInteger keeps the lowest bits.
func castInteger(n int64, to record.Kind) record.Value {
	switch to {
	case record.Int8:
		return record.OfInt8(int8(n))
	case record.Int16:
		return record.OfInt16(int16(n))
	case record.Int32:
		return record.OfInt32(int32(n))
	case record.Float32:
		return record.OfFloat32(float32(n))
	case record.Float64:
		return record.OfFloat64(float64(n))
	case record.Boolean:
		return record.OfBool(n != 0)
	default:
		return record.OfInt64(n)
	}
}

// castFloat goes to the nearest int32 or int64, and to smaller integers by way of an int32.
func castFloat(f float64, to record.Kind) record.Value {
	switch to {
	case record.Int8, record.Int16, record.Int32:
		return castInteger(nearest(f, math.MinInt32, math.MaxInt32), to)
	case record.Float32:
		return record.OfFloat32(float32(f))
	case record.Float64:
		return record.OfFloat64(f)
	default:
		return castInteger(nearest(f, math.MinInt64, math.MaxInt64), to)
	}
}

// nearest cuts the fraction off; what is not a number is 0.
func nearest(f float64, least, most int64) int64 {
	switch {
	case f != f:
		return 0
	case f <= float64(least):
		return least
	case f >= float64(most):
		return most
	}
	return int64(f)
}

func castDecimal(d *record.Dec, to record.Kind) record.Value {
	switch to {
	case record.Float32:
		return record.OfFloat32(d.Float32())
	case record.Float64:
		return record.OfFloat64(d.Float64())
	default:
		return castInteger(d.Int64(), to)
	}
}

func castString(text string, to record.Kind) (record.Value, error) {
	var v record.Value
	ok := true
	switch to {
	case record.Boolean:
		v = record.OfBool(strings.EqualFold(text, "true"))
	case record.Float32, record.Float64:
		v, ok = parseFloat(text, to)
	default:
		v, ok = parseInteger(text, to)
	}
	if !ok {
		e := plugin.Data("Value (%s) was out of range for requested data type", text)
		e.Masked = "A value was out of range for requested data type"
		return record.Value{}, e
	}
	return v, nil
}

// parseInteger reads a sign and decimal digits of any script (Java: Byte.parseByte to Long.parseLong).
func parseInteger(text string, to record.Kind) (record.Value, bool) {
	bits := 8 << (to - record.Int8)
	n, err := strconv.ParseInt(text, 10, bits)
	if err == nil {
		return castInteger(n, to), true
	}
	if isASCII(text) || strings.ContainsAny(text, ".eE") {
		return record.Value{}, false
	}
	d, err := record.ParseDecimal(text)
	if err != nil || !d.Unscaled.IsInt64() {
		return record.Value{}, false
	}
	n = d.Unscaled.Int64()
	return castInteger(n, to), n>>(bits-1) == n>>63
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// parseFloat reads what Java's Float.parseFloat and Double.parseDouble read. What is too large is infinite.
func parseFloat(text string, to record.Kind) (record.Value, bool) {
	number, ok := floatText(text)
	if !ok {
		return record.Value{}, false
	}
	bits := 64
	if to == record.Float32 {
		bits = 32
	}
	f, err := strconv.ParseFloat(number, bits)
	return castFloat(f, to), err == nil || math.IsInf(f, 0)
}

// floatText gives the text of a float of Java as package strconv reads it: without blanks around and the suffix of the
// type. Texts that only strconv takes are refused.
func floatText(text string) (number string, ok bool) {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	unsigned := text
	if text != "" && (text[0] == '+' || text[0] == '-') {
		unsigned = text[1:]
	}
	switch unsigned {
	case "":
		return "", false
	case "NaN":
		return unsigned, true // it has no sign
	case "Infinity":
		return text, true
	}
	number = text
	if strings.ContainsRune("fFdD", rune(text[len(text)-1])) { // a hexadecimal number ends in the digits of its exponent
		number = text[:len(text)-1]
	}
	if len(unsigned) > 1 && unsigned[0] == '0' && (unsigned[1] == 'x' || unsigned[1] == 'X') {
		return number, strings.ContainsAny(number, "pP") && !strings.Contains(number, "_")
	}
	return number, strings.Trim(number, "+-.0123456789eE") == ""
}
