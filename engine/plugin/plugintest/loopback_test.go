package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// both runs a test with the plain descriptor and with its loopback.
func both(t *testing.T, test func(t *testing.T, wrap func(plugin.Descriptor) plugin.Descriptor)) {
	t.Helper()
	for name, wrap := range map[string]func(plugin.Descriptor) plugin.Descriptor{
		"plain": func(d plugin.Descriptor) plugin.Descriptor { return d }, "loopback": plugintest.Loopback,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, wrap)
		})
	}
}

func TestFakesPassTheSuites(t *testing.T) {
	t.Parallel()
	config := func(testing.TB) plugin.Config { return plugin.Config{} }
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprint("bare ", bare), func(t *testing.T) {
			t.Parallel()
			source := &plugintest.ScriptedSource{Bare: bare}
			source.OnTaskStart = func(ctx context.Context, _ plugin.Host, _ plugin.Config, o plugin.Offsets) error {
				stored, err := o.Read(ctx, plugintest.Partition("p"))
				if err != nil {
					return err
				}
				next := int64(0)
				if !stored[0].IsNull() {
					n, _ := stored[0].Get("n")
					next = n.Int() + 1
				}
				for source.Pending() > 0 { // what a task before left over
					if err := source.Descriptor().NewSource().NewTask().Poll(ctx, record.NewBatch(record.FromSource, &record.Partitions{})); err != nil {
						return err
					}
				}
				for ; next < 25; next += 3 {
					source.Push(plugintest.Numbered("p", next, 3))
				}
				return nil
			}
			plugintest.Source(t, source.Descriptor(), plugintest.Env{Config: config})

			sink := &plugintest.RecordingSink{Bare: bare}
			plugintest.Sink(t, sink.Descriptor(), plugintest.Env{Config: config})
			if got, want := len(sink.Received()), 2*2*(20-3+1); got != want { // plain and loopback, two lives each
				t.Errorf("the sink received %d records, want %d", got, want)
			}
		})
	}
}

