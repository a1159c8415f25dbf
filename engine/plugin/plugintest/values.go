package plugintest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/record"
)

// Partition makes the source partition {"name": name} that [Row] uses.
func Partition(name string) record.Value {
	return record.OfMap([]record.Value{record.OfString("name"), record.OfString(name)})
}

// Offset makes the source offset {"n": n} that [Row] uses.
func Offset(n int64) record.Value {
	return record.OfMap([]record.Value{record.OfString("n"), record.OfInt64(n)})
}

// PartitionText is a partition in a form for maps and messages of tests: its strings and
// integers joined by "/", in order, the rest by kind.
func PartitionText(v record.Value) string {
	var words []string
	for i, e := range v.Elements() {
		switch {
		case i%2 == 0:
		case e.Kind() == record.String:
			words = append(words, e.Text())
		case e.Kind() == record.Int64 || e.Kind() == record.Int32:
			words = append(words, strconv.FormatInt(e.Int(), 10))
		default:
			words = append(words, e.Kind().String())
		}
	}
	return strings.Join(words, "/")
}

// Clone copies a record with all that it refers to, so that it outlives its batch.
func Clone(r record.Record) record.Record {
	r.Topic = strings.Clone(r.Topic)
	r.Key.Value, r.Value.Value = r.Key.Value.Clone(), r.Value.Value.Clone()
	r.Headers = slices.Clone(r.Headers)
	for i := range r.Headers {
		r.Headers[i].Key = strings.Clone(r.Headers[i].Key)
		r.Headers[i].Value = r.Headers[i].Value.Clone()
	}
	r.Position.Offset = r.Position.Offset.Clone()
	return r
}

// longest is how long a helper waits for what must happen when the test has no deadline of its own.
const longest = 30 * time.Second

// patience is a channel that delivers when a test should give up, some time before its own deadline.
func patience(t testing.TB) <-chan time.Time {
	t.Helper()
	wait := longest
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, set := d.Deadline(); set {
			wait = min(wait, max(time.Until(at)-time.Second, time.Millisecond))
		}
	}
	return time.After(wait)
}
