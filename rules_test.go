// Package penstock_test holds the rules that the compiler does not: who may import whom.
package penstock_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/penstock/penstock/"

// rooms is the table of who may import whom, inside the module. A package that is not here fails until someone puts it
// here, which is when its place gets discussed. Tests may also import what stands in testOnly.
var rooms = map[string][]string{
	"engine/diag":   {},
	"engine/record": {},
	"engine/plugin": {"engine/record"},
	"engine/config": {"engine/diag", "engine/plugin"},
	"store":         {"engine/config"},
	// What takes a cluster to what a project declares: below commands and REST, above the flat map.
	"engine/diff":  {"engine/config", "engine/diag", "engine/plugin"},
	"engine/graph": {"engine/config", "engine/diag", "engine/plugin"},

	// Kafka's properties of TLS, which clients of Kafka and of a schema registry have: below both.
	"engine/ssl": {"engine/plugin"},

	"engine/internal/kafka":  {"engine/config", "engine/diag", "engine/plugin", "engine/ssl"},
	"engine/internal/member": {"engine/diag", "engine/internal/kafka", "store"},
	"engine/internal/leader": {"engine/config", "engine/internal/member", "store"},
	"engine/internal/task":   {"engine/config", "engine/diag", "engine/graph", "engine/internal/kafka", "engine/plugin", "engine/record", "store"},
	"engine/internal/worker": {"engine/config", "engine/diag", "engine/graph", "engine/internal/member", "engine/internal/task", "engine/plugin", "store"},
	"engine": {
		"engine/config", "engine/diag", "engine/graph", "engine/internal/kafka", "engine/internal/leader",
		"engine/internal/member", "engine/internal/task", "engine/internal/worker", "engine/plugin", "store",
	},
	// Rooms of their own beside the engine: whoever embeds the engine as a library must not link a broker or a registry.
	"engine/broker":   {"engine/config", "engine/diag", "engine/internal/kafka"},
	"engine/registry": {"engine/diag", "engine/internal/kafka", "engine/registry/schema"},
	// What a registry and converters alike ask of schemas; neither knows who asks.
	"engine/registry/schema": {"engine/jsonschema"},
	"engine/jsonschema":      {},

	"store/memory": {"store"},
	"store/file":   {"engine/config", "store"},
	"store/topic":  {"engine/config", "engine/diag", "store"},

	"api": {"engine/config", "engine/diag", "engine/graph", "engine/plugin", "store"},
	"hcl": {"engine/config", "engine/diag", "engine/plugin"},

	"plugins":           {"engine/plugin", "plugins/*"},
	"plugins/file":      pluginRoom,
	"plugins/datagen":   pluginRoom,
	"plugins/blackhole": pluginRoom,
	"plugins/transform": {"engine/plugin", "engine/record", "plugins/condition", "plugins/transform/jsonpath"}, // the two languages of settings

	"plugins/transform/jsonpath": pluginRoom,
	"plugins/jackson":            pluginRoom, // JSON text, which two rooms of converters read and write
	"plugins/convert":            {"engine/plugin", "engine/record", "plugins/jackson"},
	"plugins/condition":          {"engine/diag", "engine/plugin", "engine/record"},

	// What every converter with a schema registry shares.
	"plugins/registry": append([]string{"engine/registry/schema", "engine/ssl"}, pluginRoom...),
	"plugins/avro":     append([]string{"plugins/registry"}, pluginRoom...),
	"plugins/protobuf": append([]string{"engine/registry/schema", "plugins/registry"}, pluginRoom...),

	"plugins/jsonschema": append([]string{"engine/jsonschema", "plugins/jackson", "plugins/registry"}, pluginRoom...),

	"cmd/engine": {
		"api", "engine", "engine/broker", "engine/config", "engine/diag", "engine/diff", "engine/graph", "engine/plugin",
		"engine/record", "engine/registry", "hcl", "plugins", "store", "store/file", "store/memory", "store/topic",
	},

	// The benchmark: measuring programs, not part of the binary.
	"bench/rows":   {},
	"bench/broker": {"bench/rows"},
	"bench/limit":  {"bench/rows"},
	"bench/run":    {"bench/rows"},
	"bench/host":   {"bench/rows", "engine", "engine/config", "engine/plugin", "engine/record", "hcl", "plugins", "store/file"},

	// Suites and helpers for tests.
	"engine/plugin/plugintest":        {"engine/plugin", "engine/record"},
	"engine/plugin/plugintest/vector": {"engine/plugin", "engine/record"},
	"engine/internal/kafka/kafkatest": {"engine/internal/kafka"},
	"plugins/registry/registrytest":   {"engine/plugin"},
	"engine/internal/compat":          {},
	"engine/internal/clustertest":     {},
	// The model, and the code beside it: its tests are the only ones that see leader and worker together.
	"engine/internal/leader/model": {
		"engine/config", "engine/graph", "engine/internal/leader", "engine/internal/member", "engine/internal/task",
		"engine/internal/worker", "engine/plugin", "store", "store/memory",
	},
	"store/storetest":    {"engine/config", "store"},
	"testdata/accesslog": {},
}

var pluginRoom = []string{"engine/plugin", "engine/record"}

// testOnly is what test files of every room may import beyond its row.
var testOnly = []string{
	"engine/plugin/plugintest", "engine/plugin/plugintest/vector", "engine/internal/kafka/kafkatest", "plugins/registry/registrytest", "store/storetest",
	"store/memory", "engine/record", "engine/plugin", "engine/diag", "engine/config", "engine/graph", "store",
}

func TestImports(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == ".engine") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		room := path.Dir(filepath.ToSlash(file))
		if room == "." {
			return nil
		}
		seen[room] = true
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s: package %s has no row in the table of imports", file, room)
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			other, inside := strings.CutPrefix(imported, module)
			if !inside || other == room || allows(allowed, other) {
				continue
			}
			if strings.HasSuffix(file, "_test.go") && (slices.Contains(testOnly, other) || strings.HasPrefix(room, "cmd/") || room == "engine") {
				continue
			}
			t.Errorf("%s imports %s, which its row in the table of imports does not allow", file, other)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("the table of imports has a row for %s, which does not exist", room)
		}
	}
}

func allows(row []string, other string) bool {
	return slices.ContainsFunc(row, func(pattern string) bool {
		ok, err := path.Match(pattern, other)
		return err == nil && ok
	})
}
