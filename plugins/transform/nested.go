package transform

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// isV2 reports whether names of fields are paths (KIP-821), which Kafka Connect has for ExtractField only.
func isV2(c plugin.Config) bool {
	return strings.EqualFold(strings.TrimSpace(c["field.syntax.version"]), "V2")
}

// leaf is a transform of the fields of one struct or map, which can also be set to work on one that is inside another.
type leaf interface {
	plugin.Transform
	// on gives the function that works on single records, for as long as b is at hand.
	on(b *record.Batch) func(i int, r *record.Record) error
	// shape is the schema that comes out where a struct of schema s goes in.
	shape(s *record.Schema) (*record.Schema, error)
}

func (s *single) on(b *record.Batch) func(int, *record.Record) error {
	s.batch = b
	return s.each
}

// level is the work on the structs that one path leads to.
type level struct {
	steps  []string // from the outside in; empty: the key or the value itself
	config plugin.Config
	must   bool // a path that leads nowhere is an error
	inner  leaf
	plans  memo[*descent]
}

// descent is where the path of a level leads in structs of one schema.
type descent struct {
	nowhere bool
	steps   []int            // indices of fields
	out     []*record.Schema // of the structs on the way, from the outside in, as they come out; the last is the inner one
}

// nested makes a transform of fields work on fields within fields: in syntax V2 a path names the struct or map to work on,
// and a transform for that one alone does it. What is around is copied, and only where it changes.
type nested struct {
	single
	target plugin.Target
	make   func(plugin.Target) plugin.Transform
	split  func(plugin.Config) ([]*level, error)
	plain  plugin.Transform // in syntax V1
	levels []*level
	inside record.Record // the record as the inner transform sees it
}

// paths gives a transform of fields the syntax V2.
func paths(make func(plugin.Target) plugin.Transform, split func(plugin.Config) ([]*level, error)) func(plugin.Target) plugin.Transform {
	return func(target plugin.Target) plugin.Transform {
		t := &nested{target: target, make: make, split: split}
		t.each = t.one
		return t
	}
}

// Configure implements [plugin.Transform].
func (t *nested) Configure(c plugin.Config) error {
	t.plain, t.levels = t.make(t.target), nil
	if err := t.plain.Configure(c); err != nil || !isV2(c) {
		return err
	}
	levels, err := t.split(c)
	if err != nil {
		return err
	}
	for _, l := range levels {
		l.inner = t.make(t.target).(leaf)
		if err := l.inner.Configure(l.config); err != nil {
			return err
		}
	}
	t.plain, t.levels = nil, levels
	return nil
}

// Apply implements [plugin.Transform].
func (t *nested) Apply(ctx context.Context, b *record.Batch) error {
	if t.plain != nil {
		return t.plain.Apply(ctx, b)
	}
	return t.single.Apply(ctx, b)
}

// one works on one record, level by level. If a level fails, the record is as it was.
func (t *nested) one(i int, r *record.Record) error {
	t.inside = *r
	before, headers := *part(t.target, r), r.Headers
	for _, l := range t.levels {
		if err := t.descend(l, i, r); err != nil {
			*part(t.target, r), r.Headers = before, headers
			return inField(err, l.steps...)
		}
	}
	t.inside = record.Record{}
	return nil
}

func (t *nested) descend(l *level, i int, r *record.Record) error {
	d := part(t.target, r)
	work := l.inner.on(t.batch)
	switch {
	case len(l.steps) == 0:
		return work(i, r)
	case d.Value.IsNull():
		return nil
	case d.Schema == nil:
		v, err := t.intoMap(l, work, i, d.Value, 0)
		if err == nil {
			d.Value = v
		}
		return err
	case d.Value.Kind() != record.Struct:
		return notA("Struct objects supported", d.Value, nestedPurpose)
	}
	plan, ok := l.plans.find(d.Schema)
	if !ok {
		var err error
		if plan, err = l.planFor(d.Schema); err != nil {
			return err
		}
		l.plans.add(d.Schema, plan)
	}
	if plan.nowhere {
		return nil
	}
	v, err := t.intoStruct(plan, work, i, d.Schema, d.Value, 0)
	if err == nil {
		*d = record.Datum{Schema: plan.out[0], Value: v}
	}
	return err
}

// intoStruct follows the path from depth on and gives the struct that comes out. A null stays one.
func (t *nested) intoStruct(plan *descent, work func(int, *record.Record) error, i int, s *record.Schema, v record.Value, depth int) (record.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	if depth == len(plan.steps) {
		return t.work(work, i, record.Datum{Schema: s, Value: v})
	}
	at := plan.steps[depth]
	fields := v.Elements()
	inner, err := t.intoStruct(plan, work, i, s.Fields[at].Schema, fields[at], depth+1)
	if err != nil {
		return inner, err
	}
	out := t.batch.Extend(fields, 0)
	out[at] = inner
	return record.OfStruct(out), nil
}

