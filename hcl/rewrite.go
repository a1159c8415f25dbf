package hcl

import (
	"fmt"
	"slices"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Rewrite is what becomes of the expectations of a test.
type Rewrite struct {
	Test    string
	Changed []Expectation   // of the expect blocks, in order: parts that are nil stay; blocks beyond these go
	Added   []Expectation   // behind them
	None    bool            // there is an expect_none block afterwards
	Missed  []int           // numbers, from 0, of expect_error blocks that go
	Failed  []ExpectedError // that are added
}

// RewriteTests changes the expectations of tests in the text of a file; comments and all else stay, laid out as [Format]
// does. The error names what cannot be written.
func RewriteTests(name string, text []byte, rewrites []Rewrite) ([]byte, error) {
	file, diags := hclwrite.ParseConfig(text, name, hcl2.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("parse %s: %w", name, diags)
	}
	for _, r := range rewrites {
		i := slices.IndexFunc(file.Body().Blocks(), func(b *hclwrite.Block) bool {
			return b.Type() == testBlock.name && slices.Equal(b.Labels(), []string{r.Test})
		})
		if i < 0 {
			return nil, fmt.Errorf("%s has no test %q any more", name, r.Test)
		}
		if err := r.apply(file.Body().Blocks()[i].Body()); err != nil {
			return nil, fmt.Errorf("rewrite the test %q: %w", r.Test, err)
		}
	}
	out, found := Format(name, file.Bytes())
	return out, found.Err()
}

func (r *Rewrite) apply(body *hclwrite.Body) error {
	expect, failed, none := 0, 0, false
	for _, b := range body.Blocks() {
		switch b.Type() {
		case "expect":
			if expect >= len(r.Changed) {
				body.RemoveBlock(b)
			} else if err := set(b.Body(), r.Changed[expect]); err != nil {
				return err
			}
			expect++
		case "expect_none":
			if none = r.None; !none {
				body.RemoveBlock(b)
			}
		case "expect_error":
			if slices.Contains(r.Missed, failed) {
				body.RemoveBlock(b)
			}
			failed++
		}
	}
	for _, e := range r.Added {
		body.AppendNewline()
		if err := set(body.AppendNewBlock("expect", nil).Body(), e); err != nil {
			return err
		}
	}
	if r.None && !none {
		body.AppendNewline()
		body.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte("expect_none {}\n")}})
	}
	for _, e := range r.Failed {
		body.AppendNewline()
		b := body.AppendNewBlock("expect_error", nil).Body()
		b.SetAttributeValue("stage", cty.StringVal(e.Stage))
		if e.Topic != "" {
			b.SetAttributeValue("topic", cty.StringVal(e.Topic))
		}
	}
	return nil
}

// set writes the parts of an expectation that are not nil.
func set(body *hclwrite.Body, e Expectation) error {
	if e.Topic != nil {
		body.SetAttributeValue("topic", cty.StringVal(*e.Topic))
	}
	for _, part := range []struct {
		name string
		text []byte
	}{{"key", e.Key}, {"value", e.Value}, {"value_includes", e.Includes}, {"headers", e.Headers}} {
		if part.text == nil {
			continue
		}
		tokens, err := written(part.text)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		body.SetAttributeRaw(part.name, tokens)
	}
	if e.Value != nil && body.GetAttribute("value_includes") != nil {
		body.RemoveAttribute("value_includes") // there is no saying it of what is no object
	}
	for _, part := range []struct {
		name  string
		value *int64
	}{{"partition", e.Partition}, {"timestamp", e.Timestamp}} {
		if part.value != nil {
			body.SetAttributeValue(part.name, cty.NumberIntVal(*part.value))
		}
	}
	return nil
}

// written is JSON as an expression, which gives the same JSON again.
func written(text []byte) (hclwrite.Tokens, error) {
	ty, err := ctyjson.ImpliedType(text)
	if err != nil {
		return nil, fmt.Errorf("read what came out: %w", err)
	}
	v, err := ctyjson.Unmarshal(text, ty)
	if err != nil {
		return nil, fmt.Errorf("read what came out: %w", err)
	}
	return hclwrite.TokensForValue(v), nil
}
