package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is a worker's own description of its API, against which its answers are held. It is stricter than the one that is
// served: an object has no members but those described.
type contract struct {
	paths   []describedPath
	schemas *jsonschema.Compiler
	checked map[string]int // answers, by operation
}

type describedPath struct {
	template string
	pattern  *regexp.Regexp
	item     map[string]any
}

const contractURL = "mem:///openapi.json"

// newContract reads the description of the worker at an address.
func newContract(t *testing.T, address string, headers map[string]*string) *contract {
	t.Helper()
	got, err := ask(address, restRequest{Method: http.MethodGet, Path: "/openapi.json", Headers: headers}, func(s string) string { return s })
	if err != nil || got.status != http.StatusOK {
		t.Fatalf("read the description: %v %s", err, got)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	closed(document)
	c := &contract{schemas: jsonschema.NewCompiler(), checked: map[string]int{}}
	if err := c.schemas.AddResource(contractURL, document); err != nil {
		t.Fatal(err)
	}
	paths, _ := document.(map[string]any)["paths"].(map[string]any)
	for _, template := range slices.Sorted(maps.Keys(paths)) {
		pattern := regexp.MustCompile("^" + regexp.MustCompile(`\\\{[a-z]\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "/?$")
		c.paths = append(c.paths, describedPath{template, pattern, paths[template].(map[string]any)})
	}
	return c
}

// closed forbids members that are not described.
func closed(v any) {
	switch v := v.(type) {
	case map[string]any:
		if properties, is := v["properties"].(map[string]any); is && v["type"] == "object" {
			if _, says := v["additionalProperties"]; !says && properties != nil {
				v["additionalProperties"] = false
			}
		}
		for _, inner := range v {
			closed(inner)
		}
	case []any:
		for _, inner := range v {
			closed(inner)
		}
	}
}

// check reports an answer that is not as described.
func (c *contract) check(method, target string, got reply) error {
	path, _, _ := strings.Cut(target, "?")
	if got.status == http.StatusUnauthorized { // a text, whose content type is that of Kafka Connect
		return nil
	}
	if method == http.MethodHead || method == http.MethodOptions || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
		return nil
	}
	pointer, name := "/components/schemas/Error", "errors"
	for _, p := range c.paths {
		operation, is := p.item[strings.ToLower(method)].(map[string]any)
		if !is || !p.pattern.MatchString(path) {
			continue
		}
		responses, _ := operation["responses"].(map[string]any)
		response, described := responses[strconv.Itoa(got.status)].(map[string]any)
		content, _ := response["content"].(map[string]any)
		if described && content["application/json"] != nil {
			name = method + " " + p.template
			pointer = fmt.Sprintf("/paths/%s/%s/responses/%d/content/application~1json/schema", escaped(p.template), strings.ToLower(method), got.status)
		}
	}
	if name == "errors" && got.status < http.StatusBadRequest {
		return fmt.Errorf("%s %s answers %s, which nothing describes", method, target, got)
	}
	c.checked[name]++
	s, err := c.schemas.Compile(contractURL + "#" + pointer)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(got.body)))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	if err := s.Validate(v); err != nil && (name == "errors" || got.status < http.StatusBadRequest || !c.isError(v)) {
		return fmt.Errorf("%s %s answers %s: %w", method, target, got, err)
	}
	return nil
}

// isError reports whether a value is as refusals are: of a call whose failures have a body of their own, too.
func (c *contract) isError(v any) bool {
	s, err := c.schemas.Compile(contractURL + "#/components/schemas/Error")
	return err == nil && s.Validate(v) == nil
}

// escaped is a path as a part of a JSON pointer in a fragment.
func escaped(path string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(path)
}

// TestAnswersAreAsDescribed holds what the recorded cases do not ask for against the description, in both modes.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"standalone", "distributed"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			in := write(t, dir, "in.txt", "one\n")
			config := map[string]any{"connector.class": "FileStreamSource", "file": in, "topic": "out"}
			bad := map[string]any{"connector.class": "FileStreamSink", "file": dir + "/no/out.txt", "topics": "out"}
			var w *restWorker
			if mode == "standalone" {
				w = startWorker(t, restSettings())
				for name, m := range map[string]map[string]any{"c": config, "bad": bad} {
					if err := w.declare(t, name, m, ""); err != nil {
						t.Fatal(err)
					}
				}
			} else {
				w = startShared(t, startTestKafka(t, "out"), textConverters())
				for name, m := range map[string]map[string]any{"c": config, "bad": bad} {
					body, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					if got := w.call(t, http.MethodPut, "/connectors/"+name, string(body)); got.status != http.StatusCreated {
						t.Fatal(got)
					}
				}
			}
			w.waitFor(t, "/connectors/bad/status", "FAILED")
			w.waitFor(t, "/connectors/c/status", "RUNNING")
			c := newContract(t, w.address, nil)
			calls := [][3]string{
				{"GET", "/?expand=engine", ""}, {"GET", "/openapi.json", ""}, {"GET", "/health", ""}, {"GET", "/connectors", ""},
				{"GET", "/connectors?expand=info&expand=status&expand=engine", ""}, {"GET", "/connectors?expand=engine", ""},
				{"GET", "/connectors/c", ""}, {"GET", "/connectors/c/config", ""}, {"GET", "/connectors/c/status?expand=engine", ""},
				{"GET", "/connectors/bad/status?expand=engine", ""}, {"GET", "/connectors/c/tasks", ""}, {"GET", "/connectors/c/tasks/0", ""},
				{"GET", "/connectors/bad/tasks/0/status", ""}, {"GET", "/connectors/c/topics", ""}, {"GET", "/connectors/c/offsets", ""},
				{"GET", "/connector-plugins?connectorsOnly=false", ""}, {"GET", "/connector-plugins/FileStreamSource/config", ""},
				{"PUT", "/connector-plugins/FileStreamSource/config/validate", `{"connector.class":"FileStreamSource","x":null}`},
				{"POST", "/connectors/c/restart?includeTasks=true", ""}, {"GET", "/admin/loggers", ""}, {"PUT", "/admin/loggers/z", `{"level":"info"}`},
				{"GET", "/admin/loggers/z", ""}, {"GET", "/connectors/none", ""}, {"POST", "/connectors", `{`}, {"PUT", "/connectors/c/tasks/0/status", `{"state":"X"}`},
			}
			if mode == "distributed" {
				calls = append(calls, [3]string{"GET", "/plan", ""})
			}
			for _, call := range calls {
				if err := c.check(call[0], call[1], w.call(t, call[0], call[1], call[2])); err != nil {
					t.Error(err)
				}
			}
			if len(c.checked) < 20 {
				t.Errorf("checked %v only", c.checked)
			}
		})
	}
}

// TestAContractFindsWhatIsNotDescribed: the check can fail.
func TestAContractFindsWhatIsNotDescribed(t *testing.T) {
	t.Parallel()
	w := startWorker(t, restSettings())
	c := newContract(t, w.address, nil)
	ofJSON := http.Header{"Content-Type": {"application/json"}}
	for _, call := range []struct {
		path   string
		status int
		body   string
	}{
		{"/connectors", 200, `[1]`}, {"/connectors/c", 200, `{"name":"c"}`}, {"/connectors/c", 200, `{"name":"c","config":{},"tasks":[],"type":"x","more":1}`},
		{"/connectors/c", 404, `{"message":"x"}`}, {"/nothing", 200, `{}`}, {"/health", 200, `{"status":1,"message":""}`},
	} {
		if err := c.check("GET", call.path, reply{status: call.status, header: ofJSON, body: call.body}); err == nil {
			t.Errorf("%+v is taken for as described", call)
		}
	}
}

// described holds an answer of a recorded case against the description of the worker that gave it.
func (r *caseRunner) described(q *restRequest, address string, got reply) error {
	if address == r.admin {
		return nil // the loggers alone, which the other listeners describe where they have them
	}
	if r.contract == nil {
		login := "Basic dXNlcjpwYXNzd29yZA==" // of the profiles that ask for one; others do not look at it
		r.contract = newContract(r.t, r.address, map[string]*string{"Authorization": &login})
	}
	return r.contract.check(q.Method, r.known.fill(q.Path), got)
}
