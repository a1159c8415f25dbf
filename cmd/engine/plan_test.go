package main

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shopOn is a project folder whose cluster is a server.
func shopOn(t *testing.T, c *connect, text string) string {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write(t, dir, "shop.hcl", strings.ReplaceAll(text, "URL", server.URL))
	return dir
}

const shopFile = `
project "shop" {
}

cluster "dev" {
  url = "URL"
}

variable "password" {
  sensitive = true
  default   = "s3cr3t"
}

pipeline "orders" {
  source "io.confluent.connect.jdbc.JdbcSourceConnector" {
    connection_url      = "jdbc:x"
    connection_password = var.password
    topic_prefix        = "orders"
  }
}

pipeline "lines" {
  state = "paused"
  source "file" {
    file  = "in.txt"
    topic = "lines"
  }
}
`

// engineIn runs a command line and returns the exit status and what it says.
func engineIn(t *testing.T, in string, args ...string) (int, string) {
	t.Helper()
	said := &output{}
	p := process{args: args, in: strings.NewReader(in), out: said, err: said, env: func(string) (string, bool) { return "", false }}
	return execute(t.Context(), p), said.String()
}

// TestApplyThenPlanIsEmpty is invariant 8, on a cluster of Kafka Connect.
func TestApplyThenPlanIsEmpty(t *testing.T) {
	t.Parallel()
	c := newConnect()
	dir := shopOn(t, c, shopFile)
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", dir); status != 2 || !strings.Contains(said, "Plan: 2 to create. 0 unchanged.") {
		t.Fatalf("got %d and\n%s", status, said)
	}
	c.rebalances = 3
	status, said := engineIn(t, "yes\n", "apply", "-settle", "1ms", dir)
	if status != 0 || !strings.Contains(said, "Applied: 2 of 2 created.") || strings.Contains(said, "s3cr3t") {
		t.Fatalf("got %d and\n%s", status, said)
	}
	if c.configs["orders"]["connection.password"] != "s3cr3t" || c.states["lines"] != "PAUSED" || !strings.HasPrefix(c.configs["lines"]["engine.owner"], `v1 "shop" `) {
		t.Errorf("got %v, %v", c.configs, c.states)
	}
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", dir); status != 0 || !strings.Contains(said, "Nothing to do: 2 connectors are as declared.") {
		t.Errorf("got %d and\n%s", status, said)
	}
	before := len(c.writes)
	if status, said := engineIn(t, "", "apply", dir); status != 0 || len(c.writes) != before {
		t.Errorf("got %d, %v and\n%s", status, c.writes[before:], said)
	}
}

// TestAKeptPlanIsAppliedAsShown and only once.
func TestAKeptPlanIsAppliedAsShown(t *testing.T) {
	t.Parallel()
	c := newConnect()
	dir := shopOn(t, c, shopFile)
	kept := filepath.Join(t.TempDir(), "p.plan")
	if status, said := engineIn(t, "", "plan", "-out", kept, dir); status != 0 {
		t.Fatal(said)
	}
	if text, err := os.ReadFile(kept); err != nil || strings.Contains(string(text), "s3cr3t") {
		t.Errorf("the file holds a secret, or %v", err)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", dir, "-var", "password=other", kept); status != 1 || !strings.Contains(said, "[E909]") || len(c.writes) > 0 {
		t.Errorf("another secret: got %d, %v and\n%s", status, c.writes, said)
	}
	c.clusterID = "lkc-2"
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", dir, kept); status != 1 || !strings.Contains(said, "[E908]") {
		t.Errorf("another cluster: got %d and\n%s", status, said)
	}
	c.clusterID = "lkc-1"
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-max-plan-age", "1ns", "-project", dir, kept); status != 1 || !strings.Contains(said, "max-plan-age") {
		t.Errorf("too old: got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", "-project", dir, kept); status != 0 {
		t.Errorf("got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-project", dir, kept); status != 1 || !strings.Contains(said, "[E907]") {
		t.Errorf("twice: got %d and\n%s", status, said)
	}
	write(t, filepath.Dir(kept), filepath.Base(kept), "{}")
	if status, said := engineIn(t, "", "apply", "-project", dir, kept); status != 1 || !strings.Contains(said, "not a saved plan") {
		t.Errorf("edited: got %d and\n%s", status, said)
	}
}

