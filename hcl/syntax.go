package hcl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/penstock/penstock/engine/diag"
)

var (
	dottedName = pattern(`^\s*"?([\p{L}_][\p{L}\p{N}_-]*(?:\.[\p{L}\p{N}_-]+)+)"?\s*[=:]`) //nolint:gochecknoglobals // a constant, made when it is first needed
	quotedName = pattern(`^\s*"([^"]*)"\s*=`)                                              //nolint:gochecknoglobals // a constant, made when it is first needed
	colonName  = pattern(`^\s*([\p{L}_][\p{L}\p{N}_-]*)\s*:`)                              //nolint:gochecknoglobals // a constant, made when it is first needed
	forgotten  = pattern(`^\s*([\p{L}_][\p{L}\p{N}_-]*)\s+("[^"]*")\s*(?:#.*|//.*)?$`)     //nolint:gochecknoglobals // a constant, made when it is first needed
	setBefore  = pattern(`:(\d+),\d+`)                                                     //nolint:gochecknoglobals // a constant, made when it is first needed
	reference  = pattern(`\$\{([\p{L}_][\p{L}\p{N}_-]*:[^{}"]*)\}`)                        //nolint:gochecknoglobals // a constant, made when it is first needed
)

// pattern is an expression that is compiled when it is first used: most projects have no mistakes to look for.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// syntax turns what the parser says into one message a mistake: errors of the same line as an earlier one, and whatever
// follows a string without an end, are echoes.
func (s *source) syntax(diags hcl2.Diagnostics) diag.List {
	diags = slices.Clone(diags)
	slices.SortStableFunc(diags, func(a, b *hcl2.Diagnostic) int { return start(a) - start(b) })
	var found diag.List
	last := 0
	for _, d := range diags {
		m := s.mistake(d)
		if m.Place.Line == last {
			continue
		}
		last = m.Place.Line
		found = append(found, m)
		if d.Summary == "Invalid multi-line string" {
			break
		}
	}
	return found
}

func start(d *hcl2.Diagnostic) int {
	if d.Subject == nil {
		return 0
	}
	return d.Subject.Start.Byte
}

func (s *source) mistake(d *hcl2.Diagnostic) diag.Diagnostic {
	if d.Subject == nil {
		return diag.New(diag.Syntax, diag.Place{File: s.name}, "%s", d.Detail)
	}
	if m, ok := s.referenceInString(d); ok {
		return m
	}
	switch d.Summary {
	case "Argument or block definition required", "Invalid argument name":
		return s.badName(d)
	case "Invalid block definition":
		return s.badBlock(d)
	case "Invalid escape sequence":
		return s.badEscape(d)
	case "Unclosed configuration block":
		return s.unclosed(d)
	case "Invalid multi-line string":
		return s.unclosedString(d)
	case "Attribute redefined":
		return s.redefined(d)
	case "Invalid character", "Unsupported operator":
		return diag.New(diag.InvalidCharacter, s.place(*d.Subject), "%s", d.Detail)
	}
	return diag.New(diag.Syntax, s.place(*d.Subject), "%s", d.Detail)
}

// referenceInString finds ${provider:path:key}, which HCL tries to evaluate.
func (s *source) referenceInString(d *hcl2.Diagnostic) (diag.Diagnostic, bool) {
	line, from := s.line(start(d))
	for _, m := range reference().FindAllStringSubmatchIndex(line, -1) {
		if at := start(d) - from; at < m[0] || at >= m[1] {
			continue
		}
		ref := line[m[2]:m[3]]
		return diag.New(diag.ReferenceInString, s.place(s.span(from+m[0], from+m[1])),
			"In these files ${ ... } is evaluated before the pipeline is submitted. To pass a reference that the worker resolves, write\n\n"+
				"    secret(\"%s\")\n\nor escape it as \"$${%s}\".", ref, ref), true
	}
	return diag.Diagnostic{}, false
}

// badName explains a line that is neither an argument nor a block.
func (s *source) badName(d *hcl2.Diagnostic) diag.Diagnostic {
	line, from := s.line(start(d))
	at := func(m []int) diag.Place { return s.place(s.span(from+m[2], from+m[3])) }
	if m := dottedName().FindStringSubmatchIndex(line); m != nil {
		name := line[m[2]:m[3]]
		if strings.ContainsRune(name, '_') {
			return diag.New(diag.DottedName, at(m),
				"Arguments cannot contain dots. This name also has an underscore, so it can only be written inside the config map:\n\n"+
					"    config = { %q = ... }", name)
		}
		return diag.New(diag.DottedName, at(m), "Arguments cannot contain dots. Write %s with underscores:\n\n"+
			"    %s = ...\n\nor quote it inside the config map:\n\n    config = { %q = ... }", name, underscored(name), name)
	}
	if m := quotedName().FindStringSubmatchIndex(line); m != nil {
		name := line[m[2]:m[3]]
		if hclsyntax.ValidIdentifier(name) {
			return diag.New(diag.ArgumentExpected, at(m), "Names of arguments stand without quotes:\n\n    %s = ...", name)
		}
		return diag.New(diag.ArgumentExpected, at(m),
			"Names of arguments stand without quotes. This one can only be written inside the config map:\n\n    config = { %q = ... }", name)
	}
	if m := colonName().FindStringSubmatchIndex(line); m != nil {
		return diag.New(diag.ArgumentExpected, at(m), "Arguments are set with \"=\", not \":\":\n\n    %s = ...", line[m[2]:m[3]])
	}
	if strings.HasPrefix(line[max(0, start(d)-from):], "}") {
		return diag.New(diag.ArgumentExpected, s.place(*d.Subject), "This brace closes nothing. There is one \"}\" too many, or a \"{\" is missing above.")
	}
	return diag.New(diag.ArgumentExpected, s.place(*d.Subject), "%s", d.Detail)
}

