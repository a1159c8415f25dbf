package vector

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/penstock/penstock/engine/record"
)

// Record is a record in the notation.
type Record struct {
	Kind          string // "source", or a sink record
	Topic         *string
	Partition     *int32
	Timestamp     *string
	Offset        *string
	TimestampType string `json:"timestamp_type"`
	Key, Value    Typed
	Headers       []Header
}

// Header is a record's header in the notation.
type Header struct {
	Name string
	Typed
}

// Header reads a header.
func (h Header) Header() (record.Header, error) {
	d, err := h.Datum()
	return record.Header{Key: h.Name, Datum: d}, err
}

// Side is the way that the record is on.
func (r *Record) Side() record.Side {
	if r.Kind == "source" {
		return record.FromSource
	}
	return record.ToSink
}

// Batch makes a batch of this one record. Its position is that of a consumed record on the way to a sink, and a fixed one
// of a source.
func (r *Record) Batch() (*record.Batch, error) {
	b := record.NewBatch(r.Side(), new(record.Partitions))
	rec := b.Append()
	rec.LogAppend = r.TimestampType == "LogAppendTime"
	if r.Topic != nil {
		rec.Topic = *r.Topic
	}
	if r.Partition != nil {
		rec.Partition = *r.Partition
	}
	var errs [4]error
	if r.Timestamp != nil {
		rec.Timestamp, errs[0] = strconv.ParseInt(*r.Timestamp, 10, 64)
	}
	errs[1] = r.position(b, rec)
	rec.Key, errs[2] = r.Key.Datum()
	rec.Value, errs[3] = r.Value.Datum()
	for _, h := range r.Headers {
		header, err := h.Header()
		if err != nil {
			return nil, err
		}
		rec.Headers = append(rec.Headers, header)
	}
	return b, errors.Join(errs[:]...)
}

func (r *Record) position(b *record.Batch, rec *record.Record) error {
	if r.Side() == record.FromSource {
		rec.Position.Partition = b.Partitions.Intern(record.OfMap([]record.Value{record.OfString("source"), record.OfString("vector")}))
		rec.Position.Offset = record.OfMap([]record.Value{record.OfString("position"), record.OfInt64(1)})
		return nil
	}
	rec.Position.Partition = b.Partitions.Intern(record.OfMap([]record.Value{
		record.OfString("topic"), record.OfString(rec.Topic), record.OfString("partition"), record.OfInt32(rec.Partition),
	}))
	if r.Offset == nil {
		return nil
	}
	offset, err := strconv.ParseInt(*r.Offset, 10, 64)
	rec.Position.Offset = record.OfInt64(offset)
	return err
}

// Compare says how a record differs from this one, the recorded answer. The offset of a sink record counts, the position
// of a source record does not.
func (r *Record) Compare(got *record.Record) error {
	b, err := r.Batch()
	if err != nil {
		return err
	}
	want := &b.Records[0]
	var errs []error
	differ := func(what string, got, want any) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s: got %v, want %v", what, got, want))
		}
	}
	differ("topic", got.Topic, want.Topic)
	differ("partition", got.Partition, want.Partition)
	differ("timestamp", got.Timestamp, want.Timestamp)
	if r.Side() == record.ToSink {
		differ("log append time", got.LogAppend, want.LogAppend)
		differ("offset", Show(got.Position.Offset), Show(want.Position.Offset))
	}
	errs = append(errs, within("key", CompareDatum(want.Key, got.Key)), within("value", CompareDatum(want.Value, got.Value)))
	errs = append(errs, CompareHeaders(want.Headers, got.Headers))
	return errors.Join(errs...)
}

// CompareHeaders says how headers differ from the recorded ones.
func CompareHeaders(want, got []record.Header) error {
	if len(want) != len(got) {
		return fmt.Errorf("headers: got %d, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i].Key != got[i].Key {
			return fmt.Errorf("header %d: got the key %q, want %q", i, got[i].Key, want[i].Key)
		}
		if err := CompareDatum(want[i].Datum, got[i].Datum); err != nil {
			return fmt.Errorf("header %q: %w", want[i].Key, err)
		}
	}
	return nil
}

func within(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}
