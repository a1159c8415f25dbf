package record

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
)

// The To… functions convert as Kafka Connect's Values.convertTo… do. The schema is that of the value, maybe nil; it says
// what number is behind an Instant. Numbers narrow as in Java, by their lowest bits or, from floats, to the nearest end.
// Errors have Kafka Connect's words, which show the value: they are for whoever handles the record, not for a log.

//nolint:staticcheck // Java's and Kafka Connect's words
var (
	errNull  = errors.New("Unable to convert a null value to a schema that requires a value")
	errTime  = errors.New("Time values must use number of milliseconds greater than 0 and less than 86400000")
	errEmpty = errors.New("Zero length BigInteger")
)

// ToBool makes a Boolean: of a number, whether it is not zero. Null stays null.
func ToBool(s *Schema, v Value) (Value, error) {
	switch v.Kind() {
	case Null, Boolean:
		return v, nil
	case String:
		d, err := ParseText(v.Text())
		if err != nil {
			return Value{}, err
		}
		if d.Value.Kind() == Boolean {
			return d.Value, nil
		}
	}
	n, err := toInt64(s, v)
	return OfBool(n != 0), err
}

// ToNumber makes an Int8 to Float64. Null stays null.
func ToNumber(k Kind, s *Schema, v Value) (Value, error) {
	if v.Kind() == k || v.IsNull() {
		return v, nil
	}
	if k == Float32 || k == Float64 {
		f, err := toFloat64(s, v)
		if k == Float32 {
			return OfFloat32(float32(f)), err
		}
		return OfFloat64(f), err
	}
	n, err := toInt64(s, v)
	switch k {
	case Int8:
		return OfInt8(int8(n)), err
	case Int16:
		return OfInt16(int16(n)), err
	case Int32:
		return OfInt32(int32(n)), err
	case Int64:
		return OfInt64(n), err
	}
	return Value{}, fmt.Errorf("%s is not a number's kind", k)
}

// ToText makes a String of what AppendText writes. Null stays null.
func ToText(s *Schema, v Value) (Value, error) {
	if v.IsNull() || v.Kind() == String {
		return v, nil
	}
	b, err := Datum{s, v}.AppendText(nil)
	return OfText(b), err
}

// ToDecimal makes a Decimal. Numbers go by way of a float64, so that 5 becomes 5.0; bytes are unscaled digits in two's
// complement with the given scale, which counts for nothing else.
func ToDecimal(scale int32, s *Schema, v Value) (Value, error) {
	switch v.Kind() {
	case Null:
		return Value{}, errNull
	case Decimal:
		return v, nil
	case Int8, Int16, Int32, Int64, Float32, Float64, BigInt:
		f, err := toFloat64(s, v)
		if err != nil {
			return Value{}, err
		}
		d, err := ParseDecimal(string(AppendFloat64(nil, f)))
		return Value{0, d}, err
	case String:
		d, err := ParseDecimal(v.Text())
		return Value{0, d}, err
	case Bytes:
		n, err := BigIntOfBytes(v.Bytes())
		return OfDecimal(n, scale), err
	}
	return Value{}, unable(s, v, "Schema{"+DecimalName+":BYTES}")
}

// BigIntOfBytes reads two's complement, the highest byte first (Java: new BigInteger(byte[])).
func BigIntOfBytes(b []byte) (*big.Int, error) {
	if len(b) == 0 {
		return nil, errEmpty
	}
	n := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n, nil
}

// AppendBigInt appends the shortest two's complement of n, at least one byte (Java: BigInteger.toByteArray).
func AppendBigInt(dst []byte, n *big.Int) []byte {
	if n.IsInt64() {
		i := n.Int64()
		size := 1
		for size < 8 && i>>(8*size-1) != i>>63 {
			size++
		}
		for size--; size >= 0; size-- {
			dst = append(dst, byte(i>>(8*size)))
		}
		return dst
	}
	// The two's complement of a negative number is the inverse of its magnitude less one, and so is the number of its bytes.
	words, size, borrow := n.Bits(), n.BitLen()/8+1, uint(0)
	if n.Sign() < 0 {
		borrow = 1
		if length := uint(n.BitLen()); length%8 == 0 && n.TrailingZeroBits() == length-1 {
			size--
		}
	}
	at := len(dst)
	for range size {
		dst = append(dst, 0)
	}
	out, invert := dst[at:], byte(0)-byte(borrow)
	for i := size; i > 0; {
		w := uint(0)
		if len(words) > 0 {
			w, borrow = bits.Sub(uint(words[0]), borrow, 0)
			words = words[1:]
		}
		for range bits.UintSize / 8 {
			if i--; i < 0 {
				break
			}
			out[i] = byte(w) ^ invert
			w >>= 8
		}
	}
	return dst
}

// ToDate makes an Instant of a date, a number of days, or a text of either.
func ToDate(s *Schema, v Value) (Value, error) {
	v, err := parsed(s, v)
	if err != nil {
		return Value{}, err
	}
	if v.Kind() == Instant && (s == nil || s.Name == DateName) {
		return v, nil
	}
	if v.Kind() == Instant && s.Name == TimestampName {
		return OfInstant(int64(int32(v.Int()/dayMillis)) * dayMillis), nil
	}
	n, err := toInt64(s, v)
	return OfInstant(int64(int32(n)) * dayMillis), err
}

