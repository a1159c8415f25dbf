package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
)

// statusCommand is one `engine status`.
type statusCommand struct {
	remote
	watch   bool
	cluster bool // the workers, not the connectors
	trace   bool // all of a failure's text, not its first line only
}

// look is what one look at a worker has found.
type look struct {
	list    []*api.Status
	loaded  *api.Configuration // nil: the worker has no files, or does not tell
	missing diag.List          // connectors that were asked for and are not there
}

func newStatus(p process) *cobra.Command {
	r := &statusCommand{remote: remote{process: p}}
	c := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "Show how the connectors of a running worker are",
		Long: `status shows connectors of a running worker, all or those named: how each is, how
many of its tasks run, how far they lag, why what has failed did, and when it is
started again. Of an "engine run" it first says which revision of the files runs,
and since when newer ones have errors. With -cluster it shows the workers of a
cluster, who of them leads, and who runs what.`,
		Example: `  engine status                         all of the worker on this machine
  engine status orders -trace           with all there is about its failures
  engine status -watch orders           once a second, until Ctrl-C
  engine status -cluster -url http://worker:8083
  engine status -json -url http://worker:8083`,
		Args:              takes("names of connectors", 0, -1),
		ValidArgsFunction: r.complete(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.cluster && (r.watch || len(args) > 0) {
				return usageError(cmd, errors.New("-cluster shows the whole cluster once, so it takes neither names nor -watch"))
			}
			return r.do(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				if r.cluster {
					return r.showCluster(ctx, c)
				}
				if r.watch {
					return r.watchStatus(ctx, c, args)
				}
				found, err := lookAt(ctx, c, args)
				if err != nil {
					return err
				}
				return r.outcome(found)
			})
		},
	}
	c.Flags().BoolVar(&r.cluster, "cluster", false, "show the workers of a cluster, and who runs what")
	c.Flags().BoolVar(&r.watch, "watch", false, "go on: redraw a terminal each second, else print what changes")
	c.Flags().BoolVar(&r.trace, "trace", false, "print all of a failure's text, not only its first line")
	return r.flags(c)
}

// lookAt reads the connectors named, or all.
func lookAt(ctx context.Context, c *api.Client, names []string) (look, error) {
	list, missing, err := statuses(ctx, c, names)
	if err == nil {
		err = c.Gather(ctx, list)
	}
	if err != nil {
		return look{}, err
	}
	loaded, err := c.Configuration(ctx)
	return look{list, loaded, missing}, err
}

// statuses reads those of the connectors named, or all. Names that the worker does not have are diagnostics, beside those
// that it has.
func statuses(ctx context.Context, c *api.Client, names []string) ([]*api.Status, diag.List, error) {
	all, err := c.Statuses(ctx)
	if err != nil || len(names) == 0 {
		return all, nil, err
	}
	var list []*api.Status
	var missing diag.List
	for _, name := range names {
		if i := slices.IndexFunc(all, func(s *api.Status) bool { return s.Name == name }); i >= 0 {
			list = append(list, all[i])
			continue
		}
		// Perhaps it has not said anything yet; then this answer says so.
		if s, err := c.Status(ctx, name); err == nil {
			list = append(list, s)
		} else {
			missing = append(missing, aboutConnector(ctx, c, name, err)...)
		}
	}
	return list, missing, nil
}

// outcome prints what there is, and makes an error of what there is not.
func (r *statusCommand) outcome(found look) error {
	if len(found.list) > 0 || len(found.missing) == 0 {
		if err := r.print(found); err != nil {
			return err
		}
	}
	return found.missing.Err()
}

func (r *statusCommand) print(found look) error {
	if r.json {
		if found.list == nil {
			found.list = []*api.Status{}
		}
		return printJSON(r.out, found.list)
	}
	_, err := r.out.Write(r.page(found))
	return err
}

// page is all that one look shows.
func (r *statusCommand) page(found look) []byte {
	var b bytes.Buffer
	if found.loaded != nil {
		b.WriteString(configurationLine(found.loaded) + "\n")
	}
	if len(found.list) == 0 {
		b.WriteString("The worker has no connectors.\n")
		return b.Bytes()
	}
	r.table(&b, found.list)
	return b.Bytes()
}

