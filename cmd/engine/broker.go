package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/broker"
)

func newBroker(p process) *cobra.Command {
	data, addr := ".engine/broker", "127.0.0.1:9092"
	c := &cobra.Command{
		Use:   "broker",
		Short: "Run the development broker alone",
		Long: `broker runs the development broker by itself until Ctrl-C: one node, on the
loopback interface, for development and tests. It is not Apache Kafka.`,
		Example: `  engine broker
  engine broker -data /tmp/broker -listen 127.0.0.1:19092`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveBroker(cmd.Context(), p, data, addr) },
	}
	c.Flags().StringVar(&data, "data", data, "keep topics in `DIR`")
	c.Flags().StringVar(&addr, "listen", addr, "listen on `ADDRESS`; port 0 takes a free one")
	return c
}

func serveBroker(ctx context.Context, p process, data, addr string) (err error) {
	b, err := broker.Start(broker.Settings{Dir: data, Addr: addr, Logger: newLogger(p, newScreen(p))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	text := fmt.Sprintf("Development broker at %s, its topics in %s. Ctrl-C stops.\n", b.Addr(), data)
	if _, err := io.WriteString(p.out, text); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
