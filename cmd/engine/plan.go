package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
)

// planning is what plan and apply have in common: a project, a cluster, and what is between them.
type planning struct {
	remote
	variables variables
	to        string // the name of a cluster block
	choices   diff.Choices
	targets   []string
	excluded  []string
	validate  string
	strict    bool // what the cluster's plugins do not name is an error
	colors    string
	text      diff.Text
}

func (pl *planning) flags(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	pl.variables.flags(f)
	f.StringVar(&pl.to, "cluster", "", "the `NAME` of a cluster block; the only one when left out")
	pl.choiceFlags(f)
	f.StringVar(&pl.validate, "validate", "on", "whether the cluster checks what would change, `on` or off")
	f.StringVar(&pl.colors, "color", "auto", "when to use colours, `WHEN`: always, never, or auto, on a terminal without NO_COLOR")
	f.BoolVar(&pl.strict, "strict", false, "refuse properties that no plugin of the cluster names when it checks them")
	f.BoolVar(&pl.text.Short, "short", false, "leave properties out")
	f.BoolVar(&pl.text.Full, "full", false, "show everything: unchanged connectors, other spellings, each of a group")
	return pl.remote.flags(c)
}

func (pl *planning) choiceFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&pl.targets, "target", nil, "only connectors whose name matches `PATTERN`; may be repeated")
	f.StringArrayVar(&pl.excluded, "exclude", nil, "no connectors whose name matches `PATTERN`; may be repeated")
	f.BoolVar(&pl.choices.Destroy, "destroy", false, "delete everything that this project owns")
	f.BoolVar(&pl.choices.Adopt, "adopt", false, "take connectors that no project owns, though they differ")
	f.StringArrayVar(&pl.choices.TakeOver, "take-over", nil, "take the connector `NAME` of another project; may be repeated")
	f.BoolVar(&pl.choices.Exact, "exact", false, "count another spelling of the same as a change")
}

// planned is a comparison that has no errors.
type planned struct {
	files    *hcl.Project
	cluster  *cluster
	live     map[string]diff.Connector
	document *diff.Document
	registry *plugin.Registry
	worker   *config.Worker
}

// secrets says which properties of a configuration that nobody has declared here are to be seen by nobody.
func (p *planned) secrets(m config.Map) func(string) bool { return p.hidden(&config.Declared{Map: m}) }

// finds is what this program finds of a connector, as far as no cluster has to be asked.
func (p *planned) finds(d *config.Declared) diag.List {
	return slices.DeleteFunc(config.CheckMap(d, p.worker, p.registry), func(d diag.Diagnostic) bool {
		return ofTheCluster(d) || d.Code == diag.UnknownProvider && p.files.Worker == nil
	})
}

// hidden says which properties of a declaration nobody may see.
func (p *planned) hidden(d *config.Declared) func(string) bool { return d.Hidden(p.worker, p.registry) }

