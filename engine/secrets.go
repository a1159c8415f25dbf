package engine

import (
	"context"
	"errors"
	"log/slog"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/worker"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// secretless stands for a task whose secrets cannot be found.
type secretless struct {
	task worker.Task
	err  error
}

func (s *secretless) Run(context.Context) error {
	s.task.Report(store.StateFailed, s.err)
	return s.err
}

func (s *secretless) Pause()  {}
func (s *secretless) Resume() {}

// What config providers gave out may come back in what plugins and libraries say: the URL of a request, the answer of a
// server. The following take it out of everything that leaves the engine (invariant 6).

// maskedStatuses takes secrets out of statuses.
type maskedStatuses struct {
	store.Statuses
	providers *config.Providers
}

func (m *maskedStatuses) Put(ctx context.Context, s store.Status) error {
	s.Trace = m.providers.Mask(s.Trace)
	return m.Statuses.Put(ctx, s)
}

// masked is an error without secrets; the error itself when it has none.
func masked(p *config.Providers, err error) error {
	if err == nil || p.Mask(err.Error()) == err.Error() {
		return err
	}
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		clean := *d
		clean.Detail = p.Mask(d.Detail)
		return &clean
	}
	if c, ok := errors.AsType[*plugin.ConfigError](err); ok {
		return &plugin.ConfigError{Key: c.Key, Reason: p.Mask(c.Reason)}
	}
	return errors.New(p.Mask(err.Error()))
}

// maskedLog takes secrets out of log lines.
type maskedLog struct {
	slog.Handler
	providers *config.Providers
}

func (m *maskedLog) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, m.providers.Mask(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(m.attr(a))
		return true
	})
	return m.Handler.Handle(ctx, clean)
}

func (m *maskedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = m.attr(a)
	}
	return &maskedLog{m.Handler.WithAttrs(clean), m.providers}
}

func (m *maskedLog) WithGroup(name string) slog.Handler {
	return &maskedLog{m.Handler.WithGroup(name), m.providers}
}

// attr is an attribute without secrets; one that has none stays as it is.
func (m *maskedLog) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() { // numbers and times hold no secret
	case slog.KindGroup:
		var clean []slog.Attr
		for _, in := range v.Group() {
			clean = append(clean, m.attr(in))
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
	case slog.KindString, slog.KindAny:
		if text := v.String(); m.providers.Mask(text) != text {
			return slog.String(a.Key, m.providers.Mask(text))
		}
	}
	return a
}
