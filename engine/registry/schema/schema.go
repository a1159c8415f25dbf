// Package schema holds schemas of Avro, Protobuf and JSON Schema as a Schema Registry sees them: parsed, printed anew, and
// compared by Confluent's rules of compatibility. The embedded registry asks it what may be registered, and the converters
// whether data may be written with another schema than their own (latest.compatibility.strict); so that both give one answer,
// it stands below both and knows neither.
//
// Start at [Parse]. Each language has a file that parses and prints and one that compares, *_reads.go. What a text may cost is
// bounded: depth, length, and the number of types that are compared.
package schema

import (
	"errors"
	"fmt"
	"strings"
)

// The formats, by the names that schemaType takes.
const (
	Avro     = "AVRO"
	Protobuf = "PROTOBUF"
	JSON     = "JSON"
)

// Schema is a schema that a format has parsed, with all that it refers to. It does not change.
type Schema interface {
	// Canonical is its text printed anew; Normalized makes more spellings equal (normalize=true).
	Canonical() string
	Normalized() string
	// Formatted is its text in a format named by a client; "" is the canonical one.
	Formatted(format string) (string, error)
	// Reads says what keeps a reader with this schema from reading what was written with another of the same format;
	// nothing when it can, or when the budget is used up.
	Reads(writer Schema, b *Budget) []Difference
}

// Dependency is a schema that another refers to under a name. Dependencies come before what refers to them.
type Dependency struct{ Name, Text string }

// Parse parses a schema of a format. A parser that panics has met a text that it cannot take.
func Parse(format, text string, refs []Dependency) (s Schema, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("its %s parser gave up: %v", format, p)
		}
	}()
	if len(text) > maxSchema {
		return nil, fmt.Errorf("it is longer than %d bytes", maxSchema)
	}
	if err := bounded(text); err != nil {
		return nil, err
	}
	switch format {
	case Avro:
		return parseAvro(text, refs)
	case Protobuf:
		return parseProtobuf(text, refs)
	case JSON:
		return parseJSONSchema(text, refs)
	default:
		return nil, fmt.Errorf("Invalid schema type %s", format) //nolint:staticcheck // Confluent's text, which clients print
	}
}

// Check says in one error what keeps a reader from reading what a writer of the same format wrote; nil when nothing does.
func Check(reader, writer Schema) error {
	b := NewBudget()
	found := reader.Reads(writer, b)
	if b.Spent() {
		return ErrTooComplex
	}
	if len(found) == 0 {
		return nil
	}
	words := make([]string, len(found))
	for i, d := range found {
		words[i] = d.Describe("new", "old")
	}
	return errors.New(strings.Join(words, ", "))
}

// Difference is one reason why schemas do not fit. In its words readerMark and writerMark stand for new and old, since the
// same is found in both directions.
type Difference struct {
	kind  string
	words string
	info  string // what the description does not say; "" for none
	avro  bool   // Confluent's Avro differences quote with ', the others with "
}

const (
	readerMark = "\x00r"
	writerMark = "\x00w"
)

// Describe says a difference in Confluent's words; reader and writer are "new" and "old", or the other way round.
func (d Difference) Describe(reader, writer string) string {
	words := strings.NewReplacer(readerMark, reader, writerMark, writer).Replace(d.words)
	if d.avro {
		return fmt.Sprintf("{errorType:'%s', description:'%s', additionalInfo:'%s'}", d.kind, words, d.info)
	}
	return fmt.Sprintf("{errorType:\"%s\", description:\"%s\"}", d.kind, words)
}

// ErrTooComplex refuses a comparison that would take too long.
var ErrTooComplex = errors.New("the schemas are too complex to be compared")

// Budget bounds the work of all comparisons that it is given to.
type Budget struct{ left int }

// compareBudget is how many pairs of types one budget pays for: more than any schema that people write needs.
const compareBudget = 200_000

// NewBudget is what one request may cost.
func NewBudget() *Budget { return &Budget{left: compareBudget} }

// Spent reports whether a comparison ended for want of budget, so that what it found is not all.
func (b *Budget) Spent() bool { return b.left <= 0 }

// spend reports whether there is any left.
func (b *Budget) spend() bool {
	b.left--
	return b.left > 0
}
