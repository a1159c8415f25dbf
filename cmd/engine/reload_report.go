package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/store"
)

// line prints one line with the time before it.
func (r *reloads) line(format string, args ...any) {
	r.run.say(time.Now().Format(time.TimeOnly) + "  " + fmt.Sprintf(format, args...) + "\n")
}

// refuse says that a load is not put into effect.
func (r *reloads) refuse(why string, found diag.List, source func(string) ([]byte, error)) {
	r.book.reject(found, r.run.project().about(found), time.Now())
	r.line("%sNOT loaded. Still running revision %d.\n", why, r.book.revision())
	r.run.tellAbove(found, source)
}

// report says what a load has changed.
func (r *reloads) report(why string, was, next *project, o outcome) {
	c := o.changes
	var counts []string
	for _, n := range []struct {
		names []string
		word  string
	}{{c.Created, "new"}, {c.Changed, "changed"}, {c.Deleted, "stopped"}, {c.Untouched, "untouched"}} {
		if len(n.names) > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", len(n.names), n.word))
		}
	}
	if len(counts) == 0 {
		counts = append(counts, "No pipelines")
	}
	var b strings.Builder
	did := "loaded"
	if !o.fresh {
		did = "nothing changed"
	}
	fmt.Fprintf(&b, "%s%s (revision %d). %s.", why, did, r.book.revision(), strings.Join(counts, ", "))
	for _, l := range shortened(details(was, next, c)) {
		b.WriteString("\n            " + l)
	}
	r.line("%s", b.String())
	r.worker(was, next)
}

// worker says when the worker block differs from the one that runs.
func (r *reloads) worker(was, next *project) {
	if len(config.Diff(was.declaredWorker().Map, next.declaredWorker().Map, nil)) == 0 {
		return
	}
	var keys []string
	for _, c := range config.Diff(r.started.Map, next.declaredWorker().Map, nil) {
		keys = append(keys, c.Key)
	}
	if len(keys) == 0 {
		r.line("the worker block is again the one that runs")
		return
	}
	r.line("the worker block changed; restart to apply: %s", strings.Join(keys, ", "))
}

// details are a line for each pipeline that is new or gone, and for each property that changed.
func details(was, next *project, c engine.Changes) []string {
	width := 0
	for _, n := range c.Changed {
		width = max(width, len(n))
	}
	var lines []string
	for _, n := range slices.Sorted(slices.Values(c.Created)) {
		lines = append(lines, "+ "+n)
	}
	for _, n := range slices.Sorted(slices.Values(c.Changed)) {
		for i, d := range properties(was, next, n) {
			mark, name := "~", n
			if i > 0 {
				mark, name = " ", ""
			}
			lines = append(lines, fmt.Sprintf("%s %-*s   %s", mark, width, name, d))
		}
	}
	for _, n := range slices.Sorted(slices.Values(c.Deleted)) {
		lines = append(lines, "- "+n)
	}
	return lines
}

// properties says what changed of one pipeline.
func properties(was, next *project, name string) []string {
	old, now := was.graph.Instance(name), next.graph.Instance(name)
	if now == nil {
		return nil
	}
	if old == nil { // it was stored, and is declared anew
		return []string{"as the file says"}
	}
	had, has := old.Declared.Hidden(was.worker, was.registry), now.Declared.Hidden(next.worker, next.registry)
	var lines []string
	for _, c := range config.Diff(old.Config, now.Config, func(key string) bool { return had(key) || has(key) }) {
		lines = append(lines, c.String())
	}
	if from, to := old.Declared.Target, now.Declared.Target; from != to || len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("state %s → %s", asked(from), asked(to)))
	}
	return lines
}

// asked is a state as files have it.
func asked(t config.Target) string {
	switch t {
	case config.Started:
		return "running"
	case config.Paused:
		return "paused"
	case config.Stopped:
		return "stopped"
	default:
		return "as it is"
	}
}

// mostDetails is how many lines say what changed.
const mostDetails = 20

func shortened(lines []string) []string {
	if len(lines) <= mostDetails {
		return lines
	}
	return append(slices.Clone(lines[:mostDetails]), fmt.Sprintf("and %d more", len(lines)-mostDetails))
}

// settledState is what to say of a pipeline that was changed; settled is false while it is on its way.
func settledState(p engine.Pipeline) (state string, settled bool) {
	running := 0
	for _, t := range p.Tasks {
		switch t.State {
		case store.StateRunning:
			running++
		case store.StateFailed:
			return "", true
		case store.StatePaused, store.StateStopped, store.StateUnassigned:
		}
	}
	switch {
	case p.State == store.StateFailed:
		return "", true
	case p.Target != config.Started:
		return strings.ToLower(string(p.State)), p.State == store.StatePaused || p.State == store.StateStopped
	case p.State == store.StateRunning && len(p.Tasks) > 0 && running == len(p.Tasks):
		return fmt.Sprintf("running, %d of %s", running, count(len(p.Tasks), "task")), true
	}
	return "", false
}

// why begins the line about a load with what led to it. What only waited for missing files to stay so has been told.
func (r *reloads) why(l hcl.Loading) string {
	if len(l.Changed) == 0 {
		return ""
	}
	return r.files(l.Changed) + " changed: "
}

// missing says which files are empty or gone and what that will stop.
func (r *reloads) missing(files []string, wait time.Duration) {
	var names []string
	for _, p := range r.run.project().Pipelines {
		if slices.Contains(files, p.Place.File) {
			names = append(names, p.Name())
		}
	}
	what := "removed"
	if info, err := os.Stat(files[0]); err == nil && info.Size() == 0 {
		what = "empty"
	}
	if r.run.project().properties != nil {
		r.line("%s %s: waiting %.0f s for it to come back", r.files(files), what, wait.Seconds())
		return
	}
	if len(names) == 0 {
		r.line("%s %s: loading without in %.0f s", r.files(files), what, wait.Seconds())
		return
	}
	r.line("%s %s: stopping in %.0f s: %s", r.files(files), what, wait.Seconds(), listed(names))
}

func (r *reloads) back(files []string) {
	r.line("%s: there again, nothing changed", r.files(files))
}

func (r *reloads) noEvents(err error, every time.Duration) {
	r.line("the system tells nothing of changed files (%s); looking every %.0f s instead", err, every.Seconds())
}

// files are names of files from the project's folder.
func (r *reloads) files(paths []string) string {
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = r.run.project().within(p)
	}
	return listed(names)
}

// mostListed is how many names a line lists.
const mostListed = 4

func listed(names []string) string {
	if len(names) <= mostListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostListed-1], ", "), len(names)-mostListed+1)
}
