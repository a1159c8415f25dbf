package protobuf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/anypb"           // google/protobuf/any.proto, for schemas that import it
	_ "google.golang.org/protobuf/types/known/apipb"           // api.proto
	_ "google.golang.org/protobuf/types/known/durationpb"      // duration.proto
	_ "google.golang.org/protobuf/types/known/emptypb"         // empty.proto
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"     // field_mask.proto
	_ "google.golang.org/protobuf/types/known/sourcecontextpb" // source_context.proto
	_ "google.golang.org/protobuf/types/known/structpb"        // struct.proto
	_ "google.golang.org/protobuf/types/known/timestamppb"     // timestamp.proto
	_ "google.golang.org/protobuf/types/known/typepb"          // type.proto
	_ "google.golang.org/protobuf/types/known/wrapperspb"      // wrappers.proto

	registryschema "github.com/penstock/penstock/engine/registry/schema" // this package has a schema of its own
	"github.com/penstock/penstock/plugins/registry"
)

// metaFile defines the options that Confluent's schemas carry; those use them without importing it.
const metaFile = "confluent/meta.proto"

// file is a schema: a file of messages.
type file struct {
	protoreflect.FileDescriptor
	// written says of a message that its text stands in the schema. The entries of a map<> do not, and an index passes
	// them over.
	unwritten map[protoreflect.FullName]bool
}

// compiler compiles a schema with all that it imports.
type compiler struct {
	texts map[string]string // of what the registry has, by import path
	done  map[string]linker.File
	open  []string // imports on the way to here
}

// Bounds of a schema.
const (
	mostNesting = 100 // blocks within blocks
	mostImports = 50  // files within files
)

// compile makes descriptors of a registered schema.
func compile(t registry.Text) (*file, error) {
	c := compiler{texts: map[string]string{}, done: map[string]linker.File{}}
	for _, r := range t.Resolved {
		c.texts[r.Name] = r.Schema
	}
	return c.file("default", t.Schema)
}

// file compiles a text, or a descriptor in base64 as some clients register it.
func (c *compiler) file(name, text string) (*file, error) {
	parsed, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	p := parsed.FileDescriptorProto()
	p.Name = new(name)
	f := &file{unwritten: map[protoreflect.FullName]bool{}}
	if parsed.AST() != nil {
		markEntries(protoreflect.FullName(p.GetPackage()), p.GetMessageType(), f.unwritten)
		if strings.Contains(text, "confluent.") && !slices.Contains(p.GetDependency(), metaFile) && p.GetPackage() != "confluent" {
			p.Dependency = append(p.Dependency, metaFile)
		}
	}
	var deps linker.Files
	for _, path := range p.GetDependency() {
		dep, err := c.imported(path)
		if err != nil {
			return nil, err
		}
		deps = append(deps, dep)
	}
	linked, err := linker.Link(parsed, deps, nil, reporter.NewHandler(nil))
	if err != nil {
		return nil, placed(err)
	}
	if _, err := options.InterpretOptionsLenient(linked); err != nil {
		return nil, placed(err)
	}
	settle(p)
	f.FileDescriptor, err = protodesc.FileOptions{}.New(p, c)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// imported is a file that another imports.
func (c *compiler) imported(path string) (linker.File, error) {
	if f, ok := c.done[path]; ok {
		return f, nil
	}
	if slices.Contains(c.open, path) {
		return nil, fmt.Errorf("the file %s imports itself", path)
	}
	if len(c.open) == mostImports {
		return nil, fmt.Errorf("files import files more than %d deep", mostImports)
	}
	c.open = append(c.open, path)
	defer func() { c.open = c.open[:len(c.open)-1] }()
	desc, err := c.find(path)
	if err != nil {
		return nil, err
	}
	f, err := linker.NewFileRecursive(desc)
	if err != nil {
		return nil, err
	}
	c.done[path] = f
	return f, nil
}

func (c *compiler) find(path string) (protoreflect.FileDescriptor, error) {
	text, ok := c.texts[path]
	if !ok {
		if desc, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil && strings.HasPrefix(path, "google/protobuf/") {
			return desc, nil
		}
		if text, ok = registryschema.Known(path); !ok {
			return nil, fmt.Errorf("the import %s is none of the references", path)
		}
	}
	f, err := c.file(path, text)
	if err != nil {
		return nil, fmt.Errorf("the file %s, which another imports: %w", path, err)
	}
	return f.FileDescriptor, nil
}

// FindFileByPath and FindDescriptorByName make a compiler a protodesc.Resolver of what it compiled.
func (c *compiler) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if f, ok := c.done[path]; ok {
		return f, nil
	}
	return nil, protoregistry.NotFound
}

