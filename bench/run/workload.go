package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/bench/rows"
)

// workload is a job with the pipeline that does it.
type workload struct {
	job      rows.Job
	title    string
	program  string // that runs the project
	pipeline string // the body; FILE, TOPIC, OUT and ROWS are filled in
	want     rows.Digest
}

const (
	hoist  = "  transform \"hoist_field\" \"line\" {\n    target = \"value\"\n    field  = \"line\"\n  }\n"
	insert = "  transform \"insert_field\" \"source\" {\n    target       = \"value\"\n    static_field = \"NAME\"\n    static_value = \"file\"\n  }\n"
	mask   = "  transform \"mask_field\" \"email\" {\n    target      = \"value\"\n    fields      = [\"email\"]\n    replacement = \"****\"\n  }\n"
	asJSON = "  value_converter \"json\" {\n    schemas_enable = false\n  }\n"
	asText = "  value_converter \"string\" {}\n"
)

func insertAs(name string) string { return strings.Replace(insert, "NAME", name, 1) }

// workloads are W1 to W6, in order.
func workloads() []workload {
	lines := func(kind string) string {
		return fmt.Sprintf("  source %q {\n    file  = \"FILE\"\n    topic = \"TOPIC\"\n  }\n", kind)
	}
	sink := func(kind, file string) string {
		return fmt.Sprintf("  sink %q {\n    topics = [\"TOPIC\"]\n%s  }\n", kind, file)
	}
	made := "  source \"datagen\" {\n    topic  = \"TOPIC\"\n    rows   = ROWS\n    fields = [\"" + strings.Join(rows.Fields(), `", "`) + "\"]\n  }\n"
	return []workload{
		{job: rows.Hoist, title: "file → hoist, insert → JSON → Kafka", program: "engine", pipeline: lines("file") + hoist + insertAs("source") + asJSON},
		{job: rows.JSON, title: "file → JSON → insert → JSON → Kafka", program: "host", pipeline: lines("json_lines") + insertAs("source") + asJSON},
		{job: rows.Struct, title: "rows → insert → JSON → Kafka", program: "engine", pipeline: made + insertAs("source") + asJSON},
		{job: rows.Raw, title: "file → bytes → Kafka", program: "engine", pipeline: lines("file") + asText},
		{job: rows.SinkFile, title: "Kafka → JSON → mask, insert → file", program: "engine", pipeline: sink("file", "    file   = \"OUT\"\n") + mask + insertAs("sink") + asJSON},
		{job: rows.SinkNull, title: "Kafka → JSON → mask, insert → dropped", program: "engine", pipeline: sink("blackhole", "") + mask + insertAs("sink") + asJSON},
	}
}

func (w workload) isSink() bool { return w.job == rows.SinkFile || w.job == rows.SinkNull }

// trial is one run of one program.
type trial struct {
	workload
	settings settings
	tool     string // "limit" or "engine"
	broker   *broker
	id       string // topic, pipeline and group of this run alone
	dir      string // of this run alone
	input    string
}

// outcome is what a run has used; it becomes a line of JSON.
type outcome struct {
	Job     rows.Job `json:"job"`
	Tool    string   `json:"tool"`
	Rows    int      `json:"rows"`
	CPU     float64  `json:"cpu"`            // seconds a million records
	Broker  float64  `json:"broker"`         // the same of the broker
	Wall    float64  `json:"wall"`           // seconds from exec until all was done
	Peak    float64  `json:"peak,omitempty"` // MB; of what still runs when it is done
	Load    float64  `json:"load"`           // the machine's, before
	Machine string   `json:"machine"`
	At      string   `json:"at"`
}

// run does the job once and checks what came out.
func (t *trial) run(ctx context.Context) (o outcome, err error) {
	t.dir = filepath.Join(t.settings.dir, t.id)
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	name, args, err := t.command()
	if err != nil {
		return o, err
	}
	if err := t.broker.get(ctx, "/forget", new(int64)); err != nil {
		return o, err
	}
	o = outcome{Job: t.job, Tool: t.tool, Rows: t.settings.rows, Load: load(), At: time.Now().Format(time.RFC3339)}
	before := usageOf(t.broker.cmd.Process.Pid)
	p, err := launch(ctx, filepath.Join(t.dir, "log"), t.settings.program(name), args...)
	if err != nil {
		return o, err
	}
	if err := p.until(ctx, 5*time.Millisecond, func() (bool, error) { return t.done(ctx, p) }); err != nil {
		return o, errors.Join(err, p.stop())
	}
	u := p.used()
	o.Wall = time.Since(p.started).Seconds()
	o.Broker = (usageOf(t.broker.cmd.Process.Pid).CPU - before.CPU) * 1e6 / float64(o.Rows)
	o.CPU, o.Peak = u.CPU*1e6/float64(o.Rows), u.Peak
	if err := p.stop(); err != nil {
		return o, err
	}
	return o, t.check(ctx)
}

