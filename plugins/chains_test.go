// Package plugins_test runs the recorded chains of Kafka Connect through the transforms, predicates and converters
// together.
package plugins_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/condition"
	"github.com/penstock/penstock/plugins/convert"
	"github.com/penstock/penstock/plugins/transform"
)

// TestChains runs chains, also those written as connector properties. What the properties themselves make fail is not
// for here: the flat map is checked in engine/config.
func TestChains(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"chains.jsonl", "ext-chains.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t)
			vector.Run(t, file, func(v *vector.Case) bool {
				return v.Request.Op == "chain" || v.Request.Op == "connector" && v.Request.Record != nil &&
					(v.Expect.OK != nil || v.Expect.Error.Stage == "apply")
			}, r.tolerating)
		})
	}
}

// TestTransformsThenConverters runs the cases of single transforms whose result a converter writes.
func TestTransformsThenConverters(t *testing.T) {
	t.Parallel()
	vector.Run(t, "transforms.jsonl", func(v *vector.Case) bool { return v.Request.Encode != nil }, newRunner(t).try)
}

// tolerating runs a chain whose failures the runtime has wrapped in one of its own, of which the cause counts.
func (r runner) tolerating(v *vector.Case) error {
	if e := v.Expect.Error; e != nil && v.Request.Op == "connector" && len(e.Causes) > 0 {
		e.Class, e.Message = e.Causes[0].Class, e.Causes[0].Message
	}
	return r.try(v)
}

// TestJavaVectors runs what Java's own classes answered where a plugin does as they do: the cast of a number to an int, and
// the pattern that a whole topic has to match.
func TestJavaVectors(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	fns := map[string]func(*vector.Case) (record.Value, error){
		"narrow": func(v *vector.Case) (record.Value, error) {
			d, err := vector.Typed{Schema: []byte(`{"type":"float64"}`), Value: v.Request.Args[1]}.Datum()
			if err != nil {
				return record.Value{}, err
			}
			b := record.NewBatch(record.ToSink, new(record.Partitions))
			b.Append().Value = d
			s, at, err := r.stage(vector.Step{Class: "org.apache.kafka.connect.transforms.Cast$Value", Config: map[string]string{"spec": "int32"}})
			if err != nil {
				return record.Value{}, fmt.Errorf("%s: %w", at, err)
			}
			err = s.apply(b)
			return b.Records[0].Value.Value, err
		},
		"regex_matches": func(v *vector.Case) (record.Value, error) {
			var pattern, topic string
			if err := errors.Join(json.Unmarshal(v.Request.Args[0], &pattern), json.Unmarshal(v.Request.Args[1], &topic)); err != nil {
				return record.Value{}, err
			}
			d, _, _ := r.Class(plugin.PredicateRole, "org.apache.kafka.connect.transforms.predicates.TopicNameMatches")
			p := d.NewPredicate()
			if err := p.Configure(plugin.Config{"pattern": pattern}); err != nil {
				return record.Value{}, vector.Skip("what RE2 does not have is refused by name (engine/plugin: TestPatternRefusesByName): %s", pattern)
			}
			yes, err := p.Test(&record.Record{Topic: topic})
			return record.OfBool(yes), err
		},
	}
	vector.Run(t, "java.jsonl", func(v *vector.Case) bool {
		return fns[v.Request.Fn] != nil && (v.Request.Fn != "narrow" || string(v.Request.Args[0]) == `"int32"`)
	}, func(v *vector.Case) error {
		got, err := fns[v.Request.Fn](v)
		if err != nil {
			return err
		}
		want := record.OfBool(v.Expect.OK.Result)
		if v.Request.Fn == "narrow" {
			if want, err = vector.Value(nil, v.Expect.OK.Value); err != nil {
				return err
			}
		}
		return vector.CompareValue(want, got)
	})
}

// runner makes and runs chains.
type runner struct{ *plugin.Registry }

func newRunner(t *testing.T) runner {
	t.Helper()
	r, err := plugin.NewRegistry(slices.Concat(transform.Descriptors(), condition.Descriptors(), convert.Descriptors()))
	if err != nil {
		t.Fatal(err)
	}
	return runner{r}
}

// stage is a transform with the predicate that guards it, nil for none.
type stage struct {
	plugin.Transform
	guard  plugin.Predicate
	negate bool
}

func (s *stage) apply(b *record.Batch) error {
	if s.guard != nil {
		b.Each(func(i int, r *record.Record) error {
			yes, err := s.guard.Test(r)
			if err == nil && yes == s.negate {
				b.Hide(i)
			}
			return err
		})
	}
	defer b.Show()
	return s.Apply(context.Background(), b)
}

func (r runner) try(v *vector.Case) error {
	steps := v.Request.Chain
	if v.Request.Op == "connector" {
		steps = stepsOf(v.Request.Props)
	}
	var stages []stage
	for i, step := range steps {
		s, at, err := r.stage(step)
		if err != nil {
			return v.Expect.Error.Check(at, i, err)
		}
		stages = append(stages, s)
	}
	b, err := v.Request.Record.Batch()
	if err != nil {
		return err
	}
	if err := r.decode(v.Request.Decode, b); err != nil {
		return err
	}
	for i := range stages {
		if err := stages[i].apply(b); err != nil {
			return err
		}
		if f := b.Failures(); len(f) > 0 {
			if v.Expect.OK != nil && v.Expect.OK.Failed {
				return nil
			}
			return v.Expect.Error.Check("apply", i, f[0].Err)
		}
	}
	return r.check(v, b)
}

