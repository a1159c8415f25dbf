package leader

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// round is everything that a decision is made of.
type round struct {
	snapshot *store.Snapshot
	requests []store.Request
	members  []member.Member
	needs    func(store.Connector) string // as needsOf makes it
	replan   bool                         // the members may be others than those of the snapshot's plan
	now      time.Time
	hands    *hands
	tooLarge map[string]string // connectors whose records the log does not take, and why
}

// decide answers requests in their order, each seeing what those before it have done, and makes the plan that follows.
func decide(r round) store.Commit {
	d := draft{snapshot: r.snapshot, connectors: map[string]*store.Connector{}, tooLarge: r.tooLarge, alone: r.hands == nil}
	var answers []store.Answer
	for _, q := range r.requests {
		a := store.Answer{ID: q.ID}
		if refused := d.carryOut(q, r.now); refused != nil {
			a.Refusal, a.Reason = refused.kind, refused.reason
		}
		answers = append(answers, a)
	}
	c := store.Commit{Connectors: d.connectors, Answers: answers}
	if r.replan || d.moves(r.needs) {
		if p := place(r.snapshot.Plan, d.wants(r.needs), r.members, r.hands); p.Epoch != r.snapshot.Plan.Epoch {
			c.Plan = &p
		}
	}
	return c
}

// refusal is why something is not carried out; nil: it is.
type refusal struct {
	kind   store.Refusal
	reason string
}

func refuse(kind store.Refusal, format string, args ...any) *refusal {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}

// draft is a snapshot with the changes of some requests. Connectors whose Revision or Incarnation is 0 get that of the
// commit in the making; no caller can have seen it, so what a caller compares with it always differs.
type draft struct {
	snapshot   *store.Snapshot
	connectors map[string]*store.Connector // what differs from the snapshot; nil: taken away
	request    map[string]*store.Connector // what the request under way changes besides
	tooLarge   map[string]string
	now        time.Time
	alone      bool // there is one member for ever
}

// carryOut carries out all operations of a request or none.
func (d *draft) carryOut(q store.Request, now time.Time) *refusal {
	if !q.Deadline.IsZero() && now.After(q.Deadline) {
		return refuse(store.Expired, "The deadline had passed by %v.", now.Sub(q.Deadline).Round(time.Millisecond))
	}
	d.request, d.now = map[string]*store.Connector{}, now
	for _, op := range q.Ops {
		if refused := d.operation(op); refused != nil {
			return refused
		}
	}
	for name, c := range d.request {
		if why, ok := d.tooLarge[name]; ok && c != nil {
			return refuse(store.TooLarge, "%s", why)
		}
	}
	maps.Copy(d.connectors, d.request)
	return nil
}

func (d *draft) operation(op store.Op) *refusal {
	set := 0
	for _, is := range []bool{op.Put != nil, op.Delete != nil, op.Target != nil, op.Restart != nil, op.Tasks != nil, op.Task != nil, op.Hold != nil, op.Part != nil} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return refuse(store.Invalid, "An operation asks for %d things, not one.", set)
	case op.Put != nil:
		return d.put(op.Put)
	case op.Delete != nil:
		return d.delete(op.Delete)
	case op.Target != nil:
		return d.target(op.Target)
	case op.Restart != nil:
		return d.restart(op.Restart)
	case op.Task != nil:
		return d.taskTarget(op.Task)
	case op.Hold != nil:
		return d.hold(op.Hold)
	case op.Part != nil:
		return d.part(op.Part)
	default:
		return d.tasks(op.Tasks)
	}
}

