package hcl

import (
	"bytes"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/diag"
)

// source is one file: its text as it is parsed and shown, and its top-level blocks.
type source struct {
	name   string // as places name it
	text   []byte // UTF-8 without a byte order mark, lines end in LF
	body   *hclsyntax.Body
	broken []int // byte offsets of syntax errors, ascending
	lost   bool  // blocks may be missing from body

	// Once the load has ended, body is nil and these say what stood there.
	plain  bool     // pipelines only, without errors of syntax
	labels []string // of all blocks
}

// onlyPipelines reports whether a file declares nothing that other files may use.
func (s *source) onlyPipelines() bool {
	return len(s.broken) == 0 && !s.lost && len(s.body.Attributes) == 0 &&
		!slices.ContainsFunc(s.body.Blocks, func(b *hclsyntax.Block) bool { return b.Type != pipelineBlock.name })
}

// parse reads a file as far as it can be read. A parser is made for each call: hclparse's caches by name and would return
// the old text for ever.
func parse(name string, raw []byte) (*source, diag.List) {
	text := bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	// HCL keeps the CR of CRLF in heredocs, so that one repository would give two configurations on two systems.
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	s := &source{name: name, text: text, body: &hclsyntax.Body{}}
	if at := invalid(text); at >= 0 {
		s.broken, s.lost = []int{at}, true
		return s, diag.List{diag.New(diag.InvalidCharacter, s.place(s.span(at, at)), "The file is not UTF-8 text from here on. Save it as UTF-8.")}
	}
	if at := tooDeep(text); at >= 0 {
		s.broken, s.lost = []int{at}, true
		return s, diag.List{diag.New(diag.Syntax, s.place(s.span(at, at)), "Expressions and blocks are nested more than %d deep here.", maxDepth)}
	}
	file, diags := hclsyntax.ParseConfig(text, name, hcl2.InitialPos)
	if body, ok := file.Body.(*hclsyntax.Body); ok {
		s.body = body
	}
	if diags.HasErrors() {
		diags = s.again(diags)
	}
	for _, d := range diags {
		s.broken = append(s.broken, start(d))
		// What is not closed takes the blocks behind it along; what is wrong between two blocks may have been one.
		s.lost = s.lost || d.Summary == "Unclosed configuration block" || d.Summary == "Invalid multi-line string" ||
			s.block(start(d)) == nil
	}
	slices.Sort(s.broken)
	return s, append(s.syntax(diags), s.numbers()...)
}

// again parses each top-level block and each gap between two by itself: after a first error, the parser keeps later ones
// to itself.
func (s *source) again(first hcl2.Diagnostics) hcl2.Diagnostics {
	var all hcl2.Diagnostics
	from := hcl2.InitialPos
	piece := func(to hcl2.Pos) {
		if to.Byte > from.Byte {
			_, diags := hclsyntax.ParseConfig(s.text[from.Byte:to.Byte], s.name, from)
			all = append(all, diags...)
			from = to
		}
	}
	for _, b := range s.body.Blocks {
		piece(b.Range().Start)
		piece(b.Range().End)
	}
	piece(hcl2.Pos{Line: 1 + bytes.Count(s.text, []byte("\n")), Column: 1, Byte: len(s.text)})
	if !all.HasErrors() {
		return first // they come from where the pieces meet
	}
	return all
}

// invalid is the offset of the first byte that is not UTF-8, or -1.
func invalid(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}

// maxDepth bounds the recursion of HCL's parser, which otherwise ends the process when its stack is full.
const maxDepth = 1000

// tooDeep is the offset at which brackets, prefix operators and conditionals are nested too deeply, or -1.
func tooDeep(text []byte) int {
	// Counting bytes sees brackets in strings and comments too, so it only says whether a closer look is worth its time.
	if deepest(text, func(yield func(kind byte, at int)) {
		for i, c := range text {
			yield(c, i)
		}
	}) < 0 {
		return -1
	}
	tokens, _ := hclsyntax.LexConfig(text, "", hcl2.InitialPos)
	return deepest(text, func(yield func(kind byte, at int)) {
		for _, t := range tokens {
			kind := byte(0)
			if t.Type < utf8.RuneSelf { // brackets and operators are their own character
				kind = byte(t.Type)
			}
			if t.Type == hclsyntax.TokenTemplateInterp || t.Type == hclsyntax.TokenTemplateControl {
				kind = '{'
			}
			if t.Type == hclsyntax.TokenTemplateSeqEnd {
				kind = '}'
			}
			yield(kind, t.Range.Start.Byte)
		}
	})
}

