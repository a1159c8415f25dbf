package graph

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Format is a way to write a graph down.
type Format string

// The formats of [Render] and [RenderTask].
const (
	Text    Format = "text"    // for a terminal
	DOT     Format = "dot"     // for Graphviz
	Mermaid Format = "mermaid" // for Markdown
	JSON    Format = "json"    // nodes and edges, for programs
)

// Formats lists all formats.
func Formats() []Format { return []Format{Text, DOT, Mermaid, JSON} }

// Render writes how systems, pipelines and topics hang together. Of settings it shows topics, files and names.
func Render(w io.Writer, g *Graph, f Format) error { return drawInstances(g).write(w, f) }

// RenderTask writes what a record passes in a task of one instance.
func RenderTask(w io.Writer, i *Instance, f Format) error { return drawTask(i).write(w, f) }

func (d *drawing) write(w io.Writer, f Format) error {
	var text string
	switch f {
	case Text:
		text = d.text()
	case DOT:
		text = d.dot()
	case Mermaid:
		text = d.mermaid()
	case JSON:
		b, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return fmt.Errorf("write a graph as JSON: %w", err)
		}
		text = string(b) + "\n"
	default:
		return fmt.Errorf("there is no format %q: use one of %v", f, Formats())
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write a graph: %w", err)
	}
	return nil
}

func (n node) text() string {
	words := map[string]string{"stage": "transform", "pattern": "topics"}
	kind := n.Kind
	if w, ok := words[kind]; ok {
		kind = w
	}
	if n.Label == kind || strings.HasSuffix(n.Label, " "+kind) || kind == "produce" || kind == "consume" {
		kind = ""
	}
	s := strings.TrimSpace(kind + " " + printable(n.Label))
	if n.Detail != "" {
		s += "  (" + printable(n.Detail) + ")"
	}
	return s
}

// printable keeps a name from breaking a line or a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '·'
		}
		return r
	}, s)
}

// text writes trees that begin where nothing comes in. A single successor stands below, several stand on branches; what
// was written before is named again and not followed.
func (d *drawing) text() string {
	t := treeWriter{d: d, done: map[string]bool{}}
	for _, n := range d.Nodes {
		if !slices.ContainsFunc(d.Edges, func(e edge) bool { return e.To == n.ID }) {
			t.root(n)
		}
	}
	for _, n := range d.Nodes { // what is left is reached only from itself
		if !t.done[n.ID] {
			t.root(n)
		}
	}
	return t.b.String()
}

type treeWriter struct {
	d    *drawing
	b    strings.Builder
	done map[string]bool
}

func (t *treeWriter) root(n node) {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	t.node(n, "", "", "")
}

// node writes a node behind a prefix and what follows it behind another.
func (t *treeWriter) node(n node, first, rest, label string) {
	t.b.WriteString(first)
	if label != "" {
		t.b.WriteString(label + ": ")
	}
	t.b.WriteString(n.text())
	next := t.d.after(n.ID)
	if t.done[n.ID] && len(next) > 0 {
		t.b.WriteString("  …\n")
		return
	}
	t.b.WriteByte('\n')
	t.done[n.ID] = true
	if len(next) == 1 {
		t.node(t.d.node(next[0].To), rest+"→ ", rest, next[0].Label)
		return
	}
	for i, e := range next {
		if i == len(next)-1 {
			t.node(t.d.node(e.To), rest+"└→ ", rest+"   ", e.Label)
		} else {
			t.node(t.d.node(e.To), rest+"├→ ", rest+"│  ", e.Label)
		}
	}
}

func (d *drawing) after(id string) []edge {
	var out []edge
	for _, e := range d.Edges {
		if e.From == id {
			out = append(out, e)
		}
	}
	return out
}

func (d *drawing) node(id string) node {
	return d.Nodes[slices.IndexFunc(d.Nodes, func(n node) bool { return n.ID == id })]
}

// caption is what stands in a box.
func (n node) caption(newline string) string {
	s := printable(n.Label)
	if n.Detail != "" {
		s += newline + printable(n.Detail)
	}
	return s
}

func (d *drawing) dot() string {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	shapes := map[string]string{"system": "cylinder", "source": "box", "sink": "box", "topic": "cds", "pattern": "cds"}
	var b strings.Builder
	b.WriteString("digraph penstock {\n  rankdir=LR\n  node [shape=box style=rounded]\n")
	for _, n := range d.Nodes {
		caption := strings.ReplaceAll(quote(n.caption("\n")), "\n", `\n`)
		fmt.Fprintf(&b, "  %s [label=%s", quote(n.ID), caption)
		if s, ok := shapes[n.Kind]; ok {
			fmt.Fprintf(&b, " shape=%s", s)
		}
		b.WriteString("]\n")
	}
	for _, e := range d.Edges {
		fmt.Fprintf(&b, "  %s -> %s", quote(e.From), quote(e.To))
		if e.Label != "" {
			fmt.Fprintf(&b, " [label=%s style=dashed]", quote(e.Label))
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	return b.String()
}

func (d *drawing) mermaid() string {
	// Mermaid's own escapes are HTML entities with # for &.
	escape := strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "`", "#96;")
	shapes := map[string][2]string{"system": {"[(", ")]"}, "topic": {">", "]"}, "pattern": {">", "]"}}
	ids := map[string]string{}
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, n := range d.Nodes {
		ids[n.ID] = fmt.Sprintf("n%d", i)
		shape, ok := shapes[n.Kind]
		if !ok {
			shape = [2]string{"(", ")"}
		}
		caption := strings.ReplaceAll(escape.Replace(n.caption("\n")), "\n", "<br>")
		fmt.Fprintf(&b, "  %s%s\"%s\"%s\n", ids[n.ID], shape[0], caption, shape[1])
	}
	for _, e := range d.Edges {
		if e.Label == "" {
			fmt.Fprintf(&b, "  %s --> %s\n", ids[e.From], ids[e.To])
		} else {
			fmt.Fprintf(&b, "  %s -. \"%s\" .-> %s\n", ids[e.From], escape.Replace(e.Label), ids[e.To])
		}
	}
	return b.String()
}
