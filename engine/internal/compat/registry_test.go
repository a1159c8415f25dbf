package compat_test

import (
	"bufio"
	stdcontext "context" // a test has a function of that name
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protowire"
)

// pythonEnvironment names the variable with a Python that has confluent-kafka; `make compat` makes one.
const pythonEnvironment = "ENGINE_TEST_PYTHON"

func needPython(t *testing.T) {
	t.Helper()
	if os.Getenv(pythonEnvironment) == "" {
		t.Skip("needs Confluent's Python client; make compat fetches it")
	}
}

// withRegistry starts the development broker and the embedded Schema Registry, and returns their addresses.
func withRegistry(t *testing.T) (broker, registry string) {
	t.Helper()
	binary := os.Getenv(binaryEnvironment)
	if binary == "" {
		t.Skip("needs the engine's binary; make compat builds it")
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

// sinks are pipelines from the topics from-avro, from-json and from-protobuf into files of these names.
func sinks(registry string) (pipelines []string) {
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
	return pipelines
}

// rows is how many records a source writes.
const rows = 50

// sources are pipelines of the same rows into the topics to-avro, to-json, to-protobuf and to-plain.
func sources(registry string) (pipelines []string) {
	source := func(name, converter, settings string) {
		pipelines = append(pipelines, fmt.Sprintf(`
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
`, name, converter, settings, rows))
	}
	for _, f := range exchanged {
		source(f.name, f.converter, fmt.Sprintf("schema_registry_url = [%q]\n    %s", registry, f.setting))
	}
	source("plain", "json", "schemas_enable = false\n    decimal_format = \"NUMERIC\"")
	return pipelines
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
	needPython(t)
	broker, registry := withRegistry(t)
	python(t, "write", registry, broker, "from-avro", "from-json", "from-protobuf")
	dir := project(t, broker, sinks(registry)...)
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
	needPython(t)
	broker, registry := withRegistry(t)
	args := []string{"read", registry, broker, fmt.Sprint(rows)}
	for _, f := range exchanged {
		args = append(args, "to-"+f.name)
	}
	project(t, broker, sources(registry)...)
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

// order is what franz-go's clients write and read.
type order struct {
	ID   int64  `avro:"id" json:"id"`
	User string `avro:"user" json:"user"`
}

// avroOrder, jsonOrder and protobufOrder are it in the three formats: a Serde tells them apart by their types.
type (
	avroOrder     order
	jsonOrder     order
	protobufOrder order
)

// TestFranzGoExchange has franz-go's registry client, with the libraries that go with it, write what sinks of the engine
// read, and read what sources of it write.
func TestFranzGoExchange(t *testing.T) {
	t.Parallel()
	address, registry := withRegistry(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := sr.NewClient(sr.URLs(registry), sr.HTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	made, err := kadm.NewClient(producer).CreateTopics(t.Context(), 1, 1, nil, "from-avro", "from-json", "from-protobuf")
	if err != nil || made.Error() != nil {
		t.Fatal(err, made.Error())
	}
	var serde sr.Serde
	register := func(topic string, s sr.Schema, v any, opts ...sr.EncodingOpt) {
		created, err := client.CreateSchema(t.Context(), topic+"-value", s)
		if err != nil {
			t.Fatal(err)
		}
		serde.Register(created.ID, v, opts...)
		value, err := serde.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	const avroText = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"user","type":"string"}]}`
	codec, err := avro.Parse(avroText)
	if err != nil {
		t.Fatal(err)
	}
	register("from-avro", sr.Schema{Schema: avroText}, avroOrder{1, "ada"}, sr.EncodeFn(func(v any) ([]byte, error) { return codec.Encode(v) }))
	register("from-json", sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object","properties":{"id":{"type":"integer"},"user":{"type":"string"}}}`},
		jsonOrder{2, "bob"}, sr.EncodeFn(json.Marshal))
	// The second message of its file, so that an index stands in the frame.
	register("from-protobuf", sr.Schema{Type: sr.TypeProtobuf, Schema: "syntax = \"proto3\"; message Other {} message Order { int64 id = 1; string user = 2; }"},
		protobufOrder{3, "cleo"}, sr.Index(1), sr.EncodeFn(func(v any) ([]byte, error) {
			o := v.(protobufOrder)
			b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(o.ID))
			return protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), o.User), nil
		}))

	dir := project(t, address, append(sinks(registry), sources(registry)...)...)
	for name, want := range map[string]string{
		"avro": "Struct{id=1,user=ada}\n", "json": "Struct{id=2,user=bob}\n", "protobuf": "Struct{id=3,user=cleo}\n",
	} {
		if got := read(filepath.Join(dir, name+".txt")); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	plain := values(t, address, "to-plain")
	var want []order
	for _, value := range plain {
		var o order
		if err := json.Unmarshal(value, &o); err != nil {
			t.Fatal(err)
		}
		want = append(want, o)
	}
	for _, f := range exchanged {
		var got []order
		for _, value := range values(t, address, "to-"+f.name) {
			got = append(got, decoded(t, client, value))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", f.name, d)
		}
	}
}

// values are those of a topic's rows.
func values(t *testing.T, address, topic string) (all [][]byte) {
	t.Helper()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := stdcontext.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(all) < rows {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d rows of %s: %v", len(all), rows, topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all = append(all, r.Value) })
	}
	return all
}

// decoded reads a message by the schema that the registry has for its id.
func decoded(t *testing.T, client *sr.Client, message []byte) (o order) {
	t.Helper()
	var header sr.ConfluentHeader
	id, payload, err := header.DecodeID(message)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := client.SchemaByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	switch schema.Type {
	case sr.TypeAvro:
		codec, err := avro.Parse(schema.Schema)
		if err != nil {
			t.Fatal(err)
		}
		var row map[string]any
		if _, err := codec.Decode(payload, &row); err != nil {
			t.Fatal(err)
		}
		o.ID, _ = row["id"].(int64)
		o.User, _ = row["user"].(string)
	case sr.TypeJSON:
		if err := json.Unmarshal(payload, &o); err != nil {
			t.Fatal(err)
		}
	case sr.TypeProtobuf:
		if _, payload, err = header.DecodeIndex(payload, 10); err != nil {
			t.Fatal(err)
		}
		for len(payload) > 0 {
			number, kind, n := protowire.ConsumeTag(payload)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			size := protowire.ConsumeFieldValue(number, kind, payload[n:])
			if size < 0 {
				t.Fatal(protowire.ParseError(size))
			}
			switch field := payload[n : n+size]; number {
			case 1:
				v, _ := protowire.ConsumeVarint(field)
				o.ID = int64(v)
			case 2:
				v, _ := protowire.ConsumeString(field)
				o.User = v
			}
			payload = payload[n+size:]
		}
	}
	return o
}
