package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
)

func newOffsets(p process) *cobra.Command {
	r := &remote{process: p}
	c := &cobra.Command{
		Use:   "offsets NAME",
		Short: "Show or change where a connector of a running worker is",
		Long: `offsets shows how far a connector has come: a source's place in each of its
partitions, a sink's in each of its topics. A stopped connector can be sent
elsewhere, with "set", or back to the start, with "reset".`,
		Example: `  engine offsets orders
  engine offsets orders -json > orders.json   then edit the file and:
  engine stop orders
  engine offsets set orders orders.json
  engine resume orders`,
		Args:              takes("the name of a connector", 1, 1),
		ValidArgsFunction: r.complete(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.do(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				o, err := c.Offsets(ctx, args[0])
				if err != nil {
					return aboutConnector(ctx, c, args[0], err).Err()
				}
				return r.printOffsets(args[0], o)
			})
		},
	}
	c.AddCommand(newOffsetsSet(p), newOffsetsReset(p))
	return r.flags(c)
}

func newOffsetsSet(p process) *cobra.Command {
	r := &remote{process: p}
	return r.flags(&cobra.Command{
		Use:   "set NAME FILE",
		Short: "Send a stopped connector elsewhere",
		Long: `set changes those offsets of a stopped connector that a file names, in the form
that "engine offsets NAME -json" prints; - reads standard input. An offset that
is null is deleted.`,
		Example: "  engine offsets set orders orders.json\n  engine offsets set orders - < orders.json",
		Args:    takes("the name of a connector and a file", 2, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault // files
			}
			return r.complete(1)(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := r.read(args[1])
			if err != nil {
				return err
			}
			return r.changeOffsets(cmd.Context(), args[0], func(ctx context.Context, c *api.Client) (string, error) {
				return c.AlterOffsets(ctx, args[0], body)
			})
		},
	})
}

func newOffsetsReset(p process) *cobra.Command {
	r := &remote{process: p}
	return r.flags(&cobra.Command{
		Use:               "reset NAME",
		Short:             "Send a stopped connector back to the start",
		Long:              `reset deletes all offsets of a stopped connector, so that it begins again.`,
		Example:           "  engine stop orders\n  engine offsets reset orders\n  engine resume orders",
		Args:              takes("the name of a connector", 1, 1),
		ValidArgsFunction: r.complete(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.changeOffsets(cmd.Context(), args[0], func(ctx context.Context, c *api.Client) (string, error) {
				return c.ResetOffsets(ctx, args[0])
			})
		},
	})
}

// mostOffsets is how long a file of offsets may be, the most that a worker takes.
const mostOffsets = 1 << 20

// read reads a file, or standard input for "-".
func (r *remote) read(name string) ([]byte, error) {
	in := r.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
		}
		defer func() { _ = f.Close() }() // it is only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mostOffsets+1))
	switch {
	case err != nil:
		return nil, refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
	case len(text) > mostOffsets:
		return nil, refusal(diag.New(diag.Unreadable, diag.Place{}, "%s is longer than %s bytes, the most that a worker takes.", name, grouped(mostOffsets)))
	}
	return text, nil
}

// changeOffsets makes a change that needs a stopped connector, and says so where that is what hinders it.
func (r *remote) changeOffsets(ctx context.Context, name string, change func(context.Context, *api.Client) (string, error)) error {
	return r.do(ctx, func(ctx context.Context, c *api.Client) error {
		said, err := change(ctx, c)
		if err != nil {
			if _, refused := errors.AsType[*api.AnswerError](err); refused {
				if is, unread := c.Status(ctx, name); unread == nil && is.Connector.State != store.StateStopped {
					return refusal(diag.New(diag.WorkerRefused, diag.Place{},
						"Offsets change only while a connector is stopped, and %s is %s. Stop it with:\n\n    engine stop %s\n\nand let it go on afterwards with:\n\n    engine resume %s", name, is.Connector.State, word(name), word(name)))
				}
			}
			return aboutConnector(ctx, c, name, err).Err()
		}
		if r.json {
			return printJSON(r.out, map[string]string{"message": said})
		}
		_, err = fmt.Fprintf(r.out, "%s To let it run: engine resume %s\n", sentence(said), word(name))
		return err
	})
}

func (r *remote) printOffsets(name string, o *api.ConnectorOffsets) error {
	if r.json {
		return printJSON(r.out, o)
	}
	if len(o.Offsets) == 0 {
		_, err := fmt.Fprintf(r.out, "%s has no offsets yet.\n", name)
		return err
	}
	rows := [][]string{{"PARTITION", "OFFSET"}}
	for _, e := range o.Offsets {
		rows = append(rows, []string{string(e.Partition), string(e.Offset)})
	}
	return table(r.out, rows)
}
