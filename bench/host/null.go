package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/penstock/penstock/bench/rows"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// null takes made records through transforms to nothing, without Kafka: what a batch costs apart from codecs and client.
func null(ctx context.Context, n, transforms int, out io.Writer) error {
	source := builtIn(plugin.SourceRole, "datagen").NewSource().NewTask()
	config := plugin.Config{"topic": "none", "fields": strings.Join(rows.Fields(), ",")}
	if err := source.Start(ctx, nowhere{}, config, nowhere{}); err != nil {
		return err
	}
	chain := make([]plugin.Transform, transforms)
	for i := range chain {
		chain[i] = builtIn(plugin.TransformRole, "insert_field").NewTransform(plugin.Value)
		if err := chain[i].Configure(plugin.Config{"static.field": fmt.Sprint("field", i), "static.value": "file"}); err != nil {
			return err
		}
	}
	b := record.NewBatch(record.FromSource, &record.Partitions{})
	turn := func() (int, error) {
		b.Reset()
		if err := source.Poll(ctx, b); err != nil {
			return 0, err
		}
		for _, t := range chain {
			if err := t.Apply(ctx, b); err != nil {
				return 0, err
			}
		}
		if fs := b.Failures(); len(fs) > 0 {
			return 0, fs[0].Err
		}
		return len(b.Records), ctx.Err()
	}
	if _, err := turn(); err != nil { // the first batch makes the memory of all
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, done := processor(), 0
	for done < n {
		moved, err := turn()
		if err != nil {
			return err
		}
		done += moved
	}
	used := processor() - start
	runtime.ReadMemStats(&after)
	return json.NewEncoder(out).Encode(map[string]float64{
		"cpu": used.Seconds() / float64(done) * 1e6, "allocs": float64(after.Mallocs-before.Mallocs) / float64(done),
	})
}

// processor is the processor time of the process.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// nowhere is the engine of a task that has none.
type nowhere struct{}

func (nowhere) Logger() *slog.Logger { return slog.New(slog.DiscardHandler) }
func (nowhere) Reconfigure()         {}
func (nowhere) Fail(error)           {}
func (nowhere) Read(_ context.Context, ps ...record.Value) ([]record.Value, error) {
	return make([]record.Value, len(ps)), nil
}
