package kafka

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logger hands the library's messages to slog, one level lower than it puts them: what it calls information is of use to
// somebody who looks for a fault, not to an operator.
type logger struct{ to *slog.Logger }

// Level is how much the library may say, which can change at any time.
func (l logger) Level() kgo.LogLevel {
	ctx := context.Background() //nolint:forbidigo // slog wants one, the library has none
	switch {
	case l.to.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case l.to.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	case l.to.Enabled(ctx, slog.LevelError):
		return kgo.LogLevelError
	}
	return kgo.LogLevelNone
}

// Log passes a message on.
func (l logger) Log(level kgo.LogLevel, message string, keyvals ...any) {
	switch level {
	case kgo.LogLevelError:
		l.to.Error(message, keyvals...) //nolint:sloglint // the library's own text
	case kgo.LogLevelWarn:
		l.to.Warn(message, keyvals...) //nolint:sloglint // as above
	case kgo.LogLevelInfo, kgo.LogLevelDebug, kgo.LogLevelNone:
		l.to.Debug(message, keyvals...) //nolint:sloglint // as above
	}
}
