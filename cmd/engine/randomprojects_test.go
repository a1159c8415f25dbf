package main

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/api"
)

// aPipeline is one of a random project, as far as its next revision may change it.
type aPipeline struct {
	name    string
	sink    bool
	state   string
	chain   int    // transforms
	batch   int    // of a source, a property of its own
	secret  string // "" has none
	ignores bool   // batch.size
	errors  bool
	each    bool // is one of a for_each
}

// aProject is a random project: what its files say is in hcl.
type aProject struct {
	r         *rand.Rand
	id        string
	folder    string // of the files that its connectors read and write
	topic     string
	pipelines []*aPipeline
	moved     [][2]string
	removed   []string // of these half are let go
	made      int
}

// newAProject makes the project of a seed; its pipelines are those of its id.
func newAProject(seed uint64, id, folder, topic string) *aProject {
	p := &aProject{r: rand.New(rand.NewPCG(seed, 1)), id: id, folder: folder, topic: topic} //nolint:gosec // a seed repeats a test
	for range 1 + p.r.IntN(6) {
		p.add()
	}
	return p
}

func (p *aProject) add() {
	p.made++
	names := []string{"p%d", "P %d", "p.%d", "p?%d", "p&%d", "ü-%d", `p"%d`}
	n := &aPipeline{name: p.id + "-" + fmt.Sprintf(names[p.r.IntN(len(names))], p.made), each: p.r.IntN(4) == 0}
	p.change(n)
	n.sink = p.r.IntN(4) == 0
	p.pipelines = append(p.pipelines, n)
}

func (p *aProject) change(n *aPipeline) {
	n.state = []string{"running", "running", "paused", "stopped", ""}[p.r.IntN(5)]
	n.chain, n.batch, n.errors, n.ignores = p.r.IntN(4), 1+p.r.IntN(3000), p.r.IntN(2) == 0, p.r.IntN(3) == 0
	n.secret = []string{"", "s3cr3t", "p\u00e4ss \"word\"", "${env:HOME}", "***"}[p.r.IntN(5)]
}

// next makes another revision: changes, renames, deletions, connectors that are let go, and others that come.
func (p *aProject) next() {
	p.moved, p.removed = nil, nil
	var keep []*aPipeline
	for _, n := range p.pipelines {
		switch p.r.IntN(6) {
		case 0:
			p.removed = append(p.removed, n.name)
			continue
		case 1: // without a word
			continue
		case 2:
			old := n.name
			p.made++
			n.name = fmt.Sprintf("%s-renamed %d", p.id, p.made)
			p.moved = append(p.moved, [2]string{old, n.name})
		case 3:
			p.change(n)
		}
		keep = append(keep, n)
	}
	p.pipelines = keep
	for range p.r.IntN(3) {
		p.add()
	}
	p.r.Shuffle(len(p.pipelines), func(i, j int) { p.pipelines[i], p.pipelines[j] = p.pipelines[j], p.pipelines[i] })
}

// hcl is the project's files, by name.
func (p *aProject) hcl() map[string]string {
	files := map[string]string{}
	var one strings.Builder
	fmt.Fprintf(&one, "project %q {}\n\nvariable \"none\" {\n  default   = \"\"\n  sensitive = true\n}\n\ndefaults {\n  config_action_reload = \"none\"\n}\n", p.id)
	for _, m := range p.moved {
		fmt.Fprintf(&one, "\nmoved {\n  from = %s\n  to   = %s\n}\n", quotedText(m[0]), quotedText(m[1]))
	}
	for i, name := range p.removed {
		fmt.Fprintf(&one, "\nremoved {\n  name   = %s\n  delete = %t\n}\n", quotedText(name), i%2 == 0)
	}
	files["project.hcl"] = one.String()
	for i, n := range p.pipelines {
		file := fmt.Sprintf("f%d.hcl", i%3)
		files[file] += "\n" + p.block(i, n)
	}
	return files
}

func quotedText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}

