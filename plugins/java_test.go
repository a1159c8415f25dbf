package plugins_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// recordsAChain is how many records go through each random chain.
const recordsAChain = 100

// TestChainsBesideJava takes random records through random chains of up to five transforms, of which every third has a
// predicate, here and in Kafka Connect's own classes, and compares what comes out, where it fails and what is dropped. ENGINE_TEST_JARS is the folder of the
// classes, ENGINE_TEST_RECORDS how many records (10,000), ENGINE_TEST_SEED a seed to repeat a run.
func TestChainsBesideJava(t *testing.T) {
	jars := os.Getenv("ENGINE_TEST_JARS")
	if jars == "" {
		t.Skip("ENGINE_TEST_JARS does not name the folder of Kafka Connect's classes")
	}
	seed, wanted := uint64(time.Now().UnixNano()), 10_000
	if s, err := strconv.ParseUint(os.Getenv("ENGINE_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	if n, err := strconv.Atoi(os.Getenv("ENGINE_TEST_RECORDS")); err == nil {
		wanted = n
	}
	java := startJava(t, jars)
	j := &pair{t: t, java: java, draw: draw{rand.New(rand.NewPCG(seed, 0))}, runner: newRunner(t), json: jsonConverter(t), outcomes: map[string]int{}}
	for records := 0; records < wanted && j.differences < 20; records += recordsAChain {
		j.chain()
	}
	java.end(t)
	t.Logf("seed %d: %d records, %d differences; %v", seed, j.records, j.differences, j.outcomes)
	if j.outcomes["came out"] < j.records/10 {
		t.Errorf("only %d of %d records came out of their chains, so little was compared", j.outcomes["came out"], j.records)
	}
}

// javaChains is the Java program under testdata/java/chains at work.
type javaChains struct {
	command *exec.Cmd
	in      *bufio.Writer
	closeIn func() error
	out     *bufio.Reader
}

func startJava(t *testing.T, jars string) *javaChains {
	t.Helper()
	c := exec.CommandContext(t.Context(), "java", "-Duser.timezone=UTC", "-Duser.language=en", "-cp", filepath.Join(jars, "*"), "../testdata/java/chains/Chains.java")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c.Stderr = &said
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Java said: %s", said.String())
		}
	})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return &javaChains{c, bufio.NewWriterSize(in, 1<<16), in.Close, bufio.NewReaderSize(out, 1<<16)}
}

func (c *javaChains) end(t *testing.T) {
	t.Helper()
	if err := c.closeIn(); err != nil {
		t.Error(err)
	}
	if err := c.command.Wait(); err != nil {
		t.Error(err)
	}
}

// ask sends lines and reads as many answers.
func (c *javaChains) ask(lines []string) ([]map[string]any, error) {
	sent := make(chan error, 1)
	go func() {
		for _, l := range lines {
			if _, err := c.in.WriteString(l + "\n"); err != nil {
				sent <- err
				return
			}
		}
		_, err := c.in.WriteString("\n") // answers are wanted now
		if err == nil {
			err = c.in.Flush()
		}
		sent <- err
	}()
	answers := make([]map[string]any, len(lines))
	for i := range answers {
		line, err := c.out.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
		if answers[i], err = object(line); err != nil {
			return nil, fmt.Errorf("read %s: %w", line, err)
		}
	}
	return answers, <-sent
}

func object(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v map[string]any
	err := d.Decode(&v)
	return v, err
}

func jsonConverter(t *testing.T) plugin.Converter {
	t.Helper()
	d, ok := newRunner(t).Alias(plugin.ConverterRole, "json")
	if !ok {
		t.Fatal("there is no JSON converter")
	}
	c := d.NewConverter()
	if err := c.Configure(plugin.Config{"schemas.enable": "true"}, plugin.ValueUse); err != nil {
		t.Fatal(err)
	}
	return c
}

// pair is the two at work side by side.
type pair struct {
	t           *testing.T
	java        *javaChains
	draw        draw
	runner      runner
	json        plugin.Converter
	records     int
	differences int
	outcomes    map[string]int
}

// input is a record as the program takes it; data are texts, nil is the null message.
type input struct {
	Topic     string  `json:"topic"`
	Partition int     `json:"partition"`
	Offset    int64   `json:"offset"`
	Timestamp *int64  `json:"timestamp"`
	Key       *string `json:"key"`
	Value     *string `json:"value"`
	Headers   []named `json:"headers"`
}

type named struct {
	Key   string  `json:"key"`
	Value *string `json:"value"`
}

