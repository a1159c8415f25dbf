package transform

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type unwrapConfig struct {
	Mode           string   `cfg:"delete.tombstone.handling.mode,anycase" oneof:"|drop|tombstone|rewrite|rewrite-with-tombstone" doc:"What becomes of a delete event and of the tombstone behind it. drop: both go. tombstone: the event becomes a tombstone, the other one goes. rewrite: the event becomes the row as it was with __deleted = true, the tombstone goes. rewrite-with-tombstone: the same, and the tombstone stays. Empty: drop.tombstones and delete.handling.mode count."`
	DropTombstones bool     `cfg:"drop.tombstones" importance:"low" doc:"The older setting: whether tombstones go."`
	Deletes        string   `cfg:"delete.handling.mode,anycase" oneof:"none|drop|rewrite" doc:"The older setting: what becomes of a delete event. none: its value is null. drop: it goes. rewrite: it is the row as it was with __deleted = true."`
	Route          string   `cfg:"route.by.field" importance:"low" doc:"Name of a field of the row whose text is the topic."`
	FieldsPrefix   string   `cfg:"add.fields.prefix" importance:"low" doc:"What stands before the names of added fields."`
	Fields         []string `cfg:"add.fields" importance:"low" example:"op,source.ts_ms" doc:"Fields of the envelope that are added to the row: op, ts_ms, source.lsn, transaction.id, …; a name behind a colon is the new one."`
	HeadersPrefix  string   `cfg:"add.headers.prefix" importance:"low" doc:"What stands before the names of added headers."`
	Headers        []string `cfg:"add.headers" importance:"low" doc:"Fields of the envelope that are added as headers, written like add.fields."`
	DropHeader     string   `cfg:"drop.fields.header.name" importance:"low" doc:"Name of a header with a list of fields to remove."`
	DropFromKey    bool     `cfg:"drop.fields.from.key" importance:"low" doc:"Whether these fields are removed from the key too."`
	DropCompatible bool     `cfg:"drop.fields.keep.schema.compatible" importance:"low" doc:"Whether only optional fields are removed."`
}

//nolint:gochecknoglobals // a literal
var unwrapDefaults = unwrapConfig{DropTombstones: true, Deletes: "drop", FieldsPrefix: "__", HeadersPrefix: "__", DropCompatible: true}

const (
	envelopeSuffix = ".Envelope"
	deletedField   = "__deleted"
	deleteCode     = "d"
)

// unwrap follows Debezium's io.debezium.transforms.ExtractNewRecordState 3.0: of an event about a row, the row.
type unwrap struct {
	single
	config          unwrapConfig
	rewrite         bool // rows get __deleted
	keepTombstones  bool
	deletes         string // drop, tombstone or rewrite
	fields, headers []fieldRef
	plans           memo[*unwrapPlan]
	names           names
	dropped         map[string]*replaceField // by target and list of fields
}

// fieldRef names a field of the envelope.
type fieldRef struct {
	parent, field string // parent is "" for a field of the envelope itself
	name          string // of what is added
}

// refPlace is where such a field is in envelopes of one schema.
type refPlace struct {
	ref    *fieldRef
	parent int // index of the struct that has the field, -1: the envelope itself
	field  int
	schema *record.Schema // of what is added
}

// unwrapPlan is what becomes of envelopes of one schema.
type unwrapPlan struct {
	envelope      bool
	before, after int
	headers       []refPlace
	fields        []refPlace
	err           error    // why no row can have these fields
	live, gone    *rowPlan // of rows that are there and that were deleted; nil until the first
}

// rowPlan is the struct that comes out.
type rowPlan struct {
	schema *record.Schema
	nulls  nullable
}

func newUnwrap(plugin.Target) plugin.Transform {
	t := &unwrap{}
	t.each = t.unwrap
	return t
}

