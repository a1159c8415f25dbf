package main

import (
	"encoding/pem"
	"fmt"
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
)

// meanwhile is the standard input of somebody who takes their time: something happens before they answer.
type meanwhile struct {
	happens func()
	answer  io.Reader
}

func (m *meanwhile) Read(p []byte) (int, error) {
	if m.happens != nil {
		m.happens()
		m.happens = nil
	}
	return m.answer.Read(p)
}

// engineWhile is engineIn with something that happens after the plan has been shown, and before "yes".
func engineWhile(t *testing.T, happens func(), args ...string) (int, string) {
	t.Helper()
	said := &output{}
	in := &meanwhile{happens, strings.NewReader("yes\n")}
	status := execute(t.Context(), process{args: args, in: in, out: said, err: said, env: func(string) (string, bool) { return "", false }})
	return status, said.String()
}

// applied is a cluster that has the shop, in a folder with another text.
func applied(t *testing.T, edit ...string) (*connect, string) {
	t.Helper()
	c := newConnect()
	dir := shopOn(t, c, shopFile)
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", dir); status != 0 {
		t.Fatal(said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "shop.hcl", strings.NewReplacer(edit...).Replace(string(text)))
	c.writes = nil
	return c, dir
}

// TestWhatOthersDoMeanwhileIsRefused: what somebody else does while a plan waits for its "yes" is neither overwritten
// nor passed over in silence, and the next plan shows it.
func TestWhatOthersDoMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	const lines = `topic = "lines"`
	byHand := func(c *connect) { c.configs["lines"] = with(c.configs["lines"], "batch.size", "7") }
	for name, tt := range map[string]struct {
		edit  []string
		args  []string
		other func(c *connect)
		kept  func(c *connect) bool // that what the other did is as they left it
		says  string
	}{
		"an update of what was changed": {[]string{lines, `topic = "l2"`}, nil, byHand,
			func(c *connect) bool {
				return c.configs["lines"]["batch.size"] == "7" && c.configs["lines"]["topic"] == "lines"
			}, "somebody has changed it"},
		"an update of what was deleted": {[]string{lines, `topic = "l2"`}, nil, func(c *connect) { delete(c.configs, "lines") },
			func(c *connect) bool { return c.configs["lines"] == nil }, "FAILED"},
		"an update of what changed hands": {[]string{lines, `topic = "l2"`}, nil,
			func(c *connect) { c.configs["lines"] = with(c.configs["lines"], "engine.owner", `v1 "other" x`) },
			func(c *connect) bool { return strings.Contains(c.configs["lines"]["engine.owner"], "other") }, "somebody has changed it"},
		"a deletion of what was changed": {nil, []string{"-destroy", "-target", "lines"}, byHand,
			func(c *connect) bool { return c.configs["lines"]["batch.size"] == "7" }, "somebody has changed it"},
		"a deletion of what was deleted": {nil, []string{"-destroy", "-target", "lines"}, func(c *connect) { delete(c.configs, "lines") },
			func(c *connect) bool { return c.configs["lines"] == nil }, "1 of 1 deleted"},
		"a creation of what was created": {[]string{`pipeline "lines"`, `pipeline "more"`, "state = \"paused\"", ""}, []string{"-target", "more"},
			func(c *connect) { c.configs["more"], c.states["more"] = map[string]string{"name": "more"}, "RUNNING" },
			func(c *connect) bool { return len(c.configs["more"]) == 1 }, "already exists"},
		"a rename of what was changed": {[]string{`pipeline "lines" {`, "moved {\n  from = pipeline.lines\n  to   = pipeline.more\n}\npipeline \"more\" {"}, nil, byHand,
			func(c *connect) bool {
				return c.configs["lines"]["batch.size"] == "7" && c.states["lines"] == "PAUSED" && c.configs["more"] == nil
			}, "somebody has changed it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, dir := applied(t, tt.edit...)
			orders := maps.Clone(c.configs["orders"])
			args := append([]string{"apply", "-settle", "1ms"}, append(tt.args, dir)...)
			status, said := engineWhile(t, func() { tt.other(c) }, args...)
			if (status == 0) != strings.Contains(tt.says, "deleted") || !strings.Contains(said, tt.says) || !tt.kept(c) {
				t.Errorf("got %d, %v and\n%s", status, c.configs, said)
			}
			if !maps.Equal(orders, c.configs["orders"]) {
				t.Error("another connector was changed")
			}
		})
	}
}

