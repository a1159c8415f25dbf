package transform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lineageHost is a task's host whose log can be read.
type lineageHost struct {
	plugin.Host
	log bytes.Buffer
}

func (h *lineageHost) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(&h.log, nil)) }

// lineageServer takes events over HTTP and answers with status.
type lineageServer struct {
	*httptest.Server
	mu     sync.Mutex
	events []map[string]any
	keys   []string
	paths  []string
}

func startLineageServer(t *testing.T, status int) *lineageServer {
	s := &lineageServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var event map[string]any
		if err := errors.Join(err, json.Unmarshal(body, &event)); err != nil {
			t.Errorf("an event that is none: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, event)
		s.keys, s.paths = append(s.keys, r.Header.Get("Authorization")), append(s.paths, r.Method+" "+r.URL.Path)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func lineageConfig(more plugin.Config) plugin.Config {
	c := plugin.Config{
		"job.namespace": "shop", "job.name": "orders", "job.description": "what was ordered", "job.tags": "env=prod, team=cdc",
		"job.owners": "Ann=maintainer", "dataset.kafka.bootstrap.servers": "kafka:9092",
	}
	maps.Copy(c, more)
	return c
}

// seen gives records, one for each topic and datum, to a transform that is started, and stops it.
func seen(t *testing.T, tr *openLineage, h plugin.Host, side record.Side, records ...record.Record) {
	t.Helper()
	if err := tr.Start(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	lineageBatch(t, tr, side, records...)
	if err := errors.Join(tr.Stop(t.Context()), tr.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func lineageBatch(t *testing.T, tr *openLineage, side record.Side, records ...record.Record) {
	t.Helper()
	b := record.NewBatch(side, new(record.Partitions))
	for _, r := range records {
		*b.Append() = r
	}
	if err := tr.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Failures()) > 0 {
		t.Fatal(b.Failures()[0].Err)
	}
	for i := range records {
		if diff := cmp.Diff(records[i].Topic, b.Records[i].Topic); diff != "" || b.Records[i].Value.Schema != records[i].Value.Schema || b.Dropped(i) {
			t.Errorf("record %d did not pass as it was", i)
		}
	}
}

func ordersSchema(more ...string) *record.Schema {
	place := record.Build(record.Struct).Optional().Field("city", record.Required(record.String)).MustBuild()
	b := record.Build(record.Struct).Field("id", record.Build(record.Int64).Documented("its number").MustBuild()).Field("place", place)
	for _, name := range more {
		b.Field(name, record.OptionalOf(record.String))
	}
	return b.MustBuild()
}

func ordersRecord(topic string, s *record.Schema) record.Record {
	fields := make([]record.Value, len(s.Fields))
	fields[0] = record.OfInt64(1)
	return record.Record{Topic: topic, Value: record.Datum{Schema: s, Value: record.OfStruct(fields)}}
}

// TestLineageIsReportedOncePerSchema: the first record of a topic and each change of its schema is an event, nothing else.
func TestLineageIsReportedOncePerSchema(t *testing.T) {
	t.Parallel()
	s, h := startLineageServer(t, http.StatusCreated), &lineageHost{}
	tr := configured(t, "open_lineage", lineageConfig(plugin.Config{
		"transport.type": "http", "transport.url": s.URL, "transport.endpoint": "lineage", "transport.auth.api.key": "hush",
	})).(*openLineage)
	first, twin, second := ordersSchema(), ordersSchema(), ordersSchema("note")
	text := record.Record{Topic: "texts", Value: record.Datum{Value: record.OfString("x")}}
	seen(t, tr, h, record.FromSource, ordersRecord("orders", first), ordersRecord("orders", first), ordersRecord("orders", twin),
		ordersRecord("orders", second), ordersRecord("orders", first), record.Record{Topic: "gone"}, text, text, ordersRecord("others", first), text)

	var kinds []string
	for _, e := range s.events {
		outputs := e["outputs"].([]any)
		kind := e["eventType"].(string)
		for _, o := range outputs {
			kind += " " + o.(map[string]any)["name"].(string)
		}
		kinds = append(kinds, kind)
		if e["run"].(map[string]any)["runId"] != s.events[0]["run"].(map[string]any)["runId"] {
			t.Error("an event of another run")
		}
	}
	if diff := cmp.Diff([]string{"START", "RUNNING orders", "RUNNING orders", "RUNNING texts", "RUNNING others", "COMPLETE"}, kinds); diff != "" {
		t.Error(diff)
	}
	if s.keys[0] != "Bearer hush" || s.paths[0] != "POST /lineage" {
		t.Errorf("got %s %s", s.paths[0], s.keys[0])
	}
	if h.log.Len() > 0 {
		t.Errorf("said %s", &h.log)
	}

	want := map[string]any{}
	if err := json.Unmarshal([]byte(firstEvent), &want); err != nil {
		t.Fatal(err)
	}
	got := s.events[1]
	if _, err := time.Parse(time.RFC3339, got["eventTime"].(string)); err != nil {
		t.Error(err)
	}
	delete(got, "eventTime")
	delete(got, "run")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const firstEvent = `{
	"producer": "https://github.com/penstock/penstock", "eventType": "RUNNING",
	"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
	"job": {"namespace": "shop", "name": "orders", "facets": {
		"jobType": {"_producer": "https://github.com/penstock/penstock", "_schemaURL": "https://openlineage.io/spec/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
			"processingType": "STREAMING", "integration": "PENSTOCK", "jobType": "TASK"},
		"documentation": {"_producer": "https://github.com/penstock/penstock", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/DocumentationJobFacet.json#/$defs/DocumentationJobFacet",
			"description": "what was ordered"},
		"ownership": {"_producer": "https://github.com/penstock/penstock", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/OwnershipJobFacet.json#/$defs/OwnershipJobFacet",
			"owners": [{"name": "Ann", "type": "maintainer"}]},
		"tags": {"_producer": "https://github.com/penstock/penstock", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/TagsJobFacet.json#/$defs/TagsJobFacet",
			"tags": [{"key": "env", "value": "prod", "source": "CONFIG"}, {"key": "team", "value": "cdc", "source": "CONFIG"}]}
	}},
	"inputs": [],
	"outputs": [{"namespace": "kafka://kafka:9092", "name": "orders", "facets": {
		"datasetType": {"_producer": "https://github.com/penstock/penstock", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/DatasetTypeDatasetFacet.json#/$defs/DatasetTypeDatasetFacet",
			"datasetType": "STREAM", "subType": ""},
		"schema": {"_producer": "https://github.com/penstock/penstock", "_schemaURL": "https://openlineage.io/spec/facets/1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
			"fields": [{"name": "id", "type": "INT64", "description": "its number"}, {"name": "place", "type": "STRUCT", "fields": [{"name": "city", "type": "STRING"}]}]}
	}}]
}`

// TestLineageOfASinkReadsTopics: on the way to a sink the topic is what is read.
func TestLineageOfASinkReadsTopics(t *testing.T) {
	t.Parallel()
	name, h := filepath.Join(t.TempDir(), "events"), &lineageHost{}
	tr := configured(t, "open_lineage", lineageConfig(plugin.Config{"transport.type": "file", "transport.location": name})).(*openLineage)
	seen(t, tr, h, record.ToSink, ordersRecord("orders", ordersSchema()))
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var event struct{ Inputs, Outputs []struct{ Name string } }
	if err := json.Unmarshal([]byte(lines[1]), &event); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 || len(event.Inputs) != 1 || event.Inputs[0].Name != "orders" || len(event.Outputs) != 0 {
		t.Errorf("got %d lines and %+v", len(lines), event)
	}
}

// TestLineageIsLogged: without a transport events are in the log.
func TestLineageIsLogged(t *testing.T) {
	t.Parallel()
	h := &lineageHost{}
	seen(t, configured(t, "open_lineage", lineageConfig(nil)).(*openLineage), h, record.FromSource, ordersRecord("orders", ordersSchema()))
	if got := strings.Count(h.log.String(), "msg=lineage"); got != 3 {
		t.Errorf("got %d events, want 3:\n%s", got, &h.log)
	}
}

// TestLineageThatFailsIsAWarning: once, without the key, and records pass.
func TestLineageThatFailsIsAWarning(t *testing.T) {
	t.Parallel()
	refusing := startLineageServer(t, http.StatusForbidden)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]plugin.Config{
		"refused": {"transport.type": "http", "transport.url": refusing.URL, "transport.auth.api.key": "hush"},
		"gone":    {"transport.type": "http", "transport.url": gone.URL, "transport.auth.api.key": "hush"},
		"file":    {"transport.type": "file", "transport.location": filepath.Join(t.TempDir(), "no", "folder")},
	} {
		h := &lineageHost{}
		tr := configured(t, "open_lineage", lineageConfig(c)).(*openLineage)
		seen(t, tr, h, record.FromSource, ordersRecord("a", ordersSchema()), ordersRecord("b", ordersSchema()))
		text := h.log.String()
		if strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "lineage could not be reported") || strings.Contains(text, "hush") {
			t.Errorf("%s: said %q, want one warning", name, text)
		}
	}
}

// TestLineageHoldsUpNothing: a service that does not answer costs records no time and a stop one second.
func TestLineageHoldsUpNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &lineageHost{}
		tr := configured(t, "open_lineage", lineageConfig(nil)).(*openLineage)
		tr.transport = func(ctx context.Context, _ *slog.Logger, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}
		if err := tr.Start(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		start, s := time.Now(), ordersSchema()
		for i := range mostDatasets + 10 {
			lineageBatch(t, tr, record.FromSource, ordersRecord("t"+strings.Repeat("x", i), s))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("records waited %s", took)
		}
		if err := tr.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != lastReports {
			t.Errorf("the stop took %s, want %s", took, lastReports)
		}
		for _, text := range []string{"reports were left out", "of so many topics and no more"} {
			if strings.Count(h.log.String(), text) != 1 {
				t.Errorf("%q is said %d times, want once", text, strings.Count(h.log.String(), text))
			}
		}
	})
}

// TestLineageEndsWithItsContext: a stop that has no time left waits no second.
func TestLineageEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := configured(t, "open_lineage", lineageConfig(nil)).(*openLineage)
		tr.transport = func(ctx context.Context, _ *slog.Logger, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}
		if err := tr.Start(t.Context(), &lineageHost{}); err != nil {
			t.Fatal(err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := tr.Stop(over); err != nil || time.Since(start) != 0 {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

// TestLineageOfManySchemas: a topic whose schema never stays is reported a hundred times and no more.
func TestLineageOfManySchemas(t *testing.T) {
	t.Parallel()
	h := &lineageHost{}
	tr := configured(t, "open_lineage", lineageConfig(nil)).(*openLineage)
	tr.reports, tr.log, tr.said = make(chan lineageReport, 10*mostSchemas), h.Logger(), map[string]bool{}
	for i := range 2 * mostSchemas {
		lineageBatch(t, tr, record.FromSource, ordersRecord("orders", ordersSchema("f"+strings.Repeat("x", i))))
	}
	if got := len(tr.reports); got != mostSchemas {
		t.Errorf("got %d reports, want %d", got, mostSchemas)
	}
	if got := strings.Count(h.log.String(), "schemas of a topic and no more"); got != 1 {
		t.Errorf("said %d times, want once", got)
	}
}

// TestLineageOfAPreviewIsNotReported: what is not started reports nothing.
func TestLineageOfAPreviewIsNotReported(t *testing.T) {
	t.Parallel()
	tr := configured(t, "open_lineage", lineageConfig(nil)).(*openLineage)
	sent := 0
	tr.transport = func(context.Context, *slog.Logger, []byte) error { sent++; return nil }
	lineageBatch(t, tr, record.FromSource, ordersRecord("orders", ordersSchema()))
	if err := tr.Stop(t.Context()); err != nil || sent != 0 {
		t.Errorf("got %v and %d events, want none", err, sent)
	}
}

func TestLineageSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugin.Config
		key, says string
	}{
		{plugin.Config{"transport.type": "kafka"}, "transport.type", "console, file, http"},
		{plugin.Config{"transport.type": "http"}, "transport.url", "needs transport.url"},
		{plugin.Config{"transport.type": "http", "transport.url": "marquez:5000"}, "transport.url", "http://host:port"},
		{plugin.Config{"transport.type": "http", "transport.url": "http://me:hush@marquez"}, "transport.url", "a user in it"},
		{plugin.Config{"transport.type": "file"}, "transport.location", "needs transport.location"},
		{plugin.Config{"transport.url": "http://marquez"}, "transport.url", "is for transport.type http"},
		{plugin.Config{"transport.type": "file", "transport.location": "x", "transport.auth.api.key": "hush"}, "transport.auth.api.key", "is for transport.type http"},
		{plugin.Config{"transport.location": "x"}, "transport.location", "is for transport.type file"},
		{plugin.Config{"job.tags": "prod"}, "job.tags", "name=value"},
		{plugin.Config{"job.owners": "=x"}, "job.owners", "name=value"},
		{plugin.Config{"job.name": ""}, "job.name", ""},
		{plugin.Config{"transport.timeout.ms": "0"}, "transport.timeout.ms", ""},
	} {
		err := newOpenLineage(plugin.NoTarget).Configure(lineageConfig(c.Config))
		e, ok := errors.AsType[*plugin.ConfigError](err)
		if !ok || e.Key != c.key || !strings.Contains(e.Reason, c.says) || strings.Contains(e.Reason, "hush") {
			t.Errorf("%v: got %v, want one of %s that says %q", c.Config, err, c.key, c.says)
		}
	}
}

// TestLineageCostsNothing: of records whose schema is known nothing is allocated.
func TestLineageCostsNothing(t *testing.T) {
	tr := configured(t, "open_lineage", lineageConfig(nil)).(*openLineage)
	if err := tr.Start(t.Context(), &lineageHost{}); err != nil {
		t.Fatal(err)
	}
	b, one, other := record.NewBatch(record.ToSink, new(record.Partitions)), ordersSchema(), ordersSchema("note")
	for i := range batchSize { // they take turns
		*b.Append() = ordersRecord([]string{"a", "b"}[i%2], []*record.Schema{one, other}[i/2%2])
	}
	if allocs := testing.AllocsPerRun(20, func() {
		if err := tr.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("got %v allocations, want none", allocs)
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
