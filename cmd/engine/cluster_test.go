package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/store"
)

// eventually looks again and again until something holds; what it returns says how it is.
func eventually(t *testing.T, within time.Duration, holds func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(within); ; {
		ok, is := holds()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %s: %s", within, is)
		}
	}
}

// running reports whether every connector named runs with a task, told by one worker.
func (w *restWorker) running(t *testing.T, names ...string) (bool, string) {
	t.Helper()
	got := w.call(t, http.MethodGet, "/connectors?expand=status", "")
	var all map[string]struct{ Status api.Status }
	if err := json.Unmarshal([]byte(got.body), &all); err != nil {
		return false, got.String()
	}
	for _, name := range names {
		is, there := all[name]
		if !there || is.Status.Connector.State != store.StateRunning || len(is.Status.Tasks) == 0 {
			return false, got.String()
		}
		for _, task := range is.Status.Tasks {
			if task.State.State != store.StateRunning {
				return false, got.String()
			}
		}
	}
	return true, ""
}

// TestThreeWorkersShareTheirWork creates connectors through any worker, lets the leader go in good order and another
// without a word, and loses nothing.
func TestThreeWorkersShareTheirWork(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for a session to end")
	}
	topic := "out-" + strings.ToLower(store.NewID()[:8])
	k := startTestKafka(t, topic)
	settings := map[string]string{"group.id": k.name("workers"), "session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "scheduled.rebalance.max.delay.ms": "6000",
		"value.converter": "org.apache.kafka.connect.storage.StringConverter", "key.converter": "org.apache.kafka.connect.storage.StringConverter"}
	var ws []*restWorker
	for range 3 {
		ws = append(ws, startShared(t, k, settings))
	}
	eventually(t, patience, func() (bool, string) {
		is := plan(t, ws[0])
		return len(is.Members) == 3, fmt.Sprintf("%+v", is)
	})
	dir := t.TempDir()
	var names []string
	for i := range 6 {
		name := fmt.Sprintf("in-%d", i)
		names = append(names, name)
		writeLines(t, dir, name, 0, 10)
		body := fmt.Sprintf(`{"name":%q,"config":{"connector.class":"FileStreamSource","file":%q,"topic":%q}}`, name, filepath.Join(dir, name), topic)
		if got := ws[i%3].call(t, http.MethodPost, "/connectors", body); got.status != http.StatusCreated {
			t.Fatalf("create through worker %d: %s", i%3, got)
		}
		// Read on another worker at once: the read barrier.
		if got := ws[(i+1)%3].call(t, http.MethodGet, "/connectors/"+name, ""); got.status != http.StatusOK {
			t.Errorf("worker %d does not know what worker %d has created: %s", (i+1)%3, i%3, got)
		}
	}
	eventually(t, patience, func() (bool, string) { return ws[1].running(t, names...) })
	owners := map[string]int{}
	for _, p := range plan(t, ws[2]).Placements {
		owners[p.Member]++
	}
	if len(owners) != 3 {
		t.Errorf("placed on %v, want on all three", owners)
	}

	var out bytes.Buffer
	if code := execute(t.Context(), process{
		args: []string{"status", "-cluster", "-url", "http://" + ws[1].address}, out: &out, err: t.Output(), env: func(string) (string, bool) { return "", false },
	}); code != 0 || strings.Count(out.String(), "leader") != 1 || strings.Count(out.String(), "in-3 ") != 2 {
		t.Errorf("engine status -cluster ended with %d:\n%s", code, out.String())
	}

	leader := slices.IndexFunc(ws, func(w *restWorker) bool { return plan(t, w).Leader == plan(t, w).Worker })
	ws[leader].end(t)
	ws = slices.Delete(ws, leader, leader+1)
	for _, name := range names {
		writeLines(t, dir, name, 10, 20)
	}
	eventually(t, patience, func() (bool, string) {
		is := plan(t, ws[0])
		if len(is.Members) != 2 || is.Leader == "" {
			return false, fmt.Sprintf("%+v", is)
		}
		return ws[0].running(t, names...)
	})
	for i, w := range ws {
		name := fmt.Sprintf("late-%d", i)
		names = append(names, name)
		writeLines(t, dir, name, 0, 20)
		body := fmt.Sprintf(`{"connector.class":"FileStreamSource","file":%q,"topic":%q}`, filepath.Join(dir, name), topic)
		if got := w.call(t, http.MethodPut, "/connectors/"+name+"/config", body); got.status != http.StatusCreated {
			t.Fatalf("create after the leader has gone: %s", got)
		}
	}
	eventually(t, patience, func() (bool, string) { return ws[1].running(t, names...) })
	want := map[string]bool{}
	for _, name := range names {
		for i := range 20 {
			want[fmt.Sprintf("%s line %d", name, i)] = true
		}
	}
	eventually(t, patience, func() (bool, string) {
		missing := missingFrom(t, k.servers, topic, want)
		return len(missing) == 0, fmt.Sprintf("%d lines are missing, such as %v", len(missing), missing[:min(3, len(missing))])
	})
}

