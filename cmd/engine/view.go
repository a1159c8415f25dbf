package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine"
)

// view shows how the pipelines are: lines at the bottom of a terminal, refreshed several times a second.
type view struct {
	screen *screen
	start  time.Time
	rates  map[string]*rate
}

func newView(s *screen, now time.Time) *view {
	return &view{screen: s, start: now, rates: map[string]*rate{}}
}

// show brings the status lines up to date.
func (v *view) show(is engine.View, now time.Time) {
	if v.screen.live {
		v.screen.show(v.lines(is, now))
	}
}

// close takes the status lines off the screen.
func (v *view) close() { v.screen.show(nil) }

func (v *view) lines(is engine.View, now time.Time) []string {
	width := 0
	for _, p := range is.Pipelines {
		width = max(width, len(p.Name))
	}
	width = min(width, 40)
	lines := make([]string, 0, len(is.Pipelines))
	for _, p := range is.Pipelines {
		r := v.rates[p.Name]
		if r == nil {
			r = &rate{since: v.start}
			v.rates[p.Name] = r
		}
		c := p.Counts()
		lines = append(lines, fmt.Sprintf("  %-*s  %-8s %12s records %10s/s%s", width, p.Name, strings.ToLower(p.Condition()),
			grouped(c.Delivered), grouped(r.at(now, c.Delivered)), trouble(c)))
	}
	return lines
}

// trouble is what a status line says beyond the good news.
func trouble(c engine.Counts) string {
	var b strings.Builder
	if c.Lag >= 0 {
		fmt.Fprintf(&b, "  lag %s", grouped(c.Lag))
	}
	for _, n := range []struct {
		count int64
		word  string
	}{{c.InFlight, "in flight"}, {c.Failed, "failed"}, {c.DeadLettered, "dead-lettered"}} {
		if n.count > 0 {
			fmt.Fprintf(&b, "  %s %s", grouped(n.count), n.word)
		}
	}
	return b.String()
}

// rate is how much a counter that starts at 0 grows in a second, over the last whole second.
type rate struct {
	since time.Time
	from  int64
	shown int64
}

func (r *rate) at(now time.Time, count int64) int64 {
	if d := now.Sub(r.since); d >= time.Second {
		r.shown = int64(float64(count-r.from) / d.Seconds())
		r.since, r.from = now, count
	}
	return r.shown
}

// grouped writes a number with a comma between each three digits.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
