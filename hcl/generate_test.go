package hcl_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/hcl"
)

// TestGenerated holds the text of some connectors: testdata/generated.
func TestGenerated(t *testing.T) {
	t.Parallel()
	secret := config.Map{
		"name": "orders-to-search", "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "tasks.max": "4",
		"connection.password": "${file:/etc/connect/search.properties:password}", "connection.url": "https://search.internal:9200",
		"key.ignore": "TRUE", "topics": "orders,order_lines", "behavior_on_null": "delete",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter.schemas.enable": "false",
		"predicates": "isCdc", "predicates.isCdc.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
		"predicates.isCdc.pattern": `shop\..*`, "transforms": "unwrap, route",
		"transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState", "transforms.unwrap.predicate": "isCdc",
		"transforms.unwrap.drop.tombstones": "false", "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
		"transforms.route.regex": `shop\.(.*)`, "transforms.route.replacement": "$1", "errors.tolerance": "all",
		"errors.deadletterqueue.topic.name": "orders.dlq", "errors.deadletterqueue.topic.replication.factor": "1",
		"consumer.override.max.poll.records": "500",
	}
	for name, c := range map[string]hcl.Imported{
		"search": {Config: secret, Type: "sink"},
		"plain-secret": {Config: config.Map{
			"name": "shop orders", "connector.class": "com.acme.Source", "db.password": "s3cr3t", "x": "007", "y": "1.10", "z": "-5",
			"topic.creation.default.partitions": "3", "topic.creation.default.replication.factor": "1", "topic.creation.groups": "wide",
			"topic.creation.wide.include": "a,b", "producer.override.linger.ms": "20", "exactly.once.support": "required",
		}, Type: "source", Target: config.Stopped},
		"unknown": {Config: config.Map{
			"name": "any", "connector.class": "com.acme.Any", "transforms": "a,a.b", "transforms.a.type": "com.acme.T", "transforms.a.b.type": "com.acme.T$Key",
			"e\u0301": "", "decomposed": "e\u0301", "quote": "\"${x} %{y}\"", "long": strings.Repeat("x", 40),
		}, Type: "unknown"},
	} {
		delete(c.Config, "e\u0301")
		text, _, err := hcl.Generate(c, hcl.Generation{Registry: registry(t)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		file := filepath.Join("testdata", "generated", name+".hcl")
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s (-want +got, rewrite with -update):\n%s", name, diff)
		}
		if strings.Contains(text, "s3cr3t") {
			t.Errorf("%s shows a secret", name)
		}
	}
}

// nasty draws a stored configuration as it may have come about.
func nasty(rt *rapid.T) config.Map {
	text := rapid.OneOf(
		rapid.StringN(0, 12, 40), rapid.SampledFrom([]string{
			"", " ", "true", "TRUE", "007", "1.10", "1e3", "-0", "12", "a,b", "a, b", ",", "${x}", "$${x}", "${file:/p:k}", "%{if}", "<<EOT", "\"", "\\",
			"\n", "\x00", "e\u0301", "\u2028", "$1", "null", "org.apache.kafka.connect.json.JsonConverter", "json",
		}))
	alias := rapid.OneOf(rapid.StringMatching(`[a-z]{1,3}`), rapid.SampledFrom([]string{"", " ", "a.b", "a", "ä", "a b", "when", "config", "x-y", "1"}))
	class := rapid.SampledFrom([]string{
		"org.apache.kafka.connect.transforms.MaskField$Value", "org.apache.kafka.connect.transforms.MaskField$Key", "com.acme.T", "com.acme.T$Key", "",
		"org.apache.kafka.connect.transforms.RegexRouter", " com.acme.T", "odd",
	})
	m := config.Map{
		"name": rapid.SampledFrom([]string{"a", "a b", "ä", "x.y", "-", "${x}", "quote\"d"}).Draw(rt, "name"),
		"connector.class": rapid.SampledFrom([]string{
			"org.apache.kafka.connect.file.FileStreamSourceConnector", "FileStreamSource", "com.acme.Sink", "io.confluent.connect.jdbc.JdbcSourceConnector", " com.acme.Sink",
		}).Draw(rt, "class"),
	}
	key := rapid.OneOf(
		rapid.StringMatching(`[a-z]{1,4}(\.[a-z]{1,4}){0,2}`), rapid.StringMatching(`[a-zA-Z_.\-]{1,8}`),
		rapid.SampledFrom([]string{
			"tasks.max", "topics", "file", "name.x", "config", "use", "state", "enabled", "errors.tolerance", "errors.x", "errors.deadletterqueue.topic.name",
			"errors.deadletterqueue.", "key.converter", "key.converter.schemas.enable", "value.converter.x", "header.converter", "producer.override.linger.ms",
			"producer.override.", "consumer.override.group_id", "topic.creation.groups", "topic.creation.default.partitions", "topic.creation.x.include",
			"predicates", "transforms", "connection.password", "transforms.x", "predicates.x.type", "errors", "topic.creation", "2nd.region", "_", "for.each",
		}))
	maps.Copy(m, rapid.MapOfN(key, text, 0, 8).Draw(rt, "keys"))
	if rapid.Bool().Draw(rt, "chain") {
		names := rapid.SliceOfN(alias, 0, 3).Draw(rt, "transforms")
		m["transforms"] = strings.Join(names, rapid.SampledFrom([]string{",", ", "}).Draw(rt, "comma"))
		for _, n := range names {
			m["transforms."+n+".type"] = class.Draw(rt, "type")
			for _, s := range rapid.SliceOfN(rapid.SampledFrom([]string{"fields", "target", "when", "negate", "predicate", "x.y", "x_y", "enabled", "plugin.version"}), 0, 3).Draw(rt, "settings") {
				m["transforms."+n+"."+s] = rapid.OneOf(text, rapid.SampledFrom([]string{"p", "true", "false"})).Draw(rt, "value")
			}
		}
		if rapid.Bool().Draw(rt, "predicates") {
			m["predicates"], m["predicates.p.type"], m["predicates.p.pattern"] = "p", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", text.Draw(rt, "pattern")
		}
		conditions(rt, m, names, text)
	}
	return m
}

// conditions adds predicates as when = "…" and unless = "…" make them, and others that are not quite like these.
func conditions(rt *rapid.T, m config.Map, transforms []string, text *rapid.Generator[string]) {
	var made []string
	for _, n := range transforms {
		if !rapid.Bool().Draw(rt, "condition") {
			continue
		}
		p := rapid.SampledFrom([]string{"when-", "when-", "when-", "unless-"}).Draw(rt, "prefix") + n
		made = append(made, p)
		m["predicates."+p+".type"] = "penstock.predicates.Expression"
		m["predicates."+p+".expression"] = rapid.OneOf(rapid.Just("value.a == 1"), rapid.Just("topic == '${x}'"), text).Draw(rt, "expression")
		m["transforms."+n+".predicate"] = p
		switch rapid.IntRange(0, 3).Draw(rt, "negated") {
		case 1:
			m["transforms."+n+".negate"] = "true"
		case 2:
			m["transforms."+n+".negate"] = rapid.SampledFrom([]string{"false", "TRUE"}).Draw(rt, "negate")
		}
		if rapid.IntRange(0, 9).Draw(rt, "versioned") == 0 {
			m["predicates."+p+".plugin.version"] = "1.0.0"
		}
	}
	if len(made) == 0 {
		return
	}
	if m["predicates"] != "" {
		made = append([]string{m["predicates"]}, made...)
	}
	if rapid.IntRange(0, 4).Draw(rt, "turned") == 0 {
		slices.Reverse(made)
	}
	m["predicates"] = strings.Join(made, ",")
}

// TestGeneratedConditions holds that a condition comes back as it was written.
func TestGeneratedConditions(t *testing.T) {
	t.Parallel()
	const written = `pipeline "orders" {
  source "file" {
    file  = "orders.txt"
    topic = "orders"
  }

  predicate "topic_name_matches" "cards" {
    pattern = "cards"
  }

  transform "mask_field" "mask" {
    target = "value"
    when   = "(value.amount ?? 0) > 100 and value.name != \"$${x}\""
    fields = ["card"]
  }

  transform "drop" "other" {
    unless = predicate.cards
  }

  transform "drop" "small" {
    unless = "topic == 'orders'"
  }
}
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	p, found := hcl.Load(dir, hcl.Options{Registry: registry(t)})
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	m := p.Pipelines[0].Map
	if want, got := "cards,when-mask,when-small", m["predicates"]; got != want {
		t.Errorf("predicates: got %q, want %q", got, want)
	}
	got, _, err := hcl.Generate(hcl.Imported{Config: m, Type: "source"}, hcl.Generation{Registry: registry(t)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(written, got); d != "" {
		t.Errorf("generated (-want +got):\n%s", d)
	}

	// A predicate that two transforms use is no condition of one.
	m["transforms.other.predicate"] = "when-mask"
	got, _, err = hcl.Generate(hcl.Imported{Config: m, Type: "source"}, hcl.Generation{Registry: registry(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`predicate "expression" "when-mask" {`, `when   = predicate.when-mask`, `unless = "topic == 'orders'"`} {
		if !strings.Contains(got, want) {
			t.Errorf("generated text lacks %q:\n%s", want, got)
		}
	}
}

// TestGeneratedTextIsExact is the law of the language: what is generated from a map gives the same map, byte for byte.
func TestGeneratedTextIsExact(t *testing.T) {
	t.Parallel()
	r := registry(t)
	file := filepath.Join(t.TempDir(), "a.hcl")
	rapid.Check(t, func(rt *rapid.T) {
		m := nasty(rt)
		kind := rapid.SampledFrom([]string{"source", "sink", "unknown"}).Draw(rt, "kind")
		text, secrets, err := hcl.Generate(hcl.Imported{Config: m, Type: kind}, hcl.Generation{Registry: r})
		if err != nil {
			rt.Fatalf("%v\n%v", err, m)
		}
		env := map[string]string{}
		for _, s := range secrets {
			env[s.Variable] = m[s.Property]
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			rt.Fatal(err)
		}
		p, found := hcl.Load(file, hcl.Options{Registry: r, ForCluster: true, Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
		if found.HasErrors() || len(p.Pipelines) != 1 {
			rt.Fatalf("%v\n%s", found.Err(), text)
		}
		if diff := cmp.Diff(m, p.Pipelines[0].Map); diff != "" {
			rt.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
	})
}

// TestGeneratedTextsStandTogether: labels and variables of secrets that would be the same are told apart.
func TestGeneratedTextsStandTogether(t *testing.T) {
	t.Parallel()
	g := hcl.Generation{Registry: registry(t), Taken: &hcl.Taken{}}
	var all strings.Builder
	env := map[string]string{}
	want := map[string]config.Map{}
	for i, name := range []string{"a b", "a-b", "a.b", "a/b", "🚀", "✓", "a-b-2"} {
		m := config.Map{"name": name, "connector.class": "com.acme.Source", "db.password": "p" + strings.Repeat("x", i)}
		text, secrets, err := hcl.Generate(hcl.Imported{Config: m}, g)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(text)
		for _, s := range secrets {
			env[s.Variable] = m[s.Property]
		}
		want[name] = m
	}
	dir := folder(t, map[string]string{"a.hcl": all.String()})
	p, found := hcl.Load(dir, hcl.Options{Registry: g.Registry, ForCluster: true, Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
	got := map[string]config.Map{}
	for _, d := range p.Pipelines {
		got[d.Name()] = d.Map
	}
	if diff := cmp.Diff(want, got); diff != "" || found.HasErrors() {
		t.Errorf("%v (-want +got):\n%s\n%s", found.Err(), diff, all.String())
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]config.Map{
		"no class":       {"name": "a"},
		"no name":        {"connector.class": "com.acme.A"},
		"an odd key":     {"name": "a", "connector.class": "com.acme.A", "e\u0301": "x"},
		"an invalid key": {"name": "a", "connector.class": "com.acme.A", "\xff": "x"},
	} {
		if text, _, err := hcl.Generate(hcl.Imported{Config: m}, hcl.Generation{Registry: registry(t)}); err == nil {
			t.Errorf("%s: got\n%s", name, text)
		}
	}
}
