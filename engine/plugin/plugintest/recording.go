package plugintest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// RecordingSink is a sink that keeps a copy of every record it accepted, and fails when told to. Make one with its fields,
// register its [RecordingSink.Descriptor]. Every call is in the journal. The fields are set before the first use and then
// left alone; the methods are safe for concurrent use.
//
// Tasks are Openers and Closers, and PreCommitters when OnPreCommit is set, unless Bare takes that away.
type RecordingSink struct {
	Journal

	// Split makes the task configurations; nil gives the limit of tasks, all with the configuration of the sink.
	Split func(c plugin.Config, limit int) ([]plugin.Config, error)
	// OnStart, OnTaskStart, OnFlush, OnStop and OnTaskStop decide what those calls return; nil accepts.
	OnStart     func(h plugin.Host, c plugin.Config) error
	OnTaskStart func(ctx context.Context, h plugin.SinkHost, c plugin.Config) error
	OnFlush     func(ctx context.Context) error
	OnStop      func(ctx context.Context) error
	OnTaskStop  func(ctx context.Context) error
	// OnPut decides what Put returns; it may mark records by b.Fail, call the host, block or panic. What is live in the
	// batch when it returns nil is recorded. Nil accepts everything.
	OnPut func(ctx context.Context, h plugin.SinkHost, b *record.Batch) error
	// OnOpen and OnClose decide what Open and Close return; nil accepts.
	OnOpen  func(ctx context.Context, ps []plugin.TopicPartition) error
	OnClose func(ctx context.Context, ps []plugin.TopicPartition) error
	// OnPreCommit makes the tasks PreCommitters, in place of Flush.
	OnPreCommit func(ctx context.Context, current map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error)
	// OnValidate is the say of Validator; nil accepts.
	OnValidate func(c plugin.Config) []error
	// Bare hides every optional ability of instance and tasks.
	Bare bool

	received []record.Record
	made     int // tasks
}

// Received copies the list of the records that were accepted, in order of acceptance. Their positions' partitions are
// numbers of the task that took them.
func (s *RecordingSink) Received() []record.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// Texts are the values of the accepted records; what is not a String is shown by its kind.
func (s *RecordingSink) Texts() []string {
	var texts []string
	for _, r := range s.Received() {
		if r.Value.Value.Kind() == record.String {
			texts = append(texts, r.Value.Value.Text())
		} else {
			texts = append(texts, r.Value.Value.Kind().String())
		}
	}
	return texts
}

// AwaitRecords waits until at least n records were accepted.
func (s *RecordingSink) AwaitRecords(t testing.TB, n int) {
	t.Helper()
	s.await(t, strconv.Itoa(n)+" records", func() bool { return len(s.received) >= n })
}

// Descriptor is "recording", class penstock.RecordingSink.
func (s *RecordingSink) Descriptor() plugin.Descriptor {
	return plugin.Descriptor{
		Name: "recording", Class: "penstock.RecordingSink", Version: "1.0", Doc: "A sink that keeps what it gets for a test.",
		Spec: plugin.SpecOf(recordingDefaults),
		NewSink: func() plugin.Sink {
			if s.Bare {
				return struct{ plugin.Sink }{&recordingSink{s: s}}
			}
			return &recordingSink{s: s}
		},
	}
}

var recordingDefaults = struct { //nolint:gochecknoglobals // a literal
	Size int `cfg:"size" doc:"A number that a test may use."`
}{}

// recordingSink is the instance.
type recordingSink struct {
	s *RecordingSink
	c plugin.Config
}

// Start keeps the configuration and does what OnStart says.
func (i *recordingSink) Start(_ context.Context, h plugin.Host, c plugin.Config) error {
	i.c = c
	var err error
	if i.s.OnStart != nil {
		err = i.s.OnStart(h, c)
	}
	return i.s.add(Call{Name: "start", Task: -1, Config: c, Err: err})
}

