package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type insertFieldConfig struct {
	Topic       *string `cfg:"topic.field" doc:"Name of the field for the topic. A \"!\" at the end makes the field required, a \"?\" or nothing optional; the same holds for the other names."`
	Partition   *string `cfg:"partition.field" doc:"Name of the field for the partition of the topic. It stays empty where the record has none yet."`
	Offset      *string `cfg:"offset.field" doc:"Name of the field for the offset in the topic. Only on the way to a sink."`
	Timestamp   *string `cfg:"timestamp.field" doc:"Name of the field for the record's timestamp."`
	Static      *string `cfg:"static.field" example:"origin" doc:"Name of the field for a fixed text."`
	StaticValue *string `cfg:"static.value" example:"shop" doc:"The fixed text."`
	Replace     bool    `cfg:"replace.null.with.default" doc:"Whether fields that are null and have a default get it."`
	Syntax      string  `cfg:"field.syntax.version,anycase" oneof:"V1|V2" importance:"high" doc:"How names of fields are read. V1: as they stand. V2: as paths of names with dots between them; a name that has a dot stands in backticks."`
}

var insertFieldDefaults = insertFieldConfig{Syntax: "V1", Replace: true} //nolint:gochecknoglobals // a literal

const insertPurpose = "field insertion"

// insertField follows Kafka Connect's InsertField.
type insertField struct {
	single
	target  plugin.Target
	replace bool
	offset  bool        // whether an offset is among them
	inserts []insertion // in the order in which the fields are added
	plans   memo[*insertPlan]
}

// insertion is one field that is added.
type insertion struct {
	origin origin
	key    record.Value // the name, as a schemaless map has it
	schema *record.Schema
	text   record.Value // of fromSetting
}

// insertPlan is what becomes of structs of one schema.
type insertPlan struct {
	schema *record.Schema
	nulls  nullable // among the fields that were there before
}

// origin is where an inserted value comes from.
type origin uint8

const (
	fromTopic origin = iota
	fromPartition
	fromOffset
	fromTimestamp
	fromSetting
)

func newInsertField(target plugin.Target) plugin.Transform {
	t := &insertField{target: target}
	t.each = t.insert
	return t
}

// Configure implements [plugin.Transform].
func (t *insertField) Configure(c plugin.Config) error {
	cfg := insertFieldDefaults
	if err := plugin.Decode(c, &cfg); err != nil {
		return err
	}
	t.plans = memo[*insertPlan]{}
	t.replace, t.offset = cfg.Replace, cfg.Offset != nil
	t.inserts = nil
	t.add(fromTopic, cfg.Topic)
	t.add(fromPartition, cfg.Partition)
	t.add(fromOffset, cfg.Offset)
	t.add(fromTimestamp, cfg.Timestamp)
	t.add(fromSetting, cfg.Static)
	if len(t.inserts) == 0 {
		return &plugin.ConfigError{Reason: "No field insertion configured"}
	}
	if cfg.Static != nil {
		if cfg.StaticValue == nil {
			return plugin.Invalid("static.value", "null", "No value specified for static field: "+*cfg.Static)
		}
		t.inserts[len(t.inserts)-1].text = record.OfString(*cfg.StaticValue)
	}
	return nil
}

// add takes the name of a field, with its mark for required or optional.
func (t *insertField) add(o origin, spec *string) {
	if spec == nil {
		return
	}
	name, required := strings.CutSuffix(*spec, "!")
	if !required {
		name = strings.TrimSuffix(*spec, "?")
	}
	t.inserts = append(t.inserts, insertion{origin: o, key: record.OfString(name), schema: insertedSchema(o, required)})
}

func insertedSchema(o origin, required bool) *record.Schema {
	kind := record.String
	switch o {
	case fromTopic, fromSetting:
	case fromPartition:
		kind = record.Int32
	case fromOffset:
		kind = record.Int64
	case fromTimestamp:
		if required {
			return record.TimestampSchema()
		}
		return record.Build(record.Int64).Like(record.TimestampSchema()).Optional().MustBuild()
	}
	if required {
		return record.Required(kind)
	}
	return record.OptionalOf(kind)
}

// insert has no call in it that a struct of the schema before does not need: a call costs as much as copying three fields.
func (t *insertField) insert(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Schema == nil || d.Value.IsNull() {
		return t.intoMap(d, r)
	}
	fields, ok := d.Value.Fields()
	if !ok || d.Schema.Kind != record.Struct {
		return notA("Struct objects supported", d.Value, insertPurpose)
	}
	plan, known := t.plans.current(d.Schema)
	if !known {
		var err error
		if plan, err = shaped(&t.plans, d.Schema, t.planFor); err != nil {
			return err
		}
	}
	if t.offset && t.batch.Side != record.ToSink {
		return noOffset()
	}
	out := t.batch.Extend(fields, len(t.inserts))
	if plan.nulls.anyNull(out) {
		if err := plan.nulls.fill(plan.schema.Fields, out, t.replace); err != nil {
			return err
		}
	}
	added := out[len(fields):]
	for i := range t.inserts {
		switch ins := &t.inserts[i]; ins.origin {
		case fromSetting:
			added[i] = ins.text
		case fromTimestamp:
			if r.Timestamp != record.NoTimestamp {
				added[i] = record.OfInstant(r.Timestamp)
			}
		default:
			added[i] = ins.value(r)
		}
	}
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *insertField) planFor(in *record.Schema) (*insertPlan, error) {
	b := record.Build(record.Struct).Like(in)
	for _, f := range in.Fields {
		b.Field(f.Name, f.Schema)
	}
	for _, ins := range t.inserts {
		b.Field(ins.key.Text(), ins.schema)
	}
	schema, err := built(b)
	return &insertPlan{schema, nullableOf(in.Fields)}, err
}

// intoMap inserts into what is no struct: a map, or nothing.
func (t *insertField) intoMap(d *record.Datum, r *record.Record) error {
	if d.Value.IsNull() {
		return nil
	}
	entries, err := mapEntries(d.Value, insertPurpose)
	if err != nil {
		return err
	}
	if t.offset && t.batch.Side != record.ToSink {
		return noOffset()
	}
	out := t.batch.Extend(entries, 2*len(t.inserts))
	n := len(entries)
	for i := range t.inserts {
		ins := &t.inserts[i]
		if v := ins.value(r); !v.IsNull() {
			n = setEntry(out, n, ins.key, v)
		}
	}
	d.Value = record.OfMap(out[:n])
	return nil
}

// noOffset is the failure of a record that has no offset yet.
func noOffset() error {
	return plugin.Data("Only SinkRecord supported for [%s], found: org.apache.kafka.connect.source.SourceRecord", insertPurpose)
}

// value is what is inserted, null where the record has no such thing; a timestamp is a plain number.
func (ins *insertion) value(r *record.Record) record.Value {
	switch ins.origin {
	case fromTopic:
		if r.Topic != "" {
			return record.OfString(r.Topic)
		}
	case fromPartition:
		if r.Partition >= 0 {
			return record.OfInt32(r.Partition)
		}
	case fromOffset:
		return r.Position.Offset
	case fromTimestamp:
		if r.Timestamp != record.NoTimestamp {
			return record.OfInt64(r.Timestamp)
		}
	case fromSetting:
		return ins.text
	}
	return record.Value{}
}
