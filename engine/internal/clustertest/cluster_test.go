package clustertest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// folderEnvironment names the variable with the folder of a genuine Kafka of scripts/kafka.sh that these tests may restart.
	folderEnvironment = "ENGINE_TEST_CLUSTER"
	// binaryEnvironment names the variable with the path of the engine under test.
	binaryEnvironment = "ENGINE_TEST_BINARY"
	// jarsEnvironment names the variable with the folder of the genuine Kafka Connect.
	jarsEnvironment = "ENGINE_TEST_JARS"
)

// patience is how long a cluster that nobody disturbs may take for anything.
const patience = 90 * time.Second

// The times of the workers, the shortest that they accept with five seconds for a task to stop.
const (
	session = 6 * time.Second
	delay   = 6 * time.Second
	flush   = time.Second
)

// workerFile is what all workers of a cluster share.
const workerFile = `variable "port" {
  type = number
}

worker {
  bootstrap_servers = [%q]
  group_id          = %[2]q
  config_storage {
    topic              = "%[2]s-configs"
    replication_factor = 1
  }
  offset_storage {
    topic              = "%[2]s-offsets"
    replication_factor = 1
    partitions         = 5
  }
  status_storage {
    topic              = "%[2]s-status"
    replication_factor = 1
  }
  listeners                        = ["http://127.0.0.1:${var.port}"]
  session_timeout_ms               = %[3]d
  heartbeat_interval_ms            = 1000
  scheduled_rebalance_max_delay_ms = %[4]d
  offset_flush_interval_ms         = %[5]d
  config_provider "env" "env" {}
  # Else the consumer of a sink that was killed keeps its partitions for 45 seconds.
  consumer {
    session_timeout_ms    = %[3]d
    heartbeat_interval_ms = 1000
  }
  %[6]s
}
`

// cluster is a group of workers on a genuine Kafka.
type cluster struct {
	t       *testing.T
	dir     string // of the test
	kafka   string // folder of scripts/kafka.sh
	servers string
	group   string
	workers []*worker
	client  *kgo.Client
	admin   *kadm.Client
	further string // settings of the workers, in HCL
}

// start makes the cluster, whose workers have not been started. Without a Kafka the test is skipped.
func start(t *testing.T, count int) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), kafka: os.Getenv(folderEnvironment), group: "c" + fmt.Sprint(time.Now().UnixNano()%1e9)}
	if c.kafka == "" || os.Getenv(binaryEnvironment) == "" {
		t.Skip("needs a genuine Kafka of its own; make cluster-test starts one")
	}
	c.servers = strings.TrimSpace(read(filepath.Join(c.kafka, "broker.address")))
	var err error
	if c.client, err = kgo.NewClient(kgo.SeedBrokers(c.servers)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Close)
	c.admin = kadm.NewClient(c.client)
	c.configure(c.servers)
	for i := range count {
		w := &worker{cluster: c, number: i + 1, port: freePort(t)}
		c.workers = append(c.workers, w)
		t.Cleanup(w.end)
	}
	t.Cleanup(func() {
		for _, w := range c.workers {
			if t.Failed() {
				t.Logf("worker %d, %s:\n%s", w.number, w.address(), tail(w.log(), 6000))
			}
		}
	})
	return c
}

