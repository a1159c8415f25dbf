package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

func TestWorkerOfNothingHasDefaults(t *testing.T) {
	t.Parallel()
	w, found := config.ReadWorker(&config.Declared{}, registry(t))
	if len(found) > 0 {
		t.Fatal(render(t, found))
	}
	want := &config.Worker{
		FlushInterval: time.Second, FlushTimeout: 5 * time.Second, StopTimeout: 5 * time.Second, TopicCreation: true, OverridePolicy: "All",
		GetActions: true, TopicTracking: true, TopicReset: true,
		Base: map[string]string{}, Producer: map[string]string{}, Consumer: map[string]string{}, Admin: map[string]string{},
		Registry: "http://127.0.0.1:8081",
	}
	if d := cmp.Diff(want, w, cmpopts.IgnoreUnexported(config.Worker{})); d != "" {
		t.Errorf("ReadWorker (-want +got):\n%s", d)
	}
	for use, want := range map[plugin.Use]string{
		plugin.KeyUse: "org.apache.kafka.connect.json.JsonConverter", plugin.ValueUse: "org.apache.kafka.connect.json.JsonConverter",
		plugin.HeaderUse: "org.apache.kafka.connect.storage.SimpleHeaderConverter",
	} {
		class, settings := w.Converter(use)
		if class != want {
			t.Errorf("%s converter: got %s, want %s", use, class, want)
		}
		if isJSON := use != plugin.HeaderUse; isJSON != (settings["schemas.enable"] == "false") {
			t.Errorf("%s converter: got settings %v", use, settings)
		}
	}
}

func TestWorkerReadsItsProperties(t *testing.T) {
	t.Parallel()
	w := worker(t, registry(t),
		"bootstrap.servers=a:9092, b:9092", "client.id=me", "security.protocol=SASL_SSL", "ssl.truststore.location=/x", "sasl.mechanism=PLAIN", "offset.flush.interval.ms=10000", "offset.flush.timeout.ms=7",
		"task.shutdown.graceful.timeout.ms=9", "topic.creation.enable=FALSE", "offset.storage.file.filename=/tmp/connect.offsets",
		"connector.client.config.override.policy=org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
		"connector.client.config.override.allowlist=a,b", "producer.linger.ms=1", "consumer.fetch.min.bytes=2", "admin.retries=3",
		"value.converter=Json", "value.converter.schemas.cache.size=1", "key.converter.schemas.enable=true", "plugin.path=", "listeners=http://:8083, HTTP://[::1]:0", "admin.listeners=", "rest.get.actions=false", "topic.tracking.enable=false", "exactly.once.source.support=disabled",
	)
	want := &config.Worker{
		Bootstrap: []string{"a:9092", "b:9092"}, FlushInterval: 10 * time.Second, FlushTimeout: 7 * time.Millisecond, StopTimeout: 9 * time.Millisecond,
		OffsetsFile: "/tmp/connect.offsets", OverridePolicy: "Principal", OverrideAllowlist: []string{"a", "b"},
		Listeners: []string{"http://:8083", "HTTP://[::1]:0"}, AdminListeners: new(string), TopicReset: true,
		Base:     map[string]string{"bootstrap.servers": "a:9092, b:9092", "client.id": "me", "security.protocol": "SASL_SSL", "ssl.truststore.location": "/x", "sasl.mechanism": "PLAIN"},
		Producer: map[string]string{"linger.ms": "1"}, Consumer: map[string]string{"fetch.min.bytes": "2"}, Admin: map[string]string{"retries": "3"},
	}
	if d := cmp.Diff(want, w, cmpopts.IgnoreUnexported(config.Worker{})); d != "" {
		t.Errorf("ReadWorker (-want +got):\n%s", d)
	}
	class, settings := w.Converter(plugin.ValueUse)
	if d := cmp.Diff(map[string]string{"schemas.cache.size": "1"}, settings); class != "Json" || d != "" {
		t.Errorf("value converter %s (-want +got):\n%s", class, d)
	}
	settings["schemas.cache.size"] = "2"
	if _, again := w.Converter(plugin.ValueUse); again["schemas.cache.size"] != "1" {
		t.Error("the settings of a converter are shared with whoever asks")
	}
	if _, settings := w.Converter(plugin.KeyUse); settings["schemas.enable"] != "true" {
		t.Errorf("a setting of the default converter got lost: %v", settings)
	}
}

