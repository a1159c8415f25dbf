package graph

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
)

// drawing is a graph as people look at it: what [Render] and [RenderTask] write in each format.
type drawing struct {
	Nodes []node `json:"nodes"`
	Edges []edge `json:"edges"`
}

type node struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"` // system, source, sink, topic, pattern; in a task also poll, stage, converter, produce, consume, put
	Label  string `json:"label"`
	Detail string `json:"detail,omitempty"`
}

type edge struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Label string `json:"label,omitempty"`
}

// add puts a node in, once.
func (d *drawing) add(kind, label, detail, id string) string {
	id = kind + ":" + id
	if !slices.ContainsFunc(d.Nodes, func(n node) bool { return n.ID == id }) {
		d.Nodes = append(d.Nodes, node{id, kind, label, detail})
	}
	return id
}

func (d *drawing) link(from, to, label string) {
	e := edge{from, to, label}
	if !slices.Contains(d.Edges, e) {
		d.Edges = append(d.Edges, e)
	}
}

// drawInstances draws systems, pipelines and topics. Pipelines that use one topic meet in it.
func drawInstances(g *Graph) *drawing {
	d := &drawing{Nodes: []node{}, Edges: []edge{}}
	for _, i := range g.Instances {
		if i.Role == plugin.SourceRole {
			d.source(i)
		}
	}
	for _, i := range g.Instances {
		if i.Role == plugin.SinkRole {
			d.sink(i)
		}
	}
	for _, i := range g.Instances {
		if i.Task.TopicsRegex != "" {
			d.matched(i)
		}
	}
	return d
}

func (d *drawing) source(i *Instance) {
	from := d.system(i)
	self := d.add("source", i.Name, atMost(i), i.Name)
	d.link(from, self, "")
	if topic := d.produced(i); topic != "" {
		d.link(self, topic, "")
	}
}

// produced is where a source's records go, as far as its settings tell: "" when they do not.
func (d *drawing) produced(i *Instance) string {
	router := slices.IndexFunc(i.Task.Chain, renames)
	switch topic, prefix := strings.TrimSpace(i.Config["topic"]), strings.TrimSpace(i.Config["topic.prefix"]); {
	case topic != "" && router < 0:
		return d.topic(topic)
	case topic != "":
		return d.add("pattern", topic, "renamed by "+i.Task.Chain[router].Name, i.Name)
	case prefix != "":
		return d.add("pattern", prefix+"*", "", i.Name)
	}
	return ""
}

// renames reports whether a stage gives records another topic.
func renames(s Stage) bool {
	name := s.Plugin.Class[strings.LastIndexByte(s.Plugin.Class, '.')+1:]
	return name == "RegexRouter" || name == "TimestampRouter"
}

func (d *drawing) topic(name string) string { return d.add("topic", name, "", name) }

func (d *drawing) sink(i *Instance) {
	self := d.add("sink", i.Name, atMost(i), i.Name)
	for _, t := range i.Task.Topics {
		d.link(d.topic(t), self, "")
	}
	d.link(self, d.system(i), "")
	if q := i.Task.DeadLetter; q != nil {
		d.link(self, d.topic(q.Topic), "dead letters")
	}
}

// matched links the topics that a pattern matches, and the pattern itself, since more of them may come.
func (d *drawing) matched(i *Instance) {
	self := d.add("sink", i.Name, atMost(i), i.Name)
	p := d.add("pattern", i.Task.TopicsRegex, "", "regex:"+i.Task.TopicsRegex)
	d.link(p, self, "")
	re, err := plugin.ParsePattern(i.Task.TopicsRegex)
	if err != nil {
		return // the check has refused it
	}
	for _, n := range d.Nodes {
		if n.Kind == "topic" && re.Matches(n.Label) {
			d.link(n.ID, self, "")
		}
	}
}

// system is what the connector talks to: its kind and, of files, which one. Other settings may hold secrets, such as an
// address with a password in it, and are not shown (invariant 6).
func (d *drawing) system(i *Instance) string {
	for _, key := range []string{"file", "path"} {
		s, known := i.Plugin.Spec.Field(key)
		if v := strings.TrimSpace(i.Config[key]); v != "" && known && s.Type == plugin.StringType && !sensitive(i, key) {
			return d.add("system", i.Plugin.Name, path.Clean(v), i.Plugin.Name+":"+path.Clean(v))
		}
	}
	return d.add("system", i.Plugin.Name, "", i.Name)
}

func sensitive(i *Instance, key string) bool {
	return i.Declared != nil && i.Declared.Origins[key].Sensitive
}

func atMost(i *Instance) string {
	if i.TasksMax == 1 {
		return "1 task"
	}
	return fmt.Sprintf("at most %d tasks", i.TasksMax)
}

// drawTask draws what a record of an instance passes.
func drawTask(i *Instance) *drawing {
	d := &drawing{Nodes: []node{}, Edges: []edge{}}
	t := i.Task
	key, value, header := step("key", t.Key), step("value", t.Value), step("header", t.Header)
	var stages []node
	for _, s := range t.Chain {
		stages = append(stages, node{ID: s.Name, Kind: "stage", Label: s.Name, Detail: stageDetail(s)})
	}
	// Headers, keys and values are converted in this order on the way to a topic, keys first on the way from one.
	if i.Role == plugin.SourceRole {
		d.row(append(append([]node{{Kind: "poll", Label: i.Plugin.Name}}, stages...), header, key, value, node{Kind: "produce", Label: "producer"}))
		if topic := d.produced(i); topic != "" {
			d.link("produce:", topic, "")
		}
		return d
	}
	d.row(append(append([]node{{Kind: "consume", Label: "consumer"}, key, value, header}, stages...), node{Kind: "put", Label: i.Plugin.Name}))
	inputs := t.Topics
	if t.TopicsRegex != "" {
		p := d.add("pattern", t.TopicsRegex, "", t.TopicsRegex)
		d.link(p, "consume:", "")
	}
	for _, topic := range inputs {
		d.link(d.topic(topic), "consume:", "")
	}
	if q := t.DeadLetter; q != nil {
		d.link("put:", d.topic(q.Topic), "what failed on the way")
	}
	return d
}

// row adds nodes, each linked to the next.
func (d *drawing) row(nodes []node) {
	last := ""
	for _, n := range nodes {
		id := d.add(n.Kind, n.Label, n.Detail, n.ID)
		if last != "" {
			d.link(last, id, "")
		}
		last = id
	}
}

func step(what string, c Converter) node {
	detail := c.Plugin.Name
	if c.Inherited {
		detail += ", the worker's"
	}
	return node{ID: what, Kind: "converter", Label: what + " converter", Detail: detail}
}

func stageDetail(s Stage) string {
	detail := s.Plugin.Name
	if s.Target != plugin.NoTarget {
		detail += " on the " + s.Target.String()
	}
	if s.Predicate == nil {
		return detail
	}
	word := "when"
	if s.Negate {
		word = "unless"
	}
	return fmt.Sprintf("%s, %s %s (%s)", detail, word, s.Predicate.Name, cmp.Or(s.Predicate.Plugin.Name, s.Predicate.Class))
}
