package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/registry"
)

// previewer is a preview command.
type previewer struct {
	process
	variables variables
	data      string
	most      int
	timeout   time.Duration
	json      bool

	closers []func() error // of what was started for it, in order
}

func newPreview(p process) *cobra.Command {
	v := &previewer{process: p}
	c := &cobra.Command{
		Use:   "preview PIPELINE [FOLDER]",
		Short: "Read a few records and show what each transform makes of them",
		Long: `preview reads a few records where a pipeline would and shows what each step makes
of them. Nothing is written: a source begins anew, its records are not produced
and no offset is stored; of a sink's topics the newest records are read without
a group, and the sink is not started.

Without bootstrap_servers in a worker block, a sink's topics are those in the
development broker's data folder, if no other process works on it.`,
		Example: `  engine preview access-log pipelines/quickstart
  engine preview -n 1 -json access-log pipelines/quickstart
  engine preview -timeout 30s orders`,
		Args: takes("a pipeline, and a folder", 1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.preview(cmd.Context(), args[0], folder(args[1:]))
		},
	}
	c.Flags().IntVarP(&v.most, "n", "n", 5, "read up to `NUMBER` records")
	c.Flags().DurationVar(&v.timeout, "timeout", 10*time.Second, "end after `TIME` with what there is by then")
	c.Flags().StringVar(&v.data, "data", "", "the state of engine run is in `DIR` (.engine in the project folder)")
	c.Flags().BoolVar(&v.json, "json", false, "print JSON, for programs")
	v.variables.flags(c.Flags())
	return c
}

func (v *previewer) preview(ctx context.Context, name, dir string) (err error) {
	if v.most < 1 || v.timeout <= 0 {
		return refusal(diag.New(diag.Usage, diag.Place{}, "-n and -timeout are more than nothing."))
	}
	pr, err := v.load([]string{dir}, v.variables)
	if err != nil {
		return err
	}
	declared, err := pr.named(strings.TrimPrefix(name, "pipeline."))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	defer func() {
		for _, end := range slices.Backward(v.closers) {
			err = errors.Join(err, end())
		}
	}()
	if err := v.cluster(ctx, pr, declared); err != nil {
		return err
	}
	instance, found := graph.CompileOne(declared.Name, declared.Config, pr.worker, pr.registry)
	if found.HasErrors() {
		return found.Err()
	}
	instance.Declared = declared.Declared
	return v.show(ctx, pr, instance)
}

// named finds a pipeline by the name of its connector.
func (pr *project) named(name string) (*graph.Instance, error) {
	if i := pr.graph.Instance(name); i != nil {
		return i, nil
	}
	var known []string
	for _, i := range pr.graph.Instances {
		known = append(known, i.Name)
	}
	return nil, refusal(diag.New(diag.Usage, diag.Place{}, "There is no pipeline %q.%s", name, diag.DidYouMean(name, known)))
}

// cluster sees to it that a sink's topics can be read: in the cluster that the worker block names, or in the development
// broker's folder.
func (v *previewer) cluster(ctx context.Context, pr *project, i *graph.Instance) error {
	if i.Role != plugin.SinkRole {
		return nil
	}
	loggers := newLoggers(v.process, newScreen(v.process))
	if len(pr.worker.Bootstrap) > 0 {
		return engine.Reach(ctx, pr.worker, pr.declaredWorker())
	}
	if v.data == "" {
		v.data = filepath.Join(pr.Folder, ".engine")
	}
	dir := filepath.Join(v.data, "broker")
	if _, err := os.Stat(dir); err != nil {
		return refusal(diag.New(diag.Usage, diag.Place{}, "There are no topics to read: the worker block names no bootstrap_servers, and no development broker has worked in %s. Run the project first, or say with -data where its state is.", shown(dir)))
	}
	b, err := broker.Start(broker.Settings{Dir: dir, Logger: loggers.Logger(brokerLogger)})
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok && d.Code == diag.DataInUse {
		return refusal(diag.New(diag.DataInUse, diag.Place{}, "Another process works on the development broker's folder %s, so its topics cannot be read beside it. Stop that process, or give the project a cluster with bootstrap_servers in a worker block.", shown(dir)))
	}
	if err != nil {
		return err
	}
	v.closers = append(v.closers, b.Close)
	pr.worker.Base["bootstrap.servers"] = b.Addr()
	if !usesRegistry(i) {
		return nil
	}
	r, err := registry.Start(ctx, registry.Settings{Bootstrap: b.Addr(), Version: version, Logger: loggers.Logger(registryLogger)})
	if err != nil {
		return err
	}
	v.closers = append(v.closers, func() error { return closeRegistry(ctx, r) })
	pr.worker.Registry = r.URL()
	return nil
}

// usesRegistry reports whether a converter reads schemas from a registry.
func usesRegistry(i *graph.Instance) bool {
	for _, c := range []graph.Converter{i.Task.Key, i.Task.Value, i.Task.Header} {
		if _, has := c.Plugin.Spec.Field("schema.registry.url"); has {
			return true
		}
	}
	return false
}

