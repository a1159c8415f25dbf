package jsonschema

import "encoding/json"

// compile compiles a schema that belongs to a resource, once.
func (c *compiler) compile(v *value, r *resource) (*schema, error) {
	if s := c.schemas[v]; s != nil {
		return s, nil
	}
	if of := c.places[v]; of != nil {
		r = of
	}
	s := &schema{draft: r.draft, resource: r}
	c.schemas[v] = s
	c.used = append(c.used, r)
	if truth, is := v.raw.(bool); is {
		s.always = &truth
		return s, nil
	}
	b := &builder{compiler: c, value: v, resource: r, schema: s}
	b.references()
	if r.draft < draft2019 && s.ref != nil {
		return s, b.err // all else is ignored
	}
	b.applicators()
	b.objects()
	b.arrays()
	b.assertions()
	return s, b.err
}

// dynamic compiles what dynamic references may lead to: the anchors of every resource that is in use.
func (c *compiler) dynamic() (err error) {
	for i := 0; i < len(c.used); i++ { // it grows
		r := c.used[i]
		if r.again && r.schema == nil {
			if r.schema, err = c.compile(r.root, r); err != nil {
				return err
			}
		}
		if r.dynamic != nil || len(r.opens) == 0 {
			continue
		}
		r.dynamic = map[string]*schema{}
		for _, name := range r.opens {
			if r.dynamic[name], err = c.compile(r.anchors[name], r); err != nil {
				return err
			}
		}
	}
	return nil
}

// builder fills in one schema. The first error ends it.
type builder struct {
	*compiler

	value    *value
	resource *resource
	schema   *schema
	err      error
}

// has gives a keyword that the draft has, and its value.
func (b *builder) has(word string, from draft) *value {
	if b.resource.draft < from {
		return nil
	}
	return b.value.members[word]
}

func (b *builder) sub(v *value) *schema {
	if v == nil || b.err != nil {
		return nil
	}
	s, err := b.compile(v, b.resource)
	b.err = err
	return s
}

func (b *builder) list(v *value) (all []*schema) {
	if v != nil {
		for _, item := range v.items {
			all = append(all, b.sub(item))
		}
	}
	return all
}

func (b *builder) number(v *value) *number {
	if v == nil {
		return nil
	}
	n, is := v.raw.(json.Number)
	if !is { // of draft 4's exclusiveMaximum
		return nil
	}
	return numberOf(n)
}

func (b *builder) reference(word string, from, to draft) (*schema, target) {
	v := b.has(word, from)
	if v == nil || b.resource.draft > to || b.err != nil {
		return nil, target{}
	}
	text, is := v.raw.(string)
	if !is {
		return nil, target{}
	}
	t, err := b.resolve(text, b.resource)
	if err != nil {
		b.err = err
		return nil, t
	}
	if t.meta != 0 {
		return &schema{meta: t.meta, draft: b.resource.draft, resource: b.resource}, t
	}
	s, err := b.compile(t.value, t.resource)
	b.err = err
	return s, t
}

func (b *builder) references() {
	var t target
	b.schema.ref, _ = b.reference("$ref", draft4, draft2020)
	b.schema.recursive, _ = b.reference("$recursiveRef", draft2019, draft2019)
	b.schema.dynamic, t = b.reference("$dynamicRef", draft2020, draft2020)
	if b.schema.dynamic != nil && t.anchor != "" {
		for _, open := range t.resource.opens {
			if open == t.anchor {
				b.schema.dynamicName = open
			}
		}
	}
}