// badBlock explains a line that starts like a block; often it is an argument without its equals sign.
func (s *source) badBlock(d *hcl2.Diagnostic) diag.Diagnostic {
	line, from := s.line(start(d))
	if m := forgotten().FindStringSubmatchIndex(line); m != nil {
		return diag.New(diag.ArgumentExpected, s.place(s.span(from+m[2], from+m[3])),
			"Arguments are set with \"=\":\n\n    %s = %s\n\nand the \"{\" of a block stands on the line of its labels.", line[m[2]:m[3]], line[m[4]:m[5]])
	}
	return diag.New(diag.Syntax, s.place(*d.Subject), "%s", d.Detail)
}

// badEscape shows the line with its lone backslashes doubled.
func (s *source) badEscape(d *hcl2.Diagnostic) diag.Diagnostic {
	line, _ := s.line(start(d))
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] != '\\':
			b.WriteByte(line[i])
		case i+1 < len(line) && strings.IndexByte(`nrt"\uU`, line[i+1]) >= 0:
			b.WriteString(line[i : i+2])
			i++
		default:
			b.WriteString(`\\`)
		}
	}
	return diag.New(diag.InvalidEscape, s.place(*d.Subject),
		"A backslash in a quoted string starts an escape such as \\n or \\\". For a literal backslash write two, or use a heredoc:\n\n    %s",
		strings.TrimSpace(b.String()))
}

func (s *source) unclosedString(d *hcl2.Diagnostic) diag.Diagnostic {
	line, from := s.line(start(d))
	open := max(0, strings.LastIndexByte(line, '"'))
	return diag.New(diag.Syntax, s.place(s.span(from+open, from+len(line))),
		"This string has no closing quote on its line. Add one, or use a heredoc (<<-EOT) for text of several lines.")
}

func (s *source) redefined(d *hcl2.Diagnostic) diag.Diagnostic {
	name := string(d.Subject.SliceBytes(s.text))
	before := ""
	if m := setBefore().FindStringSubmatch(d.Detail); m != nil {
		before = " at " + s.name + ":" + m[1]
	}
	return diag.New(diag.DuplicateProperty, s.place(*d.Subject), "%q was already set%s.", name, before)
}

// brace is one that is open, with the indentation and the first word of its line.
type brace struct {
	at     hcl2.Range
	indent int
	word   string
}

// unclosed guesses by indentation which block lacks its brace; the parser only knows the outermost one.
func (s *source) unclosed(d *hcl2.Diagnostic) diag.Diagnostic {
	open, before := s.guess()
	if open == nil {
		return diag.New(diag.UnclosedBlock, s.place(*d.Subject), "This block is never closed. A \"}\" is missing before the end of the file.")
	}
	end := fmt.Sprintf("By the indentation, a \"}\" is missing before line %d.", before)
	if before == 0 {
		end = "A \"}\" is missing before the end of the file."
	}
	return diag.New(diag.UnclosedBlock, s.place(open.at), "This %s block is never closed. %s", open.word, end)
}

// guess returns the brace that a line indented too little shows to be open, and that line; or the innermost brace open at
// the end of the file and 0.
func (s *source) guess() (*brace, int) {
	tokens, _ := hclsyntax.LexConfig(s.text, s.name, hcl2.InitialPos)
	var open []brace
	line, first := 0, ""
	indent := 0
	for _, t := range tokens {
		if slices.Contains([]hclsyntax.TokenType{
			hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenEOF,
		}, t.Type) {
			continue
		}
		if t.Range.Start.Line != line {
			line, indent, first = t.Range.Start.Line, t.Range.Start.Column-1, string(t.Bytes)
			if n := len(open); n > 0 {
				top := open[n-1]
				if closes := t.Type == hclsyntax.TokenCBrace; indent < top.indent || !closes && indent == top.indent {
					return &top, line
				}
			}
		}
		if t.Type == hclsyntax.TokenOBrace {
			open = append(open, brace{t.Range, indent, first})
		}
		if t.Type == hclsyntax.TokenCBrace {
			open = open[:max(0, len(open)-1)]
		}
	}
	if len(open) == 0 {
		return nil, 0
	}
	return &open[len(open)-1], 0
}

// underscored is how a property is written as an argument.
func underscored(property string) string { return strings.ReplaceAll(property, ".", "_") }

// dotted is the property that an argument stands for: underscore means dot, always.
func dotted(argument string) string { return strings.ReplaceAll(argument, "_", ".") }
