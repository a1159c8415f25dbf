package compat_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pythonEnvironment names the variable with a Python that has confluent-kafka; `make compat` makes one.
const pythonEnvironment = "ENGINE_TEST_PYTHON"

// withRegistry starts the development broker and the embedded Schema Registry, and returns their addresses.
func withRegistry(t *testing.T) (broker, registry string) {
	t.Helper()
	binary := os.Getenv(binaryEnvironment)
	if binary == "" || os.Getenv(pythonEnvironment) == "" {
		t.Skip("needs Confluent's Python client; make compat fetches it")
	}
	command := exec.Command(binary, "broker", "-data", t.TempDir(), "-listen", "127.0.0.1:0", "-registry", "127.0.0.1:0") //nolint:noctx,gosec // ended below, not by a context
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
	lines := bufio.NewReader(said)
	find := func(pattern string) string {
		line, err := lines.ReadString('\n')
		at := regexp.MustCompile(pattern).FindStringSubmatch(line)
		if err != nil || at == nil {
			t.Fatalf("the broker said %q (%v)", line, err)
		}
		return at[1]
	}
	return find(`Development broker at (\S+),`), find(`Schema Registry at (\S+)`)
}

// exchanged are the three formats: the name in topics and the converter's in HCL, with a setting that its row needs.
var exchanged = []struct{ name, converter, setting string }{
	{"avro", "avro", ""},
	{"json", "json_schema", `decimal_format = "NUMERIC"`},
	{"protobuf", "protobuf", ""},
}

// project is a project of several pipelines on a broker, run until it has nothing left to do.
func project(t *testing.T, broker string, pipelines ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := fmt.Sprintf("worker {\n  bootstrap_servers = [%q]\n  listeners = [\"http://127.0.0.1:0\"]\n}\n%s", broker, strings.Join(pipelines, ""))
	write(t, filepath.Join(dir, "project.hcl"), text)
	if out, err := exec.CommandContext(t.Context(), os.Getenv(binaryEnvironment), "run", "-until-idle", dir).CombinedOutput(); err != nil { //nolint:gosec // ours
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// python runs the exchange's other side.
func python(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join("..", "..", "..", "testdata", "python", "exchange.py")
	command := exec.CommandContext(t.Context(), os.Getenv(pythonEnvironment), append([]string{program}, args...)...) //nolint:gosec // ours
	var errs strings.Builder
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	return string(out)
}

// TestPythonToSink has Confluent's Python serializers write into the embedded registry and the broker, and sinks of the
// engine read: all three formats, references, known types, nulls.
func TestPythonToSink(t *testing.T) {
	t.Parallel()
	broker, registry := withRegistry(t)
	python(t, "write", registry, broker, "from-avro", "from-json", "from-protobuf")
	var pipelines []string
	for _, f := range exchanged {
		pipelines = append(pipelines, fmt.Sprintf(`
pipeline "from-%[1]s" {
  sink "file" {
    topics = ["from-%[1]s"]
    file   = "${path.project}/%[1]s.txt"
  }
  key_converter "string" {}
  value_converter %[2]q {
    schema_registry_url = [%[3]q]
  }
}
`, f.name, f.converter, registry))
	}
	dir := project(t, broker, pipelines...)
	for name, want := range map[string]string{
		"avro": "Struct{id=1,note=one}\nStruct{id=1099511627776,note=zwei ☃}\nnull\n",
		// The order is that of Java's hash table, as the genuine converter has it.
		"json":     "Struct{note=one,id=1}\nStruct{note=zwei ☃,id=1099511627776}\nnull\n",
		"protobuf": "Struct{id=7,total=Struct{units=12},at=Tue Nov 14 22:13:20 UTC 2023,tags=[a, b]}\nStruct{id=8,tags=[]}\nnull\n",
	} {
		if got := read(filepath.Join(dir, name+".txt")); got != want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
}

// TestSourceToPython is the way back: sources of the engine write the same rows in the three formats and as plain JSON, and
// Confluent's Python deserializers read the same from each.
func TestSourceToPython(t *testing.T) {
	t.Parallel()
	broker, registry := withRegistry(t)
	const rows = 50
	source := func(name, converter, settings string) string {
		return fmt.Sprintf(`
pipeline "to-%[1]s" {
  source "datagen" {
    topic = "to-%[1]s"
    rows  = %[4]d
    fields = [
      "id:sequence(5)", "user:choice(ada|bob|cleo)", "amount:decimal(-100..100)", "active:bool", "at:timestamp(2026-01-01T00:00:00Z)", "share:double(0..1)",
    ]
  }
  key_converter "string" {}
  value_converter %[2]q {
    %[3]s
  }
  config = {
    "topic.creation.default.partitions"         = "1"
    "topic.creation.default.replication.factor" = "1"
  }
}
`, name, converter, settings, rows)
	}
	pipelines, args := []string{}, []string{"read", registry, broker, fmt.Sprint(rows)}
	for _, f := range exchanged {
		pipelines = append(pipelines, source(f.name, f.converter, fmt.Sprintf("schema_registry_url = [%q]\n    %s", registry, f.setting)))
		args = append(args, "to-"+f.name)
	}
	project(t, broker, append(pipelines, source("plain", "json", "schemas_enable = false\n    decimal_format = \"NUMERIC\""))...)
	of := map[string][]string{}
	for line := range strings.Lines(python(t, append(args, "to-plain")...)) {
		topic, row, _ := strings.Cut(strings.TrimSpace(line), " ")
		of[topic] = append(of[topic], row)
	}
	want := of["to-plain"]
	if len(want) != rows || !strings.Contains(want[0], `"id": 5, "share": 0.`) {
		t.Fatalf("got %d rows of plain JSON, want %d, from 5:\n%s", len(want), rows, strings.Join(want, "\n"))
	}
	for _, f := range exchanged {
		if got := of["to-"+f.name]; strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", f.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