// intoMap follows the path from depth on and gives the map that comes out.
func (t *nested) intoMap(l *level, work func(int, *record.Record) error, i int, v record.Value, depth int) (record.Value, error) {
	if depth == len(l.steps) {
		return t.work(work, i, record.Datum{Value: v})
	}
	entries, err := mapEntries(v, nestedPurpose)
	if err != nil {
		return v, err
	}
	for n := 0; n < len(entries); n += 2 {
		if entries[n].Kind() != record.String || entries[n].Text() != l.steps[depth] {
			continue
		}
		if entries[n+1].IsNull() {
			return v, nil
		}
		inner, err := t.intoMap(l, work, i, entries[n+1], depth+1)
		if err != nil {
			return v, err
		}
		out := t.batch.Extend(entries, 0)
		out[n+1] = inner
		return record.OfMap(out), nil
	}
	if l.must {
		return v, plugin.Data("Unknown field: %s", strings.Join(l.steps[:depth+1], "."))
	}
	return v, nil
}

// work gives a struct or a map that is inside to the inner transform, in the place of the key or the value.
func (t *nested) work(work func(int, *record.Record) error, i int, d record.Datum) (record.Value, error) {
	*part(t.target, &t.inside) = d
	err := work(i, &t.inside)
	return part(t.target, &t.inside).Value, err
}

// planFor finds the path in a schema and makes those that come out.
func (l *level) planFor(s *record.Schema) (*descent, error) {
	plan := &descent{}
	way := []*record.Schema{s}
	for n, name := range l.steps {
		at := -1
		if s.Kind == record.Struct {
			at = s.Field(name)
		}
		switch {
		case at < 0 && l.must:
			return nil, plugin.Data("Unknown field: %s", strings.Join(l.steps[:n+1], "."))
		case at < 0:
			return &descent{nowhere: true}, nil
		}
		plan.steps = append(plan.steps, at)
		s = s.Fields[at].Schema
		way = append(way, s)
	}
	if s.Kind != record.Struct {
		return nil, plugin.Data("Field %s has no fields: its type is %s", strings.Join(l.steps, "."), s.Kind)
	}
	inner, err := l.inner.shape(s)
	if err != nil {
		return nil, err
	}
	if inner != s && s.Optional && !inner.Optional {
		inner, err = built(copyOf(inner, -1, nil).Optional())
	}
	plan.out = []*record.Schema{inner}
	for n := len(plan.steps) - 1; n >= 0 && err == nil; n-- {
		outer := way[n]
		if inner != way[n+1] {
			b := copyOf(outer, plan.steps[n], inner)
			if outer.Optional {
				b.Optional()
			}
			outer, err = built(b)
		}
		plan.out = append([]*record.Schema{outer}, plan.out...)
		inner = outer
	}
	return plan, err
}

// copyOf starts a struct schema like another one, with another schema for the field at an index. Its default is lost, as
// it would have the old shape.
func copyOf(s *record.Schema, at int, field *record.Schema) *record.Builder {
	b := record.Build(record.Struct).Like(s)
	for i, f := range s.Fields {
		if i == at {
			f.Schema = field
		}
		b.Field(f.Name, f.Schema)
	}
	return b
}

// shaped is the plan for a schema, made when there is none yet.
func shaped[P any](m *memo[P], s *record.Schema, plan func(*record.Schema) (P, error)) (P, error) {
	p, ok := m.find(s)
	if ok {
		return p, nil
	}
	p, err := plan(s)
	if err == nil {
		m.add(s, p)
	}
	return p, err
}

func (t *maskField) shape(s *record.Schema) (*record.Schema, error) { return s, nil }

func (t *cast) shape(s *record.Schema) (*record.Schema, error) {
	p, err := shaped(&t.plans, s, t.planFor)
	if err != nil {
		return nil, err
	}
	return p.schema, nil
}

func (t *timestampConverter) shape(s *record.Schema) (*record.Schema, error) {
	p, err := shaped(&t.plans, s, t.planFor)
	if err != nil {
		return nil, err
	}
	return p.schema, nil
}

func (t *insertField) shape(s *record.Schema) (*record.Schema, error) {
	p, err := shaped(&t.plans, s, t.planFor)
	if err != nil {
		return nil, err
	}
	return p.schema, nil
}

func (t *replaceField) shape(s *record.Schema) (*record.Schema, error) {
	p, err := shaped(&t.plans, s, t.selectFrom)
	if err != nil {
		return nil, err
	}
	return p.schema, nil
}

// levelsOf sorts settings by the struct that they are about. Each level starts with what all of them have.
type levelsOf struct {
	common plugin.Config
	list   []*level
}

// at is the level of a path.
func (ls *levelsOf) at(steps []string) *level {
	for _, l := range ls.list {
		if slices.Equal(l.steps, steps) {
			return l
		}
	}
	l := &level{steps: slices.Clone(steps), config: maps.Clone(ls.common)}
	ls.list = append(ls.list, l)
	return l
}

