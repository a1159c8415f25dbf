package task_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestSourceDeliversInOrderAndStopKeepsWhatWasSent(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 100), plugintest.Numbered("a", 100, 50))
	r := start(t, source(t, c, src, o))
	src.AwaitCalls(t, "task.poll", 2)
	if err := r.halt(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	same(t, "topic", values(t, c, "scripted"), numbers(0, 150))
	if got, want := o.all()[`{"name":"a"}`], `{"n":149}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
	want := []task.State{task.Running, task.Stopping, task.Stopped}
	if got := r.states(); !slices.Equal(got, want) {
		t.Errorf("states: got %v, want %v", got, want)
	}
	if got, want := src.Sequence(), "0:task.start 0:task.poll 0:task.committed 0:task.stop"; got != want {
		t.Errorf("calls: got %q, want %q", got, want)
	}
	if got := r.meter.Delivered.Load(); got != 150 {
		t.Errorf("delivered: got %d, want 150", got)
	}
}

// TestAtLeastOnceUnderRandomStops runs a task again and again, each time until a random moment, and from the stored
// offset on; whatever was polled must be in the topic, in order up to repetition.
func TestAtLeastOnceUnderRandomStops(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	o := newOffsets()
	const total = 3000
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for round := 0; ; round++ {
		if round > 200 {
			t.Fatalf("seed %d: no end after 200 rounds", seed)
		}
		next, err := strconv.Atoi(strings.Trim(o.all()[`{"name":"a"}`], `{}":n`))
		if err != nil {
			next = -1
		}
		if next >= total-1 {
			break
		}
		src := &plugintest.ScriptedSource{}
		for from := next + 1; from < total; from += 20 {
			src.Push(plugintest.Numbered("a", int64(from), min(20, total-from)))
		}
		r := start(t, source(t, c, src, o))
		src.AwaitCalls(t, "task.poll", min(1+random.IntN(40), (total-next-1+19)/20))
		if err := r.halt(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	seen := map[string]bool{}
	expected := 0
	for _, v := range values(t, c, "scripted") {
		if !seen[v] && v != itoa(expected) {
			t.Fatalf("seed %d: got %s, want %d", seed, v, expected)
		}
		if !seen[v] {
			expected++
		}
		seen[v] = true
	}
	if expected != total {
		t.Errorf("seed %d: got %d records, want %d", seed, expected, total)
	}
	// A plain stop commits all that was polled, so nothing repeats.
	if got := len(values(t, c, "scripted")); got != total {
		t.Errorf("seed %d: got %d records with repetitions, want %d", seed, got, total)
	}
}

func TestOffsetsMoveDeliveredThenStoredThenTold(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	var mu sync.Mutex
	var order []string
	say := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, s)
	}
	told := 0
	src := &plugintest.ScriptedSource{OnCommitted: func(_ context.Context, ps []record.Position) error {
		if told++; told == 1 {
			say("refused")
			return errors.New("not yet")
		}
		n, _ := ps[0].Offset.Get("n")
		say(fmt.Sprintf("told %d", n.Int()))
		return nil
	}}
	o := newOffsets()
	o.heard = func(es []store.Offset) { say("stored " + string(es[0].Value)) }
	c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1, When: func(kmsg.Request) bool { say("produced"); return true }})
	src.Push(plugintest.Numbered("a", 0, 10))
	r := start(t, source(t, c, src, o, func(g *graph.Task) { g.FlushInterval = 20 * time.Millisecond }))
	src.AwaitCalls(t, "task.committed", 2)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	same(t, "order", slices.Compact(order), []string{"produced", `stored {"n":9}`, "refused", "told 9"})
}

