// Command limit does the jobs of the benchmark as directly as Go and franz-go allow, and nothing else: no schemas, no
// choice of transforms, no error policy, no metrics. Its processor time is the unit in which the engine's is measured. It
// keeps the guarantees: a file position is stored after everything before it was acknowledged, a group's offsets after
// everything before them was written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/penstock/penstock/bench/rows"
)

// settings are the flags.
type settings struct {
	job                       rows.Job
	broker, topic, group      string
	in, out, offsets          string
	rows                      int
	commitEvery, lingerFor    time.Duration
	blockBytes, batchesAtOnce int
}

func main() {
	s := settings{commitEvery: time.Second, lingerFor: 5 * time.Millisecond, blockBytes: 256 << 10, batchesAtOnce: 16}
	job := flag.String("job", "", "workload: W1 … W6")
	flag.StringVar(&s.broker, "broker", "", "address of the broker")
	flag.StringVar(&s.topic, "topic", "", "topic to write or to read")
	flag.StringVar(&s.group, "group", "", "consumer group of a sink")
	flag.StringVar(&s.in, "in", "", "file of lines that a source reads")
	flag.StringVar(&s.out, "out", "", "file that a sink writes")
	flag.StringVar(&s.offsets, "offsets", "", "file in which a source stores its position")
	flag.IntVar(&s.rows, "rows", 0, "records of a job that has no end by itself")
	flag.Parse()
	s.job = rows.Job(*job)
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	switch s.job {
	case rows.Hoist, rows.JSON, rows.Struct, rows.Raw:
		return source(ctx, s)
	case rows.SinkFile, rows.SinkNull:
		return sink(ctx, s)
	default:
		return errors.New("-job is one of W1 … W6")
	}
}
