package convert

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"unsafe"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// jsonReader makes values of JSON text. Composites and texts with escapes lie in the arena, other texts in src.
type jsonReader struct {
	scanner
	arena       *record.Arena
	replaceNull bool

	stack []record.Value // elements of the composites that are under way
	dups  map[string]int // of the object that ends, see unique
	// hollow says that a null stands where a string or bytes were expected and something else was found. Kafka Connect
	// puts such nulls into arrays, maps and at the top, but refuses them in a struct.
	hollow  bool
	shape   shape
	missing bool // there is no value at all, only a reason to look for one
}

func (r *jsonReader) begin(a *record.Arena, src []byte) {
	r.scanner = scan(src)
	r.arena = a
	r.stack = r.stack[:0]
	r.hollow, r.missing = false, false
}

// any reads a value without a schema: integers become Int64, other numbers Float64, objects Maps with String keys.
func (r *jsonReader) any() (record.Value, error) {
	switch c := r.Blanks(); {
	case c == '"':
		b, err := r.Text(r.arena)
		return record.OfText(b), err
	case c == '-' || c-'0' <= 9:
		n, err := r.Number()
		if err != nil {
			return record.Value{}, err
		}
		if n.Integral {
			return record.OfInt64(n.Int64()), nil
		}
		return record.OfFloat64(n.Float64()), nil
	case c == '{':
		if r.Depth == 0 {
			return r.alike()
		}
		return r.members(nil)
	case c == '[':
		return r.elements(nil)
	case c == 't':
		return record.OfBool(true), r.Word("true")
	case c == 'f':
		return record.OfBool(false), r.Word("false")
	case c == 'n':
		return record.Value{}, r.Word("null")
	}
	return record.Value{}, r.Fail("a value")
}

// members reads an object as a map, the values by a plan, which may be nil.
func (r *jsonReader) members(elem *readPlan) (record.Value, error) {
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	base := len(r.stack)
	return r.rest(base, !r.Empty('}'), elem)
}

// rest reads the members from here on, if there are more, into the map that begins at base of the stack. What does not fit
// the schema is noted, so that the rest is still checked.
func (r *jsonReader) rest(base int, more bool, elem *readPlan) (record.Value, error) {
	var seen uint64 // a bit for each kind of name; names of different bits differ
	for i := base; i < len(r.stack); i += 2 {
		seen |= 1 << nameHash(r.stack[i].Text())
	}
	var failed failures[string]
	for more {
		name, err := r.Name(r.arena)
		if err != nil {
			return record.Value{}, err
		}
		key := record.OfText(name)
		v, err := r.checked(elem)
		if _, ok := errors.AsType[*jackson.SyntaxError](err); ok {
			return record.Value{}, err
		}
		failed.set(key.Text(), err)
		bit := uint64(1) << nameHash(key.Text())
		if seen&bit == 0 || !r.replace(base, key.Text(), v) {
			r.stack = append(r.stack, key, v)
			seen |= bit
		}
		if more, err = r.More('}'); err != nil {
			return record.Value{}, err
		}
	}
	if len(r.stack)-base > 2*fewMembers {
		r.unique(base)
	}
	pairs := r.pop(base)
	for i := 0; i < len(pairs) && failed != nil; i += 2 {
		if err := failed[pairs[i].Text()]; err != nil {
			return record.Value{}, err
		}
	}
	return record.OfMap(pairs), nil
}

// checked reads a value and is behind it also when it does not fit the schema.
func (r *jsonReader) checked(p *readPlan) (record.Value, error) {
	start, base, depth := r.Pos, len(r.stack), r.Depth
	v, err := r.value(p)
	if err == nil {
		return v, nil
	}
	if _, ok := errors.AsType[*jackson.SyntaxError](err); ok {
		return record.Value{}, err
	}
	r.Pos, r.Depth, r.stack = start, depth, r.stack[:base]
	if err := r.Skip(); err != nil {
		return record.Value{}, err
	}
	return record.Value{}, err
}

func (r *jsonReader) value(p *readPlan) (record.Value, error) {
	if p == nil {
		return r.any()
	}
	return r.typed(p)
}

