// Package hcl reads projects: a folder of *.hcl files becomes flat maps of Kafka Connect properties, each key with the place
// where it was written. [Load] is the way in; nothing outside this package sees HCL or cty.
//
// One rule maps names: underscore means dot, and a block adds its prefix. The grammar is one table (block.go). A load goes
// from files to blocks (source.go, syntax.go), then variables and locals (variables.go, locals.go), then each pipeline and
// the worker: layers of bodies are gathered (build.go) and flattened (flatten.go). Every stage reports what it finds and
// goes on, so that one load shows every mistake once; what had a mistake in it is left out of the result, so that nobody
// reports the consequences (invariant 9).
package hcl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	hcl2 "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Options is what a load needs to know beside the files.
type Options struct {
	Registry *plugin.Registry
	Vars     []Var                            // of the command line, in its order; later ones win
	Env      func(name string) (string, bool) // nil: the environment of this process
	Version  string                           // of this program; "" meets every required_version

	// ForCluster loads a project to be compared with a cluster, of which Cluster is the name, "" being the only one that is
	// declared, if any. Classes that are not built in may be the cluster's.
	ForCluster bool
	Cluster    string
}

// Var gives values to variables from the command line; one field is set.
type Var struct {
	Assignment string // of -var: name=value
	File       string // of -var-file
}

// Project is what a folder declares. Pipelines that had an error, or are disabled, are not in it.
type Project struct {
	Folder    string             // absolute
	Pipelines []*config.Declared // in the order of files and blocks, then of keys of for_each
	Worker    *config.Declared   // nil when no file has a worker block
	ID        string             // of the project block; "" when there is none
	Cluster   *Cluster           // the one that the options choose; nil when there is none
	Moved     []config.Moved
	Removed   []config.Removed
	Tests     []Test

	path   string // as Load was given it, with the options
	opts   Options
	files  map[string]*source
	disk   *disk // what the files said
	failed bool  // the load had errors

	foreign []string         // of ReadFiles: the files, in the order given
	missing map[string]error // of these, why some could not be read
}

// Source is the text of a file as places name it, for [diag.Printer].
func (p *Project) Source(file string) ([]byte, error) {
	if s, ok := p.files[file]; ok {
		return s.text, nil
	}
	if err, ok := p.missing[file]; ok {
		return nil, err
	}
	return nil, fs.ErrNotExist
}

// ReadFiles makes a project of files in another language, which declares nothing by itself: who knows the language reads
// their texts with [Project.Source] and says what they declare. [Watch] loads it again like any other.
func ReadFiles(names []string) *Project { return readFiles(names, newDisk(nil)) }

func readFiles(names []string, d *disk) *Project {
	p := &Project{files: map[string]*source{}, disk: d, foreign: slices.Clone(names), missing: map[string]error{}}
	for i, name := range names {
		if folder, err := filepath.Abs(filepath.Dir(name)); err == nil && i == 0 {
			p.Folder = folder
		}
		text, err := d.text(name)
		if err != nil {
			p.missing[name] = err
			continue
		}
		p.files[name] = &source{name: name, text: text}
	}
	d.forget()
	return p
}

