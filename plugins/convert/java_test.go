package convert_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/convert"
)

const (
	jsonClass   = "org.apache.kafka.connect.json.JsonConverter"
	stringClass = "org.apache.kafka.connect.storage.StringConverter"
	simpleClass = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
	classes     = "org.apache.kafka.connect.converters."
)

// TestBesideJava gives random data and random messages to our converters and to Kafka Connect's: the same bytes, the same
// schemas and values, the same failures.
func TestBesideJava(t *testing.T) {
	java := vector.StartJava(t)
	beside := func(name string, draw func(*vector.Random) string) {
		t.Run(name, func(t *testing.T) { java.Beside(t, draw, keeping(t)) })
	}
	beside("json/write", func(r *vector.Random) string { return writing(r, jsonClass, jsonConfig(r)) })
	beside("json/read", func(r *vector.Random) string { return reading(r, jsonClass, jsonConfig(r), jsonMessage(r)) })
	beside("json/content", func(r *vector.Random) string {
		s := r.Schema()
		c := plugin.Config{"schema.content": string(schemaJSON(r, s)), "replace.null.with.default": strconv.FormatBool(r.Chance(2))}
		return reading(r, jsonClass, c, damagedJSON(r, payload(r, s)))
	})
	beside("string/write", func(r *vector.Random) string {
		for {
			// The text of a byte array is its address.
			if text := writing(r, stringClass, stringConfig(r)); !strings.Contains(text, `{"bytes":`) {
				return text
			}
		}
	})
	beside("string/read", func(r *vector.Random) string {
		return reading(r, stringClass, stringConfig(r), vector.Pick(r, r.Bytes(), damaged(r, []byte(r.Text(false)))))
	})
	for _, c := range []string{"ByteArray", "Boolean", "Short", "Integer", "Long", "Float", "Double"} {
		class := classes + c + "Converter"
		beside(strings.ToLower(c)+"/write", func(r *vector.Random) string { return writing(r, class, plugin.Config{}) })
		beside(strings.ToLower(c)+"/read", func(r *vector.Random) string {
			return reading(r, class, plugin.Config{}, r.Bytes())
		})
	}
	beside("simple/write", func(r *vector.Random) string { return writing(r, simpleClass, plugin.Config{}) })
	beside("simple/read", func(r *vector.Random) string {
		return reading(r, simpleClass, plugin.Config{}, vector.Pick(r, r.Bytes(), damaged(r, []byte(r.Notation()))))
	})
}

// keeping tries cases with converters that have seen the cases before, as the converters of Java have.
func keeping(t *testing.T) func(*vector.Case) error {
	registry, err := plugin.NewRegistry(convert.Descriptors())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]plugin.Converter{}
	return func(c *vector.Case) error {
		id := fmt.Sprint(c.Request.Class, c.Request.Config, use(&c.Request))
		converter := kept[id]
		if converter == nil {
			if converter, err = configured(registry, c); err != nil {
				return c.Expect.Error.Check("configure", 0, err)
			}
			if len(kept) > 1000 {
				clear(kept)
			}
			kept[id] = converter
		}
		return tryConverter(converter, c)
	}
}

// request writes a request to a converter in the notation.
func request(r *vector.Random, class string, c plugin.Config, more string) string {
	config, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	op := "converter"
	if class == simpleClass || r.Chance(4) {
		op = "header_converter"
	}
	return fmt.Sprintf(`{"op":%q,"class":%q,"config":%s,"key":%t,"topic":"t",%s}`, op, class, config, r.Chance(2), more)
}

func writing(r *vector.Random, class string, c plugin.Config) string {
	var d record.Datum
	if !r.Chance(4) {
		d.Schema = r.Schema()
	}
	d.Value = r.Wrong(d.Schema)
	return request(r, class, c, `"dir":"write",`+vector.ShowDatum(d))
}

func reading(r *vector.Random, class string, c plugin.Config, message []byte) string {
	if r.Chance(100) {
		return request(r, class, c, `"dir":"read","bytes":null`)
	}
	return request(r, class, c, fmt.Sprintf(`"dir":"read","bytes":%q`, base64.StdEncoding.EncodeToString(message)))
}

var longNumber = regexp.MustCompile(`[0-9]{300}`)

// damagedJSON spoils some messages, but not with a byte 0xFF: Jackson pads the names that it remembers with it, and takes a
// name that begins with one for another that it has seen. Nor those with long numbers, in which Jackson does not mind an
// exponent that no number can have.
func damagedJSON(r *vector.Random, message []byte) []byte {
	if longNumber.Match(message) {
		return message
	}
	return bytes.ReplaceAll(damaged(r, message), []byte{0xFF}, []byte{0xFE})
}

// damaged spoils some messages.
func damaged(r *vector.Random, message []byte) []byte {
	if r.Chance(3) {
		return r.Mutated(message)
	}
	return message
}