func TestSourceInstance(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, wrap func(plugin.Descriptor) plugin.Descriptor) {
		tables, hosts := 2, make(chan plugin.Host, 1)
		s := &plugintest.ScriptedSource{
			Exact: true,
			OnStart: func(h plugin.Host, c plugin.Config) error {
				if c["topic"] != "x" {
					return plugin.Invalid("topic", c["topic"], "it must be x")
				}
				hosts <- h
				return nil
			},
			Split: func(c plugin.Config, limit int) ([]plugin.Config, error) {
				var tasks []plugin.Config
				for i := range min(tables, limit) {
					tasks = append(tasks, plugin.Config{"topic": c["topic"], "table": strconv.Itoa(i)})
				}
				return tasks, nil
			},
			OnValidate: func(c plugin.Config) []error {
				return []error{plugin.Invalid("topic", c["topic"], "no"), errors.New("the database is down")}
			},
			OnAlter: func(c plugin.Config, changes []plugin.OffsetChange) error {
				n, _ := changes[0].Offset.Get("n")
				if c["topic"] != "x" || n.Int() != 7 || !changes[1].Offset.IsNull() || plugintest.PartitionText(changes[1].Partition) != "b" {
					return errors.New("not what was sent")
				}
				return plugin.Permanent(errors.New("refused"))
			},
		}
		inst := wrap(s.Descriptor()).NewSource()
		if err := inst.Start(t.Context(), &plugintest.Host{}, plugin.Config{"topic": "y"}); err == nil {
			t.Error("start with a bad topic: no error")
		} else if ce, ok := errors.AsType[*plugin.ConfigError](err); !ok || ce.Key != "topic" {
			t.Errorf("start with a bad topic: got %v, want a ConfigError of topic", err)
		}

		h := &plugintest.Host{}
		if err := inst.Start(t.Context(), h, plugin.Config{"topic": "x"}); err != nil {
			t.Fatal(err)
		}
		want := []plugin.Config{{"topic": "x", "table": "0"}, {"topic": "x", "table": "1"}}
		if got, err := inst.Tasks(t.Context(), 5); err != nil || !cmp.Equal(got, want) {
			t.Errorf("tasks: got %v, %v; want %v", got, err, want)
		}
		// A table appears: the instance asks to be asked again.
		tables = 3
		far := <-hosts
		far.Reconfigure()
		far.Fail(plugin.Permanent(errors.New("cannot go on")))
		far.Fail(errors.New("second"))
		h.Await(t, "a failure", func(a plugintest.Asked) bool { return a.Reconfigure == 1 && a.Failed != nil })
		if _, ok := errors.AsType[*plugin.PermanentError](h.Asked().Failed); !ok || h.Asked().Failed.Error() != "cannot go on" {
			t.Errorf("failure: got %v", h.Asked().Failed)
		}
		if got, err := inst.Tasks(t.Context(), 5); err != nil || len(got) != 3 {
			t.Errorf("tasks after the change: got %v, %v", got, err)
		}

		errs := inst.(plugin.Validator).Validate(plugin.Config{"topic": "z"})
		if len(errs) != 2 || errs[0].Error() != "Invalid value z for configuration topic: no" || errs[1].Error() != "the database is down" {
			t.Errorf("validate: got %v", errs)
		}
		if _, ok := errors.AsType[*plugin.ConfigError](errs[0]); !ok {
			t.Errorf("validate: got %T, want a ConfigError", errs[0])
		}
		err := inst.(plugin.OffsetAlterer).AlterOffsets(t.Context(), plugin.Config{"topic": "x"}, []plugin.OffsetChange{
			{Partition: plugintest.Partition("a"), Offset: plugintest.Offset(7)}, {Partition: plugintest.Partition("b")},
		})
		if err == nil || err.Error() != "refused" {
			t.Errorf("alter offsets: got %v, want refused", err)
		}
		if !inst.(plugin.ExactlyOnce).SupportsExactlyOnce(nil) {
			t.Error("exactly once: got no, want yes")
		}
		if err := inst.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := s.Sequence(), "start tasks validate alter stop"; got != want {
			t.Errorf("journal: got %q, want %q", got, want)
		}
	})
}

