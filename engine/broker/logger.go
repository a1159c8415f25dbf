package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// logger hands kfake's messages to slog. What kfake calls information is for who looks for a fault. A write that failed is
// told to the disk as well: kfake has then counted records that it does not have.
type logger struct {
	to   *slog.Logger
	disk *disk
}

// Logf is called by kfake.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	at := slog.LevelDebug - 4
	switch level {
	case kfake.LogLevelError:
		at = slog.LevelError
	case kfake.LogLevelWarn:
		at = slog.LevelWarn
	case kfake.LogLevelInfo:
		at = slog.LevelDebug
	case kfake.LogLevelDebug, kfake.LogLevelNone:
	}
	if failed := at >= slog.LevelWarn && strings.HasPrefix(format, "persist "); failed {
		l.disk.fail(fmt.Sprintf(format, args...))
	}
	ctx := context.Background() //nolint:forbidigo // slog wants one, the library has none
	if l.to.Enabled(ctx, at) {
		l.to.Log(ctx, at, "development broker: "+fmt.Sprintf(format, args...)) //nolint:sloglint // kfake's own text
	}
}
