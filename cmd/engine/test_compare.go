package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/hcl"
)

// comparing takes the records of a test through a chain and compares what comes out.
type comparing struct {
	trial            *engine.Trial
	instance         *graph.Instance
	plain, enveloped plugin.Converter // JSON without schemas, and with them
	verbose          bool
	steps            []string

	// What became of the records, for rewriting the test.
	out    []shownRecord
	failed []hcl.ExpectedError // that nobody expected
	missed []int               // expected failures that there were none of, by their number
}

// jsonConverters are what tests write their data with.
func jsonConverters(r *plugin.Registry) (plain, enveloped plugin.Converter, err error) {
	d, ok := r.Alias(plugin.ConverterRole, "json")
	if !ok {
		return nil, nil, fmt.Errorf("there is no JSON converter")
	}
	plain, enveloped = d.NewConverter(), d.NewConverter()
	if err = plain.Configure(plugin.Config{"schemas.enable": "false"}, plugin.ValueUse); err == nil {
		err = enveloped.Configure(plugin.Config{"schemas.enable": "true"}, plugin.ValueUse)
	}
	return plain, enveloped, err
}

// compare says what is not as expected, a line each.
func (c *comparing) compare(ctx context.Context, t hcl.Test) []string {
	failures := slices.Clone(t.Errors)
	var wrong []string
	for n, in := range t.Records {
		o, stage, err := c.feed(ctx, in, n)
		if err == nil {
			stage, err = o.Stage, o.Err
		}
		if err != nil {
			said := c.failure(stage, err, &failures)
			if said != "" {
				wrong = append(wrong, said, "record at "+in.Place.String())
			}
			continue
		}
		for i := range o.Records {
			c.out = append(c.out, c.show(&o.Records[i]))
		}
	}
	for _, f := range failures {
		wrong = append(wrong, fmt.Sprintf("expected a record to fail%s, and none did", of(f)), "expected at "+f.Place.String())
		c.missed = append(c.missed, slices.Index(t.Errors, f))
	}
	return append(wrong, c.against(t, c.out)...)
}

func of(f hcl.ExpectedError) string {
	if f.Stage == "" {
		return ""
	}
	return " in " + f.Stage
}

// failure takes a failure off the expected ones; it says what is wrong when there is none of its kind.
func (c *comparing) failure(stage string, err error, expected *[]hcl.ExpectedError) string {
	queue := ""
	if d := c.instance.Task.DeadLetter; d != nil && c.instance.Task.Errors.TolerateAll {
		queue = d.Topic
	}
	i := slices.IndexFunc(*expected, func(e hcl.ExpectedError) bool {
		return (e.Stage == "" || e.Stage == stage) && strings.Contains(err.Error(), e.Message) && (e.Topic == "" || e.Topic == queue)
	})
	if i < 0 {
		where := "the task would fail"
		if c.instance.Task.Errors.TolerateAll {
			where = "it would be skipped"
		}
		if queue != "" {
			where = fmt.Sprintf("it would go to the dead letter queue %q", queue)
		}
		c.failed = append(c.failed, hcl.ExpectedError{Stage: stage, Topic: queue})
		return fmt.Sprintf("a record failed in %s: %s; %s", stage, err, where)
	}
	*expected = slices.Delete(*expected, i, i+1)
	return ""
}

// feed takes one record through the chain. The stage is that of a converter that failed.
func (c *comparing) feed(ctx context.Context, in hcl.TestRecord, n int) (o engine.Outcome, stage string, err error) {
	b := &record.Batch{Partitions: &record.Partitions{}}
	r := b.Append()
	r.Topic, r.Partition, r.Timestamp = in.Topic, in.Partition, in.Timestamp
	if r.Topic == "" && len(c.instance.Task.Topics) > 0 {
		r.Topic = c.instance.Task.Topics[0]
	}
	if r.Timestamp < 0 {
		r.Timestamp = record.NoTimestamp
	}
	if in.Offset >= 0 {
		r.Position.Offset = record.OfInt64(in.Offset)
	}
	if r.Key, err = c.datum(b, in.Key, in.KeySchema); err != nil {
		return o, "record.key", err
	}
	switch {
	case in.Bytes != nil:
		r.Value, stage, err = c.trial.Read(plugin.ValueUse, b, r.Topic, in.Bytes)
	default:
		stage = "record.value"
		r.Value, err = c.datum(b, in.Value, in.ValueSchema)
	}
	if err != nil {
		return o, stage, err
	}
	if err := c.headers(b, r, in.Headers); err != nil {
		return o, "record.headers", err
	}
	if len(c.instance.Task.Chain) > 0 {
		c.steps = append(c.steps, fmt.Sprintf("record %d", n+1))
	}
	before := c.show(r)
	o = c.trial.Run(ctx, b)
	c.trace(before, o)
	return o, "", nil
}

