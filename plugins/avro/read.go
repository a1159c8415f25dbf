package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// readingOf is what a readPlan makes of bytes.
type readingOf uint8

const (
	readInt readingOf = iota + 1 // of the plan's kind
	readIntAsFloat
	readFloat
	readDouble
	readFloatAsDouble
	readBoolean
	readText
	readBytes
	readRaw // the rest of the message
	readFixed
	readEnum
	readDecimal
	readDecimalRaw
	readDecimalFixed
	readDate
	readInstant
	readArray
	readMap
	readEntries
	readStruct
	readUnion
	readMember // a branch that is a field of the struct that stands for a union
	readNull
	readAnything
	readNever
)

// readPlan reads what was written as one type of Avro into a Connect schema, which is that of the same type or of a reader's
// (Avro's ResolvingDecoder). It is made once and then only read.
type readPlan struct {
	do       readingOf
	kind     record.Kind // of readInt, and of what a promotion makes
	optional bool        // null may stand here
	size     int         // of a fixed; of a struct, how many fields it has; of a member, how many there are
	at       int         // of a member
	scale    int32
	least    int // bytes that an element takes at least
	symbols  []record.Value
	fields   []readField
	fill     []readDefault
	elem     *readPlan
	branches []*readPlan
	why      error
}

// readField is a field as it comes in the message.
type readField struct {
	plan *readPlan
	to   int   // the struct's field; -1: none
	skip *node // what to pass where there is none
}

// readDefault is a field that is not in the message.
type readDefault struct {
	to    int
	value record.Value
}

// readPlanner makes plans. What is planned once is used again, which also ends the planning of endless types.
type readPlanner struct {
	set   *settings
	known map[readKey]*readPlan
	least map[*node]int
}

type readKey struct {
	writer, reader *node
	schema         *record.Schema
}

// newReadPlan plans to read what was written as writer into s, the Connect schema of reader.
func newReadPlan(set *settings, writer, reader *node, s *record.Schema) *readPlan {
	r := readPlanner{set: set, known: map[readKey]*readPlan{}, least: map[*node]int{}}
	return r.plan(writer, reader, s)
}

func (p *readPlan) never(format string, args ...any) {
	p.do, p.why = readNever, fmt.Errorf(format, args...)
}

func (r *readPlanner) plan(w, n *node, s *record.Schema) *readPlan {
	key := readKey{w, n, s}
	if p, ok := r.known[key]; ok {
		return p
	}
	p := &readPlan{optional: s.Optional, kind: s.Kind}
	r.known[key] = p
	switch {
	case w.kind == union:
		p.do = readUnion
		for _, b := range w.branches {
			p.branches = append(p.branches, r.plan(b, n, s))
		}
	case n.kind == union:
		r.branch(p, w, n, s)
	default:
		r.value(p, w, n, s)
	}
	return p
}

// branch reads what is no union into one.
func (r *readPlanner) branch(p *readPlan, w, n *node, s *record.Schema) {
	i := slices.Index(n.branches, w)
	for _, strict := range []bool{true, false} {
		for j := 0; j < len(n.branches) && i < 0; j++ {
			if b := n.branches[j]; meets(w, b, strict) {
				i = j
			}
		}
	}
	switch {
	case i < 0:
		p.never("Found %s, expecting union", w.full())
	case n.branches[i].kind == null:
		p.do = readNull
	case soleBranch(n, r.set) != nil:
		*p = *r.plan(w, n.branches[i], s)
	default:
		p.do, p.size, p.at = readMember, len(s.Fields), r.memberAt(n, i, s)
		if p.at < 0 {
			// The fields are named after places in the union, and looked for by places among the others.
			p.do, p.why = readNever, plugin.Data("connect_union_field_%d is not a valid field name", 0)
			return
		}
		p.elem = r.plan(w, n.branches[i], s.Fields[p.at].Schema)
	}
}

// memberAt is the field of a union's struct for a branch.
func (r *readPlanner) memberAt(n *node, branch int, s *record.Schema) int {
	if !r.set.General {
		return s.Field(memberName(n.branches[branch], r.set))
	}
	at := 0
	for i := range branch {
		if n.branches[i].kind != null {
			at++
		}
	}
	return s.Field(fmt.Sprintf("connect_union_field_%d", at))
}

