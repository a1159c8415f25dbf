package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type caseTransformConfig struct {
	Fields []string `cfg:"field.names,required" importance:"high" example:"country" doc:"Names of the fields whose text changes. With a schema only texts do; without one, numbers become texts, and a name that is missing is added with null."`
	Case   string   `cfg:"case,required" oneof:"lower|upper" importance:"high" example:"upper" doc:"Whether texts are written in lower or in upper case."`
}

// caseTransform follows Aiven's io.aiven.kafka.connect.transforms.CaseTransform.
type caseTransform struct {
	single
	target plugin.Target
	names  []record.Value
	change func(string) string
	plans  memo[*casePlan]
}

type casePlan struct {
	nulls nullable
	texts []int // indices of fields
}

func newCaseTransform(target plugin.Target) plugin.Transform {
	t := &caseTransform{target: target}
	t.each = t.rewrite
	return t
}

// Configure implements [plugin.Transform].
func (t *caseTransform) Configure(c plugin.Config) error {
	var cfg caseTransformConfig
	err := plugin.Decode(c, &cfg)
	t.names, t.plans, t.change = nil, memo[*casePlan]{}, strings.ToLower
	if cfg.Case == "upper" {
		t.change = toUpper
	}
	for _, name := range cfg.Fields {
		t.names = append(t.names, record.OfString(name))
	}
	return err
}

// toUpper is Java's String.toUpperCase(Locale.ROOT) as far as letters of Europe go: one of them becomes two.
func toUpper(s string) string {
	return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS")
}

func (t *caseTransform) rewrite(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return plugin.Data("%s Value can't be null", t.target)
	case d.Value.Kind() == record.Map:
		return t.rewriteMap(d)
	case d.Value.Kind() != record.Struct:
		return plugin.Data("Value type must be STRUCT or MAP")
	}
	plan, err := shaped(&t.plans, d.Schema, t.planFor)
	if err != nil {
		return err
	}
	out := t.batch.Extend(d.Value.Elements(), 0)
	if err := plan.nulls.fill(d.Schema.Fields, out, true); err != nil {
		return err
	}
	for _, i := range plan.texts {
		if out[i].Kind() == record.String { // a schema may have the name of another type
			out[i] = t.changed(out[i].Text())
		}
	}
	d.Value = record.OfStruct(out)
	return nil
}

// changed is a text in the other case; one that has it already is not copied.
func (t *caseTransform) changed(text string) record.Value { return record.OfString(t.change(text)) }

func (t *caseTransform) planFor(s *record.Schema) (*casePlan, error) {
	plan := &casePlan{nulls: nullableOf(s.Fields)}
	for _, name := range t.names {
		if i := s.Field(name.Text()); i >= 0 && s.Fields[i].Schema.Kind == record.String {
			plan.texts = append(plan.texts, i)
		}
	}
	return plan, nil
}

func (t *caseTransform) rewriteMap(d *record.Datum) error {
	entries := d.Value.Elements()
	out := t.batch.Extend(entries, 2*len(t.names))
	n := len(entries)
	for _, name := range t.names {
		v, _ := record.OfMap(out[:n]).Get(name.Text())
		if !v.IsNull() {
			text, err := plainText(&t.batch.Arena, nil, v)
			if err != nil {
				return plugin.Data("Field %s has no case: it is %s", name.Text(), v.Kind())
			}
			v = t.changed(text.Text())
		}
		n = setEntry(out, n, name, v)
	}
	d.Value = record.OfMap(out[:n])
	return nil
}