// Configure implements [plugin.Transform].
func (t *unwrap) Configure(c plugin.Config) error {
	t.config = unwrapDefaults
	if err := plugin.Decode(c, &t.config); err != nil {
		return err
	}
	t.plans, t.dropped = memo[*unwrapPlan]{}, map[string]*replaceField{}
	t.deletes, t.keepTombstones = strings.ToLower(t.config.Mode), false
	switch t.deletes {
	case "":
		t.deletes, t.keepTombstones = strings.ToLower(t.config.Deletes), !t.config.DropTombstones
		if t.deletes == "none" {
			t.deletes = "tombstone"
		}
	case "rewrite-with-tombstone":
		t.deletes, t.keepTombstones = "rewrite", true
	}
	t.rewrite = t.deletes == "rewrite"
	var err error
	if t.fields, err = refs("add.fields", t.config.FieldsPrefix, t.config.Fields); err != nil {
		return err
	}
	t.headers, err = refs("add.headers", t.config.HeadersPrefix, t.config.Headers)
	return err
}

// refs reads names such as op, source.ts_ms or ts_ms:time. A name without a struct is one of the envelope, of the
// transaction, or of the source.
func refs(key, prefix string, entries []string) (list []fieldRef, err error) {
	for _, entry := range entries {
		parts := splitJava(entry, ":")
		if len(parts) == 0 || len(parts) > 2 || parts[0] == "" {
			return nil, plugin.Invalid(key, strings.Join(entries, ","), "Unexpected field name: "+entry)
		}
		path := splitJava(parts[0], ".")
		r := fieldRef{field: path[len(path)-1]}
		if len(path) > 1 {
			r.parent, r.field = path[0], path[1]
			r.name = r.parent + "_" + r.field
		} else {
			r.name = r.field
			switch r.field {
			case "id", "data_collection_order", "total_order":
				r.parent = "transaction"
			case "op", "ts_ms", "ts_us", "ts_ns":
			case "updateDescription":
				r.parent = r.field
			default:
				r.parent = "source"
			}
		}
		if len(parts) == 2 {
			r.name = parts[1]
		}
		r.name = prefix + r.name
		list = append(list, r)
	}
	return list, nil
}

func (t *unwrap) unwrap(i int, r *record.Record) error {
	if r.Value.Value.IsNull() {
		if !t.keepTombstones {
			t.batch.Drop(i)
		} else {
			t.markTombstone(r)
		}
		return nil
	}
	if r.Value.Schema == nil {
		if len(t.headers) > 0 {
			return notA("Struct objects supported", r.Value.Value, "adding headers")
		}
		return nil
	}
	plan, err := shaped(&t.plans, r.Value.Schema, t.planFor)
	if err != nil {
		return err
	}
	headers := t.withHeaders(plan, r)
	if !plan.envelope {
		r.Headers = headers
		return nil
	}
	before := *r
	r.Headers = headers
	drop, err := t.row(plan, r)
	if err != nil {
		*r = before
		return err
	}
	if drop {
		t.batch.Drop(i)
	}
	return nil
}

// markTombstone gives a tombstone that stays the header with the operation, if it is wanted.
func (t *unwrap) markTombstone(r *record.Record) {
	for i := range t.headers {
		if t.headers[i].field == "op" {
			hs := t.batch.Headers(len(r.Headers) + 1)
			copy(hs, r.Headers)
			hs[len(r.Headers)] = record.Header{Key: t.headers[i].name, Datum: record.Datum{Schema: record.Required(record.String), Value: record.OfString(deleteCode)}}
			r.Headers = hs
		}
	}
}

