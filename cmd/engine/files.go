package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
	"github.com/penstock/penstock/hcl"
)

// escapedPath is a name as one part of a URL.
func escapedPath(name string) string { return word(url.PathEscape(name)) }

func newFmt(p process) *cobra.Command {
	check := false
	c := &cobra.Command{
		Use:   "fmt [FOLDER | FILE | -]…",
		Short: "Lay files out in the one style there is",
		Long: `fmt rewrites *.hcl files in the one style there is and prints the names of those
that it changed. "-" reads standard input and prints the result.`,
		Example: `  engine fmt
  engine fmt -check                     change nothing; exit status 1 when something would
  engine fmt - < orders.hcl`,
		Args: takes("folders or files", 0, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return p.format(args, check)
		},
	}
	c.Flags().BoolVar(&check, "check", false, "change nothing; exit status 1 when something would change")
	return c
}

// format formats files and folders. What cannot be parsed is told and left alone.
func (p process) format(args []string, check bool) error {
	var found diag.List
	texts := map[string][]byte{}
	changed := false
	for _, name := range hclFiles(args) {
		text, err := p.readFile(name)
		if err != nil {
			found = append(found, diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
			continue
		}
		texts[name] = text
		out, said := hcl.Format(name, text)
		found = append(found, said...)
		switch {
		case said.HasErrors():
		case name == "-":
			if _, err := p.out.Write(out); err != nil {
				return err
			}
		case !bytes.Equal(text, out):
			changed = true
			if !check {
				if err := replaceFile(name, out); err != nil {
					return refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
				}
			}
			if _, err := fmt.Fprintln(p.out, name); err != nil {
				return err
			}
		}
	}
	if len(found) > 0 {
		p.tell(found, func(name string) ([]byte, error) { return texts[name], nil })
	}
	if found.HasErrors() || check && changed {
		return errTold
	}
	return nil
}

func (p process) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(p.in)
	}
	return os.ReadFile(name)
}

// hclFiles are the files that arguments mean: those of folders, and files themselves.
func hclFiles(args []string) []string {
	var names []string
	for _, a := range args {
		if info, err := os.Stat(a); err != nil || !info.IsDir() {
			names = append(names, a)
			continue
		}
		in, _ := filepath.Glob(filepath.Join(a, "*.hcl")) // the pattern is right
		names = append(names, slices.DeleteFunc(in, func(n string) bool { return strings.HasPrefix(filepath.Base(n), ".") })...)
	}
	return names
}

// replaceFile puts a text in the place of a file, which is there in the old or the new form whatever happens.
func replaceFile(name string, text []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".engine-fmt-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it has another name by then, or is of no use
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Chmod(info.Mode().Perm())
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}

func newShow(p process) *cobra.Command {
	pl := &planning{remote: remote{process: p}, validate: "off", colors: "auto"}
	c := &cobra.Command{
		Use:   "show [FOLDER | PLAN] [NAME…]",
		Short: "Print what pipelines compile to, with the place of every property; or a plan that was kept",
		Long: `show prints the properties that pipelines compile to, all or those named, in the
order in which plans show them, with the line that each comes from. Of a plan that
"engine plan -out" has kept it prints what it printed then.`,
		Example: `  engine show
  engine show pipelines/quickstart access-log
  engine show -json p.plan`,
		Args: takes("a folder or a plan, and names", 0, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, names := ".", args
			if len(args) > 0 {
				info, err := os.Stat(args[0])
				switch {
				case err == nil && info.IsDir():
					dir, names = args[0], args[1:]
				case err == nil && len(args) == 1:
					return pl.showKept(args[0])
				}
			}
			is, err := pl.checked(dir)
			if err != nil {
				return err
			}
			return pl.showProperties(is, names)
		},
	}
	pl.variables.flags(c.Flags())
	c.Flags().BoolVar(&pl.json, "json", false, "print JSON, for programs")
	c.Flags().BoolVar(&pl.text.Short, "short", false, "of a plan, leave properties out")
	c.Flags().BoolVar(&pl.text.Full, "full", false, "of a plan, show everything: unchanged connectors, other spellings, each of a group")
	return c
}

// showKept prints a plan that was kept, which holds no secrets.
func (pl *planning) showKept(name string) error {
	saved, err := readKept(name)
	if err != nil {
		return err
	}
	if pl.json {
		return printJSON(pl.out, struct {
			Made           time.Time `json:"made"`
			Cluster        string    `json:"cluster,omitempty"`
			KafkaClusterID string    `json:"kafka_cluster_id"`
			*diff.Document
		}{saved.Made, saved.Cluster, saved.ClusterID, saved.Document})
	}
	cluster := "Kafka cluster " + saved.ClusterID
	if saved.Cluster != "" {
		cluster = "Cluster " + saved.Cluster + ", " + cluster
	}
	if _, err := fmt.Fprintf(pl.out, "Made %s for %s\n\n", saved.Made.Format("2006-01-02 15:04:05 MST"), cluster); err != nil {
		return err
	}
	text := pl.text
	text.Color = pl.color(pl.out)
	return text.Write(pl.out, saved.Document)
}

