package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/engine/registry/schema"
)

// Converter is a converter whose schemas are in a registry. A format's converter embeds it, calls Setup from its
// Configure, and is then a [plugin.MessageConverter]. It belongs to one task.
type Converter struct {
	format Format
	words  Words
	use    plugin.Use
	set    settings
	client *client

	naming, fallback naming
	strategy         string // the class
	inHeader         bool   // ids are written to a header
	from             source // where ids are read
	fixed            frame  // that of fromSettings

	writers map[writerKey]*writer
	readers map[readerKey]*reader
	// The last ones; the next record mostly needs the same.
	lastWriter *writer
	lastReader *reader
}

// source is where the id of a message's schema is read.
type source uint8

const (
	fromBoth source = iota // from a header if there is one, else from the start of the message
	fromPrefix
	fromSettings
)

type writerKey struct {
	topic  string
	schema *record.Schema
}

// writer is all that is known of a topic and a Connect schema.
type writer struct {
	key    writerKey
	prefix []byte               // what stands before the payload; nothing with a header
	header plugin.MessageHeader // valid with ids in headers
	enc    Encoder
	until  time.Time // zero: for ever
}

type readerKey struct {
	topic string
	frame frame
}

// reader is all that is known of a topic and the schema of a message.
type reader struct {
	key   readerKey
	dec   Decoder
	until time.Time // zero: for ever
}

// Setup reads the settings that [Spec] lists; those of the format itself are left alone. Of what they name it opens the
// stores of certificates, and nothing else.
func (c *Converter) Setup(f Format, config plugin.Config, use plugin.Use) error {
	set, err := decode(config)
	if err != nil {
		return err
	}
	*c = Converter{format: f, words: f.Words(), use: use, set: set}
	if err := c.choose(); err != nil {
		return err
	}
	extra := map[string]string{}
	for key, value := range config {
		if name, ok := strings.CutPrefix(key, headerPrefix); ok {
			extra[name] = value
		}
	}
	secured, err := tlsOf(config).Config()
	if err != nil {
		return err
	}
	c.client, err = newClient(set, secured, extra)
	return err
}

// choose reads the settings that differ for keys and values.
func (c *Converter) choose() (err error) {
	side, subject, idWriter, idReader := "value.", c.set.ValueSubject, c.set.ValueIDWriter, c.set.ValueIDReader
	if c.use == plugin.KeyUse {
		side, subject, idWriter, idReader = "key.", c.set.KeySubject, c.set.KeyIDWriter, c.set.KeyIDReader
	}
	c.strategy, c.fallback = subject, fallbackOf(c.set.Fallback)
	if c.naming, err = namingOf(side+"subject.name.strategy", subject); err != nil {
		return err
	}
	switch strings.TrimPrefix(idWriter, ids) {
	case "PrefixSchemaIdSerializer":
	case "HeaderSchemaIdSerializer":
		c.inHeader = true
	default:
		return plugin.Invalid(side+"schema.id.serializer", idWriter, "it is PrefixSchemaIdSerializer or HeaderSchemaIdSerializer of "+strings.TrimSuffix(ids, "."))
	}
	switch strings.TrimPrefix(idReader, ids) {
	case "DualSchemaIdDeserializer":
	case "PrefixSchemaIdDeserializer":
		c.from = fromPrefix
	case "ConfigSchemaIdDeserializer":
		c.from = fromSettings
		return c.fix()
	default:
		return plugin.Invalid(side+"schema.id.deserializer", idReader, "it is DualSchemaIdDeserializer, PrefixSchemaIdDeserializer or ConfigSchemaIdDeserializer of "+strings.TrimSuffix(ids, "."))
	}
	return nil
}

// fix reads the schema of all messages from the settings.
func (c *Converter) fix() (err error) {
	switch {
	case c.set.GUID != "":
		c.fixed.magic = byGUID
		if c.fixed.guid, err = parseGUID(c.set.GUID); err != nil {
			return plugin.Invalid("use.schema.guid", c.set.GUID, "it is no GUID")
		}
	case c.set.ID >= 0:
		c.fixed.id = uint32(c.set.ID)
	default:
		return &plugin.ConfigError{Key: "use.schema.id", Reason: "ConfigSchemaIdDeserializer needs use.schema.id or use.schema.guid."}
	}
	if !c.words.Indexed {
		return nil
	}
	path := []int{0}
	if text := c.set.MessageIndexes; text != "" {
		path = path[:0]
		for step := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(step))
			if err != nil || n < 0 {
				return plugin.Invalid("use.message.indexes", text, "it is a list of numbers from 0")
			}
			path = append(path, n)
		}
	}
	c.fixed.index = string(appendIndex(nil, path))
	return nil
}

