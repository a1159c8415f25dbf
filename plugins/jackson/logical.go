package jackson

import (
	"encoding/base64"
	"strconv"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Logical is how values of one of Connect's logical types stand in JSON: dates, times and timestamps as whole numbers, decimals
// as the base64 of their digits or as numbers. JsonConverter and JsonSchemaData have this word for word. The zero Logical is
// of no such type.
type Logical struct {
	word     string // of the type, in texts of errors
	scale    int32  // of a Decimal
	scaleErr error  // why a Decimal has none
}

// LogicalOf is the logical type of a schema.
func LogicalOf(s *record.Schema) Logical {
	switch s.Name {
	case record.DecimalName:
		n, err := s.Scale()
		if err != nil {
			err = &plugin.DataError{Reason: err.Error(), Err: err}
		}
		return Logical{"Decimal", n, err}
	case record.DateName:
		return Logical{word: "Date"}
	case record.TimeName:
		return Logical{word: "Time"}
	case record.TimestampName:
		return Logical{word: "Timestamp"}
	}
	return Logical{}
}

const dayMillis = 86_400_000

// Append writes a value. number is for decimals: as numbers.
func (l *Logical) Append(dst []byte, v record.Value, number bool) ([]byte, error) {
	if l.word == "Decimal" {
		return l.appendDecimal(dst, v, number)
	}
	if k := v.Kind(); k != record.Instant {
		return nil, plugin.Data("Invalid type for %s, expected Date but was class %s", l.word, k.JavaClass())
	}
	n := v.Int()
	switch l.word {
	case "Date":
		if n%dayMillis != 0 {
			return nil, plugin.Data("Kafka Connect Date type should not have any time fields set to non-zero values.")
		}
		n = int64(int32(n / dayMillis))
	case "Time":
		if n < 0 || n > dayMillis {
			return nil, plugin.Data("Kafka Connect Time type should not have any date fields set to non-zero values.")
		}
	}
	return strconv.AppendInt(dst, n, 10), nil
}

func (l *Logical) appendDecimal(dst []byte, v record.Value, number bool) ([]byte, error) {
	if k := v.Kind(); k != record.Decimal {
		return nil, plugin.Data("Invalid type for Decimal, expected BigDecimal but was class %s", k.JavaClass())
	}
	d := v.Decimal()
	if number {
		return record.AppendDecimal(dst, d), nil
	}
	if l.scaleErr != nil {
		return nil, l.scaleErr
	}
	if d.Scale != l.scale {
		return nil, plugin.Data("Decimal value has mismatching scale for given Decimal schema. Schema has scale %d, value has scale %d.", l.scale, d.Scale)
	}
	var buf [32]byte
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), record.AppendBigInt(buf[:0], d.Unscaled))
	return append(dst, '"'), nil
}

// Takes reports whether a number may stand for a value of a type other than Decimal.
func (l *Logical) Takes(n *Number) bool {
	if l.word == "Timestamp" {
		return n.Integral
	}
	return n.FitsInt32()
}

// OfNumber is the value that a number stands for, which Takes has taken.
func (l *Logical) OfNumber(n *Number) (record.Value, error) {
	i := n.Int64()
	switch l.word {
	case "Date":
		i *= dayMillis
	case "Time":
		if i < 0 || i > dayMillis {
			return record.Value{}, plugin.Data("Time values must use number of milliseconds greater than 0 and less than 86400000")
		}
	}
	return record.OfInstant(i), nil
}

// OfBase64 is the decimal whose digits a text has.
func (l *Logical) OfBase64(a *record.Arena, text []byte) (record.Value, error) {
	digits, ok := DecodeBase64(a, text)
	if !ok || l.scaleErr != nil {
		return record.Value{}, &plugin.DataError{Reason: "Invalid bytes for Decimal field", Err: l.scaleErr}
	}
	v, err := a.DecimalOfBytes(digits, l.scale)
	if err != nil {
		return record.Value{}, &plugin.DataError{Reason: "Invalid bytes for Decimal field", Err: err}
	}
	return v, nil
}

// Misfit is the error for what cannot stand for a value; found is its type in Jackson's words.
func (l *Logical) Misfit(found string) error {
	wanted := "integer"
	switch l.word {
	case "Decimal":
		wanted = "numeric or bytes"
	case "Timestamp":
		wanted = "integral"
	}
	return plugin.Data("Invalid type for %s, underlying representation should be %s but was %s", l.word, wanted, found)
}
