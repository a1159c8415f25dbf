package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// value appends a default as Avro's JSON has it (AvroData.defaultValueFromConnect).
func (d *deriver) value(dst []byte, s *record.Schema, v record.Value) (jsontext.Value, error) {
	wrong := func() (jsontext.Value, error) {
		return nil, plugin.Data("Invalid type used for default value of %s field: class %s", s.Kind, v.Kind().JavaClass())
	}
	if v.IsNull() {
		return append(dst, "null"...), nil
	}
	k := v.Kind()
	switch {
	case k == record.Instant:
		n, err := millis(s, v)
		return strconv.AppendInt(dst, n, 10), err
	case k == record.Decimal:
		b, err := unscaled(nil, s, v)
		return appendLatin(dst, b), err
	case k != s.Kind:
		return wrong()
	}
	var err error
	switch k {
	case record.Array:
		dst = append(dst, '[')
		for i, e := range v.Elements() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = d.value(dst, s.Elem, e); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case record.Map:
		return d.pairs(dst, s, v.Elements())
	case record.Struct:
		if len(v.Elements()) != len(s.Fields) {
			return wrong()
		}
		return d.members(dst, s, v.Elements())
	}
	return scalarDefault(dst, v), nil
}

// scalarDefault appends a number, boolean, text or bytes.
func scalarDefault(dst []byte, v record.Value) jsontext.Value {
	switch v.Kind() {
	case record.Float32, record.Float64:
		f := v.Float()
		quoted := math.IsNaN(f) || math.IsInf(f, 0)
		if quoted {
			dst = append(dst, '"')
		}
		if v.Kind() == record.Float32 {
			dst = record.AppendFloat32(dst, v.Float32())
		} else {
			dst = record.AppendFloat64(dst, f)
		}
		if quoted {
			dst = append(dst, '"')
		}
		return dst
	case record.Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case record.String:
		return append(dst, quote(v.Text())...)
	case record.Bytes:
		return appendLatin(dst, v.Bytes())
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

func (d *deriver) pairs(dst []byte, s *record.Schema, pairs []record.Value) (_ jsontext.Value, err error) {
	object := plainKeys(s, d.set)
	open, shut := byte('['), byte(']')
	if object {
		open, shut = '{', '}'
	}
	dst = append(dst, open)
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !object {
			dst = append(dst, '[')
		}
		if dst, err = d.value(dst, s.Key, pairs[i]); err != nil {
			return nil, err
		}
		dst = append(dst, map[bool]byte{true: ':', false: ','}[object])
		if dst, err = d.value(dst, s.Elem, pairs[i+1]); err != nil {
			return nil, err
		}
		if !object {
			dst = append(dst, ']')
		}
	}
	return append(dst, shut), nil
}

func (d *deriver) members(dst []byte, s *record.Schema, fields []record.Value) (_ jsontext.Value, err error) {
	if isUnion(s) {
		for i, f := range s.Fields {
			if !fields[i].IsNull() {
				return d.value(dst, f.Schema, fields[i])
			}
		}
		return append(dst, "null"...), nil
	}
	dst = append(dst, '{')
	for i, f := range s.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		name := f.Name
		if d.set.Scrub {
			name = scrub(name)
		}
		v := fields[i]
		if v.IsNull() && f.Schema.HasDefault {
			v = f.Schema.Default
		}
		if dst, err = d.value(append(append(dst, quote(name)...), ':'), f.Schema, v); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendLatin writes bytes as a string of the characters of these numbers.
func appendLatin(dst, b []byte) jsontext.Value {
	text := make([]byte, 0, 2*len(b))
	for _, c := range b {
		text = utf8.AppendRune(text, rune(c))
	}
	return append(dst, quote(string(text))...)
}

// latin is the reverse; not ok: a character is no byte.
func latin(raw jsontext.Value) (b []byte, ok bool) {
	if raw.Kind() != '"' {
		return nil, false
	}
	b = []byte{}
	for _, c := range unquote(raw) {
		if c > 0xFF {
			return nil, false
		}
		b = append(b, byte(c))
	}
	return b, true
}

// valid says whether JSON is a default of a type. A union's may be that of any branch, as in Avro from 1.12 on.
func valid(n *node, raw jsontext.Value) bool {
	_, err := appendDefault(nil, n, raw, defaultBudget())
	return err == nil
}

var errDefault = errors.New("a default does not fit its type")

// defaultBudget bounds the work that a default may make: those of a record's fields may call for each other.
func defaultBudget() *int { return new(20_000) }

// appendDefault writes a default in Avro's binary encoding. It takes what it visits off left.
func appendDefault(dst []byte, n *node, raw jsontext.Value, left *int) ([]byte, error) {
	if *left--; *left < 0 {
		return nil, errDefault
	}
	switch n.kind {
	case array:
		return appendArrayDefault(dst, n, raw, left)
	case mapKind:
		return appendMapDefault(dst, n, raw, left)
	case recordKind:
		return appendRecordDefault(dst, n, raw, left)
	case union:
		for i, b := range n.branches {
			if out, err := appendDefault(binary.AppendVarint(dst, int64(i)), b, raw, left); err == nil {
				return out, nil
			}
		}
		return nil, errDefault
	}
	return appendScalarDefault(dst, n, raw)
}

func appendScalarDefault(dst []byte, n *node, raw jsontext.Value) ([]byte, error) {
	switch n.kind {
	case null:
		if raw.Kind() == 'n' {
			return dst, nil
		}
	case boolean:
		if raw.Kind() == 't' || raw.Kind() == 'f' {
			return append(dst, map[jsontext.Kind]byte{'t': 1, 'f': 0}[raw.Kind()]), nil
		}
	case intKind, long:
		bits := map[kind]int{intKind: 32, long: 64}[n.kind]
		if i, err := strconv.ParseInt(string(raw), 10, bits); err == nil {
			return binary.AppendVarint(dst, i), nil
		}
	case float, double:
		return appendFloatDefault(dst, n.kind, raw)
	case bytesKind, fixed:
		if b, ok := latin(raw); ok && (n.kind == bytesKind || len(b) == n.size) {
			if n.kind == bytesKind {
				dst = binary.AppendVarint(dst, int64(len(b)))
			}
			return append(dst, b...), nil
		}
	case stringKind:
		if raw.Kind() == '"' {
			s := unquote(raw)
			return append(binary.AppendVarint(dst, int64(len(s))), s...), nil
		}
	case enum:
		for i, symbol := range n.symbols {
			if raw.Kind() == '"' && unquote(raw) == symbol {
				return binary.AppendVarint(dst, int64(i)), nil
			}
		}
	}
	return nil, errDefault
}

func appendMapDefault(dst []byte, n *node, raw jsontext.Value, left *int) ([]byte, error) {
	m, err := membersOf(raw)
	if err != nil {
		return nil, errDefault
	}
	if len(m) > 0 {
		dst = binary.AppendVarint(dst, int64(len(m)))
	}
	for _, p := range m {
		dst = append(binary.AppendVarint(dst, int64(len(p.key))), p.key...)
		if dst, err = appendDefault(dst, n.items, p.raw, left); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

func appendFloatDefault(dst []byte, k kind, raw jsontext.Value) ([]byte, error) {
	text := string(raw)
	if raw.Kind() == '"' {
		if text = unquote(raw); text != "NaN" && text != "Infinity" && text != "-Infinity" {
			return nil, errDefault
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errDefault
	}
	if k == float {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

func appendArrayDefault(dst []byte, n *node, raw jsontext.Value, left *int) ([]byte, error) {
	if raw.Kind() != '[' {
		return nil, errDefault
	}
	var items [][]byte
	err := elements(raw, func(v jsontext.Value) error {
		item, err := appendDefault(nil, n.items, v, left)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, errDefault
	}
	if len(items) > 0 {
		dst = binary.AppendVarint(dst, int64(len(items)))
	}
	for _, item := range items {
		dst = append(dst, item...)
	}
	return append(dst, 0), nil
}

// appendRecordDefault takes an object or, as AvroData writes the entries of a map, an array of the fields.
func appendRecordDefault(dst []byte, n *node, raw jsontext.Value, left *int) (_ []byte, err error) {
	if raw.Kind() == '[' && isEntry(n) {
		i := 0
		err := elements(raw, func(v jsontext.Value) (err error) {
			if i == len(n.fields) {
				return errDefault
			}
			dst, err = appendDefault(dst, n.fields[i].node, v, left)
			i++
			return err
		})
		if err != nil || i != len(n.fields) {
			return nil, errDefault
		}
		return dst, nil
	}
	m, err := membersOf(raw)
	if err != nil {
		return nil, errDefault
	}
	for i := range n.fields {
		f := &n.fields[i]
		v, ok := m.get(f.name)
		if !ok {
			v = f.def
		}
		if v == nil {
			return nil, fmt.Errorf("%w: the field %s is missing", errDefault, f.name)
		}
		if dst, err = appendDefault(dst, f.node, v, left); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// isEntry says whether a record is the entry of a map with other keys than strings.
func isEntry(n *node) bool {
	if n.kind != recordKind {
		return false
	}
	internal, _ := n.text(internalProp)
	return n.space == space && n.name == entryName || internal == entryName
}
