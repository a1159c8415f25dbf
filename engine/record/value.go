package record

import (
	"math"
	"math/big"
	"unsafe"
)

// Kind is the type of a schema or the class of a value. The first thirteen are the types of Kafka Connect's Schema.Type
// (Null stands for "no type"); the last three are classes that only values have: what Java holds in a BigDecimal, a
// java.util.Date or a BigInteger.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Int8
	Int16
	Int32
	Int64
	Float32
	Float64
	Boolean
	String
	Bytes
	Array
	Map
	Struct
	Decimal // an exact number: unscaled digits and a scale
	Instant // milliseconds since the epoch: the value of Date, Time and Timestamp alike
	BigInt  // an integer of any size
)

var kindNames = [...]string{"NULL", "INT8", "INT16", "INT32", "INT64", "FLOAT32", "FLOAT64", "BOOLEAN", "STRING", "BYTES", "ARRAY", "MAP", "STRUCT", "DECIMAL", "INSTANT", "BIGINT"} //nolint:gochecknoglobals // a literal

// String is the name in upper case, as Kafka Connect's messages print it.
func (k Kind) String() string { return kindNames[k] }

// Value is one datum, 24 bytes. The zero Value is null. Scalars, strings and byte slices cost no allocation; a composite
// refers to its elements, which normally lie in the [Arena] of a batch and live as long as the batch does. A Value is
// immutable: whoever changes a field writes a Value into a slice of its own.
//
// A struct's fields are in the order of its schema, which the place gives (the [Datum], the field, the element); a map's
// entries are key, value, key, value in order of insertion.
type Value struct {
	num uint64 // a number's bits, or a length
	ref any    // a Kind for scalars, or a pointer type below
}

type (
	stringPtr *byte
	bytesPtr  *byte
	arrayPtr  *Value
	mapPtr    *Value
	structPtr *Value
)

// Dec is an exact decimal number: Unscaled × 10^-Scale. It is immutable, and what an [Arena] lent lives as long as its batch.
type Dec struct {
	Unscaled *big.Int
	Scale    int32
}

// The functions Of… make a Value of each kind. Strings, byte slices and elements are referred to, not copied.

// OfInt8 makes an Int8.
func OfInt8(n int8) Value { return Value{uint64(n), Int8} }

// OfInt16 makes an Int16.
func OfInt16(n int16) Value { return Value{uint64(n), Int16} }

// OfInt32 makes an Int32.
func OfInt32(n int32) Value { return Value{uint64(n), Int32} }

// OfInt64 makes an Int64.
func OfInt64(n int64) Value { return Value{uint64(n), Int64} }

// OfFloat32 makes a Float32 with exactly these bits.
func OfFloat32(f float32) Value { return Value{uint64(math.Float32bits(f)), Float32} }

// OfFloat64 makes a Float64 with exactly these bits.
func OfFloat64(f float64) Value { return Value{math.Float64bits(f), Float64} }

// OfBool makes a Boolean.
func OfBool(b bool) Value {
	if b {
		return Value{1, Boolean}
	}
	return Value{0, Boolean}
}

// OfString makes a String.
func OfString(s string) Value { return Value{uint64(len(s)), stringPtr(unsafe.StringData(s))} }

// OfText makes a String that refers to b, which nobody may change as long as the value lives.
func OfText(b []byte) Value { return Value{uint64(len(b)), stringPtr(unsafe.SliceData(b))} }

// OfBytes makes a Bytes value that refers to b. A nil slice gives an empty value, not null.
func OfBytes(b []byte) Value { return Value{uint64(len(b)), bytesPtr(unsafe.SliceData(b))} }

// OfArray makes an Array of elements.
func OfArray(elements []Value) Value {
	return Value{uint64(len(elements)), arrayPtr(unsafe.SliceData(elements))}
}

// OfMap makes a Map of alternating keys and values; an odd length panics.
func OfMap(pairs []Value) Value {
	if len(pairs)%2 != 0 {
		panic("record: a map needs as many values as keys")
	}
	return Value{uint64(len(pairs)), mapPtr(unsafe.SliceData(pairs))}
}

// OfStruct makes a Struct of fields in the order of the schema that its place gives.
func OfStruct(fields []Value) Value {
	return Value{uint64(len(fields)), structPtr(unsafe.SliceData(fields))}
}

// OfDecimal makes a Decimal.
func OfDecimal(unscaled *big.Int, scale int32) Value { return Value{0, &Dec{unscaled, scale}} }

// OfInstant makes an Instant of milliseconds since the epoch, in UTC.
func OfInstant(millis int64) Value { return Value{uint64(millis), Instant} }

// OfBigInt makes a BigInt.
func OfBigInt(n *big.Int) Value { return Value{0, n} }

// Kind says what the value is.
func (v Value) Kind() Kind {
	switch r := v.ref.(type) {
	case Kind:
		return r
	case stringPtr:
		return String
	case structPtr:
		return Struct
	case mapPtr:
		return Map
	case arrayPtr:
		return Array
	case bytesPtr:
		return Bytes
	case *Dec:
		return Decimal
	case *big.Int:
		return BigInt
	default:
		return Null
	}
}

// IsNull reports whether the value is null.
func (v Value) IsNull() bool { return v.ref == nil }