// command is what to start, with the files it needs.
func (t *trial) command() (name string, args []string, err error) {
	out, topic := filepath.Join(t.dir, "out"), t.id
	if t.isSink() {
		topic = "stored"
	}
	if t.tool == "limit" {
		return "limit", []string{
			"-job", string(t.job), "-broker", t.broker.addr, "-topic", topic, "-group", t.id, "-in", t.input, "-out", out,
			"-offsets", filepath.Join(t.dir, "offsets"), "-rows", strconv.Itoa(t.settings.rows),
		}, nil
	}
	body := strings.NewReplacer("FILE", t.input, "TOPIC", topic, "OUT", out, "ROWS", strconv.Itoa(t.settings.rows)).Replace(t.pipeline)
	text := fmt.Sprintf("worker {\n  bootstrap_servers = [%q]\n}\n\npipeline %q {\n%s}\n", t.broker.addr, t.id, body)
	project := filepath.Join(t.dir, "project")
	err = errors.Join(os.MkdirAll(project, 0o755), os.WriteFile(filepath.Join(project, "main.hcl"), []byte(text), 0o600))
	if t.program == "host" {
		return "host", []string{"-project", project}, err
	}
	return t.program, []string{"run", project}, err
}

// done looks whether every record has come out. A limit program ends by itself.
func (t *trial) done(ctx context.Context, p *process) (bool, error) {
	if t.tool == "limit" {
		return p.hasEnded(), nil
	}
	switch t.job {
	case rows.SinkFile:
		info, err := os.Stat(filepath.Join(t.dir, "out"))
		return err == nil && info.Size() >= t.want.Bytes, nil
	case rows.SinkNull: // the consumer asks for what follows the last record once it has handed that on
		var offset int64
		err := t.broker.get(ctx, "/offset", &offset)
		return offset >= int64(t.settings.rows), err
	default:
		var d rows.Digest
		err := t.broker.get(ctx, "/topic/"+t.id, &d)
		return d.Count >= t.want.Count, err
	}
}

// check compares what came out with what must come out.
func (t *trial) check(ctx context.Context) error {
	var got rows.Digest
	want := t.want
	switch t.job {
	case rows.SinkFile:
		f, err := os.Open(filepath.Join(t.dir, "out"))
		if err != nil {
			return err
		}
		if _, err := io.Copy(&got, f); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
	case rows.SinkNull:
		want = rows.Digest{Count: want.Count}
	default:
		if err := t.broker.get(ctx, "/topic/"+t.id, &got); err != nil {
			return err
		}
	}
	if t.isSink() {
		n, err := t.committed(ctx)
		if err != nil {
			return err
		}
		if n != want.Count {
			return fmt.Errorf("%s %s: the group has committed %d of %d records, so the run does not count", t.job, t.tool, n, want.Count)
		}
		if t.job == rows.SinkNull {
			got.Count = n
		}
	}
	if got != want {
		return fmt.Errorf("%s %s: what came out is %+v and must be %+v, so the run does not count", t.job, t.tool, got, want)
	}
	return nil
}

// committed is the offset that the run's group has stored.
func (t *trial) committed(ctx context.Context) (int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(t.broker.addr))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	group := t.id
	if t.tool != "limit" {
		group = "connect-" + t.id
	}
	offsets, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	at, _ := offsets.Lookup("stored", 0)
	return at.At, nil
}

// get asks the broker what it has seen.
func (b *broker) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.control+path, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	return json.NewDecoder(answer.Body).Decode(into)
}

// load is the machine's load average of the last minute.
func load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := bytes.Cut(text, []byte{' '})
	f, _ := strconv.ParseFloat(string(first), 64)
	return f
}
