package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
)

// applying is an apply command.
type applying struct {
	planning
	auto     bool
	deletes  bool // -allow-delete
	noCanary bool
	how      diff.How
	settle   time.Duration
	age      time.Duration
	project  string // the folder of a saved plan's project
}

// settleTime is how long a connector of a genuine Kafka Connect must run to count as running: it does not say of which
// configuration its status is.
const settleTime = 5 * time.Second

func newApply(p process) *cobra.Command {
	a := &applying{planning: planning{remote: remote{process: p}}}
	c := &cobra.Command{
		Use:   "apply [FOLDER | PLAN]",
		Short: "Take a cluster to what a project declares",
		Long: `apply shows a plan, asks, and carries it out: what is new and what changes first,
deletions last and only if everything else succeeded. What fails is told; the
next apply goes on from there. A plan kept with "engine plan -out" is carried
out exactly as it was shown, or refused when the cluster has changed since.`,
		Example: `  engine apply                          the folder you are in
  engine apply p.plan                   a plan that was kept
  engine apply -auto-approve            ask nothing, delete nothing`,
		Args: takes("a folder or a plan", 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), folder(args)) },
	}
	f := c.Flags()
	f.BoolVar(&a.auto, "auto-approve", false, "do not ask; deletions need -allow-delete as well")
	f.BoolVar(&a.deletes, "allow-delete", false, "with -auto-approve, delete what no file declares any more")
	f.BoolVar(&a.noCanary, "no-canary", false, "do not try a change that many pipelines share on one of them first")
	f.IntVar(&a.how.Parallel, "parallelism", 4, "connectors at a `NUMBER` a time")
	f.IntVar(&a.how.Failures, "max-failures", 0, "begin nothing more after a `NUMBER` of failures; 0 goes on")
	f.DurationVar(&a.how.Wait, "wait", time.Minute, "how long to wait for each connector to run, as `TIME`; 0 not at all")
	f.DurationVar(&a.settle, "settle", -1, "how long a connector must run to count as running, as `TIME` (5s for Kafka Connect, else 0)")
	f.DurationVar(&a.age, "max-plan-age", 0, "refuse a kept plan that is older, as `TIME`; 0 takes any")
	f.StringVar(&a.project, "project", ".", "with a kept plan, the `FOLDER` whose secrets it needs")
	return a.flags(c)
}

func (a *applying) run(ctx context.Context, arg string) error {
	is, kept, err := a.prepare(ctx, arg)
	if err != nil {
		return err
	}
	if is.cluster.standalone() && (kept || len(a.targets)+len(a.excluded) > 0 || a.choices.Destroy) {
		return refusal(diag.New(diag.Usage, diag.Place{}, "A standalone worker reads its files as a whole: a kept plan, -target, -exclude and -destroy are for clusters. Edit the files and run engine apply."))
	}
	if !a.json {
		if err := a.show(is); err != nil {
			return err
		}
	}
	if is.document.Counts.Nothing() {
		if a.json {
			return a.end(&diff.Done{})
		}
		return nil
	}
	if err := a.agreed(is, kept); err != nil {
		return err
	}
	how := a.manner(is)
	// The first Ctrl-C begins nothing more and lets what is under way end.
	firm := context.WithoutCancel(ctx)
	if is.cluster.standalone() {
		return a.reload(firm, ctx, is, how)
	}
	return a.end(diff.Apply(firm, ctx, is.document, is.cluster, how))
}

// manner is how to apply to a cluster.
func (a *applying) manner(is *planned) diff.How {
	how := a.how
	how.Project, how.Canary, how.Hidden, how.Report = is.files.ID, !a.noCanary, is.hidden, a.report
	if is.files.Cluster != nil && is.files.Cluster.ByNames {
		how.Project = ""
	}
	if how.Settle = a.settle; a.settle < 0 {
		how.Settle = 0
		if is.cluster.genuine() {
			how.Settle = settleTime
		}
	}
	return how
}

