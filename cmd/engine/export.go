package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

func newExport(p process) *cobra.Command {
	pl := &planning{remote: remote{process: p}, validate: "off", colors: "auto"}
	form, only, secrets := "json", []string{}, false
	c := &cobra.Command{
		Use:   "export [FOLDER]",
		Short: "Print a project's connectors for other tools",
		Long: `export prints what a project declares in the forms that Kafka Connect and its
tools take: the bodies of POST /connectors (json), properties files, or curl
lines that create or update the connectors.`,
		Example: `  engine export > connectors.json
  engine export -format curl -target 'shop-*'
  engine export -format properties -target orders > orders.properties`,
		Args: takes("a folder", 0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			print, ok := exporters[form]
			if !ok {
				names := []string{"json", "properties", "curl"}
				return refusal(diag.New(diag.Usage, diag.Place{}, "-format is %q; it must be one of %s.%s", form, strings.Join(names, ", "), diag.DidYouMean(form, names)))
			}
			is, err := pl.checked(folder(args))
			if err != nil {
				return err
			}
			list := slices.DeleteFunc(is.files.Pipelines, func(d *config.Declared) bool { return len(only) > 0 && !matches(only, d.Name()) })
			if !secrets {
				if found := shownSecrets(is, list); len(found) > 0 {
					pl.tell(found, is.files.Source)
					return errTold
				}
			}
			return print(pl.out, list)
		},
	}
	pl.variables.flags(c.Flags())
	c.Flags().StringVar(&form, "format", form, "`FORM`: json, properties or curl")
	c.Flags().StringArrayVar(&only, "target", nil, "only connectors whose name matches `PATTERN`; may be repeated")
	c.Flags().BoolVar(&secrets, "show-sensitive", false, "print secrets as they are")
	return c
}

// shownSecrets are the secrets that an export would show (invariant 6).
func shownSecrets(is *planned, list []*config.Declared) diag.List {
	var found diag.List
	for _, d := range list {
		hidden := is.hidden(d)
		for _, k := range d.Map.Keys() {
			if hidden(k) && !config.Refers(d.Map[k]) {
				at := d.At(k)
				at.Hidden = true
				found = append(found, diag.New(diag.Usage, at, "%s of %q is a secret and would be printed. Use secret(\"…\"), which the worker looks up, or export with -show-sensitive.", k, d.Name()))
			}
		}
	}
	return found
}

// exporters are the forms that export prints.
var exporters = map[string]func(io.Writer, []*config.Declared) error{ //nolint:gochecknoglobals // a literal
	"json":       exportJSON,
	"properties": exportProperties,
	"curl":       exportCurl,
}

func exportJSON(w io.Writer, list []*config.Declared) error {
	for _, d := range list {
		body := map[string]any{"name": d.Name(), "config": d.Map}
		if state := map[config.Target]string{config.Paused: "PAUSED", config.Stopped: "STOPPED"}[d.Target]; state != "" {
			body["initial_state"] = state
		}
		if err := printJSON(w, body); err != nil {
			return err
		}
	}
	return nil
}

func exportProperties(w io.Writer, list []*config.Declared) error {
	for n, d := range list {
		if n > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		for _, k := range d.Map.Keys() {
			if _, err := fmt.Fprintf(w, "%s=%s\n", property(k, true), property(d.Map[k], false)); err != nil {
				return err
			}
		}
	}
	return nil
}

// property is a key or a value as java.util.Properties reads it.
func property(text string, key bool) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\\' || r == '\t' || r == '\n' || r == '\r' || r == '\f':
			b.WriteString(map[rune]string{'\\': `\\`, '\t': `\t`, '\n': `\n`, '\r': `\r`, '\f': `\f`}[r])
		case r == ' ' && (key || i == 0), (r == '=' || r == ':') && key, (r == '#' || r == '!') && i == 0:
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r > 0x7e:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04X`, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func exportCurl(w io.Writer, list []*config.Declared) error {
	for _, d := range list {
		body, err := json.MarshalIndent(d.Map, "", "  ")
		if err != nil {
			return fmt.Errorf("print JSON: %w", err)
		}
		if _, err := fmt.Fprintf(w, "curl -sS -X PUT -H 'Content-Type: application/json' \"${CONNECT_URL:-%s}\"/connectors/%s/config -d %s\n",
			defaultURL, escapedPath(d.Name()), word(string(body))); err != nil {
			return err
		}
	}
	return nil
}
