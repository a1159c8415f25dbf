package task_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

func produce(c *kafkatest.Cluster, topic string, values ...string) {
	var rs []*kgo.Record
	for _, v := range values {
		rs = append(rs, &kgo.Record{Value: []byte(v)})
	}
	c.Produce(topic, rs...)
}

// committed is the group's offset of partition 0 of topic in, -1 without one.
func committed(t *testing.T, c *kafkatest.Cluster) int64 {
	t.Helper()
	client, err := c.Clients().AdminClient(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got, err := kadm.NewClient(client).FetchOffsets(t.Context(), "connect-"+c.Name("snk"))
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatal(err)
	}
	o, ok := got.Lookup(c.Name("in"), 0)
	if !ok {
		return -1
	}
	if o.Metadata != "" {
		t.Errorf("metadata of the commit: got %q, want none", o.Metadata)
	}
	return o.At
}

// members is how many the group of the sink has.
func members(t *testing.T, c *kafkatest.Cluster) int {
	t.Helper()
	client, err := c.Clients().AdminClient(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	group := "connect-" + c.Name("snk")
	got, err := kadm.NewClient(client).DescribeGroups(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	return len(got[group].Members)
}

func fast(g *graph.Task) { g.FlushInterval = 20 * time.Millisecond }

func TestSinkPutsInOrderAndStopCommits(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", numbers(0, 100)...)
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in"))
	snk.AwaitRecords(t, 100)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), numbers(0, 100))
	if got := committed(t, c); got != 100 {
		t.Errorf("committed: got %d, want 100", got)
	}
	for i, p := range snk.Received() {
		if p.Position.Offset.Int() != int64(i) || p.Topic != c.Name("in") || p.Timestamp <= 0 {
			t.Fatalf("record %d: got %+v", i, p)
		}
	}
	if got, want := snk.Sequence(), "0:task.start 0:task.open 0:task.put 0:task.flush 0:task.close 0:task.stop"; got != want {
		t.Errorf("calls: got %q, want %q", got, want)
	}
}

func TestSinkGoesOnFromTheCommittedOffset(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	for round := range 3 {
		produce(c, "in", numbers(round*10, 10)...)
		snk := &plugintest.RecordingSink{}
		r := start(t, sink(t, c, snk, "in", fast))
		snk.AwaitRecords(t, 10)
		r.await("a commit", func() bool { return r.meter.Commits.Load() > 0 && r.meter.Settled() })
		if err := r.halt(); err != nil {
			t.Fatal(err)
		}
		same(t, "records", snk.Texts(), numbers(round*10, 10))
	}
}

func TestSinkPutsEmptyBatchesByTheClock(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", fast))
	snk.AwaitCalls(t, "task.put", 1)
	before := r.meter.LastActivity.Load()
	snk.AwaitCalls(t, "task.put", 5)
	if after := r.meter.LastActivity.Load(); before == 0 || after != before {
		t.Errorf("last activity: got %d after batches without records, want %d, when the task started", after, before)
	}
	r.await("the lag of an empty topic", func() bool { return r.meter.Lag() == 0 })
	r.await("the task to settle", r.meter.Settled)
}

func TestRetriedPutGetsTheSameBatch(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1", "2")
	var mu sync.Mutex
	var puts []string
	snk := &plugintest.RecordingSink{}
	snk.OnPut = func(_ context.Context, h plugin.SinkHost, b *record.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if len(b.Records) == 0 {
			return nil
		}
		var vs []string
		b.Each(func(_ int, r *record.Record) error { vs = append(vs, r.Value.Value.Text()); return nil })
		puts = append(puts, strings.Join(vs, ","))
		if len(puts) <= 3 {
			if len(puts) == 1 {
				c2 := c // more records come while the batch waits
				go produce(c2, "in", "3")
			}
			h.Timeout(10 * time.Millisecond)
			return plugin.Retry(errors.New("busy"), 0)
		}
		return nil
	}
	r := start(t, sink(t, c, snk, "in"))
	snk.AwaitRecords(t, 3)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	same(t, "puts", puts, []string{"1,2", "1,2", "1,2", "1,2", "3"})
	if got := committed(t, c); got != 3 {
		t.Errorf("committed: got %d, want 3", got)
	}
}

