package engine

import (
	"context"
	"net"
)

// DialWith makes the clients of tasks dial by a function, before Run.
func (e *Engine) DialWith(dial func(ctx context.Context, network, host string) (net.Conn, error)) {
	e.dial = dial
}
