package engine

import (
	"context"
	"net"

	"github.com/penstock/penstock/engine/internal/member"
)

// DialWith makes the clients of tasks dial by a function, before Run.
func (e *Engine) DialWith(dial func(ctx context.Context, network, host string) (net.Conn, error)) {
	e.dial = dial
}

// Knows makes the engine know of a leader, and of its own trouble in leading.
func (e *Engine) Knows(leader string, trouble error) {
	e.seen(member.View{Self: "here", Leader: leader})
	e.trouble.Store(&trouble)
}
