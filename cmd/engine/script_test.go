package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the binary as people meet it: testdata/script/*.txtar. BUSY is an address that is taken; the folders
// pipelines and testdata are copies of the repository's.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			busy, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = busy.Close() })
			e.Setenv("BUSY", busy.Addr().String())
			e.Setenv("NO_COLOR", "1")
			for _, from := range []string{"pipelines", filepath.Join("testdata", "access.log")} {
				if err := copyTree(filepath.Join(e.WorkDir, from), filepath.Join("..", "..", from)); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"wait-for":   waitForFile,
			"wait-match": waitForMatch,
		},
		UpdateScripts: false,
	})
}

// waitForFile waits until a file or folder exists: wait-for PATH.
func waitForFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: wait-for PATH")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s is not there after a minute", args[0])
		}
	}
}

// waitForMatch waits until a file has a match of a pattern: wait-match PATTERN FILE.
func waitForMatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: wait-match PATTERN FILE")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[1]))
		if err == nil && pattern.Match(text) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s has no match of %q after a minute:\n%s", args[1], args[0], text)
		}
	}
}

// copyTree copies a file or a folder, leaving out what a run leaves behind.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".engine" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if d.Name() == "requests.log" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if rel == "." {
			target = to
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
}