func TestFilteredRecordsAdvanceOffsets(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 10))
	r := start(t, source(t, c, src, o, func(g *graph.Task) {
		g.Chain = []graph.Stage{stage("Filter", func(b *record.Batch, i int, _ *record.Record) error { b.Drop(i); return nil })}
	}))
	src.AwaitCalls(t, "task.poll", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "topic", values(t, c, "scripted"), nil)
	if got, want := o.all()[`{"name":"a"}`], `{"n":9}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
	if got := r.meter.Dropped.Load(); got != 10 {
		t.Errorf("dropped: got %d, want 10", got)
	}
}

func TestPredicateDecidesWhereATransformApplies(t *testing.T) {
	t.Parallel()
	for _, negate := range []bool{false, true} {
		t.Run(fmt.Sprint(negate), func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "scripted")
			src := &plugintest.ScriptedSource{}
			src.Push(plugintest.Numbered("a", 0, 4))
			r := start(t, source(t, c, src, newOffsets(), func(g *graph.Task) {
				mark := stage("Mark", func(_ *record.Batch, _ int, r *record.Record) error {
					r.Value.Value = record.OfString(r.Value.Value.Text() + "!")
					return nil
				})
				even := test(func(r *record.Record) (bool, error) {
					n, err := strconv.Atoi(r.Value.Value.Text())
					return n%2 == 0, err
				})
				mark.Predicate, mark.Negate = &graph.Predicate{Name: "even", Plugin: even.descriptor()}, negate
				g.Chain = []graph.Stage{mark, stage("All", func(_ *record.Batch, _ int, r *record.Record) error {
					r.Value.Value = record.OfString(r.Value.Value.Text() + ".")
					return nil
				})}
			}))
			src.AwaitCalls(t, "task.poll", 1)
			if err := r.halt(); err != nil {
				t.Fatal(err)
			}
			want := []string{"0!.", "1.", "2!.", "3."}
			if negate {
				want = []string{"0.", "1!.", "2.", "3!."}
			}
			same(t, "topic", values(t, c, "scripted"), want)
		})
	}
}

// failAt makes a transform that fails records with some values.
func failAt(name string, err error, bad ...string) graph.Stage {
	return stage(name, func(_ *record.Batch, _ int, r *record.Record) error {
		if slices.Contains(bad, r.Value.Value.Text()) {
			return err
		}
		return nil
	})
}

func TestToleranceNoneDeliversWhatIsBeforeAndFails(t *testing.T) {
	t.Parallel()
	bad := plugin.Data("no")
	convert := func(g *graph.Task) {
		g.Value = converter(plugin.ValueUse, func(s string) error {
			if s == "5" {
				return bad
			}
			return nil
		})
	}
	for name, change := range map[string]func(*graph.Task){
		"transform": func(g *graph.Task) { g.Chain = []graph.Stage{failAt("Bad", bad, "5", "7")} },
		"converter": convert,
		"an earlier record at a later stage counts": func(g *graph.Task) {
			g.Chain = []graph.Stage{failAt("One", bad, "7"), failAt("Two", bad, "5")}
		},
		"predicate": func(g *graph.Task) {
			s := stage("S", func(*record.Batch, int, *record.Record) error { return nil })
			s.Predicate = &graph.Predicate{Plugin: test(func(r *record.Record) (bool, error) {
				if r.Value.Value.Text() == "5" {
					return false, bad
				}
				return true, nil
			}).descriptor()}
			g.Chain = []graph.Stage{s}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "scripted")
			src, o := &plugintest.ScriptedSource{}, newOffsets()
			src.Push(plugintest.Numbered("a", 0, 10))
			r := start(t, source(t, c, src, o, change))
			err := r.end()
			if !errors.Is(err, bad) {
				t.Fatalf("got %v, want an error that wraps %v", err, bad)
			}
			if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
				t.Errorf("%v is not permanent, but comes again with the record", err)
			}
			same(t, "topic", values(t, c, "scripted"), numbers(0, 5))
			if got, want := o.all()[`{"name":"a"}`], `{"n":4}`; got != want {
				t.Errorf("stored offset: got %s, want %s", got, want)
			}
			if got, want := r.states(), []task.State{task.Running, task.Stopping, task.Failed}; !slices.Equal(got, want) {
				t.Errorf("states: got %v, want %v", got, want)
			}
		})
	}
}

func TestToleranceAllSkipsLogsAndCounts(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 10))
	r := start(t, source(t, c, src, o, func(g *graph.Task) {
		g.Errors = graph.Errors{TolerateAll: true, Log: true}
		g.Chain = []graph.Stage{failAt("Bad", plugin.Data("no"), "3", "9")}
		g.Value = converter(plugin.ValueUse, func(s string) error {
			if s == "5" {
				return plugin.Data("nor this")
			}
			return nil
		})
	}))
	src.AwaitCalls(t, "task.poll", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "topic", values(t, c, "scripted"), []string{"0", "1", "2", "4", "6", "7", "8"})
	if got, want := o.all()[`{"name":"a"}`], `{"n":9}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
	if got := r.meter.Skipped.Load(); got != 3 {
		t.Errorf("skipped: got %d, want 3", got)
	}
	for _, line := range []string{
		"Error encountered in task src-0. Executing stage 'TRANSFORMATION' with class 'test.Bad'.",
		"Error encountered in task src-0. Executing stage 'VALUE_CONVERTER' with class '" + textClass + "'.",
	} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, r.log)
		}
	}
}

