package convert

import (
	"bytes"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// jsonSettings are those of JsonConverterConfig.
type jsonSettings struct {
	Schemas     bool   `cfg:"schemas.enable" importance:"high" doc:"Wrap every value in an envelope of its schema and its payload."`
	Cache       int    `cfg:"schemas.cache.size" importance:"high" doc:"How many schemas to remember on each way."`
	Decimals    string `cfg:"decimal.format,anycase" oneof:"NUMERIC|BASE64" importance:"low" doc:"Write decimals as numbers, or as their digits in base64."`
	ReplaceNull bool   `cfg:"replace.null.with.default" importance:"low" doc:"Put a field's default in place of null."`
	Content     string `cfg:"schema.content" importance:"high" doc:"The schema of all messages that are read, which then have no envelopes. Only with schemas.enable."`
}

func jsonDefaults() jsonSettings {
	return jsonSettings{Schemas: true, Cache: 1000, Decimals: "BASE64", ReplaceNull: true}
}

// jsonConverter is org.apache.kafka.connect.json.JsonConverter.
type jsonConverter struct {
	set   jsonSettings
	write jsonWriter
	read  jsonReader

	fixed *readPlan // of schema.content; nil without
	known map[string]*readPlan
	// The last message's text up to its payload, with the schema that it names. The next message mostly begins alike.
	prefix []byte
	last   *readPlan
}

// jsonWriter keeps what is written for schemas.
type jsonWriter struct {
	numeric     bool
	replaceNull bool

	known map[*record.Schema]*envelope
	last  *envelope // of lastSchema; the next value is mostly of the same schema
}

// envelope is a schema's plan with the text before its payload.
type envelope struct {
	plan   *writePlan
	prefix []byte
	err    error // why there is no prefix
}

// Configure reads the settings and the schema that messages are to have.
func (j *jsonConverter) Configure(c plugin.Config, use plugin.Use) error {
	if err := checkUse(c, use); err != nil {
		return err
	}
	set := jsonDefaults()
	if err := plugin.Decode(c, &set); err != nil {
		return err
	}
	*j = jsonConverter{set: set}
	j.read.replaceNull = set.ReplaceNull
	j.write.replaceNull = set.ReplaceNull
	j.write.numeric = strings.EqualFold(set.Decimals, "NUMERIC")
	if !set.Schemas || set.Content == "" {
		return nil
	}
	text := scan([]byte(set.Content))
	n, err := text.node()
	if err != nil {
		return &plugin.DataError{Reason: "Failed to parse schema in converter config due to serialization error: ", Err: err}
	}
	s, err := j.read.schema(n)
	j.fixed = j.read.plan(s)
	return err
}

// AppendData writes an envelope or a bare payload.
func (j *jsonConverter) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	if d.Schema == nil {
		if d.Value.IsNull() {
			return nil, nil
		}
		if !j.set.Schemas {
			return appendSchemaless(dst, d.Value)
		}
		dst, err := appendSchemaless(append(dst, `{"schema":null,"payload":`...), d.Value)
		return append(dst, '}'), err
	}
	e := j.write.last
	if e == nil || e.plan.schema != d.Schema {
		e = j.write.envelope(d.Schema, j.set)
	}
	if !j.set.Schemas {
		return e.plan.append(dst, d.Value)
	}
	if e.err != nil {
		return nil, e.err
	}
	dst, err := e.plan.append(append(dst, e.prefix...), d.Value)
	return append(dst, '}'), err
}

func (j *jsonWriter) envelope(s *record.Schema, set jsonSettings) *envelope {
	e, ok := j.known[s]
	if !ok {
		e = &envelope{plan: j.plan(s)}
		if set.Schemas {
			e.prefix, e.err = e.plan.appendSchema([]byte(`{"schema":`), "")
			e.prefix = append(e.prefix, `,"payload":`...)
		}
		if j.known == nil || len(j.known) >= set.Cache {
			// Schemas are few unless something makes one a record; then it is no use to remember which is the oldest.
			j.known = map[*record.Schema]*envelope{}
		}
		j.known[s] = e
	}
	j.last = e
	return e
}

// ReadData makes data of an envelope, of a payload of the configured schema, or of JSON without a schema.
func (j *jsonConverter) ReadData(a *record.Arena, _ string, src []byte) (record.Datum, error) {
	if src == nil {
		return record.Datum{}, nil
	}
	if j.last != nil && bytes.HasPrefix(src, j.prefix) {
		if d, ok := j.readAlike(a, src); ok {
			return d, nil
		}
	}
	if len(src) > 1 && (src[0] == 0 || src[1] == 0 || src[0] >= 0xEF) {
		var err error
		if src, err = transcoded(a, src); err != nil {
			return record.Datum{}, notJSON(err)
		}
	}
	j.read.begin(a, src)
	j.read.Blanks()
	missing := j.read.Pos == len(src)
	switch {
	case !j.set.Schemas && missing:
		return record.Datum{}, nil
	case !j.set.Schemas:
		v, err := j.read.any()
		if err != nil {
			return record.Datum{}, notJSON(err)
		}
		return record.Datum{Value: v}, nil
	case j.fixed != nil:
		return j.readFixed(missing)
	case missing:
		return record.Datum{}, errEnvelope()
	}
	return j.readEnvelope()
}

