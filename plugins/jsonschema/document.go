package jsonschema

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/plugins/registry"
)

// document is one text: a schema, or one that another refers to.
type document struct {
	name   string // by which others refer to it; "" of the schema itself
	node   *node
	modern bool // of a draft after the seventh
	fourth bool // of the fourth draft
}

// documents are a schema and those that it refers to. Nothing is ever fetched.
type documents struct {
	root   *document
	others []*document
}

// newDocuments reads the texts. With old, drafts after the seventh count as the seventh.
func newDocuments(t registry.Text, old bool) (*documents, error) {
	d := &documents{}
	var err error
	if d.root, err = newDocument("", t.Schema, old); err != nil {
		return nil, err
	}
	for _, r := range t.Resolved {
		other, err := newDocument(r.Name, r.Schema, old)
		if err != nil {
			return nil, fmt.Errorf("the schema %s, to which another refers: %w", r.Name, err)
		}
		d.others = append(d.others, other)
	}
	return d, nil
}

func newDocument(name, text string, old bool) (*document, error) {
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	dialect := n.get("$schema").text()
	return &document{name: name, node: n, modern: isModern(dialect) && !old, fourth: strings.Contains(dialect, "/draft-04/")}, nil
}

func (d *document) id() string {
	if d.fourth {
		return d.node.get("id").text()
	}
	return d.node.get("$id").text()
}

// find is the document at an address: the reference with this name, with a name at its end, or with this $id.
func (d *documents) find(address string) *document {
	for _, other := range d.others {
		if other.name == address {
			return other
		}
	}
	for _, other := range d.others {
		id := strings.TrimSuffix(other.id(), "#")
		if strings.HasSuffix(address, "/"+strings.TrimPrefix(strings.TrimPrefix(other.name, "."), "/")) || strings.TrimPrefix(address, "./") == other.name ||
			id != "" && (id == address || strings.HasSuffix(address, "/"+id)) {
			return other
		}
	}
	return nil
}

// resolve follows a $ref that stands in a document; target is nil if it leads nowhere.
func (d *documents) resolve(ref string, in *document) (target *node, doc *document) {
	address, fragment, _ := strings.Cut(ref, "#")
	doc = in
	if address != "" && address != strings.TrimSuffix(in.id(), "#") {
		if doc = d.find(address); doc == nil {
			// It may be a part of this document that has an address of its own.
			if target = anchored(in.node, address, 0); target == nil {
				return nil, in
			}
			if fragment == "" {
				return target, in
			}
			return pointed(target, fragment), in
		}
	}
	fragment, err := url.PathUnescape(fragment)
	switch {
	case err != nil:
		return nil, doc
	case fragment == "" || fragment == "/":
		// An identity that is just a fragment, as Confluent's converter gives to what refers to itself.
		if strings.HasSuffix(ref, "#") || address != "" {
			return doc.node, doc
		}
		return nil, doc
	case fragment[0] != '/':
		return anchored(doc.node, "#"+fragment, 0), doc
	}
	if target = pointed(doc.node, fragment); target == nil {
		if rest, ok := strings.CutPrefix(fragment, "/$defs/"); ok {
			target = pointed(doc.node, "/definitions/"+rest)
		}
	}
	return target, doc
}

// pointed follows a JSON pointer.
func pointed(n *node, pointer string) *node {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = unescape.Replace(step)
		if n.kind() == '[' {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.items) {
				return nil
			}
			n = n.items[i]
			continue
		}
		if n = n.get(step); n == nil {
			return nil
		}
	}
	return n
}

// anchored is the part of a document that has a name of its own, which begins with # if it is an anchor.
func anchored(n *node, name string, depth int) *node {
	if depth > 4*deepest {
		return nil
	}
	for _, word := range []string{"$id", "id"} {
		if n.get(word).text() == name {
			return n
		}
	}
	if anchor, ok := strings.CutPrefix(name, "#"); ok && n.get("$anchor").text() == anchor {
		return n
	}
	for _, m := range n.members {
		if found := anchored(m.value, name, depth+1); found != nil {
			return found
		}
	}
	for _, item := range n.items {
		if found := anchored(item, name, depth+1); found != nil {
			return found
		}
	}
	return nil
}
