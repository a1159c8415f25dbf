package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
)

// schema is a JSON Schema (draft 2020-12), as OpenAPI 3.1 has them.
type schema map[string]any

// operation is what the description of the API says of a method on a path.
type operation struct {
	says   string
	query  []string // parameters that it looks at
	in     any      // what a body is: a value of its type, or a schema; nil: nothing
	out    any      // what an answer is, as in
	status int      // of an answer that is no error; 0: 200
	also   []int    // further ones of the same shape
	text   bool     // an answer is text
}

// expanded is a connector in the answer of GET /connectors with expand.
type expanded struct {
	Info   *info   `json:"info,omitempty"`
	Status *status `json:"status,omitempty"`
	Engine *Beyond `json:"engine,omitempty"`
}

// creation is the body of POST /connectors.
type creation struct {
	Name   string     `json:"name"`
	Config config.Map `json:"config"`
	State  string     `json:"initial_state,omitempty"`
}

// flatBody is a configuration: numbers and booleans stand for their texts, null for nothing.
var flatBody = schema{"type": "object", "additionalProperties": schema{"type": []string{"string", "number", "boolean", "null"}}} //nolint:gochecknoglobals // a literal

// operations describe the routes, by method and path; a test holds them against the table of routes.
func operations() map[string]operation {
	message := schema{"type": "object", "required": []string{"message"}, "properties": schema{"message": schema{"type": "string"}}}
	state := schema{"type": "object", "required": []string{"state"}, "properties": schema{"state": schema{"enum": []string{"PAUSED", "RUNNING"}}}}
	level := schema{"type": "object", "required": []string{"level"}, "properties": schema{"level": schema{"type": "string"}}}
	list := schema{"oneOf": []any{schemaOf([]string{}), schemaOf(map[string]expanded{})}}
	topics := map[string]struct {
		Topics []string `json:"topics"`
	}{}
	offsets := struct {
		Offsets []offset `json:"offsets"`
	}{}
	forced := []string{"includeTasks", "onlyFailed"}
	return map[string]operation{
		"GET /":                                      {says: "What answers here", query: []string{"expand"}, out: server{}},
		"GET /health":                                {says: "Whether the worker is ready", out: health{}, also: []int{http.StatusInternalServerError, http.StatusServiceUnavailable}},
		"GET /openapi.json":                          {says: "This description", out: schema{"type": "object"}},
		"GET /connectors":                            {says: "The names of the connectors; with expand what is known of each", query: []string{"expand"}, out: list},
		"POST /connectors":                           {says: "Create a connector", in: creation{}, out: info{}, status: http.StatusCreated},
		"GET /connectors/{n}":                        {says: "A connector", out: info{}},
		"PUT /connectors/{n}":                        {says: "Create a connector, or replace its configuration", in: schema{"anyOf": []any{schemaOf(creation{}), flatBody}}, out: info{}, also: []int{http.StatusCreated}},
		"DELETE /connectors/{n}":                     {says: "Delete a connector", status: http.StatusNoContent},
		"GET /connectors/{n}/config":                 {says: "Its configuration", out: config.Map{}},
		"PUT /connectors/{n}/config":                 {says: "Create a connector, or replace its configuration", in: flatBody, out: info{}, also: []int{http.StatusCreated}},
		"PATCH /connectors/{n}/config":               {says: "Change some properties; null takes one away", in: flatBody, out: info{}},
		"GET /connectors/{n}/status":                 {says: "How it is", query: []string{"expand"}, out: status{}},
		"GET /connectors/{n}/tasks":                  {says: "The configurations of its tasks", out: []taskInfo{}},
		"POST /connectors/{n}/tasks":                 {says: "Not for clients: always refused"},
		"PUT /connectors/{n}/fence":                  {says: "Not for clients: always refused"},
		"GET /connectors/{n}/tasks/{i}":              {says: "A task: its id, configuration and status", out: wholeTask{}},
		"GET /connectors/{n}/tasks/{i}/status":       {says: "How a task is", out: taskStatus{}},
		"PUT /connectors/{n}/tasks/{i}/status":       {says: "Pause or resume one task", in: state, status: http.StatusAccepted},
		"POST /connectors/{n}/tasks/{i}/restart":     {says: "Restart a task", status: http.StatusNoContent},
		"GET /connectors/{n}/tasks/{i}/restart":      {says: "Restart a task", status: http.StatusNoContent},
		"GET /connectors/{n}/topics":                 {says: "The topics that it has used", out: topics},
		"PUT /connectors/{n}/topics/reset":           {says: "Forget the topics that it has used", status: http.StatusAccepted},
		"PUT /connectors/{n}/pause":                  {says: "Pause it", status: http.StatusAccepted},
		"GET /connectors/{n}/pause":                  {says: "Pause it", status: http.StatusAccepted},
		"PUT /connectors/{n}/resume":                 {says: "Let it run", status: http.StatusAccepted},
		"GET /connectors/{n}/resume":                 {says: "Let it run", status: http.StatusAccepted},
		"PUT /connectors/{n}/stop":                   {says: "Stop it; the answer waits until nothing of it runs", status: http.StatusNoContent},
		"POST /connectors/{n}/restart":               {says: "Restart it", query: forced, out: status{}, status: http.StatusAccepted, also: []int{http.StatusNoContent}},
		"GET /connectors/{n}/restart":                {says: "Restart it", query: forced, out: status{}, status: http.StatusAccepted, also: []int{http.StatusNoContent}},
		"GET /connectors/{n}/offsets":                {says: "Its offsets; with at where a sink would go on that was sent there", query: []string{"at"}, out: offsets},
		"PATCH /connectors/{n}/offsets":              {says: "Change offsets of a stopped connector", in: offsets, out: message},
		"DELETE /connectors/{n}/offsets":             {says: "Delete the offsets of a stopped connector", out: message},
		"GET /connector-plugins":                     {says: "The plugins", query: []string{"connectorsOnly"}, out: []pluginInfo{}},
		"GET /connector-plugins/{p}/config":          {says: "The settings of a plugin", query: []string{"version"}, out: []definition{}},
		"PUT /connector-plugins/{p}/config/validate": {says: "Check a configuration", in: flatBody, out: verdict{}},
		"GET /graph":                                 {says: "How systems, pipelines and topics hang together", query: []string{"format"}, text: true},
		"GET /metrics":                               {says: "Metrics in Prometheus' text format", text: true},
		"GET /plan":                                  {says: "Who is in the cluster and who runs what", out: Plan{}},
		"GET /config":                                {says: "Which files run", out: Configuration{}},
		"POST /reload":                               {says: "Read the files again", out: Reloaded{}},
		"GET /admin/loggers":                         {says: "The levels of the loggers", out: map[string]loggerLevel{}},
		"GET /admin/loggers/{l}":                     {says: "The level of a logger", out: loggerLevel{}},
		"PUT /admin/loggers/{l}":                     {says: "Give a logger a level, on this worker or with scope=cluster on all", query: []string{"scope"}, in: level, out: []string{}, also: []int{http.StatusNoContent}},
	}
}

