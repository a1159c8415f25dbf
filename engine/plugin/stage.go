package plugin

import (
	"context"

	"github.com/penstock/penstock/engine/record"
)

// Transform changes a batch in place. Each makes one of a function of a single record. A transform belongs to one task
// and one goroutine calls it.
type Transform interface {
	// Configure takes the settings; it opens nothing and starts nothing, since validation calls it too.
	Configure(c Config) error
	// Apply works on every record that [record.Batch.Each] visits: it changes it, drops it, or fails it. An error marked
	// by Retry, given to Fail, makes that record come again. An error returned ends the task.
	Apply(ctx context.Context, b *record.Batch) error
}

// Starter is a Transform that does something beside its records, such as telling another system about them. A task calls
// Start before the first batch and Stop behind the last. Validation, previews and tests of a chain start nothing: without a
// Start, Apply does to records what it always does, and nothing beside.
type Starter interface {
	// Start begins it. The context bounds the call only.
	Start(ctx context.Context, h Host) error
	// Stop ends all that Start began. It works without a Start, after a failed one, and twice.
	Stop(ctx context.Context) error
}

// Predicate decides, record by record, whether a transform applies.
type Predicate interface {
	Configure(c Config) error
	Test(r *record.Record) (bool, error)
}

// Demander is a Predicate that fails, rather than say no, for a record without a field. Demands says, after Configure, where
// that is and how to write it otherwise; validation warns of it.
type Demander interface {
	Demands() []*ConfigError
}

// Converter turns data into the bytes of a message and back. A converter belongs to one task and one goroutine calls it.
type Converter interface {
	// Configure takes the settings; it opens nothing, since validation calls it too.
	Configure(c Config, use Use) error
	// AppendData appends the bytes for d to dst, which is not nil, and returns the extended slice, or nil for the null
	// message (a tombstone). It keeps neither dst nor d. On an error what was appended is of no account.
	AppendData(dst []byte, topic string, d record.Datum) ([]byte, error)
	// ReadData makes data of src; a nil src is the null message. The result may refer to src and to memory of a.
	ReadData(a *record.Arena, topic string, src []byte) (record.Datum, error)
}

// MessageConverter is a Converter that needs more than data and bytes: it asks another system, such as a schema registry,
// and waits for the answer, or it reads and writes headers of the message. The engine calls these methods in place of
// AppendData and ReadData, which work without a way to stop the waiting and without headers.
type MessageConverter interface {
	Converter
	// AppendMessage is AppendData; it may append to m.Headers, whose bytes must outlive the message. It waits no longer
	// than ctx.
	AppendMessage(ctx context.Context, dst []byte, m *Message, d record.Datum) ([]byte, error)
	// ReadMessage is ReadData; it does not change m. It waits no longer than ctx.
	ReadMessage(ctx context.Context, a *record.Arena, m *Message, src []byte) (record.Datum, error)
}

// Message is what a [MessageConverter] sees of a message beside the key or value that it converts.
type Message struct {
	Topic   string
	Headers []MessageHeader
}

// MessageHeader is a header as it stands in a message.
type MessageHeader struct {
	Key   string
	Value []byte // nil is null
}

// Use is what a converter converts.
type Use uint8

// The uses; 0 is none.
const (
	KeyUse Use = iota + 1
	ValueUse
	HeaderUse
)

// String is Kafka Connect's converter.type: "key", "value" or "header".
func (u Use) String() string { return [...]string{"", "key", "value", "header"}[u] }
