package jsonschema_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	oracle "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/penstock/penstock/engine/jsonschema"
)

// TestReferencesBesideALibrary is about what random schemas seldom have: addresses within documents, dynamic references,
// metaschemas as targets.
func TestReferencesBesideALibrary(t *testing.T) {
	t.Parallel()
	const d2019, d2020 = `"$schema":"https://json-schema.org/draft/2019-09/schema"`, `"$schema":"https://json-schema.org/draft/2020-12/schema"`
	for _, schema := range []string{
		`{` + d2019 + `,"$id":"http://x/tree","$recursiveAnchor":true,"type":["object","integer"],"properties":{"a":{"$recursiveRef":"#"}},"unevaluatedProperties":false}`,
		`{` + d2019 + `,"$id":"http://x/strict","$recursiveAnchor":true,"$ref":"http://x/tree","unevaluatedProperties":false,"$defs":{"t":{"$id":"http://x/tree","$recursiveAnchor":true,"type":"object","properties":{"a":{"$recursiveRef":"#"}}}}}`,
		`{` + d2019 + `,"$id":"http://x/strict","$ref":"http://x/tree","unevaluatedProperties":false,"$defs":{"t":{"$id":"http://x/tree","type":"object","properties":{"a":{"$recursiveRef":"#"}}}}}`,
		`{` + d2020 + `,"$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,"$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","type":"object","properties":{"a":{"$dynamicRef":"#node"}}}}}`,
		`{` + d2020 + `,"$id":"http://x/strict","$anchor":"node","$ref":"tree","unevaluatedProperties":false,"$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","type":"object","properties":{"a":{"$dynamicRef":"#node"}}}}}`,
		`{` + d2020 + `,"$id":"http://x/list","$ref":"of","$defs":{"of":{"$id":"of","type":"object","additionalProperties":{"$dynamicRef":"#item"},"$defs":{"none":{"$dynamicAnchor":"item","not":true}}},"mine":{"$dynamicAnchor":"item","type":"integer"}}}`,
		`{` + d2020 + `,"properties":{"a":{"$ref":"https://json-schema.org/draft/2020-12/schema"}}}`,
		`{"$ref":"http://json-schema.org/draft-07/schema#"}`,
		`{"$id":"http://x/root","properties":{"a":{"$id":"a/","properties":{"b":{"$ref":"c"}}},"b":{"$id":"a/c","type":"integer"}}}`,
		`{"properties":{"a":{"$ref":"#/nobody/knows"}},"nobody":{"knows":{"type":"integer"}}}`,
		`{"properties":{"a":{"$ref":"#/definitions/a~1b%25"}},"definitions":{"a/b%":{"type":"integer"}}}`,
		`{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}`,
		`{"enum":[{"$id":"http://x/same"},{"$id":"http://x/same","a":1}],"const":{"$ref":"nowhere"}}`,
		`{"$ref":"#nowhere"}`, `{"$ref":"http://x/unknown"}`, `{"$ref":"#/a/b"}`,
		`{"properties":{"a":{"$id":"http://x/same"},"b":{"$id":"http://x/same"}}}`,
		`{"$schema":"http://x/of-my-own"}`, `{"properties":{"a":{"$id":"#x"},"b":{"$id":"#x"}}}`, `[]`, `1`, `null`, `true`, `false`,
		`{` + d2020 + `,"$id":"http://x/y#z"}`,
		`{` + d2020 + `,"prefixItems":[{"type":"integer"}],"contains":{"type":"string"},"unevaluatedItems":false}`,
		`{` + d2019 + `,"items":[{"type":"integer"}],"contains":{"type":"string"},"unevaluatedItems":false}`,
		`{` + d2020 + `,"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"properties":{"b":true}},"else":{"properties":{"c":true}},"unevaluatedProperties":false}`,
	} {
		compare(t, schema, []string{
			`{}`, `{"a":{}}`, `{"a":{"a":{}}}`, `{"a":{"b":1}}`, `{"b":1}`, `{"a":1}`, `{"a":"x"}`, `{"a":{"b":"x"}}`, `{"a":{"type":1}}`, `{"type":"string"}`, `{"type":"nothing"}`,
			`1`, `"x"`, `[1]`, `[1,"x"]`, `["x"]`, `[1,2]`, `{"a":1,"b":2}`, `{"a":1,"c":2}`, `{"c":2}`, `{"$id":"http://x/same"}`,
		})
	}
}

