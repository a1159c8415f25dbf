// Package registrytest has a schema registry for tests, and converters that keep their schemas there.
package registrytest

import (
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/penstock/penstock/engine/plugin"
)

// Start is a schema registry of the test's own. It takes every schema, whatever its type.
func Start(tb testing.TB) *srfake.Registry {
	tb.Helper()
	r := srfake.New()
	tb.Cleanup(r.Close)
	return r
}

// Converter is a converter for values with its schemas in the registry at url, which it asks again at once.
func Converter(tb testing.TB, d plugin.Descriptor, url string, more plugin.Config) plugin.Converter {
	tb.Helper()
	c := d.NewConverter()
	all := plugin.Config{"schema.registry.url": url, "retries.wait.ms": "1"}
	maps.Copy(all, more)
	if err := c.Configure(all, plugin.ValueUse); err != nil {
		tb.Fatal(err)
	}
	return c
}
