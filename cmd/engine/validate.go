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
wrong with it. The worker may run alone or be one of a cluster. It needs no
network and starts nothing.`,
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
			is := count(len(pr.graph.Instances), "pipeline")
			if d := pr.worker.Distributed; d != nil {
				is = "a worker of the cluster " + d.Group + ", " + is
			}
			_, err = fmt.Fprintf(p.out, "%s: %s, no errors.\n", shown(pr.Folder), is)
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