// TestFormatsBesideALibrary in draft 7, in which they count.
func TestFormatsBesideALibrary(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", "a", "2020-02-29", "2021-02-29", "2020-1-1", "12:00:00Z", "12:00:00.5+01:30", "23:59:60Z", "22:59:60-01:00", "22:59:60Z", "24:00:00Z", "12:00Z", "12:00:00", "12:00:00.Z",
		"2020-01-01T12:00:00Z", "2020-01-01t12:00:00z", "2020-01-01 12:00:00Z", "2020-01-01T12:00:00+24:00", "2020-13-01T12:00:00Z",
		"P1D", "P1Y2M3D", "P1Y3D", "PT1H2M", "PT1H2S", "P", "PT", "P1DT", "P2W", "P1W2D", "P1", "1D", "PT1D", "P1.5D",
		"a@b.c", "a@b", "a@", "a.b@c", ".a@c", "a..b@c", `"a b"@c`, "a@[127.0.0.1]", "a@[IPv6:::1]", "a@[x]", "a@-b", "é@b",
		"127.0.0.1", "127.0.0.01", "256.0.0.1", "1.2.3", "::1", "::1%eth0", "1::2::3", "12345::", "::ffff:1.2.3.4",
		"host", "host.name.", "-a", "a-", "a_b", strings.Repeat("a", 64), strings.Repeat("a.", 127), "é.com",
		"http://x/y?z#a", "x:", "//x/y", "/y", "#a", "http://[::1]:80/", "http://[::1", "http://[1.2.3.4]/", `\\x\y`, "http://a b/", "a b", "%zz", "http://x:y/", "{a}", "http://x/{a}", "{a", "a}", "{{a}}",
		"123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g",
		"/a/b~0~1", "/a~2", "/~", "a/b", "0", "1/a", "0#", "01", "1#a", "#", "-1/a", "(a", "a+",
	}
	var messages []string
	for _, text := range texts {
		messages = append(messages, fmt.Sprintf("%q", text))
	}
	for _, format := range []string{
		"date", "time", "date-time", "duration", "email", "ipv4", "ipv6", "hostname", "uri", "iri", "uri-reference", "iri-reference", "uri-template", "uuid",
		"json-pointer", "relative-json-pointer", "regex", "nobody-knows",
	} {
		compare(t, fmt.Sprintf(`{"format":%q}`, format), append(messages, "1", "null"))
	}
}

// TestViolationsTellThePlace and the keyword, and never the value (invariant 6).
func TestViolationsTellThePlace(t *testing.T) {
	t.Parallel()
	s, err := jsonschema.Compile([]byte(`{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"tags":{"items":{"maxLength":3}},
		"either":{"anyOf":[{"type":"string"},{"type":"null"}]},"one":{"oneOf":[{"minimum":1},{"maximum":1}]},"no":{"not":{}},"never":false},"additionalProperties":false,
		"dependencies":{"tags":["either"]}}`), jsonschema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]string{
		`[]`:              "at #/: type does not hold",
		`{}`:              "at #/: required does not hold",
		`{"id":"secret"}`: "at #/id: type does not hold",
		`{"id":1,"either":"","tags":["a","long"]}`: "at #/tags/1: maxLength does not hold",
		`{"id":1,"tags":[]}`:                       "at #/: dependencies/tags does not hold",
		`{"id":1,"either":2}`:                      "at #/either: type does not hold",
		`{"id":1,"one":1}`:                         "at #/one: oneOf does not hold",
		`{"id":1,"no":1}`:                          "at #/no: not does not hold",
		`{"id":1,"never":1}`:                       "at #/never: false does not hold",
		`{"id":1,"secret":1}`:                      "at #/: additionalProperties does not hold",
		`{"id":1.0}`:                               "",
		`{"id":1}`:                                 "",
	} {
		got := ""
		if err := s.Validate([]byte(message)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", message, got, want)
		}
	}
	for _, message := range []string{``, `{`, `{}{}`, `nul`} {
		if err := s.Validate([]byte(message)); !errors.Is(err, jsonschema.ErrNotJSON) {
			t.Errorf("%q: got %v", message, err)
		}
	}
}

