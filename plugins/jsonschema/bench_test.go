package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// TestAllocJSONSchema: once the schema is known, neither writing nor reading allocates.
func TestAllocJSONSchema(t *testing.T) {
	plugintest.NewCodec(t, converter(t, registrytest.Start(t).URL(), nil)).AllocatesNothing(t)
}

// BenchmarkJSONSchema writes and reads orders beside encoding/json and beside the least work that could do, and once more
// with the validation of what is written.
func BenchmarkJSONSchema(b *testing.B) {
	c := plugintest.NewCodec(b, converter(b, registrytest.Start(b).URL(), nil))
	buf, prefix := make([]byte, 0, 4096), c.Messages[0][:5]
	limit := func(dst []byte, i int) []byte { return c.Orders[i].AppendJSON(append(dst, prefix...)) }
	if got := limit(nil, 1); !bytes.Equal(got, c.Messages[1]) {
		b.Fatalf("the limit writes %s, want %s", got, c.Messages[1])
	}
	write := []plugintest.Way{
		{Name: "limit", Do: func(i int) error { limit(buf, i); return nil }},
		{Name: "encoding-json", Do: func(i int) error { _, err := json.Marshal(&c.Orders[i]); return err }},
	}
	b.Run("write", func(b *testing.B) { c.BenchWrite(b, write...) })
	b.Run("validate", func(b *testing.B) {
		plugintest.NewCodec(b, converter(b, registrytest.Start(b).URL(), plugin.Config{"json.fail.invalid.schema": "true"})).BenchWrite(b, write...)
	})
	var parsed plugintest.Order
	b.Run("read", func(b *testing.B) {
		c.BenchRead(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { return parsed.ParseJSON(c.Messages[i], prefix, "") }},
			plugintest.Way{Name: "encoding-json", Do: func(i int) error { var o plugintest.Order; return json.Unmarshal(c.Messages[i][5:], &o) }})
	})
}
