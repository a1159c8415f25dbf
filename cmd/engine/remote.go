package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/diag"
)

// defaultURL is where commands look for a worker when nobody says where one is.
const defaultURL = "http://localhost:8083"

// remote is a running worker that a command works on, and how the command prints.
type remote struct {
	process
	url  string // of -url; "" leaves it to ENGINE_URL and defaultURL
	json bool
}

// flags adds the flags of every command that works on a worker.
func (r *remote) flags(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&r.url, "url", "", "the worker's REST API, as `URL` (ENGINE_URL, or "+defaultURL+")")
	c.Flags().BoolVar(&r.json, "json", false, "print JSON, for programs")
	return c
}

func (r *remote) client() (*api.Client, error) {
	url, from := r.url, "-url"
	if url == "" {
		url, from = defaultURL, "the default"
		if v, set := r.env("ENGINE_URL"); set && v != "" {
			url, from = v, "ENGINE_URL"
		}
	}
	c, err := api.NewClient(url)
	if err != nil {
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "The worker's address in %s is not one: %s.", from, err))
	}
	return c, nil
}

// do gives a command its client and makes diagnostics of the client's errors.
func (r *remote) do(ctx context.Context, work func(context.Context, *api.Client) error) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	if err := work(ctx, c); err != nil {
		return explained(err).Err()
	}
	return nil
}

// explained makes diagnostics of an error of the client; others stay what they are.
func explained(err error) diag.List {
	if u, ok := errors.AsType[*api.UnreachableError](err); ok {
		return diag.List{diag.New(diag.WorkerDown, diag.Place{},
			"No worker at %s: %s. Start one with \"engine run\", or say where one is with -url or in ENGINE_URL.", u.URL, u.Err)}
	}
	if a, ok := errors.AsType[*api.AnswerError](err); ok {
		if len(a.Diagnostics) > 0 {
			return diag.List(a.Diagnostics)
		}
		if a.Code == http.StatusUnauthorized {
			return diag.List{diag.New(diag.WorkerRefused, diag.Place{}, "The worker asks for a login, and this one it does not know. Give it in the address: -url http://USER:PASSWORD@HOST:PORT, or in ENGINE_URL.")}
		}
		return diag.List{diag.New(diag.WorkerRefused, diag.Place{}, "%s (HTTP %d)", sentence(a.Message), a.Code)}
	}
	if errors.Is(err, context.Canceled) {
		return diag.List{diag.New(diag.NotReached, diag.Place{}, "Interrupted. What the worker was asked for goes on there.")}
	}
	return diag.Of(err, diag.Stuck)
}

// aboutConnector explains the error of a call for one connector; if there is none of that name it names the nearest.
func aboutConnector(ctx context.Context, c *api.Client, name string, err error) diag.List {
	if _, answered := errors.AsType[*api.AnswerError](err); answered {
		names, unread := c.Names(ctx)
		if unread == nil && !slices.Contains(names, name) {
			return diag.List{diag.New(diag.WorkerRefused, diag.Place{}, "%s has no connector %q.%s", c.URL(), name, diag.DidYouMean(name, names))}
		}
	}
	return explained(err)
}

// word is a name as a shell takes it, for commands that people copy.
func word(name string) string {
	plain := func(c rune) bool {
		return c == '-' || c == '_' || c == '.' || c == '/' || unicode.IsLetter(c) || unicode.IsDigit(c)
	}
	if name != "" && !strings.ContainsFunc(name, func(c rune) bool { return !plain(c) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// completeWithin bounds how long the completion of a word waits for the worker.
const completeWithin = time.Second

// complete offers the worker's connectors for up to most arguments, 0 meaning any number. Without a worker it offers none.
func (r *remote) complete(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, err := r.client()
		if err != nil || most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
		defer cancel()
		names, err := c.Names(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args, n) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// takes is what a command says when it is given another number of arguments.
func takes(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return fmt.Errorf("%s takes %s and was given %s", cmd.CommandPath(), what, count(len(args), "argument"))
		}
		return nil
	}
}

// printJSON prints one document.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// table prints rows in columns, the first being the headings.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.TabIndent)
	for _, row := range rows {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("print a table: %w", err)
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print a table: %w", err)
	}
	return nil
}
