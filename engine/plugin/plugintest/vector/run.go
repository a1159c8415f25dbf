package vector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mostSkipped is how many of a file's cases may be skipped, in per cent; a few may always. scripts/vectors.sh bounds how many
// of all may.
const mostSkipped, fewSkipped = 4, 4

// Run runs those cases of a file that ours accepts, each as a sub-test named by its id. try returns nil when the answer is
// the recorded one, an [Unrepresentable] to skip the case, or what differs. Run prints how many passed, failed and were
// skipped, with the reason of each skip, and fails when none ran or more than a few per cent were skipped.
func Run(t *testing.T, file string, ours func(*Case) bool, try func(*Case) error) {
	t.Helper()
	y := tally{file: file}
	cases := Load(t, file)
	for i := range cases {
		if c := &cases[i]; ours(c) {
			t.Run(c.ID, func(t *testing.T) { y.count(t, c.ID, try(c)) })
		}
	}
	y.end(t)
}

// RunLines is Run for a file whose lines are something else than cases.
func RunLines[T any](t *testing.T, file string, id func(*T) string, try func(*testing.T, *T) error) {
	t.Helper()
	y := tally{file: file}
	lines := Lines[T](t, file)
	for i := range lines {
		line := &lines[i]
		t.Run(id(line), func(t *testing.T) { y.count(t, id(line), try(t, line)) })
	}
	y.end(t)
}

// tally counts what became of the cases of a file.
type tally struct {
	file                    string
	passed, failed, skipped int
	skips                   strings.Builder
}

func (y *tally) count(t *testing.T, id string, err error) {
	t.Helper()
	u, skip := errors.AsType[*Unrepresentable](err)
	switch {
	case skip:
		y.skipped++
		fmt.Fprintf(&y.skips, "\n  %s: %s", id, u.Reason)
		y.report(t, id, "skipped", u.Reason)
		t.Skip(u.Reason)
	case err != nil:
		t.Error(err)
	}
	if t.Failed() {
		y.failed++
		y.report(t, id, "failed", "")
		return
	}
	y.passed++
	y.report(t, id, "passed", "")
}

func (y *tally) end(t *testing.T) {
	t.Helper()
	t.Logf("%s: %d passed, %d failed, %d skipped%s", y.file, y.passed, y.failed, y.skipped, y.skips.String())
	if all := y.passed + y.failed + y.skipped; all == 0 || y.skipped > fewSkipped && y.skipped*100 > all*mostSkipped {
		t.Errorf("%s: skipped %d of %d cases", y.file, y.skipped, all)
	}
}

// report appends a line to the file that VECTORS_REPORT names, by which scripts/vectors.sh counts each case once, whichever
// tests run it, and finds those that none does.
func (y *tally) report(t *testing.T, id, outcome, reason string) {
	t.Helper()
	name := os.Getenv("VECTORS_REPORT")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "%s\t%s\t%s\t%s\n", y.file, id, outcome, reason)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Lines reads a file of testdata/vectors whose lines are something else than cases.
func Lines[T any](tb testing.TB, file string) []T {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(root(tb), "testdata", "vectors", file))
	if err != nil {
		tb.Fatal(err)
	}
	var all []T
	for line := range bytes.Lines(text) {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			tb.Fatalf("%s: line %d: %v", file, len(all)+1, err)
		}
		all = append(all, one)
	}
	return all
}