// Files lists the files that were read, by the name that places use.
func (p *Project) Files() []string {
	var names []string
	for n := range p.files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Load reads the *.hcl files of a folder, not of its sub-folders, or a single file. The project is there even when the list
// has errors, for the sources of the messages; run nothing of it then.
func Load(path string, opts Options) (*Project, diag.List) {
	return load(path, opts, newDisk(nil))
}

func load(path string, opts Options, d *disk) (*Project, diag.List) {
	l := newLoader(path, opts, d)
	if names, values, ok := l.list(path); ok {
		l.read(names)
		l.compile(values)
	}
	return l.finish(), once(l.found)
}

// finish drops what only the load itself needs: a syntax tree takes fifty times the room of its text.
func (l *loader) finish() *Project {
	l.disk.forget()
	l.release()
	return l.project
}

// release drops the syntax trees.
func (l *loader) release() {
	l.project.failed = l.found.HasErrors()
	for _, s := range l.sources {
		s.plain = s.onlyPipelines()
		for _, b := range s.body.Blocks {
			s.labels = append(s.labels, b.Labels...)
		}
	}
	for _, s := range l.files {
		s.body = nil
	}
}

// loader is one load under way.
type loader struct {
	opts      Options
	registry  *plugin.Registry
	project   *Project
	disk      *disk
	sources   []*source          // declarations, by name
	files     map[string]*source // these and files of values
	found     diag.List
	lost      bool // a block that declares names has a syntax error
	functions table

	variables map[string]*variable
	order     []*variable // as declared
	locals    map[string]*local
	defaults  map[string]*hclsyntax.Block // by label, "" for the one without
	pipelines map[string]*hclsyntax.Block
	worker    *hclsyntax.Block
	clusters  map[string]*hclsyntax.Block
	moved     []*hclsyntax.Block
	removed   []*hclsyntax.Block
	tests     map[string]*hclsyntax.Block
	made      map[string]string    // names of connectors to the addresses of their pipelines
	shared    map[string]cty.Value // var, local and path

	projectBlock *hclsyntax.Block

	only  string               // of a load for one test, with its variables: the name of the test
	tried map[string]cty.Value // these variables
	where hcl2.Range           // their place
}

func newLoader(path string, opts Options, d *disk) *loader {
	if opts.Env == nil {
		opts.Env = os.LookupEnv
	}
	if opts.Registry == nil {
		opts.Registry, _ = plugin.NewRegistry(nil) // of nothing there is nothing wrong
	}
	folder := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		folder = filepath.Dir(path)
	}
	if abs, err := filepath.Abs(folder); err == nil {
		folder = abs
	}
	files := map[string]*source{}
	return &loader{
		opts: opts, registry: opts.Registry, files: files, disk: d,
		project:   &Project{Folder: folder, path: path, opts: opts, files: files, disk: d},
		variables: map[string]*variable{}, locals: map[string]*local{},
		defaults: map[string]*hclsyntax.Block{}, pipelines: map[string]*hclsyntax.Block{},
		clusters: map[string]*hclsyntax.Block{}, made: map[string]string{},
		tests: map[string]*hclsyntax.Block{},
	}
}

// list finds the files of declarations and those of values to load by themselves. A file of values is never taken for one
// of declarations.
func (l *loader) list(path string) (names, values []string, ok bool) {
	files, err := l.disk.project(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.say(diag.NoFolder, "There is no folder or file %q. Give the folder that holds the *.hcl files of the project.", path)
		return nil, nil, false
	case err != nil:
		l.say(diag.Unreadable, "%s", err)
		return nil, nil, false
	case len(files) == 1 && files[0] == filepath.Clean(path):
		return files, nil, true
	}
	for _, f := range files {
		if strings.HasSuffix(f, ".auto.vars.hcl") {
			values = append(values, f)
		} else {
			names = append(names, f)
		}
	}
	if len(names) == 0 {
		l.say(diag.EmptyFolder, "There is no *.hcl file in %q. Sub-folders are not entered, and *.vars.hcl files only give values to variables.", path)
		return nil, nil, false
	}
	return names, values, true
}

// say reports an error that has no place in a file.
func (l *loader) say(code diag.Code, format string, args ...any) {
	l.found = append(l.found, diag.New(code, diag.Place{}, format, args...))
}

// read reads and parses the files of declarations, several at a time, since they are independent. What cannot be read is
// reported.
func (l *loader) read(names []string) {
	type parsed struct {
		source *source
		found  diag.List
		err    error
	}
	files := make([]parsed, len(names))
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(len(names), runtime.GOMAXPROCS(0)) {
		readers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
				f := &files[i]
				var raw []byte
				if raw, f.err = l.disk.source(names[i]); f.err == nil {
					f.source, f.found = parse(names[i], raw)
				}
			}
		})
	}
	readers.Wait()
	for _, f := range files {
		if f.err != nil {
			l.say(diag.Unreadable, "%s", f.err)
			continue
		}
		l.sources = append(l.sources, l.add(f.source, f.found))
	}
}

// add takes a parsed file in.
func (l *loader) add(s *source, found diag.List) *source {
	l.files[s.name] = s
	l.found = append(l.found, found...)
	return s
}

// compile goes from parsed files to the project.
func (l *loader) compile(values []string) {
	for _, s := range l.sources {
		l.collect(s)
	}
	for _, s := range l.sources {
		for _, a := range attributes(s.body) { // which may be values of variables in the wrong kind of file
			l.scope(nil).unknownArgument(site{spec: fileBlock, body: s.body}, a)
		}
	}
	l.functions = functions(l.project.Folder, l.disk, l.opts.Env, l.providers())
	base := map[string]cty.Value{"path": objectOf(map[string]cty.Value{"project": cty.StringVal(l.project.Folder)})}
	base["var"] = l.variableValues(l.scope(base), values)
	base["local"] = l.localValues(l.scope(base))
	l.shared = base
	l.makeProject()
	l.makeCluster()
	l.makeWorker()
	l.makePipelines()
	l.makeMoves()
	l.makeTests()
}