// with is a map with another value.
func with(m map[string]string, key, value string) map[string]string {
	m = maps.Clone(m)
	m[key] = value
	return m
}

// TestTwoAppliesAtOnce: both try the same, each connector is written by one of them, and who lost says so.
func TestTwoAppliesAtOnce(t *testing.T) {
	t.Parallel()
	c := newConnect()
	dir := shopOn(t, c, shopFile)
	var together sync.WaitGroup
	statuses, texts := [2]int{}, [2]string{}
	for i := range 2 {
		together.Go(func() { statuses[i], texts[i] = engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", dir) })
	}
	together.Wait()
	for i, status := range statuses {
		if status != 0 && !strings.Contains(texts[i], "already exists") {
			t.Errorf("got %d and\n%s", status, texts[i])
		}
	}
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", dir); status != 0 {
		t.Errorf("got %d and\n%s", status, said)
	}
}

// TestOneOfTwoAppliesLoses: the second writes between the first's plan and its write.
func TestOneOfTwoAppliesLoses(t *testing.T) {
	t.Parallel()
	c, dir := applied(t, `topic = "lines"`, `topic = "first"`)
	second := t.TempDir()
	text, err := os.ReadFile(filepath.Join(dir, "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, second, "shop.hcl", strings.Replace(string(text), `topic = "first"`, `topic = "second"`, 1))
	status, said := engineWhile(t, func() {
		if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", second); status != 0 {
			t.Error(said)
		}
	}, "apply", "-settle", "1ms", dir)
	if status != 1 || !strings.Contains(said, "somebody has changed it") || c.configs["lines"]["topic"] != "second" {
		t.Errorf("got %d, %v and\n%s", status, c.configs["lines"], said)
	}
}

// TestAWorkerThatDiesDuringApply: what was not done is told, and the next apply does the rest. The worker ends after it has
// stored a write, and before it answers.
func TestAWorkerThatDiesDuringApply(t *testing.T) {
	t.Parallel()
	const pipelines = 6
	var text strings.Builder
	text.WriteString("project \"shop\" {\n}\ncluster \"dev\" {\n  url = \"URL\"\n}\n")
	for i := range pipelines {
		fmt.Fprintf(&text, "pipeline \"p%d\" {\n  source \"file\" {\n    topic = \"t%d\"\n  }\n}\n", i, i)
	}
	for _, dies := range []int{1, 3, pipelines - 1} {
		t.Run(fmt.Sprint(dies), func(t *testing.T) {
			t.Parallel()
			c := newConnect()
			c.dies = dies
			dir := shopOn(t, c, text.String())
			apply := []string{"apply", "-auto-approve", "-settle", "1ms", "-parallelism", "1", dir}
			if status, said := engineIn(t, "", apply...); status != 1 || !strings.Contains(said, "Applied with errors") || !strings.Contains(said, fmt.Sprintf("%d of %d created", dies, pipelines)) {
				t.Errorf("got %d and\n%s", status, said)
			}
			c.with(func() {
				if len(c.configs) != dies+1 {
					t.Errorf("got %d connectors, want %d", len(c.configs), dies+1)
				}
			})
			if status, said := engineIn(t, "", "plan", dir); status != 1 || !strings.Contains(said, "[E910]") {
				t.Errorf("while it is down: got %d and\n%s", status, said)
			}
			c.with(func() { c.dies = 0 })
			status, said := engineIn(t, "", apply...)
			c.with(func() {
				if status != 0 || len(c.configs) != pipelines {
					t.Errorf("afterwards: got %d and\n%s", status, said)
				}
			})
			if status, said := engineIn(t, "", "plan", "-detailed-exitcode", dir); status != 0 {
				t.Errorf("got %d and\n%s", status, said)
			}
		})
	}
}

// TestARenameThatDies leaves the old connector or both, which the next plan says; never none.
func TestARenameThatDies(t *testing.T) {
	t.Parallel()
	for dies := 1; dies <= 4; dies++ {
		t.Run(fmt.Sprint(dies), func(t *testing.T) {
			t.Parallel()
			c, dir := applied(t, `pipeline "lines" {`, "moved {\n  from = pipeline.lines\n  to   = pipeline.more\n}\npipeline \"more\" {")
			c.dies = dies
			apply := []string{"apply", "-auto-approve", "-settle", "1ms", dir}
			if status, said := engineIn(t, "", apply...); status != 1 || !strings.Contains(said, "FAILED") {
				t.Errorf("got %d and\n%s", status, said)
			}
			c.with(func() { c.dies = 0 })
			status, said := engineIn(t, "", apply...)
			c.mu.Lock()
			defer c.mu.Unlock()
			switch {
			case c.configs["lines"] == nil && c.configs["more"] == nil:
				t.Error("both are gone")
			case c.configs["lines"] != nil && c.configs["more"] != nil:
				if status != 1 || !strings.Contains(said, "[E913]") {
					t.Errorf("both are there: got %d and\n%s", status, said)
				}
			case status != 0 || c.configs["more"] == nil || c.states["more"] != "PAUSED":
				t.Errorf("got %d, %v and\n%s", status, c.states, said)
			}
		})
	}
}

// TestWhatAnswersMustBeAKafkaConnect: what else may be at an address, and those that are not let in.
func TestWhatAnswersMustBeAKafkaConnect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(c *connect)
		edit   []string
		want   []string
	}{
		"a page":               {func(c *connect) { c.html = 200 }, nil, []string{"[E910]", "not a Kafka Connect worker"}},
		"a page not found":     {func(c *connect) { c.html = 404 }, nil, []string{"[E911]", "HTTP 404"}},
		"a proxy without one":  {func(c *connect) { c.html = 502 }, nil, []string{"[E911]", "HTTP 502"}},
		"a login":              {func(c *connect) { c.token = "t0ken" }, nil, []string{"[E911]", "asks for a login"}},
		"another token":        {func(c *connect) { c.token = "t0ken" }, []string{`url = "URL"`, "url = \"URL\"\n  bearer_token = \"wr0ng\""}, []string{"[E911]", "asks for a login"}},
		"an old one":           {func(c *connect) { c.version = "2.2.2" }, nil, []string{"[E916]", "2.3.0"}},
		"one without stopping": {func(c *connect) { c.version = "3.6.2" }, nil, []string{"[E916]", "shop.hcl:22:1", "cannot be created paused", "3.7.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConnect()
			tt.change(c)
			dir := shopOn(t, c, strings.NewReplacer(tt.edit...).Replace(shopFile))
			for _, verb := range []string{"plan", "apply"} {
				status, said := engineIn(t, "yes\n", verb, dir)
				for _, want := range tt.want {
					if !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
						t.Errorf("%s: want %q in\n%s", verb, want, said)
					}
				}
				if status != 1 || len(c.writes) > 0 || strings.Contains(said, "wr0ng") {
					t.Errorf("%s: got %d after %v and\n%s", verb, status, c.writes, said)
				}
			}
		})
	}
	c := newConnect()
	c.token = "t0ken"
	dir := shopOn(t, c, strings.Replace(shopFile, `url = "URL"`, "url = \"URL\"\n  bearer_token = \"t0ken\"", 1))
	if status, said := engineIn(t, "", "plan", dir); status != 0 {
		t.Errorf("the right token: got %d and\n%s", status, said)
	}
}

