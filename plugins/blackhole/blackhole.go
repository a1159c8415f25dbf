// Package blackhole is a sink that takes everything and keeps nothing: for measuring a pipeline, and for trying one.
package blackhole

import (
	"context"
	"slices"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Descriptor is the sink "blackhole".
func Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "blackhole", Class: "penstock.BlackholeSink", Version: "1.0.0",
		Doc:  "Takes every record and keeps none.",
		Spec: plugin.SpecOf(config{}), NewSink: func() plugin.Sink { return &sink{} },
	}
}

type config struct {
	Delay time.Duration `cfg:"delay.ms" doc:"How long to wait in each put, to play a slow system." min:"0" importance:"low"`
}

type sink struct{ config plugin.Config }

// Start checks the settings.
func (s *sink) Start(_ context.Context, _ plugin.Host, c plugin.Config) error {
	s.config = c
	return plugin.Decode(c, new(config))
}

// Tasks gives as many equal tasks as are allowed.
func (s *sink) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	return slices.Repeat([]plugin.Config{s.config}, limit), nil
}

// NewTask makes a task.
func (s *sink) NewTask() plugin.SinkTask { return &task{} }

// Stop has nothing to end.
func (s *sink) Stop(context.Context) error { return nil }

// AlterOffsets accepts every change.
func (s *sink) AlterOffsets(context.Context, plugin.Config, []plugin.OffsetChange) error { return nil }

type task struct{ delay time.Duration }

// Start reads the delay.
func (t *task) Start(_ context.Context, _ plugin.SinkHost, c plugin.Config) error {
	var bc config
	if err := plugin.Decode(c, &bc); err != nil {
		return err
	}
	t.delay = bc.Delay
	return nil
}

// Put takes the records once the delay has passed. When ctx ends first, the batch was not taken.
func (t *task) Put(ctx context.Context, _ *record.Batch) error {
	if t.delay == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t.delay):
		return nil
	}
}

// Flush has nothing to make durable.
func (t *task) Flush(context.Context) error { return nil }

// Stop has nothing to end.
func (t *task) Stop(context.Context) error { return nil }
