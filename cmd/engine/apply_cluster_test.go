package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
)

// textConverters are the worker's in these tests.
func textConverters(more ...string) map[string]string {
	m := map[string]string{
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.storage.StringConverter",
		"session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "scheduled.rebalance.max.delay.ms": "6000",
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

const sharedProject = `
project "shop" {}

variable "place" {
  sensitive = true
  default   = "PLACE/s3cr3t.txt"
}

pipeline "lines" {
  source "file" {
    file  = var.place
    topic = "out"
  }
}

pipeline "quiet" {
  state = "paused"
  source "file" {
    file  = "PLACE/quiet.txt"
    topic = "out"
  }
}
`

// TestApplyThenPlanIsEmptyOnACluster is invariant 8 on workers of ours: also with secrets, and through another worker than
// the one that was written to.
func TestApplyThenPlanIsEmptyOnACluster(t *testing.T) {
	t.Parallel()
	servers := startTestKafka(t, "out")
	ws := []*restWorker{startShared(t, servers, textConverters()), startShared(t, servers, textConverters())}
	place, dir := t.TempDir(), t.TempDir()
	write(t, place, "s3cr3t.txt", "one\n")
	write(t, place, "quiet.txt", "two\n")
	write(t, dir, "shop.hcl", strings.ReplaceAll(sharedProject, "PLACE", place))

	on := func(w *restWorker, verb string, more ...string) (int, string) {
		return engineIn(t, "yes\n", append([]string{verb, "-url", "http://" + w.address}, append(more, dir)...)...)
	}
	status, said := on(ws[0], "plan", "-detailed-exitcode")
	if status != 2 || !strings.Contains(said, "distributed") || !strings.Contains(said, "Plan: 2 to create.") {
		t.Fatalf("the first plan: got %d and\n%s", status, said)
	}
	if status, said = on(ws[0], "apply"); status != 0 || !strings.Contains(said, "Applied: 2 of 2 created.") || strings.Contains(said, "s3cr3t") {
		t.Fatalf("apply: got %d and\n%s", status, said)
	}
	for i, w := range ws {
		if status, said = on(w, "plan", "-detailed-exitcode"); status != 0 || !strings.Contains(said, "Nothing to do: 2 connectors are as declared.") {
			t.Errorf("the plan through worker %d: got %d and\n%s", i, status, said)
		}
	}

	var all map[string]struct{ Engine map[string]any }
	got := ws[1].call(t, http.MethodGet, "/connectors?expand=engine", "")
	if err := json.Unmarshal([]byte(got.body), &all); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	mark := all["lines"].Engine
	if mark["project"] != "shop" || !strings.Contains(fmt.Sprint(mark["source"]), "shop.hcl:9:1") || mark["digest"] == nil || mark["revision"] == nil {
		t.Errorf("got the mark %v", mark)
	}

	// A write through plain REST leaves no mark, which makes the connector nobody's.
	body := fmt.Sprintf(`{"connector.class":"FileStreamSource","file":%q,"topic":"out","batch.size":"7"}`, filepath.Join(place, "quiet.txt"))
	if got := ws[1].call(t, http.MethodPut, "/connectors/quiet/config", body); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if status, said = on(ws[0], "plan"); status != 1 || !strings.Contains(said, "already runs a connector \"quiet\" with other settings") {
		t.Errorf("after a change by somebody else: got %d and\n%s", status, said)
	}
	if status, said = on(ws[0], "apply", "-adopt"); status != 0 || !strings.Contains(said, "1 of 1 changed") {
		t.Errorf("adopt: got %d and\n%s", status, said)
	}
	if status, said = on(ws[1], "plan", "-detailed-exitcode"); status != 0 {
		t.Errorf("after adopting: got %d and\n%s", status, said)
	}
	if status, said = on(ws[1], "apply", "-destroy"); status != 0 || !strings.Contains(said, "2 of 2 deleted") {
		t.Errorf("destroy: got %d and\n%s", status, said)
	}
}

// TestAChangeBetweenPlanAndApplyIsRefused: the leader compares the revision, whichever worker is asked.
func TestAChangeBetweenPlanAndApplyIsRefused(t *testing.T) {
	t.Parallel()
	servers := startTestKafka(t, "out")
	w := startShared(t, servers, textConverters())
	place, dir := t.TempDir(), t.TempDir()
	text := strings.ReplaceAll(sharedProject, "PLACE", place)
	write(t, dir, "shop.hcl", text)
	write(t, place, "s3cr3t.txt", "one\n")
	write(t, place, "quiet.txt", "two\n")
	url := "http://" + w.address
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-url", url, dir); status != 0 {
		t.Fatal(said)
	}
	write(t, dir, "shop.hcl", strings.Replace(text, `topic = "out"`, "topic = \"out\"\n    batch_size = 5", 1))
	kept := filepath.Join(t.TempDir(), "p.plan")
	if status, said := engineIn(t, "", "plan", "-out", kept, "-url", url, dir); status != 0 {
		t.Fatal(said)
	}
	// Somebody takes the mark away, which no configuration shows.
	config := w.call(t, http.MethodGet, "/connectors/lines/config", "")
	if got := w.call(t, http.MethodPut, "/connectors/lines/config", config.body); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if again := w.call(t, http.MethodGet, "/connectors/lines/config", ""); again.header.Get("ETag") == config.header.Get("ETag") {
		t.Errorf("another mark has the same ETag %s", again.header.Get("ETag"))
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-url", url, "-project", dir, kept); status != 1 || !strings.Contains(said, "[E907]") {
		t.Errorf("got %d and\n%s", status, said)
	}
}

// TestAMarkAloneRestartsNothing: another project takes over what runs, and nothing of it stops.
func TestAMarkAloneRestartsNothing(t *testing.T) {
	t.Parallel()
	source := &plugintest.ScriptedSource{}
	d := source.Descriptor()
	servers := startTestKafka(t, "out")
	w := startShared(t, servers, textConverters(), d)
	dir := t.TempDir()
	project := fmt.Sprintf("project \"one\" {}\n\npipeline \"p\" {\n  source %q {}\n}\n", d.Class)
	write(t, dir, "p.hcl", project)
	url := "http://" + w.address
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-url", url, dir); status != 0 {
		t.Fatal(said)
	}
	starts := func() int {
		return len(slices.DeleteFunc(source.Calls(), func(c plugintest.Call) bool {
			return !strings.HasSuffix(c.Name, "start") && !strings.HasSuffix(c.Name, "stop")
		}))
	}
	before := starts()
	write(t, dir, "p.hcl", "# moved down\n"+strings.Replace(project, `"one"`, `"two"`, 1))
	if status, said := engineIn(t, "", "plan", "-url", url, dir); status != 1 || !strings.Contains(strings.Join(strings.Fields(said), " "), `"p" belongs to project "one", and was last applied from `+filepath.Join(dir, "p.hcl")+":3:1.") {
		t.Errorf("somebody else's: got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "", "apply", "-auto-approve", "-take-over", "p", "-url", url, dir); status != 0 || !strings.Contains(said, "1 of 1 adopted") {
		t.Fatalf("take over: got %d and\n%s", status, said)
	}
	if status, said := engineIn(t, "", "plan", "-detailed-exitcode", "-url", url, dir); status != 0 {
		t.Errorf("after taking over: got %d and\n%s", status, said)
	}
	// A restart that does happen tells that the count would have seen one.
	if got := starts(); got != before {
		t.Errorf("a mark has started or stopped something: %d calls, and %d before", got, before)
	}
	if got := w.call(t, http.MethodPost, "/connectors/p/restart?includeTasks=true", ""); got.status != http.StatusAccepted {
		t.Fatal(got)
	}
	eventually(t, patience, func() (bool, string) { return starts() > before, "no restart is seen" })
}

// TestOffsetsAndStateChangeOneAfterTheOther: while one worker changes the offsets of a stopped connector, which may take as long
// as the connector's say in it, no other starts or deletes it (invariants 1 and 5).
func TestOffsetsAndStateChangeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 1), make(chan struct{})
	source := &plugintest.ScriptedSource{OnAlter: func(plugin.Config, []plugin.OffsetChange) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	servers := startTestKafka(t, "out")
	ws := []*restWorker{startShared(t, servers, textConverters(), source.Descriptor()), startShared(t, servers, textConverters(), source.Descriptor())}
	body := `{"name":"p","config":{"connector.class":"penstock.ScriptedSource"}}`
	if got := ws[0].call(t, http.MethodPost, "/connectors", body); got.status != http.StatusCreated {
		t.Fatal(got)
	}
	eventually(t, patience, func() (bool, string) { return ws[1].running(t, "p") })
	offsets := `{"offsets":[{"partition":{"p":"1"},"offset":{"o":7}}]}`
	if got := ws[1].call(t, http.MethodPatch, "/connectors/p/offsets", offsets); got.status != http.StatusBadRequest || !strings.Contains(got.body, "STOPPED") {
		t.Errorf("while it runs: got %s", got)
	}
	if got := ws[0].call(t, http.MethodPut, "/connectors/p/stop", ""); got.status != http.StatusNoContent {
		t.Fatal(got)
	}
	changed := make(chan reply, 1)
	go func() {
		got, _ := ask(ws[1].address, restRequest{Method: http.MethodPatch, Path: "/connectors/p/offsets", Body: &offsets}, func(s string) string { return s })
		changed <- got
	}()
	select {
	case <-entered:
	case got := <-changed:
		t.Fatalf("right after the stop: got %s", got)
	}
	for _, c := range [][2]string{{http.MethodPut, "/connectors/p/resume"}, {http.MethodDelete, "/connectors/p"}, {http.MethodDelete, "/connectors/p/offsets"}} {
		if got := ws[0].call(t, c[0], c[1], ""); got.status != http.StatusConflict || !strings.Contains(got.body, "being changed") {
			t.Errorf("meanwhile %v: got %s", c, got)
		}
	}
	close(release)
	if got := <-changed; got.status != http.StatusOK {
		t.Errorf("the change: got %s", got)
	}
	if got := ws[0].call(t, http.MethodGet, "/connectors/p/offsets", ""); !strings.Contains(got.body, `"offset":{"o":7}`) {
		t.Errorf("afterwards: got %s", got)
	}
	if got := ws[0].call(t, http.MethodPut, "/connectors/p/resume", ""); got.status != http.StatusAccepted {
		t.Errorf("afterwards: got %s", got)
	}
}

