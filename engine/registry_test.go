package engine_test

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// framed puts the id of a schema before a payload.
func framed(id uint32, payload string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, id)) + payload
}

// badMessage is a message that a converter with a registry cannot read, and a part of the cause.
type badMessage struct{ name, message, says string }

// Ids of schemas that the registry of these tests answers in its own way.
const (
	idPage   = 77 // HTML, as a proxy does
	idPage2  = 78 // HTML with a status that says that all is well
	idSilent = 79 // nothing
)

// strange is a registry that knows schemas under ids from 1, whatever they are, and answers some others as no registry does.
func strange(t *testing.T, kind sr.SchemaType, schemas ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost { // the version of a schema
			_, _ = io.WriteString(w, `{"version":1}`)
			return
		}
		switch id, _ := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/schemas/ids/")); {
		case id == idPage:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html>no such page</html>")
		case id == idPage2:
			_, _ = io.WriteString(w, "<html>log in</html>")
		case id == idSilent:
			<-req.Context().Done()
		case id > 0 && id <= len(schemas):
			answer, err := json.Marshal(map[string]string{"schema": schemas[id-1], "schemaType": kind.String()})
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(answer)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error_code":40403,"message":"Schema not found"}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// common are bad messages of every format.
func common() []badMessage {
	return []badMessage{
		{"nothing", "", "ends before its schema's id does"},
		{"a wrong magic byte", "\x05\x00\x00\x00\x01x", "Unknown magic byte!"},
		{"a truncated id", "\x00\x00\x00", "ends before its schema's id does"},
		{"an unknown id", framed(99, "\x00x"), "error code: 40403"},
		{"a page for a refusal", framed(idPage, "\x00x"), "error code: 50005"},
		{"a page for a schema", framed(idPage2, "\x00x"), "invalid character"},
		{"a registry that is silent", framed(idSilent, "\x00x"), "Network connection error"},
	}
}

// TestBadMessages sends what cannot be read through a sink that tolerates it: each message goes to the dead letter queue with
// its place, the stage and the cause, and what is good gets through.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10_000)
	for name, tt := range map[string]struct {
		class   string
		kind    sr.SchemaType
		schemas []string
		good    string
		written string
		bad     []badMessage
	}{
		"avro": {
			"io.confluent.connect.avro.AvroConverter", sr.TypeAvro,
			[]string{
				`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"s","type":"string"}]}`,
				`{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`,
				`{"type":"record","name":"D","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`,
				`{"type":"record","name":"D","fields":[`,
			},
			framed(1, "\x02\x02x"), "Struct{a=1,s=x}",
			[]badMessage{
				{"a truncated record", framed(1, "\x02\x04x"), "ends"},
				{"a number out of range", framed(1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02x"), "invalid long encoding"},
				{"an endless text", framed(1, "\x02\xfe\xff\xff\xff\x0fx"), "ends"},
				{"10,000 levels", framed(2, strings.Repeat("\x02", 10_000)+"\x00"), "deep"},
				{"a field twice", framed(3, "\x02\x02"), "Error retrieving Avro value schema"},
				{"a schema that is none", framed(4, "\x02"), "Error retrieving Avro value schema"},
			},
		},
		"json": {
			"io.confluent.connect.json.JsonSchemaConverter", sr.TypeJSON,
			[]string{
				`{"type":"object","properties":{"a":{"type":"integer"},"s":{"type":"string"}}}`,
				`{"type":"object","properties":{"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}`,
				`{"$ref":"#"}`,
				`{"type":`,
			},
			framed(1, `{"a":1,"s":"x"}`), "Struct{a=1,s=x}",
			[]badMessage{
				{"a truncated object", framed(1, `{"a":1`), "expected a comma"},
				{"a number of 1001 digits", framed(1, `{"a":`+strings.Repeat("9", 1001)+`}`), "1000 digits"},
				{"no UTF-8", framed(1, "{\"s\":\"\xff\"}"), "expected UTF-8"},
				{"10,000 levels", framed(1, `{"c":`+deep), "1000 levels"},
				{"100 levels of a type in itself", framed(2, strings.Repeat(`{"next":`, 100)+"null"+strings.Repeat("}", 100)), "deeper than they can be unrolled"},
				{"a schema that is only itself", framed(3, `{}`), "contains itself"},
				{"a schema that is none", framed(4, `{}`), "Error retrieving JSON value schema"},
			},
		},
		"protobuf": {
			"io.confluent.connect.protobuf.ProtobufConverter", sr.TypeProtobuf,
			[]string{
				`syntax = "proto3"; message M { int32 a = 1; string s = 2; M next = 3; }`,
				`syntax = "proto3"; message M { int32 a = 1; int32 a = 2; }`,
				`syntax = "proto3"; message M {`,
			},
			framed(1, "\x00\x08\x01\x12\x01x"), "Struct{a=1,s=x}",
			[]badMessage{
				{"a truncated message", framed(1, "\x00\x12\x05x"), "ends within"},
				{"a truncated index", framed(1, "\x04\x02"), "index"},
				{"no such message", framed(1, "\x02\x0e"), "Invalid message indexes"},
				{"no UTF-8", framed(1, "\x00\x12\x01\xff"), "UTF-8"},
				{"a number without an end", framed(1, "\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "Error deserializing Protobuf message"},
				{"a field twice", framed(2, "\x00\x08\x01"), "Error retrieving Protobuf value schema"},
				{"a schema that is none", framed(3, "\x00"), "Error retrieving Protobuf value schema"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, "in")
			bad := append(common(), tt.bad...)
			var records []*kgo.Record
			for _, b := range bad {
				records = append(records, &kgo.Record{Value: []byte(b.message)})
			}
			c.Produce("in", append(records, &kgo.Record{Value: []byte(tt.good)})...)
			out := filepath.Join(t.TempDir(), "out")
			url := strange(t, tt.kind, tt.schemas...)
			sink := declared("name="+c.Name("sink"), "connector.class=FileStreamSink", "file="+out, "topics="+c.Name("in"),
				"value.converter="+tt.class, "value.converter.schema.registry.url="+url, "value.converter.max.retries=0", "value.converter.http.read.timeout.ms=200",
				"errors.tolerance=all", "errors.deadletterqueue.topic.name="+c.Name("dlq"), "errors.deadletterqueue.topic.replication.factor=1",
				"errors.deadletterqueue.context.headers.enable=true")
			r := run(t, c, memoryStore(t), sink)
			r.await("the good record", has(out, tt.written+"\n"))
			queue := c.Consume("dlq", len(bad))
			for i, b := range bad {
				checkLetter(t, c, queue[i], i, tt.class, b)
			}
			r.halt()
			if got := len(c.ConsumeAll("dlq")); got != len(bad) {
				t.Errorf("%d records are in the queue, want %d", got, len(bad))
			}
		})
	}
}

// checkLetter demands the whole context of a dead letter.
func checkLetter(t *testing.T, c *kafkatest.Cluster, got *kgo.Record, offset int, class string, b badMessage) {
	t.Helper()
	headers := map[string]string{}
	for _, h := range got.Headers {
		headers[strings.TrimPrefix(h.Key, "__connect.errors.")] = string(h.Value)
	}
	for key, want := range map[string]string{
		"topic": c.Name("in"), "partition": "0", "offset": strconv.Itoa(offset), "stage": "VALUE_CONVERTER", "class.name": class,
	} {
		if headers[key] != want {
			t.Errorf("%s: the header %s is %q, want %q", b.name, key, headers[key], want)
		}
	}
	if trace := headers["exception.stacktrace"]; string(got.Value) != b.message || !strings.Contains(trace, b.says) {
		t.Errorf("%s: got %.40q because of\n%s\nwant %q", b.name, got.Value, trace, b.says)
	}
}

// TestRegistryRefuses: with tolerance none a task fails, and says where the record stood and why; a registry that is down, a
// schema that does not fit the subject.
func TestRegistryRefuses(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, "in", "out")
	c.Produce("in", &kgo.Record{Value: []byte("\x05bad")})
	reg := srfake.New()
	t.Cleanup(reg.Close)
	reg.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost || strings.Contains(req.URL.Path, "sink") {
			return false
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}`)
		return true
	})
	avro := func(name, url string, more ...string) *config.Declared {
		return declared(append([]string{
			"name=" + c.Name(name), "errors.restart.policy=never", "value.converter=io.confluent.connect.avro.AvroConverter",
			"value.converter.schema.registry.url=" + url, "value.converter.max.retries=0",
		}, more...)...)
	}
	source := []string{
		"connector.class=penstock.DatagenSource", "topic=" + c.Name("out"), "rows=1",
		"topic.creation.default.partitions=1", "topic.creation.default.replication.factor=1",
	}
	r := run(t, c, memoryStore(t),
		avro("incompatible", reg.URL(), source...), avro("down", "http://127.0.0.1:1", source...),
		avro("sink", reg.URL(), "connector.class=FileStreamSink", "file="+filepath.Join(t.TempDir(), "out"), "topics="+c.Name("in")))
	for name, says := range map[string][]string{
		"incompatible": {"stage VALUE_CONVERTER in io.confluent.connect.avro.AvroConverter", "Error registering Avro schema", "incompatible with an earlier schema", "error code: 409"},
		"down":         {"stage VALUE_CONVERTER", "Network connection error", "connection refused"},
		"sink":         {"{topic=" + c.Name("in") + ", partition=0} at 0", "Failed to deserialize data for topic", "Unknown magic byte!"},
	} {
		r.await("the failure of "+name, func(v engine.View) bool {
			for _, p := range v.Pipelines {
				if p.Name != c.Name(name) || p.Condition() != "FAILED" {
					continue
				}
				for _, s := range says {
					if !strings.Contains(p.Tasks[0].Trace, s) {
						t.Fatalf("%s: got %s, want %q", name, p.Tasks[0].Trace, s)
					}
				}
				return true
			}
			return false
		})
	}
}
