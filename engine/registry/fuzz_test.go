package registry

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// seeds are schemas of all formats, good and bad.
func seeds() []string {
	return []string{
		`"string"`, `["null","int"]`, `{"type":"record","name":"a.R","fields":[{"name":"x","type":["null","R"],"default":null,"aliases":["y"]}]}`,
		`{"type":"enum","name":"E","symbols":["A"],"default":"A"}`, `{"type":{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":3}}`,
		`{"type":"array","items":{"type":"map","values":"bytes"}}`, `{"type":"record","name":"R","fields":[{"name":"e","type":"enum","symbols":["A"]}]}`,
		"syntax = \"proto3\";\npackage p;\nimport \"google/protobuf/timestamp.proto\";\nmessage M { optional int32 a = 1; map<string, M> m = 2; oneof o { string s = 3; } reserved 9 to max; enum E { Z = 0; } google.protobuf.Timestamp t = 4; }",
		"syntax = \"proto2\"; message M { optional group G = 1 { required bytes b = 1 [default = \"\\001\"]; } extensions 100 to 199; } extend M { optional int32 x = 100; }",
		"edition = \"2023\"; message M { int32 a = 1 [features.field_presence = IMPLICIT]; }",
		"EgRkZW1vIiIKBU9yZGVyEgoKAmlkGAEgASgJEg0KBWNvdW50GAIgASgFYgZwcm90bzM=",
		`{"$schema":"http://json-schema.org/draft-07/schema#","type":["object","null"],"properties":{"a":{"$ref":"#/definitions/b"}},"definitions":{"b":{"oneOf":[{"enum":[1]},{"not":{}}]}},"patternProperties":{"(?=x)":true}}`,
		`{"$id":"http://x/y.json","items":[{"$ref":"#"}],"additionalItems":false,"contains":{"minLength":2}}`, `true`, `{"type":5}`,
		`{"$ref":"#"}`, strings.Repeat(`{"items":`, 300), strings.Repeat("[", 1000), "message {", "{", "\x00", "\xff",
	}
}

// FuzzParse demands that no text of a schema brings a parser, a printer or a comparison down, that what is printed can be read
// again and is printed the same, and that a schema reads what was written with it.
func FuzzParse(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, format := range []string{avroFormat, protobufFormat, jsonFormat} {
			a, err := parse(format, first, nil)
			if err != nil {
				continue
			}
			again, err := parse(format, a.canonical(), nil)
			if err != nil {
				t.Fatalf("%s: what is printed cannot be read: %v\n%s\n%s", format, err, first, a.canonical())
			}
			if got, want := again.canonical(), a.canonical(); got != want {
				t.Errorf("%s: printed again: got\n%s\nwant\n%s", format, got, want)
			}
			if normal, err := parse(format, a.normalized(), nil); err != nil {
				t.Errorf("%s: what is normalised cannot be read: %v\n%s", format, err, a.normalized())
			} else if got, want := normal.normalized(), a.normalized(); got != want {
				t.Errorf("%s: normalised again: got\n%s\nwant\n%s", format, got, want)
			}
			if _, err := a.formatted("serialized"); err != nil {
				t.Errorf("%s: serialized: %v", format, err)
			}
			b := &budget{left: 10_000}
			if found := again.reads(a, b); len(found) > 0 && b.left > 0 {
				t.Errorf("%s: a schema does not read itself: %v\n%s", format, kinds(found), a.canonical())
			}
			if other, err := parse(format, second, nil); err == nil {
				other.reads(a, &budget{left: 10_000})
			}
		}
	})
}

// memory is a journal that nothing outlives.
type memory struct{ books *books }

func memoryBooks() *books {
	b := &books{state: newState(), parsed: map[digest]schema{}}
	b.log = memory{b}
	return b
}

func (m memory) append(_ context.Context, records ...record) error {
	for _, r := range records {
		k, v := r.encode()
		if err := m.books.apply(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (memory) settle(context.Context) error { return nil }
func (memory) close()                       {}

// FuzzPaths demands an answer in JSON to any call.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"/", "/subjects", "/subjects/a%2Fb/versions/latest", "/subjects/:.c:s/versions/-1/schema", "/contexts/:.c:/subjects", "/contexts/.c/schemas/ids/1",
		"/contexts/c/config", "/config/:.:", "/mode/%00", "//", "/schemas/ids/99999999999", "/schemas?offset=-1&limit=x", "/subjects/%ff/versions", "/compatibility/subjects/s/versions",
		"/contexts", "/contexts/", "/contexts/%zz/subjects", "/subjects/../config",
	} {
		f.Add("GET", path, "")
		f.Add("POST", path, `{"schema":"\"string\"","references":[{"name":"n","subject":"s","version":1}]}`)
		f.Add("PUT", path, `{"mode":"IMPORT","compatibility":"FULL"}`)
		f.Add("DELETE", path, "[")
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !strings.HasPrefix(path, "/") {
			return
		}
		r := &Registry{books: memoryBooks(), log: slog.New(slog.DiscardHandler)}
		req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		kind := w.Header().Get("Content-Type")
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s %q: got %d %s", method, path, body, w.Code, w.Body)
		}
		if w.Code >= http.StatusBadRequest && kind != contentType {
			t.Errorf("%s %s: got %d %s of type %q", method, path, w.Code, w.Body, kind)
		}
	})
}
