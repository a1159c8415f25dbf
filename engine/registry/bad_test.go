package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/registry/schema"
)

// TestBadInput: what is too long, too deep, of a wrong shape or from a wrong place is refused with a code, and the registry
// goes on.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := start(t)
	written := func(format, text string) []byte {
		b, err := json.Marshal(map[string]string{"schemaType": format, "schema": text})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	deepProto := strings.Repeat("message M {", 5000) + strings.Repeat("}", 5000)
	cases := []struct {
		what   string
		path   string
		body   []byte
		status int
		code   int
	}{
		{"a body of 9 MB", "/subjects/s/versions", bytes.Repeat([]byte(" "), 9<<20), 413, 413},
		{"a schema beyond a record", "/subjects/s/versions", written(schema.JSON, `{"title":"`+strings.Repeat("x", 2<<20)+`"}`), 422, 42209},
		{"a schema beyond all", "/subjects/s/versions", written(schema.JSON, `{"title":"`+strings.Repeat("x", 5<<20)+`"}`), 422, 42201},
		{"10,000 levels of Avro", "/subjects/s/versions", written(schema.Avro, strings.Repeat(`{"type":"array","items":`, 10_000)+`"int"`+strings.Repeat("}", 10_000)), 422, 42201},
		{"10,000 levels of JSON", "/subjects/s/versions", written(schema.JSON, strings.Repeat(`{"not":`, 10_000)+"true"+strings.Repeat("}", 10_000)), 422, 42201},
		{"5,000 levels of Protobuf", "/subjects/s/versions", written(schema.Protobuf, "syntax = \"proto3\";"+deepProto), 422, 42201},
		{"10,000 levels of a body", "/subjects/s/versions", []byte(strings.Repeat(`{"metadata":`, 10_000)), 400, 400},
		{"invalid UTF-8", "/subjects/s/versions", []byte("{\"schema\":\"\xff\"}"), 400, 400},
		{"a field twice", "/subjects/s/versions", written(schema.Avro, `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`), 422, 42201},
		{"a type that holds only itself", "/subjects/s/versions", written(schema.JSON, `{"$ref":"http://127.0.0.1:1/x"}`), 422, 42201},
		{"an import of itself", "/subjects/s/versions", written(schema.Protobuf, `syntax = "proto3"; import "default";`), 422, 42201},
		{"a descriptor that is none", "/subjects/s/versions", written(schema.Protobuf, "AAAA"), 422, 42201},
		{"no name of a reference", "/subjects/s/versions", []byte(`{"schema":"\"int\"","references":[{}]}`), 422, 42201},
		{"tags", "/subjects/s/versions", []byte(`{"schema":"\"int\"","schemaTagsToAdd":[{}]}`), 422, 422},
		{"a control character in a name", "/subjects/a%07b/versions", written(schema.Avro, `"int"`), 422, 42208},
		{"a version out of turn", "/subjects/s/versions", []byte(`{"schema":"\"int\"","version":7}`), 422, 42201},
		{"a number as id", "/subjects/s/versions", []byte(`{"schema":"\"int\"","id":"x"}`), 400, 400},
	}
	for _, c := range cases {
		status, _, got := r.call(t, http.MethodPost, c.path, "", c.body)
		if status != c.status {
			t.Errorf("%s: got %d %.300s, want %d", c.what, status, got, c.status)
			continue
		}
		checkRefusal(t, got, c.code)
	}
	if _, _, got := r.call(t, http.MethodGet, "/subjects?deleted=true", "", nil); string(got) != "[]" {
		t.Errorf("after all that: got subjects %s, want none", got)
	}
}

// TestUnsupportedSettings: what this registry does not carry out is refused, also to clients that do not mind unknown members.
func TestUnsupportedSettings(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, body := range []string{
		`{"alias":"other"}`, `{"validateFields":true}`, `{"defaultMetadata":{}}`, `{"overrideRuleSet":{}}`, `{"nonsense":1}`,
	} {
		if status, _, got := r.call(t, http.MethodPut, "/config/s", "", []byte(body)); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d %s, want 422", body, status, got)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.URL()+"/config/s", strings.NewReader(`{"compatibility":"NONE","alias":"other"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Confluent-Accept-Unknown-Properties", "true")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("got %d, want 422", resp.StatusCode)
	}
}