func TestSourceTask(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, wrap func(plugin.Descriptor) plugin.Descriptor) {
		var read []record.Value
		s := &plugintest.ScriptedSource{
			OnTaskStart: func(ctx context.Context, h plugin.Host, c plugin.Config, o plugin.Offsets) (err error) {
				read, err = o.Read(ctx, plugintest.Partition("a"), plugintest.Partition("nobody"))
				h.Logger().Info("started", "table", c["table"])
				return err
			},
		}
		refuse := true
		s.OnCommitted = func(context.Context, []record.Position) error {
			if refuse {
				return plugin.Retry(errors.New("busy"), time.Second)
			}
			return nil
		}
		task := wrap(s.Descriptor()).NewSource().NewTask()
		task.(plugin.Transactional).DefineTransactions()
		stored := &plugintest.Offsets{}
		stored.Set(plugintest.Partition("a"), record.OfMap([]record.Value{record.OfString("n"), record.OfInt32(4)}))
		if err := task.Start(t.Context(), &plugintest.Host{}, plugin.Config{"table": "1"}, stored); err != nil {
			t.Fatal(err)
		}
		if len(read) != 2 || !read[0].Equal(plugintest.Offset(4)) || !read[1].IsNull() {
			t.Errorf("offsets read: got %v", read)
		}

		schema := record.Build(record.Struct).Named("row").Field("id", record.Required(record.Int64)).MustBuild()
		s.Push(
			plugintest.EndsTransaction(false, plugintest.Numbered("a", 5, 2)),
			func(_ context.Context, b *record.Batch) error {
				r := plugintest.Row{Partition: "b", Offset: 1}.Append(b)
				vs := b.Values(1)
				vs[0] = record.OfInt64(42)
				r.Value = record.Datum{Schema: schema, Value: record.OfStruct(vs)}
				r.Headers = []record.Header{{Key: "h", Datum: record.Datum{Value: b.Text([]byte("x"))}}}
				b.EndTransaction(true)
				return nil
			},
			plugintest.Fails(plugin.Retry(errors.New("later"), time.Minute), plugintest.Numbered("a", 7, 1)),
			plugintest.Fails(plugin.Permanent(errors.New("never"))),
		)
		b := record.NewBatch(record.FromSource, &record.Partitions{})
		for i := range 3 {
			err := task.Poll(t.Context(), b)
			if after, again := plugin.IsRetry(err); (i == 2) != again || i == 2 && after != time.Minute || i < 2 && err != nil {
				t.Errorf("poll %d: got %v", i, err)
			}
		}
		want := []string{
			"scripted -1 null (none, NULL) 5 (Schema{STRING}, STRING) from {name=a} at {n=5}",
			"scripted -1 null (none, NULL) 6 (Schema{STRING}, STRING) from {name=a} at {n=6}",
			"scripted -1 null (none, NULL) Struct{id=42} (Schema{row:STRUCT}, STRUCT) h x (none, STRING) from {name=b} at {n=1}",
			"scripted -1 null (none, NULL) 7 (Schema{STRING}, STRING) from {name=a} at {n=7}",
		}
		if d := cmp.Diff(want, plugintest.Texts(b)); d != "" {
			t.Errorf("records (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]record.Boundary{{End: 2}, {End: 3, Abort: true}}, b.Boundaries()); d != "" {
			t.Errorf("boundaries (-want +got):\n%s", d)
		}
		err := task.Poll(t.Context(), b)
		if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
			t.Errorf("last poll: got %v, want a permanent error", err)
		}

		committer := task.(plugin.Committer)
		positions := []record.Position{b.Records[3].Position, b.Records[2].Position}
		if err := committer.Committed(t.Context(), positions); err == nil {
			t.Error("committed: no error, want a retry")
		}
		refuse = false
		if err := committer.Committed(t.Context(), positions); err != nil {
			t.Errorf("committed again: %v", err)
		}
		told := s.Calls()[len(s.Calls())-1].Positions
		if len(told) != 2 || !told[0].Offset.Equal(plugintest.Offset(7)) || !told[1].Offset.Equal(plugintest.Offset(1)) || told[0].Partition == told[1].Partition {
			t.Errorf("committed positions: got %v", told)
		}
		if err := task.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := s.Sequence(), "0:task.define 0:task.start 0:task.poll 0:task.committed 0:task.stop"; got != want {
			t.Errorf("journal: got %q, want %q", got, want)
		}
	})
}

