package registry

import (
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock/penstock/engine/record"
)

// Format is one language of schemas. Its methods are called once for a schema, not for a record, except Null, which is
// called for null values only. One goroutine calls them.
//
// Errors: a *plugin.DataError is one of the mapping and reaches the user as it is; any other is one of the encoding, and
// the converter puts its own words around it.
type Format interface {
	// Words are what messages say of the format.
	Words() Words
	// Derive makes the schema under which data of a Connect schema is registered; nil is that of schemaless data.
	Derive(s *record.Schema) (Schema, error)
	// Parse compiles a text that the registry has.
	Parse(t Text) (Schema, error)
	// Null says whether null with this schema, which may be nil, is a message of its own; else it is the null message. The
	// error is that of a null that cannot be written.
	Null(s *record.Schema) (message bool, err error)
}

// Schema is a schema of a [Format], derived or parsed. It does not change.
type Schema interface {
	Text() Text
	// RecordName is the full name for the strategies that name subjects after records, "" of what is no record.
	RecordName() string
	// Encoder writes data of a Connect schema, nil for schemaless data, as this schema, which may be another than the one
	// that Derive makes of the data's.
	Encoder(s *record.Schema) (Encoder, error)
	// Decoder reads what was written as this schema, with a reader's schema of the same format or nil for this one itself.
	// Version is that of the schema under its subject, 0 for none. Index is what stood between id and payload (Protobuf).
	Decoder(reader Schema, version int, index []int) (Decoder, error)
}

// Indexed is a Schema of a format whose files have several messages (Words.Indexed).
type Indexed interface {
	Schema
	// Message is the schema of the message at an index, for the strategies that name subjects after it.
	Message(index []int) (Schema, error)
}

// Encoder writes values. One goroutine uses it.
type Encoder interface {
	// Index is the path to the message in its file, nil of formats that have none. [0] is the first message.
	Index() []int
	// Append appends the payload of a value. On an error what was appended is of no account.
	Append(dst []byte, v record.Value) ([]byte, error)
}

// Decoder reads payloads. One goroutine uses it.
type Decoder interface {
	// Read makes data of a payload; the result may refer to src and to memory of a.
	Read(a *record.Arena, src []byte) (record.Datum, error)
}

// Text is a schema as the registry has it, with everything that it refers to.
type Text struct {
	Schema     string
	References []sr.SchemaReference // direct ones
	Resolved   []Reference          // direct and indirect ones, each after those that it refers to
	Properties map[string]string    // of its metadata; nil of derived ones
	Rules      bool                 // it has rules to be executed for every message
}

// Reference is a schema that another one refers to: by an import path, a full name or a URI, as the format has it.
type Reference struct{ Name, Schema string }

// Words are what messages say of a format.
type Words struct {
	Type sr.SchemaType
	Name string // Avro, Protobuf, JSON
	// The sentences before a cause, with a %s for the topic.
	Write, Read string
	// Indexed says that an index stands behind the id of a message.
	Indexed bool
}