func (d *draft) put(p *store.PutConnector) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case p.Name == "" || p.Config == nil:
		return refuse(store.Invalid, "A connector needs a name and a configuration.")
	case p.Target != "" && !isTarget(p.Target):
		return refuse(store.Invalid, "%q is no state that a connector can be asked to be in.", p.Target)
	case exists && p.Create:
		return refuse(store.Exists, "Connector %s already exists", p.Name)
	case p.If != 0 && c.Written() != p.If:
		return changed(p.Name, exists)
	case !exists:
		c = store.Connector{Name: p.Name, Target: p.Target}
		if c.Target == "" {
			c.Target = config.Started
		}
	case maps.Equal(c.Config, p.Config): // and its tasks go on running
		if c.Mark != p.Mark {
			c.Mark, c.Marked = p.Mark, store.ThisCommit
			d.set(c)
		}
		return nil
	}
	// The tasks of the older configuration stay until the instance has made others, so that they keep their places and a
	// number; but they are TasksFor an older revision, and a worker runs only those of the present one (invariant 4).
	c.Config, c.Revision, c.Mark, c.Marked = p.Config, 0, p.Mark, 0
	d.set(c)
	return nil
}

func (d *draft) delete(p *store.DeleteConnector) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case !exists:
		return notFound(p.Name)
	case p.If != 0 && c.Written() != p.If:
		return changed(p.Name, true)
	case d.held(c):
		return busy(p.Name)
	}
	d.request[p.Name] = nil
	return nil
}

func (d *draft) target(p *store.SetTarget) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case !exists:
		return notFound(p.Name)
	case !isTarget(p.Target):
		return refuse(store.Invalid, "%q is no state that a connector can be asked to be in.", p.Target)
	case c.Target == p.Target:
		return nil
	case d.held(c):
		return busy(p.Name)
	}
	c.Target = p.Target
	if p.Target == config.Stopped {
		// Kafka Connect writes an empty task set before the state: clients count on a stopped connector to have no tasks.
		c.Tasks, c.TasksFor, c.TaskRestart, c.TaskTarget = []config.Map{}, c.Revision, nil, nil
	}
	d.set(c)
	return nil
}

func (d *draft) restart(p *store.Restart) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case !exists:
		return notFound(p.Name)
	case !p.Instance && len(p.Tasks) == 0:
		return refuse(store.Invalid, "A restart names neither the connector nor a task.")
	}
	for _, task := range p.Tasks {
		if task < 0 || task >= len(c.Tasks) {
			return refuse(store.NotFound, "Unknown task: %s-%d", p.Name, task)
		}
	}
	if p.Instance {
		c.Restarts++
	}
	if len(p.Tasks) > 0 {
		counts := make(map[int]int, len(c.TaskRestart)+len(p.Tasks)) // the stored map is shared
		maps.Copy(counts, c.TaskRestart)
		for _, task := range p.Tasks {
			counts[task]++
		}
		c.TaskRestart = counts
	}
	d.set(c)
	return nil
}

func (d *draft) tasks(p *store.PutTasks) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case !exists:
		return notFound(p.Name)
	case c.Incarnation != p.Incarnation:
		return refuse(store.Outdated, "Connector %s was deleted and created since.", p.Name)
	case c.Revision != p.For:
		return refuse(store.Outdated, "The tasks were made of an older configuration of connector %s.", p.Name)
	case c.Target == config.Stopped:
		return refuse(store.Outdated, "Connector %s has been stopped since.", p.Name)
	case c.Tasks != nil && c.TasksFor == p.For && slices.EqualFunc(c.Tasks, p.Tasks, maps.Equal[config.Map, config.Map]):
		return nil
	}
	c.Tasks, c.TasksFor = p.Tasks, p.For
	if c.Tasks == nil {
		c.Tasks = []config.Map{} // none, as opposed to not yet
	}
	c.TaskRestart, c.TaskTarget = firstOf(c.TaskRestart, len(c.Tasks)), firstOf(c.TaskTarget, len(c.Tasks))
	d.set(c)
	return nil
}

// taskTarget holds one task, or lets it go on.
func (d *draft) taskTarget(p *store.SetTaskTarget) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case !exists:
		return notFound(p.Name)
	case p.Target != config.Started && p.Target != config.Paused:
		return refuse(store.Invalid, "%q is no state that a task can be asked to be in.", p.Target)
	case p.Task < 0 || p.Task >= len(c.Tasks):
		return refuse(store.NotFound, "Unknown task: %s-%d", p.Name, p.Task)
	case (c.TaskTarget[p.Task] == config.Paused) == (p.Target == config.Paused):
		return nil
	}
	targets := map[int]config.Target{} // the stored map is shared
	maps.Copy(targets, c.TaskTarget)
	delete(targets, p.Task)
	if p.Target == config.Paused {
		targets[p.Task] = p.Target
	}
	if c.TaskTarget = targets; len(targets) == 0 {
		c.TaskTarget = nil
	}
	d.set(c)
	return nil
}

