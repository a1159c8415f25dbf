package convert_test

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

var (
	leadingZero   = regexp.MustCompile(`(^|[^0-9.eE+])-?0[0-9]`)
	surrogateHalf = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	bigExponent   = regexp.MustCompile(`[eE][+-]?0*[0-9]{9}`)
	longDigits    = regexp.MustCompile(`[0-9.]{1000}`)
)

// FuzzJSONRead holds the reader against another one: both take the same texts for JSON, but for Jackson's leniences and
// limits, and what was read can be written and read again. Reading a message the second and third time, when the reader
// remembers it, gives the same as the first time.
func FuzzJSONRead(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{"a":[1,2.5,"x\u00e9\ud83d\ude00",true],"b":{"c":null}}`, `007`, `1 2`, `"\ud83d"`, `[[[[]]]]`, `-1.5e-300`, `"é😀"`,
		`{"a":1,"a":2}`, "\xEF\xBB\xBF1", `[1,]`, `12345678901234567890`, `{"":{"":""}}`, " \x00", "\"\xed\xa0\x80\"", `1e400`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		c := plain(t)
		var a record.Arena
		first, err := c.ReadData(&a, "", message)
		if (err == nil) != theirs(message) && !excused(message, err == nil) {
			t.Fatalf("%q: got %v, the other reader disagrees", message, err)
		}
		for range 2 {
			again, errAgain := c.ReadData(&a, "", message)
			if (err == nil) != (errAgain == nil) || vector.CompareDatum(first, again) != nil {
				t.Fatalf("%q: got %s (%v), then %s (%v)", message, vector.Show(first.Value), err, vector.Show(again.Value), errAgain)
			}
		}
		if err == nil && !first.Value.IsNull() && !lossy(first.Value) {
			readBack(t, c, first)
		}
		envelopes(t, message)
	})
}

// theirs says whether the other reader takes the start of a message for a value. White space alone is none, and none is
// a value for Jackson.
func theirs(message []byte) bool {
	if len(bytes.TrimLeft(message, " \t\r\n")) == 0 {
		return true
	}
	d := jsontext.NewDecoder(bytes.NewReader(message), jsontext.AllowDuplicateNames(true))
	_, err := d.ReadValue()
	return err == nil
}

// excused says whether the readers may disagree: ours accepts more, or less, on purpose.
func excused(message []byte, accepted bool) bool {
	text := string(message)
	if bytes.IndexByte(message[:min(4, len(message))], 0) >= 0 {
		return true // it is in UTF-16 or UTF-32, as Jackson guesses too
	}
	if accepted {
		return leadingZero.MatchString(text) || surrogateHalf.MatchString(text) || strings.HasPrefix(text, "\xEF\xBB\xBF")
	}
	start := strings.TrimLeft(text, " \t\r\n")
	root := start != "" && strings.ContainsRune("-0123456789tfn", rune(start[0])) // something may stick to it
	return root || bigExponent.MatchString(text) || longDigits.MatchString(text) ||
		strings.Count(text, "[")+strings.Count(text, "{") > 1000
}

// lossy finds numbers that JSON cannot say: an overflow becomes infinity, and that a string.
func lossy(v record.Value) bool {
	switch v.Kind() {
	case record.Float64:
		return math.IsInf(v.Float(), 0) || v.Float() == 0
	case record.Array, record.Map:
		return slices.ContainsFunc(v.Elements(), lossy)
	}
	return false
}

func readBack(t *testing.T, c plugin.Converter, d record.Datum) {
	t.Helper()
	out, err := c.AppendData([]byte{}, "", d)
	if err != nil {
		t.Fatal(err)
	}
	if !surrogateHalf.Match(out) && !theirs(out) {
		t.Fatalf("%q is not JSON", out)
	}
	again, err := c.ReadData(new(record.Arena), "", out)
	if err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if err := vector.CompareDatum(d, again); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
}

// envelopes reads a message as the payload of a schema: by the long way, then by the short one for messages that begin
// alike. Nothing may tell the two apart.
func envelopes(t *testing.T, message []byte) {
	t.Helper()
	const schema = `{"type":"struct","fields":[{"type":"int8","field":"a"},{"type":"array","items":{"type":"string"},"optional":true,"field":"b"},{"type":"map","keys":{"type":"int8"},"values":{"type":"double","optional":true},"optional":true,"field":"c"}],"optional":true}`
	c := converterOf(t, "json", nil)
	text := append(append([]byte(`{"schema":`+schema+`,"payload":`), message...), '}')
	fresh, errFresh := c.ReadData(new(record.Arena), "", text)
	if _, err := c.ReadData(new(record.Arena), "", []byte(`{"schema":`+schema+`,"payload":null}`)); err != nil {
		t.Fatal(err)
	}
	warm, errWarm := c.ReadData(new(record.Arena), "", text)
	switch {
	case (errFresh == nil) != (errWarm == nil) || errFresh != nil && errFresh.Error() != errWarm.Error():
		t.Fatalf("%q: got %v, then %v", text, errFresh, errWarm)
	case errFresh == nil && vector.CompareDatum(fresh, warm) != nil:
		t.Fatalf("%q: got %s, then %s", text, vector.Show(fresh.Value), vector.Show(warm.Value))
	}
}

// FuzzSchema: no text of a schema does more harm than an error.
func FuzzSchema(f *testing.F) {
	for _, seed := range []string{
		`{"type":"int8","optional":true,"default":5}`, `{"type":"map","keys":{"type":"string"},"values":{"type":"bytes"},"default":{"a":"AQ=="}}`,
		`{"type":"struct","fields":[{"type":"array","items":{"type":"double"},"field":"a"}],"name":"n","version":3,"parameters":{"a":"b"}}`,
		`{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"default":1.25}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		c := converterOf(t, "json", nil)
		text := append(append([]byte(`{"payload":null,"schema":`), schema...), '}')
		d, err := c.ReadData(new(record.Arena), "", text)
		if err != nil || d.Schema == nil {
			return
		}
		out, err := c.AppendData([]byte{}, "", d)
		if err != nil {
			return // such as a default with another scale than its schema's
		}
		again, err := c.ReadData(new(record.Arena), "", out)
		if err == nil && !again.Schema.Equal(d.Schema) && !d.Schema.HasDefault {
			t.Fatalf("%q reads back as %s", text, vector.ShowSchema(again.Schema))
		}
	})
}
