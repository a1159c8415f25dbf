package engine

import (
	"context"
	"log/slog"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/task"
)

// Told is one record of a preview, with what became of it.
type Told = task.Told

// Preview reads up to n records where a pipeline would, until ctx is done, and tells of each with what every stage made of
// it: a source begins anew, of a sink's topics the newest records are read. Nothing is produced, committed or written, and
// no group is joined. The instance comes from [graph.CompileOne].
func Preview(ctx context.Context, i *graph.Instance, w *config.Worker, l *slog.Logger, n int, tell func(Told) error) error {
	here, err := w.Resolved()
	if err != nil {
		return (*config.Declared)(nil).Missing("", err).Err()
	}
	p := &task.Preview{Instance: i, Clients: clientsOf(here, l), Logger: slog.New(&maskedLog{l.Handler(), w.Providers()})}
	err = p.Run(ctx, n, func(t Told) error {
		t.Outcome.Err = masked(w.Providers(), t.Outcome.Err)
		return tell(t)
	})
	return masked(w.Providers(), err)
}
