package compat_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandsOnGenuineWorker runs the commands for a running worker against one of Kafka Connect. It has the worker to
// itself: a standalone one does one thing at a time, and a task of another test that waits for its producer holds up all.
func TestCommandsOnGenuineWorker(t *testing.T) {
	g, cluster := start(t, "commands")
	input := filepath.Join(t.TempDir(), "in.txt")
	write(t, input, "one\ntwo\n")
	name := cluster.Name("commands") + " by hand"
	g.run(t, name, map[string]string{"connector.class": "FileStreamSource", "file": input, "topic": cluster.Name("commands")})
	offsets := filepath.Join(t.TempDir(), "offsets.json")
	write(t, offsets, `{"offsets":[{"partition":{"filename":"`+input+`"},"offset":{"position":4}}]}`)

	await(t, "a task", func() bool {
		out, _ := commandOn(t, g, "status", name)
		return strings.Contains(out, "1/1 running")
	})
	for _, c := range []struct {
		args  []string
		fails bool
		says  string
	}{
		{[]string{"status", name}, false, name + "  source  RUNNING  1/1 running"},
		{[]string{"pause", name}, false, "PAUSED  0/1 running"},
		{[]string{"resume", name}, false, "RUNNING  1/1 running"},
		{[]string{"restart", "-include-tasks", name}, false, "RUNNING  1/1 running"},
		{[]string{"restart", "-task", "0", name}, false, "RUNNING  1/1 running"},
		{[]string{"offsets", "reset", name}, true, "engine stop '" + name + "'"},
		{[]string{"stop", name}, false, "STOPPED  0/0 running"},
		{[]string{"offsets", "set", name, offsets}, false, "altered successfully"},
		{[]string{"offsets", name}, false, `{"position":4}`},
		{[]string{"offsets", "reset", name}, false, "reset successfully"},
		{[]string{"offsets", name}, false, "has no offsets yet"},
		{[]string{"resume", name}, false, "RUNNING  1/1 running"},
		{[]string{"status", name + "s"}, true, `"` + name + `"?`},
		{[]string{"plugins"}, false, "org.apache.kafka.connect.file.FileStreamSourceConnector"},
		{[]string{"logs", "org.apache.kafka.connect.file", "WARN"}, false, ""}, // so that the next changes it
		{[]string{"logs", "org.apache.kafka.connect.file", "DEBUG"}, false, "org.apache.kafka.connect.file"},
		{[]string{"logs", "org.apache.kafka.connect.file"}, false, "DEBUG"},
		{[]string{"reload"}, true, "no files to read again"},
	} {
		out, err := commandOn(t, g, c.args...)
		if (err != nil) != c.fails || !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(c.says), " ")) {
			t.Errorf("engine %s: got %v and the text below, want %q\n%s", strings.Join(c.args, " "), err, c.says, out)
		}
	}
}

// commandOn runs a command of the engine on a worker and returns what it says.
func commandOn(t *testing.T, g genuine, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Getenv(binaryEnvironment), args...) //nolint:gosec // the engine under test
	c.Env = append(os.Environ(), "ENGINE_URL="+g.url)
	out, err := c.CombinedOutput()
	return string(out), err
}
