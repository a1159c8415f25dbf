package transform

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

// TestThirdPartyBesideJava gives random records to transforms of others and to their own classes. ENGINE_TEST_TRANSFORMS is
// the class path of those; see testdata/java/transforms. What is not on it is left out, and said.
func TestThirdPartyBesideJava(t *testing.T) {
	classes := os.Getenv("ENGINE_TEST_TRANSFORMS")
	if classes == "" {
		t.Skip("ENGINE_TEST_TRANSFORMS does not name the classes of transforms of others")
	}
	java := vector.StartJava(t, classes)
	r := registry(t)
	for class, config := range thirdParty {
		t.Run(class[strings.LastIndexByte(class, '.')+1:], func(t *testing.T) {
			missing := false
			java.Beside(t, func(r *vector.Random) string { return thirdPartyCase(r, class, config(r)) }, func(v *vector.Case) error {
				if e := v.Expect.Error; e != nil && strings.HasSuffix(e.Class, "ClassNotFoundException") {
					missing = true
					return nil
				}
				return r.tryThirdParty(v)
			})
			if missing {
				t.Skipf("%s is not on the class path of ENGINE_TEST_TRANSFORMS", class)
			}
		})
	}
}

var names3 = []string{"a", "b", "c", "fooBar", "foo_bar"}

func someNames(r *vector.Random) string {
	list := []string{vector.Pick(r, names3...)}
	for r.Chance(2) {
		list = append(list, vector.Pick(r, names3...))
	}
	return strings.Join(list, vector.Pick(r, ",", " , "))
}

func cases(r *vector.Random) plugin.Config {
	all := []string{"LOWER_HYPHEN", "LOWER_UNDERSCORE", "LOWER_CAMEL", "UPPER_CAMEL", "UPPER_UNDERSCORE", "OTHER"}
	return plugin.Config{"from": vector.Pick(r, all[:5+r.IntN(30)/29]...), "to": vector.Pick(r, all[:5]...)}
}

func flag(r *vector.Random) string { return vector.Pick(r, "true", "false") }

// thirdParty draws settings for the transforms of others.
var thirdParty = map[string]func(*vector.Random) plugin.Config{
	aiven + "CaseTransform$Value": func(r *vector.Random) plugin.Config {
		return plugin.Config{"field.names": someNames(r), "case": vector.Pick(r, "upper", "lower")}
	},
	aiven + "CaseTransform$Key": func(r *vector.Random) plugin.Config {
		return plugin.Config{"field.names": someNames(r), "case": vector.Pick(r, "upper", "lower")}
	},
	aiven + "ConcatFields$Value": func(r *vector.Random) plugin.Config {
		return plugin.Config{"field.names": someNames(r), "output.field.name": vector.Pick(r, "a", "new"), "delimiter": vector.Pick(r, "-", ""), "field.replace.missing": "*"}
	},
	aiven + "ExtractTimestamp$Value": func(r *vector.Random) plugin.Config {
		return plugin.Config{"field.name": vector.Pick(r, names3...), "timestamp.resolution": vector.Pick(r, "milliseconds", "seconds")}
	},
	aiven + "ExtractTopic$Value": func(r *vector.Random) plugin.Config {
		return plugin.Config{"field.name": vector.Pick(r, names3...), "skip.missing.or.null": flag(r)}
	},
	aiven + "ExtractTopicFromSchemaName$Value": func(r *vector.Random) plugin.Config {
		return vector.Pick(r, plugin.Config{}, plugin.Config{"schema.name.topic-map": "com.example.A:one,b:two"}, plugin.Config{"schema.name.topic-map": "one"},
			plugin.Config{"schema.name.regex": `(?:[.\t]|^)([^.\t]*)$`}, plugin.Config{"schema.name.regex": `(a)(b)`}, plugin.Config{"schema.name.regex": `exam(p|q)`},
			plugin.Config{"schema.name.regex": `(`}, plugin.Config{"schema.name.regex": "a", "schema.name.topic-map": "a:b"})
	},
	aiven + "FilterByFieldValue$Value": func(r *vector.Random) plugin.Config {
		c := plugin.Config{"field.value.matches": flag(r)}
		if !r.Chance(8) {
			c["field.name"] = vector.Pick(r, names3...)
		}
		if r.Chance(2) {
			c["field.value"] = vector.Pick(r, "x", "7", "true", "hello", "1.5")
		}
		if r.Chance(2) {
			c["field.value.pattern"] = vector.Pick(r, "l", "^he", "[0-9]+", "^$", "(")
		}
		return c
	},
	aiven + "Hash$Value": func(r *vector.Random) plugin.Config {
		c := plugin.Config{"function": vector.Pick(r, "md5", "sha1", "sha256"), "skip.missing.or.null": flag(r)}
		if !r.Chance(4) {
			c["field.name"] = vector.Pick(r, names3...)
		}
		return c
	},
	aiven + "KeyToValue": func(r *vector.Random) plugin.Config {
		c := plugin.Config{"key.fields": someNames(r)}
		if r.Chance(3) {
			c["key.fields"] = vector.Pick(r, "*", "a,*", "*,b")
		}
		if r.Chance(2) {
			c["value.fields"] = vector.Pick(r, "x", "a", "*", "b,a", "x,y")
		}
		return c
	},
	aiven + "MakeTombstone": func(*vector.Random) plugin.Config { return plugin.Config{} },
	aiven + "TombstoneHandler": func(r *vector.Random) plugin.Config {
		return plugin.Config{"behavior": vector.Pick(r, "drop_silent", "fail")}
	},

	jcustenborder + "ChangeCase$Value":        cases,
	jcustenborder + "ChangeCase$Key":          cases,
	jcustenborder + "ChangeTopicCase":         cases,
	jcustenborder + "TimestampNow":            func(*vector.Random) plugin.Config { return plugin.Config{} },
	jcustenborder + "TimestampNowField$Value": func(r *vector.Random) plugin.Config { return plugin.Config{"fields": someNames(r)} },
	cjmatta + "InsertUuid$Value": func(r *vector.Random) plugin.Config {
		return plugin.Config{"uuid.field.name": vector.Pick(r, "a", "id")}
	},
}