// TestDeletionsAreAskedForTwice: without a question they need a flag of their own.
func TestDeletionsAreAskedForTwice(t *testing.T) {
	t.Parallel()
	c := newConnect()
	dir := shopOn(t, c, shopFile)
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", dir); status != 0 {
		t.Fatal(said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "shop.hcl", string(text[:strings.Index(string(text), `pipeline "lines"`)]))
	if status, said := engineIn(t, "", "apply", "-auto-approve", dir); status != 1 || !strings.Contains(said, "-allow-delete") {
		t.Errorf("got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "no\n", "apply", dir); status != 1 || !strings.Contains(said, "Nothing was applied") {
		t.Errorf("got %d and\n%s", status, said)
	}
	if c.configs["lines"] == nil {
		t.Error("deleted without consent")
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-allow-delete", dir); status != 0 || c.configs["lines"] != nil {
		t.Errorf("got %d and\n%s", status, said)
	}
}

func TestAProtectedClusterWantsItsName(t *testing.T) {
	t.Parallel()
	c := newConnect()
	dir := shopOn(t, c, strings.Replace(shopFile, `url = "URL"`, "url = \"URL\"\n  protect = true", 1))
	if status, said := engineIn(t, "yes\n", "apply", "-settle", "1ms", dir); status != 0 {
		t.Fatalf("creations need no name: got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "yes\n", "apply", "-destroy", dir); status != 1 || !strings.Contains(said, "Type its name") {
		t.Errorf("got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "dev\n", "apply", "-destroy", dir); status != 0 || len(c.configs) != 0 {
		t.Errorf("got %d and\n%s", status, said)
	}
}

// TestWhatTheClusterRefusesIsShownAtItsLine.
func TestWhatTheClusterRefusesIsShownAtItsLine(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		invalid map[string]string
		edit    func(string) string
		want    []string
	}{
		"a value":            {map[string]string{"connection.url": "No suitable driver"}, nil, []string{"[E903]", "shop.hcl:16:27", "JdbcSourceConnector 10.7.6 says about connection.url: No suitable"}},
		"a missing property": {map[string]string{"mode": "Missing required configuration"}, nil, []string{"[E904]", "shop.hcl:14:1", "write mode = ..."}},
		"a secret":           {map[string]string{"connection.password": "s3cr3t is wrong"}, nil, []string{"[E903]", "it is not accepted"}},
		"a class":            {nil, func(s string) string { return strings.Replace(s, "JdbcSourceConnector", "JdbcSourceConector", 1) }, []string{"[E901]", "Did you mean", jdbcClass}},
		"a class of a chain": {nil, func(s string) string {
			return strings.Replace(s, "topic_prefix ", "topic_prefix = \"o\"\n  }\n  transform \"com.acme.None\" \"t\" {\n    x ", 1)
		}, []string{"[E901]", "com.acme.None"}},
		"a short class":      {nil, func(s string) string { return strings.Replace(s, "source \"file\"", "source \"flie\"", 1) }, []string{"[E301]", "flie"}},
		"an unknown cluster": {nil, func(s string) string { return strings.Replace(s, "URL", "http://127.0.0.1:1", 1) }, []string{"[E910]", "http://127.0.0.1:1"}},
		"a version": {nil, func(s string) string {
			return strings.Replace(s, "project \"shop\" {", "project \"shop\" {\n  required_version = \"=> 1\"", 1)
		}, []string{"[E705]"}},
		"an empty name":     {nil, func(s string) string { return strings.Replace(s, "state = \"paused\"", "name = \" \"", 1) }, []string{"[E404]"}},
		"two of one name":   {nil, func(s string) string { return strings.Replace(s, "state = \"paused\"", "name = \"orders\"", 1) }, []string{"[E402]"}},
		"a cycle of locals": {nil, func(s string) string { return s + "locals {\n  a = local.b\n  b = local.a\n}\n" }, []string{"[E508]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConnect()
			maps.Copy(c.invalid, tt.invalid)
			text := shopFile
			if tt.edit != nil {
				text = tt.edit(text)
			}
			status, said := engineIn(t, "", "apply", "-auto-approve", shopOn(t, c, text))
			if status != 1 || len(c.writes) > 0 {
				t.Errorf("got %d after %v", status, c.writes)
			}
			for _, want := range tt.want {
				if !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
					t.Errorf("want %q in\n%s", want, said)
				}
			}
			if strings.Contains(said, "s3cr3t") || strings.Contains(said, "leaked-by-the-server") {
				t.Errorf("a secret is shown:\n%s", said)
			}
		})
	}
}

func TestAFailureIsToldWithItsCause(t *testing.T) {
	t.Parallel()
	c := newConnect()
	c.fails["lines"] = "org.apache.kafka.connect.errors.ConnectException: in.txt: permission denied\n\tat org.x.Y.z(Y.java:1)\n"
	dir := shopOn(t, c, strings.Replace(shopFile, `state = "paused"`, "", 1))
	status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", dir)
	for _, want := range []string{"FAILED: task 0 failed", "ConnectException: in.txt: permission denied", "shop.hcl:22:1", "Applied with errors: 1 of 2 created."} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
	if status != 1 || strings.Contains(said, "Y.java") {
		t.Errorf("got %d and\n%s", status, said)
	}
}

func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	c := newConnect()
	status, said := engineIn(t, "", "plan", "-json", shopOn(t, c, shopFile))
	var got struct {
		Cluster struct {
			Name string `json:"name"`
			Kind string `json:"kind"`
		} `json:"cluster"`
		Connectors []struct {
			Action string `json:"action"`
			Name   string `json:"name"`
		} `json:"connectors"`
	}
	if err := json.Unmarshal([]byte(said), &got); err != nil || status != 0 {
		t.Fatalf("%d %v\n%s", status, err, said)
	}
	if got.Cluster.Name != "dev" || got.Cluster.Kind != "Kafka Connect 4.3.1" {
		t.Errorf("got %+v", got.Cluster)
	}
	names := []string{}
	for _, e := range got.Connectors {
		names = append(names, e.Action+" "+e.Name)
	}
	if diff := cmp.Diff([]string{"create orders", "create lines"}, names); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(said, "s3cr3t") {
		t.Error("the JSON holds a secret")
	}
}

