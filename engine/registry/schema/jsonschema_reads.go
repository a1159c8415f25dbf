package schema

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
)

// reads finds what a reader with this schema would refuse of what another one wrote, by the rules of Confluent's json.diff:
// what may change is passed over.
func (s *jsonSchema) Reads(writer Schema, b *Budget) []Difference {
	w, ok := writer.(*jsonSchema)
	if !ok {
		return nil
	}
	c := &jsonComparison{reader: s.docs, writer: w.docs, budget: b, pairs: map[[2]*node]bool{}}
	c.compare("#/", part{s.root, s.root}, part{w.root, w.root})
	return c.all
}

type jsonComparison struct {
	reader, writer *jsonDocuments
	budget         *Budget
	pairs          map[[2]*node]bool // pairs under way, so that recursive schemas end
	all            []Difference
}

// The words of Confluent's differences, with the path in the middle.
const (
	added     = "added"     // a keyword that restricts
	increased = "increased" // a lower limit
	decreased = "decreased" // an upper limit
	changed   = "changed"   // a value
	narrowed  = "narrowed"  // fewer elements
	extended  = "extended"  // more elements
	retyped   = "retyped"
)

func (c *jsonComparison) found(kind, path, why string) {
	const r, w = readerMark, writerMark
	words := map[string]string{
		added:     "The keyword at path '" + path + "' in the " + r + " schema is not present in the " + w + " schema",
		increased: "The value at path '" + path + "' in the " + r + " schema is more than its value in the " + w + " schema",
		decreased: "The value at path '" + path + "' in the " + r + " schema is less than its value in the " + w + " schema",
		changed:   "The value at path '" + path + "' is different between the " + r + " and " + w + " schema",
		narrowed:  "An array or combined type at path '" + path + "' has fewer elements in the " + r + " schema than the " + w + " schema",
		extended:  "An array or combined type at path '" + path + "' has more elements in the " + r + " schema than the " + w + " schema",
		retyped:   "A type at path '" + path + "' is different between the " + r + " schema and the " + w + " schema",
		"open":    "The " + r + " schema has an open content model and has a property or item at path '" + path + "' which is missing in the " + w + " schema",
		"unopen":  "The " + r + " schema has an unopen content model and has a required property at path '" + path + "' which is missing in the " + w + " schema",
		"closed":  "The " + r + " schema has a closed content model and is missing a property or item present at path '" + path + "' in the " + w + " schema",
		"gone":    "A property or item is missing in the " + r + " schema but present at path '" + path + "' in the " + w + " schema and is not covered by its partially open content model",
		"come":    "The " + r + " schema has a property or item at path '" + path + "' which is missing in the " + w + " schema and is not covered by its partially open content model",
	}[why]
	c.all = append(c.all, Difference{kind: kind, words: words})
}

// fits compares without noting why.
func (c *jsonComparison) fits(path string, r, w part) bool {
	before := len(c.all)
	c.compare(path, r, w)
	fine := len(c.all) == before
	c.all = c.all[:before]
	return fine
}

func under(path, step string) string {
	if path == "#/" {
		return path + step
	}
	return path + "/" + step
}

func (c *jsonComparison) compare(path string, r, w part) {
	r, w = c.reader.follow(r), c.writer.follow(w)
	pair := [2]*node{r.node, w.node}
	if c.pairs[pair] || !c.budget.spend() {
		return
	}
	c.pairs[pair] = true
	defer delete(c.pairs, pair)
	sr, sw := c.reader.shape(r), c.writer.shape(w)
	if c.unwrapped(path, r, w, sr, sw) {
		return
	}
	if sr.kind != sw.kind {
		// What Confluent's converter keeps as bytes may change its form: decimals have two.
		if sw.kind != "none" && sr.kind != "any" && (r.node.get("connect.type").text() != "bytes" || w.node.get("connect.type").text() != "bytes") {
			c.found("TYPE_CHANGED", path, retyped)
		}
		return
	}
	switch sr.kind {
	case "string":
		c.limits(path, sr.node, sw.node, "maxLength", "minLength")
		c.pattern(path, sr.node, sw.node)
	case "number":
		c.number(path, sr, sw)
	case "enum":
		c.enum(path, sr, sw)
	case "combined":
		c.combined(path, sr, sw)
	case "not": // fewer things are refused when what may not match is less
		swapped := &jsonComparison{reader: c.writer, writer: c.reader, budget: c.budget, pairs: map[[2]*node]bool{}}
		if !swapped.fits(under(path, "not"), sw.parts[0], sr.parts[0]) {
			c.found("NOT_TYPE_EXTENDED", under(path, "not"), extended)
		}
	case "object":
		c.object(path, sr, sw)
	case "array":
		c.array(path, sr, sw)
	}
}

