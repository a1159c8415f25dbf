package plugintest

import (
	"context"
	"slices"
	"strconv"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Step is what one Poll of a [ScriptedSource] does.
type Step func(ctx context.Context, b *record.Batch) error

// ScriptedSource is a source that does what a test says. Make one with its fields, register its [ScriptedSource.Descriptor],
// and [ScriptedSource.Push] steps: each Poll of a task takes the next step of the queue and waits, as Poll must, while
// there is none. Every call is in the journal. The fields are set before the first use and then left alone; the methods
// are safe for concurrent use.
//
// Instance and tasks have every optional ability, unless Bare takes them all away.
type ScriptedSource struct {
	Journal

	// Split makes the task configurations; nil gives one task with the configuration of the source.
	Split func(c plugin.Config, limit int) ([]plugin.Config, error)
	// OnStart, OnTaskStart, OnCommitted, OnStop and OnTaskStop decide what those calls return; nil accepts.
	OnStart     func(h plugin.Host, c plugin.Config) error
	OnTaskStart func(ctx context.Context, h plugin.Host, c plugin.Config, o plugin.Offsets) error
	OnCommitted func(ctx context.Context, positions []record.Position) error
	OnStop      func(ctx context.Context) error
	OnTaskStop  func(ctx context.Context) error
	// OnValidate and OnAlter are the say of Validator and OffsetAlterer; nil accepts.
	OnValidate func(c plugin.Config) []error
	OnAlter    func(c plugin.Config, changes []plugin.OffsetChange) error
	// Rename gives the topic of a record in place of the one that its step named, for scripts that run where topics have
	// other names; nil leaves it. A record without a topic stays so.
	Rename func(topic string) string
	// Exact is what SupportsExactlyOnce answers.
	Exact bool
	// Bare hides every optional ability of instance and tasks.
	Bare bool

	steps []Step
	made  int // tasks
}

// Push appends steps to the queue that all tasks share.
func (s *ScriptedSource) Push(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, steps...)
	s.wake()
}

// Pending is how many steps no Poll has taken.
func (s *ScriptedSource) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.steps)
}

// Committed is the last committed offset of each partition, by the text of [PartitionText].
func (s *ScriptedSource) Committed(p *record.Partitions) map[string]record.Value {
	last := map[string]record.Value{}
	for _, c := range s.Calls() {
		for _, pos := range c.Positions {
			if c.Err == nil {
				last[PartitionText(p.At(pos.Partition))] = pos.Offset
			}
		}
	}
	return last
}

// Descriptor is "scripted", class penstock.ScriptedSource. Its spec takes the topic, a number and nothing that is required.
func (s *ScriptedSource) Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "scripted", Class: "penstock.ScriptedSource", Version: "1.0", Doc: "A source that does what a test says.",
		Spec: plugin.SpecOf(scriptedDefaults),
		NewSource: func() plugin.Source {
			if s.Bare {
				return struct{ plugin.Source }{&scriptedSource{s: s}}
			}
			return &scriptedSource{s: s}
		},
	}
}

var scriptedDefaults = struct { //nolint:gochecknoglobals // a literal
	Topic string `cfg:"topic" doc:"Topic of records that name none." importance:"high"`
	Size  int    `cfg:"size" doc:"A number that steps may use."`
}{Topic: "scripted"}

// Row is a record for [Emit] in a few words.
type Row struct {
	Partition string // the source partition {"name": Partition}
	Offset    int64  // the offset {"n": Offset}
	Topic     string // "scripted" when empty
	Key       string // null when empty
	Value     string
}

// Emit appends rows as records with string schemas and returns.
func Emit(rows ...Row) Step {
	return func(_ context.Context, b *record.Batch) error {
		for _, row := range rows {
			row.Append(b)
		}
		return nil
	}
}

// Append adds the row to a batch.
func (r Row) Append(b *record.Batch) *record.Record {
	rec := b.Append()
	rec.Topic = r.Topic
	if r.Topic == "" {
		rec.Topic = scriptedDefaults.Topic
	}
	if r.Key != "" {
		rec.Key = record.Datum{Schema: record.OptionalOf(record.String), Value: record.OfString(r.Key)}
	}
	rec.Value = record.Datum{Schema: record.Required(record.String), Value: record.OfString(r.Value)}
	rec.Position = record.Position{Partition: b.Partitions.Intern(Partition(r.Partition)), Offset: Offset(r.Offset)}
	return rec
}

// Numbered emits n rows of one partition with offsets and values from..from+n-1.
func Numbered(partition string, from int64, n int) Step {
	return func(_ context.Context, b *record.Batch) error {
		for i := from; i < from+int64(n); i++ {
			Row{Partition: partition, Offset: i, Value: strconv.FormatInt(i, 10)}.Append(b)
		}
		return nil
	}
}

// Fails returns err from a Poll, after emitting the steps before it into the same batch.
func Fails(err error, before ...Step) Step {
	return func(ctx context.Context, b *record.Batch) error {
		for _, s := range before {
			if err := s(ctx, b); err != nil {
				return err
			}
		}
		return err
	}
}

// Blocks waits for the context and returns nothing, as a source does that has no more.
func Blocks() Step {
	return func(ctx context.Context, _ *record.Batch) error {
		<-ctx.Done()
		return nil
	}
}