// datum reads JSON, with a schema in Kafka Connect's form when there is one.
func (c *comparing) datum(b *record.Batch, text, schema []byte) (record.Datum, error) {
	if text == nil || schema == nil && string(text) == "null" {
		return record.Datum{}, nil
	}
	if schema == nil {
		return c.plain.ReadData(&b.Arena, "", text)
	}
	whole := slices.Concat([]byte(`{"schema":`), schema, []byte(`,"payload":`), text, []byte{'}'})
	return c.enveloped.ReadData(&b.Arena, "", whole)
}

func (c *comparing) headers(b *record.Batch, r *record.Record, text []byte) error {
	if text == nil {
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("read headers: %w", err)
	}
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d, err := c.datum(b, all[name], nil)
		if err != nil {
			return fmt.Errorf("read header %s: %w", name, err)
		}
		r.Headers = append(r.Headers, record.Header{Key: name, Datum: d})
	}
	return nil
}

// shownRecord is a record as a test compares it.
type shownRecord struct {
	topic                string
	partition, timestamp int64
	key, value           any
	headers              map[string]any
}

func (c *comparing) show(r *record.Record) shownRecord {
	s := shownRecord{topic: r.Topic, partition: int64(r.Partition), timestamp: r.Timestamp, key: c.value(r.Key), value: c.value(r.Value), headers: map[string]any{}}
	for i := range r.Headers {
		s.headers[r.Headers[i].Key] = c.value(r.Headers[i].Datum)
	}
	return s
}

// value is a datum as JSON without schemas says it.
func (c *comparing) value(d record.Datum) any {
	text, err := c.plain.AppendData(nil, "", d)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return decoded(text)
}

// decoded reads JSON such that numbers keep all their digits.
func decoded(text []byte) any {
	if text == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(text)
	}
	return v
}

// against compares what came out with what is expected, in order.
func (c *comparing) against(t hcl.Test, out []shownRecord) []string {
	if t.None || len(t.Expect) > 0 {
		if len(out) != len(t.Expect) {
			wrong := []string{fmt.Sprintf("expected %s, got %d", records(len(t.Expect)), len(out)), "on " + t.Place.String() + ", " + c.where()}
			for i, r := range out {
				wrong = append(wrong, fmt.Sprintf("%d: %s", i+1, r.text()))
			}
			return wrong
		}
	}
	var wrong []string
	for i, e := range t.Expect {
		if said := differs(e, out[i]); len(said) > 0 {
			wrong = append(append(wrong, fmt.Sprintf("record %d is not as expected at %s, %s", i+1, e.Place, c.where())), said...)
		}
	}
	return wrong
}

func (c *comparing) where() string {
	d := c.instance.Declared
	return fmt.Sprintf("%s (%s)", d.Label, d.Place)
}

func records(n int) string {
	if n == 0 {
		return "no record"
	}
	return count(n, "record")
}

// differs says, a line each, what of a record is not as expected.
func differs(e hcl.Expectation, r shownRecord) []string {
	var wrong []string
	say := func(what string, want, got any) {
		wrong = append(wrong, fmt.Sprintf("  %s: want %s, got %s", what, asJSON(want), asJSON(got)))
	}
	if e.Topic != nil && *e.Topic != r.topic {
		say("topic", *e.Topic, r.topic)
	}
	if e.Partition != nil && *e.Partition != r.partition {
		say("partition", *e.Partition, r.partition)
	}
	if e.Timestamp != nil && *e.Timestamp != r.timestamp {
		say("timestamp", *e.Timestamp, r.timestamp)
	}
	for _, part := range []struct {
		name string
		want []byte
		got  any
	}{{"key", e.Key, r.key}, {"value", e.Value, r.value}, {"headers", e.Headers, any(r.headers)}} {
		if part.want != nil {
			unlike(part.name, decoded(part.want), part.got, true, say)
		}
	}
	if e.Includes != nil {
		unlike("value", decoded(e.Includes), r.value, false, say)
	}
	return wrong
}

// unlike tells where two values differ; whole: what is not expected may not be there.
func unlike(at string, want, got any, whole bool, say func(string, any, any)) {
	w, wantObject := want.(map[string]any)
	g, gotObject := got.(map[string]any)
	if !wantObject || !gotObject {
		if !equal(want, got) {
			say(at, want, got)
		}
		return
	}
	for _, name := range sortedKeys(w) {
		value, is := g[name]
		if !is {
			say(at+"."+name, w[name], missing{})
			continue
		}
		unlike(at+"."+name, w[name], value, whole, say)
	}
	for _, name := range sortedKeys(g) {
		if _, is := w[name]; !is && whole {
			say(at+"."+name, missing{}, g[name])
		}
	}
}

// missing stands for what is not there.
type missing struct{}

func sortedKeys(m map[string]any) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// equal compares JSON values; numbers by what they are worth.
func equal(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		m, ok1 := new(big.Rat).SetString(x.String())
		n, ok2 := new(big.Rat).SetString(y.String())
		return ok1 && ok2 && m.Cmp(n) == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, is := y[k]; !is || !equal(v, w) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}

