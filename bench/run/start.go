package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	starts  = 11   // runs of which the median and the best are told
	sources = 1000 // idle pipelines
)

// start measures what a user waits for, and what a process at rest holds.
func start(ctx context.Context, s settings, r *report) error {
	s.rows = 1000
	input, err := s.input()
	if err != nil {
		return err
	}
	r.printf("%s\n\n", r.machine)
	err = s.withBroker(ctx, false, func(b *broker) error {
		for _, tool := range []string{"limit", "engine"} {
			var seconds []float64
			for round := range starts {
				w := workloads()[0]
				t := trial{workload: w, settings: s, tool: tool, broker: b, id: s.name(w.job, tool, round), input: input}
				took, err := t.first(ctx)
				if err != nil {
					return err
				}
				seconds = append(seconds, took.Seconds())
			}
			r.printf("exec → first record, %-6s  %3.0f ms median, %3.0f ms best of %d\n", tool, 1000*median(seconds), 1000*slices.Min(seconds), starts)
		}
		one, err := s.atRest(ctx, b, 1)
		if err != nil {
			return err
		}
		many, err := s.atRest(ctx, b, 1+sources)
		if err != nil {
			return err
		}
		r.printf("memory at rest, one idle source  %.0f MB\n", one)
		r.printf("memory at rest, %d more       %.0f KiB each\n", sources, (many-one)*1024/sources)
		return nil
	})
	if err != nil {
		return err
	}
	own, err := s.atRest(ctx, nil, 1)
	if err != nil {
		return err
	}
	r.printf("memory at rest, one idle source and the development broker  %.0f MB\n", own)
	return nil
}

// first runs the trial until its first record is at the broker.
func (t *trial) first(ctx context.Context) (took time.Duration, err error) {
	t.dir = filepath.Join(t.settings.dir, t.id)
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	name, args, err := t.command()
	if err != nil {
		return 0, err
	}
	p, err := launch(ctx, filepath.Join(t.dir, "log"), t.settings.program(name), args...)
	if err != nil {
		return 0, err
	}
	var seen struct{ First int64 }
	err = p.until(ctx, time.Millisecond, func() (bool, error) {
		err := t.broker.get(ctx, "/topic/"+t.id, &seen)
		return seen.First > 0, err
	})
	if t.tool == "limit" {
		<-p.ended
	}
	return time.Unix(0, seen.First).Sub(p.started), errors.Join(err, p.stop())
}

// settled is how long the memory of a process at rest must have stayed within a hundredth.
const settled = 3 * time.Second

// atRest is the resident memory, in MB, of an engine with so many sources that wait for their file. Without a broker it
// runs the development broker.
func (s settings) atRest(ctx context.Context, b *broker, n int) (mb float64, err error) {
	dir := filepath.Join(s.dir, fmt.Sprintf("rest-%d-%d", n, time.Now().UnixMilli()))
	project := filepath.Join(dir, "project")
	if err := os.MkdirAll(project, 0o755); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var text strings.Builder
	if b != nil {
		fmt.Fprintf(&text, "worker {\n  bootstrap_servers = [%q]\n}\n", b.addr)
	}
	for i := range n {
		fmt.Fprintf(&text, "pipeline \"idle%d\" {\n  source \"file\" {\n    file  = %q\n    topic = \"idle\"\n  }\n}\n", i, filepath.Join(dir, "none"))
	}
	if err := os.WriteFile(filepath.Join(project, "main.hcl"), []byte(text.String()), 0o600); err != nil {
		return 0, err
	}
	p, err := launch(ctx, filepath.Join(dir, "log"), s.program("engine"), "run", project)
	if err != nil {
		return 0, err
	}
	changed := time.Now()
	err = p.until(ctx, 100*time.Millisecond, func() (bool, error) {
		now := p.used().RSS
		if now < mb*0.99 || now > mb*1.01 {
			mb, changed = now, time.Now()
		}
		return time.Since(changed) >= settled, nil
	})
	return mb, errors.Join(err, p.stop())
}
