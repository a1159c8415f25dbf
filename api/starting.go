package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/store"
)

// Starting are the settings of a worker of a cluster that reads its topics since some time, made of those that do not depend
// on what it reads. When the topics have been read, another server takes over, see [Server.Yield]; calls about connectors wait
// for it as long as a read waits for the newest configurations. After that reads find nothing, and say by Age that this is not
// the newest there is; everything else is refused with 503, and so is /health, at once, which tells that the worker starts.
func Starting(s Settings, since time.Time) Settings {
	s.Connectors, s.Operator, s.Offsets, s.Configurer = starting{}, starting{}, starting{}, starting{}
	s.Ready, s.Reading = func() bool { return false }, since
	s.Plan = func(context.Context) (*Plan, error) { return nil, errStarting() }
	s.Level = func(context.Context, string, string) error { return errStarting() }
	return s
}

func errStarting() error { return failure(http.StatusServiceUnavailable, stillStarting) }

const stillStarting = "Worker is still starting up."

// starting has nothing and does nothing.
type starting struct{}

// Snapshot is empty.
func (starting) Snapshot(context.Context) (*store.Snapshot, error) { return &store.Snapshot{}, nil }

// Statuses are none.
func (starting) Statuses(context.Context) ([]store.Status, error) { return nil, nil }

// Topics are not known.
func (starting) Topics(context.Context, string) ([]string, error) { return nil, errStarting() }

// ResetTopics is refused.
func (starting) ResetTopics(context.Context, string) error { return errStarting() }

// Graph is refused.
func (starting) Graph(context.Context, io.Writer, graph.Format) error { return errStarting() }

// SetTarget is refused.
func (starting) SetTarget(context.Context, string, config.Target) error { return errStarting() }

// SetTaskTarget is refused.
func (starting) SetTaskTarget(context.Context, string, int, config.Target) error {
	return errStarting()
}

// Restart is refused.
func (starting) Restart(context.Context, string, bool, []int) error { return errStarting() }

// Offsets are not known.
func (starting) Offsets(context.Context, string) ([]store.Offset, error) { return nil, errStarting() }

// OffsetsAt is refused.
func (starting) OffsetsAt(context.Context, string, int64) ([]store.Offset, error) {
	return nil, errStarting()
}

// AlterOffsets is refused.
func (starting) AlterOffsets(context.Context, string, []store.Offset) (bool, error) {
	return false, errStarting()
}

// ResetOffsets is refused.
func (starting) ResetOffsets(context.Context, string) (bool, error) { return false, errStarting() }

// Put is refused.
func (starting) Put(context.Context, store.PutConnector) error { return errStarting() }

// Delete is refused.
func (starting) Delete(context.Context, store.DeleteConnector) error { return errStarting() }

// Sync says that nothing has been read.
func (starting) Sync(context.Context) error { return errUnread }

// errUnread says of a barrier that it was waited for and not reached.
var errUnread = errors.New("the configurations have not been read yet")

// awaitNext holds a call about connectors back until the server that knows them is there, for a bounded time: else a client
// would not find on this worker what it has written through another one (decision D3).
func (s *Server) awaitNext(r *http.Request) {
	if s.Reading.IsZero() || s.next.Load() != nil || !aboutConnectors(r.URL.Path) {
		return
	}
	enough := time.NewTimer(syncWithin)
	defer enough.Stop()
	select {
	case <-s.yielded:
	case <-enough.C:
	case <-r.Context().Done():
	}
}

func aboutConnectors(path string) bool {
	return path == "/connectors" || strings.HasPrefix(path, "/connectors/") || path == "/plan" || path == "/graph"
}
