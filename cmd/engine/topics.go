package main

import (
	"context"
	"log/slog"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

func openTopics(context.Context, *config.Worker, *slog.Logger) (store.Store, error) {
	return memory.Open(), nil
}
