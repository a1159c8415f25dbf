package transform

import "github.com/penstock/penstock/engine/record"

// memo keeps what a transform worked out for the schemas that it met last. Schemas that are equal, even if they are two
// objects, share one entry, so that they give the same result (Kafka Connect: the LRUCache of 16 schemas that each
// transform has).
type memo[P any] struct {
	last    *record.Schema // the schema before
	plan    P              // its plan
	entries []entry[P]     // the most recent first
}

type entry[P any] struct {
	schema *record.Schema
	twin   *record.Schema // the last equal schema that is another object, or nil
	plan   P
}

// remembered is how many different schemas a memo keeps.
const remembered = 16

// current returns what was kept for a schema if that was the last one, which is nearly always: it is the part of find that is
// no call.
func (m *memo[P]) current(s *record.Schema) (plan P, ok bool) { return m.plan, m.last == s }

// find returns what was kept for a schema. A schema that was the last one costs one comparison.
func (m *memo[P]) find(s *record.Schema) (plan P, ok bool) {
	if m.last == s {
		return m.plan, true
	}
	return m.search(s)
}

func (m *memo[P]) search(s *record.Schema) (plan P, ok bool) {
	for i := range m.entries {
		if e := &m.entries[i]; e.schema == s || e.twin == s {
			return m.toFront(i, s), true
		}
	}
	for i := range m.entries {
		if e := &m.entries[i]; e.schema.Equal(s) {
			e.twin = s
			return m.toFront(i, s), true
		}
	}
	return plan, false
}

func (m *memo[P]) toFront(i int, s *record.Schema) P {
	e := m.entries[i]
	copy(m.entries[1:i+1], m.entries[:i])
	m.entries[0] = e
	m.last, m.plan = s, e.plan
	return e.plan
}

// add keeps the plan of a schema that find did not find; the one that was not asked for longest goes.
func (m *memo[P]) add(s *record.Schema, plan P) {
	if len(m.entries) < remembered {
		m.entries = append(m.entries, entry[P]{})
	}
	copy(m.entries[1:], m.entries)
	m.entries[0] = entry[P]{schema: s, plan: plan}
	m.last, m.plan = s, plan
}