func TestPutErrorFailsTheTaskAndItsRecordsComeAgain(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1")
	broken := errors.New("broken")
	var failing sync.Once
	snk := &plugintest.RecordingSink{}
	snk.OnPut = func(_ context.Context, _ plugin.SinkHost, b *record.Batch) (err error) {
		if len(b.Records) > 0 {
			failing.Do(func() { err = broken })
		}
		return err
	}
	r := start(t, sink(t, c, snk, "in"))
	if err := r.end(); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	if got := committed(t, c); got != -1 {
		t.Errorf("committed: got %d, want nothing", got)
	}
	r = start(t, sink(t, c, snk, "in"))
	snk.AwaitRecords(t, 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if got := committed(t, c); got != 1 {
		t.Errorf("committed: got %d, want 1", got)
	}
}

func TestFailedFlushRewindsToTheLastCommit(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1", "2")
	flushes := 0
	snk := &plugintest.RecordingSink{OnFlush: func(context.Context) error {
		if flushes++; flushes == 2 {
			return errors.New("lost")
		}
		return nil
	}}
	r := start(t, sink(t, c, snk, "in", fast))
	r.await("the first commit", func() bool { return r.meter.Commits.Load() == 1 })
	produce(c, "in", "3", "4")
	snk.AwaitRecords(t, 6)
	r.await("the task to settle", r.meter.Settled)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), []string{"1", "2", "3", "4", "3", "4"})
	if got := r.meter.CommitFailures.Load(); got != 1 {
		t.Errorf("commit failures: got %d, want 1", got)
	}
	if got := committed(t, c); got != 4 {
		t.Errorf("committed: got %d, want 4", got)
	}
}

func TestFailedFlushBeforeAnyCommitRewindsToTheStart(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1", "2")
	flushes := 0
	snk := &plugintest.RecordingSink{OnFlush: func(context.Context) error {
		if flushes++; flushes == 1 {
			return errors.New("lost")
		}
		return nil
	}}
	r := start(t, sink(t, c, snk, "in", fast))
	snk.AwaitRecords(t, 4)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), []string{"1", "2", "1", "2"})
}

func TestPreCommitDecides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		say  map[string]int64
		want int64
	}{
		"lower":   {map[string]int64{"in": 2}, 2},
		"nothing": {nil, -1},
		"larger":  {map[string]int64{"in": 99}, -1},
		"foreign": {map[string]int64{"other": 1, "in": 4}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, "in")
			produce(k, "in", numbers(0, 4)...)
			snk := &plugintest.RecordingSink{OnPreCommit: func(_ context.Context, current map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
				if current[plugin.TopicPartition{Topic: k.Name("in")}] != 4 {
					return nil, fmt.Errorf("current is %v", current)
				}
				safe := map[plugin.TopicPartition]int64{}
				for topic, offset := range c.say {
					safe[plugin.TopicPartition{Topic: k.Name(topic)}] = offset
				}
				return safe, nil
			}}
			r := start(t, sink(t, k, snk, "in"))
			snk.AwaitRecords(t, 4)
			r.Commit()
			snk.AwaitCalls(t, "task.precommit", 1)
			if err := r.halt(); err != nil {
				t.Fatal(err)
			}
			if got := committed(t, k); got != c.want {
				t.Errorf("committed: got %d, want %d", got, c.want)
			}
			if got := r.meter.CommitFailures.Load(); got != 0 {
				t.Errorf("commit failures: got %d, want none", got)
			}
			if snk.Count("task.flush") != 0 {
				t.Error("a sink with PreCommit was flushed")
			}
		})
	}
}

