package transform

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

var ctx = context.Background()

// steady are settings under which each transform works on the fields of order, as a struct and as a map.
var steady = map[string]struct {
	plugin.Config
	keepsSchema, onlyStructs, onlyMaps bool
}{
	"cast":                {Config: plugin.Config{"spec": "id:string,f0:float64,f1:boolean"}},
	"drop":                {keepsSchema: true},
	"drop_headers":        {Config: plugin.Config{"headers": "b"}, keepsSchema: true},
	"extract_field":       {Config: plugin.Config{"field": "name"}},
	"flatten":             {},
	"header_from":         {Config: plugin.Config{"fields": "id,name", "headers": "h1,h2", "operation": "move"}},
	"hoist_field":         {Config: plugin.Config{"field": "value"}},
	"insert_field":        {Config: insertAll},
	"insert_header":       {Config: plugin.Config{"header": "h", "value.literal": "[1, 2]"}, keepsSchema: true},
	"mask_field":          {Config: plugin.Config{"fields": "name,f1,f2", "replacement": "12"}, keepsSchema: true},
	"regex_router":        {Config: plugin.Config{"regex": "(or)ders", "replacement": "$1-x"}, keepsSchema: true},
	"replace_field":       {Config: plugin.Config{"exclude": "f0", "renames": "id:ident,f1:first"}},
	"set_schema_metadata": {Config: plugin.Config{"schema.name": "n", "schema.version": "2"}, onlyStructs: true},
	"timestamp_converter": {Config: plugin.Config{"field": "id", "target.type": "string", "format": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"}},
	"timestamp_router":    {keepsSchema: true},
	"value_to_key":        {Config: plugin.Config{"fields": "name,id"}, keepsSchema: true},

	"set":                     {Config: plugin.Config{"field": "copy", "expression": "value.name"}},
	"keep":                    {Config: plugin.Config{"pattern": "id|name|f[0-4]"}},
	"remove":                  {Config: plugin.Config{"pattern": "f[0-4]"}},
	"rename":                  {Config: plugin.Config{"pattern": "f(.)", "replacement": "g$1"}},
	"route":                   {Config: plugin.Config{"topic": "value.name", "key": "value.id", "partition": "value.f1", "timestamp": "value.id"}, keepsSchema: true},
	"split":                   {Config: plugin.Config{"field": "nobody"}, keepsSchema: true, onlyMaps: true},
	"unwrap":                  {keepsSchema: true},
	"outbox":                  {keepsSchema: true},
	"by_logical_table":        {Config: plugin.Config{"topic.regex": "o(.*)", "topic.replacement": "x$1"}, keepsSchema: true},
	"concat_fields":           {Config: plugin.Config{"field.names": "id,name,nobody", "output.field.name": "all", "delimiter": "-"}},
	"extract_timestamp":       {Config: plugin.Config{"field.name": "id"}, keepsSchema: true},
	"extract_topic":           {Config: plugin.Config{"field": "name"}, keepsSchema: true},
	"tombstone_handler":       {keepsSchema: true},
	"aiven_extract_topic":     {Config: plugin.Config{"field.name": "id"}, keepsSchema: true},
	"aiven_tombstone_handler": {Config: plugin.Config{"behavior": "fail"}, keepsSchema: true},

	"case_transform":            {Config: plugin.Config{"field.names": "name", "case": "lower"}, keepsSchema: true},
	"change_case":               {Config: plugin.Config{"from": "LOWER_UNDERSCORE", "to": "UPPER_CAMEL"}, onlyStructs: true},
	"change_topic_case":         {Config: plugin.Config{"from": "LOWER_CAMEL", "to": "UPPER_CAMEL"}, keepsSchema: true},
	"extract_topic_from_header": {Config: plugin.Config{"field": "b", "skip.missing.or.null": "true"}, keepsSchema: true},
	"filter_by_field_value":     {Config: plugin.Config{"field.name": "name", "field.value": "A name"}, keepsSchema: true},
	"hash":                      {Config: plugin.Config{"field.name": "name", "function": "sha256"}, keepsSchema: true, onlyStructs: true},
	"insert_uuid":               {},
	"json_path_filter":          {Config: plugin.Config{"filter.condition": "$[?(@.id > 1 && @.name != 'x')]", "filter.type": "include"}, keepsSchema: true},
	"key_to_value":              {Config: plugin.Config{"key.fields": "k"}},
	"make_tombstone":            {},
	"message_timestamp_router":  {Config: plugin.Config{"message.timestamp.keys": "at,id"}, keepsSchema: true, onlyMaps: true},
	"nullify":                   {},
	"open_lineage":              {Config: plugin.Config{"job.namespace": "n", "job.name": "j", "dataset.kafka.bootstrap.servers": "k:1"}, keepsSchema: true},
	"timestamp_now":             {keepsSchema: true},
	"timestamp_now_field":       {Config: plugin.Config{"fields": "name,at"}},
	"topic_from_schema_name":    {Config: plugin.Config{"schema.name.regex": "o(.*)"}, keepsSchema: true, onlyStructs: true},

	"dedupe": {Config: plugin.Config{"by": "value.id"}, keepsSchema: true},
}

var insertAll = plugin.Config{
	"topic.field": "topic", "partition.field": "partition", "offset.field": "offset", "timestamp.field": "ts",
	"static.field": "env", "static.value": "test",
}

// TestSteadyIsComplete holds the rows above to the list of transforms.
func TestSteadyIsComplete(t *testing.T) {
	t.Parallel()
	for _, d := range Descriptors() {
		if _, ok := steady[d.Name]; !ok {
			t.Errorf("%s has no row", d.Name)
		}
	}
}

const batchSize = 500

var someHeaders = []record.Header{
	{Key: "a", Datum: record.Datum{Value: record.OfInt32(1)}}, {Key: "b", Datum: record.Datum{Value: record.OfString("x")}},
}

var someKey = record.Datum{
	Schema: record.Build(record.Struct).Field("k", record.Required(record.String)).MustBuild(),
	Value:  record.OfStruct([]record.Value{record.OfString("a key")}),
}

// stock fills a batch with records of the same value, as if it came from a consumer.
func stock(b *record.Batch, d record.Datum) {
	b.Reset()
	for i := range batchSize {
		r := b.Append()
		r.Topic, r.Partition, r.Timestamp, r.Value, r.Headers = "orders", 3, 1000, d, someHeaders
		r.Key = someKey
		r.Position.Offset = record.OfInt64(int64(i))
	}
}

func TestNoAllocations(t *testing.T) {
	for _, form := range []struct {
		name string
		record.Datum
	}{
		{"struct", record.Datum{Schema: order(), Value: orderValue()}},
		{"map", record.Datum{Value: mapOf("id", 7, "name", "a", "f0", 1, "f1", 2)}},
	} {
		for alias, c := range steady {
			if form.Schema == nil && c.onlyStructs || form.Schema != nil && c.onlyMaps {
				continue
			}
			tr := configured(t, alias, c.Config)
			b := record.NewBatch(record.ToSink, new(record.Partitions))
			run := func() {
				stock(b, form.Datum)
				if err := tr.Apply(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			for range 10 { // until the arena has its size
				run()
			}
			if allocs := testing.AllocsPerRun(20, run); allocs != 0 {
				t.Errorf("%s on a %s: %v allocations for a batch of %d", alias, form.name, allocs, batchSize)
			}
			if f := b.Failures(); len(f) > 0 {
				t.Errorf("%s on a %s: %v", alias, form.name, f[0].Err)
			}
		}
	}
}

// bare is what a transform of a struct cannot do without: it copies the fields.
func bare(b *record.Batch) {
	for i := range b.Records {
		r := &b.Records[i]
		fields := r.Value.Value.Elements()
		out := b.Values(len(fields))
		copy(out, fields)
		r.Value.Value = record.OfStruct(out)
	}
}

// BenchmarkTransforms reports the time for one record of ten fields in the fastest batch, and how often the time of the
// bare copy that is.
func BenchmarkTransforms(b *testing.B) {
	d := record.Datum{Schema: order(), Value: orderValue()}
	bench := func(b *testing.B, apply func(*record.Batch)) float64 {
		batch := record.NewBatch(record.ToSink, new(record.Partitions))
		fastest := time.Duration(math.MaxInt64)
		for b.Loop() {
			stock(batch, d)
			start := time.Now()
			apply(batch)
			fastest = min(fastest, time.Since(start))
		}
		if len(batch.Failures()) > 0 {
			b.Fatal(batch.Failures()[0].Err)
		}
		each := float64(fastest.Nanoseconds()) / batchSize
		b.ReportMetric(each, "ns/record")
		return each
	}
	var base float64
	b.Run("bare copy", func(b *testing.B) { base = bench(b, bare) })
	run := func(name, alias string, c plugin.Config) {
		b.Run(name, func(b *testing.B) {
			tr := configured(b, alias, c)
			each := bench(b, func(batch *record.Batch) {
				if err := tr.Apply(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			})
			if base > 0 {
				b.ReportMetric(each/base, "×copy")
			}
		})
	}
	run("insert_field/one", "insert_field", plugin.Config{"static.field": "env", "static.value": "test"})
	run("mask_field/one", "mask_field", plugin.Config{"fields": "name"})
	for alias, c := range steady {
		if !c.onlyMaps {
			run(alias, alias, c.Config)
		}
	}
}

// BenchmarkChain reports what five transforms cost a record, over none.
func BenchmarkChain(b *testing.B) {
	steps := []struct {
		alias string
		plugin.Config
	}{
		{"insert_field", plugin.Config{"static.field": "env", "static.value": "test"}},
		{"mask_field", plugin.Config{"fields": "name"}},
		{"replace_field", plugin.Config{"exclude": "f0", "renames": "f1:first"}},
		{"regex_router", plugin.Config{"regex": "(or)ders", "replacement": "$1-x"}},
		{"value_to_key", plugin.Config{"fields": "id"}},
	}
	for _, n := range []int{0, len(steps)} {
		b.Run(map[bool]string{true: "five", false: "none"}[n > 0], func(b *testing.B) {
			var chain []plugin.Transform
			for _, s := range steps[:n] {
				chain = append(chain, configured(b, s.alias, s.Config))
			}
			batch := record.NewBatch(record.ToSink, new(record.Partitions))
			fastest := time.Duration(math.MaxInt64)
			for b.Loop() {
				stock(batch, record.Datum{Schema: order(), Value: orderValue()})
				start := time.Now()
				for _, t := range chain {
					if err := t.Apply(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				fastest = min(fastest, time.Since(start))
			}
			b.ReportMetric(float64(fastest.Nanoseconds())/batchSize, "ns/record")
		})
	}
}
