package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// withTopic lets a Kafka Connect in memory keep its configurations in a topic of a Kafka, as a genuine one does, and returns what
// others do: write a connector there and into it.
func withTopic(t *testing.T, c *connect, k testKafka) (topic string, others func(name string, m map[string]string)) {
	t.Helper()
	topic = k.name("configs-of-connect")
	client, err := kgo.NewClient(kgo.SeedBrokers(k.servers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	last := map[string]map[string]string{}
	c.log = func(name string) {
		m := c.configs[name]
		if was, is := last[name]; is && maps.Equal(was, m) {
			return
		}
		last[name] = maps.Clone(m)
		r := &kgo.Record{Topic: topic, Key: []byte("connector-" + name)}
		if m != nil {
			if r.Value, err = json.Marshal(map[string]any{"properties": m}); err != nil {
				t.Error(err)
			}
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Error(err)
		}
	}
	return topic, func(name string, m map[string]string) {
		c.configs[name] = m
		if m == nil {
			delete(c.configs, name)
		}
		c.log(name)
	}
}

// TestTheConfigTopicTellsOfEveryChange: on a genuine Kafka Connect whose config topic a cluster block names, a change between a
// plan and its write is told, also one within the milliseconds in which no look can be had, and one that was taken back.
func TestTheConfigTopicTellsOfEveryChange(t *testing.T) {
	t.Parallel()
	k := startTestKafka(t)
	c := newConnect()
	topic, others := withTopic(t, c, k)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	project := func(tasks int) {
		write(t, dir, "shop.hcl", fmt.Sprintf(`project "shop" {
}

cluster "prod" {
  url               = %q
  bootstrap_servers = %q
  config_topic      = %q
}

pipeline "orders" {
  tasks_max = %d
  source "io.confluent.connect.jdbc.JdbcSourceConnector" {
    connection_password = "s3cr3t"
    table_whitelist     = ["orders"]
  }
}
`, server.URL, strings.Split(k.servers, ","), topic, tasks))
	}
	run := func(fails bool, says string, args ...string) string {
		t.Helper()
		status, out, said := engineWith(t, nil, append(args, dir)...)
		text := out + said
		if (status != 0) != fails || !regexp.MustCompile(says).MatchString(strings.Join(strings.Fields(text), " ")) {
			t.Fatalf("engine %s: got %d and the text below, want %q\n%s", strings.Join(args, " "), status, says, text)
		}
		return text
	}
	apply := []string{"apply", "-auto-approve", "-settle", "1ms"}
	project(1)
	run(false, "1 of 1 created", apply...)
	run(false, "Nothing to do", "plan")

	// What others have changed since is told with its time.
	c.with(func() { others("orders", with(c.configs["orders"], "tasks.max", "7")) })
	run(false, `orders tasks\.max 1 → 7 20\d\d-\d\d-\d\d \d\d:\d\d UTC applying puts 1 back`, "plan")
	run(false, "1 of 1 changed", apply...)

	// Somebody writes after the last look and before the write: the fake does so when the write arrives.
	project(2)
	c.with(func() {
		mine := maps.Clone(c.configs["orders"])
		c.changed = func(string) {
			c.changed = nil
			others("orders", with(with(mine, "tasks.max", "5"), "connection.password", "0th3rs"))
		}
	})
	text := run(true, `FAILED: it is written, and that has replaced what somebody else wrote at \d\d:\d\d:\d\d UTC, after the plan was made: tasks\.max 5 → 2; connection\.password \(hidden\) → \(hidden\) `, apply...)
	if strings.Contains(text, "0th3rs") || strings.Contains(text, "s3cr3t") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	run(false, "Nothing to do", "plan")

	// A kept plan is stale although all is as it was: somebody has changed it, and changed it back.
	project(3)
	run(false, "engine apply", "plan", "-out", filepath.Join(dir, "p.plan"))
	c.with(func() {
		mine := maps.Clone(c.configs["orders"])
		others("orders", with(mine, "tasks.max", "9"))
		others("orders", mine)
	})
	status, out, said := engineWith(t, nil, "apply", "-auto-approve", "-project", dir, filepath.Join(dir, "p.plan"))
	if status == 0 || !strings.Contains(said, "[E907]") {
		t.Errorf("got %d and\n%s%s", status, out, said)
	}

	// Somebody deletes it within the milliseconds.
	c.with(func() {
		c.changed = func(string) {
			c.changed = nil
			others("orders", nil)
		}
	})
	run(true, `that has replaced what somebody else wrote at .*: the connector had been deleted`, apply...)

	// Deletions are looked at as well.
	whole, err := os.ReadFile(filepath.Join(dir, "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "shop.hcl", strings.Split(string(whole), "\npipeline ")[0])
	run(false, "1 of 1 deleted", append(apply, "-allow-delete")...)
	run(false, "Nothing to do", "plan")
}

// TestAConfigTopicThatIsNotThere is told, with what to compare.
func TestAConfigTopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	k := startTestKafka(t)
	server := httptest.NewServer(newConnect())
	t.Cleanup(server.Close)
	for servers, says := range map[string]string{k.servers: "There is no topic no-such-topic on this cluster", "127.0.0.1:1": "[E008]"} {
		dir := t.TempDir()
		write(t, dir, "shop.hcl", fmt.Sprintf("cluster \"prod\" {\n  url = %q\n  bootstrap_servers = %q\n  config_topic = \"no-such-topic\"\n}\n", server.URL, servers))
		if status, out, said := engineWith(t, nil, "plan", dir); status != 1 || !strings.Contains(strings.Join(strings.Fields(said), " "), says) {
			t.Errorf("%s: got %d and\n%s%s", servers, status, out, said)
		}
	}
}
