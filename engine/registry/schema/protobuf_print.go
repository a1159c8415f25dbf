package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// protoPrinter prints a file in the layout of Square's Wire, which Confluent's registry uses: types after a blank line, two
// blanks a level, no comments.
type protoPrinter struct {
	bytes.Buffer

	space    string // package
	full     bool   // names of types with the leading dot
	proto3   bool
	editions bool
}

// printProto prints a file; with full the names of types say where they are, else as little as their package allows.
func printProto(f *descriptorpb.FileDescriptorProto, full bool) string {
	p := &protoPrinter{space: f.GetPackage(), full: full, proto3: f.GetSyntax() == "proto3", editions: f.GetSyntax() == "editions"}
	switch {
	case p.editions:
		p.line(0, `edition = "%s";`, strings.TrimPrefix(f.GetEdition().String(), "EDITION_"))
	default:
		p.line(0, `syntax = "%s";`, cmp.Or(f.GetSyntax(), "proto2"))
	}
	if p.space != "" {
		p.line(0, "package %s;", p.space)
	}
	p.imports(f)
	if all := optionLines(f.GetOptions()); len(all) > 0 {
		p.WriteByte('\n')
		p.options(0, all)
	}
	for _, m := range f.MessageType {
		p.WriteByte('\n')
		p.message(0, m)
	}
	for _, e := range f.EnumType {
		p.WriteByte('\n')
		p.enum(0, e)
	}
	p.extensions(0, f.Extension, f.MessageType)
	for _, s := range f.Service {
		p.WriteByte('\n')
		p.service(s)
	}
	return p.String()
}

func (p *protoPrinter) line(depth int, format string, args ...any) {
	p.WriteString(strings.Repeat("  ", depth))
	p.Write(fmt.Appendf(nil, format, args...))
	p.WriteByte('\n')
}

func (p *protoPrinter) imports(f *descriptorpb.FileDescriptorProto) {
	for i, name := range f.Dependency {
		if i == 0 {
			p.WriteByte('\n')
		}
		kind := ""
		switch {
		case slices.Contains(f.PublicDependency, int32(i)): //nolint:gosec // an index
			kind = "public "
		case slices.Contains(f.WeakDependency, int32(i)): //nolint:gosec // an index
			kind = "weak "
		}
		p.line(0, "import %s%s;", kind, quoted(name))
	}
}

func (p *protoPrinter) options(depth int, all []string) {
	for _, o := range all {
		p.line(depth, "option %s;", o)
	}
}

func (p *protoPrinter) message(depth int, m *descriptorpb.DescriptorProto) {
	p.line(depth, "message %s {", m.GetName())
	p.body(depth+1, m)
	p.line(depth, "}")
}

func (p *protoPrinter) body(depth int, m *descriptorpb.DescriptorProto) {
	p.options(depth, optionLines(m.GetOptions()))
	p.reserved(depth, m)
	inline := map[string]bool{} // nested types that stand where their field does
	for _, f := range append(slices.Clone(m.Field), m.Extension...) {
		if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
			inline[lastName(f.GetTypeName())] = !p.editions
		}
	}
	done := map[int32]bool{}
	for _, f := range m.Field {
		switch i := f.GetOneofIndex(); {
		case f.OneofIndex == nil || f.GetProto3Optional():
			p.field(depth, f, m.NestedType, false)
		case !done[i] && int(i) < len(m.OneofDecl):
			done[i] = true
			p.oneof(depth, i, m)
		}
	}
	for _, r := range m.ExtensionRange {
		p.line(depth, "extensions %s%s;", span(r.GetStart(), r.GetEnd()-1, 1<<29-1), inBrackets(optionLines(r.GetOptions())))
	}
	for _, n := range m.NestedType {
		if !n.GetOptions().GetMapEntry() && !inline[n.GetName()] {
			p.WriteByte('\n')
			p.message(depth, n)
		}
	}
	for _, e := range m.EnumType {
		p.WriteByte('\n')
		p.enum(depth, e)
	}
	p.extensions(depth, m.Extension, m.NestedType)
}

func (p *protoPrinter) reserved(depth int, m *descriptorpb.DescriptorProto) {
	var numbers []string
	for _, r := range m.ReservedRange {
		numbers = append(numbers, span(r.GetStart(), r.GetEnd()-1, 1<<29-1))
	}
	p.reservedLines(depth, numbers, m.ReservedName)
}

