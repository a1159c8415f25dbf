package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/store"
)

// committer stores what the tracker says was delivered, and then tells the source: in this order and without leaving out
// the last step, since a source that holds back until it hears would wait for ever (invariants 1 and 7). It belongs to
// one goroutine at a time: its own while the task runs, the task's at the end.
type committer struct {
	offsets    store.Offsets
	instance   string
	partitions *record.Partitions
	tracker    *tracker
	listener   plugin.Committer // nil: the source does not ask
	timeout    time.Duration    // for one commit
	holds      func() bool
	guard      Guard
	meter      *Meter
	logger     *slog.Logger
	condition  func(error) // hears of a full disk, and by nil of its end

	unstored map[int32]record.Value // taken from the tracker, by partition
	untold   map[int32]record.Value // stored, and the source has not heard
	keys     [][]byte               // JSON of partitions, by number
}

// firstTell is the wait before a source that did not accept a message, or a store that did not answer, is asked again;
// it doubles up to the interval of commits.
const firstTell = time.Second

// run commits at an interval, when asked, and sooner again after a failure, until life ends. store bounds the calls, so
// that the end of life does not cut off a commit.
func (c *committer) run(life, store context.Context, interval time.Duration, asked <-chan struct{}) {
	failed, pace := 0, pace{interval: interval}
	for {
		wait := pace.next()
		if failed > 0 {
			wait = min(interval, firstTell<<min(failed-1, 10))
		}
		if !c.await(life, wait, asked) {
			return
		}
		if c.commit(store) {
			failed = 0
		} else {
			failed++
		}
	}
}

// await waits until the next commit is due, and before that, while there is nothing to commit, until there is: an idle task
// wakes nobody. false: life has ended.
func (c *committer) await(life context.Context, wait time.Duration, asked <-chan struct{}) bool {
	if c.meter.unstored.Load() == 0 && len(c.untold) == 0 {
		select {
		case <-life.Done():
			return false
		case <-asked:
			return true
		case <-c.tracker.begun:
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-life.Done():
		return false
	case <-asked:
	case <-timer.C:
	}
	return true
}

// pace is the waits between commits. The first ones are short and double up to the interval, so that a task which is
// killed again and again before its first interval has passed still gets on.
type pace struct {
	interval time.Duration
	last     time.Duration
}

func (p *pace) next() time.Duration {
	p.last = min(p.interval, max(2*p.last, p.interval/32))
	return p.last
}

// commit makes one attempt. A failure never fails the task: what was not stored goes with the next attempt.
func (c *committer) commit(ctx context.Context) bool {
	if !c.holds() {
		return false
	}
	for _, p := range c.tracker.take() {
		if _, ok := c.unstored[p.Partition]; ok {
			c.meter.unstored.Add(-1) // passed over by the newer position
		}
		c.unstored[p.Partition] = p.Offset
	}
	if len(c.unstored) > 0 {
		start := time.Now()
		err := c.store(ctx)
		c.note(err)
		if err != nil {
			c.meter.CommitFailures.Add(1)
			c.logger.WarnContext(ctx, "offsets were not stored; they go with the next attempt", "error", err)
			return false
		}
		c.meter.committed(time.Since(start))
		c.meter.unstored.Add(-int64(len(c.unstored)))
		maps.Copy(c.untold, c.unstored)
		clear(c.unstored)
	}
	if err := c.tell(ctx); err != nil {
		c.logger.WarnContext(ctx, "the source did not accept what was committed; it is told again", "error", err)
		return false
	}
	return true
}

func (c *committer) store(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	entries := make([]store.Offset, 0, len(c.unstored))
	for _, p := range slices.Sorted(maps.Keys(c.unstored)) {
		e := store.Offset{Partition: c.key(p)}
		if offset := c.unstored[p]; !offset.IsNull() {
			e.Value = flatJSON(offset)
		}
		entries = append(entries, e)
	}
	return c.offsets.Commit(ctx, c.instance, entries)
}

// key is the JSON of a partition.
func (c *committer) key(n int32) []byte {
	for int(n) >= len(c.keys) {
		c.keys = append(c.keys, nil)
	}
	if c.keys[n] == nil {
		c.keys[n] = flatJSON(c.partitions.At(n))
	}
	return c.keys[n]
}

// note makes a full disk a condition that people see.
func (c *committer) note(err error) {
	switch {
	case err == nil:
		c.condition(nil)
	case errors.Is(err, syscall.ENOSPC):
		d := diag.New(diag.DiskFull, diag.Place{}, "The offsets of %s cannot be stored: %s.\n\nThe task goes on; what it delivers meanwhile comes again after a restart. Free space, and the offsets are stored with the next attempt.", c.instance, err)
		c.condition(&d)
	}
}

// tell says to the source what was stored, again and again until it has accepted it (decision D8).
func (c *committer) tell(ctx context.Context) error {
	if c.listener == nil || len(c.untold) == 0 {
		clear(c.untold)
		return nil
	}
	if !c.holds() {
		return fmt.Errorf("tell the source: %w", ErrLease)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	positions := make([]record.Position, 0, len(c.untold))
	for _, p := range slices.Sorted(maps.Keys(c.untold)) {
		positions = append(positions, record.Position{Partition: p, Offset: c.untold[p]})
	}
	if err := c.guard.Call("Committed", func() error { return c.listener.Committed(ctx, positions) }); err != nil {
		return err
	}
	clear(c.untold)
	return nil
}
