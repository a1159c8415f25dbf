package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// output keeps what a process writes. It is safe for concurrent use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// brokerAddress finds the development broker in what the engine has said.
var brokerAddress = regexp.MustCompile(`Development broker at (\S+),`)

// TestTopicDeletedUnderARunningTask deletes the topic that a source writes and a sink reads: it is told, what is written
// to the input afterwards is not lost, and the next start delivers it.
func TestTopicDeletedUnderARunningTask(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.hcl", crashProject)
	in := write(t, dir, "in.txt", "one\ntwo\n")
	out := filepath.Join(dir, "out.txt")
	c := command(t, dir, "run", ".")
	var told output
	c.Stdout, c.Stderr = &told, &told
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first lines", func() bool { text, _ := os.ReadFile(out); return string(text) == "one\ntwo\n" })

	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddress.FindStringSubmatch(told.String())[1]))
	if err != nil {
		t.Fatal(err)
	}
	deleted, err := kadm.NewClient(client).DeleteTopic(t.Context(), "lines")
	client.Close()
	if err != nil || deleted.Err != nil {
		t.Fatal(err, deleted.Err)
	}
	appendTo(t, in, "three\n")
	waitFor(t, "a message about the topic", func() bool { return strings.Contains(told.String(), "[E010]") })
	if strings.Contains(told.String(), "goroutine ") {
		t.Errorf("a stack trace:\n%s", told.String())
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("the stop: %v\n%s", err, told.String())
	}

	appendTo(t, in, "four\n")
	if text, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput(); err != nil {
		t.Fatalf("the next run: %v\n%s", err, text)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "one\ntwo\n") || !strings.HasSuffix(string(text), "three\nfour\n") {
		t.Errorf("the output is %q, want all four lines in order", text)
	}
}

// TestAppendedLineArrives appends to a file under a running source: the line is in the sink's file within a second, which
// the default of a minute between commits or a long poll would not allow; the test's own deadline is far longer.
func TestAppendedLineArrives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.hcl", crashProject)
	in := write(t, dir, "in.txt", "one\n")
	out := filepath.Join(dir, "out.txt")
	c := command(t, dir, "run", ".")
	var told output
	c.Stdout, c.Stderr = &told, &told
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	want := "one\n"
	for _, line := range []string{"two\n", "half", " and half\n"} {
		waitFor(t, "the lines so far", func() bool {
			text, _ := os.ReadFile(out)
			return string(text) == want[:strings.LastIndexByte(want, '\n')+1]
		})
		appendTo(t, in, line)
		want += line
	}
	waitFor(t, "the last line", func() bool { text, _ := os.ReadFile(out); return string(text) == want })
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("the stop: %v\n%s", err, told.String())
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
