// Package diff is what takes a cluster to what a project declares. [Compare] says it as one [Document], which text and JSON
// for people and programs are made of; it is a pure function, so that what `engine plan` shows is what `engine apply` does.
//
// A cluster is one of ours or a genuine Kafka Connect: everything here is in terms of what both answer to the REST API.
package diff

import (
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Project is what somebody declares.
type Project struct {
	ID        string                 // "" owns nothing: what no file declares is left alone
	Owns      func(name string) bool // which connectors are this project's by their names; nil: those that carry its mark
	Pipelines []*config.Declared
	Moved     []config.Moved
	Removed   []config.Removed
}

// Connector is one that a cluster runs.
type Connector struct {
	Config   config.Map    // without our mark
	Type     string        // source, sink or unknown
	Target   config.Target // what its state says has been asked for
	Tasks    int           // that it has
	Running  int           // tasks of these that run
	Owner    *Owner        // what the mark says; nil: nobody's
	Revision string        // what names this version, or its place in the config topic; "" when nothing does
	Written  time.Time     // when that was; zero: not known
}

// Choices are what the command line says.
type Choices struct {
	Adopt    bool     // take connectors that nobody owns, though they differ
	TakeOver []string // connectors of other projects to take
	Destroy  bool     // delete all that the project owns
	Exact    bool     // another spelling of the same is a change
	Wanted   func(name string) bool

	Registry *plugin.Registry // says what properties mean
	Worker   *config.Worker   // says which names are secrets; that of the defaults when the cluster's is not known

	// MarkRestarts says that the mark is a property, so that adopting restarts a connector.
	MarkRestarts bool
}

// Action is what happens to a connector.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Replace   Action = "replace" // delete, and create one of the other kind
	Adopt     Action = "adopt"   // mark as this project's; nothing else changes
	Rename    Action = "rename"
	Delete    Action = "delete"
	Release   Action = "release" // take the mark away and let it run
	Unchanged Action = "unchanged"
)

// Document is the whole difference. It holds no secret.
type Document struct {
	Version string    `json:"format_version"`
	Project string    `json:"project,omitempty"`
	Entries []Entry   `json:"connectors"`
	Outside []Outside `json:"changed_outside,omitempty"`
	Ours    int       `json:"ours"`     // connectors of the cluster that are this project's
	NotOurs int       `json:"not_ours"` // the others, which are left alone
	Found   diag.List `json:"-"`        // errors: nothing is to be done; and warnings
	Counts  Counts    `json:"summary"`
}

// FormatVersion is the version of [Document]'s JSON form. Members may be added within one.
const FormatVersion = "1"

// Entry is one connector's part.
type Entry struct {
	Action  Action          `json:"action"`
	Name    string          `json:"name"`
	From    string          `json:"from,omitempty"` // the name before a rename
	Place   string          `json:"place,omitempty"`
	Changes []config.Change `json:"changes,omitempty"`
	Same    int             `json:"unchanged"`         // properties
	Respelt []config.Change `json:"respelt,omitempty"` // of the same meaning
	Effects []Effect        `json:"effects,omitempty"`
	Tasks   int             `json:"tasks"`           // that it has now; of one to be created, that it may have
	Target  config.Target   `json:"state,omitempty"` // to be asked for; "" leaves it alone

	Revision string `json:"revision,omitempty"` // that was compared
	Type     string `json:"type,omitempty"`

	declared *config.Declared
	live     *Connector
}

// Want is the configuration to be sent, and false where there is none.
func (e *Entry) Want() (config.Map, bool) {
	if e.declared == nil {
		return nil, false
	}
	return desired(e.declared, e.live), true
}

// Changed reports whether there is anything to do.
func (e *Entry) Changed() bool { return e.Action != Unchanged }

// Outside is a property that somebody else has changed since this project was last applied.
type Outside struct {
	Name   string        `json:"name"`
	Change config.Change `json:"change"` // Have is what is there, Want what applying puts back
	At     time.Time     `json:"at,omitzero"`
}

// Counts sums a document up.
type Counts struct {
	Create    int `json:"create"`
	Update    int `json:"change"`
	Rename    int `json:"rename"`
	Delete    int `json:"delete"`
	Adopt     int `json:"adopt"`
	Release   int `json:"release"`
	Unchanged int `json:"unchanged"`

	Connectors int `json:"connectors_restart"`
	Tasks      int `json:"tasks_restart"`
	Stops      int `json:"tasks_stop"`
}

// Nothing reports whether there is nothing to do.
func (c Counts) Nothing() bool {
	return c.Create+c.Update+c.Rename+c.Delete+c.Adopt+c.Release == 0
}