func (p *protoPrinter) reservedLines(depth int, numbers, names []string) {
	if len(numbers) > 0 {
		p.line(depth, "reserved %s;", strings.Join(numbers, ", "))
	}
	if len(names) == 0 {
		return
	}
	shown := names
	if !p.editions { // there they are identifiers
		shown = nil
		for _, n := range names {
			shown = append(shown, quoted(n))
		}
	}
	p.line(depth, "reserved %s;", strings.Join(shown, ", "))
}

func span(from, to, last int32) string {
	switch {
	case from == to:
		return strconv.Itoa(int(from))
	case to == last:
		return fmt.Sprintf("%d to max", from)
	}
	return fmt.Sprintf("%d to %d", from, to)
}

func (p *protoPrinter) oneof(depth int, index int32, m *descriptorpb.DescriptorProto) {
	o := m.OneofDecl[index]
	p.line(depth, "oneof %s {", o.GetName())
	p.options(depth+1, optionLines(o.GetOptions()))
	for _, f := range m.Field {
		if f.OneofIndex != nil && f.GetOneofIndex() == index && !f.GetProto3Optional() {
			p.field(depth+1, f, m.NestedType, true)
		}
	}
	p.line(depth, "}")
}

// field prints a field. nested are the messages among which that of a map or a group is.
func (p *protoPrinter) field(depth int, f *descriptorpb.FieldDescriptorProto, nested []*descriptorpb.DescriptorProto, inOneof bool) {
	label := p.label(f, inOneof)
	kind := p.kind(f)
	if f.GetTypeName() != "" {
		name := lastName(f.GetTypeName())
		i := slices.IndexFunc(nested, func(n *descriptorpb.DescriptorProto) bool { return n.GetName() == name })
		switch {
		case i >= 0 && nested[i].GetOptions().GetMapEntry() && len(nested[i].Field) == 2:
			label, kind = "", fmt.Sprintf("map<%s, %s>", p.kind(nested[i].Field[0]), p.kind(nested[i].Field[1]))
		case i >= 0 && f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP && !p.editions:
			p.line(depth, "%sgroup %s = %d%s {", label, name, f.GetNumber(), inBrackets(p.fieldOptions(f)))
			p.body(depth+1, nested[i])
			p.line(depth, "}")
			return
		}
	}
	p.line(depth, "%s%s %s = %d%s;", label, kind, f.GetName(), f.GetNumber(), inBrackets(p.fieldOptions(f)))
}

func (p *protoPrinter) label(f *descriptorpb.FieldDescriptorProto, inOneof bool) string {
	switch {
	case inOneof:
		return ""
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		return "repeated "
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED && !p.editions:
		return "required "
	case f.GetProto3Optional(), !p.proto3 && !p.editions:
		return "optional "
	}
	return ""
}