// hold keeps a stopped connector as it is, or lets go of it.
func (d *draft) hold(p *store.HoldConnector) *refusal {
	c, exists := d.get(p.Name)
	switch {
	case !exists:
		return notFound(p.Name)
	case p.By == "":
		return refuse(store.Invalid, "A hold of connector %s names nobody.", p.Name)
	case p.For <= 0 && c.Hold.By != p.By:
		return nil // it has ended by itself
	case p.For <= 0:
		c.Hold = store.Hold{}
	case d.held(c) && c.Hold.By != p.By:
		return busy(p.Name)
	case c.Target != config.Stopped || len(c.Tasks) > 0:
		return refuse(store.Invalid, "Connector %s is not stopped.", p.Name)
	default:
		c.Hold = store.Hold{By: p.By, Until: d.now.Add(p.For).UTC().Truncate(time.Millisecond)}
	}
	d.set(c)
	return nil
}

// part takes a member's word for it that it runs nothing any more; what follows from that is in the plan.
func (d *draft) part(p *store.PartMember) *refusal {
	if p.Member == "" || d.alone {
		return refuse(store.Invalid, "Nobody is there who could part.")
	}
	return nil
}

// held reports whether somebody changes the offsets of a connector.
func (d *draft) held(c store.Connector) bool { return c.Hold.By != "" && d.now.Before(c.Hold.Until) }

func busy(name string) *refusal {
	return refuse(store.Busy, "The offsets of connector %s are being changed; try again when that is done", name)
}

// firstOf keeps what belongs to the first n tasks; nil when that is nothing.
func firstOf[V any](byTask map[int]V, n int) map[int]V {
	var rest map[int]V
	for task, v := range byTask {
		if task < n {
			if rest == nil {
				rest = map[int]V{}
			}
			rest[task] = v
		}
	}
	return rest
}

func (d *draft) get(name string) (store.Connector, bool) {
	for _, layer := range []map[string]*store.Connector{d.request, d.connectors} {
		if c, ok := layer[name]; ok {
			if c == nil {
				return store.Connector{}, false
			}
			return *c, true
		}
	}
	c, ok := d.snapshot.Connectors[name]
	return c, ok
}

func (d *draft) set(c store.Connector) { d.request[c.Name] = &c }

// moves reports whether the changes ask for another plan.
func (d *draft) moves(needs func(store.Connector) string) bool {
	for name, c := range d.connectors {
		old, existed := d.snapshot.Connectors[name]
		if existed != (c != nil) {
			return true
		}
		if c != nil && (share(old) != share(*c) || needs(old) != needs(*c)) {
			return true
		}
	}
	return false
}

// wants lists what needs a place, in order of the connector.
func (d *draft) wants(needs func(store.Connector) string) []want {
	ws := make([]want, 0, len(d.snapshot.Connectors)+len(d.connectors))
	add := func(c store.Connector) { ws = append(ws, want{c.Name, share(c), needs(c)}) }
	for name, c := range d.snapshot.Connectors {
		if _, differs := d.connectors[name]; !differs {
			add(c)
		}
	}
	for _, c := range d.connectors {
		if c != nil {
			add(*c)
		}
	}
	slices.SortFunc(ws, func(x, y want) int { return strings.Compare(x.connector, y.connector) })
	return ws
}

func isTarget(t config.Target) bool {
	return t == config.Started || t == config.Paused || t == config.Stopped
}

func notFound(name string) *refusal { return refuse(store.NotFound, "Connector %s not found", name) }

func changed(name string, exists bool) *refusal {
	if !exists {
		return refuse(store.Conflict, "Connector %s has been deleted since.", name)
	}
	return refuse(store.Conflict, "Connector %s has been changed since.", name)
}
