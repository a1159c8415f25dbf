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

func newStatus(p process) *cobra.Command {
	r, watch, cluster := &remote{process: p}, false, false
	c := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "Show how the connectors of a running worker are",
		Long: `status shows connectors of a running worker, all or those named: how each is, how
many of its tasks run, and why what has failed did. With -cluster it shows the
workers of a cluster, who of them leads, and who runs what.`,
		Example: `  engine status                         all of the worker on this machine
  engine status -watch orders           once a second, until Ctrl-C
  engine status -cluster -url http://worker:8083
  engine status -json -url http://worker:8083`,
		Args:              takes("names of connectors", 0, -1),
		ValidArgsFunction: r.complete(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cluster && (watch || len(args) > 0) {
				return usageError(cmd, errors.New("-cluster shows the whole cluster once, so it takes neither names nor -watch"))
			}
			return r.do(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				if cluster {
					return r.showCluster(ctx, c)
				}
				if watch {
					return r.watchStatus(ctx, c, args)
				}
				list, missing, err := statuses(ctx, c, args)
				if err != nil {
					return err
				}
				return r.outcome(list, missing)
			})
		},
	}
	c.Flags().BoolVar(&cluster, "cluster", false, "show the workers of a cluster, and who runs what")
	c.Flags().BoolVar(&watch, "watch", false, "go on: redraw a terminal each second, else print what changes")
	return r.flags(c)
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
func (r *remote) outcome(list []*api.Status, found diag.List) error {
	if len(list) > 0 || len(found) == 0 {
		if err := r.printStatuses(list); err != nil {
			return err
		}
	}
	return found.Err()
}

func (r *remote) printStatuses(list []*api.Status) error {
	if r.json {
		if list == nil {
			list = []*api.Status{}
		}
		return printJSON(r.out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(r.out, "The worker has no connectors.")
		return err
	}
	_, err := r.out.Write(statusTable(list))
	return err
}

// statusTable has a line for each connector, and one below for each part that has failed.
func statusTable(list []*api.Status) []byte {
	rows := [][]string{{"NAME", "TYPE", "STATE", "TASKS"}}
	for _, s := range list {
		rows = append(rows, []string{s.Name, s.Type, string(s.Connector.State), tasksOf(s)})
	}
	var aligned, b bytes.Buffer
	_ = table(&aligned, rows) // a buffer takes everything
	for i, line := range strings.SplitAfter(aligned.String(), "\n") {
		b.WriteString(line)
		if i == 0 || i > len(list) {
			continue
		}
		for _, why := range failuresOf(list[i-1]) {
			b.WriteString("  " + why + "\n")
		}
	}
	return b.Bytes()
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

// failuresOf says what of a connector has failed, and why.
func failuresOf(s *api.Status) []string {
	var lines []string
	if s.Connector.State == store.StateFailed {
		lines = append(lines, "connector FAILED: "+firstLine(s.Connector.Trace))
	}
	for _, t := range s.Tasks {
		if t.State.State == store.StateFailed {
			lines = append(lines, fmt.Sprintf("task %d FAILED: %s", t.ID, firstLine(t.Trace)))
		}
	}
	return lines
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
	*remote
	screen *screen
	shown  map[string]string // the line of each connector
	down   bool              // the worker was out of reach at the last look
}

// watchStatus looks until ctx is done. A worker that goes away is waited for; one that is not there at first is an error.
func (r *remote) watchStatus(ctx context.Context, c *api.Client, names []string) error {
	w := &watching{remote: r, screen: newScreen(r.process), shown: map[string]string{}}
	if r.json {
		w.screen.live = false
	}
	list, missing, err := statuses(ctx, c, names)
	if err == nil {
		err = missing.Err()
	}
	if err != nil {
		return err
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for now := time.Now(); ; {
		if err := w.show(now, list, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case now = <-tick.C:
		}
		if list, _, err = statuses(ctx, c, names); ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C ends the command as it should
		}
	}
}

// show takes what one look has found.
func (w *watching) show(now time.Time, list []*api.Status, failed error) error {
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
		lines := strings.Split(strings.TrimSuffix(string(statusTable(list)), "\n"), "\n")
		w.screen.show(append([]string{at}, lines...))
		return nil
	}
	return w.changes(at, list)
}

// changes prints a line for each connector that is not as it was.
func (w *watching) changes(at string, list []*api.Status) error {
	there := map[string]bool{}
	for _, s := range list {
		there[s.Name] = true
	}
	for name := range w.shown {
		if !there[name] {
			list = append(list, &api.Status{Name: name, Connector: api.State{State: destroyed}, Tasks: []api.TaskState{}})
		}
	}
	for _, s := range list {
		text, err := w.line(s)
		if err != nil {
			return err
		}
		if w.shown[s.Name] == text {
			continue
		}
		w.shown[s.Name] = text
		if s.Connector.State == destroyed {
			delete(w.shown, s.Name)
		}
		if !w.json {
			text = at + "  " + text
		}
		if _, err := io.WriteString(w.out, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// line says on one line how a connector is.
func (w *watching) line(s *api.Status) (string, error) {
	if w.json {
		text, err := json.Marshal(s)
		return string(text), err
	}
	text := fmt.Sprintf("%s  %s  %s", s.Name, s.Connector.State, tasksOf(s))
	return strings.Join(append([]string{text}, failuresOf(s)...), "; "), nil
}
