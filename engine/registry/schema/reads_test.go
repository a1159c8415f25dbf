package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// comparison is a pair of schemas and the kinds of differences that keep the new one from reading what the old one wrote;
// forward is the other way round.
type comparison struct {
	what          string
	old, fresh    string
	back, forward []string
}

func kinds(found []Difference) []string {
	var all []string
	for _, d := range found {
		all = append(all, d.kind)
	}
	return all
}

func compareAll(t *testing.T, format string, wrap func(string) string, cases []comparison) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			old, err := Parse(format, wrap(c.old), nil)
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := Parse(format, wrap(c.fresh), nil)
			if err != nil {
				t.Fatal(err)
			}
			b := &Budget{left: compareBudget}
			if d := cmp.Diff(c.back, kinds(fresh.Reads(old, b))); d != "" {
				t.Errorf("the new reads the old: want, got:\n%s", d)
			}
			if d := cmp.Diff(c.forward, kinds(old.Reads(fresh, b))); d != "" {
				t.Errorf("the old reads the new: want, got:\n%s", d)
			}
			for _, s := range []Schema{old, fresh} {
				if found := s.Reads(s, b); len(found) > 0 {
					t.Errorf("a schema does not read itself: %v", kinds(found))
				}
			}
		})
	}
}

// TestAvroReads follows the table of schema resolution in Avro's specification.
func TestAvroReads(t *testing.T) {
	t.Parallel()
	plain := func(s string) string { return s }
	record := func(fields string) string { return `{"type":"record","name":"n.R","fields":[` + fields + `]}` }
	a, bWith, bWithout := `{"name":"a","type":"int"}`, `{"name":"b","type":"string","default":""}`, `{"name":"b","type":"string"}`
	compareAll(t, Avro, plain, []comparison{
		{"the same", `"int"`, `"int"`, nil, nil},
		{"wider", `"int"`, `"long"`, nil, []string{avroTypes}},
		{"int to double", `"int"`, `"double"`, nil, []string{avroTypes}},
		{"double to float", `"double"`, `"float"`, []string{avroTypes}, nil},
		{"text and bytes", `"string"`, `"bytes"`, nil, nil},
		{"another type", `"int"`, `"boolean"`, []string{avroTypes}, []string{avroTypes}},
		{"field with default", record(a), record(a + "," + bWith), nil, nil},
		{"field without default", record(a), record(a + "," + bWithout), []string{avroDefault}, nil},
		{"two fields without default", record(a), record(bWithout + `,{"name":"c","type":"int"},` + a), []string{avroDefault, avroDefault}, nil},
		{"field renamed with alias", record(a), record(`{"name":"z","type":"int","aliases":["a"]}`), nil, []string{avroDefault}},
		{"field type", record(a), record(`{"name":"a","type":"string"}`), []string{avroTypes}, []string{avroTypes}},
		{"record renamed", record(a), `{"type":"record","name":"n.S","fields":[` + a + `]}`, []string{avroNames}, []string{avroNames}},
		{"record renamed with alias", record(a), `{"type":"record","name":"n.S","aliases":["R"],"fields":[` + a + `]}`, nil, []string{avroNames}},
		{"other namespace", record(a), `{"type":"record","name":"m.R","fields":[` + a + `]}`, nil, nil},
		{"nullable", record(a), record(`{"name":"a","type":["null","int"]}`), nil, []string{avroTypes}},
		{"union narrowed", `["null","int","string"]`, `["null","int"]`, []string{avroBranch}, nil},
		{"union of a wider type", `["null","int"]`, `["null","long"]`, nil, []string{avroBranch}},
		{"no branch", `"boolean"`, `["null","int"]`, []string{avroBranch}, []string{avroTypes, avroTypes}},
		{"symbol added", `{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, nil, []string{avroSymbols}},
		{"symbol added, default", `{"type":"enum","name":"E","symbols":["A"],"default":"A"}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, nil, nil},
		{"enum renamed", `{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"F","symbols":["A"]}`, []string{avroNames}, []string{avroNames}},
		{"size", `{"type":"fixed","name":"F","size":4}`, `{"type":"fixed","name":"F","size":5}`, []string{avroSizes}, []string{avroSizes}},
		{"items", `{"type":"array","items":"int"}`, `{"type":"array","items":"long"}`, nil, []string{avroTypes}},
		{"values", `{"type":"map","values":"string"}`, `{"type":"map","values":"int"}`, []string{avroTypes}, []string{avroTypes}},
		{"map and array", `{"type":"map","values":"int"}`, `{"type":"array","items":"int"}`, []string{avroTypes}, []string{avroTypes}},
		{
			"recursive", `{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}`,
			`{"type":"record","name":"L","fields":[{"name":"v","type":"long"},{"name":"next","type":["null","L"]}]}`, nil, []string{avroTypes},
		},
		{"logical types are names only", `"long"`, `{"type":"long","logicalType":"timestamp-millis"}`, nil, nil},
	})
}