func (r *jsonReader) elements(elem *readPlan) (record.Value, error) {
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	base := len(r.stack)
	for more := !r.Empty(']'); more; {
		v, err := r.value(elem)
		if err != nil {
			return record.Value{}, err
		}
		r.stack = append(r.stack, v)
		if more, err = r.More(']'); err != nil {
			return record.Value{}, err
		}
	}
	return record.OfArray(r.pop(base)), nil
}

// pop takes what lies on the stack above base and gives it memory of the batch.
func (r *jsonReader) pop(base int) []record.Value {
	values := r.arena.Values(len(r.stack) - base)
	copy(values, r.stack[base:])
	r.stack = r.stack[:base]
	return values
}

// shape is the names of an object's members, each once.
type shape struct {
	quoted [][]byte       // the names in quotes as they stand in JSON
	keys   []record.Value // the names; they belong to the shape, not to a message
	misses int            // how many objects had another shape
}

// alike reads the object that is a whole message. Messages of a topic mostly have the same members in the same order, so
// that it is enough to compare the names with those of an earlier message.
func (r *jsonReader) alike() (record.Value, error) {
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	s := &r.shape
	base := len(r.stack)
	more, i := !r.Empty('}'), 0
	for ; more && i < len(s.keys); i++ {
		r.Blanks()
		if !bytes.HasPrefix(r.Src[r.Pos:], s.quoted[i]) {
			break
		}
		r.Pos += len(s.quoted[i])
		if err := r.Colon(); err != nil {
			return record.Value{}, err
		}
		v, err := r.any()
		if err != nil {
			return record.Value{}, err
		}
		r.stack = append(r.stack, s.keys[i], v)
		if more, err = r.More('}'); err != nil {
			return record.Value{}, err
		}
	}
	if !more {
		return record.OfMap(r.pop(base)), nil
	}
	v, err := r.rest(base, true, nil)
	// Shapes that keep changing are learned ever more seldom.
	if s.misses++; err == nil && s.misses&(s.misses-1) == 0 {
		s.learn(v.Elements())
	}
	return v, err
}

func (s *shape) learn(pairs []record.Value) {
	s.quoted, s.keys = nil, nil
	for i := 0; i < len(pairs) && i < 2*mostLearned; i += 2 {
		s.keys = append(s.keys, pairs[i].Clone())
		s.quoted = append(s.quoted, jackson.AppendString(nil, pairs[i].Text()))
	}
}

const mostLearned = 256 // members of a shape

// A name that comes again takes the place of the first, with the last value. Up to fewMembers names are compared one by
// one; beyond that it is left to unique.
const fewMembers = 32

func (r *jsonReader) replace(base int, name string, v record.Value) bool {
	pairs := r.stack[base:]
	if len(pairs) > 2*fewMembers {
		return false
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].Text() == name {
			pairs[i+1] = v
			return true
		}
	}
	return false
}

func nameHash(s string) uint {
	if s == "" {
		return 0
	}
	return (uint(len(s)) ^ uint(s[0])*5 ^ uint(s[len(s)-1])*11 ^ uint(s[len(s)/2])*19) & 63
}

// unique lets each name above base count once.
func (r *jsonReader) unique(base int) {
	if r.dups == nil {
		r.dups = make(map[string]int)
	}
	pairs := r.stack[base:]
	kept := 0
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].Text()
		at, ok := r.dups[name]
		if !ok {
			at = kept
			kept += 2
			r.dups[name] = at
		}
		pairs[at], pairs[at+1] = pairs[i], pairs[i+1]
	}
	r.stack = r.stack[:base+kept]
	if len(r.dups) > 1<<12 {
		r.dups = nil // a map never shrinks
		return
	}
	clear(r.dups)
}

// readPlan reads values of one schema. It is made once a schema and then only read.
type readPlan struct {
	schema  *record.Schema
	form    form
	quoted  [][]byte        // of a struct's fields: the name in quotes as it stands in JSON
	fields  []*readPlan     // parallel to quoted
	key     *readPlan       // of a map
	elem    *readPlan       // of an array or map
	logical jackson.Logical // of a logical type

	null    record.Value // what null means
	nullErr error        // or why there can be none
}

