package clustertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// requestWithin is longer than a worker lets a call wait: a leader that comes later refuses what was asked for.
const requestWithin = 32 * time.Second

// TestLeaderDiesBeforeItCommits kills the leader when it has written a change and not committed it. Where others go on, the
// change is carried out all the same; where nobody does in time, nobody sees it: neither our workers nor a worker of Kafka
// Connect, which reads what is not committed (rule 4 of decision D2).
func TestLeaderDiesBeforeItCommits(t *testing.T) {
	c := start(t, 3)
	p := startProxy(t, "connect-cluster-"+c.group)
	c.configure(p.address)
	for _, w := range c.workers {
		w.begin()
	}
	c.settled(nil)
	topic := c.group + "-lines"
	c.createTopics(topic)
	input := filepath.Join(c.dir, "in.txt")
	if err := os.WriteFile(input, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(batch string) map[string]string {
		return map[string]string{
			"connector.class": "FileStreamSource", "topic": topic, "file": input, "batch.size": batch, "tasks.max": "1",
			"key.converter": stringClass, "value.converter": stringClass,
		}
	}
	tasks := map[string]int{}
	for i, name := range []string{"kept-0", "kept-1", "kept-2", "busy"} {
		tasks[name] = 1
		c.workers[i%3].must(http.MethodPut, "/connectors/"+name+"/config", config("10"), http.StatusCreated)
	}
	c.settled(tasks)

	// One who dies among others.
	leader := c.leader()
	asked := c.while(p, leader, func() { leader.kill() }, change{http.MethodPut, "/connectors/busy/pause", nil},
		change{http.MethodPost, "/connectors", map[string]any{"name": "late", "config": config("20")}})
	if asked[0].status != http.StatusCreated {
		t.Errorf("a request that outlived its leader was answered by %s, want %d", asked[0], http.StatusCreated)
	}
	leader.begin()
	delete(tasks, "busy")
	tasks["late"] = 1
	c.settled(tasks)

	// All of them: the changes are in the log, and nobody commits them.
	before := c.shown()
	leader = c.leader()
	c.while(p, leader, func() {
		for _, w := range c.workers {
			w.kill()
		}
	},
		change{http.MethodPut, "/connectors/busy/resume", nil},
		change{http.MethodPost, "/connectors", map[string]any{"name": "aborted", "config": config("30")}},
		change{http.MethodPut, "/connectors/kept-0/config", config("40")},
		change{http.MethodDelete, "/connectors/kept-1", nil},
		change{http.MethodPut, "/connectors/kept-2/stop", nil},
	)
	for _, key := range []string{"connector-aborted", "connector-kept-0", "connector-kept-1", "target-state-kept-2"} {
		if !c.uncommitted(key) {
			t.Errorf("%s was not left uncommitted, so the test shows nothing of it", key)
		}
	}
	pause(t.Context(), requestWithin)
	for _, w := range c.workers {
		w.begin()
	}
	c.settled(tasks)
	if d := cmp.Diff(before, c.shown()); d != "" {
		t.Errorf("after a change that was not committed (-before +after):\n%s", d)
	}
	if c.uncommitted("") {
		t.Error("a reader of what is not committed sees something else than one of what is")
	}
	for _, w := range c.workers {
		w.stop()
	}
	c.java(before)
}

// change is a call that asks for one.
type change struct {
	method, path string
	body         any
}

// while asks followers for changes, all of which the leader finds at once, and does something when it has written them and is
// about to commit. Until all have been asked for, a first one keeps the leader busy.
func (c *cluster) while(p *proxy, leader *worker, then func(), first change, changes ...change) []answer {
	c.t.Helper()
	if leader == nil {
		c.t.Fatal("nobody leads")
	}
	w := c.workers[leader.number%3] // the next one
	answers := make([]answer, len(changes))
	var asking sync.WaitGroup
	ask := func(ch change, to *answer) {
		asking.Go(func() { *to = w.call(c.t.Context(), ch.method, ch.path, ch.body) })
	}
	busy := p.hold()
	var begun answer
	ask(first, &begun)
	c.came(busy)
	for i, ch := range changes {
		ask(ch, &answers[i])
	}
	await(c.t, "the requests in the log", func() (bool, string) {
		n := len(c.requests())
		return n == len(changes), fmt.Sprintf("%d of %d", n, len(changes))
	})
	held := p.hold()
	busy.pass <- true
	c.came(held)
	then()
	held.pass <- false
	asking.Wait()
	if begun.err != nil || begun.status >= http.StatusMultipleChoices {
		c.t.Errorf("%s %s: %s", first.method, first.path, begun)
	}
	return answers
}

// came waits until the end of a transaction is there.
func (c *cluster) came(h *held) {
	c.t.Helper()
	select {
	case <-h.came:
	case <-time.After(patience):
		h.pass <- false
		c.t.Fatal("the leader did not commit")
	}
}

// requests are those in the log that have no answer there, committed or not.
func (c *cluster) requests() map[string]bool {
	open := map[string]bool{}
	for _, r := range c.all(c.group+"-configs", false) {
		if strings.HasPrefix(string(r.Key), "request-") {
			if open[string(r.Key)] = r.Value != nil; r.Value == nil {
				delete(open, string(r.Key))
			}
		}
	}
	return open
}

// uncommitted tells whether a reader of what is not committed sees something else than one of what is: under keys of Kafka
// Connect with a beginning.
func (c *cluster) uncommitted(prefix string) bool {
	seen := func(committed bool) map[string]string {
		newest := map[string]string{}
		for _, r := range c.all(c.group+"-configs", committed) {
			key := string(r.Key)
			ours := strings.HasPrefix(key, "plan") || strings.HasPrefix(key, "request-") || strings.HasPrefix(key, "targets-")
			if !ours && strings.HasPrefix(key, prefix) {
				newest[key] = string(r.Value) // a tombstone is as good as nothing
			}
			if newest[key] == "" {
				delete(newest, key)
			}
		}
		return newest
	}
	d := cmp.Diff(seen(true), seen(false))
	if d != "" {
		c.t.Logf("committed and not (-committed +all):\n%s", d)
	}
	return d != ""
}

// view is what a worker shows of its connectors.
type view map[string]struct {
	Info struct {
		Config map[string]string
		Tasks  []struct{ Task int }
	}
	Status struct{ Connector struct{ State string } }
}

func (c *cluster) shown() view {
	return parseView(c.t, c.workers[0].must(http.MethodGet, shownPath, nil, http.StatusOK))
}

const shownPath = "/connectors?expand=info&expand=status"

func parseView(t *testing.T, body []byte) (v view) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "busy") // which is paused and resumed all the time
	return v
}

