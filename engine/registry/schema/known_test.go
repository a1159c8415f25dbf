package schema

import (
	"encoding/base64"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
)

// descriptors are the known files, parsed.
func descriptors(t *testing.T) map[string]*descriptorpb.FileDescriptorProto {
	t.Helper()
	all := map[string]*descriptorpb.FileDescriptorProto{}
	err := fs.WalkDir(known, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, "known/")
		text, _ := Known(name)
		s, err := Parse(Protobuf, text, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		all[name] = s.(*protobufSchema).file.FileDescriptorProto()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKnownFiles(t *testing.T) {
	t.Parallel()
	if got := descriptors(t); len(got) < 19 || got["google/type/date.proto"] == nil || got[metaFile] == nil {
		t.Errorf("got %d files", len(got))
	}
	if _, ok := Known("google/type/../../meta.proto"); ok {
		t.Error("a path that leads elsewhere was known")
	}
}

// bare is what a file says of messages, without options and comments.
func bare(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	f = ordered(f)
	f.Name, f.Options = nil, nil
	return f
}

// TestKnownFilesAreGenuine compares the known files with those that Google and Confluent publish in their Python packages.
func TestKnownFilesAreGenuine(t *testing.T) {
	t.Parallel()
	python := os.Getenv("ENGINE_TEST_PYTHON")
	if python == "" {
		t.Skip("ENGINE_TEST_PYTHON names no Python with confluent-kafka; make compat makes one")
	}
	out, err := exec.CommandContext(t.Context(), python, filepath.Join("..", "..", "..", "testdata", "python", "known.py")).Output()
	if err != nil {
		t.Fatal(err)
	}
	ours, seen := descriptors(t), 0
	for line := range strings.Lines(string(out)) {
		path, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		genuine := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(raw, genuine); err != nil {
			t.Fatal(err)
		}
		if path == "google/type/localized_text.proto" {
			continue // which Confluent's registry does not know either
		}
		seen++
		if ours[path] == nil {
			t.Errorf("%s is not known", path)
			continue
		}
		nameInJSON(genuine.Extension)
		for _, m := range genuine.MessageType {
			messageInJSON(m)
		}
		if d := cmp.Diff(bare(genuine), bare(ours[path]), protocmp.Transform()); d != "" {
			t.Errorf("%s: (-genuine +known)\n%s", path, d)
		}
		delete(ours, path)
	}
	for path := range ours {
		t.Errorf("%s is none of theirs", path)
	}
	if seen < 19 {
		t.Errorf("%d files were compared", seen)
	}
}
