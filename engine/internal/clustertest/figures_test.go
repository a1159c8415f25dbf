package clustertest_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// figuresEnvironment names the variable that asks for figures instead of tests.
const figuresEnvironment = "CLUSTER_FIGURES"

// TestFigures measures a cluster of three workers, ours and then Kafka Connect's, on the same broker: `make bench-cluster`. It
// prints, and demands nothing: a machine that others use says little of what is fast enough.
func TestFigures(t *testing.T) {
	if os.Getenv(figuresEnvironment) == "" {
		t.Skip("make bench-cluster measures")
	}
	ours := start(t, 3)
	for _, w := range ours.workers {
		w.begin()
	}
	ours.settled(nil)
	measure(ours, "engine")
	ours.killed("engine")
	for _, w := range ours.workers {
		w.stop()
	}
	genuine := start(t, 3)
	for _, w := range genuine.workers {
		w.beginGenuine()
	}
	measure(genuine, "Kafka Connect")
}

// measure adds connectors, one at a time and many at once.
func measure(c *cluster, who string) {
	topic := c.group + "-t"
	c.createTopics(topic)
	input := filepath.Join(c.dir, "in.txt")
	if err := os.WriteFile(input, nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	config := func(batch int) map[string]string {
		return map[string]string{
			"connector.class": "FileStreamSource", "topic": topic, "file": input, "batch.size": fmt.Sprint(batch), "tasks.max": "1",
			"key.converter": stringClass, "value.converter": stringClass,
		}
	}
	// A worker of Kafka Connect refuses calls while a rebalance is under way.
	put := func(w *worker, name string, batch int) time.Duration {
		begun := time.Now()
		for {
			a := w.call(c.t.Context(), http.MethodPut, "/connectors/"+name+"/config", config(batch))
			if a.err == nil && a.status < 300 {
				return time.Since(begun)
			}
			if a.err != nil || a.status != http.StatusConflict || time.Since(begun) > patience {
				c.t.Fatalf("%s: PUT %s: %s", who, name, a)
			}
			pause(c.t.Context(), 50*time.Millisecond)
		}
	}
	begun := time.Now()
	tasks := map[string]int{}
	for i := range 100 {
		name := fmt.Sprintf("c-%03d", i)
		put(c.workers[i%3], name, 10)
		tasks[name] = 1
	}
	created := time.Since(begun)
	c.run(tasks)
	c.t.Logf("%s: 100 connectors created one after the other in %s, running after %s", who, created.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))

	var added []time.Duration
	for i := range 10 {
		name := fmt.Sprintf("added-%d", i)
		begun := time.Now()
		put(c.workers[i%3], name, 10)
		c.run(map[string]int{name: 1})
		added = append(added, time.Since(begun))
	}
	c.t.Logf("%s: one added among 100, until it runs: %s", who, quantiles(added))

	var writes []time.Duration
	for i := range 100 {
		writes = append(writes, put(c.workers[i%3], fmt.Sprintf("c-%03d", i), 11))
	}
	c.t.Logf("%s: a change by REST: %s", who, quantiles(writes))
	c.run(tasks)

	begun = time.Now()
	const many = 900
	var creating sync.WaitGroup
	for k := range 10 {
		creating.Go(func() {
			for i := k; i < many; i += 10 {
				put(c.workers[i%3], fmt.Sprintf("m-%03d", i), 10)
			}
		})
	}
	creating.Wait()
	created = time.Since(begun)
	for i := range many {
		tasks[fmt.Sprintf("m-%03d", i)] = 1
	}
	c.run(tasks)
	c.t.Logf("%s: 900 more by ten callers in %s, all 1,000 running after %s", who, created.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	added = added[:0]
	for i := range 5 {
		name := fmt.Sprintf("late-%d", i)
		begun := time.Now()
		put(c.workers[i%3], name, 10)
		c.run(map[string]int{name: 1})
		added = append(added, time.Since(begun))
	}
	c.t.Logf("%s: one added among 1,000, until it runs: %s", who, quantiles(added))
}

// killed kills a follower and then the leader, and says when what they ran runs elsewhere: of each task's status, the
// worker that it names is another one.
func (c *cluster) killed(who string) {
	for _, role := range []string{"a follower", "the leader"} {
		victim := c.leader()
		if role == "a follower" {
			victim = c.workers[victim.number%3]
		}
		begun := time.Now()
		victim.kill()
		other := c.workers[victim.number%3]
		await(c.t, "the tasks of the killed one", func() (bool, string) {
			a := other.call(c.t.Context(), http.MethodGet, "/connectors?expand=status", nil)
			return a.err == nil && !strings.Contains(string(a.body), victim.address()), a.String()[:min(300, len(a.String()))]
		})
		c.t.Logf("%s: %s killed, with %d connectors: everything runs elsewhere after %s (session %s, delay %s)", who, role, 1015, time.Since(begun).Round(time.Millisecond), session, delay)
		victim.begin()
		c.settled(nil)
	}
}

// run waits until connectors and their tasks run.
func (c *cluster) run(tasks map[string]int) {
	c.t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); ; {
		ok, is := allRun(c.workers[0], tasks)
		if ok {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain: %s", is)
		}
		pause(c.t.Context(), 20*time.Millisecond)
	}
}

func quantiles(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("p50 %s, p99 %s of %d", all[len(all)/2].Round(time.Microsecond*100), all[len(all)*99/100].Round(time.Microsecond*100), len(all))
}

// beginGenuine starts a worker of Kafka Connect in place of ours.
func (w *worker) beginGenuine() {
	w.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "bootstrap.servers=%s\nlisteners=http://%s\ngroup.id=%s\nplugin.discovery=service_load\n", w.servers, w.address(), w.group)
	fmt.Fprintf(&text, "key.converter=%s\nvalue.converter=%s\n", stringClass, stringClass)
	for _, kind := range []string{"config", "offset", "status"} {
		fmt.Fprintf(&text, "%s.storage.topic=%s-%s\n%s.storage.replication.factor=1\n", kind, w.group, kind, kind)
	}
	file := filepath.Join(w.dir, fmt.Sprintf("java-%d.properties", w.number))
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.start(exec.Command("java", "-Xmx1G", "-Dorg.apache.logging.log4j.level=WARN", "-cp", os.Getenv(jarsEnvironment)+"/*", "org.apache.kafka.connect.cli.ConnectDistributed", file)) //nolint:noctx,gosec // ended by end
	await(w.t, "a worker of Kafka Connect", func() (bool, string) {
		a := w.call(w.t.Context(), http.MethodGet, "/connectors", nil)
		return a.err == nil && a.status == http.StatusOK, a.String()
	})
	w.serves(true)
}