func TestLogLineShowsSourceRecordWhenAsked(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Emit(plugintest.Row{Partition: "a", Offset: 1, Key: "k", Value: "v"}))
	r := start(t, source(t, c, src, newOffsets(), func(g *graph.Task) {
		g.Errors = graph.Errors{Log: true, LogMessages: true}
		g.Chain = []graph.Stage{failAt("Bad", plugin.Data("no"), "v")}
	}))
	if r.end() == nil {
		t.Fatal("got no error")
	}
	want := "where source record is = SourceRecord{sourcePartition={name=a}, sourceOffset={n=1}} ConnectRecord{topic='" + c.Name("scripted") + "', kafkaPartition=null, key=k, keySchema=Schema{STRING}, value=v, valueSchema=Schema{STRING}, timestamp=null, headers=ConnectHeaders(headers=)}."
	if !strings.Contains(r.log.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, r.log)
	}
}

func TestFailedRecordIsTriedAgainAlone(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 4))
	tries := map[string]int{}
	r := start(t, source(t, c, src, newOffsets(), func(g *graph.Task) {
		g.Errors = graph.Errors{RetryTimeout: time.Minute, RetryDelayMax: time.Millisecond}
		g.Chain = []graph.Stage{stage("Flaky", func(_ *record.Batch, _ int, r *record.Record) error {
			v := r.Value.Value.Text()
			if tries[v]++; (v == "1" || v == "2") && tries[v] < 3 {
				return plugin.Retry(errors.New("busy"), 0)
			}
			return nil
		})}
	}))
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 4 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "topic", values(t, c, "scripted"), numbers(0, 4))
	if got, want := fmt.Sprint(tries), "map[0:1 1:3 2:3 3:1]"; got != want {
		t.Errorf("tries: got %s, want %s", got, want)
	}
	if got := r.meter.Retries.Load(); got != 4 {
		t.Errorf("retries: got %d, want 4", got)
	}
}

func TestProduceFailure(t *testing.T) {
	t.Parallel()
	for _, tolerate := range []bool{false, true} {
		t.Run(fmt.Sprintf("tolerate %v", tolerate), func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "scripted", "big")
			src, o := &plugintest.ScriptedSource{}, newOffsets()
			large := strings.Repeat("x", 2<<20)
			src.Push(plugintest.Emit(plugintest.Row{Partition: "a", Offset: 1, Value: "1"}, plugintest.Row{Partition: "b", Offset: 1, Topic: "big", Value: large}),
				plugintest.Emit(plugintest.Row{Partition: "a", Offset: 2, Value: "2"}, plugintest.Row{Partition: "b", Offset: 2, Value: "3"}))
			r := start(t, source(t, c, src, o, func(g *graph.Task) { g.Errors.TolerateAll = tolerate }))
			want := map[string]string{`{"name":"a"}`: `{"n":2}`, `{"name":"b"}`: `{"n":2}`}
			if tolerate {
				src.AwaitCalls(t, "task.poll", 2)
				if err := r.halt(); err != nil {
					t.Fatal(err)
				}
				if got := r.meter.Skipped.Load(); got != 1 {
					t.Errorf("skipped: got %d, want 1", got)
				}
				if got := r.meter.Delivered.Load(); got != 3 {
					t.Errorf("delivered: got %d, want 3", got)
				}
				if got := o.all(); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("stored: got %v, want %v", got, want)
				}
				return
			}
			err := r.end()
			d, ok := errors.AsType[*diag.Diagnostic](err)
			if !ok || d.Code != diag.BrokerRefused {
				t.Fatalf("got %v, want %s", err, diag.BrokerRefused)
			}
			if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
				t.Errorf("%v is not permanent", err)
			}
			if got, ok := o.all()[`{"name":"b"}`]; ok {
				t.Errorf("the offset %s was stored past a record that was not delivered", got)
			}
		})
	}
}