func (r *jsonReader) plan(s *record.Schema) *readPlan {
	if s == nil {
		return nil
	}
	p := &readPlan{schema: s, form: formOf(s)}
	switch p.form {
	case formArray:
		p.elem = r.plan(s.Elem)
	case formObject, formPairs:
		p.key, p.elem = r.plan(s.Key), r.plan(s.Elem)
	case formDecimal, formDate, formTime, formTimestamp:
		p.logical = jackson.LogicalOf(s)
	case formStruct:
		for _, f := range s.Fields {
			p.quoted = append(p.quoted, jackson.AppendString(nil, f.Name))
			p.fields = append(p.fields, r.plan(f.Schema))
		}
	}
	switch {
	case s.HasDefault && r.replaceNull:
		p.null = s.Default
	case !s.Optional:
		p.nullErr = plugin.Data("Invalid null value for required %s field", s.Kind)
	}
	return p
}

// typed reads a value of a schema. A text that is not JSON gives a syntax error, one that does not fit the schema a
// DataError; after that pos is anywhere.
func (r *jsonReader) typed(p *readPlan) (record.Value, error) {
	c := r.Blanks()
	if c == 'n' {
		if err := r.Word("null"); err != nil {
			return record.Value{}, err
		}
		return p.null, p.nullErr
	}
	switch p.form {
	case formInt8, formInt16, formInt32, formInt64, formFloat32, formFloat64:
		return r.numeric(p.form, c)
	case formString:
		if c != '"' {
			r.hollow = true
			return record.Value{}, r.Skip()
		}
		b, err := r.Text(r.arena)
		return record.OfText(b), err
	case formBoolean:
		return record.OfBool(c == 't'), r.Skip()
	case formBytes:
		return r.bytes(c)
	case formStruct:
		if c != '{' {
			return record.Value{}, plugin.Data("Structs should be encoded as JSON objects, but found %s", r.nodeType(c))
		}
		return r.structure(p)
	case formArray:
		return r.array(p, c)
	case formObject:
		if c != '{' {
			return record.Value{}, plugin.Data("Maps with string fields should be encoded as JSON objects, but found %s", r.nodeType(c))
		}
		if p.key != nil && p.key.form != formString {
			r.hollow = true // a text is a key, whatever the name of the key's schema asks for
		}
		return r.members(p.elem)
	case formPairs:
		if c != '[' || r.missing {
			return record.Value{}, plugin.Data("Maps with non-string fields should be encoded as JSON array of tuples, but found %s", r.nodeType(c))
		}
		return r.pairs(p)
	}
	return r.logical(p, c)
}

// nodeType is Jackson's name for what begins with c.
func (r *jsonReader) nodeType(c byte) string {
	switch {
	case r.missing:
		return "MISSING"
	case c == '{':
		return "OBJECT"
	case c == '[':
		return "ARRAY"
	case c == '"':
		return "STRING"
	case c == 't' || c == 'f':
		return "BOOLEAN"
	}
	return "NUMBER"
}

// numeric narrows a number as Java does; anything else counts as zero.
func (r *jsonReader) numeric(f form, c byte) (record.Value, error) {
	var n jackson.Number
	var err error
	if c == '-' || c-'0' <= 9 {
		n, err = r.Number()
	} else {
		err = r.Skip()
	}
	if err != nil {
		return record.Value{}, err
	}
	switch f {
	case formInt8:
		return record.OfInt8(int8(n.Int64())), nil
	case formInt16:
		return record.OfInt16(int16(n.Int64())), nil
	case formInt32:
		return record.OfInt32(int32(n.Int64())), nil
	case formInt64:
		return record.OfInt64(n.Int64()), nil
	case formFloat32:
		return record.OfFloat32(n.Float32()), nil
	default:
		return record.OfFloat64(n.Float64()), nil
	}
}

func (r *jsonReader) bytes(c byte) (record.Value, error) {
	if c != '"' {
		r.hollow = true
		return record.Value{}, r.Skip()
	}
	b, err := r.Text(r.arena)
	if err != nil {
		return record.Value{}, err
	}
	decoded, ok := jackson.DecodeBase64(r.arena, b)
	if !ok {
		return record.Value{}, plugin.Data("Invalid bytes field")
	}
	return record.OfBytes(decoded), nil
}