func deepest(text []byte, each func(yield func(kind byte, at int))) int {
	found, depth, operators := -1, 0, 0
	each(func(kind byte, at int) {
		switch kind {
		case '[', '(', '{':
			depth++
		case ']', ')', '}':
			depth = max(0, depth-1)
		case '!', '-', '?':
			operators++
		case '\n':
			operators = 0
		}
		if found < 0 && depth+operators > maxDepth {
			found = min(at, len(text))
		}
	})
	return found
}

// numbers refuses literals with so large an exponent that writing them out would take for ever.
func (s *source) numbers() diag.List {
	var found diag.List
	_ = hclsyntax.VisitAll(s.body, func(n hclsyntax.Node) hcl2.Diagnostics {
		lit, ok := n.(*hclsyntax.LiteralValueExpr)
		if !ok || lit.Val.Type() != cty.Number {
			return nil
		}
		r := lit.SrcRange
		_, exp, has := strings.Cut(strings.ToLower(string(r.SliceBytes(s.text))), "e")
		if !has {
			return nil
		}
		if e, err := strconv.Atoi(exp); err != nil && strings.Trim(exp, "+-0123456789") == "" || e > 400 || e < -400 {
			s.broken = append(s.broken, r.Start.Byte)
			found = append(found, diag.New(diag.InvalidValue, s.place(r), "This number is out of range. Put it in quotes if its text is meant."))
		}
		return nil
	})
	slices.Sort(s.broken)
	return found
}

// damaged reports whether a top-level block or what follows it, up to the next block, has a syntax error: then what was
// parsed of the block may lack anything.
func (s *source) damaged(b *hclsyntax.Block) bool {
	if len(s.broken) == 0 {
		return false
	}
	from, to := b.TypeRange.Start.Byte, len(s.text)+1
	for _, other := range s.body.Blocks {
		if o := other.TypeRange.Start.Byte; o > from && o < to {
			to = o
		}
	}
	return slices.ContainsFunc(s.broken, func(at int) bool { return at >= from && at < to })
}

// place is a range as people see it: columns count characters, where HCL counts grapheme clusters.
func (s *source) place(r hcl2.Range) diag.Place {
	end := r.End
	if end.Byte < r.Start.Byte {
		end = r.Start
	}
	return diag.Place{
		File: s.name, Line: r.Start.Line, Column: s.column(r.Start.Byte), EndLine: end.Line, EndColumn: s.column(end.Byte),
		Context: s.context(r.Start.Byte),
	}
}

func (s *source) column(at int) int {
	before := s.text[:min(max(at, 0), len(s.text))]
	return 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// block is the top-level block around an offset, or nil.
func (s *source) block(at int) *hclsyntax.Block {
	blocks := s.body.Blocks
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].TypeRange.Start.Byte > at })
	if i == 0 || at >= blocks[i-1].Range().End.Byte {
		return nil
	}
	return blocks[i-1]
}

// context is the header of the block around an offset.
func (s *source) context(at int) string {
	if b := s.block(at); b != nil {
		return header(b)
	}
	return ""
}

// header is a block's first line as people write it, such as pipeline "orders".
func header(b *hclsyntax.Block) string {
	words := []string{b.Type}
	for _, l := range b.Labels {
		words = append(words, strconv.Quote(l))
	}
	return strings.Join(words, " ")
}

// line is the text of the line around an offset, and the offset of its start.
func (s *source) line(at int) (string, int) {
	at = min(max(at, 0), len(s.text))
	start := bytes.LastIndexByte(s.text[:at], '\n') + 1
	end := bytes.IndexByte(s.text[start:], '\n')
	if end < 0 {
		return string(s.text[start:]), start
	}
	return string(s.text[start : start+end]), start
}

// span is the range between two offsets of this file.
func (s *source) span(from, to int) hcl2.Range {
	at := func(i int) hcl2.Pos {
		return hcl2.Pos{Line: 1 + bytes.Count(s.text[:i], []byte("\n")), Column: s.column(i), Byte: i}
	}
	return hcl2.Range{Filename: s.name, Start: at(from), End: at(to)}
}

// attributes lists the arguments of a body in the order of the file.
func attributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	list := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return list
}
