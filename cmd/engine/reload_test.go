package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

// patience is how long a test waits for what comes about in a moment on a machine of its own.
const patience = 2 * time.Minute

// patientStop is a stop budget that no loaded machine uses up: a task that is given up repeats what it had not stored.
const patientStop = "worker {\n  task_shutdown_graceful_timeout_ms = 120000\n}\n"

// running is `engine run` inside of the test, on a store in memory that the test can look into.
type running struct {
	t     testing.TB
	dir   string
	run   *run
	store store.Store
	end   context.CancelFunc
	ended chan error
	out   *output
}

// startRun runs a folder until the test ends, and returns once the pipelines are declared.
func startRun(t testing.TB, dir string, watch bool) *running {
	t.Helper()
	return startRunOn(t, dir, watch, memory.Open())
}

// startRunOn does so on a store; env are names and values of the environment.
func startRunOn(t testing.TB, dir string, watch bool, st store.Store, env ...string) *running {
	t.Helper()
	out := &output{}
	r := &running{t: t, dir: dir, out: out, ended: make(chan error, 1), store: st}
	r.run = &run{process: process{out: out, err: out, env: func(name string) (string, bool) {
		for i := 0; i < len(env); i += 2 {
			if env[i] == name {
				return env[i+1], true
			}
		}
		return "", false
	}}, data: t.TempDir(), watch: watch}
	r.run.screen = newScreen(r.run.process)
	r.run.loggers = newLoggers(r.run.process, r.run.screen)
	r.run.log = r.run.loggers.Logger(engineLogger)
	pr, err := r.run.load([]string{dir}, variables{})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.run.loaded.Store(pr)
	if err := r.run.startBroker(); err != nil {
		t.Fatal(err)
	}
	if len(pr.worker.Listeners) > 0 {
		if err := r.run.listen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	go func() { r.ended <- r.run.engine(ctx, r.store) }()
	t.Cleanup(func() { r.stop() })
	r.await("the start", func() bool { return strings.Contains(out.String(), "Ctrl-C stops") })
	return r
}

// stop ends the run cleanly; the broker lives until the test ends.
func (r *running) stop() {
	if r.ended == nil {
		return
	}
	r.end()
	err := <-r.ended
	r.ended = nil
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("it said:\n%s", r.out)
		}
		if r.run.broker != nil {
			if err := r.run.broker.Close(); err != nil {
				r.t.Error(err)
			}
		}
		if err := r.store.Close(); err != nil {
			r.t.Error(err)
		}
	})
	if err != nil {
		r.t.Errorf("the run ended with %v", err)
	}
}

func (r *running) await(what string, holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-late:
			r.t.Fatalf("%s: not in time; it said:\n%s", what, r.out)
		}
	}
}

// says waits until the output matches.
func (r *running) says(pattern string) {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	r.await(fmt.Sprintf("%q", pattern), func() bool { return re.MatchString(r.out.String()) })
}

func (r *running) count(text string) int { return strings.Count(r.out.String(), text) }

// configs is what is stored, which is what runs (invariant 4), by name.
func (r *running) configs() map[string]config.Map {
	r.t.Helper()
	s, err := r.store.Snapshot(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]config.Map{}
	for name, c := range s.Connectors {
		all[name] = c.Config
	}
	return all
}

// runs waits until exactly these pipelines run with all their tasks.
func (r *running) runs(names ...string) {
	r.t.Helper()
	r.await(fmt.Sprintf("%v to run", names), func() bool {
		s, err := r.store.Snapshot(context.Background())
		if err != nil {
			r.t.Fatal(err)
		}
		statuses, err := r.store.Statuses().All(context.Background())
		if err != nil {
			r.t.Fatal(err)
		}
		if len(s.Connectors) != len(names) {
			return false
		}
		for _, n := range names {
			c, ok := s.Connectors[n]
			tasks := 0
			for _, st := range statuses {
				if st.Connector == n && st.Task >= 0 && st.State == store.StateRunning {
					tasks++
				}
			}
			if !ok || c.TasksFor != c.Revision || tasks < len(c.Tasks) || tasks == 0 {
				return false
			}
		}
		return true
	})
}

