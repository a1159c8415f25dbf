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
	c := newOffsetsGet(p)
	c.Use, c.Short = "offsets NAME", "Show or change where a connector of a running worker is"
	c.Long = `offsets shows how far a connector has come: a source's place in each of its
partitions, a sink's in each of its topics. A stopped connector can be sent
elsewhere, with "set", or back to the start, with "reset".`
	c.Example = `  engine offsets orders
  engine offsets orders -json > orders.json   then edit the file and:
  engine stop orders
  engine offsets set orders orders.json
  engine resume orders`
	c.AddCommand(newOffsetsGet(p), newOffsetsSet(p), newOffsetsReset(p))
	return c
}

func newOffsetsGet(p process) *cobra.Command {
	r := &remote{process: p}
	return r.flags(&cobra.Command{
		Use:               "get NAME",
		Short:             "Show where a connector is",
		Long:              `get shows how far a connector has come, as "engine offsets NAME" does.`,
		Example:           "  engine offsets get orders",
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
	})
}

func newOffsetsSet(p process) *cobra.Command {
	s := &seeking{remote: &remote{process: p}}
	return s.flags(&cobra.Command{
		Use:   "set NAME [FILE]",
		Short: "Send a stopped connector elsewhere",
		Long: `set changes the offsets of a stopped connector: those that a file names, in the
form that "engine offsets NAME -json" prints, - being standard input and null
deleting an offset; or all of them, to where a flag says. Workers of this program
say where the topics of a sink begin and end; for a worker of Kafka Connect, name
its Kafka. A source can go to its beginning, and to a number where its offsets
are one each.`,
		Example: `  engine offsets set orders orders.json
  engine offsets set orders - < orders.json
  engine offsets set orders -to-time 2h
  engine offsets set orders -to-offset 1200 -topic orders:0,1
  engine offsets set orders -to-latest -bootstrap-servers kafka:9092`,
		Args: takes("the name of a connector and, unless a flag says where it goes, a file", 1, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault // files
			}
			return s.complete(1)(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch err := s.checked(cmd); {
			case err != nil:
				return err
			case s.asked() && len(args) == 2:
				return usageError(cmd, errors.New("either a file or a flag says where the connector goes"))
			case s.asked():
				return s.seek(cmd.Context(), args[0])
			case len(args) == 1:
				return usageError(cmd, errors.New("say where the connector goes: name a file of offsets, or give -to-earliest, -to-latest, -to-time or -to-offset"))
			}
			body, err := s.read(args[1])
			if err != nil {
				return err
			}
			return s.change(cmd.Context(), args[0], func(ctx context.Context, c *api.Client) (string, error) {
				return c.AlterOffsets(ctx, args[0], body)
			})
		},
	})
}

func newOffsetsReset(p process) *cobra.Command {
	s := &seeking{remote: &remote{process: p}}
	return s.flags(&cobra.Command{
		Use:   "reset NAME",
		Short: "Send a stopped connector back to the start",
		Long: `reset deletes all offsets of a stopped connector, so that it begins again: a
source at its beginning, a sink where auto.offset.reset of its consumer says.
With a flag that says where it goes it is "engine offsets set".`,
		Example:           "  engine stop orders\n  engine offsets reset orders\n  engine resume orders",
		Args:              takes("the name of a connector", 1, 1),
		ValidArgsFunction: s.complete(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.checked(cmd); err != nil {
				return err
			}
			if s.asked() {
				return s.seek(cmd.Context(), args[0])
			}
			return s.change(cmd.Context(), args[0], func(ctx context.Context, c *api.Client) (string, error) {
				return c.ResetOffsets(ctx, args[0])
			})
		},
	})
}

// change makes a change of offsets on the worker that the flags name.
func (s *seeking) change(ctx context.Context, name string, change func(context.Context, *api.Client) (string, error)) error {
	c, _, err := s.reach(ctx)
	if err != nil {
		return err
	}
	return s.changeOffsets(ctx, c.Client, name, func(ctx context.Context, c *api.Client) (string, *api.ConnectorOffsets, error) {
		said, err := change(ctx, c)
		return said, nil, err
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

// offsetsChange changes offsets and returns what the worker says of it, and what they are now where that is worth showing.
type offsetsChange func(ctx context.Context, c *api.Client) (said string, to *api.ConnectorOffsets, err error)

// changeOffsets makes a change that needs a stopped connector, and says so where that is what hinders it.
func (r *remote) changeOffsets(ctx context.Context, c *api.Client, name string, change offsetsChange) error {
	said, to, err := change(ctx, c)
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
		return printJSON(r.out, struct {
			Message string `json:"message"`
			*api.ConnectorOffsets
		}{said, to})
	}
	if to != nil {
		if err := r.printOffsets(name, to); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(r.out, "%s To let it run: engine resume %s\n", sentence(said), word(name))
	return err
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
