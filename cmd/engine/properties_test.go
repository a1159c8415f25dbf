package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// TestPropertiesAreWatched: the files of a Kafka Connect installation are loaded again like those of a folder, all or
// nothing, and a state that somebody asked for outlives the initial_state of a file.
func TestPropertiesAreWatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in.txt", "one\n")
	write(t, dir, "w.properties", "listeners=http://127.0.0.1:0\nkey.converter=org.apache.kafka.connect.storage.StringConverter\nvalue.converter=org.apache.kafka.connect.storage.StringConverter\n")
	write(t, dir, "in.properties", "name=in\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=lines\n")
	out := `{"name":"out","initial_state":"RUNNING","config":{"connector.class":"FileStreamSink","topics":"lines","file":"%s"}}`
	write(t, dir, "out.json", fmt.Sprintf(out, "first.txt"))
	c := command(t, dir, "run", "w.properties", "in.properties", "out.json")
	var said output
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	says := func(pattern string) []string {
		t.Helper()
		re := regexp.MustCompile(pattern)
		waitFor(t, pattern, func() bool { return re.MatchString(said.String()) })
		return re.FindStringSubmatch(said.String())
	}
	has := func(name, text string) {
		t.Helper()
		waitFor(t, name, func() bool { got, _ := os.ReadFile(filepath.Join(dir, name)); return string(got) == text })
	}
	w := &restWorker{address: says(`REST API at http://(\S+)`)[1]}
	has("first.txt", "one\n")

	write(t, dir, "out.json", fmt.Sprintf(out, "second.txt"))
	says(`out\.json changed: loaded \(revision 2\)\. 1 changed, 1 untouched\.\n +~ out   file first\.txt → second\.txt`)
	appendTo(t, filepath.Join(dir, "in.txt"), "two\n")
	has("second.txt", "two\n")

	tell(t, w, "pause", "out")
	write(t, dir, "in.properties", "name=in\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=lines\nbatch.size=x\n")
	says(`in\.properties changed: NOT loaded\. Still running revision 2`)
	says(`on in\.properties:5:12`)
	write(t, dir, "in.properties", "name=in\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=lines\nbatch.size=7\n")
	says(`in\.properties changed: loaded \(revision 3\)\. 1 changed, 1 untouched\.`)
	if got := tell(t, w, "status", "out"); !strings.Contains(got, "PAUSED") {
		t.Errorf("the pause did not outlive a load:\n%s", got)
	}

	if err := os.Remove(filepath.Join(dir, "out.json")); err != nil {
		t.Fatal(err)
	}
	says(`out\.json removed: waiting 2 s for it to come back`)
	says(`NOT loaded\. Still running revision 3`)
	says(`There is no file out\.json`)
	write(t, dir, "out.json", fmt.Sprintf(out, "second.txt"))
	if got := tell(t, w, "reload"); !strings.Contains(got, "2 untouched") {
		t.Errorf("reload: got\n%s", got)
	}
	if err := errors.Join(c.Process.Signal(os.Interrupt), c.Wait()); err != nil {
		t.Errorf("%v:\n%s", err, &said)
	}
}