func TestSinkTask(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, wrap func(plugin.Descriptor) plugin.Descriptor) {
		p0, p1 := plugin.TopicPartition{Topic: "t", Partition: 0}, plugin.TopicPartition{Topic: "t", Partition: 1}
		s := &plugintest.RecordingSink{
			OnPut: func(_ context.Context, h plugin.SinkHost, b *record.Batch) error {
				switch b.Records[0].Value.Value.Text() {
				case "busy":
					h.Timeout(3 * time.Second)
					return plugin.Retry(errors.New("busy"), 2*time.Second)
				case "poisonous":
					b.Fail(1, plugin.Data("cannot write %s", b.Records[1].Value.Value.Text()))
					h.RequestCommit()
				case "rewind":
					h.Rewind(map[plugin.TopicPartition]int64{p0: 5})
					h.Pause(p0, p1)
					h.Resume(p1)
				case "broken":
					return plugin.Permanent(errors.New("broken"))
				}
				return nil
			},
			OnPreCommit: func(_ context.Context, current map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
				return map[plugin.TopicPartition]int64{p0: current[p0] - 1}, nil
			},
			OnClose: func(context.Context, []plugin.TopicPartition) error { return errors.New("gone already") },
		}
		h := &plugintest.Host{}
		task := wrap(s.Descriptor()).NewSink().NewTask()
		if err := task.Start(t.Context(), h, nil); err != nil {
			t.Fatal(err)
		}
		if err := task.(plugin.Opener).Open(t.Context(), []plugin.TopicPartition{p0, p1}); err != nil {
			t.Error(err)
		}
		b := record.NewBatch(record.ToSink, &record.Partitions{})
		put := func(values ...string) error {
			b.Reset()
			for i, v := range values {
				r := b.Append()
				r.Topic, r.Value.Value, r.Position.Offset = "t", b.Text([]byte(v)), record.OfInt64(int64(i))
			}
			return task.Put(t.Context(), b)
		}
		if after, ok := plugin.IsRetry(put("busy")); !ok || after != 2*time.Second {
			t.Errorf("put of busy: got no retry after 2s, but %v, %v", after, ok)
		}
		if err := put("poisonous", "bad", "good"); err != nil {
			t.Error(err)
		}
		if fs := b.Failures(); len(fs) != 1 || fs[0].Index != 1 || fs[0].Err.Error() != "cannot write bad" || b.Live(1) {
			t.Errorf("failures: got %v", fs)
		} else if _, ok := errors.AsType[*plugin.DataError](fs[0].Err); !ok {
			t.Errorf("failure: got %T, want a DataError", fs[0].Err)
		}
		if err := put("rewind"); err != nil {
			t.Error(err)
		}
		err := put("broken")
		if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
			t.Errorf("put of broken: got %v, want a permanent error", err)
		}
		wantAsked := plugintest.Asked{Rewound: map[plugin.TopicPartition]int64{p0: 5}, Paused: []plugin.TopicPartition{p0}, Timeout: 3 * time.Second, Commits: 1}
		if d := cmp.Diff(wantAsked, h.Asked()); d != "" {
			t.Errorf("asked (-want +got):\n%s", d)
		}
		safe, err := task.(plugin.PreCommitter).PreCommit(t.Context(), map[plugin.TopicPartition]int64{p0: 9, p1: 3})
		if err != nil || !cmp.Equal(safe, map[plugin.TopicPartition]int64{p0: 8}) {
			t.Errorf("precommit: got %v, %v", safe, err)
		}
		if err := task.(plugin.Closer).Close(t.Context(), []plugin.TopicPartition{p1}); err == nil || err.Error() != "gone already" {
			t.Errorf("close: got %v", err)
		}
		if err := errors.Join(task.Flush(t.Context()), task.Stop(t.Context())); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff([]string{"poisonous", "good", "rewind"}, s.Texts()); d != "" {
			t.Errorf("received (-want +got):\n%s", d)
		}
		if got, want := s.Sequence(), "0:task.start 0:task.open 0:task.put 0:task.precommit 0:task.close 0:task.flush 0:task.stop"; got != want {
			t.Errorf("journal: got %q, want %q", got, want)
		}
		if got := s.Calls()[1].Partitions; !cmp.Equal(got, []plugin.TopicPartition{p0, p1}) {
			t.Errorf("opened: got %v", got)
		}
	})
}

