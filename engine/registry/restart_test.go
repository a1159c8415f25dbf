package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// everything is what a registry answers to all reads that matter.
func (r *running) everything(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range []string{
		"/subjects?deleted=true", "/schemas?deleted=true&subjectPrefix=:*:", "/contexts", "/config", "/mode", "/config/av", "/mode/imp", "/config/never",
		"/subjects/av/versions?deleted=true", "/schemas/ids/90001",
	} {
		status, _, body := r.call(t, http.MethodGet, path, "", nil)
		all[path] = fmt.Sprintf("%d %s", status, body)
	}
	return all
}

// TestRestart plays all recorded calls and starts again: the registry answers as before, and goes on with the same ids.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range cases(t) {
		if !strings.Contains(c.Path, "${") {
			r.call(t, c.Method, c.Path, c.ContentType, c.Body)
		}
	}
	before, highest := r.everything(t), r.highest()
	r.again(t)
	if d := cmp.Diff(before, r.everything(t)); d != "" {
		t.Errorf("before, after the restart:\n%s", d)
	}
	if got, want := r.register(t, "fresh", `{"schema":"\"bytes\""}`), highest+1; got != want {
		t.Errorf("the next id is %d, want %d", got, want)
	}
}

func (r *running) highest() int {
	r.books.mu.RLock()
	defer r.books.mu.RUnlock()
	return r.books.state.highest[defaultContext]
}

