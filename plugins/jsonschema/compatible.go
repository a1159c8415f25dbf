package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/penstock/penstock/plugins/registry"
)

// Reads checks by the rules of Confluent's json.diff whether this schema takes all that another one does.
func (s *schema) Reads(writer registry.Schema) error {
	w, ok := writer.(*schema)
	if !ok {
		return errors.New("the other schema is of another type")
	}
	c := comparison{pairs: map[[2]*shape]bool{}, left: mostSchemas}
	return c.fits("#", s.root, w.root)
}

// comparison finds the first thing that a reader would refuse.
type comparison struct {
	pairs map[[2]*shape]bool // under way, so that schemas that contain themselves end
	left  int                // how many pairs may still be compared
}

func (c *comparison) fits(path string, r, w *shape) error {
	r, w = r.follow(), w.follow()
	pair := [2]*shape{r, w}
	if c.pairs[pair] || r == w {
		return nil
	}
	if c.left--; c.left < 0 {
		return errSize
	}
	c.pairs[pair] = true
	defer delete(c.pairs, pair)
	switch {
	case r.kind == anyShape || w.kind == falseShape:
		return nil
	case r.kind == combinedShape && w.kind != combinedShape && (len(r.parts) == 1 || r.word != "allOf"):
		return c.any(path, r, w)
	case w.kind == combinedShape && r.kind != combinedShape && len(w.parts) == 1:
		return c.fits(path, r, w.parts[0])
	case r.kind != w.kind:
		return differs(path, "the type differs")
	}
	return c.alike(path, r, w)
}

// alike compares two schemas of one kind.
func (c *comparison) alike(path string, r, w *shape) error {
	switch r.kind {
	case numberShape:
		if r.integer && !w.integer {
			return differs(path, "a number need not be an integer")
		}
		return narrowed(path, r, w)
	case stringShape:
		return narrowed(path, r, w)
	case enumShape, constShape:
		return values(path, r, w)
	case combinedShape:
		return c.combined(path, r, w)
	case arrayShape:
		return c.array(path, r, w)
	case objectShape:
		return c.object(path, r, w)
	case notShape, conditionalShape:
		if !bytes.Equal(r.text.append(nil, asWritten), w.text.append(nil, asWritten)) {
			return differs(path, "a condition differs")
		}
	}
	return nil
}

func differs(path, why string) error { return fmt.Errorf("at %s: %s", path, why) }

// any looks for a part of the reader's that takes what was written.
func (c *comparison) any(path string, r, w *shape) error {
	for _, part := range r.parts {
		if c.fits(path, part, w) == nil {
			return nil
		}
	}
	return differs(path, "none of several schemas takes what was written")
}

// combined pairs each part that was written with one that takes it, or the other way round where all have to hold.
func (c *comparison) combined(path string, r, w *shape) error {
	if r.word != w.word && r.word != "anyOf" {
		return differs(path, r.word+" is in place of "+w.word)
	}
	if r.word == "allOf" {
		for _, part := range r.parts {
			if !slices.ContainsFunc(w.parts, func(old *shape) bool { return c.fits(path, part, old) == nil }) {
				return differs(path, "allOf has a part that nothing written is sure to fit")
			}
		}
		return nil
	}
	taken := map[*shape]bool{}
	for i, old := range w.parts {
		at := slices.IndexFunc(r.parts, func(part *shape) bool { return !taken[part] && c.fits(path, part, old) == nil })
		if at < 0 {
			return differs(path+"/"+w.word+"/"+strconv.Itoa(i), "nothing takes what was written as this part")
		}
		taken[r.parts[at]] = true
	}
	return nil
}

// limits are keywords that restrict: the higher the value of a lower one, or the lower that of another, the less is taken.
var (
	lowerLimits = []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"} //nolint:gochecknoglobals // a literal
	upperLimits = []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"} //nolint:gochecknoglobals // a literal
	exactLimits = []string{"pattern", "multipleOf"}                                                 //nolint:gochecknoglobals // a literal
)

// narrowed finds a keyword that lets less through than before.
func narrowed(path string, r, w *shape) error {
	for _, word := range lowerLimits {
		if fresh, has := r.limit(word); has {
			if old, had := w.limit(word); !had || fresh > old {
				return differs(path, word+" lets less through")
			}
		}
	}
	for _, word := range upperLimits {
		if fresh, has := r.limit(word); has {
			if old, had := w.limit(word); !had || fresh < old {
				return differs(path, word+" lets less through")
			}
		}
	}
	for _, word := range exactLimits {
		if fresh := r.text.get(word); fresh != nil {
			if old := w.text.get(word); old == nil || !bytes.Equal(fresh.raw, old.raw) {
				return differs(path, word+" differs")
			}
		}
	}
	return nil
}

func (s *shape) limit(word string) (float64, bool) {
	n := s.text.get(word)
	if n == nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(n.raw), 64)
	return f, err == nil
}

func values(path string, r, w *shape) error {
	for _, old := range w.values {
		text := old.append(nil, inHash)
		if !slices.ContainsFunc(r.values, func(v *node) bool { return bytes.Equal(v.append(nil, inHash), text) }) {
			return differs(path, "a value is not among those of the enum")
		}
	}
	return nil
}

func (c *comparison) array(path string, r, w *shape) error {
	if err := narrowed(path, r, w); err != nil {
		return err
	}
	if r.text.get("uniqueItems").kind() == 't' && w.text.get("uniqueItems").kind() != 't' {
		return differs(path, "items need not be unique")
	}
	switch {
	case r.items == nil:
		return nil
	case w.items == nil:
		return differs(path, "items were of any type")
	}
	return c.fits(path+"/items", r.items, w.items)
}

func (s *shape) field(name string) *shape {
	for _, p := range s.fields {
		if p.name == name {
			return p.shape
		}
	}
	return nil
}

func (c *comparison) object(path string, r, w *shape) error {
	if err := narrowed(path, r, w); err != nil {
		return err
	}
	for _, old := range w.fields {
		at := path + "/properties/" + old.name
		fresh := r.field(old.name)
		switch {
		case fresh == nil && r.closed:
			return differs(at, "there may be no such property any more")
		case fresh == nil:
			fresh = r.rest
		case slices.Contains(r.required, old.name) && !slices.Contains(w.required, old.name) && fresh.initial == nil:
			return differs(at, "the property is required and was not")
		}
		if fresh == nil {
			continue
		}
		if err := c.fits(at, fresh, old.shape); err != nil {
			return err
		}
	}
	for _, fresh := range r.fields {
		if err := c.fresh(path+"/properties/"+fresh.name, fresh, r, w); err != nil {
			return err
		}
	}
	switch {
	case r.closed && !w.closed:
		return differs(path, "there may be no more properties than those that are named")
	case r.rest == nil || w.closed:
		return nil
	case w.rest == nil:
		return differs(path, "properties that are not named were of any type")
	}
	return c.fits(path+"/additionalProperties", r.rest, w.rest)
}

// fresh is about a property that the writer does not name but may have written.
func (c *comparison) fresh(at string, p property, r, w *shape) error {
	required := slices.Contains(r.required, p.name)
	switch {
	case w.field(p.name) != nil:
		return nil
	case !w.closed && w.rest == nil && (required || p.shape.follow().kind != anyShape):
		return differs(at, "the property may have been of any type")
	case required && p.shape.initial == nil:
		return differs(at, "the property is required and was not there")
	case w.rest != nil:
		return c.fits(at, p.shape, w.rest)
	}
	return nil
}