type step struct {
	Class     string            `json:"class"`
	Config    map[string]string `json:"config"`
	Predicate *step             `json:"predicate,omitempty"`
	Negate    bool              `json:"negate,omitempty"`
}

func (p *pair) chain() {
	shapes := p.draw.shapes()
	steps := p.draw.steps()
	lines := []string{line(steps)}
	inputs := make([]input, recordsAChain)
	for i := range inputs {
		inputs[i] = p.draw.record(shapes)
		lines = append(lines, line(inputs[i]))
	}
	answers, err := p.java.ask(lines)
	if err != nil {
		p.t.Fatal(err)
	}
	chain, configured := p.configure(steps)
	if _, ok := answers[0]["ok"]; ok != configured {
		p.differ("configure: Java says %v, we say %t\n%s", answers[0], configured, lines[0])
		return
	}
	if !configured {
		p.outcomes["not configured"] += recordsAChain
		p.records += recordsAChain
		return
	}
	for i := range inputs {
		p.records++
		want, got := answers[i+1], p.run(chain, inputs[i])
		why := want["why"]
		delete(want, "why")
		ours := got["why"]
		delete(got, "why")
		p.outcomes[outcome(got)]++
		if !alike(parsed(want), parsed(got)) {
			for name, value := range want { // what is the same is not worth reading
				if is, ok := got[name]; ok && alike(parsed(map[string]any{name: value}), parsed(map[string]any{name: is})) {
					delete(want, name)
					delete(got, name)
				}
			}
			p.differ("Java %s (%v)\nwe   %s (%v)\n%s\n%s", line(want), why, line(got), ours, lines[0], lines[i+1])
			return // the rest of the chain's records would say the same
		}
	}
}

func (p *pair) differ(format string, args ...any) {
	p.differences++
	p.t.Errorf(format, args...)
}

func outcome(got map[string]any) string {
	for _, word := range []string{"dropped", "failed", "encode"} {
		if _, is := got[word]; is {
			return word
		}
	}
	return "came out"
}

func line(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of texts and numbers
	}
	return string(text)
}

// alike compares answers. A Java before 19 prints some floats with a digit more than they need (JDK-4511638), so of numbers
// with an exponent, also as texts, only the float counts.
func alike(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, alike)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, alike)
	case json.Number:
		y, ok := b.(json.Number)
		return ok && sameNumber(x.String(), y.String())
	case string:
		y, ok := b.(string)
		return ok && sameNumber(x, y)
	}
	return a == b
}

func sameNumber(a, b string) bool {
	if a == b || !strings.Contains(a, "E") || !strings.Contains(b, "E") {
		return a == b
	}
	x, err := strconv.ParseFloat(a, 32)
	y, err2 := strconv.ParseFloat(b, 32)
	return err == nil && err2 == nil && x == y
}

// parsed reads the texts in an answer, since the order of a map without a schema is nobody's promise.
func parsed(answer map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range answer {
		switch v := v.(type) {
		case string:
			out[k] = v
			if k == "key" || k == "value" {
				if o, err := object([]byte(v)); err == nil {
					out[k] = o
				}
			}
		case []any:
			list := make([]any, len(v))
			for i, e := range v {
				h := e.(map[string]any)
				list[i] = map[string]any{"name": h["key"], "value": parsed(map[string]any{"value": h["value"]})}
			}
			out[k] = list
		default:
			out[k] = v
		}
	}
	return out
}

func (p *pair) configure(steps []step) ([]stage, bool) {
	var chain []stage
	for _, s := range steps {
		as := vector.Step{Class: s.Class, Config: s.Config, Negate: s.Negate}
		if s.Predicate != nil {
			as.Predicate = &struct {
				Class  string
				Config map[string]string
			}{s.Predicate.Class, s.Predicate.Config}
		}
		made, at, err := p.runner.stage(as)
		if err != nil {
			if at == "" {
				p.t.Fatal(err)
			}
			return nil, false
		}
		chain = append(chain, made)
	}
	return chain, true
}

func (p *pair) run(chain []stage, in input) map[string]any {
	b := record.NewBatch(record.ToSink, &record.Partitions{})
	r := b.Append()
	r.Topic, r.Partition = in.Topic, int32(in.Partition)
	r.Position = record.Position{Offset: record.OfInt64(in.Offset)}
	if in.Timestamp != nil {
		r.Timestamp = *in.Timestamp
	}
	r.Key, r.Value = p.read(b, in.Key), p.read(b, in.Value)
	for _, h := range in.Headers {
		r.Headers = append(r.Headers, record.Header{Key: h.Key, Datum: p.read(b, h.Value)})
	}
	return p.through(chain, b)
}