// TestACertificateMustBeTrusted and then lets everything through.
func TestACertificateMustBeTrusted(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(newConnect())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write(t, dir, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	write(t, dir, "empty.pem", "no certificate\n")
	for file, want := range map[string]string{"": "certificate", "ca.pem": "", "empty.pem": "no certificate in PEM form", "none.pem": "no such file"} {
		text := strings.Replace(shopFile, "URL", server.URL, 1)
		if file != "" {
			text = strings.Replace(text, "cluster \"dev\" {", fmt.Sprintf("cluster \"dev\" {\n  ca_file = %q", filepath.Join(dir, file)), 1)
		}
		folder := t.TempDir()
		write(t, folder, "shop.hcl", text)
		status, said := engineIn(t, "", "plan", folder)
		if (status == 0) != (want == "") || !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
			t.Errorf("%q: got %d and\n%s", file, status, said)
		}
	}
}

// oddNames are names that a path, a shell or HCL could take for something else.
func oddNames() []string {
	return []string{"a b", "🚀", "q?x=1#y", `"quoted"`, "${x}", "é", "a+b", "semi;colon", "a&b", "[c]", "d:e"}
}

// TestNamesThatKafkaConnectCannotBeAskedAbout are refused before anything is created that nobody can delete.
func TestNamesThatKafkaConnectCannotBeAskedAbout(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a/b", "50%", "%2F", `back\\slash`, "..", "tab\\t"} {
		c := newConnect()
		dir := shopOn(t, c, strings.Replace(shopFile, `state = "paused"`, `name = "`+name+`"`, 1))
		if status, said := engineIn(t, "", "apply", "-auto-approve", dir); status != 1 || !strings.Contains(said, "[E404]") || !strings.Contains(said, "shop.hcl:22:1") || len(c.writes) > 0 {
			t.Errorf("%s: got %d, %v and\n%s", name, status, c.writes, said)
		}
	}
}

