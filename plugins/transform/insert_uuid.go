package transform

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type insertUUIDConfig struct {
	Field string `cfg:"uuid.field.name" importance:"high" doc:"Name of the field that gets the identifier."`
}

var insertUUIDDefaults = insertUUIDConfig{Field: "uuid"} //nolint:gochecknoglobals // a literal

// insertUUID follows com.github.cjmatta.kafka.connect.smt.InsertUuid: a random identifier (RFC 9562, version 4) in a field.
type insertUUID struct {
	single
	target plugin.Target
	field  record.Value
	plans  memo[*insertPlan]
	draw   func([]byte)
	random [1 << 10]byte // drawn and not used up to left
	left   int
}

const uuidPurpose = "adding UUID to record"

func newInsertUUID(target plugin.Target) plugin.Transform {
	t := &insertUUID{target: target, draw: func(b []byte) { _, _ = rand.Read(b) }} // it never fails
	t.each = t.insert
	return t
}

// Configure implements [plugin.Transform].
func (t *insertUUID) Configure(c plugin.Config) error {
	cfg := insertUUIDDefaults
	err := plugin.Decode(c, &cfg)
	t.field, t.plans = record.OfString(cfg.Field), memo[*insertPlan]{}
	return err
}

func (t *insertUUID) insert(_ int, r *record.Record) error {
	d := part(t.target, r)
	if d.Schema == nil {
		entries, err := mapEntries(d.Value, uuidPurpose)
		if err != nil {
			return err
		}
		out := t.batch.Extend(entries, 2)
		d.Value = record.OfMap(out[:setEntry(out, len(entries), t.field, t.uuid())])
		return nil
	}
	fields, err := structFields(d, uuidPurpose)
	if err != nil {
		return err
	}
	plan, err := shaped(&t.plans, d.Schema, t.planFor)
	if err != nil {
		return err
	}
	out := t.batch.Extend(fields, 1)
	if err := plan.nulls.fill(plan.schema.Fields, out, true); err != nil {
		return err
	}
	out[len(fields)] = t.uuid()
	*d = record.Datum{Schema: plan.schema, Value: record.OfStruct(out)}
	return nil
}

func (t *insertUUID) planFor(in *record.Schema) (*insertPlan, error) {
	s, err := built(copyOf(in, -1, nil).Field(t.field.Text(), record.Required(record.String)))
	return &insertPlan{s, nullableOf(in.Fields)}, err
}

// uuid draws an identifier.
func (t *insertUUID) uuid() record.Value {
	const size = 16
	if t.left < size {
		t.draw(t.random[:])
		t.left = len(t.random)
	}
	id := t.random[t.left-size : t.left]
	t.left -= size
	text := t.batch.Bytes(36)
	writeUUID(text, id)
	return record.OfText(text)
}

// newUUID draws an identifier.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	var text [36]byte
	writeUUID(text[:], id[:])
	return string(text[:])
}

// writeUUID writes 16 random bytes, which it marks as version 4, as 36 characters.
func writeUUID(text, id []byte) {
	id[6], id[8] = id[6]&0x0F|0x40, id[8]&0x3F|0x80
	at := 0
	for i := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[at] = '-'
			at++
		}
		hex.Encode(text[at:], id[i:i+1])
		at += 2
	}
}
