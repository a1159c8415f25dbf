package protobuf

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstock/penstock/engine/record"
)

// decoder reads messages of one type.
type decoder struct {
	plan   *messagePlan
	scalar bool // a wrapper is read as the scalar in it
	schema *record.Schema
	r      reading
}

// Read reads a message.
func (d *decoder) Read(a *record.Arena, src []byte) (record.Datum, error) {
	d.r.arena, d.r.depth, d.r.state, d.r.left = a, 0, d.r.state[:0], mostFields+fieldsOfByte*len(src)
	values := a.Extend(d.plan.template, 0)
	err := d.r.message(d.plan, values, src)
	d.r.arena = nil
	switch {
	case err != nil:
		return record.Datum{}, err
	case d.scalar:
		return record.Datum{Schema: d.schema, Value: values[0]}, nil
	}
	return record.Datum{Schema: d.schema, Value: record.OfStruct(values)}, nil
}

// reading is a message being read.
type reading struct {
	arena *record.Arena
	depth int
	left  int // how many fields of embedded messages may still be made
	// state has, for each message on the way to here, how many elements of its lists are read (untouched: none here yet),
	// and whether its required fields were seen.
	state []int
	// Of a large map, while doubles are looked for.
	texts   map[string]int
	numbers map[int64]int
}

const untouched = -1

// An empty message takes two bytes and becomes a struct with all its fields. These bound how many fields a message may come
// to: so many, and so many more for each of its bytes.
const (
	mostFields   = 1 << 22
	fieldsOfByte = 64
)

// fresh lends the fields of an empty message.
func (r *reading) fresh(p *messagePlan) ([]record.Value, error) {
	if r.left -= len(p.template); r.left < 0 {
		return nil, errSizes
	}
	return r.arena.Extend(p.template, 0), nil
}

// message reads fields into values, which hold defaults or what an earlier part of the same message gave.
func (r *reading) message(p *messagePlan, values []record.Value, src []byte) error {
	if p.endless {
		return errEndless
	}
	base := len(r.state)
	for range p.stateful {
		r.state = append(r.state, untouched)
	}
	for pos := 0; pos < len(src); {
		var number protowire.Number
		var typ protowire.Type
		next := pos + 1
		if b := src[pos]; b < 0x80 && b >= 8 && b&7 <= 5 {
			number, typ = protowire.Number(b>>3), protowire.Type(b&7)
		} else {
			var err error
			if number, typ, next, err = r.tag(src, pos); err != nil {
				return err
			}
		}
		f := p.field(number)
		var err error
		switch {
		case f == nil:
			pos, err = r.skip(src, next, number, typ)
		case f.list >= 0:
			pos, err = r.list(f, values, src, pos, next, typ, base)
		case typ != f.wire:
			pos, err = r.skip(src, next, number, typ)
		default:
			pos, err = r.single(f, values, src, next, base)
		}
		if err != nil {
			return err
		}
	}
	if p.stateful > 0 || len(p.absent) > 0 {
		if err := r.end(p, values, base); err != nil {
			return err
		}
	}
	r.state = r.state[:base]
	return nil
}

// end cuts lists to what was read, looks for doubles in maps, and for what is missing.
func (r *reading) end(p *messagePlan, values []record.Value, base int) error {
	for _, f := range p.lists {
		n := r.state[base+f.list]
		if n == untouched {
			continue
		}
		es := values[f.to].Elements()[:n]
		if f.do == readMap {
			values[f.to] = record.OfMap(r.distinct(es))
		} else {
			values[f.to] = record.OfArray(es)
		}
	}
	for _, f := range p.required {
		if r.state[base+f.required] == untouched {
			return fmt.Errorf("Message missing required fields: %s", f.name)
		}
	}
	for _, a := range p.absent {
		if values[a.to].IsNull() {
			return a.why
		}
	}
	return nil
}

