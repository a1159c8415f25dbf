package topic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/config"
)

const upperHex = "0123456789ABCDEF"

// appendText appends a JSON string as Jackson writes it, since offsets are found by the bytes of their keys: few escapes,
// upper-case hex digits, and characters outside the basic plane as escaped surrogate pairs.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			dst = appendControl(dst, byte(r))
		case r > 0xffff:
			r -= 0x10000
			dst = appendUnit(appendUnit(dst, 0xd800+r>>10), 0xdc00+r&0x3ff)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

func appendControl(dst []byte, c byte) []byte {
	if i := bytes.IndexByte([]byte("\b\t\n\f\r"), c); i >= 0 {
		return append(dst, '\\', "btnfr"[i])
	}
	return appendUnit(dst, rune(c))
}

func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', upperHex[u>>12&15], upperHex[u>>8&15], upperHex[u>>4&15], upperHex[u&15])
}

// encodeProperties makes {"properties":{…}}, the value of connector and task records. The order of properties carries no
// meaning; sorted, equal configurations are equal bytes.
func encodeProperties(m config.Map) []byte {
	dst := []byte(`{"properties":{`)
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, k), ':')
		dst = appendText(dst, m[k])
	}
	return append(dst, "}}"...)
}

// errValue is a value of another shape than its key asks for.
var errValue = errors.New("the value has another shape")

// members calls take for each member of a JSON object with the decoder before its value, which take reads. An object of the
// two members "schema" and "payload", as workers before Kafka 3.0 could be told to write, stands for its payload.
func members(value []byte, take func(name string, d *jsontext.Decoder) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(value), jsontext.AllowDuplicateNames(true))
	switch d.PeekKind() {
	case '{':
	case 0:
		_, err := d.ReadToken()
		return fmt.Errorf("no JSON: %w", err)
	default:
		return errValue
	}
	if payload, ok := enveloped(value); ok {
		d = jsontext.NewDecoder(bytes.NewBuffer(payload), jsontext.AllowDuplicateNames(true))
		if d.PeekKind() != '{' {
			return errValue
		}
	}
	if err := object(d, take); err != nil {
		return err
	}
	if d.PeekKind() != 0 { // one value, and nothing that is no JSON after it
		return errValue
	}
	return nil
}

// enveloped takes the payload out of an envelope.
func enveloped(value []byte) (payload []byte, ok bool) {
	if !bytes.HasPrefix(value, []byte(`{"schema":`)) && !bytes.Contains(value, []byte(`"payload":`)) {
		return nil, false
	}
	count := 0
	d := jsontext.NewDecoder(bytes.NewBuffer(value), jsontext.AllowDuplicateNames(true))
	err := object(d, func(name string, d *jsontext.Decoder) error {
		raw, err := d.ReadValue()
		switch name {
		case "payload":
			payload = bytes.Clone(raw)
			count++
		case "schema":
			count++
		default:
			count = -1 << 20
		}
		return err
	})
	return payload, err == nil && count == 2 && payload != nil
}

// object reads an object, whose opening brace is next.
func object(d *jsontext.Decoder, take func(name string, d *jsontext.Decoder) error) error {
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return errors.Join(errValue, err)
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := take(t.String(), d); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// text reads a string; ok is false for another kind of value, which is read all the same.
func text(d *jsontext.Decoder) (s string, ok bool, err error) {
	if d.PeekKind() != '"' {
		return "", false, d.SkipValue()
	}
	t, err := d.ReadToken()
	if err != nil {
		return "", false, err
	}
	return t.String(), true, nil
}

// integer reads a number without a fraction; ok as in text.
func integer(d *jsontext.Decoder) (n int64, ok bool, err error) {
	raw, err := d.ReadValue()
	if err != nil {
		return 0, false, err
	}
	n, parse := strconv.ParseInt(string(raw), 10, 64)
	return n, parse == nil, nil
}

// decodeProperties reads what encodeProperties wrote, or a worker of Kafka Connect. A property that is null is left out,
// as it means the same; a number or boolean becomes its text.
func decodeProperties(value []byte, names map[string]string) (config.Map, error) {
	var m config.Map
	err := members(value, func(name string, d *jsontext.Decoder) error {
		if name != "properties" || d.PeekKind() != '{' {
			return d.SkipValue()
		}
		m = config.Map{}
		return object(d, func(name string, d *jsontext.Decoder) error {
			v, isNull, err := property(d)
			if err != nil || isNull {
				return err
			}
			m[intern(names, name)] = intern(names, v)
			return nil
		})
	})
	if err == nil && m == nil {
		err = errValue
	}
	return m, err
}

// property reads the value of a property.
func property(d *jsontext.Decoder) (v string, isNull bool, err error) {
	switch d.PeekKind() {
	case '{', '[':
		return "", false, errValue
	case '"':
		v, _, err = text(d)
		return v, false, err
	}
	raw, err := d.ReadValue()
	return string(raw), err == nil && raw.Kind() == 'n', err
}

// internable bounds what is worth sharing: names of properties, classes and small numbers come again and again.
const (
	internable = 64
	mostShared = 1 << 14
)

// intern returns the one copy of a short text.
func intern(known map[string]string, s string) string {
	if len(s) > internable {
		return s
	}
	if same, ok := known[s]; ok {
		return same
	}
	if len(known) < mostShared {
		known[s] = s
	}
	return s
}

// marshal encodes without escaping what only browsers mind.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
