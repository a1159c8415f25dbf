package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/bench/rows"
)

// A compared run moves the rows of a run four times over: the first of the four is the cold figure, the last the warm one.
const (
	shares = 4
	tools  = "limit|engine|Connect|Connect 512M"
)

// contest is a comparison under way.
type contest struct {
	settings
	*report
	jars   string
	addr   string // of the broker
	admin  *kadm.Client
	client *kgo.Client
	input  string
	marks  map[rows.Job][]rows.Digest // after the first, the third and the last share
}

// compare runs the jobs that both can do on a genuine Kafka.
func compare(ctx context.Context, s settings, r *report) (err error) {
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the comparison needs Java and Maven: %w", err)
		}
	}
	c := &contest{settings: s, report: r, marks: map[rows.Job][]rows.Digest{}}
	jars, err := script(ctx, "jars")
	if err != nil {
		return err
	}
	c.jars = strings.TrimSpace(jars)
	kafka := filepath.Join(s.dir, "kafka")
	said, err := script(ctx, "start", kafka)
	if err != nil {
		return err
	}
	defer func() {
		_, stopped := script(context.WithoutCancel(ctx), "stop", kafka)
		err = errors.Join(err, stopped, os.RemoveAll(kafka))
	}()
	_, c.addr, _ = strings.Cut(strings.TrimSpace(said), "=")
	if c.client, err = kgo.NewClient(kgo.SeedBrokers(c.addr)); err != nil {
		return err
	}
	defer c.client.Close()
	c.admin = kadm.NewClient(c.client)
	all := s
	all.rows = shares * s.rows
	if c.input, err = all.input(); err != nil {
		return err
	}
	if err := c.fill(ctx); err != nil {
		return err
	}
	return c.rounds(ctx)
}

// script runs scripts/kafka.sh and returns what it prints.
func script(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "scripts/kafka.sh", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}