// TestForeignHost: a page that has made its own name lead to this machine is not answered.
func TestForeignHost(t *testing.T) {
	t.Parallel()
	r := start(t)
	for host, want := range map[string]int{"evil.example": http.StatusForbidden, "localhost:1": http.StatusOK, "[::1]:8081": http.StatusOK, "127.0.0.1": http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL()+"/subjects", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// TestFailedWrite: a write that the broker refuses is told with 50001 and nothing is changed by it; the next one that goes
// through sees what stands in the topic.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	r := start(t)
	fake := r.cluster.Fake()
	r.register(t, "s", `{"schema":"\"int\""}`)
	fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		produce := req.(*kmsg.ProduceRequest)
		resp := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				one := kmsg.NewProduceResponseTopicPartition()
				one.Partition, one.ErrorCode = p.Partition, kerr.InvalidRecord.Code
				answer.Partitions = append(answer.Partitions, one)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
	status, _, got := r.call(t, http.MethodPost, "/subjects/s2/versions", "", []byte(`{"schema":"\"long\""}`))
	if status != http.StatusInternalServerError {
		t.Fatalf("got %d %s, want 500", status, got)
	}
	checkRefusal(t, got, 50001)
	if _, _, got := r.call(t, http.MethodGet, "/subjects", "", nil); string(got) != `["s"]` {
		t.Errorf("after a failed write: got %s, want only s", got)
	}
	if got, want := r.register(t, "s3", `{"schema":"\"double\""}`), 2; got != want {
		t.Errorf("the next id is %d, want %d", got, want)
	}
	r.again(t)
	if _, _, got := r.call(t, http.MethodGet, "/subjects", "", nil); string(got) != `["s","s3"]` {
		t.Errorf("after the restart: got %s, want s and s3", got)
	}
}

// TestStartRefuses: a topic of several partitions, an address that others could reach, a broker that is not there.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	r := start(t)
	wide := r.settings
	wide.topic = r.cluster.CreateTopic("wide", 3, nil)
	open := r.settings
	open.Addr = "0.0.0.0:0"
	busy := r.settings
	busy.Addr = strings.TrimPrefix(r.URL(), "http://")
	for _, c := range []struct {
		settings Settings
		code     diag.Code
	}{{wide, diag.BrokerRefused}, {open, diag.InvalidValue}, {busy, diag.AddressInUse}} {
		_, err := Start(t.Context(), c.settings)
		if d, is := errors.AsType[*diag.Diagnostic](err); !is || d.Code != c.code {
			t.Errorf("got %v, want %s", err, c.code)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(gone, r.settings); err == nil {
		t.Error("a start whose context is done went well")
	}
}

// TestManyReferences resolves a chain of references once each, and refuses one that is too long.
func TestManyReferences(t *testing.T) {
	t.Parallel()
	s := newState()
	for i := range maxSteps + 10 {
		value := fmt.Sprintf(`{"subject":"r%d","version":1,"id":%d,"schema":"x"`, i, i+1)
		if i > 0 {
			value += fmt.Sprintf(`,"references":[{"name":"n%d","subject":"r%d","version":1},{"name":"n0","subject":"r0","version":1}]`, i-1, i-1)
		}
		if err := s.apply(key{Type: schemaRecord, Subject: fmt.Sprintf("r%d", i), Version: 1}.marshal(), []byte(value+"}")); err != nil {
			t.Fatal(err)
		}
	}
	deps, err := s.resolve(defaultContext, []reference{{"last", "r20", 1}}, false)
	if err != nil || len(deps) != 21 || deps[0].Name != "n0" || deps[20].Name != "last" {
		t.Errorf("got %d dependencies and %v, want 21, the deepest first", len(deps), err)
	}
	if _, err := s.resolve(defaultContext, []reference{{"last", fmt.Sprintf("r%d", maxSteps+9), 1}}, false); err == nil {
		t.Error("a chain that is too long was resolved")
	}
}
