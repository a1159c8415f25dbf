package plugintest

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"math/big"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// link is what the two ends of a loopback know of each other: the schemas that crossed it. It is safe for concurrent use.
type link struct {
	mu      sync.Mutex
	schemas map[string]*record.Schema // by encoding; equal schemas come out as one pointer
}

func newLink() *link {
	l := &link{schemas: map[string]*record.Schema{}}
	for k := record.Int8; k <= record.Bytes; k++ {
		l.intern(record.Required(k))
		l.intern(record.OptionalOf(k))
	}
	return l
}

// intern returns the one schema of this structure.
func (l *link) intern(s *record.Schema) *record.Schema {
	w := &writer{inline: true}
	w.schema(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.schemas[string(w.buf)]; ok {
		return known
	}
	l.schemas[string(w.buf)] = s
	return s
}

// cross sends a message: what write writes is all that read gets. What is read refers to a, or to memory of its own when
// a is nil. A message that does not come out as it went in is a mistake of this package and panics.
func (l *link) cross(a *record.Arena, write func(*writer), read func(*reader)) {
	if a == nil {
		a = &record.Arena{}
	}
	w := &writer{}
	write(w)
	r := &reader{l: l, a: a, buf: w.buf}
	read(r)
	if len(r.buf) > 0 {
		panic("plugintest: a message was not read to its end")
	}
	for i := range w.buf {
		w.buf[i] = 0xDD // whoever referred to it sees
	}
}

// writer encodes.
type writer struct {
	buf     []byte
	schemas []*record.Schema // defined in this message
	inline  bool             // define schemas each time, so that equal ones have equal encodings
}

func (w *writer) uint(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }
func (w *writer) int(n int64)   { w.buf = binary.AppendVarint(w.buf, n) }

func (w *writer) bool(b bool) {
	if b {
		w.uint(1)
	} else {
		w.uint(0)
	}
}

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *writer) texts(m map[string]string) {
	w.uint(uint64(len(m)))
	for k, v := range m {
		w.text(k)
		w.text(v)
	}
}

func (w *writer) value(v record.Value) {
	k := v.Kind()
	w.uint(uint64(k))
	switch k {
	case record.Null:
	case record.Int8, record.Int16, record.Int32, record.Int64, record.Instant:
		w.int(v.Int())
	case record.Float32:
		w.uint(uint64(math.Float32bits(v.Float32())))
	case record.Float64:
		w.uint(math.Float64bits(v.Float()))
	case record.Boolean:
		w.bool(v.Bool())
	case record.String:
		w.text(v.Text())
	case record.Bytes:
		w.text(string(v.Bytes()))
	case record.Decimal:
		w.int(int64(v.Decimal().Scale))
		w.text(v.Decimal().Unscaled.String())
	case record.BigInt:
		w.text(v.BigInt().String())
	case record.Array, record.Map, record.Struct:
		w.values(v.Elements())
	}
}

func (w *writer) values(vs []record.Value) {
	w.uint(uint64(len(vs)))
	for _, v := range vs {
		w.value(v)
	}
}

// schema writes 0 for none, the number of a schema that this message has defined, or the next number and a definition.
func (w *writer) schema(s *record.Schema) {
	if s == nil {
		w.uint(0)
		return
	}
	if i := slices.Index(w.schemas, s); i >= 0 && !w.inline {
		w.uint(uint64(i) + 1)
		return
	}
	w.uint(uint64(len(w.schemas)) + 1)
	w.uint(uint64(s.Kind))
	w.bool(s.Optional)
	w.text(s.Name)
	w.bool(s.HasVersion)
	w.int(int64(s.Version))
	w.text(s.Doc)
	params := slices.Clone(s.Params)
	if w.inline { // their order is no part of a schema
		slices.SortFunc(params, func(a, b record.Param) int { return strings.Compare(a.Key, b.Key) })
	}
	w.uint(uint64(len(params)))
	for _, p := range params {
		w.text(p.Key)
		w.text(p.Value)
	}
	w.value(s.Default)
	w.schema(s.Key)
	w.schema(s.Elem)
	w.uint(uint64(len(s.Fields)))
	for _, f := range s.Fields {
		w.text(f.Name)
		w.schema(f.Schema)
	}
	if !w.inline {
		w.schemas = append(w.schemas, s)
	}
}

func (w *writer) datum(d record.Datum) {
	w.schema(d.Schema)
	w.value(d.Value)
}

// record writes everything but the source partition.
func (w *writer) record(r *record.Record) {
	w.text(r.Topic)
	w.int(int64(r.Partition))
	w.bool(r.LogAppend)
	w.int(r.Timestamp)
	w.datum(r.Key)
	w.datum(r.Value)
	w.uint(uint64(len(r.Headers)))
	for _, h := range r.Headers {
		w.text(h.Key)
		w.datum(h.Datum)
	}
	w.value(r.Position.Offset)
}

