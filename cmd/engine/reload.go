package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
)

// reloads keeps what runs equal to the project's files. A folder loads as a whole or not at all: on errors nothing changes
// and the last good revision runs on.
type reloads struct {
	run    *run
	engine *engine.Engine
	ask    chan func(context.Context, hcl.Loading)
	hangup chan os.Signal
	retry  chan struct{} // has room for one: what was loaded could not be put into effect

	book *loadBook // numbers the loads without errors; the start is 1

	// Of the goroutine that loads.
	started *config.Declared // the worker block that this process was started with
	warned  map[diag.Diagnostic]bool

	mu      sync.Mutex
	awaited map[string]bool // pipelines that were changed and are not known to run yet
}

func newReloads(r *run, e *engine.Engine) *reloads {
	l := &reloads{
		run: r, engine: e, ask: make(chan func(context.Context, hcl.Loading)),
		hangup: make(chan os.Signal, 1), retry: make(chan struct{}, 1),
		started: r.project().declaredWorker(), awaited: map[string]bool{}, book: r.book,
	}
	return l
}

// retryAfter is the wait before a load that could not be put into effect is tried again.
const retryAfter = 5 * time.Second

// listen keeps SIGHUP from ending the process, until stop is called; what comes before serve is not lost.
func (r *reloads) listen() (stop func()) {
	signal.Notify(r.hangup, syscall.SIGHUP)
	return func() { signal.Stop(r.hangup) }
}

// serve loads whenever files change, unless they are not watched, and at SIGHUP, until ctx is done.
func (r *reloads) serve(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		hcl.Watch(ctx, hcl.Watching{
			Project: r.run.project().Project, Ask: r.ask, OnlyAsk: !r.run.watch,
			Loaded:  func(ctx context.Context, l hcl.Loading) { _ = r.take(ctx, l, r.why(l)) },
			Missing: r.missing, Back: r.back, NoEvents: r.noEvents,
		})
	})
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.hangup:
			_, _ = r.Reload(ctx) // the outcome has been printed
		case <-r.retry:
			again = time.After(retryAfter)
		case <-again:
			again = nil
			_, _ = r.load(ctx, "tried again: ") // as above
		}
	}
}

// outcome is what came of a load. With errors among what was found nothing has changed.
type outcome struct {
	changes engine.Changes
	found   diag.List // all there is to say about the files
	fresh   bool      // it is a new revision
}

// Reload loads the project at once, whether its files have changed or not. The error is that of ctx.
func (r *reloads) Reload(ctx context.Context) (outcome, error) {
	return r.load(ctx, "reload asked for: ")
}

// answer reloads for the REST API.
func (r *reloads) answer(ctx context.Context) (*api.Reloaded, error) {
	o, err := r.Reload(ctx)
	if err != nil {
		return nil, fmt.Errorf("reload the project: %w", err)
	}
	c := o.changes
	return &api.Reloaded{
		Revision: r.book.revision(), Loaded: o.fresh, Created: c.Created, Changed: c.Changed, Deleted: c.Deleted,
		Untouched: len(c.Untouched), Diagnostics: api.Diagnostics(o.found),
	}, nil
}

func (r *reloads) load(ctx context.Context, why string) (outcome, error) {
	var o outcome
	done := make(chan struct{})
	load := func(life context.Context, l hcl.Loading) {
		defer close(done)
		o = r.take(life, l, why)
	}
	select {
	case r.ask <- load:
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	select {
	case <-done:
		return o, nil
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
}

// take puts a load into effect, or says why not. why begins the line that tells.
func (r *reloads) take(ctx context.Context, l hcl.Loading, why string) outcome {
	was := r.run.project()
	next, found := was.again(l.Project)
	o := outcome{found: append(slices.Clone(l.Found), found...)}
	if o.found.HasErrors() {
		r.refuse(why, o.found, next.Source)
		return o
	}
	changes, err := r.engine.Apply(ctx, next.Pipelines)
	switch {
	case ctx.Err() != nil:
		return o // the process ends
	case err != nil:
		failed := diag.Of(err, diag.NotApplied)
		r.refuse(why, failed, next.Source)
		select {
		case r.retry <- struct{}{}:
		default:
		}
		o.found = append(o.found, failed...)
		return o
	}
	o.changes, o.fresh = changes, r.book.accept(next, !changes.Nothing(), time.Now())
	r.run.loaded.Store(next)
	r.report(why, was, next, o)
	r.await(changes)
	r.warn(o.found, next.Source)
	return o
}

// warn prints the warnings that the last load did not have.
func (r *reloads) warn(found diag.List, source func(string) ([]byte, error)) {
	all := map[diag.Diagnostic]bool{}
	var fresh diag.List
	for _, d := range found {
		if all[d] = true; !r.warned[d] {
			fresh = append(fresh, d)
		}
	}
	r.warned = all
	if len(fresh) > 0 {
		r.run.tellAbove(fresh, source)
	}
}

// mostAwaited is of how many pipelines at a time it is said that they run.
const mostAwaited = 10

// await waits for changed pipelines to run.
func (r *reloads) await(c engine.Changes) {
	names := slices.Concat(c.Created, c.Changed)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, gone := range c.Deleted {
		delete(r.awaited, gone)
	}
	if len(names) > mostAwaited {
		return
	}
	for _, n := range names {
		r.awaited[n] = true
	}
}

func (r *reloads) awaiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.awaited) > 0
}

// arrived says which of the awaited pipelines run, or rest as they should. Failures are told as they happen.
func (r *reloads) arrived(is engine.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range is.Pipelines {
		if !r.awaited[p.Name] {
			continue
		}
		if state, settled := settledState(p); settled {
			delete(r.awaited, p.Name)
			if state != "" {
				r.line("%s: %s", p.Name, state)
			}
		}
	}
}
