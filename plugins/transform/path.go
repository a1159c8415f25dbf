package transform

import (
	"fmt"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// path leads to a field: the names to follow, from the outside in (Kafka Connect: SingleFieldPath, KIP-821). It is
// empty only for the empty text in syntax V2, which leads nowhere.
type path struct {
	text  string
	steps []string
}

// newPath reads a path: in syntax V1 the whole text is one name.
func newPath(text, syntax string) (path, error) {
	if !strings.EqualFold(syntax, "V2") {
		return path{text, []string{text}}, nil
	}
	steps, err := splitPath(text)
	return path{text, steps}, err
}

// splitPath takes a path of syntax V2 apart. Dots separate names; a name that begins with a backtick goes on to the next
// backtick that is followed by a dot or the end, and a backslash before such a backtick takes its meaning from it.
func splitPath(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var steps []string
	for rest, more := text, true; more; {
		var step string
		if strings.HasPrefix(rest, "`") {
			at := len(text) - len(rest)
			var closed bool
			if step, rest, more, closed = wrapped(rest[1:]); !closed {
				return nil, &plugin.ConfigError{Reason: fmt.Sprintf("Incomplete backtick pair in path: [%s],"+
					" consider adding a backslash before backtick at position %d to escape it", text, at)}
			}
		} else {
			step, rest, more = strings.Cut(rest, ".")
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// wrapped reads a name up to its closing backtick. more says that a dot came after it and rest is what follows the dot.
func wrapped(s string) (name, rest string, more, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '`' || i+1 < len(s) && s[i+1] != '.' {
			b.WriteByte(s[i])
			continue
		}
		if i > 0 && s[i-1] == '\\' {
			unescaped := b.String()
			b.Reset()
			b.WriteString(unescaped[:len(unescaped)-1])
			b.WriteByte('`')
			continue
		}
		if i+1 == len(s) {
			return b.String(), "", false, true
		}
		return b.String(), s[i+2:], true, true
	}
	return "", "", false, false
}

const nestedPurpose = "nested field access"

// place is where a path leads in structs of one schema.
type place struct {
	steps  []int // indices of fields, from the outside in
	parent *record.Schema
	schema *record.Schema // of the field itself
}

// in finds the path in a schema.
func (p path) in(s *record.Schema) (place, error) {
	pl := place{schema: s}
	for _, name := range p.steps {
		if pl.schema.Kind != record.Struct {
			return place{}, plugin.Data("Cannot look up fields on non-struct type")
		}
		i := pl.schema.Field(name)
		if i < 0 {
			return place{}, plugin.Data("Unknown field: %s", p.text)
		}
		pl.steps = append(pl.steps, i)
		pl.parent, pl.schema = pl.schema, pl.schema.Fields[i].Schema
	}
	if len(p.steps) == 0 {
		return place{}, plugin.Data("The path of the field is empty")
	}
	return pl, nil
}

// value follows the path through a struct of schema s. A null on the way gives null; for the structs on the way a
// default counts, for the field itself only where replace is set.
func (pl *place) value(s *record.Schema, v record.Value, replace bool) (record.Value, error) {
	last := len(pl.steps) - 1
	for n, i := range pl.steps {
		field := s.Fields[i].Schema
		v = v.Elements()[i]
		if v.IsNull() && field.HasDefault && (replace || n < last) {
			v = field.Default
		}
		if v.IsNull() || n == last {
			break
		}
		if v.Kind() != record.Struct {
			return record.Value{}, notA("Struct objects supported", v, nestedPurpose)
		}
		s = field
	}
	return v, nil
}

// valueInMap follows the path through maps. What is not there is null.
func (p path) valueInMap(v record.Value) (record.Value, error) {
	if len(p.steps) == 0 {
		return record.Value{}, plugin.Data("The path of the field is empty")
	}
	for n, name := range p.steps {
		if v.IsNull() {
			break
		}
		if n > 0 {
			if _, err := mapEntries(v, nestedPurpose); err != nil {
				return record.Value{}, err
			}
		}
		v, _ = v.Get(name)
	}
	return v, nil
}

// optionalBy is the schema of the field, made optional where something on the way to it in structs of schema s may be null.
func (pl *place) optionalBy(s *record.Schema) (*record.Schema, error) {
	for _, i := range pl.steps[:len(pl.steps)-1] {
		s = s.Fields[i].Schema
		if s.Optional && !s.HasDefault && !pl.schema.Optional {
			return built(optionalCopy(pl.schema))
		}
	}
	return pl.schema, nil
}

// optionalCopy starts an optional schema that is like another one.
func optionalCopy(s *record.Schema) *record.Builder {
	b := record.Build(s.Kind)
	switch s.Kind {
	case record.Array:
		b = record.BuildArray(s.Elem)
	case record.Map:
		b = record.BuildMap(s.Key, s.Elem)
	}
	b.Like(s).Optional()
	for _, f := range s.Fields {
		b.Field(f.Name, f.Schema)
	}
	if s.HasDefault {
		b.Default(s.Default)
	}
	return b
}