// uncancelled is the context of those methods of a converter that have none. What they wait for ends by the time limits
// of the settings.
func uncancelled() context.Context {
	return context.Background() //nolint:forbidigo // the methods of plugin.Converter have no context
}

// AppendData is AppendMessage without headers and without an end to the waiting but those of the settings.
func (c *Converter) AppendData(dst []byte, topic string, d record.Datum) ([]byte, error) {
	if c.inHeader && !d.Value.IsNull() {
		return nil, c.writeFailed(errNoHeaders, topic, "")
	}
	return c.AppendMessage(uncancelled(), dst, &plugin.Message{Topic: topic}, d)
}

var errNoHeaders = errors.New("Missing headers") //nolint:staticcheck // Confluent's words

// ReadData is ReadMessage of a message without headers.
func (c *Converter) ReadData(a *record.Arena, topic string, src []byte) (record.Datum, error) {
	return c.ReadMessage(uncancelled(), a, &plugin.Message{Topic: topic}, src)
}

// AppendMessage finds out how to write data of this schema to this topic, once, and writes.
func (c *Converter) AppendMessage(ctx context.Context, dst []byte, m *plugin.Message, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		if message, err := c.format.Null(d.Schema); err != nil || !message {
			return nil, err
		}
	}
	w := c.lastWriter
	if w == nil || w.key.schema != d.Schema || w.key.topic != m.Topic || w.old() {
		var err error
		if w, err = c.writer(ctx, m.Topic, d.Schema); err != nil {
			return nil, err
		}
	}
	out, err := w.enc.Append(append(dst, w.prefix...), d.Value)
	if err != nil {
		return nil, c.writeFailed(err, m.Topic, "")
	}
	if c.inHeader {
		addHeader(m, w.header)
	}
	return out, nil
}

func (w *writer) old() bool { return !w.until.IsZero() && time.Now().After(w.until) }

// addHeader appends a header unless the last one of its name says the same.
func addHeader(m *plugin.Message, h plugin.MessageHeader) {
	for _, other := range slices.Backward(m.Headers) {
		if other.Key == h.Key {
			if bytes.Equal(other.Value, h.Value) {
				return
			}
			break
		}
	}
	m.Headers = append(m.Headers, h)
}

// writeFailed puts the converter's words around a failure to write.
func (c *Converter) writeFailed(err error, topic, during string) error {
	if during == "" {
		during = "Error serializing " + c.words.Name + " message"
	}
	return classify(err, during, fmt.Sprintf(c.words.Write, topic),
		fmt.Sprintf("Network connection error while serializing %s data for topic %s: ", c.words.Name, topic))
}

func (c *Converter) readFailed(err error, topic, during string) error {
	return classify(err, during, fmt.Sprintf(c.words.Read, topic),
		fmt.Sprintf("Network connection error while deserializing data for topic %s to %s: ", topic, c.words.Name))
}

// writer finds the schema under which data is written.
func (c *Converter) writer(ctx context.Context, topic string, s *record.Schema) (*writer, error) {
	key := writerKey{topic, s}
	w, ok := c.writers[key]
	if ok && !w.old() {
		c.lastWriter = w
		return w, nil
	}
	key.topic = strings.Clone(topic)
	w, err := c.newWriter(ctx, key)
	if err != nil {
		return nil, err
	}
	if c.writers == nil || len(c.writers) >= c.set.Most {
		c.writers = map[writerKey]*writer{}
	}
	c.writers[key] = w
	c.lastWriter = w
	return w, nil
}

func (c *Converter) newWriter(ctx context.Context, key writerKey) (*writer, error) {
	derived, err := c.format.Derive(key.schema)
	if err != nil {
		return nil, c.writeFailed(err, key.topic, "")
	}
	subject, err := c.subject(ctx, key.topic, derived)
	if err != nil {
		return nil, c.writeFailed(err, key.topic, "")
	}
	a, schema, err := c.ladder(ctx, subject, derived)
	if err != nil {
		return nil, c.writeFailed(err, key.topic, c.during()+derived.Text().Schema)
	}
	if schema.Text().Rules {
		return nil, c.writeFailed(fmt.Errorf("the schema of subject %s has rules, which are not executed here", subject), key.topic, "")
	}
	w := &writer{key: key}
	if w.enc, err = schema.Encoder(key.schema); err != nil {
		return nil, c.writeFailed(err, key.topic, "")
	}
	if c.inHeader {
		if w.header, err = header(c.use, a.GUID, w.enc.Index()); err != nil {
			return nil, c.writeFailed(err, key.topic, "")
		}
	} else {
		w.prefix = prefix(a.ID, w.enc.Index())
	}
	w.until = c.until(!c.set.Auto)
	return w, nil
}

