package diff

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Compare works out what takes a cluster to what a project declares. The live map is by name.
func Compare(p Project, live map[string]Connector, c Choices) *Document {
	cm := &comparison{project: p, live: live, choices: c, document: &Document{Version: FormatVersion, Project: p.ID}, done: map[string]bool{}}
	if c.Destroy {
		cm.protected()
		cm.project.Pipelines, cm.project.Moved, cm.project.Removed = nil, nil, nil
	}
	cm.renames()
	for _, d := range cm.project.Pipelines {
		if name := d.Name(); !cm.done[name] && cm.wanted(name) {
			cm.declared(d)
		}
	}
	cm.undeclared()
	cm.count()
	return cm.document
}

type comparison struct {
	project  Project
	live     map[string]Connector
	choices  Choices
	document *Document
	done     map[string]bool // names of the cluster that an entry speaks of

	secret   func(key string) bool // of the declaration that was asked about last
	secretOf *config.Declared
}

// hidden says which properties of a declaration nobody may see. It is asked several times for each in turn.
func (cm *comparison) hidden(d *config.Declared) func(key string) bool {
	if cm.secretOf != d {
		cm.secretOf, cm.secret = d, d.Hidden(cm.choices.Worker, cm.choices.Registry)
	}
	return cm.secret
}

// protected refuses to delete what says that it may not be.
func (cm *comparison) protected() {
	for _, d := range cm.project.Pipelines {
		if _, is := cm.live[d.Name()]; is && d.Lifecycle.PreventDelete && cm.wanted(d.Name()) {
			cm.preventsDelete(d)
		}
	}
}

func (cm *comparison) preventsDelete(d *config.Declared) {
	cm.say(diag.New(diag.MayNotDelete, d.Place, "%q would be deleted, and its lifecycle block says prevent_destroy. Remove that argument first, or leave the pipeline out with -exclude=%s.", d.Name(), d.Name()))
}

func (cm *comparison) wanted(name string) bool {
	return cm.choices.Wanted == nil || cm.choices.Wanted(name)
}

// owned reports whether a connector of the cluster is this project's.
func (cm *comparison) owned(name string, l Connector) bool {
	switch {
	case cm.project.ID == "" && cm.project.Owns == nil:
		return false
	case cm.project.Owns != nil:
		return cm.project.Owns(name)
	default:
		return l.Owner != nil && l.Owner.Project == cm.project.ID
	}
}

// overlaps reports whether a connector is this project's by its name, and another's by its mark: what these patterns match and
// what that project declares are not kept apart, so that each would undo what the other does.
func (cm *comparison) overlaps(name string, l Connector) bool {
	return cm.project.Owns != nil && cm.project.Owns(name) && l.Owner != nil && l.Owner.Project != cm.project.ID &&
		!slices.Contains(cm.choices.TakeOver, name)
}

// overlap says so, once.
func (cm *comparison) overlap(name string, l Connector, at diag.Place) {
	cm.done[name] = true
	cm.say(diag.New(diag.OwnedByAnother, at, "%q matches what this project owns by name, and belongs to project %q%s. Choose patterns in owns that match nothing of it, or hand the connector over with -take-over=%s.",
		name, l.Owner.Project, from(l.Owner), name))
}

func (cm *comparison) say(d diag.Diagnostic) { cm.document.Found = append(cm.document.Found, d) }

func (cm *comparison) add(e Entry) {
	cm.document.Entries = append(cm.document.Entries, e)
	cm.done[e.Name] = true
	if e.From != "" {
		cm.done[e.From] = true
	}
}

// renames are connectors that go on under another name.
func (cm *comparison) renames() {
	byName := map[string]*config.Declared{}
	for _, d := range cm.project.Pipelines {
		byName[d.Name()] = d
	}
	for _, m := range cm.project.Moved {
		d, old := byName[m.To], cm.live[m.From]
		_, was := cm.live[m.From]
		_, is := cm.live[m.To]
		switch {
		case d == nil || !was || !cm.wanted(m.To): // long done, or disabled
		case is:
			cm.say(diag.New(diag.ConnectorExists, m.Place,
				"%q cannot become %q, because the cluster has both. If the old one is of no use, write removed { name = %q } instead.", m.From, m.To, m.From))
		case cm.overlaps(m.From, old):
			cm.overlap(m.From, old, m.Place)
		case !cm.owned(m.From, old):
			cm.say(diag.New(diag.NotOurs, m.Place, "%q cannot become %q, because it is not this project's.", m.From, m.To))
		default:
			e := cm.compare(d, &old)
			e.Action, e.From = Rename, m.From
			for i := range e.Effects {
				if f := &e.Effects[i]; f.Kind == Restart {
					f.Text = "stops, and goes on under the new name from where it was: its offsets are copied"
				}
			}
			e.Changes = slices.DeleteFunc(e.Changes, func(c config.Change) bool { return c.Key == config.Name })
			cm.add(e)
		}
	}
}

