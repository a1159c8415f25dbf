// Package plugins is the list of what the binary has built in. A folder below is a plugin, or several of one subject, or,
// as plugins/registry, what several share; a line here is all that it takes to add one.
package plugins

import (
	"slices"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins/avro"
	"github.com/penstock/penstock/plugins/blackhole"
	"github.com/penstock/penstock/plugins/condition"
	"github.com/penstock/penstock/plugins/convert"
	"github.com/penstock/penstock/plugins/datagen"
	"github.com/penstock/penstock/plugins/file"
	"github.com/penstock/penstock/plugins/jsonschema"
	"github.com/penstock/penstock/plugins/protobuf"
	"github.com/penstock/penstock/plugins/transform"
)

// All lists the descriptors of every folder. Who builds a binary with plugins of their own appends to it.
func All() []plugin.Descriptor {
	return slices.Concat(
		file.Descriptors(),
		[]plugin.Descriptor{
			avro.Descriptor(),
			blackhole.Descriptor(),
			datagen.Descriptor(),
			jsonschema.Descriptor(),
			protobuf.Descriptor(),
		},
		convert.Descriptors(),
		transform.Descriptors(),
		condition.Descriptors(),
	)
}
