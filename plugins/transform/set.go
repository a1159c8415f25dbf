package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/condition"
)

type setConfig struct {
	Field      string `cfg:"field,required,nonempty" importance:"high" example:"total" doc:"Path to the field that is set: names with dots between them; a name that has a dot stands in backticks. A field that is not there is added behind the others."`
	Expression string `cfg:"expression,required,nonempty" importance:"high" example:"(value.price ?? 0) * (value.quantity ?? 1)" doc:"Expression over value, key, headers, topic, partition, offset and timestamp that gives the content."`
	Type       string `cfg:"field.type" oneof:"int8|int16|int32|int64|float32|float64|boolean|string|timestamp" example:"float64" doc:"Type of the field. Without it the type is that of the field that the expression names, or the one that the expression always gives; where neither is known, records with a schema need it."`
}

// set assigns a field of the key or the value. Every field it makes is optional.
type set struct {
	single
	program *condition.Program
	typ     *record.Schema // of the setting, or of every result; nil: of each result
	kind    record.Kind    // that results are cast to; Null: none
	instant bool           // results are timestamps
	put     *put
	inside  *nested

	seen, optional *record.Schema // the last schema of a field that was copied, and the optional one like it
}

func newSet(target plugin.Target) plugin.Transform {
	t := &set{put: newPut(target)}
	t.inside = &nested{target: target}
	t.each = t.set
	return t
}

// Configure implements [plugin.Transform].
func (t *set) Configure(c plugin.Config) (err error) {
	var cfg setConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	parent, name, err := leafOf("field", cfg.Field)
	if err != nil {
		return err
	}
	if t.program, err = condition.Compile(c["expression"]); err != nil {
		return condition.At("expression", err)
	}
	t.kind, t.instant, t.typ = record.Null, false, t.program.Schema()
	switch cfg.Type {
	case "":
	case "timestamp":
		t.typ, t.instant = record.Build(record.Int64).Like(record.TimestampSchema()).Optional().MustBuild(), true
	default:
		t.kind, _ = kindNamed(upper(cfg.Type))
		t.typ = record.OptionalOf(t.kind)
	}
	t.put.name = record.OfString(name)
	t.inside.levels = []*level{{steps: parent, must: true, inner: t.put}}
	return nil
}

func (t *set) set(i int, r *record.Record) error {
	d := part(t.inside.target, r)
	if d.Value.IsNull() {
		return nil
	}
	out, err := t.result(d.Schema != nil, r)
	if err != nil {
		return err
	}
	return t.inside.place(t.batch, t.put, out, i, r)
}

// place puts a datum where the levels of a nested transform lead.
func (t *nested) place(b *record.Batch, p *put, d record.Datum, i int, r *record.Record) error {
	if p.content.Schema != d.Schema { // plans are for one schema of the content
		p.plans = memo[*putPlan]{}
		for _, l := range t.levels {
			l.plans = memo[*descent]{}
		}
	}
	p.content = d
	t.batch = b
	err := t.one(i, r)
	t.batch, p.content.Value = nil, record.Value{}
	return err
}

// result is what the expression gives for a record, typed where the record is.
func (t *set) result(typed bool, r *record.Record) (d record.Datum, err error) {
	if d, err = t.program.Value(r); err != nil {
		return d, err
	}
	switch {
	case d.Value.IsNull():
	case t.kind != record.Null:
		if d.Value, err = castValue(&t.batch.Arena, d.Schema, d.Value, t.kind); err != nil {
			return d, err
		}
	case t.instant && d.Value.Kind() == record.Int64:
		d.Value = record.OfInstant(d.Value.Int())
	case t.instant && d.Value.Kind() != record.Instant:
		return d, plugin.Data("The expression for the field %s gives no timestamp", t.put.name.Text())
	}
	switch {
	case !typed:
		d.Schema = nil
	case t.typ != nil && (t.kind != record.Null || t.instant || d.Schema == nil):
		d.Schema = t.typ
	case d.Schema == nil:
		return d, plugin.Data("The type of the field %s is not known for a record with a schema: set field.type", t.put.name.Text())
	default:
		if t.seen != d.Schema && !t.seen.Equal(d.Schema) {
			if t.optional, err = built(optionalCopy(d.Schema)); err != nil {
				return d, err
			}
		}
		t.seen = d.Schema
		d.Schema = t.optional
	}
	return d, nil
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// put sets one field of a struct or a map to a content that is given to it from outside.
type put struct {
	single
	target  plugin.Target
	name    record.Value
	content record.Datum
	plans   memo[*putPlan]
}

// putPlan is what becomes of structs of one schema.
type putPlan struct {
	schema *record.Schema
	at     int // index of the field
}

func newPut(target plugin.Target) *put {
	p := &put{target: target}
	p.each = p.one
	return p
}

// Configure implements [plugin.Transform]; what is put where is said by the transform around.
func (*put) Configure(plugin.Config) error { return nil }

func (p *put) one(_ int, r *record.Record) error {
	d := part(p.target, r)
	if d.Schema == nil {
		entries, err := mapEntries(d.Value, insertPurpose)
		if err != nil {
			return err
		}
		out := p.batch.Extend(entries, 2)
		d.Value = record.OfMap(out[:setEntry(out, len(entries), p.name, p.content.Value)])
		return nil
	}
	fields, err := structFields(d, insertPurpose)
	if err != nil {
		return err
	}
	plan, err := shaped(&p.plans, d.Schema, p.planFor)
	if err != nil {
		return err
	}
	out := p.batch.Extend(fields, len(plan.schema.Fields)-len(fields))
	out[plan.at] = p.content.Value
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (p *put) planFor(in *record.Schema) (*putPlan, error) {
	name := p.name.Text()
	at := in.Field(name)
	if at >= 0 && in.Fields[at].Schema == p.content.Schema {
		return &putPlan{in, at}, nil
	}
	b := copyOf(in, at, p.content.Schema)
	if at < 0 {
		at = len(in.Fields)
		b.Field(name, p.content.Schema)
	}
	if in.Optional {
		b.Optional()
	}
	s, err := built(b)
	return &putPlan{s, at}, err
}

func (p *put) shape(s *record.Schema) (*record.Schema, error) {
	plan, err := shaped(&p.plans, s, p.planFor)
	if err != nil {
		return nil, err
	}
	return plan.schema, nil
}