// declared decides on a connector that a pipeline makes.
func (cm *comparison) declared(d *config.Declared) {
	name := d.Name()
	l, exists := cm.live[name]
	if !exists {
		cm.add(cm.creation(d))
		return
	}
	e := cm.compare(d, &l)
	owns := cm.project.ID != "" && cm.project.Owns == nil
	switch other := l.Owner; {
	case cm.overlaps(name, l):
		cm.overlap(name, l, d.Place)
	case cm.project.Owns != nil && other != nil && e.Action == Unchanged && slices.Contains(cm.choices.TakeOver, name):
		e.Action = Adopt // writes it again, without the mark
	case !owns || cm.owned(name, l):
		cm.outside(d, l)
	case other != nil && !slices.Contains(cm.choices.TakeOver, name):
		cm.say(diag.New(diag.OwnedByAnother, d.Place, "%q belongs to project %q%s. Rename this pipeline, or hand the connector over with -take-over=%s.",
			name, other.Project, from(other), name))
	case other == nil && len(e.Changes) > 0 && !cm.choices.Adopt && !d.Lifecycle.Adopt:
		cm.say(diag.New(diag.NotManaged, d.Place,
			"The cluster already runs a connector %q with other settings (%s; %s). Nothing was changed. To take it over, add lifecycle { adopt = true } or use -adopt.",
			name, count(len(e.Changes), "property differs", "properties differ"), count(l.Running, "task is running", "tasks are running")))
	case e.Action == Unchanged:
		e.Action = Adopt
		if cm.choices.MarkRestarts {
			e.Effects = append(e.Effects, Effect{Kind: Restart, Text: "restarts the connector once, for the mark that says whose it is", Connectors: 1, Tasks: l.Tasks})
		}
	}
	cm.add(e)
}

func from(o *Owner) string {
	if o.Source == "" {
		return ""
	}
	return ", and was last applied from " + o.Source
}

func (cm *comparison) creation(d *config.Declared) Entry {
	e := Entry{Action: Create, Name: d.Name(), Place: placed(d.Place), Tasks: tasksMax(d.Map), Target: d.Target, declared: d, Type: cm.role(d.Map, "")}
	hidden := cm.hidden(d)
	e.Changes = config.Diff(nil, d.Map, hidden)
	e.Effects = cm.begins(d)
	return e
}

// compare is the difference between a declaration and a connector of the cluster.
func (cm *comparison) compare(d *config.Declared, l *Connector) Entry {
	want := desired(d, l)
	e := Entry{
		Action: Unchanged, Name: d.Name(), Place: placed(d.Place), Tasks: l.Tasks, Revision: l.Revision,
		Type: cm.role(want, l.Type), declared: d, live: l,
	}
	hidden := cm.hidden(d)
	types := config.Types(want, cm.choices.Registry)
	masked := cm.maskedSame(want, l, hidden)
	for _, c := range config.Diff(l.Config, want, nil) {
		switch {
		case added(c.Key):
			continue
		case c.Had && c.Wants && config.Same(types(c.Key), c.Have, c.Want, cm.choices.Registry) && !cm.choices.Exact:
			e.Respelt = append(e.Respelt, hide(c, hidden))
			continue
		case c.Had && isMask(c.Have) && (!hidden(c.Key) || masked):
			continue
		}
		e.Changes = append(e.Changes, hide(c, hidden))
	}
	e.Same = len(want) - wants(e.Changes)
	if d.Target != "" && l.Target != "" && d.Target != l.Target {
		e.Target = d.Target
	}
	if len(e.Changes) > 0 || e.Target != "" {
		e.Action = Update
	}
	if cm.replaces(l, want) {
		e.Action = Replace
		if d.Lifecycle.PreventDelete {
			cm.preventsDelete(d)
		}
	}
	e.Effects = cm.effects(e, l.Config, want)
	return e
}

// wants counts the changes that leave a property.
func wants(changes []config.Change) (n int) {
	for _, c := range changes {
		if c.Wants {
			n++
		}
	}
	return n
}

// hide takes the values of a secret out of a change.
func hide(c config.Change, hidden func(string) bool) config.Change {
	if hidden(c.Key) {
		c.Have, c.Want, c.Hidden = "", "", true
	}
	return c
}

// desired is what a declaration asks for: properties that it ignores are as the cluster has them.
func desired(d *config.Declared, l *Connector) config.Map {
	if l == nil || len(d.Lifecycle.Ignore) == 0 {
		return d.Map
	}
	m := make(config.Map, len(d.Map))
	maps.Copy(m, d.Map)
	for _, k := range d.Lifecycle.Ignore {
		delete(m, k)
		if v, ok := l.Config[k]; ok {
			m[k] = v
		}
	}
	return m
}

