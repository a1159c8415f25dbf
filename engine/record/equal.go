package record

import (
	"encoding/binary"
	"math"
	"slices"
)

// Equal compares deeply: the same kind and the same content. Numbers of different kinds differ, decimals of different
// scale differ, NaN equals NaN and 0.0 differs from -0.0 (Java's equals on boxed numbers); entries of a map may stand in
// any order.
func (v Value) Equal(w Value) bool {
	k := v.Kind()
	if k != w.Kind() {
		return false
	}
	switch k {
	case Null:
		return true
	case String:
		return v.Text() == w.Text()
	case Bytes:
		return string(v.Bytes()) == string(w.Bytes())
	case Float32, Float64:
		return v.num == w.num || v.Float() != v.Float() && w.Float() != w.Float()
	case Decimal:
		a, b := v.Decimal(), w.Decimal()
		return a.Scale == b.Scale && a.Unscaled.Cmp(b.Unscaled) == 0
	case BigInt:
		return v.BigInt().Cmp(w.BigInt()) == 0
	case Array, Struct:
		return slices.EqualFunc(v.Elements(), w.Elements(), Value.Equal)
	case Map:
		return mapsEqual(v.Elements(), w.Elements())
	default:
		return v.num == w.num
	}
}

func mapsEqual(a, b []Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i += 2 {
		found := false
		for j := 0; j < len(b) && !found; j += 2 {
			found = a[i].Equal(b[j]) && a[i+1].Equal(b[j+1])
		}
		if !found {
			return false
		}
	}
	return true
}

// AppendCanonical appends an encoding that is equal for, and only for, values that mean the same source partition:
// integers of any width are one kind, so are floats, and entries of a map are sorted by their encoded key.
func (v Value) AppendCanonical(dst []byte) []byte {
	k := v.Kind()
	switch k {
	case Null:
		return append(dst, byte(Null))
	case Int8, Int16, Int32, Int64:
		return binary.BigEndian.AppendUint64(append(dst, byte(Int64)), v.num)
	case Float32, Float64:
		return binary.BigEndian.AppendUint64(append(dst, byte(Float64)), math.Float64bits(v.Float()))
	case Boolean, Instant:
		return binary.BigEndian.AppendUint64(append(dst, byte(k)), v.num)
	case String:
		dst = binary.AppendUvarint(append(dst, byte(k)), v.num)
		return append(dst, v.Text()...)
	case Bytes:
		dst = binary.AppendUvarint(append(dst, byte(k)), v.num)
		return append(dst, v.Bytes()...)
	case Decimal:
		d := v.Decimal()
		dst = binary.BigEndian.AppendUint32(append(dst, byte(k)), uint32(d.Scale))
		return appendText(dst, d.Unscaled.String())
	case BigInt:
		return appendText(append(dst, byte(k)), v.BigInt().String())
	case Map:
		pairs := v.Elements()
		entries := make([]string, 0, len(pairs)/2)
		for i := 0; i < len(pairs); i += 2 {
			entries = append(entries, string(pairs[i+1].AppendCanonical(pairs[i].AppendCanonical(nil))))
		}
		slices.Sort(entries)
		dst = binary.AppendUvarint(append(dst, byte(k)), v.num)
		for _, e := range entries {
			dst = append(dst, e...)
		}
		return dst
	default: // Array, Struct
		dst = binary.AppendUvarint(append(dst, byte(k)), v.num)
		for _, e := range v.Elements() {
			dst = e.AppendCanonical(dst)
		}
		return dst
	}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