func (b *builder) applicators() {
	s := b.schema
	s.all, s.any, s.one = b.list(b.has("allOf", draft4)), b.list(b.has("anyOf", draft4)), b.list(b.has("oneOf", draft4))
	s.not = b.sub(b.has("not", draft4))
	if s.cond = b.sub(b.has("if", draft7)); s.cond != nil {
		s.yes, s.no = b.sub(b.has("then", draft7)), b.sub(b.has("else", draft7))
	}
	for _, word := range []string{"dependencies", "dependentSchemas", "dependentRequired"} {
		from := draft2019
		if word == "dependencies" {
			from = draft4
		}
		if v := b.has(word, from); v != nil {
			for _, name := range v.names {
				b.depend(word, name, v.members[name])
			}
		}
	}
	s.unevaluatedProps, s.unevaluatedItems = b.sub(b.has("unevaluatedProperties", draft2019)), b.sub(b.has("unevaluatedItems", draft2019))
	b.tracks = b.tracks || s.unevaluatedProps != nil || s.unevaluatedItems != nil
}

func (b *builder) depend(word, name string, v *value) {
	d := dependency{word: word, property: name}
	if isList(v.raw) {
		d.required = texts(v)
	} else {
		d.schema = b.sub(v)
	}
	b.schema.dependencies = append(b.schema.dependencies, d)
}

func texts(v *value) (all []string) {
	if v != nil {
		for _, item := range v.items {
			if s, is := item.raw.(string); is {
				all = append(all, s)
			}
		}
	}
	return all
}

func (b *builder) objects() {
	o := &b.schema.object
	o.min, o.max = b.number(b.has("minProperties", draft4)), b.number(b.has("maxProperties", draft4))
	o.required = texts(b.has("required", draft4))
	if v := b.has("properties", draft4); v != nil {
		o.properties = make(map[string]*schema, len(v.names))
		for _, name := range v.names {
			o.properties[name] = b.sub(v.members[name])
		}
	}
	if v := b.has("patternProperties", draft4); v != nil {
		for _, name := range v.names {
			re, err := b.pattern(name)
			if err != nil && b.err == nil {
				b.err = err
			}
			o.patterns = append(o.patterns, patterned{re, b.sub(v.members[name])})
		}
	}
	o.additional = b.sub(b.has("additionalProperties", draft4))
	o.names = b.sub(b.has("propertyNames", draft6))
}

func (b *builder) arrays() {
	a := &b.schema.array
	a.min, a.max = b.number(b.has("minItems", draft4)), b.number(b.has("maxItems", draft4))
	a.unique = b.value.truth("uniqueItems")
	a.first = b.list(b.has("prefixItems", draft2020))
	if v := b.has("items", draft4); v != nil && isList(v.raw) {
		a.first, a.rest = b.list(v), b.sub(b.has("additionalItems", draft4))
	} else {
		a.rest = b.sub(v)
	}
	if a.contains = b.sub(b.has("contains", draft6)); a.contains != nil {
		a.minContains, a.maxContains = b.number(b.has("minContains", draft2019)), b.number(b.has("maxContains", draft2019))
	}
}

func (b *builder) assertions() {
	s := b.schema
	if v := b.has("type", draft4); v != nil {
		if word, is := v.raw.(string); is {
			s.types = []string{word}
		} else {
			s.types = texts(v)
		}
	}
	if v := b.has("const", draft6); v != nil {
		text := canonical(v.raw)
		s.constant = &text
	}
	if v := b.has("enum", draft4); v != nil {
		s.enum = make(map[string]bool, len(v.items))
		for _, item := range v.items {
			s.enum[canonical(item.raw)] = true
		}
	}
	if b.resource.draft < draft2019 {
		s.format = b.value.text("format")
	}
	t := &s.text
	t.min, t.max = b.number(b.has("minLength", draft4)), b.number(b.has("maxLength", draft4))
	if v := b.has("pattern", draft4); v != nil && b.err == nil {
		t.pattern, b.err = b.pattern(v.raw.(string))
	}
	n := &s.number
	n.multiple, n.max, n.min = b.number(b.has("multipleOf", draft4)), b.number(b.has("maximum", draft4)), b.number(b.has("minimum", draft4))
	n.below, n.above = b.number(b.has("exclusiveMaximum", draft4)), b.number(b.has("exclusiveMinimum", draft4))
	if b.value.truth("exclusiveMaximum") {
		n.below, n.max = n.max, nil
	}
	if b.value.truth("exclusiveMinimum") {
		n.above, n.min = n.min, nil
	}
}
