package diff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
)

// Cluster carries out what a document says. Its errors are shown to people as they are; [ErrChanged], [ErrNoConnector]
// and [ErrBusy] may be wrapped.
type Cluster interface {
	// Status says how a connector is.
	Status(ctx context.Context, name string) (Status, error)
	// Put creates a connector or replaces its configuration.
	Put(ctx context.Context, w Write) error
	// Delete deletes a connector that is still as it was seen.
	Delete(ctx context.Context, name string, seen Seen) error
	// SetTarget asks a connector to run, to pause or to stop.
	SetTarget(ctx context.Context, name string, t config.Target) error
	// CopyOffsets gives a stopped connector the offsets of another one.
	CopyOffsets(ctx context.Context, from, to string) error
}

// Errors of a cluster that mean something here.
var (
	ErrChanged     = errors.New("somebody has changed it in the meantime")
	ErrNoConnector = errors.New("there is no such connector")
	ErrBusy        = errors.New("the cluster has no time for this just now") // of Status: ask again
)

// Write is a configuration to be stored.
type Write struct {
	Name   string
	Config config.Map
	Create bool          // refuse when it is there
	Seen   Seen          // of an update: what it replaces
	Target config.Target // of a creation: the state to begin in; "" runs
	Owner  *Owner        // the mark; nil: none
}

// Seen is what a connector was when a document was made: only that may be replaced or deleted, else [ErrChanged]. Zero asks
// nothing.
type Seen struct {
	Revision string     // "" when the worker has no word for it; then Config and Owner are compared
	Config   config.Map // without our mark
	Owner    *Owner
}

// Is reports whether a connector still is what was seen, as far as its configuration and its mark say.
func (s Seen) Is(m config.Map, o *Owner) bool {
	if s.Config == nil {
		return true
	}
	return maps.Equal(m, s.Config) && (o == nil) == (s.Owner == nil) && (o == nil || o.Project == s.Owner.Project && o.Digest() == s.Owner.Digest())
}

// seen is what an entry was compared with.
func (e *Entry) seen() Seen {
	if e.live == nil {
		return Seen{}
	}
	return Seen{Revision: e.Revision, Config: e.live.Config, Owner: e.live.Owner}
}

// Status is how a connector is.
type Status struct {
	State  string // of the connector, as REST says it
	Trace  string // of its failure
	Tasks  []TaskStatus
	Stored bool // false: the worker that answers has not read the newest write yet
}

// TaskStatus is how a task is.
type TaskStatus struct {
	ID    int
	State string
	Trace string
}

// How is how to apply.
type How struct {
	Project  string        // for marks; "" makes none
	Parallel int           // connectors at a time; 0: 4
	Wait     time.Duration // for a connector to run; 0: not at all
	Settle   time.Duration // for which it must run to count as running
	Canary   bool          // of a change that many pipelines share, one is tried first
	Failures int           // after which nothing new is begun; 0: no limit
	Hidden   func(d *config.Declared) func(key string) bool

	// Report is told what happens, one call at a time.
	Report func(Event)
}

// Event is one line of progress.
type Event struct {
	Name  string
	What  string // such as "updating…" and "running, 2 of 2 tasks"
	Took  time.Duration
	Err   error  // what failed; nil when nothing did
	Trace string // what the worker says of a failure
	Entry *Entry
}

// Done says what was carried out, by action, and what was not.
type Done struct {
	Carried map[Action]int
	Of      map[Action]int
	Failed  []string // names of connectors
	Left    []string // that were not begun
}

// Complete reports whether everything was carried out.
func (d *Done) Complete() bool { return len(d.Failed)+len(d.Left) == 0 }

// A canary is worth its time when more connectors than this share a change.
const canaryFrom = 5

