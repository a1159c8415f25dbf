package graph

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Compile makes a graph of configurations as somebody wrote them. What has errors is left out and the rest compiles; the
// list has errors and warnings of all. It asks connectors to validate their settings, which may call external systems.
func Compile(ds []*config.Declared, w *config.Worker, r *plugin.Registry) (*Graph, diag.List) {
	return (&Graph{}).Recompile(ds, w, r)
}

// Recompile is Compile when most is as it was: an instance of g whose map is the same is taken over, with its new place, and
// neither checked again nor asked to validate. The worker and the registry must be those that g was compiled with. g stays
// as it is.
func (g *Graph) Recompile(ds []*config.Declared, w *config.Worker, r *plugin.Registry) (*Graph, diag.List) {
	return g.compile(ds, w, r, config.Check)
}

// CompileOne makes an instance of a stored configuration; nil when the list has errors. No connector is asked to validate
// what was accepted before. References to config providers are resolved, so it is for the machine that runs the instance: its
// Config holds the references, all else the values, and its fingerprint changes with them. The list has no places.
func CompileOne(name string, m config.Map, w *config.Worker, r *plugin.Registry) (*Instance, diag.List) {
	if m[config.Name] == "" {
		m = maps.Clone(m)
		if m == nil {
			m = config.Map{}
		}
		m[config.Name] = name
	}
	d := &config.Declared{Map: m, Label: name}
	here, found := w.Providers().Fill(d)
	worker, err := w.Resolved()
	if found = append(found, d.Missing("", err)...); found.HasErrors() {
		return nil, found
	}
	g, found := (&Graph{}).compile([]*config.Declared{here}, worker, r, config.CheckMap)
	if len(g.Instances) == 0 {
		return nil, found
	}
	i := g.Instances[0]
	i.Declared = nil
	if here != d || w.Refers() { // it was made of secrets
		i.Config = maps.Clone(m)
		i.Fingerprint = Fingerprint(w.Providers().Seal(string(i.Fingerprint)))
	}
	return i, found
}

type check func(*config.Declared, *config.Worker, *plugin.Registry) diag.List

// draft is the graph under construction.
type draft struct {
	worker   *config.Worker
	registry *plugin.Registry
	units    []*unit
}

// unit is an instance under construction.
type unit struct {
	declared *config.Declared
	found    diag.List
	dropped  bool
	kept     bool // taken over from an earlier graph
	common   config.Common
	source   config.SourceSettings
	sink     config.SinkSettings
	made     *Instance
}

// broken reports whether the unit is to be left out; the passes after that do not see it.
func (u *unit) broken() bool { return u.dropped || u.found.HasErrors() }

func (g *Graph) compile(ds []*config.Declared, w *config.Worker, r *plugin.Registry, c check) (*Graph, diag.List) {
	d := &draft{worker: w, registry: r}
	for _, declared := range ds {
		d.units = append(d.units, g.unit(declared))
	}
	for _, pass := range []func(*draft){
		uniqueNames,
		func(d *draft) { d.each(func(u *unit) { u.found = append(u.found, c(u.declared, w, r)...) }) },
		resolve,
		settings,
		chain,
		converters,
		policies,
		topics,
		clients,
		fingerprints,
	} {
		pass(d)
	}
	return d.finish()
}

// unit is a declaration to be compiled, or an instance of g as it is.
func (g *Graph) unit(d *config.Declared) *unit {
	u := &unit{declared: d}
	if i := g.byName[strings.TrimSpace(d.Name())]; i != nil && maps.Equal(i.Config, d.Map) {
		same := *i
		same.Declared = d
		u.made, u.kept = &same, true
	}
	return u
}

// each calls f for every unit that is neither broken nor compiled already.
func (d *draft) each(f func(*unit)) {
	for _, u := range d.units {
		if !u.broken() && !u.kept {
			f(u)
		}
	}
}

func (d *draft) finish() (*Graph, diag.List) {
	g := &Graph{byName: map[string]*Instance{}}
	var found diag.List
	for _, u := range d.units {
		found = append(found, u.found...)
		if !u.broken() {
			g.Instances = append(g.Instances, u.made)
			g.byName[u.made.Name] = u.made
		}
	}
	slices.SortFunc(g.Instances, func(a, b *Instance) int { return cmp.Compare(a.Name, b.Name) })
	return g, found
}

// uniqueNames refuses all pipelines that would produce a connector of one name: nothing says which of them is meant.
func uniqueNames(d *draft) {
	byName := map[string][]*unit{}
	for _, u := range d.units {
		if n := strings.TrimSpace(u.declared.Name()); n != "" {
			byName[n] = append(byName[n], u)
		}
	}
	for name, us := range byName {
		us[0].dropped = len(us) > 1
		for _, u := range us[1:] {
			u.found = append(u.found, diag.New(diag.DuplicateConnector, u.declared.At(config.Name),
				"%s and %s both produce a connector named %q. Connector names are unique in a cluster: set name = ... in one of them.",
				label(us[0]), label(u), name))
		}
	}
}

// label is how people know a pipeline.
func label(u *unit) string {
	return cmp.Or(u.declared.Label, u.declared.Place.String(), "a pipeline")
}

// resolve finds the connector and hands the map over.
func resolve(d *draft) {
	d.each(func(u *unit) {
		m := maps.Clone(u.declared.Map)
		p, _ := d.registry.Connector(strings.TrimSpace(m[config.ConnectorClass]))
		u.made = &Instance{
			Name: strings.TrimSpace(m[config.Name]), Role: p.Role(), Plugin: p,
			Config: m, Settings: plugin.Config(m), Declared: u.declared,
		}
	})
}