// workerProcess is `engine worker` as a process of its own.
func workerProcess(t *testing.T, servers testKafka) (*exec.Cmd, *restWorker) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "worker.properties", sharedSettings(servers, textConverters()))
	c := command(t, dir, "worker", "worker.properties")
	var out output
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // at worst it has ended
		<-ended
		if t.Failed() {
			t.Logf("a worker said:\n%s", out.String())
		}
	})
	w := &restWorker{shared: true}
	eventually(t, patience, func() (bool, string) {
		_, address, found := strings.Cut(out.String(), "REST API at http://")
		w.address, _, _ = strings.Cut(address, "\n")
		return found && strings.Contains(address, "\n"), out.String()
	})
	return c, w
}

// TestTheLeaderIsKilledDuringApply: what was applied stays, what was not is told, and the next apply ends it; after that the
// plan is empty.
func TestTheLeaderIsKilledDuringApply(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for a session to end")
	}
	servers := startTestKafka(t, "out")
	var processes []*exec.Cmd
	var ws []*restWorker
	for range 3 {
		p, w := workerProcess(t, servers)
		processes, ws = append(processes, p), append(ws, w)
	}
	eventually(t, patience, func() (bool, string) {
		is := plan(t, ws[0])
		return len(is.Members) == 3 && is.Leader != "", fmt.Sprintf("%+v", is)
	})
	place, dir := t.TempDir(), t.TempDir()
	const pipelines = 24
	text := "project \"many\" {}\n"
	for i := range pipelines {
		name := fmt.Sprintf("in-%02d", i)
		write(t, place, name, "one\n")
		text += fmt.Sprintf("pipeline %q {\n  source \"file\" {\n    file = %q\n    topic = \"out\"\n  }\n}\n", name, filepath.Join(place, name))
	}
	write(t, dir, "many.hcl", text)
	leader := slices.IndexFunc(ws, func(w *restWorker) bool { is := plan(t, w); return is.Leader == is.Worker })
	asked := ws[(leader+1)%3]
	applied := make(chan string, 1)
	go func() {
		_, said := engineIn(t, "", "apply", "-auto-approve", "-no-canary", "-wait", "40s", "-url", "http://"+asked.address, dir)
		applied <- said
	}()
	eventually(t, patience, func() (bool, string) {
		var names []string
		got := asked.call(t, http.MethodGet, "/connectors", "")
		return json.Unmarshal([]byte(got.body), &names) == nil && len(names) >= 3, got.String()
	})
	if err := processes[leader].Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	said := <-applied
	other := ws[(leader+2)%3]
	eventually(t, patience, func() (bool, string) {
		is := plan(t, other)
		return len(is.Members) == 2 && is.Leader != "", fmt.Sprintf("%+v", is)
	})
	status, again := engineIn(t, "", "apply", "-auto-approve", "-url", "http://"+other.address, dir)
	if status != 0 {
		t.Fatalf("the second apply: got %d and\n%s\nafter the first\n%s", status, again, said)
	}
	for _, w := range []*restWorker{asked, other} {
		if status, said := engineIn(t, "", "plan", "-detailed-exitcode", "-url", "http://"+w.address, dir); status != 0 || !strings.Contains(said, "24 connectors are as declared") {
			t.Errorf("plan: got %d and\n%s", status, said)
		}
	}
	var all map[string]api.ConnectorInfo
	if err := json.Unmarshal([]byte(other.call(t, http.MethodGet, "/connectors?expand=info", "").body), &all); err != nil || len(all) != pipelines {
		t.Errorf("got %d connectors, %v", len(all), err)
	}
}
