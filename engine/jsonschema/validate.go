package jsonschema

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// run is the validation of one message.
type run struct {
	tracks bool // which members and items were looked at
	steps  int
}

// mostSteps bounds the work for one message: branches within branches multiply.
const mostSteps = 1_000_000

// spot is where in the message, and where in the schemas, a check is.
type spot struct {
	at    *path
	scope *scope
	here  *visit
}

type path struct {
	up   *path
	name string
}

// scope is the dynamic scope: the resources on the way here, the innermost first.
type scope struct {
	up       *scope
	resource *resource
}

// visit is a schema that is being checked on the same place of the message.
type visit struct {
	up     *visit
	schema *schema
}

// under is the spot of a member or an item.
func (s spot) under(name string) spot { return spot{&path{s.at, name}, s.scope, nil} }

// breaks makes a violation.
func (s spot) breaks(keyword string) *Violation {
	v := &Violation{Keyword: keyword}
	for p := s.at; p != nil; p = p.up {
		v.At = append(v.At, p.name)
	}
	slices.Reverse(v.At)
	return v
}

// seen are the members and items of one value that some keyword has looked at.
type seen struct {
	props    map[string]bool
	items    map[int]bool
	first    int // items from the beginning
	allProps bool
	allItems bool
}

func (s *seen) prop(name string) {
	if s == nil {
		return
	}
	if s.props == nil {
		s.props = map[string]bool{}
	}
	s.props[name] = true
}

func (s *seen) item(i int) {
	if s == nil {
		return
	}
	if s.items == nil {
		s.items = map[int]bool{}
	}
	s.items[i] = true
}

func (s *seen) add(o *seen) {
	if s == nil || o == nil {
		return
	}
	s.allProps, s.allItems, s.first = s.allProps || o.allProps, s.allItems || o.allItems, max(s.first, o.first)
	for name := range o.props {
		s.prop(name)
	}
	for i := range o.items {
		s.item(i)
	}
}

// check checks a value, and adds to told what was looked at when all holds.
func (r *run) check(s *schema, v any, at spot, told *seen) *Violation {
	if s.always != nil {
		if *s.always {
			return nil
		}
		return at.breaks("false")
	}
	if s.meta != 0 {
		return r.metaschema(s.meta, v, at)
	}
	if r.steps++; r.steps > mostSteps {
		return at.breaks("the bound of what is tried")
	}
	for w := at.here; w != nil; w = w.up {
		if w.schema == s {
			return at.breaks("$ref to itself")
		}
	}
	at.here = &visit{at.here, s}
	if at.scope == nil || at.scope.resource != s.resource {
		at.scope = &scope{at.scope, s.resource}
	}
	var mine *seen
	if r.tracks {
		mine = &seen{}
	}
	if broken := r.all(s, v, at, mine); broken != nil {
		return broken
	}
	told.add(mine)
	return nil
}

// all checks all keywords of a schema.
func (r *run) all(s *schema, v any, at spot, mine *seen) *Violation {
	if word := s.breaks(v); word != "" {
		return at.breaks(word)
	}
	if s.ref != nil {
		if broken := r.check(s.ref, v, at, mine); broken != nil || s.draft < draft2019 {
			return broken
		}
	}
	var broken *Violation
	switch v := v.(type) {
	case map[string]any:
		broken = r.object(s, v, at, mine)
	case []any:
		broken = r.array(s, v, at, mine)
	}
	if broken == nil {
		broken = r.dynamicRefs(s, v, at, mine)
	}
	if broken == nil {
		broken = r.branches(s, v, at, mine)
	}
	if broken == nil {
		broken = r.unevaluated(s, v, at, mine)
	}
	return broken
}

// breaks is the first keyword about the value itself that does not hold; "" when all do.
func (s *schema) breaks(v any) string {
	switch {
	case len(s.types) > 0 && !slices.ContainsFunc(s.types, func(word string) bool { return isType(word, v) }):
		return "type"
	case s.constant != nil && canonical(v) != *s.constant:
		return "const"
	case s.enum != nil && !s.enum[canonical(v)]:
		return "enum"
	}
	switch v := v.(type) {
	case string:
		return s.breaksText(v)
	case json.Number:
		return s.number.breaks(v)
	}
	return ""
}