// added reports whether the server adds a property by itself.
func added(key string) bool { return key == MarkProperty || strings.HasPrefix(key, "__internal.") }

// isMask reports whether a value is what some services answer in the place of a secret.
func isMask(value string) bool {
	switch value {
	case "[hidden]", "***", "•••", "****************":
		return true
	}
	return len(value) >= 3 && strings.Trim(value, "*") == ""
}

// maskedSame reports whether secrets that the cluster does not show are those that are wanted.
func (cm *comparison) maskedSame(want config.Map, l *Connector, hidden func(string) bool) bool {
	for k, v := range l.Config {
		if hidden(k) && isMask(v) {
			return l.Owner != nil && l.Owner.SameSecrets(want, hidden)
		}
	}
	return true
}

// outside tells what somebody else has changed of a connector of ours.
func (cm *comparison) outside(d *config.Declared, l Connector) {
	hidden := cm.hidden(d)
	if cm.project.ID == "" || cm.project.Owns != nil || l.Owner == nil || !l.Owner.ChangedPlain(l.Config, hidden) {
		return
	}
	for _, c := range config.Diff(l.Config, desired(d, &l), hidden) {
		if !added(c.Key) {
			cm.document.Outside = append(cm.document.Outside, Outside{Name: d.Name(), Change: c, At: l.Written})
		}
	}
}

// undeclared decides on connectors that no pipeline makes.
func (cm *comparison) undeclared() {
	removed := map[string]config.Removed{}
	for _, r := range cm.project.Removed {
		removed[r.Name] = r
	}
	var names []string
	for name := range cm.live {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		l := cm.live[name]
		if cm.owned(name, l) {
			cm.document.Ours++
		} else {
			cm.document.NotOurs++
		}
		r, said := removed[name]
		switch {
		case cm.done[name] || !cm.wanted(name):
		case cm.overlaps(name, l):
			cm.overlap(name, l, diag.Place{})
		case said && !r.Delete && cm.owned(name, l):
			cm.add(Entry{Action: Release, Name: name, Place: placed(r.Place), Tasks: l.Tasks, Revision: l.Revision, Type: l.Type, live: &l})
		case cm.owned(name, l):
			cm.add(cm.deletion(name, &l))
		case said && r.Delete:
			cm.say(diag.New(diag.NotOurs, r.Place, "%q is not this project's, so it is not deleted. Remove the block, or delete the connector by hand.", name))
		}
	}
}

func (cm *comparison) deletion(name string, l *Connector) Entry {
	return Entry{
		Action: Delete, Name: name, Tasks: l.Tasks, Revision: l.Revision, Type: l.Type, live: l,
		Effects: []Effect{stops(name, l)},
	}
}

// role is source, sink or unknown.
func (cm *comparison) role(m config.Map, live string) string {
	class := strings.TrimSpace(m[config.ConnectorClass])
	for _, role := range []plugin.Role{plugin.SourceRole, plugin.SinkRole} {
		if _, _, ok := cm.choices.Registry.Class(role, class); ok {
			return role.String()
		}
	}
	return cmp.Or(live, "unknown")
}

// replaces reports whether a connector becomes one of the other kind.
func (cm *comparison) replaces(l *Connector, want config.Map) bool {
	if strings.TrimSpace(l.Config[config.ConnectorClass]) == strings.TrimSpace(want[config.ConnectorClass]) {
		return false
	}
	now, then := l.Type, cm.role(want, "")
	return now != "" && now != "unknown" && then != "unknown" && now != then
}

func placed(p diag.Place) string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}

func (cm *comparison) count() {
	n := &cm.document.Counts
	for _, e := range cm.document.Entries {
		switch e.Action {
		case Create:
			n.Create++
		case Update, Replace:
			n.Update++
		case Rename:
			n.Rename++
		case Delete:
			n.Delete++
		case Adopt:
			n.Adopt++
		case Release:
			n.Release++
		case Unchanged:
			n.Unchanged++
		}
		for _, f := range e.Effects {
			if f.Kind == Stop {
				n.Stops += f.Tasks
				continue
			}
			n.Connectors += f.Connectors
			n.Tasks += f.Tasks
		}
	}
}

// Written reports whether a cluster has stored what was sent to it, as far as it shows.
func Written(have, sent config.Map) bool {
	for _, c := range config.Diff(have, sent, nil) {
		if (!c.Had || !c.Wants || !isMask(c.Have)) && (!c.Had || c.Wants || !added(c.Key)) {
			return false
		}
	}
	return true
}
