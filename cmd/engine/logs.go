package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
)

func newLogs(p process) *cobra.Command {
	r := &remote{process: p}
	return r.flags(&cobra.Command{
		Use:   "logs [LOGGER [LEVEL]]",
		Short: "Show or change what a running worker logs",
		Long: `logs shows the level of each logger of a running worker, or of one, or sets it:
OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE or ALL, for a logger and all below it,
until the worker ends. The logger "root" is above all others.`,
		Example: "  engine logs\n  engine logs root DEBUG\n  engine logs org.apache.kafka.connect.runtime.Worker",
		Args:    takes("at most a logger and a level", 0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.do(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				switch len(args) {
				case 2:
					return r.setLevel(ctx, c, args[0], args[1])
				case 1:
					l, err := c.LoggerLevel(ctx, args[0])
					if err != nil {
						return err
					}
					return r.printLevels(map[string]api.LoggerLevel{args[0]: l})
				}
				levels, err := c.LoggerLevels(ctx)
				if err != nil {
					return err
				}
				return r.printLevels(levels)
			})
		},
	})
}

func (r *remote) setLevel(ctx context.Context, c *api.Client, logger, level string) error {
	changed, err := c.SetLoggerLevel(ctx, logger, level)
	if err != nil {
		return err
	}
	if r.json {
		return printJSON(r.out, changed)
	}
	if len(changed) == 0 {
		_, err = fmt.Fprintln(r.out, "No logger had another level.")
		return err
	}
	for _, name := range changed {
		if _, err := fmt.Fprintln(r.out, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) printLevels(levels map[string]api.LoggerLevel) error {
	if r.json {
		return printJSON(r.out, levels)
	}
	rows := [][]string{{"LEVEL", "CHANGED", "LOGGER"}}
	for _, name := range slices.Sorted(maps.Keys(levels)) {
		l, at := levels[name], "never"
		if l.Modified != nil {
			at = time.UnixMilli(*l.Modified).Format(time.DateTime)
		}
		rows = append(rows, []string{l.Level, at, name})
	}
	return table(r.out, rows)
}