// configurationLine is such as "configuration: revision 1 of 12:00:00; orders.hcl has errors since 12:04:31".
func configurationLine(c *api.Configuration) string {
	line := fmt.Sprintf("configuration: revision %d of %s", c.Revision, moment(c.Since))
	if c.Last.Loaded || c.Rejected == nil {
		return line
	}
	since := moment(c.Rejected.Since)
	switch files := c.Rejected.Files; len(files) {
	case 0:
		return line + "; the files could not be loaded since " + since
	case 1:
		return line + fmt.Sprintf("; %s has errors since %s", files[0], since)
	default:
		return line + fmt.Sprintf("; %s have errors since %s", listed(files), since)
	}
}

// moment is a time of this day, or a day and a time.
func moment(at time.Time) string {
	at = at.Local()
	if now := time.Now(); at.Year() == now.Year() && at.YearDay() == now.YearDay() {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// table has a line for each connector, and those below it for each part that has failed.
func (r *statusCommand) table(b *bytes.Buffer, list []*api.Status) {
	tells := slices.ContainsFunc(list, func(s *api.Status) bool { return s.Beyond != nil && s.Beyond.Tasks != nil })
	rows := [][]string{{"NAME", "TYPE", "STATE", "TASKS"}}
	if tells {
		rows[0] = append(rows[0], "LAG")
	}
	for _, s := range list {
		row := []string{s.Name, s.Type, string(s.Connector.State), tasksOf(s)}
		if tells {
			row = append(row, lagOf(s))
		}
		rows = append(rows, row)
	}
	var aligned bytes.Buffer
	_ = table(&aligned, rows) // a buffer takes everything
	for i, line := range strings.SplitAfter(aligned.String(), "\n") {
		b.WriteString(line)
		if i == 0 || i > len(list) {
			continue
		}
		for _, why := range r.failuresOf(list[i-1]) {
			b.WriteString("  " + strings.ReplaceAll(why, "\n", "\n    ") + "\n")
		}
	}
}

// tasksOf is such as "1/2 running".
func tasksOf(s *api.Status) string {
	running := 0
	for _, t := range s.Tasks {
		if t.State.State == store.StateRunning {
			running++
		}
	}
	return fmt.Sprintf("%d/%d running", running, len(s.Tasks))
}

// lagOf is how far the tasks of a connector lag: records and time for a sink, the time of the newest record for a source;
// "-" where a task does not know.
func lagOf(s *api.Status) string {
	if s.Beyond == nil || len(s.Beyond.Tasks) == 0 || len(s.Beyond.Tasks) < len(s.Tasks) {
		return "-"
	}
	var records int64
	var seconds float64
	for _, t := range s.Beyond.Tasks {
		if t.Behind == nil || s.Type == "sink" && t.Lag == nil {
			return "-"
		}
		seconds = max(seconds, *t.Behind)
		if t.Lag != nil {
			records += *t.Lag
		}
	}
	if s.Type != "sink" {
		return "newest " + spell(seconds) + " ago"
	}
	return fmt.Sprintf("%s, %s", count(int(records), "record"), spell(seconds))
}

// spell is a delay with the precision that people want.
func spell(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

// failuresOf says what of a connector has failed, and why; and what had failed and runs again.
func (r *statusCommand) failuresOf(s *api.Status) []string {
	var known api.Failures
	if s.Beyond != nil {
		known = s.Beyond.Connector
	}
	lines := r.failure("connector", s.Connector, known)
	for _, t := range s.Tasks {
		known = api.Failures{}
		if s.Beyond != nil {
			for _, p := range s.Beyond.Tasks {
				if p.ID == t.ID {
					known = p.Failures
				}
			}
		}
		lines = append(lines, r.failure(fmt.Sprintf("task %d", t.ID), t.State, known)...)
	}
	return lines
}

// failure is what there is to say of one instance or task, nothing when it has never failed.
func (r *statusCommand) failure(what string, is api.State, known api.Failures) []string {
	switch {
	case is.State == store.StateFailed:
		again := ""
		if !known.Next.IsZero() {
			again = fmt.Sprintf(", is started again at %s (attempt %d)", moment(known.Next), known.Attempt)
		}
		return []string{what + " FAILED" + again + ": " + r.shortened(is.Trace)}
	case known.Count == 0:
		return nil
	}
	return []string{fmt.Sprintf("%s had failed %s, last at %s: %s", what, count(int(known.Count), "time"), moment(known.At), r.shortened(known.Last))}
}

// shortened is the first line of a failure's text, all of it when that is asked for.
func (r *statusCommand) shortened(text string) string {
	if r.trace {
		return strings.TrimSpace(text)
	}
	return firstLine(text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// watchEvery is how often a watched worker is asked.
const watchEvery = time.Second

// destroyed is Kafka Connect's name for the state of a connector that is gone.
const destroyed store.State = "DESTROYED"

// watching shows how connectors become other than they were.
type watching struct {
	*statusCommand
	screen *screen
	shown  map[string]string // what was told of each connector; "" is the configuration
	down   bool              // the worker was out of reach at the last look
}

// watchStatus looks until ctx is done. A worker that goes away is waited for; one that is not there at first is an error.
func (r *statusCommand) watchStatus(ctx context.Context, c *api.Client, names []string) error {
	w := &watching{statusCommand: r, screen: newScreen(r.process), shown: map[string]string{}}
	if r.json {
		w.screen.live = false
	}
	found, err := lookAt(ctx, c, names)
	if err == nil {
		err = found.missing.Err()
	}
	if err != nil {
		return err
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for now := time.Now(); ; {
		if err := w.show(now, found, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case now = <-tick.C:
		}
		if found, err = lookAt(ctx, c, names); ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C ends the command as it should
		}
	}
}

// show takes what one look has found.
func (w *watching) show(now time.Time, found look, failed error) error {
	at := now.Format(time.TimeOnly)
	if failed != nil {
		if w.screen.live {
			w.screen.show([]string{at + "  " + failed.Error()})
		} else if !w.down { // standard output is of statuses only
			if _, err := fmt.Fprintf(w.err, "%s  %s\n", at, failed); err != nil {
				return err
			}
		}
		w.down = true
		return nil
	}
	w.down = false
	if w.screen.live {
		lines := strings.Split(strings.TrimSuffix(string(w.page(found)), "\n"), "\n")
		w.screen.show(append([]string{at}, lines...))
		return nil
	}
	if found.loaded != nil && !w.json {
		line := configurationLine(found.loaded)
		if err := w.told("", line, at+"  "+line); err != nil {
			return err
		}
	}
	return w.changes(at, found.list)
}

// told prints a line unless what it tells was told before.
func (w *watching) told(of, what, line string) error {
	if w.shown[of] == what {
		return nil
	}
	w.shown[of] = what
	_, err := io.WriteString(w.out, line+"\n")
	return err
}

// changes prints a line for each connector that is not as it was.
func (w *watching) changes(at string, list []*api.Status) error {
	there := map[string]bool{"": true}
	for _, s := range list {
		there[s.Name] = true
	}
	for name := range w.shown {
		if !there[name] {
			list = append(list, &api.Status{Name: name, Connector: api.State{State: destroyed}, Tasks: []api.TaskState{}})
		}
	}
	for _, s := range list {
		what, text, err := w.line(s)
		if err != nil {
			return err
		}
		if !w.json {
			text = at + "  " + text
		}
		if err := w.told(s.Name, what, text); err != nil {
			return err
		}
		if s.Connector.State == destroyed {
			delete(w.shown, s.Name)
		}
	}
	return nil
}

// line says on one line how a connector is, and what of that is no change by itself: records that move are none.
func (w *watching) line(s *api.Status) (what, text string, err error) {
	text = fmt.Sprintf("%s  %s  %s", s.Name, s.Connector.State, tasksOf(s))
	text = strings.Join(append([]string{text}, w.failuresOf(s)...), "; ")
	text = strings.ReplaceAll(text, "\n", "; ")
	if !w.json {
		return text, text, nil
	}
	whole, err := json.Marshal(s)
	return text, string(whole), err
}
