package vector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Case is one line of a file.
type Case struct {
	ID      string
	Request Request
	Expect  Expect            // that of the newer Java where the recording has both
	Table   map[string]string // the words of a case that was not recorded but written down
}

// Request is what to do. Op says which members count; the notation lists them.
type Request struct {
	Op string
	Typed

	Text json.RawMessage // of parse_string: a String value or null

	Target string
	Scale  int

	Class  string
	Config map[string]string
	Key    bool   // a key converter
	Dir    string // "read", "write" or "": configure only
	Bytes  []byte // nil is the null message
	Topic  string
	Header string
	NoType bool `json:"no_type"`

	Chain  []Step
	Record *Record
	Decode *Coders
	Encode *Coders

	Props    map[string]string
	Validate bool

	To      json.RawMessage // of project: a schema
	Version string
	Path    string

	Type   string
	Items  json.RawMessage // schemas of builder
	Keys   json.RawMessage
	Values json.RawMessage
	Calls  [][]json.RawMessage

	A, B *Typed

	Fn   string
	Args []json.RawMessage

	AvroSchema     string          `json:"avro_schema"`
	AvroJSON       json.RawMessage `json:"avro_json"` // a value in Avro's JSON encoding
	SubjectVersion int             `json:"subject_version"`
}

// Step is one transform of a chain.
type Step struct {
	Class     string
	Config    map[string]string
	Predicate *struct {
		Class  string
		Config map[string]string
	}
	Negate bool
}

// Coders are the converters that a chain decodes or encodes with; nil where none is asked for. They decode and encode in
// the order headers, key, value.
type Coders struct {
	Key, Value *Coder
	Headers    *Coder
}

// Coder is a converter with what it decodes.
type Coder struct {
	Class  string
	Config map[string]string
	Bytes  []byte
	Items  [][2]*string // of headers: name and base64, nil for the null message
}

// Expect is the recorded answer: exactly one of its members is set.
type Expect struct {
	OK    *Answer
	Error *Error
}

// Answer is what was answered; the request's Op says which members count.
type Answer struct {
	Typed
	Bytes  []byte  // nil is the null message
	String *string // nil is null

	Record  *Record
	Dropped bool
	Same    bool
	Failed  bool
	Encoded *Encoded
	Errors  map[string][]string

	Result  bool
	Path    []string
	Results []json.RawMessage
	Headers []Header
	Keys    []string

	SchemasEqual   bool `json:"schemas_equal"`
	ValuesEqual    bool `json:"values_equal"`
	SameSchemaHash bool `json:"same_schema_hash"`

	AvroSchema string  `json:"avro_schema"`
	Payload    *string `json:"datum"` // a value in Avro's binary encoding, in hex; nil is the null message
}

// Encoded is what a chain's encoders wrote.
type Encoded struct {
	Key, Value *struct{ Bytes []byte }
	Headers    []struct {
		Name  string
		Bytes []byte
	}
}

// Load reads a file of testdata/vectors by its name.
func Load(tb testing.TB, file string) []Case {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(root(tb), "testdata", "vectors", file))
	if err != nil {
		tb.Fatal(err)
	}
	var cases []Case
	for line := range bytes.Lines(text) {
		var c struct {
			Case
			ExpectNewerJava *Expect `json:"expect_newer_java"`
		}
		if err := json.Unmarshal(line, &c); err != nil {
			tb.Fatalf("%s: case %d: %v", file, len(cases)+1, err)
		}
		if c.ExpectNewerJava != nil {
			c.Expect = *c.ExpectNewerJava
		}
		cases = append(cases, c.Case)
	}
	return cases
}

// root is the folder of go.mod, above the folder in which tests run.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("there is no go.mod above the test's folder")
		}
		dir = up
	}
}

// Skip makes the error by which a case of Run says that it does not apply, with a specific reason.
func Skip(format string, args ...any) error {
	return &Unrepresentable{fmt.Sprintf(format, args...)}
}

// Unrepresentable says that a case needs a value that record.Value has no form for, or a behaviour that is left out on
// purpose.
type Unrepresentable struct{ Reason string }

func (e *Unrepresentable) Error() string { return e.Reason }

// CompareBytes compares written bytes: exactly or, where both are JSON, without the order of members, since Kafka Connect
// writes a map in the order of Java's hash table.
func CompareBytes(want, got []byte) error {
	if (want == nil) == (got == nil) && bytes.Equal(want, got) {
		return nil
	}
	if want != nil && got != nil {
		w, werr := canonical(want)
		g, gerr := canonical(got)
		if werr == nil && gerr == nil && bytes.Equal(w, g) {
			return nil
		}
	}
	return fmt.Errorf("bytes:\n got %s\nwant %s", shown(got), shown(want))
}

func shown(b []byte) string {
	if b == nil {
		return "the null message"
	}
	return fmt.Sprintf("%q", b)
}

// canonical sorts the members of every object; numbers keep their text.
func canonical(b []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one value")
	}
	return json.Marshal(v)
}
