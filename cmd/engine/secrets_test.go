package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/store/memory"
)

// vaultProject is a project whose worker and pipelines take secrets from a file in its folder. One pipeline fails with a
// message that holds its secret.
func vaultProject(t *testing.T) string {
	t.Helper()
	address, authority := secured(t, "")
	dir := t.TempDir()
	write(t, dir, "ca.pem", authority)
	write(t, dir, "vault.properties", "kafka="+password+"\ndb="+password+"-db\nmissing=/no/such/folder/"+password+"\n")
	write(t, dir, "in.txt", "one\ntwo\n")
	vault := filepath.Join(dir, "vault.properties")
	write(t, dir, "p.hcl", fmt.Sprintf(`
worker {
  listeners         = ["http://127.0.0.1:0"]
  bootstrap_servers = [%[1]q]
  security_protocol = "SASL_SSL"
  ssl {
    truststore_type     = "PEM"
    truststore_location = %[2]q
  }
  sasl {
    mechanism = "SCRAM-SHA-512"
    username  = "connect"
    password  = secret("vault:%[3]s:kafka")
  }
  config_provider "file" "vault" {
    param_allowed_paths = %[4]q
  }
}
pipeline "in" {
  source "file" {
    file  = "%[4]s/in.txt"
    topic = "lines"
    config = { "connection.password" = secret("vault:%[3]s:db") }
  }
  value_converter "string" {}
}
pipeline "out" {
  sink "file" {
    file   = "%[4]s/out.txt"
    topics = ["lines"]
  }
  value_converter "string" {}
  transform "hoist_field" "wrap" { field = "line" }
  transform "insert_field" "token" {
    static_field = "token"
    static_value = secret("vault:%[3]s:db")
  }
  transform "mask_field" "hide" { fields = ["token"] }
}
pipeline "fails" {
  sink "file" {
    file   = "${"$"}{vault:%[3]s:missing}/out.txt"
    topics = ["lines"]
  }
  value_converter "string" {}
}
`, address, filepath.Join(dir, "ca.pem"), vault, dir))
	return dir
}

// TestNoSecretAnywhere greps a run for its secrets (invariant 6): in what it prints and logs, in its statuses, in its
// state on the disk, and in everything that other commands say of the project.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	dir := vaultProject(t)
	said, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput()
	if err == nil || !bytes.Contains(said, []byte("[hidden]")) {
		t.Errorf("the pipeline that was to fail with its secret did not: %v\n%s", err, said)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if want := "Struct{line=one,token=}\nStruct{line=two,token=}\n"; err != nil || string(out) != want {
		t.Errorf("out.txt: got %q, %v, want %q", out, err, want)
	}
	for _, args := range [][]string{
		{"validate", "."}, {"graph", "."}, {"graph", "-format", "json", "."}, {"graph", "-format", "dot", "."},
		{"graph", "-format", "mermaid", "."}, {"graph", "-format", "json", "-pipeline", "out", "."}, {"graph", "-pipeline", "in", "."},
	} {
		more, err := command(t, dir, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, more)
		}
		said = append(said, more...)
	}
	if bytes.Contains(said, []byte(password)) {
		t.Errorf("a secret was printed:\n%s", said)
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(dir, ".engine"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(password)) {
			t.Errorf("%s holds a secret", path)
		}
		if d.Name() == "state.db" && !bytes.Contains(text, []byte("vault.properties:db")) {
			t.Error("the state does not hold the reference, so this test looks at the wrong file")
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files of state, %v", files, err)
	}
}

