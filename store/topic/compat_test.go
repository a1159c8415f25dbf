package topic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// jarsEnvironment names the variable with the folder of Kafka's jars, which `scripts/kafka.sh jars` prints.
const jarsEnvironment = "ENGINE_TEST_JARS"

// java is a genuine distributed worker on the topics of a test.
type java struct {
	t       *testing.T
	url     string
	process *exec.Cmd
	ended   chan struct{}
	said    string
}

// startJava starts the one worker of a group.
func startJava(t *testing.T, c *cluster) *java {
	t.Helper()
	jars := os.Getenv(jarsEnvironment)
	dir := t.TempDir()
	port := freePort(t)
	j := &java{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port), ended: make(chan struct{}), said: filepath.Join(dir, "log")}
	s := c.settings()
	properties := fmt.Sprintf(`bootstrap.servers=%s
group.id=%s
listeners=%s
config.storage.topic=%s
offset.storage.topic=%s
status.storage.topic=%s
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
plugin.discovery=service_load
offset.flush.interval.ms=500
scheduled.rebalance.max.delay.ms=0
`, strings.Join(c.servers, ","), s.Group, j.url, s.Config.Name, s.Offsets.Name, s.Statuses.Name)
	file := filepath.Join(dir, "worker.properties")
	if err := os.WriteFile(file, []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(j.said)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()                                                                                                                    //nolint:errcheck // the process has its own
	j.process = exec.Command("java", "-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.apache.logging.log4j.level=WARN", //nolint:noctx,gosec // stopped below
		"-cp", jars+"/*", "org.apache.kafka.connect.cli.ConnectDistributed", file)
	j.process.Stdout, j.process.Stderr = out, out
	if err := j.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(j.ended)
		_ = j.process.Wait() // the end is what counts
	}()
	t.Cleanup(j.stop)
	j.until("is ready", func() bool { _, code := j.get("/health"); return code == http.StatusOK })
	return j
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // to be taken at once
	return l.Addr().(*net.TCPAddr).Port
}

func (j *java) stop() {
	_ = j.process.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-j.ended:
	case <-time.After(patience):
		_ = j.process.Process.Kill() // as above
		<-j.ended
	}
}

func (j *java) until(what string, ok func() bool) {
	j.t.Helper()
	for end := time.Now().Add(2 * patience); !ok(); {
		select {
		case <-j.ended:
			j.t.Fatalf("the worker ended before it %s:\n%s", what, j.log())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			j.t.Fatalf("waited in vain until the worker %s:\n%s", what, j.log())
		}
	}
}

func (j *java) log() string {
	b, _ := os.ReadFile(j.said) // for people
	return string(b[max(0, len(b)-4000):])
}

