package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/penstock/penstock/plugins/jackson"
)

// node is a value of a schema's text. It does not change once read.
type node struct {
	raw     jsontext.Value // as it was written, without white space
	members []member       // of an object; of members of one name only the last, in the place of the first
	items   []*node        // of an array
}

type member struct {
	name  string
	value *node
}

// Bounds of a schema's text.
const (
	deepest   = 200 // how far types nest
	mostNodes = 200_000
)

// parse reads a text. Depth and size are checked before anything is made of it.
func parse(text string) (*node, error) {
	raw := jsontext.Value(text)
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the schema is empty")
	}
	d := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true))
	for n := 0; ; n++ {
		if _, err := d.ReadToken(); err != nil {
			break // an end or a mistake, which is found below
		}
		if d.StackDepth() > 4*deepest {
			return nil, fmt.Errorf("the schema nests deeper than %d types", deepest)
		}
		if n > mostNodes {
			return nil, fmt.Errorf("the schema has more than %d parts", mostNodes)
		}
	}
	if !raw.IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, errors.New("the schema is no JSON")
	}
	if err := raw.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, err
	}
	d = jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	return read(d)
}

func read(d *jsontext.Decoder) (*node, error) {
	switch d.PeekKind() {
	case '{':
		return readObject(d)
	case '[':
		n := &node{raw: jsontext.Value("[]")}
		if _, err := d.ReadToken(); err != nil {
			return nil, err
		}
		for d.PeekKind() != ']' {
			item, err := read(d)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err := d.ReadToken()
		return n, err
	}
	v, err := d.ReadValue()
	return &node{raw: v.Clone()}, err
}

func readObject(d *jsontext.Decoder) (*node, error) {
	n := &node{raw: jsontext.Value("{}")}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	places := map[string]int{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		v, err := read(d)
		if err != nil {
			return nil, err
		}
		if i, twice := places[key]; twice {
			n.members[i].value = v
			continue
		}
		places[key] = len(n.members)
		n.members = append(n.members, member{key, v})
	}
	_, err := d.ReadToken()
	return n, err
}

// kind is that of jsontext: '{', '[', '"', '0', 't', 'f' or 'n'; 0 of nothing.
func (n *node) kind() jsontext.Kind {
	if n == nil {
		return 0
	}
	return n.raw.Kind()
}

// get is a member of an object; nil if there is none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return n.members[i].value
		}
	}
	return nil
}

func (n *node) hasAny(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return n.get(name) != nil })
}

// text is the content of a string, "" of anything else.
func (n *node) text() string {
	if n.kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, n.raw)
	if err != nil {
		return ""
	}
	return string(b)
}

// append writes the value with the members of objects in an order.
func (n *node) append(dst []byte, order func([]member) []member) []byte {
	switch n.kind() {
	case '{':
		dst = append(dst, '{')
		for i, m := range order(n.members) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jackson.AppendPlain(dst, m.name), ':')
			dst = m.value.append(dst, order)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst, order)
		}
		return append(dst, ']')
	}
	return append(dst, n.raw...)
}

// asWritten is the order of the text.
func asWritten(ms []member) []member { return ms }