// unwrapped compares a combined schema with one that is not: with its only part, or with any that fits.
func (c *jsonComparison) unwrapped(path string, r, w part, sr, sw shape) bool {
	switch {
	case sr.kind == "combined" && sw.kind != "combined":
		if len(sr.parts) == 1 || sr.word != "allOf" {
			return slices.ContainsFunc(sr.parts, func(p part) bool { return c.fits(path, p, w) })
		}
	case sw.kind == "combined" && sr.kind != "combined" && (len(sw.parts) == 1 || sw.word == "allOf"):
		return slices.ContainsFunc(sw.parts, func(p part) bool { return c.fits(path, r, p) })
	}
	return false
}

// limits compares an upper and a lower limit of the same thing.
func (c *jsonComparison) limits(path string, r, w *node, upper, lower string) {
	kind := map[string]string{
		"maxLength": "MAX_LENGTH", "minLength": "MIN_LENGTH", "maximum": "MAXIMUM", "minimum": "MINIMUM",
		"exclusiveMaximum": "EXCLUSIVE_MAXIMUM", "exclusiveMinimum": "EXCLUSIVE_MINIMUM",
		"maxContains": "MAX_CONTAINS", "minContains": "MIN_CONTAINS", "maxProperties": "MAX_PROPERTIES", "minProperties": "MIN_PROPERTIES", "maxItems": "MAX_ITEMS", "minItems": "MIN_ITEMS",
	}
	for _, word := range []string{upper, lower} {
		fresh, has := r.bound(word)
		old, had := w.bound(word)
		switch at := under(path, word); {
		case has && !had:
			c.found(kind[word]+"_ADDED", at, added)
		case has && word == upper && fresh < old:
			c.found(kind[word]+"_DECREASED", at, decreased)
		case has && word == lower && fresh > old:
			c.found(kind[word]+"_INCREASED", at, increased)
		}
	}
}

func (c *jsonComparison) pattern(path string, r, w *node) {
	fresh, old := r.get("pattern"), w.get("pattern")
	switch at := under(path, "pattern"); {
	case fresh == nil || same(fresh, old):
	case old == nil:
		c.found("PATTERN_ADDED", at, added)
	default:
		c.found("PATTERN_CHANGED", at, changed)
	}
}

func (c *jsonComparison) number(path string, r, w shape) {
	c.limits(path, r.node, w.node, "maximum", "minimum")
	c.limits(path, r.node, w.node, "exclusiveMaximum", "exclusiveMinimum")
	fresh, has := r.node.number("multipleOf")
	old, had := w.node.number("multipleOf")
	switch at := under(path, "multipleOf"); {
	case !has || had && fresh == old:
	case !had:
		c.found("MULTIPLE_OF_ADDED", at, added)
	case math.Mod(fresh, old) == 0:
		c.found("MULTIPLE_OF_EXPANDED", at, increased)
	case math.Mod(old, fresh) != 0:
		c.found("MULTIPLE_OF_CHANGED", at, changed)
	}
	if r.integer && !w.integer {
		c.found("TYPE_NARROWED", path, retyped)
	}
}

func (c *jsonComparison) enum(path string, r, w shape) {
	has := func(all []*node, v *node) bool {
		return slices.ContainsFunc(all, func(o *node) bool { return same(o, v) })
	}
	if len(r.values)*len(w.values) > compareBudget {
		c.budget.left = 0
		return
	}
	missing := slices.ContainsFunc(w.values, func(v *node) bool { return !has(r.values, v) })
	fresh := slices.ContainsFunc(r.values, func(v *node) bool { return !has(w.values, v) })
	switch at := under(path, "enum"); {
	case missing && fresh:
		c.found("ENUM_ARRAY_CHANGED", at, retyped)
	case missing:
		c.found("ENUM_ARRAY_NARROWED", at, narrowed)
	}
}

// combined compares the parts of two combined schemas: as many as there can be are paired so that each pair fits.
func (c *jsonComparison) combined(path string, r, w shape) {
	rp, wp := distinct(r.parts), distinct(w.parts)
	switch {
	case r.word == w.word, r.word == "anyOf", len(w.parts) == 1 && (r.word == "oneOf" || len(r.parts) == 1), len(r.parts) == 1 && w.word == "allOf":
	default:
		c.found("COMBINED_TYPE_CHANGED", path, retyped)
		return
	}
	switch {
	case len(rp) > len(wp) && r.word == "allOf":
		c.found("PRODUCT_TYPE_EXTENDED", path, extended)
	case len(rp) < len(wp) && w.word != "allOf":
		c.found("SUM_TYPE_NARROWED", path, narrowed)
	}
	fitting := make([][]int, len(wp))
	for i, old := range wp {
		for j, fresh := range rp {
			if c.fits(under(path, w.word+"/"+strconv.Itoa(i)), fresh, old) {
				fitting[i] = append(fitting[i], j)
			}
		}
	}
	if matching(fitting, len(rp)) < min(len(rp), len(wp)) {
		c.found("COMBINED_TYPE_SUBSCHEMAS_CHANGED", path, retyped)
	}
}