// prepare makes a plan, or reads one that was kept.
func (a *applying) prepare(ctx context.Context, arg string) (is *planned, kept bool, err error) {
	if info, err := os.Stat(arg); err != nil || info.IsDir() || strings.HasSuffix(arg, ".hcl") {
		is, err := a.compare(ctx, arg)
		return is, false, err
	}
	is, err = a.restore(ctx, arg)
	return is, true, err
}

// readKept reads a plan that was kept in a file.
func readKept(name string) (*diff.Saved, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
	}
	saved, err := diff.ReadSaved(text)
	if err != nil {
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "%s cannot be applied: %s. Make a new plan: engine plan -out %s", name, err, word(name)))
	}
	return saved, nil
}

// restore makes ready to be carried out what was kept in a file.
func (a *applying) restore(ctx context.Context, name string) (*planned, error) {
	saved, err := readKept(name)
	if err != nil {
		return nil, err
	}
	if age := time.Since(saved.Made); a.age > 0 && age > a.age {
		return nil, refusal(diag.New(diag.ChangedSince, diag.Place{}, "%s was made %s ago, and -max-plan-age is %s. Make a new plan: engine plan -out %s", name, age.Round(time.Second), a.age, word(name)))
	}
	if a.to == "" {
		a.to = saved.Cluster
	}
	is, err := a.load(a.project)
	if err != nil {
		return nil, err
	}
	if is.files.ID != saved.Document.Project {
		return nil, refusal(diag.New(diag.AnotherCluster, diag.Place{}, "%s is a plan of project %q, and the files in %s are of %q. Say where its files are with -project.",
			name, saved.Document.Project, a.project, is.files.ID))
	}
	if is.cluster, err = a.cluster(ctx, is.files.Cluster); err != nil {
		return nil, err
	}
	is.cluster.shows(is.secrets)
	if id := is.cluster.info.KafkaClusterID; id != saved.ClusterID {
		return nil, refusal(diag.New(diag.AnotherCluster, diag.Place{}, "%s was made for Kafka cluster %s, and %s is on %s.", name, saved.ClusterID, is.cluster.URL(), id))
	}
	if is.live, err = is.cluster.read(ctx); err != nil {
		return nil, err
	}
	declared := map[string]*config.Declared{}
	for _, d := range is.files.Pipelines {
		declared[d.Name()] = d
	}
	document, found := saved.Restore(is.live, declared)
	is.document = document
	if len(found) > 0 {
		a.tell(found, is.files.Source)
		return nil, errTold
	}
	return is, nil
}

// agreed asks whether to carry the plan out.
func (a *applying) agreed(is *planned, kept bool) error {
	n := is.document.Counts
	if a.auto {
		if n.Delete > 0 && !a.deletes && !kept {
			return refusal(diag.New(diag.Usage, diag.Place{}, "The plan deletes %s, and -auto-approve does not cover that. Add -allow-delete, or keep the plan with \"engine plan -out\" and apply it.", count(n.Delete, "connector")))
		}
		return nil
	}
	want, ask := "yes", "\nCarry this out? Only \"yes\" does: "
	if c := is.files.Cluster; c != nil && c.Protect && risky(is.document) {
		want, ask = c.Name, fmt.Sprintf("\nCluster %q is protected, and this deletes, renames or may lose or repeat records.\nType its name to carry it out: ", c.Name)
	}
	if _, err := io.WriteString(a.err, ask); err != nil {
		return err
	}
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != want {
		return refusal(diag.New(diag.NotReached, diag.Place{}, "Nothing was applied."))
	}
	return nil
}

func risky(d *diff.Document) bool {
	return d.Counts.Delete+d.Counts.Rename > 0 || slices.ContainsFunc(d.Entries, func(e diff.Entry) bool {
		return slices.ContainsFunc(e.Effects, func(f diff.Effect) bool { return f.Danger })
	})
}