// fill stores the rows in the topic that sinks read.
func (c *contest) fill(ctx context.Context) error {
	if _, err := c.admin.CreateTopic(ctx, 1, 1, nil, "stored"); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.DefaultProduceTopic("stored"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	var lost kgo.FirstErrPromise
	for i := range shares * c.rows {
		client.Produce(ctx, kgo.SliceRecord(rows.Append(nil, i)), lost.Promise())
	}
	return lost.Err()
}

func (c *contest) rounds(ctx context.Context) error {
	var list []workload
	for _, w := range workloads() {
		// Kafka Connect has neither a source that reads JSON nor ones that make rows or drop records.
		if slices.Contains([]rows.Job{rows.Hoist, rows.Raw, rows.SinkFile}, w.job) && (c.only == nil || c.only[w.job]) {
			n := c.rows
			c.marks[w.job] = rows.Expected(w.job, n, (shares-1)*n, shares*n)
			w.want = c.marks[w.job][2]
			list = append(list, w)
		}
	}
	for round := range c.settings.rounds {
		for _, w := range list {
			for tool := range strings.SplitSeq(tools, "|") {
				t := trial{workload: w, settings: c.settings, tool: tool, input: c.input, broker: &broker{addr: c.addr}}
				t.settings.rows = shares * c.rows
				t.id = strings.ReplaceAll(c.name(w.job, tool, round), " ", "")
				err := c.run(ctx, &t)
				for tries := 1; errors.Is(err, errLate) && tries < 3; tries++ {
					t.id += "-again"
					err = c.run(ctx, &t)
				}
				if err != nil {
					return fmt.Errorf("%s %s: %w", t.job, t.tool, err)
				}
			}
		}
	}
	return c.table(list)
}

// run does one job with one tool and adds a cold and a warm outcome.
func (c *contest) run(ctx context.Context, t *trial) (err error) {
	t.dir = filepath.Join(c.dir, t.id)
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	if !t.isSink() {
		if _, err := c.admin.CreateTopic(ctx, 1, 1, nil, t.id); err != nil {
			return err
		}
		defer func() {
			_, gone := c.admin.DeleteTopic(context.WithoutCancel(ctx), t.id)
			err = errors.Join(err, gone)
		}()
	}
	program, args, err := c.command(t)
	if err != nil {
		return err
	}
	p, err := launch(ctx, filepath.Join(t.dir, "log"), program, args...)
	if err != nil {
		return err
	}
	seen, err := c.watch(ctx, t, p)
	if err != nil {
		return errors.Join(err, p.stop())
	}
	if err := p.stop(); err != nil && !strings.HasPrefix(t.tool, "Connect") { // a JVM ends with 130 when it is asked to
		return err
	}
	if err := c.check(ctx, t); err != nil {
		return err
	}
	o := outcome{Job: t.job, Tool: t.tool, Load: load(), At: time.Now().Format(time.RFC3339), Peak: seen[2].Peak}
	cold, warm := seen[0], seen[2].since(seen[1])
	if warm.records < float64(c.rows)/2 {
		return errLate
	}
	o.Rows, o.CPU, o.Wall = int(cold.records), cold.CPU*1e6/cold.records, cold.at.Seconds()
	if err := c.add(o); err != nil {
		return err
	}
	o.Tool += " warm"
	o.Rows, o.CPU, o.Wall = int(warm.records), warm.CPU*1e6/warm.records, warm.at.Seconds()
	return c.add(o)
}

// errLate refuses a run on a machine too busy to look in time.
var errLate = errors.New("it was not seen when the last share began, so the run does not count")

// moment is what a process had used and moved at a time.
type moment struct {
	usage
	at      time.Duration // since the start
	records float64
}

func (m moment) since(o moment) moment {
	return moment{usage: usage{CPU: m.CPU - o.CPU}, at: m.at - o.at, records: m.records - o.records}
}

// watch looks at the process when each mark is reached. A look may come late; then more has been moved than was waited for.
func (c *contest) watch(ctx context.Context, t *trial, p *process) (seen [3]moment, err error) {
	for i, mark := range c.marks[t.job] {
		m := &seen[i]
		err := p.until(ctx, 10*time.Millisecond, func() (done bool, err error) {
			m.records, done, err = c.reached(ctx, t, mark)
			return done, err
		})
		if err != nil {
			return seen, err
		}
		m.usage, m.at = p.used(), time.Since(p.started)
	}
	if t.tool == "limit" {
		<-p.ended
		seen[2].usage = p.used()
	}
	return seen, nil
}

// command is what to start.
func (c *contest) command(t *trial) (program string, args []string, err error) {
	if !strings.HasPrefix(t.tool, "Connect") {
		name, args, err := t.command()
		return c.program(name), args, err
	}
	// The flags of Kafka's own scripts, with their heap or half a gigabyte.
	args = strings.Fields("-Xms256M -Xmx2G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -Dorg.apache.logging.log4j.level=WARN")
	if t.tool == "Connect 512M" {
		args[1] = "-Xmx512M"
	}
	worker := map[string]string{
		"bootstrap.servers": c.addr, "listeners": "http://127.0.0.1:0", "plugin.discovery": "service_load",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"value.converter.schemas.enable": "false", "offset.storage.file.filename": filepath.Join(t.dir, "offsets"),
		// With its own 16 KiB the producer costs more.
		"producer.batch.size": "1000000", "producer.linger.ms": "5",
	}
	connector := map[string]string{"name": t.id, "tasks.max": "1", "file": t.input, "topic": t.id, "connector.class": "FileStreamSource"}
	switch t.job {
	case rows.Hoist:
		chain(connector, "hoist", "HoistField$Value", "field", "line")
		chain(connector, "insert", "InsertField$Value", "static.field", "source", "static.value", "file")
	case rows.Raw:
		worker["value.converter"] = worker["key.converter"]
	default:
		connector = map[string]string{"name": t.id, "tasks.max": "1", "file": filepath.Join(t.dir, "out"), "topics": "stored", "connector.class": "FileStreamSink"}
		chain(connector, "mask", "MaskField$Value", "fields", "email", "replacement", "****")
		chain(connector, "insert", "InsertField$Value", "static.field", "sink", "static.value", "file")
	}
	w, k := filepath.Join(t.dir, "worker.properties"), filepath.Join(t.dir, "connector.properties")
	err = errors.Join(writeProperties(w, worker), writeProperties(k, connector))
	return "java", append(args, "-cp", c.jars+"/*", "org.apache.kafka.connect.cli.ConnectStandalone", w, k), err
}

// chain adds a transform to a connector.
func chain(connector map[string]string, name, class string, settings ...string) {
	connector["transforms"] = strings.TrimPrefix(connector["transforms"]+","+name, ",")
	connector["transforms."+name+".type"] = "org.apache.kafka.connect.transforms." + class
	for i := 0; i < len(settings); i += 2 {
		connector["transforms."+name+"."+settings[i]] = settings[i+1]
	}
}

func writeProperties(file string, m map[string]string) error {
	var b strings.Builder
	for k, v := range m {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	return os.WriteFile(file, []byte(b.String()), 0o600)
}

// reached tells how many records have come out, and whether that is as many as it shall be.
func (c *contest) reached(ctx context.Context, t *trial, mark rows.Digest) (records float64, done bool, err error) {
	if t.isSink() {
		info, err := os.Stat(filepath.Join(t.dir, "out"))
		if err != nil {
			return 0, false, nil //nolint:nilerr // the sink makes it
		}
		return float64(info.Size()) / float64(t.want.Bytes) * float64(t.want.Count), info.Size() >= mark.Bytes, nil
	}
	ends, err := c.admin.ListEndOffsets(ctx, t.id)
	if err != nil {
		return 0, false, err
	}
	end, _ := ends.Lookup(t.id, 0)
	return float64(end.Offset), end.Offset >= mark.Count, nil
}

// check compares what came out with what must come out. Java prints the members of a map in an order of its own, so of its
// lines only number, size and the order of the ids are checked.
func (c *contest) check(ctx context.Context, t *trial) error {
	if t.isSink() && strings.HasPrefix(t.tool, "Connect") {
		return checkIDs(filepath.Join(t.dir, "out"), t.want)
	}
	if t.isSink() {
		return t.check(ctx)
	}
	var got rows.Digest
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.id: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := c.admin.ListEndOffsets(ctx, t.id)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(t.id, 0)
	for got.Count < end.Offset {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { got.Add(r.Value) })
	}
	if got != t.want {
		return fmt.Errorf("%s %s: what came out is %+v and must be %+v, so the run does not count", t.job, t.tool, got, t.want)
	}
	return nil
}

func checkIDs(name string, want rows.Digest) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	var got rows.Digest
	for lines := bufio.NewScanner(f); lines.Scan(); {
		id := strconv.AppendInt([]byte("id="), 10_000_000+got.Count, 10)
		if !bytes.Contains(lines.Bytes(), id) {
			return fmt.Errorf("line %d has not the id that it must have, so the run does not count", got.Count+1)
		}
		got.Add(lines.Bytes())
	}
	if got.Count != want.Count || got.Bytes != want.Bytes {
		return fmt.Errorf("there are %d lines of %d bytes and must be %d of %d, so the run does not count", got.Count, got.Bytes, want.Count, want.Bytes)
	}
	return nil
}

// table prints what was compared.
func (c *contest) table(list []workload) error {
	c.printf("%s; %d records cold, as many warm after %d; %d rounds; Kafka 4.3.1\n\n", c.machine, c.rows, (shares-1)*c.rows, c.settings.rounds)
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // into memory until Flush
	line("workload\ttool\tCPU s/M cold\t× engine\twarm\t× engine\tk rec/s warm\tpeak MB\t")
	for _, x := range list {
		for tool := range strings.SplitSeq(tools, "|") {
			cold, warm := c.of(x.job, tool, cpu), c.of(x.job, tool+" warm", cpu)
			engineCold, engineWarm := c.of(x.job, "engine", cpu), c.of(x.job, "engine warm", cpu)
			line("%s %s\t%s\t%.2f\t%.1f\t%.2f\t%.1f\t%.0f\t%.0f\t", x.job, x.title, tool, median(cold), median(cold)/median(engineCold), median(warm),
				median(warm)/median(engineWarm), slices.Max(c.of(x.job, tool+" warm", rate)), slices.Max(c.of(x.job, tool, peak)))
		}
	}
	return w.Flush()
}
