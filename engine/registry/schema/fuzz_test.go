package schema

import (
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
		for _, format := range []string{Avro, Protobuf, JSON} {
			a, err := Parse(format, first, nil)
			if err != nil {
				continue
			}
			again, err := Parse(format, a.Canonical(), nil)
			if err != nil {
				t.Fatalf("%s: what is printed cannot be read: %v\n%s\n%s", format, err, first, a.Canonical())
			}
			if got, want := again.Canonical(), a.Canonical(); got != want {
				t.Errorf("%s: printed again: got\n%s\nwant\n%s", format, got, want)
			}
			if normal, err := Parse(format, a.Normalized(), nil); err != nil {
				t.Errorf("%s: what is normalised cannot be read: %v\n%s", format, err, a.Normalized())
			} else if got, want := normal.Normalized(), a.Normalized(); got != want {
				t.Errorf("%s: normalised again: got\n%s\nwant\n%s", format, got, want)
			}
			if _, err := a.Formatted("serialized"); err != nil {
				t.Errorf("%s: serialized: %v", format, err)
			}
			b := &Budget{left: 10_000}
			if found := again.Reads(a, b); len(found) > 0 && b.left > 0 {
				t.Errorf("%s: a schema does not read itself: %v\n%s", format, kinds(found), a.Canonical())
			}
			if other, err := Parse(format, second, nil); err == nil {
				other.Reads(a, &Budget{left: 10_000})
			}
		}
	})
}