func TestRewind(t *testing.T) {
	t.Parallel()
	t.Run("in open", func(t *testing.T) {
		t.Parallel()
		c := kafkatest.Start(t, "in")
		in := plugin.TopicPartition{Topic: c.Name("in")}
		produce(c, "in", numbers(0, 10)...)
		snk := &plugintest.RecordingSink{}
		var host plugin.SinkHost
		snk.OnTaskStart = func(_ context.Context, h plugin.SinkHost, _ plugin.Config) error { host = h; return nil }
		snk.OnOpen = func(context.Context, []plugin.TopicPartition) error {
			host.Rewind(map[plugin.TopicPartition]int64{in: 7})
			return nil
		}
		r := start(t, sink(t, c, snk, "in"))
		snk.AwaitRecords(t, 3)
		if err := r.halt(); err != nil {
			t.Fatal(err)
		}
		same(t, "records", snk.Texts(), numbers(7, 3))
	})
	t.Run("in put", func(t *testing.T) {
		t.Parallel()
		c := kafkatest.Start(t, "in")
		in := plugin.TopicPartition{Topic: c.Name("in")}
		produce(c, "in", numbers(0, 3)...)
		var once sync.Once
		snk := &plugintest.RecordingSink{OnPut: func(_ context.Context, h plugin.SinkHost, b *record.Batch) error {
			if len(b.Records) > 0 {
				once.Do(func() { h.Rewind(map[plugin.TopicPartition]int64{in: 1}) })
			}
			return nil
		}}
		r := start(t, sink(t, c, snk, "in"))
		snk.AwaitRecords(t, 5)
		if err := r.halt(); err != nil {
			t.Fatal(err)
		}
		same(t, "records", snk.Texts(), []string{"0", "1", "2", "1", "2"})
		if got := committed(t, c); got != 3 {
			t.Errorf("committed: got %d, want 3", got)
		}
	})
}

func TestSinkPausesPartitions(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "a", "b")
	pa := plugin.TopicPartition{Topic: c.Name("a")}
	var host plugin.SinkHost
	snk := &plugintest.RecordingSink{OnTaskStart: func(_ context.Context, h plugin.SinkHost, _ plugin.Config) error {
		host = h
		h.Pause(pa)
		return nil
	}}
	s := sink(t, c, snk, "a", fast)
	s.Instance.Task.Topics = []string{c.Name("a"), c.Name("b")}
	produce(c, "a", "1")
	produce(c, "b", "2")
	r := start(t, s)
	snk.AwaitRecords(t, 1)
	n := snk.Count("task.put")
	snk.AwaitCalls(t, "task.put", n+3)
	same(t, "records while a is paused", snk.Texts(), []string{"2"})
	host.Resume(pa)
	snk.AwaitRecords(t, 2)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}

