package protobuf_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// echo is a running testdata/java/protobuf/Echo.java.
type echo struct {
	in  *bufio.Writer
	out *bufio.Reader
}

// ask gives the message as Java writes it after it has read it.
func (e *echo) ask(file protoreflect.FileDescriptor, message []byte) (string, error) {
	var set descriptorpb.FileDescriptorSet
	addFile(&set, file, map[string]bool{})
	raw, err := proto.Marshal(&set)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(e.in, "%s\t%x\n", base64.StdEncoding.EncodeToString(raw), message); err != nil {
		return "", err
	}
	if err := e.in.Flush(); err != nil {
		return "", err
	}
	got, err := e.out.ReadString('\n')
	return strings.TrimSpace(got), err
}

// addFile adds a file after those that it imports.
func addFile(set *descriptorpb.FileDescriptorSet, f protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		addFile(set, f.Imports().Get(i).FileDescriptor, seen)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
}

// TestBesideJava writes random data of random schemas: protobuf-java takes the descriptors and writes what it read as the same
// bytes; and it writes what the library here wrote so that it is read as the same data. ENGINE_TEST_PROTOBUF is the class
// path of protobuf-java; -rapid.checks says how many.
func TestBesideJava(t *testing.T) {
	path := os.Getenv("ENGINE_TEST_PROTOBUF")
	if path == "" {
		t.Skip("ENGINE_TEST_PROTOBUF does not name protobuf-java's classes")
	}
	java := exec.CommandContext(t.Context(), "java", "-cp", path, "../../testdata/java/protobuf/Echo.java")
	in, err := java.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := java.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	java.Stderr = os.Stderr
	if err := java.Start(); err != nil {
		t.Fatal(err)
	}
	e := &echo{bufio.NewWriter(in), bufio.NewReader(out)}
	all := compiled(t, everything)
	reg := registrytest.Start(t)
	seed(reg, 1, everything)
	conv := converter(t, reg.URL(), nil)
	rapid.Check(t, func(rt *rapid.T) {
		javaReads(t, rt, e, rapid.SampledFrom([]string{"false", "true"}).Draw(rt, "optional"))
		for range values {
			libraryToJava(rt, e, conv, all)
		}
	})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := java.Wait(); err != nil {
		t.Fatal(err)
	}
}

// values is how many values are tried of each schema, on each way.
const values = 25

// javaReads writes random data here, and wants the same bytes from Java.
func javaReads(t *testing.T, rt *rapid.T, e *echo, optional string) {
	reg := srfake.New()
	defer reg.Close()
	name := 0
	s := drawStruct(rt, 3, &name).MustBuild()
	conv := converter(t, reg.URL(), plugin.Config{"optional.for.nullables": optional})
	var file protoreflect.FileDescriptor
	for range values {
		message, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: drawValue(rt, s, true)})
		if err != nil {
			rt.Fatal(errorsOf(err))
		}
		if file == nil {
			stored, _ := reg.GetSchema("t-value", 1)
			if file, err = compileStrictly(t, stored.Schema.Schema); err != nil {
				rt.Fatal(err)
			}
		}
		if got, err := e.ask(file, message[6:]); err != nil || got != fmt.Sprintf("%x", message[6:]) {
			rt.Fatalf("got  %s (%v)\nwant %x", got, err, message[6:])
		}
	}
}

// libraryToJava has the library write a message and Java write it again, and wants the same data of both.
func libraryToJava(rt *rapid.T, e *echo, conv plugin.Converter, all protoreflect.FileDescriptor) {
	m := dynamicpb.NewMessage(all.Messages().ByName("All"))
	drawMessage(rt, m, 2)
	message, err := proto.Marshal(m)
	if err != nil {
		rt.Fatal(err)
	}
	own, err := conv.ReadData(new(record.Arena), "t", frame(1, append([]byte{0}, message...)...))
	if err != nil {
		rt.Fatal(errorsOf(err))
	}
	answer, err := e.ask(all, message)
	if err != nil {
		rt.Fatal(err)
	}
	var theirs []byte
	if _, err := fmt.Sscanf(answer+" ", "%x ", &theirs); err != nil && answer != "" {
		rt.Fatal(answer)
	}
	d, err := conv.ReadData(new(record.Arena), "t", frame(1, append([]byte{0}, theirs...)...))
	if err != nil {
		rt.Fatal(errorsOf(err))
	}
	if err := vector.CompareValue(own.Value, d.Value); err != nil {
		rt.Fatalf("%x and %x: %v", message, theirs, err)
	}
}
