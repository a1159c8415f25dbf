package store

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/penstock/penstock/engine/config"
)

// Connector is a stored configuration with what belongs to it.
type Connector struct {
	Name        string
	Config      config.Map
	Revision    Revision      // of the last write of Config
	Incarnation Revision      // of the write that created it: differs after delete and create (rule 9 of D2)
	Target      config.Target // what was asked for
	Tasks       []config.Map  // what the instance last made of the configuration; nil: not yet; empty: stopped, or no work
	TasksFor    Revision      // the Revision of the Config that Tasks were made of; tasks of an older one do not run
	Restarts    int           // how often a restart of the instance was asked for
	TaskRestart map[int]int   // how often a restart was asked for, by task; nil: never
	Mark        Mark          // of who wrote Config last
	Marked      Revision      // of a write since Revision that changed nothing but Mark; 0: there was none

	// TaskTarget is what was asked of single tasks, by number: Paused holds one task while the connector runs. It lasts
	// until the task is asked to run again, is no more, or the connector is stopped. nil: nothing was asked.
	TaskTarget map[int]config.Target

	Hold Hold // who changes its offsets
}

// Written is the revision of the last write of Config or Mark: what callers compare with, see [PutConnector].If. It is 0
// while that is a commit in the making.
func (c *Connector) Written() Revision {
	if c.Revision == 0 || c.Marked == ThisCommit {
		return 0
	}
	return max(c.Revision, c.Marked)
}

// Mark says who applied a configuration. It stands beside it, so that a write without one, by whoever knows of none, leaves
// none: that proves a change by somebody else (decision D6). The zero value is nobody's. Its JSON is that of the REST API.
type Mark struct {
	Project string `json:"project,omitempty"`
	Source  string `json:"source,omitempty"` // where the project declares the connector
	Digest  string `json:"digest,omitempty"` // of what was sent
}

// Hold keeps a stopped connector stopped while somebody changes its offsets: it is neither started nor deleted, and nobody else
// may hold it, until it is let go or Until has passed by the leader's clock. The zero value is nobody's.
type Hold struct {
	By    string    `json:"by"`
	Until time.Time `json:"until"` // UTC, in milliseconds
}

// Instance is the task number that stands for the instance itself in placements and statuses.
const Instance = -1

// Placement gives one instance or task to one member, or takes it away from one that has not let go of it yet. It stays as
// it is, epoch included, for as long as the member does, but for Follows, which is emptied when there is nobody to wait for
// any more. Nobody but Member and Follows can be running it (rule 6 of D2), and for each instance and task there is one.
type Placement struct {
	Connector string
	Task      int    // Instance, or from 0
	Member    string // who runs it; with Leaving: who must not run it any more
	Epoch     int64  // of the plan that placed it there, or took it away
	// Follows is the member that had it before and may still be stopping it, also when it is no member any more. Member
	// starts nothing before there is a [Status] of Follows that is Released at Epoch or later, or Follows is "": nobody.
	Follows string
	// Leaving: nobody shall run it. Member stops it and writes a Status that is Released at Epoch, once Follows has done so.
	Leaving bool
}

// Plan is what the leader last published. What no member can run is not in it.
type Plan struct {
	Epoch   int64    // previous epoch + 1 (rule 2 of D2); 0: there was none
	Members []string // who was here, sorted. Who is not among them runs nothing, whatever its placements
	// Addresses are what members announced as such, by id: of Members, and of those who departed and whose placements wait
	// for them to come back (rule 8 of D2). Members without an address are not in it.
	Addresses  map[string]string
	Placements []Placement // by connector and task
}

// Given yields the placements that give something to a member.
func (p *Plan) Given(member string) iter.Seq[Placement] {
	return func(yield func(Placement) bool) {
		for _, pl := range p.Placements {
			if pl.Member == member && !pl.Leaving && !yield(pl) {
				return
			}
		}
	}
}

// Snapshot is the committed state at a revision. It is shared and never changed.
type Snapshot struct {
	Revision   Revision
	Connectors map[string]Connector
	Plan       Plan
}

// Names lists the connectors in alphabetical order.
func (s *Snapshot) Names() []string { return slices.Sorted(maps.Keys(s.Connectors)) }

// Request asks for changes that are carried out together or not at all.
type Request struct {
	ID       string    // unique; the answer carries it
	Deadline time.Time // after which the leader answers Expired instead; zero: never
	Ops      []Op
}

// Op is one change. Exactly one of the pointers is set.
type Op struct {
	Put     *PutConnector
	Delete  *DeleteConnector
	Target  *SetTarget
	Restart *Restart
	Tasks   *PutTasks
	Task    *SetTaskTarget
	Hold    *HoldConnector
	Part    *PartMember
}

// PutConnector creates or updates a connector. Equal configurations change nothing.
type PutConnector struct {
	Name   string
	Config config.Map
	Target config.Target // of a connector that is created; "" means Started. An update leaves the target alone
	Create bool          // refuse when it exists
	If     Revision      // when not 0: refuse unless the connector was Written at this
	Mark   Mark          // takes the place of the connector's. A write of another mark alone restarts nothing
}