// Hangs ignores the context, as a plugin must not, until release is closed.
func Hangs(release <-chan struct{}) Step {
	return func(context.Context, *record.Batch) error {
		<-release
		return nil
	}
}

// Panics panics with what it is given.
func Panics(v any) Step {
	return func(context.Context, *record.Batch) error { panic(v) }
}

// EndsTransaction runs steps and then ends a transaction of the source.
func EndsTransaction(abort bool, before ...Step) Step {
	return func(ctx context.Context, b *record.Batch) error {
		if err := Fails(nil, before...)(ctx, b); err != nil {
			return err
		}
		b.EndTransaction(abort)
		return nil
	}
}

// scriptedSource is the instance.
type scriptedSource struct {
	s *ScriptedSource
	c plugin.Config
}

// Start keeps the configuration and does what OnStart says.
func (i *scriptedSource) Start(_ context.Context, h plugin.Host, c plugin.Config) error {
	i.c = c
	var err error
	if i.s.OnStart != nil {
		err = i.s.OnStart(h, c)
	}
	return i.s.add(Call{Name: "start", Task: -1, Config: c, Err: err})
}

// Tasks does what Split says.
func (i *scriptedSource) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	tasks, err := []plugin.Config{i.c}, error(nil)
	if i.s.Split != nil {
		tasks, err = i.s.Split(i.c, limit)
	}
	return tasks, i.s.add(Call{Name: "tasks", Task: -1, Err: err})
}

// NewTask numbers the task.
func (i *scriptedSource) NewTask() plugin.SourceTask {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	t := &scriptedTask{s: i.s, n: i.s.made}
	i.s.made++
	if i.s.Bare {
		return struct{ plugin.SourceTask }{t}
	}
	return t
}

// Stop does what OnStop says.
func (i *scriptedSource) Stop(ctx context.Context) error {
	var err error
	if i.s.OnStop != nil {
		err = i.s.OnStop(ctx)
	}
	return i.s.add(Call{Name: "stop", Task: -1, Err: err})
}

// Validate does what OnValidate says.
func (i *scriptedSource) Validate(c plugin.Config) []error {
	var errs []error
	if i.s.OnValidate != nil {
		errs = i.s.OnValidate(c)
	}
	_ = i.s.add(Call{Name: "validate", Task: -1, Config: c})
	return errs
}

// AlterOffsets does what OnAlter says.
func (i *scriptedSource) AlterOffsets(_ context.Context, c plugin.Config, changes []plugin.OffsetChange) error {
	var err error
	if i.s.OnAlter != nil {
		err = i.s.OnAlter(c, changes)
	}
	return i.s.add(Call{Name: "alter", Task: -1, Config: c, Err: err})
}

// SupportsExactlyOnce answers Exact.
func (i *scriptedSource) SupportsExactlyOnce(plugin.Config) bool { return i.s.Exact }

// scriptedTask is one of its tasks.
type scriptedTask struct {
	s *ScriptedSource
	n int
}

// DefineTransactions leaves a note in the journal.
func (t *scriptedTask) DefineTransactions() { _ = t.s.add(Call{Name: "task.define", Task: t.n}) }

// Start does what OnTaskStart says.
func (t *scriptedTask) Start(ctx context.Context, h plugin.Host, c plugin.Config, o plugin.Offsets) error {
	var err error
	if t.s.OnTaskStart != nil {
		err = t.s.OnTaskStart(ctx, h, c, o)
	}
	return t.s.add(Call{Name: "task.start", Task: t.n, Config: c, Err: err})
}

// Poll takes the next step, or waits for one.
func (t *scriptedTask) Poll(ctx context.Context, b *record.Batch) error {
	step := t.s.next(ctx)
	if step == nil {
		return nil
	}
	before := len(b.Records)
	err := step(ctx, b)
	if t.s.Rename != nil {
		for i := range b.Records[before:] {
			if r := &b.Records[before+i]; r.Topic != "" {
				r.Topic = t.s.Rename(r.Topic)
			}
		}
	}
	return t.s.add(Call{Name: "task.poll", Task: t.n, Records: len(b.Records), Err: err})
}

// next takes a step from the queue, or returns nil when ctx ends before there is one.
func (s *ScriptedSource) next(ctx context.Context) Step {
	for {
		s.mu.Lock()
		if ctx.Err() == nil && len(s.steps) > 0 {
			step := s.steps[0]
			s.steps = s.steps[1:]
			s.mu.Unlock()
			return step
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Committed does what OnCommitted says and copies the positions.
func (t *scriptedTask) Committed(ctx context.Context, positions []record.Position) error {
	var err error
	if t.s.OnCommitted != nil {
		err = t.s.OnCommitted(ctx, positions)
	}
	positions = slices.Clone(positions)
	for i := range positions {
		positions[i].Offset = positions[i].Offset.Clone()
	}
	return t.s.add(Call{Name: "task.committed", Task: t.n, Positions: positions, Err: err})
}

// Stop does what OnTaskStop says.
func (t *scriptedTask) Stop(ctx context.Context) error {
	var err error
	if t.s.OnTaskStop != nil {
		err = t.s.OnTaskStop(ctx)
	}
	return t.s.add(Call{Name: "task.stop", Task: t.n, Err: err})
}