// meets says whether what was written as w can be read as n, by type and name; strictly: without a promotion.
func meets(w, n *node, strict bool) bool {
	if w.kind == n.kind {
		if !w.named() {
			return true
		}
		same := w.full() == n.full()
		if !strict {
			same = same || w.name == n.name || slices.Contains(n.aliases, w.name) || slices.Contains(n.aliases, w.full())
		}
		return same && (w.kind != fixed || w.size == n.size)
	}
	if strict {
		return false
	}
	switch n.kind {
	case long:
		return w.kind == intKind
	case float:
		return w.kind == intKind || w.kind == long
	case double:
		return w.kind == intKind || w.kind == long || w.kind == float
	case stringKind:
		return w.kind == bytesKind
	case bytesKind:
		return w.kind == stringKind
	}
	return false
}

func (r *readPlanner) value(p *readPlan, w, n *node, s *record.Schema) {
	if !meets(w, n, false) {
		p.never("Found %s, expecting %s", w.full(), n.full())
		return
	}
	switch n.kind {
	case null:
		p.do = readNull
	case boolean:
		p.do = readBoolean
	case intKind, long:
		switch s.Name {
		case record.DateName:
			p.do = readDate
		case record.TimeName, record.TimestampName:
			p.do = readInstant
		default:
			p.do = readInt
		}
	case float, double:
		p.do = map[kind]readingOf{intKind: readIntAsFloat, long: readIntAsFloat, float: readFloat, double: readDouble}[w.kind]
		if w.kind == float && n.kind == double {
			p.do = readFloatAsDouble
		}
	case stringKind:
		p.do = readText
	case bytesKind, fixed:
		p.do, p.size = readBytes, n.size
		if n.kind == fixed {
			p.do = readFixed
		}
		if s.Name == record.DecimalName {
			scale, _, err := decimalOf(s)
			if p.do, p.scale = readDecimal, int32(scale); n.kind == fixed {
				p.do = readDecimalFixed
			}
			if err != nil {
				p.do, p.why = readNever, err
			}
		}
	case enum:
		r.enum(p, w, n)
	case array:
		r.array(p, w, n, s)
	case mapKind:
		p.do, p.elem = readMap, r.plan(w.items, n.items, s.Elem)
	case recordKind:
		r.record(p, w, n, s)
	}
}

func (r *readPlanner) enum(p *readPlan, w, n *node) {
	p.do = readEnum
	for _, symbol := range w.symbols {
		switch {
		case slices.Contains(n.symbols, symbol):
		case n.fallback != nil:
			symbol = *n.fallback
		default:
			p.symbols = append(p.symbols, record.Value{})
			continue
		}
		p.symbols = append(p.symbols, record.OfString(symbol))
	}
}

func (r *readPlanner) array(p *readPlan, w, n *node, s *record.Schema) {
	p.least = least(w.items, r.least)
	if s.Kind != record.Map {
		p.do, p.elem = readArray, r.plan(w.items, n.items, s.Elem)
		return
	}
	// The entries of a map are records; what they hold is read as a struct of a key and a value.
	entry, err := record.Build(record.Struct).Field("key", s.Key).Field("value", s.Elem).Build()
	if err != nil {
		p.do, p.why = readNever, err
		return
	}
	p.do, p.elem = readEntries, r.plan(w.items, n.items, entry)
}

// least is how many bytes a value takes at least; known has what was found so far. A type that has itself as a field takes
// none there, since there is no such value.
func least(n *node, known map[*node]int) int {
	switch n.kind {
	case null:
		return 0
	case float:
		return 4
	case double:
		return 8
	case fixed:
		return n.size
	case recordKind:
		if sum, ok := known[n]; ok {
			return sum
		}
		known[n] = 0
		for i := range n.fields {
			known[n] = min(known[n]+least(n.fields[i].node, known), mostFixed)
		}
		return known[n]
	}
	return 1
}

func (r *readPlanner) record(p *readPlan, w, n *node, s *record.Schema) {
	if len(s.Fields) != len(n.fields) {
		p.never("data of %s nest deeper than they can be unrolled", n.full())
		return
	}
	p.do, p.size = readStruct, len(s.Fields)
	filled := make([]bool, len(s.Fields))
	for i := range w.fields {
		f := readField{to: -1, skip: w.fields[i].node}
		for j := range n.fields {
			if name := w.fields[i].name; n.fields[j].name == name || !filled[j] && w.field(n.fields[j].name) < 0 && slices.Contains(n.fields[j].aliases, name) {
				f.to = j
			}
		}
		if f.to >= 0 {
			filled[f.to] = true
			f.plan = r.plan(f.skip, n.fields[f.to].node, s.Fields[f.to].Schema)
		}
		p.fields = append(p.fields, f)
	}
	for j := range filled {
		if filled[j] {
			continue
		}
		v, err := r.missing(&n.fields[j], s.Fields[j].Schema)
		if err != nil {
			p.do, p.why = readNever, fmt.Errorf("Found %s, expecting %s, missing required field %s", w.full(), n.full(), n.fields[j].name) //nolint:staticcheck // Avro's words
			return
		}
		p.fill = append(p.fill, readDefault{j, v})
	}
}

