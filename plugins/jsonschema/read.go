package jsonschema

import (
	"bytes"
	"errors"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/jackson"
)

// readPlan reads values of one schema. It is made once a schema and then only read.
type readPlan struct {
	schema  *record.Schema
	form    form
	quoted  [][]byte        // of a struct's fields: the name in quotes as it stands in JSON
	fields  []*readPlan     // of a struct or a union; parallel to the schema's
	key     *readPlan       // of a map
	elem    *readPlan       // of an array or map
	logical jackson.Logical // of a logical type
	ends    bool            // here unrolling ends: there can be no value
	extras  int             // of a struct: the field that keeps what the others do not, -1 without one

	absent  record.Value // what a member that is not there means: the default or null
	nullErr error        // why there can be no null
}

type readPlanner struct {
	set   *settings
	ends  map[*record.Schema]bool
	known map[*record.Schema]*readPlan
}

func (r *readPlanner) plan(s *record.Schema) *readPlan {
	if p, ok := r.known[s]; ok {
		return p
	}
	p := &readPlan{schema: s, form: formOf(s), ends: r.ends[s], extras: r.set.extrasOf(s)}
	r.known[s] = p
	switch p.form {
	case formArray:
		p.elem = r.plan(s.Elem)
	case formObject, formPairs:
		p.key, p.elem = r.plan(s.Key), r.plan(s.Elem)
	case formDecimal, formDate, formTime, formTimestamp:
		p.logical = jackson.LogicalOf(s)
	case formStruct, formUnion:
		for _, f := range s.Fields {
			p.quoted = append(p.quoted, jackson.AppendString(nil, f.Name))
			p.fields = append(p.fields, r.plan(f.Schema))
		}
	}
	switch {
	case s.HasDefault:
		p.absent = s.Default
	case !s.Optional:
		p.nullErr = plugin.Data("Invalid null value for required %s field", s.Kind)
	}
	return p
}

// reading makes values of JSON text. Composites and texts with escapes lie in the arena, other texts in src.
type reading struct {
	scanner
	arena *record.Arena

	stack []record.Value // elements of the composites that are under way
	dups  map[string]int // of the object that ends, see unique
	// hollow says that the value has something in it that the model does not allow: a null where a string was expected and
	// something else was found, or where something that is required is missing, or a number for bytes. Confluent's converter
	// makes such values, and refuses them as soon as they are put into a struct.
	hollow  bool
	missing bool // there is no text at all; it is read as an empty array, which converts as nothing does, but for its name
}

func (r *reading) begin(a *record.Arena, src []byte) {
	r.scanner = scan(src)
	r.arena = a
	r.stack = r.stack[:0]
	r.hollow, r.missing = false, false
}

// value reads a value of a plan. A text that is not JSON gives a syntax error, one that does not fit the schema a DataError;
// after that pos is anywhere.
func (r *reading) value(p *readPlan) (record.Value, error) {
	c := r.Blanks()
	if c == 'n' {
		if err := r.Word("null"); err != nil {
			return record.Value{}, err
		}
		return p.absent, p.nullErr
	}
	switch p.form {
	case formInteger, formFloat32, formFloat64:
		return r.numeric(p, c)
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
		return r.structure(p, c)
	case formUnion:
		return r.union(p, c)
	case formArray:
		return r.array(p, c)
	case formObject:
		if c != '{' {
			return record.Value{}, plugin.Data("Maps with string fields should be encoded as JSON objects, but found %s", r.nodeType(c))
		}
		return r.members(p.elem)
	case formPairs:
		return r.pairs(p, c)
	}
	return r.logical(p, c)
}

// nodeType is Jackson's name for what begins with c.
func (r *reading) nodeType(c byte) string {
	if r.missing {
		return "MISSING"
	}
	switch c {
	case '{':
		return "OBJECT"
	case '[':
		return "ARRAY"
	case '"':
		return "STRING"
	case 't', 'f':
		return "BOOLEAN"
	case 'n':
		return "NULL"
	}
	return "NUMBER"
}