// register registers a body and returns the id.
func (r *running) register(t testing.TB, subject, body string) int {
	t.Helper()
	status, _, got := r.call(t, http.MethodPost, "/subjects/"+subject+"/versions", "", []byte(body))
	if status != http.StatusOK {
		t.Fatalf("register %s: got %d %s", body, status, got)
	}
	var answer struct{ ID int }
	if err := json.Unmarshal(got, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.ID
}

// TestRecords holds the records byte by byte, as Confluent's registry writes them: its keys are compared by bytes when the
// topic is compacted.
func TestRecords(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/subjects/av-value/versions", `{"schema":"{\"type\": \"string\"}","schemaType":"AVRO"}`},
		{"POST", "/subjects/pb/versions", `{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message A { string a = 1; }"}`},
		{"POST", "/subjects/ref/versions", `{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; import \"a.proto\"; message B { A a = 1; }","references":[{"name":"a.proto","subject":"pb","version":1}],"metadata":{"properties":{"owner":"<me>"}}}`},
		{"POST", "/subjects/:.ctx:x/versions", `{"schema":"\"int\""}`},
		{"PUT", "/config", `{"compatibility":"FULL"}`},
		{"PUT", "/config/av-value", `{"compatibility":"NONE","normalize":true}`},
		{"PUT", "/mode/av-value", `{"mode":"READONLY"}`},
		{"PUT", "/mode", `{"mode":"READWRITE"}`},
		{"DELETE", "/mode/av-value", ""},
		{"DELETE", "/subjects/av-value", ""},
		{"DELETE", "/subjects/av-value?permanent=true", ""},
		{"DELETE", "/subjects/ref/versions/1", ""},
		{"PUT", "/mode/imp", `{"mode":"IMPORT"}`},
	} {
		if status, _, body := r.call(t, c.method, c.path, "", []byte(c.body)); status != http.StatusOK {
			t.Fatalf("%s %s: got %d %s", c.method, c.path, status, body)
		}
	}
	want := []string{
		`{"keytype":"NOOP","magic":0} null`,
		`{"keytype":"SCHEMA","subject":"av-value","version":1,"magic":1} {"subject":"av-value","version":1,"id":1,"schema":"\"string\"","deleted":false}`,
		`{"keytype":"SCHEMA","subject":"pb","version":1,"magic":1} {"subject":"pb","version":1,"id":2,"schemaType":"PROTOBUF","schema":"syntax = \"proto3\";\n\nmessage A {\n  string a = 1;\n}\n","deleted":false}`,
		`{"keytype":"SCHEMA","subject":"ref","version":1,"magic":1} {"subject":"ref","version":1,"id":3,"schemaType":"PROTOBUF","references":[{"name":"a.proto","subject":"pb","version":1}],"metadata":{"properties":{"owner":"<me>"}},"schema":"syntax = \"proto3\";\n\nimport \"a.proto\";\n\nmessage B {\n  A a = 1;\n}\n","deleted":false}`,
		`{"keytype":"CONTEXT","tenant":"default","context":".ctx","magic":0} {"tenant":"default","context":".ctx"}`,
		`{"keytype":"SCHEMA","subject":":.ctx:x","version":1,"magic":1} {"subject":":.ctx:x","version":1,"id":1,"schema":"\"int\"","deleted":false}`,
		`{"keytype":"CONFIG","subject":null,"magic":0} {"compatibilityLevel":"FULL"}`,
		`{"keytype":"CONFIG","subject":"av-value","magic":0} {"subject":"av-value","normalize":true,"compatibilityLevel":"NONE"}`,
		`{"keytype":"MODE","subject":"av-value","magic":0} {"subject":"av-value","mode":"READONLY"}`,
		`{"keytype":"MODE","subject":null,"magic":0} {"mode":"READWRITE"}`,
		`{"keytype":"MODE","subject":"av-value","magic":0} null`,
		`{"keytype":"DELETE_SUBJECT","subject":"av-value","magic":0} {"subject":"av-value","version":1}`,
		`{"keytype":"CONFIG","subject":"av-value","magic":0} null`,
		`{"keytype":"SCHEMA","subject":"av-value","version":1,"magic":1} null`,
		`{"keytype":"SCHEMA","subject":"ref","version":1,"magic":1} {"subject":"ref","version":1,"id":3,"schemaType":"PROTOBUF","references":[{"name":"a.proto","subject":"pb","version":1}],"metadata":{"properties":{"owner":"<me>"}},"schema":"syntax = \"proto3\";\n\nimport \"a.proto\";\n\nmessage B {\n  A a = 1;\n}\n","deleted":true}`,
		`{"keytype":"MODE","subject":"imp","magic":0} {"subject":"imp","mode":"IMPORT"}`,
	}
	var got []string
	for _, rec := range r.cluster.Consume(r.settings.topic, len(want)) {
		value := "null"
		if rec.Value != nil {
			value = string(rec.Value)
		}
		got = append(got, string(rec.Key)+" "+value)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want, got:\n%s", d)
	}
}

// TestForeignRecords reads what a genuine registry may have written, and passes over what nobody can read.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	r := start(t)
	schema := func(subject string, version, id int, schema, more string) [2]string {
		return [2]string{
			fmt.Sprintf(`{"keytype":"SCHEMA","subject":%q,"version":%d,"magic":1}`, subject, version),
			fmt.Sprintf(`{"subject":%q,"version":%d,"id":%d,%s"schema":%q,"deleted":false}`, subject, version, id, more, schema),
		}
	}
	records := [][2]string{
		schema("a", 1, 7, `"string"`, `"md5":"AAAA","guid":"x","ts":1,`),
		schema("a", 2, 9, `"long"`, `"schemaType":"AVRO",`),
		schema("gone", 1, 11, `"int"`, ""),
		{`{"keytype":"DELETE_SUBJECT","subject":"gone","magic":0}`, `{"subject":"gone","version":1}`},
		schema("cleared", 1, 12, `"boolean"`, ""),
		{`{"keytype":"DELETE_SUBJECT","subject":"cleared","magic":0}`, `{"subject":"cleared","version":1}`},
		{`{"keytype":"CLEAR_SUBJECT","subject":"cleared","magic":0}`, `{"subject":"cleared"}`},
		{`{"keytype":"CONFIG","subject":"a","magic":0}`, `{"compatibilityLevel":"FORWARD"}`},
		{`{"keytype":"EXPORTER","tenant":"default","name":"e","magic":0}`, `{}`},
		{`{"keytype":"SCHEMA","subject":"bad","version":1,"magic":9}`, `{}`},
		{`{"keytype":"SCHEMA","subject":"bad","version":1,"magic":1}`, `{"subject":"other","version":3}`},
		{`{"keytype":"SCHEMA","subject":"bad","version":-1,"magic":1}`, `{"subject":"bad","version":-1}`},
		{`{"keytype":"CONFIG","subject":"bad","magic":0}`, `[`},
		{`nonsense`, `nonsense`},
	}
	client, err := r.cluster.Clients().ProducerClient(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, rec := range records {
		err := client.ProduceSync(t.Context(), &kgo.Record{Topic: r.settings.topic, Key: []byte(rec[0]), Value: []byte(rec[1])}).FirstErr()
		if err != nil {
			t.Fatal(err)
		}
	}
	// The next write notices that somebody else has written, and reads it.
	if got, want := r.register(t, "new", `{"schema":"\"double\""}`), 1; got != want {
		t.Errorf("the id before the others were seen is %d, want %d", got, want)
	}
	for _, again := range []bool{false, true} {
		if again {
			r.again(t)
		}
		for path, want := range map[string]string{
			"/subjects": `["a","new"]`, "/subjects?deletedOnly=true": `["gone"]`, "/subjects/a/versions": `[1,2]`,
			"/schemas/ids/9/schema": `"long"`, "/schemas/ids/11/schema": `"int"`, "/config/a": `{"compatibilityLevel":"FORWARD"}`,
			"/subjects/cleared/versions?deleted=true": `{"error_code":40401,"message":"Subject 'cleared' not found."}`,
		} {
			if _, _, got := r.call(t, http.MethodGet, path, "", nil); string(got) != want {
				t.Errorf("%s: got %s, want %s", path, got, want)
			}
		}
	}
	if got, want := r.register(t, "later", `{"schema":"\"float\""}`), 13; got != want {
		t.Errorf("the next id is %d, want %d: one more than the highest", got, want)
	}
}

// TestWritersTakeTurns registers the same and different schemas from many sides at once: each schema has one id, and no
// number of a version is given twice.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	r := start(t)
	const writers, schemas = 8, 5
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range schemas {
				r.call(t, http.MethodPut, "/config/s", "", []byte(`{"compatibility":"NONE"}`))
				r.call(t, http.MethodPost, "/subjects/s/versions", "", fmt.Appendf(nil, `{"schema":"{\"type\":\"fixed\",\"name\":\"F\",\"size\":%d}"}`, 1+(i+w)%schemas))
			}
		})
	}
	wait.Wait()
	if _, _, got := r.call(t, http.MethodGet, "/subjects/s/versions", "", nil); string(got) != "[1,2,3,4,5]" {
		t.Errorf("versions: got %s, want [1,2,3,4,5]", got)
	}
	if got := r.highest(); got != schemas {
		t.Errorf("the highest id is %d, want %d", got, schemas)
	}
}
