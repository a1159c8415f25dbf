package record_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// dataOps are the operations of the data model.
var dataOps = map[string]func(*vector.Case) error{
	"builder": buildSchema, "struct": fillStruct, "logical": logical, "headers": headers, "equal": equal, "project": project,
}

// TestDataVectors runs what the classes of Kafka Connect's data model answered.
func TestDataVectors(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"data.jsonl", "ext-data.jsonl", "random.jsonl"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			vector.Run(t, file,
				func(c *vector.Case) bool { return dataOps[c.Request.Op] != nil },
				func(c *vector.Case) error { return dataOps[c.Request.Op](c) })
		})
	}
}

// failed compares a failure of a call with the recorded one.
func failed(c *vector.Case, index int, err error) error {
	if err != nil {
		err = &plugin.DataError{Reason: err.Error(), Err: errors.Unwrap(err)}
	}
	return c.Expect.Error.Check("apply", index, err)
}

// args reads the arguments of a call.
func args(call []json.RawMessage, into ...any) error {
	for i, a := range into {
		if i+1 < len(call) {
			if err := json.Unmarshal(call[i+1], a); err != nil {
				return fmt.Errorf("argument %d of %s: %w", i, call[0], err)
			}
		}
	}
	return nil
}

func buildSchema(c *vector.Case) error {
	keys, err := vector.Schema(c.Request.Keys)
	if err != nil {
		return err
	}
	elem := c.Request.Values
	if c.Request.Type == "array" {
		elem = c.Request.Items
	}
	values, err := vector.Schema(elem)
	if err != nil {
		return err
	}
	kind := record.Null
	for k := record.Int8; k <= record.Struct; k++ {
		if strings.EqualFold(k.String(), c.Request.Type) {
			kind = k
		}
	}
	b := record.Build(kind)
	switch kind {
	case record.Array:
		b = record.BuildArray(values)
	case record.Map:
		b = record.BuildMap(keys, values)
	}
	schema, err := b.Build()
	for i, call := range c.Request.Calls {
		if err != nil {
			return failed(c, i, err)
		}
		if err := callBuilder(b, schema, call); err != nil {
			return err
		}
		schema, err = b.Build()
	}
	if err != nil || c.Expect.Error != nil {
		return failed(c, len(c.Request.Calls), err)
	}
	want, err := vector.Schema(c.Expect.OK.Schema)
	if err != nil {
		return err
	}
	return vector.CompareDatum(record.Datum{Schema: want}, record.Datum{Schema: schema})
}

// callBuilder makes one call. soFar is the schema that the builder has.
func callBuilder(b *record.Builder, soFar *record.Schema, call []json.RawMessage) error {
	var text, more string
	var version int
	switch op := string(call[0]); op {
	case `"optional"`:
		b.Optional()
	case `"required"`:
		b.Required()
	case `"name"`, `"doc"`:
		if err := args(call, &text); err != nil {
			return err
		}
		if op == `"name"` {
			b.Named(text)
		} else {
			b.Documented(text)
		}
	case `"version"`:
		if err := args(call, &version); err != nil {
			return err
		}
		b.Versioned(version)
	case `"parameter"`:
		if err := args(call, &text, &more); err != nil {
			return err
		}
		b.Param(text, more)
	case `"default"`:
		v, err := vector.Value(soFar, call[1])
		if err != nil {
			return err
		}
		b.Default(v)
	case `"field"`:
		s, err := vector.Schema(call[2])
		if err != nil {
			return err
		}
		if err := args(call, &text); err != nil {
			return err
		}
		b.Field(text, s)
	default:
		return fmt.Errorf("a builder has no call %s", op)
	}
	return nil
}

func fillStruct(c *vector.Case) error {
	schema, err := vector.Schema(c.Request.Schema)
	if err != nil {
		return err
	}
	row, err := record.NewRow(schema)
	if err != nil {
		return failed(c, 0, err)
	}
	var results []record.Value
	for i, call := range c.Request.Calls {
		result, err := callStruct(row, schema, call)
		if _, ok := errors.AsType[*vector.Unrepresentable](err); ok {
			return err
		}
		if err != nil {
			return failed(c, i+1, err)
		}
		results = append(results, result)
	}
	if c.Expect.Error != nil {
		return failed(c, len(results), nil)
	}
	for i, text := range c.Expect.OK.Results {
		want, err := vector.Value(placeOf(schema, c.Request.Calls[i]), text)
		if err != nil {
			return err
		}
		if err := vector.CompareValue(want, results[i]); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
	}
	want, err := vector.Value(schema, c.Expect.OK.Value)
	if err != nil {
		return err
	}
	return vector.CompareValue(want, row.Datum().Value)
}

