package schema

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/jsonschema"
)

// jsonSchema is a JSON Schema of any draft.
type jsonSchema struct {
	root *node
	docs *jsonDocuments
}

func parseJSONSchema(text string, refs []Dependency) (Schema, error) {
	root, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	docs := &jsonDocuments{byName: map[string]*node{}}
	for _, ref := range refs {
		n, err := parseDocument(ref.Text)
		if err != nil {
			return nil, fmt.Errorf("reference %s: %w", ref.Name, err)
		}
		docs.names = append(docs.names, ref.Name)
		docs.byName[ref.Name] = n
	}
	// Patterns that Go has no expressions for are taken: what a schema is used for elsewhere has its own engine.
	if _, err := jsonschema.Compile([]byte(text), jsonschema.Settings{Load: docs.load, Lenient: true}); err != nil {
		return nil, err
	}
	return &jsonSchema{root, docs}, nil
}

// jsonDocuments are the schemas that another refers to. Nothing is ever fetched.
type jsonDocuments struct {
	names  []string
	byName map[string]*node
}

// find is the document at an address: the reference with this name, with a name at its end, or with this $id.
func (d *jsonDocuments) find(address string) *node {
	address = strings.TrimSuffix(address, "#")
	if n := d.byName[address]; n != nil {
		return n
	}
	for _, name := range d.names {
		n := d.byName[name]
		id := strings.TrimSuffix(n.get("$id").text(), "#")
		if strings.HasSuffix(address, "/"+strings.TrimPrefix(name, "/")) || id != "" && (id == address || strings.HasSuffix(address, "/"+id)) {
			return n
		}
	}
	return nil
}

// load gives the document at an address.
func (d *jsonDocuments) load(address string) ([]byte, error) {
	n := d.find(address)
	if n == nil {
		return nil, fmt.Errorf("%s is no reference", address)
	}
	return []byte(n.String()), nil
}

func (s *jsonSchema) Canonical() string                { return s.root.String() }
func (s *jsonSchema) Normalized() string               { return string(s.root.append(nil, true)) }
func (s *jsonSchema) Formatted(string) (string, error) { return s.Canonical(), nil }

// resolve follows a $ref that stands in a document. An unknown one takes anything.
func (d *jsonDocuments) resolve(ref string, in *node) (target, doc *node) {
	address, fragment, _ := strings.Cut(ref, "#")
	doc = in
	if address != "" && address != in.get("$id").text() {
		if doc = d.find(address); doc == nil {
			if doc = anchored(in, "$id", address); doc == nil {
				return nil, in
			}
		}
	}
	fragment, err := url.PathUnescape(fragment)
	switch {
	case err != nil:
		return nil, in
	case fragment == "":
		return doc, doc
	case fragment[0] != '/':
		if target = anchored(doc, "$anchor", fragment); target == nil {
			target = anchored(doc, "$id", "#"+fragment)
		}
		return target, doc
	}
	target = doc
	for step := range strings.SplitSeq(fragment[1:], "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if target != nil && target.kind == '[' {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(target.items) {
				return nil, doc
			}
			target = target.items[i]
			continue
		}
		target = target.get(step)
	}
	return target, doc
}

// anchored is the part of a document that has a name.
func anchored(n *node, member, name string) *node {
	if n.get(member).text() == name {
		return n
	}
	for _, m := range n.members {
		if found := anchored(m.value, member, name); found != nil {
			return found
		}
	}
	for _, item := range n.items {
		if found := anchored(item, member, name); found != nil {
			return found
		}
	}
	return nil
}
