// Command run is the benchmark: it starts the engine, the limit programs and a broker as processes of their own, gives them
// the same records in turn, and reads from outside what they use.
//
//	run             every workload, interleaved with its limit program (make bench)
//	run start       from exec to the first record, and memory at rest (make bench-start)
//	run compare     the same jobs on a genuine Kafka, beside a genuine Kafka Connect (make bench-compare)
//	run report      the table and the picture of what -results holds, without running anything
//
// A run counts only when what came out has the count and the checksum that it must have. docs/benchmark.md says how to read
// the figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/penstock/penstock/bench/rows"
)

// settings are the flags.
type settings struct {
	bin     string // folder of the programs
	dir     string // folder for data and outputs
	rows    int
	rounds  int
	only    map[rows.Job]bool // nil: every workload
	results string            // file of JSON lines
	picture string            // file of the SVG; "": none
	verbose bool
}

func main() {
	var s settings
	flag.StringVar(&s.bin, "bin", "bin/bench", "folder of the programs: engine, limit, host, broker")
	flag.StringVar(&s.dir, "dir", filepath.Join(os.TempDir(), "penstock-bench"), "folder for data and outputs")
	flag.IntVar(&s.rows, "rows", 1_000_000, "records of a run")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds: each program once a round")
	flag.StringVar(&s.results, "results", "", "append a line of JSON for each run to this file")
	flag.StringVar(&s.picture, "svg", "", "draw the ratios to this file")
	flag.BoolVar(&s.verbose, "v", false, "print each run")
	only := flag.String("only", "", "workloads, as in W1,W5; all without it")
	flag.Parse()
	if *only != "" {
		s.only = map[rows.Job]bool{}
		for job := range strings.SplitSeq(*only, ",") {
			s.only[rows.Job(job)] = true
		}
	}
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer end()
	if err := dispatch(ctx, s, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, s settings, what string) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	r, err := newReport(s, os.Stdout)
	if err != nil {
		return err
	}
	switch what {
	case "":
		err = bench(ctx, s, r)
	case "start":
		err = start(ctx, s, r)
	case "compare":
		err = compare(ctx, s, r)
	case "report":
		err = again(s, r)
	default:
		err = fmt.Errorf("there is no %q; there are start, compare and report", what)
	}
	return errors.Join(err, r.close())
}

// program is the path of a program of the benchmark.
func (s settings) program(name string) string { return filepath.Join(s.bin, name) }

// machine describes where the figures come from.
func machine() string {
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		cores := strings.Count(string(text), "processor\t:")
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name\t:"); ok {
				cpu = fmt.Sprintf("%d × %s", cores, strings.TrimSpace(name))
				break
			}
		}
	}
	commit := "unknown commit"
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = "commit " + strings.TrimSpace(string(out))
	}
	return cpu + ", " + commit
}
