package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/store"
)

// projectArgs lets a command take a project folder, or nothing for the folder one is in, or what connect-standalone takes:
// the properties of a worker and of its connectors.
func projectArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 1 && !isProperties(args) {
		return fmt.Errorf("%s takes one folder, or worker.properties and files of connectors, and was given: %s", cmd.CommandPath(), strings.Join(args, ", "))
	}
	return nil
}

// isProperties reports whether the arguments of a command are those of connect-standalone.
func isProperties(args []string) bool {
	return len(args) > 0 && filepath.Ext(args[0]) == ".properties"
}

// loadProperties reads the files of connect-standalone's command line. Nothing is compiled yet.
func loadProperties(args []string) (*project, diag.List) {
	pr := &project{Project: hcl.ReadFiles(args), properties: args}
	return pr, pr.parse()
}

// parse says what properties files declare: a worker and its connectors. Of HCL that is known.
func (pr *project) parse() diag.List {
	var all diag.List
	for i, name := range pr.properties {
		text, err := pr.Project.Source(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			all = append(all, diag.New(diag.NoFolder, diag.Place{}, "There is no file %s.", name))
		case err != nil:
			all = append(all, diag.New(diag.Unreadable, diag.Place{}, "%s cannot be read: %v.", name, errors.Unwrap(err)))
		case i == 0:
			all = append(all, pr.parseWorker(name, text)...)
		default:
			connector, found := config.ReadConnector(name, text)
			all = append(all, found...)
			if !found.HasErrors() {
				pr.Pipelines = append(pr.Pipelines, connector)
			}
		}
	}
	return all
}

func (pr *project) parseWorker(name string, text []byte) diag.List {
	worker, found := config.ReadProperties(name, text)
	if class := worker.Map[config.ConnectorClass]; class != "" {
		return append(found, diag.New(diag.Usage, worker.At(config.ConnectorClass), "%s describes a connector. The file of the worker stands first: engine run worker.properties %s", name, name))
	}
	pr.Worker = worker
	return found
}

// keepTargets makes an initial_state of properties files count for connectors that were not there before: what is asked
// for later stays.
func (pr *project) keepTargets(was *project) {
	if pr.properties == nil {
		return
	}
	for _, d := range pr.Pipelines {
		if slices.ContainsFunc(was.Pipelines, func(o *config.Declared) bool { return o.Name() == d.Name() }) {
			d.Target = ""
		}
	}
}

// Source is the text of a file as places name it.
func (pr *project) Source(file string) ([]byte, error) {
	text, err := pr.Project.Source(file)
	if err != nil || utf8.Valid(text) {
		return text, err
	}
	var latin strings.Builder // as Java reads it
	for _, b := range text {
		latin.WriteRune(rune(b))
	}
	return []byte(latin.String()), nil
}

// takeOver makes the store go on where a Kafka Connect installation stopped. It concerns connectors that the store has
// never heard of: their offsets are imported from the file of offset.storage.file.filename, and an initial_state counts;
// for all others the store knows better.
func (r *run) takeOver(ctx context.Context, st store.Store) error {
	s, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	var fresh []string
	for _, d := range r.project().Pipelines {
		if _, known := s.Connectors[d.Name()]; !known {
			fresh = append(fresh, d.Name())
		} else if r.project().properties != nil {
			d.Target = ""
		}
	}
	if r.project().worker.OffsetsFile == "" || len(fresh) == 0 {
		return nil
	}
	return r.importOffsets(ctx, st.Offsets(), fresh)
}

func (r *run) importOffsets(ctx context.Context, to store.Offsets, names []string) error {
	const key = "offset.storage.file.filename"
	file := r.project().worker.OffsetsFile
	refused := func(code diag.Code, format string, args ...any) error {
		return r.refuseAt(diag.New(code, r.project().Worker.At(key), format, args...))
	}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a worker that has never run
	case err != nil:
		return refused(diag.Unreadable, "The offsets of Kafka Connect in %s cannot be read: %v.", file, errors.Unwrap(err))
	}
	all, err := store.ReadStandalone(data)
	if err != nil {
		return refused(diag.DamagedState, "%s is not the offset file of a standalone Kafka Connect worker: %v.\n\nIt was left as it is. Restore it from a copy, or take %s away: sources then begin from the start.",
			file, err, key)
	}
	imported, entries := 0, 0
	for _, name := range names {
		have, err := to.List(ctx, name)
		if err != nil {
			return err
		}
		if len(have) > 0 || len(all[name]) == 0 {
			continue
		}
		if err := to.Commit(ctx, name, all[name]); err != nil {
			return fmt.Errorf("import the offsets of %s: %w", name, err)
		}
		imported++
		entries += len(all[name])
	}
	if imported > 0 {
		r.log.Info("offsets of Kafka Connect were imported, once; from here on they are kept in the data folder", "file", file, "connectors", imported, "offsets", entries)
	}
	return nil
}

// refuseAt prints a diagnostic with its place and ends the command.
func (r *run) refuseAt(d diag.Diagnostic) error {
	r.tellAbove(diag.List{d}, r.project().Source)
	return errTold
}