func TestPollErrors(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	broken := errors.New("gone")
	src.Push(plugintest.Fails(plugin.Retry(errors.New("busy"), 0), plugintest.Numbered("a", 0, 1)), plugintest.Numbered("a", 1, 1), plugintest.Fails(broken, plugintest.Numbered("a", 2, 3)))
	r := start(t, source(t, c, src, o))
	if err := r.end(); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	same(t, "topic", values(t, c, "scripted"), numbers(0, 5))
	if got, want := o.all()[`{"name":"a"}`], `{"n":4}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
}

func TestWhatNoPolicyLetsPass(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*record.Record){
		"timestamp": func(r *record.Record) { r.Timestamp = -7 },
		"topic":     func(r *record.Record) { r.Topic = "" },
		"offset": func(r *record.Record) {
			r.Position.Offset = record.OfMap([]record.Value{record.OfString("n"), record.OfArray(nil)})
		},
		"partition": func(r *record.Record) { r.Position.Partition = 99 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "scripted")
			src := &plugintest.ScriptedSource{}
			src.Push(plugintest.Numbered("a", 0, 2), func(_ context.Context, b *record.Batch) error {
				change(plugintest.Row{Partition: "a", Offset: 3, Value: "x"}.Append(b))
				return nil
			})
			r := start(t, source(t, c, src, newOffsets(), func(g *graph.Task) { g.Errors.TolerateAll = true }))
			err := r.end()
			if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
				t.Errorf("got %v, want a permanent error", err)
			}
			same(t, "topic", values(t, c, "scripted"), numbers(0, 2))
		})
	}
}

func TestTimestampPartitionKeyHeadersAndTombstone(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("scripted", 3, nil)
	src := &plugintest.ScriptedSource{}
	src.Push(func(_ context.Context, b *record.Batch) error {
		r := plugintest.Row{Partition: "a", Offset: 1, Key: "k", Value: "v"}.Append(b)
		r.Partition, r.Timestamp = 2, 1234
		r.Headers = []record.Header{{Key: "h", Datum: record.Datum{Value: record.OfString("1")}}, {Key: "h", Datum: record.Datum{}}}
		r = plugintest.Row{Partition: "a", Offset: 2, Key: "k2"}.Append(b)
		r.Partition, r.Value = 2, record.Datum{}
		return nil
	})
	r := start(t, source(t, c, src, newOffsets()))
	src.AwaitCalls(t, "task.poll", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	got := c.ConsumeAll("scripted")
	if len(got) != 2 {
		t.Fatalf("got %d records, want 2", len(got))
	}
	m := got[0]
	if m.Partition != 2 || m.Timestamp.UnixMilli() != 1234 || string(m.Key) != "k" || string(m.Value) != "v" || len(m.Headers) != 2 ||
		string(m.Headers[0].Value) != "1" || m.Headers[1].Value != nil || m.Headers[1].Key != "h" {
		t.Errorf("got %+v", m)
	}
	if got[1].Value != nil || got[1].Timestamp.UnixMilli() < 1e12 {
		t.Errorf("tombstone: got value %q, timestamp %v", got[1].Value, got[1].Timestamp)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	s := source(t, c, src, o, func(g *graph.Task) { g.FlushInterval = 20 * time.Millisecond })
	src.Push(plugintest.Numbered("a", 0, 5))
	r := start(t, s)
	src.AwaitCalls(t, "task.poll", 1)
	r.Pause()
	r.awaitState(task.Paused)
	src.Push(plugintest.Numbered("a", 5, 5))
	r.await("offsets of a paused task", func() bool { return o.all()[`{"name":"a"}`] == `{"n":4}` })
	if got := src.Pending(); got != 1 {
		t.Errorf("a paused task polled: %d steps left, want 1", got)
	}
	r.Resume()
	r.awaitState(task.Running)
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 10 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "topic", values(t, c, "scripted"), numbers(0, 10))
}

func TestPausedBeforeItsStartATaskStartsItsPluginLater(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{}
	s := source(t, c, src, newOffsets())
	s.Meter = &task.Meter{}
	paused := make(chan struct{}, 1)
	s.Report = func(r task.Report) {
		if r.State == task.Paused {
			paused <- struct{}{}
		}
	}
	k := task.New(s)
	k.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	<-paused
	if calls := src.Calls(); len(calls) != 0 {
		t.Errorf("got calls %v of a task that is paused before its start", calls)
	}
	k.Resume()
	src.AwaitCalls(t, "task.start", 1)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReadsOffsetsAtStart(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	o := newOffsets()
	o.kept[`{"name":"a"}`] = `{"n":41,"x":1.5,"s":"t","b":true,"z":null}`
	var got []record.Value
	src := &plugintest.ScriptedSource{OnTaskStart: func(ctx context.Context, _ plugin.Host, _ plugin.Config, o plugin.Offsets) (err error) {
		got, err = o.Read(ctx, plugintest.Partition("a"), plugintest.Partition("b"))
		return err
	}}
	r := start(t, source(t, c, src, o))
	r.awaitState(task.Running)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	want := record.OfMap([]record.Value{
		record.OfString("n"), record.OfInt64(41), record.OfString("x"), record.OfFloat64(1.5), record.OfString("s"), record.OfString("t"),
		record.OfString("b"), record.OfBool(true), record.OfString("z"), {},
	})
	if len(got) != 2 || !got[0].Equal(want) || !got[1].IsNull() {
		t.Errorf("got %v", got)
	}
}

func TestCommitFailureIsTriedAgainAndNeverFailsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	failures := 0
	o.fail = func() error {
		if failures++; failures <= 2 {
			return fmt.Errorf("write: %w", syscall.ENOSPC)
		}
		return nil
	}
	src.Push(plugintest.Numbered("a", 0, 5))
	r := start(t, source(t, c, src, o, func(g *graph.Task) { g.FlushInterval = 10 * time.Millisecond }))
	r.await("a full disk to show", func() bool {
		d, ok := errors.AsType[*diag.Diagnostic](r.condition())
		return ok && d.Code == diag.DiskFull
	})
	r.await("the offset to be stored", func() bool { return o.all()[`{"name":"a"}`] == `{"n":4}` })
	r.await("the condition to end", func() bool { return r.condition() == nil })
	if got := r.meter.CommitFailures.Load(); got != 2 {
		t.Errorf("commit failures: got %d, want 2", got)
	}
	if !slices.Equal(r.states(), []task.State{task.Running, task.Running, task.Running}) {
		t.Errorf("states: got %v, want running throughout", r.states())
	}
}

func TestHangingPluginIsAbandonedWithinTheBudget(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	release := make(chan struct{})
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 3), plugintest.Fails(nil, plugintest.Hangs(release), plugintest.Numbered("a", 3, 3)))
	s := source(t, c, src, o)
	s.StopBudget = 200 * time.Millisecond
	r := start(t, s)
	src.AwaitCalls(t, "task.poll", 1)
	r.await("the hang", func() bool { return src.Pending() == 0 })
	if err := r.halt(); !errors.Is(err, task.ErrAbandoned) || !strings.Contains(err.Error(), "Poll of "+s.Instance.Plugin.Class+" hangs") {
		t.Errorf("got %v, want %v, and which call hangs", err, task.ErrAbandoned)
	}
	before := len(r.states())
	close(release)
	src.AwaitCalls(t, "task.stop", 1)
	same(t, "topic", values(t, c, "scripted"), numbers(0, 3))
	if got := o.all(); len(got) != 0 {
		t.Errorf("an abandoned task stored offsets: %v", got)
	}
	if got := len(r.states()); got != before {
		t.Errorf("an abandoned task reported %v", r.states()[before:])
	}
}

// TestWhatIsNoFaultOfThePluginIsNotCalledSo: the offsets' store does not come back.
func TestWhatIsNoFaultOfThePluginIsNotCalledSo(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	storing, release := make(chan struct{}, 8), make(chan struct{})
	o.heard = func([]store.Offset) { storing <- struct{}{}; <-release }
	src.Push(plugintest.Numbered("a", 0, 3))
	s := source(t, c, src, o, fast)
	s.StopBudget = 200 * time.Millisecond
	r := start(t, s)
	<-storing
	err := r.halt()
	close(release)
	if !errors.Is(err, task.ErrAbandoned) || strings.Contains(err.Error(), "hangs") || !strings.Contains(err.Error(), "Kafka has not answered") {
		t.Errorf("got %v, want %v, and no word of the plugin", err, task.ErrAbandoned)
	}
	src.AwaitCalls(t, "task.stop", 1)
}

func TestFailureCountsWhenThePluginHangsAfterwards(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	broken := errors.New("broken")
	release := make(chan struct{})
	src := &plugintest.ScriptedSource{OnTaskStop: func(context.Context) error { <-release; return nil }}
	src.Push(plugintest.Fails(broken))
	s := source(t, c, src, newOffsets())
	s.StopBudget = 100 * time.Millisecond
	r := start(t, s)
	if err := r.end(); !errors.Is(err, broken) || !errors.Is(err, task.ErrAbandoned) {
		t.Errorf("got %v, want both %v and %v", err, broken, task.ErrAbandoned)
	}
	close(release)
	src.AwaitCalls(t, "task.stop", 1)
}

func TestLeaseEndsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	var mu sync.Mutex
	held := true
	s := source(t, c, src, o)
	s.Holds = func() bool { mu.Lock(); defer mu.Unlock(); return held }
	src.Push(plugintest.Numbered("a", 0, 3), func(_ context.Context, b *record.Batch) error {
		mu.Lock()
		held = false
		mu.Unlock()
		return plugintest.Numbered("a", 3, 3)(t.Context(), b)
	})
	r := start(t, s)
	if err := r.end(); !errors.Is(err, task.ErrLease) {
		t.Errorf("got %v, want %v", err, task.ErrLease)
	}
	if got := values(t, c, "scripted"); len(got) > 3 {
		t.Errorf("got %q, want nothing that was sent after the lease", got)
	}
	if got := o.all(); len(got) != 0 {
		t.Errorf("offsets were stored after the lease: %v", got)
	}
}

func TestHostFailEndsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	broken := errors.New("connection lost")
	src := &plugintest.ScriptedSource{OnTaskStart: func(_ context.Context, h plugin.Host, _ plugin.Config, _ plugin.Offsets) error {
		h.Fail(broken)
		return nil
	}}
	if err := start(t, source(t, c, src, newOffsets())).end(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestFailedStartIsStopped(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{OnTaskStart: func(context.Context, plugin.Host, plugin.Config, plugin.Offsets) error {
		return plugin.Invalid("file", "x", "no such file")
	}}
	r := start(t, source(t, c, src, newOffsets()))
	if _, ok := errors.AsType[*plugin.PermanentError](r.end()); !ok {
		t.Errorf("got %v, want a permanent error", r.err)
	}
	if got, want := src.Sequence(), "0:task.start 0:task.stop"; got != want {
		t.Errorf("calls: got %q, want %q", got, want)
	}
	if got, want := r.states(), []task.State{task.Stopping, task.Failed}; !slices.Equal(got, want) {
		t.Errorf("states: got %v, want %v", got, want)
	}
}

func TestSettled(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 5))
	r := start(t, source(t, c, src, o))
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 5 })
	if (&task.Meter{}).Settled() {
		t.Error("a task that has not started is settled")
	}
	if r.meter.Settled() {
		t.Error("settled although an offset is not stored")
	}
	r.Commit()
	r.await("the task to settle", r.meter.Settled)
	if got, want := o.all()[`{"name":"a"}`], `{"n":4}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if r.meter.Settled() {
		t.Error("a task that has ended is settled")
	}
}