// The accessors below panic on a value of another kind: a mistake in the program, never in the data.

// Int is an Int8, Int16, Int32, Int64 or, in milliseconds, an Instant.
func (v Value) Int() int64 {
	switch k, _ := v.ref.(Kind); k {
	case Int8, Int16, Int32, Int64, Instant:
		return int64(v.num)
	}
	panic("record: Int of a " + v.Kind().String())
}

// Float is a Float32 or Float64.
func (v Value) Float() float64 {
	switch k, _ := v.ref.(Kind); k {
	case Float32:
		return float64(math.Float32frombits(uint32(v.num)))
	case Float64:
		return math.Float64frombits(v.num)
	}
	panic("record: Float of a " + v.Kind().String())
}

// Float32 is a Float32 with its exact bits, NaN payload included.
func (v Value) Float32() float32 {
	if k, _ := v.ref.(Kind); k != Float32 {
		panic("record: Float32 of a " + v.Kind().String())
	}
	return math.Float32frombits(uint32(v.num))
}

// Bits is a number, Boolean or Instant of kind k: an integer as an int64, a float by its bits, a Boolean as 0 or 1; ok is
// false of any other value. It is what a loop calls that knows what it expects.
func (v *Value) Bits(k Kind) (bits uint64, ok bool) {
	is, ok := v.ref.(Kind)
	return v.num, ok && is == k
}

// AsText is Text of a String, likewise.
func (v *Value) AsText() (text string, ok bool) {
	p, ok := v.ref.(stringPtr)
	if !ok {
		return "", false
	}
	return unsafe.String(p, int(v.num)), true
}

// AsDecimal is Decimal of a Decimal, likewise.
func (v *Value) AsDecimal() (d *Dec, ok bool) {
	d, ok = v.ref.(*Dec)
	return d, ok
}

// Bool is a Boolean.
func (v Value) Bool() bool {
	if k, _ := v.ref.(Kind); k != Boolean {
		panic("record: Bool of a " + v.Kind().String())
	}
	return v.num != 0
}

// Text is a String. It refers to the value's memory.
func (v Value) Text() string {
	p, ok := v.ref.(stringPtr)
	if !ok {
		panic("record: Text of a " + v.Kind().String())
	}
	return unsafe.String(p, int(v.num))
}

// Bytes is a Bytes value. The slice refers to the value's memory and must not be changed.
func (v Value) Bytes() []byte {
	p, ok := v.ref.(bytesPtr)
	if !ok {
		panic("record: Bytes of a " + v.Kind().String())
	}
	return unsafe.Slice(p, int(v.num))
}

// Elements are those of an Array, the fields of a Struct, or the alternating keys and values of a Map. The slice must not
// be changed.
func (v Value) Elements() []Value {
	switch p := v.ref.(type) {
	case structPtr:
		return unsafe.Slice(p, int(v.num))
	case arrayPtr:
		return unsafe.Slice(p, int(v.num))
	case mapPtr:
		return unsafe.Slice(p, int(v.num))
	}
	panic("record: Elements of a " + v.Kind().String())
}

// Fields are the fields of a struct; false: v is another kind, or null. It is Elements behind a look at Kind, in one step.
func (v Value) Fields() ([]Value, bool) {
	p, ok := v.ref.(structPtr)
	if !ok {
		return nil, false
	}
	return unsafe.Slice(p, int(v.num)), true
}

// Decimal is a Decimal.
func (v Value) Decimal() *Dec {
	d, ok := v.ref.(*Dec)
	if !ok {
		panic("record: Decimal of a " + v.Kind().String())
	}
	return d
}

// BigInt is a BigInt; it must not be changed.
func (v Value) BigInt() *big.Int {
	n, ok := v.ref.(*big.Int)
	if !ok {
		panic("record: BigInt of a " + v.Kind().String())
	}
	return n
}

// Get is the value under a String key of a Map; found is false when there is none. It looks at every entry.
func (v Value) Get(key string) (value Value, found bool) {
	pairs := v.Elements()
	for i := 0; i < len(pairs); i += 2 {
		if p, ok := pairs[i].ref.(stringPtr); ok && unsafe.String(p, int(pairs[i].num)) == key {
			return pairs[i+1], true
		}
	}
	return Value{}, false
}

// Clone copies the value with everything that it refers to, so that it outlives the batch it came from.
func (v Value) Clone() Value {
	switch p := v.ref.(type) {
	case stringPtr:
		return OfText(append([]byte(nil), unsafe.Slice(p, int(v.num))...))
	case bytesPtr:
		return OfBytes(append([]byte(nil), unsafe.Slice(p, int(v.num))...))
	case arrayPtr:
		return OfArray(cloneAll(unsafe.Slice(p, int(v.num))))
	case mapPtr:
		return OfMap(cloneAll(unsafe.Slice(p, int(v.num))))
	case structPtr:
		return OfStruct(cloneAll(unsafe.Slice(p, int(v.num))))
	case *Dec:
		return OfDecimal(new(big.Int).Set(p.Unscaled), p.Scale)
	}
	return v
}

func cloneAll(vs []Value) []Value {
	c := make([]Value, len(vs))
	for i, v := range vs {
		c[i] = v.Clone()
	}
	return c
}