// Apply carries out a document: creations and updates first, then renames, deletions last and only if everything before
// them succeeded, so that a run that fails leaves too much rather than too little. When soft is done, nothing new is begun
// and what is under way is finished; ctx ends that too.
func Apply(ctx, soft context.Context, d *Document, c Cluster, how How) *Done {
	a := &applying{How: how, cluster: c, soft: soft, done: &Done{Carried: map[Action]int{}, Of: map[Action]int{}}}
	if a.Parallel == 0 {
		a.Parallel = 4
	}
	var puts, renames, deletions []*Entry
	for i := range d.Entries {
		e := &d.Entries[i]
		switch e.Action {
		case Unchanged:
			continue
		case Rename:
			renames = append(renames, e)
		case Delete:
			deletions = append(deletions, e)
		default:
			puts = append(puts, e)
		}
		a.done.Of[e.Action]++
	}
	for _, batch := range a.canaries(puts) {
		a.all(ctx, batch, a.put)
	}
	a.all(ctx, renames, a.rename)
	if !a.done.Complete() {
		for _, e := range deletions {
			a.leave(e, fmt.Sprintf("not deleted, because %s failed", a.first()))
		}
		return a.done
	}
	a.all(ctx, deletions, a.delete)
	return a.done
}

// Await lets carry, such as a reload of the files that a document was made of, do at once what the document says, and then
// waits until each connector is as it says. The error is that of carry. soft and ctx are as those of [Apply].
func Await(ctx, soft context.Context, d *Document, c Cluster, how How, carry func(context.Context) error) (*Done, error) {
	a := &applying{How: how, cluster: c, soft: soft, done: &Done{Carried: map[Action]int{}, Of: map[Action]int{}}}
	if a.Parallel == 0 {
		a.Parallel = 4
	}
	a.Canary = false // all has been carried out
	var changed []*Entry
	before := map[*Entry]error{}
	for i := range d.Entries {
		if e := &d.Entries[i]; e.Changed() {
			changed = append(changed, e)
			before[e] = a.failedBefore(ctx, e)
			a.done.Of[e.Action]++
		}
	}
	if err := carry(ctx); err != nil {
		return nil, err
	}
	a.all(ctx, changed, func(ctx context.Context, e *Entry) (string, error) {
		if e.Action == Delete {
			return "deleted", nil
		}
		return a.await(ctx, e, before[e])
	})
	return a.done, nil
}

type applying struct {
	How
	cluster Cluster
	soft    context.Context //nolint:containedctx // the first Ctrl-C, for the length of this call

	mu     sync.Mutex // guards the rest, and calls of Report
	done   *Done
	halted bool // a canary failed
}

// canaries puts the first of each large group of equal changes before the others.
func (a *applying) canaries(entries []*Entry) [][]*Entry {
	if !a.Canary {
		return [][]*Entry{entries}
	}
	sizes := map[string]int{}
	for _, e := range entries {
		sizes[alike(*e)]++
	}
	var first, rest []*Entry
	seen := map[string]bool{}
	for _, e := range entries {
		key := alike(*e)
		if key != "" && sizes[key] > canaryFrom && !seen[key] {
			seen[key] = true
			first = append(first, e)
			continue
		}
		rest = append(rest, e)
	}
	if len(first) == 0 {
		return [][]*Entry{entries}
	}
	return [][]*Entry{first, rest}
}

// all carries out entries, several at a time. After a canary that failed nothing else is begun.
func (a *applying) all(ctx context.Context, entries []*Entry, one func(context.Context, *Entry) (string, error)) {
	slots := make(chan struct{}, a.Parallel)
	var running sync.WaitGroup
	for _, e := range entries {
		slots <- struct{}{}
		if a.stopped(ctx) {
			<-slots
			a.leave(e, "not begun")
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			a.carry(ctx, e, one)
		})
	}
	running.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halted = a.halted || a.Canary && len(a.done.Failed) > 0
}

func (a *applying) stopped(ctx context.Context) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return ctx.Err() != nil || a.soft.Err() != nil || a.halted || a.Failures > 0 && len(a.done.Failed) >= a.Failures
}

func (a *applying) carry(ctx context.Context, e *Entry, one func(context.Context, *Entry) (string, error)) {
	begun := time.Now()
	a.report(Event{Name: e.Name, What: doing(e), Entry: e})
	what, err := one(ctx, e)
	event := Event{Name: e.Name, What: what, Took: time.Since(begun), Err: err, Entry: e}
	if failed, ok := errors.AsType[*FailedError](err); ok {
		event.Trace = failed.Trace
	}
	a.mu.Lock()
	if err != nil {
		a.done.Failed = append(a.done.Failed, e.Name)
	} else {
		a.done.Carried[e.Action]++
	}
	a.mu.Unlock()
	a.report(event)
}

