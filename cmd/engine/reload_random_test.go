package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/hcl"
)

// editor changes files of a project at random while it runs, and knows which of their states had no errors.
type editor struct {
	*running
	random *rand.Rand
	files  map[string]string // by pipeline: its file
	number int
	worker *config.Worker

	mu   sync.Mutex // held over an edit, so that nobody looks before its state is known
	good map[string]bool
	last string // the newest state without errors
}

// TestRandomEditsUnderLoad edits, breaks, empties, removes, renames and repairs files in every way of saving while records
// flow: what is stored, and so what runs, is at every moment a state of the folder that had no errors; when the folder
// comes to rest without errors, it is that one; and every record of every source arrives exactly once and in order.
func TestRandomEditsUnderLoad(t *testing.T) {
	t.Parallel()
	edits := 1000
	if testing.Short() {
		edits = 60
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	out := filepath.Join(t.TempDir(), "out.txt")
	e := &editor{random: rand.New(rand.NewPCG(seed, 0)), files: map[string]string{}, good: map[string]bool{}}
	texts := map[string]string{"worker.hcl": patientStop, "defaults.hcl": "defaults {\n  errors {\n    log_enable = false\n  }\n}\n"}
	for _, name := range sources() {
		e.files[name] = name + ".hcl"
		texts[name+".hcl"] = e.source(name)
	}
	texts["sinks.hcl"] = fmt.Sprintf("pipeline \"out\" {\n  sink \"file\" {\n    topics = [\"s0\"]\n    file = %q\n  }\n}\n", out) +
		"pipeline \"hole\" {\n  sink \"blackhole\" {\n    topics = [\"s1\"]\n  }\n}\n"
	e.running = startRun(t, project1(t, texts), true)
	e.worker = e.run.project().worker
	e.note()

	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		e.observe(done)
	}()
	for n := 0; n < edits; {
		for range 1 + e.random.IntN(10) {
			e.edit()
			n++
		}
		if e.random.IntN(8) > 0 {
			e.ask() // the others leave it to the watch, which waits until a folder is quiet
		}
		e.rest()
	}
	e.repair()
	e.rest()
	close(done)
	<-watched
	e.stop()
	t.Logf("%d loads, %d refused", e.count("loaded (revision"), e.count("NOT loaded"))
	if e.count("NOT loaded") == 0 {
		t.Error("no load was refused, so nothing was tried")
	}
	for _, name := range sources() {
		e.complete(name)
	}
	e.prefix(out)
}

func sources() []string { return []string{"s0", "s1", "s2", "s3", "s4"} }

// source is the text of a source, another one each time.
func (e *editor) source(name string) string {
	e.number++
	return fmt.Sprintf("pipeline %q {\n  source \"datagen\" {\n    topic      = %q\n    rate       = 500\n    fields     = [\"id:sequence\"]\n    batch_size = %d\n  }\n}\n",
		name, name, 1+e.number)
}

// edit makes one change and notes the state that it leaves.
func (e *editor) edit() {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := sources()[e.random.IntN(len(sources()))]
	path := filepath.Join(e.dir, e.files[name])
	switch kind := e.random.IntN(25); {
	case kind < 12:
		e.save(path, e.source(name))
	case kind < 14:
		e.save(path, strings.Replace(e.source(name), "batch_size", "bach_size", 1))
	case kind < 15:
		e.save(path, e.source(name)+"pipeline {")
	case kind < 16:
		e.save(path, strings.Replace(e.source(name), "batch_size = ", "batch_size = -", 1)) // right for the language, wrong for the plugin
	case kind < 17:
		e.save(path, e.source(name)+strings.ReplaceAll(e.source(name), "\""+name+"\"", "\"s0\"")) // a name twice, but for s0
	case kind < 19:
		e.save(filepath.Join(e.dir, "defaults.hcl"), fmt.Sprintf("defaults {\n  errors {\n    log_enable = %v\n  }\n}\n", e.random.IntN(2) == 0))
	case kind < 20:
		e.save(path, "")
	case kind < 21:
		_ = os.Remove(path) // it may be gone already
	case kind < 23:
		e.files[name] = fmt.Sprintf("%s-%d.hcl", name, e.number)
		e.number++
		_ = os.Rename(path, filepath.Join(e.dir, e.files[name])) // as above
	default:
		now := time.Now()
		_ = os.Chtimes(path, now, now) // as above
	}
	e.noteLocked()
}

