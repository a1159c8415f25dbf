package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// kafkaConnect is the release of Kafka Connect that properties, messages and formats follow (decision D13).
const kafkaConnect = "4.3.1"

func newVersion(p process) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  engine version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.out, "engine %s (Kafka Connect %s, %s, %s/%s)\n", version, kafkaConnect, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
