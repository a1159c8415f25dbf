package plugintest

import (
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/record"
)

// DrawScalar draws a value of a kind that has no parts; ok is false for the others.
func DrawScalar(t *rapid.T, k record.Kind) (v record.Value, ok bool) {
	switch k {
	case record.Int8:
		return record.OfInt8(rapid.Int8().Draw(t, "v")), true
	case record.Int16:
		return record.OfInt16(rapid.Int16().Draw(t, "v")), true
	case record.Int32:
		return record.OfInt32(rapid.Int32().Draw(t, "v")), true
	case record.Int64:
		return record.OfInt64(rapid.Int64().Draw(t, "v")), true
	case record.Float32:
		return record.OfFloat32(rapid.Float32().Draw(t, "v")), true
	case record.Float64:
		return record.OfFloat64(rapid.Float64().Draw(t, "v")), true
	case record.Boolean:
		return record.OfBool(rapid.Bool().Draw(t, "v")), true
	case record.String:
		return record.OfString(rapid.String().Draw(t, "v")), true
	case record.Bytes:
		return record.OfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "v")), true
	}
	return record.Value{}, false
}
