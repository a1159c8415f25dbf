package engine

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// Changes says what an Apply did, by names of pipelines in alphabetical order.
type Changes struct {
	Created, Changed, Deleted, Untouched []string
	Revision                             store.Revision
}

// Nothing reports whether everything was as before.
func (c Changes) Nothing() bool { return len(c.Created)+len(c.Changed)+len(c.Deleted) == 0 }

// String is such as "2 new, 1 changed, 11 as before".
func (c Changes) String() string {
	var parts []string
	for _, p := range []struct {
		names []string
		word  string
	}{{c.Created, "new"}, {c.Changed, "changed"}, {c.Deleted, "gone"}, {c.Untouched, "as before"}} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", len(p.names), p.word))
		}
	}
	return strings.Join(parts, ", ")
}

// applyWithin is how long the leader may take to answer.
const applyWithin = 30 * time.Second

// Apply makes the stored configurations equal to what was declared, in one request: everything or nothing. Pipelines that
// nobody declares any more are deleted; their offsets stay. States that somebody asked for stay unless the declaration
// names one. The declarations must have been compiled without errors.
func (e *Engine) Apply(ctx context.Context, ds []*config.Declared) (Changes, error) {
	s, err := e.Store.Snapshot(ctx)
	if err != nil {
		return Changes{}, err
	}
	if p := e.Worker.Providers(); p != nil {
		for _, d := range ds {
			p.Remember(d)
		}
	}
	changes, ops := difference(s, ds)
	changes.Revision = s.Revision
	if len(ops) == 0 {
		return changes, nil
	}
	ctx, cancel := context.WithTimeout(ctx, applyWithin)
	defer cancel()
	answer, err := e.Store.Submit(ctx, store.Request{ID: store.NewID(), Deadline: time.Now().Add(applyWithin), Ops: ops})
	switch {
	case err != nil:
		return Changes{}, fmt.Errorf("apply the configuration: %w", err)
	case answer.Refusal != "":
		return Changes{}, fmt.Errorf("apply the configuration: %s: %s", answer.Refusal, answer.Reason)
	}
	changes.Revision = answer.Revision
	return changes, nil
}

// difference is what takes a snapshot to the declarations.
func difference(s *store.Snapshot, ds []*config.Declared) (Changes, []store.Op) {
	var c Changes
	var ops []store.Op
	declared := map[string]bool{}
	for _, d := range ds {
		name := d.Name()
		declared[name] = true
		have, there := s.Connectors[name]
		switch {
		case !there:
			c.Created = append(c.Created, name)
			ops = append(ops, store.Op{Put: &store.PutConnector{Name: name, Config: d.Map, Target: d.Target, Create: true}})
			continue
		case !maps.Equal(have.Config, d.Map):
			c.Changed = append(c.Changed, name)
			ops = append(ops, store.Op{Put: &store.PutConnector{Name: name, Config: d.Map, If: have.Written()}})
		case d.Target != "" && d.Target != have.Target:
			c.Changed = append(c.Changed, name)
		default:
			c.Untouched = append(c.Untouched, name)
		}
		if d.Target != "" && d.Target != have.Target {
			ops = append(ops, store.Op{Target: &store.SetTarget{Name: name, Target: d.Target}})
		}
	}
	for _, name := range s.Names() {
		if !declared[name] {
			c.Deleted = append(c.Deleted, name)
			ops = append(ops, store.Op{Delete: &store.DeleteConnector{Name: name}})
		}
	}
	return c, ops
}
