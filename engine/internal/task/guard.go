package task

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/penstock/penstock/engine/diag"
)

// Guard calls plugins: every call into one goes through it. A panic of theirs becomes an error, so that the task or the
// instance fails and the process does not; the stack goes to the log only.
type Guard struct {
	Plugin string // as people know it
	Logger *slog.Logger
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
