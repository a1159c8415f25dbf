package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/store/file"
)

const crashProject = patientStop + `
pipeline "in" {
  source "file" {
    file  = "${path.project}/in.txt"
    topic = "lines"
  }
  transform "hoist_field" "wrap" {
    field = "line"
  }
  value_converter "json" {
    schemas_enable = false
  }
}

pipeline "out" {
  sink "file" {
    topics = ["lines"]
    file   = "${path.project}/out.txt"
  }
  value_converter "json" {
    schemas_enable = false
  }
  transform "extract_field" "line" {
    field = "line"
  }
}
`

// kills is at how many random points the process is killed.
const kills = 50

// TestKillRepeatsOnlyWhatWasInFlight kills the process with SIGKILL at random points and starts it again: nothing is lost,
// and what is repeated begins exactly at the offset that was stored when the process died (invariants 1, 2 and 7).
func TestKillRepeatsOnlyWhatWasInFlight(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the process more than fifty times")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	write(t, dir, "p.hcl", crashProject)
	lines := newGrowing(t, filepath.Join(dir, "in.txt"), random)
	var stored []int64 // where the source had to go on after each kill
	for range kills {
		lines.grow(t, 2000)
		killAt(t, dir, time.Duration(random.Int64N(int64(400*time.Millisecond))))
		stored = append(stored, storedPosition(t, dir))
	}
	if out, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}

	checkTopic(t, consumeTopic(t, dir, "lines"), lines, stored)
	checkOutput(t, filepath.Join(dir, "out.txt"), lines)
}

// TestCleanStopsRepeatNothing stops the process by SIGINT again and again: every line arrives exactly once.
func TestCleanStopsRepeatNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	dir := t.TempDir()
	write(t, dir, "p.hcl", crashProject)
	lines := newGrowing(t, filepath.Join(dir, "in.txt"), random)
	for range 5 {
		lines.grow(t, 5000)
		c := command(t, dir, "run", ".")
		var out output
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the start", func() bool { return strings.Contains(out.String(), "Ctrl-C stops") })
		<-time.After(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			t.Fatalf("a clean stop: %v\n%s", err, out.String())
		}
	}
	if out, err := command(t, dir, "run", "-until-idle", ".").CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	checkTopic(t, consumeTopic(t, dir, "lines"), lines, nil)
	got, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(lines.all, "\n") + "\n"; string(got) != want {
		t.Errorf("the output has %d bytes, the input %d, and they differ", len(got), len(want))
	}
}

// growing is a file that gets longer, with lines that say their number.
type growing struct {
	path   string
	random *rand.Rand
	all    []string
	starts map[int64]int // byte position of a line's start to its number
	size   int64
}

func newGrowing(t *testing.T, path string, random *rand.Rand) *growing {
	t.Helper()
	return &growing{path: path, random: random, starts: map[int64]int{}}
}

func (g *growing) grow(t *testing.T, n int) {
	t.Helper()
	f, err := os.OpenFile(g.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for range n {
		line := fmt.Sprintf("%07d %s", len(g.all), strings.Repeat("x", g.random.IntN(120)))
		g.starts[g.size] = len(g.all)
		g.all = append(g.all, line)
		g.size += int64(len(line)) + 1
		b.WriteString(line + "\n")
	}
	g.starts[g.size] = len(g.all)
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// killAt starts the engine and kills it after a time.
func killAt(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	c := command(t, dir, "run", ".")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("the engine ended by itself: %v\n%s", err, out.String())
	case <-time.After(after):
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*exec.ExitError](<-ended); !ok {
		t.Fatalf("the engine was not killed\n%s", out.String())
	}
}

// storedPosition is the source's stored offset, 0 when there is none yet.
func storedPosition(t *testing.T, dir string) int64 {
	t.Helper()
	st, err := file.Open(filepath.Join(dir, ".engine"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	entries, err := st.Offsets().List(t.Context(), "in")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		return 0
	}
	var offset struct {
		Position int64 `json:"position"`
	}
	if err := json.Unmarshal(entries[0].Value, &offset); err != nil {
		t.Fatal(err)
	}
	return offset.Position
}

// consumeTopic reads all of a topic from the project's development broker.
func consumeTopic(t *testing.T, dir, topic string) []string {
	t.Helper()
	b, err := broker.Start(broker.Settings{Dir: filepath.Join(dir, ".engine", "broker")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var values []string
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		end := int64(-1)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			end = p.HighWatermark
			for _, r := range p.Records {
				var v struct {
					Line string `json:"line"`
				}
				if err := json.Unmarshal(r.Value, &v); err != nil {
					t.Fatalf("offset %d: %v", r.Offset, err)
				}
				values = append(values, v.Line)
			}
		})
		if end >= 0 && int64(len(values)) >= end {
			return values
		}
	}
}

// checkTopic demands every line in order; where the order goes back it must go back to a position that was stored when
// the process died, in the order of the deaths.
func checkTopic(t *testing.T, got []string, lines *growing, stored []int64) {
	t.Helper()
	next, death, repeated := 0, 0, 0
	for i, line := range got {
		var n int
		if _, err := fmt.Sscanf(line, "%d", &n); err != nil || n >= len(lines.all) || lines.all[n] != line {
			t.Fatalf("record %d is not a line of the input: %q", i, line)
		}
		if n != next {
			for death < len(stored) && lines.starts[stored[death]] != n {
				death++
			}
			if n > next || death == len(stored) {
				t.Fatalf("record %d is line %d; wanted line %d, or a line where a killed process had stored its offset", i, n, next)
			}
			repeated += next - n
		}
		next = n + 1
	}
	if next != len(lines.all) {
		t.Errorf("the topic ends after line %d of %d", next, len(lines.all))
	}
	t.Logf("%d lines, %d repeated", len(lines.all), repeated)
}

// checkOutput demands every line in order, with repetitions of what was there before.
func checkOutput(t *testing.T, path string, lines *growing) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		var n int
		if _, err := fmt.Sscanf(line, "%d", &n); err != nil || n >= len(lines.all) || lines.all[n] != line {
			// A kill in the middle of a write leaves the beginning of a line, which the redelivered one is glued to.
			t.Logf("output line %d was cut by a kill: %q", i+1, line)
			continue
		}
		if n > next {
			t.Fatalf("output line %d is line %d of the input; wanted %d or an earlier one", i+1, n, next)
		}
		next = max(next, n+1)
	}
	if next != len(lines.all) {
		t.Errorf("the output ends after line %d of %d", next, len(lines.all))
	}
}

// waitFor looks until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not in time", what)
		}
	}
}
