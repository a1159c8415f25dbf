package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/plugins"
)

// TestConnectorVectors validates the connector properties of recorded chains, over REST. Those that Kafka Connect cannot make
// a chain of are refused here too; how it says so where nobody validates first, nobody sees. (plugins: TestChains runs those
// that are chains.)
func TestConnectorVectors(t *testing.T) {
	t.Parallel()
	w := startWorker(t, nil)
	for _, file := range []string{"chains.jsonl", "ext-chains.jsonl"} {
		t.Run(file, func(t *testing.T) {
			vector.Run(t, file, func(v *vector.Case) bool {
				return v.Request.Op == "connector" && (v.Request.Validate || v.Expect.Error != nil && v.Expect.Error.Stage == "configure")
			}, func(v *vector.Case) error {
				if why := validatedOtherwise[v.ID]; why != "" {
					return vector.Skip("%s", why)
				}
				found, refusal, err := w.validated(t, v.Request.Props)
				switch {
				case err != nil:
					return err
				case v.Request.Validate && refusal != "":
					return fmt.Errorf("got %s, want a verdict", refusal)
				case v.Request.Validate:
					want := v.Expect.OK.Errors
					if diff := cmp.Diff(want, found); diff != "" {
						return fmt.Errorf("want(-) got(+):\n%s", diff)
					}
				case len(found) == 0 && refusal == "" && !checked(t, v.Request.Props).HasErrors():
					return fmt.Errorf("got no error, want one: %s", *v.Expect.Error.Message)
				}
				return nil
			})
		})
	}
}

// validatedOtherwise are verdicts that differ on purpose.
var validatedOtherwise = map[string]string{
	"D2343": "a class looks at its settings once none is missing, so the mistake in the other one is told after that",
	"D2344": "what is missing is told once, not again by the check of a value that is not there",
	"D2350": "what is missing is told once, not again by the check of a value that is not there",
	"D2378": "of a version that is no range the mistake is told, not that no plugin has it",
}

// checked is what the engine says of the same settings before it runs them.
func checked(t *testing.T, props map[string]string) diag.List {
	t.Helper()
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		t.Fatal(err)
	}
	worker, found := config.ReadWorker(&config.Declared{Map: config.Map{}}, registry)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	return config.Check(&config.Declared{Map: sinkOf(props)}, worker, registry)
}

// sinkOf are settings of a sink with a chain.
func sinkOf(props map[string]string) config.Map {
	all := config.Map{"name": "vector", "connector.class": "FileStreamSink", "topics": "orders"}
	maps.Copy(all, props)
	return all
}

// validated is what validation says of the settings of a sink's chain, setting by setting, or why it says nothing.
func (w *restWorker) validated(t *testing.T, props map[string]string) (found map[string][]string, refusal string, err error) {
	t.Helper()
	body, err := json.Marshal(sinkOf(props))
	if err != nil {
		return nil, "", err
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+w.address+"/connector-plugins/FileStreamSink/config/validate", bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, strings.TrimSpace(string(text)), err
	}
	var verdict struct {
		Configs []struct {
			Value struct {
				Name   string
				Errors []string
			}
		}
	}
	if err := json.Unmarshal(text, &verdict); err != nil {
		return nil, "", err
	}
	found = map[string][]string{}
	for _, c := range verdict.Configs {
		if len(c.Value.Errors) > 0 {
			found[c.Value.Name] = c.Value.Errors
		}
	}
	return found, "", nil
}
