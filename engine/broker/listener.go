package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
)

// loopback takes an address apart and refuses one that others could reach: the broker asks nobody who they are.
func loopback(address string) (host string, port int, err error) {
	if address == "" {
		return "127.0.0.1", 0, nil
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		d := diag.New(diag.InvalidValue, diag.Place{}, "%q is not an address of the form host:port, such as %s.", address, DefaultAddress)
		return "", 0, &d
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		d := diag.New(diag.InvalidValue, diag.Place{}, "%q has no port between 0 and 65535.", address)
		return "", 0, &d
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		d := diag.New(diag.InvalidValue, diag.Place{}, "The development broker listens on this machine only, and %q may be reached from elsewhere. It asks nobody who they are, and its data is not protected.\n\n"+
			"Use %s, or a real Kafka for other machines.", address, DefaultAddress)
		return "", 0, &d
	}
	return host, int(n), nil
}

// listener holds clients back until it is opened, and passes on only what is a request of Kafka's protocol.
type listener struct {
	net.Listener
	ready chan struct{}
	done  chan struct{}
	open  func()
	shut  func()
	log   *slog.Logger
}

// listen takes the port given, or the one that the folder remembers, or any, which the folder then remembers.
func listen(host string, port int, f *folder, log *slog.Logger) (*listener, error) {
	remembered := port == 0
	if remembered {
		port = f.memory.Port
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil && remembered && port != 0 {
		taken := port
		if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err == nil {
			log.Warn("development broker: the port of this project is taken by another program, so another one is used from now on",
				"taken", taken, "address", l.Addr().String())
		}
	}
	if err != nil {
		return nil, cannotListen(net.JoinHostPort(host, strconv.Itoa(port)), err)
	}
	g := &listener{Listener: l, ready: make(chan struct{}), done: make(chan struct{}), log: log}
	g.open = sync.OnceFunc(func() { close(g.ready) })
	g.shut = sync.OnceFunc(func() {
		close(g.done)
		l.Close() //nolint:errcheck // kfake has usually closed it before
	})
	if used := l.Addr().(*net.TCPAddr).Port; remembered && used != f.memory.Port {
		if err := f.remember(used); err != nil {
			g.shut()
			return nil, err
		}
	}
	return g, nil
}

func cannotListen(address string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		d := diag.New(diag.InvalidValue, diag.Place{}, "The development broker cannot listen on %s: %s.", address, err)
		return &d
	}
	d := diag.New(diag.AddressInUse, diag.Place{}, "The development broker cannot listen on %s: another program does, perhaps another broker.\n\n"+
		"If that is a Kafka, name it as bootstrap_servers. Else end it, or choose another port; port 0 takes a free one.", address)
	return &d
}

func (l *listener) forCluster(string, string) (net.Listener, error) { return l, nil }

// Accept waits until the broker is ready.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.ready:
	case <-l.done:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framed{Conn: conn, log: l.log}, nil
}

// Close is called by kfake when it ends.
func (l *listener) Close() error {
	l.shut()
	return nil
}

// maxRequest is Kafka's socket.request.max.bytes.
const maxRequest = 100 << 20

// framed looks at the head of each request before kfake does, which would make room for whatever size a stray client
// sends, and end the process on a request that it has no name for.
type framed struct {
	net.Conn
	log     *slog.Logger
	head    [8]byte // size, key and version of the request under way
	pending []byte  // of head, not yet handed on
	rest    int     // bytes of the request after head, still to come
}

func (f *framed) Read(p []byte) (int, error) {
	if len(f.pending) == 0 && f.rest == 0 {
		if _, err := io.ReadFull(f.Conn, f.head[:]); err != nil {
			return 0, err
		}
		if err := f.check(); err != nil {
			f.log.Warn("development broker: connection closed, its other end does not speak Kafka's protocol",
				"client", f.RemoteAddr().String(), "reason", err.Error())
			return 0, err
		}
	}
	if len(f.pending) > 0 {
		n := copy(p, f.pending)
		f.pending = f.pending[n:]
		return n, nil
	}
	n, err := f.Conn.Read(p[:min(len(p), f.rest)])
	f.rest -= n
	return n, err
}

func (f *framed) check() error {
	size := binary.BigEndian.Uint32(f.head[:4])
	if size < 4 || size > maxRequest {
		return fmt.Errorf("a request of %d bytes", size)
	}
	if key := int16(binary.BigEndian.Uint16(f.head[4:6])); kmsg.RequestForKey(key) == nil {
		return fmt.Errorf("a request of kind %d", key)
	}
	f.pending, f.rest = f.head[:], int(size)-4
	return nil
}
