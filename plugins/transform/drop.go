package transform

import (
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// drop follows Kafka Connect's Filter: it drops every record that reaches it, so it stands behind a predicate.
type drop struct{ single }

func newDrop(plugin.Target) plugin.Transform {
	t := &drop{}
	t.each = t.drop
	return t
}

// Configure implements [plugin.Transform]; there are no settings.
func (*drop) Configure(plugin.Config) error { return nil }

func (t *drop) drop(i int, _ *record.Record) error {
	t.batch.Drop(i)
	return nil
}
