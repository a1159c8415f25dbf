package transform

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
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
				return r.tryThirdParty(v, time.Now())
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
	debezium + "ExtractNewRecordState": func(r *vector.Random) plugin.Config {
		c := plugin.Config{"delete.tombstone.handling.mode": vector.Pick(r, "drop", "tombstone", "rewrite", "rewrite-with-tombstone")}
		maybe := func(key string, values ...string) {
			if r.Chance(3) {
				c[key] = vector.Pick(r, values...)
			}
		}
		maybe("add.fields", "op", "op,source.ts_ms", "ts_ms,source.lsn:lsn", "transaction.id", "nobody", "source.nobody")
		maybe("add.fields.prefix", "", "_")
		maybe("add.headers", "op", "source.table,op", "transaction.id")
		maybe("add.headers.prefix", "", "h_")
		maybe("route.by.field", "name")
		return c
	},
	debezium + "ByLogicalTableRouter": func(r *vector.Random) plugin.Config {
		return plugin.Config{"topic.regex": vector.Pick(r, "(.*)orders", "([a-z]+)(.*)", "none"), "topic.replacement": vector.Pick(r, "$1all", "x"), "key.enforce.uniqueness": flag(r)}
	},
	debezium + "outbox.EventRouter": func(r *vector.Random) plugin.Config {
		c := plugin.Config{"table.field.event.key": "id", "table.field.event.payload": "name", "route.by.field": vector.Pick(r, "name", "kind")}
		if r.Chance(2) {
			c["table.fields.additional.placement"] = vector.Pick(r, "kind:header", "kind:envelope", "kind:header:k", "id:envelope:number,kind:header", "nobody:header")
		}
		if r.Chance(3) {
			c["table.fields.additional.error.on.missing"] = flag(r)
		}
		if r.Chance(3) {
			c["route.tombstone.on.empty.payload"] = flag(r)
		}
		if r.Chance(3) {
			c["route.topic.replacement"] = vector.Pick(r, "t-${routedByValue}", "t")
		}
		return c
	},
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
			c["field.value.pattern"] = vector.Pick(r, "l", "^he", "[0-9]+", `^\z`, "(") // and not $, which is also before a last line break in Java
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
		if strings.HasPrefix(class, debezium) && !r.Chance(6) {
			value = changeEvent(r)
		}
		topic := vector.Pick(r, "orders", "fooBar", "Foo_bar", "_foo__bar", "FOO_BAR", "foo-Bar-x", "FooBarX")
		kind := `"sink","offset":"42"`
		if strings.HasSuffix(class, "EventRouter") { // which takes the partition away, and only a source's record may lack one
			kind = `"source"`
		}
		text := fmt.Sprintf(`{"op":"chain","chain":[{"class":%q,"config":%s}],"record":{"kind":%s,"topic":%q,"partition":3,"timestamp":"1000","key":{%s},"value":{%s},"headers":[]}}`,
			class, jsonOf(c), kind, topic, vector.ShowDatum(key), vector.ShowDatum(value))
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

// changeEvent draws an event of Debezium's about a row.
func changeEvent(r *vector.Random) record.Datum {
	text, id := record.OptionalOf(record.String), record.Required(record.Int64)
	row := record.Build(record.Struct).Optional().Named("db.t.Value").Field("id", id).Field("name", text).Field("kind", text).MustBuild()
	source := record.Build(record.Struct).Named("src").Field("lsn", record.OptionalOf(record.Int64)).Field("ts_ms", id).Field("table", record.Required(record.String)).MustBuild()
	transaction := record.Build(record.Struct).Optional().Named("tx").Field("id", record.Required(record.String)).MustBuild()
	s := record.Build(record.Struct).Named("db.t.Envelope").Field("before", row).Field("after", row).Field("source", source).Field("transaction", transaction).
		Field("op", record.Required(record.String)).Field("ts_ms", record.OptionalOf(record.Int64)).MustBuild()
	rowOf := func(wanted bool) record.Value {
		if !wanted {
			return record.Value{}
		}
		word := func() record.Value {
			return vector.Pick(r, record.OfString("orders"), record.OfString(""), record.OfString("a b"), record.Value{})
		}
		return record.OfStruct([]record.Value{record.OfInt64(int64(r.IntN(9))), word(), word()})
	}
	op := vector.Pick(r, "c", "c", "c", "u", "d", "r", "t")
	var tx record.Value
	if r.Chance(3) {
		tx = record.OfStruct([]record.Value{record.OfString("tx1")})
	}
	return record.Datum{Schema: s, Value: record.OfStruct([]record.Value{
		rowOf(op == "u" || op == "d"), rowOf(op != "d" && op != "t"),
		record.OfStruct([]record.Value{vector.Pick(r, record.OfInt64(9), record.Value{}), record.OfInt64(1000), record.OfString("t")}),
		tx, record.OfString(op), vector.Pick(r, record.OfInt64(2000), record.Value{}),
	})}
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
	anInstant = regexp.MustCompile(`"instant":"([0-9]{13})"`)
	anUUID    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
)

const sameUUID = "00000000-0000-4000-8000-000000000000"

// atNoon makes of the instants of a text in the notation that are about now noon of the first day; others stay.
func atNoon(text []byte, now time.Time) []byte {
	return anInstant.ReplaceAllFunc(text, func(instant []byte) []byte {
		millis, err := strconv.ParseInt(string(anInstant.FindSubmatch(instant)[1]), 10, 64)
		if err != nil || now.Sub(time.UnixMilli(millis)).Abs() > time.Minute {
			return instant
		}
		return []byte(`"instant":"43200000"`)
	})
}

// tryThirdParty is try for transforms whose answers hold the time of the day, which was about now, or chance: both get one
// answer for them.
func (c chains) tryThirdParty(v *vector.Case, now time.Time) error {
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
			ok.Record.Value.Value = atNoon(ok.Record.Value.Value, now)
		}
	case *unwrap:
		if ok := v.Expect.OK; ok != nil {
			ok.Same = false // Debezium adds headers to the record that came in
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
// text that Java prints of a list, a map or bytes, with a topic's name made of a date, or of nothing, or with what Java prints of a
// date or a decimal whose schema has another type.
var refusedHere = regexp.MustCompile(`got an error at apply: (A struct of the key cannot stand|Field .* (cannot be joined|has no case): it is (ARRAY|MAP|STRUCT|BYTES)|The topic.*found: (INSTANT|DECIMAL)|(key|value) must be a text, found: |The group of schema.name.regex is empty)`)
