package transform

import (
	"errors"
	"fmt"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
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
	r := registry(t)
	vector.Run(t, "third-party.jsonl", r.has, func(v *vector.Case) error {
		if reason, ok := otherwise[v.ID]; ok {
			return vector.Skip("%s", reason)
		}
		e := v.Expect.Error
		if e == nil {
			return r.try(v)
		}
		e.Class = "" // texts do not count
		if err := r.try(v); err != nil {
			return fmt.Errorf("%w; recorded: %s", err, *e.Message)
		}
		return nil
	})
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
		{"io.confluent.connect.transforms.ExtractTopic$Value", "field.format", plugin.Config{"field.format": "JSON_PATH"}},
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