// reload lets a standalone worker read its files now, which is what applying to it means, and waits until all runs.
func (a *applying) reload(ctx, soft context.Context, is *planned, how diff.How) error {
	done, err := diff.Await(ctx, soft, is.document, is.cluster, how, func(ctx context.Context) error {
		said, err := is.cluster.Reload(ctx)
		if err != nil {
			return explained(reloadError(is.cluster.Client, err)).Err()
		}
		if len(said.Diagnostics) > 0 {
			a.tell(diag.List(said.Diagnostics), is.files.Source)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.end(done)
}

// eventJSON is a line of progress for programs.
type eventJSON struct {
	Connector string  `json:"connector"`
	What      string  `json:"what"`
	Seconds   float64 `json:"seconds,omitempty"`
	Error     string  `json:"error,omitempty"`
	Trace     string  `json:"trace,omitempty"`
}

// report prints one line of progress. A terminal that is gone stops nothing.
func (a *applying) report(e diff.Event) {
	if a.json {
		line := eventJSON{Connector: e.Name, What: e.What, Seconds: e.Took.Seconds(), Trace: e.Trace}
		if e.Err != nil {
			line.Error = a.why(e)
		}
		text, err := json.Marshal(line)
		if err == nil {
			_, _ = fmt.Fprintf(a.out, "%s\n", text)
		}
		return
	}
	took := ""
	if e.Took > 0 {
		took = fmt.Sprintf("%*s", max(1, 50-len(e.What)), fmt.Sprintf("%.1f s", e.Took.Seconds()))
	}
	what := e.What
	if e.Err != nil {
		what = "FAILED: " + a.why(e)
		took = ""
	}
	_, _ = fmt.Fprintf(a.out, "%-20s  %s%s\n", e.Name, what, took)
	for _, line := range causes(e.Trace) {
		_, _ = fmt.Fprintf(a.out, "%22s  %s\n", "", line)
	}
	if e.Err != nil && e.Entry.Place != "" {
		_, _ = fmt.Fprintf(a.out, "%22s  %s\n", "", e.Entry.Place)
	}
}

// why says in a few words what failed.
func (a *applying) why(e diff.Event) string {
	if errors.Is(e.Err, diff.ErrChanged) {
		return "somebody has changed it since the plan was made; plan again"
	}
	return strings.ReplaceAll(e.Err.Error(), "\n", " ")
}

// causes are the lines of a trace that say what happened: the exception and what caused it.
func causes(trace string) []string {
	var lines []string
	for line := range strings.SplitSeq(trace, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "at ") && !strings.HasPrefix(line, "...") && len(lines) < 6 {
			lines = append(lines, line)
		}
	}
	return lines
}

// end prints what was done and what was not.
func (a *applying) end(d *diff.Done) error {
	if a.json {
		if err := printJSONLine(a.out, map[string]any{"done": d.Carried, "of": d.Of, "failed": d.Failed, "left": d.Left}); err != nil {
			return err
		}
	} else {
		var parts []string
		for _, p := range []struct {
			action diff.Action
			word   string
		}{
			{diff.Create, "created"}, {diff.Update, "changed"}, {diff.Replace, "replaced"}, {diff.Rename, "renamed"},
			{diff.Adopt, "adopted"}, {diff.Release, "released"}, {diff.Delete, "deleted"},
		} {
			if d.Of[p.action] > 0 {
				parts = append(parts, fmt.Sprintf("%d of %d %s", d.Carried[p.action], d.Of[p.action], p.word))
			}
		}
		head, tail := "Applied: ", ""
		if !d.Complete() {
			head, tail = "Applied with errors: ", "Mend what failed and run engine apply again; it goes on from here.\n"
		}
		if _, err := fmt.Fprintf(a.out, "\n%s%s.\n%s", head, strings.Join(parts, ", "), tail); err != nil {
			return err
		}
	}
	if !d.Complete() {
		return errTold
	}
	return nil
}

func printJSONLine(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
