package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAMisspeltKeyIsCaught: one other letter in any key of an example of pipelines is told, as an error or a warning.
func TestAMisspeltKeyIsCaught(t *testing.T) {
	t.Parallel()
	key := regexp.MustCompile(`(?m)^\s*([a-z_]+)\s*=[^=]`)
	files, err := filepath.Glob(filepath.Join("..", "..", "pipelines", "*", "*.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	mutated := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := copyTree(dir, filepath.Dir(file)); err != nil {
			t.Fatal(err)
		}
		for _, at := range key.FindAllSubmatchIndex(text, -1) {
			for i := at[2]; i < at[3]; i++ {
				if text[i] == '_' {
					continue
				}
				wrong := []byte(string(text))
				wrong[i] = 'a' + (wrong[i]-'a'+1)%26
				write(t, dir, filepath.Base(file), string(wrong))
				said := &output{}
				p := process{out: said, err: said, env: func(string) (string, bool) { return "", false }}
				_, _ = p.load([]string{dir}, variables{}) // what it says counts
				if mutated++; !strings.Contains(said.String(), string(wrong[at[2]:at[3]])) {
					t.Errorf("%s: %s for %s is not told:\n%s", filepath.Base(file), wrong[at[2]:at[3]], text[at[2]:at[3]], said)
				}
			}
		}
	}
	if mutated < 50 {
		t.Errorf("only %d letters were changed", mutated)
	}
}