// partition writes a number with the partition that it stands for; a number without one crosses as it is.
func (w *writer) partition(ps *record.Partitions, n int32) {
	known := ps != nil && n >= 0 && int(n) < ps.Len()
	w.bool(known)
	if known {
		w.value(ps.At(n))
	} else {
		w.int(int64(n))
	}
}

// States of a record in a message.
const (
	isLive = iota
	isDropped
	isPassedOver // hidden, or failed and taken care of
)

func (w *writer) state(b *record.Batch, i int) {
	switch {
	case b.Live(i):
		w.uint(isLive)
	case b.Dropped(i):
		w.uint(isDropped)
	default:
		w.uint(isPassedOver)
	}
}

func (w *writer) failures(fs []record.Failure) {
	w.uint(uint64(len(fs)))
	for _, f := range fs {
		w.uint(uint64(f.Index))
		w.err(f.Err)
	}
}

func (w *writer) batch(b *record.Batch) {
	w.uint(uint64(len(b.Boundaries())))
	for _, e := range b.Boundaries() {
		w.uint(uint64(e.End))
		w.bool(e.Abort)
	}
	w.uint(uint64(len(b.Records)))
	for i := range b.Records {
		w.record(&b.Records[i])
		w.partition(b.Partitions, b.Records[i].Position.Partition)
		w.state(b, i)
	}
	w.failures(b.Failures())
}

// known are the errors that keep their identity, since engines and tests ask for them by errors.Is.
var known = []error{ //nolint:gochecknoglobals // a literal
	context.Canceled, context.DeadlineExceeded, fs.ErrNotExist, fs.ErrPermission, syscall.ENOSPC, errors.ErrUnsupported,
}

// err writes the text and what marks mean.
func (w *writer) err(err error) {
	w.bool(err != nil)
	if err == nil {
		return
	}
	w.text(err.Error())
	after, retry := plugin.IsRetry(err)
	w.bool(retry)
	w.int(int64(after))
	_, permanent := errors.AsType[*plugin.PermanentError](err)
	w.bool(permanent)
	data, isData := errors.AsType[*plugin.DataError](err)
	w.bool(isData)
	if isData {
		w.text(data.Reason)
	}
	var configs []*plugin.ConfigError
	eachConfigError(err, func(c *plugin.ConfigError) { configs = append(configs, c) })
	w.uint(uint64(len(configs)))
	for _, c := range configs {
		w.text(c.Key)
		w.text(c.Reason)
	}
	for _, k := range known {
		w.bool(errors.Is(err, k))
	}
}

func eachConfigError(err error, f func(*plugin.ConfigError)) {
	if c, ok := err.(*plugin.ConfigError); ok { //nolint:errorlint // this is the walk through the tree
		f(c)
		return
	}
	switch u := err.(type) { //nolint:errorlint // this is the walk through the tree
	case interface{ Unwrap() error }:
		eachConfigError(u.Unwrap(), f)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			eachConfigError(e, f)
		}
	}
}

// farError is an error of the other side: its text, and what it means.
type farError struct {
	text   string
	causes []error
}

func (e *farError) Error() string   { return e.text }
func (e *farError) Unwrap() []error { return e.causes }

// reader decodes.
type reader struct {
	l       *link
	a       *record.Arena
	buf     []byte
	schemas []*record.Schema
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.buf)
	if size <= 0 {
		panic("plugintest: a message ends too early")
	}
	r.buf = r.buf[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.buf)
	if size <= 0 {
		panic("plugintest: a message ends too early")
	}
	r.buf = r.buf[size:]
	return n
}

func (r *reader) bool() bool { return r.uint() == 1 }
func (r *reader) len() int   { return int(r.uint()) }

func (r *reader) bytes() []byte {
	n := r.len()
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) texts() map[string]string {
	m := map[string]string{}
	for range r.len() {
		k := r.text()
		m[k] = r.text()
	}
	return m
}

func (r *reader) number() *big.Int {
	n, ok := new(big.Int).SetString(r.text(), 10)
	if !ok {
		panic("plugintest: a message has no number where one must be")
	}
	return n
}

