package diff

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/config"
)

// Text is how a document is shown to people. It is made of the document's exported members alone, which its JSON has too.
type Text struct {
	Short bool // entries without their properties
	Full  bool // unchanged connectors, other spellings and every pipeline of a group as well
	Color bool
}

// The columns of entries and of their properties.
const (
	fewest = 4  // pipelines with the same difference that are shown as one
	keyPad = 28 // up to which values are aligned
	named  = 4  // of a group
)

// Write writes the whole document.
func (t Text) Write(w io.Writer, d *Document) error {
	p := &page{Text: t}
	groups := grouped(d.Entries)
	for _, g := range groups {
		if len(g) >= fewest && !t.Full {
			p.group(g)
			continue
		}
		for _, e := range g {
			if e.Action != Unchanged || t.Full {
				p.entry(e)
			}
		}
	}
	p.outside(d.Outside)
	p.summary(d)
	_, err := io.WriteString(w, p.b.String())
	return err
}

// grouped puts updates with the same difference together; everything keeps its order.
func grouped(entries []Entry) [][]Entry {
	var groups [][]Entry
	at := map[string]int{}
	for _, e := range entries {
		key := alike(e)
		if i, ok := at[key]; ok && key != "" {
			groups[i] = append(groups[i], e)
			continue
		}
		at[key] = len(groups)
		groups = append(groups, []Entry{e})
	}
	return ordered(groups)
}

// ordered breaks up groups that are too small to be one.
func ordered(groups [][]Entry) [][]Entry {
	var out [][]Entry
	for _, g := range groups {
		if len(g) >= fewest {
			out = append(out, g)
			continue
		}
		for _, e := range g {
			out = append(out, []Entry{e})
		}
	}
	return out
}

// alike is what entries of one group have in common, "" for those that stand alone. Secrets may differ unseen.
func alike(e Entry) string {
	if e.Action != Update || slices.ContainsFunc(e.Changes, func(c config.Change) bool { return c.Hidden }) {
		return ""
	}
	return fmt.Sprintf("%s %+v", e.Target, e.Changes)
}

type page struct {
	Text
	b strings.Builder
}

// Colours by their numbers in ECMA-48.
var colours = map[Action]string{ //nolint:gochecknoglobals // a literal
	Create: "32", Update: "33", Replace: "31", Adopt: "2", Rename: "36", Delete: "31", Release: "2", Unchanged: "2",
}

var symbols = map[Action]string{ //nolint:gochecknoglobals // a literal
	Create: "+", Update: "~", Replace: "-/+", Adopt: "=", Rename: "→", Delete: "-", Release: ".", Unchanged: " ",
}

