// Package condition holds what decides, record by record, whether a transform applies: the built-in predicates of Kafka
// Connect (org.apache.kafka.connect.transforms.predicates), and expressions over a record, in the language of
// github.com/expr-lang/expr, of which this is the only user. Transforms that compute take their expressions from here too.
//
// What an expression mostly does, following paths to fields and comparing them, is answered on the record's own values;
// see [Program]. The rest runs on expr's machine, with values that are made for it.
package condition

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

const (
	javaPackage = "org.apache.kafka.connect.transforms.predicates."
	version     = "4.3.1" // of the Kafka Connect that the predicates follow; predicates.<name>.plugin.version asks for it
)

// Descriptors lists the predicates of this package.
func Descriptors() []plugin.Descriptor {
	return []plugin.Descriptor{
		{
			Name: "expression", Class: "penstock.predicates.Expression", Version: "1.0.0",
			Doc:          "True for records of which an expression is true. It stands for when = \"…\" and unless = \"…\".",
			Spec:         plugin.SpecOf(expressionConfig{}),
			NewPredicate: func() plugin.Predicate { return &expression{} },
		},
		{
			Name: "has_header_key", Class: javaPackage + "HasHeaderKey", Version: version,
			Doc:          "True for records with at least one header of a name.",
			Spec:         plugin.SpecOf(hasHeaderKeyConfig{}),
			NewPredicate: func() plugin.Predicate { return &hasHeaderKey{} },
		},
		{
			Name: "record_is_tombstone", Class: javaPackage + "RecordIsTombstone", Version: version,
			Doc:          "True for records whose value is null.",
			NewPredicate: func() plugin.Predicate { return recordIsTombstone{} },
		},
		{
			Name: "topic_name_matches", Class: javaPackage + "TopicNameMatches", Version: version,
			Doc:          "True for records whose whole topic name matches a regular expression.",
			Spec:         plugin.SpecOf(topicNameMatchesConfig{}),
			NewPredicate: func() plugin.Predicate { return &topicNameMatches{} },
		},
	}
}

type hasHeaderKeyConfig struct {
	Name string `cfg:"name,required,nonempty" example:"source" doc:"The name, in exactly this spelling."`
}

// hasHeaderKey follows Kafka Connect's HasHeaderKey.
type hasHeaderKey struct{ name string }

// Configure implements [plugin.Predicate].
func (p *hasHeaderKey) Configure(c plugin.Config) error {
	var cfg hasHeaderKeyConfig
	err := plugin.Decode(c, &cfg)
	p.name = cfg.Name
	return err
}

// Test implements [plugin.Predicate].
func (p *hasHeaderKey) Test(r *record.Record) (bool, error) {
	for i := range r.Headers {
		if r.Headers[i].Key == p.name {
			return true, nil
		}
	}
	return false, nil
}

// recordIsTombstone follows Kafka Connect's RecordIsTombstone: neither the schema nor the key counts.
type recordIsTombstone struct{}

// Configure implements [plugin.Predicate]; there are no settings.
func (recordIsTombstone) Configure(plugin.Config) error { return nil }

// Test implements [plugin.Predicate].
func (recordIsTombstone) Test(r *record.Record) (bool, error) { return r.Value.Value.IsNull(), nil }
