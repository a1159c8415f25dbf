package config_test

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

var update = flag.Bool("update", false, "rewrite golden files")

// flat is a configuration as a .properties file gives it: every key has the place of its value.
func flat(lines ...string) (*config.Declared, []byte) { return declare("orders.properties", lines) }

// hcl is a configuration as a pipeline gives it. A line is written>key=value, or key=value where key is not an argument.
func hcl(lines ...string) (*config.Declared, []byte) { return declare("orders.hcl", lines) }

func declare(file string, lines []string) (*config.Declared, []byte) {
	d := &config.Declared{Map: config.Map{}, Origins: map[string]config.Origin{}, Label: "pipeline.orders", Place: diag.Place{File: file, Line: 1, Column: 1, EndLine: 1, EndColumn: 18, Context: `pipeline "orders"`}}
	source := "pipeline \"orders\"\n"
	for i, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		written, bare, isArgument := strings.Cut(key, ">")
		sensitive := strings.HasPrefix(value, "!")
		value = strings.TrimPrefix(value, "!")
		text := fmt.Sprintf("  %s = %q", written, value)
		if isArgument {
			key = bare
		} else {
			written = ""
		}
		source += text + "\n"
		d.Map[key] = value
		start := strings.Index(text, "= ") + 3
		d.Origins[key] = config.Origin{
			Written: written, Sensitive: sensitive,
			Place: diag.Place{File: file, Line: i + 2, Column: start, EndLine: i + 2, EndColumn: len([]rune(text)) + 1, Context: `pipeline "orders"`},
		}
	}
	return d, []byte(source)
}

// golden compares text with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

type form func(lines ...string) (*config.Declared, []byte)

// with returns lines put behind those of a sound source or sink.
func with(lines ...string) []string {
	return append([]string{"name=orders", "connector.class=FileStreamSource", "topic=orders"}, lines...)
}

func sinkWith(lines ...string) []string {
	return append([]string{"name=copy", "connector.class=FileStreamSink", "topics=orders"}, lines...)
}

func stageWith(class string, lines ...string) []string {
	out := with("transforms=t", "transforms.t.type="+transforms+class)
	for _, l := range lines {
		out = append(out, "transforms.t."+l)
	}
	return out
}