// java starts a genuine worker of Kafka Connect on a copy of the topics. It must come to show what ours did, and at no time
// anything else: it begins without tasks, which it adds one by one.
func (c *cluster) java(want view) {
	c.t.Helper()
	jars := os.Getenv(jarsEnvironment)
	if jars == "" {
		c.t.Log("left out, since there is no Kafka Connect: what it shows")
		return
	}
	var text strings.Builder
	port := freePort(c.t)
	fmt.Fprintf(&text, "bootstrap.servers=%s\nlisteners=http://127.0.0.1:%d\ngroup.id=java-%s\nplugin.discovery=service_load\nscheduled.rebalance.max.delay.ms=0\n", c.servers, port, c.group)
	fmt.Fprintf(&text, "key.converter=%s\nvalue.converter=%s\n", stringClass, stringClass)
	for _, kind := range []string{"config", "offset", "status"} {
		fmt.Fprintf(&text, "%s.storage.topic=%s\n%s.storage.replication.factor=1\n", kind, c.copied(c.group+"-"+kind+ending(kind)), kind)
	}
	file := filepath.Join(c.dir, "java.properties")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(c.dir, "java.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()                                                                                                                                                                                                //nolint:errcheck // the process has its own
	command := exec.CommandContext(c.t.Context(), "java", "-Xmx512M", "-XX:TieredStopAtLevel=1", "-Dorg.apache.logging.log4j.level=WARN", "-cp", jars+"/*", "org.apache.kafka.connect.cli.ConnectDistributed", file) //nolint:gosec // ours
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill() // nothing of it is needed any more
		_ = command.Wait()         // by the kill
	}()
	w := &worker{cluster: c, port: port}
	await(c.t, "the worker of Kafka Connect", func() (bool, string) {
		a := w.call(c.t.Context(), http.MethodGet, shownPath, nil)
		if a.err != nil || a.status != http.StatusOK {
			return false, a.String() + "\n" + tail(log.Name(), 1000)
		}
		got := parseView(c.t, a.body)
		for name, is := range got {
			if d := cmp.Diff(want[name].Info.Config, is.Info.Config); d != "" {
				c.t.Errorf("a worker of Kafka Connect shows of %s (-ours +its):\n%s", name, d)
			}
		}
		d := cmp.Diff(want, got)
		return d == "", d
	})
}

func ending(kind string) string {
	if kind == "status" {
		return ""
	}
	return "s"
}

// copied makes a copy of a topic as somebody reads it who does not care for commits, and returns its name.
func (c *cluster) copied(topic string) string {
	c.t.Helper()
	to := "java-" + topic
	details, err := c.admin.ListTopics(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	compact := "compact"
	if _, err := c.admin.CreateTopic(c.t.Context(), int32(len(details[topic].Partitions)), 1, map[string]*string{"cleanup.policy": &compact}, to); err != nil {
		c.t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.servers), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	for _, r := range c.all(topic, false) {
		copied := &kgo.Record{Topic: to, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
		if err := client.ProduceSync(c.t.Context(), copied).FirstErr(); err != nil {
			c.t.Fatal(err)
		}
	}
	return to
}
