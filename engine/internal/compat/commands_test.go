package compat_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
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
		{[]string{"offsets", "set", name, offsets}, false, "altered successfully"},
		{[]string{"offsets", "set", name, "-to-offset", "8"}, false, `{"position":8}`},
		{[]string{"offsets", "get", name}, false, `{"position":8}`},
		{[]string{"offsets", "set", name, "-to-latest"}, true, "is a source"},
		{[]string{"offsets", "set", name, "-to-earliest"}, false, "reset successfully"},
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

// TestOffsetsOfGenuineWorkerGoWhereFlagsSay sends a sink of Kafka Connect to the beginning, the end, a time and a number.
func TestOffsetsOfGenuineWorkerGoWhereFlagsSay(t *testing.T) {
	g, cluster := start(t, "sent")
	topic, name := cluster.Name("sent"), cluster.Name("sink")
	now := time.Now()
	for i := range 5 {
		cluster.Produce("sent", &kgo.Record{Value: []byte(`"x"`), Timestamp: now.Add(time.Duration(i-5) * time.Hour)})
	}
	g.run(t, name, map[string]string{"connector.class": "FileStreamSink", "file": filepath.Join(t.TempDir(), "out.txt"), "topics": topic,
		"value.converter": "org.apache.kafka.connect.storage.StringConverter"})
	await(t, "the sink", func() bool {
		out, _ := commandOn(t, g, "offsets", name)
		return strings.Contains(out, `{"kafka_offset":5}`)
	})
	kafka := []string{"-bootstrap-servers", cluster.Servers()}
	for _, c := range []struct {
		args  []string
		fails bool
		says  string
	}{
		{append([]string{"offsets", "set", name, "-to-earliest"}, kafka...), true, "engine stop " + name},
		{[]string{"stop", name}, false, "STOPPED  0/0 running"},
		{[]string{"offsets", "set", name, "-to-earliest"}, true, "does not say where topics begin and end"},
		{append([]string{"offsets", "set", name, "-to-earliest"}, kafka...), false, `{"kafka_offset":0}`},
		{append([]string{"offsets", "set", name, "-to-time", "150m"}, kafka...), false, `{"kafka_offset":3}`},
		{append([]string{"offsets", "set", name, "-to-offset", "2"}, kafka...), false, "altered successfully"},
		{[]string{"offsets", "get", name}, false, `{"kafka_offset":2}`},
		{append([]string{"offsets", "reset", name, "-to-latest"}, kafka...), false, `{"kafka_offset":5}`},
		{[]string{"offsets", name}, false, `{"kafka_offset":5}`},
	} {
		// A group whose members have only just left is refused for a moment, which the message says.
		var out string
		var err error
		await(t, strings.Join(c.args, " "), func() bool {
			out, err = commandOn(t, g, c.args...)
			return !strings.Contains(out, "safely retried")
		})
		if (err != nil) != c.fails || !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(c.says), " ")) {
			t.Errorf("engine %s: got %v and the text below, want %q\n%s", strings.Join(c.args, " "), err, c.says, out)
		}
	}
}

// TestFilesOfGenuineWorker takes a connector of Kafka Connect into files, looks at these with every command for files, and
// takes it back in each form that export knows.
func TestFilesOfGenuineWorker(t *testing.T) {
	g, cluster := start(t, "taken")
	name, dir := cluster.Name("taken"), t.TempDir()
	input := filepath.Join(dir, "in.txt")
	write(t, input, "one\n")
	settings := map[string]string{
		"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "file": input, "topic": cluster.Name("taken"),
		"transforms": "a", "transforms.a.type": "org.apache.kafka.connect.transforms.InsertField$Value",
		"transforms.a.static.field": "x y", "transforms.a.static.value": "${not} a \"reference\"", "transforms.a.predicate": "p",
		"predicates": "p", "predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", "predicates.p.pattern": "no\\.ne",
	}
	g.run(t, name, settings)
	run := func(fails bool, says string, args ...string) string {
		t.Helper()
		out, err := commandOn(t, g, args...)
		if (err != nil) != fails || !strings.Contains(out, says) {
			t.Fatalf("engine %s: got %v and the text below, want %q\n%s", strings.Join(args, " "), err, says, out)
		}
		return out
	}
	project := filepath.Join(dir, "project")
	if err := os.Mkdir(project, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(project, "taken.hcl")
	write(t, file, run(false, "pipeline ", "import", name))
	run(false, "", "fmt", "-check", project)
	run(false, "transforms.a.static.field", "show", project)
	run(false, `"value": "x y"`, "show", "-json", project)
	run(false, "Nothing to do", "plan", "-exact", "-detailed-exitcode", project)
	run(false, "E202", "explain", "E202")
	write(t, filepath.Join(project, "locals.hcl"), "locals {\n  answer = 6 * 7\n}\n")
	if out := run(false, "", "console", project); out != "" { // nothing is asked
		t.Errorf("console says %q", out)
	}
	forms := map[string]string{"json": run(false, "", "export", project), "properties": run(false, "", "export", "-format", "properties", project)}
	for form, text := range forms {
		again := filepath.Join(dir, "again-"+form)
		if err := os.Mkdir(again, 0o700); err != nil {
			t.Fatal(err)
		}
		exported := filepath.Join(dir, "exported."+form)
		write(t, exported, text)
		write(t, filepath.Join(again, "again.hcl"), run(false, "pipeline ", "import", exported))
		run(false, "Nothing to do", "plan", "-exact", "-detailed-exitcode", again)
	}
	// The curl lines are for a shell, and leave the worker as it was.
	lines := strings.ReplaceAll(run(false, "curl ", "export", "-format", "curl", project), "curl -sS", "curl -sS --fail-with-body -o /dev/null")
	shell := exec.CommandContext(t.Context(), "sh", "-ec", lines) //nolint:gosec // what the engine prints
	shell.Env = append(os.Environ(), "CONNECT_URL="+g.url)
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, lines, out)
	}
	run(false, "Nothing to do", "plan", "-exact", "-detailed-exitcode", project)

	// A kept plan is shown, carried out, and refused the second time.
	kept := filepath.Join(dir, "kept.plan")
	text := read(file)
	write(t, file, strings.Replace(text, `"x y"`, `"z"`, 1))
	run(false, "1 to change", "plan", "-out", kept, project)
	run(false, "x y", "show", kept)
	run(false, `"action": "update"`, "show", "-json", kept)
	run(false, "1 of 1 changed", "apply", "-auto-approve", "-project", project, kept)
	run(true, "[E907]", "apply", "-auto-approve", "-project", project, kept)
}

// commandOn runs a command of the engine on a worker and returns what it says.
func commandOn(t *testing.T, g genuine, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Getenv(binaryEnvironment), args...) //nolint:gosec // the engine under test
	c.Env = append(os.Environ(), "ENGINE_URL="+g.url)
	out, err := c.CombinedOutput()
	return string(out), err
}
