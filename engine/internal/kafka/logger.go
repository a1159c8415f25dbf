package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logger hands a client's messages to slog. What the library calls information is of use to somebody who looks for a fault,
// not to an operator; and so is a warning that comes again and again, as of a broker that is away.
type logger struct {
	to *slog.Logger

	mu   sync.Mutex
	told map[string]time.Time // warnings, with the brokers that they are about
}

// repeatAfter is how long a warning that was told is not told again.
const repeatAfter = time.Minute

// Level is how much the library may say, which can change at any time.
func (l *logger) Level() kgo.LogLevel {
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
func (l *logger) Log(level kgo.LogLevel, message string, keyvals ...any) {
	switch level {
	case kgo.LogLevelError:
		l.to.Error(message, keyvals...) //nolint:sloglint // the library's own text
	case kgo.LogLevelWarn:
		if l.again(message, keyvals) {
			l.to.Debug(message, keyvals...) //nolint:sloglint // as above
			return
		}
		l.to.Warn(message, keyvals...) //nolint:sloglint // as above
	case kgo.LogLevelInfo, kgo.LogLevelDebug, kgo.LogLevelNone:
		l.to.Debug(message, keyvals...) //nolint:sloglint // as above
	}
}

// again reports whether a warning was told a short while ago. The first of its values says what it is about.
func (l *logger) again(message string, keyvals []any) bool {
	about := message
	if len(keyvals) > 1 {
		about += fmt.Sprint(" ", keyvals[1])
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, told := l.told[about]; told && now.Sub(last) < repeatAfter {
		return true
	}
	if l.told == nil {
		l.told = map[string]time.Time{}
	}
	l.told[about] = now
	return false
}