// show reads the records and prints each as it comes.
func (v *previewer) show(ctx context.Context, pr *project, i *graph.Instance) error {
	plain, enveloped, err := jsonConverters(pr.registry)
	if err != nil {
		return err
	}
	c := &comparing{instance: i, plain: plain, enveloped: enveloped, verbose: true}
	seen, list := 0, []previewJSON{}
	log := newLoggers(v.process, newScreen(v.process)).Logger(engineLogger)
	err = engine.Preview(ctx, i, pr.worker, log, v.most, func(t engine.Told) error {
		seen++
		if v.json {
			list = append(list, c.told(t))
			return nil
		}
		_, err := io.WriteString(v.out, c.toldText(seen, t))
		return err
	})
	if err != nil {
		at := diag.Of(err, diag.TaskFailed)
		for n := range at {
			if at[n].Place.IsZero() && i.Declared != nil {
				at[n].Place = i.Declared.Place
			}
		}
		v.tell(at, pr.Source)
		err = errTold
	}
	if v.json {
		return errors.Join(printJSON(v.out, map[string]any{"pipeline": i.Name, "records": list}), err)
	}
	if err == nil && seen < v.most {
		_, err = fmt.Fprintf(v.out, "%s of %d: %s.\n", records(seen), v.most, whyFewer(ctx, i, v.timeout))
	}
	return err
}

// whyFewer says why there were not as many records as asked for.
func whyFewer(ctx context.Context, i *graph.Instance, timeout time.Duration) string {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Sprintf("no more came in %s", timeout)
	case ctx.Err() != nil:
		return "interrupted"
	case i.Role == plugin.SinkRole:
		return "the topics hold no more"
	default:
		return "the source has no more"
	}
}

// toldText is a record with what each step made of it.
func (c *comparing) toldText(n int, t engine.Told) string {
	before := c.show(&t.In)
	c.steps = nil
	where := fmt.Sprintf("record %d", n)
	if t.In.Partition >= 0 && t.In.Position.Offset.Kind() != 0 && c.instance.Role == plugin.SinkRole {
		where += fmt.Sprintf(", partition %d, offset %d", t.In.Partition, t.In.Position.Offset.Int())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %-16s %s\n", where, "read", before.text())
	if len(before.headers) > 0 {
		fmt.Fprintf(&b, "  %-16s %s\n", "headers", asJSON(before.headers))
	}
	c.trace(before, t.Outcome)
	for _, line := range c.steps {
		b.WriteString(line + "\n")
	}
	steps := t.Outcome.Steps
	if t.Outcome.Err != nil && (len(steps) == 0 || steps[len(steps)-1].Verdict != engine.StageFailed) {
		fmt.Fprintf(&b, "  %-16s failed: %s\n", t.Outcome.Stage, t.Outcome.Err)
	}
	return b.String()
}

// previewJSON is a record of a preview as -json prints it.
type previewJSON struct {
	Read   recordJSON   `json:"read"`
	Steps  []stepJSON   `json:"steps"`
	Out    []recordJSON `json:"out"`
	Failed *failedJSON  `json:"failed,omitempty"`
}

type recordJSON struct {
	Topic     string         `json:"topic"`
	Partition *int64         `json:"partition"`
	Offset    *int64         `json:"offset,omitempty"` // of a sink's record
	Timestamp *int64         `json:"timestamp"`
	Key       any            `json:"key"`
	Value     any            `json:"value"`
	Headers   map[string]any `json:"headers"`
}

type stepJSON struct {
	Transform string       `json:"transform"`
	Verdict   string       `json:"verdict"`
	After     []recordJSON `json:"after"`
}

type failedJSON struct {
	Stage   string `json:"stage"`
	Message string `json:"message"`
}

func (c *comparing) told(t engine.Told) previewJSON {
	one := previewJSON{Read: c.recordJSON(c.show(&t.In)), Steps: []stepJSON{}, Out: []recordJSON{}}
	if c.instance.Role == plugin.SinkRole {
		offset := t.In.Position.Offset.Int()
		one.Read.Offset = &offset
	}
	for _, s := range t.Outcome.Steps {
		step := stepJSON{Transform: s.Name, Verdict: string(s.Verdict), After: []recordJSON{}}
		for i := range s.After {
			step.After = append(step.After, c.recordJSON(c.show(&s.After[i])))
		}
		one.Steps = append(one.Steps, step)
	}
	if t.Outcome.Err != nil {
		one.Failed = &failedJSON{t.Outcome.Stage, t.Outcome.Err.Error()}
		return one
	}
	for i := range t.Outcome.Records {
		one.Out = append(one.Out, c.recordJSON(c.show(&t.Outcome.Records[i])))
	}
	return one
}

func (c *comparing) recordJSON(r shownRecord) recordJSON {
	j := recordJSON{Topic: r.topic, Key: r.key, Value: r.value, Headers: r.headers}
	if r.partition >= 0 {
		j.Partition = &r.partition
	}
	if r.timestamp >= 0 {
		j.Timestamp = &r.timestamp
	}
	return j
}
