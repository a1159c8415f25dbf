package avro_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	theirs "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/avro"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func converter(tb testing.TB, url string, config plugin.Config) plugin.Converter {
	tb.Helper()
	return registrytest.Converter(tb, avro.Descriptor(), url, config)
}

// frame puts the id of a schema before a datum.
func frame(id byte, datum []byte) []byte { return append([]byte{0, 0, 0, 0, id}, datum...) }

// TestVectors runs what AvroData makes of schemas and data.
func TestVectors(t *testing.T) {
	t.Parallel()
	vector.Run(t, "registry-avro.jsonl", func(*vector.Case) bool { return true }, func(c *vector.Case) error {
		if c.Request.Op == "avro_write" {
			return tryWrite(t, c)
		}
		return tryRead(t, c)
	})
}

func tryWrite(t *testing.T, c *vector.Case) error {
	reg := registrytest.Start(t)
	d, err := c.Request.Datum()
	if err != nil {
		return err
	}
	conv := converter(t, reg.URL(), c.Request.Config)
	out, err := conv.AppendData([]byte{}, "t", d)
	if err != nil || c.Expect.Error != nil {
		return c.Expect.Error.Check("apply", 0, err)
	}
	if c.Expect.OK.Payload == nil {
		if out != nil {
			return fmt.Errorf("got %x, want the null message", out)
		}
		return nil
	}
	stored, _ := reg.GetSchema("t-value", 1)
	if got, want := stored.Schema.Schema, c.Expect.OK.AvroSchema; got != want {
		return fmt.Errorf("schema:\n got %s\nwant %s", got, want)
	}
	datum, err := hex.DecodeString(*c.Expect.OK.Payload)
	if err != nil {
		return err
	}
	if d.Schema != nil && d.Schema.Kind == record.Bytes && !strings.Contains(stored.Schema.Schema, `"fixed"`) {
		datum = datum[1:] // bytes at the root go without their length
	}
	return vector.CompareBytes(frame(1, datum), out)
}

func tryRead(t *testing.T, c *vector.Case) error {
	reg := registrytest.Start(t)
	version := max(c.Request.SubjectVersion, 1)
	reg.SeedSchema("t-value", version, 9, sr.Schema{Schema: c.Request.AvroSchema})
	schema, err := theirs.Parse(c.Request.AvroSchema)
	if err != nil {
		return err
	}
	var v any
	if err := schema.DecodeJSON(c.Request.AvroJSON, &v); err != nil {
		return err
	}
	datum, err := schema.Encode(v)
	if err != nil {
		return err
	}
	if strings.HasPrefix(c.Request.AvroSchema, `{"type":"bytes"`) {
		datum = datum[1:]
	}
	conv := converter(t, reg.URL(), c.Request.Config)
	for range 2 { // the second time goes by what is remembered
		got, err := conv.ReadData(new(record.Arena), "t", frame(9, datum))
		if err != nil || c.Expect.Error != nil {
			if err := c.Expect.Error.Check("apply", 0, err); err != nil {
				return err
			}
			continue
		}
		want, err := c.Expect.OK.Datum()
		if err != nil {
			return err
		}
		if want.Schema != nil && !want.Schema.HasVersion && c.Request.SubjectVersion == 0 && !got.Schema.Optional &&
			(c.Request.AvroSchema != `["int"]` || c.Request.Config["flatten.singleton.unions"] == "false") {
			own := *want.Schema // the case was taken without a subject; a registry always has a version
			own.Version, own.HasVersion = 1, true
			want.Schema = &own
		}
		if err := vector.CompareDatum(want, got); err != nil {
			return err
		}
	}
	return nil
}

