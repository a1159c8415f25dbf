package kafka_test

import (
	"errors"
	"testing"

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