func newPlan(p process) *cobra.Command {
	pl := &planning{remote: remote{process: p}}
	out, detailed := "", false
	c := &cobra.Command{
		Use:   "plan [FOLDER]",
		Short: "Show what would take a cluster to what a project declares",
		Long: `plan compares a project with the connectors that a cluster runs, workers of this
program or of a genuine Kafka Connect, and says what "engine apply" would change
and what that leads to. It changes nothing.`,
		Example: `  engine plan                           the folder you are in
  engine plan -cluster prod -out p.plan keep it, to be applied as shown
  engine plan -detailed-exitcode        2 when there is something to do`,
		Args: takes("a folder", 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			is, err := pl.compare(cmd.Context(), folder(args))
			if err != nil {
				return err
			}
			if err := pl.show(is); err != nil {
				return err
			}
			if out != "" {
				if err := pl.save(is, out); err != nil {
					return err
				}
			}
			if detailed && !is.document.Counts.Nothing() {
				return exitStatus(2)
			}
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "keep the plan in `FILE`, for engine apply FILE")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit status 2 when there is something to do")
	return pl.flags(c)
}

// compare loads a project, asks the cluster and compares. Errors of either have been printed.
func (pl *planning) compare(ctx context.Context, dir string) (*planned, error) {
	is, err := pl.load(dir)
	if err != nil {
		return nil, err
	}
	if is.cluster, err = pl.cluster(ctx, is.files.Cluster); err != nil {
		return nil, err
	}
	is.cluster.shows(is.secrets)
	if err := is.cluster.runs(dir); err != nil {
		return nil, err
	}
	if is.live, err = is.cluster.read(ctx); err != nil {
		return nil, err
	}
	c := pl.choices
	c.Registry, c.Worker, c.MarkRestarts, c.Wanted = is.registry, is.worker, is.cluster.genuine(), pl.wanted
	is.document = diff.Compare(pl.project(is), is.live, c)
	is.tasksToo()
	found := slices.Concat(pl.judge(is), is.document.Found, is.tooOld(), is.unaddressable(), is.notHere())
	if pl.validate != "off" && !found.HasErrors() {
		found = append(found, is.check(ctx, pl.strict)...)
	}
	if len(found) > 0 {
		pl.tell(found, is.files.Source)
	}
	if found.HasErrors() {
		return nil, errTold
	}
	return is, nil
}

// load reads the project, as far as that needs no cluster.
func (pl *planning) load(dir string) (*planned, error) {
	switch {
	case pl.validate != "on" && pl.validate != "off":
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "-validate is %q; it must be on or off.", pl.validate))
	case !slices.Contains([]string{"auto", "always", "never"}, pl.colors):
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "-color is %q; it must be auto, always or never.", pl.colors))
	case pl.validate == "off" && pl.strict:
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "-strict is about what the cluster checks, and -validate off asks it for nothing. Leave one of them out."))
	}
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		return nil, err
	}
	files, found := hcl.Load(dir, hcl.Options{
		Registry: registry, Vars: pl.variables.list, Env: pl.env, Version: released(version), ForCluster: true, Cluster: pl.to,
	})
	worker, more := readWorker((&project{Project: files}).declaredWorker(), registry)
	found = append(found, more...)
	if worker == nil {
		worker = new(config.WorkerDefaults())
	}
	if len(found) > 0 {
		pl.tell(found, files.Source)
	}
	if found.HasErrors() {
		return nil, errTold
	}
	return &planned{files: files, registry: registry, worker: worker}, nil
}

// checked is load for commands that ask no cluster: what is wrong with the connectors has been printed.
func (pl *planning) checked(dir string) (*planned, error) {
	is, err := pl.load(dir)
	if err != nil {
		return nil, err
	}
	var found diag.List
	for _, d := range is.files.Pipelines {
		found = append(found, is.finds(d)...)
	}
	if len(found) > 0 {
		pl.tell(found.Sorted(), is.files.Source)
	}
	if found.HasErrors() {
		return nil, errTold
	}
	return is, nil
}

// judge is what this program finds of the connectors that would be written. Of a genuine Kafka Connect it knows less than
// that does itself: what runs there is not judged, and what its validation is asked about only warned of.
func (pl *planning) judge(is *planned) diag.List {
	genuine := is.cluster.genuine()
	declared := map[string]*config.Declared{}
	for _, d := range is.files.Pipelines {
		declared[d.Name()] = d
	}
	var found diag.List
	for i := range is.document.Entries {
		e := &is.document.Entries[i]
		d := declared[e.Name]
		if d == nil || genuine && (!e.Changed() || e.Action == diff.Adopt) {
			continue
		}
		for _, d := range is.finds(d) {
			if genuine && pl.validate != "off" && d.Code == diag.InvalidValue {
				d.Severity = diag.Warning
			}
			found = append(found, d)
		}
	}
	return found.Sorted()
}

// ofTheCluster reports whether only the cluster can know: what it has installed, and can do.
func ofTheCluster(d diag.Diagnostic) bool {
	switch d.Code {
	case diag.UnknownConnector, diag.UnknownConverter, diag.UnknownTransform, diag.UnknownPredicate, diag.SecretMissing,
		diag.NotAvailable:
		return true
	}
	return false
}

// released is a version that required_version can be compared with; "" of one that was built in passing.
func released(version string) string {
	v := strings.TrimPrefix(version, "v")
	if v == "" || strings.Trim(v, "0123456789.") != "" {
		return ""
	}
	return v
}