func (a *applying) report(e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Report != nil {
		a.Report(e)
	}
}

func (a *applying) leave(e *Entry, why string) {
	a.mu.Lock()
	a.done.Left = append(a.done.Left, e.Name)
	a.mu.Unlock()
	a.report(Event{Name: e.Name, What: why, Entry: e})
}

// first is the name of what failed, or was left, first.
func (a *applying) first() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.done.Failed) > 0 {
		return a.done.Failed[0]
	}
	return a.done.Left[0]
}

func doing(e *Entry) string {
	return map[Action]string{
		Create: "creating…", Update: "updating…", Replace: "replacing…", Adopt: "adopting…", Release: "releasing…",
		Rename: "renaming " + e.From + "…", Delete: "deleting…",
	}[e.Action]
}

// put creates, updates, replaces, adopts or releases.
func (a *applying) put(ctx context.Context, e *Entry) (string, error) {
	w := Write{Name: e.Name, Seen: e.seen(), Create: e.Action == Create, Target: e.Target}
	switch m, ok := e.Want(); {
	case ok:
		w.Config, w.Owner = m, a.owner(e, m)
	default: // released: as it is
		w.Config = e.live.Config
	}
	if e.Action == Replace {
		if err := a.cluster.Delete(ctx, e.Name, w.Seen); err != nil {
			return "not replaced", fmt.Errorf("delete the old one: %w", err)
		}
		w.Create, w.Seen = true, Seen{}
	}
	before := a.failedBefore(ctx, e)
	if len(e.Changes) > 0 || e.Action == Adopt || e.Action == Release || e.Action == Replace || e.Action == Create {
		if err := a.cluster.Put(ctx, w); err != nil {
			return "not " + strings.TrimSuffix(string(e.Action), "e") + "ed", err
		}
	}
	if e.Target != "" && !w.Create {
		if err := a.cluster.SetTarget(ctx, e.Name, e.Target); err != nil {
			return "not in the state asked for", err
		}
	}
	return a.await(ctx, e, before)
}

// failedBefore is what a connector failed of before it is written: what a worker still says of that is no news.
func (a *applying) failedBefore(ctx context.Context, e *Entry) error {
	if e.live == nil || a.Wait == 0 {
		return nil
	}
	s, err := a.cluster.Status(ctx, e.Name)
	if err != nil {
		return nil //nolint:nilerr // the write will say so
	}
	return failure(s)
}

func (a *applying) owner(e *Entry, m config.Map) *Owner {
	if a.Project == "" || e.declared == nil {
		return nil
	}
	return NewOwner(a.Project, placed(e.declared.Place), m, a.Hidden(e.declared))
}

// rename moves a connector to another name, with its offsets. When a step fails, the old one goes on.
func (a *applying) rename(ctx context.Context, e *Entry) (what string, err error) {
	undo := func() {}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	m, _ := e.Want()
	if err := a.cluster.SetTarget(ctx, e.From, config.Stopped); err != nil {
		return "not renamed", fmt.Errorf("stop %s: %w", e.From, err)
	}
	undo = func() { // what goes wrong here is told by err
		_ = a.cluster.SetTarget(context.WithoutCancel(ctx), e.From, cmp.Or(e.live.Target, config.Started))
	}
	if err := a.until(ctx, e.From, nil, func(s Status) bool { return s.State == "STOPPED" && len(s.Tasks) == 0 }); err != nil {
		return "not renamed", fmt.Errorf("stop %s: %w", e.From, err)
	}
	if err := a.cluster.Put(ctx, Write{Name: e.Name, Config: m, Create: true, Target: config.Stopped, Owner: a.owner(e, m)}); err != nil {
		return "not renamed", fmt.Errorf("create %s: %w", e.Name, err)
	}
	resume := undo
	undo = func() {
		_ = a.cluster.Delete(context.WithoutCancel(ctx), e.Name, Seen{}) // told by err
		resume()
	}
	if err := a.until(ctx, e.Name, nil, func(s Status) bool { return s.State == "STOPPED" }); err != nil {
		return "not renamed", fmt.Errorf("create %s: %w", e.Name, err)
	}
	if err := a.cluster.CopyOffsets(ctx, e.From, e.Name); err != nil {
		return "not renamed", fmt.Errorf("copy the offsets: %w", err)
	}
	if err := a.cluster.Delete(ctx, e.From, e.seen()); err != nil && !errors.Is(err, ErrNoConnector) {
		return "not renamed", fmt.Errorf("delete %s: %w", e.From, err)
	}
	undo = func() {}
	if e.Target != config.Stopped {
		e.Target = cmp.Or(e.Target, e.live.Target, config.Started)
		if err := a.cluster.SetTarget(ctx, e.Name, e.Target); err != nil {
			return "not resumed", fmt.Errorf("resume %s: %w", e.Name, err)
		}
	}
	return a.await(ctx, e, nil)
}

