package convert_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/convert"
)

// TestJavaDecodesUTF8 runs what Java's decoder made of malformed text.
func TestJavaDecodesUTF8(t *testing.T) {
	t.Parallel()
	c := converterOf(t, "string", nil)
	vector.Run(t, "java.jsonl", func(c *vector.Case) bool { return c.Request.Fn == "utf8_decode" }, func(v *vector.Case) error {
		var text string
		if err := json.Unmarshal(v.Request.Args[0], &text); err != nil {
			return err
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err
		}
		d, err := c.ReadData(new(record.Arena), "", b)
		if err != nil {
			return err
		}
		if got := d.Value.Text(); got != *v.Expect.OK.String {
			return fmt.Errorf("got %q, want %q", got, *v.Expect.OK.String)
		}
		return nil
	})
}

// TestMalformedUTF8 has more of what Java's decoder made: hex, and how many U+FFFD come before what is left.
func TestMalformedUTF8(t *testing.T) {
	t.Parallel()
	c := converterOf(t, "string", nil)
	for _, m := range []struct {
		bytes string
		marks int
		rest  string
	}{
		{"\xe2\x82", 1, ""}, {"\xff", 1, ""}, {"\xc3", 1, ""}, {"\xf0\x9f\x98A", 1, "A"}, {"\xed\xbf\xbf", 1, ""}, {"\xe2\x80\xe2", 2, ""},
		{"\xf8\x88\x80\x80", 4, ""}, {"\x80", 1, ""}, {"\xe0\x80\x80", 3, ""}, {"\xf0\x80\x80\x80", 4, ""}, {"\xf4\x90", 2, ""},
		{"\xf0\x90\x80A", 1, "A"}, {"\xf0\x80A", 2, "A"}, {"\xe2(\xa1", 1, "(\ufffd"}, {"ok\xed\xa0\x80", 0, "ok\ufffd"},
	} {
		d, err := c.ReadData(new(record.Arena), "", []byte(m.bytes))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.Value.Text(), strings.Repeat("\ufffd", m.marks)+m.rest; got != want {
			t.Errorf("%x: got %q, want %q", m.bytes, got, want)
		}
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const text = "aé€😀"
	for _, c := range []struct{ encoding, bytes, back string }{
		{"utf-8", "aé€😀", text}, {"latin1", "a\xe9??", "aé??"}, {"US-ASCII", "a???", "a???"},
		{"UTF-16", "\xfe\xff\x00a\x00\xe9\x20\xac\xd8\x3d\xde\x00", text}, {"UTF-16BE", "\x00a\x00\xe9\x20\xac\xd8\x3d\xde\x00", text},
		{"UTF-16LE", "a\x00\xe9\x00\xac\x20\x3d\xd8\x00\xde", text}, {"UTF-32", "\x00\x00\x00a\x00\x00\x00\xe9\x00\x00\x20\xac\x00\x01\xf6\x00", text},
		{"UTF-32LE", "a\x00\x00\x00\xe9\x00\x00\x00\xac\x20\x00\x00\x00\xf6\x01\x00", text},
	} {
		conv := converterOf(t, "string", plugin.Config{"converter.encoding": c.encoding})
		got, err := conv.AppendData([]byte{}, "", record.Datum{Value: record.OfString(text)})
		if err != nil || string(got) != c.bytes {
			t.Errorf("%s: got %x (%v), want %x", c.encoding, got, err, c.bytes)
		}
		d, err := conv.ReadData(new(record.Arena), "", []byte(c.bytes))
		if err != nil || d.Value.Text() != c.back {
			t.Errorf("%s: got %q (%v), want %q", c.encoding, d.Value.Text(), err, c.back)
		}
	}
}

func TestDecodesTornText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ encoding, bytes, want string }{
		{"UTF-16", "\xff\xfea\x00", "a"}, {"UTF-16BE", "\x00a\x00", "a\ufffd"}, {"UTF-16BE", "\xd8\x3d\x00a", "\ufffd"}, {"UTF-16BE", "\xd8\x3d", "\ufffd"},
		{"UTF-16LE", "\x3d\xd8\x00", "\ufffd"}, {"UTF-16BE", "\xd8\x3d\xd8\x3d\xde\x00", "\ufffd\ufffd"}, {"UTF-32BE", "\x00\x00\xd8\x3d\x00\x00\xde\x00", "😀"},
		{"UTF-32BE", "\x00\x00\xd8\x3d\x00\x00\x00a", "\xed\xa0\xbda"}, {"UTF-32LE", "\xff\xfe\x00\x00a\x00\x00\x00", "a"},
		{"UTF-32", "\x00\x00\xfe\xff\x00\x00\x00a", "a"}, {"UTF-32", "\x00\x00\x00a\x00", "a\ufffd"},
		{"UTF-32BE", "\xff\x00\x00a", "\ufffd"}, {"US-ASCII", "a\xe9", "a\ufffd"}, {"ISO-8859-1", "", ""},
	} {
		conv := converterOf(t, "string", plugin.Config{"converter.encoding": c.encoding})
		d, err := conv.ReadData(new(record.Arena), "", []byte(c.bytes))
		if err != nil || d.Value.Text() != c.want {
			t.Errorf("%s %x: got %q (%v), want %q", c.encoding, c.bytes, d.Value.Text(), err, c.want)
		}
	}
}