// configure writes the file of the workers, which find Kafka at an address.
func (c *cluster) configure(servers string) {
	text := fmt.Sprintf(workerFile, servers, c.group, session.Milliseconds(), delay.Milliseconds(), flush.Milliseconds(), c.further)
	if err := os.WriteFile(filepath.Join(c.dir, "worker.hcl"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// createTopics makes topics of one partition.
func (c *cluster) createTopics(topics ...string) {
	c.t.Helper()
	if _, err := c.admin.CreateTopics(c.t.Context(), 1, 1, nil, topics...); err != nil {
		c.t.Fatal(err)
	}
}

// worker is one process after another at the same address.
type worker struct {
	*cluster
	number, port int
	output       string // where its log goes; "": to a file of the test

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
	result  error
	lives   int
	serving bool // its API can be called: it has begun to listen, and nothing has been done to it since
	harms   int  // how often something was done to it: a call that saw none must have been answered
}

func (w *worker) address() string { return fmt.Sprintf("127.0.0.1:%d", w.port) }
func (w *worker) log() string {
	return cmp.Or(w.output, filepath.Join(w.dir, fmt.Sprintf("worker-%d.log", w.number)))
}

// launch starts a process of ours. What it says of itself on records is the number of the worker and of its life.
func (w *worker) launch() {
	w.t.Helper()
	command := exec.Command(os.Getenv(binaryEnvironment), "worker", "-var", fmt.Sprintf("port=%d", w.port), filepath.Join(w.dir, "worker.hcl")) //nolint:noctx,gosec // ended by end
	w.mu.Lock()
	w.lives++
	command.Env = append(os.Environ(), fmt.Sprintf("WORKER=%d/%d", w.number, w.lives))
	w.mu.Unlock()
	w.start(command)
}

// start starts a process, whose output goes to the worker's log.
func (w *worker) start(command *exec.Cmd) {
	w.t.Helper()
	out, err := os.OpenFile(w.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer out.Close() //nolint:errcheck // the process has its own
	command.Stdout, command.Stderr = out, out
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := command.Start(); err != nil {
		w.t.Error(err)
		return
	}
	ended := make(chan struct{})
	w.command, w.ended = command, ended
	go func() {
		err := command.Wait()
		w.mu.Lock()
		w.result = err
		w.mu.Unlock()
		close(ended)
	}()
}

// begin starts a process and waits until its API can be called.
func (w *worker) begin() {
	w.t.Helper()
	w.launch()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		if conn, err := net.DialTimeout("tcp", w.address(), time.Second); err == nil { //nolint:noctx // bounded
			_ = conn.Close() // only to see
			w.serves(true)
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Errorf("worker %d does not listen", w.number)
			return
		}
	}
}

func (w *worker) serves(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serving = is
}

// signal does something to the process; it tells whether there was one.
func (w *worker) signal(s syscall.Signal) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		return false
	}
	w.harms++
	w.serving = s == syscall.SIGCONT
	return w.command.Process.Signal(s) == nil
}

// wait waits for the process to end.
func (w *worker) wait(within time.Duration) error {
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	if ended == nil {
		return nil
	}
	select {
	case <-ended:
	case <-time.After(within):
		return fmt.Errorf("worker %d did not end within %s", w.number, within)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = nil
	return w.result
}

// stop asks the process to end, and demands that it does so in good order.
func (w *worker) stop() {
	if !w.signal(syscall.SIGTERM) {
		return
	}
	err := w.wait(30 * time.Second)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && w.genuine() && exit.ExitCode() == 128+int(syscall.SIGTERM) {
		return // so ends a JVM in good order
	}
	if err != nil {
		w.t.Errorf("worker %d was asked to stop: %v", w.number, err)
	}
}

// kill ends the process without a word.
func (w *worker) kill() {
	if w.signal(syscall.SIGKILL) {
		_ = w.wait(10 * time.Second) // by the signal, which is no news
	}
}

// end is for the end of the test.
func (w *worker) end() { w.kill() }

// untouched is how often the worker was harmed; ok is false when it cannot answer at present.
func (w *worker) untouched() (harms int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.harms, w.serving
}

// answer is what a call came to.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
	err    error
}

func (a answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("%v after %s", a.err, a.took)
	}
	return fmt.Sprintf("%d %s after %s", a.status, a.body, a.took)
}

// call asks the worker. An answer takes long only when the leader is being replaced.
func (w *worker) call(ctx context.Context, method, path string, body any) (a answer) {
	begun := time.Now()
	defer func() { a.took = time.Since(begun) }()
	var text []byte
	if body != nil {
		text, a.err = json.Marshal(body)
		if a.err != nil {
			return a
		}
	}
	ctx, end := context.WithTimeout(ctx, 40*time.Second)
	defer end()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+w.address()+path, bytes.NewReader(text))
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // was read
	all, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: all, err: err}
}

// must is a call that nothing disturbs.
func (w *worker) must(method, path string, body any, want int) []byte {
	w.t.Helper()
	a := w.call(w.t.Context(), method, path, body)
	if a.err != nil || a.status != want {
		w.t.Fatalf("worker %d: %s %s: got %s, want %d", w.number, method, path, a, want)
	}
	return a.body
}

// healthy tells whether the worker says that it is a member.
func (w *worker) healthy() bool {
	if _, ok := w.untouched(); !ok {
		return false
	}
	a := w.call(w.t.Context(), http.MethodGet, "/health", nil)
	return a.err == nil && a.status == http.StatusOK
}

// plan is what GET /plan tells of a cluster.
type plan struct {
	Worker, Leader string
	Members        []struct{ ID, Address string }
}