func TestPausedSinkStaysInItsGroup(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1")
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in"))
	snk.AwaitRecords(t, 1)
	r.Pause()
	r.awaitState(task.Paused)
	r.await("the commit of a pause", func() bool { return committed(t, c) == 1 })
	produce(c, "in", "2")
	puts := snk.Count("task.put")
	r.Commit() // one more turn of the loop
	snk.AwaitCalls(t, "task.put", puts+1)
	same(t, "records while paused", snk.Texts(), []string{"1"})
	if got := members(t, c); got != 1 {
		t.Errorf("members of the group: got %d, want 1", got)
	}
	r.Resume()
	snk.AwaitRecords(t, 2)
	if got := snk.Count("task.open"); got != 1 {
		t.Errorf("partitions were opened %d times, want once", got)
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}

func TestRebalanceClosesAndOpensPartitions(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("in", 2, nil)
	send := func(from int) {
		for i := range 10 {
			c.Produce("in", &kgo.Record{Partition: int32(i % 2), Value: []byte(itoa(from + i))})
		}
	}
	rename := func(g *graph.Task) {
		fast(g)
		g.Chain = []graph.Stage{stage("Route", func(_ *record.Batch, _ int, r *record.Record) error { r.Topic = "elsewhere"; return nil })}
	}
	one, two := &plugintest.RecordingSink{}, &plugintest.RecordingSink{}
	send(0)
	r1 := start(t, sink(t, c, one, "in", rename))
	one.AwaitRecords(t, 10)
	r2 := start(t, sink(t, c, two, "in", rename))
	two.AwaitCalls(t, "task.open", 1)
	one.AwaitCalls(t, "task.close", 1)
	send(10)
	one.Await(t, "records", func([]plugintest.Call) bool { return true })
	r1.await("all records", func() bool { return len(one.Texts())+len(two.Texts()) >= 20 })
	if err := r1.halt(); err != nil {
		t.Fatal(err)
	}
	// The one that stays gets what the other had.
	two.Await(t, "both partitions", func(calls []plugintest.Call) bool {
		return slices.ContainsFunc(calls, func(c plugintest.Call) bool { return c.Name == "task.open" && len(c.Partitions) == 2 })
	})
	send(20)
	r2.await("all records", func() bool { return len(one.Texts())+len(two.Texts()) >= 30 })
	if err := r2.halt(); err != nil {
		t.Fatal(err)
	}
	all := append(one.Texts(), two.Texts()...)
	want := numbers(0, 30)
	slices.Sort(all)
	slices.Sort(want)
	same(t, "records, each once since every rebalance commits", all, want)
	for _, s := range []*plugintest.RecordingSink{one, two} {
		open := 0
		for _, call := range s.Calls() {
			switch call.Name {
			case "task.open":
				open += len(call.Partitions)
			case "task.close":
				open -= len(call.Partitions)
			}
		}
		if open != 0 {
			t.Errorf("%d partitions were opened and not closed", open)
		}
	}
}

func queued(g *graph.Task) {
	g.DeadLetter = &graph.DeadLetter{Topic: "dlq", Replicas: 1, Headers: true}
}

func TestDeadLetterIsTheOriginalWithItsContext(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	at := time.UnixMilli(1730000000000)
	c.Produce("in", &kgo.Record{Value: []byte("good")},
		&kgo.Record{Key: []byte("k"), Value: []byte("bad"), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("h")}, {Key: "null"}}})
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) {
		g.Errors = graph.Errors{TolerateAll: true, Log: true, LogMessages: true}
		g.Value = converter(plugin.ValueUse, func(s string) error {
			if s == "bad" {
				return &plugin.DataError{Reason: "cannot read this", Err: errors.New("because")}
			}
			return nil
		})
	}))
	snk.AwaitRecords(t, 1)
	got := c.Consume("dlq", 1)[0]
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if string(got.Key) != "k" || string(got.Value) != "bad" || !got.Timestamp.Equal(at) {
		t.Errorf("got %q, %q, %v", got.Key, got.Value, got.Timestamp)
	}
	var headers [][2]string
	for _, h := range got.Headers {
		headers = append(headers, [2]string{h.Key, string(h.Value)})
	}
	want := [][2]string{
		{"own", "h"}, {"null", ""},
		{"__connect.errors.topic", c.Name("in")}, {"__connect.errors.partition", "0"}, {"__connect.errors.offset", "1"},
		{"__connect.errors.connector.name", c.Name("snk")}, {"__connect.errors.task.id", "0"}, {"__connect.errors.stage", "VALUE_CONVERTER"},
		{"__connect.errors.class.name", textClass}, {"__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"},
		{"__connect.errors.exception.message", "cannot read this"},
		{"__connect.errors.exception.stacktrace", "org.apache.kafka.connect.errors.DataException: cannot read this\nCaused by: org.apache.kafka.connect.errors.ConnectException: because\n"},
	}
	if d := cmp.Diff(want, headers); d != "" {
		t.Error(d)
	}
	line := "Error encountered in task " + c.Name("snk") + "-0. Executing stage 'VALUE_CONVERTER' with class '" + textClass + "', where consumed record is {topic='" + c.Name("in") + "', partition=0, offset=1, timestamp=1730000000000, timestampType=CreateTime}."
	if !strings.Contains(r.log.String(), line) {
		t.Errorf("the log lacks %q:\n%s", line, r.log)
	}
	if got := committed(t, c); got != 2 {
		t.Errorf("committed: got %d, want 2", got)
	}
	if s, d := r.meter.Skipped.Load(), r.meter.DeadLetters.Load(); s != 1 || d != 1 {
		t.Errorf("skipped and dead-lettered: got %d and %d, want 1 and 1", s, d)
	}
}

func TestToleranceNoneSendsToTheQueueAndFails(t *testing.T) {
	t.Parallel()
	bad := &plugin.DataError{Reason: "bad:", Err: errors.New("because")}
	for name, change := range map[string]func(*plugintest.RecordingSink, *graph.Task){
		"converter": func(_ *plugintest.RecordingSink, g *graph.Task) {
			g.Value = converter(plugin.ValueUse, func(s string) error {
				if s == "2" || s == "4" {
					return bad
				}
				return nil
			})
		},
		"transform": func(_ *plugintest.RecordingSink, g *graph.Task) {
			g.Chain = []graph.Stage{failAt("Bad", bad, "2", "4")}
		},
		"errant": func(s *plugintest.RecordingSink, _ *graph.Task) {
			s.OnPut = func(_ context.Context, _ plugin.SinkHost, b *record.Batch) error {
				b.Each(func(_ int, r *record.Record) error {
					if v := r.Value.Value.Text(); v == "2" || v == "4" {
						return bad
					}
					return nil
				})
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "in")
			produce(c, "in", numbers(0, 6)...)
			snk := &plugintest.RecordingSink{}
			r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) { change(snk, g) }))
			err := r.end()
			if !errors.Is(err, bad) {
				t.Fatalf("got %v, want %v", err, bad)
			}
			for _, says := range []string{"{topic=" + c.Name("in") + ", partition=0} at 2", "none: bad: because"} {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("got %v, want %q in it", err, says)
				}
			}
			same(t, "queue", values(t, c, "dlq"), []string{"2"})
			if got := snk.Texts(); len(got) < 2 || got[0] != "0" || got[1] != "1" {
				t.Errorf("put: got %q, want what is before the failed record", got)
			}
			if got := committed(t, c); got != 2 {
				t.Errorf("committed: got %d, want 2, the failed record", got)
			}
		})
	}
}

