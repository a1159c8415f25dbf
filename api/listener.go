package api

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// listener bounds the connections that are open at a time: who comes when all places are taken waits in the backlog.
type listener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a free place, then for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close also ends an Accept that waits for a place.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// conn gives its place back when it is closed, and makes net/http refuse in JSON: what cannot be read as a request never
// reaches a handler and is answered in plain text, in one write.
type conn struct {
	net.Conn
	release func()
}

// Close gives the place back, once.
func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

var plain = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n") //nolint:gochecknoglobals // a literal

// Write passes on what handlers write, and translates what net/http says itself.
func (c *conn) Write(b []byte) (int, error) {
	status, text, found := bytes.Cut(b, plain)
	line, isRefusal := bytes.CutPrefix(status, []byte("HTTP/1.1 4"))
	if !found || !isRefusal || len(line) < 3 || bytes.IndexByte(line, '\r') >= 0 {
		return c.Conn.Write(b)
	}
	code, err := strconv.Atoi("4" + string(line[:2]))
	if err != nil {
		return c.Conn.Write(b)
	}
	body := failure(code, "%s", text).json()
	out := fmt.Appendf(nil, "%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