// missing is the default of a reader's field.
func (r *readPlanner) missing(f *field, s *record.Schema) (record.Value, error) {
	if f.def == nil {
		return record.Value{}, errDefault
	}
	message, err := appendDefault(nil, f.node, f.def, defaultBudget())
	if err != nil {
		return record.Value{}, err
	}
	var a record.Arena
	in := reading{arena: &a, src: message}
	v, err := in.value(r.plan(f.node, f.node, s))
	return v.Clone(), err
}

// reading is a message being read.
type reading struct {
	arena *record.Arena
	src   []byte
	pos   int
	free  int // elements without a byte of their own so far
	depth int
}

var (
	errShort = errors.New("the message ends within a value")
	errLong  = errors.New("invalid long encoding")
	errInt   = errors.New("invalid int encoding")
	errSizes = errors.New("malformed data: a length is negative or too long")
)

func (r *reading) long() (int64, error) {
	if r.pos < len(r.src) {
		if b := r.src[r.pos]; b < 0x80 {
			r.pos++
			return int64(b>>1) ^ -int64(b&1), nil
		}
	}
	n, used := binary.Varint(r.src[r.pos:])
	switch {
	case used > 0:
		r.pos += used
		return n, nil
	case used == 0:
		return 0, errShort
	}
	return 0, errLong
}

func (r *reading) length() (int, error) {
	n, err := r.long()
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, errSizes
	case n > int64(len(r.src)-r.pos):
		return 0, errShort
	}
	return int(n), nil
}