// TestNamesOfAllKinds: plan, apply, import and export know a connector by any other name.
func TestNamesOfAllKinds(t *testing.T) {
	t.Parallel()
	c := newConnect()
	head := "project \"odd\" {\n}\ncluster \"dev\" {\n  url = \"URL\"\n}\n"
	text := head
	for i, name := range oddNames() {
		text += fmt.Sprintf("pipeline \"p%d\" {\n  name = %s\n  source \"file\" {\n    topic = \"t\"\n  }\n}\n", i, strings.ReplaceAll(fmt.Sprintf("%q", name), "${", "$${"))
	}
	dir := shopOn(t, c, text)
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", dir); status != 0 {
		t.Fatal(said)
	}
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", dir); status != 0 {
		t.Errorf("got %d and\n%s", status, said)
	}
	for _, name := range oddNames() {
		if c.configs[name] == nil {
			t.Errorf("%q was not created, in %v", name, c.writes)
		}
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	imported := t.TempDir()
	status, said := engineIn(t, "", "import", "-url", server.URL)
	if status != 0 {
		t.Error(said)
	}
	write(t, imported, "all.hcl", said)
	for _, name := range oddNames() {
		if status, said := engineIn(t, "", "import", "-url", server.URL, name); status != 0 {
			t.Errorf("import %q: %s", name, said)
		}
	}
	write(t, imported, "cluster.hcl", strings.ReplaceAll(head, "URL", server.URL))
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", imported); status != 0 {
		t.Errorf("got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-allow-delete", "-destroy", dir); status != 0 || len(c.configs) > 0 {
		t.Errorf("got %d, %v and\n%s", status, c.configs, said)
	}
}

// TestImportRefusesWhatAConfigurationCannotHold at its place, and prints nothing.
func TestImportRefusesWhatAConfigurationCannotHold(t *testing.T) {
	t.Parallel()
	const class = `"connector.class": "com.acme.A"`
	for name, tt := range map[string]struct{ text, want string }{
		"a nested object":              {`{"name": "a", ` + class + `, "x": {"y": 1}}`, "a.json:1:"},
		"a list":                       {`{"name": "a", "config": {` + class + `, "x": [1]}}`, "a.json:1:"},
		"null":                         {`{"name": "a", ` + class + `, "x": null}`, "a.json:1:"},
		"null in an answer":            {`{"a": {"info": {"name": "a", "config": {` + class + `, "x": null}}}}`, "null"},
		"a nested object in an answer": {`{"a": {"info": {"name": "a", "config": {` + class + `, "x": {}}}}}`, "a.json"},
		"a list of names":              {`["a", "b"]`, "a.json:1:"},
		"HTML":                         {`<html>`, "a.json:1:"},
		"nothing":                      {``, "a.json:1:"},
		"no class":                     {`{"name": "a", "x": "y"}`, "connector.class"},
		"10 MB that end too early":     {`{"name": "a", "x": "` + strings.Repeat("x", 10<<20), "a.json:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, said := &output{}, &output{}
			file := write(t, t.TempDir(), "a.json", tt.text)
			status := execute(t.Context(), process{args: []string{"import", file}, in: strings.NewReader(""), out: out, err: said, env: func(string) (string, bool) { return "", false }})
			if status != 1 || out.String() != "" || !strings.Contains(said.String(), tt.want) || len(said.String()) > 4000 {
				t.Errorf("got %d, %q and\n%.2000s", status, out, said)
			}
		})
	}
}