func TestErrantRecordsAreToleratedOneByOne(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", numbers(0, 5)...)
	snk := &plugintest.RecordingSink{OnPut: func(_ context.Context, _ plugin.SinkHost, b *record.Batch) error {
		b.Each(func(i int, _ *record.Record) error {
			if i == 1 || i == 3 {
				return errors.New("rejected")
			}
			return nil
		})
		return nil
	}}
	r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) { g.Errors.TolerateAll = true }))
	snk.AwaitRecords(t, 3)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "put", snk.Texts(), []string{"0", "2", "4"})
	queue := c.ConsumeAll("dlq")
	if len(queue) != 2 || string(queue[0].Value) != "1" || string(queue[1].Value) != "3" {
		t.Fatalf("got %v", queue)
	}
	for _, h := range queue[0].Headers {
		if h.Key == "__connect.errors.stage" && string(h.Value) != "TASK_PUT" || h.Key == "__connect.errors.class.name" && string(h.Value) != "org.apache.kafka.connect.sink.SinkTask" {
			t.Errorf("%s: got %s", h.Key, h.Value)
		}
	}
	if got := r.meter.Delivered.Load(); got != 3 {
		t.Errorf("delivered: got %d, want 3", got)
	}
}

func TestDeadLettersAreInTheOrderOfTheTopic(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", numbers(0, 6)...)
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) {
		g.Errors.TolerateAll = true
		g.Value = converter(plugin.ValueUse, func(s string) error {
			if s == "1" || s == "4" {
				return plugin.Data("not a value")
			}
			return nil
		})
		g.Chain = []graph.Stage{failAt("One", plugin.Data("no"), "3"), failAt("Two", plugin.Data("no"), "0")}
	}))
	snk.AwaitRecords(t, 2)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "put", snk.Texts(), []string{"2", "5"})
	same(t, "queue", values(t, c, "dlq"), []string{"0", "1", "3", "4"})
}

func TestOffsetsWaitForTheQueueAndItsFailureFailsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in", "dlq")
	produce(c, "in", "bad", "good")
	c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dlq", Err: kerr.TopicAuthorizationFailed, Count: -1})
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", queued, fast, func(g *graph.Task) {
		g.Errors.TolerateAll = true
		g.Chain = []graph.Stage{failAt("Bad", plugin.Data("no"), "bad")}
	}))
	d, ok := errors.AsType[*diag.Diagnostic](r.end())
	if !ok || d.Code != diag.BrokerRefused || !strings.Contains(r.err.Error(), "dead letter queue") {
		t.Errorf("got %v, want %s of the dead letter queue", r.err, diag.BrokerRefused)
	}
	if got := committed(t, c); got != -1 {
		t.Errorf("committed: got %d, but the queue has not taken the record", got)
	}
}

func TestQueueThatCannotBeMadeFailsTheStart(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
	r := start(t, sink(t, c, &plugintest.RecordingSink{}, "in", queued))
	if err := r.end(); err == nil || !strings.Contains(err.Error(), "dead letter queue") {
		t.Errorf("got %v", err)
	}
}

func TestSinkOfAMissingTopicWaitsAndTakesItUp(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "late", fast))
	r.awaitState(task.Running)
	c.CreateTopic("late", 1, nil)
	produce(c, "late", "1")
	snk.AwaitRecords(t, 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}

func TestSinkConsumesByRegex(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "app-1", "xapp-1")
	produce(c, "app-1", "1")
	produce(c, "xapp-1", "2")
	snk := &plugintest.RecordingSink{}
	s := sink(t, c, snk, "", fast)
	s.Instance.Task.Topics, s.Instance.Task.TopicsRegex = nil, c.Name("app-.*")
	r := start(t, s)
	snk.AwaitRecords(t, 1)
	c.CreateTopic("app-2", 1, nil)
	produce(c, "app-2", "3")
	snk.AwaitRecords(t, 2)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), []string{"1", "3"})
}