// TestWireRules runs the rules of framing that are no format's.
func TestWireRules(t *testing.T) {
	t.Parallel()
	rules := map[string]func(*testing.T) error{
		"610": func(t *testing.T) error {
			out, err := converter(t, registrytest.Start(t).URL(), nil).AppendData([]byte{}, "t", record.Datum{Schema: record.Required(record.Int64), Value: record.OfInt64(5)})
			return errors.Join(err, vector.CompareBytes(frame(1, []byte{10}), out))
		},
		"611": func(t *testing.T) error {
			_, err := converter(t, registrytest.Start(t).URL(), nil).ReadData(new(record.Arena), "t", []byte{5, 0, 0, 0, 1, 10})
			return says(err, "Failed to deserialize data for topic t to Avro: ", "Error deserializing schema ID: Unknown magic byte!")
		},
		"612": func(t *testing.T) error {
			conv := converter(t, registrytest.Start(t).URL(), plugin.Config{"value.schema.id.serializer": "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"})
			m := &plugin.Message{Topic: "t"}
			out, err := conv.(plugin.MessageConverter).AppendMessage(t.Context(), []byte{}, m, record.Datum{Schema: record.Required(record.Int64), Value: record.OfInt64(5)})
			if err != nil || len(m.Headers) != 1 || m.Headers[0].Key != "__value_schema_id" || len(m.Headers[0].Value) != 17 || m.Headers[0].Value[0] != 1 {
				return fmt.Errorf("got headers %q (%w)", m.Headers, err)
			}
			return vector.CompareBytes([]byte{10}, out)
		},
		"623": func(t *testing.T) error {
			out, err := converter(t, "http://127.0.0.1:1", nil).AppendData([]byte{}, "t", record.Datum{})
			if out != nil {
				err = fmt.Errorf("got %x, want the null message", out)
			}
			return err
		},
		"624": func(t *testing.T) error {
			reg := registrytest.Start(t)
			reg.SeedSchema("x-value", 1, 1, sr.Schema{Schema: `"long"`})
			reg.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
				r.URL.RawQuery = "" // Confluent's registry finds an id whatever the subject
				return false
			})
			_, err := converter(t, reg.URL(), nil).ReadData(new(record.Arena), "t", frame(1, []byte{10}))
			return says(err, "Failed to deserialize data for topic t to Avro: ", "error code: 40401")
		},
	}
	vector.Run(t, "registry-wire.jsonl", func(c *vector.Case) bool { return rules[c.ID] != nil }, func(c *vector.Case) error { return rules[c.ID](t) })
}

// says wants a DataError of these words because of those.
func says(err error, words, cause string) error {
	d, ok := errors.AsType[*plugin.DataError](err)
	if !ok || d.Reason != words || d.Err == nil || !strings.Contains(d.Err.Error(), cause) {
		return fmt.Errorf("got %w, want %q because of %q", errors.Join(err, errors.Unwrap(err)), words, cause)
	}
	return nil
}