// openapi answers GET /openapi.json, an addition.
func (s *Server) openapi(*call) (answer, error) { return ok(json.RawMessage(s.described)) }

var variable = regexp.MustCompile(`\{([a-z])\}`)

// describe makes the OpenAPI 3.1 document of routes.
func (s *Server) describe(routes []route) ([]byte, error) {
	all := operations()
	paths := schema{}
	for _, r := range routes {
		item := schema{}
		for method := range r.methods {
			o := all[method+" "+r.path].schema(r.path)
			if r.logins != nil && !r.methods[method].open {
				o["responses"].(schema)[strconv.Itoa(http.StatusUnauthorized)] = schema{"description": "Nobody has logged in"} //nolint:forcetypeassert // see operation.schema
			}
			item[strings.ToLower(method)] = o
		}
		paths[r.path] = item
	}
	document := schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Kafka Connect REST API", "version": Version,
			"description": "As a worker of Kafka Connect answers it, with the additions of this engine.",
		},
		"paths":      paths,
		"components": schema{"schemas": schema{"Error": schemaOf(problem{})}},
	}
	if s.logins != nil {
		document["security"] = []any{schema{"basic": []string{}}}
		document["components"].(schema)["securitySchemes"] = schema{"basic": schema{"type": "http", "scheme": "basic"}} //nolint:forcetypeassert // see above
	}
	return encode(document)
}

