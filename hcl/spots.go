package hcl

import (
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/penstock/penstock/engine/config"
)

// spots says where the characters of a text stand that a literal gives, blanks around it taken away. It is nil for texts
// that are worked out: then nobody can point into them.
func (s *source) spots(e hclsyntax.Expression, text string) []config.Spot {
	t, ok := e.(*hclsyntax.TemplateExpr)
	if !ok {
		return nil
	}
	for _, p := range t.Parts {
		if _, literal := p.(*hclsyntax.LiteralValueExpr); !literal {
			return nil
		}
	}
	r := t.Range()
	written := string(r.SliceBytes(s.text))
	if strings.HasPrefix(written, "<<") {
		return heredocSpots(written, text, r.Start.Line)
	}
	if len(written) < 2 {
		return nil
	}
	return quotedSpots(written[1:len(written)-1], text, r.Start.Line, s.column(r.Start.Byte)+1)
}

// quotedSpots reads what stands between two quotes: an escape is one character of the text.
func quotedSpots(written, text string, line, column int) []config.Spot {
	var list []config.Spot
	var read strings.Builder
	at, offset := 0, column // characters of the text so far; column of the next less that number
	for rest := written; rest != ""; {
		r, taken := unescaped(rest)
		if len(list) == 0 || offset != list[len(list)-1].Column-list[len(list)-1].From {
			list = append(list, config.Spot{From: at, Line: line, Column: offset + at})
		}
		read.WriteRune(r)
		at++
		offset += utf8.RuneCountInString(rest[:taken]) - 1
		rest = rest[taken:]
	}
	all := read.String()
	if strings.TrimSpace(all) != text {
		return nil
	}
	return shift(list, utf8.RuneCountInString(all[:strings.Index(all, text)]))
}

// unescaped is the first character that a quoted text stands for, and how many bytes of it are written.
func unescaped(s string) (rune, int) {
	switch {
	case strings.HasPrefix(s, "$${"), strings.HasPrefix(s, "%%{"):
		return rune(s[0]), 2
	case len(s) >= 2 && s[0] == '\\':
		switch s[1] {
		case 'n':
			return '\n', 2
		case 'r':
			return '\r', 2
		case 't':
			return '\t', 2
		case 'u', 'U': // a text with these is not worth reading them: the comparison fails and the whole text is shown
			return utf8.RuneError, 2
		}
		return rune(s[1]), 2
	}
	return utf8.DecodeRuneInString(s)
}

// heredocSpots finds the lines of a text in those of the heredoc, which may stand further to the right.
func heredocSpots(written, text string, line int) []config.Spot {
	var list []config.Spot
	lines := strings.Split(written, "\n")[1:] // without the opening mark
	n, at := 0, 0
	for part := range strings.SplitSeq(text, "\n") {
		for n < len(lines) && at == 0 && len(list) == 0 && strings.TrimSpace(lines[n]) == "" {
			n++ // blank lines before the text were taken away
		}
		if n >= len(lines) {
			return nil
		}
		before := strings.Index(lines[n], part)
		if before < 0 || strings.TrimSpace(lines[n][:before]) != "" {
			return nil
		}
		list = append(list, config.Spot{From: at, Line: line + 1 + n, Column: 1 + utf8.RuneCountInString(lines[n][:before])})
		at += utf8.RuneCountInString(part) + 1
		n++
	}
	return list
}

// shift takes n characters away from the beginning of a text.
func shift(list []config.Spot, n int) []config.Spot {
	var out []config.Spot
	for _, s := range list {
		s.From -= n
		if s.From <= 0 {
			out = out[:0]
		}
		out = append(out, s)
	}
	return out
}
