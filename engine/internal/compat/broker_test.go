package compat_test

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// jarsEnvironment names the variable with the folder of Kafka's jars.
const jarsEnvironment = "ENGINE_TEST_JARS"

// development starts the development broker on a folder of the test, and returns its address.
func development(t *testing.T) string {
	t.Helper()
	binary := os.Getenv(binaryEnvironment)
	if binary == "" || os.Getenv(jarsEnvironment) == "" {
		t.Skip("needs Kafka's own clients; make compat fetches them")
	}
	command := exec.Command(binary, "broker", "-data", t.TempDir(), "-listen", "127.0.0.1:0", "-registry", "off") //nolint:noctx,gosec // ended below, not by a context
	said, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt) // one that has ended says why by its result
		if err := command.Wait(); err != nil {
			t.Errorf("the broker ended by %v", err)
		}
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	at := regexp.MustCompile(`Development broker at (\S+),`).FindStringSubmatch(line)
	if err != nil || at == nil {
		t.Fatalf("the broker said %q (%v)", line, err)
	}
	return at[1]
}

// TestJavaOnTheDevelopmentBroker runs the calls of Kafka's own admin client, producer and consumer on the development
// broker: what it refuses is what docs/development-broker.md lists, no more and no less.
func TestJavaOnTheDevelopmentBroker(t *testing.T) {
	t.Parallel()
	address := development(t)
	program := filepath.Join("..", "..", "..", "testdata", "kafka", "Admin.java")
	command := exec.CommandContext(t.Context(), "java", "-Dorg.apache.logging.log4j.level=OFF", "-cp", filepath.Join(os.Getenv(jarsEnvironment), "*"), program, address) //nolint:gosec // ours
	var errs bytes.Buffer
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	// Apache Kafka answers these so, too.
	got, as := map[string]string{}, map[string]string{"createTopics that exist": "TopicExistsException", "produce to a topic that is not there": "TimeoutException"}
	calls := 0
	for line := range strings.Lines(string(out)) {
		call, answer, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if calls++; answer != "ok" {
			got[call] = answer
		}
	}
	if calls < 40 {
		t.Errorf("only %d calls were tried:\n%s", calls, out)
	}
	want := refusedCalls(t)
	maps.Copy(want, as)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what is refused (-documented +got):\n%s", d)
	}
}

// refusedCalls reads the table of docs/development-broker.md.
func refusedCalls(t *testing.T) map[string]string {
	t.Helper()
	text := read(filepath.Join("..", "..", "..", "docs", "development-broker.md"))
	calls := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([^|`]+) \\| `(\\w+Exception)` \\|").FindAllStringSubmatch(text, -1) {
		calls[row[1]] = row[2]
	}
	if len(calls) == 0 {
		t.Fatal("the document lists no call")
	}
	return calls
}

// TestKcatOnTheDevelopmentBroker runs the commands of docs/development-broker.md.
func TestKcatOnTheDevelopmentBroker(t *testing.T) {
	t.Parallel()
	kcat, err := exec.LookPath("kcat")
	if err != nil {
		t.Skip("left out: there is no kcat")
	}
	address := development(t)
	engine := os.Getenv(binaryEnvironment)
	project := t.TempDir()
	write(t, filepath.Join(project, "in.txt"), "one\n")
	write(t, filepath.Join(project, "p.hcl"), "worker {\n  bootstrap_servers = [\""+address+"\"]\n  listeners = [\"http://127.0.0.1:0\"]\n}\npipeline \"in\" {\n  source \"file\" {\n    file = \""+filepath.Join(project, "in.txt")+"\"\n    topic = \"orders\"\n  }\n  value_converter \"string\" {}\n  config = {\n    \"topic.creation.default.partitions\" = \"1\"\n    \"topic.creation.default.replication.factor\" = \"1\"\n  }\n}\n")
	if out, err := exec.CommandContext(t.Context(), engine, "run", "-until-idle", project).CombinedOutput(); err != nil { //nolint:gosec // ours
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(input string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), kcat, append([]string{"-b", address}, args...)...) //nolint:gosec // the test's own
		command.Stdin = strings.NewReader(input)
		var errs bytes.Buffer
		command.Stderr = &errs
		out, err := command.Output()
		if err != nil {
			t.Fatalf("kcat %s: %v\n%s", strings.Join(args, " "), err, errs.String())
		}
		return string(out)
	}
	if out := run("", "-L"); !strings.Contains(out, `topic "orders"`) {
		t.Errorf("the list is\n%s", out)
	}
	run("k:two\n", "-P", "-t", "orders", "-K", ":")
	for _, args := range [][]string{{"-C", "-t", "orders", "-o", "beginning", "-e", "-q"}, {"-C", "-t", "orders", "-o", "beginning", "-c", "2", "-q"}} {
		if got := run("", args...); got != "one\ntwo\n" {
			t.Errorf("kcat %s: got %q", strings.Join(args, " "), got)
		}
	}
	if got := run("", "-C", "-t", "orders", "-o", "1", "-e", "-q", "-f", "%p %o %k: %s\n"); got != "0 1 k: two\n" {
		t.Errorf("with a format: got %q", got)
	}
	group := exec.CommandContext(t.Context(), kcat, "-b", address, "-q", "-u", "-c", "2", "-X", "auto.offset.reset=earliest", "-G", "look", "orders") //nolint:gosec // the test's own
	late := time.AfterFunc(patience, func() { _ = group.Process.Kill() })                                                                             // what it has printed by then counts
	defer late.Stop()
	if out, err := group.Output(); err != nil || string(out) != "one\ntwo\n" {
		t.Errorf("as a group: got %q (%v)", out, err)
	}
}
