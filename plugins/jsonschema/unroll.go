package jsonschema

import (
	"errors"
	"slices"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// freezer makes Connect schemas, which have an end, of drafts, which may lead back to themselves.
type freezer struct {
	endless map[*draft]bool // whether a draft contains itself, or such
	open    map[*draft]int  // how often a draft is on the way to here
	levels  int             // how often it may be
	spare   int             // how many schemas may still be made
	frozen  map[*draft]frozen
	ends    map[*record.Schema]bool
}

// frozen is a schema with how many it is made of: whoever walks it walks all of them, also those that are one.
type frozen struct {
	schema *record.Schema
	size   int
}

// unroll makes the schema of a draft. With endless types it takes the deepest unrolling that fits.
func (f *freezer) unroll(set *settings, d *draft) (*record.Schema, map[*record.Schema]bool, error) {
	f.endless = map[*draft]bool{}
	levels := 1
	if f.endlessFrom(d, map[*draft]bool{}) {
		levels = mostLevels
	}
	for ; ; levels /= 2 {
		f.open, f.frozen, f.ends, f.levels, f.spare = map[*draft]int{}, map[*draft]frozen{}, map[*record.Schema]bool{}, levels, mostSchemas
		if levels > 1 {
			f.spare = mostUnrolled
		}
		s, err := f.freeze(set, d)
		if !errors.Is(err, errSize) || levels <= 1 {
			return s, f.ends, err
		}
	}
}

func (d *draft) parts() []*draft {
	parts := make([]*draft, 0, len(d.fields)+3)
	for _, f := range d.fields {
		parts = append(parts, f.draft)
	}
	return append(parts, d.key, d.elem, d.wraps)
}

// endlessFrom marks the drafts that lead back to themselves and all that lead to such.
func (f *freezer) endlessFrom(d *draft, visiting map[*draft]bool) bool {
	if visiting[d] {
		return true
	}
	if e, ok := f.endless[d]; ok || d == nil {
		return e
	}
	visiting[d] = true
	found := false
	for _, part := range d.parts() {
		found = f.endlessFrom(part, visiting) || found
	}
	delete(visiting, d)
	f.endless[d] = found
	return found
}

func (f *freezer) freeze(set *settings, d *draft) (*record.Schema, error) {
	if d == nil {
		return nil, nil
	}
	if known, ok := f.frozen[d]; ok && !f.endless[d] {
		if f.spare -= known.size; f.spare < 0 {
			return nil, errSize
		}
		return known.schema, nil
	}
	before := f.spare
	if f.spare--; f.spare < 0 {
		return nil, errSize
	}
	own := d
	if d.wraps != nil {
		own = d.wraps
	}
	if own.kind == record.Struct && f.endless[own] {
		if f.open[own] == f.levels {
			return f.end(d, own)
		}
		f.open[own]++
		defer func() { f.open[own]-- }()
	}
	b, err := f.builder(set, own)
	if err != nil {
		return nil, err
	}
	s, err := f.complete(set, b, d, own)
	if err == nil {
		f.frozen[d] = frozen{s, before - f.spare}
	}
	return s, err
}

// builder begins the schema with what it is made of.
func (f *freezer) builder(set *settings, d *draft) (*record.Builder, error) {
	key, err := f.freeze(set, d.key)
	if err != nil {
		return nil, err
	}
	elem, err := f.freeze(set, d.elem)
	if err != nil {
		return nil, err
	}
	switch d.kind {
	case record.Array:
		return record.BuildArray(elem), nil
	case record.Map:
		return record.BuildMap(key, elem), nil
	}
	b := record.Build(d.kind)
	for _, field := range d.fields {
		s, err := f.freeze(set, field.draft)
		if err != nil {
			return nil, err
		}
		b.Field(field.name, s)
	}
	return b, nil
}

// complete adds what the draft d says itself, and what own says whose fields it has.
func (f *freezer) complete(set *settings, b *record.Builder, d, own *draft) (*record.Schema, error) {
	b.Named(own.name).Documented(own.doc)
	if own.version != 0 {
		b.Versioned(own.version)
	}
	params := slices.Clone(own.params)
	if own.id != "" && (own.shows || d != own) {
		params = append(params, record.Param{Key: idParam, Value: own.id})
	}
	for _, p := range params {
		b.Param(p.Key, p.Value)
	}
	// The default is read before the place can make the schema optional, but a union may be so by itself.
	if own.initial != nil {
		if err := f.initial(set, b, own); err != nil {
			return nil, err
		}
	}
	if d.optional {
		b.Optional()
	}
	return built(b)
}

// initial reads the default as if it were data.
func (f *freezer) initial(set *settings, b *record.Builder, d *draft) error {
	s, err := built(b)
	if err != nil {
		return err
	}
	planner := readPlanner{set: set, ends: f.ends, known: map[*record.Schema]*readPlan{}}
	var a record.Arena
	r := reading{arena: &a, scanner: scan(d.initial.append(nil, asWritten))}
	v, err := r.value(planner.plan(s))
	switch {
	case err != nil:
	case s.Kind == record.Struct:
		// Kafka Connect compares the struct's schema with one that is not built yet, and never finds them equal.
		err = errors.New("a struct cannot have a default")
	default:
		err = misfit(&record.Field{Name: "null", Schema: s}, v)
	}
	if err != nil {
		return &plugin.DataError{Reason: "Invalid default value", Err: err}
	}
	b.Default(v)
	return nil
}

func built(b *record.Builder) (*record.Schema, error) {
	s, err := b.Build()
	if err != nil {
		return nil, &plugin.DataError{Reason: err.Error()}
	}
	return s, nil
}

// end is where unrolling ends: a struct without fields, of which there can be none.
func (f *freezer) end(d, own *draft) (*record.Schema, error) {
	b := record.Build(record.Struct).Named(own.name).Param(idParam, own.id)
	if d.optional {
		b.Optional()
	}
	s, err := built(b)
	if err == nil {
		f.ends[s] = true
	}
	return s, err
}
