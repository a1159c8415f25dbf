package plugins_test

import (
	"math"
	"regexp"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins"
)

var (
	inner = record.Build(record.Struct).Named("inner").Field("deep", record.Required(record.Int32)).MustBuild()
	row   = record.Build(record.Struct).Named("row").Field("n", record.Required(record.Int64)).Field("name", record.OptionalOf(record.String)).
		Field("inner", inner).MustBuild()
)

// fill appends records whose keys and values are structs and schemaless maps in turn, with a header each.
func fill(b *record.Batch, n int) {
	data := func(i int) record.Datum {
		if i%2 == 0 {
			deep, vs := b.Values(1), b.Values(3)
			deep[0] = record.OfInt32(int32(i))
			vs[0], vs[1], vs[2] = record.OfInt64(int64(i)), b.Text([]byte("a name")), record.OfStruct(deep)
			return record.Datum{Schema: row, Value: record.OfStruct(vs)}
		}
		vs := b.Values(4)
		vs[0], vs[1], vs[2], vs[3] = record.OfString("n"), record.OfInt64(int64(i)), record.OfString("name"), b.Text([]byte("a name"))
		return record.Datum{Value: record.OfMap(vs)}
	}
	for i := range n {
		r := plugintest.Row{Partition: "p", Offset: int64(i), Topic: "topic"}.Append(b)
		r.Timestamp = int64(i) * 86_400_000
		r.Key, r.Value = data(i), data(i)
		r.Headers = []record.Header{{Key: "h", Datum: record.Datum{Schema: record.Required(record.String), Value: b.Text([]byte("a header"))}}}
	}
}

// fillStructs is fill without the schemaless maps.
func fillStructs(b *record.Batch, n int) {
	fill(b, n)
	for i := 1; i < n; i += 2 {
		b.Records[i].Key, b.Records[i].Value = b.Records[0].Key, b.Records[0].Value
	}
}

// fillMaps is fill without the structs.
func fillMaps(b *record.Batch, n int) {
	fill(b, n)
	for i := 0; i+1 < n; i += 2 {
		b.Records[i].Key, b.Records[i].Value = b.Records[i+1].Key, b.Records[i+1].Value
	}
	if n%2 == 1 {
		b.Records[n-1].Value = record.Datum{}
	}
}

// fillNulls is fill without keys.
func fillNulls(b *record.Batch, n int) {
	fill(b, n)
	for i := range n {
		b.Records[i].Key = record.Datum{}
	}
}

// fillLongs makes records with a long in a map.
func fillLongs(b *record.Batch, n int) {
	fill(b, n)
	for i := range n {
		b.Records[i].Value = record.Datum{Value: record.OfMap([]record.Value{record.OfString("n"), record.OfInt64(int64(i))})}
	}
}

func optional(k record.Kind, v record.Value) []record.Datum {
	s := record.OptionalOf(k)
	return []record.Datum{{Schema: s}, {Schema: s, Value: v}}
}

