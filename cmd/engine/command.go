package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/penstock/penstock/engine/diag"
)

// errTold ends a command whose failure has been printed already.
var errTold = errors.New("told")

// exitStatus ends a command with an exit status of its own, without a message.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, p process) int {
	root := newRoot(p)
	root.SetArgs(doubled(p.args))
	err := root.ExecuteContext(ctx)
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errTold):
		p.tell(diag.Of(err, diag.Stuck), nil)
	}
	return 1
}

func newRoot(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "engine",
		Short: "Data pipelines in HCL: Kafka Connect as one small binary",
		Long: `engine runs data pipelines that are declared in *.hcl files: sources into Kafka
topics, topics into sinks, with Kafka Connect's converters and transforms.`,
		Example: `  engine run pipelines/quickstart       run a project folder until Ctrl-C
  engine validate                       check the folder you are in
  engine graph -format mermaid          draw it
  engine status                         look at a worker that runs`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetUsageFunc(printUsage)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(cmd, err)
	})
	root.AddCommand(newRun(p), newWorker(p), newValidate(p), newGraph(p), newBroker(p), newVersion(p))
	root.AddCommand(newPlan(p), newApply(p), newImport(p), newExport(p), newShow(p), newFmt(p), newConsole(p), newExplain(p), newTest(p), newPreview(p))
	root.AddCommand(newStatus(p), newPause(p), newResume(p), newStop(p), newRestart(p), newOffsets(p), newPlugins(p), newLogs(p), newReload(p))
	checkArguments(root)
	return root
}

// checkArguments makes usage errors of what the commands below one say of their arguments.
func checkArguments(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		args := c.Args
		c.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usageError(cmd, err)
			}
			return nil
		}
		checkArguments(c)
	}
}

// knownCommand refuses a first word that is no command.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return usageError(root, fmt.Errorf("There is no command %q.%s", args[0], diag.DidYouMean(args[0], names))) //nolint:staticcheck // a sentence for people
}

// usageError says what is wrong with a command line and where its help is.
func usageError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		text = fmt.Sprintf("There is no flag -%s.%s", name, strings.Replace(diag.DidYouMean(name, names), `"`, `"-`, 1))
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		text = fmt.Sprintf("-%s is %q; it must be %s.", wrong.GetFlag().Name, wrong.GetValue(), flagValue(wrong.GetFlag()))
	}
	return refusal(diag.New(diag.Usage, diag.Place{}, "%s See %s -help.", sentence(strings.ReplaceAll(text, "--", "-")), cmd.CommandPath()))
}

// flagValue is what a flag takes, for people.
func flagValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "duration":
		return "a time such as 30s or 5m"
	default:
		return "a " + f.Value.Type()
	}
}

// sentence ends a text with a full stop unless it ends like a sentence.
func sentence(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// usage is cobra's template with one dash before long flags, as Go and Terraform write them.
const usage = `Usage:{{if .Runnable}} {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
       {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{printf "%-*s" .NamePadding .Name}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{flags .LocalFlags}}{{end}}{{if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND -help says more about a command.{{end}}
`

func printUsage(c *cobra.Command) error {
	t, err := template.New("usage").Funcs(template.FuncMap{"flags": flagList}).Parse(usage)
	if err != nil {
		return err
	}
	return t.Execute(c.OutOrStderr(), c)
}

// flagList is a table of flags for the help page.
func flagList(set *pflag.FlagSet) string {
	var b strings.Builder
	set.VisitAll(func(f *pflag.Flag) {
		kind, text := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, "  %-20s %s\n", strings.TrimSpace("-"+f.Name+" "+kind), text)
	})
	return strings.TrimRight(b.String(), "\n")
}

// doubled writes long flags with the two dashes that the flag library wants: -data becomes --data. What follows "--" is
// left alone.
func doubled(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out[:i], args[i:]...)
		}
		out[i] = a
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			out[i] = "-" + a
		}
	}
	return out
}

// tell prints diagnostics to the error stream, with snippets of the sources that the function gives.
func (p process) tell(l diag.List, source func(string) ([]byte, error)) {
	// A stream that cannot be written to leaves nobody to tell.
	_ = diag.Printer{Color: p.color(p.err), Source: source, Limit: 100}.Print(p.err, l)
}