func (r *reader) value() record.Value {
	switch k := record.Kind(r.uint()); k {
	case record.Int8:
		return record.OfInt8(int8(r.int()))
	case record.Int16:
		return record.OfInt16(int16(r.int()))
	case record.Int32:
		return record.OfInt32(int32(r.int()))
	case record.Int64:
		return record.OfInt64(r.int())
	case record.Instant:
		return record.OfInstant(r.int())
	case record.Float32:
		return record.OfFloat32(math.Float32frombits(uint32(r.uint())))
	case record.Float64:
		return record.OfFloat64(math.Float64frombits(r.uint()))
	case record.Boolean:
		return record.OfBool(r.bool())
	case record.String:
		return r.a.Text(r.bytes())
	case record.Bytes:
		return record.OfBytes([]byte(r.a.Text(r.bytes()).Text()))
	case record.Decimal:
		scale := int32(r.int())
		return record.OfDecimal(r.number(), scale)
	case record.BigInt:
		return record.OfBigInt(r.number())
	case record.Array:
		return record.OfArray(r.values())
	case record.Map:
		return record.OfMap(r.values())
	case record.Struct:
		return record.OfStruct(r.values())
	default:
		return record.Value{}
	}
}

func (r *reader) values() []record.Value {
	vs := r.a.Values(r.len())
	for i := range vs {
		vs[i] = r.value()
	}
	return vs
}

func (r *reader) schema() *record.Schema {
	n := r.len()
	if n == 0 {
		return nil
	}
	if n <= len(r.schemas) {
		return r.schemas[n-1]
	}
	s := r.l.intern(r.definition())
	r.schemas = append(r.schemas, s)
	return s
}

func (r *reader) definition() *record.Schema {
	kind, optional, name := record.Kind(r.uint()), r.bool(), r.text()
	versioned, version, doc := r.bool(), r.int(), r.text()
	params := make([]record.Param, r.len())
	for i := range params {
		params[i] = record.Param{Key: r.text(), Value: r.text()}
	}
	def := r.value()
	key, elem := r.schema(), r.schema()
	var b *record.Builder
	switch kind {
	case record.Array, record.Map:
		b = record.BuildLoose(kind, key, elem)
	default:
		b = record.Build(kind)
	}
	for range r.len() {
		field := r.text()
		b.Field(field, r.schema())
	}
	b.Named(name).Documented(doc)
	if optional {
		b.Optional()
	}
	if versioned {
		b.Versioned(int(version))
	}
	for _, p := range params {
		b.Param(p.Key, p.Value)
	}
	if !def.IsNull() {
		b.Default(def)
	}
	return b.MustBuild()
}

func (r *reader) datum() record.Datum {
	s := r.schema()
	return record.Datum{Schema: s, Value: r.value()}
}

// record reads into rec and leaves its source partition alone.
func (r *reader) record(rec *record.Record) {
	rec.Topic = r.text()
	rec.Partition = int32(r.int())
	rec.LogAppend = r.bool()
	rec.Timestamp = r.int()
	rec.Key, rec.Value = r.datum(), r.datum()
	rec.Headers = nil
	for range r.len() {
		key := r.text()
		rec.Headers = append(rec.Headers, record.Header{Key: key, Datum: r.datum()})
	}
	rec.Position.Offset = r.value()
}

func (r *reader) partition(ps *record.Partitions) int32 {
	if r.bool() {
		return ps.Intern(r.value())
	}
	return int32(r.int())
}

// batch appends what was written.
func (r *reader) batch(b *record.Batch) {
	base := len(b.Records)
	bounds := make([]record.Boundary, r.len())
	for i := range bounds {
		bounds[i] = record.Boundary{End: r.len(), Abort: r.bool()}
	}
	end := func(i int) {
		for len(bounds) > 0 && bounds[0].End == i {
			b.EndTransaction(bounds[0].Abort)
			bounds = bounds[1:]
		}
	}
	n := r.len()
	var passedOver []int
	for i := range n {
		end(i)
		rec := b.Append()
		r.record(rec)
		rec.Position.Partition = r.partition(b.Partitions)
		switch r.uint() {
		case isDropped:
			b.Drop(base + i)
		case isPassedOver:
			passedOver = append(passedOver, base+i)
		}
	}
	end(n)
	r.failures(b, base)
	for _, i := range passedOver {
		if b.Live(i) {
			b.Hide(i)
		}
	}
}

func (r *reader) failures(b *record.Batch, base int) {
	for range r.len() {
		i := r.len()
		b.Fail(base+i, r.err())
	}
}

func (r *reader) err() error {
	if !r.bool() {
		return nil
	}
	e := &farError{text: r.text()}
	retry, after, permanent := r.bool(), time.Duration(r.int()), r.bool()
	if r.bool() {
		e.causes = append(e.causes, &plugin.DataError{Reason: r.text()})
	}
	for range r.len() {
		key := r.text()
		e.causes = append(e.causes, &plugin.ConfigError{Key: key, Reason: r.text()})
	}
	for _, k := range known {
		if r.bool() {
			e.causes = append(e.causes, k)
		}
	}
	var err error = e
	if permanent {
		err = plugin.Permanent(err)
	}
	if retry {
		err = plugin.Retry(err, after)
	}
	return err
}
