package hcl_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Constructors of plugins that nothing starts: a load only reads descriptors.
var (
	source    = func() plugin.Source { return nil }
	sink      = func() plugin.Sink { return nil }
	transform = func(plugin.Target) plugin.Transform { return nil }
	predicate = func() plugin.Predicate { return nil }
	converter = func() plugin.Converter { return nil }
)

func fields(names ...string) plugin.Spec {
	var s plugin.Spec
	for _, n := range names {
		f := plugin.Setting{Name: n, Type: plugin.StringType}
		switch {
		case strings.HasSuffix(n, "[]"):
			f.Name, f.Type = strings.TrimSuffix(n, "[]"), plugin.ListType
		case strings.HasSuffix(n, "?"):
			f.Name, f.Type = strings.TrimSuffix(n, "?"), plugin.BooleanType
		case strings.HasSuffix(n, "password"):
			f.Type = plugin.PasswordType
		}
		s.Fields = append(s.Fields, f)
	}
	return s
}

// registry has the plugins of the language reference's examples.
func registry(t testing.TB) *plugin.Registry {
	t.Helper()
	smt, kafka := "org.apache.kafka.connect.transforms.", "org.apache.kafka.connect."
	r, err := plugin.NewRegistry([]plugin.Descriptor{
		{Name: "file", Class: kafka + "file.FileStreamSourceConnector", NewSource: source, Spec: fields("file", "topic", "batch.size")},
		{Name: "file", Class: kafka + "file.FileStreamSinkConnector", NewSink: sink, Spec: fields("file")},
		{Name: "jdbc", Class: "io.confluent.connect.jdbc.JdbcSourceConnector", NewSource: source, Spec: fields(
			"connection.url", "connection.user", "connection.password", "mode", "timestamp.column.name", "incrementing.column.name",
			"table.whitelist[]", "topic.prefix", "poll.interval.ms", "ssl.key.password", "query", "table.name.format")},
		{Name: "postgres", Class: "io.debezium.connector.postgresql.PostgresConnector", NewSource: source, Spec: fields(
			"database.hostname", "database.dbname", "topic.prefix", "plugin.name")},
		{Name: "mysql", Class: "io.debezium.connector.mysql.MySqlConnector", NewSource: source, Spec: fields(
			"database.hostname", "database.server.id", "topic.prefix")},
		{Name: "elasticsearch", Class: "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", NewSink: sink, Spec: fields(
			"connection.url", "connection.password", "key.ignore?", "behavior_on_null")},
		{Name: "s3", Class: "com.acme.connect.S3SinkConnector", NewSink: sink, Spec: fields(
			"flush.size", "storage.url", "aws_access_key_id", "table_name.format", "2nd.region")},

		{Name: "json", Class: kafka + "json.JsonConverter", NewConverter: converter, Spec: fields("schemas.enable?", "decimal.format")},
		{Name: "string", Class: kafka + "storage.StringConverter", NewConverter: converter, Spec: fields("converter.encoding")},
		{Name: "avro", Class: "io.confluent.connect.avro.AvroConverter", NewConverter: converter, Spec: fields(
			"schema.registry.url[]", "auto.register.schemas?", "use.latest.version?")},

		{Name: "topic_name_matches", Class: smt + "predicates.TopicNameMatches", NewPredicate: predicate, Spec: fields("pattern")},
		{Name: "has_header_key", Class: smt + "predicates.HasHeaderKey", NewPredicate: predicate, Spec: fields("name")},
		{Name: "record_is_tombstone", Class: smt + "predicates.RecordIsTombstone", NewPredicate: predicate},

		{Name: "expression", Class: "penstock.predicates.Expression", NewPredicate: predicate, Spec: fields("expression")},

		{Name: "mask_field", Class: smt + "MaskField", Targets: true, NewTransform: transform, Spec: fields("fields[]", "replacement")},
		{Name: "extract_field", Class: smt + "ExtractField", Targets: true, NewTransform: transform, Spec: fields("field")},
		{Name: "insert_field", Class: smt + "InsertField", Targets: true, NewTransform: transform, Spec: fields("static.field", "static.value")},
		{Name: "replace_field", Class: smt + "ReplaceField", Targets: true, NewTransform: transform, Spec: fields("include[]", "exclude[]", "renames[]")},
		{Name: "regex_router", Class: smt + "RegexRouter", NewTransform: transform, Spec: fields("regex", "replacement")},
		{Name: "drop", Class: smt + "Filter", NewTransform: transform},
		{Name: "unwrap", Class: "io.debezium.transforms.ExtractNewRecordState", NewTransform: transform, Spec: fields("drop.tombstones?")},
		{Name: "redact", Class: "com.acme.smt.Redact", Targets: true, NewTransform: transform, Spec: fields("target", "mode")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// options are those of most tests: an empty environment.
func options(t testing.TB) hcl.Options {
	return hcl.Options{Registry: registry(t), Env: func(string) (string, bool) { return "", false }}
}

// folder writes files into a folder of their own.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render prints messages as people see them, with the folder left out of file names.
func render(t testing.TB, dir string, p *hcl.Project, found diag.List) string {
	t.Helper()
	strip := func(s string) string { return strings.ReplaceAll(s, dir+string(filepath.Separator), "") }
	shown := slices.Clone(found)
	for i := range shown {
		shown[i].Place.File = strip(shown[i].Place.File)
		shown[i].Detail = strip(shown[i].Detail)
	}
	var b bytes.Buffer
	printer := diag.Printer{Source: func(f string) ([]byte, error) { return p.Source(filepath.Join(dir, f)) }}
	if err := printer.Print(&b, shown); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// properties prints a flat map in its order.
func properties(d *config.Declared) string {
	var b strings.Builder
	for _, k := range d.Map.Keys() {
		b.WriteString(k + "=" + d.Map[k] + "\n")
	}
	return b.String()
}

// load loads the given text as one file and fails the test on any message.
func load(t testing.TB, text string, change ...func(*hcl.Options)) *hcl.Project {
	t.Helper()
	dir := folder(t, map[string]string{"a.hcl": text})
	o := options(t)
	for _, f := range change {
		f(&o)
	}
	p, found := hcl.Load(dir, o)
	if len(found) > 0 {
		t.Fatalf("unexpected messages:\n%s", render(t, dir, p, found))
	}
	return p
}

// golden compares with a section of an archive, or rewrites it.
func golden(t *testing.T, file string, a *txtar.Archive, section, got string) {
	t.Helper()
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == section })
	if *update {
		if i < 0 {
			a.Files = append(a.Files, txtar.File{Name: section})
			i = len(a.Files) - 1
		}
		a.Files[i].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := ""
	if i >= 0 {
		want = string(a.Files[i].Data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got, rewrite with -update):\n%s", section, diff)
	}
}

// archives runs a test for every archive of a folder, with its files, other than those of results, written out.
func archives(t *testing.T, pattern string, run func(t *testing.T, file string, a *txtar.Archive, dir string)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			inputs := map[string]string{}
			for _, f := range a.Files {
				if !strings.HasPrefix(f.Name, "want") {
					inputs[f.Name] = string(f.Data)
				}
			}
			run(t, file, a, folder(t, inputs))
		})
	}
}

// TestMessages holds every message of the language reference, whole.
func TestMessages(t *testing.T) {
	t.Parallel()
	archives(t, "testdata/messages/*.txtar", func(t *testing.T, file string, a *txtar.Archive, dir string) {
		p, found := hcl.Load(dir, options(t))
		if len(found) == 0 {
			t.Fatal("no message")
		}
		golden(t, file, a, "want", render(t, dir, p, found))
	})
}

// TestExamples holds the flat maps of the language reference's examples.
func TestExamples(t *testing.T) {
	t.Parallel()
	archives(t, "testdata/examples/*.txtar", func(t *testing.T, file string, a *txtar.Archive, dir string) {
		o := options(t)
		o.Env = func(name string) (string, bool) {
			v, ok := map[string]string{"KAFKA_PASSWORD": "k-secret", "SSL_KEY_PASSWORD": "s-secret", "ENGINE_VAR_db_password": "d-secret"}[name]
			return v, ok
		}
		p, found := hcl.Load(dir, o)
		if len(found) > 0 {
			t.Fatalf("unexpected messages:\n%s", render(t, dir, p, found))
		}
		var b strings.Builder
		for _, d := range p.Pipelines {
			b.WriteString(strings.TrimSpace("# "+d.Label+" "+string(d.Target)) + "\n" + properties(d))
		}
		if p.Worker != nil {
			b.WriteString("# worker\n" + properties(p.Worker))
		}
		golden(t, file, a, "want", b.String())
	})
}

var expected = regexp.MustCompile(`# (ERROR|WARNING) "((?:[^"\\]|\\.)*)"`)

// TestAnnotated checks sources that say on the line of each mistake what is said of it; what is said elsewhere fails too.
func TestAnnotated(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.Version, o.ForCluster, o.Cluster = "1.2.0", filepath.Base(file) == "cluster.hcl", "prod"
			_, found := hcl.Load(file, o)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(string(text), "\n") {
				for _, m := range expected.FindAllStringSubmatch(line, -1) {
					re := regexp.MustCompile(strings.ReplaceAll(m[2], `\"`, `"`))
					at := slices.IndexFunc(found, func(d diag.Diagnostic) bool {
						said := string(d.Code) + " " + strings.Join(strings.Fields(d.Detail), " ")
						return d.Place.Line == i+1 && strings.ToUpper(d.Severity.String()) == m[1] && re.MatchString(said)
					})
					if at < 0 {
						t.Errorf("%s:%d: no %s matches %q", file, i+1, m[1], m[2])
						continue
					}
					found = slices.Delete(found, at, at+1)
				}
			}
			for _, d := range found {
				t.Errorf("unexpected: %s", d.Error())
			}
		})
	}
}
