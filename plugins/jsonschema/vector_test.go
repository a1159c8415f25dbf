package jsonschema_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins/jsonschema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func registryOf(tb testing.TB) *srfake.Registry {
	tb.Helper()
	r := srfake.New()
	tb.Cleanup(r.Close)
	return r
}

func converter(tb testing.TB, url string, config plugin.Config) plugin.Converter {
	tb.Helper()
	c := jsonschema.Descriptor().NewConverter()
	all := plugin.Config{"schema.registry.url": url, "retries.wait.ms": "1"}
	maps.Copy(all, config)
	if err := c.Configure(all, plugin.ValueUse); err != nil {
		tb.Fatal(err)
	}
	return c
}

// frame puts the id of a schema before a payload.
func frame(id byte, payload string) []byte { return append([]byte{0, 0, 0, 0, id}, payload...) }

// errorsOf is an error with all that it wraps, as people read it.
func errorsOf(err error) string {
	var all []string
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return strings.Join(all, " <- ")
}
