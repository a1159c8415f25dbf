package jsonschema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jsonschema"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func converter(tb testing.TB, url string, config plugin.Config) plugin.Converter {
	tb.Helper()
	return registrytest.Converter(tb, jsonschema.Descriptor(), url, config)
}

// frame puts the id of a schema before a payload.
func frame(id byte, payload string) []byte { return append([]byte{0, 0, 0, 0, id}, payload...) }

// errorsOf is an error with all that it wraps, as people read it.
func errorsOf(err error) string {
	var all []string
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return strings.Join(all, " <- ")
}

// recorded is a case of json-schema.jsonl: what the genuine JsonSchemaData made of a schema and data.
type recorded struct {
	ID      string
	Request struct {
		vector.Typed
		Dir        string
		Config     plugin.Config
		JSONSchema string `json:"json_schema"`
		Payload    string
		Version    int
		References map[string]string
	}
	Expect struct {
		OK *struct {
			vector.Typed
			JSONSchema string `json:"json_schema"`
			Payload    *string
		}
		Error *struct{ Class, Message, Cause string }
	}
}

// TestRecorded runs what the genuine class answered.
func TestRecorded(t *testing.T) {
	t.Parallel()
	vector.RunLines(t, "json-schema.jsonl", func(c *recorded) string { return c.ID }, func(t *testing.T, c *recorded) error {
		if c.Request.Dir == "write" {
			return tryWrite(t, c)
		}
		return tryRead(t, c)
	})
}

func tryWrite(t *testing.T, c *recorded) error {
	reg := registrytest.Start(t)
	d, err := c.Request.Datum()
	if err != nil {
		return err
	}
	out, err := converter(t, reg.URL(), c.Request.Config).AppendData([]byte{}, "t", d)
	if c.Expect.Error != nil {
		return says(err, c.Expect.Error.Message)
	}
	if err != nil {
		return errors.New(errorsOf(err))
	}
	if c.Expect.OK.Payload == nil {
		if out != nil {
			return fmt.Errorf("got %q, want the null message", out)
		}
		return nil
	}
	stored, _ := reg.GetSchema("t-value", 1)
	if got, want := stored.Schema.Schema, c.Expect.OK.JSONSchema; got != want {
		return fmt.Errorf("schema:\n got %s\nwant %s", got, want)
	}
	return vector.CompareBytes(frame(1, *c.Expect.OK.Payload), out)
}

func tryRead(t *testing.T, c *recorded) error {
	text := sr.Schema{Schema: c.Request.JSONSchema, Type: sr.TypeJSON}
	for name := range c.Request.References {
		text.References = append(text.References, sr.SchemaReference{Name: name, Subject: name, Version: 1})
	}
	conv := converter(t, serving(t, text, c.Request.References), c.Request.Config)
	for range 2 { // the second time goes by what is remembered
		got, err := conv.ReadData(new(record.Arena), "t", frame(1, c.Request.Payload))
		if c.Expect.Error != nil {
			if err == nil {
				return fmt.Errorf("got %s, want the error %s", vector.Show(got.Value), c.Expect.Error.Message)
			}
			if strings.HasSuffix(c.Expect.Error.Class, "DataException") && !strings.Contains(errorsOf(err), c.Expect.Error.Message) {
				return fmt.Errorf("got %s, want %s", errorsOf(err), c.Expect.Error.Message)
			}
			continue
		}
		if err != nil {
			return errors.New(errorsOf(err))
		}
		want, err := c.Expect.OK.Datum()
		if err != nil {
			return err
		}
		if err := vector.CompareDatum(want, got); err != nil {
			return fmt.Errorf("%s as %s: %w", c.Request.Payload, c.Request.JSONSchema, err)
		}
	}
	return nil
}

// serving is a registry that has one schema, and those that it refers to, whatever they are.
func serving(tb testing.TB, text sr.Schema, references map[string]string) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]any{"id": 1, "version": 1, "subject": "t-value", "schema": text.Schema, "schemaType": "JSON", "references": text.References}
		for name, other := range references {
			if strings.Contains(r.URL.Path, "/subjects/"+name) {
				answer = map[string]any{"id": 2, "version": 1, "subject": name, "schema": other, "schemaType": "JSON"}
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

func says(err error, words ...string) error {
	for _, w := range words {
		if err == nil || !strings.Contains(errorsOf(err), w) {
			return fmt.Errorf("got %s, want an error that says %q", errorsOf(err), w)
		}
	}
	return nil
}
