package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
)

// readJSON reads a whole body as one JSON value: map[string]any, []any, string, bool, json.Number or nil, which also
// stands for a body that is empty. What is no JSON, or is followed by something, is 400 (decision D6). Of members with one
// name the last counts.
func (c *call) readJSON() (any, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, c.Body, mostBodyBytes))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, failure(http.StatusRequestEntityTooLarge, "A body may have at most %d bytes", mostBodyBytes)
		}
		return nil, failure(http.StatusBadRequest, "The body could not be read: %s", err)
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil //nolint:nilnil // an empty body is none
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, malformed(err, d)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, failure(http.StatusBadRequest, "The body has something after its JSON value, at byte %d", d.InputOffset())
	}
	return v, nil
}

func malformed(err error, d *json.Decoder) error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return failure(http.StatusBadRequest, "The body is not JSON: %s, at byte %d", s.Error(), s.Offset)
	}
	return failure(http.StatusBadRequest, "The body is not JSON: %s, at byte %d", err, d.InputOffset())
}

// readMap reads a body that is a flat map. Numbers and booleans become their text; a nil value stands for null.
func (c *call) readMap() (map[string]*string, error) {
	v, err := c.readJSON()
	if err != nil {
		return nil, err
	}
	return flatMap("The body", v)
}

func flatMap(what string, v any) (map[string]*string, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, failure(http.StatusBadRequest, "%s must be a JSON object of texts, and it is %s", what, kindOf(v))
	}
	m := make(map[string]*string, len(object))
	for k, v := range object {
		switch v := v.(type) {
		case nil:
			m[k] = nil
		case string:
			m[k] = &v
		case json.Number, bool:
			text := fmt.Sprint(v)
			m[k] = &text
		default:
			return nil, failure(http.StatusBadRequest, "%s: the value of %q must be a text, and it is %s", what, k, kindOf(v))
		}
	}
	return m, nil
}

// members checks that an object has no members but those named.
func members(what string, v any, names ...string) (map[string]any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, failure(http.StatusBadRequest, "%s must be a JSON object, and it is %s", what, kindOf(v))
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(names, k) {
			return nil, failure(http.StatusBadRequest, "%s has a member %q, which is not one of %q", what, k, names)
		}
	}
	return object, nil
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "empty"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}
