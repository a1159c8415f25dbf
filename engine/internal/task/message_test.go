package task_test

import (
	"context"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// around is a converter that writes a header named mark, and puts that header before the text that it reads.
type around struct{ text }

func (w *around) AppendMessage(_ context.Context, dst []byte, m *plugin.Message, d record.Datum) ([]byte, error) {
	m.Headers = append(m.Headers, plugin.MessageHeader{Key: "mark", Value: []byte(m.Topic)})
	return w.AppendData(dst, m.Topic, d)
}

func (w *around) ReadMessage(_ context.Context, a *record.Arena, m *plugin.Message, src []byte) (record.Datum, error) {
	for _, h := range slices.Backward(m.Headers) {
		if h.Key == "mark" {
			src = slices.Concat(h.Value, src)
			break
		}
	}
	return w.ReadData(a, m.Topic, src)
}

func aroundValues(t *graph.Task) {
	t.Value = converter(plugin.ValueUse, nil)
	t.Value.Plugin.NewConverter = func() plugin.Converter { return new(around) }
}

// TestConverterWritesHeaders: what a converter adds stands behind the record's own headers, in its own message only.
func TestConverterWritesHeaders(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 3))
	r := start(t, source(t, c, src, o, aroundValues))
	src.AwaitCalls(t, "task.poll", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	messages := c.ConsumeAll("scripted")
	if len(messages) != 3 {
		t.Fatalf("got %d messages, want 3", len(messages))
	}
	for _, m := range messages {
		if len(m.Headers) == 0 || m.Headers[len(m.Headers)-1].Key != "mark" || string(m.Headers[len(m.Headers)-1].Value) != c.Name("scripted") {
			t.Errorf("got headers %q, want the converter's as the last", m.Headers)
		}
		if n := slices.IndexFunc(m.Headers, func(h kgo.RecordHeader) bool { return h.Key == "mark" }); n != len(m.Headers)-1 {
			t.Errorf("got headers %q, want one of the converter's", m.Headers)
		}
	}
}

// TestConverterReadsHeaders: a converter sees the headers of the message that it reads, and of no other.
func TestConverterReadsHeaders(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	c.Produce("in",
		&kgo.Record{Value: []byte("1"), Headers: []kgo.RecordHeader{{Key: "mark", Value: []byte("a")}, {Key: "mark", Value: []byte("b")}}},
		&kgo.Record{Value: []byte("2")},
		&kgo.Record{Value: []byte("3"), Headers: []kgo.RecordHeader{{Key: "mark", Value: []byte("c")}}})
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", aroundValues))
	snk.AwaitRecords(t, 3)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), []string{"b1", "2", "c3"})
}
