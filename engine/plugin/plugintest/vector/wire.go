package vector

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
)

// Wire is a message that another serializer framed, with the schema that it registered.
type Wire struct {
	Name, Subject string
	Version       int
	ID            int    `json:"schema_id"`
	Type          string `json:"schemaType"` // "AVRO", "JSON" or "PROTOBUF"
	Schema        string
	Message       string // the name of a message of Protobuf
	References    []Reference
	Bytes         []byte
	Value         any // what was written, in a notation that each format has
}

// Reference names a schema to which another one refers.
type Reference struct {
	Name, Subject string
	Version       int
}

// Topic is the topic of the message and the use of its converter, which its subject tells.
func (w *Wire) Topic() (string, plugin.Use) {
	if topic, isKey := strings.CutSuffix(w.Subject, "-key"); isKey {
		return topic, plugin.KeyUse
	}
	return strings.TrimSuffix(w.Subject, "-value"), plugin.ValueUse
}

// RunWire runs try for the messages of a file, like [Run].
func RunWire(t *testing.T, file string, try func(*testing.T, *Wire) error) {
	t.Helper()
	RunLines(t, file, func(w *Wire) string { return w.Name }, try)
}

// Referenced are the schemas of a type to which those of messages refer.
func Referenced(tb testing.TB, typ string) (of []Wire) {
	tb.Helper()
	for _, w := range Lines[Wire](tb, "wire-referenced.jsonl") {
		if w.Type == typ {
			of = append(of, w)
		}
	}
	return of
}