// save writes a file in one of the ways in which programs do.
func (e *editor) save(path, text string) {
	write := func(path string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			e.t.Error(err)
		}
	}
	switch e.random.IntN(4) {
	case 0:
		write(path)
	case 1:
		write(path + ".tmp")
		if err := os.Rename(path+".tmp", path); err != nil {
			e.t.Error(err)
		}
	case 2:
		_ = os.Rename(path, path+"~") // there may be none
		write(path)
	default:
		_ = os.Remove(path) // as above
		write(path)
	}
}

// repair makes every file as it should be.
func (e *editor) repair() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range sources() {
		e.save(filepath.Join(e.dir, e.files[name]), e.source(name))
	}
	e.noteLocked()
}

func (e *editor) note() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noteLocked()
}

// noteLocked remembers the state of the folder when it has no errors; it works it out from the start, on its own.
func (e *editor) noteLocked() {
	p, found := hcl.Load(e.dir, hcl.Options{Registry: e.run.project().registry, Env: e.run.env})
	g, more := graph.Compile(p.Pipelines, e.worker, e.run.project().registry)
	if found.HasErrors() || more.HasErrors() {
		e.last = ""
		return
	}
	all := map[string]config.Map{}
	for _, i := range g.Instances {
		all[i.Name] = i.Config
	}
	e.last = text(all)
	e.good[e.last] = true
}

// text is configurations as comparable text.
func text(all map[string]config.Map) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, k := range all[name].Keys() {
			fmt.Fprintf(&b, "%s.%s=%s\n", name, k, all[name][k])
		}
	}
	return b.String()
}

// ask loads the folder at once, and demands that it is refused when, and only when, it has errors.
func (e *editor) ask() {
	e.mu.Lock()
	want := e.last
	e.mu.Unlock()
	o, err := e.run.reloads.Reload(e.t.Context())
	if err != nil || o.found.HasErrors() != (want == "") {
		e.t.Errorf("the load: %v, %v; want errors: %v", o.found, err, want == "")
	}
}

// rest waits until what runs is what the folder says, if that has no errors, and a moment otherwise.
func (e *editor) rest() {
	e.mu.Lock()
	want := e.last
	e.mu.Unlock()
	if want == "" {
		<-time.After(time.Duration(e.random.Int64N(int64(100 * time.Millisecond))))
		if e.random.IntN(2) == 0 {
			e.repair()
			e.rest()
		}
		return
	}
	e.await("what runs to be what the folder says:\n"+want, func() bool { return text(e.configs()) == want })
}

// observe looks at every revision of the store.
func (e *editor) observe(done <-chan struct{}) {
	looks := 0
	for {
		select {
		case <-done:
			e.t.Logf("%d looks at what runs", looks)
			return
		case <-time.After(time.Millisecond):
		}
		e.mu.Lock()
		is := text(e.configs())
		if looks++; !e.good[is] {
			e.t.Errorf("what runs is no state of the folder without errors:\n%s", is)
		}
		e.mu.Unlock()
	}
}

// complete demands every record of a source, once and in order.
func (e *editor) complete(topic string) {
	records := topicOf(e.t, e.running, topic)
	for i, r := range records {
		var v struct {
			ID int `json:"id"`
		}
		if err := json.Unmarshal(r.Value, &v); err != nil || v.ID != i {
			e.t.Errorf("%s: record %d of %d has the id %d (%v)", topic, i, len(records), v.ID, err)
			return
		}
	}
	if len(records) < 100 {
		e.t.Errorf("%s: only %d records", topic, len(records))
	}
}

// prefix demands that the sink has written a beginning of its topic, each record once and in order.
func (e *editor) prefix(out string) {
	raw, err := os.ReadFile(out)
	if err != nil {
		e.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	for i, l := range lines {
		if want := fmt.Sprintf("{id=%d}", i); l != want {
			e.t.Errorf("line %d of %d is %q, want %q", i, len(lines), l, want)
			return
		}
	}
}
