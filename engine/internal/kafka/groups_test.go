package kafka_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

func TestOffsetsOfAGroup(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	topic, group := c.CreateTopic("t", 2, nil), c.Name("g")
	clients := c.Clients()
	admin, err := clients.AdminClient(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	g := kafka.NewGroups(admin)
	is := func(want ...kafka.GroupOffset) {
		t.Helper()
		got, err := g.Offsets(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("offsets (-want +got):\n%s", d)
		}
	}
	try := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	first, second := kafka.GroupOffset{Topic: topic, Partition: 0, Offset: 3}, kafka.GroupOffset{Topic: topic, Partition: 1, Offset: 5}

	is() // a group that nobody has seen
	try("delete a group that is not there", g.Delete(t.Context(), group))
	try("clear one that is not there", g.Clear(t.Context(), group, []kafka.GroupOffset{first}))
	try("set", g.Set(t.Context(), group, []kafka.GroupOffset{first, second}))
	is(first, second)
	for _, wrong := range []kafka.GroupOffset{{Topic: topic, Partition: 2}, {Topic: topic, Partition: -1}, {Topic: c.Name("none")}} {
		if err := g.Set(t.Context(), group, []kafka.GroupOffset{{Topic: topic, Offset: 9}, wrong}); err == nil {
			t.Errorf("set %v: got no error", wrong)
		}
	}
	is(first, second) // and nothing of what was refused
	try("clear one", g.Clear(t.Context(), group, []kafka.GroupOffset{first}))
	is(second)
	try("delete", g.Delete(t.Context(), group))
	is()
}

// TestPlacesInTime finds the beginning, the end and a time in the partitions of topics.
func TestPlacesInTime(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	topic, other := c.CreateTopic("t", 2, nil), c.CreateTopic("other", 1, nil)
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for i := range 3 {
		c.Produce(topic, &kgo.Record{Partition: 0, Value: []byte("x"), Timestamp: day.AddDate(0, 0, i)})
	}
	clients := c.Clients()
	admin, err := clients.AdminClient(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	g := kafka.NewGroups(admin)
	for name, w := range map[string]struct {
		at   int64
		want int64 // of the partition that has records
	}{
		"the beginning":      {kafka.Beginning, 0},
		"the end":            {kafka.End, 3},
		"a record":           {day.AddDate(0, 0, 1).UnixMilli(), 1},
		"between two":        {day.AddDate(0, 0, 1).UnixMilli() + 1, 2},
		"after all of them":  {day.AddDate(0, 0, 9).UnixMilli(), 3},
		"before all of them": {day.AddDate(0, 0, -9).UnixMilli(), 0},
	} {
		got, err := g.At(t.Context(), []string{topic, other}, w.at)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := []kafka.GroupOffset{{Topic: other}, {Topic: topic, Offset: w.want}, {Topic: topic, Partition: 1}}
		slices.SortFunc(want, func(a, b kafka.GroupOffset) int { return strings.Compare(a.Topic, b.Topic) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if got, err := g.At(t.Context(), []string{topic, c.Name("none")}, kafka.End); err == nil {
		t.Errorf("a topic that is not there: got %v", got)
	}
	if got, err := g.At(t.Context(), nil, kafka.End); err != nil || len(got) > 0 {
		t.Errorf("no topics: got %v, %v", got, err)
	}
	if names, err := g.Topics(t.Context()); err != nil || !slices.Contains(names, topic) {
		t.Errorf("topics: got %v, %v", names, err)
	}
}

func TestAGroupWithMembersIsBusy(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "t")
	topic, group := c.Name("t"), c.Name("g")
	c.Produce(topic, &kgo.Record{Value: []byte("x")})
	clients := c.Clients()
	admin, err := clients.AdminClient(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	member, err := clients.ConsumerClient(nil, "", group, kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(member.Close)
	if err := member.PollFetches(t.Context()).Err(); err != nil { // a record says that it has joined
		t.Fatal(err)
	}
	g := kafka.NewGroups(admin)
	for what, err := range map[string]error{
		"set":    g.Set(t.Context(), group, []kafka.GroupOffset{{Topic: topic}}),
		"clear":  g.Clear(t.Context(), group, []kafka.GroupOffset{{Topic: topic}}),
		"delete": g.Delete(t.Context(), group),
	} {
		if !errors.Is(err, kafka.ErrGroupBusy) {
			t.Errorf("%s: got %v, want %v", what, err, kafka.ErrGroupBusy)
		}
	}
}
