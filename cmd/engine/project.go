package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
)

// variables are the flags of every command that reads a project, in the order of the command line.
type variables struct{ list []hcl.Var }

func (v *variables) flags(f *pflag.FlagSet) {
	f.Var(variableFlag{v, func(s string) hcl.Var { return hcl.Var{Assignment: s} }}, "var", "set a variable, as `NAME=VALUE`; may be repeated")
	f.Var(variableFlag{v, func(s string) hcl.Var { return hcl.Var{File: s} }}, "var-file", "read variables from `FILE`; may be repeated")
}

// variableFlag is -var or -var-file; both add to one list.
type variableFlag struct {
	to   *variables
	make func(string) hcl.Var
}

func (f variableFlag) Set(text string) error {
	f.to.list = append(f.to.list, f.make(text))
	return nil
}

func (f variableFlag) String() string { return "" }
func (f variableFlag) Type() string   { return "string" }

// project is a folder of HCL files, or the properties files of a Kafka Connect installation, compiled.
type project struct {
	*hcl.Project
	properties []string // the files of connect-standalone's command line; nil for HCL
	registry   *plugin.Registry
	worker     *config.Worker
	graph      *graph.Graph
}

// load reads and compiles a project and prints what there is to say about it. The project is nil when it has errors. Its
// worker may run alone or be one of a cluster.
func (p process) load(args []string, v variables) (*project, error) {
	return p.loadFor(args, v, readWorker)
}

// workerReader reads the settings of a worker.
type workerReader = func(*config.Declared, *plugin.Registry) (*config.Worker, diag.List)

// readWorker is the reader for commands that run no worker, so that its settings may be those of either kind.
func readWorker(d *config.Declared, r *plugin.Registry) (*config.Worker, diag.List) {
	if sharesWork(d) {
		return config.ReadDistributed(d, r)
	}
	return config.ReadWorker(d, r)
}

// sharesWork reports whether settings are meant for a worker of a cluster.
func sharesWork(d *config.Declared) bool {
	return d.Map["group.id"] != "" || d.Map["config.storage.topic"] != ""
}

// loadFor is load for a command that wants a worker of one kind.
func (p process) loadFor(args []string, v variables, read workerReader) (*project, error) {
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		return nil, err
	}
	pr, found, err := p.read(args, v, registry)
	if err != nil {
		return nil, err
	}
	pr.registry = registry
	// What had errors is not in the project any more, so everything that is wrong is said at once.
	found = append(found, pr.compile(read)...)
	if len(found) > 0 {
		p.tell(found, pr.Source)
	}
	if found.HasErrors() {
		return nil, errTold
	}
	return pr, nil
}

// read reads the files of a project.
func (p process) read(args []string, v variables, r *plugin.Registry) (*project, diag.List, error) {
	if isProperties(args) {
		if len(v.list) > 0 {
			return nil, nil, refusal(diag.New(diag.Usage, diag.Place{}, "-var and -var-file are for HCL; %s has no variables.", args[0]))
		}
		pr, found := loadProperties(args)
		return pr, found, nil
	}
	files, found := hcl.Load(folder(args), hcl.Options{Registry: r, Vars: v.list, Env: p.env})
	return &project{Project: files}, found, nil
}

// compile checks the worker's settings and compiles the pipelines.
func (pr *project) compile(read workerReader) diag.List {
	worker, found := read(pr.declaredWorker(), pr.registry)
	if found.HasErrors() {
		return found
	}
	pr.worker = worker
	g, more := graph.Compile(pr.Pipelines, worker, pr.registry)
	pr.graph = g
	return slices.Concat(found, more, engine.CheckClients(worker, pr.declaredWorker(), g))
}

// here says what is missing on this machine, which is to run the pipelines: what references stand for.
func (pr *project) here() diag.List {
	declared := pr.declaredWorker()
	worker, found := config.ReadWorkerHere(declared, pr.registry)
	pr.worker = worker
	if resolved, err := worker.Resolved(); err == nil && worker.Refers() {
		found = append(found, engine.CheckClients(resolved, declared, pr.graph)...)
	}
	for _, p := range pr.Pipelines {
		found = append(found, config.CheckHere(p, worker, pr.registry)...)
	}
	// Warnings were told before; a security setting of the worker is one of each kind of client too.
	found = slices.DeleteFunc(found, isWarning)
	told := map[diag.Diagnostic]bool{}
	return slices.DeleteFunc(found, func(d diag.Diagnostic) bool {
		again := told[d]
		told[d] = true
		return again
	})
}

// again compiles a later load of the project. The worker's settings stay, since a process does not change its own; those of
// the files are only checked, and only when they differ.
func (pr *project) again(files *hcl.Project) (*project, diag.List) {
	next := &project{Project: files, properties: pr.properties, registry: pr.registry, worker: pr.worker}
	found := next.parse()
	if found.HasErrors() {
		return next, found
	}
	next.keepTargets(pr)
	if !maps.Equal(next.declaredWorker().Map, pr.declaredWorker().Map) {
		_, more := config.ReadWorker(next.declaredWorker(), pr.registry)
		found = append(found, more...)
	}
	g, more := pr.graph.Recompile(files.Pipelines, pr.worker, pr.registry)
	next.graph = g
	found = append(found, more...)
	for _, p := range next.Pipelines {
		found = append(found, slices.DeleteFunc(config.CheckHere(p, pr.worker, pr.registry), isWarning)...)
	}
	return next, append(found, engine.CheckClients(pr.worker, next.declaredWorker(), g)...)
}

// within is a file's name from the project's folder, or the name itself when it is outside.
func (pr *project) within(file string) string {
	abs, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	if rel, err := filepath.Rel(pr.Folder, abs); err == nil && !strings.HasPrefix(rel, "..") && rel != "." {
		return rel
	}
	return file
}

// declaredWorker is the worker block, or one that says nothing.
func (pr *project) declaredWorker() *config.Declared {
	if pr.Worker == nil {
		return &config.Declared{}
	}
	return pr.Worker
}

func isWarning(d diag.Diagnostic) bool { return d.Severity != diag.Error }

// folder is the argument of a command that reads a project: the first one, or the folder one is in.
func folder(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}
