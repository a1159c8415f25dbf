package task_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
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
			{Name: "again", Include: []string{".*"}, Exclude: []string{c.Name("other")}, Partitions: 5, Replicas: 1},
			{Name: "default", Partitions: 2, Replicas: -1},
		}
	})
	s.CreateMissing = true
	r := start(t, s)
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 4 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	client, err := c.Clients().AdminClient(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for topic, partitions := range map[string]int{"app-1": 3, "other": 2, "there": 1} {
		details, err := admin.ListTopics(t.Context(), c.Name(topic))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(details[c.Name(topic)].Partitions); got != partitions {
			t.Errorf("%s: got %d partitions, want %d", topic, got, partitions)
		}
	}
	configs, err := admin.DescribeTopicConfigs(t.Context(), c.Name("app-1"))
	if err != nil {
		t.Fatal(err)
	}
	retention := ""
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			retention = config.MaybeValue()
		}
	}
	if retention != "1234" {
		t.Errorf("retention.ms of app-1: got %q, want 1234", retention)
	}
}

func TestATopicIsMadeOnce(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	created := c.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Observe: true, Count: -1})
	src := &plugintest.ScriptedSource{}
	for i := range 4 {
		src.Push(plugintest.Emit(plugintest.Row{Partition: "a", Offset: int64(i), Topic: []string{"one", "two"}[i%2], Value: "v"}))
	}
	s := source(t, c, src, newOffsets())
	s.CreateMissing = true
	r := start(t, s)
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 4 })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	if got := created.Hits(); got != 2 {
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
	awaitMissing(t, start(t, s), c.Name("scripted"))
}

func TestMissingTopicFailsTheTaskAfterABoundedWait(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 3))
	began := time.Now()
	awaitMissing(t, start(t, source(t, c, src, newOffsets())), c.Name("scripted"))
	if took := time.Since(began); took > patience {
		t.Errorf("it took %s", took)
	}
}

func TestTopicDeletedUnderTheTaskFailsIt(t *testing.T) {
	t.Parallel()
	for _, tolerate := range []bool{false, true} {
		t.Run(fmt.Sprintf("tolerate %v", tolerate), func(t *testing.T) {
			t.Parallel()
			topicDeleted(t, tolerate)
		})
	}
}

func topicDeleted(t *testing.T, tolerate bool) {
	c := kafkatest.Start(t, "scripted")
	src := &plugintest.ScriptedSource{}
	src.Push(plugintest.Numbered("a", 0, 3))
	o := newOffsets()
	r := start(t, source(t, c, src, o, func(g *graph.Task) { g.Errors.TolerateAll = tolerate }))
	r.await("delivery", func() bool { return r.meter.Delivered.Load() == 3 })
	c.DeleteTopic("scripted")
	src.Push(plugintest.Numbered("a", 3, 3))
	awaitMissing(t, r, c.Name("scripted"))
	if got, want := o.all()[`{"name":"a"}`], `{"n":2}`; got != want {
		t.Errorf("stored offset: got %s, want %s: what was for the topic is not delivered", got, want)
	}
}

func awaitMissing(t *testing.T, r *run, topic string) {
	t.Helper()
	d, ok := errors.AsType[*diag.Diagnostic](r.end())
	if !ok || d.Code != diag.TopicMissing || !strings.Contains(d.Detail, "`"+topic+"`") {
		t.Errorf("got %v, want %s naming %s", r.err, diag.TopicMissing, topic)
	}
}
