package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/store"
)

// Snapshot is the newest committed state; it is shared and never changed.
func (e *Engine) Snapshot(ctx context.Context) (*store.Snapshot, error) { return e.Store.Snapshot(ctx) }

// Statuses is what instances and tasks last said of themselves, instances before their tasks, by name and number.
func (e *Engine) Statuses(ctx context.Context) ([]store.Status, error) {
	return e.Store.Statuses().All(ctx)
}

// Graph writes how the systems, pipelines and topics of the stored configurations hang together. What does not compile is
// left out.
func (e *Engine) Graph(ctx context.Context, w io.Writer, f graph.Format) error {
	s, err := e.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	var g graph.Graph
	for _, name := range s.Names() {
		if i, _ := graph.CompileOne(name, s.Connectors[name].Config, e.Worker, e.Registry); i != nil {
			g.Instances = append(g.Instances, i)
		}
	}
	// The store does not know which values are sensitive (invariant 6).
	var b strings.Builder
	if err := graph.Render(&b, &g, f); err != nil {
		return err
	}
	_, err = io.WriteString(w, e.Worker.Providers().Mask(b.String()))
	return err
}

// clusterID is the id of the Kafka cluster, once it is known.
type clusterID struct {
	mu   sync.Mutex
	text string
}

// idWithin bounds what [Engine.ClusterID] waits for a broker.
const idWithin = time.Second

// ClusterID is the id of the Kafka cluster, "" as long as no broker has told it.
func (e *Engine) ClusterID(ctx context.Context) string {
	e.id.mu.Lock()
	defer e.id.mu.Unlock()
	if e.id.text != "" {
		return e.id.text
	}
	ctx, cancel := context.WithTimeout(ctx, idWithin)
	defer cancel()
	clients, err := e.clients()
	if err != nil {
		return ""
	}
	client, err := clients.AdminClient(nil, "")
	if err != nil {
		return ""
	}
	defer client.Close()
	id, err := kafka.ClusterID(ctx, client)
	if err != nil {
		e.Logger.Debug("the cluster id is not known yet", "error", err)
		return ""
	}
	e.id.text = id
	return id
}

// settleWithin bounds how long a call waits for what it asked for to become visible. It is not an error when that takes
// longer: what was asked for is stored and comes about.
const settleWithin = 10 * time.Second

// SetTarget asks a connector to run, to pause or to stop. After stopping it waits, for a bounded time, until nothing of
// the connector runs any more, so that its offsets may be changed. A refusal is a *[store.RefusedError].
func (e *Engine) SetTarget(ctx context.Context, name string, t config.Target) error {
	err := e.submit(ctx, store.Op{Target: &store.SetTarget{Name: name, Target: t}})
	if err != nil || t != config.Stopped {
		return err
	}
	return e.await(ctx, func(s *store.Snapshot, all []store.Status) bool { return stopped(s, name, all) })
}

// SetTaskTarget asks one task to pause or to run. A refusal is a *[store.RefusedError].
func (e *Engine) SetTaskTarget(ctx context.Context, name string, n int, t config.Target) error {
	return e.submit(ctx, store.Op{Task: &store.SetTaskTarget{Name: name, Task: n, Target: t}})
}

// Restart starts a connector's instance, some of its tasks, or both anew. What restarts shows as RESTARTING until it has
// said how it is. With only the instance asked for, Restart waits for that, for a bounded time, and returns the failure of
// an instance that does not start. A refusal is a *[store.RefusedError].
func (e *Engine) Restart(ctx context.Context, name string, instance bool, tasks []int) error {
	before, err := e.Statuses(ctx)
	if err != nil {
		return err
	}
	if err := e.restart(ctx, before, name, instance, tasks); err != nil {
		return err
	}
	if !instance || len(tasks) > 0 {
		return nil
	}
	var is store.Status
	err = e.await(ctx, func(_ *store.Snapshot, all []store.Status) bool {
		for _, st := range all {
			if st.Connector == name && st.Task == store.Instance {
				is = st
			}
		}
		return is.State != store.StateRestarting
	})
	if err == nil && is.State == store.StateFailed {
		return fmt.Errorf("Failed to transition connector %s to state STARTED", name) //nolint:staticcheck // Kafka Connect's text
	}
	return err
}

// undoWithin bounds how long the marks of a restart that was refused may take to go.
const undoWithin = 4 * time.Second

// restart marks what restarts, given what was said of it, and asks for it. The mark is set first: once the request is carried
// out, what was started anew may speak at any moment.
func (e *Engine) restart(ctx context.Context, before []store.Status, name string, instance bool, tasks []int) error {
	bounded, cancel := context.WithTimeout(ctx, applyWithin) // marks and request together
	defer cancel()
	var marked []store.Status
	undo := func(err error) error {
		late, end := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
		defer end()
		for _, st := range marked {
			err = errors.Join(err, e.Store.Statuses().Put(late, st))
		}
		return err
	}
	for _, st := range before {
		if st.Connector != name || !restarts(st.Task, instance, tasks) {
			continue
		}
		marked = append(marked, st)
		st.State = store.StateRestarting
		if err := e.Store.Statuses().Put(bounded, st); err != nil {
			if errors.Is(err, context.DeadlineExceeded) && bounded.Err() != nil {
				err = e.unanswered()
			}
			return undo(err)
		}
	}
	if err := e.submit(bounded, store.Op{Restart: &store.Restart{Name: name, Instance: instance, Tasks: tasks}}); err != nil {
		return undo(err)
	}
	return nil
}

func restarts(task int, instance bool, tasks []int) bool {
	return task == store.Instance && instance || slices.Contains(tasks, task)
}

// submit carries out one operation.
func (e *Engine) submit(ctx context.Context, op store.Op) error {
	ctx, cancel := context.WithTimeout(ctx, applyWithin)
	defer cancel()
	a, err := e.Store.Submit(ctx, store.Request{ID: store.NewID(), Deadline: time.Now().Add(applyWithin), Ops: []store.Op{op}})
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		return e.unanswered()
	case err != nil:
		return fmt.Errorf("hand the request to the leader: %w", err)
	}
	return a.Err()
}

// await looks again and again until something is true or settleWithin has passed; statuses cannot be waited for.
func (e *Engine) await(ctx context.Context, done func(*store.Snapshot, []store.Status) bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	enough := time.NewTimer(settleWithin)
	defer enough.Stop()
	for {
		s, err := e.Snapshot(ctx)
		if err != nil {
			return err
		}
		all, err := e.Statuses(ctx)
		if err != nil {
			return err
		}
		if done(s, all) {
			return nil
		}
		select {
		case <-tick.C:
		case <-enough.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stopped reports whether a connector was asked to stop and nothing of it runs any more: no member has a task that it has not
// let go of, whatever is known here of their statuses.
func stopped(s *store.Snapshot, name string, all []store.Status) bool {
	c := s.Connectors[name]
	runs := func(p store.Placement) bool { return p.Connector == name && p.Task != store.Instance }
	if c.Target != config.Stopped || len(c.Tasks) > 0 || slices.ContainsFunc(s.Plan.Placements, runs) {
		return false
	}
	rests := false
	for _, st := range all {
		switch {
		case st.Connector != name:
		case st.Task == store.Instance:
			rests = st.State == store.StateStopped || st.State == store.StateFailed
		case st.State != store.StateUnassigned:
			return false
		}
	}
	return rests
}
