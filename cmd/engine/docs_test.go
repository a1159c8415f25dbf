package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents are the texts that people read, by path from the repository's root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	texts := map[string]string{}
	for _, from := range []string{"README.md", "CONTRIBUTING.md", "docs", "plugins", "pipelines"} {
		err := filepath.WalkDir(filepath.Join(root, from), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".md") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			texts[rel] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// TestDocumentedCommandsAreRun demands that every command of the engine which a document shows stands in a script, and
// every make target in the Makefile.
func TestDocumentedCommandsAreRun(t *testing.T) {
	t.Parallel()
	scripts := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "! "), "&"))
			if command, ok := strings.CutPrefix(line, "exec "); ok {
				scripts[strings.TrimSpace(strings.Split(command, " &")[0])] = true
			}
		}
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	shell := regexp.MustCompile("(?s)```(?:sh|console)\n(.*?)```")
	shown := 0
	for name, text := range documents(t) {
		for _, block := range shell.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[1]) {
				command := strings.TrimSpace(strings.Split(line, "#")[0])
				command = strings.TrimPrefix(strings.TrimPrefix(command, "$ "), "bin/")
				switch words := strings.Fields(command); {
				case len(words) == 0:
				case words[0] == "engine":
					shown++
					if !scripts[command] {
						t.Errorf("%s shows a command that no script runs: %s", name, command)
					}
				case words[0] == "make":
					for _, target := range words[1:] {
						if strings.Contains(target, "=") {
							break // settings follow the targets
						}
						if !bytes.Contains(makefile, []byte("\n"+target+":")) {
							t.Errorf("%s shows a target that the Makefile does not have: %s", name, command)
						}
					}
				}
			}
		}
	}
	if shown == 0 {
		t.Error("no document shows a command")
	}
}

// shownHCL finds the examples in a document.
var shownHCL = regexp.MustCompile("(?s)```hcl\n(.*?)```")

// TestDocumentedPipelinesCompile loads every HCL example that has a pipeline or worker block, or that can stand in one.
func TestDocumentedPipelinesCompile(t *testing.T) {
	t.Parallel()
	shown := 0
	for name, text := range documents(t) {
		for _, block := range shownHCL.FindAllStringSubmatch(text, -1) {
			shown++
			dir := t.TempDir()
			write(t, dir, "example.hcl", wrapped(block[1]))
			var said bytes.Buffer
			if err := loadExample(process{out: &said, err: &said, env: func(string) (string, bool) { return "", false }}, dir, block[1]); err != nil {
				t.Errorf("%s: an example does not compile:\n%s\n%s", name, block[1], said.String())
			}
		}
	}
	if shown == 0 {
		t.Error("no document shows an example")
	}
}

// loadExample loads a folder by the command that an example in it is for.
func loadExample(p process, dir, example string) error {
	if m := forCluster.FindStringSubmatch(example); m != nil {
		pl := &planning{remote: remote{process: p}, validate: "off", colors: "auto", to: m[1]}
		_, err := pl.checked(dir)
		return err
	}
	if strings.Contains(example, "group_id") { // one of a cluster
		return (&clustered{process: p}).load([]string{dir})
	}
	_, err := p.load([]string{dir}, variables{})
	return err
}

// forCluster finds the cluster that an example is for; examples with a project block and none are for any.
var forCluster = regexp.MustCompile(`(?s)^(?:(?:.*\n)?cluster "([^"]+)"|.*\bproject ")`)

// wrapped makes a project of an example: parts of a pipeline get a pipeline around them, with a source when they have none.
func wrapped(example string) string {
	if regexp.MustCompile(`(?m)^(pipeline|worker|variable|locals|defaults|project|cluster|removed|test)\b`).MatchString(example) {
		return example
	}
	if !regexp.MustCompile(`(?m)^(source|sink)\b`).MatchString(example) {
		example = "source \"datagen\" {\n  topic = \"t\"\n  fields = [\"id:sequence\"]\n}\n" + example
	}
	return "pipeline \"example\" {\n" + example + "\n}\n"
}