// TestProtobufReads follows the rules of Confluent's protobuf.diff.
func TestProtobufReads(t *testing.T) {
	t.Parallel()
	wrap := func(s string) string { return "syntax = \"proto3\"; package p;\n" + s }
	compareAll(t, Protobuf, wrap, []comparison{
		{"field added", `message M { string a = 1; }`, `message M { string a = 1; int32 b = 2; }`, nil, nil},
		{"field renamed", `message M { string a = 1; }`, `message M { string z = 1; }`, nil, nil},
		{"number kinds", `message M { int32 a = 1; }`, `message M { bool a = 1; }`, nil, nil},
		{"signed", `message M { int32 a = 1; }`, `message M { sint32 a = 1; }`, []string{"FIELD_SCALAR_KIND_CHANGED"}, []string{"FIELD_SCALAR_KIND_CHANGED"}},
		{"text and bytes", `message M { string a = 1; }`, `message M { bytes a = 1; }`, nil, nil},
		{"enum and number", `message M { E a = 1; } enum E { Z = 0; }`, `message M { int32 a = 1; } enum E { Z = 0; }`, nil, nil},
		{"message and scalar", `message M { N a = 1; } message N {}`, `message M { string a = 1; } message N {}`, []string{"FIELD_KIND_CHANGED"}, []string{"FIELD_KIND_CHANGED"}},
		{"message renamed", `message M { N a = 1; } message N {}`, `message M { O a = 1; } message N {} message O {}`, []string{"FIELD_NAMED_TYPE_CHANGED"}, []string{"FIELD_NAMED_TYPE_CHANGED", "MESSAGE_REMOVED"}},
		{"message removed", `message M {} message N {}`, `message M {}`, []string{"MESSAGE_REMOVED"}, nil},
		{"nested removed", `message M { message N {} }`, `message M {}`, []string{"MESSAGE_REMOVED"}, nil},
		{"numeric label", `message M { int32 a = 1; }`, `message M { repeated int32 a = 1; }`, []string{"FIELD_NUMERIC_LABEL_CHANGED"}, []string{"FIELD_NUMERIC_LABEL_CHANGED"}},
		{"text label", `message M { string a = 1; }`, `message M { repeated string a = 1; }`, nil, nil},
		{"into a new oneof", `message M { string a = 1; }`, `message M { oneof o { string a = 1; } }`, nil, nil},
		{"two into a oneof", `message M { string a = 1; string b = 2; }`, `message M { oneof o { string a = 1; string b = 2; } }`, []string{"MULTIPLE_FIELDS_MOVED_TO_ONEOF"}, nil},
		{"into an old oneof", `message M { oneof o { string a = 1; } string b = 2; }`, `message M { oneof o { string a = 1; string b = 2; } }`, []string{"FIELD_MOVED_TO_EXISTING_ONEOF"}, nil},
		{"oneof field removed", `message M { oneof o { string a = 1; string b = 2; } }`, `message M { oneof o { string a = 1; } }`, []string{"ONEOF_FIELD_REMOVED"}, nil},
		{"out of a oneof", `message M { oneof o { string a = 1; string b = 2; } }`, `message M { oneof o { string a = 1; } string b = 2; }`, nil, []string{"FIELD_MOVED_TO_EXISTING_ONEOF"}},
		{"into another oneof", `message M { oneof o { string a = 1; string b = 2; } }`, `message M { oneof o { string a = 1; } oneof p { string b = 2; } }`, nil, []string{"FIELD_MOVED_TO_EXISTING_ONEOF"}},
		{"two oneofs into one", `message M { oneof o { string a = 1; } oneof p { string b = 2; } }`, `message M { oneof q { string a = 1; string b = 2; } }`, []string{"FIELD_MOVED_TO_EXISTING_ONEOF"}, nil},
		{"a oneof renamed", `message M { oneof o { string a = 1; string b = 2; } }`, `message M { oneof p { string a = 1; string b = 2; } }`, nil, nil},
		{"a oneof renamed, and a field less", `message M { oneof o { string a = 1; string b = 2; } }`, `message M { oneof p { string a = 1; } }`, []string{"ONEOF_FIELD_REMOVED"}, nil},
		{"a oneof less", `message M { oneof o { string a = 1; string b = 2; } }`, `message M {}`, nil, nil},
		{"optional is no oneof", `message M { string a = 1; string b = 2; }`, `message M { optional string a = 1; optional string b = 2; }`, nil, nil},
		{"map values", `message M { map<string, int32> a = 1; }`, `message M { map<string, string> a = 1; }`, []string{"FIELD_SCALAR_KIND_CHANGED"}, []string{"FIELD_SCALAR_KIND_CHANGED"}},
		{"map and list", `message M { map<string, int32> a = 1; }`, `message M { repeated string a = 1; }`, []string{"FIELD_KIND_CHANGED"}, []string{"FIELD_KIND_CHANGED"}},
		{"recursive", `message M { M a = 1; int32 b = 2; }`, `message M { M a = 1; float b = 2; }`, []string{"FIELD_SCALAR_KIND_CHANGED"}, []string{"FIELD_SCALAR_KIND_CHANGED"}},
	})
	two := func(s string) string { return "syntax = \"proto2\";\n" + s }
	compareAll(t, Protobuf, two, []comparison{
		{"required added", `message M { optional string a = 1; }`, `message M { optional string a = 1; required string b = 2; }`, []string{"REQUIRED_FIELD_ADDED"}, []string{"REQUIRED_FIELD_REMOVED"}},
		{"package", `package a; message M {}`, `package b; message M {}`, []string{"PACKAGE_CHANGED"}, []string{"PACKAGE_CHANGED"}},
	})
}