// TestWire reads what another library wrote, and writes it again.
func TestWire(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	for _, w := range vector.Referenced(t, "AVRO") {
		reg.SeedSchema(w.Subject, w.Version, 9999, sr.Schema{Schema: w.Schema})
	}
	vector.RunWire(t, "wire-avro.jsonl", func(t *testing.T, w *vector.Wire) error {
		seeded := sr.Schema{Schema: w.Schema}
		for _, r := range w.References {
			seeded.References = append(seeded.References, sr.SchemaReference(r))
		}
		reg.SeedSchema(w.Subject, 1, w.ID, seeded)
		topic, use := w.Topic()
		conv := avro.Descriptor().NewConverter()
		config := plugin.Config{"schema.registry.url": reg.URL(), "auto.register.schemas": "false", "use.schema.id": fmt.Sprint(w.ID), "id.compatibility.strict": "false"}
		if err := conv.Configure(config, use); err != nil {
			return err
		}
		d, err := conv.ReadData(new(record.Arena), topic, w.Bytes)
		if strings.Contains(w.Schema, `{"name":"n","type":"null"}`) {
			// A field that is always null has no Connect schema; Kafka Connect refuses it too.
			if err == nil || err.Error() != "Standalone null schemas are not supported by this converter" {
				return fmt.Errorf("got %w, want a refusal", err)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", err, errors.Unwrap(err))
		}
		if diff := cmp.Diff(w.Value, shown(w.Schema, d.Schema, d.Value)); diff != "" {
			return fmt.Errorf("want(-) got(+):\n%s", diff)
		}
		out, err := conv.AppendData([]byte{}, topic, d)
		if err != nil {
			return fmt.Errorf("%w: %w", err, errors.Unwrap(err))
		}
		if w.Value != nil && string(out) != string(w.Bytes) {
			return fmt.Errorf("written again it is %x, not %x", out, w.Bytes)
		}
		return nil
	})
}

// shown is a value in the notation of the recorded messages.
func shown(text string, s *record.Schema, v record.Value) any {
	logical := func(place string) string { // by the name of the field: each stands once in these schemas
		for _, l := range []string{"time-micros", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros", "uuid"} {
			if strings.Contains(text, `"name":"`+place+`","type":{"type":"long","logicalType":"`+l+`"`) || strings.Contains(text, `"name":"`+place+`","type":{"type":"string","logicalType":"`+l+`"`) {
				return l
			}
		}
		return ""
	}
	switch v.Kind() {
	case record.Null:
		return nil
	case record.Boolean:
		return v.Bool()
	case record.Float32, record.Float64:
		switch f := v.Float(); {
		case math.IsNaN(f):
			return map[string]any{"$float": "NaN"}
		case math.IsInf(f, 1):
			return map[string]any{"$float": "inf"}
		case math.IsInf(f, -1):
			return map[string]any{"$float": "-inf"}
		case f == 0 && math.Signbit(f):
			return map[string]any{"$float": "-0.0"}
		default:
			return f
		}
	case record.String:
		return v.Text()
	case record.Bytes:
		return map[string]any{"$bytes": base64.StdEncoding.EncodeToString(v.Bytes())}
	case record.Decimal:
		r := new(big.Rat).SetFrac(v.Decimal().Unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.Decimal().Scale)), nil))
		return map[string]any{"$decimal": r.FloatString(int(v.Decimal().Scale))}
	case record.Instant:
		at := time.UnixMilli(v.Int()).UTC()
		switch s.Name {
		case record.DateName:
			return map[string]any{"$date": at.Format(time.DateOnly)}
		case record.TimeName:
			return map[string]any{"$time": clock(at)}
		}
		return map[string]any{"$timestamp": stamp(at) + "+00:00"}
	case record.Array:
		list := []any{}
		for _, e := range v.Elements() {
			list = append(list, shown(text, s.Elem, e))
		}
		return list
	case record.Map:
		m := map[string]any{}
		for i, e := range v.Elements() {
			if i%2 == 1 {
				m[v.Elements()[i-1].Text()] = shown(text, s.Elem, e)
			}
		}
		return m
	case record.Struct:
		m := map[string]any{}
		for i, f := range s.Fields {
			e := v.Elements()[i]
			if s.Name == "io.confluent.connect.avro.Union" {
				if !e.IsNull() {
					return shown(text, f.Schema, e)
				}
				continue
			}
			got := shown(text, f.Schema, e)
			if l := logical(f.Name); l != "" && !e.IsNull() {
				got = micros(l, e)
			}
			m[f.Name] = got
		}
		return m
	}
	return float64(v.Int())
}

// micros shows the logical types that Connect does not have, which come as plain numbers.
func micros(logical string, v record.Value) any {
	if logical == "uuid" {
		return map[string]any{"$uuid": v.Text()}
	}
	at := time.UnixMicro(v.Int()).UTC()
	if strings.HasSuffix(logical, "millis") {
		at = time.UnixMilli(v.Int()).UTC()
	}
	switch {
	case logical == "time-micros":
		return map[string]any{"$time": clock(at)}
	case strings.HasPrefix(logical, "local"):
		return map[string]any{"$local": stamp(at)}
	}
	return map[string]any{"$timestamp": stamp(at) + "+00:00"}
}

// clock and stamp are Python's isoformat: microseconds only where there are some.
func clock(at time.Time) string { return stamp(at)[11:] }

func stamp(at time.Time) string {
	if at.Nanosecond() == 0 {
		return at.Format("2006-01-02T15:04:05")
	}
	return at.Format("2006-01-02T15:04:05.000000")
}