// until is when what was found by asking for the newest schema is to be asked again.
func (c *Converter) until(newest bool) time.Time {
	if !newest || c.set.LatestTTL < 0 || !c.set.Latest && c.set.Metadata == "" {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(c.set.LatestTTL) * time.Second)
}

// during is what the ladder does, in Confluent's words; the schema follows.
func (c *Converter) during() string {
	switch {
	case c.set.Auto:
		return "Error registering " + c.words.Name + " schema"
	case c.set.ID >= 0 || c.set.GUID != "":
		return "Error retrieving schema ID of " + c.words.Name + " schema"
	case c.set.Metadata != "" || c.set.Latest:
		return "Error retrieving latest version of " + c.words.Name + " schema"
	}
	return "Error retrieving " + c.words.Name + " schema"
}

// ladder takes the first rule that the settings ask for. What it returns is the answer, with its id or GUID, and the schema
// to write.
func (c *Converter) ladder(ctx context.Context, subject string, derived Schema) (answer, Schema, error) {
	text, kind := derived.Text(), c.words.Type
	switch {
	case c.set.Auto:
		a, err := c.client.register(ctx, subject, text, kind)
		if err != nil || a.Schema == "" || a.Schema == text.Schema {
			return c.complete(ctx, a, subject, derived, err)
		}
		return c.parsed(ctx, a, nil, "")
	case c.set.ID >= 0:
		a, err := c.client.schemaOf(ctx, uint32(c.set.ID), subject)
		if err != nil {
			return a, nil, err
		}
		return c.parsed(ctx, a, derived, strictIf(c.set.IDStrict, "id.compatibility.strict"))
	case c.set.GUID != "":
		a, err := c.client.schemaOfGUID(ctx, c.set.GUID)
		if err != nil {
			return a, nil, err
		}
		t, err := c.client.textOf(ctx, a)
		if err != nil {
			return a, nil, err
		}
		found, err := c.client.lookUp(ctx, subject, t, kind, false)
		if err != nil {
			return a, nil, err
		}
		a.ID = found.ID
		return c.parsed(ctx, a, derived, strictIf(c.set.IDStrict, "id.compatibility.strict"))
	case c.set.Metadata != "" || c.set.Latest:
		a, err := c.client.newest(ctx, subject)
		if err != nil {
			return a, nil, err
		}
		return c.parsed(ctx, a, derived, strictIf(c.set.LatestStrict && c.set.Metadata == "", "latest.compatibility.strict"))
	}
	a, err := c.client.lookUp(ctx, subject, text, kind, false)
	return c.complete(ctx, a, subject, derived, err)
}

// complete adds the GUID to an answer that has none, where one is needed; old registries have none at all.
func (c *Converter) complete(ctx context.Context, a answer, subject string, derived Schema, err error) (answer, Schema, error) {
	if err != nil || !c.inHeader || a.GUID != "" {
		return a, derived, err
	}
	found, err := c.client.lookUp(ctx, subject, derived.Text(), c.words.Type, false)
	a.GUID = found.GUID
	return a, derived, err
}

func strictIf(strict bool, setting string) string {
	if strict {
		return setting
	}
	return ""
}

// parsed compiles the schema of an answer. With the name of a setting it has to be able to read what derived writes.
func (c *Converter) parsed(ctx context.Context, a answer, derived Schema, strict string) (answer, Schema, error) {
	if kind := c.words.Type.String(); a.Type != kind && (a.Type != "" || kind != "AVRO") {
		return a, nil, fmt.Errorf("the schema %d is of type %s, not %s", a.ID, a.Type, kind)
	}
	t, err := c.client.textOf(ctx, a)
	if err != nil {
		return a, nil, err
	}
	s, err := c.format.Parse(t)
	if err != nil {
		return a, nil, err
	}
	if strict != "" {
		if err := compatible(c.words.Type.String(), t, derived.Text()); err != nil {
			return a, nil, fmt.Errorf("Incompatible schema of type '%s'. Set %s=false to disable this check: %w", c.words.Type, strict, err) //nolint:staticcheck // Confluent's words
		}
	}
	return a, s, nil
}

// compatible says why a reader's schema could not read what a writer's wrote, by the rules of the registry.
func compatible(kind string, reader, writer Text) error {
	var parsed [2]schema.Schema
	for i, t := range []Text{reader, writer} {
		refs := make([]schema.Dependency, len(t.Resolved))
		for j, r := range t.Resolved {
			refs[j] = schema.Dependency{Name: r.Name, Text: r.Schema}
		}
		var err error
		if parsed[i], err = schema.Parse(kind, t.Schema, refs); err != nil {
			return err
		}
	}
	return schema.Check(parsed[0], parsed[1])
}