func TestOffsetsWaitForDeliveryPartitionByPartition(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted", "stuck")
	fault := c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "stuck", Err: kerr.NotEnoughReplicas, Count: -1})
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	r := start(t, source(t, c, src, o, func(g *graph.Task) { g.FlushInterval = 5 * time.Millisecond }))
	for i := range 3 {
		src.Push(plugintest.Emit(
			plugintest.Row{Partition: "a", Offset: int64(i), Value: itoa(i)}, plugintest.Row{Partition: "b", Offset: int64(i), Topic: "stuck", Value: itoa(i)},
			plugintest.Row{Partition: "a", Offset: int64(i) + 10, Value: itoa(i)},
		))
		want := fmt.Sprintf(`{"n":%d}`, i+10)
		r.await("the offset of a", func() bool { return o.all()[`{"name":"a"}`] == want })
		if got, ok := o.all()[`{"name":"b"}`]; ok {
			t.Fatalf("%s was stored although nothing was delivered (invariant 1)", got)
		}
	}
	if fault.Hits() == 0 {
		t.Fatal("the fault never came to pass")
	}
	fault.Remove()
	r.await("the offset of b", func() bool { return o.all()[`{"name":"b"}`] == `{"n":2}` })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "stuck", values(t, c, "stuck"), numbers(0, 3))
}