func (a *applying) delete(ctx context.Context, e *Entry) (string, error) {
	err := a.cluster.Delete(ctx, e.Name, e.seen())
	if err != nil && !errors.Is(err, ErrNoConnector) {
		return "not deleted", err
	}
	return "deleted", nil
}

// FailedError says that a connector or a task has failed on the cluster.
type FailedError struct {
	Task  int // -1: the connector itself
	Trace string
}

func (e *FailedError) Error() string {
	if e.Task < 0 {
		return "the connector failed"
	}
	return fmt.Sprintf("task %d failed", e.Task)
}

// WaitedError says that a connector does not run yet.
type WaitedError struct{ For time.Duration }

func (e *WaitedError) Error() string { return fmt.Sprintf("it does not run after %s", e.For) }

// await waits until the connector is as asked for.
func (a *applying) await(ctx context.Context, e *Entry, before error) (string, error) {
	if a.Wait == 0 {
		return "sent", nil
	}
	want := map[config.Target]string{config.Paused: "PAUSED", config.Stopped: "STOPPED"}[e.Target]
	if want == "" && e.Target == "" && e.live != nil && e.live.Target != "" && e.live.Target != config.Started {
		want = string(e.live.Target)
	}
	if want != "" {
		if err := a.until(ctx, e.Name, before, func(s Status) bool { return s.State == want }); err != nil {
			return "not " + strings.ToLower(want), err
		}
		return strings.ToLower(want), nil
	}
	var since time.Time
	tasks := 0
	err := a.until(ctx, e.Name, before, func(s Status) bool {
		tasks = len(s.Tasks)
		if !runs(s) {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= a.Settle
	})
	if err != nil {
		return "not running", err
	}
	return fmt.Sprintf("running, %d of %s", tasks, count(tasks, "task", "tasks")), nil
}

func runs(s Status) bool {
	if s.State != "RUNNING" || len(s.Tasks) == 0 {
		return false
	}
	for _, t := range s.Tasks {
		if t.State != "RUNNING" {
			return false
		}
	}
	return true
}

// The waits between two looks at a status double from the first to the last.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// oldNews is how long a worker may go on to tell a failure that was there before the write.
const oldNews = 5 * time.Second

// until looks at a status until it is good, something has failed, or the time is up.
func (a *applying) until(ctx context.Context, name string, before error, good func(Status) bool) error {
	limit := a.Wait
	if limit == 0 {
		limit = time.Minute // steps of a rename cannot do without
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begun := time.Now()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		s, err := a.cluster.Status(waiting, name)
		switch {
		case err != nil && !errors.Is(err, ErrNoConnector) && !errors.Is(err, ErrBusy) && waiting.Err() == nil:
			return err
		case err == nil && s.Stored:
			if err := failure(s); err != nil && (!sameFailure(err, before) || time.Since(begun) > oldNews) {
				return err
			}
			if good(s) {
				return nil
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-waiting.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &WaitedError{For: limit}
		}
	}
}

func sameFailure(a, b error) bool {
	x, isFailure := errors.AsType[*FailedError](a)
	y, wasFailure := errors.AsType[*FailedError](b)
	return isFailure && wasFailure && *x == *y
}

func failure(s Status) error {
	if s.State == "FAILED" {
		return &FailedError{Task: -1, Trace: s.Trace}
	}
	for _, t := range s.Tasks {
		if t.State == "FAILED" {
			return &FailedError{Task: t.ID, Trace: t.Trace}
		}
	}
	return nil
}