func (r *reading) take(n int) ([]byte, error) {
	if n > len(r.src)-r.pos {
		return nil, errShort
	}
	b := r.src[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b, nil
}

// value reads one value.
func (r *reading) value(p *readPlan) (v record.Value, err error) {
	switch p.do {
	case readInt:
		return r.int(p)
	case readText:
		n, err := r.length()
		if err != nil {
			return v, err
		}
		b := r.src[r.pos : r.pos+n : r.pos+n]
		r.pos += n
		return r.text(b), nil
	case readUnion:
		n, err := r.long()
		if err != nil {
			return v, err
		}
		if n < 0 || n >= int64(len(p.branches)) {
			return v, fmt.Errorf("a union of %d types has no type %d", len(p.branches), n)
		}
		return r.value(p.branches[n])
	case readStruct:
		return r.structure(p)
	case readNull:
		if !p.optional {
			return v, plugin.Data("Found null value for non-optional schema")
		}
		return v, nil
	case readMember:
		fields := r.arena.Values(p.size)
		fields[p.at], err = r.value(p.elem)
		return record.OfStruct(fields), err
	case readArray, readEntries:
		return r.list(p)
	case readMap:
		return r.object(p)
	case readNever:
		return v, p.why
	case readAnything:
		return r.anything()
	}
	return r.scalar(p)
}

func (r *reading) int(p *readPlan) (record.Value, error) {
	n, err := r.long()
	if err != nil {
		return record.Value{}, err
	}
	if p.kind == record.Int64 {
		return record.OfInt64(n), nil
	}
	if int64(int32(n)) != n {
		return record.Value{}, errInt
	}
	switch p.kind {
	case record.Int8:
		return record.OfInt8(int8(n)), nil
	case record.Int16:
		return record.OfInt16(int16(n)), nil
	}
	return record.OfInt32(int32(n)), nil
}

// text is a string; what is no UTF-8 in it becomes U+FFFD, as in Java.
func (r *reading) text(b []byte) record.Value {
	if utf8.Valid(b) {
		return record.OfText(b)
	}
	return record.OfText(record.AppendUTF8(nil, b))
}

func (r *reading) scalar(p *readPlan) (v record.Value, err error) {
	var b []byte
	switch p.do {
	case readBoolean:
		if b, err = r.take(1); err != nil {
			return v, err
		}
		return record.OfBool(b[0] == 1), nil
	case readFloat, readFloatAsDouble:
		if b, err = r.take(4); err != nil {
			return v, err
		}
		f := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if p.do == readFloatAsDouble {
			return record.OfFloat64(float64(f)), nil
		}
		return record.OfFloat32(f), nil
	case readDouble:
		if b, err = r.take(8); err != nil {
			return v, err
		}
		return record.OfFloat64(math.Float64frombits(binary.LittleEndian.Uint64(b))), nil
	case readIntAsFloat, readDate, readInstant:
		return r.number(p)
	case readEnum:
		return r.symbol(p)
	}
	return r.bytes(p)
}

func (r *reading) symbol(p *readPlan) (v record.Value, err error) {
	n, err := r.long()
	switch {
	case err != nil:
		return v, err
	case n < 0 || n >= int64(len(p.symbols)):
		return v, fmt.Errorf("an enum of %d symbols has no symbol %d", len(p.symbols), n)
	case p.symbols[n].IsNull():
		return v, errors.New("a symbol is none of the reader's enum")
	}
	return p.symbols[n], nil
}

// bytes reads bytes, and decimals.
func (r *reading) bytes(p *readPlan) (v record.Value, err error) {
	n := p.size
	switch p.do {
	case readRaw, readDecimalRaw:
		n = len(r.src) - r.pos
	case readBytes, readDecimal:
		if n, err = r.length(); err != nil {
			return v, err
		}
	}
	b, err := r.take(n)
	if err != nil {
		return v, err
	}
	if p.do == readBytes || p.do == readRaw || p.do == readFixed {
		return record.OfBytes(b), nil
	}
	return r.decimal(b, p.scale)
}

func (r *reading) number(p *readPlan) (v record.Value, err error) {
	n, err := r.long()
	switch {
	case err != nil:
		return v, err
	case p.do == readInstant:
		return record.OfInstant(n), nil
	case p.do == readDate:
		if int64(int32(n)) != n {
			return v, errInt
		}
		return record.OfInstant(n * dayMillis), nil
	case p.kind == record.Float32:
		return record.OfFloat32(float32(n)), nil
	}
	return record.OfFloat64(float64(n)), nil
}

// mostDigits bounds the bytes of a decimal: arithmetic with more is not to be had in a reasonable time.
const mostDigits = 1 << 16

// decimal makes a Decimal of the bytes of its digits.
func (r *reading) decimal(b []byte, scale int32) (record.Value, error) {
	switch {
	case len(b) == 0:
		return record.Value{}, plugin.Data("Zero length BigInteger")
	case len(b) > mostDigits:
		return record.Value{}, plugin.Data("a decimal of %d bytes is longer than %d", len(b), mostDigits)
	}
	return r.arena.DecimalOfBytes(b, scale)
}

func (r *reading) structure(p *readPlan) (record.Value, error) {
	fields := r.arena.Values(p.size)
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		if f.to < 0 {
			if err = r.skip(f.skip); err != nil {
				return record.Value{}, err
			}
			continue
		}
		if fields[f.to], err = r.value(f.plan); err != nil {
			return record.Value{}, err
		}
	}
	for i := range p.fill {
		fields[p.fill[i].to] = p.fill[i].value
	}
	return record.OfStruct(fields), nil
}

// mostFree bounds the elements of one message that take no byte there.
const mostFree = 1 << 16

// block reads the head of a block: how many elements follow, 0 at the end.
func (r *reading) block(least int) (int, error) {
	n, err := r.long()
	if err != nil {
		return 0, err
	}
	if n < 0 {
		if _, err := r.long(); err != nil { // the block's size, for those who skip it
			return 0, err
		}
		if n = -n; n < 0 {
			return 0, errSizes
		}
	}
	if least > 0 && n > int64((len(r.src)-r.pos)/least) {
		return 0, errShort
	}
	if least == 0 {
		if n > mostFree || r.free+int(n) > mostFree {
			return 0, fmt.Errorf("a message has more than %d elements without content", mostFree)
		}
		r.free += int(n)
	}
	return int(n), nil
}

