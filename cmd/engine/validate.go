package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newValidate(p process) *cobra.Command {
	var v variables
	c := &cobra.Command{
		Use:   "validate [FOLDER | WORKER.properties CONNECTOR.properties…]",
		Short: "Check a project without running it",
		Long: `validate reads a project folder (or a single file) and says everything that is
wrong with it. It needs no network and starts nothing.`,
		Example: `  engine validate                       the folder you are in
  engine validate pipelines/quickstart
  engine validate -var environment=prod`,
		Args: projectArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			pr, err := p.load(args, v)
			if err != nil {
				return err
			}
			if _, found := pr.variants(); len(found) > 0 {
				p.tell(found, pr.Source)
				return errTold
			}
			_, err = fmt.Fprintf(p.out, "%s: %s, no errors.\n", shown(pr.Folder), count(len(pr.graph.Instances), "pipeline"))
			return err
		},
	}
	v.flags(c.Flags())
	return c
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