// TestJSONSchemaReads follows the rules of Confluent's json.diff.
func TestJSONSchemaReads(t *testing.T) {
	t.Parallel()
	object := func(properties, more string) string {
		return `{"type":"object","properties":{` + properties + `}` + more + `}`
	}
	const closed = `,"additionalProperties":false`
	a, b := `"a":{"type":"string"}`, `"b":{"type":"string"}`
	compareAll(t, JSON, func(s string) string { return s }, []comparison{
		{"anything", `{}`, `true`, nil, nil},
		{"title", `{"type":"string","title":"x"}`, `{"type":"string","title":"y","description":"z"}`, nil, nil},
		{"type", `{"type":"string"}`, `{"type":"number"}`, []string{"TYPE_CHANGED"}, []string{"TYPE_CHANGED"}},
		{"to anything", `{"type":"string"}`, `{}`, nil, []string{"TYPE_CHANGED"}},
		{"integer to number", `{"type":"integer"}`, `{"type":"number"}`, nil, []string{"TYPE_NARROWED"}},
		{"limits of text", `{"type":"string","maxLength":5}`, `{"type":"string","maxLength":6,"minLength":1}`, []string{"MIN_LENGTH_ADDED"}, []string{"MAX_LENGTH_DECREASED"}},
		{"pattern", `{"type":"string","pattern":"a"}`, `{"type":"string","pattern":"b"}`, []string{"PATTERN_CHANGED"}, []string{"PATTERN_CHANGED"}},
		{"limits of numbers", `{"type":"number","minimum":1}`, `{"type":"number","minimum":2}`, []string{"MINIMUM_INCREASED"}, nil},
		{"multiple", `{"type":"number","multipleOf":4}`, `{"type":"number","multipleOf":2}`, nil, []string{"MULTIPLE_OF_EXPANDED"}},
		{"nullable", `{"type":"string"}`, `{"type":["null","string"]}`, nil, []string{"TYPE_CHANGED"}},
		{"one of", `{"type":"string"}`, `{"oneOf":[{"type":"null"},{"type":"string"}]}`, nil, []string{"TYPE_CHANGED"}},
		{"one of narrowed", `{"oneOf":[{"type":"null"},{"type":"string"}]}`, `{"oneOf":[{"type":"null"}]}`, []string{"SUM_TYPE_NARROWED"}, nil},
		{"all of extended", `{"allOf":[{"type":"string"}]}`, `{"allOf":[{"type":"string"},{"maxLength":3}]}`, []string{"PRODUCT_TYPE_EXTENDED"}, nil},
		{"all of for one of", `{"allOf":[{"type":"number"},{"type":"string"}]}`, `{"oneOf":[{"type":"string"}]}`, nil, []string{"COMBINED_TYPE_CHANGED"}},
		{"all of for any of", `{"allOf":[{"type":"number"},{"type":"string"}]}`, `{"anyOf":[{"type":"string"}]}`, nil, []string{"COMBINED_TYPE_CHANGED"}},
		{"all of for one of them", `{"allOf":[{"type":"string"},{"maxLength":3}]}`, `{"type":"string"}`, nil, []string{"TYPE_CHANGED"}},
		{"bytes in two forms", `{"type":"string","connect.type":"bytes"}`, `{"type":"number","connect.type":"bytes"}`, nil, nil},
		{"no bytes", `{"type":"string","connect.type":"bytes"}`, `{"type":"number"}`, []string{"TYPE_CHANGED"}, []string{"TYPE_CHANGED"}},
		{"enum", `{"enum":["a"]}`, `{"enum":["a","b"]}`, nil, []string{"ENUM_ARRAY_NARROWED"}},
		{"typed enum", `{"type":"string","enum":["a"]}`, `{"type":"string","enum":["b"]}`, []string{"COMBINED_TYPE_SUBSCHEMAS_CHANGED"}, []string{"COMBINED_TYPE_SUBSCHEMAS_CHANGED"}},
		{"const", `{"const":1}`, `{"enum":[1,2]}`, nil, []string{"ENUM_ARRAY_NARROWED"}},
		{"not", `{"not":{"type":"string"}}`, `{"not":{"type":["string","null"]}}`, []string{"NOT_TYPE_EXTENDED"}, nil},
		{"into an open object", object(a, ""), object(a+","+b, ""), []string{"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"}, nil},
		{"into a closed object", object(a, closed), object(a+","+b, closed), nil, []string{"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"}},
		{"required into a closed one", object(a, closed), object(a+","+b, closed+`,"required":["b"]`), []string{"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"}, []string{"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"}},
		{"required", object(a, ""), object(a, `,"required":["a"]`), []string{"REQUIRED_ATTRIBUTE_ADDED"}, nil},
		{"closed", object(a, ""), object(a, closed), []string{"ADDITIONAL_PROPERTIES_REMOVED"}, nil},
		{"partly open", object(a, ""), object(a, `,"additionalProperties":{"type":"string"}`), []string{"ADDITIONAL_PROPERTIES_NARROWED"}, nil},
		{"covered", object(a, `,"additionalProperties":{"type":"string"}`), object(a+","+b, `,"additionalProperties":{"type":"string"}`), nil, nil},
		{"not covered", object(a, `,"additionalProperties":{"type":"number"}`), object(a+","+b, `,"additionalProperties":{"type":"number"}`), []string{"PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"}, []string{"PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"}},
		{"items", `{"type":"array","items":{"type":"integer"}}`, `{"type":"array","items":{"type":"number"}}`, nil, []string{"TYPE_NARROWED"}},
		{"items added", `{"type":"array"}`, `{"type":"array","items":{"type":"number"}}`, []string{"SCHEMA_ADDED"}, nil},
		{"contains", `{"type":"array","minContains":1}`, `{"type":"array","minContains":2,"maxContains":9}`, []string{"MAX_CONTAINS_ADDED", "MIN_CONTAINS_INCREASED"}, nil},
		{"additional items alone", `{"additionalItems":true}`, `{"additionalItems":false}`, []string{"ADDITIONAL_ITEMS_REMOVED"}, nil},
		{"unique", `{"type":"array"}`, `{"type":"array","uniqueItems":true}`, []string{"UNIQUE_ITEMS_ADDED"}, nil},
		{"tuple", `{"type":"array","items":[{"type":"string"}],"additionalItems":false}`, `{"type":"array","items":[{"type":"string"},{"type":"null"}],"additionalItems":false}`, nil, []string{"ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL"}},
		{
			"through references", `{"type":"object","properties":{"x":{"$ref":"#/definitions/x"}},"definitions":{"x":{"type":"string"}}}`,
			`{"type":"object","properties":{"x":{"$ref":"#/definitions/y"}},"definitions":{"y":{"type":"number"}}}`, []string{"TYPE_CHANGED"}, []string{"TYPE_CHANGED"},
		},
		{
			"recursive", `{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#"}}}`,
			`{"type":"object","properties":{"v":{"type":"number"},"next":{"$ref":"#"}}}`, nil, []string{"TYPE_NARROWED"},
		},
		{"dependencies alone", `{"dependentSchemas":{"a":{"type":"string"}}}`, `{"dependentSchemas":{"a":{"type":"number"}}}`, []string{"TYPE_CHANGED"}, []string{"TYPE_CHANGED"}},
		{"dependencies", object(a, ""), object(a, `,"dependencies":{"a":["b"]}`), []string{"DEPENDENCY_ARRAY_ADDED"}, nil},
	})
}
