package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

// TestFranzClient tours franz-go's client of the registry.
func TestFranzClient(t *testing.T) {
	t.Parallel()
	r := start(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := sr.NewClient(sr.URLs(r.URL()), sr.HTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	avro := sr.Schema{Type: sr.TypeAvro, Schema: `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`}
	first := must(c.CreateSchema(ctx, "s", avro))(t)
	if first.ID != 1 || first.Version != 1 || first.Subject != "s" {
		t.Errorf("got %+v, want id 1, version 1", first)
	}
	wider := avro
	wider.Schema = `{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"string","default":""}]}`
	if got := must(c.CheckCompatibility(ctx, "s", -1, wider))(t); !got.Is {
		t.Errorf("got %+v, want compatible", got)
	}
	second := must(c.CreateSchema(ctx, "s", wider))(t)
	if got := must(c.LookupSchema(ctx, "s", wider))(t); got.Version != 2 || got.ID != second.ID {
		t.Errorf("look up: got %+v, want version 2", got)
	}
	bad := avro
	bad.Schema = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`
	if got := must(c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), "s", -1, bad))(t); got.Is || len(got.Messages) == 0 {
		t.Errorf("got %+v, want incompatible, with messages", got)
	}
	refused(t, "incompatible", 409)(c.CreateSchema(ctx, "s", bad))

	if got := must(c.SchemaByID(ctx, second.ID))(t); got.Schema != wider.Schema {
		t.Errorf("by id: got %s, want %s", got.Schema, wider.Schema)
	}
	byGUID := must(c.SchemaByGUID(ctx, must(c.SchemaByVersion(ctx, "s", 2))(t).GUID))(t)
	if byGUID.Schema.Schema != wider.Schema {
		t.Errorf("by guid: got %+v, want %s", byGUID, wider.Schema)
	}
	if got := must(c.SchemaIDsByGUID(ctx, byGUID.GUID))(t); len(got) != 1 || got[0].ID != second.ID {
		t.Errorf("ids by guid: got %+v, want %d", got, second.ID)
	}
	for what, got := range map[string]int{
		"subjects": len(must(c.Subjects(ctx))(t)), "versions": len(must(c.SubjectVersions(ctx, "s"))(t)), "schemas": len(must(c.Schemas(ctx, "s"))(t)),
		"all schemas": len(must(c.AllSchemas(ctx))(t)), "types": len(must(c.SupportedTypes(ctx))(t)), "usages": len(must(c.SchemaUsagesByID(ctx, 1))(t)),
		"subjects by id": len(must(c.SubjectsByID(ctx, 1))(t)), "versions by id": len(must(c.SchemaVersionsByID(ctx, 1))(t)), "contexts": len(must(c.Contexts(ctx))(t)),
	} {
		want := map[string]int{
			"subjects": 1, "versions": 2, "schemas": 2, "all schemas": 2, "types": 3, "usages": 1, "subjects by id": 1, "versions by id": 1, "contexts": 1,
		}[what]
		if got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}

	base := sr.Schema{Type: sr.TypeProtobuf, Schema: "syntax = \"proto3\";\nmessage A {\n  string a = 1;\n}\n"}
	must(c.CreateSchema(ctx, "base", base))(t)
	user := sr.Schema{
		Type: sr.TypeProtobuf, Schema: "syntax = \"proto3\";\nimport \"a.proto\";\nmessage B {\n  A a = 1;\n}\n",
		References: []sr.SchemaReference{{Name: "a.proto", Subject: "base", Version: 1}},
	}
	must(c.CreateSchema(ctx, "user", user))(t)
	if got := must(c.SchemaReferences(ctx, "base", 1))(t); len(got) != 1 || got[0].Subject != "user" {
		t.Errorf("references: got %+v, want user", got)
	}
	refusedErr(t, "referenced", 42206, c.DeleteSchema(ctx, "base", 1, sr.SoftDelete))

	for _, one := range c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatFullTransitive}, "s") {
		refusedErr(t, "set level", 0, one.Err)
	}
	if got := c.Compatibility(ctx, "s"); got[0].Err != nil || got[0].Level != sr.CompatFullTransitive {
		t.Errorf("level: got %+v, want FULL_TRANSITIVE", got)
	}
	refusedErr(t, "reset level", 0, c.ResetCompatibility(ctx, "s")[0].Err)
	refusedErr(t, "set mode", 0, c.SetMode(ctx, sr.ModeReadOnly, "s")[0].Err)
	refused(t, "read-only", 42205)(c.DeleteSubject(ctx, "s", sr.SoftDelete))
	refusedErr(t, "reset mode", 0, c.ResetMode(ctx, "s")[0].Err)

	inside := sr.InContext(ctx, ".ctx")
	moved := must(c.CreateSchema(inside, "s", wider))(t)
	if moved.ID != 1 {
		t.Errorf("in a context: got %+v, want id 1", moved)
	}
	if got := must(c.Subjects(inside))(t); !slices.Equal(got, []string{":.ctx:s"}) {
		t.Errorf("subjects of a context: got %v, want :.ctx:s", got)
	}
	refusedErr(t, "a context in use", 42211, c.DeleteContext(ctx, ".ctx"))
	must(c.DeleteSubject(inside, "s", sr.SoftDelete))(t)
	must(c.DeleteSubject(inside, "s", sr.HardDelete))(t)
	refusedErr(t, "an empty context", 0, c.DeleteContext(ctx, ".ctx"))

	if got := must(c.DeleteSubject(ctx, "s", sr.SoftDelete))(t); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("delete: got %v, want 1 and 2", got)
	}
	refused(t, "deleted", 40401)(c.SchemaByVersion(ctx, "s", 1))
	must(c.SchemaByVersion(sr.WithParams(ctx, sr.ShowDeleted), "s", 1))(t)

	c.SetMode(ctx, sr.ModeImport, "imported")
	if got := must(c.CreateSchemaWithIDAndVersion(ctx, "imported", avro, 500, 3))(t); got.ID != 500 || got.Version != 3 {
		t.Errorf("import: got %+v, want id 500, version 3", got)
	}
	c.ResetMode(ctx, "imported")
	if got := must(c.CreateSchema(context.WithoutCancel(ctx), "after", wider))(t); got.ID == 0 {
		t.Errorf("after an import: got %+v, want an id", got)
	}
}

// must is a result that a test cannot go on without.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused demands the code of a refusal.
func refused(t *testing.T, what string, code int) func(_ any, err error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		refusedErr(t, what, code, err)
	}
}

// refusedErr demands the code of a refusal, with 0 that there is none.
func refusedErr(t *testing.T, what string, code int, err error) {
	t.Helper()
	refusal, is := errors.AsType[*sr.ResponseError](err)
	switch {
	case code == 0 && err == nil:
	case !is || refusal.ErrorCode != code:
		t.Errorf("%s: got %v, want code %d", what, err, code)
	}
}