func datagen(name string, settings ...string) string {
	return fmt.Sprintf("pipeline %q {\n  source \"datagen\" {\n    topic = %q\n    rate  = 100\n    %s\n  }\n}\n", name, name, strings.Join(settings, "\n    "))
}

func (r *running) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func project1(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRule06AFolderLoadsAsAWholeOrNotAtAll changes two files, one of them wrongly.
func TestRule06AFolderLoadsAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a"), "b.hcl": datagen("b")}), true)
	r.runs("a", "b")
	before := r.configs()
	r.write("a.hcl", datagen("a", "batch_size = 7"))
	r.write("b.hcl", datagen("b", "bach_size = 7"))
	r.says(`a\.hcl, b\.hcl changed: NOT loaded\. Still running revision 1\.`)
	r.says(`(?s)on .*b\.hcl:5:5, in pipeline "b".*bach_size.*Did you\s+mean`)
	if diff := cmp.Diff(before, r.configs()); diff != "" {
		t.Errorf("what runs has changed (-before +after):\n%s", diff)
	}
	r.write("b.hcl", datagen("b"))
	r.says(`b\.hcl changed: loaded \(revision 2\)\. 1 changed, 1 untouched\.\n +~ a   batch\.size \(not set\) → 7`)
	r.says(`a: running, 1 of 1 task\n`)
	if got := r.configs()["a"]["batch.size"]; got != "7" {
		t.Errorf("batch.size of a is %q, want 7", got)
	}
	if n := r.count("Error:"); n != 1 {
		t.Errorf("the error was told %d times, want once", n)
	}
}

// TestRule07OnlyWhatChangedRestarts makes one of each: new, changed, gone, untouched.
func TestRule07OnlyWhatChangedRestarts(t *testing.T) {
	t.Parallel()
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a"), "b.hcl": datagen("b"), "c.hcl": datagen("c")}), true)
	r.runs("a", "b", "c")
	was, err := r.store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.write("a.hcl", "# only moved down\n"+datagen("a"))
	r.write("b.hcl", datagen("b", "batch_size = 7"))
	r.write("d.hcl", datagen("d"))
	if err := os.Remove(filepath.Join(r.dir, "c.hcl")); err != nil {
		t.Fatal(err)
	}
	r.says(`c\.hcl removed: stopping in 2 s: c\n`)
	r.says(`loaded \(revision 2\)\. 1 new, 1 changed, 1 stopped, 1 untouched\.\n +\+ d\n +~ b   batch\.size \(not set\) → 7\n +- c\n`)
	r.runs("a", "b", "d")
	is, err := r.store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was.Connectors["a"], is.Connectors["a"]); diff != "" {
		t.Errorf("a was touched (-before +after):\n%s", diff)
	}
	if was.Connectors["b"].Revision == is.Connectors["b"].Revision {
		t.Error("b has the revision that it had")
	}
}

// TestRule08APipelineThatCannotStartFailsAlone loads a file that is right and whose pipeline fails when it starts.
func TestRule08APipelineThatCannotStartFailsAlone(t *testing.T) {
	t.Parallel()
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a")}), true)
	r.runs("a")
	r.write("b.hcl", "# a line before\npipeline \"b\" {\n  sink \"file\" {\n    topics = [\"a\"]\n    file   = \"/nowhere/at/all\"\n  }\n}\n")
	r.says(`b\.hcl changed: loaded \(revision 2\)\. 1 new, 1 untouched\.`)
	r.says(`(?s)Error: .*on .*b\.hcl:[25]:.*Pipeline b.*/nowhere/at/all`)
	r.await("b to be FAILED", func() bool {
		statuses, err := r.store.Statuses().All(t.Context())
		return err == nil && slices.ContainsFunc(statuses, func(s store.Status) bool { return s.Connector == "b" && s.State == store.StateFailed })
	})
	if r.configs()["b"] == nil || r.configs()["a"] == nil {
		t.Errorf("stored are %v, want a and b: the file is the truth", r.configs())
	}
	// Places follow the newest load: the pipeline moves, fails again, and the message names its new line.
	r.write("b.hcl", "#\n#\n#\n#\npipeline \"b\" {\n  sink \"file\" {\n    topics = [\"a\"]\n    file   = \"/nowhere/else\"\n  }\n}\n")
	r.says(`(?s)on .*b\.hcl:[58]:.*Pipeline b.*/nowhere/else`)
}

