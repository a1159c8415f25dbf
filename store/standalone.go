package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadStandalone reads the file in which a standalone worker of Kafka Connect keeps source offsets
// (offset.storage.file.filename, FileOffsetBackingStore): a Java-serialised HashMap<byte[], byte[]>, by instance. An empty
// file has none, and entries without a value are left out. The error is [ErrDamaged] for anything else.
func ReadStandalone(file []byte) (map[string][]Offset, error) {
	if len(file) == 0 {
		return nil, nil
	}
	pairs, err := javaMap(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	all := map[string][]Offset{}
	for i := 0; i < len(pairs); i += 2 {
		instance, partition, err := standaloneKey(pairs[i])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if pairs[i+1] == nil || string(bytes.TrimSpace(pairs[i+1])) == "null" {
			continue
		}
		value, err := sortMembers(pairs[i+1])
		if err != nil {
			return nil, fmt.Errorf("%w: the offset of a partition of %s: %w", ErrDamaged, instance, err)
		}
		all[instance] = append(all[instance], Offset{partition, value})
	}
	return all, nil
}

// standaloneKey takes ["instance",{partition}] apart.
func standaloneKey(key []byte) (instance string, partition []byte, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(key))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return "", nil, errors.New("a key is not a JSON array")
	}
	name, err := d.ReadToken()
	if err != nil || name.Kind() != '"' {
		return "", nil, errors.New("a key does not begin with the name of a connector")
	}
	instance = name.String()
	raw, err := d.ReadValue()
	if err != nil {
		return "", nil, fmt.Errorf("a key of %s has no partition", instance)
	}
	if partition, err = sortMembers(raw); err != nil {
		return "", nil, fmt.Errorf("a partition of %s: %w", instance, err)
	}
	if t, err := d.ReadToken(); err != nil || t.Kind() != ']' {
		return "", nil, fmt.Errorf("a key of %s has more than a partition", instance)
	}
	return instance, partition, nil
}

// sortMembers writes an object with its members sorted by name and nothing between them, as [Offsets] has them; null stays.
func sortMembers(object []byte) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	switch t, err := d.ReadToken(); {
	case err != nil:
		return nil, errors.New("it is not JSON")
	case t.Kind() == 'n':
		return []byte("null"), nil
	case t.Kind() != '{':
		return nil, errors.New("it is not a JSON object")
	}
	type member struct{ name, text string }
	var members []member
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return nil, errors.New("it is not JSON")
		}
		name, err := jsontext.AppendUnquote(nil, quoted)
		text := string(quoted) + ":"
		if err != nil {
			return nil, errors.New("it is not JSON")
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, errors.New("it is not JSON")
		}
		members = append(members, member{string(name), text + string(value)})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, m.text...)
	}
	return append(out, '}'), nil
}

// The parts of the Java object serialization protocol, §6.4.2, of which a HashMap of byte arrays is made.
const (
	javaHead   = "\xac\xed\x00\x05"
	javaMapHas = "sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02F\x00\x0aloadFactorI\x00\x09thresholdxp"
	javaBytes  = "ur\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00xp"
	javaAgain  = "uq\x00\x7e\x00\x02" // an array of the class that was described before
	javaNull   = 'p'
	javaEnd    = 'x'
)

// javaMap reads the keys and values of a serialised HashMap<byte[], byte[]>, in turn; nil is null.
func javaMap(file []byte) ([][]byte, error) {
	r := javaReader{rest: file}
	if !r.skip(javaHead) {
		return nil, errors.New("it does not begin like a serialised Java object")
	}
	if !r.skip(javaMapHas) {
		return nil, errors.New("it holds another Java object than a HashMap")
	}
	// Load factor and threshold; a block of 8 bytes with capacity and size.
	if _, ok := r.take(8); !ok || !r.skip("w\x08") {
		return nil, errors.New("it ends inside the HashMap")
	}
	sizes, ok := r.take(8)
	if !ok {
		return nil, errors.New("it ends inside the HashMap")
	}
	size := int(binary.BigEndian.Uint32(sizes[4:]))
	var pairs [][]byte
	for range size {
		for range 2 {
			b, err := r.array()
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, b)
		}
		if pairs[len(pairs)-2] == nil {
			return nil, errors.New("a key is null")
		}
	}
	if !r.skip(string(javaEnd)) || len(r.rest) > 0 {
		return nil, errors.New("something follows the last entry")
	}
	return pairs, nil
}

type javaReader struct {
	rest      []byte
	described bool // the class of byte arrays was
}

func (r *javaReader) skip(text string) bool {
	if !bytes.HasPrefix(r.rest, []byte(text)) {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

func (r *javaReader) take(n int) ([]byte, bool) {
	if n > len(r.rest) {
		return nil, false
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, true
}

// array reads an array of bytes, or null.
func (r *javaReader) array() ([]byte, error) {
	switch {
	case r.skip(string(javaNull)):
		return nil, nil
	case !r.described && r.skip(javaBytes):
		r.described = true
	case r.described && r.skip(javaAgain):
	default:
		return nil, errors.New("an entry is neither an array of bytes nor null")
	}
	size, ok := r.take(4)
	if !ok {
		return nil, errors.New("it ends inside an entry")
	}
	b, ok := r.take(int(binary.BigEndian.Uint32(size)))
	if !ok {
		return nil, errors.New("it ends inside an entry")
	}
	return b, nil
}