func (p *protoPrinter) kind(f *descriptorpb.FieldDescriptorProto) string {
	if f.GetTypeName() != "" {
		return p.typeName(f.GetTypeName())
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}

// typeName is the name of a type: without the package of the file, unless full names are asked for.
func (p *protoPrinter) typeName(name string) string {
	if p.full {
		return name
	}
	short := strings.TrimPrefix(name, ".")
	if p.space == "" {
		return short
	}
	return strings.TrimPrefix(short, p.space+".")
}

func lastName(full string) string { return full[strings.LastIndexByte(full, '.')+1:] }

func (p *protoPrinter) fieldOptions(f *descriptorpb.FieldDescriptorProto) []string {
	var all []string
	if f.DefaultValue != nil {
		value := f.GetDefaultValue()
		switch f.GetType() {
		case descriptorpb.FieldDescriptorProto_TYPE_STRING:
			value = quoted(value)
		case descriptorpb.FieldDescriptorProto_TYPE_BYTES:
			value = `"` + value + `"` // it is escaped already
		}
		all = append(all, "default = "+value)
	}
	if f.JsonName != nil && f.GetJsonName() != jsonName(f.GetName()) {
		all = append(all, "json_name = "+quoted(f.GetJsonName()))
	}
	return append(all, optionLines(f.GetOptions())...)
}

func inBrackets(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return " [" + strings.Join(all, ", ") + "]"
}

// extensions prints what extends messages, one block for each run with the same one.
func (p *protoPrinter) extensions(depth int, all []*descriptorpb.FieldDescriptorProto, nested []*descriptorpb.DescriptorProto) {
	for i, f := range all {
		if i == 0 || all[i-1].GetExtendee() != f.GetExtendee() {
			p.WriteByte('\n')
			p.line(depth, "extend %s {", p.typeName(f.GetExtendee()))
		}
		p.field(depth+1, f, nested, false)
		if i == len(all)-1 || all[i+1].GetExtendee() != f.GetExtendee() {
			p.line(depth, "}")
		}
	}
}

func (p *protoPrinter) enum(depth int, e *descriptorpb.EnumDescriptorProto) {
	p.line(depth, "enum %s {", e.GetName())
	p.options(depth+1, optionLines(e.GetOptions()))
	var numbers []string
	for _, r := range e.ReservedRange {
		numbers = append(numbers, span(r.GetStart(), r.GetEnd(), math.MaxInt32))
	}
	p.reservedLines(depth+1, numbers, e.ReservedName)
	for _, v := range e.Value {
		p.line(depth+1, "%s = %d%s;", v.GetName(), v.GetNumber(), inBrackets(optionLines(v.GetOptions())))
	}
	p.line(depth, "}")
}

func (p *protoPrinter) service(s *descriptorpb.ServiceDescriptorProto) {
	p.line(0, "service %s {", s.GetName())
	p.options(1, optionLines(s.GetOptions()))
	for _, m := range s.Method {
		in, out := p.typeName(m.GetInputType()), p.typeName(m.GetOutputType())
		if m.GetClientStreaming() {
			in = "stream " + in
		}
		if m.GetServerStreaming() {
			out = "stream " + out
		}
		all := optionLines(m.GetOptions())
		if len(all) == 0 {
			p.line(1, "rpc %s (%s) returns (%s);", m.GetName(), in, out)
			continue
		}
		p.line(1, "rpc %s (%s) returns (%s) {", m.GetName(), in, out)
		p.options(2, all)
		p.line(1, "}")
	}
	p.line(0, "}")
}

// optionLines are options as "name = value", by number, those of others in parentheses. What no import declares is left out,
// which the comparison with the file notices.
func optionLines(o proto.Message) []string {
	m := o.ProtoReflect()
	if !m.IsValid() {
		return nil
	}
	type one struct {
		number protoreflect.FieldNumber
		text   string
	}
	var all []one
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case f.IsExtension():
			name = "(" + string(f.FullName()) + ")"
		case name == "map_entry" || name == "uninterpreted_option":
			return true
		}
		if f.IsList() {
			for i := range v.List().Len() {
				all = append(all, one{f.Number(), name + " = " + literal(f, v.List().Get(i))})
			}
			return true
		}
		all = append(all, one{f.Number(), name + " = " + literal(f, v)})
		return true
	})
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(a.number, b.number) })
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = all[i].text
	}
	return texts
}

// literal prints the value of an option.
func literal(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.StringKind:
		return quoted(v.String())
	case protoreflect.BytesKind:
		return quoted(string(v.Bytes()))
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return aggregate(v.Message())
	case protoreflect.FloatKind:
		return strconv.FormatFloat(v.Float(), 'g', -1, 32)
	case protoreflect.DoubleKind:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

// aggregate prints a message in the text format.
func aggregate(m protoreflect.Message) string {
	type one struct {
		number protoreflect.FieldNumber
		text   string
	}
	var all []one
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		if f.IsExtension() {
			name = "[" + string(f.FullName()) + "]"
		}
		add := func(text string) { all = append(all, one{f.Number(), name + ": " + text}) }
		switch {
		case f.IsMap():
			var entries []string
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				entries = append(entries, fmt.Sprintf("{ key: %s value: %s }", literal(f.MapKey(), k.Value()), literal(f.MapValue(), v)))
				return true
			})
			slices.Sort(entries)
			for _, e := range entries {
				add(e)
			}
		case f.IsList():
			for i := range v.List().Len() {
				add(literal(f, v.List().Get(i)))
			}
		default:
			add(literal(f, v))
		}
		return true
	})
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(a.number, b.number) })
	var b strings.Builder
	b.WriteByte('{')
	for _, o := range all {
		b.WriteString(" " + o.text)
	}
	b.WriteString(" }")
	return b.String()
}

// quoted is a string literal.
func quoted(s string) string {
	b := []byte{'"'}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c < ' ' || c == 0x7f:
			b = fmt.Appendf(b, `\%03o`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}
