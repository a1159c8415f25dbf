package record

import (
	"errors"
	"fmt"
)

// Check says what of a value its schema does not allow, in the words of Kafka Connect (ConnectSchema.validateValue). The
// classes count, not what a value means: an Int32 is no INT64, the value of a Date is an Instant. Neither the scale of a
// Decimal counts nor the time of a Date; who writes them looks at those. Arrays, maps and structs are checked whole.
func (s *Schema) Check(v Value) error { return ended(s.misfit(v), "value") }

// Check is that of a field's schema for a field, which the error names (Kafka Connect: Struct.put).
func (f *Field) Check(v Value) error {
	if err := f.Schema.misfit(v); err != nil {
		return ended(err, `field: "`+f.Name+`"`)
	}
	return nil
}

var errStructs = errors.New("Struct schemas do not match.") //nolint:staticcheck // Kafka Connect's words

// misfit is why a value does not fit, around the place where it is, which is put together from the inside.
type misfit struct {
	before, place, after string
	ended                bool // the innermost field, which is where the place ends
}

func (m *misfit) Error() string { return m.before + m.place + m.after }

// around puts what a misfit is a part of behind its place.
func around(err error, place string) error {
	if m, ok := err.(*misfit); ok && !m.ended { //nolint:errorlint // what this file returns, never wrapped
		m.place += place
	}
	return err
}

// ended is around for the last time.
func ended(err error, place string) error {
	err = around(err, place)
	if m, ok := err.(*misfit); ok { //nolint:errorlint // likewise
		m.ended = true
	}
	return err
}

func (s *Schema) misfit(v Value) error {
	k := v.Kind()
	switch {
	case k == Null && s.Optional:
		return nil
	case k == Null:
		return &misfit{before: "Invalid value: null used for required ", after: ", schema type: " + s.Kind.String()}
	case k != s.class():
		of := ""
		if s.Name != "" {
			of = ` "` + s.Name + `"`
		}
		return &misfit{before: fmt.Sprintf("Invalid Java object for schema%s with type %s: class %s for ", of, s.Kind, k.JavaClass())}
	}
	if s.Kind >= Array && k != s.Kind { // an array that is called a Decimal
		return notOfKind(v, s.Kind)
	}
	switch k {
	case Array:
		for _, e := range v.Elements() {
			if err := within(s.Elem, e, "element of array "); err != nil {
				return err
			}
		}
	case Map:
		pairs := v.Elements()
		for i := 0; i < len(pairs); i += 2 {
			if err := within(s.Key, pairs[i], "key of map "); err != nil {
				return err
			}
			if err := within(s.Elem, pairs[i+1], "value of map "); err != nil {
				return err
			}
		}
	case Struct:
		return s.checkFields(v.Elements())
	}
	return nil
}

// class is the kind of the values: that of the logical type, whatever the type is called by its name, or else the schema's.
func (s *Schema) class() Kind {
	switch s.Name {
	case DecimalName:
		return Decimal
	case DateName, TimeName, TimestampName:
		return Instant
	}
	return s.Kind
}

// within checks a part of an array or map.
func within(s *Schema, v Value, place string) error {
	if s == nil {
		return &misfit{before: "No schema defined for ", place: place}
	}
	return around(s.misfit(v), place)
}

// checkFields allows null where a field has a default (Kafka Connect: Struct.validate).
func (s *Schema) checkFields(values []Value) error {
	if len(values) != len(s.Fields) {
		return errStructs
	}
	for i := range values {
		f := &s.Fields[i]
		if values[i].IsNull() && f.Schema.HasDefault {
			continue
		}
		if err := f.Check(values[i]); err != nil {
			return err
		}
	}
	return nil
}