// settings reads what the engine itself needs of the map.
func settings(d *draft) {
	d.each(func(u *unit) {
		u.common, u.source, u.sink = config.CommonDefaults(), config.SourceDefaults(), config.SinkDefaults()
		u.decode(&u.common)
		if u.made.Role == plugin.SourceRole {
			u.decode(&u.source)
		} else {
			u.decode(&u.sink)
		}
		u.made.TasksMax, u.made.Enforce = u.common.TasksMax, u.common.TasksMaxEnforce
	})
}

// decode reads settings that the check has accepted.
func (u *unit) decode(into any) {
	u.found = append(u.found, diag.Of(plugin.Decode(plugin.Config(u.declared.Settled()), into), diag.InvalidValue)...)
}

// chain finds the transforms and their predicates.
func chain(d *draft) {
	d.each(func(u *unit) {
		for _, name := range u.common.Transforms {
			u.made.Task.Chain = append(u.made.Task.Chain, d.stage(u, name))
		}
	})
}

func (d *draft) stage(u *unit, name string) Stage {
	m := u.made.Config
	var own config.StageSettings
	u.found = append(u.found, diag.Of(plugin.Decode(m.Sub(config.Transforms+"."+name+"."), &own), diag.InvalidValue)...)
	p, target, _ := d.registry.Class(plugin.TransformRole, own.Type)
	s := Stage{Name: name, Plugin: p, Target: target, Class: own.Type, Settings: config.StageSub(m, name), Negate: own.Negate}
	if own.Predicate != "" {
		class := strings.TrimSpace(m[config.Predicates+"."+own.Predicate+".type"])
		p, _, _ := d.registry.Class(plugin.PredicateRole, class)
		s.Predicate = &Predicate{Name: own.Predicate, Plugin: p, Class: class, Settings: config.PredicateSub(m, own.Predicate)}
	}
	return s
}

// converters finds the converters, the connector's or the worker's.
func converters(d *draft) {
	d.each(func(u *unit) {
		of := func(use plugin.Use) Converter {
			class, settings, inherited := config.ConverterOf(u.made.Config, d.worker, use)
			p, _, _ := d.registry.Class(plugin.ConverterRole, class)
			return Converter{Plugin: p, Use: use, Settings: d.worker.Complete(p, settings), Class: class, Inherited: inherited}
		}
		t := &u.made.Task
		t.Key, t.Value, t.Header = of(plugin.KeyUse), of(plugin.ValueUse), of(plugin.HeaderUse)
	})
}

// policies says what becomes of errors and when offsets are committed.
func policies(d *draft) {
	d.each(func(u *unit) {
		t := &u.made.Task
		t.Errors = Errors{
			TolerateAll: u.common.Tolerance == "all", RetryTimeout: u.common.RetryTimeout, RetryDelayMax: u.common.RetryDelayMax,
			Log: u.common.Log, LogMessages: u.common.LogMessages,
		}
		if u.common.RestartPolicy == "failed" {
			u.made.Healing = Healing{u.common.RestartAttempts, u.common.RestartDelay, u.common.RestartDelayMax}
		}
		if u.made.Role == plugin.SinkRole && u.sink.DeadLetter != "" {
			t.DeadLetter = &DeadLetter{Topic: u.sink.DeadLetter, Replicas: int(u.sink.Replicas), Headers: u.sink.Headers}
		}
		t.FlushInterval, t.FlushTimeout = d.worker.FlushInterval, d.worker.FlushTimeout
	})
}

// topics says what a sink reads and which topics a source makes.
func topics(d *draft) {
	d.each(func(u *unit) {
		t := &u.made.Task
		if u.made.Role == plugin.SinkRole {
			t.Topics, t.TopicsRegex = u.sink.Topics, u.sink.TopicsRegex
		} else if d.worker.TopicCreation {
			t.Creation = creation(u.made.Config, u.source.TopicGroups)
		}
	})
}

// creation is the groups of topics to make, the default group last (Kafka Connect: TopicCreationGroup). What a group does
// not say of its size, the default group says.
func creation(m config.Map, names []string) []TopicGroup {
	if len(m.Sub(config.TopicCreationPrefix)) == 0 {
		return nil
	}
	fallback := topicGroup(m, "default", TopicGroup{})
	fallback.Include, fallback.Exclude = nil, nil
	var groups []TopicGroup
	for _, name := range names {
		groups = append(groups, topicGroup(m, name, fallback))
	}
	return append(groups, fallback)
}

func topicGroup(m config.Map, name string, fallback TopicGroup) TopicGroup {
	own := m.Sub(config.TopicCreationPrefix + name + ".")
	g := TopicGroup{
		Name: name, Include: config.List(own["include"]), Exclude: config.List(own["exclude"]),
		Partitions: number(own, "partitions", fallback.Partitions), Replicas: number(own, "replication.factor", fallback.Replicas),
		Configs: map[string]string{},
	}
	for k, v := range own {
		if k != "include" && k != "exclude" && k != "partitions" && k != "replication.factor" {
			g.Configs[k] = v
		}
	}
	return g
}

// number reads a whole number that the check has accepted.
func number(m map[string]string, key string, otherwise int) int {
	if n, err := strconv.Atoi(strings.TrimSpace(m[key])); err == nil {
		return n
	}
	return otherwise
}

// clients collects the client settings that the connector sets over the worker's.
func clients(d *draft) {
	d.each(func(u *unit) {
		t, m := &u.made.Task, u.made.Config
		t.Producer, t.Consumer, t.Admin = m.Sub(config.ProducerPrefix), m.Sub(config.ConsumerPrefix), m.Sub(config.AdminPrefix)
	})
}