func TestHangingSinkIsAbandonedAndLeavesItsGroup(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1")
	release := make(chan struct{})
	inPut := make(chan struct{})
	snk := &plugintest.RecordingSink{OnPut: func(_ context.Context, _ plugin.SinkHost, b *record.Batch) error {
		if len(b.Records) > 0 {
			close(inPut)
			<-release
		}
		return nil
	}}
	s := sink(t, c, snk, "in")
	s.StopBudget = 200 * time.Millisecond
	r := start(t, s)
	<-inPut
	if err := r.halt(); !errors.Is(err, task.ErrAbandoned) {
		t.Errorf("got %v, want %v", err, task.ErrAbandoned)
	}
	r.await("the abandoned task to leave its group", func() bool { return members(t, c) == 0 })
	close(release)
	snk.AwaitCalls(t, "task.stop", 1)
	if got := committed(t, c); got != -1 {
		t.Errorf("an abandoned task committed %d", got)
	}
}

func TestOpenErrorFailsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	broken := errors.New("broken")
	snk := &plugintest.RecordingSink{OnOpen: func(context.Context, []plugin.TopicPartition) error { return broken }}
	if err := start(t, sink(t, c, snk, "in", fast)).end(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// TestBatchThatComesAgainLosesRevokedPartitions: a task that puts the same batch again and again must not put records of
// a partition that a rebalance took away, whatever a transform made of their topic.
func TestBatchThatComesAgainLosesRevokedPartitions(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("in", 2, nil)
	rename := func(g *graph.Task) {
		fast(g)
		g.Chain = []graph.Stage{stage("Route", func(_ *record.Batch, _ int, r *record.Record) error { r.Topic = "elsewhere"; return nil })}
	}
	var mu sync.Mutex
	busy := true
	one, two := &plugintest.RecordingSink{}, &plugintest.RecordingSink{}
	one.OnPut = func(_ context.Context, h plugin.SinkHost, b *record.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if busy && len(b.Records) > 0 {
			h.Timeout(5 * time.Millisecond)
			return plugin.Retry(errors.New("busy"), 0)
		}
		return nil
	}
	for i := range 10 {
		c.Produce("in", &kgo.Record{Partition: int32(i % 2), Value: []byte(itoa(i))})
	}
	r1 := start(t, sink(t, c, one, "in", rename))
	one.Await(t, "a put of records", func(calls []plugintest.Call) bool {
		return slices.ContainsFunc(calls, func(c plugintest.Call) bool { return c.Name == "task.put" && c.Records > 0 })
	})
	r2 := start(t, sink(t, c, two, "in", rename))
	two.AwaitCalls(t, "task.open", 1)
	two.AwaitRecords(t, 5)
	mu.Lock()
	busy = false
	mu.Unlock()
	one.AwaitRecords(t, 5)
	if err := errors.Join(r1.halt(), r2.halt()); err != nil {
		t.Fatal(err)
	}
	all := append(one.Texts(), two.Texts()...)
	slices.Sort(all)
	same(t, "records, each once", all, numbers(0, 10))
}

func TestTopicDeletedUnderASinkShowsAndPasses(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1")
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in"), func(k *task.Task) { k.SetPatience(20 * time.Millisecond) })
	snk.AwaitRecords(t, 1)
	c.DeleteTopic("in")
	r.await("the missing topic to show", func() bool {
		d, ok := errors.AsType[*diag.Diagnostic](r.condition())
		return ok && d.Code == diag.TopicMissing
	})
	if got := r.states(); got[len(got)-1] != task.Running {
		t.Errorf("state: got %v, want running", got)
	}
	c.CreateTopic("in", 1, nil)
	// One that is made anew is another topic, which a restarted task reads from its start.
	client, err := c.Clients().ProducerClient(nil, "test") // the cluster's own remembers the topic that was
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: c.Name("in"), Value: []byte("2")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	d, ok := errors.AsType[*diag.Diagnostic](r.end())
	if !ok || d.Code != diag.TopicMissing || !strings.Contains(d.Detail, "created again") {
		t.Fatalf("got %v, want %s that says why", r.err, diag.TopicMissing)
	}
	if _, ok := errors.AsType[*plugin.PermanentError](r.err); ok {
		t.Errorf("%v is permanent, but a restart cures it", r.err)
	}
	r = start(t, sink(t, c, snk, "in"))
	snk.AwaitRecords(t, 2)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}

// TestSinkAtLeastOnceUnderRandomStops stops a sink again and again; every record must have been put, in order.
func TestSinkAtLeastOnceUnderRandomStops(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	const total = 1000
	produce(c, "in", numbers(0, total)...)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 2))
	snk := &plugintest.RecordingSink{}
	for round := 0; len(snk.Texts()) < total; round++ {
		if round > 100 {
			t.Fatalf("seed %d: no end after 100 rounds", seed)
		}
		r := start(t, sink(t, c, snk, "in", fast, func(g *graph.Task) { g.Consumer["max.poll.records"] = "7" }))
		snk.AwaitRecords(t, min(total, len(snk.Texts())+1+random.IntN(200)))
		if err := r.halt(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	same(t, "records, each once since a stop commits", snk.Texts(), numbers(0, total))
}

func TestSinkConverterIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1", "2", "3")
	tries := 0
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", func(g *graph.Task) {
		g.Errors = graph.Errors{RetryTimeout: -1, RetryDelayMax: time.Millisecond}
		g.Value = converter(plugin.ValueUse, func(s string) error {
			if s == "2" && tries < 3 {
				tries++
				return plugin.Retry(errors.New("registry is busy"), 0)
			}
			return nil
		})
	}))
	snk.AwaitRecords(t, 3)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), []string{"1", "2", "3"})
	if got := r.meter.Retries.Load(); got != 3 {
		t.Errorf("retries: got %d, want 3", got)
	}
}

