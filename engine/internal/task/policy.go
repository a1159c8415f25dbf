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

// place is where a record failed: a stage and the class of the plugin.
type place struct{ stage, class string }

// fault is a record that cannot be worked on.
type fault struct {
	index  int // in the batch
	at     place
	err    error
	source string // a source record as text, when messages are logged
}

// exceeded is the error of a task that met a record which errors.tolerance does not let pass. Consumed is the record's place
// in Kafka, "" of what a source gave.
func (f *fault) exceeded(consumed string) error {
	if consumed != "" {
		consumed = ", where " + consumed
	}
	return fmt.Errorf("a record failed at stage %s in %s%s, and errors.tolerance is none: %w", f.at.stage, f.at.class, consumed, explained{f.err})
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
	p.logger.ErrorContext(ctx, text+".", "error", explained{f.err}) //nolint:sloglint // Kafka Connect's log line, word for word
}

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
