package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/config"
)

// Properties of SslConfigs.
const (
	enabledProtocols = "ssl.enabled.protocols"
	sslProtocol      = "ssl.protocol"
	cipherSuites     = "ssl.cipher.suites"
	hostAlgorithm    = "ssl.endpoint.identification.algorithm"
	keystoreType     = "ssl.keystore.type"
	keystoreLocation = "ssl.keystore.location"
	keystorePassword = "ssl.keystore.password"
	keystoreKey      = "ssl.keystore.key"
	keystoreChain    = "ssl.keystore.certificate.chain"
	keyPassword      = "ssl.key.password"
	truststoreType   = "ssl.truststore.type"
	trustLocation    = "ssl.truststore.location"
	trustPassword    = "ssl.truststore.password"
	trustCerts       = "ssl.truststore.certificates"
)

// encrypted puts TLS on the connections of dial. The name that the certificate must have is the host that was asked for.
func encrypted(dial dialer, config *rotating) dialer {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		raw, err := dial(ctx, network, host)
		if err != nil {
			return nil, err
		}
		own := config.now().Clone()
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

// checkTLS checks what needs no file.
func (s *settings) checkTLS(wrong func(key, reason string)) {
	s.versions(wrong)
	s.ciphers(wrong)
	if a := s.value(hostAlgorithm); a != "" && !strings.EqualFold(a, "https") {
		wrong(hostAlgorithm, unusable(hostAlgorithm, "it is https, which checks the broker's name, or empty, which does not.").Reason)
	}
	for _, key := range []string{keystoreType, truststoreType} {
		if t := strings.ToUpper(s.value(key)); t != "" && !slices.Contains(storeTypes, t) {
			wrong(key, unusable(key, "stores are of type "+strings.Join(storeTypes, ", ")+".").Reason)
		}
	}
	s.checkStores(wrong)
}

// versions gives the lowest and highest version of TLS; ssl.protocol bounds from above, ssl.enabled.protocols on both
// sides (Kafka: DefaultSslEngineFactory).
func (s *settings) versions(wrong func(key, reason string)) (least, most uint16) {
	known := map[string]uint16{"TLSV1.2": tls.VersionTLS12, "TLSV1.3": tls.VersionTLS13}
	least, most = tls.VersionTLS12, tls.VersionTLS13
	var listed []uint16
	for _, name := range config.List(s.value(enabledProtocols)) {
		v, ok := known[strings.ToUpper(name)]
		if !ok {
			wrong(enabledProtocols, unusable(enabledProtocols, fmt.Sprintf("%s is not spoken here, only TLSv1.2 and TLSv1.3.", name)).Reason)
			continue
		}
		listed = append(listed, v)
	}
	if len(listed) > 0 {
		least, most = slices.Min(listed), slices.Max(listed)
	}
	switch p := strings.ToUpper(s.value(sslProtocol)); {
	case p == "" || p == "TLS":
	case known[p] == 0:
		wrong(sslProtocol, unusable(sslProtocol, "only TLSv1.2 and TLSv1.3 are spoken here.").Reason)
	case known[p] < least:
		wrong(sslProtocol, unusable(sslProtocol, "none of ssl.enabled.protocols is as old as it.").Reason)
	default:
		most = min(most, known[p])
	}
	return least, most
}

// ciphers gives the suites of TLS 1.2 to offer, nil for the usual ones, and the versions of TLS of which suites are named.
// Those of TLS 1.3 cannot be chosen among.
func (s *settings) ciphers(wrong func(key, reason string)) (suites []uint16, versions []uint16) {
	for _, name := range config.List(s.value(cipherSuites)) {
		i := slices.IndexFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return c.Name == strings.ToUpper(name) })
		if i < 0 {
			wrong(cipherSuites, unusable(cipherSuites, fmt.Sprintf("%s is not among the suites of this program, which leaves out weak ones.", name)).Reason)
			continue
		}
		c := tls.CipherSuites()[i]
		versions = append(versions, c.SupportedVersions...)
		if !slices.Contains(c.SupportedVersions, tls.VersionTLS13) {
			suites = append(suites, c.ID)
		}
	}
	return suites, versions
}

// tlsConfig opens the stores and makes the configuration of a client; it was checked before.
func (s *settings) tlsConfig() (*tls.Config, error) {
	ignore := func(string, string) {}
	c := &tls.Config{}
	c.MinVersion, c.MaxVersion = s.versions(ignore)
	suites, versions := s.ciphers(ignore)
	c.CipherSuites = suites
	if len(versions) > 0 {
		c.MinVersion, c.MaxVersion = max(c.MinVersion, slices.Min(versions)), min(c.MaxVersion, slices.Max(versions))
		if c.MinVersion > c.MaxVersion {
			return nil, unusable(cipherSuites, "its suites belong to a version of TLS that is switched off.")
		}
	}
	var err error
	if c.RootCAs, err = s.trusted(); err != nil {
		return nil, err
	}
	own, err := s.ownCertificate()
	if err != nil {
		return nil, err
	}
	if own != nil {
		// Always the same one: a broker that does not list its issuer then says what it does not like.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	if s.has(hostAlgorithm) && s.value(hostAlgorithm) == "" {
		anyHost(c)
	}
	return c, nil
}

// anyHost switches off the check of the host's name, and nothing else.
func anyHost(c *tls.Config) {
	c.InsecureSkipVerify = true // VerifyConnection does the rest of the check
	c.VerifyConnection = func(state tls.ConnectionState) error {
		chain := state.PeerCertificates
		between := x509.NewCertPool()
		for _, cert := range chain[1:] {
			between.AddCert(cert)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: c.RootCAs, Intermediates: between})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
		}
		return nil
	}
}
