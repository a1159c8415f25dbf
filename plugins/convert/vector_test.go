package convert_test

import (
	"fmt"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/convert"
)

// notHere are recorded cases of what is left out on purpose.
var notHere = map[string]string{
	"D1630": "a ByteBuffer is a Bytes value here, which has no limit",
	"D1628": "Shift_JIS is not among the encodings", "D1629": "Shift_JIS is not among the encodings",
}

// TestVectors runs what the converters of Kafka Connect answered.
func TestVectors(t *testing.T) {
	t.Parallel()
	registry, err := plugin.NewRegistry(convert.Descriptors())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"json.jsonl", "ext-json.jsonl", "primitive.jsonl", "ext-primitive.jsonl", "values.jsonl", "random.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			vector.Run(t, file, isConverter, func(c *vector.Case) error { return try(registry, c) })
		})
	}
}

func isConverter(c *vector.Case) bool {
	return c.Request.Op == "converter" || c.Request.Op == "header_converter"
}

func try(registry *plugin.Registry, c *vector.Case) error {
	if reason, ok := notHere[c.ID]; ok {
		return vector.Skip("%s", reason)
	}
	converter, err := configured(registry, c)
	if err != nil {
		return c.Expect.Error.Check("configure", 0, err)
	}
	return tryConverter(converter, c)
}

func configured(registry *plugin.Registry, c *vector.Case) (plugin.Converter, error) {
	d, _, ok := registry.Class(plugin.ConverterRole, c.Request.Class)
	if !ok {
		return nil, fmt.Errorf("no converter of class %s", c.Request.Class)
	}
	converter := d.NewConverter()
	return converter, converter.Configure(c.Request.Config, use(&c.Request))
}

func tryConverter(converter plugin.Converter, c *vector.Case) error {
	switch c.Request.Dir {
	case "read":
		return tryRead(converter, c)
	case "write":
		return tryWrite(converter, c)
	}
	return c.Expect.Error.Check("configure", 0, nil)
}

func use(r *vector.Request) plugin.Use {
	switch {
	case r.NoType:
		return 0
	case r.Op == "header_converter":
		return plugin.HeaderUse
	case r.Key:
		return plugin.KeyUse
	}
	return plugin.ValueUse
}

func tryRead(converter plugin.Converter, c *vector.Case) error {
	// The second time goes by what the converter remembers of the first.
	for range 2 {
		var a record.Arena
		got, err := converter.ReadData(&a, c.Request.Topic, c.Request.Bytes)
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
		if err := vector.CompareDatum(want, got); err != nil {
			return err
		}
	}
	return nil
}

func tryWrite(converter plugin.Converter, c *vector.Case) error {
	d, err := c.Request.Datum()
	if err != nil {
		return err
	}
	const before = "before "
	for range 2 {
		got, err := converter.AppendData([]byte(before), c.Request.Topic, d)
		if err != nil || c.Expect.Error != nil {
			if err := c.Expect.Error.Check("apply", 0, err); err != nil {
				return err
			}
			continue
		}
		if got != nil {
			if string(got[:len(before)]) != before {
				return fmt.Errorf("what was there before is lost: %q", got)
			}
			got = got[len(before):]
		}
		if err := vector.CompareBytes(c.Expect.OK.Bytes, got); err != nil {
			return err
		}
	}
	return nil
}
