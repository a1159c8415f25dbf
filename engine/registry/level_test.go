package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/registry/schema"
)

// TestLevels registers a third version that fits the second but not the first, in every level.
func TestLevels(t *testing.T) {
	t.Parallel()
	narrow := `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	wide := `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}`
	bare := `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}`
	cases := []struct {
		level    level
		versions []string
		fits     bool
	}{
		{levelNone, []string{narrow, `"int"`}, true},
		{levelBackward, []string{narrow, wide, bare}, true},
		{levelBackwardTransitive, []string{narrow, wide, bare}, false},
		{levelForward, []string{bare, wide, narrow}, true},
		{levelForwardTransitive, []string{bare, wide, narrow}, false},
		{levelFull, []string{narrow, wide, bare}, true},
		{levelFullTransitive, []string{narrow, wide, bare}, false},
		{levelFull, []string{narrow, bare}, false},
		{levelForward, []string{narrow, bare}, true},
		{levelBackward, []string{bare, narrow}, true},
		{levelFull, []string{bare, narrow}, false},
	}
	for i, c := range cases {
		var before []older
		for n, text := range c.versions {
			s, err := schema.Parse(schema.Avro, text, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n < len(c.versions)-1 {
				before = append(before, older{&version{schemaValue: schemaValue{Version: n + 1, Schema: text}}, s})
				continue
			}
			why := fits(s, schema.Avro, before, c.level)
			if (len(why) == 0) != c.fits {
				t.Errorf("case %d, %s: got %v, want that it fits: %v", i, c.level, why, c.fits)
			}
		}
	}
}

// TestLevelsEnforced registers three versions over the REST interface, of which the third fits the second but not the first, in
// each format: a transitive level refuses it and its plain one takes it.
func TestLevelsEnforced(t *testing.T) {
	t.Parallel()
	r := start(t)
	const object = `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"integer"}`
	proto := func(body string) string { return `syntax = "proto3"; message M { ` + body + ` }` }
	record := func(more string) string {
		return `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}` + more + `]}`
	}
	for format, versions := range map[string][3]string{
		schema.Avro:     {record(""), record(`,{"name":"b","type":"int","default":0}`), record(`,{"name":"b","type":"int"}`)},
		schema.Protobuf: {proto("int32 a = 1;"), proto(""), proto("string a = 1;")},
		schema.JSON: {
			object + `}}`, object + `,"b":{"type":"integer","default":0}},"required":["b"]}`, object + `,"b":{"type":"integer"}},"required":["b"]}`,
		},
	} {
		for _, c := range []struct {
			level   level
			forward bool // the versions come the other way round
			status  int
		}{
			{levelBackward, false, 200}, {levelBackwardTransitive, false, 409}, {levelForward, true, 200}, {levelForwardTransitive, true, 409}, {levelNone, false, 200},
		} {
			subject := strings.ToLower(format + "-" + string(c.level))
			if status, _, got := r.call(t, "PUT", "/config/"+subject, "", fmt.Appendf(nil, `{"compatibility":%q}`, c.level)); status != 200 {
				t.Fatalf("%s: got %d %s", subject, status, got)
			}
			ordered := versions
			if c.forward {
				slices.Reverse(ordered[:])
			}
			for n, text := range ordered {
				want := 200
				if n == 2 {
					want = c.status
				}
				body := fmt.Appendf(nil, `{"schemaType":%q,"schema":%q}`, format, text)
				if status, _, got := r.call(t, "POST", "/subjects/"+subject+"/versions", "", body); status != want {
					t.Errorf("%s, version %d: got %d %s, want %d", subject, n+1, status, got, want)
				}
			}
		}
	}
}

// TestMessages holds what is said of a schema that does not fit, in Confluent's words.
func TestMessages(t *testing.T) {
	t.Parallel()
	r := start(t)
	const first = `{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}"}`
	const second = `{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"string\"},{\"name\":\"b\",\"type\":\"int\"}]}"}`
	r.register(t, "s", first)
	_, _, got := r.call(t, "POST", "/subjects/s/versions", "", []byte(second))
	want := `{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema for subject \"s\", details: [` +
		`{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: STRING not compatible with writer type: INT'}, ` +
		`{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'b'}, ` +
		`{oldSchemaVersion: 1}, {oldSchema: '{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}'}, {validateFields: 'false', compatibility: 'BACKWARD'}]"}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, c := range []struct{ subject, old, fresh, want string }{
		{
			"pb", `{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message M { int32 a = 1; }"}`,
			`{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message M { string a = 1; }"}`,
			`{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/1' in the new schema does not match its kind in the old schema\"}`,
		},
		{
			"js", `{"schemaType":"JSON","schema":"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}}}"}`,
			`{"schemaType":"JSON","schema":"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}}}"}`,
			`{errorType:\"TYPE_CHANGED\", description:\"A type at path '#/properties/id' is different between the new schema and the old schema\"}`,
		},
	} {
		r.register(t, c.subject, c.old)
		_, _, got := r.call(t, "POST", "/compatibility/subjects/"+c.subject+"/versions/latest?verbose=true", "", []byte(c.fresh))
		if !strings.Contains(string(got), c.want) || !strings.HasPrefix(string(got), `{"is_compatible":false,"messages":[`) {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// TestComparisonsEnd compares what grows out of all proportion: the budget ends it, and the schema is refused.
func TestComparisonsEnd(t *testing.T) {
	t.Parallel()
	wide := func(symbol string) string {
		var branches []string
		for i := range 700 {
			branches = append(branches, fmt.Sprintf(`{"type":"record","name":"%s%d","fields":[]}`, symbol, i))
		}
		return "[" + strings.Join(branches, ",") + "]"
	}
	old, err := schema.Parse(schema.Avro, wide("A"), nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := schema.Parse(schema.Avro, wide("B"), nil)
	if err != nil {
		t.Fatal(err)
	}
	why := fits(fresh, schema.Avro, []older{{&version{}, old}}, levelBackward)
	if !slices.Contains(why, schema.ErrTooComplex.Error()) {
		t.Errorf("got %d reasons, want %q among them", len(why), schema.ErrTooComplex)
	}
}
