package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
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
			e.Values[connectKey{}] = newConnect()
			for _, from := range []string{"pipelines", filepath.Join("testdata", "access.log")} {
				if err := copyTree(filepath.Join(e.WorkDir, from), filepath.Join("..", "..", from)); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"wait-for":    waitForFile,
			"wait-match":  waitForMatch,
			"wait-lines":  waitForLines,
			"find-worker": findWorker,

			"start-connect": startConnect,
			"by-hand":       byHand,
			"start-kafka":   startKafka,
		},
		UpdateScripts: false,
	})
}

// connectKey is where the environment of a script keeps its Kafka Connect.
type connectKey struct{}

// startConnect starts a Kafka Connect in memory and sets ENGINE_URL: start-connect.
func startConnect(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: start-connect")
	}
	held, ok := ts.Value(connectKey{}).(*connect)
	if !ok {
		ts.Fatalf("this script has no place for a Kafka Connect")
	}
	server := httptest.NewServer(held)
	ts.Defer(server.Close)
	ts.Setenv("ENGINE_URL", server.URL)
}

// byHand sets a property of a connector, which comes to be by that: by-hand NAME KEY VALUE.
func byHand(ts *testscript.TestScript, neg bool, args []string) {
	held, ok := ts.Value(connectKey{}).(*connect)
	if neg || len(args) != 3 || !ok {
		ts.Fatalf("usage: by-hand NAME KEY VALUE")
	}
	held.mu.Lock()
	defer held.mu.Unlock()
	name := args[0]
	if held.configs[name] == nil {
		held.configs[name], held.states[name] = map[string]string{"name": name}, "RUNNING"
	}
	held.configs[name][args[1]] = args[2]
}

// until waits until something holds; the text says what that is.
func until(ts *testscript.TestScript, what func() string, holds func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("not so in time: %s", what())
		}
	}
}

// waitForFile waits until a file or folder exists: wait-for PATH.
func waitForFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: wait-for PATH")
	}
	until(ts, func() string { return args[0] + " is there" }, func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// waitForMatch waits until a file has a match of a pattern: wait-match PATTERN FILE.
func waitForMatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: wait-match PATTERN FILE")
	}
	matched(ts, args[0], args[1])
}

// matched waits for a match and returns it with its groups.
func matched(ts *testscript.TestScript, pattern, file string) []string {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	var text []byte
	var match []string
	until(ts, func() string { return fmt.Sprintf("%s has a match of %q:\n%s", file, pattern, text) }, func() bool {
		text, _ = os.ReadFile(ts.MkAbs(file)) // a file that is not there yet has no match
		match = re.FindStringSubmatch(string(text))
		return match != nil
	})
	return match
}

// waitForLines waits until a file has a number of lines: wait-lines NUMBER FILE.
func waitForLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: wait-lines NUMBER FILE")
	}
	lines := 0
	until(ts, func() string { return fmt.Sprintf("%s has %s lines, and not %d", args[1], args[0], lines) }, func() bool {
		text, _ := os.ReadFile(ts.MkAbs(args[1])) // a file that is not there yet has no lines
		lines = bytes.Count(text, []byte{'\n'})
		return strconv.Itoa(lines) == args[0]
	})
}

// findWorker waits until the output of "engine run" says where its REST API is and sets ENGINE_URL: find-worker FILE.
func findWorker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: find-worker FILE")
	}
	ts.Setenv("ENGINE_URL", matched(ts, `^REST API at (\S+)$`, args[0])[1])
}

// startKafka starts a fake Kafka cluster, which the end of the script stops, and sets KAFKA to its address.
func startKafka(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: start-kafka")
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	ts.Check(err)
	ts.Defer(c.Close)
	ts.Setenv("KAFKA", c.ListenAddrs()[0])
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
