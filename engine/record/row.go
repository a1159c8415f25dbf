package record

import "fmt"

// Row is a struct by the names of its fields, for whoever fills one, or looks into one, where names matter more than speed
// (Kafka Connect: Struct). What is put is checked at once.
type Row struct {
	schema *Schema
	values []Value // in the order of the schema's fields
}

// NewRow makes a row whose fields are all null.
func NewRow(s *Schema) (Row, error) {
	if s.Kind != Struct {
		return Row{}, fmt.Errorf("Not a struct schema: %s", s) //nolint:staticcheck // Kafka Connect's words
	}
	return Row{s, make([]Value, len(s.Fields))}, nil
}

// Datum is the row as a value with its schema, which shares the memory of the row.
func (r Row) Datum() Datum { return Datum{r.schema, OfStruct(r.values)} }

// Put sets a field to a value that its schema allows. Null is none for a field that is not optional, even if that has a
// default: such a field is left alone.
func (r Row) Put(field string, v Value) error {
	i, err := r.at(field)
	if err != nil {
		return err
	}
	if err := r.schema.Fields[i].Check(v); err != nil {
		return err
	}
	r.values[i] = v
	return nil
}

// Get is the value of a field or, where that is null, the field's default.
func (r Row) Get(field string) (Value, error) {
	i, err := r.at(field)
	switch {
	case err != nil:
		return Value{}, err
	case r.values[i].IsNull():
		return r.schema.Fields[i].Schema.Default, nil
	}
	return r.values[i], nil
}

// Stored is the value of a field without its default.
func (r Row) Stored(field string) (Value, error) {
	i, err := r.at(field)
	if err != nil {
		return Value{}, err
	}
	return r.values[i], nil
}

// Typed is Stored of a field of a type, whose values are of that kind: not the Instant of a Timestamp (Kafka Connect:
// getInt64 and the like).
func (r Row) Typed(field string, k Kind) (Value, error) {
	i, err := r.at(field)
	switch {
	case err != nil:
		return Value{}, err
	case r.schema.Fields[i].Schema.Kind != k:
		return Value{}, fmt.Errorf("Field '%s' is not of type %s", field, k)
	case r.values[i].IsNull() || r.values[i].Kind() == k:
		return r.values[i], nil
	}
	return Value{}, notOfKind(r.values[i], k)
}

// Check says what is missing or wrong: null is fine where a field is optional or has a default.
func (r Row) Check() error { return r.schema.checkFields(r.values) }

func (r Row) at(field string) (int, error) {
	i := r.schema.Field(field)
	if i < 0 {
		return 0, fmt.Errorf("%s is not a valid field name", field)
	}
	return i, nil
}
