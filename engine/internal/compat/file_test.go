package compat_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// message is what must be the same of a record on two topics.
type message struct {
	Partition  int32
	Key, Value string // "null" without
	Headers    []string
}

func messages(records []*kgo.Record) []message {
	all := make([]message, len(records))
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	for i, r := range records {
		all[i] = message{r.Partition, text(r.Key), text(r.Value), nil}
		for _, h := range r.Headers {
			all[i].Headers = append(all[i].Headers, h.Key+"="+text(h.Value))
		}
	}
	return all
}

// Classes of converters. Their settings count only beside the class, not beside that of the worker.
const (
	jsonClass   = "org.apache.kafka.connect.json.JsonConverter"
	stringClass = "org.apache.kafka.connect.storage.StringConverter"
)

// both is one pipeline in two languages, but for names and connector.
type both struct {
	java map[string]string
	hcl  string
}

// TestFileSource: lines of a file become the same bytes, and each side goes on where it was.
func TestFileSource(t *testing.T) {
	t.Parallel()
	lines := []string{"plain", "", "ümläute ✓ 💧", "tab\tquote\" back\\slash </script>", "control \x01\x7f", "\u2028 \u00a0 \ufeff", strings.Repeat("long ", 5000), `{"a":1}`}
	input := strings.Join(lines, "\n") + "\ncarriage\r\nreturn\rlast\n"
	const count, more = 11, 2
	for name, test := range map[string]both{
		"json with schemas": {map[string]string{"value.converter": jsonClass}, "value_converter \"json\" {}\nkey_converter \"json\" {}"},
		"json without": {
			map[string]string{"value.converter": jsonClass, "value.converter.schemas.enable": "false"},
			"value_converter \"json\" {\n  schemas_enable = false\n}",
		},
		"string": {map[string]string{"key.converter": stringClass, "value.converter": stringClass}, "key_converter \"string\" {}\nvalue_converter \"string\" {}"},
		"chain": {
			map[string]string{
				"key.converter": jsonClass, "key.converter.schemas.enable": "false", "transforms": "wrap,host,key,site,hide",
				"transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value", "transforms.wrap.field": "line",
				"transforms.host.type": "org.apache.kafka.connect.transforms.InsertField$Value", "transforms.host.static.field": "host", "transforms.host.static.value": "web-1",
				"transforms.key.type": "org.apache.kafka.connect.transforms.ValueToKey", "transforms.key.fields": "host",
				"transforms.site.type": "org.apache.kafka.connect.transforms.InsertField$Key", "transforms.site.static.field": "site", "transforms.site.static.value": "shop",
				"transforms.hide.type": "org.apache.kafka.connect.transforms.MaskField$Value", "transforms.hide.fields": "host", "transforms.hide.replacement": "***",
			}, `
transform "hoist_field" "wrap" {
  target = "value"
  field  = "line"
}
transform "insert_field" "host" {
  target       = "value"
  static_field = "host"
  static_value = "web-1"
}
transform "value_to_key" "key" {
  fields = ["host"]
}
transform "insert_field" "site" {
  target       = "key"
  static_field = "site"
  static_value = "shop"
}
transform "mask_field" "hide" {
  target      = "value"
  fields      = ["host"]
  replacement = "***"
}
key_converter "json" {
  schemas_enable = false
}
value_converter "json" {}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := start(t, "java", "go")
			in := filepath.Join(t.TempDir(), "in.txt")
			write(t, in, input)
			config := maps.Clone(test.java)
			config["connector.class"], config["file"], config["topic"] = "FileStreamSource", in, c.Name("java")
			g.run(t, c.Name("j"), config)
			o := newOurs(t, c, c.Name("g"), indent(fmt.Sprintf("source \"file\" {\n  file  = %q\n  topic = %q\n}\n", in, c.Name("go"))+test.hcl))
			stop := o.run()
			c.Consume("java", count)
			c.Consume("go", count)
			stop()
			extend(t, in, "after\nthe stop\nunfinished")
			o.run()
			c.Consume("java", count+more)
			c.Consume("go", count+more)
			java, ours := messages(c.ConsumeAll("java")), messages(c.ConsumeAll("go"))
			if len(java) != count+more {
				t.Errorf("the genuine one made %d records, want %d", len(java), count+more)
			}
			if d := cmp.Diff(java, ours); d != "" {
				t.Errorf("topics (-genuine +ours):\n%s", d)
			}
		})
	}
}

// TestFileSink: records become the same lines, and the groups' offsets are the same.
func TestFileSink(t *testing.T) {
	t.Parallel()
	str := func(s string) *kgo.Record { return &kgo.Record{Key: []byte("k"), Value: []byte(s)} }
	structs := `{"schema":{"type":"struct","optional":false,"name":"row","fields":[{"field":"i","type":"int32"},{"field":"f","type":"double"},{"field":"o","type":"string","optional":true},{"field":"l","type":"array","items":{"type":"int64"}},{"field":"n","type":"struct","fields":[{"field":"x","type":"boolean"}]}]},"payload":%s}`
	for name, test := range map[string]struct {
		both
		records []*kgo.Record
	}{
		"json with schemas": {
			both{map[string]string{"key.converter": stringClass}, "key_converter \"string\" {}\nvalue_converter \"json\" {}"},
			[]*kgo.Record{
				str(`{"schema":{"type":"string"},"payload":"ümläute ✓ 💧 \"\\"}`), str(`{"schema":{"type":"int64"},"payload":9007199254740993}`),
				str(`{"schema":{"type":"double"},"payload":1e21}`), str(`{"schema":{"type":"double"},"payload":100}`), str(`{"schema":{"type":"float"},"payload":0.1}`),
				str(fmt.Sprintf(structs, `{"i":1,"f":2.50,"o":null,"l":[1,2],"n":{"x":true}}`)),
				str(`{"schema":{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1},"payload":1730000000000}`),
				str(`{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"payload":"AN4="}`),
				{Key: []byte("k")},
			},
		},
		"json without": {
			both{map[string]string{"key.converter": stringClass, "value.converter": jsonClass, "value.converter.schemas.enable": "false"}, "key_converter \"string\" {}\nvalue_converter \"json\" {\n  schemas_enable = false\n}"},
			[]*kgo.Record{str(`"text"`), str(`12345678901`), str(`1.0`), str(`true`), str(`null`), str(`[1,[2,{"a":null}],"x"]`), str(`{"a":{"b":[]}}`), {Key: []byte("k")}},
		},
		"string": {
			both{map[string]string{"key.converter": stringClass, "value.converter": stringClass}, "key_converter \"string\" {}\nvalue_converter \"string\" {}"},
			[]*kgo.Record{str("plain"), str(""), str("ümläute ✓ 💧"), str("two\nlines"), str("\xff\xfe not UTF-8"), {Key: []byte("k")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := start(t, "in")
			c.Produce("in", test.records...)
			java, ours := filepath.Join(t.TempDir(), "java.txt"), filepath.Join(t.TempDir(), "go.txt")
			config := maps.Clone(test.java)
			config["connector.class"], config["file"], config["topics"] = "FileStreamSink", java, c.Name("in")
			g.run(t, c.Name("j"), config)
			newOurs(t, c, c.Name("g"), indent(fmt.Sprintf("sink \"file\" {\n  file   = %q\n  topics = [%q]\n}\n", ours, c.Name("in"))+test.hcl)).run()
			for _, name := range []string{"j", "g"} {
				await(t, name+" to commit all", func() bool { return c.Committed("connect-"+c.Name(name), "in", 0) == int64(len(test.records)) })
			}
			if d := cmp.Diff(strings.Split(read(java), "\n"), strings.Split(read(ours), "\n")); d != "" {
				t.Errorf("files (-genuine +ours):\n%s", d)
			}
		})
	}
}

// TestDeadLetters: what cannot be read lies in the queue with the same context, but for texts of exceptions.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	g, c := start(t, "in", "java", "go")
	at := time.UnixMilli(1730000000000)
	c.Produce("in", &kgo.Record{Value: []byte(`1`)}, &kgo.Record{Key: []byte(`"k"`), Value: []byte(`{no json`), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("h")}, {Key: "null"}}}, &kgo.Record{Value: []byte(`{"a":1}`)}, &kgo.Record{Key: []byte("\x00"), Value: []byte(`2`)})
	java, ours := filepath.Join(t.TempDir(), "java.txt"), filepath.Join(t.TempDir(), "go.txt")
	g.run(t, c.Name("same"), map[string]string{
		"connector.class": "FileStreamSink", "file": java, "topics": c.Name("in"),
		"key.converter": jsonClass, "key.converter.schemas.enable": "false", "value.converter": jsonClass, "value.converter.schemas.enable": "false",
		"transforms": "x", "transforms.x.type": "org.apache.kafka.connect.transforms.ExtractField$Value", "transforms.x.field": "a",
		"errors.tolerance": "all", "errors.deadletterqueue.topic.name": c.Name("java"), "errors.deadletterqueue.topic.replication.factor": "1",
		"errors.deadletterqueue.context.headers.enable": "true",
	})
	// The name of the connector is part of the context, so both have one name, and a group of another name for ours.
	newOurs(t, c, c.Name("same"), indent(fmt.Sprintf(`
sink "file" {
  file   = %q
  topics = [%q]
}
consumer {
  group_id = %q
}
key_converter "json" {
  schemas_enable = false
}
value_converter "json" {
  schemas_enable = false
}
transform "extract_field" "x" {
  target = "value"
  field  = "a"
}
errors {
  tolerance = "all"
}
dead_letter_queue {
  topic_name               = %q
  topic_replication_factor = 1
  context_headers_enable   = true
}`, ours, c.Name("in"), c.Name("other"), c.Name("go")))).run()
	c.Consume("java", 3)
	c.Consume("go", 3)
	await(t, "the good record", func() bool { return read(ours) != "" && read(java) != "" })
	if d := cmp.Diff(read(java), read(ours)); d != "" {
		t.Errorf("files (-genuine +ours):\n%s", d)
	}
	if d := cmp.Diff(context(c.ConsumeAll("java")), context(c.ConsumeAll("go"))); d != "" {
		t.Errorf("queues (-genuine +ours):\n%s", d)
	}
}

// context is records with their headers, without the texts that are of a JVM.
func context(records []*kgo.Record) []message {
	for _, r := range records {
		for i, h := range r.Headers {
			if h.Key == "__connect.errors.exception.message" || h.Key == "__connect.errors.exception.stacktrace" {
				r.Headers[i].Value = nil
			}
		}
	}
	all := messages(records)
	for i, r := range records {
		all[i].Value += " at " + r.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	return all
}