func distinct(all []part) []part {
	var kept []part
	seen := map[string]bool{}
	for _, p := range all {
		if text := string(p.node.append(nil, true)); !seen[text] {
			seen[text] = true
			kept = append(kept, p)
		}
	}
	return kept
}

// matching is the size of the largest set of pairs in which nobody is twice (Kuhn's algorithm).
func matching(fitting [][]int, n int) int {
	taken := make([]int, n)
	for j := range taken {
		taken[j] = -1
	}
	var find func(i int, tried []bool) bool
	find = func(i int, tried []bool) bool {
		for _, j := range fitting[i] {
			if tried[j] {
				continue
			}
			tried[j] = true
			if taken[j] < 0 || find(taken[j], tried) {
				taken[j] = i
				return true
			}
		}
		return false
	}
	size := 0
	for i := range fitting {
		if find(i, make([]bool, n)) {
			size++
		}
	}
	return size
}

// model is what an object or an array takes beyond what it names: anything, nothing, or what fits a schema.
type model struct {
	anything bool
	schema   *node
}

func (n *node) beyond(words ...string) model {
	for _, word := range words {
		switch v := n.get(word); {
		case v == nil:
		case v.kind == 't' || v.kind == '{' && len(v.members) == 0:
			return model{anything: true}
		case v.kind == 'f':
			return model{}
		case v.kind == '{':
			return model{schema: v}
		}
	}
	return model{anything: true}
}

// covering is the schema that an object has for a property that it does not name; nil without one.
func covering(n *node, m model, property string) *node {
	if patterns := n.get("patternProperties"); patterns != nil {
		for _, p := range patterns.members {
			if re, err := regexp.Compile(p.name); err == nil && re.MatchString(property) {
				return p.value
			}
		}
	}
	return m.schema
}

func (c *jsonComparison) object(path string, r, w shape) {
	required := r.node.get("required").strings()
	was := w.node.get("required").strings()
	props, old := propertiesOf(r.node), propertiesOf(w.node)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		_, both := old[name]
		if both && slices.Contains(required, name) && !slices.Contains(was, name) && props[name].get("default") == nil {
			c.found("REQUIRED_ATTRIBUTE_ADDED", under(path, "required/"+name), added)
		}
	}
	rm, wm := r.node.beyond("additionalProperties", "unevaluatedProperties"), w.node.beyond("additionalProperties", "unevaluatedProperties")
	for _, name := range slices.Sorted(maps.Keys(old)) {
		at := under(path, "properties/"+name)
		if fresh, both := props[name]; both {
			c.compare(at, part{fresh, r.doc}, part{old[name], w.doc})
			continue
		}
		c.removed(at, "PROPERTY", part{covering(r.node, rm, name), r.doc}, rm.anything && r.node.get("patternProperties") == nil, part{old[name], w.doc})
	}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if _, both := old[name]; both {
			continue
		}
		at := under(path, "properties/"+name)
		isRequired, hasDefault := slices.Contains(required, name), props[name].get("default") != nil
		if wm.anything && w.node.get("patternProperties") == nil {
			c.addedToOpen(at, part{props[name], r.doc}, isRequired, hasDefault)
			continue
		}
		if cover := covering(w.node, wm, name); cover != nil && !c.fits(at, part{props[name], r.doc}, part{cover, w.doc}) {
			c.found("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at, "come")
		}
		if isRequired && !hasDefault {
			c.found("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", at, "unopen")
		}
	}
	c.dependencies(path, r, w)
	c.model(under(path, "additionalProperties"), "ADDITIONAL_PROPERTIES", rm, wm, r.doc, w.doc)
	c.limits(path, r.node, w.node, "maxProperties", "minProperties")
}

func propertiesOf(n *node) map[string]*node {
	all := map[string]*node{}
	if p := n.get("properties"); p != nil {
		for _, m := range p.members {
			all[m.name] = m.value
		}
	}
	return all
}

// addedToOpen is about a property that was not named but could be anything.
func (c *jsonComparison) addedToOpen(at string, fresh part, required, initial bool) {
	if c.reader.shape(fresh).kind == "any" && !required {
		return
	}
	kind := "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
	switch {
	case required && initial:
		kind = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL"
	case required:
		kind = "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
	}
	c.found(kind, at, "open")
}