// DeleteConnector takes a connector away, with its tasks and its target state; its offsets stay.
type DeleteConnector struct {
	Name string
	If   Revision // as in PutConnector
}

// SetTarget asks for a state. Stopping takes the tasks away; the instance makes them anew when it is started.
type SetTarget struct {
	Name   string
	Target config.Target
}

// SetTaskTarget asks for a state of one task: Paused or Started.
type SetTaskTarget struct {
	Name   string
	Task   int
	Target config.Target
}

// HoldConnector makes a [Hold] of a stopped connector, and refuses as Invalid when it is not stopped and as Busy when another
// has one. For of 0 lets go of what By holds, if that is so still.
type HoldConnector struct {
	Name string
	By   string
	For  time.Duration
}

// PartMember says of a member that it runs nothing and never will, whatever a plan says: it is about to leave, and nobody has
// to wait for it (rule 8 of D2). Only the member itself says so, once all that ran there has ended, with its offsets stored.
// It counts whenever it is read, so that such a request has no deadline.
type PartMember struct {
	Member string
}

// Restart asks for the instance, some tasks, or both to be started anew.
type Restart struct {
	Name     string
	Instance bool
	Tasks    []int
}

// PutTasks is what an instance made of its configuration.
type PutTasks struct {
	Name        string
	Incarnation Revision // refused as Outdated when the connector is another by now
	For         Revision // the Revision of the configuration they were made of; refused as Outdated when it is not the stored one
	Tasks       []config.Map
}

// Refusal is why a request was not carried out. "" means that it was.
type Refusal string

// Why a request was not carried out.
const (
	NotFound Refusal = "not found"
	Exists   Refusal = "exists"
	Conflict Refusal = "changed since"
	Outdated Refusal = "outdated"   // the sender's picture of an instance is of an older configuration
	Expired  Refusal = "expired"    // the deadline had passed before the leader saw it
	Invalid  Refusal = "invalid"    // it makes no sense, whatever the state
	Unstored Refusal = "not stored" // carrying it out failed with ErrNotStored; the reason says why
	Busy     Refusal = "busy"       // its offsets are being changed; the same may be carried out later
	TooLarge Refusal = "too large"  // a record that it makes is larger than the log takes; the reason says which
)

// RefusedError is a refusal as an error, for callers that hand requests on.
type RefusedError struct {
	Refusal Refusal
	Reason  string // for people
}

func (e *RefusedError) Error() string { return e.Reason }

// Err is the refusal as an error: a *[RefusedError], or nil when the request was carried out.
func (a Answer) Err() error {
	if a.Refusal == "" {
		return nil
	}
	return &RefusedError{a.Refusal, a.Reason}
}

// Answer is what became of a request.
type Answer struct {
	ID       string
	Refusal  Refusal
	Reason   string   // for people, when refused
	Revision Revision // of the commit that carried it out; 0 when refused
}

// ThisCommit as Marked stands for the revision of the commit in the making.
const ThisCommit Revision = -1

// Commit is everything that one decision of the leader writes.
type Commit struct {
	// Connectors by name; nil takes one away. Revision, Incarnation and TasksFor that are 0, and Marked that is ThisCommit,
	// become the commit's own revision.
	Connectors map[string]*Connector
	Plan       *Plan // nil: unchanged
	Answers    []Answer
}

// State says how an instance or a task is, in Kafka Connect's words.
type State string

// The states that a status can tell.
const (
	StateUnassigned State = "UNASSIGNED"
	StateRunning    State = "RUNNING"
	StatePaused     State = "PAUSED"
	StateStopped    State = "STOPPED"
	StateFailed     State = "FAILED"
	StateRestarting State = "RESTARTING"
)

// Status is what an instance or a task last said of itself.
type Status struct {
	Connector string
	Task      int // Instance, or from 0
	State     State
	Member    string
	Epoch     int64 // of the placement that it speaks for
	// Released: Member does not run it and never will by a placement of this Epoch or an earlier one (rule 6 of D2). All that
	// it delivered has its offsets stored. State is StateUnassigned.
	Released bool
	Trace    string    // of a failure: text for people, without secrets
	Attempt  int       // of healing: restarts since it last ran well
	Next     time.Time // of healing: the next attempt; zero: none is planned
}

// Apply returns the state after a commit at revision r; s is not changed.
func (s *Snapshot) Apply(r Revision, c Commit) *Snapshot {
	n := &Snapshot{Revision: r, Connectors: maps.Clone(s.Connectors), Plan: s.Plan}
	if n.Connectors == nil {
		n.Connectors = map[string]Connector{}
	}
	for name, conn := range c.Connectors {
		if conn == nil {
			delete(n.Connectors, name)
			continue
		}
		stored := *conn
		for _, at := range []*Revision{&stored.Revision, &stored.Incarnation} {
			if *at == 0 {
				*at = r
			}
		}
		if stored.Marked == ThisCommit {
			stored.Marked = r
		}
		if stored.Tasks != nil && stored.TasksFor == 0 {
			stored.TasksFor = stored.Revision
		}
		n.Connectors[name] = stored
	}
	if c.Plan != nil {
		n.Plan = *c.Plan
	}
	return n
}