func isType(word string, v any) bool {
	switch v := v.(type) {
	case nil:
		return word == "null"
	case bool:
		return word == "boolean"
	case string:
		return word == "string"
	case []any:
		return word == "array"
	case map[string]any:
		return word == "object"
	case json.Number:
		return word == "number" || word == "integer" && numberOf(v).whole()
	}
	return false
}

func (s *schema) breaksText(v string) string {
	if s.format != "" && !isFormat(s.format, v) {
		return "format"
	}
	if t := &s.text; t.min != nil || t.max != nil {
		n := &number{small: int64(utf8.RuneCountInString(v))}
		switch {
		case t.min != nil && n.cmp(t.min) < 0:
			return "minLength"
		case t.max != nil && n.cmp(t.max) > 0:
			return "maxLength"
		}
	}
	if s.text.pattern != nil && !s.text.pattern.MatchString(v) {
		return "pattern"
	}
	return ""
}

func (n *numberRules) breaks(v json.Number) string {
	if *n == (numberRules{}) {
		return ""
	}
	is := numberOf(v)
	switch {
	case n.min != nil && is.cmp(n.min) < 0:
		return "minimum"
	case n.max != nil && is.cmp(n.max) > 0:
		return "maximum"
	case n.above != nil && is.cmp(n.above) <= 0:
		return "exclusiveMinimum"
	case n.below != nil && is.cmp(n.below) >= 0:
		return "exclusiveMaximum"
	case n.multiple != nil && !is.isMultipleOf(n.multiple):
		return "multipleOf"
	}
	return ""
}

// outside says whether a count is outside its bounds.
func outside(n int, least, most *number, low, high string) string {
	switch is := (&number{small: int64(n)}); {
	case least != nil && is.cmp(least) < 0:
		return low
	case most != nil && is.cmp(most) > 0:
		return high
	}
	return ""
}

func (r *run) object(s *schema, v map[string]any, at spot, mine *seen) *Violation {
	o := &s.object
	if word := outside(len(v), o.min, o.max, "minProperties", "maxProperties"); word != "" {
		return at.breaks(word)
	}
	if misses(v, o.required) {
		return at.breaks("required")
	}
	for i := range s.dependencies {
		d := &s.dependencies[i]
		if _, there := v[d.property]; !there {
			continue
		}
		if misses(v, d.required) {
			return at.breaks(d.word + "/" + d.property)
		}
		if d.schema != nil {
			if broken := r.check(d.schema, v, at, mine); broken != nil {
				return broken
			}
		}
	}
	if o.properties == nil && o.patterns == nil && o.additional == nil && o.names == nil {
		return nil
	}
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names) // the same violation is told each time
	for _, name := range names {
		if broken := r.member(o, name, v[name], at, mine); broken != nil {
			return broken
		}
	}
	return nil
}

func misses(v map[string]any, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, there := v[name]; return !there })
}

func (r *run) member(o *objectRules, name string, v any, at spot, mine *seen) *Violation {
	looked := false
	if p := o.properties[name]; p != nil {
		looked = true
		if broken := r.check(p, v, at.under(name), nil); broken != nil {
			return broken
		}
	}
	for _, p := range o.patterns {
		if p.re == nil || !p.re.MatchString(name) {
			continue
		}
		looked = true
		if broken := r.check(p.schema, v, at.under(name), nil); broken != nil {
			return broken
		}
	}
	if !looked && o.additional != nil {
		looked = true
		if o.additional.always != nil && !*o.additional.always {
			return at.breaks("additionalProperties")
		}
		if broken := r.check(o.additional, v, at.under(name), nil); broken != nil {
			return broken
		}
	}
	if looked {
		mine.prop(name)
	}
	if o.names != nil && r.check(o.names, name, spot{at.at, at.scope, nil}, nil) != nil {
		return at.breaks("propertyNames")
	}
	return nil
}

func (r *run) array(s *schema, v []any, at spot, mine *seen) *Violation {
	a := &s.array
	if word := outside(len(v), a.min, a.max, "minItems", "maxItems"); word != "" {
		return at.breaks(word)
	}
	if a.unique {
		known := make(map[string]bool, len(v))
		for _, item := range v {
			key := canonical(item)
			if known[key] {
				return at.breaks("uniqueItems")
			}
			known[key] = true
		}
	}
	for i, item := range v {
		rule := a.rest
		if i < len(a.first) {
			rule = a.first[i]
		}
		if rule == nil {
			break
		}
		if broken := r.check(rule, item, at.under(strconv.Itoa(i)), nil); broken != nil {
			return broken
		}
	}
	if mine != nil {
		mine.first, mine.allItems = max(mine.first, len(a.first)), mine.allItems || a.rest != nil
	}
	if a.contains == nil {
		return nil
	}
	return r.contains(s, v, at, mine)
}

