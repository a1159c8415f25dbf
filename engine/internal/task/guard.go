package task

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/penstock/penstock/engine/diag"
)

// Guard calls plugins: every call into one goes through it. A panic of theirs becomes an error, so that the task or the
// instance fails and the process does not; the stack goes to the log only.
type Guard struct {
	Plugin string // as people know it
	Logger *slog.Logger
	calls  *calls // nil: nobody asks
}

// calls are those into a plugin that have not returned, the oldest first.
type calls struct {
	mu    sync.Mutex
	names []string
}

func (c *calls) begin(what string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, what)
}

func (c *calls) end(what string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.names, what)
	c.names = slices.Delete(c.names, i, i+1)
}

// oldest is the name of a call that has not returned for the longest time; "": there is none.
func (c *calls) oldest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names) == 0 {
		return ""
	}
	return c.names[0]
}

// Call runs f; what is the name of the plugin's method.
func (g Guard) Call(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.Logger.Error("a plugin panicked", "code", diag.Internal, "plugin", g.Plugin, "call", what, "panic", p, "stack", string(debug.Stack()))
			d := diag.New(diag.Internal, diag.Place{}, "%s of %s panicked: %s. The log has the stack.", what, g.Plugin, panicText(p))
			err = &d
		}
	}()
	g.calls.begin(what)
	defer g.calls.end(what)
	return f()
}

// panicText keeps values out of the message: only errors of the runtime and texts say something that is not data.
func panicText(p any) string {
	switch p := p.(type) {
	case error:
		return p.Error()
	case string:
		return p
	default:
		return fmt.Sprintf("a value of type %T", p)
	}
}
