package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/engine/diag"
)

// registryAddress finds the embedded registry in what the engine has said.
var registryAddress = regexp.MustCompile(`Schema Registry at (\S+)`)

// TestBrokerServesTheRegistry registers a schema beside `engine broker`, kills the process and finds the schema after the
// next start.
func TestBrokerServesTheRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begin := func() (url string, end func(os.Signal)) {
		c := command(t, dir, "broker", "-data", "b", "-listen", "127.0.0.1:0", "-registry", "127.0.0.1:0")
		var told output
		c.Stdout, c.Stderr = &told, &told
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the start", func() bool { return strings.Contains(told.String(), "Ctrl-C stops") })
		return registryAddress.FindStringSubmatch(told.String())[1], func(s os.Signal) {
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); s == os.Interrupt && err != nil {
				t.Fatalf("the stop: %v\n%s", err, told.String())
			}
		}
	}
	url, end := begin()
	const schema = `{"schema":"\"string\""}`
	if got, want := askRegistry(t, http.MethodPost, url+"/subjects/s/versions", schema), `"id":1`; !strings.Contains(got, want) {
		t.Fatalf("got %s, want %s", got, want)
	}
	end(os.Kill)

	url, end = begin()
	if got, want := askRegistry(t, http.MethodGet, url+"/schemas/ids/1", ""), `"schema":"\"string\""`; !strings.Contains(got, want) {
		t.Errorf("after a kill: got %s, want %s", got, want)
	}
	end(os.Interrupt)
}

func askRegistry(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // no connection may outlive the test
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestRegistryAddresses: `engine broker` refuses addresses of the registry that are taken or that others could reach, and
// leaves no broker behind.
func TestRegistryAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	for _, c := range []struct {
		address string
		code    diag.Code
	}{{busy.Addr().String(), diag.AddressInUse}, {"0.0.0.0:0", diag.InvalidValue}, {"nowhere", diag.InvalidValue}} {
		text, err := command(t, dir, "broker", "-data", filepath.Join(dir, "b"), "-listen", "127.0.0.1:0", "-registry", c.address).CombinedOutput()
		if err == nil || !strings.Contains(string(text), string(c.code)) {
			t.Errorf("-registry %s: got %v and\n%s\nwant %s", c.address, err, text, c.code)
		}
	}
}

// TestRunServesTheRegistry: a run with the development broker serves a registry and gives its address to converters that
// name none; one with a cluster does neither.
func TestRunServesTheRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.hcl", crashProject)
	write(t, dir, "in.txt", "one\n")
	text, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput()
	if err != nil || !registryAddress.Match(text) {
		t.Errorf("got %v and\n%s\nwant the address of the registry", err, text)
	}
	r := &run{process: process{out: io.Discard, err: io.Discard, env: func(string) (string, bool) { return "", false }}}
	write(t, dir, "p.hcl", strings.Replace(crashProject, patientStop, "worker {\n  bootstrap_servers = [\"127.0.0.1:1\"]\n}\n", 1))
	pr, err := r.load([]string{dir}, variables{})
	if err != nil {
		t.Fatal(err)
	}
	r.loaded.Store(pr)
	if err := r.startRegistry(t.Context()); err != nil || r.registry != nil || pr.worker.Registry != "" {
		t.Errorf("with a cluster: got %v, a registry %v, its address %q; want none", err, r.registry != nil, pr.worker.Registry)
	}
}

// TestRunThroughTheRegistry: a run without an address of a registry writes a topic with registered schemas by the embedded
// one, and reads it back.
func TestRunThroughTheRegistry(t *testing.T) {
	t.Parallel()
	for _, converter := range []string{"avro", "json_schema"} {
		t.Run(converter, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			project := strings.ReplaceAll(crashProject, `value_converter "json"`, `value_converter "`+converter+`"`)
			write(t, dir, "p.hcl", strings.ReplaceAll(project, "    schemas_enable = false\n", ""))
			const lines = "one\ntwo \"quoted\" é 😀\n\nfour\n"
			write(t, dir, "in.txt", lines)
			if text, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			out, err := os.ReadFile(filepath.Join(dir, "out.txt"))
			if err != nil || string(out) != lines {
				t.Errorf("got %q (%v), want %q", out, err, lines)
			}
			for i, value := range firstValues(t, dir, "lines", strings.Count(lines, "\n")) {
				if !strings.HasPrefix(value, "\x00\x00\x00\x00\x01") {
					t.Errorf("record %d: got %q, want the id of a schema before it", i, value)
				}
			}
		})
	}
}

// firstValues are the first n values of a topic of the development broker that a run in dir has left.
func firstValues(t *testing.T, dir, topic string, n int) (values []string) {
	t.Helper()
	b, err := broker.Start(broker.Settings{Dir: filepath.Join(dir, ".engine", "broker")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}
