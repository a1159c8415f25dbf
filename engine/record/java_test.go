package record_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// TestBesideJava gives random texts and values to the parser, the writer and the conversions, and to Kafka Connect's Values.
func TestBesideJava(t *testing.T) {
	java := vector.StartJava(t)
	t.Run("parse", func(t *testing.T) {
		java.Beside(t, func(r *vector.Random) string {
			text := vector.Pick(r, r.Notation(), r.Text(true), string(r.Mutated([]byte(r.Notation()))))
			return fmt.Sprintf(`{"op":"parse_string","text":%s}`, vector.Show(record.OfString(strings.ToValidUTF8(text, "\ufffd"))))
		}, parseString)
	})
	t.Run("text", func(t *testing.T) {
		java.Beside(t, func(r *vector.Random) string {
			for {
				// The answer has no form for half a character.
				if data := schemaAndValue(r); !strings.Contains(data, `{"utf16":`) {
					return `{"op":"convert_to_string",` + data + `}`
				}
			}
		}, convertToString)
	})
	t.Run("convert", func(t *testing.T) {
		java.Beside(t, func(r *vector.Random) string {
			target := vector.Pick(r, "boolean", "int8", "int16", "int32", "int64", "float32", "float64", "string", "list", "map", "struct", "date", "time", "timestamp", "decimal")
			data := schemaAndValue(r)
			if r.Chance(3) {
				data = `"schema":{"type":"string"},"value":` + vector.Show(record.OfString(r.Notation()))
			}
			return fmt.Sprintf(`{"op":"convert_to","target":%q,"scale":%d,%s}`, target, r.IntN(20), data)
		}, convertTo)
	})
}

func schemaAndValue(r *vector.Random) string {
	var d record.Datum
	if !r.Chance(3) {
		d.Schema = r.Schema()
	}
	d.Value = r.Wrong(d.Schema)
	return vector.ShowDatum(d)
}
