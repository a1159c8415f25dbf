package condition

import (
	"maps"
	"slices"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// goValue is a value as the machine works with it: integers are int, other numbers float64, dates and timestamps times in
// UTC, times of day durations, lists and maps are built of these.
func goValue(s *record.Schema, v record.Value) any {
	switch k := v.Kind(); {
	case k == record.Null:
		return nil
	case isInt(k):
		return int(v.Int())
	case isNumber(k):
		return float(v)
	case k == record.Boolean:
		return v.Bool()
	case k == record.String:
		return v.Text()
	case k == record.Bytes:
		return v.Bytes()
	case k == record.Instant:
		if s != nil && s.Name == record.TimeName {
			return time.Duration(v.Int()) * time.Millisecond
		}
		return time.UnixMilli(v.Int()).UTC()
	case k == record.Array:
		list := make([]any, len(v.Elements()))
		for i, e := range v.Elements() {
			list[i] = goValue(elemOf(s), e)
		}
		return list
	case k == record.Struct:
		m := make(map[string]any, len(s.Fields))
		for i, e := range v.Elements() {
			m[s.Fields[i].Name] = goValue(s.Fields[i].Schema, e)
		}
		return m
	}
	return goMap(s, v.Elements())
}

// goMap leaves out entries whose key is no text: an expression has no way to name them.
func goMap(s *record.Schema, pairs []record.Value) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].Kind() == record.String {
			m[pairs[i].Text()] = goValue(elemOf(s), pairs[i+1])
		}
	}
	return m
}

// valueOf is what the machine made, as a value without a schema.
func valueOf(x any) (record.Value, error) {
	switch x := x.(type) {
	case nil:
		return record.Value{}, nil
	case bool:
		return record.OfBool(x), nil
	case int:
		return record.OfInt64(int64(x)), nil
	case float64:
		return record.OfFloat64(x), nil
	case string:
		return record.OfString(x), nil
	case []byte:
		return record.OfBytes(x), nil
	case time.Time:
		return record.OfInstant(x.UnixMilli()), nil
	case time.Duration:
		return record.OfInt64(x.Milliseconds()), nil
	case time.Month:
		return record.OfInt64(int64(x)), nil
	case time.Weekday:
		return record.OfInt64(int64(x)), nil
	case []any:
		list := make([]record.Value, len(x))
		for i, e := range x {
			v, err := valueOf(e)
			if err != nil {
				return record.Value{}, err
			}
			list[i] = v
		}
		return record.OfArray(list), nil
	case map[string]any:
		return mapValue(x)
	}
	return record.Value{}, plugin.Data("The expression gives %s, which no field can hold", goName(x))
}

// mapValue puts the entries in the order of their names, so that the same record gives the same bytes.
func mapValue(m map[string]any) (record.Value, error) {
	pairs := make([]record.Value, 0, 2*len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		v, err := valueOf(m[name])
		if err != nil {
			return record.Value{}, err
		}
		pairs = append(pairs, record.OfString(name), v)
	}
	return record.OfMap(pairs), nil
}