// array reads the children of whatever there is: an object's values, nothing of a scalar.
func (r *jsonReader) array(p *readPlan, c byte) (record.Value, error) {
	switch {
	case c == '[' && !r.missing:
		return r.elements(p.elem)
	case c != '{':
		return record.OfArray(nil), r.Skip()
	}
	v, err := r.members(p.elem)
	if err != nil {
		return record.Value{}, err
	}
	pairs := v.Elements()
	values := r.arena.Values(len(pairs) / 2)
	for i := range values {
		values[i] = pairs[2*i+1]
	}
	return record.OfArray(values), nil
}

// pairs reads a map that is written as an array of arrays of two.
func (r *jsonReader) pairs(p *readPlan) (record.Value, error) {
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	base := len(r.stack)
	for more := !r.Empty(']'); more; {
		if c := r.Blanks(); c != '[' {
			return record.Value{}, plugin.Data("Found invalid map entry instead of array tuple: %s", r.entryType(c))
		}
		if err := r.tuple(p); err != nil {
			return record.Value{}, err
		}
		var err error
		if more, err = r.More(']'); err != nil {
			return record.Value{}, err
		}
	}
	var shared record.Value
	if p.key != nil {
		shared = p.key.null
	}
	r.uniquePairs(base, shared)
	return record.OfMap(r.pop(base)), nil
}

func (r *jsonReader) entryType(c byte) string {
	if c == 'n' {
		return "NULL"
	}
	return r.nodeType(c)
}

// tuple pushes a key and a value. That there are two of them is checked first, as in Kafka Connect.
func (r *jsonReader) tuple(p *readPlan) error {
	count := r.scanner
	n, err := count.count()
	if err != nil {
		return err
	}
	if n != 2 {
		return plugin.Data("Found invalid map entry, expected length 2 but found :%d", n)
	}
	if err := r.Open(); err != nil {
		return err
	}
	k, err := r.value(p.key)
	if err != nil {
		return err
	}
	if _, err := r.More(']'); err != nil {
		return err
	}
	v, err := r.value(p.elem)
	if err != nil {
		return err
	}
	r.stack = append(r.stack, k, v)
	_, err = r.More(']')
	return err
}