// collect sorts the blocks of a file. What has a syntax error is left out.
func (l *loader) collect(s *source) {
	top := l.scope(nil)
	for _, b := range s.body.Blocks {
		spec := fileBlock.child(b.Type)
		switch {
		case s.damaged(b):
			l.lost = l.lost || spec == nil || spec != pipelineBlock && spec != workerBlock
		case spec == nil:
			top.unknownBlock(site{spec: fileBlock, body: s.body}, b)
		case spec != testBlock && strings.HasSuffix(s.name, testSuffix):
			top.fail(diag.WrongBlock, b.TypeRange, "Files called *%s hold test blocks only. Move the %s block to another file.", testSuffix, b.Type)
			l.lost = true
		case !top.labelled(spec, b):
			l.lost = true
		default:
			l.declare(top, spec, b)
		}
	}
	l.lost = l.lost || s.lost
}

func (l *loader) declare(top *scope, spec *block, b *hclsyntax.Block) {
	name := strings.Join(b.Labels, "")
	switch spec {
	case workerBlock:
		if l.worker != nil {
			top.fail(diag.RepeatedBlock, b.DefRange(), "A project has one worker block; the first is at %s.", l.line(l.worker.DefRange()))
			return
		}
		l.worker = b
	case projectBlock:
		if l.projectBlock != nil {
			top.fail(diag.RepeatedBlock, b.DefRange(), "There is one project block; the first is at %s.", l.line(l.projectBlock.DefRange()))
			return
		}
		l.projectBlock = b
	case clusterBlock:
		if first, ok := l.clusters[name]; ok {
			top.fail(diag.DuplicateName, b.LabelRanges[0], "A cluster named %q was already declared at %s.", name, l.line(first.DefRange()))
			return
		}
		l.clusters[name] = b
	case testBlock:
		if first, ok := l.tests[name]; ok {
			top.fail(diag.DuplicateName, b.LabelRanges[0], "A test named %q was already declared at %s.", name, l.line(first.DefRange()))
			return
		}
		l.tests[name] = b
	case movedBlock:
		l.moved = append(l.moved, b)
	case removedBlock:
		l.removed = append(l.removed, b)
	case variableBlock:
		l.declareVariable(top, name, b)
	case localsBlock:
		l.declareLocals(top, b)
	case defaultsBlock:
		if first, ok := l.defaults[name]; ok {
			l.twiceDefaults(top, name, first, b)
			return
		}
		l.defaults[name] = b
	case pipelineBlock:
		if first, ok := l.pipelines[name]; ok {
			top.fail(diag.DuplicatePipeline, b.LabelRanges[0],
				"A pipeline named %q was already declared at %s. Pipeline names must be unique in a folder.", name, l.line(first.DefRange()))
			return
		}
		l.pipelines[name] = b
	}
}

func (l *loader) twiceDefaults(top *scope, name string, first, b *hclsyntax.Block) {
	if name == "" {
		top.fail(diag.RepeatedBlock, b.DefRange(), "One defaults block applies to every pipeline; it is at %s. Give this one a name and list it in use.", l.line(first.DefRange()))
		return
	}
	top.fail(diag.DuplicateName, b.LabelRanges[0], "A defaults block named %q was already declared at %s.", name, l.line(first.DefRange()))
}

// place is a range with its file.
func (l *loader) place(r hcl2.Range) diag.Place {
	if s, ok := l.files[r.Filename]; ok {
		return s.place(r)
	}
	return diag.Place{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column}
}

// line is a place as messages refer to it.
func (l *loader) line(r hcl2.Range) string { return line(l.place(r)) }

func line(p diag.Place) string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// once orders messages and drops repetitions: defaults and for_each work one body out several times.
func once(found diag.List) diag.List {
	type spot struct {
		code         diag.Code
		file         string
		line, column int
		detail       string
	}
	seen := map[spot]bool{}
	var l diag.List
	for _, d := range found.Sorted() {
		k := spot{code: d.Code, file: d.Place.File, line: d.Place.Line, column: d.Place.Column}
		if d.Place.IsZero() {
			k.detail = d.Detail
		}
		if !seen[k] {
			seen[k] = true
			l = append(l, d)
		}
	}
	return l
}

// inOrder are blocks by file and place.
func inOrder(blocks map[string]*hclsyntax.Block) []*hclsyntax.Block {
	var list []*hclsyntax.Block
	for _, b := range blocks {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Block) int {
		return cmp.Or(cmp.Compare(a.TypeRange.Filename, b.TypeRange.Filename), cmp.Compare(a.TypeRange.Start.Byte, b.TypeRange.Start.Byte))
	})
	return list
}
