package schema

import (
	"cmp"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// protobufSchema is a .proto file, linked with what it imports.
type protobufSchema struct {
	file    linker.Result
	text    string // printed anew
	implied bool   // it uses Confluent's options and does not import the file that defines them
}

// metaFile defines the options in which Confluent's converter keeps what only Connect knows. Schemas use them without
// importing it, which Confluent's registry takes.
const metaFile = "confluent/meta.proto"

// mainFile is the name of a file that has none.
const mainFile = "default"

// parseProtobuf parses the text of a .proto file, or the base64 of a FileDescriptorProto, which is what Python's client
// sends.
func parseProtobuf(text string, refs []Dependency) (Schema, error) {
	p := &protobufParser{files: map[string]linker.File{}, refs: map[string]string{}}
	for _, ref := range refs {
		p.refs[ref.Name] = ref.Text
	}
	for _, ref := range refs {
		if _, err := p.importFile(ref.Name); err != nil {
			return nil, err
		}
	}
	parsed, binary, err := p.read(mainFile, text)
	if err != nil {
		return nil, err
	}
	file, err := p.link(parsed)
	if err != nil {
		return nil, err
	}
	s := &protobufSchema{file: file, implied: !binary && !strings.Contains(text, metaFile)}
	// What is printed is stored only if it says the same when it is read.
	for _, full := range []bool{false, true} {
		s.text = printProto(s.written(), full)
		if p.says(s.text, file.FileDescriptorProto()) {
			return s, nil
		}
	}
	if binary {
		return nil, errors.New("the descriptor has parts that have no form as text")
	}
	s.text = text
	return s, nil
}

// protobufParser links files; each is read once.
type protobufParser struct {
	files map[string]linker.File
	refs  map[string]string
	depth int
}

// read reads a file; the first error ends it.
func (p *protobufParser) read(name, text string) (parsed parser.Result, binary bool, err error) {
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
		d := &descriptorpb.FileDescriptorProto{}
		if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(raw, d); err != nil {
			return nil, false, fmt.Errorf("no FileDescriptorProto: %w", err)
		}
		d.Name, d.SourceCodeInfo = new(name), nil
		nameInJSON(d.Extension)
		for _, m := range d.MessageType {
			messageInJSON(m)
		}
		return parser.ResultWithoutAST(d), true, nil
	}
	h := handler()
	tree, err := parser.Parse(name, strings.NewReader(text), h)
	if err != nil {
		return nil, false, err
	}
	parsed, err = parser.ResultFromAST(tree, true, h)
	if err != nil {
		return nil, false, err
	}
	if f := parsed.FileDescriptorProto(); f.GetPackage() != "confluent" && strings.Contains(text, "(confluent.") && !strings.Contains(text, metaFile) {
		f.Dependency = append(f.Dependency, metaFile)
	}
	return parsed, false, nil
}

// written is the file without the import that is only implied. It may be the file itself.
func (s *protobufSchema) written() *descriptorpb.FileDescriptorProto {
	f := s.file.FileDescriptorProto()
	if s.implied && slices.Contains(f.Dependency, metaFile) {
		f = proto.CloneOf(f)
		f.Dependency = slices.DeleteFunc(f.Dependency, func(name string) bool { return name == metaFile })
	}
	return f
}

func handler() *reporter.Handler { return reporter.NewHandler(nil) }

func (p *protobufParser) link(parsed parser.Result) (linker.Result, error) {
	var deps linker.Files
	for _, name := range parsed.FileDescriptorProto().GetDependency() {
		f, err := p.importFile(name)
		if err != nil {
			return nil, err
		}
		deps = append(deps, f)
	}
	h := handler()
	file, err := linker.Link(parsed, deps, nil, h)
	if err != nil {
		return nil, err
	}
	if _, err := options.InterpretOptions(file, h); err != nil {
		return nil, err
	}
	return file, file.ValidateOptions(h, nil)
}

// importFile is a file by the name that an import has: a reference, or one that every registry has.
func (p *protobufParser) importFile(name string) (linker.File, error) {
	if f, known := p.files[name]; known {
		if f == nil {
			return nil, fmt.Errorf("%s imports itself", name)
		}
		return f, nil
	}
	text, given := p.refs[name]
	if !given {
		text, given = Known(name)
	}
	if !given {
		found, err := protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(nil)}).FindFileByPath(name)
		if err != nil || found.Desc == nil {
			return nil, fmt.Errorf("import %q is no reference", name)
		}
		f, err := linker.NewFileRecursive(found.Desc)
		if err == nil {
			p.files[name] = f
		}
		return f, err
	}
	p.files[name] = nil // while it is read
	if p.depth++; p.depth > maxDepth {
		return nil, errDeep
	}
	defer func() { p.depth-- }()
	parsed, _, err := p.read(name, text)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", name, err)
	}
	f, err := p.link(parsed)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", name, err)
	}
	p.files[name] = f
	return f, nil
}

//go:embed known
var known embed.FS

// Known is the text of a .proto file beside google/protobuf that every registry has, so that schemas import it without a
// reference: google/type and confluent (Confluent: ProtobufSchema.KNOWN_DEPENDENCIES). What they say of other languages, and
// their comments, are left out.
func Known(path string) (text string, ok bool) {
	raw, err := known.ReadFile("known/" + path)
	return string(raw), err == nil
}