// TestPlacementsTellWhatIsStillToCome, and nothing of what has come about.
func TestPlacementsTellWhatIsStillToCome(t *testing.T) {
	t.Parallel()
	address := map[string]string{"a/1": "a", "b/1": "b"}
	for _, c := range []struct {
		placement api.PlanPlacement
		there     bool
		want      []string
	}{
		{api.PlanPlacement{Connector: "c", Task: store.Instance, Member: "a/1"}, true, []string{"c", "-", "a", ""}},
		{api.PlanPlacement{Connector: "c", Task: 1, Member: "a/1", Follows: "b/1"}, false, []string{"c", "1", "a", "is to be taken over from b"}},
		{api.PlanPlacement{Connector: "c", Task: 1, Member: "a/1", Follows: "b/1"}, true, []string{"c", "1", "a", ""}},
		{api.PlanPlacement{Connector: "c", Task: 0, Member: "a/1", Leaving: true}, true, []string{"c", "0", "a", "stopping"}},
		{api.PlanPlacement{Connector: "c", Task: 0, Member: "gone/1"}, false, []string{"c", "0", "gone/1", "gone; others wait for it to come back"}},
	} {
		if got := placed(c.placement, address, c.there); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// plan is GET /plan.
func plan(t *testing.T, w *restWorker) *api.Plan {
	t.Helper()
	got := w.call(t, http.MethodGet, "/plan", "")
	p := new(api.Plan)
	if err := json.Unmarshal([]byte(got.body), p); err != nil || got.status != http.StatusOK {
		t.Fatalf("GET /plan: %s", got)
	}
	return p
}

func writeLines(t *testing.T, dir, name string, from, to int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&lines, "%s line %d\n", name, i)
	}
	if _, err := f.WriteString(lines.String()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// missingFrom reads a topic from its start and says which lines are not there.
func missingFrom(t *testing.T, servers, topic string, want map[string]bool) []string {
	t.Helper()
	found := map[string]bool{}
	for _, v := range readAll(t, servers, topic) {
		found[v] = true
	}
	var missing []string
	for line := range want {
		if !found[line] {
			missing = append(missing, line)
		}
	}
	return missing
}

// readAll is what a topic holds.
func readAll(t *testing.T, servers, topic string) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	var values []string
	for next := int64(0); next < end.Offset; {
		client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			values = append(values, string(r.Value))
			next = r.Offset + 1
		})
	}
	return values
}

// TestTopicsThatAWorkerMustNotUse are refused with the setting that names them and what to do.
func TestTopicsThatAWorkerMustNotUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, policy, plan, code, place, want string }{
		{"cleanup policy", "delete", "", "E013", ":2:", "cleanup.policy=compact"},
		{"another cluster's", "compact", `{"version":1,"group.id":"theirs","epoch":1}`, "E920", ":2:", "take its group.id"},
		{"a later version's", "compact", `{"version":9,"group.id":"g","epoch":1}`, "E205", ":2:", "Start the version that wrote it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := startTestKafka(t)
			configs := k.name("refused-" + strings.ToLower(store.NewID()[:8]))
			client, err := kgo.NewClient(kgo.SeedBrokers(k.servers))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			admin := kadm.NewClient(client)
			if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": &c.policy}, configs); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_, _ = admin.DeleteTopics(context.Background(), configs, configs+"-offsets", configs+"-status")
			}) // of a broker that goes
			if c.plan != "" {
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: configs, Key: []byte("plan"), Value: []byte(c.plan)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			name := filepath.Join(t.TempDir(), "worker.properties")
			text := fmt.Sprintf("bootstrap.servers=%[1]s\nconfig.storage.topic=%[2]s\ngroup.id=g%[3]s\noffset.storage.topic=%[2]s-offsets\nstatus.storage.topic=%[2]s-status\n"+
				"config.storage.replication.factor=-1\noffset.storage.replication.factor=-1\nstatus.storage.replication.factor=-1\nlisteners=http://127.0.0.1:0\n", k.servers, configs, k.suffix)
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var told bytes.Buffer
			code := execute(t.Context(), process{args: []string{"worker", name}, out: t.Output(), err: &told, env: func(string) (string, bool) { return "", false }})
			said := strings.Join(strings.Fields(told.String()), " ")
			for _, want := range []string{c.code, "worker.properties" + c.place, c.want} {
				if code != 1 || !strings.Contains(said, want) {
					t.Errorf("ended with %d and does not say %q:\n%s", code, want, told.String())
				}
			}
		})
	}
}

func TestTheDevelopmentBrokerServesNoCluster(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Settings{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	name := filepath.Join(t.TempDir(), "worker.properties")
	text := "bootstrap.servers=" + b.Addr() + "\ngroup.id=g\nconfig.storage.topic=c\noffset.storage.topic=o\nstatus.storage.topic=s\nlisteners=http://127.0.0.1:0\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	code := execute(t.Context(), process{args: []string{"worker", name}, out: t.Output(), err: &told, env: func(string) (string, bool) { return "", false }})
	if code != 1 || !strings.Contains(told.String(), "E205") || !strings.Contains(told.String(), "development broker") {
		t.Errorf("ended with %d and said:\n%s", code, told.String())
	}
}