// shownJSON is a pipeline for programs.
type shownJSON struct {
	Name       string                   `json:"name"`
	Label      string                   `json:"label"`
	Place      string                   `json:"place"`
	Properties map[string]propertyShown `json:"properties"`
}

// propertyShown is one property of a pipeline; nobody sees the value of a secret.
type propertyShown struct {
	Value     string `json:"value,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
	Place     string `json:"place"`
}

func (pl *planning) showPropertiesJSON(is *planned, list []*config.Declared) error {
	all := []shownJSON{}
	for _, d := range list {
		hidden := is.hidden(d)
		one := shownJSON{Name: d.Name(), Label: d.Label, Place: d.Place.String(), Properties: map[string]propertyShown{}}
		for k, v := range d.Map {
			shown := propertyShown{Value: v, Place: d.At(k).String()}
			if hidden(k) && !config.Refers(v) {
				shown.Value, shown.Sensitive = "", true
			}
			one.Properties[k] = shown
		}
		all = append(all, one)
	}
	return printJSON(pl.out, all)
}

func (pl *planning) showProperties(is *planned, names []string) error {
	var known []string
	for _, d := range is.files.Pipelines {
		known = append(known, d.Name())
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return refusal(diag.New(diag.Usage, diag.Place{}, "There is no pipeline %q.%s", n, diag.DidYouMean(n, known)))
		}
	}
	list := slices.DeleteFunc(slices.Clone(is.files.Pipelines), func(d *config.Declared) bool { return len(names) > 0 && !slices.Contains(names, d.Name()) })
	if pl.json {
		return pl.showPropertiesJSON(is, list)
	}
	for i, d := range list {
		if i > 0 {
			if _, err := fmt.Fprintln(pl.out); err != nil {
				return err
			}
		}
		if err := pl.showOne(is, d); err != nil {
			return err
		}
	}
	return nil
}

func (pl *planning) showOne(is *planned, d *config.Declared) error {
	hidden := is.hidden(d)
	if _, err := fmt.Fprintf(pl.out, "# %s, %s\n", d.Label, d.Place); err != nil {
		return err
	}
	var rows [][]string
	for _, k := range d.Map.Keys() {
		value := config.Brief(d.Map[k])
		if hidden(k) && !config.Refers(d.Map[k]) {
			value = "(sensitive)"
		}
		rows = append(rows, []string{k, value, "# " + d.At(k).String()})
	}
	return table(pl.out, rows)
}

func newExplain(p process) *cobra.Command {
	return &cobra.Command{
		Use:     "explain CODE",
		Short:   "Explain the code of a message",
		Long:    "explain says what leads to a message with a code such as E202, and what to do.",
		Example: "  engine explain E202",
		Args:    takes("a code", 1, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var codes []string
			for _, e := range diag.Codes() {
				codes = append(codes, string(e.Code))
			}
			return codes, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			code := diag.Code(strings.ToUpper(strings.Trim(args[0], "[]")))
			e, ok := diag.Lookup(code)
			if !ok {
				var codes []string
				for _, e := range diag.Codes() {
					codes = append(codes, string(e.Code))
				}
				return refusal(diag.New(diag.Usage, diag.Place{}, "There is no code %q.%s", args[0], diag.DidYouMean(string(code), codes)))
			}
			_, err := fmt.Fprintf(p.out, "%s: %s\n\n%s\n", e.Code, e.Summary, diag.Wrap(e.Explain))
			return err
		},
	}
}

func newConsole(p process) *cobra.Command {
	pl := &planning{remote: remote{process: p}, validate: "off", colors: "auto"}
	c := &cobra.Command{
		Use:   "console [FOLDER]",
		Short: "Work expressions out with a project's variables and functions",
		Long: `console reads expressions, one a line, and prints what they give. It ends with the
input, or with exit. Nothing is changed.`,
		Example: `  engine console
  echo 'upper(var.environment)' | engine console -var environment=prod`,
		Args: takes("a folder", 0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			is, err := pl.checked(folder(args))
			if err != nil {
				return err
			}
			return pl.console(is.files)
		},
	}
	pl.variables.flags(c.Flags())
	return c
}

func (pl *planning) console(files *hcl.Project) error {
	prompt := ""
	if f, ok := pl.in.(*os.File); ok && isTerminal(f) {
		prompt = "> "
	}
	wrong := false
	lines := bufio.NewScanner(pl.in)
	for {
		if _, err := io.WriteString(pl.out, prompt); err != nil {
			return err
		}
		if !lines.Scan() {
			break
		}
		line := strings.TrimSpace(lines.Text())
		switch line {
		case "":
			continue
		case "exit":
			return nil
		}
		text, found := files.Eval(line)
		if len(found) > 0 {
			wrong = true
			pl.tell(found, func(string) ([]byte, error) { return []byte(line), nil })
			continue
		}
		if _, err := fmt.Fprintln(pl.out, text); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
	}
	if wrong && prompt == "" {
		return errTold
	}
	return nil
}
