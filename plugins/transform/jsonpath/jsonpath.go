// Package jsonpath finds values by JSONPath in records: the part of Jayway's JsonPath (com.jayway.jsonpath) that settings of
// transforms are written in. A path is a "$" and then steps:
//
//	.name  ['name']     a field of a struct, or an entry of a map
//	[2]  [-1]           an element of a list, from its end where negative
//	[*]  .*             all elements or fields
//	[?(@.a == 'x')]     elements of a list for which a condition holds; of anything with fields, that itself
//
// A condition compares paths that begin with @ (what is looked at) or $ (the whole) with each other and with texts, numbers,
// true, false, null and lists of these, by ==, !=, <, <=, >, >=, =~ /pattern/i, in, nin, and joins comparisons by &&, || and
// !. A path alone asks whether there is such a field. Deep scans (..), slices, unions and functions are refused by name.
package jsonpath

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Path is a compiled path. It is used by one goroutine at a time.
type Path struct {
	steps []step
}

// step is one step of a path: exactly one of its kinds.
type step struct {
	name      string
	index     int
	kind      stepKind
	condition *condition
	place     place
}

type stepKind uint8

const (
	byName stepKind = iota
	byIndex
	each
	filtered
)

// place is where a name is in structs of the schema that came last, so that a record costs no look-up of names.
type place struct {
	schema *record.Schema
	index  int
}

// Missing is a field that a path needs and that is not there: a [plugin.DataError] as far as it ends a record.
type Missing struct{ plugin.DataError }

// Unwrap gives the error of the record.
func (m *Missing) Unwrap() error { return &m.DataError }

// First is the first value that a path finds, and whether there is one: a condition, or all of an empty list, may leave
// none. A field on the way that is not there, or that has no fields, is a [*Missing].
func (p *Path) First(d record.Datum) (record.Datum, bool, error) {
	s := search{root: d}
	found, ok, err := s.first(p.steps, d)
	return found, ok, err
}

// search is one evaluation.
type search struct{ root record.Datum }

// first follows steps from a value, depth first, to the first value they lead to.
func (s *search) first(steps []step, d record.Datum) (record.Datum, bool, error) {
	if len(steps) == 0 {
		return d, true, nil
	}
	st, rest := &steps[0], steps[1:]
	switch st.kind {
	case byName, byIndex:
		next, ok := st.next(d)
		if !ok {
			return record.Datum{}, false, st.missing()
		}
		return s.first(rest, next)
	case each:
		return s.any(rest, d, nil)
	default:
		return s.chosen(st, rest, d)
	}
}

// chosen follows a condition: through a list to its elements, of anything with fields to itself.
func (s *search) chosen(st *step, rest []step, d record.Datum) (record.Datum, bool, error) {
	switch d.Value.Kind() {
	case record.Array:
		return s.any(rest, d, st.condition)
	case record.Map, record.Struct:
		if !st.condition.holds(s, d) {
			return record.Datum{}, false, nil
		}
		return s.first(rest, d)
	default:
		return record.Datum{}, false, &Missing{plugin.DataError{Reason: "A condition of the path stands behind a value without fields"}}
	}
}

// any follows steps from what is in a list, a map or a struct, as far as a condition, which may be nil, holds.
func (s *search) any(rest []step, d record.Datum, c *condition) (record.Datum, bool, error) {
	var none record.Datum
	switch d.Value.Kind() {
	case record.Array, record.Map, record.Struct:
	default:
		return none, false, &Missing{plugin.DataError{Reason: "The path goes on behind a value without fields"}}
	}
	first, by := 0, 1
	if d.Value.Kind() == record.Map {
		first, by = 1, 2
	}
	elements := d.Value.Elements()
	for i := first; i < len(elements); i += by {
		in := record.Datum{Schema: elementSchema(d, i), Value: elements[i]}
		if c != nil && !c.holds(s, in) {
			continue
		}
		// What some of many do not have is no mistake (Jayway: a path that is not definite).
		if found, ok, err := s.first(rest, in); ok && err == nil {
			return found, true, nil
		}
	}
	return none, false, nil
}

func elementSchema(d record.Datum, i int) *record.Schema {
	switch {
	case d.Schema == nil:
		return nil
	case d.Value.Kind() == record.Struct:
		return d.Schema.Fields[i].Schema
	default:
		return d.Schema.Elem
	}
}

// next is the field or the element that a step leads to.
func (st *step) next(d record.Datum) (record.Datum, bool) {
	k := d.Value.Kind()
	switch {
	case st.kind == byIndex && k == record.Array:
		list, at := d.Value.Elements(), st.index
		if at < 0 {
			at += len(list)
		}
		if at < 0 || at >= len(list) {
			return record.Datum{}, false
		}
		return record.Datum{Schema: elementSchema(d, at), Value: list[at]}, true
	case st.kind == byName && k == record.Struct:
		if st.place.schema != d.Schema {
			st.place = place{d.Schema, d.Schema.Field(st.name)}
		}
		if st.place.index < 0 {
			return record.Datum{}, false
		}
		return record.Datum{Schema: d.Schema.Fields[st.place.index].Schema, Value: d.Value.Elements()[st.place.index]}, true
	case st.kind == byName && k == record.Map:
		v, ok := d.Value.Get(st.name)
		return record.Datum{Schema: elementSchema(d, 1), Value: v}, ok
	}
	return record.Datum{}, false
}

func (st *step) missing() error {
	if st.kind == byIndex {
		return &Missing{*plugin.Data("The list that the path leads to has no element %d", st.index)}
	}
	return &Missing{*plugin.Data("Unknown field: %s", st.name)}
}