// ToTime makes an Instant of a time of day, a number of milliseconds, or a text of either.
func ToTime(s *Schema, v Value) (Value, error) {
	v, err := parsed(s, v)
	if err != nil {
		return Value{}, err
	}
	if v.Kind() == Instant && (s == nil || s.Name == TimeName) {
		return v, nil
	}
	var n int64
	if v.Kind() == Instant && s.Name == TimestampName {
		n = timeOfDay(v.Int())
	} else if n, err = toInt64(s, v); err != nil {
		return Value{}, err
	}
	if n = int64(int32(n)); n < 0 || n > dayMillis {
		return Value{}, errTime
	}
	return OfInstant(n), nil
}

// timeOfDay moves an instant to 1970-01-01. Java's calendar keeps the era: what was before year 1 goes to 1970 BC.
func timeOfDay(millis int64) int64 {
	day := floorDiv(millis, dayMillis)
	millis -= day * dayMillis
	if year, _, _ := civilOf(day); year < 1 {
		millis += dayOf(-1969, 1, 1) * dayMillis
	}
	return millis
}

// ToTimestamp makes an Instant of a number of milliseconds, a date, a time or a text of any of them.
func ToTimestamp(s *Schema, v Value) (Value, error) {
	v, err := parsed(s, v)
	if err != nil {
		return Value{}, err
	}
	if v.Kind() == Instant && s == nil {
		return v, nil
	}
	n, err := toInt64(s, v)
	if v.Kind() == Instant && s.Name == DateName {
		n *= dayMillis
	}
	return OfInstant(n), err
}

// parsed is what a text means, anything else as it is, but neither null nor the map of a text, which is of no use here.
func parsed(s *Schema, v Value) (Value, error) {
	if v.IsNull() {
		return v, errNull
	}
	if v.Kind() != String {
		return v, nil
	}
	d, err := ParseText(v.Text())
	switch {
	case err != nil:
		return Value{}, err
	case d.Value.IsNull():
		return Value{}, errNull
	case d.Value.Kind() == Map:
		return Value{}, unableClass(d, parsedMapClass, numberOrSchema(s))
	}
	return d.Value, nil
}

// parsedMapClass is the class of maps that the parser makes.
const parsedMapClass = "java.util.LinkedHashMap"

// ToArray makes an Array of a text, or leaves one as it is.
func ToArray(s *Schema, v Value) (Value, error) { return toCollection(Array, s, v) }

// ToMap makes a Map of a text, or leaves one as it is.
func ToMap(s *Schema, v Value) (Value, error) { return toCollection(Map, s, v) }

// ToStruct accepts a Struct only.
func ToStruct(s *Schema, v Value) (Value, error) {
	switch v.Kind() {
	case Null:
		return Value{}, errNull
	case Struct:
		return v, nil
	}
	return Value{}, unable(s, v, "Schema{STRUCT}")
}

func toCollection(k Kind, s *Schema, v Value) (Value, error) {
	switch v.Kind() {
	case Null:
		return Value{}, errNull
	case k:
		return v, nil
	case String:
		d, err := ParseText(v.Text())
		switch {
		case err != nil || d.Value.Kind() == k:
			return d.Value, err
		case d.Value.Kind() == Map:
			return Value{}, unableClass(d, parsedMapClass, "Schema{"+k.String()+"}")
		}
		s, v = d.Schema, d.Value
	}
	return Value{}, unable(s, v, "Schema{"+k.String()+"}")
}

// toInt64 is Kafka Connect's Values.asLong.
func toInt64(s *Schema, v Value) (int64, error) {
	switch v.Kind() {
	case Int8, Int16, Int32, Int64:
		return v.Int(), nil
	case Float32, Float64:
		return saturate(v.Float()), nil
	case Decimal:
		return v.Decimal().Int64(), nil
	case BigInt:
		return lowBits(v.BigInt()), nil
	case String:
		if d, err := ParseDecimal(v.Text()); err == nil {
			return d.Int64(), nil
		}
	case Instant:
		if s == nil {
			break
		}
		switch s.Name {
		case DateName:
			return int64(int32(v.Int() / dayMillis)), dateOnly(v.Int())
		case TimeName:
			return v.Int(), timeOnly(v.Int())
		case TimestampName:
			return v.Int(), nil
		}
	}
	return 0, unable(s, v, numberOrSchema(s))
}

func numberOrSchema(s *Schema) string {
	if s != nil {
		return s.String()
	}
	return "a number"
}

func dateOnly(millis int64) error {
	if millis%dayMillis != 0 {
		return errors.New("Kafka Connect Date type should not have any time fields set to non-zero values.") //nolint:staticcheck // Kafka Connect's words
	}
	return nil
}

func timeOnly(millis int64) error {
	if millis < 0 || millis > dayMillis {
		return errors.New("Kafka Connect Time type should not have any date fields set to non-zero values.") //nolint:staticcheck // Kafka Connect's words
	}
	return nil
}

// toFloat64 is Kafka Connect's Values.asDouble.
func toFloat64(s *Schema, v Value) (float64, error) {
	switch v.Kind() {
	case Int8, Int16, Int32, Int64:
		return float64(v.Int()), nil
	case Float32, Float64:
		return v.Float(), nil
	case Decimal:
		return v.Decimal().Float64(), nil
	case BigInt:
		return (&Dec{v.BigInt(), 0}).Float64(), nil
	case String:
		if d, err := ParseDecimal(v.Text()); err == nil {
			return d.Float64(), nil
		}
	}
	n, err := toInt64(s, v)
	return float64(n), err
}

func unable(s *Schema, v Value, to string) error {
	return unableClass(Datum{s, v}, v.Kind().JavaClass(), to)
}

func unableClass(d Datum, class, to string) error {
	return fmt.Errorf("Unable to convert %s (class %s) to %s", d.AppendJava(nil), class, to) //nolint:staticcheck // Kafka Connect's words
}