// ReadMessage finds out how to read messages of this schema from this topic, once, and reads.
func (c *Converter) ReadMessage(ctx context.Context, a *record.Arena, m *plugin.Message, src []byte) (record.Datum, error) {
	if src == nil {
		return record.Datum{}, nil
	}
	f, payload, err := c.frame(m, src)
	if err != nil {
		return record.Datum{}, c.readFailed(err, m.Topic, "Error deserializing schema ID")
	}
	r := c.lastReader
	if r == nil || r.key.frame != f || r.key.topic != m.Topic || r.old() {
		if r, err = c.reader(ctx, m.Topic, f); err != nil {
			return record.Datum{}, err
		}
	}
	d, err := r.dec.Read(a, payload)
	if err != nil {
		return record.Datum{}, c.readFailed(err, m.Topic, "Error deserializing "+c.words.Name+" message for id "+f.String())
	}
	return d, nil
}

func (r *reader) old() bool { return !r.until.IsZero() && time.Now().After(r.until) }

// frame finds the id of a message's schema.
func (c *Converter) frame(m *plugin.Message, src []byte) (f frame, payload []byte, err error) {
	switch c.from {
	case fromSettings:
		return c.fixed, src, nil
	case fromBoth:
		name := headerOf(c.use)
		for i := len(m.Headers) - 1; i >= 0; i-- {
			if h := &m.Headers[i]; h.Key == name && h.Value != nil {
				f, _, err = cut(h.Value, c.words.Indexed)
				return f, src, err
			}
		}
	}
	return cut(src, c.words.Indexed)
}

func (c *Converter) reader(ctx context.Context, topic string, f frame) (*reader, error) {
	key := readerKey{topic, f}
	r, ok := c.readers[key]
	if ok && !r.old() {
		c.lastReader = r
		return r, nil
	}
	key.topic, key.frame.index = strings.Clone(topic), strings.Clone(f.index)
	r, err := c.newReader(ctx, key)
	if err != nil {
		return nil, err
	}
	if c.readers == nil || len(c.readers) >= c.set.Most {
		c.readers = map[readerKey]*reader{}
	}
	c.readers[key] = r
	c.lastReader = r
	return r, nil
}

func (c *Converter) newReader(ctx context.Context, key readerKey) (*reader, error) {
	fail := func(err error, during string) (*reader, error) {
		return nil, c.readFailed(err, key.topic, during+" for id "+key.frame.String())
	}
	retrieving := "Error retrieving " + c.words.Name + " " + c.use.String() + " schema"
	subject, err := c.subject(ctx, key.topic, nil)
	if err != nil {
		return fail(err, retrieving)
	}
	var a answer
	if key.frame.magic == byGUID {
		a, err = c.client.schemaOfGUID(ctx, formatGUID(key.frame.guid))
	} else {
		a, err = c.client.schemaOf(ctx, key.frame.id, subject)
	}
	if err != nil {
		return fail(err, retrieving)
	}
	_, written, err := c.parsed(ctx, a, nil, "")
	if err != nil {
		return fail(err, retrieving)
	}
	if file, ok := written.(Indexed); ok {
		if written, err = file.Message(parseIndex(key.frame.index)); err != nil {
			return fail(err, "Error deserializing "+c.words.Name+" message")
		}
	}
	if subject == "" {
		if subject, err = c.subject(ctx, key.topic, written); err != nil {
			return fail(err, retrieving)
		}
	}
	if written.Text().Rules {
		return fail(fmt.Errorf("the schema of subject %s has rules, which are not executed here", subject), retrieving)
	}
	var wanted Schema
	if c.set.Latest || c.set.Metadata != "" {
		newest, err := c.client.newest(ctx, subject)
		if err == nil {
			_, wanted, err = c.parsed(ctx, newest, nil, "")
		}
		if err != nil {
			return fail(err, "Error retrieving latest version of "+c.words.Name+" schema")
		}
	}
	version, err := c.version(ctx, subject, written.Text())
	if err != nil {
		return fail(err, retrieving+" version")
	}
	r := &reader{key: key, until: c.until(true)}
	if r.dec, err = written.Decoder(wanted, version, parseIndex(key.frame.index)); err != nil {
		return fail(err, "Error deserializing "+c.words.Name+" message")
	}
	return r, nil
}

// version is that of a schema under its subject.
func (c *Converter) version(ctx context.Context, subject string, t Text) (int, error) {
	if text, ok := t.Properties["confluent:version"]; ok {
		if n, err := strconv.Atoi(text); err == nil {
			return n, nil
		}
	}
	a, err := c.client.lookUp(ctx, subject, t, c.words.Type, true)
	return a.Version, err
}