func (r *reading) list(p *readPlan) (record.Value, error) {
	pairs := p.do == readEntries
	var all []record.Value
	for {
		n, err := r.block(p.least)
		if err != nil {
			return record.Value{}, err
		}
		if n == 0 {
			break
		}
		each := n
		if pairs {
			each *= 2
		}
		at := len(all)
		all = r.arena.Grow(all, each)
		for range n {
			v, err := r.value(p.elem)
			if err != nil {
				return record.Value{}, err
			}
			if all[at] = v; pairs {
				copy(all[at:], v.Elements())
				at++
			}
			at++
		}
	}
	if pairs {
		return record.OfMap(all), nil
	}
	return record.OfArray(all), nil
}

func (r *reading) object(p *readPlan) (record.Value, error) {
	var all []record.Value
	for {
		n, err := r.block(1)
		if err != nil {
			return record.Value{}, err
		}
		if n == 0 {
			return record.OfMap(all), nil
		}
		at := len(all)
		all = r.arena.Grow(all, 2*n)
		for range n {
			size, err := r.length()
			if err != nil {
				return record.Value{}, err
			}
			key, err := r.take(size)
			if err != nil {
				return record.Value{}, err
			}
			all[at] = r.text(key)
			if all[at+1], err = r.value(p.elem); err != nil {
				return record.Value{}, err
			}
			at += 2
		}
	}
}

// skip passes a value.
func (r *reading) skip(n *node) (err error) {
	if r.depth++; r.depth > deepestAnything {
		return errDeep
	}
	defer func() { r.depth-- }()
	size := 0
	switch n.kind {
	case null:
		return nil
	case boolean:
		size = 1
	case float:
		size = 4
	case double:
		size = 8
	case fixed:
		size = n.size
	case intKind, long, enum:
		_, err = r.long()
		return err
	case bytesKind, stringKind:
		if size, err = r.length(); err != nil {
			return err
		}
	case recordKind:
		for i := range n.fields {
			if err := r.skip(n.fields[i].node); err != nil {
				return err
			}
		}
		return nil
	case union:
		i, err := r.long()
		if err == nil && (i < 0 || i >= int64(len(n.branches))) {
			err = fmt.Errorf("a union of %d types has no type %d", len(n.branches), i)
		}
		if err != nil {
			return err
		}
		return r.skip(n.branches[i])
	case array, mapKind:
		return r.skipBlocks(n)
	}
	_, err = r.take(size)
	return err
}

func (r *reading) skipBlocks(n *node) error {
	smallest := 1
	if n.kind == array {
		smallest = least(n.items, map[*node]int{})
	}
	for {
		count, err := r.block(smallest)
		if err != nil || count == 0 {
			return err
		}
		for range count {
			if n.kind == mapKind {
				size, err := r.length()
				if err != nil {
					return err
				}
				r.pos += size
			}
			if err := r.skip(n.items); err != nil {
				return err
			}
		}
	}
}

// anything reads schemaless data: the first field that is set, in AvroData's order.
func (r *reading) anything() (v record.Value, err error) {
	if r.depth++; r.depth > deepestAnything {
		return v, errDeep
	}
	defer func() { r.depth-- }()
	for i := range anyFields {
		branch, err := r.long()
		if err != nil {
			return v, err
		}
		if branch == 0 {
			continue
		}
		if branch != 1 {
			return v, fmt.Errorf("a union of 2 types has no type %d", branch)
		}
		got, err := r.anyField(i)
		if err != nil {
			return v, err
		}
		if v.IsNull() {
			v = got
		}
	}
	return v, nil
}

func (r *reading) anyField(i int) (record.Value, error) {
	switch i {
	case anyArray, anyMap:
		var all []record.Value
		width := 1
		if i == anyMap {
			width = 2
		}
		for {
			n, err := r.block(width * anyFields)
			if err != nil {
				return record.Value{}, err
			}
			if n == 0 {
				break
			}
			at := len(all)
			all = r.arena.Grow(all, n*width)
			for ; at < len(all); at++ {
				if all[at], err = r.anything(); err != nil {
					return record.Value{}, err
				}
			}
		}
		if i == anyMap {
			return record.OfMap(all), nil
		}
		return record.OfArray(all), nil
	}
	return r.value(&anyPlans[i])
}

var anyPlans = [anyFields]readPlan{ //nolint:gochecknoglobals // a literal
	anyBoolean: {do: readBoolean}, anyBytes: {do: readBytes}, anyDouble: {do: readDouble}, anyFloat: {do: readFloat},
	anyInt: {do: readInt, kind: record.Int32}, anyLong: {do: readInt, kind: record.Int64}, anyString: {do: readText},
}