// single reads a field that is no list; a later one of its number wins, and messages are merged.
func (r *reading) single(f *readField, values []record.Value, src []byte, pos, base int) (int, error) {
	if f.required >= 0 {
		r.state[base+f.required] = 0
	}
	if f.do == readMessage {
		b, next, err := sizedBytes(src, pos)
		if err != nil {
			return 0, err
		}
		return next, r.embedded(f, values, b)
	}
	v, next, err := r.value(f, src, pos)
	if err != nil || v.IsNull() { // null is a number that a closed enum does not have
		return next, err
	}
	if f.member < 0 && f.others == nil {
		values[f.to] = v
	} else {
		*r.slot(f, values) = v
	}
	return next, nil
}

// slot is the place of a field's value; other members of its oneof become null.
func (r *reading) slot(f *readField, values []record.Value) *record.Value {
	if f.member < 0 {
		for _, other := range f.others {
			values[other] = record.Value{}
		}
		return &values[f.to]
	}
	if values[f.to].IsNull() {
		values[f.to] = record.OfStruct(r.arena.Values(f.members))
	}
	members := values[f.to].Elements() // of this message, so nobody else has seen them
	for i := range members {
		if i != f.member {
			members[i] = record.Value{}
		}
	}
	return &members[f.member]
}

// embedded reads a message into a field, or into what an earlier part of it gave.
func (r *reading) embedded(f *readField, values []record.Value, src []byte) error {
	if r.depth++; r.depth > mostDepth {
		return errDeep
	}
	slot := r.slot(f, values)
	if slot.IsNull() || unsafe.SliceData(slot.Elements()) == unsafe.SliceData(f.message.template) {
		fields, err := r.fresh(f.message)
		if err != nil {
			return err
		}
		*slot = record.OfStruct(fields)
	}
	err := r.message(f.message, slot.Elements(), src)
	r.depth--
	return err
}

// value reads a value that is neither a message nor a list.
func (r *reading) value(f *readField, src []byte, pos int) (v record.Value, next int, err error) {
	switch f.do {
	case readText, readBytes:
		b, next, err := sizedBytes(src, pos)
		if err != nil || f.do == readBytes {
			return record.OfBytes(b), next, err
		}
		v, err = text(f, b)
		return v, next, err
	case readFloat, readFixed32:
		n, next, err := fixed32(src, pos)
		return f.ofFixed32(n), next, err
	case readDouble, readFixed64:
		n, next, err := fixed64(src, pos)
		if f.do == readDouble {
			return record.OfFloat64(math.Float64frombits(n)), next, err
		}
		return record.OfInt64(int64(n)), next, err
	case readWrapped:
		return r.wrapper(f, src, pos)
	case readDecimal, readDate, readTime, readTimestamp:
		return r.logical(f, src, pos)
	}
	n, next, err := varint(src, pos)
	return f.ofVarint(n), next, err
}

func text(f *readField, b []byte) (record.Value, error) {
	switch {
	case utf8.Valid(b):
		return record.OfText(b), nil
	case f.strict:
		return record.Value{}, errUTF8
	}
	return record.OfText(record.AppendUTF8(nil, b)), nil
}

func (f *readField) ofFixed32(n uint32) record.Value {
	switch {
	case f.do == readFloat:
		return record.OfFloat32(math.Float32frombits(n))
	case f.kind == record.Int64:
		return record.OfInt64(int64(n))
	}
	return f.ofInt32(int32(n))
}

// ofInt32 is a number of 32 bits, of which an Int8 or Int16 has the lower ones.
func (f *readField) ofInt32(n int32) record.Value {
	switch f.kind {
	case record.Int8:
		return record.OfInt8(int8(n))
	case record.Int16:
		return record.OfInt16(int16(n))
	}
	return record.OfInt32(n)
}

func (f *readField) ofVarint(n uint64) record.Value {
	switch f.do {
	case readInt32:
		return f.ofInt32(int32(n))
	case readUint32:
		return record.OfInt64(int64(uint32(n)))
	case readSint32:
		return f.ofInt32(int32(uint32(n)>>1) ^ -int32(n&1))
	case readSint64:
		return record.OfInt64(protowire.DecodeZigZag(n))
	case readBool:
		return record.OfBool(n != 0)
	case readEnum:
		return f.enum(int32(n))
	}
	return record.OfInt64(int64(n))
}

