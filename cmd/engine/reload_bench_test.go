package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/store"
)

// BenchmarkReloadOneOf1000 changes one of a thousand pipelines that run and loads the folder again: from the request to the
// stored plan. A neighbour makes a record every millisecond; gap-ms is the longest time between two of its stamps,
// calm-gap-ms the same before the first reload.
func BenchmarkReloadOneOf1000(b *testing.B) {
	in := filepath.Join(project1(b, map[string]string{"in.txt": ""}), "in.txt")
	files := map[string]string{"neighbour.hcl": strings.Replace(datagen("neighbour", "batch_size = 1"), "100", "1000", 1)}
	for i := range 999 {
		name := fmt.Sprintf("p%04d", i)
		files[name+".hcl"] = idle(name, in, 1)
	}
	r := startRun(b, project1(b, files), false)
	r.await("all to run", func() bool {
		s, err := r.store.Statuses().All(b.Context())
		n := 0
		for _, st := range s {
			if st.Task >= 0 && st.State == store.StateRunning {
				n++
			}
		}
		return err == nil && n == 1000
	})
	before, err := r.store.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	calm := time.Now()
	<-time.After(2 * time.Second)
	n, began := 1, time.Now()
	for b.Loop() {
		n++
		b.StopTimer()
		<-time.After(200 * time.Millisecond) // as people do, so that what follows a reload is in the gap, and no other reload
		b.StartTimer()
		r.write("p0500.hcl", idle("p0500", in, n))
		o, err := r.run.reloads.Reload(b.Context())
		if err != nil || o.found.HasErrors() || len(o.changes.Changed) != 1 || len(o.changes.Untouched) != 999 {
			b.Fatalf("%+v, %v", o, err)
		}
	}
	after, err := r.store.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	delete(before.Connectors, "p0500")
	for name := range before.Connectors {
		if diff := cmp.Diff(before.Connectors[name], after.Connectors[name]); diff != "" {
			b.Fatalf("%s was touched:\n%s", name, diff)
		}
	}
	stamps := topicOf(b, r, "neighbour")
	b.ReportMetric(float64(longestGap(stamps, began, time.Now()).Milliseconds()), "gap-ms")
	b.ReportMetric(float64(longestGap(stamps, calm, began).Milliseconds()), "calm-gap-ms")
}

