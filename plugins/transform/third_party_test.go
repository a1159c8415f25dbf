package transform

import (
	"errors"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// otherwise are recorded cases where we differ on purpose.
var otherwise = map[string]string{
	"T121": badMode, "T122": badMode, "T123": badMode, "T124": badMode, "T125": badMode, "T126": badMode,
	"T450": dateTopic, "T460": dateTopic, "T740": dateTopic, "T750": dateTopic,
}

const (
	badMode   = "a mode that there is not is refused when the configuration is read, where Debezium fails at the first delete"
	dateTopic = "a date is refused, where Aiven makes a topic name of blanks and colons that Kafka refuses"
)

// TestThirdPartyVectors runs what Debezium's and Aiven's own classes answered. Their messages show whole records, ours do
// not, so that of a failure only the stage counts.
func TestThirdPartyVectors(t *testing.T) {
	t.Parallel()
	r, recorded := registry(t), time.UnixMilli(1795637577900)
	vector.Run(t, "third-party.jsonl", r.has, func(v *vector.Case) error {
		if reason, ok := otherwise[v.ID]; ok {
			return vector.Skip("%s", reason)
		}
		return r.tryThirdParty(v, recorded)
	})
}

// TestConfluentAsDocumented holds Confluent's transforms to their documentation: what is not in it, nobody has recorded, since
// their classes are in no public repository.
func TestConfluentAsDocumented(t *testing.T) {
	t.Parallel()
	const dropped, failed = "dropped", "failed"
	r := registry(t)
	for _, c := range []struct {
		class    string
		config   plugin.Config
		in, want string
	}{
		{"Filter$Value", plugin.Config{"filter.condition": `$.key[?(@.nestedKey == "value1" || @.nestedKey == "value2")]`, "filter.type": "include"}, `{"value":{"key":{"nestedKey":"value2"}}}`, `{"value":{"key":{"nestedKey":"value2"}}}`},
		{"Filter$Value", plugin.Config{"filter.condition": `$.key[?(@.nestedKey == "value1")]`, "filter.type": "include"}, `{"value":{"key":{"nestedKey":"value2"}}}`, dropped},
		{"Filter$Value", plugin.Config{"filter.condition": `$.key[?(@.nestedKey == "value1")]`, "filter.type": "exclude"}, `{"value":{"key":{"nestedKey":"value1"}}}`, dropped},
		{"Filter$Value", plugin.Config{"filter.condition": `$.key[?(@.nestedKey == "value1")]`, "filter.type": "exclude"}, `{"value":{"key":{}}}`, `{"value":{"key":{}}}`},
		{"Filter$Value", plugin.Config{"filter.condition": `$.key[?(@.nestedKey == "value1")]`, "filter.type": "include"}, `{"value":{"other":1}}`, failed},
		{"Filter$Value", plugin.Config{"filter.condition": `$.key[?(@.nestedKey == "value1")]`, "filter.type": "include", "missing.or.null.behavior": "include"}, `{"value":{"other":1}}`, `{"value":{"other":1}}`},
		{"Filter$Value", plugin.Config{"filter.condition": "$.after.topic_name", "filter.type": "include", "missing.or.null.behavior": "exclude"}, `{"value":{"after":{"topic_name":null}}}`, dropped},
		{"Filter$Value", plugin.Config{"filter.condition": "$.after.topic_name", "filter.type": "include", "missing.or.null.behavior": "exclude"}, `{"value":{"after":{"topic_name":"a"}}}`, `{"value":{"after":{"topic_name":"a"}}}`},
		{"Filter$Value", plugin.Config{"filter.condition": "$.a", "filter.type": "include"}, `{"value":null}`, failed},
		{"Filter$Key", plugin.Config{"filter.condition": "$[?(@.id > 5)]", "filter.type": "exclude"}, `{"key":{"id":6}}`, dropped},

		{"ExtractTopic$Key", plugin.Config{}, `{"topic":"a","key":"b"}`, `{"topic":"b","key":"b"}`},
		{"ExtractTopic$Value", plugin.Config{"field": "f2"}, `{"topic":"a","value":{"f2":"b"}}`, `{"topic":"b","value":{"f2":"b"}}`},
		{"ExtractTopic$Value", plugin.Config{"field": "f2"}, `{"topic":"a","value":{}}`, failed},
		{"ExtractTopic$Value", plugin.Config{"field": "f3", "skip.missing.or.null": "true"}, `{"topic":"a","value":{}}`, `{"topic":"a","value":{}}`},
		{"ExtractTopic$Key", plugin.Config{"field": `$["f1"]["f2"]`, "field.format": "JSON_PATH"}, `{"topic":"a","key":{"f1":{"f2":"b"}}}`, `{"topic":"b","key":{"f1":{"f2":"b"}}}`},
		{"ExtractTopic$Key", plugin.Config{"field": `$.f1.f2`, "field.format": "JSON_PATH"}, `{"topic":"a","key":{"f1":1}}`, failed},
		{"ExtractTopic$Key", plugin.Config{"field": `$.f1.f2`, "field.format": "JSON_PATH", "skip.missing.or.null": "true"}, `{"topic":"a","key":{"f1":1}}`, `{"topic":"a","key":{"f1":1}}`},
		{"ExtractTopic$Header", plugin.Config{"field": "h"}, `{"topic":"a","headers":{"h":"b"}}`, `{"topic":"b"}`},
		{"ExtractTopic$Header", plugin.Config{"field": "h"}, `{"topic":"a","headers":{"x":"b"}}`, failed},
		{"ExtractTopic$Header", plugin.Config{"field": "h"}, `{"topic":"a","headers":{"h":5}}`, failed},
		{"ExtractTopic$Header", plugin.Config{"field": "h", "skip.missing.or.null": "true"}, `{"topic":"a","headers":{"h":null}}`, `{"topic":"a"}`},

		{"TombstoneHandler", plugin.Config{}, `{"key":1}`, dropped},
		{"TombstoneHandler", plugin.Config{"behavior": "ignore"}, `{"key":1}`, dropped},
		{"TombstoneHandler", plugin.Config{"behavior": "fail"}, `{"key":1}`, failed},
		{"TombstoneHandler", plugin.Config{"behavior": "fail"}, `{"value":1}`, `{"value":1}`},

		{"MessageTimestampRouter", plugin.Config{"topic.format": "foo-${topic}-${timestamp}", "message.timestamp.format": "yyyy-MM-dd", "topic.timestamp.format": "yyyy.MM.dd", "message.timestamp.keys": "timestamp,time,ts"}, `{"topic":"bar","value":{"time":"2019-08-06"}}`, `{"topic":"foo-bar-2019.08.06","value":{"time":"2019-08-06"}}`},
		{"MessageTimestampRouter", plugin.Config{"message.timestamp.keys": "ts"}, `{"topic":"bar","value":{"ts":1566570894346}}`, `{"topic":"bar-20190823","value":{"ts":1566570894346}}`},
		{"MessageTimestampRouter", plugin.Config{"message.timestamp.keys": "ts"}, `{"topic":"bar","value":{"ts":"2019-08-06"}}`, failed},
		{"MessageTimestampRouter", plugin.Config{"message.timestamp.keys": "ts"}, `{"topic":"bar","value":{"time":1}}`, failed},
		{"MessageTimestampRouter", plugin.Config{"message.timestamp.keys": "ts"}, `{"topic":"bar","value":"2019-08-06"}`, failed},

		{"Drop$Value", plugin.Config{}, `{"key":1,"value":{"a":1}}`, `{"key":1,"value":null}`},
		{"Drop$Key", plugin.Config{"schema.behavior": "retain"}, `{"key":1,"value":{"a":1}}`, `{"key":null,"value":{"a":1}}`},
	} {
		d, target, ok := r.Class(plugin.TransformRole, confluent+c.class)
		if !ok {
			t.Fatalf("there is no %s", c.class)
		}
		tr := d.NewTransform(target)
		if err := tr.Configure(c.config); err != nil {
			t.Errorf("%s %v: %v", c.class, c.config, err)
			continue
		}
		b := record.NewBatch(record.FromSource, new(record.Partitions))
		fillFrom(t, b.Append(), c.in)
		if err := tr.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		got := "came out"
		switch want := c.want; {
		case len(b.Failures()) > 0:
			got = failed
		case b.Dropped(0):
			got = dropped
		case want != failed && want != dropped:
			got = print(t, &b.Records[0], want)
			var r record.Record
			fillFrom(t, &r, want)
			c.want = print(t, &r, want)
		}
		if got != c.want {
			t.Errorf("%s %v of %s: got %s, want %s", c.class, c.config, c.in, got, c.want)
		}
	}
}

// What Confluent's Drop makes of the schema is said by its setting.
func TestNullifySchemas(t *testing.T) {
	t.Parallel()
	required, optional := record.Required(record.String), record.OptionalOf(record.String)
	for _, c := range []struct {
		behavior string
		in, want *record.Schema
		fails    bool
	}{
		{"nullify", required, nil, false}, {"retain", required, required, false}, {"validate", required, nil, true},
		{"validate", optional, optional, false}, {"force_optional", required, optional, false}, {"FORCE_OPTIONAL", optional, optional, false},
		{"validate", nil, nil, false}, {"force_optional", nil, nil, false},
	} {
		r, err := apply(configured(t, "nullify", plugin.Config{"schema.behavior": c.behavior}), record.Datum{Schema: c.in, Value: record.OfString("x")})
		switch {
		case (err != nil) != c.fails:
			t.Errorf("%s of %v: got %v, want a failure: %t", c.behavior, c.in, err, c.fails)
		case !c.fails && (!r.Value.Value.IsNull() || !r.Value.Schema.Equal(c.want)):
			t.Errorf("%s of %v: got %v of %v, want null of %v", c.behavior, c.in, r.Value.Value.Kind(), r.Value.Schema, c.want)
		}
	}
}

// TestRefusedSettings holds that what we do not do is refused by name, and not ignored (invariant 9).
func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	r := registry(t)
	for _, c := range []struct {
		class  string
		key    string
		config plugin.Config
	}{
		{"io.debezium.transforms.outbox.EventRouter", "table.expand.json.payload", plugin.Config{"table.expand.json.payload": "true"}},
		{"io.debezium.transforms.outbox.EventRouter", "table.fields.additional.placement", plugin.Config{"table.fields.additional.placement": "a:somewhere"}},
		{"io.debezium.transforms.ByLogicalTableRouter", "schema.name.adjustment.mode", plugin.Config{"topic.regex": "a", "topic.replacement": "b", "schema.name.adjustment.mode": "avro"}},
		{"io.confluent.connect.transforms.ExtractTopic$Value", "field", plugin.Config{"field.format": "JSON_PATH", "field": "$..a"}},
		{"io.confluent.connect.transforms.ExtractTopic$Header", "field", plugin.Config{}},
		{"io.confluent.connect.transforms.Filter$Value", "filter.condition", plugin.Config{"filter.type": "include", "filter.condition": "$.a.length()"}},
		{"io.confluent.connect.transforms.Filter$Key", "filter.type", plugin.Config{"filter.type": "keep", "filter.condition": "$.a"}},
		{"io.confluent.connect.transforms.TombstoneHandler", "behavior", plugin.Config{"behavior": "drop_silent"}},
		{"io.confluent.connect.transforms.MessageTimestampRouter", "message.timestamp.keys", plugin.Config{}},
		{"io.confluent.connect.transforms.MessageTimestampRouter", "message.timestamp.format", plugin.Config{"message.timestamp.keys": "a", "message.timestamp.format": "YYYY"}},
		{"io.aiven.kafka.connect.transforms.KeyToValue", "value.fields", plugin.Config{"key.fields": "a,b", "value.fields": "c,c"}},
		{"io.aiven.kafka.connect.transforms.FilterByFieldValue$Value", "field.value.pattern", plugin.Config{"field.value.pattern": "(?=a)"}},
	} {
		d, target, ok := r.Class(plugin.TransformRole, c.class)
		if !ok {
			t.Fatalf("there is no %s", c.class)
		}
		err := d.NewTransform(target).Configure(c.config)
		if e, ok := errors.AsType[*plugin.ConfigError](err); !ok || e.Key != c.key {
			t.Errorf("%s with %v: got %v, want an error about %s", c.class, c.config, err, c.key)
		}
	}
}

// TestJSONPathErrorsPointIntoTheText: a path that cannot be read is refused at its character, one that ends too early whole.
func TestJSONPathErrorsPointIntoTheText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int{"$..a": {1, 2}, "$.é[1:2]": {5, 6}, "$.a[": {}, "$.a.length()": {4, 5}} {
		err := newJSONPathFilter(plugin.Value).Configure(plugin.Config{"filter.condition": text, "filter.type": "include"})
		e, ok := errors.AsType[*plugin.ConfigError](err)
		if !ok || e.Key != "filter.condition" || [2]int{e.From, e.To} != want {
			t.Errorf("%s: got %+v, want one at %v", text, err, want)
		}
	}
}