// count passes an array and says how many elements it has.
func (s *scanner) count() (n int, err error) {
	if err := s.Open(); err != nil || s.Empty(']') {
		return 0, err
	}
	for more := true; more; n++ {
		if err := s.Skip(); err != nil {
			return 0, err
		}
		if more, err = s.More(']'); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// uniquePairs is unique for keys of any kind.
func (r *jsonReader) uniquePairs(base int, shared record.Value) {
	pairs := r.stack[base:]
	seen := map[string]int{}
	kept := 0
	for i := 0; i < len(pairs); i += 2 {
		at := kept
		if !identity(pairs[i]) || sameBytes(pairs[i], shared) {
			id := string(pairs[i].AppendCanonical(nil))
			if first, ok := seen[id]; ok {
				at = first
			} else {
				seen[id] = kept
			}
		}
		if at == kept {
			kept += 2
		}
		pairs[at], pairs[at+1] = pairs[i], pairs[i+1]
	}
	r.stack = r.stack[:base+kept]
}

// identity reports whether a value equals nothing but itself in Java. Byte arrays do, but for the empty one, which Jackson
// has only once, and for those in a struct, which compares them by content.
func identity(v record.Value) bool {
	switch v.Kind() {
	case record.Bytes:
		return len(v.Bytes()) > 0
	case record.Array, record.Map:
		return slices.ContainsFunc(v.Elements(), identity)
	case record.Struct:
		return slices.ContainsFunc(v.Elements(), func(f record.Value) bool { return f.Kind() != record.Bytes && identity(f) })
	}
	return false
}

// sameBytes reports whether two values are one byte array, such as the default that stands for every null.
func sameBytes(v, w record.Value) bool {
	return v.Kind() == record.Bytes && w.Kind() == record.Bytes && unsafe.SliceData(v.Bytes()) == unsafe.SliceData(w.Bytes())
}

// structure reads the members that the schema has fields for. Fields come in any order, the usual one is the schema's.
func (r *jsonReader) structure(p *readPlan) (record.Value, error) {
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	fields := r.arena.Values(len(p.fields))
	var seen seenFields
	if len(fields) > 64 {
		seen.many = r.arena.Bytes(len(fields))
		clear(seen.many)
	}
	var failed failures[int]
	next := 0
	for more := !r.Empty('}'); more; {
		i, err := r.field(p, next)
		if err != nil {
			return record.Value{}, err
		}
		if i < 0 {
			err = r.Skip()
		} else {
			next = i + 1
			seen.set(i)
			fields[i], err = r.fieldValue(p, i, &failed)
		}
		if err != nil {
			return record.Value{}, err
		}
		if more, err = r.More('}'); err != nil {
			return record.Value{}, err
		}
	}
	for i, f := range p.fields {
		if !seen.has(i) {
			fields[i] = f.null
			failed.set(i, f.nullErr)
		}
	}
	return record.OfStruct(fields), firstOf(failed)
}

// seenFields has a bit for each of up to 64 fields, or a byte for each of more.
type seenFields struct {
	few  uint64
	many []byte
}

func (s *seenFields) set(i int) {
	if s.many != nil {
		s.many[i] = 1
		return
	}
	s.few |= 1 << i
}

func (s *seenFields) has(i int) bool {
	if s.many != nil {
		return s.many[i] != 0
	}
	return s.few&(1<<i) != 0
}

// failures are the fields or names whose values do not fit. Kafka Connect reports the first, in the order of the schema or
// of the object, and of repeated members only the last counts.
type failures[K comparable] map[K]error

func (f *failures[K]) set(k K, err error) {
	switch {
	case err == nil && *f == nil:
		return
	case err == nil:
		delete(*f, k)
		return
	case *f == nil:
		*f = failures[K]{}
	}
	(*f)[k] = err
}

func firstOf(f failures[int]) error {
	if len(f) == 0 {
		return nil
	}
	return f[slices.Min(slices.Collect(maps.Keys(f)))]
}

// field reads a member's name with the colon: the index of the field, or -1. next is the one to try first.
func (r *jsonReader) field(p *readPlan, next int) (int, error) {
	r.Blanks()
	if next < len(p.quoted) && bytes.HasPrefix(r.Src[r.Pos:], p.quoted[next]) {
		r.Pos += len(p.quoted[next])
		return next, r.Colon()
	}
	name, err := r.Name(r.arena)
	if err != nil {
		return 0, err
	}
	return p.schema.Field(string(name)), nil
}

// fieldValue reads the value of a field. What does not fit the schema is noted, so that the rest is still checked.
func (r *jsonReader) fieldValue(p *readPlan, i int, failed *failures[int]) (record.Value, error) {
	outer := r.hollow
	r.hollow = false
	v, err := r.checked(p.fields[i])
	if _, ok := errors.AsType[*jackson.SyntaxError](err); ok {
		return v, err
	}
	if err == nil && r.hollow {
		err = dataError(p.schema.Fields[i].Check(v))
	}
	r.hollow = outer
	failed.set(i, err)
	return v, nil
}

func (r *jsonReader) logical(p *readPlan, c byte) (record.Value, error) {
	if p.form == formDecimal {
		return r.decimal(p, c)
	}
	if c != '-' && c-'0' > 9 {
		return record.Value{}, p.logical.Misfit(r.nodeType(c))
	}
	n, err := r.Number()
	switch {
	case err != nil:
		return record.Value{}, err
	case !p.logical.Takes(&n):
		return record.Value{}, p.logical.Misfit(r.nodeType(c))
	}
	return p.logical.OfNumber(&n)
}

// decimal takes a number as it is written, whatever its scale, or base64 of the unscaled digits.
func (r *jsonReader) decimal(p *readPlan, c byte) (record.Value, error) {
	switch {
	case c == '-' || c-'0' <= 9:
		n, err := r.Number()
		if err != nil {
			return record.Value{}, err
		}
		v, err := r.arena.ParseDecimal(record.OfText(n.Text).Text())
		if err != nil {
			return record.Value{}, r.Fail("a number")
		}
		return v, nil
	case c != '"':
		return record.Value{}, p.logical.Misfit(r.nodeType(c))
	}
	b, err := r.Text(r.arena)
	if err != nil {
		return record.Value{}, err
	}
	return p.logical.OfBase64(r.arena, b)
}

// dataError gives an error of the model the type that the engine tells records' errors by.
func dataError(err error) error {
	if err == nil {
		return nil
	}
	return &plugin.DataError{Reason: err.Error(), Err: err}
}