func (p *aProject) block(i int, n *aPipeline) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline \"label%d\" {\n", i)
	if n.each {
		fmt.Fprintf(&b, "  for_each = { x = %s }\n  name     = each.value\n", quotedText(n.name))
	} else {
		fmt.Fprintf(&b, "  name = %s\n", quotedText(n.name))
	}
	if n.state != "" {
		fmt.Fprintf(&b, "  state = %q\n", n.state)
	}
	if n.sink {
		fmt.Fprintf(&b, "  sink \"file\" {\n    topics = [%q]\n    file   = %q\n", p.topic, filepath.Join(p.folder, fmt.Sprintf("out%d", i)))
	} else {
		fmt.Fprintf(&b, "  source \"file\" {\n    topic      = %q\n    file       = %q\n    batch_size = %d\n", p.topic, filepath.Join(p.folder, "in.txt"), n.batch)
	}
	if n.secret != "" {
		fmt.Fprintf(&b, "    config = { \"some.password\" = \"${var.none}%s\" }\n", strings.TrimSuffix(strings.TrimPrefix(quotedText(n.secret), `"`), `"`))
	}
	b.WriteString("  }\n  value_converter \"string\" {}\n")
	for t := range n.chain {
		if t%2 == 0 {
			fmt.Fprintf(&b, "  transform \"regex_router\" \"t%d\" {\n    regex       = \"%s\"\n    replacement = \"%s\"\n    when        = predicate.none\n  }\n", t, p.topic, p.topic)
		} else {
			fmt.Fprintf(&b, "  transform \"insert_header\" \"t%d\" {\n    header        = \"h\"\n    value_literal = \"%d\"\n  }\n", t, t)
		}
	}
	if n.chain > 0 {
		b.WriteString("  predicate \"topic_name_matches\" \"none\" {\n    pattern = \"none\"\n  }\n")
	}
	if n.errors {
		b.WriteString("  errors {\n    tolerance = \"all\"\n    log_enable = true\n  }\n")
	}
	if n.ignores && !n.sink {
		b.WriteString("  lifecycle {\n    ignore_changes = [\"batch.size\"]\n  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// randomProjects are the seeds of the projects that each target is tried with: ENGINE_TEST_PROJECTS of them, or a few. They are
// the same ones every time, unless ENGINE_TEST_SEED says where they begin.
func randomProjects(t *testing.T) []uint64 {
	t.Helper()
	number := func(name string, otherwise uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	seeds := make([]uint64, number("ENGINE_TEST_PROJECTS", 10))
	first := number("ENGINE_TEST_SEED", 0)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

// aTarget is what random projects are applied to.
type aTarget struct {
	urls   []string // what is written through the first is read through the last
	folder string   // that a standalone worker runs; "" where any can be applied
	fake   *connect // nil of workers that run what they are given
	slowly bool     // one call at a time: a standalone worker of Kafka Connect 4.3.1 locks itself up when it is asked for
	// a state and a configuration at once, its store waiting for the herder and the herder for the store
}

// TestRandomProjects is invariant 8: whatever a project says, after an apply its plan is empty, and after the next revision's
// too. With ENGINE_TEST_CONNECT it does so against that genuine Kafka Connect (whose Kafka ENGINE_TEST_KAFKA is).
func TestRandomProjects(t *testing.T) {
	t.Parallel()
	genuine := os.Getenv("ENGINE_TEST_CONNECT")
	if genuine != "" {
		startTestKafka(t, "random")
	}
	data := t.TempDir()
	write(t, data, "in.txt", "one\n")
	for _, seed := range randomProjects(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			target := aTarget{urls: []string{genuine}, slowly: true}
			if genuine == "" {
				t.Parallel()
				target.slowly = false
				target.fake = newConnect()
				server := httptest.NewServer(target.fake)
				t.Cleanup(server.Close)
				target.urls[0] = server.URL
			}
			newAProject(seed, fmt.Sprintf("random %d %d", os.Getpid(), seed), data, "random").followed(t, target)
		})
	}
}

// TestRandomProjectsOnACluster is TestRandomProjects on two workers of ours, several projects at a time: what was written
// through the one is the same when it is read through the other.
func TestRandomProjectsOnACluster(t *testing.T) {
	t.Parallel()
	k, settings := startTestKafka(t, "random"), textConverters()
	settings["group.id"] = k.name("random-projects")
	settings["config.providers"], settings["config.providers.env.class"] = "env", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
	urls := []string{"http://" + startShared(t, k, settings).address, "http://" + startShared(t, k, settings).address}
	data := t.TempDir()
	write(t, data, "in.txt", "one\n")
	for i, seed := range randomProjects(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			target := aTarget{urls: slices.Clone(urls)}
			if i%2 == 1 {
				slices.Reverse(target.urls)
			}
			newAProject(seed, fmt.Sprintf("random %d %d", os.Getpid(), seed), data, "random").followed(t, target)
		})
	}
}