// TestNoSecretOverREST greps everything that a running worker answers, logs, stores and tells its commands for the secrets
// of its pipelines and of its own (invariant 6), while one of them fails with its secret in the error. It walks the routes
// of the server, so that a route which is new is looked at too.
func TestNoSecretOverREST(t *testing.T) {
	t.Parallel()
	dir, data := vaultProject(t), t.TempDir()
	st, err := openStore(data)
	if err != nil {
		t.Fatal(err)
	}
	r := startRunOn(t, dir, false, st, "ENGINE_LOG", "debug")
	w := r.rest()
	w.waitFor(t, "/connectors/fails/tasks/0/status", "[hidden]")
	w.waitFor(t, "/connectors/in/offsets", "position")
	w.waitFor(t, "/connectors/out/offsets", "kafka_offset")
	s := &search{t: t, secret: password}
	s.routes(w)
	s.requests(w)
	for _, args := range [][]string{
		{"plan", dir}, {"plan", "-full", dir}, {"plan", "-json", dir}, {"import"}, {"import", "-inline-secrets"},
		{"status"}, {"status", "-trace"}, {"status", "-json"}, {"offsets", "in"}, {"offsets", "-json", "out"}, {"plugins"}, {"plugins", "-json"},
		{"logs"}, {"reload"}, {"reload", "-json"}, {"pause", "out"}, {"resume", "out"},
	} {
		s.grep(strings.Join(args, " "), tell(t, w, args...))
	}
	// A secret that is not there, and one that is no number.
	for _, wrong := range []string{`topic = secret("vault:%[1]s:nothing")`, "topic = \"t\"\n    batch_size = secret(\"vault:%[1]s:kafka\")"} {
		broken := "pipeline \"x\" {\n  source \"file\" {\n    file = \"x\"\n    " + fmt.Sprintf(wrong, filepath.Join(dir, "vault.properties")) + "\n  }\n}\n"
		write(t, dir, "broken.hcl", broken)
		got := w.call(t, http.MethodPost, "/reload", "")
		if s.grep("a reload of broken files", got.body); got.status != http.StatusBadRequest {
			t.Errorf("%s: got %s, want 400", broken, got)
		}
		s.grep("/config after it", w.call(t, http.MethodGet, "/config", "").body)
	}
	for _, path := range []string{"/config", "/health", "/metrics"} {
		s.grep(path+" after it", w.call(t, http.MethodGet, path, "").body)
	}
	r.stop()
	s.grep("output and log", r.out.String())
	if !strings.Contains(r.out.String(), " DBG ") || !strings.Contains(r.out.String(), "[hidden]") {
		t.Errorf("the log is not the one to look at:\n%s", r.out)
	}
	s.folder(data)
	s.folder(r.run.data)
	if s.seen < 60 {
		t.Errorf("%d texts were looked at, so most are missing", s.seen)
	}
}

// TestNoSecretInACluster greps everything that a worker of a cluster answers, tells commands and keeps in its topics, where
// configurations are written and tasks stored by calls.
func TestNoSecretInACluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	vault := write(t, dir, "vault.properties", "db="+password+"-db\nkafka="+password+"\nmissing=/no/such/folder/"+password+"\n")
	k := startTestKafka(t, "lines")
	w := startShared(t, k, textConverters("config.providers", "vault", "config.providers.vault.class", "org.apache.kafka.common.config.provider.FileConfigProvider"))
	for name, m := range map[string]map[string]string{
		"in":    {"connector.class": "FileStreamSource", "file": write(t, dir, "in.txt", "one\n"), "topic": "lines", "connection.password": "${vault:" + vault + ":db}"},
		"out":   {"connector.class": "FileStreamSink", "file": filepath.Join(dir, "out.txt"), "topics": "lines", "connection.password": "${vault:" + vault + ":db}"},
		"fails": {"connector.class": "FileStreamSink", "file": "${vault:" + vault + ":missing}/out.txt", "topics": "lines"},
	} {
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.call(t, http.MethodPut, "/connectors/"+name+"/config", string(body)); got.status != http.StatusCreated {
			t.Fatal(got)
		}
	}
	w.waitFor(t, "/connectors/fails/tasks/0/status", "[hidden]")
	w.waitFor(t, "/connectors/in/offsets", "position")
	w.waitFor(t, "/connectors/out/offsets", "kafka_offset")
	s := &search{t: t, secret: password}
	s.routes(w)
	s.requests(w)
	for _, args := range [][]string{{"import"}, {"import", "-inline-secrets"}, {"status", "-trace"}, {"status", "-json"}, {"offsets", "in"}, {"plugins", "-json"}, {"logs"}} {
		s.grep(strings.Join(args, " "), tell(t, w, args...))
	}
	w.end(t)
	references := 0
	for _, r := range recordsOf(t, k.servers, k.name("connect-configs"), k.name("connect-offsets"), k.name("connect-status")) {
		text := fmt.Sprintf("%s %s %s", r.Key, r.Value, r.Headers)
		s.grep("a record of "+r.Topic, text)
		references += strings.Count(text, "${vault:")
	}
	if s.seen < 100 || references == 0 {
		t.Errorf("%d texts were looked at and %d references seen, so most are missing", s.seen, references)
	}
}

