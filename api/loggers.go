package api

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// rootLogger is the name of what all others inherit from.
const rootLogger = "root"

// levels are log4j's names with their places among slog's.
var levels = map[string]slog.Level{ //nolint:gochecknoglobals // a literal
	"OFF": math.MaxInt32, "FATAL": slog.LevelError + 4, "ERROR": slog.LevelError, "WARN": slog.LevelWarn, "INFO": slog.LevelInfo,
	"DEBUG": slog.LevelDebug, "TRACE": slog.LevelDebug - 4, "ALL": math.MinInt32,
}

// levelName is the name of the highest level that is not above l.
func levelName(l slog.Level) string {
	best := "ALL"
	for name, level := range levels {
		if level <= l && level > levels[best] {
			best = name
		}
	}
	return best
}

// Loggers are named loggers whose levels can be changed while the program runs. A name without a level of its own has that
// of the nearest name above it: a.b.c, a.b, a, root. It is safe for concurrent use.
type Loggers struct {
	handler slog.Handler
	now     func() time.Time

	mu    sync.Mutex
	known map[string]*namedLogger
}

// namedLogger is one name. live is what its handlers look at.
type namedLogger struct {
	set      bool
	level    slog.Level // where set
	modified time.Time  // by [Loggers.Set]; zero: never
	live     atomic.Int64
}

// NewLoggers makes loggers that write to a handler, which must take every level itself.
func NewLoggers(h slog.Handler, level slog.Level) *Loggers {
	l := &Loggers{handler: h, now: time.Now, known: map[string]*namedLogger{}}
	root := &namedLogger{set: true, level: level}
	root.live.Store(int64(level))
	l.known[rootLogger] = root
	return l
}

// Logger is the logger of a name, which is listed from now on.
func (l *Loggers) Logger(name string) *slog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, listed := l.known[name]
	if !listed {
		n = &namedLogger{}
		n.live.Store(int64(l.effective(name)))
		l.known[name] = n
	}
	return slog.New(levelHandler{l.handler, &n.live})
}

// effective is the level that counts for a name. The caller holds mu.
func (l *Loggers) effective(name string) slog.Level {
	for at := name; at != ""; {
		if n, listed := l.known[at]; listed && n.set {
			return n.level
		}
		dot := strings.LastIndexByte(at, '.')
		at = at[:max(dot, 0)]
	}
	return l.known[rootLogger].level
}

// Set gives a level, in log4j's words, to a name and to all that begin with it. A level that nobody knows changes nothing.
func (l *Loggers) Set(name, level string) {
	if known, is := levels[strings.ToUpper(level)]; is {
		l.set(name, known)
	}
}

// set gives a level to a name and to all that begin with it, and returns those whose level is another now.
func (l *Loggers) set(name string, level slog.Level) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := map[string]slog.Level{name: l.effective(name)}
	for other := range l.known {
		before[other] = l.effective(other)
	}
	for other := range before {
		if other != name && name != rootLogger && !strings.HasPrefix(other, name) {
			continue
		}
		n, listed := l.known[other]
		if !listed {
			n = &namedLogger{}
			l.known[other] = n
		}
		n.set, n.level = true, level
	}
	changed := []string{}
	for other, was := range before {
		is := l.effective(other)
		l.known[other].live.Store(int64(is))
		if is != was {
			l.known[other].modified = l.now()
			changed = append(changed, other)
		}
	}
	slices.SortFunc(changed, cmp.Compare)
	return changed
}

// loggerLevel is a logger as the API shows it (Kafka Connect: LoggerLevel).
type loggerLevel struct {
	Level    string `json:"level"`
	Modified *int64 `json:"last_modified"` // milliseconds since the epoch; null: never
}

func (l *Loggers) show(name string) loggerLevel {
	shown := loggerLevel{Level: levelName(l.effective(name))}
	if at := l.known[name].modified; !at.IsZero() {
		millis := at.UnixMilli()
		shown.Modified = &millis
	}
	return shown
}

// levelHandler lets through what a live level allows.
type levelHandler struct {
	slog.Handler
	level *atomic.Int64
}

// Enabled looks at the live level.
func (h levelHandler) Enabled(_ context.Context, l slog.Level) bool {
	return int64(l) >= h.level.Load()
}

// WithAttrs keeps the level.
func (h levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelHandler{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup keeps the level.
func (h levelHandler) WithGroup(name string) slog.Handler {
	return levelHandler{h.Handler.WithGroup(name), h.level}
}

// loggers answers GET /admin/loggers: all but those that are off.
func (s *Server) loggers(*call) (answer, error) {
	l := s.Loggers
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]loggerLevel{}
	for _, name := range slices.Sorted(maps.Keys(l.known)) {
		if shown := l.show(name); shown.Level != "OFF" {
			all[name] = shown
		}
	}
	return ok(all)
}

func loggerName(c *call) string {
	name := c.vars["l"]
	if strings.EqualFold(name, rootLogger) {
		return rootLogger
	}
	return name
}

func (s *Server) logger(c *call) (answer, error) {
	name, l := loggerName(c), s.Loggers
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, listed := l.known[name]; !listed {
		return answer{}, failure(http.StatusNotFound, "Logger %s not found.", name)
	}
	return ok(l.show(name))
}

// setLogger answers PUT /admin/loggers/{l}: of this worker, or with scope=cluster of all (KIP-976). A standalone worker is
// the whole cluster, so that the scopes differ in the answer only.
func (s *Server) setLogger(c *call) (answer, error) {
	m, err := c.readMap()
	if err != nil {
		return answer{}, err
	}
	wanted := m["level"]
	if wanted == nil {
		return answer{}, failure(http.StatusBadRequest, "Desired 'level' parameter was not specified in request.")
	}
	level, known := levels[strings.ToUpper(*wanted)]
	switch {
	case *wanted == "":
		return answer{}, failure(http.StatusInternalServerError, "Illegal null or empty Level name.")
	case !known:
		return answer{}, failure(http.StatusNotFound, "invalid log level '%s'.", *wanted)
	}
	everywhere := strings.EqualFold(c.URL.Query().Get("scope"), "cluster")
	if everywhere && s.Level != nil {
		return answer{status: http.StatusNoContent}, s.Level(c.Context(), loggerName(c), strings.ToUpper(*wanted))
	}
	changed := s.Loggers.set(loggerName(c), level)
	if everywhere {
		return answer{status: http.StatusNoContent}, nil
	}
	return ok(changed)
}
