package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/penstock/penstock/bench/rows"
)

// bench runs every workload with its limit program, A B B A A B …, round after round, then counts allocations.
func bench(ctx context.Context, s settings, r *report) error {
	input, err := s.input()
	if err != nil {
		return err
	}
	var list []workload
	for _, w := range workloads() {
		if s.only == nil || s.only[w.job] {
			w.want = rows.Expected(w.job, s.rows)[0]
			list = append(list, w)
		}
	}
	for round := range s.rounds {
		if err := s.round(ctx, r, list, input, round); err != nil {
			return err
		}
	}
	for _, w := range list {
		a, err := s.allocations(ctx, w, input)
		if err != nil {
			return err
		}
		r.allocations[w.job] = a
	}
	if s.only == nil || s.only["W0"] {
		if err := s.null(ctx, r); err != nil {
			return err
		}
	}
	return r.table(list)
}

// round runs each program once, sources on one broker and sinks on another.
func (s settings) round(ctx context.Context, r *report, list []workload, input string, round int) error {
	tools := []string{"limit", "engine"}
	if round%2 == 1 {
		tools = []string{"engine", "limit"}
	}
	each := func(b *broker, sinks bool) error {
		for _, w := range list {
			for _, tool := range tools {
				if w.isSink() != sinks {
					continue
				}
				t := trial{workload: w, settings: s, tool: tool, broker: b, id: s.name(w.job, tool, round), input: input}
				o, err := t.run(ctx)
				if err != nil {
					return err
				}
				if err := r.add(o); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, sinks := range []bool{false, true} {
		if !slices.ContainsFunc(list, func(w workload) bool { return w.isSink() == sinks }) {
			continue
		}
		if err := s.withBroker(ctx, sinks, func(b *broker) error { return each(b, sinks) }); err != nil {
			return err
		}
	}
	return nil
}

// name is that of a run, of its topic, pipeline and group.
func (s settings) name(job rows.Job, tool string, round int) string {
	return fmt.Sprintf("%s-%s-%d-%d", job, tool, round, time.Now().UnixMilli())
}

// withBroker gives f a fresh broker; one for sinks has the rows stored.
func (s settings) withBroker(ctx context.Context, stored bool, f func(*broker) error) error {
	args := []string{"-memory", strconv.Itoa(1 << 30)}
	if stored {
		args = []string{"-memory", strconv.Itoa(1<<30 + 2000*s.rows), "-rows", strconv.Itoa(s.rows)}
	}
	b, err := s.broker(ctx, args...)
	if err != nil {
		return err
	}
	return errors.Join(f(b), b.stop())
}

// input is the file of rows, made once.
func (s settings) input() (string, error) {
	name := filepath.Join(s.dir, fmt.Sprintf("rows-%d.jsonl", s.rows))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	f, err := os.Create(name + ".new")
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var b []byte
	for i := range s.rows {
		b = append(rows.Append(b[:0], i), '\n')
		if _, err := w.Write(b); err != nil {
			return "", errors.Join(err, f.Close())
		}
	}
	return name, errors.Join(w.Flush(), f.Close(), os.Rename(name+".new", name))
}

// allocations counts them in a run of bench/host.
func (s settings) allocations(ctx context.Context, w workload, input string) (a allocations, err error) {
	err = s.withBroker(ctx, w.isSink(), func(b *broker) error {
		t := trial{workload: w, settings: s, tool: "host", broker: b, id: s.name(w.job, "host", 0), input: input}
		t.program = "host"
		t.dir = filepath.Join(s.dir, t.id)
		if err := os.MkdirAll(t.dir, 0o755); err != nil {
			return err
		}
		name, args, err := t.command()
		if err == nil {
			err = s.host(ctx, &a, name, append(args, "-records", strconv.Itoa(s.rows*9/10))...)
		}
		return errors.Join(err, os.RemoveAll(t.dir))
	})
	return a, err
}

// host runs bench/host and reads what it prints.
func (s settings) host(ctx context.Context, into any, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.program(name), args...).Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("%s: %w\n%s", name, err, failed.Stderr)
		}
		return err
	}
	return json.Unmarshal(out, into)
}

// null measures W0.
func (s settings) null(ctx context.Context, r *report) error {
	for _, transforms := range []int{0, 1, 5} {
		for range s.rounds {
			var m struct{ CPU, Allocs float64 }
			if err := s.host(ctx, &m, "host", "-null", strconv.Itoa(s.rows), "-transforms", strconv.Itoa(transforms)); err != nil {
				return err
			}
			r.null[transforms] = append(r.null[transforms], m.CPU)
		}
	}
	return nil
}
