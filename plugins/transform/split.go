package transform

import (
	"context"
	"slices"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type splitConfig struct {
	Field string `cfg:"field" importance:"high" example:"items" doc:"Path to the list: names with dots between them; a name that has a dot stands in backticks. Empty: the value itself is the list."`
	Keep  bool   `cfg:"keep.others" doc:"Whether each record keeps the fields around, with one element in the place of the list. Otherwise its value is the element."`
}

// split makes a record of every element of a list. They have everything else of the record that they come from, its
// offset too: it counts as delivered when all of them are.
type split struct {
	path    path
	keep    bool
	put     *put
	inside  *nested
	plans   memo[*place]
	counts  []int
	content []record.Datum // parallel to counts: the list, null where there is nothing to split
}

func newSplit(plugin.Target) plugin.Transform {
	return &split{put: newPut(plugin.Value), inside: &nested{target: plugin.Value}}
}

// Configure implements [plugin.Transform].
func (t *split) Configure(c plugin.Config) (err error) {
	var cfg splitConfig
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.keep, t.plans, t.path = cfg.Keep, memo[*place]{}, path{}
	if cfg.Field == "" {
		if cfg.Keep {
			return plugin.Invalid("keep.others", "true", "it needs a field")
		}
		return nil
	}
	parent, name, err := leafOf("field", cfg.Field)
	if err != nil {
		return err
	}
	t.put.name = record.OfString(name)
	t.inside.levels = []*level{{steps: parent, must: true, inner: t.put}}
	t.path, err = newPath(cfg.Field, "V2")
	return err
}

// Apply implements [plugin.Transform].
func (t *split) Apply(_ context.Context, b *record.Batch) error {
	n := len(b.Records)
	t.counts, t.content = slices.Grow(t.counts[:0], n)[:n], slices.Grow(t.content[:0], n)[:n]
	clear(t.counts)
	clear(t.content)
	most := 0
	b.Each(func(i int, r *record.Record) error {
		list, err := t.list(r)
		switch {
		case err != nil || list.Value.IsNull():
			return err
		case len(list.Value.Elements()) == 0:
			b.Drop(i)
			return nil
		}
		t.counts[i], t.content[i] = len(list.Value.Elements()), list
		most = max(most, t.counts[i])
		return nil
	})
	if most > 1 {
		b.Expand(t.counts)
	}
	at := 0
	for i := range t.counts {
		if list := t.content[i]; !list.Value.IsNull() {
			for j, e := range list.Value.Elements() {
				d := record.Datum{Value: e}
				if list.Schema != nil {
					d.Schema = list.Schema.Elem
				}
				if err := t.give(b, at+j, d); err != nil {
					b.Fail(at+j, err)
				}
			}
		}
		at += max(t.counts[i], 1)
	}
	clear(t.content)
	return nil
}

// give makes an element the value of a record, or the field of it.
func (t *split) give(b *record.Batch, i int, d record.Datum) error {
	r := &b.Records[i]
	if !t.keep {
		r.Value = d
		return nil
	}
	return t.inside.place(b, t.put, d, i, r)
}

// list is the list of a record, null where it has none.
func (t *split) list(r *record.Record) (record.Datum, error) {
	d := r.Value
	if len(t.path.steps) > 0 && !d.Value.IsNull() {
		var err error
		if d, err = t.field(d); err != nil {
			return d, err
		}
	}
	if k := d.Value.Kind(); k != record.Array && k != record.Null {
		return d, plugin.Data("Field %s: only a list can be split, found: %s", t.path.text, k.JavaClass())
	}
	return d, nil
}

func (t *split) field(d record.Datum) (record.Datum, error) {
	if d.Schema == nil {
		if _, err := mapEntries(d.Value, nestedPurpose); err != nil {
			return d, err
		}
		v, err := t.path.valueInMap(d.Value)
		return record.Datum{Value: v}, err
	}
	if _, err := structFields(&d, nestedPurpose); err != nil {
		return d, err
	}
	pl, err := shaped(&t.plans, d.Schema, func(s *record.Schema) (*place, error) {
		pl, err := t.path.in(s)
		return &pl, err
	})
	if err != nil {
		return d, err
	}
	v, err := pl.value(d.Schema, d.Value, false)
	return record.Datum{Schema: pl.schema, Value: v}, err
}