// thirdPartyCase draws a record and writes the request. A text with half a character in it has no bytes that two languages
// agree on.
func thirdPartyCase(r *vector.Random, class string, c plugin.Config) string {
	for {
		key, value := thirdPartyDatum(r), thirdPartyDatum(r)
		topic := vector.Pick(r, "orders", "fooBar", "Foo_bar", "_foo__bar", "FOO_BAR", "foo-Bar-x", "FooBarX")
		text := fmt.Sprintf(`{"op":"chain","chain":[{"class":%q,"config":%s}],"record":{"kind":"sink","topic":%q,"partition":3,"offset":"42","timestamp":"1000","key":{%s},"value":{%s},"headers":[]}}`,
			class, jsonOf(c), topic, vector.ShowDatum(key), vector.ShowDatum(value))
		if !strings.Contains(text, `"utf16"`) {
			return text
		}
	}
}

func jsonOf(c plugin.Config) string {
	var parts []string
	for k, v := range c {
		parts = append(parts, fmt.Sprintf("%q:%s", k, vector.Show(record.OfString(v))))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func thirdPartyDatum(r *vector.Random) record.Datum {
	switch r.IntN(12) {
	case 0:
		return record.Datum{}
	case 1:
		s := r.Schema()
		return record.Datum{Schema: s, Value: r.Value(s)}
	case 2:
		return record.Datum{Value: r.Scalar(vector.Pick(r, record.String, record.Int64, record.Boolean))}
	case 3, 4, 5:
		var pairs []record.Value
		for _, name := range names3 {
			if r.Chance(3) {
				continue
			}
			v := record.Value{}
			if !r.Chance(8) {
				v = r.Scalar(vector.Pick(r, record.String, record.String, record.Int64, record.Int8, record.Boolean))
			}
			pairs = append(pairs, record.OfString(name), v)
		}
		return record.Datum{Value: record.OfMap(pairs)}
	}
	b := record.Build(record.Struct)
	if r.Chance(3) {
		b.Optional()
	}
	if r.Chance(2) {
		b.Named(vector.Pick(r, "com.example.A", "b", "ab"))
	}
	if r.Chance(4) {
		b.Versioned(3).Documented("a doc").Param("p", "q")
	}
	for _, name := range names3 {
		if !r.Chance(3) {
			b.Field(name, fieldSchema(r))
		}
	}
	s := b.MustBuild()
	return record.Datum{Schema: s, Value: r.Value(s)}
}

func fieldSchema(r *vector.Random) *record.Schema {
	switch r.IntN(6) {
	case 0:
		return r.Schema()
	case 1:
		return record.Build(record.String).Optional().Default(record.OfString("hello")).MustBuild()
	case 2:
		return record.OptionalOf(record.Int64)
	case 3:
		return record.TimestampSchema()
	}
	return vector.Pick(r, record.Required(record.String), record.OptionalOf(record.String), record.Required(record.Int8))
}

var (
	aboutNow = regexp.MustCompile(`"instant":"1[78][0-9]{11}"`)
	anUUID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
)

const sameUUID = "00000000-0000-4000-8000-000000000000"

// tryThirdParty is try for transforms whose answers hold the time of the day or chance: both get one answer for them.
func (c chains) tryThirdParty(v *vector.Case) error {
	if v.Expect.Error != nil {
		v.Expect.Error.Class = "" // texts do not count
	}
	d, target, _ := c.Class(plugin.TransformRole, v.Request.Chain[0].Class)
	tr := d.NewTransform(target)
	noon := func() time.Time { return time.UnixMilli(43_200_000) }
	switch tr := tr.(type) {
	case *timestampNow:
		tr.now = noon
		if ok := v.Expect.OK; ok != nil {
			*ok.Record.Timestamp = "43200000"
		}
	case *timestampNowField:
		tr.now = noon
		if ok := v.Expect.OK; ok != nil {
			ok.Record.Value.Value = aboutNow.ReplaceAll(ok.Record.Value.Value, []byte(`"instant":"43200000"`))
		}
	case *insertUUID:
		if ok := v.Expect.OK; ok != nil {
			ok.Record.Value.Value = anUUID.ReplaceAll(ok.Record.Value.Value, []byte(sameUUID))
		}
		tr.draw = func(b []byte) { clear(b) }
	}
	if e := v.Expect.Error; e != nil && e.Message != nil && *e.Message == "type cannot be null" {
		return nil // Values.inferSchema stumbles over a map that has nothing but nulls, before anything is matched
	}
	err := c.run(v, []plugin.Transform{tr})
	if err != nil && refusedHere.MatchString(err.Error()) {
		return nil
	}
	return err
}

// refusedHere are failures where theirs go on: with a struct in a value without a schema, which no converter takes, with the
// text that Java prints of a list, a map or bytes, or with a topic's name made of a date.
var refusedHere = regexp.MustCompile(`got an error at apply: (A struct of the key cannot stand|Field .* (cannot be joined|has no case): it is (ARRAY|MAP|STRUCT|BYTES)|The topic.*found: INSTANT)`)