func TestSinkInstance(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, wrap func(plugin.Descriptor) plugin.Descriptor) {
		s := &plugintest.RecordingSink{OnValidate: func(plugin.Config) []error { return []error{errors.New("no")} }}
		inst := wrap(s.Descriptor()).NewSink()
		if err := inst.Start(t.Context(), &plugintest.Host{}, plugin.Config{"size": "1"}); err != nil {
			t.Fatal(err)
		}
		want := []plugin.Config{{"size": "1"}, {"size": "1"}}
		if got, err := inst.Tasks(t.Context(), 2); err != nil || !cmp.Equal(got, want) {
			t.Errorf("tasks: got %v, %v; want %v", got, err, want)
		}
		if errs := inst.(plugin.Validator).Validate(nil); len(errs) != 1 || errs[0].Error() != "no" {
			t.Errorf("validate: got %v", errs)
		}
		if err := inst.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// abilities lists which optional interfaces a value shows.
func abilities(v any) string {
	var has []string
	add := func(name string, ok bool) {
		if ok {
			has = append(has, name)
		}
	}
	_, ok := v.(plugin.Validator)
	add("Validator", ok)
	_, ok = v.(plugin.OffsetAlterer)
	add("OffsetAlterer", ok)
	_, ok = v.(plugin.ExactlyOnce)
	add("ExactlyOnce", ok)
	_, ok = v.(plugin.Committer)
	add("Committer", ok)
	_, ok = v.(plugin.Transactional)
	add("Transactional", ok)
	_, ok = v.(plugin.Opener)
	add("Opener", ok)
	_, ok = v.(plugin.Closer)
	add("Closer", ok)
	_, ok = v.(plugin.PreCommitter)
	add("PreCommitter", ok)
	return strings.Join(has, " ")
}

type (
	validates struct{ plugin.Validator }
	alters    struct{ plugin.OffsetAlterer }
	exact     struct{ plugin.ExactlyOnce }
	commits   struct{ plugin.Committer }
	defines   struct{ plugin.Transactional }
	opens     struct{ plugin.Opener }
	closes    struct{ plugin.Closer }
	precommit struct{ plugin.PreCommitter }
)

// Every combination of abilities shows through a loopback as it is.
func TestLoopbackShowsAbilitiesAsTheyAre(t *testing.T) {
	t.Parallel()
	type (
		s  struct{ plugin.Source }
		st struct{ plugin.SourceTask }
		k  struct{ plugin.Sink }
		kt struct{ plugin.SinkTask }
	)
	for _, v := range []any{
		s{}, struct {
			s
			validates
		}{}, struct {
			s
			alters
		}{}, struct {
			s
			exact
		}{}, struct {
			s
			validates
			alters
		}{}, struct {
			s
			validates
			exact
		}{}, struct {
			s
			alters
			exact
		}{}, struct {
			s
			validates
			alters
			exact
		}{},
		st{}, struct {
			st
			commits
		}{}, struct {
			st
			defines
		}{}, struct {
			st
			commits
			defines
		}{},
		k{}, struct {
			k
			validates
		}{}, struct {
			k
			alters
		}{}, struct {
			k
			validates
			alters
		}{},
		kt{}, struct {
			kt
			opens
		}{}, struct {
			kt
			closes
		}{}, struct {
			kt
			precommit
		}{}, struct {
			kt
			opens
			closes
		}{}, struct {
			kt
			opens
			precommit
		}{}, struct {
			kt
			closes
			precommit
		}{}, struct {
			kt
			opens
			closes
			precommit
		}{},
	} {
		var wrapped any
		switch v := v.(type) {
		case plugin.Source:
			wrapped = plugintest.Loopback(plugin.Descriptor{NewSource: func() plugin.Source { return v }}).NewSource()
		case plugin.Sink:
			wrapped = plugintest.Loopback(plugin.Descriptor{NewSink: func() plugin.Sink { return v }}).NewSink()
		case plugin.SourceTask:
			wrapped = plugintest.Loopback(plugin.Descriptor{NewSource: func() plugin.Source { return makes{task: v} }}).NewSource().NewTask()
		case plugin.SinkTask:
			wrapped = plugintest.Loopback(plugin.Descriptor{NewSink: func() plugin.Sink { return makesSink{task: v} }}).NewSink().NewTask()
		}
		if got, want := abilities(wrapped), abilities(v); got != want {
			t.Errorf("%T: the loopback shows %q, want %q", v, got, want)
		}
	}
}

type makes struct {
	plugin.Source
	task plugin.SourceTask
}

func (m makes) NewTask() plugin.SourceTask { return m.task }

type makesSink struct {
	plugin.Sink
	task plugin.SinkTask
}

func (m makesSink) NewTask() plugin.SinkTask { return m.task }
