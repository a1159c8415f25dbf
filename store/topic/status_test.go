package topic_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/topic"
)

// topics is what the statuses of this package do beside the contract (KIP-558).
type topics interface {
	store.Statuses
	topic.Topics
}

func statuses(t *testing.T, s store.Store) []store.Status {
	t.Helper()
	all, err := s.Statuses().All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStatusesOfKafkaConnect(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.open() // makes the topic
	f, err := os.Open("testdata/java-status.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var records []*kgo.Record
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			Key   string  `json:"key"`
			Value *string `json:"value"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Key: []byte(line.Key)}
		if line.Value != nil {
			r.Value = []byte(*line.Value)
		}
		records = append(records, r)
	}
	c.produce(c.settings().Statuses.Name, records...)
	of := func(name string, task int, state store.State) store.Status {
		return store.Status{Connector: name, Task: task, State: state, Member: "127.0.0.1:8083"}
	}
	// What the worker that wrote them answered at that moment.
	same(t, "statuses", statuses(t, c.open()), []store.Status{
		of("a-b c/%", store.Instance, store.StatePaused), of("again", store.Instance, store.StateStopped),
		of("local-file-sink", store.Instance, store.StateRunning), of("local-file-sink", 0, store.StateRunning), of("local-file-sink", 1, store.StateRunning),
		of("local-file-source", store.Instance, store.StateRunning), of("local-file-source", 0, store.StateRunning),
	})
}

func TestStatusesAsWritten(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	settings := c.settings()
	settings.Address = "w1:8083"
	s, err := topic.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // in a test of something else
	for _, st := range []store.Status{
		{Connector: "a", Task: store.Instance, State: store.StateRunning, Member: "m", Epoch: 3},
		{Connector: "a", Task: 0, State: store.StateFailed, Member: "m", Epoch: 3, Trace: "<init> failed", Attempt: 2, Next: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)},
		{Connector: "a", Task: 0, State: store.StateUnassigned, Member: "m", Epoch: 4, Released: true},
	} {
		if err := s.Statuses().Put(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	for _, text := range texts(c.records(settings.Statuses.Name, kgo.ReadCommitted())) {
		got[text] = true
	}
	same(t, "records", got, map[string]bool{
		`status-connector-a {"state":"RUNNING","trace":null,"worker_id":"w1:8083","generation":0,"version":null,"engine":{"member":"m","epoch":3}}`:                                                  true,
		`status-task-a-0 {"state":"FAILED","trace":"<init> failed","worker_id":"w1:8083","generation":0,"version":null,"engine":{"member":"m","epoch":3,"attempt":2,"next":"2030-01-02T03:04:05Z"}}`: true,
		`status-task-a-0 {"state":"UNASSIGNED","trace":null,"worker_id":"w1:8083","generation":0,"version":null,"engine":{"member":"m","epoch":4,"released":true}}`:                                  true,
	})
	same(t, "read by another", statuses(t, c.open()), []store.Status{
		{Connector: "a", Task: store.Instance, State: store.StateRunning, Member: "m", Epoch: 3},
		{Connector: "a", Task: 0, State: store.StateUnassigned, Member: "m", Epoch: 4, Released: true},
	})
}

func TestLateWords(t *testing.T) {
	t.Parallel()
	const ours7, ours6 = `{"state":"RUNNING","trace":null,"worker_id":"w","generation":0,"engine":{"member":"m","epoch":7}}`, `{"state":"UNASSIGNED","trace":null,"worker_id":"v","generation":0,"engine":{"member":"l","epoch":6,"released":true}}`
	const runs3, gone2, failed1 = `{"state":"RUNNING","trace":null,"worker_id":"w","generation":3}`, `{"state":"UNASSIGNED","trace":null,"worker_id":"v","generation":2}`, `{"state":"FAILED","trace":"x","worker_id":"v","generation":1}`
	for name, test := range map[string]struct {
		values []string
		want   store.State
	}{
		"an older epoch":                       {[]string{ours7, ours6}, store.StateRunning},
		"let go after another runs it":         {[]string{runs3, gone2}, store.StateRunning},
		"a failure of a younger group":         {[]string{runs3, failed1}, store.StateFailed},
		"Kafka Connect after us":               {[]string{ours7, gone2}, store.StateUnassigned},
		"we after Kafka Connect":               {[]string{runs3, ours6}, store.StateUnassigned},
		"an invented state, and no generation": {[]string{runs3, `{"state":"DANCING","trace":null,"worker_id":"v","generation":9}`, `{"state":"FAILED","trace":null,"worker_id":"v"}`, `{`}, store.StateRunning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.open()
			for _, v := range test.values {
				c.produce(c.settings().Statuses.Name, &kgo.Record{Key: []byte("status-task-a-0"), Value: []byte(v)})
			}
			if all := statuses(t, c.open()); len(all) != 1 || all[0].State != test.want {
				t.Errorf("got %+v, want %s", all, test.want)
			}
		})
	}
}

func TestTopicsOfAConnector(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	of := s.Statuses().(topics)
	list := func(s store.Store, want ...string) {
		t.Helper()
		got, err := s.Statuses().(topics).Topics(t.Context(), "a:b")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "topics", got, want)
	}
	for _, name := range []string{"t2", "t1", "t2"} {
		if err := of.Used(t.Context(), "a:b", 0, name); err != nil {
			t.Fatal(err)
		}
	}
	list(s, "t1", "t2")
	list(c.open(), "t1", "t2")
	records := c.records(c.settings().Statuses.Name, kgo.ReadCommitted())
	if len(records) != 2 {
		t.Errorf("got %d records, want one a topic", len(records))
	}
	for _, r := range records {
		var v struct {
			Topic struct {
				Name, Connector   string
				Task              int
				DiscoverTimestamp int64
			}
		}
		if err := json.Unmarshal(r.Value, &v); err != nil || string(r.Key) != "status-topic-"+v.Topic.Name+":connector-a:b" || v.Topic.Connector != "a:b" || v.Topic.DiscoverTimestamp == 0 {
			t.Errorf("got %s %s, %v", r.Key, r.Value, err)
		}
	}
	if err := of.ForgetTopics(t.Context(), "a:b"); err != nil {
		t.Fatal(err)
	}
	list(s)
	if err := of.Used(t.Context(), "a:b", 0, "t1"); err != nil {
		t.Fatal(err)
	}
	list(s, "t1")
	if err := of.Forget(t.Context(), "a:b"); err != nil {
		t.Fatal(err)
	}
	list(c.open())
}