// planOf is the plan as a worker knows it.
func (c *cluster) planOf(w *worker) (p plan) {
	c.t.Helper()
	if err := json.Unmarshal(w.must(http.MethodGet, "/plan", nil, http.StatusOK), &p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// leader is the worker that leads, if one that can be asked knows of one that runs.
func (c *cluster) leader() *worker {
	for _, w := range c.workers {
		if _, ok := w.untouched(); !ok {
			continue
		}
		a := w.call(c.t.Context(), http.MethodGet, "/plan", nil)
		var p plan
		if a.err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &p) != nil {
			continue
		}
		for _, other := range c.workers {
			if _, ok := other.untouched(); ok && strings.HasPrefix(p.Leader, other.address()+"/") {
				return other
			}
		}
	}
	return nil
}

// settled waits until all workers that run are members, and every connector and task that shall run does.
func (c *cluster) settled(connectors map[string]int) {
	c.t.Helper()
	await(c.t, "all to run", func() (bool, string) {
		live := 0
		for _, w := range c.workers {
			if _, ok := w.untouched(); !ok {
				continue
			}
			live++
			if !w.healthy() {
				return false, fmt.Sprintf("worker %d: %s", w.number, w.call(c.t.Context(), http.MethodGet, "/health", nil))
			}
		}
		for _, w := range c.workers {
			if _, ok := w.untouched(); !ok {
				continue
			}
			var p plan
			if a := w.call(c.t.Context(), http.MethodGet, "/plan", nil); json.Unmarshal(a.body, &p) != nil || len(p.Members) != live {
				return false, fmt.Sprintf("worker %d: GET /plan: %s", w.number, a)
			}
			return allRun(w, connectors)
		}
		return live == 0, "no worker is up"
	})
}

// status is that of a connector.
type status struct {
	Name      string
	Connector state
	Tasks     []state
}

type state struct {
	State, Trace string
	ID           int
	Worker       string `json:"worker_id"`
}

// allRun asks a worker whether connectors run, each with its number of tasks.
func allRun(w *worker, connectors map[string]int) (bool, string) {
	a := w.call(w.t.Context(), http.MethodGet, "/connectors?expand=status", nil)
	var all map[string]struct{ Status status }
	if a.err != nil || json.Unmarshal(a.body, &all) != nil {
		return false, a.String()
	}
	for name, tasks := range connectors {
		is, there := all[name]
		if !there || is.Status.Connector.State != "RUNNING" || len(is.Status.Tasks) != tasks {
			return false, fmt.Sprintf("%s: %+v", name, is.Status)
		}
		if slices.ContainsFunc(is.Status.Tasks, func(s state) bool { return s.State != "RUNNING" }) {
			return false, fmt.Sprintf("%s: %+v", name, is.Status)
		}
	}
	return true, ""
}

// script runs scripts/kafka.sh on the folder of the broker.
func (c *cluster) script(command string) {
	c.t.Helper()
	out, err := exec.CommandContext(c.t.Context(), filepath.Join("..", "..", "..", "scripts", "kafka.sh"), command, c.kafka).CombinedOutput() //nolint:gosec // ours
	if err != nil {
		c.t.Errorf("kafka.sh %s: %v\n%s", command, err, out)
	}
}

// all reads a topic from its start to its end; level is read_committed or not.
func (c *cluster) all(topic string, committed bool) []*kgo.Record {
	c.t.Helper()
	starts, err := c.admin.ListStartOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.read(topic, starts, committed)
}

// since reads what a topic has from a moment on.
func (c *cluster) since(topic string, at time.Time) []*kgo.Record {
	c.t.Helper()
	starts, err := c.admin.ListOffsetsAfterMilli(c.t.Context(), at.UnixMilli(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.read(topic, starts, true)
}

// read reads a topic from offsets to its end.
func (c *cluster) read(topic string, starts kadm.ListedOffsets, committed bool) []*kgo.Record {
	c.t.Helper()
	level := kgo.ReadCommitted()
	if !committed {
		level = kgo.ReadUncommitted()
	}
	ctx, end := context.WithTimeout(c.t.Context(), patience)
	defer end()
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		c.t.Fatal(err)
	}
	from, to := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		begin, _ := starts.Lookup(topic, o.Partition)
		if o.Offset > begin.Offset {
			from[o.Partition], to[o.Partition] = kgo.NewOffset().At(begin.Offset), o.Offset
		}
	})
	if len(to) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.servers), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for len(to) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset >= to[r.Partition]-1 {
				delete(to, r.Partition)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}

// freePort is a port below those that systems give to outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 12000 + rand.IntN(20000) //nolint:gosec // no secret
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// await waits until ok holds; what it returns says how it is.
func await(t *testing.T, what string, ok func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		done, is := ok()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s: %s", what, is)
		}
	}
}

// read is the text of a file that may not be there yet.
func read(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(text)
}

// tail is the end of a file.
func tail(name string, most int) string {
	if name == "/dev/full" { // which has no end
		return ""
	}
	text := read(name)
	return text[max(0, len(text)-most):]
}