func TestCheckMessages(t *testing.T) {
	t.Parallel()
	cases := []struct {
		group string
		form  form
		lines []string
	}{
		{"connector", flat, []string{"name=orders", "connector.class=FileStreamSuorce", "topic=orders"}},
		{"connector", flat, []string{"name=orders", "connector.class=org.apache.kafka.connect.file.FileStreamSourceConector"}},
		{"connector", flat, []string{"name=orders", "connector.class=io.debezium.connector.mysql.MySqlConnector"}},
		{"connector", flat, []string{"name=orders", "topic=orders"}},
		{"connector", flat, []string{"name= ", "connector.class=FileStreamSource", "topic=orders"}},
		{"connector", flat, []string{"connector.class=FileStreamSource", "topic=orders"}},
		{"connector", flat, []string{"name=a\tb", "connector.class=FileStreamSource", "topic=orders"}},
		{"connector", flat, with("connector.plugin.version=[9,10)")},
		{"connector", flat, with("connector.plugin.version=[1.0")},
		{"connector", flat, with("connector.plugin.version=")},

		{"values", hcl, with("tasks_max>tasks.max=four")},
		{"values", flat, with("tasks.max=0")},
		{"values", flat, with("tasks.max=")},
		{"values", flat, with("tasks.max=99999999999")},
		{"values", hcl, with("tolerance>errors.tolerance=some")},
		{"values", flat, with("errors.log.enable=maybe", "errors.retry.timeout=1s", "config.action.reload=never")},
		{"values", flat, with("errors.restart.policy=always", "errors.restart.max.attempts=0", "errors.restart.delay.ms=soon")},
		{"values", hcl, with("batch_size>batch.size=0")},
		{"values", hcl, with("batch_size>batch.size=!swordfish")},
		{"values", flat, []string{"name=s", "connector.class=com.example.SearchSink", "topics=a", "connection.url=u", "weight=heavy", "write.mode=merge", "connection.password="}},

		{"settings", hcl, []string{"name=orders", "connector.class=FileStreamSource", "file>file=/var/log/app.log"}},
		{"settings", flat, []string{"name=orders", "connector.class=FileStreamSource"}},
		{"settings", hcl, with("file>file=/forbidden")},
		{"settings", flat, []string{"name=orders", "connector.class=FileStreamSource", "topic=nobody"}},
		{"settings", hcl, []string{"name=s", "connector.class=com.example.SearchSink", "topics>topics=a"}},
		{"settings", hcl, []string{"name=s", "connector.class=com.example.BucketSink", "topics>topics=a"}},

		{"topics", flat, []string{"name=copy", "connector.class=FileStreamSink"}},
		{"topics", hcl, []string{"name=copy", "connector.class=FileStreamSink", "file>file=f"}},
		{"topics", flat, []string{"name=copy", "connector.class=FileStreamSink", "topics= "}},
		{"topics", hcl, sinkWith("topics_regex>topics.regex=orders.*")},
		{"topics", flat, sinkWith("topics=a,b,a")},
		{"topics", flat, sinkWith("topics=a,,b")},
		{"topics", flat, []string{"name=copy", "connector.class=FileStreamSink", "topics.regex=("}},
		{"topics", flat, []string{"name=copy", "connector.class=FileStreamSink", "topics.regex=orders(?!\\.dlq).*"}},
		{"topics", flat, with("topics=a")},

		{"dead letters", hcl, sinkWith("topic_name>errors.deadletterqueue.topic.name=orders", "tolerance>errors.tolerance=all")},
		{"dead letters", flat, []string{"name=copy", "connector.class=FileStreamSink", "topics.regex=or.*", "errors.deadletterqueue.topic.name=orders.dlq", "errors.tolerance=all"}},
		{"dead letters", hcl, sinkWith("topic_name>errors.deadletterqueue.topic.name=dlq")},
		{"dead letters", flat, sinkWith("errors.deadletterqueue.topic.name=dlq", "errors.deadletterqueue.topic.replication.factor=0")},
		{"dead letters", hcl, sinkWith("tolerance>errors.tolerance=all")},
		{"dead letters", flat, sinkWith("errors.tolerance=all")},
		{"dead letters", hcl, with("tolerance>errors.tolerance=all")},
		{"dead letters", flat, with("errors.tolerance=all", "errors.deadletterqueue.topic.name=dlq")},

		{"transforms", flat, with("transforms=a,a", "transforms.a.type="+transforms+"Filter")},
		{"transforms", flat, with("transforms=a,,b")},
		{"transforms", flat, with("transforms=a")},
		{"transforms", flat, stageWith("MaskFeild$Value")},
		{"transforms", flat, stageWith("HoistField", "field=line")},
		{"transforms", flat, stageWith("Filter$Value")},
		{"transforms", flat, stageWith("Filter", "negate=true")},
		{"transforms", hcl, stageWith("Filter", "predicate=is_cards")},
		{"transforms", flat, append(stageWith("Filter", "predicate=is_cards"), "predicates=is_card", "predicates.is_card.type=TopicNameMatches", "predicates.is_card.pattern=x")},
		{"transforms", flat, with("predicates=p,q", "predicates.p.type=TopicNameMatch", "predicates.q.type=TopicNameMatches", "predicates.q.pattern=(")},
		{"transforms", hcl, stageWith("HoistField$Value")},
		{"transforms", flat, stageWith("HoistField$Value")},
		{"transforms", flat, stageWith("MaskField$Value", "fields=a,a")},
		{"transforms", flat, stageWith("MaskField$Value", "fields=")},
		{"transforms", hcl, stageWith("InsertField$Value")},
		{"transforms", flat, stageWith("InsertField$Value", "static.field=origin")},
		{"transforms", hcl, append(with("transforms=t", "transforms.t.type="+transforms+"InsertField$Value"), "value_static_field>transforms.t.value.static.field=origin", "static_value>transforms.t.static.value=shop")},
		{"transforms", flat, stageWith("InsertField$Value", "key.static.field=origin", "static.value=shop")},
		{"transforms", flat, stageWith("Filter", "plugin.version=(4.3.1,5)")},
		{"transforms", flat, append(stageWith("Filter"), "transforms.s.type=x", "transforms.s.y=z", "predicates.p.type=x")},

		{"converters", flat, with("value.converter=JsonConvertor")},
		{"converters", flat, with("value.converter=FileStreamSource")},
		{"converters", hcl, with("value.converter=org.apache.kafka.connect.storage.SimpleHeaderConverter")},
		{"converters", flat, with("value.converter=JsonConverter", "value.converter.schemas.enable=perhaps")},
		{"converters", flat, with("key.converter=JsonConverter", "key.converter.schemas.cache.size=7")},
		{"converters", hcl, with("value.converter.schemas.enable=false")},
		{"converters", flat, with("header.converter=Simple", "header.converter.plugin.version=5")},

		{"topic creation", flat, with("topic.creation.groups=logs")},
		{"topic creation", hcl, with("partitions>topic.creation.default.partitions=0", "topic.creation.groups=default", "include>topic.creation.default.include=x")},
		{"topic creation", flat, with("topic.creation.default.partitions=-1", "topic.creation.default.replication.factor=x", "topic.creation.groups=a,a", "topic.creation.a.include=(,b")},
		{"topic creation", flat, with("topic.creation.default.partitions=1", "topic.creation.default.replication.factor=1", "topic.creation.log.include=x", "topic.creation.groups=logs", "topic.creation.logs.include=x", "topic.creation.logs.partitions=70000")},
		{"topic creation", hcl, with("topic.creation.default.partitions=1", "topic.creation.default.replication.factor=1", "retentoin_ms>topic.creation.default.retentoin.ms=1", "topic.creation.default.nothing.like.it=1")},
		{"topic creation", flat, sinkWith("topic.creation.default.partitions=1")},

		{"not available", flat, with("exactly.once.support=required", "transaction.boundary=connector", "offsets.storage.topic=o")},
		{"not available", flat, with("exactly.once.support=sometimes")},
		{"not available", flat, with("file=${file:/etc/x.properties:path}", "tasks.max=${env:N}")},
		{"overrides", flat, with("consumer.override.max.poll.records=1", "producer.override.linger.ms=1")},

		{"misspelt", flat, with("task.max=10")},
		{"misspelt", hcl, with("task.max=10", "tolerence>errors.tolerence=all")},
		{"misspelt", flat, stageWith("Filter", "predicat=p")},
		{"misspelt", flat, with("value.converter=JsonConverter", "value.converter.schema.enable=true")},

		{"shape", hcl, stageWith("MaskField$Value", "fields=a")},
		{"shape", flat, stageWith("ExtractField$Key", "field=a")},
		{"shape", flat, stageWith("MaskField$Key", "fields=a")},
		{"shape", flat, stageWith("ValueToKey", "fields=a")},
		{"shape", flat, stageWith("Cast$Value", "spec=a:int32")},
		{"shape", flat, stageWith("TimestampConverter$Value", "field=a", "target.type=unix")},

		{"secrets", hcl, []string{"name=s", "connector.class=com.example.SearchSink", "topics>topics=a", "connection_url>connection.url=u", "connection_password>connection.password=hunter2"}},
		{"secrets", hcl, with("auth_token>auth.token=hunter2")},
		{"overrides", hcl, with("client_secret>producer.override.client.secret=hunter2")},
	}
	r := registry(t)
	w := worker(t, r)
	texts := map[string]*strings.Builder{}
	for _, c := range cases {
		d, source := c.form(c.lines...)
		l := config.Check(d, w, r)
		if len(l) == 0 {
			t.Errorf("Check found nothing wrong with\n%s", source)
		}
		b := texts[c.group]
		if b == nil {
			b = &strings.Builder{}
			texts[c.group] = b
		}
		fmt.Fprintf(b, "=== %s\n", strings.Join(c.lines, " | "))
		p := diag.Printer{Source: func(string) ([]byte, error) { return source, nil }}
		if err := p.Print(b, l); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	for _, group := range slices.Sorted(maps.Keys(texts)) {
		golden(t, "check/"+strings.ReplaceAll(group, " ", "_")+".txt", texts[group].String())
	}
}

func TestCheckFindsNothingWrong(t *testing.T) {
	t.Parallel()
	cases := [][]string{
		with(),
		with("tasks.max= 4 ", "owner=team", "errors.log.enable=TRUE", "config.action.reload=none"),
		with("connector.plugin.version=[4.0,5)"),
		with("value.converter=JsonConverter", "value.converter.schemas.enable=false"),
		with("transforms=a, b", "transforms.a.type="+transforms+"HoistField$Value", "transforms.a.field=line", "transforms.b.type="+transforms+"MaskField$Value", "transforms.b.fields=line"),
		with("transforms=a,b", "transforms.a.type="+transforms+"HoistField$Key", "transforms.a.field=line", "transforms.b.type="+transforms+"ExtractField$Key", "transforms.b.field=line"),
		// A predicate may keep a stage from the records on which it would fail.
		append(stageWith("MaskField$Value", "fields=a", "predicate=p", "negate=true"), "predicates=p", "predicates.p.type=TopicNameMatches", "predicates.p.pattern=orders"),
		// Behind a transform that nobody here knows, nothing is certain.
		with("topic.creation.default.partitions=3", "topic.creation.default.replication.factor=-1", "topic.creation.default.cleanup.policy=compact", "topic.creation.groups=logs", "topic.creation.logs.include=log\\..*,x", "topic.creation.logs.retention.ms=1"),
		sinkWith("errors.tolerance=all", "errors.deadletterqueue.topic.name=dlq", "producer.override.linger.ms=5"),
		{"name=copy", "connector.class=FileStreamSink", "topics.regex=or.*", "errors.tolerance=all", "errors.log.enable=true"},
		with("exactly.once.support=REQUESTED", "transaction.boundary=POLL", "transaction.boundary.interval.ms=1000"),
		stageWith("RegexRouter", "regex=(.*)", "replacement=${topic}-$1"),
		with("auth.token=hunter2"), // a .properties file has no better place for it
		with("producer.override.security.protocol=plaintext"),
	}
	r := registry(t)
	w := worker(t, r)
	for _, lines := range cases {
		d, _ := flat(lines...)
		if l := config.Check(d, w, r); len(l) > 0 {
			t.Errorf("%s\n%s", strings.Join(lines, " | "), render(t, l))
		}
	}
}

func TestCheckNeverShowsSecrets(t *testing.T) {
	t.Parallel()
	r := registry(t)
	w := worker(t, r)
	const secret = "hunter2hunter2"
	for _, lines := range [][]string{
		with("tasks_max>tasks.max=!" + secret),
		with("auth_token>auth.token=" + secret),
		with("producer.override.sasl.jaas.config=" + secret),
		with("batch.size=13", "user.password="+secret), // the connector's own words
		with("batch.size=13", "topic=!"+secret),
		with("value.converter=JsonConverter", "value.converter.schemas.enable=!"+secret),
		sinkWith("errors.deadletterqueue.topic.replication.factor=!" + secret),
		{"name=s", "connector.class=com.example.SearchSink", "topics=a", "connection.url=u", "write.mode=!" + secret, "connection.password=" + secret},
	} {
		d, source := hcl(lines...)
		l := config.Check(d, w, r)
		if len(l) == 0 {
			t.Errorf("%v: nothing was found", lines)
		}
		if text := renderWith(t, l, source); strings.Contains(text, secret) {
			t.Errorf("the message shows the secret:\n%s", text)
		}
	}
}

// The validator of a connector may ask external systems, so a configuration that was accepted before is not put to it.
func TestCheckMapAsksNoConnector(t *testing.T) {
	t.Parallel()
	r := registry(t)
	d, _ := flat(with("file=/forbidden")...)
	if l := config.CheckMap(d, worker(t, r), r); len(l) > 0 {
		t.Errorf("CheckMap: %s", render(t, l))
	}
	if l := config.Check(d, worker(t, r), r); !l.HasErrors() {
		t.Error("Check did not ask the connector")
	}
}

func TestCheckIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	r := registry(t)
	w := worker(t, r)
	d, _ := flat(with("task.max=1", "topics=a", "transforms=t,u", "transforms.x.y=z", "transforms.a.b=c", "errors.tolerance=x", "value.converter.a=b", "value.converter.c=d")...)
	first := config.Check(d, w, r)
	for range 20 {
		if d := cmp.Diff(first, config.Check(d, w, r)); d != "" {
			t.Fatalf("another order (-first +later):\n%s", d)
		}
	}
}