func (t *unwrap) planFor(s *record.Schema) (*unwrapPlan, error) {
	plan := &unwrapPlan{envelope: strings.HasSuffix(s.Name, envelopeSuffix)}
	if s.Kind != record.Struct {
		if plan.envelope || len(t.headers) > 0 {
			return nil, plugin.Data("Only Struct objects supported for [adding headers], found: %s", s.Kind)
		}
		return plan, nil
	}
	var err error
	if plan.headers, err = placesOf(t.headers, s); err != nil || !plan.envelope {
		return plan, err
	}
	plan.fields, plan.err = placesOf(t.fields, s)
	if plan.before, plan.after = s.Field("before"), s.Field("after"); plan.after < 0 {
		return nil, plugin.Data("Unknown field: after")
	}
	return plan, nil
}

func placesOf(list []fieldRef, s *record.Schema) (places []refPlace, err error) {
	for i := range list {
		p := refPlace{ref: &list[i], parent: -1}
		in := s
		if name := list[i].parent; name != "" {
			if p.parent = s.Field(name); p.parent < 0 || s.Fields[p.parent].Schema.Kind != record.Struct {
				return nil, plugin.Data("Unknown field: %s", name)
			}
			in = s.Fields[p.parent].Schema
		}
		if p.field = in.Field(list[i].field); p.field < 0 { // another transform may have added it to the envelope
			in, p.parent, p.field = s, -1, s.Field(list[i].field)
		}
		if p.field < 0 {
			continue
		}
		f := in.Fields[p.field].Schema
		b := record.Build(f.Kind)
		switch f.Kind {
		case record.Array:
			b = record.BuildArray(f.Elem)
		case record.Map:
			b = record.BuildMap(f.Key, f.Elem)
		case record.Struct: // the names of its fields count here
			for _, inner := range f.Fields {
				b.Field(inner.Name, inner.Schema)
			}
		}
		if p.schema, err = built(b.Like(f).Optional()); err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, nil
}

func (p *refPlace) value(envelope []record.Value) record.Value {
	if p.parent >= 0 {
		if envelope[p.parent].IsNull() {
			return record.Value{}
		}
		envelope = envelope[p.parent].Elements()
	}
	return envelope[p.field]
}

func (t *unwrap) withHeaders(plan *unwrapPlan, r *record.Record) []record.Header {
	if len(plan.headers) == 0 {
		return r.Headers
	}
	hs := t.batch.Headers(len(r.Headers) + len(plan.headers))
	copy(hs, r.Headers)
	fields := r.Value.Value.Elements()
	for i := range plan.headers {
		p := &plan.headers[i]
		hs[len(r.Headers)+i] = record.Header{Key: p.ref.name, Datum: record.Datum{Schema: p.schema, Value: p.value(fields)}}
	}
	return hs
}

// row makes the row of an envelope.
func (t *unwrap) row(plan *unwrapPlan, r *record.Record) (drop bool, err error) {
	s, fields := r.Value.Schema, r.Value.Value.Elements()
	after, at, row := fields[plan.after], plan.after, &plan.live
	deleted := after.IsNull()
	if deleted {
		switch {
		case plan.before < 0:
			return false, plugin.Data("Unknown field: before")
		case fields[plan.before].IsNull(), t.deletes == "drop": // a table was emptied, or a row that nobody wants
			return true, nil
		}
		at, row = plan.before, &plan.gone
	}
	if t.config.Route != "" {
		if err := t.route(r, record.Datum{Schema: s.Fields[at].Schema, Value: fields[at]}); err != nil {
			return false, err
		}
	}
	if deleted && !t.rewrite {
		r.Value = record.Datum{Schema: s.Fields[plan.after].Schema}
		return false, t.dropFields(r)
	}
	if plan.err != nil {
		return false, plan.err
	}
	if *row == nil {
		made, err := t.rowFor(s.Fields[at].Schema, plan.fields)
		if err != nil {
			return false, err
		}
		*row = made
	}
	old := fields[at].Elements()
	n, extra := len(old), len((*row).schema.Fields)-len(old)
	out := t.batch.Extend(old, extra)
	if err := (*row).nulls.fill((*row).schema.Fields, out, t.rewrite); err != nil {
		return false, err
	}
	if t.rewrite {
		out[n] = record.OfString("false")
		if deleted {
			out[n] = record.OfString("true")
		}
		n++
	}
	for i := range plan.fields {
		out[n+i] = plan.fields[i].value(fields)
	}
	r.Value = record.Datum{Schema: (*row).schema, Value: record.OfStruct(out)}
	return false, t.dropFields(r)
}

func (t *unwrap) rowFor(in *record.Schema, places []refPlace) (*rowPlan, error) {
	if in.Kind != record.Struct {
		return nil, plugin.Data("Only Struct objects supported for [source field insertion], found: %s", in.Kind)
	}
	b := copyOf(in, -1, nil)
	if t.rewrite {
		b.Field(deletedField, record.OptionalOf(record.String))
	}
	for _, p := range places {
		b.Field(p.ref.name, p.schema)
	}
	s, err := built(b)
	return &rowPlan{s, nullableOf(in.Fields)}, err
}

func (t *unwrap) route(r *record.Record, row record.Datum) error {
	i := row.Schema.Field(t.config.Route)
	switch {
	case i < 0:
		return plugin.Data("%s is not a valid field name", t.config.Route)
	case row.Schema.Fields[i].Schema.Kind != record.String:
		return plugin.Data("Field '%s' is not of type STRING", t.config.Route)
	}
	if v := row.Value.Elements()[i]; !v.IsNull() && strings.TrimSpace(v.Text()) != "" {
		r.Topic = t.names.keep(v.Text())
	}
	return nil
}

// dropFields removes the fields that a header names.
func (t *unwrap) dropFields(r *record.Record) error {
	if t.config.DropHeader == "" {
		return nil
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		if h.Key != t.config.DropHeader {
			continue
		}
		if h.Value.IsNull() {
			return nil
		}
		if h.Value.Kind() != record.Array {
			return notA("Array objects supported", h.Value, "dropping fields")
		}
		if t.config.DropFromKey && !r.Key.Value.IsNull() {
			if err := t.dropFrom(plugin.Key, h.Value.Elements(), r); err != nil {
				return err
			}
		}
		return t.dropFrom(plugin.Value, h.Value.Elements(), r)
	}
	return nil
}

func (t *unwrap) dropFrom(target plugin.Target, list []record.Value, r *record.Record) error {
	d := part(target, r)
	if d.Schema == nil || d.Schema.Kind != record.Struct {
		return nil
	}
	var drop []string
	for _, e := range list {
		if e.Kind() != record.String {
			return plugin.Data("The header %s has an element that is no text", t.config.DropHeader)
		}
		at := d.Schema.Field(e.Text())
		if !t.config.DropCompatible || at >= 0 && d.Schema.Fields[at].Schema.Optional {
			drop = append(drop, e.Text())
		}
	}
	if len(drop) == 0 {
		return nil
	}
	key := target.String() + " " + strings.Join(drop, ",")
	rf := t.dropped[key]
	if rf == nil {
		if len(t.dropped) >= mostRoutes {
			clear(t.dropped)
		}
		rf = newReplaceField(target).(*replaceField)
		rf.exclude, rf.replace = nameSet(drop), true
		t.dropped[key] = rf
	}
	rf.batch = t.batch
	err := rf.change(0, r)
	rf.batch = nil
	return err
}

type logicalTableConfig struct {
	Regex       string `cfg:"topic.regex,required,nonempty" importance:"low" example:"(.*)_shard_[0-9]+" doc:"Regular expression that the whole topic of a physical table matches."`
	Replacement string `cfg:"topic.replacement,required,nonempty" importance:"low" example:"$1" doc:"The topic of the logical table; $1 and ${name} are groups."`
	Unique      bool   `cfg:"key.enforce.uniqueness" importance:"low" doc:"Whether the key gets a field that tells the physical tables apart."`
	KeyName     string `cfg:"key.field.name" importance:"low" doc:"Name of that field."`
	KeyRegex    string `cfg:"key.field.regex" importance:"low" doc:"Regular expression that the whole topic matches, for the content of that field. Without it, it is the topic."`
	Adjustment  string `cfg:"schema.name.adjustment.mode" oneof:"none" importance:"low" doc:"How names of schemas are changed for converters that do not take them as they are: not at all."`
	KeyReplace  string `cfg:"key.field.replacement" importance:"low" doc:"The content of that field; $1 and ${name} are groups."`
}

//nolint:gochecknoglobals // a literal
var logicalTableDefaults = logicalTableConfig{Unique: true, KeyName: "__dbz__physicalTableIdentifier", Adjustment: "none"}

const updatePurpose = "Updating schema"

// logicalTable follows Debezium's io.debezium.transforms.ByLogicalTableRouter 3.0: tables with the same columns share a
// topic.
type logicalTable struct {
	single
	config    logicalTableConfig
	topics    *regexRouter
	keys      *regexRouter // nil: the topic itself
	keyPlans  memo[*selection]
	envelopes memo[*envelopePlan]
}

// envelopePlan is the schema that an envelope gets, with the places of its rows.
type envelopePlan struct {
	schema        *record.Schema
	nulls, inner  nullable
	before, after int
}

func newLogicalTable(plugin.Target) plugin.Transform {
	t := &logicalTable{}
	t.each = t.route
	return t
}

// Configure implements [plugin.Transform].
func (t *logicalTable) Configure(c plugin.Config) error {
	t.config = logicalTableDefaults
	if err := plugin.Decode(c, &t.config); err != nil {
		return err
	}
	t.keyPlans, t.envelopes, t.keys = memo[*selection]{}, memo[*envelopePlan]{}, nil
	var err error
	if t.topics, err = router(t.config.Regex, t.config.Replacement, "topic.regex"); err != nil || t.config.KeyRegex == "" {
		return err
	}
	if t.config.KeyReplace == "" {
		return &plugin.ConfigError{Key: "key.field.replacement", Reason: "key.field.replacement must be non-empty if key.field.regex is set."}
	}
	t.keys, err = router(t.config.KeyRegex, t.config.KeyReplace, "key.field.regex")
	return err
}

func router(regex, replacement, key string) (*regexRouter, error) {
	r := newRegexRouter(plugin.NoTarget).(*regexRouter)
	if err := r.Configure(plugin.Config{"regex": regex, "replacement": replacement}); err != nil {
		return nil, plugin.Invalid(key, regex, err.Error())
	}
	return r, nil
}

// of is what a topic becomes, and whether the pattern matches it.
func (t *regexRouter) of(topic string) (string, bool, error) {
	if topic == "" { // which is no topic, but may be what a column says
		r := t.route(topic)
		return r.to, t.pattern.Matches(topic), r.err
	}
	r := record.Record{Topic: topic}
	if err := t.rename(0, &r); err != nil {
		return "", false, err
	}
	return r.Topic, r.Topic != topic || t.pattern.Matches(topic), nil
}

func (t *logicalTable) route(_ int, r *record.Record) error {
	topic, matches, err := t.topics.of(r.Topic)
	if err != nil || !matches || topic == "" {
		return err
	}
	key, err := t.key(r, topic)
	if err != nil {
		return err
	}
	value := r.Value
	if !value.Value.IsNull() && value.Schema != nil && strings.HasSuffix(value.Schema.Name, envelopeSuffix) {
		if value, err = t.envelope(value, topic); err != nil {
			return err
		}
	}
	r.Topic, r.Key, r.Value = topic, key, value
	return nil
}

func (t *logicalTable) key(r *record.Record, topic string) (record.Datum, error) {
	if r.Key.Value.IsNull() {
		return record.Datum{}, nil
	}
	if r.Key.Schema == nil {
		return record.Datum{}, notA("Struct objects supported", r.Key.Value, updatePurpose)
	}
	fields, err := structFields(&r.Key, updatePurpose)
	if err != nil {
		return record.Datum{}, err
	}
	plan, ok := t.keyPlans.find(r.Key.Schema)
	if !ok {
		b := withoutName(r.Key.Schema).Named(topic + ".Key")
		if t.config.Unique {
			b.Field(t.config.KeyName, record.Required(record.String))
		}
		s, err := built(b)
		if err != nil {
			return record.Datum{}, err
		}
		plan = &selection{schema: s, nulls: nullableOf(r.Key.Schema.Fields)}
		t.keyPlans.add(r.Key.Schema, plan)
	}
	out := t.batch.Extend(fields, len(plan.schema.Fields)-len(fields))
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return record.Datum{}, err
	}
	if t.config.Unique {
		id := r.Topic
		if t.keys != nil {
			if id, _, err = t.keys.of(r.Topic); err != nil {
				return record.Datum{}, err
			}
		}
		out[len(fields)] = record.OfString(id)
	}
	return record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}, nil
}

