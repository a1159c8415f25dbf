package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/penstock/penstock/engine/ssl"
)

// encrypted puts TLS on the connections of dial. The name that the certificate must have is the host that was asked for.
func encrypted(dial dialer, config *ssl.Rotating) dialer {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		raw, err := dial(ctx, network, host)
		if err != nil {
			return nil, err
		}
		own := config.Now().Clone()
		own.ServerName = host
		if name, _, err := net.SplitHostPort(host); err == nil {
			own.ServerName = name
		}
		conn := tls.Client(raw, own)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the handshake's error says why
			return nil, &handshakeError{host, err}
		}
		return conn, nil
	}
}

// handshakeError is a connection that was made but could not be encrypted.
type handshakeError struct {
	host string
	err  error
}

func (e *handshakeError) Error() string { return fmt.Sprintf("TLS with %s: %v", e.host, e.err) }
func (e *handshakeError) Unwrap() error { return e.err }
