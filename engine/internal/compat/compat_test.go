package compat_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// connectEnvironment names the variable with the URL of a genuine standalone worker on the cluster of [kafkatest].
	connectEnvironment = "ENGINE_TEST_CONNECT"
	// binaryEnvironment names the variable with the path of the engine under test.
	binaryEnvironment = "ENGINE_TEST_BINARY"
)

// patience is how long either side may take.
const patience = 2 * time.Minute

// genuine is a worker of Kafka Connect.
type genuine struct{ url string }

// start is both sides' beginning: a cluster with topics, and the genuine worker on it. Without them the test is skipped.
func start(t *testing.T, topics ...string) (genuine, *kafkatest.Cluster) {
	t.Helper()
	g := genuine{os.Getenv(connectEnvironment)}
	if g.url == "" || os.Getenv(binaryEnvironment) == "" || os.Getenv(kafkatest.Environment) == "" {
		t.Skip("needs a genuine Kafka Connect; make compat starts one")
	}
	return g, kafkatest.Start(t, topics...)
}

// run creates a connector, which the end of the test deletes.
func (g genuine) run(t *testing.T, name string, config map[string]string) {
	t.Helper()
	config["tasks.max"] = "1"
	body, err := json.Marshal(map[string]any{"name": name, "config": config})
	if err != nil {
		t.Fatal(err)
	}
	g.call(t, http.MethodPost, "/connectors", body, http.StatusCreated)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("genuine %s", g.call(t, http.MethodGet, "/connectors/"+name+"/status", nil, http.StatusOK))
		}
		g.call(t, http.MethodDelete, "/connectors/"+name, nil, http.StatusNoContent)
	})
}

func (g genuine) call(t *testing.T, method, path string, body []byte, want int) []byte {
	t.Helper()
	request, err := http.NewRequest(method, g.url+path, bytes.NewReader(body)) //nolint:noctx // used when the test's context is done, too
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // was read
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != want {
		t.Fatalf("%s %s: got %s, want %d: %s", method, path, response.Status, want, answer)
	}
	return answer
}

// ours is a project of the engine.
type ours struct {
	t   *testing.T
	dir string
}

// newOurs makes a project of one pipeline, on the test's cluster.
func newOurs(t *testing.T, c *kafkatest.Cluster, name, pipeline string) ours {
	t.Helper()
	o := ours{t, t.TempDir()}
	text := fmt.Sprintf("worker {\n  bootstrap_servers = [%q]\n  offset_flush_interval_ms = 500\n  listeners = [\"http://127.0.0.1:0\"]\n}\n\npipeline %q {\n%s\n}\n", c.Servers(), name, pipeline)
	write(t, filepath.Join(o.dir, "project.hcl"), text)
	return o
}

// run starts the engine on the project and waits until it says that it runs. What it returns stops it by an interrupt and
// waits for its end; the end of the test does the same.
func (o ours) run() (stop func()) {
	o.t.Helper()
	said := filepath.Join(o.dir, "engine.log")
	out, err := os.Create(said)
	if err != nil {
		o.t.Fatal(err)
	}
	defer out.Close()                                                   //nolint:errcheck // the process has its own
	command := exec.Command(os.Getenv(binaryEnvironment), "run", o.dir) //nolint:noctx,gosec // ended below, not by a context
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		o.t.Fatal(err)
	}
	ended, result := make(chan struct{}), error(nil)
	go func() {
		defer close(ended)
		result = command.Wait()
	}()
	stop = sync.OnceFunc(func() {
		_ = command.Process.Signal(os.Interrupt) // one that has ended says why by its result
		select {
		case <-ended:
		case <-time.After(patience):
			o.t.Error("the engine did not stop")
			_ = command.Process.Kill() // as above
			<-ended
		}
		if result != nil {
			o.t.Errorf("the engine ended by %v", result)
		}
		if o.t.Failed() {
			o.t.Logf("the engine said:\n%s", read(said))
		}
	})
	o.t.Cleanup(stop)
	await(o.t, "the engine", func() bool {
		select {
		case <-ended:
			o.t.Fatal("the engine ended at once")
		default:
		}
		return strings.Contains(read(said), "Ctrl-C stops")
	})
	return stop
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func extend(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
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

// await waits until ok holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// indent puts a block's text into a pipeline.
func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