// through takes the record of a batch through a chain.
func (p *pair) through(chain []stage, b *record.Batch) map[string]any {
	for i := range chain {
		if err := chain[i].apply(b); err != nil {
			p.t.Fatal(err)
		}
		if f := b.Failures(); len(f) > 0 {
			return map[string]any{"failed": json.Number(strconv.Itoa(i)), "why": f[0].Err.Error()}
		}
		if b.Dropped(0) {
			return map[string]any{"dropped": true}
		}
	}
	return p.written(&b.Records[0])
}

func (p *pair) written(r *record.Record) map[string]any {
	out := map[string]any{"topic": r.Topic, "partition": nil, "timestamp": nil}
	if r.Partition >= 0 {
		out["partition"] = json.Number(strconv.Itoa(int(r.Partition)))
	}
	if r.Timestamp != record.NoTimestamp {
		out["timestamp"] = json.Number(strconv.FormatInt(r.Timestamp, 10))
	}
	var failed error
	write := func(d record.Datum) any {
		text, err := p.json.AppendData([]byte{}, "t", d)
		if err != nil {
			failed = err
		}
		if text == nil {
			return nil
		}
		return string(text)
	}
	out["key"], out["value"] = write(r.Key), write(r.Value)
	headers := []any{}
	for i := range r.Headers {
		headers = append(headers, map[string]any{"key": r.Headers[i].Key, "value": write(r.Headers[i].Datum)})
	}
	out["headers"] = headers
	if failed != nil {
		return map[string]any{"encode": true, "why": failed.Error()}
	}
	return out
}

func (p *pair) read(b *record.Batch, text *string) record.Datum {
	var src []byte
	if text != nil {
		src = []byte(*text)
	}
	d, err := p.json.ReadData(&b.Arena, "t", src)
	if err != nil {
		p.t.Fatalf("%s: %v", src, err)
	}
	return d
}

// draw makes random chains and records.
type draw struct{ *rand.Rand }

func pick[T any](d draw, list ...T) T { return list[d.IntN(len(list))] }

func (d draw) chance(percent int) bool { return d.IntN(100) < percent }

var pool = []string{"a", "b", "c", "d", "e", "f"}

// schema is one of JsonConverter, nil for none.
type schema map[string]any

// shapes are the schemas that records of a chain have, so that what a transform keeps by schema is used again.
func (d draw) shapes() (list []schema) {
	for range 3 {
		switch {
		case d.chance(35):
			list = append(list, nil)
		case d.chance(12):
			list = append(list, d.schema(0))
		default:
			list = append(list, d.structure(2))
		}
	}
	return list
}

func (d draw) structure(depth int) schema {
	var fields []any
	for _, name := range pool[:2+d.IntN(len(pool)-1)] {
		f := d.schema(depth - 1)
		f["field"] = name
		fields = append(fields, f)
	}
	s := schema{"type": "struct", "fields": fields, "optional": d.chance(40)}
	if d.chance(30) {
		s["name"] = pick(d, "com.example.A", "b")
	}
	if d.chance(20) {
		s["version"] = 1 + d.IntN(3)
	}
	return s
}