// TestImportRefusesANullOfAWorker, which is not the same as an empty text.
func TestImportRefusesANullOfAWorker(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"version":"4.3.1","commit":"x","kafka_cluster_id":"k"}`
		if r.URL.Path == "/connectors" {
			answer = `{"old":{"info":{"name":"old","config":{"name":"old","connector.class":"FileStreamSource","topic":"t","batch.size":null},"tasks":[],"type":"source"}}}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	out, said := &output{}, &output{}
	status := execute(t.Context(), process{args: []string{"import", "-url", server.URL}, in: strings.NewReader(""), out: out, err: said, env: func(string) (string, bool) { return "", false }})
	if status != 1 || out.String() != "" || !strings.Contains(said.String(), `batch.size of "old" is null`) {
		t.Errorf("got %d, %q and\n%s", status, out, said)
	}
}

// TestALargeFileIsNoTrouble: a file of 10 MB is planned, kept and applied; one that ends in a mistake is refused there.
func TestALargeFileIsNoTrouble(t *testing.T) {
	t.Parallel()
	c := newConnect()
	large := strings.Replace(shopFile, `topic = "lines"`, "topic = \"lines\"\n    config = { \"note\" = \""+strings.Repeat("x", 10<<20)+"\" }", 1)
	dir := shopOn(t, c, large)
	kept := filepath.Join(t.TempDir(), "p.plan")
	if status, said := engineIn(t, "", "plan", "-full", "-out", kept, dir); status != 0 || len(said) > 8000 {
		t.Fatalf("got %d and %d bytes:\n%.2000s", status, len(said), said)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", "-project", dir, kept); status != 0 || len(c.configs["lines"]["note"]) != 10<<20 {
		t.Errorf("got %d and\n%.2000s", status, said)
	}
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", dir); status != 0 {
		t.Errorf("got %d and\n%.2000s", status, said)
	}
	write(t, dir, "end.hcl", strings.Repeat("# a comment\n", 900_000)+"pipeline \"x\" {\n")
	if status, said := engineIn(t, "", "plan", dir); status != 1 || !strings.Contains(said, "end.hcl:900001") || len(said) > 4000 {
		t.Errorf("got %d and\n%.2000s", status, said)
	}
}

// TestAKeptPlanIsRefusedElsewhere: of another project, and with any of its words edited.
func TestAKeptPlanIsRefusedElsewhere(t *testing.T) {
	t.Parallel()
	c := newConnect()
	dir := shopOn(t, c, shopFile)
	kept := filepath.Join(t.TempDir(), "p.plan")
	if status, said := engineIn(t, "", "plan", "-out", kept, dir); status != 0 {
		t.Fatal(said)
	}
	other := shopOn(t, c, strings.Replace(shopFile, `project "shop"`, `project "other"`, 1))
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", other, kept); status != 1 || !strings.Contains(said, "[E908]") {
		t.Errorf("another project: got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", t.TempDir(), kept); status != 1 || !strings.Contains(said, "[E002]") {
		t.Errorf("no project: got %d and\n%s", status, said)
	}
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{`"topic": "lines"`, `"topic": "other"`}, {`"create"`, `"delete"`}, {`lkc-1`, `lkc-2`}, {`"name": "lines"`, `"name": "lines2"`}, {`"project": "shop"`, `"project": "other"`},
	} {
		edited := strings.ReplaceAll(string(text), edit[0], edit[1])
		if edited == string(text) {
			t.Fatalf("%s is not in the plan", edit[0])
		}
		write(t, filepath.Dir(kept), "edited.plan", edited)
		if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", dir, filepath.Join(filepath.Dir(kept), "edited.plan")); status != 1 || !strings.Contains(said, "has been changed since it was made") {
			t.Errorf("%s: got %d and\n%s", edit[1], status, said)
		}
	}
	for name, text := range map[string]string{"10 MB of nothing": strings.Repeat(" ", 10<<20), "10 MB of brackets": strings.Repeat("[", 10<<20), "HTML": "<html>"} {
		write(t, filepath.Dir(kept), "odd.plan", text)
		if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", dir, filepath.Join(filepath.Dir(kept), "odd.plan")); status != 1 || !strings.Contains(said, "not a saved plan") {
			t.Errorf("%s: got %d and\n%.500s", name, status, said)
		}
	}
	if len(c.writes) > 0 {
		t.Errorf("something was written: %v", c.writes)
	}
}
