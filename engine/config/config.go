// Package config is the flat map: the properties of a connector as Kafka Connect stores them, which HCL, REST bodies and
// .properties files all become and everything below works on (decision D1).
//
// [Declared] is a map as a front end hands it in, with the place where each key was written; [Check] says what is wrong
// with one; [Map.Keys] is the order in which people see it.
package config

import (
	"github.com/penstock/penstock/engine/diag"
	"slices"
)

// Map is a connector's configuration: property names to their text. Defaults of ours are never written into it.
type Map map[string]string

// Target is the state that somebody asked for, in Kafka Connect's words. The zero value asks for nothing.
type Target string

// The states that can be asked for.
const (
	Started Target = "STARTED"
	Paused  Target = "PAUSED"
	Stopped Target = "STOPPED"
)

// Declared is a configuration as somebody wrote it. It is not changed once made.
type Declared struct {
	Map     Map
	Origins map[string]Origin // of the keys of Map; nil when nothing is known of places
	Place   diag.Place        // of the pipeline as a whole
	Label   string            // its address for people, such as pipeline.shop["orders"]
	Target  Target            // asked for in the file; "" leaves the state alone

	Lifecycle Lifecycle
}

// Lifecycle is what of a pipeline concerns its comparison with a cluster alone.
type Lifecycle struct {
	Adopt         bool     // take a connector that nobody owns, though it differs
	PreventDelete bool     // refuse what would delete the connector
	Ignore        []string // properties that are left as the cluster has them
}

// Moved says that a connector has a new name, under which it goes on where it was.
type Moved struct {
	From, To string     // names of connectors; a pipeline of the project makes To, none makes From
	Place    diag.Place // of the statement
}

// Removed says what happens to a connector that no file declares any more.
type Removed struct {
	Name   string     // of the connector
	Delete bool       // false: it runs on, and is nobody's
	Place  diag.Place // of the statement
}

// Origin says where and how a property was written.
type Origin struct {
	Place     diag.Place // of the value
	Written   string     // as the user spelt it, such as tasks_max; "" when it was not written as an argument
	Sensitive bool       // the value came from something sensitive
	Resolved  bool       // the value came from a config provider, in the place of a reference
	// Spots say where parts of the value stand, in order, so that a message can point into it; nil: only Place is known.
	Spots []Spot
}

// Spot is where a part of a value stands: from character (rune) From of the value to the next spot, each character of the
// value is one of the file, beginning there.
type Spot struct{ From, Line, Column int }

// Within is the place of the characters from one up to, not including, another, or that of the whole value.
func (o Origin) Within(from, to int) diag.Place {
	line, column, ok := o.spot(from)
	endLine, endColumn, ok2 := o.spot(to - 1)
	if !ok || !ok2 || to <= from {
		return o.Place
	}
	p := o.Place
	p.Line, p.Column, p.EndLine, p.EndColumn = line, column, endLine, endColumn+1
	return p
}

func (o Origin) spot(at int) (line, column int, ok bool) {
	for _, s := range slices.Backward(o.Spots) {
		if at >= s.From {
			return s.Line, s.Column + at - s.From, true
		}
	}
	return 0, 0, false
}

// At is the place of a key, or that of the pipeline when the key has none.
func (d *Declared) At(key string) diag.Place {
	if o, ok := d.Origins[key]; ok && !o.Place.IsZero() {
		return o.Place
	}
	return d.Place
}

// Spelling is how the user wrote a key, or the key itself.
func (d *Declared) Spelling(key string) string {
	if o, ok := d.Origins[key]; ok && o.Written != "" {
		return o.Written
	}
	return key
}

// Name is the connector's name.
func (d *Declared) Name() string { return d.Map[Name] }

// Settled is what of the map is known by now: all but the keys whose values hold references.
func (d *Declared) Settled() Map {
	if !anyRefers(d.Map) {
		return d.Map
	}
	m := Map{}
	for k, v := range d.Map {
		if d.Origins[k].Resolved || !Refers(v) {
			m[k] = v
		}
	}
	return m
}
