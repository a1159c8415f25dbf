package registry

import (
	"errors"
	"fmt"
	"strings"
)

// The formats, by the names that schemaType takes.
const (
	avroFormat     = "AVRO"
	protobufFormat = "PROTOBUF"
	jsonFormat     = "JSON"
)

// schema is a schema that a format has parsed, with all that it refers to.
type schema interface {
	// canonical is its text printed anew; normalized makes more spellings equal (normalize=true).
	canonical() string
	normalized() string
	// formatted is its text in a format named by a client; "" is the canonical one.
	formatted(format string) (string, error)
	// reads says what keeps a reader with this schema from reading what was written with another of the same format;
	// nothing when it can.
	reads(writer schema, b *budget) []difference
}

// dependency is a schema that another refers to under a name. Dependencies come before what refers to them.
type dependency struct {
	name string
	text string
}

// parse parses a schema of a format. A parser that panics has met a text that it cannot take.
func parse(format, text string, refs []dependency) (s schema, err error) {
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
	case avroFormat:
		return parseAvro(text, refs)
	case protobufFormat:
		return parseProtobuf(text, refs)
	case jsonFormat:
		return parseJSONSchema(text, refs)
	default:
		return nil, fmt.Errorf("Invalid schema type %s", format) //nolint:staticcheck // Confluent's text, which clients print
	}
}

// difference is one reason why schemas do not fit. In its words readerMark and writerMark stand for new and old, since the
// same is found in both directions.
type difference struct {
	kind  string
	words string
	info  string // what the description does not say; "" for none
	avro  bool   // Confluent's Avro differences quote with ', the others with "
}

const (
	readerMark = "\x00r"
	writerMark = "\x00w"
)

// describe says a difference in Confluent's words; reader and writer are "new" and "old", or the other way round.
func (d difference) describe(reader, writer string) string {
	words := strings.NewReplacer(readerMark, reader, writerMark, writer).Replace(d.words)
	if d.avro {
		return fmt.Sprintf("{errorType:'%s', description:'%s', additionalInfo:'%s'}", d.kind, words, d.info)
	}
	return fmt.Sprintf("{errorType:\"%s\", description:\"%s\"}", d.kind, words)
}

// errTooComplex refuses a comparison that would take too long.
var errTooComplex = errors.New("the schemas are too complex to be compared")

// budget bounds the work of one comparison.
type budget struct{ left int }

// compareBudget is how many pairs of types one request may compare: more than any schema that people write needs.
const compareBudget = 200_000

// spend reports whether there is any left.
func (b *budget) spend() bool {
	b.left--
	return b.left > 0
}
