package task

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/store"
)

// Source partitions and offsets are stored as Kafka Connect's JsonConverter without schemas writes them, members sorted
// by name: maps with String keys whose values are null, booleans, numbers, strings or bytes (OffsetUtils.validateFormat).

// checkFlat reports what keeps a partition or an offset from being stored. A null offset is fine.
func checkFlat(v record.Value) error {
	if v.IsNull() {
		return nil
	}
	if v.Kind() != record.Map {
		return plugin.Data("Offsets must be specified as a Map, not as %s", v.Kind())
	}
	pairs := v.Elements()
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].Kind() != record.String {
			return plugin.Data("Offsets may only use String keys, not %s", pairs[i].Kind())
		}
		switch k := pairs[i+1].Kind(); k {
		case record.Null, record.Boolean, record.Int8, record.Int16, record.Int32, record.Int64, record.Float32,
			record.Float64, record.String, record.Bytes:
		case record.Array, record.Map, record.Struct, record.Decimal, record.Instant, record.BigInt:
			return plugin.Data("Offsets may only contain primitive types as values, but field %s contains %s", pairs[i].Text(), k)
		}
	}
	return nil
}

// flatJSON is the JSON of a map that checkFlat has passed.
func flatJSON(v record.Value) []byte {
	pairs := v.Elements()
	order := make([]int, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(pairs[a].Text(), pairs[b].Text()) })
	dst := []byte{'{'}
	for n, i := range order {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, pairs[i].Text()), ':')
		dst = appendScalar(dst, pairs[i+1])
	}
	return append(dst, '}')
}

func appendScalar(dst []byte, v record.Value) []byte {
	switch v.Kind() {
	case record.Null:
		return append(dst, "null"...)
	case record.Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case record.String:
		return appendString(dst, v.Text())
	case record.Bytes:
		dst = append(dst, '"')
		return append(base64.StdEncoding.AppendEncode(dst, v.Bytes()), '"')
	case record.Float32:
		return appendFloat(dst, v.Float(), 32)
	case record.Float64:
		return appendFloat(dst, v.Float(), 64)
	case record.Int8, record.Int16, record.Int32, record.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case record.Array, record.Map, record.Struct, record.Decimal, record.Instant, record.BigInt:
	}
	panic("task: an offset that was not checked")
}

// appendString escapes what Jackson escapes: quotes, backslashes and control characters.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ':
			dst = append(dst, c)
		case strings.IndexByte("\b\f\n\r\t", c) >= 0:
			dst = append(dst, '\\', "bfnrt"[strings.IndexByte("\b\f\n\r\t", c)])
		default:
			dst = fmt.Appendf(dst, `\u%04X`, c)
		}
	}
	return append(dst, '"')
}

// appendFloat writes a number as Java's Double.toString and Float.toString do; what JSON cannot say is quoted, as Jackson
// does.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if a := math.Abs(f); a == 0 || a >= 1e-3 && a < 1e7 {
		n := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		if bytes.IndexByte(dst[n:], '.') < 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent) // of our own making
	return strconv.AppendInt(append(append(dst, mantissa...), 'E'), int64(n), 10)
}

// parseFlat reads a stored offset; nil gives null. Numbers become Int64 where they are integers of that range, else
// Float64.
func parseFlat(text []byte) (record.Value, error) {
	if text == nil {
		return record.Value{}, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		if err == nil && t.Kind() == 'n' {
			return record.Value{}, nil
		}
		return record.Value{}, fmt.Errorf("a stored offset is not a JSON object")
	}
	var pairs []record.Value
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return record.Value{}, fmt.Errorf("read a stored offset: %w", err)
		}
		key := record.OfString(name.String())
		t, err := d.ReadToken()
		if err != nil {
			return record.Value{}, fmt.Errorf("read a stored offset: %w", err)
		}
		v, err := scalar(t)
		if err != nil {
			return record.Value{}, err
		}
		pairs = append(pairs, key, v)
	}
	return record.OfMap(pairs), nil
}

func scalar(t jsontext.Token) (record.Value, error) {
	switch t.Kind() {
	case 'n':
		return record.Value{}, nil
	case 't', 'f':
		return record.OfBool(t.Bool()), nil
	case '"':
		return record.OfString(t.String()), nil
	case '0':
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return record.OfInt64(n), nil
		}
		f, err := strconv.ParseFloat(t.String(), 64)
		if err != nil {
			return record.Value{}, fmt.Errorf("read a stored offset: %w", err)
		}
		return record.OfFloat64(f), nil
	default:
		return record.Value{}, fmt.Errorf("a stored offset has a nested value")
	}
}

// reader is what a source task may ask about the stored offsets of its instance.
type reader struct {
	offsets  store.Offsets
	instance string
}

func (r reader) Read(ctx context.Context, partitions ...record.Value) ([]record.Value, error) {
	keys := make([][]byte, len(partitions))
	for i, p := range partitions {
		if err := checkFlat(p); err != nil {
			return nil, err
		}
		if p.IsNull() {
			return nil, plugin.Data("a source partition must be a Map, not null")
		}
		keys[i] = flatJSON(p)
	}
	texts, err := r.offsets.Read(ctx, r.instance, keys)
	if err != nil {
		return nil, fmt.Errorf("read the offsets of %s: %w", r.instance, err)
	}
	values := make([]record.Value, len(texts))
	for i, text := range texts {
		if values[i], err = parseFlat(text); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// ReadOffset makes a value of the JSON of a partition or an offset; nil and null give null. Integers become Int64, other
// numbers Float64. What has a nested value, or is no object, cannot be one (Kafka Connect: OffsetUtils.validateFormat).
func ReadOffset(text []byte) (record.Value, error) {
	if text == nil {
		return record.Value{}, nil
	}
	if err := checkText(text); err != nil {
		return record.Value{}, err
	}
	return parseFlat(text)
}

// checkText finds the first member with a nested value.
func checkText(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if d.PeekKind() != '{' {
		return nil // parseFlat says what it is
	}
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("read an offset: %w", err)
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return fmt.Errorf("read an offset: %w", err)
		}
		field := name.String()
		switch d.PeekKind() {
		case '{':
			return plugin.Data("Offsets may only contain primitive types as values, but field %s contains %s", field, record.Map)
		case '[':
			return plugin.Data("Offsets may only contain primitive types as values, but field %s contains %s", field, record.Array)
		}
		if err := d.SkipValue(); err != nil {
			return fmt.Errorf("read an offset: %w", err)
		}
	}
	return nil
}

// WriteOffset is the JSON under which a partition or an offset is stored; null gives nil.
func WriteOffset(v record.Value) ([]byte, error) {
	if v.IsNull() {
		return nil, nil
	}
	if err := checkFlat(v); err != nil {
		return nil, err
	}
	return flatJSON(v), nil
}
