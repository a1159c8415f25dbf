package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/api"
)

// TestProgressOfACluster: each worker tells of the tasks that run there, and engine status asks them all.
func TestProgressOfACluster(t *testing.T) {
	t.Parallel()
	k := startTestKafka(t, "progress-out")
	settings := textConverters()
	settings["group.id"] = k.name("progress")
	settings["offset.flush.interval.ms"] = "100"
	ws := []*restWorker{startShared(t, k, settings), startShared(t, k, settings)}
	eventually(t, 30*time.Second, func() (bool, string) { // so that no task moves later, and leaves its counts behind
		got := ws[0].call(t, http.MethodGet, "/plan", "")
		return strings.Count(got.body, `"id":`) == len(ws), got.String()
	})
	dir := t.TempDir()
	var names []string
	for i := range 4 {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		write(t, dir, name+".txt", "one\ntwo\n")
		body := fmt.Sprintf(`{"connector.class":"FileStreamSource","file":%q,"topic":%q}`, filepath.Join(dir, name+".txt"), "progress-out")
		if got := ws[0].call(t, http.MethodPut, "/connectors/"+name+"/config", body); got.status != http.StatusCreated {
			t.Fatal(got)
		}
	}
	eventually(t, 30*time.Second, func() (bool, string) { return ws[0].running(t, names...) })

	// How many tasks a worker itself tells of.
	tells := func(w *restWorker) (n int) {
		got := w.call(t, http.MethodGet, "/connectors?expand=engine", "")
		var all map[string]struct{ Engine api.Beyond }
		if err := json.Unmarshal([]byte(got.body), &all); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		for _, c := range all {
			n += len(c.Engine.Tasks)
		}
		return n
	}
	eventually(t, 30*time.Second, func() (bool, string) {
		first, second := tells(ws[0]), tells(ws[1])
		return first == 2 && second == 2, fmt.Sprintf("the workers tell of %d and %d tasks", first, second)
	})
	for _, w := range ws {
		eventually(t, 30*time.Second, func() (bool, string) {
			status, out, said := engineWith(t, nil, "status", "-url", "http://"+w.address)
			lag := regexp.MustCompile(`(?m)^c\d +source +RUNNING +1/1 running +newest [0-9.]+ s ago$`).FindAllString(out, -1)
			return status == 0 && len(lag) == 4, out + said
		})
	}
	status, out, said := engineWith(t, nil, "status", "-json", "-url", "http://"+ws[1].address)
	if status != 0 || strings.Count(out, `"records_read": 2`) != 4 {
		t.Errorf("as JSON: got %d and\n%s%s", status, out, said)
	}
}

// TestAWorkerThatDoesNotAnswerIsNotWaitedFor: what runs there is then not known.
func TestAWorkerThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"c":{"status":{"name":"c","type":"source","connector":{"state":"RUNNING"},"tasks":[{"id":0,"state":"RUNNING"}]},"engine":{"current":true,"target":"STARTED","tasks":[]}}}`
		switch r.URL.Path {
		case "/plan":
			body = `{"worker":"a","members":[{"id":"a","address":"here:1"},{"id":"b","address":"127.0.0.1:1"},{"id":"c"}]}`
		case "/config":
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	status, out, said := engineWith(t, nil, "status", "-url", server.URL)
	if status != 0 || !regexp.MustCompile(`(?m)^c +source +RUNNING +1/1 running +-$`).MatchString(out) {
		t.Errorf("got %d and\n%s%s", status, out, said)
	}
}

// TestVersionsAreCompared: those of the Confluent Platform count as the Apache Kafka that they have.
func TestVersionsAreCompared(t *testing.T) {
	t.Parallel()
	for version, older := range map[string]string{ // to the least of 2.3.0, 3.5.0 and 3.7.0 that they are older than
		"2.2.9": "2.3.0", "2.3.0": "3.5.0", "3.4.1": "3.5.0", "3.5.0": "3.7.0", "3.6.2": "3.7.0", "3.7.0": "", "4.3.1": "", "3.7.0-SNAPSHOT": "",
		"5.2.4-ccs": "2.3.0", "5.3.0-ccs": "3.5.0", "6.2.1-ce": "3.5.0", "7.4.0-ccs": "3.5.0", "7.5.1-ccs": "3.7.0", "7.6.0-ce": "3.7.0", "7.7.0-ccs": "", "8.0.0-ccs": "",
		"4.1.3-ccs": "2.3.0", "": "", "unknown": "",
	} {
		got := ""
		for _, than := range []string{tellsAll, stops, beginsWith} {
			if olderThan(version, than) {
				got = than
				break
			}
		}
		if got != older {
			t.Errorf("%q: got older than %q, want %q", version, got, older)
		}
	}
}
