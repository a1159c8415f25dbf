package convert_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
)

// BenchmarkJSONEnvelope writes and reads envelopes of orders beside encoding/json and beside the least work that could do,
// for which the schema is bytes to copy or compare.
func BenchmarkJSONEnvelope(b *testing.B) {
	c := plugintest.NewCodec(b, converterOf(b, "json", nil))
	const mark = `"payload":`
	prefix := c.Messages[0][:bytes.Index(c.Messages[0], []byte(mark))+len(mark)]
	rawSchema := json.RawMessage(prefix[len(`{"schema":`) : len(prefix)-len(`,`+mark)])
	limit := func(dst []byte, i int) []byte { return append(c.Orders[i].AppendJSON(append(dst, prefix...)), '}') }
	if got := limit(nil, 1); !bytes.Equal(got, c.Messages[1]) {
		b.Fatalf("the limit writes %s, want %s", got, c.Messages[1])
	}
	type envelope struct {
		Schema  json.RawMessage  `json:"schema"`
		Payload plugintest.Order `json:"payload"`
	}
	buf := make([]byte, 0, 4096)
	var parsed plugintest.Order
	b.Run("write", func(b *testing.B) {
		c.BenchWrite(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { limit(buf, i); return nil }},
			plugintest.Way{Name: "encoding-json", Do: func(i int) error { _, err := json.Marshal(envelope{rawSchema, c.Orders[i]}); return err }})
	})
	b.Run("read", func(b *testing.B) {
		c.BenchRead(b,
			plugintest.Way{Name: "limit", Do: func(i int) error { return parsed.ParseJSON(c.Messages[i], prefix, "}") }},
			plugintest.Way{Name: "encoding-json", Do: func(i int) error { var e envelope; return json.Unmarshal(c.Messages[i], &e) }})
	})
}

// TestAllocEnvelope: neither writing nor reading envelopes allocates, a decimal included, whatever its form.
func TestAllocEnvelope(t *testing.T) {
	for _, format := range []string{"BASE64", "NUMERIC"} {
		plugintest.NewCodec(t, converterOf(t, "json", plugin.Config{"decimal.format": format})).AllocatesNothing(t)
	}
	plugintest.NewCodec(t, converterOf(t, "json", plugin.Config{"replace.null.with.default": strconv.FormatBool(false)})).AllocatesNothing(t)
}