// TestReloadOfOneLeavesTheOthersAlone changes one of a thousand pipelines, of which a hundred make records, again and again:
// the others are not stored anew, each makes every record once and in order, and none of them stands still because of it.
// A machine that others use lets them stand still by itself, so each reload is compared with the moments before it, and one
// that disturbs them does so every time. (It is not parallel, so that it measures itself.)
func TestReloadOfOneLeavesTheOthersAlone(t *testing.T) { //nolint:paralleltest // see above
	n, makers, reloads := 1000, 100, 5
	if testing.Short() || raceEnabled { // which makes all of it several times as slow
		n, makers = n/10, makers/10
	}
	busy := func(name string, size int) string {
		return fmt.Sprintf(`pipeline %q {
  source "datagen" {
    topic      = "stamps"
    rate       = 5
    fields     = ["id:sequence"]
    batch_size = %d
  }
  transform "insert_field" "name" {
    target       = "value"
    static_field = "name"
    static_value = %[1]q
  }
}
`, name, size)
	}
	in := filepath.Join(project1(t, map[string]string{"in.txt": ""}), "in.txt")
	files := map[string]string{"worker.hcl": patientStop}
	for i := range n {
		name := fmt.Sprintf("p%04d", i)
		if files[name+".hcl"] = busy(name, 1); i >= makers {
			files[name+".hcl"] = idle(name, in, 1)
		}
	}
	r := startRun(t, project1(t, files), false)
	all := func(holds func(engine.Pipeline) bool) func() bool {
		return func() bool {
			v, err := r.run.reloads.engine.View(t.Context())
			if err != nil || len(v.Pipelines) != n {
				return false
			}
			for _, p := range v.Pipelines {
				if !holds(p) {
					return false
				}
			}
			return true
		}
	}
	r.await("all to make records", all(func(p engine.Pipeline) bool {
		return p.Condition() == "RUNNING" && (p.Name >= fmt.Sprintf("p%04d", makers) || p.Counts().Delivered > 0)
	}))
	before, err := r.store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const window = 700 * time.Millisecond
	edges := []time.Time{time.Now()} // of windows without and with a reload, in turn
	for i := range reloads {
		<-time.After(window)
		edges = append(edges, time.Now())
		r.write("p0007.hcl", busy("p0007", 2+i))
		o, err := r.run.reloads.Reload(t.Context())
		if err != nil || o.found.HasErrors() || len(o.changes.Changed) != 1 || len(o.changes.Untouched) != n-1 {
			t.Fatalf("%+v, %v", o, err)
		}
		<-time.After(window)
		edges = append(edges, time.Now())
	}
	after, err := r.store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	delete(before.Connectors, "p0007")
	for name := range before.Connectors {
		if diff := cmp.Diff(before.Connectors[name], after.Connectors[name]); diff != "" {
			t.Fatalf("%s was touched:\n%s", name, diff)
		}
	}
	stamps := map[string][]*kgo.Record{}
	for _, record := range topicOf(t, r, "stamps") {
		var v struct {
			ID   int
			Name string
		}
		if err := json.Unmarshal(record.Value, &v); err != nil {
			t.Fatal(err)
		}
		if v.ID != len(stamps[v.Name]) {
			t.Fatalf("record %d of %s has the id %d", len(stamps[v.Name]), v.Name, v.ID)
		}
		stamps[v.Name] = append(stamps[v.Name], record)
	}
	delete(stamps, "p0007")
	least := time.Hour
	for i := range reloads {
		calm, reload := stall(stamps, edges[2*i], edges[2*i+1]), stall(stamps, edges[2*i+1], edges[2*i+2])
		t.Logf("reload %d: longest gap of %d neighbours %s, before it %s", i, len(stamps), reload, calm)
		least = min(least, reload-calm)
	}
	if least > time.Second/2 {
		t.Errorf("at each reload a neighbour stood still for %s more than before it, at least", least)
	}
}

// stall is the longest time between two records of anyone that reaches into a window.
func stall(stamps map[string][]*kgo.Record, from, to time.Time) time.Duration {
	var longest time.Duration
	for _, records := range stamps {
		for i := 1; i < len(records); i++ {
			if last, next := records[i-1].Timestamp, records[i].Timestamp; last.Before(to) && next.After(from) {
				longest = max(longest, next.Sub(last))
			}
		}
	}
	return longest
}

func idle(name, in string, n int) string {
	return fmt.Sprintf(`pipeline %q {
  source "file" {
    file       = %q
    topic      = "lines"
    batch_size = %d
  }
  transform "hoist_field" "wrap" {
    field = "line"
  }
  transform "insert_field" "host" {
    target       = "value"
    static_field = "host"
    static_value = "web-1"
  }
  value_converter "json" {
    schemas_enable = false
  }
}
`, name, in, n)
}

// longestGap is the longest time between two records that were made between two moments.
func longestGap(records []*kgo.Record, from, to time.Time) time.Duration {
	var last time.Time
	var longest time.Duration
	for _, r := range records {
		if last.After(from) && r.Timestamp.Before(to) {
			longest = max(longest, r.Timestamp.Sub(last))
		}
		last = r.Timestamp
	}
	return longest
}

// topicOf is every record of a topic of one partition, as it is now.
func topicOf(t testing.TB, r *running, topic string) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.run.broker.Addr()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var all []*kgo.Record
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		end := int64(-1)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			all = append(all, p.Records...)
			end = p.HighWatermark
		})
		if len(all) > 0 && all[len(all)-1].Offset+1 >= end {
			return all
		}
	}
}