// TestWhatTheConnectorDoesNotKnowIsWarnedOf: a property that validation does not name, and that is close to one that it names.
func TestWhatTheConnectorDoesNotKnowIsWarnedOf(t *testing.T) {
	t.Parallel()
	c := newConnect()
	c.knows = []string{"name", "connector.class", "connection.url", "connection.password", "topic.prefix", "poll.interval.ms"}
	dir := shopOn(t, c, strings.Replace(shopFile, "connection_url ", "poll_intervall_ms = 7\n    own_setting = 1\n    connection_url ", 1))
	status, said := engineIn(t, "", "plan", dir)
	if status != 0 || !strings.Contains(said, "[W804]") || !strings.Contains(said, "poll_intervall_ms = 7") || !strings.Contains(said, `"poll.interval.ms"?`) {
		t.Errorf("got %d and\n%s", status, said)
	}
	if n := strings.Count(said, "W804"); n != 1 {
		t.Errorf("%d properties are warned of, want one:\n%s", n, said)
	}

	c.knows = append(c.knows, "file", "topic")
	status, said = engineIn(t, "", "plan", "-strict", dir)
	if n := strings.Count(said, "[E903]"); status != 1 || n != 2 || !strings.Contains(said, "does not know own.setting") || !strings.Contains(said, "own_setting = 1") {
		t.Errorf("strictly: got %d, %d errors, want 2 at their lines, and\n%s", status, n, said)
	}
	if status, said := engineIn(t, "yes\n", "apply", "-strict", "-settle", "1ms", dir); status != 1 || len(c.writes) != 0 {
		t.Errorf("a strict apply: got %d, the writes %v and\n%s", status, c.writes, said)
	}
	if status, said := engineIn(t, "", "plan", "-strict", "-validate", "off", dir); status != 1 || !strings.Contains(said, "Leave one of them out") {
		t.Errorf("strict without checking: got %d and\n%s", status, said)
	}
	c.knows = append(c.knows, "own.setting", "poll.intervall.ms")
	if status, said := engineIn(t, "", "plan", "-strict", dir); status != 0 {
		t.Errorf("strictly, and all is known: got %d and\n%s", status, said)
	}
}

// TestAPlanInColourAndInFull asks for colours where there is no terminal, and for all there is to say.
func TestAPlanInColourAndInFull(t *testing.T) {
	t.Parallel()
	dir := shopOn(t, newConnect(), shopFile)
	for flag, want := range map[string]bool{"always": true, "never": false, "auto": false} {
		if status, said := engineIn(t, "", "plan", "-color", flag, dir); status != 0 || strings.Contains(said, "\x1b[32m") != want {
			t.Errorf("-color %s: got %d and, with colours to be %t,\n%q", flag, status, want, said)
		}
	}
	if status, said := engineIn(t, "", "plan", "-color", "red", dir); status != 1 || !strings.Contains(said, "auto, always or never") {
		t.Errorf("got %d and\n%s", status, said)
	}
	for _, flag := range []string{"-full", "-short"} {
		status, said := engineIn(t, "", "plan", flag, dir)
		if want := flag == "-full"; status != 0 || strings.Contains(said, "is overwritten unnoticed") != want {
			t.Errorf("%s: got %d, with the limits of the guarantee to be told %t, and\n%s", flag, status, want, said)
		}
	}
}

// TestOldWorkersDoNotTellTheirTasks: before Kafka Connect 3.9 the tasks of what has changed are restarted, which the plan says.
func TestOldWorkersDoNotTellTheirTasks(t *testing.T) {
	t.Parallel()
	for version, restarts := range map[string]bool{"3.8.1": true, "7.8.0-ccs": true, "3.9.0": false, "4.3.1": false} {
		c, dir := applied(t, "jdbc:x", "jdbc:y")
		c.with(func() { c.version = version })
		const says = "may not tell running tasks of this"
		if status, said := engineIn(t, "", "plan", dir); status != 0 || strings.Contains(said, says) != restarts {
			t.Errorf("%s: got %d and\n%s", version, status, said)
		}
		if status, said := engineIn(t, "", "apply", "-auto-approve", "-settle", "1ms", dir); status != 0 {
			t.Errorf("%s: got %d and\n%s", version, status, said)
		}
		if did := slices.Contains(c.writes, "POST /connectors/orders/tasks/0/restart"); did != restarts {
			t.Errorf("%s: got the writes %q", version, c.writes)
		}
	}
}
