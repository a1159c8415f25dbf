package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/hcl"
	"github.com/penstock/penstock/plugins"
)

func newImport(p process) *cobra.Command {
	i := &importing{remote: remote{process: p}}
	c := &cobra.Command{
		Use:   "import [NAME | FILE]…",
		Short: "Write connectors that exist as HCL",
		Long: `import prints connectors as pipeline blocks: those of a running worker, all or
those named, or those in files, which are what connect-standalone and the REST
API take (.json, .properties) or what GET /connectors?expand=info answers. What
it prints gives the very same configuration; it checks that before it prints.
Secrets in plain text are left to environment variables, which it lists.`,
		Example: `  engine import > orders.hcl            all connectors of a worker
  engine import orders audit
  engine import connect-file-source.properties orders.json`,
		Args:              takes("names of connectors or files", 0, -1),
		ValidArgsFunction: i.complete(0),
		RunE:              func(cmd *cobra.Command, args []string) error { return i.run(cmd.Context(), args) },
	}
	c.Flags().BoolVar(&i.inline, "inline-secrets", false, "write secrets as they are")
	c.Flags().StringVar(&i.url, "url", "", "the worker's REST API, as `URL` (ENGINE_URL, or "+defaultURL+")")
	c.Flags().StringVar(&i.to, "cluster", "", "the `NAME` of a cluster block in the folder you are in")
	return c
}

// importing is an import command.
type importing struct {
	remote
	to     string
	inline bool
}

func (i *importing) run(ctx context.Context, args []string) error {
	registry, err := plugin.NewRegistry(plugins.All())
	if err != nil {
		return err
	}
	var names []string
	var all []hcl.Imported
	for _, a := range args {
		if !isConnectorFile(a) {
			names = append(names, a)
			continue
		}
		read, err := i.file(a)
		if err != nil {
			return err
		}
		all = append(all, read...)
	}
	if len(args) == 0 || len(names) > 0 {
		live, err := i.live(ctx, registry, names)
		if err != nil {
			return err
		}
		all = append(all, live...)
	}
	return i.print(all, registry)
}

// isConnectorFile reports whether an argument is a file rather than a name.
func isConnectorFile(arg string) bool {
	ext := filepath.Ext(arg)
	if ext != ".json" && ext != ".properties" {
		return false
	}
	_, err := os.Stat(arg)
	return err == nil || strings.ContainsRune(arg, filepath.Separator)
}

// file reads the connectors of a file: one, or all of an answer of the REST API.
func (i *importing) file(name string) ([]hcl.Imported, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
	}
	var answer map[string]api.ConnectorInfo
	if json.Unmarshal(text, &answer) == nil && len(answer) > 0 {
		if list, ok := fromAnswer(answer); ok {
			return list, noNulls(answer, diag.Place{File: name})
		}
	}
	d, found := config.ReadConnector(name, text)
	if found.HasErrors() {
		i.tell(found, func(string) ([]byte, error) { return text, nil })
		return nil, errTold
	}
	if d.Map[config.Name] == "" {
		d.Map[config.Name] = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	return []hcl.Imported{{Config: d.Map, Target: d.Target}}, nil
}

// noNulls refuses properties of an answer that have no text, for which HCL has no word.
func noNulls(answer map[string]api.ConnectorInfo, from diag.Place) error {
	var found diag.List
	for _, connector := range slices.Sorted(maps.Keys(answer)) {
		for _, key := range answer[connector].Nulls {
			found = append(found, diag.New(diag.InvalidValue, from, "%s of %q is null. A property has a text, or is left out.", key, connector))
		}
	}
	return found.Err()
}

// fromAnswer are the connectors of GET /connectors?expand=info, by name.
func fromAnswer(answer map[string]api.ConnectorInfo) ([]hcl.Imported, bool) {
	var list []hcl.Imported
	for _, name := range slices.Sorted(maps.Keys(answer)) {
		info := answer[name]
		if info.Info.Config == nil {
			return nil, false
		}
		m, _ := diff.Unmark(info.Info.Config)
		list = append(list, hcl.Imported{Config: m, Type: info.Info.Type, Target: targetOf(info.Status)})
	}
	return list, true
}

// targetOf is what a state says has been asked for.
func targetOf(s *api.Status) config.Target {
	if s == nil {
		return ""
	}
	return map[string]config.Target{"RUNNING": config.Started, "PAUSED": config.Paused, "STOPPED": config.Stopped}[string(s.Connector.State)]
}

// live reads connectors of a worker.
func (i *importing) live(ctx context.Context, r *plugin.Registry, names []string) ([]hcl.Imported, error) {
	var block *hcl.Cluster
	if i.to != "" {
		files, found := hcl.Load(".", hcl.Options{Registry: r, Env: i.env, ForCluster: true, Cluster: i.to})
		if found.HasErrors() {
			i.tell(found, files.Source)
			return nil, errTold
		}
		block = files.Cluster
	}
	c, err := i.cluster(ctx, block)
	if err != nil {
		return nil, err
	}
	if c.before(tellsAll) {
		return nil, c.tellsNothing()
	}
	answer, err := c.Connectors(ctx)
	if err != nil {
		return nil, explained(err).Err()
	}
	for _, n := range names {
		if _, is := answer[n]; !is {
			return nil, refusal(diag.New(diag.WorkerRefused, diag.Place{}, "%s has no connector %q.%s", c.URL(), n, diag.DidYouMean(n, slices.Sorted(maps.Keys(answer)))))
		}
	}
	if len(names) > 0 {
		maps.DeleteFunc(answer, func(n string, _ api.ConnectorInfo) bool { return !slices.Contains(names, n) })
	}
	list, ok := fromAnswer(answer)
	if !ok {
		return nil, c.tellsNothing()
	}
	return list, noNulls(answer, diag.Place{})
}

// print prints everything or nothing.
func (i *importing) print(all []hcl.Imported, r *plugin.Registry) error {
	var out strings.Builder
	var secrets []hcl.Secret
	var found diag.List
	taken := &hcl.Taken{}
	for n, c := range all {
		text, hidden, err := hcl.Generate(c, hcl.Generation{Registry: r, Inline: i.inline, Taken: taken})
		if err != nil {
			found = append(found, diag.New(diag.InvalidValue, diag.Place{}, "%s.", err))
			continue
		}
		if n > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(text)
		secrets = append(secrets, hidden...)
	}
	if len(found) > 0 {
		return found.Err()
	}
	if _, err := io.WriteString(i.out, out.String()); err != nil {
		return err
	}
	if len(secrets) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(i.err, "Secrets were left out. Set these in the environment; the next plan says whether they are right:\n  %s\n",
		strings.Join(hcl.SecretVariables(secrets), "\n  "))
	return err
}
