package transform

import (
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type concatConfig struct {
	Fields    []string `cfg:"field.names,required" importance:"high" example:"first,last" doc:"Names of the fields to join."`
	Output    string   `cfg:"output.field.name,required,nonempty" importance:"high" example:"name" doc:"Name of the field for the joined text."`
	Delimiter string   `cfg:"delimiter" importance:"high" example:" " doc:"What stands between two of them."`
	Missing   string   `cfg:"field.replace.missing" importance:"high" doc:"What stands for a field that is not there or null."`
}

// concatFields follows Aiven's io.aiven.kafka.connect.transforms.ConcatFields. The struct that comes out has no name.
type concatFields struct {
	single
	target plugin.Target
	config concatConfig
	output record.Value
	plans  memo[*concatPlan]
	buffer []byte
}

type concatPlan struct {
	schema *record.Schema
	nulls  nullable
	from   []int // parallel to the names; -1: not there
}

func newConcatFields(target plugin.Target) plugin.Transform {
	t := &concatFields{target: target}
	t.each = t.concat
	return t
}

// Configure implements [plugin.Transform].
func (t *concatFields) Configure(c plugin.Config) error {
	t.config = concatConfig{}
	err := plugin.Decode(c, &t.config)
	t.output, t.plans = record.OfString(t.config.Output), memo[*concatPlan]{}
	return err
}

func (t *concatFields) concat(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return plugin.Data("%s Value can't be null", t.target)
	case d.Value.Kind() == record.Map && d.Schema == nil:
		return t.ofMap(d)
	case d.Value.Kind() != record.Struct:
		return plugin.Data("Value type must be STRUCT or MAP")
	}
	plan, err := shaped(&t.plans, d.Schema, t.planFor)
	if err != nil {
		return err
	}
	fields := d.Value.Elements()
	out := t.batch.Extend(fields, 1)
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return err
	}
	t.buffer = t.buffer[:0]
	for i, from := range plan.from {
		var v record.Value
		var s *record.Schema
		if from >= 0 {
			v, s = out[from], d.Schema.Fields[from].Schema
		}
		if err := t.add(i, s, v); err != nil {
			return err
		}
	}
	out[len(fields)] = t.batch.Text(t.buffer)
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *concatFields) planFor(in *record.Schema) (*concatPlan, error) {
	b := record.Build(record.Struct)
	for _, f := range in.Fields {
		b.Field(f.Name, f.Schema)
	}
	b.Field(t.config.Output, record.OptionalOf(record.String))
	s, err := built(b)
	plan := &concatPlan{schema: s, nulls: nullableOf(in.Fields)}
	for _, name := range t.config.Fields {
		plan.from = append(plan.from, in.Field(name))
	}
	return plan, err
}

func (t *concatFields) ofMap(d *record.Datum) error {
	t.buffer = t.buffer[:0]
	for i, name := range t.config.Fields {
		v, _ := d.Value.Get(name)
		if err := t.add(i, nil, v); err != nil {
			return err
		}
	}
	entries := d.Value.Elements()
	out := t.batch.Extend(entries, 2)
	d.Value = record.OfMap(out[:setEntry(out, len(entries), t.output, t.batch.Text(t.buffer))])
	return nil
}

// add appends field i to the text.
func (t *concatFields) add(i int, s *record.Schema, v record.Value) error {
	if i > 0 {
		t.buffer = append(t.buffer, t.config.Delimiter...)
	}
	if v.IsNull() {
		t.buffer = append(t.buffer, t.config.Missing...)
		return nil
	}
	text, err := plainText(&t.batch.Arena, s, v)
	if err != nil {
		return plugin.Data("Field %s cannot be joined: it is %s", t.config.Fields[i], v.Kind())
	}
	t.buffer = append(t.buffer, text.Text()...)
	return nil
}

// javaDate is how Java prints a date, at a machine in UTC (java.util.Date.toString).
const javaDate = "EEE MMM dd HH:mm:ss 'UTC' y"

// plainText is the text of a number, a boolean, a text or a date, as Java prints it.
func plainText(a *record.Arena, s *record.Schema, v record.Value) (record.Value, error) {
	switch k := v.Kind(); {
	case k == record.Decimal:
		return a.Text(record.AppendDecimal(nil, v.Decimal())), nil
	case k == record.BigInt:
		return a.Text(v.BigInt().Append(nil, 10)), nil
	case k == record.Instant:
		f, err := parseDateFormat(javaDate, time.Time{})
		if err != nil {
			return v, err
		}
		return a.Text(f.append(nil, v.Int())), nil
	case k > record.String:
		return v, plugin.Data("%s", k)
	}
	return castValue(a, s, v, record.String)
}
