package topic

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// member is a member of a source partition; value is its JSON.
type member struct {
	name  string
	value []byte
}

// partitionMembers reads an object; ok is false for any other JSON, and for what is none.
func partitionMembers(partition []byte) (all []member, ok bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(partition), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '{' {
		return nil, false
	}
	err := object(d, func(name string, d *jsontext.Decoder) error {
		raw, err := d.ReadValue()
		all = append(all, member{name, canonicalValue(raw)})
		return err
	})
	return all, err == nil && d.PeekKind() == 0
}

// canonicalValue is the one form of a scalar: texts may be escaped in several ways.
func canonicalValue(raw jsontext.Value) []byte {
	if raw.Kind() != '"' {
		return bytes.Clone(raw)
	}
	s, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return bytes.Clone(raw)
	}
	return appendText(nil, string(s))
}

// canonical is the form in which partitions are the same when their bytes are: members sorted by name, nothing between
// them, texts as Jackson writes them. What is no object stays.
func canonical(partition []byte) string {
	all, ok := partitionMembers(partition)
	if !ok {
		return string(partition)
	}
	slices.SortStableFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return string(appendMembers(nil, all))
}

func appendMembers(dst []byte, all []member) []byte {
	dst = append(dst, '{')
	for i, m := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, m.name), ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}')
}

// newKey is the key of a partition that has none yet: ["instance",{partition}], its members in the order in which a
// java.util.HashMap of them is written, since a worker of Kafka Connect looks for these very bytes.
func newKey(instance string, partition string) []byte {
	key := append(appendText([]byte{'['}, instance), ',')
	if all, ok := partitionMembers([]byte(partition)); ok {
		key = appendMembers(key, javaOrder(all))
	} else {
		key = append(key, partition...)
	}
	return append(key, ']')
}

// javaOrder sorts members by their buckets in a java.util.HashMap that they were put into one after the other.
func javaOrder(sorted []member) []member {
	capacity := 16
	for len(sorted)*4 > capacity*3 {
		capacity *= 2
	}
	bucket := func(m member) int {
		var h int32
		for _, u := range utf16.Encode([]rune(m.name)) {
			h = 31*h + int32(u)
		}
		return int(uint32(h)^uint32(h)>>16) & (capacity - 1)
	}
	slices.SortStableFunc(sorted, func(a, b member) int { return bucket(a) - bucket(b) })
	return sorted
}

// splitKey takes the key of an offset apart.
func splitKey(key []byte) (instance string, partition []byte, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(key), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return "", nil, errValue
	}
	if d.PeekKind() != '"' {
		return "", nil, errValue
	}
	instance, _, err = text(d)
	if err != nil {
		return "", nil, err
	}
	raw, err := d.ReadValue()
	if err != nil {
		return "", nil, fmt.Errorf("no partition: %w", err)
	}
	partition = bytes.Clone(raw)
	if t, err := d.ReadToken(); err != nil || t.Kind() != ']' {
		return "", nil, errValue
	}
	return instance, partition, nil
}
