package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/diag"
)

// Explain says what an error of a client means for somebody who runs it, if it is about reaching a cluster, and what to
// do; nil for any other error. A diagnostic of [diag.KafkaDown] may pass by itself, the others do not.
func Explain(err error) *diag.Diagnostic {
	for _, explain := range []func(error) *diag.Diagnostic{explainLogin, explainToken, explainTLS, explainSilence, explainNetwork} {
		if d := explain(err); d != nil {
			return d
		}
	}
	return nil
}

func said(code diag.Code, format string, args ...any) *diag.Diagnostic {
	d := diag.New(code, diag.Place{}, format, args...)
	return &d
}

func explainLogin(err error) *diag.Diagnostic {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return said(diag.LoginRefused, "The cluster does not accept these credentials.\n\nCheck the user's name and password in sasl.jaas.config, and that sasl.mechanism is the one that the user was made for.")
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return said(diag.LoginRefused, "The cluster does not offer this sasl.mechanism. Ask its operators which ones it does.")
	case errors.Is(err, kerr.IllegalSaslState):
		return said(diag.LoginRefused, "The cluster expects no log-in at this address. Set security.protocol to PLAINTEXT or SSL, or use the address of a listener with SASL.")
	}
	return nil
}

func explainToken(err error) *diag.Diagnostic {
	if t, ok := errors.AsType[*tokenError](err); ok {
		return said(diag.LoginRefused, "No token could be had from %s: %v.\n\nCheck %s and the client's id and secret.", t.url, reasonOf(t.err), tokenURL)
	}
	return nil
}

// reasonOf leaves out what the wrapping of net/http repeats.
func reasonOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		if _, ok := err.(interface{ Timeout() bool }); !ok {
			return err
		}
		err = inner
	}
}

func explainTLS(err error) *diag.Diagnostic {
	host := "the broker"
	if h, ok := errors.AsType[*handshakeError](err); ok {
		host = h.host
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return said(diag.NotTrusted, "The certificate of %s%s was not issued by an authority that is trusted here.\n\nName the authority's certificate in ssl.truststore.location (with ssl.truststore.type PEM, JKS or PKCS12).", host, issuer(unknown.Cert))
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return said(diag.NotTrusted, "%s\n\nThe operators of the cluster have to renew it; if it is valid, this machine's clock is wrong: it says %s.", expired(host, invalid.Cert), time.Now().UTC().Format(time.RFC3339))
	}
	if named, ok := errors.AsType[x509.HostnameError](err); ok {
		return said(diag.NotTrusted, "The certificate of %s is for other names%s.\n\nUse one of these names in bootstrap.servers and in the brokers' advertised.listeners, or have the certificate issued with this one. To switch the check of names off, set ssl.endpoint.identification.algorithm to empty text.", host, names(named.Certificate))
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return said(diag.NotTrusted, "The certificate of %s is not valid: %v.", host, bad.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return said(diag.NotTrusted, "%s does not speak TLS at this address.\n\nSet security.protocol to PLAINTEXT or SASL_PLAINTEXT, or use the port of a listener with TLS.", host)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return said(diag.NotTrusted, "%s ended the TLS handshake: %v.\n\nIf it wants a certificate of its clients, name one that it trusts in ssl.keystore.location; otherwise compare ssl.enabled.protocols and ssl.cipher.suites with the cluster's.", host, op.Err)
	}
	if h, ok := errors.AsType[*handshakeError](err); ok && !isTimeout(err) {
		return said(diag.NotTrusted, "TLS with %s failed: %v.\n\nIs this the port of a listener with TLS?", host, h.err)
	}
	return nil
}

func issuer(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" (issued by %q)", c.Issuer)
}

func expired(host string, c *x509.Certificate) string {
	switch {
	case c == nil:
		return "The certificate of " + host + " has expired."
	case time.Now().Before(c.NotBefore):
		return fmt.Sprintf("The certificate %q of %s is valid from %s on.", c.Subject, host, c.NotBefore.Format(time.DateOnly))
	}
	return fmt.Sprintf("The certificate %q of %s expired on %s.", c.Subject, host, c.NotAfter.Format(time.DateOnly))
}

func names(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	var all []string
	all = append(all, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return " (it has no subject alternative names, and the common name does not count)"
	}
	return ": " + strings.Join(all, ", ")
}

// explainSilence is a connection that a broker ends before it has answered anything: it expects another protocol.
func explainSilence(err error) *diag.Diagnostic {
	if _, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		return said(diag.LoginRefused, "The broker ends the connection before it answers: it expects TLS or a log-in, or this client sends one that it does not expect.\n\nCompare security.protocol with the listener at this address.")
	}
	return nil
}

func explainNetwork(err error) *diag.Diagnostic {
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return said(diag.KafkaDown, "The name %s cannot be resolved.\n\nCheck bootstrap.servers, and that the names in the brokers' advertised.listeners are known on this machine.", name.Name)
	}
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case ok && op.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED):
		return said(diag.KafkaDown, "Nothing listens at %s.\n\nIs Kafka running there, and does bootstrap.servers name the right port?", op.Addr)
	case ok && op.Op == "dial" && op.Addr != nil:
		return said(diag.KafkaDown, "No connection to %s: %v.\n\nCheck the network and firewalls between here and there.", op.Addr, op.Err)
	case errors.Is(err, io.EOF):
		return said(diag.KafkaDown, "The broker ends connections without saying why.\n\nIf the listener wants a log-in, check name and password in sasl.jaas.config and sasl.mechanism: not every broker says that they are wrong.")
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, context.Canceled):
		return nil
	case isHandshake(err):
		return said(diag.KafkaDown, "A connection was made, but the TLS handshake was not answered in time.\n\nIs this the port of a listener with TLS? If not, set security.protocol to PLAINTEXT or SASL_PLAINTEXT.")
	case isTimeout(err):
		return said(diag.KafkaDown, "The cluster does not answer in time.\n\nCheck bootstrap.servers, the network and firewalls between here and there.")
	}
	return nil
}

// isHandshake reports whether the time ran out during a TLS handshake: other errors of it are explained before.
func isHandshake(err error) bool {
	_, ok := errors.AsType[*handshakeError](err)
	return ok
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && t.Timeout()
}

// OwnSecurity reports whether the overrides of a connector say how its connections are protected, so that it may be
// refused where the worker is not.
func OwnSecurity(override map[string]string) bool {
	for key := range override {
		if key == "security.protocol" || strings.HasPrefix(key, "ssl.") || strings.HasPrefix(key, "sasl.") {
			return true
		}
	}
	return false
}

// askAgain is the wait between two signs of life that are asked of a cluster that is not there.
const askAgain = 2 * time.Second

// Admitted waits until the cluster has let a client in, and returns nil, or has refused it, and returns why as a
// [diag.Diagnostic]. The library itself tries for ever. It also returns nil when ctx is done or the client closed.
func Admitted(ctx context.Context, client *kgo.Client) error {
	for {
		err := client.Ping(ctx)
		if d := Explain(err); d != nil && d.Code != diag.KafkaDown && ctx.Err() == nil {
			return d
		}
		if err == nil || errors.Is(err, kgo.ErrClientClosed) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askAgain):
		}
	}
}