// stages says how to try each converter, transform and predicate; connectors have tests of their own.
var stages = map[plugin.Role]map[string]plugintest.Env{
	plugin.PredicateRole: {
		"expression":          {Config: with("expression", "topic == 'top' or value.n > 1"), Invalid: []plugin.Config{{}, {"expression": "topic"}, {"expression": "valu.n > 1"}}},
		"has_header_key":      {Config: with("name", "h")},
		"record_is_tombstone": {Config: with()},
		"topic_name_matches":  {Config: with("pattern", "top.*"), Invalid: []plugin.Config{{"pattern": "("}}},
	},
	plugin.ConverterRole: {
		"json":        {Config: with(), RoundTrip: true, Data: append(optional(record.Int64, record.OfInt64(7)), record.Datum{Schema: inner, Value: record.OfStruct([]record.Value{record.OfInt32(5)})}), Invalid: []plugin.Config{{"schemas.enable": "x"}}},
		"string":      {Config: with(), RoundTrip: true, Data: optional(record.String, record.OfString("ä"))},
		"bytes":       {Config: with(), RoundTrip: true, Data: optional(record.Bytes, record.OfBytes([]byte{0, 255}))},
		"simple":      {Config: with(), Data: optional(record.String, record.OfString("a text"))},
		"boolean":     {Config: with(), RoundTrip: true, Data: optional(record.Boolean, record.OfBool(true))},
		"short":       {Config: with(), RoundTrip: true, Data: optional(record.Int16, record.OfInt16(-3))},
		"integer":     {Config: with(), RoundTrip: true, Data: optional(record.Int32, record.OfInt32(math.MinInt32))},
		"long":        {Config: with(), RoundTrip: true, Data: optional(record.Int64, record.OfInt64(math.MaxInt64))},
		"float":       {Config: with(), RoundTrip: true, Data: optional(record.Float32, record.OfFloat32(1.5))},
		"avro":        {Data: optional(record.Int64, record.OfInt64(7)), Invalid: []plugin.Config{{}, {"schema.registry.url": "mock://x"}}}, // Config names a registry that the test starts
		"protobuf":    {Data: optional(record.Int64, record.OfInt64(7)), Invalid: []plugin.Config{{}, {"schema.registry.url": "mock://x"}, {"skip.known.types": "false"}}},
		"json_schema": {Fill: fillStructs, Data: optional(record.Int64, record.OfInt64(7)), Invalid: []plugin.Config{{}, {"decimal.format": "x"}, {"preserve.additional.properties": "true"}}}, // as avro
		"double":      {Config: with(), RoundTrip: true, Data: optional(record.Float64, record.OfFloat64(-1e300))},
	},
	plugin.TransformRole: {
		"cast":                {Config: with("spec", "n:string"), Invalid: []plugin.Config{{}, {"spec": "n:what"}}},
		"drop":                {Config: with()},
		"drop_headers":        {Config: with("headers", "h"), Invalid: []plugin.Config{{}}},
		"extract_field":       {Config: with("field", "name"), Invalid: []plugin.Config{{}}},
		"flatten":             {Config: with("delimiter", "_")},
		"header_from":         {Config: with("fields", "name", "headers", "moved", "operation", "move"), Invalid: []plugin.Config{{}}},
		"hoist_field":         {Config: with("field", "all"), Invalid: []plugin.Config{{}}},
		"insert_field":        {Config: with("topic.field", "from", "static.field", "const", "static.value", "1"), Invalid: []plugin.Config{{}}},
		"insert_header":       {Config: with("header", "x", "value.literal", "12"), Invalid: []plugin.Config{{}}},
		"mask_field":          {Config: with("fields", "name", "replacement", "***"), Invalid: []plugin.Config{{}}},
		"regex_router":        {Config: with("regex", "(t).*", "replacement", "$1x"), Invalid: []plugin.Config{{}}},
		"replace_field":       {Config: with("exclude", "n", "renames", "name:who")},
		"set_schema_metadata": {Config: with("schema.name", "other", "schema.version", "3"), Fill: fillStructs, Invalid: []plugin.Config{{}}},
		"timestamp_converter": {Config: with("field", "n", "target.type", "string", "format", "yyyy-MM-dd", "unix.precision", "seconds"), Invalid: []plugin.Config{{}}},
		"timestamp_router":    {Config: with("topic.format", "${topic}-${timestamp}")},
		"value_to_key":        {Config: with("fields", "n"), Invalid: []plugin.Config{{}}},

		"set":                     {Config: with("field", "copy", "expression", "value.name"), Invalid: []plugin.Config{{}, {"field": "a"}, {"field": "a", "expression": "valu.b"}, {"field": "`a", "expression": "value.b"}}},
		"keep":                    {Config: with("pattern", "name"), Invalid: []plugin.Config{{}, {"pattern": "("}}},
		"remove":                  {Config: with("pattern", "n"), Invalid: []plugin.Config{{}, {"pattern": "("}}},
		"rename":                  {Config: with("pattern", "n(.*)", "replacement", "m$1"), Invalid: []plugin.Config{{"pattern": "a"}, {"pattern": "a", "replacement": "$1"}}},
		"route":                   {Config: with("topic", "topic + '-x'", "key", "value.name"), Invalid: []plugin.Config{{}, {"topic": "1 +"}}},
		"split":                   {Config: with("field", "nobody"), Fill: fillMaps, Invalid: []plugin.Config{{"field": "`a"}, {"keep.others": "true"}}},
		"unwrap":                  {Config: with("add.fields", "op"), Invalid: []plugin.Config{{"delete.tombstone.handling.mode": "x"}, {"add.fields": "a:b:c"}}},
		"outbox":                  {Config: with("table.fields.additional.placement", "type:header"), Invalid: []plugin.Config{{"table.expand.json.payload": "true"}, {"table.fields.additional.placement": "a"}, {"route.topic.regex": "("}, {"table.op.invalid.behavior": "never"}}},
		"by_logical_table":        {Config: with("topic.regex", "t(.*)", "topic.replacement", "x$1", "key.enforce.uniqueness", "false"), Fill: fillNulls, Invalid: []plugin.Config{{}, {"topic.regex": "(", "topic.replacement": "x"}, {"topic.regex": "a", "topic.replacement": "x", "key.field.regex": "a"}}},
		"concat_fields":           {Config: with("field.names", "n,name", "output.field.name", "all"), Invalid: []plugin.Config{{}}},
		"extract_timestamp":       {Config: with("field.name", "n"), Fill: fillLongs, Invalid: []plugin.Config{{}, {"field.name": "n", "timestamp.resolution": "days"}}},
		"extract_topic":           {Config: with("field", "name"), Invalid: []plugin.Config{{"field.format": "XPATH"}, {"field.format": "JSON_PATH", "field": "name"}}},
		"tombstone_handler":       {Config: with(), Invalid: []plugin.Config{{"behavior": "x"}}},
		"aiven_extract_topic":     {Config: with("field.name", "name"), Invalid: []plugin.Config{{"skip.missing.or.null": "x"}}},
		"aiven_tombstone_handler": {Config: with("behavior", "drop_silent"), Invalid: []plugin.Config{{}}},

		"case_transform":            {Config: with("field.names", "name", "case", "upper"), Invalid: []plugin.Config{{}, {"field.names": "a", "case": "title"}}},
		"change_case":               {Config: with("from", "LOWER_CAMEL", "to", "UPPER_CAMEL"), Fill: fillStructs, Invalid: []plugin.Config{{"from": "LOWER_CAMEL"}, {"from": "lower", "to": "UPPER_CAMEL"}}},
		"change_topic_case":         {Config: with("from", "LOWER_CAMEL", "to", "UPPER_CAMEL"), Invalid: []plugin.Config{{}}},
		"extract_topic_from_header": {Config: with("field", "h"), Invalid: []plugin.Config{{}}},
		"filter_by_field_value":     {Config: with("field.name", "name", "field.value", "a name"), Invalid: []plugin.Config{{}, {"field.value": "a", "field.value.pattern": "b"}, {"field.value.pattern": "("}}},
		"hash":                      {Config: with("field.name", "name", "function", "md5"), Fill: fillStructs, Invalid: []plugin.Config{{}, {"function": "crc"}}},
		"insert_uuid":               {Config: with(), Varies: regexp.MustCompile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")},
		"json_path_filter":          {Config: with("filter.condition", "$[?(@.n > 1)]", "filter.type", "exclude"), Invalid: []plugin.Config{{}, {"filter.condition": "n", "filter.type": "include"}}},
		"key_to_value":              {Config: with("key.fields", "n"), Invalid: []plugin.Config{{}, {"key.fields": "a,b", "value.fields": "c,c"}}},
		"make_tombstone":            {Config: with()},
		"message_timestamp_router":  {Config: with("message.timestamp.keys", "n"), Fill: fillMaps, Invalid: []plugin.Config{{}, {"message.timestamp.keys": "n", "topic.timestamp.format": "bogus"}}},
		"nullify":                   {Config: with(), Invalid: []plugin.Config{{"schema.behavior": "x"}}},
		"open_lineage": {
			Config:  with("job.namespace", "n", "job.name", "j", "dataset.kafka.bootstrap.servers", "k:1"),
			Invalid: []plugin.Config{{}, {"job.namespace": "n", "job.name": "j", "dataset.kafka.bootstrap.servers": "k:1", "transport.type": "kafka"}},
		},
		"timestamp_now":          {Config: with(), Varies: regexp.MustCompile("[0-9]{13}")},
		"timestamp_now_field":    {Config: with("fields", "at"), Varies: regexp.MustCompile("[0-9]{13}|at=[A-Z][A-Za-z0-9: ]+ UTC [0-9]{4}"), Invalid: []plugin.Config{{}}},
		"topic_from_schema_name": {Config: with(), Fill: fillStructs, Invalid: []plugin.Config{{"schema.name.regex": "("}, {"schema.name.topic-map": "a"}}},

		"dedupe": {Config: with("by", "topic"), Invalid: []plugin.Config{{"by": "topi"}, {"window.records": "0"}}},
	},
}

func with(settings ...string) func(testing.TB) plugin.Config {
	return func(testing.TB) plugin.Config {
		c := plugin.Config{}
		for i := 0; i < len(settings); i += 2 {
			c[settings[i]] = settings[i+1]
		}
		return c
	}
}

// Every stage in the list passes its suite, plain and through a loopback.
func TestConformanceOfStages(t *testing.T) {
	t.Parallel()
	suites := map[plugin.Role]func(*testing.T, plugin.Descriptor, plugintest.Env){
		plugin.PredicateRole: plugintest.Predicate, plugin.ConverterRole: plugintest.Converter, plugin.TransformRole: plugintest.Transform,
	}
	registry := srfake.New()
	t.Cleanup(registry.Close)
	tried := 0
	for _, d := range plugins.All() {
		suite, isStage := suites[d.Role()]
		if !isStage {
			continue
		}
		env, ok := stages[d.Role()][d.Name]
		if !ok {
			t.Errorf("nobody says how to try the %s %q", d.Role(), d.Name)
			continue
		}
		tried++
		if env.Fill == nil {
			env.Fill = fill
		}
		if env.Config == nil {
			env.Config = with("schema.registry.url", registry.URL())
		}
		t.Run(d.Role().String()+" "+d.Name, func(t *testing.T) {
			t.Parallel()
			suite(t, d, env)
		})
	}
	if want := len(stages[plugin.PredicateRole]) + len(stages[plugin.ConverterRole]) + len(stages[plugin.TransformRole]); tried != want {
		t.Errorf("tried %d stages of %d that are described", tried, want)
	}
}
