package compat_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// TestPublicClients takes a connector of `engine worker` through its life with two clients of others, unchanged: what Kafka
// Connect's users have written against its REST API goes on working.
func TestPublicClients(t *testing.T) {
	_, cluster := start(t, "clients")
	address := startWorker(t, cluster)
	input := filepath.Join(t.TempDir(), "in.txt")
	write(t, input, "one\n")
	topic := cluster.Name("clients")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join("..", "..", "..", "testdata")
	for name, tt := range map[string]struct {
		environment string // of what the client needs
		program     string
		args        func(needs string) []string
	}{
		"kafka-connect-api of PyPI": {"ENGINE_TEST_CONNECT_PYTHON", "", func(string) []string {
			return []string{filepath.Join(root, "python", "connect_client.py"), u.Hostname(), u.Port(), "by-python", input, topic}
		}},
		"kafka-connect-client of org.sourcelab": {"ENGINE_TEST_CONNECT_CLIENT", "java", func(needs string) []string {
			return []string{"-cp", needs, filepath.Join(root, "java", "connect-client", "Client.java"), address, "by-java", input, topic}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			needs := os.Getenv(tt.environment)
			if needs == "" {
				t.Skipf("needs %s; make compat sets it", tt.environment)
			}
			program := tt.program
			if program == "" {
				program = needs
			}
			out, err := exec.CommandContext(t.Context(), program, tt.args(needs)...).CombinedOutput() //nolint:gosec // what make compat names
			if err != nil || !strings.Contains(string(out), "all done") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// startWorker starts `engine worker` on the test's cluster and returns the address of its REST API.
func startWorker(t *testing.T, c *kafkatest.Cluster) string {
	t.Helper()
	dir := t.TempDir()
	name := c.Name("clients")
	write(t, filepath.Join(dir, "worker.properties"), fmt.Sprintf(`bootstrap.servers=%s
group.id=%[2]s
listeners=http://127.0.0.1:0
config.storage.topic=%[2]s-configs
offset.storage.topic=%[2]s-offsets
status.storage.topic=%[2]s-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
`, c.Servers(), name))
	said := filepath.Join(dir, "worker.log")
	out, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()                                                                                        //nolint:errcheck // the process has its own
	command := exec.Command(os.Getenv(binaryEnvironment), "worker", filepath.Join(dir, "worker.properties")) //nolint:noctx,gosec // ended below
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt) // one that has ended says why by its result
		if err := command.Wait(); err != nil || t.Failed() {
			t.Errorf("the worker ended by %v:\n%s", err, read(said))
		}
	})
	var match []string
	await(t, "the worker", func() bool {
		match = regexp.MustCompile(`REST API at (http://\S+)`).FindStringSubmatch(read(said))
		return match != nil
	})
	return match[1]
}
