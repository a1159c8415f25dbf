package task_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// beside is a transform that writes down what is called.
type beside struct {
	mu     sync.Mutex
	calls  []string
	refuse error // of Start
}

func (s *beside) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.calls); n == 0 || s.calls[n-1] != call {
		s.calls = append(s.calls, call)
	}
}

func (s *beside) Configure(plugin.Config) error { return nil }

func (s *beside) Apply(context.Context, *record.Batch) error {
	s.note("apply")
	return nil
}

func (s *beside) Start(_ context.Context, h plugin.Host) error {
	s.note("start")
	h.Logger().Info("beside has a logger")
	return s.refuse
}

func (s *beside) Stop(context.Context) error {
	s.note("stop")
	return errors.New("beside cannot stop")
}

func (s *beside) in(g *graph.Task) {
	g.Chain = []graph.Stage{{Name: "Beside", Plugin: plugin.Descriptor{Class: "test.Beside", NewTransform: func(plugin.Target) plugin.Transform { return s }}}}
}

// A transform that does something beside its records is started before the first and stopped behind the last of them.
func TestStartersLiveAsLongAsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in", "scripted")
	ofSource, ofSink := &beside{}, &beside{}
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 10))
	r := start(t, source(t, c, src, newOffsets(), ofSource.in))
	r.await("ten records", func() bool { return len(values(t, c, "scripted")) == 10 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	produce(c, "in", "a")
	snk := &plugintest.RecordingSink{}
	r = start(t, sink(t, c, snk, "in", ofSink.in))
	snk.AwaitRecords(t, 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*beside{ofSource, ofSink} {
		same(t, "calls", s.calls, []string{"start", "apply", "stop"})
	}
}

// One that cannot start fails the task, and is stopped nevertheless.
func TestAStarterThatCannotStart(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in", "scripted")
	no := errors.New("no such service")
	s := &beside{refuse: no}
	for _, settings := range []struct {
		role string
		run  *run
	}{
		{"source", start(t, source(t, c, &plugintest.ScriptedSource{}, newOffsets(), s.in))},
		{"sink", start(t, sink(t, c, &plugintest.RecordingSink{}, "in", s.in))},
	} {
		if err := settings.run.end(); !errors.Is(err, no) || !strings.Contains(err.Error(), "start transform Beside") {
			t.Errorf("%s: got %v", settings.role, err)
		}
	}
	for _, call := range s.calls {
		if call == "apply" {
			t.Error("a transform that did not start was applied")
		}
	}
	if n := len(s.calls); s.calls[n-1] != "stop" {
		t.Errorf("got %v, want a stop at the end", s.calls)
	}
}
