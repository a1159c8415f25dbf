package main

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/penstock/penstock/plugins"
)

// connect is a Kafka Connect that stores configurations and runs nothing.
type connect struct {
	mu         sync.Mutex
	configs    map[string]map[string]string
	states     map[string]string
	clusterID  string
	rebalances int               // answers that refuse because of one, before the next
	invalid    map[string]string // what validation says of a property
	fails      map[string]string // connectors that fail, with the trace
	writes     []string
	changed    func(name string) // by every write, before it: what others do meanwhile
	dies       int               // writes, after which the worker is gone, within the next: stored, and not answered; 0: it lives
	version    string            // of Kafka Connect
	html       int               // a code with which everything is answered in HTML; 0: nothing is
	token      string            // of bearer authentication; "": nobody is asked
	offsets    map[string][]any  // of connectors
	classes    map[string]string // further plugins, with their types
	knows      []string          // properties that validation names, beside those that are invalid
	message    string            // of changed offsets; "": ok
	log        func(name string) // by every write, after it
}

func newConnect() *connect {
	c := &connect{
		configs: map[string]map[string]string{}, states: map[string]string{}, clusterID: "lkc-1",
		invalid: map[string]string{}, fails: map[string]string{}, version: "4.3.1", offsets: map[string][]any{}, classes: map[string]string{},
	}
	for _, d := range plugins.All() {
		if strings.HasPrefix(d.Class, "org.apache.kafka.") && d.Class != fileSourceClass {
			c.classes[d.Class] = d.Role().String()
		}
	}
	return c
}

const (
	fileSourceClass = "org.apache.kafka.connect.file.FileStreamSourceConnector"
	jdbcClass       = "io.confluent.connect.jdbc.JdbcSourceConnector"
)

