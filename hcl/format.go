package hcl

import (
	"bytes"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/penstock/penstock/engine/diag"
)

// Format lays a file out in the one style there is: indentation, aligned equals signs, at most one empty line in a row.
// Nothing else changes. A file that cannot be parsed is refused with what is wrong.
func Format(name string, text []byte) ([]byte, diag.List) {
	s, found := parse(name, text)
	if found.HasErrors() {
		return nil, found
	}
	return hclwrite.Format(collapsed(s)), nil
}

// collapsed is a file's text with runs of empty lines made one. Lines inside of strings are left alone.
func collapsed(s *source) []byte {
	tokens, _ := hclsyntax.LexConfig(s.text, s.name, hcl2.InitialPos)
	var out bytes.Buffer
	at, newlines := 0, 0
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenNewline {
			newlines++
		} else if t.Type != hclsyntax.TokenEOF {
			newlines = 0
			if t.Type == hclsyntax.TokenComment && bytes.HasSuffix(t.Bytes, []byte("\n")) {
				newlines = 1 // a comment ends with its line
			}
		}
		if newlines > 2 {
			out.Write(s.text[at:t.Range.Start.Byte])
			at = t.Range.End.Byte
		}
	}
	out.Write(s.text[at:])
	return append(bytes.TrimRight(out.Bytes(), "\n"), '\n')
}

// Eval works out an expression with the project's variables, locals and functions, as JSON. A sensitive result is not
// shown (invariant 6).
func (p *Project) Eval(expression string) (string, diag.List) {
	const name = "expression"
	l := newLoader(p.path, p.opts, newDisk(nil))
	names, values, ok := l.list(p.path)
	if !ok {
		return "", l.found
	}
	l.read(names)
	l.compile(values)
	l.found = nil
	s := &source{name: name, text: []byte(expression), body: &hclsyntax.Body{}}
	l.files[name] = s
	e, diags := hclsyntax.ParseExpression(s.text, name, hcl2.InitialPos)
	if diags.HasErrors() {
		return "", s.syntax(diags)
	}
	v := l.scope(l.shared).eval(e)
	if len(l.found) > 0 {
		return "", l.found
	}
	if v.ContainsMarked() {
		return "(sensitive)", nil
	}
	if v.Type() == rawBytes {
		return "(bytes)", nil
	}
	if !v.IsWhollyKnown() {
		return "(unknown)", nil
	}
	if v.Type() == cty.DynamicPseudoType {
		return "null", nil
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return "", diag.List{diag.New(diag.InvalidExpression, diag.Place{}, "The result cannot be shown: %s.", err)}
	}
	return string(text), nil
}
