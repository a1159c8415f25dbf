package schema

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// protobufComparison compares the file that reads with the one that wrote, by the rules of Confluent's protobuf.diff: names
// may change, and so may numbers among those that share a form on the wire.
type protobufComparison struct {
	budget *Budget
	under  map[[2]protoreflect.FullName]bool // pairs of messages under way, so that recursive ones end
	all    []Difference
}

// found notes a difference; words have %s for the path.
func (c *protobufComparison) found(kind, path, words string) {
	c.all = append(c.all, Difference{kind: kind, words: fmt.Sprintf(words, path)})
}

func (c *protobufComparison) types(path string, r, w protoreflect.MessageDescriptors) {
	for i := range w.Len() {
		old := w.Get(i)
		if old.IsMapEntry() {
			continue
		}
		at := path + "/" + string(old.Name())
		fresh := r.ByName(old.Name())
		if fresh == nil {
			c.found("MESSAGE_REMOVED", at, "The "+readerMark+" schema is missing a MESSAGE type at path '%s' in the "+writerMark+" schema")
			continue
		}
		c.message(at, fresh, old)
	}
}

func (c *protobufComparison) message(path string, r, w protoreflect.MessageDescriptor) {
	pair := [2]protoreflect.FullName{r.FullName(), w.FullName()}
	if c.under[pair] || !c.budget.spend() {
		return
	}
	c.under[pair] = true
	defer delete(c.under, pair)
	c.oneofs(path, r, w)
	c.fields(path, r, w)
	c.types(path, r.Messages(), w.Messages())
}

// fields compares fields by their numbers, whether they are in a oneof or not.
func (c *protobufComparison) fields(path string, r, w protoreflect.MessageDescriptor) {
	for i := range w.Fields().Len() {
		old := w.Fields().Get(i)
		fresh := r.Fields().ByNumber(old.Number())
		if fresh == nil {
			c.removed(path, r, old)
			continue
		}
		c.field(within(path, fresh), fresh, old)
	}
	for i := range r.Fields().Len() {
		fresh := r.Fields().Get(i)
		if fresh.Cardinality() == protoreflect.Required && w.Fields().ByNumber(fresh.Number()) == nil {
			c.found("REQUIRED_FIELD_ADDED", within(path, fresh), "A required field  at path '%s' in the "+readerMark+" schema is missing in the "+writerMark+" schema")
		}
	}
}

// within is the path of a field, by its number, which the name of its oneof stands before.
func within(path string, f protoreflect.FieldDescriptor) string {
	if o := real(f); o != nil {
		path += "/" + string(o.Name())
	}
	return fmt.Sprintf("%s/%d", path, f.Number())
}

// removed is about a field that the reader does not have. That of a oneof is lost, unless all of the oneof is gone.
func (c *protobufComparison) removed(path string, r protoreflect.MessageDescriptor, old protoreflect.FieldDescriptor) {
	o := real(old)
	if o == nil {
		if old.Cardinality() == protoreflect.Required {
			c.found("REQUIRED_FIELD_REMOVED", within(path, old), "The "+readerMark+" schema is missing a required field at path: '%s' in the "+writerMark+" schema")
		}
		return
	}
	same := r.Oneofs().ByName(o.Name())
	kept := same != nil && !same.IsSynthetic()
	for i := range o.Fields().Len() {
		kept = kept || r.Fields().ByNumber(o.Fields().Get(i).Number()) != nil
	}
	if kept {
		c.found("ONEOF_FIELD_REMOVED", within(path, old), "The "+readerMark+" schema is missing a oneof field at path '%s' in the "+writerMark+" schema")
	}
}

// real is the oneof of a field, nil for none: a synthetic one is only how `optional` is written down.
func real(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o
	}
	return nil
}

// oneofs finds fields that could be set together and exclude one another for the reader.
func (c *protobufComparison) oneofs(path string, r, w protoreflect.MessageDescriptor) {
	for i := range r.Oneofs().Len() {
		o := r.Oneofs().Get(i)
		if o.IsSynthetic() {
			continue
		}
		at, moved, from := path+"/"+string(o.Name()), 0, map[protoreflect.Name]bool{}
		for j := range o.Fields().Len() {
			old := w.Fields().ByNumber(o.Fields().Get(j).Number())
			switch {
			case old == nil: // no data has it
			case real(old) == nil:
				moved++
			default:
				from[real(old).Name()] = true
			}
		}
		switch {
		case moved > 1:
			c.found("MULTIPLE_FIELDS_MOVED_TO_ONEOF", at, "Multiple fields in the oneof at path '%s' in the "+readerMark+" schema are outside a oneof in the "+writerMark+" schema")
		case moved+len(from) > 1:
			c.found("FIELD_MOVED_TO_EXISTING_ONEOF", at, "A field in the oneof at path '%s' in the "+readerMark+" schema is outside an existing oneof in the "+writerMark+" schema")
		}
	}
}

func (c *protobufComparison) field(path string, r, w protoreflect.FieldDescriptor) {
	if !c.budget.spend() {
		return
	}
	kr, kw := wireForm(r), wireForm(w)
	switch {
	case r.IsMap() != w.IsMap() || (kr == "message") != (kw == "message"):
		c.found("FIELD_KIND_CHANGED", path, "The type of a field at path '%s' in the "+readerMark+" schema does not match the "+writerMark+" schema")
	case r.IsMap():
		c.field(path, r.MapKey(), w.MapKey())
		c.field(path, r.MapValue(), w.MapValue())
	case kr == "message":
		c.named(path, r.Message(), w.Message())
	case kr != kw:
		c.found("FIELD_SCALAR_KIND_CHANGED", path, "The kind of a SCALAR field at path '%s' in the "+readerMark+" schema does not match its kind in the "+writerMark+" schema")
	case r.IsList() != w.IsList() && kr != "string":
		c.found("FIELD_NUMERIC_LABEL_CHANGED", path, "The label for a NUMERIC field at path '%s' in the "+readerMark+" schema does not match its label in the "+writerMark+" schema")
	}
}

// named compares the messages of two fields: by name within their packages and, when they come from elsewhere, by content.
func (c *protobufComparison) named(path string, r, w protoreflect.MessageDescriptor) {
	changed := localName(r) != localName(w)
	if !changed && (r.ParentFile().Path() != mainFile || w.ParentFile().Path() != mainFile) {
		before := len(c.all)
		c.message("#/"+localName(r), r, w)
		changed = len(c.all) > before
	}
	if changed {
		c.found("FIELD_NAMED_TYPE_CHANGED", path, "The type of a MESSAGE field at path '%s' in the "+readerMark+" schema does not match its type in the "+writerMark+" schema")
	}
}

func localName(m protoreflect.MessageDescriptor) string {
	return strings.TrimPrefix(string(m.FullName()), string(m.ParentFile().Package())+".")
}

// wireForm groups the kinds that can be read as one another.
func wireForm(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.BoolKind, protoreflect.EnumKind:
		return "number"
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return "signed"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return "string"
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return "fixed32"
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return "fixed64"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "message"
	}
	return f.Kind().String() // float, double
}