func (p *page) colour(code, text string) string {
	if !p.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// heading is the first line of an entry: what happens to whom, and where it is declared.
func (p *page) heading(a Action, title, place string) {
	line := "  " + symbols[a] + " " + title
	pad := max(2, 68-utf8.RuneCountInString(line))
	if place != "" {
		line += strings.Repeat(" ", pad) + place
	}
	p.b.WriteString(p.colour(colours[a], line) + "\n")
}

func (p *page) entry(e Entry) {
	title, place := e.Name, e.Place
	switch e.Action {
	case Rename:
		title = e.From + " becomes " + e.Name
	case Delete:
		place = "no longer in the files"
	case Release:
		title += " is released, and runs on"
	case Adopt:
		title += " is adopted"
	}
	p.heading(e.Action, title, place)
	switch {
	case e.Action == Create && !p.Full:
		fmt.Fprintf(&p.b, "      %s, %s\n", count(len(e.Changes), "property", "properties"), count(e.Tasks, "task", "tasks"))
	case !p.Short && e.Action != Delete && e.Action != Release:
		p.changes(e)
	}
	p.effects(e.Effects)
	p.b.WriteByte('\n')
}

func (p *page) changes(e Entry) {
	width := 0
	for _, c := range e.Changes {
		width = min(max(width, len(c.Key)), keyPad)
	}
	for _, c := range e.Changes {
		p.change(c, width)
	}
	if p.Full {
		for _, c := range e.Respelt {
			fmt.Fprintf(&p.b, "      = %-*s   %s\n", width, c.Key, values(c)+"   (the same, spelled differently)")
		}
	}
	if e.Same > 0 && e.Action != Create {
		p.b.WriteString(p.colour("2", fmt.Sprintf("        %d unchanged", e.Same)) + "\n")
	}
}

func (p *page) change(c config.Change, width int) {
	symbol, colour := "~", "33"
	switch {
	case !c.Had:
		symbol, colour = "+", "32"
	case !c.Wants:
		symbol, colour = "-", "31"
	}
	head, lines := parts(c)
	if len(lines) == 0 {
		head = values(c)
	}
	p.b.WriteString(p.colour(colour, fmt.Sprintf("      %s %-*s   %s", symbol, width, c.Key, head)) + "\n")
	more := len(lines) - mostParts
	if p.Full || more < 2 {
		more = 0
	}
	for _, l := range lines[:len(lines)-more] {
		p.b.WriteString(p.colour(signColour(l), "          "+strings.ToValidUTF8(unprintable(l), "\ufffd")) + "\n")
	}
	if more > 0 {
		fmt.Fprintf(&p.b, "          and %d more (-full shows all)\n", more)
	}
}

// signColour is the colour of a line that begins with a sign.
func signColour(line string) string {
	switch line[0] {
	case '+':
		return "32"
	case '-':
		return "31"
	default:
		return "33"
	}
}

// unprintable escapes what a terminal would take for more than text.
func unprintable(line string) string {
	if !strings.ContainsFunc(line, unicode.IsControl) {
		return line
	}
	quoted := strconv.Quote(line)
	return quoted[1 : len(quoted)-1]
}

// values shows what becomes of a property.
func values(c config.Change) string {
	switch {
	case c.Hidden && c.Had && c.Wants:
		return "(sensitive, changed)"
	case c.Hidden:
		return "(sensitive)"
	case !c.Had:
		return config.Brief(c.Want)
	case !c.Wants:
		return config.Brief(c.Have)
	}
	if list, ok := elements(c); ok {
		return list
	}
	return config.Brief(c.Have) + " → " + config.Brief(c.Want)
}

// elements shows a list by what comes and goes, when something stays.
func elements(c config.Change) (string, bool) {
	have, want := config.List(c.Have), config.List(c.Want)
	if len(have)+len(want) < 3 {
		return "", false
	}
	var shown []string
	stay := false
	for _, e := range want {
		if slices.Contains(have, e) {
			shown, stay = append(shown, e), true
		} else {
			shown = append(shown, "+"+e)
		}
	}
	for _, e := range have {
		if !slices.Contains(want, e) {
			shown = append(shown, "-"+e)
		}
	}
	if !stay || len(shown) == len(have) && len(have) == len(want) { // nothing in common, or only another order
		return "", false
	}
	return strings.Join(shown, ", "), true
}

func (p *page) effects(effects []Effect) {
	for _, f := range effects {
		colour := "1;33"
		if f.Danger {
			colour = "1;31"
		}
		for i, line := range wrapped(f.Text, 70) {
			mark := "!"
			if i > 0 {
				mark = " "
			}
			p.b.WriteString(p.colour(colour, "      "+mark+" "+line) + "\n")
		}
	}
}

// group is several updates that are the same.
func (p *page) group(g []Entry) {
	p.heading(Update, fmt.Sprintf("%d pipelines, the same change", len(g)), g[0].Place)
	if !p.Short {
		shared := g[0]
		shared.Same = 0
		p.changes(shared)
	}
	var connectors, tasks int
	var others []Effect
	for _, e := range g {
		for _, f := range e.Effects {
			if f.Kind == Restart {
				connectors += f.Connectors
				tasks += f.Tasks
			} else if !slices.Contains(others, f) {
				others = append(others, f)
			}
		}
	}
	if connectors > 0 {
		p.effects([]Effect{{Text: "restarts " + count(connectors, "connector", "connectors") + " and " + count(tasks, "task", "tasks")}})
	}
	p.effects(others)
	var names []string
	for _, e := range g[:min(len(g), named)] {
		names = append(names, e.Name)
	}
	list := strings.Join(names, ", ")
	if len(g) > named {
		list += ", … (-full lists all)"
	}
	p.b.WriteString("      " + list + "\n\n")
}

func (p *page) outside(changed []Outside) {
	if len(changed) == 0 {
		return
	}
	p.b.WriteString("Changed outside of this project since the last apply:\n")
	for _, o := range changed {
		back := o.Change
		back.Have, back.Want, back.Had, back.Wants = back.Want, back.Have, back.Wants, back.Had
		at := ""
		if !o.At.IsZero() {
			at = o.At.UTC().Format("   2006-01-02 15:04 MST")
		}
		fmt.Fprintf(&p.b, "  ~ %s   %s   %s%s\n", o.Name, back.Key, values(back), at)
		if !o.Change.Hidden && o.Change.Wants {
			fmt.Fprintf(&p.b, "      applying puts %s back\n", config.Brief(o.Change.Want))
		}
	}
	p.b.WriteByte('\n')
}

func (p *page) summary(d *Document) {
	n := d.Counts
	if n.Nothing() {
		fmt.Fprintf(&p.b, "Nothing to do: %s.\n", count(n.Unchanged, "connector is as declared", "connectors are as declared"))
		return
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{n.Create, "to create"}, {n.Update, "to change"}, {n.Rename, "to rename"}, {n.Adopt, "to adopt"},
		{n.Release, "to release"}, {n.Delete, "to delete"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	fmt.Fprintf(&p.b, "Plan: %s. %d unchanged.\n", strings.Join(parts, ", "), n.Unchanged)
	var effects []string
	if n.Connectors > 0 {
		effects = append(effects, count(n.Connectors, "connector", "connectors")+" and "+count(n.Tasks, "task", "tasks")+" restart")
	}
	if n.Stops > 0 {
		effects = append(effects, count(n.Stops, "task stops", "tasks stop"))
	}
	if len(effects) > 0 {
		fmt.Fprintf(&p.b, "Effect: %s.\n", strings.Join(effects, ", "))
	}
}

// wrapped breaks a text into lines at blanks.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