func (r *run) contains(s *schema, v []any, at spot, mine *seen) *Violation {
	a, n := &s.array, 0
	for i, item := range v {
		if r.check(a.contains, item, at.under(strconv.Itoa(i)), nil) == nil {
			n++
			if s.draft >= draft2020 {
				mine.item(i)
			}
		}
	}
	if a.minContains == nil && n == 0 {
		return at.breaks("contains")
	}
	if word := outside(n, a.minContains, a.maxContains, "minContains", "maxContains"); word != "" {
		return at.breaks(word)
	}
	return nil
}

// dynamicRefs follows references whose target is the outermost one on the way here.
func (r *run) dynamicRefs(s *schema, v any, at spot, mine *seen) *Violation {
	if target := s.recursive; target != nil {
		if target.resource.again && target.resource.schema == target {
			for f := at.scope; f != nil; f = f.up {
				if f.resource.again {
					target = f.resource.schema
				}
			}
		}
		if broken := r.check(target, v, at, mine); broken != nil {
			return broken
		}
	}
	if target := s.dynamic; target != nil {
		if s.dynamicName != "" {
			for f := at.scope; f != nil; f = f.up {
				if outer := f.resource.dynamic[s.dynamicName]; outer != nil {
					target = outer
				}
			}
		}
		return r.check(target, v, at, mine)
	}
	return nil
}

// branches checks what combines schemas on the same value.
func (r *run) branches(s *schema, v any, at spot, mine *seen) *Violation {
	for _, sub := range s.all {
		if broken := r.check(sub, v, at, mine); broken != nil {
			return broken
		}
	}
	var first *Violation
	fit := 0
	for _, sub := range s.any {
		broken := r.check(sub, v, at, mine)
		switch {
		case broken == nil:
			fit++
		case first == nil:
			first = broken
		}
		if fit > 0 && mine == nil {
			break
		}
	}
	if len(s.any) > 0 && fit == 0 {
		return first
	}
	if broken := r.exactlyOne(s, v, at, mine); broken != nil {
		return broken
	}
	if s.not != nil && r.check(s.not, v, at, nil) == nil {
		return at.breaks("not")
	}
	if s.cond == nil {
		return nil
	}
	then := s.no
	if r.check(s.cond, v, at, mine) == nil {
		then = s.yes
	}
	if then == nil {
		return nil
	}
	return r.check(then, v, at, mine)
}

func (r *run) exactlyOne(s *schema, v any, at spot, mine *seen) *Violation {
	var first *Violation
	fit := 0
	for _, sub := range s.one {
		broken := r.check(sub, v, at, mine)
		switch {
		case broken == nil:
			fit++
		case first == nil:
			first = broken
		}
		if fit > 1 {
			return at.breaks("oneOf")
		}
	}
	if len(s.one) > 0 && fit == 0 {
		return first
	}
	return nil
}

// unevaluated checks the members and items at which no other keyword has looked.
func (r *run) unevaluated(s *schema, v any, at spot, mine *seen) *Violation {
	switch v := v.(type) {
	case map[string]any:
		if s.unevaluatedProps == nil || mine.allProps {
			return nil
		}
		for name, m := range v {
			if !mine.props[name] && r.check(s.unevaluatedProps, m, at.under(name), nil) != nil {
				return at.breaks("unevaluatedProperties")
			}
		}
		mine.allProps = true
	case []any:
		if s.unevaluatedItems == nil || mine.allItems {
			return nil
		}
		for i := mine.first; i < len(v); i++ {
			if !mine.items[i] && r.check(s.unevaluatedItems, v[i], at.under(strconv.Itoa(i)), nil) != nil {
				return at.breaks("unevaluatedItems")
			}
		}
		mine.allItems = true
	}
	return nil
}

// metaschema checks a message that is to be a schema.
func (r *run) metaschema(d draft, v any, at spot) *Violation {
	root := valueOf(v)
	c := &compiler{resources: map[string]*resource{}, places: map[*value]*resource{}}
	res := &resource{address: nowhere(), draft: d, root: root, anchors: map[string]*value{}}
	if c.walk(root, res, d != draft4) != nil {
		return at.breaks("the metaschema")
	}
	return nil
}
