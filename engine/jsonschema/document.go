package jsonschema

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// resource is a schema with an address of its own, a whole document or a part of one.
type resource struct {
	address *url.URL
	draft   draft
	root    *value
	anchors map[string]*value
	dynamic map[string]*schema // by anchor; nil until they are compiled
	opens   []string           // the dynamic anchors
	again   bool               // $recursiveAnchor
	schema  *schema            // of the root, when that is again
}

// compiler compiles schemas, each once.
type compiler struct {
	Settings

	resources map[string]*resource // by address
	places    map[*value]*resource // of every schema that was walked
	schemas   map[*value]*schema
	used      []*resource // of the compiled schemas
	loaded    int
	tracks    bool
}

// add reads a document and finds the schemas in it.
func (c *compiler) add(address string, text []byte) (*resource, error) {
	raw, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address %q: %w", address, err)
	}
	root := valueOf(raw)
	r := &resource{address: u, draft: draft7, root: root, anchors: map[string]*value{}}
	if err := r.dialect(); err != nil {
		return nil, err
	}
	c.resources[address] = r
	return r, c.walk(root, r, r.draft != draft4)
}

// dialect reads $schema.
func (r *resource) dialect() error {
	address := r.root.text("$schema")
	if address == "" {
		return nil
	}
	if r.draft = draftOf(address); r.draft == 0 {
		return fmt.Errorf("$schema %q is none of the drafts 4, 6, 7, 2019-09 and 2020-12", address)
	}
	return nil
}

// walk checks the form of a schema and of those in it, and notes their addresses and anchors.
func (c *compiler) walk(v *value, r *resource, truth bool) error {
	if _, known := c.places[v]; known {
		return nil
	}
	if _, is := v.raw.(bool); is && truth {
		c.places[v] = r
		return nil
	}
	if v.members == nil {
		return errors.New("a schema must be an object, or true or false from draft 6 on")
	}
	r, err := c.named(v, r)
	if err != nil {
		return err
	}
	c.places[v] = r
	for _, word := range []string{"maximum", "minimum"} {
		if exclusive := "exclusiveM" + word[1:]; r.draft == draft4 && v.members[exclusive] != nil && v.members[word] == nil {
			return fmt.Errorf("%s needs %s", exclusive, word)
		}
	}
	for _, word := range v.names {
		m := v.members[word]
		if err := c.wrong(word, m, r.draft); err != nil {
			return err
		}
		if err := c.inside(word, m, r); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

// inside walks the schemas in the value of a keyword.
func (c *compiler) inside(word string, m *value, r *resource) error {
	truth := r.draft != draft4
	switch s := shapeOf(word, r.draft); s {
	case aSchema, aSchemaOrTruth:
		return c.walk(m, r, truth || s == aSchemaOrTruth)
	case schemaList, items:
		if s == items && !isList(m.raw) {
			return c.walk(m, r, truth)
		}
		for i, item := range m.items {
			if err := c.walk(item, r, truth); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
	case schemas, dependents:
		for _, name := range m.names {
			if s == dependents && isList(m.members[name].raw) {
				continue
			}
			if err := c.walk(m.members[name], r, truth); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// named reads the address and the anchors of a schema and returns the resource that it belongs to.
func (c *compiler) named(v *value, r *resource) (*resource, error) {
	if r.draft < draft2019 && v.members["$ref"] != nil {
		return r, nil // all else is ignored
	}
	id := v.text(r.draft.id())
	address, fragment, _ := strings.Cut(id, "#")
	if address != "" {
		u, err := r.address.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.draft.id(), err)
		}
		of := r
		if v != r.root {
			of = &resource{draft: r.draft, root: v, anchors: map[string]*value{}}
			if err := of.dialect(); err != nil {
				return nil, err
			}
		}
		of.address = u
		if other := c.resources[u.String()]; other != nil && other != of {
			return nil, fmt.Errorf("two schemas have the address %q", u)
		}
		c.resources[u.String()], r = of, of
	}
	if r.draft < draft2019 {
		return r, r.anchor(fragment, v)
	}
	if fragment != "" {
		return nil, errors.New("$id has a fragment, which drafts from 2019-09 on do not allow")
	}
	r.again = r.again || v == r.root && v.truth("$recursiveAnchor") && r.draft == draft2019
	if open := v.text("$dynamicAnchor"); open != "" && r.draft == draft2020 {
		r.opens = append(r.opens, open)
		if err := r.anchor(open, v); err != nil {
			return nil, err
		}
	}
	return r, r.anchor(v.text("$anchor"), v)
}

func (r *resource) anchor(name string, v *value) error {
	if name == "" || r.anchors[name] == v {
		return nil
	}
	if r.anchors[name] != nil {
		return fmt.Errorf("two schemas have the anchor %q", name)
	}
	r.anchors[name] = v
	return nil
}

// target is what a reference leads to: a schema, or the metaschema of a draft.
type target struct {
	value    *value
	resource *resource
	meta     draft
	anchor   string // that it names; "" when it is a pointer or a whole resource
}

func (c *compiler) resolve(ref string, from *resource) (t target, err error) {
	u, err := from.address.Parse(ref)
	if err != nil {
		return t, fmt.Errorf("the reference %q: %w", ref, err)
	}
	fragment := u.Fragment
	whole := *u
	whole.Fragment, whole.RawFragment = "", ""
	r := c.resources[whole.String()]
	if r == nil {
		if t.meta = draftOf(whole.String()); t.meta != 0 && fragment == "" {
			return t, nil
		}
		if r, err = c.load(whole.String()); err != nil {
			return t, err
		}
	}
	t.resource = r
	switch {
	case fragment == "":
		t.value = r.root
	case fragment[0] == '/':
		err = t.follow(c, fragment[1:])
	default:
		t.value, t.anchor = r.anchors[fragment], fragment
	}
	if err == nil && t.value == nil {
		err = fmt.Errorf("the reference %q leads nowhere", ref)
	}
	return t, err
}

// mostDocuments bounds what one schema may refer to, over any number of steps: relative addresses can grow for ever.
const mostDocuments = 1000

func (c *compiler) load(address string) (*resource, error) {
	if c.Load == nil {
		return nil, fmt.Errorf("there is no schema %q", address)
	}
	if c.loaded++; c.loaded > mostDocuments {
		return nil, fmt.Errorf("more than %d schemas refer to each other", mostDocuments)
	}
	text, err := c.Load(address)
	if err != nil {
		return nil, fmt.Errorf("the schema %q: %w", address, err)
	}
	r, err := c.add(address, text)
	if err != nil {
		return nil, fmt.Errorf("the schema %q: %w", address, err)
	}
	return r, nil
}

// follow follows a JSON pointer (RFC 6901) from the root of the resource. What is found where no keyword has a schema is
// taken for one.
func (t *target) follow(c *compiler, pointer string) error {
	v, r := t.resource.root, t.resource
	for step := range strings.SplitSeq(pointer, "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		var next *value
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v.items) {
			next = v.items[i]
		} else {
			next = v.members[step]
		}
		if next == nil {
			return fmt.Errorf("the reference #/%s leads nowhere", pointer)
		}
		if v = next; c.places[v] != nil {
			r = c.places[v]
		}
	}
	t.value, t.resource = v, r
	return c.walk(v, r, r.draft != draft4)
}

// nowhere is the address of what has none.
func nowhere() *url.URL { return &url.URL{Scheme: "schema", Path: "/nowhere"} }
