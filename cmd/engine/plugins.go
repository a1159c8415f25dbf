package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
)

func newPlugins(p process) *cobra.Command {
	r := &remote{process: p}
	return r.flags(&cobra.Command{
		Use:     "plugins",
		Short:   "List the plugins of a running worker",
		Long:    `plugins lists what a running worker has: connectors, transforms, predicates and converters, with their versions.`,
		Example: "  engine plugins\n  engine plugins -json",
		Args:    takes("no arguments", 0, 0),
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
}
