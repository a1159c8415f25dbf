package transform

import (
	"slices"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// timestampNow follows com.github.jcustenborder.kafka.connect.transform.common.TimestampNow: the record's timestamp becomes
// the time of the day.
type timestampNow struct {
	single
	now func() time.Time
}

func newTimestampNow(plugin.Target) plugin.Transform {
	t := &timestampNow{now: time.Now}
	t.each = t.stamp
	return t
}

// Configure implements [plugin.Transform]; there are no settings.
func (*timestampNow) Configure(plugin.Config) error { return nil }

func (t *timestampNow) stamp(_ int, r *record.Record) error {
	r.Timestamp = t.now().UnixMilli()
	return nil
}

type timestampNowFieldConfig struct {
	Fields []string `cfg:"fields,required" importance:"high" example:"processed" doc:"Names of the fields that get the time of the day."`
}

// timestampNowField follows com.github.jcustenborder.kafka.connect.transform.common.TimestampNowField. A field of that name
// that is no Timestamp is replaced, behind the others.
type timestampNowField struct {
	single
	target plugin.Target
	names  []record.Value
	now    func() time.Time
	plans  memo[*stampPlan]
}

// stampPlan is what becomes of structs of one schema.
type stampPlan struct {
	selection       // of the fields that stay; those with the time come behind them
	stamped   []int // indices of fields that get the time
	copied    bool  // whether other fields stay
}

func newTimestampNowField(target plugin.Target) plugin.Transform {
	t := &timestampNowField{target: target, now: time.Now}
	t.each = t.stamp
	return t
}

// Configure implements [plugin.Transform].
func (t *timestampNowField) Configure(c plugin.Config) error {
	var cfg timestampNowFieldConfig
	err := plugin.Decode(c, &cfg)
	t.names, t.plans = nil, memo[*stampPlan]{}
	for _, name := range cfg.Fields {
		if v := record.OfString(name); !slices.ContainsFunc(t.names, v.Equal) {
			t.names = append(t.names, v)
		}
	}
	return err
}

func (t *timestampNowField) stamp(_ int, r *record.Record) error {
	d := part(t.target, r)
	now := record.OfInstant(t.now().UnixMilli())
	switch {
	case d.Schema == nil && d.Value.IsNull():
		return nil
	case d.Value.Kind() == record.Map:
		entries := d.Value.Elements()
		out := t.batch.Extend(entries, 2*len(t.names))
		n := len(entries)
		for _, name := range t.names {
			n = setEntry(out, n, name, now)
		}
		*d = record.Datum{Value: record.OfMap(out[:n])}
		return nil
	case d.Schema == nil || d.Schema.Kind != record.Struct || d.Value.Kind() != record.Struct && !d.Value.IsNull():
		return plugin.Data("%s is not a supported type.", d.Value.Kind())
	}
	plan, err := shaped(&t.plans, d.Schema, t.planFor)
	if err != nil {
		return err
	}
	out := t.batch.Values(len(plan.schema.Fields))
	switch {
	case !d.Value.IsNull():
		fields := d.Value.Elements()
		for i, from := range plan.from {
			out[i] = fields[from]
		}
	case plan.copied:
		return plugin.Data("The %s is null, so that it has no fields", t.target)
	}
	for _, i := range plan.stamped {
		out[i] = now
	}
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return err
	}
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *timestampNowField) planFor(in *record.Schema) (*stampPlan, error) {
	plan := &stampPlan{}
	b := record.Build(record.Struct).Like(in)
	if in.Optional {
		b.Optional()
	}
	there := map[string]bool{}
	for i, f := range in.Fields {
		stamped := slices.ContainsFunc(t.names, record.OfString(f.Name).Equal)
		if stamped && !isTimestamp(f.Schema) {
			continue
		}
		if stamped {
			plan.stamped = append(plan.stamped, len(plan.from))
			there[f.Name] = true
		}
		plan.copied = plan.copied || !stamped
		b.Field(f.Name, f.Schema)
		plan.from = append(plan.from, i)
	}
	end := len(plan.from)
	for _, name := range t.names {
		if !there[name.Text()] {
			b.Field(name.Text(), record.TimestampSchema())
			plan.stamped = append(plan.stamped, end)
			end++
		}
	}
	return plan, plan.build(b)
}

func isTimestamp(s *record.Schema) bool {
	return s.Kind == record.Int64 && s.Name == record.TimestampName
}