// FuzzDecode: whatever the encoding and the bytes, what is read is valid UTF-8.
func FuzzDecode(f *testing.F) {
	for i, seed := range []string{"abc", "\xff\xfe", "\xed\xa0\x80", "\x00\x00\xfe\xff", "\xd8\x3d\xde\x00"} {
		f.Add(uint8(i), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, i uint8, message []byte) {
		names := []string{"UTF-8", "ISO-8859-1", "US-ASCII", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32", "UTF-32BE", "UTF-32LE"}
		c := converterOf(t, "string", plugin.Config{"converter.encoding": names[int(i)%len(names)]})
		d, err := c.ReadData(new(record.Arena), "", message)
		if err != nil || !utf8.ValidString(d.Value.Text()) {
			t.Fatalf("%s: got %q (%v)", names[int(i)%len(names)], d.Value.Text(), err)
		}
	})
}

// TestDeepHeaderStaysBytes: what the parser of headers gives up on is kept as it is.
func TestDeepHeaderStaysBytes(t *testing.T) {
	t.Parallel()
	message := strings.Repeat("[", 100_000)
	d, err := converterOf(t, "simple", nil).ReadData(new(record.Arena), "", []byte(message))
	if err != nil || d.Schema != record.Required(record.Bytes) || string(d.Value.Bytes()) != message {
		t.Errorf("got %v %s (%v), want the bytes", d.Schema, d.Value.Kind(), err)
	}
}

func TestSimpleRefusesStructWithoutSchema(t *testing.T) {
	t.Parallel()
	d := record.Datum{Value: record.OfArray([]record.Value{record.OfStruct(nil)})}
	if got, err := converterOf(t, "simple", nil).AppendData([]byte{}, "", d); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}

// TestConvertersKeepNothing: what a converter read does not change when it reads the next message, and text of the arena
// stays apart from text of the message.
func TestConvertersKeepNothing(t *testing.T) {
	t.Parallel()
	for _, d := range convert.Descriptors() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			c := converterOf(t, d.Name, plugin.Config{"schemas.enable": "false"})
			messages := map[string][2]string{
				"json": {`{"a":"x\n","b":[1,2]}`, `{"a":"y\t","b":[3,4]}`}, "string": {"a\xff", "b\xff"}, "bytes": {"a", "b"}, "simple": {`["a","b"]`, `["c","d"]`},
				"boolean": {"\x00", "\x01"}, "short": {"ab", "cd"}, "integer": {"abcd", "efgh"}, "float": {"abcd", "efgh"},
				"long": {"abcdefgh", "ijklmnop"}, "double": {"abcdefgh", "ijklmnop"},
			}[d.Name]
			var a record.Arena
			first, err := c.ReadData(&a, "", []byte(messages[0]))
			if err != nil {
				t.Fatal(err)
			}
			before := vector.Show(first.Value)
			second, err := c.ReadData(&a, "", []byte(messages[1]))
			if err != nil {
				t.Fatal(err)
			}
			if after := vector.Show(first.Value); after != before {
				t.Errorf("got %s after the next message, want %s", after, before)
			}
			if vector.Show(second.Value) == before {
				t.Errorf("both messages read as %s", before)
			}
		})
	}
}

func TestDescriptors(t *testing.T) {
	t.Parallel()
	r, err := plugin.NewRegistry(convert.Descriptors())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ class, alias string }{
		{"org.apache.kafka.connect.json.JsonConverter", "json"}, {"JsonConverter", "json"}, {"Json", "json"},
		{"org.apache.kafka.connect.storage.StringConverter", "string"}, {"String", "string"},
		{"org.apache.kafka.connect.converters.ByteArrayConverter", "bytes"}, {"ByteArrayConverter", "bytes"},
		{"org.apache.kafka.connect.storage.SimpleHeaderConverter", "simple"}, {"Simple", "simple"},
		{"org.apache.kafka.connect.converters.IntegerConverter", "integer"}, {"org.apache.kafka.connect.converters.BooleanConverter", "boolean"},
	} {
		if d, _, ok := r.Class(plugin.ConverterRole, c.class); !ok || d.Name != c.alias {
			t.Errorf("%s: got %q, want %q", c.class, d.Name, c.alias)
		}
	}
	json, _ := r.Alias(plugin.ConverterRole, "json")
	want := []string{"schemas.enable", "schemas.cache.size", "decimal.format", "replace.null.with.default", "schema.content"}
	if got := json.Spec.Names(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("settings of json: got %q, want %q", got, want)
	}
}
