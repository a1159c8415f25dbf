package task

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/penstock/penstock/engine/diag"
)

// guard calls plugins. A panic of theirs becomes an error, so that the task fails and the process does not; the stack
// goes to the log only.
type guard struct {
	plugin string // as people know it
	logger *slog.Logger
}

// call runs f; what is the name of the plugin's method.
func (g guard) call(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.logger.Error("a plugin panicked", "code", diag.Internal, "plugin", g.plugin, "call", what, "panic", p, "stack", string(debug.Stack()))
			d := diag.New(diag.Internal, diag.Place{}, "%s of %s panicked: %s. The log has the stack.", what, g.plugin, panicText(p))
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
