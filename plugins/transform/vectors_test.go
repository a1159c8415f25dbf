package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// skipped are the recorded cases that do not apply, with the reason.
var skipped = map[string]string{
	"311":   "the message holds the identity of a Java object; ours names the field (TestInsertFieldNeedsStaticValue)",
	"379":   repeatedNames,
	"425":   "two entries get one name: the last one wins here, in Java that depends on a hash order",
	"459":   "the message shows the whole record; ours keeps keys and payloads out of messages (TestTimestampRouterNeedsTimestamp)",
	"D1018": "a timestamp of -1 is no timestamp here",
	"D602":  repeatedNames,
	"D608":  repeatedNames,
	"D610":  repeatedNames,
	"D612":  repeatedNames,
	"D613":  repeatedNames,
	"D757":  byteBuffer,
	"D758":  byteBuffer,
	"D1029": noTopic,
	"D1031": "a back-reference is refused (engine/plugin: TestPatternRefusesByName)",
	"D1032": "a look-ahead is refused (engine/plugin: TestPatternRefusesByName)",
	"D1033": "an intersection of classes is refused (engine/plugin: TestPatternRefusesByName)",
	"D1037": "a possessive quantifier is refused (engine/plugin: TestPatternRefusesByName)",
}

const (
	repeatedNames = "repeated names pass only where a transform is configured without a connector, which there is no way " +
		"to do here; connector properties refuse them in both (TestRepeatedNames)"
	noTopic    = "an empty topic, which Kafka does not have, stands for no topic"
	byteBuffer = "a ByteBuffer is a Bytes value here, so the message names byte[]"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"transforms.jsonl", "ext-transforms.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			r := registry(t)
			vector.Run(t, file, r.has, r.try)
		})
	}
}

// chains builds and runs the chains of recorded cases.
type chains struct{ *plugin.Registry }

func registry(t *testing.T) chains {
	t.Helper()
	r, err := plugin.NewRegistry(Descriptors())
	if err != nil {
		t.Fatal(err)
	}
	return chains{r}
}

// has says whether a case needs only what there is.
func (c chains) has(v *vector.Case) bool {
	for _, s := range v.Request.Chain {
		if _, _, ok := c.Class(plugin.TransformRole, s.Class); !ok {
			return false
		}
	}
	return v.Request.Op == "chain"
}

func (c chains) try(v *vector.Case) error {
	if reason, ok := skipped[v.ID]; ok {
		return vector.Skip("%s", reason)
	}
	steps := make([]plugin.Transform, len(v.Request.Chain))
	for i, s := range v.Request.Chain {
		d, target, _ := c.Class(plugin.TransformRole, s.Class)
		steps[i] = d.NewTransform(target)
	}
	return c.run(v, steps)
}

// run configures the steps of a case and takes its record through them.
func (c chains) run(v *vector.Case, steps []plugin.Transform) error {
	for i, s := range v.Request.Chain {
		if err := steps[i].Configure(s.Config); err != nil {
			return v.Expect.Error.Check("configure", i, err)
		}
	}
	if v.Request.Record == nil {
		return v.Expect.Error.Check("", 0, nil)
	}
	b, err := v.Request.Record.Batch()
	if err != nil {
		return err
	}
	before := deep(b.Records[0])
	for i, s := range steps {
		if err := s.Apply(ctx, b); err != nil {
			return fmt.Errorf("transform %d ended the task: %w", i, err)
		}
		if f := b.Failures(); len(f) > 0 {
			if err := unchanged(before, b.Records[0]); err != nil && i == 0 {
				return fmt.Errorf("the record that failed was changed: %w", err)
			}
			return v.Expect.Error.Check("apply", i, f[0].Err)
		}
	}
	return answer(v, b, before)
}

func answer(v *vector.Case, b *record.Batch, before record.Record) error {
	if e := v.Expect.Error; e != nil && strings.HasPrefix(e.Stage, "encode") {
		return nil // the transforms are done; the converter that fails is tested with the chains
	}
	if err := v.Expect.Error.Check("", 0, nil); err != nil {
		return err
	}
	want := v.Expect.OK
	switch {
	case want.Dropped != b.Dropped(0):
		return fmt.Errorf("dropped: got %t, want %t", b.Dropped(0), want.Dropped)
	case want.Dropped:
		return nil
	case want.Same:
		if err := unchanged(before, b.Records[0]); err != nil {
			return fmt.Errorf("the record is not the same: %w", err)
		}
	}
	return want.Record.Compare(&b.Records[0])
}