// FindDescriptorByName finds a type of any file that was imported.
func (c *compiler) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	for _, f := range c.done {
		if d := f.FindDescriptorByName(name); d != nil {
			return d, nil
		}
	}
	return nil, protoregistry.NotFound
}

// parse reads a text or a descriptor.
func parse(name, text string) (parser.Result, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the schema is empty")
	}
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
		var p descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(raw, &p); err == nil {
			return parser.ResultWithoutAST(&p), nil
		}
	}
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[', '<', '(':
			depth++
		case '}', ']', '>', ')':
			depth--
		}
		if depth > mostNesting {
			return nil, fmt.Errorf("the schema nests deeper than %d", mostNesting)
		}
	}
	handler := reporter.NewHandler(nil)
	tree, err := parser.Parse(name, strings.NewReader(text), handler)
	if err != nil {
		return nil, placed(err)
	}
	r, err := parser.ResultFromAST(tree, false, handler)
	if err != nil {
		return nil, placed(err)
	}
	return r, nil
}

// placed keeps line and column of an error, and not the name of the file, which a schema does not have.
func placed(err error) error {
	if e, ok := errors.AsType[reporter.ErrorWithPos](err); ok {
		at := e.GetPosition()
		return fmt.Errorf("line %d, column %d: %w", at.Line, at.Col, e.Unwrap())
	}
	return err
}

// markEntries notes the messages that the parser made for map<> fields.
func markEntries(scope protoreflect.FullName, messages []*descriptorpb.DescriptorProto, into map[protoreflect.FullName]bool) {
	for _, m := range messages {
		name := scope.Append(protoreflect.Name(m.GetName()))
		if m.GetOptions().GetMapEntry() {
			into[name] = true
		}
		markEntries(name, m.GetNestedType(), into)
	}
}

// settle ends the interpretation of options: an explicit map_entry, which Confluent's clients register, counts, and
// options that nobody defines do not.
func settle(p *descriptorpb.FileDescriptorProto) {
	if p.Options != nil {
		p.Options.UninterpretedOption = nil
	}
	for _, m := range p.GetMessageType() {
		settleMessage(m)
	}
	for _, e := range p.GetEnumType() {
		settleEnum(e)
	}
	for _, f := range p.GetExtension() {
		settleField(f)
	}
	p.Service = nil // no message depends on them
}

func settleMessage(m *descriptorpb.DescriptorProto) {
	if m.Options != nil {
		for _, o := range m.Options.UninterpretedOption {
			if len(o.Name) == 1 && o.Name[0].GetNamePart() == "map_entry" && o.GetIdentifierValue() == "true" {
				m.Options.MapEntry = new(true)
			}
		}
		m.Options.UninterpretedOption = nil
	}
	for _, f := range m.GetField() {
		settleField(f)
	}
	for _, f := range m.GetExtension() {
		settleField(f)
	}
	for _, n := range m.GetNestedType() {
		settleMessage(n)
	}
	for _, e := range m.GetEnumType() {
		settleEnum(e)
	}
	for _, o := range m.GetOneofDecl() {
		if o.Options != nil {
			o.Options.UninterpretedOption = nil
		}
	}
}