// TestFailedFlushWhileABatchComesAgain: going back to the last commit takes the waiting batch along, also of partitions
// of which nothing was put yet.
func TestFailedFlushWhileABatchComesAgain(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("in", 2, nil)
	var mu sync.Mutex
	flushes, busy := 0, true
	snk := &plugintest.RecordingSink{}
	snk.OnFlush = func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		flushes++
		if flushes == 2 {
			busy = false
			return errors.New("lost")
		}
		return nil
	}
	snk.OnPut = func(_ context.Context, h plugin.SinkHost, b *record.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if busy && len(b.Records) > 0 && b.Records[0].Partition == 1 {
			h.RequestCommit()
			h.Timeout(5 * time.Millisecond)
			return plugin.Retry(errors.New("busy"), 0)
		}
		return nil
	}
	put := func(partition int32, values ...string) {
		for _, v := range values {
			c.Produce("in", &kgo.Record{Partition: partition, Value: []byte(v)})
		}
	}
	r := start(t, sink(t, c, snk, "in"))
	put(0, "a")
	snk.AwaitRecords(t, 1)
	r.Commit()
	r.await("the first commit", func() bool { return r.meter.Commits.Load() == 1 })
	put(0, "b")
	snk.AwaitRecords(t, 2)
	put(1, "c")
	r.await("the failed flush", func() bool { return r.meter.CommitFailures.Load() == 1 })
	put(1, "d")
	r.await("the rest", func() bool { return len(snk.Texts()) >= 5 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	got := snk.Texts()
	slices.Sort(got)
	same(t, "records", got, []string{"a", "b", "b", "c", "d"})
}

func TestWaitingSinkDoesNotTurnTheProcessor(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*graph.Task, *plugintest.RecordingSink){
		"regex": func(g *graph.Task, _ *plugintest.RecordingSink) { g.Topics, g.TopicsRegex = nil, "in" },
		"batch that comes again": func(_ *graph.Task, s *plugintest.RecordingSink) {
			s.OnPut = func(_ context.Context, _ plugin.SinkHost, b *record.Batch) error {
				if len(b.Records) > 0 {
					return plugin.Retry(errors.New("busy"), time.Hour)
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "in")
			produce(c, "in", "1")
			snk := &plugintest.RecordingSink{}
			s := sink(t, c, snk, "in")
			change(&s.Instance.Task, snk)
			turns := 0
			s.Holds = func() bool { turns++; return true }
			r := start(t, s, func(k *task.Task) { k.SetPatience(50 * time.Millisecond) })
			began := time.Now()
			r.await("time to pass", func() bool { return time.Since(began) > 600*time.Millisecond })
			if err := r.halt(); err != nil {
				t.Fatal(err)
			}
			// Two looks at the lease a turn, and a turn every 50 ms.
			if turns > 80 {
				t.Errorf("the loop turned about %d times in %s", turns/2, time.Since(began))
			}
		})
	}
}