// deep copies a record with all that it refers to.
func deep(r record.Record) record.Record {
	r.Key.Value, r.Value.Value = r.Key.Value.Clone(), r.Value.Value.Clone()
	r.Headers = slices.Clone(r.Headers)
	for i := range r.Headers {
		r.Headers[i].Value = r.Headers[i].Value.Clone()
	}
	return r
}

// unchanged says what differs between a record and its deep copy of before. Schemas must be the same objects.
func unchanged(before, after record.Record) error {
	if before.Key.Schema != after.Key.Schema || before.Value.Schema != after.Value.Schema {
		return errors.New("a schema is another object")
	}
	if before.Topic != after.Topic || before.Partition != after.Partition || before.Timestamp != after.Timestamp {
		return fmt.Errorf("got %s/%d at %d, want %s/%d at %d", after.Topic, after.Partition, after.Timestamp,
			before.Topic, before.Partition, before.Timestamp)
	}
	return errors.Join(vector.CompareDatum(before.Key, after.Key), vector.CompareDatum(before.Value, after.Value),
		vector.CompareHeaders(before.Headers, after.Headers))
}

func TestPathVectors(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"predicates.jsonl", "ext-predicates.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			vector.Run(t, file, func(v *vector.Case) bool { return v.Request.Op == "path" }, func(v *vector.Case) error {
				p, err := newPath(v.Request.Path, v.Request.Version)
				if err != nil || v.Expect.Error != nil {
					return v.Expect.Error.Check("configure", 0, err)
				}
				if !slices.Equal(p.steps, v.Expect.OK.Path) {
					return fmt.Errorf("got %q, want %q", p.steps, v.Expect.OK.Path)
				}
				return nil
			})
		})
	}
}

// TestJavaVectors runs what Java's own classes answered: dates of SimpleDateFormat, and replacements of Matcher.
func TestJavaVectors(t *testing.T) {
	t.Parallel()
	fns := map[string]func(args []string) (record.Value, error){
		"date_format": func(args []string) (record.Value, error) {
			f, err := parseDateFormat(args[0], time.Now())
			if err != nil {
				return record.Value{}, err
			}
			millis, err := strconv.ParseInt(args[1], 10, 64)
			return record.OfText(f.append(nil, millis)), err
		},
		"date_parse": func(args []string) (record.Value, error) {
			f, err := parseDateFormat(args[0], time.Now())
			if err != nil {
				return record.Value{}, err
			}
			millis, ok := f.parse(args[1])
			if !ok {
				return record.Value{}, errors.New("unparseable date")
			}
			return record.OfInstant(millis), nil
		},
		"replace_first": func(args []string) (record.Value, error) {
			p, err := plugin.ParsePattern(args[0])
			if err != nil {
				return record.Value{}, err
			}
			tmpl, err := parseTemplate(args[1], p.SubexpNames())
			if err != nil {
				return record.Value{}, err
			}
			return record.OfString(tmpl.replaceFirst(p, args[2])), nil
		},
	}
	vector.Run(t, "java.jsonl", func(v *vector.Case) bool { return fns[v.Request.Fn] != nil }, func(v *vector.Case) error {
		args := make([]string, len(v.Request.Args))
		for i, a := range v.Request.Args {
			if err := json.Unmarshal(a, &args[i]); err != nil {
				return err
			}
		}
		got, err := fns[v.Request.Fn](args)
		if err != nil || v.Expect.Error != nil {
			return v.Expect.Error.Check("apply", 0, err)
		}
		want := v.Expect.OK.Typed
		if v.Expect.OK.String != nil {
			return vector.CompareValue(record.OfString(*v.Expect.OK.String), got)
		}
		d, err := want.Datum()
		if err != nil {
			return err
		}
		return vector.CompareValue(d.Value, got)
	})
}
