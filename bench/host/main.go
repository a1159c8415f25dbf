// Command host runs a project as `engine run` does, with the engine linked in as a library. It is for what cannot be seen
// from outside the process: allocations a record, profiles, workloads that need a plugin of their own (W2), and chains
// without Kafka (W0). Processor time of the other workloads is measured on the real binary.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
	"github.com/penstock/penstock/store/file"
)

// settings are the flags.
type settings struct {
	project    string
	records    int64
	null       int
	transforms int
	cpuprofile string
	memprofile string
}

func main() {
	var s settings
	flag.StringVar(&s.project, "project", "", "folder of the project to run until a signal")
	flag.Int64Var(&s.records, "records", 0, "end after so many records, and print what one allocates")
	flag.IntVar(&s.null, "null", 0, "make so many records, without Kafka and without a project (W0)")
	flag.IntVar(&s.transforms, "transforms", 0, "with -null: transforms that they pass")
	flag.StringVar(&s.cpuprofile, "cpuprofile", "", "write a profile of the processor time to this file")
	flag.StringVar(&s.memprofile, "memprofile", "", "write a profile of allocations to this file")
	flag.Parse()
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer end()
	if err := profiled(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(1)
	}
}

// profiled does the work, under the profiles that were asked for.
func profiled(ctx context.Context, s settings, out io.Writer) (err error) {
	if s.cpuprofile != "" {
		f, err := os.Create(s.cpuprofile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			_ = f.Close() // a profile that is cut off shows when it is read
		}()
	}
	if s.memprofile != "" {
		runtime.MemProfileRate = 4096
		defer func() { err = errors.Join(err, writeAllocations(s.memprofile)) }()
	}
	if s.null > 0 {
		return null(ctx, s.null, s.transforms, out)
	}
	return run(ctx, s, out)
}

func writeAllocations(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

// run runs the project until ctx is done or the records have been delivered.
func run(ctx context.Context, s settings, out io.Writer) error {
	registry, err := plugin.NewRegistry(slices.Concat(plugins.All(), []plugin.Descriptor{jsonLines()}))
	if err != nil {
		return err
	}
	project, found := hcl.Load(s.project, hcl.Options{Registry: registry, Env: os.LookupEnv})
	if found.HasErrors() {
		return found.Err()
	}
	declared := project.Worker
	if declared == nil {
		return errors.New("the project has no worker block")
	}
	worker, found := config.ReadWorker(declared, registry)
	if found.HasErrors() {
		return found.Err()
	}
	st, err := file.Open(filepath.Join(s.project, ".engine"))
	if err != nil {
		return err
	}
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	e := engine.New(engine.Settings{
		Registry: registry, Worker: worker, Store: st, Logger: slog.New(slog.DiscardHandler),
		Failed: func(f engine.Failure) { end(fmt.Errorf("pipeline %s: %w", f.Pipeline, f.Err)) },
	})
	measured := make(chan error, 1)
	err = e.Run(life, func(ctx context.Context) error {
		if _, err := e.Apply(ctx, project.Pipelines); err != nil {
			return err
		}
		go func() {
			measured <- measure(life, e, s.records, out)
			if s.records > 0 {
				end(nil)
			}
		}()
		return nil
	})
	if cause := context.Cause(life); err == nil && ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	end(nil)
	return errors.Join(err, <-measured, st.Close())
}

// measure prints what a record allocates, everything in the process counted, once the first tenth has passed.
func measure(ctx context.Context, e *engine.Engine, records int64, out io.Writer) error {
	if records == 0 {
		return nil
	}
	var before, after runtime.MemStats
	first, err := await(ctx, e, records/10)
	if err != nil {
		return err
	}
	runtime.ReadMemStats(&before)
	last, err := await(ctx, e, records)
	if err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	n := float64(last - first)
	return json.NewEncoder(out).Encode(map[string]float64{
		"allocs": float64(after.Mallocs-before.Mallocs) / n, "bytes": float64(after.TotalAlloc-before.TotalAlloc) / n,
		"collections": float64(after.NumGC - before.NumGC),
	})
}

// await waits until so many records have been delivered and returns how many they are.
func await(ctx context.Context, e *engine.Engine, records int64) (int64, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-tick.C:
		}
		v, err := e.View(ctx)
		if err != nil {
			return 0, err
		}
		for _, p := range v.Pipelines {
			if c := p.Counts(); c.Delivered >= records {
				return c.Delivered, nil
			}
		}
	}
}