// placeOf is the schema of the field that a call names.
func placeOf(s *record.Schema, call []json.RawMessage) *record.Schema {
	var name string
	if args(call, &name) == nil {
		if i := s.Field(name); i >= 0 {
			return s.Fields[i].Schema
		}
	}
	return nil
}

func callStruct(row record.Row, schema *record.Schema, call []json.RawMessage) (record.Value, error) {
	var op, field string
	if err := errors.Join(json.Unmarshal(call[0], &op), args(call, &field)); err != nil {
		return record.Value{}, err
	}
	switch op {
	case "put":
		v, err := vector.Value(placeOf(schema, call), call[2])
		if err != nil {
			return record.Value{}, err
		}
		return record.Value{}, row.Put(field, v)
	case "get":
		return row.Get(field)
	case "getWithoutDefault":
		return row.Stored(field)
	case "validate":
		return record.Value{}, row.Check()
	case "toString":
		return record.OfText(row.Datum().AppendJava(nil)), nil
	}
	for k := record.Int8; k <= record.Struct; k++ {
		if strings.EqualFold("get"+k.String(), op) {
			return row.Typed(field, k)
		}
	}
	return record.Value{}, fmt.Errorf("a struct has no call %s", op)
}

func logical(c *vector.Case) error {
	d, err := c.Request.Datum()
	if err != nil {
		return err
	}
	do := map[string]func(string, *record.Schema, record.Value) (record.Value, error){"encode": record.Encode, "decode": record.Decode}[c.Request.Dir]
	got, err := do("org.apache.kafka.connect.data."+c.Request.Type, d.Schema, d.Value)
	if err != nil || c.Expect.Error != nil {
		return failed(c, 0, err)
	}
	want, err := vector.Value(nil, c.Expect.OK.Value)
	if err != nil {
		return err
	}
	return vector.CompareValue(want, got)
}

func headers(c *vector.Case) error {
	hs := []record.Header{}
	for i, call := range c.Request.Calls {
		var key *string
		if err := args(call, &key); err != nil {
			return err
		}
		switch op := string(call[0]); op {
		case `"add"`:
			if key == nil {
				return vector.Skip("the key of a header is never null: it is a string, and an empty one counts")
			}
			d, err := vector.Typed{Schema: call[2], Value: call[3]}.Datum()
			if err != nil {
				return err
			}
			h, err := record.NewHeader(*key, d)
			if err != nil {
				return failed(c, i, err)
			}
			hs = append(hs, h)
		case `"remove"`:
			hs = record.RemoveHeaders(hs, *key)
		case `"retainLatest"`:
			if key == nil {
				hs = record.RetainLatestOfEach(hs)
			} else {
				hs = record.RetainLatest(hs, *key)
			}
		case `"clear"`:
			hs = hs[:0]
		default:
			return fmt.Errorf("headers have no call %s", op)
		}
	}
	if c.Expect.Error != nil {
		return failed(c, 0, nil)
	}
	var want []record.Header
	for _, h := range c.Expect.OK.Headers {
		header, err := h.Header()
		if err != nil {
			return err
		}
		want = append(want, header)
	}
	return vector.CompareHeaders(want, hs)
}

func equal(c *vector.Case) error {
	a, err := c.Request.A.Datum()
	if err != nil {
		return err
	}
	b, err := c.Request.B.Datum()
	if err != nil {
		return err
	}
	if got, want := a.Schema.Equal(b.Schema), c.Expect.OK.SchemasEqual; got != want {
		return fmt.Errorf("schemas equal: got %v, want %v", got, want)
	}
	if a.Value.Kind() == record.Bytes {
		return vector.Skip("two byte arrays of one content are two in Java and equal here; their schemas compare as recorded")
	}
	if got, want := a.Value.Equal(b.Value), c.Expect.OK.ValuesEqual; got != want {
		return fmt.Errorf("values equal: got %v, want %v", got, want)
	}
	return nil
}

func project(c *vector.Case) error {
	d, err := c.Request.Datum()
	if err != nil {
		return err
	}
	to, err := vector.Schema(c.Request.To)
	if err != nil {
		return err
	}
	p := record.Project(d.Schema, to)
	for range 2 { // a projection does not change
		got, err := p.Value(new(record.Arena), d.Value)
		if err != nil || c.Expect.Error != nil {
			if err := failed(c, 0, err); err != nil {
				return err
			}
			continue
		}
		want, err := c.Expect.OK.Datum()
		if err != nil {
			return err
		}
		if err := vector.CompareDatum(want, record.Datum{Schema: to, Value: got}); err != nil {
			return err
		}
	}
	return nil
}
