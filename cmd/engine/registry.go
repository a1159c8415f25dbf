package main

import (
	"context"
	"time"

	"github.com/penstock/penstock/engine/registry"
)

// registryLogger is the name of the embedded Schema Registry's logger.
const registryLogger = "penstock.registry"

// registryClose is how long the calls that are under way may take when the registry is closed.
const registryClose = 2 * time.Second

// startRegistry starts the embedded Schema Registry beside the development broker, on a free port, for converters that name
// no other. Its topic is made, and read, when the first of them comes.
func (r *run) startRegistry(ctx context.Context) error {
	if r.broker == nil {
		return nil
	}
	s, err := registry.Start(ctx, registry.Settings{Bootstrap: r.broker.Addr(), OnDemand: true, Version: version, Logger: r.loggers.Logger(registryLogger)})
	if err != nil {
		return err
	}
	r.registry = s
	r.project().worker.Registry = s.URL()
	return nil
}

// closeRegistry closes a registry, before its broker is.
func closeRegistry(ctx context.Context, s *registry.Registry) error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), registryClose)
	defer cancel()
	return s.Close(ctx)
}