func stringConfig(r *vector.Random) plugin.Config {
	if r.Chance(2) {
		return plugin.Config{}
	}
	return plugin.Config{"converter.encoding": vector.Pick(r, "UTF-8", "utf8", "ISO-8859-1", "windows-1252", "US-ASCII", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE")}
}

func jsonConfig(r *vector.Random) plugin.Config {
	c := plugin.Config{}
	if r.Chance(2) {
		c["schemas.enable"] = strconv.FormatBool(r.Chance(3))
	}
	if r.Chance(2) {
		c["decimal.format"] = vector.Pick(r, "NUMERIC", "BASE64", "numeric")
	}
	if r.Chance(2) {
		c["replace.null.with.default"] = strconv.FormatBool(r.Chance(3))
	}
	return c
}

// jsonMessage draws an envelope, something that is not quite one, or any JSON.
func jsonMessage(r *vector.Random) []byte {
	if r.Chance(4) {
		return damagedJSON(r, anyJSON(r))
	}
	s := r.Schema()
	schema, data := schemaJSON(r, s), payload(r, s)
	if r.Chance(20) {
		schema, data = []byte("null"), anyJSON(r)
	}
	members := [][]byte{member(r, "schema", schema), member(r, "payload", data)}
	if r.Chance(10) {
		members = append(members, member(r, vector.Pick(r, "schema", "payload", "x"), vector.Pick(r, schema, data)))
	}
	message := object(r, members)
	if len(message) < 1000 && r.Chance(40) { // Jackson's limit on digits is another one there
		return wide(r, message)
	}
	return damagedJSON(r, message)
}

// wide is a message in UTF-16 or UTF-32, with or without a byte order mark.
func wide(r *vector.Random, message []byte) []byte {
	text := vector.Pick(r, "", "\ufeff") + string(message)
	order := vector.Pick[binary.AppendByteOrder](r, binary.BigEndian, binary.LittleEndian)
	var dst []byte
	if r.Chance(2) {
		for _, c := range text {
			dst = order.AppendUint32(dst, uint32(c))
		}
		return dst
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		dst = order.AppendUint16(dst, unit)
	}
	return dst
}

func member(r *vector.Random, name string, value []byte) []byte {
	return bytes.Join([][]byte{quoted(r, name), value}, []byte(blank(r)+":"+blank(r)))
}

// object writes members, now and then in another order.
func object(r *vector.Random, members [][]byte) []byte {
	if r.Chance(6) {
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	return sequence(r, '{', members, '}')
}

func sequence(r *vector.Random, open byte, parts [][]byte, end byte) []byte {
	dst := append([]byte{open}, blank(r)...)
	dst = append(dst, bytes.Join(parts, []byte(blank(r)+","+blank(r)))...)
	return append(append(dst, blank(r)...), end)
}

func blank(r *vector.Random) string {
	if r.Chance(40) {
		return vector.Pick(r, " ", "\n", "\t", "\r", "  \n")
	}
	return ""
}

// quoted writes a string, with the escapes that it needs and others.
func quoted(r *vector.Random, s string) []byte {
	dst := []byte{'"'}
	for _, c := range s {
		switch {
		case c == '"' || c == '\\' || c < ' ' || r.Chance(60):
			if c > math.MaxUint16 {
				c -= 0x10000
				dst = fmt.Appendf(dst, `\u%04x\u%04X`, 0xD800+c>>10, 0xDC00+c&0x3FF)
				continue
			}
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}

// anyJSON draws a value that need not fit any schema.
func anyJSON(r *vector.Random) []byte {
	inner, ok := r.Smaller()
	switch n := r.IntN(12); {
	case n < 2 && ok:
		var parts [][]byte
		for range r.Count() {
			parts = append(parts, anyJSON(inner))
		}
		return sequence(r, '[', parts, ']')
	case n < 5 && ok:
		var parts [][]byte
		for range r.Count() {
			parts = append(parts, member(r, vector.Pick(r, "a", "b", "schema", "payload", r.Text(false)), anyJSON(inner)))
		}
		return object(r, parts)
	case n < 7:
		return []byte(vector.Pick(r, "true", "false", "null"))
	case n < 9:
		return quoted(r, r.Text(false))
	}
	return number(r)
}

func number(r *vector.Random) []byte {
	switch r.IntN(6) {
	case 0:
		return []byte(r.BigInt().String())
	case 1:
		return fmt.Appendf(nil, "%d.%de%d", r.Int(), r.IntN(1000), r.IntN(700)-350)
	case 2:
		return fmt.Appendf(nil, "%dE%+d", r.Int(), r.IntN(40)-20)
	case 3:
		if f := r.Float(); f-f == 0 {
			return strconv.AppendFloat(nil, f, "eg"[r.IntN(2)], -1, 64)
		}
	case 4:
		return []byte(vector.Pick(r, "0", "-0", "-0.0", "0e0", "00", "-01", "1e400", "-1e400", "1e-400", strings.Repeat("9", 999), strings.Repeat("9", 1001), "0."+strings.Repeat("1", 1000), "1e2147483647", "1e99999999999"))
	}
	return strconv.AppendInt(nil, r.Int(), 10)
}

// payload draws JSON for a schema, most of which fits.
func payload(r *vector.Random, s *record.Schema) []byte {
	switch {
	case s == nil, r.Chance(25):
		return anyJSON(r)
	case r.Chance(12):
		return []byte("null")
	}
	switch s.Name {
	case record.DecimalName:
		if r.Chance(2) {
			return number(r)
		}
		return quoted(r, base64.StdEncoding.EncodeToString(record.AppendBigInt(nil, r.BigInt())))
	case record.DateName, record.TimeName, record.TimestampName:
		return vector.Pick(r, strconv.AppendInt(nil, r.Int(), 10), strconv.AppendInt(nil, r.Int64N(90_000_000), 10), number(r))
	}
	inner, _ := r.Smaller()
	var parts [][]byte
	switch s.Kind {
	case record.Struct:
		return structPayload(inner, s)
	case record.Array:
		for range r.Count() {
			parts = append(parts, payload(inner, s.Elem))
		}
		return sequence(r, '[', parts, ']')
	case record.Map:
		isObject := s.Key != nil && s.Key.Kind == record.String
		for range r.Count() {
			if isObject {
				parts = append(parts, member(r, vector.Pick(r, "a", r.Text(false)), payload(inner, s.Elem)))
				continue
			}
			parts = append(parts, sequence(r, '[', [][]byte{payload(inner, s.Key), payload(inner, s.Elem)}, ']'))
		}
		if isObject {
			return object(r, parts)
		}
		return sequence(r, '[', parts, ']')
	case record.Boolean:
		return []byte(vector.Pick(r, "true", "false"))
	case record.Bytes:
		return quoted(r, vector.Pick(r, base64.StdEncoding.EncodeToString(r.Bytes()), base64.RawURLEncoding.EncodeToString(r.Bytes())))
	case record.String:
		return quoted(r, r.Text(false))
	}
	return number(r)
}

func structPayload(r *vector.Random, s *record.Schema) []byte {
	var parts [][]byte
	for _, f := range s.Fields {
		switch {
		case r.Chance(12):
			continue
		case r.Chance(15):
			parts = append(parts, member(r, vector.Pick(r, f.Name, "x"), anyJSON(r)))
		}
		parts = append(parts, member(r, f.Name, payload(r, f.Schema)))
	}
	return object(r, parts)
}

// schemaJSON writes a schema as messages have it, here and there with something else in its place.
func schemaJSON(r *vector.Random, s *record.Schema) []byte {
	if s == nil || r.Chance(100) {
		return anyJSON(r)
	}
	return object(r, schemaMembers(r, s))
}

func schemaMembers(r *vector.Random, s *record.Schema) [][]byte {
	kind := [...]string{
		record.Int8: "int8", record.Int16: "int16", record.Int32: "int32", record.Int64: "int64", record.Float32: "float",
		record.Float64: "double", record.Boolean: "boolean", record.String: "string", record.Bytes: "bytes",
		record.Array: "array", record.Map: "map", record.Struct: "struct",
	}[s.Kind]
	var members [][]byte
	add := func(name string, value []byte) {
		if r.Chance(150) {
			value = anyJSON(r)
		}
		members = append(members, member(r, name, value))
	}
	add("type", quoted(r, kind))
	switch s.Kind {
	case record.Array:
		add("items", schemaJSON(r, s.Elem))
	case record.Map:
		add("keys", schemaJSON(r, s.Key))
		add("values", schemaJSON(r, s.Elem))
	case record.Struct:
		var fields [][]byte
		for _, f := range s.Fields {
			field := schemaMembers(r, f.Schema)
			if !r.Chance(100) {
				field = append(field, member(r, "field", quoted(r, f.Name)))
			}
			fields = append(fields, object(r, field))
		}
		add("fields", sequence(r, '[', fields, ']'))
	}
	if s.Optional || r.Chance(2) {
		add("optional", strconv.AppendBool(nil, s.Optional))
	}
	if s.Name != "" {
		add("name", quoted(r, s.Name))
	}
	if s.HasVersion {
		add("version", strconv.AppendInt(nil, int64(s.Version), 10))
	}
	if s.Doc != "" {
		add("doc", quoted(r, s.Doc))
	}
	var params [][]byte
	for _, p := range s.Params {
		params = append(params, member(r, p.Key, quoted(r, p.Value)))
	}
	if params != nil {
		add("parameters", object(r, params))
	}
	if s.HasDefault {
		add("default", payload(r, s))
	}
	return members
}
