package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/penstock/penstock/bench/rows"
)

// allocations are those of one record.
type allocations struct{ Allocs, Bytes float64 }

// report collects outcomes and prints them.
type report struct {
	settings
	out         io.Writer
	machine     string
	results     *os.File // nil: none
	runs        []outcome
	allocations map[rows.Job]allocations
	null        map[int][]float64 // CPU of W0 by transforms
}

func newReport(s settings, out io.Writer) (*report, error) {
	r := &report{settings: s, out: out, machine: machine(), allocations: map[rows.Job]allocations{}, null: map[int][]float64{}}
	if s.results == "" {
		return r, nil
	}
	var err error
	r.results, err = os.OpenFile(s.results, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return r, err
}

func (r *report) close() error {
	if r.results == nil {
		return nil
	}
	return r.results.Close()
}

func (r *report) printf(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) } // nobody reads what cannot be printed

// add takes an outcome.
func (r *report) add(o outcome) error {
	o.Machine = r.machine
	r.runs = append(r.runs, o)
	if r.verbose {
		r.printf("%s %-14s %5.2f CPU s/M  %5.1f s  %4.0f MB  broker %.2f  load %.1f\n", o.Job, o.Tool, o.CPU, o.Wall, o.Peak, o.Broker, o.Load)
	}
	if r.results == nil {
		return nil
	}
	return json.NewEncoder(r.results).Encode(o)
}

// again reports runs that are kept: table and picture of what was measured elsewhere, or before. Allocations and W0 are no
// runs and are not among them.
func again(s settings, r *report) error {
	if s.results == "" {
		return errors.New("report needs -results FILE, in which the runs are")
	}
	text, err := os.ReadFile(s.results)
	if err != nil {
		return err
	}
	var list []workload
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var o outcome
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s: %w", s.results, err)
		}
		if len(r.runs) > 0 && (o.Machine != r.machine || o.Rows != r.rows) {
			return fmt.Errorf("%s: runs of %d records on %s and of %d on %s are no one report", s.results, r.rows, r.machine, o.Rows, o.Machine)
		}
		r.machine, r.rows = o.Machine, o.Rows
		r.runs = append(r.runs, o)
	}
	for _, w := range workloads() {
		if n := len(r.of(w.job, "limit", cpu)); n > 0 && len(r.of(w.job, "engine", cpu)) > 0 {
			list, r.rounds = append(list, w), n
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%s holds no runs of the engine beside the limit", s.results)
	}
	return r.table(list)
}

// of lists one figure of the runs of a tool, round after round.
func (r *report) of(job rows.Job, tool string, figure func(outcome) float64) (list []float64) {
	for _, o := range r.runs {
		if o.Job == job && o.Tool == tool {
			list = append(list, figure(o))
		}
	}
	return list
}

func cpu(o outcome) float64  { return o.CPU }
func peak(o outcome) float64 { return o.Peak }
func rate(o outcome) float64 { return float64(o.Rows) / o.Wall / 1000 }

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return (s[len(s)/2] + s[(len(s)-1)/2]) / 2
}

// ratio is the median of paired ratios: a tool's run over the limit's of the same round.
func (r *report) ratio(job rows.Job, tool string) float64 {
	a, limit := r.of(job, tool, cpu), r.of(job, "limit", cpu)
	var list []float64
	for i := range min(len(a), len(limit)) {
		list = append(list, a[i]/limit[i])
	}
	return median(list)
}

// table prints what bench has measured, ratios first.
func (r *report) table(list []workload) error {
	r.printf("%s; %d records a run, %d rounds\n\n", r.machine, r.rows, r.rounds)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // into memory until Flush
	line("workload\t× limit\tCPU s/M engine (min)\tlimit (min)\tbest k rec/s\tpeak MB\tallocs/rec\tB/rec\t")
	for _, x := range list {
		e, l := r.of(x.job, "engine", cpu), r.of(x.job, "limit", cpu)
		allocated := "\t"
		if a, counted := r.allocations[x.job]; counted {
			allocated = fmt.Sprintf("%.3f\t%.0f", a.Allocs, a.Bytes)
		}
		line("%s %s\t%.2f\t%.2f (%.2f)\t%.2f (%.2f)\t%.0f\t%.0f\t%s\t", x.job, x.title, r.ratio(x.job, "engine"), median(e), slices.Min(e),
			median(l), slices.Min(l), slices.Max(r.of(x.job, "engine", rate)), slices.Max(r.of(x.job, "engine", peak)), allocated)
	}
	for _, n := range slices.Sorted(maps.Keys(r.null)) {
		line("W0 rows → %d transforms → nothing\t\t%.2f (%.2f)\t\t\t\t\t\t", n, median(r.null[n]), slices.Min(r.null[n]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.picture == "" {
		return nil
	}
	f, err := os.Create(r.picture)
	if err != nil {
		return err
	}
	return errors.Join(r.draw(f, list), f.Close())
}