// recordsOf is every record of topics, as they are now.
func recordsOf(t *testing.T, servers string, topics ...string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(servers, ",")...), kgo.ConsumeTopics(topics...), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]map[int32]int64{}
	open := 0
	ends.Each(func(o kadm.ListedOffset) {
		if left[o.Topic] == nil {
			left[o.Topic] = map[int32]int64{}
		}
		if left[o.Topic][o.Partition] = o.Offset; o.Offset > 0 {
			open++
		}
	})
	var all []*kgo.Record
	for open > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if all = append(all, r); r.Offset+1 == left[r.Topic][r.Partition] {
				open--
			}
		})
	}
	return all
}

// search looks for a secret.
type search struct {
	t      *testing.T
	secret string
	seen   int // texts looked at
}

func (s *search) grep(where, text string) {
	s.t.Helper()
	s.seen++
	if at := strings.Index(text, s.secret); at >= 0 {
		s.t.Errorf("%s holds a secret: …%.200s", where, text[max(0, at-100):])
	}
}

// routes asks for everything that the worker says can be read.
func (s *search) routes(w *restWorker) {
	s.t.Helper()
	var described struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(w.call(s.t, http.MethodGet, "/openapi.json", "").body), &described); err != nil {
		s.t.Fatal(err)
	}
	values := map[string][]string{"{n}": {"in", "out", "fails", "nothing"}, "{i}": {"0", "7"}, "{p}": {"FileStreamSink", "InsertField$Value", "FileConfigProvider"}, "{l}": {"root", restLogger}}
	queries := map[string][]string{
		"/": {"?expand=engine"}, "/connectors": {"?expand=info", "?expand=engine", "?expand=status&expand=info&expand=engine"},
		"/connectors/{n}": {"?expand=engine"}, "/connectors/{n}/status": {"?expand=engine"},
		"/connector-plugins": {"?connectorsOnly=false"}, "/graph": {"?format=dot", "?format=mermaid", "?format=json"},
	}
	for _, path := range slices.Sorted(maps.Keys(described.Paths)) {
		if described.Paths[path]["get"] == nil {
			continue
		}
		paths := []string{path}
		for variable, all := range values {
			var filled []string
			for _, p := range paths {
				for _, v := range all {
					filled = append(filled, strings.ReplaceAll(p, variable, v))
				}
			}
			slices.Sort(filled)
			paths = slices.Compact(filled)
		}
		found := false
		for _, p := range paths {
			if strings.Contains(p, "{") {
				s.t.Errorf("the test has no value for what stands in braces in %s", path)
			}
			for _, q := range append([]string{""}, queries[path]...) {
				got := w.call(s.t, http.MethodGet, p+q, "")
				s.grep(p+q, got.body)
				found = found || got.status < 400
			}
		}
		if !found {
			s.t.Errorf("%s: none of its answers was one that tells anything", path)
		}
	}
}

// requests sends calls that bring a configuration or a change, whose answers could say what its references stand for.
func (s *search) requests(w *restWorker) {
	s.t.Helper()
	for _, name := range []string{"in", "out", "fails"} {
		m := w.call(s.t, http.MethodGet, "/connectors/"+name+"/config", "").body
		if strings.HasPrefix(name, "in") != strings.Contains(m, "FileStreamSource") {
			s.t.Fatalf("the configuration of %s: got %s", name, m)
		}
		class := map[bool]string{true: "FileStreamSource", false: "FileStreamSink"}[name == "in"]
		// A number that is a secret does not parse, which is an error with the value in it.
		bad := strings.Replace(m, "{", `{"tasks.max":"${vault:`+s.vault(m)+`:kafka}","consumer.override.fetch.min.bytes":"${vault:`+s.vault(m)+`:kafka}",`, 1)
		for _, body := range []string{m, bad} {
			s.grep("a validation", w.call(s.t, http.MethodPut, "/connector-plugins/"+class+"/config/validate", body).body)
			s.grep("a change", w.call(s.t, http.MethodPut, "/connectors/"+name+"/config", body).body)
			s.grep("a creation", w.call(s.t, http.MethodPost, "/connectors", `{"name":"x","config":`+body+`}`).body)
		}
		s.grep("a restart", w.call(s.t, http.MethodPost, "/connectors/"+name+"/restart?includeTasks=true&onlyFailed=true", "").body)
		s.grep("an offset", w.call(s.t, http.MethodPatch, "/connectors/"+name+"/offsets", `{"offsets":[]}`).body)
	}
}