// enum is the symbol of a number, or the number. One that a closed enum does not have is null; one that an open enum does
// not have gets the name that Java gives it.
func (f *readField) enum(n int32) record.Value {
	v, ok := f.symbols[n]
	switch {
	case ok:
		return v
	case f.closed:
		return record.Value{}
	case f.kind == record.Int32:
		return record.OfInt32(n)
	}
	return record.OfString("UNKNOWN_ENUM_VALUE_" + f.name + "_" + strconv.Itoa(int(n)))
}

func (r *reading) wrapper(f *readField, src []byte, pos int) (v record.Value, next int, err error) {
	b, next, err := sizedBytes(src, pos)
	if err != nil {
		return v, 0, err
	}
	v = f.inner.def
	for at := 0; at < len(b); {
		number, typ, start, err := r.tag(b, at)
		if err != nil {
			return v, 0, err
		}
		if number == 1 && typ == f.inner.wire {
			v, at, err = r.value(f.inner, b, start)
		} else {
			at, err = r.skip(b, start, number, typ)
		}
		if err != nil {
			return v, 0, err
		}
	}
	return v, next, nil
}

func (r *reading) logical(f *readField, src []byte, pos int) (v record.Value, next int, err error) {
	b, next, err := sizedBytes(src, pos)
	if err != nil {
		return v, 0, err
	}
	var p parts
	if err := r.readParts(&p, b, f.do == readDecimal, f.do == readTimestamp); err != nil {
		return v, 0, err
	}
	v, err = f.ofParts(r.arena, &p)
	return v, next, err
}

func (f *readField) ofParts(a *record.Arena, p *parts) (record.Value, error) {
	switch f.do {
	case readDate:
		return dateValue(p)
	case readTime:
		return timeValue(p)
	case readTimestamp:
		return timestampValue(p)
	}
	return decimalValue(a, p)
}

// list reads a run of elements: those that are packed, or all fields of the number that follow one another.
func (r *reading) list(f *readField, values []record.Value, src []byte, start, pos int, typ protowire.Type, base int) (int, error) {
	packed := typ == protowire.BytesType && f.packable
	if typ != f.wire && !packed {
		return r.skip(src, pos, f.number, typ)
	}
	end := 0
	var b []byte
	var err error
	var n int
	if packed {
		if b, end, err = sizedBytes(src, pos); err != nil {
			return 0, err
		}
		n = f.countPacked(b)
	} else {
		n = r.countRun(f, src, start)
	}
	all, used := r.room(f, values, src, start, n, base)
	state := &r.state[base+f.list]
	if packed {
		for at := 0; at < len(b); {
			var v record.Value
			if v, at, err = r.value(f, b, at); err != nil {
				return 0, err
			}
			if !v.IsNull() {
				all[used] = v
				used++
			}
		}
		*state = used
		return end, nil
	}
	for range n {
		if _, _, pos, err = r.tag(src, start); err != nil {
			return 0, err
		}
		if used, start, err = r.item(f, all, used, src, pos); err != nil {
			return 0, err
		}
	}
	r.state[base+f.list] = used
	return start, nil
}

// item reads an element and counts it.
func (r *reading) item(f *readField, all []record.Value, used int, src []byte, pos int) (int, int, error) {
	if f.do != readMap && f.do != readMessage {
		v, next, err := r.value(f, src, pos)
		if err != nil || v.IsNull() {
			return used, next, err
		}
		all[used] = v
		return used + 1, next, nil
	}
	b, next, err := sizedBytes(src, pos)
	if err != nil {
		return used, 0, err
	}
	if r.depth++; r.depth > mostDepth {
		return used, 0, errDeep
	}
	defer func() { r.depth-- }()
	if f.do == readMap {
		entry := all[used : used+2]
		copy(entry, f.message.template)
		return used + 2, next, r.message(f.message, entry, b)
	}
	fields, err := r.fresh(f.message)
	if err != nil {
		return used, 0, err
	}
	all[used] = record.OfStruct(fields)
	return used + 1, next, r.message(f.message, fields, b)
}

