package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
)

// Names of the stages, as headers and log lines have them (Kafka Connect: Stage).
const (
	stageTransform = "TRANSFORMATION"
	stageKey       = "KEY_CONVERTER"
	stageValue     = "VALUE_CONVERTER"
	stageHeader    = "HEADER_CONVERTER"
	stageProduce   = "KAFKA_PRODUCE"
	stagePut       = "TASK_PUT"
)

// place is where a record failed: a stage and the class of the plugin, and the name of the transform if it is one.
type place struct{ stage, class, transform string }

// String names the place for people.
func (p place) String() string {
	if p.transform == "" {
		return "stage " + p.stage + " in " + p.class
	}
	return fmt.Sprintf("stage %s in %s, which is transform %q", p.stage, p.class, p.transform)
}

// fault is a record that cannot be worked on.
type fault struct {
	index  int // in the batch
	at     place
	err    error
	where  string // the record came from
	source string // a source record as text, when messages are logged
}

// explained is an error that tells its causes. Kafka Connect's errors do not: a stack trace does that for them.
type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// Error has the causes behind the error's own text, those left out that it says already.
func (e explained) Error() string {
	text := e.error.Error()
	for cause := errors.Unwrap(e.error); cause != nil; cause = errors.Unwrap(cause) {
		if more := cause.Error(); !strings.Contains(text, more) {
			text = strings.TrimRight(text, ":. ") + ": " + more
		}
	}
	return text
}

// policy is what a task does about records that fail (KIP-298; Kafka Connect: RetryWithToleranceOperator).
type policy struct {
	graph.Errors
	task   string // connector-number
	meter  *Meter
	logger *slog.Logger
	halt   <-chan struct{} // closed when the task stops: waits for another try end; nil: never
}

// errHalted ends a wait for another try because the task stops. The record counts neither as done nor as failed.
var errHalted = errors.New("the task stops before another try")

const firstRetry = 300 * time.Millisecond

// retry tries an operation again that failed with err, as long as the error is marked for it and the time lasts. It
// returns nil once a try has succeeded, errHalted when the task stops meanwhile, else the last error.
func (p *policy) retry(ctx context.Context, err error, again func() error) error {
	p.meter.Failures.Add(1)
	if _, ok := plugin.IsRetry(err); !ok || p.RetryTimeout == 0 {
		return err
	}
	start := time.Now()
	for n := 0; ; n++ {
		after, ok := plugin.IsRetry(err)
		if !ok {
			return err
		}
		wait := max(p.delay(n), after)
		if p.RetryTimeout > 0 {
			left := p.RetryTimeout - time.Since(start)
			if left <= 0 || after > left {
				return err
			}
			wait = min(wait, left)
		}
		if err := p.wait(ctx, wait); err != nil {
			return err
		}
		p.meter.Retries.Add(1)
		if err = again(); err == nil {
			return nil
		}
		p.meter.Failures.Add(1)
	}
}

// wait waits unless the task stops or the context ends.
func (p *policy) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.halt:
		return errHalted
	case <-ctx.Done():
		return errHalted
	}
}

// delay is the wait before retry n, from 0: it doubles from 300 ms; once past the maximum it is random below that.
func (p *policy) delay(n int) time.Duration {
	d := firstRetry << min(n, 32)
	if d > p.RetryDelayMax {
		if p.RetryDelayMax <= 0 {
			return 0
		}
		return rand.N(p.RetryDelayMax)
	}
	return d
}

// record counts a fault and writes the log line of Kafka Connect's LogReporter. consumed is the record's place in Kafka
// or its text, "" when messages shall not be shown.
func (p *policy) record(ctx context.Context, f fault, consumed string) {
	p.meter.Errors.Add(1)
	p.meter.LastError.Store(time.Now().UnixNano())
	if p.TolerateAll {
		p.meter.Skipped.Add(1)
	}
	if !p.Log {
		return
	}
	p.meter.Logged.Add(1)
	text := fmt.Sprintf("Error encountered in task %s. Executing stage '%s' with class '%s'", p.task, f.at.stage, f.at.class)
	if p.LogMessages && consumed != "" {
		text += ", where " + consumed
	}
	attrs := []any{"error", p.shown(f.err)}
	if e, ok := errors.AsType[*plugin.DataError](f.err); ok && e.Field != "" {
		attrs = append(attrs, "field", e.Field)
	}
	if f.at.transform != "" {
		attrs = append(attrs, "transform", f.at.transform)
	}
	if f.where != "" {
		attrs = append(attrs, "record", f.where)
	}
	p.logger.ErrorContext(ctx, text+".", attrs...) //nolint:sloglint // Kafka Connect's log line, word for word
}

// exceeded is the error of a task that met a record which errors.tolerance does not let pass.
func (p *policy) exceeded(f *fault) error {
	at := f.at.String()
	if e, ok := errors.AsType[*plugin.DataError](f.err); ok && e.Field != "" {
		at += ", field " + e.Field
	}
	return fmt.Errorf("the record from %s failed at %s, and errors.tolerance is none: %w", f.where, at, p.shown(f.err))
}

// shown is an error with its causes, or without what the record holds, unless errors.log.include.messages lets it be shown.
func (p *policy) shown(err error) error {
	e, ok := errors.AsType[*plugin.DataError](err)
	if !ok || e.Masked == "" || p.LogMessages {
		return explained{err}
	}
	return &masked{err, strings.Replace(err.Error(), e.Reason, e.Masked, 1)}
}

// masked is an error that says less than it knows.
type masked struct {
	err  error
	text string
}

func (m *masked) Error() string { return m.text }
func (m *masked) Unwrap() error { return m.err }

// sleep waits unless the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