// TestRule09WorkerSettingsAreNotReloaded changes the worker block together with a pipeline.
func TestRule09WorkerSettingsAreNotReloaded(t *testing.T) {
	t.Parallel()
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a")}), true)
	r.runs("a")
	worker := r.run.project().worker
	r.write("w.hcl", "worker {\n  offset_flush_interval_ms = 5000\n}\n")
	r.write("a.hcl", datagen("a", "batch_size = 7"))
	r.says(`a\.hcl, w\.hcl changed: loaded \(revision 2\)\. 1 changed\.`)
	r.says(`the worker block changed; restart to apply: offset\.flush\.interval\.ms\n`)
	if got := r.run.project().worker; got != worker || got.FlushInterval != time.Second {
		t.Errorf("the flush interval is %v, want 1s as at the start", got.FlushInterval)
	}
	r.write("w.hcl", "worker {\n  offset_flush_interval_ms = \"soon\"\n}\n")
	r.says(`w\.hcl changed: NOT loaded\. Still running revision 2`)
	r.write("w.hcl", "# nothing\n")
	r.says(`the worker block is again the one that runs\n`)
}

// TestRule11SignalAndRequestLoadAtOnce works without watching: then nothing else loads. The signal reaches every run in the
// process, so this test runs by itself.
func TestRule11SignalAndRequestLoadAtOnce(t *testing.T) {
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a"), "b.hcl": datagen("b")}), false)
	r.runs("a", "b")
	r.write("a.hcl", datagen("a", "bach_size = 7"))
	o, err := r.run.reloads.Reload(t.Context())
	if err != nil || len(o.changes.Changed) != 0 || !o.found.HasErrors() || o.fresh {
		t.Errorf("a reload with errors returned %+v, %v", o, err)
	}
	r.write("a.hcl", datagen("a", "batch_size = 7"))
	o, err = r.run.reloads.Reload(t.Context())
	if err != nil || o.found.HasErrors() || !slices.Equal(o.changes.Changed, []string{"a"}) || !slices.Equal(o.changes.Untouched, []string{"b"}) || !o.fresh {
		t.Errorf("a reload returned %+v, %v", o, err)
	}
	if got := r.configs()["a"]["batch.size"]; got != "7" {
		t.Errorf("batch.size is %q when the reload has returned, want 7", got)
	}
	r.write("a.hcl", datagen("a", "batch_size = 8"))
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.says(`reload asked for: loaded \(revision 3\)\. 1 changed, 1 untouched\.\n +~ a   batch\.size 7 → 8`)

	if out := r.out.String(); strings.Contains(out, "a.hcl changed") {
		t.Errorf("files were watched although they should not be:\n%s", out)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.run.reloads.Reload(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a reload whose context has ended returned %v", err)
	}
}

// TestUnchangedFilesAreNoNewRevision asks for a reload of what runs, and after errors of what ran before them.
func TestUnchangedFilesAreNoNewRevision(t *testing.T) {
	t.Parallel()
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a")}), false)
	r.runs("a")
	reload := func(fresh bool, revision int) {
		t.Helper()
		o, err := r.run.reloads.Reload(t.Context())
		if err != nil || o.fresh != fresh || r.run.book.revision() != revision {
			t.Errorf("got %+v, %v and revision %d, want %d", o, err, r.run.book.revision(), revision)
		}
	}
	reload(false, 1)
	r.says(`reload asked for: nothing changed \(revision 1\)\. 1 untouched\.\n`)
	first := r.run.book.configuration()

	r.write("a.hcl", datagen("a", "bach_size = 7"))
	reload(false, 1)
	r.write("a.hcl", datagen("a"))
	reload(false, 1)
	if is := r.run.book.configuration(); !is.Last.Loaded || is.Since != first.Since || is.Hash != first.Hash {
		t.Errorf("the errors are gone: got %+v, want it to be as %+v", is, first)
	}
	if is := r.run.book.loads(); is.Succeeded != 1 || is.Refused != 1 || !is.Good {
		t.Errorf("got the metrics %+v, want 1 load, 1 refused, and the newest good", is)
	}

	r.write("a.hcl", datagen("a")+"# a remark\n") // the text is another one, and GET /config tells its hash
	reload(true, 2)
	reload(false, 2)
}

// TestSecretsAreNotShownInWhatChanged reloads a pipeline whose sensitive settings change.
func TestSecretsAreNotShownInWhatChanged(t *testing.T) {
	t.Parallel()
	text := func(secret, plain string) string {
		return fmt.Sprintf("variable \"s\" {\n  sensitive = true\n  default = %q\n}\n", secret) +
			datagen("a", "key = \"id\"", "seed = var.s") + fmt.Sprintf("locals {\n  x = %q\n}\n", plain)
	}
	r := startRun(t, project1(t, map[string]string{"a.hcl": text("4711", "x")}), true)
	r.runs("a")
	r.write("a.hcl", text("4712", "x"))
	r.says(`loaded \(revision 2\)\. 1 changed\.\n +~ a   seed \(hidden\) → \(hidden\)\n`)
	if out := r.out.String(); strings.Contains(out, "4711") || strings.Contains(out, "4712") {
		t.Errorf("a secret was shown:\n%s", out)
	}
}

// TestStateOfAFileIsAChange pauses a pipeline by its file.
func TestStateOfAFileIsAChange(t *testing.T) {
	t.Parallel()
	r := startRun(t, project1(t, map[string]string{"a.hcl": datagen("a"), "b.hcl": datagen("b")}), true)
	r.runs("a", "b")
	r.write("a.hcl", strings.Replace(datagen("a"), "{\n", "{\n  state = \"paused\"\n", 1))
	r.says(`1 changed, 1 untouched\.\n +~ a   state as it is → paused`)
	r.says(`a: paused`)
}

// refusing is a store that cannot store what a reload asks for, once.
type refusing struct {
	store.Store
	refuse atomic.Bool
}

func (s *refusing) Submit(ctx context.Context, r store.Request) (store.Answer, error) {
	if s.refuse.CompareAndSwap(true, false) {
		return store.Answer{}, fmt.Errorf("write the file: %w", syscall.ENOSPC)
	}
	return s.Store.Submit(ctx, r)
}

// TestALoadThatCannotBeStoredIsTriedAgain fails to store a change: nothing changes, and a while later it is there.
func TestALoadThatCannotBeStoredIsTriedAgain(t *testing.T) {
	t.Parallel()
	st := &refusing{Store: memory.Open()}
	r := startRunOn(t, project1(t, map[string]string{"a.hcl": datagen("a")}), true, st)
	r.runs("a")
	st.refuse.Store(true)
	r.write("a.hcl", datagen("a", "batch_size = 7"))
	r.says(`a\.hcl changed: NOT loaded\. Still running revision 1\.\n\nError: Loaded, but not put into effect \[E020\]`)
	if got := r.configs()["a"]["batch.size"]; got != "" {
		t.Errorf("batch.size is %q, want none", got)
	}
	r.says(`tried again: loaded \(revision 2\)\. 1 changed\.`)
	if got := r.configs()["a"]["batch.size"]; got != "7" {
		t.Errorf("batch.size is %q, want 7", got)
	}
}

// TestManyChangesAreSummedUp changes more than a screen has room for.
func TestManyChangesAreSummedUp(t *testing.T) {
	t.Parallel()
	files := map[string]string{"d.hcl": "defaults {\n  tasks_max = 1\n}\n"}
	for i := range 25 {
		files[fmt.Sprintf("p%02d.hcl", i)] = datagen(fmt.Sprintf("p%02d", i))
	}
	r := startRun(t, project1(t, files), true)
	r.write("d.hcl", "defaults {\n  tasks_max = 2\n}\n")
	r.says(`d\.hcl changed: loaded \(revision 2\)\. 25 changed\.\n +~ p00   tasks\.max 1 → 2\n(.*\n){19} +and 5 more\n`)
	for i := range 5 {
		r.write(fmt.Sprintf("p%02d.hcl", i), "\n"+datagen(fmt.Sprintf("p%02d", i)))
	}
	r.says(`p00\.hcl, p01\.hcl, p02\.hcl and 2 more changed: loaded \(revision 3\)\. 25 untouched\.\n`)
}