// with lets a test look at the cluster, or change it, while nobody calls.
func (c *connect) with(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *connect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.html != 0:
		w.WriteHeader(c.html)
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Welcome to nginx!</title>")
		return
	case c.token != "" && r.Header.Get("Authorization") != "Bearer "+c.token:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case c.dies < 0:
		panic(http.ErrAbortHandler)
	case slices.ContainsFunc(names(r), func(name string) bool { return !addressable(name) }):
		w.WriteHeader(http.StatusBadRequest) // as Kafka Connect 4.3.1 does, with a page
		return
	}
	if c.changed != nil && r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/connectors") {
		parts := names(r)
		c.changed(parts[len(parts)-1])
	}
	code, body := c.answer(r)
	if c.log != nil && code < 300 && (r.Method == http.MethodPut || r.Method == http.MethodPost || r.Method == http.MethodDelete) && strings.HasPrefix(r.URL.Path, "/connectors") {
		for name := range c.configs {
			c.log(name)
		}
		if parts := names(r); len(parts) > 1 && c.configs[parts[1]] == nil {
			c.log(parts[1])
		}
	}
	if c.dies > 0 && len(c.writes) > c.dies {
		c.dies = -1
		panic(http.ErrAbortHandler)
	}
	if m, ok := body.(string); ok {
		body = map[string]any{"error_code": code, "message": m}
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (c *connect) answer(r *http.Request) (int, any) {
	text, _ := io.ReadAll(r.Body)
	parts := names(r)
	switch {
	case r.URL.Path == "/":
		return 200, map[string]any{"version": c.version, "commit": "x", "kafka_cluster_id": c.clusterID}
	case parts[0] == "connector-plugins" && r.Method == http.MethodPut:
		return 200, c.validate(text)
	case parts[0] == "connector-plugins":
		installed := []any{
			map[string]any{"class": fileSourceClass, "type": "source", "version": "4.3.1"}, map[string]any{"class": jdbcClass, "type": "source", "version": "10.7.6"},
		}
		for class, kind := range c.classes {
			installed = append(installed, map[string]any{"class": class, "type": kind, "version": "1"})
		}
		return 200, installed
	case parts[0] != "connectors":
		return 404, "HTTP 404 Not Found"
	case c.rebalances > 0:
		c.rebalances--
		return []int{409, 500}[c.rebalances%2], "Request cannot be completed because a rebalance is expected"
	}
	if r.Method != http.MethodGet {
		c.writes = append(c.writes, r.Method+" "+r.URL.Path)
	}
	if len(parts) == 1 {
		return c.all(r, text)
	}
	name := parts[1]
	config, is := c.configs[name]
	action := strings.Join(parts[2:], "/")
	if !is && (action != "config" || r.Method == http.MethodGet) {
		return 404, "Connector " + name + " not found"
	}
	return c.one(r, name, action, config, text)
}

// names are the parts of a path, as they were before they were escaped.
func names(r *http.Request) []string {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

func (c *connect) all(r *http.Request, text []byte) (int, any) {
	if r.Method == http.MethodPost {
		var body struct {
			Name, InitialState string
			Config             map[string]string
			Initial            string `json:"initial_state"`
		}
		_ = json.Unmarshal(text, &body)
		if c.configs[body.Name] != nil {
			return 409, "Connector " + body.Name + " already exists"
		}
		body.Config["name"] = body.Name
		c.configs[body.Name], c.states[body.Name] = body.Config, "RUNNING"
		if body.Initial != "" {
			c.states[body.Name] = body.Initial
		}
		return 201, map[string]any{}
	}
	if c.version < "2.3" || !r.URL.Query().Has("expand") {
		return 200, slices.Sorted(maps.Keys(c.configs))
	}
	all := map[string]any{}
	for name, m := range c.configs {
		parts := map[string]any{}
		for _, part := range r.URL.Query()["expand"] {
			switch part {
			case "info":
				parts["info"] = map[string]any{"name": name, "config": m, "tasks": []any{map[string]any{"connector": name, "task": 0}}, "type": role(m)}
			case "status":
				parts["status"] = c.status(name)
			}
		}
		all[name] = parts
	}
	return 200, all
}

// role is what a connector says it is.
func role(m map[string]string) string {
	if m["topics"] != "" || m["topics.regex"] != "" {
		return "sink"
	}
	return "source"
}

func (c *connect) status(name string) map[string]any {
	task := map[string]any{"id": 0, "state": c.states[name], "worker_id": "w"}
	if trace, fails := c.fails[name]; fails {
		task["state"], task["trace"] = "FAILED", trace
	}
	tasks := []any{task}
	if c.states[name] == "STOPPED" {
		tasks = []any{}
	}
	return map[string]any{"name": name, "type": role(c.configs[name]), "connector": map[string]any{"state": c.states[name], "worker_id": "w"}, "tasks": tasks}
}

func (c *connect) one(r *http.Request, name, action string, config map[string]string, text []byte) (int, any) {
	switch r.Method + " " + action {
	case "DELETE ":
		delete(c.configs, name)
		delete(c.states, name)
		return 204, nil
	case "GET config":
		return 200, config
	case "PUT config":
		var m map[string]string
		_ = json.Unmarshal(text, &m)
		m["name"] = name
		c.configs[name] = m
		if c.states[name] == "" {
			c.states[name] = "RUNNING"
		}
		return 200, map[string]any{}
	case "GET status":
		return 200, c.status(name)
	case "PUT stop":
		c.states[name] = "STOPPED"
		return 202, nil
	case "POST tasks/0/restart":
		return 204, nil
	case "PUT resume":
		c.states[name] = "RUNNING"
		return 202, nil
	case "PUT pause":
		c.states[name] = "PAUSED"
		return 202, nil
	case "GET offsets":
		if c.offsets[name] == nil {
			c.offsets[name] = []any{map[string]any{"partition": map[string]any{"f": 1}, "offset": map[string]any{"p": 2}}}
		}
		return 200, map[string]any{"offsets": c.offsets[name]}
	case "PATCH offsets":
		var body struct{ Offsets []any }
		_ = json.Unmarshal(text, &body)
		c.offsets[name] = body.Offsets
		return 200, map[string]any{"message": cmp.Or(c.message, "ok")}
	case "DELETE offsets":
		c.offsets[name] = []any{}
		return 200, map[string]any{"message": "The offsets for this connector have been reset successfully"}
	}
	return 404, "no " + action
}

func (c *connect) validate(text []byte) any {
	var m map[string]string
	_ = json.Unmarshal(text, &m)
	configs := []any{}
	for _, key := range slices.Sorted(maps.Keys(c.invalid)) {
		configs = append(configs, map[string]any{
			"definition": map[string]any{"required": true, "type": "STRING"},
			"value":      map[string]any{"name": key, "value": "leaked-by-the-server", "errors": []string{c.invalid[key]}},
		})
	}
	wrong := len(configs)
	for _, key := range c.knows {
		configs = append(configs, map[string]any{"definition": map[string]any{"type": "STRING"}, "value": map[string]any{"name": key, "value": m[key], "errors": []string{}}})
	}
	return map[string]any{"error_count": wrong, "configs": configs}
}