func asJSON(v any) string {
	if _, none := v.(missing); none {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

func (r shownRecord) text() string {
	return fmt.Sprintf("%s key %s value %s", r.topic, asJSON(r.key), asJSON(r.value))
}

// trace notes what each step did.
func (c *comparing) trace(before shownRecord, o engine.Outcome) {
	for _, s := range o.Steps {
		line := fmt.Sprintf("  %-16s %s", s.Name, s.Verdict)
		switch s.Verdict {
		case engine.StageFailed:
			line += ": " + o.Err.Error()
		case engine.StageApplied:
			if len(s.After) == 1 {
				after := c.show(&s.After[0])
				line = fmt.Sprintf("  %-16s %s", s.Name, change(before, after))
				before = after
			} else {
				line += fmt.Sprintf(": %d records", len(s.After))
			}
		}
		c.steps = append(c.steps, line)
		if c.verbose && s.Verdict != engine.StageFailed {
			for i := range s.After {
				shown := c.show(&s.After[i])
				c.steps = append(c.steps, "    "+shown.text())
			}
		}
	}
}

// change says in one line what a step changed.
func change(before, after shownRecord) string {
	var said []string
	say := func(at string, was, is any) {
		said = append(said, fmt.Sprintf("%s %s → %s", at, asJSON(was), asJSON(is)))
	}
	if before.topic != after.topic {
		say("topic", before.topic, after.topic)
	}
	if before.timestamp != after.timestamp {
		say("timestamp", before.timestamp, after.timestamp)
	}
	unlike("key", before.key, after.key, true, say)
	unlike("value", before.value, after.value, true, say)
	unlike("headers", any(before.headers), any(after.headers), true, say)
	if len(said) == 0 {
		return "changed nothing"
	}
	return strings.Join(said, ", ")
}

// rewrite is what makes a test expect what came out. Parts of expectations that hold stay as they are written.
func (c *comparing) rewrite(t hcl.Test) *hcl.Rewrite {
	if slices.ContainsFunc(c.failed, func(e hcl.ExpectedError) bool { return strings.HasPrefix(e.Stage, "record.") }) {
		return nil // what goes in is wrong, not what is expected
	}
	r := &hcl.Rewrite{Test: t.Name, Missed: c.missed, Failed: c.failed}
	if !t.None && len(t.Expect) == 0 && len(t.Errors) > len(c.missed) {
		return r // the test looks at failures only
	}
	for i, got := range c.out {
		if i < len(t.Expect) {
			r.Changed = append(r.Changed, changed(t.Expect[i], got))
		} else {
			r.Added = append(r.Added, whole(got))
		}
	}
	r.None = len(c.out) == 0 && len(c.failed)+len(t.Errors)-len(c.missed) == 0
	return r
}

// whole is an expectation of all that a test usually says of a record.
func whole(r shownRecord) hcl.Expectation {
	e := hcl.Expectation{Topic: &r.topic, Value: []byte(asJSON(r.value))}
	if r.key != nil {
		e.Key = []byte(asJSON(r.key))
	}
	if len(r.headers) > 0 {
		e.Headers = []byte(asJSON(r.headers))
	}
	return e
}

// changed has the parts of an expectation that do not hold, as they came out.
func changed(e hcl.Expectation, r shownRecord) hcl.Expectation {
	var to hcl.Expectation
	if e.Topic != nil && *e.Topic != r.topic {
		to.Topic = &r.topic
	}
	if e.Partition != nil && *e.Partition != r.partition {
		to.Partition = &r.partition
	}
	if e.Timestamp != nil && *e.Timestamp != r.timestamp {
		to.Timestamp = &r.timestamp
	}
	for _, part := range []struct {
		want []byte
		got  any
		to   *[]byte
	}{{e.Key, r.key, &to.Key}, {e.Value, r.value, &to.Value}, {e.Headers, r.headers, &to.Headers}} {
		if part.want != nil && !equal(decoded(part.want), part.got) {
			*part.to = []byte(asJSON(part.got))
		}
	}
	if e.Includes != nil {
		to.Includes, to.Value = included(decoded(e.Includes), r.value)
	}
	return to
}

// included is value_includes as it came out, nil where it holds, or the whole value where that is no object.
func included(want, got any) (includes, value []byte) {
	w, _ := want.(map[string]any)
	g, object := got.(map[string]any)
	if !object {
		return nil, []byte(asJSON(got))
	}
	var is map[string]any
	for name := range w {
		if v, there := g[name]; !there || !holds(name, w[name], v) {
			is = map[string]any{}
		}
	}
	if is == nil {
		return nil, nil
	}
	for name := range w {
		if v, there := g[name]; there {
			is[name] = v
		}
	}
	return []byte(asJSON(is)), nil
}

// holds reports whether a member of value_includes is as it is expected.
func holds(name string, want, got any) bool {
	is := true
	unlike(name, want, got, false, func(string, any, any) { is = false })
	return is
}
