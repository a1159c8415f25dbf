package main

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lmittmann/tint"
)

// screen lets status lines stand at the bottom of a terminal while everything else scrolls above them. On anything but a
// terminal there are no status lines, and writes pass through. It is safe for concurrent use.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	live   bool     // out is a terminal
	status []string // as they stand on the screen
}

func newScreen(p process) *screen { return &screen{out: p.out, live: isTerminal(p.out)} }

// above is a writer whose output, in whole lines, appears above the status lines. The stream may be another one that
// shows on the same terminal.
func (s *screen) above(w io.Writer) io.Writer { return aboveWriter{s, w} }

type aboveWriter struct {
	screen *screen
	w      io.Writer
}

func (a aboveWriter) Write(text []byte) (int, error) {
	a.screen.mu.Lock()
	defer a.screen.mu.Unlock()
	a.screen.erase()
	n, err := a.w.Write(text)
	a.screen.draw()
	return n, err
}

// show replaces the status lines.
func (s *screen) show(lines []string) {
	if !s.live {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	width := columns(s.out)
	for i, l := range lines {
		if utf8.RuneCountInString(l) >= width {
			lines[i] = string([]rune(l)[:width-1])
		}
	}
	if slices.Equal(lines, s.status) {
		return
	}
	s.erase()
	s.status = lines
	s.draw()
}

// erase takes the status lines off the screen: up one line and clear, for each.
func (s *screen) erase() {
	if len(s.status) > 0 {
		_, _ = io.WriteString(s.out, strings.Repeat("\x1b[1A\x1b[2K", len(s.status))) // a closed terminal shows nothing
	}
}

func (s *screen) draw() {
	for _, l := range s.status {
		_, _ = fmt.Fprintln(s.out, l)
	}
}

// newHandler writes one line an event, for people: time, level, message, attributes.
func newHandler(p process, s *screen) slog.Handler {
	return tint.NewTextHandler(s.above(p.err), &tint.Options{
		Level: slog.Level(math.MinInt32), TimeFormat: time.TimeOnly, NoColor: !p.color(p.err),
	})
}