func (j *java) call(method, path, body string) ([]byte, int) {
	j.t.Helper()
	q, err := http.NewRequestWithContext(j.t.Context(), method, j.url+path, strings.NewReader(body))
	if err != nil {
		j.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(q)
	if err != nil {
		return nil, 0
	}
	defer a.Body.Close() //nolint:errcheck // was read
	b, err := io.ReadAll(a.Body)
	if err != nil {
		j.t.Fatal(err)
	}
	return b, a.StatusCode
}

func (j *java) get(path string) ([]byte, int) { return j.call(http.MethodGet, path, "") }

// view is a connector as the worker tells it and as a snapshot does.
type view struct {
	Config config.Map
	Tasks  []config.Map
	Target string // of the connector's status
}

func (j *java) view() map[string]view {
	j.t.Helper()
	body, code := j.get("/connectors?expand=info&expand=status")
	var all map[string]struct {
		Info   struct{ Config config.Map }
		Status struct{ Connector struct{ State string } }
	}
	if err := json.Unmarshal(body, &all); err != nil || code != http.StatusOK {
		j.t.Fatalf("got %d: %s", code, body)
	}
	views := map[string]view{}
	for name, c := range all {
		body, code := j.get("/connectors/" + url.PathEscape(name) + "/tasks")
		var tasks []struct{ Config config.Map }
		if err := json.Unmarshal(body, &tasks); err != nil {
			j.t.Fatalf("tasks of %s: got %d: %s", name, code, body)
		}
		v := view{Config: c.Info.Config, Target: c.Status.Connector.State}
		for _, t := range tasks {
			v.Tasks = append(v.Tasks, t.Config)
		}
		views[name] = v
	}
	return views
}

func viewOf(s *store.Snapshot) map[string]view {
	views := map[string]view{}
	for name, c := range s.Connectors {
		target := string(c.Target)
		if c.Target == config.Started {
			target = "RUNNING"
		}
		views[name] = view{c.Config, c.Tasks, target}
	}
	return views
}

// TestKafkaConnectReadsIt writes connectors, an offset and statuses, has a genuine worker take over, changes things there,
// and reads them back.
func TestKafkaConnectReadsIt(t *testing.T) {
	c := genuine(t)
	if os.Getenv(jarsEnvironment) == "" {
		t.Skipf("needs Kafka's jars in %s", jarsEnvironment)
	}
	dir := t.TempDir()
	for file, text := range map[string]string{"in": "one\ntwo\nthree\n", "other": "x\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := c.group + "-lines"
	if _, err := c.admin().CreateTopic(t.Context(), 1, 1, nil, lines); err != nil {
		t.Fatal(err)
	}
	s := c.open()
	made(t, s, dir, lines)
	want := viewOf(snapshot(t, s))
	commitOffset(t, s, "source", `{"filename":"`+dir+`/in"}`, `{"position":4}`)
	for _, st := range []store.Status{{Connector: "source", Task: store.Instance, State: store.StateRunning, Epoch: 9, Member: "m"}, {Connector: "source", Task: 0, State: store.StateRunning, Epoch: 9, Member: "m"}} {
		if err := s.Statuses().Put(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	// What a leader left when it died is not shown either.
	died := c.helper(kgo.TransactionalID("connect-cluster-"+c.group), kgo.TransactionTimeout(time.Minute))
	if err := died.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := died.ProduceSync(t.Context(), &kgo.Record{Topic: c.settings().Config.Name, Key: []byte("connector-ghost"), Value: []byte(`{"properties":{"connector.class":"FileStreamSource","name":"ghost","topic":"t"}}`)},
		&kgo.Record{Topic: c.settings().Config.Name, Key: []byte("task-sink-0"), Value: []byte(`{"properties":{}}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	claim(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	j := startJava(t, c)
	j.until("shows what was written", func() bool {
		return states(j.view())["source"] == "RUNNING" && states(j.view())["sink"] == "RUNNING" && states(j.view())["paused ü"] == "PAUSED"
	})
	same(t, "what the worker shows", j.view(), want)
	var got []string
	j.until("goes on from the offset", func() bool {
		got = nil
		for _, r := range c.records(lines, kgo.ReadCommitted()) {
			got = append(got, string(r.Value))
		}
		return len(got) >= 2
	})
	same(t, "lines after the offset", got, []string{"two", "three"})

	for _, call := range [][3]string{
		{"PUT", "/connectors/paused%20%C3%BC/resume", ""}, {"PUT", "/connectors/sink/stop", ""}, {"DELETE", "/connectors/stopped", ""},
		{"PUT", "/connectors/source/config", `{"connector.class":"FileStreamSource","tasks.max":"1","file":"` + dir + `/in","topic":"` + lines + `","more":"😀"}`},
		{"POST", "/connectors", `{"name":"new","config":{"connector.class":"FileStreamSink","tasks.max":"3","topics":"` + lines + `","file":"` + dir + `/new"}}`},
	} {
		if body, code := j.call(call[0], call[1], call[2]); code < 200 || code > 299 {
			t.Fatalf("%s %s: got %d: %s", call[0], call[1], code, body)
		}
	}
	j.until("has made the tasks of all", func() bool {
		v := j.view()
		return len(v["new"].Tasks) == 3 && len(v["source"].Tasks) == 1 && v["source"].Tasks[0]["more"] != "" && v["sink"].Target == "STOPPED" && len(v["sink"].Tasks) == 0 && v["paused ü"].Target == "RUNNING"
	})
	want = j.view()
	j.until("has stored the offset", func() bool {
		return slices.ContainsFunc(texts(c.records(c.settings().Offsets.Name, kgo.ReadCommitted())), func(s string) bool { return strings.HasSuffix(s, `{"position":14}`) })
	})
	j.stop()

	s = c.open()
	now := snapshot(t, s)
	same(t, "what we read of the worker", viewOf(now), want)
	if got := read(t, s, "source", `{"filename":"`+dir+`/in"}`); got != `{"position":14}` {
		t.Errorf("offset: got %s", got)
	}
	if got := live(c.records(c.settings().Offsets.Name, kgo.ReadCommitted())); len(flat(got, "source")) != 1 {
		t.Errorf("got %v, want one key", got)
	}
	for name, conn := range now.Connectors {
		if conn.Target == config.Started && conn.TasksFor != conn.Revision {
			t.Errorf("%s: tasks for revision %d of %d", name, conn.TasksFor, conn.Revision)
		}
	}
	if all := statuses(t, s); !slices.ContainsFunc(all, func(s store.Status) bool {
		return s.Connector == "source" && s.Task == 0 && s.Epoch == 0 && s.Member != "m"
	}) {
		t.Errorf("got %+v, want what the worker said last", all)
	}
	claim(t, s)(put(connector("ours"))) // and the log goes on
	if got := snapshot(t, s).Connectors["ours"].Revision; got <= now.Revision {
		t.Errorf("revision %d after %d", got, now.Revision)
	}
	if strings.Contains(j.log(), "NullPointer") {
		t.Errorf("the worker said:\n%s", j.log())
	}
}

func states(all map[string]view) map[string]string {
	s := map[string]string{}
	for name, v := range all {
		s[name] = v.Target
	}
	return s
}

func flat(all map[int32]map[string]string, instance string) []string {
	var keys []string
	for _, of := range all {
		keys = slices.AppendSeq(keys, maps.Keys(of))
	}
	return slices.DeleteFunc(keys, func(k string) bool { return !bytes.HasPrefix([]byte(k), []byte(`["`+instance+`"`)) })
}

// made writes four connectors as a leader does that has heard of their tasks.
func made(t *testing.T, s store.Store, dir, lines string) {
	t.Helper()
	base := func(name, class string, more ...string) config.Map {
		m := config.Map{"name": name, "connector.class": class, "tasks.max": "1"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	task := func(m config.Map) config.Map {
		m = maps.Clone(m)
		m["task.class"] = "org.apache.kafka.connect.file." + m["connector.class"] + "Task"
		return m
	}
	source := base("source", "FileStreamSource", "file", dir+"/in", "topic", lines)
	sink := base("sink", "FileStreamSink", "file", dir+"/out", "topics", lines, "tasks.max", "2", "text", "ü 😀 <&> \u2028 \x07 \" \\ /")
	paused := base("paused ü", "FileStreamSource", "file", dir+"/other", "topic", lines)
	stopped := base("stopped", "FileStreamSource", "file", dir+"/other", "topic", lines)
	f, err := s.Claim(t.Context())
	err = errors.Join(err, second(s.Commit(t.Context(), f, put(
		&store.Connector{Name: "source", Config: source, Target: config.Started, Tasks: []config.Map{task(source)}},
		&store.Connector{Name: "sink", Config: sink, Target: config.Started, Tasks: []config.Map{task(sink), task(sink)}, Restarts: 1},
		&store.Connector{Name: "paused ü", Config: paused, Target: config.Paused, Tasks: []config.Map{task(paused)}, TaskTarget: map[int]config.Target{0: config.Paused}},
		&store.Connector{Name: "stopped", Config: stopped, Target: config.Stopped, Tasks: []config.Map{}},
	))))
	if err == nil {
		gone := connector("gone")
		gone.Tasks = []config.Map{{"t": "0"}}
		err = errors.Join(second(s.Commit(t.Context(), f, put(gone))), second(s.Commit(t.Context(), f, store.Commit{
			Connectors: map[string]*store.Connector{"gone": nil},
			Plan:       &store.Plan{Epoch: 1, Members: []string{"m"}, Placements: []store.Placement{{Connector: "source", Task: store.Instance, Member: "m", Epoch: 1}}},
		})))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func second(_ store.Revision, err error) error { return err }
