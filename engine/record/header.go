package record

import (
	"fmt"
	"slices"
)

// NewHeader makes a header whose value is of its schema's class, as far as the value itself goes, not the parts of an array,
// map or struct (Kafka Connect: ConnectHeaders.add). Without a schema any value will do.
func NewHeader(key string, d Datum) (Header, error) {
	h := Header{key, d}
	if d.Schema == nil {
		return h, nil
	}
	switch k := d.Value.Kind(); {
	case k == Null && d.Schema.Optional, k == d.Schema.Kind:
		return h, nil
	case k == Null:
		return Header{}, fmt.Errorf("A null value requires an optional schema but was %s", d.Schema) //nolint:staticcheck // Kafka Connect's words
	case k == d.Schema.class() && d.Schema.Kind == baseOf(d.Schema.Name):
		return h, nil
	}
	return Header{}, fmt.Errorf("The value %s is not compatible with the schema %s", d.AppendJava(nil), d.Schema) //nolint:staticcheck // Kafka Connect's words
}

// baseOf is the type of a logical type's schema.
func baseOf(logical string) Kind {
	switch logical {
	case DecimalName:
		return Bytes
	case DateName, TimeName:
		return Int32
	case TimestampName:
		return Int64
	}
	return Null
}

// RemoveHeaders takes away the headers of a key. What is left keeps its order and lies in the memory of hs.
func RemoveHeaders(hs []Header, key string) []Header {
	return slices.DeleteFunc(hs, func(h Header) bool { return h.Key == key })
}

// RetainLatest leaves the last of the headers of a key (Kafka Connect: Headers.retainLatest), likewise.
func RetainLatest(hs []Header, key string) []Header {
	return retain(hs, func(i int) bool { return hs[i].Key != key || !hasKey(hs[i+1:], key) })
}

// RetainLatestOfEach leaves the last header of each key, likewise.
func RetainLatestOfEach(hs []Header) []Header {
	return retain(hs, func(i int) bool { return !hasKey(hs[i+1:], hs[i].Key) })
}

func hasKey(hs []Header, key string) bool {
	return slices.ContainsFunc(hs, func(h Header) bool { return h.Key == key })
}

// retain asks for each header while those behind it still stand.
func retain(hs []Header, keep func(i int) bool) []Header {
	kept := 0
	for i := range hs {
		if keep(i) {
			hs[kept] = hs[i]
			kept++
		}
	}
	clear(hs[kept:])
	return hs[:kept]
}