// withoutName starts a struct schema like another one, but for its name and its default.
func withoutName(s *record.Schema) *record.Builder {
	b := copyOf(s, -1, nil)
	if s.Optional {
		b.Optional()
	}
	return b.Named("")
}

func (t *logicalTable) envelope(d record.Datum, topic string) (record.Datum, error) {
	fields, err := structFields(&d, updatePurpose)
	if err != nil {
		return d, err
	}
	plan, ok := t.envelopes.find(d.Schema)
	if !ok {
		if plan, err = envelopeFor(d.Schema, topic); err != nil {
			return d, err
		}
		t.envelopes.add(d.Schema, plan)
	}
	out := t.batch.Extend(fields, 0)
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return d, err
	}
	for _, at := range [2]int{plan.before, plan.after} {
		if at < 0 || out[at].IsNull() || len(plan.inner) == 0 {
			continue
		}
		inner, ok := out[at].Fields()
		if !ok {
			return d, notA("Struct objects supported", out[at], updatePurpose)
		}
		row := t.batch.Extend(inner, 0)
		if err := plan.inner.fill(plan.schema.Fields[at].Schema.Fields, row, true); err != nil {
			return d, err
		}
		out[at] = record.OfStruct(row)
	}
	return record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}, nil
}

// sameFields reports whether two schemas are structs of fields with the same names and types in the same order.
func sameFields(a, b *record.Schema) bool {
	return a.Kind == record.Struct && b.Kind == record.Struct && slices.EqualFunc(a.Fields, b.Fields, func(x, y record.Field) bool {
		return x.Name == y.Name && x.Schema.Equal(y.Schema)
	})
}

func envelopeFor(s *record.Schema, topic string) (*envelopePlan, error) {
	plan := &envelopePlan{before: s.Field("before"), after: s.Field("after")}
	if plan.before < 0 || s.Fields[plan.before].Schema.Kind != record.Struct {
		return nil, plugin.Data("Unknown field: before")
	}
	if plan.after >= 0 && !sameFields(s.Fields[plan.before].Schema, s.Fields[plan.after].Schema) {
		return nil, plugin.Data("The row in after is not of the fields of the one in before")
	}
	row, err := built(withoutName(s.Fields[plan.before].Schema).Named(topic + ".Value"))
	if err != nil {
		return nil, err
	}
	b := record.Build(record.Struct).Like(s).Named(topic + envelopeSuffix)
	if s.Optional {
		b.Optional()
	}
	for i, f := range s.Fields {
		if i == plan.before || i == plan.after {
			f.Schema = row
		}
		b.Field(f.Name, f.Schema)
	}
	plan.schema, err = built(b)
	if err != nil {
		return nil, err
	}
	plan.nulls, plan.inner = nullableOf(plan.schema.Fields), nullableOf(row.Fields)
	return plan, nil
}
