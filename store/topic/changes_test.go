package topic_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store/topic"
)

// TestChangesOfATopic lists who was written when, in a topic of Kafka Connect, from the beginning and from an offset.
func TestChangesOfATopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	name := c.settings().Config.Name
	if _, err := c.admin().CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	write := func(key, value string) {
		r := &kgo.Record{Key: []byte(key), Value: []byte(value)}
		if value == "" {
			r.Value = nil
		}
		c.produce(name, r)
	}
	write("connector-a", `{"properties":{"name":"a","v":"1"}}`)
	write("task-a-0", `{"properties":{"task.class":"x"}}`)
	write("commit-a", `{"tasks":1}`)
	write("connector-b-c", `{"properties":{"name":"b-c"}}`)
	write("connector-a", `{"properties":{"name":"a","v":"2"}}`)
	write("connector-b-c", "")
	all := []topic.Change{
		{Connector: "a", Offset: 0, Config: config.Map{"name": "a", "v": "1"}},
		{Connector: "b-c", Offset: 3, Config: config.Map{"name": "b-c"}},
		{Connector: "a", Offset: 4, Config: config.Map{"name": "a", "v": "2"}},
		{Connector: "b-c", Offset: 5},
	}
	for after, want := range map[int64][]topic.Change{-1: all, 2: all[1:], 3: all[2:], 5: nil, 99: nil} {
		got, err := topic.Changes(t.Context(), c.client, name, after)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(topic.Change{}, "At"), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("behind %d (-want +got):\n%s", after, d)
		}
		for _, ch := range got {
			if age := time.Since(ch.At); age < -time.Minute || age > time.Hour {
				t.Errorf("%s at %d was written at %s", ch.Connector, ch.Offset, ch.At)
			}
		}
	}
	if got, err := topic.Changes(t.Context(), c.client, name+"-none", -1); err == nil {
		t.Errorf("a topic that is not there: got %v", got)
	}
	write("connector-a", `{"properties":`)
	if got, err := topic.Changes(t.Context(), c.client, name, -1); err == nil {
		t.Errorf("a record that cannot be read: got %v", got)
	}
}