// project is what the comparison needs of the files. A standalone worker's project is all that it runs, and a reload knows
// neither new names for old connectors nor connectors that are let go.
func (pl *planning) project(is *planned) diff.Project {
	f := is.files
	p := diff.Project{ID: f.ID, Owns: owns(f.Cluster), Pipelines: f.Pipelines, Moved: f.Moved, Removed: f.Removed}
	if is.cluster.standalone() {
		p.Owns, p.Moved, p.Removed = func(string) bool { return true }, nil, nil
		p.Pipelines = ignoringNothing(p.Pipelines)
	}
	return p
}

// ignoringNothing are declarations as a reload takes them: whole, since nobody but the files changes what they say.
func ignoringNothing(all []*config.Declared) []*config.Declared {
	all = slices.Clone(all)
	for i, d := range all {
		if len(d.Lifecycle.Ignore) > 0 {
			whole := *d
			whole.Lifecycle.Ignore = nil
			all[i] = &whole
		}
	}
	return all
}

func (pl *planning) wanted(name string) bool {
	return (len(pl.targets) == 0 || matches(pl.targets, name)) && !matches(pl.excluded, name)
}

// about is the first lines: which cluster, which project.
func (pl *planning) about(is *planned) string {
	var b strings.Builder
	name := "Worker"
	if is.cluster.name != "" {
		name = "Cluster " + is.cluster.name
	}
	fmt.Fprintf(&b, "%s   %s   %s\n", name, is.cluster.URL(), is.cluster.kind())
	project := "No project block: what no file declares is left alone, and nothing is marked as this project's"
	switch {
	case is.cluster.standalone():
		project = "What a reload would do"
	case is.files.ID != "":
		project = "Project " + is.files.ID
	}
	fmt.Fprintf(&b, "%s.   %s in %s.", project, count(len(is.files.Pipelines), "pipeline"), count(len(is.files.Files()), "file"))
	if is.files.ID != "" && !is.cluster.standalone() {
		fmt.Fprintf(&b, "   On the cluster: %d ours, %d not ours.", is.document.Ours, is.document.NotOurs)
	}
	if pl.text.Full && is.cluster.genuine() && is.cluster.log == nil {
		b.WriteString("\nKafka Connect takes writes without conditions: what somebody changes within the milliseconds between a last look and\n" +
			"a write is overwritten unnoticed. With bootstrap_servers and config_topic in a cluster block it is told.")
	}
	b.WriteString("\n\n")
	return b.String()
}

// clusterJSON is what a document says of its cluster.
type clusterJSON struct {
	Name           string `json:"name,omitempty"`
	URL            string `json:"url"`
	Kind           string `json:"kind"`
	KafkaClusterID string `json:"kafka_cluster_id"`
}

func (pl *planning) show(is *planned) error {
	if pl.json {
		return printJSON(pl.out, struct {
			Cluster clusterJSON `json:"cluster"`
			*diff.Document
		}{clusterJSON{is.cluster.name, is.cluster.URL(), is.cluster.kind(), is.cluster.info.KafkaClusterID}, is.document})
	}
	if _, err := io.WriteString(pl.out, pl.about(is)); err != nil {
		return err
	}
	text := pl.text
	text.Color = pl.colors == "always" || pl.colors == "auto" && pl.color(pl.out)
	return text.Write(pl.out, is.document)
}

// save keeps a plan in a file that only this user reads: it has no secrets, but addresses and names.
func (pl *planning) save(is *planned, name string) error {
	if is.cluster.standalone() {
		return refusal(diag.New(diag.Usage, diag.Place{}, "A standalone worker reads its files by itself, so there is nothing to keep. Leave out -out."))
	}
	text, err := diff.Save(is.document, version, is.cluster.name, is.cluster.info.KafkaClusterID, time.Now(), is.hidden)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o600); err != nil {
		return refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
	}
	if pl.json {
		return nil
	}
	_, err = fmt.Fprintf(pl.out, "\nTo carry out exactly this: engine apply %s\n", word(name))
	return err
}
