package schema

import (
	"strings"
	"testing"
)

// TestImpliedOptions: Confluent's converter uses its options without importing the file that defines them.
func TestImpliedOptions(t *testing.T) {
	t.Parallel()
	const field = "  int32 a = 1 [(confluent.field_meta) = {\n    params: [\n      {\n        key: \"connect.type\",\n        value: \"int8\"\n      }\n    ]\n  }];\n"
	const text = "syntax = \"proto3\";\npackage p;\n\nmessage M {\n" + field + "}\n"
	s, err := Parse(Protobuf, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]string{"canonical": s.Canonical(), "normalized": s.Normalized()} {
		if strings.Contains(got, "import") || !strings.Contains(got, "(confluent.field_meta)") {
			t.Errorf("%s: got\n%s", what, got)
		}
	}
	again, err := Parse(Protobuf, s.Canonical(), nil)
	if err != nil || again.Canonical() != s.Canonical() {
		t.Errorf("printed again (%v):\n%s\nwant\n%s", err, again.Canonical(), s.Canonical())
	}
	// As a reference, and where the import is written.
	user := "syntax = \"proto3\";\nimport \"m.proto\";\nmessage N {\n  p.M m = 1;\n}\n"
	if _, err := Parse(Protobuf, user, []Dependency{{"m.proto", text}}); err != nil {
		t.Error(err)
	}
	imported := strings.Replace(text, "package p;\n", "package p;\n\nimport \"confluent/meta.proto\";\n", 1)
	if s, err = Parse(Protobuf, imported, nil); err != nil || !strings.Contains(s.Canonical(), `import "confluent/meta.proto"`) {
		t.Errorf("with the import (%v):\n%s", err, s.Canonical())
	}
	// Other options are not known by themselves.
	if _, err := Parse(Protobuf, strings.ReplaceAll(text, "confluent.field_meta", "mine.option"), nil); err == nil {
		t.Error("an option that nobody defines was taken")
	}
}