func (d draw) schema(depth int) schema {
	if depth > 0 {
		switch d.IntN(8) {
		case 0:
			return d.structure(depth)
		case 1:
			return schema{"type": "array", "items": d.schema(0), "optional": d.chance(50)}
		case 2:
			return schema{"type": "map", "keys": schema{"type": "string", "optional": false}, "values": d.schema(0), "optional": d.chance(50)}
		}
	}
	s := pick(d,
		schema{"type": "int8"}, schema{"type": "int16"}, schema{"type": "int32"}, schema{"type": "int64"}, schema{"type": "float"},
		schema{"type": "double"}, schema{"type": "boolean"}, schema{"type": "string"}, schema{"type": "string"}, schema{"type": "bytes"},
		schema{"type": "int64", "name": "org.apache.kafka.connect.data.Timestamp", "version": 1},
		schema{"type": "int32", "name": "org.apache.kafka.connect.data.Date", "version": 1},
		schema{"type": "int32", "name": "org.apache.kafka.connect.data.Time", "version": 1},
		schema{"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1, "parameters": map[string]string{"scale": "2"}})
	s["optional"] = d.chance(50)
	if d.chance(15) {
		s["default"] = d.value(s)
	}
	if d.chance(10) {
		s["doc"] = "a doc"
	}
	return s
}

// value is one that fits a schema, in JSON; a null now and then where it may be.
func (d draw) value(s schema) any {
	if s["optional"] == true && d.chance(15) {
		return nil
	}
	switch s["name"] {
	case "org.apache.kafka.connect.data.Timestamp":
		return pick(d, int64(0), -1, 1_566_570_894_346, -86_400_001, d.Int64N(4e12)-1e12)
	case "org.apache.kafka.connect.data.Date":
		return d.IntN(60_000) - 20_000
	case "org.apache.kafka.connect.data.Time":
		return d.IntN(86_400_000)
	case "org.apache.kafka.connect.data.Decimal":
		return pick(d, "AA==", "AQ==", "BNI=", "/w==", "AP8=", "iscjBInoAAA=")
	}
	switch s["type"] {
	case "int8":
		return pick(d, -128, 127, 0, d.IntN(256)-128)
	case "int16":
		return pick(d, -32768, 32767, 0, d.IntN(65536)-32768)
	case "int32":
		return pick(d, -1<<31, 1<<31-1, 0, d.IntN(1000)-500)
	case "int64":
		return pick(d, int64(-1<<63), 1<<63-1, 0, 1_566_570_894_346, d.Int64N(1e9))
	case "float", "double":
		return pick(d, 0.0, -0.5, 1.5, 3.25e10, float64(d.IntN(100000))/8, 1e20)
	case "boolean":
		return d.chance(50)
	case "string":
		return d.text()
	case "bytes":
		return pick(d, "", "AQ==", "AP8=", "/w==", "EjRW")
	case "array":
		list := []any{}
		for range d.IntN(3) {
			list = append(list, d.value(s["items"].(schema)))
		}
		return list
	case "map":
		m := map[string]any{}
		for range d.IntN(3) {
			m[pick(d, pool...)] = d.value(s["values"].(schema))
		}
		return m
	}
	m := map[string]any{}
	for _, f := range s["fields"].([]any) {
		m[f.(schema)["field"].(string)] = d.value(f.(schema))
	}
	return m
}

func (d draw) text() string {
	return pick(d, "", "x", "ö€😀", "12", "-7", "300", "3.5", "true", "2024-02-30 10:20:30", "2019-08-23 14:34:54", "2024-01-31", "NaN", "1e3", "a b",
		strconv.Itoa(d.IntN(100000)))
}

// loose is data without a schema.
func (d draw) loose(depth int) any {
	if depth == 0 || d.chance(75) {
		return pick[any](d, nil, d.text(), d.Int64N(100000)-5000, int64(1_566_570_894_346), float64(d.IntN(1000))/8, d.chance(50))
	}
	if d.chance(30) {
		return []any{d.loose(0), d.loose(0)}
	}
	return d.looseMap(depth)
}

func (d draw) looseMap(depth int) map[string]any {
	m := map[string]any{}
	for _, name := range pool[:1+d.IntN(len(pool))] {
		m[name] = d.loose(depth - 1)
	}
	return m
}

func (d draw) datum(shapes []schema) *string {
	if d.chance(4) {
		return nil
	}
	var text string
	switch s := pick(d, shapes...); {
	case s != nil:
		text = line(map[string]any{"schema": s, "payload": d.value(s)})
	case d.chance(90):
		text = line(map[string]any{"schema": nil, "payload": d.looseMap(2)})
	default:
		text = line(map[string]any{"schema": nil, "payload": d.loose(1)})
	}
	return &text
}

func (d draw) record(shapes []schema) input {
	in := input{Topic: pick(d, "orders", "shop.orders", "a-b"), Partition: d.IntN(4), Offset: d.Int64N(1000), Key: d.datum(shapes), Value: d.datum(shapes), Headers: []named{}}
	if d.chance(90) {
		at := pick(d, int64(0), 1_566_570_894_346, d.Int64N(2e12))
		in.Timestamp = &at
	}
	for range d.IntN(3) {
		in.Headers = append(in.Headers, named{pick(d, "h", "trace"), d.datum([]schema{nil, {"type": "string", "optional": true}})})
	}
	return in
}

// field is mostly one that each structure has.
func (d draw) field() string {
	if d.chance(60) {
		return pick(d, pool[:2]...)
	}
	return pick(d, pool...)
}

func (d draw) fields() string {
	if d.chance(60) {
		return pick(d, "a", "b", "a,b")
	}
	names := []string{}
	for _, i := range d.Perm(len(pool))[:1+d.IntN(3)] {
		names = append(names, pool[i])
	}
	return strings.Join(names, ",")
}

// steps is a chain of one to five transforms.
func (d draw) steps() (chain []step) {
	for i := range 1 + d.IntN(5) {
		s := d.step(i)
		s.Class = "org.apache.kafka.connect.transforms." + s.Class
		if d.chance(20) {
			s.Config["replace.null.with.default"] = pick(d, "true", "false")
		}
		if d.chance(33) {
			s.Predicate, s.Negate = d.predicate(), d.chance(50)
		}
		chain = append(chain, s)
	}
	return chain
}

func (d draw) predicate() *step {
	const classes = "org.apache.kafka.connect.transforms.predicates."
	switch d.IntN(3) {
	case 0:
		return &step{Class: classes + "HasHeaderKey", Config: map[string]string{"name": pick(d, "h", "trace", "n0", "n1")}}
	case 1:
		return &step{Class: classes + "RecordIsTombstone", Config: map[string]string{}}
	default:
		return &step{Class: classes + "TopicNameMatches", Config: map[string]string{"pattern": pick(d, "orders", ".*orders", "(a-b|all)", `\w+`, "[a-z.]+x?")}}
	}
}

// step is a transform; n makes the names that it adds its own, since what becomes of two of one name without a schema
// depends on the order of Java's maps.
func (d draw) step(n int) step {
	at := pick(d, "$Value", "$Value", "$Value", "$Key")
	own := fmt.Sprintf("n%d", n)
	is := func(class string, settings ...string) step {
		s := step{Class: class, Config: map[string]string{}}
		for i := 0; i < len(settings); i += 2 {
			s.Config[settings[i]] = settings[i+1]
		}
		return s
	}
	types := []string{"int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"}
	switch d.IntN(17) {
	case 0:
		return is("Cast"+at, "spec", d.field()+":"+pick(d, types...))
	case 1:
		return is("Cast"+at, "spec", "a:"+pick(d, types...)+",c:"+pick(d, types...))
	case 2:
		return is("DropHeaders", "headers", pick(d, "h", "trace", "none"))
	case 3:
		return is("ExtractField"+at, "field", pick(d, d.field(), d.field()+"."+d.field()), "field.syntax.version", pick(d, "V1", "V2"))
	case 4:
		return is("Flatten"+at, "delimiter", pick(d, ".", "_"))
	case 5:
		return is("HeaderFrom"+at, "fields", d.field(), "headers", own, "operation", pick(d, "move", "copy"))
	case 6:
		return is("HoistField"+at, "field", pick(d, "a", own))
	case 7:
		return is("InsertField"+at, "topic.field", own+"t"+pick(d, "", "!", "?"), "timestamp.field", own+"s", "static.field", own+"x", "static.value", d.text())
	case 8:
		return is("InsertField"+at, "partition.field", own+"p", "offset.field", own+"o"+pick(d, "", "!", "?"))
	case 9:
		return is("InsertHeader", "header", own, "value.literal", d.text())
	case 10:
		if d.chance(40) {
			return is("MaskField"+at, "fields", d.fields(), "replacement", pick(d, "***", "7", "1.5"))
		}
		return is("MaskField"+at, "fields", d.fields())
	case 11:
		return is("RegexRouter", "regex", pick(d, "(.*)orders", `([a-z]+)[.-](.*)`, "orders"), "replacement", pick(d, "$1x", "all", `x\$`))
	case 12:
		return is("ReplaceField"+at, pick(d, "exclude", "include"), d.fields(), "renames", d.field()+":"+own)
	case 13:
		return is("SetSchemaMetadata"+at, "schema.name", "com.example.B", "schema.version", "3")
	case 14:
		return is("TimestampConverter"+at, "field", pick(d, d.field(), d.field(), ""), "target.type", pick(d, "string", "unix", "Date", "Time", "Timestamp"),
			"format", pick(d, "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd"), "unix.precision", pick(d, "milliseconds", "seconds", "microseconds", "nanoseconds"))
	case 15:
		return is("TimestampRouter", "topic.format", pick(d, "${topic}-${timestamp}", "t-${timestamp}"), "timestamp.format", pick(d, "yyyyMMdd", "yyyy-MM-dd'T'HH"))
	default:
		if d.chance(15) {
			return is("Filter")
		}
		return is("ValueToKey", "fields", d.fields())
	}
}
