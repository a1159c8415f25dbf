package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// chain is a task's transforms with its error policy. Converters use the same policy (encode.go, decode.go).
type chain struct {
	stages []stage
	policy *policy
	guard  Guard
	// tolerated hears of each record that is skipped.
	tolerated func(ctx context.Context, f fault)
	// text renders a record for a message before it is cut away; nil: messages do not show records.
	text func(b *record.Batch, i int) string

	// stop is the first record, in the order of the batch, that the policy does not let pass; nil: none. What is before
	// it is delivered, then the task fails.
	stop   *fault
	faults []record.Failure
}

// stage is one transform with its predicate.
type stage struct {
	at        place
	name      string
	what      string // for the guard
	transform plugin.Transform
	predicate plugin.Predicate // nil: always
	negate    bool
}

// newStages makes the transforms of a task. An error is one of configuration.
func newStages(g Guard, stages []graph.Stage) ([]stage, error) {
	made := make([]stage, len(stages))
	for i, s := range stages {
		m := stage{at: place{stageTransform, s.Plugin.Class + s.Target.Suffix(), s.Name}, name: s.Name, what: "transform " + s.Name, negate: s.Negate}
		err := g.Call("Configure", func() error {
			m.transform = s.Plugin.NewTransform(s.Target)
			return m.transform.Configure(s.Settings)
		})
		if err != nil {
			return nil, plugin.Permanent(fmt.Errorf("configure transform %s: %w", s.Name, err))
		}
		if p := s.Predicate; p != nil {
			err := g.Call("Configure", func() error {
				m.predicate = p.Plugin.NewPredicate()
				return m.predicate.Configure(p.Settings)
			})
			if err != nil {
				return nil, plugin.Permanent(fmt.Errorf("configure predicate %s: %w", p.Name, err))
			}
		}
		made[i] = m
	}
	return made, nil
}

// start starts the transforms that do something beside their records.
func (c *chain) start(ctx context.Context, h plugin.Host) error {
	for i := range c.stages {
		s := &c.stages[i]
		starter, ok := s.transform.(plugin.Starter)
		if !ok {
			continue
		}
		if err := c.guard.Call("Start of "+s.what, func() error { return starter.Start(ctx, h) }); err != nil {
			return fmt.Errorf("start transform %s: %w", s.name, err)
		}
	}
	return nil
}

// end stops them, also those that did not start.
func (c *chain) end(ctx context.Context) error {
	var errs []error
	for i := range c.stages {
		s := &c.stages[i]
		starter, ok := s.transform.(plugin.Starter)
		if !ok {
			continue
		}
		if err := c.guard.Call("Stop of "+s.what, func() error { return starter.Stop(ctx) }); err != nil {
			errs = append(errs, fmt.Errorf("stop transform %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// apply takes a batch through every transform. The error ends the task, or is errHalted.
func (c *chain) apply(ctx context.Context, b *record.Batch) error {
	for i := range c.stages {
		s := &c.stages[i]
		if err := c.guard.Call(s.what, func() error { return s.run(ctx, b) }); err != nil {
			return fmt.Errorf("transform %s: %w", s.name, err)
		}
		b.Show()
		if len(b.Failures()) == 0 {
			continue
		}
		if err := c.settle(ctx, b, s); err != nil {
			return err
		}
	}
	return nil
}

// run applies the transform to the records that its predicate lets pass.
func (s *stage) run(ctx context.Context, b *record.Batch) error {
	if s.predicate != nil {
		for i := range b.Records {
			if !b.Live(i) {
				continue
			}
			switch applies, err := s.predicate.Test(&b.Records[i]); {
			case err != nil:
				b.Fail(i, err)
			case applies == s.negate:
				b.Hide(i)
			}
		}
	}
	return s.transform.Apply(ctx, b)
}

// errFatal says that a transform gave up as a whole while a record was tried again.
var errFatal = errors.New("the transform gave up")

// settle decides about the records that a transform failed, first to last: try again what may be tried again, the failed
// record alone; then skip, or stop at it.
func (c *chain) settle(ctx context.Context, b *record.Batch, s *stage) error {
	for _, f := range c.failures(b) {
		if f.Index >= len(b.Records) {
			break // after a record that stops the task
		}
		var fatal error
		err := c.policy.retry(ctx, f.Err, func() error {
			err, gaveUp := c.alone(ctx, b, s, f.Index)
			if gaveUp != nil {
				fatal = gaveUp
				return errFatal
			}
			return err
		})
		switch {
		case err == nil:
			continue
		case fatal != nil:
			return fmt.Errorf("transform %s: %w", s.name, fatal)
		case errors.Is(err, errHalted):
			return err
		}
		c.fail(ctx, b, fault{index: f.Index, at: s.at, err: err})
	}
	return nil
}

// alone runs a transform on a record that it failed before, and on no other. The second error is the transform's as a
// whole.
func (c *chain) alone(ctx context.Context, b *record.Batch, s *stage, index int) (failed, gaveUp error) {
	for i := range b.Records {
		if b.Live(i) {
			b.Hide(i)
		}
	}
	defer b.Show()
	b.Unfail(index)
	if err := c.guard.Call(s.what, func() error { return s.run(ctx, b) }); err != nil {
		return nil, err
	}
	for _, f := range b.TakeFailures() {
		failed = f.Err
	}
	return failed, nil
}

// failures takes the failures of a batch, each record once, first to last.
func (c *chain) failures(b *record.Batch) []record.Failure {
	c.faults = append(c.faults[:0], b.TakeFailures()...)
	slices.SortStableFunc(c.faults, func(x, y record.Failure) int { return cmp.Compare(x.Index, y.Index) })
	c.faults = slices.CompactFunc(c.faults, func(x, y record.Failure) bool { return x.Index == y.Index })
	return c.faults
}

// fail deals with a record that has failed for good. Tolerated, it is marked and told of; else the batch is cut at it,
// so that what stands before it is delivered, and stop is set. A cut at an earlier record replaces a later one: the first
// record in order is the one that counts, as if records went one by one.
func (c *chain) fail(ctx context.Context, b *record.Batch, f fault) {
	f.where = coordinates(b, f.index)
	if c.text != nil && c.policy.Log && c.policy.LogMessages {
		f.source = c.text(b, f.index)
	}
	if c.policy.TolerateAll {
		if b.Live(f.index) {
			b.Fail(f.index, f.err)
			b.TakeFailures()
		}
		c.tolerated(ctx, f)
		return
	}
	c.cut(b, f)
}

// cut ends the batch before a record that stops the task.
func (c *chain) cut(b *record.Batch, f fault) {
	c.stop = &f
	b.Cut(f.index)
}
