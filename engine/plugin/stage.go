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

// Predicate decides, record by record, whether a transform applies.
type Predicate interface {
	Configure(c Config) error
	Test(r *record.Record) (bool, error)
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