// numeric narrows a number as Java does; anything else counts as zero.
func (r *reading) numeric(p *readPlan, c byte) (record.Value, error) {
	var n jackson.Number
	var err error
	if r.StartsNumber(c) {
		n, err = r.Number()
	} else {
		err = r.Skip()
	}
	if err != nil {
		return record.Value{}, err
	}
	switch p.schema.Kind {
	case record.Int8:
		return record.OfInt8(int8(n.Int32())), nil
	case record.Int16:
		return record.OfInt16(int16(n.Int32())), nil
	case record.Int32:
		return record.OfInt32(n.Int32()), nil
	case record.Int64:
		return record.OfInt64(n.Int64()), nil
	case record.Float32:
		return record.OfFloat32(n.Float32()), nil
	default:
		return record.OfFloat64(n.Float64()), nil
	}
}

func (r *reading) bytes(c byte) (record.Value, error) {
	if c != '"' {
		return r.noBytes(c)
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

// noBytes is the decimal that Confluent's converter makes of what is no text: a number as it is, anything else as zero.
func (r *reading) noBytes(c byte) (record.Value, error) {
	r.hollow = true
	text := "0"
	if r.StartsNumber(c) {
		n, err := r.Number()
		if err != nil {
			return record.Value{}, err
		}
		text = string(n.Text)
	} else if err := r.Skip(); err != nil {
		return record.Value{}, err
	}
	d, err := record.ParseDecimal(text)
	if err != nil {
		return record.Value{}, plugin.Data("Invalid bytes field")
	}
	return record.OfDecimal(d.Unscaled, d.Scale), nil
}

// array reads the children of whatever there is: an object's values, nothing of a scalar.
func (r *reading) array(p *readPlan, c byte) (record.Value, error) {
	switch c {
	case '[':
		return r.elements(p.elem)
	case '{':
	default:
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

func (r *reading) elements(elem *readPlan) (record.Value, error) {
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
func (r *reading) pop(base int) []record.Value {
	values := r.arena.Values(len(r.stack) - base)
	copy(values, r.stack[base:])
	r.stack = r.stack[:base]
	return values
}

// members reads an object as a map.
func (r *reading) members(elem *readPlan) (record.Value, error) {
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	base := len(r.stack)
	for more := !r.Empty('}'); more; {
		name, err := r.Name(r.arena)
		if err != nil {
			return record.Value{}, err
		}
		v, err := r.value(elem)
		if err != nil {
			return record.Value{}, err
		}
		r.stack = append(r.stack, record.OfText(name), v)
		if more, err = r.More('}'); err != nil {
			return record.Value{}, err
		}
	}
	if r.twice(base) {
		r.unique(base)
	}
	return record.OfMap(r.pop(base)), nil
}

// twice says whether a name above base may stand there twice. Up to 16 names are compared one by one.
func (r *reading) twice(base int) bool {
	pairs := r.stack[base:]
	if len(pairs) > 2*16 {
		return true
	}
	for i := 0; i < len(pairs); i += 2 {
		for j := 0; j < i; j += 2 {
			if pairs[i].Text() == pairs[j].Text() {
				return true
			}
		}
	}
	return false
}

// unique lets each name above base count once: with its last value, in the place of the first.
func (r *reading) unique(base int) {
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

// pairs reads a map that is written as an array of objects of a key and a value.
func (r *reading) pairs(p *readPlan, c byte) (record.Value, error) {
	if c != '[' || r.missing {
		return record.Value{}, plugin.Data("Maps with non-string fields should be encoded as JSON array of objects, but found %s", r.nodeType(c))
	}
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	base := len(r.stack)
	for more := !r.Empty(']'); more; {
		if c := r.Blanks(); c != '{' {
			return record.Value{}, plugin.Data("Found invalid map entry instead of object: %s", r.nodeType(c))
		}
		k, v, err := r.entry(p)
		if err != nil {
			return record.Value{}, err
		}
		r.stack = append(r.stack, k, v)
		if more, err = r.More(']'); err != nil {
			return record.Value{}, err
		}
	}
	r.uniquePairs(base)
	return record.OfMap(r.pop(base)), nil
}

// entry reads an object of two members, of which each may have another name and then counts for nothing.
func (r *reading) entry(p *readPlan) (k, v record.Value, err error) {
	if err := r.Open(); err != nil {
		return k, v, err
	}
	k, v = p.key.absent, p.elem.absent
	var hasKey, hasValue bool
	n := 0
	for more := !r.Empty('}'); more; {
		name, err := r.Name(r.arena)
		if err != nil {
			return k, v, err
		}
		switch n++; string(name) {
		case keyField:
			if hasKey {
				n--
			}
			k, err = r.value(p.key)
			hasKey = true
		case valueField:
			if hasValue {
				n--
			}
			v, err = r.value(p.elem)
			hasValue = true
		default:
			err = r.Skip()
		}
		if err != nil {
			return k, v, err
		}
		if more, err = r.More('}'); err != nil {
			return k, v, err
		}
	}
	if n != 2 {
		return k, v, plugin.Data("Found invalid map entry, expected length 2 but found :%d", n)
	}
	if !hasKey || !hasValue {
		r.hollow = true
	}
	return k, v, nil
}

// uniquePairs is unique for keys of any kind. Byte arrays are never the same key in Java.
func (r *reading) uniquePairs(base int) {
	pairs := r.stack[base:]
	if len(pairs) <= 2 {
		return
	}
	seen := map[string]int{}
	kept := 0
	for i := 0; i < len(pairs); i += 2 {
		at := kept
		if pairs[i].Kind() != record.Bytes {
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

// structure reads the members that the schema has fields for. They come in any order, the usual one is the schema's.
func (r *reading) structure(p *readPlan, c byte) (record.Value, error) {
	switch {
	case c != '{':
		return record.Value{}, plugin.Data("Structs should be encoded as JSON objects, but found %s", r.nodeType(c))
	case p.ends:
		return record.Value{}, plugin.Data("the data nest deeper than they can be unrolled")
	}
	if err := r.Open(); err != nil {
		return record.Value{}, err
	}
	fields := r.arena.Values(len(p.fields))
	for i, f := range p.fields {
		fields[i] = f.absent
	}
	var failed failures
	next, base := 0, len(r.stack)
	for more := !r.Empty('}'); more; {
		i, name, err := r.field(p, next)
		switch {
		case err != nil:
		case i >= 0 && i == p.extras:
			err = plugin.Data("JSON payload contains a property named '%s' which collides with the reserved field name for preserve.additional.properties=true. Rename the property in the source data or disable the config.", extrasField)
		case i >= 0:
			next = i + 1
			fields[i], err = r.fieldValue(p, i, &failed)
		case p.extras >= 0:
			err = r.extra(p, name)
		default:
			err = r.Skip()
		}
		if err != nil {
			return record.Value{}, err
		}
		if more, err = r.More('}'); err != nil {
			return record.Value{}, err
		}
	}
	for i, f := range p.fields {
		r.hollow = r.hollow || f.nullErr != nil && fields[i].IsNull()
	}
	if len(r.stack) > base {
		if r.twice(base) {
			r.unique(base)
		}
		fields[p.extras] = record.OfMap(r.pop(base))
	}
	return record.OfStruct(fields), failed.first()
}

// extra reads a member that the schema does not name, and puts it on the stack.
func (r *reading) extra(p *readPlan, name []byte) error {
	v, err := r.anyVariant(p.fields[p.extras].elem)
	if err == nil {
		r.stack = append(r.stack, record.OfText(name), v)
	}
	return err
}

// failures are the fields that could not be converted; Confluent's converter reports the first in the schema's order, and of
// repeated members only the last counts.
type failures map[int]error

func (f *failures) set(i int, err error) {
	if *f == nil {
		*f = failures{}
	}
	(*f)[i] = err
}

func (f failures) first() error {
	least := -1
	for i := range f {
		if least < 0 || i < least {
			least = i
		}
	}
	return f[least]
}

// field reads a member's name with the colon: the index of the field, or -1 and the name. next is the one to try first.
func (r *reading) field(p *readPlan, next int) (int, []byte, error) {
	r.Blanks()
	if next < len(p.quoted) && bytes.HasPrefix(r.Src[r.Pos:], p.quoted[next]) {
		r.Pos += len(p.quoted[next])
		return next, nil, r.Colon()
	}
	name, err := r.Name(r.arena)
	if err != nil {
		return 0, nil, err
	}
	return p.schema.Field(string(name)), name, nil
}

// fieldValue reads the value of a field. What does not fit the schema is noted, so that the rest is still checked.
func (r *reading) fieldValue(p *readPlan, i int, failed *failures) (record.Value, error) {
	outer, start, base, depth := r.hollow, r.Pos, len(r.stack), r.Depth
	r.hollow = false
	v, err := r.value(p.fields[i])
	hollow := r.hollow
	r.hollow = outer
	if hollow && err == nil && !v.IsNull() { // a null by itself is a field that is not set
		if err = misfit(&p.schema.Fields[i], v); err != nil {
			failed.set(i, err)
			return v, nil
		}
	}
	if err == nil {
		if *failed != nil {
			delete(*failed, i)
		}
		return v, nil
	}
	if _, ok := errors.AsType[*jackson.SyntaxError](err); ok {
		return v, err
	}
	failed.set(i, err)
	r.Pos, r.Depth, r.stack = start, depth, r.stack[:base]
	return record.Value{}, r.Skip()
}

// misfit finds what the model does not allow in a field's value.
func misfit(f *record.Field, v record.Value) error {
	if err := f.Check(v); err != nil {
		return &plugin.DataError{Reason: err.Error()}
	}
	return nil
}

// union sets the first field that takes what stands there by its kind, else the struct that has most of its properties.
func (r *reading) union(p *readPlan, c byte) (record.Value, error) {
	var n jackson.Number
	if r.StartsNumber(c) {
		ahead := r.scanner
		var err error
		if n, err = ahead.Number(); err != nil {
			return record.Value{}, err
		}
	}
	best, most := -1, 0
	for i, f := range p.fields {
		if !r.missing && takes(f, c, &n) {
			best = i
			break
		}
		if c != '{' || f.schema.Kind != record.Struct {
			continue
		}
		ahead := r.scanner
		matching, err := ahead.matching(r.arena, f)
		if err != nil {
			return record.Value{}, err
		}
		if matching > most {
			best, most = i, matching
		}
	}
	if best < 0 {
		if err := r.Skip(); err != nil {
			return record.Value{}, err
		}
		return record.Value{}, plugin.Data("Did not find matching oneof field for data")
	}
	outer := r.hollow
	r.hollow = false
	v, err := r.value(p.fields[best])
	if r.hollow && err == nil {
		err = misfit(&p.schema.Fields[best], v)
	}
	r.hollow = outer
	if err != nil {
		return record.Value{}, err
	}
	fields := r.arena.Values(len(p.fields))
	fields[best] = v
	return record.OfStruct(fields), nil
}

// takes says whether a field takes a value by its kind.
func takes(p *readPlan, c byte, n *jackson.Number) bool {
	isNumber := n.Text != nil
	switch p.schema.Kind {
	case record.Int8, record.Int16, record.Int32, record.Int64:
		return isNumber && n.Integral
	case record.Float32, record.Float64:
		return isNumber
	case record.Boolean:
		return c == 't' || c == 'f'
	case record.String:
		return c == '"'
	case record.Bytes:
		return isNumber && !n.Integral && !n.Special
	case record.Array:
		return c == '['
	case record.Map:
		return c == '[' || c == '{'
	}
	return false
}

// matching counts the properties of the object that begins here for which a struct has fields, within them too.
func (s *scanner) matching(a *record.Arena, p *readPlan) (count int, err error) {
	if p.schema.Kind != record.Struct || s.Blanks() != '{' {
		return 0, s.Skip()
	}
	if err := s.Open(); err != nil {
		return 0, err
	}
	for more := !s.Empty('}'); more; {
		name, err := s.Name(a)
		if err != nil {
			return 0, err
		}
		i := p.schema.Field(string(name))
		within := 0
		if i >= 0 && i < len(p.fields) {
			count++
			within, err = s.matching(a, p.fields[i])
		} else {
			if i >= 0 {
				count++
			}
			err = s.Skip()
		}
		if err != nil {
			return 0, err
		}
		count += within
		if more, err = s.More('}'); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (r *reading) logical(p *readPlan, c byte) (record.Value, error) {
	switch p.form {
	case formDecimal:
		return r.decimal(p, c)
	case formVariant:
		return r.variant(p)
	}
	if !r.StartsNumber(c) {
		if err := r.Skip(); err != nil {
			return record.Value{}, err
		}
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
func (r *reading) decimal(p *readPlan, c byte) (record.Value, error) {
	switch {
	case r.StartsNumber(c):
		n, err := r.Number()
		if err != nil {
			return record.Value{}, err
		}
		v, err := r.arena.ParseDecimal(record.OfText(n.Text).Text())
		if err != nil {
			return record.Value{}, p.logical.Misfit(r.nodeType(c))
		}
		return v, nil
	case c != '"':
		if err := r.Skip(); err != nil {
			return record.Value{}, err
		}
		return record.Value{}, p.logical.Misfit(r.nodeType(c))
	}
	b, err := r.Text(r.arena)
	if err != nil {
		return record.Value{}, err
	}
	return p.logical.OfBase64(r.arena, b)
}
