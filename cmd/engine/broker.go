package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/engine/registry"
)

func newBroker(p process) *cobra.Command {
	s := brokerFlags{data: ".engine/broker", addr: broker.DefaultAddress, registry: registry.DefaultAddress}
	c := &cobra.Command{
		Use:   "broker",
		Short: "Run the development broker alone",
		Long: `broker runs the development broker by itself until Ctrl-C: one node, on the
loopback interface, for development and tests. It is not Apache Kafka. Beside it
an embedded Schema Registry keeps its schemas in the topic _schemas.`,
		Example: `  engine broker
  engine broker -data /tmp/broker -listen 127.0.0.1:19092 -registry 127.0.0.1:18081
  engine broker -registry off`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.serve(cmd.Context(), p) },
	}
	c.Flags().StringVar(&s.data, "data", s.data, "keep topics in `DIR`")
	c.Flags().StringVar(&s.addr, "listen", s.addr, "listen on `ADDRESS`; port 0 takes a free one")
	c.Flags().StringVar(&s.registry, "registry", s.registry, "serve the Schema Registry on `ADDRESS`; off serves none")
	return c
}

// brokerFlags are the flags of the command.
type brokerFlags struct{ data, addr, registry string }

func (s brokerFlags) serve(ctx context.Context, p process) (err error) {
	loggers := newLoggers(p, newScreen(p))
	b, err := broker.Start(broker.Settings{Dir: s.data, Addr: s.addr, Logger: loggers.Logger(brokerLogger)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	text := fmt.Sprintf("Development broker at %s, its topics in %s.\n", b.Addr(), s.data)
	if s.registry != "off" {
		r, refused := registry.Start(ctx, registry.Settings{
			Bootstrap: b.Addr(), Addr: s.registry, Version: version, Logger: loggers.Logger(registryLogger),
		})
		if refused != nil {
			return refused
		}
		defer func() { err = errors.Join(err, closeRegistry(ctx, r)) }()
		text += fmt.Sprintf("Schema Registry at %s\n", r.URL())
	}
	if _, err := io.WriteString(p.out, text+"Ctrl-C stops.\n"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
