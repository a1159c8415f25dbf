package registry

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pythonEnvironment names the variable with a Python that has confluent-kafka; `make compat` makes one.
const pythonEnvironment = "ENGINE_TEST_PYTHON"

// TestPythonClient runs Confluent's Python client with its three serializers against the registry and its broker.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	python := os.Getenv(pythonEnvironment)
	if python == "" {
		t.Skip(pythonEnvironment + " names no Python with confluent-kafka")
	}
	r := start(t)
	args := []string{filepath.Join("..", "..", "testdata", "python", "registry.py"), r.URL(), r.settings.Bootstrap}
	for _, name := range []string{"avro", "json", "protobuf"} {
		args = append(args, r.cluster.CreateTopic("python-"+name, 1, nil))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	text, err := exec.CommandContext(ctx, python, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"client: ", "avro: 2 records", "json: 2 records", "protobuf: 2 records"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got\n%s\nwant %q", text, want)
		}
	}
}