func render(t testing.TB, l diag.List) string { return renderWith(t, l, nil) }

func renderWith(t testing.TB, l diag.List, source []byte) string {
	t.Helper()
	var b strings.Builder
	p := diag.Printer{Source: func(string) ([]byte, error) { return source, nil }}
	if err := p.Print(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func FuzzCheck(f *testing.F) {
	f.Add("name=a\nconnector.class=FileStreamSource\ntopic=t\ntransforms=a,b\ntransforms.a.type=Filter\ntransforms.a.predicate=p\npredicates=p")
	f.Add("connector.class=FileStreamSink\ntopics.regex=(\nerrors.deadletterqueue.topic.name=q\ntopic.creation.x=1")
	f.Add("connector.plugin.version=[1,2),(3-a1.b,]\nconnector.class=FileStreamSource\nvalue.converter=Json\nvalue.converter.schemas.cache.size=7")
	f.Add("connector.class=x\ntransforms=${a:b}\ntransforms.${a:b}.type=.\n=\n.=.")
	r := registry(f)
	w := worker(f, r)
	f.Fuzz(func(t *testing.T, text string) {
		for _, form := range []form{flat, hcl} {
			d, source := form(strings.Split(text, "\n")...)
			l := config.Check(d, w, r)
			p := diag.Printer{Source: func(string) ([]byte, error) { return source, nil }}
			if err := p.Print(io.Discard, l); err != nil {
				t.Fatal(err)
			}
			for _, x := range l {
				if _, ok := diag.Lookup(x.Code); !ok || x.Detail == "" || x.Place.IsZero() {
					t.Errorf("not fit for people: %+v", x)
				}
			}
			config.ReadWorker(d, r)
		}
	})
}

// TestUnreadSettingsOfTheChain holds that nothing of a transform or a predicate is ignored silently.
func TestUnreadSettingsOfTheChain(t *testing.T) {
	t.Parallel()
	d := &config.Declared{Map: config.Map{
		"name": "orders", "connector.class": "FileStreamSource", "topic": "orders", "file": "in",
		"transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.HoistField$Value", "transforms.t.field": "line",
		"transforms.t.logical.table.cache.size": "7", "transforms.t.predicate": "p", "predicates": "p",
		"predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", "predicates.p.pattern": "x", "predicates.p.depth": "2",
	}}
	w, _ := config.ReadWorker(&config.Declared{}, registry(t))
	var got []string
	for _, f := range config.Check(d, w, registry(t)) {
		got = append(got, string(f.Code)+" "+f.Detail)
	}
	want := []string{
		"W802 predicates.p.depth is not a setting of this predicate, so it has no effect.",
		"W802 transforms.t.logical.table.cache.size is not a setting of this transform, so it has no effect.",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
