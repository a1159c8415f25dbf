package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

//nolint:staticcheck // Kafka Connect's words
var (
	errNoScale = errors.New("Invalid Decimal schema: scale parameter not found.")
	errScale   = errors.New("Invalid scale parameter found in Decimal schema: ")
)

// Scale is the scale that a Decimal's schema asks for, in the digits of any script (Kafka Connect: Decimal.scale).
func (s *Schema) Scale() (int32, error) {
	text, ok := s.Param(ScaleParam)
	if !ok {
		return 0, errNoScale
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil && !strings.ContainsAny(text, ".eE") {
		// Java knows the digits of all scripts.
		var d *Dec
		if d, err = ParseDecimal(text); err == nil {
			n = d.Int64()
		}
	}
	if err != nil || n != int64(int32(n)) {
		return 0, errScale
	}
	return int32(n), nil
}

// Encode is the value as which one of a logical type is stored: the digits of a Decimal in two's complement, the days of a
// Date, the milliseconds of a Time or Timestamp. logical is the name of the type, which has to be that of the schema (Kafka
// Connect: fromLogical of Decimal, Date, Time and Timestamp). Converters do the same by plans of their own.
func Encode(logical string, s *Schema, v Value) (Value, error) {
	if logical == DecimalName {
		return encodeDecimal(s, v)
	}
	if s.Name != logical {
		return Value{}, notOf(logical)
	}
	if v.Kind() != Instant {
		return Value{}, notOfKind(v, Instant)
	}
	n := v.Int()
	switch logical {
	case DateName:
		return OfInt32(int32(n / dayMillis)), dateOnly(n)
	case TimeName:
		return OfInt32(int32(n)), timeOnly(n)
	}
	return OfInt64(n), nil
}

func encodeDecimal(s *Schema, v Value) (Value, error) {
	scale, err := s.Scale()
	switch {
	case v.Kind() != Decimal:
		return Value{}, notOfKind(v, Decimal)
	case err != nil:
		return Value{}, err
	}
	d := v.Decimal()
	if d.Scale != scale {
		return Value{}, ScaleError(scale, d.Scale)
	}
	return OfBytes(AppendBigInt(nil, d.Unscaled)), nil
}

// ScaleError says that a Decimal has another scale than its schema.
func ScaleError(schema, value int32) error {
	return fmt.Errorf("Decimal value has mismatching scale for given Decimal schema. Schema has scale %d, value has scale %d.", schema, value) //nolint:staticcheck // Kafka Connect's words
}

// Decode is the way back from Encode (Kafka Connect: toLogical).
func Decode(logical string, s *Schema, v Value) (Value, error) {
	stored := Int32
	switch {
	case logical == DecimalName:
		return decodeDecimal(s, v)
	case s.Name != logical && logical == TimeName:
		return Value{}, notOf(DateName) // that is what it says
	case s.Name != logical:
		return Value{}, notOf(logical)
	case logical == TimestampName:
		stored = Int64
	}
	if v.Kind() != stored {
		return Value{}, notOfKind(v, stored)
	}
	n := v.Int()
	switch {
	case logical == DateName:
		n *= dayMillis
	case logical == TimeName && (n < 0 || n > dayMillis):
		return Value{}, errTime
	}
	return OfInstant(n), nil
}

func decodeDecimal(s *Schema, v Value) (Value, error) {
	scale, err := s.Scale()
	switch {
	case v.Kind() != Bytes:
		return Value{}, notOfKind(v, Bytes)
	case err != nil:
		return Value{}, err
	}
	n, err := BigIntOfBytes(v.Bytes())
	if err != nil {
		return Value{}, err
	}
	return OfDecimal(n, scale), nil
}

// notOf is what the logical types say of the schema of another one.
func notOf(logical string) error {
	return fmt.Errorf("Requested conversion of %s object but the schema does not match.", logical[strings.LastIndexByte(logical, '.')+1:]) //nolint:staticcheck // Kafka Connect's words
}

func notOfKind(v Value, k Kind) error {
	return fmt.Errorf("a value of class %s is no %s", v.Kind().JavaClass(), k)
}