// Tasks does what Split says.
func (i *recordingSink) Tasks(_ context.Context, limit int) ([]plugin.Config, error) {
	var tasks []plugin.Config
	var err error
	if i.s.Split != nil {
		tasks, err = i.s.Split(i.c, limit)
	} else {
		tasks = slices.Repeat([]plugin.Config{i.c}, limit)
	}
	return tasks, i.s.add(Call{Name: "tasks", Task: -1, Err: err})
}

// NewTask numbers the task and gives it the abilities that are asked for.
func (i *recordingSink) NewTask() plugin.SinkTask {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	t := &recordingTask{s: i.s, n: i.s.made}
	i.s.made++
	switch {
	case i.s.Bare:
		return struct{ plugin.SinkTask }{t}
	case i.s.OnPreCommit != nil:
		return preCommittingTask{t}
	}
	return t
}

// Stop does what OnStop says.
func (i *recordingSink) Stop(ctx context.Context) error {
	var err error
	if i.s.OnStop != nil {
		err = i.s.OnStop(ctx)
	}
	return i.s.add(Call{Name: "stop", Task: -1, Err: err})
}

// Validate does what OnValidate says.
func (i *recordingSink) Validate(c plugin.Config) []error {
	var errs []error
	if i.s.OnValidate != nil {
		errs = i.s.OnValidate(c)
	}
	_ = i.s.add(Call{Name: "validate", Task: -1, Config: c})
	return errs
}

// recordingTask is one of its tasks.
type recordingTask struct {
	s *RecordingSink
	h plugin.SinkHost
	n int
}

// Start does what OnTaskStart says.
func (t *recordingTask) Start(ctx context.Context, h plugin.SinkHost, c plugin.Config) error {
	t.h = h
	var err error
	if t.s.OnTaskStart != nil {
		err = t.s.OnTaskStart(ctx, h, c)
	}
	return t.s.add(Call{Name: "task.start", Task: t.n, Config: c, Err: err})
}

// Put does what OnPut says and copies what it accepts.
func (t *recordingTask) Put(ctx context.Context, b *record.Batch) error {
	var err error
	if t.s.OnPut != nil {
		err = t.s.OnPut(ctx, t.h, b)
	}
	if err == nil {
		var taken []record.Record
		b.Each(func(_ int, r *record.Record) error {
			taken = append(taken, Clone(*r))
			return nil
		})
		t.s.mu.Lock()
		t.s.received = append(t.s.received, taken...)
		t.s.mu.Unlock()
	}
	return t.s.add(Call{Name: "task.put", Task: t.n, Records: len(b.Records), Err: err})
}

// Flush does what OnFlush says.
func (t *recordingTask) Flush(ctx context.Context) error {
	var err error
	if t.s.OnFlush != nil {
		err = t.s.OnFlush(ctx)
	}
	return t.s.add(Call{Name: "task.flush", Task: t.n, Err: err})
}

// Open does what OnOpen says.
func (t *recordingTask) Open(ctx context.Context, ps []plugin.TopicPartition) error {
	var err error
	if t.s.OnOpen != nil {
		err = t.s.OnOpen(ctx, ps)
	}
	return t.s.add(Call{Name: "task.open", Task: t.n, Partitions: slices.Clone(ps), Err: err})
}

// Close does what OnClose says.
func (t *recordingTask) Close(ctx context.Context, ps []plugin.TopicPartition) error {
	var err error
	if t.s.OnClose != nil {
		err = t.s.OnClose(ctx, ps)
	}
	return t.s.add(Call{Name: "task.close", Task: t.n, Partitions: slices.Clone(ps), Err: err})
}

// Stop does what OnTaskStop says.
func (t *recordingTask) Stop(ctx context.Context) error {
	var err error
	if t.s.OnTaskStop != nil {
		err = t.s.OnTaskStop(ctx)
	}
	return t.s.add(Call{Name: "task.stop", Task: t.n, Err: err})
}

type preCommittingTask struct{ *recordingTask }

// PreCommit does what OnPreCommit says.
func (t preCommittingTask) PreCommit(ctx context.Context, current map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
	safe, err := t.s.OnPreCommit(ctx, maps.Clone(current))
	return safe, t.s.add(Call{Name: "task.precommit", Task: t.n, Err: err})
}
