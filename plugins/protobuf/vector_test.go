package protobuf_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/protobuf"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func converter(tb testing.TB, url string, config plugin.Config) plugin.Converter {
	tb.Helper()
	return registrytest.Converter(tb, protobuf.Descriptor(), url, config)
}

// frame puts the id of a schema, and an index, before a message.
func frame(id byte, message ...byte) []byte { return append([]byte{0, 0, 0, 0, id}, message...) }

// seed gives the registry a schema under t-value.
func seed(reg *srfake.Registry, id int, text string) {
	reg.SeedSchema("t-value", id, id, sr.Schema{Schema: text, Type: sr.TypeProtobuf})
}

// errorsOf are an error and its causes.
func errorsOf(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		b.WriteString(err.Error() + "; ")
	}
	return b.String()
}

// write writes data through a new registry and gives the message and the registered text.
func write(tb testing.TB, config plugin.Config, d record.Datum) (out []byte, text string, err error) {
	tb.Helper()
	reg := registrytest.Start(tb)
	out, err = converter(tb, reg.URL(), config).AppendData([]byte{}, "t", d)
	stored, _ := reg.GetSchema("t-value", 1)
	return out, stored.Schema.Schema, err
}

// read reads a message, with its index, of a schema.
func read(tb testing.TB, config plugin.Config, text string, message ...byte) (record.Datum, error) {
	tb.Helper()
	reg := registrytest.Start(tb)
	seed(reg, 1, text)
	return converter(tb, reg.URL(), config).ReadData(new(record.Arena), "t", frame(1, message...))
}

func fails(err error, words string) error {
	if _, ok := errors.AsType[*plugin.DataError](err); !ok || !strings.Contains(errorsOf(err), words) {
		return fmt.Errorf("got %v, want a DataError that says %q", errorsOf(err), words)
	}
	return nil
}

