package task

import (
	"context"
	"log/slog"
	"slices"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Trial is a task's chain without its ends: records go in one at a time, and it tells what each stage made of them. No
// error policy applies. It is used by one goroutine at a time.
type Trial struct {
	graph      *graph.Task
	converters converters
	stages     []stage
	guard      Guard
}

// NewTrial makes the plugins of a chain; an error is one of configuration.
func NewTrial(t *graph.Task) (*Trial, error) {
	g := Guard{Plugin: "the chain", Logger: slog.New(slog.DiscardHandler)}
	stages, err := newStages(g, t.Chain)
	if err != nil {
		return nil, err
	}
	cs, err := newConverters(g, t)
	if err != nil {
		return nil, err
	}
	return &Trial{graph: t, converters: cs, stages: stages, guard: g}, nil
}

// Verdict is what a stage did to the records.
type Verdict string

// The verdicts.
const (
	StageApplied Verdict = "applied"
	StagePassed  Verdict = "passed by" // its condition said no
	StageDropped Verdict = "dropped"
	StageFailed  Verdict = "failed"
)

// Step is one stage's doing.
type Step struct {
	Name    string // of the transform
	Verdict Verdict
	After   []record.Record // what was there afterwards
}

// Outcome is what became of a record. What it refers to lives as long as its batch.
type Outcome struct {
	Records []record.Record // that left the chain
	Steps   []Step
	Stage   string // that failed: "transform.NAME", "value_converter" and so on; "" when none did
	Err     error
}

// Run takes the records of a batch, usually one, through the chain.
func (t *Trial) Run(ctx context.Context, b *record.Batch) Outcome {
	var o Outcome
	for i := range t.stages {
		s := &t.stages[i]
		if len(live(b)) == 0 {
			break
		}
		err := t.guard.Call(s.what, func() error { return s.run(ctx, b) })
		step := Step{Name: s.name, Verdict: verdict(b)}
		failures := b.TakeFailures()
		if err == nil && len(failures) > 0 {
			err = failures[0].Err
		}
		if err != nil {
			step.Verdict = StageFailed
			o.Steps, o.Stage, o.Err = append(o.Steps, step), "transform."+s.name, err
			return o
		}
		b.Show()
		step.After = live(b)
		o.Steps = append(o.Steps, step)
	}
	o.Records = live(b)
	return o
}

// verdict looks at a batch that a stage has just worked on.
func verdict(b *record.Batch) Verdict {
	all, kept := true, false
	for i := range b.Records {
		switch {
		case b.Live(i):
			kept = true
			all = false
		case b.Dropped(i):
			all = false
		}
	}
	switch {
	case all:
		return StagePassed
	case !kept:
		return StageDropped
	default:
		return StageApplied
	}
}

// live are the records that are left, copied as they are now.
func live(b *record.Batch) []record.Record {
	var list []record.Record
	for i := range b.Records {
		if b.Live(i) {
			r := b.Records[i]
			r.Headers = slices.Clone(r.Headers)
			list = append(list, r)
		}
	}
	return list
}

// Read turns a message's bytes into data with the chain's converter for keys, values or headers, as on the way to a sink.
// The stage is named when it fails.
func (t *Trial) Read(use plugin.Use, b *record.Batch, topic string, src []byte) (d record.Datum, stage string, err error) {
	c, stage := t.converter(use)
	err = t.guard.Call("ReadData", func() (err error) {
		d, err = c.ReadData(&b.Arena, topic, src)
		return err
	})
	return d, stage, err
}

// Write is the other way round, as on the way from a source; nil is the null message.
func (t *Trial) Write(use plugin.Use, topic string, d record.Datum) (text []byte, stage string, err error) {
	c, stage := t.converter(use)
	err = t.guard.Call("AppendData", func() (err error) {
		text, err = c.AppendData(nil, topic, d)
		return err
	})
	return text, stage, err
}

func (t *Trial) converter(use plugin.Use) (c *converter, stage string) {
	switch use {
	case plugin.KeyUse:
		return &t.converters.key, "key_converter"
	case plugin.HeaderUse:
		return &t.converters.header, "header_converter"
	default:
		return &t.converters.value, "value_converter"
	}
}
