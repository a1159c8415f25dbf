package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// settable finds the names of arguments.
var settable = regexp.MustCompile(`(?m)^\s*([a-z_]+)\s*=[^=]`)

// TestAMisspeltKeyIsCaught: one other letter in any key of an example, of pipelines and of the documents, is told, as an error
// or a warning that shows it.
func TestAMisspeltKeyIsCaught(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "pipelines", "*", "*.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := copyTree(dir, filepath.Dir(file)); err != nil {
				t.Fatal(err)
			}
			misspelt(t, dir, filepath.Base(file), string(text))
		})
	}
	for name, text := range documents(t) {
		for i, block := range shownHCL.FindAllStringSubmatch(text, -1) {
			t.Run(fmt.Sprintf("%s/%d", name, i+1), func(t *testing.T) {
				t.Parallel()
				misspelt(t, t.TempDir(), "example.hcl", wrapped(block[1]))
			})
		}
	}
}

// misspelt tries every letter of every key of a file, which is the folder's own afterwards.
func misspelt(t *testing.T, dir, name, text string) {
	t.Helper()
	for _, at := range settable.FindAllStringSubmatchIndex(text, -1) {
		if inMap(text[:at[2]]) {
			continue // a key of a map of the user's own, or of raw properties
		}
		for i := at[2]; i < at[3]; i++ {
			if text[i] == '_' {
				continue
			}
			wrong := []byte(text)
			wrong[i] = 'a' + (wrong[i]-'a'+1)%26
			write(t, dir, name, string(wrong))
			said := &output{}
			_ = loadExample(process{out: said, err: said, env: func(string) (string, bool) { return "", false }}, dir, text)
			if key := string(wrong[at[2]:at[3]]); !strings.Contains(said.String(), key) {
				t.Errorf("%s for %s is not told:\n%s", key, text[at[2]:at[3]], said)
			}
		}
	}
	write(t, dir, name, text)
}

// inMap reports whether a text ends inside of a map, or of a block that the user fills with names of their own.
func inMap(text string) bool {
	var open []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		opens, closes := strings.Count(line, "{"), strings.Count(line, "}")
		for ; opens > closes; opens-- {
			open = append(open, line)
		}
		for ; closes > opens && len(open) > 0; closes-- {
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return false
	}
	last := open[len(open)-1]
	foreign := regexp.MustCompile(`^(source|sink) "[a-z]+\.`).MatchString(last) // a class that only the cluster knows
	return strings.HasSuffix(last, "= {") || strings.HasPrefix(last, "locals") || strings.HasSuffix(last, "({") || foreign
}
