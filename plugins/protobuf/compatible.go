package protobuf

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock/penstock/plugins/registry"
)

// Reads checks by Confluent's rules (SchemaDiff) whether this file could read what another wrote. Fields may come and go
// and change their names; their types may change within a group whose messages look alike.
func (s *schema) Reads(writer registry.Schema) error {
	other, ok := writer.(*schema)
	if !ok {
		return fmt.Errorf("the schema is none of Protobuf")
	}
	if other.file.Package() != s.file.Package() {
		return fmt.Errorf("the package changes from %q to %q", other.file.Package(), s.file.Package())
	}
	c := comparing{seen: map[[2]protoreflect.FullName]bool{}}
	return c.messages(other.file.Messages(), s.file.Messages())
}

type comparing struct {
	seen map[[2]protoreflect.FullName]bool
}

func (c *comparing) messages(old, new protoreflect.MessageDescriptors) error {
	for i := range old.Len() {
		m := old.Get(i)
		n := new.ByName(m.Name())
		switch {
		case n == nil && m.IsMapEntry():
			continue
		case n == nil:
			return fmt.Errorf("the message %s is removed", m.FullName())
		}
		if err := c.message(m, n); err != nil {
			return err
		}
		if err := c.messages(m.Messages(), n.Messages()); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparing) message(old, new protoreflect.MessageDescriptor) error {
	pair := [2]protoreflect.FullName{old.FullName(), new.FullName()}
	if c.seen[pair] {
		return nil
	}
	c.seen[pair] = true
	for i := range new.Oneofs().Len() {
		if err := joined(old, new.Oneofs().Get(i)); err != nil {
			return err
		}
	}
	for i := range old.Fields().Len() {
		f := old.Fields().Get(i)
		g := new.Fields().ByNumber(f.Number())
		if g == nil {
			if err := removed(f, new); err != nil {
				return err
			}
			continue
		}
		if err := c.field(f, g); err != nil {
			return err
		}
	}
	for i := range new.Fields().Len() {
		g := new.Fields().Get(i)
		if g.Cardinality() == protoreflect.Required && old.Fields().ByNumber(g.Number()) == nil {
			return fmt.Errorf("the required field %s is added", g.FullName())
		}
	}
	return nil
}

// joined finds fields that could be set together and now exclude one another.
func joined(old protoreflect.MessageDescriptor, o protoreflect.OneofDescriptor) error {
	if o.IsSynthetic() {
		return nil
	}
	groups := map[string]bool{}
	for i := range o.Fields().Len() {
		f := old.Fields().ByNumber(o.Fields().Get(i).Number())
		switch {
		case f == nil:
		case realOneof(f) != nil:
			groups["oneof "+string(realOneof(f).Name())] = true
		default:
			groups[string(f.Name())] = true
		}
	}
	if len(groups) > 1 {
		return fmt.Errorf("fields that could be set together are now members of the oneof %s", o.FullName())
	}
	return nil
}

// removed allows the end of fields, but not that of a required one or of one among several of a oneof.
func removed(f protoreflect.FieldDescriptor, new protoreflect.MessageDescriptor) error {
	if f.Cardinality() == protoreflect.Required {
		return fmt.Errorf("the required field %s is removed", f.FullName())
	}
	o := realOneof(f)
	if o == nil {
		return nil
	}
	kept := new.Oneofs().ByName(o.Name()) != nil
	for i := range o.Fields().Len() {
		kept = kept || new.Fields().ByNumber(o.Fields().Get(i).Number()) != nil
	}
	if kept {
		return fmt.Errorf("the member %s of a oneof is removed", f.FullName())
	}
	return nil
}

func (c *comparing) field(f, g protoreflect.FieldDescriptor) error {
	a, b := groupOf(f), groupOf(g)
	switch {
	case a != b:
		return fmt.Errorf("the field %s changes from %s to %s", f.FullName(), a, b)
	case a == "map":
		if err := c.field(f.MapKey(), g.MapKey()); err != nil {
			return err
		}
		return c.field(f.MapValue(), g.MapValue())
	case a == "message":
		if local(f.Message()) != local(g.Message()) {
			return fmt.Errorf("the type of the field %s changes from %s to %s", f.FullName(), f.Message().FullName(), g.Message().FullName())
		}
		return c.message(f.Message(), g.Message())
	case a != "string" && f.Cardinality() != g.Cardinality() && labelled(f) && labelled(g):
		return fmt.Errorf("the label of the field %s changes", f.FullName())
	}
	return nil
}

// labelled says whether a field has a label in the text.
func labelled(f protoreflect.FieldDescriptor) bool {
	return f.Cardinality() != protoreflect.Optional || f.HasOptionalKeyword()
}

// local is a name without the package.
func local(m protoreflect.MessageDescriptor) string {
	pkg := string(m.ParentFile().Package())
	if pkg == "" {
		return string(m.FullName())
	}
	return string(m.FullName())[len(pkg)+1:]
}

// groupOf names the types among which a field may change.
func groupOf(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return "a signed number"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return "string"
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return "fixed32"
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return "fixed64"
	case protoreflect.FloatKind:
		return "float"
	case protoreflect.DoubleKind:
		return "double"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if f.IsMap() {
			return "map"
		}
		return "message"
	}
	return "a number"
}
