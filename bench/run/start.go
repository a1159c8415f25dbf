package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
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
		var seconds []float64
		for range starts {
			took, err := s.ready(ctx, b)
			if err != nil {
				return err
			}
			seconds = append(seconds, took.Seconds())
		}
		r.printf("exec → REST ready,   engine  %3.0f ms median, %3.0f ms best of %d\n", 1000*median(seconds), 1000*slices.Min(seconds), starts)
		return s.rests(ctx, b, r)
	})
	if err != nil {
		return err
	}
	own, err := s.atRest(ctx, nil, idle{sources: 1})
	if err != nil {
		return err
	}
	r.printf("memory at rest, one idle source and the development broker  %.0f MB\n", own)
	return nil
}

// rests tells what processes hold that have nothing to do.
func (s settings) rests(ctx context.Context, b *broker, r *report) error {
	empty, err := s.atRest(ctx, b, idle{sources: 1, stopped: true})
	if err != nil {
		return err
	}
	one, err := s.atRest(ctx, b, idle{sources: 1})
	if err != nil {
		return err
	}
	many, err := s.atRest(ctx, b, idle{sources: 1 + sources})
	if err != nil {
		return err
	}
	r.printf("memory at rest, nothing runs     %.0f MB\n", empty)
	r.printf("memory at rest, one idle source  %.0f MB\n", one)
	r.printf("memory at rest, %d more       %.0f KiB each\n", sources, (many-one)*1024/sources)
	return nil
}

// ready starts an engine and asks it whether it is well until it says so, which it does once its pipelines run.
func (s settings) ready(ctx context.Context, b *broker) (took time.Duration, err error) {
	dir, err := s.project(b, idle{sources: 1})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := launch(ctx, filepath.Join(dir, "log"), s.program("engine"), "run", filepath.Join(dir, "project"))
	if err != nil {
		return 0, err
	}
	err = p.until(ctx, time.Millisecond, func() (bool, error) {
		text, err := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil {
			return false, err
		}
		at := restAddress.FindSubmatch(text)
		if at == nil {
			return false, nil
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(at[1])+"/health", nil)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		took = time.Since(p.started)
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	return took, errors.Join(err, p.stop())
}

// restAddress finds in what the engine says where it serves.
var restAddress = regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+)`)

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

// idle is an engine with nothing to do: sources that wait for their file, or that do not even run.
type idle struct {
	sources int
	stopped bool
}

// project writes a folder with a project of its name. Without a broker it runs the development broker.
func (s settings) project(b *broker, i idle) (dir string, err error) {
	if dir, err = os.MkdirTemp(s.dir, "rest"); err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString("worker {\n  listeners = [\"http://127.0.0.1:0\"]\n")
	if b != nil {
		fmt.Fprintf(&text, "  bootstrap_servers = [%q]\n", b.addr)
	}
	text.WriteString("}\n")
	state := "running"
	if i.stopped {
		state = "stopped"
	}
	for n := range i.sources {
		fmt.Fprintf(&text, "pipeline \"idle%d\" {\n  state = %q\n  source \"file\" {\n    file  = %q\n    topic = \"idle\"\n  }\n}\n", n, state, filepath.Join(dir, "none"))
	}
	project := filepath.Join(dir, "project")
	return dir, errors.Join(os.Mkdir(project, 0o755), os.WriteFile(filepath.Join(project, "main.hcl"), []byte(text.String()), 0o600))
}

// atRest is the resident memory, in MB, of an engine that has nothing to do.
func (s settings) atRest(ctx context.Context, b *broker, i idle) (mb float64, err error) {
	dir, err := s.project(b, i)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := launch(ctx, filepath.Join(dir, "log"), s.program("engine"), "run", filepath.Join(dir, "project"))
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