// TestLenientPatterns are let pass, and match nothing, where a schema is only kept.
func TestLenientPatterns(t *testing.T) {
	t.Parallel()
	schema := []byte(`{"properties":{"a":{"pattern":"(?=x)"}},"patternProperties":{"(?!y)":false}}`)
	if _, err := jsonschema.Compile(schema, jsonschema.Settings{}); err == nil || !strings.Contains(err.Error(), "(?") {
		t.Errorf("not lenient: %v", err)
	}
	s, err := jsonschema.Compile(schema, jsonschema.Settings{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate([]byte(`{"a":"y"}`)); err != nil {
		t.Error(err)
	}
}

// TestWorkIsBounded: branches that multiply, and numbers with exponents that nobody means, end soon.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"$ref":"#/definitions/a0","definitions":{`)
	for n := range 40 {
		fmt.Fprintf(&b, `"a%d":{"anyOf":[{"$ref":"#/definitions/a%d"},{"$ref":"#/definitions/a%d"}]},`, n, n+1, n+1)
	}
	b.WriteString(`"a40":{"type":"string"}}}`)
	start := time.Now()
	for _, c := range []struct{ schema, message string }{
		{b.String(), `1`},
		{`{"multipleOf":0.1,"maximum":1e999999999,"minimum":1}`, `-1e999999999`},
		{`{"type":"integer","multipleOf":1e-999}`, `1.5`},
		{`{"enum":[1e999999999]}`, `1e-999999999`},
	} {
		s, err := jsonschema.Compile([]byte(c.schema), jsonschema.Settings{})
		if err != nil {
			t.Errorf("%.60s: %v", c.schema, err)
			continue
		}
		if err := s.Validate([]byte(c.message)); err == nil {
			t.Errorf("%.60s takes %s", c.schema, c.message)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestAddressesThatGrow: a schema that is found under every address, and refers to a longer one, is refused.
func TestAddressesThatGrow(t *testing.T) {
	t.Parallel()
	schema := []byte(`{"$ref":"x/y"}`)
	_, err := jsonschema.Compile(schema, jsonschema.Settings{Load: func(string) ([]byte, error) { return schema, nil }})
	if err == nil || !strings.Contains(err.Error(), "more than 1000 schemas") {
		t.Errorf("got %.200v", err)
	}
}

func BenchmarkValidate(b *testing.B) {
	const schema = `{"type":"object","required":["id","user"],"properties":{"id":{"type":"integer"},"ts":{"type":"integer"},"user":{"type":"string","maxLength":40},
		"email":{"type":"string"},"country":{"enum":["DE","FR","US"]},"amount":{"type":"number","minimum":0},"active":{"type":"boolean"},"note":{"type":"string"}},"additionalProperties":false}`
	message := []byte(`{"id":1,"ts":1700000000000,"user":"somebody","email":"a@example.org","country":"FR","amount":12.5,"active":true,"note":"` + strings.Repeat("n", 90) + `"}`)
	b.Run("this", func(b *testing.B) {
		s, err := jsonschema.Compile([]byte(schema), jsonschema.Settings{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Validate(message); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		c := oracle.NewCompiler()
		doc, err := oracle.UnmarshalJSON(strings.NewReader(schema))
		if err != nil {
			b.Fatal(err)
		}
		if err := c.AddResource("schema:///main", doc); err != nil {
			b.Fatal(err)
		}
		s, err := c.Compile("schema:///main")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			v, err := oracle.UnmarshalJSON(bytes.NewReader(message))
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Validate(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
