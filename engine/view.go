package engine

import (
	"context"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/store"
)

// View is how everything is at one moment. It belongs to the caller.
type View struct {
	Revision  store.Revision
	Pipelines []Pipeline // by name
}

// Pipeline is one pipeline as people want to see it.
type Pipeline struct {
	Name   string
	Target config.Target
	State  store.State // of the instance; Unassigned before it has said anything
	Trace  string      // why it failed
	Tasks  []TaskView  // by number
	Failures
}

// TaskView is one task.
type TaskView struct {
	Number int
	State  store.State
	Trace  string
	Counts
	Failures
}

// Counts is what a task has done since it was first started in this process.
type Counts struct {
	Read         int64 // records polled from the source, or consumed from Kafka
	Delivered    int64 // records that the broker, or the sink, has taken
	Dropped      int64 // records that a filter dropped
	Failed       int64 // records that could not be worked on
	DeadLettered int64 // of these, sent to the dead letter queue
	InFlight     int64 // records under way
	Lag          int64 // records that a sink is behind; -1: unknown, or a source
	// Behind is how old the oldest record is that a sink has not taken, or the newest that Kafka has taken from a source;
	// -1: unknown.
	Behind       time.Duration
	Settled      bool // nothing under way, nothing delivered that is not stored, no lag
	LastActivity time.Time
}

func (c *Counts) add(o Counts) {
	c.Read += o.Read
	c.Delivered += o.Delivered
	c.Dropped += o.Dropped
	c.Failed += o.Failed
	c.DeadLettered += o.DeadLettered
	c.InFlight += o.InFlight
	if c.Lag >= 0 && o.Lag >= 0 {
		c.Lag += o.Lag
	} else {
		c.Lag = -1
	}
	c.Behind = furthest(c.Behind, o.Behind)
	c.Settled = c.Settled && o.Settled
	if o.LastActivity.After(c.LastActivity) {
		c.LastActivity = o.LastActivity
	}
}

// furthest is the longer of two delays; one that is not known makes both so.
func furthest(a, b time.Duration) time.Duration {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

func countsOf(m *task.Meter) Counts {
	c := Counts{
		Read: m.Read.Load(), Delivered: m.Delivered.Load(), Dropped: m.Dropped.Load(), Failed: m.Errors.Load(),
		DeadLettered: m.DeadLetters.Load(), InFlight: m.InFlight.Load(), Lag: m.Lag(), Settled: m.Settled(),
		Behind: m.Behind(time.Now()),
	}
	if at := m.LastActivity.Load(); at > 0 {
		c.LastActivity = time.Unix(0, at)
	}
	return c
}

// Condition is one word for a pipeline: FAILED when the instance or a task has failed, STARTING until all tasks have said
// how they are, else the state that they share with the instance.
func (p Pipeline) Condition() string {
	if p.State == store.StateFailed {
		return string(store.StateFailed)
	}
	condition := string(p.State)
	if p.State == store.StateUnassigned || p.State == store.StateRunning && len(p.Tasks) == 0 {
		condition = "STARTING"
	}
	for _, t := range p.Tasks {
		switch t.State {
		case store.StateFailed:
			return string(store.StateFailed)
		case store.StateUnassigned:
			condition = "STARTING"
		}
	}
	return condition
}

// Counts is the sum over the tasks, with the longest delay; lag and delay are unknown unless every task knows its own.
func (p Pipeline) Counts() Counts {
	if len(p.Tasks) == 0 {
		return Counts{Lag: -1, Behind: -1}
	}
	sum := p.Tasks[0].Counts
	for _, t := range p.Tasks[1:] {
		sum.add(t.Counts)
	}
	return sum
}

// View reads the store's newest snapshot and statuses; it waits for nothing else.
func (e *Engine) View(ctx context.Context) (View, error) {
	s, err := e.Store.Snapshot(ctx)
	if err != nil {
		return View{}, err
	}
	statuses, err := e.Store.Statuses().All(ctx)
	if err != nil {
		return View{}, err
	}
	said := map[string]map[int]store.Status{}
	for _, st := range statuses {
		if said[st.Connector] == nil {
			said[st.Connector] = map[int]store.Status{}
		}
		said[st.Connector][st.Task] = st
	}
	v := View{Revision: s.Revision}
	for _, name := range s.Names() {
		c := s.Connectors[name]
		p := Pipeline{Name: name, Target: c.Target, State: store.StateUnassigned}
		if st, ok := said[name][store.Instance]; ok {
			p.State, p.Trace = st.State, st.Trace
			p.Failures = e.failures(st)
		}
		if c.TasksFor == c.Revision {
			for n := range c.Tasks {
				t := TaskView{Number: n, State: store.StateUnassigned, Counts: countsOf(e.meters.of(name, n))}
				if st, ok := said[name][n]; ok {
					t.State, t.Trace = st.State, st.Trace
					t.Failures = e.failures(st)
				}
				p.Tasks = append(p.Tasks, t)
			}
		}
		v.Pipelines = append(v.Pipelines, p)
	}
	return v, nil
}

// failures adds what a status says of the next attempt to what is remembered.
func (e *Engine) failures(st store.Status) Failures {
	f := e.fails.of(st.Connector, st.Task)
	if st.State == store.StateFailed && !st.Next.IsZero() {
		f.Attempt, f.Next = st.Attempt+1, st.Next
	}
	return f
}

// Idle reports whether nothing is left to do: every pipeline that was not asked to rest has its tasks, each has failed or
// has delivered and stored all that it read, sinks have read all there is, and nothing came for as long as quiet.
func (v View) Idle(now time.Time, quiet time.Duration) bool {
	for _, p := range v.Pipelines {
		if p.Target != config.Started || p.State == store.StateFailed {
			continue
		}
		if p.State != store.StateRunning || len(p.Tasks) == 0 {
			return false
		}
		for _, t := range p.Tasks {
			if t.State == store.StateFailed {
				continue
			}
			if t.State != store.StateRunning || !t.Settled || now.Sub(t.LastActivity) < quiet {
				return false
			}
		}
	}
	return true
}

// meters keeps a meter for each task that ever ran in this process, so that counts survive a restart of the task.
type meters struct {
	mu sync.Mutex
	m  map[meterKey]*task.Meter
}

type meterKey struct {
	connector string
	task      int
}

func (m *meters) of(connector string, n int) *task.Meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := meterKey{connector, n}
	t, ok := m.m[k]
	if !ok {
		t = &task.Meter{}
		if m.m == nil {
			m.m = map[meterKey]*task.Meter{}
		}
		m.m[k] = t
	}
	return t
}