// says reports whether a text is the file that it was printed from.
func (p *protobufParser) says(text string, file *descriptorpb.FileDescriptorProto) bool {
	parsed, _, err := p.read(mainFile, text)
	if err != nil {
		return false
	}
	again, err := p.link(parsed)
	return err == nil && equalFiles(again.FileDescriptorProto(), file)
}

// equalFiles compares files without regard to the order of fields and oneofs, and to names in JSON that are the usual ones.
func equalFiles(a, b *descriptorpb.FileDescriptorProto) bool {
	return proto.Equal(ordered(a), ordered(b))
}

// ordered is a copy of a file with fields by number, oneofs by name and no names in JSON that follow from the others.
func ordered(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	f = proto.CloneOf(f)
	f.SourceCodeInfo = nil
	if f.GetSyntax() == "proto2" {
		f.Syntax = nil // it is the default
	}
	for _, m := range f.MessageType {
		orderMessage(m)
	}
	for _, x := range f.Extension {
		dropJSONName(x)
	}
	return f
}

func orderMessage(m *descriptorpb.DescriptorProto) {
	names := make([]string, len(m.OneofDecl))
	for i, o := range m.OneofDecl {
		names[i] = o.GetName()
	}
	slices.SortStableFunc(m.OneofDecl, func(a, b *descriptorpb.OneofDescriptorProto) int {
		return cmp.Compare(a.GetName(), b.GetName())
	})
	for _, f := range m.Field {
		dropJSONName(f)
		if i := int(f.GetOneofIndex()); f.OneofIndex != nil && i >= 0 && i < len(names) {
			at := slices.IndexFunc(m.OneofDecl, func(o *descriptorpb.OneofDescriptorProto) bool { return o.GetName() == names[i] })
			f.OneofIndex = new(int32(at)) //nolint:gosec // an index of the same list
		}
	}
	slices.SortStableFunc(m.Field, func(a, b *descriptorpb.FieldDescriptorProto) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	for _, x := range m.Extension {
		dropJSONName(x)
	}
	// Where types are nested does not say how they are ordered among fields, but their own order counts: it is on the wire.
	for _, n := range m.NestedType {
		orderMessage(n)
	}
	maps, rest := []*descriptorpb.DescriptorProto{}, []*descriptorpb.DescriptorProto{}
	for _, n := range m.NestedType {
		if n.GetOptions().GetMapEntry() {
			maps = append(maps, n)
		} else {
			rest = append(rest, n)
		}
	}
	slices.SortFunc(maps, func(a, b *descriptorpb.DescriptorProto) int { return cmp.Compare(a.GetName(), b.GetName()) })
	if len(maps) > 0 {
		m.NestedType = append(maps, rest...)
	}
}

// messageInJSON gives fields the names in JSON that protoc would have given: a descriptor that was made otherwise may have none.
func messageInJSON(m *descriptorpb.DescriptorProto) {
	nameInJSON(m.Field)
	nameInJSON(m.Extension)
	for _, n := range m.NestedType {
		messageInJSON(n)
	}
}

func nameInJSON(fields []*descriptorpb.FieldDescriptorProto) {
	for _, f := range fields {
		if f.GetJsonName() == "" {
			f.JsonName = new(jsonName(f.GetName()))
		}
	}
}

func dropJSONName(f *descriptorpb.FieldDescriptorProto) {
	if f.GetJsonName() == jsonName(f.GetName()) {
		f.JsonName = nil
	}
}

// jsonName is the name in JSON that a field has by itself (protoc: ToJsonName).
func jsonName(name string) string {
	var b []byte
	up := false
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_':
			up = true
		case up && 'a' <= c && c <= 'z':
			b = append(b, c-'a'+'A')
			up = false
		default:
			b = append(b, c)
			up = false
		}
	}
	return string(b)
}

func (s *protobufSchema) Canonical() string { return s.text }

// normalized is the text with fields by number and full names.
func (s *protobufSchema) Normalized() string {
	f := proto.CloneOf(s.written())
	for _, m := range f.MessageType {
		byNumber(m)
	}
	slices.Sort(f.Dependency)
	if len(f.PublicDependency)+len(f.WeakDependency) > 0 { // those are numbers into the list
		f.Dependency = s.written().GetDependency()
	}
	return printProto(f, true)
}

func byNumber(m *descriptorpb.DescriptorProto) {
	slices.SortStableFunc(m.Field, func(a, b *descriptorpb.FieldDescriptorProto) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	for _, n := range m.NestedType {
		byNumber(n)
	}
}

// formatted prints a file; "serialized" is the base64 of its FileDescriptorProto.
func (s *protobufSchema) Formatted(format string) (string, error) {
	if !strings.EqualFold(format, "serialized") {
		return s.text, nil
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.file.FileDescriptorProto())
	if err != nil {
		return "", fmt.Errorf("serialize the file: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// reads finds what does not fit (Confluent: protobuf.diff.SchemaDiff); what may change is passed over.
func (s *protobufSchema) Reads(writer Schema, b *Budget) []Difference {
	w, ok := writer.(*protobufSchema)
	if !ok {
		return nil
	}
	c := &protobufComparison{budget: b, under: map[[2]protoreflect.FullName]bool{}}
	if s.file.Package() != w.file.Package() {
		c.found("PACKAGE_CHANGED", "#/", "The package at '%s' in the "+readerMark+" schema does not match the package in the "+writerMark+" schema")
	}
	c.types("#", s.file.Messages(), w.file.Messages())
	return c.all
}
