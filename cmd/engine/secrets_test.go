package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vaultProject is a project whose worker and pipelines take secrets from a file in its folder. One pipeline fails with a
// message that holds its secret.
func vaultProject(t *testing.T) string {
	t.Helper()
	address, authority := secured(t, "")
	dir := t.TempDir()
	write(t, dir, "ca.pem", authority)
	write(t, dir, "vault.properties", "kafka="+password+"\ndb="+password+"-db\nmissing=/no/such/folder/"+password+"\n")
	write(t, dir, "in.txt", "one\ntwo\n")
	vault := filepath.Join(dir, "vault.properties")
	write(t, dir, "p.hcl", fmt.Sprintf(`
worker {
  bootstrap_servers = [%[1]q]
  security_protocol = "SASL_SSL"
  ssl {
    truststore_type     = "PEM"
    truststore_location = %[2]q
  }
  sasl {
    mechanism = "SCRAM-SHA-512"
    username  = "connect"
    password  = secret("vault:%[3]s:kafka")
  }
  config_provider "file" "vault" {
    param_allowed_paths = %[4]q
  }
}
pipeline "in" {
  source "file" {
    file  = "in.txt"
    topic = "lines"
    config = { "connection.password" = secret("vault:%[3]s:db") }
  }
  value_converter "string" {}
}
pipeline "out" {
  sink "file" {
    file   = "out.txt"
    topics = ["lines"]
  }
  value_converter "string" {}
  transform "hoist_field" "wrap" { field = "line" }
  transform "insert_field" "token" {
    static_field = "token"
    static_value = secret("vault:%[3]s:db")
  }
  transform "mask_field" "hide" { fields = ["token"] }
}
pipeline "fails" {
  sink "file" {
    file   = "${"$"}{vault:%[3]s:missing}/out.txt"
    topics = ["lines"]
  }
  value_converter "string" {}
}
`, address, filepath.Join(dir, "ca.pem"), vault, dir))
	return dir
}

// TestNoSecretAnywhere greps a run for its secrets (invariant 6): in what it prints and logs, in its statuses, in its
// state on the disk, and in everything that other commands say of the project.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	dir := vaultProject(t)
	said, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput()
	if err == nil || !bytes.Contains(said, []byte("[hidden]")) {
		t.Errorf("the pipeline that was to fail with its secret did not: %v\n%s", err, said)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if want := "Struct{line=one,token=}\nStruct{line=two,token=}\n"; err != nil || string(out) != want {
		t.Errorf("out.txt: got %q, %v, want %q", out, err, want)
	}
	for _, args := range [][]string{
		{"validate", "."}, {"graph", "."}, {"graph", "-format", "json", "."}, {"graph", "-format", "dot", "."},
		{"graph", "-format", "mermaid", "."}, {"graph", "-format", "json", "-pipeline", "out", "."}, {"graph", "-pipeline", "in", "."},
	} {
		more, err := command(t, dir, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, more)
		}
		said = append(said, more...)
	}
	if bytes.Contains(said, []byte(password)) {
		t.Errorf("a secret was printed:\n%s", said)
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(dir, ".engine"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(password)) {
			t.Errorf("%s holds a secret", path)
		}
		if d.Name() == "state.db" && !bytes.Contains(text, []byte("vault.properties:db")) {
			t.Error("the state does not hold the reference, so this test looks at the wrong file")
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files of state, %v", files, err)
	}
}

// TestRotatedSecret: a file of secrets that is replaced restarts the pipelines that use it, and no others.
func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secrets := write(t, dir, "secrets/path", filepath.Join(dir, "first.txt"))
	write(t, dir, "in.txt", "one\n")
	write(t, dir, "w.properties", "config.providers=dir\nconfig.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider\n"+
		"key.converter=org.apache.kafka.connect.storage.StringConverter\nvalue.converter=org.apache.kafka.connect.storage.StringConverter\n")
	write(t, dir, "in.properties", "name=in\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=lines\n")
	write(t, dir, "out.properties", "name=out\nconnector.class=FileStreamSink\ntopics=lines\nfile=${dir:"+filepath.Dir(secrets)+":path}\n")
	c := command(t, dir, "run", "w.properties", "in.properties", "out.properties")
	var said output
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	has := func(name, text string) {
		t.Helper()
		waitFor(t, name, func() bool { got, _ := os.ReadFile(filepath.Join(dir, name)); return string(got) == text })
	}
	has("first.txt", "one\n")
	if err := os.Rename(write(t, dir, "secrets/new", filepath.Join(dir, "second.txt")), secrets); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a line about the change", func() bool {
		return strings.Contains(said.String(), "secrets of the pipeline have changed, it restarts pipeline=out")
	})
	appendTo(t, filepath.Join(dir, "in.txt"), "two\n")
	has("second.txt", "two\n")
	if err := errors.Join(c.Process.Signal(os.Interrupt), c.Wait()); err != nil {
		t.Errorf("%v:\n%s", err, &said)
	}
	if text := said.String(); strings.Contains(text, "pipeline=in") {
		t.Errorf("the source was disturbed:\n%s", text)
	}
}