// TestWireRules runs the recorded rules of Protobuf's frames and mapping.
func TestWireRules(t *testing.T) {
	t.Parallel()
	one := func(s *record.Schema, v record.Value) record.Datum {
		return record.Datum{Schema: record.Build(record.Struct).Field("a", s).MustBuild(), Value: record.OfStruct([]record.Value{v})}
	}
	i32 := record.Required(record.Int32)
	rules := map[string]func(*testing.T) error{
		"613": func(t *testing.T) error {
			text := "syntax = \"proto3\";\n"
			for i := range 8 {
				text += fmt.Sprintf("message M%d { message N%d {} }\n", i, i)
			}
			for name, index := range map[string][]byte{"M0": {0}, "M1": {2, 2}, "M1.N1": {4, 2, 0}, "M7": {2, 14}} {
				reg := registrytest.Start(t)
				seed(reg, 1, text)
				conv := converter(t, reg.URL(), plugin.Config{"auto.register.schemas": "false", "use.schema.id": "1", "id.compatibility.strict": "false"})
				out, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: record.Build(record.Struct).Named(name).MustBuild(), Value: record.OfStruct(nil)})
				if err := errors.Join(err, vector.CompareBytes(frame(1, index...), out)); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				d, err := conv.ReadData(new(record.Arena), "t", out)
				if want := name[strings.LastIndexByte(name, '.')+1:]; err != nil || d.Schema.Name != want {
					return fmt.Errorf("%s: read as %v (%w)", name, d.Schema, err)
				}
			}
			return nil
		},
		"614": func(t *testing.T) error {
			_, _, err := write(t, nil, record.Datum{Value: record.OfInt64(1)})
			return fails(err, "without a schema")
		},
		"615": func(t *testing.T) error {
			_, _, err := write(t, nil, record.Datum{Schema: record.BuildArray(i32).MustBuild(), Value: record.OfArray(nil)})
			return fails(err, "Unsupported root schema of type ARRAY")
		},
		"616": func(t *testing.T) error {
			_, _, err := write(t, nil, one(record.BuildArray(record.BuildArray(i32).MustBuild()).MustBuild(), record.OfArray(nil)))
			return fails(err, "Array cannot be nested")
		},
		"617": func(t *testing.T) error {
			out, text, err := write(t, nil, record.Datum{Schema: record.Required(record.String), Value: record.OfString("a")})
			if !strings.Contains(text, "message StringValue {") {
				return fmt.Errorf("registered %s", text)
			}
			return errors.Join(err, vector.CompareBytes(frame(1, 2, 14, 10, 1, 'a'), out))
		},
		"618": func(t *testing.T) error {
			s := record.Build(record.Struct).Field("a", i32).Field("b", record.OptionalOf(record.String)).MustBuild()
			_, text, err := write(t, nil, record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfInt32(1), {}})})
			if want := "syntax = \"proto3\";\n\nmessage ConnectDefault1 {\n  int32 a = 1;\n  string b = 2;\n}\n"; text != want {
				return fmt.Errorf("registered %q, want %q (%w)", text, want, err)
			}
			return err
		},
		"619": func(t *testing.T) error {
			out, text, err := write(t, nil, one(record.Required(record.Int8), record.OfInt8(5)))
			want := "syntax = \"proto3\";\n\nmessage ConnectDefault1 {\n  int32 a = 1 [(confluent.field_meta) = {\n    params: [\n      {\n        key: \"connect.type\",\n        value: \"int8\"\n      }\n    ]\n  }];\n}\n"
			if text != want {
				return fmt.Errorf("registered\n%s, want\n%s (%w)", text, want, err)
			}
			return errors.Join(err, vector.CompareBytes(frame(1, 0, 8, 5), out))
		},
		"620": func(t *testing.T) error {
			d, err := read(t, nil, "syntax = \"proto3\"; message M { fixed32 a = 1; }", 0, 0x0d, 255, 255, 255, 255)
			return errors.Join(err, vector.CompareValue(record.OfStruct([]record.Value{record.OfInt64(4294967295)}), d.Value))
		},
		"621": func(t *testing.T) error {
			d, err := read(t, nil, "syntax = \"proto3\"; message M { string a = 1; }", 0)
			if err == nil && !d.Schema.Fields[0].Schema.Optional {
				err = errors.New("the field is required")
			}
			return errors.Join(err, vector.CompareValue(record.OfStruct([]record.Value{record.OfString("")}), d.Value))
		},
		"622": func(t *testing.T) error {
			member := record.Build(record.Int32).Optional().Param("io.confluent.connect.protobuf.Tag", "1").MustBuild()
			union := record.Build(record.Struct).Named("io.confluent.connect.protobuf.Union.u").Optional().Field("x", member).MustBuild()
			_, _, err := write(t, nil, one(union, record.OfStruct(make([]record.Value, 1))))
			return fails(err, "Cannot find non-null field")
		},
	}
	vector.Run(t, "registry-wire.jsonl", func(c *vector.Case) bool { return rules[c.ID] != nil }, func(c *vector.Case) error { return rules[c.ID](t) })
}