// countPacked is how many elements are packed in b, or somewhat more if it is damaged.
func (f *readField) countPacked(b []byte) int {
	switch f.wire {
	case protowire.Fixed32Type:
		return (len(b) + 3) / 4
	case protowire.Fixed64Type:
		return (len(b) + 7) / 8
	}
	n := 1
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	return n
}

// countRun is how many fields of one number follow one another. What is damaged ends the run, and is found again by who
// reads it: the first one always counts.
func (r *reading) countRun(f *readField, src []byte, pos int) int {
	n := 0
	for pos < len(src) {
		number, typ, next, err := r.tag(src, pos)
		if err != nil || number != f.number || typ != f.wire {
			break
		}
		n++
		if pos, err = r.skip(src, next, number, typ); err != nil {
			break
		}
	}
	return n
}

// room makes place for n more elements of a list. When a second run comes, it makes place for all that are still to come,
// so that a message whose lists are interleaved is not copied again and again.
func (r *reading) room(f *readField, values []record.Value, src []byte, start, n, base int) (all []record.Value, used int) {
	width := 1
	if f.do == readMap {
		width = 2
	}
	all = values[f.to].Elements()
	used = r.state[base+f.list]
	switch {
	case used == untouched:
		used = len(all)
	case used+n*width <= len(all):
		return all, used
	default:
		n = max(n, r.countRest(f, src, start))
	}
	all = r.arena.Extend(all[:used], n*width)
	if f.do == readMap {
		values[f.to] = record.OfMap(all)
	} else {
		values[f.to] = record.OfArray(all)
	}
	return all, used
}

// countRest is how many elements of a list follow in a message.
func (r *reading) countRest(f *readField, src []byte, pos int) int {
	n := 0
	for pos < len(src) {
		number, typ, next, err := r.tag(src, pos)
		if err != nil {
			break
		}
		end, err := r.skip(src, next, number, typ)
		if err != nil {
			break
		}
		if number == f.number {
			switch {
			case typ == f.wire:
				n++
			case typ == protowire.BytesType && f.packable:
				b, _, _ := sizedBytes(src, next)
				n += f.countPacked(b)
			}
		}
		pos = end
	}
	return n
}

// fewKeys is up to how many entries of a map are compared one with another.
const fewKeys = 16

// distinct takes out all but the last entry of a key, in place. The entry keeps the place of the first one.
func (r *reading) distinct(pairs []record.Value) []record.Value {
	n := 0
	many := len(pairs) > 2*fewKeys
	if many {
		if r.texts == nil {
			r.texts, r.numbers = map[string]int{}, map[int64]int{}
		}
		defer func() { clear(r.texts); clear(r.numbers) }()
	}
	for i := 0; i < len(pairs); i += 2 {
		var at int
		if many {
			at = r.placed(pairs[i], n)
		} else {
			at = placeOf(pairs[:n], pairs[i])
		}
		if at < 0 {
			at, n = n, n+2
		}
		pairs[at], pairs[at+1] = pairs[i], pairs[i+1]
	}
	return pairs[:n]
}

// placeOf is where an entry of a key is; -1: nowhere.
func placeOf(pairs []record.Value, key record.Value) int {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].Equal(key) {
			return i
		}
	}
	return -1
}

// placed is placeOf for a map of many entries, of which it remembers the keys: a new one will be at the place that is given.
func (r *reading) placed(key record.Value, next int) int {
	switch key.Kind() {
	case record.String:
		if at, ok := r.texts[key.Text()]; ok {
			return at
		}
		r.texts[key.Text()] = next // the text lives as long as the message
	case record.Int8, record.Int16, record.Int32, record.Int64:
		if at, ok := r.numbers[key.Int()]; ok {
			return at
		}
		r.numbers[key.Int()] = next
	default: // as only messages have that are maps by their looks
		text := string(key.AppendCanonical(nil))
		if at, ok := r.texts[text]; ok {
			return at
		}
		r.texts[text] = next
	}
	return -1
}
