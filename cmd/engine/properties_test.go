package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installed is what a standalone Kafka Connect leaves behind: its files, with the offset that Java wrote for test.txt.
func installed(t *testing.T, offsets string) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("..", "..", "store", "testdata", offsets))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "connect.offsets", string(data))
	write(t, dir, "test.txt", "these lines were sent by Java\nfourth\nfifth\n")
	write(t, dir, "connect-standalone.properties", `# as Kafka ships it
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
key.converter.schemas.enable=true
value.converter.schemas.enable=true
offset.storage.file.filename=connect.offsets
offset.flush.interval.ms=10000
`)
	write(t, dir, "source.properties", "name=local-file-source\nconnector.class=FileStreamSource\ntasks.max=1\nfile=test.txt\ntopic=connect-test\n")
	write(t, dir, "sink.json", `{"name": "local-file-sink", "config": {"connector.class": "FileStreamSink", "tasks.max": "1", "file": "test.sink.txt", "topics": "connect-test"}}`)
	return dir
}

func runInstallation(t *testing.T, dir string) (string, error) {
	t.Helper()
	said, err := command(t, dir, "run", "-until-idle", "connect-standalone.properties", "source.properties", "sink.json").CombinedOutput()
	return string(said), err
}

// TestStandaloneInstallation starts what Kafka Connect had, where it stopped, and imports its offsets only once.
func TestStandaloneInstallation(t *testing.T) {
	t.Parallel()
	dir := installed(t, "connect.offsets")
	for n, more := range []string{"", "sixth\n"} {
		f, err := os.OpenFile(filepath.Join(dir, "test.txt"), os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(more); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		said, err := runInstallation(t, dir)
		if err != nil {
			t.Fatalf("%v:\n%s", err, said)
		}
		if imported := strings.Contains(said, "offsets of Kafka Connect were imported"); imported != (n == 0) {
			t.Errorf("run %d: imported is %v:\n%s", n, imported, said)
		}
		got, err := os.ReadFile(filepath.Join(dir, "test.sink.txt"))
		if want := "fourth\nfifth\n" + more; err != nil || string(got) != want {
			t.Errorf("run %d: got %q, %v, want %q", n, got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".engine", "state.db")); err != nil {
		t.Errorf("the state is not beside the worker's file: %v", err)
	}
}

func TestDamagedOffsetsOfKafkaConnect(t *testing.T) {
	t.Parallel()
	dir := installed(t, "strings.offsets")
	said, err := runInstallation(t, dir)
	if err == nil || !strings.Contains(said, "[E006]") || !strings.Contains(said, "connect-standalone.properties:6:30") {
		t.Errorf("got %v:\n%s", err, said)
	}
}
