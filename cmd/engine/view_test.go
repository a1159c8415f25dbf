package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// terminal plays the escape sequences that the screen uses and keeps what a person would see.
type terminal struct{ lines []string }

func (t *terminal) Write(text []byte) (int, error) {
	for s := string(text); s != ""; {
		const upAndClear = "\x1b[1A\x1b[2K"
		if rest, ok := strings.CutPrefix(s, upAndClear); ok {
			t.lines = t.lines[:len(t.lines)-1]
			s = rest
			continue
		}
		line, rest, ended := strings.Cut(s, "\n")
		if !ended {
			panic("a line without an end: " + line)
		}
		t.lines = append(t.lines, line)
		s = rest
	}
	return len(text), nil
}

func TestStatusLinesStayBelow(t *testing.T) {
	t.Parallel()
	term := &terminal{}
	s := &screen{out: term, live: true}
	s.show([]string{"a running", "b running"})
	if _, err := io.WriteString(s.above(term), "something happened\n"); err != nil {
		t.Fatal(err)
	}
	s.show([]string{"a failed", "b running", strings.Repeat("x", 200)})
	want := []string{"something happened", "a failed", "b running", strings.Repeat("x", 79)}
	if diff := cmp.Diff(want, term.lines); diff != "" {
		t.Errorf("the screen (-want +got):\n%s", diff)
	}
	s.show(nil)
	if diff := cmp.Diff([]string{"something happened"}, term.lines); diff != "" {
		t.Errorf("the screen at the end (-want +got):\n%s", diff)
	}
}

func TestNoStatusLinesOffATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &screen{out: &out}
	s.show([]string{"a running"})
	if out.Len() > 0 {
		t.Errorf("got %q, want nothing", out.String())
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	is := engine.View{Pipelines: []engine.Pipeline{
		{Name: "in", Target: config.Started, State: store.StateRunning, Tasks: []engine.TaskView{
			{State: store.StateRunning, Counts: engine.Counts{Delivered: 1_234_567, InFlight: 1500, Lag: -1}},
			{State: store.StateRunning, Counts: engine.Counts{Delivered: 1, Lag: -1}},
		}},
		{Name: "longer-name", Target: config.Started, State: store.StateRunning, Tasks: []engine.TaskView{
			{State: store.StateFailed, Counts: engine.Counts{Failed: 2, DeadLettered: 1, Lag: 7}},
		}},
		{Name: "new", Target: config.Started, State: store.StateUnassigned},
		{Name: "rest", Target: config.Paused, State: store.StatePaused},
	}}
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	v := newView(&screen{live: true, out: io.Discard}, start)
	want := []string{
		"  in           running     1,234,568 records    617,284/s  1,500 in flight",
		"  longer-name  failed              0 records          0/s  lag 7  2 failed  1 dead-lettered",
		"  new          starting            0 records          0/s",
		"  rest         paused              0 records          0/s",
	}
	if diff := cmp.Diff(want, v.lines(is, start.Add(2*time.Second))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	settled := engine.Counts{Settled: true, LastActivity: now.Add(-3 * time.Second)}
	one := func(p engine.Pipeline) engine.View { return engine.View{Pipelines: []engine.Pipeline{p}} }
	running := func(tasks ...engine.TaskView) engine.Pipeline {
		return engine.Pipeline{Target: config.Started, State: store.StateRunning, Tasks: tasks}
	}
	for _, tt := range []struct {
		name string
		view engine.View
		want bool
	}{
		{"all delivered and quiet", one(running(engine.TaskView{State: store.StateRunning, Counts: settled})), true},
		{"something came just now", one(running(engine.TaskView{State: store.StateRunning, Counts: engine.Counts{Settled: true, LastActivity: now}})), false},
		{"something is under way", one(running(engine.TaskView{State: store.StateRunning, Counts: engine.Counts{LastActivity: now.Add(-time.Hour)}})), false},
		{"tasks are not there yet", one(running()), false},
		{"a task has not started", one(running(engine.TaskView{State: store.StateUnassigned, Counts: settled})), false},
		{"a failed task holds nobody up", one(running(engine.TaskView{State: store.StateFailed})), true},
		{"nor a failed connector", one(engine.Pipeline{Target: config.Started, State: store.StateFailed}), true},
		{"nor a paused pipeline", one(engine.Pipeline{Target: config.Paused, State: store.StatePaused}), true},
		{"a connector that has not started", one(engine.Pipeline{Target: config.Started, State: store.StateUnassigned}), false},
	} {
		if got := tt.view.Idle(now, 2*time.Second); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
