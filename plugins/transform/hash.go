package transform

import (
	"crypto/md5"  //nolint:gosec // what the setting asks for
	"crypto/sha1" //nolint:gosec // what the setting asks for
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

type hashConfig struct {
	Field    string `cfg:"field.name" importance:"high" example:"email" doc:"Name of the field, a text, that is replaced by its hash. Empty: the whole key or value, which is a text then."`
	Skip     bool   `cfg:"skip.missing.or.null" importance:"low" doc:"Whether a record without it stays as it is; otherwise it fails."`
	Function string `cfg:"function,required" oneof:"md5|sha1|sha256" importance:"high" example:"sha256" doc:"The hash, written in hexadecimal."`
}

// hashText follows Aiven's io.aiven.kafka.connect.transforms.Hash.
type hashText struct {
	single
	target plugin.Target
	config hashConfig
	sum    hash.Hash
	buffer []byte
	plans  memo[int] // index of the field, -1: it is not there
}

func newHash(target plugin.Target) plugin.Transform {
	t := &hashText{target: target}
	t.each = t.replace
	return t
}

// Configure implements [plugin.Transform].
func (t *hashText) Configure(c plugin.Config) error {
	t.config, t.plans = hashConfig{}, memo[int]{}
	if err := plugin.Decode(c, &t.config); err != nil {
		return err
	}
	switch t.config.Function {
	case "md5":
		t.sum = md5.New() //nolint:gosec // see above
	case "sha1":
		t.sum = sha1.New() //nolint:gosec // see above
	default:
		t.sum = sha256.New()
	}
	return nil
}

func (t *hashText) replace(_ int, r *record.Record) error {
	d := part(t.target, r)
	switch {
	case d.Schema == nil:
		return plugin.Data("%s schema can't be null", t.target)
	case t.config.Field != "":
		return t.inField(d)
	case d.Schema.Kind != record.String:
		return plugin.Data("%s schema type must be STRING if field name is not specified", t.target)
	case d.Value.IsNull():
		return t.missing(t.target.String() + " can't be null")
	}
	if d.Value.Kind() != record.String { // a schema may have the name of another type
		return plugin.Data("%s must be a text, found: %s", t.target, d.Value.Kind())
	}
	d.Value = t.hashed(d.Value)
	return nil
}

func (t *hashText) inField(d *record.Datum) error {
	switch {
	case d.Schema.Kind != record.Struct:
		return plugin.Data("%s schema type must be STRUCT if field name is specified", t.target)
	case d.Value.IsNull():
		return plugin.Data("%s can't be null if field name is specified", t.target)
	}
	at, err := shaped(&t.plans, d.Schema, func(s *record.Schema) (int, error) { return s.Field(t.config.Field), nil })
	switch {
	case err != nil:
		return err
	case at < 0:
		return t.missing(t.config.Field + " in " + t.target.String() + " schema can't be missing")
	case d.Schema.Fields[at].Schema.Kind != record.String:
		return plugin.Data("%s schema type in %s must be STRING", t.config.Field, t.target)
	}
	fields := d.Value.Elements()
	if fields[at].IsNull() {
		return t.missing(t.config.Field + " in " + t.target.String() + " can't be null")
	}
	if k := fields[at].Kind(); k != record.String {
		return plugin.Data("%s in %s must be a text, found: %s", t.config.Field, t.target, k)
	}
	out := t.batch.Extend(fields, 0)
	out[at] = t.hashed(fields[at])
	d.Value = record.OfStruct(out)
	return nil
}

func (t *hashText) missing(reason string) error {
	if t.config.Skip {
		return nil
	}
	return &plugin.DataError{Reason: reason}
}

// hashed is the hash of a text.
func (t *hashText) hashed(v record.Value) record.Value {
	t.sum.Reset()
	t.buffer = append(t.buffer[:0], v.Text()...)
	_, _ = t.sum.Write(t.buffer) // a hash takes everything
	t.buffer = t.sum.Sum(t.buffer[:0])
	text := t.batch.Bytes(hex.EncodedLen(len(t.buffer)))
	hex.Encode(text, t.buffer)
	return record.OfText(text)
}
