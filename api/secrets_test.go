package api_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// vaultSettings are a worker with a config provider "file", and the file that it reads.
func vaultSettings(t *testing.T, secrets string) (file string, change func(*api.Settings, *config.Worker)) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "vault.properties")
	if err := os.WriteFile(file, []byte(secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := plugin.NewRegistry([]plugin.Descriptor{{
		Name: "file", Class: "org.apache.kafka.connect.file.FileStreamSourceConnector", Version: "1", Doc: "A source.",
		Spec: plugin.Spec{Fields: []plugin.Setting{{Name: "topic", Type: plugin.StringType, Doc: "A topic."}}}, NewSource: func() plugin.Source { return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	w, found := config.ReadWorker(&config.Declared{Map: config.Map{
		"config.providers": "file", "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
	}}, r)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	return file, func(s *api.Settings, _ *config.Worker) { s.Worker, s.Registry = w, r }
}

// TestValidationSeesSecretsAndHidesThem: references are validated by what they stand for, which no answer shows
// (invariant 6).
func TestValidationSeesSecretsAndHidesThem(t *testing.T) {
	t.Parallel()
	file, change := vaultSettings(t, "number=4\nword=hunter7\ntiny=??\n")
	for name, c := range map[string]struct {
		key, reference string
		code           int
		want           string
	}{
		"a number":   {"tasks.max", "number", 200, `"error_count":0`},
		"a word":     {"tasks.max", "word", 200, `Invalid value [hidden] for configuration tasks.max`},
		"a short":    {"tasks.max", "tiny", 200, `Invalid value [hidden] for configuration tasks.max`},
		"missing":    {"tasks.max", "nothing", 500, `has no key \"nothing\"`},
		"a client":   {"producer.override.linger.ms", "word", 500, `Invalid value [hidden] for configuration linger.ms`},
		"a class":    {"connector.class", "word", 500, `which name matches [hidden]`},
		"a subclass": {"value.converter", "word", 200, `Invalid value [hidden] for configuration value.converter`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := map[string]string{"connector.class": "FileStreamSource", "name": "n", "topic": "t", c.key: "${file:" + file + ":" + c.reference + "}"}
			var body []string
			for k, v := range m {
				body = append(body, `"`+k+`":"`+v+`"`)
			}
			path := "/connector-plugins/FileStreamSource/config/validate"
			if c.key == config.ConnectorClass {
				path = "/connector-plugins/%7D/config/validate" // the end of the reference
			}
			got := do(newServer(t, &fake{}, change), "PUT", path, "{"+strings.Join(body, ",")+"}")
			if got.Code != c.code || !strings.Contains(got.Body.String(), c.want) || strings.Contains(got.Body.String(), "hunter7") {
				t.Errorf("got %d %s, want %d with %q and without the secret", got.Code, got.Body, c.code, c.want)
			}
		})
	}
}