func settleField(f *descriptorpb.FieldDescriptorProto) {
	if f.Options != nil {
		f.Options.UninterpretedOption = nil
	}
}

func settleEnum(e *descriptorpb.EnumDescriptorProto) {
	if e.Options != nil {
		e.Options.UninterpretedOption = nil
	}
	for _, v := range e.GetValue() {
		if v.Options != nil {
			v.Options.UninterpretedOption = nil
		}
	}
}

// at is the message at an index.
func (f *file) at(index []int) (protoreflect.MessageDescriptor, error) {
	if len(index) == 0 {
		index = []int{0}
	}
	among := f.Messages()
	var m protoreflect.MessageDescriptor
	for _, step := range index {
		if m = f.nth(among, step); m == nil {
			return nil, errors.New("Invalid message indexes: " + fmt.Sprint(index))
		}
		among = m.Messages()
	}
	return m, nil
}

// nth is the message at a place among those that are written.
func (f *file) nth(among protoreflect.MessageDescriptors, n int) protoreflect.MessageDescriptor {
	for i := range among.Len() {
		m := among.Get(i)
		if f.unwritten[m.FullName()] {
			continue
		}
		if n == 0 {
			return m
		}
		n--
	}
	return nil
}

// index is the place of a message by its name. Parts of the name that are no message, such as the package's, are passed
// over, and what is not there at all is the first message, as in Confluent's ProtobufSchema.toMessageIndexes.
func (f *file) index(name protoreflect.FullName) []int {
	var path []int
	among := f.Messages()
	for part := range strings.SplitSeq(string(name), ".") {
		n := 0
		for i := range among.Len() {
			m := among.Get(i)
			if f.unwritten[m.FullName()] {
				continue
			}
			if string(m.Name()) == part {
				path = append(path, n)
				among = m.Messages()
				break
			}
			n++
		}
	}
	if path == nil {
		return []int{0}
	}
	return path
}

// message finds a message by its full name.
func (f *file) message(name protoreflect.FullName) protoreflect.MessageDescriptor {
	return messageAmong(f.Messages(), name)
}

func messageAmong(among protoreflect.MessageDescriptors, name protoreflect.FullName) protoreflect.MessageDescriptor {
	for i := range among.Len() {
		m := among.Get(i)
		if m.FullName() == name {
			return m
		}
		if strings.HasPrefix(string(name), string(m.FullName())+".") {
			return messageAmong(m.Messages(), name)
		}
	}
	return nil
}

// Numbers of the option (confluent.field_meta) and of what it has.
const (
	metaOption = 1088
	metaParams = 2
)

// fieldParams are the parameters that the option (confluent.field_meta) gives a field.
func fieldParams(f protoreflect.FieldDescriptor) map[string]string {
	raw, err := proto.Marshal(f.Options())
	if err != nil || len(raw) == 0 {
		return nil
	}
	params := map[string]string{}
	for _, meta := range submessages(raw, metaOption) {
		for _, entry := range submessages(meta, metaParams) {
			key, value := submessages(entry, 1), submessages(entry, 2)
			if len(key) > 0 && len(value) > 0 {
				params[string(key[len(key)-1])] = string(value[len(value)-1])
			}
		}
	}
	return params
}

// submessages are the contents of a field of bytes.
func submessages(raw []byte, number protowire.Number) (all [][]byte) {
	for len(raw) > 0 {
		n, typ, tag := protowire.ConsumeTag(raw)
		if tag < 0 {
			return all
		}
		size := protowire.ConsumeFieldValue(n, typ, raw[tag:])
		if size < 0 {
			return all
		}
		if n == number && typ == protowire.BytesType {
			b, _ := protowire.ConsumeBytes(raw[tag:])
			all = append(all, b)
		}
		raw = raw[tag+size:]
	}
	return all
}
