package schema

import (
	"fmt"
	"slices"
	"strings"
)

// The differences between Avro schemas (org.apache.avro.SchemaCompatibility.SchemaIncompatibilityType).
const (
	avroNames      = "NAME_MISMATCH"
	avroSizes      = "FIXED_SIZE_MISMATCH"
	avroSymbols    = "MISSING_ENUM_SYMBOLS"
	avroDefault    = "READER_FIELD_MISSING_DEFAULT_VALUE"
	avroTypes      = "TYPE_MISMATCH"
	avroBranch     = "MISSING_UNION_BRANCH"
	avroComplexity = "TOO_COMPLEX"
)

// reads follows the rules of schema resolution as SchemaCompatibility.checkReaderWriterCompatibility applies them.
func (s *avroSchema) Reads(writer Schema, b *Budget) []Difference {
	w, ok := writer.(*avroSchema)
	if !ok {
		return nil
	}
	c := avroComparison{budget: b, done: map[avroPair][]avroDifference{}}
	found := c.compare(s.root, w.root)
	all := make([]Difference, 0, len(found))
	for _, d := range found {
		all = append(all, d.difference())
	}
	return all
}

type avroPair struct{ reader, writer *avroType }

// avroDifference is a difference at a path below the types that were compared.
type avroDifference struct{ kind, path, info string }

func (d avroDifference) difference() Difference {
	path := d.path
	if path == "" {
		path = "/"
	}
	var words string
	switch d.kind {
	case avroNames:
		words = fmt.Sprintf("The name of the schema has changed (path '%s')", path)
	case avroSizes:
		words = fmt.Sprintf("The size of FIXED type field at path '%s' in the %s schema does not match with the %s schema", path, readerMark, writerMark)
	case avroSymbols:
		words = fmt.Sprintf("The %s schema is missing enum symbols '%s' at path '%s' in the %s schema", readerMark, d.info, path, writerMark)
	case avroDefault:
		words = fmt.Sprintf("The field '%s' at path '%s' in the %s schema has no default value and is missing in the %s schema", d.info, path, readerMark, writerMark)
	case avroTypes:
		words = fmt.Sprintf("The type (path '%s') of a field in the %s schema does not match with the %s schema", path, readerMark, writerMark)
	case avroBranch:
		words = fmt.Sprintf("The %s schema is missing a type inside a union field at path '%s' in the %s schema", readerMark, path, writerMark)
	default:
		words = ErrTooComplex.Error()
	}
	return Difference{kind: d.kind, words: words, info: d.info, avro: true}
}

// avroComparison remembers pairs of types, so that recursive ones end: a pair under way counts as fitting.
type avroComparison struct {
	budget *Budget
	done   map[avroPair][]avroDifference
}

func (c *avroComparison) compare(r, w *avroType) []avroDifference {
	pair := avroPair{r, w}
	if found, known := c.done[pair]; known {
		return found
	}
	if !c.budget.spend() {
		return []avroDifference{{avroComplexity, "", ""}}
	}
	c.done[pair] = nil
	found := c.work(r, w)
	c.done[pair] = found
	return found
}

// below puts a path in front of what was found under it.
func below(path string, found []avroDifference) []avroDifference {
	moved := make([]avroDifference, len(found))
	for i, d := range found {
		d.path = path + d.path
		moved[i] = d
	}
	return moved
}

func (c *avroComparison) work(r, w *avroType) []avroDifference {
	if r.kind != w.kind {
		return c.promote(r, w)
	}
	switch r.kind {
	case "array":
		return below("/items", c.compare(r.of, w.of))
	case "map":
		return below("/values", c.compare(r.of, w.of))
	case "fixed":
		found := sameName(r, w)
		if r.size != w.size {
			found = append(found, avroDifference{avroSizes, "/size", fmt.Sprintf("expected: %s, found: %s", w.size, r.size)})
		}
		return found
	case "enum":
		return append(sameName(r, w), missingSymbols(r, w)...)
	case "record":
		return append(sameName(r, w), c.fields(r, w)...)
	case "union":
		var found []avroDifference
		for i, branch := range w.branches {
			if len(c.inUnion(r, branch)) > 0 {
				found = append(found, avroDifference{avroBranch, fmt.Sprintf("/%d", i), "reader union lacking writer type: " + upper(branch)})
			}
		}
		return found
	}
	return nil
}

// promote compares types of different kinds.
func (c *avroComparison) promote(r, w *avroType) []avroDifference {
	if w.kind == "union" { // a reader of every branch reads the union
		var found []avroDifference
		for _, branch := range w.branches {
			found = append(found, c.compare(r, branch)...)
		}
		return found
	}
	widens := map[string][]string{
		"long": {"int"}, "float": {"int", "long"}, "double": {"int", "long", "float"}, "bytes": {"string"}, "string": {"bytes"},
	}
	switch {
	case r.kind == "union":
		return c.inUnion(r, w)
	case slices.Contains(widens[r.kind], w.kind):
		return nil
	}
	return []avroDifference{{avroTypes, "", fmt.Sprintf("reader type: %s not compatible with writer type: %s", upper(r), upper(w))}}
}

// inUnion looks for a branch of the reader that takes what was written.
func (c *avroComparison) inUnion(r, w *avroType) []avroDifference {
	for _, branch := range r.branches {
		if len(c.compare(branch, w)) == 0 {
			return nil
		}
	}
	return []avroDifference{{avroBranch, "", "reader union lacking writer type: " + upper(w)}}
}

func upper(t *avroType) string { return strings.ToUpper(t.kind) }

// sameName compares names without namespaces, and the reader's aliases.
func sameName(r, w *avroType) []avroDifference {
	if r.name == w.name {
		return nil
	}
	for _, alias := range r.aliases {
		if !strings.Contains(alias, ".") && r.space != "" {
			alias = r.space + "." + alias
		}
		if alias == w.fullName() {
			return nil
		}
	}
	return []avroDifference{{avroNames, "/name", "expected: " + w.fullName()}}
}

func missingSymbols(r, w *avroType) []avroDifference {
	if r.fallback != nil {
		return nil
	}
	var missing []string
	for _, s := range w.symbols {
		if !slices.Contains(r.symbols, s) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return []avroDifference{{avroSymbols, "/symbols", "[" + strings.Join(missing, ", ") + "]"}}
}

func (c *avroComparison) fields(r, w *avroType) []avroDifference {
	written := make(map[string]*avroField, len(w.fields))
	for i := range w.fields {
		written[w.fields[i].name] = &w.fields[i]
	}
	var found []avroDifference
	for i := range r.fields {
		f := &r.fields[i]
		path := fmt.Sprintf("/fields/%d", i)
		from := written[f.name]
		for _, alias := range f.aliases {
			if from == nil {
				from = written[alias]
			}
		}
		switch {
		case from != nil:
			found = append(found, below(path+"/type", c.compare(f.of, from.of))...)
		case f.initial == nil && (f.of.kind != "enum" || f.of.fallback == nil):
			found = append(found, avroDifference{avroDefault, path, f.name})
		}
	}
	return found
}