// vault is the path in the references of a configuration.
func (s *search) vault(m string) string {
	s.t.Helper()
	_, rest, _ := strings.Cut(m, "${vault:")
	path, _, found := strings.Cut(rest, ":")
	if !found {
		s.t.Fatalf("no reference in %s", m)
	}
	return path
}

// folder looks into every file of a folder.
func (s *search) folder(dir string) {
	s.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		s.grep(path, string(text))
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// TestSensitiveValuesAreMasked: what env() and sensitive variables give is in no message, also when a plugin says it.
func TestSensitiveValuesAreMasked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.hcl", `
worker {
  listeners = ["http://127.0.0.1:0"]
}
variable "folder" {
  sensitive = true
}
pipeline "environment" {
  sink "file" {
    file   = env("HIDDEN_FILE")
    topics = ["t"]
  }
}
pipeline "variable" {
  sink "file" {
    file   = "${var.folder}/out.txt"
    topics = ["t"]
  }
}
`)
	write(t, dir, "in.auto.vars.hcl", "folder = \"/no/such/"+password+"\"\n")
	c := command(t, dir, "run", "-until-idle", ".")
	c.Env = append(c.Env, "HIDDEN_FILE=/no/such/"+password+"/in.txt", "ENGINE_LOG=debug")
	said, err := c.CombinedOutput()
	if err == nil || bytes.Contains(said, []byte(password)) || bytes.Count(said, []byte("[hidden]")) < 2 {
		t.Errorf("got %v and:\n%s", err, said)
	}
	w := startRunOn(t, dir, false, memory.Open(), "HIDDEN_FILE", "/no/such/"+password+"/in.txt").rest()
	w.waitFor(t, "/connectors/variable/tasks/0/status", "[hidden]")
	s := &search{t: t, secret: password}
	for _, path := range []string{
		"/graph", "/graph?format=json", "/graph?format=dot", "/graph?format=mermaid", "/metrics", "/config", "/health", "/connectors?expand=status&expand=engine",
		"/connectors/environment/status?expand=engine", "/connectors/environment/offsets",
	} {
		s.grep(path, w.call(t, http.MethodGet, path, "").body)
	}
}

// TestRotatedSecret: a file of secrets that is replaced restarts the pipelines that use it, and no others.
func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secrets := write(t, dir, "secrets/path", filepath.Join(dir, "first.txt"))
	write(t, dir, "in.txt", "one\n")
	write(t, dir, "w.properties", "task.shutdown.graceful.timeout.ms=120000\nconfig.providers=dir\nconfig.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider\n"+
		"key.converter=org.apache.kafka.connect.storage.StringConverter\nvalue.converter=org.apache.kafka.connect.storage.StringConverter\n")
	write(t, dir, "in.properties", "name=in\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=lines\n")
	write(t, dir, "out.properties", "name=out\nconnector.class=FileStreamSink\ntopics=lines\nfile=${dir:"+filepath.Dir(secrets)+":path}\n")
	c := command(t, dir, "run", "w.properties", "in.properties", "out.properties")
	var said output
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	has := func(name, text string) {
		t.Helper()
		waitFor(t, name, func() bool { got, _ := os.ReadFile(filepath.Join(dir, name)); return string(got) == text })
	}
	has("first.txt", "one\n")
	if err := os.Rename(write(t, dir, "secrets/new", filepath.Join(dir, "second.txt")), secrets); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a line about the change", func() bool {
		return strings.Contains(said.String(), "secrets of the pipeline have changed, it restarts pipeline=out")
	})
	appendTo(t, filepath.Join(dir, "in.txt"), "two\n")
	has("second.txt", "two\n")
	if err := errors.Join(c.Process.Signal(os.Interrupt), c.Wait()); err != nil {
		t.Errorf("%v:\n%s", err, &said)
	}
	if text := said.String(); strings.Contains(text, "pipeline=in") {
		t.Errorf("the source was disturbed:\n%s", text)
	}
}
