package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// width is where prose is wrapped: terminals of 80 columns, less the indentation.
const width = 74

// Printer writes diagnostics for people, in the form of the language reference:
//
//	Error: Unsupported argument [E202]
//	  on orders.hcl:2:3, in pipeline "orders"
//
//	   2 │   task_max = 4
//	     │   ^^^^^^^^
//
//	  An argument named "task_max" is not expected in a pipeline. Did you mean
//	  "tasks_max"?
type Printer struct {
	Color  bool                              // colour the severity and the carets
	Source func(file string) ([]byte, error) // text of a file for the snippet; nil or an error means no snippet
	Limit  int                               // most diagnostics to print, 0 means all; the rest is counted
}

// Print writes the list in order of place, a blank line between entries.
func (p Printer) Print(w io.Writer, l List) error {
	l = l.Sorted()
	rest := 0
	if p.Limit > 0 && len(l) > p.Limit {
		l, rest = l[:p.Limit], len(l)-p.Limit
	}
	var b strings.Builder
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		p.one(&b, d)
	}
	if rest > 0 {
		fmt.Fprintf(&b, "\n… and %d more.\n", rest)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p Printer) one(b *strings.Builder, d Diagnostic) {
	head := d.Severity.String() + ":"
	if p.Color {
		if d.Severity == Error {
			head = "\x1b[31;1m" + head + "\x1b[0m"
		} else {
			head = "\x1b[33;1m" + head + "\x1b[0m"
		}
	}
	fmt.Fprintf(b, "%s %s [%s]\n", head, d.Summary, d.Code)
	if !d.Place.IsZero() {
		fmt.Fprintf(b, "  on %s", d.Place)
		if d.Place.Context != "" {
			fmt.Fprintf(b, ", in %s", d.Place.Context)
		}
		b.WriteByte('\n')
		p.snippet(b, d.Place)
	}
	if d.Detail != "" {
		b.WriteByte('\n')
		wrap(b, d.Detail)
	}
}

// snippet writes the line of the place with carets under it.
func (p Printer) snippet(b *strings.Builder, at Place) {
	if p.Source == nil || at.Line == 0 || at.Hidden {
		return
	}
	src, err := p.Source(at.File)
	if err != nil {
		return
	}
	lines := strings.Split(string(src), "\n")
	if at.Line > len(lines) {
		return
	}
	line := strings.TrimRight(lines[at.Line-1], "\r")
	end := at.EndColumn
	if at.EndLine > at.Line {
		end = utf8.RuneCountInString(line) + 1
	}
	line, from, end := shortened(line, at.Column, end)
	before, marked := split(line, from, end)
	gutter := fmt.Sprintf("%4d", at.Line)
	carets := strings.Repeat("^", max(1, columns(marked)))
	if p.Color {
		carets = "\x1b[31;1m" + carets + "\x1b[0m"
	}
	// Tabs are kept, so that the carets stand under what they mark whatever a tab is worth.
	var pad strings.Builder
	for _, r := range before {
		if r == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteString(strings.Repeat(" ", columnsOf(r)))
		}
	}
	fmt.Fprintf(b, "\n%s │ %s\n%s │ %s%s\n", gutter, line, strings.Repeat(" ", len(gutter)), pad.String(), carets)
}

// longest is how many characters of a line are shown.
const longest = 400

// shortened is a line without what is far from the columns that are marked, and these columns in it.
func shortened(line string, from, to int) (text string, column, end int) {
	if len(line) <= longest { // bytes, of which there are no fewer than characters
		return line, from, to
	}
	rs := []rune(line)
	from = min(max(from, 1), len(rs)+1)
	first := max(0, from-1-longest/2)
	last := min(len(rs), first+longest)
	text = string(rs[first:last])
	if first > 0 {
		text, first = "…"+text, first-1
	}
	if last < len(rs) {
		text += "…"
	}
	return text, from - first, min(to-first, last-first+1)
}

// split cuts a line before column from and before column to, both counted in characters from 1.
func split(line string, from, to int) (before, marked string) {
	rs := []rune(line)
	from = min(max(from, 1), len(rs)+1)
	to = min(max(to, from), len(rs)+1)
	return string(rs[:from-1]), string(rs[from-1 : to-1])
}

// columns is how wide a text is on a terminal; a tab counts as one.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

// columnsOf is how wide a character is: nothing when it stands on another, two when it is an ideograph, a syllable of
// Hangul, a full-width form or a picture (Unicode Standard Annex 11, W and F).
func columnsOf(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

var wide = &unicode.RangeTable{ //nolint:gochecknoglobals // a literal
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xa960, 0xa97f, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// Wrap lays a paragraph out as in messages: lines of a bounded width, indented by two blanks.
func Wrap(text string) string {
	var b strings.Builder
	wrap(&b, text)
	return strings.TrimRight(b.String(), "\n")
}

// wrap writes paragraphs at two blanks of indentation; a line that starts with four blanks is code and is kept.
func wrap(b *strings.Builder, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "    ") || line == "" {
			if line != "" {
				b.WriteString("  ")
			}
			b.WriteString(line)
			b.WriteByte('\n')
			continue
		}
		col := 0
		for word := range strings.FieldsSeq(line) {
			n := columns(word)
			switch {
			case col == 0:
				b.WriteString("  ")
			case col+1+n > width:
				b.WriteString("\n  ")
				col = 0
			default:
				b.WriteByte(' ')
				col++
			}
			b.WriteString(word)
			col += n
		}
		b.WriteByte('\n')
	}
}