func notJSON(err error) error {
	return &plugin.DataError{Reason: "Converting byte[] to Kafka Connect data failed due to serialization error: ", Err: err}
}

func errEnvelope() error {
	return plugin.Data("JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.")
}

// readAlike reads a message that begins as the last one did. When there is more than a payload behind that, or anything
// is wrong, ok is false and the message is read again from the start, so that whatever comes first is reported.
func (j *jsonConverter) readAlike(a *record.Arena, src []byte) (d record.Datum, ok bool) {
	j.read.begin(a, src)
	j.read.Pos, j.read.Depth = len(j.prefix), 1
	v, err := j.read.typed(j.last)
	if err != nil || j.read.Blanks() != '}' {
		return record.Datum{}, false
	}
	return record.Datum{Schema: j.last.schema, Value: v}, true
}

// readFixed reads a message of the configured schema, which has no envelope.
func (j *jsonConverter) readFixed(missing bool) (record.Datum, error) {
	if missing {
		// Kafka Connect converts a node that is not there. It converts as an empty array does, but for its name.
		j.read.begin(j.read.arena, []byte("[]"))
		j.read.missing = true
	}
	start := j.read.scanner
	v, err := j.read.typed(j.fixed)
	if err == nil {
		return record.Datum{Schema: j.fixed.schema, Value: v}, nil
	}
	if err := start.Skip(); err != nil {
		return record.Datum{}, notJSON(err)
	}
	return record.Datum{}, err
}

// readEnvelope reads a message whose schema may differ from the last one's, or whose members stand in another order.
func (j *jsonConverter) readEnvelope() (record.Datum, error) {
	r := &j.read
	if r.Src[r.Pos] != '{' {
		if err := r.Skip(); err != nil {
			return record.Datum{}, notJSON(err)
		}
		return record.Datum{}, errEnvelope()
	}
	schema, payload, others, err := envelopeParts(&r.scanner, r.arena)
	switch {
	case err != nil:
		return record.Datum{}, notJSON(err)
	case others || schema.end == 0 || payload.end == 0:
		return record.Datum{}, errEnvelope()
	}
	text := r.Src[schema.start:schema.end]
	p, err := j.planOf(text)
	if err != nil {
		return record.Datum{}, err
	}
	r.Pos, r.Depth = payload.start, 1
	v, err := r.value(p)
	if err != nil {
		return record.Datum{}, err
	}
	if p == nil {
		return record.Datum{Value: v}, nil
	}
	if schema.start < payload.start && !schema.again && !payload.again {
		j.prefix = append(j.prefix[:0], r.Src[:payload.start]...)
		j.last = p
	}
	return record.Datum{Schema: p.schema, Value: v}, nil
}

// span is where a member's value stands; again says that there was one before it.
type span struct {
	start, end int
	again      bool
}

// envelopeParts passes a message and finds the last schema and the last payload in it.
func envelopeParts(s *scanner, a *record.Arena) (schema, payload span, others bool, err error) {
	if err := s.Open(); err != nil {
		return schema, payload, false, err
	}
	for more := !s.Empty('}'); more; {
		name, err := s.Name(a)
		if err != nil {
			return schema, payload, false, err
		}
		s.Blanks()
		start := s.Pos
		if err := s.Skip(); err != nil {
			return schema, payload, false, err
		}
		switch string(name) {
		case "schema":
			schema = span{start, s.Pos, schema.end > 0}
		case "payload":
			payload = span{start, s.Pos, payload.end > 0}
		default:
			others = true
		}
		if more, err = s.More('}'); err != nil {
			return schema, payload, false, err
		}
	}
	return schema, payload, others, nil
}

// planOf is the plan of a schema's text, nil for the null schema.
func (j *jsonConverter) planOf(text []byte) (*readPlan, error) {
	if p, ok := j.known[string(text)]; ok {
		return p, nil
	}
	s := scan(text)
	s.Depth = 1
	n, err := s.node()
	if err != nil {
		return nil, notJSON(err)
	}
	schema, err := j.read.schema(n)
	if err != nil {
		return nil, err
	}
	if j.known == nil || len(j.known) >= j.set.Cache {
		j.known = map[string]*readPlan{}
	}
	p := j.read.plan(schema)
	j.known[string(text)] = p
	return p, nil
}