func (r runner) stage(step vector.Step) (s stage, at string, err error) {
	d, target, ok := r.Class(plugin.TransformRole, step.Class)
	if !ok {
		return s, "", fmt.Errorf("there is no transform %s", step.Class)
	}
	s = stage{Transform: d.NewTransform(target), negate: step.Negate}
	if err := s.Configure(step.Config); err != nil || step.Predicate == nil {
		return s, "configure", err
	}
	if d, _, ok = r.Class(plugin.PredicateRole, step.Predicate.Class); !ok {
		return s, "", fmt.Errorf("there is no predicate %s", step.Predicate.Class)
	}
	s.guard = d.NewPredicate()
	return s, "configure_predicate", s.guard.Configure(step.Predicate.Config)
}

// stepsOf reads a chain of connector properties.
func stepsOf(props map[string]string) []vector.Step {
	var steps []vector.Step
	for alias := range strings.SplitSeq(props["transforms"], ",") {
		if alias = strings.TrimSpace(alias); alias == "" {
			continue
		}
		settings := under(props, "transforms."+alias+".")
		step := vector.Step{Class: settings["type"], Config: settings, Negate: settings["negate"] == "true"}
		if name, ok := settings["predicate"]; ok {
			guard := under(props, "predicates."+name+".")
			step.Predicate = &struct {
				Class  string
				Config map[string]string
			}{guard["type"], guard}
		}
		steps = append(steps, step)
	}
	return steps
}

func under(props map[string]string, prefix string) map[string]string {
	m := map[string]string{}
	for k, v := range props {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			m[name] = v
		}
	}
	return m
}

func (r runner) converter(c *vector.Coder, use plugin.Use) (plugin.Converter, error) {
	d, _, ok := r.Class(plugin.ConverterRole, c.Class)
	if !ok {
		return nil, fmt.Errorf("there is no converter %s", c.Class)
	}
	conv := d.NewConverter()
	return conv, conv.Configure(c.Config, use)
}

// decode replaces key, value and headers of the record by what converters read.
func (r runner) decode(c *vector.Coders, b *record.Batch) error {
	if c == nil {
		return nil
	}
	rec := &b.Records[0]
	read := func(coder *vector.Coder, use plugin.Use, src []byte) (record.Datum, error) {
		conv, err := r.converter(coder, use)
		if err != nil {
			return record.Datum{}, err
		}
		return conv.ReadData(&b.Arena, rec.Topic, src)
	}
	var errs []error
	if c.Key != nil {
		d, err := read(c.Key, plugin.KeyUse, c.Key.Bytes)
		rec.Key, errs = d, append(errs, err)
	}
	if c.Value != nil {
		d, err := read(c.Value, plugin.ValueUse, c.Value.Bytes)
		rec.Value, errs = d, append(errs, err)
	}
	if c.Headers != nil {
		rec.Headers = nil
		for _, item := range c.Headers.Items {
			src, err := base64.StdEncoding.DecodeString(*item[1])
			d, err2 := read(c.Headers, plugin.HeaderUse, src)
			rec.Headers = append(rec.Headers, record.Header{Key: *item[0], Datum: d})
			errs = append(errs, err, err2)
		}
	}
	return errors.Join(errs...)
}

// check compares what came out with what was recorded, as a record and as bytes.
func (r runner) check(v *vector.Case, b *record.Batch) error {
	want := v.Expect.OK
	switch {
	case want != nil && want.Dropped != b.Dropped(0):
		return fmt.Errorf("dropped: got %t, want %t", b.Dropped(0), want.Dropped)
	case want != nil && want.Dropped:
		return nil
	case want != nil:
		if err := want.Record.Compare(&b.Records[0]); err != nil {
			return err
		}
	}
	if v.Request.Encode == nil {
		return v.Expect.Error.Check("", 0, nil)
	}
	return r.encode(v, &b.Records[0])
}

func (r runner) encode(v *vector.Case, rec *record.Record) error {
	c := v.Request.Encode
	write := func(coder *vector.Coder, use plugin.Use, d record.Datum) ([]byte, error) {
		conv, err := r.converter(coder, use)
		if err != nil {
			return nil, err
		}
		return conv.AppendData([]byte{}, rec.Topic, d)
	}
	var headers [][]byte
	for _, h := range rec.Headers {
		if c.Headers == nil {
			break
		}
		text, err := write(c.Headers, plugin.HeaderUse, h.Datum)
		if err != nil {
			return v.Expect.Error.Check("encode.headers", 0, err)
		}
		headers = append(headers, text)
	}
	var key, value []byte
	var err error
	if c.Key != nil {
		if key, err = write(c.Key, plugin.KeyUse, rec.Key); err != nil {
			return v.Expect.Error.Check("encode.key", 0, err)
		}
	}
	if c.Value != nil {
		if value, err = write(c.Value, plugin.ValueUse, rec.Value); err != nil {
			return v.Expect.Error.Check("encode.value", 0, err)
		}
	}
	if v.Expect.Error != nil {
		return v.Expect.Error.Check("", 0, nil)
	}
	want := v.Expect.OK.Encoded
	var errs []error
	if want.Key != nil {
		errs = append(errs, vector.CompareBytes(want.Key.Bytes, key))
	}
	if want.Value != nil {
		errs = append(errs, vector.CompareBytes(want.Value.Bytes, value))
	}
	if len(want.Headers) != len(headers) {
		return fmt.Errorf("got %d headers, want %d", len(headers), len(want.Headers))
	}
	for i, h := range want.Headers {
		errs = append(errs, vector.CompareBytes(h.Bytes, headers[i]))
	}
	return errors.Join(errs...)
}
