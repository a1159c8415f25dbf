package task_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin/plugintest"
)

func TestTopicsAreMadeByTheFirstGroupThatMatches(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "there")
	src := &plugintest.ScriptedSource{}
	for i, topic := range []string{"app-1", "other", "there", "app-1"} {
		src.Push(plugintest.Emit(plugintest.Row{Partition: "a", Offset: int64(i), Topic: topic, Value: "v"}))
	}
	s := source(t, c, src, newOffsets(), func(g *graph.Task) {
		g.Creation = []graph.TopicGroup{
			{Name: "apps", Include: []string{"app-.*"}, Partitions: 3, Replicas: 1, Configs: map[string]string{"retention.ms": "1234"}},
			{Name: "again", Include: []string{".*"}, Exclude: []string{"other"}, Partitions: 5, Replicas: 1},
			{Name: "default", Partitions: 2, Replicas: -1},
		}
	})
	s.CreateMissing = true
	lookups := c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Observe: true, Count: -1})
	r := start(t, s)
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 4 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	for topic, partitions := range map[string]int{"app-1": 3, "other": 2, "there": 1} {
		if got := len(c.Fake().PartitionInfos(topic)); got != partitions {
			t.Errorf("%s: got %d partitions, want %d", topic, got, partitions)
		}
	}
	if got := c.Fake().TopicInfo("app-1").Configs["retention.ms"]; got == nil || *got != "1234" {
		t.Errorf("retention.ms of app-1: got %v, want 1234", got)
	}
	if got := lookups.Hits(); got != 2 {
		t.Errorf("topics were created %d times, want 2", got)
	}
}

func TestWithoutGroupsTheBrokersDefaultsHold(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 3))
	s := source(t, c, src, newOffsets())
	s.CreateMissing = true
	r := start(t, s)
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 3 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	same(t, "topic", values(t, c, "scripted"), numbers(0, 3))
}

func TestTopicThatMayNotBeMadeFailsTheTask(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 3))
	s := source(t, c, src, newOffsets())
	s.CreateMissing = true
	awaitMissing(t, start(t, s), "scripted")
}

func TestMissingTopicFailsTheTaskAfterABoundedWait(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 3))
	began := time.Now()
	awaitMissing(t, start(t, source(t, c, src, newOffsets())), "scripted")
	if took := time.Since(began); took > patience {
		t.Errorf("it took %s", took)
	}
}

func TestTopicDeletedUnderTheTaskFailsIt(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 3))
	r := start(t, source(t, c, src, newOffsets()))
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 3 })
	if err := c.Fake().DeleteTopic("scripted"); err != nil {
		t.Fatal(err)
	}
	src.Push(plugintest.Numbered("a", 3, 3))
	awaitMissing(t, r, "scripted")
}

func awaitMissing(t *testing.T, r *run, topic string) {
	t.Helper()
	d, ok := errors.AsType[*diag.Diagnostic](r.end())
	if !ok || d.Code != diag.TopicMissing || !strings.Contains(d.Detail, "`"+topic+"`") {
		t.Errorf("got %v, want %s naming %s", r.err, diag.TopicMissing, topic)
	}
}