// removed is about a property or an item that the reader does not name any more.
func (c *jsonComparison) removed(at, what string, cover part, open bool, old part) {
	switch {
	case open:
	case cover.node != nil:
		if !c.fits(at, cover, old) {
			c.found(what+"_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at, "gone")
		}
	case c.writer.shape(old).kind != "none":
		c.found(what+"_REMOVED_FROM_CLOSED_CONTENT_MODEL", at, "closed")
	}
}

// model compares what is taken beyond what is named.
func (c *jsonComparison) model(at, what string, r, w model, rdoc, wdoc *node) {
	closedR, closedW := !r.anything && r.schema == nil, !w.anything && w.schema == nil
	switch {
	case closedR && !closedW:
		c.found(what+"_REMOVED", at, added)
	case closedR || closedW || r.anything:
	case w.anything:
		c.found(what+"_NARROWED", at, narrowed)
	default:
		c.compare(at, part{r.schema, rdoc}, part{w.schema, wdoc})
	}
}

func (c *jsonComparison) dependencies(path string, r, w shape) {
	for _, word := range []string{"dependencies", "dependentRequired", "dependentSchemas"} {
		fresh := r.node.get(word)
		if fresh == nil {
			continue
		}
		for _, m := range fresh.members {
			at, old := under(path, "dependencies/"+m.name), w.node.get(word).get(m.name)
			switch {
			case m.value.kind != '[' && old == nil:
				c.found("DEPENDENCY_SCHEMA_ADDED", at, added)
			case m.value.kind != '[':
				c.compare(at, part{m.value, r.doc}, part{old, w.doc})
			case old == nil:
				c.found("DEPENDENCY_ARRAY_ADDED", at, added)
			default:
				c.dependency(at, m.value.strings(), old.strings())
			}
		}
	}
}

func (c *jsonComparison) dependency(at string, fresh, old []string) {
	more := slices.ContainsFunc(fresh, func(s string) bool { return !slices.Contains(old, s) })
	less := slices.ContainsFunc(old, func(s string) bool { return !slices.Contains(fresh, s) })
	switch {
	case more && less:
		c.found("DEPENDENCY_ARRAY_CHANGED", at, changed)
	case more:
		c.found("DEPENDENCY_ARRAY_EXTENDED", at, extended)
	}
}

// items are the schemas of an array: of its first items, and of the ones after them.
func items(n *node) (first []*node, rest model) {
	if p := n.get("prefixItems"); p != nil && p.kind == '[' {
		return p.items, n.beyond("items", "unevaluatedItems")
	}
	i := n.get("items")
	if i != nil && i.kind == '[' {
		return i.items, n.beyond("additionalItems", "unevaluatedItems")
	}
	return nil, n.beyond("items", "unevaluatedItems")
}

func (c *jsonComparison) array(path string, r, w shape) {
	rf, rm := items(r.node)
	wf, wm := items(w.node)
	for i := range max(len(rf), len(wf)) {
		at := under(path, "items/"+strconv.Itoa(i))
		switch {
		case i < len(rf) && i < len(wf):
			c.compare(at, part{rf[i], r.doc}, part{wf[i], w.doc})
		case i < len(wf):
			c.removed(at, "ITEM", part{rm.schema, r.doc}, rm.anything, part{wf[i], w.doc})
		case wm.anything:
			if c.reader.shape(part{rf[i], r.doc}).kind != "any" {
				c.found("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", at, "open")
			}
		case wm.schema != nil && !c.fits(at, part{rf[i], r.doc}, part{wm.schema, w.doc}):
			c.found("ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at, "come")
		}
	}
	if len(rf) == 0 && len(wf) == 0 {
		c.everyItem(under(path, "items"), r, w)
		c.model(under(path, "additionalItems"), "ADDITIONAL_ITEMS", r.node.beyond("additionalItems"), w.node.beyond("additionalItems"), r.doc, w.doc)
	} else {
		c.model(under(path, "additionalItems"), "ADDITIONAL_ITEMS", rm, wm, r.doc, w.doc)
	}
	c.limits(path, r.node, w.node, "maxItems", "minItems")
	c.limits(path, r.node, w.node, "maxContains", "minContains")
	if is(r.node.get("uniqueItems")) && !is(w.node.get("uniqueItems")) {
		c.found("UNIQUE_ITEMS_ADDED", under(path, "uniqueItems"), added)
	}
}

// everyItem compares arrays whose items are all alike. One schema more is SCHEMA_ADDED, for which Confluent has no words.
func (c *jsonComparison) everyItem(at string, r, w shape) {
	fresh, old := r.node.get("items"), w.node.get("items")
	switch {
	case fresh == nil:
	case old == nil && c.reader.shape(part{fresh, r.doc}).kind != "any":
		c.found("SCHEMA_ADDED", at, added)
	default:
		c.compare(at, part{fresh, r.doc}, part{old, w.doc})
	}
}

func is(n *node) bool { return n != nil && n.kind == 't' }
