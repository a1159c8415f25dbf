package task_test

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// What a transform's failure says is where it was and in which field; what the record holds only where
// errors.log.include.messages lets it (invariant 6).
func TestFailureShowsTheValueOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tolerate, messages bool
	}{"stops": {}, "stops and shows": {messages: true}, "goes on": {tolerate: true}, "goes on and shows": {tolerate: true, messages: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &plugintest.ScriptedSource{}
			src.Push(plugintest.Emit(plugintest.Row{Partition: "a", Offset: 7, Value: "x"}))
			r := start(t, source(t, kafkatest.Start(t), src, newOffsets(), func(g *graph.Task) {
				g.Errors = graph.Errors{TolerateAll: c.tolerate, Log: true, LogMessages: c.messages}
				g.Chain = []graph.Stage{stage("Cast", func(*record.Batch, int, *record.Record) error {
					return &plugin.DataError{Reason: "Value (secret) is bad", Masked: "A value is bad", Field: "a.b"}
				})}
			}))
			said := ""
			if c.tolerate {
				r.await("the line of the log", func() bool { return strings.Contains(r.log.String(), "Error encountered") })
				if err := r.halt(); err != nil {
					t.Fatal(err)
				}
			} else {
				err := r.end()
				if err == nil {
					t.Fatal("the task goes on")
				}
				said = err.Error()
				if want := `the record from {name=a} at {n=7} failed at stage TRANSFORMATION in test.Cast, which is transform "Cast", field a.b`; !strings.Contains(said, want) {
					t.Errorf("got %s, want %s", said, want)
				}
			}
			said += r.log.String()
			for _, want := range []string{"stage 'TRANSFORMATION'", "transform=Cast", "field=a.b", `record="{name=a} at {n=7}"`} {
				if !strings.Contains(said, want) {
					t.Errorf("got %s, want %s in it", said, want)
				}
			}
			if shown := strings.Contains(said, "secret"); shown != c.messages || strings.Contains(said, "A value is bad") == c.messages {
				t.Errorf("with errors.log.include.messages=%t: %s", c.messages, said)
			}
		})
	}
}