// TestRandomProjectsOnAStandaloneWorker is TestRandomProjects on a worker that reads its folder by itself, which is one
// project's after the other: there a reload is what apply does.
func TestRandomProjectsOnAStandaloneWorker(t *testing.T) {
	t.Parallel()
	r, url := startIdle(t)
	target := aTarget{urls: []string{url}, folder: r.dir}
	data := t.TempDir()
	write(t, data, "in.txt", "one\n")
	for _, seed := range randomProjects(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			newAProject(seed, fmt.Sprintf("random %d", seed), data, "random").followed(t, target)
			if left := r.configs(); len(left) != 1 || left["idle"] == nil {
				t.Errorf("got the connectors %v, want only the one that no project has", left)
			}
		})
	}
}

// startIdle starts a standalone worker, and says where its API is, that runs one pipeline, since none would end it: idle.
func startIdle(t *testing.T) (*running, string) {
	t.Helper()
	r := startRun(t, project1(t, map[string]string{
		"worker.hcl": "worker {\n  listeners = [\"http://127.0.0.1:0\"]\n  config_provider \"env\" \"env\" {}\n}\n",
		"idle.hcl":   "pipeline \"idle\" {\n  sink \"blackhole\" {\n    topics = [\"idle\"]\n  }\n}\n",
	}), false)
	return r, "http://" + r.run.sockets.public[0].Addr().String()
}

// engineSays runs a command on a worker and demands its exit status.
func (p *aProject) engineSays(t *testing.T, want int, url, dir string, args ...string) {
	t.Helper()
	if status, said := engineIn(t, "", append(args, "-url", url, dir)...); status != want {
		var files strings.Builder
		for _, text := range p.hcl() {
			files.WriteString(text)
		}
		t.Fatalf("engine %s: got %d, want %d and\n%s\n%s", strings.Join(args, " "), status, want, said, files.String())
	}
}

// followed applies three revisions of a project, and deletes it in the end.
func (p *aProject) followed(t *testing.T, target aTarget) {
	t.Helper()
	first, last := target.urls[0], target.urls[len(target.urls)-1]
	apply := []string{"apply", "-auto-approve", "-allow-delete", "-settle", "1ms", "-wait", "2m"}
	if target.slowly {
		apply = append(apply, "-parallelism", "1")
	}
	dir := ""
	var released []string
	for range 3 {
		dir = p.written(t, target.folder)
		p.engineSays(t, 0, first, dir, apply...)
		p.engineSays(t, 0, last, dir, "plan", "-detailed-exitcode")
		for i, name := range p.removed {
			if i%2 == 1 {
				released = append(released, name)
			}
		}
		p.next()
	}
	if target.folder != "" {
		p.removeAll(t, dir)
		p.engineSays(t, 0, first, dir, apply...)
		p.engineSays(t, 0, last, dir, "plan", "-detailed-exitcode")
		return
	}
	p.engineSays(t, 0, first, dir, append(apply, "-destroy")...)
	p.engineSays(t, 0, last, dir, "plan", "-destroy", "-detailed-exitcode")
	if c := target.fake; c != nil && len(c.configs) != len(released) {
		t.Errorf("%d connectors are left, want those let go: %q", len(c.configs), released)
	}
	for _, name := range released {
		if c := target.fake; c == nil {
			forget(t, first, name)
		} else if c.configs[name] == nil || c.configs[name]["engine.owner"] != "" {
			t.Errorf("%q was let go: got %v", name, c.configs[name])
		}
	}
}

// written writes the project's files, in a folder of their own or into that of a worker, where they replace the last ones.
func (p *aProject) written(t *testing.T, folder string) string {
	t.Helper()
	if folder == "" {
		folder = t.TempDir()
	}
	p.removeAll(t, folder)
	for name, text := range p.hcl() {
		write(t, folder, name, text)
	}
	return folder
}

// removeAll removes the files of projects from a folder.
func (p *aProject) removeAll(t *testing.T, folder string) {
	t.Helper()
	for _, pattern := range []string{"f*.hcl", "project.hcl"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// forget deletes a connector of a genuine worker.
func forget(t *testing.T, address, name string) {
	t.Helper()
	c, err := api.NewClient(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), name, api.Condition{}); err != nil {
		t.Error(err)
	}
}