// schema is the operation as OpenAPI has it.
func (o operation) schema(path string) schema {
	var parameters []any
	for _, m := range variable.FindAllStringSubmatch(path, -1) {
		kind := "string"
		if m[1] == "i" {
			kind = "integer"
		}
		parameters = append(parameters, schema{"name": m[1], "in": "path", "required": true, "schema": schema{"type": kind}})
	}
	for _, name := range o.query {
		parameters = append(parameters, schema{"name": name, "in": "query", "schema": schema{"type": "string"}})
	}
	responses := schema{"default": schema{
		"description": "It was refused, or has failed",
		"content":     schema{"application/json": schema{"schema": schema{"$ref": "#/components/schemas/Error"}}},
	}}
	for _, code := range append([]int{max(o.status, http.StatusOK)}, o.also...) {
		response := schema{"description": http.StatusText(code)}
		switch {
		case o.text:
			response["content"] = schema{"text/plain": schema{"schema": schema{"type": "string"}}}
		case o.out != nil && code != http.StatusNoContent:
			response["content"] = schema{"application/json": schema{"schema": schemaOf(o.out)}}
		}
		responses[strconv.Itoa(code)] = response
	}
	is := schema{"summary": o.says, "responses": responses}
	if len(parameters) > 0 {
		is["parameters"] = parameters
	}
	if o.in != nil {
		is["requestBody"] = schema{"required": true, "content": schema{"application/json": schema{"schema": schemaOf(o.in)}}}
	}
	return is
}

// schemaOf describes the JSON of a value's type; a schema is itself.
func schemaOf(v any) schema {
	if is, ok := v.(schema); ok {
		return is
	}
	return typeSchema(reflect.TypeOf(v))
}

// typeSchema describes the JSON of a type. Those that write their JSON themselves are listed.
func typeSchema(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[version]():
		return schema{"type": []string{"string", "null"}}
	case reflect.TypeFor[json.RawMessage]():
		return schema{}
	case reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case reflect.TypeFor[Diagnostics]():
		return typeSchema(reflect.TypeFor[[]message]())
	}
	switch t.Kind() {
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Pointer:
		return schema{"anyOf": []any{typeSchema(t.Elem()), schema{"type": "null"}}}
	case reflect.Slice:
		return schema{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": typeSchema(t.Elem())}
	case reflect.Struct:
		properties, required := schema{}, []string{}
		addFields(t, properties, &required)
		return schema{"type": "object", "properties": properties, "required": required}
	}
	panic(fmt.Sprintf("no schema for %s", t)) // found by the test that describes all routes
}

// addFields adds the members of a struct, with those of structs in it that have no name.
func addFields(t reflect.Type, properties schema, required *[]string) {
	for f := range slices.Values(reflect.VisibleFields(t)) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if len(f.Index) > 1 || f.Anonymous && name == "" {
			if f.Anonymous && len(f.Index) == 1 {
				addFields(f.Type, properties, required)
			}
			continue
		}
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		kind := f.Type
		if optional := strings.Contains(options, "omit"); optional && kind.Kind() == reflect.Pointer {
			kind = kind.Elem() // left out, and never null
		} else if !optional {
			*required = append(*required, name)
		}
		properties[name] = typeSchema(kind)
	}
	slices.Sort(*required)
	*required = slices.Compact(*required)
}

// undescribed lists routes that operations do not describe, and descriptions without a route.
func undescribed(routes []route) []string {
	all := operations()
	var missing []string
	for _, r := range routes {
		for method := range r.methods {
			if _, is := all[method+" "+r.path]; !is {
				missing = append(missing, method+" "+r.path)
			}
			delete(all, method+" "+r.path)
		}
	}
	return append(missing, slices.Sorted(maps.Keys(all))...)
}