func TestStopWithinTheBudgetWhenTheBrokerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 3))
	s := source(t, c, src, o)
	s.StopBudget = 500 * time.Millisecond
	r := start(t, s)
	src.AwaitCalls(t, "task.poll", 1)
	r.await("records in flight", func() bool { return r.meter.InFlight.Load() == 3 })
	if err := r.halt(); err != nil {
		t.Errorf("a stop that cannot deliver: got %v, want nil, since what was not stored comes again", err)
	}
	if got := o.all(); len(got) != 0 {
		t.Errorf("stored %v, which was not delivered", got)
	}
	if src.Count("task.stop") != 1 {
		t.Error("the plugin was not stopped")
	}
}

func TestSourceWithoutOptionalAbilities(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{Bare: true}, newOffsets()
	src.Push(plugintest.Numbered("a", 0, 3))
	r := start(t, source(t, c, src, o))
	src.AwaitCalls(t, "task.poll", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if got, want := o.all()[`{"name":"a"}`], `{"n":2}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
}

func TestNullOffsetTakesTheStoredOneAway(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	o.kept[`{"name":"a"}`] = `{"n":1}`
	src.Push(func(_ context.Context, b *record.Batch) error {
		plugintest.Row{Partition: "a", Value: "v"}.Append(b).Position.Offset = record.Value{}
		return nil
	})
	r := start(t, source(t, c, src, o))
	src.AwaitCalls(t, "task.poll", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if got := o.all(); len(got) != 0 {
		t.Errorf("stored: got %v, want nothing", got)
	}
}

func TestMoreBatchesThanFlights(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	for i := range 200 {
		src.Push(plugintest.Numbered("a", int64(5*i), 5))
	}
	r := start(t, source(t, c, src, o))
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 1000 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "topic", values(t, c, "scripted"), numbers(0, 1000))
}

// whole is a transform that gives up as a whole, at its n-th call.
type whole struct {
	calls *int
	n     int
	err   error
}

func (whole) Configure(plugin.Config) error { return nil }

func (w whole) Apply(_ context.Context, b *record.Batch) error {
	if *w.calls++; *w.calls == w.n {
		return w.err
	}
	b.Each(func(int, *record.Record) error { return plugin.Retry(errors.New("busy"), 0) })
	return nil
}

func TestTransformThatGivesUpEndsTheTask(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2} { // at once, and while a record is tried again
		t.Run(itoa(n), func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "scripted")
			src, o := &plugintest.ScriptedSource{}, newOffsets()
			src.Push(plugintest.Numbered("a", 0, 3))
			w := whole{calls: new(int), n: n, err: errors.New("connection lost")}
			r := start(t, source(t, c, src, o, func(g *graph.Task) {
				g.Errors = graph.Errors{TolerateAll: true, RetryTimeout: -1, RetryDelayMax: time.Millisecond}
				g.Chain = []graph.Stage{{Name: "w", Plugin: plugin.Descriptor{NewTransform: func(plugin.Target) plugin.Transform { return w }}}}
			}))
			if err := r.end(); !errors.Is(err, w.err) {
				t.Errorf("got %v, want %v", err, w.err)
			}
			if got := o.all(); len(got) != 0 {
				t.Errorf("stored %v of a batch that was not delivered", got)
			}
		})
	}
}

func TestConfigurationErrorsAreNoCaseForARestart(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	bad := plugin.Invalid("field", "", "must not be empty")
	for name, change := range map[string]func(*task.Settings){
		"transform": func(s *task.Settings) {
			s.Instance.Task.Chain = []graph.Stage{{Name: "x", Plugin: plugin.Descriptor{NewTransform: func(plugin.Target) plugin.Transform { return misconfigured{bad} }}}}
		},
		"topic group": func(s *task.Settings) {
			s.Instance.Task.Creation = []graph.TopicGroup{{Name: "g", Include: []string{"("}}, {Name: "default"}}
		},
		"client": func(s *task.Settings) { s.Instance.Task.Producer = map[string]string{"acks": "some"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := source(t, c, &plugintest.ScriptedSource{}, newOffsets())
			change(&s)
			err := start(t, s).end()
			if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
				t.Errorf("got %v, want a permanent error", err)
			}
		})
	}
}

type misconfigured struct{ err error }

func (m misconfigured) Configure(plugin.Config) error            { return m.err }
func (misconfigured) Apply(context.Context, *record.Batch) error { return nil }

func TestSourceConvertsHeadersKeyValueInThisOrderAndTriesAgain(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	var order []string
	busy := true
	note := func(s string) error {
		order = append(order, s)
		if s == "k" && busy {
			busy = false
			return plugin.Retry(errors.New("registry is busy"), 0)
		}
		return nil
	}
	src := &plugintest.ScriptedSource{}
	src.Push(func(_ context.Context, b *record.Batch) error {
		r := plugintest.Row{Partition: "a", Key: "k", Value: "v"}.Append(b)
		r.Headers = []record.Header{{Key: "h", Datum: record.Datum{Value: record.OfString("h")}}}
		return nil
	})
	r := start(t, source(t, c, src, newOffsets(), func(g *graph.Task) {
		g.Errors = graph.Errors{RetryTimeout: -1, RetryDelayMax: time.Millisecond}
		g.Key, g.Value, g.Header = converter(plugin.KeyUse, note), converter(plugin.ValueUse, note), converter(plugin.HeaderUse, note)
	}))
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 1 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "conversions", order, []string{"h", "k", "k", "v"})
	if got := c.ConsumeAll("scripted")[0]; string(got.Key) != "k" || string(got.Value) != "v" || string(got.Headers[0].Value) != "h" {
		t.Errorf("got %q, %q, %v", got.Key, got.Value, got.Headers)
	}
}

// TestQuietSourceLetsGoAndGoesOn: a source without records for a while holds no connection, and what comes later is
// delivered as if nothing had been.
func TestQuietSourceLetsGoAndGoesOn(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src, o := &plugintest.ScriptedSource{}, newOffsets()
	s := source(t, c, src, o, fast)
	var open atomic.Int64
	s.Clients.Dial = counting(&open)
	r := start(t, s, func(t *task.Task) { t.SetCoolAfter(30 * time.Millisecond) })
	for round := range 3 {
		src.Push(plugintest.Numbered("a", int64(round)*5, 5))
		r.await("delivery", func() bool { return r.meter.Delivered.Load() == int64(round+1)*5 })
		r.await("the end of the connections", func() bool { return open.Load() == 0 })
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", values(t, c, "scripted"), numbers(0, 15))
	if got, want := o.all()[`{"name":"a"}`], `{"n":14}`; got != want {
		t.Errorf("stored offset: got %s, want %s", got, want)
	}
}

// counting dials and counts connections that are open.
func counting(open *atomic.Int64) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &counted{conn, sync.OnceFunc(func() { open.Add(-1) })}, nil
	}
}

type counted struct {
	net.Conn
	closed func()
}

func (c *counted) Close() error {
	c.closed()
	return c.Conn.Close()
}
