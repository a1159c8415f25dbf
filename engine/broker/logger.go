package broker

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// logger hands kfake's messages to slog. A write that failed is told to the disk as well: kfake has then counted records
// that it does not have.
type logger struct {
	to   *slog.Logger
	disk *disk
}

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	switch level {
	case kfake.LogLevelError:
		l.to.Error("development broker: " + message)
	case kfake.LogLevelWarn:
		l.to.Warn("development broker: " + message)
	case kfake.LogLevelInfo, kfake.LogLevelDebug, kfake.LogLevelNone:
		l.to.Debug("development broker: " + message)
	}
	if level != kfake.LogLevelNone && level <= kfake.LogLevelWarn && strings.HasPrefix(format, "persist ") {
		l.disk.fail(message)
	}
}