// common takes out of settings those that name fields.
func common(c plugin.Config, naming ...string) *levelsOf {
	rest := maps.Clone(c)
	for _, key := range append(naming, "field.syntax.version") {
		delete(rest, key)
	}
	return &levelsOf{common: rest}
}

// leafOf reads a path: where it leads to, and the name there.
func leafOf(key, text string) (parent []string, name string, err error) {
	steps, err := splitPath(text)
	if err == nil && len(steps) == 0 {
		err = plugin.Invalid(key, text, "The path of the field is empty")
	}
	if err != nil {
		if ce, ok := errors.AsType[*plugin.ConfigError](err); ok && ce.Key == "" {
			err = plugin.Invalid(key, text, ce.Reason)
		}
		return nil, "", err
	}
	return steps[:len(steps)-1], steps[len(steps)-1], nil
}

func (l *level) add(key, entry string) {
	if old, ok := l.config[key]; ok {
		entry = old + "," + entry
	}
	l.config[key] = entry
}

// listed splits the entries of a list setting. An entry may end in ":" and something that belongs to the name.
func listed(key string) func(plugin.Config) ([]*level, error) {
	return func(c plugin.Config) ([]*level, error) {
		ls := common(c, key)
		for entry := range strings.SplitSeq(c[key], ",") {
			entry = strings.TrimSpace(entry)
			name, suffix := entry, ""
			if key == "spec" {
				at := strings.LastIndexByte(entry, ':')
				if at < 0 { // the whole key or value
					ls.at(nil).add(key, entry)
					continue
				}
				name, suffix = strings.TrimSpace(entry[:at]), entry[at:]
			}
			parent, leaf, err := leafOf(key, name)
			if err != nil {
				return nil, err
			}
			ls.at(parent).add(key, leaf+suffix)
		}
		return ls.list, nil
	}
}

func timestampPaths(c plugin.Config) ([]*level, error) {
	ls := common(c, "field")
	if strings.TrimSpace(c["field"]) == "" {
		ls.at(nil)
		return ls.list, nil
	}
	parent, name, err := leafOf("field", strings.TrimSpace(c["field"]))
	if err == nil {
		ls.at(parent).config["field"] = name
	}
	return ls.list, err
}

func insertPaths(c plugin.Config) ([]*level, error) {
	keys := []string{"topic.field", "partition.field", "offset.field", "timestamp.field", "static.field"}
	ls := common(c, append(keys, "static.value")...)
	for _, key := range keys {
		text, ok := c[key]
		if !ok {
			continue
		}
		text = strings.TrimSpace(text)
		name := strings.TrimRight(text, "!?")
		if len(text)-len(name) > 1 {
			name = text[:len(text)-1]
		}
		parent, leaf, err := leafOf(key, name)
		if err != nil {
			return nil, err
		}
		l := ls.at(parent)
		l.must = true
		l.config[key] = leaf + text[len(name):]
		if key == "static.field" {
			l.config["static.value"] = c["static.value"]
		}
	}
	return ls.list, nil
}

// replacePaths works from the inside out, since names on the way may change.
func replacePaths(c plugin.Config) ([]*level, error) {
	ls := common(c, "include", "exclude", "renames")
	if err := ls.include(c["include"]); err != nil {
		return nil, err
	}
	for _, key := range []string{"exclude", "renames"} {
		for _, entry := range entriesOf(c[key]) {
			name, suffix := entry, ""
			if at := strings.LastIndexByte(entry, ':'); key == "renames" && at >= 0 {
				name, suffix = entry[:at], entry[at:]
			}
			parent, leaf, err := leafOf(key, name)
			if err != nil {
				return nil, err
			}
			ls.at(parent).add(key, leaf+suffix)
		}
	}
	slices.SortStableFunc(ls.list, func(x, y *level) int { return len(y.steps) - len(x.steps) })
	return ls.list, nil
}

// include keeps a field within a field by keeping both, and the second alone in the first.
func (ls *levelsOf) include(list string) error {
	var all [][]string
	for _, entry := range entriesOf(list) {
		parent, name, err := leafOf("include", entry)
		if err != nil {
			return err
		}
		all = append(all, append(slices.Clone(parent), name))
	}
	seen := map[string]bool{}
	for _, steps := range all {
		for n := range steps {
			whole := slices.ContainsFunc(all, func(other []string) bool { return slices.Equal(other, steps[:n]) })
			if whole { // the struct around is kept as a whole
				break
			}
			if key := strings.Join(steps[:n+1], "\x00"); !seen[key] {
				seen[key] = true
				ls.at(steps[:n]).add("include", steps[n])
			}
		}
	}
	return nil
}

func entriesOf(list string) []string {
	var all []string
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}
