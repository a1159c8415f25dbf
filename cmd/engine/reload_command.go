package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/diag"
)

func newReload(p process) *cobra.Command {
	r := &remote{process: p}
	return r.flags(&cobra.Command{
		Use:   "reload",
		Short: "Let a running engine read its files again",
		Long: `reload lets an "engine run" read its project again at once, and says what that
changed. Files with errors change nothing; the errors are printed, and the exit
status is 1.`,
		Example: "  engine reload\n  engine reload -json",
		Args:    takes("no arguments", 0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.do(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				done, err := c.Reload(ctx)
				if err != nil {
					return reloadError(c, err)
				}
				return r.printReload(done)
			})
		},
	})
}

// reloadError names a worker that cannot reload.
func reloadError(c *api.Client, err error) error {
	if a, ok := errors.AsType[*api.AnswerError](err); ok && a.Code == http.StatusNotFound {
		return refusal(diag.New(diag.WorkerRefused, diag.Place{}, "The worker at %s has no files to read again: only an \"engine run\" does.", c.URL()))
	}
	return err
}

func (r *remote) printReload(done *api.Reloaded) error {
	if r.json {
		return printJSON(r.out, done)
	}
	if len(done.Diagnostics) > 0 {
		r.tell(diag.List(done.Diagnostics), nil)
	}
	var b strings.Builder
	if done.Loaded {
		fmt.Fprintf(&b, "Revision %d: %d new, %d changed, %d stopped, %d untouched.\n",
			done.Revision, len(done.Created), len(done.Changed), len(done.Deleted), done.Untouched)
	} else {
		fmt.Fprintf(&b, "Nothing changed. Revision %d: %d untouched.\n", done.Revision, done.Untouched)
	}
	for _, l := range []struct {
		mark  string
		names []string
	}{{"+", done.Created}, {"~", done.Changed}, {"-", done.Deleted}} {
		for _, n := range slices.Sorted(slices.Values(l.names)) {
			fmt.Fprintf(&b, "  %s %s\n", l.mark, n)
		}
	}
	_, err := fmt.Fprint(r.out, b.String())
	return err
}