func TestSinkWithNothingToReadSettlesSoon(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	produce(c, "in", "1")
	for round, want := range []int{1, 1} {
		snk := &plugintest.RecordingSink{}
		r := start(t, sink(t, c, snk, "in"))
		if round == 0 {
			snk.AwaitRecords(t, want)
			r.Commit()
		}
		r.await("the task to settle long before the next commit is due", r.meter.Settled)
		if err := r.halt(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPausedTaskPutsNothingAfterARebalance(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.CreateTopic("in", 2, nil)
	one, two := &plugintest.RecordingSink{}, &plugintest.RecordingSink{}
	r1 := start(t, sink(t, c, one, "in", fast))
	one.AwaitCalls(t, "task.open", 1)
	r1.Pause()
	r1.awaitState(task.Paused)
	r2 := start(t, sink(t, c, two, "in", fast))
	two.AwaitCalls(t, "task.open", 1)
	one.AwaitCalls(t, "task.open", 2)
	for i := range 10 {
		c.Produce("in", &kgo.Record{Partition: int32(i % 2), Value: []byte(itoa(i))})
	}
	two.AwaitRecords(t, 5)
	puts := one.Count("task.put")
	one.AwaitCalls(t, "task.put", puts+3)
	same(t, "records of a paused task", one.Texts(), nil)
	r1.Resume()
	one.AwaitRecords(t, 5)
	if err := errors.Join(r1.halt(), r2.halt()); err != nil {
		t.Fatal(err)
	}
}

func TestRewindBeforeTheFirstRecord(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	var host plugin.SinkHost
	snk := &plugintest.RecordingSink{OnTaskStart: func(_ context.Context, h plugin.SinkHost, _ plugin.Config) error { host = h; return nil }}
	r := start(t, sink(t, c, snk, "in", fast))
	r.await("the assignment", func() bool { return r.meter.Lag() == 0 })
	host.Rewind(map[plugin.TopicPartition]int64{{Topic: c.Name("in")}: 1})
	puts := snk.Count("task.put")
	snk.AwaitCalls(t, "task.put", puts+2) // the request has been looked at
	produce(c, "in", "0", "1", "2")
	snk.AwaitRecords(t, 2)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", snk.Texts(), []string{"1", "2"})
	if got := committed(t, c); got != 3 {
		t.Errorf("committed: got %d, want 3", got)
	}
}

func TestSinkConvertsKeyValueHeadersInThisOrder(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in")
	at := time.UnixMilli(1730000000000)
	c.Produce("in", &kgo.Record{Key: []byte("k"), Value: []byte("v"), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("h1")}, {Key: "a", Value: []byte("h2")}, {Key: "b"}}},
		&kgo.Record{Value: []byte("w"), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("bad")}}})
	var order []string
	note := func(s string) error {
		if order = append(order, s); s == "bad" {
			return plugin.Data("no")
		}
		return nil
	}
	snk := &plugintest.RecordingSink{}
	r := start(t, sink(t, c, snk, "in", queued, func(g *graph.Task) {
		g.Errors.TolerateAll = true
		g.Key, g.Value, g.Header = converter(plugin.KeyUse, note), converter(plugin.ValueUse, note), converter(plugin.HeaderUse, note)
	}))
	snk.AwaitRecords(t, 1)
	queue := c.Consume("dlq", 1)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "conversions", order, []string{"k", "v", "h1", "h2", "w", "bad"})
	got := snk.Received()[0]
	if got.Key.Value.Text() != "k" || got.Timestamp != at.UnixMilli() || len(got.Headers) != 3 || got.Headers[0].Key != "a" ||
		got.Headers[1].Value.Text() != "h2" || got.Headers[2].Key != "b" || !got.Headers[2].Value.IsNull() {
		t.Errorf("got %+v", got)
	}
	for _, h := range queue[0].Headers {
		if h.Key == "__connect.errors.stage" && string(h.Value) != "HEADER_CONVERTER" {
			t.Errorf("stage: got %s, want HEADER_CONVERTER", h.Value)
		}
	}
}