func TestWorkerMessages(t *testing.T) {
	t.Parallel()
	r := registry(t)
	var b strings.Builder
	for _, lines := range [][]string{
		{"offset.flush.interval.ms=often", "offset.flush.timeout.ms=0", "topic.creation.enable=perhaps"},
		{"value.converter=AvroConverter", "key.converter=Simple", "header.converter.schemas.enable=x"},
		{"key.converter.schemas.enable=x"},
		{"connector.client.config.override.policy=Some"},
		{"listeners=https://:8083", "admin.listeners=127.0.0.1:1, http://h:port", "rest.extension.classes=x"},
		{"rest.extension.classes=org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"},
		{"listeners=ftp://:8083", "listeners.https.ssl.keystore.location=/x", "admin.listeners=http://h:70000/path", "rest.get.actions=maybe"},
		{"exactly.once.source.support=enabled", "group.id=g", "config.storage.topic=c", "offset.storage.topic=o", "offset.storage.partitions=1"},
		{"config.providers=file", "config.providers.file.class=x"},
		{"offset.flush.timeout.ms=${env:T}"},
		{"plugin.path=/opt/jars", "metric.reporters=x"},
		{"offset.flush.intervall.ms=1", "quite.something.else=1"},
	} {
		d, source := flat(lines...)
		w, l := config.ReadWorker(d, r)
		if w == nil || len(l) == 0 {
			t.Errorf("nothing wrong with %v", lines)
		}
		b.WriteString("=== " + strings.ReplaceAll(strings.Join(lines, " | "), "hunter2", "…") + "\n" + renderWith(t, l, source) + "\n")
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Error("a message shows a secret")
	}
	golden(t, "worker.txt", b.String())
}

func TestOverridePolicies(t *testing.T) {
	t.Parallel()
	r := registry(t)
	cases := []struct {
		policy []string
		lines  []string
		want   []diag.Code
	}{
		{nil, with("producer.override.linger.ms=5"), nil},
		{[]string{"connector.client.config.override.policy=None"}, with("producer.override.linger.ms=5", "admin.override.retries=5"), []diag.Code{diag.OverrideRefused, diag.OverrideRefused}},
		{[]string{"connector.client.config.override.policy=None"}, with(), nil},
		{[]string{"connector.client.config.override.policy=Principal"}, with("producer.override.security.protocol=PLAINTEXT", "producer.override.linger.ms=1"), []diag.Code{diag.OverrideRefused}},
		{[]string{"connector.client.config.override.policy=Allowlist", "connector.client.config.override.allowlist=linger.ms"}, with("producer.override.linger.ms=5", "producer.override.acks=1"), []diag.Code{diag.OverrideRefused}},
		// What no client of the connector reads is not put to the policy.
		{[]string{"connector.client.config.override.policy=None"}, sinkWith("producer.override.linger.ms=5"), []diag.Code{diag.NoEffect}},
		{[]string{"connector.client.config.override.policy=None"}, sinkWith("consumer.override.max.poll.records=5"), []diag.Code{diag.OverrideRefused}},
	}
	for _, c := range cases {
		d, _ := flat(c.lines...)
		var got []diag.Code
		for _, x := range config.Check(d, worker(t, r, c.policy...), r) {
			got = append(got, x.Code)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%v, %v (-want +got):\n%s", c.policy, c.lines, d)
		}
	}
}

// A connector that chooses a converter inherits none of the worker's settings of it.
func TestConverterOf(t *testing.T) {
	t.Parallel()
	w := worker(t, registry(t), "value.converter=Json", "value.converter.schemas.enable=true")
	class, settings, inherited := config.ConverterOf(config.Map{}, w, plugin.ValueUse)
	if d := cmp.Diff(map[string]string{"schemas.enable": "true"}, settings); class != "Json" || !inherited || d != "" {
		t.Errorf("got %s, inherited %v (-want +got):\n%s", class, inherited, d)
	}
	class, settings, inherited = config.ConverterOf(properties("value.converter= JsonConverter", "value.converter.plugin.version=1", "value.converter.x=y"), w, plugin.ValueUse)
	if d := cmp.Diff(map[string]string{"x": "y"}, settings); class != "JsonConverter" || inherited || d != "" {
		t.Errorf("got %s, inherited %v (-want +got):\n%s", class, inherited, d)
	}
}

func TestInheritedConverterMustBeBuiltIn(t *testing.T) {
	t.Parallel()
	few, err := plugin.NewRegistry([]plugin.Descriptor{{Name: "file", Class: "FileStreamSource", NewSource: func() plugin.Source { return source{} }}})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := flat(with()...)
	var got []diag.Code
	for _, x := range config.Check(d, worker(t, few), few) {
		got = append(got, x.Code)
	}
	if d := cmp.Diff([]diag.Code{diag.UnknownConverter, diag.UnknownConverter, diag.UnknownConverter}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestOverridesOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role  plugin.Role
		queue bool
		want  []string
	}{
		{plugin.SourceRole, false, []string{config.ProducerPrefix, config.AdminPrefix}},
		{plugin.SinkRole, false, []string{config.ConsumerPrefix}},
		{plugin.SinkRole, true, []string{config.ConsumerPrefix, config.ProducerPrefix, config.AdminPrefix}},
	} {
		if d := cmp.Diff(c.want, config.Overrides(c.role, c.queue)); d != "" {
			t.Errorf("%v, %v (-want +got):\n%s", c.role, c.queue, d)
		}
	}
}
