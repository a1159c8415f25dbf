package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds on what is parsed: what exceeds them is refused before a parser sees it.
const (
	maxDepth  = 200     // nesting of brackets and braces in a schema
	maxSchema = 4 << 20 // bytes of a schema
)

// errDeep refuses a text for its shape.
var errDeep = fmt.Errorf("it is nested deeper than %d levels", maxDepth)

// bounded refuses texts that would cost a parser too much stack, in any of the three languages. Quotes hide
// brackets; comments may not, since nobody nests two hundred levels in one.
func bounded(text string) error {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && (c == quote || c == '\n'):
			quote = 0
		case quote != 0:
		case c == '"':
			quote = c
		case c == '{' || c == '[' || c == '(' || c == '<':
			if depth++; depth > maxDepth {
				return errDeep
			}
		case c == '}' || c == ']' || c == ')' || c == '>':
			depth = max(depth-1, 0)
		}
	}
	return nil
}

// node is a JSON value that keeps the order of members and the spelling of numbers, as Jackson's trees do. Exactly one of
// the groups is in use: members for an object, items for an array, scalar for the rest.
type node struct {
	kind    byte // '{', '[', '"', '0', 't', 'f', 'n'
	members []member
	items   []*node
	scalar  string // a string's text, or a number as written
}

type member struct {
	name  string
	value *node
}

// parseDocument parses one JSON text. Of members with the same name the last counts, in the place of the first.
func parseDocument(text string) (*node, error) {
	if err := bounded(text); err != nil {
		return nil, err
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not valid UTF-8")
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the end of the JSON value")
	}
	return n, nil
}

func readNode(d *json.Decoder) (*node, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(d)
		}
		return readArray(d)
	case string:
		return &node{kind: '"', scalar: t}, nil
	case json.Number:
		return &node{kind: '0', scalar: t.String()}, nil
	case bool:
		if t {
			return &node{kind: 't'}, nil
		}
		return &node{kind: 'f'}, nil
	default:
		return &node{kind: 'n'}, nil
	}
}

func readObject(d *json.Decoder) (*node, error) {
	n := &node{kind: '{'}
	at := map[string]int{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // the decoder lets nothing else be a name
		v, err := readNode(d)
		if err != nil {
			return nil, err
		}
		if i, again := at[name]; again {
			n.members[i].value = v
			continue
		}
		at[name] = len(n.members)
		n.members = append(n.members, member{name, v})
	}
	_, err := d.Token()
	return n, err
}

func readArray(d *json.Decoder) (*node, error) {
	n := &node{kind: '['}
	for d.More() {
		v, err := readNode(d)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, v)
	}
	_, err := d.Token()
	return n, err
}

// get is a member's value, nil without one or when n is no object.
func (n *node) get(name string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return n.members[i].value
		}
	}
	return nil
}

func (n *node) isString() bool { return n != nil && n.kind == '"' }

// text is the text of a string, "" of anything else.
func (n *node) text() string {
	if n.isString() {
		return n.scalar
	}
	return ""
}

// strings are the strings of an array; of one string itself.
func (n *node) strings() []string {
	if n.isString() {
		return []string{n.scalar}
	}
	var all []string
	if n != nil && n.kind == '[' {
		for _, item := range n.items {
			if item.isString() {
				all = append(all, item.scalar)
			}
		}
	}
	return all
}

// append prints a value without white space; sorted puts members in the order of their names, at every depth.
func (n *node) append(dst []byte, sorted bool) []byte {
	switch n.kind {
	case '{':
		members := n.members
		if sorted {
			members = slices.SortedFunc(slices.Values(members), func(a, b member) int { return strings.Compare(a.name, b.name) })
		}
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, m.name), ':')
			dst = m.value.append(dst, sorted)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst, sorted)
		}
		return append(dst, ']')
	case '"':
		return AppendString(dst, n.scalar)
	case '0':
		return append(dst, n.scalar...)
	case 't':
		return append(dst, "true"...)
	case 'f':
		return append(dst, "false"...)
	default:
		return append(dst, "null"...)
	}
}

func (n *node) String() string { return string(n.append(nil, false)) }

// same reports whether two values are equal as JSON, whatever the order of their members.
func same(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.append(nil, true), b.append(nil, true))
}

// AppendString prints a JSON string, with the escapes that Jackson uses and no other.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
				continue
			}
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
