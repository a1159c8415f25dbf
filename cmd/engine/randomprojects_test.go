package main

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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

// TestRandomProjects is invariant 8: whatever a project says, after an apply its plan is empty, and after the next revision's
// too. With ENGINE_TEST_CONNECT it does some against that genuine Kafka Connect (and ENGINE_TEST_KAFKA has its topics).
func TestRandomProjects(t *testing.T) {
	t.Parallel()
	genuine := os.Getenv("ENGINE_TEST_CONNECT")
	projects := 100
	switch {
	case genuine != "":
		projects = 4
	case testing.Short():
		projects = 10
	}
	for seed := range projects {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if genuine == "" {
				t.Parallel()
			}
			url, c := genuine, (*connect)(nil)
			if url == "" {
				c = newConnect()
				server := httptest.NewServer(c)
				t.Cleanup(server.Close)
				url = server.URL
			}
			data := t.TempDir()
			write(t, data, "in.txt", "one\n")
			p := newAProject(uint64(seed), fmt.Sprintf("random %d %d", os.Getpid(), seed), data, "random")
			p.followed(t, url, c)
		})
	}
}

// followed applies three revisions of a project, and deletes it in the end.
func (p *aProject) followed(t *testing.T, url string, c *connect) {
	t.Helper()
	dir := ""
	run := func(want int, args ...string) {
		t.Helper()
		if status, said := engineIn(t, "", append(args, "-url", url, dir)...); status != want {
			var files strings.Builder
			for _, text := range p.hcl() {
				files.WriteString(text)
			}
			t.Fatalf("engine %s: got %d, want %d and\n%s\n%s", strings.Join(args, " "), status, want, said, files.String())
		}
	}
	apply := []string{"apply", "-auto-approve", "-allow-delete", "-settle", "1ms"}
	released := []string{}
	for range 3 {
		dir = t.TempDir()
		for name, text := range p.hcl() {
			write(t, dir, name, text)
		}
		run(0, apply...)
		run(0, "plan", "-detailed-exitcode")
		for i, name := range p.removed {
			if i%2 == 1 {
				released = append(released, name)
			}
		}
		p.next()
	}
	run(0, append(slices.Clone(apply), "-destroy")...)
	run(0, "plan", "-destroy", "-detailed-exitcode")
	if c != nil && len(c.configs) != len(released) {
		t.Errorf("%d connectors are left, want those let go: %q", len(c.configs), released)
	}
	for _, name := range released {
		if c == nil {
			forget(t, url, name)
		} else if c.configs[name] == nil || c.configs[name]["engine.owner"] != "" {
			t.Errorf("%q was let go: got %v", name, c.configs[name])
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
