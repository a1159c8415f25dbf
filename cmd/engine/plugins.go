package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins"
)

func newPlugins(p process) *cobra.Command {
	r := &remote{process: p}
	c := r.flags(&cobra.Command{
		Use:   "plugins",
		Short: "List the plugins of a running worker, or describe those of this program",
		Long: `plugins lists what a running worker has: connectors, transforms, predicates and
converters, with their versions. Its commands ask no worker: they say what this
program has built in.`,
		Example: `  engine plugins                        what a running worker has
  engine plugins list                   what this program has built in
  engine plugins describe mask_field`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.do(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Plugins(ctx)
				if err != nil {
					return err
				}
				if r.json {
					return printJSON(r.out, list)
				}
				rows := [][]string{{"TYPE", "VERSION", "CLASS"}}
				for _, p := range list {
					rows = append(rows, []string{p.Type, p.Version, p.Class})
				}
				return table(r.out, rows)
			})
		},
	})
	c.AddCommand(newPluginsList(p), newPluginsDescribe(p))
	return c
}

func newPluginsList(p process) *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the plugins that are built in",
		Long:    "list says what this program has built in: name in HCL, class in properties and JSON, and what it is for.",
		Example: "  engine plugins list\n  engine plugins list -json",
		Args:    takes("no arguments", 0, 0),
		RunE: func(*cobra.Command, []string) error {
			all := builtIn()
			if asJSON {
				list := make([]pluginJSON, len(all))
				for i, d := range all {
					list[i] = jsonOf(d)
					list[i].Settings = nil
				}
				return printJSON(p.out, list)
			}
			rows := [][]string{{"TYPE", "NAME", "VERSION", "CLASS"}}
			for _, d := range all {
				rows = append(rows, []string{d.Role().String(), d.Name, d.Version, strings.Join(classes(d), ", ")})
			}
			return table(p.out, rows)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	return c
}

func newPluginsDescribe(p process) *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "describe NAME | CLASS",
		Short: "Say what settings a plugin has",
		Long: `describe says what a plugin that is built in does, which settings it has, with
their types, defaults and valid values, and how it is written in HCL. A name that
several plugins have describes them all.`,
		Example: `  engine plugins describe mask_field
  engine plugins describe org.apache.kafka.connect.file.FileStreamSourceConnector
  engine plugins describe -json json`,
		Args: takes("the name or the class of a plugin", 1, 1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return pluginNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			found, err := described(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				list := make([]pluginJSON, len(found))
				for i, d := range found {
					list[i] = jsonOf(d)
				}
				return printJSON(p.out, list)
			}
			texts := make([]string, len(found))
			for i, d := range found {
				texts[i] = description(d)
			}
			_, err = fmt.Fprint(p.out, strings.Join(texts, "\n"))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	return c
}

// builtIn are the plugins of this program, by role and name.
func builtIn() []plugin.Descriptor {
	all := plugins.All()
	slices.SortFunc(all, func(a, b plugin.Descriptor) int {
		if c := int(a.Role()) - int(b.Role()); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

func pluginNames() []string {
	var names []string
	for _, d := range builtIn() {
		names = append(names, d.Name)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// described finds plugins by a name in HCL, a class, or a short form of one.
func described(name string) ([]plugin.Descriptor, error) {
	all := builtIn()
	registry, err := plugin.NewRegistry(all)
	if err != nil {
		return nil, err
	}
	var found []plugin.Descriptor
	var known []string
	for _, d := range all {
		known = append(append(known, d.Name), classes(d)...)
		by, _, is := registry.Class(d.Role(), name)
		if d.Name == name || d.Class == name || is && by.Class == d.Class {
			found = append(found, d)
		}
	}
	if len(found) == 0 {
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "No plugin %q is built in.%s See engine plugins list.", name, diag.DidYouMean(name, known)))
	}
	return found, nil
}

// classes are the class names that stand for a plugin in properties and JSON.
func classes(d plugin.Descriptor) []string {
	if d.Targets {
		return []string{d.Class + plugin.Key.Suffix(), d.Class + plugin.Value.Suffix()}
	}
	return []string{d.Class}
}

// pluginJSON is a plugin as -json prints it.
type pluginJSON struct {
	Type     string        `json:"type"`
	Name     string        `json:"name"`
	Classes  []string      `json:"classes"`
	Version  string        `json:"version"`
	Doc      string        `json:"doc"`
	Settings []settingJSON `json:"settings,omitempty"`
}

type settingJSON struct {
	Name       string   `json:"name"`
	Argument   string   `json:"argument,omitempty"`
	Type       string   `json:"type"`
	Required   bool     `json:"required"`
	Default    *string  `json:"default"`
	Values     []string `json:"values,omitempty"`
	Min        *int64   `json:"min,omitempty"`
	Max        *int64   `json:"max,omitempty"`
	Importance string   `json:"importance"`
	Doc        string   `json:"doc"`
}
