package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type patternConfig struct {
	Pattern string `cfg:"pattern,required,nonempty" importance:"high" example:"address_(.*)" doc:"Regular expression of Java that the whole name of a field matches. What needs backtracking is refused."`
}

type renameConfig struct {
	Pattern     string `cfg:"pattern,required,nonempty" importance:"high" example:"address_(.*)" doc:"Regular expression of Java that the whole name of a field matches. What needs backtracking is refused."`
	Replacement string `cfg:"replacement,required,nonempty" importance:"high" example:"$1" doc:"The new name. $1 and ${name} are groups of the pattern."`
}

// byPattern keeps, removes or renames the fields whose name matches. What becomes of a name is worked out once for each
// schema, or once for each name of a map.
type byPattern struct {
	single
	target  plugin.Target
	rename  bool
	keep    bool // what matches is kept, all else goes; the other way round where it is not set
	pattern *plugin.Pattern
	to      template
	plans   memo[*selection]
	known   map[string]renamed
}

// renamed is what becomes of a field: its new name, null where it goes.
type renamed struct{ name record.Value }

const patternPurpose = "choosing fields"

func newKeep(target plugin.Target) plugin.Transform   { return newByPattern(target, false, true) }
func newRemove(target plugin.Target) plugin.Transform { return newByPattern(target, false, false) }
func newRename(target plugin.Target) plugin.Transform { return newByPattern(target, true, false) }

func newByPattern(target plugin.Target, rename, keep bool) plugin.Transform {
	t := &byPattern{target: target, rename: rename, keep: keep}
	t.each = t.change
	return t
}

// Configure implements [plugin.Transform].
func (t *byPattern) Configure(c plugin.Config) (err error) {
	var cfg renameConfig
	if t.rename {
		err = plugin.Decode(c, &cfg)
	} else {
		var only patternConfig
		err = plugin.Decode(c, &only)
		cfg.Pattern = only.Pattern
	}
	if err != nil {
		return err
	}
	if t.pattern, err = plugin.ParsePattern(cfg.Pattern); err != nil {
		return plugin.Invalid("pattern", cfg.Pattern, "Invalid regex: "+err.Error())
	}
	if t.to, err = parseTemplate(cfg.Replacement, t.pattern.SubexpNames()); err != nil {
		return plugin.Invalid("replacement", cfg.Replacement, err.Error())
	}
	t.plans, t.known = memo[*selection]{}, map[string]renamed{}
	return nil
}

// becomes says what becomes of a field; the name is copied.
func (t *byPattern) becomes(name string) renamed {
	matches := t.pattern.Matches(name)
	switch {
	case t.rename && matches:
		return renamed{record.OfString(t.to.replaceFirst(t.pattern, name))}
	case t.rename || matches == t.keep:
		return renamed{record.OfString(strings.Clone(name))}
	}
	return renamed{}
}

func (t *byPattern) change(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Value.IsNull():
		return nil
	case d.Schema == nil:
		return t.changeMap(d)
	}
	fields, err := structFields(d, patternPurpose)
	if err != nil {
		return err
	}
	sel, err := shaped(&t.plans, d.Schema, t.selectFrom)
	if err != nil {
		return err
	}
	v, err := sel.take(&t.batch.Arena, fields, false)
	if err == nil {
		*d = record.Datum{Schema: sel.schema, Value: v}
	}
	return err
}

func (t *byPattern) selectFrom(in *record.Schema) (*selection, error) {
	b := record.Build(record.Struct).Like(in)
	if in.Optional {
		b.Optional()
	}
	sel := &selection{}
	for i, f := range in.Fields {
		if to := t.becomes(f.Name); !to.name.IsNull() {
			b.Field(to.name.Text(), f.Schema)
			sel.from = append(sel.from, i)
		}
	}
	return sel, sel.build(b)
}

func (t *byPattern) changeMap(d *record.Datum) error {
	entries, err := mapEntries(d.Value, patternPurpose)
	if err != nil {
		return err
	}
	out := t.batch.Values(len(entries))
	n := 0
	for i := 0; i < len(entries); i += 2 {
		if entries[i].Kind() != record.String {
			return plugin.Data("Only String keys supported in absence of schema for [%s], found: %s", patternPurpose, entries[i].Kind().JavaClass())
		}
		name := entries[i].Text()
		to, ok := t.known[name]
		if !ok {
			if len(t.known) >= mostRoutes {
				clear(t.known)
			}
			to = t.becomes(name)
			t.known[strings.Clone(name)] = to
		}
		if !to.name.IsNull() {
			n = setEntry(out, n, to.name, entries[i+1])
		}
	}
	d.Value = record.OfMap(out[:n])
	return nil
}
