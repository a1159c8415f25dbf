package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// written are the records of the tests of offsets: five in each topic, an hour between two, the last an hour ago.
func written(t *testing.T, k testKafka, topics ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.servers))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	now := time.Now()
	for _, topic := range topics {
		for i := range 5 {
			r := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: now.Add(time.Duration(i-5) * time.Hour)}
			if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// moves are commands that send the stopped sink "snk", which reads the topics one and two of written records, and what each
// says.
var moves = []struct {
	args  string
	fails bool
	says  string
}{
	{"reset snk -to-latest", false, `(?s)"kafka_topic":"one"\} +\{"kafka_offset":5\}.*"kafka_topic":"two"\} +\{"kafka_offset":5\}.*altered successfully\. To let it run: engine resume snk`},
	{"set snk -to-earliest", false, `(?s)"one"\} +\{"kafka_offset":0\}.*"two"\} +\{"kafka_offset":0\}`},
	{"set snk -to-time 150m", false, `(?s)"one"\} +\{"kafka_offset":3\}.*"two"\} +\{"kafka_offset":3\}`},
	{"set snk -to-time 2999-01-01", false, `"one"\} +\{"kafka_offset":5\}`},
	{"set snk -to-time 1971-01-01T12:00:00Z", false, `"one"\} +\{"kafka_offset":0\}`},
	{"set snk -to-offset 2 -topic two", false, `^PARTITION +OFFSET\n\{"kafka_partition":0,"kafka_topic":"two"\} +\{"kafka_offset":2\}\n\S`},
	{"set snk -to-offset 99 -topic one:0", false, `"one"\} +\{"kafka_offset":5\}`},
	{"set snk -to-offset 4 -json", false, `(?s)"message": ".*altered successfully".*"kafka_offset": 4`},
	{"get snk", false, `(?s)"kafka_offset":4.*"kafka_offset":4`},
	{"set snk -to-offset 1 -topic oen", true, `snk reads no topic "oen"\. Did you mean "one"\?`},
	{"set snk -to-offset 1 -topic one:7", true, `Topic "one" has no partition "7"; its 1 partition`},
	{"set snk -to-offset -1", true, `-to-offset is "-1"; it must be a number from 0`},
	{"set snk -to-time yesterday", true, `-to-time is "yesterday"; it must be such as`},
	{"set snk -to-latest -to-offset 1", true, `-to-latest and -to-offset go to different places`},
	{"set snk -to-latest offsets.json", true, `either a file or a flag says where the connector goes`},
	{"set snk", true, `say where the connector goes`},
	{"set snk -topic one", true, `-topic says which topics go somewhere`},
	{"set nobody -to-latest", true, `has no connector "nobody"`},
}

func moved(t *testing.T, url string, more ...string) {
	t.Helper()
	for _, m := range moves {
		args := append([]string{"offsets"}, strings.Fields(m.args)...)
		if !strings.HasPrefix(m.args, "get") {
			args = append(args, more...)
		}
		status, out, said := engineWith(t, nil, append(args, "-url", url)...)
		if text := out + strings.Join(strings.Fields(said), " "); (status != 0) != m.fails || !regexp.MustCompile(m.says).MatchString(text) {
			t.Errorf("engine offsets %s: got %d and the text below, want %s\n%s", m.args, status, m.says, text)
		}
	}
}

// TestOffsetsGoWhereFlagsSay: a worker of ours says itself where its topics begin and end.
func TestOffsetsGoWhereFlagsSay(t *testing.T) {
	t.Parallel()
	k := startTestKafka(t, "one", "two")
	if k.fake == nil {
		t.Skip("needs a fake Kafka: on a genuine one the topics are not the test's own")
	}
	written(t, k, "one", "two")
	w := startShared(t, k, textConverters())
	sink := `{"name":"snk","initial_state":"STOPPED","config":{"connector.class":"FileStreamSink","file":"/dev/null","topics.regex":"one|two"}}`
	if got := w.call(t, http.MethodPost, "/connectors", sink); got.status != http.StatusCreated {
		t.Fatal(got)
	}
	w.waitFor(t, "/connectors/snk/status", `"connector":{"state":"STOPPED"`)
	moved(t, "http://"+w.address)

	if got := w.call(t, http.MethodGet, "/connectors/snk/offsets?at=never", ""); got.status != http.StatusBadRequest || !strings.Contains(got.body, "at must be earliest, latest or a time") {
		t.Errorf("a time that is none: got %s", got)
	}
	if got := w.call(t, http.MethodPut, "/connectors/snk/resume", ""); got.status != http.StatusAccepted {
		t.Fatal(got)
	}
	eventually(t, 30*time.Second, func() (bool, string) { return w.running(t, "snk") })
	status, _, said := engineWith(t, nil, "offsets", "set", "snk", "-to-earliest", "-url", "http://"+w.address)
	if status == 0 || !strings.Contains(said, "engine stop snk") {
		t.Errorf("one that runs: got %d and\n%s", status, said)
	}
}

// TestOffsetsOfKafkaConnectGoWhereFlagsSay: a worker of Kafka Connect cannot be asked where topics begin, so its Kafka is, by
// the flag or by a cluster block.
func TestOffsetsOfKafkaConnectGoWhereFlagsSay(t *testing.T) {
	t.Parallel()
	k := startTestKafka(t, "one", "two")
	if k.fake == nil {
		t.Skip("needs a fake Kafka: on a genuine one the topics are not the test's own")
	}
	written(t, k, "one", "two")
	c := having(map[string]string{"name": "snk", "connector.class": "FileStreamSink", "topics": "one, two"})
	c.states["snk"] = "STOPPED"
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.message = "The offsets for this connector have been altered successfully"
	moved(t, server.URL, "-bootstrap-servers", k.servers)

	status, _, said := engineWith(t, nil, "offsets", "set", "snk", "-to-latest", "-url", server.URL)
	if status == 0 || !strings.Contains(strings.Join(strings.Fields(said), " "), "runs Kafka Connect 4.3.1, which does not say where topics begin and end. Name its Kafka with -bootstrap-servers") {
		t.Errorf("without its Kafka: got %d and\n%s", status, said)
	}
	c.with(func() { c.configs["snk"]["topics"] = "one,gone" })
	status, _, said = engineWith(t, nil, "offsets", "set", "snk", "-to-latest", "-url", server.URL, "-bootstrap-servers", k.servers)
	if status == 0 || !strings.Contains(said, "[E010]") || !strings.Contains(said, "There is no topic gone") {
		t.Errorf("a topic that is not there: got %d and\n%s", status, said)
	}
	status, _, said = engineWith(t, nil, "offsets", "set", "snk", "-to-latest", "-url", server.URL, "-bootstrap-servers", "127.0.0.1:1")
	if status == 0 || !strings.Contains(said, "[E008]") {
		t.Errorf("with a Kafka that is not there: got %d and\n%s", status, said)
	}
}

// TestTheClusterBlockNamesItsKafka: with -cluster, worker and Kafka are those of the block.
func TestTheClusterBlockNamesItsKafka(t *testing.T) {
	k := startTestKafka(t, "one", "two")
	if k.fake == nil {
		t.Skip("needs a fake Kafka: on a genuine one the topics are not the test's own")
	}
	written(t, k, "one", "two")
	c := having(map[string]string{"name": "snk", "connector.class": "FileStreamSink", "topics": "one"})
	c.states["snk"] = "STOPPED"
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write(t, dir, "prod.hcl", "cluster \"prod\" {\n  url = \""+server.URL+"\"\n  bootstrap_servers = [\""+k.servers+"\"]\n  config_topic = \"configs\"\n}\n")
	t.Chdir(dir)
	status, out, said := engineWith(t, nil, "offsets", "set", "snk", "-to-offset", "3", "-cluster", "prod")
	if status != 0 || !strings.Contains(out, `{"kafka_partition":0,"kafka_topic":"one"}  {"kafka_offset":3}`) {
		t.Errorf("got %d and\n%s%s", status, out, said)
	}
}

// TestASourceGoesWhereItCan: to its beginning, and to a number where each of its offsets is one.
func TestASourceGoesWhereItCan(t *testing.T) {
	t.Parallel()
	c := having(map[string]string{"name": "src", "connector.class": "FileStreamSource", "topic": "one", "file": "in.txt"})
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.states["src"] = "STOPPED"
	one := func(offset any) []any {
		return []any{map[string]any{"partition": map[string]any{"filename": "in.txt"}, "offset": offset}}
	}
	c.offsets["src"] = one(map[string]any{"position": 12})
	for _, m := range []struct {
		args  string
		fails bool
		says  string
	}{
		{"set src -to-offset 4", false, `\{"filename":"in.txt"\} +\{"position":4\}`},
		{"set src -to-latest", true, `src is a source: where its system ends, .* only the connector knows`},
		{"set src -to-time 1h", true, `src is a source`},
		{"set src -to-offset 4 -topic one", true, `src is a source, which has partitions of its own and no topics`},
		{"set src -to-earliest", false, `reset`},
		{"set src -to-offset 4", true, `src has no offsets yet`},
	} {
		status, out, said := engineWith(t, nil, append(append([]string{"offsets"}, strings.Fields(m.args)...), "-url", server.URL)...)
		if text := out + strings.Join(strings.Fields(said), " "); (status != 0) != m.fails || !regexp.MustCompile(m.says).MatchString(text) {
			t.Errorf("engine offsets %s: got %d and the text below, want %s\n%s", m.args, status, m.says, text)
		}
	}
	c.with(func() { c.offsets["src"] = one(map[string]any{"lsn": 12, "txId": 7}) })
	status, _, said := engineWith(t, nil, "offsets", "set", "src", "-to-offset", "4", "-url", server.URL)
	if status == 0 || !strings.Contains(said, "are not a number each") {
		t.Errorf("offsets of two numbers: got %d and\n%s", status, said)
	}
}

// TestMomentsOfCommands: how -to-time is read.
func TestMomentsOfCommands(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-20T14:02:00Z":          "2026-11-20T14:02:00Z",
		"2026-11-20T14:02:00.250+01:00": "2026-11-20T13:02:00.25Z",
		"2026-11-20T14:02:00":           "2026-11-20T14:02:00Z",
		"2026-11-20T14:02":              "2026-11-20T14:02:00Z",
		"2026-11-20":                    "2026-11-20T00:00:00Z",
		"90m":                           "2026-11-25T10:30:00Z",
		"-90m":                          "",
		"1969-12-31":                    "",
		"20.11.2026":                    "",
	} {
		at, err := (&seeking{time: text}).moment(now)
		got := ""
		if err == nil {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
