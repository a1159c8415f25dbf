package transform

import (
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type outboxConfig struct {
	ID        string   `cfg:"table.field.event.id,nonempty" importance:"low" doc:"Column with the id of the event, which becomes the header id."`
	Key       string   `cfg:"table.field.event.key,nonempty" importance:"low" doc:"Column with the key of the event."`
	Timestamp string   `cfg:"table.field.event.timestamp" doc:"Column with the timestamp, of Debezium's type Timestamp, MicroTimestamp or NanoTimestamp. Empty, or null in a row: when Debezium read the row."`
	Payload   string   `cfg:"table.field.event.payload,nonempty" importance:"low" doc:"Column with the payload."`
	Version   string   `cfg:"table.field.event.schema.version" importance:"low" doc:"Column with the version of the schema, an INT32."`
	Placement []string `cfg:"table.fields.additional.placement" importance:"high" doc:"More columns to carry along, as column:header, column:envelope, or with another name behind a second colon. With one in the envelope the value is a struct with the payload in it."`
	Missing   bool     `cfg:"table.fields.additional.error.on.missing" doc:"Whether an event without one of these columns fails; otherwise it goes without it."`
	Type      string   `cfg:"table.field.event.type" importance:"low" doc:"Column with the type of the event. It is part of the table's layout; what comes out does not have it unless it is carried along."`
	Expand    bool     `cfg:"table.expand.json.payload" importance:"low" doc:"Whether a payload of JSON becomes a struct. Only false is available."`
	RouteBy   string   `cfg:"route.by.field,nonempty" importance:"high" doc:"Column that says where the event goes."`
	Regex     string   `cfg:"route.topic.regex,nonempty" importance:"low" doc:"Regular expression that the content of that column matches; else it is the topic."`
	Topic     string   `cfg:"route.topic.replacement,nonempty" importance:"high" doc:"The topic; ${routedByValue} is the content of the column."`
	Tombstone bool     `cfg:"route.tombstone.on.empty.payload" importance:"low" doc:"Whether an event with an empty payload becomes a tombstone."`
	Updates   string   `cfg:"table.op.invalid.behavior,anycase" oneof:"warn|error|fatal" doc:"What becomes of an update of a row, which an outbox does not have. warn and error: it goes, and is counted as dropped. fatal: it fails."`
}

//nolint:gochecknoglobals // a literal
var outboxDefaults = outboxConfig{
	ID: "id", Key: "aggregateid", Payload: "payload", RouteBy: "aggregatetype", Regex: "(?<routedByValue>.*)",
	Topic: "outbox.event.${routedByValue}", Updates: "warn", Missing: true, Type: "type",
}

// outbox follows Debezium's io.debezium.transforms.outbox.EventRouter 3.0: of a row that was added to an outbox table, the
// event. As there, the schema of values with more than the payload in them is made for the first event, and one for each
// version.
type outbox struct {
	single
	config   outboxConfig
	topics   *regexRouter
	placed   []placed
	envelope bool // the value is a struct
	plans    memo[*outboxPlan]
	schemas  map[int64]*record.Schema // of these structs, by version
}

// placed is a column that is carried along.
type placed struct {
	column, name string
	header       bool
}

// outboxPlan is where columns are in envelopes of one schema; -1: there is none.
type outboxPlan struct {
	op, after, read                            int
	id, key, timestamp, payload, route, schema int
	placed                                     []int // parallel to the columns that are carried along
	divide                                     int64 // of the timestamp
	columns                                    *record.Schema
	err                                        error // why no event can be made of such rows
}

func newOutbox(plugin.Target) plugin.Transform {
	t := &outbox{}
	t.each = t.event
	return t
}

// unversioned is the key of the schema of events without a version.
const unversioned = -1 << 40

// Configure implements [plugin.Transform].
func (t *outbox) Configure(c plugin.Config) error {
	t.config = outboxDefaults
	if err := plugin.Decode(c, &t.config); err != nil {
		return err
	}
	if t.config.Expand {
		return plugin.Invalid("table.expand.json.payload", "true", "Payloads of JSON are not expanded here; they stay texts")
	}
	t.placed, t.envelope, t.plans, t.schemas = nil, false, memo[*outboxPlan]{}, map[int64]*record.Schema{}
	for _, entry := range t.config.Placement {
		parts := strings.Split(entry, ":")
		where := ""
		if len(parts) == 2 || len(parts) == 3 {
			where = strings.ToLower(strings.TrimSpace(parts[1]))
		}
		if where != "header" && where != "envelope" {
			return plugin.Invalid("table.fields.additional.placement", strings.Join(t.config.Placement, ","), "Each is column:header or column:envelope, with another name behind a second colon")
		}
		t.placed = append(t.placed, placed{parts[0], parts[len(parts)-1], where == "header"})
		if len(parts) == 2 {
			t.placed[len(t.placed)-1].name = parts[0]
		}
		t.envelope = t.envelope || where == "envelope"
	}
	var err error
	t.topics, err = router(t.config.Regex, t.config.Topic, "route.topic.regex")
	return err
}

func (t *outbox) event(i int, r *record.Record) error {
	if r.Value.Value.IsNull() {
		t.batch.Drop(i)
		return nil
	}
	if r.Value.Schema == nil || !strings.HasSuffix(r.Value.Schema.Name, envelopeSuffix) {
		return nil
	}
	fields, err := structFields(&r.Value, "Detect Debezium Operation")
	if err != nil {
		return err
	}
	plan, err := shaped(&t.plans, r.Value.Schema, t.planFor)
	if err != nil {
		return err
	}
	switch op := fields[plan.op]; {
	case op.IsNull():
		return plugin.Data("The operation of an event is null")
	case op.Text() == deleteCode, op.Text() == "u" && t.config.Updates != "fatal":
		t.batch.Drop(i)
		return nil
	case op.Text() == "u":
		return plugin.Data("Unexpected update of a row of the outbox table")
	case fields[plan.after].IsNull():
		return notA("Struct objects supported", fields[plan.after], "Read Outbox Event")
	case plan.err != nil:
		return plan.err
	}
	return t.route(plan, fields, r)
}

func (t *outbox) planFor(s *record.Schema) (*outboxPlan, error) {
	p := &outboxPlan{op: s.Field("op"), after: s.Field("after"), read: s.Field("ts_ms")}
	if p.op < 0 || s.Fields[p.op].Schema.Kind != record.String {
		return nil, plugin.Data("Unknown field: op")
	}
	if p.after < 0 || s.Fields[p.after].Schema.Kind != record.Struct {
		return nil, plugin.Data("Unknown field: after")
	}
	p.columns = s.Fields[p.after].Schema
	p.err = t.find(p)
	return p, nil
}

// find finds the columns.
func (t *outbox) find(p *outboxPlan) error {
	at := func(name string) int {
		if name == "" {
			return -1
		}
		return p.columns.Field(name)
	}
	p.id, p.payload, p.route = at(t.config.ID), at(t.config.Payload), at(t.config.RouteBy)
	p.key, p.timestamp, p.schema = at(t.config.Key), at(t.config.Timestamp), at(t.config.Version)
	for _, need := range []struct {
		index int
		name  string
	}{{p.payload, t.config.Payload}, {p.id, t.config.ID}, {p.route, t.config.RouteBy}, {p.key, t.config.Key}, {p.timestamp, t.config.Timestamp}, {p.schema, t.config.Version}} {
		if need.index < 0 && need.name != "" {
			return plugin.Data("Unable to find the field %s in event", need.name)
		}
	}
	if p.columns.Fields[p.route].Schema.Kind != record.String {
		return plugin.Data("Field '%s' is not of type STRING", t.config.RouteBy)
	}
	if p.schema >= 0 && p.columns.Fields[p.schema].Schema.Kind != record.Int32 {
		return plugin.Data("Field '%s' is not of type INT32", t.config.Version)
	}
	for _, c := range t.placed {
		i := p.columns.Field(c.column)
		if i < 0 && t.config.Missing {
			return plugin.Data("Unknown field: %s", c.column)
		}
		p.placed = append(p.placed, i)
	}
	if p.read < 0 && p.timestamp < 0 {
		return plugin.Data("Unknown field: ts_ms")
	}
	if p.timestamp >= 0 {
		p.divide = map[string]int64{"io.debezium.time.Timestamp": 1, "io.debezium.time.MicroTimestamp": 1000, "io.debezium.time.NanoTimestamp": 1e6}[p.columns.Fields[p.timestamp].Schema.Name]
	}
	return nil
}

func (t *outbox) route(p *outboxPlan, fields []record.Value, r *record.Record) error {
	row := fields[p.after].Elements()
	column := func(i int) record.Datum {
		d := record.Datum{Schema: p.columns.Fields[i].Schema, Value: row[i]}
		if d.Value.IsNull() && d.Schema.HasDefault {
			d.Value = d.Schema.Default
		}
		return d
	}
	at, err := t.timestamp(p, fields, row)
	if err != nil {
		return err
	}
	if row[p.route].IsNull() {
		return plugin.Data("%s of an event is null", t.config.RouteBy)
	}
	topic, _, err := t.topics.of(row[p.route].Text())
	if err != nil {
		return err
	}
	headers := append(t.batch.Headers(len(r.Headers) + 1 + len(t.placed))[:0], r.Headers...)
	headers = append(headers, record.Header{Key: "id", Datum: column(p.id)})
	for i, c := range t.placed {
		if c.header && p.placed[i] >= 0 {
			headers = append(headers, record.Header{Key: c.name, Datum: column(p.placed[i])})
		}
	}
	value := column(p.payload)
	empty := value.Value.IsNull() || value.Value.Kind() == record.String && strings.TrimSpace(value.Value.Text()) == ""
	if t.envelope {
		if value, err = t.wrapped(p, row, column); err != nil {
			return err
		}
	}
	if empty && t.config.Tombstone {
		value = record.Datum{}
	}
	r.Topic, r.Partition, r.Timestamp, r.Headers, r.Key, r.Value = topic, -1, at, headers, column(p.key), value
	return nil
}

func (t *outbox) timestamp(p *outboxPlan, fields, row []record.Value) (int64, error) {
	if p.timestamp >= 0 && !row[p.timestamp].IsNull() {
		if p.divide == 0 {
			return 0, plugin.Data("Unsupported field type %s for event timestamp", p.columns.Fields[p.timestamp].Schema.Kind)
		}
		return row[p.timestamp].Int() / p.divide, nil
	}
	if p.read < 0 || fields[p.read].IsNull() {
		return record.NoTimestamp, nil
	}
	return fields[p.read].Int(), nil
}

// wrapped is the struct with the payload and the columns that go beside it.
func (t *outbox) wrapped(p *outboxPlan, row []record.Value, column func(int) record.Datum) (record.Datum, error) {
	version := int64(unversioned)
	if p.schema >= 0 && !row[p.schema].IsNull() {
		version = row[p.schema].Int()
	}
	s, ok := t.schemas[version]
	if !ok {
		b := record.Build(record.Struct).Named(schemaNameOf(p.columns.Name, row[p.route].Text())).Field("payload", p.columns.Fields[p.payload].Schema)
		if version != unversioned {
			b.Versioned(int(version))
		}
		for i, c := range t.placed {
			if !c.header && p.placed[i] >= 0 {
				b.Field(c.name, p.columns.Fields[p.placed[i]].Schema)
			}
		}
		var err error
		if s, err = built(b); err != nil {
			return record.Datum{}, err
		}
		if len(t.schemas) < mostRoutes { // versions come from data
			t.schemas[version] = s
		}
	}
	out := t.batch.Values(len(s.Fields))[:0]
	add := func(i int) error {
		d := column(i)
		if len(out) == len(s.Fields) {
			return plugin.Data("The event has more columns to carry along than the first event")
		}
		if f := s.Fields[len(out)]; !f.Schema.Equal(d.Schema) {
			return plugin.Data("The column for %s has another type than in the first event", f.Name)
		}
		out = append(out, d.Value)
		return nil
	}
	if err := add(p.payload); err != nil {
		return record.Datum{}, err
	}
	for i, c := range t.placed {
		if c.header || p.placed[i] < 0 {
			continue
		}
		if err := add(p.placed[i]); err != nil {
			return record.Datum{}, err
		}
	}
	return record.Datum{Schema: s, Value: record.OfStruct(out)}, nil
}

// schemaNameOf puts the destination before the last part of the name of the table's schema.
func schemaNameOf(table, destination string) string {
	if table == "" {
		return destination
	}
	dot := strings.LastIndexByte(table, '.') + 1
	return table[:dot] + destination + "." + table[dot:]
}