// TestWire reads what another library wrote, and writes it again.
func TestWire(t *testing.T) {
	t.Parallel()
	reg := registrytest.Start(t)
	for _, w := range vector.Referenced(t, "PROTOBUF") {
		reg.SeedSchema(w.Subject, w.Version, 9999, sr.Schema{Schema: w.Schema, Type: sr.TypeProtobuf})
	}
	vector.RunWire(t, "wire-protobuf.jsonl", func(t *testing.T, w *vector.Wire) error {
		seeded := sr.Schema{Schema: w.Schema, Type: sr.TypeProtobuf}
		for _, r := range w.References {
			seeded.References = append(seeded.References, sr.SchemaReference(r))
		}
		reg.SeedSchema(w.Subject, 1, w.ID, seeded)
		topic, use := w.Topic()
		conv := protobuf.Descriptor().NewConverter()
		if err := conv.Configure(plugin.Config{
			"schema.registry.url": reg.URL(), "auto.register.schemas": "false", "use.schema.id": strconv.Itoa(w.ID), "id.compatibility.strict": "false",
			"enhanced.protobuf.schema.support": "true", "optional.for.nullables": "true",
		}, use); err != nil {
			return err
		}
		d, err := conv.ReadData(new(record.Arena), topic, w.Bytes)
		if err != nil {
			return errors.New(errorsOf(err))
		}
		if d.Schema.Name != w.Message || d.Schema.Version != 1 {
			return fmt.Errorf("got %s version %d, want %s version 1", d.Schema.Name, d.Schema.Version, w.Message)
		}
		if diff := cmp.Diff(w.Value, shown(d.Schema, d.Value)); diff != "" {
			return fmt.Errorf("want(-) got(+):\n%s", diff)
		}
		out, err := conv.AppendData([]byte{}, topic, d)
		if err != nil {
			return errors.New(errorsOf(err))
		}
		want := w.Bytes
		switch w.Name {
		case "proto2": // what the converter writes is proto3, whose lists are packed
			want = append(want[:len(want)-9:len(want)-9], 0x22, 2, 6, 7, 0x2a, 3, 10, 1, 'g')
		case "scalars-default": // an enum's schema is always optional, so its first symbol is written
			want = append(slices.Clip(want), 0x80, 1, 0)
		}
		if string(out) != string(want) {
			return fmt.Errorf("written again it is %x, not %x", out, want)
		}
		return nil
	})
}

// shown is a value in Protobuf's mapping to JSON: 64 bits are text, what has its default is left out.
func shown(s *record.Schema, v record.Value) any {
	switch v.Kind() {
	case record.Boolean:
		return v.Bool()
	case record.Float32, record.Float64:
		return v.Float()
	case record.String:
		return v.Text()
	case record.Bytes:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case record.Int64:
		switch typ, _ := s.Param("io.confluent.connect.protobuf.Type"); typ {
		case "uint32", "fixed32":
			return float64(v.Int())
		case "uint64", "fixed64":
			return strconv.FormatUint(uint64(v.Int()), 10)
		}
		return strconv.FormatInt(v.Int(), 10)
	case record.Instant:
		return time.UnixMilli(v.Int()).UTC().Format("2006-01-02T15:04:05.000Z")
	case record.Array:
		list := []any{}
		for _, e := range v.Elements() {
			list = append(list, shown(s.Elem, e))
		}
		return list
	case record.Map:
		m := map[string]any{}
		for i := 0; i < len(v.Elements()); i += 2 {
			m[fmt.Sprint(shown(s.Key, v.Elements()[i]))] = shown(s.Elem, v.Elements()[i+1])
		}
		return m
	case record.Struct:
		if strings.HasPrefix(s.Name, "google.protobuf.") {
			return shown(s.Fields[0].Schema, v.Elements()[0])
		}
		m := map[string]any{}
		shownFields(m, s, v)
		return m
	}
	return float64(v.Int())
}

func shownFields(m map[string]any, s *record.Schema, v record.Value) {
	for i, f := range s.Fields {
		e := v.Elements()[i]
		switch {
		case e.IsNull():
		case strings.HasPrefix(f.Schema.Name, "io.confluent.connect.protobuf.Union"):
			for j, member := range f.Schema.Fields {
				if e := e.Elements()[j]; !e.IsNull() {
					m[member.Name] = shown(member.Schema, e)
				}
			}
		case !f.Schema.Optional && isDefault(e):
		case (e.Kind() == record.Array || e.Kind() == record.Map) && len(e.Elements()) == 0:
		case f.Schema.Name == "penstock.wire.Colour" && e.Text() == "RED":
		default:
			m[f.Name] = shown(f.Schema, e)
		}
	}
}

func isDefault(v record.Value) bool {
	switch v.Kind() {
	case record.String:
		return v.Text() == ""
	case record.Bytes:
		return len(v.Bytes()) == 0
	case record.Boolean:
		return !v.Bool()
	case record.Float32, record.Float64:
		return math.Float64bits(v.Float()) == 0
	case record.Array, record.Map, record.Struct:
		return false
	}
	return v.Int() == 0
}
