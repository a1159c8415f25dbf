package transform

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type replaceFieldConfig struct {
	Exclude []string `cfg:"exclude,unique" example:"password" doc:"Names of the fields to leave out, also where include names them."`
	Include []string `cfg:"include,unique" doc:"Names of the fields to keep. When it is empty, all are kept."`
	Renames []string `cfg:"renames" example:"id:order_id" doc:"Pairs old:new of names. exclude and include name fields as they are before that."`
	Replace bool     `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
	Syntax  string   `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var replaceFieldDefaults = replaceFieldConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

const replacePurpose = "field replacement"

// replaceField follows Kafka Connect's ReplaceField.
type replaceField struct {
	single
	target  plugin.Target
	exclude map[string]bool
	include map[string]bool         // empty: all
	renames map[string]record.Value // by old name
	made    map[string]bool         // new names: an entry of a map that has one may meet another of that name
	replace bool
	plans   memo[*selection]
}

func newReplaceField(target plugin.Target) plugin.Transform {
	t := &replaceField{target: target}
	t.each = t.change
	return t
}

// Configure implements [plugin.Transform].
func (t *replaceField) Configure(c plugin.Config) error {
	cfg := replaceFieldDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*selection]{}
	t.exclude, t.include = nameSet(cfg.Exclude), nameSet(cfg.Include)
	t.replace = cfg.Replace
	t.renames, t.made = map[string]record.Value{}, map[string]bool{}
	for _, pair := range cfg.Renames {
		parts := splitJava(pair, ":")
		if len(parts) != 2 {
			return plugin.Invalid("renames", "["+strings.Join(cfg.Renames, ", ")+"]", "Invalid rename mapping: "+pair)
		}
		t.renames[parts[0]] = record.OfString(parts[1])
		t.made[parts[1]] = true
	}
	return nil
}

func nameSet(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// splitJava is Java's String.split: empty parts at the end do not count.
func splitJava(s, sep string) []string {
	parts := strings.Split(s, sep)
	last := len(parts)
	for last > 1 && parts[last-1] == "" {
		last--
	}
	if last == 1 && parts[0] == "" && s != "" {
		return nil
	}
	return slices.Clip(parts[:last])
}

func (t *replaceField) keeps(name string) bool {
	return !t.exclude[name] && (len(t.include) == 0 || t.include[name])
}

func (t *replaceField) change(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return nil
	case d.Schema == nil:
		return t.changeMap(d)
	}
	fields, err := structFields(d, replacePurpose)
	if err != nil {
		return err
	}
	sel, ok := t.plans.find(d.Schema)
	if !ok {
		if sel, err = t.selectFrom(d.Schema); err != nil {
			return err
		}
		t.plans.add(d.Schema, sel)
	}
	v, err := sel.take(&t.batch.Arena, fields, t.replace)
	if err != nil {
		return err
	}
	*d = record.Datum{Schema: sel.schema, Value: v}
	return nil
}

func (t *replaceField) selectFrom(in *record.Schema) (*selection, error) {
	b := record.Build(record.Struct).Like(in)
	sel := &selection{}
	for i, f := range in.Fields {
		if !t.keeps(f.Name) {
			continue
		}
		name := f.Name
		if renamed, ok := t.renames[name]; ok {
			name = renamed.Text()
		}
		b.Field(name, f.Schema)
		sel.from = append(sel.from, i)
	}
	return sel, sel.build(b)
}

func (t *replaceField) changeMap(d *record.Datum) error {
	entries, err := mapEntries(d.Value, replacePurpose)
	if err != nil {
		return err
	}
	out := t.batch.Values(len(entries))
	n := 0
	for i := 0; i < len(entries); i += 2 {
		key, v := entries[i], entries[i+1]
		if key.Kind() != record.String {
			return plugin.Data("Only String keys supported in absence of schema for [%s], found: %s", replacePurpose, key.Kind().JavaClass())
		}
		if !t.keeps(key.Text()) {
			continue
		}
		if renamed, ok := t.renames[key.Text()]; ok {
			key = renamed
		}
		if t.made[key.Text()] {
			n = setEntry(out, n, key, v)
			continue
		}
		out[n], out[n+1] = key, v
		n += 2
	}
	d.Value = record.OfMap(out[:n])
	return nil
}
